/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod in a micro-VM: what its parts share. vm_pod.c brings it up, vm_end.c takes it down,
 * vm_agent.c talks to its guest, vm_container.c keeps the containers and their processes;
 * vm_lifecycle.c, vm_exec.c, vm_task.c and vm_service.c are the verbs.
 */
#ifndef BH_POD_VM_VM_POD_H
#define BH_POD_VM_VM_POD_H

#include <sys/ioctl.h>

#include "base/clock.h"
#include "loop/relay.h"
#include "pod/ledger.h"
#include "pod/pod.h"
#include "pod/vm/console_log.h"
#include "pod/vm/forward.h"
#include "pod/vm/guest_image.h"
#include "pod/vm/network.h"
#include "pod/vm/record.h"
#include "pod/vm/resolver.h"
#include "pod/vm/share.h"
#include "pod/vm/size.h"
#include "pod/vm/translate.h"
#include "rpc/link.h"
#include "rpc/pod.pb-c.h"
#include "task/stdio.h"
#include "task/worker.h"
#include "vmm/hypervisor.h"

extern const struct bh_pod_kind bh_vm_pod_kind;

/* check.c */
int bh_vm_node_check(const struct bh_pod_config *config, struct bh_arena *arena,
		     struct bh_check_report *report, struct bh_err *err) bh_must_check;

/* 128 + SIGKILL: what processes end with that nobody can tell the end of. */
#define BH_VM_STATUS_KILLED 137
/* Of an exec that could not be started. */
#define BH_VM_STATUS_NOT_BEGUN 255

/* Times as long where the guest is emulated. */
#define BH_VM_EMULATION_FACTOR 3

/* For the agent to answer what it does at once. */
#define BH_VM_ASK_TIMEOUT_MS 60000

enum bh_vm_phase {
	BH_VM_PHASE_ADMIT = 0,
	BH_VM_PHASE_PREPARE,
	BH_VM_PHASE_BOOT,
	BH_VM_PHASE_HELLO,
	BH_VM_PHASE_NETWORK,
	BH_VM_PHASE_MAX_,
};

struct bh_vm_container;

/* The first process of a container, or an exec. */
struct bh_vm_process {
	struct bh_vm_process *next;
	struct bh_vm_container *container;
	char *exec_id; /* "" = the first */
	char *uris[3]; /* of its stdio, as the request has them */
	bool terminal;
	bool detached;             /* nobody will delete it */
	char *document;            /* of an exec that the guest has not heard of yet */
	bool starting;             /* that is being changed */
	bool input_closed;         /* before there was any */
	struct winsize early_size; /* set before the guest heard of it */
	struct bh_err refusal;     /* the guest's, of an exec */
	/* Who still has it in hand, after it was forgotten: a fiber that waits for its end, the
	 * guest's first answer, a fiber that starts it. */
	bool followed, adding, held;
	bool killed;          /* SIGKILL was asked for: it has to end */
	unsigned int overdue; /* beats of the pulse since then */
	Task__Status status;
	uint32_t pid; /* in the guest */
	uint32_t exit_status;
	Wire__Timestamp exited_at;
	int input_hold; /* closed by CloseIO, see struct bh_task_stdio */
	struct bh_logger *logger;
	/* Between its stdio's ends on this host and the link's streams. */
	struct bh_relay relays[3];
	struct bh_timer resize; /* looks at the size of the host's terminal, if it is one */
	struct winsize size;    /* as the guest was told */
	struct bh_vm_waiter *waiters;
};

/* A call that waits for a process's end. */
struct bh_vm_waiter {
	struct bh_vm_waiter *next;
	struct bh_rpc_call *call;
};

/* A call that waits for the next OOM kill in a container. */
struct bh_vm_oom_watch {
	struct bh_vm_oom_watch *next;
	struct bh_rpc_call *call;
	uint64_t seen;
};

