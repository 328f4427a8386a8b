#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Whatever of a pod dies, and however: the right status and the reason, soon, and nothing is left.

bats_require_minimum_version 1.5.0

load lib
load death

setup_file() {
    require_root
    require_command ip tc jq python3
    runtime_setup
    cp "$TOOLS/end-init" "$ROOTFS/bin/"
}

teardown_file() {
    runtime_teardown
}

teardown() {
    local id
    for id in $(rt list -q 2>/dev/null); do
        rt delete --force "$id" || :
    done
    [ ! -d "$WORK/small" ] || STATE=$WORK/small rt delete --force "${POD:-none}" || :
    umount "$WORK/small" "$WORK/volume" 2>/dev/null || :
    [ -z "${NETNS:-}" ] || ip netns del "$NETNS" 2>/dev/null || :
}

# ---- processes of the host

@test "the VMM is killed" {
    net_make
    pod vmm
    second
    kill -KILL "$(vmm_of "$POD")"
    killed "the pod's virtual machine ended: QEMU was killed by signal 9" dead
}

@test "the shared directory's daemon is killed" {
    net_make
    pod share
    second
    kill -KILL "$(pgrep -P "$(supervisor_of "$POD")" virtiofsd)"
    killed "the pod's shared directory ended" dead
}

@test "the supervisor is killed" {
    net_make
    pod supervisor
    second
    kill -KILL "$(supervisor_of "$POD")"
    ended 137 "its supervisor ended"
    has_status "$POD" stopped
    removed
}

@test "the supervisor of a pod is killed to which nobody attends" {
    net_make
    pod alone
    kill -KILL "$(supervisor_of "$POD")"
    has_status "$POD" stopped
    pod_listed gone "its supervisor ended"
    verbs_answer "supervisor"
    removed
}

@test "the supervisor is told to end" {
    net_make
    pod term
    second
    kill -TERM "$(supervisor_of "$POD")"
    ended 137 "supervisor"
    wait_until 5 pod_gone "$POD"
    has_status "$POD" stopped
    removed
}

@test "everything is killed" {
    net_make
    pod all
    second
    kill -KILL "$(supervisor_of "$POD")" "$(vmm_of "$POD")" "$RUN" $(pgrep -P "$RUN")
    wait "$RUN" || :
    has_status "$POD" stopped
    rt delete --force "$(basename "$BUNDLE" | sed s/^bundle-//)"
    removed
}

# unread_exec: an engine's exec in the pod whose output nobody reads before the pod's end, so that it cannot begin.
unread_exec() {
    mkfifo "$WORK/unread"
    python3 - "$STATE/@pods/$POD/sock" "$POD" "$WORK/unread" "$BATS_TEST_DIRNAME/../lib" <<'PYTHON'
import json, os, sys
path, pod, fifo, lib = sys.argv[1:]
sys.path.insert(0, lib)
sys.dont_write_bytecode = True
import ttrpc
os.chdir(os.path.dirname(path))
client = ttrpc.Client("sock")
process = json.dumps({"cwd": "/", "args": ["true"], "user": {"uid": 0, "gid": 0}})
client.call("Exec", (1, pod), (2, "unread"), (5, fifo), (7, ttrpc.message((1, "x"), (2, process))))
start = client.send("Start", (1, pod), (2, "unread"))
wait = client.send("Wait", (1, pod))
open(fifo + ".waits", "w").close()
assert client.receive(wait)[1] == 137
reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
try:
    client.receive(start)
except ttrpc.Refused as e:
    assert "QEMU was killed by signal 9" in e.text, e
else:
    raise AssertionError("it began in a pod that is dead")
PYTHON
}

@test "the VMM is killed while a process writes, another reads and a third cannot begin" {
    pod busy
    second sh -c 'echo up; cat /dev/zero'
    rt exec "$POD" cat /dev/zero >/dev/null 2>&1 3>&- &
    local exec=$! status=0
    unread_exec 3>&- &
    local unread=$!
    wait_until 10 [ -e "$WORK/unread.waits" ]
    sleep 1
    kill -KILL "$(vmm_of "$POD")"
    ended 137 "QEMU was killed by signal 9"
    wait $exec || status=$?
    [ "$status" -eq 137 ]
    wait $unread
    removed
}

