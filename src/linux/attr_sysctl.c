/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "linux/attr.h"

#define SYSCTL_PATH_BYTES 512

int bh_sysctl_path(const char *name, char *buf, size_t size)
{
	size_t separator = strcspn(name, "./"), start = 0;
	bool dots = name[separator] == '.';

	if (strlen(name) >= size)
		return -ENAMETOOLONG;
	for (size_t i = 0;; i++) {
		char c = name[i];

		if (dots && (c == '.' || c == '/'))
			c = c == '.' ? '/' : '.';
		buf[i] = c;
		if (c != '/' && c != '\0')
			continue;
		if (i == start || (i == start + 1 && buf[start] == '.') ||
		    (i == start + 2 && buf[start] == '.' && buf[start + 1] == '.'))
			return -EINVAL;
		if (c == '\0')
			return 0;
		start = i + 1;
	}
}

int bh_attr_sysctls(int proc_fd, const bh_kv_list *sysctls, struct bh_err *err)
{
	bh_for_each (sysctl, *sysctls) {
		char path[SYSCTL_PATH_BYTES] = "sys/";
		int r = bh_sysctl_path(sysctl->key, path + 4, sizeof(path) - 4);

		if (r < 0)
			return bh_err_set(err, r, "sysctl '%s'", sysctl->key);
		r = bh_path_write(proc_fd, path, sysctl->value, BH_PATH_PROC, err);
		if (r < 0)
			return bh_err_ctx(err, "sysctl '%s'", sysctl->key);
	}
	return 0;
}

/* What belongs to which namespace; with a '/' at its end, all below it. */
static const struct {
	const char *path;
	enum bh_ns_kind kind;
} namespaced[] = {
	{ "kernel/msgmax", BH_NS_IPC },
	{ "kernel/msgmnb", BH_NS_IPC },
	{ "kernel/msgmni", BH_NS_IPC },
	{ "kernel/sem", BH_NS_IPC },
	{ "kernel/shmall", BH_NS_IPC },
	{ "kernel/shmmax", BH_NS_IPC },
	{ "kernel/shmmni", BH_NS_IPC },
	{ "kernel/shm_rmid_forced", BH_NS_IPC },
	{ "fs/mqueue/", BH_NS_IPC },
	{ "net/", BH_NS_NETWORK },
	{ "kernel/domainname", BH_NS_UTS },
	{ "kernel/hostname", BH_NS_UTS },
	{ "user/", BH_NS_USER },
};

static const struct {
	const char *proc_path, *name;
} kinds[BH_NS_MAX_] = {
	[BH_NS_IPC] = { "/proc/self/ns/ipc", "IPC" },
	[BH_NS_NETWORK] = { "/proc/self/ns/net", "network" },
	[BH_NS_UTS] = { "/proc/self/ns/uts", "UTS" },
	[BH_NS_USER] = { "/proc/self/ns/user", "user" },
};

/* Return: 1 when the container's namespace is not the caller's; 0 when it is; -errno */
static int own_namespace(const struct bh_spec *spec, enum bh_ns_kind kind, struct bh_err *err)
{
	const struct bh_namespace *ns = NULL;
	struct stat own, other;

	bh_for_each (entry, spec->linux_.namespaces) {
		if (entry->kind == kind)
			ns = entry;
	}
	if (!ns)
		return 0;
	if (!ns->path)
		return 1;
	if (stat(ns->path, &other) < 0)
		return bh_err_set(err, -errno, "look at namespace '%s'", ns->path);
	if (stat(kinds[kind].proc_path, &own) < 0)
		return bh_err_set(err, -errno, "look at '%s'", kinds[kind].proc_path);
	return own.st_dev != other.st_dev || own.st_ino != other.st_ino;
}

static int check_sysctl(const struct bh_spec *spec, const char *name, const char *pointer,
			struct bh_err *err)
{
	char path[SYSCTL_PATH_BYTES];
	enum bh_ns_kind kind = BH_NS_MAX_;
	int r = bh_sysctl_path(name, path, sizeof(path));

	if (r < 0)
		return bh_err_spec(err, pointer, "sysctl \"%s\" is not a valid name", name);
	for (size_t i = 0; i < BH_ARRAY_SIZE(namespaced); i++) {
		const char *known = namespaced[i].path;
		size_t len = strlen(known);

		if (strncmp(known, path, known[len - 1] == '/' ? len : len + 1) == 0)
			kind = namespaced[i].kind;
	}
	if (kind == BH_NS_MAX_)
		return bh_err_spec(err, pointer,
				   "sysctl \"%s\" is not in a separate kernel namespace", name);
	r = own_namespace(spec, kind, err);
	if (r < 0)
		return bh_err_ctx(err, "sysctl \"%s\"", name);
	if (r == 0)
		return bh_err_spec(err, pointer,
				   "sysctl \"%s\" is not allowed in the host's %s namespace", name,
				   kinds[kind].name);
	if (strcmp(path, "kernel/hostname") == 0)
		return bh_err_spec(err, pointer,
				   "sysctl \"%s\" is not allowed as it conflicts with the OCI "
				   "\"hostname\" field",
				   name);
	return 0;
}

int bh_sysctl_check(const struct bh_spec *spec, struct bh_err *err)
{
	bh_for_each (sysctl, spec->linux_.sysctl) {
		char pointer[BH_ERR_WHERE_BYTES];
		size_t n = (size_t)snprintf(pointer, sizeof(pointer), "/linux/sysctl/");
		int r;

		/* RFC 6901: '~' and '/' in a key are written ~0 and ~1. */
		for (const char *p = sysctl->key; *p && n + 3 < sizeof(pointer); p++) {
			if (*p == '~' || *p == '/') {
				pointer[n++] = '~';
				pointer[n++] = *p == '~' ? '0' : '1';
			} else {
				pointer[n++] = *p;
			}
		}
		pointer[n] = '\0';
		r = check_sysctl(spec, sysctl->key, pointer, err);
		if (r < 0)
			return r;
	}
	return 0;
}
