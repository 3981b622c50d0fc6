/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A signalfd of its own with the few signals that interrupt: the others stay pending for whoever
 * forwards them to the program. */
#include "base/interrupt.h"

#include "base/fd.h"
#include "base/proc.h"
#include "base/util.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int watched = -1;

int interrupt_watch(struct err *err)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction action;
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        if (sigaction(ends[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&set, ends[i]);
    }
    watched = signalfd(watched, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return watched < 0 ? err_errno(err, "signalfd") : 0;
}

void interrupt_ignore(void)
{
    watched = fd_close(watched);
}

int interrupt_fd(void)
{
    return watched;
}

int interrupt_take(struct err *err)
{
    struct signalfd_siginfo info;
    char name[24];

    if (watched < 0 || read(watched, &info, sizeof info) != (ssize_t)sizeof info)
        return 0;
    err_set(err, 0, "interrupted by %s", proc_signal_name((int)info.ssi_signo, name));
    err->errnum = ECANCELED;
    err->status = 128 + (int)info.ssi_signo;
    return -1;
}

int interrupt_poll(struct pollfd *p, nfds_t n, int timeout, struct err *err)
{
    for (;;) {
        int ready;

        p[n - 1] = (struct pollfd){watched, POLLIN, 0};
        ready = poll(p, n, timeout > 0 ? timeout : -1);
        if (ready < 0 && errno != EINTR)
            return err_errno(err, "wait");
        if (ready == 0) {
            errno = EAGAIN;
            return err_errno(err, "wait");
        }
        if (ready < 0 || (ready == 1 && p[n - 1].revents && interrupt_take(err) == 0))
            continue;
        return ready == 1 && p[n - 1].revents ? -1 : 0;
    }
}
