/* SPDX-License-Identifier: Apache-2.0 */
/* passwd(5) of whatever root the process is on, read without NSS, which cannot be linked
 * statically. */
#ifndef BH_CONTAINER_PASSWD_H
#define BH_CONTAINER_PASSWD_H

#include <stddef.h>
#include <sys/types.h>

/** bh_passwd_home() - "HOME=<directory of @uid>", "HOME=/" when the file or the user is missing */
void bh_passwd_home(uid_t uid, char *buf, size_t size);

/** bh_passwd_name() - the login name of @uid, or its number */
void bh_passwd_name(uid_t uid, char *buf, size_t size);

#endif
