/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container engine's calls, each in a worker but for a plain exec. A worker loads the container
 * anew from its state, but for an exec: nothing that the server knows of the container is outdated
 * for that, and in a micro-VM that is emulated, reading it all again takes as long as the rest.
 */
#include <sys/mman.h>

#include "base/log.h"
#include "container/finds.h"
#include "task/internal.h"
#include "task/rootfs.h"

/* What a worker is given. */
struct engine {
	struct bh_task *task;
	const Task__CreateRequest *create;
	struct bh_task_process *process;
	struct bh_finds *finds;
	const struct bh_resources *resources;
	int sig;
	bool all, frozen, force;
};

static struct bh_container *load(const struct engine *e, struct bh_err *err)
{
	return bh_container_load(e->task->tasks->opts.root, e->task->id, err);
}

static int run(struct engine *e, int (*fn)(void *, struct bh_started *, struct bh_err *),
	       struct bh_task_process *p, void (*on_started)(void *, pid_t),
	       struct bh_started *started, struct bh_err *err)
{
	struct bh_worker_call call = { .fn = fn, .arg = e, .started = on_started, .data = p };

	for (int i = 0; p && i < 3; i++)
		if (p->io.theirs[i] >= 0)
			call.keep[call.n_keep++] = p->io.theirs[i];
	if (e->task->c)
		call.keep[call.n_keep++] = e->task->c->dirfd;
	return bh_worker_run(&e->task->tasks->workers, &call, started, err);
}

static void set_io(const struct bh_task_process *p, struct bh_process_io *io)
{
	for (int i = 0; i < 3 && !p->terminal; i++)
		io->stdio[i] = p->io.theirs[i];
	io->want_master = p->terminal;
	io->newlines = true; /* an engine's clients have raw terminals */
	io->console_size = p->size;
	io->keyring = !p->task->no_keyring;
	io->filter_cache = p->task->tasks->opts.filter_cache;
}

/* ---- create ---------------------------------------------------------------------------------- */

static int create_container(struct engine *e, struct bh_started *started, struct bh_err *err)
{
	const struct bh_task_opts *o = &e->task->tasks->opts;
	struct bh_create_opts opts = BH_CREATE_OPTS_INIT;
	struct bh_container *c = NULL;
	int r;

	opts.root = o->root;
	opts.id = e->task->id;
	opts.bundle = e->task->bundle;
	opts.cgroup_manager = e->task->systemd ? BH_CGROUP_SYSTEMD : o->cgroup_manager;
	opts.no_pivot = e->task->no_pivot;
	opts.no_hooks = o->no_hooks;
	set_io(&e->task->init, &opts.io);
	r = bh_container_create(&opts, &c, started, err);
	if (r < 0 || !e->task->init.terminal || started->master_fd >= 0)
		return r;
	(void)!bh_container_delete(c, true, NULL);
	return bh_err_spec(err, "/process/terminal", "is false, but a terminal is asked for");
}

static int create(void *arg, struct bh_started *started, struct bh_err *err)
{
	struct engine *e = arg;
	int r = 0;

	if (e->task->rootfs)
		r = bh_task_rootfs_mount(e->task->rootfs, e->create->rootfs, e->create->n_rootfs,
					 err);
	if (r == 0)
		r = create_container(e, started, err);
	if (r < 0 && e->task->rootfs)
		bh_task_rootfs_unmount(e->task->rootfs);
	return r;
}

static void on_created(void *data, pid_t pid)
{
	struct bh_task_process *p = data;

	p->pid = pid;
	p->stage = BH_TASK_CREATED;
}

int bh_task_engine_create(struct bh_task *task, const Task__CreateRequest *rq,
			  struct bh_started *started, struct bh_err *err)
{
	struct engine e = { .task = task, .create = rq };

	return run(&e, create, &task->init, on_created, started, err);
}

/* ---- start, exec ----------------------------------------------------------------------------- */

static int start(void *arg, struct bh_started *started, struct bh_err *err)
{
	bh_auto_container struct bh_container *c = load(arg, err);

	(void)started;
	return c ? bh_container_start(c, err) : err->code;
}

int bh_task_engine_start(struct bh_task *task, struct bh_err *err)
{
	struct engine e = { .task = task };

	return run(&e, start, NULL, NULL, NULL, err);
}

