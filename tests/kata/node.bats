#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What an administrator sees of pods that the command line made: lists, a live view on a real terminal, metrics
# for a real Prometheus, the guest's console. One pod in a micro-VM for the file, and a container on this kernel.

bats_require_minimum_version 1.5.0

load lib

DASHBOARD=$BATS_TEST_DIRNAME/../../deploy/grafana/bulkhead.json

setup_file() {
    require_root
    require_command promtool prometheus tmux curl
    runtime_setup
    export TMUX_TMPDIR=$WORK
    pod_start
    bundle host
    config '.annotations = {"nerdctl/name": "wéird\u001b[31m\"name\\\n"}'
    RUNTIME_FLAGS='' quietly rt run --detach --bundle "$BUNDLE" "$ID"
    export HOST=$ID
}

teardown_file() {
    tmux -L "$TOKEN" kill-server 2>/dev/null || :
    runtime_teardown
}

teardown() {
    [ ! -e "$STATE/@pods/$POD/pod.json" ] || kill -CONT "$(supervisor_of "$POD")" 2>/dev/null || :
    stop_process "${SERVER:-}"
    stop_process "${PROMETHEUS:-}"
}

# of POD FILTER: what the list says of a pod.
of() { rt pod list --all --format json | jq -r --arg id "$1" ".[] | select(.id == \$id) | $2"; }

# ---- lists

@test "both are listed, whatever they are called" {
    rt pod list
    [ "$(of "$POD" '[.runtime, .state, .containers[0].state] | join(" ")')" = "kata running running" ]
    [ "$(of "$HOST" '[.runtime, .state, .name] | join(" ")')" = 'runc running w??ird?[31m"name\?' ]
    rt pod stats | grep -q "$HOST"
    rt pod stats "${POD%?}" | grep -q supervisor
    fails_with "pod does not exist" rt pod stats nobody
    fails_with "more than one pod" rt pod stats "$TOKEN"
    fails_with "takes no argument" rt pod list "$POD"
    fails_with "a pod is wanted" rt pod log
}

