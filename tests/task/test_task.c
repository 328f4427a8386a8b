/* SPDX-License-Identifier: Apache-2.0 */
/* The life of containers and execs, what is refused, and what is published in which order. */
#include "harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loop/fiber.h"

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* Whether the events are exactly these; "%s" in @want is the container's id. */
static void assert_events(const struct box *box, const char *want)
{
	char text[1024] = "";
	const char *at;

	while ((at = strstr(want, "%s"))) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.*s%s",
			 (int)(at - want), want, box->id);
		want = at + 2;
	}
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s", want);
	assert_string_equal(lab.events, text);
}

static void test_life(void **state)
{
	struct box box;
	char *out, *err;
	uint32_t pid;

	(void)state;
	lab_forget();
	pid = make(&box, "life", &(struct recipe){ .script = "echo out; echo err >&2; exit 7" });
	assert_int_equal(status_of(&box), TASK__STATUS__CREATED);
	assert_int_equal(start(&box), pid);
	assert_int_equal(await_exit(&box), 7);
	assert_int_equal(await_exit(&box), 7);
	assert_int_equal(status_of(&box), TASK__STATUS__STOPPED);
	out = read_all(box.out, NULL);
	err = read_all(box.err, NULL);
	assert_string_equal(out, "out\n");
	assert_string_equal(err, "err\n");
	free(out);
	free(err);
	assert_int_equal(finish(&box), 7);
	assert_events(&box, "/tasks/create %s\n/tasks/start %s\n/tasks/exit %s 7\n"
			    "/tasks/delete %s\n");
}

/* A signal's death is 128 + its number, also that of a container that was never started. */
static void test_killed_before_start(void **state)
{
	struct box box;

	(void)state;
	lab_forget();
	make(&box, "unstarted", &(struct recipe){ .script = "true" });
	signal_box(&box, SIGKILL, false);
	assert_int_equal(await_exit(&box), 128 + SIGKILL);
	must_fail("Start", IDS(start, &box), BH_RPC_PRECONDITION, "has stopped");
	assert_int_equal(finish(&box), 128 + SIGKILL);
	assert_events(&box, "/tasks/create %s\n/tasks/exit %s 137\n/tasks/delete %s\n");
}

static void test_deleted_before_start(void **state)
{
	struct box box;
	struct reply *wait;

	(void)state;
	lab_forget();
	make(&box, "unwanted", &(struct recipe){ .script = "true" });
	wait = ask("Wait", IDS(wait, &box));
	assert_int_equal(finish(&box), 128 + SIGKILL);
	assert_true(run_until(wait->done, 5));
	assert_int_equal(wait->code, BH_RPC_OK);
	reply_free(wait);
	assert_events(&box, "/tasks/create %s\n/tasks/exit %s 137\n/tasks/delete %s\n");
}

static void test_exec(void **state)
{
	struct box box, exec;
	char *out;

	(void)state;
	make(&box, "exec", &(struct recipe){ .script = "sleep 1000" });
	start(&box);
	lab_forget();
	add_exec(&exec, &box, "e1", &(struct recipe){ .script = "cat; exit 3", .streams = "ioe" });
	assert_int_equal(status_of(&exec), TASK__STATUS__CREATED);
	must_fail("Kill", IDS(kill, &exec), BH_RPC_PRECONDITION, "process not created");
	start(&exec);
	must_fail("Start", IDS(start, &exec), BH_RPC_PRECONDITION, "started already");
	must_fail("Delete", IDS(delete, &exec), BH_RPC_PRECONDITION, "running");
	put(exec.in, "hello\n");
	exec.in = bh_close(exec.in);
	/* Not an end: it may come back. */
	run_a_bit();
	assert_int_equal(status_of(&exec), TASK__STATUS__RUNNING);
	close_input(&exec);
	assert_int_equal(await_exit(&exec), 3);
	out = read_all(exec.out, NULL);
	assert_string_equal(out, "hello\n");
	free(out);
	must_fail("Kill", IDS(kill, &exec), BH_RPC_NOT_FOUND, "process already finished");
	assert_int_equal(finish(&exec), 3);
	must_fail("Delete", IDS(delete, &exec), BH_RPC_NOT_FOUND, "not found");
	assert_string_equal(lab.events, "/tasks/exec-added e1\n/tasks/exec-started e1\n"
					"/tasks/exit e1 3\n");
	signal_box(&box, SIGKILL, false);
	assert_int_equal(await_exit(&box), 128 + SIGKILL);
	finish(&box);
}

