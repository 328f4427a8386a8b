# SPDX-License-Identifier: Apache-2.0
"""What the Kata runtime is measured on: a pod, a container of the common runtime beside it, a bare guest."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parent.parent
sys.path.insert(0, str(TREE / "guest"))
import initramfs  # noqa: E402

LIMIT_S = 600
MIB = 1 << 20
POD_MIB = 256
# of a disk that is a container's root
IMAGE_MIB = 512
SLEEP = ["sleep", "100000"]
FILES = 300
# {what is done: script}, in a directory of the container's own
FILE_WORK = {
    "write 64 MiB": "dd if=/dev/zero of=big bs=1M count=64 conv=fsync",
    "read it, past the cache": "dd if=big of=/dev/null bs=1M iflag=direct",
    f"make {FILES} files": f"mkdir d; i=0; while [ $i -lt {FILES} ]; do echo x >d/$i; i=$((i + 1)); done",
    "look at each": "ls -ln d >/dev/null",
    "read each": "cat d/* >/dev/null",
    "remove them": "rm -r d big",
}


def run(command, **more):
    """Run a command that must succeed; returns (seconds, standard output).

    Output goes through files: what stays behind would hold a pipe open.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as words:
        begin = time.monotonic()
        with subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=words,
                              **more) as process:
            # wait() with a timeout looks again and again, after 7.5, 15.5, 31.5 ms: that would be what is measured.
            guard = threading.Timer(LIMIT_S, process.kill)
            guard.start()
            status = process.wait()
            seconds = time.monotonic() - begin
            guard.cancel()
        out.seek(0)
        words.seek(0)
        if status != 0:
            sys.exit(f"{' '.join(map(str, command))}: status {status}: {out.read()}{words.read()}")
        return seconds, out.read()


class Pods:
    """One run's things below `work`. Pods are made by `own`, of the guest in the directory `guest`."""

    def __init__(self, own, guest, accelerator, work):
        self.own, self.guest, self.accelerator, self.work = own, guest, accelerator, work
        self.rootfs = work / "rootfs"
        run([TREE / "tests/lib/make-rootfs", self.rootfs])
        (self.rootfs / "work").mkdir()
        self.number = 0

    def runtime(self, *words):
        return [self.own, "--root", self.work / "state", *words]

    def kata(self, *words):
        return self.runtime("--runtime", "kata", "--accelerator", self.accelerator, "--guest", self.guest, *words)

    def name(self):
        """A new container's."""
        self.number += 1
        return f"bench{os.getpid()}-{self.number}"

    def bundle(self, name, args=(), root=None, netns=None):
        """A bundle of one core and POD_MIB, which sleeps unless told otherwise; returns its directory."""
        bundle = self.work / f"bundle-{name}"
        bundle.mkdir()
        run([self.own, "spec"], cwd=bundle)
        config = json.loads((bundle / "config.json").read_text())
        config["process"].update(terminal=False, args=list(args) or SLEEP)
        config["root"] = {"path": str(root or self.rootfs)}
        config["linux"].update(cgroupsPath=f"/{name}",
                               resources={"cpu": {"quota": 100000, "period": 100000}, "memory": {"limit": POD_MIB * MIB}})
        if netns:
            config["linux"]["namespaces"] = [{"type": "network", "path": netns} if n["type"] == "network" else n
                                             for n in config["linux"]["namespaces"]]
        (bundle / "config.json").write_text(json.dumps(config))
        return bundle

    @contextlib.contextmanager
    def running(self, kata, pod=None, **more):
        """A container that runs meanwhile, in a pod of its own or in `pod`: yields (its name, seconds it took)."""
        name = self.name()
        make = self.kata if kata else self.runtime
        command = make("run", "--detach", *(["--pod", pod] if pod else []), "--bundle", self.bundle(name, **more), name)
        try:
            yield name, run(command)[0]
        finally:
            subprocess.run(list(map(str, self.runtime("delete", "--force", name))), stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT_S, check=False)

    def second(self, pod):
        """Seconds from create to running of one more container in a running pod."""
        name = self.name()
        bundle = self.bundle(name)
        seconds = run(self.kata("create", "--pod", pod, "--bundle", bundle, name))[0]
        seconds += run(self.runtime("start", name))[0]
        run(self.runtime("delete", "--force", name))
        return seconds

    def exec(self, name, *args):
        """Seconds that a command in a container takes, and what it prints."""
        return run(self.runtime("exec", name, *args))

    def work_on_files(self, name, script):
        """Seconds that a script takes; containers may have the same root."""
        return self.exec(name, "sh", "-euc", 'mkdir -p "/work/$1"; cd "/work/$1"; ' + script, "sh", name)[0]

    def figures(self, pod):
        return json.loads(run(self.runtime("pod", "stats", "--format", "json", pod))[1])

    def image(self):
        """An ext4 file system with the root's files, in a file; always the same one."""
        image = self.work / "root.img"
        if image.exists():
            return image
        run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", self.rootfs, image, f"{IMAGE_MIB}M"])
        return image


