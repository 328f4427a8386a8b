/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file: whatever it says, what holds of it is of the values that keys can have.
 */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "fuzz.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bh_cleanup(bh_config_set_deinit) struct bh_config_set set = BH_CONFIG_SET_INIT;
	bh_cleanup(bh_config_set_deinit) struct bh_config_set again = BH_CONFIG_SET_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_config c;
	int r = bh_config_read(&set, "f", (const char *)data, size, &err);

	CHECK(r == 0 || (r == -EINVAL && set.problems.n > 0));
	for (const char *const *h = bh_config_handlers; *h; h++) {
		CHECK(bh_config_resolve(&set, *h, NULL, &c, NULL, &err) == 0);
		/* What is printed is what is read. */
		for (size_t i = 0; i < bh_config_n_keys; i++) {
			bh_auto_buf struct bh_buf text = BH_BUF_INIT;

			if (bh_config_is_list(&bh_config_keys[i]) ||
			    !bh_config_value(&bh_config_keys[i], &c, &text))
				continue;
			CHECK(bh_config_flag(&again, bh_config_keys[i].name, bh_buf_str(&text),
					     "again", &err) == 0);
		}
	}
	return 0;
}
