/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an administrator sets for a runtime handler: from the options that containerd passes, which
 * are runc's message, or a TOML document by value or by path.
 *
 * Source: containerd.runc.v1.Options, runtimeoptions.v1.Options
 */
#ifndef BH_SHIM_SETTINGS_H
#define BH_SHIM_SETTINGS_H

#include "base/arena.h"
#include "pod/pod.h"
#include "rpc/shim.pb-c.h"

struct bh_shim_settings {
	const char *runtime; /* kind of the pods; NULL = not said */
	const char *root;    /* of the states, without the name space; NULL = the default */
	const char *guest;   /* directory of kernel and initramfs; NULL = the installed one */
	const char *hypervisor;
	const char *shim_cgroup; /* where the shim is to be; NULL = where containerd is */
	enum bh_accelerator_choice accelerator;
	enum bh_cgroup_manager cgroup_manager;
	bool no_pivot, no_keyring;
};

#define BH_SHIM_SETTINGS_INIT                                           \
	(struct bh_shim_settings)                                       \
	{                                                               \
		.hypervisor = "qemu", .accelerator = BH_ACCELERATE_KVM, \
		.cgroup_manager = BH_CGROUP_AUTO                        \
	}

/**
 * bh_shim_settings_read() - what @options say; what they do not say stays
 * @arena:   receives the strings
 * @options: NULL = none; of a type that is not known: ignored, with a warning
 */
int bh_shim_settings_read(struct bh_arena *arena, const Wire__Any *options,
			  struct bh_shim_settings *settings, struct bh_err *err) bh_must_check;

/** bh_shim_settings_toml() - from a document, @len bytes; @name is for @err */
int bh_shim_settings_toml(struct bh_arena *arena, const char *name, const char *text, size_t len,
			  struct bh_shim_settings *settings, struct bh_err *err) bh_must_check;

#endif
