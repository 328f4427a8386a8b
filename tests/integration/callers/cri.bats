#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Pods of handler runc, by crictl.

# shellcheck disable=SC2016  # expanded by the container's shell
# shellcheck disable=SC2030,SC2031,SC2154  # variables of bats
load lib
load cri
HANDLER=runc

setup_file() {
    cri_setup
    # The bridge and the tables of port mappings stay, as with any runtime.
    local pod
    pod=$(pod warm '.port_mappings = [{protocol: 0, container_port: 1, host_port: 17999}]')
    container warm "$pod" warm . true
    cri_teardown
    node_leaks_snapshot "$WORK/before"
}

teardown_file() { caller_teardown; }

teardown() { cri_teardown; }

@test "cri: a pod of two containers: network, localhost, IPC, host name; one process serves it" {
    local p a b
    p=$(pod two '.hostname = "both"')
    a=$(container two "$p" a . sh -c 'echo shared >/dev/shm/x; echo hello | nc -l -p 8080; sleep 1000')
    b=$(container two "$p" b . sh -c "$FOREVER")
    [ "$(shims)" = 1 ]
    answers() { [ "$(crictl exec "$b" sh -c 'nc 127.0.0.1 8080 </dev/null')" = hello ]; }
    wait_until 10 answers
    run -0 crictl exec "$b" cat /dev/shm/x
    [ "$output" = shared ]
    run -0 crictl exec "$b" hostname
    [ "$output" = both ]
    [ "$(crictl exec "$a" readlink /proc/self/ns/net)" = "$(crictl exec "$b" readlink /proc/self/ns/net)" ]
    [ "$(crictl exec "$a" readlink /proc/self/ns/ipc)" = "$(crictl exec "$b" readlink /proc/self/ns/ipc)" ]
    [ "$(crictl exec "$a" readlink /proc/self/ns/pid)" != "$(crictl exec "$b" readlink /proc/self/ns/pid)" ]
    # From the node.
    local ip
    ip=$(crictl inspectp "$p" | jq -r .status.network.ip)
    node busybox ping -c 1 -W 5 "$ip"
}

@test "cri: containers that share their processes" {
    local p a b
    p=$(pod pids '.linux.security_context.namespace_options.pid = 0')
    a=$(container pids "$p" a '.linux.security_context.namespace_options.pid = 0' sleep 4711)
    b=$(container pids "$p" b '.linux.security_context.namespace_options.pid = 0' sh -c "$FOREVER")
    run -0 crictl exec "$b" ps
    [[ $output == *"sleep 4711"* ]]
    # One of them ends, with all that it started, and nobody else.
    crictl exec -s "$a" sh -c 'sleep 4712 & sleep 4713 &' &
    crictl stop "$a"
    run -0 crictl exec "$b" ps
    [[ $output != *"sleep 47"* ]]
}

@test "cri: exec: output, status, errors, terminal; attach" {
    local p c
    p=$(pod exec)
    c=$(container exec "$p" c '.stdin = true' sh -c 'while read -r line; do echo "got $line"; done')
    run -0 crictl exec "$c" echo fine
    [ "$output" = fine ]
    run crictl exec "$c" sh -c 'exit 7'
    [ "$status" -ne 0 ]
    run crictl exec --sync "$c" sh -c 'echo out; exit 7'
    [[ $output == *"exited with 7"* ]]
    run crictl exec "$c" nosuchcommand
    [[ $output == *nosuchcommand* ]]
    run crictl exec --sync --timeout 1 "$c" sleep 1000
    [ "$status" -ne 0 ]
    run -0 on_terminal 0 "$TOOLS/crictl" --config "$WORK/crictl.yaml" exec -it "$c" sh -c 'tty; echo end'
    [[ $output == *"/dev/pts/0"*end* ]]
    attached "$c" typed
}

