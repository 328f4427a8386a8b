#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is no pod in a micro-VM is refused before anything is made, with the field and the value.

load lib

setup_file() {
    require_root
    runtime_setup
}

teardown_file() {
    runtime_teardown
}

setup() {
    vm_bundle
}

# refused TEXT [ARGS…]: `run` says TEXT, and makes nothing.
refused() {
    local text=$1
    shift
    fails_with "$text" rt run "$@" --bundle "$BUNDLE" "$ID"
    [ ! -e "$STATE/$ID" ]
    pod_gone "$ID"
}

@test "the host's network" {
    config '.linux.namespaces |= map(select(.type != "network"))'
    refused "the host's network is not supported"
    config '.linux.namespaces += [{type: "network", path: "/proc/self/ns/net"}]'
    refused "the host's network is not supported"
}

@test "less than a quarter of a core" {
    config '.linux.resources.cpu.quota = 20000'
    refused "cpu limit 200m is less than 250m, the smallest pod"
}

@test "less than 256 MiB" {
    config '.linux.resources.memory.limit = 134217728'
    refused "memory limit 128Mi is less than 256Mi, the smallest pod"
}

@test "a request that is not the limit" {
    config '.linux.resources.memory.reservation = 134217728'
    refused "pod \\\"$ID\\\": kata: memory request 128Mi differs from limit 256Mi; they must be equal"
}

@test "KVM that does not work, unless emulation is allowed" {
    [ "$ACCELERATOR" != kvm ] || skip "KVM works here"
    RUNTIME_FLAGS='--runtime kata' refused "emulation is not allowed"
}

@test "no guest image" {
    RUNTIME_FLAGS="$RUNTIME_FLAGS --guest $WORK/nothing" refused "$WORK/nothing"
}

@test "a terminal without console socket, detached" {
    config '.process.terminal = true'
    refused "cannot allocate tty" --detach
}

@test "descriptors to be passed on" {
    refused "--preserve-fds 2" --preserve-fds 2
}

@test "an impossible pod id" {
    refused "invalid container ID format" --pod ../x
}

@test "--pod without the Kata runtime" {
    RUNTIME_FLAGS='' refused "--pod is for pods in a micro-VM" --pod x
}

@test "an unknown runtime or accelerator" {
    fails_with "runtime" "$BULKHEAD" --runtime other list
    fails_with "accelerator" "$BULKHEAD" --accelerator other list
}

@test "a network namespace that is not there" {
    config '(.linux.namespaces[] | select(.type == "network")).path = "/run/netns/nobody"'
    refused "/run/netns/nobody"
}

@test "a name that is taken, before a pod is made for it" {
    mkdir "$STATE/$ID"
    fails_with "container with given ID already exists: $ID" rt run --pod another --bundle "$BUNDLE" "$ID"
    pod_gone another
    rmdir "$STATE/$ID"
}

@test "a plan that is refused is one line, and warnings are no part of one that is not" {
    config '.linux.resources.memory.limit = 134217728'
    run rt run --dry-run --bundle "$BUNDLE" "$ID"
    [[ ${lines[-1]} == *"run failed: pod "*"memory limit 128Mi is less than 256Mi, the smallest pod"* ]]
    config '.linux.resources.memory.limit = 268435456'
    # shellcheck disable=SC2086  # a list of words
    [[ $("$BULKHEAD" --root "$STATE" $RUNTIME_FLAGS run --dry-run --bundle "$BUNDLE" "$ID" 2>/dev/null) == "container "* ]]
}

@test "a document that is not one" {
    echo '{' >"$BUNDLE/config.json"
    refused "not valid JSON"
}

@test "the supervisor is found by a relative name too, whatever the bundle" {
    cd "$(dirname "$BULKHEAD")/.."
    # shellcheck disable=SC2086  # a list of words
    run "./$(basename "$(dirname "$BULKHEAD")")/bulkhead" --root "$STATE" $RUNTIME_FLAGS run --dry-run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"micro-VM"* ]]
}
