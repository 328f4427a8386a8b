/* SPDX-License-Identifier: Apache-2.0 */
/* The verb that adds a process to a container: exec. */

#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "base/path.h"
#include "base/quantity.h"
#include "cli/runtime.h"
#include "cli/signals.h"
#include "cli/verbs.h"
#include "oci/names.h"

#define PRESERVE_FDS_MAX  65536
#define PROCESS_MAX_BYTES (4 << 20)
#define ID_MAX            (UINT32_MAX - 1) /* the highest means "unchanged" to the kernel */

struct exec_options {
	const char *console_socket, *pidfd_socket, *cwd, *user, *process, *pid_file;
	const char *process_label, *apparmor;
	struct bh_strv env, additional_gids, cap, cgroup;
	struct bh_opt_bool no_new_privs;
	struct bh_opt_i64 preserve_fds;
	bool tty, detach, ignore_paused;
};

static const struct bh_option exec_options[] = {
	{ .name = "console-socket",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct exec_options, console_socket),
	  .value = "SOCKET",
	  .help = "Unix socket that receives the master of the process's terminal" },
	{ .name = "pidfd-socket",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct exec_options, pidfd_socket),
	  .value = "SOCKET",
	  .help = "Unix socket that receives a pidfd of the process" },
	{ .name = "cwd",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct exec_options, cwd),
	  .value = "DIR",
	  .help = "working directory in the container" },
	{ .name = "env",
	  .short_name = 'e',
	  .type = BH_OPTION_STRINGS,
	  BH_OPTION_AT(struct exec_options, env),
	  .value = "NAME=VALUE",
	  .help = "add to the environment; may be repeated" },
	{ .name = "tty",
	  .short_name = 't',
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct exec_options, tty),
	  .help = "give the process a terminal" },
	{ .name = "user",
	  .short_name = 'u',
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct exec_options, user),
	  .value = "UID[:GID]",
	  .help = "user and group id, as numbers" },
	{ .name = "additional-gids",
	  .short_name = 'g',
	  .type = BH_OPTION_STRINGS,
	  BH_OPTION_AT(struct exec_options, additional_gids),
	  .value = "GID",
	  .help = "add a supplementary group; may be repeated" },
	{ .name = "process",
	  .short_name = 'p',
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct exec_options, process),
	  .value = "FILE",
	  .help = "take all of the process from this JSON document instead of the options" },
	{ .name = "detach",
	  .short_name = 'd',
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct exec_options, detach),
	  .help = "leave the process running and return" },
	{ .name = "pid-file",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct exec_options, pid_file),
	  .value = "FILE",
	  .help = "write the process id to FILE" },
	{ .name = "process-label",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct exec_options, process_label),
	  .value = "LABEL",
	  .help = "SELinux label of the process" },
	{ .name = "apparmor",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct exec_options, apparmor),
	  .value = "PROFILE",
	  .help = "AppArmor profile of the process" },
	{ .name = "no-new-privs",
	  .type = BH_OPTION_BOOL,
	  BH_OPTION_AT(struct exec_options, no_new_privs),
	  .help = "keep the process from gaining privileges by execve(2)" },
	{ .name = "cap",
	  .short_name = 'c',
	  .type = BH_OPTION_STRINGS,
	  BH_OPTION_AT(struct exec_options, cap),
	  .value = "CAPABILITY",
	  .help = "add a capability, such as CAP_KILL; may be repeated" },
	{ .name = "preserve-fds",
	  .type = BH_OPTION_I64,
	  .max = PRESERVE_FDS_MAX,
	  BH_OPTION_AT(struct exec_options, preserve_fds),
	  .fallback = "0",
	  .value = "N",
	  .help = "pass N more descriptors to the process, after stdio and $LISTEN_FDS" },
	{ .name = "cgroup",
	  .type = BH_OPTION_STRINGS,
	  BH_OPTION_AT(struct exec_options, cgroup),
	  .value = "[CONTROLLER:]PATH",
	  .help = "put the process into this existing cgroup below the container's" },
	{ .name = "ignore-paused",
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct exec_options, ignore_paused),
	  .help = "allow it in a paused container; the process runs when that is resumed" },
};

