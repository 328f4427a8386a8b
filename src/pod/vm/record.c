/* SPDX-License-Identifier: Apache-2.0 */
#include "pod/vm/record.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "base/path.h"
#include "pod/pod.h"

#define RECORD_BYTES_MAX (1U << 20)
#define END_TIMEOUT_MS   5000
#define END_POLL_MS      10

/* ROOT/@pods. Return: descriptor; -ENOENT when there is none and it is not to be made */
static int open_pods(const char *root, bool make, struct bh_err *err)
{
	bh_auto_close int root_fd = -EBADF;

	if (make) {
		bh_auto_close int top =
			bh_path_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);

		if (top < 0)
			return top;
		root_fd = bh_path_mkdirs(top, root, 0700, err);
		if (root_fd < 0)
			return bh_err_ctx(err, "state directory");
		if (mkdirat(root_fd, BH_PODS_DIR, 0700) < 0 && errno != EEXIST)
			return bh_err_set(err, -errno, "make '%s/" BH_PODS_DIR "'", root);
	} else {
		root_fd = bh_path_open(AT_FDCWD, root, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
		if (root_fd < 0)
			return root_fd;
	}
	return bh_path_open(root_fd, BH_PODS_DIR, O_RDONLY | O_DIRECTORY, 0, BH_PATH_BENEATH, err);
}

int bh_pod_dir_make(const char *root, const char *id, struct bh_err *err)
{
	bh_auto_close int pods = open_pods(root, true, err);

	if (pods < 0)
		return pods;
	if (mkdirat(pods, id, 0700) < 0) {
		if (errno == EEXIST)
			return bh_err_as(err, BH_ERR_STATE, -EEXIST,
					 "pod with given ID already exists: %s", id);
		return bh_err_set(err, -errno, "make '%s/" BH_PODS_DIR "/%s'", root, id);
	}
	return bh_path_open(pods, id, O_RDONLY | O_DIRECTORY, 0, BH_PATH_BENEATH, err);
}

int bh_pod_record_save(int dirfd, const struct bh_pod_record *record, struct bh_err *err)
{
	bh_auto_buf struct bh_buf buf = BH_BUF_INIT;

	bh_buf_printf(&buf,
		      "{\"version\":1,\"runtime\":\"%s\",\"created\":\"%s\",\"pid\":%d,"
		      "\"startTime\":%llu",
		      record->runtime, record->created, record->server.pid,
		      (unsigned long long)record->server.start_time);
	if (record->cg) {
		bh_buf_puts(&buf, ",\"cgroup\":");
		bh_cgroup_save(record->cg, &buf);
	}
	if (record->network) {
		bh_buf_puts(&buf, ",\"network\":");
		bh_network_save(record->network, &buf);
	}
	bh_buf_puts(&buf, "}\n");
	if (buf.failed)
		return bh_err_oom(err);
	return bh_path_replace(dirfd, BH_POD_RECORD, buf.data, buf.len, 0600, err);
}

int bh_pod_dir_remove(const char *root, const char *id, struct bh_err *err)
{
	bh_auto_close int pods = open_pods(root, false, err);

	if (pods == -ENOENT)
		return 0;
	return pods < 0 ? pods : bh_path_remove_tree(pods, id, err);
}

static int64_t get_int(json_object *o, const char *key)
{
	json_object *value = NULL;

	json_object_object_get_ex(o, key, &value);
	return value ? json_object_get_int64(value) : 0;
}

static struct bh_proc proc_of(json_object *o)
{
	return (struct bh_proc){ .pid = (pid_t)get_int(o, "pid"),
				 .start_time = (uint64_t)get_int(o, "startTime") };
}

/* With it die the monitor and the daemon, and what it has mounted. */
static int end_server(json_object *o, struct bh_err *err)
{
	const struct bh_proc server = proc_of(o);
	bh_auto_close int pidfd = -EBADF;
	int r;

	/* Who serves the pod and undoes it itself goes on. */
	if (server.pid <= 0 || server.pid == getpid() || !bh_proc_alive(&server))
		return 0;
	pidfd = bh_proc_open(&server, err);
	if (pidfd < 0)
		return pidfd == -ESRCH ? 0 : pidfd;
	if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return bh_err_set(err, -errno, "kill the pod's supervisor %d", (int)server.pid);
	r = bh_proc_wait_end(pidfd, END_TIMEOUT_MS);
	return r < 0 ? bh_err_set(err, r, "wait for the pod's supervisor %d", (int)server.pid) : 0;
}

