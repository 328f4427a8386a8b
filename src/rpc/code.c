/* SPDX-License-Identifier: Apache-2.0 */
/* Codes of ttrpc and the errors of this program. */
#include "base/harmless.h"
#include "rpc/rpc.h"

static const struct {
	enum bh_rpc_code code;
	int error; /* the first of a code is what it becomes here */
} codes[] = {
	{ BH_RPC_CANCELED, -ECANCELED },   { BH_RPC_INVALID, -EINVAL },
	{ BH_RPC_DEADLINE, -ETIMEDOUT },   { BH_RPC_NOT_FOUND, -ENOENT },
	{ BH_RPC_EXISTS, -EEXIST },        { BH_RPC_EXHAUSTED, -EMSGSIZE },
	{ BH_RPC_PRECONDITION, -EBUSY },   { BH_RPC_PRECONDITION, -ESRCH },
	{ BH_RPC_UNIMPLEMENTED, -ENOSYS }, { BH_RPC_UNAVAILABLE, -ECONNRESET },
};

enum bh_rpc_code bh_rpc_code_of(const struct bh_err *err)
{
	/* A missing file is not a missing container: callers delete what they hear is not there. */
	if (err->domain == BH_ERR_OS || err->domain == BH_ERR_BUG)
		return err->code == -ETIMEDOUT ? BH_RPC_DEADLINE : BH_RPC_UNKNOWN;
	if (err->domain == BH_ERR_SPEC)
		return BH_RPC_INVALID;
	for (size_t i = 0; i < BH_ARRAY_SIZE(codes); i++)
		if (codes[i].error == err->code)
			return codes[i].code;
	return err->domain == BH_ERR_STATE ? BH_RPC_PRECONDITION : BH_RPC_UNKNOWN;
}

int bh_rpc_answer_err(const struct bh_rpc_answer *answer, struct bh_err *err)
{
	size_t i = 0;
	int r;

	while (i < BH_ARRAY_SIZE(codes) && codes[i].code != answer->code)
		i++;
	r = bh_err_as(err, BH_ERR_PEER, i < BH_ARRAY_SIZE(codes) ? codes[i].error : -EREMOTEIO,
		      "%s", answer->message);
	if (err)
		bh_harmless_text(err->text); /* who said it may be a guest */
	return r;
}
