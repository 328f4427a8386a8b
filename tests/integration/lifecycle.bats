#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A container from its creation to its end, and every way it can be told to.

load lib

setup_file() {
    require_root
    runtime_setup
}

teardown_file() {
    runtime_teardown
}

teardown() {
    rt delete --force "$ID" 2>/dev/null || :
}

@test "run passes on output and exit status" {
    bundle
    args sh -c 'echo to-stdout; echo to-stderr >&2; exit 42'
    run rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" -eq 42 ]
    [ "$output" = "$(printf '%s\n' to-stdout to-stderr)" ]
    fails_with "does not exist" rt state "$ID"
}

@test "run passes on standard input" {
    bundle
    args wc -c
    run rt run --bundle "$BUNDLE" "$ID" <<<"twelve bytes"
    [ "$output" -eq 13 ]
}

@test "run reports a signal's death as 128 plus its number" {
    bundle
    # As init of its pid namespace a process cannot kill itself, its child can.
    args sh -c 'sh -c "kill -KILL \$\$"; exit $?'
    run rt run --bundle "$BUNDLE" "$ID"
    [ "$status" -eq 137 ]
}

@test "create, start, state, kill, delete" {
    bundle
    quietly rt create --bundle "$BUNDLE" --pid-file "$BUNDLE/pid" "$ID"
    has_status "$ID" created
    [ "$(rt state "$ID" | jq .pid)" = "$(cat "$BUNDLE/pid")" ]
    rt start "$ID"
    wait_until 5 has_status "$ID" running
    [ "$(tr '\0' ' ' <"/proc/$(cat "$BUNDLE/pid")/cmdline")" = "sleep 1000 " ]
    fails_with "is not stopped" rt delete "$ID"
    fails_with "already" rt start "$ID"
    rt kill "$ID" KILL
    wait_until 5 has_status "$ID" stopped
    fails_with "not running" rt kill "$ID" KILL
    rt delete "$ID"
    fails_with "does not exist" rt state "$ID"
    [ ! -e "$STATE/$ID" ]
}

@test "a created container is deleted without ever running" {
    bundle
    args touch /ran
    own_rootfs
    quietly rt create --bundle "$BUNDLE" "$ID"
    rt delete "$ID"
    [ ! -e "$BUNDLE/rootfs/ran" ]
}

@test "kill takes names and numbers" {
    local signal
    for signal in TERM SIGTERM term 15 HUP; do
        bundle "sig$signal"
        args sh -c 'trap "exit 7" TERM HUP; while :; do sleep 0.1; done'
        quietly rt run --detach --bundle "$BUNDLE" "$ID"
        wait_until 5 has_status "$ID" running
        sleep 0.2
        rt kill "$ID" "$signal"
        wait_until 5 has_status "$ID" stopped
        rt delete "$ID"
    done
    bundle
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    fails_with "NOSUCH" rt kill "$ID" NOSUCH
}

@test "delete --force ends a running container and tolerates a missing one" {
    bundle
    quietly rt run --detach --bundle "$BUNDLE" --pid-file "$BUNDLE/pid" "$ID"
    rt delete --force "$ID"
    process_gone "$(cat "$BUNDLE/pid")"
    rt delete --force "$ID"
    fails_with "does not exist" rt delete "$ID"
}

@test "the same id is refused and the first container undisturbed" {
    bundle
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    fails_with "already exists" rt run --bundle "$BUNDLE" "$ID"
    has_status "$ID" running
}

@test "pause, resume, and what is refused meanwhile" {
    bundle
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    rt pause "$ID"
    has_status "$ID" paused
    fails_with "paused" rt exec "$ID" true
    fails_with "not running" rt pause "$ID"
    rt resume "$ID"
    has_status "$ID" running
    fails_with "not paused" rt resume "$ID"
    rt exec "$ID" true
}

@test "a paused container can be killed and deleted" {
    bundle
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    rt pause "$ID"
    rt kill "$ID" KILL
    wait_until 5 has_status "$ID" stopped
    rt delete "$ID"
    bundle again
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    rt pause "$ID"
    rt delete --force "$ID"
}

@test "a control group that goes while it is read is no error: nobody is frozen there" {
    require_command strace
    local path
    bundle
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    rt pause "$ID"
    path=$(sed -n 's/.*:freezer://p; s/^0:://p' "/proc/$(rt state "$ID" | jq .pid)/cgroup" | head -n 1)
    strace -qq -o "$BUNDLE/trace" -P "/sys/fs/cgroup/freezer$path/freezer.state" -P "/sys/fs/cgroup$path/cgroup.events" \
        -e inject=read,pread64:error=ENODEV:when=1 "$BULKHEAD" --root "$STATE" delete --force "$ID"
    grep -q 'ENODEV.*INJECTED' "$BUNDLE/trace"
}

