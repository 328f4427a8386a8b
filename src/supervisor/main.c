/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulkhead-pod: serves one pod to the command line, from the pod's start to the deletion of its
 * last container. Started by `bulkhead --runtime kata create` and `run`, not by hand.
 *
 *	bulkhead-pod serve …    detach from the caller, bring the pod up, answer its socket
 *	bulkhead-pod plan …     print what would be done
 *	bulkhead-pod check …    print whether this node is fit, as base/check.h's document
 *	bulkhead-pod undo …     take away what is left of a pod whose server is gone
 *
 * Whether the pod came up is told on the descriptor --report, as one struct bh_err; warnings until
 * then go to standard error.
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/option.h"
#include "base/path.h"
#include "loop/acceptor.h"
#include "loop/fiber.h"
#include "pod/pod.h"

/* For the last answers to be read before this process ends. */
#define FAREWELL_MS 2000
/* For the caller to ask for its container, before a pod that nobody wants ends. */
#define COURTESY_MS 30000

#define N_KEYS 6

struct options {
	struct bh_arena arena;
	struct bh_pod_config pod;
	const char *runtime, *config;
	const char *keys[N_KEYS]; /* of the configuration, which they win over */
	struct bh_config_set set;
	struct bh_err unread; /* why not all of the configuration was */
	struct bh_opt_i64 report;
	int report_fd;
};

struct server {
	const struct options *o;
	struct bh_loop loop;
	struct bh_pod *pod;
	struct bh_acceptor listener;
	struct bh_source signals, caller;
	struct bh_timer farewell, courtesy;
	size_t n_connections;
	pid_t creator; /* who started this program, for a container of its own */
	bool up, over;
	int status; /* of this program */
};

/* ---- options --------------------------------------------------------------------------------- */

#define TEXT(option, member)                                                                   \
	{                                                                                      \
		.name = option, .type = BH_OPTION_STRING, BH_OPTION_AT(struct options, member) \
	}

/* Those of keys[] come first, and are called as the keys are. */
static const struct bh_option rows[] = {
	TEXT("guest", keys[0]),
	TEXT("accelerator", keys[1]),
	TEXT("cgroup-manager", keys[2]),
	TEXT("log.file", keys[3]),
	TEXT("log.format", keys[4]),
	TEXT("log.level", keys[5]),
	TEXT("root", pod.root),
	TEXT("pod", pod.id),
	TEXT("container", pod.container),
	TEXT("bundle", pod.bundle),
	TEXT("runtime", runtime),
	TEXT("config", config),
	{ .name = "report",
	  .type = BH_OPTION_I64,
	  .max = INT_MAX,
	  BH_OPTION_AT(struct options, report) },
};
static const struct bh_option_set options = { .options = rows, .n = BH_ARRAY_SIZE(rows) };

static int take_keys(struct options *o, struct bh_err *err)
{
	char option[32];

	for (size_t i = 0; i < N_KEYS; i++) {
		snprintf(option, sizeof(option), "--%s", rows[i].name);
		if (o->keys[i] &&
		    bh_config_flag(&o->set, rows[i].name, o->keys[i], option, err) < 0)
			return bh_err_ctx(err, "%s", option);
	}
	return 0;
}

/* @ret_verb: "" = none was given */
static int parse(int argc, char **argv, struct options *o, const char **ret_verb,
		 struct bh_err *err)
{
	struct bh_strv args = { .n = 0 };
	int r;

	*o = (struct options){ .arena = BH_ARENA_INIT,
			       .runtime = "kata",
			       .set = BH_CONFIG_SET_INIT,
			       .unread = BH_ERR_INIT,
			       .report_fd = -EBADF };
	r = bh_option_parse(&o->arena, &options, argc - 1, argv + 1, o, &args, err);
	*ret_verb = args.n ? args.v[0] : "";
	if (r == 0 && o->report.set) {
		o->report_fd = (int)o->report.v;
		if (fcntl(o->report_fd, F_SETFD, FD_CLOEXEC) < 0)
			return bh_err_set(err, -errno, "--report %d", o->report_fd);
	}
	return r < 0 ? r : take_keys(o, err);
}

/* What is right of a configuration that has mistakes is enough to clean up by. */
static int configure(struct options *o, struct bh_err *err)
{
	(void)(bh_config_load(&o->set, o->config, &o->unread) < 0);
	return bh_config_resolve(&o->set, o->runtime, NULL, &o->pod.settings, NULL, err);
}

/* What holds for the one pod, which its bundle may have a say in. */
static int find_settings(struct options *o, struct bh_err *err)
{
	const char *kind = o->runtime;

	return bh_pod_settings(&o->set, &kind, o->pod.bundle, &o->pod.settings, err);
}

/* What all that is about one pod needs. */
static int check_pod(const struct options *o, struct bh_err *err)
{
	if (!o->pod.root || !o->pod.id)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "--root and --pod are wanted");
	return bh_container_id_check(o->pod.id, err);
}

/* ---- connections ----------------------------------------------------------------------------- */

static void close_and_leave(void *arg)
{
	struct server *s = arg;

	bh_pod_close(s->pod);
	bh_loop_stop(&s->loop);
}

