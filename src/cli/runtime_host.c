/* SPDX-License-Identifier: Apache-2.0 */
/* The common runtime: containers on this kernel, made by this very process. */
#include "cli/runtime.h"

#include <string.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "cli/foreground.h"
#include "cli/notify.h"

const char *const bh_runtime_names[] = { "runc", "kata", NULL };

static const struct bh_runtime *const runtimes[] = { &bh_runtime_host, &bh_runtime_vm };

const struct bh_runtime *bh_runtime_named(const char *name)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(runtimes); i++)
		if (!strcmp(runtimes[i]->name, name))
			return runtimes[i];
	return NULL;
}

const struct bh_runtime *bh_runtime_of(const struct bh_container *c)
{
	return c->pod ? &bh_runtime_vm : &bh_runtime_host;
}

int bh_runtime_not_running(const struct bh_container *c, const char *what, struct bh_err *err)
{
	void (*why_ended)(const struct bh_container *, struct bh_buf *) =
		bh_runtime_of(c)->why_ended;
	bh_auto_buf struct bh_buf why = BH_BUF_INIT;

	if (why_ended)
		why_ended(c, &why);
	return bh_err_as(err, BH_ERR_STATE, -ESRCH, "%s%s%s", what, why.len ? ": " : "",
			 bh_buf_str(&why));
}

/* ---- create, run ------------------------------------------------------------------------- */

static int check_pod(const struct bh_run_opts *run, struct bh_err *err)
{
	return run->pod ? bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				    "--pod is for pods in a micro-VM: --runtime kata")
			: 0;
}

static int create(struct bh_cli *cli, const struct bh_create_opts *create,
		  const struct bh_run_opts *run, struct bh_err *err)
{
	int r = check_pod(run, err);

	(void)cli;
	return r < 0 ? r : bh_container_create(create, NULL, NULL, err);
}

static int dry_run(struct bh_cli *cli, const struct bh_create_opts *create,
		   const struct bh_run_opts *run, struct bh_buf *out, struct bh_err *err)
{
	int r = check_pod(run, err);

	(void)cli;
	return r < 0 ? r : bh_container_dry_run(create, out, err);
}

/* The process is there; stay with it. Return: its status, or -errno with @err. */
static int stay(struct bh_foreground *fg, struct bh_container *c, struct bh_started *started,
		bool keep, struct bh_err *err)
{
	int status = bh_foreground_wait(fg, started, err), r;
	struct bh_err later = BH_ERR_INIT;
	char text[BH_ERR_LINE_BYTES];

	if (status >= 0 && keep)
		return status;
	r = bh_container_delete(c, true, &later);
	if (r < 0)
		bh_warn("%s, ignoring", bh_err_format(&later, text, sizeof(text)));
	return status;
}

static int run_foreground(const struct bh_create_opts *create, const struct bh_run_opts *run,
			  struct bh_foreground *fg, struct bh_err *err)
{
	struct bh_create_opts opts = *create;
	bh_auto_container struct bh_container *c = NULL;
	struct bh_started started = BH_STARTED_INIT;
	int r;

	r = bh_foreground_init(fg, &opts.io, err);
	if (r == 0 && !run->no_subreaper && prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL) < 0)
		r = bh_err_set(err, -errno, "become a subreaper");
	if (r == 0)
		r = bh_container_create(&opts, &c, &started, err);
	return r < 0 ? r : stay(fg, c, &started, run->keep, err);
}

static int run_detached(const struct bh_create_opts *create, struct bh_err *err)
{
	struct bh_started started = BH_STARTED_INIT;
	int r = bh_container_create(create, NULL, &started, err);

	if (r == 0 && started.notify_fd >= 0)
		bh_notify_wait(bh_notify_host(), started.notify_fd, started.pid);
	return r;
}

static int run(struct bh_cli *cli, const struct bh_create_opts *create,
	       const struct bh_run_opts *run, struct bh_err *err)
{
	struct bh_foreground fg;
	int r = check_pod(run, err);

	(void)cli;
	if (r < 0)
		return r;
	if (run->detach)
		return run_detached(create, err);
	r = run_foreground(create, run, &fg, err);
	bh_foreground_deinit(&fg);
	return r;
}

/* ---- start ------------------------------------------------------------------------------- */

/* Return: the container's notification socket; -ENOENT when nobody listens or it has none */
static int listen_for_ready(const struct bh_container *c, struct bh_err *err)
{
	return bh_notify_host() ? bh_container_notify_listen(c, err) : -ENOENT;
}

static int start(struct bh_container *c, struct bh_err *err)
{
	bh_auto_close int notify_fd = listen_for_ready(c, err);
	int r;

	if (notify_fd < 0 && notify_fd != -ENOENT)
		return notify_fd;
	r = bh_container_start(c, err);
	if (r == 0 && notify_fd >= 0)
		bh_notify_wait(bh_notify_host(), bh_take_fd(&notify_fd), c->init.pid);
	return r;
}

/* ---- exec -------------------------------------------------------------------------------- */

static int exec(struct bh_container *c, struct bh_exec_opts *exec, struct bh_err *err)
{
	struct bh_started started = BH_STARTED_INIT;
	struct bh_foreground fg;
	int r;

	if (exec->detach)
		return bh_container_exec(c, exec, NULL, err);
	r = bh_foreground_init(&fg, &exec->io, err);
	if (r == 0)
		r = bh_container_exec(c, exec, &started, err);
	if (r == 0)
		r = bh_foreground_wait(&fg, &started, err);
	bh_foreground_deinit(&fg);
	return r;
}

/* ---- figures ----------------------------------------------------------------------------- */

static int stats(const struct bh_container *c, struct bh_buf *out, struct bh_err *err)
{
	if (!c->cg)
		return bh_err_as(err, BH_ERR_STATE, -ENODEV, "container %s has no cgroup", c->id);
	return bh_cgroup_stats_json(c->cg, out, err);
}

const struct bh_runtime bh_runtime_host = {
	.name = "runc",
	.create = create,
	.run = run,
	.dry_run = dry_run,
	.exec = exec,
	.status = bh_container_status,
	.start = start,
	.kill = bh_container_kill,
	.pause = bh_container_pause,
	.resume = bh_container_resume,
	.update = bh_container_update,
	.remove = bh_container_delete,
	.pids = bh_container_pids,
	.ps = bh_ps_host,
	.stats = stats,
	.watch = bh_watch_host,
};
