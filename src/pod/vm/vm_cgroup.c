/* SPDX-License-Identifier: Apache-2.0 */
/* The pod's cgroup on the host: monitor and daemon are in it, and with them the guest's processors
 * and memory. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/path.h"
#include "base/sys.h"
#include "pod/vm/vm_pod.h"

#define KVM_MAJOR 10
#define KVM_MINOR 232
/* Threads and processes: a monitor has one for each processor, and up to 64 that wait for disks. */
#define TASKS_MAX 1024

/* What the pod's cgroup holds its processes to. They open no device but KVM: what else they work on
 * they are handed. Who breaks out of the guest into one of them is not to use up the host's process
 * numbers either. */
static struct bh_resources host_limits(const struct bh_vm_pod *pod)
{
	static struct bh_device_rule kvm = { .allow = true,
					     .type = 'c',
					     .major = { .set = true, .v = KVM_MAJOR },
					     .minor = { .set = true, .v = KVM_MINOR },
					     .access = "rw" };

	return (struct bh_resources){
		.set = true,
		.devices = { &kvm, pod->accelerator == BH_ACCELERATOR_KVM },
		.memory.limit = { .set = true, .v = (int64_t)pod->size.cgroup_memory },
		.pids_limit = { .set = true, .v = TASKS_MAX },
	};
}

/* A process that does nothing but be in the scope until the monitor is. */
static int start_scope(struct bh_vm_pod *pod, struct bh_err *err)
{
	struct bh_spec scope = pod->spec;
	pid_t pid = bh_sys_fork(&pod->scope_fd);

	if (pid < 0)
		return bh_err_set(err, -errno, "fork for the pod's scope");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0UL, 0UL, 0UL);
		for (;;)
			pause();
	}
	scope.linux_.resources = host_limits(pod);
	if (bh_cgroup_start_scope(pod->cg, &scope, pid, err) < 0)
		return err->code;
	return bh_cgroup_open(pod->cg, &(struct bh_strv){ .n = 0 }, 0, err);
}

void bh_vm_cgroup_settled(struct bh_vm_pod *pod)
{
	siginfo_t info;

	if (pod->scope_fd < 0)
		return;
	pidfd_send_signal(pod->scope_fd, SIGKILL, NULL, 0);
	waitid(P_PIDFD, (id_t)pod->scope_fd, &info, WEXITED);
	pod->scope_fd = bh_close(pod->scope_fd);
}

int bh_vm_cgroup_make(struct bh_vm_pod *pod, struct bh_err *err)
{
	const struct bh_resources limits = host_limits(pod);
	int r;

	if (pod->config.settings.cgroup_manager == BH_CGROUP_DISABLED)
		return 0;
	r = bh_cgroup_plan(&pod->spec, pod->config.id, pod->config.settings.cgroup_manager, false,
			   &pod->cg, err);
	r = r < 0 ? r : bh_vm_pod_save(pod, err);
	r = r < 0 ? r : bh_cgroup_create(pod->cg, err);
	if (r == 0 && bh_cgroup_needs_scope(pod->cg))
		r = start_scope(pod, err);
	return r < 0 ? r : bh_cgroup_apply(pod->cg, &limits, err);
}

void bh_vm_cgroup_fds_close(struct bh_vm_cgroup_fds *fds)
{
	while (fds->n > 0)
		bh_close(fds->v[--fds->n]);
}

int bh_vm_cgroup_open(const struct bh_vm_pod *pod, struct bh_vm_cgroup_fds *fds, struct bh_err *err)
{
	const struct bh_cgroup_hierarchy *h = NULL;
	char path[PATH_MAX];
	size_t n = 0;

	if (pod->cg)
		h = bh_cgroup_hierarchies(pod->cg, &n);
	for (size_t i = 0; i < n; i++) {
		int len = snprintf(path, sizeof(path), "%s%s/%s", h[i].mountpoint, h[i].path,
				   h[i].v2 ? "cgroup.procs" : "tasks");

		if (len < 0 || (size_t)len >= sizeof(path) || fds->n == BH_ARRAY_SIZE(fds->v))
			return bh_err_as(err, BH_ERR_BUG, -E2BIG, "too many or too deep cgroups");
		fds->v[fds->n] = bh_path_open(AT_FDCWD, path, O_WRONLY, 0, BH_PATH_HOST, err);
		if (fds->v[fds->n] < 0)
			return fds->v[fds->n];
		fds->n++;
	}
	return 0;
}

uint64_t bh_vm_cpu_quota(const struct bh_vm_pod *pod, const struct bh_cpu *cpu)
{
	uint64_t period = cpu->period.set ? cpu->period.v : BH_POD_CPU_PERIOD_USEC;

	if (!cpu->quota.set || cpu->quota.v <= 0 || !period)
		return 0;
	return (uint64_t)cpu->quota.v * pod->size.period_usec / period;
}

int bh_vm_pod_limit_cpu(struct bh_vm_pod *pod, struct bh_err *err)
{
	struct bh_resources limits = host_limits(pod);

	limits.cpu.quota = (struct bh_opt_i64){ true, (int64_t)pod->size.cgroup_quota_usec };
	limits.cpu.period = (struct bh_opt_u64){ true, pod->size.period_usec };
	return pod->cg ? bh_cgroup_apply(pod->cg, &limits, err) : 0;
}
