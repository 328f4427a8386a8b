/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead: the OCI runtime's command line.
 *
 *	options before the verb → protected copy of the program where a container is entered →
 *	log, root → options of the verb → the verb → one error line, exit status
 *
 * All that users can type is in tables: the global options below, the verbs in verbs.c.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/path.h"
#include "cli/cli.h"
#include "cli/help.h"
#include "cli/rootless.h"
#include "cli/runtime.h"
#include "container/self_protect.h"

#define DEFAULT_ROOT "/run/bulkhead"

struct global_options {
	bool debug, systemd_cgroup, version;
	const char *log, *log_format, *log_level, *root, *rootless, *cgroup_manager, *criu;
	const char *runtime, *accelerator, *guest, *config;
};

static const char *const log_formats[] = { "text", "json", NULL };
static const char *const log_levels[] = { "error", "warning", "info", "debug", NULL };
static const char *const cgroup_managers[] = { "cgroupfs", "systemd", "disabled", NULL };
static const char *const accelerators[] = { "kvm", "emulation", "auto", NULL };
static const char *const rootless_choices[] = { "true", "false", "auto", NULL };

static const struct bh_option global_options[] = {
	{ .name = "config",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct global_options, config),
	  .value = "FILE",
	  .help = "read FILE and FILE.d/ instead of the node's configuration; \"\": none (default: "
		  "$" BH_CONFIG_ENV ", else " BH_CONFIG_FILE ")" },
	{ .name = "debug",
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct global_options, debug),
	  .help = "log at level debug" },
	{ .name = "log",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct global_options, log),
	  .value = "FILE",
	  .help = "append log lines to FILE instead of standard error" },
	{ .name = "log-format",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct global_options, log_format),
	  .choices = log_formats,
	  .value = "FORMAT",
	  .help = "format of log lines: text or json (default: text)" },
	{ .name = "log-level",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct global_options, log_level),
	  .choices = log_levels,
	  .value = "LEVEL",
	  .help = "least important level that is logged: error, warning, info or debug "
		  "(default: info)" },
	{ .name = "root",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct global_options, root),
	  .value = "DIR",
	  .help = "directory of the containers' states, best on a tmpfs (default: " DEFAULT_ROOT
		  ", or bulkhead below $XDG_RUNTIME_DIR when not root)" },
	{ .name = "systemd-cgroup",
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct global_options, systemd_cgroup),
	  .help = "let systemd make the cgroups; cgroupsPath is then \"slice:prefix:name\"" },
	{ .name = "cgroup-manager",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct global_options, cgroup_manager),
	  .choices = cgroup_managers,
	  .value = "MANAGER",
	  .help = "who makes the cgroups: cgroupfs, systemd or disabled (default: cgroupfs)" },
	{ .name = "runtime",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct global_options, runtime),
	  .choices = bh_runtime_names,
	  .value = "NAME",
	  .help = "of new containers: runc (on this kernel) or kata (in a micro-VM with a kernel "
		  "of its own) (default: runc)" },
	{ .name = "accelerator",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct global_options, accelerator),
	  .choices = accelerators,
	  .value = "NAME",
	  .help = "of new micro-VMs: kvm, emulation (slow), or auto: emulation where KVM does not "
		  "work (default: kvm)" },
	{ .name = "guest",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct global_options, guest),
	  .value = "DIR",
	  .help = "kernel and initramfs of new micro-VMs" },
	{ .name = "rootless",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct global_options, rootless),
	  .choices = rootless_choices,
	  .value = "true|false|auto",
	  .help = "tolerate cgroups that may not be written (default: auto)" },
	{ .name = "criu",
	  .type = BH_OPTION_STRING,
	  .flags = BH_OPTION_HIDDEN,
	  BH_OPTION_AT(struct global_options, criu),
	  .value = "PATH",
	  .help = "ignored" },
	{ .name = "version",
	  .short_name = 'v',
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct global_options, version),
	  .help = "print the version" },
};

const struct bh_option_set bh_global_options = {
	.options = global_options,
	.n = BH_ARRAY_SIZE(global_options),
	.stop_at_argument = true,
};

/* A closed 0, 1 or 2 would be given to the next file that is opened, and to the container. */
static int open_missing_stdio(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		if (bh_path_try_open(AT_FDCWD, "/dev/null", O_RDWR, 0, BH_PATH_HOST) != fd)
			return -EBADF;
		if (fcntl(fd, F_SETFD, 0) < 0)
			return -errno;
	}
	return 0;
}

/* Where errors go before it is known what the configuration says of it. */
static int open_log_early(const struct global_options *o)
{
	const bool json = o->log_format && !strcmp(o->log_format, "json");

	return bh_log_open(o->log && *o->log ? o->log : NULL, json ? BH_LOG_JSON : BH_LOG_TEXT,
			   BH_LOG_INFO, NULL);
}

static int open_log(const struct bh_config *config, struct bh_err *err)
{
	return bh_log_open(config->log.file, config->log.format, config->log.level, err);
}

