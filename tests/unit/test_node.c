/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a node's pods: the ledger of a server, judgements, tables, keys, counters,
 * metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/harmless.h"
#include "base/path.h"
#include "metrics/exposition.h"
#include "node/internal.h"
#include "observer/columns.h"
#include "observer/screen.h"
#include "pod/ledger.h"
#include "pod/vm/console_log.h"
#include "rpc/task.pb-c.h"

/* ---- harmless -------------------------------------------------------------------------------- */

static void pieces(void **state)
{
	static const char said[] = "a\033[3", rest[] = "1mb\007\tc\r\n\033[";
	struct bh_harmless text = { .escape = BH_ESCAPE_NONE };
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;

	(void)state;
	bh_harmless_add(&text, said, strlen(said), &out);
	bh_harmless_add(&text, rest, strlen(rest), &out);
	bh_harmless_add(&text, "31\nz\377", 5, &out);
	assert_string_equal(bh_buf_str(&out), "ab? c\n\nz?");
}

static void text_is(const char *said, const char *wanted)
{
	char text[64];

	snprintf(text, sizeof(text), "%s", said);
	assert_string_equal(bh_harmless_text(text), wanted);
}

/* UTF-8 stays; what is none, and what a terminal obeys in it, does not. */
static void texts(void **state)
{
	(void)state;
	text_is("5 \302\265s, \342\200\246 \360\237\220\263\n\tz",
		"5 \302\265s, \342\200\246 \360\237\220\263\n\tz");
	text_is("\033[2J\r\a\177", "?[2J???");
	text_is("\302\2332J", "??2J");                                     /* CSI, as U+009B */
	text_is("\377\300\257\340\200\257\365\200\200\200", "??????????"); /* overlong, or beyond */
	text_is("\355\240\200\364\220\200\200", "???????"); /* surrogate, above U+10FFFF */
	text_is("cut \342\200", "cut ??");
}

/* ---- the ledger ------------------------------------------------------------------------------ */

static void create(struct bh_ledger *ledger, const char *id, const char *bundle)
{
	Task__TaskCreate e = TASK__TASK_CREATE__INIT;

	e.container_id = (char *)id;
	e.bundle = (char *)bundle;
	bh_ledger_event(ledger, "/tasks/create", &e.base);
}

static void end(struct bh_ledger *ledger, const char *id, const char *exec, uint32_t status)
{
	Task__TaskExit e = TASK__TASK_EXIT__INIT;

	e.container_id = (char *)id;
	e.id = (char *)exec;
	e.exit_status = status;
	bh_ledger_event(ledger, "/tasks/exit", &e.base);
}

static void delete (struct bh_ledger *ledger, const char *id, const char *exec)
{
	Task__TaskDelete e = TASK__TASK_DELETE__INIT;

	e.container_id = (char *)id;
	e.id = (char *)exec;
	bh_ledger_event(ledger, "/tasks/delete", &e.base);
}

/* "id:name:status:exit " of each, and the restarts. */
static void expect(const struct bh_ledger *ledger, const char *rows, uint32_t restarts)
{
	Pod__DescribeResponse a = POD__DESCRIBE_RESPONSE__INIT;
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;

	assert_int_equal(bh_ledger_describe(ledger, &a, &err), 0);
	for (size_t i = 0; i < a.n_containers; i++)
		bh_buf_printf(&out, "%s:%s:%s:%u ", a.containers[i]->id, a.containers[i]->name,
			      a.containers[i]->status, a.containers[i]->exit_status);
	assert_string_equal(bh_buf_str(&out), rows);
	assert_int_equal(a.restarts, restarts);
	bh_ledger_release(&a);
}

static void make_bundle(const char *dir, const char *name)
{
	char path[256];
	FILE *f;

	mkdir(dir, 0700);
	snprintf(path, sizeof(path), "%s/config.json", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "{\"annotations\":{\"io.kubernetes.cri.container-name\":\"%s\"}}", name);
	fclose(f);
}

static void ledgers(void **state)
{
	char dir[] = "/tmp/test_node.XXXXXX", web[64];
	struct bh_ledger ledger = { .n_rows = 0 };
	Task__TaskStart start = TASK__TASK_START__INIT;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(web, sizeof(web), "%s/web", dir);
	make_bundle(web, "web");
	create(&ledger, "1", web);
	create(&ledger, "2", "/nowhere");
	start.container_id = (char *)"1";
	bh_ledger_event(&ledger, "/tasks/start", &start.base);
	expect(&ledger, "1:web:running:0 2::created:0 ", 0);
	/* An exec is no container. */
	end(&ledger, "1", "sh", 9);
	delete (&ledger, "1", "sh");
	expect(&ledger, "1:web:running:0 2::created:0 ", 0);
	/* One with a name keeps its place until another has it, one without is gone. */
	end(&ledger, "1", "1", 3);
	delete (&ledger, "1", "1");
	end(&ledger, "2", "2", 4);
	delete (&ledger, "2", "");
	expect(&ledger, "1:web:stopped:3 ", 0);
	create(&ledger, "3", web);
	expect(&ledger, "3:web:created:0 ", 1);
	create(&ledger, "2", "/nowhere");
	expect(&ledger, "3:web:created:0 2::created:0 ", 2);
	bh_ledger_deinit(&ledger);
	expect(&ledger, "", 0);
	assert_int_equal(bh_path_remove_tree(AT_FDCWD, dir, &err), 0);
}

