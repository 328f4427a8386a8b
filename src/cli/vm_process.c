/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making processes in a micro-VM: create, run, exec. The supervisor has a process's stdio from this
 * one's descriptors ("fd:N"), so what this program keeps from containers of its own (terminals,
 * files) it relays here as well.
 */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "cli/console.h"
#include "cli/foreground.h"
#include "cli/vm.h"
#include "container/handover.h"
#include "container/state.h"
#include "linux/proc.h"

/* 128 + SIGKILL: what a process ends with when nobody can tell. */
#define STATUS_KILLED 137

static int hand_over_pid(const struct bh_process_io *io, pid_t pid, struct bh_err *err)
{
	int r = 0;

	if (io->pidfd_socket)
		r = bh_handover_pidfd(io->pidfd_socket, pid, err);
	if (r == 0 && io->pid_file)
		r = bh_handover_pid_file(io->pid_file, pid, err);
	return r;
}

/* ---- the ends of a process's stdio, by which the supervisor fetches them ----------------- */

struct stdio {
	char uris[3][16];
	int terminal; /* the supervisor's end of what stands for a terminal, or -1 */
	int master;   /* this program's end of it, or -1 */
};

#define STDIO_INIT                                   \
	(struct stdio)                               \
	{                                            \
		.terminal = -EBADF, .master = -EBADF \
	}

static void stdio_deinit(struct stdio *s)
{
	s->terminal = bh_close(s->terminal);
	s->master = bh_close(s->master);
}

static void set_uris(struct stdio *s, const struct bh_process_io *io)
{
	for (int i = 0; i < 3; i++) {
		int fd = io->stdio[i] >= 0 ? io->stdio[i] : i;

		if (s->terminal >= 0)
			fd = s->terminal;
		snprintf(s->uris[i], sizeof(s->uris[i]), "fd:%d", fd);
	}
	if (s->terminal >= 0)
		s->uris[2][0] = '\0';
}

/* @terminal: the process wants one: of whoever listens at the console socket, or of this program */
static int make_stdio(struct stdio *s, const struct bh_process_io *io, bool terminal,
		      struct bh_err *err)
{
	int r = 0;

	if (terminal && io->console_socket)
		r = bh_console_make(io->console_socket, &s->terminal, err);
	else if (terminal)
		r = bh_console_pair(&s->terminal, &s->master, err);
	set_uris(s, io);
	return r;
}

/* ---- create ------------------------------------------------------------------------------ */

/* What making a container needs to know of its document before the supervisor reads it. */
static int read_terminal(const char *bundle, bool *ret, struct bh_console_size *size,
			 struct bh_err *err)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	bh_auto_free char *text = NULL;
	struct bh_spec spec;
	size_t len;
	int r = bh_bundle_read(bundle, &text, &len, err);

	r = r < 0 ? r : bh_spec_parse(&arena, text, len, &spec, err);
	if (r < 0)
		return r;
	*ret = spec.process.terminal;
	*size = spec.process.console_size;
	return 0;
}

static int check_create(const struct bh_create_opts *create, bool terminal, struct bh_err *err)
{
	const struct bh_process_io *io = &create->io;

	if (create->rootless)
		return bh_err_as(
			err, BH_ERR_SPEC, -EOPNOTSUPP,
			"kata: pods are made by root: taps, cgroups and shared directories "
			"take its privileges");
	if (io->preserve_fds)
		return bh_err_as(
			err, BH_ERR_SPEC, -EOPNOTSUPP,
			"kata: --preserve-fds %u: descriptors do not reach into a micro-VM",
			io->preserve_fds);
	return bh_process_io_check(io, terminal, err);
}

/* To the pod's supervisor, which is started when there is none. */
static int reach_pod(struct bh_cli *cli, struct bh_loop *loop, const struct bh_create_opts *create,
		     const struct bh_run_opts *run, struct bh_pod_client *client,
		     struct bh_err *err)
{
	const char *pod = run->pod ? run->pod : create->id;
	int r = bh_container_id_check(pod, err);

