# SPDX-License-Identifier: Apache-2.0
#
# The engines that drive the runtime under test, BULKHEAD (absolute path of a runc-compatible
# binary), each in a node of its own. Load with: load lib

# shellcheck source-path=SCRIPTDIR/../../lib
source "$(dirname "${BASH_SOURCE[0]}")/../../lib/common.bash"
# shellcheck source-path=SCRIPTDIR/../../lib
source "$(dirname "${BASH_SOURCE[0]}")/../../lib/leaks.bash"
# shellcheck source-path=SCRIPTDIR/../../lib
source "$(dirname "${BASH_SOURCE[0]}")/../../lib/node.bash"

bats_require_minimum_version 1.5.0

# The image of every test, and what it is called by the engines.
IMAGE=docker.io/library/box:latest

# What a runtime may leave: its empty state directory, and in it what it compiled for next time.
# shellcheck disable=SC2034  # for the tests
RUNTIME_STATE='^path /run/(user/[0-9]+/)?(runc|bulkhead)(/@seccomp(/[0-9a-f]+\.bpf)?)?$'

# caller_setup COMMAND...: for setup_file: workspace, node and the image's archive; skips when one
# of the engine's COMMANDs is missing.
caller_setup() {
    [[ ${BULKHEAD:-} == /* && -x $BULKHEAD ]] || {
        echo "BULKHEAD must be the absolute path of the runtime to test, not '${BULKHEAD:-}'" >&2
        return 1
    }
    require_root
    require_command "$@" busybox jq nsenter iptables script
    workspace_make
    node_start
    caller_hide_other_runtimes
    "$TESTS_LIB/make-image" -e GREETING=hello "$IMAGE" "$WORK/image.tar"
}

# caller_hide_other_runtimes: in the node, `runc` is the runtime under test, for callers that know
# no other name, and crun refuses to work: nothing passes because an engine fell back on another.
caller_hide_other_runtimes() {
    # shellcheck disable=SC2016  # expanded by the decoy
    printf '#!/bin/sh\necho "$0 was called in place of the runtime under test" >&2\nexit 125\n' \
        >"$WORK/decoy"
    chmod 0755 "$WORK/decoy"
    [ ! -e /usr/sbin/runc ] || node mount --bind "$BULKHEAD" /usr/sbin/runc
    [ ! -e /usr/bin/crun ] || node mount --bind "$WORK/decoy" /usr/bin/crun
}

# caller_teardown: for teardown_file, after what the engine needs.
caller_teardown() {
    [ -n "${WORK:-}" ] || return 0
    node_stop
    workspace_remove
}

# boxes_at_once N: so many of the caller's boxes; each has its own output and exit status.
boxes_at_once() {
    local i pids=()
    for ((i = 1; i <= $1; i++)); do
        box --name="p$i" sh -c "echo out$i; exit $i" >"$WORK/out.$i" &
        pids+=($!)
    done
    for ((i = 1; i <= $1; i++)); do
        local status=0
        wait "${pids[i - 1]}" || status=$?
        [ "$status" -eq "$i" ]
        [ "$(cat "$WORK/out.$i")" = "out$i" ]
    done
}

# host_cgroup CONTROLLER PATH: directory of cgroup PATH for CONTROLLER, v1 or v2.
host_cgroup() {
    if [ -d "/sys/fs/cgroup/$1" ]; then
        echo "/sys/fs/cgroup/$1/$2"
    else
        echo "/sys/fs/cgroup/$2"
    fi
}

# cgroup_limit PATH v1-CONTROLLER v1-FILE v2-FILE: what the kernel holds there.
cgroup_limit() {
    if [ -d "/sys/fs/cgroup/$2" ]; then
        cat "/sys/fs/cgroup/$2/$1/$3"
    else
        cat "/sys/fs/cgroup/$1/$4"
    fi
}

# terminal_start COMMAND...: runs COMMAND in the node, on a terminal of its own that changes no
# byte of the output; goes on at once. Output: $WORK/terminal.
terminal_start() {
    local command
    printf -v command '%q ' "$@"
    rm -f "$WORK/keys" && mkfifo "$WORK/keys"
    node script -qefc "stty -opost rows 33 cols 77; exec $command" /dev/null \
        <>"$WORK/keys" >"$WORK/terminal" 2>&1 &
    TERMINAL_PID=$!
}

# terminal_shows TEXT: waits until the terminal has shown TEXT.
terminal_shows() {
    wait_until 10 grep -qF -e "$1" "$WORK/terminal" || {
        cat -A "$WORK/terminal" >&2
        return 1
    }
}

# terminal_type TEXT: types TEXT and the return key.
terminal_type() {
    printf '%s\r' "$1" >"$WORK/keys"
}

# terminal_end STATUS: waits for the command, which must end with exit status STATUS.
terminal_end() {
    local status=0
    wait_until 20 process_gone "$TERMINAL_PID" || status=1
    [ "$status" -ne 0 ] || wait "$TERMINAL_PID" || status=$?
    [ "$status" -eq "$1" ] || {
        echo "exit status $status, expected $1; the terminal showed:" >&2
        cat -A "$WORK/terminal" >&2
        return 1
    }
}

# on_terminal STATUS COMMAND...: a whole COMMAND that reads nothing and must end with STATUS;
# shows what it showed, byte by byte.
on_terminal() {
    local status=$1
    shift
    terminal_start "$@"
    terminal_end "$status"
    cat "$WORK/terminal"
}
