/* SPDX-License-Identifier: Apache-2.0 */
/* Documents as engines write them (in ' for "), and what becomes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "base/log.h"
#include "pod/vm/translate.h"

#define HOST  "/tmp/bulkhead-test-translate"
#define POD   HOST "/pods/1/volumes/"
#define SHM   HOST "/sandboxes/1/shm"
#define EMPTY POD "kubernetes.io~empty-dir/cache"
#define HEAD  "{'ociVersion':'1.2.0','root':{'path':'rootfs','readonly':true},"
#define LINUX HEAD "'linux':{"

struct outcome {
	struct bh_err err;
	struct bh_buf text; /* the plan, as it is printed */
	int r;
};

#define MONITOR 7 /* its process on the host */

struct request {
	const char *document;
	pid_t sandbox, target;
	Task__Mount *rootfs;
	size_t n_rootfs;
};

static bool root;

static void translate(const struct request *request, struct outcome *ret)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	bh_auto_free char *config = strdup(request->document);
	Task__Mount *mounts[4];
	struct bh_spec spec;
	struct bh_guest_source source = {
		.id = "web",
		.bundle = HOST "/bundle",
		.spec = &spec,
		.rootfs = mounts,
		.n_rootfs = request->n_rootfs,
		.monitor_pid = MONITOR,
		.sandbox_pid = request->sandbox,
		.target_pid = request->target,
	};
	struct bh_guest_plan *plan = NULL;

	*ret = (struct outcome){ .err = BH_ERR_INIT, .text = BH_BUF_INIT };
	for (char *c = config; *c; c++)
		if (*c == '\'')
			*c = '"';
	for (size_t i = 0; i < request->n_rootfs; i++)
		mounts[i] = &request->rootfs[i];
	source.config = config;
	source.config_len = strlen(config);
	if (bh_spec_parse(&arena, config, source.config_len, &spec, &ret->err) < 0)
		fail_msg("%s: %s %s", config, ret->err.where, ret->err.text);
	ret->r = bh_guest_plan_new(&source, &plan, &ret->err);
	if (ret->r)
		return;
	bh_guest_plan_print(plan, &ret->text);
	for (char *c = ret->text.data; *c; c++)
		if (*c == '"')
			*c = '\'';
	bh_guest_plan_free(plan);
}

/* Each of @expected (up to NULL) is in the printed plan; those that begin with '!' are not. */
static void expect_of(const struct request *request, const char *const *expected)
{
	struct outcome o;

	translate(request, &o);
	if (o.r)
		fail_msg("%s\nrefused: %s at %s", request->document, o.err.text, o.err.where);
	for (; *expected; expected++) {
		bool absent = **expected == '!';

		if (!strstr(o.text.data, *expected + absent) != absent)
			fail_msg("%s\ngives\n%s\n%s '%s'", request->document, o.text.data,
				 absent ? "with" : "without", *expected + absent);
	}
	bh_buf_deinit(&o.text);
}

#define EXPECT(document, ...) \
	expect_of(&(struct request){ document }, (const char *const[]){ __VA_ARGS__, NULL })

static void refuse_of(const struct request *request, const char *where, const char *text)
{
	struct outcome o;

	translate(request, &o);
	if (!o.r)
		fail_msg("%s\nis taken:\n%s", request->document, o.text.data);
	if (o.r != -EINVAL || o.err.domain != BH_ERR_SPEC || strcmp(o.err.where, where) ||
	    !strstr(o.err.text, text))
		fail_msg("%s\nis refused at '%s': %s", request->document, o.err.where, o.err.text);
}

#define REFUSE(document, where, text) refuse_of(&(struct request){ document }, where, text)

/* ---- a host ------------------------------------------------------------------------------ */

static void make_dirs(const char *path)
{
	char copy[256];

	snprintf(copy, sizeof(copy), "%s/", path);
	for (char *c = copy + 1; *c; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		assert_true(!mkdir(copy, 0755) || errno == EEXIST);
		*c = '/';
	}
}

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	close(fd);
}

