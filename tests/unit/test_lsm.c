/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles and labels are written to the files of the calling process. Where the kernel has no
 * module a directory stands in for /proc/self; where it has, the kernel refuses what does not
 * exist. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/path.h"
#include "linux/lsm.h"

static char dir[32];
static int self;

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/bh-unit-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	self = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return self < 0 || mkdirat(self, "attr", 0700) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	close(self);
	return bh_path_remove_tree(AT_FDCWD, dir, &err);
}

static void make_file(const char *path)
{
	int fd = openat(self, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void assert_file(const char *path, const char *text)
{
	bh_auto_free char *got = NULL;
	struct bh_err err = BH_ERR_INIT;

	assert_int_equal(bh_path_read(self, path, BH_PATH_BENEATH, 4096, &got, NULL, &err), 0);
	assert_string_equal(got, text);
}

static void apparmor_has_a_file_of_its_own_on_new_kernels(void **state)
{
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	make_file("attr/exec");
	assert_int_equal(bh_apparmor_on_exec(self, "docker-default", &err), 0);
	assert_file("attr/exec", "exec docker-default");
	assert_int_equal(mkdirat(self, "attr/apparmor", 0700), 0);
	make_file("attr/apparmor/exec");
	assert_int_equal(bh_apparmor_on_exec(self, "other", &err), 0);
	assert_file("attr/apparmor/exec", "exec other");
	assert_file("attr/exec", "exec docker-default");
}

static void selinux_has_two_files(void **state)
{
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	make_file("attr/exec");
	make_file("attr/keycreate");
	assert_int_equal(bh_selinux_on_exec(self, "u:r:t:s0:c1,c2", &err), 0);
	assert_int_equal(bh_selinux_key_label(self, "u:r:k:s0", &err), 0);
	assert_file("attr/exec", "u:r:t:s0:c1,c2");
	assert_file("attr/keycreate", "u:r:k:s0");
}

static void errors_name_profile_or_label(void **state)
{
	struct bh_err err = BH_ERR_INIT;
	char huge[5000];

	(void)state;
	assert_int_equal(bh_apparmor_on_exec(self, "docker-default", &err), -ENOENT);
	assert_non_null(strstr(err.text, "apply AppArmor profile 'docker-default'"));
	assert_int_equal(bh_selinux_on_exec(self, "u:r:t:s0", &err), -ENOENT);
	assert_non_null(strstr(err.text, "SELinux label"));
	memset(huge, 'x', sizeof(huge));
	huge[sizeof(huge) - 1] = '\0';
	assert_int_equal(bh_apparmor_on_exec(self, huge, &err), -ENAMETOOLONG);
}

/* No profile of this name exists: neither a kernel with AppArmor nor one without takes it. */
static void the_kernel_refuses_an_unknown_profile(void **state)
{
	int own = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct bh_err err = BH_ERR_INIT;
	int r;

	(void)state;
	r = bh_apparmor_on_exec(own, "no-such-profile-of-bh-unit", &err);
	assert_true(r < 0);
	assert_non_null(strstr(err.text, "no-such-profile-of-bh-unit"));
	if (bh_apparmor_enabled())
		assert_int_equal(r, -ENOENT);
	else
		print_message("skipped: that AppArmor itself refuses it: not enabled here\n");
	close(own);
}

int main(void)
{
#define ON_STAND_IN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ON_STAND_IN(apparmor_has_a_file_of_its_own_on_new_kernels),
		ON_STAND_IN(selinux_has_two_files),
		ON_STAND_IN(errors_name_profile_or_label),
		cmocka_unit_test(the_kernel_refuses_an_unknown_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
