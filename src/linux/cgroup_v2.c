/* SPDX-License-Identifier: Apache-2.0 */
/* Version 2: making a group with its controllers, the freezer, events. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/clock.h"
#include "base/path.h"
#include "linux/cgroup_internal.h"

#define WORDS_BYTES 1024 /* of a list of controllers */

/* Whether every word of @want is in @have. */
static bool has_words(const char *have, const char *want)
{
	while (*want) {
		size_t len = strcspn(want, " ");
		const char *p = have;

		while (*p && !(strncmp(p, want, len) == 0 && (p[len] == ' ' || !p[len]))) {
			p += strcspn(p, " ");
			p += *p == ' ';
		}
		if (len && !*p)
			return false;
		want += len + (want[len] == ' ');
	}
	return true;
}

/* "+cpu +memory" for "cpu memory". */
static void with_plus(const char *words, char out[static 2 * WORDS_BYTES])
{
	size_t n = 0;

	for (const char *p = words; *p && n < 2 * WORDS_BYTES - 2; p++) {
		if (p == words || p[-1] == ' ')
			out[n++] = '+';
		out[n++] = *p;
	}
	out[n] = '\0';
}

/* Enables @words in the group @dir for its children; those that cannot be had are left out. */
static int enable_in(const char *dir, const char *words)
{
	char have[WORDS_BYTES], plus[2 * WORDS_BYTES], *save = NULL;
	ssize_t n = bh_cg_read(dir, "cgroup.subtree_control", have, sizeof(have));
	int e;

	if (n < 0)
		return (int)n;
	/* Even a write that changes nothing waits for groups that are being taken down. */
	if (has_words(have, words))
		return 0;
	with_plus(words, plus);
	e = bh_cg_write(dir, "cgroup.subtree_control", plus);
	if (e == 0)
		return 0;
	for (char *word = strtok_r(plus, " ", &save); word; word = strtok_r(NULL, " ", &save))
		if (bh_cg_write(dir, "cgroup.subtree_control", word) == 0)
			e = 0;
	return e;
}

/* enable_in() for each group from the mountpoint down to @dir's parent; what counts is the last
 * one: those above may be somebody else's, who has enabled what is to be had. */
