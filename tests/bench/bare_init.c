/* SPDX-License-Identifier: Apache-2.0 */
/* The first process of a bare guest: says so on the console and ends the machine. */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

int main(void)
{
	static const char here[] = "bare init\n";
	int fd;

	(void)mount("dev", "/dev", "devtmpfs", 0, NULL);
	fd = open("/dev/console", O_WRONLY | O_CLOEXEC);
	(void)(write(fd, here, sizeof(here) - 1) < 0);
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}
