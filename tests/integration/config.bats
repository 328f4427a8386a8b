#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The administrator's configuration: what is said takes effect, and what is wrong is told.

# shellcheck disable=SC2030,SC2031  # each test has its own RUNTIME_FLAGS
load lib

DOCS=${BATS_TEST_DIRNAME}/../../docs

setup_file() {
    bats_require_minimum_version 1.5.0
    runtime_setup
    export CONFIG=$WORK/bulkhead.yaml
    # as far as a plan looks at one
    mkdir "$WORK/guest"
}

teardown_file() {
    runtime_teardown
}

setup() {
    RUNTIME_FLAGS="--config $CONFIG"
}

teardown() {
    stop_process "${SERVER:-}"
    rm -rf "$CONFIG" "$CONFIG.d"
}

# node_is [NAME]: the node's file, or a drop-in, is standard input.
node_is() {
    local file=$CONFIG
    [ $# -eq 0 ] || file=$CONFIG.d/$1
    mkdir -p "$CONFIG.d"
    cat >"$file"
}

# rt_at ARG…: with the roots that are configured.
rt_at() {
    "$BULKHEAD" --config "$CONFIG" "$@"
}

# shows LINE…: `config show` has the lines, in YAML.
shows() {
    local line
    run -0 rt config show "${FLAGS[@]}"
    for line; do
        grep -qxF -- "$line" <<<"$output" || { echo "no '$line' in:"; echo "$output"; return 1; }
    done
}

@test "the documents list the keys that there are" {
    run -0 "$DOCS/keys" "$BULKHEAD" --check
    run -0 "$BULKHEAD" config keys overhead.memory
    [[ $output == *"from 64MiB to 1TiB"*"node, handler, pod"*"100MiB"* ]]
    fails_with "did you mean 'overhead.memory'?" "$BULKHEAD" config keys overhead.memorry
    run -0 "$BULKHEAD" config keys runtime
    [[ $output == *"for: node, pod;"*"not for a handler: it is what chooses the handler"* ]]
}

@test "without any configuration the defaults hold, and finding that out takes one system call" {
    RUNTIME_FLAGS=
    FLAGS=(--origin)
    shows "accelerator: kvm  # default" "  ratio: warn  # default" "# guest: the installed one  # not set"
    run -0 "$BULKHEAD" config check
    [ "$output" = "no configuration: defaults hold" ]
    require_command strace
    # Where there is no directory of the node's.
    [ ! -e /etc/bulkhead ] || return 0
    run -0 env -u BULKHEAD_CONFIG strace -e trace=openat2,openat,open,newfstatat -o "$WORK/calls" "$BULKHEAD" --root "$STATE" list
    [ "$(grep -c bulkhead.yaml "$WORK/calls")" = 0 ]
    [ "$(grep -c '"/etc/bulkhead"' "$WORK/calls")" = 1 ]
}

@test "drop-ins follow in the order of their names; handlers, and then options, win" {
    node_is <<<'{accelerator: auto, hooks: false, overhead: {cpu: 0.2}}'
    node_is 20-later.yaml <<<'accelerator: emulation'
    node_is 10-first.yaml <<<'{accelerator: kvm, no-pivot: true}'
    node_is ignored.yml <<<'accelerator: nonsense'
    node_is 30-kata.yaml <<<'handlers: {kata: {hello-timeout: 3s, annotations: [share-cache]}}'
    FLAGS=(--origin)
    shows "accelerator: emulation  # $CONFIG.d/20-later.yaml:1" "no-pivot: true  # $CONFIG.d/10-first.yaml:1" \
        "hooks: false  # $CONFIG:1" "  cpu: 0.2  # $CONFIG:1" "hello-timeout: 30s  # default" \
        "    hello-timeout: 3s  # $CONFIG.d/30-kata.yaml:1"
    FLAGS=(--origin --handler kata)
    shows "hello-timeout: 3s  # $CONFIG.d/30-kata.yaml:1" "annotations: [share-cache]  # $CONFIG.d/30-kata.yaml:1"
    RUNTIME_FLAGS="$RUNTIME_FLAGS --accelerator kvm --debug"
    shows "accelerator: kvm  # --accelerator" "  level: debug  # --debug"
    run -0 rt config show --format json --origin --handler kata
    [ "$(jq -r '.["hello-timeout"].origin' <<<"$output")" = "$CONFIG.d/30-kata.yaml:1" ]
    [ "$(jq -r .hooks.value <<<"$output")" = false ]
    # The same by the environment.
    RUNTIME_FLAGS=
    FLAGS=()
    BULKHEAD_CONFIG=$CONFIG shows "accelerator: emulation"
}

@test "what is shown is a configuration itself, in both formats" {
    node_is <<<'{root: "/srv/a b", log: {level: warning}, largest: {memory: 4g}, rules: {ratio: off},
        annotations: [], handlers: {runc: {no-pivot: true}, kata: {overhead: {memory: 128MiB}}}}'
    local format
    for format in yaml json; do
        rt config show --format $format >"$WORK/shown.yaml"
        run -0 "$BULKHEAD" config check "$WORK/shown.yaml"
        run -0 diff <(rt config show) <("$BULKHEAD" --config "$WORK/shown.yaml" config show)
    done
}

