/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the guest is still there: a monitor that runs says nothing about what runs in it. The
 * agent is asked for a sign of life at each beat, one question at a time; when it has owed an
 * answer for several beats on end, the pod is over. So it is when a container that was killed has
 * not ended for as long: of a guest that answers, but lets nobody die, nothing could ever be
 * deleted.
 *
 * A beat does not count when it is not the guest's fault: the host, or this process, stood still
 * itself (suspended, stopped, starved), somebody froze the pod's cgroup, or the agent makes or
 * takes apart a container, whose disks may have much to read or to write. Containers that are
 * paused do not matter: they are frozen within the guest, the agent is not.
 */
#include <stdio.h>
#include <string.h>

#include "loop/fiber.h"
#include "pod/vm/vm_pod.h"
#include "rpc/agent.pb-c.h"

#define BEATS     6U /* without an answer, before the pod is over */
#define MS_PER_S  1000U
#define NS_PER_MS 1000000U
/* An answer no older than this speaks for the guest. */
#define FRESH_MS 1000U
/* For a guest that is to do something so that somebody who waits can go on. */
#define SIGN_MS      10000U
#define SIGN_POLL_MS 5U

static void on_sign(void *arg, const struct bh_rpc_answer *answer)
{
	struct bh_vm_pod *pod = arg;

	pod->pulse.asked = false;
	/* A failure is an answer too, unless nobody was there to give one. */
	if (answer->code == BH_RPC_UNAVAILABLE)
		return;
	pod->pulse.missed = 0;
	pod->pulse.heard_ms = pod->pulse.answered_ms = bh_clock_ms();
}

static void ask(struct bh_vm_pod *pod)
{
	Agent__PingRequest q = AGENT__PING_REQUEST__INIT;
	struct bh_err ignored = BH_ERR_INIT;

	if (pod->pulse.asked || !pod->agent)
		return;
	pod->pulse.asked_at_ms = bh_clock_ms();
	pod->pulse.asked = bh_rpc_call(pod->agent, BH_AGENT_SERVICE, "Ping", &q.base, 0, on_sign,
				       pod, &ignored) == 0;
}

/* Whether the beat that is over is to be held against the guest. */
static bool counts(const struct bh_vm_pod *pod, uint64_t lasted_ms)
{
	struct bh_err ignored = BH_ERR_INIT;

	return lasted_ms < 2 * pod->pulse.beat_ms && !pod->pulse.patience &&
	       !(pod->cg && bh_cgroup_frozen(pod->cg, &ignored) > 0);
}

/* A container that was to end several beats ago. Return: NULL when there is none */
static const struct bh_vm_container *disobedient(const struct bh_vm_pod *pod)
{
	for (const struct bh_vm_container *c = pod->containers; c; c = c->next) {
		struct bh_vm_process *p = c->processes;

		if (p && p->killed && p->status != TASK__STATUS__STOPPED && ++p->overdue > BEATS)
			return c;
	}
	return NULL;
}

static void on_beat(struct bh_timer *timer)
{
	struct bh_vm_pod *pod = bh_owner_of(timer, struct bh_vm_pod, pulse.timer);
	struct bh_vm_pulse *pulse = &pod->pulse;
	const unsigned int limit_s = (unsigned int)(BEATS * pulse->beat_ms / MS_PER_S);
	uint64_t now = bh_clock_ms(), lasted = now - pulse->beat_at_ms;
	const struct bh_vm_container *c;

	if (pod->dead || pod->closed || !pod->agent)
		return;
	pulse->beat_at_ms = now;
	if (!counts(pod, lasted)) {
		pulse->missed = 0;
	} else if (pulse->asked && ++pulse->missed >= BEATS) {
		bh_vm_pod_silent(pod, limit_s);
		return;
	} else if ((c = disobedient(pod))) {
		bh_vm_pod_disobeyed(pod, c->record->id, limit_s);
		return;
	}
	ask(pod);
	bh_loop_arm(pod->loop, timer, pulse->beat_ms);
}

void bh_vm_pulse_begin(struct bh_vm_pod *pod)
{
	int64_t limit_ms = pod->config.settings.silence_timeout_ns / NS_PER_MS;

	if (pod->accelerator == BH_ACCELERATOR_EMULATION)
		limit_ms *= BH_VM_EMULATION_FACTOR;
	pod->pulse = (struct bh_vm_pulse){ .timer.fn = on_beat,
					   .beat_ms = (uint64_t)limit_ms / BEATS,
					   .beat_at_ms = bh_clock_ms(),
					   .answered_ms = bh_clock_ms() };
	bh_loop_arm(pod->loop, &pod->pulse.timer, pod->pulse.beat_ms);
}

void bh_vm_pulse_end(struct bh_vm_pod *pod)
{
	bh_loop_disarm(pod->loop, &pod->pulse.timer);
}

/* For who asks a guest that has owed an answer for long, the wait is over soon. */
static bool in_time(const struct bh_vm_pod *pod, uint64_t from_ms)
{
	uint64_t now = bh_clock_ms();

	return now - pod->pulse.asked_at_ms < SIGN_MS || now - from_ms < FRESH_MS;
}

void bh_vm_pulse_heard(struct bh_vm_pod *pod)
{
	pod->pulse.answered_ms = bh_clock_ms();
}

void bh_vm_pulse_tell(const struct bh_vm_pod *pod, struct bh_err *err)
{
	size_t used = strlen(err->text);

	snprintf(err->text + used, sizeof(err->text) - used, "; guest: last answer %llu s ago",
		 (unsigned long long)((bh_clock_ms() - pod->pulse.answered_ms) / MS_PER_S));
}

int bh_vm_pulse_feel(struct bh_vm_pod *pod, struct bh_err *err)
{
	uint64_t from = bh_clock_ms();
	int r = bh_vm_pod_check(pod, err);

	if (r < 0 || from - pod->pulse.heard_ms <= FRESH_MS)
		return r;
	ask(pod);
	while (pod->pulse.asked && !pod->dead && in_time(pod, from)) {
		r = bh_fiber_sleep(pod->loop, SIGN_POLL_MS, err);
		if (r < 0)
			return r;
	}
	bh_vm_pod_await_verdict(pod);
	if (bh_vm_pod_check(pod, err) < 0)
		return err->code;
	if (!pod->pulse.asked)
		return 0;
	bh_err_as(err, BH_ERR_PEER, -ETIMEDOUT, "guest: no answer for %u s", SIGN_MS / MS_PER_S);
	bh_vm_pod_add_console(pod, err);
	return err->code;
}