static void make_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	root = !geteuid();
	if (!root)
		return 0;
	if (bh_log_open("/dev/null", BH_LOG_TEXT, BH_LOG_ERROR, NULL) < 0 || unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;
	umask(0);
	make_dirs(HOST);
	if (mount("none", HOST, "tmpfs", 0, NULL))
		return -1;
	make_dirs(HOST "/bundle/rootfs/etc");
	make_dirs(HOST "/data");
	make_dirs(SHM);
	make_dirs(EMPTY);
	make_dirs(POD "kubernetes.io~configmap/conf");
	if (mount("shm", SHM, "tmpfs", 0, "size=64m,mode=1777") ||
	    mount("tmpfs", EMPTY, "tmpfs", 0, "size=16m,mode=2770,gid=2000"))
		return -1;
	make_dirs(EMPTY "/sub");
	make_file(HOST "/hosts");
	make_file(HOST "/image.ext4");
	make_socket(HOST "/docker.sock");
	/* Numbers that no device here has: all is by what the file says. */
	if (mkfifo(HOST "/fifo", 0600) || mknod(HOST "/disk", S_IFBLK | 0660, makedev(240, 7)) ||
	    mknod(HOST "/null", S_IFCHR | 0666, makedev(1, 3)) ||
	    mknod(HOST "/gpu", S_IFCHR | 0666, makedev(195, 0)) ||
	    symlink(HOST "/data", HOST "/link"))
		return -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (root) {
		umount2(HOST, MNT_DETACH);
		rmdir(HOST);
	}
	return 0;
}

#define NEEDS_ROOT()            \
	do {                    \
		if (!root) {    \
			skip(); \
			return; \
		}               \
	} while (0)

/* ---- root -------------------------------------------------------------------------------- */

static void test_root_directory(void **state)
{
	(void)state;
	NEEDS_ROOT();
	EXPECT(LINUX "}}",
	       "share: web/rootfs from '" HOST "/bundle/rootfs' with what is mounted below",
	       "'root':{'path':'/run/bulkhead/share/web/rootfs','readonly':true}", "!disk:");
	EXPECT("{'ociVersion':'1.0.2','root':{'path':'" HOST "/link'},'x':{'y':[1.5]}}",
	       "from '" HOST "/link'", "'x':{'y':[1.5]}");
	REFUSE("{'ociVersion':'1.0.2','root':{'path':'gone'}}", "/root/path",
	       "'" HOST "/bundle/gone': No such file or directory");
	REFUSE("{'ociVersion':'1.0.2','root':{'path':'" HOST "/fifo'}}", "/root/path",
	       "no directory, block device or image file");
}

static void test_root_disk(void **state)
{
	(void)state;
	NEEDS_ROOT();
	EXPECT("{'ociVersion':'1.0.2','root':{'path':'" HOST "/disk'}}", "disk: '" HOST "/disk'\n",
	       "guest: disk on /run/bulkhead/storage/web/rootfs\n",
	       "'path':'/run/bulkhead/storage/web/rootfs'", "!share:");
	EXPECT("{'ociVersion':'1.0.2','root':{'path':'" HOST "/image.ext4'}}",
	       "disk: '" HOST "/image.ext4'\n");
}

static void expect_rootfs(Task__Mount *mounts, size_t n, const char *const *expected)
{
	expect_of(&(struct request){ LINUX "}}", .rootfs = mounts, .n_rootfs = n }, expected);
}
#define EXPECT_ROOTFS(mount, ...) \
	expect_rootfs(&(mount), 1, (const char *const[]){ __VA_ARGS__, NULL })

/* For messages, whose strings are not const. */
#define TEXT(text) ((char[]){ text })

