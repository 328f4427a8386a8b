/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the seccomp module for each other, their tests and the fuzzer. */
#ifndef BH_LINUX_SECCOMP_INTERNAL_H
#define BH_LINUX_SECCOMP_INTERNAL_H

#include "base/buf.h"
#include "linux/seccomp.h"

/* ---- seccomp.c: names -------------------------------------------------------------------- */

/** bh_seccomp_action() - the value that libseccomp knows for @name with @errno_ret
 * @where: JSON pointer of the object that holds both, for @err */
int bh_seccomp_action(const char *name, const struct bh_opt_u32 *errno_ret, const char *where,
		      uint32_t *ret, struct bh_err *err) bh_must_check;

#define BH_SECCOMP_ARCHS_MAX 4 /* of one machine */

struct bh_seccomp_arch {
	const char *name;
	uint32_t token; /* libseccomp's */
	uint32_t audit; /* AUDIT_ARCH_* that the kernel shows to the filter */
};

/** bh_seccomp_arch_known() - whether the spec has this name */
bool bh_seccomp_arch_known(const char *name);
/** bh_seccomp_arch_here() - Return: NULL when no process on this machine can be of this
 * architecture */
const struct bh_seccomp_arch *bh_seccomp_arch_here(const char *name);
/** bh_seccomp_arch_native() - what this program was built for */
const struct bh_seccomp_arch *bh_seccomp_arch_native(void);

/* ---- seccomp_build.c --------------------------------------------------------------------- */

/** bh_seccomp_build() - compile, whatever is cached; sets insns and n of @filter */
int bh_seccomp_build(const struct bh_seccomp *profile, struct bh_seccomp_filter *filter,
		     struct bh_err *err) bh_must_check;

/* ---- seccomp_cache.c --------------------------------------------------------------------- */

/** bh_seccomp_key() - append to @key all that decides what bh_seccomp_build() makes of @profile:
 * equal bytes, equal programs */
void bh_seccomp_key(const struct bh_seccomp *profile, struct bh_buf *key);

/** bh_seccomp_cache_encode() / bh_seccomp_cache_decode() - a cache file's bytes; decoding checks
 * everything. Return: 0; -EBADMSG when anything is not as it must be; -ENOMEM */
void bh_seccomp_cache_encode(const struct bh_buf *key, const struct bh_seccomp_filter *filter,
			     struct bh_buf *file);
int bh_seccomp_cache_decode(const void *data, size_t len, const struct bh_buf *key,
			    struct bh_seccomp_filter *filter) bh_must_check;

/** bh_seccomp_cache_load() - Return: 0, or -errno when there is nothing to use */
int bh_seccomp_cache_load(int dirfd, const struct bh_buf *key,
			  struct bh_seccomp_filter *filter) bh_must_check;

/** bh_seccomp_cache_store() - best effort */
void bh_seccomp_cache_store(int dirfd, const struct bh_buf *key,
			    const struct bh_seccomp_filter *filter);

#endif
