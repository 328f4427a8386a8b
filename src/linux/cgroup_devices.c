/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules. The document's list is first brought to a set: a default and the exceptions from
 * it, as version 1's devices controller keeps them. Both versions are made from that set, so that
 * the same document means the same on both.
 *
 * Version 1: reset the group to its default, then write each exception. Version 2: a BPF program of
 * type CGROUP_DEVICE, attached so that programs of outer groups stay in force; the kernel calls all
 * of them and allows what all allow. A program that was there is replaced in one step where the
 * kernel can (5.6), else detached after the new one is in place.
 *
 * Source: kernel admin-guide/cgroup-v1/devices.rst, bpf(2), include/uapi/linux/bpf.h
 */
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/path.h"
#include "base/sys.h"
#include "linux/cgroup_internal.h"
#include "linux/userns.h"

/* What every container may use, whatever its rules say; config-linux.md "Default Devices", and as
 * runc: making any device node, the terminals, and /dev/net/tun. */
static const struct bh_cg_device always[] = {
	{ 'c', BH_CG_DEV_ANY, BH_CG_DEV_ANY, BH_CG_DEV_MKNOD },
	{ 'b', BH_CG_DEV_ANY, BH_CG_DEV_ANY, BH_CG_DEV_MKNOD },
	{ 'c', 1, 3, BH_CG_DEV_RWM },               /* null */
	{ 'c', 1, 5, BH_CG_DEV_RWM },               /* zero */
	{ 'c', 1, 7, BH_CG_DEV_RWM },               /* full */
	{ 'c', 1, 8, BH_CG_DEV_RWM },               /* random */
	{ 'c', 1, 9, BH_CG_DEV_RWM },               /* urandom */
	{ 'c', 5, 0, BH_CG_DEV_RWM },               /* tty */
	{ 'c', 5, 2, BH_CG_DEV_RWM },               /* ptmx */
	{ 'c', 10, 200, BH_CG_DEV_RWM },            /* net/tun */
	{ 'c', 136, BH_CG_DEV_ANY, BH_CG_DEV_RWM }, /* pts */
};

const char *bh_cg_device_text(const struct bh_cg_device *d, char buf[static BH_CG_DEVICE_BYTES])
{
	char major[24] = "*", minor[24] = "*";

	if (d->major != BH_CG_DEV_ANY)
		snprintf(major, sizeof(major), "%" PRId64, d->major);
	if (d->minor != BH_CG_DEV_ANY)
		snprintf(minor, sizeof(minor), "%" PRId64, d->minor);
	snprintf(buf, BH_CG_DEVICE_BYTES, "%c %s:%s %s%s%s", d->type, major, minor,
		 d->access & BH_CG_DEV_READ ? "r" : "", d->access & BH_CG_DEV_WRITE ? "w" : "",
		 d->access & BH_CG_DEV_MKNOD ? "m" : "");
	return buf;
}

/* ---- the set, in the document's order -------------------------------------------------------- */

static struct bh_cg_device *find(const struct bh_cg_devices *set, char type, int64_t major,
				 int64_t minor)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->v[i].type == type && set->v[i].major == major && set->v[i].minor == minor)
			return &set->v[i];
	return NULL;
}

static int except(struct bh_arena *arena, struct bh_cg_devices *set, const struct bh_cg_device *d)
{
	struct bh_cg_device *old = find(set, d->type, d->major, d->minor);

	if (old) {
		old->access |= d->access;
		return 0;
	}
	if (set->n == set->cap) {
		set->cap += 32;
		set->v = bh_arena_grow(arena, set->v, set->n, set->cap, sizeof(*set->v));
		if (!set->v)
			return -ENOMEM;
	}
	set->v[set->n++] = *d;
	return 0;
}

/* Takes access back that was excepted. Version 1 ignores it when only a wider exception has it:
 * who reads the document would think otherwise, so it is refused. */
static int unexcept(struct bh_cg_devices *set, const struct bh_cg_device *d, struct bh_err *err)
{
	const struct {
		int64_t major, minor;
	} wider[] = {
		{ BH_CG_DEV_ANY, d->minor },
		{ d->major, BH_CG_DEV_ANY },
		{ BH_CG_DEV_ANY, BH_CG_DEV_ANY },
	};
	char text[BH_CG_DEVICE_BYTES], hole[BH_CG_DEVICE_BYTES];
	struct bh_cg_device *old;

	for (size_t i = 0; i < BH_ARRAY_SIZE(wider); i++) {
		old = find(set, d->type, wider[i].major, wider[i].minor);
		if (!old || !(old->access & d->access) ||
		    (wider[i].major == d->major && wider[i].minor == d->minor))
			continue;
		return bh_err_spec(err, "/linux/resources/devices",
				   "rule '%s' cannot punch a hole in the wider rule '%s'",
				   bh_cg_device_text(d, hole), bh_cg_device_text(old, text));
	}
	old = find(set, d->type, d->major, d->minor);
	if (!old)
		return 0;
	old->access &= ~d->access;
	if (!old->access)
		memmove(old, old + 1, (size_t)(&set->v[set->n--] - (old + 1)) * sizeof(*old));
	return 0;
}

