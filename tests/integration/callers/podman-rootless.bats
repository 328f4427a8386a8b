#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Podman and Buildah, as an ordinary user, drive the runtime under test. The user exists only in the
# node. With cgroup v1 an ordinary user's containers have no cgroup, so what needs one is skipped.

# shellcheck disable=SC2016  # expanded by the container's shell
# shellcheck disable=SC2030,SC2031,SC2154  # variables of bats
load lib
load podman

TENANT=64321

# user COMMAND...: runs COMMAND as the user, with what a login gives.
user() {
    node "$WORK/user" "$@"
}

podman() {
    user podman "$@"
}

buildah() {
    user buildah "$@"
}

setup_file() {
    caller_setup podman buildah conmon newuidmap newgidmap slirp4netns setpriv
    local home=$WORK/home
    cat >"$WORK/user" <<END
#!/bin/sh
exec setpriv --reuid $TENANT --regid $TENANT --init-groups \\
    env -i PATH="$PATH" HOME=$home XDG_RUNTIME_DIR=/run/user/$TENANT "\$@"
END
    chmod 755 "$WORK/user"
    node sh -ec "
        echo tenant:x:$TENANT:$TENANT::$home:/bin/sh >>/etc/passwd
        echo tenant:x:$TENANT: >>/etc/group
        echo tenant:700000:65536 | tee -a /etc/subuid >>/etc/subgid
        mkdir -p /run/user/$TENANT $home
        chmod 700 /run/user/$TENANT $home"
    node test -u /usr/bin/newuidmap
    # A tree in a home directory is closed to others: the runtime itself need not be.
    if ! user test -x "$BULKHEAD"; then
        install -m 0755 "$BULKHEAD" "$WORK/bulkhead"
        export BULKHEAD=$WORK/bulkhead
    fi
    podman_configure "$home/.config/containers"
    printf '[storage]\ndriver = "overlay"\n' >"$home/.config/containers/storage.conf"
    node chown -R "$TENANT:$TENANT" "/run/user/$TENANT" "$home"
    podman load --input "$WORK/image.tar"
    box --network=slirp4netns true
    node_leaks_snapshot "$WORK/before"
}

teardown_file() {
    caller_teardown
}

teardown() {
    podman pod rm --all --force --time 0 >/dev/null
    podman rm --all --force --time 0 --volumes >/dev/null
}

# require_user_cgroups: skip where an ordinary user has none.
require_user_cgroups() {
    [ -e /sys/fs/cgroup/cgroup.controllers ] || skip "an ordinary user has no cgroup of cgroup v1"
}

@test "podman rootless: the engine knows the runtime" {
    run -0 podman info --format '{{.Host.OCIRuntime.Name}} {{.Host.Security.Rootless}} {{.Store.GraphDriverName}}'
    [ "$output" = "bulkhead true overlay" ]
}

@test "podman rootless: run: output, exit status, ids, input" {
    run -0 box sh -c 'id -u; cat /proc/self/uid_map'
    [ "$(echo "$output" | tr -s ' ')" = $'0\n 0 64321 1\n 1 700000 65536' ]
    run -7 box sh -c 'exit 7'
    run -0 box --env=A=1 --workdir=/usr/bin sh -c 'echo "$GREETING $A $PWD"'
    [ "$output" = "hello 1 /usr/bin" ]
    run -0 podman run --rm -i "$IMAGE" cat <<<typed
    [ "$output" = typed ]
    run -0 box --user=tester sh -c 'id -u; id -G; touch /home/tester/x; stat -c %u /home/tester/x'
    [ "$output" = $'1000\n1000 29 2000\n1000' ]
    run -0 box --userns=keep-id id -u
    [ "$output" = "$TENANT" ]
    run -0 box --hostname=named hostname
    [ "$output" = named ]
}

@test "podman rootless: status 127 for a missing command, 126 for no program" {
    run -127 box nosuchcommand
    [[ $output == *nosuchcommand* ]]
    run -126 box /etc/passwd
}

