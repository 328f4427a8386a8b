#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Mounts that depend on the host's layout: control groups, whatever it has, and a root for all namespaces.
# The rest of the file system is tested without containers: tests/unit/test_rootfs*.c.

load lib

setup_file() {
    require_root
    runtime_setup
    # Looks for process 1 in every hierarchy of its own, where the mount says that it is. With "ro" or "rw":
    # whether a group can be made there.
    cat >"$WORK/look" <<'END'
set -eu
mode=$1 seen=0
cd /sys/fs/cgroup
while IFS=: read -r number controllers path; do
    case $number in
    0) if [ -e cgroup.controllers ]; then dir=.; else dir=unified; fi ;;
    *) dir=${controllers#name=} ;;
    esac
    [ -d "$dir" ] || continue
    # Version 2 without a namespace of its own shows the whole tree.
    if [ "$number" = 0 ] && [ "$path" != / ] && [ -d "$dir$path" ]; then dir=$dir$path; fi
    grep -qx 1 "$dir/cgroup.procs" || { echo "process 1 is not in $dir"; exit 1; }
    seen=$((seen + 1))
    if mkdir "$dir/made" 2>/dev/null; then
        rmdir "$dir/made"
        [ "$mode" = rw ] || { echo "$dir can be written"; exit 1; }
    elif [ "$mode" = rw ]; then
        echo "$dir cannot be written"
        exit 1
    fi
    # Controllers that share a hierarchy are found by each name.
    for one in $(echo "$controllers" | tr , ' '); do
        [ "$number" = 0 ] || [ -e "${one#name=}/cgroup.procs" ] || { echo "no $one"; exit 1; }
    done
done </proc/self/cgroup
mounts=$(grep -c ' /sys/fs/cgroup' /proc/self/mountinfo)
writable=$(grep ' /sys/fs/cgroup' /proc/self/mountinfo | grep -cv ' ro,' || :)
[ "$mode" = rw ] || [ "$writable" = 0 ] || { echo "$writable of $mounts are writable"; exit 1; }
[ "$seen" -gt 0 ] || { echo "no hierarchy"; exit 1; }
echo "in $seen hierarchies"
END
}

teardown_file() {
    runtime_teardown
}

teardown() {
    rt delete --force "$ID" 2>/dev/null || :
}

# cgroup_bundle ro|rw: a bundle that runs the look.
cgroup_bundle() {
    bundle
    args sh /look "$1"
    # shellcheck disable=SC2016
    config '.mounts |= map(select(.destination != "/sys/fs/cgroup"))
        | .mounts += [
            {destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup",
             options: ["nosuid", "noexec", "nodev", "relatime", $ARGS.positional[0]]},
            {destination: "/look", source: "\($work)/look", options: ["bind", "ro"]}]' --args "$1"
    own_mountpoints
}

# The shared root is read-only: places for the mounts must be there before.
own_mountpoints() {
    own_rootfs
    : >"$BUNDLE/rootfs/look"
}

namespaces() { # FILTER over the list of namespaces
    config ".linux.namespaces |= ($1)"
}

runs_and_looks() {
    run rt "$@" --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"in "*" hierarchies"* ]]
}

@test "control groups without a namespace of their own, read-only" {
    cgroup_bundle ro
    namespaces 'map(select(.type != "cgroup"))'
    runs_and_looks run
}

@test "control groups in a namespace of their own, read-only" {
    cgroup_bundle ro
    namespaces 'map(select(.type != "cgroup")) + [{type: "cgroup"}]'
    runs_and_looks run
}

@test "control groups that may be written" {
    cgroup_bundle rw
    namespaces 'map(select(.type != "cgroup")) + [{type: "cgroup"}]'
    runs_and_looks run
}

@test "control groups below a user namespace" {
    cgroup_bundle ro
    namespaces 'map(select(.type != "cgroup")) + [{type: "cgroup"}, {type: "user"}]'
    config '.linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
        | .linux.gidMappings = .linux.uidMappings'
    chown -R 100000:100000 "$BUNDLE/rootfs"
    runs_and_looks run
}

@test "control groups of the host when the container has none, read-only" {
    cgroup_bundle ro
    args sh -c 'ls /sys/fs/cgroup && ! mkdir /sys/fs/cgroup/made && ! mkdir /sys/fs/cgroup/*/made'
    run rt --cgroup-manager disabled run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"Read-only file system"* ]]
}

@test "a new network namespace has its own /sys, in a user namespace too" {
    bundle
    own_rootfs
    namespaces 'map(select(.type != "cgroup")) + [{type: "user"}]'
    config '.linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
        | .linux.gidMappings = .linux.uidMappings'
    chown -R 100000:100000 "$BUNDLE/rootfs"
    args ls /sys/class/net
    run rt run --bundle "$BUNDLE" "$ID"
    [ "$status" -eq 0 ]
    [ "$output" = lo ]
    # Without one, the host's is shown: a new sysfs is not permitted then.
    namespaces 'map(select(.type != "network"))'
    run rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$output" = "$(ls /sys/class/net)" ]
}

@test "a plan needs no terminal, only whoever takes it" {
    bundle
    config '.process.terminal = true'
    rt run --dry-run --bundle "$BUNDLE" "$ID" </dev/null
    fails_with "cannot allocate tty" rt run --dry-run --detach --bundle "$BUNDLE" "$ID"
}

@test "the plan is printed in the order of its steps" {
    bundle
    run rt run --dry-run --bundle "$BUNDLE" "$ID"
    [ "$status" -eq 0 ]
    local order
    order=$(printf '%s\n' "$output" | grep -nE '^(root |mount /proc |device /dev/null |enter |mask |read-only /$)' |
        cut -d: -f2 | cut -d' ' -f1 | uniq | tr '\n' ' ')
    echo "$order"
    [ "$order" = "root mount device enter mask read-only " ]
}
