/* SPDX-License-Identifier: Apache-2.0 */
/* linux.devices: block devices of the host become disks, the rest is what every guest has. */
#include <string.h>
#include <sys/sysmacros.h>

#include "base/path.h"
#include "pod/vm/translate_internal.h"

/* Source: Linux Documentation/admin-guide/devices.txt */
static const struct {
	unsigned int major, minor;
	const char *path;
} guest_devices[] = {
	{ 1, 3, "/dev/null" },    { 1, 5, "/dev/zero" },    { 1, 7, "/dev/full" },
	{ 1, 8, "/dev/random" },  { 1, 9, "/dev/urandom" }, { 5, 0, "/dev/tty" },
	{ 5, 1, "/dev/console" }, { 5, 2, "/dev/ptmx" },    { 10, 200, "/dev/net/tun" },
	{ 10, 229, "/dev/fuse" },
};

const char *bh_guest_char_device(dev_t rdev)
{
	for (size_t i = 0; i < BH_ARRAY_SIZE(guest_devices); i++)
		if (rdev == makedev(guest_devices[i].major, guest_devices[i].minor))
			return guest_devices[i].path;
	return NULL;
}

/* Whether @path is the block device @rdev. */
static bool is_device(const char *path, dev_t rdev, struct stat *st)
{
	return !stat(path, st) && S_ISBLK(st->st_mode) && st->st_rdev == rdev;
}

/* The kernel's own name of a device. Return: in the arena; NULL when it has none */
static const char *kernel_name(struct bh_arena *arena, dev_t rdev)
{
	static const char key[] = "DEVNAME=";
	bh_auto_free char *text = NULL;
	char path[64], *name;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/uevent", major(rdev), minor(rdev));
	if (bh_path_read(AT_FDCWD, path, BH_PATH_HOST, 4096, &text, NULL, NULL) < 0)
		return NULL;
	name = strstr(text, key);
	if (!name || (name != text && name[-1] != '\n'))
		return NULL;
	name += sizeof(key) - 1;
	return bh_arena_printf(arena, "/dev/%.*s", (int)strcspn(name, "\n"), name);
}

/* The document has the path in the container: on the host it may be another, so the numbers
 * count. */
static const char *find_device(struct bh_arena *arena, const struct bh_device *device,
			       struct stat *st)
{
	dev_t rdev = makedev((unsigned int)device->major, (unsigned int)device->minor);
	const char *names[] = {
		device->path,
		bh_arena_printf(arena, "/dev/block/%u:%u", major(rdev), minor(rdev)),
		kernel_name(arena, rdev),
	};

	for (size_t i = 0; i < BH_ARRAY_SIZE(names); i++)
		if (names[i] && is_device(names[i], rdev, st))
			return names[i];
	return NULL;
}

/* Whether the rules let the container write to it: the last one that names it counts. */
static bool may_write(const struct bh_spec *spec, const struct bh_device *device)
{
	bool write = true;

	bh_for_each (rule, spec->linux_.resources.devices)
		if (rule->type == 'b' && rule->major.set && rule->major.v == device->major &&
		    rule->minor.set && rule->minor.v == device->minor)
			write = rule->allow && (!rule->access || strchr(rule->access, 'w'));
	return write;
}

static int plan_block_device(struct bh_guest_plan *plan, const struct bh_device *device, size_t i,
			     const char *where, struct bh_err *err)
{
	struct stat st;
	struct bh_guest_disk_wish wish = {
		.path = find_device(&plan->arena, device, &st),
		.where = where,
		.st = &st,
		.readonly = !may_write(plan->spec, device),
		.fstype = "none",
		.target = "",
		.device = (int)i,
	};

	if (!wish.path)
		return bh_err_spec(err, where, "'%s': the host has no block device %lld:%lld",
				   device->path, (long long)device->major,
				   (long long)device->minor);
	return bh_guest_add_disk(plan, &wish, err);
}

int bh_guest_plan_devices(struct bh_guest_plan *plan, struct bh_err *err)
{
	int r = 0;

	for (size_t i = 0; i < plan->spec->linux_.devices.n && !r; i++) {
		const struct bh_device *device = &plan->spec->linux_.devices.v[i];
		dev_t rdev = makedev((unsigned int)device->major, (unsigned int)device->minor);
		char where[BH_WHERE_BYTES];

		snprintf(where, sizeof(where), "/linux/devices/%zu", i);
		if (device->type == 'b')
			r = plan_block_device(plan, device, i, where, err);
		else if (device->type != 'p' && !bh_guest_char_device(rdev))
			r = bh_err_spec(err, where,
					"'%s' (%lld:%lld) is a device of the host: a micro-VM has "
					"none of that kind",
					device->path, (long long)device->major,
					(long long)device->minor);
	}
	return r;
}

/* The list or object @key of @parent, made if it is not there. Return: borrowed; NULL = no memory
 */
static json_object *have(json_object *parent, const char *key, json_type type)
{
	json_object *value = bh_guest_member(parent, key);

	if (!parent || json_object_is_type(value, type))
		return value;
	value = type == json_type_array ? json_object_new_array() : json_object_new_object();
	return bh_guest_set(parent, key, value, NULL) < 0 ? NULL : bh_guest_member(parent, key);
}

/* Return: @object in @list, or NULL; consumes @object */
static json_object *append(json_object *list, json_object *object)
{
	if (object && json_object_array_add(list, object) == 0)
		return object;
	json_object_put(object);
	return NULL;
}

static int set_numbers(json_object *object, dev_t rdev, struct bh_err *err)
{
	int r = bh_guest_set(object, "type", json_object_new_string("b"), err);

	if (!r)
		r = bh_guest_set(object, "major", json_object_new_int64(major(rdev)), err);
	return r < 0 ? r : bh_guest_set(object, "minor", json_object_new_int64(minor(rdev)), err);
}

int bh_guest_add_device(struct bh_guest_plan *plan, const char *path, const struct stat *st,
			bool readonly, struct bh_err *err)
{
	json_object *linux_ = have(plan->doc, "linux", json_type_object);
	json_object *resources = have(linux_, "resources", json_type_object);
	json_object *devices = have(linux_, "devices", json_type_array);
	json_object *rules = have(resources, "devices", json_type_array);
	json_object *device = devices ? append(devices, json_object_new_object()) : NULL;
	json_object *rule = rules ? append(rules, json_object_new_object()) : NULL;
	int r;

	if (!device || !rule)
		return bh_err_oom(err);
	r = set_numbers(device, st->st_rdev, err);
	if (!r)
		r = bh_guest_set(device, "path", json_object_new_string(path), err);
	if (!r)
		r = bh_guest_set(device, "fileMode", json_object_new_int64(st->st_mode & 0777),
				 err);
	if (!r)
		r = bh_guest_set(device, "uid", json_object_new_int64(st->st_uid), err);
	if (!r)
		r = bh_guest_set(device, "gid", json_object_new_int64(st->st_gid), err);
	if (!r)
		r = set_numbers(rule, st->st_rdev, err);
	if (!r)
		r = bh_guest_set(rule, "allow", json_object_new_boolean(1), err);
	if (!r)
		r = bh_guest_set(rule, "access", json_object_new_string(readonly ? "rm" : "rwm"),
				 err);
	return r < 0 ? r : (int)json_object_array_length(devices) - 1;
}
