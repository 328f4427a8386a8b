/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The engine's document is kept as it is, as JSON, and changed in place: fields that nobody here
 * knows pass on to the guest. What the parsed form says of a field decides, the JSON is edited
 * beside it. Three things come out: what to share and which disks to add (translate_apply.c does
 * that), what the agent is to mount (storages), and the document.
 *
 * Root first, since binds of what lies in it follow it; devices before mounts, which may add some.
 */
#include "pod/vm/translate.h"

#include <fcntl.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "pod/vm/translate_internal.h"

int bh_guest_look(const char *path, const char *where, struct stat *st, struct bh_err *err)
{
	bh_auto_close int fd = bh_path_try_open(AT_FDCWD, path, O_PATH, 0, BH_PATH_HOST);

	if (fd < 0)
		return bh_err_spec(err, where, "'%s': %s", path, strerror(-fd));
	if (fstat(fd, st) < 0)
		return bh_err_set(err, -errno, "fstat '%s'", path);
	return bh_take_fd(&fd);
}

Agent__Storage *bh_guest_add_storage(struct bh_guest_plan *plan, const char *driver,
				     const char *source, const char *target)
{
	Agent__Storage *storage = bh_arena_new(&plan->arena, Agent__Storage);
	Agent__Storage **mine = storage ? bh_plan_more(plan, &plan->storages) : NULL;

	if (!mine)
		return NULL;
	agent__storage__init(storage);
	storage->driver = (char *)driver;
	storage->source = (char *)source;
	storage->target = (char *)target;
	storage->device = -1;
	*mine = storage;
	return storage;
}

int bh_guest_add_disk(struct bh_guest_plan *plan, const struct bh_guest_disk_wish *wish,
		      struct bh_err *err)
{
	Agent__Storage *storage = bh_guest_add_storage(plan, "disk", "", wish->target);
	struct bh_guest_disk *disk = storage ? bh_plan_more(plan, &plan->disks) : NULL;
	bool block = S_ISBLK(wish->st->st_mode);

	if (!disk)
		return bh_err_oom(err);
	storage->fstype = bh_arena_strdup(&plan->arena, wish->fstype);
	storage->options = wish->options;
	storage->n_options = wish->n_options;
	storage->device = wish->device;
	*disk = (struct bh_guest_disk){
		.path = bh_arena_strdup(&plan->arena, wish->path),
		.where = bh_arena_strdup(&plan->arena, wish->where),
		.block = block,
		.rdev = block ? wish->st->st_rdev : 0,
		.readonly = wish->readonly,
		.exclusive = block && !wish->readonly && wish->target[0],
		.storage = plan->storages.n - 1,
	};
	return disk->path && disk->where && storage->fstype ? 0 : bh_err_oom(err);
}

/* Requests go away with their call. */
static int copy_rootfs(struct bh_guest_plan *plan, const struct bh_guest_source *source,
		       struct bh_err *err)
{
	for (size_t i = 0; i < source->n_rootfs; i++) {
		const Task__Mount *from = source->rootfs[i];
		Task__Mount *mount = bh_arena_new(&plan->arena, Task__Mount);
		Task__Mount **mine = mount ? bh_plan_more(plan, &plan->rootfs) : NULL;

		if (!mine)
			return bh_err_oom(err);
		task__mount__init(mount);
		mount->type = bh_arena_strdup(&plan->arena, from->type);
		mount->source = bh_arena_strdup(&plan->arena, from->source);
		mount->target = bh_arena_strdup(&plan->arena, from->target);
		mount->options =
			bh_arena_array(&plan->arena, from->n_options + 1, sizeof(*mount->options));
		if (!mount->type || !mount->source || !mount->target || !mount->options)
			return bh_err_oom(err);
		for (; mount->n_options < from->n_options; mount->n_options++) {
			char *option =
				bh_arena_strdup(&plan->arena, from->options[mount->n_options]);

			if (!option)
				return bh_err_oom(err);
			mount->options[mount->n_options] = option;
		}
		*mine = mount;
	}
	return 0;
}

/* Return: the tree's, until it changes */
static const char *document_text(json_object *doc, size_t *ret_len)
{
	return json_object_to_json_string_length(
		doc, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, ret_len);
}

