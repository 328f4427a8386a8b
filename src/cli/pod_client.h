/* SPDX-License-Identifier: Apache-2.0 */
/* The command line's side of a pod's supervisor: find or start it, ask it. */
#ifndef BH_CLI_POD_CLIENT_H
#define BH_CLI_POD_CLIENT_H

#include <limits.h>

#include "base/check.h"
#include "cli/cli.h"
#include "rpc/pod.pb-c.h"
#include "rpc/rpc.h"
#include "rpc/services.h"
#include "rpc/task.pb-c.h"

/* What is said of one that hangs: the name of its pod goes in. */
#define BH_POD_SILENT "the supervisor of its pod '%s' does not answer"

struct bh_pod_client {
	struct bh_loop *loop; /* borrowed */
	struct bh_rpc_client *rpc;
	const char *pod; /* borrowed */
	bool gone;       /* the supervisor ended */
	bool silent; /* it did not say a word: what was asked of it has failed with -ETIMEDOUT */
};

/** bh_pod_connect() - to the supervisor of a pod that is there. One that has not said a word after
 * 15 s is not waited for any more, whatever it was asked
 * @pod: borrowed for as long as the client lives
 * @ret: stays where it is for as long
 * Return: 0; -ENOENT or -ECONNREFUSED with @err when there is none, or none any more */
int bh_pod_connect(struct bh_loop *loop, const char *root, const char *pod,
		   struct bh_pod_client *ret, struct bh_err *err) bh_must_check;

/** bh_pod_start() - start a supervisor, wait until its pod is up, connect
 * @create: of the container that the pod is made for */
int bh_pod_start(struct bh_cli *cli, struct bh_loop *loop, const char *pod,
		 const struct bh_create_opts *create, struct bh_pod_client *ret,
		 struct bh_err *err) bh_must_check;

/** bh_pod_supervisor() - where the supervisor's program is */
int bh_pod_supervisor(char path[static PATH_MAX], struct bh_err *err) bh_must_check;

/** bh_pod_check() - what this node has for pods in micro-VMs, by the supervisor's program
 * @ret: its strings are in the arena of @cli */
int bh_pod_check(struct bh_cli *cli, struct bh_check_report *ret, struct bh_err *err) bh_must_check;

/** bh_pod_is_gone() - whether a failure to connect or to find means that there is nobody to ask */
bool bh_pod_is_gone(int r);

/** bh_pod_plan() - what bh_pod_start() and the container's creation would do, for people */
int bh_pod_plan(struct bh_cli *cli, const char *pod, const struct bh_create_opts *create,
		struct bh_buf *out, struct bh_err *err) bh_must_check;

/** bh_pod_client_deinit() - idempotent; what is still asked is answered with an error */
void bh_pod_client_deinit(struct bh_pod_client *client);

/** bh_pod_plain_words() - of a failed Task verb: without the words that containerd's clients look
 * for, around the common runtime's own. bh_pod_task() does it */
void bh_pod_plain_words(struct bh_err *err);

/** bh_pod_task() / bh_pod_ask() - a call of the Task or the Pod service, waiting for its answer.
 * @ret as in bh_rpc_call_wait() */
int bh_pod_task(struct bh_pod_client *client, const char *method, const ProtobufCMessage *request,
		const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret,
		struct bh_err *err) bh_must_check;
int bh_pod_ask(struct bh_pod_client *client, const char *method, const ProtobufCMessage *request,
	       const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret,
	       struct bh_err *err) bh_must_check;

/** bh_pod_ask_death() - why the pod's VM is no more, appended to @out; nothing while it lives */
int bh_pod_ask_death(struct bh_pod_client *client, struct bh_buf *out, struct bh_err *err);

/** bh_pod_undo_remains() - take away what is left of a pod whose supervisor is gone */
int bh_pod_undo_remains(const char *root, const char *pod, struct bh_err *err) bh_must_check;

#endif
