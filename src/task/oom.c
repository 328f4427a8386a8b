/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Version 1's eventfd speaks of nothing but memory that ran out, and does so before the counter
 * moves; version 2's memory.events changes for other reasons too, and there the counter decides.
 * Source: cgroup-v1/memory.rst "OOM Control", cgroup-v2.rst memory.events
 */
#include "base/log.h"
#include "task/internal.h"

static void publish(struct bh_task *task)
{
	Task__TaskOOM event = TASK__TASK_OOM__INIT;

	event.container_id = (char *)task->id;
	bh_task_publish(task->tasks, "/tasks/oom", &event);
}

void bh_task_look_for_oom(struct bh_task *task)
{
	uint64_t now;

	if (!task->c || !task->c->cg || bh_cgroup_oom_kills(task->c->cg, &now, NULL) < 0 ||
	    now < task->oom_base || now - task->oom_base <= task->oom_told)
		return;
	task->oom_told = now - task->oom_base;
	publish(task);
}

static int on_oom(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_task *task = bh_owner_of(source, struct bh_task, oom);
	char buffer[4096];
	ssize_t n = read(source->fd, buffer, sizeof(buffer));
	uint64_t before = task->oom_told;

	(void)events;
	(void)err;
	if (n <= 0) {
		bh_loop_remove(task->tasks->loop, source);
		return 0;
	}
	bh_task_look_for_oom(task);
	/* The eventfd of a group that is being removed is signalled as well. */
	if (n == (ssize_t)sizeof(uint64_t) && task->oom_told == before && !task->deleted &&
	    task->init.stage != BH_TASK_ENDED) {
		task->oom_told++;
		publish(task);
	}
	return 0;
}

void bh_task_watch_oom(struct bh_task *task)
{
	struct bh_err err = BH_ERR_INIT;

	task->oom.fn = on_oom;
	task->oom.what = "out-of-memory notifications";
	if (!task->c->cg)
		return;
	task->oom.fd = bh_cgroup_oom_fd(task->c->cg, &err);
	if (task->oom.fd < 0) {
		bh_debug("'%s': no out-of-memory events: %s", task->id, err.text);
		return;
	}
	(void)!bh_cgroup_oom_kills(task->c->cg, &task->oom_base, NULL);
	if (bh_loop_add(task->tasks->loop, &task->oom, EPOLLIN, &err) < 0)
		bh_warn("'%s': no out-of-memory events: %s", task->id, err.text);
}

void bh_task_unwatch_oom(struct bh_task *task)
{
	bh_loop_remove(task->tasks->loop, &task->oom);
	task->oom.fd = bh_close(task->oom.fd);
}
