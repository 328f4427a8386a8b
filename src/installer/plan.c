/* SPDX-License-Identifier: Apache-2.0 */
/* What would change on this node: one step a file, made from the texts alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/capture.h"
#include "installer/containerd.h"
#include "installer/docker.h"
#include "installer/installer.h"
#include "installer/marks.h"
#include "installer/pool.h"

#define DROP_IN     "bulkhead.toml"
#define DROP_IN_DIR "/etc/containerd/conf.d" /* imported by default from 2.2 on */
#define OLD_FORMAT  2
#define NEW_FORMAT  3

/* Where containerd looks for shims when systemd has started it. */
static const char *const search_path[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					   "/usr/bin",        "/sbin",          "/bin" };

struct version {
	int major, minor; /* 0 = not known */
};

void bh_install_plan_deinit(struct bh_install_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		bh_install_file_deinit(&plan->steps[i].file);
		bh_buf_deinit(&plan->steps[i].text);
	}
	plan->n = 0;
	bh_buf_deinit(&plan->notes);
	bh_arena_deinit(&plan->arena);
}

bool bh_install_step_changes(const struct bh_install_step *step)
{
	if (step->remove)
		return step->file.text;
	return !step->file.text || strcmp(step->file.text, bh_buf_str(&step->text)) != 0;
}

static int new_step(struct bh_install_plan *plan, const char *what, const char *path,
		    struct bh_install_step **ret, struct bh_err *err)
{
	struct bh_install_step *step = &plan->steps[plan->n++];

	*step = (struct bh_install_step){ .what = what, .text = BH_BUF_INIT };
	*ret = step;
	return bh_install_file_read(path, &step->file, err);
}

static void find_engines(const struct bh_install_options *o, struct bh_install_plan *plan)
{
	bool all = !strcmp(o->engine, "all");

	plan->has_containerd =
		!strcmp(o->engine, "containerd") ||
		(all && (bh_install_has("containerd") || !access(o->containerd, F_OK)));
	plan->has_docker = !strcmp(o->engine, "docker") ||
			   (all && (bh_install_has("dockerd") || !access(o->docker, F_OK)));
}

/* ---- marks in containerd's files ------------------------------------------------------------- */

struct changed {
	const char *path;
	struct bh_buf *notes;
	unsigned int first; /* line of the first one; 0 = none */
};

static void on_changed(void *arg, unsigned int line)
{
	struct changed *c = arg;

	c->first = c->first ? c->first : line;
	bh_buf_printf(c->notes, "%s:%u: the block that begins here was changed since, and stays\n",
		      c->path, line);
}

/* ---- install: containerd --------------------------------------------------------------------- */

/* "containerd github.com/containerd/containerd 1.6.20~ds1 …" */
static struct version containerd_version(void)
{
	static const char *const argv[] = { "containerd", "--version", NULL };
	struct version v = { .major = 0 };
	struct bh_err ignored = BH_ERR_INIT;
	bh_auto_free char *said = NULL;

	if (!bh_install_has(argv[0]) || bh_capture(argv, &said, &ignored) < 0 ||
	    sscanf(said, "%*s %*s v%d.%d", &v.major, &v.minor) == 2 ||
	    sscanf(said, "%*s %*s %d.%d", &v.major, &v.minor) == 2)
		return v;
	return (struct version){ .major = 0 };
}

static int list_wants(const struct bh_install_options *o, struct bh_install_plan *plan,
		      struct version v, struct bh_containerd_wants *ret, struct bh_err *err)
{
	const char *shim = bh_arena_printf(&plan->arena, "%s/containerd-shim-bulkhead-v2", o->bin);

