/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * One poll(2) loop until the process has ended and its output is delivered. It watches the pidfd,
 * the signalfd, the sd_notify socket and, with a terminal, two one-way streams: standard input to
 * the pty master, the master to standard output. A stream is a bounded buffer: its source is polled
 * only while there is room, its sink only while there is something to write. So a stalled reader or
 * program stops the flow and costs no processor time, and signals still pass.
 *
 * The user's terminal belongs to the foreground job of a shell. A job in the background that reads
 * it or changes its settings is stopped, and goes on where it was when it is brought to the front:
 * that is for the kernel to do, so SIGTTIN and SIGTTOU, blocked otherwise, are let through for the
 * moment. Blocked, they would have us make the shell's own terminal raw, and see an end of input.
 *
 * Three properties of ptys shape the rest:
 *
 * - A master whose other end nobody has open polls POLLHUP for ever, though a program may open
 *   /dev/console again later (systemd does). We hold the other end ourselves, so that never
 * happens; the end of the process is known by its pidfd.
 * - Reading a master without waiting gives EAGAIN only after the kernel has pushed through what was
 *   written before (n_tty_read() flushes the work), so reading to EAGAIN after the process has
 * ended yields all its output. A background process may go on writing: DRAIN_MAX, far above what a
 * pty can hold, bounds that.
 * - Standard input and output are shared with our caller. Making them non-blocking would break the
 *   caller's shell, so pipes and terminals are opened anew through /proc/self/fd.
 */
#include "host/relay.h"

#include "base/fd.h"
#include "base/sys.h"
#include "host/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

#define STREAM_SIZE 16384
#define DRAIN_MAX (256 * 1024)
#define CHUNK_BLOCKING 512 /* to a sink that could not be made non-blocking; below PIPE_BUF */

struct stream {
    int from, to;
    bool from_ended;    /* nothing more will be read */
    bool to_ended;      /* the sink is gone: what is read is discarded */
    bool from_user;     /* .from is the user's terminal */
    bool to_may_block;  /* .to is the caller's own description */
    size_t start, end;  /* bytes [start, end) of .data are waiting to be written */
    unsigned char last; /* last byte that was read */
    char data[STREAM_SIZE];
};

enum {
    POLL_PIDFD,
    POLL_SIGNALS,
    POLL_NOTIFY,
    POLL_IN_FROM,
    POLL_IN_TO,
    POLL_OUT_FROM,
    POLL_OUT_TO,
    POLL_COUNT
};

struct relay_state {
    struct relay *relay;
    struct stream in, out; /* stdin to pty, pty to stdout */
    bool eof_sent;
    bool exited; /* the process has ended; what is left is to deliver its output */
    bool hurry;  /* a signal came after that: stop delivering */
    size_t drained;
};

/* ---- the user's terminal ---- */

static struct termios relay_saved;
static bool relay_is_raw;

static void size_copy(int console)
{
    struct winsize size;

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (ioctl(fd, TIOCGWINSZ, &size) == 0) {
            if (size.ws_row || size.ws_col)
                ioctl(console, TIOCSWINSZ, &size);
            return;
        }
}

/* What is our job's own, or hung up, is not in the background. */
static bool in_background(void)
{
    pid_t foreground = tcgetpgrp(STDIN_FILENO);

    return foreground > 0 && foreground != getpgrp();
}

static void job_signals_begin(sigset_t *before)
{
    sigset_t stops;

    sigemptyset(&stops);
    sigaddset(&stops, SIGTTIN);
    sigaddset(&stops, SIGTTOU);
    sigprocmask(SIG_UNBLOCK, &stops, before);
}

static void job_signals_end(const sigset_t *before)
{
    int errnum = errno;

    sigprocmask(SIG_SETMASK, before, NULL);
    errno = errnum;
}

static int make_raw(void)
{
    struct termios raw = relay_saved;
    sigset_t before;
    int result;

    cfmakeraw(&raw);
    job_signals_begin(&before);
    result = tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    job_signals_end(&before);
    return result;
}

int relay_terminal_begin(int console, struct err *err)
{
    size_copy(console);
    if (relay_is_raw || !isatty(STDIN_FILENO))
        return 0;
    if (tcgetattr(STDIN_FILENO, &relay_saved) < 0)
        return err_errno(err, "terminal: get its settings");
    /* In the background with nobody who could change that there is no terminal to use. */
    if (make_raw() < 0)
        return errno == EIO && in_background() ? 0 : err_errno(err, "terminal: make it raw");
    relay_is_raw = true;
    return 0;
}

void relay_terminal_end(void)
{
    if (!relay_is_raw)
        return;
    relay_is_raw = false;
    /* Whoever is in the foreground has settings of its own. */
    if (!in_background())
        tcsetattr(STDIN_FILENO, TCSANOW, &relay_saved);
}

