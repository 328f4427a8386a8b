/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A terminal taken over: alternate screen, keys as they are pressed, and all of it given back
 * however the program ends but by SIGKILL.
 *
 * Source: ECMA-48; xterm's control sequences (1049: alternate screen, 25: cursor); termios(3)
 */
#ifndef BH_OBSERVER_SCREEN_H
#define BH_OBSERVER_SCREEN_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct bh_screen {
	unsigned int rows, columns;
};

enum bh_key {
	BH_KEY_NONE = 0, /* a part of a sequence, or one that is of no use here */
	/* Others are the characters that they stand for. */
	BH_KEY_UP = 256,
	BH_KEY_DOWN,
	BH_KEY_PAGE_UP,
	BH_KEY_PAGE_DOWN,
};

/** bh_screen_open() - take the terminal that standard input and output are; there is one at most
 * Return: 0; -ENOTTY with @err when they are none */
int bh_screen_open(struct bh_screen *screen, struct bh_err *err) bh_must_check;

/** bh_screen_close() - give it back as it was; idempotent */
void bh_screen_close(void);

/** bh_screen_measure() - how large it is now */
void bh_screen_measure(struct bh_screen *screen);

/** bh_screen_draw() - show @text from the top: its lines as far as there is room for them and for
 * their ends. The first line of @text that starts with a byte 1 is shown in reverse */
int bh_screen_draw(const struct bh_screen *screen, const struct bh_buf *text,
		   struct bh_err *err) bh_must_check;

/* Keys come as bytes, arrows as sequences of them; zeroed before the first. */
struct bh_keys {
	char sequence[4];
	unsigned int n;
};

/** bh_keys_next() - the next byte from the terminal. Return: enum bh_key or a character */
int bh_keys_next(struct bh_keys *keys, char c);

#endif
