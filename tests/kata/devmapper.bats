#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# A node as it is to be: systemd's cgroups, KVM, and one daemon that serves both handlers, each with a snapshotter of
# its own. The roots of handler kata are thin devices, which go into the VM and never mount on the host. All of that
# takes containerd 1.7, and the lab.

# shellcheck disable=SC2016  # expanded by the container's shell
# shellcheck disable=SC2030,SC2031,SC2154  # variables of bats
load ../integration/callers/lib
load ../integration/callers/cri
HANDLER=kata
CONTAINERD=$TOOLS/containerd-1.7
# There is no udev that would make the devices' names.
export DM_DISABLE_UDEV=1

# systemd makes scopes of processes in its own PID namespace alone. The lab is for this file only, so it is the node.
node_start() { mkdir -p "$WORK/log" "$WORK/tmp" && ip link set lo up; }
node_stop() { cgroups_remove "$TOKEN"; }
node() { timeout --kill-after=5 "${NODE_TIMEOUT:-$((60 * ${PATIENCE:-1}))}" "$@" 3>&-; }

cri_parts() { cp "$(dirname "$BULKHEAD")/../systemd/bulkhead-systemd" "$WORK/bin/"; }

setup_file() {
    [ "${ACCELERATOR:-}" = kvm ] || return 0
    require_command dmsetup losetup
    pool_make
    RUNC_MORE='[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = true'
    KATA_MORE='snapshotter = "devmapper"'
    PLUGINS_MORE="[plugins.\"io.containerd.snapshotter.v1.devmapper\"]
  root_path = \"$POOL_DIR/state\"
  pool_name = \"$POOL\"
  base_image_size = \"128MB\"
  discard_blocks = false"
    cri_setup
    ctr images import --snapshotter devmapper "$WORK/image.tar"
    ctr images import --snapshotter devmapper "$WORK/pause.tar"
}

setup() {
    [ "${ACCELERATOR:-}" = kvm ] || skip "needs KVM that works, and ACCELERATOR=kvm"
    export SLICE=$TOKEN.slice
}

# The pool, before the daemon starts.
pool_make() {
    POOL_DIR=$(mktemp -d /var/tmp/bulkhead-pool.XXXXXX)
    mount -t tmpfs -o size=400M pool "$POOL_DIR"
    truncate -s 1G "$POOL_DIR/data"
    truncate -s 16M "$POOL_DIR/meta"
    DATA=$(losetup --find --show "$POOL_DIR/data")
    META=$(losetup --find --show "$POOL_DIR/meta")
    export POOL=bulkhead-test POOL_DIR DATA META
    dmsetup create "$POOL" --table "0 2097152 thin-pool $META $DATA 128 32768 1 skip_block_zeroing"
}

teardown_file() {
    [ "${ACCELERATOR:-}" = kvm ] || return 0
    containerd_kill || :
    caller_teardown
    local device
    for device in $(dmsetup ls | sed -n "s/^\($POOL-snap[^[:space:]]*\).*/\1/p") "$POOL"; do
        dmsetup remove --retry "$device"
    done
    losetup --detach "$DATA" "$META"
    umount "$POOL_DIR"
    rmdir "$POOL_DIR"
}

teardown() {
    [ "${ACCELERATOR:-}" = kvm ] || return 0
    cri_teardown
}

# slice_pod NAME: a pod below a slice of systemd.
slice_pod() { pod "$1" ".linux.cgroup_parent = \"$SLICE\""; }

# group ID: the control group of the scope of pod or container ID.
group() { echo "/sys/fs/cgroup/$SLICE/cri-containerd-$1.scope"; }

@test "cri: kata: a root that is a thin device: a disk of the VM, no mount of the host; a scope of systemd" {
    local p c shim
    p=$(slice_pod thin)
    c=$(container thin "$p" c . sh -c "$FOREVER")
    run -0 crictl exec "$c" sh -c 'grep " / " /proc/mounts; echo kept >/x; sync; cat /x'
    [[ $output == "/dev/sd"*" / ext4 rw"*kept ]]
    run -0 dmsetup ls
    [[ $output == *"$POOL-snap-"* ]]
    # Neither where the daemon is nor where the pod is served.
    shim=$(pgrep -x bulkhead-shim)
    run ! grep -h "$POOL-snap" /proc/self/mountinfo "/proc/$shim/mountinfo"
    # Monitor and daemon are accounted where the engine wants it.
    grep -qx "$(crictl inspectp "$p" | jq -r .info.pid)" "$(group "$p")/cgroup.procs"
    [ "$(cat "$(group "$p")/memory.max")" = $(((256 + 100) << 20)) ]
    [ "$(systemctl is-active "cri-containerd-$p.scope")" = active ]
    # Its ports, by vsock.
    local forward
    crictl exec "$c" sh -c 'mkdir -p /www; echo page >/www/index.html; httpd -p 127.0.0.1:8080 -h /www'
    node_spawn forward "$TOOLS/crictl" --config "$WORK/crictl.yaml" port-forward "$p" 28080:8080
    forward=$NODE_LAST
    page() { [ "$(busybox wget -qO- http://127.0.0.1:28080/)" = page ]; }
    wait_until 10 page
    node_kill "$forward"
    crictl stopp "$p"
    crictl rmp "$p"
    no_shims
    [ ! -e "$(group "$p")" ]
    # Nobody has its disk any more, whether or not the daemon has removed that by now.
    disks_unused() {
        local disks
        disks=$(dmsetup info --columns --noheadings --separator ' ' -o open,name)
        [[ $disks == *"0 $POOL"* && $disks != *[1-9]" $POOL-snap-"* ]]
    }
    wait_until 10 disks_unused
}

@test "cri: the other handler of the same daemon has its overlay, and scopes of systemd" {
    local p c
    HANDLER=runc
    p=$(slice_pod overlay)
    c=$(container overlay "$p" c ".linux.resources.memory_limit_in_bytes = 67108864" sh -c "$FOREVER")
    run -0 crictl exec "$c" grep " / " /proc/mounts
    [[ $output == "overlay / overlay"* ]]
    grep -q . "$(group "$p")/cgroup.procs"
    [ "$(cat "$(group "$c")/memory.max")" = 67108864 ]
    [ "$(systemctl is-active "cri-containerd-$c.scope")" = active ]
    crictl update --memory 50331648 "$c"
    [ "$(systemctl show --value --property MemoryMax "cri-containerd-$c.scope")" = 50331648 ]
}