static int make_message(struct bh_guest_plan *plan, struct bh_err *err)
{
	size_t len;
	const char *text = document_text(plan->doc, &len);
	char *config = text ? bh_arena_strndup(&plan->arena, text, len) : NULL;

	if (!config)
		return bh_err_oom(err);
	agent__prepare_request__init(&plan->message);
	plan->message.id = (char *)plan->id;
	plan->message.config.data = (uint8_t *)config;
	plan->message.config.len = len;
	plan->message.storages = plan->storages.v;
	plan->message.n_storages = plan->storages.n;
	return 0;
}

static int decide(struct bh_guest_plan *plan, const struct bh_guest_source *source,
		  struct bh_err *err)
{
	int r;

	plan->id = bh_arena_strdup(&plan->arena, source->id);
	plan->bundle = bh_arena_strdup(&plan->arena, source->bundle);
	if (!plan->id || !plan->bundle)
		return bh_err_oom(err);
	r = bh_json_parse(source->config, source->config_len, &plan->doc, err);
	if (!r)
		r = copy_rootfs(plan, source, err);
	if (!r)
		r = bh_guest_plan_root(plan, err);
	if (!r)
		r = bh_guest_plan_devices(plan, err);
	if (!r)
		r = bh_guest_plan_mounts(plan, err);
	if (!r)
		r = bh_guest_plan_fields(plan, err);
	return r < 0 ? r : make_message(plan, err);
}

int bh_guest_plan_new(const struct bh_guest_source *source, struct bh_guest_plan **ret,
		      struct bh_err *err)
{
	struct bh_guest_plan *plan = calloc(1, sizeof(*plan));
	int r;

	if (!plan)
		return bh_err_oom(err);
	plan->spec = source->spec;
	plan->monitor_pid = source->monitor_pid;
	plan->sandbox_pid = source->sandbox_pid;
	plan->target_pid = source->target_pid;
	r = decide(plan, source, err);
	if (r < 0) {
		bh_guest_plan_free(plan);
		return r;
	}
	plan->spec = NULL; /* the caller's: only valid during the call */
	*ret = plan;
	return 0;
}

static void print_storage(const Agent__Storage *storage, struct bh_buf *out)
{
	bh_buf_printf(out, "guest: %s", storage->driver);
	if (storage->fstype[0])
		bh_buf_printf(out, " type %s", storage->fstype);
	if (storage->target[0])
		bh_buf_printf(out, " on %s", storage->target);
	if (storage->device >= 0)
		bh_buf_printf(out, " as /linux/devices/%d", storage->device);
	for (size_t i = 0; i < storage->n_options; i++)
		bh_buf_printf(out, "%s%s", i ? "," : " with ", storage->options[i]);
	bh_buf_puts(out, "\n");
}

void bh_guest_plan_print(const struct bh_guest_plan *plan, struct bh_buf *out)
{
	bh_for_each (mount, plan->rootfs)
		bh_buf_printf(out, "root: %s '%s'\n", (*mount)->type, (*mount)->source);
	bh_for_each (share, plan->shares)
		bh_buf_printf(out, "share: %s from '%s'%s%s\n", share->name, share->path,
			      share->readonly ? " read-only" : "",
			      share->recursive ? " with what is mounted below" : "");
	bh_for_each (disk, plan->disks)
		bh_buf_printf(out, "disk: '%s'%s\n", disk->path,
			      disk->readonly ? " read-only" : "");
	bh_for_each (storage, plan->storages)
		print_storage(*storage, out);
	bh_buf_printf(out, "document: %s\n", (const char *)plan->message.config.data);
}

const Agent__PrepareRequest *bh_guest_plan_message(const struct bh_guest_plan *plan)
{
	return &plan->message;
}

int bh_guest_process(const char *process, size_t len, char **ret, struct bh_err *err)
{
	json_object *doc = NULL;
	int r = bh_json_parse(process, len, &doc, err);

	if (!r)
		r = bh_guest_process_fields(doc, err);
	if (!r) {
		*ret = strdup(document_text(doc, &len));
		r = *ret ? 0 : bh_err_oom(err);
	}
	json_object_put(doc);
	return r;
}

struct bh_guest_plan *bh_guest_plan_free(struct bh_guest_plan *plan)
{
	if (!plan)
		return NULL;
	json_object_put(plan->doc);
	bh_arena_deinit(&plan->arena);
	free(plan);
	return NULL;
}