#define CONSOLE_BYTES 65536

/* ---- the console's files --------------------------------------------------------------------- */

static void consoles(void **state)
{
	char dir[] = "/tmp/test_node.XXXXXX", chunk[1000];
	struct bh_console_log log;
	struct bh_err err = BH_ERR_INIT;
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	log = BH_CONSOLE_LOG_INIT(fd, CONSOLE_BYTES);
	memset(chunk, 'x', sizeof(chunk));
	bh_console_log_add(&log, "first", 5);
	assert_int_equal(fstatat(fd, BH_CONSOLE_LOG, &st, 0), 0);
	assert_int_equal(st.st_size, 5);
	for (int i = 0; i < 300; i++) /* more than four files */
		bh_console_log_add(&log, chunk, sizeof(chunk));
	assert_int_equal(fstatat(fd, BH_CONSOLE_LOG_OLD, &st, 0), 0);
	assert_int_equal(st.st_size, CONSOLE_BYTES);
	assert_int_equal(fstatat(fd, BH_CONSOLE_LOG, &st, 0), 0);
	assert_int_equal(st.st_size, 300005 % CONSOLE_BYTES);
	bh_console_log_end(&log);
	bh_console_log_add(&log, "after", 5);
	assert_int_equal(fstatat(fd, BH_CONSOLE_LOG, &st, 0), 0);
	assert_int_equal(st.st_size, 300005 % CONSOLE_BYTES);
	close(fd);
	assert_int_equal(bh_path_remove_tree(AT_FDCWD, dir, &err), 0);
}

/* ---- judgements ------------------------------------------------------------------------------ */

static void stats(void **state)
{
	static const char good[] = "{\"cpu\":{\"usage\":{\"total\":5000}},"
				   "\"memory\":{\"usage\":{\"usage\":4096}}}";
	static const char *const bad[] = { "{}",
					   "[]",
					   "",
					   "{\"cpu\":{\"usage\":{\"total\":1}}}",
					   "{\"cpu\":1,\"memory\":{\"usage\":{\"usage\":1}}}",
					   "{\"cpu\":{\"usage\":{\"total\":\"1\"}},"
					   "\"memory\":{\"usage\":{\"usage\":1}}}" };
	struct bh_node_container c = { .id = "c" };

	(void)state;
	assert_true(bh_node_stats(good, strlen(good), &c));
	assert_int_equal(c.cpu_usec, 5);
	assert_int_equal(c.memory, 4096);
	for (size_t i = 0; i < BH_ARRAY_SIZE(bad); i++)
		assert_false(bh_node_stats(bad[i], strlen(bad[i]), &c));
}

static struct bh_node_pod a_pod(struct bh_node_container *containers, size_t n)
{
	return (struct bh_node_pod){ .root = "/r",
				     .id = "p",
				     .runtime = "runc",
				     .name = "",
				     .name_space = "",
				     .uid = "",
				     .reason = "",
				     .obituary = "",
				     .accelerator = "",
				     .containers = { .v = containers, .n = n } };
}

static void judgements(void **state)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_node_container c[] = {
		{ .id = "p", .name = "", .status = "running", .reason = "" },
		{ .id = "2",
		  .name = "web",
		  .status = "stopped",
		  .reason = "",
		  .ended = true,
		  .exit_status = 137,
		  .oom_kills = 1 },
	};
	struct bh_node_pod pod = a_pod(c, 2);
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	assert_int_equal(bh_node_judge(&arena, &pod, &err), 0);
	assert_int_equal(pod.state, BH_NODE_RUNNING);
	assert_string_equal(pod.reason, "container web: out of memory, exit code 137");
	c[0].status = "stopped";
	c[0].ended = true;
	pod.reason = "";
	assert_int_equal(bh_node_judge(&arena, &pod, &err), 0);
	assert_int_equal(pod.state, BH_NODE_STOPPED);
	assert_string_equal(pod.reason, "exit code 0");
	pod.state = BH_NODE_GONE;
	pod.reason = "its supervisor ended";
	assert_int_equal(bh_node_judge(&arena, &pod, &err), 0);
	assert_int_equal(pod.state, BH_NODE_GONE);
	assert_string_equal(pod.reason, "its supervisor ended");
}

