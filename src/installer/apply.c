/* SPDX-License-Identifier: Apache-2.0 */
/* A plan's files, written; and what containerd says to them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/capture.h"
#include "installer/containerd.h"
#include "installer/installer.h"

#define COPY_SUFFIX ".before-bulkhead"

const char *bh_install_copy_name(const char *path, char ret[static PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s" COPY_SUFFIX, path);
	return ret;
}

bool bh_install_has(const char *program)
{
	const char *path = getenv("PATH");
	char name[PATH_MAX];

	for (size_t n; path && *path; path += n + (path[n] == ':')) {
		n = strcspn(path, ":");
		snprintf(name, sizeof(name), "%.*s/%s", (int)n, path, program);
		if (n && access(name, X_OK) == 0)
			return true;
	}
	return false;
}

/* The copy of before goes when it tells nothing that the file itself does not. */
static int drop_copy(const struct bh_install_step *step, struct bh_buf *out, struct bh_err *err)
{
	bh_auto_install_file struct bh_install_file copy = BH_INSTALL_FILE_INIT;
	char name[PATH_MAX];
	int r = bh_install_file_read(bh_install_copy_name(step->file.path, name), &copy, err);

	if (r < 0 || !copy.text)
		return r;
	if (!step->remove && !strcmp(copy.text, bh_buf_str(&step->text)))
		return bh_install_file_remove(name, err);
	bh_buf_printf(out, "%s was changed since; as it was before is in %s\n", step->file.path,
		      name);
	return 0;
}

static int remove_file(const struct bh_install_step *step, struct bh_err *err)
{
	int r = bh_install_file_remove(step->file.path, err);

	return r < 0 || !step->dir_made ? r : bh_install_dir_remove(step->file.path, err);
}

int bh_install_step_apply(const struct bh_install_step *step, struct bh_buf *out,
			  struct bh_err *err)
{
	char name[PATH_MAX];
	int r = 0;

	if (step->copy == BH_INSTALL_COPY_MAKE && step->file.text)
		r = bh_install_file_write(&step->file, bh_install_copy_name(step->file.path, name),
					  step->file.text, step->file.len, err);
	if (r == 0)
		r = step->remove
			    ? remove_file(step, err)
			    : bh_install_file_write(&step->file, step->file.path,
						    bh_buf_str(&step->text), step->text.len, err);
	if (r == 0 && step->copy == BH_INSTALL_COPY_DROP)
		r = drop_copy(step, out, err);
	return r;
}

int bh_install_step_revert(const struct bh_install_step *step, struct bh_err *err)
{
	char name[PATH_MAX];
	int r = step->file.text ? bh_install_file_write(&step->file, step->file.path,
							step->file.text, step->file.len, err)
				: remove_file(step, err);

	if (r == 0 && step->copy == BH_INSTALL_COPY_MAKE)
		r = bh_install_file_remove(bh_install_copy_name(step->file.path, name), err);
	return r;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int bh_install_accepts(const char *config, struct bh_err *err)
{
	static const struct {
		const char *name, *type, *shim;
	} handlers[] = {
		{ "runc", "io.containerd.bulkhead.v2", "containerd-shim-bulkhead-v2" },
		{ "kata", "io.containerd.bulkhead-kata.v2", "containerd-shim-bulkhead-kata-v2" },
	};
	const char *const argv[] = { "sh", "-c",
				     "containerd --config \"$0\" config dump 2>/dev/null || exec "
				     "containerd --config \"$0\" config dump",
				     config, NULL };
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	bh_auto_free char *said = NULL;
	int r;

	if (!bh_install_has("containerd"))
		return 0;
	r = bh_capture(argv, &said, err);
	if (r < 0)
		return bh_err_ctx(err, "containerd does not take the new configuration");
	for (size_t i = 0; r == 0 && i < BH_ARRAY_SIZE(handlers); i++) {
		const char *shim;

		r = bh_containerd_handler_shim(&arena, said, strlen(said), handlers[i].name, &shim,
					       err);
		if (r == 0 && strcmp(shim, handlers[i].type) != 0 &&
		    strcmp(base_name(shim), handlers[i].shim) != 0)
			return bh_err_as(err, BH_ERR_PEER, -EPROTO,
					 "containerd reads handler %s as \"%s\", not \"%s\": "
					 "another file that it imports says so",
					 handlers[i].name, shim, handlers[i].type);
	}
	return r;
}
