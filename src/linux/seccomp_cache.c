/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled programs in a directory, a file each, named by the hash of all that decides their
 * content. There is nothing to invalidate: another profile, library or version of this code is
 * another name.
 *
 * Trust: a file is used only if the caller's own user made it and no one else can write it (or,
 * being root's program, if root did). The key in it must be the one asked for, so that no file can
 * stand in for another; the sum finds what a crash of the machine left half written. A program that
 * passes is still checked by the kernel when it is loaded.
 *
 * The directory is emptied when it holds CACHE_FILES_MAX files: profiles that change with every
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

struct header {
	char magic[8];
	uint8_t key[BH_SHA256_BYTES];
	uint64_t sum; /* of the instructions */
	uint32_t format;
	uint32_t n; /* instructions that follow */
};
static_assert(sizeof(struct header) == 56, "the file's layout");
static_assert(sizeof(struct sock_filter) == 8, "the file's layout");

#define FILE_MAX (sizeof(struct header) + BPF_MAXINSNS * sizeof(struct sock_filter))

static const char magic[8] = { 'B', 'H', 'S', 'E', 'C', 'B', 'P', 'F' };

/* ---- the key --------------------------------------------------------------------------------- */

static void add_number(struct bh_sha256 *sha, uint64_t number)
{
	bh_sha256_add(sha, &number, sizeof(number));
}

/* Lengths go first, so that no two profiles give the same bytes; an absent string is not an empty
 * one. */
static void add_string(struct bh_sha256 *sha, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	add_number(sha, text ? len + 1 : 0);
	bh_sha256_add(sha, text, len);
}

static void add_strings(struct bh_sha256 *sha, const struct bh_strv *list)
{
	add_number(sha, list->n);
	for (size_t i = 0; i < list->n; i++)
		add_string(sha, list->v[i]);
}

static void add_option(struct bh_sha256 *sha, const struct bh_opt_u32 *option)
{
	add_number(sha, option->set ? (uint64_t)option->v + 1 : 0);
}

void bh_seccomp_key(const struct bh_seccomp *profile, uint8_t ret[static BH_SHA256_BYTES])
{
	const struct scmp_version *version = seccomp_version();
	struct bh_sha256 sha;

	bh_sha256_init(&sha);
	add_string(&sha, "bulkhead " BH_VERSION " seccomp");
	add_number(&sha, CACHE_FORMAT);
	add_number(&sha, version->major);
	add_number(&sha, version->minor);
	add_number(&sha, version->micro);
	add_string(&sha, bh_seccomp_arch_native()->name);
	add_string(&sha, profile->default_action);
	add_option(&sha, &profile->default_errno_ret);
	add_strings(&sha, &profile->architectures);
	add_number(&sha, profile->syscalls.n);
	bh_for_each (rule, profile->syscalls) {
		add_strings(&sha, &rule->names);
		add_string(&sha, rule->action);
		add_option(&sha, &rule->errno_ret);
		add_number(&sha, rule->args.n);
		bh_for_each (arg, rule->args) {
			add_number(&sha, arg->index);
			add_number(&sha, arg->value);
			add_number(&sha, arg->value_two);
			add_number(&sha, arg->op);
		}
	}
	bh_sha256_final(&sha, ret);
}

#define NAME_BYTES (2 * BH_SHA256_BYTES + sizeof(".bpf"))

static void file_name(const uint8_t key[static BH_SHA256_BYTES], char buf[static NAME_BYTES])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < BH_SHA256_BYTES; i++) {
		buf[2 * i] = digits[key[i] >> 4];
		buf[2 * i + 1] = digits[key[i] & 15];
	}
	strcpy(buf + 2 * BH_SHA256_BYTES, ".bpf");
}

/* ---- the file -------------------------------------------------------------------------------- */

/* FNV-1a over whole instructions: against accidents, not against an attacker, who is kept out by
 * the file's owner and mode. */
static uint64_t sum_of(const struct sock_filter *insns, size_t n)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++) {
		uint64_t word;

		memcpy(&word, &insns[i], sizeof(word));
		sum = (sum ^ word) * UINT64_C(0x100000001b3);
		sum ^= sum >> 29; /* the product alone moves bits upwards only */
	}
	return sum;
}

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

int bh_seccomp_cache_decode(const void *data, size_t len, const uint8_t key[static BH_SHA256_BYTES],
			    struct bh_seccomp_filter *filter)
{
	bh_auto_free struct sock_filter *insns = NULL;
	struct header header;
	size_t size;

	if (len < sizeof(header))
		return -EBADMSG;
	memcpy(&header, data, sizeof(header));
	if (memcmp(header.magic, magic, sizeof(magic)) != 0 || header.format != CACHE_FORMAT ||
	    memcmp(header.key, key, sizeof(header.key)) != 0)
		return -EBADMSG;
	size = header.n * sizeof(*insns);
	if (header.n == 0 || header.n > BPF_MAXINSNS || len != sizeof(header) + size)
		return -EBADMSG;
	insns = malloc(size);
	if (!insns)
		return -ENOMEM;
	memcpy(insns, (const char *)data + sizeof(header), size);
	if (sum_of(insns, header.n) != header.sum || !program_is_sound(insns, header.n))
		return -EBADMSG;
	filter->insns = bh_take(&insns);
	filter->n = (uint16_t)header.n;
	return 0;
}

int bh_seccomp_cache_load(int dirfd, const uint8_t key[static BH_SHA256_BYTES],
			  struct bh_seccomp_filter *filter)
{
	bh_auto_close int fd = -EBADF;
	bh_auto_free char *data = NULL;
	char name[NAME_BYTES];
	struct stat st;
	ssize_t n;

	file_name(key, name);
	fd = bh_path_try_open(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, BH_PATH_BENEATH);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 0177) != 0 ||
	    st.st_size > (off_t)FILE_MAX)
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
	if (n < CACHE_FILES_MAX)
		return;
	rewinddir(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		unlinkat(fd, entry->d_name, 0);
}

void bh_seccomp_cache_store(int dirfd, const uint8_t key[static BH_SHA256_BYTES],
			    const struct bh_seccomp_filter *filter)
{
	size_t size = filter->n * sizeof(*filter->insns);
	struct header header = { .format = CACHE_FORMAT, .n = filter->n };
	bh_auto_free char *data = malloc(sizeof(header) + size);
	char name[NAME_BYTES];
	int r;

	if (!data)
		return;
	memcpy(header.magic, magic, sizeof(magic));
	memcpy(header.key, key, sizeof(header.key));
	header.sum = sum_of(filter->insns, filter->n);
	memcpy(data, &header, sizeof(header));
	memcpy(data + sizeof(header), filter->insns, size);
	file_name(key, name);
	make_room(dirfd);
	r = bh_path_replace(dirfd, name, data, sizeof(header) + size, 0600, NULL);
	if (r < 0)
		bh_debug("seccomp: program not cached, ignoring: %s", strerror(-r));
}
