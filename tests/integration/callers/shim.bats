#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# containerd-shim-bulkhead-v2 by itself, and what only it does for ctr; what it has in common with
# containerd's own shim is in containerd.bats, which runs with both.

# shellcheck disable=SC2016  # expanded by the container's shell
# shellcheck disable=SC2030,SC2031,SC2154  # variables of bats
load lib
BULKHEAD_SHIM=${BULKHEAD_SHIM:-$(dirname "$BULKHEAD")/../shim/containerd-shim-bulkhead-v2}
load containerd

# Below it are the name spaces' states.
STATES=/run/bulkhead/@containerd

setup_file() {
    containerd_setup
    box warm true
    node_leaks_snapshot "$WORK/before"
}

# shim ARGUMENT...: by hand, in the directory $WORK/bundle, standard input from $WORK/input.
shim() {
    node sh -c 'cd "$1" && shift && exec "$@"' sh "$WORK/bundle" "$BULKHEAD_SHIM" "$@" <"$WORK/input"
}

setup() {
    mkdir -p "$WORK/bundle"
    rm -rf "$WORK/bundle"/*
    : >"$WORK/input"
    echo '{"ociVersion":"1.0.2"}' >"$WORK/bundle/config.json"
}

# shim_pid ID: of the process that serves it.
shim_pid() {
    node pgrep -f "^[^ ]*$SHIM_NAME .*-id $1 .*serve$"
}

no_shim() {
    ! node pgrep -f "$SHIM_NAME.*serve$"
}

@test "shim: version and info" {
    run -0 shim -v
    [[ ${lines[0]} == "$BULKHEAD_SHIM:" && $output == *Version:* && $output == *Revision:* ]]
    shim -info >"$WORK/info"
    grep -qa "$SHIM_NAME" "$WORK/info"
    grep -qa 'opencontainers/runtime-spec/1/features/Features' "$WORK/info"
    grep -qa '"ociVersionMin": "1.0' "$WORK/info"
    grep -aA 1 '"idmap": {' "$WORK/info" | grep -q '"enabled": true'
    # Of pods in micro-VMs: containerd tells kubelet by it that they have no user namespaces of the host.
    ln -s "$BULKHEAD_SHIM" "$WORK/containerd-shim-bulkhead-kata-v2"
    node "$WORK/containerd-shim-bulkhead-kata-v2" -info </dev/null | grep -aA 1 '"idmap": {' | grep -q '"enabled": false'
    # Options that are none change nothing.
    printf '\377\377' >"$WORK/input"
    shim -info | cmp - "$WORK/info"
}

@test "shim: start refuses what is wrong, says why and leaves nothing" {
    run -1 shim -namespace ns -id c1 launch
    [[ $output == *"'launch'"* ]]
    run -1 shim -id c1 start
    [[ $output == *namespace* ]]
    run -1 shim -namespace ../etc -id c1 start
    [[ $output == *"'../etc'"* ]]
    run -1 shim -namespace ns -id ../c1 start
    [[ $output == *"../c1"* ]]
    run -1 shim -namespace ns start
    [[ $output == *"-id is missing"* ]]
    printf 'no options' >"$WORK/input"
    run -1 shim -namespace ns -id c1 start
    [[ $output == *"no options"* ]]
    : >"$WORK/input"
    echo '{"annotations": 7}' >"$WORK/bundle/config.json"
    run -1 shim -namespace ns -id c1 start
    [[ $output == */annotations* ]]
    rm "$WORK/bundle/config.json"
    run -1 shim -namespace ns -id c1 start
    [[ $output == *config.json* ]]
    no_shim
    [ -z "$(ls "$WORK/bundle")" ]
}

@test "shim: a container of a sandbox that is gone is refused" {
    echo '{"annotations": {"io.kubernetes.cri.sandbox-id": "box", "io.kubernetes.cri.container-type": "container"}}' \
        >"$WORK/bundle/config.json"
    run -1 shim -namespace ns -id c1 start
    [[ $output == *"sandbox box is not running"* ]]
    no_shim
}

