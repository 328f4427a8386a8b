# SPDX-License-Identifier: Apache-2.0
"""Bundles, helper programs, runtimes and cells of one run of the benchmark."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import bundles
import measure
from report import FLOOR, Cell

HERE = pathlib.Path(__file__).resolve().parent
HELPERS = ("csd", "floor", "peak")
NO_CGROUPS = "--cgroup-manager=disabled"
VERBS = ("run", "c+s+d")
# What each runtime is asked for where no clock runs, and how often: the middle of the figures counts.
PLAIN_VERBS = ("run", "create", "start", "delete")
SAMPLES = 3
CREATED_LIMIT_S = 30
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def container(who):
    """The id of a runtime's container."""
    return f"bench-{who}"


def remove_cgroups(names):
    """Remove cgroups that a runtime left, in every hierarchy."""
    base = pathlib.Path("/sys/fs/cgroup")
    for hierarchy in (base, *base.iterdir()):
        for name in names:
            with contextlib.suppress(OSError):
                (hierarchy / name).rmdir()


class Bench:
    """One run's things: `work` holds bundles and programs, `state` the runtimes' own directories.

    peers: {name: path of the runtime}. What cannot be done here is told in `skipped`.
    """

    def __init__(self, work, state, peers):
        self.work, self.state, self.peers = work, state, peers
        self.skipped = []
        for name in HELPERS:
            subprocess.run(["gcc", "-std=gnu17", "-O2", "-static", "-o", work / name, HERE / f"{name}.c"], check=True)
        self.bundles = bundles.make(work, shutil.which("runc"))

    def runtime(self, who, cgroups=True):
        """A runtime with its global options."""
        return [self.peers[who], "--root", self.state / who] + ([] if cgroups else [NO_CGROUPS])

    def command(self, cell):
        """The command line of a cell."""
        bundle = self.bundles[cell.config, cell.cgroups]
        if cell.who == FLOOR:
            return [self.work / "floor", bundles.namespaces(bundle), self.work / "rootfs/bin/true"]
        runtime = self.runtime(cell.who, cell.cgroups)
        if cell.verb == "run":
            return [*runtime, "run", "--bundle", bundle, container(cell.who)]
        return [self.work / "csd", bundle, container(cell.who), *runtime]

    def usable(self, cell):
        """Whether a cell's command works at all; its last words are kept otherwise."""
        try:
            measure.run_once(self.command(cell))
        except (subprocess.SubprocessError, OSError) as error:
            self.skipped.append(f"{cell}: {measure.last_words(error)}")
            self.delete(cell.who)
            return False
        return True

    def cells(self):
        """Every cell that this machine and these runtimes can do."""
        wanted = [Cell("A", False, "run", FLOOR)]
        for who in self.peers:
            # runc has no mode without cgroups
            modes = (True,) if who == "runc" else (True, False)
            wanted += [Cell(config, cgroups, verb, who) for config in "AB" for cgroups in modes for verb in VERBS]
        return [cell for cell in wanted if self.usable(cell)]

    def plain_commands(self, who, config="A", cgroups=True):
        """{verb: command line}."""
        runtime, bundle, box = self.runtime(who, cgroups), self.bundles[config, cgroups], container(who)
        return {"run": [*runtime, "run", "--bundle", bundle, box],
                "create": [*runtime, "create", "--bundle", bundle, box],
                "start": [*runtime, "start", box], "delete": [*runtime, "delete", "--force", box]}

    def peaks(self, who):
        """{verb: peak resident set in KiB}."""
        return {verb: measure.peak_kib(self.work / "peak", command, self.work)
                for verb, command in self.plain_commands(who).items()}

    def calls(self, who):
        """{verb: system calls}; those of create include the container's first process, up to its end."""
        commands = self.plain_commands(who)
        found = {"run": measure.syscalls(commands["run"], self.work)}
        out = self.work / "create"
        found["start"] = self.create_and_start(measure.trace(commands["create"], out), commands["start"])
        found["create"] = measure.traced_calls(out)
        found["delete"] = measure.syscalls(commands["delete"], self.work)
        return found

    def create_and_start(self, traced_create, start):
        """Run a traced create, which lasts until the container ended, and start meanwhile; the calls of start."""
        with subprocess.Popen(list(map(str, traced_create)), **QUIET) as create:
            self.await_created(start)
            calls = measure.syscalls(start, self.work)
            create.wait(CREATED_LIMIT_S)
        return calls

    @staticmethod
    def await_created(start):
        """Wait until the container that `start` is about has been created."""
        state = [*map(str, start[:-2]), "state", start[-1]]
        end = time.monotonic() + CREATED_LIMIT_S
        while time.monotonic() < end:
            answer = subprocess.run(state, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if answer.returncode == 0 and '"created"' in answer.stdout:
                return
            time.sleep(0.05)
        raise TimeoutError(f"{start[-1]}: not created within {CREATED_LIMIT_S} s")

    def figures(self, who):
        """Peak memory, system calls and size of a runtime, or None where it cannot run config A."""
        try:
            tries = [{"peak_kib": self.peaks(who), "syscalls": self.calls(who)} for _ in range(SAMPLES)]
            middle = {kind: {verb: sorted(one[kind][verb] for one in tries)[SAMPLES // 2] for verb in PLAIN_VERBS}
                      for kind in tries[0]}
            return middle | {"binary": measure.binary(self.peers[who], self.work)}
        except (subprocess.SubprocessError, OSError) as error:
            self.skipped.append(f"figures of {who}: {measure.last_words(error)}")
            self.delete(who)
            return None

    def delete(self, who):
        """Remove what a failed attempt left."""
        subprocess.run(list(map(str, self.plain_commands(who)["delete"])), timeout=60, **QUIET)

    def close(self):
        """Leave nothing behind."""
        for who in self.peers:
            self.delete(who)
        remove_cgroups([f"{bundles.CGROUP_PARENT}/b", bundles.CGROUP_PARENT, *map(container, self.peers)])
        # first processes of containers, which their runtimes left to us
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


@contextlib.contextmanager
def scratch_bench(peers):
    """A Bench in scratch directories that go in any case."""
    with contextlib.ExitStack() as stack:
        work = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bulkhead-bench.")))
        state = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bulkhead-bench.", dir="/run")))
        # In memory, as /run is wherever containers run: a disk's journal would be measured instead.
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", state], check=True)
        stack.callback(subprocess.run, ["umount", state], check=False)
        work.chmod(0o755)
        bench = Bench(work, state, peers)
        stack.callback(bench.close)
        yield bench
