/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests of strangers: judged, mended, and judged again. What is understood stays so. */
#include "admit/admit.h"
#include "fuzz.h"

static const struct bh_admit_terms terms = { .runtime = BH_CLASS_KATA };

static size_t faults(const char *text, size_t len, bool json)
{
	bh_auto_buf struct bh_buf out = BH_BUF_INIT;
	struct bh_admit admit = { .out = &out, .json = json, .terms = terms };
	struct bh_err err = BH_ERR_INIT;

	bh_admit_begin(&admit);
	if (bh_admit_text(&admit, "fuzz", text, len, &err) < 0)
		return 1;
	bh_admit_end(&admit);
	return admit.n_faults;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bh_auto_buf struct bh_buf mended = BH_BUF_INIT, changes = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	const char *text = (const char *)data;

	if (faults(text, size, true))
		return 0;
	if (bh_admit_fix(&terms, "fuzz", text, size, &mended, &changes, &err) < 0 ||
	    faults(bh_buf_str(&mended), mended.len, false))
		abort();
	return 0;
}
