#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The lab itself: what it promises to the tests that run in it. Needs root and packages.txt.

setup_file() {
	bats_require_minimum_version 1.5.0
	export LAB="$BATS_TEST_DIRNAME/lab"
	export SHARED="$BATS_FILE_TMPDIR/shared"
	mkdir -p "$SHARED"
	# One lab tells the facts that many tests look at.
	"$LAB" --disk 256 --share "$SHARED" -- sh -c '"$1" >"$2/facts" 2>&1' sh \
		"$BATS_TEST_DIRNAME/facts" "$SHARED"
}

setup() {
	bats_require_minimum_version 1.5.0
}

# fact NAME: the value that the facts program printed for it.
fact() {
	sed -n "s/^$1=//p" "$SHARED/facts"
}

# Waits until none of the processes exists; fails, naming them, when they stay.
all_gone() {
	local pid
	for pid in "$@"; do
		for _ in $(seq 100); do
			[ -e "/proc/$pid" ] || continue 2
			sleep 0.1
		done
		echo "still there: $(tr '\0' ' ' <"/proc/$pid/cmdline")" >&2
		return 1
	done
}

# Starts a lab in the background whose command never ends; sets launcher and children once it runs.
start_lab() {
	"$LAB" "$@" -- sh -c 'echo up; exec sleep 100000' >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	launcher=$!
	until grep -q up "$BATS_TEST_TMPDIR/out"; do
		[ -e "/proc/$launcher" ] || { cat "$BATS_TEST_TMPDIR/out" >&2; return 1; }
		sleep 0.2
	done
	children=$(pgrep -P "$launcher")
	[ "$(wc -w <<<"$children")" -ge 2 ]
}

@test "output is exact, separate, and the exit status passes" {
	run -37 --separate-stderr "$LAB" -- python3 -c '
import os, sys
os.write(1, bytes(range(256)) * 4000)
os.write(2, b"no newline at end")
sys.exit(37)'
	[ "$stderr" = "no newline at end" ]
	"$LAB" -- python3 -c 'import os; os.write(1, bytes(range(256)) * 4000)' >"$BATS_TEST_TMPDIR/out"
	python3 -c 'import os; os.write(1, bytes(range(256)) * 4000)' | cmp - "$BATS_TEST_TMPDIR/out"
}

@test "a command killed by a signal gives 128 and the signal" {
	run -143 "$LAB" -- sh -c 'kill -TERM $$'
}

@test "a command that does not exist gives 127 and its name" {
	run -127 "$LAB" -- /no/such/command
	[[ "$output" == *"/no/such/command"* ]]
}

@test "working directory and variables are carried over" {
	cd "$BATS_TEST_DIRNAME"
	run -0 env LAB_TEST_A=one LAB_TEST_B=two OTHER=three "$LAB" --env 'LAB_TEST_*' --env SET=four \
		-- sh -c 'pwd; echo $LAB_TEST_A $LAB_TEST_B ${OTHER-unset} $SET'
	[ "${lines[0]}" = "$BATS_TEST_DIRNAME" ]
	[ "${lines[1]}" = "one two unset four" ]
}

@test "control groups are v2 with every controller handed on" {
	[ "$(fact cgroup_type)" = cgroup2fs ]
	for controller in cpu cpuset io memory pids hugetlb; do
		[[ " $(fact cgroup_controllers) " == *" $controller "* ]]
		[[ " $(fact cgroup_subtree) " == *" $controller "* ]]
	done
}

@test "device mapper makes a thin pool and a thin device" {
	[ "$(fact thin_device)" = "0 65536 thin 0 -" ]
}

@test "/dev/kvm runs guest instructions" {
	[ "$(fact kvm_sum)" = 5050 ]
}

@test "a nested machine boots an unmodified kernel with KVM" {
	[ "$(fact nested)" = "nested guest is up" ]
}

@test "vhost-vsock takes a guest's address, and vsock connects" {
	[ "$(fact vhost_vsock)" = ok ]
	[ "$(fact vsock_loopback)" = ok ]
}

@test "networks: loopback is up; bridge, veth, tun, tc mirred and NAT work" {
	[ "$(fact loopback)" = ok ]
	[ "$(fact bridge_veth)" = ok ]
	[ "$(fact tun)" = ok ]
	[ "$(fact tc)" = ok ]
	[ "$(fact nat)" = ok ]
}

@test "file systems: overlay on engine folders, loop, ext4, xfs, erofs and squashfs work" {
	for name in overlay ext4 xfs erofs squashfs; do
		[ "$(fact "mount_$name")" = ok ]
	done
}

@test "the scratch disk has its size" {
	[ "$(fact disk)" = $((256 << 20)) ]
}

@test "time is the host's and there is entropy" {
	[ "$(fact random)" = 32 ]
	# The clock was right when the facts were written: that file's time is the host's.
	difference=$(($(fact time) - $(stat -c %Y "$SHARED/facts")))
	[ "${difference#-}" -lt 600 ]
}

@test "what the lab writes outside a share stays there" {
	[ "$(fact wrote_etc)" = ok ]
	[ ! -e /etc/bulkhead-lab-test ]
}

@test "systemd is process 1, runs, and the system bus answers" {
	run -0 "$LAB" --init systemd -- sh -c '
		cat /proc/1/comm
		systemctl is-system-running
		busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 \
			org.freedesktop.DBus.Peer GetMachineId
		stat -fc %T /sys/fs/cgroup
		cat "/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/cgroup.controllers"
		systemd-run --quiet --scope -p MemoryMax=64M \
			sh -c "cat /sys/fs/cgroup\$(cut -d: -f3 /proc/self/cgroup)/memory.max"'
	[ "${lines[0]}" = systemd ]
	[ "${lines[1]}" = running ]
	[[ "${lines[2]}" == 's "'* ]]
	[ "${lines[3]}" = cgroup2fs ]
	[[ " ${lines[4]} " == *" memory "* ]]
	[ "${lines[5]}" = $((64 << 20)) ]
}

@test "a command that hangs meets the limit: 124, and what it wrote is there" {
	run -124 "$LAB" --limit 5 -- sh -c 'echo before; sleep 100000'
	[[ "$output" == *before* ]]
	[[ "$output" == *"did not end within 5 s"* ]]
}

@test "a boot that hangs is told as such: 125" {
	run -125 "$LAB" --boot-limit 3 -- true
	[[ "$output" == *"failed to boot"* ]]
}

@test "a kernel that panics is told with the console's last lines: 125" {
	run -125 "$LAB" -- sh -c 'echo c >/proc/sysrq-trigger; sleep 100000'
	[[ "$output" == *"sysrq triggered crash"* ]]
	[[ "$output" == *"failed while the command ran"* ]]
}

@test "two labs run at once, and nothing is left of one that was terminated or killed" {
	start_lab
	first=$launcher first_children=$children
	start_lab
	kill -TERM "$first"
	status=0
	wait "$first" || status=$?
	[ "$status" -eq 143 ]
	all_gone $first_children
	kill -KILL "$launcher"
	wait "$launcher" || true
	all_gone $children
}
