/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/serve.h"

#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/path.h"
#include "container/self_protect.h"
#include "container/state.h"

/* Without a caller and without a container: for a containerd that was just restarted. */
#define COURTESY_MS 60000
/* For the last events to be told. */
#define DRAIN_MS 5000
/* After a call, for the next one. */
#define TIDY_MS      500
#define FILTER_CACHE "/run/bulkhead/@seccomp"

/* ---- connections ----------------------------------------------------------------------------- */

static void look_whether_wanted(struct bh_shim *s);

static void forget(struct bh_shim_connection *c)
{
	bh_list_remove(&c->shim->connections, c);
	free(c);
}

static void on_closed(void *arg, struct bh_rpc_server *server)
{
	struct bh_shim_connection *c = arg;
	struct bh_shim *s = c->shim;

	(void)server;
	forget(c);
	bh_shim_tidy(s);
	look_whether_wanted(s);
}

static void close_connections(struct bh_shim *s)
{
	while (s->connections) {
		bh_rpc_server_close(s->connections->server);
		forget(s->connections);
	}
}

/* containerd runs as who started this process; nobody else has anything to ask. */
static bool is_welcome(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}

/* Whoever is welcome. What does not come about is closed: its caller tries again. */
static void serve_one(struct bh_shim *s, int caller, const struct bh_rpc_service *services,
		      size_t n)
{
	bh_auto_close int fd = caller;
	struct bh_shim_connection *c;

	if (!is_welcome(fd))
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->shim = s;
	if (bh_rpc_serve(&s->loop, bh_take_fd(&fd), services, n, on_closed, c, &c->server, NULL) <
	    0) {
		free(c);
		return;
	}
	c->next = s->connections;
	s->connections = c;
	look_whether_wanted(s);
}

static void stop_listening(struct bh_acceptor *listener)
{
	bh_acceptor_stop(listener);
	listener->source.fd = bh_close(listener->source.fd);
}

static void on_connection(struct bh_acceptor *listener, int fd)
{
	struct bh_shim *s = bh_owner_of(listener, struct bh_shim, listener);
	const struct bh_rpc_service service = bh_shim_service(s);

	serve_one(s, fd, &service, 1);
}

static void on_command_line(struct bh_acceptor *listener, int fd)
{
	struct bh_shim *s = bh_owner_of(listener, struct bh_shim, pod_listener);
	size_t n;
	const struct bh_rpc_service *services = bh_pod_services(s->pod, &n);

	serve_one(s, fd, services, n);
}

/* ---- the pod --------------------------------------------------------------------------------- */

static int configure(struct bh_shim *s, const char *id, const char *bundle, struct bh_err *err)
{
	const char *root = bh_shim_root(&s->arena, s->settings.root, s->call->name_space, err);

	if (!root)
		return err->code;
	s->config = (struct bh_pod_config){
		.root = root,
		.id = bh_arena_strdup(&s->arena, id),
		.container = bh_arena_strdup(&s->arena, id),
		.bundle = bh_arena_strdup(&s->arena, bundle),
		.filter_cache = FILTER_CACHE,
		.domain = s->call->name_space,
		.host_mounts = s->config.host_mounts,
		.settings = s->settings.config,
	};
	return s->config.id && s->config.container && s->config.bundle ? 0 : bh_err_oom(err);
}

/* containerd has the lines, and may want all of them. Before the settings are known: at the level
 * info. */
static int open_log(const struct bh_shim *s, struct bh_err *err)
{
	const struct bh_config *c = &s->settings.config;
	enum bh_log_level level = s->settings.kind ? c->log.level : BH_LOG_INFO;

	return bh_log_open(NULL, s->settings.kind ? c->log.format : BH_LOG_TEXT,
			   s->call->debug ? BH_LOG_DEBUG : level, err);
}

static void on_event(void *arg, const char *topic, const ProtobufCMessage *event)
{
	struct bh_shim *s = arg;

	bh_publisher_tell(&s->publisher, topic, event);
}

static void on_over(void *arg)
{
	struct bh_shim *s = arg;

	if (s->stage == BH_SHIM_OPEN)
		s->stage = BH_SHIM_OVER;
}