static int enable_above(const char *mountpoint, const char *dir, const char *words)
{
	char path[PATH_MAX];
	size_t len = strlen(mountpoint);
	int e = 0;

	if (snprintf(path, sizeof(path), "%s", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	for (char *p = path + len; p; p = strchr(p + 1, '/')) {
		char c = *p;

		*p = '\0';
		e = enable_in(path, words);
		*p = c;
	}
	return e;
}

int bh_cg_v2_enable(const char *mountpoint, const char *dir, uint32_t ctrls)
{
	char words[WORDS_BYTES] = "";
	size_t n = 0;

	for (enum bh_cg_ctrl c = 0; c < BH_CG_MAX_; c++)
		if (ctrls & BH_CG_BIT(c))
			n += (size_t)snprintf(words + n, sizeof(words) - n, "%s%s", n ? " " : "",
					      bh_cg_ctrl_name(c, true));
	return enable_above(mountpoint, dir, words);
}

/*
 * A group below one that has processes of its own, or below a threaded one, can be used for threads
 * alone, and then only with controllers that can tell them apart.
 */
static int check_type(const struct bh_cgroup *cg, const char *dir, struct bh_err *err)
{
	char type[64];
	ssize_t n = bh_cg_read(dir, "cgroup.type", type, sizeof(type));

	if (n < 0 || strcmp(type, "domain") == 0)
		return 0;
	if (cg->wants_limits)
		return bh_err_as(
			err, BH_ERR_OS, -EOPNOTSUPP,
			"cannot enter cgroupv2 \"%s\" with domain controllers -- it is in %s "
			"mode",
			dir, type);
	if (strcmp(type, "domain invalid") == 0)
		n = bh_cg_write(dir, "cgroup.type", "threaded");
	return n < 0 ? bh_err_set(err, (int)n, "make '%s' threaded", dir) : 0;
}

/* All the controllers that there are, as runc does: nobody knows what will be asked of the group.
 */
static int enable_all(const struct bh_cgroup *cg, size_t i, struct bh_err *err)
{
	const char *mountpoint = cg->pub[i].mountpoint, *dir = cg->hier[i].dir;
	char all[WORDS_BYTES], have[WORDS_BYTES];
	ssize_t n = bh_cg_read(mountpoint, "cgroup.controllers", all, sizeof(all));

	if (n < 0)
		return bh_err_set(err, (int)n, "read '%s/cgroup.controllers'", mountpoint);
	/* What the group has was passed down by all above it: in the common case this read is all.
	 */
	n = bh_cg_read(dir, "cgroup.controllers", have, sizeof(have));
	if (n < 0)
		return bh_err_set(err, (int)n, "read '%s/cgroup.controllers'", dir);
	if (has_words(have, all))
		return 0;
	/* Some may not be had in a container or without privilege: a limit that needs them says so.
	 */
	if (enable_above(mountpoint, dir, all) < 0)
		n = 0;
	return check_type(cg, dir, err);
}

static int take_over(const char *dir, struct bh_err *err)
{
	int e = bh_cg_check_unused(dir, err);

	if (e == 0)
		e = bh_cg_v2_frozen(dir, err);
	if (e > 0)
		return bh_err_as(err, BH_ERR_STATE, -EBUSY,
				 "container's cgroup unexpectedly frozen: '%s'", dir);
	return e;
}

/* Give the group to @uid, as /sys/kernel/cgroup/delegate says. */
static int give(const char *dir, uid_t uid, struct bh_err *err)
{
	/* The kernel's list, and what cgroups(7) names for those before 4.15. */
	char files[4096] = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads", *save = NULL;
	bh_auto_close int fd = bh_cg_open(dir, ".", O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return bh_err_set(err, fd, "open '%s'", dir);
	if (bh_cg_read("/sys/kernel/cgroup", "delegate", files, sizeof(files)) < 0)
		strcpy(files, "cgroup.procs\ncgroup.subtree_control\ncgroup.threads");
	if (fchown(fd, uid, (gid_t)-1) < 0)
		return bh_err_set(err, -errno, "give '%s' to uid %u", dir, uid);
	for (char *file = strtok_r(files, "\n", &save); file; file = strtok_r(NULL, "\n", &save))
		if (fchownat(fd, file, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
			return bh_err_set(err, -errno, "give '%s/%s' to uid %u", dir, file, uid);
	return 0;
}

/* What a group needs once it is there. */
static int adopt(struct bh_cgroup *cg, size_t i, struct bh_err *err)
{
	struct bh_cg_hier *h = &cg->hier[i];
	int e = 0;

	h->owned = true;
	/* On a hybrid, controllers left on version 2 are enabled when a limit wants one. */
	if (bh_cg_pure_v2(cg))
		e = enable_all(cg, i, err);
	if (e == 0 && cg->owner_uid >= 0 && bh_cg_pure_v2(cg))
		e = give(h->dir, (uid_t)cg->owner_uid, err);
	return e;
}

int bh_cg_v2_join(struct bh_cgroup *cg, size_t i, pid_t pid, struct bh_err *err)
{
	const char *dir = cg->hier[i].dir;
	char text[16];
	int e = 0;

	snprintf(text, sizeof(text), "%d", pid);
	/* systemd does not use the version 2 part of every hybrid. */
	if (!bh_cg_pure_v2(cg))
		e = bh_cg_mkdir(cg->pub[i].mountpoint, dir, NULL, NULL);
	if (e >= 0 && !bh_cg_pure_v2(cg))
		e = bh_cg_write(dir, "cgroup.procs", text);
	return e < 0 ? bh_err_set(err, e, "move process %d to '%s'", pid, dir) : adopt(cg, i, err);
}

int bh_cg_v2_create(struct bh_cgroup *cg, size_t i, struct bh_err *err)
{
	struct bh_cg_hier *h = &cg->hier[i];
	int e = bh_cg_mkdir(cg->pub[i].mountpoint, h->dir, NULL, NULL);

	if (e < 0)
		return bh_err_set(err, e, "make '%s'", h->dir);
	if (e > 0)
		e = take_over(h->dir, err);
	if (e < 0)
		return e;
	e = adopt(cg, i, err);
	if (e < 0)
		return e;
	if (cg->rootless && !bh_cg_v2_may_enter(cg->pub[i].mountpoint, cg->pub[i].path))
		return bh_err_set(err, -EACCES, "move a process from the caller's group to '%s'",
				  h->dir);
	h->fd = bh_cg_open(h->dir, ".", O_RDONLY | O_DIRECTORY);
	return h->fd < 0 ? bh_err_set(err, h->fd, "open '%s'", h->dir) : 0;
}

bool bh_cg_v2_may_enter(const char *mountpoint, const char *path)
{
	char text[8192], dir[PATH_MAX];
	const char *own;
	size_t common = 0;

	if (bh_cg_read("/proc/self", "cgroup", text, sizeof(text)) < 0)
		return false;
	own = strstr(text, "0::/");
	if (!own)
		return false;
	own += 3;
	for (size_t i = 0;; i++) {
		bool own_ends = own[i] == '/' || own[i] == '\n' || own[i] == '\0';

		if (own_ends && (path[i] == '/' || path[i] == '\0'))
			common = i;
		if (own[i] != path[i] || !path[i])
			break;
	}
	return snprintf(dir, sizeof(dir), "%s%.*s/cgroup.procs", mountpoint, (int)common, path) <
		       (int)sizeof(dir) &&
	       faccessat(AT_FDCWD, dir, W_OK, AT_EACCESS) == 0;
}

/* ---- freezer --------------------------------------------------------------------------------- */

#define FREEZE_WAIT_MS 10000

/* Waits until cgroup.events says "frozen @want"; the kernel reports changes of it as POLLPRI. */
static int wait_frozen(const char *dir, bool want, struct bh_err *err)
{
	bh_auto_close int fd = bh_cg_open(dir, "cgroup.events", O_RDONLY);
	const uint64_t start_ms = bh_clock_ms();
	char text[256];

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLPRI };
		ssize_t n = fd < 0 ? fd : pread(fd, text, sizeof(text) - 1, 0);
		const char *line;

		if (n < 0)
			return bh_err_set(err, fd < 0 ? fd : -errno, "read '%s/cgroup.events'",
					  dir);
		text[n] = '\0';
		line = strstr(text, "frozen ");
		if (!line || (line[7] == '1') == want)
			return 0;
		if (bh_clock_ms() - start_ms >= FREEZE_WAIT_MS)
			return bh_err_set(err, -ETIMEDOUT, "wait for '%s' to %s", dir,
					  want ? "freeze" : "thaw");
		if (poll(&p, 1, 100) < 0 && errno != EINTR)
			return bh_err_set(err, -errno, "wait for '%s/cgroup.events'", dir);
	}
}

int bh_cg_v2_freeze(const char *dir, bool frozen, struct bh_err *err)
{
	int e = bh_cg_write(dir, "cgroup.freeze", frozen ? "1" : "0");

	/* What is gone needs no thaw, nor has Linux before 5.2 a freezer. */
	if (bh_cg_gone(e) && !frozen)
		return 0;
	if (e < 0)
		return bh_err_set(err, e, "%s '%s'", frozen ? "freeze" : "thaw", dir);
	if (!frozen)
		return 0;
	e = wait_frozen(dir, true, err);
	if (e < 0 && bh_cg_write(dir, "cgroup.freeze", "0") < 0)
		bh_err_ctx(err, "and it cannot be thawed");
	return e;
}

int bh_cg_v2_frozen(const char *dir, struct bh_err *err)
{
	uint64_t wanted = 0;
	int e = bh_cg_read_u64(dir, "cgroup.freeze", &wanted);

	if (e < 0 && !bh_cg_gone(e))
		return bh_err_set(err, e, "read '%s/cgroup.freeze'", dir);
	if (e < 0 || !wanted)
		return 0;
	/* Its last process may end, and systemd remove it, at any moment. */
	e = wait_frozen(dir, true, err);
	return e == 0 ? 1 : bh_cg_gone(e) ? 0 : e;
}

int bh_cg_v2_oom_fd(const char *dir, struct bh_err *err)
{
	static const char *const files[] = { "memory.events", "cgroup.events" };
	bh_auto_close int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[PATH_MAX];

	if (fd < 0)
		return bh_err_set(err, -errno, "make an inotify descriptor");
	for (size_t i = 0; i < BH_ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		if (inotify_add_watch(fd, path, IN_MODIFY) < 0)
			return bh_err_set(err, -errno, "watch '%s'", path);
	}
	return bh_take_fd(&fd);
}
