/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The streams of one process: pipes or a terminal on its side, what open_stdio() returned on the
 * other, relays in between. Nothing waits for a reader but the one relay that it reads from.
 */
#ifndef BH_TASK_IO_H
#define BH_TASK_IO_H

#include "loop/relay.h"
#include "task/task.h"

struct bh_task_io {
	struct bh_loop *loop;
	bool terminal;
	struct bh_task_stdio far; /* until the relays have them; hold until CloseIO */
	int theirs[3];            /* the process's ends, until it has them */
	int ours[3];              /* of the pipes, until the relays have them */
	int master;               /* of the terminal */
	struct bh_relay relays[3];
	void (*drained)(void *data); /* both outputs have come to their end; may be NULL */
	void *data;
};

/** bh_task_io_init() - nothing open */
void bh_task_io_init(struct bh_task_io *io, struct bh_loop *loop, bool terminal);

/** bh_task_io_prepare() - with io->far filled: make the process's ends */
int bh_task_io_prepare(struct bh_task_io *io, struct bh_err *err) bh_must_check;

/** bh_task_io_start() - the process has its ends: begin to copy
 * @master: of its terminal; consumed always */
int bh_task_io_start(struct bh_task_io *io, int master, struct bh_err *err) bh_must_check;

/** bh_task_io_push() - pass on what the readers take at once. Return: whether output is left that
 * a reader does not take */
bool bh_task_io_push(struct bh_task_io *io);

/** bh_task_io_unread() - whether the other side has output before it that it has not read */
bool bh_task_io_unread(const struct bh_task_io *io);

/** bh_task_io_close_input() - CloseIO: the input ends once its other writers are gone and what is
 * in it was passed on */
void bh_task_io_close_input(struct bh_task_io *io);

/** bh_task_io_resize() - of the terminal, in characters; nothing without one */
int bh_task_io_resize(struct bh_task_io *io, uint32_t width, uint32_t height,
		      struct bh_err *err) bh_must_check;

/** bh_task_io_end() - close all; idempotent */
void bh_task_io_end(struct bh_task_io *io);

#endif
