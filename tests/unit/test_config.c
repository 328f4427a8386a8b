/* SPDX-License-Identifier: Apache-2.0 */
/* The administrator's configuration: what it sets, for whom, and what is said when it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/path.h"
#include "config/config.h"

#define MIB UINT64_C(1048576)

static void read_into(struct bh_config_set *set, const char *text)
{
	struct bh_err err = BH_ERR_INIT;

	if (bh_config_read(set, "t.yaml", text, strlen(text), &err) < 0)
		fail_msg("%s", err.text);
}

static void resolve(struct bh_config_set *set, const char *handler, struct bh_config *ret)
{
	struct bh_err err = BH_ERR_INIT;

	if (bh_config_resolve(set, handler, NULL, ret, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

#define auto_set bh_cleanup(bh_config_set_deinit) struct bh_config_set

/* ---- the table ----------------------------------------------------------------------------- */

static void test_table(void **state)
{
	auto_set set = BH_CONFIG_SET_INIT;
	struct bh_config c;

	(void)state;
	resolve(&set, NULL, &c);
	for (size_t i = 0; i < bh_config_n_keys; i++) {
		const struct bh_config_key *key = &bh_config_keys[i];
		bh_auto_buf struct bh_buf value = BH_BUF_INIT, wanted = BH_BUF_INIT;

		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(bh_config_keys[j].name, key->name);
		assert_non_null(key->help);
		bh_config_wanted(key, &wanted);
		assert_true(wanted.len > 0);
		/* A default prints as it stands in the table; what has none says what happens. */
		assert_int_equal(bh_config_value(key, &c, &value), key->fallback != NULL);
		assert_int_equal(key->unset == NULL, key->fallback != NULL);
		if (key->fallback)
			assert_string_equal(bh_buf_str(&value), key->fallback);
		/* No pod names a file of the host's. */
		assert_false(key->kind == BH_CONFIG_PATH && !key->not_for_pods);
		/* Handlers have all keys but what is of no use to a single one. */
		assert_int_equal(key->not_for_handlers != NULL,
				 strcmp(key->name, "runtime") == 0 ||
					 strncmp(key->name, "metrics.", 8) == 0);
	}
}

/* The rules are the contract's; the table says the same of them. */
static void test_rules(void **state)
{
	auto_set set = BH_CONFIG_SET_INIT;
	struct bh_config c;

	(void)state;
	read_into(&set, "rules: {ratio: enforce, host-network: off}\n");
	for (int i = 0; i < BH_RULE_MAX_; i++) {
		char name[64];
		const struct bh_config_key *key;

		snprintf(name, sizeof(name), "rules.%s", bh_rules[i].name);
		key = bh_config_key_find(name, NULL);
		assert_non_null(key);
		assert_string_equal(key->fallback, bh_names_of(key->names, bh_rules[i].fallback));
		assert_string_equal(key->help, bh_rules[i].help);
		assert_ptr_equal((char *)&c + key->offset, &c.rules.v[i]);
	}
	resolve(&set, "kata", &c);
	assert_int_equal(c.rules.v[BH_RULE_RATIO], BH_RULE_ENFORCE);
	assert_int_equal(c.rules.v[BH_RULE_HOST_NETWORK], BH_RULE_OFF);
	assert_int_equal(c.rules.v[BH_RULE_SMALLEST_POD], BH_RULE_ENFORCE);
}

static void test_defaults(void **state)
{
	auto_set set = BH_CONFIG_SET_INIT;
	struct bh_config c;

	(void)state;
	resolve(&set, "kata", &c);
	assert_string_equal(c.runtime, "runc");
	assert_int_equal(c.accelerator, BH_ACCELERATE_KVM);
	assert_null(c.guest);
	assert_true(c.hello_timeout_ns == INT64_C(30000000000));
	assert_int_equal(c.overhead.cpu_milli, 100);
	assert_true(c.overhead.memory == 100 * MIB);
	assert_true(c.largest.memory == 0);
	assert_true(c.hooks);
	assert_int_equal(c.annotations.n, 1);
}

