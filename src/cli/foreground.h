/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The time between a process's start and its end when `run` or `exec` stay with it: signals go to
 * it, bytes go between it and the caller, its status becomes the program's.
 */
#ifndef BH_CLI_FOREGROUND_H
#define BH_CLI_FOREGROUND_H

#include <sys/ioctl.h>
#include <sys/types.h>
#include <termios.h>

#include "container/container.h"
#include "loop/relay.h"

/* A process that is not this program's child, but one in a micro-VM. */
struct bh_remote_process {
	void (*kill)(void *arg, int sig);
	void (*resize)(void *arg, const struct winsize *size);
	void *arg;
};

struct bh_foreground {
	struct bh_loop loop;
	struct bh_source signals;
	struct bh_source notify; /* the container's notification socket, until it was ready */
	pid_t pid;               /* the process that is waited for; 0 once it has ended */
	const struct bh_remote_process *remote; /* instead of pid; NULL once it has ended */
	bool hold;      /* signals before there is a process stop nothing, they are only noted */
	int stopped_by; /* the signal that came before there was a process; 0 = none */
	int status;     /* as a shell counts it: 0 to 255 */
	int tty_fd;     /* the caller's terminal, or -1 */
	int master_fd;
	bool raw;
	struct termios old_termios;
	int ours[3];   /* pipe ends that the relays will use, or -1 */
	int theirs[3]; /* pipe ends for the process, or -1: it gets the caller's own descriptor */
	struct bh_relay relays[3]; /* of standard input, output, error */
};

/**
 * bh_foreground_init() - before the process is made: hold back signals, prepare its stdio
 * @fg: filled; whatever happens, free with bh_foreground_deinit()
 * @io: stdio, want_master and console_size are filled in
 *
 * Signals are blocked from here on, so that none can end this program between the start of the
 * process and the moment that they can be passed on to it. They stay blocked until the program
 * ends, so that its last acts (the container's removal, the error line) are not cut off.
 */
int bh_foreground_init(struct bh_foreground *fg, struct bh_process_io *io,
		       struct bh_err *err) bh_must_check;

/**
 * bh_foreground_wait() - until the process has ended and what it wrote is delivered
 * @started: its descriptors are consumed
 *
 * Return: its exit status, 128 + the signal's number where one ended it; -errno with @err
 */
int bh_foreground_wait(struct bh_foreground *fg, struct bh_started *started,
		       struct bh_err *err) bh_must_check;

/**
 * bh_foreground_attend() - the same for a process elsewhere: begin to pass on signals and bytes
 * @remote:    borrowed until bh_foreground_ended()
 * @master_fd: what stands for its terminal, consumed; -1 = it has none
 *
 * The caller runs the loop, which stops once all is delivered after bh_foreground_ended().
 */
int bh_foreground_attend(struct bh_foreground *fg, const struct bh_remote_process *remote,
			 int master_fd, struct bh_err *err) bh_must_check;

/** bh_foreground_ended() - that process has ended. @status: 0 to 255 */
int bh_foreground_ended(struct bh_foreground *fg, int status, struct bh_err *err) bh_must_check;

/** bh_foreground_deinit() - give back the terminal and close everything; idempotent */
void bh_foreground_deinit(struct bh_foreground *fg);

#endif
