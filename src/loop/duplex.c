/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/duplex.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#define SILENCE_MS 60000

static struct bh_relay *open_way(struct bh_duplex *duplex)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(duplex->ways); i++)
		if (duplex->ways[i].open)
			return &duplex->ways[i];
	return NULL;
}

/* One direction ended. The sockets stay open by what the other one has of them. */
static void on_way_ended(void *data)
{
	struct bh_duplex *duplex = data;
	const struct bh_relay *other = open_way(duplex);

	if (other) {
		/* It wrote to what the other reads from. */
		shutdown(other->in.source.fd, SHUT_WR);
		duplex->moved = other->moved;
		bh_loop_arm(duplex->loop, &duplex->silence, SILENCE_MS);
		return;
	}
	bh_loop_disarm(duplex->loop, &duplex->silence);
	if (duplex->ended)
		duplex->ended(duplex->data);
}

static void on_silence(struct bh_timer *timer)
{
	struct bh_duplex *duplex = bh_owner_of(timer, struct bh_duplex, silence);
	const struct bh_relay *way = open_way(duplex);

	if (way && way->moved == duplex->moved) {
		bh_duplex_end(duplex);
		return;
	}
	duplex->moved = way ? way->moved : 0;
	bh_loop_arm(duplex->loop, timer, SILENCE_MS);
}

static int start_way(struct bh_duplex *duplex, size_t way, int in, int out, const char *what,
		     struct bh_err *err)
{
	return bh_relay_start(&duplex->ways[way], duplex->loop, in, out, false, what, err);
}

int bh_duplex_start(struct bh_duplex *duplex, struct bh_loop *loop, int a, int b, const char *what,
		    struct bh_err *err)
{
	int copy_a = fcntl(a, F_DUPFD_CLOEXEC, 3), copy_b = fcntl(b, F_DUPFD_CLOEXEC, 3), r = 0;

	duplex->loop = loop;
	duplex->silence.fn = on_silence;
	if (copy_a < 0 || copy_b < 0)
		r = bh_err_set(err, -errno, "duplicate a descriptor");
	if (r < 0) {
		bh_close(a);
		bh_close(b);
		bh_close(copy_a);
		bh_close(copy_b);
		return r;
	}
	r = start_way(duplex, 0, a, b, what, err);
	if (r < 0) {
		bh_close(copy_a);
		bh_close(copy_b);
		return r;
	}
	r = start_way(duplex, 1, copy_b, copy_a, what, err);
	if (r < 0) {
		bh_relay_end(&duplex->ways[0]);
		return r;
	}
	for (size_t i = 0; i < BH_ARRAY_SIZE(duplex->ways); i++) {
		duplex->ways[i].ended = on_way_ended;
		duplex->ways[i].data = duplex;
	}
	return 0;
}

void bh_duplex_end(struct bh_duplex *duplex)
{
	struct bh_relay *way;

	/* The last one may take @duplex away. */
	while ((way = open_way(duplex))) {
		bool last = !duplex->ways[0].open || !duplex->ways[1].open;

		bh_relay_end(way);
		if (last)
			return;
	}
}
