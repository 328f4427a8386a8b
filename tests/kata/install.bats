#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# A node as `bulkhead node install` leaves it: a pod of each handler by crictl, and the node's own check.

# shellcheck disable=SC2030,SC2031,SC2154  # variables of bats
export PATIENCE=${PATIENCE:-6}
load ../integration/callers/lib
load ../integration/callers/cri
load ../integration/callers/install

setup_file() {
    caller_setup containerd ctr
    [ -x "$TOOLS/crictl" ] || skip "needs crictl, which ./dev setup builds where there is Go"
    mkdir -p "$WORK/bin" "$WORK/logs"
    install_programs
    write_configuration
    # What stands there about handlers goes, but for what tells that pods may be emulated.
    sed -i '/runtimes\.\(runc\|kata\)\]/,/runtime_type/d; /privileged_without_host_devices/d' "$WORK/containerd.toml"
    cp "$WORK/containerd.toml" "$WORK/original"
    "$TESTS_LIB/make-image" "$PAUSE" "$WORK/pause.tar" sleep 1000000
}

teardown_file() { caller_teardown; }

teardown() { cri_teardown; }

@test "install: pods of both handlers by crictl on a node that was set up, its check, and the way back" {
    local p
    run ! grep -q runtime_type "$WORK/containerd.toml"
    setup_node install --engine containerd --containerd "$WORK/containerd.toml"
    containerd_start
    ctr images import "$WORK/pause.tar"
    ctr images import "$WORK/image.tar"
    for HANDLER in runc kata; do
        p=$(pod "$HANDLER")
        [ "$(pod_state_of "$p")" = SANDBOX_READY ]
        [ "$(crictl inspectp "$p" | jq -r .info.runtimeHandler)" = "$HANDLER" ]
        container "$HANDLER" "$p" "$HANDLER" . sh -c 'cat /proc/sys/kernel/random/boot_id; sleep 1000'
        wait_until 10 log_has "$HANDLER" -
    done
    log_has runc "$(cat /proc/sys/kernel/random/boot_id)"
    run ! log_has kata "$(cat /proc/sys/kernel/random/boot_id)"
    cri_teardown
    run -0 node env PATH="$TOOLS:$PATH" /usr/local/bin/bulkhead node check
    [[ $output == *"a pod of handler runc ran (by crictl)"*"a pod of handler kata ran (by crictl)"* ]]
    [ -z "$(crictl pods -q)" ]
    containerd_kill
    setup_node uninstall --engine containerd --containerd "$WORK/containerd.toml"
    cmp "$WORK/original" "$WORK/containerd.toml"
}
