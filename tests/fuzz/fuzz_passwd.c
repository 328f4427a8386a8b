/* SPDX-License-Identifier: Apache-2.0 */
/* passwd(5) of an image: a field that is found stands in the text, in a line about that user. The
 * first four bytes are the user's number, the fifth says how much room there is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "container/passwd.h"
#include "fuzz.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

/* The value with its separators, as it must stand in @text. */
static void check_found(const char *text, uid_t uid, enum bh_passwd_field which, const char *value)
{
	char number[32], framed[600];

	CHECK(*value && !strpbrk(value, ":\n"));
	CHECK(strstr(text, value));
	snprintf(number, sizeof(number), ":%u", uid);
	CHECK(strstr(text, number));
	snprintf(framed, sizeof(framed), which == BH_PASSWD_NAME ? "%s:" : ":%s", value);
	CHECK(strstr(text, framed));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum bh_passwd_field fields[] = { BH_PASSWD_NAME, BH_PASSWD_UID,
						       BH_PASSWD_HOME };
	bh_auto_free char *text = NULL, *buf = NULL;
	uint32_t uid;
	size_t room;

	if (size < 5)
		return 0;
	memcpy(&uid, data, sizeof(uid));
	room = (size_t)data[4] + 1;
	text = strndup((const char *)data + 5, size - 5);
	buf = malloc(room); /* so that a sanitizer sees the first byte too many */
	if (!text || !buf)
		return 0;
	for (size_t i = 0; i < BH_ARRAY_SIZE(fields); i++)
		if (bh_passwd_find(text, uid, fields[i], buf, room))
			check_found(text, uid, fields[i], buf);
	return 0;
}
