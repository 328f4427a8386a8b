# SPDX-License-Identifier: Apache-2.0
#
# What the tests of dying pods share. Load after lib, with: load death

# What is left is seen at once; what takes longer is a fault here.
export LEAKS_WAIT=2

TOOLS=$(dirname "$BULKHEAD")/../../tests/kata
export TOOLS GUEST_DIR=${GUEST:-$(realpath -m "$(dirname "$BULKHEAD")/../../guest")}

# ---- pods that will die

# net_make: a network namespace with one end of a veth in it; NETNS is its name. net_is prints all that Bulkhead
# could have changed there.
net_make() {
    NETNS=$TOKEN-$BATS_TEST_NUMBER
    ip netns add "$NETNS"
    ip -n "$NETNS" link add eth0 type veth peer name peer0
    ip -n "$NETNS" addr add 10.9.0.2/24 dev eth0
    ip -n "$NETNS" -6 addr add fd00:9::2/64 dev eth0 nodad
    ip -n "$NETNS" link set peer0 up
    ip -n "$NETNS" link set eth0 up
    ip -n "$NETNS" link set lo up
    ip -n "$NETNS" route add default via 10.9.0.1
    NET_BEFORE=$(net_is)
}

net_is() {
    ip -n "$NETNS" -o -d link | sed -E 's/ (state|qlen) [A-Z0-9]+//g'
    ip -n "$NETNS" -o addr | sed 's/ tentative//'
    ip -n "$NETNS" route
    tc -n "$NETNS" qdisc
    tc -n "$NETNS" filter show dev eth0 ingress 2>/dev/null
}

net_as_before() { diff <(echo "$NET_BEFORE") <(net_is); }

# pod NAME: a pod in a network namespace, with a container that sleeps, detached. POD is the name of both.
pod() {
    vm_bundle "$1-$BATS_TEST_NUMBER"
    POD=$ID POD_BUNDLE=$BUNDLE
    [ -z "${NETNS:-}" ] || config '(.linux.namespaces[] | select(.type == "network")).path = $path' \
        --arg path "/run/netns/$NETNS"
    quietly rt run --detach --bundle "$BUNDLE" "$POD"
}

# foreground ARGS…: `run` in the background of the test, whose output is in OUT and ERR; returns when its
# container has said "up".
foreground() {
    OUT=$WORK/out-$BATS_TEST_NUMBER ERR=$WORK/err-$BATS_TEST_NUMBER
    : >"$OUT"
    : >"$ERR"
    rt run --bundle "$BUNDLE" "$@" "$ID" >"$OUT" 2>"$ERR" </dev/null 3>&- &
    RUN=$!
    wait_until 30 grep -q up "$OUT" || { cat "$ERR"; return 1; }
}

