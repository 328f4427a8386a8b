# SPDX-License-Identifier: Apache-2.0
"""Measuring commands: wall and CPU time by hyperfine in shuffled rounds, peak memory, system calls, size."""

import dataclasses
import json
import os
import pathlib
import random
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

# A block of runs is repeated when others kept more than this many CPUs busy meanwhile ...
FOREIGN_LIMIT = 0.3
# ... at most so often; the quietest try counts.
TRIES = 3
# What is not timed must end within so many seconds.
LIMIT_S = 300


@dataclasses.dataclass
class Block:
    """One hyperfine call: `times` in seconds, mean CPU seconds a run, CPUs that others kept busy meanwhile."""
    times: list
    cpu: float
    foreign: float

    @property
    def median(self):
        return statistics.median(self.times)


def busy_seconds():
    """CPU seconds that the machine has been busy, and those of our own children."""
    fields = [int(f) for f in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    busy = (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return busy, usage.ru_utime + usage.ru_stime


def block_once(command, runs, warmup, scratch):
    out = scratch / "hyperfine.json"
    busy, own = busy_seconds()
    begin = time.monotonic()
    subprocess.run(["hyperfine", "-N", "--style", "none", "--warmup", str(warmup), "--runs", str(runs),
                    "--export-json", out, shlex.join(map(str, command))],
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = time.monotonic() - begin
    busy_after, own_after = busy_seconds()
    foreign = ((busy_after - busy) - (own_after - own)) / seconds
    result = json.loads(out.read_text())["results"][0]
    return Block(result["times"], result["user"] + result["system"], max(foreign, 0.0))


def block(command, runs, warmup, scratch):
    """A block of runs, taken again while the machine is busy with other things."""
    best = None
    for _ in range(TRIES):
        one = block_once(command, runs, warmup, scratch)
        if best is None or one.foreign < best.foreign:
            best = one
        if best.foreign <= FOREIGN_LIMIT:
            break
    return best


def rounds(commands, count, runs, warmup, scratch):
    """`count` rounds over all `commands` ({key: argv}) in an order shuffled anew each time.

    Returns {key: [Block]} of those that never failed, and {key: last words} of the others.
    """
    blocks = {key: [] for key in commands}
    failed = {}
    for number in range(count):
        for key in random.sample(list(blocks), len(blocks)):
            try:
                blocks[key].append(block(commands[key], runs, warmup, scratch))
            except subprocess.CalledProcessError as error:
                failed[key] = f"round {number + 1}: {last_words(error)}"
                del blocks[key]
        print(f"round {number + 1} of {count}", file=sys.stderr)
    return blocks, failed


def percentile(values, share):
    """The value that `share` of the sorted values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def summary(blocks):
    """Figures of one cell, in milliseconds."""
    times = [t for b in blocks for t in b.times]
    return {"runs": len(times), "min": min(times) * 1e3, "p50": statistics.median(times) * 1e3,
            "p95": percentile(times, 0.95) * 1e3, "cpu": statistics.median(b.cpu for b in blocks) * 1e3}


VALUE_OF = {"wall": lambda one: one.median, "cpu": lambda one: one.cpu}


def ratio(over, under, what):
    """Median and range of the ratios that the rounds gave; what the minima and the CPU times say beside it.

    Both cells of a pair ran in the same round, so load that lasts longer than a round cancels out.
    """
    def each(value):
        return [value(a) / value(b) for a, b in zip(over, under)]
    chosen = each(VALUE_OF[what])
    minima = min(t for b in over for t in b.times) / min(t for b in under for t in b.times)
    return {"value": statistics.median(chosen), "low": min(chosen), "high": max(chosen), "of_minima": minima,
            "of_cpu": statistics.median(each(VALUE_OF["cpu"]))}


def last_words(error):
    """What a command that failed said, on one line."""
    words = getattr(error, "stderr", None) or str(error)
    return " | ".join(words.strip().splitlines())[-200:]


def run_once(command):
    """Run a command that must succeed; its standard error is in the exception otherwise.

    Errors go through a file: `create` leaves a container that would hold a pipe open.
    """
    with tempfile.TemporaryFile("w+") as errors:
        try:
            subprocess.run(list(map(str, command)), check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=errors, timeout=LIMIT_S)
        except subprocess.SubprocessError as error:
            errors.seek(0)
            error.stderr = errors.read() or str(error)
            raise


def peak_kib(peak, command, scratch):
    """Peak resident set of a command, KiB."""
    out = scratch / "peak.kib"
    run_once([peak, out, *command])
    return int(out.read_text())


def trace(command, out):
    """The command line that counts a command's system calls, and its children's, into the file `out`."""
    return ["strace", "-f", "-qq", "-c", "-U", "calls,name", "-o", out, *command]


def traced_calls(out):
    """The sum that strace left in `out`."""
    return int(next(line for line in out.read_text().splitlines() if line.endswith("total")).split()[0])


def syscalls(command, scratch):
    """System calls that a command and its children make."""
    out = scratch / "strace"
    run_once(trace(command, out))
    return traced_calls(out)


def binary(path, scratch):
    """Size when stripped (bytes), and whether the program needs no shared library."""
    stripped = scratch / "stripped"
    run_once(["strip", "-o", stripped, path])
    dynamic = subprocess.run(["readelf", "-dW", stripped], check=True, capture_output=True, text=True).stdout
    return {"stripped": stripped.stat().st_size, "static": "(NEEDED)" not in dynamic}