	if (r < 0)
		return bh_err_ctx(err, "--pod");
	if (run->pod) {
		r = bh_pod_connect(loop, cli->root, pod, client, err);
		if (r == -ECONNREFUSED)
			return bh_err_as(err, BH_ERR_STATE, r,
					 "pod '%s': its supervisor is gone; delete its containers "
					 "first",
					 pod);
		if (!bh_pod_is_gone(r))
			return r;
	}
	return bh_pod_start(cli, loop, pod, create, client, err);
}

static int resize(struct bh_pod_client *client, const char *id, const char *exec_id, uint32_t width,
		  uint32_t height, struct bh_err *err)
{
	Task__ResizePtyRequest q = TASK__RESIZE_PTY_REQUEST__INIT;

	q.id = (char *)id;
	q.exec_id = (char *)exec_id;
	q.width = width;
	q.height = height;
	return width || height ? bh_pod_task(client, "ResizePty", &q.base, NULL, NULL, err) : 0;
}

static int create_task(struct bh_pod_client *client, const struct bh_create_opts *create,
		       bool terminal, struct stdio *stdio, struct bh_err *err)
{
	Task__CreateRequest q = TASK__CREATE_REQUEST__INIT;
	Task__CreateResponse *a = NULL;
	pid_t pid;
	int r = make_stdio(stdio, &create->io, terminal, err);

	if (r < 0)
		return r;
	q.id = (char *)create->id;
	q.bundle = (char *)create->bundle;
	q.terminal = terminal;
	q.stdin = stdio->uris[0];
	q.stdout = stdio->uris[1];
	q.stderr = stdio->uris[2];
	r = bh_pod_task(client, "Create", &q.base, &task__create_response__descriptor,
			(ProtobufCMessage **)&a, err);
	stdio->terminal = bh_close(stdio->terminal);
	if (r < 0)
		return r;
	pid = (pid_t)a->pid;
	task__create_response__free_unpacked(a, NULL);
	return hand_over_pid(&create->io, pid, err);
}

/* A failed step after the container was made: it goes, and its pod with it. */
static void take_back(struct bh_pod_client *client, const struct bh_create_opts *create)
{
	struct bh_err err = BH_ERR_INIT;
	char text[BH_ERR_LINE_BYTES];
	bh_auto_container struct bh_container *c = NULL;

	bh_pod_client_deinit(client);
	c = bh_container_load(create->root, create->id, &err);
	if (c && c->pod && bh_vm_delete(c, true, &err) < 0)
		bh_warn("%s, ignoring", bh_err_format(&err, text, sizeof(text)));
}

static int create_in(struct bh_pod_client *client, const struct bh_create_opts *create,
		     struct stdio *stdio, struct bh_err *err)
{
	const struct bh_console_size *want = &create->io.console_size;
	struct bh_console_size size = { 0 };
	bool terminal;
	int r = read_terminal(create->bundle, &terminal, &size, err);

	r = r < 0 ? r : create_task(client, create, terminal, stdio, err);
	if (r < 0)
		return r;
	if (want->width || want->height)
		size = *want;
	r = terminal ? resize(client, create->id, "", size.width, size.height, err) : 0;
	if (r < 0)
		take_back(client, create);
	return r;
}

static int prepare(const struct bh_create_opts *create, struct bh_err *err)
{
	struct bh_console_size size;
	bool terminal;
	int r = bh_container_id_check(create->id, err);

	/* Who makes it looks again; but a pod need not be started to hear that. */
	r = r < 0 ? r : bh_state_check_free(create->root, create->id, err);
	r = r < 0 ? r : read_terminal(create->bundle, &terminal, &size, err);
	return r < 0 ? r : check_create(create, terminal, err);
}

