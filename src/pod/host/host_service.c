/* SPDX-License-Identifier: Apache-2.0 */
/* What a pod on this kernel answers beside the Task verbs: how it is, what its server costs. What
 * its containers cost is the kernel's to say: anybody may look at their cgroups. */
#include "pod/host/host_service.h"

#include "rpc/pod.pb-c.h"
#include "vmm/figures.h"

static void on_status(void *self, struct bh_rpc_call *call, const void *request)
{
	Pod__StatusResponse a = POD__STATUS_RESPONSE__INIT; /* it lives as long as its server */

	(void)self;
	(void)request;
	bh_rpc_reply(call, &a.base);
}

static void on_describe(void *self, struct bh_rpc_call *call, const void *request)
{
	Pod__DescribeResponse a = POD__DESCRIBE_RESPONSE__INIT;
	struct bh_err err = BH_ERR_INIT;

	(void)request;
	if (bh_ledger_describe(self, &a, &err) < 0) {
		bh_rpc_fail_err(call, &err);
		return;
	}
	a.runtime = (char *)BH_HOST_POD_NAME;
	bh_rpc_reply(call, &a.base);
	bh_ledger_release(&a);
}

static void on_figures(void *self, struct bh_rpc_call *call, const void *request)
{
	Pod__FiguresResponse a = POD__FIGURES_RESPONSE__INIT;
	Pod__Part part = POD__PART__INIT, *parts[] = { &part };
	struct bh_vm_figures own = { .pid = 0 };
	struct bh_err err = BH_ERR_INIT;

	(void)self;
	(void)request;
	if (bh_figures_read(getpid(), 0, &own, &err) < 0) {
		bh_rpc_fail_err(call, &err);
		return;
	}
	part.name = (char *)"shim";
	part.memory = own.pss;
	part.cpu_usec = own.cpu_usec;
	a.host = parts;
	a.n_host = BH_ARRAY_SIZE(parts);
	bh_rpc_reply(call, &a.base);
}

static const struct bh_rpc_method methods[] = {
	{ "Status", &pod__status_request__descriptor, on_status },
	{ "Describe", &pod__describe_request__descriptor, on_describe },
	{ "Figures", &pod__figures_request__descriptor, on_figures },
};

struct bh_rpc_service bh_host_pod_service(struct bh_ledger *ledger)
{
	static const char *const names[] = { BH_POD_SERVICE, NULL };

	return (struct bh_rpc_service){ .names = names,
					.methods = methods,
					.n_methods = BH_ARRAY_SIZE(methods),
					.self = ledger };
}
