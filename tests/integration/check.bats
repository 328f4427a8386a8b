#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `bulkhead check`: what it finds on this machine, and that it notices what is taken away.

load lib

setup_file() {
    bats_require_minimum_version 1.5.0
    runtime_setup
    # as far as `check` looks at one
    export GUEST_DIR=$WORK/guest
    mkdir "$GUEST_DIR"
    echo '{"kernel": "6.1-test", "cmdline": "quiet"}' >"$GUEST_DIR/guest.json"
    touch "$GUEST_DIR/vmlinux" "$GUEST_DIR/initramfs"
}

teardown_file() {
    runtime_teardown
}

# check WORDS…: status, and the document in $WORK/report.
check() {
    run --separate-stderr "$BULKHEAD" --guest "$GUEST_DIR" "$@" --json
    # shellcheck disable=SC2154  # set by run
    [ -z "$stderr" ] || { echo "$stderr"; return 1; }
    printf '%s' "$output" >"$WORK/report"
    jq -e . "$WORK/report" >/dev/null
}

# report FILTER [NAME]: the filter is true of the document, or of the check that is called NAME.
report() {
    jq -e "${2:+.checks[] | select(.name == \"$2\") | }$1" "$WORK/report" >/dev/null || { jq . "$WORK/report"; return 1; }
}

# without COMMANDS CHECK…: `check` where shell COMMANDS changed a mount namespace of its own.
without() {
    local commands=$1
    shift
    # shellcheck disable=SC2016  # expanded by the inner shell
    run --separate-stderr unshare --mount --propagation private sh -euc "$commands"'; exec "$@"' sh \
        "$BULKHEAD" --guest "$GUEST_DIR" --accelerator auto "$@" --json
    printf '%s' "$output" >"$WORK/report"
}

# kvm_works: as far as the processor says. One without virtualization may have a /dev/kvm all the same.
kvm_works() {
    [ -w /dev/kvm ] && grep -qE '\b(vmx|svm)\b' /proc/cpuinfo
}

@test "this machine is fit for the common runtime, on which the other tests run" {
    check check runc
    [ "$status" -eq 0 ]
    report '.fit == ["runc"]'
    report '[.checks[] | select(.required and (.ok | not))] == []'
    report 'all(.checks[]; .runtimes | index("runc"))'
    report "(.found | contains(\"$(uname -r)\")) and .ok" kernel
    report '.ok and (.found | contains("memory"))' cgroups
}

@test "the document is whole: every check has its fields, a remedy where it is not ok and only there" {
    check check
    report '.checks | length >= 15'
    report '[.checks[].name] | length == (unique | length)'
    report 'all(.checks[]; (.runtimes | length > 0) and (.required | type == "boolean") and (.found | length > 0))'
    report 'all(.checks[]; .ok == (has("remedy") | not))'
}

@test "the table says the same, a line each" {
    check check
    run "$BULKHEAD" --guest "$GUEST_DIR" check
    [ "$(grep -cE ' (ok|lacking|FAILED) ' <<<"$output")" -eq "$(jq '.checks | length' "$WORK/report")" ]
    [ "$(grep -c ' -> ' <<<"$output")" -eq "$(jq '[.checks[] | select(.ok | not)] | length' "$WORK/report")" ]
    [[ ${lines[-2]} == "runc: fit" ]]
    [[ ${lines[-1]} == "kata: "* ]]
}

@test "KVM is believed only when it ran a guest" {
    check check kata
    if kvm_works; then
        report '.ok and .required' kvm
    else
        report '(.ok | not) and .required and (.found | length > 10) and (.remedy | contains("--accelerator"))' kvm
        [ "$status" -eq 4 ]
        report '.fit == []'
    fi
}

@test "where emulation is allowed KVM is not required" {
    check --accelerator auto check kata
    report '.required == .ok' kvm
    [ "$status" -eq 0 ]
    report '.fit == ["kata"]'
    report '.ok and (.found | startswith("QEMU "))' hypervisor
    report '.ok and (.found | startswith("Linux 6.1-test in "))' guest-image
    report .ok tap
    report .ok tc
    report .ok port-forward
}

