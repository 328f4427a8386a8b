/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/hello.h"

#include <fcntl.h>
#include <linux/random.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <time.h>

#include "agent/disk.h"
#include "agent/figures.h"
#include "base/path.h"
#include "rpc/guest.h"

#define ENTROPY_MAX     4096
#define HOSTNAME_MAX    64
#define RESOLV_CONF_MAX 65536
#define FILESYSTEMS_MAX 64

int bh_hello_clock(const Wire__Timestamp *now, struct bh_err *err)
{
	struct timespec when;

	if (!now)
		return 0;
	when = (struct timespec){ .tv_sec = now->seconds, .tv_nsec = now->nanos };
	if (clock_settime(CLOCK_REALTIME, &when) < 0)
		return bh_err_set(err, -errno, "set the clock to %lld s", (long long)now->seconds);
	return 0;
}

/* The host's randomness is as good as it gets: it counts in full. */
static int add_entropy(const ProtobufCBinaryData *entropy, struct bh_err *err)
{
	bh_auto_free struct rand_pool_info *pool = NULL;
	bh_auto_close int fd = -EBADF;
	int r = 0;

	if (!entropy->len)
		return 0;
	if (entropy->len > ENTROPY_MAX)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "%zu bytes of entropy: %d are allowed",
				 entropy->len, ENTROPY_MAX);
	pool = calloc(1, sizeof(*pool) + entropy->len);
	if (!pool)
		return bh_err_oom(err);
	pool->entropy_count = (int)entropy->len * 8;
	pool->buf_size = (int)entropy->len;
	memcpy(pool->buf, entropy->data, entropy->len);
	fd = bh_path_open(AT_FDCWD, "/dev/random", O_WRONLY, 0, BH_PATH_HOST, err);
	if (fd < 0)
		return fd;
	if (ioctl(fd, RNDADDENTROPY, pool) < 0)
		r = bh_err_set(err, -errno, "credit entropy");
	explicit_bzero(pool->buf, entropy->len);
	return r;
}

static int set_names(const Agent__HelloRequest *request, struct bh_err *err)
{
	size_t len = strlen(request->hostname), dns = strlen(request->resolv_conf);
	bh_auto_close int etc = -EBADF;

	if (len > HOSTNAME_MAX || dns > RESOLV_CONF_MAX)
		return bh_err_as(err, BH_ERR_SPEC, -EINVAL, "hostname or resolv.conf is too long");
	if (len && sethostname(request->hostname, len) < 0)
		return bh_err_set(err, -errno, "set hostname '%s'", request->hostname);
	if (!dns)
		return 0;
	etc = bh_path_open(AT_FDCWD, "/etc", O_RDONLY | O_DIRECTORY, 0, BH_PATH_HOST, err);
	return etc < 0 ? etc
		       : bh_path_replace(etc, strrchr(BH_GUEST_RESOLV_CONF, '/') + 1,
					 request->resolv_conf, dns, 0644, err);
}

/* ---- facts ----------------------------------------------------------------------------------- */

static int read_word(struct bh_arena *arena, const char *path, char **ret, struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	int r = bh_path_read(AT_FDCWD, path, BH_PATH_HOST, 65536, &text, NULL, err);

	if (r < 0)
		return r;
	*ret = bh_arena_strndup(arena, text, strcspn(text, "\n"));
	return *ret ? 0 : bh_err_oom(err);
}

static void add_filesystem(Agent__HelloResponse *ret, const char *name)
{
	for (size_t i = 0; i < ret->n_filesystems; i++)
		if (!strcmp(ret->filesystems[i], name))
			return;
	if (ret->n_filesystems < FILESYSTEMS_MAX)
		ret->filesystems[ret->n_filesystems++] = (char *)name;
}

/* Lines of /proc/filesystems: "nodev\tproc" or "\text4". */
static int list_filesystems(struct bh_arena *arena, int modules_fd, Agent__HelloResponse *ret,
			    struct bh_err *err)
{
	bh_auto_free char *text = NULL;
	char *save = NULL;
	int r = bh_path_read(AT_FDCWD, "/proc/filesystems", BH_PATH_HOST, 65536, &text, NULL, err);

	ret->filesystems = bh_arena_array(arena, FILESYSTEMS_MAX, sizeof(*ret->filesystems));
	if (r < 0 || !ret->filesystems)
		return r < 0 ? r : bh_err_oom(err);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *tab = strchr(line, '\t');
		char *name = tab ? bh_arena_strdup(arena, tab + 1) : NULL;

		if (tab && !name)
			return bh_err_oom(err);
		if (name)
			add_filesystem(ret, name);
	}
	for (size_t i = 0; bh_disk_filesystem(i); i++)
		if (bh_modules_has_fs(modules_fd, bh_disk_filesystem(i)))
			add_filesystem(ret, bh_disk_filesystem(i));
	return 0;
}

static int tell_facts(struct bh_arena *arena, int modules_fd, Agent__HelloResponse *ret,
		      struct bh_err *err)
{
	bh_auto_free char *memory = NULL;
	struct utsname name;
	cpu_set_t cpus;
	int r;

	uname(&name);
	CPU_ZERO(&cpus);
	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		return bh_err_set(err, -errno, "count processors");
	ret->version = (char *)BH_VERSION;
	ret->kernel = bh_arena_strdup(arena, name.release);
	ret->cpus = (uint32_t)CPU_COUNT(&cpus);
	r = ret->kernel ? bh_path_read(AT_FDCWD, "/proc/meminfo", BH_PATH_HOST, 65536, &memory,
				       NULL, err)
			: bh_err_oom(err);
	if (r < 0)
		return r;
	ret->memory = bh_figures_memory(memory, "MemTotal");
	r = read_word(arena, "/proc/sys/kernel/random/boot_id", &ret->boot_id, err);
	return r < 0 ? r : list_filesystems(arena, modules_fd, ret, err);
}

int bh_hello(struct bh_arena *arena, const Agent__HelloRequest *request, int modules_fd,
	     Agent__HelloResponse *ret, struct bh_err *err)
{
	int r;

	agent__hello_response__init(ret);
	if (strcmp(request->version, BH_VERSION))
		return bh_err_as(err, BH_ERR_STATE, -EPROTO,
				 "the agent is version %s, its caller version %.32s: they must be "
				 "the same",
				 BH_VERSION, request->version);
	r = bh_hello_clock(request->now, err);
	if (r == 0)
		r = add_entropy(&request->entropy, err);
	if (r == 0)
		r = set_names(request, err);
	return r < 0 ? r : tell_facts(arena, modules_fd, ret, err);
}
