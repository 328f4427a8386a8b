# SPDX-License-Identifier: Apache-2.0
#
# containerd in a node of its own, driven by ctr. Load after lib.

# shellcheck disable=SC2154  # variables of lib

if [ -n "${BULKHEAD_SHIM:-}" ]; then
    ENGINE=(--runtime io.containerd.bulkhead.v2)
    SHIM_NAME=containerd-shim-bulkhead-v2
else
    ENGINE=(--runc-binary "$BULKHEAD")
    SHIM_NAME=containerd-shim-runc-v2
fi

# The containerd namespace: containers' cgroups are below /TOKEN.
ctr() {
    node ctr --namespace "$TOKEN" "$@"
}

# box [OPTION...] ID COMMAND...: a container in the foreground, removed when it ends.
box() {
    local options=()
    while [[ $1 == --* ]]; do
        options+=("$1")
        shift
    done
    ctr run --rm "${ENGINE[@]}" "${options[@]}" "$IMAGE" "$@"
}

# box_start [OPTION...] ID COMMAND...: a container in the background, output in $WORK/out.ID.
box_start() {
    local options=()
    while [[ $1 == --* ]]; do
        options+=("$1")
        shift
    done
    ctr run --detach --log-uri "file://$WORK/out.$1" "${ENGINE[@]}" \
        "${options[@]}" "$IMAGE" "$@"
}

# box_loop ID [OPTION...]: a background container that answers SIGTERM with exit status 42 and
# counts in /count.
box_loop() {
    local id=$1
    shift
    box_start "$@" "$id" sh -c \
        'trap "exit 42" TERM; echo ready; while :; do echo >>/count; usleep 20000; done'
    wait_until 10 grep -q ready "$WORK/out.$id"
}

# eof_after_echo COMMAND...: gives COMMAND a line, and end of file once it came back: ctr forgets
# an end of file that comes while it is still starting.
eof_after_echo() {
    {
        echo typed
        wait_until 10 grep -q typed "$WORK/echo"
    } | "$@" | tee "$WORK/echo"
    rm -f "$WORK/echo"
}

box_status() {
    ctr tasks list | awk -v id="$1" '$1 == id { print $3 }'
}

box_pid() {
    ctr tasks list | awk -v id="$1" '$1 == id { print $2 }'
}

box_is() {
    [ "$(box_status "$1")" = "$2" ]
}

box_gone() {
    [ -z "$(box_status "$1")" ]
}

# box_remove ID: whatever state it is in. Status of the removal.
box_remove() {
    ctr tasks resume "$1" &>/dev/null || :
    if ! box_gone "$1"; then
        ctr tasks delete --force "$1" &>/dev/null || :
    fi
    ctr containers delete "$1"
}

# containerd_start [OPTION...]: with the shim under test where it looks for it.
containerd_start() {
    local path=${BULKHEAD_SHIM:-/usr/bin/x}
    node_spawn containerd env PATH="${path%/*}:$PATH" containerd --config "$WORK/containerd.toml" "$@"
    echo "$NODE_LAST" >"$WORK/containerd.pid"
    wait_until 20 ctr version
}

containerd_stop() {
    node_kill "$(cat "$WORK/containerd.pid")"
}

# containerd_setup: for setup_file: the node, containerd in it, the images.
containerd_setup() {
    caller_setup containerd ctr "${BULKHEAD_SHIM:-containerd-shim-runc-v2}"
    cat >"$WORK/containerd.toml" <<END
version = 2
root = "$WORK/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "/run/containerd/containerd.sock"
END
    containerd_start
    ctr images import "$WORK/image.tar"
    "$TESTS_LIB/make-image" -u tester:extra -w /tmp docker.io/library/tester:latest "$WORK/tester.tar"
    ctr images import "$WORK/tester.tar"
}

teardown_file() {
    caller_teardown
}

teardown() {
    local id
    for id in $(ctr containers list -q); do
        box_remove "$id" || :
    done
}

# bats test_tags=essential
