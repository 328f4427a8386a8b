#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Files of a pod in a micro-VM: shared directories behave as on the host, block devices go into the VM.
# One pod stays up for most tests; each container is one more in it.

setup_file() {
    export TOP WORK GUEST STATE
    TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    WORK=$(mktemp -d /var/tmp/bulkhead-storage.XXXXXX)
    GUEST=$WORK/guest STATE=$WORK/state
    mount -t tmpfs -o size=32m tmpfs "$(mkdir -p "$WORK/host" && echo "$WORK/host")"
    mount --make-shared "$WORK/host"
    # A distribution's kernel, but where KVM is: that is the lab, where it would take too long to make.
    if [ "${ACCELERATOR:-emulation}" = kvm ]; then
        GUEST=$TOP/build/guest
    else
        "$TOP/guest/make" --debian --agent "$TOP/build/src/agent/bulkhead-agent" --out "$GUEST"
    fi
    "$TOP/tests/lib/make-rootfs" "$WORK/rootfs"
    cp "$TOP/build/tests/kata/file-semantics" "$WORK/rootfs/bin"
    mkdir -p "$WORK/data"
    bundle first 'c["process"]["args"] = ["sleep", "100000"]' >/dev/null
    kata run -d --pod pod -b "$WORK/first" pod
}

teardown_file() {
    kata delete -f pod || true
    local loop
    for loop in $(losetup -n -O NAME,BACK-FILE | awk -v w="$WORK/" 'index($2, w) == 1 { print $1 }'); do
        losetup -d "$loop"
    done
    umount -R "$WORK/host" || true
    rm -rf "$WORK"
}

teardown() {
    kata delete -f "c$BATS_TEST_NUMBER" 2>/dev/null || true
    umount "$WORK/host/later" "$WORK/host/shm" "$WORK/host/kubernetes.io~empty-dir/cache" 2>/dev/null || true
}

kata() {
    timeout 240 "${BULKHEAD:-$TOP/build/src/cli/bulkhead}" --root "$STATE" --runtime kata \
        --accelerator "${ACCELERATOR:-emulation}" --guest "$GUEST" "$@"
}

# Makes a bundle of the document that `spec` prints, changed by a piece of Python with it in c.
bundle() { # NAME PYTHON
    mkdir -p "$WORK/$1"
    rm -f "$WORK/$1/config.json"
    (cd "$WORK/$1" && "${BULKHEAD:-$TOP/build/src/cli/bulkhead}" spec)
    WORK=$WORK python3 - "$WORK/$1/config.json" "$2" <<'PYTHON'
import json, os, sys
WORK = os.environ["WORK"]
def bind(source, destination, *options):
    c["mounts"].append({"type": "bind", "source": source, "destination": destination,
                        "options": ["rbind", *options]})
def sh(script):
    c["process"]["args"] = ["sh", "-euc", script]
def block(loop, path, access="rwm"):
    number = os.stat(loop).st_rdev
    c["linux"].setdefault("devices", []).append(
        {"path": path, "type": "b", "major": os.major(number), "minor": os.minor(number)})
    c["linux"]["resources"]["devices"].append(
        {"allow": True, "type": "b", "major": os.major(number), "minor": os.minor(number), "access": access})
with open(sys.argv[1]) as file:
    c = json.load(file)
c["process"]["terminal"] = False
c["root"] = {"path": WORK + "/rootfs"}
caps = c["process"]["capabilities"]
for kind in caps:
    caps[kind] += ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_SETUID", "CAP_SETGID",
                   "CAP_SETFCAP", "CAP_MKNOD"]
exec(sys.argv[2])
with open(sys.argv[1], "w") as file:
    json.dump(c, file)
PYTHON
}

# Runs one more container in the pod, in a bundle changed by PYTHON.
in_pod() { # PYTHON
    bundle "c$BATS_TEST_NUMBER" "$1"
    kata run --pod pod -b "$WORK/c$BATS_TEST_NUMBER" "c$BATS_TEST_NUMBER"
}

make_loop() { # NAME MIB
    truncate -s "${2}M" "$WORK/$1"
    losetup -f --show "$WORK/$1"
}