@test "all mistakes are told, with the names that may have been meant" {
    node_is <<<$'acelerator: kvm\nlog:\n  level: warnings\nhandlers:\n  kat: {}\n  runc: {runtime: kata}\n'
    node_is 10.yaml <<<$'hooks: [true'
    run -1 rt config check
    [ "${#lines[@]}" = 5 ]
    [[ ${lines[0]} == "$CONFIG:1: there is no key 'acelerator'; did you mean 'accelerator'?" ]]
    [[ ${lines[1]} == "$CONFIG:3: log.level: 'warnings' is not one of error, warning, info, debug; did you mean 'warning'?" ]]
    [[ ${lines[2]} == "$CONFIG:5: handlers: there is no handler 'kat'; did you mean 'kata'?" ]]
    [[ ${lines[3]} == "$CONFIG:6: runtime: is for the whole node, not for one handler: it is what chooses the handler" ]]
    [[ ${lines[4]} == "$CONFIG.d/10.yaml:2: no YAML: "* ]]
    run -1 "$BULKHEAD" config check "$CONFIG.d/10.yaml"
    fails_with "(and 4 more: bulkhead config check)" rt config show
}

@test "with mistakes nothing is made, but what is there can be removed" {
    bundle
    node_is <<<"root: $WORK/elsewhere"
    quietly rt_at run --detach --bundle "$BUNDLE" "$ID"
    [ -e "$WORK/elsewhere/$ID/state.json" ]
    node_is <<<$"root: $WORK/elsewhere"$'\nnothing: 1\n'
    fails_with "$CONFIG:2: there is no key 'nothing'" rt_at run --bundle "$BUNDLE" "$ID-2"
    [ ! -e "$WORK/elsewhere/$ID-2" ]
    run -0 rt_at state "$ID"
    [[ $output == *"$CONFIG:2: there is no key 'nothing'"*running* ]]
    run -0 rt_at delete --force "$ID"
    [ ! -e "$WORK/elsewhere/$ID" ]
}

