/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod of each kind, by the node's own containerd: by crictl as Kubernetes would, else by ctr,
 * which knows shims but no handlers, with this program's neighbour as all that is in the container.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/capture.h"
#include "installer/installer.h"

#define TEMPLATE  "/run/bulkhead-check.XXXXXX"
#define NAMESPACE "bulkhead-check"

struct kind {
	const char *handler, *type;
};

static const struct kind kinds[] = {
	{ "runc", "io.containerd.bulkhead.v2" },
	{ "kata", "io.containerd.bulkhead-kata.v2" },
};

/* Runs in a directory of its own; $0 is it, the words are ADDRESS HANDLER TYPE BIN. A pod that
 * fails is removed all the same (ctr leaves a task that did not start), and what it said first is
 * what counts. */
static const char by_crictl[] =
	"set -e; dir=$0 address=$1 handler=$2\n"
	"crictl() { command crictl --runtime-endpoint \"unix://$address\" --timeout 60s \"$@\"; }\n"
	"cat >\"$dir/pod.json\" <<END\n"
	"{\"metadata\": {\"name\": \"check-$handler\", \"namespace\": \"bulkhead-check\",\n"
	" \"uid\": \"$$\", \"attempt\": 0}, \"log_directory\": \"$dir\",\n"
	" \"linux\": {\"resources\": {\"cpu_period\": 100000, \"cpu_quota\": 25000,\n"
	"  \"memory_limit_in_bytes\": 268435456}}}\n"
	"END\n"
	"pod=$(crictl runp --runtime \"$handler\" \"$dir/pod.json\")\n"
	"trap 'crictl rmp --force \"$pod\" >/dev/null 2>&1 || :' EXIT\n"
	"crictl inspectp \"$pod\" | grep -q SANDBOX_READY || { echo 'the pod is not ready'; exit "
	"1; }\n";

static const char by_ctr[] =
	"set -e; dir=$0 address=$1 handler=$2 type=$3 bin=$4\n"
	"mkdir -p \"$dir/root/proc\" \"$dir/root/dev\" \"$dir/root/sys\" \"$dir/root/tmp\"\n"
	"cp \"$bin/bulkhead\" \"$dir/root/bulkhead\"\n"
	"ctr() { command ctr --address \"$address\" --namespace " NAMESPACE " \"$@\"; }\n"
	"pod=check-$handler-$$\n"
	"clean() { ctr task delete --force $pod; ctr container delete $pod; ctr namespace "
	"remove " NAMESPACE "; }\n"
	"trap 'clean >/dev/null 2>&1 || :' EXIT\n"
	"ctr run --rm --rootfs --runtime \"$type\" \"$dir/root\" $pod /bulkhead --version\n";

static int check_kind(const struct bh_install_options *o, const struct kind *kind, const char *dir,
		      struct bh_buf *out, struct bh_err *err)
{
	const char *script = bh_install_has("crictl") ? by_crictl : by_ctr;
	const char *const argv[] = { "sh",          "-c",       script, dir, o->address,
				     kind->handler, kind->type, o->bin, NULL };
	bh_auto_free char *said = NULL;
	int r = bh_capture(argv, &said, err);

	if (r < 0)
		return bh_err_ctx(err, "run a pod of handler %s", kind->handler);
	bh_buf_printf(out, "a pod of handler %s ran (by %s)\n", kind->handler,
		      script == by_ctr ? "ctr" : "crictl");
	return 0;
}

int bh_install_check(const struct bh_install_options *o, struct bh_buf *out, struct bh_err *err)
{
	char dir[] = TEMPLATE;
	const char *const clean[] = { "rm", "-rf", "--one-file-system", dir, NULL };
	bh_auto_free char *said = NULL;
	struct bh_err ignored = BH_ERR_INIT;
	int r = 0;

	if (!bh_install_has("crictl") && !bh_install_has("ctr"))
		return bh_err_as(err, BH_ERR_SPEC, -ENOENT,
				 "neither crictl nor ctr is in $PATH to run a pod with");
	if (!mkdtemp(dir))
		return bh_err_set(err, -errno, "make '%s'", dir);
	for (size_t i = 0; r == 0 && i < BH_ARRAY_SIZE(kinds); i++)
		r = check_kind(o, &kinds[i], dir, out, err);
	(void)!bh_capture(clean, &said, &ignored);
	return r;
}