static int add_rule(struct bh_arena *arena, struct bh_cg_devices *set, bool allow,
		    const struct bh_cg_device *d, struct bh_err *err)
{
	int e;

	if (allow == set->default_allow)
		return unexcept(set, d, err);
	e = except(arena, set, d);
	return e < 0 ? bh_err_oom(err) : 0;
}

static int from_rule(const struct bh_device_rule *rule, struct bh_cg_device *d, struct bh_err *err)
{
	const char *access = rule->access ? rule->access : "rwm";

	*d = (struct bh_cg_device){
		.type = rule->type,
		.major = rule->major.set ? rule->major.v : BH_CG_DEV_ANY,
		.minor = rule->minor.set ? rule->minor.v : BH_CG_DEV_ANY,
	};
	for (const char *p = access; *p; p++)
		d->access |= *p == 'r'   ? BH_CG_DEV_READ
			     : *p == 'w' ? BH_CG_DEV_WRITE
			     : *p == 'm' ? BH_CG_DEV_MKNOD
			     : *p == 'a' ? BH_CG_DEV_RWM /* documents in the wild have it */
					 : 0;
	if (d->major < BH_CG_DEV_ANY || d->major > UINT32_MAX || d->minor < BH_CG_DEV_ANY ||
	    d->minor > UINT32_MAX || !d->access)
		return bh_err_spec(err, "/linux/resources/devices",
				   "rule for %" PRId64 ":%" PRId64 " '%s' is out of range",
				   d->major, d->minor, access);
	return 0;
}

int bh_cg_devices(struct bh_arena *arena, const struct bh_resources *resources,
		  struct bh_cg_devices *ret, struct bh_err *err)
{
	int e = 0;

	*ret = (struct bh_cg_devices){ .default_allow = false };
	bh_for_each (rule, resources->devices) {
		struct bh_cg_device d;

		/* "a" stands for all devices with all access and starts afresh. */
		if (rule->type == 'a' || rule->type == '\0') {
			ret->default_allow = rule->allow;
			ret->n = 0;
			continue;
		}
		e = from_rule(rule, &d, err);
		if (e == 0)
			e = add_rule(arena, ret, rule->allow, &d, err);
		if (e < 0)
			return e;
	}
	for (size_t i = 0; e == 0 && i < BH_ARRAY_SIZE(always); i++)
		e = add_rule(arena, ret, true, &always[i], err);
	return e;
}

/* ---- version 1 ------------------------------------------------------------------------------- */

static int apply_v1(const char *dir, const struct bh_cg_devices *set, struct bh_err *err)
{
	static const char *const files[] = { "devices.deny", "devices.allow" };
	bool allow = set->default_allow;
	bh_auto_close int fd = -EBADF;
	int e = bh_cg_write(dir, files[allow], "a");

	if (e < 0)
		return bh_err_set(err, e, "write 'a' to '%s/%s'", dir, files[allow]);
	if (set->n == 0)
		return 0;
	fd = bh_cg_open(dir, files[!allow], O_WRONLY);
	if (fd < 0)
		return bh_err_set(err, fd, "open '%s/%s'", dir, files[!allow]);
	for (size_t i = 0; i < set->n; i++) {
		char text[BH_CG_DEVICE_BYTES];

		bh_cg_device_text(&set->v[i], text);
		e = bh_fd_write(fd, text, strlen(text));
		if (e < 0)
			return bh_err_set(err, e, "write '%s' to '%s/%s'", text, dir,
					  files[!allow]);
	}
	return 0;
}

/* ---- version 2 ------------------------------------------------------------------------------- */

#define INSNS_PER_RULE 8
#define INSNS_FIXED    8 /* loads at the start, verdict at the end */

#define LOAD(dst, from)                                        \
	((struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W, \
			    .dst_reg = (dst),                  \
			    .src_reg = BPF_REG_1,              \
			    .off = (from) })
#define ALU_IMM(op, dst, value) \
	((struct bpf_insn){ .code = BPF_ALU | (op) | BPF_K, .dst_reg = (dst), .imm = (value) })
