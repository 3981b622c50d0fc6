/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages between host and init: what is sent arrives, with its fds; what is damaged, too
 * large or unexpected is an error; and the reason that init gave last survives its end.
 */
#include "base/fd.h"
#include "base/log.h"
#include "base/protocol.h"
#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* The two ends; [0] receives in most tests. */
static int ends[2];
static struct protocol_message m;
static struct err err;

static int set_up(void **state)
{
    (void)state;
    err = (struct err)ERR_INIT;
    memset(&m, 0xa5, sizeof m); /* what a message does not fill is not zero by luck */
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int tear_down(void **state)
{
    (void)state;
    ends[0] = fd_close(ends[0]);
    ends[1] = fd_close(ends[1]);
    return 0;
}

static size_t count_fds(void)
{
    size_t n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void send_empty(enum protocol_type type)
{
    assert_int_equal(protocol_send(ends[1], type, NULL, 0, NULL, 0, &err), 0);
}

/* ---- round trips ---- */

static void test_empty(void **state)
{
    (void)state;
    send_empty(PROTOCOL_GO);
    assert_int_equal(protocol_receive(ends[0], &m, &err), 1);
    assert_int_equal(m.type, PROTOCOL_GO);
    assert_int_equal(m.len, 0);
    assert_int_equal(m.n_fds, 0);
}

static void test_setup(void **state)
{
    static struct protocol_setup setup;

    (void)state;
    memset(&setup, 0x5a, sizeof setup);
    setup.version = PROTOCOL_VERSION;
    assert_int_equal(protocol_send(ends[1], PROTOCOL_SETUP, &setup, sizeof setup, NULL, 0, &err),
                     0);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_SETUP, &m, &err), 0);
    assert_int_equal(m.len, sizeof setup);
    assert_memory_equal(&m.u.setup, &setup, sizeof setup);
    assert_int_equal(m.u.setup.version, PROTOCOL_VERSION);
}

/* They are in the order sent, and close-on-exec. */
static void test_fds(void **state)
{
    int fds[PROTOCOL_MAX_FDS];
    struct stat sent, got;
    size_t before = count_fds();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        char name[16];

        snprintf(name, sizeof name, "%zu", i);
        fds[i] = fd_memfd(name, name, strlen(name), &err);
        assert_true(fds[i] >= 0);
    }
    assert_int_equal(protocol_send(ends[1], PROTOCOL_SOURCES, "x", 1, fds, ARRAY_SIZE(fds), &err),
                     0);
    assert_int_equal(protocol_receive(ends[0], &m, &err), 1);
    assert_int_equal(m.n_fds, ARRAY_SIZE(fds));
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        assert_int_equal(fstat(fds[i], &sent), 0);
        assert_int_equal(fstat(m.fds[i], &got), 0);
        assert_true(sent.st_dev == got.st_dev && sent.st_ino == got.st_ino);
        assert_true(fcntl(m.fds[i], F_GETFD) & FD_CLOEXEC);
        fd_close(fds[i]);
    }
    protocol_message_clear(&m);
    assert_int_equal(m.n_fds, 0);
    assert_int_equal(count_fds(), before);
    protocol_message_clear(&m); /* twice does no harm */
}

static void test_borders_are_kept(void **state)
{
    struct protocol_pid pid = {42};

    (void)state;
    assert_int_equal(protocol_send(ends[1], PROTOCOL_PID, &pid, sizeof pid, NULL, 0, &err), 0);
    send_empty(PROTOCOL_NAMESPACES);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_PID, &m, &err), 0);
    assert_int_equal(m.u.pid.pid, 42);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_NAMESPACES, &m, &err), 0);
    assert_int_equal(m.len, 0);
}

/* ---- payloads that are not what the type says ---- */

/* COMMITTED comes with limits in exec and without in create; a short payload reads as zeros. */
static void test_short_payload_reads_as_zeros(void **state)
{
    struct protocol_limits limits = {.n = 3};
    static const char zeros[sizeof(struct protocol_limits)];

    (void)state;
    assert_int_equal(
        protocol_send(ends[1], PROTOCOL_COMMITTED, &limits, sizeof limits, NULL, 0, &err), 0);
    send_empty(PROTOCOL_COMMITTED);
    assert_int_equal(protocol_send(ends[1], PROTOCOL_PID, "\1", 1, NULL, 0, &err), 0);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_COMMITTED, &m, &err), 0);
    assert_int_equal(m.u.limits.n, 3);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_COMMITTED, &m, &err), 0);
    assert_memory_equal(&m.u.limits, zeros, sizeof zeros);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_PID, &m, &err), 0);
    assert_int_equal(m.len, 1);
    assert_int_equal(m.u.pid.pid & ~INT64_C(0xff), 0);
}