/* ---- what files say ------------------------------------------------------------------------ */

static void test_values(void **state)
{
	auto_set set = BH_CONFIG_SET_INIT;
	struct bh_config c;

	(void)state;
	read_into(&set, "runtime: kata\n"
			"root: /srv/x\n"
			"hooks: false\n"
			"hello-timeout: 1m30s\n"
			"console-log: 1MiB\n"
			"overhead: {cpu: 50m, memory: 128m}\n"
			"largest: {cpu: 1.5, memory: 4g}\n"
			"log: {level: debug, format: json, file: /var/log/b.log}\n"
			"qemu: /usr/local/bin/qemu\n"
			"annotations: [accelerator, largest.cpu]\n");
	resolve(&set, NULL, &c);
	assert_string_equal(c.runtime, "kata");
	assert_string_equal(c.root, "/srv/x");
	assert_false(c.hooks);
	assert_true(c.hello_timeout_ns == INT64_C(90000000000));
	assert_true(c.console_log == MIB);
	assert_int_equal(c.overhead.cpu_milli, 50);
	assert_true(c.overhead.memory == 128 * MIB);
	assert_int_equal(c.largest.cpu_milli, 1500);
	assert_true(c.largest.memory == 4096 * MIB);
	assert_int_equal(c.log.level, BH_LOG_DEBUG);
	assert_int_equal(c.log.format, BH_LOG_JSON);
	assert_string_equal(c.log.file, "/var/log/b.log");
	assert_string_equal(c.qemu, "/usr/local/bin/qemu");
	assert_int_equal(c.annotations.n, 2);
	assert_string_equal(c.annotations.v[1], "largest.cpu");
}

static void test_order(void **state)
{
	auto_set set = BH_CONFIG_SET_INIT;
	struct bh_config c;

	(void)state;
	/* The handler's goes before everybody's, in whichever file it stands; later files win. */
	read_into(&set, "accelerator: auto\nhandlers:\n  kata: {accelerator: emulation}\n");
	read_into(&set, "accelerator: kvm\nno-pivot: true\n");
	resolve(&set, "kata", &c);
	assert_int_equal(c.accelerator, BH_ACCELERATE_EMULATION);
	assert_true(c.no_pivot);
	resolve(&set, "runc", &c);
	assert_int_equal(c.accelerator, BH_ACCELERATE_KVM);
	resolve(&set, NULL, &c);
	assert_int_equal(c.accelerator, BH_ACCELERATE_KVM);
	read_into(&set, "handlers: {kata: {accelerator: auto, annotations: []}}\n");
	resolve(&set, "kata", &c);
	assert_int_equal(c.accelerator, BH_ACCELERATE_AUTO);
	assert_int_equal(c.annotations.n, 0);
	assert_int_equal(bh_config_flag(&set, "accelerator", "kvm", "--accelerator", NULL), 0);
	resolve(&set, "kata", &c);
	assert_int_equal(c.accelerator, BH_ACCELERATE_KVM);
}

static void test_origins(void **state)
{
	auto_set set = BH_CONFIG_SET_INIT;
	struct bh_config_origin origins[64];
	struct bh_kv kv = { "io.bulkhead.share-cache", "never" };
	const bh_kv_list annotations = { &kv, 1 };
	struct bh_config c;
	static const struct {
		const char *key, *origin;
	} cases[] = {
		{ "accelerator", "t.yaml:4" },
		{ "log.level", "default" },
		{ "hooks", "t.yaml:1" },
		{ "share-cache", "annotation io.bulkhead.share-cache" },
		{ "guest", "--guest" },
		{ "overhead.cpu", "t.yaml:6" },
	};

	(void)state;
	assert_in_range(bh_config_n_keys, 1, BH_ARRAY_SIZE(origins));
	read_into(&set, "hooks: false\naccelerator: auto\nhandlers:\n  kata: {accelerator: kvm}\n"
			"overhead:\n  cpu: 1\nannotations: [share-cache]\n");
	assert_int_equal(bh_config_flag(&set, "guest", "/x", "--guest", NULL), 0);
	assert_int_equal(bh_config_resolve(&set, "kata", &annotations, &c, origins, NULL), 0);
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		bh_auto_buf struct bh_buf text = BH_BUF_INIT;

		bh_config_origin(&origins[bh_config_key_find(cases[i].key, NULL) - bh_config_keys],
				 &text);
		assert_string_equal(bh_buf_str(&text), cases[i].origin);
	}
}

