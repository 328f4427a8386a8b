#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Podman and Buildah, as root, drive the runtime under test.

# shellcheck disable=SC2016  # expanded by the container's shell
# shellcheck disable=SC2030,SC2031,SC2154  # variables of bats
load lib
load podman

podman() {
    node podman "$@"
}

buildah() {
    node buildah "$@"
}

setup_file() {
    caller_setup podman buildah conmon
    setup
    podman_configure "$WORK/config"
    cat >"$WORK/config/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$WORK/storage"
runroot = "/run/containers/storage"
END
    node mount --bind "$WORK/config" /etc/containers
    podman load --input "$WORK/image.tar"
    box --network=bridge true
    node_leaks_snapshot "$WORK/before"
}

setup() {
    PODMAN_BOX=("--cgroup-parent=/$TOKEN")
}

teardown_file() {
    caller_teardown
}

teardown() {
    podman pod rm --all --force --time 0 >/dev/null
    podman rm --all --force --time 0 --volumes >/dev/null
}

# limit NAME v1-CONTROLLER v1-FILE v2-FILE: what the kernel holds for the container.
limit() {
    cgroup_limit "$TOKEN/libpod-$(field "$1" .Id)" "$2" "$3" "$4"
}

@test "podman: the engine knows the runtime and its version" {
    run -0 podman info --format '{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}'
    [ "$output" = "bulkhead $BULKHEAD" ]
    run -0 podman info --format '{{.Host.OCIRuntime.Version}}'
    [[ $output =~ version\ [0-9]+\.[0-9]+ ]]
    run -0 podman --runtime "$BULKHEAD" run --rm "${PODMAN_BOX[@]}" "$IMAGE" echo "by path"
    [ "$output" = "by path" ]
}

# bats test_tags=essential
@test "podman: run: output, exit status, environment, user, working directory, streams" {
    run -0 box echo "one two" three
    [ "$output" = "one two three" ]
    run -7 box sh -c 'exit 7'
    run -0 box --env=A=1 --workdir=/usr/bin sh -c 'echo "$GREETING $A $PWD"'
    [ "$output" = "hello 1 /usr/bin" ]
    run -0 box --user=1234:29 --group-add=2000 id
    [[ $output == "uid=1234"*" gid=29(audio) groups="*"2000(extra)"* ]]
    run -0 box --user=tester sh -c 'id -u; id -G'
    [ "$output" = $'1000\n1000 29 2000' ]
    run -0 podman run --rm -i "${PODMAN_BOX[@]}" "$IMAGE" cat <<<typed
    [ "$output" = typed ]
    run -0 --separate-stderr box sh -c 'echo problem >&2; echo fine'
    [ "$output" = fine ]
    [ "$stderr" = problem ]
}

@test "podman: status 127 for a missing command, 126 for no program, in run and exec" {
    run -127 box nosuchcommand
    [[ $output == *nosuchcommand* ]]
    run -126 box /etc/passwd
    box_loop c1
    run -127 podman exec c1 nosuchcommand
    run -126 podman exec c1 /etc/passwd
    field_is c1 .State.Running true
}

@test "podman: create, start attached, wait, logs, diff, commit, export" {
    podman create --name c1 "${PODMAN_BOX[@]}" "$IMAGE" sh -c 'echo made >>/made; cat /made; exit 4'
    run -4 podman start --attach c1
    [ "$output" = made ]
    run -0 podman wait c1
    [ "$output" = 4 ]
    run -0 podman logs c1
    [ "$output" = made ]
    run -0 podman diff c1
    [[ $output == *"A /made"* ]]
    podman commit --quiet c1 committed
    run -0 podman run --rm "${PODMAN_BOX[@]}" localhost/committed cat /made
    [ "$output" = made ]
    podman export --output "$WORK/export.tar" c1
    tar -tf "$WORK/export.tar" made
    podman rmi localhost/committed
}

