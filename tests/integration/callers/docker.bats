#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Docker drives the runtime under test, by path or by our shim: docker.bash says which.

# shellcheck disable=SC2016  # expanded by the container's shell
# shellcheck disable=SC2030,SC2031,SC2154  # variables of bats
load lib

load docker

setup_file() {
    docker_setup
    "$TESTS_LIB/make-image" -u tester -w /tmp docker.io/library/tester:latest "$WORK/tester.tar"
    docker load --input "$WORK/tester.tar"
    box true
    box --network=host --runtime=runc true
    box --network=host true
    node_leaks_snapshot "$WORK/before"
}

teardown_file() { caller_teardown; }

teardown() { docker_remove_all; }

@test "docker: the engine knows the runtime, its version, and overlay2" {
    run -0 docker info --format '{{.Driver}} {{.DefaultRuntime}}'
    [ "$output" = "overlay2 bulkhead" ]
    if [ -z "${BULKHEAD_SHIM:-}" ]; then
        run -0 docker version --format '{{range .Server.Components}}{{.Name}}={{.Version}} {{end}}'
        [[ $output =~ bulkhead=[0-9]+\.[0-9]+ ]]
    else
        run -0 box --runtime=io.containerd.bulkhead.v2 echo typed
        [ "$output" = typed ]
    fi
    box_start c1 sleep 1000
    field_is c1 .HostConfig.Runtime bulkhead
    run -0 box --runtime=runc echo named
    [ "$output" = named ]
}

# bats test_tags=essential
@test "docker: run: output, exit status, environment, user, working directory, entry point" {
    run -0 box echo "one two" three
    [ "$output" = "one two three" ]
    run -7 box sh -c 'exit 7'
    run -137 box sh -c 'kill -9 $$ & wait; exit 137'
    run -0 box --env=A=1 --workdir=/new/dir sh -c 'echo "$GREETING $A $PWD $HOME"'
    [ "$output" = "hello 1 /new/dir /root" ]
    run -0 docker run --rm tester sh -c 'id -u; id -g; pwd; echo $HOME'
    [ "$output" = $'1000\n1000\n/tmp\n/home/tester' ]
    run -0 box --user=1234:29 --group-add=2000 id
    [[ $output == "uid=1234 gid=29(audio) groups="*"2000(extra)"* ]]
    run -0 box --user=nobody id -u
    [ "$output" = 65534 ]
    run -0 box --entrypoint=/bin/echo entered
    [ "$output" = entered ]
    run -0 docker run --rm -i box cat <<<typed
    [ "$output" = typed ]
    run -0 --separate-stderr box sh -c 'echo problem >&2; echo fine'
    [ "$output" = fine ]
    [ "$stderr" = problem ]
}

@test "docker: run: status 127 for a missing command, 126 for no program" {
    run -127 box nosuchcommand
    [[ $output == *nosuchcommand* ]]
    run -127 box /no/such/command
    run -126 box /etc/passwd
    [[ ${output,,} == *"permission denied"* ]]
    run docker ps --all --quiet
    [ -z "$output" ]
}

@test "docker: create, start attached, wait, restart, rename, diff, commit, export" {
    docker create --name c1 box sh -c 'echo made >>/made; cat /made; exit 4'
    field_is c1 .State.Status created
    run -4 docker start --attach c1
    [ "$output" = made ]
    run -0 docker wait c1
    [ "$output" = 4 ]
    run -4 docker start --attach c1
    [ "$output" = $'made\nmade' ]
    docker rename c1 c2
    run -0 docker diff c2
    [ "$output" = "A /made" ]
    docker commit c2 committed
    run -0 docker run --rm committed wc -l /made
    [[ $output == 2* ]]
    docker export --output "$WORK/export.tar" c2
    tar -tf "$WORK/export.tar" made
    docker rmi committed
}

@test "docker: terminal: newlines, size, exit status" {
    run -0 on_terminal 5 "$DOCKER" run --rm -it box \
        sh -c 'printf "a\nb\n"; tty; until [ "$(stty size 2>&1)" = "33 77" ]; do usleep 20000; done; exit 5'
    [ "$output" = $'a\r\nb\r\n/dev/pts/0\r' ]
    run -0 box --tty printf 'a\nb\n'
    [ "$output" = $'a\r\nb\r' ]
}

