/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a container, seen from the runtime: plan everything, reserve the id, then make things in
 * an order in which each is on record before it exists, and undo them all if one fails.
 *
 *	plan      spec, namespaces, file system, cgroups, launch     nothing on the host changed
 *	reserve   ROOT/ID/ with config.json and state.json
 *	prepare   cgroups with their limits, RDT group, start socket, trees that need our privileges
 *	spawn     the process; state.json again, with its pid
 *	attend    maps, scope, interfaces, hooks, terminal, until it is ready (create) or, with
 *	          `run`, has executed
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "container/attend.h"
#include "container/create_internal.h"
#include "container/handover.h"
#include "container/hooks.h"
#include "container/notify.h"
#include "container/state.h"
#include "container/sync.h"
#include "linux/attr.h"
#include "linux/netdev.h"
#include "linux/rdt.h"
#include "linux/userns.h"

struct config_text {
	char *data;
	size_t len;
};

static bool has_userns(const struct bh_spec *spec)
{
	return bh_spec_namespace(spec, BH_NS_USER) != NULL;
}

static bool is_new(const struct bh_spec *spec, enum bh_ns_kind kind)
{
	const struct bh_namespace *ns = bh_spec_namespace(spec, kind);

	return ns && !ns->path;
}

static int plan_rootfs(struct bh_creation *cr, struct bh_err *err)
{
	const struct bh_spec *spec = &cr->c->spec;
	const struct bh_rootfs_env env = {
		.bundle = cr->c->bundle,
		.cg = cr->c->cg,
		.new_userns = has_userns(spec),
		.rootless = cr->c->rootless,
		.new_mountns = bh_spec_namespace(spec, BH_NS_MOUNT) != NULL,
		.new_netns = is_new(spec, BH_NS_NETWORK),
		.new_cgroupns = is_new(spec, BH_NS_CGROUP),
		.no_pivot = cr->opts->no_pivot,
		.console = spec->process.terminal,
	};

	return bh_rootfs_plan(&cr->c->arena, spec, &env, &cr->rootfs, err);
}

int bh_process_io_check(const struct bh_process_io *io, bool terminal, struct bh_err *err)
{
	if (terminal && !io->console_socket && !io->want_master)
		return bh_err_spec(
			err, "/process/terminal",
			"cannot allocate tty if runc will detach without setting console "
			"socket");
	if (!terminal && io->console_socket)
		return bh_err_spec(
			err, "/process/terminal",
			"cannot use console socket if runc will not detach or allocate tty");
	return 0;
}

static int plan_cgroups(const struct bh_creation *cr, struct bh_err *err)
{
	const struct bh_create_opts *opts = cr->opts;
	struct bh_container *c = cr->c;

	if (opts->cgroup_manager != BH_CGROUP_DISABLED)
		return bh_cgroup_plan(&c->spec, opts->id, opts->cgroup_manager, opts->rootless,
				      &c->cg, err);
	if (c->spec.linux_.resources.set)
		bh_warn("/linux/resources: not in force, devices neither, since the cgroup "
			"manager is 'disabled'");
	return 0;
}

/* Everything that can be known, and refused, before anything is made. */
static int plan(struct bh_creation *cr, const struct config_text *text, struct bh_err *err)
{
	struct bh_container *c = cr->c;
	const struct bh_create_opts *opts = cr->opts;
	char now[BH_CLOCK_BYTES];
	const char *root;
	int r;

	r = bh_spec_parse(&c->arena, text->data, text->len, &c->spec, err);
	if (r < 0)
		return r;
	if (!c->spec.process.set && opts->run)
		return bh_err_spec(err, "/process", "required, but missing");
	if (opts->notify && c->spec.process.set)
		r = bh_notify_plan(c, err);
	r = r < 0 ? r : bh_sysctl_check(&c->spec, err);
	if (r == 0 && opts->no_hooks)
		r = bh_hooks_refuse(&c->spec, err);
	r = r < 0 ? r : bh_process_io_check(&cr->opts->io, cr->c->spec.process.terminal, err);
	r = r < 0 ? r : bh_ns_plan(&c->spec, &cr->ns, err);
	r = r < 0 ? r : plan_cgroups(cr, err);
	r = r < 0 ? r : plan_rootfs(cr, err);
	if (r < 0)
		return r;
	root = c->spec.root.path;
	c->rootfs = root[0] == '/' ? root : bh_arena_printf(&c->arena, "%s/%s", c->bundle, root);
	c->created = bh_arena_strdup(&c->arena, bh_clock_now(now, true));
	return c->rootfs && c->created ? 0 : bh_err_oom(err);
}

