/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Places in a JSON text. Only used once something is wrong, so it may be slow. Internal. */
#ifndef OCISPEC_SCAN_H
#define OCISPEC_SCAN_H

#include <stdbool.h>
#include <stddef.h>

enum { JSON_DEPTH_MAX = 64 };

/**
 * scan_fault - where a text stops being JSON
 * @offset:  of the first byte that does not fit; @len at a premature end
 * @message: what was expected there
 * Returns whether there is a fault. Duplicate names and the encoding are not looked at.
 */
bool scan_fault(const char *text, size_t len, size_t *offset, const char **message);

/**
 * scan_position - line and column of a byte; both from 1, columns count characters, not bytes
 */
void scan_position(const char *text, size_t len, size_t offset, unsigned *line, unsigned *column);

/**
 * scan_is_plain - whether a member's name can stand in a path as it is; else it is written ["name"]
 */
bool scan_is_plain(const char *name, size_t len);

#endif
