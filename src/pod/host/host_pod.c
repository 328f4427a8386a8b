/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/host/host_pod.h"

#include "base/clock.h"
#include "base/log.h"
#include "pod/host/host_service.h"
#include "pod/vm/record.h"
#include "task/stdio.h"
#include "task/task.h"

struct host_pod {
	struct bh_pod pod;
	struct bh_pod_config config;
	struct bh_pod_listener listener;
	struct bh_stdio stdio;
	struct bh_ledger ledger;
	struct bh_tasks *tasks;
	struct bh_rpc_service services[2];
};

static void publish(void *arg, const char *topic, const ProtobufCMessage *event)
{
	struct host_pod *pod = arg;

	bh_ledger_event(&pod->ledger, topic, event);
	if (pod->listener.event)
		pod->listener.event(pod->listener.arg, topic, event);
}

/* A directory, for who wants to know of the pod. Its containers are on record by themselves. */
static int put_on_record(const struct bh_pod_config *config, struct bh_err *err)
{
	char created[BH_CLOCK_BYTES];
	struct bh_pod_record record = { .runtime = BH_HOST_POD_NAME,
					.created = bh_clock_now(created, false) };
	bh_auto_close int dirfd = bh_pod_dir_make(config->root, config->id, err);
	int r = bh_proc_identify(getpid(), &record.server, err);

	if (r == 0 && dirfd == -EEXIST && !bh_pod_served(config->root, config->id)) {
		/* Left by a server that was killed, before anybody came to clean up. */
		r = bh_pod_undo(config->root, config->id, err);
		dirfd = r < 0 ? r : bh_pod_dir_make(config->root, config->id, err);
	}
	if (r < 0 || dirfd < 0)
		return r < 0 ? r : dirfd;
	r = bh_pod_record_save(dirfd, &record, err);
	if (r < 0)
		(void)!bh_pod_dir_remove(config->root, config->id, NULL);
	return r;
}

static void strike_off(const struct host_pod *pod)
{
	char text[BH_ERR_LINE_BYTES];
	struct bh_err err = BH_ERR_INIT;

	if (bh_pod_undo(pod->config.root, pod->config.id, &err) < 0)
		bh_warn("%s", bh_err_format(&err, text, sizeof(text)));
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
	pod->config = *config;
	pod->listener = *listener;
	pod->stdio = (struct bh_stdio){ .loop = loop,
					.domain = config->domain,
					.reader_ms = BH_POD_READER_MS };
	r = put_on_record(config, err);
	if (r == 0) {
		r = bh_tasks_new(loop, &opts, &pod->tasks, err);
		if (r < 0)
			strike_off(pod);
	}
	if (r < 0) {
		free(pod);
		return r;
	}
	pod->services[0] = bh_tasks_service(pod->tasks);
	pod->services[1] = bh_host_pod_service(&pod->ledger);
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
	*ret_n = BH_ARRAY_SIZE(((struct host_pod *)base)->services);
	return ((struct host_pod *)base)->services;
}

static void close_pod(struct bh_pod *base)
{
	bh_tasks_kill_all(((struct host_pod *)base)->tasks);
	strike_off((struct host_pod *)base);
}

static struct bh_pod *free_pod(struct bh_pod *base)
{
	struct host_pod *pod = (struct host_pod *)base;

	pod->tasks = bh_tasks_free(pod->tasks);
	bh_stdio_end(&pod->stdio);
	bh_ledger_deinit(&pod->ledger);
	free(pod);
	return NULL;
}

const struct bh_pod_kind bh_host_pod_kind = {
	.name = BH_HOST_POD_NAME,
	.bring_up = bring_up,
	.plan = plan,
	.check = check,
	.empty = empty,
	.pid = pid,
	.services = services,
	.close = close_pod,
	.free = free_pod,
};
