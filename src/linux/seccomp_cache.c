/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled programs in a directory, a file each. A file holds the whole key beside the program: all
 * that decides what the program is, written one after the other, which is compared byte by byte. So
 * another profile, library or version of this code is another key, there is nothing to invalidate,
 * and the hash that names the file need not be a strong one: who makes two profiles meet in one
 * name gains that both are compiled again and again.
 *
 * Trust: a file is used only if the caller's own user made it and no one else can read or write it.
 * The sum finds what a crash of the machine left half written. A program that passes is still
 * checked by the kernel when it is loaded.
 *
 * The directory is emptied when it holds CACHE_FILES_MAX files: profiles that differ with every
 * container must not fill a memory file system.
 */
#include <assert.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/path.h"
#include "linux/seccomp_internal.h"

#define CACHE_FORMAT    1
#define CACHE_FILES_MAX 64
#define KEY_BYTES_MAX   65536 /* a profile that is larger is not cached */

struct header {
	char magic[8];
	uint64_t sum;          /* of all behind the header */
	uint32_t key_bytes, n; /* which stand behind it: the key, then n instructions */
};
static_assert(sizeof(struct header) == 24, "the file's layout");
static_assert(sizeof(struct sock_filter) == 8, "the file's layout");

#define FILE_BYTES_MAX \
	(sizeof(struct header) + KEY_BYTES_MAX + BPF_MAXINSNS * sizeof(struct sock_filter))

static const char magic[8] = { 'B', 'H', 'S', 'E', 'C', 'B', 'P', 'F' };

/* FNV-1a by words of eight bytes. */
static uint64_t sum_of(const void *data, size_t bytes)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325) ^ bytes;

	for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
		size_t left = bytes - i;
		uint64_t word = 0;

		memcpy(&word, (const char *)data + i, left < sizeof(word) ? left : sizeof(word));
		sum = (sum ^ word) * UINT64_C(0x100000001b3);
		sum ^= sum >> 29; /* the product alone moves bits upwards only */
	}
	return sum;
}

/* ---- the key --------------------------------------------------------------------------------- */

static void add_number(struct bh_buf *key, uint64_t number)
{
	bh_buf_add(key, &number, sizeof(number));
}

/* With its NUL, so that it is known where it ends. */
static void add_string(struct bh_buf *key, const char *text)
{
	bh_buf_add(key, text, strlen(text) + 1);
}

static void add_strings(struct bh_buf *key, const struct bh_strv *list)
{
	add_number(key, list->n);
	for (size_t i = 0; i < list->n; i++)
		add_string(key, list->v[i]);
}

static void add_option(struct bh_buf *key, const struct bh_opt_u32 *option)
{
	add_number(key, option->set ? (uint64_t)option->v + 1 : 0);
}

void bh_seccomp_key(const struct bh_seccomp *profile, struct bh_buf *key)
{
	const struct scmp_version *version = seccomp_version();

	add_number(key, CACHE_FORMAT);
	add_string(key, BH_VERSION);
	add_number(key, version->major);
	add_number(key, version->minor);
	add_number(key, version->micro);
	add_string(key, bh_seccomp_arch_native()->name);
	add_string(key, profile->default_action);
	add_option(key, &profile->default_errno_ret);
	add_strings(key, &profile->architectures);
	add_number(key, profile->syscalls.n);
	bh_for_each (rule, profile->syscalls) {
		add_strings(key, &rule->names);
		add_string(key, rule->action);
		add_option(key, &rule->errno_ret);
		add_number(key, rule->args.n);
		bh_for_each (arg, rule->args) {
			add_number(key, arg->index);
			add_number(key, arg->value);
			add_number(key, arg->value_two);
			add_number(key, arg->op);
		}
	}
}

#define NAME_BYTES sizeof("0123456789abcdef.bpf")

static void file_name(const struct bh_buf *key, char buf[static NAME_BYTES])
{
	snprintf(buf, NAME_BYTES, "%016llx.bpf", (unsigned long long)sum_of(key->data, key->len));
}

/* ---- the file -------------------------------------------------------------------------------- */

