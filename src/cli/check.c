/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verb that says whether this node is fit for each runtime. What the kernel must have for
 * containers is looked at here; what micro-VMs need is known to the supervisor's program, which is
 * asked.
 */
#include <linux/bpf.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/utsname.h>

#include "base/check.h"
#include "base/path.h"
#include "base/quantity.h"
#include "base/sys.h"
#include "cli/pod_client.h"
#include "cli/runtime.h"
#include "cli/verbs.h"
#include "linux/cgroup.h"

/* Exit status: what is not fit. 1 means that the check could not be made. */
#define EXIT_RUNC_UNFIT 2
#define EXIT_KATA_UNFIT 4

#define PROC_NUMBER_BYTES 64

/* ---- the kernel ------------------------------------------------------------------------------ */

/* System calls without which nothing works. */
static const struct {
	const char *name;
	long number;
} calls[] = {
	{ "openat2", SYS_openat2 },       { "clone3", SYS_clone3 },
	{ "pidfd_open", SYS_pidfd_open }, { "pidfd_send_signal", SYS_pidfd_send_signal },
	{ "fsopen", SYS_fsopen },         { "open_tree", SYS_open_tree },
	{ "move_mount", SYS_move_mount }, { "close_range", SYS_close_range },
};

static int check_kernel(const void *context, struct bh_buf *found, struct bh_err *err)
{
	bh_auto_buf struct bh_buf missing = BH_BUF_INIT;
	struct utsname name;

	(void)context;
	if (uname(&name) < 0)
		return bh_err_set(err, -errno, "ask for the kernel's release");
	for (size_t i = 0; i < BH_ARRAY_SIZE(calls); i++)
		if (!bh_sys_has(calls[i].number))
			bh_buf_printf(&missing, " %s", calls[i].name);
	if (missing.len)
		return bh_err_as(err, BH_ERR_STATE, -ENOSYS, "Linux %s lacks%s", name.release,
				 bh_buf_str(&missing));
	bh_buf_printf(found, "Linux %s, %s", name.release, name.machine);
	return 0;
}

static int check_mount_setattr(const void *context, struct bh_buf *found, struct bh_err *err)
{
	(void)context;
	if (!bh_sys_has(SYS_mount_setattr))
		return bh_err_as(err, BH_ERR_STATE, -ENOSYS, "the kernel lacks mount_setattr");
	bh_buf_puts(found, "mount_setattr");
	return 0;
}

static const char *const namespaces[] = { "mnt", "pid", "net", "ipc", "uts", "cgroup" };

static bool has_namespace(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return access(path, F_OK) == 0;
}

static int check_namespaces(const void *context, struct bh_buf *found, struct bh_err *err)
{
	bh_auto_buf struct bh_buf missing = BH_BUF_INIT;

	(void)context;
	for (size_t i = 0; i < BH_ARRAY_SIZE(namespaces); i++)
		bh_buf_printf(has_namespace(namespaces[i]) ? found : &missing, "%s ",
			      namespaces[i]);
	if (missing.len)
		return bh_err_as(err, BH_ERR_STATE, -EINVAL, "the kernel lacks %.*s",
				 (int)missing.len - 1, bh_buf_str(&missing));
	bh_buf_printf(found, "%s", has_namespace("time") ? "time" : "(no time)");
	return 0;
}

/* Return: the number in a file of /proc; -errno */
static int64_t proc_number(const char *path)
{
	bh_auto_free char *text = NULL;
	int64_t number;
	int r = bh_path_read(AT_FDCWD, path, BH_PATH_HOST, PROC_NUMBER_BYTES, &text, NULL, NULL);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	return bh_quantity_i64(text, &number) < 0 ? -EINVAL : number;
}

static int check_user_namespaces(const void *context, struct bh_buf *found, struct bh_err *err)
{
	/* Debian's kernels have the switch, others do not */
	const bool anyone = proc_number("/proc/sys/kernel/unprivileged_userns_clone") != 0;
	const int64_t max = proc_number("/proc/sys/user/max_user_namespaces");

	(void)context;
	if (!has_namespace("user"))
		return bh_err_as(err, BH_ERR_STATE, -EINVAL, "the kernel lacks them");
	if (max == 0)
		return bh_err_as(err, BH_ERR_STATE, -EPERM, "user.max_user_namespaces is 0");
	if (!anyone && geteuid() != 0)
		return bh_err_as(err, BH_ERR_STATE, -EPERM,
				 "kernel.unprivileged_userns_clone is 0");
	bh_buf_puts(found, anyone ? "for everyone" : "for root");
	return 0;
}