/* ---- signals ---- */

int relay_signals_open(struct err *err)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    sigset_t set;
    int fd;

    sigfillset(&set);
    /* A fault of our own must kill us: blocked ones kill too, but without a handler's report. */
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&set, faults[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return err_errno(err, "block signals");
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? err_errno(err, "signalfd") : fd;
}

static bool signal_is_ours(const struct relay *relay, const struct signalfd_siginfo *info)
{
    switch (info->ssi_signo) {
    case SIGCHLD: /* the pidfd tells */
        return true;
    case SIGPIPE: /* raised by our own write to a closed output */
        return info->ssi_pid == (uint32_t)getpid();
    case SIGTTIN: /* raised by our own use of the terminal in the background */
    case SIGTTOU:
        return relay->console >= 0 && info->ssi_code == SI_KERNEL;
    default:
        return false;
    }
}

/* Where there is no pidfd (refused, by a filter for instance) SIGCHLD tells. */
static bool has_ended(const struct relay *relay)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)relay->pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 &&
           info.si_pid != 0;
}

static void forward(const struct relay *relay, int sig)
{
    if (relay->pidfd < 0 || sys_pidfd_send_signal(relay->pidfd, sig, NULL, 0) < 0)
        kill(relay->pid, sig); /* our child, not reaped yet: the pid cannot be anybody else's */
}

