/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "container/rootfs.h"

#define MOUNTNS "\"namespaces\":[{\"type\":\"mount\"}],"
#define USERNS                                                                 \
	"\"namespaces\":[{\"type\":\"user\"},{\"type\":\"mount\"}],"           \
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":10}]," \
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":200000,\"size\":10}]"

static const struct bh_rootfs_env normal = { .bundle = "/bundle", .new_mountns = true };

/* The plan for the document whose mounts and linux members are given, or the error, as text. */
static char *plan_with(const struct bh_rootfs_env *env, const char *mounts, const char *linux_)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	bh_auto_buf struct bh_buf doc = BH_BUF_INIT, out = BH_BUF_INIT;
	struct bh_rootfs_plan *plan = NULL;
	struct bh_err err = BH_ERR_INIT;
	struct bh_spec spec = { 0 };
	char line[512];

	bh_buf_printf(&doc,
		      "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"root\"},"
		      "\"mounts\":[%s],\"linux\":{%s}}",
		      mounts, linux_);
	if (bh_spec_parse(&arena, doc.data, doc.len, &spec, &err) < 0 ||
	    bh_rootfs_plan(&arena, &spec, env, &plan, &err) < 0)
		return strdup(bh_err_format(&err, line, sizeof(line)));
	bh_rootfs_print(plan, &out);
	assert_false(out.failed);
	return strdup(bh_buf_str(&out));
}

/* That the plan has @line, as a whole line. */
static void expect_line(const struct bh_rootfs_env *env, const char *mounts, const char *linux_,
			const char *line)
{
	bh_auto_free char *text = plan_with(env, mounts, linux_), *copy = strdup(text);
	char *save = NULL;

	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (strcmp(l, line) == 0)
			return;
	fail_msg("no line '%s' in:\n%s", line, text);
}

static void expect_no(const struct bh_rootfs_env *env, const char *mounts, const char *linux_,
		      const char *part)
{
	bh_auto_free char *text = plan_with(env, mounts, linux_);

	if (strstr(text, part))
		fail_msg("'%s' in:\n%s", part, text);
}

static void the_steps_and_their_order(void **state)
{
	struct bh_rootfs_env env = normal;
	bh_auto_free char *text = NULL;

	(void)state;
	env.console = true;
	text = plan_with(
		&env,
		"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
		"\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\",\"ro\"]},"
		"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\","
		"\"options\":[\"nosuid\",\"ro\"]}",
		MOUNTNS "\"maskedPaths\":[\"/proc/kcore\"],\"readonlyPaths\":[\"/proc/sys\"],"
			"\"rootfsPropagation\":\"rslave\"");
	assert_string_equal(text,
			    "root /bundle/root\n"
			    "mount /proc type=proc source=proc\n"
			    "mount /dev type=tmpfs source=tmpfs flags=nosuid,strictatime "
			    "data=mode=755,size=65536k read-only-at-last\n"
			    "cgroup /sys/fs/cgroup type=cgroup source=cgroup flags=ro,nosuid\n"
			    "device /dev/null mode=0666 owner=0:0 c=1:3\n"
			    "device /dev/random mode=0666 owner=0:0 c=1:8\n"
			    "device /dev/full mode=0666 owner=0:0 c=1:7\n"
			    "device /dev/tty mode=0666 owner=0:0 c=5:0\n"
			    "device /dev/zero mode=0666 owner=0:0 c=1:5\n"
			    "device /dev/urandom mode=0666 owner=0:0 c=1:9\n"
			    "link /dev/fd -> /proc/self/fd\n"
			    "link /dev/stdin -> /proc/self/fd/0\n"
			    "link /dev/stdout -> /proc/self/fd/1\n"
			    "link /dev/stderr -> /proc/self/fd/2\n"
			    "link /dev/core -> /proc/kcore\n"
			    "link /dev/ptmx -> pts/ptmx\n"
			    "console /dev/console\n"
			    "enter pivot\n"
			    "read-only mount /dev\n"
			    "read-only /proc/sys\n"
			    "mask /proc/kcore\n"
			    "propagation / rslave\n");
}