struct bh_vm_container {
	struct bh_vm_container *next;
	struct bh_vm_pod *pod;
	struct bh_container *record; /* ROOT/ID/ */
	struct bh_guest_plan *plan;
	struct bh_vm_process *processes; /* the first one is the container's own */
	struct bh_vm_oom_watch *oom_watches;
	uint64_t oom_kills;
	uint64_t quota_usec; /* of CPU in the pod's period; 0 = no limit of its own */
	unsigned int busy;   /* verbs that are at work on it and suspended */
	bool prepared;       /* the agent has storages of it */
	bool created;        /* and it itself; until then its creation may fail, and it goes */
	bool hooked;         /* hooks that make something have run: poststop is to undo it */
	bool deleting;
};

/* Signs of life of the guest, see vm_pulse.c. */
struct bh_vm_pulse {
	struct bh_timer timer;
	uint64_t beat_ms;     /* between two questions */
	uint64_t beat_at_ms;  /* the last one; CLOCK_MONOTONIC */
	uint64_t heard_ms;    /* the last answer */
	uint64_t answered_ms; /* the last one to anything that was asked */
	uint64_t asked_at_ms;
	unsigned int missed;   /* beats, since then */
	unsigned int patience; /* fibers that have asked for what may take long */
	bool asked;            /* and not answered yet */
};

struct bh_vm_pod {
	struct bh_pod pod;
	struct bh_loop *loop;
	struct bh_pod_config config;
	struct bh_pod_listener listener;
	struct bh_arena arena;
	struct bh_spec spec; /* of the container that the pod is made for */
	char created[BH_CLOCK_BYTES];
	int dirfd;
	struct bh_proc server;
	struct bh_vm_size size;
	enum bh_accelerator accelerator;
	struct bh_guest_image image;
	const struct bh_hypervisor *hypervisor;
	struct bh_cgroup *cg;
	int scope_fd; /* pidfd of what keeps the systemd scope alive until the monitor does */
	int netns_fd;
	const char *netns_path;
	struct bh_network *network;
	bool network_told;             /* the guest has it */
	struct bh_source network_news; /* fd is owned */
	struct bh_timer network_rest;  /* looks at what has changed */
	bool network_looking;
	struct bh_forward *forward;   /* NULL = none */
	struct bh_resolver *resolver; /* NULL = none */
	struct bh_share *share;
	uint32_t vsock_cid; /* of the guest; 0 = the channel is a serial port */
	struct bh_vm *vm;
	struct bh_console_log console;
	struct bh_link *link;
	struct bh_rpc_client *agent;
	struct bh_proc vmm; /* what engines are told as the containers' pid */
	unsigned int users; /* fibers that are suspended with what an end frees in their hands */
	const char *kernel; /* release, as the agent says */
	uint64_t phase_usec[BH_VM_PHASE_MAX_];
	bool dead; /* nothing is to be had from the guest any more; why says the reason */
	bool closed;
	struct bh_err why;
	struct bh_vm_pulse pulse;
	struct bh_timer burial;
	struct bh_timer verdict; /* armed: the link ended, of what is not known yet */
	struct bh_err suspicion;
	struct bh_vm_container *containers;
	struct bh_ledger ledger;
	uint32_t last_token; /* of a stream */
	struct bh_stdio stdio;
	struct bh_workers workers; /* that run hooks */
	struct bh_rpc_service services[2];
};

extern const char *const bh_vm_phase_names[BH_VM_PHASE_MAX_];

/** bh_vm_pod_save() - put on record what bh_pod_undo() has to take away */
int bh_vm_pod_save(const struct bh_vm_pod *pod, struct bh_err *err) bh_must_check;

/* ---- the end: vm_end.c ----------------------------------------------------------------------- */

/** bh_vm_pod_died() - @what of the pod ended: the VM with all its processes is over */
void bh_vm_pod_died(struct bh_vm_pod *pod, const char *what, const struct bh_err *why);

/** bh_vm_pod_lost() - @what leads to the guest ended. Most often because something else did, of
 * which the news is on its way; when none comes the pod died of this */