/* Ends the pod with all that is in it. */
static void end(struct server *s)
{
	struct bh_err err = BH_ERR_INIT;

	if (s->over)
		return;
	s->over = true;
	if (bh_fiber_start(&s->loop, close_and_leave, s, &err) < 0)
		bh_loop_stop(&s->loop);
}

/* Without callers: when the pod is over, this process is; one without containers is of no use. */
static void look_whether_wanted(struct server *s)
{
	if (s->n_connections > 0)
		return;
	if (s->over)
		bh_loop_stop(&s->loop);
	else if (bh_pod_empty(s->pod) && !s->courtesy.armed)
		end(s);
}

static void on_courtesy(struct bh_timer *timer)
{
	look_whether_wanted(bh_owner_of(timer, struct server, courtesy));
}

static void on_closed(void *arg, struct bh_rpc_server *connection)
{
	struct server *s = arg;

	(void)connection;
	s->n_connections--;
	look_whether_wanted(s);
}

static pid_t peer_of(int fd)
{
	struct ucred peer = { .pid = 0 };
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ? 0 : peer.pid;
}

static void on_connection(struct bh_acceptor *listener, int fd)
{
	struct server *s = bh_owner_of(listener, struct server, listener);
	struct bh_rpc_server *connection;
	const struct bh_rpc_service *services;
	size_t n;

	/* Others, who only look, may come and go before. */
	if (peer_of(fd) == s->creator)
		bh_loop_disarm(&s->loop, &s->courtesy);
	services = bh_pod_services(s->pod, &n);
	if (bh_rpc_serve(&s->loop, fd, services, n, on_closed, s, &connection, NULL) == 0)
		s->n_connections++;
}

static int listen_on(struct server *s, struct bh_err *err)
{
	int fd = bh_pod_listen(s->o->pod.root, s->o->pod.id, err);

	s->listener.source.fd = fd;
	return fd < 0 ? fd : bh_acceptor_start(&s->loop, &s->listener, err);
}

/* ---- the pod's life -------------------------------------------------------------------------- */

static void on_farewell(struct bh_timer *timer)
{
	struct server *s = bh_owner_of(timer, struct server, farewell);

	bh_loop_stop(&s->loop);
}

static void on_over(void *arg)
{
	struct server *s = arg;

	s->over = true;
	bh_acceptor_stop(&s->listener);
	bh_loop_arm(&s->loop, &s->farewell, FAREWELL_MS);
	look_whether_wanted(s);
}

static void give_up(struct server *s, const char *why)
{
	struct bh_err err = BH_ERR_INIT;

	bh_err_as(&err, BH_ERR_PEER, -ECANCELED, "%s", why);
	bh_pod_give_up(s->pod, &err);
}

/* While the pod comes up: whoever wanted it is gone. */
static int on_caller_gone(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct server *s = bh_owner_of(source, struct server, caller);

	(void)events;
	(void)err;
	bh_loop_remove(&s->loop, source);
	if (s->pod && !s->up)
		give_up(s, "nobody waits for the pod any more");
	return 0;
}

/* SIGTERM: the pod is to end. */
static int on_signal(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct server *s = bh_owner_of(source, struct server, signals);
	struct signalfd_siginfo info;

	(void)events;
	(void)err;
	if (read(source->fd, &info, sizeof(info)) != (ssize_t)sizeof(info) || !s->pod)
		return 0;
	if (s->up)
		end(s);
	else
		give_up(s, "terminated");
	return 0;
}

/* Return: whether somebody heard it */
static bool report(struct server *s, const struct bh_err *err)
{
	ssize_t n = write(s->o->report_fd, err, sizeof(*err));

	bh_loop_remove(&s->loop, &s->caller);
	bh_close(s->o->report_fd);
	return n == (ssize_t)sizeof(*err);
}

/* From now on nobody hears what is written to the caller's standard error. */
static int let_go_of_caller(const struct options *o, struct bh_err *err)
{
	bh_auto_close int null = bh_path_open(AT_FDCWD, "/dev/null", O_RDWR, 0, BH_PATH_HOST, err);

	if (null < 0)
		return null;
	if (!o->pod.settings.log.file)
		bh_log_end();
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			return bh_err_set(err, -errno, "let go of the caller's stdio");
	return 0;
}

static void open_and_listen(void *arg)
{
	struct server *s = arg;
	const struct bh_pod_listener listener = { .over = on_over, .arg = s };
	const struct bh_err fine = BH_ERR_INIT;
	struct bh_err err = BH_ERR_INIT;
	int r;

	r = bh_pod_open(s->o->runtime, &s->loop, &s->o->pod, &listener, &s->pod, &err);
	s->up = r == 0;
	r = r < 0 ? r : listen_on(s, &err);
	r = r < 0 ? r : let_go_of_caller(s->o, &err);
	if (report(s, r < 0 ? &err : &fine) && r == 0) {
		bh_loop_arm(&s->loop, &s->courtesy, COURTESY_MS);
		return;
	}
	s->status = EXIT_FAILURE;
	bh_loop_stop(&s->loop);
}

