/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The shared directory is a small tmpfs, mounted read-only and shared (mount propagation), so that
 * what is bind-mounted below it later arrives in the daemon's mount namespace. Places for those
 * mounts are made through a second, detached mount of the same tmpfs that is writable and that only
 * this process has: a guest cannot write to the directory itself.
 *
 * A bind is a clone of the tree at a descriptor; being a slave of the host's mount, it hears of
 * mounts that are made there later, and passes them on.
 */
#include "pod/vm/share.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/path.h"
#include "linux/mount.h"
#include "linux/proc.h"
#include "pod/vm/share_daemon.h"

/* Of the daemon's last words, bytes. */
#define TAIL_BYTES 512

#define SOCKET_NAME "socket"

struct bh_share {
	struct bh_loop *loop;
	char *dir;
	bool mounted;
	int root;   /* of the directory, as it is mounted */
	int places; /* the same, writable, mounted nowhere */
	int socket; /* for the VMM */
	char **names;
	size_t n_names;
	pid_t pid;
	int pidfd;
	struct bh_source ended, words;
	char tail[TAIL_BYTES];
	size_t tail_len;
	bh_share_dead_fn dead;
	void *arg;
};

int bh_share_ready(struct bh_err *err)
{
	struct bh_share_daemon daemon;

	return bh_share_daemon_find(NULL, &daemon, err);
}

/* ---- the directory --------------------------------------------------------------------------- */

static int mount_directory(struct bh_share *share, struct bh_err *err)
{
	/* 64 Ki places at the most: what they cost is the host's memory. */
	static const struct bh_mount_fs tmpfs = {
		.type = "tmpfs",
		.source = "bulkhead",
		.data = "mode=755,size=1m,nr_inodes=64k",
		.flags = MS_NOSUID | MS_NODEV | MS_NOEXEC,
	};
	static const struct bh_mount_change shown = { .set = MOUNT_ATTR_RDONLY,
						      .propagation = MS_SHARED };
	int r;

	share->root = bh_mount_new(&tmpfs, err);
	if (share->root < 0)
		return share->root;
	r = bh_mount_attach(share->root, AT_FDCWD, share->dir, err);
	if (r < 0)
		return r;
	share->mounted = true;
	share->places = bh_mount_clone(share->root, "", AT_EMPTY_PATH, err);
	if (share->places < 0)
		return share->places;
	return bh_mount_change(share->root, &shown, err);
}

/* The name of an entry is a relative path of plain components. */
static int check_name(const char *name, struct bh_err *err)
{
	size_t len = strlen(name);

	for (const char *p = name; len && len < PATH_MAX;) {
		size_t part = strcspn(p, "/");

		if (!part || part > NAME_MAX || (part <= 2 && !strncmp(p, "..", part)))
			break;
		if (!p[part])
			return 0;
		p += part + 1;
	}
	return bh_err_as(err, BH_ERR_BUG, -EINVAL, "'%s' is no name in a shared directory", name);
}

/* Whether @name is @below or something in it. */
static bool is_below(const char *name, const char *below)
{
	size_t len = strlen(below);

	return !strncmp(name, below, len) && (name[len] == '/' || !name[len]);
}

static int check_free(const struct bh_share *share, const char *name, struct bh_err *err)
{
	for (size_t i = 0; i < share->n_names; i++)
		if (is_below(name, share->names[i]) || is_below(share->names[i], name))
			return bh_err_set(err, -EEXIST, "share '%s' beside '%s'", name,
					  share->names[i]);
	return 0;
}

