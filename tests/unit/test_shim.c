/* SPDX-License-Identifier: Apache-2.0 */
/* What a shim is told: its input and options, the names of loggers. */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/path.h"
#include "shim/input.h"
#include "shim/serve.h"
#include "shim/settings.h"
#include "task/logger.h"

#define RUNC    "containerd.runc.v1.Options"
#define RUNTIME "runtimeoptions.v1.Options"

struct read {
	struct bh_config_set set;
	struct bh_config settings;
	struct bh_err err;
	int r;
};

static void read_any(struct read *read, const char *type, const ProtobufCMessage *message)
{
	uint8_t data[4096];
	Wire__Any any = WIRE__ANY__INIT;

	*read = (struct read){ .set = BH_CONFIG_SET_INIT };
	assert_true(protobuf_c_message_get_packed_size(message) <= sizeof(data));
	any.type_url = (char *)type;
	any.value.data = data;
	any.value.len = protobuf_c_message_pack(message, data);
	read->r = bh_shim_settings_read(&read->set, &any, &read->err);
	if (read->r == 0)
		assert_int_equal(bh_config_resolve(&read->set, "kata", NULL, &read->settings, NULL,
						   &read->err),
				 0);
}

static void read_toml(struct read *read, const char *text)
{
	Shim__RuntimeOptions o = SHIM__RUNTIME_OPTIONS__INIT;

	o.config_body = (ProtobufCBinaryData){ .data = (uint8_t *)text, .len = strlen(text) };
	read_any(read, RUNTIME, &o.base);
}

static void done(struct read *read)
{
	bh_config_set_deinit(&read->set);
}

static void test_options_of_runc(void **state)
{
	Shim__RuncOptions o = SHIM__RUNC_OPTIONS__INIT;
	struct read read;

	(void)state;
	o.no_pivot_root = true;
	o.systemd_cgroup = true;
	o.root = (char *)"/run/other";
	o.shim_cgroup = (char *)"/shims";
	read_any(&read, "types.containerd.io/" RUNC, &o.base);
	assert_int_equal(read.r, 0);
	assert_true(read.settings.no_pivot && !read.settings.no_new_keyring);
	assert_int_equal(read.settings.cgroup_manager, BH_CGROUP_SYSTEMD);
	assert_string_equal(read.settings.root, "/run/other");
	assert_string_equal(read.settings.shim_cgroup, "/shims");
	done(&read);
	o.root = (char *)"relative";
	read_any(&read, RUNC, &o.base);
	assert_int_equal(read.r, -EINVAL);
	done(&read);
}

static void test_options_by_toml(void **state)
{
	struct read read;

	(void)state;
	read_toml(&read, "runtime = 'kata'\nguest = \"/g\"\naccelerator = 'auto'\n"
			 "SystemdCgroup = true\nNoPivotRoot = true\nBinaryName = '/x'\n");
	assert_int_equal(read.r, 0);
	assert_string_equal(read.settings.runtime, "kata");
	assert_string_equal(read.settings.guest, "/g");
	assert_int_equal(read.settings.accelerator, BH_ACCELERATE_AUTO);
	assert_int_equal(read.settings.cgroup_manager, BH_CGROUP_SYSTEMD);
	assert_true(read.settings.no_pivot);
	done(&read);
	read_toml(&read, "unheard_of = 1\n");
	assert_int_equal(read.r, 0);
	assert_int_equal(read.settings.accelerator, BH_ACCELERATE_KVM);
	assert_string_equal(read.settings.runtime, "runc");
	done(&read);
	read_toml(&read, "console-log = 65536\nno_new_keyring = true\nhooks = false\n"
			 "[overhead]\nmemory = '1GiB'\n");
	assert_int_equal(read.r, 0);
	assert_int_equal(read.settings.console_log, 65536);
	assert_true(read.settings.no_new_keyring);
	assert_false(read.settings.hooks);
	assert_int_equal(read.settings.overhead.memory, 1U << 30);
	done(&read);
	read_toml(&read, "\naccelerator = 'coal'\n");
	assert_int_equal(read.r, -EINVAL);
	assert_non_null(strstr(read.err.text, "line 2: accelerator: 'coal' is not one of"));
	done(&read);
}

