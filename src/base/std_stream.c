/* SPDX-License-Identifier: Apache-2.0 */
#include "base/std_stream.h"

#include <fcntl.h>
#include <stdbool.h>

const char *const bh_std_stream_names[] = { "standard input", "standard output", "standard error" };

int bh_std_stream_pipe(int stream, int *ret_theirs, int *ret_ours, struct bh_err *err)
{
	bool input = stream == STDIN_FILENO;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return bh_err_set(err, -errno, "make a pipe for %s", bh_std_stream_names[stream]);
	*ret_theirs = ends[input ? 0 : 1];
	*ret_ours = ends[input ? 1 : 0];
	if (fcntl(*ret_ours, F_SETFL, O_NONBLOCK) < 0)
		return bh_err_set(err, -errno, "make a pipe non-blocking");
	return 0;
}
