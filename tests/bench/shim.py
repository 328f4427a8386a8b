# SPDX-License-Identifier: Apache-2.0
"""Runs in the node of `shim`: measures both shims, prints a table."""
import glob
import socket
import statistics
import struct
import subprocess
import sys
import time

NAMESPACE, IMAGE, RUNS = sys.argv[1], sys.argv[2], int(sys.argv[3])
OURS, THEIRS = "io.containerd.bulkhead.v2", "io.containerd.runc.v2"
STATES = 3000
TASKS = f"/run/containerd/io.containerd.runtime.v2.task/{NAMESPACE}"


def ctr(*args: str) -> None:
    subprocess.run(["ctr", "--namespace", NAMESPACE, *args], check=True, stdout=subprocess.DEVNULL)


def milliseconds(work) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


def receive(sock: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        data += sock.recv(length - len(data))
    return data


def state_microseconds(container: str) -> float:
    """Median of State on one connection."""
    with open(f"{TASKS}/{container}/address", encoding="utf-8") as f:
        address = f.read().removeprefix("unix://")
    request = field(1, b"containerd.task.v2.Task") + field(2, b"State") + field(3, field(1, container.encode()))
    times = []
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(address)
        for stream in range(1, 2 * STATES, 2):
            start = time.perf_counter()
            sock.sendall(struct.pack(">IIBB", len(request), stream, 1, 0) + request)
            receive(sock, struct.unpack(">I", receive(sock, 10)[:4])[0])
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def memory(container: str) -> tuple[int, int]:
    """KiB of private memory and PSS of the shim that serves it."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with open(path, "rb") as f:
            words = f.read().split(b"\0")
        if b"-id" not in words or words[words.index(b"-id") + 1] != container.encode():
            continue
        with open(path.replace("cmdline", "smaps_rollup"), encoding="utf-8") as f:
            rows = {line.split(":")[0]: int(line.split()[1]) for line in f if line.endswith("kB\n")}
        return rows["Private_Clean"] + rows["Private_Dirty"], rows["Pss"]
    raise LookupError(f"no shim serves {container}")


def main() -> None:
    runs = {OURS: [], THEIRS: []}
    for _ in range(RUNS):
        for runtime, times in runs.items():
            times.append(milliseconds(lambda r=runtime: ctr("run", "--rm", "--runtime", r, IMAGE, "bench", "true")))
    names = {OURS: "ours", THEIRS: "theirs"}
    for runtime, name in names.items():
        ctr("run", "--detach", "--runtime", runtime, IMAGE, name, "sleep", "1000")
    time.sleep(2)
    sizes = {name: memory(name) for name in names.values()}
    states = {name: state_microseconds(name) for name in names.values()}
    for name in names.values():
        ctr("tasks", "delete", "--force", name)
        ctr("containers", "delete", name)
    rows = [("ctr run --rm true, median, ms", *(statistics.median(runs[r]) for r in names)),
            ("ctr run --rm true, fastest, ms", *(min(runs[r]) for r in names)),
            ("shim, private memory, KiB", *(sizes[n][0] for n in names.values())),
            ("shim, PSS, KiB", *(sizes[n][1] for n in names.values())),
            ("State, median, us", *(states[n] for n in names.values()))]
    print(f"{'':34}{'bulkhead':>10}{'containerd':>12}{'ratio':>8}")
    for what, ours, theirs in rows:
        print(f"{what:34}{ours:10.1f}{theirs:12.1f}{ours / theirs:8.2f}")


main()
