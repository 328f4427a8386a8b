/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process on its way into a container found in the container's root, kept for the next one:
 * the home of its user, and the directories of PATH that have no program of its name. On a shared
 * directory each name that is not there, and each opening of a file, is a question to the host.
 *
 * Nothing kept is believed unless the file and the directories that it came from are as they were:
 * same mount, device and inode, same time of change, which nobody can set. That is noted before the
 * look that it vouches for. One that changed less than two seconds ago could change again without a
 * new time, and is not kept from; nor is one without such a time, as of an image that was built to
 * be the same each time, or on a kernel that tells mounts apart only while they last (before 6.8).
 *
 * Sources: inode(7) on ctime; statx(2), STATX_MNT_ID_UNIQUE; passwd(5); environ(7) on PATH
 */
#ifndef BH_CONTAINER_FINDS_H
#define BH_CONTAINER_FINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BH_FINDS_DIRS 8

struct bh_finds_key {
	uint64_t mount, ino;
	uint32_t dev_major, dev_minor;
	int64_t changed;
	uint32_t changed_nsec;
};

/*
 * Zeroed: nothing is known. It lies in memory that its owner shares with the process on its way
 * into the container, one at a time; one that is killed meanwhile leaves what is marked unknown.
 * Whatever else is found in it leads to no more than another look.
 */
struct bh_finds {
	struct {
		volatile bool known;
		bool settled;
		uid_t uid;
		struct bh_finds_key passwd;
		char dir[256];
	} home;
	struct {
		volatile bool known;
		char name[128], path[512]; /* of the program; the value of PATH */
		size_t offset;             /* where in it the first directory begins that has it */
		size_t n_dirs;             /* before that */
		struct {
			size_t len; /* of the directory's name that exists */
			struct bh_finds_key key;
		} dirs[BH_FINDS_DIRS];
	} exe;
};

/** bh_finds_home() - the home of @uid into @buf. Return: whether it is known
 * @finds: NULL = nothing is known; so with the others, where nothing is kept then */
bool bh_finds_home(const struct bh_finds *finds, uid_t uid, char *buf, size_t size);
/** bh_finds_look_home() - before /etc/passwd of the current root is read */
void bh_finds_look_home(struct bh_finds *finds);
/** bh_finds_keep_home() - what it said */
void bh_finds_keep_home(struct bh_finds *finds, uid_t uid, const char *home);

/** bh_finds_skip() - how many bytes of @path, a value of PATH, name directories without a @name */
size_t bh_finds_skip(const struct bh_finds *finds, const char *path, const char *name);
/** bh_finds_keep_skip() - a look said that no directory in the first @offset bytes of @path has a
 * @name; each is looked at once more */
void bh_finds_keep_skip(struct bh_finds *finds, const char *path, const char *name, size_t offset);

#endif
