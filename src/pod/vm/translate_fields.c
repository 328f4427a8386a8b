/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of the document that mean something else in a micro-VM, or nothing: docs/kata.md. */
#include <string.h>

#include "base/log.h"
#include "linux/ns.h"
#include "pod/vm/translate_internal.h"

enum rule {
	DROP = 0, /* says nothing to a guest, and nothing is lost */
	WARN,     /* dropped, which may matter */
	REFUSE,
};

struct field {
	const char *path; /* JSON pointer */
	enum rule rule;
	const char *why;
};

#define TEXT_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

#define NO_LSM         "a micro-VM's kernel has no such module"
#define HOOK           "hooks of the runtime run on the host"
#define PID_DIGITS_MAX 10
#define CPUS           "the host's CPUs are not the guest's"

/* Of a process, below "/process" or in a document of its own. */
static const struct field process_fields[] = {
	{ "/apparmorProfile", WARN, NO_LSM },
	{ "/selinuxLabel", WARN, NO_LSM },
	{ "/execCPUAffinity", WARN, CPUS },
};

static const struct field fields[] = {
	{ "/hooks/prestart", DROP, HOOK },
	{ "/hooks/createRuntime", DROP, HOOK },
	{ "/hooks/createContainer", REFUSE,
	  "its program is on the host, the namespaces that it is to run in are in the guest" },
	{ "/hooks/poststart", DROP, HOOK },
	{ "/hooks/poststop", DROP, HOOK },
	{ "/linux/mountLabel", WARN, NO_LSM },
	{ "/linux/intelRdt", WARN, "its groups are the host's" },
	{ "/linux/memoryPolicy", WARN, "the host's memory nodes are not the guest's" },
	{ "/linux/netDevices", REFUSE, "an interface cannot be moved into a micro-VM" },
	{ "/linux/seccomp/listenerPath", REFUSE, "its agent would have to be in the guest" },
	{ "/linux/resources/cpu/cpus", DROP, CPUS },
	{ "/linux/resources/cpu/mems", DROP, CPUS },
	/* The guest has no swap: that of the host is the VM's. */
	{ "/linux/resources/memory/swap", DROP, "the guest has no swap" },
	{ "/linux/resources/memory/swappiness", DROP, "the guest has no swap" },
	{ "/linux/resources/blockIO", WARN, "the host's disks are not the guest's" },
	{ "/linux/resources/network", WARN, "the host marks what leaves the VM" },
	{ "/linux/resources/rdma", WARN, "a guest has no such devices" },
};

int bh_guest_set(json_object *object, const char *key, json_object *value, struct bh_err *err)
{
	if (!value || json_object_object_add(object, key, value) < 0) {
		json_object_put(value);
		return bh_err_oom(err);
	}
	return 0;
}

/* Whether somebody wrote something there, as engines write empty fields out too. */
static bool says_something(json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_null:
		return false;
	case json_type_string:
		return json_object_get_string_len(value) > 0;
	case json_type_array:
		return json_object_array_length(value) > 0;
	case json_type_object:
		return json_object_object_length(value) > 0;
	case json_type_boolean:
	case json_type_int:
	case json_type_double:
	default:
		return true;
	}
}

/* The object that holds the last name of the pointer @path. Return: borrowed, or NULL */
static json_object *find_parent(json_object *object, const char *path, const char **ret_last)
{
	const char *name = path + 1, *slash;

	while (object && (slash = strchr(name, '/'))) {
		char key[64];

		snprintf(key, sizeof(key), "%.*s", (int)(slash - name), name);
		object = bh_guest_member(object, key);
		name = slash + 1;
	}
	*ret_last = name;
	return object;
}

/* @prefix: of @root in the document, for messages */
static int apply_field(json_object *root, const char *prefix, const struct field *field,
		       struct bh_err *err)
{
	const char *last;
	json_object *parent = find_parent(root, field->path, &last);
	json_object *value = bh_guest_member(parent, last);
	char where[BH_WHERE_BYTES];

	if (!json_object_is_type(parent, json_type_object))
		return 0;
	if (says_something(value) && field->rule != DROP) {
		const char *text = json_object_to_json_string_ext(value, TEXT_FLAGS);

		snprintf(where, sizeof(where), "%s%s", prefix, field->path);
		if (field->rule == REFUSE)
			return bh_err_spec(err, where, "%.200s is not possible: %s", text,
					   field->why);
		bh_warn("%s: %.200s: %s, ignoring it", where, text, field->why);
	}
	json_object_object_del(parent, last);
	return 0;
}

int bh_guest_process_fields(json_object *process, struct bh_err *err)
{
	int r = 0;

	for (size_t i = 0; i < BH_ARRAY_SIZE(process_fields) && !r; i++)
		r = apply_field(process, "/process", &process_fields[i], err);
	return r;
}

/* ---- namespaces ------------------------------------------------------------------------------ */

/* "/proc/PID/ns/NAME": how an engine names a namespace of another container's. Return: PID; 0 when
 * it is no such path */
static pid_t owner_of(const char *path, const char *proc_name)
{
	static const char head[] = "/proc/", middle[] = "/ns/";
	const char *digits = path + sizeof(head) - 1, *rest;
	unsigned long pid;

	if (strncmp(path, head, sizeof(head) - 1))
		return 0;
	rest = digits + strspn(digits, "0123456789");
	if (strncmp(rest, middle, sizeof(middle) - 1) ||
	    strcmp(rest + sizeof(middle) - 1, proc_name) || rest - digits > PID_DIGITS_MAX)
		return 0;
	pid = strtoul(digits, NULL, 10);
	return pid <= INT32_MAX ? (pid_t)pid : 0;
}

