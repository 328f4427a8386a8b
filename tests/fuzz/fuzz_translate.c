/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents for a micro-VM: a config.json, and after a line "---" the engine's mounts of the root,
 * one a line as "type source target option,option". What comes out keeps the host's paths and
 * namespaces out of the guest, and is a document.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fuzz.h"
#include "pod/vm/translate.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

#define MOUNTS_MAX  4
#define OPTIONS_MAX 8
#define SANDBOX     42

struct mounts {
	Task__Mount v[MOUNTS_MAX], *p[MOUNTS_MAX];
	char *options[MOUNTS_MAX][OPTIONS_MAX];
	size_t n;
};

/* Not called by planning. */
int bh_vm_add_disk(struct bh_vm *vm, const struct bh_vm_disk *disk, uint32_t *ret_number,
		   struct bh_err *err)
{
	(void)vm, (void)disk, (void)ret_number, (void)err;
	abort();
}

int bh_vm_remove_disk(struct bh_vm *vm, uint32_t number, struct bh_err *err)
{
	(void)vm, (void)number, (void)err;
	abort();
}

static void read_mounts(char *text, struct mounts *mounts)
{
	char *line, *word, *state, *inner;

	for (line = strtok_r(text, "\n", &state); line && mounts->n < MOUNTS_MAX;
	     line = strtok_r(NULL, "\n", &state)) {
		Task__Mount *m = &mounts->v[mounts->n];
		char **fields[] = { &m->type, &m->source, &m->target };

		task__mount__init(m);
		m->options = mounts->options[mounts->n];
		mounts->p[mounts->n++] = m;
		word = strtok_r(line, " ", &inner);
		for (size_t i = 0; i < 3 && word; i++, word = strtok_r(NULL, " ", &inner))
			if (strcmp(word, "-"))
				*fields[i] = word;
		for (word = word ? strtok_r(word, ",", &inner) : NULL;
		     word && m->n_options < OPTIONS_MAX; word = strtok_r(NULL, ",", &inner))
			m->options[m->n_options++] = word;
	}
}

static bool starts(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static void check_document(const Agent__PrepareRequest *message)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_spec spec;

	CHECK(!bh_spec_parse(&arena, (const char *)message->config.data, message->config.len, &spec,
			     &err));
	CHECK(starts(spec.root.path, "/run/bulkhead/"));
	CHECK(!spec.process.apparmor_profile && !spec.process.selinux_label);
	CHECK(!spec.linux_.mount_label && !spec.linux_.net_devices.n);
	CHECK(!spec.linux_.seccomp.listener_path);
	bh_for_each (ns, spec.linux_.namespaces) {
		CHECK(ns->kind != BH_NS_NETWORK);
		CHECK(!ns->path || starts(ns->path, "/proc/42/ns/"));
	}
	for (size_t i = 0; i < message->n_storages; i++)
		CHECK(message->storages[i]->device < (int)spec.linux_.devices.n);
}

static void check_plan(const struct bh_guest_plan *plan)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	const Agent__PrepareRequest *message = bh_guest_plan_message(plan);

	check_document(message);
	bh_guest_plan_print(plan, &out);
	CHECK(out.len);
	for (size_t i = 0; i < message->n_storages; i++)
		CHECK(!message->storages[i]->target[0] ||
		      starts(message->storages[i]->target, "/run/bulkhead/"));
}

static void be_quiet(void)
{
	static bool done;

	CHECK(done || !bh_log_open("/dev/null", BH_LOG_TEXT, BH_LOG_ERROR, NULL));
	done = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	bh_auto_free char *text = strndup((const char *)data, size), *process = NULL;
	char *cut = text ? strstr(text, "\n---\n") : NULL;
	struct mounts mounts = { .n = 0 };
	struct bh_guest_plan *plan = NULL;
	struct bh_err err = BH_ERR_INIT;
	struct bh_spec spec;
	struct bh_guest_source source = { .id = "web",
					  .bundle = "/usr",
					  .spec = &spec,
					  .monitor_pid = SANDBOX,
					  .sandbox_pid = SANDBOX };
	int r;

	CHECK(text);
	be_quiet();
	if (cut) {
		*cut = '\0';
		read_mounts(cut + strlen("\n---\n"), &mounts);
	}
	source.config = text;
	source.config_len = strlen(text);
	source.rootfs = mounts.p;
	source.n_rootfs = mounts.n;
	if (!bh_guest_process(text, source.config_len, &process, &err))
		CHECK(process);
	if (bh_spec_parse(&arena, text, source.config_len, &spec, &err) < 0)
		return 0;
	r = bh_guest_plan_new(&source, &plan, &err);
	CHECK(r == (r < 0 ? err.code : 0));
	if (!r)
		check_plan(plan);
	bh_guest_plan_free(plan);
	return 0;
}