static void test_engine_root(void **state)
{
	char *overlay_options[] = { TEXT("index=off"), TEXT("workdir=/w"), TEXT("lowerdir=/a:/b") };
	char *view_options[] = { TEXT("nouuid"), TEXT("ro") };
	char *loop_options[] = { TEXT("loop"), TEXT("rw") };
	Task__Mount overlay = TASK__MOUNT__INIT, thin = TASK__MOUNT__INIT, file = TASK__MOUNT__INIT;
	Task__Mount two[2];

	(void)state;
	NEEDS_ROOT();
	overlay.type = overlay.source = TEXT("overlay");
	overlay.options = overlay_options;
	overlay.n_options = 3;
	EXPECT_ROOTFS(overlay, "root: overlay 'overlay'\nshare: web/rootfs from '" HOST
			       "/bundle/rootfs' with what is mounted below");

	thin.type = TEXT("xfs");
	thin.source = TEXT(HOST "/disk");
	EXPECT_ROOTFS(thin, "disk: '" HOST "/disk'\n",
		      "guest: disk type xfs on /run/bulkhead/storage/web/rootfs\n", "!share:");
	thin.options = view_options;
	thin.n_options = 2;
	EXPECT_ROOTFS(thin, "disk: '" HOST "/disk' read-only\n",
		      "type xfs on /run/bulkhead/storage/web/rootfs with nouuid,ro\n");

	file.type = TEXT("ext4");
	file.source = TEXT(HOST "/image.ext4");
	file.options = loop_options;
	file.n_options = 2;
	EXPECT_ROOTFS(file, "disk: '" HOST "/image.ext4'\n", "rootfs with rw\n", "!share:");

	/* Several of them are this host's to put together. */
	two[0] = thin;
	two[1] = overlay;
	expect_rootfs(two, 2, (const char *const[]){ "share: web/rootfs", "!disk:", NULL });
}

/* ---- mounts ------------------------------------------------------------------------------ */

#define MOUNTS(text) LINUX "},'mounts':[" text "]}"
#define BIND(source, destination, options)                                      \
	"{'destination':'" destination "','type':'bind','source':'" source "'," \
	"'options':[" options "]}"

static void test_guest_mounts(void **state)
{
	(void)state;
	NEEDS_ROOT();
	EXPECT(MOUNTS("{'destination':'/proc','type':'proc','source':'proc'},"
		      "{'destination':'/sys/fs/cgroup','type':'cgroup','source':'cgroup',"
		      "'options':['ro']},"
		      "{'destination':'/dev/shm','type':'tmpfs','source':'shm',"
		      "'options':['size=64m']}"),
	       "{'destination':'/proc','type':'proc','source':'proc'}", "'options':['size=64m']",
	       "!guest:");
	REFUSE(MOUNTS("{'destination':'/n','type':'nfs','source':'server:/x'}"), "/mounts/0/type",
	       "'nfs' of 'server:/x' cannot be mounted in a micro-VM");
	REFUSE(MOUNTS("{'destination':'/n','type':'hugetlbfs','source':'none'}"), "/mounts/0/type",
	       "'hugetlbfs'");
	EXPECT(MOUNTS("{'destination':'/v','type':'ext4','source':'" HOST "/disk',"
		      "'options':['ro','data=ordered']}"),
	       "disk: '" HOST "/disk' read-only\n",
	       "guest: disk type ext4 on /run/bulkhead/storage/web/m0 with ro,data=ordered\n",
	       "{'destination':'/v','type':'bind','source':'/run/bulkhead/storage/web/m0',"
	       "'options':['rbind','ro']}");
}

