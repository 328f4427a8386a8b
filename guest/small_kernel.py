# SPDX-License-Identifier: Apache-2.0
"""Bulkhead's small kernel: compiled from Debian's source package with the configuration in kernel/.

It is compiled once for all that goes into it and kept outside the tree; those who want it meanwhile
wait for the one that compiles."""

import fcntl
import glob
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time

from installed_kernel import ImageError

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = "/usr/src/linux-source-6.12.tar.xz"
# The file of what an architecture alone has, by machine (uname -m): there is no other yet.
ARCHITECTURES = {"x86_64": "x86_64.config"}
# To be changed when what follows makes another kernel of the same source and configuration.
RECIPE = "1"
# The same bytes whoever compiles where and when.
REPRODUCIBLE = {"KBUILD_BUILD_TIMESTAMP": "1970-01-01", "KBUILD_BUILD_USER": "bulkhead",
                "KBUILD_BUILD_HOST": "bulkhead", "LC_ALL": "C"}
TARGET = "vmlinux"


def say(text):
    """Tells the user what takes time."""
    print(f"guest: {text}", file=sys.stderr, flush=True)


def wanted():
    """Returns what the fragments set, {symbol: value}, and their text."""
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise ImageError(f"no small kernel for {machine}: make the guest from a distribution's")
    text = ""
    for path in sorted(glob.glob(f"{HERE}/kernel/[0-9]*.config")) + [
            f"{HERE}/kernel/{ARCHITECTURES[machine]}"]:
        with open(path, encoding="utf-8") as file:
            text += file.read()
    return dict(re.findall(r"^(CONFIG_\w+)=(.*)$", text, re.M)), text


def refused(config):
    """Returns the symbols of the fragments that a configuration does not have as wished: a name that
    the kernel does not know any more, or one whose conditions are not met."""
    with open(config, encoding="utf-8") as file:
        have = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", file.read(), re.M))
    return [f"{symbol}={value} (is {have.get(symbol, 'n')})"
            for symbol, value in wanted()[0].items() if have.get(symbol, "n") != value]


def run(tree, arguments, log):
    """Runs make in the kernel's tree, what it says goes to a log."""
    done = subprocess.run(["make", "-C", tree, *arguments], stdout=log, stderr=log, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, **REPRODUCIBLE})
    if done.returncode != 0:
        log.flush()
        with open(log.name, encoding="utf-8", errors="replace") as file:
            tail = "".join(file.readlines()[-30:])
        raise ImageError(f"make {' '.join(arguments)} failed:\n{tail}")


def compile_kernel(tree, log):
    """Compiles the unpacked source, telling every half minute how far it is."""
    argv = ["nice", "make", "-C", tree, f"-j{os.cpu_count()}", TARGET]
    start = time.monotonic()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                          env={**os.environ, **REPRODUCIBLE}) as process:
        while True:
            try:
                process.wait(30)
                break
            except subprocess.TimeoutExpired:
                with open(log.name, encoding="utf-8", errors="replace") as file:
                    files = sum(line.startswith("  CC ") for line in file)
                say(f"compiled {files} files in {time.monotonic() - start:.0f} s")
    if process.returncode != 0:
        run(tree, [TARGET], log)  # again, for its words
        raise ImageError("the kernel compiles only at the second try")
    say(f"compiled in {time.monotonic() - start:.0f} s")


def build(folder):
    """Makes FOLDER/{vmlinux,release,config,System.map} from the source package."""
    with tempfile.TemporaryDirectory(dir=folder) as work, \
            open(f"{folder}/log", "w", encoding="utf-8") as log:
        say("unpacking the kernel's source")
        subprocess.run(["tar", "-C", work, "--strip-components=1", "-xf", SOURCE], check=True)
        with open(f"{work}/wanted.config", "w", encoding="utf-8") as file:
            file.write(wanted()[1])
        run(work, [f"KCONFIG_ALLCONFIG={work}/wanted.config", "allnoconfig"], log)
        bad = refused(f"{work}/.config")
        if bad:
            raise ImageError("the kernel does not take " + ", ".join(bad))
        say("compiling the small kernel (once: it is kept in the cache)")
        compile_kernel(work, log)
        # Without the symbols, which stay beside it, there is less to read at each start.
        subprocess.run(["objcopy", "-S", "-R", ".comment", f"{work}/vmlinux", f"{folder}/vmlinux"],
                       check=True)
        for name, source in {"release": "include/config/kernel.release", "config": ".config",
                             "System.map": "System.map"}.items():
            shutil.copyfile(f"{work}/{source}", f"{folder}/{name}")


def fingerprint():
    """Returns a name for what the kernel is made from: configuration (not its comments), recipe,
    source, compiler."""
    stat = os.stat(SOURCE)
    inputs = [RECIPE, sorted(wanted()[0].items()), stat.st_size, int(stat.st_mtime)]
    digest = hashlib.sha256(repr(inputs).encode())
    try:
        said = subprocess.run(["gcc", "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ImageError(f"gcc: {error}") from error
    digest.update(said.stdout)
    return f"small-{digest.hexdigest()[:16]}"


def prune(cache, keep, days=30):
    """Removes kernels that nobody asked for in some days, and what an ended build left."""
    for name in os.listdir(cache):
        path = f"{cache}/{name}"
        old = os.stat(path).st_mtime < time.time() - days * 86400
        if os.path.isdir(path) and name != keep and (old or name.startswith("new-")):
            shutil.rmtree(path, ignore_errors=True)


def kernel():
    """Returns (release, path of the ELF) of the small kernel, compiled if it is not in the cache."""
    if not os.path.exists(SOURCE):
        raise ImageError(f"{SOURCE} is not there: install Debian's linux-source-6.12")
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or "/var/cache", "bulkhead", "guest")
    name = fingerprint()
    path = f"{cache}/{name}"
    os.makedirs(cache, exist_ok=True)
    with open(f"{cache}/lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build of the kernel is under way: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(path):
            prune(cache, name)
            new = tempfile.mkdtemp(dir=cache, prefix="new-")
            try:
                build(new)
                os.chmod(new, 0o755)
                os.rename(new, path)
            except (OSError, subprocess.CalledProcessError) as error:
                raise ImageError(f"building the small kernel: {error} (log: {new}/log)") from error
        os.utime(path)
    with open(f"{path}/release", encoding="utf-8") as file:
        return file.read().strip(), f"{path}/vmlinux"
