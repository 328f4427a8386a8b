/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the guest's agent that touch no kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include "agent/disk.h"
#include "agent/document.h"
#include "agent/events.h"
#include "agent/figures.h"
#include "agent/modules.h"
#include "agent/network.h"
#include "agent/storage.h"
#include "agent/streams.h"
#include "agent/sweep.h"
#include "base/embed.h"
#include "rpc/guest.h"
#include "rpc/task.pb-c.h"

/* ---- modules --------------------------------------------------------------------------------- */

static void a_list_of_modules_is_walked_in_order(void **state)
{
	char text[] = "/modules/a.ko\n\nb.ko\n/modules/\n/..\n/x/y/c.ko";
	struct bh_modules m = { .dirfd = -1, .text = text, .next = text };

	(void)state;
	assert_string_equal(bh_modules_next(&m), "a.ko");
	assert_string_equal(bh_modules_next(&m), "b.ko");
	assert_string_equal(bh_modules_next(&m), "c.ko");
	assert_null(bh_modules_next(&m));
	assert_null(bh_modules_next(&m));
}

static void a_list_that_is_not_there_is_empty(void **state)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_modules m;

	(void)state;
	assert_int_equal(bh_modules_open(-1, "boot", &m, &err), 0);
	assert_null(bh_modules_next(&m));
	assert_false(bh_modules_load_one(&m));
	bh_modules_deinit(&m);
}

