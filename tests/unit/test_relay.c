/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The foreground relay and the sd_notify proxy. Each test forks a "runtime" whose standard streams
 * are pipes or a pty of the test; it makes a pty, forks a "program" on it and runs relay_run().
 */
#include "base/fd.h"
#include "base/proc.h"
#include "base/sys.h"
#include "host/notify.h"
#include "host/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PATTERN_SIZE 300000

struct run {
    pid_t runtime;
    int in;  /* write end of its standard input, or -1 */
    int out; /* read end of its standard output, or -1 */
};

/* ---- programs, running on the pty ---- */

static void set_raw(void)
{
    struct termios t;

    tcgetattr(0, &t);
    cfmakeraw(&t);
    tcsetattr(0, TCSANOW, &t);
}

static void say(const char *text)
{
    if (write(1, text, strlen(text)) < 0)
        _exit(99);
}

static int program_pattern(void)
{
    char block[1000];

    set_raw();
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)('a' + i % 26);
    for (size_t done = 0; done < PATTERN_SIZE; done += sizeof block)
        for (size_t part = 0; part < sizeof block;) {
            ssize_t n = write(1, block + part, sizeof block - part);

            if (n < 0)
                return 98;
            part += (size_t)n;
        }
    return 7;
}

static int program_background_silent(void)
{
    char text[32];
    pid_t pid = fork();

    if (pid == 0) {
        signal(SIGHUP, SIG_IGN);
        for (;;)
            pause();
    }
    set_raw();
    snprintf(text, sizeof text, "%d\n", (int)pid);
    say(text);
    return 0;
}

static int program_background_noisy(void)
{
    char text[32];
    pid_t pid;

    set_raw();
    pid = fork();
    if (pid == 0) {
        signal(SIGHUP, SIG_IGN);
        for (;;)
            if (write(1, "yyyyyyyyyyyyyyy\n", 16) < 0)
                pause();
    }
    snprintf(text, sizeof text, "pid=%d;", (int)pid);
    say(text);
    return 0;
}

static int program_count_input(void)
{
    char buf[4096], text[32];
    size_t total = 0;
    ssize_t n;

    say("go;");
    while ((n = read(0, buf, sizeof buf)) > 0)
        total += (size_t)n;
    snprintf(text, sizeof text, "n=%zu;", total);
    say(text);
    return 0;
}

static int program_stalled(void)
{
    set_raw();
    say("go;");
    for (;;)
        pause();
    return 0;
}

static int program_close_terminal(void)
{
    for (int fd = 0; fd <= 2; fd++)
        close(fd);
    kill(getppid(), SIGUSR2); /* comes back to us: the relay forwards it */
    for (;;)
        pause();
    return 0;
}

static volatile sig_atomic_t winch_seen;

static void on_winch(int sig)
{
    (void)sig;
    winch_seen = 1;
}

static int program_size(void)
{
    struct sigaction act = {.sa_handler = on_winch};
    struct winsize size;
    char text[64];
    sigset_t block, old;

    sigemptyset(&block);
    sigaddset(&block, SIGWINCH);
    sigprocmask(SIG_BLOCK, &block, &old);
    sigaction(SIGWINCH, &act, NULL);
    ioctl(0, TIOCGWINSZ, &size);
    snprintf(text, sizeof text, "%dx%d;", size.ws_row, size.ws_col);
    say(text);
    while (!winch_seen)
        sigsuspend(&old);
    ioctl(0, TIOCGWINSZ, &size);
    snprintf(text, sizeof text, "%dx%d;", size.ws_row, size.ws_col);
    say(text);
    return 0;
}

static int program_exit_3(void)
{
    return 3;
}

/* ---- the runtime ---- */

static void start_program(int (*program)(void), int slave)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (slave >= 0) {
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        for (int fd = 0; fd <= 2; fd++)
            dup2(slave, fd);
    }
    sys_close_range(3, ~0U, 0);
    _exit(program());
}

