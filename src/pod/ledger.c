/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/ledger.h"

#include <string.h>

#include "base/embed.h"
#include "base/schema.h"
#include "container/state.h"
#include "rpc/task.pb-c.h"

#define ANNOTATION_NAME "io.kubernetes.cri.container-name"
/* Of a pod: more names than that are not told apart any more. */
#define NAMES_MAX 256
/* Containers that were deleted and of which it is still known how they ended. */
#define ENDED_MAX 64

struct bh_ledger_row {
	struct bh_ledger_row *next;
	char *id, *name;
	const char *status;
	uint32_t exit_status;
	int64_t exited_at;
	uint64_t oom_kills;
	bool deleted;
};

struct bh_ledger_name {
	struct bh_ledger_name *next;
	char name[];
};

/* A container that there is; not one of before that had the same id. */
static struct bh_ledger_row *find(const struct bh_ledger *ledger, const char *id)
{
	struct bh_ledger_row *row = ledger->rows;

	while (row && (row->deleted || strcmp(row->id, id) != 0))
		row = row->next;
	return row;
}

static void free_row(struct bh_ledger_row *row)
{
	free(row->id);
	free(row->name);
	free(row);
}

static void remove_row(struct bh_ledger *ledger, struct bh_ledger_row *row)
{
	bh_list_remove(&ledger->rows, row);
	ledger->n_rows--;
	free_row(row);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* What is looked at of config.json here. */
struct document {
	bh_kv_list annotations;
};
static const struct bh_field fields[] = {
	BH_FIELD(struct document, annotations, "annotations"),
};
static const struct bh_schema schema = BH_SCHEMA(struct document, fields);

/* malloc'd: the name that the engine gave to the container of @bundle, "" = none. */
static char *name_of(const char *bundle)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct document document = { .annotations = { .n = 0 } };
	bh_auto_free char *text = NULL;
	size_t len;

	if (bh_bundle_read(bundle, &text, &len, NULL) == 0 &&
	    bh_schema_read(&schema, &arena, text, len, &document, NULL) == 0)
		bh_for_each (kv, document.annotations)
			if (!strcmp(kv->key, ANNOTATION_NAME))
				return strdup(kv->value);
	return strdup("");
}

/* Return: whether a container has had it before */
static bool note_name(struct bh_ledger *ledger, const char *name)
{
	struct bh_ledger_name *n;

	for (n = ledger->names; n; n = n->next)
		if (!strcmp(n->name, name))
			return true;
	n = ledger->n_names < NAMES_MAX ? malloc(sizeof(*n) + strlen(name) + 1) : NULL;
	if (!n)
		return false;
	strcpy(n->name, name);
	n->next = ledger->names;
	ledger->names = n;
	ledger->n_names++;
	return false;
}

/* ---- events ---------------------------------------------------------------------------------- */

/* A container with a name has its place in the pod until another one takes it: engines delete one
 * that has ended at once, and people ask later how. */
static void make_room(struct bh_ledger *ledger, const char *name)
{
	struct bh_ledger_row *oldest = NULL;
	size_t deleted = 0;

	for (struct bh_ledger_row *row = ledger->rows; row; row = row->next) {
		if (!row->deleted)
			continue;
		if (!strcmp(row->name, name)) {
			remove_row(ledger, row);
			return;
		}
		oldest = oldest ? oldest : row;
		deleted++;
	}
	if (deleted == ENDED_MAX)
		remove_row(ledger, oldest);
}

static void on_create(struct bh_ledger *ledger, const void *event)
{
	const Task__TaskCreate *e = event;
	struct bh_ledger_row *row = calloc(1, sizeof(*row)), **end = &ledger->rows;

	if (!row)
		return;
	row->id = strdup(e->container_id);
	row->name = name_of(e->bundle);
	row->status = "created";
	if (!row->id || !row->name) {
		free_row(row);
		return;
	}
	make_room(ledger, row->name);
	ledger->restarts += note_name(ledger, *row->name ? row->name : row->id);
	while (*end)
		end = &(*end)->next;
	*end = row;
	ledger->n_rows++;
}

