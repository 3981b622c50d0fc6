/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Foreground run and exec: everything between the user's terminal (or pipes) and the container's
 * process while the runtime waits for it.
 */
#ifndef HOST_RELAY_H
#define HOST_RELAY_H

#include "base/err.h"

#include <sys/types.h>

struct notify;

struct relay {
    int pidfd;             /* of the process that is waited for */
    pid_t pid;             /* our child: reaped here */
    int console;           /* pty master, or -1: no terminal, stdio was handed over */
    struct notify *notify; /* sd_notify proxy (notify.h) to be served while waiting, or NULL */
    int signals;           /* signalfd made by relay_signals_open() */
};

/**
 * relay_signals_open - block all signals and open a signalfd for them
 * Called before the container's process exists, so that none is lost in between. Children reset
 * their mask themselves. Returns the fd or -1.
 */
int relay_signals_open(struct err *err);

/**
 * relay_terminal_begin, relay_terminal_end - put the user's terminal (fd 0, if it is one) into raw
 * mode and copy its size to the pty; end restores it (also called on every error path; safe to call
 * twice). In a background job, begin is where we are stopped until it is in the foreground.
 */
int relay_terminal_begin(int console, struct err *err);
void relay_terminal_end(void);

/**
 * relay_run - relay until the process has ended
 * Signals are forwarded, all but SIGCHLD (reap), SIGWINCH (with a terminal: the size is copied).
 * Returns the exit status for our own exit: the process's, or 128 + signal; -1 on failure.
 *
 * Terminal: what the program wrote before it ended is complete in the output; a reader that is slow
 * or stopped makes us wait in poll(2), not spin; a background process that keeps the pty open does
 * not keep us; our own standard input at end of file sends the terminal's EOF character once.
 */
int relay_run(struct relay *relay, struct err *err);

#endif