static void runtime(int (*program)(void), bool terminal)
{
    struct err err = ERR_INIT;
    struct relay relay = {.console = -1};
    int slave = -1, status;

    relay.signals = relay_signals_open(&err);
    if (terminal && openpty(&relay.console, &slave, NULL, NULL, NULL) < 0)
        _exit(97);
    if (terminal && relay_terminal_begin(relay.console, &err) < 0)
        _exit(96);
    relay.pid = fork();
    if (relay.pid == 0)
        start_program(program, slave);
    if (slave >= 0)
        close(slave);
    relay.pidfd = sys_pidfd_open(relay.pid, 0);
    status = relay_run(&relay, &err);
    relay_terminal_end();
    _exit(status < 0 ? 95 : status);
}

/* @in: fd for its standard input, or -1: a pipe to us. */
static struct run start(int (*program)(void), bool terminal, int in)
{
    struct run run = {.in = -1, .out = -1};
    int in_pipe[2] = {-1, -1}, out_pipe[2];

    assert_int_equal(pipe2(out_pipe, O_CLOEXEC), 0);
    if (in < 0)
        assert_int_equal(pipe2(in_pipe, O_CLOEXEC), 0);
    run.runtime = fork();
    assert_true(run.runtime >= 0);
    if (run.runtime == 0) {
        dup2(in < 0 ? in_pipe[0] : in, 0);
        dup2(out_pipe[1], 1);
        sys_close_range(3, ~0U, 0);
        runtime(program, terminal);
    }
    close(out_pipe[1]);
    if (in < 0)
        close(in_pipe[0]);
    run.in = in_pipe[1];
    run.out = out_pipe[0];
    return run;
}