/* The XDG base directory specification has what lacks the sticky bit cleaned up behind our back. */
static int make_user_root(const char *root, struct bh_err *err)
{
	bh_auto_close int fd = -EBADF;

	if (mkdir(root, 0700) < 0 && errno != EEXIST)
		return bh_err_set(err, -errno, "make '%s' below $XDG_RUNTIME_DIR", root);
	fd = bh_path_open(AT_FDCWD, root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, BH_PATH_HOST,
			  err);
	if (fd < 0)
		return fd;
	if (fchmod(fd, 01700) < 0)
		return bh_err_set(err, -errno, "set the sticky bit of '%s'", root);
	return 0;
}

/* Where states are unless told otherwise. Return: NULL when out of memory */
static const char *default_root(struct bh_cli *cli)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");

	if (!runtime_dir || !*runtime_dir || !bh_rootless_user())
		return DEFAULT_ROOT;
	return bh_arena_printf(&cli->arena, "%s/bulkhead", runtime_dir);
}

static int add_root(struct bh_cli *cli, const char *root, struct bh_err *err)
{
	if (bh_strv_has(&cli->roots, root))
		return 0;
	if (strcmp(root, "/") == 0)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "Option --root argument should not be set to /");
	return bh_strv_add(&cli->arena, &cli->roots, root) < 0 ? bh_err_oom(err) : 0;
}

/* Where handlers have places of their own, containers of any of them are found by their ids. */
static int add_roots(struct bh_cli *cli, const char *fallback, struct bh_err *err)
{
	struct bh_config config;
	int r = add_root(cli, cli->root, err);

	/* Without files all handlers are alike. */
	for (size_t i = 0; r == 0 && cli->settings.files.n && bh_config_handlers[i]; i++) {
		r = bh_config_resolve(&cli->settings, bh_config_handlers[i], NULL, &config, NULL,
				      err);
		if (r == 0)
			r = add_root(cli, config.root ? config.root : fallback, err);
	}
	return r;
}

static int set_roots(struct bh_cli *cli, struct bh_err *err)
{
	const char *root = default_root(cli);

	/* One cache of filters for all roots: each engine has its own of those. No id starts with
	 * "@". */
	cli->filter_cache = root ? bh_arena_printf(&cli->arena, "%s/@seccomp", root) : NULL;
	if (!cli->filter_cache)
		return bh_err_oom(err);
	cli->root = cli->config.root ? cli->config.root : root;
	if (cli->root == root && strcmp(root, DEFAULT_ROOT) != 0) {
		int r = make_user_root(root, err);

		if (r < 0)
			return r;
	}
	return add_roots(cli, root, err);
}

/* What the command line says of keys wins over files. */
static int add_flag(struct bh_cli *cli, const char *key, const char *value, const char *flag,
		    struct bh_err *err)
{
	int r = value ? bh_config_flag(&cli->settings, key, value, flag, err) : 0;

	return r < 0 ? bh_err_ctx(err, "%s", flag) : 0;
}

/* The same of a path, which may be relative. */
static int add_path(struct bh_cli *cli, const char *key, const char *path, const char *flag,
		    struct bh_err *err)
{
	const char *absolute = path && *path ? bh_cli_absolute(cli, path, err) : NULL;

	if (path && *path && !absolute)
		return err->code;
	return add_flag(cli, key, absolute, flag, err);
}

static int add_flags(struct bh_cli *cli, const struct global_options *o, struct bh_err *err)
{
	const struct {
		const char *key, *value, *flag;
	} texts[] = {
		{ "log.format", o->log_format, "--log-format" },
		{ "log.level", o->log_level, "--log-level" },
		{ "log.level", o->debug ? "debug" : NULL, "--debug" },
		{ "cgroup-manager", o->cgroup_manager, "--cgroup-manager" },
		{ "cgroup-manager", o->systemd_cgroup ? "systemd" : NULL, "--systemd-cgroup" },
		{ "runtime", o->runtime, "--runtime" },
		{ "accelerator", o->accelerator, "--accelerator" },
		{ "rootless", o->rootless, "--rootless" },
	};
	int r = 0;

	if (o->systemd_cgroup && o->cgroup_manager && strcmp(o->cgroup_manager, "systemd") != 0)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "--systemd-cgroup contradicts --cgroup-manager %s",
				 o->cgroup_manager);
	for (size_t i = 0; i < BH_ARRAY_SIZE(texts) && r == 0; i++)
		r = add_flag(cli, texts[i].key, texts[i].value, texts[i].flag, err);
	r = r < 0 ? r : add_path(cli, "log.file", o->log, "--log", err);
	r = r < 0 ? r : add_path(cli, "root", o->root, "--root", err);
	return r < 0 ? r : add_path(cli, "guest", o->guest, "--guest", err);
}

/* What holds for the runtime of new containers. */
static int resolve(struct bh_cli *cli, struct bh_err *err)
{
	int r = bh_config_resolve(&cli->settings, NULL, NULL, &cli->config, NULL, err);

	if (r < 0)
		return r;
	cli->runtime = bh_runtime_named(cli->config.runtime);
	return bh_config_resolve(&cli->settings, cli->config.runtime, NULL, &cli->config, NULL,
				 err);
}

