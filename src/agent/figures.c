/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/figures.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/json_writer.h"
#include "base/path.h"

#define FILE_MAX 65536

static int read_file(const char *path, char **ret, struct bh_err *err)
{
	return bh_path_read(AT_FDCWD, path, BH_PATH_HOST, FILE_MAX, ret, NULL, err);
}

uint64_t bh_figures_memory(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, len) && line[len] == ':')
			return strtoull(line + len + 1, NULL, 10) * 1024;
	}
	return 0;
}

/* Busy time of all CPUs: the first line of /proc/stat without idle and iowait. What guests used is
 * in user and nice already. */
static uint64_t busy_ticks(const char *text)
{
	enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, N };
	unsigned long long v[N] = { 0 };

	sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[USER], &v[NICE], &v[SYSTEM],
	       &v[IDLE], &v[IOWAIT], &v[IRQ], &v[SOFTIRQ], &v[STEAL]);
	return v[USER] + v[NICE] + v[SYSTEM] + v[IRQ] + v[SOFTIRQ];
}

uint64_t bh_figures_own_usec(void)
{
	struct timespec used = { .tv_sec = 0 };

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

int bh_figures(uint64_t boot_usec, Agent__FiguresResponse *ret, struct bh_err *err)
{
	bh_auto_free char *memory = NULL, *stat = NULL, *own = NULL;
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
	unsigned long long pages = 0;
	int r = read_file("/proc/meminfo", &memory, err);

	if (r == 0)
		r = read_file("/proc/stat", &stat, err);
	if (r == 0)
		r = read_file("/proc/self/statm", &own, err);
	if (r < 0)
		return r;
	sscanf(own, "%*s %llu", &pages);
	ret->memory_total = bh_figures_memory(memory, "MemTotal");
	ret->memory_available = bh_figures_memory(memory, "MemAvailable");
	ret->memory_kernel = bh_figures_memory(memory, "Slab") +
			     bh_figures_memory(memory, "KernelStack") +
			     bh_figures_memory(memory, "PageTables");
	ret->agent_rss = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	ret->cpu_usec = busy_ticks(stat) * 1000000 / hz;
	ret->agent_cpu_usec = bh_figures_own_usec() - boot_usec;
	return 0;
}

/* ---- network --------------------------------------------------------------------------------- */

void bh_figures_network(const char *text, struct bh_buf *out)
{
	static const char *const keys[] = { "RxBytes", "RxPackets", "RxErrors", "RxDropped",
					    "TxBytes", "TxPackets", "TxErrors", "TxDropped" };
	struct bh_json_writer w = { .out = out };

	bh_json_open(&w, NULL, '[');
	for (const char *line = text; line; line = strchr(line, '\n')) {
		unsigned long long v[BH_ARRAY_SIZE(keys)];
		char name[32];

		line += *line == '\n';
		if (sscanf(line,
			   " %31[^: ]: %llu %llu %llu %llu %*u %*u %*u %*u %llu %llu %llu %llu",
			   name, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) != 9 ||
		    !strcmp(name, "lo"))
			continue;
		bh_json_open(&w, NULL, '{');
		bh_json_text(&w, "Name", name);
		for (size_t i = 0; i < BH_ARRAY_SIZE(keys); i++)
			bh_json_u64(&w, keys[i], v[i]);
		bh_json_close(&w, '}');
	}
	bh_json_close(&w, ']');
}

/* ---- processes ------------------------------------------------------------------------------- */

/* Terminals by number: tty_nr of proc_pid_stat(5). */
static const char *print_tty(struct bh_arena *arena, unsigned int number)
{
	unsigned int major = number >> 8 & 0xfff;
	unsigned int minor = (number & 0xff) | (number >> 12 & 0xfff00);

	if (major >= 136 && major <= 143)
		return bh_arena_printf(arena, "pts/%u", (major - 136) * 256 + minor);
	if (major == 4 && minor < 64)
		return bh_arena_printf(arena, "tty%u", minor);
	return number ? bh_arena_printf(arena, "%u:%u", major, minor) : "?";
}

/* As ps(1): the hour of a process of the last day, else the date. In UTC: the guest knows no zone.
 */
static const char *print_start(struct bh_arena *arena, int64_t start, int64_t now)
{
	time_t when = (time_t)start;
	struct tm tm;
	char text[16];

	if (!gmtime_r(&when, &tm))
		return "?";
	strftime(text, sizeof(text), now - start < 24 * 3600 ? "%H:%M" : "%b%d", &tm);
	return bh_arena_strdup(arena, text);
}

/* The arguments with spaces between them, harmless on a terminal; the name in brackets without. */
static const char *print_command(struct bh_arena *arena, const char *cmdline, size_t len,
				 const char *name, size_t name_len)
{
	char *text;

	while (len > 0 && !cmdline[len - 1])
		len--;
	text = len > 0 ? bh_arena_alloc(arena, len + 1)
		       : bh_arena_printf(arena, "[%.*s]", (int)name_len, name);
	if (!text)
		return NULL;
	if (len > 0)
		memcpy(text, cmdline, len);
	len = len > 0 ? len : strlen(text);
	for (size_t i = 0; i < len; i++) {
		if (!text[i])
			text[i] = ' ';
		else if (iscntrl((unsigned char)text[i]))
			text[i] = '?';
	}
	return text;
}

int bh_ps_row(struct bh_arena *arena, const struct bh_ps_clock *clock, const char *stat,
	      const char *cmdline, size_t cmdline_len, uid_t uid, Agent__Process *ret)
{
	/* The name may have anything in it, parentheses too: the last one ends it. */
	const char *open = strchr(stat, '('), *close = strrchr(stat, ')');
	unsigned long long user, system, start;
	int64_t started, seconds;
	unsigned int ppid, tty;

	if (!open || !close || close < open ||
	    sscanf(close + 1,
		   " %*c %u %*d %*d %u %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d "
		   "%llu",
		   &ppid, &tty, &user, &system, &start) != 5)
		return -EINVAL;
	agent__process__init(ret);
	started = clock->boot + (int64_t)(start / clock->hz);
	seconds = (int64_t)((user + system) / clock->hz);
	ret->pid = (uint32_t)strtoul(stat, NULL, 10);
	ret->ppid = ppid;
	ret->user = uid ? bh_arena_printf(arena, "%u", uid) : (char *)"root";
	if (clock->now > started)
		ret->cpu_percent =
			(uint32_t)((uint64_t)seconds * 100 / (uint64_t)(clock->now - started));
	ret->started = (char *)print_start(arena, started, clock->now);
	ret->tty = (char *)print_tty(arena, tty);
	ret->time = bh_arena_printf(arena, "%02lld:%02lld:%02lld", (long long)seconds / 3600,
				    (long long)seconds / 60 % 60, (long long)seconds % 60);
	ret->command = (char *)print_command(arena, cmdline, cmdline_len, open + 1,
					     (size_t)(close - open - 1));
	return ret->user && ret->started && ret->tty && ret->time && ret->command ? 0 : -ENOMEM;
}

static int read_row(struct bh_arena *arena, const struct bh_ps_clock *clock, pid_t pid,
		    Agent__Process *ret, struct bh_err *err)
{
	bh_auto_free char *stat = NULL;
	bh_auto_close int dir = -EBADF;
	char path[32], buffer[4096];
	struct stat st;
	ssize_t n;
	int fd, r;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	dir = bh_path_open(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0, BH_PATH_HOST, err);
	if (dir < 0)
		return dir;
	r = bh_path_read(dir, "stat", BH_PATH_PROC, FILE_MAX, &stat, NULL, err);
	if (r < 0)
		return r;
	/* As long as a container likes it: only the start is shown. */
	fd = bh_path_open(dir, "cmdline", O_RDONLY, 0, BH_PATH_PROC, err);
	n = fd < 0 ? 0 : read(fd, buffer, sizeof(buffer));
	bh_close(fd);
	if (fstat(dir, &st) < 0)
		return -ESRCH;
	r = bh_ps_row(arena, clock, stat, buffer, n > 0 ? (size_t)n : 0, st.st_uid, ret);
	return r < 0 ? bh_err_set(err, r, "process %d", (int)pid) : 0;
}

static struct bh_ps_clock read_clock(void)
{
	struct timespec now, up;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return (struct bh_ps_clock){ .now = now.tv_sec,
				     .boot = now.tv_sec - up.tv_sec,
				     .hz = (unsigned long)sysconf(_SC_CLK_TCK) };
}

int bh_ps(struct bh_arena *arena, const pid_t *pids, size_t n, Agent__ProcessesResponse *ret,
	  struct bh_err *err)
{
	Agent__Process *rows = bh_arena_array(arena, n + 1, sizeof(*rows));
	const struct bh_ps_clock clock = read_clock();

	agent__processes_response__init(ret);
	ret->processes = bh_arena_array(arena, n + 1, sizeof(*ret->processes));
	if (!rows || !ret->processes)
		return bh_err_oom(err);
	for (size_t i = 0; i < n; i++) {
		int r = read_row(arena, &clock, pids[i], &rows[i], err);

		if (r == 0)
			ret->processes[ret->n_processes++] = &rows[i];
		else if (r == -ENOMEM)
			return r;
	}
	return 0;
}