static int check_seccomp(const void *context, struct bh_buf *found, struct bh_err *err)
{
	struct seccomp_notif_sizes sizes;
	uint32_t action = SECCOMP_RET_ERRNO;

	(void)context;
	if (bh_sys_seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
		return bh_err_set(err, -errno, "ask for seccomp's filters");
	bh_buf_printf(
		found, "filters%s",
		bh_sys_seccomp(SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0 ? "" : " and notifications");
	return 0;
}

static int check_overlay(const void *context, struct bh_buf *found, struct bh_err *err)
{
	bh_auto_close int fd = fsopen("overlay", FSOPEN_CLOEXEC);

	(void)context;
	if (fd < 0)
		return bh_err_set(err, -errno, "open the file system overlay");
	bh_buf_puts(found, "overlay");
	return 0;
}

/* ---- cgroups --------------------------------------------------------------------------------- */

static const char *const controllers[] = { "cpu", "memory", "pids" };
static const char *const more_controllers[] = { "cpuset", "hugetlb", "freezer", "devices" };

/* Names between blanks or commas, in one string. */
static bool has_word(const char *words, const char *word)
{
	const size_t len = strlen(word);

	for (; *words; words += strcspn(words, ", \n"), words += strspn(words, ", \n"))
		if (!strncmp(words, word, len) && strchr(", \n", words[len]))
			return true;
	return false;
}

struct cgroups {
	struct bh_buf controllers; /* all that can be had, between blanks */
	struct bh_err unwritable;  /* a hierarchy that is */
	bool any;
};

static void cgroups_deinit(struct cgroups *c)
{
	bh_buf_deinit(&c->controllers);
}

static void look_at_hierarchy(const struct bh_cgroup_hierarchy *h, struct cgroups *c)
{
	bh_auto_free char *text = NULL;
	char path[PATH_MAX];

	c->any = true;
	snprintf(path, sizeof(path), "%s/cgroup.controllers", h->mountpoint);
	if (!h->v2)
		bh_buf_printf(&c->controllers, "%s ", h->name);
	else if (bh_path_read(AT_FDCWD, path, BH_PATH_HOST, 4096, &text, NULL, NULL) == 0)
		bh_buf_printf(&c->controllers, "%.*s ", (int)strcspn(text, "\n"), text);
	if (access(h->mountpoint, W_OK) < 0)
		bh_err_set(&c->unwritable, -errno, "write to '%s'", h->mountpoint);
}

static int find_cgroups(struct cgroups *ret, struct bh_err *err)
{
	const struct bh_spec spec = { .linux_.cgroups_path = "/check" };
	const struct bh_cgroup_hierarchy *hierarchies;
	bh_auto_cgroup struct bh_cgroup *cg = NULL;
	int r = bh_cgroup_plan(&spec, "check", BH_CGROUP_FS, true, &cg, err);
	size_t n;

	*ret = (struct cgroups){ .any = false };
	if (r < 0)
		return r;
	hierarchies = bh_cgroup_hierarchies(cg, &n);
	for (size_t i = 0; i < n; i++)
		look_at_hierarchy(&hierarchies[i], ret);
	return ret->any ? 0 : bh_err_as(err, BH_ERR_STATE, -ENOENT, "no hierarchy is mounted");
}

static void sort_controllers(const struct cgroups *c, const char *const names[], size_t n,
			     struct bh_buf *there, struct bh_buf *missing)
{
	for (size_t i = 0; i < n; i++)
		bh_buf_printf(has_word(bh_buf_str(&c->controllers), names[i]) ? there : missing,
			      " %s", names[i]);
}

static const char *const modes[] = { "?", "version 1", "version 2", "versions 1 and 2" };

static int check_cgroups(const void *context, struct bh_buf *found, struct bh_err *err)
{
	bh_cleanup(cgroups_deinit) struct cgroups c;
	bh_auto_buf struct bh_buf missing = BH_BUF_INIT;
	int r = find_cgroups(&c, err);

	(void)context;
	if (r < 0)
		return r;
	if (c.unwritable.code < 0) {
		*err = c.unwritable;
		/* whoever is not root does without */
		return geteuid() == 0 ? err->code : BH_CHECK_E_SPARE;
	}
	bh_buf_printf(found, "%s:", modes[bh_cgroup_host_mode()]);
	sort_controllers(&c, controllers, BH_ARRAY_SIZE(controllers), found, &missing);
	sort_controllers(&c, more_controllers, BH_ARRAY_SIZE(more_controllers), found,
			 &(struct bh_buf){ .failed = true });
	if (has_word(bh_buf_str(&c.controllers), "io") ||
	    has_word(bh_buf_str(&c.controllers), "blkio"))
		bh_buf_puts(found, " io");
	return missing.len ? bh_err_as(err, BH_ERR_STATE, -ENOENT, "no controller%s",
				       bh_buf_str(&missing))
			   : 0;
}

/* Version 2 has no controller for devices, but programs: one that allows all. */
static int load_device_program(struct bh_err *err)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insn_cnt = BH_ARRAY_SIZE(program),
		.insns = bh_bpf_pointer(program),
		.license = bh_bpf_pointer("Apache-2.0"),
	};
	bh_auto_close int fd = bh_sys_bpf(BPF_PROG_LOAD, &attr, sizeof(attr));

	return fd < 0 ? bh_err_set(err, -errno, "load a BPF program for devices") : 0;
}