/* The failure has the engine's words; the exec stays, is waited for and deleted. */
static void test_exec_fails(void **state)
{
	struct box box, exec;

	(void)state;
	make(&box, "bad-exec", &(struct recipe){ .script = "sleep 1000" });
	start(&box);
	lab_forget();
	add_exec_of(&exec, &box, "e1", "{\"cwd\":\"/\",\"user\":{},\"args\":[\"/no/such\"]}");
	must_fail("Start", IDS(start, &exec), BH_RPC_UNKNOWN, "no such file or directory");
	assert_int_equal(await_exit(&exec), 255);
	finish(&exec);
	assert_string_equal(lab.events, "/tasks/exec-added e1\n");
	signal_box(&box, SIGKILL, false);
	await_exit(&box);
	add_exec_fails(&box, "e2", BH_RPC_PRECONDITION, "cannot exec in a stopped state");
	finish(&box);
}

/* Whether the process has got as far as to catch @sig: init would not be told of it before. */
static bool catches(uint32_t pid, int sig)
{
	unsigned long long caught = 0;
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "SigCgt: %llx", &caught) == 1)
			break;
	if (file)
		fclose(file);
	return caught & 1ULL << (sig - 1);
}

static void test_refusals(void **state)
{
	struct box box, other, exec;
	uint32_t pid;

	(void)state;
	make(&box, "refuse", &(struct recipe){ .script = "trap 'exit 5' TERM; sleep 1000 & wait" });
	other = box;
	snprintf(other.id, sizeof(other.id), "%s-none", lab.token);
	must_fail("State", IDS(state, &other), BH_RPC_NOT_FOUND,
		  "container not created: not found");
	must_fail("Start", IDS(start, &other), BH_RPC_NOT_FOUND, "not found");
	must_fail("Wait", IDS(wait, &other), BH_RPC_NOT_FOUND, "not found");
	must_fail("Kill", IDS(kill, &other), BH_RPC_NOT_FOUND, "not found");
	must_fail("Delete", IDS(delete, &other), BH_RPC_NOT_FOUND, "not found");
	must_fail("Pids", ID(pids, &other), BH_RPC_NOT_FOUND, "not found");
	must_fail("Create", create_request(&box), BH_RPC_EXISTS, "already exists");
	snprintf(other.id, sizeof(other.id), "a/b");
	must_fail("Create", create_request(&other), BH_RPC_INVALID, "invalid container ID");
	must_fail("Checkpoint", ID(checkpoint, &box), BH_RPC_UNIMPLEMENTED, "not implemented");
	must_fail("Pause", ID(pause, &box), BH_RPC_PRECONDITION, "not running");
	pid = start(&box);
	must_fail("Start", IDS(start, &box), BH_RPC_PRECONDITION, "already running");
	must_fail("Delete", IDS(delete, &box), BH_RPC_PRECONDITION, "cannot delete a running");
	must_fail("Resume", ID(resume, &box), BH_RPC_PRECONDITION, "not paused");
	add_exec(&exec, &box, "e", &(struct recipe){ .script = "true", .streams = "" });
	add_exec_fails(&box, "e", BH_RPC_EXISTS, "already exists");
	must_fail("Wait", ids(&task__wait_request__descriptor, box.id, "none"), BH_RPC_NOT_FOUND,
		  "not found");
	finish(&exec);
	assert_true(run_until(catches(pid, SIGTERM), 30));
	signal_box(&box, SIGTERM, false);
	assert_int_equal(await_exit(&box), 5);
	must_fail("Kill", IDS(kill, &box), BH_RPC_NOT_FOUND, "process already finished");
	finish(&box);
	must_fail("Delete", IDS(delete, &box), BH_RPC_NOT_FOUND, "not found");
}

static bool is_gone(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 && errno == ENOENT;
}

/* What fails half-way leaves nothing, and its id is free. */
static void test_create_fails(void **state)
{
	struct box box;
	char path[192];

	(void)state;
	lab_forget();
	make(&box, "bad",
	     &(struct recipe){ .script = "true",
			       .document_only = true,
			       .more = ",\"hooks\":{\"createRuntime\":[{\"path\":"
				       "\"/bin/false\"}]}" });
	must_fail("Create", create_request(&box), BH_RPC_UNKNOWN, "OCI runtime create failed");
	must_fail("Create", create_request(&box), BH_RPC_UNKNOWN, "OCI runtime create failed");
	must_fail("State", IDS(state, &box), BH_RPC_NOT_FOUND, "not found");
	snprintf(path, sizeof(path), "%s/state/%s", lab.work, box.id);
	assert_true(is_gone(path));
	assert_string_equal(lab.events, "");
	snprintf(box.uris[1], sizeof(box.uris[1]), "%s/no-such-fifo", lab.work);
	must_fail("Create", create_request(&box), BH_RPC_UNKNOWN, "no-such-fifo");
	snprintf(box.uris[1], sizeof(box.uris[1]), "carrier-pigeon:///coop");
	must_fail("Create", create_request(&box), BH_RPC_INVALID, "no such kind of stream");
	close_streams(&box);
}