static void file_systems_have_lists_of_their_own(void **state)
{
	char dir[] = "/tmp/test_agent.XXXXXX", path[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/fs-ext4", dir);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_true(bh_modules_has_fs(fd, "ext4"));
	assert_false(bh_modules_has_fs(fd, "xfs"));
	assert_false(bh_modules_has_fs(fd, ""));
	assert_false(bh_modules_has_fs(fd, "ext4/../fs-ext4"));
	assert_false(bh_modules_has_fs(fd, "a-name-that-is-longer-than-any-type"));
	assert_false(bh_modules_has_fs(-1, "ext4"));
	bh_modules_load_fs(-1, "ext4");
	bh_modules_load_fs(fd, "ext4");
	assert_false(bh_modules_has_fs(fd, "ext4"));
	close(fd);
	assert_int_equal(rmdir(dir), 0);
}

/* ---- disks ----------------------------------------------------------------------------------- */

static void targets_are_small_numbers(void **state)
{
	static const char *const bad[] = { "",    "-1",    "+1",    " 1",           "1 ",
					   "0x1", "16384", "99999", "123456789012", "a" };
	struct bh_err err = BH_ERR_INIT;
	unsigned int n;

	(void)state;
	assert_int_equal(bh_disk_parse_target("0", &n, &err), 0);
	assert_int_equal(n, 0);
	assert_int_equal(bh_disk_parse_target("16383", &n, &err), 0);
	assert_int_equal(n, 16383);
	for (size_t i = 0; i < BH_ARRAY_SIZE(bad); i++)
		assert_int_equal(bh_disk_parse_target(bad[i], &n, &err), -EINVAL);
}

static void file_systems_are_told_by_their_superblocks(void **state)
{
	static const struct {
		const char *fstype;
		size_t at;
		const char *magic;
	} rows[] = {
		{ "ext4", 1080, "\x53\xef" },
		{ "xfs", 0, "XFSB" },
		{ "erofs", 1024, "\xe2\xe1\xf5\xe0" },
		{ "squashfs", 0, "hsqs" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(rows); i++) {
		unsigned char head[BH_DISK_HEAD_BYTES] = { 0 };
		size_t end = rows[i].at + strlen(rows[i].magic);

		assert_null(bh_disk_fstype(head, sizeof(head)));
		memcpy(head + rows[i].at, rows[i].magic, strlen(rows[i].magic));
		assert_string_equal(bh_disk_fstype(head, sizeof(head)), rows[i].fstype);
		assert_string_equal(bh_disk_fstype(head, end), rows[i].fstype);
		assert_null(bh_disk_fstype(head, end - 1));
	}
}

/* ---- storages -------------------------------------------------------------------------------- */

static void options_are_flags_and_data(void **state)
{
	const char *options[] = { "ro", "size=1m", "nosuid", "rw", "mode=700" };
	struct bh_storage_options o;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	assert_int_equal(bh_storage_options((char **)options, 5, &o, &err), 0);
	assert_int_equal(o.flags, MS_NOSUID);
	assert_string_equal(o.data, "size=1m,mode=700");
	free(o.data);
	assert_int_equal(bh_storage_options(NULL, 0, &o, &err), 0);
	assert_string_equal(o.data, "");
	free(o.data);
}

#define BUNDLE BH_GUEST_BUNDLE_DIR "/web"

static int check(const char *driver, const char *source, const char *fstype, const char *target,
		 int device, bool *own)
{
	Agent__Storage storage = AGENT__STORAGE__INIT;
	struct bh_err err = BH_ERR_INIT;

	storage.driver = (char *)driver;
	storage.source = (char *)source;
	storage.fstype = (char *)fstype;
	storage.target = (char *)target;
	storage.device = device;
	return bh_storage_check(&storage, BUNDLE, own, &err);
}

static void targets_are_where_storages_belong(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"/etc",
		"relative",
		BH_GUEST_STORAGE_DIR,
		BH_GUEST_STORAGE_DIR "/",
		BH_GUEST_STORAGE_DIR "/../../../etc",
		BH_GUEST_STORAGE_DIR "/a//b",
		BH_GUEST_BUNDLE_DIR "/other/rootfs",
		BH_GUEST_BUNDLE_DIR "/web2/rootfs",
	};
	bool own;

	(void)state;
	assert_int_equal(check("tmpfs", "", "", BH_GUEST_STORAGE_DIR "/web/0", -1, &own), 0);
	assert_true(own);
	assert_int_equal(check("tmpfs", "", "", BUNDLE "/rootfs", -1, &own), 0);
	assert_true(own);
	assert_int_equal(check("tmpfs", "", "", BH_GUEST_SHM, -1, &own), 0);
	assert_false(own);
	for (size_t i = 0; i < BH_ARRAY_SIZE(bad); i++)
		assert_int_equal(check("tmpfs", "", "", bad[i], -1, &own), -EINVAL);
}

static void drivers_take_what_is_theirs(void **state)
{
	const char *target = BH_GUEST_STORAGE_DIR "/web/0";
	bool own;

	(void)state;
	assert_int_equal(check("disk", "5", "", target, -1, &own), 0);
	assert_int_equal(check("disk", "5", "none", "", 0, &own), 0);
	assert_int_equal(check("disk", "5", "ext4", "", 0, &own), -EINVAL);
	assert_int_equal(check("disk", "five", "", target, -1, &own), -EINVAL);
	assert_int_equal(check("share", "web/rootfs", "", target, -1, &own), 0);
	assert_int_equal(check("share", "", "", target, -1, &own), -EINVAL);
	assert_int_equal(check("share", "a", "", target, 0, &own), -EINVAL);
	assert_int_equal(check("tmpfs", "", "", target, 0, &own), -EINVAL);
	assert_int_equal(check("nfs", "a", "", target, -1, &own), -EINVAL);
}

/* ---- document -------------------------------------------------------------------------------- */

static const char document[] =
	"{\"linux\":{\"devices\":[{\"path\":\"/dev/a\",\"type\":\"b\",\"major\":253,\"minor\":1},"
	"{\"path\":\"/dev/b\",\"type\":\"b\",\"major\":8,\"minor\":0}],"
	"\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
	"{\"allow\":true,\"type\":\"b\",\"major\":253,\"minor\":1,\"access\":\"r\"},"
	"{\"allow\":true,\"type\":\"c\",\"major\":253,\"minor\":1},"
	"{\"allow\":true,\"type\":\"b\",\"major\":253},"
	"{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":0}]}}}";

