/* SPDX-License-Identifier: Apache-2.0 */
/* What is on record of pods and containers. */
#include <string.h>
#include <time.h>

#include "base/harmless.h"
#include "base/path.h"
#include "base/schema.h"
#include "container/container.h"
#include "node/internal.h"
#include "pod/pod.h"
#include "pod/vm/record.h"

#define TEXT_MAX         512
#define RECORD_BYTES_MAX (1U << 20)

/* containerd internal/cri/annotations; nerdctl pkg/labels */
#define CRI   "io.kubernetes.cri."
#define GROUP "io.containerd.runc.v2.group"

/* A container on its way into its pod. */
struct found {
	const char *key, *group; /* id of its pod; if that is not known, of its group */
	struct bh_node_container c;
	const char *pod_name, *pod_name_space, *pod_uid;
	bool is_sandbox, is_vm;
};

struct search {
	struct bh_arena *arena;
	const char *root;
	BH_LIST(struct found) found;
	bh_node_pods pods;
	bool failed; /* out of memory */
};

const char *bh_node_text(struct bh_arena *arena, const char *text)
{
	char *copy = bh_arena_strdup(arena, text ? text : "");

	return copy ? bh_harmless_line(copy, TEXT_MAX) : NULL;
}

static const char *text_of(struct search *s, const char *text)
{
	const char *copy = bh_node_text(s->arena, text);

	s->failed = s->failed || !copy;
	return copy ? copy : "";
}

int64_t bh_node_time(const char *rfc3339)
{
	struct tm tm = { .tm_year = 0 };

	return rfc3339 && strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm) ? timegm(&tm) : 0;
}

/* ---- containers ------------------------------------------------------------------------------ */

/* The first of @keys that @c has, "" = none. */
static const char *annotation(struct search *s, const struct bh_container *c,
			      const char *const keys[])
{
	for (; *keys; keys++) {
		const char *value = bh_spec_annotation(&c->spec, *keys);

		if (value && *value)
			return text_of(s, value);
	}
	return "";
}

static void look_at_figures(const struct bh_container *c, struct bh_node_container *ret)
{
	bh_auto_buf struct bh_buf json = BH_BUF_INIT;
	struct bh_err ignored = BH_ERR_INIT;
	uint64_t kills = 0;

	if (!c->cg)
		return;
	if (bh_cgroup_oom_kills(c->cg, &kills, &ignored) == 0)
		ret->oom_kills = kills;
	if (bh_cgroup_stats_json(c->cg, &json, &ignored) == 0 && !json.failed)
		ret->measured = bh_node_stats(bh_buf_str(&json), json.len, ret);
}

/* Who serves a pod in a micro-VM is asked about its containers; until then they have ended. */
static void look_at_status(const struct bh_container *c, struct bh_node_container *ret)
{
	struct bh_err ignored = BH_ERR_INIT;
	enum bh_status status = BH_STATUS_STOPPED;

	if (!c->pod && bh_container_status(c, &status, &ignored) < 0)
		status = BH_STATUS_STOPPED;
	ret->status = bh_status_name(status);
}

static void describe(struct search *s, const struct bh_container *c, bool figures,
		     struct found *ret)
{
	static const char *const names[] = { CRI "container-name", "nerdctl/name", NULL };
	static const char *const pods[] = { CRI "sandbox-id", NULL };
	static const char *const groups[] = { GROUP, NULL };
	static const char *const pod_names[] = { CRI "sandbox-name", "nerdctl/name", NULL };
	static const char *const spaces[] = { CRI "sandbox-namespace", "nerdctl/namespace", NULL };
	static const char *const uids[] = { CRI "sandbox-uid", NULL };
	static const char *const types[] = { CRI "container-type", NULL };
	const char *key = c->pod ? text_of(s, c->pod) : annotation(s, c, pods);

	ret->c.id = text_of(s, c->id);
	ret->c.name = annotation(s, c, names);
	ret->c.reason = "";
	ret->c.created = bh_node_time(c->created);
	ret->group = *key ? "" : annotation(s, c, groups);
	ret->key = *key || *ret->group ? key : ret->c.id;
	ret->pod_name = annotation(s, c, pod_names);
	ret->pod_name_space = annotation(s, c, spaces);
	ret->pod_uid = annotation(s, c, uids);
	ret->is_sandbox = !strcmp(annotation(s, c, types), "sandbox");
	ret->is_vm = c->pod != NULL;
	look_at_status(c, &ret->c);
	if (figures && !c->pod)
		look_at_figures(c, &ret->c);
}

