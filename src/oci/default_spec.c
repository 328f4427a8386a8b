/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/default_spec.h"

#include <string.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "oci/version.h"

/* A list of strings up to NULL. */
#define STRINGS(...)              \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

static const char *const capabilities[] = { "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE",
					    NULL };

static const char *const masked_paths[] = { "/proc/acpi",
					    "/proc/asound",
					    "/proc/kcore",
					    "/proc/keys",
					    "/proc/latency_stats",
					    "/proc/timer_list",
					    "/proc/timer_stats",
					    "/proc/sched_debug",
					    "/sys/firmware",
					    "/proc/scsi",
					    NULL };

static const char *const readonly_paths[] = { "/proc/bus",           "/proc/fs",
					      "/proc/irq",           "/proc/sys",
					      "/proc/sysrq-trigger", NULL };

/* Which of the two documents, or both, have an entry. */
enum { ROOTFUL = 1, ROOTLESS = 2, BOTH = ROOTFUL | ROOTLESS };

static const struct mount {
	int in;
	const char *destination, *type, *source;
	const char *options[7];
} mounts[] = {
	{ BOTH, "/proc", "proc", "proc", { NULL } },
	{ BOTH, "/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
	{ ROOTFUL,
	  "/dev/pts",
	  "devpts",
	  "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
	{ ROOTLESS,
	  "/dev/pts",
	  "devpts",
	  "devpts",
	  { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620" } },
	{ BOTH,
	  "/dev/shm",
	  "tmpfs",
	  "shm",
	  { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
	{ BOTH, "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
	{ ROOTFUL, "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
	{ ROOTLESS, "/sys", "none", "/sys", { "rbind", "nosuid", "noexec", "nodev", "ro" } },
	{ BOTH,
	  "/sys/fs/cgroup",
	  "cgroup",
	  "cgroup",
	  { "nosuid", "noexec", "nodev", "relatime", "ro" } },
};

static const struct namespace
{
	int in;
	const char *type;
}
namespaces[] = {
	{ BOTH, "pid" },   { ROOTFUL, "network" }, { BOTH, "ipc" },      { BOTH, "uts" },
	{ BOTH, "mount" }, { BOTH, "cgroup" },     { ROOTLESS, "user" },
};

static void write_process(struct bh_json_writer *w)
{
	bh_json_open(w, "process", '{');
	bh_json_bool(w, "terminal", true);
	bh_json_open(w, "user", '{');
	bh_json_i64(w, "uid", 0);
	bh_json_i64(w, "gid", 0);
	bh_json_close(w, '}');
	bh_json_texts(w, "args", STRINGS("sh"));
	bh_json_texts(w, "env",
		      STRINGS("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			      "TERM=xterm"));
	bh_json_text(w, "cwd", "/");
	bh_json_open(w, "capabilities", '{');
	bh_json_texts(w, "bounding", capabilities);
	bh_json_texts(w, "effective", capabilities);
	bh_json_texts(w, "permitted", capabilities);
	bh_json_close(w, '}');
	bh_json_open(w, "rlimits", '[');
	bh_json_open(w, NULL, '{');
	bh_json_text(w, "type", "RLIMIT_NOFILE");
	bh_json_i64(w, "hard", 1024);
	bh_json_i64(w, "soft", 1024);
	bh_json_close(w, '}');
	bh_json_close(w, ']');
	bh_json_bool(w, "noNewPrivileges", true);
	bh_json_close(w, '}');
}

static void write_mounts(struct bh_json_writer *w, int kind)
{
	bh_json_open(w, "mounts", '[');
	for (const struct mount *m = mounts; m < mounts + BH_ARRAY_SIZE(mounts); m++) {
		if (!(m->in & kind))
			continue;
		bh_json_open(w, NULL, '{');
		bh_json_text(w, "destination", m->destination);
		bh_json_text(w, "type", m->type);
		bh_json_text(w, "source", m->source);
		bh_json_texts(w, "options", m->options);
		bh_json_close(w, '}');
	}
	bh_json_close(w, ']');
}

static void write_mapping(struct bh_json_writer *w, const char *key, uint32_t id)
{
	bh_json_open(w, key, '[');
	bh_json_open(w, NULL, '{');
	bh_json_i64(w, "containerID", 0);
	bh_json_i64(w, "hostID", id);
	bh_json_i64(w, "size", 1);
	bh_json_close(w, '}');
	bh_json_close(w, ']');
}

/* All devices are denied; the runtime adds the few that every container has. */
static void write_resources(struct bh_json_writer *w)
{
	bh_json_open(w, "resources", '{');
	bh_json_open(w, "devices", '[');
	bh_json_open(w, NULL, '{');
	bh_json_bool(w, "allow", false);
	bh_json_text(w, "access", "rwm");
	bh_json_close(w, '}');
	bh_json_close(w, ']');
	bh_json_close(w, '}');
}

static void write_linux(struct bh_json_writer *w, int kind, bool cgroup_namespace)
{
	bh_json_open(w, "linux", '{');
	if (kind == ROOTLESS) {
		write_mapping(w, "uidMappings", geteuid());
		write_mapping(w, "gidMappings", getegid());
	} else {
		write_resources(w);
	}
	bh_json_open(w, "namespaces", '[');
	for (const struct namespace *ns = namespaces; ns < namespaces + BH_ARRAY_SIZE(namespaces);
	     ns++) {
		if (!(ns->in & kind) || (!strcmp(ns->type, "cgroup") && !cgroup_namespace))
			continue;
		bh_json_open(w, NULL, '{');
		bh_json_text(w, "type", ns->type);
		bh_json_close(w, '}');
	}
	bh_json_close(w, ']');
	bh_json_texts(w, "maskedPaths", masked_paths);
	bh_json_texts(w, "readonlyPaths", readonly_paths);
	bh_json_close(w, '}');
}

void bh_spec_default_json(bool rootless, bool cgroup_namespace, struct bh_buf *out)
{
	struct bh_json_writer w = { .out = out, .indent = "\t" };
	int kind = rootless ? ROOTLESS : ROOTFUL;

	bh_json_open(&w, NULL, '{');
	bh_json_text(&w, "ociVersion", BH_OCI_VERSION);
	write_process(&w);
	bh_json_open(&w, "root", '{');
	bh_json_text(&w, "path", "rootfs");
	bh_json_bool(&w, "readonly", true);
	bh_json_close(&w, '}');
	bh_json_text(&w, "hostname", "runc");
	write_mounts(&w, kind);
	write_linux(&w, kind, cgroup_namespace);
	bh_json_close(&w, '}');
}
