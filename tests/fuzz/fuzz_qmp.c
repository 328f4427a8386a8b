/* SPDX-License-Identifier: Apache-2.0 */
/* What a monitor may send: as a line, and as a stream in a conversation with calls that wait. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "vmm/qemu/qmp.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static void check_printable(const char *text, size_t size)
{
	CHECK(strnlen(text, size) < size);
	for (; *text; text++)
		CHECK(*text >= ' ' && *text <= '~');
}

static void check_line(const char *data, size_t size)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_qmp_message m;

	if (bh_qmp_parse(data, size, &m, &err) < 0) {
		CHECK(err.code < 0 && err.text[0]);
		return;
	}
	CHECK(m.kind < BH_QMP_KIND_MAX_ && (m.kind != BH_QMP_EVENT || m.name[0]));
	check_printable(m.name, sizeof(m.name));
	check_printable(m.text, sizeof(m.text));
	check_printable(m.device, sizeof(m.device));
	check_printable(m.reason, sizeof(m.reason));
}

struct talk {
	struct bh_loop loop;
	struct bh_qmp qmp;
	int left; /* calls that wait */
	bool broken;
};

static void on_event(void *arg, const struct bh_qmp_message *m)
{
	CHECK(arg && m->kind == BH_QMP_EVENT);
}

static void on_broken(void *arg, const struct bh_err *why)
{
	struct talk *t = arg;

	CHECK(why->code < 0 && !t->broken);
	t->broken = true;
	bh_qmp_end(&t->qmp, why);
}

static void one_call(void *arg)
{
	struct talk *t = arg;
	struct bh_err err = BH_ERR_INIT;
	int r = bh_qmp_call(&t->qmp, "stop", NULL, -1, 1000, &err);

	CHECK(r == 0 || (r < 0 && err.code == r && err.text[0]));
	t->left--;
}

static void check_stream(const uint8_t *data, size_t size)
{
	struct talk t = { .left = 2, .qmp = { .arg = &t, .event = on_event, .broken = on_broken } };
	struct bh_err err = BH_ERR_INIT;
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	CHECK(bh_loop_init(&t.loop, &err) == 0);
	CHECK(bh_qmp_start(&t.qmp, &t.loop, pair[0], &err) == 0);
	CHECK(bh_fiber_start(&t.loop, one_call, &t, &err) == 0);
	CHECK(bh_fiber_start(&t.loop, one_call, &t, &err) == 0);
	CHECK(write(pair[1], data, size) == (ssize_t)size);
	bh_close(pair[1]); /* so that every call ends */
	while (t.left > 0)
		CHECK(bh_fiber_sleep(&t.loop, 0, &err) == 0);
	bh_qmp_deinit(&t.qmp);
	bh_loop_deinit(&t.loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_line((const char *)data, size);
	if (size > 0 && size < 65536)
		check_stream(data, size);
	return 0;
}
