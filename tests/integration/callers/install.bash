# SPDX-License-Identifier: Apache-2.0
#
# An installation of the node's own, for `bulkhead node`. Load after lib.

# install_programs: bulkhead, its installer and the shims, below the node's own /usr/local.
install_programs() {
    local build
    build=$(dirname "$BULKHEAD")/..
    mkdir -p "$WORK/usr/bin" "$WORK/usr/libexec/bulkhead"
    cp "$BULKHEAD" "${BULKHEAD_SHIM:-$build/shim/containerd-shim-bulkhead-v2}" "$WORK/usr/bin/"
    ln -sf containerd-shim-bulkhead-v2 "$WORK/usr/bin/containerd-shim-bulkhead-kata-v2"
    cp "$build/installer/bulkhead-installer" "$WORK/usr/libexec/bulkhead/"
    node mount --bind "$WORK/usr" /usr/local
}

# setup_node VERB ARG…: `bulkhead node VERB` in the node, with DAEMON (a path) as its containerd.
setup_node() {
    mkdir -p "$WORK/daemon"
    ln -sf "$(command -v "${DAEMON:-containerd}")" "$WORK/daemon/containerd"
    node env PATH="$WORK/daemon:$PATH" /usr/local/bin/bulkhead node "$@"
}

# daemons: paths of all releases of containerd that are here.
daemons() {
    command -v containerd
    find "${TOOLS:-${XDG_CACHE_HOME:-/var/cache}/bulkhead/tools}" -name 'containerd-*[0-9]' -perm -100 2>/dev/null | sort
}
