#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What runc's users are used to though no specification says so: found by the suites of others.

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

# require_cgroup 1|2: what the host has is missing in the lab, and the other way round.
require_cgroup() {
    local version=1
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] || version=2
    [ "$1" -eq $version ] || skip "needs cgroup version $1"
}

@test "of several values for one name in the environment the last counts" {
    bundle
    config '.process.env = ["A=1", "HOME=", "B=2", "A=", "A=3", "PATH=/usr/bin:/bin"]'
    args env
    run rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$output" = "$(printf '%s\n' B=2 A=3 PATH=/usr/bin:/bin HOME=/root)" ]
}

@test "a hook without an environment: the runtime's, or the process's for startContainer" {
    bundle
    own_rootfs
    printf '#!/bin/sh\nenv >/hook-env\n' >"$BUNDLE/rootfs/hook"
    printf '#!/bin/sh\n/usr/bin/env >%s/host-env\n' "$BUNDLE" >"$BUNDLE/hook"
    chmod +x "$BUNDLE/rootfs/hook" "$BUNDLE/hook"
    config '.process.env = ["OF=process", "PATH=/usr/bin:/bin"]
        | .hooks = {createRuntime: [{path: "\($bundle)/hook"}], startContainer: [{path: "/hook"}]}'
    args true
    OF=runtime rt run --bundle "$BUNDLE" "$ID"
    grep -qx OF=process "$BUNDLE/rootfs/hook-env"
    grep -qx OF=runtime "$BUNDLE/host-env"
    config '.hooks.createRuntime[0].env = ["OF=hook"]'
    OF=runtime rt run --bundle "$BUNDLE" "$ID"
    grep -qx OF=hook "$BUNDLE/host-env"
    ! grep -qx OF=runtime "$BUNDLE/host-env" || false
}

@test "a created container holds no descriptor of the host's but its sockets and standard ones" {
    bundle
    quietly rt --log "$BUNDLE/log" create --bundle "$BUNDLE" --pid-file "$BUNDLE/pid" "$ID" 7</etc
    local fd
    for fd in "/proc/$(cat "$BUNDLE/pid")"/fd/*; do
        [ "${fd##*/}" -gt 2 ] || continue
        [[ $(readlink "$fd") == socket:* ]] || { ls -l "$fd"; return 1; }
    done
    rt start "$ID"
}

@test "the caller's CPU affinity ends at the container" {
    bundle
    local all first
    all=$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status)
    first=${all%%[-,]*}
    [ "$all" != "$first" ] || skip "there is one CPU only"
    args grep Cpus_allowed_list: /proc/self/status
    run taskset -c "$first" "$BULKHEAD" --root "$STATE" run --bundle "$BUNDLE" "$ID"
    [ "$output" = "$(printf 'Cpus_allowed_list:\t%s' "$all")" ]
    args sleep 1000
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    run taskset -c "$first" "$BULKHEAD" --root "$STATE" exec "$ID" grep Cpus_allowed_list: /proc/self/status
    [ "$output" = "$(printf 'Cpus_allowed_list:\t%s' "$all")" ]
    # The names of execCPUAffinity are obeyed all the same.
    jq --arg cpu "$first" '.process | .execCPUAffinity = {initial: $cpu}
        | .args = ["grep", "Cpus_allowed_list:", "/proc/self/status"]' "$BUNDLE/config.json" >"$BUNDLE/process.json"
    run rt exec --process "$BUNDLE/process.json" "$ID"
    [ "$output" = "$(printf 'Cpus_allowed_list:\t%s' "$first")" ]
    jq --arg cpu "$first" '.execCPUAffinity = {initial: "0-63", final: $cpu}' "$BUNDLE/process.json" >"$BUNDLE/both.json"
    run rt exec --process "$BUNDLE/both.json" "$ID"
    [ "$output" = "$(printf 'Cpus_allowed_list:\t%s' "$first")" ]
}

@test "debug lines go where the log goes, in its format" {
    bundle
    args true
    run rt --debug run --bundle "$BUNDLE" "$ID"
    [[ $output == *level=debug* ]]
    run rt --debug --log "$BUNDLE/log" --log-format json run --bundle "$BUNDLE" "$ID"
    [ -z "$output" ]
    jq -es 'length > 0 and all(.level == "debug")' "$BUNDLE/log"
}

