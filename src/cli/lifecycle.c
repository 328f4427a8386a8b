/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that move a container along: start, kill, delete, pause, resume. */

#include <fcntl.h>
#include <string.h>

#include "base/path.h"
#include "cli/runtime.h"
#include "cli/verbs.h"
#include "cli/vm.h"
#include "oci/names.h"

/* ---- start ------------------------------------------------------------------------------- */

static int run_start(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		     struct bh_err *err)
{
	bh_auto_container struct bh_container *c = bh_cli_container(cli, args, err);

	(void)options;
	return c ? bh_runtime_of(c)->start(c, err) : err->code;
}

const struct bh_verb bh_verb_start = {
	.name = "start",
	.args = "CONTAINER",
	.summary = "execute the program of a created container",
	.min_args = 1,
	.max_args = 1,
	.run = run_start,
};

/* ---- kill -------------------------------------------------------------------------------- */

struct kill_options {
	bool all;
};

static const struct bh_option kill_options[] = {
	{ .name = "all",
	  .short_name = 'a',
	  .type = BH_OPTION_FLAG,
	  .flags = BH_OPTION_HIDDEN,
	  BH_OPTION_AT(struct kill_options, all),
	  .help = "to all processes of the container; no error when it has stopped" },
};

static int run_kill(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		    struct bh_err *err)
{
	const struct kill_options *o = options;
	bh_auto_container struct bh_container *c = bh_cli_container(cli, args, err);
	const char *name = args->n > 1 && *args->v[1] ? args->v[1] : "TERM";
	enum bh_status status;
	int sig, r;

	if (!c)
		return err->code;
	sig = bh_signal_parse(name);
	if (sig < 0)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "unknown signal \"%s\"", name);
	r = bh_runtime_of(c)->kill(c, sig, o->all, err);
	if (r < 0 && o->all && bh_runtime_of(c)->status(c, &status, NULL) == 0 &&
	    status == BH_STATUS_STOPPED)
		return 0;
	return r;
}

const struct bh_verb bh_verb_kill = {
	.name = "kill",
	.args = "CONTAINER [SIGNAL]",
	.summary = "send a signal (default: TERM) to the container's first process",
	.details = "SIGNAL is a name with or without SIG, in any case, or a number.",
	BH_VERB_OPTIONS(kill_options, struct kill_options),
	.min_args = 1,
	.max_args = 2,
	.run = run_kill,
};

/* ---- delete ------------------------------------------------------------------------------ */

struct delete_options {
	bool force;
};

static const struct bh_option delete_options[] = {
	{ .name = "force",
	  .short_name = 'f',
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct delete_options, force),
	  .help = "kill it first if it runs; no error if it is not there" },
};

/* What a create that was killed half way left: a directory without a state that could be loaded, or
 * a pod without a container. */
static int remove_remains(const char *root, const char *id, struct bh_err *err)
{
	bh_auto_close int root_fd = -EBADF;
	int r = bh_vm_remove_remains(root, id, err);

	if (r < 0)
		return r;
	root_fd = bh_path_try_open(AT_FDCWD, root, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST);
	return root_fd < 0 ? 0 : bh_path_remove_tree(root_fd, id, err);
}

static int run_delete(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		      struct bh_err *err)
{
	const struct delete_options *o = options;
	bh_auto_container struct bh_container *c = bh_cli_container(cli, args, err);

	int r = 0;

	if (c)
		return bh_runtime_of(c)->remove(c, o->force, err);
	if (err->code != -ENOENT || !o->force)
		return err->code;
	r = bh_container_id_check(args->v[0], err);
	for (size_t i = 0; r == 0 && i < cli->roots.n; i++)
		r = remove_remains(cli->roots.v[i], args->v[0], err);
	return r;
}

const struct bh_verb bh_verb_delete = {
	.name = "delete",
	.args = "CONTAINER",
	.summary = "delete a container that has stopped, or was never started",
	.details = "Runs its poststop hooks and removes its cgroups, mounts and state.",
	BH_VERB_OPTIONS(delete_options, struct delete_options),
	.min_args = 1,
	.max_args = 1,
	.run = run_delete,
};

/* ---- pause, resume ----------------------------------------------------------------------- */

static int run_pause(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		     struct bh_err *err)
{
	bh_auto_container struct bh_container *c = bh_cli_container(cli, args, err);

	(void)options;
	return c ? bh_runtime_of(c)->pause(c, err) : err->code;
}

const struct bh_verb bh_verb_pause = {
	.name = "pause",
	.args = "CONTAINER",
	.summary = "suspend all processes of a container",
	.min_args = 1,
	.max_args = 1,
	.run = run_pause,
};

static int run_resume(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		      struct bh_err *err)
{
	bh_auto_container struct bh_container *c = bh_cli_container(cli, args, err);

	(void)options;
	return c ? bh_runtime_of(c)->resume(c, err) : err->code;
}

const struct bh_verb bh_verb_resume = {
	.name = "resume",
	.args = "CONTAINER",
	.summary = "resume all processes of a paused container",
	.min_args = 1,
	.max_args = 1,
	.run = run_resume,
};
