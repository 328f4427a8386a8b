/* SPDX-License-Identifier: Apache-2.0 */
#include "container/process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/path.h"
#include "base/sys.h"
#include "container/environment.h"
#include "container/sync.h"
#include "linux/attr.h"
#include "linux/caps.h"
#include "linux/lsm.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static unsigned int kept_fds(const struct bh_launch *launch)
{
	return launch->io->preserve_fds + (unsigned int)launch->listen_fds;
}

/* Our own descriptors are close-on-exec, so one of those in the range means the caller gave none.
 */
static int check_preserved(const struct bh_launch *launch, struct bh_err *err)
{
	for (int fd = 3; fd < 3 + (int)kept_fds(launch); fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags < 0 || (flags & FD_CLOEXEC))
			return bh_err_as(err, BH_ERR_SPEC, -EBADF,
					 "preserve-fds: descriptor %d is not open", fd);
	}
	return 0;
}

/* systemd's way to hand over listening sockets, sd_listen_fds(3). */
static int inherited_listen_fds(void)
{
	const char *value = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	unsigned long n = value ? strtoul(value, NULL, 10) : 0;

	/* Sockets meant for another process, whose environment we only inherited, are not ours. */
	if (!pid || strtoul(pid, NULL, 10) != (unsigned long)getpid())
		return 0;
	return n <= 1024 ? (int)n : 0;
}

/* The directory of compiled filters, or negative: then every start compiles its own. */
static int open_filter_cache(const char *path)
{
	bh_auto_free char *parent = path ? strdup(path) : NULL;
	int fd;

	if (!parent)
		return -ENOENT;
	fd = bh_path_try_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, BH_PATH_HOST);
	if (fd != -ENOENT)
		return fd;
	*strrchr(parent, '/') = '\0';
	if ((mkdir(parent, 0700) < 0 && errno != EEXIST) || mkdir(path, 0700) < 0)
		return -errno;
	return bh_path_try_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
				BH_PATH_HOST);
}

/* A label that nothing on this host could obey is left out, and not silently. */
static void plan_labels(struct bh_launch *launch)
{
	const struct bh_process *process = launch->process;

	launch->apparmor = process->apparmor_profile && bh_apparmor_enabled();
	launch->selinux = process->selinux_label && bh_selinux_enabled();
	if (process->apparmor_profile && !launch->apparmor)
		bh_warn("/process/apparmorProfile \"%s\": the host has no AppArmor, ignoring",
			process->apparmor_profile);
	if (process->selinux_label && !launch->selinux)
		bh_warn("/process/selinuxLabel \"%s\": the host has no SELinux, ignoring",
			process->selinux_label);
}

/* As runc does: images may ask for what a later kernel has. */
static void warn_of_unknown_caps(const struct bh_strv *unknown)
{
	bh_auto_buf struct bh_buf names = BH_BUF_INIT;

	for (size_t i = 0; i < unknown->n; i++)
		bh_buf_printf(&names, " %s", unknown->v[i]);
	if (unknown->n)
		bh_warn("/process/capabilities: unknown, ignoring:%s", bh_buf_str(&names));
}