@test "the VMM is killed under a pod with a disk" {
    require_command mkfs.ext4
    vm_bundle disk
    truncate -s 32M "$WORK/disk"
    mkfs.ext4 -q -d "$ROOTFS" "$WORK/disk"
    config '.root.path = $work + "/disk"'
    POD=$ID
    quietly rt run --detach --bundle "$BUNDLE" "$POD"
    rt exec "$POD" ls /bin/busybox
    kill -KILL "$(vmm_of "$POD")"
    wait_until 5 has_status "$POD" stopped
    removed
}

@test "a VMM that hangs cannot hold up delete --force" {
    pod hang
    kill -STOP "$(vmm_of "$POD")"
    local from
    from=$(milliseconds)
    run rt delete --force "$POD"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"does not end its processes"* ]]
    [ $(($(milliseconds) - from)) -le 15000 ]
    nothing_left
}

# heartbeat SECONDS: pods made from now on are ended after so long without an answer (thrice that, emulated).
heartbeat() {
    echo "silence-timeout: ${1}s" >"$WORK/heartbeat.yaml"
    RUNTIME_FLAGS="--config $WORK/heartbeat.yaml $RUNTIME_FLAGS"
}

@test "a guest that hangs is noticed, by nobody asking" {
    heartbeat 1
    net_make
    pod hung
    second
    kill -STOP "$(vmm_of "$POD")"
    killed "guest: no answer for " dead 15
}

@test "a guest that hangs holds up no verb for long" {
    pod hung
    kill -STOP "$(vmm_of "$POD")"
    answers 14 "guest: no answer for 10 s" rt kill "$POD" KILL
    # What is known by now is told at once.
    answers 4 "guest: no answer for 10 s" rt kill "$POD" TERM
    kill -CONT "$(vmm_of "$POD")"
    rt exec "$POD" true
    rt kill "$POD" KILL
    wait_until 5 has_status "$POD" stopped
    removed
}

# frozen 0|1: the pod's cgroup.
frozen() {
    local path
    path=$(sed -n 's/^[0-9]*:freezer://p' "/proc/$(vmm_of "$POD")/cgroup")
    if [ -n "$path" ]; then
        if [ "$1" -eq 1 ]; then echo FROZEN; else echo THAWED; fi >"/sys/fs/cgroup/freezer$path/freezer.state"
    else
        echo "$1" >"/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$(vmm_of "$POD")/cgroup")/cgroup.freeze"
    fi
}

# no_verb_waits TEXT: none of these, all asked at once, is held up by a supervisor that hangs.
no_verb_waits() {
    local verb words pid pids=()
    for verb in "exec POD true" "resume POD" "update --pids-limit 50 POD" "ps POD" "events --stats POD" "events POD" \
        "kill POD CONT" "delete POD"; do
        read -ra words <<<"${verb/POD/$POD}"
        answers 40 "$1" rt "${words[@]}" 3>&- &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid"
    done
}

@test "a guest that was not let run is not given up" {
    heartbeat 1
    pod frozen
    frozen 1
    sleep 5
    frozen 0
    rt exec "$POD" true
    # The machine stands still, and with it who counts the beats.
    kill -STOP "$(supervisor_of "$POD")" "$(vmm_of "$POD")"
    # Who only looks is told what the record says, five seconds later.
    run -0 --separate-stderr rt state "$POD"
    no_verb_waits "the supervisor of its pod '$POD' does not answer"
    kill -CONT "$(supervisor_of "$POD")" "$(vmm_of "$POD")"
    [ "$(jq -r .status <<<"$output")" = running ]
    [[ $stderr == *"the supervisor of its pod '$POD' does not answer; its VM runs"* ]]
    rt exec "$POD" true
    has_status "$POD" running
    rt kill "$POD" KILL
    wait_until 5 has_status "$POD" stopped
    removed
}