@test "cri: logs, also after they were rotated" {
    local p c
    p=$(pod logs)
    c=$(container logs "$p" c . sh -c 'i=0; while :; do echo "line $((i += 1))"; echo "err $i" >&2; usleep 50000; done')
    wait_until 10 log_has c "line 3"
    grep -q "stderr F err" "$WORK/logs/c"
    mv "$WORK/logs/c" "$WORK/logs/c.1"
    reopen_log "$c"
    wait_until 10 log_has c line
    crictl stop --timeout 0 "$c"
    run -0 crictl logs "$c"
    [[ $output == *line* ]]
    no_line_lost "$WORK/logs/c.1" "$WORK/logs/c"
}

@test "cri: exit codes, stop within its grace and after it, restart in a living pod" {
    local p c
    p=$(pod ends)
    c=$(container ends "$p" c1 . sh -c 'exit 5')
    wait_until 10 is_exited "$c"
    [ "$(exit_of "$c")" = 5 ]
    c=$(container ends "$p" c2 . sh -c "$FOREVER")
    wait_until 10 log_has c2 ready
    crictl stop --timeout 10 "$c"
    [ "$(exit_of "$c")" = 3 ]
    c=$(container ends "$p" c3 . sh -c 'trap : TERM; echo ready; while :; do sleep 0.1; done')
    wait_until 10 log_has c3 ready
    crictl stop --timeout 1 "$c"
    [ "$(exit_of "$c")" = 137 ]
    crictl rm "$c"
    c=$(container ends "$p" c4 '.metadata.attempt = 1' true)
    wait_until 10 is_exited "$c"
    [ "$(exit_of "$c")" = 0 ]
    [ "$(pod_state_of "$p")" = SANDBOX_READY ]
}

@test "cri: out of memory is told as the reason" {
    local p c
    p=$(pod oom)
    c=$(container oom "$p" c '.linux.resources.memory_limit_in_bytes = 16777216' tail /dev/zero)
    wait_until 20 is_exited "$c"
    [ "$(exit_of "$c")" = 137 ]
    [ "$(reason_of "$c")" = OOMKilled ]
}

@test "cri: figures of containers and pods, limits, an update of them" {
    local p c
    p=$(pod stats)
    c=$(container stats "$p" c '.linux.resources = {memory_limit_in_bytes: 67108864, cpu_shares: 512}' sh -c "$FOREVER")
    wait_until 10 log_has c ready
    run -0 crictl stats -o json
    [ "$(jq -r '.stats[0].memory.workingSetBytes.value' <<<"$output")" -gt 0 ]
    [ "$(jq -r '.stats[0].cpu.usageCoreNanoSeconds.value' <<<"$output")" -gt 0 ]
    run -0 crictl statsp -o json
    [[ $output == *workingSetBytes* ]]
    crictl update --memory 50331648 "$c"
    [ "$(cgroup_limit "$TOKEN/stats/$c" memory memory.limit_in_bytes memory.max)" = 50331648 ]
}

@test "cri: security: users, groups, capabilities, seccomp, read-only root, sysctls, privileged" {
    local p c
    p=$(pod safe '.linux.sysctls = {"net.ipv4.ip_unprivileged_port_start": "80"}')
    c=$(container safe "$p" c '.linux.security_context += {run_as_user: {value: 1234}, supplemental_groups: [4321],
        readonly_rootfs: true, no_new_privs: true, capabilities: {drop_capabilities: ["ALL"]},
        seccomp: {profile_type: 0}}' sh -c "$FOREVER")
    run -0 crictl exec "$c" sh -c 'exec 2>&1; id; grep -E "^(CapEff|NoNewPrivs|Seccomp):" /proc/self/status; touch /x;
        cat /proc/sys/net/ipv4/ip_unprivileged_port_start'
    [[ $output == *"uid=1234"*4321* ]]
    [[ $output == *"CapEff:"*0000000000000000* && $output == *"NoNewPrivs:"*1* && $output == *"Seccomp:"*2* ]]
    [[ $output == *"Read-only file system"* && $output == *80 ]]
}

