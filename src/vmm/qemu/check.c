/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the QEMU that is installed can do what is asked of it. */
#include <string.h>

#include "base/capture.h"
#include "vmm/qemu/qemu.h"

/* What it lists when asked with each word, and must be among that. */
static const struct need {
	const char *option, *name;
} needs[] = {
	{ "-machine", "microvm" },
	{ "-device", "vhost-user-fs-device" },
	{ "-device", "virtio-balloon-device" },
	{ "-device", "virtio-net-device" },
	{ "-device", "virtio-scsi-device" },
	{ "-device", "virtserialport" },
};

/* Whether @name stands in @list as a word of its own, quoted or not. */
static bool lists(const char *list, const char *name)
{
	const size_t len = strlen(name);

	for (const char *p = strstr(list, name); p; p = strstr(p + len, name)) {
		const bool begins = p == list || strchr(" \n\"", p[-1]);

		if (begins && strchr(" \n\"", p[len])) /* the NUL as well */
			return true;
	}
	return false;
}

static int ask(const char *program, const char *option, const char *value, char **ret,
	       struct bh_err *err)
{
	const char *const argv[] = { program, option, value, NULL };

	return bh_capture(argv, ret, err);
}

/* "QEMU emulator version 7.2.22 (Debian …)\n…": the first line, up to the bracket. */
static int add_version(const char *program, struct bh_buf *found, struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	int r = ask(program, "--version", NULL, &text, err);

	if (r == 0 && strncmp(text, "QEMU emulator version ", 22) != 0)
		r = bh_err_as(err, BH_ERR_PEER, -EIO, "%s does not tell a version", program);
	if (r == 0)
		bh_buf_printf(found, "QEMU %.*s with microvm", (int)strcspn(text + 22, " \n"),
			      text + 22);
	return r;
}

int bh_qemu_check(const char *given, struct bh_buf *found, struct bh_err *err)
{
	bh_auto_free char *list = NULL;
	const char *program = bh_qemu_program(given), *option = "";
	int r = add_version(program, found, err);

	for (size_t i = 0; i < BH_ARRAY_SIZE(needs) && r == 0; i++) {
		if (strcmp(option, needs[i].option) != 0) {
			bh_freep_(&list);
			option = needs[i].option;
			r = ask(program, option, "help", &list, err);
		}
		if (r == 0 && !lists(list, needs[i].name))
			r = bh_err_as(err, BH_ERR_PEER, -ENOTSUP, "%s has no %s %s", program,
				      option, needs[i].name);
	}
	return r;
}
