/* SPDX-License-Identifier: Apache-2.0 */
/* What the parser refuses, and the line that it says then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "oci/spec.h"
#include "oci_documents.h"

static const struct bad {
	enum frame frame;
	const char *fragment, *line;
} bad[] = {
	/* ---- the document ---- */
	{ TOP, "'ociVersion':2", "2 is not a string (at /ociVersion)" },
	{ TOP, "'ociVersion':''", "'' must not be empty (at /ociVersion)" },
	{ TOP, "'ociVersion':'2.0.0'",
	  "'2.0.0' is not a supported version (1.x.y) (at /ociVersion)" },
	{ TOP, "'ociVersion':'0.5.0'",
	  "'0.5.0' is not a supported version (1.x.y) (at /ociVersion)" },
	{ TOP, "'ociVersion':'1'", "'1' is not a supported version (1.x.y) (at /ociVersion)" },
	{ TOP, "'ociVersion':'1.0'", "'1.0' is not a supported version (1.x.y) (at /ociVersion)" },
	{ TOP, "'ociVersion':'1.0.0.0'",
	  "'1.0.0.0' is not a supported version (1.x.y) (at /ociVersion)" },
	{ TOP, "'ociVersion':'1.00.0'",
	  "'1.00.0' is not a supported version (1.x.y) (at /ociVersion)" },
	{ TOP, "'ociVersion':'1.0.0-'",
	  "'1.0.0-' is not a supported version (1.x.y) (at /ociVersion)" },
	{ TOP, "'ociVersion':'10.0.0'",
	  "'10.0.0' is not a supported version (1.x.y) (at /ociVersion)" },
	{ TOP, "'ociVersion':null", "required, but missing (at /ociVersion)" },
	{ TOP, "'root':null", "required, but missing (at /root)" },
	{ TOP, "'root':'rootfs'", "'rootfs' is not an object (at /root)" },
	{ TOP, "'process':[]", "[] is not an object (at /process)" },
	{ TOP, "'mounts':{}", "{} is not a list (at /mounts)" },
	{ TOP, "'mounts':['/x']", "'/x' is not an object (at /mounts/0)" },
	{ TOP, "'mounts':[null]", "null is not an object (at /mounts/0)" },
	{ TOP, "'hooks':1", "1 is not an object (at /hooks)" },
	{ TOP, "'linux':true", "true is not an object (at /linux)" },
	{ TOP, "'hostname':7", "7 is not a string (at /hostname)" },
	{ TOP, "'hostname':'h'",
	  "'h' cannot be set without a uts namespace in linux.namespaces (at /hostname)" },
	{ TOP, "'domainname':'d','linux':{'namespaces':[{'type':'pid'}]}",
	  "'d' cannot be set without a uts namespace in linux.namespaces (at /domainname)" },
	{ TOP, "'annotations':['a']", "['a'] is not an object (at /annotations)" },
	{ TOP, "'annotations':{'a/b~c':1}", "1 is not a string (at /annotations/a~1b~0c)" },
	{ TOP, "'annotations':{'a':null}", "null is not a string (at /annotations/a)" },
	/* ---- root ---- */
	{ ROOT, "'path':''", "'' must not be empty (at /root/path)" },
	{ ROOT, "'path':null", "required, but missing (at /root/path)" },
	{ ROOT, "'path':['x']", "['x'] is not a string (at /root/path)" },
	{ ROOT, "'readonly':'yes'", "'yes' is not true or false (at /root/readonly)" },
	{ ROOT, "'readonly':1", "1 is not true or false (at /root/readonly)" },
	/* ---- process ---- */
	{ PROCESS, "'cwd':'x'", "'x' is not an absolute path (at /process/cwd)" },
	{ PROCESS, "'cwd':''", "'' must not be empty (at /process/cwd)" },
	{ PROCESS, "'cwd':null", "required, but missing (at /process/cwd)" },
	{ PROCESS, "'args':[]", "[] must not be empty (at /process/args)" },
	{ PROCESS, "'args':null", "required, but missing (at /process/args)" },
	{ PROCESS, "'args':'sh'", "'sh' is not a list (at /process/args)" },
	{ PROCESS, "'args':['sh',1]", "1 is not a string (at /process/args/1)" },
	{ PROCESS, "'env':{'A':'b'}", "{'A':'b'} is not a list (at /process/env)" },
	{ PROCESS, "'env':['A=b',null]", "null is not a string (at /process/env/1)" },
	{ PROCESS, "'terminal':'true'", "'true' is not true or false (at /process/terminal)" },
	{ PROCESS, "'consoleSize':{'height':-1}",
	  "-1 is not between 0 and 4294967295 (at /process/consoleSize/height)" },
	{ PROCESS, "'consoleSize':{'width':'80'}",
	  "'80' is not an integer (at /process/consoleSize/width)" },
	{ PROCESS, "'user':0", "0 is not an object (at /process/user)" },
	{ PROCESS, "'user':{'uid':4294967296}",
	  "4294967296 is not between 0 and 4294967295 (at /process/user/uid)" },
	{ PROCESS, "'user':{'uid':-1}",
	  "-1 is not between 0 and 4294967295 (at /process/user/uid)" },
	{ PROCESS, "'user':{'gid':1.5}", "1.5 is not an integer (at /process/user/gid)" },
	{ PROCESS, "'user':{'gid':1e3}", "1e3 is not an integer (at /process/user/gid)" },
	{ PROCESS, "'user':{'umask':'022'}", "'022' is not an integer (at /process/user/umask)" },
	{ PROCESS, "'user':{'additionalGids':[1,-2]}",
	  "-2 is not between 0 and 4294967295 (at /process/user/additionalGids/1)" },
	{ PROCESS, "'user':{'additionalGids':5}",
	  "5 is not a list (at /process/user/additionalGids)" },
	{ PROCESS, "'rlimits':[{'type':'RLIMIT_FOO','soft':1,'hard':1}]",
	  "'RLIMIT_FOO' is not known here (at /process/rlimits/0/type)" },
	{ PROCESS, "'rlimits':[{'type':'','soft':1,'hard':1}]",
	  "'' is not known here (at /process/rlimits/0/type)" },
	{ PROCESS, "'rlimits':[{'soft':1,'hard':1}]",
	  "required, but missing (at /process/rlimits/0/type)" },
	{ PROCESS, "'rlimits':[{'type':'RLIMIT_CPU','soft':2,'hard':1}]",
	  "2 is above the hard limit 1 (at /process/rlimits/0/soft)" },
	{ PROCESS, "'rlimits':[{'type':'RLIMIT_CPU','hard':-1}]",
	  "-1 is not between 0 and 18446744073709551615 (at /process/rlimits/0/hard)" },
	{ PROCESS, "'rlimits':[{'type':'RLIMIT_CPU'},{'type':'RLIMIT_AS'},{'type':'RLIMIT_CPU'}]",
	  "'RLIMIT_CPU' is listed twice (at /process/rlimits/2/type)" },
	{ PROCESS, "'capabilities':['CAP_KILL']",
	  "['CAP_KILL'] is not an object (at /process/capabilities)" },
	{ PROCESS, "'capabilities':{'bounding':'CAP_KILL'}",
	  "'CAP_KILL' is not a list (at /process/capabilities/bounding)" },
	{ PROCESS, "'capabilities':{'ambient':['CAP_KILL',5]}",
	  "5 is not a string (at /process/capabilities/ambient/1)" },
	{ PROCESS, "'noNewPrivileges':0", "0 is not true or false (at /process/noNewPrivileges)" },
	{ PROCESS, "'apparmorProfile':false",
	  "false is not a string (at /process/apparmorProfile)" },
	{ PROCESS, "'apparmorProfile':'a\\nb'",
	  "'a\\nb' holds a line break (at /process/apparmorProfile)" },
	{ PROCESS, "'selinuxLabel':{}", "{} is not a string (at /process/selinuxLabel)" },
	{ PROCESS, "'oomScoreAdj':1001",
	  "1001 is not between -1000 and 1000 (at /process/oomScoreAdj)" },
	{ PROCESS, "'oomScoreAdj':-1001",
	  "-1001 is not between -1000 and 1000 (at /process/oomScoreAdj)" },
	{ PROCESS, "'oomScoreAdj':'0'", "'0' is not an integer (at /process/oomScoreAdj)" },
	{ PROCESS, "'scheduler':{}", "required, but missing (at /process/scheduler/policy)" },
	{ PROCESS, "'scheduler':{'policy':'SCHED_FOO'}",
	  "'SCHED_FOO' is not known here (at /process/scheduler/policy)" },
	{ PROCESS, "'scheduler':{'policy':'SCHED_OTHER','nice':20}",
	  "20 is not between -20 and 19 (at /process/scheduler/nice)" },
	{ PROCESS, "'scheduler':{'policy':'SCHED_BATCH','nice':-21}",
	  "-21 is not between -20 and 19 (at /process/scheduler/nice)" },
	{ PROCESS, "'scheduler':{'policy':'SCHED_OTHER','nice':2147483648}",
	  "2147483648 is not between -2147483648 and 2147483647 (at /process/scheduler/nice)" },
	{ PROCESS, "'scheduler':{'policy':'SCHED_OTHER','priority':1}",
	  "1 is only possible with SCHED_FIFO and SCHED_RR (at /process/scheduler/priority)" },
	{ PROCESS, "'scheduler':{'policy':'SCHED_FIFO','runtime':1}",
	  "1 is only possible with SCHED_DEADLINE (at /process/scheduler/runtime)" },
	{ PROCESS, "'scheduler':{'policy':'SCHED_FIFO','deadline':1}",
	  "1 is only possible with SCHED_DEADLINE (at /process/scheduler/deadline)" },
	{ PROCESS, "'scheduler':{'policy':'SCHED_FIFO','period':1}",
	  "1 is only possible with SCHED_DEADLINE (at /process/scheduler/period)" },
	{ PROCESS, "'scheduler':{'policy':'SCHED_FIFO','flags':['SCHED_FLAG_X']}",
	  "'SCHED_FLAG_X' is not known here (at /process/scheduler/flags/0)" },
	{ PROCESS, "'scheduler':{'policy':'SCHED_FIFO','flags':'X'}",
	  "'X' is not a list (at /process/scheduler/flags)" },
	{ PROCESS, "'ioPriority':{'priority':1}",
	  "required, but missing (at /process/ioPriority/class)" },
	{ PROCESS, "'ioPriority':{'class':'IOPRIO_CLASS_NONE'}",
	  "'IOPRIO_CLASS_NONE' is not known here (at /process/ioPriority/class)" },
	{ PROCESS, "'ioPriority':{'class':'IOPRIO_CLASS_RT','priority':8}",
	  "8 is not between 0 and 7 (at /process/ioPriority/priority)" },
	{ PROCESS, "'ioPriority':{'class':'IOPRIO_CLASS_RT','priority':-1}",
	  "-1 is not between 0 and 7 (at /process/ioPriority/priority)" },
	{ PROCESS, "'execCPUAffinity':{'initial':'0-'}",
	  "'0-' is not a list such as '0-3,7' of numbers below 1024 (at "
	  "/process/execCPUAffinity/initial)" },
	{ PROCESS, "'execCPUAffinity':{'initial':'3-1'}",
	  "'3-1' is not a list such as '0-3,7' of numbers below 1024 (at "
	  "/process/execCPUAffinity/initial)" },
	{ PROCESS, "'execCPUAffinity':{'final':'0,1024'}",
	  "'0,1024' is not a list such as '0-3,7' of numbers below 1024 (at "
	  "/process/execCPUAffinity/final)" },
	{ PROCESS, "'execCPUAffinity':{'final':'99999999999999999999'}",
	  "'99999999999999999999' is not a list such as '0-3,7' of numbers below 1024 (at "
	  "/process/execCPUAffinity/final)" },
	{ PROCESS, "'execCPUAffinity':{'final':'1 2'}",
	  "'1 2' is not a list such as '0-3,7' of numbers below 1024 (at "
	  "/process/execCPUAffinity/final)" },
	{ PROCESS, "'execCPUAffinity':{'final':'-1'}",
	  "'-1' is not a list such as '0-3,7' of numbers below 1024 (at "
	  "/process/execCPUAffinity/final)" },
	/* ---- mounts ---- */
	{ MOUNT, "'destination':''", "'' must not be empty (at /mounts/1/destination)" },
	{ MOUNT, "'destination':null", "required, but missing (at /mounts/1/destination)" },
	{ MOUNT, "'destination':5", "5 is not a string (at /mounts/1/destination)" },
	{ MOUNT, "'source':[]", "[] is not a string (at /mounts/1/source)" },
	{ MOUNT, "'type':{}", "{} is not a string (at /mounts/1/type)" },
	{ MOUNT, "'options':'ro'", "'ro' is not a list (at /mounts/1/options)" },
	{ MOUNT, "'options':['ro',false]", "false is not a string (at /mounts/1/options/1)" },
	{ MOUNT, "'options':['bind','idmap']",
	  "an id-mapped mount needs mappings of its own or a user namespace (at "
	  "/mounts/1/options)" },
	{ MOUNT, "'options':['ridmap']",
	  "only a bind mount can have its ids mapped (at /mounts/1/options)" },
	{ MOUNT, "'options':['bind'],'uidMappings':[{'size':1}]",
	  "uidMappings and gidMappings go together, and this one is missing (at "
	  "/mounts/1/gidMappings)" },
	{ MOUNT, "'options':['bind'],'gidMappings':[{'size':1}]",
	  "uidMappings and gidMappings go together, and this one is missing (at "
	  "/mounts/1/uidMappings)" },
	{ MOUNT, "'uidMappings':[{'size':1}],'gidMappings':[{'size':1}]",
	  "only a bind mount can have its ids mapped (at /mounts/1/options)" },
	{ MOUNT, "'uidMappings':[{'size':0}]",
	  "0 ids cannot be mapped (at /mounts/1/uidMappings/0/size)" },
	{ MOUNT, "'gidMappings':[{'size':9},{'containerID':8,'hostID':20,'size':1}]",
	  "overlaps with entry 0 (at /mounts/1/gidMappings/1/containerID)" },
	/* ---- hooks ---- */
	{ HOOK, "'path':'h'", "'h' is not an absolute path (at /hooks/poststop/0/path)" },
	{ HOOK, "'path':null", "required, but missing (at /hooks/poststop/0/path)" },
	{ HOOK, "'args':'x'", "'x' is not a list (at /hooks/poststop/0/args)" },
	{ HOOK, "'env':[3]", "3 is not a string (at /hooks/poststop/0/env/0)" },
	{ HOOK, "'timeout':0", "0 is not between 1 and 2147483647 (at /hooks/poststop/0/timeout)" },
	{ HOOK, "'timeout':-3",
	  "-3 is not between 1 and 2147483647 (at /hooks/poststop/0/timeout)" },
	{ HOOK, "'timeout':'5s'", "'5s' is not an integer (at /hooks/poststop/0/timeout)" },
	{ TOP, "'hooks':{'prestart':{}}", "{} is not a list (at /hooks/prestart)" },
	{ TOP, "'hooks':{'createRuntime':[1]}", "1 is not an object (at /hooks/createRuntime/0)" },
	{ TOP, "'hooks':{'createContainer':[{}]}",
	  "required, but missing (at /hooks/createContainer/0/path)" },
	{ TOP, "'hooks':{'startContainer':[{'path':''}]}",
	  "'' must not be empty (at /hooks/startContainer/0/path)" },
	{ TOP, "'hooks':{'poststart':[{'path':'./x'}]}",
	  "'./x' is not an absolute path (at /hooks/poststart/0/path)" },
	/* ---- linux: namespaces and ids ---- */
	{ LINUX, "'namespaces':{}", "{} is not a list (at /linux/namespaces)" },
	{ LINUX, "'namespaces':[{}]", "required, but missing (at /linux/namespaces/0/type)" },
	{ LINUX, "'namespaces':[{'type':'net'}]",
	  "'net' is not known here (at /linux/namespaces/0/type)" },
	{ LINUX, "'namespaces':[{'type':4}]", "4 is not a string (at /linux/namespaces/0/type)" },
	{ LINUX, "'namespaces':[{'type':'pid'},{'type':'uts'},{'type':'pid'}]",
	  "'pid' is listed twice (at /linux/namespaces/2/type)" },
	{ LINUX, "'namespaces':[{'type':'pid','path':'ns/pid'}]",
	  "'ns/pid' is not an absolute path (at /linux/namespaces/0/path)" },
	{ LINUX, "'uidMappings':[{'size':1}]",
	  "not possible without a user namespace in linux.namespaces (at /linux/uidMappings)" },
	{ LINUX, "'gidMappings':[{'size':1}]",
	  "not possible without a user namespace in linux.namespaces (at /linux/gidMappings)" },
	{ LINUX, "'uidMappings':[{'containerID':0}]",
	  "required, but missing (at /linux/uidMappings/0/size)" },
	{ LINUX, "'uidMappings':[{'hostID':4294967290,'size':6}]",
	  "6 is more than what follows the first id (at /linux/uidMappings/0/size)" },
	{ LINUX, "'uidMappings':[{'containerID':'0','size':6}]",
	  "'0' is not an integer (at /linux/uidMappings/0/containerID)" },
	{ LINUX, "'namespaces':[{'type':'user'}]",
	  "a new user namespace needs a mapping of id 0 (at /linux/uidMappings)" },
	{ LINUX,
	  "'namespaces':[{'type':'user'}],'uidMappings':[{'size':1}],'gidMappings':[{'containerID':"
	  "1,'size':1}]",
	  "a new user namespace needs a mapping of id 0 (at /linux/gidMappings)" },
	{ LINUX,
	  "'namespaces':[{'type':'user'}],'uidMappings':[{'hostID':10,'size':5},{'containerID':5,'"
	  "hostID':14,'size':1}]",
	  "overlaps with entry 0 (at /linux/uidMappings/1/hostID)" },
	{ LINUX, "'timeOffsets':{'monotonic':{'secs':1}}",
	  "not possible without a time namespace in linux.namespaces (at /linux/timeOffsets)" },
	{ LINUX, "'namespaces':[{'type':'time','path':'/t'}],'timeOffsets':{'boottime':{'secs':1}}",
	  "not possible for a time namespace that is joined by path (at /linux/timeOffsets)" },
	{ LINUX, "'timeOffsets':{'realtime':{'secs':1}}",
	  "'realtime' is not known here (at /linux/timeOffsets/realtime)" },
	{ LINUX, "'timeOffsets':{'monotonic':{'nanosecs':1000000000}}",
	  "1000000000 is not between 0 and 999999999 (at /linux/timeOffsets/monotonic/nanosecs)" },
	{ LINUX, "'timeOffsets':{'monotonic':5}",
	  "5 is not an object (at /linux/timeOffsets/monotonic)" },
	/* ---- linux: files and devices ---- */
	{ LINUX, "'devices':[{'type':'c'}]", "required, but missing (at /linux/devices/0/path)" },
	{ LINUX, "'devices':[{'path':'/dev/x'}]",
	  "required, but missing (at /linux/devices/0/type)" },
	{ LINUX, "'devices':[{'path':'dev/x','type':'c'}]",
	  "'dev/x' is not an absolute path (at /linux/devices/0/path)" },
	{ LINUX, "'devices':[{'path':'/dev/x','type':'a'}]",
	  "'a' is not known here (at /linux/devices/0/type)" },
	{ LINUX, "'devices':[{'path':'/dev/x','type':'cc'}]",
	  "'cc' is not known here (at /linux/devices/0/type)" },
	{ LINUX, "'devices':[{'path':'/dev/x','type':'c','major':-1}]",
	  "-1 is not between 0 and 4294967295 (at /linux/devices/0/major)" },
	{ LINUX, "'devices':[{'path':'/dev/x','type':'c','minor':4294967296}]",
	  "4294967296 is not between 0 and 4294967295 (at /linux/devices/0/minor)" },
	{ LINUX, "'devices':[{'path':'/dev/x','type':'c','fileMode':'0666'}]",
	  "'0666' is not an integer (at /linux/devices/0/fileMode)" },
	{ LINUX, "'devices':[{'path':'/dev/x','type':'c','uid':-5}]",
	  "-5 is not between 0 and 4294967295 (at /linux/devices/0/uid)" },
	{ LINUX, "'netDevices':{'eth0':{}}",
	  "not possible without a network namespace in linux.namespaces (at /linux/netDevices)" },
	{ LINUX, "'netDevices':{'eth0':'eth1'}",
	  "'eth1' is not an object (at /linux/netDevices/eth0)" },
	{ LINUX, "'netDevices':{'a/b':{}}",
	  "'a/b' is not the name of a network device (at /linux/netDevices/a~1b)" },
	{ LINUX, "'netDevices':{'..':{}}",
	  "'..' is not the name of a network device (at /linux/netDevices/..)" },
	{ LINUX, "'netDevices':{'':{}}",
	  "'' is not the name of a network device (at /linux/netDevices/)" },
	{ LINUX, "'netDevices':{'eth0':{'name':'a234567890123456'}}",
	  "'a234567890123456' is not the name of a network device (at "
	  "/linux/netDevices/eth0/name)" },
	{ LINUX, "'netDevices':{'eth0':{'name':'a b'}}",
	  "'a b' is not the name of a network device (at /linux/netDevices/eth0/name)" },
	{ LINUX, "'maskedPaths':['/proc/keys']",
	  "not possible without a mount namespace in linux.namespaces (at /linux/maskedPaths)" },
	{ LINUX, "'readonlyPaths':['/proc/sys']",
	  "not possible without a mount namespace in linux.namespaces (at /linux/readonlyPaths)" },
	{ LINUX, "'maskedPaths':'/proc/keys'",
	  "'/proc/keys' is not a list (at /linux/maskedPaths)" },
	{ LINUX, "'rootfsPropagation':'secret'",
	  "'secret' is not known here (at /linux/rootfsPropagation)" },
	{ LINUX, "'cgroupsPath':1", "1 is not a string (at /linux/cgroupsPath)" },
	{ LINUX, "'mountLabel':[]", "[] is not a string (at /linux/mountLabel)" },
	{ LINUX, "'sysctl':{'net.ipv4.ip_forward':1}",
	  "1 is not a string (at /linux/sysctl/net.ipv4.ip_forward)" },
	{ LINUX, "'sysctl':[]", "[] is not an object (at /linux/sysctl)" },
	/* ---- linux: the rest ---- */
	{ LINUX, "'intelRdt':{'closID':'a/b'}",
	  "'a/b' is not the name of a directory (at /linux/intelRdt/closID)" },
	{ LINUX, "'intelRdt':{'closID':'..'}",
	  "'..' is not the name of a directory (at /linux/intelRdt/closID)" },
	{ LINUX, "'intelRdt':{'schemata':['L3:0=f\\nMB:0=1']}",
	  "'L3:0=f\\nMB:0=1' holds a line break (at /linux/intelRdt/schemata/0)" },
	{ LINUX, "'intelRdt':{'enableMonitoring':1}",
	  "1 is not true or false (at /linux/intelRdt/enableMonitoring)" },
	{ LINUX, "'memoryPolicy':{}", "required, but missing (at /linux/memoryPolicy/mode)" },
	{ LINUX, "'memoryPolicy':{'mode':'BIND'}",
	  "'BIND' is not known here (at /linux/memoryPolicy/mode)" },
	{ LINUX, "'memoryPolicy':{'mode':'MPOL_BIND'}",
	  "mode 'MPOL_BIND' needs at least one (at /linux/memoryPolicy/nodes)" },
	{ LINUX, "'memoryPolicy':{'mode':'MPOL_BIND','nodes':' , '}",
	  "mode 'MPOL_BIND' needs at least one (at /linux/memoryPolicy/nodes)" },
	{ LINUX, "'memoryPolicy':{'mode':'MPOL_DEFAULT','nodes':'0'}",
	  "'0' cannot be with mode 'MPOL_DEFAULT' (at /linux/memoryPolicy/nodes)" },
	{ LINUX, "'memoryPolicy':{'mode':'MPOL_BIND','nodes':'a'}",
	  "'a' is not a list such as '0-3,7' of numbers below 1024 (at "
	  "/linux/memoryPolicy/nodes)" },
	{ LINUX, "'memoryPolicy':{'mode':'MPOL_BIND','nodes':'0','flags':['X']}",
	  "'X' is not known here (at /linux/memoryPolicy/flags/0)" },
	{ LINUX, "'personality':{}", "required, but missing (at /linux/personality/domain)" },
	{ LINUX, "'personality':{'domain':''}",
	  "'' must not be empty (at /linux/personality/domain)" },
	{ LINUX, "'personality':{'domain':'BSD'}",
	  "'BSD' is not known here (at /linux/personality/domain)" },
	/* ---- resources ---- */
	{ RESOURCES, "'devices':[{'type':'p'}]",
	  "'p' is not known here (at /linux/resources/devices/0/type)" },
	{ RESOURCES, "'devices':[{'access':'rwx'}]",
	  "'rwx' is not made of 'r', 'w' and 'm' (at /linux/resources/devices/0/access)" },
	{ RESOURCES, "'devices':[{'major':-2}]",
	  "-2 is not between -1 and 4294967295 (at /linux/resources/devices/0/major)" },
	{ RESOURCES, "'devices':[{'allow':'yes'}]",
	  "'yes' is not true or false (at /linux/resources/devices/0/allow)" },
	{ RESOURCES, "'memory':{'limit':'1g'}",
	  "'1g' is not an integer (at /linux/resources/memory/limit)" },
	{ RESOURCES, "'memory':{'limit':9223372036854775808}",
	  "9223372036854775808 is not between -9223372036854775808 and 9223372036854775807 (at "
	  "/linux/resources/memory/limit)" },
	{ RESOURCES, "'memory':{'swappiness':-1}",
	  "-1 is not between 0 and 18446744073709551615 (at /linux/resources/memory/swappiness)" },
	{ RESOURCES, "'memory':{'disableOOMKiller':0}",
	  "0 is not true or false (at /linux/resources/memory/disableOOMKiller)" },
	{ RESOURCES, "'cpu':{'shares':-1}",
	  "-1 is not between 0 and 18446744073709551615 (at /linux/resources/cpu/shares)" },
	{ RESOURCES, "'cpu':{'quota':0.5}",
	  "0.5 is not an integer (at /linux/resources/cpu/quota)" },
	{ RESOURCES, "'cpu':{'idle':2}",
	  "2 is not between 0 and 1 (at /linux/resources/cpu/idle)" },
	{ RESOURCES, "'cpu':{'cpus':0}", "0 is not a string (at /linux/resources/cpu/cpus)" },
	{ RESOURCES, "'cpu':{'mems':'0\\n1'}",
	  "'0\\n1' holds a line break (at /linux/resources/cpu/mems)" },
	{ RESOURCES, "'pids':5", "5 is not an object (at /linux/resources/pids)" },
	{ RESOURCES, "'pids':{'limit':'max'}",
	  "'max' is not an integer (at /linux/resources/pids/limit)" },
	{ RESOURCES, "'blockIO':{'weight':65536}",
	  "65536 is not between 0 and 65535 (at /linux/resources/blockIO/weight)" },
	{ RESOURCES, "'blockIO':{'leafWeight':-1}",
	  "-1 is not between 0 and 65535 (at /linux/resources/blockIO/leafWeight)" },
	{ RESOURCES, "'blockIO':{'weightDevice':[{'major':8,'weight':70000}]}",
	  "70000 is not between 0 and 65535 (at /linux/resources/blockIO/weightDevice/0/weight)" },
	{ RESOURCES, "'blockIO':{'throttleReadBpsDevice':{}}",
	  "{} is not a list (at /linux/resources/blockIO/throttleReadBpsDevice)" },
	{ RESOURCES, "'blockIO':{'throttleWriteBpsDevice':[{'rate':-1}]}",
	  "-1 is not between 0 and 18446744073709551615 (at "
	  "/linux/resources/blockIO/throttleWriteBpsDevice/0/rate)" },
	{ RESOURCES, "'blockIO':{'throttleReadIOPSDevice':[{'major':-1}]}",
	  "-1 is not between 0 and 4294967295 (at "
	  "/linux/resources/blockIO/throttleReadIOPSDevice/0/major)" },
	{ RESOURCES, "'blockIO':{'throttleWriteIOPSDevice':[7]}",
	  "7 is not an object (at /linux/resources/blockIO/throttleWriteIOPSDevice/0)" },
	{ RESOURCES, "'hugepageLimits':[{'limit':1}]",
	  "required, but missing (at /linux/resources/hugepageLimits/0/pageSize)" },
	{ RESOURCES, "'hugepageLimits':[{'pageSize':'2MB'}]",
	  "required, but missing (at /linux/resources/hugepageLimits/0/limit)" },
	{ RESOURCES, "'hugepageLimits':[{'pageSize':'2mb','limit':1}]",
	  "'2mb' is not a page size such as '2MB' (at "
	  "/linux/resources/hugepageLimits/0/pageSize)" },
	{ RESOURCES, "'hugepageLimits':[{'pageSize':'../../x','limit':1}]",
	  "'../../x' is not a page size such as '2MB' (at "
	  "/linux/resources/hugepageLimits/0/pageSize)" },
	{ RESOURCES, "'network':{'classID':4294967296}",
	  "4294967296 is not between 0 and 4294967295 (at /linux/resources/network/classID)" },
	{ RESOURCES, "'network':{'priorities':[{'priority':1}]}",
	  "required, but missing (at /linux/resources/network/priorities/0/name)" },
	{ RESOURCES, "'network':{'priorities':[{'name':'eth0'}]}",
	  "required, but missing (at /linux/resources/network/priorities/0/priority)" },
	{ RESOURCES, "'rdma':{'mlx':{'hcaHandles':-1}}",
	  "-1 is not between 0 and 4294967295 (at /linux/resources/rdma/mlx/hcaHandles)" },
	{ RESOURCES, "'rdma':{'a b':{}}",
	  "'a b' is not a plain name (at /linux/resources/rdma/a b)" },
	{ RESOURCES, "'unified':{'memory.high':1}",
	  "1 is not a string (at /linux/resources/unified/memory.high)" },
	{ RESOURCES, "'unified':{'a/b.c':'1'}",
	  "'a/b.c' is not of the form CONTROLLER.PARAMETER (at /linux/resources/unified/a~1b.c)" },
	{ RESOURCES, "'unified':{'memory':'1'}",
	  "'memory' is not of the form CONTROLLER.PARAMETER (at /linux/resources/unified/memory)" },
	/* ---- seccomp ---- */
	{ SECCOMP, "'defaultAction':'ALLOW'",
	  "'ALLOW' is not known here (at /linux/seccomp/defaultAction)" },
	{ SECCOMP, "'defaultAction':'SCMP_ACT_NOTIFY'",
	  "'SCMP_ACT_NOTIFY' cannot be the default action (at /linux/seccomp/defaultAction)" },
	{ SECCOMP, "'defaultErrnoRet':-1",
	  "-1 is not between 0 and 4294967295 (at /linux/seccomp/defaultErrnoRet)" },
	{ SECCOMP, "'defaultAction':'SCMP_ACT_KILL','defaultErrnoRet':1",
	  "1 has no meaning with action 'SCMP_ACT_KILL' (at /linux/seccomp/defaultErrnoRet)" },
	{ SECCOMP, "'architectures':['SCMP_ARCH_VAX']",
	  "'SCMP_ARCH_VAX' is not known here (at /linux/seccomp/architectures/0)" },
	{ SECCOMP, "'flags':['SECCOMP_FILTER_FLAG_LOG','X']",
	  "'X' is not known here (at /linux/seccomp/flags/1)" },
	{ SECCOMP, "'listenerMetadata':'m'",
	  "'m' needs a listenerPath (at /linux/seccomp/listenerMetadata)" },
	{ SECCOMP, "'listenerPath':3", "3 is not a string (at /linux/seccomp/listenerPath)" },
	{ LINUX, "'seccomp':{'syscalls':[{'names':['a'],'action':'SCMP_ACT_ALLOW'}]}",
	  "required, but missing (at /linux/seccomp/defaultAction)" },
	{ RULE, "'names':[]", "[] must not be empty (at /linux/seccomp/syscalls/1/names)" },
	{ RULE, "'names':null", "required, but missing (at /linux/seccomp/syscalls/1/names)" },
	{ RULE, "'names':['x',2]", "2 is not a string (at /linux/seccomp/syscalls/1/names/1)" },
	{ RULE, "'action':''", "'' must not be empty (at /linux/seccomp/syscalls/1/action)" },
	{ RULE, "'action':'SCMP_ACT_FOO'",
	  "'SCMP_ACT_FOO' is not known here (at /linux/seccomp/syscalls/1/action)" },
	{ RULE, "'action':'SCMP_ACT_NOTIFY'",
	  "'SCMP_ACT_NOTIFY' needs a listenerPath (at /linux/seccomp/syscalls/1/action)" },
	{ RULE, "'action':'SCMP_ACT_NOTIFY','names':['read','write']",
	  "SCMP_ACT_NOTIFY cannot be used for the write syscall (at "
	  "/linux/seccomp/syscalls/1/names/1)" },
	{ RULE, "'errnoRet':38",
	  "38 has no meaning with action 'SCMP_ACT_ALLOW' (at "
	  "/linux/seccomp/syscalls/1/errnoRet)" },
	{ RULE, "'args':[{'value':1,'op':'SCMP_CMP_EQ'}]",
	  "required, but missing (at /linux/seccomp/syscalls/1/args/0/index)" },
	{ RULE, "'args':[{'index':0,'op':'SCMP_CMP_EQ'}]",
	  "required, but missing (at /linux/seccomp/syscalls/1/args/0/value)" },
	{ RULE, "'args':[{'index':0,'value':1}]",
	  "required, but missing (at /linux/seccomp/syscalls/1/args/0/op)" },
	{ RULE, "'args':[{'index':6,'value':1,'op':'SCMP_CMP_EQ'}]",
	  "6 is not between 0 and 5 (at /linux/seccomp/syscalls/1/args/0/index)" },
	{ RULE, "'args':[{'index':0,'value':-1,'op':'SCMP_CMP_EQ'}]",
	  "-1 is not between 0 and 18446744073709551615 (at "
	  "/linux/seccomp/syscalls/1/args/0/value)" },
	{ RULE, "'args':[{'index':0,'value':1,'op':'EQ'}]",
	  "'EQ' is not known here (at /linux/seccomp/syscalls/1/args/0/op)" },
	/* ---- text that is no JSON, or says two things ---- */
	{ TOP, "'a':18446744073709551616",
	  "not valid JSON: number that does not fit into 64 bits at line 1, column 71" },
	{ TOP, "'a':-9223372036854775809",
	  "not valid JSON: number that does not fit into 64 bits at line 1, column 71" },
	{ TOP, "'hostname':'a\\u0000b'",
	  "not valid JSON: NUL character in a string at line 1, column 61" },
	{ TOP, "'pro\\u0000cess':1",
	  "not valid JSON: NUL character in a string at line 1, column 52" },
	{ TOP, "'a':'b\tc'", "not valid JSON: control character in a string at line 1, column 54" },
	{ TOP, "'a':NaN", "not valid JSON: unexpected character at line 1, column 52" },
	{ TOP, "'a':-Infinity", "not valid JSON: unexpected character at line 1, column 53" },
	{ TOP, "'a':'\xff'", "not valid JSON: invalid utf-8 string at line 1, column 53" },
	{ TOP, "'a':\xc3\xa4", "not valid JSON: unexpected character at line 1, column 52" },
	{ TOP, "'a':1,", "not valid JSON: unexpected character at line 1, column 54" },
	{ TOP, "'a':007", "not valid JSON: number expected at line 1, column 55" },
	{ TOP, "\n\n 'a':tru", "not valid JSON: boolean expected at line 3, column 9" },
	{ TOP, "'a':1}}", "not valid JSON: unexpected character at line 1, column 54" },
	{ TOP, "'a':1}{", "not valid JSON: unexpected character at line 1, column 54" },
	{ TOP, "'a':{", "not valid JSON: unexpected end of the document at line 1, column 54" },
	{ TOP, "'a':'\\x'", "not valid JSON: invalid string sequence at line 1, column 54" },
};

