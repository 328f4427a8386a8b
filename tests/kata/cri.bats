#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Pods of handler kata, by crictl: as few as possible, for without KVM each is emulated.

# shellcheck disable=SC2016  # expanded by the container's shell
# shellcheck disable=SC2030,SC2031,SC2154  # variables of bats
export PATIENCE=${PATIENCE:-6}
load ../integration/callers/lib
load ../integration/callers/cri
HANDLER=kata

setup_file() {
    cri_setup
    # The bridge and the tables of port mappings stay, as with any runtime.
    local pod
    HANDLER=runc
    pod=$(pod warm '.port_mappings = [{protocol: 0, container_port: 1, host_port: 17999}]')
    container warm "$pod" warm . true
    cri_teardown
    node mkdir -p "/run/bulkhead/@containerd/k8s.io/@pods"
    node_leaks_snapshot "$WORK/before"
}

teardown_file() { caller_teardown; }

teardown() { cri_teardown; }

@test "cri: kata: a pod of two containers, from its start to its end" {
    local p a b
    p=$(pod one '.hostname = "guest" | .dns_config.servers = ["10.1.2.3"]')
    a=$(container one "$p" a . sh -c 'echo hello | nc -l -p 8080; sleep 1000')
    b=$(container one "$p" b '.linux.resources = {memory_limit_in_bytes: 67108864}' sh -c "$FOREVER")
    [ "$(shims)" = 1 ]
    # A kernel of its own, the pod's network.
    run -0 crictl exec "$b" cat /proc/sys/kernel/random/boot_id
    [ "$output" != "$(cat /proc/sys/kernel/random/boot_id)" ]
    answers() { [ "$(crictl exec "$b" sh -c 'nc 127.0.0.1 8080 </dev/null')" = hello ]; }
    wait_until 10 answers
    run -0 crictl exec "$b" sh -c 'hostname; grep nameserver /etc/resolv.conf'
    [ "$output" = $'guest\nnameserver 10.1.2.3' ]
    node busybox ping -c 1 -W 20 "$(crictl inspectp "$p" | jq -r .status.network.ip)"
    wait_until 10 log_has b ready
    # exec and its like.
    run crictl exec --sync "$b" sh -c 'echo out; exit 7'
    [[ $output == *"exited with 7"* ]]
    run crictl exec "$b" nosuchcommand
    [[ $output == *nosuchcommand* ]]
    run -0 on_terminal 0 "$TOOLS/crictl" --config "$WORK/crictl.yaml" exec -it "$b" sh -c 'tty; echo end'
    [[ $output == *"/dev/pts/0"*end* ]]
    # Figures are the guest's.
    run -0 crictl stats -o json "$b"
    [ "$(jq -r '.stats[0].memory.workingSetBytes.value' <<<"$output")" -gt 0 ]
    [ "$(jq -r '.stats[0].memory.workingSetBytes.value' <<<"$output")" -lt 67108864 ]
    crictl update --memory 50331648 "$b"
    run crictl update --memory 5033164800 "$b"
    [[ $output == *"its size is fixed"* ]]
    # The command line finds the pod, and what it costs.
    run -0 node "$BULKHEAD" --root /run/bulkhead/@containerd/k8s.io list -q
    [[ $output == *"$b"* ]]
    run -0 node "$BULKHEAD" --root /run/bulkhead/@containerd/k8s.io state "$b"
    [[ $output == *'"status": "running"'* ]]
    run -0 node "$BULKHEAD" --root /run/bulkhead/@containerd/k8s.io pod stats "$p"
    [[ $output == *virtiofsd* ]]
    # Ends.
    crictl stop --timeout 60 "$b"
    [ "$(exit_of "$b")" = 3 ]
    b=$(container one "$p" oom '.linux.resources = {memory_limit_in_bytes: 16777216}' tail /dev/zero)
    wait_until 20 is_exited "$b"
    [ "$(exit_of "$b")" = 137 ]
    [ "$(reason_of "$b")" = OOMKilled ]
    b=$(container one "$p" again '.metadata.attempt = 1' sh -c 'exit 5')
    wait_until 10 is_exited "$b"
    [ "$(exit_of "$b")" = 5 ]
    crictl stopp "$p"
    crictl rmp "$p"
    no_shims
}

@test "cri: kata: two pods have kernels, processes and networks of their own" {
    local p q a b
    p=$(pod left)
    q=$(pod right)
    a=$(container left "$p" a . sh -c 'echo page | nc -l -p 8080; sleep 4711')
    b=$(container right "$q" b . sh -c "$FOREVER")
    [ "$(crictl exec "$a" cat /proc/sys/kernel/random/boot_id)" != "$(crictl exec "$b" cat /proc/sys/kernel/random/boot_id)" ]
    run -0 crictl exec "$b" ps
    [[ $output != *4711* ]]
    local ip
    ip=$(crictl inspectp "$p" | jq -r .status.network.ip)
    answers() { [ "$(crictl exec "$b" sh -c "nc $ip 8080 </dev/null")" = page ]; }
    wait_until 10 answers
}

@test "cri: kata: what the contract excludes is refused before anything starts" {
    run pod host '.linux.security_context.namespace_options.network = 2'
    [ "$status" -ne 0 ]
    [[ $output == *"kata: the host's network is not supported"* ]]
    run pod small '.linux.resources.memory_limit_in_bytes = 134217728'
    [ "$status" -ne 0 ]
    [[ $output == *"134217728 bytes are less than 256 MiB, the smallest pod"* ]]
    run pod slow '.linux.resources.cpu_quota = 10000'
    [ "$status" -ne 0 ]
    [[ $output == *"less than 0.25 core, the smallest pod"* ]]
    no_shims
}

@test "cri: kata: the daemon is killed and comes back; then the VMM is killed" {
    local p c
    p=$(pod stays)
    c=$(container stays "$p" c . sh -c "$FOREVER")
    containerd_kill
    sleep 1
    containerd_start
    [ "$(state_of "$c")" = CONTAINER_RUNNING ]
    [ "$(pod_state_of "$p")" = SANDBOX_READY ]
    run -0 crictl exec "$c" echo still
    [ "$output" = still ]
    node kill -KILL "$(crictl inspectp "$p" | jq -r .info.pid)"
    PATIENCE=1 wait_until 5 is_exited "$c"
    PATIENCE=1 wait_until 5 is_not_ready "$p"
    crictl inspect "$c" | jq -c .status
    [ "$(exit_of "$c")" = 137 ]
    crictl stopp "$p"
    crictl rmp "$p"
    no_shims
}

@test "cri: kata: the shim is killed" {
    local p c
    p=$(pod killed)
    c=$(container killed "$p" c . sh -c "$FOREVER")
    node pkill -KILL -x bulkhead-shim
    PATIENCE=1 wait_until 5 is_exited "$c"
    PATIENCE=1 wait_until 5 is_not_ready "$p"
    crictl stopp "$p"
    crictl rmp "$p"
    run ! node pgrep qemu-system
}

@test "cri: kata: no process, mount, cgroup, link or file is left" {
    node_leaks_check "$WORK/before" "$RUNTIME_STATE"
}