/* ---- pods ---------------------------------------------------------------------------------- */

static void test_annotations(void **state)
{
	auto_set set = BH_CONFIG_SET_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_config c;
	static const struct {
		const char *key, *value;
		int code;
		const char *why;
	} cases[] = {
		{ "io.bulkhead.accelerator", "emulation", 0, NULL },
		{ "io.bulkhead.largest.cpu", "100m", 0, NULL },
		{ "io.bulkheadx", "1", 0, NULL },
		{ "io.kubernetes.cri.sandbox-id", "1", 0, NULL },
		{ "io.bulkhead.hello-timeout", "1s", -EPERM, "does not leave 'hello-timeout'" },
		{ "io.bulkhead.guest", "/x", -EPERM, "does not leave 'guest'" },
		{ "io.bulkhead.acelerator", "kvm", -EINVAL, "did you mean 'accelerator'?" },
		{ "io.bulkhead.accelerator", "kvmm", -EINVAL, "did you mean 'kvm'?" },
		{ "io.bulkhead.", "1", -EINVAL, "there is no key ''" },
	};

	(void)state;
	read_into(&set, "annotations: [accelerator, largest.cpu]\naccelerator: auto\n");
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		struct bh_kv kv = { cases[i].key, cases[i].value };
		const bh_kv_list list = { &kv, 1 };

		assert_int_equal(bh_config_resolve(&set, "kata", &list, &c, NULL, &err),
				 cases[i].code);
		if (cases[i].why && !strstr(err.text, cases[i].why))
			fail_msg("'%s' does not say '%s'", err.text, cases[i].why);
	}
	resolve(&set, "kata", &c);
	assert_int_equal(c.accelerator, BH_ACCELERATE_AUTO);
}

/* Which handler it is comes first, and is the one thing that pods may say by default. */
static void test_chosen_handler(void **state)
{
	auto_set set = BH_CONFIG_SET_INIT;
	struct bh_kv kv[] = { { "io.bulkhead.runtime", "kata" },
			      { "io.bulkhead.accelerator", "emulation" } };
	const bh_kv_list list = { kv, BH_ARRAY_SIZE(kv) };
	struct bh_err err = BH_ERR_INIT;
	struct bh_config c;

	(void)state;
	assert_int_equal(bh_config_resolve(&set, NULL, &list, &c, NULL, &err), 0);
	assert_string_equal(c.runtime, "kata");
	assert_int_equal(bh_config_resolve(&set, "kata", &list, &c, NULL, &err), -EPERM);
	read_into(&set, "handlers: {kata: {annotations: [accelerator]}}");
	assert_int_equal(bh_config_resolve(&set, "kata", &list, &c, NULL, &err), 0);
	assert_int_equal(c.accelerator, BH_ACCELERATE_EMULATION);
	assert_int_equal(bh_config_resolve(&set, "runc", &list, &c, NULL, &err), -EPERM);
	read_into(&set, "annotations: []");
	assert_int_equal(bh_config_resolve(&set, NULL, &list, &c, NULL, &err), -EPERM);
	assert_non_null(strstr(err.text, "does not leave 'runtime'"));
}

/* ---- what is wrong ------------------------------------------------------------------------- */

