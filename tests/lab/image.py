# SPDX-License-Identifier: Apache-2.0
"""The lab's kernel and initramfs, made from Debian's kernel package and kept in a cache."""

import fcntl
import glob
import gzip
import hashlib
import lzma
import os
import re
import shutil
import struct
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCES = sorted(glob.glob(f"{HERE}/guest/*.[ch]"))
CC = ["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-static", "-s"]

# What it takes to get to the host's files, in the order of loading; the rest is in modules.txt.
ROOT_MODULES = ["virtio_pci", "virtio_console", "virtiofs", "overlay"]

# Compressions of kernels and modules: the first bytes, and how to undo it.
COMPRESSIONS = [
    (b"\x1f\x8b", gzip.decompress),
    (b"\xfd7zXZ", lzma.decompress),
    (b"\x28\xb5\x2f\xfd", lambda data: pipe(["zstd", "-dcq"], data)),
    (b"\x02\x21\x4c\x18", lambda data: pipe(["lz4", "-dcq"], data)),
    (b"\x7fELF", lambda data: data),
]


class ImageError(Exception):
    """The image cannot be made; the text says why."""


def pipe(argv, data):
    """Returns what a program makes of data. The kernel's payload ends with its size, which such
    programs take for trailing rubbish: only an empty result is an error."""
    result = subprocess.run(argv, input=data, capture_output=True, check=False).stdout
    if not result:
        raise ImageError(f"{argv[0]} cannot decompress")
    return result


def unpack(data, name):
    """Returns data decompressed."""
    for magic, function in COMPRESSIONS:
        if data.startswith(magic):
            return function(data)
    raise ImageError(f"{name}: unknown compression, begins with {data[:6].hex()}")


def newest_kernel():
    """Returns the version of the newest of Debian's cloud kernels that is installed."""
    found = [os.path.basename(path)[len("vmlinuz-"):]
             for path in glob.glob("/boot/vmlinuz-*-cloud-amd64")]
    found = [version for version in found if os.path.isdir(f"/lib/modules/{version}")]
    if not found:
        raise ImageError("no kernel: install Debian's linux-image-cloud-amd64")
    return max(found, key=lambda version: [int(n) for n in re.findall(r"\d+", version)])


def vmlinux(path):
    """Returns the ELF kernel in a bzImage: starting that (PVH) saves the guest from unpacking it.
    Offsets: Linux, Documentation/arch/x86/boot.rst."""
    with open(path, "rb") as file:
        image = file.read()
    if image[0x202:0x206] != b"HdrS":
        raise ImageError(f"{path}: not a bzImage")
    setup_sectors = image[0x1F1]
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    return unpack(image[start:start + length], path)


def module_files(version, names):
    """Returns the files of modules and of all that they depend on, in the order of loading."""
    files = []
    for name in names:
        shown = subprocess.run(["modprobe", "-C", "/dev/null", "-S", version, "--show-depends", name],
                               capture_output=True, text=True, check=False)
        if shown.returncode != 0:
            raise ImageError(f"module {name} of {version}: {shown.stderr.strip()}")
        for line in shown.stdout.splitlines():
            words = line.split()
            if words[0] == "insmod" and words[1] not in files:
                files.append(words[1])
    return files


def module_bytes(path):
    """Returns a module as the guest loads it fastest: unpacked, and without its signature (which
    the kernel would check, one emulated instruction after the other)."""
    with open(path, "rb") as file:
        data = unpack(file.read(), path)
    magic = b"~Module signature appended~\n"
    if data.endswith(magic):
        # struct module_signature ends with the signature's length, big endian, and stands before.
        length = struct.unpack(">I", data[-len(magic) - 4:-len(magic)])[0]
        data = data[:-len(magic) - 12 - length]
    return data


def cpio(entries):
    """Returns a cpio archive, as the kernel wants an initramfs (Documentation/driver-api/early-
    userspace/buffer-format.rst), of entries (path, mode, bytes)."""
    archive = bytearray()
    for number, (path, mode, data) in enumerate(entries + [("TRAILER!!!", 0, b"")]):
        name = path.encode() + b"\0"
        fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        archive += bytes(-len(archive) % 4) + data
        archive += bytes(-len(archive) % 4)
    return bytes(archive)


def wanted_modules():
    """Returns the names in modules.txt."""
    with open(f"{HERE}/modules.txt", encoding="utf-8") as file:
        lines = [line.split("#")[0].strip() for line in file]
    return [line for line in lines if line]


def initramfs(version, init):
    """Returns the initramfs: the program `init` and the kernel's modules with the lists of them."""
    root = module_files(version, ROOT_MODULES)
    tests = [path for path in module_files(version, wanted_modules()) if path not in root]
    entries = [("modules", 0o40755, b""), ("init", 0o100755, init)]
    for list_name, paths in (("root", root), ("tests", tests)):
        lines = ""
        for path in paths:
            name = "modules/" + os.path.basename(path).split(".ko")[0] + ".ko"
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
    for path in SOURCES + [f"{HERE}/modules.txt", f"{HERE}/image.py"]:
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
