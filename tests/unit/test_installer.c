/* SPDX-License-Identifier: Apache-2.0 */
/* Editing what belongs to others: in, twice, and out again to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "installer/containerd.h"
#include "installer/docker.h"
#include "installer/file.h"
#include "installer/marks.h"
#include "installer/textdiff.h"
#include "installer/toml_text.h"

static const struct bh_containerd_wants all_wants = { .shim_dir = "/opt/b",
						      .pool = "bulkhead-pool",
						      .handler_snapshotter = true };
static const struct bh_containerd_wants few_wants = { .shim_dir = "/usr/bin", .found = true };
static const struct bh_containerd_wants own_wants = { .shim_dir = "/usr/bin",
						      .found = true,
						      .own_type = true };

#define CRI2 "plugins.\"io.containerd.grpc.v1.cri\""
#define CRI3 "plugins.'io.containerd.cri.v1.runtime'"

/* ---- containerd ------------------------------------------------------------------------------ */

static void edits(const char *text, const struct bh_containerd_wants *wants, struct bh_buf *ret)
{
	struct bh_err err = BH_ERR_INIT;

	if (bh_containerd_edit("c.toml", text, strlen(text), wants, ret, &err) != 0)
		fail_msg("%s\nof:\n%s", err.text, text);
}

static void no_change(void *arg, unsigned int line)
{
	(void)arg;
	fail_msg("the block at line %u is not as it was written", line);
}

static void comes_out(const char *edited, const char *original)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;

	assert_true(bh_marks_remove(edited, strlen(edited), &out, no_change, NULL) > 0);
	assert_string_equal(bh_buf_str(&out), original);
}

static const char *shim_of(struct bh_arena *arena, const char *text, const char *handler)
{
	struct bh_err err = BH_ERR_INIT;
	const char *shim;

	if (bh_containerd_handler_shim(arena, text, strlen(text), handler, &shim, &err) < 0)
		fail_msg("%s\nof:\n%s", err.text, text);
	return shim;
}

