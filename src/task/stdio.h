/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the URIs of a process's streams stand for on the host.
 *
 *	""               nothing
 *	/PATH, fifo://   a named pipe (or a file or device that is there)
 *	file://PATH      a log: made with its directories, appended to
 *	fd:N             descriptor N of the process that asks (for Create, or for an exec's Start)
 *
 * Source: containerd core/runtime/v2/README.md "IO"; fifo(7), pidfd_getfd(2)
 */
#ifndef BH_TASK_STDIO_H
#define BH_TASK_STDIO_H

#include "task/task.h"

/**
 * bh_stdio_open() - an open_stdio() for struct bh_task_opts; never blocks, does not suspend
 *
 * A named pipe for output is held open for reading too: without a reader nothing is lost and
 * nobody gets a SIGPIPE. One for input is held open for writing until CloseIO.
 */
int bh_stdio_open(void *arg, pid_t peer, const char *const uris[3], bool terminal,
		  struct bh_task_stdio *ret, struct bh_err *err) bh_must_check;

#endif
