/* SPDX-License-Identifier: Apache-2.0 */
#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/path.h"
#include "container/rootfs.h"
#include "linux/userns.h"

_Noreturn void box_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not true: %s (errno: %s)\n", file, line, what, strerror(errno));
	_exit(1);
}

void put_dir(const char *path, mode_t mode)
{
	CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
	CHECK(chmod(path, mode) == 0);
}

void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

void put_link(const char *path, const char *target)
{
	CHECK(symlink(target, path) == 0);
}

bool text_is(const char *path, const char *text)
{
	bh_auto_free char *found = NULL;

	return bh_path_read(AT_FDCWD, path, BH_PATH_HOST, 1 << 16, &found, NULL, NULL) == 0 &&
	       strcmp(found, text) == 0;
}

bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

bool is_fs(const char *path, long magic)
{
	struct statfs st;

	CHECK(statfs(path, &st) == 0);
	return st.f_type == magic;
}

bool is_readonly(const char *path)
{
	struct statvfs st;

	CHECK(statvfs(path, &st) == 0);
	return st.f_flag & ST_RDONLY;
}

bool is_device(const char *path, mode_t type, unsigned int major_, unsigned int minor_)
{
	struct stat st;

	return lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == type &&
	       st.st_rdev == makedev(major_, minor_);
}

/* One of @options is in @line as a word: between blanks, commas and, for "master:3", a colon. */
static bool has_word(const char *line, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = line; (p = strstr(p, word)); p += len)
		if (p > line && strchr(" ,", p[-1]) && (p[len] == '\0' || strchr(" ,:", p[len])))
			return true;
	return false;
}

/* The last line of mountinfo for @path, without what describes the file system, into @buf. */
static bool find_mount(const char *path, char *buf, size_t size)
{
	bh_auto_free char *text = NULL;
	bool found = false;
	char *save = NULL;

	CHECK(bh_path_read(AT_FDCWD, "/proc/self/mountinfo", BH_PATH_HOST, 1 << 20, &text, NULL,
			   NULL) == 0);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char point[256];
		int at = 0;

		if (sscanf(line, "%*d %*d %*s %*s %255s %n", point, &at) < 1 || !at ||
		    strcmp(point, path) != 0)
			continue;
		found = true;
		snprintf(buf, size, " %.*s", (int)(strstr(line, " - ") - line - at), line + at);
	}
	return found;
}

bool has_options(const char *path, const char *options)
{
	char line[512], list[256], *save = NULL;

	if (!find_mount(path, line, sizeof(line)))
		return false;
	snprintf(list, sizeof(list), "%s", options);
	for (char *o = strtok_r(list, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
		if (has_word(line, o + (*o == '!')) == (*o == '!')) {
			fprintf(stderr, "%s: '%s' of '%s' does not fit\n", path, o, line);
			return false;
		}
	}
	return true;
}

int mounts_on(const char *path)
{
	bh_auto_free char *text = NULL;
	size_t len = strcmp(path, "/") == 0 ? 0 : strlen(path);
	char *save = NULL;
	int n = 0;

	CHECK(bh_path_read(AT_FDCWD, "/proc/self/mountinfo", BH_PATH_HOST, 1 << 20, &text, NULL,
			   NULL) == 0);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char point[256];

		CHECK(sscanf(line, "%*d %*d %*s %*s %255s", point) == 1);
		n += strncmp(point, path, len) == 0 && (point[len] == '/' || point[len] == '\0');
	}
	return n;
}

bool box_needs_root(void)
{
	if (geteuid() == 0)
		return false;
	printf("# skip: mounts need root\n");
	return true;
}

static void lose_setattr(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

	CHECK(ctx);
	CHECK(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(mount_setattr), 0) == 0);
	CHECK(seccomp_load(ctx) == 0);
	seccomp_release(ctx);
}

/* Descriptors that are open, the one for looking apart. */
static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int set_up(const struct box *box, struct bh_rootfs_plan *plan, struct bh_err *err)
{
	int r = bh_rootfs_setup(plan, err);

	if (r == 0 && box->hooks) {
		CHECK(chdir(".") == 0);
		box->hooks();
	}
	r = r < 0 ? r : bh_rootfs_enter(plan, err);
	return r < 0 ? r : bh_rootfs_seal(plan, err);
}

/* The box's first process. Its exit status is the test's. */
static _Noreturn void live(const struct box *box, struct bh_rootfs_plan *plan)
{
	struct bh_err err = BH_ERR_INIT;
	char line[BH_ERR_TEXT_BYTES];
	int fds = count_fds(), r;

	umask(077);
	if (box->no_setattr)
		lose_setattr();
	r = set_up(box, plan, &err);
	bh_err_format(&err, line, sizeof(line));
	if (box->error) {
		if (r < 0 && strstr(line, box->error))
			_exit(0);
		fprintf(stderr, "wanted error '%s', got '%s'\n", box->error, r < 0 ? line : "none");
		_exit(1);
	}
	if (r < 0) {
		if (box->may_fail)
			_exit(0);
		fprintf(stderr, "error: %s\n", line);
		_exit(1);
	}
	CHECK(umask(022) == 077);
	/* Only the root stays open beside what was open before. */
	CHECK(count_fds() <= fds + 1);
	/* CVE-2024-21626: nothing of the host's is in reach through the working directory. */
	CHECK(getcwd(line, sizeof(line)) && strcmp(line, "/") == 0);
	CHECK(!exists("bundle") && !exists("../bundle"));
	box->inside();
	_exit(0);
}

