/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process that is being made into a container's says to the runtime, should somebody who
 * traces it choose the words. An input is a list of messages: a byte with bit 0 set where a
 * descriptor is attached, a byte and 16 bits of which the lower 11 are the message's length, then
 * the message. The first byte of all says what the runtime is prepared for.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/socket.h"
#include "container/attend.h"
#include "container/sync.h"
#include "fuzz.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

#define FD_ATTACHED 1
#define LENGTH_MASK 0x7ff
#define HEAD_BYTES  3

enum prepared { FOR_EXEC = 1, STARTED = 2, FOR_TERMINAL = 4 };

static void say(int sock, const uint8_t *data, size_t len, bool with_fd)
{
	/* One that does not fit into the socket's buffer is not said. */
	(void)!bh_fd_send(sock, data, len, with_fd ? sock : -EBADF, MSG_DONTWAIT);
}

static void say_all(int sock, const uint8_t *data, size_t size)
{
	while (size >= HEAD_BYTES) {
		size_t len = ((size_t)data[1] | (size_t)data[2] << 8) & LENGTH_MASK;
		bool with_fd = data[0] & FD_ATTACHED;

		data += HEAD_BYTES;
		size -= HEAD_BYTES;
		len = len < size ? len : size;
		say(sock, data, len, with_fd);
		data += len;
		size -= len;
	}
}

static int next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_container c = { .id = "fuzz", .bundle = "/", .dirfd = -EBADF };
	const struct bh_process_io io = BH_PROCESS_IO_INIT;
	struct bh_err err = BH_ERR_INIT;
	char line[sizeof(err) + 256];
	struct bh_attend attend = { .c = &c, .pid = getpid(), .master_fd = -EBADF };
	int socks[2], before = next_fd(), r;

	if (size < 1 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return 0;
	c.spec.oci_version = "1.3.0";
	attend.sock = socks[0];
	attend.until_exec = data[0] & FOR_EXEC;
	attend.ready = data[0] & STARTED;
	attend.io = data[0] & FOR_TERMINAL ? &io : NULL;
	say_all(socks[1], data + 1, size - 1);
	shutdown(socks[1], SHUT_WR);
	r = bh_attend(&attend, &err);
	CHECK(r == 0 ? attend.ready : r < 0 && r == err.code);
	CHECK(strnlen(err.text, sizeof(err.text)) < sizeof(err.text));
	CHECK(strnlen(err.where, sizeof(err.where)) < sizeof(err.where));
	CHECK(r == 0 || bh_err_format(&err, line, sizeof(line)) == line);
	CHECK(attend.master_fd < 0 || (data[0] & FOR_TERMINAL));
	bh_close(attend.master_fd);
	close(socks[0]);
	close(socks[1]);
	CHECK(next_fd() == before);
	return 0;
}
