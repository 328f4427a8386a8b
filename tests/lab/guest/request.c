/* SPDX-License-Identifier: Apache-2.0 */
/* What the launcher asks for and how it is answered: see lab.h. */
#include "lab.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

static const char key_letters[] = {
	[LAB_KEY_INIT] = 'i',  [LAB_KEY_MEMORY] = 'm', [LAB_KEY_CWD] = 'c',
	[LAB_KEY_SHARE] = 's', [LAB_KEY_ENV] = 'e',    [LAB_KEY_ARG] = 'a',
};

static_assert(sizeof(key_letters) == LAB_KEY_MAX_, "a letter for each key");

/* Reads a whole file into a new buffer, with a NUL added. NULL with errno on failure. */
static char *read_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data = NULL;

	if (fd < 0 || fstat(fd, &st) < 0)
		goto out;
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		goto out;
	*size = 0;
	while (*size < (size_t)st.st_size) {
		ssize_t n = read(fd, data + *size, (size_t)st.st_size - *size);

		if (n <= 0) {
			free(data);
			data = NULL;
			goto out;
		}
		*size += (size_t)n;
	}
	data[*size] = '\0';
out:
	if (fd >= 0)
		close(fd);
	return data;
}

int lab_request_read(struct lab_request *req, const char *path)
{
	size_t size = 0, entries = 0;

	*req = (struct lab_request){ .data = read_file(path, &size) };
	if (!req->data)
		return -1;
	for (size_t i = 0; i < size; i++)
		entries += req->data[i] == '\0';
	for (enum lab_key key = 0; key < LAB_KEY_MAX_; key++) {
		size_t n = 0;

		req->values[key] = calloc(entries + 1, sizeof(char *));
		if (!req->values[key])
			return -1;
		for (char *p = req->data; p < req->data + size; p += strlen(p) + 1)
			if (p[0] == key_letters[key])
				req->values[key][n++] = p + 1;
		if (n == 0 && key != LAB_KEY_SHARE && key != LAB_KEY_ENV) {
			errno = EBADMSG;
			return -1;
		}
	}
	return 0;
}

int lab_frame_write(int port, enum lab_frame_type type, const void *data, size_t size)
{
	uint8_t buffer[sizeof(struct lab_frame) + LAB_FRAME_MAX];
	const uint8_t *from = data;

	do {
		size_t part = size < LAB_FRAME_MAX ? size : LAB_FRAME_MAX;
		size_t total = sizeof(struct lab_frame) + part;
		struct lab_frame head = { .type = type, .length = htole32((uint32_t)part) };

		memcpy(buffer, &head, sizeof(head));
		if (part > 0)
			memcpy(buffer + sizeof(head), from, part);
		for (size_t done = 0; done < total;) {
			ssize_t n = write(port, buffer + done, total - done);

			if (n < 0 && errno != EINTR)
				return -1;
			done += n > 0 ? (size_t)n : 0;
		}
		from += part;
		size -= part;
	} while (size > 0);
	return 0;
}

void lab_fail(int port, const char *format, ...)
{
	int error = errno;
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(STDERR_FILENO, "lab: %s: %s\n", text, strerror(error));
	if (port >= 0) {
		size_t n = strlen(text);

		snprintf(text + n, sizeof(text) - n, ": %s", strerror(error));
		lab_frame_write(port, LAB_FRAME_FAIL, text, strlen(text));
	}
	if (port < 0 && getpid() == 1)
		reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}
