/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/vm/guest_image.h"

#include <fcntl.h>

#include "base/path.h"
#include "base/schema.h"

#define DESCRIPTION           "guest.json"
#define DESCRIPTION_BYTES_MAX (64U << 10)

struct description {
	const char *kernel, *cmdline, *cmdline_emulation;
	bool acpi;
};

static const struct bh_field fields[] = {
	BH_FIELD(struct description, kernel, "kernel", .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct description, cmdline, "cmdline", .flags = BH_FIELD_REQUIRED),
	BH_FIELD(struct description, cmdline_emulation, "cmdline_emulation"),
	BH_FIELD(struct description, acpi, "acpi"),
};
static const struct bh_schema schema = BH_SCHEMA(struct description, fields);

static int describe(struct bh_arena *arena, const char *dir, struct description *ret,
		    struct bh_err *err)
{
	bh_auto_close int fd =
		bh_path_open(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
	bh_auto_free char *text = NULL;
	size_t len;
	int r;

	if (fd < 0)
		return fd;
	r = bh_path_read(fd, DESCRIPTION, BH_PATH_HOST, DESCRIPTION_BYTES_MAX, &text, &len, err);
	return r < 0 ? r : bh_schema_read(&schema, arena, text, len, ret, err);
}

int bh_guest_image_read(struct bh_arena *arena, const char *dir, enum bh_accelerator accelerator,
			struct bh_guest_image *ret, struct bh_err *err)
{
	struct description d = { .acpi = false };
	const char *more = "";
	int r = describe(arena, dir, &d, err);

	if (r < 0)
		return bh_err_ctx(err, "guest image '%s'", dir);
	if (accelerator == BH_ACCELERATOR_EMULATION && d.cmdline_emulation)
		more = d.cmdline_emulation;
	*ret = (struct bh_guest_image){
		.kernel = bh_arena_printf(arena, "%s/vmlinux", dir),
		.initramfs = bh_arena_printf(arena, "%s/initramfs", dir),
		.release = d.kernel,
		.cmdline = bh_arena_printf(arena, "%s %s", d.cmdline, more),
		.acpi = d.acpi,
	};
	return ret->kernel && ret->initramfs && ret->cmdline ? 0 : bh_err_oom(err);
}
