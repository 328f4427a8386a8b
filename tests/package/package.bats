#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The Debian packages of PACKAGES (a folder): well made, and in a small Debian of their own installed, used,
# removed and purged.

# shellcheck disable=SC2030,SC2031,SC2154  # variables of bats
PATIENCE=${PATIENCE:-6}
load ../integration/callers/lib

setup_file() {
    : "${PACKAGES:?set PACKAGES to the folder of the packages}"
    require_root
    require_command lintian mmdebstrap
    workspace_make
    node_start
    local base
    base=$(tests/package/make-root "${XDG_CACHE_HOME:-/var/cache}/bulkhead/root" "$PACKAGES"/bulkhead{,-guest,-metrics}_*_amd64.deb)
    mkdir -p "$WORK/root" "$WORK/upper" "$WORK/work" "$WORK/containerd"
    node_spawn debian unshare --mount --propagation private "$BATS_TEST_DIRNAME/root-init" "$base" "$WORK"
    export DEBIAN_PID=$NODE_LAST
    wait_until 10 debian test -e /run/ready
    cp "$PACKAGES"/bulkhead_*_amd64.deb "$WORK/upper/tmp/bulkhead.deb"
    cp "$PACKAGES"/bulkhead-guest_*_amd64.deb "$WORK/upper/tmp/guest.deb"
    cp "$PACKAGES"/bulkhead-metrics_*_amd64.deb "$WORK/upper/tmp/metrics.deb"
}

teardown_file() { caller_teardown; }

# debian COMMAND…: in the small Debian.
debian() {
    node nsenter --target "$DEBIAN_PID" --mount -- env -i LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# Every file, but for what the package system writes down, and containerd at its start.
files() {
    debian find / -xdev '(' -path /var/lib/dpkg -o -path /var/cache -o -path /var/log -o -path /tmp -o -path /etc/ld.so.cache -o \
        -path /etc/cni ')' \
        -prune -o -print | sort
}

@test "package: lintian finds no error and no warning" {
    run -0 lintian --fail-on error,warning "$PACKAGES"/*.changes
    [[ ! $output =~ (^|$'\n')[EW]: ]] || { echo "$output"; return 1; }
}

@test "package: nothing but Debian's C library and systemd's is asked for" {
    run -0 dpkg-deb --field "$PACKAGES"/bulkhead_*.deb Depends
    [[ $output =~ ^libc6\ [^,]*,\ libsystemd0\ [^,]*$ ]] || { echo "$output"; return 1; }
    run -0 dpkg-deb --field "$PACKAGES"/bulkhead-guest_*.deb Built-Using
    [[ $output == *"linux-6.12 (= 6.12."* ]]
    run -0 dpkg-deb --field "$PACKAGES"/bulkhead_*.deb Built-Using
    [[ $output == *"glibc (= "*"libseccomp (= "* ]]
}

@test "package: installed, a node set up, a pod of each kind, all taken back, removed, purged" {
    local tree
    files >"$WORK/before"
    debian dpkg --install /tmp/bulkhead.deb /tmp/guest.deb
    run -0 debian bulkhead --version
    [[ $output == *"0.1.0"* ]]
    for tree in /usr/share/man/man8/bulkhead-node.8.gz /usr/share/bash-completion/completions/bulkhead \
        /usr/share/zsh/vendor-completions/_bulkhead /lib/systemd/system/bulkhead-pool.service \
        /usr/lib/bulkhead/guest/vmlinux; do
        debian test -s "$tree"
    done
    run ! debian systemctl is-enabled bulkhead-pool.service
    # The endpoint for Prometheus, which alone wants an HTTP library, is a package by itself.
    run ! debian bulkhead metrics --once
    [[ $output == *"bulkhead-metrics has them"* ]]
    debian dpkg --install /tmp/metrics.deb
    debian bulkhead metrics --once | grep -q '^bulkhead_build_info{version="0.1.0"} 1$'
    debian test -s /usr/share/bulkhead/grafana/bulkhead.json
    debian test -s /lib/systemd/system/bulkhead-metrics.service

    debian cp /etc/containerd/config.toml /tmp/original
    debian bulkhead node install
    debian bulkhead config check
    debian sh -c 'mkdir /etc/bulkhead/bulkhead.yaml.d && echo "accelerator: emulation" >/etc/bulkhead/bulkhead.yaml.d/trial.yaml'
    node_spawn containerd nsenter --target "$DEBIAN_PID" --mount -- env -i \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin containerd
    wait_until 20 debian ctr version
    run debian bulkhead node check
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"a pod of handler runc ran"*"a pod of handler kata ran"* ]]
    # One that does not start is told of, and does not stay.
    debian sh -c 'mkdir /tmp/bad && echo text >/tmp/bad/bulkhead && chmod +x /tmp/bad/bulkhead'
    run -1 debian /usr/libexec/bulkhead/bulkhead-installer check bin=/tmp/bad
    [[ $output == *"run a pod of handler runc: "*"exec format error"* ]]
    [ -z "$(debian ctr namespaces ls -q)" ]
    debian rm -r /tmp/bad
    run debian timeout -s TERM 3 bulkhead metrics --listen 127.0.0.1:9758
    [ "$status" -eq 124 ] || [ "$status" -eq 0 ] || { echo "$output"; return 1; }
    node_kill "$NODE_LAST"
    debian bulkhead node uninstall
    debian cmp /tmp/original /etc/containerd/config.toml
    debian rm /tmp/original

    debian dpkg --remove bulkhead-metrics bulkhead-guest bulkhead
    debian sh -c '! command -v bulkhead'
    debian test -e /etc/bulkhead/bulkhead.yaml # the administrator's, until it is purged
    debian rm -r /etc/bulkhead/bulkhead.yaml.d
    debian dpkg --purge bulkhead-metrics bulkhead
    files >"$WORK/after"
    diff "$WORK/before" "$WORK/after"
}

@test "package: a removal that leaves handlers behind says so" {
    debian dpkg --install /tmp/bulkhead.deb
    debian bulkhead node install
    run -0 debian dpkg --remove bulkhead
    [[ $output == *"still have its handlers"*"bulkhead node uninstall"* ]]
    debian dpkg --install /tmp/bulkhead.deb
    debian bulkhead node uninstall
    debian dpkg --purge bulkhead
}