@test "podman: terminal: newlines, size, exit status, a shell one types in" {
    run -0 on_terminal 5 podman run --rm -it "${PODMAN_BOX[@]}" "$IMAGE" \
        sh -c 'printf "a\nb\n"; tty; until [ "$(stty size 2>&1)" = "33 77" ]; do usleep 20000; done; exit 5'
    [ "$output" = $'a\r\nb\r\n/dev/pts/0\r' ]
    terminal_start podman run -it --rm --name c1 "${PODMAN_BOX[@]}" "$IMAGE" sh
    terminal_shows "/ #"
    terminal_type 'echo $((6 * 7))'
    terminal_shows $'42\r'
    terminal_type 'exit 9'
    terminal_end 9
}

# bats test_tags=essential
@test "podman: exec: output, status, input, user, background, terminal" {
    box_loop c1
    run -0 podman exec c1 sh -c 'echo "$GREETING $PWD"; cat /proc/self/cgroup'
    [ "${lines[0]}" = "hello /" ]
    # With version 2 alone it has a cgroup namespace of its own, and is at the top of it.
    [[ $output == *":/$TOKEN/libpod-"* || ${lines[1]} == 0::/ ]]
    run -3 podman exec c1 sh -c 'exit 3'
    run -0 podman exec -i c1 cat <<<typed
    [ "$output" = typed ]
    run -0 podman exec --user tester --env B=2 --workdir /tmp c1 sh -c 'echo "$(id -u) $B $PWD"'
    [ "$output" = "1000 2 /tmp" ]
    podman exec --detach c1 sh -c 'echo done >/tmp/marker; exec sleep 1000'
    wait_until 10 podman exec c1 test -s /tmp/marker
    run -0 on_terminal 3 podman exec -it c1 sh -c 'printf "a\nb\n"; tty; exit 3'
    [ "$output" = $'a\r\nb\r\n/dev/pts/0\r' ]
}

@test "podman: kill, stop, rm of what runs" {
    box_loop c1
    podman kill --signal WINCH c1
    field_is c1 .State.Running true
    podman kill --signal TERM c1
    run -0 podman wait c1
    [ "$output" = 42 ]
    podman start c1
    podman stop --time 10 c1
    field_is c1 .State.ExitCode 42
    box_start c2 sleep 1000
    podman stop --time 1 c2
    field_is c2 .State.ExitCode 137
    box_start c3 sleep 1000
    podman rm --force --time 0 c3
    run podman container exists c3
    [ "$status" -eq 1 ]
    box_start c4 sleep 1000
    podman restart --time 0 c4
    field_is c4 .State.Running true
}

@test "podman: pause, unpause, top, stats" {
    box_loop c1
    podman pause c1
    field_is c1 .State.Status paused
    run podman exec c1 true
    [ "$status" -ne 0 ]
    podman unpause c1
    podman exec c1 true
    run -0 podman top c1
    [[ $output == *"usleep 20000"* ]]
    run -0 podman stats --no-stream --format '{{.Name}} {{.PIDs}}' c1
    [[ $output =~ ^c1\ [1-9] ]]
    podman pause c1
    podman rm --force --time 0 c1
}

# bats test_tags=essential
@test "podman: limits reach the kernel, and change with update; out of memory" {
    box_start c1 --memory=64m --memory-swap=64m --cpus=0.5 --cpuset-cpus=0 --pids-limit=50 sleep 1000
    [ "$(limit c1 memory memory.limit_in_bytes memory.max)" = 67108864 ]
    [ "$(limit c1 pids pids.max pids.max)" = 50 ]
    [ "$(limit c1 cpuset cpuset.cpus cpuset.cpus)" = 0 ]
    [[ "$(limit c1 cpu cpu.cfs_quota_us cpu.max)" == 50000* ]]
    podman update --memory=32m --memory-swap=32m --cpus=0.25 c1
    [ "$(limit c1 memory memory.limit_in_bytes memory.max)" = 33554432 ]
    [[ "$(limit c1 cpu cpu.cfs_quota_us cpu.max)" == 25000* ]]
    run -137 box --memory=16m --memory-swap=16m tail /dev/zero
}