/* An empty file or directory to mount on, in the mount that the daemon sees. Return: O_PATH */
static int make_place(struct bh_share *share, const char *name, bool dir, struct bh_err *err)
{
	bh_auto_close int parent = -EBADF;
	bh_auto_free char *path = strdup(name);
	char *slash = path ? strrchr(path, '/') : NULL;
	const char *last = slash ? slash + 1 : path;

	if (!path)
		return bh_err_oom(err);
	if (slash)
		*slash = '\0';
	parent = bh_path_mkdirs(share->places, slash ? path : ".", 0755, err);
	if (parent < 0)
		return parent;
	if (dir ? mkdirat(parent, last, 0755) : mknodat(parent, last, S_IFREG | 0644, 0))
		return bh_err_set(err, -errno, "make '%s' in the shared directory", name);
	return bh_path_open(share->root, name, O_PATH, 0, BH_PATH_BENEATH, err);
}

static int keep_name(struct bh_share *share, const char *name, struct bh_err *err)
{
	char **names = realloc(share->names, (share->n_names + 1) * sizeof(*names));

	if (!names)
		return bh_err_oom(err);
	share->names = names;
	names[share->n_names] = strdup(name);
	if (!names[share->n_names])
		return bh_err_oom(err);
	share->n_names++;
	return 0;
}

/* A copy of the tree at @entry->source_fd that is as the entry says. The guest's device nodes are
 * the guest's: no one opens one here. */
static int clone_source(const struct bh_share_entry *entry, struct bh_err *err)
{
	struct bh_mount_change change = {
		.set = MOUNT_ATTR_NODEV | (entry->readonly ? MOUNT_ATTR_RDONLY : 0),
		.recursive = entry->recursive,
	};
	bh_auto_close int tree = bh_mount_clone(
		entry->source_fd, "", AT_EMPTY_PATH | (entry->recursive ? AT_RECURSIVE : 0), err);
	int r = tree < 0 ? tree : bh_mount_change(tree, &change, err);

	return r < 0 ? r : bh_take_fd(&tree);
}

static int add(struct bh_share *share, const struct bh_share_entry *entry, struct bh_err *err)
{
	bh_auto_close int tree = -EBADF, place = -EBADF;
	struct stat st;
	int r = check_name(entry->name, err);

	if (!r)
		r = check_free(share, entry->name, err);
	if (r < 0)
		return r;
	if (fstat(entry->source_fd, &st) < 0)
		return bh_err_set(err, -errno, "fstat");
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "neither a directory nor a file");
	tree = clone_source(entry, err);
	if (tree < 0)
		return tree;
	r = keep_name(share, entry->name, err);
	if (r < 0)
		return r;
	place = make_place(share, entry->name, S_ISDIR(st.st_mode), err);
	r = place < 0 ? place : bh_mount_attach(tree, place, "", err);
	/* What cannot be taken back goes with the share. */
	if (r < 0 && bh_share_remove(share, entry->name, NULL) < 0)
		bh_debug("left in the shared directory: '%s'", entry->name);
	return r;
}

int bh_share_add(struct bh_share *share, const struct bh_share_entry *entry, struct bh_err *err)
{
	int r = add(share, entry, err);

	if (r < 0)
		bh_err_ctx(err, "share '%s'", entry->name);
	return r;
}

/* Take away the mount at @name; what still uses it keeps it until it lets go. */
static int unmount(const struct bh_share *share, const char *name, struct bh_err *err)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/%s", share->dir, name);

	if (len < 0 || (size_t)len >= sizeof(path))
		return bh_err_set(err, -ENAMETOOLONG, "unmount '%s'", name);
	/* EINVAL: it was not mounted yet. */
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT)
		return bh_err_set(err, -errno, "unmount '%s'", path);
	return 0;
}

int bh_share_remove(struct bh_share *share, const char *name, struct bh_err *err)
{
	size_t kept = 0;
	int r = check_name(name, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < share->n_names; i++) {
		bool ours = is_below(share->names[i], name);
		struct bh_err other = BH_ERR_INIT;
		int one = ours ? unmount(share, share->names[i], r ? &other : err) : 0;

		if (one < 0 && !r)
			r = one;
		if (ours && !one)
			free(share->names[i]);
		else
			share->names[kept++] = share->names[i];
	}
	share->n_names = kept;
	return r < 0 ? r : bh_path_remove_tree(share->places, name, err);
}