/* A container of somebody else's under the same id is not ours to remove. */
static void test_foreign_state(void **state)
{
	struct box box;
	char path[192];

	(void)state;
	make(&box, "foreign", &(struct recipe){ .script = "true", .document_only = true });
	snprintf(path, sizeof(path), "%s/state/%s", lab.work, box.id);
	assert_int_equal(mkdir(path, 0711), 0);
	must_fail("Create", create_request(&box), BH_RPC_EXISTS, "exist");
	assert_false(is_gone(path));
	assert_int_equal(rmdir(path), 0);
	close_streams(&box);
}

/* While a hook of one takes its time, others are served; the second start waits its turn. */
static void test_slow_hook(void **state)
{
	struct box box, slow;
	struct reply *create;
	int64_t began;

	(void)state;
	make(&box, "quick", &(struct recipe){ .script = "sleep 1000" });
	make(&slow, "slow",
	     &(struct recipe){ .script = "true",
			       .document_only = true,
			       .more = ",\"hooks\":{\"createRuntime\":[{\"path\":\"/bin/sleep\","
				       "\"args\":[\"sleep\",\"1\"]}]}" });
	create = ask("Create", create_request(&slow));
	began = now_ms();
	must_fail("State", IDS(state, &slow), BH_RPC_NOT_FOUND, "not found");
	must_fail("Create", create_request(&slow), BH_RPC_EXISTS, "already exists");
	start(&box);
	signal_box(&box, SIGKILL, false);
	/* What the other left open is not kept open by the worker of the slow one. */
	await_exit(&box);
	free(read_all(box.out, NULL));
	assert_int_equal(finish(&box), 128 + SIGKILL);
	assert_true(now_ms() - began < 900);
	assert_false(create->done);
	assert_true(run_until(create->done, 10));
	assert_int_equal(create->code, BH_RPC_OK);
	assert_true(now_ms() - began >= 1000);
	reply_free(create);
	start(&slow);
	assert_int_equal(await_exit(&slow), 0);
	finish(&slow);
}

/* Ends that come before the beginning was told. */
static void test_short_lives(void **state)
{
	struct box box;

	(void)state;
	for (int i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof(name), "short%d", i);
		lab_forget();
		make(&box, name, &(struct recipe){ .script = "exit 1", .streams = "" });
		start(&box);
		assert_int_equal(await_exit(&box), 1);
		finish(&box);
		assert_events(&box, "/tasks/create %s\n/tasks/start %s\n/tasks/exit %s 1\n"
				    "/tasks/delete %s\n");
	}
}

#define EXECS 40

/* At once, and each with what it said and what it ended with. */
static void test_many_execs(void **state)
{
	static struct box box, execs[EXECS];
	struct reply *replies[EXECS];

	(void)state;
	make(&box, "many", &(struct recipe){ .script = "sleep 1000" });
	start(&box);
	for (int i = 0; i < EXECS; i++) {
		char id[8], script[64];

		snprintf(id, sizeof(id), "e%d", i);
		snprintf(script, sizeof(script), "echo I am %d; exit %d", i, i);
		add_exec(&execs[i], &box, id, &(struct recipe){ .script = script });
		replies[i] = ask("Start", IDS(start, &execs[i]));
	}
	for (int i = 0; i < EXECS; i++) {
		char want[32], *out;

		assert_true(run_until(replies[i]->done, 30));
		assert_int_equal(replies[i]->code, BH_RPC_OK);
		reply_free(replies[i]);
		assert_int_equal(await_exit(&execs[i]), i);
		out = read_all(execs[i].out, NULL);
		snprintf(want, sizeof(want), "I am %d\n", i);
		assert_string_equal(out, want);
		free(out);
		finish(&execs[i]);
	}
	signal_box(&box, SIGKILL, true);
	await_exit(&box);
	finish(&box);
}

/* The server ignores SIGHUP, see main(): no process that it begins does. Asked without a shell,
 * which would have an opinion of its own. */
static void test_exec_ignores_nothing(void **state)
{
	struct box box, exec;

	(void)state;
	make(&box, "signals", &(struct recipe){ .script = "sleep 1000" });
	start(&box);
	add_exec_of(&exec, &box, "e1",
		    "{\"cwd\":\"/\",\"user\":{},\"args\":"
		    "[\"/bin/grep\",\"-q\",\"SigIgn:.0*$\",\"/proc/self/status\"]}");
	start(&exec);
	assert_int_equal(await_exit(&exec), 0);
	finish(&exec);
	signal_box(&box, SIGKILL, true);
	await_exit(&box);
	finish(&box);
}