static void signals_handle(struct relay_state *s)
{
    struct signalfd_siginfo info;

    while (read(s->relay->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (signal_is_ours(s->relay, &info))
            continue;
        if (info.ssi_signo == SIGCONT && relay_is_raw && !in_background())
            make_raw();
        if (info.ssi_signo == SIGWINCH && s->relay->console >= 0)
            size_copy(s->relay->console);
        else if (!s->exited)
            forward(s->relay, (int)info.ssi_signo);
        else if (info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM ||
                 info.ssi_signo == SIGHUP || info.ssi_signo == SIGQUIT)
            s->hurry = true;
    }
}

/* ---- streams ---- */

/* Our own description of a pipe or terminal, non-blocking; or @fd itself: a regular file never
 * blocks, a socket is rare, and what may not be opened again is used with care (@may_block). */
static int own_description(int fd, int flags, bool *may_block)
{
    char path[32];
    struct stat st;
    int own = -1;

    *may_block = false;
    if (fstat(fd, &st) < 0 || S_ISREG(st.st_mode))
        return fd;
    if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        own = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
    *may_block = own < 0;
    return own < 0 ? fd : own;
}

static void stream_read(struct stream *st)
{
    sigset_t before;
    ssize_t n;

    if (st->start == st->end)
        st->start = st->end = 0;
    if (st->from_user)
        job_signals_begin(&before);
    n = read(st->from, st->data + st->end, sizeof st->data - st->end);
    if (st->from_user)
        job_signals_end(&before);
    if (n > 0) {
        st->end += (size_t)n;
        st->last = (unsigned char)st->data[st->end - 1];
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        st->from_ended = true;
    }
    if (st->to_ended)
        st->start = st->end = 0;
}

static void stream_write(struct stream *st)
{
    size_t len = st->end - st->start;
    ssize_t n;

    if (st->to_may_block && len > CHUNK_BLOCKING)
        len = CHUNK_BLOCKING;
    n = write(st->to, st->data + st->start, len);
    if (n > 0) {
        st->start += (size_t)n;
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        /* EPIPE, EIO of a terminal that was hung up, ENOSPC: the program is not to suffer. */
        st->to_ended = true;
        st->start = st->end = 0;
    }
}

static bool stream_has_room(const struct stream *st)
{
    return !st->from_ended && (st->end < sizeof st->data || st->start == st->end);
}

static bool stream_has_data(const struct stream *st)
{
    return st->start < st->end;
}

/* End of our standard input: type the terminal's end-of-file character for the program. In
 * canonical mode it ends a line that has been begun; only at the start of a line it means end of
 * file. */
static void send_eof(struct relay_state *s)
{
    struct termios t;
    struct stream *in = &s->in;
    int n;

    s->eof_sent = true;
    /* Not the end, but out of reach for good: see relay_terminal_begin(). */
    if (in->from_user && in_background())
        return;
    if (tcgetattr(s->relay->console, &t) < 0 || t.c_cc[VEOF] == _POSIX_VDISABLE)
        return;
    n = (t.c_lflag & ICANON) && in->last && in->last != '\n' ? 2 : 1;
    in->start = 0;
    in->end = (size_t)n;
    memset(in->data, t.c_cc[VEOF], (size_t)n);
}

/* ---- the loop ---- */

static void poll_fill(const struct relay_state *s, struct pollfd p[POLL_COUNT])
{
    const struct relay *r = s->relay;
    bool input = r->console >= 0 && !s->exited;

    for (int i = 0; i < POLL_COUNT; i++)
        p[i] = (struct pollfd){.fd = -1};
    p[POLL_SIGNALS] = (struct pollfd){.fd = r->signals, .events = POLLIN};
    if (!s->exited)
        p[POLL_PIDFD] = (struct pollfd){.fd = r->pidfd, .events = POLLIN};
    if (r->notify && !s->exited)
        p[POLL_NOTIFY] = notify_poll(r->notify);
    if (input && stream_has_room(&s->in))
        p[POLL_IN_FROM] = (struct pollfd){.fd = s->in.from, .events = POLLIN};
    if (input && stream_has_data(&s->in) && !s->in.to_ended)
        p[POLL_IN_TO] = (struct pollfd){.fd = s->in.to, .events = POLLOUT};
    if (r->console >= 0 && !s->exited && stream_has_room(&s->out))
        p[POLL_OUT_FROM] = (struct pollfd){.fd = s->out.from, .events = POLLIN};
    if (r->console >= 0 && stream_has_data(&s->out))
        p[POLL_OUT_TO] = (struct pollfd){.fd = s->out.to, .events = POLLOUT};
}

static void streams_handle(struct relay_state *s, const struct pollfd p[POLL_COUNT])
{
    if (p[POLL_IN_FROM].revents)
        stream_read(&s->in);
    if (p[POLL_IN_TO].revents)
        stream_write(&s->in);
    if (s->in.from_ended && !stream_has_data(&s->in) && !s->eof_sent && !s->exited)
        send_eof(s);
    if (p[POLL_OUT_FROM].revents)
        stream_read(&s->out);
    if (p[POLL_OUT_TO].revents)
        stream_write(&s->out);
}

/* After the process: refill from the pty whenever there is room. Returns whether something is left.
 */
static bool drain(struct relay_state *s)
{
    struct stream *out = &s->out;

    if (s->relay->console < 0 || s->hurry)
        return false;
    while (stream_has_room(out) && !out->to_ended && s->drained < DRAIN_MAX) {
        size_t before = out->start == out->end ? 0 : out->end;

        stream_read(out);
        if (out->end == before)
            break;
        s->drained += out->end - before;
    }
    return stream_has_data(out) && !out->to_ended;
}

static void notify_serve(struct relay_state *s)
{
    struct err ignored = ERR_INIT;

    /* The service manager's trouble is not the container's. */
    if (notify_handle(s->relay->notify, s->relay->pid, &ignored) < 0)
        s->relay->notify = NULL;
}

static int relay_loop(struct relay_state *s, struct err *err)
{
    struct pollfd p[POLL_COUNT];

    for (;;) {
        if (s->exited && !drain(s))
            return 0;
        poll_fill(s, p);
        if (poll(p, POLL_COUNT, -1) < 0) {
            if (errno == EINTR)
                continue;
            return err_errno(err, "poll");
        }
        if (p[POLL_SIGNALS].revents)
            signals_handle(s);
        if (p[POLL_NOTIFY].revents)
            notify_serve(s);
        if (s->relay->console >= 0)
            streams_handle(s, p);
        if (p[POLL_PIDFD].revents ||
            (p[POLL_SIGNALS].revents && s->relay->pidfd < 0 && has_ended(s->relay)))
            s->exited = true;
    }
}

static int reap(struct relay *relay, struct err *err)
{
    int status;
    pid_t pid;

    do
        pid = waitpid(relay->pid, &status, __WALL);
    while (pid < 0 && errno == EINTR);
    if (pid < 0)
        return err_errno(err, "wait for process %d", (int)relay->pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int relay_run(struct relay *relay, struct err *err)
{
    struct relay_state s = {.relay = relay};
    bool unused;
    int other_end = -1, result;

    s.in.from = s.out.to = -1;
    if (relay->console >= 0) {
        int flags = fcntl(relay->console, F_GETFL);

        if (flags < 0 || fcntl(relay->console, F_SETFL, flags | O_NONBLOCK) < 0) {
            err_errno(err, "pty: make it non-blocking");
            relay_terminal_end();
            return -1;
        }
        other_end = ioctl(relay->console, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        s.in.from = own_description(STDIN_FILENO, O_RDONLY, &unused);
        s.in.from_user = isatty(STDIN_FILENO);
        s.out.to = own_description(STDOUT_FILENO, O_WRONLY, &s.out.to_may_block);
        s.in.to = s.out.from = relay->console;
    }
    result = relay_loop(&s, err);
    relay_terminal_end();
    fd_close(other_end);
    if (s.in.from > STDERR_FILENO)
        fd_close(s.in.from);
    if (s.out.to > STDERR_FILENO)
        fd_close(s.out.to);
    return result < 0 ? -1 : reap(relay, err);
}
