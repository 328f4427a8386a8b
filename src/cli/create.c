/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that make a container: create, run. */
#include <limits.h>

#include "cli/notify.h"
#include "cli/rootless.h"
#include "cli/runtime.h"
#include "cli/signals.h"
#include "cli/verbs.h"
#include "container/state.h"

#define PRESERVE_FDS_MAX 65536

struct create_options {
	const char *bundle, *console_socket, *pidfd_socket, *pid_file, *pod;
	struct bh_opt_i64 preserve_fds;
	bool no_pivot, no_new_keyring, dry_run;
	bool detach, keep, no_subreaper; /* of run alone */
};

#define CREATE_ROWS                                                                               \
	{ .name = "bundle",                                                                       \
	  .short_name = 'b',                                                                      \
	  .type = BH_OPTION_STRING,                                                               \
	  BH_OPTION_AT(struct create_options, bundle),                                            \
	  .value = "DIR",                                                                         \
	  .help = "directory that holds config.json (default: the working directory)" },          \
		{ .name = "console-socket",                                                       \
		  .type = BH_OPTION_STRING,                                                       \
		  BH_OPTION_AT(struct create_options, console_socket),                            \
		  .value = "SOCKET",                                                              \
		  .help = "Unix socket that receives the master of the container's terminal" },   \
		{ .name = "pidfd-socket",                                                         \
		  .type = BH_OPTION_STRING,                                                       \
		  BH_OPTION_AT(struct create_options, pidfd_socket),                              \
		  .value = "SOCKET",                                                              \
		  .help = "Unix socket that receives a pidfd of the container's first process" }, \
		{ .name = "pid-file",                                                             \
		  .type = BH_OPTION_STRING,                                                       \
		  BH_OPTION_AT(struct create_options, pid_file),                                  \
		  .value = "FILE",                                                                \
		  .help = "write the process id of the container's first process to FILE" },      \
		{ .name = "no-pivot",                                                             \
		  .type = BH_OPTION_FLAG,                                                         \
		  BH_OPTION_AT(struct create_options, no_pivot),                                  \
		  .help = "do not use pivot_root(2); for root filesystems on a ramdisk" },        \
		{ .name = "no-new-keyring",                                                       \
		  .type = BH_OPTION_FLAG,                                                         \
		  BH_OPTION_AT(struct create_options, no_new_keyring),                            \
		  .help = "keep the caller's session keyring instead of making a new one" },      \
		{ .name = "preserve-fds",                                                         \
		  .type = BH_OPTION_I64,                                                          \
		  .max = PRESERVE_FDS_MAX,                                                        \
		  BH_OPTION_AT(struct create_options, preserve_fds),                              \
		  .fallback = "0",                                                                \
		  .value = "N",                                                                   \
		  .help = "pass N more descriptors to the container, after stdio and "            \
			  "$LISTEN_FDS" },                                                        \
		{ .name = "pod",                                                                  \
		  .type = BH_OPTION_STRING,                                                       \
		  BH_OPTION_AT(struct create_options, pod),                                       \
		  .value = "ID",                                                                  \
		  .help = "with --runtime kata: the pod to be in, made if it is not there "       \
			  "(default: a pod of the container's own)" },                            \
	{                                                                                         \
		.name = "dry-run", .type = BH_OPTION_FLAG,                                        \
		BH_OPTION_AT(struct create_options, dry_run),                                     \
		.help = "print what would be done, step by step, and change nothing"              \
	}

static const struct bh_option create_options[] = { CREATE_ROWS };

static const struct bh_option run_options[] = {
	CREATE_ROWS,
	{ .name = "detach",
	  .short_name = 'd',
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct create_options, detach),
	  .help = "leave the container running and return" },
	{ .name = "keep",
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct create_options, keep),
	  .help = "do not delete the container when its process ends" },
	{ .name = "no-subreaper",
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct create_options, no_subreaper),
	  .help = "do not adopt processes that the container leaves behind" },
};

/* Relative socket paths are below the bundle, as runc takes them; a pid file is not. */
static int enter_bundle(struct bh_cli *cli, const struct create_options *o,
			struct bh_create_opts *create, struct bh_err *err)
{
	char cwd[PATH_MAX];

	if (o->pid_file && *o->pid_file) {
		create->io.pid_file = bh_cli_absolute(cli, o->pid_file, err);
		if (!create->io.pid_file)
			return err->code;
	}
	if (o->bundle && *o->bundle && chdir(o->bundle) < 0)
		return bh_err_set(err, -errno, "chdir %s", o->bundle);
	if (!getcwd(cwd, sizeof(cwd)))
		return bh_err_set(err, -errno, "find the bundle's path");
	create->bundle = bh_arena_strdup(&cli->arena, cwd);
	return create->bundle ? 0 : bh_err_oom(err);
}

