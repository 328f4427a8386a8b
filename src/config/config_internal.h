/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of config/ share. */
#ifndef BH_CONFIG_CONFIG_INTERNAL_H
#define BH_CONFIG_CONFIG_INTERNAL_H

#include "config/config.h"

/** bh_config_apply() - @values of @key into @config; @arena keeps what is made of them. Return: 0;
 * -EINVAL with @err saying what is wanted, without the key's name */
int bh_config_apply(struct bh_arena *arena, const struct bh_config_key *key,
		    const struct bh_strv *values, struct bh_config *config,
		    struct bh_err *err) bh_must_check;

/** bh_config_add() - one more setting, once its values were found to be right. As above */
int bh_config_add(struct bh_config_set *set, const struct bh_config_setting *setting,
		  struct bh_err *err) bh_must_check;

#endif
