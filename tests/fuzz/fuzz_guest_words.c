/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest says to an administrator: its console is harmless on a terminal, in whatever pieces
 * it comes; its errors are UTF-8; figures of a container are numbers or are not believed. */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/harmless.h"
#include "fuzz.h"
#include "node/internal.h"

#define CHECK(what)              \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static void console(const char *data, size_t size)
{
	struct bh_harmless whole = { .escape = BH_ESCAPE_NONE }, pieces = whole;
	bh_auto_buf struct bh_buf a = BH_BUF_INIT, b = BH_BUF_INIT;

	bh_harmless_add(&whole, data, size, &a);
	bh_harmless_add(&pieces, data, size / 2, &b);
	bh_harmless_add(&pieces, data + size / 2, size - size / 2, &b);
	CHECK(a.len == b.len && a.len <= size);
	CHECK(a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
	for (size_t i = 0; i < a.len; i++)
		CHECK(a.data[i] == '\n' || (a.data[i] >= ' ' && a.data[i] <= '~'));
}

/* As in a message to an engine, which drops one that is no UTF-8. */
static void text(const char *data, size_t size)
{
	bh_auto_free char *said = strndup(data, size), *again = NULL;

	CHECK(said);
	bh_harmless_text(said);
	for (const char *p = said; *p; p++) {
		CHECK((unsigned char)*p >= ' ' || *p == '\n' || *p == '\t');
		CHECK(*p != 0x7f && !(p[0] == '\302' && (unsigned char)p[1] < 0xa0));
	}
	CHECK((again = strdup(said)));
	CHECK(mbstowcs(NULL, said, 0) != (size_t)-1);
	CHECK(strcmp(bh_harmless_text(again), said) == 0);
}

static void figures(const char *data, size_t size)
{
	struct bh_node_container c = { .id = "c", .memory = 1, .cpu_usec = 1 };

	if (!bh_node_stats(data, size, &c))
		CHECK(c.memory == 1 && c.cpu_usec == 1);
}

__attribute__((constructor)) static void speak_utf8(void)
{
	setlocale(LC_CTYPE, "C.UTF-8");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	console((const char *)data, size);
	figures((const char *)data, size);
	text((const char *)data, size);
	return 0;
}