static int finish(struct run *run)
{
    int status;

    if (run->in >= 0)
        close(run->in);
    if (run->out >= 0)
        close(run->out);
    assert_int_equal(waitpid(run->runtime, &status, 0), run->runtime);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Read until @end has come (NULL: end of file); returns the length. */
static size_t read_until(int fd, const char *end, char *buf, size_t size)
{
    size_t len = 0;

    while (len < size - 1) {
        ssize_t n = read(fd, buf + len, 1);

        if (n <= 0)
            break;
        len += (size_t)n;
        buf[len] = '\0';
        if (end && strstr(buf, end))
            break;
    }
    buf[len] = '\0';
    return len;
}

static double cpu_seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Share of a processor that @pid takes while we use 50 ms of it. */
static double cpu_share(pid_t pid)
{
    clockid_t clock;
    double before, mine;

    assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
    before = cpu_seconds(clock);
    mine = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
    while (cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - mine < 0.05)
        ;
    return (cpu_seconds(clock) - before) / 0.05;
}

/* ---- tests ---- */

static void test_output_complete_to_slow_reader(void **state)
{
    struct run run = start(program_pattern, true, -1);
    char buf[97];
    size_t total = 0;
    ssize_t n;

    (void)state;
    /* Nothing is read until the relay has stopped at a full pipe. */
    assert_true(cpu_share(run.runtime) < 0.9);
    while ((n = read(run.out, buf, sizeof buf)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(buf[i], 'a' + ((total + (size_t)i) % 1000) % 26);
        total += (size_t)n;
    }
    assert_int_equal(total, PATTERN_SIZE);
    assert_int_equal(finish(&run), 7);
}

static void test_blocked_output_does_not_spin(void **state)
{
    struct run run = start(program_pattern, true, -1);
    struct pollfd p = {.fd = run.out, .events = POLLIN};
    char buf[65536];
    int queued = -1, last;

    (void)state;
    assert_int_equal(poll(&p, 1, -1), 1);
    do { /* until the pipe is full */
        last = queued;
        cpu_share(run.runtime);
        ioctl(run.out, FIONREAD, &queued);
    } while (queued != last);
    assert_true(cpu_share(run.runtime) < 0.1);
    while (read(run.out, buf, sizeof buf) > 0)
        ;
    assert_int_equal(finish(&run), 7);
}

static void test_background_process_does_not_keep_us(void **state)
{
    struct run run = start(program_background_silent, true, -1);
    char text[64];

    (void)state;
    read_until(run.out, NULL, text, sizeof text); /* end of file: the relay has ended */
    assert_true(atoi(text) > 1);
    kill(atoi(text), SIGKILL);
    assert_int_equal(finish(&run), 0);
}

static void test_noisy_background_process_does_not_keep_us(void **state)
{
    struct run run = start(program_background_noisy, true, -1);
    char buf[4096], *pid;

    (void)state;
    read_until(run.out, ";", buf, sizeof buf);
    pid = strstr(buf, "pid=");
    assert_non_null(pid);
    pid_t noisy = atoi(pid + 4);
    while (read(run.out, buf, sizeof buf) > 0)
        ;
    kill(noisy, SIGKILL);
    assert_int_equal(finish(&run), 0);
}

static void input_ends_after(const char *input, const char *expected)
{
    struct run run = start(program_count_input, true, -1);
    char text[256];

    read_until(run.out, "go;", text, sizeof text);
    assert_int_equal(write(run.in, input, strlen(input)), (ssize_t)strlen(input));
    close(run.in);
    run.in = -1;
    read_until(run.out, NULL, text, sizeof text);
    if (!strstr(text, expected))
        fail_msg("\"%s\" is not in \"%s\"", expected, text);
    assert_int_equal(finish(&run), 0);
}

static void test_input_end(void **state)
{
    (void)state;
    input_ends_after("", "n=0;");
    input_ends_after("abc\n", "n=4;");
    input_ends_after("abc", "n=3;");
}

static void test_closed_output_is_discarded(void **state)
{
    struct run run = start(program_pattern, true, -1);

    (void)state;
    close(run.out);
    run.out = -1;
    assert_int_equal(finish(&run), 7);
}

static void test_stalled_program_does_not_spin(void **state)
{
    struct run run = start(program_stalled, true, -1);
    static char block[4096];
    char text[64];

    (void)state;
    read_until(run.out, "go;", text, sizeof text);
    memset(block, 'x', sizeof block);
    fcntl(run.in, F_SETFL, O_NONBLOCK);
    for (int rounds = 0; rounds < 3; rounds++) {
        while (write(run.in, block, sizeof block) > 0)
            ;
        cpu_share(run.runtime);
    }
    assert_true(cpu_share(run.runtime) < 0.1);
    kill(run.runtime, SIGTERM); /* and signals still pass */
    assert_int_equal(finish(&run), 128 + SIGTERM);
}

static void test_program_without_its_terminal_does_not_spin(void **state)
{
    struct run run = start(program_close_terminal, true, -1);

    (void)state;
    assert_int_equal(finish(&run), 128 + SIGUSR2);
}

static void test_size_and_raw_mode(void **state)
{
    struct winsize size = {.ws_row = 33, .ws_col = 111};
    struct termios before, during, after;
    int master, slave;
    struct run run;
    char text[64];

    (void)state;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
    tcgetattr(slave, &before);
    run = start(program_size, true, slave);
    read_until(run.out, ";", text, sizeof text);
    assert_non_null(strstr(text, "33x111;"));
    tcgetattr(slave, &during);
    assert_true(before.c_lflag & ICANON);
    assert_false(during.c_lflag & (ICANON | ECHO | ISIG));
    size.ws_row = 44;
    ioctl(master, TIOCSWINSZ, &size);
    kill(run.runtime, SIGWINCH);
    read_until(run.out, ";", text, sizeof text);
    assert_non_null(strstr(text, "44x111;"));
    assert_int_equal(finish(&run), 0);
    tcgetattr(slave, &after);
    assert_int_equal(before.c_lflag, after.c_lflag);
    assert_int_equal(before.c_oflag, after.c_oflag);
    close(master);
    close(slave);
}

static void test_without_terminal(void **state)
{
    struct run run = start(program_exit_3, false, -1);
    char text[16];

    (void)state;
    assert_int_equal(finish(&run), 3);
    run = start(program_stalled, false, -1);
    read_until(run.out, "go;", text, sizeof text);
    kill(run.runtime, SIGQUIT);
    assert_int_equal(finish(&run), 128 + SIGQUIT);
}

/* ---- notify ---- */

static void send_notification(const char *dir, const char *text)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    snprintf(addr.sun_path, sizeof addr.sun_path, "%s/notify/notify.sock", dir);
    assert_int_equal(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&addr, sizeof addr),
                     (ssize_t)strlen(text));
    close(fd);
}