@test "docker: terminal: a shell one types in, detach, attach" {
    terminal_start "$DOCKER" run -it --name c1 box sh
    terminal_shows "/ #"
    terminal_type 'echo $((6 * 7))'
    terminal_shows $'42\r'
    printf '\020\021' >"$WORK/keys"
    terminal_end 0
    field_is c1 .State.Running true
    terminal_start "$DOCKER" attach c1
    terminal_type 'echo $((7 * 7))'
    terminal_shows $'49\r'
    terminal_type 'exit 9'
    terminal_end 9
}

# bats test_tags=essential
@test "docker: exec: output, exit status, input, user, environment, background" {
    box_loop c1
    run -0 docker exec c1 sh -c 'echo "$GREETING $PWD $(id -u)"'
    [ "$output" = "hello / 0" ]
    run -3 docker exec c1 sh -c 'exit 3'
    run -0 docker exec -i c1 cat <<<typed
    [ "$output" = typed ]
    run -0 docker exec --user tester --env B=2 --workdir /tmp c1 sh -c 'echo "$(id -u) $B $PWD"; id -G'
    [ "$output" = $'1000 2 /tmp\n1000 29 2000' ]
    run -0 docker exec c1 grep ^CapEff /proc/self/status
    [[ $output == *00000000a80425fb ]]
    docker exec --detach c1 sh -c 'echo done >/tmp/marker; exec sleep 1000'
    wait_until 10 docker exec c1 test -s /tmp/marker
    run docker exec c1 nosuchcommand
    [[ $status == 12[67] && $output == *nosuchcommand* ]] # 126 from Docker before 23
    run -126 docker exec c1 /etc/passwd
    field_is c1 .State.Running true
}

@test "docker: exec -it" {
    box_loop c1
    run -0 on_terminal 3 "$DOCKER" exec -it c1 sh -c 'printf "a\nb\n"; tty; sleep 0.2; exit 3'
    [ "$output" = $'a\r\nb\r\n/dev/pts/0\r' ]
    terminal_start "$DOCKER" exec -it -u tester c1 sh
    terminal_shows '$ '
    terminal_type 'until [ "$(stty size 2>&1)" = "33 77" ]; do usleep 20000; done; echo $((6 * 7))'
    terminal_shows $'42\r'
    terminal_type 'exit 6'
    terminal_end 6
}

# bats test_tags=essential
@test "docker: stop: SIGTERM, then SIGKILL after the grace" {
    box_loop c1
    docker stop --time 20 c1
    field_is c1 .State.ExitCode 42
    box_start c2 sleep 1000
    docker stop --time 1 c2
    field_is c2 .State.ExitCode 137
    box_start c3 --stop-signal=USR1 sh -c 'trap "exit 41" USR1; echo ready; while :; do usleep 20000; done'
    wait_until 10 box_logged c3 ready
    docker stop --time 20 c3
    field_is c3 .State.ExitCode 41
}

@test "docker: kill, by signal too; restart" {
    box_loop c1
    docker kill --signal WINCH c1
    field_is c1 .State.Running true
    docker kill --signal TERM c1
    run -0 docker wait c1
    [ "$output" = 42 ]
    docker start c1
    docker kill c1
    field_is c1 .State.ExitCode 137
    docker restart --time 1 c1
    field_is c1 .State.Running true
}

@test "docker: stats, top" {
    box_loop c1 --memory=64m
    run -0 docker stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}}' c1
    [[ $output =~ ^c1\ [0-9.]+[KM]iB\ /\ 64MiB\ [0-9]+$ ]]
    [[ $output != *" 0B /"* && $output != *" 0" ]]
    run -0 docker top c1
    [[ $output == *"usleep 20000"* ]]
    run -0 docker top c1 -o pid,comm
    [[ ${lines[0]} == *PID*COMMAND* ]]
}

