/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One more process in a container: cloned into its cgroups, joined to init's namespaces through
 * init's pidfd in one setns(2), then the same last stretch as init's (container/process.h).
 * Nothing of what the caller holds of the container is changed by it, so that a server can begin
 * one and go on. Whatever the container may have done to its own tree, nothing of it is opened
 * before the process is inside.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/path.h"
#include "container/attend.h"
#include "container/create_internal.h"
#include "container/handover.h"
#include "container/sync.h"
#include "linux/attr.h"
#include "linux/rdt.h"
#include "linux/seccomp.h"

struct bh_execution {
	const struct bh_container *c;
	const struct bh_exec_opts *opts;
	struct bh_cgroup *cg; /* a copy; NULL = the container has none */
	struct bh_ns_plan ns;
	struct bh_launch launch;
	struct bh_spawn spawn;
	struct bh_attend attend;
	bool wait_for_host;
};

static int check_status(const struct bh_container *c, const struct bh_exec_opts *opts, int pidfd,
			struct bh_err *err)
{
	enum bh_status status = BH_STATUS_RUNNING;
	int r = 0;

	if (!opts->runs)
		r = bh_container_status(c, &status, err);
	else if (bh_proc_wait_end(pidfd, 0) == 0)
		status = BH_STATUS_STOPPED;
	if (r < 0)
		return r;
	if (status == BH_STATUS_STOPPED || status == BH_STATUS_CREATING)
		return bh_err_as(err, BH_ERR_STATE, -ESRCH, "cannot exec in a stopped container");
	if (status == BH_STATUS_PAUSED && !opts->ignore_paused)
		return bh_err_as(err, BH_ERR_STATE, -EBUSY,
				 "cannot exec in a paused container (use --ignore-paused to "
				 "override)");
	if (opts->process->args.n == 0)
		return bh_err_spec(err, "/process/args", "must not be empty");
	return 0;
}

/* Init is looked at once its number is pinned; before, that could have changed hands. */
static int plan_namespaces(struct bh_execution *ex, struct bh_err *err)
{
	bh_auto_close int pidfd = pidfd_open(ex->c->init.pid, 0);
	int code = -errno, flags = 0;
	int r = check_status(ex->c, ex->opts, pidfd, err);

	if (r < 0)
		return r;
	if (pidfd < 0)
		return bh_err_set(err, code, "pidfd_open %d", ex->c->init.pid);
	bh_for_each (ns, ex->c->spec.linux_.namespaces)
		flags |= (int)bh_ns_info(ns->kind)->flag;
	ex->ns.joins[0] =
		(struct bh_ns_join){ .fd = bh_take_fd(&pidfd), .flags = flags, .path = "of init" };
	ex->ns.n_joins = 1;
	return 0;
}

/*
 * A process of the container that has CAP_SYS_PTRACE in the host's user namespace could trace the
 * newcomer undumpable as it is, and take the host's privileges from it. Such a container does not
 * see it before it has given them up. An agent that is told of system calls is told of one process
 * only, which must be the one that executes.
 */
static bool must_stay_unseen(const struct bh_container *c)
{
	const struct bh_caps *caps = &c->spec.process.capabilities;
	const uint64_t all = caps->bounding | caps->permitted | caps->inheritable | caps->ambient;

	return (all & (UINT64_C(1) << CAP_SYS_PTRACE)) && bh_spec_namespace(&c->spec, BH_NS_PID) &&
	       !bh_spec_namespace(&c->spec, BH_NS_USER) &&
	       !bh_seccomp_notifies(&c->spec.linux_.seccomp);
}

static int open_cgroups(struct bh_execution *ex, struct bh_err *err)
{
	if (!ex->c->cg)
		return 0;
	ex->cg = bh_cgroup_copy(ex->c->cg);
	if (!ex->cg)
		return bh_err_oom(err);
	return bh_cgroup_open(ex->cg, &ex->opts->cgroups, ex->c->init.pid, err);
}

/* What a server has open and ignores is not this process's. */
static void forget_server(void *arg)
{
	const struct bh_execution *ex = arg;
	const int *stdio = ex->opts->io.stdio;
	int keep[] = { ex->ns.joins[0].fd,
		       ex->spawn.child_sock,
		       ex->launch.proc_fd,
		       bh_log_fd(),
		       stdio[0],
		       stdio[1],
		       stdio[2] };

	(void)bh_fds_close_from(STDERR_FILENO + 1, keep, BH_ARRAY_SIZE(keep));
	if (ex->opts->leave_batch)
		sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ .sched_priority = 0 });
	for (int sig = 1; sig < SIGRTMIN; sig++)
		if (sigismember(ex->opts->ignored, sig))
			(void)signal(sig, SIG_DFL);
}

