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
    KATA_MORE='pod_annotations = ["io.bulkhead.*"]'
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
    # kubectl debug --target: with one container to look at, its processes.
    crictl stop --timeout 0 "$a"
    a=$(container one "$p" debug '.linux.security_context.namespace_options = {pid: 3, target_id: "'"$b"'"}' sleep 4714)
    run -0 crictl exec "$a" ps
    [[ $output == *"exit 3"*"sleep 4714"* ]]
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

@test "cri: kata: attach; logs that are rotated; stop after its grace; figures of the pod" {
    local p c
    p=$(pod talks)
    c=$(container talks "$p" c '.stdin = true' sh -c 'trap "" TERM
        (i=0; while :; do echo "line $((i += 1))"; usleep 50000; done) & while read -r line; do echo "got $line"; done; wait')
    attached "$c" typed
    [ "$(echo through | crictl exec -i "$c" cat)" = through ]
    wait_until 10 log_has c "line 3"
    mv "$WORK/logs/c" "$WORK/logs/c.1"
    reopen_log "$c"
    wait_until 10 log_has c line
    crictl stop --timeout 1 "$c"
    [ "$(exit_of "$c")" = 137 ]
    no_line_lost "$WORK/logs/c.1" "$WORK/logs/c"
    run -0 crictl logs "$c"
    [[ $output == *line* ]]
    run -0 crictl statsp -o json
    [[ $output == *workingSetBytes* ]]
}

@test "cri: kata: users, groups, capabilities, seccomp, read-only root, sysctls, ConfigMaps" {
    local p c
    p=$(pod safe '.linux.sysctls = {"net.ipv4.ip_unprivileged_port_start": "80"}')
    mkdir -p "$WORK/map/1" "$WORK/map/2"
    echo one >"$WORK/map/1/key"
    echo two >"$WORK/map/2/key"
    ln -s 1 "$WORK/map/..data"
    ln -s ..data/key "$WORK/map/key"
    c=$(container safe "$p" c '.linux.security_context += {run_as_user: {value: 1234}, supplemental_groups: [4321],
        readonly_rootfs: true, no_new_privs: true, capabilities: {drop_capabilities: ["ALL"]},
        seccomp: {profile_type: 0}} | .mounts = [{host_path: "'"$WORK/map"'", container_path: "/map", readonly: true}]' \
        sh -c "$FOREVER")
    run -0 crictl exec "$c" sh -c 'exec 2>&1; id; grep -E "^(CapEff|NoNewPrivs|Seccomp):" /proc/self/status; touch /x;
        touch /map/x; cat /proc/sys/net/ipv4/ip_unprivileged_port_start /map/key'
    [[ $output == *"uid=1234"*4321* ]]
    [[ $output == *"CapEff:"*0000000000000000* && $output == *"NoNewPrivs:"*1* && $output == *"Seccomp:"*2* ]]
    [[ $output == *"/x: Read-only file system"*"/map/x: Read-only file system"*80*one ]]
    # As kubelet changes what is mounted.
    ln -s 2 "$WORK/map/..new"
    mv -T "$WORK/map/..new" "$WORK/map/..data"
    now() { [ "$(crictl exec "$c" cat /map/key)" = two ]; }
    wait_until 5 now
    # A profile of the node's own.
    echo '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}' \
        >"$WORK/profile.json"
    c=$(container safe "$p" local '.linux.security_context.seccomp = {profile_type: 2,
        localhost_ref: "'"$WORK/profile.json"'"}' sh -c "$FOREVER")
    run -0 crictl exec "$c" sh -c 'touch /x; mkdir /y 2>&1 || :'
    [[ $output == *"Operation not permitted"* ]]
}

@test "cri: kata: a privileged container is privileged in its guest, and there alone" {
    local p c swappiness
    swappiness=$(cat /proc/sys/vm/swappiness)
    p=$(pod strong '.linux.security_context.privileged = true')
    c=$(container strong "$p" c '.linux.security_context.privileged = true' sh -c "$FOREVER")
    run -0 crictl exec "$c" sh -c "mount -t tmpfs none /mnt && echo $((swappiness / 2 + 1)) >/proc/sys/vm/swappiness &&
        cat /proc/sys/vm/swappiness; ls /dev; grep CapEff /proc/self/status"
    [[ $output == "$((swappiness / 2 + 1))"$'\n'* ]]
    [ "$(cat /proc/sys/vm/swappiness)" = "$swappiness" ]
    [[ $output != *kvm* && $output != *loop* && $output != *fuse* ]]
    # All that the daemon has itself.
    [[ $output == *"CapEff:"*"$(node sed -n 's/^CapEff:\s*//p' /proc/self/status)"* ]]
}

@test "cri: kata: two pods have kernels, processes and networks of their own" {
    local p q a b
    p=$(pod left)
    q=$(pod right)
    a=$(container left "$p" a . sh -c 'echo secret >/dev/shm/x; echo page | nc -l -p 8080; sleep 4711')
    b=$(container right "$q" b . sh -c "$FOREVER")
    [ "$(crictl exec "$a" cat /proc/sys/kernel/random/boot_id)" != "$(crictl exec "$b" cat /proc/sys/kernel/random/boot_id)" ]
    run -0 crictl exec "$b" ps
    [[ $output != *4711* ]]
    run ! crictl exec "$b" ls /dev/shm/x
    local ip
    ip=$(crictl inspectp "$p" | jq -r .status.network.ip)
    answers() { [ "$(crictl exec "$b" sh -c "nc $ip 8080 </dev/null")" = page ]; }
    wait_until 10 answers
}

@test "cri: kata: ports are forwarded, also to what listens on the guest's loopback alone; without a listener refused" {
    local p c forward
    p=$(pod ports '.port_mappings = [{protocol: 0, container_port: 8080, host_port: 18080}]')
    c=$(container ports "$p" c . sh -c 'mkdir /www; seq 200000 >/www/numbers; httpd -p 127.0.0.1:8081 -h /www
        exec httpd -f -p 8080 -h /www')
    seq 200000 >"$WORK/numbers"
    listens() { crictl exec "$c" netstat -ltn | grep -q ":8080 "; }
    wait_until 10 listens
    node_spawn forward "$TOOLS/crictl" --config "$WORK/crictl.yaml" port-forward "$p" 28080:8080 28081:8081 28082:8082
    forward=$NODE_LAST
    numbers() { node busybox wget -qO- "http://${2:-127.0.0.1}:$1/numbers" | cmp - "$WORK/numbers"; }
    forwards() { grep -q "127.0.0.1:28082" "$WORK/log/forward"; }
    wait_until 10 forwards
    numbers 28080
    numbers 28081
    # The plugin's port on the host leads to the same pod.
    numbers 18080 10.99.0.1
    # Side by side, as a browser does.
    local i pids=()
    for i in {1..8}; do
        numbers $((28080 + i % 2)) &
        pids+=($!)
    done
    for i in "${pids[@]}"; do
        wait "$i"
    done
    # The daemon says so; whether crictl shows it, and ends, depends on both.
    run ! numbers 28082
    wait_until 5 grep "port 8082.*connection reset by peer" "$WORK/log/containerd"
    node_kill "$forward" 2>/dev/null || :
}

@test "cri: kata: what the contract excludes is refused before anything starts" {
    run pod host '.linux.security_context.namespace_options.network = 2'
    [ "$status" -ne 0 ]
    [[ $output == *"kata: the host's network is not supported"* ]]
    run pod small '.linux.resources.memory_limit_in_bytes = 134217728'
    [ "$status" -ne 0 ]
    [[ $output == *"memory limit 128Mi is less than 256Mi, the smallest pod"* ]]
    run pod slow '.linux.resources.cpu_quota = 10000'
    [ "$status" -ne 0 ]
    [[ $output == *"cpu limit 100m is less than 250m, the smallest pod"* ]]
    run pod unequal '.linux.resources = {cpu_period: 100000, cpu_quota: 50000, cpu_shares: 256, memory_limit_in_bytes: 536870912}'
    [ "$status" -ne 0 ]
    [[ $output == *unequal*"kata: cpu request 250m differs from limit 500m; they must be equal"* ]]
    no_shims
}

@test "cri: kata: the node's configuration: a key of the handler, one of the pod, and what is refused" {
    local p mib=$((256 + 180))
    echo 'handlers: {kata: {overhead: {cpu: 0.2}, annotations: [overhead.memory]}}' >"$WORK/bulkhead.yaml"
    p=$(pod tuned '.annotations = {"io.bulkhead.overhead.memory": "180MiB"}')
    [[ $(cgroup_limit "$TOKEN/tuned/$p" cpu cpu.cfs_quota_us cpu.max) == 70000* ]]
    # An emulated machine needs more.
    [ "${ACCELERATOR:-emulation}" = kvm ] || mib=$((mib + 160))
    [ "$(cgroup_limit "$TOKEN/tuned/$p" memory memory.limit_in_bytes memory.max)" = $((mib * 1048576)) ]
    run ! pod willful '.annotations = {"io.bulkhead.share-cache": "never"}'
    [[ $output == *"annotation io.bulkhead.share-cache: the administrator does not leave 'share-cache' to pods"* ]]
    echo 'acelerator: kvm' >"$WORK/bulkhead.yaml"
    run ! pod nobodys
    [[ $output == *"$WORK/bulkhead.yaml:1: there is no key 'acelerator'; did you mean 'accelerator'?"* ]]
    # What is there can still be taken away.
    crictl rmp -f "$p"
    : >"$WORK/bulkhead.yaml"
    no_shims
}

@test "cri: kata: the daemon is killed and comes back to pods of both kinds; then the VMM is killed" {
    local p c q d id
    p=$(pod stays)
    c=$(container stays "$p" c '.stdin = true' sh -c 'while read -r line; do echo "got $line"; done')
    q=$(HANDLER=runc pod stays-too)
    d=$(container stays-too "$q" d '.stdin = true' sh -c 'while read -r line; do echo "got $line"; done')
    containerd_kill
    sleep 1
    containerd_start
    for id in "$c" "$d"; do
        [ "$(state_of "$id")" = CONTAINER_RUNNING ]
        run -0 crictl exec "$id" echo still
        [ "$output" = still ]
        attached "$id" typed
    done
    [ "$(pod_state_of "$p")" = SANDBOX_READY ]
    [ "$(pod_state_of "$q")" = SANDBOX_READY ]
    node kill -KILL "$(crictl inspectp "$p" | jq -r .info.pid)"
    PATIENCE=3 wait_until 5 is_exited "$c"
    PATIENCE=3 wait_until 5 is_not_ready "$p"
    [ "$(exit_of "$c")" = 137 ]
    NODE_TIMEOUT=30 crictl rmp "$p"
    [ "$(shims)" = 1 ]
    [ "$(state_of "$d")" = CONTAINER_RUNNING ]
}

@test "cri: kata: the shim is killed" {
    local p c
    node_spawn events ctr --namespace k8s.io events
    p=$(pod killed)
    c=$(container killed "$p" c . sh -c "$FOREVER")
    node pkill -KILL -x bulkhead-shim
    PATIENCE=3 wait_until 5 is_exited "$c"
    # What `delete` says of it; the daemon itself, which lost its connection, makes 255 of it (docs/containerd.md).
    wait_until 5 grep -q "/tasks/exit.*$c.*137" "$WORK/log/events"
    node_kill "$NODE_LAST"
    PATIENCE=3 wait_until 5 is_not_ready "$p"
    crictl stopp "$p"
    crictl rmp "$p"
    run ! node pgrep qemu-system
}

# bats test_tags=load
@test "cri: kata: twenty pods at the same time" {
    local i start=$SECONDS pids=()
    sed -i 's/^timeout:.*/timeout: 300/' "$WORK/crictl.yaml"
    echo 'hello-timeout: 90s' >"$WORK/bulkhead.yaml" # a machine may be busy with more than these
    for i in {0..19}; do
        NODE_TIMEOUT=300 pod "at-once-$i" >"$WORK/id.$i" &
        pids+=($!)
    done
    for i in {0..19}; do
        wait "${pids[i]}"
        [ "$(pod_state_of "$(cat "$WORK/id.$i")")" = SANDBOX_READY ]
    done
    : >"$WORK/bulkhead.yaml"
    echo "# twenty pods ran after $((SECONDS - start)) s" >&3
    [ "$(shims)" = 20 ]
}

# What they leave is looked for below.
# bats test_tags=load
@test "cri: kata: a hundred pods in turn" {
    local i p
    for ((i = 0; i < ${TURNS:-100}; i++)); do
        p=$(pod turn)
        crictl stopp "$p"
        crictl rmp "$p"
    done
    no_shims
}

@test "cri: kata: no process, mount, cgroup, link or file is left" {
    node_leaks_check "$WORK/before" "$RUNTIME_STATE"
}
