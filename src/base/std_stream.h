/* SPDX-License-Identifier: Apache-2.0 */
/* The three standard streams of a process that is started, by their numbers. */
#ifndef BH_BASE_STD_STREAM_H
#define BH_BASE_STD_STREAM_H

#include "base/err.h"

#define BH_STD_STREAMS 3

/* What each is called in errors. */
extern const char *const bh_std_stream_names[BH_STD_STREAMS];

/** bh_std_stream_pipe() - a pipe for one of them
 * @ret_theirs: the process's end
 * @ret_ours:   the other end, non-blocking. Both are the caller's, also when it fails after all */
int bh_std_stream_pipe(int stream, int *ret_theirs, int *ret_ours,
		       struct bh_err *err) bh_must_check;

#endif