# bats test_tags=essential
@test "docker: limits reach the kernel, and change with update" {
    box_start c1 --memory=64m --memory-swap=64m --memory-reservation=32m --cpus=0.5 --cpu-shares=512 \
        --cpuset-cpus=0 --pids-limit=50 --shm-size=1m sleep 1000
    [ "$(limit c1 memory memory.limit_in_bytes memory.max)" = 67108864 ]
    [ "$(limit c1 memory memory.soft_limit_in_bytes memory.low)" = 33554432 ]
    [ "$(limit c1 pids pids.max pids.max)" = 50 ]
    [ "$(limit c1 cpuset cpuset.cpus cpuset.cpus)" = 0 ]
    [[ "$(limit c1 cpu cpu.cfs_quota_us cpu.max)" == 50000* ]]
    run -0 docker exec c1 sh -c 'grep " /dev/shm " /proc/mounts; grep ^Cpus_allowed_list /proc/self/status'
    [[ ${lines[0]} == *size=1024k* && ${lines[1]} == *$'\t'0 ]]
    docker update --memory=32m --memory-swap=32m --memory-reservation=16m --cpus=0.25 --pids-limit=20 --cpuset-cpus=0-1 c1
    [ "$(limit c1 memory memory.limit_in_bytes memory.max)" = 33554432 ]
    [ "$(limit c1 memory memory.soft_limit_in_bytes memory.low)" = 16777216 ]
    [ "$(limit c1 pids pids.max pids.max)" = 20 ]
    [ "$(limit c1 cpuset cpuset.cpus cpuset.cpus)" = 0-1 ]
    [[ "$(limit c1 cpu cpu.cfs_quota_us cpu.max)" == 25000* ]]
    field_is c1 .State.Running true
}

@test "docker: pids limit, out of memory, OOM settings" {
    run box --pids-limit=8 sh -c 'for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done'
    [ "$status" -ne 0 ]
    [[ $output == *"can't fork"* ]]
    box_start c1 --memory=16m --memory-swap=16m tail /dev/zero
    run -0 docker wait c1
    [ "$output" = 137 ]
    field_is c1 .State.OOMKilled true
    run -0 box --oom-score-adj=500 cat /proc/self/oom_score_adj
    [ "$output" = 500 ]
    if [ -d /sys/fs/cgroup/memory ]; then
        box_start c2 --oom-kill-disable --memory=32m sleep 1000
        [[ "$(limit c2 memory memory.oom_control -)" == "oom_kill_disable 1"* ]]
    fi
}

@test "docker: pause and unpause" {
    box_loop c1
    docker pause c1
    field_is c1 .State.Status paused
    run docker exec c1 true
    [ "$status" -ne 0 ]
    docker unpause c1
    field_is c1 .State.Status running
    docker exec c1 true
    docker pause c1
    docker rm --force c1
}

@test "docker: logs: both streams, followed to the end" {
    box_start c1 sh -c 'echo first; echo second >&2; usleep 300000; echo last'
    run -0 docker logs --follow c1
    [[ $output == *first* && $output == *second* && $output == *last ]]
    run -0 --separate-stderr docker logs c1
    [ "$output" = $'first\nlast' ]
    [ "$stderr" = second ]
}

@test "docker: a large output arrives whole" {
    run -0 bash -c 'nsenter --target "$NODE_PID" -m -u -i -n -p "$1" run --rm box \
        sh -c "seq 1 200000" | md5sum' bash "$DOCKER"
    [ "$output" = "$(seq 1 200000 | md5sum)" ]
}

# build_with BUILDKIT: what both builders must do.
build_with() {
    mkdir -p "$WORK/build"
    echo content >"$WORK/build/file"
    cat >"$WORK/build/Dockerfile" <<'END'
FROM box
ARG WORD=none
RUN echo "built $WORD" >/built && test "$(id -u)" = 0
COPY file /copied
WORKDIR /srv
USER tester
RUN id -un >/tmp/user && pwd >>/tmp/user
CMD cat /built /copied /tmp/user
END
    DOCKER_BUILDKIT=$1 docker build --no-cache --build-arg WORD=well --tag built "$WORK/build"
    run -0 docker run --rm built
    [ "$output" = $'built well\ncontent\ntester\n/srv' ]
    printf 'FROM box\nRUN echo going wrong; exit 3\n' >"$WORK/build/Dockerfile"
    DOCKER_BUILDKIT=$1 run docker build "$WORK/build"
    [ "$status" -ne 0 ]
    [[ $output == *"going wrong"* && $output == *3* ]]
    docker rmi built
    docker image prune --force
}

@test "docker: build, classic builder" {
    build_with 0
}

