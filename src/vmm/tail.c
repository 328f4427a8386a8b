/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/tail.h"

#include <stdbool.h>
#include <string.h>

#include "base/harmless.h"

int bh_tail_init(struct bh_tail *tail, size_t size)
{
	*tail = (struct bh_tail){ .data = malloc(size), .size = size };
	return tail->data ? 0 : -ENOMEM;
}

void bh_tail_deinit(struct bh_tail *tail)
{
	free(tail->data);
	*tail = (struct bh_tail){ .data = NULL };
}

void bh_tail_add(struct bh_tail *tail, const char *data, size_t len)
{
	if (len > tail->size) {
		data += len - tail->size;
		len = tail->size;
	}
	while (len > 0) {
		size_t room = tail->size - tail->at, n = len < room ? len : room;

		memcpy(tail->data + tail->at, data, n);
		tail->at = (tail->at + n) % tail->size;
		tail->len = tail->len + n < tail->size ? tail->len + n : tail->size;
		data += n;
		len -= n;
	}
}

/* ---- reading --------------------------------------------------------------------------------- */

/* All that is held, cleaned, without empty lines. */
static void clean(const struct bh_tail *tail, struct bh_buf *out)
{
	size_t first = tail->len < tail->size ? 0 : tail->at;
	struct bh_harmless text = { .escape = BH_ESCAPE_NONE };
	bool blank = true; /* nothing in this line yet */

	for (size_t i = 0; i < tail->len; i++) {
		char c = bh_harmless_byte(&text, tail->data[(first + i) % tail->size]);

		if (!c || (c == '\n' && blank))
			continue;
		bh_buf_add(out, &c, 1);
		blank = c == '\n';
	}
	if (!blank)
		bh_buf_puts(out, "\n");
}

void bh_tail_lines(const struct bh_tail *tail, size_t lines, struct bh_buf *out)
{
	bh_auto_buf struct bh_buf text = BH_BUF_INIT;
	size_t at;

	clean(tail, &text);
	at = text.len;
	while (at > 0 && lines > 0) {
		at--;
		while (at > 0 && text.data[at - 1] != '\n')
			at--;
		lines--;
	}
	if (text.len)
		bh_buf_add(out, text.data + at, text.len - at);
}

void bh_tail_line(const struct bh_tail *tail, size_t lines, struct bh_buf *out)
{
	bh_auto_buf struct bh_buf text = BH_BUF_INIT;

	bh_tail_lines(tail, lines, &text);
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] != '\n')
			bh_buf_add(out, text.data + i, 1);
		else if (i + 1 < text.len)
			bh_buf_puts(out, "; ");
	}
}
