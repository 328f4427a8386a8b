/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/rootless.h"

#include <string.h>

#include "linux/userns.h"

bool bh_rootless_user(void)
{
	const char *user;

	if (geteuid() != 0)
		return true;
	if (!bh_userns_inside())
		return false;
	user = getenv("USER");
	return !user || strcmp(user, "root") != 0;
}

bool bh_rootless_cgroups(const char *choice)
{
	if (!strcmp(choice, "auto"))
		return geteuid() != 0 || bh_userns_inside();
	return !strcmp(choice, "true");
}
