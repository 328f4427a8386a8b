/* SPDX-License-Identifier: Apache-2.0 */
/* Source of the annotations: containerd internal/cri/annotations */
#include "pod/vm/obituary.h"

#include <stdio.h>
#include <string.h>

#include "base/harmless.h"
#include "base/path.h"
#include "pod/vm/console_log.h"

#define CRI          "io.kubernetes.cri."
#define NAME_BYTES   1100 /* an id has 1024 at the most */
#define CONSOLE_MODE 0600

static const struct bh_field fields[] = {
	BH_FIELD(struct bh_obituary, id, "id"),
	BH_FIELD(struct bh_obituary, name, "name"),
	BH_FIELD(struct bh_obituary, name_space, "namespace"),
	BH_FIELD(struct bh_obituary, uid, "uid"),
	BH_FIELD(struct bh_obituary, runtime, "runtime"),
	BH_FIELD(struct bh_obituary, created, "created"),
	BH_FIELD(struct bh_obituary, died, "died"),
	BH_FIELD(struct bh_obituary, reason, "reason"),
};
const struct bh_schema bh_obituary_schema = BH_SCHEMA(struct bh_obituary, fields);

/* The older part of the console first; harmless, for it is in a place where people use cat(1). */
static void add_console(int dirfd, struct bh_buf *out)
{
	static const char *const files[] = { BH_CONSOLE_LOG_OLD, BH_CONSOLE_LOG };
	struct bh_harmless harmless = { .escape = BH_ESCAPE_NONE };

	for (size_t i = 0; i < BH_ARRAY_SIZE(files); i++) {
		bh_auto_free char *text = NULL;
		size_t len;

		if (bh_path_read(dirfd, files[i], BH_PATH_BENEATH, BH_OBITUARY_MAX, &text, &len,
				 NULL) == 0)
			bh_harmless_add(&harmless, text, len, out);
	}
}

int bh_obituary_write(const struct bh_spec *spec, int dirfd, struct bh_obituary *obituary,
		      struct bh_err *err)
{
	const char *path = bh_spec_annotation(spec, CRI "sandbox-log-directory");
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	bh_auto_close int top = -EBADF, logs = -EBADF;
	char name[NAME_BYTES];

	/* Whoever else could say so in an annotation is not to choose where we write. */
	if (!path || strncmp(path, BH_POD_LOGS "/", strlen(BH_POD_LOGS "/")) != 0)
		return 0;
	top = bh_path_try_open(AT_FDCWD, BH_POD_LOGS, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST);
	logs = top < 0 ? top
		       : bh_path_try_open(top, path + strlen(BH_POD_LOGS "/"),
					  O_RDONLY | O_DIRECTORY, 0, BH_PATH_BENEATH);
	if (logs < 0)
		return logs == -ENOENT ? 0 : bh_err_set(err, logs, "open '%s'", path);
	obituary->name = bh_spec_annotation(spec, CRI "sandbox-name");
	obituary->name_space = bh_spec_annotation(spec, CRI "sandbox-namespace");
	obituary->uid = bh_spec_annotation(spec, CRI "sandbox-uid");
	bh_schema_write(&bh_obituary_schema, obituary, &out);
	bh_buf_puts(&out, "\n");
	add_console(dirfd, &out);
	if (out.failed)
		return bh_err_oom(err);
	snprintf(name, sizeof(name), BH_OBITUARY_PREFIX "%s" BH_OBITUARY_SUFFIX, obituary->id);
	return bh_path_replace(logs, name, out.data, out.len, CONSOLE_MODE, err);
}