@test "an ambient capability that is not inheritable is left out with a warning" {
    bundle
    config '.process.capabilities.inheritable = ["CAP_KILL"] | .process.capabilities.ambient = ["CAP_KILL", "CAP_CHOWN"]
        | .process.capabilities.permitted += ["CAP_CHOWN"] | .process.capabilities.bounding += ["CAP_CHOWN"]'
    args grep CapAmb /proc/self/status
    run rt run --bundle "$BUNDLE" "$ID"
    [[ $output == *"can't raise ambient capability CAP_CHOWN: "* ]]
    [[ $output == *$'CapAmb:\t0000000000000020'* ]]
}

@test "a capability that nobody knows is left out with a warning" {
    bundle
    args true
    config '.process.capabilities.bounding += ["CAP_TOMORROW"]'
    run rt run --bundle "$BUNDLE" "$ID"
    [ "$status" -eq 0 ]
    [[ $output == *"/process/capabilities: unknown, ignoring: CAP_TOMORROW"* ]]
}

@test "a first process for which there is not enough memory is told as such" {
    bundle
    args true
    config '.linux.resources.memory = {limit: 4096}'
    fails_with "OOM-killed (memory limit too low?)" rt run --bundle "$BUNDLE" "$ID"
    [ ! -e "$STATE/$ID" ]
}

@test "a FIFO in place of config.json stops nobody" {
    bundle
    rm "$BUNDLE/config.json"
    mkfifo "$BUNDLE/config.json"
    fails_with "not valid JSON" timeout -s KILL 20 "$BULKHEAD" --root "$STATE" run --bundle "$BUNDLE" "$ID"
}

@test "device rules stand in the controller in the document's order" {
    require_cgroup 1
    bundle
    config '.linux.resources.devices = [{allow: false, access: "rwm"},
        {allow: true, type: "c", major: 10, minor: 229, access: "rwm"},
        {allow: true, type: "b", major: 8, minor: 20, access: "rw"},
        {allow: true, type: "c", major: 4, minor: 5, access: "r"},
        {allow: true, type: "b", major: 1, minor: 1, access: "r"},
        {allow: false, type: "c", major: 4, minor: 5, access: "r"}]'
    quietly rt create --bundle "$BUNDLE" "$ID"
    run head -n 3 "/sys/fs/cgroup/devices/$ID/devices.list"
    [ "$output" = "$(printf '%s\n' 'c 10:229 rwm' 'b 8:20 rw' 'b 1:1 r')" ]
}

@test "without process a container can be created, but there is nothing to start" {
    bundle
    config 'del(.process)'
    fails_with "/process" rt run --bundle "$BUNDLE" "$ID"
    quietly rt create --bundle "$BUNDLE" "$ID"
    has_status "$ID" created
    fails_with "process" rt exec "$ID" true
    run rt start "$ID"
    [[ $output == *"/process is missing"* ]]
    has_status "$ID" stopped
    rt delete "$ID"
}

@test "a bind mount with options of a file system: they are ignored, and that is said" {
    bundle
    config '.mounts += [{destination: "/mnt", source: $bundle, options: ["bind", "size=1k", "ro"]}]'
    args ls /mnt/config.json
    run rt run --bundle "$BUNDLE" "$ID"
    [ "$status" -eq 0 ]
    [[ $output == *"ignoring 'size=1k'"* ]]
}

@test "a startContainer hook is the container's: its filter and its capabilities hold" {
    bundle
    own_rootfs
    printf '#!/bin/sh\ngrep CapEff /proc/self/status >/caps\nmkdir /made-by-hook\n' >"$BUNDLE/rootfs/hook"
    chmod +x "$BUNDLE/rootfs/hook"
    args true
    # Without no_new_privs the filter comes before capabilities are given up.
    config '.process.noNewPrivileges = false | .process.rlimits = [{type: "RLIMIT_CORE", soft: 0, hard: 0}]
        | .process.capabilities |= map_values(["CAP_KILL"])
        | .hooks.startContainer = [{path: "/hook"}]
        | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [
            {names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 1},
            {names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38}]}'
    fails_with "error running startContainer hook #0" rt run --bundle "$BUNDLE" "$ID"
    [ ! -e "$BUNDLE/rootfs/made-by-hook" ]
    [ "$(cat "$BUNDLE/rootfs/caps")" = $'CapEff:\t0000000000000020' ]
    config '.linux.seccomp.syscalls[0].action = "SCMP_ACT_KILL" | del(.linux.seccomp.syscalls[0].errnoRet)
        | .hooks.startContainer = [{path: "/bin/mkdir", args: ["mkdir", "/made-by-hook"]}]'
    fails_with "bad system call" rt run --bundle "$BUNDLE" "$ID"
}

@test "a created container can be ended by an ordinary signal" {
    local signal
    for signal in TERM INT HUP; do
        bundle "created-$signal"
        quietly rt create --bundle "$BUNDLE" "$ID"
        rt kill "$ID" "$signal"
        wait_until 5 has_status "$ID" stopped
        rt delete "$ID"
    done
}