static int refuse(struct bh_err *err, const char *text)
{
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "%s", text);
}

/* ---- the process document: from a file, or the container's own with changes -------------- */

static int parse_id(const char *text, const char *what, uint32_t *ret, struct bh_err *err)
{
	int64_t v;

	if (bh_quantity_i64(text, &v) < 0 || v < 0 || v > ID_MAX)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "bad %s: %s", what, text);
	*ret = (uint32_t)v;
	return 0;
}

static int set_user(struct bh_arena *arena, const char *text, struct bh_user *user,
		    struct bh_err *err)
{
	char *uid = bh_arena_strdup(arena, text), *colon;
	int r;

	if (!uid)
		return bh_err_oom(err);
	colon = strchr(uid, ':');
	if (colon) {
		*colon = '\0';
		r = parse_id(colon + 1, "gid", &user->gid, err);
		if (r < 0)
			return r;
	}
	return parse_id(uid, "uid", &user->uid, err);
}

static int add_gids(struct bh_arena *arena, const struct bh_strv *gids, struct bh_user *user,
		    struct bh_err *err)
{
	size_t n = user->additional_gids.n;
	uint32_t *v;

	if (!gids->n)
		return 0;
	v = bh_arena_grow(arena, user->additional_gids.v, n, n + gids->n, sizeof(*v));
	if (!v)
		return bh_err_oom(err);
	for (size_t i = 0; i < gids->n; i++) {
		int r = parse_id(gids->v[i], "additional gid", &v[n + i], err);

		if (r < 0)
			return r;
	}
	user->additional_gids.v = v;
	user->additional_gids.n = n + gids->n;
	return 0;
}

/* An ambient capability must be inheritable too, which --cap does not make it: so it is only asked
 * for where the configuration knows inheritable ones at all. */
static void add_caps(const struct bh_strv *names, struct bh_caps *caps)
{
	for (size_t i = 0; i < names->n; i++) {
		int64_t n = bh_names_find(&bh_names_capability, names->v[i], -1);
		uint64_t bit;

		if (n < 0) {
			bh_warn("unknown capability \"%s\", ignoring", names->v[i]);
			continue;
		}
		bit = UINT64_C(1) << n;
		caps->set = true;
		caps->bounding |= bit;
		caps->effective |= bit;
		caps->permitted |= bit;
		if (caps->inheritable)
			caps->ambient |= bit;
	}
}

/* @more appended to @list; v[n] stays NULL. */
static int append(struct bh_arena *arena, struct bh_strv *list, const struct bh_strv *more,
		  struct bh_err *err)
{
	const char **v;

	if (!more->n)
		return 0;
	v = bh_arena_grow(arena, list->v, list->n, list->n + more->n + 1, sizeof(*v));
	if (!v)
		return bh_err_oom(err);
	memcpy(v + list->n, more->v, more->n * sizeof(*v));
	list->v = v;
	list->n += more->n;
	v[list->n] = NULL;
	return 0;
}

static int apply_options(struct bh_arena *arena, const struct exec_options *o, struct bh_process *p,
			 struct bh_err *err)
{
	int r;

	if (o->cwd && *o->cwd)
		p->cwd = o->cwd;
	if (o->apparmor && *o->apparmor)
		p->apparmor_profile = o->apparmor;
	if (o->process_label && *o->process_label)
		p->selinux_label = o->process_label;
	if (o->no_new_privs.set)
		p->no_new_privileges = o->no_new_privs.v;
	p->terminal = o->tty;
	add_caps(&o->cap, &p->capabilities);
	if (!p->cwd || *p->cwd != '/')
		return refuse(err, "Cwd must be an absolute path");
	r = append(arena, &p->env, &o->env, err);
	if (r == 0 && o->user && *o->user)
		r = set_user(arena, o->user, &p->user, err);
	return r < 0 ? r : add_gids(arena, &o->additional_gids, &p->user, err);
}

