/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A root of its own for a program of the host that is not to be trusted with more: an attached
 * tmpfs in the caller's mount namespace, filled with read-only copies of what the program needs to
 * start, which then becomes the root.
 *
 * Context: a process, alone in its memory, in a mount namespace that it does not share with the
 * host.
 *
 * Source: pivot_root(2), which moves every process whose root was the old one; open_tree(2);
 * PR_SET_PDEATHSIG(2const)
 */
#ifndef BH_LINUX_JAIL_H
#define BH_LINUX_JAIL_H

#include "base/err.h"

/** bh_jail_show() - a read-only, nosuid, nodev copy of the host's file or directory @path at @name
 * in @root, symbolic links followed; what is mounted below it stays away */
int bh_jail_show(int root, const char *path, const char *name, struct bh_err *err) bh_must_check;

/** bh_jail_show_programs() - what a dynamically linked program and its libraries are found through
 */
int bh_jail_show_programs(int root, struct bh_err *err) bh_must_check;

/** bh_jail_become_root() - @root, the root of an attached mount, as the root of this process and of
 * every other in this mount namespace; whatever was mounted before is gone from it */
int bh_jail_become_root(int root, struct bh_err *err) bh_must_check;

/** bh_jail_die_with_parent() - SIGKILL for this process when its parent ends; -ECANCELED with @err
 * when it has. A change of user forgets it
 * @report: a pipe that the parent alone reads from */
int bh_jail_die_with_parent(int report, struct bh_err *err) bh_must_check;

#endif