/* Overhead is what is left when the containers' is taken away. */
static void overheads(void **state)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_node_container c = { .id = "p",
				       .name = "",
				       .status = "running",
				       .reason = "",
				       .measured = true,
				       .memory = 40,
				       .cpu_usec = 7 };
	struct bh_node_pod pod = a_pod(&c, 1);
	Pod__Part kernel = POD__PART__INIT, agent = POD__PART__INIT, *guest[] = { &kernel, &agent };
	Pod__FiguresResponse parts = POD__FIGURES_RESPONSE__INIT;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	agent.cpu_usec = 100;
	parts.guest = guest;
	parts.n_guest = 2;
	pod.runtime = "kata";
	pod.vcpus = 1;
	pod.parts = &parts;
	pod.measured = (struct bh_node_figures){ .host = true,
						 .guest = true,
						 .host_memory = 100,
						 .host_cpu_usec = 1000,
						 .guest_cpu_usec = 600 };
	assert_int_equal(bh_node_judge(&arena, &pod, &err), 0);
	assert_true(pod.measured.overhead);
	assert_int_equal(pod.measured.overhead_memory, 60);
	assert_int_equal(pod.measured.overhead_cpu_usec, 500);
	/* A guest that tells nonsense makes none of it negative. */
	c.memory = 1000;
	pod.measured.guest_cpu_usec = 1U << 30;
	assert_int_equal(bh_node_judge(&arena, &pod, &err), 0);
	assert_int_equal(pod.measured.overhead_memory, 0);
	assert_int_equal(pod.measured.overhead_cpu_usec, 0);
	c.measured = false;
	pod.measured.overhead = false;
	assert_int_equal(bh_node_judge(&arena, &pod, &err), 0);
	assert_false(pod.measured.overhead);
}

static void names(void **state)
{
	struct bh_node_container c = { .id = "inner" };
	struct bh_node_pod pods[] = { a_pod(&c, 1), a_pod(NULL, 0), a_pod(NULL, 0) };
	const struct bh_node node = { .pods = pods, .n = 3 };
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	pods[0].id = "abc1";
	pods[1].id = "abc2";
	pods[2].id = "abc";
	pods[0].name = pods[1].name = "web";
	pods[0].name_space = "a";
	pods[1].name_space = "b";
	assert_ptr_equal(bh_node_find_pod(&node, "abc", &err), &pods[2]);
	assert_ptr_equal(bh_node_find_pod(&node, "abc1", &err), &pods[0]);
	assert_ptr_equal(bh_node_find_pod(&node, "b/web", &err), &pods[1]);
	assert_ptr_equal(bh_node_find_pod(&node, "inner", &err), &pods[0]);
	assert_null(bh_node_find_pod(&node, "web", &err));
	assert_int_equal(err.code, -EINVAL);
	assert_null(bh_node_find_pod(&node, "ab", &err));
	assert_int_equal(err.code, -EINVAL);
	assert_null(bh_node_find_pod(&node, "", &err));
	assert_int_equal(err.code, -ENOENT);
}

/* ---- tables and keys ------------------------------------------------------------------------- */

static void tables(void **state)
{
	static const bh_columns columns = { BH_COLUMN_ID, BH_COLUMN_RESTARTS, BH_COLUMN_REASON,
					    BH_COLUMN_MAX_ };
	struct bh_node_pod pods[] = { a_pod(NULL, 0), a_pod(NULL, 0) };
	struct bh_row rows[] = { { .pod = &pods[0] }, { .pod = &pods[1] } };
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;

	(void)state;
	pods[0].reason = "because";
	pods[1].id = "longer";
	pods[1].restarts = 12;
	bh_table_print(columns, rows, 2, &out);
	assert_string_equal(bh_buf_str(&out), "POD     RESTARTS  REASON\n"
					      "p              0  because\n"
					      "longer        12  \n");
	assert_true(bh_column_compare(BH_COLUMN_RESTARTS, &rows[0], &rows[1]) > 0);
	assert_true(bh_column_compare(BH_COLUMN_ID, &rows[0], &rows[1]) > 0);
	assert_int_equal(bh_column_compare(BH_COLUMN_AGE, &rows[0], &rows[0]), 0);
}

static int keys_of(const char *bytes)
{
	struct bh_keys keys = { .n = 0 };
	int key = BH_KEY_NONE;

	for (; *bytes; bytes++)
		key = bh_keys_next(&keys, *bytes);
	return key;
}

