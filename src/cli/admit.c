/* SPDX-License-Identifier: Apache-2.0 */
/* The verb that judges Kubernetes manifests by the rules of the runtimes. */
#include "admit/admit.h"

#include <fcntl.h>
#include <string.h>

#include "base/path.h"
#include "cli/verbs.h"

/* Exit statuses; 0: each template may run where it wants to. */
#define EXIT_REFUSED 1
#define EXIT_TROUBLE 2

#define READ_BYTES 65536

struct options {
	bool json, fix;
	const char *runtime;
};

static const char *const runtimes[] = { BH_CLASS_RUNC, BH_CLASS_KATA, NULL };

static const struct bh_option option_rows[] = {
	{ .name = "json",
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct options, json),
	  .help = "print the report as JSON" },
	{ .name = "fix",
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct options, fix),
	  .help = "print the manifest with requests and limits that are accepted; the report goes "
		  "to standard error" },
	{ .name = "runtime",
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct options, runtime),
	  .choices = runtimes,
	  .value = "NAME",
	  .help = "that all pods are meant for, whatever their runtimeClassName: runc or kata" },
};

static int read_input(const char *file, struct bh_buf *out, struct bh_err *err)
{
	bh_auto_close int opened = -EBADF;
	bh_auto_free char *chunk = malloc(READ_BYTES);
	int fd = STDIN_FILENO;
	ssize_t n;

	if (!chunk)
		return bh_err_oom(err);
	if (strcmp(file, "-") != 0)
		fd = opened = bh_path_open(AT_FDCWD, file, O_RDONLY, 0, BH_PATH_HOST, err);
	if (fd < 0)
		return fd;
	while ((n = read(fd, chunk, READ_BYTES)) > 0) {
		bh_buf_add(out, chunk, (size_t)n);
		if (out->failed)
			return bh_err_oom(err);
		if (out->len > BH_MANIFEST_BYTES_MAX)
			return bh_err_as(err, BH_ERR_SPEC, -E2BIG, "'%s' has more than %u bytes",
					 file, BH_MANIFEST_BYTES_MAX);
	}
	return n < 0 ? bh_err_set(err, -errno, "read '%s'", file) : 0;
}

/* The mended text takes the place of @text; several are documents of one stream. */
static int mend(const char *file, const struct bh_admit *admit, struct bh_buf *text,
		struct bh_buf *mended, struct bh_err *err)
{
	size_t start;
	int r;

	if (mended->len)
		bh_buf_puts(mended, mended->data[mended->len - 1] == '\n' ? "---\n" : "\n---\n");
	start = mended->len;
	r = bh_admit_fix(&admit->terms, file, bh_buf_str(text), text->len, mended, admit->out, err);
	if (r < 0)
		return bh_err_ctx(err, "%s", file);
	text->len = 0;
	bh_buf_add(text, mended->data + start, mended->len - start);
	return 0;
}

static int judge(const char *file, const struct options *o, struct bh_admit *admit,
		 struct bh_buf *mended, struct bh_err *err)
{
	bh_auto_buf struct bh_buf text = BH_BUF_INIT;
	int r = read_input(file, &text, err);

	if (r == 0 && o->fix)
		r = mend(file, admit, &text, mended, err);
	return r < 0 ? r
		     : bh_admit_text(admit, strcmp(file, "-") ? file : "stdin", bh_buf_str(&text),
				     text.len, err);
}

/* As the server of a pod judges on this node, or on one with the configuration that is named. */
static int find_terms(struct bh_cli *cli, struct bh_admit_terms *ret, struct bh_err *err)
{
	struct bh_config config;
	int r;

	if (cli->unread.code < 0) {
		*err = cli->unread;
		return err->code;
	}
	r = bh_config_resolve(&cli->settings, BH_CLASS_KATA, NULL, &config, NULL, err);
	if (r < 0)
		return r;
	ret->levels = config.rules;
	ret->overhead.v[BH_RESOURCE_CPU] = config.overhead.cpu_milli;
	ret->overhead.v[BH_RESOURCE_MEMORY] = (int64_t)config.overhead.memory;
	return 0;
}

static int run_admit(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		     struct bh_err *err)
{
	const struct options *o = options;
	bh_auto_buf struct bh_buf report = BH_BUF_INIT, mended = BH_BUF_INIT;
	struct bh_admit admit = { .out = &report, .json = o->json, .terms.runtime = o->runtime };
	int r;

	if (o->json && o->fix)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "--json is a report and --fix a manifest: one of them");
	r = find_terms(cli, &admit.terms, err);
	if (r < 0)
		return r;
	bh_admit_begin(&admit);
	for (size_t i = 0; r == 0 && i < args->n; i++)
		r = judge(args->v[i], o, &admit, &mended, err);
	if (r < 0)
		return r;
	bh_admit_end(&admit);
	if (o->fix) {
		(void)!bh_fd_write(STDERR_FILENO, bh_buf_str(&report), report.len);
		r = bh_buf_print(&mended, err);
	} else {
		r = bh_buf_print(&report, err);
	}
	if (r < 0)
		return r;
	return admit.n_faults ? EXIT_TROUBLE : admit.n_refused ? EXIT_REFUSED : 0;
}

const struct bh_verb bh_verb_admit = {
	.name = "admit",
	.args = "FILE...",
	.summary = "say which runtime takes the pods of Kubernetes manifests",
	.details = "YAML or JSON, \"-\" is standard input. A pod is meant for the runtime that its "
		   "runtimeClassName says, else for runc. What kata's rules do, and its overhead, "
		   "is as the configuration of this node, or --config before the verb, says. "
		   "Exit status: 0 when all are accepted, 1 when one is refused, 2 when something "
		   "cannot be read.",
	BH_VERB_OPTIONS(option_rows, struct options),
	.min_args = 1,
	.max_args = BH_VERB_ANY_ARGS,
	.flags = BH_VERB_FILES | BH_VERB_CONFIG,
	.error_status = EXIT_TROUBLE,
	.run = run_admit,
};
