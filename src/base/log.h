/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the user and the engines see of failures (docs: engines parse these).
 *
 * - The error: one line on stderr, "ocirun: COMMAND: SENTENCE"; with --log also one record in the
 * log.
 * - Warnings and debug text: only when asked for by --log-level, or (warnings) when stderr is a
 *   terminal and there is no --log. Engines merge streams, so by default nothing is written.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/**
 * log_setup - where records go
 * @path:  NULL: stderr only; otherwise opened for append and created (also when nothing is logged);
 *         "file:PATH", "journald:ID", "syslog:ID" as crun takes them
 * @level: least severe level that is recorded; @level_given: asked for by the user
 */
int log_setup(const char *path, enum log_format format, enum log_level level, bool level_given,
              struct err *err);

/** log_command - the word after "ocirun: " in messages: "create" */
void log_command(const char *name);

/** log_error - report the failure of the command; called once, by main */
void log_error(const struct err *err);

/** log_warning, log_debug - as described above; log_sink replaces them in init, which has no log */
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_sink(void (*sink)(void *data, enum log_level level, const char *text), void *data);

/** log_wants - whether a record of @level would be written anywhere */
bool log_wants(enum log_level level);

#endif
