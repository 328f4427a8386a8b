#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The network of a pod in a micro-VM: a network namespace as CNI plugins make it, given by path, and
# another one as the world, with a bridge. `traffic` serves in the VM and asks from the world, or the
# other way round; every byte is checked.

load lib

setup_file() {
    require_root
    require_command ip tc jq
    runtime_setup
    TRAFFIC=$(dirname "$BULKHEAD")/../../tests/kata/traffic
    export TRAFFIC POD=$TOKEN-pod WORLD=$TOKEN-world
    cp "$TRAFFIC" "$ROOTFS/bin/traffic"
}

teardown_file() {
    runtime_teardown
}

setup() {
    ip netns add "$POD"
    ip netns add "$WORLD"
    in_pod ip link set lo up
    in_world ip link set lo up
    in_world ip link add br0 type bridge
}

teardown() {
    rt delete --force "$ID" 2>/dev/null || :
    stop_process "${SERVER:-}"
    ip netns del "$POD" 2>/dev/null || :
    ip netns del "$WORLD" 2>/dev/null || :
}

in_pod() { ip netns exec "$POD" "$@"; }
in_world() { ip netns exec "$WORLD" "$@"; }

# veth NAME NET [MTU]: interface NAME of the pod, 10.NET.0.2 and fd00:NET::2, on the world's bridge, which
# is .1 in each NET.
veth() {
    local name=$1 net=$2 mtu=${3:-1500}
    in_world ip link add "w$net" mtu "$mtu" type veth peer name "$name" mtu "$mtu" netns "$POD"
    in_world ip link set "w$net" master br0 up
    in_world ip link set br0 mtu "$mtu" up
    addresses "$name" "$net"
}

addresses() { # NAME NET
    in_world ip addr add "10.$2.0.1/24" dev br0
    in_world ip -6 addr add "fd00:$2::1/64" dev br0 nodad
    in_pod ip addr add "10.$2.0.2/24" dev "$1"
    in_pod ip -6 addr add "fd00:$2::2/64" dev "$1" nodad
    in_pod ip link set "$1" up
}

# vm NAME COMMAND…: a bundle in the pod's namespace, started in a VM.
vm() {
    local name=$1
    shift
    vm_bundle "$name"
    args "$@"
    config '.linux.namespaces = [.linux.namespaces[] | if .type == "network"
        then .path = "/run/netns/'"$POD"'" else . end]'
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
}

serve_here() { # in the world, for the guest
    # Not by in_world: the process must be this shell's own child, to be ended with the test.
    ip netns exec "$WORLD" "$TRAFFIC" serve 7777 >/dev/null 3>&- &
    SERVER=$!
    wait_until 5 in_world "$TRAFFIC" echo 127.0.0.1 7777 10 1
}

vm_serves() { wait_until 30 in_world "$TRAFFIC" echo "$1" 7777 10 1; }

# intact COUNT COMMAND…: COMMAND says that it got COUNT, intact.
intact() {
    local count=$1
    shift
    run "$@"
    echo "$output"
    [ "$status" -eq 0 ] && [[ $output == "$count intact"* ]]
}

settled() { ! in_pod ip -6 addr show tentative | grep -q inet6; }

# picture: all of the pod's namespace that must be as it was.
picture() {
    local link
    wait_until 10 settled
    in_pod sh -c 'ip -d link; ip addr; ip route show table all; ip -6 route show table all
        ip neigh show nud permanent; tc qdisc'
    for link in $(in_pod ip -o link | cut -d: -f2 | cut -d@ -f1); do
        in_pod tc filter show dev "$link" ingress
    done
}

# bats test_tags=essential
@test "TCP and UDP pass both ways, IPv4 and IPv6" {
    veth eth0 11
    serve_here
    vm passes traffic serve 7777
    vm_serves 10.11.0.2
    local net bytes
    for net in 10.11.0. fd00:11::; do
        for bytes in 100 1400 20000; do
            intact 50 in_world "$TRAFFIC" echo ${net}2 7777 $bytes 50
            intact 50 rt exec "$ID" traffic echo ${net}1 7777 $bytes 50
        done
        intact 10000000 in_world "$TRAFFIC" send ${net}2 7777 10000000
        intact 10000000 in_world "$TRAFFIC" fetch ${net}2 7777 10000000
        intact 10000000 rt exec "$ID" traffic send ${net}1 7777 10000000
        intact 10000000 rt exec "$ID" traffic fetch ${net}1 7777 10000000
    done
}

@test "1 GiB arrives intact, both ways" {
    veth eth0 11
    vm gibibyte traffic serve 7777
    vm_serves 10.11.0.2
    intact 1073741824 in_world "$TRAFFIC" send 10.11.0.2 7777 1073741824
    intact 1073741824 in_world "$TRAFFIC" fetch 10.11.0.2 7777 1073741824
}

@test "the guest has the MTU of the interface, 9000 or 1400" {
    local mtu
    for mtu in 9000 1400; do
        veth eth0 11 $mtu
        vm mtu$mtu traffic serve 7777
        vm_serves 10.11.0.2
        [ "$(rt exec "$ID" cat /sys/class/net/eth0/mtu)" = $mtu ]
        intact 20 in_world "$TRAFFIC" echo 10.11.0.2 7777 $((mtu - 28)) 20
        intact 20 in_world "$TRAFFIC" echo fd00:11::2 7777 $((mtu - 48)) 20
        intact 50000000 in_world "$TRAFFIC" send fd00:11::2 7777 50000000
        intact 50000000 in_world "$TRAFFIC" fetch 10.11.0.2 7777 50000000
        rt delete --force "$ID"
        in_pod ip link del eth0
        in_world ip addr flush dev br0
    done
}

