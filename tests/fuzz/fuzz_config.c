/* SPDX-License-Identifier: Apache-2.0 */
/* config.json, process and resources documents: what is taken keeps the promises of oci/spec.h. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "fuzz.h"
#include "oci/spec.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

/* Every refusal is described; everything taken is checked by the caller. */
static bool taken(int r, const struct bh_err *err)
{
	if (!r)
		return true;
	CHECK(r == -EINVAL && err->code == r && err->domain == BH_ERR_SPEC);
	CHECK(err->text[0] && memchr(err->text, '\0', sizeof(err->text)));
	CHECK(memchr(err->where, '\0', sizeof(err->where)));
	return false;
}

/* Touches every byte, so that a sanitizer sees a string that is not ours. */
static void check_strings(const struct bh_strv *list)
{
	for (size_t i = 0; i < list->n; i++)
		CHECK(strlen(list->v[i]) < SIZE_MAX);
	CHECK(!list->v || !list->v[list->n]);
}

static void check_process(const struct bh_process *p)
{
	CHECK(p->set && p->cwd[0] == '/' && p->args.n);
	check_strings(&p->args);
	check_strings(&p->env);
	check_strings(&p->capabilities.unknown);
	bh_for_each (limit, p->rlimits)
		CHECK(limit->name && limit->soft <= limit->hard);
}

static void check_maps(const bh_id_map_list *maps)
{
	bh_for_each (map, *maps) {
		CHECK(map->size);
		CHECK(map->container_id + (uint64_t)map->size <= UINT32_MAX);
		CHECK(map->host_id + (uint64_t)map->size <= UINT32_MAX);
	}
}

static void check_spec(const struct bh_spec *spec)
{
	CHECK(spec->oci_version && spec->root.set && spec->root.path[0]);
	if (spec->process.set)
		check_process(&spec->process);
	bh_for_each (mount, spec->mounts) {
		CHECK(mount->destination[0] == '/');
		check_strings(&mount->options);
		check_maps(&mount->uid_mappings);
	}
	bh_for_each (kv, spec->annotations)
		CHECK(bh_spec_annotation(spec, kv->key));
	bh_for_each (ns, spec->linux_.namespaces)
		CHECK(ns->kind < BH_NS_MAX_ && bh_spec_namespace(spec, ns->kind) == ns);
	check_maps(&spec->linux_.uid_mappings);
	bh_for_each (rule, spec->linux_.seccomp.syscalls) {
		CHECK(rule->action && rule->names.n);
		check_strings(&rule->names);
	}
	for (int kind = 0; kind < BH_HOOK_MAX_; kind++)
		bh_for_each (hook, spec->hooks[kind])
			CHECK(hook->path[0] == '/' && (!hook->timeout.set || hook->timeout.v > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	const char *text = (const char *)data;
	struct bh_err err = BH_ERR_INIT;
	struct bh_spec spec;
	struct bh_process process;
	struct bh_resources resources;

	if (taken(bh_spec_parse(&arena, text, size, &spec, &err), &err))
		check_spec(&spec);
	if (taken(bh_spec_parse_process(&arena, text, size, &process, &err), &err))
		check_process(&process);
	if (taken(bh_spec_parse_resources(&arena, text, size, &resources, &err), &err))
		CHECK(resources.set);
	return 0;
}
