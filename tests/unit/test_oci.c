/* SPDX-License-Identifier: Apache-2.0 */
/* What the parser reads, field by field, and what it leaves out on purpose. */
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/buf.h"
#include "oci/default_spec.h"
#include "oci/spec.h"
#include "oci_documents.h"

struct fixture {
	struct bh_arena arena;
	struct bh_spec spec;
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	bh_arena_deinit(&f->arena);
	free(f);
	return 0;
}

/* The document's text is gone when the spec is looked at: nothing may point into it. */
static const struct bh_spec *parse(void **state, enum frame frame, const char *fragment)
{
	struct fixture *f = *state;
	struct bh_err err = BH_ERR_INIT;
	char line[1024];
	char *text = malloc(8192);
	size_t len = frame_document(text, 8192, frame, fragment);
	char *exact = malloc(len); /* without room for a NUL */
	int r;

	memcpy(exact, text, len);
	free(text);
	r = bh_spec_parse(&f->arena, exact, len, &f->spec, &err);
	memset(exact, 'x', len);
	free(exact);
	if (r)
		fail_msg("%s", bh_err_format(&err, line, sizeof(line)));
	return &f->spec;
}

#define assert_strv(list, ...) assert_strv_(&(list), (const char *const[]){ __VA_ARGS__, NULL })

static void assert_strv_(const struct bh_strv *list, const char *const *want)
{
	size_t n = 0;

	for (; want[n]; n++) {
		assert_true(n < list->n);
		assert_string_equal(list->v[n], want[n]);
	}
	assert_int_equal(list->n, n);
	assert_null(list->v[n]);
}

static void assert_opt_u64(struct bh_opt_u64 got, uint64_t want)
{
	assert_true(got.set);
	assert_true(got.v == want);
}

static void assert_opt_i64(struct bh_opt_i64 got, int64_t want)
{
	assert_true(got.set);
	assert_true(got.v == want);
}

static void assert_opt_u32(struct bh_opt_u32 got, uint32_t want)
{
	assert_true(got.set);
	assert_true(got.v == want);
}

/* ---- process ----------------------------------------------------------------------------- */

static void a_minimal_document_has_nothing_else(void **state)
{
	const struct bh_spec *spec = parse(state, TOP, "'x':1");

	assert_string_equal(spec->oci_version, "1.3.0");
	assert_true(spec->root.set);
	assert_string_equal(spec->root.path, "rootfs");
	assert_false(spec->root.readonly);
	assert_false(spec->process.set);
	assert_false(spec->linux_.set);
	assert_false(spec->linux_.resources.set);
	assert_false(spec->linux_.seccomp.set);
	assert_null(spec->hostname);
	assert_null(spec->mounts.v);
	assert_null(spec->hooks[BH_HOOK_POSTSTOP].v);
	assert_null(spec->annotations.v);
	assert_null(bh_spec_annotation(spec, "a"));
	assert_null(bh_spec_namespace(spec, BH_NS_PID));
}

static void a_process_is_read(void **state)
{
	const struct bh_process *p =
		&parse(state, PROCESS,
		       "'terminal':true,'consoleSize':{'height':24,'width':80},'cwd':'/w',"
		       "'args':['a','','c'],'env':['A=b','C='],"
		       "'user':{'uid':4294967295,'gid':7,'umask':18,'additionalGids':[0,5],"
		       "'username':'u'},"
		       "'noNewPrivileges':true,'apparmorProfile':'prof','selinuxLabel':'u:r:t:s0',"
		       "'oomScoreAdj':-999")
			 ->process;

	assert_true(p->set && p->terminal && p->no_new_privileges);
	assert_int_equal(p->console_size.height, 24);
	assert_int_equal(p->console_size.width, 80);
	assert_string_equal(p->cwd, "/w");
	assert_strv(p->args, "a", "", "c");
	assert_strv(p->env, "A=b", "C=");
	assert_true(p->user.uid == UINT32_MAX);
	assert_int_equal(p->user.gid, 7);
	assert_opt_u32(p->user.umask, 18);
	assert_int_equal(p->user.additional_gids.n, 2);
	assert_int_equal(p->user.additional_gids.v[1], 5);
	assert_string_equal(p->user.username, "u");
	assert_string_equal(p->apparmor_profile, "prof");
	assert_string_equal(p->selinux_label, "u:r:t:s0");
	assert_opt_i64(p->oom_score_adj, -999);
}