static int wait_for(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* In namespaces of its own; the ids of a user namespace are written by the caller in between. */
static _Noreturn void enter_namespaces(const struct box *box, struct bh_rootfs_plan *plan,
				       int ready, int go)
{
	int flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
	char c = 0;
	pid_t pid;

	if (!box->no_mountns)
		flags |= CLONE_NEWNS;
	CHECK(unshare(flags | (box->userns ? CLONE_NEWUSER : 0)) == 0);
	CHECK(write(ready, &c, 1) == 1 && read(go, &c, 1) == 1);
	close(ready);
	close(go);
	if (box->userns)
		CHECK(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		live(box, plan);
	/* The helper ends when no one holds its socket any more. */
	bh_rootfs_close(plan);
	_exit(wait_for(pid));
}

static int start(const struct box *box, const struct bh_spec *spec, struct bh_rootfs_plan *plan)
{
	int ready[2], go[2], r;
	char c = 0;
	pid_t pid;

	CHECK(pipe2(ready, O_CLOEXEC) == 0 && pipe2(go, O_CLOEXEC) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		enter_namespaces(box, plan, ready[1], go[0]);
	bh_rootfs_close(plan);
	CHECK(read(ready[0], &c, 1) == 1);
	if (box->userns)
		CHECK(bh_userns_write_maps(pid, &spec->linux_.uid_mappings,
					   &spec->linux_.gid_mappings, NULL) == 0);
	CHECK(write(go[1], &c, 1) == 1);
	r = wait_for(pid);
	bh_rootfs_reap(plan);
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(go[i]);
	}
	return r;
}

static void make_image(const struct box *box)
{
	static const char *const dirs[] = { "bundle",          "bundle/root",
					    "bundle/root/dev", "bundle/root/proc",
					    "bundle/root/sys", "bundle/root/tmp",
					    "bundle/root/mnt", "bundle/host" };

	for (size_t i = 0; i < BH_ARRAY_SIZE(dirs); i++)
		put_dir(dirs[i], 0755);
	CHECK(chdir("bundle") == 0);
	if (box->image)
		box->image();
	if (box->userns)
		CHECK(system("chown -R 100000:100000 root") == 0);
}

static void add_mount(struct bh_buf *out, const struct box_mount *m)
{
	char options[1024] = "", *save = NULL;
	const char *comma = "";

	bh_buf_printf(out,
		      "%s{\"source\":\"%s\",\"destination\":\"%s\",\"type\":\"%s\",\"options\":[",
		      out->len ? "," : "", m->source, m->destination, m->type);
	if (m->options)
		snprintf(options, sizeof(options), "%s", m->options);
	for (char *o = strtok_r(options, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
		bh_buf_printf(out, "%s\"%s\"", comma, o);
		comma = ",";
	}
	bh_buf_puts(out, "]");
	for (int i = 0; i < 2 && m->first_id; i++)
		bh_buf_printf(
			out, ",\"%cidMappings\":[{\"containerID\":0,\"hostID\":%u,\"size\":65536}]",
			"ug"[i], m -> first_id);
	bh_buf_puts(out, "}");
}

static void parse(const struct box *box, struct bh_arena *arena, struct bh_spec *spec)
{
	bh_auto_buf struct bh_buf doc = BH_BUF_INIT, mounts = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	char line[512];

	for (size_t i = 0; i < BH_ARRAY_SIZE(box->mounts) && box->mounts[i].destination; i++)
		add_mount(&mounts, &box->mounts[i]);

	bh_buf_printf(&doc,
		      "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"root\",\"readonly\":%s},"
		      "\"mounts\":[%s],\"linux\":{\"namespaces\":[{\"type\":\"pid\"},"
		      "{\"type\":\"network\"}%s%s]%s%s}}",
		      box->readonly_root ? "true" : "false", bh_buf_str(&mounts),
		      box->no_mountns ? "" : ",{\"type\":\"mount\"}",
		      box->userns ? ",{\"type\":\"user\"}" : "",
		      box->userns ? ",\"uidMappings\":[{\"containerID\":0,\"hostID\":100000,"
				    "\"size\":65536}],\"gidMappings\":[{\"containerID\":0,"
				    "\"hostID\":100000,\"size\":65536}]"
				  : "",
		      box->linux_ ? box->linux_ : "");
	if (bh_spec_parse(arena, doc.data, doc.len, spec, &err) < 0) {
		fprintf(stderr, "%s: %s\n", doc.data, bh_err_format(&err, line, sizeof(line)));
		_exit(1);
	}
}

/* The host of the box: a mount namespace with a tmpfs for everything. */
static _Noreturn void host(const struct box *box)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_spec spec = { 0 };
	struct bh_rootfs_plan *plan;
	struct bh_err err = BH_ERR_INIT;
	char line[512], bundle[128];
	int r;

	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("box", "/tmp", "tmpfs", 0, "mode=755") == 0);
	CHECK(mount("none", "/tmp", NULL, MS_SHARED, NULL) == 0);
	CHECK(chdir("/tmp") == 0);
	umask(0);
	make_image(box);
	snprintf(bundle, sizeof(bundle), "/tmp/bundle");
	parse(box, &arena, &spec);
	r = bh_rootfs_plan(&arena, &spec,
			   &(struct bh_rootfs_env){ .bundle = bundle,
						    .new_userns = box->userns,
						    .new_mountns = !box->no_mountns,
						    .new_netns = true,
						    .no_pivot = box->no_pivot },
			   &plan, &err);
	r = r < 0 ? r : bh_rootfs_prepare(plan, &err);
	if (r < 0) {
		fprintf(stderr, "plan: %s\n", bh_err_format(&err, line, sizeof(line)));
		_exit(1);
	}
	r = start(box, &spec, plan);
	if (box->outside)
		box->outside();
	bh_arena_deinit(&arena);
	_exit(r);
}

bool box_run(const struct box *box)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		host(box);
	return wait_for(pid) == 0;
}
