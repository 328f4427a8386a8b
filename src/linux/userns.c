/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/userns.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/program.h"
#include "base/sys.h"

#define UID_MAP_MAX_BYTES 65536
#define TOOL_SAYS_BYTES   256

static const struct map_kind {
	const char *file, *tool;
} map_kinds[] = {
	{ "uid_map", "newuidmap" },
	{ "gid_map", "newgidmap" },
};
enum { MAP_UID = 0, MAP_GID };

/* Administrators' directories only: the caller's PATH is not asked what runs with set-uid rights.
 */
static const char *const tool_dirs[] = { "/usr/bin", "/bin", "/usr/local/bin" };

static int write_file(pid_t pid, const char *name, const char *text)
{
	char path[64];
	bh_auto_close int fd = -EBADF;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = bh_path_try_open(AT_FDCWD, path, O_WRONLY, 0, BH_PATH_HOST);
	if (fd < 0)
		return fd;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static bool find_tool(const char *name, char *buf, size_t size)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(tool_dirs); i++) {
		if (snprintf(buf, size, "%s/%s", tool_dirs[i], name) < (int)size &&
		    access(buf, X_OK) == 0)
			return true;
	}
	return false;
}

/* "newuidmap PID c h n c h n …" as an argument vector; the numbers live in @text. */
static char **tool_args(const char *path, pid_t pid, const bh_id_map_list *maps,
			struct bh_buf *text)
{
	char **argv = calloc(maps->n * 3 + 3, sizeof(*argv)), *p;
	size_t argc = 0;

	bh_buf_printf(text, "%s%c%d%c", path, '\0', pid, '\0');
	bh_for_each (map, *maps)
		bh_buf_printf(text, "%u%c%u%c%u%c", map->container_id, '\0', map->host_id, '\0',
			      map->size, '\0');
	if (!argv || text->failed) {
		free(argv);
		return NULL;
	}
	for (p = text->data; p < text->data + text->len; p += strlen(p) + 1)
		argv[argc++] = p;
	return argv;
}

static int map_by_tool(pid_t pid, const struct map_kind *kind, const bh_id_map_list *maps,
		       struct bh_err *err)
{
	char path[64], says[TOOL_SAYS_BYTES];
	bh_auto_buf struct bh_buf text = BH_BUF_INIT;
	bh_auto_free char **argv = NULL;
	char *no_env[] = { NULL };
	int status;

	if (!find_tool(kind->tool, path, sizeof(path)))
		return bh_err_as(err, BH_ERR_OS, -EPERM,
				 "not permitted to the caller, and %s is not installed",
				 kind->tool);
	argv = tool_args(path, pid, maps, &text);
	if (!argv)
		return bh_err_oom(err);
	status = bh_program_run(path, argv, no_env, says, sizeof(says));
	if (status < 0)
		return bh_err_set(err, status, "run %s", path);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return bh_err_as(err, BH_ERR_PEER, -EPERM, "%s failed: %s", path,
			 says[0] ? says : "it says nothing");
}

static int write_map(pid_t pid, const struct map_kind *kind, const bh_id_map_list *maps,
		     struct bh_err *err)
{
	bh_auto_buf struct bh_buf text = BH_BUF_INIT;
	int r;

	bh_for_each (map, *maps)
		bh_buf_printf(&text, "%u %u %u\n", map->container_id, map->host_id, map->size);
	if (text.failed)
		return bh_err_oom(err);
	r = write_file(pid, kind->file, bh_buf_str(&text));
	/* Without privilege the own group may be mapped, but only where none can be dropped. */
	if (r == -EPERM && kind == &map_kinds[MAP_GID] && maps->n == 1 && maps->v[0].size == 1 &&
	    maps->v[0].host_id == getegid() && write_file(pid, "setgroups", "deny") == 0)
		r = write_file(pid, kind->file, bh_buf_str(&text));
	if (r == -EPERM || r == -EACCES) {
		r = map_by_tool(pid, kind, maps, err);
		return r < 0 ? bh_err_ctx(err, "write %s", kind->file) : 0;
	}
	return r < 0 ? bh_err_set(err, r, "write %s", kind->file) : 0;
}

int bh_userns_write_maps(pid_t pid, const bh_id_map_list *uids, const bh_id_map_list *gids,
			 struct bh_err *err)
{
	int r = write_map(pid, &map_kinds[MAP_UID], uids, err);

	return r < 0 ? r : write_map(pid, &map_kinds[MAP_GID], gids, err);
}

/* The child holds the namespace until it is killed. */
_Noreturn static void hold_namespace(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	while (getppid() == parent)
		pause();
	_exit(0);
}

int bh_userns_open(const bh_id_map_list *uids, const bh_id_map_list *gids, struct bh_err *err)
{
	/* No exit signal: whoever handles SIGCHLD in this process has no business with this child.
	 */
	struct clone_args args = { .flags = CLONE_NEWUSER };
	pid_t parent = getpid(), pid = bh_sys_clone3(&args);
	char path[64];
	int r, fd = -EBADF;

	if (pid < 0)
		return bh_err_set(err, -errno, "make a user namespace for id-mapped mounts");
	if (pid == 0)
		hold_namespace(parent);
	r = bh_userns_write_maps(pid, uids, gids, err);
	if (r == 0) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
		fd = bh_path_open(AT_FDCWD, path, O_RDONLY, 0, BH_PATH_HOST, err);
		r = fd;
	}
	kill(pid, SIGKILL);
	TEMP_FAILURE_RETRY(waitpid(pid, NULL, __WALL));
	return r < 0 ? bh_err_ctx(err, "user namespace of id-mapped mounts") : fd;
}

bool bh_userns_inside(void)
{
	/* What the kernel prints for the initial user namespace, in its "%10u %10u %10u\n". */
	static const char initial[] = "         0          0 4294967295\n";
	bh_auto_free char *map = NULL;

	return bh_path_read(AT_FDCWD, "/proc/self/uid_map", BH_PATH_HOST, UID_MAP_MAX_BYTES, &map,
			    NULL, NULL) == 0 &&
	       strcmp(map, initial) != 0;
}