static void set_status(struct bh_ledger *ledger, const char *id, const char *status)
{
	struct bh_ledger_row *row = find(ledger, id);

	if (row)
		row->status = status;
}

static void on_start(struct bh_ledger *ledger, const void *event)
{
	set_status(ledger, ((const Task__TaskStart *)event)->container_id, "running");
}

static void on_paused(struct bh_ledger *ledger, const void *event)
{
	set_status(ledger, ((const Task__TaskPaused *)event)->container_id, "paused");
}

static void on_resumed(struct bh_ledger *ledger, const void *event)
{
	set_status(ledger, ((const Task__TaskResumed *)event)->container_id, "running");
}

static void on_end(struct bh_ledger *ledger, const void *event)
{
	const Task__TaskExit *e = event;
	struct bh_ledger_row *row = find(ledger, e->container_id);

	if (!row || strcmp(e->id, e->container_id) != 0) /* an exec's */
		return;
	row->status = "stopped";
	row->exit_status = e->exit_status;
	row->exited_at = e->exited_at ? e->exited_at->seconds : 0;
}

static void on_oom(struct bh_ledger *ledger, const void *event)
{
	struct bh_ledger_row *row = find(ledger, ((const Task__TaskOOM *)event)->container_id);

	if (row)
		row->oom_kills++;
}

static void on_delete(struct bh_ledger *ledger, const void *event)
{
	const Task__TaskDelete *e = event;
	struct bh_ledger_row *row = find(ledger, e->container_id);

	if (!row || (*e->id && strcmp(e->id, e->container_id) != 0)) /* an exec's */
		return;
	if (*row->name && !strcmp(row->status, "stopped"))
		row->deleted = true;
	else
		remove_row(ledger, row);
}

void bh_ledger_event(struct bh_ledger *ledger, const char *topic, const ProtobufCMessage *event)
{
	static const struct {
		const char *topic;
		void (*fn)(struct bh_ledger *ledger, const void *event);
	} topics[] = {
		{ "/tasks/create", on_create }, { "/tasks/start", on_start },
		{ "/tasks/paused", on_paused }, { "/tasks/resumed", on_resumed },
		{ "/tasks/exit", on_end },      { "/tasks/oom", on_oom },
		{ "/tasks/delete", on_delete },
	};

	for (size_t i = 0; i < BH_ARRAY_SIZE(topics); i++)
		if (!strcmp(topics[i].topic, topic))
			topics[i].fn(ledger, event);
}

/* ---- telling --------------------------------------------------------------------------------- */

int bh_ledger_describe(const struct bh_ledger *ledger, Pod__DescribeResponse *ret,
		       struct bh_err *err)
{
	Pod__Container *list = calloc(ledger->n_rows + 1, sizeof(*list));
	size_t n = 0;

	ret->containers = calloc(ledger->n_rows + 1, sizeof(*ret->containers));
	if (!list || !ret->containers) {
		free(list);
		free(ret->containers);
		ret->containers = NULL;
		return bh_err_oom(err);
	}
	ret->containers[0] = list; /* for bh_ledger_release(), also when there are none */
	for (const struct bh_ledger_row *row = ledger->rows; row; row = row->next, n++) {
		pod__container__init(&list[n]);
		list[n].id = row->id;
		list[n].name = row->name;
		list[n].status = (char *)row->status;
		list[n].exit_status = row->exit_status;
		list[n].exited_at = row->exited_at;
		list[n].oom_kills = row->oom_kills;
		ret->containers[n] = &list[n];
	}
	ret->n_containers = n;
	ret->restarts = ledger->restarts;
	return 0;
}

void bh_ledger_release(Pod__DescribeResponse *described)
{
	if (described->containers)
		free(described->containers[0]);
	free(described->containers);
	described->containers = NULL;
	described->n_containers = 0;
}

void bh_ledger_deinit(struct bh_ledger *ledger)
{
	while (ledger->rows)
		remove_row(ledger, ledger->rows);
	while (ledger->names) {
		struct bh_ledger_name *n = ledger->names;

		ledger->names = n->next;
		free(n);
	}
	*ledger = (struct bh_ledger){ .n_names = 0 };
}