static void bad_documents_are_refused_by_name(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(bad); i++) {
		bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
		struct bh_err err = BH_ERR_INIT;
		char text[2048], want[512], line[1024];
		struct bh_spec spec;
		size_t len = frame_document(text, sizeof(text), bad[i].frame, bad[i].fragment);
		int r = bh_spec_parse(&arena, text, len, &spec, &err);

		snprintf(want, sizeof(want), "%s", bad[i].line);
		to_double_quotes(want);
		bh_err_format(&err, line, sizeof(line));
		if (r == -EINVAL && err.code == -EINVAL && err.domain == BH_ERR_SPEC &&
		    !strcmp(line, want))
			continue;
		print_error("row %zu: %s\n  got  %d: %s\n  want -22: %s\n", i, text, r,
			    r ? line : "", want);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

/* Documents as a whole rather than a fragment of one. */
static void only_one_object_is_a_document(void **state)
{
	static const char *const cases[][2] = {
		{ "", "not valid JSON: unexpected end of the document at line 1, column 1" },
		{ "  \n", "not valid JSON: unexpected end of the document at line 2, column 1" },
		{ "[]", "the document is not a JSON object" },
		{ "\"x\"", "the document is not a JSON object" },
		{ "null", "the document is not a JSON object" },
		{ " 5", "the document is not a JSON object" },
		{ "{} {}", "not valid JSON: unexpected character at line 1, column 4" },
		{ "\xef\xbb\xbf{}", "not valid JSON: unexpected character at line 1, column 1" },
		{ "{'ociVersion':'1.0.0'}",
		  "not valid JSON: unexpected character at line 1, column 2" },
		{ "{}", "required, but missing (at /ociVersion)" },
		{ "{\"a\":", "not valid JSON: unexpected end of the document at line 1, column 6" },
	};

	(void)state;
	for (size_t i = 0; i < BH_ARRAY_SIZE(cases); i++) {
		bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
		struct bh_err err = BH_ERR_INIT;
		char line[1024];
		struct bh_spec spec;

		assert_int_equal(
			bh_spec_parse(&arena, cases[i][0], strlen(cases[i][0]), &spec, &err),
			-EINVAL);
		assert_string_equal(bh_err_format(&err, line, sizeof(line)), cases[i][1]);
	}
}

static void a_nul_byte_is_no_end(void **state)
{
	static const char text[] = "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"}}\0{}";
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_spec spec;

	(void)state;
	assert_int_equal(bh_spec_parse(&arena, text, strlen(text), &spec, &err), 0);
	assert_int_equal(bh_spec_parse(&arena, text, sizeof(text) - 1, &spec, &err), -EINVAL);
}