/* Makes the descriptors and names that the process will find after its clone. */
static int prepare_launch(struct bh_creation *cr, struct bh_err *err)
{
	const struct bh_spec *spec = &cr->c->spec;
	const bool systemd = cr->c->cg && bh_cgroup_needs_scope(cr->c->cg);
	int socks[2], r;

	cr->launch.process = &spec->process;
	cr->launch.linux_ = &spec->linux_;
	cr->launch.io = &cr->opts->io;
	cr->launch.id = cr->c->id;
	cr->launch.userns = has_userns(spec);
	cr->launch.rootless = cr->c->rootless;
	cr->launch.keyring = cr->opts->io.keyring;
	cr->host_hooks = spec->hooks[BH_HOOK_PRESTART].n || spec->hooks[BH_HOOK_CREATE_RUNTIME].n;
	cr->wait_for_host = cr->launch.userns || systemd || spec->linux_.net_devices.n ||
			    spec->linux_.intel_rdt.set || cr->host_hooks;
	r = bh_launch_init(&cr->launch, err);
	if (r < 0)
		return r;
	if (!cr->opts->run) {
		cr->listen_fd = bh_state_listen(cr->c->dirfd, err);
		if (cr->listen_fd < 0)
			return cr->listen_fd;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return bh_err_set(err, -errno, "socketpair");
	cr->spawn = (struct bh_spawn){
		.ns = &cr->ns, .cg = cr->c->cg, .parent_sock = socks[0], .child_sock = socks[1]
	};
	return 0;
}

static void warn_of_immortals(const struct bh_creation *cr)
{
	size_t n;

	bh_cgroup_hierarchies(cr->c->cg, &n);
	if (n == 0 && cr->c->rootless && !is_new(&cr->c->spec, BH_NS_PID))
		bh_warn("a rootless container with no cgroup and no private pid namespace. Such "
			"configuration is strongly discouraged, as it is impossible to kill all of "
			"the container's processes");
}

static int prepare(struct bh_creation *cr, struct bh_err *err)
{
	const struct bh_linux *linux_ = &cr->c->spec.linux_;
	int r = 0;

	if (cr->c->cg) {
		r = bh_cgroup_create(cr->c->cg, err);
		if (r == 0)
			warn_of_immortals(cr);
		if (r == 0 && !bh_cgroup_needs_scope(cr->c->cg))
			r = bh_cgroup_apply(cr->c->cg, &linux_->resources, err);
	}
	if (r == 0 && linux_->intel_rdt.set)
		r = bh_rdt_create(&linux_->intel_rdt, cr->c->id, &cr->c->rdt_owned, err);
	r = r < 0 ? r : prepare_launch(cr, err);
	return r < 0 ? r : bh_rootfs_prepare(cr->rootfs, err);
}

static int move_net_devices(const struct bh_creation *cr, pid_t pid, struct bh_err *err)
{
	const struct bh_linux *linux_ = &cr->c->spec.linux_;
	bh_auto_close int netns = -EBADF;

	if (linux_->net_devices.n == 0)
		return 0;
	netns = bh_ns_open(pid, BH_NS_NETWORK, err);
	if (netns < 0)
		return netns;
	for (size_t i = 0; i < linux_->net_devices.n; i++) {
		int r = bh_netdev_move(&linux_->net_devices.v[i], netns, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* What only the host's side may do for the process before it goes on, whose pid is on record. */
static int serve_process(struct bh_creation *cr, struct bh_err *err)
{
	const struct bh_linux *linux_ = &cr->c->spec.linux_;
	pid_t pid = cr->c->init.pid;
	int r = 0;

	if (cr->ns.create & CLONE_NEWUSER)
		r = bh_userns_write_maps(pid, &linux_->uid_mappings, &linux_->gid_mappings, err);
	if (r == 0 && cr->c->cg && bh_cgroup_needs_scope(cr->c->cg)) {
		r = bh_cgroup_start_scope(cr->c->cg, &cr->c->spec, pid, err);
		r = r < 0 ? r : bh_cgroup_apply(cr->c->cg, &linux_->resources, err);
		r = r < 0 ? r : bh_state_save(cr->c, err);
	}
	if (r == 0 && linux_->intel_rdt.set)
		r = bh_rdt_add(&linux_->intel_rdt, cr->c->id, pid, err);
	if (r == 0 && cr->launch.userns)
		r = bh_launch_host_limits(&cr->launch, pid, err);
	r = r < 0 ? r : move_net_devices(cr, pid, err);
	r = r < 0 ? r : bh_sync_send(cr->spawn.parent_sock, BH_SYNC_GO, -1, err);
	/* Who is dead already has told why. */
	return r == -EPIPE ? 0 : r;
}

/* The usual reason why a process dies on its way without a word. In runc's words. */
static int explain_death(const struct bh_creation *cr, int code, struct bh_err *err)
{
	uint64_t kills = 0;

	if (code == -ECHILD && cr->c->cg && bh_cgroup_oom_kills(cr->c->cg, &kills, NULL) == 0 &&
	    kills)
		return bh_err_as(err, BH_ERR_PEER, code,
				 "container init was OOM-killed (memory limit too low?)");
	return bh_err_ctx(err, "error during container init");
}

/* Follows the process until it is ready, or with opts->run until it executed. */
static int attend(struct bh_creation *cr, int *ret_master, struct bh_err *err)
{
	struct bh_attend a = { .sock = cr->spawn.parent_sock,
			       .c = cr->c,
			       .pid = cr->c->init.pid,
			       .io = &cr->opts->io,
			       .until_exec = cr->opts->run,
			       .master_fd = -EBADF };
	int r = bh_attend(&a, err);

	if (r == 0)
		bh_rootfs_reap(cr->rootfs);
	*ret_master = a.master_fd;
	return r < 0 ? explain_death(cr, r, err) : r;
}

static int spawn(struct bh_creation *cr, struct bh_err *err)
{
	pid_t pid = bh_spawn(&cr->spawn, err);
	int r;

	if (pid == 0)
		bh_init_main(cr);
	bh_rootfs_close(cr->rootfs);
	cr->listen_fd = bh_close(cr->listen_fd);
	if (pid < 0)
		return pid;
	cr->c->init.pid = pid;
	r = bh_proc_identify(pid, &cr->c->init, err);
	return r < 0 ? r : bh_state_save(cr->c, err);
}

/* The last steps, once the process is where it should be. */
static int finish(struct bh_creation *cr, struct bh_err *err)
{
	const struct bh_process_io *io = &cr->opts->io;
	int r = 0;

	if (io->pidfd_socket)
		r = bh_handover_pidfd(io->pidfd_socket, cr->c->init.pid, err);
	if (r == 0 && io->pid_file)
		r = bh_handover_pid_file(io->pid_file, cr->c->init.pid, err);
	if (r == 0 && cr->opts->run)
		r = bh_container_run_hooks(cr->c, BH_HOOK_POSTSTART, BH_STATUS_RUNNING,
					   cr->c->init.pid, environ, err);
	return r;
}

/* Takes back what was made; what cannot be is logged, since the first error is what counts. */
static void undo(struct bh_creation *cr)
{
	char line[BH_ERR_LINE_BYTES];
	struct bh_err err = BH_ERR_INIT;
	pid_t pid = cr->c->init.pid;

	if (pid > 0) {
		kill(pid, SIGKILL);
		TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
	}
	bh_rootfs_reap(cr->rootfs);
	if (cr->opts->io.pid_file)
		unlink(cr->opts->io.pid_file);
	if (cr->c->spec.linux_.intel_rdt.set &&
	    bh_rdt_destroy(&cr->c->spec.linux_.intel_rdt, cr->c->id, cr->c->rdt_owned, true, &err) <
		    0)
		bh_warn("undo of '%s': %s", cr->c->id, bh_err_format(&err, line, sizeof(line)));
	if (bh_container_delete(cr->c, true, &err) < 0)
		bh_warn("undo of '%s': %s", cr->c->id, bh_err_format(&err, line, sizeof(line)));
}

static int make_notify(struct bh_creation *cr, struct bh_err *err)
{
	int r;

	if (!cr->opts->notify)
		return 0;
	r = bh_notify_make_dir(cr->c, err);
	if (r < 0 || !cr->opts->run)
		return r;
	cr->notify_fd = bh_container_notify_listen(cr->c, err);
	return cr->notify_fd < 0 ? cr->notify_fd : 0;
}

static int make(struct bh_creation *cr, const struct config_text *text, int *ret_master,
		struct bh_err *err)
{
	int r;

	cr->c->dirfd = bh_state_reserve(cr->c->root, cr->c->id, err);
	if (cr->c->dirfd < 0)
		return cr->c->dirfd;
	r = bh_state_save_config(cr->c->dirfd, text->data, text->len, err);
	r = r < 0 ? r : bh_state_save(cr->c, err);
	r = r < 0 ? r : make_notify(cr, err);
	r = r < 0 ? r : prepare(cr, err);
	if (r == 0) {
		r = spawn(cr, err);
		r = r < 0 ? r : serve_process(cr, err);
		r = r < 0 ? r : attend(cr, ret_master, err);
		if (r < 0)
			bh_err_ctx(err, "unable to start container process");
	}
	r = r < 0 ? r : finish(cr, err);
	if (r < 0)
		undo(cr);
	return r;
}

static void creation_deinit(struct bh_creation *cr)
{
	if (cr->rootfs)
		bh_rootfs_close(cr->rootfs);
	bh_launch_deinit(&cr->launch);
	bh_ns_plan_deinit(&cr->ns);
	bh_close(cr->listen_fd);
	bh_close(cr->notify_fd);
	bh_close(cr->spawn.parent_sock);
	bh_close(cr->spawn.child_sock);
	bh_container_free(cr->c);
}

#define CREATION_INIT(o)                                                                         \
	(struct bh_creation)                                                                     \
	{                                                                                        \
		.opts = (o), .listen_fd = -EBADF, .notify_fd = -EBADF, .launch.proc_fd = -EBADF, \
		.spawn = {                                                                       \
			.parent_sock = -EBADF,                                                   \
			.child_sock = -EBADF                                                     \
		}                                                                                \
	}

/* Everything before anything is made. @text: the document, malloc'd, also after a failure */
static int begin(struct bh_creation *cr, struct config_text *text, struct bh_err *err)
{
	const struct bh_create_opts *opts = cr->opts;
	int r;

	cr->c = bh_container_new(opts->root, opts->id, opts->bundle, err);
	if (!cr->c)
		return err->code;
	cr->c->rootless = opts->rootless;
	r = bh_bundle_read(opts->bundle, &text->data, &text->len, err);
	return r < 0 ? r : plan(cr, text, err);
}

int bh_container_create(const struct bh_create_opts *opts, struct bh_container **ret,
			struct bh_started *started, struct bh_err *err)
{
	bh_cleanup(creation_deinit) struct bh_creation cr = CREATION_INIT(opts);
	struct config_text text = { .data = NULL };
	bh_auto_close int master = -EBADF;
	int r;

	r = begin(&cr, &text, err);
	r = r < 0 ? r : make(&cr, &text, &master, err);
	free(text.data);
	if (r < 0)
		return r;
	if (started)
		*started = (struct bh_started){ .pid = cr.c->init.pid,
						.master_fd = bh_take_fd(&master),
						.notify_fd = bh_take_fd(&cr.notify_fd) };
	if (ret)
		*ret = bh_take(&cr.c);
	return 0;
}

static void print_namespaces(const struct bh_creation *cr, struct bh_buf *out)
{
	for (size_t i = 0; i < cr->c->spec.linux_.namespaces.n; i++) {
		const struct bh_namespace *ns = &cr->c->spec.linux_.namespaces.v[i];

		bh_buf_printf(out, "namespace %s: %s\n", bh_ns_info(ns->kind)->spec_name,
			      ns->path ? ns->path : "new");
	}
}

int bh_container_dry_run(const struct bh_create_opts *opts, struct bh_buf *out, struct bh_err *err)
{
	bh_cleanup(creation_deinit) struct bh_creation cr = CREATION_INIT(opts);
	struct config_text text = { .data = NULL };
	int r;

	r = begin(&cr, &text, err);
	free(text.data);
	if (r < 0)
		return r;
	bh_buf_printf(out, "container %s\nbundle %s\nroot %s\n", cr.c->id, cr.c->bundle,
		      cr.c->rootfs);
	print_namespaces(&cr, out);
	if (cr.c->cg)
		bh_cgroup_print(cr.c->cg, &cr.c->spec.linux_.resources, out);
	bh_rootfs_print(cr.rootfs, out);
	bh_launch_print(&cr.c->spec, out);
	return out->failed ? bh_err_oom(err) : 0;
}