class Bare:
    """QEMU without Bulkhead, with the same kernel, the same initramfs and another /init."""

    def __init__(self, guest, accelerator, work):
        self.dir, self.accelerator = work / "bare", "kvm" if accelerator == "kvm" else "tcg"
        self.dir.mkdir()
        for name in ("guest.json", "vmlinux"):
            (self.dir / name).symlink_to(guest / name)
        run(["gcc", "-std=gnu17", "-O2", "-static", "-s", "-o", self.dir / "init", HERE / "bare_init.c"])
        # What comes later replaces what came before.
        later = initramfs.cpio([("init", 0o100755, (self.dir / "init").read_bytes())])
        (self.dir / "initramfs").write_bytes((guest / "initramfs").read_bytes() + later)

    def boot(self, memory_mib):
        """Seconds from QEMU's start to the guest's /init."""
        said = run([TREE / "tests/kata/boot-guest", "--accel", self.accelerator, "--memory", memory_mib, self.dir])[1]
        at = re.search(r"^ *([0-9.]+) .*bare init", said, re.MULTILINE)
        if not at:
            sys.exit(f"the bare guest did not come to its /init: {said}")
        return float(at[1])


class Wire:
    """Two network namespaces joined by a veth pair: one that asks, one whose interfaces a pod gets."""

    SERVER, PORT = "10.9.8.2", "7777"

    def __init__(self):
        self.near, self.far = f"bench-near{os.getpid()}", f"bench-far{os.getpid()}"

    def __enter__(self):
        for name, address in ((self.near, "10.9.8.1"), (self.far, self.SERVER)):
            run(["ip", "netns", "add", name])
        run(["ip", "-n", self.near, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.far])
        for name, address in ((self.near, "10.9.8.1"), (self.far, self.SERVER)):
            run(["ip", "-n", name, "addr", "add", f"{address}/24", "dev", "eth0"])
            run(["ip", "-n", name, "link", "set", "eth0", "up"])
        return self

    def __exit__(self, *_):
        for name in (self.near, self.far):
            subprocess.run(["ip", "netns", "delete", name], check=False)

    def await_server(self, traffic):
        """Until it takes connections: a container runs a moment before its program listens."""
        end = time.monotonic() + LIMIT_S
        once = list(map(str, ["ip", "netns", "exec", self.near, traffic, "send", self.SERVER, self.PORT, 1]))
        while subprocess.run(once, capture_output=True, check=False).returncode != 0 and time.monotonic() < end:
            time.sleep(0.05)

    def ask(self, traffic, *words):
        """Traffic with the server; returns (seconds, MiB a second or None)."""
        what, rest = words[0], words[1:]
        seconds, said = run(["ip", "netns", "exec", self.near, traffic, what, self.SERVER, self.PORT, *rest])
        rate = re.search(r"([0-9.]+) MiB/s", said)
        return seconds, float(rate[1]) if rate else None
