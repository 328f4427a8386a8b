/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is put into somebody else's text, between two comments, so that it can be taken out again to
 * the byte, by whoever has nothing but that text:
 *
 *	# bulkhead node install: begin 5d1c0f3a
 *	#-runtime_type = "io.containerd.runc.v2"
 *	runtime_type = "io.containerd.bulkhead.v2"
 *	# bulkhead node install: end
 *
 * "#-" is before a line that was there. The number tells whether anybody changed what is between;
 * then it is theirs, and stays.
 */
#ifndef BH_INSTALL_MARKS_H
#define BH_INSTALL_MARKS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/**
 * bh_marks_add() - append one marked block
 * @old:        the lines that it stands for, @old_len bytes; none for an addition
 * @new_lines:  each with its newline
 * @no_newline: the document had no newline before this place (an addition), or after @old
 */
void bh_marks_add(struct bh_buf *out, const char *old, size_t old_len, const char *new_lines,
		  bool no_newline);

/** Called for each block that was changed since. @line: of its first comment, from 1 */
typedef void (*bh_marks_changed_fn)(void *arg, unsigned int line);

/** bh_marks_remove() - append a text without its blocks; those that were changed since stay
 * Return: how many blocks were taken out */
size_t bh_marks_remove(const char *text, size_t len, struct bh_buf *out,
		       bh_marks_changed_fn changed, void *arg);

#endif
