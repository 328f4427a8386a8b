/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What outlives a call: ROOT/ID/ with
 *
 *	config.json   the bundle's document as it was at create time
 *	state.json    identity, process, cgroups: replaced whole, never edited
 *	start.sock    where the created process waits for its start; gone once it was started
 *	notify/       what a notification socket is in, where one is passed on
 *
 * The directory is made first of all and removed last: it reserves the id, and whatever is made is
 * recorded in it before, so that any later process can undo it.
 */
#ifndef BH_CONTAINER_STATE_H
#define BH_CONTAINER_STATE_H

#include "container/container.h"

#define BH_STATE_START_SOCKET "start.sock"

/** bh_state_check_free() - refuse an id that is taken, as bh_state_reserve() does */
int bh_state_check_free(const char *root, const char *id, struct bh_err *err) bh_must_check;

/** bh_state_reserve() - make ROOT/ID (and ROOT); -EEXIST with runc's words when the id is taken
 * Return: descriptor of ROOT/ID, the caller's */
int bh_state_reserve(const char *root, const char *id, struct bh_err *err) bh_must_check;

/** bh_state_save_config() - keep the document @text of @len bytes */
int bh_state_save_config(int dirfd, const char *text, size_t len, struct bh_err *err) bh_must_check;

/** bh_state_read_config() - that document again: malloc'd, the caller's */
int bh_state_read_config(int dirfd, char **ret, size_t *ret_len, struct bh_err *err) bh_must_check;

/** bh_bundle_read() - config.json of a bundle: malloc'd in @ret, the caller's */
int bh_bundle_read(const char *bundle, char **ret, size_t *ret_len,
		   struct bh_err *err) bh_must_check;

/** bh_bundle_annotations() - those of its config.json, whatever else is in there; in @arena */
int bh_bundle_annotations(struct bh_arena *arena, const char *bundle, bh_kv_list *ret,
			  struct bh_err *err) bh_must_check;

/** bh_container_new() - one that is nowhere on record yet. Return: free with bh_container_free() */
struct bh_container *bh_container_new(const char *root, const char *id, const char *bundle,
				      struct bh_err *err) bh_must_check;

/** bh_state_save() - replace state.json */
int bh_state_save(const struct bh_container *c, struct bh_err *err) bh_must_check;

/** bh_state_remove() - the directory and all in it; idempotent */
int bh_state_remove(const char *root, const char *id, struct bh_err *err) bh_must_check;

/** bh_state_listen() - the socket that a created process waits on; the caller's */
int bh_state_listen(int dirfd, struct bh_err *err) bh_must_check;

/** bh_state_connect() - to that process. Return: socket, the caller's; -ENOENT when there is none
 * to be started; -ECONNREFUSED when it died */
int bh_state_connect(int dirfd, struct bh_err *err) bh_must_check;

/** bh_state_waits() - whether the container waits for its start, given that its process is alive */
bool bh_state_waits(int dirfd);

#endif
