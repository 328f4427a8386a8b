/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks that come and go while the guest runs: the descriptor is sent along with add-fd, which
 * QEMU knows as /dev/fdset/N from then on; it never opens a path.
 *
 * Source: QEMU qapi/block-core.json, qapi/misc.json
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "vmm/qemu/qemu.h"

#define ARGUMENTS_BYTES 512
#define LET_GO_MS       5000 /* until QEMU has let go of a device */

static int call(struct bh_qemu *qemu, int fd, struct bh_err *err, const char *command,
		const char *fmt, ...) bh_printf(5, 6);

static int call(struct bh_qemu *qemu, int fd, struct bh_err *err, const char *command,
		const char *fmt, ...)
{
	char arguments[ARGUMENTS_BYTES];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(arguments, sizeof(arguments), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(arguments))
		return bh_err_as(err, BH_ERR_BUG, -E2BIG, "arguments of %s", command);
	return bh_qmp_call(&qemu->qmp, command, arguments, fd, BH_QEMU_CALL_MS, err);
}

static const char *boolean(bool value)
{
	return value ? "true" : "false";
}

static int find_number(struct bh_qemu *qemu, uint32_t *ret, struct bh_err *err)
{
	for (uint32_t i = 0; i < BH_QEMU_DISKS_MAX; i++) {
		if (qemu->disks[i] != BH_QEMU_DISK_NONE)
			continue;
		qemu->disks[i] = BH_QEMU_DISK_CHANGING;
		*ret = i;
		return 0;
	}
	return bh_err_as(err, BH_ERR_STATE, -ENOSPC, "the VM has %d disks already",
			 BH_QEMU_DISKS_MAX);
}

/* Locks are off: that nobody else uses the disk is for the pod's owner to see to. */
static int add_node(struct bh_qemu *qemu, const struct bh_vm_disk *disk, uint32_t number,
		    struct bh_err *err)
{
	struct stat st;

	if (fstat(disk->fd, &st) < 0)
		return bh_err_set(err, -errno, "stat the disk");
	return call(qemu, -1, err, "blockdev-add",
		    "{\"driver\":\"%s\",\"node-name\":\"node%" PRIu32
		    "\",\"filename\":\"/dev/fdset/%" PRIu32
		    "\",\"read-only\":%s,\"cache\":{\"direct\":%s},\"discard\":\"unmap\","
		    "\"locking\":\"off\"}",
		    S_ISBLK(st.st_mode) ? "host_device" : "file", number, number,
		    boolean(disk->readonly), boolean(disk->direct));
}

static int add_device(struct bh_qemu *qemu, uint32_t number, struct bh_err *err)
{
	return call(qemu, -1, err, "device_add",
		    "{\"driver\":\"scsi-hd\",\"id\":\"disk%" PRIu32
		    "\",\"bus\":\"scsi.0\",\"scsi-id\":%" PRIu32
		    ",\"lun\":0,\"drive\":\"node%" PRIu32 "\",\"rotation_rate\":1}",
		    number, number, number);
}

static int remove_node(struct bh_qemu *qemu, uint32_t number, struct bh_err *err)
{
	return call(qemu, -1, err, "blockdev-del", "{\"node-name\":\"node%" PRIu32 "\"}", number);
}

static int remove_fd(struct bh_qemu *qemu, uint32_t number, struct bh_err *err)
{
	return call(qemu, -1, err, "remove-fd", "{\"fdset-id\":%" PRIu32 "}", number);
}

static int add_steps(struct bh_qemu *qemu, const struct bh_vm_disk *disk, uint32_t number,
		     struct bh_err *err)
{
	struct bh_err undo = BH_ERR_INIT; /* what fails in undoing does not matter beside @err */

	if (call(qemu, disk->fd, err, "add-fd", "{\"fdset-id\":%" PRIu32 "}", number) < 0)
		return err->code;
	if (add_node(qemu, disk, number, err) == 0) {
		if (add_device(qemu, number, err) == 0)
			return 0;
		(void)!remove_node(qemu, number, &undo);
	}
	(void)!remove_fd(qemu, number, &undo);
	return err->code;
}

int bh_qemu_add_disk(struct bh_vm *vm, const struct bh_vm_disk *disk, uint32_t *ret_number,
		     struct bh_err *err)
{
	struct bh_qemu *qemu = (struct bh_qemu *)vm;
	uint32_t number;

	if (find_number(qemu, &number, err) < 0)
		return err->code;
	if (add_steps(qemu, disk, number, err) < 0) {
		qemu->disks[number] = BH_QEMU_DISK_NONE;
		return bh_err_ctx(err, "add disk %" PRIu32 " to the VM", number);
	}
	qemu->disks[number] = BH_QEMU_DISK_HERE;
	*ret_number = number;
	return 0;
}

/* ---- removing -------------------------------------------------------------------------------- */

void bh_qemu_device_gone(struct bh_qemu *qemu, const char *device)
{
	char name[BH_QMP_NAME_BYTES];

	for (struct bh_qemu_removal *r = qemu->removals; r; r = r->next) {
		snprintf(name, sizeof(name), "disk%" PRIu32, r->number);
		if (!strcmp(name, device))
			bh_fiber_wake(&r->wait);
	}
}

void bh_qemu_end_removals(struct bh_qemu *qemu)
{
	for (struct bh_qemu_removal *r = qemu->removals; r; r = r->next)
		bh_fiber_wake(&r->wait);
}

struct limit {
	struct bh_timer timer;
	struct bh_wait *wait;
};

static void on_limit(struct bh_timer *timer)
{
	bh_fiber_wake(((struct limit *)timer)->wait);
}

/* The controller takes a device away at once, whatever the guest does with it; the event says that
 * the last of its requests ended. Not waited for without end: remove_node() tells if it is used. */
static int remove_device(struct bh_qemu *qemu, uint32_t number, struct bh_err *err)
{
	struct bh_qemu_removal removal = { .number = number, .next = qemu->removals };
	struct limit limit = { .timer.fn = on_limit, .wait = &removal.wait };
	int r;

	qemu->removals = &removal;
	r = call(qemu, -1, err, "device_del", "{\"id\":\"disk%" PRIu32 "\"}", number);
	if (r == 0) {
		bh_loop_arm(qemu->loop, &limit.timer, LET_GO_MS);
		r = bh_fiber_wait(qemu->loop, &removal.wait, err);
		bh_loop_disarm(qemu->loop, &limit.timer);
	}
	bh_list_remove(&qemu->removals, &removal);
	return r;
}

int bh_qemu_remove_disk(struct bh_vm *vm, uint32_t number, struct bh_err *err)
{
	struct bh_qemu *qemu = (struct bh_qemu *)vm;

	if (number >= BH_QEMU_DISKS_MAX || qemu->disks[number] != BH_QEMU_DISK_HERE)
		return bh_err_as(err, BH_ERR_STATE, -ENOENT, "the VM has no disk %" PRIu32, number);
	qemu->disks[number] = BH_QEMU_DISK_CHANGING;
	if (remove_device(qemu, number, err) < 0 || remove_node(qemu, number, err) < 0 ||
	    remove_fd(qemu, number, err) < 0) /* the number stays taken: what has it is not known */
		return bh_err_ctx(err, "remove disk %" PRIu32 " from the VM", number);
	qemu->disks[number] = BH_QEMU_DISK_NONE;
	return 0;
}
