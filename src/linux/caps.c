/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Straight system calls: libcap would add its own allocations and text forms around the same five
 * of them.
 */
#include "linux/caps.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/sys.h"
#include "oci/names.h"

#define CAP_BITS 64 /* of the kernel's sets, version 3 */

static inline uint64_t bit(int cap)
{
	return UINT64_C(1) << cap;
}

struct cap_sets {
	uint64_t effective, permitted, inheritable;
};

static int get_sets(struct cap_sets *ret)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (bh_sys_capget(&header, data) < 0)
		return -errno;
	*ret = (struct cap_sets){
		.effective = data[0].effective | (uint64_t)data[1].effective << 32,
		.permitted = data[0].permitted | (uint64_t)data[1].permitted << 32,
		.inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32,
	};
	return 0;
}

static int set_sets(const struct cap_sets *sets)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{ .effective = (uint32_t)sets->effective,
		  .permitted = (uint32_t)sets->permitted,
		  .inheritable = (uint32_t)sets->inheritable },
		{ .effective = (uint32_t)(sets->effective >> 32),
		  .permitted = (uint32_t)(sets->permitted >> 32),
		  .inheritable = (uint32_t)(sets->inheritable >> 32) },
	};

	return bh_sys_capset(&header, data) < 0 ? -errno : 0;
}

static const char *cap_name(int cap)
{
	const char *name = bh_names_of(&bh_names_capability, cap);

	return name ? name : "a capability without a name";
}

int bh_caps_bound(const struct bh_caps *caps, struct bh_err *err)
{
	for (int cap = 0; cap < CAP_BITS; cap++) {
		int held;

		if ((caps->bounding & bit(cap)) || prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		held = errno == EINVAL ? -1 : prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
		if (held < 0)
			break; /* past the kernel's last */
		if (held > 0)
			return bh_err_set(err, -EPERM, "drop %s from the bounding set",
					  cap_name(cap));
	}
	return 0;
}

/* The bounding set, which can only be asked for bit by bit; those of @wanted alone. */
static uint64_t bounded(uint64_t wanted)
{
	for (int cap = 0; cap < CAP_BITS; cap++) {
		if ((wanted & bit(cap)) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1)
			wanted &= ~bit(cap);
	}
	return wanted;
}

/* Cuts @sets down to what capset(2) can give; warns of each that is lost. */
static int limit_sets(struct cap_sets *sets)
{
	struct cap_sets old;
	uint64_t lost, inheritable;
	int r = get_sets(&old);

	if (r < 0)
		return r;
	inheritable = old.inheritable | bounded(sets->inheritable);
	if (!(old.effective & bit(CAP_SETPCAP)))
		inheritable &= old.inheritable | old.permitted;
	lost = (sets->permitted & ~old.permitted) | (sets->inheritable & ~inheritable);
	sets->permitted &= old.permitted;
	lost |= sets->effective & ~sets->permitted;
	sets->effective &= sets->permitted;
	sets->inheritable &= inheritable;
	for (int cap = 0; cap < CAP_BITS; cap++) {
		if (lost & bit(cap))
			bh_warn("%s cannot be granted, ignoring it", cap_name(cap));
	}
	return 0;
}

static int set_ambient(uint64_t ambient, const struct cap_sets *sets, struct bh_err *err)
{
	bh_auto_buf struct bh_buf refused = BH_BUF_INIT;

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return bh_err_set(err, -errno, "clear the ambient capabilities");
	for (int cap = 0; cap < CAP_BITS; cap++) {
		if (!(ambient & bit(cap)))
			continue;
		if ((sets->permitted & sets->inheritable & bit(cap)) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) == 0)
			continue;
		bh_buf_printf(&refused, "%s%s", refused.len ? ", " : "", cap_name(cap));
	}
	if (refused.len)
		bh_warn("can't raise ambient capability %s: what is ambient must be permitted "
			"and inheritable, ignoring",
			bh_buf_str(&refused));
	return 0;
}

int bh_caps_apply(const struct bh_caps *caps, struct bh_err *err)
{
	struct cap_sets sets = {
		.effective = caps->effective,
		.permitted = caps->permitted,
		.inheritable = caps->inheritable,
	};
	int r = set_sets(&sets);

	if (r == -EPERM) {
		r = limit_sets(&sets);
		if (r == 0)
			r = set_sets(&sets);
	}
	if (r < 0)
		return bh_err_set(err, r, "set the capabilities");
	return set_ambient(caps->ambient, &sets, err);
}

int bh_caps_raise_effective(struct bh_err *err)
{
	struct cap_sets sets;
	int r = get_sets(&sets);

	if (r == 0 && sets.effective != sets.permitted) {
		sets.effective = sets.permitted;
		r = set_sets(&sets);
	}
	return r < 0 ? bh_err_set(err, r, "raise the effective capabilities") : 0;
}
