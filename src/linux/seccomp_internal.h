/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the seccomp module for each other, their tests and the fuzzer. */
#ifndef BH_LINUX_SECCOMP_INTERNAL_H
#define BH_LINUX_SECCOMP_INTERNAL_H

#include "base/sha256.h"
#include "linux/seccomp.h"

/* ---- seccomp.c: names -------------------------------------------------------------------------
 */

/** bh_seccomp_action() - the value that libseccomp knows for @name with @errno_ret
 * @where: JSON pointer of the object that holds both, for @err */
int bh_seccomp_action(const char *name, const struct bh_opt_u32 *errno_ret, const char *where,
		      uint32_t *ret, struct bh_err *err) bh_must_check;

struct bh_seccomp_arch {
	const char *name;
	uint32_t token; /* libseccomp's, 0 = it does not know it */
	uint32_t audit; /* AUDIT_ARCH_* that the kernel shows to the filter */
	bool here;      /* a process on this machine can be of this architecture */
};

/** bh_seccomp_arch_find() - Return: NULL when there is no such name */
const struct bh_seccomp_arch *bh_seccomp_arch_find(const char *name);
/** bh_seccomp_arch_native() - what this program was built for */
const struct bh_seccomp_arch *bh_seccomp_arch_native(void);

/* ---- seccomp_build.c --------------------------------------------------------------------------
 */

/** bh_seccomp_build() - compile with libseccomp, whatever is cached; sets insns and n of @filter */
int bh_seccomp_build(const struct bh_seccomp *profile, struct bh_seccomp_filter *filter,
		     struct bh_err *err) bh_must_check;

/* ---- seccomp_cache.c --------------------------------------------------------------------------
 */

/** bh_seccomp_key() - hash of all that decides what bh_seccomp_build() makes of @profile */
void bh_seccomp_key(const struct bh_seccomp *profile, uint8_t ret[static BH_SHA256_BYTES]);

/** bh_seccomp_cache_decode() - check the bytes of a cache file and take its program
 * Return: 0; -EBADMSG when anything is not as it must be; -ENOMEM */
int bh_seccomp_cache_decode(const void *data, size_t len, const uint8_t key[static BH_SHA256_BYTES],
			    struct bh_seccomp_filter *filter) bh_must_check;

/** bh_seccomp_cache_load() - Return: 0, or -errno when there is nothing to use */
int bh_seccomp_cache_load(int dirfd, const uint8_t key[static BH_SHA256_BYTES],
			  struct bh_seccomp_filter *filter) bh_must_check;

/** bh_seccomp_cache_store() - best effort */
void bh_seccomp_cache_store(int dirfd, const uint8_t key[static BH_SHA256_BYTES],
			    const struct bh_seccomp_filter *filter);

#endif
