/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server. libmicrohttpd tells its work by one descriptor and one timeout, which the event
 * loop watches, and is given its connections: of itself it would be busy all the time while there
 * are no descriptors for any. A request waits, suspended, until the pods were looked at; requests
 * that come meanwhile share that look. No pod can make it wait longer than its deadline.
 *
 * Source: libmicrohttpd(3), "external event loop", MHD_suspend_connection()
 */
#include "metrics/server.h"

#include <microhttpd.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "loop/acceptor.h"
#include "loop/fiber.h"
#include "metrics/exposition.h"

#define CONNECTIONS_MAX 64
#define IDLE_S          30    /* a client that says nothing is hung up on */
#define MEMORY_MAX      32768 /* of a connection: its request's headers */
#define URL             "/metrics"
#define NS_PER_S        1e9

struct server;

struct request {
	struct request *next; /* of those that wait */
	struct server *server;
	struct MHD_Connection *connection;
	enum bh_exposition format;
	struct bh_buf text;
	bool looked, failed;
};

struct server {
	const struct bh_node_query *query;
	struct bh_loop loop;
	struct bh_listener listener;
	struct bh_acceptor acceptor; /* at the listener */
	struct MHD_Daemon *http;
	struct bh_source http_source, signals;
	struct bh_timer http_timer;
	struct bh_deferred begin; /* a look */
	struct bh_counters counters;
	struct request *waiting;
	bool looking;
};

/* ---- looking --------------------------------------------------------------------------------- */

static int look_at_all(struct server *s, struct bh_node *node, double *ret_seconds,
		       struct bh_err *err)
{
	const uint64_t start_ns = bh_clock_ns();
	int r = bh_node_look(&s->loop, s->query, node, err);

	*ret_seconds = (double)(bh_clock_ns() - start_ns) / NS_PER_S;
	return r < 0 ? r : bh_counters_see(&s->counters, node, err);
}

static void answer_all(struct server *s, const struct bh_node *node, double seconds)
{
	while (s->waiting) {
		struct request *q = s->waiting;

		s->waiting = q->next;
		q->looked = true;
		if (node)
			bh_exposition_print(q->format, node, &s->counters, seconds, &q->text);
		q->failed = !node || q->text.failed;
		MHD_resume_connection(q->connection);
	}
	bh_loop_arm(&s->loop, &s->http_timer, 0);
}

/* A fiber: then all who have waited are answered. */
static void look(void *arg)
{
	struct server *s = arg;
	bh_auto_node struct bh_node node = { .n = 0 };
	char text[BH_ERR_LINE_BYTES];
	struct bh_err err = BH_ERR_INIT;
	double seconds = 0;
	int r = look_at_all(s, &node, &seconds, &err);

	if (r < 0)
		bh_warn("%s", bh_err_format(&err, text, sizeof(text)));
	s->looking = false;
	answer_all(s, r < 0 ? NULL : &node, seconds);
}

/* Outside of the HTTP server's own calls: the look may be over at once. */
static void begin_look(struct bh_deferred *deferred)
{
	struct server *s = bh_owner_of(deferred, struct server, begin);
	struct bh_err err = BH_ERR_INIT;

	if (s->looking)
		return;
	s->looking = true;
	if (bh_fiber_start(&s->loop, look, s, &err) == 0)
		return;
	s->looking = false;
	answer_all(s, NULL, 0);
}

static enum MHD_Result wait_for_look(struct server *s, struct request *q)
{
	q->next = s->waiting;
	s->waiting = q;
	MHD_suspend_connection(q->connection);
	bh_loop_defer(&s->loop, &s->begin);
	return MHD_YES;
}