static void find_containers(struct search *s, bool figures)
{
	struct bh_strv ids;

	if (bh_container_list(s->arena, s->root, &ids, NULL) < 0)
		return;
	s->found.v = bh_arena_array(s->arena, ids.n + 1, sizeof(*s->found.v));
	s->found.n = 0;
	s->failed = s->failed || !s->found.v;
	for (size_t i = 0; !s->failed && i < ids.n; i++) {
		/* What is no container of ours, or is going just now, is passed over. */
		bh_auto_container struct bh_container *c =
			bh_container_load(s->root, ids.v[i], NULL);

		if (c)
			describe(s, c, figures, &s->found.v[s->found.n++]);
	}
}

/* A group's pod goes by the id of the container that came first. */
static void resolve_group(struct search *s, struct found *f)
{
	const struct found *first = f;

	bh_for_each (other, s->found)
		if (!strcmp(other->group, f->group) && other->c.created < first->c.created)
			first = other;
	f->key = first->c.id;
}

/* ---- pods ------------------------------------------------------------------------------------ */

/* What is looked at of pod.json here. */
struct record {
	const char *runtime, *created;
};
static const struct bh_field record_fields[] = {
	BH_FIELD(struct record, runtime, "runtime"),
	BH_FIELD(struct record, created, "created"),
};
static const struct bh_schema record_schema = BH_SCHEMA(struct record, record_fields);

struct bh_node_pod *bh_node_pod_new(struct bh_arena *arena, bh_node_pods *list, const char *root,
				    const char *id)
{
	struct bh_node_pod *p;

	/* Doubled when it is full: at the powers of two. */
	if ((list->n & (list->n - 1)) == 0) {
		p = bh_arena_grow(arena, list->v, list->n, 2 * list->n + 1, sizeof(*p));
		if (!p)
			return NULL;
		list->v = p;
	}
	p = &list->v[list->n++];
	*p = (struct bh_node_pod){ .root = root,
				   .id = id,
				   .runtime = "runc",
				   .name = "",
				   .name_space = "",
				   .uid = "",
				   .reason = "",
				   .obituary = "",
				   .accelerator = "" };
	return p;
}

static struct bh_node_pod *pod_of(struct search *s, const char *id)
{
	struct bh_node_pod *p;

	bh_for_each (pod, s->pods)
		if (!strcmp(pod->root, s->root) && !strcmp(pod->id, id))
			return pod;
	p = bh_node_pod_new(s->arena, &s->pods, s->root, id);
	s->failed = s->failed || !p;
	return p;
}

static void read_record(struct search *s, struct bh_node_pod *pod)
{
	struct record record = { .runtime = NULL };
	bh_auto_free char *text = NULL;
	bh_auto_close int dir = -EBADF;
	size_t len;
	const char *path = bh_arena_printf(s->arena, "%s/" BH_PODS_DIR "/%s", s->root, pod->id);

	if (path)
		dir = bh_path_try_open(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST);
	if (dir < 0 ||
	    bh_path_read(dir, BH_POD_RECORD, BH_PATH_BENEATH, RECORD_BYTES_MAX, &text, &len, NULL) <
		    0 ||
	    bh_schema_read(&record_schema, s->arena, text, len, &record, NULL) < 0)
		return;
	if (record.runtime)
		pod->runtime = text_of(s, record.runtime);
	pod->created = bh_node_time(record.created);
}

/* Those that have a directory of their own: who serves them is on record there. */
static void find_pods(struct search *s)
{
	const char *dir = bh_arena_printf(s->arena, "%s/" BH_PODS_DIR, s->root);
	struct bh_strv ids;

	if (!dir || bh_container_list(s->arena, dir, &ids, NULL) < 0)
		return;
	for (size_t i = 0; i < ids.n; i++) {
		struct bh_node_pod *pod = pod_of(s, ids.v[i]);

		if (!pod)
			return;
		read_record(s, pod);
		pod->served = bh_pod_served(s->root, pod->id);
		pod->state = pod->served ? BH_NODE_SILENT : BH_NODE_GONE;
		if (!pod->served)
			pod->reason = "its supervisor ended";
	}
}

struct bh_node_container *bh_node_container_of(struct bh_arena *arena, struct bh_node_pod *pod,
					       const char *id)
{
	struct bh_node_container *grown, *c;

	bh_for_each (known, pod->containers)
		if (!strcmp(known->id, id))
			return known;
	grown = bh_arena_grow(arena, pod->containers.v, pod->containers.n, pod->containers.n + 1,
			      sizeof(*grown));
	if (!grown)
		return NULL;
	pod->containers.v = grown;
	c = &grown[pod->containers.n];
	*c = (struct bh_node_container){
		.id = bh_node_text(arena, id), .name = "", .status = "stopped", .reason = ""
	};
	if (!c->id)
		return NULL;
	pod->containers.n++;
	return c;
}

