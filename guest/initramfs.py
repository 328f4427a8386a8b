# SPDX-License-Identifier: Apache-2.0
"""Archives that a kernel unpacks into its first root file system: the same input, the same bytes."""

from installed_kernel import module_bytes, module_name


def cpio(entries):
    """Returns a cpio archive, as the kernel wants an initramfs (Documentation/driver-api/early-
    userspace/buffer-format.rst), of entries (path, mode, bytes): owned by root, times zero, inode
    numbers in order. A folder comes before what is in it."""
    archive = bytearray()
    for number, (path, mode, data) in enumerate(entries + [("TRAILER!!!", 0, b"")]):
        name = path.encode() + b"\0"
        fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        archive += bytes(-len(archive) % 4) + data
        archive += bytes(-len(archive) % 4)
    return bytes(archive)


def initramfs(agent, lists):
    """Returns the pod's initramfs: the agent as /init, the folders that it mounts on, and the modules
    {list: [files in the order of loading]} below /modules with a file of paths for each list."""
    folders = ["dev", "proc", "run", "sys"]
    files = {"init": (0o100755, agent)}
    if lists:
        folders.append("modules")
    for name, paths in lists.items():
        inside = {path: "modules/" + module_name(path) for path in paths}
        listed = "".join(f"/{path}\n" for path in inside.values())
        files[f"modules/{name}"] = (0o100644, listed.encode())
        files.update({inner: (0o100644, module_bytes(path)) for path, inner in inside.items()})
    return cpio([(name, 0o40755, b"") for name in sorted(folders)] +
                [(name, mode, data) for name, (mode, data) in sorted(files.items())])