static void limits_and_priorities_are_read(void **state)
{
	const struct bh_process *p =
		&parse(state, PROCESS,
		       "'rlimits':[{'type':'RLIMIT_NOFILE','soft':1024,'hard':18446744073709551615}"
		       ","
		       "{'type':'RLIMIT_CORE','soft':0,'hard':0}],"
		       "'scheduler':{'policy':'SCHED_DEADLINE','nice':0,'runtime':1,'deadline':2,"
		       "'period':3,'flags':['SCHED_FLAG_RECLAIM','SCHED_FLAG_RESET_ON_FORK']},"
		       "'ioPriority':{'class':'IOPRIO_CLASS_IDLE','priority':7},"
		       "'execCPUAffinity':{'initial':'0-3,7','final':' 1 ,, 1023'}")
			 ->process;

	assert_int_equal(p->rlimits.n, 2);
	assert_int_equal(p->rlimits.v[0].resource, RLIMIT_NOFILE);
	assert_string_equal(p->rlimits.v[0].name, "RLIMIT_NOFILE");
	assert_int_equal(p->rlimits.v[0].soft, 1024);
	assert_true(p->rlimits.v[0].hard == RLIM_INFINITY);
	assert_int_equal(p->rlimits.v[1].resource, RLIMIT_CORE);
	assert_true(p->scheduler.set && p->io_priority.set);
	assert_int_equal(p->scheduler.policy, 6);
	assert_int_equal(p->scheduler.flags, 3);
	assert_int_equal(p->scheduler.runtime_ns, 1);
	assert_int_equal(p->scheduler.deadline_ns, 2);
	assert_int_equal(p->scheduler.period_ns, 3);
	assert_int_equal(p->io_priority.class, 3);
	assert_int_equal(p->io_priority.priority, 7);
	assert_string_equal(p->exec_cpu_affinity.initial, "0-3,7");
	assert_string_equal(p->exec_cpu_affinity.final, " 1 ,, 1023");
}

static void capabilities_are_bits_and_unknown_ones_are_kept(void **state)
{
	const struct bh_caps *caps = &parse(state, PROCESS,
					    "'capabilities':{'bounding':['CAP_CHOWN','CAP_"
					    "CHECKPOINT_RESTORE','CAP_NEW'],"
					    "'effective':['CAP_NEW','cap_kill'],'inheritable':[],"
					    "'permitted':['CAP_KILL'],'ambient':['CAP_SYS_ADMIN']}")
					      ->process.capabilities;

	assert_true(caps->set);
	assert_true(caps->bounding == (1ULL << CAP_CHOWN | 1ULL << CAP_CHECKPOINT_RESTORE));
	assert_true(caps->effective == 0);
	assert_true(caps->inheritable == 0);
	assert_true(caps->permitted == 1ULL << CAP_KILL);
	assert_true(caps->ambient == 1ULL << CAP_SYS_ADMIN);
	assert_strv(caps->unknown, "CAP_NEW", "cap_kill");
}

/* ---- mounts, hooks ----------------------------------------------------------------------- */

static void mounts_are_read_in_their_order(void **state)
{
	const struct bh_spec *spec =
		parse(state, MOUNT,
		      "'destination':'rel/x','source':'src','type':'none','options':['bind','ro'],"
		      "'uidMappings':[{'containerID':1,'hostID':2,'size':3}],"
		      "'gidMappings':[{'size':4294967295}]");
	const struct bh_mount *m = &spec->mounts.v[1];

	assert_int_equal(spec->mounts.n, 2);
	assert_string_equal(spec->mounts.v[0].destination, "/a");
	assert_null(spec->mounts.v[0].source);
	assert_null(spec->mounts.v[0].options.v);
	assert_string_equal(m->destination, "/rel/x");
	assert_string_equal(m->source, "src");
	assert_string_equal(m->type, "none");
	assert_strv(m->options, "bind", "ro");
	assert_int_equal(m->uid_mappings.n, 1);
	assert_int_equal(m->uid_mappings.v[0].container_id, 1);
	assert_int_equal(m->uid_mappings.v[0].host_id, 2);
	assert_int_equal(m->uid_mappings.v[0].size, 3);
	assert_true(m->gid_mappings.v[0].size == UINT32_MAX);
}