/* With a configuration that has mistakes nothing is made; what is there can be seen and removed,
 * by what of it is right. */
static int judge_config(const struct bh_cli *cli, const struct bh_verb *verb, struct bh_err *err)
{
	if (cli->unread.code >= 0 || (verb && verb->flags & BH_VERB_CONFIG))
		return 0;
	if (!verb || verb->flags & BH_VERB_MAKES) {
		*err = cli->unread;
		return err->code;
	}
	bh_warn("%s", cli->unread.text);
	return 0;
}

static int apply_globals(struct bh_cli *cli, const struct global_options *o,
			 const struct bh_verb *verb, struct bh_err *err)
{
	int r;

	cli->config_file = o->config;
	(void)(bh_config_load(&cli->settings, o->config, &cli->unread) < 0);
	r = add_flags(cli, o, err);
	r = r < 0 ? r : resolve(cli, err);
	r = r < 0 ? r : open_log(&cli->config, err);
	r = r < 0 ? r : judge_config(cli, verb, err);
	if (r < 0)
		return r;
	if (o->criu)
		bh_warn("--criu is obsolete, ignoring");
	cli->cgroup_manager = cli->config.cgroup_manager == BH_CGROUP_AUTO
				      ? BH_CGROUP_FS
				      : cli->config.cgroup_manager;
	return set_roots(cli, err);
}

static int check_args(const struct bh_cli *cli, const struct bh_verb *verb, size_t n,
		      struct bh_err *err)
{
	const char *how = n < verb->min_args ? "a minimum of" : "a maximum of";
	unsigned int want = n < verb->min_args ? verb->min_args : verb->max_args;

	if (n >= verb->min_args && (verb->max_args == BH_VERB_ANY_ARGS || n <= verb->max_args))
		return 0;
	if (verb->min_args == verb->max_args)
		how = "exactly";
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
			 "%s: \"%s\" requires %s %u argument(s); see '%s %s --help'", cli->argv0,
			 verb->name, how, want, cli->program, verb->name);
}

/* The verb with its own options and arguments. Return: exit status, or -errno with @err. */
static int run_verb(struct bh_cli *cli, const struct bh_verb *verb, int argc, char **argv,
		    bool *running, struct bh_err *err)
{
	void *options = bh_arena_alloc(&cli->arena, verb->options_bytes);
	struct bh_option_set set = verb->set;
	struct bh_strv args;
	int r;

	if (!options)
		return bh_err_oom(err);
	set.before = &bh_global_options;
	r = bh_option_parse(&cli->arena, &set, argc, argv, options, &args, err);
	if (r == BH_OPTION_E_HELP)
		return bh_help_verb(cli, verb, err);
	if (r < 0)
		return bh_err_ctx(err, "%s %s: Incorrect Usage", cli->program, verb->name);
	r = check_args(cli, verb, args.n, err);
	if (r < 0)
		return r;
	*running = true;
	return verb->run(cli, options, &args, err);
}

static int run(struct bh_cli *cli, int argc, char **argv, int *error_status, struct bh_err *err)
{
	struct global_options globals = { .debug = false };
	const struct bh_verb *verb;
	bool running = false;
	struct bh_strv args;
	int r;

	r = bh_option_parse(&cli->arena, &bh_global_options, argc - 1, argv + 1, &globals, &args,
			    err);
	if (r < 0)
		return bh_err_ctx(err, "%s: Incorrect Usage", cli->program);
	if (r == BH_OPTION_E_HELP || (!args.n && !globals.version))
		return bh_help_program(cli, err);
	if (globals.version)
		return bh_help_version(cli, err);
	verb = bh_verb_find(args.v[0]);
	if (verb && verb->flags & BH_VERB_ENTERS)
		r = bh_self_protect(argv, "bulkhead", err);
	if (r < 0)
		return open_log_early(&globals) < 0 ? err->code : r;
	r = apply_globals(cli, &globals, verb, err);
	if (r < 0)
		return r;
	if (!verb)
		return bh_help_unknown(args.v[0], err);
	r = run_verb(cli, verb, (int)args.n - 1, argv + argc - (args.n - 1), &running, err);
	if (running && verb->error_status)
		*error_status = verb->error_status;
	return r;
}

int main(int argc, char **argv)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_cli cli = {
		.arena = BH_ARENA_INIT,
		.settings = BH_CONFIG_SET_INIT,
		.unread = BH_ERR_INIT,
		.argv0 = argc > 0 ? argv[0] : "bulkhead",
	};
	const char *slash = strrchr(cli.argv0, '/');
	int r, error_status = 1;

	if (argc < 1 || open_missing_stdio() < 0)
		return 1;
	cli.program = slash ? slash + 1 : cli.argv0;
	r = run(&cli, argc, argv, &error_status, &err);
	if (r < 0)
		bh_log_report(&err);
	bh_config_set_deinit(&cli.settings);
	bh_arena_deinit(&cli.arena);
	return r < 0 ? error_status : r;
}
