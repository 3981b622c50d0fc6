/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the caller of create, run and exec gets besides an exit status: pid file, terminal, pidfd.
 */
#ifndef HOST_HANDOFF_H
#define HOST_HANDOFF_H

#include "base/err.h"

#include <stdint.h>
#include <sys/types.h>

/** handoff_pid_file - write the pid, digits only, atomically; a link at @path is replaced */
int handoff_pid_file(const char *path, pid_t pid, struct err *err);

/** handoff_console - send the pty master to the AF_UNIX stream socket at @path: one fd, the pts'
 * name as data (never empty)
 * @timeout: milliseconds that the other side may take to make room for it */
int handoff_console(const char *path, int master, const char *name, int timeout, struct err *err);

/** handoff_pidfd - the same for a pidfd; data is @kind: "standard" (init) or "setns" (exec) */
int handoff_pidfd(const char *path, int pidfd, const char *kind, int timeout, struct err *err);

/** handoff_listen_fds - LISTEN_FDS of the environment if it is meant for us (LISTEN_PID), else 0 */
uint32_t handoff_listen_fds(void);

#endif
