/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/figures.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/path.h"

#define SMAPS_BYTES_MAX (4U << 20)
#define KIB             1024U

/* "Pss:   12 kB" as bytes, if @line is of that name. */
static bool field(const char *line, const char *name, uint64_t *ret)
{
	size_t len = strlen(name);

	if (strncmp(line, name, len) || line[len] != ':')
		return false;
	*ret = strtoull(line + len + 1, NULL, 10) * KIB;
	return true;
}

void bh_figures_parse(const char *smaps, uint64_t memory, struct bh_vm_figures *ret)
{
	uint64_t value, size = 0;

	ret->pss = ret->guest_ram = 0;
	for (const char *line = smaps; *line; line += *line == '\n') {
		if (field(line, "Size", &value))
			size = value;
		/* Resident, not its share: another process maps it, but the pod alone pays. */
		else if (size == memory && field(line, "Rss", &value))
			ret->guest_ram += value;
		else if (size != memory && field(line, "Pss", &value))
			ret->pss += value;
		line += strcspn(line, "\n");
	}
}

static int read_cpu(pid_t pid, uint64_t *ret, struct bh_err *err)
{
	struct timespec ts;
	clockid_t clock;
	int r = clock_getcpuclockid(pid, &clock);

	if (r != 0)
		return bh_err_set(err, -r, "processor clock of process %d", (int)pid);
	if (clock_gettime(clock, &ts) < 0)
		return bh_err_set(err, -errno, "processor time of process %d", (int)pid);
	*ret = ((uint64_t)ts.tv_sec * 1000000U) + ((uint64_t)ts.tv_nsec / 1000U);
	return 0;
}

int bh_figures_read(pid_t pid, uint64_t memory, struct bh_vm_figures *ret, struct bh_err *err)
{
	bh_auto_free char *smaps = NULL;
	char path[64];

	ret->pid = pid;
	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	if (bh_path_read(AT_FDCWD, path, BH_PATH_HOST, SMAPS_BYTES_MAX, &smaps, NULL, err) < 0)
		return err->code;
	bh_figures_parse(smaps, memory, ret);
	return read_cpu(pid, &ret->cpu_usec, err);
}