static void keys(void **state)
{
	(void)state;
	assert_int_equal(keys_of("q"), 'q');
	assert_int_equal(keys_of("\033[A"), BH_KEY_UP);
	assert_int_equal(keys_of("\033OB"), BH_KEY_DOWN);
	assert_int_equal(keys_of("\033[6~"), BH_KEY_PAGE_DOWN);
	assert_int_equal(keys_of("\033"), BH_KEY_NONE);
	/* What is not known is passed over as a whole, and the next key is heard. */
	assert_int_equal(keys_of("\033[Cq"), 'q');
	assert_int_equal(keys_of("\033[1;5Aq"), 'q');
	assert_int_equal(keys_of("\033\033[Aq"), 'q');
}

/* ---- counters and metrics -------------------------------------------------------------------- */

static void counters(void **state)
{
	struct bh_node_container c[] = {
		{ .id = "1", .status = "running", .measured = true, .cpu_usec = 100 },
		{ .id = "2", .status = "running", .measured = true, .cpu_usec = 10 }
	};
	struct bh_node_pod pod = a_pod(c, 2);
	const struct bh_node node = { .pods = &pod, .n = 1 }, none = { .n = 0 };
	struct bh_counters counted = { .pods = NULL };
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	assert_int_equal(bh_counters_see(&counted, &node, &err), 0);
	assert_int_equal(bh_counters_of(&counted, &pod).cpu_usec, 110);
	/* What a container used that is no more stays used. */
	pod.containers.v = &c[1];
	pod.containers.n = 1;
	c[1].cpu_usec = 15;
	assert_int_equal(bh_counters_see(&counted, &node, &err), 0);
	assert_int_equal(bh_counters_of(&counted, &pod).cpu_usec, 115);
	c[1].measured = false;
	c[1].cpu_usec = 0;
	assert_int_equal(bh_counters_see(&counted, &node, &err), 0);
	assert_int_equal(bh_counters_of(&counted, &pod).cpu_usec, 115);
	/* Nothing goes back. */
	pod.measured.overhead = true;
	pod.measured.overhead_cpu_usec = 50;
	assert_int_equal(bh_counters_see(&counted, &node, &err), 0);
	pod.measured.overhead_cpu_usec = 40;
	assert_int_equal(bh_counters_see(&counted, &node, &err), 0);
	assert_int_equal(bh_counters_of(&counted, &pod).overhead_cpu_usec, 50);
	/* Another pod of the same name starts anew. */
	pod.created = 5;
	assert_int_equal(bh_counters_see(&counted, &node, &err), 0);
	assert_int_equal(bh_counters_of(&counted, &pod).overhead_cpu_usec, 40);
	assert_int_equal(bh_counters_see(&counted, &none, &err), 0);
	assert_null(counted.pods);
	bh_counters_deinit(&counted);
}

static void expositions(void **state)
{
	struct bh_node_pod pod = a_pod(NULL, 0);
	const struct bh_node node = { .pods = &pod, .n = 1 };
	struct bh_counters counted = { .pods = NULL };
	bh_auto_buf struct bh_buf text = BH_BUF_INIT, open = BH_BUF_INIT;

	(void)state;
	pod.name = "a\"b\\c";
	pod.up = pod.served = true;
	pod.restarts = 2;
	bh_exposition_print(BH_EXPOSITION_TEXT, &node, &counted, 0.5, &text);
	assert_non_null(strstr(text.data, "# TYPE bulkhead_pod_restarts_total counter\n"
					  "bulkhead_pod_restarts_total{runtime=\"runc\",namespace="
					  "\"\",name=\"a\\\"b\\\\c\",id=\"p\",root=\"/r\"} 2\n"));
	assert_null(strstr(text.data, "# UNIT"));
	assert_null(strstr(text.data, "bulkhead_pod_memory_bytes{")); /* not known */
	bh_exposition_print(BH_EXPOSITION_OPENMETRICS, &node, &counted, 0.5, &open);
	assert_non_null(strstr(open.data, "# TYPE bulkhead_pod_cpu_seconds counter\n"
					  "# UNIT bulkhead_pod_cpu_seconds seconds\n"));
	assert_string_equal(open.data + open.len - 6, "# EOF\n");
	assert_int_equal(bh_exposition_wanted(NULL), BH_EXPOSITION_TEXT);
	assert_int_equal(bh_exposition_wanted("application/openmetrics-text;version=1.0.0"),
			 BH_EXPOSITION_OPENMETRICS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces),    cmocka_unit_test(texts),
		cmocka_unit_test(ledgers),   cmocka_unit_test(consoles),
		cmocka_unit_test(stats),     cmocka_unit_test(judgements),
		cmocka_unit_test(overheads), cmocka_unit_test(names),
		cmocka_unit_test(tables),    cmocka_unit_test(keys),
		cmocka_unit_test(counters),  cmocka_unit_test(expositions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
