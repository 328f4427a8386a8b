/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * base/yaml.h gives a tree for each document. The table of kinds says where in an object its pod's
 * spec is. What is found there goes into a template, whose parts keep the nodes that their amounts
 * were read from, so that findings have lines and can be mended. A document's memory is let go
 * before the next one is read.
 *
 * Limits: those of base/yaml.h; merge keys are followed MERGE_DEPTH_MAX levels.
 */
#include "admit/manifest.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include "contract/resource.h"

#define MERGE_DEPTH_MAX 8

const char *const bh_side_names[BH_SIDE_MAX_] = { "requests", "limits" };

struct reader {
	struct bh_arena arena;
	bh_template_fn fn;
	void *arg;
};

static const struct kind {
	const char *name, *group; /* "" = core */
	const char *field;        /* of the pod's spec */
} kinds[] = {
	{ "Pod", "", "spec" },
	{ "ReplicationController", "", "spec.template.spec" },
	{ "Deployment", "apps", "spec.template.spec" },
	{ "StatefulSet", "apps", "spec.template.spec" },
	{ "DaemonSet", "apps", "spec.template.spec" },
	{ "ReplicaSet", "apps", "spec.template.spec" },
	{ "Job", "batch", "spec.template.spec" },
	{ "CronJob", "batch", "spec.jobTemplate.spec.template.spec" },
};

/* ---- values ---------------------------------------------------------------------------------- */

static const struct bh_yaml *find(const struct bh_yaml *map, const char *key, unsigned int depth)
{
	const struct bh_yaml *found = bh_yaml_get(map, key), *merged;

	if (found || depth == MERGE_DEPTH_MAX)
		return found;
	merged = bh_yaml_get(map, "<<");
	if (!merged || merged->kind == BH_YAML_MAP)
		return merged ? find(merged, key, depth + 1) : NULL;
	bh_yaml_for_each (item, merged) {
		found = item->kind == BH_YAML_MAP ? find(item, key, depth + 1) : NULL;
		if (found)
			return found;
	}
	return NULL;
}

/* Return: NULL when it is not there, or null */
static const struct bh_yaml *get(const struct bh_yaml *map, const char *key)
{
	const struct bh_yaml *found = map ? find(map, key, 0) : NULL;

	return found && !bh_yaml_is_null(found) ? found : NULL;
}

/* What is at the end of "spec.template.spec". */
static const struct bh_yaml *walk(const struct bh_yaml *node, const char *field)
{
	char key[32];

	while (node && *field) {
		size_t len = strcspn(field, ".");

		snprintf(key, sizeof(key), "%.*s", (int)len, field);
		node = get(node, key);
		field += len + (field[len] == '.');
	}
	return node;
}

static const char *text_of(const struct bh_yaml *node)
{
	return node && node->kind == BH_YAML_SCALAR ? node->text : "";
}