/* ---- requests -------------------------------------------------------------------------------- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned int status,
			      const char *type, const char *text, size_t len)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, (void *)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result r = MHD_NO;

	if (!response)
		return MHD_NO;
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES)
		r = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned int status,
			      const char *text)
{
	return answer(connection, status, "text/plain; charset=utf-8", text, strlen(text));
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *data_len, void **state)
{
	struct server *s = arg;
	struct request *q = *state;

	(void)version;
	(void)data;
	if (!q) {
		/* The headers are here; what follows is asked for by the second call. */
		q = calloc(1, sizeof(*q));
		if (!q)
			return MHD_NO;
		*q = (struct request){ .server = s, .connection = connection };
		*state = q;
		return MHD_YES;
	}
	if (*data_len > 0) { /* nothing that is sent is of any use */
		*data_len = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET is wanted\n");
	if (strcmp(url, URL) != 0)
		return refuse(connection, MHD_HTTP_NOT_FOUND, "there is " URL " alone\n");
	if (!q->looked) {
		q->format = bh_exposition_wanted(MHD_lookup_connection_value(
			connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
		return wait_for_look(s, q);
	}
	if (q->failed)
		return refuse(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
			      "the pods could not be looked at: the log says why\n");
	return answer(connection, MHD_HTTP_OK, bh_exposition_type(q->format), bh_buf_str(&q->text),
		      q->text.len);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode why)
{
	struct server *s = arg;
	struct request *q = *state, **at = &s->waiting;

	(void)connection;
	(void)why;
	if (!q)
		return;
	while (*at && *at != q)
		at = &(*at)->next;
	if (*at)
		*at = q->next;
	bh_buf_deinit(&q->text);
	free(q);
	*state = NULL;
}

/* ---- on the event loop ----------------------------------------------------------------------- */

/* Those that are too many wait. */
static void hold_callers(struct server *s)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(s->http, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	bh_acceptor_hold(&s->acceptor, info && info->num_connections >= CONNECTIONS_MAX);
}

static void run_http(struct server *s)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(s->http);
	hold_callers(s);
	if (MHD_get_timeout(s->http, &ms) == MHD_YES)
		bh_loop_arm(&s->loop, &s->http_timer, ms);
	else
		bh_loop_disarm(&s->loop, &s->http_timer);
}

static void on_client(struct bh_acceptor *acceptor, int fd)
{
	struct server *s = bh_owner_of(acceptor, struct server, acceptor);
	struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(from);

	(void)!getpeername(fd, (struct sockaddr *)&from, &len);
	MHD_add_connection(s->http, fd, (struct sockaddr *)&from, len); /* takes fd in any case */
	run_http(s);
}

static int on_http(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	(void)events;
	(void)err;
	run_http(bh_owner_of(source, struct server, http_source));
	return 0;
}

static void on_http_timer(struct bh_timer *timer)
{
	run_http(bh_owner_of(timer, struct server, http_timer));
}

static int on_signal(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct server *s = bh_owner_of(source, struct server, signals);

	(void)events;
	(void)err;
	bh_loop_stop(&s->loop);
	return 0;
}

static int watch_signals(struct server *s, struct bh_err *err)
{
	sigset_t set;
	int r;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	s->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals.fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return bh_err_set(err, -errno, "watch for signals");
	r = bh_loop_add(&s->loop, &s->signals, EPOLLIN, err);
	return r < 0 ? r : 0;
}

static int start_http(struct server *s, struct bh_err *err)
{
	const union MHD_DaemonInfo *info;
	int r;

	s->http = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
		on_request, s, MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_MAX, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, s, MHD_OPTION_END);
	if (!s->http)
		return bh_err_as(err, BH_ERR_PEER, -EIO, "start the HTTP server");
	info = MHD_get_daemon_info(s->http, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return bh_err_as(err, BH_ERR_PEER, -EIO, "the HTTP server has no descriptor");
	s->http_source = (struct bh_source){ .fd = info->epoll_fd, .fn = on_http, .what = "HTTP" };
	r = bh_loop_add(&s->loop, &s->http_source, EPOLLIN, err);
	s->acceptor.source.fd = s->listener.fd;
	return r < 0 ? r : bh_acceptor_start(&s->loop, &s->acceptor, err);
}

int bh_metrics_serve(const struct bh_node_query *query, const char *where, struct bh_err *err)
{
	struct server s = { .query = query,
			    .loop = BH_LOOP_INIT,
			    .listener = { .fd = -EBADF },
			    .acceptor = { .source = { .fd = -EBADF, .what = "metrics" },
					  .fn = on_client },
			    .http_source = { .fd = -EBADF },
			    .signals = { .fd = -EBADF, .fn = on_signal, .what = "signals" },
			    .http_timer = { .fn = on_http_timer },
			    .begin = { .fn = begin_look } };
	int r = bh_loop_init(&s.loop, err);

	r = r < 0 ? r : watch_signals(&s, err);
	r = r < 0 ? r : bh_listen(where, &s.listener, err);
	r = r < 0 ? r : start_http(&s, err);
	if (r == 0) {
		bh_log(BH_LOG_INFO, "metrics at %s", s.listener.where);
		r = bh_loop_run(&s.loop, err);
	}
	answer_all(&s, NULL, 0); /* those that are suspended would keep the server from ending */
	if (s.http)
		MHD_stop_daemon(s.http);
	bh_acceptor_stop(&s.acceptor);
	bh_listener_deinit(&s.listener);
	/* A look that is under way has a stack of its own, which ends with the program. */
	if (!s.looking)
		bh_counters_deinit(&s.counters);
	return r;
}