@test "docker: build, BuildKit (which calls the runtime by the name runc)" {
    build_with 1
    docker builder prune --all --force
    find /sys/fs/cgroup -depth -type d -path "*/$TOKEN/buildkit*" -exec rmdir {} +
}

@test "docker: volumes: bind, named, anonymous, propagation, tmpfs" {
    mkdir -p "$WORK/share"
    echo outside >"$WORK/share/file"
    run -0 box --volume="$WORK/share:/a" --volume="$WORK/share:/b:ro" \
        sh -c 'cat /b/file; echo inside >/a/file; ! touch /b/x 2>&1'
    [ "${lines[0]}" = outside ]
    [[ ${lines[1]} == *"Read-only file system" ]]
    [ "$(cat "$WORK/share/file")" = inside ]

    docker volume create kept
    box --volume=kept:/etc true
    run -0 box --volume=kept:/data cat /data/hostname /data/passwd
    [[ $output == *tester* ]]
    docker volume rm kept

    run -0 box --mount="type=bind,src=$WORK/share,dst=/p,bind-propagation=rslave" \
        sh -c 'grep " /p " /proc/self/mountinfo'
    [[ $output == *master:* ]]
    run -0 box --mount="type=bind,src=$WORK/share/file,dst=/etc/one,readonly" cat /etc/one
    [ "$output" = inside ]
    run -0 box --tmpfs=/t:size=64k,mode=1770,noexec sh -c 'stat -c %a /t; grep " /t " /proc/mounts'
    [ "${lines[0]}" = 1770 ]
    [[ ${lines[1]} == *noexec*size=64k* ]]
    run -0 docker run --rm --volume /anonymous box sh -c 'grep -c " /anonymous " /proc/mounts'
    [ "$output" = 1 ]
}

@test "docker: read-only root with tmpfs" {
    run -0 box --read-only --tmpfs=/tmp sh -c '! touch /x 2>&1; echo fine >/tmp/x; cat /tmp/x'
    [[ ${lines[0]} == *"Read-only file system" ]]
    [ "${lines[1]}" = fine ]
}

@test "docker: capabilities" {
    run -0 box --cap-drop=ALL --cap-add=NET_RAW grep ^CapEff /proc/self/status
    [[ $output == *0000000000002000 ]]
    run -0 box --user=tester --cap-add=NET_ADMIN sed -n 's/^Cap\(Eff\|Bnd\):\t//p' /proc/self/status
    [ "$output" = $'0000000000000000\n00000000a80435fb' ]
}

@test "docker: privileged run and exec" {
    require_all_capabilities
    run -0 box --privileged sh -c 'grep ^CapEff /proc/self/status; ls /dev/kmsg; mount -t tmpfs none /mnt
        grep ^Seccomp: /proc/self/status; sysctl -w kernel.domainname=inside'
    [ "${lines[0]}" = "$(grep ^CapEff /proc/self/status)" ]
    [ "${lines[2]##*$'\t'}" = 0 ]
    box_start c1 sleep 1000
    run -0 docker exec --privileged c1 grep ^CapEff /proc/self/status
    [ "$output" = "$(grep ^CapEff /proc/self/status)" ]
}

@test "docker: no new privileges, seccomp, masked paths" {
    run -0 box --security-opt=no-new-privileges grep ^NoNewPrivs /proc/self/status
    [[ $output == *1 ]]
    run -0 box sh -c 'grep -E "^(NoNewPrivs|Seccomp):" /proc/self/status; unshare -m true 2>&1 || echo refused'
    [[ ${lines[0]} == *0 && ${lines[1]} == *2 && $output == *refused ]]
    run -0 box --security-opt=seccomp=unconfined grep ^Seccomp: /proc/self/status
    [[ $output == *0 ]]
    cat >"$WORK/profile.json" <<'END'
{"defaultAction": "SCMP_ACT_ALLOW",
 "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}],
 "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "args": []},
    {"names": ["chmod", "fchmodat"], "action": "SCMP_ACT_ERRNO",
     "args": [{"index": 1, "value": 256, "op": "SCMP_CMP_EQ"}]}]}
