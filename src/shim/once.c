/* SPDX-License-Identifier: Apache-2.0 */
/* The actions that look or clean up, and are done: `delete`, -info; and what they share. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/log.h"
#include "base/path.h"
#include "container/commit.h"
#include "container/features.h"
#include "rpc/task.pb-c.h"
#include "shim/input.h"
#include "shim/shim.h"

#define STATUS_KILLED 137 /* 128 + SIGKILL: nobody can tell how it ended */
#define FEATURES_TYPE "types.containerd.io/opencontainers/runtime-spec/1/features/Features"
#define SMALL_FILE    8192
#define ADDRESS_START "unix://"

const char *bh_shim_root(struct bh_arena *arena, const char *root, const char *name_space,
			 struct bh_err *err)
{
	const char *path = bh_arena_printf(arena, "%s/%s", root, name_space);

	if (!path)
		bh_err_oom(err);
	return path;
}

/* @message, packed, on standard output. */
static int print(const ProtobufCMessage *message, struct bh_err *err)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	bh_auto_free uint8_t *data = malloc(len + 1);
	int r;

	if (!data)
		return bh_err_oom(err);
	protobuf_c_message_pack(message, data);
	r = bh_fd_write(STDOUT_FILENO, data, len);
	return r < 0 ? bh_err_set(err, r, "write to standard output") : 0;
}

int bh_shim_read_input(char **ret, size_t *ret_len, struct bh_err *err)
{
	return bh_fd_read(STDIN_FILENO, "standard input", BH_SHIM_STDIN_MAX, ret, ret_len, err);
}

/* ---- delete ---------------------------------------------------------------------------------- */

/* A file of the bundle that `start` wrote. Return: in @arena; NULL when there is none */
static char *read_note(struct bh_arena *arena, const char *bundle, const char *name)
{
	bh_auto_close int dir =
		bh_path_try_open(AT_FDCWD, bundle, O_RDONLY | O_DIRECTORY, 0, BH_PATH_HOST);
	bh_auto_free char *text = NULL;

	if (dir < 0 || bh_path_read(dir, name, BH_PATH_BENEATH, SMALL_FILE, &text, NULL, NULL) < 0)
		return NULL;
	return bh_arena_strdup(arena, text);
}

/* Of a process that is gone. */
static void remove_socket(const char *address)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	bh_auto_close int fd = -EBADF;

	if (!address || strncmp(address, ADDRESS_START, strlen(ADDRESS_START)) != 0 ||
	    strlen(address) - strlen(ADDRESS_START) >= sizeof(at.sun_path))
		return;
	strcpy(at.sun_path, address + strlen(ADDRESS_START));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 &&
	    errno == ECONNREFUSED) {
		unlink(at.sun_path);
		bh_shim_unmark(at.sun_path);
	}
}

int bh_shim_delete(const struct bh_shim_call *call, struct bh_err *err)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	const char *root = read_note(&arena, call->bundle, BH_SHIM_ROOT_FILE);
	Task__DeleteResponse answer = TASK__DELETE_RESPONSE__INIT;
	Wire__Timestamp at = WIRE__TIMESTAMP__INIT;
	struct timespec now;
	pid_t pid;
	int r;

	root = bh_shim_root(&arena, root ? root : BH_SHIM_ROOT_DEFAULT, call->name_space, err);
	if (!root)
		return err->code;
	r = bh_pod_sweep(root, call->id, call->bundle, &pid, err);
	if (r < 0)
		return r;
	remove_socket(read_note(&arena, call->bundle, BH_SHIM_ADDRESS_FILE));
	clock_gettime(CLOCK_REALTIME, &now);
	at.seconds = now.tv_sec;
	at.nanos = (int32_t)now.tv_nsec;
	answer.pid = (uint32_t)pid;
	answer.exit_status = STATUS_KILLED;
	answer.exited_at = &at;
	return print(&answer.base, err);
}

/* ---- info ------------------------------------------------------------------------------------ */

/* Options that cannot be read must not keep a container from being created. */
int bh_shim_info(const struct bh_shim_call *call, struct bh_err *err)
{
	bh_auto_shim_input struct bh_shim_input input = { .any = NULL };
	bh_auto_buf struct bh_buf json = BH_BUF_INIT;
	bh_auto_free char *text = NULL;
	Shim__RuntimeInfo info = SHIM__RUNTIME_INFO__INIT;
	Shim__RuntimeVersion version = SHIM__RUNTIME_VERSION__INIT;
	Wire__Any features = WIRE__ANY__INIT;
	const char *slash = strrchr(call->program, '/');
	size_t len;

	if (bh_shim_read_input(&text, &len, NULL) == 0)
		(void)!bh_shim_input_parse(text, len, &input, NULL);
	bh_container_features_json(bh_shim_kind_by_name(call->program) != NULL, &json);
	if (json.failed)
		return bh_err_oom(err);
	version.version = (char *)BH_VERSION;
	version.revision = (char *)BH_COMMIT;
	features.type_url = (char *)FEATURES_TYPE;
	features.value = (ProtobufCBinaryData){ .data = (uint8_t *)json.data, .len = json.len };
	info.name = (char *)(slash ? slash + 1 : call->program);
	info.version = &version;
	info.options = (Wire__Any *)bh_shim_input_options(&input);
	info.features = &features;
	return print(&info.base, err);
}
