/* SPDX-License-Identifier: Apache-2.0 */
/* After a server that is gone: what the records tell of is all that is known. */
#include <string.h>

#include "container/state.h"
#include "pod/pod.h"
#include "pod/vm/record.h"
#include "task/rootfs.h"

#define ROOTFS "rootfs"

/* A server that was killed lets its socket go last, after interfaces that the kernel takes its time
 * for; containerd waits for five seconds. */
#define DYING_POLLS     150
#define DYING_POLL_USEC 20000

static bool is_served(const char *root, const char *pod)
{
	for (int i = 0; i < DYING_POLLS; i++) {
		if (!bh_pod_served(root, pod))
			return false;
		usleep(DYING_POLL_USEC);
	}
	return true;
}

/* A container in a VM ends with it. While the pod is served, only the pod's own container may take
 * it down: others are their server's to delete. */
static int sweep_vm(const struct bh_container *c, struct bh_err *err)
{
	int r;

	if (strcmp(c->pod, c->id) != 0 && is_served(c->root, c->pod))
		return 0;
	r = bh_pod_undo(c->root, c->pod, err);
	r = r < 0 ? r : bh_state_remove(c->root, c->id, err);
	if (r == 0)
		bh_container_run_poststop(c);
	return r;
}

/* Of a pod on this kernel only who serves it is on record, if anybody. */
static int sweep_host(struct bh_container *c, struct bh_err *err)
{
	int r = bh_container_delete(c, true, err);

	return r < 0 || bh_pod_served(c->root, c->id) ? r : bh_pod_undo(c->root, c->id, err);
}

int bh_pod_sweep(const char *root, const char *id, const char *bundle, pid_t *ret_pid,
		 struct bh_err *err)
{
	bh_auto_container struct bh_container *c = bh_container_load(root, id, err);
	bh_auto_free char *rootfs = NULL;
	int r;

	*ret_pid = c ? c->init.pid : 0;
	if (!c && err->code != -ENOENT)
		return err->code;
	if (c)
		r = c->pod ? sweep_vm(c, err) : sweep_host(c, err);
	else /* its pod may have been begun; or it was deleted, and its peers have not been yet */
		r = bh_pod_served(root, id) ? 0 : bh_pod_undo(root, id, err);
	if (r < 0)
		return r;
	if (asprintf(&rootfs, "%s/" ROOTFS, bundle) < 0)
		return bh_err_oom(err);
	bh_task_rootfs_unmount(rootfs);
	return 0;
}