int bh_vm_create(struct bh_cli *cli, const struct bh_create_opts *create,
		 const struct bh_run_opts *run, struct bh_err *err)
{
	bh_cleanup(bh_vm_session_deinit) struct bh_vm_session s = BH_VM_SESSION_INIT;
	bh_cleanup(stdio_deinit) struct stdio stdio = STDIO_INIT;
	int r = prepare(create, err);

	r = r < 0 ? r : bh_loop_init(&s.loop, err);
	r = r < 0 ? r : reach_pod(cli, &s.loop, create, run, &s.client, err);
	return r < 0 ? r : create_in(&s.client, create, &stdio, err);
}

/* ---- a process in the foreground --------------------------------------------------------- */

struct remote {
	struct bh_foreground fg;
	struct bh_pod_client client;
	struct bh_remote_process process;
	const char *id, *exec_id;
	struct bh_err err; /* of what happens in callbacks */
	int failed;
};

static void on_ignored(void *arg, const struct bh_rpc_answer *answer)
{
	(void)arg;
	(void)answer;
}

static void send_signal(void *arg, int sig)
{
	struct remote *p = arg;
	Task__KillRequest q = TASK__KILL_REQUEST__INIT;

	q.id = (char *)p->id;
	q.exec_id = (char *)p->exec_id;
	q.signal = (uint32_t)sig;
	(void)!bh_rpc_call(p->client.rpc, BH_TASK_SERVICE, "Kill", &q.base, 0, on_ignored, p,
			   &p->err);
}

static void send_size(void *arg, const struct winsize *size)
{
	struct remote *p = arg;
	Task__ResizePtyRequest q = TASK__RESIZE_PTY_REQUEST__INIT;

	q.id = (char *)p->id;
	q.exec_id = (char *)p->exec_id;
	q.width = size->ws_col;
	q.height = size->ws_row;
	(void)!bh_rpc_call(p->client.rpc, BH_TASK_SERVICE, "ResizePty", &q.base, 0, on_ignored, p,
			   &p->err);
}

static int end_status(struct remote *p, const struct bh_rpc_answer *answer)
{
	Task__WaitResponse *a = NULL;
	int status = STATUS_KILLED;

	if (answer->code == BH_RPC_OK)
		a = task__wait_response__unpack(NULL, answer->len, answer->data);
	else
		p->failed = bh_rpc_answer_err(answer, &p->err);
	if (a) {
		status = (int)(a->exit_status & 0xff);
		task__wait_response__free_unpacked(a, NULL);
	}
	return status;
}

static void on_end(void *arg, const struct bh_rpc_answer *answer)
{
	struct remote *p = arg;

	if (bh_foreground_ended(&p->fg, end_status(p, answer), &p->err) < 0)
		bh_loop_stop(&p->fg.loop);
}

/* From the process's start to its end. Return: its exit status, or -errno with @err */
static int attend(struct remote *p, int master_fd, struct bh_err *err)
{
	Task__WaitRequest wait = TASK__WAIT_REQUEST__INIT;
	Task__StartRequest start = TASK__START_REQUEST__INIT;
	int r;

	wait.id = start.id = (char *)p->id;
	wait.exec_id = start.exec_id = (char *)p->exec_id;
	p->process =
		(struct bh_remote_process){ .kill = send_signal, .resize = send_size, .arg = p };
	r = bh_foreground_attend(&p->fg, &p->process, master_fd, err);
	r = r < 0 ? r : bh_pod_task(&p->client, "Start", &start.base, NULL, NULL, err);
	r = r < 0 ? r
		  : bh_rpc_call(p->client.rpc, BH_TASK_SERVICE, "Wait", &wait.base, 0, on_end, p,
				err);
	r = r < 0 ? r : bh_loop_run(&p->fg.loop, err);
	return r < 0 ? r : p->fg.status;
}

