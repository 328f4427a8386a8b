#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Pods in micro-VMs where KVM, vsock and device mapper are: not on every development machine, so the
# lab runs these.

bats_require_minimum_version 1.5.0

load lib

setup_file() {
    require_root
    [ "$ACCELERATOR" = kvm ] || return 0
    runtime_setup
    pod_start
}

setup() {
    [ "$ACCELERATOR" = kvm ] || skip "needs KVM that works, and ACCELERATOR=kvm"
}

teardown_file() {
    [ "$ACCELERATOR" != kvm ] || runtime_teardown
}

teardown() {
    [ "$ACCELERATOR" = kvm ] || return 0
    [ "${ID:-$POD}" = "$POD" ] || rt delete --force "$ID" 2>/dev/null || :
    thin_remove
}

# second_pod: one more pod, ID, which sleeps as well.
second_pod() {
    vm_bundle
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
}

# vsock_address POD: what the monitor was told.
vsock_address() {
    tr '\0' '\n' <"/proc/$(vmm_of "$1")/cmdline" | sed -n 's/^vhost-vsock-device,.*guest-cid=\([0-9]*\).*/\1/p'
}

# thin_make: a thin device of a pool on loop devices, THIN, with $ROOTFS on it as ext4.
thin_make() {
    local meta data
    rm -f "$WORK/meta" "$WORK/data"
    truncate -s 4M "$WORK/meta"
    truncate -s 128M "$WORK/data"
    meta=$(losetup --find --show "$WORK/meta")
    data=$(losetup --find --show "$WORK/data")
    dmsetup create "$TOKEN-pool" --table "0 262144 thin-pool $meta $data 128 0"
    dmsetup message "$TOKEN-pool" 0 "create_thin 0"
    dmsetup create "$TOKEN-thin" --table "0 131072 thin /dev/mapper/$TOKEN-pool 0"
    THIN=/dev/mapper/$TOKEN-thin
    mke2fs -q -t ext4 -d "$ROOTFS" "$THIN"
}

# thin_remove: fails where somebody still has one open.
thin_remove() {
    local name status=0
    for name in thin pool; do
        ! dmsetup info "$TOKEN-$name" >/dev/null 2>&1 || dmsetup remove "$TOKEN-$name" || status=1
    done
    losetup -n -O NAME,BACK-FILE | awk -v work="$WORK/" 'index($2, work) == 1 { print $1 }' |
        xargs -r losetup -d || status=1
    return $status
}

# mounted_anywhere DEVICE: in the mount namespace of any process.
mounted_anywhere() {
    local numbers
    numbers=$(stat -L -c '%Hr:%Lr' "$1")
    awk -v numbers="$numbers" '$3 == numbers { found = 1; print FILENAME, $0 } END { exit !found }' \
        /proc/[0-9]*/mountinfo 2>/dev/null
}

# bats test_tags=essential
@test "the guest's instructions are the processor's, and the channel is vsock" {
    [ "$(rt pod stats --format json "$POD" | jq -r .accelerator)" = kvm ]
    readlink "/proc/$(vmm_of "$POD")/fd/"* | grep -q anon_inode:kvm-vm
    readlink "/proc/$(vmm_of "$POD")/fd/"* | grep -q /dev/vhost-vsock
    [ "$(vsock_address "$POD")" -gt 2 ]
    ! tr '\0' '\n' <"/proc/$(vmm_of "$POD")/cmdline" | grep -q virtserialport || false
}

# bats test_tags=essential
@test "check: the node is fit for the runtime" {
    run "$BULKHEAD" check
    echo "$output"
    [[ $output == *"kvm "*"kata  ok "* ]]
    [[ $output == *"kata: fit"* ]]
}