static void test_in_and_out(void **state)
{
	static const char *const texts[] = {
		"version = 2",
		"version = 2\n",
		"version = 3\r\n\r\n# mine\r\n",
		"version = 4\n[plugins]\n",
		/* Debian's own. */
		"version = 2\n\n[plugins]\n  [" CRI2 "]\n    [" CRI2 ".cni]\n"
		"      bin_dir = \"/usr/lib/cni\"\n",
		/* A table that ends the file without a newline; a comment behind the value. */
		"version = 2\n[" CRI2 ".containerd.runtimes.runc]\n"
		"\truntime_type = \"io.containerd.runc.v2\" # the default",
		"version = 3\n[" CRI3 ".containerd.runtimes.runc] # here",
		"version = 3\n[" CRI3 ".containerd.runtimes.kata.options]\n ConfigPath = '/x'\n",
		/* Names in other quotes, dotted keys. */
		"version = 3\nplugins.\"io.containerd.cri.v1.runtime\".enable_selinux = true\n",
		/* Whatever TOML has. */
		"version = 2\na = '''\n[not.a.table]\n\\'''\nb = [1, [\"]\", '#'], # ]\n 2]\n"
		"c = {d = \"}\"}\ne = 1979-05-27 07:32:00Z\n\"\" = \"\"\"\n\\\"\"\"\"\"\"\n[[l]]\n",
	};

	static const struct {
		const struct bh_containerd_wants *wants;
		const char *runc, *kata;
	} rows[] = {
		{ &few_wants, "io.containerd.bulkhead.v2", "io.containerd.bulkhead-kata.v2" },
		{ &own_wants, "/usr/bin/containerd-shim-bulkhead-v2",
		  "io.containerd.bulkhead-kata.v2" },
		{ &all_wants, "/opt/b/containerd-shim-bulkhead-v2",
		  "/opt/b/containerd-shim-bulkhead-kata-v2" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(texts); i++)
		for (size_t j = 0; j < BH_ARRAY_SIZE(rows); j++) {
			const struct bh_containerd_wants *wants = rows[j].wants;
			bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
			bh_auto_buf struct bh_buf once = BH_BUF_INIT, twice = BH_BUF_INIT;

			edits(texts[i], wants, &once);
			assert_string_equal(shim_of(&arena, bh_buf_str(&once), "runc"),
					    rows[j].runc);
			assert_string_equal(shim_of(&arena, bh_buf_str(&once), "kata"),
					    rows[j].kata);
			comes_out(bh_buf_str(&once), texts[i]);
			/* What is there is not put in again. */
			edits(bh_buf_str(&once), wants, &twice);
			assert_string_equal(bh_buf_str(&twice), bh_buf_str(&once));
		}
}

static void test_a_type_that_is_none(void **state)
{
	static const char text[] = "version = 2\n[" CRI2 ".containerd.runtimes.kata]\n"
				   "  runtime_type = 7\n";
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_err err = BH_ERR_INIT;
	const char *shim;

	(void)state;
	assert_int_equal(
		bh_containerd_handler_shim(&arena, text, strlen(text), "kata", &shim, &err),
		-EINVAL);
	assert_non_null(strstr(err.text, "runtime_type of handler 'kata' is no string"));
}

static void test_dotted_keys(void **state)
{
	static const char text[] = "version = 2\n[" CRI2 ".containerd]\n"
				   "  runtimes.runc.runtime_type = 'io.containerd.runc.v2'\n";
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;

	(void)state;
	edits(text, &few_wants, &out);
	assert_non_null(strstr(out.data, "  runtimes.runc.runtime_type = \"io.containerd.bulk"));
	comes_out(out.data, text);
}

static void test_what_is_written(void **state)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;

	(void)state;
	edits("version = 2\n[" CRI2 ".containerd.runtimes.runc]\n"
	      "  runtime_type = \"io.containerd.runc.v2\" # mine\n"
	      "[plugins.\"io.containerd.snapshotter.v1.devmapper\"]\n  pool_name = \"\"\n",
	      &(struct bh_containerd_wants){
		      .found = true, .pool = "p", .handler_snapshotter = true },
	      &out);
	assert_string_equal(bh_buf_str(&out),
			    "version = 2\n[" CRI2 ".containerd.runtimes.runc]\n"
			    "# bulkhead node install: begin d272dc1d\n"
			    "#-  runtime_type = \"io.containerd.runc.v2\" # mine\n"
			    "  runtime_type = \"io.containerd.bulkhead.v2\" # mine\n"
			    "# bulkhead node install: end\n"
			    "[plugins.\"io.containerd.snapshotter.v1.devmapper\"]\n"
			    "# bulkhead node install: begin 4260fde3\n"
			    "  base_image_size = \"10GB\"\n  discard_blocks = true\n"
			    "# bulkhead node install: end\n"
			    "# bulkhead node install: begin 79262fbd\n"
			    "#-  pool_name = \"\"\n  pool_name = \"p\"\n"
			    "# bulkhead node install: end\n"
			    "# bulkhead node install: begin d713eefe\n\n"
			    "[" CRI2 ".containerd.runtimes.kata]\n"
			    "  runtime_type = \"io.containerd.bulkhead-kata.v2\"\n"
			    "  privileged_without_host_devices = true\n"
			    "  pod_annotations = [\"io.bulkhead.*\"]\n"
			    "  snapshotter = \"devmapper\"\n"
			    "# bulkhead node install: end\n");
}

static void test_refusals(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "c.toml: no `version`" },
		{ "version = 1\n", "c.toml:1: version = 1: formats 2, 3 and 4" },
		{ "version = 5\n", "c.toml:1: version = 5: formats" },
		{ "version = \"2\"\n", "formats 2, 3 and 4" },
		{ "version = 2\nx\n", "c.toml: line 2: '=' was expected" },
		{ "version = 2\nx = [1\n", "a list or table has no end" },
		{ "version = 2\nx = [1}\n", "brackets do not match" },
		{ "version = 2\nx = \"a\n", "line 2: a string has no end" },
		{ "version = 2\nx = '''a\n\n", "a string has no end" },
		{ "version = 2\nx = \n", "line 2: a value was expected" },
		{ "version = 2\nx = 1 2 y\n", "more than one value" },
		{ "version = 2\n[a\n", "the table's name has no end" },
		{ "version = 2\n[]\n", "a key was expected" },
		{ "version = 2\n[" CRI2 ".containerd.runtimes.kata]\n"
		  "  runtime_type = \"io.containerd.kata.v2\"\n",
		  "c.toml:3: runtime_type = \"io.containerd.kata.v2\": somebody else's" },
		{ "version = 2\n[" CRI2 ".containerd.runtimes.runc]\n runtime_path = \"/x\"\n",
		  "c.toml:3: runtime_path = \"/x\": this would win" },
		{ "version = 2\n[" CRI2 ".containerd]\nruntimes = {runc = {a = 1}}\n",
		  "c.toml:3: runtimes = {runc = {a = 1}}: write this as tables" },
		{ "version = 2\n[" CRI2 ".containerd]\nruntimes.kata.x = 1\n",
		  "c.toml:3: runtimes.kata.x = 1: write this as a table" },
		{ "version = 2\n[[" CRI2 "]]\n", "a list of tables cannot be added to" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(rows); i++) {
		bh_auto_buf struct bh_buf out = BH_BUF_INIT;
		struct bh_err err = BH_ERR_INIT;

		assert_int_equal(bh_containerd_edit("c.toml", rows[i].text, strlen(rows[i].text),
						    &few_wants, &out, &err),
				 -EINVAL);
		if (!strstr(err.text, rows[i].why))
			fail_msg("'%s' does not say '%s'", err.text, rows[i].why);
	}
}