@test "a pod waits for who made it, and not for who only looks" {
    vm_bundle waits
    POD=$ID
    python3 - "$(dirname "$BULKHEAD")/../supervisor/bulkhead-pod" "$BULKHEAD" "$STATE" "$ID" "$BUNDLE" \
        "$ACCELERATOR" "$GUEST_DIR" <<'PYTHON'
import os, socket, subprocess, sys, time
supervisor, bulkhead, state, pod, bundle, accelerator, guest = sys.argv[1:]
here, there = os.pipe()
subprocess.run([supervisor, "serve", "--root", state, "--pod", pod, "--container", pod, "--bundle", bundle,
                "--accelerator", accelerator, "--guest", guest, "--cgroup-manager", "cgroupfs", "--report", str(there)],
               pass_fds=[there], check=True, timeout=30)
os.close(there)
assert len(os.read(here, 65536)) > 0
for _ in range(3):
    listed = subprocess.run([bulkhead, "--root", state, "pod", "list"], check=True, capture_output=True, text=True)
    assert pod in listed.stdout and "created" in listed.stdout, listed
place = f"{state}/@pods/{pod}"
os.chdir(place)
maker = socket.socket(socket.AF_UNIX)
maker.connect("sock")
os.chdir("/")
time.sleep(0.3)
assert os.path.exists(place)
maker.close()
end = time.monotonic() + 5
while os.path.exists(place):
    assert time.monotonic() < end, "it waits for nobody"
    time.sleep(0.05)
PYTHON
    nothing_left
}

# ---- the guest

# privileged COMMAND…: a second container that may do to the guest what it wants.
privileged() {
    bundle "second-$BATS_TEST_NUMBER"
    args "$@"
    config 'del(.linux.maskedPaths, .linux.readonlyPaths, .linux.seccomp)
        | .linux.namespaces |= map(select(.type != "pid"))
        | .process.capabilities[] = ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_KILL", "CAP_SYS_RAWIO", "CAP_MKNOD"]
        | .linux.resources.devices = [{allow: true, access: "rwm"}]
        | .mounts |= map(if .destination == "/proc" or .destination == "/sys" then .options = [] else . end)'
    foreground --pod "$POD"
}

@test "the guest's kernel panics" {
    net_make
    pod panic
    privileged sh -c 'echo 2 >/proc/sys/vm/panic_on_oom && echo up && sleep 1 && tail /dev/zero'
    ended 137 "Kernel panic - not syncing: " $((5 * PATIENCE))
    [[ $(cat "$ERR") == *"the pod's virtual machine ended: the VM ended (guest-reset)"* ]]
    has_status "$POD" stopped
    pod_listed dead "Kernel panic"
    verbs_answer "Kernel panic"
    removed
}

@test "the agent crashes" {
    pod crash
    privileged sh -c 'echo up; exec end-init crash'
    ended 137 "the pod's virtual machine ended" $((5 * PATIENCE))
    [[ $(cat "$ERR") == *"guest console: "*"bulkhead-agent"* ]]
    pod_listed dead "the pod's virtual machine ended"
    removed
}

@test "the agent is killed" {
    pod kill
    privileged sh -c 'echo up; exec end-init kill'
    ended 137 "Attempted to kill init" $((5 * PATIENCE))
    pod_listed dead "Attempted to kill init"
    removed
}

@test "the guest runs out of memory: the container ends, the pod lives" {
    pod oom
    bundle "second-$BATS_TEST_NUMBER"
    args sh -c 'echo up; read go; tail /dev/zero'
    mkfifo "$WORK/go"
    OUT=$WORK/out ERR=$WORK/err
    rt run --pod "$POD" --bundle "$BUNDLE" "$ID" <"$WORK/go" >"$OUT" 2>"$ERR" 3>&- &
    RUN=$!
    exec 7>"$WORK/go"
    wait_until 30 grep -q up "$OUT"
    rt events --interval 1h "$ID" >"$WORK/events" 3>&- &
    local events=$! status=0
    sleep 1
    echo go >&7
    exec 7>&-
    wait "$RUN" || status=$?
    [ "$status" -eq 137 ]
    wait $events || :
    [ "$(jq -r .type "$WORK/events" | head -n 1)" = oom ]
    has_status "$POD" running
    rt exec "$POD" true
    rt delete --force "$POD"
    nothing_left
}