/* What execs before found, for one of those that are under way; NULL for the others. */
static struct bh_finds *take_finds(struct bh_task *task)
{
	if (task->finds_taken)
		return NULL;
	if (!task->finds) {
		void *p = mmap(NULL, sizeof(*task->finds), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		task->finds = p == MAP_FAILED ? NULL : p;
	}
	/* For the fork of this exec, and no process of another container's. */
	if (!task->finds || madvise(task->finds, sizeof(*task->finds), MADV_DOFORK) < 0)
		return NULL;
	task->finds_taken = true;
	return task->finds;
}

void bh_task_engine_forget_finds(struct bh_task *task)
{
	if (task->finds)
		munmap(bh_take(&task->finds), sizeof(*task->finds));
}

/* @failed: whoever had them may not be dead yet */
static void give_back_finds(struct bh_task *task, struct bh_finds *finds, bool failed)
{
	if (!finds)
		return;
	task->finds_taken = false;
	if (failed || madvise(finds, sizeof(*finds), MADV_DONTFORK) < 0)
		bh_task_engine_forget_finds(task);
}

/* Whether that is known without a look: it is three files of the kernel's. */
static bool runs(const struct bh_task *task)
{
	return task->tasks->opts.sole && !task->maybe_frozen &&
	       (task->init.stage == BH_TASK_CREATED || task->init.stage == BH_TASK_RUNNING);
}

static struct bh_exec_opts exec_opts(const struct bh_task_process *p, struct bh_finds *finds)
{
	struct bh_exec_opts opts = { .process = &p->process,
				     .io = BH_PROCESS_IO_INIT,
				     .finds = finds };

	set_io(p, &opts.io);
	return opts;
}

static int exec(void *arg, struct bh_started *started, struct bh_err *err)
{
	struct engine *e = arg;
	const struct bh_exec_opts opts = exec_opts(e->process, e->finds);

	return bh_container_exec(e->task->c, &opts, started, err);
}

static void on_executed(void *data, pid_t pid)
{
	struct bh_task_process *p = data;

	p->pid = pid;
	p->stage = BH_TASK_RUNNING;
}

int bh_task_engine_exec(struct bh_task_process *p, struct bh_started *started, struct bh_err *err)
{
	struct bh_task *task = p->task;
	struct engine e = { .task = task, .process = p, .finds = take_finds(task) };
	struct bh_exec_opts opts = exec_opts(p, e.finds);
	int r;

	if (bh_container_execs_alone(task->c)) {
		opts.ignored = bh_workers_ignored(&task->tasks->workers);
		opts.leave_batch = task->tasks->workers.may_stand_back;
		opts.runs = runs(task);
		r = bh_task_execute(p, &opts, started, err);
	} else {
		r = run(&e, exec, p, on_executed, started, err);
	}
	give_back_finds(task, e.finds, r < 0);
	return r;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static int send_kill(void *arg, struct bh_started *started, struct bh_err *err)
{
	struct engine *e = arg;
	bh_auto_container struct bh_container *c = load(e, err);

	(void)started;
	return c ? bh_container_kill(c, e->sig, e->all, err) : err->code;
}

int bh_task_engine_kill(struct bh_task *task, int sig, bool all, struct bh_err *err)
{
	struct engine e = { .task = task, .sig = sig, .all = all };

	return run(&e, send_kill, NULL, NULL, NULL, err);
}

static int freeze(void *arg, struct bh_started *started, struct bh_err *err)
{
	struct engine *e = arg;
	bh_auto_container struct bh_container *c = load(e, err);

	(void)started;
	if (!c)
		return err->code;
	return e->frozen ? bh_container_pause(c, err) : bh_container_resume(c, err);
}

int bh_task_engine_freeze(struct bh_task *task, bool frozen, struct bh_err *err)
{
	struct engine e = { .task = task, .frozen = frozen };

	return run(&e, freeze, NULL, NULL, NULL, err);
}

static int update(void *arg, struct bh_started *started, struct bh_err *err)
{
	struct engine *e = arg;
	bh_auto_container struct bh_container *c = load(e, err);

	(void)started;
	return c ? bh_container_update(c, e->resources, NULL, err) : err->code;
}

int bh_task_engine_update(struct bh_task *task, const struct bh_resources *resources,
			  struct bh_err *err)
{
	struct engine e = { .task = task, .resources = resources };

	return run(&e, update, NULL, NULL, NULL, err);
}

/* A container whose state is gone is deleted. */
static int delete (void *arg, struct bh_started *started, struct bh_err *err)
{
	struct engine *e = arg;
	bh_auto_container struct bh_container *c = load(e, err);
	int r = c ? bh_container_delete(c, e->force, err) : err->code;

	(void)started;
	if (!c && r == -ENOENT)
		r = 0;
	if (r == 0 && e->task->rootfs)
		bh_task_rootfs_unmount(e->task->rootfs);
	return r;
}

int bh_task_engine_delete(struct bh_task *task, bool force, struct bh_err *err)
{
	struct engine e = { .task = task, .force = force };

	return run(&e, delete, NULL, NULL, NULL, err);
}
