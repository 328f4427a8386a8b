#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command line itself: help, version, completion, manual pages, and what it says to bad input.

load lib

setup_file() {
    bats_require_minimum_version 1.5.0 # for run's options
    runtime_setup
}

teardown_file() {
    runtime_teardown
}

VERBS="check checkpoint create delete events exec kill list pause pod ps restore resume run spec start state
    update features completion help"
MAN=${BATS_TEST_DIRNAME}/../../docs/man

# refused TEXT ARGS…: exit status 1, nothing on standard output, one line on standard error with TEXT.
refused() {
    local text=$1
    shift
    run --separate-stderr "$BULKHEAD" "$@"
    # shellcheck disable=SC2154  # set by run
    [ "$status" -eq 1 ] && [ -z "$output" ] && [ "${#stderr_lines[@]}" -eq 1 ] &&
        [[ $stderr == *"$text"* ]] || { echo "$*: status $status, '$output', '$stderr'"; return 1; }
}

@test "help for the program in all its ways" {
    local way
    for way in -h --help help h ""; do
        # shellcheck disable=SC2086  # the last one is no argument
        run "$BULKHEAD" $way
        [ "$status" -eq 0 ]
        [ "${lines[0]}" = NAME: ]
        [[ ${lines[1]} == *"bulkhead - Open Container Initiative runtime" ]]
    done
    for way in $VERBS; do
        [[ $output == *"   $way  "* ]]
    done
}

@test "help for every verb in all its ways" {
    local verb
    for verb in $VERBS; do
        for way in "$verb -h" "$verb --help" "help $verb" "$verb extra --help"; do
            # These take options in front of their arguments alone.
            [[ $way == "exec extra"* || $way == "ps extra"* ]] && continue
            # shellcheck disable=SC2086  # words
            run "$BULKHEAD" $way
            [ "$status" -eq 0 ] || { echo "$way: $output"; return 1; }
            [ "${lines[0]}" = NAME: ]
            [[ ${lines[1]} == "   bulkhead $verb - "* ]]
        done
    done
}

@test "hidden options work and help keeps quiet about them" {
    run "$BULKHEAD" --help
    [[ $output != *--criu* ]]
    run "$BULKHEAD" update --help
    [[ $output != *--kernel-memory* ]]
    run "$BULKHEAD" kill --help
    [[ $output != *--all* ]]
    run "$BULKHEAD" --criu /x --root "$STATE" list -q
    [ "$status" -eq 0 ]
    [[ $output == *"ignoring"* ]]
}