char *bh_manifest_harmless(char *text)
{
	for (char *p = text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	return text;
}

/* A name as it can be printed anywhere. */
static const char *name_of(struct bh_arena *arena, const struct bh_yaml *node)
{
	char *name = bh_arena_strndup(arena, text_of(node),
				      strnlen(text_of(node), BH_MANIFEST_NAME_MAX));

	return name ? bh_manifest_harmless(name) : NULL;
}

static int read_bool(const struct bh_yaml *node, bool *ret)
{
	static const char *const words[2][11] = {
		{ "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N" },
		{ "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y" },
	};

	*ret = false;
	if (!node)
		return 0;
	for (int value = 0; value < 2 && node->kind == BH_YAML_SCALAR && !node->quoted; value++)
		for (size_t i = 0; i < BH_ARRAY_SIZE(words[0]); i++)
			if (strcmp(words[value][i], node->text) == 0) {
				*ret = value;
				return 0;
			}
	return -EINVAL;
}

/* Whether a plain scalar is a whole number that is not written in tens: 0x100, 0o17, 017, 1_000. */
static bool read_odd_integer(const char *text, unsigned long long *ret)
{
	char digits[72], *end;
	size_t n = 0;
	int base = 0;

	text += *text == '+';
	if (!isdigit((unsigned char)*text))
		return false;
	for (; *text && n < sizeof(digits) - 1; text++)
		if (*text != '_')
			digits[n++] = *text;
	digits[n] = '\0';
	if (digits[0] == '0' && (digits[1] == 'o' || digits[1] == 'b')) {
		base = digits[1] == 'o' ? 8 : 2;
		memmove(digits, digits + 2, n - 1);
	}
	errno = 0;
	*ret = strtoull(digits, &end, base);
	return !*text && *digits && !*end && !errno;
}

static int read_amount(enum bh_resource resource, const struct bh_yaml *node, int64_t *ret)
{
	unsigned long long odd;
	char text[24];

	if (node->kind != BH_YAML_SCALAR)
		return -EINVAL;
	if (node->quoted || !read_odd_integer(node->text, &odd))
		return bh_amount_parse(resource, node->text, ret);
	snprintf(text, sizeof(text), "%llu", odd);
	return bh_amount_parse(resource, text, ret);
}

/* ---- templates ------------------------------------------------------------------------------- */

/* @t cannot be judged: @field of its pod's spec is why; "" = the spec. Return: -EINVAL; -ENOMEM */
static int fault(struct reader *r, struct bh_template *t, const struct bh_yaml *at,
		 const char *field, const char *fmt, ...) bh_printf(5, 6);

static int fault(struct reader *r, struct bh_template *t, const struct bh_yaml *at,
		 const char *field, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	bh_manifest_harmless(text);
	t->fault_line = at->line;
	t->fault_field = bh_arena_printf(&r->arena, "%s%s%s", t->field, *field ? "." : "", field);
	t->fault = bh_arena_strdup(&r->arena, text);
	return t->fault && t->fault_field ? -EINVAL : -ENOMEM;
}

static int read_side(struct reader *r, struct bh_template *t, struct bh_part *part,
		     enum bh_side side)
{
	const struct bh_yaml *map = get(part->resources, bh_side_names[side]);
	struct bh_container_demand *d = &part->demand;
	bool *has = side == BH_SIDE_LIMIT ? d->has_limit : d->has_request;
	int64_t *amounts = side == BH_SIDE_LIMIT ? d->limit.v : d->request.v;
	char field[128];

	if (map && map->kind != BH_YAML_MAP)
		return fault(r, t, map, part->list ? part->list : "resources", "%s are no map",
			     bh_side_names[side]);
	part->sides[side] = map;
	for (int i = 0; map && i < BH_RESOURCE_MAX_; i++) {
		const struct bh_yaml *node = get(map, bh_resource_names[i]);

		if (!node)
			continue;
		if (read_amount((enum bh_resource)i, node, &amounts[i]) < 0) {
			bh_part_field(t, part, side, (enum bh_resource)i, field, sizeof(field));
			return fault(r, t, node, field + strlen(t->field) + 1,
				     "'%.64s' is no quantity", text_of(node));
		}
		has[i] = true;
		part->amounts[side][i] = node;
	}
	return 0;
}

static int read_resources(struct reader *r, struct bh_template *t, const struct bh_yaml *owner,
			  struct bh_part *part)
{
	int e = 0;

	part->resources = get(owner, "resources");
	if (part->resources && part->resources->kind != BH_YAML_MAP)
		return fault(r, t, part->resources, part->list ? part->list : "resources",
			     "resources are no map");
	for (int side = 0; e == 0 && side < BH_SIDE_MAX_; side++)
		e = read_side(r, t, part, (enum bh_side)side);
	return e;
}

static enum bh_container_kind kind_of(const struct bh_yaml *container, bool init)
{
	if (!init)
		return BH_CONTAINER_MAIN;
	return strcmp(text_of(get(container, "restartPolicy")), "Always") ? BH_CONTAINER_INIT
									  : BH_CONTAINER_SIDECAR;
}

static size_t count(const struct bh_yaml *list)
{
	size_t n = 0;

	if (list)
		bh_yaml_for_each (item, list)
			n++;
	return n;
}

/* The containers of @list go behind those that are there. */
static int read_list(struct reader *r, struct bh_template *t, const char *list,
		     struct bh_account *account)
{
	const bool init = strcmp(list, "containers") != 0;
	const struct bh_yaml *containers = get(t->spec, list);
	const size_t before = t->parts.n;
	int e = 0;

	if (containers && containers->kind != BH_YAML_LIST)
		return fault(r, t, containers, list, "no list");
	if (containers)
		bh_yaml_for_each (item, containers) {
			struct bh_part *part = &t->parts.v[t->parts.n++];

			*part = (struct bh_part){ .kind = kind_of(item, init),
						  .list = list,
						  .index = t->parts.n - 1 - before };
			e = read_resources(r, t, item, part);
			if (e < 0)
				return e;
			bh_account_add(account, part->kind, &part->demand);
		}
	return 0;
}

static int read_spec(struct reader *r, struct bh_template *t)
{
	struct bh_account account = { .mains = { { { 0 } } } };
	size_t n;
	int e;

	t->containers = get(t->spec, "containers");
	t->host_network = get(t->spec, "hostNetwork");
	if (t->spec->kind != BH_YAML_MAP)
		return fault(r, t, t->spec, "", "no map");
	if (!t->containers)
		return fault(r, t, t->spec, "", "it has no containers");
	if (read_bool(t->host_network, &t->demand.host_network) < 0)
		return fault(r, t, t->host_network, "hostNetwork", "'%.64s' is no boolean",
			     text_of(t->host_network));
	if (get(t->spec, "runtimeClassName"))
		t->runtime_class = name_of(&r->arena, get(t->spec, "runtimeClassName"));
	n = count(t->containers) + count(get(t->spec, "initContainers"));
	if (n > BH_MANIFEST_CONTAINERS_MAX)
		return fault(r, t, t->containers, "containers", "more than %d containers",
			     BH_MANIFEST_CONTAINERS_MAX);
	t->parts.v = bh_arena_array(&r->arena, n + 1, sizeof(struct bh_part));
	if (!t->parts.v)
		return -ENOMEM;
	e = read_list(r, t, "initContainers", &account);
	e = e < 0 ? e : read_list(r, t, "containers", &account);
	e = e < 0 ? e : read_resources(r, t, t->spec, &t->pod);
	if (e == 0)
		bh_account_sum(&account, &t->pod.demand, &t->demand);
	return e;
}

static int read_template(struct reader *r, const struct kind *kind, const struct bh_yaml *object,
			 struct bh_err *err)
{
	const struct bh_yaml *meta = get(object, "metadata"), *name = get(meta, "name");
	struct bh_template t = { .field = kind->field, .line = object->line };
	char *lower = bh_arena_strdup(&r->arena, kind->name);
	int e;

	t.name = name_of(&r->arena, name ? name : get(meta, "generateName"));
	t.name_space = name_of(&r->arena, get(meta, "namespace"));
	if (!lower || !t.name || !t.name_space)
		return bh_err_oom(err);
	for (char *p = lower; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	t.kind = lower;
	t.spec = walk(object, kind->field);
	e = t.spec ? read_spec(r, &t) : fault(r, &t, object, "", "it is missing");
	return e == -ENOMEM ? bh_err_oom(err) : r->fn(r->arg, &t, err);
}

/* ---- objects --------------------------------------------------------------------------------- */

static bool is_of_group(const struct bh_yaml *object, const char *group)
{
	const char *version = text_of(get(object, "apiVersion")), *slash = strchr(version, '/');
	size_t len = slash ? (size_t)(slash - version) : 0;

	if (!*version)
		return true; /* an item of a typed list */
	if (len == strlen("extensions") && strncmp(version, "extensions", len) == 0)
		return strcmp(group, "apps") == 0; /* where they came from */
	return strlen(group) == len && strncmp(version, group, len) == 0;
}

static const struct kind *find_kind(const struct bh_yaml *object, const char *name, size_t len)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(kinds); i++)
		if (strlen(kinds[i].name) == len && strncmp(kinds[i].name, name, len) == 0)
			return is_of_group(object, kinds[i].group) ? &kinds[i] : NULL;
	return NULL;
}

