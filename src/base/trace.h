/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --trace FILE: spans of the lifecycle tables as trace events (JSON that Perfetto opens). Host and
 * init write to the same file, on two tracks; init inherits the fd. Costs nothing when it is off.
 */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include "base/err.h"

#include <stdint.h>

/** trace_open - create FILE; TRACEPARENT of the environment is recorded in the metadata */
int trace_open(const char *path, const char *track, struct err *err);

/** trace_adopt - use an inherited fd (init); -1: off */
void trace_adopt(int fd, const char *track);

/** trace_fd - the fd to hand to init, or -1 */
int trace_fd(void);

/** trace_begin, trace_end - a span; begin returns the time in microseconds, 0 when off */
uint64_t trace_begin(void);
void trace_end(const char *name, uint64_t begin);

#endif
