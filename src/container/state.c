/* SPDX-License-Identifier: Apache-2.0 */
#include "container/state.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/json_writer.h"
#include "base/path.h"
#include "base/schema.h"
#include "base/socket.h"
#include "container/passwd.h"

#define CONFIG_BYTES_MAX (16U << 20)
#define STATE_BYTES_MAX  (1U << 20)
#define CONFIG           "config.json"
#define STATE            "state.json"
#define STATE_VERSION    1

/* Opens ROOT, made with its parents if missing. */
static int open_root(const char *root, struct bh_err *err)
{
	bh_auto_close int top = -EBADF;
	int fd = bh_path_try_open(AT_FDCWD, root, O_RDONLY | O_DIRECTORY, 0, BH_PATH_HOST);

	if (fd != -ENOENT)
		return fd >= 0 ? fd : bh_err_set(err, fd, "open state directory '%s'", root);
	top = bh_path_open(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
	if (top < 0)
		return top;
	fd = bh_path_mkdirs(top, root, 0700, err);
	if (fd < 0)
		return bh_err_ctx(err, "state directory");
	bh_close(fd);
	return bh_path_open(AT_FDCWD, root, O_RDONLY | O_DIRECTORY, 0, BH_PATH_HOST, err);
}

static int taken(const char *id, struct bh_err *err)
{
	return bh_err_as(err, BH_ERR_STATE, -EEXIST, "container with given ID already exists: %s",
			 id);
}

int bh_state_check_free(const char *root, const char *id, struct bh_err *err)
{
	bh_auto_close int root_fd =
		bh_path_try_open(AT_FDCWD, root, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST);

	return root_fd >= 0 && faccessat(root_fd, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0
		       ? taken(id, err)
		       : 0;
}

int bh_state_reserve(const char *root, const char *id, struct bh_err *err)
{
	bh_auto_close int root_fd = open_root(root, err);
	int fd;

	if (root_fd < 0)
		return root_fd;
	if (mkdirat(root_fd, id, 0700) < 0) {
		if (errno == EEXIST)
			return taken(id, err);
		return bh_err_set(err, -errno, "make '%s/%s'", root, id);
	}
	fd = bh_path_open(root_fd, id, O_RDONLY | O_DIRECTORY, 0, BH_PATH_BENEATH, err);
	if (fd < 0)
		unlinkat(root_fd, id, AT_REMOVEDIR);
	return fd;
}

/* A new file in the fresh directory; whoever could race for its name owns the directory anyway. */
int bh_state_save_config(int dirfd, const char *text, size_t len, struct bh_err *err)
{
	bh_auto_close int fd = bh_path_open(dirfd, CONFIG, O_WRONLY | O_CREAT | O_EXCL, 0600,
					    BH_PATH_BENEATH, err);
	int r;

	if (fd < 0)
		return fd;
	r = bh_fd_write(fd, text, len);
	return r < 0 ? bh_err_set(err, r, "write config.json to the state directory") : 0;
}

static void write_state(const struct bh_container *c, struct bh_buf *out)
{
	struct bh_json_writer w = { .out = out };
	bh_auto_buf struct bh_buf cgroup = BH_BUF_INIT;

	bh_json_open(&w, NULL, '{');
	bh_json_i64(&w, "version", STATE_VERSION);
	bh_json_text(&w, "id", c->id);
	bh_json_text(&w, "bundle", c->bundle);
	bh_json_text(&w, "rootfs", c->rootfs);
	bh_json_text(&w, "created", c->created);
	bh_json_u64(&w, "uid", geteuid());
	bh_json_i64(&w, "pid", c->init.pid);
	bh_json_u64(&w, "startTime", c->init.start_time);
	bh_json_bool(&w, "rootless", c->rootless);
	bh_json_bool(&w, "rdtOwned", c->rdt_owned);
	if (c->pod)
		bh_json_text(&w, "pod", c->pod);
	if (c->cg) {
		bh_cgroup_save(c->cg, &cgroup);
		bh_json_raw(&w, "cgroup", bh_buf_str(&cgroup));
	}
	bh_json_close(&w, '}');
	bh_buf_puts(out, "\n");
	out->failed |= cgroup.failed;
}

int bh_state_save(const struct bh_container *c, struct bh_err *err)
{
	bh_auto_buf struct bh_buf buf = BH_BUF_INIT;

	write_state(c, &buf);
	if (buf.failed)
		return bh_err_oom(err);
	return bh_path_replace(c->dirfd, STATE, buf.data, buf.len, 0600, err);
}

int bh_state_remove(const char *root, const char *id, struct bh_err *err)
{
	static const char *const files[] = { CONFIG, STATE, BH_STATE_START_SOCKET };
	bh_auto_close int root_fd =
		bh_path_open(AT_FDCWD, root, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
	bh_auto_close int fd = -EBADF;

	if (root_fd < 0)
		return root_fd;
	/* What is usually there, without listing it; then whatever else may be. */
	fd = bh_path_try_open(root_fd, id, O_PATH | O_DIRECTORY, 0, BH_PATH_BENEATH);
	for (size_t i = 0; fd >= 0 && i < BH_ARRAY_SIZE(files); i++)
		unlinkat(fd, files[i], 0);
	if (unlinkat(root_fd, id, AT_REMOVEDIR) == 0)
		return 0;
	return bh_path_remove_tree(root_fd, id, err);
}

int bh_state_listen(int dirfd, struct bh_err *err)
{
	const struct sockaddr_un addr = bh_socket_at(dirfd, BH_STATE_START_SOCKET);
	bh_auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, 1) < 0)
		return bh_err_set(err, -errno, "make the start socket");
	return bh_take_fd(&fd);
}

int bh_state_connect(int dirfd, struct bh_err *err)
{
	const struct sockaddr_un addr = bh_socket_at(dirfd, BH_STATE_START_SOCKET);
	bh_auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return bh_err_set(err, -errno, "connect to the created process");
	return bh_take_fd(&fd);
}

bool bh_state_waits(int dirfd)
{
	return faccessat(dirfd, BH_STATE_START_SOCKET, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static const char *get_string(struct bh_arena *arena, json_object *o, const char *key)
{
	json_object *value = NULL;

	json_object_object_get_ex(o, key, &value);
	return value ? bh_arena_strdup(arena, json_object_get_string(value)) : NULL;
}

static int64_t get_int(json_object *o, const char *key)
{
	json_object *value = NULL;

	json_object_object_get_ex(o, key, &value);
	return value ? json_object_get_int64(value) : 0;
}

static int read_state(struct bh_container *c, json_object *o, struct bh_err *err)
{
	json_object *cgroup = NULL;
	char owner[64];

	if (get_int(o, "version") != STATE_VERSION)
		return bh_err_as(err, BH_ERR_STATE, -EPROTO, "state.json: version %lld, not %d",
				 (long long)get_int(o, "version"), STATE_VERSION);
	c->bundle = get_string(&c->arena, o, "bundle");
	c->rootfs = get_string(&c->arena, o, "rootfs");
	c->created = get_string(&c->arena, o, "created");
	c->pod = get_string(&c->arena, o, "pod");
	bh_passwd_name((uid_t)get_int(o, "uid"), owner, sizeof(owner));
	c->owner = bh_arena_strdup(&c->arena, owner);
	c->init.pid = (pid_t)get_int(o, "pid");
	c->init.start_time = (uint64_t)get_int(o, "startTime");
	c->rootless = get_int(o, "rootless");
	c->rdt_owned = get_int(o, "rdtOwned");
	if (!c->bundle || !c->rootfs || !c->created || !c->owner)
		return bh_err_as(err, BH_ERR_STATE, -EBADMSG, "state.json is incomplete");
	if (json_object_object_get_ex(o, "cgroup", &cgroup))
		return bh_cgroup_load(cgroup, &c->cg, err);
	return 0;
}

static int load_state(struct bh_container *c, struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	json_object *o;
	size_t len;
	int r;

	r = bh_path_read(c->dirfd, STATE, BH_PATH_BENEATH, STATE_BYTES_MAX, &text, &len, err);
	if (r < 0)
		return r;
	o = json_tokener_parse(text);
	if (!o)
		return bh_err_as(err, BH_ERR_STATE, -EBADMSG, "state.json is not JSON");
	r = read_state(c, o, err);
	json_object_put(o);
	return r;
}

int bh_bundle_read(const char *bundle, char **ret, size_t *ret_len, struct bh_err *err)
{
	bh_auto_close int dir =
		bh_path_open(AT_FDCWD, bundle, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
	bh_auto_close int fd = -EBADF;

	if (dir < 0)
		return bh_err_ctx(err, "bundle");
	/* A FIFO must not stop this program, which holds back signals: it reads as empty. */
	fd = bh_path_open(dir, CONFIG, O_RDONLY | O_NONBLOCK, 0, BH_PATH_HOST, err);
	return fd < 0 ? fd : bh_fd_read(fd, CONFIG, CONFIG_BYTES_MAX, ret, ret_len, err);
}

struct annotated {
	bh_kv_list annotations;
};

int bh_bundle_annotations(struct bh_arena *arena, const char *bundle, bh_kv_list *ret,
			  struct bh_err *err)
{
	static const struct bh_field fields[] = {
		BH_FIELD(struct annotated, annotations, "annotations"),
	};
	static const struct bh_schema schema = BH_SCHEMA(struct annotated, fields);
	struct annotated document = { .annotations = { .n = 0 } };
	bh_auto_free char *text = NULL;
	size_t len;
	int r = bh_bundle_read(bundle, &text, &len, err);

	r = r < 0 ? r : bh_schema_read(&schema, arena, text, len, &document, err);
	if (r == 0)
		*ret = document.annotations;
	return r;
}

int bh_state_read_config(int dirfd, char **ret, size_t *ret_len, struct bh_err *err)
{
	return bh_path_read(dirfd, CONFIG, BH_PATH_BENEATH, CONFIG_BYTES_MAX, ret, ret_len, err);
}

static int load_config(struct bh_container *c, struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	size_t len;
	int r;

	r = bh_state_read_config(c->dirfd, &text, &len, err);
	return r < 0 ? r : bh_spec_parse(&c->arena, text, len, &c->spec, err);
}

struct bh_container *bh_container_load(const char *root, const char *id, struct bh_err *err)
{
	bh_auto_container struct bh_container *c = calloc(1, sizeof(*c));
	bh_auto_close int root_fd = -EBADF;
	int r;

	if (!c) {
		bh_err_oom(err);
		return NULL;
	}
	c->dirfd = -EBADF;
	if (bh_container_id_check(id, err) < 0)
		return NULL;
	root_fd = bh_path_try_open(AT_FDCWD, root, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST);
	if (root_fd >= 0)
		c->dirfd =
			bh_path_try_open(root_fd, id, O_RDONLY | O_DIRECTORY, 0, BH_PATH_BENEATH);
	if (root_fd == -ENOENT || c->dirfd == -ENOENT) {
		bh_err_as(err, BH_ERR_STATE, -ENOENT, "container does not exist: %s", id);
		return NULL;
	}
	if (c->dirfd < 0) {
		bh_err_set(err, root_fd < 0 ? root_fd : c->dirfd, "open '%s/%s'", root, id);
		return NULL;
	}
	c->id = bh_arena_strdup(&c->arena, id);
	c->root = bh_arena_strdup(&c->arena, root);
	r = c->id && c->root ? load_state(c, err) : bh_err_oom(err);
	r = r < 0 ? r : load_config(c, err);
	if (r < 0) {
		bh_err_ctx(err, "load container '%s'", id);
		return NULL;
	}
	return bh_take(&c);
}

struct bh_container *bh_container_new(const char *root, const char *id, const char *bundle,
				      struct bh_err *err)
{
	struct bh_container *c;

	if (bh_container_id_check(id, err) < 0)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c) {
		c->dirfd = -EBADF;
		c->id = bh_arena_strdup(&c->arena, id);
		c->root = bh_arena_strdup(&c->arena, root);
		c->bundle = bh_arena_strdup(&c->arena, bundle);
	}
	if (c && c->id && c->root && c->bundle)
		return c;
	bh_container_free(c);
	bh_err_oom(err);
	return NULL;
}

struct bh_container *bh_container_free(struct bh_container *c)
{
	if (!c)
		return NULL;
	bh_cgroup_free(c->cg);
	bh_close(c->dirfd);
	bh_arena_deinit(&c->arena);
	free(c);
	return NULL;
}
