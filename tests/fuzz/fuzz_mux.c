/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames to either side of a channel; the first byte says to which, and what the users of its
 * streams do. What a peer makes this side keep stays bounded, and the end is told once.
 */
#include "fuzz.h"
#include "fuzz_wire.h"
#include "rpc/mux_internal.h"

#define USERS 4

enum { AS_GUEST = 1, READ = 2, CLOSE_EARLY = 4, WRITE = 8, END = 16 };

struct peer {
	struct bh_mux *mux;
	int how, fds[USERS], n, dead;
};

static void use(struct peer *p, int fd)
{
	static const char data[4096];

	if (p->how & WRITE)
		(void)!write(fd, data, sizeof(data));
	if (p->how & END)
		shutdown(fd, SHUT_WR);
	if (p->how & CLOSE_EARLY || p->n == USERS)
		bh_close(fd);
	else
		p->fds[p->n++] = fd;
}

static void on_accept(void *arg, int fd)
{
	use(arg, fd);
}

static void on_dead(void *arg, const struct bh_err *why)
{
	struct peer *p = arg;

	CHECK(why->code < 0 && why->text[0]);
	p->dead++;
}

static void check(struct peer *p)
{
	static char data[1 << 16];

	CHECK(p->dead <= 1);
	CHECK(p->mux->n_streams <= BH_MUX_STREAMS_MAX);
	CHECK(p->mux->out.len <= (1 << 20));
	for (size_t i = 0; i < BH_MUX_BUCKETS; i++)
		for (struct bh_mux_stream *s = p->mux->streams[i]; s; s = s->next)
			CHECK(s->rx.len + s->allowance <= BH_MUX_WINDOW_BYTES &&
			      s->credit <= BH_MUX_WINDOW_BYTES);
	for (int i = 0; p->how & READ && i < p->n; i++)
		(void)!read(p->fds[i], data, sizeof(data));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peer p = { .how = size ? data[0] : 0 };
	struct bh_mux_events on = { on_accept, on_dead, &p };
	static char out[1 << 16];
	struct bh_loop loop;
	struct bh_err err;
	int ends[2], fd;

	if (!size)
		return 0;
	wire_open(&loop, ends);
	CHECK(bh_mux_new(&loop, ends[0], p.how & AS_GUEST ? BH_MUX_GUEST : BH_MUX_HOST, &on, &p.mux,
			 &err) == 0);
	for (size_t at = 1, step; at < size; at += step) {
		step = size - at < 256 ? size - at : 256;
		wire_feed(&loop, ends[1], data + at, step);
		if (!(p.how & AS_GUEST) && !p.n && (fd = bh_mux_open(p.mux, &err)) >= 0)
			use(&p, fd);
		wire_turn(&loop);
		check(&p);
		(void)!read(ends[1], out, sizeof(out));
	}
	bh_mux_free(p.mux);
	for (int i = 0; i < p.n; i++)
		bh_close(p.fds[i]);
	bh_close(ends[1]);
	bh_loop_deinit(&loop);
	return 0;
}
