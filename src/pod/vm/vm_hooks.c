/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A document's hooks that belong to the runtime: they run on the host, in the host's mount
 * namespace and in the bundle, as for a container of the common runtime; what the state document
 * calls the container's process is the pod's monitor. They take as long as they like, so each round
 * is a process of its own (task/worker.h).
 *
 * Source: runtime-spec config.md "POSIX-platform Hooks", runtime.md "Lifecycle"
 */
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "container/hooks.h"
#include "pod/vm/vm_pod.h"

/* What is run one after another, as if it were of one kind. */
struct round {
	const struct bh_vm_container *c;
	enum bh_hook_kind kinds[2];
	size_t n_kinds;
	bool all; /* whatever fails; else until one does */
	struct bh_buf state;
};

static int enter_host(const struct bh_vm_container *c, struct bh_err *err)
{
	const int mounts = c->pod->config.host_mounts;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return bh_err_set(err, -errno, "prctl PR_SET_PDEATHSIG");
	if (mounts > 0 && setns(mounts, CLONE_NEWNS) < 0)
		return bh_err_set(err, -errno, "enter the host's mount namespace");
	return chdir(c->record->bundle) < 0
		       ? bh_err_set(err, -errno, "enter the bundle '%s'", c->record->bundle)
		       : 0;
}

/* In the worker. */
static int run(void *arg, struct bh_started *started, struct bh_err *err)
{
	const struct round *round = arg;
	const struct bh_spec *spec = &round->c->record->spec;
	int r = enter_host(round->c, err);

	(void)started;
	for (size_t i = 0; i < round->n_kinds && r == 0; i++) {
		if (round->all)
			bh_hooks_run_all(spec, round->kinds[i], bh_buf_str(&round->state), environ);
		else
			r = bh_hooks_run(spec, round->kinds[i], bh_buf_str(&round->state), environ,
					 err);
	}
	return r;
}

static bool has_any(const struct round *round)
{
	for (size_t i = 0; i < round->n_kinds; i++)
		if (round->c->record->spec.hooks[round->kinds[i]].n)
			return true;
	return false;
}

static int run_round(struct round *round, enum bh_status status, struct bh_err *err)
{
	struct bh_vm_container *c = (struct bh_vm_container *)round->c;
	struct bh_worker_call call = { .fn = run, .arg = round, .alone = true };
	int r;

	if (!has_any(round))
		return 0;
	r = bh_container_state_json(c->record, status, false, &round->state, err);
	if (c->pod->config.host_mounts > 0)
		call.keep[call.n_keep++] = c->pod->config.host_mounts;
	c->busy++; /* it is not deleted under the hooks' feet */
	r = r < 0 ? r : bh_worker_run(&c->pod->workers, &call, NULL, err);
	c->busy--;
	bh_buf_deinit(&round->state);
	return r;
}

int bh_vm_hooks_create(struct bh_vm_container *c, struct bh_err *err)
{
	struct round round = { .c = c,
			       .kinds = { BH_HOOK_PRESTART, BH_HOOK_CREATE_RUNTIME },
			       .n_kinds = 2,
			       .state = BH_BUF_INIT };

	c->hooked = true;
	return run_round(&round, BH_STATUS_CREATED, err);
}

int bh_vm_hooks_poststart(struct bh_vm_container *c, struct bh_err *err)
{
	struct round round = {
		.c = c, .kinds = { BH_HOOK_POSTSTART }, .n_kinds = 1, .state = BH_BUF_INIT
	};

	return run_round(&round, BH_STATUS_RUNNING, err);
}

void bh_vm_hooks_poststop(struct bh_vm_container *c)
{
	char text[BH_ERR_LINE_BYTES];
	struct bh_err err = BH_ERR_INIT;
	struct round round = { .c = c,
			       .kinds = { BH_HOOK_POSTSTOP },
			       .n_kinds = 1,
			       .all = true,
			       .state = BH_BUF_INIT };

	if (c->hooked && run_round(&round, BH_STATUS_STOPPED, &err) < 0)
		bh_warn("poststop hooks: %s, ignoring", bh_err_format(&err, text, sizeof(text)));
}
