/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The soft limit of open files, out of the way while a container with many mounts is made. */
#ifndef BASE_OPEN_FILES_H
#define BASE_OPEN_FILES_H

#include <stddef.h>

/**
 * open_files_allow - see that @n files more than a runtime has open anyway may be open: the soft
 * RLIMIT_NOFILE becomes the hard one, if it is too low for them
 * What does not work shows when a file is opened (EMFILE). Source: getrlimit(2).
 */
void open_files_allow(size_t n);

/** open_files_restore - the soft limit as open_files_allow() found it; any number of times, and
 * usable between fork and execve. What is open above the limit stays open. */
void open_files_restore(void);

#endif
