/* SPDX-License-Identifier: Apache-2.0 */
/* User namespaces: writing id maps, with newuidmap(1) where the caller may not, and handles of
 * namespaces that exist for their maps alone (id-mapped mounts). */
#ifndef BH_LINUX_USERNS_H
#define BH_LINUX_USERNS_H

#include <sys/types.h>

#include "oci/spec.h"

/** bh_userns_inside() - whether this process is in another user namespace than the first one. A
 * kernel without them has nobody in one */
bool bh_userns_inside(void);

/**
 * bh_userns_write_maps() - give the fresh user namespace of @pid its maps
 * @uids, @gids: as in the spec; checked for overlap and emptiness by the parser
 *
 * Writes /proc/PID/{uid,gid}_map. When that is not permitted: a group map of one line for the
 * caller's own group is written after denying setgroups(2), as the kernel demands; everything else
 * goes through newuidmap and newgidmap, looked for in the system's directories alone.
 *
 * Source: user_namespaces(7), newuidmap(1)
 */
int bh_userns_write_maps(pid_t pid, const bh_id_map_list *uids, const bh_id_map_list *gids,
			 struct bh_err *err) bh_must_check;

/** bh_userns_open() - a descriptor of a new user namespace with these maps and no process in it,
 * for mount_setattr(2) with MOUNT_ATTR_IDMAP. Return: descriptor or -errno */
int bh_userns_open(const bh_id_map_list *uids, const bh_id_map_list *gids,
		   struct bh_err *err) bh_must_check;

#endif
