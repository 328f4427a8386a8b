#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# containerd drives the runtime under test: through its own runc shim (ctr --runc-binary), or, with
# BULKHEAD_SHIM (absolute path of containerd-shim-bulkhead-v2), through that.

# shellcheck disable=SC2016  # expanded by the container's shell
# shellcheck disable=SC2030,SC2031,SC2154  # variables of bats
load lib
load containerd

setup_file() {
    containerd_setup
    box warm true
    node ip netns add side
    node_leaks_snapshot "$WORK/before"
}

@test "containerd: run in the foreground: output, arguments, exit status" {
    run -0 box c1 echo "one two" three
    [ "$output" = "one two three" ]
    run -7 box c1 sh -c 'exit 7'
    run -1 box c1 false
    run -137 box c1 sh -c 'kill -9 $$; sleep 10 & kill -9 $!; exit 137'
    run -127 box c1 sh -c 'nosuchcommand'
}

@test "containerd: run: environment, working directory, standard input, standard error" {
    run -0 box --env=A=1 --env=B="two words" --cwd=/usr/bin c1 sh -c 'echo "$GREETING,$A,$B,$PWD"'
    [ "$output" = "hello,1,two words,/usr/bin" ]
    run -0 --separate-stderr box c1 sh -c 'echo fine; echo problem >&2'
    [ "$output" = fine ]
    [ "$stderr" = problem ]
    run -0 eof_after_echo box c1 cat
    [ "$output" = typed ]
}

@test "containerd: run: a working directory that is missing is made" {
    run -0 box --cwd=/new/dir c1 pwd
    [ "$output" = "/new/dir" ]
}

@test "containerd: run: namespaces and cgroup of its own" {
    run -0 box c1 sh -c 'echo $$; ls /sys/class/net; cat /proc/self/cgroup'
    [ "${lines[0]}" = 1 ]
    [[ $output == *":/$TOKEN/c1"* ]]
    [[ $output != *eth0* ]]
    local kind
    for kind in mnt uts ipc net pid; do
        run -0 box c1 readlink "/proc/self/ns/$kind"
        [ "$output" != "$(node readlink "/proc/self/ns/$kind")" ]
    done
}

@test "containerd: run on the host's network and in a given namespace" {
    run -0 box --net-host c1 readlink /proc/self/ns/net
    [ "$output" = "$(node readlink /proc/self/ns/net)" ]
    run -0 box --with-ns=network:/run/netns/side c1 stat -Lc %i /proc/self/ns/net
    [ "$output" = "$(node stat -Lc %i /run/netns/side)" ]
}

@test "containerd: mounts: bind, read-only bind, tmpfs" {
    mkdir -p "$WORK/share"
    echo outside >"$WORK/share/file"
    run -0 box --mount="type=bind,src=$WORK/share,dst=/new/share,options=rbind:rw" \
        --mount="type=bind,src=$WORK/share,dst=/locked,options=rbind:ro" \
        --mount="type=tmpfs,src=tmpfs,dst=/small,options=size=64k:nosuid:noexec" \
        c1 sh -c 'exec 2>&1; cat /new/share/file; echo inside >/new/share/file; cat /locked/file
            touch /locked/x; grep " /small " /proc/mounts'
    [ "${lines[0]}" = outside ]
    [ "${lines[1]}" = inside ]
    [[ ${lines[2]} == *"/locked/x: Read-only file system" ]]
    [[ ${lines[3]} == *nosuid* && ${lines[3]} == *noexec* && ${lines[3]} == *size=64k* ]]
    [ "$(cat "$WORK/share/file")" = inside ]
}

@test "containerd: read-only root file system, paths masked and read-only" {
    run -0 box --read-only c1 sh -c '! touch /x && cat /proc/keys && ! echo 1 >/proc/sys/vm/swappiness'
    [[ $output == *"Read-only file system"* ]]
    run -0 box c1 sh -c 'touch /x && rm /x && ls -A /sys/firmware && cat /proc/keys'
    [ -z "$output" ]
    run -0 box --no-pivot c1 sh -c 'ls /'
    [[ $output == *usr* ]]
}

