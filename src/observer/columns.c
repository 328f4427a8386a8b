/* SPDX-License-Identifier: Apache-2.0 */
#include "observer/columns.h"

#include <inttypes.h>
#include <string.h>

#define KIB           1024.0
#define USEC_PER_S    1e6
#define MINUTE        60
#define HOUR          3600
#define DAY           86400
#define ID_SHOWN      13 /* of one that is a hash, as crictl */
#define ID_HASH_CHARS 64
#define GAP           2

/* ---- cells ----------------------------------------------------------------------------------- */

void bh_bytes_print(uint64_t bytes, struct bh_buf *out)
{
	static const char units[] = "KMGT";
	double value = (double)bytes / KIB;
	size_t unit = 0;

	while (value >= KIB && units[unit + 1]) {
		value /= KIB;
		unit++;
	}
	bh_buf_printf(out, "%.1f%c", value, units[unit]);
}

static void print_id(const struct bh_row *row, struct bh_buf *out)
{
	const char *id = row->pod->id;

	bh_buf_printf(out, "%.*s", strlen(id) == ID_HASH_CHARS ? ID_SHOWN : 255, id);
}

static void print_name(const struct bh_row *row, struct bh_buf *out)
{
	const struct bh_node_pod *pod = row->pod;

	if (*pod->name_space)
		bh_buf_printf(out, "%s/", pod->name_space);
	bh_buf_puts(out, *pod->name ? pod->name : "-");
}

static void print_runtime(const struct bh_row *row, struct bh_buf *out)
{
	bh_buf_puts(out, row->pod->runtime);
}

static void print_state(const struct bh_row *row, struct bh_buf *out)
{
	bh_buf_puts(out, bh_node_state_name(row->pod->state));
}

static double age(const struct bh_row *row)
{
	return row->pod->created && row->now > row->pod->created
		       ? (double)(row->now - row->pod->created)
		       : 0;
}

static void print_age(const struct bh_row *row, struct bh_buf *out)
{
	int64_t s = (int64_t)age(row);

	if (!row->pod->created)
		bh_buf_puts(out, "-");
	else if (s < 2 * MINUTE)
		bh_buf_printf(out, "%" PRId64 "s", s);
	else if (s < 2 * HOUR)
		bh_buf_printf(out, "%" PRId64 "m", s / MINUTE);
	else if (s < 2 * DAY)
		bh_buf_printf(out, "%" PRId64 "h", s / HOUR);
	else
		bh_buf_printf(out, "%" PRId64 "d", s / DAY);
}

static double containers(const struct bh_row *row)
{
	return (double)row->pod->containers.n;
}

static void print_containers(const struct bh_row *row, struct bh_buf *out)
{
	bh_buf_printf(out, "%zu/%zu", bh_node_running(row->pod), row->pod->containers.n);
}

static double restarts(const struct bh_row *row)
{
	return row->pod->restarts;
}

static void print_restarts(const struct bh_row *row, struct bh_buf *out)
{
	bh_buf_printf(out, "%u", row->pod->restarts);
}

static double vm(const struct bh_row *row)
{
	return (double)row->pod->vm_memory;
}

static void print_vm(const struct bh_row *row, struct bh_buf *out)
{
	if (!row->pod->vcpus) {
		bh_buf_puts(out, "-");
		return;
	}
	bh_buf_printf(out, "%u/", row->pod->vcpus);
	bh_bytes_print(row->pod->vm_memory, out);
}

static void print_cores(double cores, struct bh_buf *out)
{
	if (cores < 0)
		bh_buf_puts(out, "-");
	else
		bh_buf_printf(out, "%.2f", cores);
}

static double cpu(const struct bh_row *row)
{
	return row->cpu;
}

static void print_cpu(const struct bh_row *row, struct bh_buf *out)
{
	print_cores(row->cpu, out);
}

static double guest_cpu(const struct bh_row *row)
{
	return row->guest_cpu;
}

static void print_guest_cpu(const struct bh_row *row, struct bh_buf *out)
{
	print_cores(row->guest_cpu, out);
}

static void print_time(bool known, uint64_t usec, struct bh_buf *out)
{
	if (known)
		bh_buf_printf(out, "%.2fs", (double)usec / USEC_PER_S);
	else
		bh_buf_puts(out, "-");
}

static double cpu_time(const struct bh_row *row)
{
	return (double)row->pod->measured.host_cpu_usec;
}

static void print_cpu_time(const struct bh_row *row, struct bh_buf *out)
{
	print_time(row->pod->measured.host, row->pod->measured.host_cpu_usec, out);
}

static double guest_cpu_time(const struct bh_row *row)
{
	return (double)row->pod->measured.guest_cpu_usec;
}

static void print_guest_cpu_time(const struct bh_row *row, struct bh_buf *out)
{
	print_time(row->pod->measured.guest, row->pod->measured.guest_cpu_usec, out);
}

static void print_memory_if(bool known, uint64_t bytes, struct bh_buf *out)
{
	if (known)
		bh_bytes_print(bytes, out);
	else
		bh_buf_puts(out, "-");
}

static double memory(const struct bh_row *row)
{
	return (double)row->pod->measured.host_memory;
}

static void print_memory(const struct bh_row *row, struct bh_buf *out)
{
	print_memory_if(row->pod->measured.host, row->pod->measured.host_memory, out);
}

static double guest_memory(const struct bh_row *row)
{
	return (double)row->pod->measured.guest_memory;
}

