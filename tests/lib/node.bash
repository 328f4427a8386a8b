# SPDX-License-Identifier: Apache-2.0
#
# A node of one's own: processes, mounts, network, IPC and host name in fresh namespaces on the
# machine's own kernel and files, with an init that reaps orphans, an empty /run and /dev/shm, and
# an /etc and /var/lib where writes stay inside. A daemon started in it meets no other daemon of
# the machine, and when the node stops everything in it is gone, whatever the test did.
# Cgroups alone are the machine's: name them by TOKEN. Needs root, common.bash and leaks.bash.

# node_start: starts the node. Its init is NODE_PID on the machine. The node dies with the process
# that called node_start, whatever kills that.
node_start() {
    local dir=$WORK/node
    mkdir -p "$dir" "$WORK/tmp" "$WORK/log" && mkfifo "$dir/wake" || return 1
    setpriv --pdeathsig KILL \
        unshare --mount --propagation private --uts --ipc --net --pid --fork --kill-child \
        bash "$TESTS_LIB/node-init" "$dir" "$TOKEN" <"/dev/null" >"$WORK/log/node" 2>&1 3>&- &
    echo $! >"$dir/unshare"
    wait_until 10 test -e "$dir/ready" || { cat "$WORK/log/node" >&2; return 1; }
    NODE_PID=$(cat "/proc/$(cat "$dir/unshare")/task/$(cat "$dir/unshare")/children")
    NODE_PID=${NODE_PID// /}
    export NODE_PID
    export TMPDIR=$WORK/tmp
}

# node COMMAND...: runs COMMAND in the node (working directory /). What has not ended after
# NODE_TIMEOUT seconds (60 times PATIENCE, 2) is killed, with exit status 124: a hang is a failure,
# not a standstill.
node() {
    nsenter --target "$NODE_PID" --mount --uts --ipc --net --pid -- \
        timeout --kill-after=5 "${NODE_TIMEOUT:-$((60 * ${PATIENCE:-2}))}" "$@" 3>&-
}

# node_spawn NAME COMMAND...: starts a daemon in the node, in a session of its own, with output
# to $WORK/log/NAME. NODE_LAST is its pid in the node.
node_spawn() {
    local log=$WORK/log/$1
    shift
    # shellcheck disable=SC2016  # expanded by the inner shell
    # shellcheck disable=SC2034  # for the caller
    NODE_LAST=$(node sh -c 'log=$1; shift; setsid "$@" </dev/null >>"$log" 2>&1 & echo $!' \
        sh "$log" "$@")
}

# node_kill PID [SIGNAL]: signals (TERM) a process of the node and waits for its end, which
# SIGKILL brings after 20 seconds.
node_kill() {
    [ -n "${1:-}" ] || return 0
    node kill "-${2:-TERM}" "$1" || return 0
    if ! wait_until 20 node_process_gone "$1"; then
        node kill -KILL "$1"
        return 1
    fi
}

node_process_gone() {
    ! node grep -q '^State:.[^ZX]' "/proc/$1/status" 2>/dev/null
}

# node_stop: kills everything in the node, then removes the cgroups named by TOKEN.
node_stop() {
    local unshare
    unshare=$(cat "$WORK/node/unshare" 2>/dev/null) || return 0
    kill -KILL "${NODE_PID:-$unshare}" "$unshare" 2>/dev/null || :
    wait_until 20 process_gone "${NODE_PID:-$unshare}" || :
    wait "$unshare" 2>/dev/null || :
    cgroups_remove "$TOKEN"
}

# node_leaks_snapshot FILE, node_leaks_check FILE [IGNORE]: as leaks_snapshot and leaks_check, for
# everything in the node and what bears TOKEN on the machine, but for lines that match the extended
# regular expression IGNORE.
node_leaks_snapshot() {
    node_leaks_list '^$' >"$1"
}

node_leaks_check() {
    leaks_compare "$1" node_leaks_list "${2:-^$}"
}

node_leaks_list() {
    {
        # shellcheck disable=SC2016  # expanded by the inner shell
        node bash -c '. "$1/leaks.bash"; leaks_list_all' bash "$TESTS_LIB"
        leaks_list_cgroups "$TOKEN"
    } | grep -Ev "$1"
}
