/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A static executable cannot open libsystemd, which has no static library either. There a small
 * program that is not static makes the calls: ocirun-systemd, executed only for this driver, with a
 * socket as descriptor 3: one request in, one answer out. Where it is looked for:
 * base/companion.h.
 */
#include "cgroup/systemd.h"

#if !defined DISABLE_SYSTEMD && defined STATIC_BUILD

#include "base/companion.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELPER "ocirun-systemd"
#define SOCKET_FD 3
#define GRACE 5000 /* milliseconds beyond the request's own deadline */

__attribute__((noreturn)) static void child(int program, int sock)
{
    char *const argv[] = {(char *)HELPER, NULL};

    proc_default_signals();
    /* Out of the way of the socket's number. */
    if (program == SOCKET_FD)
        program = fcntl(program, F_DUPFD_CLOEXEC, SOCKET_FD + 1);
    if (sock == SOCKET_FD ? fcntl(sock, F_SETFD, 0) < 0 : dup2(sock, SOCKET_FD) < 0)
        _exit(127);
    sys_execveat(program, "", argv, environ, AT_EMPTY_PATH);
    _exit(127);
}

/* What comes back: an errno, a status, and the strings of a struct err, up to the end of file. */
static int take_answer(int sock, int milliseconds, struct err *err)
{
    int64_t deadline = proc_now() + milliseconds;
    struct err answer;
    size_t got = 0;

    while (got < sizeof answer) {
        struct pollfd p = {.fd = sock, .events = POLLIN};
        int64_t left = deadline - proc_now();
        int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
        ssize_t n;

        if (ready == 0)
            return err_set(err, ETIMEDOUT, "systemd helper: no answer");
        if (ready < 0)
            continue; /* EINTR */
        n = read(sock, (char *)&answer + got, sizeof answer - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(err, ECONNRESET,
                           "systemd helper: ended without an answer, or is of another "
                           "version than the caller");
        got += (size_t)n;
    }
    *err = answer;
    return err_is_set(err) ? -1 : 0;
}

static int ask(int program, const char *data, size_t len, int milliseconds, struct err *err)
{
    const struct timeval limit = {.tv_sec = milliseconds / 1000 + 1};
    _cleanup_close_ int ours = -1;
    int pair[2], failed;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, "socket to the systemd helper");
    ours = pair[0];
    pid = fork();
    if (pid == 0)
        child(program, pair[1]);
    fd_close(pair[1]);
    if (pid < 0)
        return err_errno(err, "systemd helper");
    if (setsockopt(ours, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0)
        failed = err_errno(err, "socket to the systemd helper");
    else if (fd_send(ours, data, len, NULL, 0, err) < 0)
        failed = err_context(err, "systemd helper");
    else {
        shutdown(ours, SHUT_WR);
        failed = take_answer(ours, milliseconds, err);
    }
    /* Our child, not reaped yet. With its answer it has done everything; without one it is not to
     * be waited for. */
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return failed;
}

int systemd_call(const struct systemd_request *request, struct err *err)
{
    _cleanup_free_ char *data = NULL;
    _cleanup_close_ int program = companion_open(HELPER, NULL);
    size_t len;

    if (program < 0) {
        err_set(err, 0, "the systemd cgroup driver needs %s, which is not in %s", HELPER,
                LIBEXECDIR);
        return err_hint(err, "a static executable cannot talk to systemd by itself: install the "
                             "helper there or beside ocirun, or use --cgroup-manager cgroupfs");
    }
    data = systemd_wire_encode(request, &len);
    if (!data)
        return err_set(err, ENOMEM, "systemd helper");
    return ask(program, data, len, request->timeout + GRACE, err);
}

#endif
