#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Docker gives each container a micro-VM, by the shim: from 28 on it moves the interfaces into the network
# namespace between Create and Start. As few as possible, for without KVM each is emulated.

# shellcheck disable=SC2016  # expanded by the container's shell
# shellcheck disable=SC2030,SC2031,SC2153,SC2154  # variables of bats, and of what is loaded
export PATIENCE=${PATIENCE:-6}
load ../integration/callers/lib
BULKHEAD_SHIM=${BULKHEAD_SHIM:-$(dirname "$BULKHEAD")/../shim/containerd-shim-bulkhead-v2}
TOOLS=${TOOLS:-${XDG_CACHE_HOME:-/var/cache}/bulkhead/tools}
DOCKERD=${DOCKERD:-$TOOLS/dockerd}
load ../integration/callers/docker

runtime_entry() {
    cp "$BULKHEAD_SHIM" "$WORK/bin/"
    ln -sf containerd-shim-bulkhead-v2 "$WORK/bin/containerd-shim-bulkhead-kata-v2"
    cat >"$WORK/kata.toml" <<END
guest = "$(realpath "${GUEST:-$(dirname "$BULKHEAD")/../../guest}")"
accelerator = "${ACCELERATOR:-emulation}"
END
    echo "{\"runtimeType\": \"io.containerd.bulkhead-kata.v2\", \"options\": {\"ConfigPath\": \"$WORK/kata.toml\"}}"
}

setup_file() {
    [ -x "$DOCKERD" ] || skip "needs a newer Docker, which ./dev setup builds where there is Go"
    docker_setup
    docker network create side
    box true
    # Beside the pods, on this kernel.
    box --runtime=runc --network=side true
    # Refused, but Docker keeps the node's own network namespace at hand from then on.
    box --network=host true || :
    node mkdir -p /run/bulkhead/@containerd/moby/@pods
    node_leaks_snapshot "$WORK/before"
}

teardown_file() { caller_teardown; }

teardown() { docker_remove_all; }

