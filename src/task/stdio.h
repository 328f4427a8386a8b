/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the URIs of a process's streams stand for on the host.
 *
 *	""               nothing
 *	/PATH, fifo://   a named pipe (or a file or device that is there)
 *	file://PATH      a log: made with its directories, appended to
 *	binary://PATH…   a program that reads it, see task/logger.h
 *	fd:N             descriptor N of the process that asks (for Create, or for an exec's Start)
 *
 * Source: containerd core/runtime/v2/README.md "IO"; fifo(7), pidfd_getfd(2)
 */
#ifndef BH_TASK_STDIO_H
#define BH_TASK_STDIO_H

#include "task/task.h"

struct bh_stdio {
	struct bh_loop *loop;
	const char *domain; /* the engine's name space, for loggers; NULL = none */
	/* For somebody to open a named pipe that output goes to, milliseconds; 0 = nobody is waited
	 * for. Without a reader all would be lost at the end. */
	unsigned int reader_ms;
	struct bh_logger *loggers; /* that run */
};

/**
 * bh_stdio_open() - an open_stdio() for struct bh_task_opts
 * @arg: struct bh_stdio
 *
 * A named pipe for output is held open for reading too: a reader that goes is waited for until it
 * comes back, and nobody gets a SIGPIPE. One for input is held open for writing until CloseIO.
 */
int bh_stdio_open(void *arg, const struct bh_task_stdio_request *request, struct bh_task_stdio *ret,
		  struct bh_err *err) bh_must_check;

/** bh_stdio_end() - tell loggers that are left to end. Idempotent */
void bh_stdio_end(struct bh_stdio *stdio);

#endif
