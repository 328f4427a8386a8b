/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/relay.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/path.h"

/* Rounds in one dispatch, so that one busy stream does not starve signals and the others. */
#define ROUNDS_MAX 8

/* A descriptor that blocks and that poll called writable takes at least this much: PIPE_BUF. */
#define WRITE_MAX_BYTES 4096

#define WOULD_BLOCK 1

int bh_relay_reopen(int fd, int flags, struct bh_err *err)
{
	char link[BH_PROC_FD_BYTES];
	struct stat st;
	int copy = -1;

	if (fstat(fd, &st) < 0)
		return bh_err_set(err, -errno, "stat descriptor %d", fd);
	/* A regular file opened again would lose its offset, a socket cannot be. */
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
		copy = bh_path_try_open(AT_FDCWD, bh_proc_fd(link, fd),
					flags | O_NONBLOCK | O_NOCTTY, 0, BH_PATH_HOST);
	if (copy < 0)
		copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return copy < 0 ? bh_err_set(err, -errno, "duplicate descriptor %d", fd) : copy;
}

static void close_end(struct bh_loop *loop, struct bh_relay_end *end)
{
	bh_loop_remove(loop, &end->source);
	end->source.fd = bh_close(end->source.fd);
}

void bh_relay_end(struct bh_relay *relay)
{
	if (!relay->open)
		return;
	close_end(relay->loop, &relay->in);
	close_end(relay->loop, &relay->out);
	free(bh_take(&relay->buffer));
	relay->open = false;
	if (relay->ended)
		relay->ended(relay->data);
}

/* Waits for the side that is to move next. One that cannot be polled is ready always: then the
 * other sets the pace. */
static int wait_next(struct bh_relay *relay, struct bh_err *err)
{
	struct bh_source *in = &relay->in.source, *out = &relay->out.source;
	bool for_output = relay->len > 0 ? out->added : !in->added;
	int r = bh_loop_watch(relay->loop, in, for_output ? 0 : EPOLLIN, err);

	return r < 0 ? r : bh_loop_watch(relay->loop, out, for_output ? EPOLLOUT : 0, err);
}

static ssize_t write_some(int fd, const char *data, size_t n)
{
	ssize_t sent = send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	return sent < 0 && errno == ENOTSOCK ? write(fd, data, n) : sent;
}

/* After an attempt on @end that returned @n. Return: WOULD_BLOCK, or 0 */
static int after_try(struct bh_relay_end *end, ssize_t n)
{
	bool again = n < 0 && errno == EAGAIN;

	if (end->source.added && (again || end->blocks))
		end->ready = false;
	return again ? WOULD_BLOCK : 0;
}

/* Empties the buffer. Return: 0; WOULD_BLOCK; -errno when output is gone. */
static int flush(struct bh_relay *relay)
{
	while (relay->len > 0) {
		size_t max = relay->len < WRITE_MAX_BYTES ? relay->len : WRITE_MAX_BYTES;
		ssize_t n = (ssize_t)relay->len;

		if (!relay->discard) {
			if (!relay->out.ready)
				return WOULD_BLOCK;
			n = write_some(relay->out.source.fd, relay->buffer + relay->start, max);
			if (after_try(&relay->out, n) || (n < 0 && errno == EINTR))
				continue;
		}
		if (n < 0)
			return -errno;
		relay->start += (size_t)n;
		relay->len -= (size_t)n;
		relay->moved += (uint64_t)n;
	}
	return 0;
}

/* Fills the empty buffer. Return: 0; WOULD_BLOCK; -errno at the end (terminals end with EIO). */
static int fill(struct bh_relay *relay)
{
	ssize_t n;

	if (!relay->in.ready)
		return WOULD_BLOCK;
	n = read(relay->in.source.fd, relay->buffer, BH_RELAY_BYTES);
	if (after_try(&relay->in, n))
		return WOULD_BLOCK;
	if (n < 0 && errno == EINTR)
		return 0;
	relay->start = 0;
	relay->len = n > 0 ? (size_t)n : 0;
	return n > 0 ? 0 : -EPIPE;
}

static int move(struct bh_relay *relay, struct bh_err *err)
{
	for (int round = 0; round < ROUNDS_MAX; round++) {
		int r = flush(relay);

		if (r == WOULD_BLOCK)
			return wait_next(relay, err);
		if (r < 0 && relay->keep_reading) {
			relay->discard = true;
			close_end(relay->loop, &relay->out);
			continue;
		}
		if (r == 0)
			r = fill(relay);
		if (r < 0 || (r == WOULD_BLOCK && relay->draining)) {
			bh_relay_end(relay);
			return 0;
		}
		if (r == WOULD_BLOCK)
			return wait_next(relay, err);
	}
	return wait_next(relay, err);
}

static int on_in(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_relay *relay = bh_owner_of(source, struct bh_relay, in.source);

	(void)events; /* errors and the end come out of read(2) */
	relay->in.ready = true;
	return move(relay, err);
}

static int on_out(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_relay *relay = bh_owner_of(source, struct bh_relay, out.source);

	(void)events;
	relay->out.ready = true;
	return move(relay, err);
}

static int add_end(struct bh_relay *relay, struct bh_relay_end *end, uint32_t events,
		   struct bh_err *err)
{
	int flags = fcntl(end->source.fd, F_GETFL);
	int r = bh_loop_add(relay->loop, &end->source, events, err);

	end->blocks = !(flags & O_NONBLOCK);
	end->ready = r == BH_LOOP_E_ALWAYS_READY || !end->blocks;
	return r < 0 ? r : 0;
}

int bh_relay_start(struct bh_relay *relay, struct bh_loop *loop, int in_fd, int out_fd,
		   bool keep_reading, const char *what, struct bh_err *err)
{
	int r;

	relay->buffer = malloc(BH_RELAY_BYTES);
	relay->loop = loop;
	relay->in.source = (struct bh_source){ .fd = in_fd, .fn = on_in, .what = what };
	relay->out.source = (struct bh_source){ .fd = out_fd, .fn = on_out, .what = what };
	relay->keep_reading = keep_reading;
	relay->open = true;
	r = relay->buffer ? add_end(relay, &relay->in, EPOLLIN, err) : bh_err_oom(err);
	if (r == 0)
		r = add_end(relay, &relay->out, EPOLLOUT, err);
	if (r == 0)
		r = wait_next(relay, err);
	if (r < 0)
		bh_relay_end(relay);
	return r;
}

int bh_relay_drain(struct bh_relay *relay, struct bh_err *err)
{
	if (!relay->open)
		return 0;
	relay->draining = true;
	relay->in.ready = true;
	return move(relay, err);
}

int bh_relay_push(struct bh_relay *relay, struct bh_err *err)
{
	int waiting = 0, r;

	if (!relay->open)
		return 0;
	relay->in.ready = true;
	/* What poll has not said yet is found out by trying. */
	relay->out.ready |= !relay->out.blocks;
	r = move(relay, err);
	if (r < 0 || !relay->open)
		return r;
	return relay->len > 0 || (ioctl(relay->in.source.fd, FIONREAD, &waiting) == 0 && waiting);
}
