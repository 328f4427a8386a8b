/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `start`: which process serves the container, and where it is found.
 *
 * One process serves a pod: its socket's name follows from containerd's address, the name space and
 * the pod. containerd reads standard output and standard error together until their end, so nothing
 * but the address is written there, and the process that serves must not hold them.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/path.h"
#include "container/self_protect.h"
#include "container/state.h"
#include "shim/input.h"
#include "shim/shim.h"

#define SOCKET_PREFIX  "unix://"
#define LISTEN_BACKLOG 128
/* Of the pod's id, for people who look at the socket's name; the hash before it tells pods apart.
 */
#define NAME_CHARS    40
#define OOM_SCORE_MAX 1000

#define ANNOTATION_GROUP   "io.containerd.runc.v2.group"
#define ANNOTATION_SANDBOX "io.kubernetes.cri.sandbox-id"
#define ANNOTATION_TYPE    "io.kubernetes.cri.container-type"

struct start {
	const struct bh_shim_call *call;
	struct bh_arena arena;
	struct bh_shim_input input;
	struct bh_shim_settings settings;
	const char *pod; /* id of the pod, or of the group of containers */
	bool is_member;  /* of a pod that must be there already */
	struct sockaddr_un at;
	int bundle_fd, socket_fd;
};

/* ---- the pod --------------------------------------------------------------------------------- */

static const char *annotation(const bh_kv_list *list, const char *key)
{
	bh_for_each (kv, *list)
		if (strcmp(kv->key, key) == 0 && *kv->value)
			return kv->value;
	return NULL;
}

static int find_pod(struct start *s, struct bh_err *err)
{
	bh_kv_list annotations = { .n = 0 };
	const char *group, *type;
	int r = bh_bundle_annotations(&s->arena, s->call->bundle, &annotations, err);

	if (r < 0)
		return r;
	/* The sandbox's is Kubernetes' own word; the group's could be a tenant's, passed on. */
	group = annotation(&annotations, ANNOTATION_SANDBOX);
	if (!group)
		group = annotation(&annotations, ANNOTATION_GROUP);
	type = annotation(&annotations, ANNOTATION_TYPE);
	s->pod = group ? group : s->call->id;
	s->is_member = type && strcmp(type, "container") == 0 && strcmp(s->pod, s->call->id) != 0;
	return bh_container_id_check(s->pod, err);
}

/* ---- the socket ------------------------------------------------------------------------------ */

static uint64_t hash_of(uint64_t hash, const char *text)
{
	/* FNV-1a, the NUL included. */
	do
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
	while (*text++);
	return hash;
}

static int name_socket(struct start *s, struct bh_err *err)
{
	const char *dir = BH_SHIM_SOCKET_DIR;
	uint64_t hash = 0xcbf29ce484222325;
	int n;

	if (s->input.boot && *s->input.boot->socket_dir)
		dir = s->input.boot->socket_dir;
	hash = hash_of(hash, s->call->address ? s->call->address : "");
	hash = hash_of(hash, s->call->name_space);
	hash = hash_of(hash, s->pod);
	s->at.sun_family = AF_UNIX;
	n = snprintf(s->at.sun_path, sizeof(s->at.sun_path), "%s/%016" PRIx64 "-%.*s", dir, hash,
		     NAME_CHARS, s->pod);
	return n < (int)sizeof(s->at.sun_path)
		       ? 0
		       : bh_err_as(err, BH_ERR_SPEC, -ENAMETOOLONG,
				   "'%s' leaves no room for a socket's name", dir);
}

static bool answers(const struct sockaddr_un *at)
{
	bh_auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* A queue that is full is somebody's. */
	return fd >= 0 &&
	       (connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 || errno == EAGAIN);
}

static int make_socket_dir(const struct start *s, struct bh_err *err)
{
	bh_auto_close int root = bh_path_open(AT_FDCWD, "/", O_PATH, 0, BH_PATH_HOST, err),
			  dir = -1;
	bh_auto_free char *path = strdup(s->at.sun_path);

	if (root < 0)
		return root;
	if (!path)
		return bh_err_oom(err);
	*strrchr(path, '/') = '\0';
	dir = bh_path_mkdirs(root, path, 0700, err);
	return dir < 0 ? bh_err_ctx(err, "socket's directory") : 0;
}