static void deep_nesting_is_refused(void **state)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_spec spec;
	char text[4096];

	(void)state;
	memset(text, '[', sizeof(text));
	memcpy(text, "{\"a\":", 5);
	assert_int_equal(bh_spec_parse(&arena, text, sizeof(text), &spec, &err), -EINVAL);
	assert_string_equal(err.text, "not valid JSON: nesting too deep at line 1, column 69");
}

/* More lines than the kernel takes; runs in a time that does not grow with a hostile list. */
static void id_maps_are_counted_before_they_are_compared(void **state)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	bh_auto_buf struct bh_buf buf = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_spec spec;
	char line[256];

	(void)state;
	bh_buf_puts(&buf, "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"linux\":{"
			  "\"namespaces\":[{\"type\":\"user\"}],\"uidMappings\":[{\"size\":1}");
	for (unsigned int i = 1; i < 341; i++)
		bh_buf_printf(&buf, ",{\"containerID\":%u,\"hostID\":%u,\"size\":1}", i, i);
	bh_buf_puts(&buf, "]}}");
	assert_int_equal(bh_spec_parse(&arena, buf.data, buf.len, &spec, &err), -EINVAL);
	assert_string_equal(bh_err_format(&err, line, sizeof(line)),
			    "341 entries are more than the kernel's 340 (at /linux/uidMappings)");
}

