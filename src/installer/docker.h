/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime `bulkhead` in Docker's daemon.json, and as its default. Keys, their order and the
 * formatting of what is there stay.
 *
 * Source: dockerd(8), "Daemon configuration file"
 */
#ifndef BH_INSTALL_DOCKER_H
#define BH_INSTALL_DOCKER_H

#include "base/buf.h"
#include "base/err.h"

/* What Docker calls it: "runc" is a name that it keeps for itself. */
#define BH_DOCKER_RUNTIME "bulkhead"

/**
 * bh_docker_edit() - put the runtime in
 * @name:    of the file, for @err
 * @program: absolute path of the OCI runtime
 * @ret:     the new text; that of before where everything is there already
 * @notes:   lines on what was left as it is, to be read by the administrator
 *
 * Return: 0; -EINVAL with @err naming file, line and value
 */
int bh_docker_edit(const char *name, const char *text, size_t len, const char *program,
		   struct bh_buf *ret, struct bh_buf *notes, struct bh_err *err) bh_must_check;

/** bh_docker_undo() - take it out again, where it is as it was put in; the same arguments */
int bh_docker_undo(const char *name, const char *text, size_t len, const char *program,
		   struct bh_buf *ret, struct bh_buf *notes, struct bh_err *err) bh_must_check;

#endif
