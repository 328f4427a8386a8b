/* SPDX-License-Identifier: Apache-2.0 */
/* bulkhead-agent: boot the guest, serve the host until there is none. */
#include <string.h>

#include "agent/agent.h"
#include "agent/boot.h"
#include "agent/figures.h"
#include "agent/forward.h"
#include "agent/resolver.h"
#include "base/log.h"

/* ---- tasks ----------------------------------------------------------------------------------- */

static int open_stdio(void *arg, const struct bh_task_stdio_request *request,
		      struct bh_task_stdio *ret, struct bh_err *err)
{
	struct bh_agent *agent = arg;

	return bh_streams_open(&agent->streams, request->uris, ret, err);
}

/* Prepare has made all of it. */
static int prepare(void *arg, const char *id, const char *bundle, struct bh_err *err)
{
	(void)arg;
	(void)id;
	(void)bundle;
	(void)err;
	return 0;
}

static void release(void *arg, const char *id)
{
	struct bh_agent *agent = arg;
	struct bh_err err = BH_ERR_INIT;
	char text[BH_ERR_LINE_BYTES];

	if (bh_bundles_release(&agent->bundles, id, &err) < 0)
		bh_warn("%s", bh_err_format(&err, text, sizeof(text)));
}

/* All but this the host knows by the calls that it makes itself. */
static void publish(void *arg, const char *topic, const ProtobufCMessage *event)
{
	struct bh_agent *agent = arg;

	if (!strcmp(topic, "/tasks/oom"))
		bh_events_publish(&agent->events, topic, event);
}

static int start_tasks(struct bh_agent *agent, struct bh_err *err)
{
	const struct bh_task_opts opts = { .root = BH_AGENT_STATE_DIR,
					   .filter_cache = BH_AGENT_FILTER_DIR,
					   .cgroup_manager = BH_CGROUP_FS,
					   .sole = true,
					   .open_stdio = open_stdio,
					   .prepare = prepare,
					   .release = release,
					   .publish = publish,
					   .arg = agent,
					   .stdio_arg = agent };

	return bh_tasks_new(&agent->loop, &opts, &agent->tasks, err);
}

/* ---- the link -------------------------------------------------------------------------------- */

static void on_stream(void *arg, enum bh_stream_kind kind, uint32_t token, int fd)
{
	struct bh_agent *agent = arg;
	const struct bh_rpc_service services[] = { bh_agent_service(agent),
						   bh_tasks_service(agent->tasks) };
	struct bh_rpc_server *server; /* ends with its connection */
	struct bh_err err = BH_ERR_INIT;
	char text[BH_ERR_LINE_BYTES];

	if (kind == BH_STREAM_STDIO) {
		bh_streams_add(&agent->streams, token, fd);
		return;
	}
	if (kind == BH_STREAM_RESOLVE) {
		bh_agent_resolve(&agent->loop, fd);
		return;
	}
	if (kind == BH_STREAM_CONNECT) {
		bh_forward(&agent->loop, (uint16_t)token, fd);
		return;
	}
	if (bh_rpc_serve(&agent->loop, fd, services, BH_ARRAY_SIZE(services), NULL, NULL, &server,
			 &err) < 0)
		bh_warn("connection: %s", bh_err_format(&err, text, sizeof(text)));
}

/* Without a host there is nothing to run for. */
static void on_dead(void *arg, const struct bh_err *why)
{
	struct bh_err err = *why;

	(void)arg;
	bh_err_ctx(&err, "link to the host");
	bh_boot_fail(&err);
}

/* One module at a time, so that calls are served between them. */
static void on_load_later(struct bh_timer *timer)
{
	struct bh_agent *agent = bh_owner_of(timer, struct bh_agent, load_later);

	if (bh_modules_load_one(&agent->later))
		bh_loop_arm(&agent->loop, timer, 0);
}

static int serve(struct bh_agent *agent, struct bh_err *err)
{
	int r = bh_loop_init(&agent->loop, err);

	agent->bundles.loop = &agent->loop;
	agent->bundles.modules_fd = agent->later.dirfd;
	agent->bundles.sweep.loop = &agent->loop;
	agent->streams.loop = &agent->loop;
	agent->events.loop = &agent->loop;
	agent->load_later.fn = on_load_later;
	if (r == 0)
		r = start_tasks(agent, err);
	if (r == 0)
		r = bh_link_listen(&agent->loop, on_stream, on_dead, agent, &agent->link, err);
	return r < 0 ? r : bh_loop_run(&agent->loop, err);
}

int main(int argc, char **argv)
{
	struct bh_agent agent = { .boot_usec = bh_figures_own_usec(),
				  .loop = BH_LOOP_INIT,
				  .later = BH_MODULES_INIT };
	struct bh_err err = BH_ERR_INIT;

	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts(BH_VERSION);
		return 0;
	}
	if (getpid() != 1) {
		fprintf(stderr, "bulkhead-agent: runs as the first process of a micro-VM\n");
		return 1;
	}
	if (bh_boot_console(&err) < 0 || bh_boot(&agent.later, &err) < 0)
		bh_boot_fail(&err);
	serve(&agent, &err);
	bh_boot_fail(&err);
}
