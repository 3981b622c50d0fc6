/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The points where init meets the host side, and the hooks that run at them. */
#ifndef INIT_WAIT_H
#define INIT_WAIT_H

#include "init/init.h"

int init_report_mounted(void *init, struct err *err); /* MOUNTED, then wait for PROCEED */
int init_hooks_create(void *init, struct err *err);   /* createContainer */
int init_report_ready(void *init,
                      struct err *err); /* READY, COMMITTED, then (create) wait for GO */

/**
 * init_signals_open - the signalfd of the wait for start, .signals, unless there is one
 * For init_seccomp_early(): the filter need not allow signalfd4.
 */
int init_signals_open(struct init *in, struct err *err);

int init_hooks_start(void *init, struct err *err); /* startContainer */
int init_ask_limits(void *init, struct err *err);  /* LIMITS, LIMITS_DONE */

#endif
