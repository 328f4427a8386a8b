/* SPDX-License-Identifier: Apache-2.0 */
/* Each case in a child, since there is no way back; what it became is read from /proc. Needs root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/path.h"
#include "linux/caps.h"

#define BIT(cap) (UINT64_C(1) << (cap))

static uint64_t own_bounding;

static uint64_t proc_set(const char *name)
{
	bh_auto_free char *text = NULL;
	struct bh_err err = BH_ERR_INIT;
	const char *line;

	if (bh_path_read(AT_FDCWD, "/proc/thread-self/status", BH_PATH_HOST, 65536, &text, NULL,
			 &err) < 0)
		_exit(98);
	line = strstr(text, name);
	return line ? strtoull(line + strlen(name) + 1, NULL, 16) : 0;
}

/* Runs @act in a child. Return: its exit status, 0 = as it should be */
static int in_child(int (*act)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(act());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int skip_without_root(void)
{
	if (geteuid() == 0)
		return 0;
	print_message("skipped: needs root\n");
	return 1;
}

static bool sets_are(uint64_t bounding, uint64_t permitted, uint64_t effective,
		     uint64_t inheritable, uint64_t ambient)
{
	return proc_set("CapBnd:") == bounding && proc_set("CapPrm:") == permitted &&
	       proc_set("CapEff:") == effective && proc_set("CapInh:") == inheritable &&
	       proc_set("CapAmb:") == ambient;
}

static int act_sets(void)
{
	const struct bh_caps caps = {
		.set = true,
		.bounding = BIT(CAP_KILL) | BIT(CAP_CHOWN) | BIT(CAP_NET_RAW),
		.permitted = BIT(CAP_KILL) | BIT(CAP_CHOWN),
		.effective = BIT(CAP_KILL),
		.inheritable = BIT(CAP_CHOWN) | BIT(CAP_KILL),
		.ambient = BIT(CAP_CHOWN),
	};
	struct bh_err err = BH_ERR_INIT;

	if (bh_caps_bound(&caps, &err) < 0 || bh_caps_apply(&caps, &err) < 0)
		return 1;
	return !sets_are(caps.bounding, caps.permitted, caps.effective, caps.inheritable,
			 caps.ambient);
}

/* The usual order: bound, become someone else keeping what is permitted, apply. */
static int act_other_user(void)
{
	const struct bh_caps caps = { .set = true,
				      .bounding = BIT(CAP_KILL),
				      .permitted = BIT(CAP_KILL),
				      .effective = BIT(CAP_KILL) };
	struct bh_err err = BH_ERR_INIT;

	if (bh_caps_bound(&caps, &err) < 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
	    setresuid(1000, 1000, 1000) < 0)
		return 1;
	if (proc_set("CapEff:") != 0 || bh_caps_raise_effective(&err) < 0)
		return 2;
	if (proc_set("CapEff:") != own_bounding || proc_set("CapPrm:") != own_bounding)
		return 3;
	if (bh_caps_apply(&caps, &err) < 0)
		return 4;
	return !sets_are(BIT(CAP_KILL), BIT(CAP_KILL), BIT(CAP_KILL), 0, 0);
}

static int act_none(void)
{
	const struct bh_caps none = { .set = false };
	struct bh_err err = BH_ERR_INIT;

	if (bh_caps_bound(&none, &err) < 0 || bh_caps_apply(&none, &err) < 0)
		return 1;
	return !sets_are(0, 0, 0, 0, 0);
}

static FILE *redirect_log(void)
{
	char path[] = "/tmp/bh-unit-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	struct bh_err err = BH_ERR_INIT;

	if (fd < 0 || bh_log_open(path, BH_LOG_TEXT, BH_LOG_WARN, &err) < 0)
		_exit(97);
	unlink(path);
	return fdopen(fd, "r");
}

static bool log_says(FILE *log, const char *what)
{
	char text[4096] = "";
	size_t n;

	rewind(log);
	n = fread(text, 1, sizeof(text) - 1, log);
	text[n] = '\0';
	return strstr(text, what) != NULL;
}

/* What is not there cannot be granted: it is left out with a warning, the rest is set. */
static int act_more_than_there_is(void)
{
	const struct bh_caps less = { .set = true,
				      .bounding = BIT(CAP_CHOWN) | BIT(CAP_SETPCAP),
				      .permitted = BIT(CAP_CHOWN) | BIT(CAP_SETPCAP),
				      .effective = BIT(CAP_CHOWN) | BIT(CAP_SETPCAP) };
	const struct bh_caps more = {
		.set = true,
		.bounding = UINT64_MAX,
		.permitted = BIT(CAP_CHOWN) | BIT(CAP_SYS_ADMIN),
		.effective = BIT(CAP_CHOWN) | BIT(CAP_SYS_ADMIN),
		.inheritable = BIT(CAP_CHOWN) | BIT(CAP_NET_RAW),
		.ambient = BIT(CAP_CHOWN) | BIT(CAP_SYS_ADMIN),
	};
	struct bh_err err = BH_ERR_INIT;
	FILE *log = redirect_log();

	if (bh_caps_bound(&less, &err) < 0 || bh_caps_apply(&less, &err) < 0)
		return 1;
	if (bh_caps_apply(&more, &err) < 0)
		return 2;
	if (!sets_are(less.bounding, BIT(CAP_CHOWN), BIT(CAP_CHOWN), BIT(CAP_CHOWN),
		      BIT(CAP_CHOWN)))
		return 3;
	return !log_says(log, "CAP_SYS_ADMIN cannot be granted") ||
	       !log_says(log, "CAP_NET_RAW cannot be granted") ||
	       !log_says(log, "can't raise ambient capability CAP_SYS_ADMIN");
}

/* Without the right to drop from the bounding set, a drop that is needed fails, and no other. */
static int act_bound_without_right(void)
{
	const struct bh_caps all = { .set = true, .bounding = own_bounding };
	const struct bh_caps less = { .set = true, .bounding = own_bounding & ~BIT(CAP_NET_RAW) };
	const struct bh_caps none = { .set = true, .bounding = own_bounding };
	struct bh_err err = BH_ERR_INIT;

	if (bh_caps_apply(&none, &err) < 0)
		return 1;
	if (bh_caps_bound(&all, &err) < 0)
		return 2;
	if (bh_caps_bound(&less, &err) != -EPERM)
		return 3;
	return strstr(err.text, "CAP_NET_RAW") == NULL;
}

/* The highest that the kernel knows; -1 = not told. */
static int last_cap(void)
{
	bh_auto_free char *text = NULL;

	return bh_path_read(AT_FDCWD, "/proc/sys/kernel/cap_last_cap", BH_PATH_HOST, 16, &text,
			    NULL, NULL) < 0
		       ? -1
		       : atoi(text);
}

/* A new user namespace has everything that the kernel knows: the full set can be asked for. */
static int act_all_in_userns(void)
{
	uint64_t every = BIT(last_cap() + 1) - 1;
	const struct bh_caps all = { .set = true,
				     .bounding = UINT64_MAX,
				     .permitted = UINT64_MAX,
				     .effective = UINT64_MAX,
				     .inheritable = UINT64_MAX,
				     .ambient = every };
	struct bh_err err = BH_ERR_INIT;

	if (unshare(CLONE_NEWUSER) < 0)
		return 77;
	if (bh_caps_bound(&all, &err) < 0 || bh_caps_apply(&all, &err) < 0)
		return 1;
	return !sets_are(every, every, every, every, every);
}

static void sets_become_what_is_asked(void **state)
{
	(void)state;
	if (skip_without_root())
		return;
	assert_int_equal(in_child(act_sets), 0);
	assert_int_equal(in_child(act_other_user), 0);
	assert_int_equal(in_child(act_none), 0);
}

static void what_cannot_be_granted_is_left_out(void **state)
{
	(void)state;
	if (skip_without_root())
		return;
	assert_int_equal(in_child(act_more_than_there_is), 0);
}

static void bounding_needs_the_right(void **state)
{
	(void)state;
	if (skip_without_root())
		return;
	assert_int_equal(in_child(act_bound_without_right), 0);
}

static void a_user_namespace_has_them_all(void **state)
{
	int status = in_child(act_all_in_userns);

	(void)state;
	if (status == 77)
		print_message("skipped: no user namespaces here\n");
	else
		assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_become_what_is_asked),
		cmocka_unit_test(what_cannot_be_granted_is_left_out),
		cmocka_unit_test(bounding_needs_the_right),
		cmocka_unit_test(a_user_namespace_has_them_all),
	};

	own_bounding = proc_set("CapBnd:");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