static void hooks_are_read_by_kind(void **state)
{
	static const char *const keys[BH_HOOK_MAX_] = { "prestart",        "createRuntime",
							"createContainer", "startContainer",
							"poststart",       "poststop" };

	for (int kind = 0; kind < BH_HOOK_MAX_; kind++) {
		char text[256];
		const struct bh_spec *spec;
		const struct bh_hook *hook;

		snprintf(text, sizeof(text),
			 "'hooks':{'%s':[{'path':'/%s','args':['a','b'],'env':['K=v'],"
			 "'timeout':5},{'path':'/second'}]}",
			 keys[kind], keys[kind]);
		spec = parse(state, TOP, text);
		for (int other = 0; other < BH_HOOK_MAX_; other++)
			assert_int_equal(spec->hooks[other].n, other == kind ? 2 : 0);
		hook = spec->hooks[kind].v;
		assert_string_equal(hook[0].path + 1, keys[kind]);
		assert_strv(hook[0].args, "a", "b");
		assert_strv(hook[0].env, "K=v");
		assert_opt_i64(hook[0].timeout, 5);
		assert_string_equal(hook[1].path, "/second");
		assert_null(hook[1].env.v);
		assert_false(hook[1].timeout.set);
	}
}

static void names_and_annotations_are_read(void **state)
{
	const struct bh_spec *spec = parse(
		state, TOP,
		"'hostname':'h\\u00e9','domainname':'d','annotations':{'a':'1','b':'','c':'2',"
		"'a':'3'},'linux':{'namespaces':[{'type':'uts','path':'/proc/1/ns/uts'}]}");

	assert_string_equal(spec->hostname, "h\xc3\xa9");
	assert_string_equal(spec->domainname, "d");
	assert_int_equal(spec->annotations.n, 3);
	assert_string_equal(bh_spec_annotation(spec, "a"), "3");
	assert_string_equal(bh_spec_annotation(spec, "b"), "");
	assert_null(bh_spec_annotation(spec, "z"));
	assert_string_equal(bh_spec_namespace(spec, BH_NS_UTS)->path, "/proc/1/ns/uts");
}

/* ---- linux ------------------------------------------------------------------------------- */

static void namespaces_and_ids_are_read(void **state)
{
	const struct bh_linux *l =
		&parse(state, LINUX,
		       "'namespaces':[{'type':'time'},{'type':'cgroup'},{'type':'mount'},"
		       "{'type':'uts'},{'type':'ipc'},{'type':'network','path':'/n'},{'type':'pid',"
		       "'path':''},{'type':'user'}],"
		       "'uidMappings':[{'hostID':1000,'size':1},{'containerID':1,'hostID':100000,"
		       "'size':65535}],'gidMappings':[{'containerID':0,'hostID':5,'size':1}],"
		       "'timeOffsets':{'monotonic':{'secs':-7,'nanosecs':999999999},"
		       "'boottime':{'secs':86400}},"
		       "'netDevices':{'eth0':{'name':'ct%d'},'eth1':{}}")
			 ->linux_;
	static const enum bh_ns_kind order[] = {
		BH_NS_TIME, BH_NS_CGROUP,  BH_NS_MOUNT, BH_NS_UTS,
		BH_NS_IPC,  BH_NS_NETWORK, BH_NS_PID,   BH_NS_USER
	};

	assert_int_equal(l->namespaces.n, BH_NS_MAX_);
	for (size_t i = 0; i < BH_NS_MAX_; i++)
		assert_int_equal(l->namespaces.v[i].kind, order[i]);
	assert_string_equal(l->namespaces.v[5].path, "/n");
	assert_null(l->namespaces.v[6].path);
	assert_int_equal(l->uid_mappings.n, 2);
	assert_int_equal(l->uid_mappings.v[1].host_id, 100000);
	assert_int_equal(l->gid_mappings.v[0].host_id, 5);
	assert_true(l->time_monotonic.set && l->time_boottime.set);
	assert_int_equal(l->time_monotonic.secs, -7);
	assert_int_equal(l->time_monotonic.nanosecs, 999999999);
	assert_int_equal(l->time_boottime.secs, 86400);
	assert_int_equal(l->net_devices.n, 2);
	assert_string_equal(l->net_devices.v[0].host_name, "eth0");
	assert_string_equal(l->net_devices.v[0].name, "ct%d");
	assert_string_equal(l->net_devices.v[1].host_name, "eth1");
	assert_null(l->net_devices.v[1].name);
}

