#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The link to an agent over vsock, on a kernel on which a machine reaches itself by it.

load lib

setup_file() {
    CASES=$(dirname "$BULKHEAD")/../../tests/integration/link-cases
    [ -x "$CASES" ] || fail "no $CASES beside $BULKHEAD"
    export CASES
}

# check_case NAME: runs one case; what it prints is the reason of a skip or a failure.
check_case() {
    run timeout 60 "$CASES" "$1"
    [ "$status" -ne 77 ] || skip "$output"
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "a stream over vsock carries both directions, and the supervisor's end ends the link" {
    check_case carries
}

@test "vsock without the supervisor's key is refused" {
    check_case refuses
}

@test "the supervisor is called once" {
    check_case once
}

@test "vsock from elsewhere than the other end is refused, by both" {
    check_case elsewhere
}