END
    run -0 box --security-opt="seccomp=$WORK/profile.json" sh -c 'touch /x; mkdir /y 2>&1 || echo refused'
    [[ $output == *"not permitted"*refused ]]
    run -0 box sh -c 'cat /proc/keys /proc/timer_list; ! (echo 1 >/proc/sys/vm/swappiness) 2>&1'
    [[ $output == *"Read-only file system"* ]]
    run -0 box --security-opt=systempaths=unconfined sh -c '! grep -E " /proc/(sys|keys) " /proc/mounts'
}

@test "docker: namespaces of the host and of another container" {
    box_start c1 --ipc=shareable sleep 1000
    local pid kind
    pid=$(field c1 .State.Pid)
    run -0 box --pid=host --cap-add=SYS_PTRACE readlink /proc/self/ns/pid
    [ "$output" = "$(host_ns pid)" ]
    run -0 box --pid=host sh -c "grep -c '^sleep' /proc/$pid/cmdline"
    run -0 box --ipc=host readlink /proc/self/ns/ipc
    [ "$output" = "$(host_ns ipc)" ]
    run -0 box --uts=host hostname
    [ "$output" = "$TOKEN" ]
    for kind in ipc pid; do
        run -0 box "--$kind=container:c1" readlink "/proc/self/ns/$kind"
        [ "$output" = "$(host_ns "$kind" "$pid")" ]
    done
    run -0 box --network=container:c1 readlink /proc/self/ns/net
    [ "$output" = "$(host_ns net "$pid")" ]
    run -0 box --network=host readlink /proc/self/ns/net
    [ "$output" = "$(host_ns net)" ]
    run -0 box --hostname=named --domainname=example.org sh -c 'hostname; cat /proc/sys/kernel/domainname'
    [ "${lines[0]}" = named ]
    [ "${lines[1]}" = example.org ]
}

@test "docker: networks: none, bridge with a published port, a network with names" {
    run -0 box --network=none ls /sys/class/net
    [[ $output != *eth* ]]
    box_start web --publish=18080:80 sh -c \
        'mkdir /www; echo served >/www/index.html; exec httpd -f -p 80 -h /www'
    wait_until 10 node busybox wget -qO "$WORK/page" http://127.0.0.1:18080/
    grep -qx served "$WORK/page"
    local address
    address=$(field web .NetworkSettings.IPAddress)
    run -0 box wget -qO- "http://$address/"
    [ "$output" = served ]
    run -0 box --add-host=other:10.1.2.3 --dns=10.9.9.9 cat /etc/hosts /etc/resolv.conf
    [[ $output == *10.1.2.3*other* && $output == *"nameserver 10.9.9.9"* ]]

    docker network create side
    box_start server --network=side --network-alias=alias sleep 1000
    run -0 box --network=side ping -c 1 server
    run -0 box --network=side ping -c 1 alias
    docker network connect side web
    run -0 docker exec web ping -c 1 server
    docker rm --force server web
    docker network rm side
}

@test "docker: init in the container" {
    run -0 box --init sh -c 'tr "\0" " " </proc/1/cmdline; echo; echo $$'
    [[ ${lines[0]} == *docker-init* ]]
    [ "${lines[1]}" -gt 1 ]
}

@test "docker: restart policies" {
    box_start c1 --restart=on-failure:2 sh -c 'exit 1'
    retried() { field_is c1 .RestartCount 2 && field_is c1 .State.Status exited; }
    wait_until 20 retried
    box_start c2 --restart=always sleep 1000
    local pid
    pid=$(field c2 .State.Pid)
    node_kill "$pid" KILL
    replaced() { field_is c2 .State.Running true && [ "$(field c2 .State.Pid)" != "$pid" ]; }
    wait_until 20 replaced
}

@test "docker: health check" {
    box_start c1 --health-cmd='test -e /well' --health-interval=200ms --health-retries=2 sleep 1000
    wait_until 20 field_is c1 .State.Health.Status unhealthy
    docker exec c1 touch /well
    wait_until 20 field_is c1 .State.Health.Status healthy
}

@test "docker: cp, running and stopped" {
    box_loop c1
    echo there >"$WORK/there"
    docker cp "$WORK/there" c1:/root/there
    run -0 docker exec c1 cat /root/there
    [ "$output" = there ]
    docker cp c1:/etc/passwd "$WORK/back"
    grep -q tester "$WORK/back"
    docker stop --time 5 c1
    docker cp c1:/root/there "$WORK/again"
    grep -qx there "$WORK/again"
}

