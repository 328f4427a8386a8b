/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the lab: one static program that is first the machine's /init (boot.c: modules,
 * root file system, mounts) and then the agent (agent.c) which runs the command and reports to the
 * launcher over a virtio-serial port. The launcher's half is `channel.py`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the port appears: the launcher makes a single virtio-serial device with a port of number 1.
 */
#define LAB_PORT_PATH "/dev/vport0p1"
/* In the initramfs: the request; in the new root: what the agent needs when systemd starts it. */
#define LAB_REQUEST_PATH "/request"
#define LAB_RUN_DIR      "/run/lab"

/* A frame is this header and `length` bytes. The guest sends nothing else. */
struct lab_frame {
	uint8_t type; /* enum lab_frame_type */
	uint8_t zero[3];
	uint32_t length; /* little endian, at most LAB_FRAME_MAX */
};

#define LAB_FRAME_MAX 32768U

enum lab_frame_type {
	LAB_FRAME_READY = 'r',  /* no payload: the command starts now */
	LAB_FRAME_STDOUT = 'o', /* bytes of the command's output */
	LAB_FRAME_STDERR = 'e',
	LAB_FRAME_EXIT = 'x', /* one byte: the exit status, 128 + N for signal N */
	LAB_FRAME_FAIL = 'f', /* text: why the lab could not run the command */
};

/* Single bytes that the launcher sends. */
enum lab_order {
	LAB_ORDER_FORGET =
		'D', /* drop cached inodes: each costs the host's virtiofsd a descriptor */
};

/* The request is a file of NUL-terminated strings: a letter (see request.c) and the value. */
enum lab_key {
	LAB_KEY_INIT = 0, /* "minimal" or "systemd" */
	LAB_KEY_MEMORY,   /* size of the writable layer over the host's files, for tmpfs */
	LAB_KEY_CWD,
	LAB_KEY_SHARE, /* any number: writable host folders; number N has the virtiofs tag "shareN"
			*/
	LAB_KEY_ENV,   /* any number: NAME=value */
	LAB_KEY_ARG,   /* the command, at least one */
	LAB_KEY_MAX_,
};

/* What to run: per key a NULL-terminated list of its values, in order. They lead into `data`. */
struct lab_request {
	char *data;
	char **values[LAB_KEY_MAX_];
};

/* Reads a request from a file. Returns 0, or -1 with errno set (EBADMSG: a key is missing).
 * What it allocates is kept until the machine ends. */
int lab_request_read(struct lab_request *req, const char *path);

/* Writes one frame, in several if `size` exceeds LAB_FRAME_MAX. Returns 0, or -1 with errno set. */
int lab_frame_write(int port, enum lab_frame_type type, const void *data, size_t size);

/* Tells the launcher why the lab failed (format and errno's text), then waits to be switched off.
 */
__attribute__((noreturn, format(printf, 2, 3))) void lab_fail(int port, const char *format, ...);

/* Runs the request's command and reports its output and exit status. Never returns: the launcher
 * switches the machine off when it has read the exit frame. */
__attribute__((noreturn)) void lab_agent(const struct lab_request *req, int port);
