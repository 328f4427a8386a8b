/* SPDX-License-Identifier: Apache-2.0 */
/* What only the guest knows of a container's document: the numbers of its block devices. */
#ifndef BH_AGENT_DOCUMENT_H
#define BH_AGENT_DOCUMENT_H

#include <stddef.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/value.h"

/* linux.devices[index] is the block device @device. */
struct bh_document_device {
	size_t index;
	dev_t device;
};

/**
 * bh_document_fix() - @config with @n devices renumbered, and the rules of linux.resources.devices
 * that named exactly the old numbers
 * @out: receives the document
 *
 * Pure. Return: 0; -EINVAL with the JSON pointer at fault in @err; -ENOMEM
 */
int bh_document_fix(const char *config, size_t len, const struct bh_document_device *devices,
		    size_t n, struct bh_buf *out, struct bh_err *err) bh_must_check;

/**
 * bh_document_take_sysctls() - the network's (net.*) are taken out of @document: here they are the
 * agent's to set, as a container's network is the one that it is in itself
 * @arena: receives what @ret points to
 *
 * Pure. Return: 0, -EINVAL, -ENOMEM
 */
int bh_document_take_sysctls(struct bh_buf *document, struct bh_arena *arena, bh_kv_list *ret,
			     struct bh_err *err) bh_must_check;

#endif
