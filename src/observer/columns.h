/* SPDX-License-Identifier: Apache-2.0 */
/* The columns that tables of pods are made of: what each is called, how it is printed, what it is
 * sorted by. */
#ifndef BH_OBSERVER_COLUMNS_H
#define BH_OBSERVER_COLUMNS_H

#include "base/buf.h"
#include "node/node.h"

enum bh_column {
	BH_COLUMN_ID = 0,
	BH_COLUMN_NAME,
	BH_COLUMN_RUNTIME,
	BH_COLUMN_STATE,
	BH_COLUMN_AGE,
	BH_COLUMN_CONTAINERS,
	BH_COLUMN_RESTARTS,
	BH_COLUMN_VM,
	BH_COLUMN_CPU, /* cores in use */
	BH_COLUMN_CPU_TIME,
	BH_COLUMN_MEMORY,
	BH_COLUMN_GUEST_CPU,
	BH_COLUMN_GUEST_CPU_TIME,
	BH_COLUMN_GUEST_MEMORY,
	BH_COLUMN_OVERHEAD, /* of memory: measured/declared */
	BH_COLUMN_REASON,
	BH_COLUMN_MAX_,
};

/* A pod in a table. */
struct bh_row {
	const struct bh_node_pod *pod;
	int64_t now;           /* seconds since the epoch */
	double cpu, guest_cpu; /* cores in use; negative = not known */
};

/** bh_column_key() - the key that sorts by it; 0 = none */
char bh_column_key(enum bh_column column);
const char *bh_column_title(enum bh_column column);

/** bh_column_compare() - as qsort(3) wants it: largest number first, or by the alphabet; rows that
 * are the same by @column are in the order of their names */
int bh_column_compare(enum bh_column column, const struct bh_row *a, const struct bh_row *b);

/* Columns, ended by BH_COLUMN_MAX_. */
typedef enum bh_column bh_columns[BH_COLUMN_MAX_ + 1];

/** bh_table_print() - a line of titles, then one for each of @n rows, each ended by a newline;
 * appended to @out. The last column is as long as it likes */
void bh_table_print(const bh_columns columns, const struct bh_row *rows, size_t n,
		    struct bh_buf *out);

/** bh_bytes_print() - "312.5M", "1.2G"; appended to @out */
void bh_bytes_print(uint64_t bytes, struct bh_buf *out);

#endif