static void test_binds(void **state)
{
	(void)state;
	NEEDS_ROOT();
	EXPECT(MOUNTS(BIND(HOST "/data", "/data", "'rbind','rprivate','rw'") "," BIND(
		       HOST "/hosts", "/etc/hosts", "'bind','ro'") "," BIND(HOST "/link", "/l",
									    "'rbind','rro'")),
	       "share: web/m0 from '" HOST "/data' with what is mounted below\n",
	       "share: web/m1 from '" HOST "/hosts' read-only\n",
	       "share: web/m2 from '" HOST "/link' read-only with what is mounted below\n",
	       "'source':'/run/bulkhead/share/web/m0','options':['rbind','rprivate','rw']",
	       "'source':'/run/bulkhead/share/web/m1','options':['bind','ro']");
	/* ro, then rw: the last one counts. */
	EXPECT(MOUNTS(BIND(HOST "/data", "/data", "'bind','ro','rw'")), "!read-only");
	/* Relative to the bundle; and what lies in the root is the image's. */
	EXPECT(MOUNTS(BIND("../data", "/data", "'bind'")), "from '" HOST "/bundle/../data'");
	EXPECT(MOUNTS(BIND("rootfs/etc/../etc/x", "/x", "'bind'")),
	       "'source':'/run/bulkhead/share/web/rootfs/etc/x'", "!share: web/m0");
	REFUSE(MOUNTS(BIND(HOST "/data", "/a", "'bind'") "," BIND("/gone", "/b", "'bind'")),
	       "/mounts/1/source", "'/gone': No such file or directory");
	REFUSE(MOUNTS(BIND(HOST "/docker.sock", "/s", "'bind'")), "/mounts/0/source",
	       "docker.sock' is a socket");
	REFUSE(MOUNTS(BIND(HOST "/fifo", "/s", "'bind'")), "/mounts/0/source", "is a pipe");
}

static void test_tmpfs(void **state)
{
	(void)state;
	NEEDS_ROOT();
	EXPECT(MOUNTS(BIND(SHM, "/dev/shm", "'rbind','ro'")),
	       "guest: tmpfs on /run/bulkhead/pod/shm with mode=1777,uid=0,gid=0,nosuid,nodev,"
	       "size=67108864\n",
	       "'source':'/run/bulkhead/pod/shm','options':['rbind','ro']", "!share: web/m0");
	/* Elsewhere it is a directory like any. */
	EXPECT(MOUNTS(BIND(SHM, "/x", "'rbind'")), "share: web/m0 from '" SHM "'");
	EXPECT(MOUNTS(BIND(EMPTY, "/cache", "'rbind'") "," BIND(EMPTY, "/again", "'rbind'")),
	       "mode=2770,uid=0,gid=2000,nosuid,nodev,size=16777216\n",
	       "'source':'/run/bulkhead/pod/tmpfs-", "!share: web/m");
	EXPECT(MOUNTS(BIND(EMPTY "/sub", "/cache", "'rbind'")), "share: web/m0", "!guest:");
	/* The size of the host's own has nothing to say. */
	EXPECT(MOUNTS(BIND("/dev/shm", "/dev/shm", "'rbind'")), "/run/bulkhead/pod/shm", "!size=");
}

static void test_kernel_views(void **state)
{
	(void)state;
	NEEDS_ROOT();
	EXPECT(MOUNTS(BIND("/proc", "/host/proc", "'rbind','ro'")),
	       "'source':'/proc','options':['rbind','ro']", "!share: web/m0");
	EXPECT(MOUNTS(BIND("/sys/fs/cgroup", "/sys/fs/cgroup", "'rbind'")),
	       "'source':'/sys/fs/cgroup'", "!share: web/m0");
	EXPECT(MOUNTS(BIND("/dev", "/dev", "'rbind'")), "'source':'/dev'", "!share: web/m0");
}

