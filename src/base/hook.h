/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running hooks: one function for all six kinds, used by host (runtime namespaces) and init. */
#ifndef BASE_HOOK_H
#define BASE_HOOK_H

#include "base/err.h"
#include "libocispec/types.h"

#include <stdbool.h>
#include <sys/types.h>

typedef int hook_born(void *data, pid_t pid, struct err *err);

/* How hooks of one list are run. */
struct hook_run {
    const char *kind;  /* "createRuntime": for messages */
    const char *state; /* state JSON for stdin, @state_len bytes */
    size_t state_len;
    const char *const *default_env; /* when the hook has no env; NULL: empty environment */
    int cwd;                        /* directory fd to start in, or -1 to keep the current one */
    int out, err_out;    /* fds for stdout and stderr (annotation run.oci.hooks.*), or -1 */
    int timeout_default; /* seconds that a hook without timeout may take; 0: no limit */

    /* NULL, or: called with the pid of each hook (and of its process group) before it is executed;
     * it is not when this fails. */
    hook_born *born;
    /* NULL, or: called whenever @wake_fd is readable while a hook runs; a failure is the hook's,
     * which is killed if it does not die with us anyway. */
    int (*wake)(void *data, struct err *err);
    int wake_fd;
    void *data;           /* for both */
    bool die_with_parent; /* the hook is killed when the process that runs it dies */
};

/**
 * hook_run_all - run the hooks of one list in order; stop at the first failure
 * @warn: NULL, or: run all of them, and report each failure here instead (poststop)
 * @data: for @warn
 *
 * A hook gets @run->state on stdin, then end of file; a hook that does not read it is no error
 * (SIGPIPE). Its stderr and stdout are captured; the error holds list, index, path, status or
 * signal, the last 4 KiB of stderr and how long it took. A timeout kills the hook's process group.
 * Signals are default and unblocked in the hook, and no fd but 0-2 is open.
 */
int hook_run_all(const struct oci_hook *hooks, size_t n, const struct hook_run *run,
                 void (*warn)(void *data, const struct err *err), void *data, struct err *err);

#endif
