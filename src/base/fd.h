/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File descriptors: ownership, reading and writing whole files, passing over sockets. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include "base/err.h"

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

/** fd_close - close(2) without touching errno; -1 is allowed. Returns -1, for fd = fd_close(fd). */
int fd_close(int fd);

static inline void fd_closep(int *fd)
{
    fd_close(*fd);
}
#define _cleanup_close_ __attribute__((cleanup(fd_closep)))

/**
 * fd_read_all - read to the end of file
 * @fd:   readable; read from its current offset
 * @max:  refuse more than this many bytes (EFBIG)
 * @text: set to malloc'ed memory, terminated by NUL; the caller frees it
 * @len:  NULL, or set to the length without the NUL
 */
int fd_read_all(int fd, size_t max, char **text, size_t *len, struct err *err);

/** fd_read_file_at - open @name below @dir (O_NOFOLLOW, no O_PATH tricks) and fd_read_all() it */
int fd_read_file_at(int dir, const char *name, size_t max, char **text, size_t *len,
                    struct err *err);

/** fd_write_all - write everything, also over signals and short writes */
int fd_write_all(int fd, const void *data, size_t len, struct err *err);

/**
 * fd_write_file_at - write a small kernel file (procfs, cgroupfs) in one write(2)
 * @dir:  directory fd
 * @name: a name without '/' (EINVAL otherwise)
 * Opened O_WRONLY | O_NOFOLLOW; never created. The error text names @name and the value.
 */
int fd_write_file_at(int dir, const char *name, const char *value, struct err *err);

/**
 * fd_stage_file_at - the first half of fd_replace_file_at(): a temporary file beside @name
 * @temporary: gets its name; renameat(2) over @name is the second half
 */
int fd_stage_file_at(int dir, const char *name, const void *data, size_t len, mode_t mode,
                     char temporary[static NAME_MAX + 1], struct err *err);

/**
 * fd_replace_file_at - write a file atomically: a temporary name, then rename(2) over @name
 * @mode: permission bits. The temporary file is removed on failure. Not synced: the state directory
 *        is on tmpfs, and a crash of the machine ends the containers too.
 */
int fd_replace_file_at(int dir, const char *name, const void *data, size_t len, mode_t mode,
                       struct err *err);

/**
 * fd_memfd - an anonymous file that holds @data, sealed against change, at offset 0
 * Returns the fd or -1.
 */
int fd_memfd(const char *name, const void *data, size_t len, struct err *err);

/**
 * fd_cloexec_from - make every fd from @first on close-on-exec
 * @procfs: procfs directory fd for kernels and filters without close_range(2), or -1: /proc, if it
 * is a procfs. Usable between fork and exec. Returns 0, or -1 with errno.
 */
int fd_cloexec_from(unsigned first, int procfs);

/** fd_send - send @len > 0 bytes and @n fds (n may be 0) as one message. Never raises SIGPIPE. */
int fd_send(int sock, const void *data, size_t len, const int *fds, size_t n, struct err *err);

/** fd_unix_connect_at, fd_unix_listen_at - AF_UNIX socket called @name in directory @dir, reached
 * through /proc/self/fd so that the length of the directory's path does not matter (unix(7): 107).
 * @type: SOCK_SEQPACKET or SOCK_STREAM, may include SOCK_NONBLOCK. Returns the fd or -1. */
int fd_unix_connect_at(int dir, const char *name, int type, struct err *err);
int fd_unix_listen_at(int dir, const char *name, int type, struct err *err);

/** fd_unix_connect - connect to the AF_UNIX socket at @path, of any length; leading '@' is abstract
 * @timeout: milliseconds that a full backlog, and later each send, may take (ETIMEDOUT, EAGAIN);
 * 0: for ever */
int fd_unix_connect(const char *path, int type, int timeout, struct err *err);

#endif