/* The first device gets the second one's old numbers: its rules must not change twice. */
static void devices_and_their_rules_are_renumbered(void **state)
{
	const struct bh_document_device devices[] = { { 0, makedev(8, 0) }, { 1, makedev(8, 16) } };
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	assert_int_equal(bh_document_fix(document, strlen(document), devices, 2, &out, &err), 0);
	assert_string_equal(
		bh_buf_str(&out),
		"{\"linux\":{\"devices\":[{\"path\":\"/dev/"
		"a\",\"type\":\"b\",\"major\":8,\"minor\":"
		"0},{\"path\":\"/dev/b\",\"type\":\"b\",\"major\":8,\"minor\":16}],"
		"\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
		"{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":0,\"access\":\"r\"},"
		"{\"allow\":true,\"type\":\"c\",\"major\":253,\"minor\":1},"
		"{\"allow\":true,\"type\":\"b\",\"major\":253},"
		"{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":16}]}}}");
}

static void the_networks_sysctls_are_taken_out(void **state)
{
	static const char text[] = "{\"linux\":{\"sysctl\":{\"net.ipv4.ip_forward\":\"1\","
				   "\"kernel.shmmax\":\"7\",\"net/core/somaxconn\":\"9\","
				   "\"network.no\":\"2\"}}}";
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	bh_auto_buf struct bh_buf config = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	bh_kv_list sysctls;

	(void)state;
	bh_buf_puts(&config, text);
	assert_int_equal(bh_document_take_sysctls(&config, &arena, &sysctls, &err), 0);
	assert_int_equal(sysctls.n, 2);
	assert_string_equal(sysctls.v[0].key, "net.ipv4.ip_forward");
	assert_string_equal(sysctls.v[0].value, "1");
	assert_string_equal(sysctls.v[1].key, "net/core/somaxconn");
	assert_string_equal(bh_buf_str(&config), "{\"linux\":{\"sysctl\":{\"kernel.shmmax\":\"7\","
						 "\"network.no\":\"2\"}}}");
	assert_int_equal(bh_document_take_sysctls(&config, &arena, &sysctls, &err), 0);
	assert_int_equal(sysctls.n, 0);
	config.len = 0;
	bh_buf_puts(&config, "{\"sysctl\"");
	assert_int_equal(bh_document_take_sysctls(&config, &arena, &sysctls, &err), -EINVAL);
}

/* A name of the shared directory is looked for until it is gone. */
static void what_is_gone_is_swept(void **state)
{
	struct bh_loop loop = BH_LOOP_INIT;
	struct bh_sweep sweep = { .loop = &loop };
	struct bh_submounts held;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	assert_int_equal(bh_loop_init(&loop, &err), 0);
	assert_int_equal(bh_submounts_hold(&loop, "no-such-container", &held, &err), 0);
	assert_int_equal(held.n, 0);
	bh_sweep_later(&sweep, "no-such-container", &held);
	assert_true(sweep.timer.armed);
	sweep.timer.fn(&sweep.timer);
	assert_null(sweep.list);
	bh_loop_disarm(&loop, &sweep.timer);
	bh_sweep_later(&sweep, "another", &held);
	bh_sweep_deinit(&sweep);
	assert_null(sweep.list);
	assert_false(sweep.timer.armed);
	bh_loop_deinit(&loop);
}

static void a_document_without_disks_stays_as_it_is(void **state)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	assert_int_equal(bh_document_fix("not { json", 10, NULL, 0, &out, &err), 0);
	assert_string_equal(bh_buf_str(&out), "not { json");
}

static void a_device_that_is_not_there_is_named(void **state)
{
	static const char *const bad[] = { "{}", "{\"linux\":7}", "{\"linux\":{\"devices\":{}}}",
					   "{\"linux\":{\"devices\":[1,2,3]}}" };
	const struct bh_document_device device = { 2, makedev(8, 0) };

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(bad); i++) {
		bh_auto_buf struct bh_buf out = BH_BUF_INIT;
		struct bh_err err = BH_ERR_INIT;

		assert_int_equal(bh_document_fix(bad[i], strlen(bad[i]), &device, 1, &out, &err),
				 -EINVAL);
		assert_string_equal(err.where, "/linux/devices/2");
	}
}

/* ---- network --------------------------------------------------------------------------------- */