static void refuses(const char *text, const char *what)
{
	auto_set set = BH_CONFIG_SET_INIT;
	struct bh_err err = BH_ERR_INIT;

	assert_int_equal(bh_config_read(&set, "t.yaml", text, strlen(text), &err), -EINVAL);
	if (strcmp(err.text, what) != 0)
		fail_msg("'%s' is not '%s'", err.text, what);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *text, *what;
	} cases[] = {
		{ "a: 1\n", "t.yaml:1: there is no key 'a'" },
		{ "\nacelerator: kvm\n",
		  "t.yaml:2: there is no key 'acelerator'; did you mean 'accelerator'?" },
		{ "cgroup_manager: systemd\n",
		  "t.yaml:1: there is no key 'cgroup_manager'; did you mean 'cgroup-manager'?" },
		{ "log:\n  forrmat: json\n",
		  "t.yaml:2: there is no key 'log.forrmat'; did you mean 'format'?" },
		{ "cpu: 1\n", "t.yaml:1: there is no key 'cpu'; did you mean 'overhead.cpu'?" },
		{ "handler: {}\n",
		  "t.yaml:1: there is no key 'handler'; did you mean 'handlers'?" },
		{ "handlers: {kta: {}}\n",
		  "t.yaml:1: handlers: there is no handler 'kta'; did you mean 'kata'?" },
		{ "handlers:\n  kata:\n    runtime: runc\n",
		  "t.yaml:3: runtime: is for the whole node, not for one handler: it is what "
		  "chooses the handler" },
		{ "handlers: {runc: {metrics: {timeout: 1s}}}\n",
		  "t.yaml:1: metrics.timeout: is for the whole node, not for one handler: one "
		  "endpoint tells of all pods of the node, of either handler" },
		{ "handlers:\n  kata:\n    handlers: {}\n",
		  "t.yaml:3: there is no key 'handlers'" },
		{ "handlers: x\n", "t.yaml:1: handlers: is a value, wanted is a group of keys" },
		{ "overhead: enforce\n",
		  "t.yaml:1: overhead: is a value, wanted is a group of keys" },
		{ "- x\n", "t.yaml:1: is a list, wanted is a group of keys" },
		{ "accelerator: [kvm]\n", "t.yaml:1: accelerator: is a list, wanted is a value" },
		{ "annotations: accelerator\n",
		  "t.yaml:1: annotations: is a value, wanted is a list" },
		{ "annotations:\n- accelerator\n- gest\n",
		  "t.yaml:2: annotations: 'gest' is not a list of keys that pods may be left" },
		{ "annotations: [qemu]\n",
		  "t.yaml:1: annotations: 'qemu' is never left to pods: root would read, write or "
		  "execute what the pod names" },
		{ "annotations: [[x]]\n", "t.yaml:1: annotations: has no value" },
		{ "accelerator:\n", "t.yaml:1: accelerator: has no value" },
		{ "accelerator: kmv\n", "t.yaml:1: accelerator: 'kmv' is not one of kvm, "
					"emulation, auto; did you mean 'kvm'?" },
		{ "hooks: yes\n", "t.yaml:1: hooks: 'yes' is not true or false" },
		{ "hooks: flase\n",
		  "t.yaml:1: hooks: 'flase' is not true or false; did you mean 'false'?" },
		{ "guest: guest\n", "t.yaml:1: guest: 'guest' is not an absolute path" },
		{ "guest: /a/../b\n", "t.yaml:1: guest: '/a/../b' is not an absolute path" },
		{ "guest: \"/a\\nb\"\n", "t.yaml:1: guest: '/a\nb' is not an absolute path" },
		{ "qemu: /opt/qemu\n",
		  "t.yaml:1: qemu: '/opt/qemu' is not an absolute path below /usr/" },
		{ "overhead: {cpu: 0.0005}\n",
		  "t.yaml:1: overhead.cpu: '0.0005' is not cores such as 0.5 or 500m, from 0 to "
		  "255" },
		{ "overhead: {memory: 1k}\n",
		  "t.yaml:1: overhead.memory: '1k' is not a size such as 512MiB, from 64MiB to "
		  "1TiB" },
		{ "largest: {memory: 0}\n",
		  "t.yaml:1: largest.memory: '0' is not a size such as 512MiB, from 64MiB to "
		  "64TiB, or unlimited" },
		{ "hello-timeout: 10\n", "t.yaml:1: hello-timeout: '10' is not a time such as 10s "
					 "or 1m30s, from 1s to 3600s" },
		{ "hooks: true\nhooks: false\n", "t.yaml:2: 'hooks' once more, after line 1" },
		{ "hooks: true\n---\nhooks: false\n",
		  "t.yaml:3: a second document: one is wanted" },
		{ "hooks: [\n", "t.yaml:2: no YAML: did not find expected node content (while "
				"parsing a flow node, line 2)" },
		{ "x: 1\ny: 2\nhooks: z\n",
		  "t.yaml:1: there is no key 'x' (and 2 more: bulkhead config check)" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++)
		refuses(cases[i].text, cases[i].what);
}

