/* SPDX-License-Identifier: Apache-2.0 */
/* A process's files, which it can name as it likes: a row has nothing in it that a terminal obeys.
 * The first line is /proc/PID/stat, the rest /proc/PID/cmdline. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "agent/figures.h"
#include "fuzz.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bh_ps_clock clock = { .now = 2000000000, .boot = 1999990000, .hz = 100 };
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t stat_len = end ? (size_t)(end - data) : size;
	size_t cmdline_at = end ? stat_len + 1 : size;
	char *stat = bh_arena_strndup(&arena, (const char *)data, stat_len);
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	Agent__Process row;
	int r;

	if (!stat)
		return 0;
	bh_figures_network(stat, &out);
	r = bh_ps_row(&arena, &clock, stat, (const char *)data + cmdline_at, size - cmdline_at,
		      1000, &row);
	CHECK(r == 0 || r == -EINVAL);
	if (r < 0)
		return 0;
	CHECK(row.command[0] && row.user[0] && row.time[0] && row.tty[0] && row.started[0]);
	for (const char *p = row.command; *p; p++)
		CHECK(!iscntrl((unsigned char)*p));
	return 0;
}
