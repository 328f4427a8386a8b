#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Past failures of container runtimes, each shown to be impossible here. The container, its image and its
# config are the attacker's. Where runc refuses and says so, so may the runtime under test; what counts is
# that the host is as it was.

load lib

setup_file() {
    require_root
    runtime_setup
    export OUTSIDE=$WORK/outside
    mkdir "$OUTSIDE"
    echo host >"$OUTSIDE/secret"
}

teardown_file() {
    runtime_teardown
}

teardown() {
    rt delete --force "$ID" 2>/dev/null || :
}

outside_is_untouched() {
    [ "$(ls "$OUTSIDE")" = secret ]
    [ "$(cat "$OUTSIDE/secret")" = host ]
    ! grep -q " $OUTSIDE" /proc/self/mountinfo
}

# copied_runtime: makes BULKHEAD a copy, which a success of the attack would not hurt; its sum is in BEFORE.
copied_runtime() {
    BULKHEAD=$(mktemp "$WORK/runtime.XXXX")
    cp "$1" "$BULKHEAD"
    chmod 0755 "$BULKHEAD"
    BEFORE=$(sha256sum <"$BULKHEAD")
}

# steal ROOTFS: has a process of the container ID, which sees ROOTFS, open the program of a process that is not of the
# image. The runtime runs there by now, and waits at FIFO to be let go; when it is gone, its program is written to.
steal() {
    cat >"$1/steal" <<'END'
#!/bin/sh
while :; do
    for exe in /proc/[0-9]*/exe; do
        case $(readlink "$exe") in '' | /bin/*) continue ;; esac
        {
            echo "$exe" >/held
            while [ ! -e /gone ]; do sleep 0.1; done
            (echo pwned >/proc/self/fd/7) 2>/told
            echo over >>/told
            exit
        } 7<"$exe"
    done
done
END
    chmod +x "$1/steal"
    quietly rt exec --detach "$ID" /steal
    wait_until 60 test -e "$1/held"
    timeout 60 cat "$FIFO" # as soon as it can write there, it goes on to its end
    [ -z "${RUNNING:-}" ] || wait "$RUNNING" || :
    touch "$1/gone"
    wait_until 60 grep over "$1/told"
    cat "$1/told"
    grep -q 'Read-only file system\|Operation not permitted' "$1/told"
}

@test "CVE-2019-5736: the runtime's binary cannot be overwritten from an exec" {
    copied_runtime "$BULKHEAD"
    bundle
    own_rootfs
    FIFO=$BUNDLE/rootfs/fifo
    mkfifo "$FIFO"
    config '.process.capabilities |= map_values(["CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH"])
        | .linux.maskedPaths = [] | .linux.readonlyPaths = []'
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    rt exec "$ID" /proc/self/exe --log /fifo list </dev/null >/dev/null 2>&1 3>&- &
    RUNNING=$!
    steal "$BUNDLE/rootfs"
    [ "$(sha256sum <"$BULKHEAD")" = "$BEFORE" ]
}

@test "CVE-2019-5736: nor by an image whose program is /proc/self/exe" {
    copied_runtime "$BULKHEAD"
    bundle evil
    own_rootfs
    local evil=$ID evils=$BUNDLE
    FIFO=$BUNDLE/rootfs/fifo
    mkfifo "$FIFO"
    ln -s /proc/self/exe "$BUNDLE/rootfs/evil"
    args /evil --log /fifo list
    bundle
    own_rootfs
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    # Beside another one, in whose processes' sight it runs.
    jq --arg ns "/proc/$(rt state "$ID" | jq .pid)/ns/pid" \
        '.linux.namespaces |= map(if .type == "pid" then .path = $ns else . end)' "$evils/config.json" >"$evils/new"
    mv "$evils/new" "$evils/config.json"
    quietly rt run --detach --bundle "$evils" "$evil"
    steal "$BUNDLE/rootfs"
    [ "$(sha256sum <"$BULKHEAD")" = "$BEFORE" ]
    rt delete --force "$evil"
}

@test "CVE-2019-16884, 2023-28642: /proc and /sys cannot be replaced by a volume" {
    local target
    for target in /proc /proc/self/attr /proc/sys /proc/sys/kernel/../kernel /proc/../proc/self; do
        bundle
        args true
        config '.mounts += [{destination: $target, type: "bind", source: ($work + "/outside"), options: ["rbind"]}]' \
            --arg target "$target"
        fails_with "proc" rt run --bundle "$BUNDLE" "$ID"
        outside_is_untouched
    done
}

@test "CVE-2019-19921, 2023-27561: a symlink in place of /proc or /sys is refused" {
    local name
    for name in proc sys; do
        bundle
        own_rootfs
        rmdir "$BUNDLE/rootfs/$name"
        args true
        mkdir -p "$BUNDLE/rootfs/fake"
        ln -s fake "$BUNDLE/rootfs/$name"
        fails_with "$name" rt run --bundle "$BUNDLE" "$ID"
        [ -z "$(ls "$BUNDLE/rootfs/fake")" ]
        rm -rf "$BUNDLE/rootfs"
    done
}

@test "CVE-2021-30465: a destination that is a symlink stays in the root" {
    bundle
    own_rootfs
    ln -s "../../../../../../../../..$OUTSIDE" "$BUNDLE/rootfs/relative"
    ln -s "$OUTSIDE" "$BUNDLE/rootfs/absolute"
    config '.mounts += [
        {destination: "/relative", type: "tmpfs", source: "tmpfs", options: []},
        {destination: "/absolute/deeper", type: "tmpfs", source: "tmpfs", options: []}]'
    args sh -c "grep -c $OUTSIDE /proc/mounts"
    run rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$output" = 2 ] # both mounted, below the container's own $OUTSIDE
    outside_is_untouched
}

@test "CVE-2021-30465: nor while a neighbour swaps it" {
    bundle
    own_rootfs
    mkdir "$BUNDLE/rootfs/volume" "$BUNDLE/rootfs/volume/real"
    ln -s "../../../../../../../../..$OUTSIDE" "$BUNDLE/rootfs/volume/link"
    config '.mounts += [{destination: "/volume/mnt/sub", type: "tmpfs", source: "tmpfs", options: []}]'
    args true
    (
        cd "$BUNDLE/rootfs/volume" || exit
        while [ ! -e stop ]; do
            ln -sfn link mnt || :
            rm -f mnt || :
            mkdir -p mnt || :
            rmdir mnt || :
        done
    ) 2>/dev/null 3>&- &
    local i
    for i in $(seq 40); do
        rt run --bundle "$BUNDLE" "$ID" >/dev/null 2>&1 || :
    done
    touch "$BUNDLE/rootfs/volume/stop"
    wait $!
    outside_is_untouched
}

@test "CVE-2021-43784: thousands of id mappings are refused or obeyed, never cut" {
    bundle
    args true
    config '.linux.namespaces += [{type: "user"}]
        | .linux.uidMappings = [range(5000) | {containerID: ., hostID: (100000 + . * 2), size: 1}]
        | .linux.gidMappings = .linux.uidMappings'
    run rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" -ne 0 ]
    [[ $output == *apping* || $output == *_map* ]]
    [ ! -e "$STATE/$ID" ]
}

@test "CVE-2022-29162: exec --cap gives nothing to inherit" {
    bundle
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    run rt exec --cap CAP_SYS_ADMIN "$ID" grep CapInh /proc/self/status
    [[ $output == *0000000000000000 ]]
    run rt exec "$ID" grep CapInh /proc/self/status
    [[ $output == *0000000000000000 ]]
}

@test "CVE-2024-21626: no working directory leads out" {
    local fd
    bundle
    args sh -c 'cd ../../../../.. 2>/dev/null; ls'
    for fd in $(seq 3 24); do
        config '.process.cwd = "/proc/self/fd/" + $fd' --arg fd "$fd"
        run rt run --bundle "$BUNDLE" "$ID"
        [[ $output != *vmlinuz* && $output != *lost+found* ]]
        [ "$status" -ne 0 ]
    done
    bundle running
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    for fd in $(seq 3 24); do
        run rt exec --cwd "/proc/self/fd/$fd" "$ID" true
        [ "$status" -ne 0 ]
    done
}

@test "CVE-2024-21626: no program is found outside, by run, exec or a search" {
    local fd up=/../../../../../../../../../../.. outside=$WORK/program
    mkdir "$outside"
    ln "$(command -v busybox)" "$outside/busybox" 2>/dev/null || cp "$(command -v busybox)" "$outside"
    bundle running
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    # A program of the host's own would find itself executed, and be open to the container as /proc/self/exe.
    for fd in $(seq 3 24); do
        run rt exec "$ID" "/proc/self/fd/$fd$up$outside/busybox" echo out
        [[ $status -ne 0 && $output == *"stat /proc/self/fd/"* ]]
        run rt exec --env "PATH=/proc/self/fd/$fd$up$outside" "$ID" busybox echo out
        [[ $status -ne 0 && $output == *"executable file not found"* ]]
    done
    rt delete --force "$ID"
    bundle
    for fd in $(seq 3 24); do
        args "/proc/self/fd/$fd$up$outside/busybox" echo out
        run rt run --bundle "$BUNDLE" "$ID"
        [[ $status -ne 0 && $output == *"stat /proc/self/fd/"* ]]
    done
    rm -r "$outside"
}

@test "CVE-2024-45310: making a mount's target makes nothing outside" {
    bundle
    own_rootfs
    mkdir "$WORK/vol45310"
    ln -s "../../../../../../../../..$OUTSIDE" "$WORK/vol45310/escape"
    config '.mounts += [
        {destination: "/vol", type: "bind", source: ($work + "/vol45310"), options: ["rbind"]},
        {destination: "/vol/escape/new/dir", type: "tmpfs", source: "tmpfs", options: []},
        {destination: "/vol/escape/file", type: "bind", source: "/etc/hostname", options: ["bind"]}]'
    args true
    run rt run --bundle "$BUNDLE" "$ID"
    outside_is_untouched
}

# own_dev: the bundle's /dev is a directory of a neighbour's, at $DEV, that nobody else mounts anything on.
own_dev() {
    DEV=$BUNDLE/dev
    mkdir "$DEV"
    config '.mounts |= [.[0], {destination: "/dev", type: "bind", source: ($bundle + "/dev"), options: ["rbind"]}]
        + (.[1:] | map(select(.destination | startswith("/dev") | not)))'
}

@test "CVE-2025-31133: masks do not trust the image's /dev/null" {
    bundle
    own_rootfs
    own_dev
    ln -s ../proc/sys/kernel/core_pattern "$DEV/null"
    # What was to be hidden would be a file of the host's kernel that root can write to.
    config '.linux.maskedPaths = ["/proc/timer_list"] | .linux.readonlyPaths = []'
    args sh -c 'echo ran; cat /proc/timer_list'
    run rt run --bundle "$BUNDLE" "$ID" </etc/hostname # a standard stream at /dev/null would be refused before
    echo "$output"
    [[ $status -ne 0 && $output != *ran* ]]
}

@test "CVE-2025-52565: /dev/console is bound by descriptor, not by name" {
    bundle
    own_rootfs
    own_dev
    config '.process.terminal = true | .linux.maskedPaths = []
        | .mounts += [{destination: "/dev/pts", type: "devpts", source: "devpts", options: ["newinstance", "ptmxmode=0666"]}]'
    args sh -c 'echo ran; stat -c %F /dev/console; grep core_pattern /proc/self/mountinfo'
    touch "$DEV/console"
    run script -qec "'$BULKHEAD' --root '$STATE' run --bundle '$BUNDLE' '$ID'" /dev/null </dev/null
    echo "$output"
    [[ $output == *ran*"character special file"* ]]
    ln -sf ../proc/sys/kernel/core_pattern "$DEV/console"
    run script -qec "'$BULKHEAD' --root '$STATE' run --bundle '$BUNDLE' '$ID'" /dev/null </dev/null
    echo "$output"
    [[ $output != *core_pattern* || $output != *ran* ]]
    # Nor is what hands out terminals whatever has its name.
    rm "$DEV/console"
    ln -s ../../proc/sys/kernel/core_pattern "$DEV/pts/ptmx"
    config '.mounts |= map(select(.destination != "/dev/pts"))'
    run script -qec "'$BULKHEAD' --root '$STATE' run --bundle '$BUNDLE' '$ID'" /dev/null </dev/null
    echo "$output"
    [[ $output == *"/dev/pts/ptmx"* && $output != *ran* ]]
}

@test "CVE-2025-52881: sysctls and labels reach the real procfs only" {
    bundle
    args true
    own_rootfs
    config '.linux.sysctl = {"net.ipv4.ip_forward": "1"}
        | .mounts += [{destination: "/proc/sys", type: "tmpfs", source: "tmpfs", options: []}]'
    fails_with "/proc" rt run --bundle "$BUNDLE" "$ID"
    # Without any mount on /proc the image's own tree lies there.
    bundle plain
    own_rootfs
    mkdir -p "$BUNDLE/rootfs/proc/sys/net/ipv4"
    echo image >"$BUNDLE/rootfs/proc/sys/net/ipv4/ip_forward"
    config '.linux.sysctl = {"net.ipv4.ip_forward": "1"} | .mounts |= map(select(.destination != "/proc"))
        | .linux.maskedPaths = [] | .linux.readonlyPaths = []'
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    [ "$(cat "$BUNDLE/rootfs/proc/sys/net/ipv4/ip_forward")" = image ]
    [ "$(nsenter -t "$(rt state "$ID" | jq .pid)" -n cat /proc/sys/net/ipv4/ip_forward)" = 1 ]
}

@test "CVE-2016-9962: a container cannot trace the exec that enters it" {
    bundle
    args sh -c 'while :; do for p in /proc/[0-9]*; do [ "$p" = "/proc/$$" ] || ls -l "$p/fd" "$p/cwd" "$p/root"; done; done 2>/dev/null'
    rt run --detach --bundle "$BUNDLE" "$ID" </dev/null >"$BUNDLE/seen" 2>&1 3>&-
    local i
    for i in $(seq 20); do
        rt exec "$ID" true
    done
    rt kill "$ID" KILL
    [ -s "$BUNDLE/seen" ]
    ! grep -m 3 -E "$STATE|$WORK/bundle|config.json|state.json|/sys/fs/cgroup" "$BUNDLE/seen" || false
}

@test "nothing of the host's environment reaches the container" {
    bundle
    args env
    HOST_SECRET=42 run rt run --bundle "$BUNDLE" "$ID"
    [[ $output != *HOST_SECRET* ]]
    [[ $output == *PATH=* ]]
}

@test "masked and read-only paths are so" {
    bundle
    config '.linux.readonlyPaths = ["/proc/sys"] | .linux.maskedPaths = ["/proc/timer_list", "/sys/firmware"] | .process.capabilities |= map_values(["CAP_SYS_ADMIN"])'
    args sh -c 'cat /proc/timer_list; ls /sys/firmware; echo 1 >/proc/sys/kernel/domainname'
    run rt run --bundle "$BUNDLE" "$ID"
    [ "$status" -ne 0 ]
    [[ $output == *"ead-only file system"* ]]
    [ "$(echo "$output" | wc -l)" -eq 1 ]
}

@test "groups that a container makes in its own, one in the other, are found and go with it" {
    bundle
    own_rootfs
    config '.mounts |= map(if .type == "cgroup" then .options -= ["ro"] else . end)'
    args sh -c 'cd /sys/fs/cgroup/pids 2>/dev/null || cd /sys/fs/cgroup
        for i in $(seq 80); do mkdir deep && cd deep || exit 1; done
        echo 0 >cgroup.procs; touch /made; sleep 1000'
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    wait_until 60 test -e "$BUNDLE/rootfs/made"
    quietly rt exec --detach "$ID" sleep 2000
    rt ps -f json "$ID"
    [ "$(rt ps -f json "$ID" | jq length)" -ge 2 ]
    rt delete --force "$ID"
    [ -z "$(find /sys/fs/cgroup -maxdepth 3 -name "$ID")" ]
}

# may_trace: gives the bundle CAP_SYS_PTRACE, in the host's user namespace.
may_trace() {
    config '.process.capabilities |= map_values(. + ["CAP_SYS_PTRACE"])'
}

@test "who may trace sees no exec that still has the host's privileges" {
    require_command strace
    bundle
    own_rootfs
    may_trace
    args sh -c 'while :; do grep -h CapEff "/proc/"[0-9]*/status 2>/dev/null; done >/seen'
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    # Slow enough at each step for a shell to see it.
    strace -f -qq -o "$BUNDLE/trace" -e trace=setns,setsid,setresuid,capset \
        -e inject=setns,setsid,setresuid,capset:delay_exit=300000 \
        "$BULKHEAD" --root "$STATE" exec --pid-file "$BUNDLE/pid" "$ID" sh -c 'echo $$ >/ran; sleep 1'
    [ -s "$BUNDLE/rootfs/ran" ]
    grep -q 'capset.*DELAYED' "$BUNDLE/trace"
    rt kill "$ID" KILL
    sort -u "$BUNDLE/rootfs/seen"
    # What the default document gives, and CAP_SYS_PTRACE.
    [ "$(sort -u "$BUNDLE/rootfs/seen")" = $'CapEff:\t0000000020080420' ]
}