static int check_devices(const void *context, struct bh_buf *found, struct bh_err *err)
{
	bh_cleanup(cgroups_deinit) struct cgroups c;
	int r = find_cgroups(&c, err);

	(void)context;
	if (r < 0)
		return r;
	if (has_word(bh_buf_str(&c.controllers), "devices")) {
		bh_buf_puts(found, "by the controller devices");
		return 0;
	}
	r = load_device_program(err);
	if (r == 0)
		bh_buf_puts(found, "by BPF programs");
	return r < 0 && geteuid() != 0 ? BH_CHECK_E_SPARE : r;
}

/* ---- programs -------------------------------------------------------------------------------- */

static int find_program(const char *name, struct bh_buf *found, struct bh_err *err)
{
	static const char *const dirs[] = { "/usr/bin", "/bin", "/usr/sbin", "/sbin" };
	char path[PATH_MAX];

	for (size_t i = 0; i < BH_ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], name);
		if (access(path, X_OK) < 0)
			continue;
		bh_buf_printf(found, "%s%s", found->len ? ", " : "", path);
		return 0;
	}
	return bh_err_as(err, BH_ERR_STATE, -ENOENT, "there is no %s", name);
}

static int check_id_maps(const void *context, struct bh_buf *found, struct bh_err *err)
{
	int r = find_program("newuidmap", found, err);

	(void)context;
	return r < 0 ? r : find_program("newgidmap", found, err);
}

static int check_systemd(const void *context, struct bh_buf *found, struct bh_err *err)
{
	(void)context;
	if (access("/run/systemd/system", F_OK) < 0)
		return bh_err_as(err, BH_ERR_STATE, -ENOENT, "the host's init is not systemd");
	bh_buf_puts(found, "it is the host's init");
	return 0;
}

static int check_configuration(const void *context, struct bh_buf *found, struct bh_err *err)
{
	const struct bh_cli *cli = context;

	if (cli->unread.code < 0) {
		*err = cli->unread;
		return err->code;
	}
	if (!cli->settings.files.n)
		bh_buf_puts(found, "none: defaults hold");
	for (size_t i = 0; i < cli->settings.files.n; i++)
		bh_buf_printf(found, "%s%s", i ? ", " : "", cli->settings.files.v[i]);
	return 0;
}

