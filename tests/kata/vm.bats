#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The monitor's driver with a real guest: Debian's cloud kernel and an /init that does what it is asked. What
# each case looks at is in vm-cases.c.

load ../lib/common

setup_file() {
    require_root
    require_command qemu-system-x86_64
    workspace_make
    CASES=$(dirname "$BULKHEAD")/../../tests/kata
    export CASES GUEST=$WORK/guest
    mkdir "$GUEST"
    "$BATS_TEST_DIRNAME/test-guest" "$GUEST" "$CASES/test-init"
}

teardown_file() {
    workspace_remove
}

vm_case() { # NAME: and nothing is left of it
    local status=0
    timeout $((300 * ${PATIENCE:-1})) "$CASES/vm-cases" "$@" || status=$?
    wait_until 5 no_monitor
    return $status
}

no_monitor() {
    ! pgrep -u 870001 >&2
}

@test "the monitor is behind every wall, and the guest is well" { vm_case jail; }
@test "a monitor that is killed is told of at once" { vm_case killed; }
@test "a monitor dies with its creator" { vm_case parent; }
@test "a guest's panic is told of, with its last words" { vm_case panic; }
@test "a kernel that is none is told of" { vm_case no-kernel; }
@test "what the guest writes to its console cannot harm a terminal" { vm_case console; }
@test "a guest that floods its console costs neither memory nor time" { vm_case flood; }
@test "a paused guest does nothing" { vm_case pause; }
@test "disks come and go while the guest runs" { vm_case disk; }
@test "a disk that is read-only stays as it is, and what is none is refused" { vm_case disk-readonly; }
@test "network devices come in order, in the namespace that was given" { vm_case network; }
@test "figures of memory and processor are there" { vm_case figures; }
@test "a probe of KVM comes to a verdict within a second" { vm_case kvm-probe; }
