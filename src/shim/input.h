/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `start` is given on its standard input, in three shapes: nothing; the options as an Any;
 * from containerd 2.3 on BootstrapParams, with the options among its extensions. The latter is
 * known by fields that an Any has not.
 */
#ifndef BH_SHIM_INPUT_H
#define BH_SHIM_INPUT_H

#include "rpc/shim.pb-c.h"

#include "base/err.h"

struct bh_shim_input {
	Wire__Any *any;              /* owned; NULL = none */
	Shim__BootstrapParams *boot; /* owned; NULL = an older containerd */
};

/** bh_shim_input_parse() - free with bh_shim_input_deinit() */
int bh_shim_input_parse(const void *data, size_t len, struct bh_shim_input *ret,
			struct bh_err *err) bh_must_check;
void bh_shim_input_deinit(struct bh_shim_input *input);
#define bh_auto_shim_input bh_cleanup(bh_shim_input_deinit)

/** bh_shim_input_options() - of the runtime; NULL = none; borrowed */
const Wire__Any *bh_shim_input_options(const struct bh_shim_input *input);

#endif
