/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /init of the guest in which the monitor's driver is tested: it loads the modules in /modules, in
 * the order of /modules/list, says so on the console, and then does what is asked for on the serial
 * port, a word a line. Each answer is a line.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static FILE *port;

static void load_modules(void)
{
	char path[256];
	FILE *list = fopen("/modules/list", "re");

	while (list && fgets(path, sizeof(path), list)) {
		path[strcspn(path, "\n")] = '\0';
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (syscall(SYS_finit_module, fd, "", 0) < 0)
			printf("guest: cannot load %s: %m\n", path);
		close(fd);
	}
	if (list)
		fclose(list);
}

static void first_line(const char *path, char *buf, size_t size)
{
	FILE *file = fopen(path, "re");

	if (!file || !fgets(buf, (int)size, file))
		snprintf(buf, size, "?");
	buf[strcspn(buf, "\n")] = '\0';
	if (file)
		fclose(file);
}

/* "NAME=VALUE " for each entry of a directory below /sys, with the first line of a file in it. */
static void list(const char *dir_path, const char *file)
{
	char path[600], value[128];
	DIR *dir = opendir(dir_path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", dir_path, entry->d_name, file);
		first_line(path, value, sizeof(value));
		fprintf(port, "%s=%s ", entry->d_name, value);
	}
	if (dir)
		closedir(dir);
	fprintf(port, "\n");
}

static void do_disks(void)
{
	list("/sys/block", "size");
}

static void do_links(void)
{
	list("/sys/class/net", "address");
}

static void do_targets(void)
{
	list("/sys/bus/scsi/devices", "model");
}

/* The first word of the first disk, and then another in its place. */
static void do_swap(void)
{
	char word[512] = "";
	int fd = open("/dev/sda", O_RDWR | O_CLOEXEC | O_SYNC);

	if (fd < 0 || pread(fd, word, sizeof(word), 0) < 0) {
		fprintf(port, "failed: %m\n");
	} else {
		word[sizeof(word) - 1] = '\0';
		fprintf(port, "%s", word);
		memset(word, 0, sizeof(word));
		strcpy(word, "guest");
		fprintf(port, "%s\n", pwrite(fd, word, sizeof(word), 0) < 0 ? " failed" : "");
	}
	if (fd >= 0)
		close(fd);
}

static void do_uptime(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	fprintf(port, "%ld\n", ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

static void do_flood(void)
{
	static char line[4096];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	fprintf(port, "flooding\n");
	fflush(port);
	if (fork() > 0)
		return;
	for (;;)
		if (write(fileno(stdout), line, sizeof(line)) < 0)
			_exit(1);
}

static void do_colours(void)
{
	fputs("\033[31mred\033[0m bell\a tab\tend\r\n", stdout);
	fflush(stdout);
	fprintf(port, "done\n");
}

static void do_panic(void)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "c", 1) < 0)
		fprintf(port, "failed: %m\n");
}

static void do_reboot(void)
{
	reboot(RB_AUTOBOOT);
}

static const struct {
	const char *word;
	void (*fn)(void);
} verbs[] = {
	{ "colours", do_colours }, { "disks", do_disks },     { "flood", do_flood },
	{ "links", do_links },     { "panic", do_panic },     { "reboot", do_reboot },
	{ "swap", do_swap },       { "targets", do_targets }, { "uptime", do_uptime },
};

static void serve(void)
{
	char word[64];

	while (fgets(word, sizeof(word), port)) {
		word[strcspn(word, "\n")] = '\0';
		for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
			if (!strcmp(word, verbs[i].word))
				verbs[i].fn();
		fflush(port);
	}
}

/* The only one; its number is that of the controller among all devices. */
static FILE *find_port(void)
{
	char path[300];
	DIR *dir = opendir("/dev");
	struct dirent *entry;
	FILE *file = NULL;

	while (dir && !file && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		if (!strncmp(entry->d_name, "vport", 5))
			file = fopen(path, "r+e");
	}
	if (dir)
		closedir(dir);
	return file;
}

int main(void)
{
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	/* The kernel found no /dev/console to give us. */
	if (!freopen("/dev/console", "w", stdout))
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("guest: init runs\n");
	load_modules();
	for (int i = 0; !port && i < 100; i++, usleep(10000))
		port = find_port();
	if (!port) {
		printf("guest: no port: %m\n");
		return 1;
	}
	setvbuf(port, NULL, _IOLBF, 0);
	fprintf(port, "ready\n");
	fflush(port);
	serve();
	printf("guest: the port is closed: %m\n");
	return 0;
}
