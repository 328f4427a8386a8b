#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Everything that a user does with a container, on containers of a pod in a micro-VM.

bats_require_minimum_version 1.5.0

load lib

setup_file() {
    require_root
    runtime_setup
    pod_start
}

teardown_file() {
    runtime_teardown
}

teardown() {
    [ "${ID:-$POD}" = "$POD" ] || rt delete --force "$ID" 2>/dev/null || :
}

# bats test_tags=essential
@test "the pod has a kernel of its own" {
    [ "$(rt exec "$POD" cat /proc/sys/kernel/random/boot_id)" != "$(cat /proc/sys/kernel/random/boot_id)" ]
    [ "$(rt exec "$POD" uname -r)" = "$(rt pod stats --format json "$POD" | jq -r .kernel)" ]
}

# bats test_tags=essential,kvm
@test "run passes on output, errors and exit status" {
    bundle
    args sh -c 'echo to-stdout; echo to-stderr >&2; exit 42'
    run --separate-stderr in_pod
    [ "$status" -eq 42 ]
    [ "$output" = to-stdout ]
    [ "$stderr" = to-stderr ]
    fails_with "does not exist" rt state "$ID"
}

@test "run passes on standard input and its end" {
    bundle
    args wc -c
    run in_pod <<<"twelve bytes"
    [ "$output" -eq 13 ]
}

# bats test_tags=essential,kvm
@test "a megabyte goes in and out intact" {
    bundle
    args cat
    head -c 1048576 /dev/urandom >"$WORK/sent"
    in_pod <"$WORK/sent" >"$WORK/received"
    cmp "$WORK/sent" "$WORK/received"
}

@test "run reports a signal's death as 128 plus its number" {
    bundle
    args sh -c 'sh -c "kill -KILL \$\$"; exit $?'
    run in_pod
    [ "$status" -eq 137 ]
}

# bats test_tags=essential
@test "a signal to run is the process's" {
    bundle
    args sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'
    in_pod >"$WORK/out" 3>&- &
    local pid=$! status=0
    wait_until 10 grep -q ready "$WORK/out"
    # The job is a shell; its child is the runtime.
    kill -TERM "$(pgrep -P $pid)"
    wait $pid || status=$?
    [ "$status" -eq 7 ]
}

# bats test_tags=essential,kvm
@test "create, start, state, kill, delete" {
    bundle
    quietly rt create --pod "$POD" --bundle "$BUNDLE" --pid-file "$BUNDLE/pid" "$ID"
    has_status "$ID" created
    [ "$(rt state "$ID" | jq .pid)" = "$(cat "$BUNDLE/pid")" ]
    [ "$(cat "$BUNDLE/pid")" = "$(vmm_of "$ID")" ]
    rt start "$ID"
    has_status "$ID" running
    fails_with "is not stopped" rt delete "$ID"
    rt kill "$ID" KILL
    wait_until 5 has_status "$ID" stopped
    fails_with "not running" rt kill "$ID" KILL
    rt delete "$ID"
    fails_with "does not exist" rt state "$ID"
    [ ! -e "$STATE/$ID" ]
}

@test "a created container is deleted without ever running" {
    bundle
    quietly rt create --pod "$POD" --bundle "$BUNDLE" "$ID"
    rt delete "$ID"
    fails_with "does not exist" rt state "$ID"
}

# The agent keeps it mounted beyond its last process, whose files the kernel may still be reading.
# bats test_tags=essential
@test "what was shared for a container is not found by the next one of its id" {
    local watcher
    bundle watcher
    watcher=$ID
    config 'del(.linux.namespaces[] | select(.type == "pid"))'
    quietly rt run --detach --pod "$POD" --bundle "$BUNDLE" "$watcher"
    bundle short
    quietly rt run --detach --pod "$POD" --bundle "$BUNDLE" "$ID"
    rt exec "$watcher" grep -q "/share/$ID/rootfs " /proc/1/mountinfo
    rt delete --force "$ID"
    run ! rt exec "$watcher" grep "/share/$ID/rootfs " /proc/1/mountinfo
    own_rootfs
    touch "$BUNDLE/rootfs/mark"
    args ls /mark
    run -0 in_pod
    [ "$output" = /mark ]
    rt delete --force "$watcher"
}