/* A text may come without its NUL, and may fill everything. */
static void test_text_ends(void **state)
{
    static char text[PROTOCOL_MAX_PAYLOAD];

    (void)state;
    memset(text, 'x', sizeof text);
    assert_int_equal(protocol_send(ends[1], PROTOCOL_CONSOLE, "/dev/pts/7", 10, NULL, 0, &err), 0);
    assert_int_equal(protocol_send(ends[1], PROTOCOL_CONSOLE, text, 1000, NULL, 0, &err), 0);
    assert_int_equal(protocol_send(ends[1], PROTOCOL_CONSOLE, text, sizeof text, NULL, 0, &err), 0);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_CONSOLE, &m, &err), 0);
    assert_string_equal(m.u.text, "/dev/pts/7");
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_CONSOLE, &m, &err), 0);
    assert_int_equal(strlen(m.u.text), 1000);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_CONSOLE, &m, &err), 0);
    assert_int_equal(strlen(m.u.text), sizeof text - 1);
}

static void test_oversized_is_not_sent(void **state)
{
    static char text[PROTOCOL_MAX_PAYLOAD + 1];
    int fds[PROTOCOL_MAX_FDS + 1] = {0};

    (void)state;
    assert_int_equal(protocol_send(ends[1], PROTOCOL_WARNING, text, sizeof text, NULL, 0, &err),
                     -1);
    assert_int_equal(err.errnum, EMSGSIZE);
    assert_int_equal(protocol_send(ends[1], PROTOCOL_SOURCES, "x", 1, fds, ARRAY_SIZE(fds), &err),
                     -1);
    assert_int_equal(err.errnum, EMSGSIZE);
}

/* What only a stranger could send. */
static void test_truncated_and_oversized_are_refused(void **state)
{
    static char packet[sizeof(uint32_t) + PROTOCOL_MAX_PAYLOAD + 1];

    (void)state;
    assert_int_equal(send(ends[1], packet, 3, 0), 3);
    assert_int_equal(protocol_receive(ends[0], &m, &err), -1);
    assert_int_equal(err.errnum, EBADMSG);
    assert_int_equal(send(ends[1], packet, sizeof packet, 0), sizeof packet);
    assert_int_equal(protocol_receive(ends[0], &m, &err), -1);
    assert_int_equal(err.errnum, EBADMSG);
    assert_int_equal(m.n_fds, 0);
}

/* More fds than there is room for: the message is refused, and none is left open. */
static void test_too_many_fds_are_refused(void **state)
{
    int fds[PROTOCOL_MAX_FDS + 4];
    size_t before = count_fds();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        fds[i] = STDIN_FILENO;
    assert_int_equal(fd_send(ends[1], "12345", 5, fds, ARRAY_SIZE(fds), &err), 0);
    assert_int_equal(protocol_receive(ends[0], &m, &err), -1);
    assert_int_equal(err.errnum, EBADMSG);
    assert_int_equal(count_fds(), before);
}

/* ---- errors and warnings on the way ---- */

static struct err sample(void)
{
    struct err e = {.errnum = ENOENT, .status = 127};

    strcpy(e.stage, "mounts");
    strcpy(e.object, "mounts[3].source");
    strcpy(e.text, "mounts[3] /data: bind source /srv/data: No such file or directory");
    strcpy(e.hint, "make it first");
    return e;
}

static void assert_same_err(const struct err *a, const struct err *b)
{
    assert_int_equal(a->errnum, b->errnum);
    assert_int_equal(a->status, b->status);
    assert_string_equal(a->stage, b->stage);
    assert_string_equal(a->object, b->object);
    assert_string_equal(a->text, b->text);
    assert_string_equal(a->hint, b->hint);
}

static void test_error(void **state)
{
    struct err e = sample();

    (void)state;
    assert_int_equal(protocol_send_err(ends[1], &e), 0);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_READY, &m, &err), -1);
    assert_same_err(&err, &e);
}

static void test_error_with_full_fields(void **state)
{
    static struct err e, want;

    (void)state;
    e.errnum = want.errnum = E2BIG;
    memset(e.stage, 's', sizeof e.stage - 1);
    memset(e.object, 'o', sizeof e.object - 1);
    memset(e.text, 't', sizeof e.text - 1);
    memset(e.hint, 'h', sizeof e.hint - 1);
    want = e;
    assert_int_equal(protocol_send_err(ends[1], &e), 0);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_READY, &m, &err), -1);
    assert_same_err(&err, &want);
}

static void test_error_without_text(void **state)
{
    static const struct err e;

    (void)state;
    assert_int_equal(protocol_send_err(ends[1], &e), 0);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_READY, &m, &err), -1);
    assert_same_err(&err, &e);
}

static void test_damaged_error(void **state)
{
    static char junk[400];

    (void)state;
    assert_int_equal(protocol_send(ends[1], PROTOCOL_ERROR, junk, 16, NULL, 0, &err), 0);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_READY, &m, &err), -1);
    assert_int_equal(err.errnum, EBADMSG);
    memset(junk, 'x', sizeof junk);
    assert_int_equal(protocol_send(ends[1], PROTOCOL_ERROR, junk, sizeof junk, NULL, 0, &err), 0);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_READY, &m, &err), -1);
    assert_int_equal(err.errnum, EBADMSG);
}