static void options_become_flags(void **state)
{
	static const char *const cases[][2] = {
		{ "\"bind\"", "bind /m source=/s" },
		{ "\"rbind\",\"ro\"", "bind /m source=/s recursive flags=ro" },
		{ "\"bind\",\"ro\",\"rw\"", "bind /m source=/s cleared=rw" },
		{ "\"bind\",\"rw\",\"ro\"", "bind /m source=/s flags=ro" },
		{ "\"bind\",\"defaults\"", "bind /m source=/s" },
		{ "\"bind\",\"nosuid\",\"nodev\",\"noexec\",\"nosymfollow\"",
		  "bind /m source=/s flags=nosuid,nodev,noexec,nosymfollow" },
		{ "\"bind\",\"suid\",\"dev\",\"exec\",\"symfollow\"",
		  "bind /m source=/s cleared=suid,dev,exec,symfollow" },
		{ "\"bind\",\"atime\",\"diratime\",\"norelatime\",\"nostrictatime\"",
		  "bind /m source=/s cleared=atime,diratime,norelatime,nostrictatime" },
		{ "\"bind\",\"noatime\",\"nodiratime\",\"relatime\",\"strictatime\"",
		  "bind /m source=/s flags=noatime,nodiratime,relatime,strictatime" },
		{ "\"bind\",\"sync\",\"dirsync\",\"mand\",\"lazytime\",\"iversion\",\"silent\"",
		  "bind /m source=/s flags=sync,dirsync,mand,lazytime,iversion,silent" },
		{ "\"bind\",\"async\",\"nomand\",\"nolazytime\",\"noiversion\",\"loud\"",
		  "bind /m source=/s cleared=async,nomand,nolazytime,noiversion,loud" },
		{ "\"rbind\",\"rro\",\"rnosuid\",\"rnodev\",\"rnoexec\",\"rnodiratime\","
		  "\"rnosymfollow\"",
		  "bind /m source=/s recursive "
		  "recursive-set=rdonly,nosuid,nodev,noexec,nodiratime,nosymfollow" },
		{ "\"rbind\",\"rrw\",\"rsuid\",\"rdev\",\"rexec\",\"rdiratime\",\"rsymfollow\"",
		  "bind /m source=/s recursive "
		  "recursive-clear=rdonly,nosuid,nodev,noexec,nodiratime,nosymfollow" },
		{ "\"rbind\",\"rro\",\"rrw\"",
		  "bind /m source=/s recursive recursive-clear=rdonly" },
		{ "\"rbind\",\"rnoatime\"",
		  "bind /m source=/s recursive recursive-set=noatime recursive-clear=atime" },
		{ "\"rbind\",\"rnoatime\",\"rstrictatime\"",
		  "bind /m source=/s recursive recursive-set=strictatime recursive-clear=atime" },
		{ "\"rbind\",\"rstrictatime\",\"rrelatime\"",
		  "bind /m source=/s recursive recursive-clear=atime" },
		{ "\"rbind\",\"ratime\"", "bind /m source=/s recursive recursive-clear=atime" },
		{ "\"rbind\",\"rnorelatime\"",
		  "bind /m source=/s recursive recursive-clear=atime" },
		{ "\"rbind\",\"rnostrictatime\"",
		  "bind /m source=/s recursive recursive-clear=atime" },
		{ "\"bind\",\"private\",\"rslave\"",
		  "bind /m source=/s propagation=private,rslave" },
		{ "\"bind\",\"shared\",\"rshared\",\"slave\",\"rprivate\",\"unbindable\","
		  "\"runbindable\"",
		  "bind /m source=/s "
		  "propagation=shared,rshared,slave,rprivate,unbindable,runbindable" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		char mount[256];

		snprintf(mount, sizeof(mount),
			 "{\"destination\":\"/m\",\"source\":\"/s\",\"options\":[%s]}",
			 cases[i][0]);
		expect_line(&normal, mount, "", cases[i][1]);
	}
}

static void unknown_options_are_data(void **state)
{
	(void)state;
	expect_line(&normal,
		    "{\"destination\":\"/m\",\"source\":\"d\",\"type\":\"ext4\","
		    "\"options\":[\"ro\",\"data=ordered\",\"x-y\",\"nobarrier\"]}",
		    "", "mount /m type=ext4 source=d flags=ro data=data=ordered,x-y,nobarrier");
	expect_line(&normal,
		    "{\"destination\":\"/m\",\"source\":\"/s\",\"options\":[\"bind\",\"size=1\"]}",
		    "", "bind /m source=/s");
}

static void every_option_has_its_place(void **state)
{
	const char *const *names = bh_mount_option_names();
	size_t n = 0;

	(void)state;
	/* Found by binary search: they must be sorted, and all of them must be found. */
	for (; names[n]; n++) {
		char mount[160];

		if (n)
			assert_true(strcmp(names[n - 1], names[n]) < 0);
		snprintf(mount, sizeof(mount),
			 "{\"destination\":\"/m\",\"type\":\"tmpfs\",\"source\":\"/s\","
			 "\"options\":[\"%s\"%s]}",
			 names[n], strstr(names[n], "idmap") ? ",\"bind\"" : "");
		expect_no(&normal, mount, USERNS, "data=");
		expect_no(&normal, mount, USERNS, " (at ");
	}
	assert_int_equal(n, 62);
}

static void destinations_are_cleaned(void **state)
{
	static const char *const cases[][2] = {
		{ "/a//b/../c/", "mount /a/c type=tmpfs" },
		{ "rel/path", "mount /rel/path type=tmpfs" },
		{ "/../../x", "mount /x type=tmpfs" },
		{ "/bundle/root/y", "mount /y type=tmpfs" },
		{ "/bundle/rootless", "mount /bundle/rootless type=tmpfs" },
		{ "/", "mountpoint \"/\" is on the top of rootfs (at /mounts/0)" },
		{ "/x/..", "mountpoint \"/x/..\" is on the top of rootfs (at /mounts/0)" },
		{ "/bundle/root",
		  "mountpoint \"/bundle/root\" is on the top of rootfs (at /mounts/0)" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		char mount[256];

		snprintf(mount, sizeof(mount), "{\"destination\":\"%s\",\"type\":\"tmpfs\"}",
			 cases[i][0]);
		expect_line(&normal, mount, "", cases[i][1]);
	}
}

static void sources_of_binds_are_found(void **state)
{
	static const char *const cases[][2] = {
		{ "rel", "bind /m source=/bundle/rel" },
		{ "../rel", "bind /m source=/bundle/../rel" },
		{ "/bundle/root/sub", "bind /m source-in-root=sub" },
		{ "root/sub/./x", "bind /m source-in-root=sub/x" },
		{ "/bundle/root", "bind /m source=/bundle/root" },
		{ "/bundle/root2", "bind /m source=/bundle/root2" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		char mount[256];

		snprintf(mount, sizeof(mount),
			 "{\"destination\":\"/m\",\"source\":\"%s\",\"options\":[\"bind\"]}",
			 cases[i][0]);
		expect_line(&normal, mount, "", cases[i][1]);
	}
	expect_line(&normal, "{\"destination\":\"/m\",\"options\":[\"bind\"]}", "",
		    "a bind mount needs a source (at /mounts/0)");
	expect_line(&normal, "{\"destination\":\"/m\"}", "",
		    "a mount that is no bind mount needs a type (at /mounts/0)");
}

/* CVE-2019-16884, CVE-2019-19921: nothing but a procfs on /proc, nothing in it but what lxcfs has
 */
static void proc_is_not_mounted_over(void **state)
{
	(void)state;
	expect_line(&normal, "{\"destination\":\"/proc\",\"type\":\"tmpfs\"}", "",
		    "\"/proc\" cannot be mounted because it is not of type proc (at /mounts/0)");
	expect_line(&normal, "{\"destination\":\"/x/../proc\",\"type\":\"tmpfs\"}", "",
		    "\"/proc\" cannot be mounted because it is not of type proc (at /mounts/0)");
	expect_line(&normal,
		    "{\"destination\":\"/proc/sys\",\"source\":\"/s\",\"options\":[\"bind\"]}", "",
		    "\"/proc/sys\" cannot be mounted because it is inside /proc (at /mounts/0)");
	expect_line(&normal,
		    "{\"destination\":\"/bundle/root/proc/self/attr\",\"source\":\"/s\","
		    "\"options\":[\"bind\"]}",
		    "",
		    "\"/proc/self/attr\" cannot be mounted because it is inside /proc "
		    "(at /mounts/0)");
	expect_line(&normal,
		    "{\"destination\":\"/proc/cpuinfo\",\"source\":\"/s\",\"options\":[\"bind\"]}",
		    "", "bind /proc/cpuinfo source=/s");
	expect_line(&normal,
		    "{\"destination\":\"/proc\",\"source\":\"/proc\",\"options\":[\"rbind\"]}", "",
		    "bind /proc source=/proc recursive");
	expect_line(&normal, "{\"destination\":\"/proceed\",\"type\":\"tmpfs\"}", "",
		    "mount /proceed type=tmpfs");
}

static void id_maps_are_the_mounts_or_the_containers(void **state)
{
	static const char own[] =
		"{\"destination\":\"/m\",\"source\":\"/s\",\"options\":[\"rbind\"],"
		"\"uidMappings\":[{\"containerID\":1,\"hostID\":2,\"size\":3}],"
		"\"gidMappings\":[{\"containerID\":4,\"hostID\":5,\"size\":6}]}";
	static const char implied[] = "{\"destination\":\"/m\",\"source\":\"/s\","
				      "\"options\":[\"rbind\",\"ridmap\"]}";
	struct bh_rootfs_env rootless = normal;

	(void)state;
	rootless.rootless = true;
	expect_line(&normal, own, "", "bind /m source=/s recursive idmap uid=1:2:3 gid=4:5:6");
	expect_line(&normal, implied, USERNS,
		    "bind /m source=/s recursive ridmap uid=0:100000:10 gid=0:200000:10");
	expect_line(&normal, implied,
		    "\"namespaces\":[{\"type\":\"user\",\"path\":\"/proc/7/ns/user\"}]",
		    "bind /m source=/s recursive ridmap maps-of=/proc/7/ns/user");
	expect_line(&rootless, own, "",
		    "id-mapped mounts are not supported for rootless containers (at /mounts/0)");
}

static void devices_are_the_listed_then_the_default_ones(void **state)
{
	struct bh_rootfs_env userns = normal;

	(void)state;
	userns.new_userns = true;
	expect_line(&normal, "",
		    "\"devices\":[{\"path\":\"/dev/fuse\",\"type\":\"c\",\"major\":10,"
		    "\"minor\":229,\"fileMode\":33152,\"uid\":3,\"gid\":4}]",
		    "device /dev/fuse mode=0600 owner=3:4 c=10:229");
	expect_line(&normal, "",
		    "\"devices\":[{\"path\":\"/x//sda\",\"type\":\"b\",\"major\":8,\"minor\":1}]",
		    "device /x/sda mode=0666 owner=0:0 b=8:1");
	expect_line(&normal, "", "\"devices\":[{\"path\":\"/dev/p\",\"type\":\"p\"}]",
		    "device /dev/p mode=0666 owner=0:0 fifo");
	expect_line(&userns, "", "\"devices\":[{\"path\":\"/dev/p\",\"type\":\"p\"}]",
		    "device /dev/p mode=0666 owner=0:0 fifo");
	expect_line(&userns, "", "", "bind-device /dev/null c=1:3");
	/* A listed one replaces the default one, ptmx is always the container's own. */
	expect_no(&normal, "",
		  "\"devices\":[{\"path\":\"/dev/tty\",\"type\":\"c\",\"major\":5,\"minor\":0,"
		  "\"fileMode\":384}]",
		  "device /dev/tty mode=0666");
	expect_no(&normal, "",
		  "\"devices\":[{\"path\":\"/dev/ptmx\",\"type\":\"c\",\"major\":5,\"minor\":2}]",
		  "device /dev/ptmx");
	/* What the document mounts itself is not made; with /dev from the host nothing is. */
	expect_no(&normal,
		  "{\"destination\":\"/dev/null\",\"source\":\"/s\",\"options\":[\"bind\"]}", "",
		  "device /dev/null");
	expect_no(&normal, "{\"destination\":\"/dev\",\"source\":\"/dev\",\"options\":[\"rbind\"]}",
		  "", "device ");
}

static void the_root_is_entered_as_it_can_be(void **state)
{
	struct bh_rootfs_env host = normal, move = normal;

	(void)state;
	host.new_mountns = false;
	move.no_pivot = true;
	expect_line(&host, "", "", "enter chroot");
	expect_line(&move, "", "", "enter move");
	expect_line(&move, "", "\"rootfsPropagation\":\"rprivate\"",
		    "[r]private is not safe without pivot_root (at /linux/rootfsPropagation)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_steps_and_their_order),
		cmocka_unit_test(options_become_flags),
		cmocka_unit_test(unknown_options_are_data),
		cmocka_unit_test(every_option_has_its_place),
		cmocka_unit_test(destinations_are_cleaned),
		cmocka_unit_test(sources_of_binds_are_found),
		cmocka_unit_test(proc_is_not_mounted_over),
		cmocka_unit_test(id_maps_are_the_mounts_or_the_containers),
		cmocka_unit_test(devices_are_the_listed_then_the_default_ones),
		cmocka_unit_test(the_root_is_entered_as_it_can_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
