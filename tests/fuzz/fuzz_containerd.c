/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's configuration: whatever is edited comes out again to the byte, and is read as TOML
 * in between; what is there is not put in twice. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "installer/containerd.h"
#include "installer/marks.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static void changed(void *arg, unsigned int line)
{
	(void)line;
	*(bool *)arg = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct bh_containerd_wants wants = { .shim_dir = "/opt",
							  .pool = "pool",
							  .handler_snapshotter = true };
	bh_auto_buf struct bh_buf text = BH_BUF_INIT, once = BH_BUF_INIT, twice = BH_BUF_INIT,
				  back = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	bool foreign = false;

	bh_buf_puts(&text, "version = 3\n");
	bh_buf_add(&text, data, size);
	if (bh_marks_remove(bh_buf_str(&text), text.len, &back, changed, &foreign) || foreign)
		return 0;
	CHECK(back.len == text.len && !memcmp(bh_buf_str(&back), bh_buf_str(&text), text.len));
	bh_buf_deinit(&back);
	if (bh_containerd_edit("c", bh_buf_str(&text), text.len, &wants, &once, &err) != 0)
		return 0;
	CHECK(bh_containerd_edit("c", bh_buf_str(&once), once.len, &wants, &twice, &err) == 0);
	CHECK(!strcmp(bh_buf_str(&once), bh_buf_str(&twice)));
	(void)bh_marks_remove(bh_buf_str(&once), once.len, &back, changed, &foreign);
	CHECK(!foreign && !strcmp(bh_buf_str(&back), bh_buf_str(&text)));
	return 0;
}