# The memory controller's group of the pod, on whichever hierarchy.
memory_file() { # V1-NAME V2-NAME
    local dir
    for dir in /sys/fs/cgroup/memory /sys/fs/cgroup; do
        [ ! -e "$dir/$POD/$1" ] || { echo "$dir/$POD/$1"; return; }
        [ ! -e "$dir/$POD/$2" ] || { echo "$dir/$POD/$2"; return; }
    done
    return 1
}

@test "the pod runs out of memory on the host" {
    net_make
    pod hostoom
    local limit usage
    limit=$(memory_file memory.limit_in_bytes memory.max)
    usage=$(cat "$(memory_file memory.usage_in_bytes memory.current)")
    bundle "second-$BATS_TEST_NUMBER"
    args sh -c 'echo up; sleep 2; dd if=/dev/zero of=/dev/shm/fill bs=1M count=150; sleep 1000'
    foreground --pod "$POD"
    rt events --interval 1h "$ID" >"$WORK/events" 3>&- &
    local events=$!
    sleep 1
    echo $((usage + 33554432)) >"$limit"
    ended 137 "out of memory on the host" $((5 * PATIENCE))
    wait $events || :
    [ "$(jq -r .type "$WORK/events" | head -n 1)" = oom ]
    has_status "$POD" stopped
    pod_listed dead "out of memory on the host"
    verbs_answer "out of memory on the host"
    removed
}

@test "a guest that floods its console is heard in measure" {
    pod flood
    privileged sh -c 'mknod /dev/flood c 5 1; echo up; while :; do cat /bin/busybox; done >/dev/flood'
    local i supervisor rss
    supervisor=$(supervisor_of "$POD")
    for i in 1 2 3 4 5; do
        rt exec "$POD" true
    done
    rss=$(awk '/VmRSS/ { print $2 }' "/proc/$supervisor/status")
    [ "$rss" -le 16384 ] || { echo "supervisor: $rss KiB"; return 1; }
    kill -KILL "$(vmm_of "$POD")"
    ended 137 "guest console: "
    # Whatever it was, it is text in one line.
    [ "$(tail -n 1 "$ERR" | LC_ALL=C tr -d ' -~' | tr -d '\n' | wc -c)" -eq 0 ]
    removed
}

# ---- a full disk

@test "the state directory's disk is full" {
    local small=$WORK/small
    mkdir "$small"
    mount -t tmpfs -o size=16k,nr_inodes=64 tmpfs "$small"
    vm_bundle full
    head -c 16384 /dev/zero >"$small/fill" || :
    run "$BULKHEAD" --root "$small/state" $RUNTIME_FLAGS run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" -eq 1 ]
    [[ $output == *"prepare"*"no space left on device"* ]]
    umount "$small"
    nothing_left
}

@test "the state directory's disk fills up under a pod" {
    local small=$WORK/small
    mkdir -p "$small"
    mount -t tmpfs -o size=64k,nr_inodes=64 tmpfs "$small"
    net_make
    vm_bundle full
    POD=$ID
    STATE=$small pod full
    dd if=/dev/zero of="$small/fill" bs=4k 2>/dev/null || :
    bundle "second-$BATS_TEST_NUMBER"
    STATE=$small answers 10 "no space left on device" rt run --pod "$POD" --bundle "$BUNDLE" "$ID"
    [ ! -e "$small/$ID" ]
    STATE=$small rt exec "$POD" true
    STATE=$small rt delete --force "$POD"
    [ ! -e "$small/@pods/$POD" ]
    [ ! -e "$small/$POD" ]
    umount "$small"
    nothing_left
}

