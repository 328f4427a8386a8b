#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The cgroup module on the kernel's real control groups, whichever version is mounted here.

load lib

setup_file() {
    require_root
    CASES=$(dirname "$BULKHEAD")/../../tests/integration/cgroup-cases
    [ -x "$CASES" ] || fail "no $CASES beside $BULKHEAD"
    export CASES
}

# check_case NAME: runs one case; what it prints is the reason of a skip or a failure.
check_case() {
    run timeout 120 "$CASES" "$1"
    [ "$status" -ne 77 ] || skip "$output"
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "made, entered, limited, counted, frozen, removed by another process" {
    check_case life
}

@test "a group with processes is refused, and undoing that harms nobody" {
    check_case busy
}

@test "a state saved before the groups were made kills nobody" {
    check_case planned-only
}

@test "a frozen group is refused" {
    check_case frozen
}

@test "frozen processes in nested groups are removed" {
    check_case leftovers
}

@test "the OOM killer is noticed and counted" {
    check_case oom
}

@test "device rules are in force and can be replaced" {
    check_case devices
}

@test "exec enters a group below" {
    check_case exec-below
}

@test "exec goes beside init when the container passed its controllers on" {
    check_case exec-beside
}

@test "limits are raised and lowered in any order" {
    check_case raise-and-lower
}

@test "hugetlb limits, also where a hybrid left them on version 2" {
    check_case hugetlb
}

@test "an impossible limit names its field and leaves nothing" {
    check_case refused
}