	*ret = (struct bh_containerd_wants){ .shim_dir = o->bin,
					     .own_type = v.major >= 2,
					     .pool = plan->wants_pool ? BH_POOL_NAME : NULL };
	if (!shim)
		return bh_err_oom(err);
	if (access(shim, X_OK) < 0)
		return bh_err_set(err, -errno, "find containerd's shim '%s'", shim);
	for (size_t i = 0; i < BH_ARRAY_SIZE(search_path); i++)
		ret->found |= !strcmp(o->bin, search_path[i]);
	if (!ret->found && v.major == 1 && v.minor < 7)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "containerd before 1.7 takes shims from its $PATH alone, where "
				 "'%s' is not: install below /usr or /usr/local",
				 o->bin);
	return 0;
}

static bool has_made_dir(const struct bh_install_file *file)
{
	return file->text && strstr(file->text, BH_CONTAINERD_DIR_MADE);
}

/* A file that is ours as a whole, in @dir. */
static int plan_drop_in(struct bh_install_plan *plan, const char *dir, int format,
			struct bh_containerd_wants *wants, struct bh_err *err)
{
	const char *path = bh_arena_printf(&plan->arena, "%s/" DROP_IN, dir);
	bh_auto_buf struct bh_buf rest = BH_BUF_INIT;
	struct bh_install_step *step;
	int r = path ? new_step(plan, "containerd: handlers runc and kata", path, &step, err)
		     : bh_err_oom(err);

	if (r < 0)
		return r;
	step->dir_made = wants->dir_made = has_made_dir(&step->file) || access(dir, F_OK) < 0;
	if (step->file.text)
		(void)bh_marks_remove(step->file.text, step->file.len, &rest, NULL, NULL);
	if (rest.len)
		return bh_err_as(err, BH_ERR_SPEC, -EEXIST,
				 "%s: not as `node install` wrote it; take it away first",
				 step->file.path);
	bh_containerd_drop_in(format, wants, &step->text);
	return step->text.failed ? bh_err_oom(err) : 0;
}

/* The configuration as it is without us, in @base. */
static int without_us(struct bh_install_plan *plan, struct bh_install_step *step,
		      struct bh_buf *base, struct bh_err *err)
{
	struct changed changed = { .path = step->file.path, .notes = &plan->notes };
	size_t removed =
		bh_marks_remove(step->file.text, step->file.len, base, on_changed, &changed);

	if (base->failed)
		return bh_err_oom(err);
	if (changed.first)
		return bh_err_as(err, BH_ERR_SPEC, -EEXIST,
				 "%s:%u: the block that begins here was written by `node install` "
				 "and changed since; take its two marks away, or all of it",
				 step->file.path, changed.first);
	step->copy = removed ? BH_INSTALL_COPY_NONE : BH_INSTALL_COPY_MAKE;
	return 0;
}

/* The daemon merges imported files from 2.0 on; before, a plugin's section would replace all of the
 * file's own one. */
static int plan_existing(struct bh_install_plan *plan, struct bh_install_step *step,
			 struct version v, struct bh_containerd_wants *wants, struct bh_err *err)
{
	bh_auto_buf struct bh_buf base = BH_BUF_INIT;
	const char *dir = NULL;
	int format, r = without_us(plan, step, &base, err);

	r = r < 0 ? r
		  : bh_containerd_imports(&plan->arena, step->file.path, bh_buf_str(&base),
					  base.len, &format, &dir, err);
	if (r != 0)
		return r;
	wants->handler_snapshotter = format >= NEW_FORMAT || v.major >= 2 || v.minor >= 7;
	if (!dir || (format < NEW_FORMAT && v.major < 2))
		return bh_containerd_edit(step->file.path, bh_buf_str(&base), base.len, wants,
					  &step->text, err);
	bh_buf_add(&step->text, bh_buf_str(&base), base.len);
	return plan_drop_in(plan, dir, format, wants, err);
}

static int plan_containerd(const struct bh_install_options *o, struct bh_install_plan *plan,
			   struct bh_err *err)
{
	bh_auto_buf struct bh_buf rest = BH_BUF_INIT;
	struct version v = containerd_version();
	struct bh_containerd_wants wants;
	struct bh_install_step *step;
	char why[BH_ERR_TEXT_BYTES + BH_ERR_WHERE_BYTES];
	int r = list_wants(o, plan, v, &wants, err);