@test "docker: a cgroup parent of one's own" {
    run -0 box --cgroup-parent="/$TOKEN/other" cat /proc/self/cgroup
    [[ $output == *":/$TOKEN/other/"* ]]
    find /sys/fs/cgroup -depth -path "*/$TOKEN/other" -exec rmdir {} +
}

@test "docker: devices" {
    run -0 box --device=/dev/fuse:/dev/renamed:r sh -c 'stat -c "%F %t,%T" /dev/renamed; : </dev/renamed
        ! (: >/dev/renamed) 2>&1'
    [ "${lines[0]}" = "character special file a,e5" ]
    [[ ${lines[1]} == *"not permitted"* ]]
    run box sh -c 'mknod /fuse c 10 229 && : </fuse'
    [ "$status" -ne 0 ]
    run -0 box --device-cgroup-rule='c 10:229 rmw' sh -c 'mknod /fuse c 10 229 && : </fuse'
    run -0 box sh -c 'for d in null zero full random urandom tty; do stat -c "%n %t,%T %a" /dev/$d; done
        for l in fd stdin ptmx; do readlink /dev/$l; done'
    [ "$output" = "/dev/null 1,3 666
/dev/zero 1,5 666
/dev/full 1,7 666
/dev/random 1,8 666
/dev/urandom 1,9 666
/dev/tty 5,0 666
/proc/self/fd
/proc/self/fd/0
pts/ptmx" ]
}

@test "docker: ulimits, sysctls" {
    run -0 box --ulimit=nofile=256:512 --ulimit=core=0 sh -c 'ulimit -Sn; ulimit -Hn; ulimit -c'
    [ "$output" = $'256\n512\n0' ]
    run -0 box --sysctl=net.ipv4.ip_unprivileged_port_start=80 --sysctl=kernel.shm_rmid_forced=1 \
        sh -c 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced'
    [ "$output" = $'80\n1' ]
}

@test "docker: restart of the daemon with a live container" {
    box_loop c1 --publish=18081:80
    local pid
    pid=$(field c1 .State.Pid)
    dockerd_stop
    node kill -0 "$pid"
    dockerd_start
    field_is c1 .State.Running true
    field_is c1 .State.Pid "$pid"
    run -0 docker exec c1 echo still
    [ "$output" = still ]
    docker stop --time 20 c1
    field_is c1 .State.ExitCode 42
}

@test "docker: a container killed from outside, a shim killed from outside" {
    box_start c1 sleep 1000
    node_kill "$(field c1 .State.Pid)" KILL
    run -0 docker wait c1
    [ "$output" = 137 ]
    box_loop c2
    local pid
    pid=$(field c2 .State.Pid)
    node pkill -KILL -f "^[^ ]*$SHIM_NAME .*-id $(field c2 .Id) "
    wait_until 20 field_is c2 .State.Running false
    wait_until 10 node_process_gone "$pid"
    docker start c2
    docker exec c2 true
}

@test "docker: eight at the same time" {
    boxes_at_once 8
}

# bats test_tags=essential
@test "docker: no process, mount, cgroup, link, rule or file is left" {
    # Docker's own: paths of network namespaces that it drops once a minute, its plug-in socket.
    node_leaks_check "$WORK/before" "$RUNTIME_STATE|^path /run/docker/(netns|libnetwork)/"
}

@test "docker: user namespaces (daemon with userns-remap)" {
    dockerd_stop
    dockerd_start --userns-remap=default
    docker load --input "$WORK/image.tar"
    run -0 box sh -c 'cat /proc/self/uid_map; id -u; touch /root/x; stat -c %u /root/x'
    [[ $(echo "${lines[0]}" | tr -s ' ') =~ ^\ 0\ [1-9][0-9]+\ 65536$ ]]
    [ "${lines[2]}" = 0 ]
    box_loop c1 --memory=64m --volume="$WORK/tmp:/m"
    run -3 docker exec c1 sh -c 'exit 3'
    run -0 box --userns=host cat /proc/self/uid_map
    [[ $output == *4294967295 ]]
    docker stop --time 20 c1
    field_is c1 .State.ExitCode 42
}
