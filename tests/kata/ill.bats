#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Guests that never come up, or mean ill: the phase and the cause are told, and nothing is left.

load lib
load death

setup_file() {
    require_root
    require_command ip tc jq python3
    runtime_setup
    [ ! -x "$TOOLS/hostile-agent" ] || hostile_make >"$WORK/make" 2>&1 || { cat "$WORK/make"; return 1; }
}

teardown_file() {
    runtime_teardown
}

teardown() {
    local id
    for id in $(rt list -q 2>/dev/null); do
        rt delete --force "$id" || :
    done
    [ -z "${NETNS:-}" ] || ip netns del "$NETNS" 2>/dev/null || :
}

# ---- the files are not what they should be

@test "a kernel that is none" {
    image garbage
    rm "$WORK/garbage/vmlinux"
    head -c 100000 /dev/urandom >"$WORK/garbage/vmlinux"
    vm_bundle
    boot_fails "boot: QEMU ended with status 1"
}

@test "a program in place of a kernel" {
    image program
    rm "$WORK/program/vmlinux"
    cp /usr/bin/qemu-system-x86_64 "$WORK/program/vmlinux" 2>/dev/null || cp /bin/true "$WORK/program/vmlinux"
    vm_bundle
    boot_fails "boot: "
}

@test "a kernel that is not there" {
    image nothing
    rm "$WORK/nothing/vmlinux"
    vm_bundle
    boot_fails "boot: " "no such file or directory"
}

@test "an initramfs that is none" {
    image noroot
    rm "$WORK/noroot/initramfs"
    head -c 100000 /dev/urandom >"$WORK/noroot/initramfs"
    vm_bundle
    boot_fails "hello: the pod's virtual machine ended" "Kernel panic - not syncing"
}

@test "too little memory for the guest" {
    image little '.cmdline += " mem=24M"'
    vm_bundle
    boot_fails "hello: the pod's virtual machine ended: the VM ended (guest-reset)"
}

# ---- the agent is not what it should be

@test "an agent that leaves" {
    hostile exit
    boot_fails "hello: the pod's virtual machine ended" "Attempted to kill init" "hostile: I leave"
}

# impatient: the next boot does not wait long for its agent.
impatient() {
    echo 'hello-timeout: 4s' >"$WORK/impatient.yaml"
    RUNTIME_FLAGS="--config $WORK/impatient.yaml $RUNTIME_FLAGS"
}

@test "a guest that stays silent" {
    net_make
    hostile silent
    impatient
    config '(.linux.namespaces[] | select(.type == "network")).path = $path' --arg path "/run/netns/$NETNS"
    boot_fails "hello: no hello within"
}

@test "a shim that is told to end does not wait for a silent guest" {
    [ -n "${BULKHEAD_SHIM:-}" ] || BULKHEAD_SHIM=$(dirname "$BULKHEAD")/../shim/containerd-shim-bulkhead-v2
    hostile silent
    ln -sf "$(realpath "$BULKHEAD_SHIM")" "$WORK/containerd-shim-bulkhead-kata-v2"
    printf 'root: %s\naccelerator: %s\nguest: %s\n' "$STATE" "$ACCELERATOR" "$WORK/hostile-silent" >"$WORK/shim.yaml"
    chmod 0644 "$WORK/shim.yaml"
    BULKHEAD_CONFIG=$WORK/shim.yaml python3 - "$WORK/containerd-shim-bulkhead-kata-v2" "$ID" "$BUNDLE" "$STATE" \
        "$BATS_TEST_DIRNAME/../lib" <<'PYTHON'
import glob, os, signal, subprocess, sys, time
shim, name, bundle, state, lib = sys.argv[1:]
sys.path.insert(0, lib)
sys.dont_write_bytecode = True
import ttrpc
address = subprocess.run([shim, "-namespace", "t", "-id", name, "-address", "/nowhere", "start"], cwd=bundle, check=True,
                         capture_output=True, text=True, timeout=30).stdout.strip().removeprefix("unix://")
client = ttrpc.Client(address, timeout=20)
create = client.send("Create", (1, name), (2, bundle))
end = time.monotonic() + 30
while not (pods := glob.glob(f"{state}/**/@pods/{name}/pod.json", recursive=True)):
    assert time.monotonic() < end, "no pod is begun"
    time.sleep(0.05)
time.sleep(2)  # well into the wait for the guest
shim_pid = int(subprocess.run(["jq", ".pid", pods[0]], check=True, capture_output=True, text=True).stdout)
os.kill(shim_pid, signal.SIGTERM)
begin = time.monotonic()
try:
    client.receive(create)
    raise AssertionError("a pod that was given up")
except (ttrpc.Refused, EOFError, ConnectionResetError):
    pass
assert time.monotonic() - begin < 12, time.monotonic() - begin
end = time.monotonic() + 5
while os.path.exists(f"/proc/{shim_pid}") or os.path.exists(pods[0]):
    assert time.monotonic() < end, "it is still there"
    time.sleep(0.05)
PYTHON
    rm -rf "${STATE:?}/t"
    nothing_left
}

