/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that only look: State, Wait, Pids, Stats. They answer from what is known here. */
#include <string.h>

#include "task/internal.h"
#include "task/metrics.h"

static Task__Status status_of(const struct bh_task_process *p)
{
	static const Task__Status by_stage[] = {
		[BH_TASK_NEW] = TASK__STATUS__CREATED,
		[BH_TASK_CREATED] = TASK__STATUS__CREATED,
		[BH_TASK_RUNNING] = TASK__STATUS__RUNNING,
		[BH_TASK_ENDED] = TASK__STATUS__STOPPED,
	};

	/* The freezer takes all of a container. */
	if (p->task->paused && p->pid > 0 && p->stage != BH_TASK_ENDED)
		return TASK__STATUS__PAUSED;
	return by_stage[p->stage];
}

void bh_task_state(void *self, struct bh_rpc_call *call, const void *request)
{
	const Task__StateRequest *rq = request;
	struct bh_task_process *p = bh_task_process_find(self, call, rq->id, rq->exec_id);
	Task__StateResponse answer = TASK__STATE_RESPONSE__INIT;
	Wire__Timestamp at;

	if (!p)
		return;
	answer.id = *rq->exec_id ? rq->exec_id : rq->id;
	answer.exec_id = rq->exec_id;
	answer.bundle = (char *)p->task->bundle;
	answer.pid = (uint32_t)p->pid;
	answer.status = status_of(p);
	answer.stdin = (char *)p->uris[0];
	answer.stdout = (char *)p->uris[1];
	answer.stderr = (char *)p->uris[2];
	answer.terminal = p->terminal;
	if (p->stage == BH_TASK_ENDED) {
		at = bh_task_timestamp(p->ended_at);
		answer.exited_at = &at;
		answer.exit_status = (uint32_t)p->status;
	}
	bh_rpc_reply(call, &answer.base);
}

void bh_task_wait(void *self, struct bh_rpc_call *call, const void *request)
{
	const Task__WaitRequest *rq = request;
	struct bh_task_process *p = bh_task_process_find(self, call, rq->id, rq->exec_id);
	struct bh_task_waiter *w;

	if (!p)
		return;
	w = calloc(1, sizeof(*w));
	if (!w) {
		bh_rpc_fail(call, BH_RPC_EXHAUSTED, "out of memory");
		return;
	}
	w->call = call;
	w->next = p->waiters;
	p->waiters = w;
	if (p->told)
		bh_task_process_answer(p);
}

/* ---- Pids ------------------------------------------------------------------------------------ */

/* An exec's process says so. Return: 0, or -ENOMEM */
static int add_details(const struct bh_task *task, struct bh_arena *arena,
		       Task__ProcessInfo *process)
{
	const struct bh_task_process *p = task->execs;
	Task__ProcessDetails details = TASK__PROCESS_DETAILS__INIT;

	while (p && (uint32_t)p->pid != process->pid)
		p = p->next;
	if (!p)
		return 0;
	details.exec_id = (char *)p->exec_id;
	process->info = bh_arena_new(arena, Wire__Any);
	if (!process->info)
		return -ENOMEM;
	wire__any__init(process->info);
	process->info->type_url = (char *)"containerd.runc.v1.ProcessDetails";
	process->info->value.len = task__process_details__get_packed_size(&details);
	process->info->value.data = bh_arena_alloc(arena, process->info->value.len);
	if (!process->info->value.data)
		return -ENOMEM;
	task__process_details__pack(&details, process->info->value.data);
	return 0;
}

static int list_pids(const struct bh_task *task, struct bh_arena *arena, Task__PidsResponse *answer,
		     struct bh_err *err)
{
	bh_auto_free pid_t *pids = NULL;
	Task__ProcessInfo *infos;
	size_t n;
	int r = bh_container_pids(task->c, &pids, &n, err);

	if (r < 0)
		return r;
	infos = bh_arena_array(arena, n + 1, sizeof(*infos));
	answer->processes = bh_arena_array(arena, n + 1, sizeof(Task__ProcessInfo *));
	if (!infos || !answer->processes)
		return bh_err_oom(err);
	for (size_t i = 0; i < n; i++) {
		task__process_info__init(&infos[i]);
		infos[i].pid = (uint32_t)pids[i];
		if (add_details(task, arena, &infos[i]) < 0)
			return bh_err_oom(err);
		answer->processes[answer->n_processes++] = &infos[i];
	}
	return 0;
}

void bh_task_pids(void *self, struct bh_rpc_call *call, const void *request)
{
	const Task__PidsRequest *rq = request;
	struct bh_task *task = bh_task_find(self, call, rq->id);
	Task__PidsResponse answer = TASK__PIDS_RESPONSE__INIT;
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_err err = BH_ERR_INIT;

	if (!task)
		return;
	if (list_pids(task, &arena, &answer, &err) < 0)
		bh_rpc_fail_err(call, &err);
	else
		bh_rpc_reply(call, &answer.base);
}

/* ---- Stats ----------------------------------------------------------------------------------- */

void bh_task_stats(void *self, struct bh_rpc_call *call, const void *request)
{
	const Task__StatsRequest *rq = request;
	struct bh_task *task = bh_task_find(self, call, rq->id);
	Task__StatsResponse answer = TASK__STATS_RESPONSE__INIT;
	Wire__Any any = WIRE__ANY__INIT;
	struct bh_err err = BH_ERR_INIT;

	if (!task)
		return;
	if (!task->c->cg) {
		bh_rpc_fail(call, BH_RPC_NOT_FOUND, "cgroup does not exist: not found");
		return;
	}
	answer.stats = &any;
	if (bh_task_metrics(task->c->cg, &any, &err) < 0)
		bh_rpc_fail_err(call, &err);
	else
		bh_rpc_reply(call, &answer.base);
	free(any.value.data);
}