	r = r < 0 ? r
		  : new_step(plan, "containerd: handlers runc and kata", o->containerd, &step, err);
	if (r < 0)
		return r;
	/* None, or one that is ours as a whole. */
	if (step->file.text)
		(void)bh_marks_remove(step->file.text, step->file.len, &rest, NULL, NULL);
	if (!rest.len) {
		/* An empty file is told from none by the copy of it. */
		if (step->file.text && !step->file.len)
			step->copy = BH_INSTALL_COPY_MAKE;
		wants.handler_snapshotter = v.major != 1 || v.minor >= 7;
		bh_containerd_drop_in(v.major == 1 ? OLD_FORMAT : NEW_FORMAT, &wants, &step->text);
		return step->text.failed ? bh_err_oom(err) : 0;
	}
	r = plan_existing(plan, step, v, &wants, err);
	if (r == BH_CONTAINERD_E_OFF && !strcmp(o->engine, "all")) {
		bh_buf_printf(&plan->notes, "containerd is left as it is: %s\n",
			      bh_err_format(err, why, sizeof(why)));
		plan->has_containerd = false;
		bh_buf_deinit(&step->text);
		bh_buf_add(&step->text, step->file.text, step->file.len);
		return 0;
	}
	if (wants.pool && !wants.handler_snapshotter)
		bh_buf_puts(&plan->notes, "containerd before 1.7 knows one snapshotter for all "
					  "handlers: kata uses the pool only where that is "
					  "devmapper\n");
	return r > 0 ? err->code : r;
}

/* ---- Docker ---------------------------------------------------------------------------------- */

static const char *docker_program(const struct bh_install_options *o, struct bh_install_plan *plan)
{
	return bh_arena_printf(&plan->arena, "%s/bulkhead", o->bin);
}

static int plan_docker(const struct bh_install_options *o, struct bh_install_plan *plan,
		       struct bh_err *err)
{
	const char *program = docker_program(o, plan);
	bh_auto_buf struct bh_buf base = BH_BUF_INIT, ignored = BH_BUF_INIT;
	struct bh_install_step *step;
	int r = new_step(plan, "docker: runtime " BH_DOCKER_RUNTIME ", as the default", o->docker,
			 &step, err);

	if (r < 0 || !program)
		return r < 0 ? r : bh_err_oom(err);
	if (!step->file.text)
		return bh_docker_edit(step->file.path, "{}\n", strlen("{}\n"), program, &step->text,
				      &plan->notes, err);
	r = bh_docker_undo(step->file.path, step->file.text, step->file.len, program, &base,
			   &ignored, err);
	r = r < 0 ? r
		  : bh_docker_edit(step->file.path, step->file.text, step->file.len, program,
				   &step->text, &plan->notes, err);
	if (r == 0 && !strcmp(bh_buf_str(&base), step->file.text))
		step->copy = BH_INSTALL_COPY_MAKE;
	return r;
}

/* As before to the byte, when nobody changed the file since. Return: 1 when it is that */
static int docker_as_before(struct bh_install_step *step, const char *program, struct bh_err *err)
{
	bh_auto_buf struct bh_buf again = BH_BUF_INIT, ignored = BH_BUF_INIT;
	bh_auto_install_file struct bh_install_file before = BH_INSTALL_FILE_INIT;
	struct bh_err unused = BH_ERR_INIT;
	char name[PATH_MAX];
	const char *text = "{}\n"; /* what is edited where there is no file */
	int r = bh_install_file_read(bh_install_copy_name(step->file.path, name), &before, err);

	if (r < 0)
		return r;
	text = before.text ? before.text : text;
	if (bh_docker_edit(name, text, strlen(text), program, &again, &ignored, &unused) < 0 ||
	    strcmp(bh_buf_str(&again), step->file.text) != 0)
		return 0;
	step->remove = !before.text;
	bh_buf_puts(&step->text, text);
	return 1;
}

