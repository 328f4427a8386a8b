# SPDX-License-Identifier: Apache-2.0
#
# Podman and Buildah for podman.bats and podman-rootless.bats. Load after lib.

# podman_configure DIR: a configuration for Podman and Buildah in DIR, which is ~/.config/containers
# or stands in for /etc/containers. The runtime is called `bulkhead`; containers have no network
# unless they ask for one, which is faster.
podman_configure() {
    local no_cgroups=
    if runtime_without_cgroups; then
        # What containers.conf(5) says, and what Podman 4.3 reads.
        no_cgroups=$'runtime_supports_nocgroups = ["bulkhead"]\nruntime_supports_nocgroup = ["bulkhead"]'
    fi
    mkdir -p "$1"
    cat >"$1/containers.conf" <<END
[containers]
netns = "none"
[network]
network_backend = "netavark"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "bulkhead"
runtime_supports_json = ["bulkhead"]
$no_cgroups
[engine.runtimes]
bulkhead = ["$BULKHEAD"]
END
    echo 'unqualified-search-registries = ["docker.io"]' >"$1/registries.conf"
    echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$1/policy.json"
}

# runtime_without_cgroups: whether the runtime under test can leave cgroups alone.
runtime_without_cgroups() {
    "$BULKHEAD" --cgroup-manager=disabled --version &>/dev/null
}

# box [OPTION...] COMMAND...: a container in the foreground, removed when it ends. Options with
# values are written --name=value. PODMAN_BOX: options for every container.
box() {
    local options=()
    while [[ $1 == --* ]]; do
        options+=("$1")
        shift
    done
    podman run --rm "${PODMAN_BOX[@]}" "${options[@]}" "$IMAGE" "$@"
}

# box_start NAME [OPTION...] COMMAND...: a container in the background.
box_start() {
    local options=() name=$1
    shift
    while [[ $1 == --* ]]; do
        options+=("$1")
        shift
    done
    podman run --detach --name "$name" "${PODMAN_BOX[@]}" "${options[@]}" "$IMAGE" "$@"
}

# box_loop NAME [OPTION...]: a background container that answers SIGTERM with exit status 42.
box_loop() {
    box_start "$@" sh -c 'trap "exit 42" TERM; echo ready; while :; do usleep 20000; done'
    wait_until 10 box_logged "$1" ready
}

box_logged() {
    podman logs "$1" 2>&1 | grep -q "$2"
}

# field NAME TEMPLATE: of podman inspect.
field() {
    podman container inspect --format "{{$2}}" "$1"
}

# field_is NAME TEMPLATE VALUE
field_is() {
    [ "$(field "$1" "$2")" = "$3" ]
}

# build_dir: makes $WORK/build with a Dockerfile that wants both root and a user, and what its
# image shows when it runs.
build_dir() {
    mkdir -p "$WORK/build"
    echo content >"$WORK/build/file"
    cat >"$WORK/build/Dockerfile" <<END
FROM $IMAGE
ARG WORD=none
RUN echo "built \$WORD" >/built && test "\$(id -u)" = 0
COPY file /copied
WORKDIR /srv
USER tester
RUN id -un >/tmp/user && pwd >>/tmp/user
CMD cat /built /copied /tmp/user
END
    # shellcheck disable=SC2034  # for the tests
    BUILT=$'built well\ncontent\ntester\n/srv'
}
