/* SPDX-License-Identifier: Apache-2.0 */
/* pod list and pod stats: tables, and the same as JSON. */
#include <string.h>
#include <time.h>

#include "observer/columns.h"
#include "observer/details.h"
#include "observer/observer.h"

static const bh_columns list_columns = {
	BH_COLUMN_ID,     BH_COLUMN_NAME,       BH_COLUMN_RUNTIME,  BH_COLUMN_STATE,
	BH_COLUMN_AGE,    BH_COLUMN_CONTAINERS, BH_COLUMN_RESTARTS, BH_COLUMN_VM,
	BH_COLUMN_REASON, BH_COLUMN_MAX_,
};
static const bh_columns stats_columns = {
	BH_COLUMN_ID,           BH_COLUMN_NAME,     BH_COLUMN_RUNTIME, BH_COLUMN_STATE,
	BH_COLUMN_VM,           BH_COLUMN_CPU_TIME, BH_COLUMN_MEMORY,  BH_COLUMN_GUEST_CPU_TIME,
	BH_COLUMN_GUEST_MEMORY, BH_COLUMN_OVERHEAD, BH_COLUMN_REASON,  BH_COLUMN_MAX_,
};

bool bh_observer_wanted(const struct bh_observer_options *o, const struct bh_node_pod *pod)
{
	return o->all || o->query.pod || pod->state != BH_NODE_STOPPED;
}

static int print_table(const struct bh_observer_options *o, const struct bh_node *node,
		       const bh_columns columns, struct bh_buf *out, struct bh_err *err)
{
	bh_auto_free struct bh_row *rows = calloc(node->n + 1, sizeof(*rows));
	int64_t now = time(NULL);
	size_t n = 0;

	if (!rows)
		return bh_err_oom(err);
	for (size_t i = 0; i < node->n; i++)
		if (bh_observer_wanted(o, &node->pods[i]))
			rows[n++] = (struct bh_row){ .pod = &node->pods[i], .now = now };
	bh_table_print(columns, rows, n, out);
	return 0;
}

static void print_json(const struct bh_observer_options *o, const struct bh_node *node,
		       struct bh_buf *out)
{
	struct bh_json_writer w = { .out = out };

	bh_json_open(&w, NULL, '[');
	for (size_t i = 0; i < node->n; i++) {
		if (!bh_observer_wanted(o, &node->pods[i]))
			continue;
		bh_json_open(&w, NULL, '{');
		bh_details_json(&node->pods[i], &w);
		bh_json_close(&w, '}');
	}
	bh_json_close(&w, ']');
	bh_buf_puts(out, "\n");
}

static int show(const struct bh_observer_options *o, bool figures, const bh_columns columns,
		struct bh_err *err)
{
	bh_auto_node struct bh_node node = { .n = 0 };
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	int r = bh_observe(o, figures, &node, err);

	if (r < 0)
		return r;
	if (o->json)
		print_json(o, &node, &out);
	else
		r = print_table(o, &node, columns, &out, err);
	return r < 0 ? r : bh_buf_print(&out, err);
}

int bh_observe_list(const struct bh_observer_options *o, struct bh_err *err)
{
	return show(o, false, list_columns, err);
}

/* All that there is to tell of one pod. */
static int show_one(const struct bh_observer_options *o, struct bh_err *err)
{
	bh_auto_node struct bh_node node = { .n = 0 };
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	const struct bh_node_pod *pod;
	int r = bh_observe(o, true, &node, err);

	if (r < 0)
		return r;
	pod = &node.pods[0];
	if (bh_node_attention(pod))
		return bh_err_as(err, BH_ERR_STATE, -ESRCH, "pod '%s' is %s: %s", pod->id,
				 bh_node_state_name(pod->state), pod->reason);
	if (o->json)
		bh_details_stats_json(pod, &out);
	else
		bh_details_print(pod, &out);
	return bh_buf_print(&out, err);
}

int bh_observe_stats(const struct bh_observer_options *o, struct bh_err *err)
{
	return o->query.pod ? show_one(o, err) : show(o, true, stats_columns, err);
}
