/* SPDX-License-Identifier: Apache-2.0 */
/* The program's own file, out of reach of the containers that it enters. */
#ifndef BH_CONTAINER_SELF_PROTECT_H
#define BH_CONTAINER_SELF_PROTECT_H

#include "base/err.h"

/**
 * bh_self_protect() - make sure that /proc/self/exe cannot be written through; may not return
 * @argv: of main(); passed on unchanged
 * @name: of the process from then on, as ps(1) shows it; at most 15 bytes
 *
 * To be called first: when the program runs from an ordinary path, it executes itself again from
 * a protected copy, with the same process id, descriptors, arguments and environment.
 *
 * Return: 0 when this process is protected (or needs no protection), -errno with @err
 * Syscalls: readlink statfs open_tree mount_setattr memfd_create sendfile fcntl execveat
 * Source: CVE-2019-5736; open_tree(2), mount_setattr(2), memfd_create(2), proc_pid_exe(5)
 */
int bh_self_protect(char *const argv[], const char *name, struct bh_err *err) bh_must_check;

#endif
