/* SPDX-License-Identifier: Apache-2.0 */
/* What a container says on its notification socket: it is ready if READY=1 is a line of its own in
 * the first 4096 bytes, and nothing that it says is more than that. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/notify.h"
#include "fuzz.h"

/* The same question, asked by another way. */
static bool has_line(const uint8_t *data, size_t size)
{
	bh_auto_free char *text = strndup((const char *)data, size < 4096 ? size : 4096);
	char *rest = NULL, *line = text ? strtok_r(text, "\n", &rest) : NULL;

	while (line && strcmp(line, "READY=1") != 0)
		line = strtok_r(NULL, "\n", &rest);
	return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int socks[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, socks) < 0)
		return 0;
	if (send(socks[1], data, size, MSG_DONTWAIT) == (ssize_t)size &&
	    bh_notify_says_ready(socks[0]) != has_line(data, size))
		abort();
	if (bh_notify_says_ready(socks[0]))
		abort();
	close(socks[0]);
	close(socks[1]);
	return 0;
}
