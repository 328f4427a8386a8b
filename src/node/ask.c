/* SPDX-License-Identifier: Apache-2.0 */
/* Asking those who serve pods: a fiber for each, which gives up when its time is over. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/socket.h"
#include "loop/fiber.h"
#include "node/internal.h"
#include "pod/pod.h"
#include "rpc/rpc.h"

#define HASTE_MAX  100U /* ms: of the time for an answer, what is kept for the way */
#define HASTE_PART 4U

struct job {
	struct bh_loop *loop;
	struct bh_arena *arena;
	struct bh_node_pod *pod;
	const struct bh_node_query *query;
	uint64_t until_ms;
	struct bh_rpc_client *client;
	struct round *round;
};

/* All jobs of a look. */
struct round {
	size_t running;
	bool oom;
	struct bh_wait done;
};

/* Milliseconds that are left, at least one: 0 would be no limit. */
static int left(const struct job *job)
{
	uint64_t now = bh_clock_ms();

	return now < job->until_ms ? (int)(job->until_ms - now) : 1;
}

static int ask(struct job *job, const char *service, const char *method,
	       const ProtobufCMessage *request, const ProtobufCMessageDescriptor *type,
	       ProtobufCMessage **ret, struct bh_err *err)
{
	return bh_rpc_call_wait(job->client, service, method, request, left(job), type, ret, err);
}