/* @object, or an item of a list, whose kind may be left out: it is @kind then. */
static int read_object(struct reader *r, const struct bh_yaml *object, const char *kind_name,
		       size_t len, struct bh_err *err)
{
	const struct kind *kind;

	if (object->kind != BH_YAML_MAP)
		return 0;
	if (get(object, "kind")) {
		kind_name = text_of(get(object, "kind"));
		len = strlen(kind_name);
	}
	kind = find_kind(object, kind_name, len);
	return kind ? read_template(r, kind, object, err) : 0;
}

static int read_items(struct reader *r, const struct bh_yaml *items, const char *list_kind,
		      struct bh_err *err)
{
	int e = 0;

	bh_yaml_for_each (item, items) {
		e = read_object(r, item, list_kind, strlen(list_kind) - strlen("List"), err);
		if (e < 0)
			break;
	}
	return e;
}

static int on_document(void *arg, const struct bh_yaml *root, struct bh_err *err)
{
	struct reader *r = arg;
	const char *kind = root ? text_of(get(root, "kind")) : "";
	const struct bh_yaml *items = root ? get(root, "items") : NULL;
	size_t len = strlen(kind);
	int e = 0;

	if (items && items->kind == BH_YAML_LIST && len >= strlen("List") &&
	    strcmp(kind + len - strlen("List"), "List") == 0)
		e = read_items(r, items, kind, err);
	else if (root)
		e = read_object(r, root, "", 0, err);
	bh_arena_deinit(&r->arena);
	return e;
}

