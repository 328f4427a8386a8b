/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs checkpoint and restore. Bulkhead does not support them and `features` says so; their
 * options are known so that a caller gets that answer and not one about the first option.
 */
#include "cli/verbs.h"

/* All values go to the same place: nobody reads them. */
struct ignored {
	union {
		bool flag;
		const char *text;
		struct bh_strv list;
		struct bh_opt_i64 number;
	};
};

#define FLAG(option_name, text)                                           \
	{                                                                 \
		.name = option_name, .type = BH_OPTION_FLAG, .help = text \
	}
#define TEXT(option_name, value_name, text)                                                      \
	{                                                                                        \
		.name = option_name, .type = BH_OPTION_STRING, .value = value_name, .help = text \
	}

static const struct bh_option checkpoint_options[] = {
	TEXT("image-path", "DIR", "directory of the image"),
	TEXT("work-path", "DIR", "directory of work files and logs"),
	TEXT("parent-path", "DIR", "directory of the image before"),
	FLAG("leave-running", "leave the container running"),
	FLAG("tcp-established", "allow established TCP connections"),
	FLAG("tcp-skip-in-flight", "skip TCP connections that are being made"),
	FLAG("link-remap", "link unlinked files back"),
	FLAG("ext-unix-sk", "allow external Unix sockets"),
	FLAG("shell-job", "allow shell jobs"),
	FLAG("lazy-pages", "restore memory lazily"),
	TEXT("status-fd", "FD", "descriptor that is told when lazy pages are ready"),
	TEXT("page-server", "ADDRESS:PORT", "page server"),
	FLAG("file-locks", "handle file locks"),
	FLAG("pre-dump", "only the memory, leave the container running"),
	TEXT("manage-cgroups-mode", "MODE", "soft, full, strict or ignore"),
	TEXT("empty-ns", "NAMESPACE", "make this namespace anew"),
	FLAG("auto-dedup", "deduplicate memory images"),
};

static const struct bh_option restore_options[] = {
	{ .name = "bundle",
	  .short_name = 'b',
	  .type = BH_OPTION_STRING,
	  .value = "DIR",
	  .help = "directory that holds config.json" },
	TEXT("console-socket", "SOCKET", "Unix socket that receives the terminal's master"),
	{ .name = "detach",
	  .short_name = 'd',
	  .type = BH_OPTION_FLAG,
	  .help = "leave the container running and return" },
	TEXT("pid-file", "FILE", "write the process id to FILE"),
	FLAG("no-pivot", "do not use pivot_root(2)"),
	FLAG("no-subreaper", "do not adopt processes that the container leaves behind"),
	TEXT("image-path", "DIR", "directory of the image"),
	TEXT("work-path", "DIR", "directory of work files and logs"),
	FLAG("tcp-established", "allow established TCP connections"),
	FLAG("ext-unix-sk", "allow external Unix sockets"),
	FLAG("shell-job", "allow shell jobs"),
	FLAG("file-locks", "handle file locks"),
	TEXT("manage-cgroups-mode", "MODE", "soft, full, strict or ignore"),
	TEXT("empty-ns", "NAMESPACE", "make this namespace anew"),
	FLAG("auto-dedup", "deduplicate memory images"),
	FLAG("lazy-pages", "restore memory lazily"),
	TEXT("lsm-profile", "TYPE:NAME", "LSM profile of the processes"),
	TEXT("lsm-mount-context", "CONTEXT", "LSM context of the mounts"),
};

static int run_checkpoint(struct bh_cli *cli, const void *options, const struct bh_strv *args,
			  struct bh_err *err)
{
	(void)options;
	(void)args;
	return bh_err_as(err, BH_ERR_SPEC, -EOPNOTSUPP, "checkpoint is not supported by %s",
			 cli->program);
}

static int run_restore(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		       struct bh_err *err)
{
	(void)options;
	(void)args;
	return bh_err_as(err, BH_ERR_SPEC, -EOPNOTSUPP, "restore is not supported by %s",
			 cli->program);
}

const struct bh_verb bh_verb_checkpoint = {
	.name = "checkpoint",
	.args = "CONTAINER",
	.summary = "not supported: answers with an error",
	BH_VERB_OPTIONS(checkpoint_options, struct ignored),
	.min_args = 1,
	.max_args = 1,
	.run = run_checkpoint,
};

const struct bh_verb bh_verb_restore = {
	.name = "restore",
	.args = "CONTAINER",
	.summary = "not supported: answers with an error",
	BH_VERB_OPTIONS(restore_options, struct ignored),
	.min_args = 1,
	.max_args = 1,
	.run = run_restore,
};
