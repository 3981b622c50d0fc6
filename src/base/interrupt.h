/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A signal that ends what we are waiting for. Foreground run and exec have all signals blocked
 * before the container's process exists, so that none is lost to it; while they set it up nobody
 * would look at Ctrl-C. Those of our waits that depend on somebody else do, once
 * interrupt_watch() was called: messages of the protocol (init), hooks. Init itself never calls it.
 */
#ifndef BASE_INTERRUPT_H
#define BASE_INTERRUPT_H

#include "base/err.h"

#include <poll.h>

/**
 * interrupt_watch - from now on SIGINT, SIGTERM, SIGHUP and SIGQUIT, which the caller has blocked,
 * interrupt; a signal that is ignored (nohup) does not
 */
int interrupt_watch(struct err *err);

/** interrupt_ignore - no longer; what is pending stays pending. Safe when nothing is watched */
void interrupt_ignore(void);

/** interrupt_fd - readable when a signal has come, to be polled beside other things; -1: not
 * watched */
int interrupt_fd(void);

/** interrupt_take - take the signal that has come. Returns -1 with errnum ECANCELED and the status
 * of a command that the signal has ended; 0 if there is none */
int interrupt_take(struct err *err);

/**
 * interrupt_poll - poll(2) until something happens or a signal comes
 * @p: the last of the @n entries is ours to fill
 * @timeout: milliseconds; 0: for ever
 * Returns 0 when one of the others has events, also when there is a signal as well; -1 with errnum
 * ECANCELED (interrupt_take()) or EAGAIN (the time is over).
 */
int interrupt_poll(struct pollfd *p, nfds_t n, int timeout, struct err *err);

#endif