static void routes_are_sorted_by_what_they_stand_on(void **state)
{
	uint8_t ip[4] = { 10, 0, 0, 1 };
	const ProtobufCBinaryData some = { .len = 4, .data = ip };
	Agent__Route default_gw = AGENT__ROUTE__INIT, link = AGENT__ROUTE__INIT,
		     onlink = AGENT__ROUTE__INIT, net_gw = AGENT__ROUTE__INIT,
		     second = AGENT__ROUTE__INIT;
	Agent__Route *routes[] = { &default_gw, &net_gw, &onlink, &link, &second };

	(void)state;
	default_gw.gateway = some;
	link.destination = second.destination = onlink.destination = net_gw.destination = some;
	link.prefix = second.prefix = onlink.prefix = net_gw.prefix = 24;
	onlink.gateway = net_gw.gateway = some;
	onlink.onlink = true;
	bh_network_order(routes, BH_ARRAY_SIZE(routes));
	assert_ptr_equal(routes[0], &link);
	assert_ptr_equal(routes[1], &second);
	assert_ptr_equal(routes[2], &onlink);
	assert_ptr_equal(routes[3], &net_gw);
	assert_ptr_equal(routes[4], &default_gw);
}

static void a_network_is_checked_before_it_is_touched(void **state)
{
	uint8_t bytes[16] = { 10, 0, 0, 1 };
	Agent__Interface interface = AGENT__INTERFACE__INIT, *interfaces[] = { &interface };
	Agent__NetworkRequest request = AGENT__NETWORK_REQUEST__INIT;
	Agent__Address address = AGENT__ADDRESS__INIT, *addresses[] = { &address };
	Agent__Route route = AGENT__ROUTE__INIT, *routes[] = { &route };
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	request.n_interfaces = request.n_routes = interface.n_addresses = 1;
	request.interfaces = interfaces;
	request.routes = routes;
	interface.name = (char *)"eth0";
	interface.mac = (ProtobufCBinaryData){ 6, bytes };
	interface.addresses = addresses;
	address.ip = (ProtobufCBinaryData){ 4, bytes };
	address.prefix = 24;
	route.family = AF_INET;
	assert_int_equal(bh_network_check(&request, &err), 0);

	interface.name = (char *)"../eth0";
	assert_int_equal(bh_network_check(&request, &err), -EINVAL);
	interface.name = (char *)"sixteen-letters0";
	assert_int_equal(bh_network_check(&request, &err), -EINVAL);
	interface.name = (char *)"eth0";
	interface.mac.len = 5;
	assert_int_equal(bh_network_check(&request, &err), -EINVAL);
	interface.mac.len = 6;
	interface.device_mac = (ProtobufCBinaryData){ 7, bytes };
	assert_int_equal(bh_network_check(&request, &err), -EINVAL);
	interface.device_mac.len = 6;
	assert_int_equal(bh_network_check(&request, &err), 0);
	request.n_surplus = 1;
	request.surplus = &(ProtobufCBinaryData){ 5, bytes };
	assert_int_equal(bh_network_check(&request, &err), -EINVAL);
	request.surplus->len = 6;
	assert_int_equal(bh_network_check(&request, &err), 0);
	address.prefix = 33;
	assert_int_equal(bh_network_check(&request, &err), -EINVAL);
	address.prefix = 24;
	address.ip.len = 5;
	assert_int_equal(bh_network_check(&request, &err), -EINVAL);
	address.ip.len = 4;
	route.destination = (ProtobufCBinaryData){ 16, bytes };
	assert_int_equal(bh_network_check(&request, &err), -EINVAL);
	route.family = AF_INET6;
	assert_int_equal(bh_network_check(&request, &err), 0);
	route.family = AF_UNIX;
	assert_int_equal(bh_network_check(&request, &err), -EINVAL);
	/* What is gone is checked as what is there. */
	request.n_routes = 0;
	request.n_gone_routes = 1;
	request.gone_routes = routes;
	assert_int_equal(bh_network_check(&request, &err), -EINVAL);
	request.n_gone_routes = request.n_interfaces = 0;
	request.n_gone_addresses = 1;
	request.gone_addresses = interfaces;
	assert_int_equal(bh_network_check(&request, &err), 0);
	address.ip.len = 5;
	assert_int_equal(bh_network_check(&request, &err), -EINVAL);
}

/* ---- figures --------------------------------------------------------------------------------- */