void bh_vm_pod_lost(struct bh_vm_pod *pod, const char *what, const struct bh_err *why);

/** bh_vm_pod_silent() - the guest has answered nothing for @seconds: the pod is over */
void bh_vm_pod_silent(struct bh_vm_pod *pod, unsigned int seconds);

/** bh_vm_pod_disobeyed() - container @id has not ended @seconds after SIGKILL: the pod is over */
void bh_vm_pod_disobeyed(struct bh_vm_pod *pod, const char *id, unsigned int seconds);

/** bh_vm_pod_await_verdict() - until it is known what was lost. Suspends */
void bh_vm_pod_await_verdict(struct bh_vm_pod *pod);

/** bh_vm_pod_add_console() - the guest's last words, as a part of @err, in one line */
void bh_vm_pod_add_console(const struct bh_vm_pod *pod, struct bh_err *err);

/** bh_vm_pod_end_init() - a pod that nothing has ended yet */
void bh_vm_pod_end_init(struct bh_vm_pod *pod);

/** bh_vm_pod_undo() - take away what the phases made, whichever they were; what cannot be is
 * logged. Once */
void bh_vm_pod_undo(struct bh_vm_pod *pod);

/* ---- whether the guest lives: vm_pulse.c ----------------------------------------------------- */

/** bh_vm_pulse_begin() / bh_vm_pulse_end() - to look, once the agent has answered; not any more */
void bh_vm_pulse_begin(struct bh_vm_pod *pod);
void bh_vm_pulse_end(struct bh_vm_pod *pod);

/** bh_vm_pulse_feel() - whether the guest answers, before it is asked for what may take long.
 * Suspends, not for long. Return: 0; -ETIMEDOUT or why the pod is dead with @err */
int bh_vm_pulse_feel(struct bh_vm_pod *pod, struct bh_err *err) bh_must_check;

/** bh_vm_pulse_heard() - the guest answered something else */
void bh_vm_pulse_heard(struct bh_vm_pod *pod);

/** bh_vm_pulse_tell() - when the guest last answered anything, as a part of @err */
void bh_vm_pulse_tell(const struct bh_vm_pod *pod, struct bh_err *err);

/* ---- between the pod and its agent: vm_agent.c ----------------------------------------------- */

/** bh_vm_pod_check() - whether the guest can be asked anything: it is neither dead nor taken down.
 * Return: 0, or the reason why not; @err may be NULL */
int bh_vm_pod_check(const struct bh_vm_pod *pod, struct bh_err *err) bh_must_check;

/** bh_vm_pod_ask() - a call to the agent, waiting for its answer. Suspends
 * @ret: as in bh_rpc_call_wait() */
int bh_vm_pod_ask(struct bh_vm_pod *pod, const char *service, const char *method,
		  const ProtobufCMessage *request, const ProtobufCMessageDescriptor *type,
		  ProtobufCMessage **ret, struct bh_err *err) bh_must_check;

/** bh_vm_pod_forward() - pass @call, of which nothing but an acknowledgment is wanted, on to the
 * agent as it is, and back whether it did */
void bh_vm_pod_forward(struct bh_vm_pod *pod, const char *service, struct bh_rpc_call *call);

/** bh_vm_pod_stream() - a new stream to the agent, see bh_link_open(). Suspends
 * Return: the caller's; -errno with @err, also when there is no agent any more */
int bh_vm_pod_stream(struct bh_vm_pod *pod, enum bh_stream_kind kind, uint32_t token,
		     struct bh_err *err) bh_must_check;

/** bh_vm_pod_hear() - from now on, what the agent tells by itself; until it is gone */
int bh_vm_pod_hear(struct bh_vm_pod *pod, struct bh_err *err) bh_must_check;

/** bh_vm_pod_event() - on record, and to the listener */
void bh_vm_pod_event(struct bh_vm_pod *pod, const char *topic, const ProtobufCMessage *event);

/** A verb: answers @call and returns 0, or returns -errno with @err, which becomes the answer */
typedef int (*bh_vm_verb_fn)(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
			     struct bh_err *err);