@test "a guest that says nothing but to its console" {
    hostile console
    impatient
    boot_fails "hello: no hello within 12 s" "guest console: " "one of very, very many"
}

@test "a guest whose serial port says anything" {
    hostile bytes
    boot_fails "hello: " "link to the agent"
}

@test "a guest that greets without end" {
    hostile greeting
    boot_fails "hello: "
}

@test "a guest with frames of its own kind" {
    hostile frames
    boot_fails "hello: " "link to the agent"
}

@test "a guest that sends without credit" {
    hostile credit
    boot_fails "hello: " "link to the agent"
}

@test "a guest that speaks no ttrpc" {
    hostile garbage
    boot_fails "hello: "
}

@test "a guest that answers no call" {
    hostile mute
    boot_fails "hello: " "Hello"
}

@test "a guest that answers with nothing" {
    hostile empty
    run rt run --bundle "$BUNDLE" "$ID"
    echo "$output"
    rt delete --force "$ID"
    nothing_left
}

@test "a guest that lies" {
    hostile lies
    POD=$ID
    quietly rt run --detach --bundle "$BUNDLE" "$POD"
    has_status "$POD" running
    # An exit status is one, and a date as well.
    run rt exec "$POD" true
    [ "$status" -eq 42 ]
    # Nothing forged in a line of its own, nothing that a terminal obeys.
    local out
    out=$({ rt events --stats "$POD"; rt ps "$POD"; rt kill "$POD" TERM; rt pod stats "$POD"; rt pod list; } 2>&1 || :)
    echo "$out" | head -c 3000
    [ "$(LC_ALL=C tr -d ' -~\n\302\265' <<<"$out" | wc -c)" -eq 0 ]
    if grep -E '^(forged|line|\{"type":"oom")' <<<"$out"; then return 1; fi
    [ "$(awk '/VmRSS/ { print $2 }' "/proc/$(supervisor_of "$POD")/status")" -le 32768 ]
    # Not without end, either: of a supervisor that is asked nothing.
    local before after
    before=$(awk '{ print $14 + $15 }' "/proc/$(supervisor_of "$POD")/stat")
    sleep 2
    after=$(awk '{ print $14 + $15 }' "/proc/$(supervisor_of "$POD")/stat")
    [ $((after - before)) -le 100 ]
    rt delete --force "$POD"
    nothing_left
}

@test "a guest that lets nobody die" {
    hostile lies
    POD=$ID
    echo 'silence-timeout: 1s' >"$WORK/brief.yaml"
    RUNTIME_FLAGS="--config $WORK/brief.yaml $RUNTIME_FLAGS"
    quietly rt run --detach --bundle "$BUNDLE" "$POD"
    sleep 4 # it does not end before somebody wants it to
    has_status "$POD" running
    rt kill "$POD" KILL || :
    wait_until 15 has_status "$POD" stopped
    rt pod list | grep -q "guest: container $POD was killed and has not ended for 3 s"
    rt delete "$POD"
    nothing_left
}