static int prepare(struct bh_execution *ex, struct bh_err *err)
{
	int socks[2], r;

	ex->launch = (struct bh_launch){
		.process = ex->opts->process,
		.linux_ = &ex->c->spec.linux_,
		.io = &ex->opts->io,
		.finds = ex->opts->finds,
		.id = ex->c->id,
		.userns = ex->ns.joins[0].flags & CLONE_NEWUSER,
		.rootless = ex->c->rootless,
		.keyring = ex->opts->io.keyring,
		.proc_fd = -EBADF,
	};
	ex->wait_for_host = ex->launch.userns || ex->c->spec.linux_.intel_rdt.set;
	r = bh_launch_init(&ex->launch, err);
	r = r < 0 ? r : open_cgroups(ex, err);
	if (r == 0 && ex->cg && bh_cgroup_needs_attach(ex->cg))
		ex->wait_for_host = true;
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return bh_err_set(err, -errno, "socketpair");
	ex->spawn = (struct bh_spawn){ .ns = &ex->ns,
				       .cg = ex->cg,
				       .unseen = must_stay_unseen(ex->c),
				       .born = ex->opts->ignored ? forget_server : NULL,
				       .arg = ex,
				       .parent_sock = socks[0],
				       .child_sock = socks[1] };
	return 0;
}

static int open_terminal(struct bh_execution *ex, struct bh_terminal *terminal, struct bh_err *err)
{
	const struct bh_process *process = ex->opts->process;
	bh_auto_close int root = -EBADF;
	int r;

	if (!process->terminal)
		return 0;
	root = bh_path_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
	if (root < 0)
		return root;
	r = bh_terminal_open(root, ex->launch.proc_fd, &process->console_size, &ex->opts->io,
			     terminal, err);
	r = r < 0 ? r : bh_sync_send(ex->spawn.child_sock, BH_SYNC_MASTER, terminal->master, err);
	terminal->master = bh_close(terminal->master);
	return r;
}

static int become(struct bh_execution *ex, struct bh_err *err)
{
	const struct bh_cpu_affinity *cpus = &ex->opts->process->exec_cpu_affinity;
	struct bh_terminal terminal = BH_TERMINAL_INIT;
	int r;

	r = bh_launch_fds(&ex->launch, err);
	if (r == 0 && ex->wait_for_host)
		r = bh_sync_expect(ex->spawn.child_sock, BH_SYNC_GO, err);
	if (r == 0 && setsid() < 0)
		r = bh_err_set(err, -errno, "setsid");
	if (r == 0 && ex->launch.userns && (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0))
		r = bh_err_set(err, -errno, "become root of the user namespace");
	if (r == 0 && cpus->final)
		r = bh_attr_affinity(0, cpus->final, err);
	else if (r == 0 && !cpus->initial)
		r = bh_attr_affinity_all(err);
	r = r < 0 ? r : open_terminal(ex, &terminal, err);
	r = r < 0 ? r : bh_launch_stdio(&ex->launch, &terminal, err);
	bh_terminal_deinit(&terminal);
	r = r < 0 ? r : bh_launch_become(&ex->launch, ex->spawn.child_sock, -1, err);
	return r < 0 ? r : bh_sync_send(ex->spawn.child_sock, BH_SYNC_READY, -1, err);
}

static _Noreturn void exec_main(struct bh_execution *ex)
{
	struct bh_err err = BH_ERR_INIT;
	int r;

	ex->launch.unseen = ex->spawn.unseen;
	r = become(ex, &err);
	r = r < 0 ? r : bh_launch_confine(&ex->launch, ex->spawn.child_sock, &err);
	if (r == 0 && ex->launch.unseen)
		r = bh_launch_appear(&ex->launch, ex->spawn.child_sock, &err);
	if (r == 0)
		bh_launch_exec(&ex->launch);
	bh_sync_send_err(ex->spawn.child_sock, &err);
	_exit(255);
}

static int serve_process(struct bh_execution *ex, pid_t pid, struct bh_err *err)
{
	const struct bh_intel_rdt *rdt = &ex->c->spec.linux_.intel_rdt;
	int r = 0;

	if (!ex->wait_for_host)
		return 0;
	if (ex->cg && bh_cgroup_needs_attach(ex->cg))
		r = bh_cgroup_attach(ex->cg, pid, err);
	if (r == 0 && rdt->set)
		r = bh_rdt_add(rdt, ex->c->id, pid, err);
	if (r == 0 && ex->launch.userns)
		r = bh_launch_host_limits(&ex->launch, pid, err);
	return r < 0 ? r : bh_sync_send(ex->spawn.parent_sock, BH_SYNC_GO, -1, err);
}