static void the_rest_of_linux_is_read(void **state)
{
	const struct bh_linux *l =
		&parse(state, LINUX,
		       "'namespaces':[{'type':'mount'}],'sysctl':{'net.core.somaxconn':'256'},"
		       "'cgroupsPath':'/a/b','rootfsPropagation':'rslave','maskedPaths':['/m'],"
		       "'readonlyPaths':['/r','/s'],'mountLabel':'l',"
		       "'intelRdt':{'closID':'c','schemata':['L3:0=f'],'l3CacheSchema':'L3:0="
		       "7\\nL3:1=7',"
		       "'memBwSchema':'MB:0=20','enableCMT':true,'enableMBM':true,"
		       "'enableMonitoring':true},"
		       "'memoryPolicy':{'mode':'MPOL_INTERLEAVE','nodes':'0-1',"
		       "'flags':['MPOL_F_STATIC_NODES']},"
		       "'personality':{'domain':'LINUX32','flags':['X']},"
		       "'devices':[{'path':'/dev/fuse','type':'c','major':10,'minor':229,"
		       "'fileMode':438,'uid':1,'gid':2},{'path':'/p','type':'p'}]")
			 ->linux_;

	assert_int_equal(l->sysctl.n, 1);
	assert_string_equal(l->sysctl.v[0].key, "net.core.somaxconn");
	assert_string_equal(l->sysctl.v[0].value, "256");
	assert_string_equal(l->cgroups_path, "/a/b");
	assert_string_equal(l->rootfs_propagation, "rslave");
	assert_strv(l->masked_paths, "/m");
	assert_strv(l->readonly_paths, "/r", "/s");
	assert_string_equal(l->mount_label, "l");
	assert_true(l->intel_rdt.set && l->intel_rdt.enable_cmt && l->intel_rdt.enable_mbm &&
		    l->intel_rdt.enable_monitoring);
	assert_string_equal(l->intel_rdt.clos_id, "c");
	assert_strv(l->intel_rdt.schemata, "L3:0=f");
	assert_string_equal(l->intel_rdt.l3_cache_schema, "L3:0=7\nL3:1=7");
	assert_string_equal(l->intel_rdt.mem_bw_schema, "MB:0=20");
	assert_string_equal(l->memory_policy.mode, "MPOL_INTERLEAVE");
	assert_string_equal(l->memory_policy.nodes, "0-1");
	assert_strv(l->memory_policy.flags, "MPOL_F_STATIC_NODES");
	assert_true(l->personality.set);
	assert_string_equal(l->personality.domain, "LINUX32");
	assert_strv(l->personality.flags, "X");
	assert_int_equal(l->devices.n, 2);
	assert_string_equal(l->devices.v[0].path, "/dev/fuse");
	assert_int_equal(l->devices.v[0].type, 'c');
	assert_int_equal(l->devices.v[0].major, 10);
	assert_int_equal(l->devices.v[0].minor, 229);
	assert_opt_u32(l->devices.v[0].file_mode, 0666);
	assert_opt_u32(l->devices.v[0].uid, 1);
	assert_opt_u32(l->devices.v[0].gid, 2);
	assert_int_equal(l->devices.v[1].type, 'p');
	assert_false(l->devices.v[1].file_mode.set);
}