/* ---- the daemon ------------------------------------------------------------------------------ */

/* Both ends of a connection as vhost-user's servers want it: a socket that listens, and one that
 * has connected to it. No one else ever sees its name. */
static int make_socket(struct bh_share *share, int *ret_listener, struct bh_err *err)
{
	bh_auto_close int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char dir[BH_PROC_FD_BYTES];
	bool bound;

	share->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || share->socket < 0)
		return bh_err_set(err, -errno, "socket");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/" SOCKET_NAME,
		 bh_proc_fd(dir, share->places));
	bound = !bind(listener, (struct sockaddr *)&address, sizeof(address));
	if (!bound || listen(listener, 1) < 0 ||
	    connect(share->socket, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int code = -errno;

		if (bound)
			unlinkat(share->places, SOCKET_NAME, 0);
		return bh_err_set(err, code, "make the socket of the shared directory's daemon");
	}
	if (unlinkat(share->places, SOCKET_NAME, 0) < 0)
		return bh_err_set(err, -errno, "unlink the socket");
	*ret_listener = bh_take_fd(&listener);
	return 0;
}

/* Keep the end of what it says. */
static void keep_words(struct bh_share *share, const char *data, size_t len)
{
	size_t over;

	if (len > TAIL_BYTES) {
		data += len - TAIL_BYTES;
		len = TAIL_BYTES;
	}
	over = share->tail_len + len > TAIL_BYTES ? share->tail_len + len - TAIL_BYTES : 0;
	memmove(share->tail, share->tail + over, share->tail_len - over);
	share->tail_len -= over;
	memcpy(share->tail + share->tail_len, data, len);
	share->tail_len += len;
}

/* Return: whether there can be more */
static bool read_words(struct bh_share *share)
{
	char data[TAIL_BYTES];
	ssize_t len = read(share->words.fd, data, sizeof(data));

	if (len > 0)
		keep_words(share, data, (size_t)len);
	return len > 0;
}

static int on_words(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_share *share = bh_owner_of(source, struct bh_share, words);

	(void)err;
	if (!read_words(share) && (events & EPOLLHUP))
		bh_loop_remove(share->loop, source);
	return 0;
}

