#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# What an administrator sees of a node's pods, where containerd made some of both handlers, and the command
# line others. One set of pods for the whole file, for without KVM each is emulated.

# shellcheck disable=SC2016  # expanded by the container's shell
# shellcheck disable=SC2030,SC2031,SC2154  # variables of bats
export PATIENCE=${PATIENCE:-6}
load ../integration/callers/lib
load ../integration/callers/cri

setup_file() {
    cri_setup
    require_command promtool curl
    HANDLER=kata
    export PODLOGS=/var/log/pods/$TOKEN
    mkdir -p "$PODLOGS"
    VM=$(pod vm ".log_directory = \"$PODLOGS\" | .linux.security_context.privileged = true")
    A=$(container vm "$VM" a '.linux.security_context.privileged = true' sh -c "$FOREVER")
    HANDLER=runc
    HOST=$(pod host)
    container host "$HOST" b . sh -c 'exit 3'
    container host "$HOST" c . sh -c "$FOREVER"
    export VM HOST A
}

teardown_file() {
    [ -z "${PODLOGS:-}" ] || rm -rf "$PODLOGS"
    cri_teardown
    caller_teardown
}

bulkhead() { node "$BULKHEAD" "$@"; }
# of POD FILTER: what the list says of a pod.
of() { bulkhead pod list --all --format json | jq -r --arg id "$1" ".[] | select(.id == \$id) | $2"; }
# value NAME POD [LABEL]: of a metric.
value() {
    bulkhead metrics --once | grep "^$1{" | grep -F "id=\"$2\"" | grep -F "${3:-}" | sed 's/.*} //'
}

@test "pods of both handlers are listed by their names, with their containers" {
    bulkhead pod list
    [ "$(of "$VM" '[.runtime, .name, .namespace, .state, .vm.accelerator] | join(" ")')" = "kata vm default running ${ACCELERATOR:-emulation}" ]
    [ "$(of "$HOST" '[.runtime, .name, .namespace, .state] | join(" ")')" = "runc host default running" ]
    [ "$(of "$VM" '[.containers[] | .name // "sandbox"] | sort | join(" ")')" = "a sandbox" ]
    wait_until 5 eval '[ "$(of "$HOST" ".containers[] | select(.name == \"b\") | .exitCode")" = 3 ]'
    [ "$(of "$HOST" .reason)" = "container b: exit code 3" ]
    [ "$(of "$VM" .limits.memoryBytes)" = 268435456 ]
    [ "$(of "$VM" .declaredOverhead.memoryBytes)" = 104857600 ]
}

@test "what they cost is told by stats, with a guest's share" {
    bulkhead pod stats
    bulkhead pod stats default/vm
    run -0 bulkhead pod stats --format json "$VM"
    [ "$(jq '[.hostUse.memoryBytes > 0, .guestUse.memoryBytes > 0, .measuredOverhead.memoryBytes > 0] | all' <<<"$output")" = true ]
    [ "$(jq '[.host[].name] | join(" ")' -r <<<"$output")" = "vmm virtiofsd supervisor" ]
    # What its containers have is no overhead.
    [ "$(jq '.hostUse.memoryBytes - .measuredOverhead.memoryBytes == ([.containers[].memoryBytes] | add)' <<<"$output")" = true ]
    run -0 bulkhead pod stats --format json "$HOST"
    [ "$(jq -r '.host[0].name' <<<"$output")" = shim ]
    [ "$(jq '.measuredOverhead.memoryBytes == .host[0].memoryBytes' <<<"$output")" = true ]
}

@test "a container that takes another's place is counted" {
    local before
    before=$(of "$HOST" .restarts)
    crictl rm "$(crictl ps -a -q --name '^b$')"
    container host "$HOST" b '.metadata.attempt = 1' sh -c 'exit 0'
    [ "$(of "$HOST" .restarts)" = $((before + 1)) ]
    [ "$(value bulkhead_pod_restarts_total "$HOST")" = $((before + 1)) ]
}

@test "Prometheus' own check finds no fault with the metrics of all pods" {
    bulkhead metrics --once >"$WORK/metrics"
    promtool check metrics <"$WORK/metrics"
    [ "$(value bulkhead_pod_up "$VM")" = 1 ]
    [ "$(value bulkhead_pod_up "$HOST")" = 1 ]
    [ "$(value bulkhead_pod_vm_vcpus "$VM")" = 1 ]
    [ "$(value bulkhead_container_exit_code "$HOST" 'container="b"')" = 0 ]
}

@test "a pod that hangs is silent, and delays nobody" {
    local shim from
    shim=$(node sh -c "pgrep -f -- '-id $VM .*serve' | head -n 1")
    [ -n "$shim" ]
    node kill -STOP "$shim"
    from=$(date +%s%3N)
    run -0 bulkhead metrics --once --timeout 500ms
    [ $(($(date +%s%3N) - from)) -lt 3000 ]
    grep "^bulkhead_pod_up{" <<<"$output"
    grep -F "id=\"$VM\"" <<<"$output" | grep -q '^bulkhead_pod_up{.*} 0$'
    grep -F "id=\"$HOST\"" <<<"$output" | grep -q '^bulkhead_pod_up{.*} 1$'
    [ "$(bulkhead pod list --timeout 300ms --format json | jq -r --arg id "$VM" '.[] | select(.id == $id) | .state')" = silent ]
    node kill -CONT "$shim"
    [ "$(of "$VM" .state)" = running ]
}

@test "containerd hears nothing of it: the pods go on" {
    [ "$(pod_state_of "$VM")" = SANDBOX_READY ]
    [ "$(state_of "$A")" = CONTAINER_RUNNING ]
    run -0 crictl exec "$A" echo still
    [ "$output" = still ]
}

# Deleted with its last container, which containerd deletes at once when it has ended: what is left is in the
# pod's log directory.
@test "a pod whose VM died is told of until Kubernetes deletes it, and what its console said" {
    crictl exec "$A" sh -c 'echo 2 >/proc/sys/vm/panic_on_oom && tail /dev/zero' || :
    wait_until 5 eval '[ "$(of "$VM" .root)" = /var/log/pods ]'
    [[ $(of "$VM" '[.namespace, .name, .runtime, .reason] | join(" ")') == "default vm kata the pod's virtual machine ended"*"Kernel panic"* ]]
    run -0 bulkhead pod log "$VM"
    [[ $output == *"Kernel panic"*"is dead: the pod's virtual machine ended"* ]]
    run -0 bulkhead pod console vm
    run ! bulkhead pod log "$HOST"
    [[ $output == *"it has no console"* ]]
    # And the log of who served it.
    grep -q "virtual machine ended" "$WORK/log/containerd"
    crictl stopp "$VM"
    crictl rmp "$VM"
    rm -r "$PODLOGS"
    run ! bulkhead pod log "$VM"
    [[ $output == *"does not exist"*containerd* ]]
}
