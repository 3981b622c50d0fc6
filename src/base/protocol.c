/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A packet is one enum protocol_type, then the payload; the kernel keeps packet borders
 * (SOCK_SEQPACKET), so there is no length and no framing to get wrong. Everything is sent with one
 * sendmsg(2). Under a seccomp filter that denies it, what carries no fds goes out by writev(2): if
 * nothing else, the error that says so.
 */
#include "base/protocol.h"

#include "base/fd.h"
#include "base/interrupt.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

struct packet {
    uint32_t type;
    char payload[PROTOCOL_MAX_PAYLOAD];
};

static bool is_denied(int errnum)
{
    return errnum == EPERM || errnum == ENOSYS || errnum == EACCES;
}

int protocol_send(int sock, enum protocol_type type, const void *data, size_t len, const int *fds,
                  size_t n, struct err *err)
{
    uint32_t head = type;
    struct iovec iov[2] = {{&head, sizeof head}, {(void *)data, len}};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * PROTOCOL_MAX_FDS)];
    } control = {0};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = len ? 2 : 1};

    if (len > PROTOCOL_MAX_PAYLOAD || n > PROTOCOL_MAX_FDS)
        return err_set(err, EMSGSIZE, "message %u to the other side", head);
    if (n) {
        struct cmsghdr *c;

        msg.msg_control = control.space;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
    }
    while (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0) {
        if (n == 0 && is_denied(errno) && writev(sock, iov, (int)msg.msg_iovlen) >= 0)
            return 0;
        if (errno != EINTR)
            return err_errno(err, "talk to the other side (message %u)", head);
    }
    return 0;
}

/* Where a signal is to end the wait, it is done here, within the deadline of the socket. */
static int wait_for_message(int sock, struct err *err)
{
    struct pollfd p[2] = {{sock, POLLIN, 0}};
    struct timeval deadline = {0};
    socklen_t len = sizeof deadline;

    if (interrupt_fd() < 0)
        return 0;
    getsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &deadline, &len);
    return interrupt_poll(p, 2, (int)(deadline.tv_sec * 1000 + deadline.tv_usec / 1000), err);
}

int protocol_receive(int sock, struct protocol_message *m, struct err *err)
{
    uint32_t head = 0;
    struct iovec iov[2] = {{&head, sizeof head}, {&m->u, sizeof m->u}};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int) * PROTOCOL_MAX_FDS)];
    } control;
    struct msghdr msg = {
        .msg_iov = iov,
        .msg_iovlen = 2,
        .msg_control = control.space,
        .msg_controllen = sizeof control.space,
    };
    ssize_t got;

    m->len = m->n_fds = 0;
    if (wait_for_message(sock, err) < 0)
        return -1;
    /* A peer that closes with something unread makes the next call fail once with ECONNRESET,
     * before what it had sent itself (its error, most likely) is delivered. */
    for (int attempt = 0; attempt < 2; attempt++) {
        do {
            got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
        } while (got < 0 && errno == EINTR);
        if (got >= 0 || errno != ECONNRESET)
            break;
    }
    if (got < 0 && errno == ECONNRESET)
        return 0;
    if (got < 0)
        return err_errno(err, "hear from the other side");
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            m->n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(m->fds, CMSG_DATA(c), m->n_fds * sizeof(int));
        }
    }
    if (got == 0)
        return 0;
    /* There is room for the fds of every message of ours: what cut them off is our limit. */
    if ((msg.msg_flags & MSG_CTRUNC) && m->n_fds < PROTOCOL_MAX_FDS) {
        protocol_message_clear(m);
        err_set(err, EMFILE, "message from the other side");
        return err_hint(err, "raise the limit of open files (ulimit -Hn, LimitNOFILE=)");
    }
    if ((size_t)got < sizeof head || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        protocol_message_clear(m);
        return err_set(err, EBADMSG, "message from the other side");
    }
    m->type = head;
    m->len = (size_t)got - sizeof head;
    /* A payload that is shorter than its struct (COMMITTED without limits, a message of an older
     * release) reads as zeros, and a text ends. The large SETUP is only taken whole. */
    if (m->len < sizeof m->u.limits)
        memset(m->u.text + m->len, 0, sizeof m->u.limits - m->len);
    m->u.text[m->len < sizeof m->u.text ? m->len : sizeof m->u.text - 1] = '\0';
    return 1;
}