@test "a handler has a root of its own; what is there is found by id, and listed, whatever handler is the default" {
    require_root
    bundle
    node_is <<<"{root: $WORK/all, handlers: {runc: {root: $WORK/runc}}}"
    quietly rt_at run --detach --bundle "$BUNDLE" "$ID"
    [ -e "$WORK/runc/$ID/state.json" ]
    node_is 10.yaml <<<"runtime: kata"
    run -0 rt_at state "$ID"
    [ "$(jq -r .status <<<"$output")" = running ]
    run -0 rt_at list --quiet
    [ "$output" = "$ID" ]
    run -0 rt_at pod list
    [[ $output == *"$ID"* ]]
    # A root that is named is the only one.
    mkdir "$WORK/all"
    run -0 rt_at --root "$WORK/all" list --quiet
    [ "$output" = "" ]
    fails_with "container does not exist" rt_at --root "$WORK/all" state "$ID"
    config '.linux.cgroupsPath += "-2"'
    quietly rt_at --runtime runc --root "$WORK/all" run --detach --bundle "$BUNDLE" "$ID-2"
    run -0 rt_at list --quiet
    [ "$output" = "$ID-2"$'\n'"$ID" ]
    run -0 rt_at delete --force "$ID"
    run -0 rt_at delete --force "$ID-2"
    # What a create left that was killed half way.
    mkdir "$WORK/runc/$ID"
    run -0 rt_at delete --force "$ID"
    run -0 ls "$WORK/runc" "$WORK/all"
    [[ $output != *"$ID"* ]]
    node_is 20.yaml <<<"handlers: {kata: {root: /}}"
    fails_with "--root argument should not be set to /" rt_at list
}

@test "check: a node whose configuration has mistakes is not fit" {
    node_is <<<"guest: $WORK/guest"
    run rt check --json
    [ "$(jq -r '.checks[] | select(.name == "configuration") | .found' <<<"$output")" = "$CONFIG" ]
    # The programs are those that are configured.
    node_is 10.yaml <<<'{qemu: /usr/bin/nobodys-qemu, virtiofsd: /usr/lib/nobodys-virtiofsd}'
    run rt check kata --json
    [[ $(jq -r '.checks[] | select(.name == "hypervisor") | .found' <<<"$output") == */usr/bin/nobodys-qemu* ]]
    [[ $(jq -r '.checks[] | select(.name == "virtiofsd") | .found' <<<"$output") == */usr/lib/nobodys-virtiofsd* ]]
    node_is 10.yaml <<<"gest: $WORK/guest"
    run rt check --json
    [ "$(jq -r .fit[] <<<"$output")" = "" ]
    [ "$(jq -r '.checks[] | select(.name == "configuration") | .found' <<<"$output")" = \
        "$CONFIG.d/10.yaml:1: there is no key 'gest'; did you mean 'guest'?" ]
}

@test "a file that others could have written is refused" {
    require_root
    node_is <<<'hooks: false'
    chmod 0664 "$CONFIG"
    fails_with "$CONFIG: has mode 0664: others than root could write it (chmod go-w)" rt config show
    chmod 0644 "$CONFIG"
    chown 1000 "$CONFIG"
    fails_with "$CONFIG: belongs to user 1000: it must be root's (chown root)" rt config show
    chown 0 "$CONFIG"
    # Whoever runs the program may have one as well; root's places are not for them.
    cp "$CONFIG" "$WORK/mine.yaml"
    echo "root: /run/nowhere" >>"$WORK/mine.yaml"
    chown 1000 "$WORK/mine.yaml"
    run -0 setpriv --reuid 1000 --clear-groups "$BULKHEAD" --config "$WORK/mine.yaml" config show
    [[ $output == *"hooks: false"* && $output == *"# root: "* ]]
    # In a user namespace root's files are nobody's.
    chmod 0755 "$WORK"
    run -0 setpriv --reuid 1000 --clear-groups unshare --user --map-root-user "$BULKHEAD" --config "$CONFIG" config show
    [[ $output == *"hooks: false"* ]]
}

@test "the node's own file is found" {
    require_root
    mkdir -p "$WORK/etc"
    node_is <<<'accelerator: auto'
    # shellcheck disable=SC2016  # expanded by the inner shell
    run -0 env -u BULKHEAD_CONFIG unshare --mount --propagation private sh -euc '
        cp -a /etc/. "$1/etc"
        mkdir -p "$1/etc/bulkhead"
        cp "$2" "$1/etc/bulkhead/bulkhead.yaml"
        mount --bind "$1/etc" /etc
        exec "$3" config show --origin' sh "$WORK" "$CONFIG" "$BULKHEAD"
    [[ $output == *"accelerator: auto  # /etc/bulkhead/bulkhead.yaml:1"* ]]
}