static void test_options_by_file(void **state)
{
	Shim__RuntimeOptions o = SHIM__RUNTIME_OPTIONS__INIT;
	char path[] = "/tmp/test_shim.XXXXXX";
	int fd = mkstemp(path);
	struct read read;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "accelerator='auto'\n", 19), 19);
	bh_close(fd);
	o.config_path = path;
	read_any(&read, RUNTIME, &o.base);
	unlink(path);
	assert_int_equal(read.r, 0);
	assert_int_equal(read.settings.accelerator, BH_ACCELERATE_AUTO);
	done(&read);
	read_any(&read, RUNTIME, &o.base);
	assert_int_equal(read.r, -ENOENT);
	done(&read);
}

static void test_options_of_others(void **state)
{
	const Wire__Empty empty = WIRE__EMPTY__INIT;
	struct read read;
	Wire__Any broken = WIRE__ANY__INIT;

	(void)state;
	read_any(&read, "somebody.v1.Else", &empty.base);
	assert_int_equal(read.r, 0);
	done(&read);
	broken.type_url = (char *)RUNTIME;
	broken.value = (ProtobufCBinaryData){ .data = (uint8_t *)"\xff\xff", .len = 2 };
	assert_int_equal(bh_shim_settings_read(&read.set, &broken, &read.err), -EINVAL);
	assert_int_equal(bh_shim_settings_read(&read.set, NULL, &read.err), 0);
	done(&read);
}

/* ---- all of it: the node's file, the options, what the pod says -------------------------- */

struct node {
	char dir[64], file[96];
};

static void write_file(const struct node *node, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", node->dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, 0600), 0);
}

static int make_node(void **state)
{
	static struct node node;

	strcpy(node.dir, "/tmp/test_shim-XXXXXX");
	assert_non_null(mkdtemp(node.dir));
	snprintf(node.file, sizeof(node.file), "%s/node.yaml", node.dir);
	setenv(BH_CONFIG_ENV, node.file, 1);
	*state = &node;
	return 0;
}

static int remove_node(void **state)
{
	const struct node *node = *state;

	unsetenv(BH_CONFIG_ENV);
	return bh_path_remove_tree(AT_FDCWD, node->dir, NULL);
}

static int find(const struct node *node, const char *program, const char *toml,
		struct bh_shim_settings *ret, struct bh_err *err)
{
	Shim__RuntimeOptions o = SHIM__RUNTIME_OPTIONS__INIT;
	Wire__Any any = WIRE__ANY__INIT;
	uint8_t data[4096];

	o.config_body = (ProtobufCBinaryData){ .data = (uint8_t *)toml, .len = strlen(toml) };
	any.type_url = (char *)RUNTIME;
	any.value.data = data;
	any.value.len = protobuf_c_message_pack(&o.base, data);
	return bh_shim_settings_find(ret, program, node->dir, &any, err);
}

static void test_settings(void **state)
{
	static const char kata[] = "containerd-shim-bulkhead-kata-v2",
			  either[] = "containerd-shim-bulkhead-v2";
	const struct node *node = *state;
	bh_cleanup(bh_shim_settings_deinit) struct bh_shim_settings s = BH_SHIM_SETTINGS_INIT;
	struct bh_err err = BH_ERR_INIT;

	write_file(node, "config.json", "{\"annotations\": {\"io.bulkhead.runtime\": \"kata\"}}");
	write_file(node, "node.yaml",
		   "root: /srv/b\nhandlers: {kata: {accelerator: auto, annotations: "
		   "[share-cache]}}\n");
	assert_int_equal(find(node, either, "", &s, &err), 0);
	assert_string_equal(s.kind, "kata");
	assert_string_equal(s.root, "/srv/b/@containerd");
	assert_int_equal(s.config.accelerator, BH_ACCELERATE_AUTO);
	assert_non_null(s.config.guest);
	/* What containerd says wins, and names the root as it is. */
	assert_int_equal(
		find(node, either, "runtime='runc'\nroot='/r'\naccelerator='kvm'\n", &s, &err), 0);
	assert_string_equal(s.kind, "runc");
	assert_string_equal(s.root, "/r");
	assert_int_equal(s.config.accelerator, BH_ACCELERATE_KVM);
	write_file(node, "config.json",
		   "{\"annotations\": {\"io.bulkhead.share-cache\": \"never\"}}");
	assert_int_equal(find(node, kata, "", &s, &err), 0);
	assert_int_equal(s.config.share_cache, BH_SHARE_CACHE_NEVER);
	/* The other handler does not leave it to its pods. */
	assert_int_equal(find(node, either, "", &s, &err), -EPERM);
	write_file(node, "node.yaml", "acelerator: kvm\n");
	assert_int_equal(find(node, kata, "", &s, &err), -EINVAL);
	assert_non_null(strstr(err.text, "node.yaml:1: there is no key 'acelerator'"));
}

