/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/input.h"

#include <string.h>

#include "rpc/conn.h"

static bool is_bootstrap(const Shim__BootstrapParams *p)
{
	return *p->containerd_version || *p->ttrpc_address || *p->grpc_address || *p->binary;
}

int bh_shim_input_parse(const void *data, size_t len, struct bh_shim_input *ret, struct bh_err *err)
{
	*ret = (struct bh_shim_input){ .any = NULL };
	if (!len)
		return 0;
	ret->boot = (Shim__BootstrapParams *)bh_rpc_unpack(&shim__bootstrap_params__descriptor,
							   data, len);
	if (ret->boot && is_bootstrap(ret->boot))
		return 0;
	bh_shim_input_deinit(ret);
	ret->any = (Wire__Any *)bh_rpc_unpack(&wire__any__descriptor, data, len);
	return ret->any ? 0
			: bh_err_as(err, BH_ERR_SPEC, -EINVAL,
				    "standard input: %zu bytes that are no options", len);
}

void bh_shim_input_deinit(struct bh_shim_input *input)
{
	if (input->any)
		wire__any__free_unpacked(input->any, NULL);
	if (input->boot)
		shim__bootstrap_params__free_unpacked(input->boot, NULL);
	*input = (struct bh_shim_input){ .any = NULL };
}

const Wire__Any *bh_shim_input_options(const struct bh_shim_input *input)
{
	if (!input->boot)
		return input->any;
	for (size_t i = 0; i < input->boot->n_extensions; i++) {
		const Wire__Any *any = input->boot->extensions[i]->value;

		if (any && strstr(any->type_url, "Options"))
			return any;
	}
	return NULL;
}
