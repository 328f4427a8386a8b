/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256, for names that are made from content. Not for secrets: nothing here is constant-time by
 * design. Source: FIPS 180-4 */
#ifndef BH_BASE_SHA256_H
#define BH_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define BH_SHA256_BYTES 32

struct bh_sha256 {
	uint32_t state[8];
	uint64_t bytes; /* taken in so far */
	uint8_t block[64];
};

/** bh_sha256_init() / bh_sha256_add() / bh_sha256_final() - hash what is added between first and
 * last */
void bh_sha256_init(struct bh_sha256 *sha);
void bh_sha256_add(struct bh_sha256 *sha, const void *data, size_t bytes);
void bh_sha256_final(struct bh_sha256 *sha, uint8_t ret[static BH_SHA256_BYTES]);

#endif
