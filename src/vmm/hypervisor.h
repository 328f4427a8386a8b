/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A micro-VM, whichever program runs it: what a pod needs of one and nothing else. A driver fills
 * struct bh_hypervisor; callers go through the functions below and never name a driver.
 *
 * The monitor's process (VMM) is confined before it runs: an unprivileged user and no capabilities,
 * seccomp, an empty root, no descriptors but those that it was handed, its own pid, mount, ipc and
 * uts namespaces, the pod's network namespace and cgroups. It dies with its creator.
 *
 * Calls that say "suspends" wait on the event loop (loop/fiber.h).
 */
#ifndef BH_VMM_HYPERVISOR_H
#define BH_VMM_HYPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"

enum bh_accelerator {
	BH_ACCELERATOR_KVM = 0,
	BH_ACCELERATOR_EMULATION,
	BH_ACCELERATOR_MAX_,
};

/* A network device; the guest sees them in the order of the list, so eth0 is the first. */
struct bh_vm_nic {
	int tap_fd;   /* of a tap with IFF_VNET_HDR; borrowed */
	int vhost_fd; /* of /dev/vhost-net; -1 = none; borrowed */
	uint8_t mac[6];
	uint32_t mtu; /* 0 = not told to the guest */
};

struct bh_vm_config {
	const char *program;   /* of the monitor, below /usr; NULL = where it is installed */
	size_t console_bytes;  /* of the console's end that are kept; 0 = some */
	const char *kernel;    /* path of an ELF with a PVH entry */
	const char *initramfs; /* path */
	const char *cmdline;   /* added to what the driver needs; may be "" */
	bool acpi; /* the kernel finds its devices and processors by ACPI; else it is told them on
		    * the command line */
	enum bh_accelerator accelerator;
	uint32_t vcpus;
	uint64_t memory; /* bytes of RAM, a multiple of 2 MiB */
	const struct bh_vm_nic *nics;
	size_t n_nics;
	const char *share_tag;   /* of the shared directory (virtiofs); NULL = none */
	int share_fd;            /* socket of its vhost-user daemon; borrowed */
	uint32_t vsock_cid;      /* 0 = no vsock device */
	int vsock_fd;            /* of /dev/vhost-vsock, to which the guest's address is vsock_cid;
				  * borrowed */
	const char *serial_name; /* of the virtio-serial port that is the channel; NULL = none */
	/* the process */
	int netns_fd;          /* -1 = a new, empty one; borrowed */
	uid_t uid;             /* and gid; nobody else's */
	const int *cgroup_fds; /* of `tasks` (version 1) or cgroup.procs (version 2) files to enter,
				* by writing "0"; borrowed */
	size_t n_cgroup_fds;
	const char *name; /* of the pod, for ps(1) */
	/** console() - what the guest writes to its console, as it comes, until bh_vm_free(); NULL
	 * = only the tail is kept */
	void (*console)(void *arg, const char *data, size_t len);
	void *console_arg;
};

/* The VM is over: @why says how, with the monitor's last words. Called once, and not by
 * bh_vm_free() */
typedef void (*bh_vm_dead_fn)(void *arg, const struct bh_err *why);

struct bh_vm; /* a running VM; a driver's struct starts with struct bh_vm_head */

/* A disk that is added at run time. */
struct bh_vm_disk {
	int fd; /* block device or file, opened as wanted; borrowed during the call */
	bool readonly;
	bool direct; /* past the host's page cache */
};

struct bh_vm_figures {
	pid_t pid;          /* of the monitor */
	uint64_t pss;       /* bytes, without the guest's RAM */
	uint64_t guest_ram; /* bytes of the guest's RAM that are in memory */
	uint64_t cpu_usec;  /* of all its threads */
};

struct bh_hypervisor {
	const char *name; /* "qemu" */
	/** ready() - whether it can run here: its program is there. Return: 0 or -errno with @err
	 * @program: its path; NULL = where it is installed */
	int (*ready)(const char *program, struct bh_err *err);
	/** check() - the same closely, which takes a while. @found: receives what it is, for people
	 */
	int (*check)(const char *program, struct bh_buf *found, struct bh_err *err);
	int (*boot)(struct bh_loop *loop, const struct bh_vm_config *config, bh_vm_dead_fn dead,
		    void *arg, struct bh_vm **ret, struct bh_err *err);
	int (*channel)(struct bh_vm *vm, struct bh_err *err);
	int (*add_disk)(struct bh_vm *vm, const struct bh_vm_disk *disk, uint32_t *ret_number,
			struct bh_err *err);
	int (*remove_disk)(struct bh_vm *vm, uint32_t number, struct bh_err *err);
	int (*pause)(struct bh_vm *vm, bool paused, struct bh_err *err);
	void (*console_tail)(const struct bh_vm *vm, size_t lines, struct bh_buf *out);
	int (*figures)(const struct bh_vm *vm, struct bh_vm_figures *ret, struct bh_err *err);
	struct bh_vm *(*free)(struct bh_vm *vm);
};

struct bh_vm_head {
	const struct bh_hypervisor *driver;
};

/** bh_hypervisor_find() - by name. Return: NULL when there is none of that name */
const struct bh_hypervisor *bh_hypervisor_find(const char *name);

/**
 * bh_vm_boot() - start it. Suspends until the guest's processors run; that the guest is well is for
 * its agent to say
 * @dead: from the return on, when the VM ends
 *
 * On failure nothing is left, and @err has the monitor's last words.
 */
int bh_vm_boot(const struct bh_hypervisor *driver, struct bh_loop *loop,
	       const struct bh_vm_config *config, bh_vm_dead_fn dead, void *arg, struct bh_vm **ret,
	       struct bh_err *err) bh_must_check;

/** bh_vm_channel() - the host's end of the serial channel, a stream socket. Return: the caller's;
 * once */
int bh_vm_channel(struct bh_vm *vm, struct bh_err *err) bh_must_check;

/** bh_vm_add_disk() - suspends. @ret_number: SCSI target on which the guest finds it */
int bh_vm_add_disk(struct bh_vm *vm, const struct bh_vm_disk *disk, uint32_t *ret_number,
		   struct bh_err *err) bh_must_check;

/** bh_vm_remove_disk() - suspends until the host's device is closed; a guest that does not let go
 * is not waited for */
int bh_vm_remove_disk(struct bh_vm *vm, uint32_t number, struct bh_err *err) bh_must_check;

/** bh_vm_pause() - stop the guest's processors, or let them go on. Suspends */
int bh_vm_pause(struct bh_vm *vm, bool paused, struct bh_err *err) bh_must_check;

/** bh_vm_console_tail() - the last @lines lines that the guest wrote to its console, control
 * characters made harmless, appended to @out; also after its death */
void bh_vm_console_tail(const struct bh_vm *vm, size_t lines, struct bh_buf *out);

/** bh_vm_figures() - what it costs the host now */
int bh_vm_figures(const struct bh_vm *vm, struct bh_vm_figures *ret,
		  struct bh_err *err) bh_must_check;

/** bh_vm_free() - kill it if it runs, reap, free; @dead is not called. Takes NULL. Return: NULL */
struct bh_vm *bh_vm_free(struct bh_vm *vm);

#endif
