/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: makecontext(3), swapcontext(3), mmap(2) for the stack and the page that guards it */
#include "loop/fiber.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define STACK_BYTES (1U << 20)
#else
#define STACK_BYTES (128U << 10)
#endif
#define GUARD_BYTES 4096U
#define ALL_BYTES   (GUARD_BYTES + STACK_BYTES)

struct bh_fiber {
	ucontext_t own, caller;
	struct bh_loop *loop;
	struct bh_fiber *outer; /* that was running when this one was resumed; mostly none */
	void (*fn)(void *arg);
	void *arg;
	char *stack; /* GUARD_BYTES, then STACK_BYTES */
	bool ended;
#if defined(__SANITIZE_ADDRESS__)
	void *own_fake, *caller_fake;
	const void *caller_stack;
	size_t caller_bytes;
#endif
};

/* ---- switching: the sanitizer wants to be told ----------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__)
static void leave_caller(struct bh_fiber *f)
{
	__sanitizer_start_switch_fiber(&f->caller_fake, f->stack + GUARD_BYTES, STACK_BYTES);
}

static void arrive_in_caller(struct bh_fiber *f)
{
	__sanitizer_finish_switch_fiber(f->caller_fake, NULL, NULL);
}

static void leave_own(struct bh_fiber *f)
{
	__sanitizer_start_switch_fiber(f->ended ? NULL : &f->own_fake, f->caller_stack,
				       f->caller_bytes);
}

static void arrive_in_own(struct bh_fiber *f, bool first)
{
	__sanitizer_finish_switch_fiber(first ? NULL : f->own_fake, &f->caller_stack,
					&f->caller_bytes);
}
#else
static void leave_caller(struct bh_fiber *f)
{
	(void)f;
}

static void arrive_in_caller(struct bh_fiber *f)
{
	(void)f;
}

static void leave_own(struct bh_fiber *f)
{
	(void)f;
}

static void arrive_in_own(struct bh_fiber *f, bool first)
{
	(void)f;
	(void)first;
}
#endif

static void suspend(struct bh_fiber *f)
{
	leave_own(f);
	swapcontext(&f->own, &f->caller);
	arrive_in_own(f, false);
}

/* makecontext(3) hands over numbers of int's size alone. */
static void fiber_main(unsigned int high, unsigned int low)
{
	struct bh_fiber *f = (struct bh_fiber *)(((uintptr_t)high << 32) | low);

	arrive_in_own(f, true);
	f->fn(f->arg);
	f->ended = true;
	leave_own(f);
	setcontext(&f->caller);
}

