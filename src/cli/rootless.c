/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/rootless.h"

#include <fcntl.h>
#include <string.h>

#include "base/path.h"

/* What the kernel prints for the initial user namespace, in its "%10u %10u %10u\n". */
#define INITIAL_UID_MAP   "         0          0 4294967295\n"
#define UID_MAP_MAX_BYTES 65536

/* A kernel without user namespaces has no such file: nobody is in one. */
static bool in_user_namespace(void)
{
	bh_auto_free char *map = NULL;

	if (bh_path_read(AT_FDCWD, "/proc/self/uid_map", BH_PATH_HOST, UID_MAP_MAX_BYTES, &map,
			 NULL, NULL) < 0)
		return false;
	return strcmp(map, INITIAL_UID_MAP) != 0;
}

bool bh_rootless_user(void)
{
	const char *user;

	if (geteuid() != 0)
		return true;
	if (!in_user_namespace())
		return false;
	user = getenv("USER");
	return !user || strcmp(user, "root") != 0;
}

bool bh_rootless_cgroups(const char *choice)
{
	if (!strcmp(choice, "auto"))
		return geteuid() != 0 || in_user_namespace();
	return !strcmp(choice, "true");
}
