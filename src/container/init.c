/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's first process. It comes out of clone(2) inside its cgroups and namespaces with
 * the host's file system still in view, builds its own, gives up what it must not keep, says READY,
 * waits for its start, and becomes the container's program. Any failure goes to the runtime as an
 * error object, and the process ends.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/path.h"
#include "container/create_internal.h"
#include "container/environment.h"
#include "container/sync.h"
#include "linux/attr.h"
#include "linux/netdev.h"

/* Under a user namespace of its own the process is nobody until it takes the mapped root's ids. */
static int become_ns_root(const struct bh_creation *cr, struct bh_err *err)
{
	if (!cr->launch.userns)
		return 0;
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return bh_err_set(err, -errno, "become root of the user namespace");
	return 0;
}

static int set_names(const struct bh_spec *spec, struct bh_err *err)
{
	if (spec->hostname && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return bh_err_set(err, -errno, "sethostname '%s'", spec->hostname);
	if (spec->domainname && setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
		return bh_err_set(err, -errno, "setdomainname '%s'", spec->domainname);
	return 0;
}

static int set_namespaces(struct bh_creation *cr, struct bh_err *err)
{
	const struct bh_spec *spec = &cr->c->spec;
	int r;

	r = set_names(spec, err);
	if (r == 0 && (cr->ns.create & CLONE_NEWNET))
		r = bh_netdev_loopback_up(err);
	return r;
}

/* The hooks that run while the old root is still there: first the runtime's, then ours. */
static int hooks_before_pivot(struct bh_creation *cr, struct bh_err *err)
{
	static char *const no_env[] = { NULL };
	int sock = cr->spawn.child_sock, r = 0;

	if (cr->host_hooks) {
		r = bh_sync_send(sock, BH_SYNC_HOOKS, -1, err);
		r = r < 0 ? r : bh_sync_expect(sock, BH_SYNC_GO, err);
	}
	return r < 0 ? r
		     : bh_container_run_hooks(cr->c, BH_HOOK_CREATE_CONTAINER, BH_STATUS_CREATED, 0,
					      no_env, err);
}

static int open_terminal(struct bh_creation *cr, struct bh_terminal *terminal, struct bh_err *err)
{
	const struct bh_process *process = &cr->c->spec.process;
	int r;

	if (!process->terminal)
		return 0;
	r = bh_terminal_open(bh_rootfs_root_fd(cr->rootfs), cr->launch.proc_fd,
			     &process->console_size, &cr->opts->io, terminal, err);
	r = r < 0 ? r : bh_rootfs_console(cr->rootfs, terminal->slave, err);
	r = r < 0 ? r : bh_sync_send(cr->spawn.child_sock, BH_SYNC_MASTER, terminal->master, err);
	terminal->master = bh_close(terminal->master);
	return r;
}

/* Engines name a working directory that the image need not have. */
static int make_cwd(struct bh_creation *cr, struct bh_err *err)
{
	const struct bh_process *process = &cr->c->spec.process;
	int fd;

	if (!process->set)
		return 0;
	fd = bh_path_mkdirs(bh_rootfs_root_fd(cr->rootfs), process->cwd, 0755, err);
	bh_close(fd);
	return fd < 0 ? bh_err_ctx(err, "process.cwd") : 0;
}

static int build_root(struct bh_creation *cr, struct bh_terminal *terminal, struct bh_err *err)
{
	int r;

	r = bh_rootfs_setup(cr->rootfs, err);
	r = r < 0 ? r : make_cwd(cr, err);
	r = r < 0 ? r : hooks_before_pivot(cr, err);
	r = r < 0 ? r : open_terminal(cr, terminal, err);
	r = r < 0 ? r : bh_rootfs_enter(cr->rootfs, err);
	/* Before /proc/sys becomes read-only; written through the host's procfs all the same. */
	r = r < 0 ? r : bh_attr_sysctls(cr->launch.proc_fd, &cr->c->spec.linux_.sysctl, err);
	return r < 0 ? r : bh_rootfs_seal(cr->rootfs, err);
}

/*
 * Without privilege on the host, `exec` may only join the namespaces of a process that it could
 * trace. So could a process of the container that has all the capabilities that are left here; it
 * would find what it knows, but for the caller's environment.
 */
static int become_joinable(struct bh_err *err)
{
	bh_env_forget(environ);
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ? bh_err_set(err, -errno, "become dumpable")
						      : 0;
}

static void end_by_signal(int sig)
{
	_exit(128 + sig);
}

/*
 * Init of a PID namespace is spared the signals that it does not handle, and a created container
 * could only be killed. So it handles those that end a process, as runc's does; execve(2) puts
 * things back. What the caller ignores stays ignored.
 */
static int prepare_wait(struct bh_creation *cr, struct bh_err *err)
{
	static const int fatal[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGABRT, SIGUSR1,
				     SIGUSR2, SIGPIPE, SIGALRM, SIGTERM };
	struct sigaction old;
	int r;

	for (size_t i = 0; i < BH_ARRAY_SIZE(fatal); i++)
		if (sigaction(fatal[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			signal(fatal[i], end_by_signal);
	r = bh_launch_close(&cr->launch, cr->spawn.child_sock, cr->listen_fd, err);
	return r == 0 && cr->launch.rootless && cr->launch.userns ? become_joinable(err) : r;
}

/* Waits for bh_container_start(); its connection carries errors from now on. */
static int wait_for_start(struct bh_creation *cr, struct bh_err *err)
{
	int sock;

	if (cr->listen_fd < 0)
		return 0;
	cr->spawn.child_sock = bh_close(cr->spawn.child_sock);
	sock = TEMP_FAILURE_RETRY(accept4(cr->listen_fd, NULL, NULL, SOCK_CLOEXEC));
	if (sock < 0)
		return bh_err_set(err, -errno, "wait for the start");
	cr->listen_fd = bh_close(cr->listen_fd);
	cr->spawn.child_sock = sock;
	return bh_sync_expect(sock, BH_SYNC_GO, err);
}

static int become(struct bh_creation *cr, struct bh_err *err)
{
	struct bh_terminal terminal = BH_TERMINAL_INIT;
	int r;

	r = bh_launch_fds(&cr->launch, err);
	if (r == 0 && cr->wait_for_host)
		r = bh_sync_expect(cr->spawn.child_sock, BH_SYNC_GO, err);
	r = r < 0 ? r : bh_attr_affinity_all(err);
	/* Offsets of clocks are written to a file of procfs, which an undumpable process may not.
	 */
	r = r < 0 ? r : bh_ns_unshare_late(&cr->ns, &cr->c->spec.linux_, err);
	/* No process of the container may trace or inspect this one on its way in. */
	if (r == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		r = bh_err_set(err, -errno, "become undumpable");
	if (r == 0 && setsid() < 0)
		r = bh_err_set(err, -errno, "setsid");
	r = r < 0 ? r : become_ns_root(cr, err);
	r = r < 0 ? r : set_namespaces(cr, err);
	r = r < 0 ? r : build_root(cr, &terminal, err);
	r = r < 0 ? r : bh_launch_stdio(&cr->launch, &terminal, err);
	r = r < 0 ? r : bh_rootfs_stdio(cr->rootfs, err);
	bh_terminal_deinit(&terminal);
	r = r < 0 ? r : bh_launch_become(&cr->launch, cr->spawn.child_sock, cr->listen_fd, err);
	if (r == 0 && cr->listen_fd >= 0)
		r = prepare_wait(cr, err);
	/* Had the runtime died before this pid was on record, nobody could end the process. */
	if (r == 0 && !cr->wait_for_host)
		r = bh_sync_expect(cr->spawn.child_sock, BH_SYNC_GO, err);
	return r < 0 ? r : bh_sync_send(cr->spawn.child_sock, BH_SYNC_READY, -1, err);
}

_Noreturn void bh_init_main(struct bh_creation *cr)
{
	struct bh_err err = BH_ERR_INIT;
	int r;

	r = become(cr, &err);
	r = r < 0 ? r : wait_for_start(cr, &err);
	r = r < 0 ? r : bh_launch_confine(&cr->launch, cr->spawn.child_sock, &err);
	/* These are programs of the container: under its filter, with its capabilities. */
	if (r == 0)
		r = bh_container_run_hooks(cr->c, BH_HOOK_START_CONTAINER, BH_STATUS_CREATED, 0,
					   cr->launch.env, &err);
	if (r == 0)
		bh_launch_exec(&cr->launch);
	bh_sync_send_err(cr->spawn.child_sock, &err);
	_exit(1);
}