/** bh_vm_verb() - run @fn for @call in a fiber of its own */
void bh_vm_verb(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		bh_vm_verb_fn fn);

/* ---- the network: vm_network.c --------------------------------------------------------------- */

/** bh_vm_network_make() - the pod's network as far as it is there before the monitor */
int bh_vm_network_make(struct bh_vm_pod *pod, struct bh_err *err) bh_must_check;

/** bh_vm_network_tell() - the guest, what is there by now. Suspends */
int bh_vm_network_tell(struct bh_vm_pod *pod, struct bh_err *err) bh_must_check;

/** bh_vm_network_arrive() - the first process is about to start: what an engine brought since the
 * pod was made. Suspends */
int bh_vm_network_arrive(struct bh_vm_pod *pod, struct bh_err *err) bh_must_check;

/** bh_vm_network_init() / bh_vm_network_end() - nothing is watched yet; not any more */
void bh_vm_network_init(struct bh_vm_pod *pod);
void bh_vm_network_end(struct bh_vm_pod *pod);

/* ---- the host's cgroup: vm_cgroup.c ---------------------------------------------------------- */

/** bh_vm_cgroup_make() - the pod's cgroup with all its limits but that of CPU, on record first */
int bh_vm_cgroup_make(struct bh_vm_pod *pod, struct bh_err *err) bh_must_check;

/** bh_vm_cgroup_settled() - the monitor is in it, or will never be */
void bh_vm_cgroup_settled(struct bh_vm_pod *pod);

/* What a process enters the pod's cgroups by. */
struct bh_vm_cgroup_fds {
	int v[16];
	size_t n;
};

/** bh_vm_cgroup_open() - add to @fds, which stays the caller's also after a failure */
int bh_vm_cgroup_open(const struct bh_vm_pod *pod, struct bh_vm_cgroup_fds *fds,
		      struct bh_err *err) bh_must_check;
void bh_vm_cgroup_fds_close(struct bh_vm_cgroup_fds *fds);

/** bh_vm_cpu_quota() - what a container's document asks for of CPU, in microseconds of the pod's
 * period; 0 = no limit */
uint64_t bh_vm_cpu_quota(const struct bh_vm_pod *pod, const struct bh_cpu *cpu);

/** bh_vm_pod_limit_cpu() - hold the pod's cgroup to its quota, from now on */
int bh_vm_pod_limit_cpu(struct bh_vm_pod *pod, struct bh_err *err) bh_must_check;

/* ---- containers and processes: vm_container.c ------------------------------------------------ */

/** bh_vm_container_find() - by id. Return: NULL with @err when there is none */
struct bh_vm_container *bh_vm_container_find(struct bh_vm_pod *pod, const char *id,
					     struct bh_err *err);

/** bh_vm_process_find() - by container and exec id ("" or NULL = the first process) */
struct bh_vm_process *bh_vm_process_find(struct bh_vm_pod *pod, const char *id, const char *exec_id,
					 struct bh_err *err);

/** bh_vm_container_pid() - what an engine is told as the pid of each of its processes: it takes any
 * number for one of this host's */
static inline uint32_t bh_vm_container_pid(const struct bh_vm_container *c)
{
	return (uint32_t)c->record->init.pid;
}

/** bh_vm_container_new() - read the bundle, take the id: ROOT/ID/ is made. Is in the pod's list */
int bh_vm_container_new(struct bh_vm_pod *pod, const char *id, const char *bundle,
			struct bh_vm_container **ret, struct bh_err *err) bh_must_check;

/** bh_vm_container_free() - forget it and its processes; with @remove ROOT/ID/ goes as well.
 * Return: NULL */
struct bh_vm_container *bh_vm_container_free(struct bh_vm_container *c, bool remove);

/** bh_vm_process_new() - not started yet. @uris: three; @exec_id: "" for the first */
int bh_vm_process_new(struct bh_vm_container *c, const char *exec_id, const char *const uris[3],
		      bool terminal, struct bh_vm_process **ret, struct bh_err *err) bh_must_check;

