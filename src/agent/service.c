/* SPDX-License-Identifier: Apache-2.0 */
/* The Agent service: a table of methods, each a few lines that put question and answer into
 * messages. Source: proto/agent.proto */
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/figures.h"
#include "agent/hello.h"
#include "agent/network.h"
#include "base/path.h"
#include "container/container.h"
#include "loop/fiber.h"
#include "rpc/services.h"

/* The answer of a method that has none but success. */
static void answer(struct bh_rpc_call *call, int r, const struct bh_err *err)
{
	if (r < 0)
		bh_rpc_fail_err(call, err);
	else
		bh_rpc_reply(call, NULL);
}

/* ---- the guest ------------------------------------------------------------------------------- */

static void hello(void *self, struct bh_rpc_call *call, const void *request)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	Agent__HelloResponse response;
	struct bh_err err = BH_ERR_INIT;
	struct bh_agent *agent = self;

	if (bh_hello(&arena, request, agent->later.dirfd, &response, &err) < 0) {
		bh_rpc_fail_err(call, &err);
		return;
	}
	bh_rpc_reply(call, &response.base);
	/* While the host goes on with its own work. */
	bh_loop_arm(&agent->loop, &agent->load_later, 1);
}

static void clock_(void *self, struct bh_rpc_call *call, const void *request)
{
	const Agent__ClockRequest *clock = request;
	struct bh_err err = BH_ERR_INIT;

	(void)self;
	answer(call, bh_hello_clock(clock->now, &err), &err);
}

static void ping(void *self, struct bh_rpc_call *call, const void *request)
{
	(void)self;
	(void)request;
	bh_rpc_reply(call, NULL);
}

static void network(void *self, struct bh_rpc_call *call, const void *request)
{
	struct bh_agent *agent = self;
	struct bh_err err = BH_ERR_INIT;
	int r = bh_network_apply(request, &err);

	/* The driver may be among the modules that are not loaded yet; it is one of the first. */
	while (r == -ENODEV && bh_modules_load_one(&agent->later))
		r = bh_network_apply(request, &err);
	answer(call, r, &err);
}

static void events(void *self, struct bh_rpc_call *call, const void *request)
{
	struct bh_agent *agent = self;

	(void)request;
	bh_events_ask(&agent->events, call);
}

static void figures(void *self, struct bh_rpc_call *call, const void *request)
{
	const struct bh_agent *agent = self;
	Agent__FiguresResponse response = AGENT__FIGURES_RESPONSE__INIT;
	struct bh_err err = BH_ERR_INIT;

	(void)request;
	if (bh_figures(agent->boot_usec, &response, &err) < 0)
		bh_rpc_fail_err(call, &err);
	else
		bh_rpc_reply(call, &response.base);
}

/* ---- containers ------------------------------------------------------------------------------ */

static int stats_json(const char *id, struct bh_buf *out, struct bh_err *err)
{
	static const char without[] = "\"network_interfaces\":null}";
	bh_auto_container struct bh_container *c = bh_container_load(BH_AGENT_STATE_DIR, id, err);
	bh_auto_free char *devices = NULL;
	const size_t len = sizeof(without) - 1;
	int r;

	if (!c)
		return err->code;
	if (!c->cg)
		return bh_err_as(err, BH_ERR_STATE, -ENODEV, "container %s has no cgroup", id);
	r = bh_cgroup_stats_json(c->cg, out, err);
	if (r < 0 || out->len < len || strcmp(out->data + out->len - len, without))
		return r;
	/* The containers of a pod have one network: the guest's own. */
	r = bh_path_read(AT_FDCWD, "/proc/net/dev", BH_PATH_HOST, 65536, &devices, NULL, err);
	if (r < 0)
		return r;
	out->len -= sizeof("null}") - 1;
	bh_figures_network(devices, out);
	bh_buf_puts(out, "}");
	return out->failed ? bh_err_oom(err) : 0;
}

static void stats(void *self, struct bh_rpc_call *call, const void *request)
{
	Agent__StatsResponse response = AGENT__STATS_RESPONSE__INIT;
	bh_auto_buf struct bh_buf json = BH_BUF_INIT;
	const Agent__StatsRequest *asked = request;
	struct bh_err err = BH_ERR_INIT;

	(void)self;
	if (stats_json(asked->id, &json, &err) < 0) {
		bh_rpc_fail_err(call, &err);
		return;
	}
	response.json = (ProtobufCBinaryData){ .len = json.len, .data = (uint8_t *)json.data };
	bh_rpc_reply(call, &response.base);
}