@test "a shared directory's disk is full: the container hears of it, and nobody else" {
    mkdir "$WORK/volume"
    mount -t tmpfs -o size=1m tmpfs "$WORK/volume"
    vm_bundle volume
    args sh -c 'dd if=/dev/zero of=/volume/fill bs=64k; echo "dd: $?"; rm /volume/fill; echo fits >/volume/file && cat /volume/file'
    config '.mounts += [{destination: "/volume", source: ($work + "/volume"), type: "bind", options: ["bind", "rw"]}]'
    run rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"No space left on device"*"dd: 1"*"fits"* ]]
    umount "$WORK/volume"
    nothing_left
}

# ---- callers that die

# caller_dies SIGNAL SECONDS: `create` is sent SIGNAL after SECONDS; nothing of the pod is left.
caller_dies() {
    vm_bundle "caller$1$2"
    rt create --bundle "$BUNDLE" "$ID" >"$WORK/caller" 2>&1 </dev/null 3>&- &
    local job=$! status=0
    sleep "$2"
    kill "-$1" "$(pgrep -P $job)"
    wait $job || status=$?
    [ "$status" -ne 0 ]
    wait_until 10 pod_gone "$ID"
    nothing_left
}

@test "create is killed before the VM starts" { caller_dies KILL 0.05; }
@test "create is killed while the VM boots" { caller_dies KILL 0.4; }
@test "create is interrupted while the VM boots" { caller_dies INT 0.5; }
@test "create is terminated while the VM boots" { caller_dies TERM 0.3; }

@test "run is interrupted while the VM boots" {
    vm_bundle
    rt run --bundle "$BUNDLE" "$ID" >"$WORK/caller" 2>&1 </dev/null 3>&- &
    local job=$! from
    sleep 0.4
    from=$(milliseconds)
    kill -INT "$(pgrep -P $job)"
    wait $job && return 1
    [ $(($(milliseconds) - from)) -le 5000 ]
    wait_until 10 pod_gone "$ID"
    nothing_left
}

# killed_at CALL: `create` is killed as it makes its first system call CALL; nothing of the pod is left after the
# courtesy time.
killed_at() {
    local flags=()
    read -ra flags <<<"$RUNTIME_FLAGS"
    vm_bundle "at$1"
    if strace -qq -o "$WORK/strace" -e "trace=$1" -e "inject=$1:signal=KILL:when=1" "$BULKHEAD" --root "$STATE" \
        "${flags[@]}" create --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&-; then
        echo "create lives"
        return 1
    fi
    wait_until 40 pod_gone "$ID"
    nothing_left
}

@test "create is killed when the pod is up" {
    require_command strace
    killed_at connect
}

@test "create is killed when it has asked for the container" {
    require_command strace
    killed_at sendto
}

@test "create is killed while the container is made" {
    vm_bundle
    local job caller try status
    for try in 1 2 3 4 5; do # until it is met in the act
        rt create --bundle "$BUNDLE" "$ID" >"$WORK/caller" 2>&1 </dev/null 3>&- &
        job=$! status=0
        caller=$(wait_until 2 pgrep -P $job; pgrep -P $job)
        until [ -e "$STATE/$ID" ] || process_gone "$caller"; do sleep 0.01; done
        kill -KILL "$caller" || :
        wait $job || status=$?
        [ "$status" -eq 0 ] || break
        rt delete --force "$ID"
    done
    [ "$status" -eq 137 ]
    wait_until 10 pod_gone "$ID"
    nothing_left
}

# ---- steps that fail

@test "a step of bringing a pod up that fails, whichever it is, leaves nothing" {
    require_command strace
    net_make
    vm_bundle
    config '(.linux.namespaces[] | select(.type == "network")).path = $path' --arg path "/run/netns/$NETNS"
    export BUNDLE ID NETNS
    "$BATS_TEST_DIRNAME/fail-pod-steps"
    nothing_left
}