int bh_launch_init(struct bh_launch *launch, struct bh_err *err)
{
	bh_auto_close int cache = -EBADF;
	const struct bh_seccomp *profile = &launch->linux_->seccomp;
	int r;

	launch->listen_fds = inherited_listen_fds();
	r = check_preserved(launch, err);
	if (r < 0)
		return r;
	launch->proc_fd =
		bh_path_open(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
	if (launch->proc_fd < 0)
		return launch->proc_fd;
	plan_labels(launch);
	warn_of_unknown_caps(&launch->process->capabilities.unknown);
	if (!profile->set)
		return 0;
	cache = open_filter_cache(launch->io->filter_cache);
	r = bh_seccomp_compile(profile, cache, &launch->filter, err);
	if (r < 0)
		return bh_err_ctx(err, "seccomp");
	launch->seccomp = launch->filter.n > 0;
	return 0;
}

void bh_launch_deinit(struct bh_launch *launch)
{
	launch->proc_fd = bh_close(launch->proc_fd);
	bh_seccomp_filter_deinit(&launch->filter);
}

int bh_launch_host_limits(const struct bh_launch *launch, pid_t pid, struct bh_err *err)
{
	const struct bh_opt_i64 *adj = &launch->process->oom_score_adj;
	char path[32];
	int r;

	if (adj->set) {
		bh_auto_close int fd = -EBADF;

		snprintf(path, sizeof(path), "%d", pid);
		fd = bh_path_open(launch->proc_fd, path, O_PATH | O_DIRECTORY, 0, BH_PATH_PROC,
				  err);
		r = fd < 0 ? fd : bh_attr_oom_score_adj(fd, adj->v, launch->rootless, err);
		if (r < 0)
			return r;
	}
	return bh_attr_rlimits(pid, launch->process, err);
}

int bh_launch_fds(const struct bh_launch *launch, struct bh_err *err)
{
	sigset_t none;

	if (close_range(3 + kept_fds(launch), ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return bh_err_set(err, -errno, "close_range");
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	return 0;
}

int bh_launch_stdio(const struct bh_launch *launch, struct bh_terminal *terminal,
		    struct bh_err *err)
{
	const struct bh_user *user = &launch->process->user;

	if (launch->process->terminal) {
		int r = launch->unseen ? 0 : bh_terminal_control(terminal->slave, err);

		return r < 0 ? r : bh_terminal_attach(terminal, user->uid, err);
	}
	for (int fd = 0; fd < 3; fd++) {
		struct stat st;

		if (launch->io->stdio[fd] >= 0 && dup2(launch->io->stdio[fd], fd) < 0)
			return bh_err_set(err, -errno, "dup2 descriptor %d", fd);
		/* The process must be able to open /dev/stdout again; /dev/null is everybody's. */
		if (user->uid == 0 || fstat(fd, &st) < 0 || S_ISCHR(st.st_mode) ||
		    st.st_uid == user->uid)
			continue;
		if (fchown(fd, user->uid, (gid_t)-1) < 0 && errno != EPERM && errno != EINVAL &&
		    errno != EROFS)
			return bh_err_set(err, -errno, "change the owner of descriptor %d", fd);
	}
	return 0;
}

static int set_scheduler(const struct bh_launch *launch, struct bh_err *err)
{
	int r = bh_attr_scheduler(&launch->process->scheduler, err);

	/* sched_setattr(2): a deadline is for processes that may run on all CPUs. */
	if (r == -EPERM && launch->linux_->resources.cpu.cpus)
		bh_err_ctx(err, "process scheduler can't be used together with AllowedCPUs");
	return r;
}

static int set_limits(const struct bh_launch *launch, struct bh_err *err)
{
	const struct bh_process *process = launch->process;
	int r = 0;

	if (!launch->userns) {
		bh_auto_close int self = -EBADF;

		if (process->oom_score_adj.set) {
			self = bh_path_open(launch->proc_fd, "self", O_PATH | O_DIRECTORY, 0,
					    BH_PATH_HOST, err);
			r = self < 0 ? self
				     : bh_attr_oom_score_adj(self, process->oom_score_adj.v,
							     launch->rootless, err);
		}
		r = r < 0 ? r : bh_attr_rlimits(0, process, err);
	}
	if (r == 0 && process->scheduler.set)
		r = set_scheduler(launch, err);
	if (r == 0 && process->io_priority.set)
		r = bh_attr_io_priority(&process->io_priority, err);
	if (r == 0 && launch->linux_->memory_policy.mode)
		r = bh_attr_memory_policy(&launch->linux_->memory_policy, err);
	if (r == 0 && launch->linux_->personality.set)
		r = bh_attr_personality(&launch->linux_->personality, err);
	return r;
}

static int set_labels(const struct bh_launch *launch, struct bh_err *err)
{
	const struct bh_process *process = launch->process;
	bh_auto_close int self = -EBADF;
	int r = 0;

	if (launch->selinux || launch->apparmor) {
		self = bh_path_open(launch->proc_fd, "self", O_PATH | O_DIRECTORY, 0, BH_PATH_HOST,
				    err);
		if (self < 0)
			return self;
	}
	if (launch->keyring) {
		if (launch->selinux)
			r = bh_selinux_key_label(self, process->selinux_label, err);
		r = r < 0 ? r : bh_attr_session_keyring(launch->id, err);
	}
	if (r == 0 && launch->selinux)
		r = bh_selinux_on_exec(self, process->selinux_label, err);
	if (r == 0 && launch->apparmor)
		r = bh_apparmor_on_exec(self, process->apparmor_profile, err);
	return r;
}

static int set_groups(const struct bh_launch *launch, struct bh_err *err)
{
	const struct bh_user *user = &launch->process->user;

	if (setgroups(user->additional_gids.n, user->additional_gids.v) == 0)
		return 0;
	/* setgroups(2) is off in a user namespace without privilege: fine when none are wanted. */
	if (errno == EPERM && user->additional_gids.n == 0)
		return 0;
	return bh_err_set(err, -errno, "set %zu additional groups", user->additional_gids.n);
}

static int set_user(const struct bh_launch *launch, struct bh_err *err)
{
	const struct bh_user *user = &launch->process->user;
	int r;

	umask(user->umask.set ? user->umask.v : 022); /* not the caller's own, as with runc */
	r = set_groups(launch, err);
	if (r < 0)
		return r;
	if (setresgid(user->gid, user->gid, user->gid) < 0)
		return bh_err_set(err, -errno, "set gid %u", user->gid);
	/* Capabilities survive the change of user and are then set to what the spec says. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return bh_err_set(err, -errno, "keep capabilities");
	if (setresuid(user->uid, user->uid, user->uid) < 0)
		return bh_err_set(err, -errno, "set uid %u", user->uid);
	return user->uid == 0 ? 0 : bh_caps_raise_effective(err);
}

/* Whether the filter must be loaded while CAP_SYS_ADMIN is still there. */
static bool caps_after_filter(const struct bh_launch *launch)
{
	return launch->seccomp && !launch->process->no_new_privileges;
}

static int enter_cwd(const struct bh_launch *launch, struct bh_err *err)
{
	const char *cwd = launch->process->cwd;
	char path[PATH_MAX];

	if (chdir(cwd) < 0)
		return bh_err_set(err, -errno, "chdir to cwd ('%s') set in config.json failed",
				  cwd);
	/* A directory outside the root answers "(unreachable)…" (CVE-2024-21626). */
	if (bh_sys_getcwd(path, sizeof(path)) < 0)
		return bh_err_set(err, -errno, "getcwd");
	if (path[0] != '/')
		return bh_err_as(err, BH_ERR_SPEC, -EXDEV,
				 "current working directory '%s' is outside of the container", cwd);
	return 0;
}

/* Return: 0; -errno, the reason why @path cannot be executed */
static int try_exe(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	/* Root without CAP_DAC_OVERRIDE and the like: ask as the process that will execute. */
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static int search_path(struct bh_launch *launch, const char *name, struct bh_err *err)
{
	const char *value = bh_env_value(launch->env, "PATH"), *path = value ? value : DEFAULT_PATH;
	const size_t skip = bh_finds_skip(launch->finds, path, name);
	bool only_missing = true;
	int denied = 0;

	for (const char *dir = path + skip, *end; *dir; dir = *end ? end + 1 : end) {
		int n, r;

		end = strchrnul(dir, ':');
		n = snprintf(launch->exe, sizeof(launch->exe), "%.*s/%s", (int)(end - dir),
			     end == dir ? "." : dir, name);
		if (n < 0 || (size_t)n >= sizeof(launch->exe)) {
			only_missing = false;
			continue;
		}
		r = try_exe(launch->exe);
		if (r == 0) {
			if (only_missing && dir > path + skip)
				bh_finds_keep_skip(launch->finds, path, name, (size_t)(dir - path));
			return 0;
		}
		only_missing = only_missing && r == -ENOENT;
		if (r == -EACCES)
			denied = r;
	}
	if (denied)
		return bh_err_set(err, denied, "exec: \"%s\"", name);
	return bh_err_as(err, BH_ERR_SPEC, -ENOENT,
			 "exec: \"%s\": executable file not found in $PATH", name);
}

static int find_exe(struct bh_launch *launch, struct bh_err *err)
{
	const char *name = launch->process->args.v[0];
	int r;

	if (!strchr(name, '/'))
		return search_path(launch, name, err);
	if (snprintf(launch->exe, sizeof(launch->exe), "%s", name) >= (int)sizeof(launch->exe))
		return bh_err_set(err, -ENAMETOOLONG, "exec: \"%.64s…\"", name);
	r = try_exe(name);
	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
		return bh_err_set(err, r, "exec: \"%s\": stat %s", name, name);
	return r < 0 ? bh_err_set(err, r, "exec: \"%s\"", name) : 0;
}

static int close_all_but(const struct bh_launch *launch, int *keep, size_t n, struct bh_err *err)
{
	int r = bh_fds_close_from(3 + (int)kept_fds(launch), keep, n);

	return r < 0 ? bh_err_set(err, r, "close descriptors") : 0;
}

/* Names of the image's and of the process follow, and "/proc/self/fd/N/.." among them would lead
 * out through any directory of the host's that is still open (CVE-2024-21626). The log can stay. */
static int close_host(const struct bh_launch *launch, int sock, int listen_fd, struct bh_err *err)
{
	int keep[] = { sock, listen_fd, bh_log_fd() };

	return close_all_but(launch, keep, BH_ARRAY_SIZE(keep), err);
}

int bh_launch_become(struct bh_launch *launch, int sock, int listen_fd, struct bh_err *err)
{
	const struct bh_process *process = launch->process;
	int r;

	r = set_limits(launch, err);
	r = r < 0 ? r : set_labels(launch, err);
	r = r < 0 ? r : close_host(launch, sock, listen_fd, err);
	if (r < 0)
		return r;
	launch->env = bh_env_make(process, launch->listen_fds, launch->finds, err);
	if (!launch->env)
		return -ENOMEM;
	/* Without process.capabilities there are none. */
	r = bh_caps_bound(&process->capabilities, err);
	r = r < 0 ? r : set_user(launch, err);
	/* While the capabilities are whole: a directory of another user may be the working one. */
	if (r == 0 && process->set)
		r = enter_cwd(launch, err);
	if (r == 0 && process->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = bh_err_set(err, -errno, "set no_new_privs");
	if (r == 0 && !caps_after_filter(launch))
		r = bh_caps_apply(&process->capabilities, err);
	/* Without process the container can be made; what to execute is asked for at its start. */
	return r < 0 || !process->set ? r : find_exe(launch, err);
}

int bh_launch_close(const struct bh_launch *launch, int sock, int listen_fd, struct bh_err *err)
{
	int keep[] = { sock, listen_fd };

	bh_log_end();
	return close_all_but(launch, keep, BH_ARRAY_SIZE(keep), err);
}

/* From the loading of the filter on only write(2) is sure to be answered: the parent takes the
 * listener out of this process, and the read(2) for its word returns once the agent has it. */
static int load_filter(const struct bh_launch *launch, int sync, struct bh_err *err)
{
	struct bh_sync_msg go;
	int listener, r;

	if (launch->rootless && bh_seccomp_notifies(&launch->linux_->seccomp))
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* or the parent may not take it */
	r = bh_seccomp_load(&launch->filter, &listener, err);
	if (r < 0 || listener < 0)
		return r;
	r = bh_sync_send_number(sync, BH_SYNC_LISTENER, listener, err);
	if (r < 0)
		return r;
	if (TEMP_FAILURE_RETRY(read(sync, &go, sizeof(go))) <= 0)
		return bh_err_as(err, BH_ERR_PEER, -EPIPE, "no agent took the seccomp listener");
	bh_close(listener);
	return 0;
}

int bh_launch_confine(struct bh_launch *launch, int sync, struct bh_err *err)
{
	int r = 0;

	if (launch->seccomp)
		r = load_filter(launch, sync, err);
	if (r == 0 && caps_after_filter(launch))
		r = bh_caps_apply(&launch->process->capabilities, err);
	return r;
}

int bh_launch_appear(const struct bh_launch *launch, int sync, struct bh_err *err)
{
	pid_t pid;
	int r = bh_launch_close(launch, sync, sync, err);

	if (r < 0)
		return r;
	bh_env_forget(environ);
	pid = bh_sys_fork_sibling();
	if (pid < 0)
		return bh_err_set(err, -errno, "clone the process into its pid namespace");
	if (pid > 0) {
		r = bh_sync_send_number(sync, BH_SYNC_JOINED, pid, err);
		_exit(r < 0 ? 1 : 0);
	}
	if (setsid() < 0)
		return bh_err_set(err, -errno, "setsid");
	return launch->process->terminal ? bh_terminal_control(STDIN_FILENO, err) : 0;
}

_Noreturn void bh_launch_exec(const struct bh_launch *launch)
{
	char text[BH_ERR_LINE_BYTES];
	struct bh_err err = BH_ERR_INIT;

	execve(launch->exe, (char **)launch->process->args.v, launch->env);
	bh_err_set(&err, -errno, "exec %s", launch->exe);
	dprintf(STDERR_FILENO, "%s\n", bh_err_format(&err, text, sizeof(text)));
	_exit(255);
}

static void print_strings(struct bh_buf *out, const char *what, const struct bh_strv *list)
{
	bh_buf_printf(out, "%s", what);
	for (size_t i = 0; i < list->n; i++) {
		bh_buf_puts(out, " ");
		bh_buf_json_string(out, list->v[i]);
	}
	bh_buf_puts(out, "\n");
}

void bh_launch_print(const struct bh_spec *spec, struct bh_buf *out)
{
	const struct bh_process *p = &spec->process;

	bh_buf_printf(out, "user %u:%u\n", p->user.uid, p->user.gid);
	bh_buf_printf(out,
		      "capabilities bounding=%llx effective=%llx permitted=%llx "
		      "inheritable=%llx ambient=%llx\n",
		      (unsigned long long)p->capabilities.bounding,
		      (unsigned long long)p->capabilities.effective,
		      (unsigned long long)p->capabilities.permitted,
		      (unsigned long long)p->capabilities.inheritable,
		      (unsigned long long)p->capabilities.ambient);
	bh_for_each (limit, p->rlimits)
		bh_buf_printf(out, "rlimit %s soft=%llu hard=%llu\n", limit->name,
			      (unsigned long long)limit->soft, (unsigned long long)limit->hard);
	bh_buf_printf(out, "no_new_privs %s\n", p->no_new_privileges ? "yes" : "no");
	bh_buf_printf(out, "seccomp %s\n",
		      spec->linux_.seccomp.set ? spec->linux_.seccomp.default_action : "none");
	bh_buf_printf(out, "cwd %s\n", p->cwd);
	print_strings(out, "exec", &p->args);
}