static void processes(void *self, struct bh_rpc_call *call, const void *request)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	const Agent__ProcessesRequest *asked = request;
	Agent__ProcessesResponse response;
	bh_auto_free pid_t *pids = NULL;
	struct bh_err err = BH_ERR_INIT;
	bh_auto_container struct bh_container *c =
		bh_container_load(BH_AGENT_STATE_DIR, asked->id, &err);
	size_t n = 0;
	int r = c ? bh_container_pids(c, &pids, &n, &err) : err.code;

	(void)self;
	if (r == 0)
		r = bh_ps(&arena, pids, n, &response, &err);
	if (r < 0)
		bh_rpc_fail_err(call, &err);
	else
		bh_rpc_reply(call, &response.base);
}

/* ---- methods that wait: each in a fiber ------------------------------------------------------ */

/* On the starter's stack, which is gone at the first suspension: each makes a copy. */
struct job {
	struct bh_agent *agent;
	struct bh_rpc_call *call;
	const void *request;
};

static void run_in_fiber(void *self, struct bh_rpc_call *call, const void *request,
			 void (*fn)(void *job))
{
	struct job job = { .agent = self, .call = call, .request = request };
	struct bh_err err = BH_ERR_INIT;

	if (bh_fiber_start(&job.agent->loop, fn, &job, &err) < 0)
		bh_rpc_fail_err(call, &err);
}

static void do_prepare(void *arg)
{
	const struct job job = *(const struct job *)arg;
	Agent__PrepareResponse response = AGENT__PREPARE_RESPONSE__INIT;
	struct bh_err err = BH_ERR_INIT;
	char bundle[PATH_MAX];

	/* Its storages and its programs may need what a module brings. */
	bh_modules_load_all(&job.agent->later);
	if (bh_bundles_prepare(&job.agent->bundles, job.request, bundle, &err) < 0) {
		bh_rpc_fail_err(job.call, &err);
		return;
	}
	response.bundle = bundle;
	bh_rpc_reply(job.call, &response.base);
}

static void prepare(void *self, struct bh_rpc_call *call, const void *request)
{
	run_in_fiber(self, call, request, do_prepare);
}

static void do_release(void *arg)
{
	const struct job job = *(const struct job *)arg;
	const Agent__ReleaseRequest *request = job.request;
	struct bh_err err = BH_ERR_INIT;

	answer(job.call, bh_bundles_release(&job.agent->bundles, request->id, &err), &err);
}

static void release(void *self, struct bh_rpc_call *call, const void *request)
{
	run_in_fiber(self, call, request, do_release);
}

static void do_stop(void *arg)
{
	const struct job job = *(const struct job *)arg;

	bh_tasks_kill_all(job.agent->tasks);
	bh_bundles_release_all(&job.agent->bundles);
	sync();
	bh_rpc_reply(job.call, NULL);
}

static void stop(void *self, struct bh_rpc_call *call, const void *request)
{
	run_in_fiber(self, call, request, do_stop);
}

static const struct bh_rpc_method methods[] = {
	{ "Hello", &agent__hello_request__descriptor, hello },
	{ "Ping", &agent__ping_request__descriptor, ping },
	{ "Network", &agent__network_request__descriptor, network },
	{ "Prepare", &agent__prepare_request__descriptor, prepare },
	{ "Release", &agent__release_request__descriptor, release },
	{ "Clock", &agent__clock_request__descriptor, clock_ },
	{ "Events", &agent__events_request__descriptor, events },
	{ "Figures", &agent__figures_request__descriptor, figures },
	{ "Processes", &agent__processes_request__descriptor, processes },
	{ "Stats", &agent__stats_request__descriptor, stats },
	{ "Stop", &agent__stop_request__descriptor, stop },
};

struct bh_rpc_service bh_agent_service(struct bh_agent *agent)
{
	static const char *const names[] = { BH_AGENT_SERVICE, NULL };

	return (struct bh_rpc_service){ .names = names,
					.methods = methods,
					.n_methods = BH_ARRAY_SIZE(methods),
					.self = agent };
}