/* Clones with the affinity that the process is to have before it is in the container's cgroup. */
static pid_t spawn(struct bh_execution *ex, struct bh_err *err)
{
	const char *cpus = ex->opts->process->exec_cpu_affinity.initial;
	cpu_set_t own;
	pid_t pid;

	if (cpus &&
	    (sched_getaffinity(0, sizeof(own), &own) < 0 || bh_attr_affinity(0, cpus, err) < 0))
		return bh_err_ctx(err, "execCPUAffinity.initial '%s'", cpus);
	pid = bh_spawn(&ex->spawn, err);
	if (cpus && pid != 0)
		sched_setaffinity(0, sizeof(own), &own);
	return pid;
}

#define UNABLE "unable to start container process"

static void end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
}

/* ---- for a caller that has other things to do -------------------------------------------- */

bool bh_container_execs_alone(const struct bh_container *c)
{
	return !c->rootless && !c->spec.linux_.intel_rdt.set && !must_stay_unseen(c) &&
	       !bh_spec_namespace(&c->spec, BH_NS_USER) &&
	       !bh_seccomp_notifies(&c->spec.linux_.seccomp);
}

struct bh_execution *bh_execution_free(struct bh_execution *ex)
{
	if (!ex)
		return NULL;
	bh_launch_deinit(&ex->launch);
	bh_ns_plan_deinit(&ex->ns);
	bh_cgroup_free(ex->cg);
	bh_close(ex->spawn.parent_sock);
	bh_close(ex->spawn.child_sock);
	bh_close(ex->attend.master_fd);
	free(ex);
	return NULL;
}

static void execution_freep(struct bh_execution **ex)
{
	*ex = bh_execution_free(*ex);
}
#define auto_execution bh_cleanup(execution_freep)

static int begin(struct bh_execution *ex, struct bh_err *err)
{
	pid_t pid;
	int r = plan_namespaces(ex, err);

	r = r < 0 ? r : prepare(ex, err);
	if (r < 0)
		return r;
	pid = spawn(ex, err);
	if (pid == 0)
		exec_main(ex);
	if (pid < 0)
		return pid;
	ex->attend.sock = ex->spawn.parent_sock;
	ex->attend.pid = pid;
	ex->attend.unseen = ex->spawn.unseen;
	r = serve_process(ex, pid, err);
	if (r < 0) {
		end_process(pid);
		return bh_err_ctx(err, UNABLE);
	}
	return 0;
}

int bh_execution_begin(const struct bh_container *c, const struct bh_exec_opts *opts,
		       struct bh_execution **ret, struct bh_err *err)
{
	auto_execution struct bh_execution *ex = malloc(sizeof(*ex));
	int r;

	if (!ex)
		return bh_err_oom(err);
	*ex = (struct bh_execution){
		.c = c,
		.opts = opts,
		.launch.proc_fd = -EBADF,
		.spawn = { .parent_sock = -EBADF, .child_sock = -EBADF },
		.attend = { .c = c, .io = &opts->io, .until_exec = true, .master_fd = -EBADF }
	};
	r = begin(ex, err);
	if (r < 0)
		return r;
	*ret = bh_take(&ex);
	return 0;
}

pid_t bh_execution_pid(const struct bh_execution *ex)
{
	return ex->attend.pid;
}

int bh_execution_fd(const struct bh_execution *ex)
{
	return ex->attend.sock;
}

int bh_execution_finish(struct bh_execution *ex, struct bh_started *started, struct bh_err *err)
{
	const struct bh_process_io *io = &ex->opts->io;
	struct bh_attend *attend = &ex->attend;
	const pid_t first = attend->pid;
	int r = bh_attend(attend, err);

	if (attend->pid != first)
		TEMP_FAILURE_RETRY(waitpid(first, NULL, 0));
	if (r == 0 && io->pidfd_socket)
		r = bh_handover_pidfd(io->pidfd_socket, attend->pid, err);
	if (r == 0 && io->pid_file)
		r = bh_handover_pid_file(io->pid_file, attend->pid, err);
	if (r < 0)
		return bh_err_ctx(err, UNABLE);
	*started = (struct bh_started){ .pid = attend->pid,
					.master_fd = bh_take_fd(&attend->master_fd),
					.notify_fd = -1 };
	return 0;
}

int bh_container_exec(const struct bh_container *c, const struct bh_exec_opts *opts,
		      struct bh_started *started, struct bh_err *err)
{
	auto_execution struct bh_execution *ex = NULL;
	struct bh_started mine = BH_STARTED_INIT;
	int r = bh_execution_begin(c, opts, &ex, err);

	if (r < 0)
		return r;
	r = bh_execution_finish(ex, &mine, err);
	if (r < 0)
		end_process(bh_execution_pid(ex));
	else if (started)
		*started = mine;
	else
		bh_close(mine.master_fd);
	return r;
}