# bats test_tags=essential
@test "the pod's cgroup holds monitor, processors and daemon to the pod's size" {
    local dir=/sys/fs/cgroup/$POD pid thread
    for pid in $(pgrep -P "$(supervisor_of "$POD")"); do
        for thread in /proc/"$pid"/task/*; do
            grep -qx "0::/$POD" "$thread/cgroup"
        done
    done
    grep -qx "$(vmm_of "$POD")" "$dir/cgroup.procs"
    [ "$(xargs -I{} cat /proc/{}/comm <"$dir/cgroup.procs" | sort -u | wc -l)" -eq 2 ]
    [ "$(cat "$dir/memory.max")" -eq $(((256 + 100) << 20)) ]
    [ "$(cat "$dir/cpu.max")" = "110000 100000" ]
    rt update --cpu-quota 50000 --cpu-period 100000 "$POD"
    [ "$(cat "$dir/cpu.max")" = "60000 100000" ]
    rt update --cpu-quota 100000 --cpu-period 100000 "$POD"
    [ "$(cat "$dir/cpu.max")" = "110000 100000" ]
}

# bats test_tags=essential
@test "what the pod costs the host beyond its containers" {
    local stats host guest
    stats=$(rt pod stats --format json "$POD")
    rt pod stats "$POD"
    host=$(jq '[.host[].memoryBytes] | add' <<<"$stats")
    guest=$(jq .guestRamBytes <<<"$stats")
    echo "# $POD: $((host >> 10)) KiB of the host's programs, $((guest >> 10)) KiB of the guest's RAM" >&3
    # 100 is what is accounted; what it is at this time is 70, and should not grow unseen.
    [ $((host + guest)) -le $((80 << 20)) ]
}

# bats test_tags=essential
@test "a container that fills its limit stays within what the pod may cost" {
    local dir=/sys/fs/cgroup/$POD
    run -0 rt exec "$POD" sh -c 'head -c 246m /dev/zero | tail -c 246m | wc -c'
    [ "$output" = $((246 << 20)) ]
    echo "# at the most $(($(cat "$dir/memory.peak") >> 20)) MiB of $(($(cat "$dir/memory.max") >> 20))" >&3
    [ "$(cat "$dir/memory.peak")" -gt $((246 << 20)) ]
    grep -qx "oom_kill 0" "$dir/memory.events"
    rt exec "$POD" true
}

# bats test_tags=essential
@test "a thin device is the root: it goes into the VM, and mounts nowhere on the host" {
    thin_make
    bundle
    config '.root = {path: $thin, readonly: false}' --arg thin "$THIN"
    args sh -c 'grep " / " /proc/mounts; echo from-guest >/written; sync; sleep 1000'
    rt run --pod "$POD" --bundle "$BUNDLE" "$ID" >"$WORK/out" 2>&1 3>&- &
    wait_until 10 grep -q ' / ext4 rw' "$WORK/out"
    wait_until 10 rt exec "$ID" test -s /written || { cat "$WORK/out"; return 1; }
    ! mounted_anywhere "$THIN" || false
    fails_with "busy" dmsetup remove "$TOKEN-thin"
    rt delete --force "$ID"
    wait
    debugfs -R 'cat /written' "$THIN" 2>/dev/null | grep -q from-guest
    thin_remove
}

# bats test_tags=essential
@test "a second pod has an address of its own, more than one processor, and its death is its own" {
    local vmm addresses
    CORES=2 second_pod
    [ "$(rt exec "$ID" nproc)" -eq 2 ]
    [ "$(cat "/sys/fs/cgroup/$ID/cpu.max")" = "210000 100000" ]
    rt update --cpu-quota 150000 --cpu-period 100000 "$ID"
    [ "$(cat "/sys/fs/cgroup/$ID/cpu.max")" = "160000 100000" ]
    [ "$(rt exec "$ID" cat /sys/fs/cgroup/cpu.max)" = "150000 100000" ]
    addresses=$(vsock_address "$POD")$'\n'$(vsock_address "$ID")
    [ "$(sort -u <<<"$addresses" | wc -l)" -eq 2 ]
    [ "$(rt exec "$ID" cat /proc/sys/kernel/random/boot_id)" != "$(rt exec "$POD" cat /proc/sys/kernel/random/boot_id)" ]
    vmm=$(vmm_of "$ID")
    kill -KILL "$vmm"
    wait_until 5 has_status "$ID" stopped
    fails_with "stopped" rt exec "$ID" true
    rt exec "$POD" true
    rt delete "$ID"
    wait_until 5 pod_gone "$ID"
    [ ! -e "/sys/fs/cgroup/$ID" ]
}

# bats test_tags=essential
@test "a distribution's kernel, on two processors" {
    local guest
    guest=$(realpath "$(dirname "$BULKHEAD")/../..")/guest-debian
    CORES=2 RUNTIME_FLAGS="$RUNTIME_FLAGS --guest $guest" second_pod
    [ "$(rt exec "$ID" uname -r)" = "$(jq -r .kernel "$guest/guest.json")" ]
    [ "$(rt exec "$ID" nproc)" -eq 2 ]
    rt exec "$ID" sh -c 'for i in 1 2; do dd if=/dev/zero bs=1M count=20 | sha256sum & done 2>/dev/null; wait' >"$WORK/sums"
    [ "$(wc -l <"$WORK/sums") $(sort -u "$WORK/sums" | wc -l)" = "2 1" ]
    [ "$(rt pod stats --format json "$ID" | jq -r '[.accelerator, .vcpus] | join(" ")')" = "kvm 2" ]
}

# bats test_tags=essential
@test "a pod whose monitor dies lets go of its disk" {
    thin_make
    vm_bundle
    config '.root = {path: $thin, readonly: false}' --arg thin "$THIN"
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    kill -KILL "$(vmm_of "$ID")"
    wait_until 5 has_status "$ID" stopped
    rt delete "$ID"
    wait_until 5 pod_gone "$ID"
    thin_remove
}

# property NAME: of the systemd scope of ID.
property() {
    systemctl show --value --property "$1" "bulkhead-$ID.scope"
}

# bats test_tags=essential
@test "a scope of systemd holds the pod to its size" {
    local dir
    [ -d /run/systemd/system ] || skip "needs root and systemd as process 1"
    RUNTIME_FLAGS="$RUNTIME_FLAGS --systemd-cgroup"
    second_pod
    dir=/sys/fs/cgroup$(property ControlGroup)
    grep -qx "$(vmm_of "$ID")" "$dir/cgroup.procs"
    [ "$(xargs -I{} cat /proc/{}/comm <"$dir/cgroup.procs" | sort -u | wc -l)" -eq 2 ]
    [ "$(property MemoryMax)" -eq $(((256 + 100) << 20)) ]
    [ "$(property CPUQuotaPerSecUSec)" = 1.100000s ]
    [ "$(cat "$dir/cpu.max")" = "110000 100000" ]
    rt update --cpu-quota 50000 --cpu-period 100000 "$ID"
    [ "$(property CPUQuotaPerSecUSec)" = 600ms ]
    [ "$(rt pod stats --format json "$ID" | jq -r .accelerator)" = kvm ]
    rt delete --force "$ID"
    wait_until 5 pod_gone "$ID"
    [ ! -e "$dir" ]
}
