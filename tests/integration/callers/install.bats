#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# `bulkhead node`: into the configurations that real engines print and read, and out of them again.

# shellcheck disable=SC2030,SC2031,SC2154  # variables of bats
load lib
load install

: "${DOCKER:=/usr/bin/docker}"

setup_file() {
    caller_setup containerd dockerd "$DOCKER"
    install_programs
}

teardown_file() { caller_teardown; }

setup() {
    CONFIG=/etc/containerd/config.toml
    DAEMON=containerd
    node rm -rf /etc/containerd /etc/docker
    node mkdir -p /etc/containerd
}

# configuration COMMAND…: what it prints becomes containerd's configuration, and the original.
configuration() {
    "$@" >"$WORK/original"
    node cp "$WORK/original" "$CONFIG"
}

dump() { node "$DAEMON" --config "$CONFIG" config dump 2>/dev/null; }

is_original() { node cmp "$WORK/original" "$CONFIG"; }

# type_of HANDLER [KEY]: its runtime_type, as the daemon reads it.
type_of() {
    dump | awk -v handler="$1" -v key="${2:-runtime_type}" '
        /^ *\[/ { in_it = $0 ~ "containerd.runtimes." handler "]" }
        in_it && $1 == key { gsub(/.*= *.|.$/, ""); print }'
}

is_version_2() { [[ $("$DAEMON" --version) == *" v2."* || $("$DAEMON" --version) == *" 2."* ]]; }

# Pods with user namespaces are granted to containerd's own type alone.
runc_is_ours() {
    if is_version_2; then
        [ "$(type_of runc) $(type_of runc runtime_path)" = "io.containerd.runc.v2 /usr/local/bin/containerd-shim-bulkhead-v2" ]
    else
        [ "$(type_of runc)" = io.containerd.bulkhead.v2 ]
    fi
}

@test "install: what each containerd prints as its default goes in, is read, and comes out to the byte" {
    local after
    for DAEMON in $(daemons); do
        echo "# $("$DAEMON" --version)"
        configuration "$DAEMON" config default
        dump >"$WORK/dump"
        run -0 setup_node install --engine containerd
        [[ $output == *"plan:"*"to do: systemctl restart containerd"* ]]
        runc_is_ours
        [ "$(type_of kata)" = io.containerd.bulkhead-kata.v2 ]
        # Nothing else changes for the daemon.
        after=$(diff <(dump) "$WORK/dump" | grep -c '^>' || :)
        [ "$after" -le 3 ] || { diff <(dump) "$WORK/dump"; return 1; }
        run -0 setup_node install --engine containerd
        [ "$output" = "nothing to do" ]
        run -0 setup_node uninstall --engine containerd
        is_original
        [ "$(node find /etc/containerd -type f)" = "$CONFIG" ]
        run -0 setup_node uninstall --engine containerd
        [ "$output" = "nothing to do" ]
    done
}

@test "install: a directory of drop-ins is used where containerd merges what is in it, and only there" {
    local imports="imports = ['/etc/containerd/conf.d/*.toml']"
    for DAEMON in $(daemons); do
        configuration printf '%s\n' 'version = 2' "$imports" \
            "[plugins.'io.containerd.grpc.v1.cri']" "  sandbox_image = 'kept:1'"
        run -0 setup_node install --engine containerd
        [ "$(type_of kata)" = io.containerd.bulkhead-kata.v2 ]
        dump | grep -q kept:1
        if is_version_2; then
            is_original
            node test -e /etc/containerd/conf.d/bulkhead.toml
        else
            node test ! -e /etc/containerd/conf.d
        fi
        run -0 setup_node uninstall --engine containerd
        is_original
        # Nor the directory that it made; one that was there, or that others use, stays.
        node test ! -e /etc/containerd/conf.d
        is_version_2 || continue
        node mkdir /etc/containerd/conf.d
        setup_node install --engine containerd
        setup_node uninstall --engine containerd
        node rmdir /etc/containerd/conf.d
        setup_node install --engine containerd
        node touch /etc/containerd/conf.d/other.toml
        run -0 setup_node install --engine containerd
        [ "$output" = "nothing to do" ]
        setup_node uninstall --engine containerd
        node rm /etc/containerd/conf.d/other.toml
        node rmdir /etc/containerd/conf.d
    done
}

@test "install: a dry run is a diff that patch(1) takes, and changes nothing" {
    configuration containerd config default
    run -0 setup_node install --engine containerd --dry-run
    is_original
    sed -n '/^---/,$p' <<<"$output" >"$WORK/diff"
    cp "$WORK/original" "$WORK/patched"
    patch --quiet "$WORK/patched" "$WORK/diff"
    setup_node install --engine containerd
    node cmp "$WORK/patched" "$CONFIG"
}

@test "install: a node without a configuration gets one, and loses it again" {
    for DAEMON in $(daemons); do
        node rm -f "$CONFIG"
        setup_node install --engine containerd
        runc_is_ours
        setup_node uninstall --engine containerd
        node test ! -e "$CONFIG"
        # An empty one is not none.
        configuration true
        setup_node install --engine containerd
        runc_is_ours
        setup_node uninstall --engine containerd
        is_original
    done
}

@test "install: what the administrator changed since stays, and is named" {
    configuration containerd config default
    setup_node install --engine containerd
    node sed -i 's/^ *oom_score = 0/oom_score = -7/; s/privileged_without_host_devices = true/# mine\n&/' "$CONFIG"
    run -0 setup_node uninstall --engine containerd
    [[ $output == *"$CONFIG:"*"was changed since, and stays"* ]]
    [[ $output == *"as it was before is in $CONFIG.before-bulkhead"* ]]
    node grep -q 'oom_score = -7' "$CONFIG"
    node grep -q '# mine' "$CONFIG"
    [ "$(type_of runc)" = io.containerd.runc.v2 ]
    # And is in the way of the next installation, which says so before it does anything.
    run ! setup_node install --engine containerd
    [[ $output == *"$CONFIG:"*"was written by \`node install\` and changed since"* ]]
}

@test "install: what cannot be done is refused with file, line and value, and nothing changes" {
    configuration printf '%s\n' 'version = 2' '' '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]' \
        '  runtime_type = "io.containerd.kata.v2"'
    run ! setup_node install --engine containerd
    [[ $output == *"$CONFIG:4: runtime_type = \"io.containerd.kata.v2\": somebody else's"* ]]
    is_original
    # Docker's own packages switch CRI off: of two engines one is left.
    configuration printf '%s\n' '# of containerd.io' 'disabled_plugins = ["cri"]'
    run -0 setup_node install
    [[ $output == *"containerd is left as it is: $CONFIG:2: disabled_plugins = [\"cri\"]: CRI is switched off"* ]]
    is_original
    node test -e /etc/docker/daemon.json
    # A configuration that containerd does not take is not left behind.
    configuration printf '%s\n' 'version = 2' 'root = 5'
    run ! setup_node install --engine containerd
    [[ $output == *"the files are as they were: containerd does not take the new configuration"* ]]
    is_original
    node test ! -e "$CONFIG.before-bulkhead"
}

@test "install: an interrupted installation leaves a configuration that works, old or new" {
    local i
    configuration containerd config default
    for i in 1 2 3 4 5 6; do
        node timeout -s KILL "0.0$((i * 2))" /usr/local/bin/bulkhead node install --engine containerd >/dev/null || :
        dump >/dev/null
        [[ $(type_of runc) == io.containerd.* ]]
    done
    setup_node install --engine containerd
    setup_node uninstall --engine containerd
    is_original
}

docker_info() { node "$DOCKER" info --format '{{.DefaultRuntime}} {{range $name, $_ := .Runtimes}}{{$name}} {{end}}'; }
docker_default_is() { [[ $(docker_info) == "$1 "* ]]; }

@test "install: Docker takes the runtime without a restart, and loses it with one" {
    local pid
    node mkdir -p /etc/docker
    printf '{\n  "data-root": "%s",\n  "cgroup-parent": "/%s",\n  "runtimes": {\n    "other": {"path": "/bin/false"}\n  }\n}\n' \
        "$WORK/docker" "$TOKEN" >"$WORK/original"
    node cp "$WORK/original" /etc/docker/daemon.json
    node_spawn dockerd dockerd --iptables=false --bridge=none
    pid=$NODE_LAST
    wait_until 30 docker_default_is runc
    setup_node install --engine docker
    node kill -HUP "$pid"
    wait_until 10 docker_default_is bulkhead
    [[ $(docker_info) == *other* ]]
    "$TESTS_LIB/make-image" "$IMAGE" "$WORK/box.tar"
    node "$DOCKER" load --input "$WORK/box.tar"
    run -0 node "$DOCKER" run --rm --network=none box echo fine
    [ "$output" = fine ]
    # It forgets a default runtime at its next start alone, and is told that.
    run -0 setup_node uninstall --engine docker
    [[ $output == *"to do: systemctl restart docker"* ]]
    node cmp "$WORK/original" /etc/docker/daemon.json
    node_kill "$pid"
    node_spawn dockerd dockerd --iptables=false --bridge=none
    wait_until 30 docker_default_is runc
    node_kill "$NODE_LAST"
}

@test "install: programs that containerd would not find: their place is told to it, where it listens" {
    local DAEMON
    for DAEMON in $(daemons); do
        configuration "$DAEMON" config default
        ln -sf "$(command -v "$DAEMON")" "$WORK/daemon/containerd"
        run node env PATH="$WORK/daemon:$PATH" "$WORK/usr/bin/bulkhead" node install --engine containerd
        if [[ $("$DAEMON" --version) == *" 1.6."* ]]; then
            [[ $status -ne 0 && $output == *"before 1.7 takes shims from its \$PATH alone, where '$WORK/usr/bin' is not"* ]]
            is_original
        else
            dump | grep -q "runtime_path = .$WORK/usr/bin/containerd-shim-bulkhead-kata-v2"
            setup_node uninstall --engine containerd
        fi
    done
}
