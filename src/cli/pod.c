/* SPDX-License-Identifier: Apache-2.0 */
/* The verb that looks at pods in micro-VMs: pod list, pod stats. */
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/json_writer.h"
#include "cli/verbs.h"
#include "cli/vm.h"

#define MIB        1048576.0
#define USEC_PER_S 1000000.0

struct pod_options {
	const char *format;
};

static const char *const formats[] = { "table", "json", NULL };

static const struct bh_option pod_options[] = {
	{ .name = "format",
	  .short_name = 'f',
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct pod_options, format),
	  .fallback = "table",
	  .choices = formats,
	  .value = "FORMAT",
	  .help = "table or json" },
};

/* ---- asking ---- */

static int ask_figures(const struct bh_cli *cli, const char *pod, Pod__FiguresResponse **ret,
		       struct bh_err *err)
{
	bh_cleanup(bh_vm_session_deinit) struct bh_vm_session s = BH_VM_SESSION_INIT;
	Pod__FiguresRequest q = POD__FIGURES_REQUEST__INIT;
	int r = bh_container_id_check(pod, err);

	r = r < 0 ? r : bh_loop_init(&s.loop, err);
	r = r < 0 ? r : bh_pod_connect(&s.loop, cli->root, pod, &s.client, err);
	if (bh_pod_is_gone(r))
		return bh_err_as(err, BH_ERR_STATE, -ENOENT, "pod does not exist: %s", pod);
	return r < 0 ? r
		     : bh_pod_ask(&s.client, "Figures", &q.base, &pod__figures_response__descriptor,
				  (ProtobufCMessage **)ret, err);
}

/* Why a pod's VM is no more; "" while it lives. */
static int ask_death(const struct bh_cli *cli, const char *pod, struct bh_buf *ret,
		     struct bh_err *err)
{
	bh_cleanup(bh_vm_session_deinit) struct bh_vm_session s = BH_VM_SESSION_INIT;
	int r = bh_loop_init(&s.loop, err);

	r = r < 0 ? r : bh_pod_connect(&s.loop, cli->root, pod, &s.client, err);
	return r < 0 ? r : bh_pod_ask_death(&s.client, ret, err);
}

/* ---- stats ---- */

static uint64_t total(Pod__Part *const parts[], size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += parts[i]->memory;
	return sum;
}

static void print_parts(struct bh_buf *out, const char *where, Pod__Part *const parts[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		bh_buf_printf(out, "%-6s %-14s %9.1f MiB %9.2f s\n", where, parts[i]->name,
			      (double)parts[i]->memory / MIB,
			      (double)parts[i]->cpu_usec / USEC_PER_S);
}

static void print_stats(const char *pod, const Pod__FiguresResponse *f, struct bh_buf *out)
{
	bh_buf_printf(out, "pod %s: kernel %s, %s, %u vcpus, %.0f MiB of RAM\n", pod, f->kernel,
		      f->accelerator, f->vcpus, (double)f->vm_memory / MIB);
	bh_buf_printf(out, "%-6s %-14s %13s %11s\n", "WHERE", "PART", "MEMORY", "CPU");
	print_parts(out, "host", f->host, f->n_host);
	print_parts(out, "guest", f->guest, f->n_guest);
	bh_buf_printf(out, "%-6s %-14s %9.1f MiB\n", "host", "sum of parts",
		      (double)total(f->host, f->n_host) / MIB);
	bh_buf_printf(out, "%-6s %-14s %9.1f MiB\n", "host", "guest RAM",
		      (double)f->guest_ram / MIB);
	for (size_t i = 0; i < f->n_phases; i++)
		bh_buf_printf(out, "%-6s %-14s %23.3f s\n", "start", f->phases[i]->name,
			      (double)f->phases[i]->usec / USEC_PER_S);
}

static void write_parts(struct bh_json_writer *w, const char *key, Pod__Part *const parts[],
			size_t n)
{
	bh_json_open(w, key, '[');
	for (size_t i = 0; i < n; i++) {
		bh_json_open(w, NULL, '{');
		bh_json_text(w, "name", parts[i]->name);
		bh_json_u64(w, "memoryBytes", parts[i]->memory);
		bh_json_u64(w, "cpuMicroseconds", parts[i]->cpu_usec);
		bh_json_close(w, '}');
	}
	bh_json_close(w, ']');
}

static void write_stats(const char *pod, const Pod__FiguresResponse *f, struct bh_buf *out)
{
	struct bh_json_writer w = { .out = out };

	bh_json_open(&w, NULL, '{');
	bh_json_text(&w, "pod", pod);
	bh_json_text(&w, "kernel", f->kernel);
	bh_json_text(&w, "accelerator", f->accelerator);
	bh_json_u64(&w, "vcpus", f->vcpus);
	bh_json_u64(&w, "ramBytes", f->vm_memory);
	bh_json_u64(&w, "guestRamBytes", f->guest_ram);
	write_parts(&w, "host", f->host, f->n_host);
	write_parts(&w, "guest", f->guest, f->n_guest);
	bh_json_open(&w, "startMicroseconds", '{');
	for (size_t i = 0; i < f->n_phases; i++)
		bh_json_u64(&w, f->phases[i]->name, f->phases[i]->usec);
	bh_json_close(&w, '}');
	bh_json_close(&w, '}');
	bh_buf_puts(out, "\n");
}

static int stats(struct bh_cli *cli, const char *pod, bool json, struct bh_buf *out,
		 struct bh_err *err)
{
	Pod__FiguresResponse *f = NULL;
	int r;

	if (!pod)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "pod stats: the pod's id is wanted");
	r = ask_figures(cli, pod, &f, err);
	if (r < 0)
		return r;
	(json ? write_stats : print_stats)(pod, f, out);
	pod__figures_response__free_unpacked(f, NULL);
	return 0;
}