static void memory_is_read_by_its_name(void **state)
{
	const char *text = "MemTotal:      2048 kB\nMemFree:  7 kB\nSlab: 3 kB\n";

	(void)state;
	assert_int_equal(bh_figures_memory(text, "MemTotal"), 2048 * 1024);
	assert_int_equal(bh_figures_memory(text, "Slab"), 3 * 1024);
	assert_int_equal(bh_figures_memory(text, "Mem"), 0);
	assert_int_equal(bh_figures_memory("", "Slab"), 0);
}

static void counters_of_interfaces_are_as_runc_has_them(void **state)
{
	const char *text = "Inter-|   Receive    |  Transmit\n"
			   " face |bytes packets errs drop fifo frame compressed multicast|bytes\n"
			   "    lo:  9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9\n"
			   "  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;

	(void)state;
	bh_figures_network(text, &out);
	assert_string_equal(bh_buf_str(&out),
			    "[{\"Name\":\"eth0\",\"RxBytes\":1,\"RxPackets\":2,\"RxErrors\":3,"
			    "\"RxDropped\":4,\"TxBytes\":9,\"TxPackets\":10,\"TxErrors\":11,"
			    "\"TxDropped\":12}]");
}

static void a_process_is_shown_as_ps_does(void **state)
{
	static const char stat[] = "42 (a) b) S 7 42 42 34817 42 4194304 1 2 3 4 1500 500 0 0 20 0 "
				   "1 0 6000 1 2 3";
	const struct bh_ps_clock clock = { .now = 1000060, .boot = 1000000 - 40, .hz = 100 };
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	Agent__Process row;

	(void)state;
	assert_int_equal(bh_ps_row(&arena, &clock, stat, "sh\0-c\0a\033[b\0", 12, 0, &row), 0);
	assert_int_equal(row.pid, 42);
	assert_int_equal(row.ppid, 7);
	assert_string_equal(row.user, "root");
	assert_int_equal(row.cpu_percent, 50);
	assert_string_equal(row.started, "13:47");
	assert_string_equal(row.tty, "pts/1");
	assert_string_equal(row.time, "00:00:20");
	assert_string_equal(row.command, "sh -c a?[b");
	assert_int_equal(bh_ps_row(&arena, &clock, stat, "", 0, 1000, &row), 0);
	assert_string_equal(row.user, "1000");
	assert_string_equal(row.command, "[a) b]");
	assert_int_equal(bh_ps_row(&arena, &clock, "42 (a S 7", "", 0, 0, &row), -EINVAL);
	assert_int_equal(bh_ps_row(&arena, &clock, "42 (a) S", "", 0, 0, &row), -EINVAL);
}

/* ---- streams --------------------------------------------------------------------------------- */

static void stdio_is_a_token_of_the_link(void **state)
{
	static const char *const bad[] = { "",
					   "stream:",
					   "stream:-1",
					   "stream:1x",
					   "stream:4294967296",
					   "stream:12345678901",
					   "fifo:1",
					   "/run/x",
					   "stream: 1" };
	struct bh_err err = BH_ERR_INIT;
	uint32_t token;

	(void)state;
	assert_int_equal(bh_streams_parse("stream:0", &token, &err), 0);
	assert_int_equal(token, 0);
	assert_int_equal(bh_streams_parse("stream:4294967295", &token, &err), 0);
	assert_int_equal(token, UINT32_MAX);
	for (size_t i = 0; i < BH_ARRAY_SIZE(bad); i++)
		assert_int_equal(bh_streams_parse(bad[i], &token, &err), -EINVAL);
}

struct late {
	struct bh_timer timer;
	struct bh_streams *streams;
	int fd;
};

static void add_late(struct bh_timer *timer)
{
	struct late *late = bh_owner_of(timer, struct late, timer);

	bh_streams_add(late->streams, 2, late->fd);
}

