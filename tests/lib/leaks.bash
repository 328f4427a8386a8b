# SPDX-License-Identifier: Apache-2.0
#
# Finds what a test left on the machine. Others may work on it at the same time, so only things
# that bear one of the test's own names count: pass such names (a workspace's TOKEN, a cgroup's
# name) as words; they are matched as plain substrings.
#
#   setup_file:    leaks_snapshot "$WORK/before" "$TOKEN"
#   teardown_file: leaks_check "$WORK/before" "$TOKEN"

# leaks_processes WORD...: living processes whose command line, environment, working directory,
# executable or cgroup has a WORD. The caller, its ancestors, what belongs to bats and the kernel's
# own threads are not counted. Must not run beside other processes of the caller (in a pipe).
leaks_processes() {
    local word pid ancestors=" " patterns=() stat command
    for word; do
        patterns+=(-e "$word")
    done
    pid=$BASHPID
    while [ "${pid:-0}" -gt 0 ]; do
        ancestors+="$pid "
        pid=$(awk '/^PPid:/ { print $2 }' "/proc/$pid/status" 2>/dev/null)
    done
    for pid in /proc/[0-9]*; do
        pid=${pid#/proc/}
        [[ $ancestors == *" $pid "* ]] && continue
        # pid (name) state parent …: read without a process, of which there are many here
        read -r stat 2>/dev/null <"/proc/$pid/stat" || continue
        [[ ${stat##*) } == [ZX]* || ${stat##*) } == [A-Z]\ 2\ * || $pid -eq 2 ]] && continue
        {
            tr '\0' '\n' <"/proc/$pid/cmdline"
            tr '\0' '\n' <"/proc/$pid/environ"
            cat "/proc/$pid/cgroup"
            readlink "/proc/$pid/cwd" "/proc/$pid/exe"
        } 2>/dev/null | grep -qF "${patterns[@]}" || continue
        command=$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)
        [[ $command == *bats-* ]] && continue
        echo "process $pid ${command:-$(cat "/proc/$pid/comm" 2>/dev/null)}"
    done
}

# leaks_list_cgroups WORD...: cgroups with a WORD in their path.
leaks_list_cgroups() {
    local word
    for word; do
        find /sys/fs/cgroup -type d -path "*$word*" -printf 'cgroup %p\n' 2>/dev/null
    done | LC_ALL=C sort -u
}

# leaks_list WORD...: everything on the machine with a WORD in its name, one a line, sorted.
leaks_list() {
    local word patterns=() paths=() processes
    processes=$(leaks_processes "$@")
    for word; do
        patterns+=(-e "$word")
        paths+=(${paths[0]:+-o} -path "*$word*")
    done
    {
        echo "$processes"
        leaks_list_cgroups "$@"
        leaks_list_kernel | grep -F "${patterns[@]}"
        find /run /tmp /dev/shm /var/lib /etc/cni /etc/containers -maxdepth 4 \
            \( "${paths[@]}" \) -printf 'path %p\n' -prune
    } 2>/dev/null | sed '/^$/d' | LC_ALL=C sort -u
}

# leaks_list_all: everything but cgroups, for a test that has the machine, or a node, to itself.
# Processes go without their pids: a daemon may be restarted. Equal lines are counted, not merged.
leaks_list_all() {
    local processes
    processes=$(leaks_processes "")
    {
        sed -E '/^process 1 /d; s/^process [0-9]+ /process /' <<<"$processes"
        leaks_list_kernel
        find /run /dev/shm -printf 'path %p\n'
    } 2>/dev/null | LC_ALL=C sort
}

# leaks_list_kernel: mounts, links, packet filter rules (without counters) and loop devices.
leaks_list_kernel() {
    cut -d' ' -f5- /proc/self/mountinfo | sed -E 's/ (shared|master):[0-9]+//g; s/^/mount /'
    ip -o link | sed -E 's/^[0-9]+: ([^:@]*).*/link \1/'
    iptables-save | sed -E '/^#/d; s/ ?\[[0-9]+:[0-9]+\]//; s/^/rule /'
    losetup --all | sed 's/^/loop /'
}

# leaks_snapshot FILE WORD...: notes in FILE what is there now.
leaks_snapshot() {
    local file=$1
    shift
    leaks_list "$@" >"$file"
}

# leaks_check FILE WORD...: fails and lists what has come since the snapshot FILE.
leaks_check() {
    local file=$1
    shift
    leaks_compare "$file" leaks_list "$@"
}

# leaks_compare FILE COMMAND...: fails when COMMAND lists what FILE has not. Engines tidy up
# behind an answer already given, so it looks again for LEAKS_WAIT seconds (default 10).
leaks_compare() {
    local file=$1 deadline=$((SECONDS + ${LEAKS_WAIT:-10} * ${PATIENCE:-1})) found
    shift
    while :; do
        found=$("$@") # alone: a process beside it in a pipe would be found as well
        found=$(LC_ALL=C comm -13 <(LC_ALL=C sort "$file") <(LC_ALL=C sort <<<"$found") | sed '/^$/d')
        [ -n "$found" ] || return 0
        if ((SECONDS >= deadline)); then
            printf 'left behind:\n%s\n' "$found" >&2
            return 1
        fi
        sleep 0.2
    done
}

# cgroups_remove WORD: kills what is left in cgroups with WORD in their path, and removes them.
cgroups_remove() {
    local dir pid
    [ -n "$1" ] || return 1
    while read -r dir; do
        while read -r pid; do
            kill -KILL "$pid" 2>/dev/null || :
        done <"$dir/cgroup.procs"
        [ ! -w "$dir/freezer.state" ] || echo THAWED >"$dir/freezer.state"
        [ ! -w "$dir/cgroup.freeze" ] || echo 0 >"$dir/cgroup.freeze"
        wait_until 5 rmdir "$dir" || :
    done < <(find /sys/fs/cgroup -depth -type d -path "*$1*")
}