@test "podman rootless: capabilities, privileged, no new privileges, seccomp, masks" {
    run -0 box --cap-drop=ALL --cap-add=NET_RAW grep ^CapEff /proc/self/status
    [[ $output == *0000000000002000 ]]
    run -0 box --privileged sh -c 'mount -t tmpfs none /mnt; sed -n "s/^Seccomp:.//p" /proc/self/status'
    [ "$output" = 0 ]
    run -0 box --security-opt=no-new-privileges grep ^NoNewPrivs /proc/self/status
    [[ $output == *1 ]]
    run -0 box sh -c 'grep ^Seccomp: /proc/self/status; cat /proc/keys; ! (echo 1 >/proc/sys/vm/swappiness) 2>&1'
    [[ ${lines[0]} == *2 && ${lines[1]} == *"Read-only file system"* ]]
}

@test "podman rootless: exec: output, status, user, terminal" {
    box_loop c1
    run -0 podman exec c1 sh -c 'echo "$GREETING $PWD"; cat /proc/self/uid_map'
    [[ ${lines[0]} == "hello /" && ${lines[1]} == *64321* ]]
    run -3 podman exec c1 sh -c 'exit 3'
    run -127 podman exec c1 nosuchcommand
    run -0 podman exec -i c1 cat <<<typed
    [ "$output" = typed ]
    run -0 podman exec --user tester c1 id -u
    [ "$output" = 1000 ]
    run -0 on_terminal 3 "$WORK/user" podman exec -it c1 sh -c 'printf "a\nb\n"; tty; exit 3'
    [ "$output" = $'a\r\nb\r\n/dev/pts/0\r' ]
}

@test "podman rootless: terminal: newlines, size, exit status, a shell one types in" {
    run -0 on_terminal 5 "$WORK/user" podman run --rm -it "$IMAGE" \
        sh -c 'printf "a\nb\n"; tty; until [ "$(stty size 2>&1)" = "33 77" ]; do usleep 20000; done; exit 5'
    [ "$output" = $'a\r\nb\r\n/dev/pts/0\r' ]
    terminal_start "$WORK/user" podman run -it --rm "$IMAGE" sh
    terminal_shows "/ #"
    terminal_type 'echo $((6 * 7))'
    terminal_shows $'42\r'
    terminal_type 'exit 9'
    terminal_end 9
}

@test "podman rootless: logs, top, kill, stop, rm of what runs" {
    box_loop c1
    run -0 podman top c1
    [[ $output == *"usleep 20000"* ]]
    podman kill --signal WINCH c1
    field_is c1 .State.Running true
    podman kill --signal TERM c1
    run -0 podman wait c1
    [ "$output" = 42 ]
    podman start c1
    wait_until 10 podman exec c1 true
    podman stop --time 10 c1
    field_is c1 .State.ExitCode 42
    box_start c2 sleep 1000
    podman kill c2
    run -0 podman wait c2
    [ "$output" = 137 ]
    box_start c3 sleep 1000
    podman rm --force --time 0 c3
    run podman container exists c3
    [ "$status" -eq 1 ]
}

@test "podman rootless: pause, limits, out of memory" {
    require_user_cgroups
    box_loop c1 --memory=64m --pids-limit=50
    podman pause c1
    field_is c1 .State.Status paused
    podman unpause c1
    run -137 box --memory=16m --memory-swap=16m tail /dev/zero
}