@test "an id that is in use is refused, and nothing happens to the one that has it" {
    bundle pod
    fails_with "already exists" rt run --pod "$POD" --bundle "$BUNDLE" "$POD"
    has_status "$POD" running
}

# bats test_tags=essential,kvm
@test "exec: exit status, streams, user, directory, environment" {
    run --separate-stderr rt exec --user 1000:1000 --cwd /tmp --env A=b "$POD" \
        sh -c 'id -u; pwd; echo $A; cat; echo oops >&2; exit 5' <<<input
    [ "$status" -eq 5 ]
    [ "$output" = "$(printf '%s\n' 1000 /tmp b input)" ]
    [ "$stderr" = oops ]
}

@test "exec: what a process leaves behind does not keep its end from being told" {
    run timeout 20 "$BULKHEAD" --root "$STATE" exec "$POD" sh -c 'sleep 30 & echo left'
    [ "$status" -eq 0 ]
    [ "$output" = left ]
}

@test "exec: a command that is not there" {
    run rt exec "$POD" /no/such/program
    [ "$status" -ne 0 ]
    [[ $output == *"no such file"* || $output == *"No such file"* ]]
}

# bats test_tags=essential,kvm
@test "exec: several at once" {
    local i
    for i in 1 2 3 4 5 6; do
        rt exec "$POD" sh -c "sleep 0.2; echo $i" >"$WORK/out-$i" 3>&- &
    done
    wait
    [ "$(cat "$WORK"/out-* | tr -d '\n')" = 123456 ]
}

@test "exec --detach leaves the process to itself" {
    quietly rt exec --detach "$POD" sh -c 'sleep 0.2; echo done >/dev/shm/detached'
    wait_until 10 rt exec "$POD" grep -q done /dev/shm/detached
}