static void test_devices(void **state)
{
	(void)state;
	NEEDS_ROOT();
	EXPECT(MOUNTS(BIND(HOST "/null", "/dev/x", "'bind'")), "'source':'/dev/null'");
	REFUSE(MOUNTS(BIND(HOST "/gpu", "/dev/gpu", "'bind'")), "/mounts/0/source",
	       "is a device of the host");
	/* A block device bound on a path, in the midst of other mounts. */
	EXPECT(MOUNTS(BIND(HOST "/data", "/a", "'bind'") "," BIND(
		       HOST "/disk", "/dev/xvda", "'bind','ro'") "," BIND(HOST "/hosts", "/b",
									  "'bind'")),
	       "disk: '" HOST "/disk' read-only\n", "guest: disk type none as /linux/devices/0\n",
	       "'devices':[{'type':'b','major':240,'minor':7,'path':'/dev/xvda',"
	       "'fileMode':432,'uid':0,'gid':0}]",
	       "'resources':{'devices':[{'type':'b','major':240,'minor':7,'allow':true,"
	       "'access':'rm'}]}",
	       "!/dev/xvda','type':'bind'", "/run/bulkhead/share/web/m0",
	       "/run/bulkhead/share/web/m2");
	/* As CRI's volumeDevices come: the path is the container's and may be the host's. */
	EXPECT(LINUX "'devices':[{'path':'/dev/fuse','type':'c','major':10,'minor':229},"
		     "{'path':'" HOST "/disk','type':'b','major':240,'minor':7}],"
		     "'resources':{'devices':[{'allow':false,'access':'rwm'},"
		     "{'allow':true,'type':'b','major':240,'minor':7,'access':'r'}]}}}",
	       "disk: '" HOST "/disk' read-only\n", "guest: disk type none as /linux/devices/1\n");
	REFUSE(LINUX "'devices':[{'path':'/dev/none','type':'b','major':240,'minor':99}]}}",
	       "/linux/devices/0", "the host has no block device 240:99");
	REFUSE(LINUX "'devices':[{'path':'/dev/nvidia0','type':'c','major':195,'minor':0}]}}",
	       "/linux/devices/0", "'/dev/nvidia0' (195:0) is a device of the host");
}

static void test_idmaps(void **state)
{
	static const char maps[] =
		"'uidMappings':[{'containerID':0,'hostID':100000,'size':65536}],"
		"'gidMappings':[{'containerID':0,'hostID':100000,'size':65536}]}";
	char text[1024];

	(void)state;
	NEEDS_ROOT();
	snprintf(text, sizeof(text),
		 MOUNTS("{'destination':'/d','type':'bind','source':'" HOST "/data',"
			"'options':['bind'],%s"),
		 maps);
	REFUSE(text, "/mounts/0/uidMappings", "cannot be mapped");
}

/* ---- the rest ---------------------------------------------------------------------------- */

static void test_namespaces(void **state)
{
	static const char joins[] = LINUX
		"'namespaces':[{'type':'pid'},{'type':'network','path':'/proc/7/ns/net'},"
		"{'type':'ipc','path':'/proc/7/ns/ipc'},{'type':'mount'},"
		"{'type':'uts','path':'/proc/7/ns/uts'}]}}";
	static const struct {
		const char *type, *path;
	} bad[] = {
		{ "ipc", "/run/ns/ipc" },       { "mount", "/proc/7/ns/mnt" },
		{ "uts", "/proc/7/ns/ipc" },    { "uts", "/proc/7x/ns/uts" },
		{ "uts", "/proc/self/ns/uts" }, { "uts", "/proc/7/ns/uts/" },
		{ "uts", "/proc//ns/uts" },     { "uts", "/proc/99999999999999999999/ns/uts" },
	};

	(void)state;
	NEEDS_ROOT();
	EXPECT(LINUX "'namespaces':[{'type':'network','path':'/run/netns/x'},{'type':'ipc'}]}}",
	       "'namespaces':[{'type':'ipc'},{'type':'cgroup'}]");
	EXPECT(LINUX "'namespaces':[{'type':'cgroup'},{'type':'ipc'}]}}",
	       "'namespaces':[{'type':'cgroup'},{'type':'ipc'}]");
	expect_of(&(struct request){ joins, .sandbox = 42 },
		  (const char *const[]){
			  "'namespaces':[{'type':'pid'},{'type':'ipc','path':'/proc/42/ns/ipc'},"
			  "{'type':'mount'},{'type':'uts','path':'/proc/42/ns/uts'},"
			  "{'type':'cgroup'}]",
			  NULL });
	expect_of(&(struct request){ LINUX "'namespaces':[{'type':'pid','path':'/proc/7/ns/pid'},"
					   "{'type':'ipc','path':'/proc/7/ns/ipc'}]}}",
				     .sandbox = 42, .target = 43 },
		  (const char *const[]){ "'namespaces':[{'type':'pid','path':'/proc/43/ns/pid'},"
					 "{'type':'ipc','path':'/proc/42/ns/ipc'},"
					 "{'type':'cgroup'}]",
					 NULL });
	REFUSE(joins, "/linux/namespaces/4/path", "the first container of a pod has none to join");
	/* A process of something else on the host, or of the guest's numbers. */
	for (int i = 8; i <= 42; i += 34) {
		char text[256];

		snprintf(text, sizeof(text),
			 LINUX
			 "'namespaces':[{'type':'pid'},{'type':'ipc','path':'/proc/%d/ns/ipc'}]}}",
			 i);
		refuse_of(&(struct request){ text, .sandbox = 42 }, "/linux/namespaces/1/path",
			  "is of no container of this pod");
	}
	for (size_t i = 0; i < BH_ARRAY_SIZE(bad); i++) {
		char text[256];

		snprintf(text, sizeof(text), LINUX "'namespaces':[{'type':'%s','path':'%s'}]}}",
			 bad[i].type, bad[i].path);
		refuse_of(&(struct request){ text, .sandbox = 42 }, "/linux/namespaces/0/path",
			  "cannot join it");
	}
}

