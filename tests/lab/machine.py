# SPDX-License-Identifier: Apache-2.0
"""The lab's processes: QEMU and a virtiofsd for each shared folder.

All of them talk through inherited descriptors, so there is nothing in the file system to be left
behind, and each dies with the launcher (PR_SET_PDEATHSIG), however that dies.
"""

import ctypes
import fcntl
import os
import resource
import signal
import socket
import subprocess

QEMU = "qemu-system-x86_64"
VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
# Of the emulated processor: AMD's virtualization for a working KVM in the lab; not what is slow; and
# no XSAVE (nor what is built on it), since QEMU 7.2 does not intercept XSETBV: a nested guest's KVM
# never learns what its kernel turned on, takes it away at the next exit, and the guest's programs
# lose their registers.
CPU = "max,+svm,la57=off,-xsave,-avx,-avx2,-f16c,-fma,-vaes,-vpclmulqdq,-mpx,-pku"
# init_on_alloc: QEMU keeps what it has translated of a page until the page is written to, which it does not see of
# virtiofsd. A page that held a program, and now holds what virtiofsd read, is wiped in between.
KERNEL_OPTIONS = ("console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check "
                  "random.trust_cpu=on init_on_alloc=1 audit=0 norandmaps "
                  "cryptomgr.notests")

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
CLONE_NEWNS = 0x20000
MS_REC, MS_SLAVE = 0x4000, 0x80000
SYS_MOUNT_SETATTR, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, 0x8000, 1


def call(result, what):
    """Raises OSError when a libc call failed."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def die_with_parent():
    """In the child: has the kernel kill it when the launcher ends."""
    call(LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def see_all_read_only():
    """In the child: a mount namespace of its own in which every mount is read-only."""
    call(LIBC.unshare(CLONE_NEWNS), "unshare")
    call(LIBC.mount(None, b"/", None, MS_REC | MS_SLAVE, None), "mount")
    attributes = (ctypes.c_uint64 * 4)(MOUNT_ATTR_RDONLY, 0, 0, 0)
    call(LIBC.syscall(SYS_MOUNT_SETATTR, -1, b"/", AT_RECURSIVE, attributes, 32), "mount_setattr")


class Machine:
    """A running lab. Use as a context manager: at its end no process is left."""

    def __init__(self):
        self.processes = []
        self.console = os.memfd_create("lab-console")
        fcntl.fcntl(self.console, fcntl.F_SETFL, os.O_APPEND)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()

    def spawn(self, argv, fds, prepare=die_with_parent):
        """Starts a program that inherits the descriptors; what it says goes to the console."""
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.console,
                                   stderr=self.console, pass_fds=fds, cwd="/", preexec_fn=prepare,
                                   start_new_session=True)
        self.processes.append(process)

    def share(self, path, writable):
        """Starts a virtiofsd for a folder and returns the connected socket for QEMU."""
        def prepare():
            die_with_parent()
            most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            if not writable:
                see_all_read_only()

        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("")  # a free abstract address
            listener.listen(1)
            self.spawn([VIRTIOFSD, "-f", f"--fd={listener.fileno()}", "-o",
                        f"source={path},sandbox=chroot,log_level=warn,"
                        f"cache={'auto' if writable else 'always'}"],
                       [listener.fileno()], prepare)
            client = socket.socket(socket.AF_UNIX)
            client.connect(listener.getsockname())
        return client

    def boot(self, kernel, initramfs, options, shares, disk):
        """Starts QEMU and returns the socket of the agent's port.

        initramfs and disk (or None) are descriptors; shares are sockets by virtiofs tag, closed
        here."""
        port, far_port = socket.socketpair()
        # Where the lab runs virtual machines it has one processor and no -icount: QEMU 7.2 forgets to take
        # back the exception_index that VMRUN sets for an injected interrupt, and when it leaves the
        # processor's loop (an end of -icount's budget, the turn of another processor) before the guest's
        # next exit, the interrupt comes once more, amid the handler that holds its lock.
        argv = [QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                "-accel", f"tcg,thread={'multi' if options.parallel else 'single'}",
                "-cpu", CPU, "-smp", str(options.cpus),
                "-machine", "q35,smm=off,sata=off,smbus=off,vmport=off,memory-backend=ram",
                "-m", str(options.memory),
                "-object", f"memory-backend-memfd,id=ram,size={options.memory}M,share=on",
                "-kernel", kernel, "-initrd", f"/proc/self/fd/{initramfs}",
                "-append", f"{KERNEL_OPTIONS} {options.append}",
                "-chardev", f"file,id=console,append=on,path=/proc/self/fd/{self.console}",
                "-serial", "chardev:console",
                "-device", "virtio-serial-pci",
                "-chardev", f"socket,id=port,fd={far_port.fileno()}",
                "-device", "virtserialport,chardev=port,nr=1"]
        fds = [initramfs, far_port.fileno(), self.console]
        for tag, client in shares.items():
            fds.append(client.fileno())
            argv += ["-chardev", f"socket,id={tag},fd={client.fileno()}",
                     "-device", f"vhost-user-fs-pci,chardev={tag},tag={tag},queue-size=1024"]
        if disk is not None:
            fds.append(disk)
            argv += ["-device", "virtio-blk-pci,drive=disk",
                     "-drive", "id=disk,if=none,format=raw,cache=unsafe,discard=unmap,"
                               f"file=/proc/self/fd/{disk}"]
        self.spawn(argv, fds)
        for end in [far_port, *shares.values()]:
            end.close()
        return port

    def seconds(self):
        """Returns the processor time that the lab's processes have used so far, in seconds."""
        ticks = 0
        for process in self.processes:
            with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
                ticks += sum(int(n) for n in file.read().rsplit(")", 1)[1].split()[11:13])
        return ticks / os.sysconf("SC_CLK_TCK")

    def descriptors_short(self):
        """Tells whether a virtiofsd has used half of its descriptors: each inode that the guest
        remembers costs one, and past the limit files could not be opened any more."""
        for process in self.processes:
            limit = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0]
            if len(os.listdir(f"/proc/{process.pid}/fd")) > limit // 2:
                return True
        return False

    def console_tail(self, lines=40):
        """Returns the last lines of what the kernel, QEMU and virtiofsd said."""
        size = os.fstat(self.console).st_size
        text = os.pread(self.console, 65536, max(0, size - 65536)).decode(errors="replace")
        return "\n".join(text.replace("\r", "").splitlines()[-lines:])