static void print_guest_memory(const struct bh_row *row, struct bh_buf *out)
{
	print_memory_if(row->pod->measured.guest, row->pod->measured.guest_memory, out);
}

static double overhead(const struct bh_row *row)
{
	return (double)row->pod->measured.overhead_memory;
}

static void print_overhead(const struct bh_row *row, struct bh_buf *out)
{
	const struct bh_node_pod *pod = row->pod;

	print_memory_if(pod->measured.overhead, pod->measured.overhead_memory, out);
	bh_buf_puts(out, "/");
	print_memory_if(pod->vcpus > 0, pod->overhead_memory, out);
}

static void print_reason(const struct bh_row *row, struct bh_buf *out)
{
	bh_buf_puts(out, row->pod->reason);
}

/* ---- columns --------------------------------------------------------------------------------- */

static const struct {
	const char *title;
	char key;
	double (*value)(const struct bh_row *row); /* to sort by; NULL = by its text */
	void (*print)(const struct bh_row *row, struct bh_buf *out);
} columns_v[BH_COLUMN_MAX_] = {
	[BH_COLUMN_ID] = { "POD", 'i', NULL, print_id },
	[BH_COLUMN_NAME] = { "NAME", 'n', NULL, print_name },
	[BH_COLUMN_RUNTIME] = { "RUNTIME", 't', NULL, print_runtime },
	[BH_COLUMN_STATE] = { "STATE", 's', NULL, print_state },
	[BH_COLUMN_AGE] = { "AGE", 'a', age, print_age },
	[BH_COLUMN_CONTAINERS] = { "RUN", 0, containers, print_containers },
	[BH_COLUMN_RESTARTS] = { "RESTARTS", 'x', restarts, print_restarts },
	[BH_COLUMN_VM] = { "VM", 'v', vm, print_vm },
	[BH_COLUMN_CPU] = { "CPU", 'c', cpu, print_cpu },
	[BH_COLUMN_CPU_TIME] = { "CPU", 'c', cpu_time, print_cpu_time },
	[BH_COLUMN_MEMORY] = { "MEMORY", 'm', memory, print_memory },
	[BH_COLUMN_GUEST_CPU] = { "GUEST-CPU", 'g', guest_cpu, print_guest_cpu },
	[BH_COLUMN_GUEST_CPU_TIME] = { "GUEST-CPU", 'g', guest_cpu_time, print_guest_cpu_time },
	[BH_COLUMN_GUEST_MEMORY] = { "GUEST-MEM", 'u', guest_memory, print_guest_memory },
	[BH_COLUMN_OVERHEAD] = { "OVERHEAD", 'o', overhead, print_overhead },
	[BH_COLUMN_REASON] = { "REASON", 0, NULL, print_reason },
};

char bh_column_key(enum bh_column column)
{
	return columns_v[column].key;
}

const char *bh_column_title(enum bh_column column)
{
	return columns_v[column].title;
}

static int by_text(enum bh_column column, const struct bh_row *a, const struct bh_row *b)
{
	bh_auto_buf struct bh_buf x = BH_BUF_INIT, y = BH_BUF_INIT;

	columns_v[column].print(a, &x);
	columns_v[column].print(b, &y);
	return strcmp(bh_buf_str(&x), bh_buf_str(&y));
}

int bh_column_compare(enum bh_column column, const struct bh_row *a, const struct bh_row *b)
{
	double (*value)(const struct bh_row *row) = columns_v[column].value;
	int r = value ? (value(a) < value(b)) - (value(a) > value(b)) : by_text(column, a, b);

	r = r ? r : by_text(BH_COLUMN_NAME, a, b);
	return r ? r : strcmp(a->pod->id, b->pod->id);
}

/* ---- the table ------------------------------------------------------------------------------- */

static void add_cell(struct bh_buf *out, const char *text, size_t width, bool right, bool last)
{
	int pad = (int)(width - strlen(text));

	bh_buf_printf(out, "%*s%s", right ? pad : 0, "", text);
	if (!last)
		bh_buf_printf(out, "%*s", (right ? 0 : pad) + GAP, "");
}

/* What stands in a column: in the line of titles, at row -1, and below. */
static void cell(enum bh_column column, const struct bh_row *rows, ssize_t at, struct bh_buf *out)
{
	if (at < 0)
		bh_buf_puts(out, columns_v[column].title);
	else
		columns_v[column].print(&rows[at], out);
}

static size_t width_of(enum bh_column column, const struct bh_row *rows, ssize_t n)
{
	size_t width = 0;

	for (ssize_t i = -1; i < n; i++) {
		bh_auto_buf struct bh_buf text = BH_BUF_INIT;

		cell(column, rows, i, &text);
		width = text.len > width ? text.len : width;
	}
	return width;
}

void bh_table_print(const bh_columns columns, const struct bh_row *rows, size_t n,
		    struct bh_buf *out)
{
	size_t widths[BH_COLUMN_MAX_];

	for (size_t c = 0; columns[c] != BH_COLUMN_MAX_; c++)
		widths[c] = width_of(columns[c], rows, (ssize_t)n);
	for (ssize_t i = -1; i < (ssize_t)n; i++) {
		for (size_t c = 0; columns[c] != BH_COLUMN_MAX_; c++) {
			bh_auto_buf struct bh_buf text = BH_BUF_INIT;

			cell(columns[c], rows, i, &text);
			add_cell(out, bh_buf_str(&text), widths[c], columns_v[columns[c]].value,
				 columns[c + 1] == BH_COLUMN_MAX_);
		}
		bh_buf_puts(out, "\n");
	}
}
