/* SPDX-License-Identifier: Apache-2.0 */
#include "container/finds.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SETTLED_S 2 /* more than any file system's time of change is coarse */

static bool look(const char *path, struct bh_finds_key *key)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	*key = (struct bh_finds_key){ .dev = st.st_dev, .ino = st.st_ino, .changed = st.st_ctim };
	return true;
}

static bool settled(const struct bh_finds_key *key)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec - key->changed.tv_sec > SETTLED_S;
}

static bool as_it_was(const char *path, const struct bh_finds_key *was)
{
	struct bh_finds_key now;

	return look(path, &now) && now.dev == was->dev && now.ino == was->ino &&
	       now.changed.tv_sec == was->changed.tv_sec &&
	       now.changed.tv_nsec == was->changed.tv_nsec;
}

/* Between the writing of what is known and the mark that it is; whoever kills the writer may come
 * in between. */
static void order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

/* ---- home ------------------------------------------------------------------------------------ */

bool bh_finds_home(const struct bh_finds *finds, uid_t uid, char *buf, size_t size)
{
	return finds && finds->home.known && finds->home.uid == uid &&
	       as_it_was("/etc/passwd", &finds->home.passwd) &&
	       snprintf(buf, size, "%s", finds->home.dir) < (int)size;
}

void bh_finds_keep_home(struct bh_finds *finds, uid_t uid, const char *home)
{
	if (!finds)
		return;
	finds->home.known = false;
	order();
	if (!look("/etc/passwd", &finds->home.passwd) || !settled(&finds->home.passwd) ||
	    strlen(home) >= sizeof(finds->home.dir))
		return;
	finds->home.uid = uid;
	strcpy(finds->home.dir, home);
	order();
	finds->home.known = true;
}

/* ---- PATH ------------------------------------------------------------------------------------ */

/* The first @len bytes of @dir as a string. Return: whether they fit */
static bool cut(const char *dir, size_t len, char buf[PATH_MAX])
{
	return snprintf(buf, PATH_MAX, "%.*s", (int)len, dir) < PATH_MAX;
}

size_t bh_finds_skip(const struct bh_finds *finds, const char *path, const char *name)
{
	char buf[PATH_MAX];

	if (!finds || !finds->exe.known || strcmp(finds->exe.path, path) != 0 ||
	    strcmp(finds->exe.name, name) != 0)
		return 0;
	for (size_t i = 0; i < finds->exe.n_dirs; i++) {
		if (!cut(path, finds->exe.dirs[i].len, buf) ||
		    !as_it_was(buf, &finds->exe.dirs[i].key))
			return 0;
		path = strchrnul(path, ':') + 1;
	}
	return finds->exe.offset;
}

/* A link that leads nowhere is not missing: its target may come without a change of @dir. */
static bool is_missing(const char *dir, size_t len, const char *name)
{
	char buf[PATH_MAX];
	struct stat st;

	return snprintf(buf, sizeof(buf), "%.*s/%s", (int)len, dir, name) < PATH_MAX &&
	       lstat(buf, &st) < 0 && errno == ENOENT;
}

/* The directory of @len bytes at @dir, or the nearest above it that exists: as long as that is as
 * it is, so is the name below it that is missing. Return: the bytes of its name, 0 = none will do
 */
static size_t key_of(const char *dir, size_t len, struct bh_finds_key *key)
{
	char buf[PATH_MAX];
	struct stat st;

	if (*dir != '/')
		return 0;
	while (cut(dir, len, buf)) {
		const char *slash;

		if (look(buf, key))
			return settled(key) ? len : 0;
		if (errno != ENOENT || lstat(buf, &st) == 0)
			return 0;
		slash = strrchr(buf, '/');
		len = slash > buf ? (size_t)(slash - buf) : 1;
	}
	return 0;
}

void bh_finds_keep_skip(struct bh_finds *finds, const char *path, const char *name, size_t offset)
{
	size_t n = 0;

	if (!finds)
		return;
	finds->exe.known = false;
	order();
	if (strlen(path) >= sizeof(finds->exe.path) || strlen(name) >= sizeof(finds->exe.name))
		return;
	for (const char *dir = path; dir < path + offset; dir = strchrnul(dir, ':') + 1, n++) {
		size_t len = strcspn(dir, ":");

		if (n == BH_FINDS_DIRS || !is_missing(dir, len, name))
			return;
		finds->exe.dirs[n].len = key_of(dir, len, &finds->exe.dirs[n].key);
		if (!finds->exe.dirs[n].len)
			return;
	}
	strcpy(finds->exe.path, path);
	strcpy(finds->exe.name, name);
	finds->exe.offset = offset;
	finds->exe.n_dirs = n;
	order();
	finds->exe.known = true;
}
