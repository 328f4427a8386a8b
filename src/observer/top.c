/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod top: all pods, live. A fiber looks at the node every so often; keys, the terminal's size and
 * signals are heard meanwhile, however long a pod takes to answer.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include "base/clock.h"
#include "loop/fiber.h"
#include "observer/columns.h"
#include "observer/observer.h"
#include "observer/screen.h"

#define CTRL_C      3
#define USEC_PER_MS 1000.0
#define FRAME_LINES 4 /* all that is not a pod */

static const bh_columns columns = {
	BH_COLUMN_NAME,     BH_COLUMN_ID,         BH_COLUMN_RUNTIME,   BH_COLUMN_STATE,
	BH_COLUMN_AGE,      BH_COLUMN_CONTAINERS, BH_COLUMN_RESTARTS,  BH_COLUMN_VM,
	BH_COLUMN_CPU,      BH_COLUMN_MEMORY,     BH_COLUMN_GUEST_CPU, BH_COLUMN_GUEST_MEMORY,
	BH_COLUMN_OVERHEAD, BH_COLUMN_REASON,     BH_COLUMN_MAX_,
};

struct top {
	const struct bh_observer_options *o;
	struct bh_loop loop;
	struct bh_screen screen;
	struct bh_source input, signals;
	struct bh_timer refresh;
	struct bh_keys keys;
	struct bh_node node, previous;
	uint64_t taken_ms, previous_ms; /* when they were looked at; 0 = not yet */
	struct bh_row *rows;
	size_t n_rows, first; /* row that is shown at the top */
	enum bh_column sort;
	bool reverse, all, looking;
	int ended_by;      /* signal; 0 = none */
	struct bh_err err; /* of the last look, if it failed */
};

/* ---- rows ------------------------------------------------------------------------------------ */

static const struct bh_node_pod *before(const struct top *t, const struct bh_node_pod *pod)
{
	for (size_t i = 0; i < t->previous.n; i++)
		if (!strcmp(t->previous.pods[i].id, pod->id) &&
		    !strcmp(t->previous.pods[i].root, pod->root))
			return &t->previous.pods[i];
	return NULL;
}

/* Cores in use between two looks; -1 = not known. */
static double cores(const struct top *t, bool known, uint64_t was_usec, uint64_t is_usec)
{
	if (!known || t->taken_ms <= t->previous_ms || is_usec < was_usec)
		return -1;
	return (double)(is_usec - was_usec) / USEC_PER_MS / (double)(t->taken_ms - t->previous_ms);
}

static struct bh_row row_of(const struct top *t, const struct bh_node_pod *pod)
{
	const struct bh_node_figures *now = &pod->measured;
	const struct bh_node_pod *earlier = before(t, pod);
	const struct bh_node_figures *was = earlier ? &earlier->measured : NULL;

	return (struct bh_row){
		.pod = pod,
		.now = time(NULL),
		.cpu = was ? cores(t, now->host && was->host, was->host_cpu_usec,
				   now->host_cpu_usec)
			   : -1,
		.guest_cpu = was ? cores(t, now->guest && was->guest, was->guest_cpu_usec,
					 now->guest_cpu_usec)
				 : -1,
	};
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct top *t = arg;

	return t->reverse ? bh_column_compare(t->sort, b, a) : bh_column_compare(t->sort, a, b);
}

static void make_rows(struct top *t)
{
	struct bh_row *rows = realloc(t->rows, (t->node.n + 1) * sizeof(*rows));

	t->n_rows = 0;
	if (!rows)
		return;
	t->rows = rows;
	for (size_t i = 0; i < t->node.n; i++)
		if (t->all || bh_observer_wanted(t->o, &t->node.pods[i]))
			rows[t->n_rows++] = row_of(t, &t->node.pods[i]);
	qsort_r(rows, t->n_rows, sizeof(*rows), compare, t);
}

/* ---- drawing --------------------------------------------------------------------------------- */

