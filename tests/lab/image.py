# SPDX-License-Identifier: Apache-2.0
"""The lab's kernel and initramfs, made from Debian's kernel package and kept in a cache."""

import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
GUEST = os.path.realpath(f"{HERE}/../../guest")
sys.path.insert(0, GUEST)
from initramfs import cpio  # noqa: E402
from installed_kernel import (ImageError, Modules, module_bytes, module_name,  # noqa: E402
                              vmlinux)

SOURCES = sorted(glob.glob(f"{HERE}/guest/*.[ch]"))
RECIPES = [f"{HERE}/modules.txt", f"{HERE}/image.py", f"{GUEST}/initramfs.py",
           f"{GUEST}/installed_kernel.py"]
CC = ["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-static", "-s"]

# What it takes to get to the host's files, in the order of loading; the rest is in modules.txt.
ROOT_MODULES = ["virtio_pci", "virtio_console", "virtiofs", "overlay"]


def wanted_modules():
    """Returns the names in modules.txt."""
    with open(f"{HERE}/modules.txt", encoding="utf-8") as file:
        lines = [line.split("#")[0].strip() for line in file]
    return [line for line in lines if line]


def initramfs(version, init):
    """Returns the initramfs: the program `init` and the kernel's modules with the lists of them."""
    modules = Modules(version)
    root = modules.files(ROOT_MODULES)
    tests = [path for path in modules.files(wanted_modules()) if path not in root]
    entries = [("modules", 0o40755, b""), ("init", 0o100755, init)]
    for list_name, paths in (("root", root), ("tests", tests)):
        lines = ""
        for path in paths:
            name = "modules/" + module_name(path)
            lines += f"/{name}\n"
            entries.append((name, 0o100644, module_bytes(path)))
        entries.append((f"modules/{list_name}", 0o100644, lines.encode()))
    return cpio(entries)


def compile_init():
    """Returns the program that is /init and agent in the lab."""
    with tempfile.NamedTemporaryFile() as out:
        built = subprocess.run(CC + ["-o", out.name] + [s for s in SOURCES if s.endswith(".c")],
                               capture_output=True, text=True, check=False)
        if built.returncode != 0:
            raise ImageError(f"compiling the lab's init: {built.stderr.strip()}")
        with open(out.name, "rb") as file:
            return file.read()


def fingerprint(version):
    """Returns a name for what the image is made from: these sources and that kernel."""
    digest = hashlib.sha256()
    for path in SOURCES + RECIPES:
        with open(path, "rb") as file:
            digest.update(file.read())
    stat = os.stat(f"/boot/vmlinuz-{version}")
    digest.update(f"{stat.st_size} {stat.st_mtime_ns}".encode())
    return f"{version}-{digest.hexdigest()[:16]}"


def prune(cache, days=7):
    """Removes images that no lab was started from for some days. A running one has its open."""
    for name in os.listdir(cache):
        path = f"{cache}/{name}"
        if os.path.isdir(path) and os.stat(path).st_mtime < time.time() - days * 86400:
            shutil.rmtree(path, ignore_errors=True)


def image(version):
    """Returns the paths of kernel and initramfs for a kernel version, made if they are not there."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or "/var/cache", "bulkhead", "lab")
    name = fingerprint(version)
    path = f"{cache}/{name}"
    os.makedirs(cache, exist_ok=True)
    with open(f"{cache}/lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(path):
            prune(cache)
            with tempfile.TemporaryDirectory(dir=cache) as new:
                os.mkdir(f"{new}/image")
                with open(f"{new}/image/vmlinux", "wb") as file:
                    file.write(vmlinux(f"/boot/vmlinuz-{version}"))
                with open(f"{new}/image/initramfs", "wb") as file:
                    file.write(initramfs(version, compile_init()))
                os.rename(f"{new}/image", path)
        os.utime(path)
    return f"{path}/vmlinux", f"{path}/initramfs"