@test "shim: what group a tenant names leads no container of a sandbox into another's" {
    echo '{"annotations": {"io.containerd.runc.v2.group": "victim"}}' >"$WORK/bundle/config.json"
    run -0 shim -namespace ns -id victim start
    local victim=$output
    echo '{"annotations": {"io.containerd.runc.v2.group": "victim", "io.kubernetes.cri.sandbox-id": "own",
        "io.kubernetes.cri.container-type": "sandbox"}}' >"$WORK/bundle/config.json"
    run -0 shim -namespace ns -id own start
    [ "$output" != "$victim" ]
    node pkill -TERM -x bulkhead-shim
    wait_until 10 no_shim
}

@test "shim: one process for a group, flags in both forms, unknown ones; it ends when told" {
    echo '{"annotations": {"io.containerd.runc.v2.group": "g"}}' >"$WORK/bundle/config.json"
    run -0 shim -namespace ns -address /a -publish-binary /b -id c1 -later thing -debug start
    local address=$output
    [[ $address == unix://* ]]
    [ "$(cat "$WORK/bundle/address")" = "$address" ]
    run -0 shim --namespace=ns --address=/a -id=c2 start
    [ "$output" = "$address" ]
    # Another daemon's pod of the same name is another pod.
    run -0 shim -namespace ns -address /other -id c1 start
    [ "$output" != "$address" ]
    [ "$(node stat -c %a "${address#unix://}" "$(dirname "${address#unix://}")" | tr '\n' ' ')" = "600 700 " ]
    node pkill -TERM -x bulkhead-shim
    wait_until 10 no_shim
    run ! node test -e "${address#unix://}"
}

@test "shim: delete prints an answer for a container that never was, as often as it is called" {
    local i
    for i in 1 2; do
        shim -namespace ns -id never -bundle "$WORK/bundle" delete >"$WORK/answer"
        # exit_status 137: field 2, varint
        [[ $(od -An -tx1 "$WORK/answer" | tr -d ' \n') == *108901* ]]
    done
}

@test "shim: events in their order" {
    node_spawn events ctr --namespace "$TOKEN" events
    local events=$NODE_LAST
    box_start c1 sh -c 'sleep 1000'
    ctr tasks exec --exec-id e1 c1 true
    ctr tasks pause c1
    ctr tasks resume c1
    ctr tasks kill -s KILL c1
    wait_until 10 box_is c1 STOPPED
    ctr tasks delete c1 || :
    wait_until 10 grep -q /tasks/delete "$WORK/log/events"
    node_kill "$events"
    run -0 sed -n 's,^.* /tasks/\([a-z-]*\) .*$,\1,p' "$WORK/log/events"
    [ "${output//$'\n'/ }" = "create start exec-added exec-started exit paused resumed exit delete" ]
}

@test "shim: events wait for a daemon that is away" {
    box_start c1 sleep 1000
    containerd_stop
    node_kill "$(node pgrep -x sleep)" KILL
    containerd_start --log-level debug
    # Later than the daemon's start, so nobody else can be told of it.
    wait_until 10 grep -q "event forwarded.*topic=/tasks/exit" "$WORK/log/containerd"
    wait_until 10 box_is c1 STOPPED
    run ctr tasks delete c1
    [[ $output == *137* ]]
}

@test "shim: a logger gets output and error apart, its environment and arguments, and its end" {
    cat >"$WORK/logger" <<'END'
#!/bin/sh
echo "$# $*" >"$2.told"
env | grep ^CONTAINER_ | sort >>"$2.told"
exec 5>&-
cat <&4 >"$2.err" &
cat <&3 >"$2.out"
wait
echo ended >>"$2.told"
END
    chmod 0755 "$WORK/logger"
    ctr run --detach --log-uri "binary://$WORK/logger?to=$WORK/logged%20here" "${ENGINE[@]}" "$IMAGE" c1 \
        sh -c 'echo fine; echo problem >&2'
    wait_until 10 grep -q ended "$WORK/logged here.told"
    [ "$(cat "$WORK/logged here.out")" = fine ]
    [ "$(cat "$WORK/logged here.err")" = problem ]
    [ "$(cat "$WORK/logged here.told")" = "2 to $WORK/logged here
CONTAINER_ID=c1
CONTAINER_NAMESPACE=$TOKEN
ended" ]
    run ctr run --detach --log-uri "binary:///no/such/logger" "${ENGINE[@]}" "$IMAGE" c2 true
    [ "$status" -ne 0 ]
    [[ $output == */no/such/logger* ]]
}

@test "shim: the daemon is killed and comes back: attach finds the output" {
    ctr run "${ENGINE[@]}" "$IMAGE" c1 sh -c 'trap "exit 42" TERM; i=0; while :; do echo $((i += 1)); usleep 50000; done' \
        >"$WORK/first" &
    wait_until 10 grep -q 3 "$WORK/first"
    node pkill -KILL -x ctr
    node_kill "$(cat "$WORK/containerd.pid")" KILL
    containerd_start
    box_is c1 RUNNING
    ctr tasks attach c1 >"$WORK/second" &
    local client=$!
    wait_until 10 grep -q . "$WORK/second"
    # Nothing is lost in between: what was not read then is read now.
    local last first
    last=$(tail -n 1 "$WORK/first")
    first=$(head -n 1 "$WORK/second")
    [ "$first" -le $((last + 2)) ]
    ctr tasks kill -s TERM c1
    wait_until 10 process_gone "$client"
    local status=0
    wait "$client" || status=$?
    [ "$status" -eq 42 ]
}

@test "shim: killed: the container is gone, 137 is told, nothing is left of it" {
    node_spawn killed ctr --namespace "$TOKEN" events
    local events=$NODE_LAST
    box_loop c1
    local pid
    pid=$(box_pid c1)
    node kill -KILL "$(shim_pid c1)"
    wait_until 10 node_process_gone "$pid"
    wait_until 10 grep -q "/tasks/delete.*137" "$WORK/log/killed"
    grep -q "/tasks/exit.*137" "$WORK/log/killed"
    node_kill "$events"
    run ! node test -e "$STATES/$TOKEN/c1"
    run ! node test -e "/run/containerd/io.containerd.runtime.v2.task/$TOKEN/c1"
    run -0 node ls /run/bulkhead/@shim
    echo "$output"
    [ -z "$output" ]
    node_mounts_gone() { ! node grep -q "/$TOKEN/c1/rootfs" /proc/self/mountinfo; }
    wait_until 10 node_mounts_gone
}

@test "shim: options by a file: where the states are, also when it is killed" {
    printf '# here\nroot = "%s"\n' "$WORK/states" >"$WORK/options.toml"
    box_start --runtime-config-path="$WORK/options.toml" c1 sleep 1000
    [ -e "$WORK/states/$TOKEN/c1/state.json" ]
    run ! node test -e "$STATES/$TOKEN/c1"
    node kill -KILL "$(shim_pid c1)"
    state_gone() { [ ! -e "$WORK/states/$TOKEN/c1" ]; }
    wait_until 10 state_gone
}

@test "shim: options that are wrong are refused with their place" {
    local text wanted
    while IFS='|' read -r text wanted; do
        printf '%b' "$text" >"$WORK/options.toml"
        run ! box --runtime-config-path="$WORK/options.toml" c1 true </dev/null
        [[ $output == *"$wanted"* ]] || { echo "expected: $wanted"; echo "$output"; return 1; }
    done <<'END'
root = "/x"\nroot \n|line 2: '=' was expected after 'root'
runtime = "steam"|line 1: runtime: 'steam' is not one of runc, kata
accelerator = "coal"|accelerator: 'coal' is not one of kvm, emulation, auto
root = "here"|root: 'here' is not an absolute path
SystemdCgroup = "yes"|SystemdCgroup: is no boolean
list = [1]|line 1: lists
END
    run box --runtime-config-path=/no/such/file c1 true
    [[ $output == *"/no/such/file"* ]]
    no_shim
    # What is not known is ignored, with a word in the daemon's log.
    echo 'colour = "blue"' >"$WORK/options.toml"
    run -0 box --runtime-config-path="$WORK/options.toml" c1 echo fine
    grep -q "there is no key 'colour'" "$WORK/log/containerd"
}

@test "shim: in a control group of its own" {
    local dir pid
    dir=$(host_cgroup memory "$TOKEN/shims")
    mkdir -p "$dir"
    printf 'ShimCgroup = "/%s/shims"\n' "$TOKEN" >"$WORK/options.toml"
    box_start --runtime-config-path="$WORK/options.toml" c1 sleep 1000
    pid=$(shim_pid c1)
    grep -q . "$dir/cgroup.procs"
    run -0 node cat "/proc/$pid/cgroup"
    [[ $output == *":/$TOKEN/shims"* ]]
    printf 'ShimCgroup = "/%s/none"\n' "$TOKEN" >"$WORK/options.toml"
    run box --runtime-config-path="$WORK/options.toml" c2 true
    [[ $output == *"/$TOKEN/none' is in no hierarchy"* ]]
    box_remove c1
    shims_gone() { ! grep -q . "$dir/cgroup.procs"; }
    wait_until 10 shims_gone
    rmdir "$dir"
}

@test "shim: signals out of range, processes that are not there" {
    box_start c1 sleep 1000
    run ctr tasks kill -s 99 c1
    [ "$status" -ne 0 ]
    run ctr tasks kill --exec-id none -s KILL c1
    [ "$status" -ne 0 ]
    [[ $output == *"not found"* ]]
    ctr tasks exec --exec-id e1 --detach --log-uri "file://$WORK/out.e1" c1 sleep 1000
    run ctr tasks exec --exec-id e1 c1 true
    [[ $output == *"already exists"* ]]
    box_is c1 RUNNING
}

@test "shim: small while it waits, and no descriptor more after a hundred execs" {
    box_start c1 sleep 1000
    local pid before private pss i
    pid=$(shim_pid c1)
    ctr tasks exec --exec-id warm c1 true
    before=$(node ls "/proc/$pid/fd" | wc -l)
    for i in {1..100}; do
        ctr tasks exec --exec-id "e$i" c1 true
    done
    [ "$(node ls "/proc/$pid/fd" | wc -l)" -eq "$before" ]
    sleep 1.5
    private=$(node awk '/^Private_/ { n += $2 } END { print n }' "/proc/$pid/smaps_rollup")
    pss=$(node awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup")
    echo "private $private kB, PSS $pss kB"
    [ "$private" -le 1024 ] && [ "$pss" -le 1536 ]
}

@test "shim: whoever there is no descriptor for waits, and it rests" {
    run -0 shim -namespace ns -address /a -id c1 start
    node "$TESTS_LIB/starve" "$(node pgrep -x bulkhead-shim)" "${output#unix://}"
    node pkill -TERM -x bulkhead-shim
    wait_until 10 no_shim
}

@test "shim: a little more ready to be killed than containerd, in a session of its own" {
    box_start c1 sleep 1000
    local pid
    pid=$(shim_pid c1)
    [ "$(node cat "/proc/$pid/oom_score_adj")" -eq $(($(node cat "/proc/$(cat "$WORK/containerd.pid")/oom_score_adj") + 1)) ]
    [ "$(node ps -o sid= -p "$pid" | tr -d ' ')" = "$pid" ]
    [ "$(node readlink "/proc/$pid/exe")" = / ]
}

@test "shim: no process, mount, cgroup or file is left" {
    node_leaks_check "$WORK/before" "$RUNTIME_STATE"
}
