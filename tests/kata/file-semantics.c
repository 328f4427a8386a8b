/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a file system must do for a container, tried in a directory: prints a line "ok NAME" or
 * "not ok NAME: why" for each, and returns 1 when one failed. Static, so that it runs in any image.
 *
 *	file-semantics DIR [NAME…]	all, or those named
 *
 * Runs on a directory of the host's as well, which must pass.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define SMALL_FILES 10000
#define BIG_BYTES   (INT64_C(1) << 30)
#define RENAMES     2000
#define BLOCK       (1 << 20)

static char why[256];

/* Ends the test at hand. */
#define NEED(what)                                                                     \
	do {                                                                           \
		if (!(what)) {                                                         \
			snprintf(why, sizeof(why), "line %d: %s: %s", __LINE__, #what, \
				 strerror(errno));                                     \
			return false;                                                  \
		}                                                                      \
		errno = 0;                                                             \
	} while (0)

static bool put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return written;
}

static bool holds(const char *name, const char *text)
{
	char buf[256] = "";
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		close(fd);
	return len >= 0 && !strcmp(buf, text);
}

static bool small_files(void)
{
	char name[64], text[64];

	for (int i = 0; i < SMALL_FILES; i++) {
		snprintf(name, sizeof(name), "d%d", i / 100);
		if (i % 100 == 0)
			NEED(!mkdir(name, 0755));
		snprintf(name, sizeof(name), "d%d/f%d", i / 100, i);
		snprintf(text, sizeof(text), "content of %d", i);
		NEED(put(name, text));
	}
	for (int i = 0; i < SMALL_FILES; i++) {
		snprintf(name, sizeof(name), "d%d/f%d", i / 100, i);
		snprintf(text, sizeof(text), "content of %d", i);
		NEED(holds(name, text));
	}
	for (int i = 0; i < SMALL_FILES; i++) {
		snprintf(name, sizeof(name), "d%d/f%d", i / 100, i);
		NEED(!unlink(name));
	}
	for (int i = 0; i < SMALL_FILES / 100; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		NEED(!rmdir(name));
	}
	return true;
}

/* A block that no other block equals. */
static void fill(uint64_t *block, uint64_t number)
{
	uint64_t x = number * 0x9e3779b97f4a7c15 + 1;

	for (size_t i = 0; i < BLOCK / sizeof(*block); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		block[i] = x;
	}
}