@test "offsets of clocks in a new time namespace, below a user namespace too" {
    bundle
    config '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {boottime: {secs: 1337, nanosecs: 7}}'
    args cat /proc/self/timens_offsets
    run rt run --bundle "$BUNDLE" "$ID"
    [[ $output =~ boottime\ +1337\ +7 ]]
    config '.linux.namespaces += [{type: "user"}]
        | .linux.uidMappings = [{containerID: 0, hostID: 0, size: 1}, {containerID: 1, hostID: 100000, size: 1000}]
        | .linux.gidMappings = .linux.uidMappings'
    run rt run --bundle "$BUNDLE" "$ID"
    [[ $output =~ boottime\ +1337\ +7 ]]
}

@test "what execve refuses is told on the container's standard error, status 255" {
    bundle
    own_rootfs
    printf '#!/no/such/interpreter\n' >"$BUNDLE/rootfs/script"
    printf 'neither ELF nor a script\n' >"$BUNDLE/rootfs/data"
    chmod +x "$BUNDLE/rootfs/script" "$BUNDLE/rootfs/data"
    args /script
    run rt run --bundle "$BUNDLE" "$ID"
    [ "$status" -eq 255 ]
    [ "$output" = "exec /script: no such file or directory" ]
    rt create --bundle "$BUNDLE" "$ID" </dev/null 2>"$BUNDLE/stderr" 3>&-
    rt start "$ID"
    wait_until 5 has_status "$ID" stopped
    [ "$(cat "$BUNDLE/stderr")" = "exec /script: no such file or directory" ]
    rt delete "$ID"
    args sleep 1000
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    run rt exec "$ID" /data
    [ "$status" -eq 255 ]
    [ "$output" = "exec /data: exec format error" ]
}

@test "a cpuset that somebody made and left empty is filled" {
    require_cgroup 1
    bundle
    mkdir -p "/sys/fs/cgroup/cpuset/$ID-pod/middle"
    config '.linux.cgroupsPath = "/\($id)-pod/middle/c"'
    args cat /proc/self/status
    run rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    rmdir "/sys/fs/cgroup/cpuset/$ID-pod/middle" "/sys/fs/cgroup/cpuset/$ID-pod"
    [ "$status" -eq 0 ]
}

@test "exec follows init when the container passes its controllers on" {
    require_cgroup 2
    bundle
    config '.mounts |= map(if .type == "cgroup" then .options -= ["ro"] else . end)'
    quietly rt run --detach --bundle "$BUNDLE" "$ID"
    rt exec "$ID" sh -c 'mkdir /sys/fs/cgroup/inner && echo 1 >/sys/fs/cgroup/inner/cgroup.procs'
    [ "$(rt exec "$ID" cat /proc/self/cgroup)" = "0::/" ]
    rt exec "$ID" sh -c 'echo $$ >/sys/fs/cgroup/inner/cgroup.procs; echo +memory >/sys/fs/cgroup/cgroup.subtree_control'
    [ "$(rt exec "$ID" cat /proc/self/cgroup)" = "0::/inner" ]
    # Asked for by name, the group that takes no process is an error.
    fails_with "$ID/cgroup.procs: device or resource busy" rt exec --cgroup / "$ID" true
}

@test "a group in which somebody lives is refused, and what is still empty of it left alone" {
    require_cgroup 1
    bundle
    local pids=/sys/fs/cgroup/pids/$ID memory=/sys/fs/cgroup/memory/$ID sleeper
    mkdir "$pids" "$memory"
    sleep 100 3>&- &
    sleeper=$!
    echo "$sleeper" >"$memory/cgroup.procs"
    fails_with "container's cgroup is not empty" rt run --bundle "$BUNDLE" "$ID"
    rmdir "$pids" # it must be there still
    kill "$sleeper"
    wait "$sleeper" || :
    rmdir "$memory"
    [ -z "$(leaks_list_cgroups "$ID")" ]
    [ ! -e "$STATE/$ID" ]
}

@test "limits that nobody keeps, with the disabled cgroup manager, are told of" {
    bundle
    args cat /proc/self/cgroup
    run rt --cgroup-manager disabled run --bundle "$BUNDLE" "$ID"
    [ "$status" -eq 0 ]
    [[ $output == *level=warning*"/linux/resources: not in force"* ]]
    [[ $output != *"$ID"* ]]
    config 'del(.linux.resources)'
    run rt --cgroup-manager disabled run --bundle "$BUNDLE" "$ID"
    [[ $output != *level=warning* ]]
}
