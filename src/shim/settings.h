/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds for a pod that containerd asks for: the node's configuration, and what containerd
 * passes as options of the handler, which are runc's message, or a TOML document by value or by
 * path, and win over files.
 *
 * Source: containerd.runc.v1.Options, runtimeoptions.v1.Options
 */
#ifndef BH_SHIM_SETTINGS_H
#define BH_SHIM_SETTINGS_H

#include "base/arena.h"
#include "config/config.h"
#include "pod/pod.h"
#include "rpc/shim.pb-c.h"

/* Where the states of a name space's containers are, when no option says so: below the root. */
#define BH_SHIM_ROOT_DIR     "@containerd"
#define BH_SHIM_ROOT_DEFAULT "/run/bulkhead/" BH_SHIM_ROOT_DIR

struct bh_shim_settings {
	struct bh_config_set set;
	const char *kind; /* of the pod; NULL = nobody has said it yet */
	const char *root; /* of the states, without the name space */
	struct bh_config config;
};

#define BH_SHIM_SETTINGS_INIT              \
	(struct bh_shim_settings)          \
	{                                  \
		.set = BH_CONFIG_SET_INIT, \
	}

void bh_shim_settings_deinit(struct bh_shim_settings *settings);

/** bh_shim_kind_by_name() - of the pods that @program is for by its name; NULL = any */
const char *bh_shim_kind_by_name(const char *program);

/**
 * bh_shim_settings_find() - kind, root and config, from all that there is
 * @program: that the shim was called by; the pod's kind may follow from it
 * @bundle:  of the container that the pod is made for
 * @options: NULL = none
 */
int bh_shim_settings_find(struct bh_shim_settings *settings, const char *program,
			  const char *bundle, const Wire__Any *options,
			  struct bh_err *err) bh_must_check;

/** bh_shim_settings_read() - @options alone, as flags; of a type that is not known: ignored, with a
 * warning, as keys that are not known */
int bh_shim_settings_read(struct bh_config_set *set, const Wire__Any *options,
			  struct bh_err *err) bh_must_check;

#endif
