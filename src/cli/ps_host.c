/* SPDX-License-Identifier: Apache-2.0 */
/* A table of a container's processes: what ps(1) says of all, less the lines of others. */
#include <stdlib.h>
#include <string.h>

#include "base/capture.h"
#include "base/option.h"
#include "base/quantity.h"
#include "cli/runtime.h"

struct pids {
	pid_t *v;
	size_t n;
};

static bool has_pid(const struct pids *pids, int64_t pid)
{
	for (size_t i = 0; i < pids->n; i++)
		if (pids->v[i] == pid)
			return true;
	return false;
}

/* The @index-th word of @line, and its length. Return: NULL when there are fewer. */
static const char *word_at(const char *line, size_t index, size_t *ret_len)
{
	static const char blanks[] = " \t";

	for (;; index--) {
		line += strspn(line, blanks);
		*ret_len = strcspn(line, blanks);
		if (!*ret_len)
			return NULL;
		if (!index)
			return line;
		line += *ret_len;
	}
}

static int find_pid_column(const char *title, size_t *ret, struct bh_err *err)
{
	const char *word;
	size_t len;

	for (size_t i = 0; (word = word_at(title, i, &len)); i++)
		if (len == 3 && !memcmp(word, "PID", 3)) {
			*ret = i;
			return 0;
		}
	return bh_err_as(err, BH_ERR_PEER, -EBADMSG, "couldn't find PID field in ps output");
}

static int line_pid(const char *line, size_t column, int64_t *ret, struct bh_err *err)
{
	char number[24];
	const char *word;
	size_t len;

	word = word_at(line, column, &len);
	if (word && len < sizeof(number)) {
		memcpy(number, word, len);
		number[len] = '\0';
		if (bh_quantity_i64(number, ret) == 0)
			return 0;
	}
	return bh_err_as(err, BH_ERR_PEER, -EBADMSG, "unable to parse pid in '%s'", line);
}

/* The title and the lines of the container's processes out of what ps(1) said of all. */
static int filter(char *text, const struct pids *pids, struct bh_buf *out, struct bh_err *err)
{
	char *save = NULL, *line = strtok_r(text, "\n", &save);
	size_t column = 0;
	int r = find_pid_column(line ? line : "", &column, err);

	if (r < 0)
		return r;
	bh_buf_printf(out, "%s\n", line);
	while ((line = strtok_r(NULL, "\n", &save))) {
		int64_t pid;

		r = line_pid(line, column, &pid, err);
		if (r < 0)
			return r;
		if (has_pid(pids, pid))
			bh_buf_printf(out, "%s\n", line);
	}
	return 0;
}

int bh_ps_host(const struct bh_container *c, const struct bh_strv *args, struct bh_buf *out,
	       struct bh_err *err)
{
	static const char *const all[] = { "ps", "-ef", NULL };
	bh_auto_free const char **argv = NULL;
	bh_auto_free char *text = NULL;
	struct pids pids = { .v = NULL };
	int r;

	if (args->n > 1) {
		argv = calloc(args->n + 1, sizeof(*argv));
		if (!argv)
			return bh_err_oom(err);
		argv[0] = all[0];
		memcpy(argv + 1, args->v + 1, (args->n - 1) * sizeof(*argv));
	}
	r = bh_container_pids(c, &pids.v, &pids.n, err);
	if (r == 0)
		r = bh_capture(argv ? argv : (const char **)all, &text, err);
	if (r == 0)
		r = filter(text, &pids, out, err);
	free(pids.v);
	return r;
}
