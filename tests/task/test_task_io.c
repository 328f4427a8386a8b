/* SPDX-License-Identifier: Apache-2.0 */
/* The streams of processes: whole, in time, and no one's trouble but their own. */
#include "harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void resize(const struct box *box, unsigned int width, unsigned int height)
{
	Task__ResizePtyRequest rq = TASK__RESIZE_PTY_REQUEST__INIT;

	rq.id = (char *)box->id;
	rq.exec_id = (char *)box->exec_id;
	rq.width = width;
	rq.height = height;
	must("ResizePty", &rq, NULL);
}

/* Both ways, with its size; standard error is the terminal too. */
static void check_terminal(struct box *box)
{
	char *out;

	resize(box, 101, 37);
	start(box);
	put(box->in, "size\n");
	out = read_until(box->out, "37 101");
	free(out);
	resize(box, 80, 24);
	put(box->in, "size\n");
	free(read_until(box->out, "24 80"));
	put(box->in, "err\n");
	free(read_until(box->out, "to stderr"));
	put(box->in, "end\n");
	assert_int_equal(await_exit(box), 4);
	free(read_all(box->out, NULL));
	assert_int_equal(finish(box), 4);
}

/* The size was asked for before there was a terminal, or after. */
static const char terminal_script[] =
	"while read line; do case $line in size) stty size;; err) echo to stderr >&2;; "
	"end) tty >/dev/null && exit 4;; esac; done; exit 1";

static void test_terminal(void **state)
{
	struct box box;

	(void)state;
	make(&box, "tty",
	     &(struct recipe){ .script = terminal_script, .terminal = true, .streams = "io" });
	check_terminal(&box);
}

static void test_exec_terminal(void **state)
{
	struct box box, exec;

	(void)state;
	make(&box, "tty-exec", &(struct recipe){ .script = "sleep 1000", .streams = "" });
	start(&box);
	add_exec(&exec, &box, "t",
		 &(struct recipe){ .script = terminal_script, .terminal = true, .streams = "io" });
	check_terminal(&exec);
	signal_box(&box, SIGKILL, false);
	await_exit(&box);
	finish(&box);
}

/* The end of input ends `cat`, and what it says last is not lost. */
static void test_terminal_input_ends(void **state)
{
	struct box box;
	char *out;

	(void)state;
	make(&box, "tty-eof",
	     &(struct recipe){
		     .script = "cat; echo last; exit 6", .terminal = true, .streams = "io" });
	start(&box);
	put(box.in, "word\n");
	box.in = bh_close(box.in);
	close_input(&box);
	assert_int_equal(await_exit(&box), 6);
	out = read_all(box.out, NULL);
	assert_non_null(strstr(out, "last"));
	free(out);
	finish(&box);
}

/* A terminal that nobody listens to does not stop its process. */
static void test_terminal_unheard(void **state)
{
	struct box box;

	(void)state;
	make(&box, "tty-deaf",
	     &(struct recipe){ .script = "seq 100000; exit 8", .terminal = true, .streams = "" });
	start(&box);
	assert_int_equal(await_exit(&box), 8);
	finish(&box);
}

/* CloseIO right behind the data does not cut it. */
static void test_input(void **state)
{
	static char data[60001];
	struct box box;
	char *out;

	(void)state;
	memset(data, 'x', sizeof(data) - 1);
	make(&box, "input", &(struct recipe){ .script = "wc -c", .streams = "ioe" });
	start(&box);
	put(box.in, data);
	close_input(&box);
	box.in = bh_close(box.in);
	assert_int_equal(await_exit(&box), 0);
	out = read_all(box.out, NULL);
	assert_string_equal(out, "60000\n");
	free(out);
	finish(&box);
}

#define LARGE (64U << 20)

/* Whole and in order, while it is read as it comes. */
static void test_large_output(void **state)
{
	struct box box;
	size_t len;
	char *out;

	(void)state;
	make(&box, "large",
	     &(struct recipe){
		     .script = "yes 0123456789abcdef0123456789abcde | head -c 67108864" });
	start(&box);
	out = read_all(box.out, &len);
	assert_int_equal(len, LARGE);
	for (size_t at = 0; at < len; at += 32)
		assert_memory_equal(out + at, "0123456789abcdef0123456789abcde\n", 32);
	free(out);
	assert_int_equal(await_exit(&box), 0);
	finish(&box);
}

/* What is left in the pipe at the exit is passed on before the exit is told, if it is taken. */
static void test_output_before_exit(void **state)
{
	struct box box;
	struct reply *wait;
	size_t len = 0;
	char chunk[65536];
	ssize_t n;

	(void)state;
	make(&box, "before", &(struct recipe){ .script = "head -c 60000 /dev/zero" });
	wait = ask("Wait", IDS(wait, &box));
	start(&box);
	assert_true(run_until(wait->done, 10));
	reply_free(wait);
	while ((n = read(box.out, chunk, sizeof(chunk))) > 0)
		len += (size_t)n;
	assert_int_equal(len, 60000);
	assert_int_equal(n, 0); /* and its end */
	finish(&box);
}

