/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main() for a fuzz target without libFuzzer: feeds it every file of the directories, and every
 * file, named on the command line, by default the target's seeds, so that any compiler replays them
 * as a test. Prints TAP; a broken promise aborts below the name of its file.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "re");
	struct stat st;
	uint8_t *data;
	size_t size;

	if (!file || fstat(fileno(file), &st)) {
		perror(path);
		exit(1);
	}
	/* Exactly as large as the input, so that a sanitizer sees the first byte too many. */
	data = malloc((size_t)st.st_size);
	size = data ? fread(data, 1, (size_t)st.st_size, file) : 0;
	fclose(file);
	if (size != (size_t)st.st_size) {
		fprintf(stderr, "%s: read %zu of %lld bytes\n", path, size, (long long)st.st_size);
		exit(1);
	}
	printf("# %s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 1;
}

static int replay(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0;

	if (!dir)
		return replay_file(path);
	while ((entry = readdir(dir))) {
		char file[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		n += replay_file(file);
	}
	closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	int n = 0;

	if (argc < 2)
		n = replay(BH_SEEDS);
	for (int i = 1; i < argc; i++)
		n += replay(argv[i]);
	printf("1..1\n%s 1 - %s: %d inputs\n", n ? "ok" : "not ok", program_invocation_short_name,
	       n);
	return n ? 0 : 1;
}
