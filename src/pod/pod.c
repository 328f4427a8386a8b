/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/pod.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "base/path.h"
#include "pod/host/host_pod.h"
#include "pod/vm/vm_pod.h"

static const struct bh_pod_kind *const kinds[] = { &bh_host_pod_kind, &bh_vm_pod_kind };

static const struct bh_pod_kind *find(const char *name, struct bh_err *err)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	bh_err_as(err, BH_ERR_SPEC, -EINVAL, "there is no runtime '%s'", name);
	return NULL;
}

int bh_pod_open(const char *name, struct bh_loop *loop, const struct bh_pod_config *config,
		const struct bh_pod_listener *listener, struct bh_pod **ret, struct bh_err *err)
{
	const struct bh_pod_kind *kind = find(name, err);

	return kind ? kind->bring_up(loop, config, listener, ret, err) : err->code;
}

int bh_pod_plan(const char *name, const struct bh_pod_config *config, struct bh_buf *out,
		struct bh_err *err)
{
	const struct bh_pod_kind *kind = find(name, err);

	return kind ? kind->plan(config, out, err) : err->code;
}

void bh_pod_give_up(struct bh_pod *pod, const struct bh_err *why)
{
	if (pod->kind->give_up)
		pod->kind->give_up(pod, why);
}

bool bh_pod_own_mounts(const char *name)
{
	const struct bh_pod_kind *kind = find(name, NULL);

	return kind && kind->own_mounts;
}

int bh_pod_leave_mounts(int *ret, struct bh_err *err)
{
	bh_auto_close int host =
		bh_path_open(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY, 0, BH_PATH_HOST, err);

	if (host < 0)
		return host;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return bh_err_set(err, -errno, "make a mount namespace");
	*ret = bh_take_fd(&host);
	return 0;
}

pid_t bh_pod_pid(const struct bh_pod *pod, const char *id)
{
	return pod->kind->pid(pod, id);
}

int bh_pod_check(const char *name, const struct bh_pod_config *config, struct bh_arena *arena,
		 struct bh_check_report *report, struct bh_err *err)
{
	const struct bh_pod_kind *kind = find(name, err);

	return kind ? kind->check(config, arena, report, err) : err->code;
}

bool bh_pod_empty(const struct bh_pod *pod)
{
	return pod->kind->empty(pod);
}

const struct bh_rpc_service *bh_pod_services(struct bh_pod *pod, size_t *ret_n)
{
	return pod->kind->services(pod, ret_n);
}

void bh_pod_close(struct bh_pod *pod)
{
	pod->kind->close(pod);
}

struct bh_pod *bh_pod_free(struct bh_pod *pod)
{
	return pod ? pod->kind->free(pod) : NULL;
}