static void print_summary(const struct top *t, struct bh_buf *out)
{
	size_t running = 0, attention = 0;
	uint64_t memory = 0, overhead = 0;
	double cpu = 0;

	for (size_t i = 0; i < t->n_rows; i++) {
		const struct bh_row *row = &t->rows[i];

		running += row->pod->state == BH_NODE_RUNNING;
		attention += bh_node_attention(row->pod);
		memory += row->pod->measured.host_memory;
		overhead += row->pod->measured.overhead_memory;
		cpu += row->cpu > 0 ? row->cpu : 0;
	}
	bh_buf_printf(out, "bulkhead: %zu pods, %zu running, %zu in trouble; %.2f cores, memory ",
		      t->n_rows, running, attention, cpu);
	bh_bytes_print(memory, out);
	bh_buf_puts(out, ", of it overhead ");
	bh_bytes_print(overhead, out);
	bh_buf_printf(out, "\nsorted by %s%s%s\n", bh_column_title(t->sort),
		      t->reverse ? ", the other way round" : "",
		      t->all ? "; those that have ended too" : "");
}

/* The lines of @table from the first that is wanted; the titles stay. */
static void print_window(const struct top *t, struct bh_buf *table, struct bh_buf *out)
{
	size_t room = t->screen.rows > FRAME_LINES ? t->screen.rows - FRAME_LINES : 0, row = 0;
	char *save = NULL;

	if (table->failed || !table->data)
		return;
	for (char *line = strtok_r(table->data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save), row++)
		if (row == 0)
			bh_buf_printf(out, "\1%-*s\n", (int)t->screen.columns, line);
		else if (row > t->first && row <= t->first + room)
			bh_buf_printf(out, "%s\n", line);
}

static void print_keys(struct bh_buf *out)
{
	bh_buf_puts(out, "\1q quit  r reverse  e ended too  sort:");
	for (size_t i = 0; columns[i] != BH_COLUMN_MAX_; i++)
		if (bh_column_key(columns[i]))
			bh_buf_printf(out, " %c %s", bh_column_key(columns[i]),
				      bh_column_title(columns[i]));
	bh_buf_puts(out, "\n");
}

static int draw(struct top *t, struct bh_err *err)
{
	bh_auto_buf struct bh_buf table = BH_BUF_INIT, out = BH_BUF_INIT;
	char text[BH_ERR_LINE_BYTES];

	make_rows(t);
	if (t->first >= t->n_rows)
		t->first = t->n_rows ? t->n_rows - 1 : 0;
	print_summary(t, &out);
	bh_table_print(columns, t->rows, t->n_rows, &table);
	print_window(t, &table, &out);
	if (t->err.code < 0)
		bh_buf_printf(&out, "%s\n", bh_err_format(&t->err, text, sizeof(text)));
	print_keys(&out);
	return bh_screen_draw(&t->screen, &out, err);
}

static void draw_or_leave(struct top *t)
{
	if (draw(t, &t->err) < 0)
		bh_loop_stop(&t->loop);
}

/* ---- looking --------------------------------------------------------------------------------- */

static void look(void *arg)
{
	struct top *t = arg;
	struct bh_node_query query = t->o->query;
	struct bh_node fresh = { .n = 0 };

	query.figures = true;
	query.dead = t->all;
	t->err = BH_ERR_INIT;
	if (bh_node_look(&t->loop, &query, &fresh, &t->err) < 0) {
		bh_node_deinit(&fresh);
	} else {
		bh_node_deinit(&t->previous);
		t->previous = t->node;
		t->previous_ms = t->taken_ms;
		t->node = fresh;
		t->taken_ms = bh_clock_ms();
	}
	t->looking = false;
	bh_loop_arm(&t->loop, &t->refresh, t->o->interval_ms);
	draw_or_leave(t);
}