/* Why the pod ended, if it did: the exit status alone would not tell. */
static void tell_of_death(struct bh_pod_client *client, const char *pod)
{
	bh_auto_buf struct bh_buf why = BH_BUF_INIT;
	struct bh_err ignored = BH_ERR_INIT;

	if (client->gone || bh_pod_ask_death(client, &why, &ignored) < 0)
		bh_buf_printf(&why, "its supervisor %s",
			      ignored.code == -ETIMEDOUT ? "does not answer" : "ended");
	if (why.len > 0)
		bh_log(BH_LOG_ERROR, "pod '%s': %s", pod, bh_buf_str(&why));
}

static int run_foreground(struct bh_cli *cli, struct bh_create_opts *create,
			  const struct bh_run_opts *run, struct remote *p, struct bh_err *err)
{
	bh_cleanup(stdio_deinit) struct stdio stdio = STDIO_INIT;
	int r = bh_foreground_init(&p->fg, &create->io, err), status;

	r = r < 0 ? r : prepare(create, err);
	r = r < 0 ? r : reach_pod(cli, &p->fg.loop, create, run, &p->client, err);
	/* What is half made cannot be taken back, and it does not take long. */
	p->fg.hold = true;
	r = r < 0 ? r : create_in(&p->client, create, &stdio, err);
	p->fg.hold = false;
	if (r == 0 && p->fg.stopped_by) {
		take_back(&p->client, create);
		r = -ECANCELED;
	}
	if (r == -ECANCELED && p->fg.stopped_by)
		return bh_err_as(err, BH_ERR_STATE, r,
				 "signal %d came before the container was there", p->fg.stopped_by);
	if (r < 0)
		return r;
	status = attend(p, bh_take_fd(&stdio.master), err);
	tell_of_death(&p->client, run->pod ? run->pod : create->id);
	if (status < 0 || !run->keep)
		take_back(&p->client, create);
	return status;
}

static int run_detached(struct bh_cli *cli, const struct bh_create_opts *opts,
			const struct bh_run_opts *run, struct bh_err *err)
{
	bh_auto_container struct bh_container *c = NULL;
	int r = bh_vm_create(cli, opts, run, err);

	if (r < 0)
		return r;
	c = bh_container_load(opts->root, opts->id, err);
	r = c ? bh_vm_start(c, err) : err->code;
	if (r < 0 && c) {
		struct bh_err ignored = BH_ERR_INIT;

		(void)!bh_vm_delete(c, true, &ignored);
	}
	return r;
}

int bh_vm_run(struct bh_cli *cli, const struct bh_create_opts *create,
	      const struct bh_run_opts *run, struct bh_err *err)
{
	struct bh_create_opts opts = *create;
	struct remote p = { .id = create->id, .exec_id = "" };
	int r;

	if (run->detach)
		return run_detached(cli, create, run, err);
	r = run_foreground(cli, &opts, run, &p, err);
	bh_pod_client_deinit(&p.client);
	bh_foreground_deinit(&p.fg);
	return r;
}

int bh_vm_dry_run(struct bh_cli *cli, const struct bh_create_opts *create,
		  const struct bh_run_opts *run, struct bh_buf *out, struct bh_err *err)
{
	int r = prepare(create, err);

	return r < 0 ? r : bh_pod_plan(cli, run->pod ? run->pod : create->id, create, out, err);
}

/* ---- exec -------------------------------------------------------------------------------- */

/*
 * All that an exec takes is asked for at once, the answers come as they come: a caller waits for
 * one trip, not for each. The supervisor does it in this order, so the process's end is waited for,
 * and the exec forgotten with it, before there is one.
 */
struct exec {
	struct remote remote;
	const struct bh_exec_opts *opts;
	const struct bh_container *c;
	struct stdio stdio;
	int r; /* the first refusal; err of the remote tells */
	bool begun;
	bool ended; /* before it was known to have begun */
	int status;
};

static void fail(struct exec *x, int r)
{
	if (x->r == 0)
		x->r = r;
	bh_loop_stop(&x->remote.fg.loop);
}

static int plain_failure(const struct bh_rpc_answer *answer, struct bh_err *err)
{
	int r = bh_rpc_answer_err(answer, err);

	bh_pod_plain_words(err);
	return r;
}