/* A pod with a directory of its own is reached there as well. */
static int serve_command_line(struct bh_shim *s, struct bh_err *err)
{
	int fd = bh_pod_listen(s->config.root, s->config.id, err);

	s->pod_listener.source.fd = fd;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	return bh_acceptor_start(&s->loop, &s->pod_listener, err);
}

static int open_pod(struct bh_shim *s, const char *id, const char *bundle, const Wire__Any *options,
		    struct bh_err *err)
{
	const struct bh_pod_listener listener = { .event = on_event, .over = on_over, .arg = s };
	const char *kind;
	int r = bh_shim_settings_find(&s->settings, s->call->program, bundle, options, err);

	kind = s->settings.kind;
	r = r < 0 ? r : open_log(s, err);
	r = r < 0 ? r : configure(s, id, bundle, err);
	if (r == 0 && bh_pod_own_mounts(kind) && s->config.host_mounts == 0) /* not tried before */
		r = bh_pod_leave_mounts(&s->config.host_mounts, err);
	if (r == 0 && strcmp(s->settings.root, BH_SHIM_ROOT_DEFAULT) != 0)
		bh_shim_mark(s->socket_path, s->config.root);
	r = r < 0 ? r : bh_pod_open(kind, &s->loop, &s->config, &listener, &s->pod, err);
	return r < 0 ? r : serve_command_line(s, err);
}

int bh_shim_open_pod(struct bh_shim *s, const char *id, const char *bundle,
		     const Wire__Any *options, struct bh_err *err)
{
	int r;

	s->stage = BH_SHIM_OPENING;
	r = open_pod(s, id, bundle, options, err);
	/* It may have been told to end meanwhile, and waits for this. */
	s->stage = r < 0 ? BH_SHIM_IDLE : BH_SHIM_OPEN;
	if (r < 0 && s->pod) {
		stop_listening(&s->pod_listener);
		bh_pod_close(s->pod);
		s->pod = bh_pod_free(s->pod);
	}
	return r;
}

bool bh_shim_in_use(const struct bh_shim *s)
{
	return s->stage == BH_SHIM_OPENING || (s->stage == BH_SHIM_OPEN && !bh_pod_empty(s->pod));
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* A segment of the program that is not written to: its pages come again when they are used. */
static int drop_segment(struct dl_phdr_info *info, size_t size, void *data)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)data;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		uintptr_t start = (info->dlpi_addr + h->p_vaddr) / page * page;

		if (h->p_type == PT_LOAD && !(h->p_flags & PF_W))
			(void)!madvise((void *)start,
				       info->dlpi_addr + h->p_vaddr + h->p_memsz - start,
				       MADV_DONTNEED);
	}
	return 1; /* the program itself is the first */
}

/* Most of a pod's life this process waits: what it needed to create a container goes. */
static void on_tidy(struct bh_timer *timer)
{
	(void)timer;
	malloc_trim(0);
	dl_iterate_phdr(drop_segment, NULL);
}

void bh_shim_tidy(struct bh_shim *s)
{
	bh_loop_arm(&s->loop, &s->tidy, TIDY_MS);
}

/* ---- the end --------------------------------------------------------------------------------- */

void bh_shim_retire(struct bh_shim *s)
{
	if (s->listener.source.fd < 0)
		return;
	unlink(s->socket_path);
	bh_shim_unmark(s->socket_path);
	stop_listening(&s->listener);
}

static void close_and_leave(void *arg)
{
	struct bh_shim *s = arg;

	while (s->stage == BH_SHIM_OPENING && bh_fiber_sleep(&s->loop, 10, NULL) == 0)
		;
	s->stage = BH_SHIM_ENDING;
	stop_listening(&s->pod_listener);
	if (s->pod)
		bh_pod_close(s->pod);
	bh_publisher_drain(&s->publisher, DRAIN_MS);
	bh_loop_stop(&s->loop);
}

void bh_shim_end(struct bh_shim *s)
{
	struct bh_err err = BH_ERR_INIT;

	if (s->ends)
		return;
	s->ends = true;
	bh_shim_retire(s);
	if (s->stage == BH_SHIM_OPENING && s->pod) {
		bh_err_as(&err, BH_ERR_PEER, -ECANCELED, "the shim is to end");
		bh_pod_give_up(s->pod, &err);
	}
	if (bh_fiber_start(&s->loop, close_and_leave, s, &err) < 0)
		bh_loop_stop(&s->loop);
}

