/* SPDX-License-Identifier: Apache-2.0 */
#include "container/environment.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/passwd.h"

#define EXTRA_NAMES 3 /* LISTEN_FDS, LISTEN_PID, HOME */
#define EXTRA_BYTES (PATH_MAX + 64)

struct variable {
	const char *text;
	size_t name_len, index;
};

/* By name; of one name the last comes first. */
static int compare(const void *left, const void *right)
{
	const struct variable *a = left, *b = right;
	size_t len = a->name_len < b->name_len ? a->name_len : b->name_len;
	int order = memcmp(a->text, b->text, len);

	if (order)
		return order;
	if (a->name_len != b->name_len)
		return a->name_len < b->name_len ? -1 : 1;
	return a->index > b->index ? -1 : 1;
}

static bool same_name(const struct variable *a, const struct variable *b)
{
	return a->name_len == b->name_len && memcmp(a->text, b->text, a->name_len) == 0;
}

/* Copies what counts of @env to @v, in its order. Return: how many, or -ENOMEM */
static ssize_t copy_last(const struct bh_strv *env, char **v)
{
	bh_auto_free struct variable *sorted = calloc(env->n + 1, sizeof(*sorted));
	size_t n = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < env->n; i++)
		sorted[i] = (struct variable){ env->v[i], strcspn(env->v[i], "="), i };
	qsort(sorted, env->n, sizeof(*sorted), compare);
	for (size_t i = 0; i < env->n; i++)
		if (i == 0 || !same_name(&sorted[i - 1], &sorted[i]))
			v[sorted[i].index] = (char *)sorted[i].text;
	for (size_t i = 0; i < env->n; i++)
		if (v[i] && strcmp(v[i], "HOME=") != 0)
			v[n++] = v[i];
	return (ssize_t)n;
}

/* "HOME=…" into @buf. */
static void put_home(uid_t uid, struct bh_finds *finds, char *buf, size_t size)
{
	const size_t prefix = strlen("HOME=");

	snprintf(buf, size, "HOME=");
	if (bh_finds_home(finds, uid, buf + prefix, size - prefix))
		return;
	bh_finds_look_home(finds);
	if (bh_passwd_home(uid, buf + prefix, size - prefix))
		bh_finds_keep_home(finds, uid, buf + prefix);
}

char **bh_env_make(const struct bh_process *process, int listen_fds, struct bh_finds *finds,
		   struct bh_err *err)
{
	const size_t pointers = (process->env.n + EXTRA_NAMES + 1) * sizeof(char *);
	char **v = calloc(1, pointers + EXTRA_BYTES), *extra;
	ssize_t n = v ? copy_last(&process->env, v) : -ENOMEM;

	if (n < 0) {
		free(v);
		bh_err_oom(err);
		return NULL;
	}
	extra = (char *)v + pointers;
	if (listen_fds) {
		v[n++] = extra;
		extra += snprintf(extra, 32, "LISTEN_FDS=%d", listen_fds) + 1;
		v[n++] = (char *)"LISTEN_PID=1";
	}
	v[n] = NULL;
	if (!bh_env_value(v, "HOME")) {
		v[n++] = extra;
		put_home(process->user.uid, finds, extra, PATH_MAX + 8);
		v[n] = NULL;
	}
	return v;
}

void bh_env_forget(char **env)
{
	for (; *env; env++)
		explicit_bzero(*env, strlen(*env));
}

const char *bh_env_value(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t n = 0; env && env[n]; n++)
		if (strncmp(env[n], name, len) == 0 && env[n][len] == '=')
			return env[n] + len + 1;
	return NULL;
}
