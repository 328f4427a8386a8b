# SPDX-License-Identifier: Apache-2.0
"""The two containers that the benchmark starts, as OCI bundles.

A: what `runc spec` writes, /bin/true of busybox-static, no terminal.
B: what an engine's CRI plugin writes: default seccomp profile, masked and read-only paths, 14 capabilities, device
   rules, limits, a cgroup path, 10 bind mounts.

Either also without cgroups: no cgroup mount and namespace, no resources, no cgroup path.
"""

import copy
import json
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
BUSYBOX = "/bin/busybox"
# Below it lie the cgroups of config B.
CGROUP_PARENT = "bulkhead-bench"

MASKED = ["/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
          "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
CAPABILITIES = ["CAP_" + name for name in (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL "
    "AUDIT_WRITE").split()]
# (type, major, minor, access) allowed after everything was denied
DEVICES = [("c", 1, 3, "rwm"), ("c", 1, 5, "rwm"), ("c", 1, 7, "rwm"), ("c", 1, 8, "rwm"), ("c", 1, 9, "rwm"),
           ("c", 5, 0, "rwm"), ("c", 5, 2, "rwm"), ("c", 136, None, "rwm"), ("c", 10, 200, "rw")]
# (place in the container, is a directory, read only)
BINDS = [("/etc/hosts", False, False), ("/etc/hostname", False, False), ("/etc/resolv.conf", False, False),
         ("/dev/termination-log", False, False), ("/dev/shm", True, False), ("/data", True, False),
         ("/cache", True, False), ("/config", True, True), ("/secret", True, True),
         ("/var/run/secrets/kubernetes.io/serviceaccount", True, True)]
ENV = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=bench",
       "KUBERNETES_PORT=tcp://10.96.0.1:443", "KUBERNETES_SERVICE_HOST=10.96.0.1", "KUBERNETES_SERVICE_PORT=443"]


def make_rootfs(rootfs):
    """A root file system that holds busybox, and every place that B mounts on."""
    for name in ("bin", "dev", "proc", "sys", "tmp", "etc"):
        (rootfs / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, rootfs / "bin/true")
    for place, is_dir, _ in BINDS:
        target = rootfs / place.lstrip("/")
        if place.startswith("/dev/"):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir() if is_dir else target.touch()


def config_a(spec_runtime, workdir, rootfs):
    """`spec_runtime spec`, made to run /bin/true without a terminal."""
    subprocess.run([spec_runtime, "spec"], cwd=workdir, check=True)
    path = workdir / "config.json"
    config = json.loads(path.read_text())
    path.unlink()
    config["process"].update(terminal=False, args=["/bin/true"])
    config["root"]["path"] = str(rootfs)
    return config


def config_b(base, workdir, seccomp):
    """`base` (a config A) grown to what CRI asks for."""
    config = copy.deepcopy(base)
    process = config["process"]
    process.update(env=ENV, noNewPrivileges=True, oomScoreAdj=999,
                   capabilities={kind: CAPABILITIES for kind in ("bounding", "effective", "permitted")})
    process.pop("rlimits", None)
    config["root"]["readonly"] = False
    config["annotations"] = {"io.kubernetes.cri.container-type": "container",
                             "io.kubernetes.cri.container-name": "bench",
                             "io.kubernetes.cri.image-name": "registry.example/bench:latest",
                             "io.kubernetes.cri.sandbox-name": "bench-pod",
                             "io.kubernetes.cri.sandbox-namespace": "default"}
    config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/dev/shm"]
    for number, (place, is_dir, read_only) in enumerate(BINDS):
        source = workdir / "binds" / str(number)
        source.parent.mkdir(exist_ok=True)
        source.mkdir() if is_dir else source.touch()
        config["mounts"].append({"destination": place, "type": "bind", "source": str(source),
                                 "options": ["rbind", "rprivate", "ro" if read_only else "rw"]})
    linux = config["linux"]
    linux.update(maskedPaths=MASKED, readonlyPaths=READONLY, seccomp=seccomp, cgroupsPath=f"/{CGROUP_PARENT}/b")
    devices = [{"allow": False, "access": "rwm"}]
    for kind, major, minor, access in DEVICES:
        devices.append({"allow": True, "type": kind, "major": major, "access": access}
                       | ({} if minor is None else {"minor": minor}))
    linux["resources"] = {"devices": devices, "memory": {"limit": 256 << 20}, "pids": {"limit": 1024},
                          "cpu": {"shares": 512, "quota": 50000, "period": 100000}}
    return config


def without_cgroups(base):
    """`base` for a runtime that is told to leave cgroups alone."""
    config = copy.deepcopy(base)
    config["mounts"] = [m for m in config["mounts"] if m["type"] != "cgroup"]
    linux = config["linux"]
    linux.pop("resources", None)
    linux.pop("cgroupsPath", None)
    linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] != "cgroup"]
    return config


def make(workdir, spec_runtime):
    """Write the four bundles below `workdir`: {(config, with cgroups): directory}."""
    rootfs = workdir / "rootfs"
    make_rootfs(rootfs)
    seccomp = workdir / "seccomp.json"
    subprocess.run([HERE / "capture-seccomp", seccomp], check=True)
    a = config_a(spec_runtime, workdir, rootfs)
    configs = {"A": a, "B": config_b(a, workdir, json.loads(seccomp.read_text()))}
    bundles = {}
    for name, config in configs.items():
        for cgroups in (True, False):
            bundle = workdir / (name + ("" if cgroups else "-nocgroup"))
            bundle.mkdir()
            document = config if cgroups else without_cgroups(config)
            (bundle / "config.json").write_text(json.dumps(document, indent="\t"))
            bundles[name, cgroups] = bundle
    return bundles


def namespaces(bundle):
    """The kinds of namespaces that a bundle asks for, as the floor program takes them."""
    config = json.loads((bundle / "config.json").read_text())
    return ",".join(n["type"] for n in config["linux"]["namespaces"])