static void look_whether_wanted(struct bh_shim *s)
{
	if (!s->connections && !bh_shim_in_use(s))
		bh_loop_arm(&s->loop, &s->courtesy, COURTESY_MS);
	else
		bh_loop_disarm(&s->loop, &s->courtesy);
}

static void on_courtesy(struct bh_timer *timer)
{
	struct bh_shim *s = bh_owner_of(timer, struct bh_shim, courtesy);

	if (!s->connections && !bh_shim_in_use(s))
		bh_shim_end(s);
}

static int on_signal(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_shim *s = bh_owner_of(source, struct bh_shim, signals);
	struct signalfd_siginfo info;

	(void)events;
	(void)err;
	if (read(source->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		bh_shim_end(s);
	return 0;
}

/* ---- the process ----------------------------------------------------------------------------- */

static int take_socket(struct bh_shim *s, struct bh_err *err)
{
	struct sockaddr_un at;
	socklen_t len = sizeof(at);

	if (getsockname(BH_SHIM_SOCKET_FD, (struct sockaddr *)&at, &len) < 0 ||
	    at.sun_family != AF_UNIX || fcntl(BH_SHIM_SOCKET_FD, F_SETFD, FD_CLOEXEC) < 0)
		return bh_err_set(err, -errno, "descriptor %d is no listening socket",
				  BH_SHIM_SOCKET_FD);
	snprintf(s->socket_path, sizeof(s->socket_path), "%s", at.sun_path);
	s->listener.source.fd = BH_SHIM_SOCKET_FD;
	return bh_acceptor_start(&s->loop, &s->listener, err);
}

static int watch_signals(struct bh_shim *s, struct bh_err *err)
{
	sigset_t set;
	int r;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	s->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	sigaddset(&set, SIGCHLD); /* as bh_pod_open() wants it */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || s->signals.fd < 0)
		return bh_err_set(err, -errno, "watch for signals");
	r = bh_loop_add(&s->loop, &s->signals, EPOLLIN, err);
	return r < 0 ? r : 0;
}

static int run(struct bh_shim *s, struct bh_err *err)
{
	int r = bh_loop_init(&s->loop, err);

	r = r < 0 ? r : take_socket(s, err);
	r = r < 0 ? r : watch_signals(s, err);
	if (r < 0)
		return r;
	bh_publisher_init(&s->publisher, &s->loop, s->call->ttrpc_address, s->call->name_space);
	look_whether_wanted(s);
	r = bh_loop_run(&s->loop, err);
	bh_shim_retire(s);
	close_connections(s);
	s->pod = bh_pod_free(s->pod);
	bh_publisher_deinit(&s->publisher);
	return r;
}

int bh_shim_serve(const struct bh_shim_call *call, char *const argv[], struct bh_err *err)
{
	struct bh_shim s = {
		.call = call,
		.settings = BH_SHIM_SETTINGS_INIT,
		.listener = { .source = { .fd = -EBADF, .what = "socket" }, .fn = on_connection },
		.pod_listener = { .source = { .fd = -EBADF, .what = "pod's socket" },
				  .fn = on_command_line },
		.signals = { .fd = -EBADF, .fn = on_signal, .what = "signals" },
		.courtesy = { .fn = on_courtesy },
		.tidy = { .fn = on_tidy },
	};
	char text[BH_ERR_LINE_BYTES];
	int r = bh_self_protect(argv, "bulkhead-shim", err);

	umask(022);
	if (r == 0 && chdir("/") < 0)
		r = bh_err_set(err, -errno, "leave the bundle's directory");
	r = r < 0 ? r : open_log(&s, err);
	r = r < 0 ? r : run(&s, err);
	if (r < 0)
		bh_log(BH_LOG_ERROR, "%s", bh_err_format(err, text, sizeof(text)));
	bh_shim_settings_deinit(&s.settings);
	bh_arena_deinit(&s.arena);
	return r;
}