# The process that serves the pod's files, by what its command line says.
daemon_fds() {
    local pid
    for pid in $(pgrep -f 'virtiofsd.*--fd=3'); do
        grep -q "$WORK" "/proc/$(awk '/^PPid/ { print $2 }' "/proc/$pid/status")/mountinfo" 2>/dev/null || continue
        ls "/proc/$pid/fd" | wc -l
    done | sort -n | tail -1
}

@test "the root of a container and a bound directory do what file systems must" {
    mkdir -p "$WORK/data/semantics"
    in_pod 'bind(WORK + "/data/semantics", "/data")
sh("mkdir /semantics; file-semantics /semantics hard-links xattrs file-capabilities holes ownership direct "
   "mapped locks unlinked special-files times; file-semantics /data hard-links xattrs file-capabilities "
   "holes ownership direct mapped locks rename-storm unlinked special-files times")'
}

@test "ten thousand small files" {
    mkdir -p "$WORK/data/small"
    in_pod 'bind(WORK + "/data/small", "/data"); sh("file-semantics /data small-files")'
}

@test "a file of one gibibyte" {
    mkdir -p "$WORK/data/big"
    in_pod 'bind(WORK + "/data/big", "/data"); sh("file-semantics /data big-file")'
}

# bats test_tags=kvm
@test "what a container writes is on the host with its owner, and the other way" {
    mkdir -p "$WORK/data/both"
    echo from-host >"$WORK/data/both/in"
    run in_pod 'bind(WORK + "/data/both", "/data")
sh("cat /data/in; echo from-guest >/data/out; chown 1234:5678 /data/out; chmod 640 /data/out")'
    [ "$output" = from-host ]
    [ "$(cat "$WORK/data/both/out")" = from-guest ]
    [ "$(stat -c %u:%g:%a "$WORK/data/both/out")" = 1234:5678:640 ]
}

@test "read-only is read-only, also for who remounts it in the guest" {
    mkdir -p "$WORK/data/ro" && echo x >"$WORK/data/ro/file"
    run in_pod 'bind(WORK + "/data/ro", "/data", "ro"); bind(WORK + "/data/ro/file", "/file", "ro")
for kind in caps: caps[kind] += ["CAP_SYS_ADMIN"]
sh("! echo y >/data/new; ! echo y >/file; mount -o remount,rw,bind /data; ! echo y >/data/new; echo done")'
    [[ $output = *done ]]
    [[ $output = *"Read-only file system"* ]]
    [ ! -e "$WORK/data/ro/new" ] && [ "$(cat "$WORK/data/ro/file")" = x ]
}

@test "a ConfigMap's swap and a file that is written again are seen" {
    local d=$WORK/data/conf
    mkdir -p "$d/v1" "$d/v2" && echo one >"$d/v1/key" && echo two >"$d/v2/key"
    ln -s v1 "$d/..data" && ln -s ..data/key "$d/key" && echo old >"$WORK/data/hosts"
    bundle "c$BATS_TEST_NUMBER" 'bind(WORK + "/data/conf", "/conf", "ro"); bind(WORK + "/data/hosts", "/etc/hosts")
sh("cat /conf/key /etc/hosts; while true; do sleep 1; done")'
    kata run -d --pod pod -b "$WORK/c$BATS_TEST_NUMBER" "c$BATS_TEST_NUMBER" >"$WORK/out"
    [ "$(kata exec "c$BATS_TEST_NUMBER" cat /conf/key)" = one ]
    ln -s v2 "$d/..tmp" && mv -T "$d/..tmp" "$d/..data"
    echo new >"$WORK/data/hosts"
    sleep 1.2
    [ "$(kata exec "c$BATS_TEST_NUMBER" cat /conf/key)" = two ]
    [ "$(kata exec "c$BATS_TEST_NUMBER" cat /etc/hosts)" = new ]
}

