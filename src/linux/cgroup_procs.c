/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a group and of those below it, and the removal of such a tree. A group's
 * directory may have been filled with others by the container itself, wide and deep: the walk takes
 * one descriptor and no stack, however deep they are, and never a path.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "linux/cgroup_internal.h"

struct pid_list {
	pid_t *v;
	size_t n, cap;
};

static int add_pid(struct pid_list *list, pid_t pid)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 64;
		pid_t *v = reallocarray(list->v, cap, sizeof(*v));

		if (!v)
			return -ENOMEM;
		list->v = v;
		list->cap = cap;
	}
	list->v[list->n++] = pid;
	return 0;
}

/* A threaded v2 group has no list of processes: its threads are listed instead. */
static int read_procs(int dirfd, struct pid_list *list)
{
	bh_auto_close int fd =
		bh_path_try_open(dirfd, "cgroup.procs", O_RDONLY, 0, BH_PATH_BENEATH);
	bh_auto_free char *text = NULL;
	int e = fd < 0 ? fd : bh_fd_read(fd, "cgroup.procs", 1 << 28, &text, NULL, NULL);

	if (e == -EOPNOTSUPP) {
		bh_close(fd);
		fd = bh_path_try_open(dirfd, "cgroup.threads", O_RDONLY, 0, BH_PATH_BENEATH);
		e = fd < 0 ? fd : bh_fd_read(fd, "cgroup.threads", 1 << 28, &text, NULL, NULL);
	}
	for (char *p = text; e == 0 && p && *p; p += strcspn(p, "\n"), p += *p == '\n') {
		long long pid = strtoll(p, NULL, 10);

		/* 0: it lives in a pid namespace that is not below ours. */
		if (pid > 0)
			e = add_pid(list, (pid_t)pid);
	}
	return e;
}

/* Version 1: who was frozen in a group below stays frozen when the one above is thawed. */
static void thaw(int dirfd)
{
	bh_auto_close int fd =
		bh_path_try_open(dirfd, "freezer.state", O_WRONLY, 0, BH_PATH_BENEATH);

	if (fd >= 0 && write(fd, "THAWED", 6) < 0)
		errno = 0; /* shows when the group does not go away */
}

enum walk_flags { REMOVE = 1, THAW = 2 };

/* What is left of a walk: the directories on the way to where it is, each below its siblings that
 * are still to be entered. */
struct step {
	char *name;
	bool entered;
};

struct trail {
	struct step *v;
	size_t n, cap;
};

static void trail_deinit(struct trail *trail)
{
	while (trail->n)
		free(trail->v[--trail->n].name);
	free(trail->v);
}

static int add_step(struct trail *trail, const char *name)
{
	if (trail->n == trail->cap) {
		size_t cap = trail->cap ? trail->cap * 2 : 16;
		struct step *v = reallocarray(trail->v, cap, sizeof(*v));

		if (!v)
			return -ENOMEM;
		trail->v = v;
		trail->cap = cap;
	}
	trail->v[trail->n] = (struct step){ .name = strdup(name) };
	if (!trail->v[trail->n].name)
		return -ENOMEM;
	trail->n++;
	return 0;
}

/* What there is to be done with the group at @fd itself, then its directories as further steps. */
static int visit(int fd, struct pid_list *list, unsigned int flags, struct trail *trail)
{
	int copy = bh_path_try_open(fd, ".", O_RDONLY | O_DIRECTORY, 0, BH_PATH_BENEATH);
	bh_auto_closedir DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	int e = list ? read_procs(fd, list) : 0;

	if (flags & THAW)
		thaw(fd);
	if (!dir) {
		bh_close(copy);
		return copy < 0 ? copy : -errno;
	}
	for (struct dirent *entry; e == 0 && (entry = readdir(dir));)
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			e = add_step(trail, entry->d_name);
	return e;
}

