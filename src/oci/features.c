/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/features.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "oci/names.h"
#include "oci/version.h"

/* More than any of the lists has. */
#define NAMES_MAX 128

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A list of names in their order. */
static void write_sorted(struct bh_json_writer *w, const char *key, const char *const *names)
{
	const char *sorted[NAMES_MAX + 1];
	size_t n;

	for (n = 0; names && names[n] && n < NAMES_MAX; n++)
		sorted[n] = names[n];
	sorted[n] = NULL;
	qsort(sorted, n, sizeof(*sorted), compare);
	bh_json_texts(w, key, sorted);
}

/* The names of a table, in their order or in the table's. */
static void write_names(struct bh_json_writer *w, const char *key, const struct bh_names *table,
			bool sort)
{
	const char *names[NAMES_MAX + 1];
	size_t n;

	for (n = 0; n < table->n && n < NAMES_MAX; n++)
		names[n] = table->v[n].name;
	names[n] = NULL;
	if (sort)
		write_sorted(w, key, names);
	else
		bh_json_texts(w, key, names);
}

static void write_cgroup(struct bh_json_writer *w, const struct bh_features *f)
{
	bh_json_open(w, "cgroup", '{');
	bh_json_bool(w, "v1", f->cgroup.v1);
	bh_json_bool(w, "v2", f->cgroup.v2);
	bh_json_bool(w, "systemd", f->cgroup.systemd);
	bh_json_bool(w, "systemdUser", f->cgroup.systemd_user);
	bh_json_bool(w, "rdma", f->cgroup.rdma);
	bh_json_close(w, '}');
}

static void write_seccomp(struct bh_json_writer *w, const struct bh_features *f)
{
	bh_json_open(w, "seccomp", '{');
	bh_json_bool(w, "enabled", true);
	write_sorted(w, "actions", f->seccomp.actions);
	write_sorted(w, "operators", f->seccomp.operators);
	write_sorted(w, "archs", f->seccomp.archs);
	write_sorted(w, "knownFlags", f->seccomp.known_flags);
	write_sorted(w, "supportedFlags", f->seccomp.supported_flags);
	bh_json_close(w, '}');
}

static void write_enabled(struct bh_json_writer *w, const char *key, bool enabled)
{
	bh_json_open(w, key, '{');
	bh_json_bool(w, "enabled", enabled);
	bh_json_close(w, '}');
}

static void write_linux(struct bh_json_writer *w, const struct bh_features *f)
{
	bh_json_open(w, "linux", '{');
	write_names(w, "namespaces", &bh_names_namespace, true);
	write_names(w, "capabilities", &bh_names_capability, false);
	write_cgroup(w, f);
	write_seccomp(w, f);
	write_enabled(w, "apparmor", f->apparmor);
	write_enabled(w, "selinux", f->selinux);
	bh_json_open(w, "intelRdt", '{');
	bh_json_bool(w, "enabled", f->intel_rdt.enabled);
	bh_json_bool(w, "schemata", f->intel_rdt.schemata);
	bh_json_bool(w, "monitoring", f->intel_rdt.monitoring);
	bh_json_close(w, '}');
	if (f->memory_policy) {
		bh_json_open(w, "memoryPolicy", '{');
		write_names(w, "modes", &bh_names_mpol_mode, true);
		write_names(w, "flags", &bh_names_mpol_flag, true);
		bh_json_close(w, '}');
	}
	bh_json_open(w, "mountExtensions", '{');
	write_enabled(w, "idmap", f->id_mapped_mounts);
	bh_json_close(w, '}');
	write_enabled(w, "netDevices", f->net_devices);
	bh_json_close(w, '}');
}

static void write_annotations(struct bh_json_writer *w, const struct bh_features *f)
{
	bh_json_open(w, "annotations", '{');
	if (f->commit)
		bh_json_text(w, "bulkhead.commit", f->commit);
	if (f->version)
		bh_json_text(w, "bulkhead.version", f->version);
	if (f->seccomp.library_version)
		bh_json_text(w, "io.github.seccomp.libseccomp.version", f->seccomp.library_version);
	bh_json_close(w, '}');
}

void bh_features_json(const struct bh_features *features, struct bh_buf *out)
{
	struct bh_json_writer w = { .out = out, .indent = "    " };

	bh_json_open(&w, NULL, '{');
	bh_json_text(&w, "ociVersionMin", BH_OCI_VERSION_MIN);
	bh_json_text(&w, "ociVersionMax", BH_OCI_VERSION);
	bh_json_texts(&w, "hooks", features->hooks);
	write_sorted(&w, "mountOptions", features->mount_options);
	write_linux(&w, features);
	write_annotations(&w, features);
	write_sorted(&w, "potentiallyUnsafeConfigAnnotations", features->unsafe_annotations);
	bh_json_close(&w, '}');
	bh_buf_puts(out, "\n");
}
