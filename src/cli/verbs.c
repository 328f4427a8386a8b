/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verbs.h"

#include <limits.h>
#include <string.h>

#include "base/path.h"
#include "cli/help.h"

const struct bh_verb *const bh_verbs[] = {
	&bh_verb_admit,      &bh_verb_check,
	&bh_verb_checkpoint, &bh_verb_config,
	&bh_verb_create,     &bh_verb_delete,
	&bh_verb_events,     &bh_verb_exec,
	&bh_verb_kill,       &bh_verb_list,
	&bh_verb_metrics,    &bh_verb_node,
	&bh_verb_pause,      &bh_verb_pod,
	&bh_verb_ps,         &bh_verb_restore,
	&bh_verb_resume,     &bh_verb_run,
	&bh_verb_spec,       &bh_verb_start,
	&bh_verb_state,      &bh_verb_update,
	&bh_verb_features,   &bh_verb_completion,
	&bh_verb_help,       NULL,
};

const struct bh_verb *bh_verb_find(const char *name)
{
	for (const struct bh_verb *const *v = bh_verbs; *v; v++)
		if (!strcmp((*v)->name, name))
			return *v;
	return !strcmp(name, "h") ? &bh_verb_help : NULL;
}

struct bh_container *bh_cli_container(const struct bh_cli *cli, const struct bh_strv *args,
				      struct bh_err *err)
{
	if (!args->n || !*args->v[0]) {
		bh_err_as(err, BH_ERR_SPEC, -EINVAL, "container id cannot be empty");
		return NULL;
	}
	for (size_t i = 0; i < cli->roots.n; i++) {
		struct bh_container *c = bh_container_load(cli->roots.v[i], args->v[0], err);

		if (c || err->code != -ENOENT)
			return c;
	}
	return NULL;
}

const char *bh_cli_absolute(struct bh_cli *cli, const char *path, struct bh_err *err)
{
	char cwd[PATH_MAX], *absolute;

	if (*path == '/') {
		absolute = bh_arena_strdup(&cli->arena, path);
	} else {
		if (!getcwd(cwd, sizeof(cwd))) {
			bh_err_set(err, -errno, "find the working directory");
			return NULL;
		}
		absolute = bh_arena_printf(&cli->arena, "%s/%s", cwd, path);
	}
	if (!absolute) {
		bh_err_oom(err);
		return NULL;
	}
	bh_path_clean(absolute);
	return absolute;
}
