#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# A whole machine with systemd, KVM and Device Mapper, which the lab is: the packages of PACKAGES, the engine's
# own unit, one command to set the node up, one to take it back.

# shellcheck disable=SC2030,SC2031,SC2154  # variables of bats
load ../lib/common
bats_require_minimum_version 1.5.0

has_systemd() { [ "$(id -u)" -eq 0 ] && [ -d /run/systemd/system ]; }

setup_file() {
    has_systemd || return 0
    : "${PACKAGES:?set PACKAGES to the folder of the packages}"
    dpkg --install "$PACKAGES"/bulkhead{,-guest}_*_amd64.deb
    cp /etc/containerd/config.toml "$BATS_FILE_TMPDIR/original"
}

setup() {
    has_systemd || skip "needs root and systemd as process 1"
}

teardown_file() {
    if [ -e "$BATS_FILE_TMPDIR/original" ]; then
        bulkhead node uninstall --engine containerd --discard-pool || :
        dpkg --purge bulkhead-guest bulkhead
    fi
}

mapped() { dmsetup ls | awk '{ print $1 }' | sort | xargs; }

@test "systemd: a node is set up by one command: pool, handlers, restart, a pod of each kind" {
    run -0 bulkhead node install --engine containerd --pool-file 512m --restart
    [[ $output == *"made the thin pool bulkhead-pool"*"containerd: restart done"* ]]
    [[ $output == *"a pod of handler runc ran"*"a pod of handler kata ran"* ]]
    [ "$(systemctl is-active containerd)" = active ]
}

@test "systemd: the pool's unit is sound, enabled, and starts what was there" {
    systemd-analyze verify /lib/systemd/system/bulkhead-pool.service
    [ "$(systemctl is-enabled bulkhead-pool)" = enabled ]
    systemctl stop containerd
    systemctl start bulkhead-pool
    systemctl stop bulkhead-pool
    [ "$(mapped)" = "No" ] # "No devices found"
    systemctl start bulkhead-pool
    [ "$(mapped)" = "bulkhead-pool bulkhead-pool_data bulkhead-pool_meta" ]
    systemctl start containerd
}

@test "systemd: Prometheus is told by a unit without privileges" {
    dpkg --install "$PACKAGES"/bulkhead-metrics_*_amd64.deb
    systemd-analyze verify /lib/systemd/system/bulkhead-metrics.service
    systemctl start bulkhead-metrics
    answers() { curl -sf http://127.0.0.1:9758/metrics | grep -q '^bulkhead_build_info'; }
    wait_until 20 answers
    systemctl stop bulkhead-metrics
    [ "$(systemctl is-failed bulkhead-metrics)" = inactive ]
    dpkg --purge bulkhead-metrics
}

@test "systemd: one command takes it back, to the byte" {
    bulkhead node uninstall --engine containerd --restart
    cmp "$BATS_FILE_TMPDIR/original" /etc/containerd/config.toml
    [ "$(mapped)" = "No" ]
    [ -z "$(losetup --all)" ]
    run ! systemctl is-enabled bulkhead-pool
    [ "$(systemctl is-active containerd)" = active ]
    systemctl stop containerd
}