@test "a mount that the host makes later is seen in the guest, and gone after" {
    mkdir -p "$WORK/host/later"
    bundle "c$BATS_TEST_NUMBER" 'bind(WORK + "/host", "/host", "rslave"); c["process"]["args"] = ["sleep", "1000"]'
    kata run -d --pod pod -b "$WORK/c$BATS_TEST_NUMBER" "c$BATS_TEST_NUMBER"
    mount -t tmpfs later "$WORK/host/later"
    echo seen >"$WORK/host/later/file"
    sleep 1.2
    [ "$(kata exec "c$BATS_TEST_NUMBER" cat /host/later/file)" = seen ]
    # the guest's kernel remembers the file, which keeps the mount busy
    umount -l "$WORK/host/later"
    sleep 1.2
    run kata exec "c$BATS_TEST_NUMBER" cat /host/later/file
    [ "$status" -ne 0 ]
}

@test "a tmpfs has its size" {
    run in_pod 'c["mounts"].append({"type": "tmpfs", "source": "t", "destination": "/t", "options": ["size=1m"]})
sh("dd if=/dev/zero of=/t/half bs=1k count=512; dd if=/dev/zero of=/t/full bs=1k count=600")'
    [ "$status" -ne 0 ]
    [[ $output = *"No space left on device"* ]]
}

@test "the pod's shm and memory volumes are the guest's, shared by its containers" {
    local empty="$WORK/host/kubernetes.io~empty-dir/cache" both
    mkdir -p "$WORK/host/shm" "$empty"
    mount -t tmpfs -o size=8m,mode=1777 shm "$WORK/host/shm"
    mount -t tmpfs -o size=2m,mode=2770,gid=2000 tmpfs "$empty"
    both='bind(WORK + "/host/shm", "/dev/shm"); bind(WORK + "/host/kubernetes.io~empty-dir/cache", "/cache")
c["mounts"] = [m for m in c["mounts"] if m["destination"] != "/dev/shm" or m["type"] == "bind"]'
    run in_pod "$both"'
sh("echo one >/dev/shm/file; echo two >/cache/file; df -kP /dev/shm /cache | tail -n 2; stat -c %a:%g /cache")'
    echo "$output"
    [[ $output = *" 8192 "*" 2048 "*2770:2000* ]]
    kata delete -f "c$BATS_TEST_NUMBER" 2>/dev/null || true
    run in_pod "$both"'; sh("cat /dev/shm/file /cache/file")'
    [ "$output" = $'one\ntwo' ]
    # the host has nothing of it
    [ -z "$(ls "$WORK/host/shm" "$empty" | grep file)" ]
}

# bats test_tags=kvm
@test "a raw block device is a device in the container" {
    local loop
    loop=$(make_loop raw 8)
    echo from-host | dd of="$WORK/raw" conv=notrunc status=none
    LOOP=$loop run in_pod 'block(os.environ["LOOP"], "/dev/xvda")
sh("head -c 9 /dev/xvda; echo; echo from-guest | dd of=/dev/xvda bs=1M seek=1 conv=notrunc,fsync 2>/dev/null; stat -c %F /dev/xvda")'
    echo "$output"
    [ "$output" = $'from-host\nblock special file' ]
    [ "$(dd if="$loop" bs=1M skip=1 count=1 iflag=direct status=none | head -c 10)" = from-guest ]
    losetup -d "$loop"
}

@test "a loop device is the root, and mounts nowhere on the host" {
    local loop
    loop=$(make_loop root 64)
    mke2fs -q -t ext4 -d "$WORK/rootfs" "$loop"
    LOOP=$loop run in_pod 'c["root"]["path"] = os.environ["LOOP"]
sh("grep \" / \" /proc/mounts; file-semantics /tmp hard-links xattrs access-lists holes direct mapped locks rename-storm")'
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output = *" / ext4 "* ]]
    ! grep -q "$loop" /proc/mounts || false
    # let go: nobody holds it any more
    losetup -d "$loop"
    [ -z "$(losetup -n -O BACK-FILE | grep "^$WORK/root")" ]
}