@test "docker: kata: a container from its start to its end, with a network that comes late" {
    docker volume create kept
    mkdir -p "$WORK/share"
    echo shared >"$WORK/share/file"
    box_start web --publish=18090:80 --volume=kept:/kept --volume="$WORK/share:/share" --env=A=1 --memory=300m --cpus=1 \
        sh -c 'trap "exit 42" TERM; mkdir /www; echo served >/www/index.html; httpd -p 80 -h /www
            echo out; echo problem >&2; while :; do usleep 50000; done'
    wait_until 10 box_logged web out
    # A kernel of its own; the interface that Docker made, and no other.
    run -0 docker exec web sh -c 'cat /proc/sys/kernel/random/boot_id; ls /sys/class/net; cat /share/file; echo $A >/kept/a'
    [ "${lines[0]}" != "$(cat /proc/sys/kernel/random/boot_id)" ]
    [ "${lines[*]:1}" = "eth0 lo shared" ]
    local address mac
    address=$(field web .NetworkSettings.IPAddress)
    mac=$(field web .NetworkSettings.MacAddress)
    [ "$(docker exec web cat /sys/class/net/eth0/address)" = "$mac" ]
    run -0 docker exec web ip -4 addr show eth0
    [[ $output == *"inet $address/16"* ]]
    # Reached by its address and by the published port; reaches out; its name is known to itself, as soon as what
    # Docker writes into /etc/hosts is seen in the guest.
    run -0 node busybox wget -qO- "http://$address/"
    [ "$output" = served ]
    run -0 node busybox wget -qO- http://127.0.0.1:18090/
    [ "$output" = served ]
    run -0 docker exec web sh -c 'ping -c 1 -W 20 $(ip route | sed -n "s/^default via \([0-9.]*\) .*/\1/p")'
    wait_until 5 docker exec web sh -c 'ping -c 1 $(hostname)'
    # exec, its status and input; logs; figures.
    run -7 docker exec web sh -c 'exit 7'
    run -0 docker exec -i web cat <<<typed
    [ "$output" = typed ]
    run -0 on_terminal 3 "$DOCKER" exec -it web sh -c 'tty; exit 3'
    [[ $output == */dev/pts/0* ]]
    run -0 --separate-stderr docker logs web
    [ "$output" = out ]
    [ "$stderr" = problem ]
    run -0 docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' web
    [[ $output =~ ^[0-9.]+MiB\ /\ 300MiB\ [1-9] ]]
    field_is web .State.Running true
    field_is web .HostConfig.Runtime bulkhead
    # Of this host's processes it is the VMM; the guest's numbers are others' here.
    run -0 docker top web -o pid,comm
    [[ ${#lines[@]} -eq 2 && ${lines[1]} =~ ^$(field web .State.Pid)\ +qemu-system ]]
    run -0 node "$BULKHEAD" --root /run/bulkhead/@containerd/moby ps "$(field web .Id)"
    [[ $output == *"httpd -p 80"* ]]
    docker stop --time 60 web
    field_is web .State.ExitCode 42
    # Started once more: the volume and the container's own files are still there.
    docker start web
    wait_until 10 docker exec web test -e /www/index.html
    [ "$(docker exec web cat /kept/a)" = 1 ]
    docker kill web
    field_is web .State.ExitCode 137
    docker rm --force web
    docker volume rm kept
}

@test "docker: kata: exit status, two networks, none; what cannot be had is refused" {
    box_start server --runtime=runc --network=side --network-alias=alias sleep 1000
    docker create --name two --network=side box sh -c 'ls /sys/class/net; ip -4 -o addr show | wc -l
        ping -c 1 -W 20 alias >&2 && nslookup server >&2 && echo named; exit 5'
    docker network connect bridge two
    run -5 --separate-stderr docker start --attach two
    echo "$stderr"
    [ "${output//$'\n'/ }" = "eth0 eth1 lo 3 named" ]
    run -0 box --network=none ls /sys/class/net
    [ "$output" = lo ]
    run box --network=host true
    [ "$status" -ne 0 ]
    [[ $output == *"host's network is not supported"* || $output == *"host network"* ]]
    run box --memory=100m true
    [ "$status" -ne 0 ]
    [[ $output == *"smallest pod"* ]]
}

# interfaces NAME PATTERN: of the container. Before 28 Docker gives no number twice.
interfaces() {
    # shellcheck disable=SC2053  # a pattern
    [[ "$(docker exec "$1" ls /sys/class/net | tr '\n' ' ')" == $2\  ]]
}

@test "docker: kata: networks that come and go while the container runs" {
    box_start server --runtime=runc --network=side sleep 1000
    box_start c1 sleep 1000
    interfaces c1 "eth0 lo"
    local turn before
    before=$(docker exec c1 ip route | sort)
    for turn in 1 2; do
        docker network connect side c1
        wait_until 10 interfaces c1 "eth0 eth[1-9] lo"
        wait_until 10 docker exec c1 ping -c 1 -W 20 server
        [ "$(docker exec c1 sh -c 'cat /sys/class/net/eth[1-9]/address')" = \
            "$(field c1 '(index .NetworkSettings.Networks "side").MacAddress')" ]
        node busybox ping -c 1 -W 20 "$(field c1 '(index .NetworkSettings.Networks "side").IPAddress')"
        docker network disconnect side c1
        wait_until 10 interfaces c1 "eth0 lo"
        [ "$(docker exec c1 ip route | sort)" = "$before" ]
    done
    # The one that it began with, and its default route, go over to another.
    docker network connect side c1
    docker network disconnect bridge c1
    wait_until 10 interfaces c1 "eth[1-9] lo"
    run -0 docker exec c1 ip route
    [[ $output == *"default via "*"dev eth"[1-9]* && $output != *eth0* ]]
    docker exec c1 ping -c 1 -W 20 server
    # Under another hardware address it is another one.
    node nsenter --target "$(field c1 .State.Pid)" --net sh -c \
        'ip link set "$(ip -o link | grep -om 1 "eth[1-9]")" address 02:42:00:00:00:55'
    has_new_address() { docker exec c1 sh -c 'cat /sys/class/net/eth[1-9]/address' | grep -q 02:42:00:00:00:55; }
    wait_until 10 has_new_address
    docker exec c1 ping -c 1 -W 20 server
}

@test "docker: kata: the daemon restarts, the VMM is killed" {
    box_start server --runtime=runc --network=side sleep 1000
    box_start c1 --network=side sleep 1000
    docker exec c1 ping -c 1 -W 20 server
    local pid
    pid=$(field c1 .State.Pid)
    dockerd_stop
    dockerd_start
    field_is c1 .State.Running true
    [ "$(docker exec c1 echo still)" = still ]
    # The resolver is another one.
    wait_until 5 docker exec c1 ping -c 1 -W 20 server
    node kill -KILL "$pid"
    wait_until 10 field_is c1 .State.Running false
    field_is c1 .State.ExitCode 137
}

# As Docker before 28, and nerdctl: the process whose namespace is meant is in the state that a hook gets.
@test "docker: kata: interfaces that a hook brings" {
    mkdir -p "$WORK/hooked"
    "$TESTS_LIB/make-rootfs" "$WORK/hooked/rootfs"
    cat >"$WORK/hook" <<'END'
#!/bin/sh
pid=$(jq .pid)
ip link add hooked type veth peer name late0 netns "$pid"
exec nsenter -t "$pid" -n sh -c 'ip addr add 10.77.0.2/24 dev late0; ip link set late0 up'
END
    chmod 0755 "$WORK/hook"
    node "$BULKHEAD" spec --bundle "$WORK/hooked"
    jq --arg hook "$WORK/hook" --arg root "$WORK/hooked/rootfs" --arg cgroup "/$TOKEN/hooked" '.process.terminal = false |
        .process.args = ["ip", "-4", "-o", "addr"] | .root.path = $root | .linux.cgroupsPath = $cgroup |
        .hooks.createRuntime = [{path: $hook, env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]' \
        "$WORK/hooked/config.json" >"$WORK/hooked/spec.json"
    run -0 node ctr --address /run/docker/containerd/containerd.sock --namespace moby run --rm \
        --runtime io.containerd.bulkhead-kata.v2 --runtime-config-path "$WORK/kata.toml" \
        --config "$WORK/hooked/spec.json" hooked
    echo "$output"
    [[ $output == *"late0"*"inet 10.77.0.2/24"* ]]
}

@test "docker: kata: no process, mount, cgroup, link, rule or file is left" {
    docker network rm side
    node_leaks_check "$WORK/before" "$RUNTIME_STATE|^path /run/(docker/(netns|libnetwork)/|containerd/fifo$)"
}