static void test_fields(void **state)
{
	(void)state;
	NEEDS_ROOT();
	EXPECT(HEAD
	       "'process':{'cwd':'/','args':['sh'],'apparmorProfile':'cri','selinuxLabel':'a:b',"
	       "'oomScoreAdj':-998,'rlimits':[]},"
	       "'hooks':{'prestart':[{'path':'/h'}],'startContainer':[{'path':'/s'}]},"
	       "'annotations':{'a':'b'},'linux':{'namespaces':[{'type':'mount'}],'mountLabel':'x','"
	       "cgroupsPath':'/kube/pod/web',"
	       "'sysctl':{'net.ipv4.ip_forward':'1'},"
	       "'seccomp':{'defaultAction':'SCMP_ACT_ERRNO'},"
	       "'maskedPaths':['/proc/acpi'],"
	       "'resources':{'cpu':{'shares':512,'cpus':'7-9','mems':'1'},"
	       "'memory':{'limit':1048576,'swap':1048576},'pids':{'limit':10},"
	       "'hugepageLimits':[{'pageSize':'2MB','limit':0}],"
	       "'blockIO':{'weight':10},'unified':{'cpuset.cpus':'1','memory.high':'max'}}}}",
	       "'process':{'cwd':'/','args':['sh'],'oomScoreAdj':-998,'rlimits':[]}",
	       "'hooks':{'startContainer':[{'path':'/s'}]}", "'annotations':{'a':'b'}",
	       "'cgroupsPath':'/web'", "'sysctl':{'net.ipv4.ip_forward':'1'}",
	       "'seccomp':{'defaultAction':'SCMP_ACT_ERRNO'}", "'maskedPaths':['/proc/acpi']",
	       "'resources':{'cpu':{'shares':512},'memory':{'limit':1048576},"
	       "'pids':{'limit':10},'unified':{'memory.high':'max'}}",
	       "!mountLabel");
	REFUSE(HEAD "'hooks':{'createContainer':[{'path':'/h'}]}}", "/hooks/createContainer",
	       "its program is on the host");
	REFUSE(LINUX "'namespaces':[{'type':'network'}],'netDevices':{'eth0':{}}}}",
	       "/linux/netDevices", "cannot be moved");
	REFUSE(LINUX "'seccomp':{'defaultAction':'SCMP_ACT_ALLOW','listenerPath':'/run/s',"
		     "'syscalls':[{'names':['bind'],'action':'SCMP_ACT_NOTIFY'}]}}}",
	       "/linux/seccomp/listenerPath", "\"/run/s\" is not possible");
	REFUSE(LINUX "'resources':{'hugepageLimits':[{'pageSize':'1GB','limit':0},"
		     "{'pageSize':'2MB','limit':4194304}]}}}",
	       "/linux/resources/hugepageLimits/1/limit", "4194304 bytes in pages of 2MB");
	EXPECT(LINUX "'netDevices':{},'seccomp':{'defaultAction':'SCMP_ACT_ALLOW',"
		     "'listenerPath':''}}}",
	       "!netDevices", "!listenerPath");
}

