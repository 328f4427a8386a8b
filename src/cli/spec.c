/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs about documents: spec, features. */
#include <fcntl.h>

#include "base/path.h"
#include "cli/runtime.h"
#include "cli/verbs.h"
#include "container/features.h"
#include "oci/default_spec.h"

#define CONFIG "config.json"

struct spec_options {
	const char *bundle;
	bool rootless;
};

static const struct bh_option spec_options[] = {
	{ .name = "bundle",
	  .short_name = 'b',
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct spec_options, bundle),
	  .value = "DIR",
	  .help = "directory to write " CONFIG " to (default: the working directory)" },
	{ .name = "rootless",
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct spec_options, rootless),
	  .help = "for a user without privileges" },
};

static int run_spec(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		    struct bh_err *err)
{
	const struct spec_options *o = options;
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	bh_auto_close int fd = -EBADF;
	int r;

	(void)cli;
	(void)args;
	if (o->bundle && *o->bundle && chdir(o->bundle) < 0)
		return bh_err_set(err, -errno, "chdir %s", o->bundle);
	bh_spec_default_json(o->rootless, bh_cgroup_host_mode() == 2, &out);
	if (out.failed)
		return bh_err_oom(err);
	fd = bh_path_open(AT_FDCWD, CONFIG, O_WRONLY | O_CREAT | O_EXCL, 0666, BH_PATH_HOST, err);
	if (fd == -EEXIST)
		return bh_err_as(err, BH_ERR_STATE, fd, "File " CONFIG " exists. Remove it first");
	if (fd < 0)
		return fd;
	r = bh_fd_write(fd, out.data, out.len);
	return r < 0 ? bh_err_set(err, r, "write " CONFIG) : 0;
}

const struct bh_verb bh_verb_spec = {
	.name = "spec",
	.args = "",
	.summary = "write a " CONFIG " to start from",
	.details =
		"It runs sh from the directory rootfs beside it. An existing file is left alone.",
	BH_VERB_OPTIONS(spec_options, struct spec_options),
	.run = run_spec,
};

static int run_features(struct bh_cli *cli, const void *options, const struct bh_strv *args,
			struct bh_err *err)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;

	(void)options;
	(void)args;
	bh_container_features_json(cli->runtime == &bh_runtime_vm, &out);
	return bh_buf_print(&out, err);
}

const struct bh_verb bh_verb_features = {
	.name = "features",
	.args = "",
	.summary = "print what this runtime can do as JSON",
	.run = run_features,
};
