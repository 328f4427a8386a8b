/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/host/host_pod.h"

#include "task/stdio.h"
#include "task/task.h"

struct host_pod {
	struct bh_pod pod;
	struct bh_pod_listener listener;
	struct bh_stdio stdio;
	struct bh_tasks *tasks;
	struct bh_rpc_service service;
};

static void publish(void *arg, const char *topic, const ProtobufCMessage *event)
{
	struct host_pod *pod = arg;

	if (pod->listener.event)
		pod->listener.event(pod->listener.arg, topic, event);
}

static int bring_up(struct bh_loop *loop, const struct bh_pod_config *config,
		    const struct bh_pod_listener *listener, struct bh_pod **ret, struct bh_err *err)
{
	struct host_pod *pod = calloc(1, sizeof(*pod));
	const struct bh_task_opts opts = {
		.root = config->root,
		.filter_cache = config->filter_cache,
		.cgroup_manager = config->settings.cgroup_manager,
		.no_pivot = config->settings.no_pivot,
		.no_keyring = config->settings.no_new_keyring,
		.no_hooks = !config->settings.hooks,
		.open_stdio = bh_stdio_open,
		.publish = publish,
		.arg = pod,
		.stdio_arg = pod ? &pod->stdio : NULL,
	};
	int r;

	if (!pod)
		return bh_err_oom(err);
	pod->pod.kind = &bh_host_pod_kind;
	pod->listener = *listener;
	pod->stdio = (struct bh_stdio){ .loop = loop,
					.domain = config->domain,
					.reader_ms = BH_POD_READER_MS };
	r = bh_tasks_new(loop, &opts, &pod->tasks, err);
	if (r < 0) {
		free(pod);
		return r;
	}
	pod->service = bh_tasks_service(pod->tasks);
	*ret = &pod->pod;
	return 0;
}

static int plan(const struct bh_pod_config *config, struct bh_buf *out, struct bh_err *err)
{
	struct bh_create_opts opts = BH_CREATE_OPTS_INIT;

	opts.root = config->root;
	opts.id = config->container;
	opts.bundle = config->bundle;
	opts.cgroup_manager = config->settings.cgroup_manager;
	opts.no_pivot = config->settings.no_pivot;
	opts.no_hooks = !config->settings.hooks;
	return bh_container_dry_run(&opts, out, err);
}

/* A pod wants nothing of the node that each of its containers does not: those who look after
 * containers know the rows. */
static int check(const struct bh_pod_config *config, struct bh_arena *arena,
		 struct bh_check_report *report, struct bh_err *err)
{
	(void)config;
	(void)arena;
	(void)report;
	(void)err;
	return 0;
}

static bool empty(const struct bh_pod *base)
{
	return bh_tasks_empty(((const struct host_pod *)base)->tasks);
}

static pid_t pid(const struct bh_pod *base, const char *id)
{
	return bh_tasks_pid(((const struct host_pod *)base)->tasks, id);
}

static const struct bh_rpc_service *services(struct bh_pod *base, size_t *ret_n)
{
	*ret_n = 1;
	return &((struct host_pod *)base)->service;
}

static void close_pod(struct bh_pod *base)
{
	bh_tasks_kill_all(((struct host_pod *)base)->tasks);
}

static struct bh_pod *free_pod(struct bh_pod *base)
{
	struct host_pod *pod = (struct host_pod *)base;

	pod->tasks = bh_tasks_free(pod->tasks);
	bh_stdio_end(&pod->stdio);
	free(pod);
	return NULL;
}

const struct bh_pod_kind bh_host_pod_kind = {
	.name = "runc",
	.bring_up = bring_up,
	.plan = plan,
	.check = check,
	.empty = empty,
	.pid = pid,
	.services = services,
	.close = close_pod,
	.free = free_pod,
};