#define MOV_REG(dst, src) \
	((struct bpf_insn){ .code = BPF_ALU | BPF_MOV | BPF_X, .dst_reg = (dst), .src_reg = (src) })
#define JUMP_UNLESS_IMM(reg, value) \
	((struct bpf_insn){ .code = BPF_JMP32 | BPF_JNE | BPF_K, .dst_reg = (reg), .imm = (value) })
#define JUMP_UNLESS_REG(left, right) \
	((struct bpf_insn){          \
		.code = BPF_JMP32 | BPF_JNE | BPF_X, .dst_reg = (left), .src_reg = (right) })
#define EXIT ((struct bpf_insn){ .code = BPF_JMP | BPF_EXIT })

enum { TYPE = BPF_REG_2, ACCESS = BPF_REG_3, MAJOR = BPF_REG_4, MINOR = BPF_REG_5 };

/*
 * One exception: verdict if type, access, major and minor match, else on to the next. An exception
 * that allows must have all of the access that is asked for; one that denies any of it.
 */
static size_t emit_rule(struct bpf_insn *insn, const struct bh_cg_device *d, bool allow)
{
	size_t n = 0;

	insn[n++] =
		JUMP_UNLESS_IMM(TYPE, d->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (d->access != BH_CG_DEV_RWM) {
		insn[n++] = MOV_REG(BPF_REG_1, ACCESS);
		insn[n++] = ALU_IMM(BPF_AND, BPF_REG_1, (int32_t)d->access);
		if (allow) {
			insn[n++] = JUMP_UNLESS_REG(BPF_REG_1, ACCESS);
		} else {
			insn[n++] = JUMP_UNLESS_IMM(BPF_REG_1, 0);
			insn[n - 1].code = BPF_JMP32 | BPF_JEQ | BPF_K;
		}
	}
	if (d->major != BH_CG_DEV_ANY)
		insn[n++] = JUMP_UNLESS_IMM(MAJOR, (int32_t)(uint32_t)d->major);
	if (d->minor != BH_CG_DEV_ANY)
		insn[n++] = JUMP_UNLESS_IMM(MINOR, (int32_t)(uint32_t)d->minor);
	insn[n++] = ALU_IMM(BPF_MOV, BPF_REG_0, allow);
	insn[n++] = EXIT;
	for (size_t i = 0; i < n; i++)
		if (BPF_CLASS(insn[i].code) == BPF_JMP32)
			insn[i].off = (int16_t)(n - i - 1);
	return n;
}

struct bpf_insn *bh_cg_devices_program(struct bh_arena *arena, const struct bh_cg_devices *set,
				       size_t *ret_n)
{
	struct bpf_insn *insn =
		bh_arena_array(arena, INSNS_FIXED + set->n * INSNS_PER_RULE, sizeof(*insn));
	size_t n = 0;

	static_assert(BH_CG_DEV_MKNOD == BPF_DEVCG_ACC_MKNOD &&
			      BH_CG_DEV_READ == BPF_DEVCG_ACC_READ &&
			      BH_CG_DEV_WRITE == BPF_DEVCG_ACC_WRITE,
		      "access bits are the kernel's");
	if (!insn)
		return NULL;
	insn[n++] = LOAD(TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	insn[n++] = MOV_REG(ACCESS, TYPE);
	insn[n++] = ALU_IMM(BPF_AND, TYPE, 0xffff);
	insn[n++] = ALU_IMM(BPF_RSH, ACCESS, 16);
	insn[n++] = LOAD(MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	insn[n++] = LOAD(MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
	for (size_t i = 0; i < set->n; i++)
		n += emit_rule(insn + n, &set->v[i], !set->default_allow);
	insn[n++] = ALU_IMM(BPF_MOV, BPF_REG_0, set->default_allow);
	insn[n++] = EXIT;
	*ret_n = n;
	return insn;
}

static int load_program(const struct bpf_insn *insn, size_t n)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insn_cnt = (uint32_t)n,
		.insns = bh_bpf_pointer(insn),
		.license = bh_bpf_pointer("Apache-2.0"),
	};
	struct rlimit old, all = { RLIM_INFINITY, RLIM_INFINITY };
	int fd;

	memcpy(attr.prog_name, "bulkhead_dev", sizeof("bulkhead_dev"));
	fd = bh_sys_bpf(BPF_PROG_LOAD, &attr, sizeof(attr));
	if (fd >= 0 || errno != EPERM || getrlimit(RLIMIT_MEMLOCK, &old) < 0)
		return fd < 0 ? -errno : fd;
	/* FALLBACK(linux-5.11): programs were locked memory; the limit is set back, as a container
	 * would inherit it. */
	if (setrlimit(RLIMIT_MEMLOCK, &all) < 0)
		return -EPERM;
	fd = bh_sys_bpf(BPF_PROG_LOAD, &attr, sizeof(attr));
	fd = fd < 0 ? -errno : fd;
	if (setrlimit(RLIMIT_MEMLOCK, &old) < 0 && fd >= 0)
		fd = bh_close(fd);
	return fd;
}

#define PROGRAMS_MAX 64 /* that a group can have, kernel/bpf/cgroup.c */

static int attach(int dir_fd, int prog_fd, int replace_fd)
{
	union bpf_attr attr = {
		.target_fd = (uint32_t)dir_fd,
		.attach_bpf_fd = (uint32_t)prog_fd,
		.attach_type = BPF_CGROUP_DEVICE,
		.attach_flags = BPF_F_ALLOW_MULTI | (replace_fd >= 0 ? BPF_F_REPLACE : 0),
		.replace_bpf_fd = replace_fd >= 0 ? (uint32_t)replace_fd : 0,
	};

	return bh_sys_bpf(BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

static int open_program(uint32_t id)
{
	union bpf_attr attr = { .prog_id = id };
	int fd = bh_sys_bpf(BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

static int detach(int dir_fd, uint32_t id)
{
	bh_auto_close int fd = open_program(id);
	union bpf_attr attr = {
		.target_fd = (uint32_t)dir_fd,
		.attach_bpf_fd = (uint32_t)fd,
		.attach_type = BPF_CGROUP_DEVICE,
	};

	/* One that may not be looked at stays: more programs only allow less. */
	if (fd == -EPERM || fd == -EACCES || fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	return bh_sys_bpf(BPF_PROG_DETACH, &attr, sizeof(attr)) < 0 && errno != ENOENT ? -errno : 0;
}

/* @h: its descriptor is used when it is open */
static int apply_v2(const struct bh_cg_hier *h, const struct bh_cg_devices *set, struct bh_err *err)
{
	const char *dir = h->dir;
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	uint32_t ids[PROGRAMS_MAX];
	size_t n_insn = 0;
	struct bpf_insn *insn = bh_cg_devices_program(&arena, set, &n_insn);
	bh_auto_close int fd = insn ? load_program(insn, n_insn) : -ENOMEM;
	bh_auto_close int opened = h->fd < 0 ? bh_cg_open(dir, ".", O_RDONLY | O_DIRECTORY)
					     : -EBADF;
	int dir_fd = h->fd < 0 ? opened : h->fd;
	union bpf_attr query = {
		.query.target_fd = (uint32_t)dir_fd,
		.query.attach_type = BPF_CGROUP_DEVICE,
		.query.prog_ids = bh_bpf_pointer(ids),
		.query.prog_cnt = PROGRAMS_MAX,
	};
	bh_auto_close int old = -EBADF;
	int e;

	if (fd < 0)
		return bh_err_set(err, fd, "load the device filter of '%s' (%zu rules)", dir,
				  set->n);
	if (dir_fd < 0)
		return bh_err_set(err, dir_fd, "open '%s'", dir);
	if (bh_sys_bpf(BPF_PROG_QUERY, &query, sizeof(query)) < 0)
		return bh_err_set(err, -errno, "ask for the device filters of '%s'", dir);
	if (query.query.prog_cnt == 1)
		old = open_program(ids[0]);
	e = attach(dir_fd, fd, old);
	if (e == 0 && old >= 0)
		return 0;
	if (e == -EINVAL && old >= 0) /* FALLBACK(linux-5.6): no BPF_F_REPLACE */
		e = attach(dir_fd, fd, -1);
	if (e < 0)
		return bh_err_set(err, e, "attach the device filter to '%s'", dir);
	for (uint32_t i = 0; i < query.query.prog_cnt; i++) {
		e = detach(dir_fd, ids[i]);
		if (e < 0)
			return bh_err_set(err, e, "detach an old device filter from '%s'", dir);
	}
	return 0;
}

int bh_cg_devices_apply(const struct bh_cgroup *cg, const struct bh_resources *resources,
			struct bh_err *err)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	int i = bh_cg_find(cg, BH_CG_DEVICES), e;
	struct bh_cg_devices set;

	e = bh_cg_devices(&arena, resources, &set, err);
	if (e < 0 || i < 0)
		return e;
	e = cg->pub[i].v2 ? apply_v2(&cg->hier[i], &set, err)
			  : apply_v1(cg->hier[i].dir, &set, err);
	/* In a user namespace neither lists nor programs may be touched, and need not be: no device
	 * node that gives access can be made there. */
	return e < 0 && (cg->rootless || bh_userns_inside()) ? 0 : e;
}
