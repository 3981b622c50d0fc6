/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A service manager accepts notifications by socket and by the sender's cgroup or pid; a container
 * can neither reach the one nor be recognised by the other. So it gets a socket of our own, in a
 * directory that is bound into it, and we repeat, as ourselves, what a container may say: that it
 * is ready, with the pid that counts on the machine, and its status line. Anything else (MAINPID,
 * FDSTORE, WATCHDOG, …) would let the container steer the manager, and is dropped. File descriptors
 * that come along are closed by the kernel, because no room is given for them; that is also the
 * answer that sd_notify_barrier(3) waits for.
 *
 * Nothing here blocks: the manager's queue being full loses a status line, not the container.
 * READY=1 is not lost: until there is room for it, nothing more is read.
 */
#include "host/notify.h"

#include "base/fd.h"
#include "base/proc.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NOTIFY_DIR "notify"
#define NOTIFY_SOCKET "notify.sock"
#define NOTIFY_MESSAGE_MAX 4096
#define NOTIFY_BURST 64 /* messages taken at a time, so that a flood starves nobody */
/* Nothing tells the end of a process without a pidfd: milliseconds between two looks at /proc/PID.
 */
#define WITHOUT_PIDFD 1000

/* Connect to the manager; '@' is the abstract name space (sd_notify(3)). */
static int upstream_connect(const char *path, struct err *err)
{
    int fd;

    if ((path[0] != '@' && path[0] != '/') || !path[1])
        return err_set(err, EINVAL, "NOTIFY_SOCKET %s", path);
    fd = fd_unix_connect(path, SOCK_DGRAM | SOCK_NONBLOCK, 0, err);
    return fd < 0 ? err_context(err, "NOTIFY_SOCKET") : fd;
}

/* Bound through /proc/self/fd, as the state directory may have any length. The mode is set by
 * chmod: the umask would have its say otherwise. */
static int socket_bind(int dir, struct err *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return err_errno(err, "socket");
    if (unlinkat(dir, NOTIFY_SOCKET, 0) < 0 && errno != ENOENT)
        return err_errno(err, "remove the old notify socket");
    snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/" NOTIFY_SOCKET, dir);
    if (bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
        return err_errno(err, "bind the notify socket");
    if (fchmodat(dir, NOTIFY_SOCKET, 0777, 0) < 0)
        return err_errno(err, "chmod of the notify socket");
    return util_take_fd(fd);
}

int notify_reopen(int state_dir, const char *upstream_path, struct notify *n, struct err *err)
{
    *n = (struct notify){.sock = -1, .upstream = -1};

    _cleanup_close_ int dir =
        openat(state_dir, NOTIFY_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (dir < 0)
        return err_errno(err, "notify directory");
    n->upstream = upstream_connect(upstream_path, err);
    if (n->upstream >= 0)
        n->sock = socket_bind(dir, err);
    if (n->sock >= 0)
        return 0;
    notify_close(n);
    return -1;
}

int notify_open(int state_dir, const char *upstream_path, struct notify *n, struct err *err)
{
    *n = (struct notify){.sock = -1, .upstream = -1};
    if (mkdirat(state_dir, NOTIFY_DIR, 0755) < 0 && errno != EEXIST)
        return err_errno(err, "make the notify directory");
    if (fchmodat(state_dir, NOTIFY_DIR, 0755, 0) < 0)
        return err_errno(err, "chmod of the notify directory");
    return notify_reopen(state_dir, upstream_path, n, err);
}

static int ready_text(pid_t pid, char *out, size_t size)
{
    return snprintf(out, size, "READY=1\nMAINPID=%d\n", (int)pid);
}

/* Build what is passed on of @text (a NUL-terminated message) in @out; returns its length. */
static size_t message_filter(char *text, pid_t pid, char *out, size_t size, bool *ready)
{
    size_t used = 0;
    char *save = NULL;

    *ready = false;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        int len = 0;

        if (strcmp(line, "READY=1") == 0) {
            len = ready_text(pid, out + used, size - used);
            *ready = true;
        } else if (strncmp(line, "STATUS=", 7) == 0) {
            len = snprintf(out + used, size - used, "%s\n", line);
        }
        if (len < 0 || (size_t)len >= size - used)
            return used;
        used += (size_t)len;
    }
    return used;
}

/* 1: passed on, 0: the queue is full, -1: nobody listens any more. */
static int pass_on(const struct notify *n, const char *text, size_t len, struct err *err)
{
    if (send(n->upstream, text, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return 1;
    return errno == EAGAIN || errno == ENOBUFS ? 0 : err_errno(err, "notify the service manager");
}

static int pay(struct notify *n, pid_t pid, struct err *err)
{
    char text[64];
    int len = ready_text(pid, text, sizeof text), sent = pass_on(n, text, (size_t)len, err);

    if (sent > 0) {
        n->ready = true;
        n->owed = false;
    }
    return sent;
}

struct pollfd notify_poll(const struct notify *n)
{
    return n->owed ? (struct pollfd){.fd = n->upstream, .events = POLLOUT}
                   : (struct pollfd){.fd = n->sock, .events = POLLIN};
}

int notify_handle(struct notify *n, pid_t pid, struct err *err)
{
    char text[NOTIFY_MESSAGE_MAX + 1], out[NOTIFY_MESSAGE_MAX + 64];

    if (n->owed && pay(n, pid, err) < 0)
        return -1;
    for (int i = 0; i < NOTIFY_BURST && !n->owed; i++) {
        ssize_t len = recv(n->sock, text, NOTIFY_MESSAGE_MAX, MSG_DONTWAIT | MSG_TRUNC);
        bool ready;
        size_t used;
        int sent;

        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 && errno == EAGAIN)
            break;
        if (len < 0)
            return err_errno(err, "notify socket");
        if (len > NOTIFY_MESSAGE_MAX)
            continue;
        text[len] = '\0';
        used = message_filter(text, pid, out, sizeof out, &ready);
        sent = used > 0 ? pass_on(n, out, used, err) : 0;
        if (sent < 0)
            return -1;
        n->ready |= ready && sent;
        n->owed = ready && !sent;
    }
    return n->ready ? 1 : 0;
}

int notify_wait_ready(struct notify *n, pid_t pid, uint64_t start, int pidfd, struct err *err)
{
    struct pollfd p[2] = {[1] = {.fd = pidfd, .events = POLLIN}};

    for (;;) {
        int ready;

        p[0] = notify_poll(n);
        /* A program may take as long as it likes. */
        if (poll(p, 2, pidfd < 0 ? WITHOUT_PIDFD : -1) < 0 && errno != EINTR)
            return err_errno(err, "poll");
        ready = notify_handle(n, pid, err);
        if (ready != 0)
            return ready < 0 ? -1 : 0;
        if (pidfd < 0 ? !proc_alive(pid, start) : p[1].revents)
            return 0;
    }
}

void notify_close(struct notify *n)
{
    n->sock = fd_close(n->sock);
    n->upstream = fd_close(n->upstream);
}