@test "podman rootless: volumes, tmpfs, read-only, device" {
    user sh -c 'mkdir -p ~/share && echo outside >~/share/file'
    local share=$WORK/home/share
    run -0 box --volume="$share:/a" --volume="$share:/b:ro" \
        sh -c 'cat /b/file; echo inside >/a/file; ! touch /b/x 2>&1'
    [[ ${lines[0]} == outside && ${lines[1]} == *"Read-only file system" ]]
    run -0 user cat "$share/file"
    [ "$output" = inside ]
    box --volume=kept:/etc true
    run -0 box --volume=kept:/data cat /data/hostname
    podman volume rm kept
    run -0 box --read-only --tmpfs=/t:size=64k,noexec sh -c '! touch /x 2>&1; touch /t/x; grep " /t " /proc/mounts'
    [[ ${lines[0]} == *"Read-only file system" && ${lines[1]} == *noexec* ]]
    run -0 box --device=/dev/zero:/dev/renamed sh -c 'head -c 3 /dev/renamed | wc -c'
    [ "$output" = 3 ]
    run -0 box sh -c 'head -c 3 /dev/urandom | wc -c; : >/dev/null; tty -s </dev/ptmx'
    [ "${lines[0]}" = 3 ]
}

@test "podman rootless: pod of two containers, published port" {
    podman pod create --name p1 --network slirp4netns --publish 18080:80
    podman run --detach --pod p1 --name web "$IMAGE" \
        sh -c 'mkdir /www; echo served >/www/index.html; exec httpd -f -p 80 -h /www'
    podman run --detach --pod p1 --name peer "$IMAGE" sleep 1000
    wait_until 10 podman exec peer wget -qO /page http://127.0.0.1/
    wait_until 10 node busybox wget -qO "$WORK/page" http://127.0.0.1:18080/
    grep -qx served "$WORK/page"
    [ "$(podman exec web readlink /proc/self/ns/ipc)" = "$(podman exec peer readlink /proc/self/ns/ipc)" ]
    podman pod stop --time 0 p1
    podman pod rm --force p1
}

@test "podman rootless: host's namespaces" {
    local kind kinds=(net pid uts)
    # For the IPC namespace Podman wants the machine's message queues.
    [ ! -d /dev/mqueue ] || kinds+=(ipc)
    for kind in "${kinds[@]}"; do
        local option=$kind
        [ "$kind" != net ] || option=network
        run -0 box "--$option=host" readlink "/proc/self/ns/$kind"
        [ "$output" = "$(node readlink "/proc/self/ns/$kind")" ]
    done
}

@test "podman rootless: commit, a root file system of one's own" {
    podman run --name c1 "$IMAGE" sh -c 'echo made >/made'
    podman commit --quiet c1 committed
    run -0 podman run --rm localhost/committed cat /made
    [ "$output" = made ]
    podman rmi localhost/committed
    user "$TESTS_LIB/make-rootfs" "$WORK/home/root"
    run -0 podman run --rm --rootfs "$WORK/home/root" grep -c tester /etc/passwd
    [ "$output" = 1 ]
}

@test "podman rootless: build; buildah rootless: bud, run in both isolations, commit" {
    build_dir
    podman build --build-arg WORD=well --tag built "$WORK/build"
    run -0 podman run --rm localhost/built
    [ "$output" = "$BUILT" ]
    podman rmi localhost/built
    buildah bud --isolation oci --network none --runtime "$BULKHEAD" --build-arg WORD=well --tag built "$WORK/build"
    run -0 podman run --rm localhost/built
    [ "$output" = "$BUILT" ]
    podman rmi localhost/built
    buildah from --name work "$IMAGE"
    run -3 buildah run --isolation oci --network none --runtime "$BULKHEAD" work sh -c 'echo made >/made; exit 3'
    run -0 buildah run --isolation rootless --runtime "$BULKHEAD" --user tester work sh -c 'id -u; cat /made'
    [ "$output" = $'1000\nmade' ]
    buildah config --cmd 'cat /made' work
    buildah commit --quiet work worked
    run -0 podman run --rm localhost/worked
    [ "$output" = made ]
    buildah rm work
    podman rmi localhost/worked
}

@test "podman rootless: six at the same time" {
    boxes_at_once 6
}

@test "podman rootless: no process, mount, cgroup, link, rule or file is left" {
    # The directory of Podman's port forwarder stays until logout.
    node_leaks_check "$WORK/before" "$RUNTIME_STATE|^path /run/user/$TENANT/libpod/tmp/rp\$"
}
