/* SPDX-License-Identifier: Apache-2.0 */
/* Source: pty(7), ioctl_tty(2) */
#include "cli/console.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>

#include "container/sync.h"

int bh_console_make(const char *path, int *ret_slave, struct bh_err *err)
{
	bh_auto_close int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave = -EBADF;
	struct termios raw;
	int unlocked = 0, r;

	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlocked) < 0)
		return bh_err_set(err, -errno, "make a terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &raw) < 0)
		return bh_err_set(err, -errno, "open the terminal");
	cfmakeraw(&raw);
	if (tcsetattr(slave, TCSANOW, &raw) < 0)
		return bh_err_set(err, -errno, "make the terminal raw");
	r = bh_sync_connect_send_fd(path, master, "/dev/ptmx", err);
	if (r < 0)
		return r;
	*ret_slave = bh_take_fd(&slave);
	return 0;
}

int bh_console_pair(int *ret_theirs, int *ret_ours, struct bh_err *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return bh_err_set(err, -errno, "make a socket pair for the terminal");
	*ret_theirs = ends[0];
	*ret_ours = ends[1];
	return 0;
}
