/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead-installer: see installer.h. Exit status 0, or 1 after one line of error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/capture.h"
#include "base/path.h"
#include "installer/installer.h"
#include "installer/pool.h"
#include "installer/textdiff.h"

#define MIB          (1 << 20)
#define POOL_SERVICE "bulkhead-pool.service"

struct node {
	struct bh_install_options options;
	struct bh_install_plan plan;
	struct bh_pool pool;
	bool has_pool, makes_pool;
	const char *docker_verb; /* what makes Docker follow its file, by systemctl(1) */
	struct bh_buf out;
};

/* ---- telling --------------------------------------------------------------------------------- */

/* What is known so far, before anything that takes long or fails. */
static void flush(struct node *n)
{
	(void)!bh_fd_write(STDOUT_FILENO, bh_buf_str(&n->out), n->out.len);
	bh_buf_deinit(&n->out);
}

static void tell_steps(struct node *n)
{
	for (size_t i = 0; i < n->plan.n; i++) {
		const struct bh_install_step *s = &n->plan.steps[i];

		if (bh_install_step_changes(s))
			bh_buf_printf(&n->out, "  %s: %s %s\n", s->what,
				      s->remove       ? "remove"
				      : !s->file.text ? "new file"
						      : "edit",
				      s->file.path);
	}
}

static void tell_diffs(struct node *n)
{
	for (size_t i = 0; i < n->plan.n; i++) {
		const struct bh_install_step *s = &n->plan.steps[i];
		const char *old = s->file.text ? s->file.text : "";

		bh_textdiff(s->file.text ? s->file.path : "/dev/null", old,
			    s->remove ? "/dev/null" : s->file.path,
			    s->remove ? "" : bh_buf_str(&s->text), &n->out);
	}
}

static bool anything_changes(const struct node *n)
{
	for (size_t i = 0; i < n->plan.n; i++)
		if (bh_install_step_changes(&n->plan.steps[i]))
			return true;
	return false;
}

static void tell_notes(struct node *n)
{
	if (n->plan.notes.len)
		bh_buf_printf(&n->out, "note:\n%s", bh_buf_str(&n->plan.notes));
}

/* ---- daemons --------------------------------------------------------------------------------- */

static int systemctl(const char *verb, const char *unit, struct bh_err *err)
{
	const char *const argv[] = { "systemctl", verb, unit, NULL };
	bh_auto_free char *said = NULL;

	return bh_capture(argv, &said, err);
}

/* containerd reads its configuration at its start alone. Docker reads its runtimes again, but keeps
 * a default one that its file does not name any more. */
static int restart(struct node *n, struct bh_err *err)
{
	int r = 0;

	if (n->plan.has_containerd) {
		r = systemctl("restart", "containerd", err);
		bh_buf_puts(&n->out, r == 0 ? "containerd: restart done\n" : "");
	}
	if (r == 0 && n->plan.has_docker) {
		r = systemctl(n->docker_verb, "docker", err);
		if (r == 0)
			bh_buf_printf(&n->out, "docker: %s done\n", n->docker_verb);
	}
	return r;
}

static void tell_restart(struct node *n)
{
	if (n->options.restart)
		return;
	if (n->plan.has_containerd)
		bh_buf_puts(&n->out, "to do: systemctl restart containerd\n");
	if (n->plan.has_docker)
		bh_buf_printf(&n->out, "to do: systemctl %s docker\n", n->docker_verb);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static bool is_containerd(const struct bh_install_step *s)
{
	return !strncmp(s->what, "containerd", strlen("containerd"));
}

static void revert(struct node *n, size_t steps)
{
	struct bh_err err = BH_ERR_INIT;

	for (size_t i = steps; i-- > 0;)
		if (bh_install_step_changes(&n->plan.steps[i]) &&
		    bh_install_step_revert(&n->plan.steps[i], &err) < 0)
			bh_buf_printf(&n->out, "could not put %s back: %s\n",
				      n->plan.steps[i].file.path, err.text);
}

/* All files, or none. */
static int apply_steps(struct node *n, struct bh_err *err)
{
	const char *config = NULL;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < n->plan.n; i++) {
		const struct bh_install_step *s = &n->plan.steps[i];

		config = !config && is_containerd(s) ? s->file.path : config;
		if (bh_install_step_changes(s))
			r = bh_install_step_apply(s, &n->out, err);
	}
	if (r == 0 && n->plan.has_containerd && config)
		r = bh_install_accepts(config, err);
	if (r < 0)
		revert(n, i);
	return r;
}

/* ---- pool ------------------------------------------------------------------------------------ */