/* What the configuration leaves to the container's annotations. Without any there is nothing of
 * that kind, and the document is not read for it. */
static int listen_to_bundle(struct bh_cli *cli, const char *bundle, struct bh_err *err)
{
	bh_kv_list annotations = { .n = 0 };
	int r;

	if (!cli->settings.files.n)
		return 0;
	r = bh_bundle_annotations(&cli->arena, bundle, &annotations, err);
	return r < 0 ? r
		     : bh_config_resolve(&cli->settings, cli->runtime->name, &annotations,
					 &cli->config, NULL, err);
}

static const char *given(const char *text)
{
	return text && *text ? text : NULL;
}

static int make_create_opts(struct bh_cli *cli, const struct create_options *o, const char *id,
			    struct bh_create_opts *ret, struct bh_err *err)
{
	int r;

	bh_signals_reset();
	*ret = BH_CREATE_OPTS_INIT;
	if (!*id)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "container id cannot be empty");
	ret->root = cli->root;
	ret->id = id;
	ret->cgroup_manager = cli->cgroup_manager;
	ret->rootless = bh_rootless_cgroups(cli->config.rootless);
	ret->notify = bh_notify_host() != NULL;
	ret->io.console_socket = given(o->console_socket);
	ret->io.pidfd_socket = given(o->pidfd_socket);
	ret->io.preserve_fds = (unsigned int)o->preserve_fds.v;
	ret->io.filter_cache = cli->filter_cache;
	r = enter_bundle(cli, o, ret, err);
	r = r < 0 ? r : listen_to_bundle(cli, ret->bundle, err);
	ret->no_pivot = o->no_pivot || cli->config.no_pivot;
	ret->no_hooks = !cli->config.hooks;
	ret->io.keyring = !o->no_new_keyring && !cli->config.no_new_keyring;
	return r;
}

static int print_dry_run(struct bh_cli *cli, const struct bh_create_opts *create,
			 const struct bh_run_opts *run, struct bh_err *err)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	int r = cli->runtime->dry_run(cli, create, run, &out, err);

	return r < 0 ? r : bh_buf_print(&out, err);
}

static struct bh_run_opts make_run_opts(const struct create_options *o)
{
	return (struct bh_run_opts){ .detach = o->detach,
				     .keep = o->keep,
				     .no_subreaper = o->no_subreaper,
				     .pod = given(o->pod) };
}

static int create(struct bh_cli *cli, const struct create_options *o, const char *id,
		  struct bh_err *err)
{
	const struct bh_run_opts run = make_run_opts(o);
	struct bh_create_opts create;
	int r = make_create_opts(cli, o, id, &create, err);

	if (r < 0)
		return r;
	return o->dry_run ? print_dry_run(cli, &create, &run, err)
			  : cli->runtime->create(cli, &create, &run, err);
}

static int run_create(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		      struct bh_err *err)
{
	int r = create(cli, options, args->v[0], err);

	return r < 0 ? bh_err_ctx(err, "%s create failed", cli->program) : 0;
}

static int run(struct bh_cli *cli, const struct create_options *o, const char *id,
	       struct bh_err *err)
{
	const struct bh_run_opts run = make_run_opts(o);
	struct bh_create_opts create;
	int r = make_create_opts(cli, o, id, &create, err);

	if (r < 0)
		return r;
	create.run = true;
	create.io.want_master = !o->detach;
	if (!o->detach && create.io.console_socket)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "cannot use console socket if %s will not detach or allocate tty",
				 cli->program);
	return o->dry_run ? print_dry_run(cli, &create, &run, err)
			  : cli->runtime->run(cli, &create, &run, err);
}

static int run_run(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		   struct bh_err *err)
{
	int r = run(cli, options, args->v[0], err);

	return r < 0 ? bh_err_ctx(err, "%s run failed", cli->program) : r;
}

const struct bh_verb bh_verb_create = {
	.name = "create",
	.args = "CONTAINER",
	.summary = "create a container",
	.details = "Makes everything that config.json of the bundle asks for, up to a process that "
		   "waits for `start` to execute the program of process.args. CONTAINER is a name "
		   "that is not in use below --root.",
	BH_VERB_OPTIONS(create_options, struct create_options),
	.min_args = 1,
	.max_args = 1,
	.flags = BH_VERB_ENTERS | BH_VERB_MAKES,
	.run = run_create,
};

const struct bh_verb bh_verb_run = {
	.name = "run",
	.args = "CONTAINER",
	.summary = "create and run a container",
	.details = "Does what `create`, `start` and `delete` do, and stays with the container's "
		   "process in between: its signals, terminal and exit status are those of this "
		   "program.",
	BH_VERB_OPTIONS(run_options, struct create_options),
	.min_args = 1,
	.max_args = 1,
	.flags = BH_VERB_ENTERS | BH_VERB_MAKES,
	.run = run_run,
};