@test "addresses, routes and neighbours are the namespace's" {
    veth eth0 11
    in_pod ip addr add 10.99.0.9 peer 10.99.0.8/32 dev eth0
    in_pod ip route add default via 10.11.0.1
    in_pod ip route add 10.77.0.0/16 via 10.11.0.7 src 10.11.0.2 metric 5
    in_pod ip route add 10.78.0.0/16 via 192.0.2.1 dev eth0 onlink
    in_pod ip route add unreachable 10.79.0.0/16
    in_pod ip -6 route add default via fd00:11::1
    in_pod ip neigh add 10.11.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent
    wait_until 10 settled
    vm tells sleep 1000
    # busybox's ip on both sides, so that the words are the same
    local ask command
    for command in "addr show dev eth0 scope global" "addr show dev eth0 scope link" route "-6 route" "link show dev eth0"; do
        ask="ip -o $command | sed -E 's/^[0-9]+: //; s/@[^:]+:/:/; s/LOWER_UP200/LOWER_UP/; s/qdisc [^ ]* (state [A-Z]+ )?(qlen [0-9]+)?//;
            s/(valid|preferred)_lft.*//; s/ (nodad|noprefixroute|flags 02)//g; s/NO-CARRIER,//; s/ +/ /g; s/ \$//' |
            grep -v 'dev bhtap' | sort"
        diff <(in_pod chroot "$ROOTFS" sh -c "$ask") <(rt exec "$ID" sh -c "$ask")
    done
    rt exec "$ID" ip neigh | grep "10.11.0.77 .*lladdr 02:00:00:00:00:77.*PERMANENT"
}

@test "a macvlan serves a VM" {
    in_world ip link add w0 type veth peer name w1
    in_world ip link set w0 master br0 up
    in_world ip link set w1 up
    in_world ip link set br0 up
    in_world ip link add mv0 link w1 type macvlan mode bridge 2>/dev/null || skip "needs macvlan interfaces"
    in_world ip link set mv0 netns "$POD"
    in_pod ip link set mv0 name eth0
    addresses eth0 11
    vm macvlan traffic serve 7777
    vm_serves 10.11.0.2
    intact 30000000 in_world "$TRAFFIC" send 10.11.0.2 7777 30000000
    intact 30000000 in_world "$TRAFFIC" fetch fd00:11::2 7777 30000000
}

# bats test_tags=kvm
@test "several interfaces have each its name, address and traffic" {
    veth eth0 11
    veth net1 12
    veth storage0 13
    vm several traffic serve 7777
    local net
    vm_serves 10.11.0.2
    for net in 11 12 13; do
        intact 20 in_world "$TRAFFIC" echo 10.$net.0.2 7777 1000 20
        intact 1000000 in_world "$TRAFFIC" fetch fd00:$net::2 7777 1000000
    done
    run rt exec "$ID" ls /sys/class/net
    echo "$output"
    [ "$(sort <<<"$output" | tr '\n' ' ')" = "eth0 lo net1 storage0 " ]
    [ "$(rt exec "$ID" cat /sys/class/net/net1/address)" = "$(in_pod cat /sys/class/net/net1/address)" ]
}

@test "interfaces are as they were found, whoever died" {
    local before supervisor
    veth eth0 11
    veth net1 12
    in_pod tc qdisc add dev net1 ingress
    before=$(picture)
    vm found sleep 1000
    in_pod tc filter show dev eth0 ingress | grep bhtap
    quietly rt delete --force "$ID"
    diff <(echo "$before") <(picture)
    vm killed sleep 1000
    supervisor=$(jq -r .pid "$STATE"/@pods/*/pod.json)
    kill -KILL "$supervisor"
    quietly rt delete --force "$ID"
    diff <(echo "$before") <(picture)
}

@test "a namespace that went away first is no obstacle" {
    veth eth0 11
    vm first sleep 1000
    ip netns del "$POD"
    quietly rt delete --force "$ID"
    ip netns add "$POD"
}

@test "without a namespace there is the loopback, and it works" {
    vm_bundle alone
    args sh -c 'ls /sys/class/net; traffic serve 7777 & sleep 1; traffic echo 127.0.0.1 7777 100 5'
    run rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *lo*"5 intact"* && $output != *eth* ]]
}

@test "the host's network is never the guest's, not even where it is no longer refused" {
    local name
    echo 'rules: {host-network: warn}' >"$WORK/lenient.yaml"
    RUNTIME_FLAGS="--config $WORK/lenient.yaml $RUNTIME_FLAGS"
    for name in none named; do
        vm_bundle "$name"
        config '.linux.namespaces |= map(select(.type != "network"))'
        [ $name = none ] || config '.linux.namespaces += [{type: "network", path: "/proc/self/ns/net"}]'
        args ls /sys/class/net
        run -0 rt run --bundle "$BUNDLE" "$ID"
        [[ $output == *"the host's network is not supported"* ]]
        [[ $output == *$'\nlo'* && $output != *eth* ]]
    done
}

@test "what a VM cannot have is refused by name, and nothing is left" {
    local before i
    in_pod ip tuntap add vpn0 mode tun
    in_pod ip link set vpn0 up
    before=$(picture)
    fails_with "interface 'vpn0' (tun) cannot be given to a micro-VM" vm refused sleep 1000
    diff <(echo "$before") <(picture)
    in_pod ip link del vpn0
    for i in 1 2 3 4 5 6 7 8 9; do
        veth "net$i" "2$i"
    done
    fails_with "9 interfaces; a micro-VM can have 8" vm many sleep 1000
    vm_bundle host
    config '.linux.namespaces |= map(select(.type != "network"))'
    fails_with "host" rt run --detach --bundle "$BUNDLE" "$ID"
}
