/* SPDX-License-Identifier: Apache-2.0 */
#include "container/terminal.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>

#include "base/path.h"

void bh_terminal_deinit(struct bh_terminal *terminal)
{
	terminal->master = bh_close(terminal->master);
	terminal->slave = bh_close(terminal->slave);
}

/* An image can put anything at /dev/pts/ptmx; only the device of a devpts will do. */
static int check_ptmx(int fd, struct bh_err *err)
{
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return bh_err_set(err, -errno, "stat /dev/pts/ptmx");
	if (fs.f_type != DEVPTS_SUPER_MAGIC || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
		return bh_err_as(err, BH_ERR_SPEC, -ENOTTY,
				 "/dev/pts/ptmx is not a terminal multiplexer: does the container "
				 "mount a devpts at /dev/pts?");
	return 0;
}

static int set_up(int fd, const struct bh_console_size *size, bool newlines)
{
	struct winsize ws = { .ws_row = (unsigned short)size->height,
			      .ws_col = (unsigned short)size->width };
	struct termios t;

	if (tcgetattr(fd, &t) < 0)
		return -errno;
	t.c_oflag &= ~(tcflag_t)ONLCR;
	if (!newlines && tcsetattr(fd, TCSANOW, &t) < 0)
		return -errno;
	if ((size->height || size->width) && ioctl(fd, TIOCSWINSZ, &ws) < 0)
		return -errno;
	return 0;
}

int bh_terminal_open(int root_fd, int proc_fd, const struct bh_console_size *size,
		     const struct bh_process_io *io, struct bh_terminal *terminal,
		     struct bh_err *err)
{
	struct bh_terminal t = BH_TERMINAL_INIT;
	bh_auto_close int probe =
		bh_path_open(root_fd, "dev/pts/ptmx", O_PATH | O_NOFOLLOW, 0, BH_PATH_IN_ROOT, err);
	bool from_caller = io->console_size.height || io->console_size.width;
	char path[32];
	int unlock = 0, r;

	if (probe < 0)
		return bh_err_ctx(err, "terminal");
	r = check_ptmx(probe, err);
	if (r < 0)
		return r;
	/* What was checked is what is opened. */
	snprintf(path, sizeof(path), "self/fd/%d", probe);
	t.master = openat(proc_fd, path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (t.master < 0)
		return bh_err_set(err, -errno, "open /dev/pts/ptmx");
	if (ioctl(t.master, TIOCSPTLCK, &unlock) < 0)
		r = bh_err_set(err, -errno, "unlock terminal");
	if (r == 0) {
		t.slave = ioctl(t.master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (t.slave < 0)
			r = bh_err_set(err, -errno, "open the terminal's peer");
	}
	if (r == 0) {
		r = set_up(t.slave, from_caller ? &io->console_size : size,
			   io->console_socket || io->newlines);
		if (r < 0)
			r = bh_err_set(err, r, "set up terminal");
	}
	if (r < 0)
		bh_terminal_deinit(&t);
	else
		*terminal = t;
	return r;
}

int bh_terminal_control(int fd, struct bh_err *err)
{
	return ioctl(fd, TIOCSCTTY, 0) < 0
		       ? bh_err_set(err, -errno, "make it the controlling terminal")
		       : 0;
}

int bh_terminal_attach(struct bh_terminal *terminal, uid_t uid, struct bh_err *err)
{
	/* An unmapped owner or a read-only devpts is no reason to fail: the descriptor is open. */
	if (fchown(terminal->slave, uid, (gid_t)-1) < 0 && errno != EPERM && errno != EINVAL &&
	    errno != EROFS)
		return bh_err_set(err, -errno, "change the terminal's owner");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(terminal->slave, fd) < 0)
			return bh_err_set(err, -errno, "dup2 terminal");
	return 0;
}
