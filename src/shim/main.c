/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd-shim-bulkhead-v2, and by its second name containerd-shim-bulkhead-kata-v2: started by
 * containerd, not by hand.
 *
 *	-namespace NS -address SOCKET -id ID … start    have the pod served, print the address
 *	-namespace NS … -id ID -bundle DIR … delete     undo what is left of a container
 *	-info                                           tell what the runtime can do
 *	-v                                              tell the version
 *
 * The process that serves is this program once more, with the action `serve`.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "container/commit.h"
#include "container/container.h"
#include "shim/shim.h"

struct flag {
	const char *name;
	const char **text;
	bool *set; /* a flag without a value */
};

/* What other flags there are, and whether they have values, later versions of containerd decide. */
static int set_flag(const struct flag *flags, size_t n, char **argv, int *at, struct bh_err *err)
{
	const char *name = argv[*at] + 1;
	size_t len;

	name += *name == '-';
	len = strcspn(name, "=");
	for (size_t i = 0; i < n; i++) {
		if (strlen(flags[i].name) != len || strncmp(flags[i].name, name, len) != 0)
			continue;
		if (flags[i].set)
			*flags[i].set = name[len] != '=' || strcmp(name + len, "=true") == 0;
		else if (name[len] == '=')
			*flags[i].text = name + len + 1;
		else if (argv[*at + 1])
			*flags[i].text = argv[++*at];
		else
			return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "flag -%s needs a value",
					 flags[i].name);
		return 0;
	}
	return 0;
}

/* Flags come first, the action last. */
static int parse(int argc, char **argv, struct bh_shim_call *call, struct bh_err *err)
{
	const char *ignored;
	const struct flag flags[] = {
		{ "namespace", &call->name_space, NULL },
		{ "id", &call->id, NULL },
		{ "address", &call->address, NULL },
		{ "bundle", &call->bundle, NULL },
		{ "publish-binary", &ignored, NULL },
		{ "socket", &ignored, NULL },
		{ "debug", NULL, &call->debug },
		{ "info", NULL, &call->info },
		{ "v", NULL, &call->version },
	};
	int r = 0;

	if (argc > 1 && argv[argc - 1][0] != '-')
		call->action = argv[--argc];
	for (int i = 1; r == 0 && i < argc; i++)
		if (argv[i][0] == '-')
			r = set_flag(flags, BH_ARRAY_SIZE(flags), argv, &i, err);
	return r;
}

/* The name space becomes a folder, as the container's id does. */
static int check(const struct bh_shim_call *call, struct bh_err *err)
{
	if (!call->name_space || bh_container_id_check(call->name_space, err) < 0)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "-namespace '%s' is none",
				 call->name_space ? call->name_space : "");
	if (!call->id)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "-id is missing");
	return bh_container_id_check(call->id, err);
}

static int act(const struct bh_shim_call *call, char **argv, struct bh_err *err)
{
	int r;

	if (call->info)
		return bh_shim_info(call, err);
	r = check(call, err);
	if (r < 0)
		return r;
	if (strcmp(call->action, "start") == 0)
		return bh_shim_start(call, argv, err);
	if (strcmp(call->action, "serve") == 0)
		return bh_shim_serve(call, argv, err);
	if (strcmp(call->action, "delete") == 0)
		return bh_shim_delete(call, err);
	return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "start or delete is wanted, not '%s'",
			 call->action);
}

int main(int argc, char **argv)
{
	char text[BH_ERR_LINE_BYTES], cwd[PATH_MAX];
	struct bh_err err = BH_ERR_INIT;
	struct bh_shim_call call = { .action = "", .ttrpc_address = getenv("TTRPC_ADDRESS") };
	int r;

	if (argc < 1)
		return EXIT_FAILURE;
	call.program = argv[0];
	r = parse(argc, argv, &call, &err);
	if (r == 0 && call.version) {
		printf("%s:\n  Version:  %s\n  Revision: %s\n", argv[0], BH_VERSION, BH_COMMIT);
		return EXIT_SUCCESS;
	}
	if (!call.bundle)
		call.bundle = getcwd(cwd, sizeof(cwd));
	if (r == 0 && !call.bundle)
		r = bh_err_set(&err, -errno, "find the working directory");
	r = r < 0 ? r : act(&call, argv, &err);
	if (r == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "%s\n", bh_err_format(&err, text, sizeof(text)));
	return EXIT_FAILURE;
}
