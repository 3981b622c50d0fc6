/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sd_notify(3) through the runtime: when NOTIFY_SOCKET is set, the container gets its own socket at
 * /run/notify/notify.sock, and READY=1 and STATUS= are passed on, with MAINPID of the container.
 */
#ifndef HOST_NOTIFY_H
#define HOST_NOTIFY_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

#define NOTIFY_CONTAINER_DIR "/run/notify"
#define NOTIFY_CONTAINER_SOCKET "/run/notify/notify.sock"

struct notify {
    int sock;     /* bound datagram socket that the container writes to */
    int upstream; /* connected to the service manager's socket */
    bool ready;   /* READY=1 was passed on */
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
 */
int notify_reopen(int state_dir, const char *upstream_path, struct notify *n, struct err *err);

/**
 * notify_handle - read what is there without blocking and pass on READY=1 (with MAINPID=@pid) and
 * STATUS= lines; everything else is dropped
 * Returns 1 when READY=1 has been passed on (now or earlier), 0 otherwise, -1 on failure.
 */
int notify_handle(struct notify *n, pid_t pid, struct err *err);

/** notify_wait_ready - serve until READY=1 was seen or the process of @pidfd ended (start, run -d)
 */
int notify_wait_ready(struct notify *n, pid_t pid, int pidfd, struct err *err);

void notify_close(struct notify *n);

#endif