static void on_step(void *arg, const struct bh_rpc_answer *answer)
{
	struct exec *x = arg;

	if (answer->code != BH_RPC_OK && x->r == 0)
		fail(x, plain_failure(answer, &x->remote.err));
}

static int begin(struct exec *x)
{
	struct remote *p = &x->remote;
	int r = hand_over_pid(&x->opts->io, x->c->init.pid, &p->err);

	x->begun = true;
	x->stdio.terminal = bh_close(x->stdio.terminal);
	if (r < 0)
		return r;
	if (x->opts->detach) {
		bh_loop_stop(&p->fg.loop);
		return 0;
	}
	r = bh_foreground_attend(&p->fg, &p->process, bh_take_fd(&x->stdio.master), &p->err);
	if (r == 0 && x->ended)
		r = bh_foreground_ended(&p->fg, x->status, &p->err);
	return r;
}

static void on_started(void *arg, const struct bh_rpc_answer *answer)
{
	struct exec *x = arg;
	int r;

	on_step(x, answer);
	r = x->r < 0 ? 0 : begin(x);
	if (r < 0)
		fail(x, r);
}

static void on_exec_end(void *arg, const struct bh_rpc_answer *answer)
{
	struct exec *x = arg;

	if (x->r < 0)
		return;
	if (x->begun) {
		on_end(&x->remote, answer);
		return;
	}
	x->ended = true;
	x->status = end_status(&x->remote, answer);
}

static int write_request(struct exec *x, struct bh_buf *process, Wire__Any *spec,
			 Task__ExecRequest *q, struct bh_err *err)
{
	struct bh_process document = *x->opts->process;
	int r = make_stdio(&x->stdio, &x->opts->io, document.terminal, err);

	if (r < 0)
		return r;
	if (x->opts->io.console_size.width || x->opts->io.console_size.height)
		document.console_size = x->opts->io.console_size;
	bh_spec_write_process(&document, process);
	if (process->failed)
		return bh_err_oom(err);
	spec->type_url = (char *)"types.containerd.io/opencontainers/runtime-spec/1/Process";
	spec->value =
		(ProtobufCBinaryData){ .data = (uint8_t *)process->data, .len = process->len };
	q->id = (char *)x->c->id;
	q->exec_id = (char *)x->remote.exec_id;
	q->terminal = document.terminal;
	q->stdin = x->stdio.uris[0];
	q->stdout = x->stdio.uris[1];
	q->stderr = x->stdio.uris[2];
	q->spec = spec;
	return 0;
}

static int ask_all(struct exec *x, struct bh_err *err)
{
	bh_auto_buf struct bh_buf process = BH_BUF_INIT;
	Task__ExecRequest add = TASK__EXEC_REQUEST__INIT;
	Pod__DetachRequest detach = POD__DETACH_REQUEST__INIT;
	Task__WaitRequest wait = TASK__WAIT_REQUEST__INIT;
	Task__StartRequest start = TASK__START_REQUEST__INIT;
	struct bh_rpc_client *rpc = x->remote.client.rpc;
	Wire__Any spec = WIRE__ANY__INIT;
	int r = write_request(x, &process, &spec, &add, err);

	detach.id = wait.id = start.id = (char *)x->c->id;
	detach.exec_id = wait.exec_id = start.exec_id = (char *)x->remote.exec_id;
	r = r < 0 ? r : bh_rpc_call(rpc, BH_TASK_SERVICE, "Exec", &add.base, 0, on_step, x, err);
	r = r < 0 ? r
		  : bh_rpc_call(rpc, BH_POD_SERVICE, "Detach", &detach.base, 0, on_step, x, err);
	if (r == 0 && !x->opts->detach)
		r = bh_rpc_call(rpc, BH_TASK_SERVICE, "Wait", &wait.base, 0, on_exec_end, x, err);
	return r < 0 ? r
		     : bh_rpc_call(rpc, BH_TASK_SERVICE, "Start", &start.base, 0, on_started, x,
				   err);
}

