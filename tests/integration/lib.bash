# SPDX-License-Identifier: Apache-2.0
#
# Bundles and the runtime under test ($BULKHEAD, any OCI runtime with runc's command line), on the real
# kernel. Load with: load lib

load "${BATS_TEST_DIRNAME}/../lib/common"
load "${BATS_TEST_DIRNAME}/../lib/leaks"

# runtime_setup: in setup_file. A workspace, a root file system in $ROOTFS, a state directory.
runtime_setup() {
    : "${BULKHEAD:?set BULKHEAD to the runtime to test}"
    workspace_make || return 1
    export ROOTFS=$WORK/rootfs STATE=$WORK/state
    mkdir "$STATE"
    "$TESTS_LIB/make-rootfs" "$ROOTFS"
    leaks_snapshot "$WORK.before" "$TOKEN"
}

# runtime_teardown: in teardown_file. Removes every container and fails if anything is left.
runtime_teardown() {
    local id status=0
    for id in $(rt list -q 2>/dev/null); do
        rt delete --force "$id" || status=1
    done
    cgroups_remove "$TOKEN"
    leaks_check "$WORK.before" "$TOKEN" || status=1
    rm -f "$WORK.before"
    workspace_remove
    return $status
}

# rt ARGS…: the runtime with the test's own state directory.
rt() {
    # shellcheck disable=SC2086  # RUNTIME_FLAGS is a list of words
    "$BULKHEAD" --root "$STATE" ${RUNTIME_FLAGS:-} "$@"
}

# quietly COMMAND…: for what leaves a container behind, which must not hold the harness's output open.
quietly() {
    "$@" </dev/null >"$WORK/quietly" 2>&1 3>&- || { cat "$WORK/quietly"; return 1; }
}

# bundle [NAME]: makes $BUNDLE with the default config.json, no terminal, the shared root file system
# read-only, a cgroup named by TOKEN, and `sleep 1000` to run. ID is the container's name.
bundle() {
    ID=$TOKEN-${1:-c$BATS_TEST_NUMBER}
    BUNDLE=$WORK/bundle-$ID
    mkdir -p "$BUNDLE"
    rm -f "$BUNDLE/config.json"
    "$BULKHEAD" spec --bundle "$BUNDLE"
    config '.process.terminal = false | .process.args = ["sleep", "1000"] | .root.path = $rootfs
        | .linux.cgroupsPath = $cgroup' --arg cgroup "$(cgroups_path)"
}

# cgroups_path: of the container, as the cgroup manager that RUNTIME_FLAGS names wants it.
cgroups_path() {
    case ${RUNTIME_FLAGS:-} in
    *systemd*) echo "system.slice:bulkhead:$ID" ;;
    *) echo "/$ID" ;;
    esac
}

# config FILTER [ARGS…]: edits $BUNDLE/config.json by jq; $rootfs, $id, $work, $bundle are set in the filter.
config() {
    local filter=$1
    shift
    jq --arg rootfs "$ROOTFS" --arg id "$ID" --arg work "$WORK" --arg bundle "$BUNDLE" "$filter" \
        "$BUNDLE/config.json" "$@" >"$BUNDLE/config.new" && mv "$BUNDLE/config.new" "$BUNDLE/config.json"
}

# args WORD…: sets what the container runs.
args() {
    # shellcheck disable=SC2016  # a filter of jq
    config '.process.args = $ARGS.positional' --args -- "$@"
}

# own_rootfs: gives the bundle a root file system of its own, to be written to or booby-trapped.
own_rootfs() {
    cp -a "$ROOTFS" "$BUNDLE/rootfs"
    config '.root.path = "rootfs" | .root.readonly = false'
}

status_of() {
    rt state "$1" | jq -r .status
}

has_status() {
    [ "$(status_of "$1")" = "$2" ]
}

# fails_with TEXT COMMAND…: the command fails and says TEXT.
fails_with() {
    local text=$1
    shift
    run "$@"
    # shellcheck disable=SC2154  # set by run
    [ "$status" -ne 0 ] || { echo "succeeded: $*"; return 1; }
    [[ $output == *"$text"* ]] || { echo "expected: $text"; echo "got: $output"; return 1; }
}