@test "hooks, keyring, cgroups and log are as configured" {
    bundle
    args true
    config '.hooks.poststop = [{path: "/bin/true"}]'
    node_is <<<'handlers: {runc: {hooks: false}}'
    fails_with "allows no hooks" rt run --bundle "$BUNDLE" "$ID"
    [ ! -e "$STATE/$ID" ]
    # Unless the container says otherwise, and may.
    node_is <<<'handlers: {runc: {hooks: false, annotations: [hooks]}}'
    config '.annotations = {"io.bulkhead.hooks": "true"}'
    run -0 rt run --bundle "$BUNDLE" "$ID"
    config '.annotations = {"io.bulkhead.no-pivot": "true"}'
    fails_with "does not leave 'no-pivot' to pods" rt run --bundle "$BUNDLE" "$ID"
    config '.annotations = {}'
    config '.hooks = {startContainer: [{path: "/bin/true"}]}'
    run -0 rt run --bundle "$BUNDLE" "$ID"
    # A limit without a cgroup is warned of, where the log is configured to be.
    node_is <<<"{cgroup-manager: disabled, log: {file: $WORK/log, format: json}}"
    config '.linux.resources = {memory: {limit: 33554432}}'
    run -0 rt run --bundle "$BUNDLE" "$ID"
    [ "$(jq -rs '[.[] | select(.level == "warning")] | length' "$WORK/log")" -ge 1 ]
    rm "$WORK/log"
    node_is <<<"{cgroup-manager: disabled, log: {file: $WORK/log, level: error}}"
    run -0 rt run --bundle "$BUNDLE" "$ID"
    [ ! -s "$WORK/log" ]
}

@test "a pod's plan follows the handler's keys, its annotations where they are listed, and the options" {
    bundle
    config '.linux.resources = {cpu: {quota: 100000, period: 100000}, memory: {limit: 1073741824}}'
    node_is <<<"{runtime: kata, accelerator: auto, guest: $WORK/guest,
        handlers: {kata: {overhead: {cpu: 0.5, memory: 200MiB}, annotations: [overhead.memory, accelerator]}}}"
    run -0 rt run --dry-run --bundle "$BUNDLE" "$ID"
    [[ $output == *"accelerator kvm, else emulation"*"150000 µs of 100000 µs, 1224 MiB"* ]]
    config '.annotations = {"io.bulkhead.overhead.memory": "300MiB", "io.bulkhead.accelerator": "kvm"}'
    run -0 rt run --dry-run --bundle "$BUNDLE" "$ID"
    [[ $output == *"accelerator kvm"$'\n'*"150000 µs of 100000 µs, 1324 MiB"* ]]
    RUNTIME_FLAGS="$RUNTIME_FLAGS --accelerator emulation"
    run -0 rt run --dry-run --bundle "$BUNDLE" "$ID"
    [[ $output == *"accelerator emulation"* ]]
    config '.annotations = {"io.bulkhead.overhead.cpu": "2"}'
    fails_with "annotation io.bulkhead.overhead.cpu: the administrator does not leave 'overhead.cpu' to pods" \
        rt run --dry-run --bundle "$BUNDLE" "$ID"
    config '.annotations = {} | .linux.resources.cpu.quota = 300000'
    node_is 10.yaml <<<'{largest: {cpu: 2}, rules: {ratio: off}}'
    fails_with "kata: cpu limit 3 is more than 2, the largest pod (largest.cpu)" rt run --dry-run --bundle "$BUNDLE" "$ID"
    node_is 10.yaml <<<'{rules: {smallest-pod: warn, ratio: off}}'
    config '.linux.resources = {cpu: {quota: 10000, period: 100000}, memory: {limit: 268435456}}'
    run -0 rt run --dry-run --bundle "$BUNDLE" "$ID"
    [[ $output == *"the smallest pod"*"cgroup: "* ]]
}