int protocol_receive_bare(int sock, enum protocol_type *type)
{
    const struct timeval patience = {.tv_sec = 1};
    uint32_t head;
    struct iovec iov = {&head, sizeof head};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    /* Not recv(2): one call less that a filter has to allow. */
    if (recvmsg(sock, &msg, 0) != (ssize_t)sizeof head)
        return 0;
    *type = head;
    return 1;
}

void protocol_message_clear(struct protocol_message *m)
{
    for (size_t i = 0; i < m->n_fds; i++)
        fd_close(m->fds[i]);
    m->n_fds = 0;
}

/* The wire form of an error: fixed head, then hint and text, each with its NUL. */
struct wire_err {
    int32_t errnum, status;
    char stage[32];
    char object[192];
    char texts[]; /* hint NUL text NUL */
};

int protocol_send_err(int sock, const struct err *e)
{
    struct err ignored;
    char buf[sizeof(struct wire_err) + sizeof e->hint + sizeof e->text];
    struct wire_err *w = (struct wire_err *)buf;
    size_t hint = strnlen(e->hint, sizeof e->hint - 1), text = strnlen(e->text, sizeof e->text - 1);

    w->errnum = e->errnum;
    w->status = e->status;
    memcpy(w->stage, e->stage, sizeof w->stage);
    memcpy(w->object, e->object, sizeof w->object);
    memcpy(w->texts, e->hint, hint);
    w->texts[hint] = '\0';
    memcpy(w->texts + hint + 1, e->text, text);
    w->texts[hint + 1 + text] = '\0';
    return protocol_send(sock, PROTOCOL_ERROR, buf, sizeof *w + hint + text + 2, NULL, 0, &ignored);
}

static int take_err(const struct protocol_message *m, struct err *err)
{
    const struct wire_err *w = (const struct wire_err *)m->u.text;
    const char *end = m->u.text + m->len;
    const char *text;

    if (m->len < sizeof *w + 2 || end[-1] != '\0')
        return err_set(err, EBADMSG, "error from the other side");
    err->errnum = w->errnum;
    err->status = w->status;
    memcpy(err->stage, w->stage, sizeof err->stage);
    err->stage[sizeof err->stage - 1] = '\0';
    memcpy(err->object, w->object, sizeof err->object);
    err->object[sizeof err->object - 1] = '\0';
    strncpy(err->hint, w->texts, sizeof err->hint - 1);
    err->hint[sizeof err->hint - 1] = '\0';
    text = w->texts + strlen(w->texts) + 1;
    if (text >= end)
        text = "";
    strncpy(err->text, text, sizeof err->text - 1);
    err->text[sizeof err->text - 1] = '\0';
    return -1;
}

bool protocol_last_words(int sock, struct err *err)
{
    struct pollfd p = {sock, POLLIN, 0};
    struct protocol_message m;
    struct err ignored;

    /* Whoever has ended has said it all. Nobody is waited for who has not. */
    while (poll(&p, 1, 0) == 1 && protocol_receive(sock, &m, &ignored) == 1) {
        protocol_message_clear(&m);
        if (m.type == PROTOCOL_ERROR) {
            take_err(&m, err);
            return true;
        }
        if (m.type == PROTOCOL_WARNING)
            log_warning("%s", m.u.text);
    }
    return false;
}

int protocol_expect(int sock, enum protocol_type type, struct protocol_message *m, struct err *err)
{
    for (;;) {
        int got = protocol_receive(sock, m, err);

        if (got < 0)
            return -1;
        if (got == 0)
            return err_set(err, EPIPE, "the other side ended unexpectedly");
        if (m->type == type)
            return 0;
        if (m->type == PROTOCOL_WARNING) {
            log_warning("%s", m->u.text);
            protocol_message_clear(m);
            continue;
        }
        protocol_message_clear(m);
        if (m->type == PROTOCOL_ERROR)
            return take_err(m, err);
        return err_set(err, EPROTO, "message %u came where %u was expected", m->type, type);
    }
}
