#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many pods, many containers, many execs: nothing fails, nothing grows, nothing is left. SOAK says how many of
# each (20; 200 for a thorough run), CROWD how many pods at once (8; there must be memory for them).

load lib

setup_file() {
    require_root
    runtime_setup
    export SOAK=${SOAK:-20} CROWD=${CROWD:-8}
}

teardown_file() {
    runtime_teardown
}

# descriptors PID, resident PID (KiB without what is shared with the guest: its RAM is not its own).
descriptors() { find "/proc/$1/fd" -mindepth 1 | wc -l; }
resident() { awk '/^RssAnon:/ { print $2 }' "/proc/$1/status"; }

# holds POD: what its processes hold, a number each.
holds() {
    local supervisor vmm share
    supervisor=$(supervisor_of "$1")
    vmm=$(vmm_of "$1")
    # The daemon is two processes: the second one serves.
    share=$(pgrep -P "$(pgrep -P "$supervisor" virtiofsd)")
    echo "supervisor.fd $(descriptors "$supervisor")"
    echo "vmm.fd $(descriptors "$vmm")"
    echo "share.fd $(descriptors "$share")"
    echo "supervisor.rss $(resident "$supervisor")"
    echo "share.rss $(resident "$share")"
    echo "agent.rss $(rt pod stats --format json "$1" |
        jq '[.guest[] | select(.name == "agent") | .memoryBytes][0] / 1024 | floor')"
    echo "guest.kernel $(rt pod stats --format json "$1" |
        jq '[.guest[] | select(.name == "guest kernel") | .memoryBytes][0] / 1024 | floor')"
}

# steady BEFORE AFTER: no descriptor more (but one that is on its way), and no memory that grows with the
# number of turns: at most 2 MiB more, which is less than a page for each.
steady() {
    paste -d ' ' <(echo "$1") <(echo "$2") | awk '{
        limit = $1 ~ /fd$/ ? 2 : 2048
        print "# " $1 ": " $2 " -> " $4
        if ($4 > $2 + limit) bad = 1
    } END { exit bad }' >&3
}

@test "pods one after another" {
    local i
    for ((i = 1; i <= SOAK; i++)); do
        vm_bundle "serial-$i"
        args echo "I am $i"
        run rt run --bundle "$BUNDLE" "$ID"
        [ "$status" -eq 0 ] || { echo "pod $i: $output"; return 1; }
        [ "${lines[-1]}" = "I am $i" ]
        pod_gone "$ID"
        rm -rf "$BUNDLE"
    done
    leaks_check "$WORK.before" "$TOKEN"
}

@test "pods at once" {
    local i pids=() failed=0
    for ((i = 1; i <= CROWD; i++)); do
        vm_bundle "crowd-$i"
        args echo "I am $i"
        rt run --bundle "$BUNDLE" "$ID" >"$WORK/crowd-$i" 2>&1 </dev/null 3>&- &
        pids+=($!)
    done
    for ((i = 1; i <= CROWD; i++)); do
        wait "${pids[i - 1]}" || failed=1
        [ "$(tail -n 1 "$WORK/crowd-$i")" = "I am $i" ] || { cat "$WORK/crowd-$i"; failed=1; }
    done
    [ "$failed" -eq 0 ]
    leaks_check "$WORK.before" "$TOKEN"
}

@test "execs in one container" {
    local i before
    pod_start
    for ((i = 1; i <= 10; i++)); do rt exec "$POD" true; done # what is made once is made
    before=$(holds "$POD")
    for ((i = 1; i <= SOAK; i++)); do
        [ "$(rt exec "$POD" echo "$i")" = "$i" ]
    done
    steady "$before" "$(holds "$POD")"
    rt delete --force "$POD"
}

@test "containers in one pod" {
    local i before
    pod_start
    bundle again
    args cat /etc/passwd
    for ((i = 1; i <= 5; i++)); do quietly rt run --pod "$POD" --bundle "$BUNDLE" "$ID"; done
    before=$(holds "$POD")
    for ((i = 1; i <= SOAK; i++)); do
        run rt run --pod "$POD" --bundle "$BUNDLE" "$ID"
        [ "$status" -eq 0 ] || { echo "container $i: $output"; return 1; }
        [[ $output == root:* ]]
    done
    steady "$before" "$(holds "$POD")"
    rt delete --force "$POD"
    leaks_check "$WORK.before" "$TOKEN"
}
