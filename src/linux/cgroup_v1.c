/* SPDX-License-Identifier: Apache-2.0 */
/* Version 1: making a group, the freezer, the OOM killer's eventfd. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "base/path.h"
#include "linux/cgroup_internal.h"

/* One that could not be completed must not stay: nobody could enter it, and nobody knows of it. */
static int complete(const char *dir, bh_cg_made_fn *made, void *arg)
{
	int e = made ? made(dir, arg) : 0;

	if (e < 0)
		rmdir(dir);
	return e;
}

int bh_cg_mkdir(const char *mountpoint, const char *dir, bh_cg_made_fn *made, void *arg)
{
	size_t root_len = strlen(mountpoint);
	char path[PATH_MAX];

	if (mkdir(dir, 0755) == 0)
		return complete(dir, made, arg);
	if (errno != ENOENT)
		return errno == EEXIST ? 1 : -errno;
	if (strlen(dir) >= sizeof(path))
		return -ENAMETOOLONG;
	/* Never above the mountpoint: what is missing there is not ours to make. */
	strcpy(path, dir);
	for (char *p = path + root_len + 1; (p = strchr(p, '/')); *p++ = '/') {
		int e = 0;

		*p = '\0';
		if (mkdir(path, 0755) == 0)
			e = complete(path, made, arg);
		else if (errno != EEXIST)
			e = -errno;
		if (e < 0)
			return e;
	}
	if (mkdir(dir, 0755) == 0)
		return complete(dir, made, arg);
	return errno == EEXIST ? 1 : -errno;
}

int bh_cg_check_unused(const char *dir, struct bh_err *err)
{
	char text[BH_CG_FILE_MAX / 16];
	ssize_t n = bh_cg_read(dir, "cgroup.procs", text, sizeof(text));
	unsigned int pids = 1;

	if (n <= 0)
		return n == 0 || n == -ENOENT
			       ? 0
			       : bh_err_set(err, (int)n, "read '%s/cgroup.procs'", dir);
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		pids++;
	return bh_err_as(err, BH_ERR_STATE, -EBUSY,
			 "container's cgroup is not empty: %u process(es) found in '%s'", pids,
			 dir);
}

/* A v1 cpuset starts empty and nothing may enter it before it has processors and memory nodes: its
 * parent's, where the spec names none. */
static int cpuset_fill(const char *dir, const char *file, const char *value)
{
	char parent[PATH_MAX], text[1024];
	ssize_t n = 1;

	if (!value) {
		const char *slash = strrchr(dir, '/');

		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - dir), dir);
		n = bh_cg_read(parent, file, text, sizeof(text));
		/* Somebody made the parent and left it empty; the topmost never is. */
		if (n == 0) {
			int e = cpuset_fill(parent, file, NULL);

			n = e < 0 ? e : bh_cg_read(parent, file, text, sizeof(text));
		}
		value = text;
	}
	return n < 0 ? (int)n : n == 0 ? 0 : bh_cg_write(dir, file, value);
}

static int cpuset_inherit(const char *dir, void *arg)
{
	int e = cpuset_fill(dir, "cpuset.cpus", NULL);

	(void)arg;
	return e < 0 ? e : cpuset_fill(dir, "cpuset.mems", NULL);
}

/* A cpuset that was there, made by somebody who left it empty. */
static int cpuset_complete(const char *dir)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	char text[1024];

	for (size_t i = 0; i < BH_ARRAY_SIZE(files); i++) {
		ssize_t n = bh_cg_read(dir, files[i], text, sizeof(text));
		int e = n < 0 ? (int)n : n > 0 ? 0 : cpuset_fill(dir, files[i], NULL);

		if (e < 0)
			return e;
	}
	return 0;
}

/* The group was there before. */
static int take_over(struct bh_cgroup *cg, size_t i, struct bh_err *err)
{
	const char *dir = cg->hier[i].dir;
	int e = bh_cg_check_unused(dir, err);

	if (e < 0)
		return e;
	if (cg->hier[i].controllers & BH_CG_BIT(BH_CG_FREEZER)) {
		e = bh_cg_v1_frozen(dir, err);
		if (e < 0)
			return e;
		if (e > 0)
			return bh_err_as(err, BH_ERR_STATE, -EBUSY,
					 "container's cgroup unexpectedly frozen: '%s'", dir);
	}
	if (cg->hier[i].controllers & BH_CG_BIT(BH_CG_CPUSET))
		e = cpuset_complete(dir);
	return e < 0 ? bh_err_set(err, e, "set up cpuset '%s'", dir) : 0;
}

int bh_cg_v1_create(struct bh_cgroup *cg, size_t i, struct bh_err *err)
{
	struct bh_cg_hier *h = &cg->hier[i];
	bool cpuset = h->controllers & BH_CG_BIT(BH_CG_CPUSET);
	int e = bh_cg_mkdir(cg->pub[i].mountpoint, h->dir, cpuset ? cpuset_inherit : NULL, NULL);

	if (e < 0)
		return bh_err_set(err, e, "make '%s'", h->dir);
	h->found = e > 0;
	if (h->found)
		e = take_over(cg, i, err);
	if (e < 0)
		return e;
	h->owned = true;
	h->fd = bh_cg_open(h->dir, "tasks", O_WRONLY);
	return h->fd < 0 ? bh_err_set(err, h->fd, "open '%s/tasks'", h->dir) : 0;
}

