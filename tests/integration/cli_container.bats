#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the command line adds to the engine: formats, merged options, terminals, signals, streams.

load lib

setup_file() {
    bats_require_minimum_version 1.5.0 # for run's options
    require_root
    runtime_setup
}

teardown_file() {
    runtime_teardown
}

teardown() {
    [ -z "${BACKGROUND:-}" ] || stop_process "$BACKGROUND"
    rt delete --force "$ID" 2>/dev/null || :
}

# started [WORD…]: a container that runs WORDs (default: sleep 1000) in the background, detached.
started() {
    bundle
    [ $# -eq 0 ] || args "$@"
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
}

# keys_of: all paths of members in a JSON document on standard input, without numbers of lists.
keys_of() {
    jq -c '[paths | map(if type == "number" then 0 else . end)] | unique | .[]'
}

# same_keys OURS RUNC: both documents have the same members.
same_keys() {
    diff <(keys_of <<<"$1") <(keys_of <<<"$2")
}

# in_terminal COMMAND…: runs it on a terminal of 33 rows and 99 columns; prints what that shows.
in_terminal() {
    printf '%q ' "$@" >"$WORK/command"
    # An input without end: at its end script would type the end-of-file character, which shows somewhere as ^@.
    [ -p "$WORK/silence" ] || mkfifo "$WORK/silence"
    script -qec "stty rows 33 cols 99; . '$WORK/command'" /dev/null <>"$WORK/silence"
}

# ---- formats ------------------------------------------------------------------------------------

@test "state, list and events have the members that runc's have" {
    require_command runc
    local runc=(runc --root "$WORK/runc-state")
    bundle
    # A page in memory and none from the disk, whatever was in the cache before: figures of zero are left out.
    args sh -c 'echo >/dev/shm/page; exec sleep 1000'
    config '.annotations = {"a.b": "c \"d\""}'
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    config '.linux.cgroupsPath = "/\($id)-runc" | .ociVersion = "1.0.2"'
    quietly "${runc[@]}" run --detach --bundle "$BUNDLE" "$ID-runc"
    same_keys "$(rt state "$ID")" "$("${runc[@]}" state "$ID-runc")"
    same_keys "$(rt list -f json)" "$("${runc[@]}" list -f json)"
    # Newer runcs print more figures than the one at hand: all of this one's must be there.
    run comm -13 <(rt events --stats "$ID" | keys_of | sort) \
        <("${runc[@]}" events --stats "$ID-runc" | jq 'del(.data.blkio[]?)' | keys_of | sort)
    "${runc[@]}" delete --force "$ID-runc"
    echo "$output"
    [ -z "$output" ]
    [ "$(rt state "$ID" | jq -r '.annotations["a.b"]')" = 'c "d"' ]
}

@test "the table of list has columns that fit" {
    started
    run rt list
    [ "${#lines[@]}" -eq 2 ]
    [[ ${lines[0]} =~ ^ID\ +PID\ +STATUS\ +BUNDLE\ +CREATED\ +OWNER$ ]]
    local column
    for column in PID STATUS BUNDLE CREATED OWNER; do
        local at=${lines[0]%%"$column"*}
        [[ ${lines[1]:${#at}-3:3} == "   " && ${lines[1]:${#at}:1} != " " ]]
    done
    [[ ${lines[1]} == *" root" ]]
}

@test "a container whose state is damaged does not hide the others" {
    started
    mkdir "$STATE/damaged"
    echo '{' >"$STATE/damaged/state.json"
    run --separate-stderr rt list --format json
    rm -r "$STATE/damaged"
    [ "$status" -eq 0 ]
    [ "$(jq -r '.[].id' <<<"$output")" = "$ID" ]
    [[ $stderr == *"load container damaged: "* ]]
}

@test "ps takes the options of ps and wants a PID in its output" {
    started sh -c 'sleep 900 & sleep 901'
    [ "$(rt ps -f json "$ID" | jq length)" -ge 2 ]
    run rt ps "$ID" -o pid,args
    [[ ${lines[0]} =~ ^\ *PID\ +COMMAND ]]
    [[ $output == *"sleep 900"* && $output != *bats* ]]
    run rt ps "$ID" -eo args
    [ "$status" -eq 1 ]
    [[ $output == *"couldn't find PID field in ps output"* ]]
    run rt ps "$ID" --no-such-option
    [ "$status" -eq 1 ]
}

@test "events prints figures at an interval and ends with the container" {
    started
    "$BULKHEAD" --root "$STATE" events --interval 100ms "$ID" >"$WORK/events" 3>&- &
    BACKGROUND=$!
    wait_until 10 sh -c "[ \$(wc -l <'$WORK/events') -ge 2 ]"
    rt kill "$ID" KILL
    wait_until 10 process_gone "$BACKGROUND"
    wait "$BACKGROUND"
    [ "$(jq -r .type "$WORK/events" | sort -u)" = stats ]
    [ "$(jq -r .id "$WORK/events" | sort -u)" = "$ID" ]
    fails_with "is not running" rt events "$ID"
    fails_with "greater than 0" rt events --interval 0s "$ID"
}

@test "events tells of memory that ran out" {
    bundle
    config '.linux.resources.memory = {limit: 16777216}'
    # The first process lives on, or there would be nobody left to tell of.
    args sh -c 'while [ ! -e /dev/shm/go ]; do sleep 0.1; done; tail /dev/zero; sleep 900'
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    "$BULKHEAD" --root "$STATE" events --interval 1h "$ID" >"$WORK/oom" 3>&- &
    BACKGROUND=$!
    wait_until 10 sh -c "ls -l /proc/$BACKGROUND/fd | grep -q timerfd"
    rt exec "$ID" touch /dev/shm/go
    wait_until 20 grep -q oom "$WORK/oom"
    rt kill "$ID" KILL
    wait_until 10 process_gone "$BACKGROUND"
    [ "$(head -n 1 "$WORK/oom")" = "{\"type\":\"oom\",\"id\":\"$ID\"}" ]
}

# ---- exec ---------------------------------------------------------------------------------------

@test "exec merges its options into the container's process" {
    bundle
    config '.process.env = ["PATH=/bin:/usr/bin", "A=1", "B=2"] | .process.cwd = "/tmp"
        | .process.user = {uid: 0, gid: 0, additionalGids: [29]} | .process.noNewPrivileges = true'
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    run rt exec "$ID" sh -c 'echo $A$B; pwd; id -u; id -G; grep NoNewPrivs /proc/self/status'
    [ "$output" = "$(printf '%s\n' 12 /tmp 0 '0 29' $'NoNewPrivs:\t1')" ]
    run rt exec -e B=3 --env C=4 --cwd /var -u 1000:1001 -g 5 --additional-gids 6 --no-new-privs=false \
        "$ID" sh -c 'echo $A$B$C; pwd; id -u; id -G; grep NoNewPrivs /proc/self/status'
    [ "$output" = "$(printf '%s\n' 134 /var 1000 '1001 5 6 29' $'NoNewPrivs:\t0')" ]
}

@test "exec --cap adds to bounding, effective and permitted, and ambient where there are inheritable" {
    bundle
    config '.process.capabilities = {bounding: ["CAP_KILL"], effective: ["CAP_KILL"], permitted: ["CAP_KILL"]}'
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    run rt exec -c CAP_CHOWN --cap CAP_NO_SUCH "$ID" grep Cap /proc/self/status
    [[ $output == *"CAP_NO_SUCH"*ignoring* ]]
    [[ $output == *$'CapInh:\t0000000000000000'* ]]
    [[ $output == *$'CapPrm:\t0000000000000021'* ]]
    [[ $output == *$'CapEff:\t0000000000000021'* ]]
    [[ $output == *$'CapBnd:\t0000000000000021'* ]]
    [[ $output == *$'CapAmb:\t0000000000000000'* ]]
}

@test "exec refuses what it cannot read" {
    started
    local bad
    for bad in "-u root" "-u 0:wheel" "-u -1" "-u 4294967295" "-g x" "--cwd tmp"; do
        # shellcheck disable=SC2086  # an option and its value
        run rt exec $bad "$ID" true
        [ "$status" -eq 255 ] || { echo "$bad: $output"; return 1; }
        [[ $output == *"exec failed: "* ]]
    done
    run rt exec "$ID"
    [ "$status" -eq 255 ]
    [[ $output == *"exec args cannot be empty"* ]]
    run rt exec -p "$WORK/nosuch.json" "$ID"
    [ "$status" -eq 255 ]
    echo '{"args": ["true"], "cwd": 5}' >"$WORK/bad.json"
    run rt exec -p "$WORK/bad.json" "$ID"
    [[ $output == *"/cwd"* ]]
}

@test "options of the executed command are its own" {
    started
    [ "$(rt exec "$ID" echo -e -- --help)" = "-- --help" ]
    [ "$(rt exec -- "$ID" echo --tty)" = --tty ]
}

# ---- terminals ----------------------------------------------------------------------------------

@test "a terminal needs somebody who takes it" {
    bundle
    config '.process.terminal = true'
    fails_with "cannot allocate tty if" rt create --bundle "$BUNDLE" "$ID"
    fails_with "cannot allocate tty if" rt run --detach --bundle "$BUNDLE" "$ID"
    fails_with "cannot use console socket if" rt run --console-socket x --bundle "$BUNDLE" "$ID"
    config '.process.terminal = false'
    fails_with "cannot use console socket if" rt create --console-socket x --bundle "$BUNDLE" "$ID"
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    fails_with "cannot allocate tty if" rt exec --detach --tty "$ID" true
    fails_with "cannot use console socket if" rt exec --tty --console-socket x "$ID" true
    fails_with "cannot use console socket if" rt exec --detach --console-socket x "$ID" true
}

@test "in the foreground the terminal has the caller's size and lines end once" {
    require_command script
    bundle
    config '.process.terminal = true'
    args sh -c 'tty; stty size; echo done'
    run in_terminal "$BULKHEAD" --root "$STATE" run --bundle "$BUNDLE" "$ID"
    printf '%s\n' "$output" | od -c
    [ "$output" = $'/dev/pts/0\r\n33 99\r\ndone\r' ]
    # A file gets the lines as they were written.
    args sh -c 'echo one; echo two'
    rt run --bundle "$BUNDLE" "$ID" >"$WORK/out" </dev/null
    [ "$(cat "$WORK/out")" = $'one\ntwo' ]
    config '.process.terminal = false'
    args sleep 1000
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    run in_terminal "$BULKHEAD" --root "$STATE" exec --tty "$ID" stty size
    [ "$output" = $'33 99\r' ]
}

@test "the caller's terminal is raw meanwhile and as before afterwards" {
    require_command script
    bundle
    config '.process.terminal = true'
    args true
    cat >"$WORK/modes" <<SH
before=\$(stty -g)
"$BULKHEAD" --root "$STATE" run --bundle "$BUNDLE" "$ID"
[ "\$(stty -g)" = "\$before" ] && echo restored
SH
    run script -qec "sh $WORK/modes" /dev/null </dev/null
    [[ $output == *restored* ]]
}

@test "typing reaches the container, its interrupt key too" {
    require_command script
    bundle
    config '.process.terminal = true'
    args sh -c 'trap "echo interrupted; exit 9" INT; echo ready; read -r line; echo "got $line"; while :; do sleep 0.1; done'
    mkfifo "$WORK/keys"
    script -qec "$BULKHEAD --root $STATE run --bundle $BUNDLE $ID; echo status \$?" /dev/null \
        <"$WORK/keys" >"$WORK/screen" 3>&- &
    BACKGROUND=$!
    exec 9>"$WORK/keys"
    wait_until 10 grep -q ready "$WORK/screen"
    printf 'hello\n' >&9
    wait_until 10 grep -q 'got hello' "$WORK/screen"
    printf '\003' >&9
    wait_until 10 grep -q 'status 9' "$WORK/screen"
    exec 9>&-
    rm "$WORK/keys"
    grep -q interrupted "$WORK/screen"
}

@test "much output of a terminal arrives whole" {
    bundle
    config '.process.terminal = true'
    args sh -c 'head -c 1000000 /dev/zero | tr "\0" x'
    [ "$(rt run --bundle "$BUNDLE" "$ID" </dev/null | wc -c)" -eq 1000000 ]
}

# ---- streams without a terminal -----------------------------------------------------------------

@test "the caller's pipes and /dev/null are the process's own, files and terminals are not" {
    require_command script
    bundle
    args sh -c 'for fd in 0 1 2; do links="$links $(readlink /proc/$$/fd/$fd)"; done; printf "%s\n" $links >&2'
    rt run --bundle "$BUNDLE" "$ID" </dev/null 2>&1 >/dev/null | cat >"$WORK/direct"
    [ "$(sed -n 1p "$WORK/direct")" = /dev/null ]
    [ "$(sed -n 2p "$WORK/direct")" = /dev/null ]
    [[ $(sed -n 3p "$WORK/direct") == pipe:* ]]
    rt run --bundle "$BUNDLE" "$ID" <"$BUNDLE/config.json" >"$WORK/file" 2>"$WORK/file2"
    [ "$(grep -c '^pipe:' "$WORK/file2")" -eq 3 ]
    run in_terminal "$BULKHEAD" --root "$STATE" run --bundle "$BUNDLE" "$ID"
    [[ $output != *pts* ]]
    [ "$(grep -c '^pipe:' <<<"$output")" -ge 2 ]
}

@test "bytes pass through files unchanged, with exit status" {
    bundle
    args sh -c 'cat; exit 7'
    head -c 3000000 /dev/urandom >"$WORK/in"
    rt run --bundle "$BUNDLE" "$ID" <"$WORK/in" >"$WORK/out" || [ $? -eq 7 ]
    cmp "$WORK/in" "$WORK/out"
    printf 'kept\n' >"$WORK/appended"
    args echo more
    rt run --bundle "$BUNDLE" "$ID" >>"$WORK/appended" </dev/null
    [ "$(cat "$WORK/appended")" = $'kept\nmore' ]
}

@test "what a process leaves behind does not hold up its end" {
    started
    # The sleep holds the pipes that serve the files.
    timeout 10 "$BULKHEAD" --root "$STATE" exec "$ID" sh -c 'sleep 600 & echo said' >"$WORK/out" 2>"$WORK/err"
    [ "$(cat "$WORK/out")" = said ]
}

@test "sockets that were handed over for this process reach the container, others do not" {
    bundle
    args sh -c 'echo "$LISTEN_FDS $LISTEN_PID"; [ -e /proc/self/fd/3 ] && cat <&3'
    echo content >"$WORK/socket"
    run sh -c "LISTEN_FDS=1 LISTEN_PID=\$\$ exec '$BULKHEAD' --root '$STATE' run --bundle '$BUNDLE' '$ID' 3<'$WORK/socket'" </dev/null
    [ "$output" = $'1 1\ncontent' ]
    run sh -c "LISTEN_FDS=1 LISTEN_PID=1 exec '$BULKHEAD' --root '$STATE' run --bundle '$BUNDLE' '$ID' 3<'$WORK/socket'" </dev/null
    [ "$output" = " " ]
}

# ---- signals ------------------------------------------------------------------------------------

@test "signals are passed on, real-time ones too" {
    bundle
    args sh -c 'for s in HUP INT QUIT USR1 USR2 WINCH TERM CONT RTMIN; do trap "echo got-$s" $s; done
        trap "exit 5" ALRM; echo ready; while :; do sleep 0.05; done'
    "$BULKHEAD" --root "$STATE" run --bundle "$BUNDLE" "$ID" >"$WORK/signals" </dev/null 3>&- &
    BACKGROUND=$!
    wait_until 10 grep -q ready "$WORK/signals"
    local signal
    for signal in HUP INT QUIT USR1 USR2 TERM CONT; do
        kill -s "$signal" "$BACKGROUND"
        wait_until 5 grep -q "got-$signal" "$WORK/signals"
    done
    kill -ALRM "$BACKGROUND"
    wait "$BACKGROUND" || [ $? -eq 5 ]
    fails_with "does not exist" rt state "$ID"
}

@test "what the caller ignores the container does not" {
    bundle
    args grep SigIgn /proc/self/status
    run sh -c "trap '' HUP INT QUIT PIPE TERM CHLD USR1 XFSZ; exec '$BULKHEAD' --root '$STATE' run --bundle '$BUNDLE' '$ID'" </dev/null
    echo "$output"
    [ "$output" = $'SigIgn:\t0000000000000000' ]
    args sleep 1000
    quietly sh -c "trap '' HUP INT; exec '$BULKHEAD' --root '$STATE' run -d --bundle '$BUNDLE' '$ID'"
    run sh -c "trap '' HUP INT; exec '$BULKHEAD' --root '$STATE' exec '$ID' grep SigIgn /proc/1/status /proc/self/status"
    [ "$(grep -c 'SigIgn:.0000000000000000' <<<"$output")" -eq 2 ]
}

@test "orphans of a container come to run, unless told otherwise" {
    bundle
    config '.linux.namespaces |= map(select(.type != "pid"))'
    args sh -c '(sleep 600 & echo $! >/dev/shm/orphan); sleep 600'
    local flag parent orphan
    for flag in "" --no-subreaper; do
        # shellcheck disable=SC2086  # no argument when empty
        "$BULKHEAD" --root "$STATE" run $flag --bundle "$BUNDLE" "$ID" </dev/null >/dev/null 2>&1 3>&- &
        BACKGROUND=$!
        wait_until 10 sh -c "'$BULKHEAD' --root '$STATE' exec '$ID' cat /dev/shm/orphan >'$WORK/orphan' 2>/dev/null"
        orphan=$(cat "$WORK/orphan")
        parent=$(awk '/^PPid:/ { print $2 }' "/proc/$orphan/status")
        rt kill --all "$ID" KILL
        wait_until 10 process_gone "$BACKGROUND"
        wait "$BACKGROUND" || :
        if [ -z "$flag" ]; then
            [ "$parent" -eq "$BACKGROUND" ]
        else
            [ "$parent" -ne "$BACKGROUND" ]
        fi
    done
}

# ---- the program's own file -----------------------------------------------------------------------

# The worst case: the container's process sees the runtime's in the host's PID namespace, and has the
# capabilities to look at it and to write any file.
writer_in_container() {
    bundle
    own_rootfs
    config '.linux.namespaces |= map(select(.type != "pid"))
        | .process.capabilities |= map_values(. + ["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"])'
    # Opens the runtime's file without reading it, waits for the runtime's end, then wants to write.
    args sh -c 'exec 7</proc/$PPID/exe; p=$PPID; (while [ -e /proc/$p ]; do sleep 0.05; done
        (: >>/proc/self/fd/7) 2>/w && echo WRITABLE >/w; echo end >>/w) & readlink /proc/$PPID/exe; :'
}

@test "the program's file cannot be written through a process that enters a container" {
    writer_in_container
    local before
    before=$(sha256sum "$BULKHEAD")
    run rt run --no-subreaper --keep --bundle "$BUNDLE" "$ID"
    echo "$output"
    [[ $output == / || $output == /memfd:bulkhead* ]]
    wait_until 10 grep -q end "$BUNDLE/rootfs/w"
    cat "$BUNDLE/rootfs/w"
    run grep -c WRITABLE "$BUNDLE/rootfs/w"
    [ "$output" -eq 0 ]
    [ "$(sha256sum "$BULKHEAD")" = "$before" ]
}

@test "without the right to clone mounts the program runs from a sealed copy" {
    require_command setpriv strace
    # As a user whom the file belongs to, so that it may be written, and who may not clone mounts.
    install -o 65534 -m 0755 "$BULKHEAD" "$WORK/bulkhead"
    run setpriv --reuid 65534 --clear-groups strace -e trace=execveat,memfd_create,fcntl \
        "$WORK/bulkhead" --root "$WORK/none" create --bundle /nonexistent x
    [[ $output == *"memfd_create("*"F_ADD_SEALS, F_SEAL_SEAL|F_SEAL_SHRINK|F_SEAL_GROW|F_SEAL_WRITE"*"execveat("*" = 0"* ]]
    [[ $output == *"chdir /nonexistent"* ]]
    # A file that belongs to root needs no copy: such a user's containers cannot write it either.
    chown 0 "$WORK/bulkhead"
    run setpriv --reuid 65534 --clear-groups strace -e trace=execveat,memfd_create \
        "$WORK/bulkhead" --root "$WORK/none" create --bundle /nonexistent x
    [[ $output != *memfd_create* ]]
    [[ $output == *"chdir /nonexistent"* ]]
}

@test "what does not enter a container runs as it is" {
    require_command strace
    run strace -e trace=execve,execveat "$BULKHEAD" --root "$STATE" list -q
    [ "$(grep -c execve <<<"$output")" -eq 1 ]
}
