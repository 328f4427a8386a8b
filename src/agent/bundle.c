/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/bundle.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "agent/document.h"
#include "agent/storage.h"
#include "base/log.h"
#include "base/path.h"
#include "container/container.h"
#include "linux/attr.h"
#include "rpc/guest.h"

#define STORAGES_MAX 1024 /* of one container */
#define DEVICES_MAX  256

struct bh_bundle {
	struct bh_bundle *next;
	char *id;
	bool busy; /* being made or undone */
	struct bh_storage *storages;
	size_t n;
	struct bh_submounts held;
};

/* ---- the list -------------------------------------------------------------------------------- */

static struct bh_bundle *find(struct bh_bundles *bundles, const char *id)
{
	struct bh_bundle *b = bundles->list;

	while (b && strcmp(b->id, id))
		b = b->next;
	return b;
}

static void forget(struct bh_bundles *bundles, struct bh_bundle *b)
{
	bh_list_remove(&bundles->list, b);
	free(b->storages);
	free(b->id);
	free(b);
}

static struct bh_bundle *add(struct bh_bundles *bundles, const char *id, size_t storages)
{
	struct bh_bundle *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->id = strdup(id);
	b->storages = calloc(storages + 1, sizeof(*b->storages));
	if (!b->id || !b->storages) {
		free(b->id);
		free(b->storages);
		free(b);
		return NULL;
	}
	b->busy = true;
	b->next = bundles->list;
	bundles->list = b;
	return b;
}

static void undo(struct bh_bundles *bundles, struct bh_bundle *b)
{
	struct bh_err why = BH_ERR_INIT;
	char text[BH_ERR_LINE_BYTES];
	int dir;

	b->busy = true;
	while (b->n > 0)
		bh_storage_undo(bundles->loop, &b->storages[--b->n]);
	dir = bh_path_open(AT_FDCWD, BH_GUEST_BUNDLE_DIR, O_RDONLY | O_DIRECTORY, 0, BH_PATH_HOST,
			   &why);
	if (dir < 0 || bh_path_remove_tree(dir, b->id, &why) < 0)
		bh_warn("bundle %s: %s", b->id, bh_err_format(&why, text, sizeof(text)));
	bh_close(dir);
	bh_sweep_later(&bundles->sweep, b->id, &b->held);
	forget(bundles, b);
}

/* ---- what is the pod's ----------------------------------------------------------------------- */

static bool pod_has(const struct bh_bundles *bundles, const char *target)
{
	for (size_t i = 0; bundles->pod && i < bundles->pod->n; i++)
		if (!strcmp(bundles->pod->storages[i].target, target))
			return true;
	return false;
}

/* Keeps @made for the life of the pod. */
static int give_to_pod(struct bh_bundles *bundles, struct bh_storage *made, struct bh_err *err)
{
	struct bh_storage *bigger;

	if (!bundles->pod)
		bundles->pod = calloc(1, sizeof(*bundles->pod));
	bigger = bundles->pod ? reallocarray(bundles->pod->storages, bundles->pod->n + 1,
					     sizeof(*bigger))
			      : NULL;
	if (!bigger)
		return bh_err_oom(err);
	bundles->pod->storages = bigger;
	bigger[bundles->pod->n++] = *made;
	*made = (struct bh_storage){ .target = NULL };
	return 0;
}

/* ---- preparing ------------------------------------------------------------------------------- */

struct preparation {
	struct bh_bundles *bundles;
	struct bh_bundle *b;
	const Agent__PrepareRequest *request;
	const char *dir;
	struct bh_document_device devices[DEVICES_MAX];
	size_t n_devices;
};

static int add_device(struct preparation *p, const Agent__Storage *storage, dev_t device,
		      struct bh_err *err)
{
	if (storage->device < 0)
		return 0;
	if (p->n_devices == DEVICES_MAX)
		return bh_err_as(err, BH_ERR_SPEC, -E2BIG, "more than %d devices", DEVICES_MAX);
	p->devices[p->n_devices++] =
		(struct bh_document_device){ .index = (size_t)storage->device, .device = device };
	return 0;
}

static int make_storage(struct preparation *p, const Agent__Storage *storage, struct bh_err *err)
{
	struct bh_storage made;
	bool own;
	int r = bh_storage_check(storage, p->dir, &own, err);

	if (r < 0)
		return r;
	if (!own && pod_has(p->bundles, storage->target))
		return 0;
	r = bh_storage_make(p->bundles->loop, p->bundles->modules_fd, storage, &made, err);
	if (r == 0)
		r = add_device(p, storage, made.disk.device, err);
	/* Another container may have been faster while this one waited for its disk. */
	if (r == 0 && !own && !pod_has(p->bundles, storage->target))
		r = give_to_pod(p->bundles, &made, err);
	p->b->storages[p->b->n++] = made;
	return r;
}