/* Jumps stay inside and the last instruction returns, so that every path ends. */
static bool program_is_sound(const struct sock_filter *insns, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct sock_filter *insn = &insns[i];
		size_t left = n - i - 1;

		if (BPF_CLASS(insn->code) != BPF_JMP)
			continue;
		if (BPF_OP(insn->code) == BPF_JA ? insn->k >= left
						 : insn->jt >= left || insn->jf >= left)
			return false;
	}
	return n > 0 && BPF_CLASS(insns[n - 1].code) == BPF_RET;
}

int bh_seccomp_cache_decode(const void *data, size_t len, const struct bh_buf *key,
			    struct bh_seccomp_filter *filter)
{
	bh_auto_free struct sock_filter *insns = NULL;
	const char *body = (const char *)data + sizeof(struct header);
	struct header header;
	size_t size;

	if (len < sizeof(header))
		return -EBADMSG;
	memcpy(&header, data, sizeof(header));
	len -= sizeof(header);
	if (memcmp(header.magic, magic, sizeof(magic)) != 0 || header.key_bytes != key->len ||
	    header.n == 0 || header.n > BPF_MAXINSNS)
		return -EBADMSG;
	size = header.n * sizeof(*insns);
	if (len != key->len + size || memcmp(body, key->data, key->len) != 0 ||
	    sum_of(body, len) != header.sum)
		return -EBADMSG;
	insns = malloc(size);
	if (!insns)
		return -ENOMEM;
	memcpy(insns, body + key->len, size);
	if (!program_is_sound(insns, header.n))
		return -EBADMSG;
	filter->insns = bh_take(&insns);
	filter->n = (uint16_t)header.n;
	return 0;
}

void bh_seccomp_cache_encode(const struct bh_buf *key, const struct bh_seccomp_filter *filter,
			     struct bh_buf *file)
{
	struct header header = { .key_bytes = (uint32_t)key->len, .n = filter->n };

	memcpy(header.magic, magic, sizeof(magic));
	bh_buf_add(file, &header, sizeof(header));
	bh_buf_add(file, key->data, key->len);
	bh_buf_add(file, filter->insns, filter->n * sizeof(*filter->insns));
	if (file->failed)
		return;
	header.sum = sum_of(file->data + sizeof(header), file->len - sizeof(header));
	memcpy(file->data, &header, sizeof(header));
}

int bh_seccomp_cache_load(int dirfd, const struct bh_buf *key, struct bh_seccomp_filter *filter)
{
	bh_auto_close int fd = -EBADF;
	bh_auto_free char *data = NULL;
	char name[NAME_BYTES];
	struct stat st;
	ssize_t n;

	if (key->failed || key->len > KEY_BYTES_MAX)
		return -ENOENT;
	file_name(key, name);
	fd = bh_path_try_open(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, BH_PATH_BENEATH);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 0177) != 0 ||
	    st.st_size > (off_t)FILE_BYTES_MAX)
		return -EPERM;
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return -ENOMEM;
	n = TEMP_FAILURE_RETRY(read(fd, data, (size_t)st.st_size + 1));
	if (n < 0)
		return -errno;
	return bh_seccomp_cache_decode(data, (size_t)n, key, filter);
}

static void make_room(int dirfd)
{
	bh_auto_closedir DIR *dir = NULL;
	int fd = bh_path_try_open(dirfd, ".", O_RDONLY | O_DIRECTORY, 0, BH_PATH_BENEATH);
	size_t n = 0;

	if (fd < 0)
		return;
	dir = fdopendir(fd);
	if (!dir) {
		bh_close(fd);
		return;
	}
	while (readdir(dir))
		n++;
	if (n < CACHE_FILES_MAX + 2) /* "." and ".." */
		return;
	rewinddir(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		unlinkat(fd, entry->d_name, 0);
}

void bh_seccomp_cache_store(int dirfd, const struct bh_buf *key,
			    const struct bh_seccomp_filter *filter)
{
	bh_auto_buf struct bh_buf file = BH_BUF_INIT;
	char name[NAME_BYTES];
	int r = -ENOMEM;

	if (key->failed || key->len > KEY_BYTES_MAX)
		return;
	bh_seccomp_cache_encode(key, filter, &file);
	file_name(key, name);
	make_room(dirfd);
	if (!file.failed)
		r = bh_path_replace(dirfd, name, file.data, file.len, 0600, NULL);
	if (r < 0)
		bh_debug("seccomp: program not cached, ignoring: %s", strerror(-r));
}
