/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs of the same build that the runtime executes: ocirun-init, ocirun-systemd. */
#ifndef BASE_COMPANION_H
#define BASE_COMPANION_H

#include <stdbool.h>

/**
 * companion_open - a program of ours, by the name of its file
 * @name: without directory
 * @ours: NULL, or: whether the file is the right one; asked of the open descriptor
 *
 * It lies in libexec, where `make install` puts it, or beside the runtime's own file (a build tree,
 * a copy of both). It is taken only if nobody can write to it who could not write to the runtime:
 * it is root's or has the runtime's own owner, and is not writable for others.
 *
 * Returns a descriptor open for reading, which is what should be executed (execveat(2),
 * AT_EMPTY_PATH); -1 if there is none.
 */
int companion_open(const char *name, bool (*ours)(int fd));

#endif
