/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* start, as the commands start and run share it. */
#ifndef HOST_START_H
#define HOST_START_H

#include "host/store.h"

/**
 * start_container - let the program of a created container run
 * @sock: the socket to init that run goes on with (SETUP_RUN), or -1: connect to it
 * @notify: sd_notify proxy to wait for READY on (start, run --detach), or NULL
 * When poststart hooks fail the container is stopped and destroyed.
 */
struct notify;
int start_container(const struct runtime *rt, struct found *f, int sock, int pidfd,
                    struct notify *notify, struct err *err);

#endif