/* The pod is called as its sandbox is, or else as its first container. */
static void name_pod(struct bh_node_pod *pod, const struct found *f)
{
	if (f->is_sandbox || !*pod->name) {
		pod->name = f->pod_name;
		pod->name_space = f->pod_name_space;
		pod->uid = f->pod_uid;
	}
	if (!pod->created || f->c.created < pod->created)
		pod->created = f->c.created;
	if (f->is_vm)
		pod->runtime = "kata";
}

static void into_pods(struct search *s)
{
	bh_for_each (f, s->found) {
		struct bh_node_container *c;
		struct bh_node_pod *pod;

		if (*f->group)
			resolve_group(s, f);
		pod = pod_of(s, f->key);
		c = pod ? bh_node_container_of(s->arena, pod, f->c.id) : NULL;
		if (!c) {
			s->failed = true;
			return;
		}
		*c = f->c;
		name_pod(pod, f);
	}
}

static int by_name(const void *a, const void *b)
{
	const struct bh_node_pod *p = a, *q = b;
	int r = strcmp(p->name_space, q->name_space);

	r = r ? r : strcmp(p->name, q->name);
	r = r ? r : strcmp(p->id, q->id);
	return r ? r : strcmp(p->root, q->root);
}

/* Only one is wanted. */
static int narrow(struct bh_node *node, const char *name, struct bh_err *err)
{
	struct bh_node_pod *pod = bh_node_find_pod(node, name, err);

	if (!pod)
		return err->code;
	node->pods = pod;
	node->n = 1;
	return 0;
}

int bh_node_find(const struct bh_node_query *query, struct bh_node *ret, struct bh_err *err)
{
	struct search s = { .arena = &ret->arena };
	struct bh_strv roots;
	int r;

	*ret = (struct bh_node){ .n = 0 };
	r = bh_node_roots(&ret->arena, query->root, &query->known, &roots, err);
	for (size_t i = 0; r == 0 && i < roots.n; i++) {
		s.root = roots.v[i];
		find_pods(&s);
		find_containers(&s, query->figures);
		into_pods(&s);
		r = s.failed ? bh_err_oom(err) : 0;
	}
	if (r == 0 && query->dead)
		r = bh_node_dead(&ret->arena, query->root, &s.pods, err);
	ret->pods = s.pods.v;
	ret->n = s.pods.n;
	if (r == 0 && ret->n > 0)
		qsort(ret->pods, ret->n, sizeof(*ret->pods), by_name);
	if (r == 0 && query->pod)
		r = narrow(ret, query->pod, err);
	for (size_t i = 0; r == 0 && i < ret->n; i++)
		r = bh_node_judge(&ret->arena, &ret->pods[i], err);
	return r;
}

/* ---- by name --------------------------------------------------------------------------------- */

static bool has_container(const struct bh_node_pod *pod, const char *id)
{
	bh_for_each (c, pod->containers)
		if (!strcmp(c->id, id))
			return true;
	return false;
}

static bool is_full_name(const struct bh_node_pod *pod, const char *name)
{
	size_t len = strlen(pod->name_space);

	return !strncmp(name, pod->name_space, len) && name[len] == '/' &&
	       !strcmp(name + len + 1, pod->name);
}

/* How well @name names the pod; 0 = not at all. */
static int rank(const struct bh_node_pod *pod, const char *name)
{
	if (!strcmp(pod->id, name))
		return 4;
	if (is_full_name(pod, name) || !strcmp(pod->name, name))
		return 3;
	if (has_container(pod, name))
		return 2;
	return !strncmp(pod->id, name, strlen(name));
}

struct bh_node_pod *bh_node_find_pod(const struct bh_node *node, const char *name,
				     struct bh_err *err)
{
	struct bh_node_pod *best = NULL;
	int best_rank = 0, n = 0;

	for (size_t i = 0; *name && i < node->n; i++) {
		int r = rank(&node->pods[i], name);

		if (r > 0 && r == best_rank)
			n++;
		if (r <= best_rank)
			continue;
		best_rank = r;
		best = &node->pods[i];
		n = 1;
	}
	if (n > 1) {
		bh_err_as(err, BH_ERR_SPEC, -EINVAL, "'%s' is more than one pod: its id is wanted",
			  name);
		return NULL;
	}
	if (!best)
		bh_err_as(err, BH_ERR_STATE, -ENOENT, "pod does not exist: %s", name);
	return best;
}

void bh_node_deinit(struct bh_node *node)
{
	for (size_t i = 0; i < node->n; i++)
		if (node->pods[i].parts)
			pod__figures_response__free_unpacked(
				(Pod__FiguresResponse *)node->pods[i].parts, NULL);
	bh_arena_deinit(&node->arena);
	*node = (struct bh_node){ .n = 0 };
}
