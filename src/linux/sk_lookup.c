/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: bpf(2), include/uapi/linux/bpf.h, Linux Documentation/bpf/prog_sk_lookup.rst */
#include "linux/sk_lookup.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/sys.h"

/* A map with one place, for a socket. */
static int make_map(int listener, struct bh_err *err)
{
	union bpf_attr make = {
		.map_type = BPF_MAP_TYPE_SOCKMAP,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(uint64_t),
		.max_entries = 1,
	};
	bh_auto_close int map = bh_sys_bpf(BPF_MAP_CREATE, &make, sizeof(make));
	const uint32_t key = 0;
	const uint64_t value = (uint64_t)listener;
	union bpf_attr put = { .map_fd = (uint32_t)map,
			       .key = bh_bpf_pointer(&key),
			       .value = bh_bpf_pointer(&value) };

	if (map < 0)
		return bh_err_set(err, -errno, "make a map of sockets");
	if (bh_sys_bpf(BPF_MAP_UPDATE_ELEM, &put, sizeof(put)) < 0)
		return bh_err_set(err, -errno, "put a listener into a map");
	return bh_take_fd(&map);
}

#define LOAD(to, member)                                                                  \
	{                                                                                 \
		.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = (to), .src_reg = BPF_REG_6, \
		.off = offsetof(struct bpf_sk_lookup, member)                             \
	}
#define MOV(to, from)                                                                   \
	{                                                                               \
		.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (to), .src_reg = (from) \
	}
#define SET(to, value)                                                               \
	{                                                                            \
		.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (to), .imm = (value) \
	}
#define CALL(function)                                        \
	{                                                     \
		.code = BPF_JMP | BPF_CALL, .imm = (function) \
	}
/* What leaves goes to the last two instructions. */
#define LEAVE(at, op, reg, value)                                       \
	{                                                               \
		.code = BPF_JMP32 | (op) | BPF_K, .dst_reg = (reg),     \
		.off = (int16_t)(PROGRAM_PASS - (at)-1), .imm = (value) \
	}

enum { PROGRAM_PASS = 22 };

/* struct bpf_sk_lookup: what arrives; the answer is SK_PASS, with or without a socket assigned. */
static int load_program(int map, struct bh_err *err)
{
	const struct bpf_insn program[] = {
		MOV(BPF_REG_6, BPF_REG_1),
		LOAD(BPF_REG_1, protocol),
		LEAVE(2, BPF_JNE, BPF_REG_1, IPPROTO_TCP),
		LOAD(BPF_REG_1, family),
		LEAVE(4, BPF_JNE, BPF_REG_1, AF_INET),
		LOAD(BPF_REG_1, local_ip4),
		{ .code = BPF_ALU | BPF_END | BPF_TO_BE, .dst_reg = BPF_REG_1, .imm = 32 },
		LEAVE(7, BPF_JNE, BPF_REG_1, INADDR_LOOPBACK),
		/* the listener */
		{ .code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = BPF_REG_10, .off = -4 },
		MOV(BPF_REG_2, BPF_REG_10),
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -4 },
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = map },
		{ .code = 0 },
		CALL(BPF_FUNC_map_lookup_elem),
		{ .code = BPF_JMP | BPF_JEQ | BPF_K,
		  .dst_reg = BPF_REG_0,
		  .off = PROGRAM_PASS - 14 - 1 },
		/* takes it */
		MOV(BPF_REG_7, BPF_REG_0),
		MOV(BPF_REG_1, BPF_REG_6),
		MOV(BPF_REG_2, BPF_REG_0),
		SET(BPF_REG_3, 0),
		CALL(BPF_FUNC_sk_assign),
		MOV(BPF_REG_1, BPF_REG_7),
		CALL(BPF_FUNC_sk_release),
		[PROGRAM_PASS] = SET(BPF_REG_0, SK_PASS),
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SK_LOOKUP,
		.expected_attach_type = BPF_SK_LOOKUP,
		.insn_cnt = BH_ARRAY_SIZE(program),
		.insns = bh_bpf_pointer(program),
		.license = bh_bpf_pointer("Apache-2.0"),
		.prog_name = "bulkhead_lo",
	};
	int fd = bh_sys_bpf(BPF_PROG_LOAD, &attr, sizeof(attr));

	return fd < 0 ? bh_err_set(err, -errno, "load a program that looks for listeners") : fd;
}

int bh_sk_lookup_loopback(int netns_fd, int listener, struct bh_err *err)
{
	bh_auto_close int map = make_map(listener, err);
	bh_auto_close int program = map < 0 ? map : load_program(map, err);
	union bpf_attr attr = { .link_create = { .prog_fd = (uint32_t)program,
						 .target_fd = (uint32_t)netns_fd,
						 .attach_type = BPF_SK_LOOKUP } };
	int link;

	if (program < 0)
		return program;
	link = bh_sys_bpf(BPF_LINK_CREATE, &attr, sizeof(attr));
	return link < 0 ? bh_err_set(err, -errno, "put a program in front of the listeners") : link;
}