/* ---- list ---- */

static const char *const states[] = { "running", "dead", "gone" };

/* Its state, and for one that is not running the reason. */
static const char *look(struct bh_cli *cli, const char *pod, struct bh_buf *reason)
{
	struct bh_err err = BH_ERR_INIT;

	if (ask_death(cli, pod, reason, &err) < 0) {
		bh_buf_puts(reason, "its supervisor ended");
		return states[2];
	}
	return states[reason->len > 0];
}

static void list_pod(struct bh_cli *cli, const char *pod, struct bh_json_writer *json,
		     struct bh_buf *out)
{
	bh_auto_buf struct bh_buf reason = BH_BUF_INIT;
	const char *state = look(cli, pod, &reason);

	if (!json) {
		bh_buf_printf(out, "%-28s %-9s %s\n", pod, state, bh_buf_str(&reason));
		return;
	}
	bh_json_open(json, NULL, '{');
	bh_json_text(json, "id", pod);
	bh_json_text(json, "state", state);
	if (reason.len > 0)
		bh_json_text(json, "reason", reason.data);
	bh_json_close(json, '}');
}

static int list(struct bh_cli *cli, const char *unused, bool json, struct bh_buf *out,
		struct bh_err *err)
{
	struct bh_json_writer w = { .out = out };
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_strv ids;
	char dir[PATH_MAX];
	int r;

	if (unused)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "pod list takes no argument: '%s'",
				 unused);
	snprintf(dir, sizeof(dir), "%s/" BH_PODS_DIR_NAME, cli->root);
	r = bh_container_list(&arena, dir, &ids, err);
	if (r < 0)
		return r;
	if (json)
		bh_json_open(&w, NULL, '[');
	else
		bh_buf_printf(out, "%-28s %-9s %s\n", "POD", "STATE", "REASON");
	for (size_t i = 0; i < ids.n; i++)
		list_pod(cli, ids.v[i], json ? &w : NULL, out);
	if (json) {
		bh_json_close(&w, ']');
		bh_buf_puts(out, "\n");
	}
	return 0;
}

/* ---- the verb ---- */

static const struct {
	const char *name;
	int (*run)(struct bh_cli *cli, const char *arg, bool json, struct bh_buf *out,
		   struct bh_err *err);
} subs[] = {
	{ "list", list },
	{ "stats", stats },
};
static const char *const sub_names[] = { "list", "stats", NULL };

static int run_pod(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		   struct bh_err *err)
{
	const struct pod_options *o = options;
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;

	for (size_t i = 0; i < BH_ARRAY_SIZE(subs); i++) {
		int r;

		if (strcmp(subs[i].name, args->v[0]) != 0)
			continue;
		r = subs[i].run(cli, args->n > 1 ? args->v[1] : NULL, !strcmp(o->format, "json"),
				&out, err);
		return r < 0 ? r : bh_cli_print(&out, err);
	}
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "pod: list or stats is wanted, not '%s'",
			 args->v[0]);
}

const struct bh_verb bh_verb_pod = {
	.name = "pod",
	.args = "list | stats POD",
	.summary = "look at the pods in micro-VMs and at what they cost",
	.details = "`list` names all pods below --root. `stats` tells what a pod's VM costs beside "
		   "its\n"
		   "   containers: memory (PSS) and CPU of each of its parts on the host, of "
		   "kernel and\n"
		   "   agent in the guest, and how long each phase of its start took.",
	.choices = sub_names,
	BH_VERB_OPTIONS(pod_options, struct pod_options),
	.min_args = 1,
	.max_args = 2,
	.run = run_pod,
};
