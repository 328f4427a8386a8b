/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one log sink of a process, opened by main(). Libraries log nothing above debug; warnings are
 * for what is ignored on purpose and say so. Formats are runc's: logrus text or JSON lines.
 */
#ifndef BH_BASE_LOG_H
#define BH_BASE_LOG_H

#include <stdbool.h>

#include "base/err.h"

enum bh_log_level { BH_LOG_ERROR = 0, BH_LOG_WARN, BH_LOG_INFO, BH_LOG_DEBUG, BH_LOG_MAX_ };
enum bh_log_format { BH_LOG_TEXT = 0, BH_LOG_JSON, BH_LOG_FORMAT_MAX_ };

/**
 * bh_log_open() - set the sink
 * @path:   file to append to, made 0644 if missing; NULL for standard error
 * @format: of each line
 * @level:  the least important level that is written
 *
 * Return: 0, or -errno with @err; the sink is then what it was
 */
int bh_log_open(const char *path, enum bh_log_format format, enum bh_log_level level,
		struct bh_err *err) bh_must_check;

/** bh_log_fd() - the sink's descriptor, for children that must keep it; -1 before bh_log_open() */
int bh_log_fd(void);

/** bh_log_end() - nothing is logged from now on: for a child that closes the sink's descriptor */
void bh_log_end(void);

/** bh_log() - one line; control characters and quotes in it are escaped */
void bh_log(enum bh_log_level level, const char *fmt, ...) bh_printf(2, 3);

/** bh_log_report() - what ends the program: one line in the log and, where that is a file, on
 * standard error too */
void bh_log_report(const struct bh_err *err);

/** bh_log_enabled() - whether a line of @level would be written */
bool bh_log_enabled(enum bh_log_level level);

#define bh_debug(...) (bh_log_enabled(BH_LOG_DEBUG) ? bh_log(BH_LOG_DEBUG, __VA_ARGS__) : (void)0)
#define bh_warn(...)  bh_log(BH_LOG_WARN, __VA_ARGS__)

#endif
