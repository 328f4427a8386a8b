# SPDX-License-Identifier: Apache-2.0
#
# What every bats file wants: a workspace under a name of its own, waiting without sleeping for
# a guess, and skips that say why. Load with: load ../lib/common

TESTS_LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export TESTS_LIB

# No node's configuration has a say in what is tested.
export BULKHEAD_CONFIG=${BULKHEAD_CONFIG-}

# workspace_make: sets and exports TOKEN (8 characters, unique on the machine) and WORK
# (/var/tmp/TOKEN, on a disk: overlayfs and sockets work there, paths stay short). Whatever a
# test makes outside WORK (cgroups, containers, links, users) has TOKEN in its name.
# Where /var/tmp is itself an overlay, WORK is a tmpfs, as an overlay's upper layer must not lie
# on an overlay.
workspace_make() {
    TOKEN=bh$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
    WORK=/var/tmp/$TOKEN
    mkdir -m 0755 "$WORK" || return 1
    export TOKEN WORK
    if [ "$(stat -f -c %T /var/tmp)" = overlayfs ]; then
        mount -t tmpfs -o mode=0755 tmpfs "$WORK"
    fi
}

# workspace_remove: takes WORK away, with what may still be mounted below it.
workspace_remove() {
    local target
    [[ ${WORK:-} == /var/tmp/bh* ]] || return 0
    awk -v work="$WORK" '$5 == work || index($5, work "/") == 1 { print $5 }' /proc/self/mountinfo |
        sort -r | while read -r target; do
            umount -l "$(printf %b "$target")"
        done
    rm -rf --one-file-system "$WORK"
}

# wait_until SECONDS COMMAND...: runs COMMAND until it succeeds; fails, showing its last output, after
# SECONDS of a calm machine. PATIENCE says how many times longer to wait: 4, as machines are shared,
# more where everything is slow (in an emulated one), 1 where the time itself is promised.
wait_until() {
    local deadline=$((SECONDS + $1 * ${PATIENCE:-4})) output
    shift
    while ! output=$("$@" 2>&1); do
        if ((SECONDS >= deadline)); then
            echo "gave up waiting for: $*" >&2
            echo "$output" >&2
            return 1
        fi
        sleep 0.1
    done
}

# require_root, require_command NAME...: skip, with the reason, when it is not there.
require_root() {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
}

require_command() {
    local name
    for name; do
        command -v "$name" >/dev/null || skip "needs the command $name"
    done
}

# require_all_capabilities: skip where even root lacks some, as engines ask for every one of them
# for a privileged container.
require_all_capabilities() {
    local have all
    have=$((16#$(awk '/^CapBnd:/ { print $2 }' /proc/self/status)))
    all=$(((1 << ($(cat /proc/sys/kernel/cap_last_cap) + 1)) - 1))
    [ "$have" -eq "$all" ] || skip "$(printf 'root lacks capabilities %#x here' $((all & ~have)))"
}

# process_gone PID: true when PID is dead (a zombie that nobody reaps is dead).
process_gone() {
    local state
    state=$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || return 0 # it ended while it was looked at
    [[ -z $state || $state == [ZX] ]]
}

# stop_process PID [SECONDS]: SIGTERM, then SIGKILL after SECONDS (5).
stop_process() {
    [ -n "${1:-}" ] || return 0
    kill -TERM "$1" 2>/dev/null || return 0
    if ! wait_until "${2:-5}" process_gone "$1" 2>/dev/null; then
        kill -KILL "$1" 2>/dev/null || :
        wait_until 5 process_gone "$1"
    fi
}