/* One does not read: its process stops, others and calls go on; its end is told all the same. */
static void test_blocked_reader(void **state)
{
	struct box box, exec;
	int64_t began;

	(void)state;
	make(&box, "blocked", &(struct recipe){ .script = "yes" });
	start(&box);
	add_exec(&exec, &box, "e1", &(struct recipe){ .script = "echo fine" });
	for (int i = 0; i < 20; i++)
		run_a_bit(); /* the pipes fill */
	start(&exec);
	assert_int_equal(await_exit(&exec), 0);
	free(read_until(exec.out, "fine"));
	finish(&exec);
	assert_int_equal(status_of(&box), TASK__STATUS__RUNNING);
	began = now_ms();
	signal_box(&box, SIGKILL, false);
	assert_int_equal(await_exit(&box), 128 + SIGKILL);
	assert_true(now_ms() - began < 800);
	began = now_ms();
	finish(&box);
	assert_true(now_ms() - began < 2000);
}

/* A process that is left behind holds the pipe: the end is told, the output goes on. */
static void test_child_holds_pipe(void **state)
{
	struct box box, exec;
	int64_t began;

	(void)state;
	make(&box, "held", &(struct recipe){ .script = "sleep 1000", .streams = "" });
	start(&box);
	add_exec(&exec, &box, "e1",
		 &(struct recipe){ .script = "(sleep 1; echo later) & echo now; exit 2" });
	start(&exec);
	began = now_ms();
	assert_int_equal(await_exit(&exec), 2);
	assert_true(now_ms() - began < 500);
	free(read_until(exec.out, "later"));
	finish(&exec);
	signal_box(&box, SIGKILL, false);
	await_exit(&box);
	finish(&box);
}

static void test_log_file(void **state)
{
	struct box box;
	struct stat st;
	char path[128], text[64] = "";
	int fd;

	(void)state;
	make(&box, "log",
	     &(struct recipe){
		     .script = "echo one; echo two >&2", .document_only = true, .streams = "" });
	snprintf(path, sizeof(path), "%s/logs/deep/file.log", lab.work);
	for (int i = 1; i < 3; i++)
		snprintf(box.uris[i], sizeof(box.uris[i]), "file://%s", path);
	must("Create", create_request(&box), NULL);
	start(&box);
	assert_int_equal(await_exit(&box), 0);
	finish(&box);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(read(fd, text, sizeof(text)), 8);
	assert_true(strstr(text, "one\n") && strstr(text, "two\n"));
	close(fd);
}

/* Descriptors of whoever asks: here of this process, whose number is the peer's. */
static void test_descriptors(void **state)
{
	struct box box;
	int in[2], out[2];
	char text[64] = "";

	(void)state;
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	make(&box, "fds",
	     &(struct recipe){ .script = "cat", .document_only = true, .streams = "" });
	snprintf(box.uris[0], sizeof(box.uris[0]), "fd:%d", in[0]);
	snprintf(box.uris[1], sizeof(box.uris[1]), "fd:%d", out[1]);
	must("Create", create_request(&box), NULL);
	close(in[0]);
	close(out[1]);
	start(&box);
	put(in[1], "through\n");
	close(in[1]); /* an end by itself, without CloseIO */
	assert_int_equal(await_exit(&box), 0);
	assert_int_equal(read(out[0], text, sizeof(text)), 8);
	assert_string_equal(text, "through\n");
	assert_int_equal(read(out[0], text, sizeof(text)), 0);
	close(out[0]);
	finish(&box);
	snprintf(box.uris[0], sizeof(box.uris[0]), "fd:1x");
	must_fail("Create", create_request(&box), BH_RPC_INVALID, "no descriptor");
	snprintf(box.uris[0], sizeof(box.uris[0]), "fd:9999");
	must_fail("Create", create_request(&box), BH_RPC_UNKNOWN, "take descriptor 9999");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_exec_terminal),
		cmocka_unit_test(test_terminal_input_ends),
		cmocka_unit_test(test_terminal_unheard),
		cmocka_unit_test(test_input),
		cmocka_unit_test(test_large_output),
		cmocka_unit_test(test_output_before_exit),
		cmocka_unit_test(test_blocked_reader),
		cmocka_unit_test(test_child_holds_pipe),
		cmocka_unit_test(test_log_file),
		cmocka_unit_test(test_descriptors),
	};

	if (lab_skips())
		return 77;
	return cmocka_run_group_tests(tests, lab_open, lab_close);
}
