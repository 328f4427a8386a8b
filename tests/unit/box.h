/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A box: a real root file system set up by the real code, on a tmpfs in a mount namespace that goes
 * away with the test. A test describes the image, the document and what must be true inside;
 * everything runs in processes of its own, so that a failure leaves nothing behind.
 *
 *	bundle/         working directory of image() and outside(), base of relative sources
 *	bundle/root/    the image, with empty dev, proc, sys, tmp, mnt
 *	bundle/host/    for what is the host's
 */
#ifndef BH_TESTS_BOX_H
#define BH_TESTS_BOX_H

#include <stdbool.h>
#include <sys/types.h>

struct box_mount {
	const char *source, *destination, *type;
	const char *options;   /* comma list */
	unsigned int first_id; /* of the host, for mappings of 65536 ids from 0; 0 = none */
};

#define PROC                            \
	{                               \
		"proc", "/proc", "proc" \
	}
#define SYS                              \
	{                                \
		"sysfs", "/sys", "sysfs" \
	}
#define TMPFS(destination, options)                    \
	{                                              \
		"tmpfs", destination, "tmpfs", options \
	}
#define BIND(source, destination, options)           \
	{                                            \
		source, destination, "none", options \
	}
#define MAPPED(source, destination, options, first_id)         \
	{                                                      \
		source, destination, "none", options, first_id \
	}

struct box {
	struct box_mount mounts[12];
	const char *linux_; /* JSON: more members of "linux", each with a ',' in front */
	bool readonly_root;
	bool userns;     /* ids 0…65535 are 100000…165535 of the host; root/ is given to them */
	bool no_mountns; /* the caller's: chroot(2) */
	bool no_pivot;
	bool no_setattr;       /* mount_setattr(2) answers ENOSYS, as before Linux 5.12 */
	void (*image)(void);   /* makes files; as root */
	void (*hooks)(void);   /* in the box between setup and enter, in bundle/root */
	void (*inside)(void);  /* in the box, sealed; checks */
	void (*outside)(void); /* in bundle/ once the box is gone; checks */
	const char *error;     /* instead of success: this must be part of the error */
	bool may_fail;         /* a failure is as good as success: outside() tells */
};

/** box_run() - Return: whether all went as described; else the reason is on standard error */
bool box_run(const struct box *box);

/** box_needs_root() - Return: true, with the reason printed, when boxes cannot be made here */
bool box_needs_root(void);

/** CHECK() - end the calling process of the box with a message unless @cond */
#define CHECK(cond)                                          \
	do {                                                 \
		if (!(cond))                                 \
			box_fail(__FILE__, __LINE__, #cond); \
	} while (0)
_Noreturn void box_fail(const char *file, int line, const char *what);

/* Short hands for images and checks; all end the process when they cannot do it. */
void put_dir(const char *path, mode_t mode);
void put_file(const char *path, const char *text);
void put_link(const char *path, const char *target);
bool text_is(const char *path, const char *text);
bool exists(const char *path);
bool is_fs(const char *path, long magic);
bool is_readonly(const char *path);
bool is_device(const char *path, mode_t type, unsigned int major, unsigned int minor);
/** has_options() - whether the line of /proc/self/mountinfo for @path has all of @options (comma
 * list) in its mount options or optional fields ("shared", "master"), and none that starts with '!'
 */
bool has_options(const char *path, const char *options);
/** mounts_on() - how many mounts are there on or below @path */
int mounts_on(const char *path);

#endif
