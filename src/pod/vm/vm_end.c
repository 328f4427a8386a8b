/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a pod in a micro-VM ends.
 *
 * By itself: one of its parts goes, and takes the others with it. The links break a moment before
 * the news of what broke them, so a lost link is only suspected at first; nobody is told of the end
 * before its cause is known. Then the pod is buried: the calls that wait for the agent are
 * answered, and with them the ends of the processes are told. Its containers stay to be asked
 * about, and its resources on record, until they are deleted.
 *
 * By undoing: all that the phases made is taken away.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "loop/fiber.h"
#include "pod/vm/obituary.h"
#include "pod/vm/vm_pod.h"

#define CONSOLE_LINES 200 /* more than are told: the telling one may be far up */
/* For the news of what ended the link; the end of a process takes milliseconds to be heard of. */
#define VERDICT_MS 1000
#define POLL_MS    5

/* ---- the story ------------------------------------------------------------------------------- */

/* The last of @lines (each with its newline) that @max bytes have room for. */
static char *last_lines(char *lines, size_t max)
{
	char *newline;

	while (strlen(lines) > max && (newline = strchr(lines, '\n')))
		lines = newline + 1;
	return lines;
}

/* After a kernel's reason come registers and addresses, which tell users nothing. */
static void cut_after_cause(char *lines)
{
	char *panic = NULL;

	for (char *p = lines; (p = strstr(p, "Kernel panic")); p++)
		panic = p;
	if (panic)
		panic[strcspn(panic, "\n")] = '\0';
}

void bh_vm_pod_add_console(const struct bh_vm_pod *pod, struct bh_err *err)
{
	bh_auto_buf struct bh_buf tail = BH_BUF_INIT, words = BH_BUF_INIT;
	size_t used = strlen(err->text);
	char *line, *save = NULL;

	if (pod->vm)
		bh_vm_console_tail(pod->vm, CONSOLE_LINES, &tail);
	if (tail.failed || tail.len == 0)
		return;
	cut_after_cause(tail.data);
	line = strtok_r(last_lines(tail.data, sizeof(err->text) / 2), "\n", &save);
	for (; line; line = strtok_r(NULL, "\n", &save))
		bh_buf_printf(&words, "%s%s", words.len ? " | " : "", line);
	snprintf(err->text + used, sizeof(err->text) - used, "; guest console: \"%s\"",
		 bh_buf_str(&words));
}

/* The host's OOM killer looks like any other SIGKILL, but for its mark in the pod's cgroup. */
static bool ran_out_of_memory(const struct bh_vm_pod *pod)
{
	struct bh_err ignored = BH_ERR_INIT;
	uint64_t kills = 0;

	return pod->cg && bh_cgroup_oom_kills(pod->cg, &kills, &ignored) == 0 && kills > 0;
}

static void blame_memory(struct bh_vm_pod *pod)
{
	bh_err_ctx(&pod->why,
		   "out of memory on the host: the pod's cgroup is at its limit, %llu MiB",
		   (unsigned long long)(pod->size.cgroup_memory / BH_POD_MIB));
	for (struct bh_vm_container *c = pod->containers; c; c = c->next)
		if (c->processes && c->processes->status != TASK__STATUS__STOPPED)
			bh_vm_container_oom(c);
}

/* ---- dying ----------------------------------------------------------------------------------- */

/* Where it is still to be read when the pod was deleted, and its console with it. */
static void leave_word(struct bh_vm_pod *pod)
{
	char text[BH_ERR_LINE_BYTES], now[BH_CLOCK_BYTES];
	struct bh_obituary obituary = { .id = pod->config.id,
					.runtime = bh_vm_pod_kind.name,
					.created = pod->created,
					.died = bh_clock_now(now, false) };
	struct bh_err err = BH_ERR_INIT;

	obituary.reason = bh_err_format(&pod->why, text, sizeof(text));
	bh_warn("pod '%s': %s", pod->config.id, text);
	if (pod->dirfd >= 0 && bh_obituary_write(&pod->spec, pod->dirfd, &obituary, &err) < 0)
		bh_warn("%s", bh_err_format(&err, text, sizeof(text)));
}

static void become_dead(struct bh_vm_pod *pod)
{
	pod->dead = true;
	bh_loop_disarm(pod->loop, &pod->verdict);
	if (ran_out_of_memory(pod))
		blame_memory(pod);
	bh_vm_pod_add_console(pod, &pod->why);
	leave_word(pod);
	bh_loop_arm(pod->loop, &pod->burial, 0);
}