/* Without a pid namespace the others go on when init ends: they are killed, and told of first. */
static void test_init_takes_all(void **state)
{
	struct box box, exec;

	(void)state;
	make(&box, "all",
	     &(struct recipe){ .script = "read x", .streams = "io", .no_pidns = true });
	start(&box);
	add_exec(&exec, &box, "e1", &(struct recipe){ .script = "echo up; sleep 1000" });
	start(&exec);
	free(read_until(exec.out, "up"));
	lab_forget();
	put(box.in, "x\n");
	assert_int_equal(await_exit(&box), 0);
	assert_int_equal(await_exit(&exec), 128 + SIGKILL);
	assert_events(&box, "/tasks/exit e1 137\n/tasks/exit %s 0\n");
	finish(&exec);
	finish(&box);
}

static void test_kill_all(void **state)
{
	struct box box, exec;

	(void)state;
	make(&box, "kill",
	     &(struct recipe){ .script = "trap 'exit 9' TERM; echo up; sleep 1000 & "
					 "wait",
			       .no_pidns = true });
	start(&box);
	free(read_until(box.out, "up"));
	add_exec(&exec, &box, "e1", &(struct recipe){ .script = "sleep 1000" });
	start(&exec);
	signal_box(&box, SIGTERM, true);
	assert_int_equal(await_exit(&exec), 128 + SIGTERM);
	assert_int_equal(await_exit(&box), 9);
	/* Deleted with an exec that was never deleted. */
	finish(&box);
	close_streams(&exec);
}

/* Two at the same time, as containerd does at the end of a sandbox. */
static void test_two_deletes(void **state)
{
	struct box box;
	struct reply *first, *second;

	(void)state;
	make(&box, "twice", &(struct recipe){ .script = "true" });
	start(&box);
	await_exit(&box);
	lab_forget();
	first = ask("Delete", IDS(delete, &box));
	second = ask("Delete", IDS(delete, &box));
	assert_true(run_until(first->done && second->done, 10));
	assert_int_equal(first->code, BH_RPC_OK);
	assert_int_equal(second->code, BH_RPC_NOT_FOUND);
	reply_free(first);
	reply_free(second);
	close_streams(&box);
	assert_events(&box, "/tasks/delete %s\n");
}

static void end_pod(void *arg)
{
	bh_tasks_kill_all(lab.tasks);
	*(bool *)arg = true;
}

/* The end of a pod, with a container of each kind and a hook that would take long. */
static void test_end_of_pod(void **state)
{
	struct box created, running, paused, hung;
	struct reply *wait, *create;
	bool ended = false;
	int64_t began;

	(void)state;
	make(&created, "end-created", &(struct recipe){ .script = "true" });
	make(&running, "end-running", &(struct recipe){ .script = "sleep 1000", .no_pidns = true });
	make(&paused, "end-paused", &(struct recipe){ .script = "sleep 1000" });
	start(&running);
	start(&paused);
	must("Pause", ID(pause, &paused), NULL);
	make(&hung, "end-hung",
	     &(struct recipe){ .script = "true",
			       .document_only = true,
			       .more = ",\"hooks\":{\"createRuntime\":[{\"path\":\"/bin/sleep\","
				       "\"args\":[\"sleep\",\"8\"]}]}" });
	wait = ask("Wait", IDS(wait, &running));
	create = ask("Create", create_request(&hung));
	run_a_bit();
	began = now_ms();
	assert_int_equal(bh_fiber_start(&lab.loop, end_pod, &ended, NULL), 0);
	assert_true(run_until(ended, 5));
	assert_true(now_ms() - began < 5000);
	assert_true(run_until(wait->done && create->done, 5));
	assert_int_equal(wait->code, BH_RPC_OK);
	assert_int_not_equal(create->code, BH_RPC_OK);
	reply_free(wait);
	reply_free(create);
	must_fail("State", IDS(state, &running), BH_RPC_NOT_FOUND, "not found");
	close_streams(&created);
	close_streams(&running);
	close_streams(&paused);
	close_streams(&hung);
	/* The hook itself is an orphan that ends in its own time: it is not the container's. */
	assert_true(run_until(waitpid(-1, NULL, WNOHANG) < 0, 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_killed_before_start),
		cmocka_unit_test(test_deleted_before_start),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_exec_fails),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_create_fails),
		cmocka_unit_test(test_foreign_state),
		cmocka_unit_test(test_slow_hook),
		cmocka_unit_test(test_short_lives),
		cmocka_unit_test(test_many_execs),
		cmocka_unit_test(test_exec_ignores_nothing),
		cmocka_unit_test(test_init_takes_all),
		cmocka_unit_test(test_kill_all),
		cmocka_unit_test(test_two_deletes),
		cmocka_unit_test(test_end_of_pod),
	};

	signal(SIGHUP, SIG_IGN);
	if (lab_skips())
		return 77;
	return cmocka_run_group_tests(tests, lab_open, lab_close);
}