static int watch_signals(struct server *s, struct bh_err *err)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	s->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || s->signals.fd < 0)
		return bh_err_set(err, -errno, "watch for signals");
	r = bh_loop_add(&s->loop, &s->signals, EPOLLIN, err);
	s->caller.fd = s->o->report_fd;
	/* A pipe's writing end has an error when nobody reads any more. */
	r = r < 0 ? r : bh_loop_add(&s->loop, &s->caller, EPOLLERR, err);
	return r < 0 ? r : 0;
}

/* A session, a mount namespace and descriptors of its own; what the host mounts later is still
 * seen. */
static int detach(int *ret_host_mounts, struct bh_err *err)
{
	pid_t pid = fork();

	if (pid < 0)
		return bh_err_set(err, -errno, "fork");
	if (pid > 0)
		_exit(EXIT_SUCCESS);
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	if (setsid() < 0 || chdir("/") < 0)
		return bh_err_set(err, -errno, "leave the caller's session");
	return bh_pod_leave_mounts(ret_host_mounts, err);
}

/* Return: exit status; what went wrong was reported */
static int serve(const struct options *given, struct bh_err *unused)
{
	struct options o = *given;
	struct server s = {
		.o = &o,
		.creator = getppid(),
		.listener = { .source = { .fd = -EBADF, .what = "pod's socket" },
			      .fn = on_connection },
		.signals = { .fd = -EBADF, .fn = on_signal, .what = "signals" },
		.caller = { .fd = -EBADF, .fn = on_caller_gone, .what = "caller" },
		.farewell = { .fn = on_farewell },
		.courtesy = { .fn = on_courtesy },
	};
	struct bh_err err = BH_ERR_INIT;
	int r = detach(&o.pod.host_mounts, &err);

	(void)unused;
	r = r < 0 ? r : bh_loop_init(&s.loop, &err);
	r = r < 0 ? r : watch_signals(&s, &err);
	if (r < 0) {
		(void)report(&s, &err);
		return EXIT_FAILURE;
	}
	r = bh_fiber_start(&s.loop, open_and_listen, &s, &err);
	if (r == 0 && s.status == EXIT_SUCCESS && !(s.over && s.n_connections == 0))
		r = bh_loop_run(&s.loop, &err);
	s.pod = bh_pod_free(s.pod);
	return r < 0 ? EXIT_FAILURE : s.status;
}

static int print_plan(const struct options *o, struct bh_err *err)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	int r = bh_pod_plan(o->runtime, &o->pod, &out, err);

	return r < 0 ? r : bh_buf_print(&out, err);
}

static int print_check(const struct options *o, struct bh_err *err)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_check_report report = { .fit = 0 };
	int r = bh_pod_check(o->runtime, &o->pod, &arena, &report, err);

	if (r < 0)
		return r;
	bh_check_judge(&report, BH_CHECK_KATA);
	bh_schema_write(&bh_check_schema, &report, &out);
	return bh_buf_print(&out, err);
}

static int undo(const struct options *o, struct bh_err *err)
{
	return bh_pod_undo(o->pod.root, o->pod.id, err);
}

static const struct {
	const char *name;
	bool any_pod; /* it is about none in particular */
	bool right;   /* the configuration must be */
	int (*run)(const struct options *o, struct bh_err *err);
} verbs[] = {
	{ "serve", false, true, serve },
	{ "plan", false, true, print_plan },
	{ "undo", false, false, undo },
	{ "check", true, false, print_check },
};

/* Return: exit status; -errno with @err */
static int run(struct options *o, const char *verb, struct bh_err *err)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(verbs); i++) {
		int r;

		if (strcmp(verbs[i].name, verb) != 0)
			continue;
		r = verbs[i].any_pod ? 0 : check_pod(o, err);
		if (r == 0 && verbs[i].right && o->unread.code < 0) {
			*err = o->unread;
			r = err->code;
		}
		r = r < 0 ? r : find_settings(o, err);
		r = r < 0 ? r : verbs[i].run(o, err);
		/* Whoever waits for a report gets it there. */
		return r < 0 && write(o->report_fd, err, sizeof(*err)) == (ssize_t)sizeof(*err)
			       ? EXIT_FAILURE
			       : r;
	}
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
			 "serve, plan, undo or check is wanted, not '%s'", verb);
}

int main(int argc, char **argv)
{
	char text[BH_ERR_LINE_BYTES];
	struct bh_err err = BH_ERR_INIT;
	struct options o;
	const struct bh_config *c = &o.pod.settings;
	const char *verb;
	int r = parse(argc, argv, &o, &verb, &err);

	r = r < 0 ? r : configure(&o, &err);
	if (r == 0)
		r = bh_log_open(c->log.file, c->log.format, c->log.level, &err);
	if (r == 0)
		r = run(&o, verb, &err);
	bh_config_set_deinit(&o.set);
	bh_arena_deinit(&o.arena);
	if (r >= 0)
		return r;
	fprintf(stderr, "bulkhead-pod: %s\n", bh_err_format(&err, text, sizeof(text)));
	return EXIT_FAILURE;
}
