/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that a process's output goes to: binary://PATH?KEY=VALUE&… is executed with keys and
 * values as its arguments and CONTAINER_ID and CONTAINER_NAMESPACE alone as its environment. It
 * reads descriptors 3 (output) and 4 (error), and says that it is ready by closing 5; as binary-v2
 * by writing to it.
 *
 * Source: containerd core/runtime/v2/logging, core/runtime/v2/README.md "Logging"
 */
#ifndef BH_TASK_LOGGER_H
#define BH_TASK_LOGGER_H

#include "task/stdio.h"

/** bh_logger_is() - whether @uri names one */
bool bh_logger_is(const char *uri);

/**
 * bh_logger_start() - and wait until it is ready. Suspends
 * @id:      of the container, or of the exec
 * @ret_fds: writing ends for output and error, non-blocking; the caller's
 */
int bh_logger_start(struct bh_stdio *stdio, const char *id, const char *uri, int ret_fds[2],
		    struct bh_logger **ret, struct bh_err *err) bh_must_check;

/** bh_logger_end() - its pipes are closed: it is to end by itself, is told so after a moment, and
 * killed long after that. Returns at once. Takes NULL. Return: NULL */
struct bh_logger *bh_logger_end(struct bh_logger *logger);

/* The words of such a URI. */
struct bh_logger_command {
	bool says_ready; /* by a byte, not by the pipe's end */
	char **argv;     /* argv[0] is the program's path; NULL at the end */
};

/** bh_logger_parse() - @ret in @arena. Return: 0 or -EINVAL with @err */
int bh_logger_parse(struct bh_arena *arena, const char *uri, struct bh_logger_command *ret,
		    struct bh_err *err) bh_must_check;

#endif
