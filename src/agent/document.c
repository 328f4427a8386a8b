/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/document.h"

#include <json-c/json.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/json.h"
#include "linux/attr.h"

static struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, key, &value))
		return NULL;
	return value;
}

/* Whether @key is there and is @number; an absent one of a rule stands for all. */
static bool has_number(struct json_object *object, const char *key, int64_t number)
{
	struct json_object *value = member(object, key);

	return json_object_is_type(value, json_type_int) && json_object_get_int64(value) == number;
}

static int set_number(struct json_object *object, const char *key, unsigned int number)
{
	struct json_object *value = json_object_new_int64(number);

	if (!value)
		return -ENOMEM;
	if (json_object_object_add(object, key, value) == 0)
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

static int set_device(struct json_object *object, dev_t device)
{
	int r = set_number(object, "major", major(device));

	return r < 0 ? r : set_number(object, "minor", minor(device));
}

/* Which of the rules named the device by its old numbers: marked in @ours before any is changed, as
 * the new numbers of one may be the old ones of another. */
static void mark_rules(struct json_object *rules, struct json_object *device, size_t number,
		       size_t *ours)
{
	struct json_object *major_ = member(device, "major"), *minor_ = member(device, "minor");

	if (!major_ || !minor_)
		return;
	for (size_t i = 0; i < json_object_array_length(rules); i++) {
		struct json_object *rule = json_object_array_get_idx(rules, i);
		const char *type = json_object_get_string(member(rule, "type"));

		if (type && !strcmp(type, "b") &&
		    has_number(rule, "major", json_object_get_int64(major_)) &&
		    has_number(rule, "minor", json_object_get_int64(minor_)))
			ours[i] = number + 1;
	}
}

static int fix_rules(struct json_object *rules, const struct bh_document_device *devices,
		     const size_t *ours)
{
	int r = 0;

	for (size_t i = 0; i < json_object_array_length(rules) && r == 0; i++)
		if (ours[i])
			r = set_device(json_object_array_get_idx(rules, i),
				       devices[ours[i] - 1].device);
	return r;
}

static int fix_tree(struct json_object *document, const struct bh_document_device *devices,
		    size_t n, struct bh_err *err)
{
	struct json_object *linux_ = member(document, "linux");
	struct json_object *list = member(linux_, "devices");
	struct json_object *rules = member(member(linux_, "resources"), "devices");
	bh_auto_free size_t *ours = NULL;
	char where[48];
	int r = 0;

	if (!json_object_is_type(rules, json_type_array))
		rules = NULL;
	ours = calloc(rules ? json_object_array_length(rules) + 1 : 1, sizeof(*ours));
	if (!ours)
		return bh_err_oom(err);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct json_object *device = NULL;

		if (json_object_is_type(list, json_type_array))
			device = json_object_array_get_idx(list, devices[i].index);
		snprintf(where, sizeof(where), "/linux/devices/%zu", devices[i].index);
		if (!json_object_is_type(device, json_type_object))
			return bh_err_spec(err, where, "a disk is to be this device: no such one");
		if (rules)
			mark_rules(rules, device, i, ours);
		r = set_device(device, devices[i].device);
	}
	if (r == 0 && rules)
		r = fix_rules(rules, devices, ours);
	return r < 0 ? bh_err_oom(err) : 0;
}

static int write_tree(struct json_object *document, struct bh_buf *out, struct bh_err *err)
{
	const char *text = json_object_to_json_string_ext(
		document, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (text)
		bh_buf_puts(out, text);
	return !text || out->failed ? bh_err_oom(err) : 0;
}

int bh_document_fix(const char *config, size_t len, const struct bh_document_device *devices,
		    size_t n, struct bh_buf *out, struct bh_err *err)
{
	struct json_object *document = NULL;
	int r;

	if (n == 0) {
		bh_buf_add(out, config, len);
		return out->failed ? bh_err_oom(err) : 0;
	}
	r = bh_json_parse(config, len, &document, err);
	if (r < 0)
		return r;
	r = fix_tree(document, devices, n, err);
	if (r == 0)
		r = write_tree(document, out, err);
	json_object_put(document);
	return r;
}

/* Whether the sysctl @name, in either way of writing it, is one of the network's. */
static bool is_of_network(const char *name)
{
	char path[PATH_MAX];

	return bh_sysctl_path(name, path, sizeof(path)) == 0 && !strncmp(path, "net/", 4);
}

static int take_sysctl(struct json_object *sysctls, const char *name, struct json_object *value,
		       struct bh_arena *arena, bh_kv_list *ret)
{
	struct bh_kv *bigger = bh_arena_grow(arena, ret->v, ret->n, ret->n + 1, sizeof(*ret->v));

	if (!bigger)
		return -ENOMEM;
	ret->v = bigger;
	bigger[ret->n] = (struct bh_kv){
		.key = bh_arena_strdup(arena, name),
		.value = bh_arena_strdup(arena, json_object_get_string(value)),
	};
	if (!bigger[ret->n].key || !bigger[ret->n].value)
		return -ENOMEM;
	ret->n++;
	json_object_object_del(sysctls, name);
	return 0;
}

static int take_sysctls(struct json_object *sysctls, struct bh_arena *arena, bh_kv_list *ret)
{
	int r = 0;

	if (!json_object_is_type(sysctls, json_type_object))
		return 0;
	/* The one at hand may be removed. */
	json_object_object_foreach (sysctls, name, value)
		if (r == 0 && json_object_is_type(value, json_type_string) && is_of_network(name))
			r = take_sysctl(sysctls, name, value, arena, ret);
	return r;
}

int bh_document_take_sysctls(struct bh_buf *document, struct bh_arena *arena, bh_kv_list *ret,
			     struct bh_err *err)
{
	struct json_object *tree = NULL;
	int r;

	*ret = (bh_kv_list){ .n = 0 };
	/* Most have none, and parsing takes its time. */
	if (!strstr(bh_buf_str(document), "\"sysctl\""))
		return 0;
	r = bh_json_parse(document->data, document->len, &tree, err);
	if (r < 0)
		return r;
	r = take_sysctls(member(member(tree, "linux"), "sysctl"), arena, ret) < 0 ? bh_err_oom(err)
										  : 0;
	if (r == 0 && ret->n) {
		document->len = 0;
		r = write_tree(tree, document, err);
	}
	json_object_put(tree);
	return r;
}