static int unplan_docker(const struct bh_install_options *o, struct bh_install_plan *plan,
			 struct bh_err *err)
{
	const char *program = docker_program(o, plan);
	struct bh_install_step *step;
	int r = new_step(plan, "docker: without runtime " BH_DOCKER_RUNTIME, o->docker, &step, err);

	if (r < 0 || !program)
		return r < 0 ? r : bh_err_oom(err);
	step->copy = BH_INSTALL_COPY_DROP;
	step->remove = !step->file.text;
	if (!step->file.text)
		return 0;
	r = docker_as_before(step, program, err);
	if (r == 0)
		r = bh_docker_undo(step->file.path, step->file.text, step->file.len, program,
				   &step->text, &plan->notes, err);
	return r < 0 ? r : 0;
}

/* ---- uninstall: containerd ------------------------------------------------------------------- */

static int unplan_file(struct bh_install_plan *plan, const char *path, struct bh_err *err)
{
	struct bh_install_step *step;
	struct changed changed = { .notes = &plan->notes };
	int r = new_step(plan, "containerd: without handlers of bulkhead", path, &step, err);

	if (r < 0)
		return r;
	changed.path = step->file.path;
	step->copy = BH_INSTALL_COPY_DROP;
	step->dir_made = has_made_dir(&step->file);
	if (step->file.text)
		(void)bh_marks_remove(step->file.text, step->file.len, &step->text, on_changed,
				      &changed);
	/* One that was ours as a whole. An empty one of before stays. */
	step->remove = !step->text.len && (!step->file.text || step->file.len);
	if (step->remove) {
		char name[PATH_MAX];

		step->remove = access(bh_install_copy_name(step->file.path, name), F_OK) < 0;
	}
	return step->text.failed ? bh_err_oom(err) : 0;
}

static int unplan_containerd(const struct bh_install_options *o, struct bh_install_plan *plan,
			     struct bh_err *err)
{
	struct bh_err unused = BH_ERR_INIT;
	const char *dir = NULL, *path;
	int format, r = unplan_file(plan, o->containerd, err);
	const struct bh_install_step *step = &plan->steps[plan->n - 1];

	if (r < 0)
		return r;
	/* A file that cannot be read as TOML has no imports that anybody follows. */
	if (bh_containerd_imports(&plan->arena, o->containerd, bh_buf_str(&step->text),
				  step->text.len, &format, &dir, &unused) != 0)
		dir = NULL;
	path = bh_arena_printf(&plan->arena, "%s/" DROP_IN, dir ? dir : DROP_IN_DIR);
	if (!path)
		return bh_err_oom(err);
	return access(path, F_OK) < 0 ? 0 : unplan_file(plan, path, err);
}

/* ---- all ------------------------------------------------------------------------------------- */

int bh_install_plan_install(const struct bh_install_options *o, struct bh_install_plan *plan,
			    struct bh_err *err)
{
	int r = 0;

	find_engines(o, plan);
	if (!plan->has_containerd && !plan->has_docker)
		return bh_err_as(err, BH_ERR_SPEC, -ENOENT,
				 "neither containerd nor dockerd is in $PATH, and neither '%s' nor "
				 "'%s' is there",
				 o->containerd, o->docker);
	if (plan->has_containerd)
		r = plan_containerd(o, plan, err);
	if (r == 0 && plan->has_docker)
		r = plan_docker(o, plan, err);
	return r;
}

int bh_install_plan_uninstall(const struct bh_install_options *o, struct bh_install_plan *plan,
			      struct bh_err *err)
{
	int r = 0;

	find_engines(o, plan);
	if (plan->has_containerd)
		r = unplan_containerd(o, plan, err);
	if (r == 0 && plan->has_docker)
		r = unplan_docker(o, plan, err);
	return r;
}
