#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The thin pool that `bulkhead node install` makes, under a real containerd: where there is Device Mapper.

# shellcheck disable=SC2030,SC2031,SC2154  # variables of bats
load lib
load install

CONTAINERD=${TOOLS:-${XDG_CACHE_HOME:-/var/cache}/bulkhead/tools}/containerd-1.7
SOCKET=/run/containerd/containerd.sock

setup_file() {
    [ -e /dev/mapper/control ] || return 0
    caller_setup containerd ctr dmsetup losetup mkfs.ext4
    export DAEMON=containerd
    [ ! -x "$CONTAINERD" ] || DAEMON=$CONTAINERD
    install_programs
    # No udev makes the nodes here; `node` has a /dev of the machine.
    export DM_DISABLE_UDEV=1
}

setup() {
    [ -e /dev/mapper/control ] || skip "needs Device Mapper"
}

teardown_file() {
    if [ -n "${WORK:-}" ]; then
        setup_node uninstall --discard-pool &>/dev/null || :
    fi
    caller_teardown
}

ctr() { node ctr --address "$SOCKET" "$@"; }

containerd_start() {
    node_spawn containerd env DM_DISABLE_UDEV=1 "$DAEMON" --config "$WORK/containerd.toml" --root "$WORK/containerd"
    DAEMON_PID=$NODE_LAST
    wait_until 20 ctr version
}

no_pool() { ! dmsetup ls | grep -q ^bulkhead-pool; }

@test "pool: a device that bears something, that is none, or that is too small is refused" {
    local loop
    truncate -s 100M "$WORK/disk"
    loop=$(losetup --find --show "$WORK/disk")
    mkfs.ext4 -q "$loop"
    run ! setup_node install --engine containerd --device "$loop"
    [[ $output == *"'$loop' bears something already: "*"TYPE=ext4"*"wipefs(8)"* ]]
    wipefs -q -a "$loop"
    run ! setup_node install --engine containerd --device "$WORK/disk"
    [[ $output == *"is no block device"* ]]
    run ! setup_node install --engine containerd --device /dev/nosuch
    [[ $output == *"/dev/nosuch"* ]]
    run ! setup_node install --engine containerd --pool-file 1m
    [[ $output == *"1 MiB are too little"* ]]
    no_pool
    # One that bears nothing is taken, and given back as it was.
    printf 'version = 2\n' >"$WORK/containerd.toml"
    setup_node install --engine containerd --containerd "$WORK/containerd.toml" --device "$loop"
    dmsetup status bulkhead-pool | grep -q thin-pool
    setup_node uninstall --engine containerd --containerd "$WORK/containerd.toml"
    no_pool
    losetup --detach "$loop"
    [ "$(cat "$WORK/containerd.toml")" = "version = 2" ]
}

# bats test_tags=essential
@test "pool: in a file: containers on thin devices, again after a restart of the machine, and gone" {
    local token=pool-$TOKEN
    printf 'version = 2\n' >"$WORK/containerd.toml"
    run -0 setup_node install --engine containerd --containerd "$WORK/containerd.toml" --pool-file 512m
    [[ $output == *"thin pool: bulkhead-pool, 512 MiB, on /var/lib/bulkhead/pool.img"* ]]
    run -0 setup_node install --engine containerd --containerd "$WORK/containerd.toml" --pool-file 512m
    [ "$output" = "nothing to do" ]
    sed -i 's/10GB/64MB/' "$WORK/containerd.toml" # the lab is slow at making large file systems
    containerd_start
    ctr images import --snapshotter devmapper "$WORK/image.tar"
    run -0 ctr run --rm --snapshotter devmapper --runtime io.containerd.bulkhead.v2 "$IMAGE" "$token" \
        sh -c 'grep " / " /proc/mounts'
    [[ $output == /dev/mapper/bulkhead-pool-snap-*ext4* ]]
    # As after a boot: nothing is mapped, and the service of that name starts it.
    node_kill "$DAEMON_PID"
    dmsetup ls | sed -n 's/^\(bulkhead-pool-snap[^ \t]*\).*/\1/p' | xargs -rn 1 dmsetup remove
    node "/usr/local/libexec/bulkhead/bulkhead-installer" pool-stop
    no_pool
    node "/usr/local/libexec/bulkhead/bulkhead-installer" pool-start
    containerd_start
    run -0 ctr run --rm --snapshotter devmapper --runtime io.containerd.bulkhead.v2 "$IMAGE" "$token" echo again
    [ "$output" = again ]
    run ! setup_node uninstall --engine containerd --containerd "$WORK/containerd.toml"
    [[ $output == *"the thin pool holds "*" MiB of images and containers"* ]]
    ctr images rm --sync "$IMAGE"
    node_kill "$DAEMON_PID"
    dmsetup ls | sed -n 's/^\(bulkhead-pool-snap[^ \t]*\).*/\1/p' | xargs -rn 1 dmsetup remove
    setup_node uninstall --engine containerd --containerd "$WORK/containerd.toml" --discard-pool
    no_pool
    node test ! -e /var/lib/bulkhead/pool.img
    [ -z "$(losetup --noheadings --output BACK-FILE | grep pool.img)" ]
}