static int read_process(struct bh_arena *arena, const char *path, struct bh_process *process,
			struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	size_t len;
	int r;

	r = bh_path_read(AT_FDCWD, path, BH_PATH_HOST, PROCESS_MAX_BYTES, &text, &len, err);
	if (r < 0)
		return r;
	r = bh_spec_parse_process(arena, text, len, process, err);
	return r < 0 ? bh_err_ctx(err, "%s", path) : 0;
}

static int make_process(struct bh_cli *cli, const struct bh_container *c,
			const struct exec_options *o, const struct bh_strv *args,
			struct bh_process *ret, struct bh_err *err)
{
	if (o->process && *o->process)
		return read_process(&cli->arena, o->process, ret, err);
	if (args->n < 2)
		return refuse(err, "exec args cannot be empty");
	if (!c->spec.process.set)
		return refuse(err, "process property must not be empty");
	*ret = c->spec.process;
	ret->args = (struct bh_strv){ .v = args->v + 1, .n = args->n - 1 };
	return apply_options(&cli->arena, o, ret, err);
}

/* ---- the verb ---------------------------------------------------------------------------- */

static int check_terminal(const struct bh_cli *cli, const struct exec_options *o, bool terminal,
			  struct bh_err *err)
{
	bool socket = o->console_socket && *o->console_socket;

	if (o->detach && terminal && !socket)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "cannot allocate tty if %s will detach without setting console "
				 "socket",
				 cli->program);
	if ((!o->detach || !terminal) && socket)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "cannot use console socket if %s will not detach or allocate tty",
				 cli->program);
	return 0;
}

static int make_io(struct bh_cli *cli, const struct exec_options *o, struct bh_process_io *io,
		   struct bh_err *err)
{
	if (o->console_socket && *o->console_socket)
		io->console_socket = o->console_socket;
	if (o->pidfd_socket && *o->pidfd_socket)
		io->pidfd_socket = o->pidfd_socket;
	if (o->pid_file && *o->pid_file) {
		io->pid_file = bh_cli_absolute(cli, o->pid_file, err);
		if (!io->pid_file)
			return err->code;
	}
	io->preserve_fds = (unsigned int)o->preserve_fds.v;
	return 0;
}

static int exec(struct bh_cli *cli, const struct exec_options *o, const struct bh_strv *args,
		struct bh_err *err)
{
	bh_auto_container struct bh_container *c = bh_cli_container(cli, args, err);
	struct bh_process process = { .set = false };
	struct bh_exec_opts opts = {
		.process = &process,
		.io = BH_PROCESS_IO_INIT,
		.cgroups = o->cgroup,
		.ignore_paused = o->ignore_paused,
		.detach = o->detach,
	};
	int r = c ? 0 : err->code;

	opts.io.filter_cache = cli->filter_cache;
	if (r == 0)
		r = make_process(cli, c, o, args, &process, err);
	if (r == 0)
		r = check_terminal(cli, o, process.terminal, err);
	if (r == 0)
		r = make_io(cli, o, &opts.io, err);
	if (r < 0)
		return r;
	bh_signals_reset();
	return bh_runtime_of(c)->exec(c, &opts, err);
}

static int run_exec(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		    struct bh_err *err)
{
	int r = exec(cli, options, args, err);

	return r < 0 ? bh_err_ctx(err, "exec failed") : r;
}

const struct bh_verb bh_verb_exec = {
	.name = "exec",
	.args = "CONTAINER COMMAND [ARGUMENT...] | --process FILE CONTAINER",
	.summary = "execute a new process in a container",
	.details =
		"Runs COMMAND in the container, as user and with environment, directory and "
		"privileges of the container's own process unless options say otherwise. Options "
		"come before CONTAINER. A failure of this program itself is exit status 255.",
	.set = { .options = exec_options,
		 .n = BH_ARRAY_SIZE(exec_options),
		 .stop_at_argument = true },
	.options_bytes = sizeof(struct exec_options),
	.min_args = 1,
	.max_args = BH_VERB_ANY_ARGS,
	.flags = BH_VERB_ENTERS,
	.error_status = 255,
	.run = run_exec,
};
