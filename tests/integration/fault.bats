#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Whatever fails, and wherever: nothing is left behind.

load lib

setup_file() {
    require_root
    require_command strace
    runtime_setup
}

teardown_file() {
    runtime_teardown
}

@test "a create that fails at any system call leaves nothing" {
    bundle
    export BUNDLE ID
    "$BATS_TEST_DIRNAME/fail-each-step" create
}

@test "a run that fails at any system call leaves nothing" {
    bundle
    args true
    export BUNDLE ID
    "$BATS_TEST_DIRNAME/fail-each-step" run
}

@test "a runtime killed at any moment leaves what delete --force can remove" {
    local step
    for step in clone3 openat2 mkdirat sendmsg recvmsg socketpair write renameat; do
        bundle "kill-$step"
        strace -DD -f -qq -o "$BUNDLE/trace" -e trace="$step" -e "inject=$step:signal=KILL:when=${when:-1}" \
            "$BULKHEAD" --root "$STATE" create --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&- || :
        # The tracer is no child of this shell: its last line may come a moment later.
        wait_until 10 grep -q "killed by SIGKILL" "$BUNDLE/trace"
        rt delete --force "$ID"
        [ ! -e "$STATE/$ID" ]
        [ -z "$(leaks_list_cgroups "$ID")" ]
    done
}

@test "no process is left by a runtime killed before it had recorded it" {
    local verb
    for verb in create run; do
        bundle "unrecorded-$verb"
        args sleep 1000
        # The first state.json has no process yet, the second has.
        strace -DD -qq -o "$BUNDLE/trace" -e trace=renameat -e inject=renameat:signal=KILL:when=2 \
            "$BULKHEAD" --root "$STATE" "$verb" --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&- || :
        wait_until 10 grep -q "killed by SIGKILL" "$BUNDLE/trace"
        rt delete --force "$ID"
        [ ! -e "$STATE/$ID" ]
        [ -z "$(leaks_list_cgroups "$ID")" ]
    done
}