static void test_cri_is_off(void **state)
{
	static const char text[] = "#  (as containerd.io has it)\n\ndisabled_plugins = [\"cri\"]\n";
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	assert_int_equal(bh_containerd_edit("c.toml", text, strlen(text), &few_wants, &out, &err),
			 BH_CONTAINERD_E_OFF);
	assert_string_equal(err.text,
			    "c.toml:3: disabled_plugins = [\"cri\"]: CRI is switched off");
}

static void test_imports(void **state)
{
	static const struct {
		const char *text, *dir;
	} rows[] = {
		{ "version = 3\n", NULL },
		{ "version = 3\nimports = ['/etc/containerd/conf.d/*.toml']\n",
		  "/etc/containerd/conf.d" },
		{ "version = 3\nimports = ['/x.toml', # '/no/*.toml'\n \"/y/*.toml\"]\n", "/y" },
		{ "version = 3\nimports = ['conf.d/*.toml', '/a*/*.toml', '/b/*.conf']\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(rows); i++) {
		bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
		struct bh_err err = BH_ERR_INIT;
		const char *dir;
		int format;

		assert_int_equal(bh_containerd_imports(&arena, "c.toml", rows[i].text,
						       strlen(rows[i].text), &format, &dir, &err),
				 0);
		assert_int_equal(format, 3);
		if (rows[i].dir)
			assert_string_equal(dir, rows[i].dir);
		else
			assert_null(dir);
	}
}

static void test_drop_in(void **state)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;

	(void)state;
	bh_containerd_drop_in(3, &own_wants, &out);
	assert_string_equal(shim_of(&arena, bh_buf_str(&out), "kata"),
			    "io.containerd.bulkhead-kata.v2");
	/* containerd's own type, which it grants user namespaces to, with our shim. */
	assert_non_null(strstr(bh_buf_str(&out),
			       "runtimes.runc]\n  runtime_type = 'io.containerd.runc.v2'\n"
			       "  runtime_path = '/usr/bin/containerd-shim-bulkhead-v2'\n"));
	comes_out(bh_buf_str(&out), "");
	assert_null(strstr(bh_buf_str(&out), BH_CONTAINERD_DIR_MADE));
}

static void test_drop_in_whose_directory_is_ours(void **state)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_containerd_wants wants = own_wants;

	(void)state;
	wants.dir_made = true;
	bh_containerd_drop_in(3, &wants, &out);
	assert_non_null(strstr(bh_buf_str(&out), BH_CONTAINERD_DIR_MADE));
	assert_string_equal(shim_of(&arena, bh_buf_str(&out), "kata"),
			    "io.containerd.bulkhead-kata.v2");
	comes_out(bh_buf_str(&out), "");
}

/* ---- marks ----------------------------------------------------------------------------------- */

static void count_line(void *arg, unsigned int line)
{
	unsigned int *lines = arg;

	lines[lines[0]++ + 1] = line;
}

static void test_what_was_changed_stays(void **state)
{
	bh_auto_buf struct bh_buf text = BH_BUF_INIT, out = BH_BUF_INIT;
	unsigned int lines[4] = { 0 };
	char *place;

	(void)state;
	bh_buf_puts(&text, "a = 1\n");
	bh_marks_add(&text, "b = 2\n", 6, "b = 3\n", false);
	bh_marks_add(&text, "", 0, "c = 4\n", false);
	place = strstr(text.data, "c = 4");
	place[4] = '5';
	assert_int_equal(bh_marks_remove(text.data, text.len, &out, count_line, lines), 1);
	assert_int_equal(lines[0], 1);
	assert_int_equal(lines[1], 6);
	assert_non_null(strstr(out.data, "a = 1\nb = 2\n# bulkhead"));
	assert_non_null(strstr(out.data, "c = 5\n"));
}

