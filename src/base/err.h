/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error object: flat, by value, without heap, so that it works when memory is gone, in a child
 * between clone(2) and execve(2), and as one packet from child to parent or guest to host.
 *
 * Functions return 0, a positive outcome of their own that the caller handles, or -errno with *err
 * filled. The failing call describes its own step with bh_err_set(); callers prepend theirs with
 * bh_err_ctx(); the programs print the whole once:
 *
 *	create 'web': mount 3 of 9: move_mount '/proc': Permission denied
 */
#ifndef BH_BASE_ERR_H
#define BH_BASE_ERR_H

#include <stdint.h>

#include "base/cleanup.h"

enum bh_err_domain {
	BH_ERR_OS = 0, /* the kernel's answer: strerror(code) is appended when printed */
	BH_ERR_SPEC,   /* the document or the command line is at fault; text says it all */
	BH_ERR_STATE,  /* the container is not in the state that the call needs */
	BH_ERR_PEER,   /* a helper, hook, daemon or guest misbehaved */
	BH_ERR_BUG,    /* ours */
	BH_ERR_MAX_,
};

#define BH_ERR_TEXT_BYTES  1024
#define BH_ERR_WHERE_BYTES 160

/* What bh_err_format() makes of any error, uncut. */
#define BH_ERR_LINE_BYTES (BH_ERR_TEXT_BYTES + BH_ERR_WHERE_BYTES + 128)

struct bh_err {
	int32_t code;                   /* the -errno that was returned */
	uint32_t domain;                /* enum bh_err_domain */
	char where[BH_ERR_WHERE_BYTES]; /* JSON pointer of the field at fault, or "" */
	char text[BH_ERR_TEXT_BYTES];   /* context chain, outermost first */
};

#define BH_ERR_INIT       \
	(struct bh_err)   \
	{                 \
		.code = 0 \
	}

/**
 * bh_err_set() - describe a failed system call or library call
 * @err:  filled, replacing what it held; may be NULL
 * @code: negative errno
 * @fmt:  what was being done to which object, without the errno's text
 *
 * Return: @code, so that `return bh_err_set(...)` reads well
 */
int bh_err_set(struct bh_err *err, int code, const char *fmt, ...) bh_printf(3, 4);

/** bh_err_as() - like bh_err_set() in another domain: no errno text is appended when printed */
int bh_err_as(struct bh_err *err, enum bh_err_domain domain, int code, const char *fmt, ...)
	bh_printf(4, 5);

/**
 * bh_err_spec() - a field of a document is wrong
 * @where: JSON pointer of the field, copied; NULL = none
 * @fmt:   what is wrong, naming the value found
 *
 * Return: -EINVAL
 */
int bh_err_spec(struct bh_err *err, const char *where, const char *fmt, ...) bh_printf(3, 4);

/** bh_err_ctx() - prepend "context: " to what @err says. Return: the code that @err holds; -EIO
 * when it is NULL */
int bh_err_ctx(struct bh_err *err, const char *fmt, ...) bh_printf(2, 3);

/** bh_err_oom() - Return: -ENOMEM, described */
int bh_err_oom(struct bh_err *err);

/**
 * bh_err_format() - the one line that people read
 * @buf:  receives "text: strerror" or "text (at /json/pointer)", NUL-terminated, cut at @size
 * @size: bytes
 *
 * Return: @buf
 */
const char *bh_err_format(const struct bh_err *err, char *buf, size_t size);

#endif
