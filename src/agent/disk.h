/* SPDX-License-Identifier: Apache-2.0 */
/* Disks of the virtual SCSI bus: found by their target's number, their file system by its
 * superblock. Source: Linux Documentation/scsi/, sysfs-bus-scsi; magic numbers as blkid(8) */
#ifndef BH_AGENT_DISK_H
#define BH_AGENT_DISK_H

#include <stdbool.h>
#include <sys/types.h>

#include "loop/loop.h"

struct bh_disk {
	char scsi[32]; /* "0:0:5:0", host, channel, target, unit; "" = none */
	char name[32]; /* "sda": of the block device, also below /dev */
	dev_t device;
};

/** bh_disk_parse_target() - a SCSI target's number, decimal. Return: 0 or -EINVAL with @err */
int bh_disk_parse_target(const char *text, unsigned int *ret, struct bh_err *err) bh_must_check;

/** bh_disk_wait() - until the disk on @target is there. Suspends, for some seconds at most
 * Return: 0; -ETIMEDOUT */
int bh_disk_wait(struct bh_loop *loop, unsigned int target, struct bh_disk *ret,
		 struct bh_err *err) bh_must_check;

/** bh_disk_remove() - have the kernel let go of it, with all that was written on it. Suspends while
 * it is still in use, for some seconds at most. Idempotent */
void bh_disk_remove(struct bh_loop *loop, const struct bh_disk *disk);

/* Bytes from the start of a device that tell its file system. */
#define BH_DISK_HEAD_BYTES 2048

/** bh_disk_fstype() - by the first @len bytes. Return: its name for mount(2), or NULL */
const char *bh_disk_fstype(const unsigned char *head, size_t len);

/** bh_disk_probe() - the same of the disk itself. Return: NULL with @err */
const char *bh_disk_probe(const struct bh_disk *disk, struct bh_err *err) bh_must_check;

/** bh_disk_filesystem() - the @n-th of those that can be told, NULL after the last */
const char *bh_disk_filesystem(size_t n);

#endif
