#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A service manager's notification socket: what of the container's word reaches it, and whose pid goes with it.

load lib

setup_file() {
    require_root
    runtime_setup
    NOTIFIER=$(dirname "$BULKHEAD")/../../tests/integration/notifier
    [ -x "$NOTIFIER" ] || fail "no $NOTIFIER beside $BULKHEAD"
    cp "$NOTIFIER" "$ROOTFS/bin/notifier"
    export NOTIFIER
}

teardown_file() {
    runtime_teardown
}

# manager ADDRESS: somebody listens there; what is said is in $HEARD.
manager() {
    HEARD=$WORK/heard
    "$NOTIFIER" listen "$1" >"$HEARD" 3>&- &
    MANAGER=$!
    export NOTIFY_SOCKET=$1
    wait_until 5 grep -q listening "$HEARD"
}

teardown() {
    rt delete --force "$ID" 2>/dev/null || :
    stop_process "${MANAGER:-}"
    stop_process "${RUNTIME:-}"
    rm -f "$WORK/notify.sock"
}

# in_foreground: a run that stays, as RUNTIME.
in_foreground() {
    # shellcheck disable=SC2086  # RUNTIME_FLAGS is a list of words
    "$BULKHEAD" --root "$STATE" ${RUNTIME_FLAGS:-} run --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&- &
    RUNTIME=$!
}

# heard WORDS…: each is a message, and there are no others.
heard() {
    wait_until 5 grep -q READY=1 "$HEARD"
    diff <(printf '%s\n' listening "$@") "$HEARD"
}

@test "start returns once the container is ready, and tells whose pid that is" {
    bundle
    args sh -c 'sleep 1; notifier send READY=1 && touch /run/said; sleep 1000'
    config '.mounts += [{destination: "/run", type: "tmpfs", source: "tmpfs"}]'
    manager "$WORK/notify.sock"
    quietly rt create --bundle "$BUNDLE" --pid-file "$BUNDLE/pid" "$ID"
    [ ! -e "$STATE/$ID/notify/notify.sock" ]
    quietly rt start "$ID"
    heard "MAINPID=$(cat "$BUNDLE/pid") READY=1 " BARRIER=1
    wait_until 5 rt exec "$ID" ls /run/said
    # The container has a socket of its own, cannot replace it, and an exec is no part of the service.
    [ "$(rt exec "$ID" ls /run/notify)" = notify.sock ]
    fails_with "Read-only" rt exec "$ID" rm /run/notify/notify.sock
    [ -z "$(rt exec "$ID" printenv NOTIFY_SOCKET)" ]
    rt delete --force "$ID"
    [ ! -e "$STATE/$ID" ]
}

@test "run --detach waits in the same way, and no longer than for the container's end" {
    bundle
    manager "@$TOKEN-notify"
    args sh -c 'notifier send READY=1; sleep 1000'
    quietly rt run --detach --bundle "$BUNDLE" --pid-file "$BUNDLE/pid" "$ID"
    heard "MAINPID=$(cat "$BUNDLE/pid") READY=1 " BARRIER=1
    rt delete --force "$ID"
    bundle mute
    args sleep 1
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    [ "$(wc -l <"$HEARD")" -eq 3 ]
}

@test "run in the foreground is the service itself" {
    bundle
    manager "$WORK/notify.sock"
    args sh -c 'notifier send "$(printf "STATUS=up\nREADY=1\nMAINPID=1")"; sleep 1000'
    in_foreground
    heard "MAINPID=$RUNTIME READY=1 "
    has_status "$ID" running
}

@test "a container's last word counts" {
    bundle
    manager "$WORK/notify.sock"
    args notifier send READY=1
    quietly rt run --bundle "$BUNDLE" "$ID"
    wait_until 5 grep -q READY=1 "$HEARD"
}

@test "nothing but READY=1 is passed on, and no descriptor is kept" {
    bundle
    manager "$WORK/notify.sock"
    args sh -c 'for word in READY=0 NOTREADY=1 READY=12 MAINPID=1 FDSTORE=1 ""; do notifier send "$word" fd; done
        notifier send "$(head -c 8000 /dev/zero | tr "\0" x)"; touch /run/said; sleep 1000'
    config '.mounts += [{destination: "/run", type: "tmpfs", source: "tmpfs"}]'
    in_foreground
    wait_until 10 rt exec "$ID" ls /run/said
    [ "$(cat "$HEARD")" = listening ]
    # Standard streams, signals, events and the socket itself.
    ls -l "/proc/$RUNTIME/fd"
    ! readlink "/proc/$RUNTIME"/fd/* | grep -qx / || false
    rt exec --env NOTIFY_SOCKET=/run/notify/notify.sock "$ID" notifier send READY=1
    heard "MAINPID=$RUNTIME READY=1 "
}

@test "with a user namespace and another user" {
    bundle
    manager "$WORK/notify.sock"
    args sh -c 'notifier send READY=1; sleep 1000'
    config '.linux.namespaces += [{type: "user"}] | .process.user = {uid: 1000, gid: 1000}
        | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
    quietly rt run --detach --bundle "$BUNDLE" --pid-file "$BUNDLE/pid" "$ID"
    heard "MAINPID=$(cat "$BUNDLE/pid") READY=1 " BARRIER=1
}

@test "without a manager, or with an odd address, a container is as ever" {
    bundle
    args sh -c 'echo "[$NOTIFY_SOCKET]"; ls /run/notify/notify.sock 2>/dev/null || :'
    [ "$(NOTIFY_SOCKET='' rt run --bundle "$BUNDLE" "$ID")" = "[]" ]
    NOTIFY_SOCKET=somewhere run rt run --bundle "$BUNDLE" "$ID"
    [ "$status" -eq 0 ]
    [[ $output == *"is no address of a Unix socket, ignoring"*"[]"* ]]
    # Nobody there: said, and the container runs.
    args notifier send READY=1
    NOTIFY_SOCKET=$WORK/nobody run rt run --bundle "$BUNDLE" "$ID"
    [ "$status" -eq 0 ]
    [[ $output == *"$WORK/nobody"* ]]
}

@test "start passes nothing on for a container that was created without" {
    bundle
    quietly rt create --bundle "$BUNDLE" "$ID"
    manager "$WORK/notify.sock"
    rt start "$ID"
    has_status "$ID" running
}

@test "systemd starts a unit of Type=notify with it" {
    [ -d /run/systemd/system ] || skip "needs root and systemd as process 1"
    bundle
    args sh -c 'trap "exit 0" TERM; sleep 2; notifier send READY=1; while :; do sleep 0.2; done'
    UNIT=bh-$ID.service
    # shellcheck disable=SC2086  # RUNTIME_FLAGS is a list of words
    systemd-run --quiet --collect --unit "$UNIT" -p Type=notify -p NotifyAccess=all "$BULKHEAD" --root "$STATE" \
        ${RUNTIME_FLAGS:-} run --bundle "$BUNDLE" "$ID"
    # It returned because the container was ready; the main process is the one that stays with it.
    [ "$(systemctl is-active "$UNIT")" = active ]
    [[ $(tr '\0' ' ' <"/proc/$(systemctl show "$UNIT" --value -p MainPID)/cmdline") == *" run --bundle $BUNDLE $ID " ]]
    systemctl stop "$UNIT"
    wait_until 10 test ! -e "/run/systemd/transient/$UNIT"
}
