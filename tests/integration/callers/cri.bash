# SPDX-License-Identifier: Apache-2.0
#
# Pods by containerd's CRI: a daemon in a node of its own with both handlers, CNI's plugins, crictl.
# HANDLER says whose pods a file tests. Load after lib.

# shellcheck disable=SC2154  # variables of lib
BULKHEAD_SHIM=${BULKHEAD_SHIM:-$(dirname "$BULKHEAD")/../shim/containerd-shim-bulkhead-v2}
TOOLS=${TOOLS:-${XDG_CACHE_HOME:-/var/cache}/bulkhead/tools}
# The daemon under test. RUNC_MORE, KATA_MORE and PLUGINS_MORE are lines for its configuration that a file wants.
CONTAINERD=${CONTAINERD:-containerd}
SOCKET=/run/containerd/containerd.sock
PAUSE=registry.k8s.io/pause:3.6

crictl() { node "$TOOLS/crictl" --config "$WORK/crictl.yaml" "$@"; }
ctr() { node ctr --namespace k8s.io "$@"; }

containerd_start() {
    node_spawn containerd env PATH="$WORK/bin:$PATH" BULKHEAD_CONFIG="$WORK/bulkhead.yaml" "$CONTAINERD" --config "$WORK/containerd.toml"
    echo "$NODE_LAST" >"$WORK/containerd.pid"
    wait_until 20 ctr version
    wait_until 20 crictl pods
}

containerd_kill() { node_kill "$(cat "$WORK/containerd.pid")" KILL; }

write_configuration() {
    : >"$WORK/bulkhead.yaml"
    # What deploy/containerd/ says, with this machine's places.
    cat >"$WORK/kata.toml" <<END
guest = "$(realpath "${GUEST:-$(dirname "$BULKHEAD")/../../guest}")"
accelerator = "${ACCELERATOR:-emulation}"
END
    cat >"$WORK/containerd.toml" <<END
version = 2
root = "$WORK/containerd"
state = "/run/containerd"
[grpc]
  address = "$SOCKET"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$WORK/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "${RUNC_TYPE:-io.containerd.bulkhead.v2}"
      ${RUNC_MORE:-}
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]
      runtime_type = "io.containerd.bulkhead-kata.v2"
      privileged_without_host_devices = true
      ${KATA_MORE:-}
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata.options]
        ConfigPath = "$WORK/kata.toml"
${PLUGINS_MORE:-}
END
    mkdir -p "$WORK/cni"
    cat >"$WORK/cni/10-test.conflist" <<END
{"cniVersion": "0.4.0", "name": "test", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.99.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
    printf 'runtime-endpoint: unix://%s\nimage-endpoint: unix://%s\ntimeout: %s\n' "$SOCKET" "$SOCKET" \
        $((20 * ${PATIENCE:-3})) >"$WORK/crictl.yaml"
}

# cri_setup: for setup_file.
cri_setup() {
    caller_setup containerd ctr "$BULKHEAD_SHIM"
    [ -x "$TOOLS/crictl" ] || skip "needs crictl, which ./dev setup builds where there is Go"
    mkdir -p "$WORK/bin" "$WORK/logs"
    cp "$BULKHEAD_SHIM" "$WORK/bin/"
    ln -s containerd-shim-bulkhead-v2 "$WORK/bin/containerd-shim-bulkhead-kata-v2"
    cri_parts
    write_configuration
    containerd_start
    "$TESTS_LIB/make-image" "$PAUSE" "$WORK/pause.tar" sleep 1000000
    ctr images import "$WORK/image.tar"
    ctr images import "$WORK/pause.tar"
}

# What the shim looks for beside itself, when it is copied.
cri_parts() { :; }

# cri_teardown: for teardown: all pods and their logs.
cri_teardown() {
    local pod
    for pod in $(crictl pods -q 2>/dev/null); do
        crictl rmp -f "$pod" &>/dev/null || :
    done
    rm -f "$WORK/logs"/*
    # The pods' own groups are whose who asked for them.
    find /sys/fs/cgroup -depth -mindepth 1 -path "*/$TOKEN/*" -type d -exec rmdir {} + 2>/dev/null || :
}

# pod NAME [JQ]: a pod with limits of its own, its document changed by JQ; prints its id.
pod() {
    jq -n --arg name "$1" --arg logs "$WORK/logs" --arg cgroup "/$TOKEN/$1" '
        {metadata: {name: $name, namespace: "default", uid: $name, attempt: 0},
         log_directory: $logs,
         linux: {cgroup_parent: $cgroup,
                 resources: {cpu_period: 100000, cpu_quota: 50000, memory_limit_in_bytes: 268435456},
                 security_context: {namespace_options: {pid: 1}}}} | '"${2:-.}" >"$WORK/pod.$1"
    crictl runp --runtime "$HANDLER" "$WORK/pod.$1"
}

# container POD-NAME POD-ID NAME JQ COMMAND...: created and started, its log in $WORK/logs/NAME; prints its id.
container() {
    local pod=$1 id=$2 name=$3 change=$4 container
    shift 4
    printf '%s\0' "$@" | jq -Rs --arg name "$name" --arg image "$IMAGE" '
        {metadata: {name: $name, attempt: 0}, image: {image: $image}, command: (split("\u0000") | map(select(. != ""))),
         log_path: $name, linux: {security_context: {namespace_options: {pid: 1}}}} | '"$change" >"$WORK/container.$name"
    container=$(crictl create "$id" "$WORK/container.$name" "$WORK/pod.$pod") || return 1
    crictl start "$container" >/dev/null || return 1
    echo "$container"
}

# A script that says that it is there, and ends with 3 when it is told to.
FOREVER='trap "exit 3" TERM; echo ready; while :; do sleep 0.1; done'

state_of() { crictl inspect "$1" | jq -r .status.state; }
exit_of() { crictl inspect "$1" | jq -r .status.exitCode; }
reason_of() { crictl inspect "$1" | jq -r .status.reason; }
pod_state_of() { crictl inspectp "$1" | jq -r .status.state; }
is_exited() { [ "$(state_of "$1")" = CONTAINER_EXITED ]; }
is_not_ready() { [ "$(pod_state_of "$1")" = SANDBOX_NOTREADY ]; }

log_has() { cut -d' ' -f4- "$WORK/logs/$1" | grep -q "$2"; }
shims() { node pgrep -x bulkhead-shim | wc -l; }
no_shims() { [ "$(shims)" = 0 ]; }

# no_line_lost LOG...: what a container said that counts "line N", in order; the last line may be on its way.
no_line_lost() {
    sed '$d' "$@" | awk '$4 == "line" && $5 != ++n { print "after line " n - 1 ": " $0; exit 1 }'
}

# attached ID WORD: a container that echoes its input is attached to, and heard.
attached() {
    (echo "$2"; sleep 1) | crictl attach -i "$1" >"$WORK/attached" || :
    grep -q "got $2" "$WORK/attached"
}

# reopen_log ID: what kubelet calls when it has moved a log away; crictl has no command for it.
reopen_log() {
    printf '\0\0\0\0\102\012\100%s' "$1" | node curl -sS --unix-socket "$SOCKET" --http2-prior-knowledge \
        --header "content-type: application/grpc" --header "te: trailers" --data-binary @- \
        --dump-header "$WORK/reopened" --output /dev/null \
        http://localhost/runtime.v1.RuntimeService/ReopenContainerLog
    grep -qi "^grpc-status: 0" "$WORK/reopened"
}