static void values_are_shown_short_and_whole_characters(void **state)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_spec spec;
	char value[301], fragment[320], text[1024];
	size_t len;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		memcpy(value + 3 * i, "\xe2\x82\xac", 3);
	value[300] = '\0';
	snprintf(fragment, sizeof(fragment), "'cwd':'a%s'", value);
	len = frame_document(text, sizeof(text), PROCESS, fragment);
	assert_int_equal(bh_spec_parse(&arena, text, len, &spec, &err), -EINVAL);
	/* A quote, an "a", 26 characters of 3 bytes: 80. */
	assert_int_equal(strlen(err.text), 80 + strlen("… is not an absolute path"));
	assert_non_null(strstr(err.text, "\xe2\x82\xac… is not an absolute path"));
}

static void long_pointers_are_cut(void **state)
{
	bh_auto_arena struct bh_arena arena = BH_ARENA_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_spec spec;
	char fragment[600], text[1024];
	size_t len;

	(void)state;
	snprintf(fragment, sizeof(fragment), "'annotations':{'%0500d':1}", 0);
	len = frame_document(text, sizeof(text), TOP, fragment);
	assert_int_equal(bh_spec_parse(&arena, text, len, &spec, &err), -EINVAL);
	assert_true(strlen(err.where) < BH_ERR_WHERE_BYTES);
	assert_memory_equal(err.where, "/annotations/00000", 18);
	snprintf(fragment, sizeof(fragment), "'annotations':{'a\\n\x7f':1}");
	len = frame_document(text, sizeof(text), TOP, fragment);
	assert_int_equal(bh_spec_parse(&arena, text, len, &spec, &err), -EINVAL);
	assert_string_equal(err.where, "/annotations/a??");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_documents_are_refused_by_name),
		cmocka_unit_test(only_one_object_is_a_document),
		cmocka_unit_test(a_nul_byte_is_no_end),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(id_maps_are_counted_before_they_are_compared),
		cmocka_unit_test(values_are_shown_short_and_whole_characters),
		cmocka_unit_test(long_pointers_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
