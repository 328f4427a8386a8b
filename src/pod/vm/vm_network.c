/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of a pod, in the order of its life: made before the monitor starts, told to the
 * guest. A namespace given by path is complete. One that the runtime is to make may be filled by
 * the engine later, between Create and Start (Docker from 28 on) or by hooks, and changed while the
 * pod lives (`docker network connect`): devices are kept ready for it.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/path.h"
#include "linux/ns.h"
#include "linux/rtnetlink.h"
#include "loop/fiber.h"
#include "pod/vm/vm_pod.h"

/* Interfaces that may come later. Each device costs the boot some of its time, used or not. */
#define RESERVED 2

/* From the first of several changes on. */
#define REST_MS 100

/* Whether it is the namespace that this process is in: the host's. */
static bool is_hosts(int netns_fd)
{
	struct stat ours, theirs;

	return stat("/proc/self/ns/net", &ours) == 0 && fstat(netns_fd, &theirs) == 0 &&
	       ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* Where the rule is not enforced, the guest has its loopback interface alone. */
static int refuse_hosts(struct bh_vm_pod *pod, struct bh_err *err)
{
	struct bh_demand demand;
	int r = bh_vm_demand(&pod->spec, &demand, err);

	if (r < 0)
		return r;
	demand.host_network = true;
	pod->netns_fd = bh_close(pod->netns_fd);
	pod->netns_path = NULL;
	return bh_vm_verdict(&demand, bh_vm_pod_name(&pod->spec, pod->config.id),
			     &pod->config.settings.rules, err);
}

static int join(struct bh_vm_pod *pod, const char *path, struct bh_err *err)
{
	int r;

	pod->netns_path = path;
	pod->netns_fd = bh_path_open(AT_FDCWD, path, O_RDONLY, 0, BH_PATH_HOST, err);
	if (pod->netns_fd < 0)
		return bh_err_ctx(err, "network namespace");
	if (is_hosts(pod->netns_fd))
		return refuse_hosts(pod, err);
	r = bh_network_plan(pod->netns_fd, path, &pod->network, err);
	r = r < 0 ? r : bh_vm_pod_save(pod, err);
	return r < 0 ? r : bh_network_apply(pod->network, err);
}

int bh_vm_network_make(struct bh_vm_pod *pod, struct bh_err *err)
{
	const struct bh_namespace *ns = bh_spec_namespace(&pod->spec, BH_NS_NETWORK);
	int r;

	if (!ns)
		return 0;
	if (ns->path)
		return join(pod, ns->path, err);
	/* On the command line nobody else gets to it. */
	if (!pod->config.domain)
		return 0;
	r = bh_network_reserve(RESERVED, &pod->netns_fd, &pod->network, err);
	return r < 0 ? r : bh_vm_pod_save(pod, err);
}

int bh_vm_network_tell(struct bh_vm_pod *pod, struct bh_err *err)
{
	int r;

	if (!pod->network || bh_network_is_reserved(pod->network))
		return 0;
	r = bh_vm_pod_ask(pod, BH_AGENT_SERVICE, "Network", &bh_network_message(pod->network)->base,
			  NULL, NULL, err);
	pod->network_told = r == 0;
	return r;
}

/* An engine's resolver is there by now, or will not be. Return: 0; a pod is a pod without it */
static int serve_resolver(struct bh_vm_pod *pod, struct bh_err *err)
{
	int socket = bh_resolver_find(pod->netns_fd, err), stream;

	if (socket < 0)
		return socket == -ENOENT ? 0 : socket;
	stream = bh_vm_pod_stream(pod, BH_STREAM_RESOLVE, 0, err);
	if (stream < 0) {
		bh_close(socket);
		return stream;
	}
	return bh_resolver_start(pod->loop, pod->netns_fd, socket, stream, &pod->resolver, err);
}

static void offer_resolver(struct bh_vm_pod *pod)
{
	char text[BH_ERR_LINE_BYTES];
	struct bh_err err = BH_ERR_INIT;

	if (!pod->resolver && serve_resolver(pod, &err) < 0)
		bh_warn("pod '%s': its engine's resolver is not served: %s", pod->config.id,
			bh_err_format(&err, text, sizeof(text)));
}

/* ---- what changes while the pod lives -------------------------------------------------------- */

/* Suspends */
static int take_over(struct bh_vm_pod *pod, struct bh_network *old, struct bh_network *next,
		     struct bh_err *err)
{
	int r;

	pod->network = next;
	r = bh_vm_pod_save(pod, err);
	r = r < 0 ? r : bh_network_exchange(old, next, err);
	if (r < 0) {
		struct bh_err ignored = BH_ERR_INIT;

		pod->network = old;
		(void)!bh_vm_pod_save(pod, &ignored);
		return r;
	}
	return bh_vm_pod_ask(pod, BH_AGENT_SERVICE, "Network", &bh_network_news(next)->base, NULL,
			     NULL, err);
}

/* Suspends */
static int look_again(struct bh_vm_pod *pod, struct bh_err *err)
{
	struct bh_network *old = pod->network, *next;
	int r = bh_network_renew(old, &next, err);

	if (r < 0 || !next)
		return r;
	r = take_over(pod, old, next, err);
	bh_network_free(pod->network == next ? old : next);
	return r;
}

/* A fiber. What it stumbles over is looked at again with the next change. */
static void look(void *arg)
{
	struct bh_vm_pod *pod = arg;
	char text[BH_ERR_LINE_BYTES];
	struct bh_err err = BH_ERR_INIT;
	int r;

	pod->users++;
	r = look_again(pod, &err);
	if (bh_vm_pod_check(pod, NULL) == 0) {
		if (r < 0)
			bh_warn("pod '%s': %s", pod->config.id,
				bh_err_format(&err, text, sizeof(text)));
		offer_resolver(pod);
	}
	pod->network_looking = false;
	pod->users--;
}

static void on_rest(struct bh_timer *timer)
{
	struct bh_vm_pod *pod = bh_owner_of(timer, struct bh_vm_pod, network_rest);
	struct bh_err err = BH_ERR_INIT;

	/* What comes before the guest was told of the network is part of what it is told. */
	if (pod->dead || pod->closed || !pod->network_told)
		return;
	if (pod->network_looking) {
		bh_loop_arm(pod->loop, timer, REST_MS);
		return;
	}
	pod->network_looking = true;
	if (bh_fiber_start(pod->loop, look, pod, &err) < 0)
		pod->network_looking = false;
}

static int on_news(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_vm_pod *pod = bh_owner_of(source, struct bh_vm_pod, network_news);

	(void)events;
	(void)err;
	bh_rtnl_skip(source->fd);
	if (!pod->network_rest.armed)
		bh_loop_arm(pod->loop, &pod->network_rest, REST_MS);
	return 0;
}

/* Within the namespace. @arg: where the descriptor goes */
static int listen_here(void *arg, struct bh_err *err)
{
	int *ret = arg;

	*ret = bh_rtnl_listen(err);
	return *ret < 0 ? *ret : 0;
}

static int listen_to_news(struct bh_vm_pod *pod, struct bh_err *err)
{
	int r = bh_ns_visit_network(pod->netns_fd, listen_here, &pod->network_news.fd, err);

	return r < 0 ? r : bh_loop_add(pod->loop, &pod->network_news, EPOLLIN, err);
}

void bh_vm_network_init(struct bh_vm_pod *pod)
{
	pod->network_news = (struct bh_source){ .fd = -EBADF, .fn = on_news, .what = "network" };
	pod->network_rest.fn = on_rest;
}

void bh_vm_network_end(struct bh_vm_pod *pod)
{
	bh_loop_disarm(pod->loop, &pod->network_rest);
	bh_loop_remove(pod->loop, &pod->network_news);
	pod->network_news.fd = bh_close(pod->network_news.fd);
}

int bh_vm_network_arrive(struct bh_vm_pod *pod, struct bh_err *err)
{
	int r = 0;

	if (!pod->network || pod->network_told)
		return 0;
	if (bh_network_is_reserved(pod->network)) {
		r = pod->network_news.fd < 0 ? listen_to_news(pod, err) : 0;
		r = r < 0 ? r : bh_network_arrive(pod->network, err);
		r = r < 0 ? r : bh_vm_pod_save(pod, err);
		r = r < 0 ? r : bh_network_apply(pod->network, err);
	}
	r = r < 0 ? r : bh_vm_network_tell(pod, err);
	if (r < 0)
		return r;
	offer_resolver(pod);
	if (pod->network_news.fd >= 0)
		bh_loop_arm(pod->loop, &pod->network_rest, REST_MS);
	return 0;
}