@test "exec: status, environment, directory, user, input" {
    bundle
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    run rt exec "$ID" sh -c 'exit 9'
    [ "$status" -eq 9 ]
    run rt exec --env A=b --cwd /etc --user 1000:2000 --additional-gids 29 "$ID" \
        sh -c 'echo $A $PWD $(id -u) $(id -g) $(id -G)'
    [ "$output" = "b /etc 1000 2000 2000 29" ]
    run rt exec "$ID" cat <<<input
    [ "$output" = input ]
    run rt exec "$ID" sh -c 'kill -TERM $$'
    [ "$status" -eq 143 ]
}

@test "exec sees the container's namespaces, not the host's" {
    bundle
    quietly rt run --detach --bundle "$BUNDLE" --pid-file "$BUNDLE/pid" "$ID"
    local ns
    for ns in pid mnt ipc uts net; do
        [ "$(rt exec "$ID" readlink "/proc/self/ns/$ns")" = "$(readlink "/proc/$(cat "$BUNDLE/pid")/ns/$ns")" ]
        [ "$(rt exec "$ID" readlink "/proc/self/ns/$ns")" != "$(readlink "/proc/self/ns/$ns")" ]
    done
}

@test "exec of a missing program fails and the container goes on" {
    bundle
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    run rt exec "$ID" no-such-program
    [ "$status" -eq 255 ]
    [[ $output == *'executable file not found in $PATH'* ]]
    run rt exec "$ID" /no/such/program
    [ "$status" -eq 255 ]
    [[ $output == *'no such file or directory'* ]]
    has_status "$ID" running
}

@test "exec --detach with a pid file" {
    bundle
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    quietly rt exec --detach --pid-file "$BUNDLE/exec.pid" "$ID" sleep 500
    [ "$(tr '\0' ' ' <"/proc/$(cat "$BUNDLE/exec.pid")/cmdline")" = "sleep 500 " ]
}

@test "exec --process takes a document" {
    bundle
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    jq '.process | .args = ["sh", "-c", "echo $FROM_FILE"] | .env += ["FROM_FILE=yes"]' \
        "$BUNDLE/config.json" >"$BUNDLE/process.json"
    run rt exec --process "$BUNDLE/process.json" "$ID"
    [ "$output" = yes ]
}

@test "a program that is not there fails the create and leaves nothing" {
    bundle
    args no-such-program
    fails_with 'executable file not found in $PATH' rt create --bundle "$BUNDLE" "$ID"
    [ ! -e "$STATE/$ID" ]
    [ -z "$(leaks_list_cgroups "$ID")" ]
}

@test "list and ps tell what is there" {
    bundle
    quietly rt run --detach --bundle "$BUNDLE" --pid-file "$BUNDLE/pid" "$ID"
    [[ $(rt list) == *"$ID"*running*"$BUNDLE"* ]]
    [ "$(rt list -q)" = "$ID" ]
    [ "$(rt list -f json | jq -r '.[0].id + " " + .[0].status')" = "$ID running" ]
    [ "$(rt ps -f json "$ID" | jq '.[0]')" = "$(cat "$BUNDLE/pid")" ]
    [[ $(rt ps "$ID") == *PID*"$(cat "$BUNDLE/pid")"*"sleep 1000"* ]]
}

@test "kill --all reaches every process of a container without a pid namespace" {
    bundle
    config '.linux.namespaces |= map(select(.type != "pid"))'
    args sh -c 'sleep 900 & sleep 901'
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    wait_until 5 sh -c "'$BULKHEAD' --root '$STATE' ps -f json '$ID' | jq -e 'length >= 2'"
    rt kill --all "$ID" KILL
    wait_until 5 has_status "$ID" stopped
    rt delete "$ID"
    [ -z "$(leaks_list_cgroups "$ID")" ]
}

@test "hostname, domain name, environment, working directory, umask, user" {
    bundle
    config '.hostname = "box" | .domainname = "example" | .process.cwd = "/tmp"
        | .process.env += ["X=1 2"] | .process.user = {uid: 1000, gid: 1000, umask: 63, additionalGids: [29]}'
    args sh -c 'hostname; cat /proc/sys/kernel/domainname; pwd; echo "$X"; umask; id -u; id -G; echo $HOME'
    run rt run --bundle "$BUNDLE" "$ID"
    [ "$output" = "$(printf '%s\n' box example /tmp '1 2' 0077 1000 '1000 29' /home/tester)" ]
}

@test "no descriptor leaks in, preserved ones do" {
    bundle
    args ls /proc/self/fd
    run rt run --bundle "$BUNDLE" "$ID" 7</etc/hostname
    [ "$output" = "$(printf '%s\n' 0 1 2 3)" ] # 3 is ls's own
    args cat /proc/self/fd/3
    run rt run --preserve-fds 1 --bundle "$BUNDLE" "$ID" 3</etc/hostname
    [ "$status" -eq 0 ] || skip "the harness closes descriptor 3"
}

@test "run --keep leaves a stopped container" {
    bundle
    args true
    rt run --keep --bundle "$BUNDLE" "$ID"
    has_status "$ID" stopped
    rt delete "$ID"
}

@test "the configuration is the one of create time" {
    bundle
    quietly rt create --bundle "$BUNDLE" "$ID"
    rm "$BUNDLE/config.json"
    rt start "$ID"
    has_status "$ID" running
    rt exec "$ID" true
}
