/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest sends as datagrams: each is within the bytes and the bound, and all of them are
 * found. */
#include <errno.h>
#include <stdlib.h>

#include "fuzz.h"
#include "rpc/datagrams.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *one;
	size_t at = 0, len;
	int n;

	while ((n = bh_datagrams_take(data + at, size - at, &one, &len)) > 0) {
		CHECK(len > 0 && len <= BH_DATAGRAM_MAX);
		CHECK((size_t)n == len + BH_DATAGRAM_HEAD && (size_t)n <= size - at);
		CHECK(one == data + at + BH_DATAGRAM_HEAD);
		at += (size_t)n;
	}
	CHECK(n == 0 || n == -EBADMSG);
	return 0;
}
