#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# critest, the conformance suite of the container runtime interface, with images made here: handler "runc", and
# with HANDLER=kata pods in micro-VMs. HANDLER=peer is containerd's own shim with runc, to compare with.
# What fails must stand in critest.expected, with the reason; and what stands there must fail. FOCUS, a regular
# expression, selects tests by their names.

# shellcheck disable=SC2154  # variables of bats
load ../integration/callers/lib
CONTAINERD=${CONTAINERD:-${XDG_CACHE_HOME:-/var/cache}/bulkhead/tools/containerd-2}
load ../integration/callers/cri
HANDLER=${HANDLER:-runc}
IMAGES=registry.k8s.io/e2e-test-images
STAGED=gcr.io/k8s-staging-cri-tools
EXPECTED=$BATS_TEST_DIRNAME/critest.expected
# Of images and their registry, which are the engine's alone; and what needs minutes of waiting.
SKIP='Image Manager|Idempotence.*[Ii]mage|consistency'

setup_file() {
    [ -x "$TOOLS/critest" ] || skip "needs critest, which ./dev setup builds where there is Go"
    # Pods with user namespaces want containerd's own type: see docs/containerd.md.
    export RUNC_TYPE=io.containerd.runc.v2
    # In the node `runc` is the runtime under test.
    export PLUGINS_MORE="
    [plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.peer]
      runtime_type = 'io.containerd.runc.v2'
      [plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.peer.options]
        BinaryName = '/run/peer-runc'"
    cri_setup
    images
}

cri_parts() {
    export RUNC_MORE="runtime_path = '$WORK/bin/containerd-shim-bulkhead-v2'"
    [ "$HANDLER" != peer ] || peer
}

teardown_file() { caller_teardown; }

# The shim of the containerd under test is to be in the directory PEER: Debian's is of an older one.
peer() {
    cp "$PEER/containerd-shim-runc-v2" "$WORK/bin/"
    node sh -c 'cat >/run/peer-runc && chmod 0755 /run/peer-runc' </usr/sbin/runc
}

# image NAME [OPTION...] -- [COMMAND...]
image() {
    local name=$1 options=()
    shift
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    "$TESTS_LIB/make-image" "${options[@]}" "$name" "$WORK/one.tar" "$@"
    ctr images import "$WORK/one.tar"
}

# script FILE: from standard input.
script() {
    mkdir -p "${1%/*}"
    { echo '#!/bin/sh' && cat; } >"$1"
    chmod 0755 "$1"
}

# A script in the name of a web server, with what the suite knows of it.
web_server() { # NAME PORT
    mkdir -p "$WORK/web.$1/www"
    echo served >"$WORK/web.$1/www/index.html"
    script "$WORK/web.$1/usr/sbin/$1" <<END
echo "$1 serves"
echo \$\$ >/var/run/$1.pid
trap 'exit 0' TERM QUIT
busybox httpd -p $2 -h /www
while :; do
    sleep 1000 &
    wait
done
END
}

# What Debian's busybox lacks.
tools() {
    script "$WORK/tools/usr/bin/pgrep" <<'END'
for dir in /proc/[0-9]*; do
    [ "$(cat "$dir/comm" 2>/dev/null)" != "$1" ] || echo "${dir#/proc/}"
done
END
    script "$WORK/tools/usr/bin/ipcs" <<'END'
cat /proc/sysvipc/shm
END
}

images() {
    tools
    # The suite looks for processes of the name "sleep" of its own.
    image "$PAUSE" -- tail -f /dev/null
    image "$IMAGES/busybox:1.29-2" -f "$WORK/tools" -- sh
    web_server nginx 80
    web_server httpd 80
    image "$IMAGES/nginx:1.14-2" -f "$WORK/web.nginx" -- /usr/sbin/nginx "master process"
    image "$IMAGES/httpd:2.4.39-4" -f "$WORK/web.httpd" -- /usr/sbin/httpd
    web_server hostnet 12003
    image "$STAGED/hostnet-nginx-$(dpkg --print-architecture):latest" -f "$WORK/web.hostnet" -- /usr/sbin/hostnet
    mkdir -p "$WORK/groups/etc" "$WORK/nnp/bin"
    printf 'root:x:0:0:root:/root:/bin/sh\ndefault-user:x:1000:1000::/home:/bin/sh\n' >"$WORK/groups/etc/passwd"
    printf 'root:x:0:\ndefault-user:x:1000:\ngroup-defined-in-image:x:50000:default-user\n' >"$WORK/groups/etc/group"
    image "$STAGED/test-image-predefined-group:latest" -f "$WORK/groups" -u 1000 -- sh
    cc -static -x c -o "$WORK/nnp/bin/nnp" - <<'END'
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	return printf("Effective uid: %d\n", (int)geteuid()) < 0;
}
END
    chmod 4755 "$WORK/nnp/bin/nnp"
    image "$IMAGES/nonewprivs:1.3" -f "$WORK/nnp" -- /bin/nnp
}

# names VERDICT: of the tests that ended so, from the report.
names() {
    python3 - "$WORK/report.xml" "$1" <<'END'
import sys
import xml.etree.ElementTree as xml

for case in xml.parse(sys.argv[1]).iter("testcase"):
    if case.get("status") == sys.argv[2] and case.get("name").startswith("[It]"):
        print(case.get("name"))
END
}

# bats test_tags=essential
@test "critest: handler $HANDLER: nothing fails but what is expected" {
    local focus=() all
    [ -z "${FOCUS:-}" ] || focus=(-ginkgo.focus "$FOCUS")
    NODE_TIMEOUT=${LIMIT:-900} node "$TOOLS/critest" -config "$WORK/crictl.yaml" -runtime-endpoint "unix://$SOCKET" \
        -image-endpoint "unix://$SOCKET" -runtime-handler "$HANDLER" -ginkgo.skip "$SKIP" "${focus[@]}" \
        -ginkgo.no-color -ginkgo.seed 1 -ginkgo.junit-report "$WORK/report.xml" >"$WORK/log/critest" 2>&1 || :
    [ -z "${KEEP:-}" ] || cp -r "$WORK/log/critest" "$WORK/log/containerd" "$WORK/report.xml" "$KEEP"
    all=$(names passed | wc -l)
    echo "# $all passed, $(names failed | wc -l) failed, $(names skipped | wc -l) skipped" >&3
    names failed | sed 's/^\[It\] \[k8s.io\] //' | sort >"$WORK/failed"
    sed -n "s/^\($HANDLER\|all\): \(.*\) | .*/\2/p" "$EXPECTED" | sort >"$WORK/expected"
    [ "$all" -gt 0 ]
    # Of a selection not all that is expected is in it.
    if [ -n "${FOCUS:-}" ]; then
        comm -12 "$WORK/expected" "$WORK/failed" >"$WORK/met"
        mv "$WORK/met" "$WORK/expected"
    fi
    diff "$WORK/expected" "$WORK/failed"
}
