#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Manifests and the runtimes' rules, by the command line. What the rules say of which pod is in tests/admission.

bats_require_minimum_version 1.5.0

load lib

TOOLS=${TOOLS:-${XDG_CACHE_HOME:-/var/cache}/bulkhead/tools}
ADMISSION=$BATS_TEST_DIRNAME/../admission

setup_file() {
    workspace_make
}

teardown_file() {
    workspace_remove
}

# pod NAME REQUESTS LIMITS: a manifest.
pod() {
    printf '%s\n' "apiVersion: v1" "kind: Pod" "metadata: {name: $1}" "spec:" "  runtimeClassName: kata" \
        "  containers:" "  - name: main" "    resources:" "      requests: $2 # why" "      limits: $3"
}

@test "a pod that is taken, and what it is accounted with" {
    pod web '{cpu: 500m, memory: 256Mi}' '{cpu: 0.5, memory: 256Mi}' >"$WORK/good.yaml"
    run -0 "$BULKHEAD" admit "$WORK/good.yaml"
    [[ $output == *"$WORK/good.yaml:1: pod \"web\", for runtime kata"* ]]
    [[ $output == *"kata: accepted; accounted cpu 600m, memory 356Mi; VM: 1 vCPU, 304Mi of RAM"* ]]
    [[ $output == *"runc: accepted; accounted cpu 500m, memory 256Mi"* ]]
}

@test "a pod that is refused, with file, line and field" {
    pod web '{cpu: 500m, memory: 128Mi}' '{cpu: 500m, memory: 256Mi}' >"$WORK/bad.yaml"
    run -1 "$BULKHEAD" admit "$WORK/good.yaml" "$WORK/bad.yaml"
    [[ $output == *"$WORK/bad.yaml:9: spec.containers[0].resources.requests.memory: pod \"web\": kata: memory request 128Mi differs from limit 256Mi; they must be equal"* ]]
    [[ $output == *"2 pod templates, 1 refused, 0 not understood" ]]
}

@test "standard input, several documents, JSON, and a runtime for all" {
    { cat "$WORK/good.yaml"; echo ---; sed /runtimeClassName/d "$WORK/bad.yaml"; } >"$WORK/two.yaml"
    run -0 "$BULKHEAD" admit - <"$WORK/two.yaml"
    [[ $output == *"stdin:12: pod \"web\", for runtime runc"* ]]
    run -1 "$BULKHEAD" admit --runtime kata --json - <"$WORK/two.yaml"
    [ "$(jq -r '.templates | length' <<<"$output")" = 2 ]
    [ "$(jq -r '.templates[1].findings[0] | "\(.rule) \(.line) \(.refused)"' <<<"$output")" = "requests-equal-limits 19 true" ]
    [ "$(jq -r '.templates[1].runtimes.kata.accepted, .refused' <<<"$output" | xargs)" = "false 1" ]
    jq -n '{apiVersion: "v1", kind: "List", items: [{apiVersion: "v1", kind: "Pod", metadata: {name: "j", annotations: {x: "\ud83d\ude00 \\u"}},
        spec: {hostNetwork: true, runtimeClassName: "kata", containers: [{name: "a"}]}}]}' >"$WORK/list.json"
    run -1 "$BULKHEAD" admit "$WORK/list.json"
    [[ $output == *"spec.hostNetwork: pod \"j\": kata: the host's network is not supported"* ]]
}

@test "what is mended is accepted, and all else stays" {
    run --separate-stderr -0 "$BULKHEAD" admit --fix "$WORK/bad.yaml"
    diff <(sed 's/128Mi/256Mi/' "$WORK/bad.yaml") <(echo "$output")
    [[ $stderr == *"requests.memory: 256Mi instead of 128Mi"* ]]
    # Every manifest that sizes alone are wrong with.
    local file
    for file in "$ADMISSION"/manifests/*; do
        ! grep -q "^# deny: the host's network" "$file" || continue
        "$BULKHEAD" admit --fix "$file" 2>/dev/null >"$WORK/mended.yaml" || { echo "$file"; return 1; }
        "$BULKHEAD" admit "$WORK/mended.yaml" >/dev/null || { echo "$file"; return 1; }
    done
    # Not the host's network.
    run -1 "$BULKHEAD" admit --fix "$WORK/list.json"
}

@test "a node's configuration is what its manifests are judged by" {
    local node=$WORK/node.yaml
    pod web '{cpu: 500m, memory: 128Mi}' '{cpu: 500m, memory: 256Mi}' >"$WORK/bad.yaml"
    echo '{rules: {ratio: enforce}, handlers: {kata: {rules: {requests-equal-limits: warn, ratio: off}, overhead: {memory: 128MiB}}}}' >"$node"
    run -1 "$BULKHEAD" --config "" admit "$WORK/bad.yaml"
    run -0 "$BULKHEAD" --config "$node" admit "$WORK/bad.yaml"
    [[ $output == *"kata: accepted; accounted requests cpu 600m, memory 256Mi; limits cpu 600m, memory 384Mi"* ]]
    [[ $output == *"requests.memory: warning: pod \"web\": kata: memory request 128Mi differs"* ]]
    run -0 env BULKHEAD_CONFIG="$node" "$BULKHEAD" admit "$WORK/bad.yaml"
    # Of one that is wrong nothing is known.
    echo 'rulez: {}' >"$node"
    run -2 "$BULKHEAD" --config "$node" admit "$WORK/bad.yaml"
    [[ $output == *"there is no key 'rulez'; did you mean 'rules'?"* ]]
}

@test "what cannot be read or understood ends with 2" {
    run -2 "$BULKHEAD" admit "$WORK/nothing"
    [[ $output == *"$WORK/nothing"* ]]
    echo 'kind: [' >"$WORK/broken.yaml"
    run -2 "$BULKHEAD" admit "$WORK/broken.yaml" "$WORK/good.yaml"
    [[ $output == *"$WORK/broken.yaml:2: no YAML"*"kata: accepted"* ]]
    pod web '{cpu: lots}' '{}' >"$WORK/odd.yaml"
    run -2 "$BULKHEAD" admit "$WORK/odd.yaml"
    [[ $output == *"odd.yaml:9: spec.containers[0].resources.requests.cpu: 'lots' is no quantity"* ]]
    run -2 "$BULKHEAD" admit --fix --json "$WORK/good.yaml"
}

@test "admit, the admission policy and the node agree on all manifests" {
    [ -x "$TOOLS/policy" ] || skip "needs the policy's evaluator, which ./dev setup builds where there is Go"
    run "$ADMISSION/agree" "$BULKHEAD" "$TOOLS/policy" "$(dirname "$BULKHEAD")/../../tests/admission/shim-rules"
    grep -v '^ok' <<<"$output"
    [ "$status" -eq 0 ]
    [ "$(grep -c '^ok' <<<"$output")" -ge 60 ]
}