static void test_notify(void **state)
{
    static const char name[] = "@ocirun-test-notify";
    char dir[] = "/tmp/ocirun-notify-XXXXXX", text[4096], manager_name[64];
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), state_dir;
    struct notify n;
    struct err err = ERR_INIT;
    struct stat st;
    ssize_t len;

    (void)state;
    assert_non_null(mkdtemp(dir));
    state_dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(manager_name, sizeof manager_name, "%s-%d", name, (int)getpid());
    memcpy(addr.sun_path + 1, manager_name + 1, strlen(manager_name) - 1);
    assert_int_equal(
        bind(manager, (struct sockaddr *)&addr,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(manager_name))),
        0);
    umask(077);
    assert_int_equal(notify_open(state_dir, manager_name, &n, &err), 0);
    assert_int_equal(fstatat(state_dir, "notify", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0755);
    assert_int_equal(fstatat(state_dir, "notify/notify.sock", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0777);

    assert_int_equal(notify_handle(&n, 42, &err), 0);
    send_notification(dir, "MAINPID=1\nFDSTORE=1\nWATCHDOG=trigger");
    assert_int_equal(notify_handle(&n, 42, &err), 0);
    assert_int_equal(recv(manager, text, sizeof text, 0), -1);
    send_notification(dir, "STATUS=warming up\nX=1\n");
    assert_int_equal(notify_handle(&n, 42, &err), 0);
    len = recv(manager, text, sizeof text, 0);
    assert_int_equal(len, strlen("STATUS=warming up\n"));
    notify_close(&n);

    assert_int_equal(notify_reopen(state_dir, manager_name, &n, &err), 0);
    send_notification(dir, "READY=1\nMAINPID=7");
    assert_int_equal(notify_wait_ready(&n, 42, 0, n.sock, &err), 0);
    len = recv(manager, text, sizeof text - 1, 0);
    assert_true(len > 0);
    text[len] = '\0';
    assert_string_equal(text, "READY=1\nMAINPID=42\n");
    assert_int_equal(notify_handle(&n, 42, &err), 1);
    notify_close(&n);
    assert_int_equal(notify_open(state_dir, "relative", &n, &err), -1);

    close(manager);
    unlinkat(state_dir, "notify/notify.sock", 0);
    unlinkat(state_dir, "notify", AT_REMOVEDIR);
    close(state_dir);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_complete_to_slow_reader),
        cmocka_unit_test(test_blocked_output_does_not_spin),
        cmocka_unit_test(test_background_process_does_not_keep_us),
        cmocka_unit_test(test_noisy_background_process_does_not_keep_us),
        cmocka_unit_test(test_input_end),
        cmocka_unit_test(test_closed_output_is_discarded),
        cmocka_unit_test(test_stalled_program_does_not_spin),
        cmocka_unit_test(test_program_without_its_terminal_does_not_spin),
        cmocka_unit_test(test_size_and_raw_mode),
        cmocka_unit_test(test_without_terminal),
        cmocka_unit_test(test_notify),
    };

    /* A background job of a shell has some of them ignored, and our programs would inherit that. */
    proc_default_signals();
    alarm(60); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