static void test_process(void **state)
{
	static const char given[] = "{\"cwd\":\"/\",\"args\":[\"sh\"],\"apparmorProfile\":\"x\","
				    "\"user\":{\"uid\":5},\"selinuxLabel\":\"y\",\"new\":1}";
	bh_auto_free char *text = NULL;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	assert_int_equal(bh_guest_process(given, strlen(given), &text, &err), 0);
	assert_string_equal(text,
			    "{\"cwd\":\"/\",\"args\":[\"sh\"],\"user\":{\"uid\":5},\"new\":1}");
	free(bh_take(&text));
	assert_int_equal(bh_guest_process("[", 1, &text, &err), -EINVAL);
	assert_null(text);
}

/* ---- applying ---------------------------------------------------------------------------- */

/* A VM that counts. */
static int disks_in, disks_out, refuse_disk;
static struct bh_vm_disk last_disk;

int bh_vm_add_disk(struct bh_vm *vm, const struct bh_vm_disk *disk, uint32_t *ret_number,
		   struct bh_err *err)
{
	(void)vm;
	if (disks_in + 1 == refuse_disk)
		return bh_err_as(err, BH_ERR_PEER, -EIO, "no more disks");
	last_disk = *disk;
	*ret_number = (uint32_t)(6 + disks_in++);
	return 0;
}

int bh_vm_remove_disk(struct bh_vm *vm, uint32_t number, struct bh_err *err)
{
	(void)vm;
	(void)number;
	(void)err;
	disks_out++;
	return 0;
}

static struct bh_guest_plan *plan_two_images(struct bh_arena *arena, struct bh_spec *spec)
{
	static const char text[] = "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"" HOST
				   "/image.ext4\"}}";
	struct bh_guest_source source = { .id = "web",
					  .bundle = HOST "/bundle",
					  .config = text,
					  .config_len = strlen(text),
					  .spec = spec };
	struct bh_guest_plan *plan = NULL;
	struct bh_err err = BH_ERR_INIT;

	assert_int_equal(bh_spec_parse(arena, text, strlen(text), spec, &err), 0);
	assert_int_equal(bh_guest_plan_new(&source, &plan, &err), 0);
	return plan;
}

static void test_apply_disk(void **state)
{
	/* Nobody looks into it: adding and removing disks are this program's own. */
	struct bh_vm *some_vm = (struct bh_vm *)state;
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_spec spec;
	struct bh_guest_plan *plan;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	NEEDS_ROOT();
	plan = plan_two_images(&arena, &spec);
	assert_int_equal(bh_guest_plan_apply(plan, NULL, some_vm, &err), 0);
	assert_int_equal(disks_in, 1);
	assert_false(last_disk.readonly);
	assert_string_equal(bh_guest_plan_message(plan)->storages[0]->source, "6");
	assert_string_equal(bh_guest_plan_message(plan)->storages[0]->driver, "disk");
	assert_int_equal(bh_guest_plan_undo(plan, NULL, some_vm, &err), 0);
	assert_int_equal(bh_guest_plan_undo(plan, NULL, some_vm, &err), 0);
	assert_int_equal(disks_out, 1);

	refuse_disk = 2;
	assert_int_equal(bh_guest_plan_apply(plan, NULL, some_vm, &err), -EIO);
	assert_non_null(strstr(err.text, "disk '" HOST "/image.ext4' /root/path: no more disks"));
	assert_int_equal(disks_out, 1);
	refuse_disk = 0;
	/* Another kind of file than it was when the plan was made. */
	unlink(HOST "/image.ext4");
	assert_int_equal(mknod(HOST "/image.ext4", S_IFCHR | 0600, makedev(1, 3)), 0);
	assert_int_equal(bh_guest_plan_apply(plan, NULL, some_vm, &err), -ESTALE);
	bh_guest_plan_free(plan);
}