static void limits_of_cgroups_are_read(void **state)
{
	const struct bh_resources *r =
		&parse(state, RESOURCES,
		       "'devices':[{'allow':false,'access':'rwm'},{'allow':true,'type':'c','major':"
		       "1,"
		       "'minor':-1,'access':'rw'}],"
		       "'memory':{'limit':-1,'reservation':2,'swap':3,'kernel':4,'kernelTCP':5,"
		       "'swappiness':60,'disableOOMKiller':true,'useHierarchy':false,"
		       "'checkBeforeUpdate':true},"
		       "'cpu':{'shares':1024,'quota':-1,'burst':10,'period':100000,"
		       "'realtimeRuntime':950,'realtimePeriod':1000,'cpus':'0-1','mems':'0','idle':"
		       "1},"
		       "'pids':{'limit':0},"
		       "'hugepageLimits':[{'pageSize':'2MB','limit':9},{'pageSize':'64KB','limit':"
		       "0}],"
		       "'network':{'classID':1048577,'priorities':[{'name':'eth0','priority':500}]}"
		       ","
		       "'rdma':{'mlx5_1':{'hcaHandles':3,'hcaObjects':10000},'mlx4_0':{}},"
		       "'unified':{'memory.high':'1','cgroup.freeze':''}")
			 ->linux_.resources;

	assert_true(r->set);
	assert_int_equal(r->devices.n, 2);
	assert_int_equal(r->devices.v[0].type, 'a');
	assert_false(r->devices.v[0].allow || r->devices.v[0].major.set);
	assert_true(r->devices.v[1].allow);
	assert_opt_i64(r->devices.v[1].major, 1);
	assert_opt_i64(r->devices.v[1].minor, -1);
	assert_string_equal(r->devices.v[1].access, "rw");
	assert_opt_i64(r->memory.limit, -1);
	assert_opt_i64(r->memory.reservation, 2);
	assert_opt_i64(r->memory.swap, 3);
	assert_opt_i64(r->memory.kernel, 4);
	assert_opt_i64(r->memory.kernel_tcp, 5);
	assert_opt_u64(r->memory.swappiness, 60);
	assert_true(r->memory.disable_oom_killer.set && r->memory.disable_oom_killer.v);
	assert_true(r->memory.use_hierarchy.set && !r->memory.use_hierarchy.v);
	assert_true(r->memory.check_before_update.v);
	assert_opt_u64(r->cpu.shares, 1024);
	assert_opt_i64(r->cpu.quota, -1);
	assert_opt_u64(r->cpu.burst, 10);
	assert_opt_u64(r->cpu.period, 100000);
	assert_opt_i64(r->cpu.realtime_runtime, 950);
	assert_opt_u64(r->cpu.realtime_period, 1000);
	assert_string_equal(r->cpu.cpus, "0-1");
	assert_string_equal(r->cpu.mems, "0");
	assert_opt_i64(r->cpu.idle, 1);
	assert_opt_i64(r->pids_limit, 0);
	assert_int_equal(r->hugepage_limits.n, 2);
	assert_string_equal(r->hugepage_limits.v[1].page_size, "64KB");
	assert_int_equal(r->hugepage_limits.v[0].limit, 9);
	assert_opt_u32(r->network.class_id, 1048577);
	assert_string_equal(r->network.priorities.v[0].name, "eth0");
	assert_int_equal(r->network.priorities.v[0].priority, 500);
	assert_int_equal(r->rdma.n, 2);
	assert_string_equal(r->rdma.v[0].device, "mlx5_1");
	assert_opt_u32(r->rdma.v[0].hca_objects, 10000);
	assert_string_equal(r->rdma.v[1].device, "mlx4_0");
	assert_false(r->rdma.v[1].hca_handles.set);
	assert_string_equal(r->unified.v[1].key, "cgroup.freeze");
	assert_string_equal(r->unified.v[1].value, "");
}