/* ---- the pod's own socket ---------------------------------------------------------------- */

static bool no_memory; /* to watch a socket that listens */

/* In the place of the C library's. */
int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	int listens = 0;
	socklen_t len = sizeof(listens);

	if (no_memory && op == EPOLL_CTL_ADD &&
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens) {
		errno = ENOMEM;
		return -1;
	}
	return (int)syscall(SYS_epoll_ctl, epfd, op, fd, event);
}

static size_t count_descriptors(void)
{
	bh_auto_closedir DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	return n;
}

/* For what is left in /run, from now on. */
static void make_own_run(void)
{
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount("/", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("tmpfs", "/run", "tmpfs", 0, NULL), 0);
}

static void test_open_pod_without_memory(void **state)
{
	const struct node *node = *state;
	const struct bh_shim_call call = { .program = "containerd-shim-bulkhead-v2",
					   .name_space = "ns" };
	struct bh_shim s = { .call = &call,
			     .settings = BH_SHIM_SETTINGS_INIT,
			     .pod_listener = { .source = { .fd = -EBADF, .what = "socket" } } };
	struct bh_err err = BH_ERR_INIT;
	char text[128];
	size_t n;

	if (geteuid() != 0) {
		print_message("needs root, for a /run of its own\n");
		skip();
	}
	make_own_run();
	snprintf(text, sizeof(text), "{root: %s}\n", node->dir);
	write_file(node, "node.yaml", text);
	write_file(node, "config.json", "{}");
	snprintf(s.socket_path, sizeof(s.socket_path), "%s/shim.sock", node->dir);
	assert_int_equal(bh_loop_init(&s.loop, &err), 0);
	n = count_descriptors();
	no_memory = true;
	assert_int_equal(bh_shim_open_pod(&s, "c1", node->dir, NULL, &err), -ENOMEM);
	no_memory = false;
	assert_non_null(strstr(err.text, "watch the socket"));
	assert_true(s.stage == BH_SHIM_IDLE && !s.pod && s.pod_listener.source.fd < 0);
	assert_int_equal(count_descriptors(), n);
	/* As the next Create finds it. */
	assert_int_equal(bh_shim_open_pod(&s, "c1", node->dir, NULL, &err), 0);
	assert_true(s.stage == BH_SHIM_OPEN && s.pod_listener.source.fd >= 0);
	bh_acceptor_stop(&s.pod_listener);
	bh_close(s.pod_listener.source.fd);
	bh_pod_close(s.pod);
	bh_pod_free(s.pod);
	assert_int_equal(count_descriptors(), n);
	bh_loop_deinit(&s.loop);
	bh_shim_settings_deinit(&s.settings);
	bh_arena_deinit(&s.arena);
}

static size_t pack(const ProtobufCMessage *message, uint8_t data[static 4096])
{
	assert_true(protobuf_c_message_get_packed_size(message) <= 4096);
	return protobuf_c_message_pack(message, data);
}

static void test_input(void **state)
{
	Shim__BootstrapParams params = SHIM__BOOTSTRAP_PARAMS__INIT;
	Shim__Extension extension = SHIM__EXTENSION__INIT, *list[] = { &extension };
	Wire__Any any = WIRE__ANY__INIT;
	struct bh_shim_input input;
	struct bh_err err = BH_ERR_INIT;
	uint8_t data[4096];
	size_t len;

	(void)state;
	assert_int_equal(bh_shim_input_parse("", 0, &input, &err), 0);
	assert_null(bh_shim_input_options(&input));
	any.type_url = (char *)RUNTIME;
	len = pack(&any.base, data);
	assert_int_equal(bh_shim_input_parse(data, len, &input, &err), 0);
	assert_null(input.boot);
	assert_string_equal(bh_shim_input_options(&input)->type_url, RUNTIME);
	bh_shim_input_deinit(&input);
	params.instance_id = (char *)"c1";
	params.log_level = -4;
	params.containerd_version = (char *)"2.3.0";
	params.n_extensions = 1;
	params.extensions = list;
	extension.value = &any;
	len = pack(&params.base, data);
	assert_int_equal(bh_shim_input_parse(data, len, &input, &err), 0);
	assert_non_null(input.boot);
	assert_string_equal(bh_shim_input_options(&input)->type_url, RUNTIME);
	bh_shim_input_deinit(&input);
	for (size_t n = 1; n < len; n++) /* cut off anywhere */
		if (bh_shim_input_parse(data, n, &input, &err) == 0)
			bh_shim_input_deinit(&input);
	assert_int_equal(bh_shim_input_parse("no options", 10, &input, &err), -EINVAL);
}