/* Those of the pod's network, which is this very one; the document keeps the others. */
static int set_sysctls(struct bh_buf *document, struct bh_err *err)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	bh_auto_close int proc = -EBADF;
	bh_kv_list sysctls;
	int r = bh_document_take_sysctls(document, &arena, &sysctls, err);

	if (r < 0 || sysctls.n == 0)
		return r;
	proc = bh_path_open(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
	return proc < 0 ? proc : bh_attr_sysctls(proc, &sysctls, err);
}

static int write_document(const struct preparation *p, struct bh_err *err)
{
	const ProtobufCBinaryData *config = &p->request->config;
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	bh_auto_close int dir = -EBADF;
	int r = bh_document_fix((const char *)config->data, config->len, p->devices, p->n_devices,
				&out, err);

	if (r == 0)
		r = set_sysctls(&out, err);
	if (r < 0)
		return bh_err_ctx(err, "config.json");
	dir = bh_path_open(AT_FDCWD, p->dir, O_RDONLY | O_DIRECTORY, 0, BH_PATH_HOST, err);
	return dir < 0 ? dir
		       : bh_path_replace(dir, "config.json", bh_buf_str(&out), out.len, 0600, err);
}

/* What the container finds at BUNDLE/rootfs, unless a storage puts itself there. */
static int make_folders(const char *dir, struct bh_err *err)
{
	char rootfs[PATH_MAX];
	int fd;

	snprintf(rootfs, sizeof(rootfs), "%s/rootfs", dir);
	fd = bh_path_mkdirs(AT_FDCWD, rootfs, 0755, err);
	bh_close(fd);
	return fd < 0 ? fd : 0;
}

static int prepare(struct preparation *p, struct bh_err *err)
{
	const Agent__PrepareRequest *request = p->request;
	int r = make_folders(p->dir, err);

	if (r == 0)
		r = bh_storage_share(err);
	r = r < 0 ? r : bh_submounts_hold(p->bundles->loop, request->id, &p->b->held, err);
	for (size_t i = 0; i < request->n_storages && r == 0; i++) {
		const Agent__Storage *storage = request->storages[i];

		r = make_storage(p, storage, err);
		if (r < 0)
			return bh_err_ctx(err, "storage %zu of %zu (%.16s '%.128s' on '%.128s')",
					  i + 1, request->n_storages, storage->driver,
					  storage->source, storage->target);
	}
	return r < 0 ? r : write_document(p, err);
}

int bh_bundles_prepare(struct bh_bundles *bundles, const Agent__PrepareRequest *request, char *ret,
		       struct bh_err *err)
{
	struct preparation *p;
	int r = bh_container_id_check(request->id, err);

	if (r < 0)
		return r;
	if (find(bundles, request->id))
		return bh_err_as(err, BH_ERR_STATE, -EEXIST, "a bundle for %s exists", request->id);
	if (request->n_storages > STORAGES_MAX)
		return bh_err_as(err, BH_ERR_SPEC, -E2BIG, "%zu storages: %d are allowed",
				 request->n_storages, STORAGES_MAX);
	if (snprintf(ret, PATH_MAX, BH_GUEST_BUNDLE_DIR "/%s", request->id) >= NAME_MAX)
		return bh_err_as(err, BH_ERR_SPEC, -ENAMETOOLONG, "the id is too long");
	p = calloc(1, sizeof(*p));
	if (!p)
		return bh_err_oom(err);
	*p = (struct preparation){ .bundles = bundles, .request = request, .dir = ret };
	p->b = add(bundles, request->id, request->n_storages);
	r = p->b ? prepare(p, err) : bh_err_oom(err);
	if (p->b)
		p->b->busy = false;
	if (p->b && r < 0)
		undo(bundles, p->b);
	free(p);
	return r;
}

int bh_bundles_release(struct bh_bundles *bundles, const char *id, struct bh_err *err)
{
	struct bh_bundle *b = find(bundles, id);

	if (!b)
		return 0;
	if (b->busy)
		return bh_err_as(err, BH_ERR_STATE, -EBUSY, "the bundle of %s is being worked on",
				 id);
	undo(bundles, b);
	return 0;
}

void bh_bundles_release_all(struct bh_bundles *bundles)
{
	struct bh_bundle *b = bundles->list;

	/* Undoing suspends: the list may be another one after it. */
	while (b) {
		if (b->busy) {
			b = b->next;
			continue;
		}
		undo(bundles, b);
		b = bundles->list;
	}
	bh_sweep_deinit(&bundles->sweep);
	while (bundles->pod && bundles->pod->n > 0)
		bh_storage_undo(bundles->loop, &bundles->pod->storages[--bundles->pod->n]);
}