static void block_devices_are_read(void **state)
{
	const struct bh_block_io *io =
		&parse(state, RESOURCES,
		       "'blockIO':{'weight':10,'leafWeight':65535,"
		       "'weightDevice':[{'major':8,'minor':1,'weight':500,'leafWeight':300}],"
		       "'throttleReadBpsDevice':[{'major':8,'minor':2,'rate':18446744073709551615}]"
		       ","
		       "'throttleWriteBpsDevice':[{'major':8,'minor':3,'rate':2}],"
		       "'throttleReadIOPSDevice':[{'major':8,'minor':4,'rate':3}],"
		       "'throttleWriteIOPSDevice':[{'major':8,'minor':5,'rate':4},{}]}")
			 ->linux_.resources.block_io;

	assert_opt_u64(io->weight, 10);
	assert_opt_u64(io->leaf_weight, 65535);
	assert_int_equal(io->weight_device.n, 1);
	assert_int_equal(io->weight_device.v[0].minor, 1);
	assert_opt_u64(io->weight_device.v[0].weight, 500);
	assert_opt_u64(io->weight_device.v[0].leaf_weight, 300);
	assert_int_equal(io->throttle_read_bps_device.v[0].minor, 2);
	assert_true(io->throttle_read_bps_device.v[0].rate == UINT64_MAX);
	assert_int_equal(io->throttle_write_bps_device.v[0].minor, 3);
	assert_int_equal(io->throttle_read_iops_device.v[0].minor, 4);
	assert_int_equal(io->throttle_write_iops_device.v[0].rate, 4);
	assert_int_equal(io->throttle_write_iops_device.n, 2);
}

static void seccomp_profiles_are_read(void **state)
{
	const struct bh_seccomp *s =
		&parse(state, SECCOMP,
		       "'defaultErrnoRet':38,'architectures':['SCMP_ARCH_X86_64','SCMP_ARCH_X32'],"
		       "'flags':['SECCOMP_FILTER_FLAG_LOG'],'listenerPath':'/run/s',"
		       "'listenerMetadata':'m',"
		       "'syscalls':[{'names':['read','write'],'action':'SCMP_ACT_ALLOW'},"
		       "{'names':['clone'],'action':'SCMP_ACT_ERRNO','errnoRet':1,"
		       "'args':[{'index':0,'value':2114060288,'valueTwo':5,'op':'SCMP_CMP_MASKED_"
		       "EQ'},"
		       "{'index':5,'value':18446744073709551615,'op':'SCMP_CMP_NE'}]},"
		       "{'names':['mount'],'action':'SCMP_ACT_NOTIFY'}]")
			 ->linux_.seccomp;

	assert_true(s->set);
	assert_string_equal(s->default_action, "SCMP_ACT_ERRNO");
	assert_opt_u32(s->default_errno_ret, 38);
	assert_strv(s->architectures, "SCMP_ARCH_X86_64", "SCMP_ARCH_X32");
	assert_strv(s->flags, "SECCOMP_FILTER_FLAG_LOG");
	assert_string_equal(s->listener_path, "/run/s");
	assert_string_equal(s->listener_metadata, "m");
	assert_int_equal(s->syscalls.n, 3);
	assert_strv(s->syscalls.v[0].names, "read", "write");
	assert_string_equal(s->syscalls.v[0].action, "SCMP_ACT_ALLOW");
	assert_false(s->syscalls.v[0].errno_ret.set);
	assert_opt_u32(s->syscalls.v[1].errno_ret, 1);
	assert_int_equal(s->syscalls.v[1].args.n, 2);
	assert_int_equal(s->syscalls.v[1].args.v[0].value, 2114060288);
	assert_int_equal(s->syscalls.v[1].args.v[0].value_two, 5);
	assert_int_equal(s->syscalls.v[1].args.v[0].op, BH_SECCOMP_MASKED_EQ);
	assert_int_equal(s->syscalls.v[1].args.v[1].index, 5);
	assert_true(s->syscalls.v[1].args.v[1].value == UINT64_MAX);
	assert_int_equal(s->syscalls.v[1].args.v[1].op, BH_SECCOMP_NE);
}