static void logger_is(const char *uri, bool says_ready, const char *words)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_logger_command command;
	struct bh_err err = BH_ERR_INIT;
	char all[512] = "";

	assert_true(bh_logger_is(uri));
	assert_int_equal(bh_logger_parse(&arena, uri, &command, &err), 0);
	assert_int_equal(command.says_ready, says_ready);
	for (char **word = command.argv; *word; word++) {
		strcat(all, *word);
		strcat(all, "|");
	}
	assert_string_equal(all, words);
}

static void logger_refused(const char *uri)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_logger_command command;
	struct bh_err err = BH_ERR_INIT;

	assert_int_equal(bh_logger_parse(&arena, uri, &command, &err), -EINVAL);
}

static void test_logger(void **state)
{
	(void)state;
	logger_is("binary:///bin/x", false, "/bin/x|");
	logger_is("binary-v2:///bin/a%20b?k=v&k2=1+2%26", true, "/bin/a b|k|v|k2|1 2&|");
	logger_is("binary:///x?flag&&a=&=b#rest", false, "/x|flag||a|||b#rest|");
	logger_refused("binary://x");
	logger_refused("binary:///x%2");
	logger_refused("binary:///x?a=%zz");
	logger_refused("binary:///x?a=%00");
	assert_false(bh_logger_is("file:///x"));
}

/* ---- named pipes ---- */

static int open_pipe(const char *path, unsigned int reader_ms, struct bh_task_stdio *ret,
		     struct bh_err *err)
{
	struct bh_loop loop = BH_LOOP_INIT;
	struct bh_stdio stdio = { .loop = &loop, .reader_ms = reader_ms };
	const char *const uris[] = { "", path, "" };
	const struct bh_task_stdio_request request = { .id = "c1", .exec_id = "", .uris = uris };
	int r;

	assert_int_equal(bh_loop_init(&loop, NULL), 0);
	r = bh_stdio_open(&stdio, &request, ret, err);
	bh_loop_deinit(&loop);
	return r;
}

/* Opens its end late, and must read it all although the writer is gone by then. */
static _Noreturn void read_late(const char *path)
{
	char text[16];
	ssize_t n;
	int fd;

	usleep(200000);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	usleep(200000);
	n = read(fd, text, sizeof(text));
	_exit(n == 5 && memcmp(text, "hello", 5) == 0 ? 0 : 1);
}

static void test_late_reader(void **state)
{
	char dir[] = "/tmp/test_shim.XXXXXX", path[64];
	struct bh_task_stdio opened;
	struct bh_err err = BH_ERR_INIT;
	int status;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/out", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(open_pipe(path, 50, &opened, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "nobody reads"));
	assert_int_equal(opened.fds[1], -EBADF);
	pid = fork();
	if (pid == 0)
		read_late(path);
	assert_int_equal(open_pipe(path, 10000, &opened, &err), 0);
	assert_int_equal(write(opened.fds[1], "hello", 5), 5);
	bh_close(opened.fds[1]);
	bh_close(opened.watch[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	unlink(path);
	rmdir(dir);
}

static void test_logger_missing(void **state)
{
	struct bh_task_stdio opened;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	assert_int_equal(open_pipe("binary:///no/such/program", 0, &opened, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/no/such/program"));
	assert_null(opened.logger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_of_runc),
		cmocka_unit_test(test_options_by_toml),
		cmocka_unit_test(test_options_by_file),
		cmocka_unit_test(test_options_of_others),
		cmocka_unit_test_setup_teardown(test_settings, make_node, remove_node),
		cmocka_unit_test_setup_teardown(test_open_pod_without_memory, make_node,
						remove_node),
		cmocka_unit_test(test_input),
		cmocka_unit_test(test_logger),
		cmocka_unit_test(test_late_reader),
		cmocka_unit_test(test_logger_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
