/* SPDX-License-Identifier: Apache-2.0 */
#include "contract/account.h"

static void add(struct bh_amounts *sum, const struct bh_amounts *what)
{
	for (int r = 0; r < BH_RESOURCE_MAX_; r++)
		sum->v[r] = bh_amount_add(sum->v[r], what->v[r]);
}

static void raise_to(struct bh_amounts *most, const struct bh_amounts *what)
{
	for (int r = 0; r < BH_RESOURCE_MAX_; r++)
		if (most->v[r] < what->v[r])
			most->v[r] = what->v[r];
}

void bh_account_add(struct bh_account *account, enum bh_container_kind kind,
		    const struct bh_container_demand *container)
{
	struct bh_amounts own[2] = { container->request, container->limit };

	for (int r = 0; r < BH_RESOURCE_MAX_; r++)
		if (!container->has_request[r])
			own[0].v[r] = container->limit.v[r];
	for (int i = 0; i < 2; i++) {
		struct bh_amounts with = account->sidecars[i];

		add(&with, &own[i]);
		if (kind != BH_CONTAINER_INIT)
			add(&account->mains[i], &own[i]);
		if (kind == BH_CONTAINER_SIDECAR)
			account->sidecars[i] = with;
		if (kind != BH_CONTAINER_MAIN)
			raise_to(&account->inits[i], &with);
	}
}

void bh_account_sum(const struct bh_account *account, const struct bh_container_demand *pod,
		    struct bh_demand *ret)
{
	struct bh_amounts sum[2] = { account->mains[0], account->mains[1] };

	for (int i = 0; i < 2; i++)
		raise_to(&sum[i], &account->inits[i]);
	for (int r = 0; r < BH_RESOURCE_MAX_; r++) {
		ret->limit.v[r] = pod->has_limit[r] ? pod->limit.v[r] : sum[1].v[r];
		/* The containers' requests go before the pod's limit. */
		ret->request.v[r] = pod->has_request[r]                 ? pod->request.v[r]
				    : !sum[0].v[r] && pod->has_limit[r] ? pod->limit.v[r]
									: sum[0].v[r];
	}
}
