/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Amounts of the two resources that a pod's size consists of, written as Kubernetes writes them:
 * "250m", "0.5", "128Mi", "1e3". In the program an amount is a whole number of the smallest unit
 * that Kubernetes accounts: thousandths of a core, bytes. Finer ones are rounded up, as it does.
 *
 * Source: k8s.io/apimachinery pkg/api/resource, quantity.go
 */
#ifndef BH_CONTRACT_RESOURCE_H
#define BH_CONTRACT_RESOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

enum bh_resource { BH_RESOURCE_CPU = 0, BH_RESOURCE_MEMORY, BH_RESOURCE_MAX_ };

/* As in a manifest: "cpu", "memory". */
extern const char *const bh_resource_names[BH_RESOURCE_MAX_];

/* An amount of each. */
struct bh_amounts {
	int64_t v[BH_RESOURCE_MAX_];
};

/* Room for any amount that was written, with its NUL. */
#define BH_AMOUNT_BYTES 24

/* What sizes of memory are written in, in this order: the first that divides it is taken. */
struct bh_memory_unit {
	const char *suffix;
	int64_t bytes;
};
extern const struct bh_memory_unit bh_memory_units[];
extern const size_t bh_n_memory_units;

/**
 * bh_amount_parse() - a quantity
 * @ret: not negative; one too large for it is the largest, as in Kubernetes
 *
 * Return: 0; -EINVAL when it is none, or is negative
 */
int bh_amount_parse(enum bh_resource resource, const char *text, int64_t *ret) bh_must_check;

/** bh_amount_format() - exactly @amount, in as few digits as the units allow. Return: @buf */
const char *bh_amount_format(enum bh_resource resource, int64_t amount, char buf[BH_AMOUNT_BYTES]);

/** bh_amount_add() - the sum, at most INT64_MAX */
int64_t bh_amount_add(int64_t a, int64_t b);

#endif