/* Replaces *@fd by what @name leads to from there: a directory in it, or the one that it is in. */
static int go(int *fd, const char *name)
{
	int next = openat(*fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (next < 0)
		return -errno;
	bh_close(*fd);
	*fd = next;
	return 0;
}

/* The last step: into its directory, or out of it when all in it is done. REMOVE: take it away. */
static int take_step(int *fd, struct pid_list *list, unsigned int flags, struct trail *trail)
{
	struct step *step = &trail->v[trail->n - 1];
	int e;

	if (!step->entered) {
		e = go(fd, step->name);
		if (e < 0)
			free(trail->v[--trail->n].name);
		else
			step->entered = true;
		/* Steps may move in memory from here on. */
		e = e < 0 ? e : visit(*fd, list, flags, trail);
		return bh_cg_gone(e) ? 0 : e;
	}
	e = go(fd, "..");
	if (e == 0 && (flags & REMOVE) && unlinkat(*fd, step->name, AT_REMOVEDIR) < 0 &&
	    errno != ENOENT)
		e = -errno;
	free(trail->v[--trail->n].name);
	return e;
}

/* @top: of the group to begin with, which stays */
static int walk(int top, struct pid_list *list, unsigned int flags)
{
	bh_cleanup(trail_deinit) struct trail trail = { .n = 0 };
	bh_auto_close int fd =
		bh_path_try_open(top, ".", O_RDONLY | O_DIRECTORY, 0, BH_PATH_BENEATH);
	int e = fd < 0 ? fd : visit(fd, list, flags, &trail);

	while (e == 0 && trail.n)
		e = take_step(&fd, list, flags, &trail);
	return e;
}

static int walk_path(const char *path, struct pid_list *list, unsigned int flags)
{
	bh_auto_close int fd =
		bh_path_try_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, BH_PATH_HOST);

	return fd < 0 ? fd : walk(fd, list, flags);
}

/* The hierarchy whose processes count as the container's; runc looks at the same. */
static int main_hierarchy(const struct bh_cgroup *cg)
{
	int i = bh_cg_find(cg, BH_CG_DEVICES);

	return i < 0 && cg->n ? 0 : i;
}

int bh_cgroup_pids(const struct bh_cgroup *cg, pid_t **ret, size_t *ret_n, struct bh_err *err)
{
	struct pid_list list = { .n = 0 };
	int i = main_hierarchy(cg), e;

	if (i < 0)
		return bh_err_as(err, BH_ERR_STATE, -ENOENT, "the container has no control group");
	e = walk_path(cg->hier[i].dir, &list, 0);
	if (e < 0) {
		free(list.v);
		return bh_err_set(err, e, "list the processes in '%s'", cg->hier[i].dir);
	}
	*ret = list.v;
	*ret_n = list.n;
	return 0;
}

/* Return: how many were signalled, or -errno */
static int signal_tree(const char *dir, int sig)
{
	struct pid_list list = { .n = 0 };
	int e = walk_path(dir, &list, 0);

	for (size_t i = 0; e == 0 && i < list.n; i++)
		if (kill(list.v[i], sig) < 0 && errno != ESRCH)
			e = -errno;
	free(list.v);
	return e < 0 ? e : (int)list.n;
}

#define KILL_ROUNDS      40
#define KILL_WAIT_MAX_US 100000

/* Kills until nobody is left: who forks faster than this reads is frozen first by the caller. */
static int kill_tree(const char *dir)
{
	unsigned int wait_us = 500;

	for (int round = 0; round < KILL_ROUNDS; round++) {
		int n = signal_tree(dir, SIGKILL);

		if (n <= 0)
			return bh_cg_gone(n) ? 0 : n;
		bh_cg_sleep(wait_us);
		wait_us = wait_us < KILL_WAIT_MAX_US ? wait_us * 2 : KILL_WAIT_MAX_US;
	}
	return -EBUSY;
}

