/* SPDX-License-Identifier: Apache-2.0 */
/* The verb that sets up a node. A program of its own does it, whose size no container pays for; it
 * gets the options as words, "NAME=VALUE" each. */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/path.h"
#include "base/program.h"
#include "cli/verbs.h"

#define HELPER    "bulkhead-installer"
#define WORDS_MAX 16

struct node_options {
	bool dry_run, restart, discard_pool;
	const char *engine, *containerd, *docker, *address, *device;
	struct bh_opt_i64 pool_file;
};

static const char *const engines[] = { "all", "containerd", "docker", NULL };
static const char *const actions[] = { "install", "uninstall", "check", NULL };

static const struct bh_option node_options[] = {
	{ .name = "dry-run",
	  .short_name = 'n',
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct node_options, dry_run),
	  .help = "show what would change, as a diff, and change nothing" },
	{ .name = "restart",
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct node_options, restart),
	  .help = "restart containerd, let Docker read its configuration again, and check" },
	{ .name = "engine",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct node_options, engine),
	  .fallback = "all",
	  .choices = engines,
	  .value = "NAME",
	  .help = "containerd, docker, or all that are installed" },
	{ .name = "device",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct node_options, device),
	  .value = "DEVICE",
	  .help = "an empty disk for the thin pool of Device Mapper" },
	{ .name = "pool-file",
	  .type = BH_OPTION_SIZE,
	  BH_OPTION_AT(struct node_options, pool_file),
	  .value = "SIZE",
	  .help = "for trials: the thin pool is in a file of this size" },
	{ .name = "discard-pool",
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct node_options, discard_pool),
	  .help = "uninstall: also a thin pool that holds images and containers" },
	{ .name = "containerd",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct node_options, containerd),
	  .fallback = "/etc/containerd/config.toml",
	  .value = "FILE",
	  .help = "configuration of containerd" },
	{ .name = "docker",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct node_options, docker),
	  .fallback = "/etc/docker/daemon.json",
	  .value = "FILE",
	  .help = "configuration of Docker" },
	{ .name = "address",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct node_options, address),
	  .fallback = "/run/containerd/containerd.sock",
	  .value = "SOCKET",
	  .help = "containerd's, for the check" },
};

/* The command line of the helper, as it grows. */
struct words {
	struct bh_arena *arena;
	const char *v[WORDS_MAX];
	size_t n;
	bool failed;
};

static void add(struct words *w, const char *word)
{
	w->failed |= !word || w->n + 1 == WORDS_MAX;
	if (!w->failed)
		w->v[w->n++] = word;
}

static void add_flag(struct words *w, const char *name, bool value)
{
	if (value)
		add(w, name);
}

static void add_text(struct words *w, const char *name, const char *value)
{
	if (value)
		add(w, bh_arena_printf(w->arena, "%s=%s", name, value));
}

/* A file's name from the working directory. */
static int add_path(struct bh_cli *cli, struct words *w, const char *name, const char *value,
		    struct bh_err *err)
{
	const char *path = value ? bh_cli_absolute(cli, value, err) : NULL;

	if (value && !path)
		return err->code;
	add_text(w, name, path);
	return 0;
}

/* The directory of this program, where the shims are as well. */
static int add_own_directory(struct words *w, struct bh_err *err)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n < 0)
		return bh_err_set(err, -errno, "find this program");
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	add_text(w, "bin", path);
	return 0;
}

static int add_words(struct bh_cli *cli, struct words *w, const struct node_options *o,
		     struct bh_err *err)
{
	int r = add_own_directory(w, err);

	add_flag(w, "dry-run", o->dry_run);
	add_flag(w, "restart", o->restart);
	add_flag(w, "discard-pool", o->discard_pool);
	add_text(w, "engine", o->engine);
	r = r < 0 ? r : add_path(cli, w, "containerd", o->containerd, err);
	r = r < 0 ? r : add_path(cli, w, "docker", o->docker, err);
	r = r < 0 ? r : add_path(cli, w, "address", o->address, err);
	r = r < 0 ? r : add_path(cli, w, "device", o->device, err);
	if (o->pool_file.set)
		add(w, bh_arena_printf(w->arena, "pool-file=%" PRId64, o->pool_file.v));
	return r < 0 || !w->failed ? r : bh_err_oom(err);
}

static int check_action(const struct bh_strv *args, const struct node_options *o,
			struct bh_err *err)
{
	size_t i = 0;

	while (actions[i] && strcmp(actions[i], args->v[0]) != 0)
		i++;
	if (!actions[i])
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "'%s' is none of install, uninstall, check", args->v[0]);
	if (o->device && o->pool_file.set)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "--device and --pool-file exclude each other");
	if (i > 0 && (o->device || o->pool_file.set))
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "--device and --pool-file go with install alone");
	return 0;
}

static int run_node(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		    struct bh_err *err)
{
	static const char *const places[] = { "../libexec/bulkhead/", "../installer/" };
	const struct node_options *o = options;
	struct words w = { .arena = &cli->arena };
	char path[PATH_MAX];
	int r = check_action(args, o, err);

	r = r < 0 ? r
		  : bh_program_find(places, BH_ARRAY_SIZE(places), HELPER, BH_LIBEXECDIR, path,
				    err);
	if (r < 0)
		return r;
	add(&w, HELPER);
	add(&w, args->v[0]);
	r = add_words(cli, &w, o, err);
	if (r < 0)
		return r;
	execv(path, (char *const *)w.v);
	return bh_err_set(err, -errno, "execute '%s'", path);
}

const struct bh_verb bh_verb_node = {
	.name = "node",
	.args = "install|uninstall|check",
	.summary = "give containerd and Docker of this node both runtimes, or take them back",
	.details = "What would be done is printed first. Configuration of the engines is edited, "
		   "not written anew; a copy of each file from before stands beside it.",
	.choices = actions,
	BH_VERB_OPTIONS(node_options, struct node_options),
	.min_args = 1,
	.max_args = 1,
	.run = run_node,
};
