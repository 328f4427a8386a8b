/* SPDX-License-Identifier: Apache-2.0 */
#include "base/program.h"

#include <fcntl.h>
#include <string.h>

#include "base/path.h"

#define CMDLINE_BYTES_MAX (1U << 20)

/* The caller's working directory, which need not be this process's any more; for a relative name.
 */
static const char *start_dir(const char *self)
{
	const char *pwd = getenv("PWD");

	return *self == '/' || !pwd ? "" : pwd;
}

int bh_program_find(const char *const places[], size_t n, const char *name, const char *fallback,
		    char path[static PATH_MAX], struct bh_err *err)
{
	bh_auto_free char *self = NULL;
	char *slash = NULL;

	if (bh_path_read(AT_FDCWD, "/proc/self/cmdline", BH_PATH_HOST, CMDLINE_BYTES_MAX, &self,
			 NULL, NULL) == 0)
		slash = strrchr(self, '/'); /* of the first word: a NUL ends it */
	for (size_t i = 0; slash && i < n; i++) {
		const char *dir = start_dir(self);

		slash[1] = '\0';
		snprintf(path, PATH_MAX, "%s%s%s%s%s", dir, *dir ? "/" : "", self, places[i], name);
		if (access(path, F_OK) == 0)
			return 0;
	}
	snprintf(path, PATH_MAX, "%s/%s", fallback, name);
	return access(path, F_OK) == 0 ? 0 : bh_err_set(err, -errno, "find '%s'", path);
}