/* ---- an engine's mounts, for real -------------------------------------------------------- */

static bool in_share(const struct bh_share *share, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), HOST "/shared/%s", name);
	return bh_share_pid(share) > 0 && !access(path, F_OK);
}

static bool is_mounted(const char *path)
{
	bh_auto_fclose FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096], text[256];

	assert_non_null(file);
	snprintf(text, sizeof(text), " %s ", path);
	while (fgets(line, sizeof(line), file))
		if (strstr(line, text))
			return true;
	return false;
}

static void test_apply_engine_root(void **state)
{
	static const char text[] = "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"}}";
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	char *options[] = { TEXT("index=off"), TEXT("workdir=" HOST "/work"),
			    TEXT("upperdir=" HOST "/upper"),
			    TEXT("lowerdir=" HOST "/data:" HOST "/lower") };
	Task__Mount overlay = TASK__MOUNT__INIT, *mounts[] = { &overlay };
	struct bh_share_config config = { .dir = HOST "/shared" };
	struct bh_spec spec;
	struct bh_guest_source source = { .id = "web",
					  .bundle = HOST "/bundle",
					  .config = text,
					  .config_len = strlen(text),
					  .spec = &spec,
					  .rootfs = mounts,
					  .n_rootfs = 1 };
	struct bh_loop loop = BH_LOOP_INIT;
	struct bh_share *share = NULL;
	struct bh_guest_plan *plan = NULL;
	struct bh_err err = BH_ERR_INIT;

	(void)state;
	if (!root || bh_share_ready(NULL) < 0)
		skip();
	make_dirs(HOST "/work");
	make_dirs(HOST "/upper");
	make_dirs(HOST "/lower");
	make_dirs(HOST "/shared");
	make_file(HOST "/lower/from-image");
	overlay.type = overlay.source = TEXT("overlay");
	overlay.options = options;
	overlay.n_options = BH_ARRAY_SIZE(options);
	assert_int_equal(bh_spec_parse(&arena, text, strlen(text), &spec, &err), 0);
	assert_int_equal(bh_loop_init(&loop, &err), 0);
	assert_int_equal(bh_share_start(&loop, &config, NULL, NULL, &share, &err), 0);
	assert_int_equal(bh_guest_plan_new(&source, &plan, &err), 0);
	for (int i = 0; i < 2; i++) { /* again after undo, as after a failed Prepare */
		assert_int_equal(bh_guest_plan_apply(plan, share, NULL, &err), 0);
		assert_true(in_share(share, "web/rootfs/from-image"));
		make_file(HOST "/shared/web/rootfs/written");
		assert_int_equal(access(HOST "/upper/written", F_OK), 0);
		/* Where it was mounted for a moment, nothing is. */
		assert_false(is_mounted(HOST "/bundle/rootfs"));
		assert_int_equal(bh_guest_plan_undo(plan, share, NULL, &err), 0);
		assert_false(in_share(share, "web"));
	}
	/* A mount that fails leaves nothing. */
	rmdir(HOST "/work/work");
	rmdir(HOST "/work");
	assert_true(bh_guest_plan_apply(plan, share, NULL, &err) < 0);
	assert_false(is_mounted(HOST "/bundle/rootfs"));
	assert_false(in_share(share, "web"));
	bh_guest_plan_free(plan);
	bh_share_free(share);
	bh_loop_deinit(&loop);
	assert_false(is_mounted(HOST "/shared"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root_directory), cmocka_unit_test(test_root_disk),
		cmocka_unit_test(test_engine_root),    cmocka_unit_test(test_guest_mounts),
		cmocka_unit_test(test_binds),          cmocka_unit_test(test_tmpfs),
		cmocka_unit_test(test_kernel_views),   cmocka_unit_test(test_devices),
		cmocka_unit_test(test_idmaps),         cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_fields),         cmocka_unit_test(test_process),
		cmocka_unit_test(test_apply_disk),     cmocka_unit_test(test_apply_engine_root),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
