/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's daemon.json: what is edited is JSON still, twice is as once, and undone it is JSON again
 * without a trace. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "installer/docker.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)
#define PROGRAM "/usr/bin/bulkhead"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bh_auto_buf struct bh_buf once = BH_BUF_INIT, twice = BH_BUF_INIT, back = BH_BUF_INIT,
				  again = BH_BUF_INIT, notes = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;

	if (bh_docker_edit("d", (const char *)data, size, PROGRAM, &once, &notes, &err) < 0)
		return 0;
	CHECK(bh_docker_edit("d", bh_buf_str(&once), once.len, PROGRAM, &twice, &notes, &err) == 0);
	CHECK(once.len == twice.len && !memcmp(bh_buf_str(&once), bh_buf_str(&twice), once.len));
	CHECK(bh_docker_undo("d", bh_buf_str(&once), once.len, PROGRAM, &back, &notes, &err) == 0);
	CHECK(bh_docker_undo("d", bh_buf_str(&back), back.len, PROGRAM, &again, &notes, &err) == 0);
	return 0;
}