/* One stream is there, one comes later, one is used twice. */
static void streams_are_waited_for(void **state)
{
	const char *const uris[3] = { "stream:1", "stream:2", "stream:2" };
	struct bh_loop loop = BH_LOOP_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_streams streams = { .loop = &loop };
	struct late late = { .timer = { .fn = add_late }, .streams = &streams };
	struct bh_task_stdio stdio;
	int a[2], b[2];
	char byte;

	(void)state;
	assert_int_equal(bh_loop_init(&loop, &err), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b), 0);
	bh_streams_add(&streams, 1, a[1]);
	late.fd = b[1];
	bh_loop_arm(&loop, &late.timer, 20);
	assert_int_equal(bh_streams_open(&streams, uris, &stdio, &err), 0);
	assert_int_equal(stdio.fds[0], a[1]);
	assert_int_equal(stdio.fds[1], b[1]);
	assert_int_equal(write(stdio.fds[2], "x", 1), 1);
	assert_int_equal(read(b[0], &byte, 1), 1);
	assert_null(streams.arrived);
	assert_null(streams.waiting);
	for (int i = 0; i < 3; i++)
		close(stdio.fds[i]);
	close(a[0]);
	close(b[0]);
	bh_loop_deinit(&loop);
}

/* What failed half way leaves nothing open. */
static void a_bad_uri_closes_what_was_claimed(void **state)
{
	const char *const uris[3] = { "stream:1", "nonsense", NULL };
	struct bh_loop loop = BH_LOOP_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_streams streams = { .loop = &loop };
	struct bh_task_stdio stdio;
	int a[2];
	char byte;

	(void)state;
	assert_int_equal(bh_loop_init(&loop, &err), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a), 0);
	bh_streams_add(&streams, 1, a[1]);
	assert_int_equal(bh_streams_open(&streams, uris, &stdio, &err), -EINVAL);
	assert_int_equal(read(a[0], &byte, 1), 0);
	close(a[0]);
	bh_loop_deinit(&loop);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void events_wait_in_order_and_up_to_a_bound(void **state)
{
	struct bh_loop loop = BH_LOOP_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_events events = { .loop = &loop };
	Task__TaskOOM oom = TASK__TASK_OOM__INIT;
	Task__TaskOOM *back;

	(void)state;
	assert_int_equal(bh_loop_init(&loop, &err), 0);
	oom.container_id = (char *)"web";
	for (size_t i = 0; i < BH_EVENTS_MAX; i++)
		bh_events_publish(&events, "/tasks/oom", &oom.base);
	assert_int_equal(events.n, BH_EVENTS_MAX);
	assert_string_equal(events.queue[7]->topic, "/tasks/oom");
	assert_string_equal(events.queue[7]->event->type_url, "containerd.events.TaskOOM");
	back = task__task_oom__unpack(NULL, events.queue[7]->event->value.len,
				      events.queue[7]->event->value.data);
	assert_non_null(back);
	assert_string_equal(back->container_id, "web");
	task__task_oom__free_unpacked(back, NULL);
	bh_events_deinit(&events);
	assert_int_equal(events.n, 0);
	bh_loop_deinit(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_of_modules_is_walked_in_order),
		cmocka_unit_test(file_systems_have_lists_of_their_own),
		cmocka_unit_test(a_list_that_is_not_there_is_empty),
		cmocka_unit_test(targets_are_small_numbers),
		cmocka_unit_test(file_systems_are_told_by_their_superblocks),
		cmocka_unit_test(options_are_flags_and_data),
		cmocka_unit_test(targets_are_where_storages_belong),
		cmocka_unit_test(drivers_take_what_is_theirs),
		cmocka_unit_test(devices_and_their_rules_are_renumbered),
		cmocka_unit_test(a_document_without_disks_stays_as_it_is),
		cmocka_unit_test(a_device_that_is_not_there_is_named),
		cmocka_unit_test(the_networks_sysctls_are_taken_out),
		cmocka_unit_test(what_is_gone_is_swept),
		cmocka_unit_test(routes_are_sorted_by_what_they_stand_on),
		cmocka_unit_test(a_network_is_checked_before_it_is_touched),
		cmocka_unit_test(memory_is_read_by_its_name),
		cmocka_unit_test(counters_of_interfaces_are_as_runc_has_them),
		cmocka_unit_test(a_process_is_shown_as_ps_does),
		cmocka_unit_test(stdio_is_a_token_of_the_link),
		cmocka_unit_test(streams_are_waited_for),
		cmocka_unit_test(a_bad_uri_closes_what_was_claimed),
		cmocka_unit_test(events_wait_in_order_and_up_to_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
