/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thin pool for containerd's devmapper snapshotter: on a whole block device, or, for trials, on
 * a file behind a loop device. Device Mapper forgets at reboot; bulkhead-pool.service starts it
 * again from the record.
 *
 *	header (1 MiB: what it is, its number) | the pool's metadata | data
 *
 * Source: the kernel's Documentation/admin-guide/device-mapper/thin-provisioning.rst
 */
#ifndef BH_INSTALL_POOL_H
#define BH_INSTALL_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define BH_POOL_NAME      "bulkhead-pool"
#define BH_POOL_BYTES_MIN ((int64_t)64 << 20)

struct bh_pool {
	char device[4096]; /* "" with a file */
	char file[4096];   /* "" with a device */
	char id[40]; /* in the header too: a disk that got another's name is not taken for it */
	int64_t bytes;
};

/** bh_pool_load() - the node's pool. Return: 0; -ENOENT, quietly, when it has none; -errno with
 * @err */
int bh_pool_load(struct bh_pool *ret, struct bh_err *err) bh_must_check;

/** bh_pool_plan() - whether a pool could be made there: the device is a disk that nobody uses and
 * that bears nothing, there is room for the file, the programs needed are there
 * @device: or NULL, then @bytes of a file */
int bh_pool_plan(const char *device, int64_t bytes, struct bh_pool *ret,
		 struct bh_err *err) bh_must_check;

/** bh_pool_make() - make, record and start a planned pool; on failure nothing is left */
int bh_pool_make(struct bh_pool *pool, struct bh_err *err) bh_must_check;

/** bh_pool_start() / bh_pool_stop() - the recorded pool's devices; 0 also when they are there, or
 * not there, already */
int bh_pool_start(const struct bh_pool *pool, struct bh_err *err) bh_must_check;
int bh_pool_stop(const struct bh_pool *pool, struct bh_err *err) bh_must_check;

/** bh_pool_used() - bytes of data in a running pool; 0 when it does not run */
int bh_pool_used(int64_t *ret, struct bh_err *err) bh_must_check;

/** bh_pool_destroy() - stop it, forget it, remove its file or the device's header */
int bh_pool_destroy(const struct bh_pool *pool, struct bh_err *err) bh_must_check;

#endif
