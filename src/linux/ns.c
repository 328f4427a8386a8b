/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/ns.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/sys.h"

static const struct bh_ns_info table[BH_NS_MAX_] = {
	[BH_NS_USER] = { "user", "user", CLONE_NEWUSER },
	[BH_NS_PID] = { "pid", "pid", CLONE_NEWPID },
	[BH_NS_NETWORK] = { "network", "net", CLONE_NEWNET },
	[BH_NS_IPC] = { "ipc", "ipc", CLONE_NEWIPC },
	[BH_NS_UTS] = { "uts", "uts", CLONE_NEWUTS },
	[BH_NS_MOUNT] = { "mount", "mnt", CLONE_NEWNS },
	[BH_NS_CGROUP] = { "cgroup", "cgroup", CLONE_NEWCGROUP },
	[BH_NS_TIME] = { "time", "time", CLONE_NEWTIME },
};

#define LATE (CLONE_NEWCGROUP | CLONE_NEWTIME)

const struct bh_ns_info *bh_ns_info(enum bh_ns_kind kind)
{
	return &table[kind];
}

void bh_ns_plan_deinit(struct bh_ns_plan *plan)
{
	for (size_t i = 0; i < plan->n_joins; i++)
		plan->joins[i].fd = bh_close(plan->joins[i].fd);
	plan->n_joins = 0;
}

/* setns(2) refuses the user namespace that the caller is in already: leave that one out. */
static bool is_own_userns(int fd)
{
	struct stat own, other;

	return stat("/proc/self/ns/user", &own) == 0 && fstat(fd, &other) == 0 &&
	       own.st_ino == other.st_ino && own.st_dev == other.st_dev;
}

static int plan_join(const struct bh_namespace *ns, size_t index, struct bh_ns_plan *plan,
		     struct bh_err *err)
{
	const struct bh_ns_info *info = bh_ns_info(ns->kind);
	bh_auto_close int fd = bh_path_try_open(AT_FDCWD, ns->path, O_RDONLY, 0, BH_PATH_HOST);
	char where[64];

	snprintf(where, sizeof(where), "/linux/namespaces/%zu/path", index);
	if (fd < 0)
		return bh_err_spec(err, where, "%s namespace '%s': %s", info->spec_name, ns->path,
				   strerrordesc_np(-fd));
	if (ioctl(fd, NS_GET_NSTYPE) != (int)info->flag)
		return bh_err_spec(err, where, "'%s' is not a %s namespace", ns->path,
				   info->spec_name);
	if (ns->kind == BH_NS_USER && is_own_userns(fd))
		return 0;
	plan->joins[plan->n_joins++] = (struct bh_ns_join){ .fd = bh_take_fd(&fd),
							    .flags = (int)info->flag,
							    .path = ns->path };
	return 0;
}

int bh_ns_plan(const struct bh_spec *spec, struct bh_ns_plan *plan, struct bh_err *err)
{
	*plan = (struct bh_ns_plan){ .create = 0 };
	for (size_t i = 0; i < spec->linux_.namespaces.n; i++) {
		const struct bh_namespace *ns = &spec->linux_.namespaces.v[i];
		uint64_t flag = bh_ns_info(ns->kind)->flag;
		int r = 0;

		if (ns->path)
			r = plan_join(ns, i, plan, err);
		else if (flag & LATE)
			plan->late |= flag;
		else
			plan->create |= flag;
		if (r < 0) {
			bh_ns_plan_deinit(plan);
			return r;
		}
	}
	return 0;
}

bool bh_ns_needs_joiner(const struct bh_ns_plan *plan)
{
	bool user = plan->create & CLONE_NEWUSER;

	for (size_t i = 0; i < plan->n_joins; i++)
		user |= !!(plan->joins[i].flags & CLONE_NEWUSER);
	return user && plan->n_joins > 0;
}

static int join_one(const struct bh_ns_join *join, int flags)
{
	return !flags || setns(join->fd, flags) == 0 ? 0 : -errno;
}

int bh_ns_join(const struct bh_ns_plan *plan, bool with_pid, struct bh_err *err)
{
	const int mask = with_pid ? ~0 : ~CLONE_NEWPID;
	bool again[BH_NS_MAX_] = { false };

	/* Pass 0: all but user namespaces. Pass 1: those. Pass 2: what pass 0 was refused. */
	for (int pass = 0; pass < 3; pass++) {
		for (size_t i = 0; i < plan->n_joins; i++) {
			const struct bh_ns_join *join = &plan->joins[i];
			bool user = join->flags & CLONE_NEWUSER;
			int r;

			if (pass == 0 ? user : pass == 1 ? !user : !again[i])
				continue;
			r = join_one(join, join->flags & mask);
			if (pass == 0 && r == -EPERM) {
				again[i] = true;
				continue;
			}
			if (r < 0)
				return bh_err_set(err, r, "join namespace '%s'", join->path);
		}
	}
	return 0;
}

int bh_ns_open(pid_t pid, enum bh_ns_kind kind, struct bh_err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, bh_ns_info(kind)->proc_name);
	return bh_path_open(AT_FDCWD, path, O_RDONLY, 0, BH_PATH_HOST, err);
}

static int write_time_offsets(const struct bh_linux *linux_, struct bh_err *err)
{
	const struct {
		const char *clock;
		const struct bh_time_offset *offset;
	} clocks[] = {
		{ "monotonic", &linux_->time_monotonic },
		{ "boottime", &linux_->time_boottime },
	};

	for (size_t i = 0; i < BH_ARRAY_SIZE(clocks); i++) {
		char line[96];
		int r;

		if (!clocks[i].offset->set)
			continue;
		snprintf(line, sizeof(line), "%s %lld %u\n", clocks[i].clock,
			 (long long)clocks[i].offset->secs, clocks[i].offset->nanosecs);
		r = bh_path_write(AT_FDCWD, "/proc/self/timens_offsets", line, BH_PATH_HOST, err);
		if (r < 0)
			return bh_err_ctx(err, "time namespace");
	}
	return 0;
}

int bh_ns_unshare_late(const struct bh_ns_plan *plan, const struct bh_linux *linux_,
		       struct bh_err *err)
{
	bh_auto_close int fd = -EBADF;
	int r;

	if (plan->late && unshare((int)plan->late) < 0)
		return bh_err_set(err, -errno, "unshare cgroup or time namespace");
	if (!(plan->late & CLONE_NEWTIME))
		return 0;
	/* Offsets can be set only while nothing is in the namespace; unshare(2) left us outside. */
	r = write_time_offsets(linux_, err);
	if (r < 0)
		return r;
	fd = bh_path_open(AT_FDCWD, "/proc/self/ns/time_for_children", O_RDONLY, 0, BH_PATH_HOST,
			  err);
	if (fd < 0)
		return fd;
	return setns(fd, CLONE_NEWTIME) < 0 ? bh_err_set(err, -errno, "enter time namespace") : 0;
}

int bh_ns_visit_network(int netns_fd, int (*fn)(void *arg, struct bh_err *err), void *arg,
			struct bh_err *err)
{
	bh_auto_close int own =
		bh_path_open(AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY, 0, BH_PATH_HOST, err);
	int r;

	if (own < 0)
		return own;
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return bh_err_set(err, -errno, "enter the network namespace");
	r = fn(arg, err);
	if (setns(own, CLONE_NEWNET) < 0)
		return bh_err_set(err, -errno, "return to the own network namespace");
	return r;
}