@test "an exec that stays unseen is an exec like any other" {
    bundle
    own_rootfs
    may_trace
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    run rt exec --user 1000:1000 --env A=b --cwd /tmp "$ID" sh -c 'echo $A $PWD $(id -u); exit 9'
    [ "$status" -eq 9 ]
    [ "$output" = "b /tmp 1000" ]
    run rt exec "$ID" sh -c 'kill -TERM $$'
    [ "$status" -eq 143 ]
    [ "$(rt exec "$ID" cat <<<input)" = input ]
    run rt exec "$ID" no-such-program
    [ "$status" -eq 255 ]
    [[ $output == *'executable file not found in $PATH'* ]]
    run rt exec --preserve-fds 1 "$ID" ls /proc/self/fd 7</etc/hostname
    [[ $output != *7* ]]
    # Detached: the pid is the process's own, which leads its session; nothing else is left behind.
    quietly rt exec --detach --pid-file "$BUNDLE/pid" "$ID" sleep 500
    [ "$(tr '\0' ' ' <"/proc/$(cat "$BUNDLE/pid")/cmdline")" = "sleep 500 " ]
    [ "$(cut -d' ' -f6 "/proc/$(cat "$BUNDLE/pid")/stat")" = "$(cat "$BUNDLE/pid")" ]
    [ "$(rt ps -f json "$ID" | jq length)" -eq 2 ]
    # With a terminal, which is the controlling one.
    run script -qefc "'$BULKHEAD' --root '$STATE' exec -t '$ID' sh -c 'tty; cut -d\" \" -f1,6 /proc/self/stat; \
        echo there >/dev/tty; exit 7'" /dev/null </dev/null
    echo "$output"
    [ "$status" -eq 7 ]
    [[ $output == *"/dev/pts/0"*there* ]]
}