void bh_vm_pod_died(struct bh_vm_pod *pod, const char *what, const struct bh_err *why)
{
	if (pod->dead || pod->closed)
		return;
	pod->why = *why;
	bh_err_ctx(&pod->why, "the pod's %s ended", what);
	become_dead(pod);
}

void bh_vm_pod_silent(struct bh_vm_pod *pod, unsigned int seconds)
{
	if (pod->dead || pod->closed)
		return;
	bh_err_as(&pod->why, BH_ERR_PEER, -ETIMEDOUT, "guest: no answer for %u s", seconds);
	become_dead(pod);
}

void bh_vm_pod_disobeyed(struct bh_vm_pod *pod, const char *id, unsigned int seconds)
{
	if (pod->dead || pod->closed)
		return;
	bh_err_as(&pod->why, BH_ERR_PEER, -ETIMEDOUT,
		  "guest: container %s was killed and has not ended for %u s", id, seconds);
	become_dead(pod);
}

void bh_vm_pod_lost(struct bh_vm_pod *pod, const char *what, const struct bh_err *why)
{
	if (pod->dead || pod->closed || pod->verdict.armed)
		return;
	pod->suspicion = *why;
	bh_err_ctx(&pod->suspicion, "the pod's %s ended", what);
	bh_loop_arm(pod->loop, &pod->verdict, VERDICT_MS);
}

static void on_verdict(struct bh_timer *timer)
{
	struct bh_vm_pod *pod = bh_owner_of(timer, struct bh_vm_pod, verdict);

	pod->why = pod->suspicion;
	become_dead(pod);
}

void bh_vm_pod_await_verdict(struct bh_vm_pod *pod)
{
	struct bh_err ignored = BH_ERR_INIT;

	pod->users++;
	while (pod->verdict.armed && bh_fiber_sleep(pod->loop, POLL_MS, &ignored) == 0)
		continue;
	pod->users--;
}

/* Who waits for the guest's answer is told that there will be none: some of them are users. */
static void answer_all(struct bh_vm_pod *pod)
{
	pod->agent = bh_rpc_client_free(pod->agent);
}

static void bury(struct bh_vm_pod *pod)
{
	answer_all(pod);
	pod->forward = bh_forward_free(pod->forward);
	pod->resolver = bh_resolver_free(pod->resolver);
	pod->link = bh_link_free(pod->link);
	pod->vm = bh_vm_free(pod->vm);
}

/* Outside of the callbacks of what is taken away here, and not under the feet of who is in the
 * middle of a change to it, which ends by itself. */
static void on_burial(struct bh_timer *timer)
{
	struct bh_vm_pod *pod = bh_owner_of(timer, struct bh_vm_pod, burial);

	answer_all(pod);
	if (pod->users > 0)
		bh_loop_arm(pod->loop, timer, POLL_MS);
	else
		bury(pod);
}

/* ---- undoing --------------------------------------------------------------------------------- */

void bh_vm_pod_undo(struct bh_vm_pod *pod)
{
	char text[BH_ERR_LINE_BYTES];
	struct bh_err err = BH_ERR_INIT;

	if (pod->closed)
		return;
	pod->closed = true;
	bh_loop_disarm(pod->loop, &pod->verdict);
	bh_vm_pulse_end(pod);
	bh_vm_network_end(pod);
	answer_all(pod);
	while (pod->users > 0 && bh_fiber_sleep(pod->loop, POLL_MS, &err) == 0)
		continue;
	bh_loop_disarm(pod->loop, &pod->burial);
	bury(pod);
	pod->share = bh_share_free(pod->share);
	pod->network = bh_network_free(pod->network);
	pod->netns_fd = bh_close(pod->netns_fd);
	bh_console_log_end(&pod->console);
	if (pod->dirfd >= 0 && bh_pod_undo(pod->config.root, pod->config.id, &err) < 0)
		bh_warn("%s", bh_err_format(&err, text, sizeof(text)));
	pod->dirfd = bh_close(pod->dirfd);
}

void bh_vm_pod_end_init(struct bh_vm_pod *pod)
{
	pod->burial.fn = on_burial;
	pod->verdict.fn = on_verdict;
}