@test "device mapper and vsock are found where they are" {
    check --accelerator auto check kata
    report ".ok == $([ -e /dev/mapper/control ] && echo true || echo false) and (.required | not)" device-mapper
    report ".ok == $([ -e /dev/vhost-vsock ] && echo true || echo false) and (.required | not)" vsock
}

@test "a guest image that is not there, or not whole" {
    local file
    for file in guest.json vmlinux initramfs; do
        mv "$GUEST_DIR/$file" "$WORK/aside"
        check --accelerator auto check kata
        mv "$WORK/aside" "$GUEST_DIR/$file"
        [ "$status" -eq 4 ]
        report "(.ok | not) and (.found | contains(\"$file\"))" guest-image
    done
    echo '{"kernel": 6}' >"$WORK/aside"
    mv "$GUEST_DIR/guest.json" "$WORK/good"
    mv "$WORK/aside" "$GUEST_DIR/guest.json"
    check --accelerator auto check kata
    mv "$WORK/good" "$GUEST_DIR/guest.json"
    report '(.ok | not) and (.found | contains("/kernel"))' guest-image
}

@test "programs and devices that are missing or broken" {
    without 'mount --bind /bin/false /usr/bin/qemu-system-x86_64' check kata
    [ "$status" -eq 4 ]
    report '(.ok | not) and (.found | contains("qemu-system-x86_64"))' hypervisor
    without 'mount --bind /bin/true /usr/bin/qemu-system-x86_64' check kata
    report '(.ok | not) and (.found | contains("version"))' hypervisor
    without 'mount -t tmpfs tmpfs /usr/lib/qemu' check kata
    [ "$status" -eq 4 ]
    report '(.ok | not) and (.found | contains("virtiofsd"))' virtiofsd
    without 'mount --bind /dev/null /dev/net/tun' check kata
    [ "$status" -eq 4 ]
    report '(.ok | not) and (.found | contains("tap"))' tap
    without 'mount --bind /dev/null /dev/kvm' check kata
    [ "$status" -eq 0 ]
    report '.ok | not' kvm
}

@test "cgroups that are not there" {
    without 'umount -R /sys/fs/cgroup' check
    [ "$status" -eq 6 ]
    report '.fit == []'
    report '.ok | not' cgroups
}

@test "a program without its supervisor" {
    mkdir -p "$WORK/alone"
    cp "$BULKHEAD" "$WORK/alone/bulkhead"
    run --separate-stderr "$WORK/alone/bulkhead" check --json
    [ "$status" -eq 4 ] || [ -e /usr/local/libexec/bulkhead/bulkhead-pod ]
    printf '%s' "$output" >"$WORK/report"
    report '.ok | not' supervisor || [ -e /usr/local/libexec/bulkhead/bulkhead-pod ]
}

@test "a supervisor that cannot print says why" {
    # shellcheck disable=SC2016  # the inner shell's own
    run -1 --separate-stderr bash -c '"$1" check >/dev/full' - "$(dirname "$BULKHEAD")/../supervisor/bulkhead-pod"
    [ "$stderr" = "bulkhead-pod: write to standard output: no space left on device" ]
}

@test "an ordinary user is told what is missing" {
    run --separate-stderr setpriv --reuid 65534 --regid 65534 --clear-groups "$BULKHEAD" --root "$WORK/none" \
        --guest "$GUEST_DIR" --accelerator auto check --json
    [ "$status" -eq 4 ]
    printf '%s' "$output" >"$WORK/report"
    report '(.ok | not) and (.remedy == "run as root")' privileges
    report '.fit == ["runc"]'
    # What the user was not let see may well be there.
    report '.remedy == "check as root, who alone may look"' tap
    report '.remedy == "check as root, who alone may look"' overlay
    report '.ok or (.remedy | contains("delegated"))' cgroups
}

@test "another runtime is refused" {
    run "$BULKHEAD" check crun
    [ "$status" -eq 1 ]
    [[ $output == *"no runtime 'crun'"* ]]
}

@test "nothing on the host changes" {
    leaks_snapshot "$WORK/before" "$TOKEN"
    ip -o link show type tun >"$WORK/taps"
    check check
    leaks_check "$WORK/before" "$TOKEN"
    ip -o link show type tun | diff "$WORK/taps" -
    [ -z "$(tc filter show dev lo ingress)" ]
}