# Its pages held the disk's programs a moment ago.
@test "an exec sees a program and a home that came since the last one, from either side" {
    local own=c$BATS_TEST_NUMBER root=$WORK/rootfs
    bundle "$own" 'sh("sleep 100000")'
    kata run -d --pod pod -b "$WORK/$own" "$own"
    say() { # DIRECTORY WORD, in the host's root file system
        mkdir -p "$root/$1"
        printf '#!/bin/sh\necho %s $HOME\n' "$2" >"$root/$1/found"
        chmod 755 "$root/$1/found"
    }
    cp "$root/etc/passwd" "$WORK/passwd"
    say bin last
    sleep 4 # what changed less than two seconds ago is looked at again anyhow
    for _ in 1 2 3; do
        [ "$(kata exec "$own" found)" = "last /root" ]
    done
    # By the container itself: at once.
    kata exec "$own" sh -euc '
        sed "s,:/root:,:/elsewhere:," /etc/passwd >/etc/new
        mv /etc/new /etc/passwd
        mkdir -p /usr/local/bin
        printf "#!/bin/sh\necho first \$HOME\n" >/usr/local/bin/found
        chmod 755 /usr/local/bin/found'
    [ "$(kata exec "$own" found)" = "first /elsewhere" ]
    # By the host: within the second for which the guest believes a name.
    rm -r "$root/usr/local"
    cp "$WORK/passwd" "$root/etc/passwd"
    sleep 4
    for _ in 1 2 3; do
        [ "$(kata exec "$own" found)" = "last /root" ]
    done
    say usr/bin second
    sed "s,:/root:,:/host:," "$WORK/passwd" >"$root/etc/passwd"
    sleep 1.5
    [ "$(kata exec "$own" found)" = "second /host" ]
    # A user of another home, and one whose PATH is another.
    [ "$(kata exec --user 1000 "$own" found)" = "second /home/tester" ]
    [ "$(kata exec --env PATH=/bin "$own" found)" = "last /host" ]
    cp "$WORK/passwd" "$root/etc/passwd"
    rm -r "$root/bin/found" "$root/usr/bin/found"
}

@test "programs of the shared directory run as they are, where others ran before" {
    local i
    for i in 1 2 3; do
        run in_pod 'sh("ls /bin >/dev/null; echo ran")'
        [ "$status $output" = "0 ran" ]
    done
}

@test "a device that the host has mounted is not taken away from it" {
    local loop
    loop=$(make_loop mounted 16)
    mke2fs -q -t ext4 "$loop" && mkdir -p "$WORK/mnt" && mount "$loop" "$WORK/mnt"
    LOOP=$loop run in_pod 'c["root"]["path"] = os.environ["LOOP"]'
    umount "$WORK/mnt" && losetup -d "$loop"
    [ "$status" -ne 0 ]
    [[ $output = *"$loop"*"mounted or used by somebody else"* ]]
}

@test "what cannot be had is refused with its field" {
    python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$WORK/data/s"
    run in_pod 'bind(WORK + "/data/s", "/s")'
    [ "$status" -ne 0 ]
    [[ $output = *"is a socket"*"/mounts/"*"/source"* ]]
    run in_pod 'bind("/no/such/thing", "/s")'
    [ "$status" -ne 0 ]
    [[ $output = *"'/no/such/thing': No such file or directory"*"/mounts/"* ]]
    run in_pod 'c["linux"]["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": 2097152}]'
    [ "$status" -ne 0 ]
    [[ $output = *"in pages of 2MB"*"/linux/resources/hugepageLimits/0/limit"* ]]
}

@test "sysctls of the network are set in the pod" {
    run in_pod 'c["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "77"}
sh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start")'
    [ "$output" = 77 ]
}

@test "containers that come and go leave no descriptor in the daemon" {
    local before after i
    mkdir -p "$WORK/data/many" && (cd "$WORK/data/many" && seq 500 | xargs touch)
    before=$(daemon_fds)
    for i in 1 2 3; do
        in_pod 'bind(WORK + "/data/many", "/many"); sh("ls -l /many >/dev/null")'
    done
    sleep 5
    after=$(daemon_fds)
    echo "descriptors: $before before, $after after"
    [ -n "$after" ] && [ "$after" -lt $((before + 200)) ]
}

@test "a pod that is gone leaves nothing" {
    kata delete -f pod
    local i
    for i in $(seq 50); do
        pgrep -f "$STATE" >/dev/null || break
        sleep 0.1
    done
    ! pgrep -af "$STATE" || false
    ! grep -E "$WORK/(state|first|c[0-9])" /proc/mounts || false
    [ -z "$(losetup -n -O BACK-FILE | grep "$WORK")" ]
}
