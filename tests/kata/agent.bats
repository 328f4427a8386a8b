#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The agent in a micro-VM: one machine, in which agent-cases goes from hello to stop; then machines that
# cannot live, and what they say before they end.

load ../lib/common

setup_file() {
    workspace_make
    export TOP CASES
    TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    CASES=${BULKHEAD%/src/cli/bulkhead}/tests/kata/agent-cases
    "$TOP/guest/make" --agent "${BULKHEAD%/cli/bulkhead}/agent/bulkhead-agent" --out "$WORK/guest"
    make_disks
    run_cases
}

teardown_file() {
    [ -z "${VIRTIOFSD:-}" ] || kill "$VIRTIOFSD" 2>/dev/null || true
    workspace_remove
}

make_disks() {
    "$TOP/tests/lib/make-rootfs" "$WORK/share/rootfs"
    mkdir "$WORK/share/rootfs/host"
    touch "$WORK/share/rootfs/hello" "$WORK/share/rootfs/etc/resolv.conf"
    echo "from the host" >"$WORK/share/hello"
    truncate -s 48m "$WORK/disk1" "$WORK/disk2"
    mkfs.ext4 -q -d "$WORK/share/rootfs" "$WORK/disk1"
    mkfs.ext4 -q -d "$WORK/share/rootfs" "$WORK/disk2"
    mkfs.xfs -q -d name="$WORK/disk4",file,size=300m # the smallest that there is
    cp --sparse=always "$WORK/disk4" "$WORK/disk5"
    mkfs.erofs --quiet "$WORK/disk6" "$WORK/share/rootfs"
    printf 'raw disk' >"$WORK/disk3"
    truncate -s 1m "$WORK/disk3"
}

disk() { # NUMBER OPTION…: QEMU's arguments for a disk on that SCSI target
    printf '%s\n' -blockdev "driver=file,filename=$WORK/disk$1,node-name=target$1$2" \
        -device "scsi-hd,drive=target$1,channel=0,scsi-id=$1"
}

# The machine and its client, whose words are in $WORK/told.
run_cases() {
    local disks
    mapfile -t disks < <(disk 1; disk 2 ,read-only=on; disk 3; disk 4; disk 5; disk 6 ,read-only=on)
    /usr/lib/qemu/virtiofsd --socket-path="$WORK/virtiofs" -o source="$WORK/share" -o cache=auto \
        >"$WORK/virtiofsd.log" 2>&1 3>&- &
    export VIRTIOFSD=$!
    wait_until 10 test -S "$WORK/virtiofs"
    timeout 500 "$TOP/tests/kata/boot-guest" --memory 256 "$WORK/guest" \
        -chardev socket,id=agent,path="$WORK/agent",server=on,wait=off \
        -device virtserialport,chardev=agent,name=bulkhead.agent \
        -object memory-backend-memfd,id=ram,size=256M,share=on -machine memory-backend=ram \
        -chardev socket,id=share,path="$WORK/virtiofs" \
        -device vhost-user-fs-device,chardev=share,tag=bulkhead \
        -netdev user,id=net,restrict=on -device virtio-net-device,netdev=net,mac=02:00:00:00:00:01 \
        "${disks[@]}" >"$WORK/console" 2>&1 3>&- &
    local vm=$!
    wait_until 10 test -S "$WORK/agent"
    timeout 480 "$CASES" "$WORK/agent" >"$WORK/told" 2>&1 3>&- || true
    wait $vm && echo "ok the_end" >>"$WORK/told" || echo "not ok the_end: status $?" >>"$WORK/told"
}

# Shows the case that failed, and what the guest said.
case_is_ok() { # NAME
    grep -qx "ok $1" "$WORK/told" && return
    grep -A20 "^not ok $1:" "$WORK/told" || cat "$WORK/told"
    tail -20 "$WORK/console"
    return 1
}

@test "another version is refused, naming both" { case_is_ok hello_of_another_version; }
@test "hello: facts of the guest" { case_is_ok hello; }
@test "a container on a disk: input, output, exit code" { case_is_ok a_container_on_a_disk; }
@test "a disk comes back after it was let go" { case_is_ok a_second_container_on_the_same_disk; }
@test "the clock is the host's" { case_is_ok the_clock_is_the_hosts; }
@test "resolv.conf is the host's" { case_is_ok names_are_set; }
@test "a read-only image" { case_is_ok a_readonly_image; }
@test "a raw disk is the device of the document" { case_is_ok a_raw_disk_is_a_device; }
@test "a disk that is not there is an error with its number" { case_is_ok a_disk_that_is_not_there; }
@test "targets and ids that lead elsewhere are refused" { case_is_ok a_target_outside_is_refused; }
@test "a bundle is released, twice if need be" { case_is_ok a_bundle_is_released; }
@test "two snapshots of one XFS beside each other" { case_is_ok two_snapshots_of_one_xfs; }
@test "a root on EROFS" { case_is_ok a_root_on_erofs; }
@test "memory file systems of a container and of the pod" { case_is_ok memory_file_systems; }
@test "the shared directory" { case_is_ok the_shared_directory; }
@test "exec with and without a terminal, processes" { case_is_ok processes_beside_the_first; }
@test "the network, in whatever order it is told" { case_is_ok the_network; }
@test "figures of a container" { case_is_ok figures_of_a_container; }
@test "memory that runs out is an event" { case_is_ok memory_that_runs_out; }
@test "nothing of the agent leaks into containers" { case_is_ok nothing_of_the_agent_leaks; }
@test "the agent's file cannot be written" { case_is_ok the_agents_file_cannot_be_written; }
@test "signals from a container do not end the agent" { case_is_ok signals_are_not_heeded; }
@test "a hundred containers leave nothing" { case_is_ok many_containers_leave_nothing; }
@test "stop answers" { case_is_ok stop; }

@test "what was written before stop is on the disk" {
    e2fsck -fn "$WORK/disk1"
    [ "$(debugfs -R 'cat /kept' "$WORK/disk1" 2>/dev/null)" = kept ]
}

@test "the machine ends when its link does" {
    case_is_ok the_end
    grep -q "bulkhead-agent: link to the host: " "$WORK/console"
}

@test "a machine without a link says so and ends" {
    timeout 60 "$TOP/tests/kata/boot-guest" "$WORK/guest" >"$WORK/nolink" 2>&1
    cat "$WORK/nolink"
    grep -q "bulkhead-agent: find vsock or a serial port" "$WORK/nolink"
}