@test "podman: pod of two containers: shared network, IPC and host name; publish, pause, kill" {
    podman pod create --cgroup-parent "/$TOKEN" --name p1 --network bridge --publish 18080:80
    podman run --detach --pod p1 --name web "$IMAGE" \
        sh -c 'mkdir /www; echo served >/www/index.html; exec httpd -f -p 80 -h /www'
    podman run --detach --pod p1 --name peer "$IMAGE" sleep 1000
    run -0 wait_until 10 podman exec peer wget -qO /page http://127.0.0.1/
    wait_until 10 node busybox wget -qO "$WORK/page" http://127.0.0.1:18080/
    grep -qx served "$WORK/page"
    local kind
    for kind in net ipc uts; do
        [ "$(podman exec web readlink /proc/self/ns/$kind)" = "$(podman exec peer readlink /proc/self/ns/$kind)" ]
    done
    [ "$(podman exec web readlink /proc/self/ns/pid)" != "$(podman exec peer readlink /proc/self/ns/pid)" ]
    run -0 podman exec peer hostname
    [ "$output" = p1 ]
    podman pod pause p1
    field_is peer .State.Status paused
    podman pod unpause p1
    podman pod stop --time 0 p1
    podman pod start p1
    field_is peer .State.Running true
    podman pod kill p1
    podman pod rm --force p1
}

@test "podman: pod that shares processes" {
    podman pod create --cgroup-parent "/$TOKEN" --name p2 --share pid,net
    podman run --detach --pod p2 --name a1 "$IMAGE" sleep 1001
    podman run --detach --pod p2 --name a2 "$IMAGE" sleep 1002
    run -0 podman exec a2 ps
    [[ $output == *"sleep 1001"* && $output == *"sleep 1002"* ]]
}

@test "podman: volumes, tmpfs, read-only, devices, masks" {
    mkdir -p "$WORK/share"
    echo outside >"$WORK/share/file"
    run -0 box --volume="$WORK/share:/a" --volume="$WORK/share:/b:ro" \
        sh -c 'cat /b/file; echo inside >/a/file; ! touch /b/x 2>&1'
    [[ ${lines[0]} == outside && ${lines[1]} == *"Read-only file system" ]]
    [ "$(cat "$WORK/share/file")" = inside ]
    box --volume=kept:/etc true
    run -0 box --volume=kept:/data cat /data/hostname
    podman volume rm kept
    run -0 box --read-only --tmpfs=/t:size=64k,noexec sh -c '! touch /x 2>&1; touch /t/x; grep " /t " /proc/mounts'
    [[ ${lines[0]} == *"Read-only file system" && ${lines[1]} == *noexec* ]]
    run -0 box --device=/dev/fuse:/dev/renamed:r sh -c 'stat -c "%F %t,%T" /dev/renamed; : </dev/renamed'
    [ "$output" = "character special file a,e5" ]
    run -0 box --security-opt=mask=/etc/group sh -c 'wc -c </etc/group'
    [ "$output" = 0 ]
    run -0 box --security-opt=unmask=ALL sh -c '! grep " /proc/sys " /proc/mounts'
}

@test "podman: capabilities, privileged, no new privileges, seccomp, ulimits, sysctls" {
    run -0 box --cap-drop=ALL --cap-add=NET_RAW grep ^CapEff /proc/self/status
    [[ $output == *0000000000002000 ]]
    run -0 box --privileged sh -c 'mount -t tmpfs none /mnt; sed -n "s/^Seccomp:.//p" /proc/self/status'
    [ "$output" = 0 ]
    run -0 box --security-opt=no-new-privileges grep ^NoNewPrivs /proc/self/status
    [[ $output == *1 ]]
    run -0 box sh -c 'grep ^Seccomp: /proc/self/status; unshare -m true 2>&1 || echo refused'
    [[ ${lines[0]} == *2 && $output == *refused ]]
    run -0 box --security-opt=seccomp=unconfined grep ^Seccomp: /proc/self/status
    [[ $output == *0 ]]
    run -0 box --ulimit=nofile=256:512 --ulimit=nproc=512:512 --sysctl=net.ipv4.ip_unprivileged_port_start=80 \
        sh -c 'ulimit -Sn; ulimit -Hn; cat /proc/sys/net/ipv4/ip_unprivileged_port_start'
    [ "$output" = $'256\n512\n80' ]
    run -0 box --oom-score-adj=500 cat /proc/self/oom_score_adj
    [ "$output" = 500 ]
}