/* Return: 0; -EADDRINUSE when the name is taken, not described */
static int bind_socket(struct start *s, struct bh_err *err)
{
	mode_t mask;
	int r;

	s->socket_fd = bh_close(s->socket_fd);
	s->socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->socket_fd < 0)
		return bh_err_set(err, -errno, "make a socket");
	mask = umask(0177);
	r = bind(s->socket_fd, (const struct sockaddr *)&s->at, sizeof(s->at)) < 0 ? -errno : 0;
	umask(mask);
	if (r == -EADDRINUSE)
		return r;
	if (r < 0 || listen(s->socket_fd, LISTEN_BACKLOG) < 0)
		return bh_err_set(err, r < 0 ? r : -errno, "listen at '%s'", s->at.sun_path);
	return 0;
}

/* Return: whether somebody serves the pod already; else socket_fd listens. -errno with @err */
static int take_place(struct start *s, struct bh_err *err)
{
	int r;

	if (answers(&s->at))
		return 1;
	if (s->is_member)
		return bh_err_as(err, BH_ERR_STATE, -ENOENT,
				 "sandbox %s is not running: container %s cannot be created in it",
				 s->pod, s->call->id);
	r = make_socket_dir(s, err);
	if (r == 0)
		r = bind_socket(s, err);
	if (r != -EADDRINUSE)
		return r;
	/* Left by a process that is gone, or another `start` was quicker. */
	if (answers(&s->at))
		return 1;
	if (unlink(s->at.sun_path) < 0 && errno != ENOENT)
		return bh_err_set(err, -errno, "remove '%s'", s->at.sun_path);
	r = bind_socket(s, err);
	return r == -EADDRINUSE ? bh_err_set(err, r, "listen at '%s'", s->at.sun_path) : r;
}

/* ---- the process that serves ----------------------------------------------------------------- */

/* A little more than containerd's own: it is to go before containerd. */
static void set_oom_score(void)
{
	bh_auto_free char *text = NULL;
	char score[24];
	long now;

	if (bh_path_read(AT_FDCWD, "/proc/self/oom_score_adj", BH_PATH_HOST, 64, &text, NULL,
			 NULL) < 0)
		return;
	now = strtol(text, NULL, 10);
	if (now >= OOM_SCORE_MAX)
		return;
	snprintf(score, sizeof(score), "%ld", now + 1);
	/* Without the privilege it stays as it is. */
	(void)!bh_path_write(AT_FDCWD, "/proc/self/oom_score_adj", score, BH_PATH_HOST, NULL);
}

/* What is written while nobody reads is lost instead of being waited for; reading too, or the fifo
 * would have no reader while containerd is away. */
static int open_log(const struct start *s)
{
	int fd = bh_path_try_open(s->bundle_fd, BH_SHIM_LOG_FIFO, O_RDWR | O_NONBLOCK, 0,
				  BH_PATH_BENEATH);

	return fd >= 0 ? fd : bh_path_try_open(AT_FDCWD, "/dev/null", O_RDWR, 0, BH_PATH_HOST);
}

/* Context: child. The descriptors of the process that serves: nothing of the caller's. */
static int arrange_descriptors(const struct start *s, struct bh_err *err)
{
	int null = bh_path_open(AT_FDCWD, "/dev/null", O_RDWR, 0, BH_PATH_HOST, err);
	int log = open_log(s);

	if (null < 0)
		return null;
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(log < 0 ? null : log, STDERR_FILENO) < 0)
		return bh_err_set(err, -errno, "let go of the caller's stdio");
	/* dup2(2) of a descriptor to itself would leave it to be closed by execve(2). */
	if (s->socket_fd == BH_SHIM_SOCKET_FD ? fcntl(s->socket_fd, F_SETFD, 0) < 0
					      : dup2(s->socket_fd, BH_SHIM_SOCKET_FD) < 0)
		return bh_err_set(err, -errno, "hand over the socket");
	close_range(BH_SHIM_SOCKET_FD + 1, ~0U, 0);
	return 0;
}

static _Noreturn void become_server(const struct start *s, char *const argv[])
{
	struct bh_err err = BH_ERR_INIT;
	char text[BH_ERR_LINE_BYTES];
	size_t n = 0;
	int r = arrange_descriptors(s, &err);

	setsid();
	set_oom_score();
	while (argv[n])
		n++;
	if (r == 0) {
		bh_auto_free const char **again = calloc(n + 1, sizeof(*again));

		if (!again)
			_exit(EXIT_FAILURE);
		memcpy(again, argv, n * sizeof(*again));
		again[n - 1] = "serve";
		(void)!bh_self_protect((char *const *)again, "bulkhead-shim", &err);
	}
	dprintf(STDERR_FILENO, "%s\n", bh_err_format(&err, text, sizeof(text)));
	_exit(EXIT_FAILURE);
}