@test "cri: a ConfigMap's way of changing files is seen; a mount that is read-only" {
    local p c
    mkdir -p "$WORK/map/1" "$WORK/map/2"
    echo one >"$WORK/map/1/key"
    echo two >"$WORK/map/2/key"
    ln -s 1 "$WORK/map/..data"
    ln -s ..data/key "$WORK/map/key"
    p=$(pod map)
    c=$(container map "$p" c '.mounts = [{host_path: "'"$WORK/map"'", container_path: "/map", readonly: true}]' \
        sh -c "$FOREVER")
    run -0 crictl exec "$c" cat /map/key
    [ "$output" = one ]
    ln -s 2 "$WORK/map/..new"
    mv -T "$WORK/map/..new" "$WORK/map/..data"
    run -0 crictl exec "$c" cat /map/key
    [ "$output" = two ]
    run crictl exec "$c" touch /map/x
    [[ $output == *"Read-only"* ]]
}

@test "cri: the host's network" {
    local p c
    p=$(pod host '.linux.security_context.namespace_options.network = 2')
    c=$(container host "$p" c '.linux.security_context.namespace_options.network = 2' sh -c "$FOREVER")
    run -0 crictl exec "$c" readlink /proc/self/ns/net
    [ "$output" = "$(node readlink /proc/self/ns/net)" ]
}

@test "cri: a port of the pod on the host, and forwarded" {
    local p c forward
    p=$(pod port '.port_mappings = [{protocol: 0, container_port: 8080, host_port: 18080}]')
    c=$(container port "$p" c . sh -c 'mkdir /www; echo page >/www/index.html; exec httpd -f -p 8080 -h /www')
    page() { [ "$(node busybox wget -qO- "$1")" = page ]; }
    wait_until 10 page "http://$(crictl inspectp "$p" | jq -r .status.network.ip):8080/"
    page http://10.99.0.1:18080/
    node_spawn forward "$TOOLS/crictl" --config "$WORK/crictl.yaml" port-forward "$p" 28080:8080
    forward=$NODE_LAST
    wait_until 10 page http://127.0.0.1:28080/
    node_kill "$forward"
}

@test "cri: the daemon is killed and comes back" {
    local p c before
    p=$(pod stays)
    c=$(container stays "$p" c . sh -c 'i=0; while :; do echo "line $((i += 1))"; usleep 100000; done')
    wait_until 10 log_has c "line 2"
    containerd_kill
    sleep 1
    containerd_start
    [ "$(state_of "$c")" = CONTAINER_RUNNING ]
    [ "$(pod_state_of "$p")" = SANDBOX_READY ]
    before=$(wc -l <"$WORK/logs/c")
    log_grows() { [ "$(wc -l <"$WORK/logs/c")" -gt "$before" ]; }
    wait_until 10 log_grows
    no_line_lost "$WORK/logs/c"
    run -0 crictl exec "$c" echo still
    [ "$output" = still ]
}

@test "cri: the shim is killed: the pod is not ready, its containers have ended, it can be removed" {
    local p c
    p=$(pod killed)
    c=$(container killed "$p" c . sh -c "$FOREVER")
    node pkill -KILL -x bulkhead-shim
    wait_until 5 is_exited "$c"
    wait_until 5 is_not_ready "$p"
    crictl stopp "$p"
    crictl rmp "$p"
    no_shims
}

@test "cri: twenty pods at the same time" {
    local i pids=()
    for i in {0..19}; do
        pod "at-once-$i" >"$WORK/id.$i" &
        pids+=($!)
    done
    for i in {0..19}; do
        wait "${pids[i]}"
        [ "$(pod_state_of "$(cat "$WORK/id.$i")")" = SANDBOX_READY ]
    done
    [ "$(shims)" = 20 ]
}

# What they leave is looked for below.
@test "cri: a hundred pods in turn" {
    local i p
    for i in {1..100}; do
        p=$(pod "turn")
        crictl stopp "$p"
        crictl rmp "$p"
    done
    no_shims
}

@test "cri: no process, mount, cgroup, link or file is left" {
    node_leaks_check "$WORK/before" "$RUNTIME_STATE"
}