static void test_more_after_a_last_line(void **state)
{
	bh_auto_buf struct bh_buf text = BH_BUF_INIT, out = BH_BUF_INIT;

	(void)state;
	/* The file ended without a newline; then somebody added to it. */
	bh_marks_add(&text, "a = 1", 5, "a = 2\n", true);
	bh_buf_puts(&text, "b = 1\n");
	assert_int_equal(bh_marks_remove(text.data, text.len, &out, no_change, NULL), 1);
	assert_string_equal(out.data, "a = 1\nb = 1\n");
}

static void test_marks_without_an_end(void **state)
{
	static const char text[] = "# bulkhead node install: begin 12345678\nx = 1\n";
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	unsigned int lines[4] = { 0 };

	(void)state;
	assert_int_equal(bh_marks_remove(text, strlen(text), &out, count_line, lines), 0);
	assert_string_equal(bh_buf_str(&out), text);
	assert_int_equal(lines[0], 1);
}

/* ---- Docker ---------------------------------------------------------------------------------- */

#define OURS    "\"bulkhead\": {\"path\": \"/usr/bin/bulkhead\"}"
#define DEFAULT "\"default-runtime\": \"bulkhead\""

static void docker(bool undo, const char *text, const char *wanted, const char *noted)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT, notes = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	int r = (undo ? bh_docker_undo : bh_docker_edit)("d.json", text, strlen(text),
							 "/usr/bin/bulkhead", &out, &notes, &err);

	if (r < 0)
		fail_msg("%s\nof: %s", err.text, text);
	assert_string_equal(bh_buf_str(&out), wanted);
	if (!strstr(bh_buf_str(&notes), noted) || (!*noted && notes.len))
		fail_msg("'%s' is not '%s'", bh_buf_str(&notes), noted);
}

static void test_docker(void **state)
{
	static const struct {
		const char *before, *after, *note;
		bool loses_blanks; /* of an empty object: the copy of the file has them */
	} rows[] = {
		{ "{}", "{\n    \"runtimes\": {" OURS "},\n    " DEFAULT "\n}", "", true },
		{ "{\n\t\"debug\": true\n}\n",
		  "{\n\t\"debug\": true,\n\t\"runtimes\": {" OURS "},\n\t" DEFAULT "\n}\n", "" },
		{ "{\"debug\": true}", "{\"debug\": true, \"runtimes\": {" OURS "}, " DEFAULT "}",
		  "" },
		{ "{\n  \"runtimes\": {\n    \"nvidia\": {\"path\": \"n}\\\"\", \"runtimeArgs\": "
		  "[]}\n"
		  "  },\n  \"default-runtime\": \"nvidia\"\n}\n",
		  "{\n  \"runtimes\": {\n    \"nvidia\": {\"path\": \"n}\\\"\", \"runtimeArgs\": "
		  "[]},\n"
		  "    " OURS "\n  },\n  \"default-runtime\": \"nvidia\"\n}\n",
		  "d.json:6: \"default-runtime\": \"nvidia\": left as it is" },
		{ "{\"a\":[1,{\"b\":2}],\"c\":\"x\"}",
		  "{\"a\":[1,{\"b\":2}],\"c\":\"x\", \"runtimes\": {" OURS "}, " DEFAULT "}", "" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(rows); i++) {
		docker(false, rows[i].before, rows[i].after, rows[i].note);
		docker(false, rows[i].after, rows[i].after, rows[i].note);
		if (!rows[i].loses_blanks)
			docker(true, rows[i].after, rows[i].before, "");
	}
}

static void test_docker_changed_since(void **state)
{
	static const char changed[] = "{\"runtimes\": {\"bulkhead\": {\"path\": \"/x\"}}, " DEFAULT
				      "}";

	(void)state;
	docker(true, changed, changed, "d.json:1: \"bulkhead\": {\"path\": \"/x\"}: was changed");
	docker(true, "{\"x\": 1, " DEFAULT "}", "{\"x\": 1}", "");
	docker(true, "{" DEFAULT ", \"x\": 1}", "{\"x\": 1}", "");
	docker(true, "{\"runtimes\": {" OURS "}}", "{}", "");
	docker(true, "{ }", "{ }", "");
}

static void test_docker_refusals(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "d.json" },
		{ "[]", "d.json" },
		{ "{\"a\": }", "d.json" },
		{ "{\n\"runtimes\": 1}", "d.json:2: \"runtimes\": 1: must be an object" },
		{ "{\"runtimes\": {\"bulkhead\": {\"path\": \"/x\"}}}",
		  "d.json:1: \"bulkhead\": {\"path\": \"/x\"}: somebody else's" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(rows); i++) {
		bh_auto_buf struct bh_buf out = BH_BUF_INIT, notes = BH_BUF_INIT;
		struct bh_err err = BH_ERR_INIT;

		assert_int_equal(bh_docker_edit("d.json", rows[i].text, strlen(rows[i].text), "/p",
						&out, &notes, &err),
				 -EINVAL);
		if (!strstr(err.text, rows[i].why))
			fail_msg("'%s' does not say '%s'", err.text, rows[i].why);
	}
}