@test "podman: namespaces: of the host, of a container, user namespace, private cgroup" {
    local kind
    for kind in pid ipc uts; do
        run -0 box "--$kind=host" readlink "/proc/self/ns/$kind"
        [ "$output" = "$(node readlink "/proc/self/ns/$kind")" ]
    done
    run -0 box --network=host readlink /proc/self/ns/net
    [ "$output" = "$(node readlink /proc/self/ns/net)" ]
    run -0 box --network=none ls /sys/class/net
    [[ $output != *eth* ]]
    run -0 box --network=bridge ls /sys/class/net
    [[ $output == *eth0* ]]
    box_start c1 sleep 1000
    run -0 box --pid=container:c1 ps
    [[ $output == *"sleep 1000"* ]]
    run -0 box --uidmap=0:100000:65536 --gidmap=0:200000:65536 \
        sh -c 'cat /proc/self/uid_map /proc/self/gid_map; touch /root/x; stat -c %u /root/x'
    [ "$(echo "$output" | tr -s ' ')" = $' 0 100000 65536\n 0 200000 65536\n0' ]
    box_start c2 --uidmap=0:100000:65536 --gidmap=0:200000:65536 sleep 1000
    run -3 podman exec c2 sh -c 'exit 3'
    run -0 box --cgroupns=private cat /proc/self/cgroup
    [[ $output != *libpod* ]]
}

@test "podman: containers without cgroups" {
    runtime_without_cgroups || skip "$BULKHEAD has no --cgroup-manager=disabled"
    run -0 podman run --rm --cgroups=disabled "$IMAGE" cat /proc/self/cgroup
    [[ $output != *libpod* ]]
    podman run --detach --name c1 --cgroups=disabled "$IMAGE" sleep 1000
    run -3 podman exec c1 sh -c 'exit 3'
    podman kill c1
    run -0 podman wait c1
    [ "$output" = 137 ]
}

@test "podman: hooks, init, restart policy, health check, preserved descriptors" {
    mkdir -p "$WORK/hooks"
    cat >"$WORK/hook" <<END
#!/bin/sh
cat >$WORK/hook.\$1
END
    chmod 755 "$WORK/hook"
    local stage
    for stage in prestart poststart poststop createRuntime; do
        cat >"$WORK/hooks/$stage.json" <<END
{"version": "1.0.0", "hook": {"path": "$WORK/hook", "args": ["hook", "$stage"]},
 "when": {"always": true}, "stages": ["$stage"]}
END
    done
    podman --hooks-dir "$WORK/hooks" run --rm "${PODMAN_BOX[@]}" "$IMAGE" usleep 100000
    [ "$(jq -r .status "$WORK/hook.poststop")" = stopped ]
    [ "$(jq -r .pid "$WORK/hook.createRuntime")" -gt 1 ]
    [ "$(jq -r .id "$WORK/hook.prestart")" = "$(jq -r .id "$WORK/hook.poststop")" ]

    run -0 box --init sh -c 'tr "\0" " " </proc/1/cmdline'
    [[ $output == /run/podman-init* || $output == /dev/init* ]]
    box_start c1 --restart=on-failure:2 sh -c 'exit 1'
    wait_until 20 field_is c1 .RestartCount 2
    box_start c2 --health-cmd='test -e /well' --health-interval=disable sleep 1000
    run podman healthcheck run c2
    [ "$status" -ne 0 ]
    podman exec c2 touch /well
    podman healthcheck run c2
    run -0 node bash -c 'exec 3<"$1"; shift; exec podman run --rm --preserve-fds=1 "$@" cat /proc/self/fd/3' \
        bash "$WORK/share/file" "${PODMAN_BOX[@]}" "$IMAGE"
    [ "$output" = inside ]
}

