/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peak OUT COMMAND [ARG...]: run COMMAND, write the peak resident set (KiB) of it and of the
 * children it waited for to OUT, and exit as it did.
 *
 * The kernel counts the memory of the program that called execve(2) into the peak of what it
 * became, so whoever starts COMMAND sets a lower bound on the figure. Linked statically, this one
 * stays under 1 MiB.
 */
#include "spawn.h"

int main(int argc, char *argv[])
{
	struct rusage usage = { 0 };

	if (argc < 3) {
		fputs("usage: peak OUT COMMAND [ARG...]\n", stderr);
		return 2;
	}
	int status = spawn_wait(argv + 2, &usage);
	FILE *out = fopen(argv[1], "w");

	if (out == NULL || fprintf(out, "%ld\n", usage.ru_maxrss) < 0 || fclose(out) != 0) {
		perror(argv[1]);
		return 127;
	}
	return status;
}
