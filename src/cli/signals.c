/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/signals.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "base/path.h"

#define STAT_BYTES_MAX 1024

/* The fields are counted from 1; the second is a name in parentheses, which may hold anything. */
#define FIELD_AFTER_NAME 3
#define FIELD_SIGIGNORE  33

/* Bit n - 1 = signal n is ignored. One read of a file instead of a system call a signal. */
static uint32_t ignored_signals(void)
{
	bh_auto_close int fd =
		bh_path_try_open(AT_FDCWD, "/proc/self/stat", O_RDONLY, 0, BH_PATH_HOST);
	char text[STAT_BYTES_MAX];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	uint32_t mask = 0;
	const char *p;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	p = strrchr(text, ')');
	for (int field = FIELD_AFTER_NAME; p && field <= FIELD_SIGIGNORE; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return 0;
	for (p++; *p >= '0' && *p <= '9'; p++)
		mask = mask * 10 + (uint32_t)(*p - '0');
	return mask;
}

void bh_signals_reset(void)
{
	uint32_t mask = ignored_signals();

	for (int sig = 1; mask; sig++, mask >>= 1)
		if (mask & 1)
			(void)signal(sig, SIG_DFL);
}