@test "the version is in lines that engines take apart" {
    local way
    for way in --version -v; do
        run "$BULKHEAD" "$way"
        [ "$status" -eq 0 ]
        [[ ${lines[0]} =~ ^bulkhead\ version\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
        [[ ${lines[1]} =~ ^commit:\ .+ ]]
        [[ ${lines[2]} =~ ^spec:\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
        [[ ${lines[3]} =~ ^libseccomp:\ [0-9.]+$ ]]
    done
}

@test "under another name it says so" {
    ln -s "$BULKHEAD" "$WORK/runc"
    run "$WORK/runc" --version
    [[ ${lines[0]} == "runc version "* ]]
    [[ $output == *"implementation: bulkhead"* ]]
    run "$WORK/runc" list --help
    [[ ${lines[1]} == "   runc list - "* ]]
}

@test "wrong options and arguments are one line" {
    refused "flag provided but not defined: -nosuch" --nosuch
    refused "flag provided but not defined: -nosuch" run --nosuch x
    refused "flag provided but not defined: -nosuch" run x --nosuch=1
    refused "flag provided but not defined: -9" kill x -9
    refused "not defined: -detahc; did you mean 'detach'?" run --detahc x
    refused "not defined: -log-format; it goes before the command" list --log-format json
    refused "flag needs an argument: -log" --log
    refused "bad flag syntax: ---root" ---root x list
    refused "invalid log-format: xml" --log-format xml list
    refused "invalid format: xml" list --format xml
    refused "parse error" run --detach=maybe x
    refused "parse error" events --interval=5 x
    refused "parse error" update --memory 1q x
    refused "from 0 to 65536" run --preserve-fds -1 x
    refused '\"run\" requires exactly 1 argument(s)' run
    refused '\"run\" requires exactly 1 argument(s)' run x y
    refused '\"exec\" requires a minimum of 1 argument(s)' exec
    refused '\"kill\" requires a maximum of 2 argument(s)' kill x y z
    refused "No help topic for 'nosuch'" nosuch
    refused "No help topic for 'nosuch'" nosuch --help
    refused "No help topic for 'nosuch'" help nosuch
    refused "No help topic for 'killl'; did you mean 'kill'?" killl x
    refused "contradicts" --systemd-cgroup --cgroup-manager cgroupfs list
    refused "should not be set to /" --root / list
    refused "should not be set to /" --root /../. list
}

@test "impossible names of containers" {
    local id verb
    for id in a/b .. . ../x "" 'a b' $'a\nb' "$(printf 'x%.0s' {1..1025})"; do
        for verb in state start kill delete pause ps; do
            refused "container" --root "$STATE" "$verb" -- "$id"
        done
        refused "container" --root "$STATE" delete --force -- "$id"
    done
    [ -z "$(ls -A "$STATE")" ]
}

@test "what is not there does not exist" {
    local verb
    for verb in state start kill delete pause resume ps update events; do
        refused "container does not exist" --root "$STATE" "$verb" nosuch
    done
    run rt exec nosuch true
    [ "$status" -eq 255 ]
    [[ $output == *"exec failed: container does not exist"* ]]
    rt delete --force nosuch
}

@test "checkpoint and restore know their options and say no" {
    refused "not supported" checkpoint --image-path x --work-path y --leave-running --tcp-established \
        --ext-unix-sk --shell-job --file-locks --manage-cgroups-mode soft --empty-ns network --pre-dump \
        --status-fd 3 --page-server 1.2.3.4:5 --lazy-pages --parent-path z --auto-dedup name
    refused "not supported" restore -no-subreaper --detach --pid-file x --console-socket y --bundle z \
        --image-path a --work-path b --no-pivot --lsm-profile apparmor:x name
}

@test "list without containers" {
    run "$BULKHEAD" --root "$STATE" list
    [ "$output" = "ID          PID         STATUS      BUNDLE      CREATED     OWNER" ]
    [ "$("$BULKHEAD" --root "$STATE" list --format json)" = "[]" ]
    [ -z "$("$BULKHEAD" --root "$STATE" list --quiet)" ]
    refused "no such file or directory" --root "$WORK/nosuch" list
}

@test "an error goes to the log in its format, and bare to standard error" {
    local log=$WORK/log
    run --separate-stderr "$BULKHEAD" --log "$log" --log-format json --root "$STATE" state nosuch
    [ "$status" -eq 1 ]
    [[ $stderr == "container does not exist"* ]]
    [ "$(wc -l <"$log")" -eq 1 ]
    [ "$(jq -r .level "$log")" = error ]
    [ "$(jq -r .msg "$log")" = "$stderr" ]
    [[ $(jq -r .time "$log") =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8} ]]
    rm "$log"
    run --separate-stderr "$BULKHEAD" --log "$log" --root "$STATE" state nosuch
    [[ $(cat "$log") =~ ^time=\"[^\"]+\"\ level=error\ msg=\"container\ does\ not\ exist ]]
    run --separate-stderr "$BULKHEAD" --root "$STATE" state nosuch
    [[ $stderr =~ ^time=\"[^\"]+\"\ level=error\ msg=\"container\ does\ not\ exist ]]
    refused "open log" --log "$WORK/no/such/dir" list
}

@test "names in an error line cannot talk to a terminal" {
    run --separate-stderr "$BULKHEAD" --log "$WORK/log2" --root "$STATE" state $'\e[31mred'
    [[ $stderr == *"?[31mred"* ]]
    [[ $stderr != *$'\e'* ]]
    run --separate-stderr "$BULKHEAD" --root "$STATE" state $'\e[31mred'
    [[ $stderr != *$'\e'* ]]
}

@test "closed standard streams are not taken by other files" {
    local log=$WORK/log3
    "$BULKHEAD" --log "$log" --root "$STATE" state nosuch 0<&- 1>&- 2>&- || :
    [ "$(wc -l <"$log")" -eq 1 ] # and not a second, bare one by descriptor 2
    run bash -c "'$BULKHEAD' --root '$STATE' list 0<&- 2>&-"
    [ "$status" -eq 0 ]
    [ "${lines[0]%% *}" = ID ]
}

@test "a relative root is below the working directory" {
    mkdir "$WORK/here"
    cd "$WORK"
    run "$BULKHEAD" --root here/../here/. list -q
    [ "$status" -eq 0 ]
    refused "no such file or directory" --root there list
}

@test "an ordinary user's root is below XDG_RUNTIME_DIR and sticky" {
    require_root
    require_command setpriv
    install -d -o 65534 -m 0700 "$WORK/xdg"
    install -m 0755 "$BULKHEAD" "$WORK/bulkhead"
    run env XDG_RUNTIME_DIR="$WORK/xdg" setpriv --reuid 65534 --clear-groups "$WORK/bulkhead" list -q
    [ "$status" -eq 0 ]
    [ "$(stat -c '%a %u' "$WORK/xdg/bulkhead")" = "1700 65534" ]
    # Root keeps to /run.
    run env XDG_RUNTIME_DIR="$WORK/nosuch" "$BULKHEAD" list -q
    [ "$status" -eq 0 ]
    [ ! -e "$WORK/nosuch" ]
}

@test "spec writes a document that it does not overwrite" {
    mkdir "$WORK/spec"
    "$BULKHEAD" spec --bundle "$WORK/spec"
    [ "$(jq -r .ociVersion "$WORK/spec/config.json")" != null ]
    refused "exists. Remove it first" spec -b "$WORK/spec"
    refused "no such file or directory" spec -b "$WORK/spec/nosuch"
    mkdir "$WORK/rootless"
    "$BULKHEAD" spec --rootless -b "$WORK/rootless"
    jq -e '.linux.namespaces | any(.type == "user")' "$WORK/rootless/config.json"
}

@test "features is a document of the spec" {
    "$BULKHEAD" features | jq -e '.ociVersionMax and .linux.seccomp.enabled and (.hooks | length == 6)'
    [ "$("$BULKHEAD" features | jq -r '.annotations[]' | grep -cx "$("$BULKHEAD" -v | sed -n 's/^bulkhead version //p')")" -ge 1 ]
}

# complete WORD…: what bash offers after these words, one a line.
complete_words() {
    bash --norc -c '
        source "$0"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _bulkhead
        printf "%s\n" "${COMPREPLY[@]}"' "$WORK/completion.bash" "$@"
}

@test "bash completes verbs, options, values and files" {
    "$BULKHEAD" completion bash >"$WORK/completion.bash"
    bash -n "$WORK/completion.bash"
    [ "$(complete_words bulkhead ru)" = run ]
    [ "$(complete_words bulkhead --log-format j)" = json ]
    [ "$(complete_words bulkhead --root "$STATE" --debug fea)" = features ]
    [ "$(complete_words bulkhead run --pidf)" = --pidfd-socket ]
    [ "$(complete_words bulkhead list --format t)" = table ]
    [ "$(complete_words bulkhead help checkp)" = checkpoint ]
    [ "$(complete_words bulkhead run --bundle "${WORK%??}")" = "$WORK" ]
    [ -z "$(complete_words bulkhead update --kernel)" ]
}

@test "fish completes verbs, options and values" {
    require_command fish
    "$BULKHEAD" completion fish >"$WORK/completion.fish"
    fish --no-execute "$WORK/completion.fish"
    fish_words() { fish --no-config -c "source $WORK/completion.fish; complete -C '$1'" | cut -f 1; }
    [ "$(fish_words 'bulkhead ru')" = run ]
    [ "$(fish_words 'bulkhead run --pidf')" = --pidfd-socket ]
    [ "$(fish_words 'bulkhead list --format ta')" = table ]
    [ "$(fish_words 'bulkhead help checkp')" = checkpoint ]
}

@test "zsh completes from the first time on" {
    require_command zsh python3
    mkdir "$WORK/zsh"
    "$BULKHEAD" completion zsh >"$WORK/zsh/_bulkhead"
    zsh -n "$WORK/zsh/_bulkhead"
    # Completion wants a terminal and somebody who presses the tabulator key.
    FPATH_DIR=$WORK/zsh python3 - <<'PYTHON'
import os, pty, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.environ.update(PS1="READY", TERM="dumb")
    os.execvp("zsh", ["zsh", "-f", "-i"])
seen = b""
def until(text):
    global seen
    end = time.monotonic() + 30
    while text not in seen:
        if time.monotonic() > end:
            sys.exit(f"no {text!r} in {seen!r}")
        if select.select([fd], [], [], 0.1)[0]:
            seen += os.read(fd, 4096)
    seen = seen.split(text, 1)[1]
until(b"READY")
os.write(fd, b"fpath=($FPATH_DIR $fpath); autoload -Uz compinit; compinit -D -u; echo LOAD''ED\n")
until(b"LOADED")
os.write(fd, b"bulkhead feat\t")
until(b"bulkhead features ")
os.write(fd, b"\x15bulkhead run --pidf\t")
until(b"--pidfd-socket ")
os.write(fd, b"\x15exit\n")
os.waitpid(pid, 0)
PYTHON
}

@test "completion for another shell is refused" {
    refused "no completion for 'tcsh'" completion tcsh
}

# page_of VERB: the manual page that tells of it.
page_of() {
    case $1 in
    "" | help) echo "$MAN/bulkhead.8" ;;
    resume) echo "$MAN/bulkhead-pause.8" ;;
    restore) echo "$MAN/bulkhead-checkpoint.8" ;;
    *) echo "$MAN/bulkhead-$1.8" ;;
    esac
}

@test "every option is in its manual page, with its value, and no other" {
    local verb long short value page want
    "$BULKHEAD" completion list >"$WORK/options"
    while IFS=$'\x1f' read -r verb long short value; do
        page=$(page_of "$verb")
        [ -e "$page" ] || { echo "no page for $verb"; return 1; }
        [ -n "$long" ] || continue
        want=".It ${short:+Fl ${short#-} , }Fl Fl ${long#--}${value:+ Ar $value}"
        grep -qxF -- "$want" "$page" || { echo "$page lacks: $want"; return 1; }
    done < <(tr '\t' '\037' <"$WORK/options")
    for page in "$MAN"/*.8; do
        while read -r long; do
            verb=${page##*/bulkhead}
            verb=${verb%.8}
            case $verb in
            -pause) verb="pause|resume" ;;
            -checkpoint) verb="checkpoint|restore" ;;
            *) verb=${verb#-} ;;
            esac
            grep -qE "^($verb)"$'\t'"--$long"$'\t' "$WORK/options" || { echo "$page: --$long?"; return 1; }
        done < <(sed -nE 's/^\.It (Fl . , )?Fl Fl ([a-z0-9-]+).*/\2/p' "$page")
    done
}

@test "manual pages are well formed" {
    require_command mandoc
    local page
    for page in "$MAN"/*.8; do
        mandoc -T lint -W warning "$page"
    done
}

@test "what the driver script does not know is refused at once, with what there is" {
    local dev=$BATS_TEST_DIRNAME/../../dev
    fails_with "no such target: nosuch (there are: admit bulkhead_yaml " "$dev" fuzz nosuch
    fails_with "no such suite: nosuch (there are: lint unit " "$dev" test nosuch
    fails_with "no such command: nosuch" "$dev" nosuch
}