static int start_server(const struct start *s, char *const argv[], struct bh_err *err)
{
	pid_t pid;

	/* Threads of a core are shared within the pod alone. */
	if (getenv("SCHED_CORE") && prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0UL,
					  PR_SCHED_CORE_SCOPE_PROCESS_GROUP, 0UL) < 0)
		return bh_err_set(err, -errno, "make a core scheduling cookie");
	pid = fork();
	if (pid == 0)
		become_server(s, argv);
	return pid < 0 ? bh_err_set(err, -errno, "fork") : 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* For containerd after a restart, and for `delete`. */
static int write_files(const struct start *s, const char *address, struct bh_err *err)
{
	int r = bh_path_replace(s->bundle_fd, BH_SHIM_ADDRESS_FILE, address, strlen(address), 0600,
				err);

	if (r == 0 && strcmp(s->settings.root, BH_SHIM_ROOT_DEFAULT) != 0)
		r = bh_path_replace(s->bundle_fd, BH_SHIM_ROOT_FILE, s->settings.root,
				    strlen(s->settings.root), 0600, err);
	return r;
}

/* The plain address is understood by every version; one that said so by its input may hear that the
 * third version of the Task service is served, which spares it calls of this program. */
static int tell(const struct start *s, const char *address, struct bh_err *err)
{
	const char *text = address;

	if (s->input.boot)
		text = bh_arena_printf((struct bh_arena *)&s->arena,
				       "{\"version\":3,\"address\":\"%s\",\"protocol\":\"ttrpc\"}",
				       address);
	if (!text)
		return bh_err_oom(err);
	return bh_fd_write(STDOUT_FILENO, text, strlen(text)) < 0
		       ? bh_err_set(err, -errno, "print the address")
		       : 0;
}

static int prepare(struct start *s, struct bh_err *err)
{
	bh_auto_free char *input = NULL;
	size_t len;
	int r = bh_shim_read_input(&input, &len, err);

	r = r < 0 ? r : bh_shim_input_parse(input, len, &s->input, err);
	r = r < 0 ? r
		  : bh_shim_settings_find(&s->settings, s->call->program, s->call->bundle,
					  bh_shim_input_options(&s->input), err);
	r = r < 0 ? r : find_pod(s, err);
	r = r < 0 ? r : name_socket(s, err);
	if (r < 0)
		return r;
	s->bundle_fd = bh_path_open(AT_FDCWD, s->call->bundle, O_RDONLY | O_DIRECTORY, 0,
				    BH_PATH_HOST, err);
	return s->bundle_fd < 0 ? s->bundle_fd : 0;
}

static int start(struct start *s, char *const argv[], struct bh_err *err)
{
	char address[sizeof(SOCKET_PREFIX) + sizeof(s->at.sun_path)];
	int served, r = prepare(s, err);

	if (r < 0)
		return r;
	snprintf(address, sizeof(address), SOCKET_PREFIX "%s", s->at.sun_path);
	served = take_place(s, err);
	if (served < 0)
		return served;
	if (!served && s->settings.config.shim_cgroup)
		r = bh_shim_enter_cgroup(s->settings.config.shim_cgroup, err);
	r = r < 0 ? r : write_files(s, address, err);
	if (r == 0 && !served)
		r = start_server(s, argv, err);
	if (r < 0 && !served)
		unlink(s->at.sun_path);
	return r < 0 ? r : tell(s, address, err);
}

int bh_shim_start(const struct bh_shim_call *call, char *const argv[], struct bh_err *err)
{
	struct start s = { .call = call,
			   .settings = BH_SHIM_SETTINGS_INIT,
			   .bundle_fd = -EBADF,
			   .socket_fd = -EBADF };
	int r;

	bh_log_end(); /* a warning would be taken for a part of the address */
	r = start(&s, argv, err);

	bh_close(s.socket_fd);
	bh_close(s.bundle_fd);
	bh_shim_input_deinit(&s.input);
	bh_shim_settings_deinit(&s.settings);
	bh_arena_deinit(&s.arena);
	return r;
}