static void a_seccomp_section_without_content_is_none(void **state)
{
	assert_false(parse(state, LINUX, "'seccomp':{}")->linux_.seccomp.set);
	assert_false(parse(state, LINUX, "'seccomp':{'defaultAction':'','syscalls':null}")
			     ->linux_.seccomp.set);
}

/* ---- what counts as absent ---------------------------------------------------------------- */

static void null_is_absent_and_unknown_is_ignored(void **state)
{
	const struct bh_spec *spec =
		parse(state, TOP,
		      "'process':null,'mounts':null,'hooks':null,'hostname':null,'linux':{"
		      "'resources':null,'seccomp':null,'namespaces':null,'unknown':{'a':[{}]}},"
		      "'windows':{'layerFolders':[1]},'vm':3,'solaris':[],'zos':{},'OciVersion':5");

	assert_false(spec->process.set);
	assert_null(spec->mounts.v);
	assert_true(spec->linux_.set);
	assert_false(spec->linux_.resources.set);
	assert_null(spec->linux_.namespaces.v);
}

static void an_empty_string_is_absent_and_an_empty_list_is_not(void **state)
{
	const struct bh_spec *spec =
		parse(state, TOP,
		      "'hostname':'','process':{'cwd':'/','args':['x'],'apparmorProfile':''},"
		      "'mounts':[],'linux':{'cgroupsPath':'','seccomp':{'defaultAction':"
		      "'SCMP_ACT_ALLOW','flags':[]},'uidMappings':[],'rootfsPropagation':'',"
		      "'netDevices':{},'resources':{'unified':{},'devices':[]}}");

	assert_null(spec->hostname);
	assert_null(spec->process.apparmor_profile);
	assert_null(spec->process.env.v);
	assert_null(spec->linux_.cgroups_path);
	assert_null(spec->linux_.rootfs_propagation);
	assert_non_null(spec->mounts.v);
	assert_int_equal(spec->mounts.n, 0);
	assert_non_null(spec->linux_.seccomp.flags.v);
	assert_int_equal(spec->linux_.seccomp.flags.n, 0);
	assert_null(spec->linux_.seccomp.architectures.v);
	assert_non_null(spec->linux_.uid_mappings.v);
	assert_int_equal(spec->linux_.net_devices.n, 0);
	assert_int_equal(spec->linux_.resources.devices.n, 0);
}

static void all_versions_of_one_are_taken(void **state)
{
	static const char *const versions[] = { "1.0.0",         "1.0.2-dev", "1.3.0",
						"1.99.100",      "1.0.0-rc5", "1.2.0+x.y",
						"1.2.1-a.b-c+01" };

	for (size_t i = 0; i < BH_ARRAY_SIZE(versions); i++) {
		char text[64];

		snprintf(text, sizeof(text), "'ociVersion':'%s'", versions[i]);
		assert_string_equal(parse(state, TOP, text)->oci_version, versions[i]);
	}
}

static void what_looks_odd_but_is_right_is_taken(void **state)
{
	static const struct {
		enum frame frame;
		const char *fragment;
	} cases[] = {
		{ TOP, "'a':1.5e400,'b':-0,'c':[1E+2,-1.0],'d':'\\\\u0000','e':'\\\"\\/'" },
		{ TOP, "'a':123456789012345678901234567890.5,'b':1e99999999999999999999" },
		{ TOP, "\n\t\r 'a':'N I \xc3\xa9 \\ud83d\\ude00'" },
		{ LINUX, "'namespaces':[{'type':'user','path':'/u'}]" },
		{ LINUX, "'namespaces':[{'type':'user','path':'/u'}],'uidMappings':[{'size':1}]" },
		{ LINUX, "'namespaces':[{'type':'network','path':'/n'}],'netDevices':{'e':{}}" },
		{ LINUX, "'uidMappings':[],'timeOffsets':{}" },
		{ LINUX, "'memoryPolicy':{'mode':'MPOL_PREFERRED'}" },
		{ LINUX, "'memoryPolicy':{'mode':'MPOL_LOCAL','nodes':''}" },
		{ PROCESS, "'execCPUAffinity':{}" },
		{ PROCESS, "'scheduler':{'policy':'SCHED_ISO'}" },
		{ PROCESS, "'scheduler':{'policy':'SCHED_RR','priority':99,'nice':100}" },
		{ PROCESS, "'user':{}" },
		{ MOUNT, "'options':['rbind','ridmap'],'uidMappings':[{'size':1}],"
			 "'gidMappings':[{'size':1}]" },
		{ RULE, "'action':'SCMP_ACT_TRACE','errnoRet':5" },
	};

	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++)
		parse(state, cases[i].frame, cases[i].fragment);
}