@test "one that has ended is shown with --all, and how it ended" {
    bundle
    args sh -c 'exit 7'
    quietly rt create --pod "$POD" --bundle "$BUNDLE" "$ID"
    rt start "$ID"
    ended() { [ "$(of "$POD" ".containers[] | select(.id == \"$ID\") | .exitCode")" = 7 ]; }
    wait_until 5 ended
    [ "$(of "$POD" .reason)" = "container $ID: exit code 7" ]
    rt delete "$ID"
    [ "$(of "$POD" .reason)" = null ]
    RUNTIME_FLAGS='' quietly rt create --bundle "$BUNDLE" "$ID"
    [ "$(of "$ID" .state)" = created ]
    RUNTIME_FLAGS='' rt kill "$ID" KILL
    stopped() { [ "$(of "$ID" .state)" = stopped ]; }
    wait_until 5 stopped
    run -0 rt pod list
    [[ $output != *"$ID"* ]]
    rt delete "$ID"
}

# ---- the console

@test "the guest's console: live, its escape sequences taken out, and bounded" {
    local console
    bundle
    args sh -c 'mknod /dev/guest c 5 1 || exit 1
        { printf "\033[31mhostile\007 line\n"; i=0; while [ $i -lt 40 ]; do i=$((i+1)); head -c 4000 /dev/zero | tr "\0" x; echo; done; echo "the end"; } >/dev/guest'
    config '.process.capabilities[] = ["CAP_MKNOD"] | .linux.resources.devices = [{allow: true, access: "rwm"}] | del(.linux.seccomp)'
    "$BULKHEAD" --root "$STATE" pod console "$POD" >"$WORK/console" 2>&1 3>&- &
    console=$!
    in_pod "$ID"
    wait_until 10 grep -q "the end" "$WORK/console"
    stop_process "$console"
    run ! grep -q $'\033\|\a' "$WORK/console"
    rt pod log "$POD" | tail -n 1 | grep -qx "the end"
    [ "$(cat "$STATE/@pods/$POD"/console.log* | wc -c)" -le 32768 ]
    [ -e "$STATE/@pods/$POD/console.log.1" ]
    fails_with "it has no console" rt pod log "$HOST"
}

# ---- top

screen() { tmux -L "$TOKEN" capture-pane -p; }
shows() { screen | grep -qF -e "$1"; }
keys() { tmux -L "$TOKEN" send-keys "$@"; }
# The first pod below the titles.
first() { screen | sed -n 4p; }
first_is() { first | grep -qF -e "$1"; }
terminal() { # a shell on a real terminal, its settings noted
    tmux -L "$TOKEN" -f /dev/null new-session -d -x 150 -y 20 sh 3>&-
    keys "cd $WORK; stty -g >before; clear; echo on the shell; PS1='ready '" Enter
    wait_until 5 shows ready
}
top_starts() {
    keys "$BULKHEAD --root $STATE pod top --interval 300ms; echo ended with \$?" Enter
    wait_until 5 shows "q quit"
    wait_until 5 shows "$HOST"
    wait_until 5 shows "$POD"
}
given_back() { # the terminal is as it was
    wait_until 5 shows "on the shell"
    keys "stty -g >after; echo noted" Enter
    wait_until 5 test -s "$WORK/after"
    wait_until 5 cmp "$WORK/before" "$WORK/after"
    run ! shows "q quit"
}

@test "top: a live view that resizes, sorts, and is left with q" {
    terminal
    top_starts
    shows "2 pods, 2 running, 0 in trouble"
    # By name it is -, by number the VM is ahead of all.
    keys m
    wait_until 5 first_is "$POD"
    keys r
    wait_until 5 first_is "$HOST"
    shows "the other way round"
    keys i
    wait_until 5 first_is "$HOST"
    tmux -L "$TOKEN" resize-window -x 60 -y 8
    wait_until 5 shows "q quit"
    narrow() { [ "$(screen | awk '{ if (length($0) > n) n = length($0) } END { print n }')" -le 60 ] && shows "sorted by"; }
    wait_until 5 narrow
    # The pods move, the titles stay.
    keys Down
    wait_until 5 first_is "$POD"
    tmux -L "$TOKEN" resize-window -x 150 -y 20
    keys Up
    wait_until 5 first_is "$HOST"
    keys q
    wait_until 5 shows "ended with 0"
    given_back
    tmux -L "$TOKEN" kill-server
}

@test "top: however it ends, the terminal is given back" {
    local signal
    terminal
    for signal in TERM SEGV HUP; do
        rm -f "$WORK/after"
        top_starts
        pkill -"$signal" -f "bulkhead-observer .*--root $STATE.* top"
        wait_until 5 shows "ended with $((128 + $(kill -l "$signal")))"
        given_back
        keys "clear; echo on the shell" Enter
    done
    tmux -L "$TOKEN" kill-server
    fails_with "no terminal" rt pod top
}

# ---- metrics

metrics() { # ADDRESS: an endpoint; its address is in URL
    "$BULKHEAD" --root "$STATE" metrics --listen "$1" --timeout 500ms >"$WORK/metrics.log" 2>&1 3>&- &
    SERVER=$!
    wait_until 5 grep -q "metrics at" "$WORK/metrics.log"
    URL=$(sed -n 's/.*metrics at \([^"]*\)".*/\1/p' "$WORK/metrics.log")
}

@test "metrics: each pod's, as Prometheus' own check wants them" {
    rt metrics --once >"$WORK/metrics"
    promtool check metrics <"$WORK/metrics"
    grep -q "^bulkhead_pod_up{runtime=\"kata\",.*id=\"$POD\".*} 1$" "$WORK/metrics"
    grep -qF 'name="w??ird?[31m\"name\\?"' "$WORK/metrics"
    grep -q "^bulkhead_pod_part_memory_bytes{.*where=\"host\",part=\"vmm\"} [1-9]" "$WORK/metrics"
    fails_with "none of unix:PATH" rt metrics --listen nowhere
    echo kept >"$WORK/file"
    fails_with "address already in use" rt metrics --listen "unix:$WORK/file"
    grep -q kept "$WORK/file"
    # As the unit of systemd runs it: root without any privilege.
    setpriv --bounding-set -all --inh-caps -all --no-new-privs "$BULKHEAD" --root "$STATE" metrics --once |
        grep -q "^bulkhead_pod_up{.*id=\"$POD\".*} 1$"
}

@test "metrics: by a unix socket for root alone, which goes with the server" {
    metrics "unix:$WORK/m.sock"
    [ "$(stat -c %a "$WORK/m.sock")" = 600 ]
    curl -sf --unix-socket "$WORK/m.sock" http://x/metrics | promtool check metrics
    [ "$(curl -s -o /dev/null -w '%{http_code}' --unix-socket "$WORK/m.sock" http://x/)" = 404 ]
    [ "$(curl -s -o /dev/null -w '%{http_code}' -d x --unix-socket "$WORK/m.sock" http://x/metrics)" = 405 ]
    stop_process "$SERVER"
    [ ! -e "$WORK/m.sock" ]
}

@test "metrics: a pod that hangs and clients that say nothing keep nobody waiting" {
    local from supervisor idle i scrapes=()
    metrics 127.0.0.1:0
    supervisor=$(supervisor_of "$POD")
    kill -STOP "$supervisor"
    exec {idle}<>"/dev/tcp/127.0.0.1/$(sed 's/.*:\([0-9]*\).*/\1/' <<<"$URL")"
    from=$(date +%s%3N)
    for i in 1 2 3 4; do
        curl -sf "$URL" >"$WORK/scrape.$i" 3>&- &
        scrapes+=($!)
    done
    wait "${scrapes[@]}" || :
    from=$(($(date +%s%3N) - from))
    kill -CONT "$supervisor"
    [ "$from" -lt 3000 ]
    exec {idle}>&-
    grep -q "^bulkhead_pod_up{.*id=\"$POD\".*} 0$" "$WORK/scrape.1"
    grep -q "^bulkhead_pod_up{.*id=\"$HOST\".*} 1$" "$WORK/scrape.1"
    answers_again() { curl -sf "$URL" | grep -q "^bulkhead_pod_up{.*id=\"$POD\".*} 1$"; }
    wait_until 5 answers_again
}

@test "metrics: a real Prometheus reads them, and knows what the dashboard asks for" {
    local port expr
    metrics 127.0.0.1:0
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    cat >"$WORK/prometheus.yml" <<END
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: bulkhead
    static_configs: [{targets: ["$(sed 's,http://\(.*\)/metrics,\1,' <<<"$URL")"]}]
END
    prometheus --config.file "$WORK/prometheus.yml" --storage.tsdb.path "$WORK/tsdb" \
        --web.listen-address "127.0.0.1:$port" >"$WORK/prometheus.log" 2>&1 3>&- &
    PROMETHEUS=$!
    known() { promtool query instant "http://127.0.0.1:$port" "$1" | grep -q "=>"; }
    wait_until 5 known 'up{job="bulkhead"} == 1'
    known "bulkhead_pod_memory_bytes{id=\"$POD\"} > 100e6"
    # It asks for OpenMetrics, which has units.
    curl -s "http://127.0.0.1:$port/api/v1/metadata?metric=bulkhead_pod_cpu_seconds" |
        jq -e '.data.bulkhead_pod_cpu_seconds[0] | .type == "counter" and .unit == "seconds"'
    rt metrics --once >"$WORK/metrics"
    "$BATS_TEST_DIRNAME/dashboard-names" "$DASHBOARD" "$WORK/metrics" >"$WORK/expressions"
    jq -R . "$WORK/expressions" | jq -s '{groups: [{name: "d", rules: [to_entries[] | {record: "r\(.key)", expr: .value}]}]}' >"$WORK/rules.yml"
    promtool check rules "$WORK/rules.yml"
    while read -r expr; do
        case $expr in *'dead|gone'* | *oom_kills* | *rate\(* | *increase\(*) continue ;; esac
        known "$expr" || { echo "no answer: $expr"; return 1; }
    done <"$WORK/expressions"
    # That the check can fail.
    sed 's/bulkhead_pod_memory_bytes/bulkhead_pod_memory_byte/' "$DASHBOARD" >"$WORK/wrong.json"
    run ! "$BATS_TEST_DIRNAME/dashboard-names" "$WORK/wrong.json" "$WORK/metrics"
}

# ---- the end; last, for it takes the pod

@test "a pod that died is told of, with its console, until it is deleted" {
    kill -KILL "$(vmm_of "$POD")"
    dead() { [ "$(of "$POD" .state)" = dead ]; }
    wait_until 5 dead
    [ "$(of "$POD" '.containers[0].exitCode')" = 137 ]
    [[ $(of "$POD" .reason) == *"killed by signal 9"* ]]
    rt metrics --once | grep -q "^bulkhead_pod_state{.*id=\"$POD\".*state=\"dead\"} 1$"
    run -0 rt pod console "$POD"
    [[ $output == *"the end"*"is dead: the pod's virtual machine ended"* ]]
    fails_with "is dead: the pod's virtual machine ended" rt pod stats "$POD"
    rt delete "$POD"
    fails_with "log of who served it" rt pod log "$POD"
    run -0 rt pod list
    [[ $output != *"$POD"* ]]
}
