/* SPDX-License-Identifier: Apache-2.0 */
#include "container/finds.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/sys.h"

#define SETTLED_S 2 /* more than any file system's time of change is coarse */

/* Return: 0; -errno, -ENOTSUP for what cannot be told from another */
static int look(const char *path, struct bh_finds_key *key)
{
	struct statx st;

	if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_CTIME | STATX_MNT_ID_UNIQUE, &st) < 0)
		return -errno;
	if (!(st.stx_mask & STATX_MNT_ID_UNIQUE) || !st.stx_ctime.tv_sec)
		return -ENOTSUP;
	*key = (struct bh_finds_key){ .mount = st.stx_mnt_id,
				      .ino = st.stx_ino,
				      .dev_major = st.stx_dev_major,
				      .dev_minor = st.stx_dev_minor,
				      .changed = st.stx_ctime.tv_sec,
				      .changed_nsec = st.stx_ctime.tv_nsec };
	return 0;
}

static bool settled(const struct bh_finds_key *key)
{
	return time(NULL) - key->changed > SETTLED_S;
}

static bool as_it_was(const char *path, const struct bh_finds_key *was)
{
	struct bh_finds_key now = { .ino = 0 };

	return look(path, &now) == 0 && now.mount == was->mount && now.ino == was->ino &&
	       now.dev_major == was->dev_major && now.dev_minor == was->dev_minor &&
	       now.changed == was->changed && now.changed_nsec == was->changed_nsec;
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
	       snprintf(buf, size, "%.*s", (int)sizeof(finds->home.dir), finds->home.dir) <
		       (int)size;
}

void bh_finds_look_home(struct bh_finds *finds)
{
	if (!finds)
		return;
	finds->home.known = false;
	order();
	finds->home.settled = look("/etc/passwd", &finds->home.passwd) == 0 &&
			      settled(&finds->home.passwd);
}

void bh_finds_keep_home(struct bh_finds *finds, uid_t uid, const char *home)
{
	if (!finds || !finds->home.settled || strlen(home) >= sizeof(finds->home.dir))
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

/* Whether what is kept is of this @path and @name, and of a shape that can be walked. */
static bool is_about(const struct bh_finds *finds, const char *path, const char *name)
{
	const size_t len = strlen(path), offset = finds->exe.offset;

	return finds->exe.known && len < sizeof(finds->exe.path) &&
	       strlen(name) < sizeof(finds->exe.name) && !memcmp(finds->exe.path, path, len + 1) &&
	       !strcmp(finds->exe.name, name) && finds->exe.n_dirs <= BH_FINDS_DIRS && offset > 0 &&
	       offset <= len && path[offset - 1] == ':';
}

size_t bh_finds_skip(const struct bh_finds *finds, const char *path, const char *name)
{
	const char *dir = path;
	char buf[PATH_MAX];

	if (!finds || !is_about(finds, path, name))
		return 0;
	for (size_t i = 0; i < finds->exe.n_dirs; i++) {
		const size_t len = finds->exe.dirs[i].len;

		if (len > strcspn(dir, ":") || !cut(dir, len, buf) ||
		    !as_it_was(buf, &finds->exe.dirs[i].key))
			return 0;
		dir += strcspn(dir, ":");
		dir += *dir == ':';
	}
	return dir == path + finds->exe.offset ? finds->exe.offset : 0;
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
		int r = look(buf, key);

		if (r == 0)
			return settled(key) ? len : 0;
		if (r != -ENOENT || lstat(buf, &st) == 0 || len == 1)
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

		if (n == BH_FINDS_DIRS)
			return;
		finds->exe.dirs[n].len = key_of(dir, len, &finds->exe.dirs[n].key);
		if (!finds->exe.dirs[n].len || !is_missing(dir, len, name))
			return;
	}
	strcpy(finds->exe.path, path);
	strcpy(finds->exe.name, name);
	finds->exe.offset = offset;
	finds->exe.n_dirs = n;
	order();
	finds->exe.known = true;
}