/* ---- documents of their own ---------------------------------------------------------------- */

static void process_and_resources_stand_alone(void **state)
{
	static const char process[] = "{\"cwd\":\"/\",\"args\":[\"x\"],\"user\":{\"uid\":5}}";
	static const char resources[] = "{\"memory\":{\"limit\":7},\"pids\":{\"limit\":-1}}";
	struct fixture *f = *state;
	struct bh_err err = BH_ERR_INIT;
	struct bh_process p;
	struct bh_resources r;
	char line[256];

	assert_int_equal(bh_spec_parse_process(&f->arena, process, strlen(process), &p, &err), 0);
	assert_true(p.set);
	assert_int_equal(p.user.uid, 5);
	assert_int_equal(bh_spec_parse_resources(&f->arena, resources, strlen(resources), &r, &err),
			 0);
	assert_true(r.set);
	assert_opt_i64(r.memory.limit, 7);
	assert_opt_i64(r.pids_limit, -1);
	assert_int_equal(bh_spec_parse_process(&f->arena, "{}", 2, &p, &err), -EINVAL);
	assert_string_equal(bh_err_format(&err, line, sizeof(line)),
			    "required, but missing (at /cwd)");
	assert_int_equal(bh_spec_parse_resources(&f->arena, "{\"cpu\":1}", 9, &r, NULL), -EINVAL);
}

static void the_default_documents_are_right(void **state)
{
	struct fixture *f = *state;

	for (int variant = 0; variant < 4; variant++) {
		bool rootless = variant & 1, cgroup = variant & 2;
		bh_auto_buf struct bh_buf buf = BH_BUF_INIT;
		struct bh_err err = BH_ERR_INIT;
		struct bh_spec *spec = &f->spec;

		bh_spec_default_json(rootless, cgroup, &buf);
		assert_int_equal(bh_spec_parse(&f->arena, buf.data, buf.len, spec, &err), 0);
		assert_string_equal(spec->oci_version, "1.3.0");
		assert_int_equal(spec->mounts.n, 7);
		assert_int_equal(spec->linux_.masked_paths.n, 10);
		assert_int_equal(!bh_spec_namespace(spec, BH_NS_USER), !rootless);
		assert_int_equal(!bh_spec_namespace(spec, BH_NS_NETWORK), rootless);
		assert_int_equal(!bh_spec_namespace(spec, BH_NS_CGROUP), !cgroup);
		assert_int_equal(spec->linux_.uid_mappings.n, rootless);
		assert_int_equal(spec->linux_.resources.set, !rootless);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_minimal_document_has_nothing_else),
		TEST(a_process_is_read),
		TEST(limits_and_priorities_are_read),
		TEST(capabilities_are_bits_and_unknown_ones_are_kept),
		TEST(mounts_are_read_in_their_order),
		TEST(hooks_are_read_by_kind),
		TEST(names_and_annotations_are_read),
		TEST(namespaces_and_ids_are_read),
		TEST(the_rest_of_linux_is_read),
		TEST(limits_of_cgroups_are_read),
		TEST(block_devices_are_read),
		TEST(seccomp_profiles_are_read),
		TEST(a_seccomp_section_without_content_is_none),
		TEST(null_is_absent_and_unknown_is_ignored),
		TEST(an_empty_string_is_absent_and_an_empty_list_is_not),
		TEST(all_versions_of_one_are_taken),
		TEST(what_looks_odd_but_is_right_is_taken),
		TEST(process_and_resources_stand_alone),
		TEST(the_default_documents_are_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
