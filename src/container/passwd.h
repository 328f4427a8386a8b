/* SPDX-License-Identifier: Apache-2.0 */
/* passwd(5) of whatever root the process is on, read without NSS, which cannot be linked
 * statically. */
#ifndef BH_CONTAINER_PASSWD_H
#define BH_CONTAINER_PASSWD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum bh_passwd_field { BH_PASSWD_NAME = 0, BH_PASSWD_UID = 2, BH_PASSWD_HOME = 5 };

/** bh_passwd_find() - field @which of the first line of @text that is about @uid, into @buf
 * @text: NUL-terminated, from whoever made the image: a line that is none is passed over
 * Return: whether there is one, neither empty nor longer than @size allows */
bool bh_passwd_find(const char *text, uid_t uid, enum bh_passwd_field which, char *buf,
		    size_t size);

/** bh_passwd_home() - the directory of @uid, "/" when the file or the user is missing
 * Return: whether there was a file to be read */
bool bh_passwd_home(uid_t uid, char *buf, size_t size);

/** bh_passwd_name() - the login name of @uid, or its number */
void bh_passwd_name(uid_t uid, char *buf, size_t size);

#endif