/* A monitor with gigabytes to give back takes its time to be gone. */
static int remove_cgroup(struct bh_cgroup *cg, struct bh_err *err)
{
	int r = bh_cgroup_destroy(cg, err);

	for (int waited = 0; r == -EBUSY && waited < END_TIMEOUT_MS; waited += END_POLL_MS) {
		struct bh_err ignored = BH_ERR_INIT;

		(void)!bh_cgroup_signal(cg, SIGKILL, &ignored);
		usleep(END_POLL_MS * 1000);
		r = bh_cgroup_destroy(cg, err);
	}
	return r;
}

/* Everything, whatever fails; the first failure is told. */
static int undo(json_object *o, struct bh_err *err)
{
	bh_auto_cgroup struct bh_cgroup *cg = NULL;
	struct bh_err later = BH_ERR_INIT;
	json_object *part;
	int r = end_server(o, err), e = 0;

	if (json_object_object_get_ex(o, "cgroup", &part)) {
		e = bh_cgroup_load(part, &cg, r < 0 ? &later : err);
		e = e < 0 ? e : remove_cgroup(cg, r < 0 ? &later : err);
		r = r < 0 ? r : e;
	}
	if (json_object_object_get_ex(o, "network", &part)) {
		e = bh_network_undo(part, r < 0 ? &later : err);
		r = r < 0 ? r : e;
	}
	return r;
}

/* Return: the record, NULL when there is none; free with json_object_put() */
static int read_record(int dirfd, const char *id, json_object **ret, struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	int r = bh_path_read(dirfd, BH_POD_RECORD, BH_PATH_BENEATH, RECORD_BYTES_MAX, &text, NULL,
			     err);

	*ret = NULL;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	*ret = json_tokener_parse(text);
	return *ret ? 0
		    : bh_err_as(err, BH_ERR_STATE, -EBADMSG,
				"pod '%s': " BH_POD_RECORD " is not JSON", id);
}

bool bh_pod_served(const char *root, const char *id)
{
	bh_auto_close int pods = open_pods(root, false, NULL);
	bh_auto_close int dirfd = -EBADF;
	struct bh_proc server = { .pid = 0 };
	json_object *o = NULL;

	if (pods >= 0)
		dirfd = bh_path_try_open(pods, id, O_RDONLY | O_DIRECTORY, 0, BH_PATH_BENEATH);
	if (dirfd < 0 || read_record(dirfd, id, &o, NULL) < 0 || !o)
		return false;
	server = proc_of(o);
	json_object_put(o);
	return server.pid > 0 && bh_proc_alive(&server);
}

/* One at a time: of a dead pod containerd has all containers deleted at once, each by a process of
 * its own. Return: 1 when @dirfd is locked; 0 when somebody else removed it; -errno with @err */
static int lock_dir(int dirfd, struct bh_err *err)
{
	struct stat st;

	while (flock(dirfd, LOCK_EX) < 0)
		if (errno != EINTR)
			return bh_err_set(err, -errno, "lock the pod's directory");
	if (fstat(dirfd, &st) < 0)
		return bh_err_set(err, -errno, "look at the pod's directory");
	return st.st_nlink > 0;
}

int bh_pod_undo(const char *root, const char *id, struct bh_err *err)
{
	bh_auto_close int pods = open_pods(root, false, err);
	bh_auto_close int dirfd = -EBADF;
	json_object *o;
	int r;

	if (pods == -ENOENT)
		return 0;
	if (pods < 0)
		return pods;
	dirfd = bh_path_open(pods, id, O_RDONLY | O_DIRECTORY, 0, BH_PATH_BENEATH, err);
	if (dirfd == -ENOENT)
		return 0;
	if (dirfd < 0)
		return dirfd;
	r = lock_dir(dirfd, err);
	if (r <= 0)
		return r;
	r = read_record(dirfd, id, &o, err);
	if (r < 0)
		return r;
	r = o ? undo(o, err) : 0; /* without a record nothing was made yet */
	json_object_put(o);
	if (r < 0)
		return bh_err_ctx(err, "pod '%s'", id);
	return bh_path_remove_tree(pods, id, err);
}