static void on_refresh(struct bh_timer *timer)
{
	struct top *t = bh_owner_of(timer, struct top, refresh);

	if (t->looking)
		return;
	t->looking = true;
	if (bh_fiber_start(&t->loop, look, t, &t->err) < 0)
		bh_loop_stop(&t->loop);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void scroll(struct top *t, long by)
{
	long to = (long)t->first + by;

	t->first = to < 0 ? 0 : (size_t)to;
}

static void sort_by(struct top *t, int key)
{
	for (size_t i = 0; columns[i] != BH_COLUMN_MAX_; i++) {
		if (bh_column_key(columns[i]) != key)
			continue;
		t->sort = columns[i];
		t->reverse = false;
		t->first = 0;
	}
}

static void on_key(struct top *t, int key)
{
	long page = t->screen.rows > FRAME_LINES ? t->screen.rows - FRAME_LINES : 1;

	switch (key) {
	case BH_KEY_NONE:
		return;
	case 'q':
	case CTRL_C:
		bh_loop_stop(&t->loop);
		return;
	case 'r':
		t->reverse = !t->reverse;
		break;
	case 'e':
		t->all = !t->all;
		break;
	case ' ':
		on_refresh(&t->refresh);
		break;
	case BH_KEY_UP:
		scroll(t, -1);
		break;
	case BH_KEY_DOWN:
		scroll(t, 1);
		break;
	case BH_KEY_PAGE_UP:
		scroll(t, -page);
		break;
	case BH_KEY_PAGE_DOWN:
		scroll(t, page);
		break;
	default:
		sort_by(t, key);
		break;
	}
	draw_or_leave(t);
}

static int on_input(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct top *t = bh_owner_of(source, struct top, input);
	char bytes[64];
	ssize_t n = read(source->fd, bytes, sizeof(bytes));

	(void)events;
	(void)err;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) /* the terminal is gone */
		bh_loop_stop(&t->loop);
	for (ssize_t i = 0; i < n && !t->loop.stopped; i++)
		on_key(t, bh_keys_next(&t->keys, bytes[i]));
	return 0;
}

/* ---- signals --------------------------------------------------------------------------------- */

/* Given back for as long as somebody else has it. */
static int pause_here(struct top *t, struct bh_err *err)
{
	bh_screen_close();
	raise(SIGSTOP);
	return bh_screen_open(&t->screen, err);
}

static int on_signal(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct top *t = bh_owner_of(source, struct top, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	if (info.ssi_signo == SIGTSTP) {
		if (pause_here(t, err) < 0)
			return err->code;
	} else if (info.ssi_signo == SIGWINCH) {
		bh_screen_measure(&t->screen);
	} else {
		t->ended_by = (int)info.ssi_signo;
		bh_loop_stop(&t->loop);
		return 0;
	}
	draw_or_leave(t);
	return 0;
}

static int watch_signals(struct top *t, struct bh_err *err)
{
	static const int signals[] = { SIGWINCH, SIGTSTP, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t set;
	int r;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (size_t i = 0; i < BH_ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	t->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->signals.fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return bh_err_set(err, -errno, "watch for signals");
	r = bh_loop_add(&t->loop, &t->signals, EPOLLIN, err);
	return r < 0 ? r : 0;
}

/* As if it had not been caught. */
static void end_by(int sig)
{
	sigset_t set;

	if (!sig)
		return;
	sigemptyset(&set);
	sigaddset(&set, sig);
	signal(sig, SIG_DFL);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int show(struct top *t, struct bh_err *err)
{
	int r = bh_loop_init(&t->loop, err);

	r = r < 0 ? r : watch_signals(t, err);
	r = r < 0 ? r : bh_screen_open(&t->screen, err);
	r = r < 0 ? r : bh_loop_add(&t->loop, &t->input, EPOLLIN, err);
	r = r < 0 ? r : draw(t, err);
	if (r < 0)
		return r;
	on_refresh(&t->refresh);
	r = bh_loop_run(&t->loop, err);
	return r < 0 || !t->err.code ? r : (*err = t->err).code;
}

int bh_observe_top(const struct bh_observer_options *o, struct bh_err *err)
{
	struct top t = {
		.o = o,
		.loop = BH_LOOP_INIT,
		.input = { .fd = STDIN_FILENO, .fn = on_input, .what = "terminal" },
		.signals = { .fd = -EBADF, .fn = on_signal, .what = "signals" },
		.refresh = { .fn = on_refresh },
		.sort = BH_COLUMN_CPU,
		.all = o->all,
	};
	int r = show(&t, err);

	bh_screen_close();
	end_by(t.ended_by);
	/* A look that is under way has a stack of its own, which ends with the program. */
	return r;
}