/* The last words as one line: what a compromised daemon says must not become the log's lines. */
static const char *last_words(struct bh_share *share, char buf[static TAIL_BYTES + 1])
{
	size_t len = share->tail_len;

	memcpy(buf, share->tail, len);
	while (len && strchr(" \n\r\t", buf[len - 1]))
		len--;
	buf[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if (buf[i] < ' ' || buf[i] > '~')
			buf[i] = ' ';
	return buf;
}

static void describe_end(struct bh_share *share, const siginfo_t *info, struct bh_err *err)
{
	char words[TAIL_BYTES + 1];
	const char *said = last_words(share, words);
	const char *colon = *said ? ": " : "";

	if (info->si_code == CLD_EXITED)
		bh_err_as(err, BH_ERR_PEER, -EPIPE, "virtiofsd ended with status %d%s%s",
			  info->si_status, colon, said);
	else
		bh_err_as(err, BH_ERR_PEER, -EPIPE, "virtiofsd was ended by signal %d%s%s",
			  info->si_status, colon, said);
	bh_err_ctx(err, "shared directory");
}

static int on_ended(struct bh_source *source, uint32_t events, struct bh_err *err)
{
	struct bh_share *share = bh_owner_of(source, struct bh_share, ended);
	struct bh_err why = BH_ERR_INIT;
	siginfo_t info = { 0 };

	(void)events;
	(void)err;
	waitid(P_PIDFD, (id_t)share->pidfd, &info, WEXITED);
	bh_loop_remove(share->loop, &share->ended);
	while (read_words(share))
		;
	describe_end(share, &info, &why);
	share->pid = 0;
	share->pidfd = bh_close(share->pidfd);
	if (share->dead)
		share->dead(share->arg, &why); /* may free the share */
	return 0;
}

static int start_daemon(struct bh_share *share, const struct bh_share_config *config,
			struct bh_err *err)
{
	bh_auto_close int listener = -EBADF, out = -EBADF;
	struct bh_share_jail jail = {
		.cache = config->cache,
		.dir = share->dir,
		.cgroup_fds = config->cgroup_fds,
		.n_cgroup_fds = config->n_cgroup_fds,
	};
	int pipe_fds[2], r = bh_share_daemon_find(config->daemon, &jail.daemon, err);

	if (!r)
		r = make_socket(share, &listener, err);
	if (r < 0)
		return r;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return bh_err_set(err, -errno, "pipe2");
	share->words.fd = pipe_fds[0];
	out = pipe_fds[1];
	/* Only this end: the daemon may wait for room, we never for words. */
	if (fcntl(share->words.fd, F_SETFL, O_NONBLOCK) < 0)
		return bh_err_set(err, -errno, "fcntl");
	jail.socket = listener;
	jail.stderr_fd = out;
	r = bh_share_daemon_spawn(&jail, &share->pid, &share->pidfd, err);
	if (r < 0)
		return r;
	share->ended.fd = share->pidfd;
	r = bh_loop_add(share->loop, &share->ended, EPOLLIN, err);
	return r < 0 ? r : bh_loop_add(share->loop, &share->words, EPOLLIN, err);
}

int bh_share_start(struct bh_loop *loop, const struct bh_share_config *config,
		   bh_share_dead_fn dead, void *arg, struct bh_share **ret, struct bh_err *err)
{
	struct bh_share *share = malloc(sizeof(*share));
	int r;

	if (!share)
		return bh_err_oom(err);
	*share = (struct bh_share){
		.loop = loop,
		.root = -EBADF,
		.places = -EBADF,
		.socket = -EBADF,
		.pidfd = -EBADF,
		.ended = { .fd = -EBADF, .fn = on_ended, .what = "virtiofsd" },
		.words = { .fd = -EBADF, .fn = on_words, .what = "virtiofsd's words" },
		.dead = dead,
		.arg = arg,
	};
	share->dir = realpath(config->dir, NULL);
	r = share->dir ? mount_directory(share, err)
		       : bh_err_set(err, -errno, "open '%s'", config->dir);
	if (!r)
		r = start_daemon(share, config, err);
	if (r < 0) {
		bh_share_free(share);
		return bh_err_ctx(err, "shared directory");
	}
	*ret = share;
	return 0;
}

int bh_share_fd(const struct bh_share *share)
{
	return share->socket;
}

pid_t bh_share_pid(const struct bh_share *share)
{
	bh_auto_free pid_t *pids = NULL;
	size_t n = 0;

	/* Our child waits in its jail for the process that serves. */
	if (!share->pid || bh_proc_descendants(share->pid, &pids, &n, NULL) < 0 || !n)
		return share->pid;
	return pids[n - 1];
}

static void end_daemon(struct bh_share *share)
{
	bh_loop_remove(share->loop, &share->ended);
	bh_loop_remove(share->loop, &share->words);
	if (share->pid > 0) {
		kill(share->pid, SIGKILL); /* not reaped yet, so still it; the rest of its pid
					    * namespace dies with it */
		waitid(P_PIDFD, (id_t)share->pidfd, &(siginfo_t){ 0 }, WEXITED);
	}
	bh_close(share->pidfd);
	bh_close(share->words.fd);
	bh_close(share->socket);
}

struct bh_share *bh_share_free(struct bh_share *share)
{
	if (!share)
		return NULL;
	end_daemon(share);
	/* With all that is mounted in it. */
	if (share->mounted)
		umount2(share->dir, MNT_DETACH | UMOUNT_NOFOLLOW);
	bh_close(share->root);
	bh_close(share->places);
	for (size_t i = 0; i < share->n_names; i++)
		free(share->names[i]);
	free(share->names);
	free(share->dir);
	free(share);
	return NULL;
}