/* The v1 freezer's group, or NULL: version 2 kills what is frozen, version 1 does not. */
static const char *v1_freezer(const struct bh_cgroup *cg)
{
	int i = bh_cg_find(cg, BH_CG_FREEZER);

	return i < 0 || cg->pub[i].v2 ? NULL : cg->hier[i].dir;
}

static void thaw_tree(const char *dir)
{
	if (dir && walk_path(dir, NULL, THAW) < 0)
		errno = 0; /* shows when the group does not go away */
}

int bh_cgroup_signal(struct bh_cgroup *cg, int sig, struct bh_err *err)
{
	int i = main_hierarchy(cg), v2 = bh_cg_find_v2(cg), e = -ENOENT;
	const char *dir;
	bool frozen;

	if (i < 0)
		return bh_err_as(err, BH_ERR_STATE, -ENOENT, "the container has no control group");
	dir = cg->hier[i].dir;
	if (sig == SIGKILL && v2 >= 0)
		e = bh_cg_write(cg->hier[v2].dir, "cgroup.kill", "1");
	if (e < 0) {
		/* Frozen, nobody can fork away between the list and the signal. Without a freezer
		 * the rounds of kill_tree() have to do. */
		frozen = bh_cgroup_freeze(cg, true, NULL) == 0;
		e = signal_tree(dir, sig);
		if (frozen && bh_cgroup_freeze(cg, false, err) < 0)
			return bh_err_ctx(err, "after signal %d", sig);
	}
	if (e >= 0 && sig == SIGKILL && !bh_cg_pure_v2(cg)) {
		thaw_tree(v1_freezer(cg));
		e = kill_tree(dir);
	}
	return e < 0 && !bh_cg_gone(e)
		       ? bh_err_set(err, e, "signal %d to the processes in '%s'", sig, dir)
		       : 0;
}

#define REMOVE_TRIES         13
#define REMOVE_TRIES_NO_KILL 11
#define REMOVE_WAIT_US       500 /* doubled each time: 4 seconds in all, 1 second */

static bool remove_group(const char *dir)
{
	return rmdir(dir) == 0 || errno == ENOENT;
}

int bh_cg_remove(const char *dir, bool kill, const char *freezer, struct bh_err *err)
{
	/* Who may not be killed may be about to end: the process of a runtime that has just died.
	 */
	const int tries = kill ? REMOVE_TRIES : REMOVE_TRIES_NO_KILL;
	unsigned int wait_us = REMOVE_WAIT_US;

	if (remove_group(dir))
		return 0;
	for (int i = 0; i < tries && (errno == EBUSY || errno == ENOTEMPTY); i++) {
		/* Whatever fails here shows when the directory does not go away. */
		if (kill && bh_cg_write(dir, "cgroup.kill", "1") < 0) {
			thaw_tree(freezer);
			if (signal_tree(dir, SIGKILL) < 0)
				errno = 0;
		}
		if (walk_path(dir, NULL, REMOVE) == -ENOENT || remove_group(dir))
			return 0;
		bh_cg_sleep(wait_us);
		wait_us *= 2;
		if (remove_group(dir))
			return 0;
	}
	return bh_err_set(err, -errno, "remove '%s'", dir);
}

int bh_cgroup_destroy(struct bh_cgroup *cg, struct bh_err *err)
{
	int first = 0;

	if (cg->manager == BH_CGROUP_SYSTEMD &&
	    (cg->started || (cg->loaded && cg->n && cg->hier[0].owned)))
		first = bh_cg_systemd_stop(cg, err);
	for (size_t i = 0; i < cg->n; i++) {
		int e = 0;

		if (cg->hier[i].owned || cg->loaded)
			e = bh_cg_remove(cg->hier[i].dir, cg->hier[i].owned, v1_freezer(cg),
					 first ? NULL : err);
		cg->hier[i].fd = bh_close(cg->hier[i].fd);
		if (e < 0 && first == 0)
			first = e;
	}
	return first;
}
