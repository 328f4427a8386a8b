# SPDX-License-Identifier: Apache-2.0
#
# Docker in a node of its own. DOCKER and DOCKERD are the client and the daemon, by default Debian's. With
# BULKHEAD_SHIM the runtime under test is driven by that shim, which a daemon can from 24.0 on
# ("runtimeType"). Load after lib.

# shellcheck disable=SC2154  # variables of lib
TOOLS=${TOOLS:-${XDG_CACHE_HOME:-/var/cache}/bulkhead/tools}
: "${DOCKER:=/usr/bin/docker}" "${DOCKERD:=dockerd}"
if [ -n "${BULKHEAD_SHIM:-}" ]; then
    SHIM_NAME=containerd-shim-bulkhead-v2
else
    SHIM_NAME=containerd-shim-runc-v2
fi

# runtime_entry: what the daemon's configuration says of the runtime under test; may make what it needs in $WORK.
runtime_entry() {
    if [ -n "${BULKHEAD_SHIM:-}" ]; then
        echo '{"runtimeType": "io.containerd.bulkhead.v2"}'
    else
        echo "{\"path\": \"$BULKHEAD\"}"
    fi
}

docker() {
    node "$DOCKER" "$@"
}

# box [OPTION...] COMMAND...: a container in the foreground, removed when it ends. Options with
# values are written --name=value.
box() {
    local options=()
    while [[ $1 == --* ]]; do
        options+=("$1")
        shift
    done
    docker run --rm "${options[@]}" box "$@"
}

# box_start NAME [OPTION...] COMMAND...: a container in the background.
box_start() {
    local options=() name=$1
    shift
    while [[ $1 == --* ]]; do
        options+=("$1")
        shift
    done
    docker run --detach --name "$name" "${options[@]}" box "$@"
}

# box_loop NAME [OPTION...]: a background container that answers SIGTERM with exit status 42.
box_loop() {
    box_start "$@" sh -c 'trap "exit 42" TERM; echo ready; while :; do usleep 20000; done'
    wait_until 10 box_logged "$1" ready
}

box_logged() {
    docker logs "$1" 2>&1 | grep -q "$2"
}

# field NAME TEMPLATE: of docker inspect.
field() {
    docker inspect --format "{{$2}}" "$1"
}

# field_is NAME TEMPLATE VALUE
field_is() {
    [ "$(field "$1" "$2")" = "$3" ]
}

# limit NAME v1-CONTROLLER v1-FILE v2-FILE: what the kernel holds for the container.
limit() {
    cgroup_limit "$TOKEN/$(field "$1" .Id)" "$2" "$3" "$4"
}

# host_ns KIND [PID]: identity of a namespace of the node, or of one of its processes.
host_ns() {
    node readlink "/proc/${2:-self}/ns/$1"
}

dockerd_start() {
    local path=${BULKHEAD_SHIM:-/usr/bin/x}
    node_spawn dockerd env PATH="$WORK/bin:${path%/*}:$PATH" "$DOCKERD" --config-file "$WORK/daemon.json" --pidfile /run/docker.pid "$@"
    echo "$NODE_LAST" >"$WORK/dockerd.pid"
    wait_until 30 docker version || {
        tail -n 30 "$WORK/log/dockerd" >&2
        return 1
    }
}

dockerd_stop() {
    node_kill "$(cat "$WORK/dockerd.pid")"
}

# docker_setup: for setup_file: the daemon in a node, with the image "box"; one that is not Debian's has the
# containerd that it comes with. Debian's proxy for published ports is its own daemon's alone; without it they are the
# kernel's work.
docker_setup() {
    caller_setup "$DOCKERD" "$DOCKER" containerd
    export DOCKER_CONFIG=$WORK/client
    mkdir -p "$WORK/bin"
    [ "$DOCKERD" = dockerd ] || [ ! -x "$TOOLS/containerd-1.7" ] || ln -s "$TOOLS/containerd-1.7" "$WORK/bin/containerd"
    cat >"$WORK/daemon.json" <<END
{
    "data-root": "$WORK/docker",
    "storage-driver": "overlay2",
    "cgroup-parent": "/$TOKEN",
    "exec-opts": ["native.cgroupdriver=cgroupfs"],
    "runtimes": {"bulkhead": $(runtime_entry)},
    "default-runtime": "bulkhead",
    "userland-proxy": $([ "$DOCKERD" = dockerd ] && echo true || echo false),
    "live-restore": true
}
END
    dockerd_start
    docker load --input "$WORK/image.tar"
}

# docker_remove_all: for teardown.
docker_remove_all() {
    local left
    left=$(docker ps --all --quiet)
    # shellcheck disable=SC2086  # a list of ids
    [ -z "$left" ] || docker rm --force --volumes $left >/dev/null
}