/* What is right counts although other lines are wrong. */
static void test_rest_counts(void **state)
{
	static const char text[] = "accelerator: x\nroot: /srv\nnothing: 1\nhooks: false\n";
	auto_set set = BH_CONFIG_SET_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_config c;

	(void)state;
	assert_int_equal(bh_config_read(&set, "t.yaml", text, strlen(text), &err), -EINVAL);
	assert_int_equal(set.problems.n, 2);
	resolve(&set, NULL, &c);
	assert_string_equal(c.root, "/srv");
	assert_false(c.hooks);
	assert_int_equal(c.accelerator, BH_ACCELERATE_KVM);
}

static void test_nothing(void **state)
{
	static const char *const texts[] = { "", "# a\n\n  # b: c", "\n", "---\n" };
	auto_set set = BH_CONFIG_SET_INIT;

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(texts); i++)
		read_into(&set, texts[i]);
	assert_int_equal(set.files.n, BH_ARRAY_SIZE(texts));
	assert_int_equal(set.settings.n, 0);
	refuses("# a\n # b\nx\n", "t.yaml:3: is a value, wanted is a group of keys");
}

static void test_flags(void **state)
{
	auto_set set = BH_CONFIG_SET_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_config c;

	(void)state;
	assert_int_equal(bh_config_flag(&set, "cgroup_manager", "systemd", "options", &err), 0);
	assert_int_equal(bh_config_flag(&set, "cgrop_manager", "systemd", "options", &err),
			 -ENOENT);
	assert_int_equal(bh_config_flag(&set, "accelerator", "x", "options", &err), -EINVAL);
	assert_string_equal(err.text, "'x' is not one of kvm, emulation, auto");
	resolve(&set, NULL, &c);
	assert_int_equal(c.cgroup_manager, BH_CGROUP_SYSTEMD);
}

/* ---- files --------------------------------------------------------------------------------- */

struct place {
	char dir[64], file[96];
};

static void put(const struct place *p, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, 0644);
}

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	umask(022);
	strcpy(p->dir, "/tmp/test_config-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->file, sizeof(p->file), "%s/b.yaml", p->dir);
	*state = p;
	return 0;
}

static int remove_place(void **state)
{
	struct place *p = *state;
	int r = bh_path_remove_tree(AT_FDCWD, p->dir, NULL);

	free(p);
	return r;
}

static int load(struct bh_config_set *set, const char *file, char text[static 2048])
{
	struct bh_err err = BH_ERR_INIT;
	int r = bh_config_load(set, file, &err);

	bh_err_format(&err, text, 2048);
	return r;
}