/* Why there can be no exec now, if that is the container's state. */
static int check_state(const struct bh_container *c, const struct bh_exec_opts *exec,
		       struct bh_err *err)
{
	enum bh_status now;
	int r = bh_vm_status(c, &now, err);

	if (r < 0)
		return r;
	if (now == BH_STATUS_STOPPED || now == BH_STATUS_CREATING)
		return bh_runtime_not_running(c, "cannot exec in a stopped container", err);
	if (now == BH_STATUS_PAUSED && !exec->ignore_paused)
		return bh_err_as(err, BH_ERR_STATE, -EBUSY,
				 "cannot exec in a paused container (use --ignore-paused to "
				 "override)");
	return 0;
}

static int check_exec(const struct bh_exec_opts *exec, struct bh_err *err)
{
	if (exec->cgroups.n)
		return bh_err_as(err, BH_ERR_SPEC, -EOPNOTSUPP,
				 "kata: --cgroup %s: the groups of a micro-VM cannot be chosen",
				 exec->cgroups.v[0]);
	if (exec->io.preserve_fds)
		return bh_err_as(
			err, BH_ERR_SPEC, -EOPNOTSUPP,
			"kata: --preserve-fds %u: descriptors do not reach into a micro-VM",
			exec->io.preserve_fds);
	return 0;
}

/* A refusal is the exec's, or the container's: that is the better story. */
static int tell_refusal(struct exec *x, int r, struct bh_err *err)
{
	struct bh_err refusal = *err;

	if (!x->remote.client.silent && check_state(x->c, x->opts, err) < 0)
		return err->code;
	*err = refusal;
	return r;
}

/* Return: 0 or its exit status; -errno with @err */
static int do_exec(struct exec *x, struct bh_exec_opts *opts, struct bh_err *err)
{
	struct remote *p = &x->remote;
	int r = opts->detach ? bh_loop_init(&p->fg.loop, err)
			     : bh_foreground_init(&p->fg, &opts->io, err);

	r = r < 0 ? r : bh_pod_connect(&p->fg.loop, x->c->root, x->c->pod, &p->client, err);
	r = r < 0 ? r : ask_all(x, err);
	if (r < 0)
		return tell_refusal(x, r, err);
	r = bh_loop_run(&p->fg.loop, err);
	if (r < 0)
		return r;
	if (x->r < 0) {
		*err = p->err;
		return x->begun ? x->r : tell_refusal(x, x->r, err);
	}
	if (!x->begun)
		return bh_err_as(err, BH_ERR_STATE, -ECANCELED,
				 "exec: told to end before the process had begun");
	if (p->failed)
		tell_of_death(&p->client, x->c->pod);
	return opts->detach ? 0 : p->fg.status;
}

int bh_vm_exec(struct bh_container *c, struct bh_exec_opts *exec, struct bh_err *err)
{
	char exec_id[48];
	struct bh_proc self;
	struct exec x = { .remote = { .id = c->id, .exec_id = exec_id },
			  .c = c,
			  .opts = exec,
			  .stdio = STDIO_INIT };
	struct remote *p = &x.remote;
	int r = bh_proc_identify(getpid(), &self, err);

	r = r < 0 ? r : check_exec(exec, err);
	if (r < 0)
		return r;
	/* No other process has both. */
	snprintf(exec_id, sizeof(exec_id), "exec-%d-%" PRIu64, (int)self.pid, self.start_time);
	p->process =
		(struct bh_remote_process){ .kill = send_signal, .resize = send_size, .arg = p };
	r = do_exec(&x, exec, err);
	stdio_deinit(&x.stdio);
	bh_pod_client_deinit(&p->client);
	if (exec->detach)
		bh_loop_deinit(&p->fg.loop);
	else
		bh_foreground_deinit(&p->fg);
	return r;
}
