/* SPDX-License-Identifier: Apache-2.0 */
#include "container/container.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/json_writer.h"
#include "base/log.h"
#include "base/path.h"
#include "container/attend.h"
#include "container/create_internal.h"
#include "container/hooks.h"
#include "container/state.h"
#include "container/sync.h"
#include "linux/rdt.h"

#define ID_BYTES_MAX    1024
#define KILL_TIMEOUT_MS 10000 /* for a process to end after SIGKILL */

static const char *const status_names[BH_STATUS_MAX_] = {
	[BH_STATUS_CREATING] = "creating", [BH_STATUS_CREATED] = "created",
	[BH_STATUS_RUNNING] = "running",   [BH_STATUS_PAUSED] = "paused",
	[BH_STATUS_STOPPED] = "stopped",
};

const char *bh_status_name(enum bh_status status)
{
	return status_names[status];
}

int bh_container_id_check(const char *id, struct bh_err *err)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_+-.";
	size_t len = strlen(id);

	if (len == 0)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "container id cannot be empty");
	if (len > ID_BYTES_MAX || strspn(id, allowed) != len || strcmp(id, ".") == 0 ||
	    strcmp(id, "..") == 0)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "invalid container ID format: '%.64s'",
				 id);
	return 0;
}

int bh_container_list(struct bh_arena *arena, const char *root, struct bh_strv *ret,
		      struct bh_err *err)
{
	struct dirent **entries = NULL;
	int n = scandir(root, &entries, NULL, alphasort);