static int join_sandbox(const struct bh_guest_plan *plan, const struct bh_namespace *ns,
			size_t index, json_object *entry, struct bh_err *err)
{
	const char *name = bh_ns_info(ns->kind)->proc_name;
	const pid_t owner = owner_of(ns->path, name);
	char where[BH_WHERE_BYTES], path[64];

	snprintf(where, sizeof(where), "/linux/namespaces/%zu/path", index);
	if (ns->kind == BH_NS_MOUNT || !owner)
		return bh_err_spec(err, where, "'%s': a container in a micro-VM cannot join it",
				   ns->path);
	if (owner != plan->monitor_pid && plan->sandbox_pid)
		return bh_err_spec(err, where,
				   "'%s': process %d is of no container of this pod, which are all "
				   "known by process %d",
				   ns->path, (int)owner, (int)plan->monitor_pid);
	if (!plan->sandbox_pid)
		return bh_err_spec(err, where,
				   "'%s': the first container of a pod has none to join", ns->path);
	snprintf(path, sizeof(path), "/proc/%d/ns/%s",
		 ns->kind == BH_NS_PID && plan->target_pid ? plan->target_pid : plan->sandbox_pid,
		 name);
	return bh_guest_set(entry, "path", json_object_new_string(path), err);
}

/* On a version 1 host engines ask for none, while the guest has version 2, whose one hierarchy
 * shows a container the groups of all others. */
static int add_cgroup_namespace(const struct bh_spec *spec, json_object *list, struct bh_err *err)
{
	json_object *ns;

	if (!list || bh_spec_namespace(spec, BH_NS_CGROUP))
		return 0;
	ns = json_object_new_object();
	if (!ns || json_object_object_add(ns, "type", json_object_new_string("cgroup")) < 0 ||
	    json_object_array_add(list, ns) < 0) {
		json_object_put(ns);
		return bh_err_oom(err);
	}
	return 0;
}

/* The pod's network is the guest's own; other paths are those of the pod's first container. */
static int plan_namespaces(struct bh_guest_plan *plan, json_object *linux_, struct bh_err *err)
{
	json_object *list = bh_guest_member(linux_, "namespaces");
	const struct bh_spec *spec = plan->spec;

	for (size_t i = spec->linux_.namespaces.n; i-- > 0;) {
		const struct bh_namespace *ns = &spec->linux_.namespaces.v[i];
		int r = 0;

		if (ns->kind == BH_NS_NETWORK)
			json_object_array_del_idx(list, i, 1);
		else if (ns->path)
			r = join_sandbox(plan, ns, i, json_object_array_get_idx(list, i), err);
		if (r < 0)
			return r;
	}
	return add_cgroup_namespace(spec, list, err);
}

/* ---- resources ------------------------------------------------------------------------------- */

/* Engines write a limit of nothing for every size that the host has. */
static int plan_hugepages(const struct bh_guest_plan *plan, json_object *resources,
			  struct bh_err *err)
{
	size_t i = 0;
	char where[BH_WHERE_BYTES];

	bh_for_each (limit, plan->spec->linux_.resources.hugepage_limits) {
		snprintf(where, sizeof(where), "/linux/resources/hugepageLimits/%zu/limit", i++);
		if (limit->limit)
			return bh_err_spec(err, where,
					   "%llu bytes in pages of %s: a micro-VM has none",
					   (unsigned long long)limit->limit, limit->page_size);
	}
	json_object_object_del(resources, "hugepageLimits");
	return 0;
}

static void plan_unified(const struct bh_guest_plan *plan, json_object *resources)
{
	json_object *unified = bh_guest_member(resources, "unified");

	bh_for_each (kv, plan->spec->linux_.resources.unified)
		if (!strncmp(kv->key, "cpuset.", strlen("cpuset.")))
			json_object_object_del(unified, kv->key);
}

static int plan_resources(const struct bh_guest_plan *plan, json_object *linux_, struct bh_err *err)
{
	json_object *resources = bh_guest_member(linux_, "resources");

	if (!json_object_is_type(resources, json_type_object))
		return 0;
	plan_unified(plan, resources);
	return plan_hugepages(plan, resources, err);
}

int bh_guest_plan_fields(struct bh_guest_plan *plan, struct bh_err *err)
{
	json_object *linux_ = bh_guest_member(plan->doc, "linux");
	const char *cgroup;
	int r = 0;

	for (size_t i = 0; i < BH_ARRAY_SIZE(fields) && !r; i++)
		r = apply_field(plan->doc, "", &fields[i], err);
	if (!r)
		r = bh_guest_process_fields(bh_guest_member(plan->doc, "process"), err);
	if (r < 0 || !json_object_is_type(linux_, json_type_object))
		return r;
	r = plan_namespaces(plan, linux_, err);
	if (!r)
		r = plan_resources(plan, linux_, err);
	if (r < 0)
		return r;
	cgroup = bh_arena_printf(&plan->arena, "/%s", plan->id);
	return cgroup ? bh_guest_set(linux_, "cgroupsPath", json_object_new_string(cgroup), err)
		      : bh_err_oom(err);
}