# second [COMMAND…]: a second container of the pod, in the foreground; by default one that sleeps.
second() {
    bundle "second-$BATS_TEST_NUMBER"
    if [ $# -gt 0 ]; then args "$@"; else args sh -c 'echo up; exec sleep 1000'; fi
    foreground --pod "$POD"
}

# ---- what is to be seen afterwards

milliseconds() { date +%s%3N; }

# ended STATUS TEXT [SECONDS]: the foreground's `run` ends with STATUS within SECONDS (5), and its last words
# have TEXT, in one line.
ended() {
    local from status=0
    from=$(milliseconds)
    wait "$RUN" || status=$?
    cat "$ERR"
    [ "$status" -eq "$1" ] || { echo "status $status"; return 1; }
    [ $(($(milliseconds) - from)) -le $((${3:-5} * 1000)) ]
    [[ $(tail -n 1 "$ERR") == *"$2"* ]]
}

# answers SECONDS TEXT COMMAND…: it fails, soon, and says TEXT.
answers() {
    local from
    from=$(milliseconds)
    fails_with "${@:2}"
    [ $(($(milliseconds) - from)) -le $(($1 * 1000)) ] || { echo "took too long: ${*:3}"; return 1; }
}

# verbs_answer TEXT: no verb waits for what will not come.
verbs_answer() {
    answers 2 "$1" rt exec "$POD" true
    answers 2 "$1" rt kill "$POD" TERM
    answers 2 "$1" rt pause "$POD"
    answers 2 "$1" rt resume "$POD"
    answers 2 "$1" rt update --pids-limit 50 "$POD"
    answers 2 "$1" rt ps "$POD"
    answers 2 "$1" rt events --stats "$POD"
    answers 2 "$1" rt events "$POD"
    bundle "third-$BATS_TEST_NUMBER"
    answers 5 "$1" rt run --pod "$POD" --bundle "$BUNDLE" "$ID"
    [ ! -e "$STATE/$ID" ]
}

pod_listed() { # STATE TEXT
    rt pod list --format json |
        jq -e --arg pod "$POD" --arg state "$1" --arg text "$2" \
            '.[] | select(.id == $pod and .state == $state and (.reason | contains($text)))' >/dev/null
}

# nothing_left: of anything that this test has made.
nothing_left() {
    pod_gone "${POD:-$ID}"
    [ ! -e "$STATE/${POD:-$ID}" ]
    if [ -n "${NETNS:-}" ]; then
        net_as_before
        ip netns del "$NETNS"
        NETNS=
    fi
    leaks_check "$WORK.before" "$TOKEN"
}

# removed: the dead pod's container is deleted at once, and once more, and nothing is left.
removed() {
    local from
    from=$(milliseconds)
    rt delete "$POD"
    [ $(($(milliseconds) - from)) -le 5000 ]
    answers 2 "does not exist" rt delete "$POD"
    rt delete --force "$POD"
    nothing_left
}

# killed TEXT LISTED [SECONDS]: all of the above, for a pod of which a part has just been killed.
killed() {
    ended 137 "$1" "${3:-5}"
    has_status "$POD" stopped
    pod_listed "$2" "$1"
    verbs_answer "$1"
    removed
}

# ---- guests that are not well

# image NAME [FILTER]: a guest image in $WORK/NAME, that of the tests but for what FILTER (jq) makes of
# guest.json and what the test changes.
image() {
    local base=${IMAGE_BASE:-$GUEST_DIR} dir=$WORK/$1
    rm -rf "$dir"
    mkdir "$dir"
    ln -s "$(realpath "$base/vmlinux")" "$dir/vmlinux"
    ln -s "$(realpath "$base/initramfs")" "$dir/initramfs"
    jq "${2:-.}" "$base/guest.json" >"$dir/guest.json"
    RUNTIME_FLAGS="--runtime kata --accelerator $ACCELERATOR --guest $dir"
}

# hostile_make: the image whose /init is hostile-agent, in $WORK/hostile-base.
hostile_make() {
    "$BATS_TEST_DIRNAME/../../guest/make" "--$(jq -r .way "$GUEST_DIR/guest.json")" \
        --agent "$TOOLS/hostile-agent" --out "$WORK/hostile-base"
}

# hostile MODE: a bundle, and an image whose guest does what MODE says.
hostile() {
    [ -x "$TOOLS/hostile-agent" ] || skip "programs are not static"
    IMAGE_BASE=$WORK/hostile-base image "hostile-$1" ".cmdline += \" hostile=$1\""
    vm_bundle "$1"
}

# boot_fails TEXT… : `run` fails, saying each TEXT in one line, and nothing is left.
boot_fails() {
    local text
    run rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" -eq 1 ]
    for text; do
        [[ $output == *"$text"* ]] || { echo "expected: $text"; return 1; }
    done
    # That emulation is used is announced, and that the pod's ratio is odd.
    [ "$(grep -vcE 'level=(info|warning)' <<<"$output")" -eq 1 ]
    nothing_left
}
