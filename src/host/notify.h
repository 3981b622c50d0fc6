/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sd_notify(3) through the runtime: when NOTIFY_SOCKET is set, the container gets its own socket at
 * /run/notify/notify.sock, and READY=1 and STATUS= are passed on, with MAINPID of the container.
 */
#ifndef HOST_NOTIFY_H
#define HOST_NOTIFY_H

#include "base/err.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define NOTIFY_CONTAINER_DIR "/run/notify"
#define NOTIFY_CONTAINER_SOCKET "/run/notify/notify.sock"

struct notify {
    int sock;     /* bound datagram socket that the container writes to */
    int upstream; /* connected to the service manager's socket */
    bool ready;   /* READY=1 was passed on */
    bool owed;    /* READY=1 came, and waits for room in the service manager's queue */
};

/**
 * notify_open - make DIR/notify/notify.sock below the state directory and connect to @upstream_path
 * (value of NOTIFY_SOCKET; '@' abstract). The socket directory is 0755, the socket 0777: the
 * container's user may be any; the directory above is private.
 * Returns 0 or -1.
 */
int notify_open(int state_dir, const char *upstream_path, struct notify *n, struct err *err);

/**
 * notify_reopen - the same at start, from the state directory of a container made with notify
 * Whoever calls it takes the socket away from everybody else: only for a start that init has
 * listened to.
 */
int notify_reopen(int state_dir, const char *upstream_path, struct notify *n, struct err *err);

/** notify_poll - what to poll for before notify_handle() has something to do */
struct pollfd notify_poll(const struct notify *n);

/**
 * notify_handle - read what is there without blocking and pass on READY=1 (with MAINPID=@pid) and
 * STATUS= lines; everything else is dropped
 * Returns 1 when READY=1 has been passed on (now or earlier), 0 otherwise, -1 on failure.
 */
int notify_handle(struct notify *n, pid_t pid, struct err *err);

/**
 * notify_wait_ready - serve until READY=1 was passed on or the process has ended (start, run -d)
 * @pid, @start: the process, and its start time
 * @pidfd: of the same, or -1 where there are none
 */
int notify_wait_ready(struct notify *n, pid_t pid, uint64_t start, int pidfd, struct err *err);

void notify_close(struct notify *n);

#endif
