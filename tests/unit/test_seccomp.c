/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles to filters, filters on the running kernel, the listener, the cache. What the programs
 * answer for every number is compared in test_seccomp_oracle.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/arena.h"
#include "base/path.h"
#include "bpf_run.h"
#include "linux/seccomp_internal.h"

static struct bh_arena arena;

/* A profile from the body of its JSON object. */
static const struct bh_seccomp *profile(const char *body)
{
	struct bh_spec *spec = bh_arena_new(&arena, struct bh_spec);
	struct bh_err err = BH_ERR_INIT;
	char line[512];
	const char *text = bh_arena_printf(&arena,
					   "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},"
					   "\"linux\":{\"seccomp\":{%s}}}",
					   body);

	if (bh_spec_parse(&arena, text, strlen(text), spec, &err) < 0)
		fail_msg("%s", bh_err_format(&err, line, sizeof(line)));
	return &spec->linux_.seccomp;
}

#define RULE(action, names, more) "{\"names\":[" names "],\"action\":\"" action "\"" more "}"
#define ALLOW_BUT(rules)          "\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[" rules "]"
#define DENY_BUT(rules)           "\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[" rules "]"

static struct bh_seccomp_filter compiled(const struct bh_seccomp *p)
{
	struct bh_seccomp_filter filter = BH_SECCOMP_FILTER_INIT;
	struct bh_err err = BH_ERR_INIT;
	char line[512];

	if (bh_seccomp_compile(p, -1, &filter, &err) < 0)
		fail_msg("%s", bh_err_format(&err, line, sizeof(line)));
	return filter;
}

static uint32_t answer(const struct bh_seccomp_filter *filter, uint32_t arch, int number,
		       uint64_t arg0)
{
	struct seccomp_data data = { .arch = arch, .nr = number, .args = { arg0 } };

	return bpf_run(filter->insns, filter->n, &data);
}

/* ---- on the kernel --------------------------------------------------------------------------- */

/* Runs @act in a child under the profile. Return: its wait status */
static int under(const char *body, int (*act)(void))
{
	struct bh_seccomp_filter filter = compiled(profile(body));
	struct bh_err err = BH_ERR_INIT;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		signal(SIGSYS, SIG_DFL); /* cmocka's handler would go on with the next test */
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		/* Not _exit(3): before it a sanitizer makes calls that the filter may deny. */
		syscall(SYS_exit_group, bh_seccomp_load(&filter, NULL, &err) < 0 ? 99 : act());
	}
	bh_seccomp_filter_deinit(&filter);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int act_getcwd(void)
{
	char buf[64];

	return syscall(SYS_getcwd, buf, sizeof(buf)) < 0 ? errno : 0;
}

static int act_unknown_call(void)
{
	return syscall(5000) < 0 ? errno : 0;
}

static int act_personality(void)
{
	if (personality(0xffffffff) < 0)
		return 1;
	return personality(PER_LINUX32) == -1 ? errno : 2;
}

static int act_no_such_call_number(void)
{
	return syscall(-1) < 0 ? errno : 0;
}