int bh_cg_v1_join(struct bh_cgroup *cg, size_t i, pid_t pid, struct bh_err *err)
{
	struct bh_cg_hier *h = &cg->hier[i];
	bool cpuset = h->controllers & BH_CG_BIT(BH_CG_CPUSET);
	char text[16];
	int e;

	h->owned = true;
	if (!h->controllers) /* name=systemd is its own */
		return 0;
	e = bh_cg_mkdir(cg->pub[i].mountpoint, h->dir, cpuset ? cpuset_inherit : NULL, NULL);
	if (e > 0 && cpuset)
		e = cpuset_complete(h->dir);
	snprintf(text, sizeof(text), "%d", pid);
	if (e >= 0)
		e = bh_cg_write(h->dir, "cgroup.procs", text);
	return e < 0 ? bh_err_set(err, e, "move process %d to '%s'", pid, h->dir) : 0;
}

/* ---- freezer --------------------------------------------------------------------------------- */

#define FREEZE_TRIES        1000
#define FREEZE_THAW_EVERY   50 /* tries: let go, so that what forks comes to an end */
#define FREEZE_PAUSE_EVERY  25
#define FREEZE_THAW_WAIT_US 10000
#define FREEZE_PAUSE_US     10

/*
 * A v1 cgroup in which processes keep appearing stays FREEZING until the request is repeated, and
 * sometimes only a thaw in between helps.
 */
static int freeze(const char *dir, struct bh_err *err)
{
	char state[32];

	for (int i = 1; i <= FREEZE_TRIES; i++) {
		ssize_t n;
		int e;

		if (i % FREEZE_THAW_EVERY == 0 && bh_cg_write(dir, "freezer.state", "THAWED") == 0)
			bh_cg_sleep(FREEZE_THAW_WAIT_US);
		e = bh_cg_write(dir, "freezer.state", "FROZEN");
		if (e < 0)
			return bh_err_set(err, e, "freeze '%s'", dir);
		if (i % FREEZE_PAUSE_EVERY == 0)
			bh_cg_sleep(FREEZE_PAUSE_US);
		n = bh_cg_read(dir, "freezer.state", state, sizeof(state));
		if (n < 0)
			return bh_err_set(err, (int)n, "read '%s/freezer.state'", dir);
		if (strcmp(state, "FROZEN") == 0)
			return 0;
		if (strcmp(state, "FREEZING") != 0)
			return bh_err_set(err, -EIO, "unexpected state %s while freezing '%s'",
					  state, dir);
	}
	return bh_err_set(err, -ETIMEDOUT, "unable to freeze '%s'", dir);
}

int bh_cg_v1_freeze(const char *dir, bool frozen, struct bh_err *err)
{
	struct bh_err ignored;
	int e;

	if (!frozen) {
		e = bh_cg_write(dir, "freezer.state", "THAWED");
		return e < 0 && !bh_cg_gone(e) ? bh_err_set(err, e, "thaw '%s'", dir) : 0;
	}
	e = freeze(dir, err);
	/* Half frozen is the worst of all states. */
	if (e < 0 && bh_cg_v1_freeze(dir, false, &ignored) < 0)
		bh_err_ctx(err, "and it cannot be thawed");
	return e;
}

#define FREEZING_WAIT_US 1000
#define FREEZING_TRIES   10000

int bh_cg_v1_frozen(const char *dir, struct bh_err *err)
{
	char state[32];

	for (int i = 0; i < FREEZING_TRIES; i++) {
		ssize_t n = bh_cg_read(dir, "freezer.state", state, sizeof(state));

		if (bh_cg_gone((int)n))
			return 0;
		if (n < 0)
			return bh_err_set(err, (int)n, "read '%s/freezer.state'", dir);
		if (strcmp(state, "FREEZING") != 0)
			break;
		bh_cg_sleep(FREEZING_WAIT_US);
	}
	if (strcmp(state, "FROZEN") != 0)
		return 0;
	/* Frozen with a parent is not frozen by itself. */
	if (bh_cg_read(dir, "freezer.self_freezing", state, sizeof(state)) > 0)
		return state[0] == '1';
	return 1;
}

int bh_cg_v1_oom_fd(const char *dir, struct bh_err *err)
{
	bh_auto_close int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	bh_auto_close int control = bh_cg_open(dir, "memory.oom_control", O_RDONLY);
	char text[64];
	int e;

	if (event < 0)
		return bh_err_set(err, -errno, "make an eventfd");
	if (control < 0)
		return bh_err_set(err, control, "open '%s/memory.oom_control'", dir);
	snprintf(text, sizeof(text), "%d %d", event, control);
	e = bh_cg_write(dir, "cgroup.event_control", text);
	return e < 0 ? bh_err_set(err, e, "write '%s' to '%s/cgroup.event_control'", text, dir)
		     : bh_take_fd(&event);
}
