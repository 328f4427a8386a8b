/* SPDX-License-Identifier: Apache-2.0 */
#include "container/passwd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"

#define PASSWD_BYTES_MAX (4U << 20)

/* Field @which of the line at @line into @buf. Return: whether it is there */
static bool field_of(const char *line, enum bh_passwd_field which, char *buf, size_t size)
{
	const char *end = strchrnul(line, '\n');

	for (int i = 0; i < (int)which; i++) {
		line = memchr(line, ':', (size_t)(end - line));
		if (!line)
			return false;
		line++;
	}
	end = line + strcspn(line, ":\n");
	return end > line && snprintf(buf, size, "%.*s", (int)(end - line), line) < (int)size;
}

bool bh_passwd_find(const char *text, uid_t uid, enum bh_passwd_field which, char *buf, size_t size)
{
	char found[24], wanted[24];

	snprintf(wanted, sizeof(wanted), "%u", uid);
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (field_of(line, BH_PASSWD_UID, found, sizeof(found)) &&
		    strcmp(found, wanted) == 0)
			return field_of(line, which, buf, size);
	}
	return false;
}

/* Return: the file's text, the caller's; NULL = there is none, or it cannot be read */
static char *read_file(void)
{
	char *text = NULL;
	/* "/" is the container's root by now, or the host's own; a FIFO in its place must not
	 * block. */
	bh_auto_close int fd =
		bh_path_try_open(AT_FDCWD, "/etc/passwd", O_RDONLY | O_NONBLOCK, 0, BH_PATH_HOST);

	if (fd < 0 || bh_fd_read(fd, "/etc/passwd", PASSWD_BYTES_MAX, &text, NULL, NULL) < 0)
		return NULL;
	return text;
}

bool bh_passwd_home(uid_t uid, char *buf, size_t size)
{
	bh_auto_free char *text = read_file();

	if (!text || !bh_passwd_find(text, uid, BH_PASSWD_HOME, buf, size))
		snprintf(buf, size, "/");
	return text;
}

void bh_passwd_name(uid_t uid, char *buf, size_t size)
{
	bh_auto_free char *text = read_file();

	if (!text || !bh_passwd_find(text, uid, BH_PASSWD_NAME, buf, size))
		snprintf(buf, size, "%u", uid);
}