@test "podman: a root file system of one's own; cp" {
    "$TESTS_LIB/make-rootfs" "$WORK/root"
    run -0 podman run --rm "${PODMAN_BOX[@]}" --rootfs "$WORK/root" grep -c tester /etc/passwd
    [ "$output" = 1 ]
    box_loop c1
    echo there >"$WORK/there"
    podman cp "$WORK/there" c1:/root/there
    run -0 podman exec c1 cat /root/there
    [ "$output" = there ]
    podman cp c1:/etc/passwd "$WORK/back"
    grep -q tester "$WORK/back"
}

@test "podman: build" {
    build_dir
    podman build --runtime "$BULKHEAD" --cgroup-parent "/$TOKEN/build" --build-arg WORD=well --tag built "$WORK/build"
    run -0 podman run --rm "${PODMAN_BOX[@]}" localhost/built
    [ "$output" = "$BUILT" ]
    printf 'FROM %s\nRUN echo going wrong; exit 3\n' "$IMAGE" >"$WORK/build/Dockerfile"
    run podman build --cgroup-parent "/$TOKEN/build" "$WORK/build"
    [ "$status" -ne 0 ]
    [[ $output == *"going wrong"* ]]
    podman rmi localhost/built
}

@test "buildah: bud" {
    build_dir
    buildah bud --runtime "$BULKHEAD" --cgroup-parent "/$TOKEN/build" --build-arg WORD=well --tag built "$WORK/build"
    run -0 podman run --rm "${PODMAN_BOX[@]}" localhost/built
    [ "$output" = "$BUILT" ]
    podman rmi localhost/built
}

@test "buildah: from, run, terminal, user, volume, commit" {
    buildah from --name work --cgroup-parent "/$TOKEN/build" "$IMAGE"
    run -3 buildah run --runtime "$BULKHEAD" work sh -c 'echo made >/made; exit 3'
    run -0 buildah run --runtime "$BULKHEAD" --user tester --workingdir /tmp work sh -c 'id -u; pwd; cat /made'
    [ "$output" = $'1000\n/tmp\nmade' ]
    echo outside >"$WORK/file"
    run -0 buildah run --runtime "$BULKHEAD" --volume "$WORK/file:/in:ro" work cat /in
    [ "$output" = outside ]
    run -0 on_terminal 4 buildah run --runtime "$BULKHEAD" --tty work sh -c 'tty; exit 4'
    [[ $output == *"/dev/pts/0"* ]]
    run buildah run --runtime "$BULKHEAD" work nosuchcommand
    [ "$status" -ne 0 ]
    buildah config --cmd 'cat /made' work
    buildah commit --quiet work worked
    run -0 podman run --rm "${PODMAN_BOX[@]}" localhost/worked
    [ "$output" = made ]
    buildah rm work
    podman rmi localhost/worked
}

@test "podman: a container killed from outside, a conmon killed from outside" {
    box_start c1 sleep 1000
    node_kill "$(field c1 .State.Pid)" KILL
    run -0 podman wait c1
    [ "$output" = 137 ]
    box_start c2 sleep 1000
    local pid
    pid=$(field c2 .State.Pid)
    node_kill "$(field c2 .State.ConmonPid)" KILL
    local id
    id=$(field c2 .Id)
    podman rm --force --time 0 c2
    node_process_gone "$pid"
    # Podman kills it and forgets to tell the runtime; the runtime can still tidy up.
    node "$BULKHEAD" delete --force "$id"
    run -0 node "$BULKHEAD" list --quiet
    [ -z "$output" ]
}

@test "podman: eight at the same time" {
    boxes_at_once 8
}

@test "podman: no process, mount, cgroup, link, rule or file is left" {
    # The pods' own cgroups in hierarchies without a v1 controller, which Podman does not look at.
    node_leaks_check "$WORK/before" "$RUNTIME_STATE|^cgroup /sys/fs/cgroup/(systemd|unified)/$TOKEN/[0-9a-f]{64}\$"
}