static int plan_pool(struct node *n, struct bh_err *err)
{
	const struct bh_install_options *o = &n->options;
	int r = bh_pool_load(&n->pool, err);

	n->has_pool = r == 0;
	if (r < 0 && r != -ENOENT)
		return r;
	if (n->has_pool && o->device && strcmp(o->device, n->pool.device) != 0)
		return bh_err_as(err, BH_ERR_STATE, -EEXIST,
				 "the node has a pool already, on '%s'; see `bulkhead node "
				 "uninstall`",
				 n->pool.device[0] ? n->pool.device : n->pool.file);
	if (n->has_pool || (!o->device && !o->pool_bytes))
		return 0;
	n->makes_pool = true;
	return bh_pool_plan(o->device, o->pool_bytes, &n->pool, err);
}

static const char *pool_place(const struct node *n)
{
	return n->pool.device[0] ? n->pool.device : n->pool.file;
}

static int make_pool(struct node *n, struct bh_err *err)
{
	struct bh_err why = BH_ERR_INIT;
	int r = bh_pool_make(&n->pool, err);

	if (r < 0)
		return bh_err_ctx(err, "make the thin pool on '%s'", pool_place(n));
	bh_buf_printf(&n->out, "made the thin pool " BH_POOL_NAME " on %s\n", pool_place(n));
	if (systemctl("enable", POOL_SERVICE, &why) < 0)
		bh_buf_printf(&n->out, "not started at boot: %s\n", why.text);
	return 0;
}

static int check_pool_unused(const struct node *n, struct bh_err *err)
{
	int64_t used = 0;
	int r = n->has_pool ? bh_pool_used(&used, err) : 0;

	if (r < 0 || used == 0 || n->options.discard_pool)
		return r;
	return bh_err_as(err, BH_ERR_STATE, -EBUSY,
			 "the thin pool holds %lld MiB of images and containers: remove those of "
			 "containerd's snapshotter devmapper, or say --discard-pool",
			 (long long)(used / MIB));
}

static int destroy_pool(struct node *n, struct bh_err *err)
{
	struct bh_err ignored = BH_ERR_INIT;
	int r = bh_pool_destroy(&n->pool, err);

	if (r < 0)
		return r;
	bh_buf_printf(&n->out, "removed the thin pool of %s\n", pool_place(n));
	(void)!systemctl("disable", POOL_SERVICE, &ignored);
	return 0;
}

/* ---- verbs ----------------------------------------------------------------------------------- */

static int verb_check(struct node *n, struct bh_err *err)
{
	return bh_install_check(&n->options, &n->out, err);
}

static int apply_install(struct node *n, bool changes, struct bh_err *err)
{
	int r = n->makes_pool ? make_pool(n, err) : 0;

	flush(n);
	r = r < 0 ? r : apply_steps(n, err);
	if (r < 0)
		return bh_err_ctx(err, "the files are as they were");
	if (changes)
		tell_restart(n);
	flush(n);
	if (!n->options.restart)
		return 0;
	r = changes ? restart(n, err) : 0;
	flush(n);
	return r < 0 || !n->plan.has_containerd ? r : verb_check(n, err);
}

static int verb_install(struct node *n, struct bh_err *err)
{
	int r = plan_pool(n, err);
	bool changes;

	n->docker_verb = "reload";
	n->plan.wants_pool = n->has_pool || n->makes_pool;
	r = r < 0 ? r : bh_install_plan_install(&n->options, &n->plan, err);
	if (r < 0)
		return r;
	changes = anything_changes(n);
	bh_buf_puts(&n->out, changes || n->makes_pool ? "plan:\n" : "nothing to do\n");
	if (n->makes_pool)
		bh_buf_printf(&n->out, "  thin pool: " BH_POOL_NAME ", %lld MiB, on %s\n",
			      (long long)(n->pool.bytes / MIB), pool_place(n));
	tell_steps(n);
	tell_notes(n);
	if (n->options.dry_run) {
		tell_diffs(n);
		return 0;
	}
	return apply_install(n, changes, err);
}