static char heard[256];

static void hear(void *data, enum log_level level, const char *text)
{
    (void)data;
    (void)level;
    snprintf(heard, sizeof heard, "%s", text);
}

static void test_warning_on_the_way(void **state)
{
    size_t before = count_fds();
    int fd = STDIN_FILENO;

    (void)state;
    heard[0] = '\0';
    log_sink(hear, NULL);
    assert_int_equal(protocol_send(ends[1], PROTOCOL_WARNING, "look out", 9, &fd, 1, &err), 0);
    send_empty(PROTOCOL_READY);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_READY, &m, &err), 0);
    log_sink(NULL, NULL);
    assert_string_equal(heard, "look out");
    assert_int_equal(count_fds(), before);
}

static void test_another_type(void **state)
{
    size_t before = count_fds();
    int fd = STDIN_FILENO;

    (void)state;
    assert_int_equal(protocol_send(ends[1], PROTOCOL_CONSOLE, "x", 1, &fd, 1, &err), 0);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_MOUNTED, &m, &err), -1);
    assert_int_equal(err.errnum, EPROTO);
    assert_int_equal(count_fds(), before);
}

/* ---- the other side ends ---- */

static void test_end_of_file(void **state)
{
    (void)state;
    ends[1] = fd_close(ends[1]);
    assert_int_equal(protocol_receive(ends[0], &m, &err), 0);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_READY, &m, &err), -1);
    assert_int_equal(err.errnum, EPIPE);
    /* An end of file has no stage, which tells it from an error of init's with the same errno. */
    assert_string_equal(err.stage, "");
}

/* No SIGPIPE. */
static void test_send_to_nobody(void **state)
{
    (void)state;
    ends[1] = fd_close(ends[1]);
    assert_int_equal(protocol_send(ends[0], PROTOCOL_GO, NULL, 0, NULL, 0, &err), -1);
    assert_true(err.errnum == EPIPE || err.errnum == ECONNRESET);
}

/* init fails while a message of ours is still unread: the socket says ECONNRESET once, but the
 * reason is in the queue. */
static void test_reset_does_not_hide_the_error(void **state)
{
    struct err e = sample();

    (void)state;
    assert_int_equal(protocol_send(ends[0], PROTOCOL_PROCEED, NULL, 0, NULL, 0, &err), 0);
    assert_int_equal(protocol_send_err(ends[1], &e), 0);
    ends[1] = fd_close(ends[1]);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_READY, &m, &err), -1);
    assert_same_err(&err, &e);
    assert_int_equal(protocol_receive(ends[0], &m, &err), 0);
}

static void test_reset_without_error(void **state)
{
    (void)state;
    assert_int_equal(protocol_send(ends[0], PROTOCOL_PROCEED, NULL, 0, NULL, 0, &err), 0);
    ends[1] = fd_close(ends[1]);
    assert_int_equal(protocol_receive(ends[0], &m, &err), 0);
}

static void test_deadline(void **state)
{
    const struct timeval soon = {0, 20000};

    (void)state;
    assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon), 0);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_READY, &m, &err), -1);
    assert_int_equal(err.errnum, EAGAIN);
}

static void on_signal(int sig)
{
    (void)sig;
}

static void test_signals_do_not_disturb(void **state)
{
    struct sigaction action = {.sa_handler = on_signal}, old;
    pid_t parent = getpid(), child;
    int status;

    (void)state;
    sigaction(SIGUSR1, &action, &old);
    child = fork();
    if (child == 0) {
        /* The answer comes after the signals, and those while the other side waits or before. */
        for (int i = 0; i < 20; i++)
            kill(parent, SIGUSR1);
        protocol_send(ends[1], PROTOCOL_READY, NULL, 0, NULL, 0, &err);
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(protocol_expect(ends[0], PROTOCOL_READY, &m, &err), 0);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    assert_int_equal(status, 0);
    sigaction(SIGUSR1, &old, NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_empty),
        TEST(test_setup),
        TEST(test_fds),
        TEST(test_borders_are_kept),
        TEST(test_short_payload_reads_as_zeros),
        TEST(test_text_ends),
        TEST(test_oversized_is_not_sent),
        TEST(test_truncated_and_oversized_are_refused),
        TEST(test_too_many_fds_are_refused),
        TEST(test_error),
        TEST(test_error_with_full_fields),
        TEST(test_error_without_text),
        TEST(test_damaged_error),
        TEST(test_warning_on_the_way),
        TEST(test_another_type),
        TEST(test_end_of_file),
        TEST(test_send_to_nobody),
        TEST(test_reset_does_not_hide_the_error),
        TEST(test_reset_without_error),
        TEST(test_deadline),
        TEST(test_signals_do_not_disturb),
    };

    alarm(60); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