/* ---- diff and files -------------------------------------------------------------------------- */

static void test_diff(void **state)
{
	static const struct {
		const char *old, *new_text, *diff;
	} rows[] = {
		{ "a\nb\n", "a\nb\n", "" },
		{ "", "a\n", "--- x\n+++ y\n@@ -0,0 +1 @@\n+a\n" },
		{ "a\nb\n", "", "--- x\n+++ y\n@@ -1,2 +0,0 @@\n-a\n-b\n" },
		{ "a", "a\nb",
		  "--- x\n+++ y\n@@ -1 +1,2 @@\n-a\n\\ No newline at end of file\n"
		  "+a\n+b\n\\ No newline at end of file\n" },
		{ "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n",
		  "1\nx\n3\n4\n5\n6\n7\n8\n9\n10\n12\n13\n",
		  "--- x\n+++ y\n@@ -1,5 +1,5 @@\n 1\n-2\n+x\n 3\n 4\n 5\n"
		  "@@ -8,5 +8,5 @@\n 8\n 9\n 10\n-11\n 12\n+13\n" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(rows); i++) {
		bh_auto_buf struct bh_buf out = BH_BUF_INIT;

		bh_textdiff("x", rows[i].old, "y", rows[i].new_text, &out);
		assert_string_equal(bh_buf_str(&out), rows[i].diff);
	}
}

static void test_files(void **state)
{
	char dir[] = "/tmp/test-installer.XXXXXX", link[64], path[64], deep[64];
	bh_auto_install_file struct bh_install_file f = BH_INSTALL_FILE_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
	snprintf(link, sizeof(link), "%s/link", dir);
	snprintf(deep, sizeof(deep), "%s/a/b", dir);
	assert_int_equal(bh_install_file_read(path, &f, &err), 0);
	assert_null(f.text);
	assert_int_equal(bh_install_file_write(&f, path, "one", 3, &err), 0);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(symlink("file", link), 0);
	bh_install_file_deinit(&f);
	/* By a link: what it leads to, with its mode. */
	assert_int_equal(bh_install_file_read(link, &f, &err), 0);
	assert_string_equal(f.text, "one");
	assert_string_equal(f.path, path);
	assert_int_equal(bh_install_file_write(&f, f.path, "two", 3, &err), 0);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	/* A directory that is not there is made. */
	assert_int_equal(bh_install_file_write(&f, deep, "x", 1, &err), 0);
	assert_int_equal(bh_install_file_remove(deep, &err), 0);
	assert_int_equal(bh_install_file_remove(deep, &err), 0);
	*strrchr(deep, '/') = '\0';
	assert_int_equal(rmdir(deep), 0);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_and_out),
		cmocka_unit_test(test_a_type_that_is_none),
		cmocka_unit_test(test_dotted_keys),
		cmocka_unit_test(test_what_is_written),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_cri_is_off),
		cmocka_unit_test(test_imports),
		cmocka_unit_test(test_drop_in),
		cmocka_unit_test(test_drop_in_whose_directory_is_ours),
		cmocka_unit_test(test_what_was_changed_stays),
		cmocka_unit_test(test_more_after_a_last_line),
		cmocka_unit_test(test_marks_without_an_end),
		cmocka_unit_test(test_docker),
		cmocka_unit_test(test_docker_changed_since),
		cmocka_unit_test(test_docker_refusals),
		cmocka_unit_test(test_diff),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
