/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Unix sockets: messages that carry file descriptors, and sockets in the file system whatever the
 * length of their path. sun_path holds 107 bytes; longer ones are reached by an O_PATH fd of the
 * socket (connect) or of its directory (bind), named through /proc/self/fd.
 */
#include "base/fd.h"

#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SCM_MAX 253 /* SCM_MAX_FD of the kernel: fds in one message */
#define BACKLOG 16

union fd_control {
    struct cmsghdr align;
    char space[CMSG_SPACE(SCM_MAX * sizeof(int))];
};

int fd_send(int sock, const void *data, size_t len, const int *fds, size_t n, struct err *err)
{
    struct iovec iov = {.iov_base = (void *)data, .iov_len = len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    union fd_control control;

    if (!len || n > SCM_MAX)
        return err_set(err, EINVAL, "send a message");
    if (n) {
        struct cmsghdr *c = &control.align;

        memset(&control, 0, CMSG_SPACE(n * sizeof(int)));
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n * sizeof(int));
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
    }
    while (iov.iov_len) {
        ssize_t sent = sendmsg(sock, &msg, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return err_errno(err, "send a message");
        /* Only a stream sends less than asked for; the fds went with its first byte. */
        iov.iov_base = (char *)iov.iov_base + sent;
        iov.iov_len -= (size_t)sent;
        msg.msg_control = NULL;
        msg.msg_controllen = 0;
    }
    return 0;
}

static int fd_unix_address(struct sockaddr_un *address, const char *path)
{
    size_t len = strlen(path);

    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (len >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address->sun_path, path, len + 1);
    return 0;
}

static int fd_connect(const struct sockaddr_un *address, socklen_t len, int type, int timeout,
                      const char *name, struct err *err)
{
    const struct timeval deadline = {timeout / 1000, timeout % 1000 * 1000};
    _cleanup_close_ int sock = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    int ret;

    if (sock < 0)
        return err_errno(err, "socket");
    if (timeout > 0 && setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline) < 0)
        return err_errno(err, "socket");
    do
        ret = connect(sock, (const struct sockaddr *)address, len);
    while (ret < 0 && errno == EINTR);
    if (ret < 0 && errno == EAGAIN && timeout > 0)
        errno = ETIMEDOUT;
    if (ret < 0)
        return err_errno(err, "connect to %s", name);
    return util_take_fd(sock);
}

static int fd_connect_opened(int fd, int type, int timeout, const char *name, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", fd);
    return fd_connect(&address, sizeof address, type, timeout, name, err);
}

int fd_unix_connect_at(int dir, const char *name, int type, struct err *err)
{
    _cleanup_close_ int fd = -1;

    if (strchr(name, '/') || !name[0])
        return err_set(err, EINVAL, "connect to %s", name);
    fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "connect to %s", name);
    return fd_connect_opened(fd, type, 0, name, err);
}

int fd_unix_listen_at(int dir, const char *name, int type, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_close_ int sock = -1;

    if (strchr(name, '/') || !name[0])
        return err_set(err, EINVAL, "listen on %s", name);
    if (snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir, name) >=
        (int)sizeof address.sun_path)
        return err_set(err, ENAMETOOLONG, "listen on %s", name);
    sock = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (sock < 0)
        return err_errno(err, "socket");
    if (bind(sock, (const struct sockaddr *)&address, sizeof address) < 0 ||
        listen(sock, BACKLOG) < 0)
        return err_errno(err, "listen on %s", name);
    return util_take_fd(sock);
}

int fd_unix_connect(const char *path, int type, int timeout, struct err *err)
{
    struct sockaddr_un address;
    _cleanup_close_ int fd = -1;

    if (!path[0])
        return err_set(err, EINVAL, "connect to a socket without name");
    if (fd_unix_address(&address, path) == 0) {
        socklen_t len = sizeof address;

        if (path[0] == '@') { /* the name is what the length says, without a NUL (unix(7)) */
            address.sun_path[0] = '\0';
            len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
        }
        return fd_connect(&address, len, type, timeout, path, err);
    }
    if (path[0] == '@')
        return err_errno(err, "connect to %s", path);
    fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "connect to %s", path);
    return fd_connect_opened(fd, type, timeout, path, err);
}
