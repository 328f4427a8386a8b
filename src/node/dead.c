/* SPDX-License-Identifier: Apache-2.0 */
/* Pods of which nothing is left but what pod/vm/obituary.h tells of. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "node/internal.h"
#include "pod/vm/obituary.h"

struct search {
	struct bh_arena *arena;
	bh_node_pods *list;
	bool failed; /* out of memory */
};

static const char *text_of(struct search *s, const char *text)
{
	const char *copy = bh_node_text(s->arena, text);

	s->failed = s->failed || !copy;
	return copy ? copy : "";
}

/* One that is still on record is known better from there. */
static bool is_listed(const struct search *s, const char *id)
{
	bh_for_each (pod, *s->list)
		if (!strcmp(pod->id, id))
			return true;
	return false;
}

static void add(struct search *s, const char *path, const struct bh_obituary *o)
{
	struct bh_node_pod *pod =
		bh_node_pod_new(s->arena, s->list, BH_POD_LOGS, text_of(s, o->id));

	s->failed = s->failed || !pod;
	if (!pod)
		return;
	pod->state = BH_NODE_DEAD;
	pod->obituary = bh_arena_strdup(s->arena, path);
	pod->runtime = text_of(s, o->runtime);
	pod->name = text_of(s, o->name);
	pod->name_space = text_of(s, o->name_space);
	pod->uid = text_of(s, o->uid);
	pod->reason = text_of(s, o->reason);
	pod->created = bh_node_time(o->created);
	s->failed = s->failed || !pod->obituary;
}

static void read_one(struct search *s, const char *path)
{
	struct bh_obituary o = { .id = NULL };
	bh_auto_fclose FILE *file = fopen(path, "re");
	bh_auto_free char *text = calloc(1, BH_OBITUARY_LINE_MAX);

	/* What is none, or is going just now, is passed over. */
	if (file && text && fread(text, 1, BH_OBITUARY_LINE_MAX - 1, file) > 0 &&
	    bh_schema_read(&bh_obituary_schema, s->arena, text, strcspn(text, "\n"), &o, NULL) ==
		    0 &&
	    o.id && o.reason && !is_listed(s, o.id))
		add(s, path, &o);
}

static bool is_obituary(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && !strcmp(dot, BH_OBITUARY_SUFFIX) &&
	       !strncmp(name, BH_OBITUARY_PREFIX, strlen(BH_OBITUARY_PREFIX));
}

static void look_into(struct search *s, const char *pod_logs)
{
	char path[PATH_MAX];
	bh_auto_closedir DIR *stream = NULL;
	const struct dirent *e;

	if ((size_t)snprintf(path, sizeof(path), BH_POD_LOGS "/%s", pod_logs) < sizeof(path))
		stream = opendir(path);
	while (stream && (e = readdir(stream)))
		if (is_obituary(e->d_name) &&
		    (size_t)snprintf(path, sizeof(path), BH_POD_LOGS "/%s/%s", pod_logs,
				     e->d_name) < sizeof(path))
			read_one(s, path);
}

int bh_node_dead(struct bh_arena *arena, const char *root, bh_node_pods *list, struct bh_err *err)
{
	struct search s = { .arena = arena, .list = list };
	bh_auto_closedir DIR *stream = root ? NULL : opendir(BH_POD_LOGS);
	const struct dirent *e;

	while (stream && !s.failed && (e = readdir(stream)))
		if (*e->d_name != '.')
			look_into(&s, e->d_name);
	return s.failed ? bh_err_oom(err) : 0;
}