/** bh_vm_process_free() - close its stdio, forget it. Return: NULL */
struct bh_vm_process *bh_vm_process_free(struct bh_vm_process *p);

/** bh_vm_process_settle() - who had it in hand lets go: one that was forgotten is freed */
void bh_vm_process_settle(struct bh_vm_process *p);

/** bh_vm_process_end() - one that never began: it has ended with @status */
void bh_vm_process_end(struct bh_vm_process *p, uint32_t status);

/** bh_vm_process_forget() - one that ended and that nobody will delete: here and in the guest */
void bh_vm_process_forget(struct bh_vm_process *p);

/**
 * bh_vm_process_connect() - its stdio, from this host to the guest. Suspends
 * @peer:     process that asked
 * @ret_uris: what the guest is to be told, three; in @arena
 */
int bh_vm_process_connect(struct bh_vm_process *p, pid_t peer, struct bh_arena *arena,
			  const char *ret_uris[3], struct bh_err *err) bh_must_check;

/** bh_vm_process_close_input() - no more input than what is on its way. Idempotent */
void bh_vm_process_close_input(struct bh_vm_process *p);

/** bh_vm_process_follow() - wait for its end from now on, then tell all who want to know */
int bh_vm_process_follow(struct bh_vm_process *p, struct bh_err *err) bh_must_check;

/** bh_vm_container_oom() - the kernel killed a process of it for want of memory */
void bh_vm_container_oom(struct bh_vm_container *c);

/** bh_vm_container_answer_oom() - calls that wait for an OOM kill; all of them with @all */
void bh_vm_container_answer_oom(struct bh_vm_container *c, bool all);

/* ---- the guest's words: vm_words.c ----------------------------------------------------------- */

/** bh_vm_harmless() - @text in place: printable ASCII, at most @max bytes. Return: @text */
const char *bh_vm_harmless(char *text, size_t max);

/** bh_vm_stats(), bh_vm_processes() - verbs of the Pod service, whose answers are the guest's */
int bh_vm_stats(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		struct bh_err *err);
int bh_vm_processes(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		    struct bh_err *err);

/* ---- hooks: vm_hooks.c ----------------------------------------------------------------------- */

/** bh_vm_hooks_create() - prestart and createRuntime, before the guest makes the container. A
 * failure is the creation's. All of these suspend, and do nothing where there is no hook */
int bh_vm_hooks_create(struct bh_vm_container *c, struct bh_err *err) bh_must_check;

/** bh_vm_hooks_poststart() - once its process runs. A failure is the start's */
int bh_vm_hooks_poststart(struct bh_vm_container *c, struct bh_err *err) bh_must_check;

/** bh_vm_hooks_poststop() - when all of it is undone. What fails is logged */
void bh_vm_hooks_poststop(struct bh_vm_container *c);

/* ---- Create, Start, Delete: vm_lifecycle.c --------------------------------------------------- */

int bh_vm_create(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		 struct bh_err *err);
int bh_vm_start(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		struct bh_err *err);
int bh_vm_delete(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
		 struct bh_err *err);

/* ---- execs: vm_exec.c ------------------------------------------------------------------------ */

/** bh_vm_exec() - the verb Exec */
int bh_vm_exec(struct bh_vm_pod *pod, struct bh_rpc_call *call, const void *request,
	       struct bh_err *err);

/** bh_vm_exec_start() - the verb Start of an exec: @call is answered. Suspends */
int bh_vm_exec_start(struct bh_vm_process *p, struct bh_rpc_call *call,
		     struct bh_err *err) bh_must_check;

/* ---- services: vm_task.c, vm_service.c ------------------------------------------------------- */

struct bh_rpc_service bh_vm_task_service(struct bh_vm_pod *pod);
struct bh_rpc_service bh_vm_pod_service(struct bh_vm_pod *pod);

#endif
