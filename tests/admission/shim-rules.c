/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server of a pod makes of a document: a line of standard input each, answered by a line
 * of JSON with what is refused and what is warned of.
 */
#include <stdio.h>
#include <string.h>

#include "base/json_writer.h"
#include "base/log.h"
#include "pod/vm/size.h"

static void answer(const struct bh_findings *found, struct bh_buf *out)
{
	struct bh_json_writer w = { .out = out };

	bh_json_open(&w, NULL, '{');
	for (int refused = 1; refused >= 0; refused--) {
		bh_json_open(&w, refused ? "deny" : "warn", '[');
		for (size_t i = 0; i < found->n; i++)
			if (found->v[i].refused == refused)
				bh_json_text(&w, NULL, found->v[i].text);
		bh_json_close(&w, ']');
	}
	bh_json_close(&w, '}');
}

static int judge(const char *document, size_t len, struct bh_err *err)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_spec spec = { .oci_version = NULL };
	struct bh_findings found;
	struct bh_demand demand;
	int r = bh_spec_parse(&arena, document, len, &spec, err);

	r = r < 0 ? r : bh_vm_demand(&spec, &demand, err);
	if (r < 0)
		return r;
	bh_rules_judge(&demand, NULL, &found);
	/* The same is what bh_vm_admit() decides by. */
	if ((bh_vm_admit(&spec, "id", NULL, err) < 0) != found.refused)
		return bh_err_as(err, BH_ERR_BUG, -EIO, "the verdict is another one");
	answer(&found, &out);
	puts(bh_buf_str(&out));
	return 0;
}

int main(void)
{
	struct bh_err err = BH_ERR_INIT;
	bh_auto_free char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (bh_log_open("/dev/null", BH_LOG_TEXT, BH_LOG_ERROR, &err) < 0)
		return 1;
	while ((len = getline(&line, &size, stdin)) > 0)
		if (judge(line, (size_t)len, &err) < 0) {
			fprintf(stderr, "shim-rules: %s\n", err.text);
			return 1;
		}
	return 0;
}