static bool big_file(void)
{
	static uint64_t block[BLOCK / sizeof(uint64_t)], again[BLOCK / sizeof(uint64_t)];
	int fd = open("big", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	struct stat st;

	NEED(fd >= 0);
	for (int64_t at = 0; at < BIG_BYTES; at += BLOCK) {
		fill(block, (uint64_t)at);
		NEED(write(fd, block, BLOCK) == BLOCK);
	}
	NEED(!fsync(fd) && !fstat(fd, &st) && st.st_size == BIG_BYTES);
	NEED(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	for (int64_t at = 0; at < BIG_BYTES; at += BLOCK) {
		fill(block, (uint64_t)at);
		NEED(pread(fd, again, BLOCK, at) == BLOCK && !memcmp(block, again, BLOCK));
	}
	NEED(!close(fd) && !unlink("big"));
	return true;
}

static bool hard_links(void)
{
	struct stat one, two;

	NEED(put("link1", "x") && !link("link1", "link2"));
	NEED(!stat("link1", &one) && !stat("link2", &two));
	NEED(one.st_ino == two.st_ino && two.st_nlink == 2);
	NEED(put("link2", "changed") && holds("link1", "changed"));
	NEED(!unlink("link1") && !stat("link2", &two) && two.st_nlink == 1);
	NEED(!unlink("link2"));
	return true;
}

static bool xattrs(void)
{
	char value[64] = "";

	NEED(put("xattr", ""));
	NEED(!setxattr("xattr", "user.color", "blue", 4, 0));
	NEED(getxattr("xattr", "user.color", value, sizeof(value)) == 4 &&
	     !memcmp(value, "blue", 4));
	NEED(listxattr("xattr", value, sizeof(value)) >= (ssize_t)sizeof("user.color"));
	NEED(!removexattr("xattr", "user.color"));
	NEED(getxattr("xattr", "user.color", value, sizeof(value)) < 0 && errno == ENODATA);
	NEED(!unlink("xattr"));
	return true;
}

struct acl {
	uint32_t version; /* 2; all little-endian, as the machine is */
	struct {
		uint16_t tag, perm; /* 1 owner, 2 user, 4 group, 8 a group, 16 mask, 32 others */
		uint32_t id;
	} entries[5];
};
#define ACL_OF(user, may)                                                            \
	{                                                                            \
		2,                                                                   \
		{                                                                    \
			{ 1, 6, -1 }, { 2, may, user }, { 4, 0, -1 }, { 16, 6, -1 }, \
			{                                                            \
				32, 0, -1                                            \
			}                                                            \
		}                                                                    \
	}

/* Whether a process of user and group @id can open "DIR/listed" with @flags. */
static bool opens(uint32_t id, int flags)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(setgroups(0, NULL) || setresgid(id, id, id) || setresuid(id, id, id) ||
		      open("listed", flags | O_CLOEXEC) < 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Access lists: one user may, who by the mode alone might not; the group may not, although its bits
 * in the mode are those of the mask. A directory's list for what will be in it takes the umask's
 * place. */
static bool access_lists(void)
{
	const struct acl one = ACL_OF(1234, 6), inherited = ACL_OF(4321, 7);
	struct acl found;
	struct stat st;

	NEED(put("listed", "x") && !chmod("listed", 0600) && !chown("listed", 0, 5678));
	NEED(!opens(1234, O_RDWR));
	NEED(!setxattr("listed", "system.posix_acl_access", &one, sizeof(one), 0));
	NEED(getxattr("listed", "system.posix_acl_access", &found, sizeof(found)) == sizeof(one));
	NEED(!memcmp(&found, &one, sizeof(one)));
	NEED(!stat("listed", &st) && (st.st_mode & 0777) == 0660);
	NEED(opens(1234, O_RDWR) && !opens(5678, O_RDONLY) && !opens(4321, O_RDONLY));
	NEED(!chmod("listed", 0640) && opens(1234, O_RDONLY) && !opens(1234, O_RDWR));
	NEED(!unlink("listed"));

	NEED(!mkdir("lists", 0777) &&
	     !setxattr("lists", "system.posix_acl_default", &inherited, sizeof(inherited), 0));
	umask(077);
	NEED(put("lists/new", "") && !mkdir("lists/dir", 0777));
	umask(022);
	NEED(!stat("lists/new", &st) && (st.st_mode & 0777) == 0640);
	NEED(getxattr("lists/new", "system.posix_acl_access", &found, sizeof(found)) ==
		     sizeof(found) &&
	     found.entries[1].id == 4321);
	NEED(getxattr("lists/dir", "system.posix_acl_default", &found, sizeof(found)) ==
	     sizeof(found));
	NEED(put("plain", "") && !stat("plain", &st) && (st.st_mode & 0777) == 0644);
	umask(077);
	NEED(put("private", "") && !stat("private", &st) && (st.st_mode & 0777) == 0600);
	umask(022);
	NEED(!unlink("plain") && !unlink("private"));
	NEED(!unlink("lists/new") && !rmdir("lists/dir") && !rmdir("lists"));
	return true;
}

/* What file capabilities are made of: getcap(8) of an image's ping. */
static bool file_capabilities(void)
{
	/* struct vfs_cap_data, version 2: cap_net_raw, effective */
	static const unsigned char caps[20] = { 1, 0, 0, 2, 0, 0x20 };
	unsigned char value[32];

	NEED(put("caps", ""));
	NEED(!setxattr("caps", "security.capability", caps, sizeof(caps), 0));
	NEED(getxattr("caps", "security.capability", value, sizeof(value)) == sizeof(caps));
	NEED(!memcmp(value, caps, sizeof(caps)));
	NEED(!unlink("caps"));
	return true;
}

static bool holes(void)
{
	int fd = open("sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	struct stat st;
	char byte = 1;

	NEED(fd >= 0 && pwrite(fd, "end", 3, 64 << 20) == 3);
	NEED(!fsync(fd) && !fstat(fd, &st) && st.st_size == (64 << 20) + 3);
	NEED(st.st_blocks * 512 < 1 << 20);
	NEED(pread(fd, &byte, 1, 1 << 20) == 1 && byte == 0);
	NEED(lseek(fd, 0, SEEK_DATA) > 0);
	NEED(!fallocate(fd, 0, 0, 1 << 20) && !fstat(fd, &st) && st.st_blocks * 512 >= 1 << 20);
	NEED(!close(fd) && !unlink("sparse"));
	return true;
}

static bool ownership(void)
{
	struct stat st;
	pid_t pid;
	int status;

	NEED(put("owned", "") && !chown("owned", 1234, 5678) && !chmod("owned", 04755));
	NEED(!stat("owned", &st) && st.st_uid == 1234 && st.st_gid == 5678);
	NEED((st.st_mode & 07777) == 04755);
	NEED(!mkdir("theirs", 0777) && !chmod("theirs", 02777) && !chown("theirs", 0, 77));
	pid = fork();
	if (!pid) {
		/* Made by somebody else, in a directory that gives its group. */
		if (setgid(2000) || setuid(1000) || !put("theirs/mine", "x"))
			_exit(1);
		_exit(!(chown("theirs/mine", 0, 0) < 0 && errno == EPERM));
	}
	NEED(waitpid(pid, &status, 0) == pid && status == 0);
	NEED(!stat("theirs/mine", &st) && st.st_uid == 1000 && st.st_gid == 77);
	/* Writing takes the set-user-id bit away from who may not set it. */
	NEED(!chmod("owned", 04777));
	pid = fork();
	if (!pid) {
		int fd;

		if (setgid(2000) || setuid(1000))
			_exit(1);
		fd = open("owned", O_WRONLY | O_CLOEXEC);
		_exit(fd < 0 || write(fd, "x", 1) != 1);
	}
	NEED(waitpid(pid, &status, 0) == pid && status == 0);
	NEED(!stat("owned", &st) && !(st.st_mode & S_ISUID));
	NEED(!unlink("theirs/mine") && !rmdir("theirs") && !unlink("owned"));
	return true;
}

static bool direct(void)
{
	int fd = open("direct", O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0644);
	char *block = aligned_alloc(4096, 8192);

	NEED(fd >= 0 && block);
	memset(block, 'd', 8192);
	NEED(pwrite(fd, block, 8192, 4096) == 8192);
	memset(block, 0, 8192);
	NEED(pread(fd, block, 4096, 8192) == 4096 && block[0] == 'd' && block[4095] == 'd');
	free(block);
	NEED(!close(fd) && !unlink("direct"));
	return true;
}

static bool mapped(void)
{
	int fd = open("mapped", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	char *map, text[8] = "";

	NEED(fd >= 0 && !ftruncate(fd, 1 << 20));
	map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(map != MAP_FAILED);
	memcpy(map + 500000, "mapped", 6);
	NEED(!msync(map, 1 << 20, MS_SYNC));
	NEED(pread(fd, text, 6, 500000) == 6 && !strcmp(text, "mapped"));
	NEED(pwrite(fd, "written", 7, 700000) == 7 && !memcmp(map + 700000, "written", 7));
	NEED(!munmap(map, 1 << 20) && !close(fd) && !unlink("mapped"));
	return true;
}

/* A lock that another process has: refused at once, waited for, taken over. */
static bool locks(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5 };
	int fd = open("locked", O_RDWR | O_CREAT | O_CLOEXEC, 0644), pipe_fds[2], status;
	char byte;
	pid_t pid;

	NEED(fd >= 0 && !pipe(pipe_fds));
	pid = fork();
	if (!pid) {
		int mine = open("locked", O_RDWR | O_CLOEXEC);

		if (fcntl(mine, F_SETLK, &lock) || flock(mine, LOCK_EX) ||
		    write(pipe_fds[1], "x", 1) != 1)
			_exit(1);
		usleep(300000);
		_exit(0);
	}
	NEED(read(pipe_fds[0], &byte, 1) == 1);
	NEED(fcntl(fd, F_SETLK, &lock) < 0 && (errno == EAGAIN || errno == EACCES));
	NEED(flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	NEED(!fcntl(fd, F_SETLKW, &lock));
	NEED(!flock(fd, LOCK_EX));
	NEED(waitpid(pid, &status, 0) == pid && status == 0);
	NEED(!close(fd) && !unlink("locked"));
	return true;
}

/* One renames over a name all the time, another one reads it: there is always a whole file. */
static bool rename_storm(void)
{
	int status, seen = 0;
	pid_t pid;

	NEED(put("current", "0"));
	pid = fork();
	if (!pid) {
		for (int i = 0; i < RENAMES; i++) {
			char text[16];

			snprintf(text, sizeof(text), "%d", i);
			if (!put("next", text) || rename("next", "current"))
				_exit(1);
		}
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		char buf[16] = "";
		int fd = open("current", O_RDONLY | O_CLOEXEC);

		NEED(fd >= 0 && read(fd, buf, sizeof(buf) - 1) > 0 && atoi(buf) >= seen);
		seen = atoi(buf);
		close(fd);
	}
	NEED(status == 0 && holds("current", "1999"));
	NEED(!mkdir("dir1", 0755) && !mkdir("dir2", 0755) && !rename("current", "dir1/current"));
	NEED(!renameat2(AT_FDCWD, "dir1", AT_FDCWD, "dir2", RENAME_EXCHANGE));
	NEED(holds("dir2/current", "1999") && !unlink("dir2/current"));
	NEED(!rmdir("dir1") && !rmdir("dir2"));
	return true;
}

static bool unlinked(void)
{
	int fd = open("temporary", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	char text[8] = "";
	struct stat st;

	NEED(fd >= 0 && write(fd, "still", 5) == 5 && !unlink("temporary"));
	NEED(pread(fd, text, 5, 0) == 5 && !strcmp(text, "still"));
	NEED(!fstat(fd, &st) && st.st_nlink == 0 && !ftruncate(fd, 1));
	NEED(!close(fd));
	return true;
}

static bool special_files(void)
{
	char text[64] = "";
	struct stat st;

	NEED(!symlink("to/nowhere", "symbolic"));
	NEED(readlink("symbolic", text, sizeof(text)) == 10 && !unlink("symbolic"));
	NEED(!mkfifo("fifo", 0600) && !stat("fifo", &st) && S_ISFIFO(st.st_mode));
	NEED(!unlink("fifo"));
	return true;
}

static bool times(void)
{
	const struct timespec when[2] = { { 1000000000, 123456789 }, { 1100000000, 987654321 } };
	struct statvfs vfs;
	struct stat st;

	NEED(put("times", "") && !utimensat(AT_FDCWD, "times", when, 0) && !stat("times", &st));
	NEED(st.st_mtim.tv_sec == 1100000000 && st.st_mtim.tv_nsec == 987654321);
	NEED(!unlink("times") && !statvfs(".", &vfs) && vfs.f_blocks > 0);
	return true;
}

static const struct {
	const char *name;
	bool (*run)(void);
} tests[] = {
	{ "small-files", small_files },
	{ "big-file", big_file },
	{ "hard-links", hard_links },
	{ "xattrs", xattrs },
	{ "access-lists", access_lists },
	{ "file-capabilities", file_capabilities },
	{ "holes", holes },
	{ "ownership", ownership },
	{ "direct", direct },
	{ "mapped", mapped },
	{ "locks", locks },
	{ "rename-storm", rename_storm },
	{ "unlinked", unlinked },
	{ "special-files", special_files },
	{ "times", times },
};

static bool wanted(int argc, char **argv, const char *name)
{
	for (int i = 2; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc == 2;
}

int main(int argc, char **argv)
{
	int failed = 0, ran = 0;

	if (argc < 2 || chdir(argv[1])) {
		fprintf(stderr, "usage: file-semantics DIR [NAME…]\n");
		return 2;
	}
	umask(022);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		struct timespec from, to;
		bool ok;

		if (!wanted(argc, argv, tests[i].name))
			continue;
		errno = 0;
		clock_gettime(CLOCK_MONOTONIC, &from);
		ok = tests[i].run();
		clock_gettime(CLOCK_MONOTONIC, &to);
		ran++;
		failed += !ok;
		printf("%s %s%s%s (%.3f s)\n", ok ? "ok" : "not ok", tests[i].name, ok ? "" : ": ",
		       ok ? "" : why,
		       (double)(to.tv_sec - from.tv_sec) +
			       (double)(to.tv_nsec - from.tv_nsec) / 1e9);
		fflush(stdout);
	}
	return failed || !ran;
}
