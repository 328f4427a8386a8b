/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csd BUNDLE ID RUNTIME [GLOBAL-OPTION...]: what an engine asks of a runtime for one short
 * container: create, start, delete --force, one after another. Linked statically so that it adds
 * next to nothing.
 *
 * It is the reaper of what the runtime leaves to it (the container's first process), as an engine's
 * shim is.
 */
#include "spawn.h"

#include <sys/prctl.h>

enum { ARGV_MAX = 64, VERB_ARGS_MAX = 6 };

static void verb(int nglobal, char *const global[], const char *const args[])
{
	char *argv[ARGV_MAX] = { 0 };
	struct rusage usage;
	int n = 0;

	for (; n < nglobal; n++)
		argv[n] = global[n];
	for (int i = 0; args[i] != NULL; i++)
		argv[n++] = (char *)args[i];

	int status = spawn_wait(argv, &usage);

	if (status != 0) {
		fprintf(stderr, "csd: %s exits %d\n", args[0], status);
		exit(1);
	}
}

int main(int argc, char *argv[])
{
	if (argc < 4 || argc - 3 > ARGV_MAX - VERB_ARGS_MAX) {
		fputs("usage: csd BUNDLE ID RUNTIME [GLOBAL-OPTION...]\n", stderr);
		return 2;
	}
	const char *bundle = argv[1];
	const char *id = argv[2];

	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
		perror("prctl");
		return 1;
	}
	verb(argc - 3, argv + 3, (const char *[]){ "create", "--bundle", bundle, id, NULL });
	verb(argc - 3, argv + 3, (const char *[]){ "start", id, NULL });
	verb(argc - 3, argv + 3, (const char *[]){ "delete", "--force", id, NULL });
	while (wait(NULL) > 0)
		;
	return 0;
}