# bats test_tags=essential,kvm
@test "exec with a terminal" {
    run python3 - "$BULKHEAD" --root "$STATE" exec --tty "$POD" \
        sh -c 'tty; stty size; echo -n ready; read line; echo "got $line"' <<'PYTHON'
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
data = b""
while b"ready" not in data:
    data += os.read(fd, 4096)
os.write(fd, b"hello\r")
try:
    while chunk := os.read(fd, 4096):
        data += chunk
except OSError:
    pass
sys.stdout.write(data.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PYTHON
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == */dev/pts/* ]]
    [[ $output == *"33 101"* ]]
    [[ $output == *"got hello"* ]]
}

@test "exec by an engine: what is said before its start holds from its start on" {
    mkfifo "$WORK/engine-in" "$WORK/engine-out"
    python3 - "$STATE/@pods/$POD/sock" "$POD" "$WORK/engine" "$BATS_TEST_DIRNAME/../lib" <<'PYTHON'
import json, os, sys, threading
path, pod, fifo, lib = sys.argv[1:]
sys.path.insert(0, lib)
sys.dont_write_bytecode = True
import ttrpc
os.chdir(os.path.dirname(path))
client = ttrpc.Client("sock")

def refused(code, text, *call):
    try:
        client.call(*call)
    except ttrpc.Refused as e:
        assert e.code == code and text in e.text, e
    else:
        raise AssertionError(f"{call} is not refused")

def add(name, terminal, *args):
    process = json.dumps({"terminal": terminal, "cwd": "/", "args": args, "env": ["PATH=/bin"],
                          "user": {"uid": 0, "gid": 0}})
    client.call("Exec", (1, pod), (2, name), (3, int(terminal)), (4, fifo + "-in"), (5, fifo + "-out"),
                (7, ttrpc.message((1, "x"), (2, process))))

def output():
    read = []
    reader = threading.Thread(target=lambda: read.append(open(fifo + "-out").read()))
    reader.start()
    return reader, read

# A size, a signal, an id that is in use, and a start that comes twice.
add("one", True, "sh", "-c", "stty size; exit 5")
refused(6, "already exists", "Exec", (1, pod), (2, "one"), (7, ttrpc.message((1, "x"), (2, "{}"))))
refused(9, "process not created", "Kill", (1, pod), (2, "one"), (3, 9))
client.call("ResizePty", (1, pod), (2, "one"), (3, 101), (4, 33))
assert client.call("State", (1, pod), (2, "one"))[4] == 1
reader, read = output()
wait = client.send("Wait", (1, pod), (2, "one"))
assert client.call("Start", (1, pod), (2, "one"))[1] > 0
refused(9, "started already", "Start", (1, pod), (2, "one"))
assert client.call("Wait", (1, pod), (2, "one"))[1] == 5
reader.join()
assert "33 101" in read[0], read
assert client.call("Delete", (1, pod), (2, "one"))[2] == 5
# The end of its input.
add("one", False, "sh", "-c", "cat; echo end")
client.call("CloseIO", (1, pod), (2, "one"), (3, 1))
reader, read = output()
client.call("Start", (1, pod), (2, "one"))
assert client.call("Wait", (1, pod), (2, "one")).get(1, 0) == 0
reader.join()
assert read == ["end\n"], read
client.call("Delete", (1, pod), (2, "one"))
# One that never starts, and one that cannot.
add("two", False, "true")
client.call("Delete", (1, pod), (2, "two"))
add("two", False, "/no/such/program")
reader, read = output()
refused(2, "/no/such/program", "Start", (1, pod), (2, "two"))
assert client.call("Wait", (1, pod), (2, "two"))[1] == 255
reader.join()
assert client.call("Delete", (1, pod), (2, "two"))[2] == 255
refused(5, "not found", "Wait", (1, pod), (2, "two"))
PYTHON
}

@test "a terminal for whoever listens at the console socket" {
    bundle
    args sh -c 'stty size; read line; echo "got $line"; read line; stty size'
    config '.process.terminal = true | .process.consoleSize = {height: 20, width: 60}'
    run python3 - "$WORK/console" "$BULKHEAD" --root "$STATE" --runtime kata run --detach --pod "$POD" \
        --console-socket "$WORK/console" --bundle "$BUNDLE" "$ID" <<'PYTHON'
import fcntl, os, socket, struct, subprocess, sys, termios, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(1)
runtime = subprocess.Popen(sys.argv[2:])
peer, _ = listener.accept()
_, fds, _, _ = socket.recv_fds(peer, 64, 1)
assert runtime.wait() == 0
os.write(fds[0], b"words\r")
data = b""
while b"got words" not in data:
    data += os.read(fds[0], 4096)
fcntl.ioctl(fds[0], termios.TIOCSWINSZ, struct.pack("HHHH", 44, 120, 0, 0))
time.sleep(1)
os.write(fds[0], b"size\r")
while b"44 120" not in data:
    data += os.read(fds[0], 4096)
print(data.decode())
PYTHON
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"20 60"* ]]
    [[ $output == *"44 120"* ]]
}

# bats test_tags=essential,kvm
@test "pause and resume" {
    bundle
    args sh -c 'i=0; while :; do i=$((i + 1)); echo $i >/dev/shm/ticks; sleep 0.05; done'
    quietly rt run --detach --pod "$POD" --bundle "$BUNDLE" "$ID"
    wait_until 10 rt exec "$ID" test -s /dev/shm/ticks
    rt pause "$ID"
    has_status "$ID" paused
    fails_with "paused" rt exec "$ID" true
    rt resume "$ID"
    has_status "$ID" running
    rt exec "$ID" true
}

# bats test_tags=essential,kvm
@test "ps: the guest's processes as a table and as JSON" {
    rt ps "$POD" | grep -q "sleep 1000"
    [ "$(rt ps --format json "$POD" | jq length)" -ge 1 ]
    fails_with "kata" rt ps "$POD" -o pid
}

# bats test_tags=essential,kvm
@test "events --stats: the container's figures in the usual form" {
    run rt events --stats "$POD"
    [ "$(jq -r .type <<<"$output")" = stats ]
    [ "$(jq .data.memory.usage.limit <<<"$output")" -eq 268435456 ]
    [ "$(jq .data.cpu.usage.total <<<"$output")" -gt 0 ]
    [ "$(jq .data.pids.current <<<"$output")" -ge 1 ]
}

# bats test_tags=essential,kvm
@test "memory that runs out ends the container with 137 and an event" {
    bundle
    args sh -c 'echo ready >&2; read go; tail /dev/zero'
    config '.linux.resources.memory.limit = 33554432'
    mkfifo "$WORK/go"
    rt run --pod "$POD" --bundle "$BUNDLE" "$ID" <"$WORK/go" 2>"$WORK/err" 3>&- &
    local pid=$! status=0
    exec 7>"$WORK/go"
    wait_until 10 grep -q ready "$WORK/err"
    rt events --interval 1h "$ID" >"$WORK/events" 3>&- &
    local events=$!
    sleep 1
    echo go >&7
    exec 7>&-
    wait $pid || status=$?
    wait $events || :
    [ "$status" -eq 137 ]
    [ "$(jq -r .type "$WORK/events" | head -1)" = oom ]
}

# bats test_tags=essential,kvm
@test "update changes the limits in the guest, up to the pod's size" {
    rt update --memory 128m --pids-limit 77 "$POD"
    [ "$(rt exec "$POD" cat /sys/fs/cgroup/memory.max)" -eq 134217728 ]
    [ "$(rt exec "$POD" cat /sys/fs/cgroup/pids.max)" -eq 77 ]
    fails_with "its size is fixed" rt update --memory 512m "$POD"
    fails_with "cpu limits of 1500m: the pod was made with 1 processor, and its size is fixed" \
        rt update --cpu-period 100000 --cpu-quota 150000 "$POD"
    rt update --memory 256m "$POD"
}

# limit_of PID CONTROLLER FILE-V1 FILE-V2: of the cgroup that the process is in, which must be the pod's.
limit_of() {
    local path
    path=$(sed -n "s/^[0-9]*:[^:]*\b$2\b[^:]*://p" "/proc/$1/cgroup")
    if [ -n "$path" ]; then
        [[ $path == *"$TOKEN"* ]] && cat "/sys/fs/cgroup/$2$path/$3"
    else
        path=$(sed -n 's/^0:://p' "/proc/$1/cgroup")
        [[ $path == *"$TOKEN"* ]] && cat "/sys/fs/cgroup$path/$4"
    fi
}

@test "monitor and daemon are in the pod's cgroup, which has the pod's limits and its overhead" {
    local pid vmm daemon
    vmm=$(vmm_of "$POD")
    daemon=$(pgrep -P "$(supervisor_of "$POD")" virtiofsd)
    for pid in $vmm $daemon; do
        grep -q "$TOKEN" "/proc/$pid/cgroup"
    done
    # One core and 0.1; 256 MiB and what the pod costs beside.
    [[ $(limit_of "$vmm" cpu cpu.cfs_quota_us cpu.max) == 110000* ]]
    [ "$(limit_of "$vmm" memory memory.limit_in_bytes memory.max)" -ge $((356 << 20)) ]
    [ "$(limit_of "$vmm" pids pids.max pids.max)" -eq 1024 ]
    rt update --cpu-period 100000 --cpu-quota 50000 "$POD"
    [[ $(limit_of "$vmm" cpu cpu.cfs_quota_us cpu.max) == 60000* ]]
    rt exec "$POD" grep -q ^50000 /sys/fs/cgroup/cpu.max
    rt update --cpu-period 100000 --cpu-quota 100000 "$POD"
}

@test "the monitor has no privileges: user, capabilities, seccomp, root, network" {
    local vmm
    vmm=$(vmm_of "$POD")
    [ "$(awk '/^Uid:/ { print $2 }' "/proc/$vmm/status")" -gt 65535 ]
    [ "$(awk '/^(CapPrm|CapEff|CapBnd|CapAmb):/ { print $2 }' "/proc/$vmm/status" | sort -u)" = 0000000000000000 ]
    [ "$(awk '/^Seccomp:/ { print $2 }' "/proc/$vmm/status")" -eq 2 ]
    [ "$(awk '/^NoNewPrivs:/ { print $2 }' "/proc/$vmm/status")" -eq 1 ]
    [ -z "$(ls -A "/proc/$vmm/root/")" ]
    [ "$(readlink "/proc/$vmm/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

@test "list and state tell of both runtimes' containers" {
    bundle
    RUNTIME_FLAGS='' quietly rt run --detach --bundle "$BUNDLE" "$ID"
    [ "$(rt list --format json | jq -r '.[].status' | sort -u)" = running ]
    [ "$(rt list -q | grep -c "$TOKEN")" -ge 2 ]
    RUNTIME_FLAGS='' has_status "$POD" running
}

# bats test_tags=essential
@test "pod stats tells what each part costs, pod list how each pod is" {
    local stats
    stats=$(rt pod stats --format json "$POD")
    [ "$(jq -r '[.host[].name] | join(" ")' <<<"$stats")" = "vmm virtiofsd supervisor" ]
    [ "$(jq '[.host[].memoryBytes, .guest[].memoryBytes] | min' <<<"$stats")" -gt 0 ]
    [ "$(jq .vcpus <<<"$stats")" -eq 1 ]
    [ "$(jq .startMicroseconds.hello <<<"$stats")" -gt 0 ]
    rt pod stats "$POD" | grep -q supervisor
    [ "$(rt pod list --format json | jq -r --arg pod "$POD" '.[] | select(.id == $pod) | .state')" = running ]
    fails_with "does not exist" rt pod stats nobody
}

# bats test_tags=essential,kvm
@test "seccomp, capabilities and masked paths hold in the guest as well" {
    bundle
    args sh -c 'grep -E "^(CapEff|Seccomp|NoNewPrivs):" /proc/self/status; head -c 1 /proc/kcore 2>/dev/null | wc -c'
    config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO"}]}'
    run in_pod
    echo "$output"
    [[ $output == *"Seccomp:"*2* ]]
    [[ $output == *"NoNewPrivs:"*1* ]]
    [[ $output == *$'\n0' ]]
}

# hook NAME [SCRIPT]: one that notes its name, its state document and the namespace that it is in; in jq's words.
hook() {
    jq -n --arg name "$1" --arg script "${2:-}" --arg log "$WORK/hooks" '[{path: "/bin/sh", args: ["sh", "-c",
        "echo $1 $(cat | tr -d \" \\n\") $(readlink /proc/self/ns/mnt) $PWD >>$2; eval \"$3\"", "sh", $name, $log, $script]}]'
}

@test "hooks of the runtime run on the host, with the monitor as the process" {
    local line vmm
    bundle
    : >"$WORK/hooks"
    config '.hooks = {prestart: $a, createRuntime: $b, poststart: $c, poststop: $d}
        | .annotations = {some: "thing"}' \
        --argjson a "$(hook prestart)" --argjson b "$(hook createRuntime)" --argjson c "$(hook poststart)" \
        --argjson d "$(hook poststop)"
    vmm=$(vmm_of "$POD")
    quietly rt create --pod "$POD" --bundle "$BUNDLE" "$ID"
    [ "$(cut -d' ' -f1 "$WORK/hooks" | tr '\n' ' ')" = "prestart createRuntime " ]
    while read -r line; do
        [ "$(cut -d' ' -f2 <<<"$line" | jq -r '[.status, .pid, .id, .bundle, .annotations.some] | join(" ")')" = \
            "created $vmm $ID $BUNDLE thing" ]
        [ "$(cut -d' ' -f3,4 <<<"$line")" = "$(readlink /proc/self/ns/mnt) $BUNDLE" ]
    done <"$WORK/hooks"
    quietly rt start "$ID"
    tail -n 1 "$WORK/hooks" | grep -q "^poststart {.*\"status\":\"running\",\"pid\":$vmm,"
    rt delete --force "$ID"
    tail -n 1 "$WORK/hooks" | grep -q '^poststop {.*"status":"stopped","bundle"'
    [ "$(wc -l <"$WORK/hooks")" -eq 4 ]
}

@test "a hook that cannot run is refused, and no feature" {
    local kinds
    bundle hooked
    config '.hooks = {createContainer: $a}' --argjson a "$(hook createContainer)"
    fails_with "its program is on the host, the namespaces that it is to run in are in the guest" \
        rt create --pod "$POD" --bundle "$BUNDLE" "$ID"
    [ ! -e "$STATE/$ID" ]
    kinds=$(rt features | jq -r '.hooks | join(" ")')
    [ "$kinds" = "prestart createRuntime startContainer poststart poststop" ]
}

@test "a hook that fails, or takes too long, fails the creation or the start" {
    bundle failing
    : >"$WORK/hooks"
    config '.hooks = {createRuntime: $a, poststop: $b}' \
        --argjson a "$(hook createRuntime 'echo no way; exit 3')" --argjson b "$(hook poststop)"
    fails_with "error running createRuntime hook #0: /bin/sh: exit status 3, output: no way" \
        rt create --pod "$POD" --bundle "$BUNDLE" "$ID"
    [ "$(cut -d' ' -f1 "$WORK/hooks" | tr '\n' ' ')" = "createRuntime poststop " ]
    [ ! -e "$STATE/$ID" ]
    bundle late
    config '.hooks = {prestart: ($a | .[0].timeout = 1)}' --argjson a "$(hook prestart 'sleep 30')"
    fails_with "still running after 1 s" rt create --pod "$POD" --bundle "$BUNDLE" "$ID"
    bundle after
    config '.hooks = {poststart: $a}' --argjson a "$(hook poststart 'exit 4')"
    quietly rt create --pod "$POD" --bundle "$BUNDLE" "$ID"
    fails_with "poststart hook #0: /bin/sh: exit status 4" rt start "$ID"
    wait_until 5 has_status "$ID" stopped
    rt delete "$ID"
    rt exec "$POD" true
}

@test "an exec in a container that is still being made is refused" {
    local creator
    bundle unmade
    : >"$WORK/hooks"
    config '.hooks = {createRuntime: $a}' --argjson a "$(hook createRuntime \
        "for i in \$(seq 300); do [ ! -e $WORK/go-on ] || break; sleep 0.1; done")"
    rt create --pod "$POD" --bundle "$BUNDLE" "$ID" </dev/null >"$WORK/creation" 2>&1 3>&- &
    creator=$!
    wait_until 10 grep -q createRuntime "$WORK/hooks"
    fails_with "cannot exec" rt exec "$ID" true
    touch "$WORK/go-on"
    wait $creator
    rt delete "$ID"
    rt exec "$POD" true
}

@test "a user namespace in the guest" {
    bundle
    args sh -c 'id -u; cat /proc/self/uid_map'
    config '.linux.namespaces += [{type: "user"}]
        | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
        | .linux.gidMappings = [{containerID: 0, hostID: 100000, size: 65536}]'
    run in_pod
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == 0*100000*65536* ]]
}

@test "a signal that comes while the pod starts ends run, and the pod with it" {
    local pid status=0
    vm_bundle
    # shellcheck disable=SC2086  # a list of words
    "$BULKHEAD" --root "$STATE" $RUNTIME_FLAGS run --bundle "$BUNDLE" "$ID" </dev/null &>"$BUNDLE/out" 3>&- &
    pid=$!
    wait_until 20 test -e "$STATE/@pods/$ID/pod.json"
    kill -TERM "$pid"
    wait "$pid" || status=$?
    cat "$BUNDLE/out"
    [ "$status" -eq 1 ]
    grep -q "signal 15 came before the container was there" "$BUNDLE/out"
    wait_until 20 pod_gone "$ID"
}

@test "run --dry-run prints the plan and makes nothing" {
    vm_bundle
    run rt run --dry-run --bundle "$BUNDLE" "$ID"
    [ "$status" -eq 0 ]
    [[ $output == *"micro-VM by qemu"* ]]
    [[ $output == *"1 vcpus"* ]]
    [ ! -e "$STATE/$ID" ]
    pod_gone "$ID"
}

@test "whoever the supervisor has no descriptor for waits, and it rests" {
    "$TESTS_LIB/starve" "$(supervisor_of "$POD")" "$STATE/@pods/$POD/sock"
    rt exec "$POD" true
}

# bats test_tags=essential
@test "delete of the last container ends the pod and leaves nothing" {
    rt delete --force "$POD"
    wait_until 5 pod_gone "$POD"
    fails_with "does not exist" rt state "$POD"
    unset ID
}
