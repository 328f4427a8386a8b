#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The runtime in the hands of an ordinary user: no privilege, no setuid but newuidmap's.

load lib
load "${BATS_TEST_DIRNAME}/../lib/node"

setup_file() {
    require_root
    runtime_setup
    # A node, so that the user and the subordinate ids exist for the tests alone.
    node_start
    export USER_ID=4711 USER_NAME=tenant
    node sh -c "echo '$USER_NAME:x:$USER_ID:$USER_ID::/:/bin/sh' >>/etc/passwd
        echo '$USER_NAME:x:$USER_ID:' >>/etc/group
        echo '$USER_NAME:400000:65536' >>/etc/subuid
        echo '$USER_NAME:400000:65536' >>/etc/subgid"
    mkdir -p "$WORK/user" "$WORK/xdg"
    chmod 0755 "$WORK"
    cp "$BULKHEAD" "$WORK/runtime"
    chown -R "$USER_ID:$USER_ID" "$WORK/user" "$WORK/xdg" "$ROOTFS" "$STATE"
}

teardown_file() {
    node_stop
    runtime_teardown
}

user_rt() {
    node env -i PATH="$PATH" XDG_RUNTIME_DIR="$WORK/xdg" \
        setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups "$WORK/runtime" --root "$STATE" "$@"
}

user_bundle() {
    ID=$TOKEN-u$BATS_TEST_NUMBER
    BUNDLE=$WORK/user/$ID
    mkdir -p "$BUNDLE"
    chown "$USER_ID:$USER_ID" "$BUNDLE"
    (cd "$BUNDLE" && user_rt spec --rootless --bundle "$BUNDLE")
    config '.process.terminal = false | .process.args = ["sleep", "1000"] | .root.path = $rootfs'
    chown "$USER_ID:$USER_ID" "$BUNDLE/config.json"
}

subordinate_ids() {
    config '.linux.uidMappings = [{containerID: 0, hostID: 4711, size: 1}, {containerID: 1, hostID: 400000, size: 65535}]
        | .linux.gidMappings = .linux.uidMappings'
}

teardown() {
    user_rt delete --force "$ID" 2>/dev/null || :
}

@test "run as root of a user namespace with one id" {
    user_bundle
    args sh -c 'id -u; cat /proc/self/uid_map | tr -s " "; exit 3'
    run user_rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" -eq 3 ]
    [ "$output" = "$(printf '0\n 0 4711 1')" ]
}

@test "create, start, exec, kill, delete" {
    user_bundle
    quietly user_rt create --bundle "$BUNDLE" "$ID"
    user_rt start "$ID"
    [ "$(user_rt exec "$ID" id -u)" = 0 ]
    [ "$(user_rt state "$ID" | jq -r .status)" = running ]
    user_rt kill "$ID" KILL
    wait_until 5 sh -c "! kill -0 $(user_rt state "$ID" | jq .pid) 2>/dev/null" || :
    user_rt delete --force "$ID"
    [ ! -e "$STATE/$ID" ]
}

@test "exec into a container that was only created" {
    user_bundle
    quietly user_rt create --bundle "$BUNDLE" "$ID"
    [ "$(user_rt exec "$ID" id -u)" = 0 ]
    # It can be looked into, so the caller's environment must not be there.
    [ "$(user_rt exec "$ID" cat /proc/1/environ | tr -d '\0')" = "" ]
}

@test "without cgroup and pid namespace of its own: a warning" {
    user_bundle
    config '.linux.namespaces |= map(select(.type != "pid")) | del(.linux.cgroupsPath)
        | .mounts |= map(if .type == "proc" then {destination: "/proc", source: "/proc", options: ["rbind"]} else . end)'
    args true
    run user_rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"Such configuration is strongly discouraged"* ]]
}

@test "with the host's network its sysfs is shown, read-only with all that is mounted on it" {
    user_bundle
    config '.linux.namespaces |= map(select(.type != "network"))
        | .mounts |= (map(select(.destination | startswith("/sys") | not))
            + [{destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"]}])'
    args grep ' / /sys' /proc/self/mountinfo
    run user_rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *" /sys ro,"*" /sys/"* ]]
    ! grep -v ' /sys[^ ]* ro,' <<<"$output" || false
}

@test "subordinate ids through newuidmap" {
    user_bundle
    subordinate_ids
    config '.process.capabilities |= map_values(["CAP_CHOWN"])'
    args sh -c 'wc -l </proc/self/uid_map; touch /tmp/owned && chown 1000:1000 /tmp/owned && stat -c %u /tmp/owned'
    config '.mounts += [{destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["mode=1777"]}]'
    run user_rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$output" = "$(printf '2\n1000')" ]
}

@test "another user's ids are refused by newuidmap and nothing is left" {
    user_bundle
    config '.linux.uidMappings = [{containerID: 0, hostID: 0, size: 1}] | .linux.gidMappings = .linux.uidMappings'
    run user_rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" -ne 0 ]
    [ ! -e "$STATE/$ID" ]
}

@test "devices are bound from the host, and work" {
    user_bundle
    args sh -c 'echo x >/dev/null && head -c 4 /dev/urandom | wc -c && stat -c %F /dev/zero'
    run user_rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$output" = "$(printf '4\ncharacter special file')" ]
}

@test "a terminal" {
    user_bundle
    config '.process.terminal = true'
    args sh -c 'tty; stat -c %F /dev/console'
    run script -qec "$(declare -p USER_ID WORK STATE NODE_PID PATH ID BUNDLE); $(declare -f node user_rt); user_rt run --bundle '$BUNDLE' '$ID'" /dev/null </dev/null
    echo "$output"
    [[ $output == *"/dev/pts/0"*"character special file"* ]]
}

@test "seccomp filters load, with and without no_new_privs" {
    user_bundle
    config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"],
        syscalls: [{names: ["chmod", "fchmod", "fchmodat"], action: "SCMP_ACT_ERRNO", errnoRet: 38}]}'
    args sh -c 'chmod 700 /dev/shm; grep Seccomp: /proc/self/status'
    run user_rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [[ $output == *"not implemented"* ]]
    [[ $output == *"Seccomp:"*2* ]]
    config '.process.noNewPrivileges = false'
    run user_rt run --bundle "$BUNDLE" "$ID"
    [[ $output == *"not implemented"* ]]
}

@test "limits that need a cgroup are refused, naming it" {
    user_bundle
    config '.linux.resources.memory.limit = 67108864 | .linux.cgroupsPath = "/" + $id'
    run user_rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    [ "$status" -ne 0 ]
    [[ $output == *cgroup* ]]
    [ ! -e "$STATE/$ID" ]
}
