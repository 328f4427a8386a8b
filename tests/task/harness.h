/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod's tasks, served over a socket pair and asked over it, in one process and on one loop, with
 * real containers of busybox. Everything is below a directory with a name of its own, and so are
 * the cgroups.
 */
#ifndef BH_TESTS_TASK_HARNESS_H
#define BH_TESTS_TASK_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/task.pb-c.h"
#include "task/stdio.h"
#include "task/task.h"

struct lab {
	struct bh_loop loop;
	struct bh_tasks *tasks;
	struct bh_rpc_client *client;
	char token[16], work[64];
	bool sole;    /* nobody else handles the containers; before lab_open() */
	char *events; /* "topic id [status]\n" … since lab_forget() */
};
extern struct lab lab;

/** Group set-up and tear-down: tear-down fails when something is left */
int lab_open(void **state);
int lab_close(void **state);
bool lab_skips(void);

void lab_forget(void);

/** run_until() - serve until @cond, at most @seconds. Return: @cond */
#define run_until(cond, seconds)                    \
	({                                          \
		unsigned int left_ = (seconds)*200; \
		while (!(cond) && left_--)          \
			run_a_bit();                \
		(cond);                             \
	})
void run_a_bit(void);

/* ---- calls ----------------------------------------------------------------------------------- */

struct reply {
	bool done;
	enum bh_rpc_code code;
	char message[512];
	uint8_t *data;
	size_t len;
};

/** ask() - send a request. Return: what will be filled; free by reply_free() */
struct reply *ask(const char *method, const void *request);
void reply_free(struct reply *reply);

/** must() - ask and wait; the test fails when the call does. Return: unpacked, the caller's; NULL
 * without @type */
void *must(const char *method, const void *request, const ProtobufCMessageDescriptor *type);

/** must_fail() - the call fails with @code, and @text in its message */
void must_fail(const char *method, const void *request, enum bh_rpc_code code, const char *text);

/** ids() - a request of @type, all of which begin with the two ids (@exec_id may be NULL); valid
 * until the next */
void *ids(const ProtobufCMessageDescriptor *type, const char *id, const char *exec_id);
#define IDS(type, box) ids(&task__##type##_request__descriptor, (box)->id, (box)->exec_id)
/* Of those that have no exec_id. */
#define ID(type, box) ids(&task__##type##_request__descriptor, (box)->id, NULL)

/* ---- containers ------------------------------------------------------------------------------ */

/* A container, or an exec in one, and our ends of its streams. */
struct box {
	char id[64], exec_id[64], bundle[128];
	char uris[3][256];
	bool terminal;
	int in, out, err; /* -1 = none */
};

struct recipe {
	const char *script; /* of sh -c */
	bool terminal;
	bool no_pidns;
	const char *streams; /* which of "ioe" it has; NULL = "oe" */
	const char *more;    /* members of the document, each with ',' in front */
	const char *linux_;  /* members of linux, each with ',' in front */
	bool own_root;       /* root.path is the bundle's rootfs/ */
	bool document_only;  /* no Create */
};

/** make() - bundle and streams, and Create unless document_only. Return: pid */
uint32_t make(struct box *box, const char *name, const struct recipe *recipe);
/** add_exec() - streams and Exec */
void add_exec(struct box *box, const struct box *of, const char *exec_id,
	      const struct recipe *recipe);
/** add_exec_of() - without streams, of this document */
void add_exec_of(struct box *box, const struct box *of, const char *exec_id, const char *document);
void add_exec_fails(const struct box *of, const char *exec_id, enum bh_rpc_code code,
		    const char *text);
/** create_request() - valid until the next */
void *create_request(const struct box *box);
/** close_input() - CloseIO */
void close_input(const struct box *box);
void close_streams(struct box *box);
uint32_t start(const struct box *box);
/** await_exit() - Wait. Return: status */
uint32_t await_exit(const struct box *box);
/** finish() - Delete, streams closed. Return: status */
uint32_t finish(struct box *box);
void signal_box(const struct box *box, int sig, bool all);
Task__Status status_of(const struct box *box);

/** read_all() - output up to its end, NUL-terminated, malloc'd; at most 30 seconds */
char *read_all(int fd, size_t *ret_len);
/** read_until() - output up to @text */
char *read_until(int fd, const char *text);
void put(int fd, const char *text);

#endif