/* Most loops run one fiber after the other: its stack is there already, and its pages as well. */
static char *take_stack(struct bh_loop *loop)
{
	char *stack = loop->stack;

	loop->stack = NULL;
	if (stack)
		return stack;
	stack = mmap(NULL, ALL_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (stack == MAP_FAILED)
		return NULL;
	if (mprotect(stack, GUARD_BYTES, PROT_NONE) == 0)
		return stack;
	munmap(stack, ALL_BYTES);
	return NULL;
}

static void give_stack_back(struct bh_fiber *f)
{
	if (f->loop->stack) {
		munmap(f->stack, ALL_BYTES);
		return;
	}
#if defined(__SANITIZE_ADDRESS__)
	__asan_unpoison_memory_region(f->stack + GUARD_BYTES, STACK_BYTES);
#endif
	f->loop->stack = f->stack;
	f->loop->stack_bytes = ALL_BYTES;
}

static void resume(struct bh_fiber *f)
{
	f->outer = f->loop->fiber;
	f->loop->fiber = f;
	leave_caller(f);
	swapcontext(&f->caller, &f->own);
	arrive_in_caller(f);
	f->loop->fiber = f->outer;
	if (!f->ended)
		return;
	give_stack_back(f);
	free(f);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int make_stack(struct bh_fiber *f, struct bh_loop *loop, struct bh_err *err)
{
	f->stack = take_stack(loop);
	if (!f->stack || getcontext(&f->own) < 0)
		return bh_err_set(err, -errno, "make a stack");
	f->own.uc_stack.ss_sp = f->stack + GUARD_BYTES;
	f->own.uc_stack.ss_size = STACK_BYTES;
	makecontext(&f->own, (void (*)(void))fiber_main, 2, (unsigned int)((uintptr_t)f >> 32),
		    (unsigned int)(uintptr_t)f);
	return 0;
}

int bh_fiber_start(struct bh_loop *loop, void (*fn)(void *arg), void *arg, struct bh_err *err)
{
	struct bh_fiber *f = calloc(1, sizeof(*f));
	int r = f ? make_stack(f, loop, err) : bh_err_oom(err);

	if (r < 0) {
		free(f);
		return r;
	}
	f->loop = loop;
	f->fn = fn;
	f->arg = arg;
	resume(f);
	return 0;
}

static void on_wake(struct bh_deferred *deferred)
{
	struct bh_wait *wait = bh_owner_of(deferred, struct bh_wait, wake);

	if (wait->fiber)
		resume(wait->fiber);
	else
		bh_loop_stop(wait->loop);
}

int bh_fiber_wait(struct bh_loop *loop, struct bh_wait *wait, struct bh_err *err)
{
	int r;

	wait->loop = loop;
	wait->wake.fn = on_wake;
	wait->fiber = loop->fiber;
	if (wait->done)
		return 0;
	if (wait->fiber) {
		suspend(wait->fiber);
		return 0;
	}
	r = bh_loop_run(loop, err);
	bh_loop_undefer(loop, &wait->wake); /* the loop may have failed before it came to that */
	if (r < 0)
		return r;
	return wait->done ? 0
			  : bh_err_as(err, BH_ERR_BUG, -ECANCELED, "the event loop was stopped");
}

void bh_fiber_wake(struct bh_wait *wait)
{
	if (wait->done)
		return;
	wait->done = true;
	if (wait->loop) /* else nobody waits yet */
		bh_loop_defer(wait->loop, &wait->wake);
}

/* One who waits for a descriptor, a time, or both. */
struct watch {
	struct bh_source source;
	struct bh_timer timer;
	struct bh_wait wait;
};

static int on_event(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	(void)events;
	(void)err;
	bh_fiber_wake(&bh_owner_of(source, struct watch, source)->wait);
	return 0;
}

static void on_late(struct bh_timer *timer)
{
	bh_fiber_wake(&bh_owner_of(timer, struct watch, timer)->wait);
}

int bh_fiber_sleep(struct bh_loop *loop, uint64_t ms, struct bh_err *err)
{
	struct watch watch = { .timer.fn = on_late };
	int r;

	bh_loop_arm(loop, &watch.timer, ms);
	r = bh_fiber_wait(loop, &watch.wait, err);
	bh_loop_disarm(loop, &watch.timer);
	return r;
}

int bh_fiber_ready(struct bh_loop *loop, int fd, uint32_t events, uint64_t ms, const char *what,
		   struct bh_err *err)
{
	struct watch watch = { .source = { .fd = fd, .fn = on_event, .what = what },
			       .timer.fn = on_late };
	int r = bh_loop_add(loop, &watch.source, events, err);

	if (r < 0)
		return r;
	if (ms)
		bh_loop_arm(loop, &watch.timer, ms);
	r = bh_fiber_wait(loop, &watch.wait, err);
	bh_loop_disarm(loop, &watch.timer);
	bh_loop_remove(loop, &watch.source);
	return r;
}

int bh_fiber_connected(struct bh_loop *loop, int fd, const char *what, struct bh_err *err)
{
	int error = 0, r = bh_fiber_ready(loop, fd, EPOLLOUT, 0, what, err);
	socklen_t len = sizeof(error);

	if (r == 0 && (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error))
		r = bh_err_set(err, error ? -error : -errno, "%s: connect", what);
	return r;
}