static void actions_do_what_they_say(void **state)
{
	int status;

	(void)state;
	assert_int_equal(under(ALLOW_BUT(RULE("SCMP_ACT_LOG", "\"getcwd\"", "")), act_getcwd), 0);
	status = under(ALLOW_BUT(RULE("SCMP_ACT_ERRNO", "\"getcwd\"", "")), act_getcwd);
	assert_int_equal(WEXITSTATUS(status), EPERM);
	status = under(ALLOW_BUT(RULE("SCMP_ACT_ERRNO", "\"getcwd\"", ",\"errnoRet\":100")),
		       act_getcwd);
	assert_int_equal(WEXITSTATUS(status), 100);
	/* No tracer: ENOSYS. */
	status = under(ALLOW_BUT(RULE("SCMP_ACT_TRACE", "\"getcwd\"", "")), act_getcwd);
	assert_int_equal(WEXITSTATUS(status), ENOSYS);
	status = under(ALLOW_BUT(RULE("SCMP_ACT_KILL", "\"getcwd\"", "")), act_getcwd);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	status = under(ALLOW_BUT(RULE("SCMP_ACT_KILL_THREAD", "\"getcwd\"", "")), act_getcwd);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	status = under(ALLOW_BUT(RULE("SCMP_ACT_KILL_PROCESS", "\"getcwd\"", "")), act_getcwd);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	status = under(ALLOW_BUT(RULE("SCMP_ACT_TRAP", "\"getcwd\"", "")), act_getcwd);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static void newer_calls_answer_enosys(void **state)
{
	int status;

	(void)state;
	status = under(DENY_BUT(RULE("SCMP_ACT_ALLOW", "\"exit_group\",\"futex_waitv\"", "")),
		       act_unknown_call);
	assert_int_equal(WEXITSTATUS(status), ENOSYS);
	status = under(DENY_BUT(RULE("SCMP_ACT_ALLOW", "\"exit_group\",\"futex_waitv\"", "")),
		       act_no_such_call_number);
	assert_int_equal(WEXITSTATUS(status), ENOSYS);
	/* An old call that is not named is refused, not missing. */
	status = under(DENY_BUT(RULE("SCMP_ACT_ALLOW", "\"exit_group\",\"futex_waitv\"", "")),
		       act_getcwd);
	assert_int_equal(WEXITSTATUS(status), EPERM);
	status = under("\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[" RULE(
			       "SCMP_ACT_ALLOW", "\"exit_group\",\"futex_waitv\"", "") "]",
		       act_unknown_call);
	assert_int_equal(WEXITSTATUS(status), ENOSYS);
}

static void conditions_are_asked_by_the_kernel(void **state)
{
	int status = under(
		DENY_BUT(RULE("SCMP_ACT_ALLOW", "\"exit_group\",\"futex_waitv\"", "") "," RULE(
			"SCMP_ACT_ALLOW", "\"personality\"",
			",\"args\":[{\"index\":0,\"value\":4294967295,\"op\":\"SCMP_CMP_EQ\"}]")),
		act_personality);

	(void)state;
	assert_int_equal(WEXITSTATUS(status), EPERM);
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void what_is_wrong_is_named(void **state)
{
	static const char *const names[] = { "write" }, *const odd[] = { "SCMP_ARCH_ODD" };
	const struct bh_seccomp_rule rule = { .names = { (const char **)names, 1 },
					      .action = "SCMP_ACT_NOTIFY" };
	const struct bh_seccomp_rule errno_rule = { .names = { (const char **)names, 1 },
						    .action = "SCMP_ACT_ALLOW",
						    .errno_ret = { true, 1 } };
	const struct {
		struct bh_seccomp profile;
		const char *where, *text;
	} cases[] = {
		{ { .default_action = "SCMP_ACT_NONE" }, "/linux/seccomp/defaultAction", "NONE" },
		{ { .default_action = "SCMP_ACT_NOTIFY" },
		  "/linux/seccomp/defaultAction",
		  "SCMP_ACT_NOTIFY cannot be used as default action" },
		{ { .default_action = "SCMP_ACT_ALLOW", .default_errno_ret = { true, 1 } },
		  "/linux/seccomp/defaultAction",
		  "does not take errno 1" },
		{ { .default_action = "SCMP_ACT_ERRNO", .default_errno_ret = { true, 5000 } },
		  "/linux/seccomp/defaultAction",
		  "does not take errno 5000" },
		{ { .default_action = "SCMP_ACT_ALLOW",
		    .architectures = { (const char **)odd, 1 } },
		  "/linux/seccomp/architectures",
		  "SCMP_ARCH_ODD" },
		{ { .default_action = "SCMP_ACT_ALLOW", .flags = { (const char **)odd, 1 } },
		  "/linux/seccomp/flags",
		  "SCMP_ARCH_ODD" },
		{ { .default_action = "SCMP_ACT_ALLOW",
		    .syscalls = { (struct bh_seccomp_rule *)&rule, 1 } },
		  "/linux/seccomp/listenerPath",
		  "seccomp listenerPath is not set" },
		{ { .default_action = "SCMP_ACT_ALLOW",
		    .listener_path = "/agent",
		    .syscalls = { (struct bh_seccomp_rule *)&rule, 1 } },
		  "/linux/seccomp/syscalls/0",
		  "SCMP_ACT_NOTIFY cannot be used for the write syscall" },
		{ { .default_action = "SCMP_ACT_LOG",
		    .syscalls = { (struct bh_seccomp_rule *)&errno_rule, 1 } },
		  "/linux/seccomp/syscalls/0",
		  "does not take errno" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		struct bh_seccomp_filter filter = BH_SECCOMP_FILTER_INIT;
		struct bh_err err = BH_ERR_INIT;

		assert_int_equal(bh_seccomp_compile(&cases[i].profile, -1, &filter, &err), -EINVAL);
		assert_string_equal(err.where, cases[i].where);
		assert_non_null(strstr(err.text, cases[i].text));
		assert_null(filter.insns);
	}
}

/* Each of 1500 rules on one call is four instructions: more than the kernel takes. */
static void a_profile_may_be_too_large(void **state)
{
	static const char *const names[] = { "getcwd" };
	static struct bh_seccomp_arg args[1500];
	static struct bh_seccomp_rule rules[1500];
	struct bh_seccomp p = { .default_action = "SCMP_ACT_ALLOW", .syscalls = { rules, 0 } };
	struct bh_seccomp_filter filter = BH_SECCOMP_FILTER_INIT;
	struct bh_err err = BH_ERR_INIT;
	int r = 0;

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(rules); i++) {
		args[i] = (struct bh_seccomp_arg){ .op = BH_SECCOMP_EQ, .value = i << 32 | i };
		rules[i] = (struct bh_seccomp_rule){ .names = { (const char **)names, 1 },
						     .action = "SCMP_ACT_ERRNO",
						     .args = { &args[i], 1 } };
	}
	/* Every size on the way is whole and sound, or refused. */
	for (size_t n = 1; n <= BH_ARRAY_SIZE(rules); n += n < 700 ? 97 : 7) {
		struct seccomp_data data = { .arch = bh_seccomp_arch_native()->audit,
					     .nr = SYS_getcwd };

		p.syscalls.n = n;
		r = bh_seccomp_build(&p, &filter, &err);
		if (r < 0)
			break;
		data.args[0] = (n - 1) << 32 | (n - 1);
		assert_int_equal(bpf_run(filter.insns, filter.n, &data), SECCOMP_RET_ERRNO | EPERM);
		data.args[0] = n;
		assert_int_equal(bpf_run(filter.insns, filter.n, &data), SECCOMP_RET_ALLOW);
		bh_seccomp_filter_deinit(&filter);
	}
	assert_int_equal(r, -EINVAL);
	assert_non_null(strstr(err.text, "4096 instructions"));
	assert_null(filter.insns);
}

/* ---- architectures, flags, names ------------------------------------------------------------- */

#ifdef __x86_64__
#define X86_DENY(rules)                                                                            \
	"\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86\"],\"syscalls\":" \
	"[" rules "," RULE("SCMP_ACT_ALLOW", "\"futex_waitv\"", "") "]"
#define X86_ALLOW(rules)                                                                           \
	"\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\"],\"syscalls\":" \
	"[" rules "]"
#define ARG0(value) ",\"args\":[{\"index\":0,\"value\":" #value ",\"op\":\"SCMP_CMP_EQ\"}]"

static void multiplexed_calls_cannot_be_used_to_get_around(void **state)
{
	const uint32_t deny = SECCOMP_RET_ERRNO | EPERM, allow = SECCOMP_RET_ALLOW;
	struct bh_seccomp_filter filter;

	(void)state;
	/* socketcall(2) is 102, ipc(2) 117; socket 1, bind 2; shmget 23, semop 1. */
	filter = compiled(profile(X86_DENY(RULE("SCMP_ACT_ALLOW", "\"socket\",\"shmget\"", ""))));
	assert_int_equal(answer(&filter, AUDIT_ARCH_I386, 359, 40), allow);
	assert_int_equal(answer(&filter, AUDIT_ARCH_I386, 102, 1), allow);
	assert_int_equal(answer(&filter, AUDIT_ARCH_I386, 102, 2), deny);
	assert_int_equal(answer(&filter, AUDIT_ARCH_I386, 361, 1), deny);
	assert_int_equal(answer(&filter, AUDIT_ARCH_I386, 395, 1), allow);
	assert_int_equal(answer(&filter, AUDIT_ARCH_I386, 117, 23), allow);
	assert_int_equal(answer(&filter, AUDIT_ARCH_I386, 117, 1), deny);
	bh_seccomp_filter_deinit(&filter);

	/* Allowed under a condition that cannot be seen there: not allowed there. */
	filter = compiled(profile(X86_DENY(RULE("SCMP_ACT_ALLOW", "\"socket\"", ARG0(1)))));
	assert_int_equal(answer(&filter, AUDIT_ARCH_I386, 359, 1), allow);
	assert_int_equal(answer(&filter, AUDIT_ARCH_I386, 359, 40), deny);
	assert_int_equal(answer(&filter, AUDIT_ARCH_I386, 102, 1), deny);
	bh_seccomp_filter_deinit(&filter);

	/* Denied under a condition that cannot be seen there: denied there. */
	filter = compiled(profile(X86_ALLOW(RULE("SCMP_ACT_ERRNO", "\"socket\"", ARG0(40)))));
	assert_int_equal(answer(&filter, AUDIT_ARCH_I386, 359, 40), deny);
	assert_int_equal(answer(&filter, AUDIT_ARCH_I386, 359, 1), allow);
	assert_int_equal(answer(&filter, AUDIT_ARCH_I386, 102, 1), deny);
	assert_int_equal(answer(&filter, AUDIT_ARCH_I386, 102, 2), allow);
	bh_seccomp_filter_deinit(&filter);
}

static void architectures_that_are_not_named_are_killed(void **state)
{
	struct bh_seccomp_filter filter;

	(void)state;
	filter = compiled(profile("\"architectures\":[\"SCMP_ARCH_X32\"]," DENY_BUT(
		RULE("SCMP_ACT_ALLOW", "\"read\",\"mseal\"", ""))));
	assert_int_equal(answer(&filter, AUDIT_ARCH_X86_64, 0x40000000 | 462, 0),
			 SECCOMP_RET_ALLOW);
	assert_int_equal(answer(&filter, AUDIT_ARCH_X86_64, 0x40000000, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(answer(&filter, AUDIT_ARCH_X86_64, 0x40000000 | 463, 0),
			 SECCOMP_RET_ERRNO | ENOSYS);
	bh_seccomp_filter_deinit(&filter);

	filter = compiled(profile("\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":"
				  "[\"SCMP_ARCH_S390X\",\"SCMP_ARCH_LOONGARCH64\"]"));
	assert_int_equal(answer(&filter, AUDIT_ARCH_X86_64, SYS_getcwd, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(answer(&filter, AUDIT_ARCH_I386, 1, 0), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(answer(&filter, AUDIT_ARCH_S390X, 1, 0), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(answer(&filter, AUDIT_ARCH_X86_64, 0x40000000 | 1, 0),
			 SECCOMP_RET_KILL_THREAD);
	bh_seccomp_filter_deinit(&filter);
}
#endif

/* runc's rule: without a list of flags SPEC_ALLOW, with an empty one none. */
static void flags_follow_runc(void **state)
{
	static const struct {
		const char *body;
		unsigned int flags;
	} cases[] = {
		{ ALLOW_BUT(""), SECCOMP_FILTER_FLAG_SPEC_ALLOW },
		{ "\"flags\":[]," ALLOW_BUT(""), 0 },
		{ "\"flags\":[\"SECCOMP_FILTER_FLAG_TSYNC\"]," ALLOW_BUT(""), 0 },
		{ "\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"]"
		  "," ALLOW_BUT(""),
		  SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW },
		/* Without a listener the kernel would refuse it. */
		{ "\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]," ALLOW_BUT(""), 0 },
		{ "\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"],\"listenerPath\":\"/"
		  "x\"," ALLOW_BUT(RULE("SCMP_ACT_NOTIFY", "\"mkdir\"", "")),
		  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_NEW_LISTENER },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		struct bh_seccomp_filter filter = compiled(profile(cases[i].body));

		assert_int_equal(filter.flags, cases[i].flags);
		bh_seccomp_filter_deinit(&filter);
	}
}

static void unknown_names_are_skipped_and_newest_are_known(void **state)
{
	struct bh_seccomp_filter filter = compiled(profile(DENY_BUT(
		RULE("SCMP_ACT_ALLOW", "\"no_such_call\",\"file_setattr\",\"mseal\"", ""))));
	uint32_t arch = bh_seccomp_arch_native()->audit;

	(void)state;
	assert_int_equal(answer(&filter, arch, 462, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(answer(&filter, arch, 463, 0), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(answer(&filter, arch, 469, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(answer(&filter, arch, 470, 0), SECCOMP_RET_ERRNO | ENOSYS);
	bh_seccomp_filter_deinit(&filter);
}

static void the_kernel_has_the_flags_and_loads_them(void **state)
{
	const char *flags[8];
	size_t n = bh_seccomp_supported_flags(flags), known = 0;
	char version[32];

	(void)state;
	while (bh_seccomp_known_flags()[known])
		known++;
	assert_true(n >= 3 && n <= known);
	assert_true(bh_seccomp_library_version(version)[0] >= '2');
	for (const char *const *arch = bh_seccomp_archs(); *arch; arch++)
		assert_true(bh_seccomp_arch_known(*arch));
	assert_int_equal(under("\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\","
			       "\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"]," ALLOW_BUT(""),
			       act_getcwd),
			 0);
}

/* ---- the listener ---------------------------------------------------------------------------- */

/* The child under a notifying filter hands over its listener and makes a call that the agent
 * answers. */
static void the_agent_gets_the_listener_and_answers(void **state)
{
	struct bh_seccomp_filter filter = compiled(profile(
		"\"listenerPath\":\"/x\"," ALLOW_BUT(RULE("SCMP_ACT_NOTIFY", "\"getcwd\"", ""))));
	struct seccomp_notif request = { .id = 0 };
	struct seccomp_notif_resp response = { .id = 0 };
	struct bh_err err = BH_ERR_INIT;
	int listener, pidfd, number, status, pipes[2];
	pid_t pid;

	(void)state;
	assert_true(filter.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (bh_seccomp_load(&filter, &listener, &err) < 0 ||
		    write(pipes[1], &listener, sizeof(listener)) != sizeof(listener))
			_exit(99);
		_exit(act_getcwd());
	}
	assert_int_equal(read(pipes[0], &number, sizeof(number)), sizeof(number));
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	listener = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	assert_true(listener >= 0);
	assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request), 0);
	assert_int_equal(request.data.nr, SYS_getcwd);
	response.id = request.id;
	response.error = -ENOMEDIUM;
	assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), ENOMEDIUM);
	close(listener);
	close(pidfd);
	close(pipes[0]);
	close(pipes[1]);
	bh_seccomp_filter_deinit(&filter);
}

/* Takes one connection of @server: the document and the descriptor that came with it. */
static size_t receive(int server, char *buf, size_t size, int *ret_fd)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	size_t len = (size_t)n;

	assert_true(n > 0);
	assert_non_null(CMSG_FIRSTHDR(&msg));
	memcpy(ret_fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	while ((n = recv(fd, buf + len, size - len, 0)) > 0)
		len += (size_t)n;
	close(fd);
	return len;
}

static void the_state_is_sent_with_the_descriptor(void **state)
{
	char dir[] = "/tmp/bh-unit-XXXXXX", state_text[300000], *got = malloc(400000);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct bh_err err = BH_ERR_INIT;
	struct stat sent, taken;
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), pipes[2], fd, status;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/agent", dir);
	assert_int_equal(bh_seccomp_send_listener(addr.sun_path, 0, "{}", 2, &err), -ENOENT);
	assert_non_null(strstr(err.text, "failed to connect with seccomp agent"));
	assert_int_equal(bind(server, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	memset(state_text, 'x', sizeof(state_text)); /* more than a socket holds */
	pid = fork();
	if (pid == 0)
		_exit(bh_seccomp_send_listener(addr.sun_path, pipes[1], state_text,
					       sizeof(state_text), &err) < 0);
	assert_int_equal(receive(server, got, 400000, &fd), sizeof(state_text));
	assert_memory_equal(got, state_text, sizeof(state_text));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(fstat(pipes[1], &sent), 0);
	assert_int_equal(fstat(fd, &taken), 0);
	assert_int_equal(sent.st_ino, taken.st_ino);
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
	close(server);
	free(got);
	assert_int_equal(bh_path_remove_tree(AT_FDCWD, dir, &err), 0);
	memset(addr.sun_path, 'x', sizeof(addr.sun_path) - 1);
	state_text[200] = '\0';
	assert_int_equal(bh_seccomp_send_listener(state_text, 0, "{}", 2, &err), -ENAMETOOLONG);
}

/* ---- the cache ------------------------------------------------------------------------------- */

struct cache {
	char dir[32];
	int fd;
	const struct bh_seccomp *profile;
	struct bh_buf key;
	struct bh_seccomp_filter filter;
	char name[NAME_MAX + 1]; /* of its one file */
};

static void cache_init(struct cache *c)
{
	struct bh_err err = BH_ERR_INIT;
	struct dirent *entry;
	DIR *dir;

	*c = (struct cache){ .dir = "/tmp/bh-unit-XXXXXX" };
	assert_non_null(mkdtemp(c->dir));
	c->fd = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	c->profile = profile(ALLOW_BUT(RULE("SCMP_ACT_ERRNO", "\"getcwd\",\"mkdir\"", "")));
	bh_seccomp_key(c->profile, &c->key);
	assert_int_equal(bh_seccomp_compile(c->profile, c->fd, &c->filter, &err), 0);
	dir = opendir(c->dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			strcpy(c->name, entry->d_name);
	}
	closedir(dir);
	assert_true(c->name[0] != '\0');
}

static void cache_deinit(struct cache *c)
{
	struct bh_err err = BH_ERR_INIT;

	bh_seccomp_filter_deinit(&c->filter);
	bh_buf_deinit(&c->key);
	close(c->fd);
	assert_int_equal(bh_path_remove_tree(AT_FDCWD, c->dir, &err), 0);
}

/* Whether the cache's file is used; if so it must be the program. */
static bool hit(struct cache *c)
{
	struct bh_seccomp_filter got = BH_SECCOMP_FILTER_INIT;

	if (bh_seccomp_cache_load(c->fd, &c->key, &got) < 0)
		return false;
	assert_int_equal(got.n, c->filter.n);
	assert_memory_equal(got.insns, c->filter.insns, got.n * sizeof(*got.insns));
	bh_seccomp_filter_deinit(&got);
	return true;
}

static void a_program_is_kept_and_found(void **state)
{
	struct bh_seccomp_filter again = BH_SECCOMP_FILTER_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct cache c;
	struct stat st;

	(void)state;
	cache_init(&c);
	assert_int_equal(fstatat(c.fd, c.name, &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_true(hit(&c));
	assert_int_equal(bh_seccomp_compile(c.profile, c.fd, &again, &err), 0);
	assert_int_equal(again.n, c.filter.n);
	assert_int_equal(again.flags, c.filter.flags);
	bh_seccomp_filter_deinit(&again);
	cache_deinit(&c);
}

static void only_the_users_own_file_is_used(void **state)
{
	struct cache c;

	(void)state;
	cache_init(&c);
	assert_int_equal(fchmodat(c.fd, c.name, 0640, 0), 0);
	assert_false(hit(&c));
	assert_int_equal(fchmodat(c.fd, c.name, 0602, 0), 0);
	assert_false(hit(&c));
	assert_int_equal(fchmodat(c.fd, c.name, 0600, 0), 0);
	assert_true(hit(&c));
	if (geteuid() == 0) {
		assert_int_equal(fchownat(c.fd, c.name, 65534, 0, 0), 0);
		assert_false(hit(&c));
		assert_int_equal(fchownat(c.fd, c.name, 0, 0, 0), 0);
	} else {
		print_message("skipped: a file of another user: needs root\n");
	}
	/* The same file behind a symlink; then something that is no file at all. */
	assert_int_equal(renameat(c.fd, c.name, c.fd, "else"), 0);
	assert_int_equal(symlinkat("else", c.fd, c.name), 0);
	assert_false(hit(&c));
	assert_int_equal(unlinkat(c.fd, c.name, 0), 0);
	assert_int_equal(mkfifoat(c.fd, c.name, 0600), 0);
	assert_false(hit(&c));
	assert_int_equal(unlinkat(c.fd, c.name, 0), 0);
	assert_int_equal(mkdirat(c.fd, c.name, 0600), 0);
	assert_false(hit(&c));
	cache_deinit(&c);
}

static void no_damaged_file_is_used(void **state)
{
	struct bh_buf file = BH_BUF_INIT;
	struct cache c;

	(void)state;
	cache_init(&c);
	bh_seccomp_cache_encode(&c.key, &c.filter, &file);
	for (size_t i = 0; i < file.len; i++) {
		struct bh_seccomp_filter got = BH_SECCOMP_FILTER_INIT;

		assert_int_equal(bh_seccomp_cache_decode(file.data, i, &c.key, &got), -EBADMSG);
		file.data[i] ^= 1 << (i % 8);
		assert_int_equal(bh_seccomp_cache_decode(file.data, file.len, &c.key, &got),
				 -EBADMSG);
		file.data[i] ^= 1 << (i % 8);
		assert_null(got.insns);
	}
	bh_buf_add(&file, "", 1);
	assert_int_equal(bh_seccomp_cache_decode(file.data, file.len, &c.key,
						 &(struct bh_seccomp_filter){ .n = 0 }),
			 -EBADMSG);
	bh_buf_deinit(&file);
	cache_deinit(&c);
}

/* With a right sum and key, but a program that ends nowhere. */
static void no_unsound_program_is_used(void **state)
{
	static struct sock_filter bad[][2] = {
		{ { BPF_LD | BPF_W | BPF_ABS, 0, 0, 0 }, { BPF_LD | BPF_W | BPF_ABS, 0, 0, 0 } },
		{ { BPF_JMP | BPF_JA, 0, 0, 1 }, { BPF_RET | BPF_K, 0, 0, 0 } },
		{ { BPF_JMP | BPF_JA, 0, 0, UINT32_MAX }, { BPF_RET | BPF_K, 0, 0, 0 } },
		{ { BPF_JMP | BPF_JEQ, 1, 0, 0 }, { BPF_RET | BPF_K, 0, 0, 0 } },
		{ { BPF_JMP | BPF_JEQ, 0, 1, 0 }, { BPF_RET | BPF_K, 0, 0, 0 } },
	};
	struct cache c;

	(void)state;
	cache_init(&c);
	for (size_t i = 0; i < BH_ARRAY_SIZE(bad); i++) {
		struct bh_seccomp_filter filter = { .insns = bad[i], .n = 2 }, got = { .n = 0 };
		struct bh_buf file = BH_BUF_INIT;

		bh_seccomp_cache_encode(&c.key, &filter, &file);
		assert_int_equal(bh_seccomp_cache_decode(file.data, file.len, &c.key, &got),
				 -EBADMSG);
		bh_buf_deinit(&file);
	}
	cache_deinit(&c);
}

static void profiles_that_differ_have_different_keys(void **state)
{
#define ARGS(index, value, two, op)                                                             \
	",\"args\":[{\"index\":" index ",\"value\":" value ",\"valueTwo\":" two ",\"op\":\"" op \
	"\"}]"
	static const char *const bodies[] = {
		ALLOW_BUT(""),
		DENY_BUT(""),
		"\"defaultErrnoRet\":0," DENY_BUT(""),
		"\"defaultErrnoRet\":1," DENY_BUT(""),
		"\"architectures\":[\"SCMP_ARCH_X86\"]," DENY_BUT(""),
		"\"architectures\":[\"SCMP_ARCH_X86_64\"]," DENY_BUT(""),
		DENY_BUT(RULE("SCMP_ACT_ALLOW", "\"a\",\"b\"", "")),
		DENY_BUT(RULE("SCMP_ACT_ALLOW", "\"ab\"", "")),
		DENY_BUT(RULE("SCMP_ACT_ALLOW", "\"a\"", "") "," RULE("SCMP_ACT_ALLOW", "\"b\"",
								      "")),
		DENY_BUT(RULE("SCMP_ACT_LOG", "\"a\",\"b\"", "")),
		DENY_BUT(RULE("SCMP_ACT_ERRNO", "\"a\",\"b\"", "")),
		DENY_BUT(RULE("SCMP_ACT_ERRNO", "\"a\",\"b\"", ",\"errnoRet\":5")),
		DENY_BUT(RULE("SCMP_ACT_ALLOW", "\"a\"", ARGS("0", "1", "2", "SCMP_CMP_EQ"))),
		DENY_BUT(RULE("SCMP_ACT_ALLOW", "\"a\"", ARGS("1", "1", "2", "SCMP_CMP_EQ"))),
		DENY_BUT(RULE("SCMP_ACT_ALLOW", "\"a\"", ARGS("0", "2", "2", "SCMP_CMP_EQ"))),
		DENY_BUT(RULE("SCMP_ACT_ALLOW", "\"a\"", ARGS("0", "1", "3", "SCMP_CMP_EQ"))),
		DENY_BUT(RULE("SCMP_ACT_ALLOW", "\"a\"", ARGS("0", "1", "2", "SCMP_CMP_NE"))),
	};
	struct bh_buf keys[BH_ARRAY_SIZE(bodies)] = { 0 };

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(bodies); i++) {
		bh_seccomp_key(profile(bodies[i]), &keys[i]);
		for (size_t k = 0; k < i; k++)
			assert_false(keys[i].len == keys[k].len &&
				     memcmp(keys[i].data, keys[k].data, keys[i].len) == 0);
	}
	for (size_t i = 0; i < BH_ARRAY_SIZE(bodies); i++)
		bh_buf_deinit(&keys[i]);
}

static size_t count_files(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	for (struct dirent *entry; (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void the_cache_stays_small_and_is_never_needed(void **state)
{
	struct bh_err err = BH_ERR_INIT;
	size_t most = 0;
	struct cache c;
	int file;

	(void)state;
	cache_init(&c);
	for (int i = 0; i < 200; i++) {
		const struct bh_seccomp *p = profile(bh_arena_printf(
			&arena, ALLOW_BUT(RULE("SCMP_ACT_ERRNO", "\"mkdir\"", ",\"errnoRet\":%d")),
			i));
		size_t n;

		bh_seccomp_filter_deinit(&c.filter);
		assert_int_equal(bh_seccomp_compile(p, c.fd, &c.filter, &err), 0);
		n = count_files(c.dir);
		most = n > most ? n : most;
		assert_true(n >= 1 && n <= 64);
	}
	assert_int_equal(most, 64);
	/* A descriptor that is no directory. */
	bh_seccomp_filter_deinit(&c.filter);
	file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(bh_seccomp_compile(c.profile, file, &c.filter, &err), 0);
	assert_true(c.filter.n > 0);
	close(file);
	cache_deinit(&c);
}

static int free_arena(void **state)
{
	(void)state;
	bh_arena_deinit(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(actions_do_what_they_say),
		cmocka_unit_test(newer_calls_answer_enosys),
		cmocka_unit_test(conditions_are_asked_by_the_kernel),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_profile_may_be_too_large),
#ifdef __x86_64__
		cmocka_unit_test(multiplexed_calls_cannot_be_used_to_get_around),
		cmocka_unit_test(architectures_that_are_not_named_are_killed),
#endif
		cmocka_unit_test(flags_follow_runc),
		cmocka_unit_test(unknown_names_are_skipped_and_newest_are_known),
		cmocka_unit_test(the_kernel_has_the_flags_and_loads_them),
		cmocka_unit_test(the_agent_gets_the_listener_and_answers),
		cmocka_unit_test(the_state_is_sent_with_the_descriptor),
		cmocka_unit_test(a_program_is_kept_and_found),
		cmocka_unit_test(only_the_users_own_file_is_used),
		cmocka_unit_test(no_damaged_file_is_used),
		cmocka_unit_test(no_unsound_program_is_used),
		cmocka_unit_test(profiles_that_differ_have_different_keys),
		cmocka_unit_test(the_cache_stays_small_and_is_never_needed),
	};

	return cmocka_run_group_tests(tests, NULL, free_arena);
}