@test "containerd: capabilities, privileged, no new privileges, seccomp" {
    run -0 box c1 sed -n 's/^Cap\(Eff\|Bnd\|Amb\):\t//p' /proc/self/status
    [ "$output" = $'00000000a80425fb\n00000000a80425fb\n0000000000000000' ]
    run -0 box --cap-add=CAP_SYS_ADMIN --cap-drop=CAP_KILL c1 sed -n 's/^CapEff:\t//p' /proc/self/status
    [ "$output" = 00000000a82425db ]
    run -0 box c1 grep NoNewPrivs /proc/self/status
    [ "${output##*$'\t'}" = 1 ]
    run -0 box --allow-new-privs c1 grep NoNewPrivs /proc/self/status
    [ "${output##*$'\t'}" = 0 ]
    run -0 box --privileged c1 sh -c 'grep ^CapEff /proc/self/status; mount -t tmpfs none /mnt; ls /dev/tty0'
    [[ $output == *"$(grep ^CapEff /proc/self/status)"* ]]
    run -0 box --seccomp c1 sh -c 'exec 2>&1; grep ^Seccomp: /proc/self/status; unshare -m true || echo refused'
    [[ ${lines[0]} == *2 && $output == *refused ]]
}

@test "containerd: a seccomp profile of one's own" {
    cat >"$WORK/profile.json" <<'END'
{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
 "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}
END
    run -0 box --seccomp --seccomp-profile="$WORK/profile.json" c1 sh -c 'exec 2>&1; touch /x; mkdir /y || echo refused'
    [[ $output == *"Not supported"*refused || $output == *"not supported"*refused ]]
}

@test "containerd: device" {
    run -0 box --device=/dev/fuse c1 sh -c 'stat -c "%F %t,%T" /dev/fuse; : </dev/fuse'
    [ "$output" = "character special file a,e5" ]
    run box c1 sh -c 'mknod /fuse c 10 229 && : </fuse'
    [ "$status" -ne 0 ]
}

@test "containerd: user of the image, user of an exec" {
    run -0 ctr run --rm "${ENGINE[@]}" docker.io/library/tester:latest c1 sh -c 'id -u; id -g; pwd'
    [ "$output" = $'1000\n2000\n/tmp' ]
    box_loop c2
    run -0 ctr tasks exec --exec-id e1 --user nobody c2 id -u
    [ "$output" = 65534 ]
    run -0 ctr tasks exec --exec-id e2 --user 1234:4321 c2 id
    [ "$output" = "uid=1234 gid=4321 groups=4321" ]
}

@test "containerd: user namespace" {
    run -0 box --uidmap=0:100000:65536 --gidmap=0:200000:65536 \
        c1 sh -c 'cat /proc/self/uid_map /proc/self/gid_map; touch /root/x; stat -c %u /root/x'
    [ "$(echo "$output" | tr -s ' ')" = $' 0 100000 65536\n 0 200000 65536\n0' ]
}

# bats test_tags=essential
@test "containerd: limits reach the kernel, figures come back" {
    box_start --memory-limit=33554432 --cpus=0.5 --cpu-shares=512 c1 sleep 1000
    [ "$(cgroup_limit "$TOKEN/c1" memory memory.limit_in_bytes memory.max)" = 33554432 ]
    if [ -d /sys/fs/cgroup/cpu ]; then
        [ "$(cat "$(host_cgroup cpu "$TOKEN/c1")/cpu.cfs_quota_us")" = 50000 ]
        [ "$(cat "$(host_cgroup cpu "$TOKEN/c1")/cpu.shares")" = 512 ]
    else
        [ "$(cat "/sys/fs/cgroup/$TOKEN/c1/cpu.max")" = "50000 100000" ]
    fi
    run -0 ctr tasks metrics --format json c1
    [ "$(jq .pids.current <<<"$output")" = 1 ]
    [ "$(jq '.memory.usage_limit // .memory.usage.limit' <<<"$output")" = 33554432 ]
    run -0 ctr tasks metrics c1
    [[ $output == *pids.current*1* ]]
}

@test "containerd: out of memory: event and exit status 137" {
    node_spawn events ctr --namespace "$TOKEN" events
    local events=$NODE_LAST
    run -137 box --memory-limit=16777216 c1 tail /dev/zero
    wait_until 10 grep -q "/tasks/oom.*c1" "$WORK/log/events"
    wait_until 10 grep -q "/tasks/exit.*137" "$WORK/log/events"
    node_kill "$events"
}

@test "containerd: detached: list, processes, pid file, delete" {
    box_start --pid-file="$WORK/c1.pid" c1 sh -c 'sleep 1000 & sleep 1001'
    box_is c1 RUNNING
    [ "$(cat "$WORK/c1.pid")" = "$(box_pid c1)" ]
    two_processes() { [ "$(ctr tasks ps c1 | sed 1d | wc -l)" = 2 ]; }
    wait_until 10 two_processes
    run ctr containers delete c1
    [ "$status" -ne 0 ]
    ctr tasks kill --signal SIGKILL c1
    wait_until 10 box_is c1 STOPPED
    run -0 ctr tasks delete c1
    ctr containers delete c1
}

@test "containerd: kill: handled signal, unhandled signal, all processes" {
    box_loop c1
    ctr tasks kill --signal SIGTERM c1
    wait_until 10 box_is c1 STOPPED
    run -0 ctr tasks delete c1
    [[ $output == *42* ]]
    ctr containers delete c1

    box_start c2 sleep 1000
    ctr tasks kill --signal SIGUSR1 c2
    box_is c2 RUNNING
    ctr tasks kill --signal 9 c2
    wait_until 10 box_is c2 STOPPED
    run -0 ctr tasks delete c2
    [[ $output == *137* ]]

    box_start c3 sh -c 'sleep 1000 & echo $!; exec sleep 1001'
    ctr tasks kill --all --signal SIGKILL c3
    wait_until 10 box_is c3 STOPPED
}

# ctr passes signals on only a moment after the start; until then SIGWINCH, unlike SIGTERM, does no
# harm to it.
@test "containerd: a signal to ctr reaches the container" {
    box c1 sh -c 'trap "exit 43" TERM; trap "echo passed on" WINCH
        while :; do usleep 20000; done' >"$WORK/out.c1" &
    local client=$!
    passes_on() { node pkill -WINCH -x ctr && grep -q "passed on" "$WORK/out.c1"; }
    wait_until 20 passes_on
    node pkill -TERM -x ctr
    wait_until 10 process_gone "$client"
    run -43 wait "$client"
}

# bats test_tags=essential
@test "containerd: exec: output, exit status, input, environment, working directory" {
    box_loop c1
    run -0 ctr tasks exec --exec-id e1 --cwd /tmp c1 sh -c 'echo "$GREETING $PWD"'
    [ "$output" = "hello /tmp" ]
    run -0 eof_after_echo ctr tasks exec --exec-id e5 c1 cat
    [ "$output" = typed ]
    run -3 ctr tasks exec --exec-id e2 c1 sh -c 'exit 3'
    run -0 ctr tasks exec --exec-id e3 c1 sh -c 'cat /proc/self/cgroup; grep ^CapEff /proc/self/status'
    [[ $output == *":/$TOKEN/c1"* && $output == *00000000a80425fb* ]]
    run ctr tasks exec --exec-id e4 c1 nosuchcommand
    [ "$status" -ne 0 ]
    [[ $output == *nosuchcommand* ]]
    box_is c1 RUNNING
}

@test "containerd: exec in the background, killed by its id" {
    box_loop c1
    ctr tasks exec --detach --log-uri "file://$WORK/out.e1" --exec-id e1 c1 \
        sh -c 'echo ready; exec sleep 777'
    wait_until 10 grep -q ready "$WORK/out.e1"
    [[ $(ctr tasks ps c1) == *e1* ]]
    ctr tasks kill --exec-id e1 --signal SIGKILL c1
    sleeper_gone() { ! node pgrep -f "^sleep 777"; }
    wait_until 10 sleeper_gone
    run -137 ctr tasks delete --exec-id e1 c1
    box_is c1 RUNNING
}

@test "containerd: many execs at the same time" {
    box_loop c1
    local i pids=()
    for i in 1 2 3 4 5 6; do
        ctr tasks exec --exec-id "m$i" c1 sh -c "echo out$i; exit $i" >"$WORK/exec.$i" 2>/dev/null &
        pids+=($!)
    done
    for i in 1 2 3 4 5 6; do
        local status=0
        wait "${pids[i - 1]}" || status=$?
        [ "$status" -eq "$i" ]
        [ "$(cat "$WORK/exec.$i")" = "out$i" ]
    done
}

# The container's terminal ends its lines with CR LF; so does ctr, which leaves output processing
# on, on its own.
@test "containerd: terminal: run, newlines, size" {
    run -0 on_terminal 0 ctr --namespace "$TOKEN" run --rm -t "${ENGINE[@]}" "$IMAGE" c1 \
        sh -c 'printf "a\nb\n"; tty; test -t 0 -a -t 1 -a -t 2 && echo all; stat -c %a "$(tty)"'
    [[ $output == $'a\r\r\nb\r\r\n/dev/pts/0\r\r\nall\r\r\n620\r\r'* ]]
    run -0 on_terminal 5 ctr --namespace "$TOKEN" run --rm -t "${ENGINE[@]}" "$IMAGE" c1 \
        sh -c 'until [ "$(stty size)" = "33 77" ]; do usleep 20000; done; exit 5'
}

@test "containerd: terminal: a shell one types in" {
    terminal_start ctr --namespace "$TOKEN" run --rm -t "${ENGINE[@]}" "$IMAGE" c1 sh
    terminal_shows "/ #"
    terminal_type 'echo $((6 * 7))'
    terminal_shows $'42\r'
    terminal_type 'sleep 1000 || echo interrupted $?'
    terminal_shows 'echo interrupted'
    wait_until 10 node pgrep -f "^sleep 1000"
    printf '\003' >"$WORK/keys"
    terminal_type 'echo back $?'
    terminal_shows 'back 130'
    terminal_type 'exit 9'
    terminal_end 9
}

@test "containerd: terminal: exec" {
    box_loop c1
    run -0 on_terminal 4 ctr --namespace "$TOKEN" tasks exec --exec-id e1 -t c1 \
        sh -c 'printf "a\nb\n"; tty; exit 4'
    [[ $output == $'a\r\r\nb\r\r\n/dev/pts/0\r\r'* ]]
    terminal_start ctr --namespace "$TOKEN" tasks exec --exec-id e2 -t --user tester c1 sh
    terminal_shows '$ '
    terminal_type 'id -u; exit 6'
    terminal_end 6
    grep -q $'^1000\r' "$WORK/terminal"
}

# bats test_tags=essential
@test "containerd: pause and resume" {
    box_loop c1
    ctr tasks pause c1
    box_is c1 PAUSED
    local pid size
    pid=$(box_pid c1)
    size=$(node stat -c %s "/proc/$pid/root/count")
    sleep 0.2
    [ "$(node stat -c %s "/proc/$pid/root/count")" = "$size" ]
    run ctr tasks exec --exec-id e1 c1 true
    [ "$status" -ne 0 ]
    ctr tasks resume c1
    box_is c1 RUNNING
    grown() { [ "$(node stat -c %s "/proc/$pid/root/count")" -gt "$size" ]; }
    wait_until 10 grown
    ctr tasks exec --exec-id e2 c1 true
}

@test "containerd: a root file system of one's own, a cgroup of one's own, no cgroup given" {
    "$TESTS_LIB/make-rootfs" "$WORK/root"
    run -0 ctr run --rm "${ENGINE[@]}" --rootfs "$WORK/root" c1 /bin/cat /etc/hostname
    [ "$output" = rootfs ]
    run -0 box --cgroup="/$TOKEN/deep/er" c1 cat /proc/self/cgroup
    [[ $output == *":/$TOKEN/deep/er"* ]]
    run -0 box --cgroup= "$TOKEN-free" cat /proc/self/cgroup
    [[ $output == *"/$TOKEN-free"* ]]
    find /sys/fs/cgroup -depth -path "*/$TOKEN/deep" -exec rmdir {} +
}

@test "containerd: a command that is missing or no program is an error with its name" {
    run box c1 nosuchcommand
    [ "$status" -ne 0 ]
    [[ $output == *nosuchcommand* ]]
    run box c1 /etc/passwd
    [ "$status" -ne 0 ]
    [[ $output == *"permission denied"* || $output == *"Permission denied"* ]]
    run box --mount=type=bind,src=/nosuchdir,dst=/x,options=rbind c1 true
    [ "$status" -ne 0 ]
    [[ $output == *nosuchdir* ]]
    run -0 ctr tasks list -q
    [ -z "$output" ]
}

@test "containerd: restart of the daemon with a live container" {
    box_loop c1
    local pid
    pid=$(box_pid c1)
    containerd_stop
    node kill -0 "$pid"
    containerd_start
    box_is c1 RUNNING
    [ "$(box_pid c1)" = "$pid" ]
    run -0 ctr tasks exec --exec-id e1 c1 echo still
    [ "$output" = still ]
    ctr tasks kill --signal SIGTERM c1
    wait_until 10 box_is c1 STOPPED
    run -0 ctr tasks delete c1
    [[ $output == *42* ]]
    ctr containers delete c1
}

@test "containerd: a container that dies while the daemon is away" {
    box_loop c1
    local pid
    pid=$(box_pid c1)
    containerd_stop
    node_kill "$pid" KILL
    containerd_start
    wait_until 10 box_is c1 STOPPED
    run -0 ctr tasks delete c1
    [[ $output == *137* ]]
    ctr containers delete c1
}

@test "containerd: a container killed from outside" {
    box_start c1 sh -c 'sleep 1000 & exec sleep 1001'
    node_kill "$(box_pid c1)" KILL
    wait_until 10 box_is c1 STOPPED
    run -0 ctr tasks delete c1
    [[ $output == *137* ]]
    ctr containers delete c1
}

@test "containerd: a shim killed from outside takes its container along" {
    box_loop c1
    local pid
    pid=$(box_pid c1)
    node pkill -KILL -f "^[^ ]*$SHIM_NAME .*-id c1 "
    wait_until 10 node_process_gone "$pid"
    gone_or_stopped() { box_gone c1 || box_is c1 STOPPED; }
    wait_until 10 gone_or_stopped
    box_remove c1
    run -0 box c1 echo again
    [ "$output" = again ]
}

@test "containerd: ten at the same time" {
    local i pids=()
    for i in {0..9}; do
        box_start "p$i" sh -c "echo ready$i; exec sleep 1000" &
        pids+=($!)
    done
    for i in {0..9}; do
        wait "${pids[i]}"
        wait_until 20 grep -q "ready$i" "$WORK/out.p$i"
    done
    [ "$(ctr tasks list | grep -c RUNNING)" = 10 ]
    pids=()
    for i in {0..9}; do
        box_remove "p$i" &
        pids+=($!)
    done
    for i in {0..9}; do
        wait "${pids[i]}"
    done
    run -0 ctr containers list -q
    [ -z "$output" ]
}

# bats test_tags=essential
@test "containerd: no process, mount, cgroup or file is left" {
    # The runtime may keep compiled seccomp filters in its state directory.
    node_leaks_check "$WORK/before" "$RUNTIME_STATE"
}