static int verb_uninstall(struct node *n, struct bh_err *err)
{
	int r = bh_pool_load(&n->pool, err);
	bool changes;

	n->docker_verb = "restart";
	n->has_pool = r == 0;
	r = r == -ENOENT ? 0 : r;
	r = r < 0 ? r : check_pool_unused(n, err);
	r = r < 0 ? r : bh_install_plan_uninstall(&n->options, &n->plan, err);
	if (r < 0)
		return r;
	changes = anything_changes(n);
	bh_buf_puts(&n->out, changes || n->has_pool ? "plan:\n" : "nothing to do\n");
	tell_steps(n);
	if (n->has_pool)
		bh_buf_printf(&n->out, "  thin pool: remove that of %s\n", pool_place(n));
	tell_notes(n);
	if (n->options.dry_run) {
		tell_diffs(n);
		return 0;
	}
	flush(n);
	for (size_t i = 0; r == 0 && i < n->plan.n; i++)
		if (bh_install_step_changes(&n->plan.steps[i]))
			r = bh_install_step_apply(&n->plan.steps[i], &n->out, err);
	if (r == 0 && changes) {
		tell_restart(n);
		r = n->options.restart ? restart(n, err) : 0;
	}
	return r < 0 || !n->has_pool ? r : destroy_pool(n, err);
}

/* Of bulkhead-pool.service. */
static int verb_pool(struct node *n, struct bh_err *err, bool start)
{
	int r = bh_pool_load(&n->pool, err);

	if (r == -ENOENT)
		return bh_err_as(err, BH_ERR_STATE, r, "the node has no pool");
	r = r < 0 ? r : start ? bh_pool_start(&n->pool, err) : bh_pool_stop(&n->pool, err);
	return r;
}

static int verb_pool_start(struct node *n, struct bh_err *err)
{
	return verb_pool(n, err, true);
}

static int verb_pool_stop(struct node *n, struct bh_err *err)
{
	return verb_pool(n, err, false);
}

static const struct {
	const char *name;
	int (*run)(struct node *n, struct bh_err *err);
} verbs[] = {
	{ "install", verb_install },       { "uninstall", verb_uninstall }, { "check", verb_check },
	{ "pool-start", verb_pool_start }, { "pool-stop", verb_pool_stop },
};

/* ---- words ----------------------------------------------------------------------------------- */

enum word_type { WORD_FLAG = 0, WORD_TEXT, WORD_NUMBER };

#define AT(member) offsetof(struct bh_install_options, member)

static const struct {
	const char *name;
	enum word_type type;
	size_t offset;
} words[] = {
	{ "dry-run", WORD_FLAG, AT(dry_run) },
	{ "restart", WORD_FLAG, AT(restart) },
	{ "discard-pool", WORD_FLAG, AT(discard_pool) },
	{ "bin", WORD_TEXT, AT(bin) },
	{ "engine", WORD_TEXT, AT(engine) },
	{ "containerd", WORD_TEXT, AT(containerd) },
	{ "docker", WORD_TEXT, AT(docker) },
	{ "address", WORD_TEXT, AT(address) },
	{ "device", WORD_TEXT, AT(device) },
	{ "pool-file", WORD_NUMBER, AT(pool_bytes) },
};

static int read_word(struct bh_install_options *o, const char *word, struct bh_err *err)
{
	size_t len = strcspn(word, "=");

	for (size_t i = 0; i < BH_ARRAY_SIZE(words); i++) {
		char *at = (char *)o + words[i].offset;
		const char *value = word + len + (word[len] == '=');

		if (strlen(words[i].name) != len || strncmp(words[i].name, word, len) != 0)
			continue;
		if (words[i].type == WORD_FLAG)
			*(bool *)at = true;
		else if (words[i].type == WORD_TEXT)
			*(const char **)at = value;
		else
			*(int64_t *)at = strtoll(value, NULL, 10);
		return 0;
	}
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "unknown word '%s'", word);
}

static int run(struct node *n, int argc, char **argv, struct bh_err *err)
{
	int r = 0;

	for (int i = 2; r == 0 && i < argc; i++)
		r = read_word(&n->options, argv[i], err);
	for (size_t i = 0; r == 0 && argc > 1 && i < BH_ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].name, argv[1]))
			return verbs[i].run(n, err);
	return r < 0 ? r
		     : bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "called by `bulkhead node`; see bulkhead-node(8)");
}

int main(int argc, char **argv)
{
	struct node n = { .options = { .bin = "/usr/bin",
				       .engine = "all",
				       .containerd = "/etc/containerd/config.toml",
				       .docker = "/etc/docker/daemon.json",
				       .address = "/run/containerd/containerd.sock" },
			  .plan = { .n = 0 },
			  .out = BH_BUF_INIT };
	struct bh_err err = BH_ERR_INIT;
	char text[BH_ERR_LINE_BYTES];
	int r = run(&n, argc, argv, &err);

	flush(&n);
	if (r < 0)
		fprintf(stderr, "bulkhead node: %s\n", bh_err_format(&err, text, sizeof(text)));
	bh_install_plan_deinit(&n.plan);
	return r < 0;
}
