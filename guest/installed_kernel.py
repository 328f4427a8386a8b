# SPDX-License-Identifier: Apache-2.0
"""A distribution's kernel as a guest starts it: the image unpacked, the modules with what they need.

Used for the pods' guest (guest/make) and for the tests' machine (tests/lab)."""

import glob
import gzip
import lzma
import os
import platform
import re
import struct
import subprocess
import tempfile

# Debian's flavours of the kernel for machines that are virtual, by machine (uname -m).
DEBIAN_FLAVOURS = {"x86_64": "cloud-amd64", "aarch64": "cloud-arm64"}

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
    try:
        result = subprocess.run(argv, input=data, capture_output=True, check=False).stdout
    except OSError as error:
        raise ImageError(f"{argv[0]}: {error.strerror}") from error
    if not result:
        raise ImageError(f"{argv[0]} cannot decompress")
    return result


def unpack(data, name):
    """Returns data decompressed."""
    for magic, function in COMPRESSIONS:
        if data.startswith(magic):
            return function(data)
    raise ImageError(f"{name}: unknown compression, begins with {data[:6].hex()}")


def newest_kernel(machine=platform.machine()):
    """Returns the version of the newest of Debian's cloud kernels that is installed."""
    flavour = DEBIAN_FLAVOURS.get(machine)
    if flavour is None:
        raise ImageError(f"no kernel known for machine {machine}")
    found = [os.path.basename(path)[len("vmlinuz-"):]
             for path in glob.glob(f"/boot/vmlinuz-*-{flavour}")]
    found = [version for version in found if os.path.isdir(f"/lib/modules/{version}")]
    if not found:
        raise ImageError(f"no kernel: install Debian's linux-image-{flavour}")
    return max(found, key=lambda version: [int(n) for n in re.findall(r"\d+", version)])


def unpack_bzimage(image, path):
    """Returns the ELF kernel in an x86 bzImage: starting that (PVH) saves the guest from unpacking
    it. Offsets: Linux, Documentation/arch/x86/boot.rst."""
    setup_sectors = image[0x1F1]
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    return unpack(image[start:start + length], path)


def vmlinux(path):
    """Returns the unpacked kernel in a vmlinuz: an ELF for x86, an Image for arm64 (Linux,
    Documentation/arch/arm64/booting.rst), which some distributions compress as a whole."""
    with open(path, "rb") as file:
        image = file.read()
    if image[0x202:0x206] == b"HdrS":
        return unpack_bzimage(image, path)
    if image[:2] == b"\x1f\x8b":
        image = gzip.decompress(image)
    if image[:4] == b"\x7fELF" or image[0x38:0x3C] == b"ARM\x64":
        return image
    raise ImageError(f"{path}: neither a bzImage nor an arm64 Image nor an ELF")


class Modules:
    """The modules of one kernel version, below /lib/modules or in a folder of their own."""

    def __init__(self, version, folder=None):
        self.version = version
        self.root = None
        if folder is not None:
            # modprobe looks in ROOT/lib/modules/VERSION, later ones below ROOT/usr.
            self.root = tempfile.TemporaryDirectory()
            for lib in ("lib", "usr/lib"):
                os.makedirs(f"{self.root.name}/{lib}/modules")
                os.symlink(os.path.abspath(folder), f"{self.root.name}/{lib}/modules/{version}")
        if not os.path.exists(f"{folder or '/lib/modules/' + version}/modules.dep"):
            raise ImageError(f"no modules of kernel {version} in {folder or '/lib/modules'}: "
                             "modules.dep is not there (depmod makes it)")

    def files(self, names, optional=frozenset()):
        """Returns the files of modules and of all that they depend on, in the order of loading.
        What is built in needs none; of the optional names unknown ones are skipped."""
        files = []
        argv = ["modprobe", "-C", "/dev/null", "-S", self.version, "--show-depends"]
        if self.root is not None:
            argv += ["-d", self.root.name]
        for name in names:
            shown = subprocess.run(argv + [name], capture_output=True, text=True, check=False)
            if shown.returncode != 0:
                if name in optional:
                    continue
                raise ImageError(f"module {name} of {self.version}: {shown.stderr.strip()}")
            for line in shown.stdout.splitlines():
                words = line.split()
                path = os.path.realpath(words[1]) if words[0] == "insmod" else None
                if path is not None and path not in files:
                    files.append(path)
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


def module_name(path):
    """Returns the name of a module's file without compression: /…/ext4.ko.xz is ext4.ko."""
    return os.path.basename(path).split(".ko")[0] + ".ko"