static void test_files(void **state)
{
	const struct place *p = *state;
	auto_set set = BH_CONFIG_SET_INIT;
	char said[2048], dir[128];
	struct bh_config c;

	assert_int_equal(load(&set, p->file, said), -EINVAL);
	if (!strstr(said, "b.yaml': no such file"))
		fail_msg("%s", said);
	put(p, "b.yaml", "accelerator: auto\nhooks: false\n");
	snprintf(dir, sizeof(dir), "%s.d", p->file);
	assert_int_equal(mkdir(dir, 0755), 0);
	put(p, "b.yaml.d/20-b.yaml", "accelerator: emulation\n");
	put(p, "b.yaml.d/10-a.yaml", "accelerator: kvm\nno-pivot: true\n");
	put(p, "b.yaml.d/.30.yaml", "accelerator: x\n");
	put(p, "b.yaml.d/40.yaml~", "accelerator: x\n");
	set.problems.n = 0;
	assert_int_equal(load(&set, p->file, said), 0);
	assert_int_equal(set.files.n, 3);
	resolve(&set, NULL, &c);
	assert_int_equal(c.accelerator, BH_ACCELERATE_EMULATION);
	assert_true(c.no_pivot);
	assert_false(c.hooks);
	/* The environment names one as well; an empty name is none at all. */
	{
		auto_set other = BH_CONFIG_SET_INIT;

		setenv(BH_CONFIG_ENV, p->file, 1);
		assert_int_equal(load(&other, NULL, said), 0);
		assert_int_equal(other.files.n, 3);
		assert_int_equal(load(&other, "", said), 0);
		assert_int_equal(other.files.n, 3);
		unsetenv(BH_CONFIG_ENV);
	}
}

static void refuses_file(const struct place *p, const char *why)
{
	auto_set set = BH_CONFIG_SET_INIT;
	char said[2048];

	assert_int_equal(load(&set, p->file, said), -EINVAL);
	if (!strstr(said, why))
		fail_msg("'%s' does not say '%s'", said, why);
	assert_int_equal(set.settings.n, 0);
}

static void test_trust(void **state)
{
	const struct place *p = *state;
	char dir[128], link[128];

	put(p, "b.yaml", "hooks: false\n");
	chmod(p->file, 0666);
	refuses_file(p, "b.yaml: has mode 0666: others than root could write it (chmod go-w)");
	chmod(p->file, 0664);
	refuses_file(p, "has mode 0664");
	chmod(p->file, 0600);
	if (geteuid() == 0) {
		assert_int_equal(chown(p->file, 1000, 0), 0);
		refuses_file(p, "b.yaml: belongs to user 1000: it must be root's (chown root)");
	}
	assert_int_equal(unlink(p->file), 0);
	/* A link is followed, and what it leads to is looked at. */
	put(p, "real", "hooks: false\n");
	snprintf(link, sizeof(link), "%s/real", p->dir);
	assert_int_equal(symlink("real", p->file), 0);
	{
		auto_set set = BH_CONFIG_SET_INIT;
		char said[2048];

		assert_int_equal(load(&set, p->file, said), 0);
		assert_int_equal(set.settings.n, 1);
	}
	chmod(link, 0646);
	refuses_file(p, "has mode 0646");
	assert_int_equal(unlink(p->file), 0);
	/* Nobody waits for the other end of a pipe. */
	assert_int_equal(mkfifo(p->file, 0600), 0);
	refuses_file(p, "b.yaml: is no file");
	assert_int_equal(unlink(p->file), 0);
	assert_int_equal(mkdir(p->file, 0755), 0);
	refuses_file(p, "b.yaml: is no file");
	assert_int_equal(rmdir(p->file), 0);
	put(p, "b.yaml", "");
	snprintf(dir, sizeof(dir), "%s.d", p->file);
	assert_int_equal(mkdir(dir, 0755), 0);
	chmod(dir, 0777);
	put(p, "b.yaml.d/a.yaml", "hooks: false\n");
	refuses_file(p, "b.yaml.d: has mode 0777");
}

static void test_size(void **state)
{
	const struct place *p = *state;
	FILE *f;

	put(p, "b.yaml", "hooks: false\n");
	f = fopen(p->file, "ae");
	assert_non_null(f);
	for (int i = 0; i < 1 << 17; i++)
		fputs("# 8 byte\n", f);
	fclose(f);
	refuses_file(p, "b.yaml");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_origins),
		cmocka_unit_test(test_annotations),
		cmocka_unit_test(test_chosen_handler),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_rest_counts),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_flags),
		cmocka_unit_test_setup_teardown(test_files, make_place, remove_place),
		cmocka_unit_test_setup_teardown(test_trust, make_place, remove_place),
		cmocka_unit_test_setup_teardown(test_size, make_place, remove_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
