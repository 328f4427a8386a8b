/* SPDX-License-Identifier: Apache-2.0 */
/* What changes in a text, as diff -u tells it. */
#ifndef BH_INSTALL_TEXTDIFF_H
#define BH_INSTALL_TEXTDIFF_H

#include "base/buf.h"

/** bh_textdiff() - append the unified diff of two texts, nothing when they are equal
 * @old_name, @new_name: for its first two lines */
void bh_textdiff(const char *old_name, const char *old, const char *new_name, const char *new_text,
		 struct bh_buf *out);

#endif