/* A server whose queue is full is one that hangs: it is not waited for. */
static int connect_to(struct job *job, struct bh_err *err)
{
	struct sockaddr_un address;
	bh_auto_close int dir = -EBADF, fd = -EBADF;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/" BH_PODS_DIR "/%s", job->pod->root, job->pod->id);
	dir = bh_path_open(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
	if (dir < 0)
		return dir;
	address = bh_socket_at(dir, BH_POD_SOCKET);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return bh_err_set(err, -errno, "connect to who serves it");
	return bh_rpc_connect(job->loop, bh_take_fd(&fd), NULL, NULL, &job->client, err);
}

/* ---- what it is ------------------------------------------------------------------------------ */

static bool take_container(struct job *job, const Pod__Container *said)
{
	struct bh_node_container *c = bh_node_container_of(job->arena, job->pod, said->id);

	if (!c)
		return false;
	c->status = bh_node_text(job->arena, said->status);
	c->ended = c->status && !strcmp(c->status, "stopped");
	c->exit_status = said->exit_status;
	c->exited_at = said->exited_at;
	c->oom_kills = said->oom_kills;
	if (*said->name)
		c->name = bh_node_text(job->arena, said->name);
	return c->status && c->name;
}

static int take_description(struct job *job, const Pod__DescribeResponse *a, struct bh_err *err)
{
	struct bh_node_pod *pod = job->pod;

	pod->accelerator = bh_node_text(job->arena, a->accelerator);
	pod->reason = bh_node_text(job->arena, a->dead);
	if (!pod->accelerator || !pod->reason)
		return bh_err_oom(err);
	for (size_t i = 0; i < a->n_containers; i++)
		if (!take_container(job, a->containers[i]))
			return bh_err_oom(err);
	pod->state = *a->dead ? BH_NODE_DEAD : BH_NODE_RUNNING;
	pod->restarts = a->restarts;
	pod->vcpus = a->vcpus;
	pod->vm_memory = a->vm_memory;
	pod->memory = a->memory;
	pod->cpu_milli = a->cpu_milli;
	pod->overhead_memory = a->overhead_memory;
	pod->overhead_cpu_milli = a->overhead_cpu_milli;
	return 0;
}

static int ask_description(struct job *job, struct bh_err *err)
{
	Pod__DescribeRequest q = POD__DESCRIBE_REQUEST__INIT;
	Pod__DescribeResponse *a = NULL;
	int r = ask(job, BH_POD_SERVICE, "Describe", &q.base, &pod__describe_response__descriptor,
		    (ProtobufCMessage **)&a, err);

	if (r < 0)
		return r;
	r = take_description(job, a, err);
	pod__describe_response__free_unpacked(a, NULL);
	return r;
}

/* ---- what it costs --------------------------------------------------------------------------- */

static void take_parts(struct bh_node_pod *pod, const Pod__FiguresResponse *a)
{
	struct bh_node_figures *m = &pod->measured;
	uint64_t memory = a->guest_ram, cpu = 0;

	for (size_t i = 0; i < a->n_host; i++) {
		memory += a->host[i]->memory;
		cpu += a->host[i]->cpu_usec;
	}
	pod->parts = a;
	if (!pod->vcpus) { /* on this kernel: what its containers have comes on top */
		m->overhead_memory = memory;
		m->overhead_cpu_usec = cpu;
		return;
	}
	m->host = true;
	m->host_memory = memory;
	m->host_cpu_usec = cpu;
	m->guest = a->n_guest == 2;
	if (!m->guest)
		return;
	m->guest_total = a->guest_total;
	m->guest_memory = a->guest_total - a->guest_available;
	m->guest_cpu_usec = a->guest[0]->cpu_usec;
}

static int ask_parts(struct job *job, struct bh_err *err)
{
	Pod__FiguresRequest q = POD__FIGURES_REQUEST__INIT;
	Pod__FiguresResponse *a = NULL;
	uint32_t limit = (uint32_t)left(job);
	uint32_t haste = limit / HASTE_PART < HASTE_MAX ? limit / HASTE_PART : HASTE_MAX;
	int r;

	q.guest_ms = limit - haste;
	r = ask(job, BH_POD_SERVICE, "Figures", &q.base, &pod__figures_response__descriptor,
		(ProtobufCMessage **)&a, err);
	if (r < 0)
		return r;
	take_parts(job->pod, a);
	if (*a->guest_silent)
		return bh_err_as(err, BH_ERR_PEER, -ETIMEDOUT, "guest: %s", a->guest_silent);
	return 0;
}

/* Those of a pod in a micro-VM are the guest's to tell. */
static int ask_container(struct job *job, struct bh_node_container *c, struct bh_err *err)
{
	Pod__ContainerRequest q = POD__CONTAINER_REQUEST__INIT;
	Pod__StatsResponse *a = NULL;
	int r;

	q.id = (char *)c->id;
	r = ask(job, BH_POD_SERVICE, "Stats", &q.base, &pod__stats_response__descriptor,
		(ProtobufCMessage **)&a, err);
	if (r < 0)
		return r;
	c->measured = bh_node_stats((const char *)a->json.data, a->json.len, c);
	pod__stats_response__free_unpacked(a, NULL);
	return 0;
}

static int ask_figures(struct job *job, struct bh_err *err)
{
	int r = ask_parts(job, err);

	if (!job->pod->vcpus)
		return r;
	bh_for_each (c, job->pod->containers)
		if (r == 0 && strcmp(c->status, "stopped") != 0)
			r = ask_container(job, c, err);
	return r;
}

/* ---- the round ------------------------------------------------------------------------------- */

static int ask_all(struct job *job, struct bh_err *err)
{
	int r = connect_to(job, err);

	r = r < 0 ? r : ask_description(job, err);
	if (r == 0 && job->query->figures && job->pod->state != BH_NODE_DEAD)
		r = ask_figures(job, err);
	return r;
}

/* Of a pod that answered to nothing at all, or only in part. */
static void tell_silence(struct job *job, int r, const struct bh_err *err)
{
	char text[BH_ERR_LINE_BYTES];
	struct bh_node_pod *pod = job->pod;

	if (r == -ETIMEDOUT && pod->state == BH_NODE_SILENT)
		pod->reason = bh_arena_printf(job->arena, "no answer within %llu ms",
					      (unsigned long long)job->query->deadline_ms);
	else
		pod->reason = bh_node_text(job->arena, bh_err_format(err, text, sizeof(text)));
	/* Its server ended since we looked, and took all with it. */
	if (pod->state == BH_NODE_SILENT && (r == -ECONNREFUSED || r == -ENOENT))
		pod->state = BH_NODE_GONE;
}

static void run_job(void *arg)
{
	struct job job = *(struct job *)arg;
	struct bh_err err = BH_ERR_INIT;
	int r = ask_all(&job, &err);

	job.client = bh_rpc_client_free(job.client);
	job.pod->up = r == 0 && job.pod->state != BH_NODE_DEAD;
	if (r < 0)
		tell_silence(&job, r, &err);
	if (bh_node_judge(job.arena, job.pod, &err) < 0)
		job.round->oom = true;
	if (--job.round->running == 0)
		bh_fiber_wake(&job.round->done);
}

/* Everything from the server of each pod that has one. Suspends. */
static int ask_pods(struct bh_loop *loop, const struct bh_node_query *query, struct bh_node *node,
		    struct bh_err *err)
{
	struct round round = { .running = 1 };
	uint64_t until = bh_clock_ms() + query->deadline_ms;
	int r = 0;

	for (size_t i = 0; r == 0 && i < node->n; i++) {
		struct job job = { .loop = loop,
				   .arena = &node->arena,
				   .pod = &node->pods[i],
				   .query = query,
				   .until_ms = until,
				   .round = &round };

		node->pods[i].up = !node->pods[i].served && node->pods[i].state != BH_NODE_GONE;
		if (!node->pods[i].served)
			continue;
		round.running++;
		r = bh_fiber_start(loop, run_job, &job, err);
		if (r < 0)
			round.running--;
	}
	if (--round.running > 0 && bh_fiber_wait(loop, &round.done, err) < 0)
		return err->code;
	return round.oom ? bh_err_oom(err) : r;
}

int bh_node_look(struct bh_loop *loop, const struct bh_node_query *query, struct bh_node *ret,
		 struct bh_err *err)
{
	int r = bh_node_find(query, ret, err);

	return r < 0 ? r : ask_pods(loop, query, ret, err);
}