	*ret = (struct bh_strv){ .n = 0 };
	if (n < 0)
		return errno == ENOENT ? 0 : bh_err_set(err, -errno, "list '%s'", root);
	ret->v = bh_arena_array(arena, (size_t)n + 1, sizeof(*ret->v));
	for (int i = 0; i < n; i++) {
		if (ret->v && bh_container_id_check(entries[i]->d_name, NULL) == 0)
			ret->v[ret->n++] = bh_arena_strdup(arena, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return ret->v ? 0 : bh_err_oom(err);
}

int bh_container_status(const struct bh_container *c, enum bh_status *ret, struct bh_err *err)
{
	int frozen = 0;

	if (c->init.pid == 0) {
		*ret = BH_STATUS_CREATING;
		return 0;
	}
	if (!bh_proc_alive(&c->init)) {
		*ret = BH_STATUS_STOPPED;
		return 0;
	}
	if (c->cg)
		frozen = bh_cgroup_frozen(c->cg, err);
	if (frozen < 0)
		return frozen;
	*ret = frozen                     ? BH_STATUS_PAUSED
	       : bh_state_waits(c->dirfd) ? BH_STATUS_CREATED
					  : BH_STATUS_RUNNING;
	return 0;
}

static void write_annotations(struct bh_json_writer *w, const struct bh_container *c)
{
	if (!c->spec.annotations.n)
		return;
	bh_json_open(w, "annotations", '{');
	bh_for_each (a, c->spec.annotations)
		bh_json_text(w, a->key, a->value);
	bh_json_close(w, '}');
}

void bh_hook_state_json(const struct bh_container *c, enum bh_status status, pid_t pid,
			struct bh_buf *out)
{
	struct bh_json_writer w = { .out = out };

	bh_json_open(&w, NULL, '{');
	bh_json_text(&w, "ociVersion", c->spec.oci_version);
	bh_json_text(&w, "id", c->id);
	bh_json_text(&w, "status", bh_status_name(status));
	if (status != BH_STATUS_STOPPED)
		bh_json_i64(&w, "pid", pid);
	bh_json_text(&w, "bundle", c->bundle);
	write_annotations(&w, c);
	bh_json_close(&w, '}');
}

/* In the order of runc's `state`. */
static void write_pretty_state(const struct bh_container *c, enum bh_status status,
			       struct bh_buf *out)
{
	struct bh_json_writer w = { .out = out, .indent = "  " };

	bh_json_open(&w, NULL, '{');
	bh_json_text(&w, "ociVersion", c->spec.oci_version);
	bh_json_text(&w, "id", c->id);
	bh_json_i64(&w, "pid", status == BH_STATUS_STOPPED ? 0 : c->init.pid);
	bh_json_text(&w, "status", bh_status_name(status));
	bh_json_text(&w, "bundle", c->bundle);
	bh_json_text(&w, "rootfs", c->rootfs);
	bh_json_text(&w, "created", c->created);
	write_annotations(&w, c);
	bh_json_text(&w, "owner", "");
	bh_json_close(&w, '}');
}

int bh_container_state_json(const struct bh_container *c, enum bh_status status, bool pretty,
			    struct bh_buf *out, struct bh_err *err)
{
	if (pretty)
		write_pretty_state(c, status, out);
	else
		bh_hook_state_json(c, status, c->init.pid, out);
	return out->failed ? bh_err_oom(err) : 0;
}

int bh_container_run_hooks(const struct bh_container *c, enum bh_hook_kind kind,
			   enum bh_status status, pid_t pid, char *const *env, struct bh_err *err)
{
	bh_auto_buf struct bh_buf state = BH_BUF_INIT;

	if (c->spec.hooks[kind].n == 0)
		return 0;
	bh_hook_state_json(c, status, pid ? pid : getpid(), &state);
	return state.failed ? bh_err_oom(err)
			    : bh_hooks_run(&c->spec, kind, bh_buf_str(&state), env, err);
}

/* A signal to a process that may end at any moment. */
static int send_signal(const struct bh_container *c, int sig, struct bh_err *err)
{
	bh_auto_close int pidfd = bh_proc_open(&c->init, err);

	if (pidfd == -ESRCH ||
	    (pidfd >= 0 && pidfd_send_signal(pidfd, sig, NULL, 0) < 0 && errno == ESRCH))
		return bh_err_as(err, BH_ERR_STATE, -ESRCH, "container not running");
	return pidfd < 0 ? pidfd : 0;
}

/* A frozen process of a version 1 hierarchy does not even die. */
static int thaw(const struct bh_container *c, struct bh_err *err)
{
	int frozen = c->cg ? bh_cgroup_frozen(c->cg, err) : 0;

	return frozen > 0 ? bh_cgroup_freeze(c->cg, false, err) : frozen;
}

int bh_container_kill(struct bh_container *c, int sig, bool all, struct bh_err *err)
{
	bool shared_pidns = !bh_spec_namespace(&c->spec, BH_NS_PID);
	int r;

	/* Without a pid namespace init's death leaves the others running: SIGKILL means all. */
	if (c->cg && (all || (shared_pidns && sig == SIGKILL)))
		r = bh_cgroup_signal(c->cg, sig, err);
	else
		r = send_signal(c, sig, err);
	return r == 0 && sig == SIGKILL ? thaw(c, err) : r;
}

static int need_status(const struct bh_container *c, bool paused, struct bh_err *err)
{
	enum bh_status status;
	int r = bh_container_status(c, &status, err);

	if (r < 0)
		return r;
	if (paused ? status == BH_STATUS_PAUSED
		   : status == BH_STATUS_RUNNING || status == BH_STATUS_CREATED)
		return 0;
	return bh_err_as(err, BH_ERR_STATE, -EBUSY, "container not %s",
			 paused ? "paused" : "running");
}

static int set_frozen(struct bh_container *c, bool frozen, struct bh_err *err)
{
	int r = need_status(c, !frozen, err);

	if (r < 0)
		return r;
	if (!c->cg)
		return bh_err_as(err, BH_ERR_STATE, -ENOTSUP,
				 "cannot pause or resume a container without cgroups");
	return bh_cgroup_freeze(c->cg, frozen, err);
}

int bh_container_pause(struct bh_container *c, struct bh_err *err)
{
	return set_frozen(c, true, err);
}

int bh_container_resume(struct bh_container *c, struct bh_err *err)
{
	return set_frozen(c, false, err);
}

int bh_container_update(struct bh_container *c, const struct bh_resources *resources,
			const struct bh_intel_rdt *rdt, struct bh_err *err)
{
	enum bh_status status;
	int r = bh_container_status(c, &status, err);

	if (r < 0)
		return r;
	if (status == BH_STATUS_STOPPED)
		return bh_err_as(err, BH_ERR_STATE, -ESRCH, "container not running");
	if (resources->set && !c->cg)
		return bh_err_as(err, BH_ERR_STATE, -ENOTSUP, "the container has no cgroups");
	if (resources->set)
		r = bh_cgroup_apply(c->cg, resources, err);
	if (r == 0 && rdt && rdt->set)
		r = bh_rdt_update(rdt, c->id, err);
	return r;
}

int bh_container_pids(const struct bh_container *c, pid_t **ret, size_t *ret_n, struct bh_err *err)
{
	if (c->cg)
		return bh_cgroup_pids(c->cg, ret, ret_n, err);
	if (bh_proc_alive(&c->init))
		return bh_proc_descendants(c->init.pid, ret, ret_n, err);
	*ret = NULL;
	*ret_n = 0;
	return 0;
}

/* Ends init and waits for it. Its pid namespace, where it has one, ends with it. */
static int kill_init(const struct bh_container *c, struct bh_err *err)
{
	bh_auto_close int pidfd = bh_proc_open(&c->init, NULL);
	int r;

	if (pidfd < 0)
		return 0;
	if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return bh_err_set(err, -errno, "kill process %d", c->init.pid);
	r = thaw(c, err);
	if (r < 0)
		return r;
	r = bh_proc_wait_end(pidfd, KILL_TIMEOUT_MS);
	return r < 0 ? bh_err_set(err, r, "wait for the end of process %d", c->init.pid) : 0;
}

/* What process is missing for must be an error at the start; the spec leaves open how it shows
 * (runtime.md "Errors"). As with crun the container stops and the log says why. */
static int end_without_process(const struct bh_container *c, struct bh_err *err)
{
	bh_log(BH_LOG_ERROR, "/process is missing: container '%s' has nothing to execute", c->id);
	return kill_init(c, err);
}

int bh_container_start(struct bh_container *c, struct bh_err *err)
{
	struct bh_attend attend = {
		.c = c, .pid = c->init.pid, .until_exec = true, .ready = true, .master_fd = -EBADF
	};
	bh_auto_close int sock = -EBADF;
	enum bh_status status;
	int r;

	r = bh_container_status(c, &status, err);
	if (r < 0)
		return r;
	if (status == BH_STATUS_STOPPED)
		return bh_err_as(err, BH_ERR_STATE, -ESRCH,
				 "cannot start a container that has stopped");
	if (status != BH_STATUS_CREATED)
		return bh_err_as(err, BH_ERR_STATE, -EBUSY,
				 "cannot start an already running container");
	if (!c->spec.process.set)
		return end_without_process(c, err);
	sock = bh_state_connect(c->dirfd, err);
	if (sock < 0)
		return sock;
	/* From now on it counts as started, whoever asks; a second start finds no socket. */
	if (unlinkat(c->dirfd, BH_STATE_START_SOCKET, 0) < 0)
		return bh_err_as(err, BH_ERR_STATE, -EBUSY,
				 "cannot start an already running container");
	r = bh_sync_send(sock, BH_SYNC_GO, -1, err);
	attend.sock = sock;
	r = r < 0 ? r : bh_attend(&attend, err);
	return r < 0 ? r
		     : bh_container_run_hooks(c, BH_HOOK_POSTSTART, BH_STATUS_RUNNING, c->init.pid,
					      environ, err);
}

void bh_container_run_poststop(const struct bh_container *c)
{
	bh_auto_buf struct bh_buf state = BH_BUF_INIT;

	if (c->spec.hooks[BH_HOOK_POSTSTOP].n == 0)
		return;
	bh_hook_state_json(c, BH_STATUS_STOPPED, 0, &state);
	bh_hooks_run_all(&c->spec, BH_HOOK_POSTSTOP, bh_buf_str(&state), environ);
}

int bh_container_delete(struct bh_container *c, bool force, struct bh_err *err)
{
	bool had_process = c->init.pid > 0;
	enum bh_status status;
	int r;

	r = bh_container_status(c, &status, err);
	if (r < 0)
		return r;
	if (!force && (status == BH_STATUS_RUNNING || status == BH_STATUS_PAUSED))
		return bh_err_as(err, BH_ERR_STATE, -EBUSY,
				 "cannot delete container %s that is not stopped: %s", c->id,
				 bh_status_name(status));
	r = status == BH_STATUS_STOPPED ? 0 : kill_init(c, err);
	if (r == 0 && c->cg)
		r = bh_cgroup_destroy(c->cg, err);
	if (r == 0 && c->spec.linux_.intel_rdt.set)
		r = bh_rdt_destroy(&c->spec.linux_.intel_rdt, c->id, c->rdt_owned, c->init.pid == 0,
				   err);
	r = r < 0 ? r : bh_state_remove(c->root, c->id, err);
	if (r < 0)
		return r;
	if (had_process)
		bh_container_run_poststop(c);
	return 0;
}