@test "the runtime is chosen by who calls, not by the bundle" {
    bundle
    config '.annotations = {"io.bulkhead.runtime": "kata"}'
    RUNTIME_FLAGS=
    BULKHEAD_CONFIG='' run -0 rt run --dry-run --bundle "$BUNDLE" "$ID"
    [[ $output != *"micro-VM"* ]]
    RUNTIME_FLAGS="--config $CONFIG"
    node_is <<<'runtime: runc'
    run -0 rt run --dry-run --bundle "$BUNDLE" "$ID"
    [[ $output != *"micro-VM"* ]]
}

@test "metrics are where they are configured to be, of pods wherever their states are" {
    require_root
    bundle
    node_is <<<"{root: $WORK/elsewhere, metrics: {listen: 'unix:$WORK/metrics', timeout: 5s}}"
    "$BULKHEAD" --config "$CONFIG" metrics </dev/null >/dev/null 2>&1 3>&- &
    local exporter=$!
    wait_until 5 test -S "$WORK/metrics"
    stop_process $exporter
    [ ! -e "$WORK/metrics" ]
    # One that the network reaches is warned of, and no other.
    "$BULKHEAD" metrics --listen 0.0.0.0:0 </dev/null >/dev/null 2>"$WORK/open" 3>&- &
    exporter=$!
    "$BULKHEAD" metrics --listen 127.0.0.2:0 </dev/null >/dev/null 2>"$WORK/local" 3>&- &
    wait_until 20 grep -q 'http://' "$WORK/local"
    stop_process $!
    wait_until 20 grep -q 'level=warning.*http://0.0.0.0:.* is open to the network' "$WORK/open"
    stop_process $exporter
    run ! grep level=warning "$WORK/local"
    quietly rt_at run --detach --bundle "$BUNDLE" "$ID"
    run -0 rt_at pod list
    [[ $output == *"$ID"* ]]
    run -0 rt_at delete --force "$ID"
    fails_with "--timeout: 'soon' is not a time" "$BULKHEAD" metrics --timeout soon
}

# ticks PID: of a processor that it has had, a hundredth of a second each.
ticks() {
    awk '{ print $14 + $15 }' "/proc/$1/stat"
}

@test "metrics: whoever there is no descriptor or no room for waits, and the server rests" {
    require_root
    require_command curl prlimit python3
    local client free=0 before
    "$BULKHEAD" metrics --listen "unix:$WORK/metrics" </dev/null >/dev/null 2>"$WORK/log" 3>&- &
    SERVER=$!
    wait_until 20 grep -q 'metrics at' "$WORK/log"
    while [ -e "/proc/$SERVER/fd/$free" ]; do free=$((free + 1)); done
    prlimit --pid "$SERVER" --nofile=$free:
    curl -sf --max-time 20 --unix-socket "$WORK/metrics" http://x/metrics >"$WORK/answer" 3>&- &
    client=$!
    sleep 0.5
    before=$(ticks "$SERVER")
    sleep 1
    [ $(($(ticks "$SERVER") - before)) -lt 10 ]
    prlimit --pid "$SERVER" --nofile=1024:
    wait $client
    grep -q '^bulkhead_build_info' "$WORK/answer"
    [ "$(grep -c 'who calls has to wait: Too many open files' "$WORK/log")" -eq 1 ]
    python3 - "$WORK/metrics" <<'END'
import socket, sys

def call(patience):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.settimeout(patience)
    return s

silent = [call(5) for _ in range(64)]
last = call(0.5)
last.send(b"GET /metrics HTTP/1.0\r\n\r\n")
try:
    sys.exit(f"one too many is answered: {last.recv(1)}")
except TimeoutError:
    silent.pop().close()
last.settimeout(5)
assert last.recv(15) == b"HTTP/1.1 200 OK"
END
}
