/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership by attribute: a local that owns something says so where it is declared and gives it
 * back when it goes out of scope, unless it was taken first.
 *
 *	bh_auto_close int fd = -EBADF;
 *	bh_auto_free char *text = NULL;
 *	...
 *	*ret_fd = bh_take_fd(&fd);
 */
#ifndef BH_BASE_CLEANUP_H
#define BH_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define bh_cleanup(fn)   __attribute__((cleanup(fn)))
#define bh_must_check    __attribute__((warn_unused_result))
#define bh_printf(f, a)  __attribute__((format(printf, f, a)))
#define BH_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/** bh_close() - close @fd once, keep errno. Return: -EBADF, to be stored in place of @fd */
static inline int bh_close(int fd)
{
	if (fd >= 0) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return -EBADF;
}

static inline void bh_closep_(int *fd)
{
	*fd = bh_close(*fd);
}

static inline void bh_freep_(void *p)
{
	free(*(void **)p);
	*(void **)p = NULL;
}

static inline void bh_closedirp_(DIR **dir)
{
	if (*dir)
		closedir(*dir);
	*dir = NULL;
}

static inline void bh_fclosep_(FILE **file)
{
	if (*file)
		fclose(*file);
	*file = NULL;
}

#define bh_auto_close    bh_cleanup(bh_closep_)
#define bh_auto_free     bh_cleanup(bh_freep_)
#define bh_auto_closedir bh_cleanup(bh_closedirp_)
#define bh_auto_fclose   bh_cleanup(bh_fclosep_)

/** bh_take_fd() - move a descriptor out of its owner. Return: the descriptor, now the caller's */
static inline int bh_take_fd(int *fd)
{
	int taken = *fd;

	*fd = -EBADF;
	return taken;
}

/** bh_take() - move a pointer out of its owner. Return: the pointer, now the caller's */
#define bh_take(p)                              \
	({                                      \
		__typeof__(*(p)) taken_ = *(p); \
		*(p) = NULL;                    \
		taken_;                         \
	})

#endif
