#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Containers in systemd's scopes: what systemd is told, what the kernel has, and what stays in force.

load lib

has_systemd() {
    [ "$(id -u)" -eq 0 ] && [ -d /run/systemd/system ]
}

setup_file() {
    export RUNTIME_FLAGS=--systemd-cgroup
    if has_systemd; then
        runtime_setup
    fi
}

teardown_file() {
    if has_systemd; then
        runtime_teardown
    fi
}

setup() {
    has_systemd || skip "needs root and systemd as process 1"
}

teardown() {
    has_systemd || return 0
    rt delete --force "$ID" 2>/dev/null || :
    if id "$TOKEN" >/dev/null 2>&1; then
        systemctl stop "user@$(id -u "$TOKEN").service"
        userdel "$TOKEN"
    fi
}

# scope FILTER: runs the bundle in the background with its unit's name in UNIT, its group in GROUP.
scope() {
    UNIT=bh-$ID.scope
    # shellcheck disable=SC2016  # a filter of jq
    config '.linux.cgroupsPath = "system.slice:bh:\($id)"'
    config "$1"
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    GROUP=/sys/fs/cgroup$(systemctl show "$UNIT" --value -p ControlGroup)
}

# unit_has PROPERTY=VALUE…: as systemd sees the unit.
unit_has() {
    local want have
    for want; do
        have=$(systemctl show "$UNIT" -p "${want%%=*}")
        [ "$have" = "$want" ] || { echo "$have, not $want"; return 1; }
    done
}

# group_has FILE VALUE
group_has() {
    local have
    have=$(cat "$GROUP/$1")
    [ "$have" = "$2" ] || { echo "$1 is $have, not $2"; return 1; }
}

@test "a scope has the container's process, slice, limits and annotations" {
    bundle
    scope '.linux.resources.memory = {limit: 67108864, swap: 134217728}
        | .linux.resources.cpu = {shares: 512, quota: 33333, period: 100000, cpus: "0"}
        | .linux.resources.pids.limit = 50
        | .annotations = {"org.systemd.property.TimeoutStopSec": "uint32 7",
            "org.systemd.property.After": "[\"a.service\", \"b.service\"]"}'
    unit_has Slice=system.slice Delegate=yes MemoryMax=67108864 MemorySwapMax=67108864 CPUWeight=59 \
        CPUQuotaPerSecUSec=340ms TasksMax=50 AllowedCPUs=0 TimeoutStopUSec=7s DevicePolicy=strict
    systemctl show "$UNIT" -p After | grep -w a.service | grep -qw b.service
    group_has cpu.max "34000 100000"
    group_has memory.max 67108864
    group_has pids.max 50
    grep -qx "$(rt state "$ID" | jq .pid)" "$GROUP/cgroup.procs"
}

@test "unified keys reach systemd and the files that it does not know" {
    bundle
    scope '.linux.resources.unified = {"memory.high": "50003968", "cpu.weight": "42",
        "hugetlb.2MB.max": "4194304"}'
    unit_has MemoryHigh=50003968 CPUWeight=42
    group_has cpu.weight 42
    group_has hugetlb.2MB.max 4194304
}

@test "an update is systemd's too: a reload does not take it back" {
    bundle
    scope '.linux.resources.memory.limit = 67108864 | .linux.resources.cpu = {quota: 40000, period: 100000}'
    rt update --memory 33554432 --cpu-period 50000 --pids-limit 20 "$ID"
    unit_has MemoryMax=33554432 TasksMax=20 CPUQuotaPerSecUSec=800ms CPUQuotaPeriodUSec=50ms
    systemctl daemon-reload
    group_has memory.max 33554432
    group_has cpu.max "40000 50000"
}

@test "the device filter is ours beside systemd's, also after a reload" {
    bundle
    scope '.linux.devices = [{path: "/dev/kmsg", type: "c", major: 1, minor: 11}]'
    systemctl daemon-reload
    rt exec "$ID" sh -c ': </dev/null'
    fails_with "not permitted" rt exec "$ID" cat /dev/kmsg
}

@test "exec is born in the scope" {
    bundle
    scope .
    quietly rt exec --detach --pid-file "$WORK/exec.pid" "$ID" sleep 1000
    grep -qx "$(cat "$WORK/exec.pid")" "$GROUP/cgroup.procs"
}

@test "delete stops the scope, and may be repeated" {
    bundle
    scope .
    rt delete --force "$ID"
    [ "$(systemctl show "$UNIT" --value -p LoadState)" = not-found ]
    [ ! -e "$GROUP" ]
}

@test "a scope of that name that is somebody else's stays" {
    bundle
    systemd-run --scope --unit "bh-$ID.scope" sleep 1000 &
    wait_until 10 systemctl is-active "bh-$ID.scope"
    # shellcheck disable=SC2016  # a filter of jq
    config '.linux.cgroupsPath = "system.slice:bh:\($id)"'
    fails_with "bh-$ID.scope" rt run --bundle "$BUNDLE" "$ID"
    systemctl is-active "bh-$ID.scope"
    systemctl stop "bh-$ID.scope"
}

@test "bad annotations and paths are refused by name" {
    bundle
    config '.linux.cgroupsPath = "/not/a/scope"'
    fails_with "slice:prefix:name" rt run --bundle "$BUNDLE" "$ID"
    # shellcheck disable=SC2016  # a filter of jq
    config '.linux.cgroupsPath = "system.slice:bh:\($id)" | .annotations = {"org.systemd.property.X1": "1"}'
    fails_with "org.systemd.property.X1" rt run --bundle "$BUNDLE" "$ID"
    config '.annotations = {"org.systemd.property.TimeoutStopUSec": "uint64 x"}'
    fails_with "TimeoutStopUSec" rt run --bundle "$BUNDLE" "$ID"
}

# as_user COMMAND…: as an ordinary user whose manager runs, from a session that is not the manager's.
as_user() {
    setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups \
        env -C "$BUNDLE" "XDG_RUNTIME_DIR=/run/user/$USER_ID" "$@"
}

@test "an ordinary user's scope is below the user's manager, and exec gets there" {
    USER_ID=4711
    require_command useradd userdel setpriv
    useradd --uid "$USER_ID" "$TOKEN"
    systemctl start "user@$USER_ID.service"
    bundle
    chmod 755 "$WORK"
    chown "$USER_ID" "$BUNDLE"
    rm "$BUNDLE/config.json"
    as_user "$BULKHEAD" spec --rootless
    # shellcheck disable=SC2016  # a filter of jq
    config '.process.terminal = false | .process.args = ["sleep", "1000"] | .root.path = $rootfs
        | .linux.cgroupsPath = "user.slice:bh:\($id)" | .linux.resources = {pids: {limit: 20}}'
    quietly as_user "$BULKHEAD" --systemd-cgroup run --detach "$ID"
    GROUP=/sys/fs/cgroup/user.slice/user-$USER_ID.slice/user@$USER_ID.service/user.slice/bh-$ID.scope
    group_has pids.max 20
    quietly as_user "$BULKHEAD" exec --detach --pid-file "$BUNDLE/exec.pid" "$ID" sleep 1000
    grep -qx "$(cat "$BUNDLE/exec.pid")" "$GROUP/cgroup.procs"
    as_user "$BULKHEAD" update --pids-limit 10 "$ID"
    group_has pids.max 10
    as_user "$BULKHEAD" delete --force "$ID"
    [ ! -e "$GROUP" ]
    systemctl stop "user@$USER_ID.service"
    userdel "$TOKEN"
}
