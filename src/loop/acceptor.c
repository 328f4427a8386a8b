/* SPDX-License-Identifier: Apache-2.0 */
/* Source: accept(2) */
#include "loop/acceptor.h"

#include <string.h>
#include <sys/socket.h>

#include "base/log.h"

#define REST_MS 100

/* The kernel may be out of memory for this as well: then it is tried again. */
static void watch(struct bh_acceptor *acceptor)
{
	bool rests = acceptor->held || acceptor->again.armed;

	if (bh_loop_watch(acceptor->loop, &acceptor->source, rests ? 0 : EPOLLIN, NULL) < 0)
		bh_loop_arm(acceptor->loop, &acceptor->again, REST_MS);
}

static void on_again(struct bh_timer *timer)
{
	watch(bh_owner_of(timer, struct bh_acceptor, again));
}

/* Told once, however long it lasts. */
static void rest(struct bh_acceptor *acceptor, int why)
{
	if (!acceptor->failing)
		bh_warn("%s: who calls has to wait: %s", acceptor->source.what, strerror(why));
	acceptor->failing = true;
	bh_loop_arm(acceptor->loop, &acceptor->again, REST_MS);
	watch(acceptor);
}

static int on_ready(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_acceptor *acceptor = bh_owner_of(source, struct bh_acceptor, source);
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	(void)err;
	if (fd >= 0) {
		acceptor->failing = false;
		acceptor->fn(acceptor, fd);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		rest(acceptor, errno); /* whoever called is not gone */
	}
	return 0;
}

int bh_acceptor_start(struct bh_loop *loop, struct bh_acceptor *acceptor, struct bh_err *err)
{
	int r;

	acceptor->loop = loop;
	acceptor->again.fn = on_again;
	acceptor->source.fn = on_ready;
	r = bh_loop_add(loop, &acceptor->source, EPOLLIN, err);
	return r < 0 ? r : 0;
}

void bh_acceptor_hold(struct bh_acceptor *acceptor, bool hold)
{
	acceptor->held = hold;
	watch(acceptor);
}

void bh_acceptor_stop(struct bh_acceptor *acceptor)
{
	if (!acceptor->loop)
		return;
	bh_loop_disarm(acceptor->loop, &acceptor->again);
	bh_loop_remove(acceptor->loop, &acceptor->source);
}