static int check_supervisor(const void *context, struct bh_buf *found, struct bh_err *err)
{
	char path[PATH_MAX];
	int r = bh_pod_supervisor(path, err);

	(void)context;
	if (r == 0)
		bh_buf_puts(found, path);
	return r;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct bh_check rows[] = {
	{ "configuration", BH_CHECK_ALL, true, check_configuration,
	  "mend all that `bulkhead config check` tells of" },
	{ "kernel", BH_CHECK_ALL, true, check_kernel, "run Linux 5.12 or newer" },
	{ "mount-attributes", BH_CHECK_RUNC, false, check_mount_setattr,
	  "run Linux 5.12 or newer, for id-mapped mounts and recursive mount options" },
	{ "namespaces", BH_CHECK_ALL, true, check_namespaces,
	  "run a kernel with CONFIG_NAMESPACES and all below it" },
	{ "user-namespaces", BH_CHECK_RUNC, false, check_user_namespaces,
	  "run a kernel with CONFIG_USER_NS and raise the sysctl, for containers with ids of their "
	  "own" },
	{ "seccomp", BH_CHECK_ALL, true, check_seccomp, "run a kernel with CONFIG_SECCOMP_FILTER" },
	{ "cgroups", BH_CHECK_ALL, true, check_cgroups,
	  "mount cgroup version 2 on /sys/fs/cgroup, writable, with these controllers",
	  .remedy_refused =
		  "nothing for containers without limits; for limits use the cgroup manager "
		  "systemd, or a cgroup that root delegated to the user" },
	{ "device-rules", BH_CHECK_RUNC, true, check_devices,
	  "run a kernel with CONFIG_CGROUP_BPF, or mount version 1's controller devices",
	  .remedy_refused =
		  "nothing: containers of ordinary users have the devices that their user "
		  "has" },
	{ "overlay", BH_CHECK_RUNC, false, check_overlay,
	  "load the module overlay, for engines with overlay snapshots" },
	{ "id-maps", BH_CHECK_RUNC, false, check_id_maps,
	  "install newuidmap (Debian: uidmap), for containers of ordinary users" },
	{ "systemd", BH_CHECK_RUNC, false, check_systemd,
	  "use the cgroup manager cgroupfs, or boot with systemd" },
	{ "supervisor", BH_CHECK_KATA, true, check_supervisor,
	  "install Bulkhead with its libexec directory" },
};

/* ---- the verb -------------------------------------------------------------------------------- */

struct check_options {
	const char *format;
	bool json;
};

static const char *const formats[] = { "table", "json", NULL };

static const struct bh_option check_options[] = {
	{ .name = "format",
	  .short_name = 'f',
	  .type = BH_OPTION_STRING,
	  BH_OPTION_AT(struct check_options, format),
	  .fallback = "table",
	  .choices = formats,
	  .value = "FORMAT",
	  .help = "table or json" },
	{ .name = "json",
	  .type = BH_OPTION_FLAG,
	  BH_OPTION_AT(struct check_options, json),
	  .help = "the same as --format json" },
};

static bool has_supervisor(const struct bh_check_report *report)
{
	bh_for_each (one, report->checks)
		if (!strcmp(one->name, "supervisor"))
			return one->ok;
	return false;
}

static int check_all(struct bh_cli *cli, uint64_t runtimes, struct bh_check_report *report,
		     struct bh_err *err)
{
	struct bh_check_report theirs = { .fit = 0 };
	int r = bh_check_run(&cli->arena, rows, BH_ARRAY_SIZE(rows), runtimes, cli, report, err);

	if (r == 0 && has_supervisor(report))
		r = bh_pod_check(cli, &theirs, err);
	if (r < 0)
		return r;
	bh_for_each (one, theirs.checks)
		if (r == 0)
			r = bh_check_add(&cli->arena, report, one, err);
	bh_check_judge(report, runtimes);
	return r;
}

static const char *verdict(const struct bh_check_result *one)
{
	if (one->ok)
		return "ok";
	return one->required ? "FAILED" : "lacking";
}

static void print_report(const struct bh_check_report *report, uint64_t runtimes,
			 struct bh_buf *out)
{
	bh_buf_printf(out, "%-17s%-6s%-9s%s\n", "CHECK", "FOR", "RESULT", "FOUND");
	bh_for_each (one, report->checks) {
		const char *name = bh_names_of(&bh_check_runtimes, (int64_t)one->runtimes);

		bh_buf_printf(out, "%-17s%-6s%-9s%s%s%s\n", one->name, name ? name : "both",
			      verdict(one), one->found ? one->found : "", one->remedy ? " -> " : "",
			      one->remedy ? one->remedy : "");
	}
	for (size_t i = 0; i < bh_check_runtimes.n; i++) {
		const struct bh_name *runtime = &bh_check_runtimes.v[i];

		if (runtimes & (uint64_t)runtime->value)
			bh_buf_printf(out, "%s: %s\n", runtime->name,
				      report->fit & (uint64_t)runtime->value ? "fit" : "not fit");
	}
}

static int run_check(struct bh_cli *cli, const void *options, const struct bh_strv *args,
		     struct bh_err *err)
{
	const struct check_options *o = options;
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_check_report report = { .fit = 0 };
	int64_t runtimes = (int64_t)BH_CHECK_ALL;
	uint64_t unfit;
	int r;

	if (args->n)
		runtimes = bh_names_find(&bh_check_runtimes, args->v[0], 0);
	if (!runtimes)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "check: there is no runtime '%s'",
				 args->v[0]);
	r = check_all(cli, (uint64_t)runtimes, &report, err);
	if (r < 0)
		return r;
	if (o->json || !strcmp(o->format, "json")) {
		bh_schema_write(&bh_check_schema, &report, &out);
		bh_buf_puts(&out, "\n");
	} else {
		print_report(&report, (uint64_t)runtimes, &out);
	}
	r = bh_buf_print(&out, err);
	unfit = (uint64_t)runtimes & ~report.fit;
	return r < 0 ? r
		     : (unfit & BH_CHECK_RUNC ? EXIT_RUNC_UNFIT : 0) +
			       (unfit & BH_CHECK_KATA ? EXIT_KATA_UNFIT : 0);
}

const struct bh_verb bh_verb_check = {
	.name = "check",
	.args = "[runc | kata]",
	.summary = "say whether this node is fit for the runtimes, and what it lacks",
	.details = "A line for each thing that is looked at, with the remedy where it is lacking. "
		   "Exit status 0: fit; 2: not for runc; 4: not for kata; 6: for neither; 1: the "
		   "check could not be made.",
	.choices = bh_runtime_names,
	BH_VERB_OPTIONS(check_options, struct check_options),
	.max_args = 1,
	.flags = BH_VERB_CONFIG,
	.run = run_check,
};
