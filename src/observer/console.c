/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod log and pod console: what a guest wrote to its console, from the files that the pod's server
 * keeps. Nobody is disturbed for it, and it is there as long as the pod's directory is.
 */
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/harmless.h"
#include "base/path.h"
#include "observer/observer.h"
#include "pod/pod.h"
#include "pod/vm/console_log.h"
#include "pod/vm/obituary.h"

#define READ_BYTES 16384
#define LOOK_MS    1000

struct reader {
	const struct bh_observer_options *o;
	const struct bh_node_pod *pod;
	int dirfd, fd;
	struct bh_harmless text;
};

static int print(struct reader *r, const char *data, size_t len, struct bh_err *err)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;

	if (r->o->raw)
		bh_buf_add(&out, data, len);
	else
		bh_harmless_add(&r->text, data, len, &out);
	return bh_buf_print(&out, err);
}

/* All that is in the file and was not printed yet. */
static int print_rest(struct reader *r, struct bh_err *err)
{
	char data[READ_BYTES];
	ssize_t n = 0;
	int e = 0;

	while (e == 0 && r->fd >= 0 && (n = read(r->fd, data, sizeof(data))) > 0)
		e = print(r, data, (size_t)n, err);
	return e < 0 || n >= 0 ? e : bh_err_set(err, -errno, "read the console's log");
}

static int print_file(struct reader *r, const char *name, struct bh_err *err)
{
	bh_close(r->fd);
	r->fd = bh_path_try_open(r->dirfd, name, O_RDONLY, 0, BH_PATH_BENEATH);
	return print_rest(r, err);
}

/* Whether a newer file has taken the place of the one that is open. */
static bool is_old(const struct reader *r)
{
	struct stat ours, newest;

	if (fstatat(r->dirfd, BH_CONSOLE_LOG, &newest, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return r->fd < 0 || fstat(r->fd, &ours) < 0 || ours.st_ino != newest.st_ino;
}

static int print_news(struct reader *r, struct bh_err *err)
{
	int e = print_rest(r, err);

	return e == 0 && is_old(r) ? print_file(r, BH_CONSOLE_LOG, err) : e;
}

/* The pod's directory is gone with the pod. */
static bool is_deleted(const struct reader *r)
{
	struct stat st;

	return fstat(r->dirfd, &st) < 0 || st.st_nlink == 0;
}

/* Whether there is nothing more to come; tells why on standard error. */
static bool is_over(const struct reader *r)
{
	struct bh_observer_options o = *r->o;
	bh_auto_node struct bh_node node = { .n = 0 };
	struct bh_err err = BH_ERR_INIT;

	if (is_deleted(r))
		return true;
	o.query.root = r->pod->root;
	o.query.pod = r->pod->id;
	if (bh_observe(&o, false, &node, &err) < 0)
		return err.code == -ENOENT || is_deleted(r);
	if (node.pods[0].state != BH_NODE_DEAD && node.pods[0].state != BH_NODE_GONE)
		return false;
	dprintf(STDERR_FILENO, "pod '%s' is %s: %s\n", r->pod->id,
		bh_node_state_name(node.pods[0].state), node.pods[0].reason);
	return true;
}

static int follow(struct reader *r, struct bh_err *err)
{
	char path[BH_PROC_FD_BYTES];
	char events[sizeof(struct inotify_event) + NAME_MAX + 1];
	bh_auto_close int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd p = { .fd = watch, .events = POLLIN };
	bool over = false;
	int e = 0;

	if (watch < 0 || inotify_add_watch(watch, bh_proc_fd(path, r->dirfd),
					   IN_MODIFY | IN_CREATE | IN_DELETE_SELF) < 0)
		return bh_err_set(err, -errno, "watch the console's log");
	while (e == 0 && !over) {
		int n = poll(&p, 1, LOOK_MS);

		while (n > 0 && read(watch, events, sizeof(events)) > 0)
			;
		over = n == 0 ? is_over(r) : is_deleted(r);
		e = print_news(r, err);
	}
	return e;
}

/* After the line that tells of the pod's death. */
static int print_obituary(struct reader *r, struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	const char *console;
	size_t len;
	int e = bh_path_read(AT_FDCWD, r->pod->obituary, BH_PATH_HOST, BH_OBITUARY_MAX, &text, &len,
			     err);

	if (e < 0)
		return e;
	console = strchr(text, '\n');
	e = console ? print(r, console + 1, strlen(console + 1), err) : 0;
	dprintf(STDERR_FILENO, "pod '%s' is dead: %s\n", r->pod->id, r->pod->reason);
	return e;
}

static int open_pod(struct reader *r, struct bh_node *node, struct bh_err *err)
{
	struct bh_node_query query = r->o->query;
	char path[PATH_MAX];
	int e;

	query.dead = true;
	e = bh_node_find(&query, node, err);
	if (e == -ENOENT)
		return bh_err_as(err, BH_ERR_STATE, e,
				 "pod does not exist: %s (the last lines of one that was deleted "
				 "are in the log of who served it: containerd's, or --log)",
				 query.pod);
	if (e < 0)
		return e;
	r->pod = &node->pods[0];
	if (*r->pod->obituary)
		return 0;
	if (strcmp(r->pod->runtime, "kata") != 0)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				 "pod '%s' runs on this kernel: it has no console", r->pod->id);
	snprintf(path, sizeof(path), "%s/" BH_PODS_DIR "/%s", r->pod->root, r->pod->id);
	r->dirfd = bh_path_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, BH_PATH_HOST, err);
	return r->dirfd < 0 ? r->dirfd : 0;
}

static int show(const struct bh_observer_options *o, bool live, struct bh_err *err)
{
	bh_auto_node struct bh_node node = { .n = 0 };
	struct reader r = { .o = o, .dirfd = -EBADF, .fd = -EBADF };
	int e = open_pod(&r, &node, err);

	if (e == 0 && *r.pod->obituary)
		return print_obituary(&r, err);
	e = e < 0 ? e : print_file(&r, BH_CONSOLE_LOG_OLD, err);
	e = e < 0 ? e : print_file(&r, BH_CONSOLE_LOG, err);
	if (e == 0 && r.fd < 0)
		dprintf(STDERR_FILENO, "nothing was written to the console of pod '%s' yet\n",
			r.pod->id);
	if (e == 0 && live)
		e = follow(&r, err);
	bh_close(r.fd);
	bh_close(r.dirfd);
	return e;
}

int bh_observe_log(const struct bh_observer_options *o, struct bh_err *err)
{
	return show(o, o->follow, err);
}

int bh_observe_console(const struct bh_observer_options *o, struct bh_err *err)
{
	return show(o, true, err);
}