/* JSON writes what is beyond 16 bits as two halves, which YAML does not know. Both take the same
 * room: "\U0001F600" and two blanks; nobody looks at such a text. */
static void join_surrogates(char *text, size_t len)
{
	for (char *p = text; (p = memchr(p, '\\', (size_t)(text + len - p))) != NULL;) {
		unsigned int high, low;
		int n = 0;

		if (text + len - p < 12)
			return;
		if (p[1] == 'u' && (p[2] == 'd' || p[2] == 'D') &&
		    sscanf(p, "\\u%4x\\u%4x%n", &high, &low, &n) == 2 && n == 12 &&
		    high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
			char joined[16];

			snprintf(joined, sizeof(joined), "\\U%08X  ",
				 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
			memcpy(p, joined, 12);
		}
		p += 2; /* what is escaped escapes nothing */
	}
}

int bh_manifest_read(const char *text, size_t len, bh_template_fn fn, void *arg, uint32_t *ret_line,
		     struct bh_err *err)
{
	struct reader r = { .arena = BH_ARENA_INIT, .fn = fn, .arg = arg };
	bh_auto_free char *copy = malloc(len + 1);
	int e;

	if (!copy)
		return bh_err_oom(err);
	memcpy(copy, text, len);
	copy[len] = '\0';
	join_surrogates(copy, len);
	e = bh_yaml_read(&r.arena, copy, len, on_document, &r, ret_line, err);
	bh_arena_deinit(&r.arena);
	return e;
}

/* ---- places ---------------------------------------------------------------------------------- */

const char *bh_part_field(const struct bh_template *t, const struct bh_part *part,
			  enum bh_side side, enum bh_resource resource, char *buf, size_t size)
{
	char index[64] = "";

	if (part->list)
		snprintf(index, sizeof(index), ".%s[%zu]", part->list, part->index);
	snprintf(buf, size, "%s%s.resources.%s.%s", t->field, index, bh_side_names[side],
		 bh_resource_names[resource]);
	return buf;
}

static bool part_differs(const struct bh_part *p, enum bh_resource r)
{
	const struct bh_container_demand *d = &p->demand;

	return d->has_request[r] && (!d->has_limit[r] || d->request.v[r] != d->limit.v[r]);
}

static bool part_lacks_limit(const struct bh_part *p, enum bh_resource r)
{
	return p->demand.has_request[r] && !p->demand.has_limit[r];
}

static bool part_has_limit(const struct bh_part *p, enum bh_resource r)
{
	return p->demand.has_limit[r];
}

/* The first part for which @fits; what is said of the pod as a whole goes first. */
static const struct bh_part *first_part(const struct bh_template *t, enum bh_resource r,
					bool (*fits)(const struct bh_part *, enum bh_resource))
{
	if (fits(&t->pod, r))
		return &t->pod;
	bh_for_each (part, t->parts)
		if (fits(part, r))
			return part;
	return NULL;
}

const struct bh_yaml *bh_finding_place(const struct bh_template *t, const struct bh_finding *f,
				       char *buf, size_t size)
{
	const enum bh_rule rule = f->row->rule;
	enum bh_resource r = rule == BH_RULE_RATIO ? BH_RESOURCE_MEMORY : f->resource;
	enum bh_side side = BH_SIDE_LIMIT;
	const struct bh_part *part;

	if (rule == BH_RULE_HOST_NETWORK && t->host_network) {
		snprintf(buf, size, "%s.hostNetwork", t->field);
		return t->host_network;
	}
	part = first_part(t, r, part_has_limit);
	if (rule == BH_RULE_REQUESTS_EQUAL_LIMITS) {
		const struct bh_part *at =
			t->demand.limit.v[r] ? NULL : first_part(t, r, part_lacks_limit);

		at = at ? at : first_part(t, r, part_differs);
		side = at ? BH_SIDE_REQUEST : BH_SIDE_LIMIT;
		part = at ? at : part;
	}
	if (part) {
		bh_part_field(t, part, side, r, buf, size);
		return part->amounts[side][r];
	}
	snprintf(buf, size, "%s.containers", t->field);
	return t->containers;
}
