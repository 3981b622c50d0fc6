/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The small modules of base/: errors, file descriptors, processes, stages, trace, log, hooks. */
#include "base/err.h"
#include "base/fd.h"
#include "base/hook.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/stage.h"
#include "base/sys.h"
#include "base/trace.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"

static char base[64];
static int dir = -1;

static int make_base(void **state)
{
    (void)state;
    snprintf(base, sizeof base, "/tmp/test_base.XXXXXX");
    if (!mkdtemp(base))
        return -1;
    dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 ? -1 : 0;
}

static int remove_base(void **state)
{
    char command[128];

    (void)state;
    dir = fd_close(dir);
    snprintf(command, sizeof command, "rm -rf '%s'", base);
    return system(command);
}

/* Make @number fail with @errnum, as the filter of an outer container does. */
static int deny(long number, int errnum)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)errnum),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = ARRAY_SIZE(code), .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Run @check in a child; it returns the exit status. */
static int in_child(int (*check)(void *), void *data)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(check(data));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- err ------------------------------------------------------------------------------------ */

static void test_err(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    assert_false(err_is_set(&err));
    errno = ENOENT;
    assert_int_equal(err_errno(&err, "bind source %s", "/srv/data"), -1);
    err_context(&err, "mounts[%d] %s", 3, "/data");
    assert_string_equal(err.text, "mounts[3] /data: bind source /srv/data: "
                                  "No such file or directory");
    assert_int_equal(err.errnum, ENOENT);
    assert_true(err_is_set(&err));
    err_hint(&err, "one");
    err_hint(&err, "two");
    err_object(&err, "one");
    err_object(&err, "two");
    assert_string_equal(err.hint, "one");
    assert_string_equal(err.object, "one");
    err_set(&err, 0, "again");
    assert_string_equal(err.text, "again");
    assert_string_equal(err.hint, "");
    assert_int_equal(err_set(NULL, EIO, "x") + err_context(NULL, "x") + err_hint(NULL, "x"), -3);
}

static void test_err_long(void **state)
{
    char text[6000];
    struct err err;

    (void)state;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    err_set(&err, EIO, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    err_context(&err, "%s", "b");
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_memory_equal(err.text, "b: aaa", 6);
    err_context(&err, "%s", text);
    err_hint(&err, "%s", text);
    err_object(&err, "%s", text);
    assert_true(strlen(err.text) < sizeof err.text);
}

/* ---- fd ------------------------------------------------------------------------------------- */

static void test_files(void **state)
{
    struct err err = ERR_INIT;
    char *big = calloc(1, 100001), *text = NULL;
    int before = count_fds(), fd;
    struct stat st;
    mode_t mask = umask(077);
    size_t len;

    (void)state;
    memset(big, 'x', 100000);
    assert_int_equal(fd_replace_file_at(dir, "big", big, 100000, 0644, &err), 0);
    assert_int_equal(fstatat(dir, "big", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(fd_read_file_at(dir, "big", 100000, &text, &len, &err), 0);
    assert_int_equal(len, 100000);
    assert_string_equal(text, big);
    free(text);
    assert_int_equal(fd_read_file_at(dir, "big", 99999, &text, &len, &err), -1);
    assert_int_equal(err.errnum, EFBIG);
    assert_int_equal(fd_read_file_at(dir, "none", 10, &text, &len, &err), -1);
    assert_string_equal(err.text, "open none: No such file or directory");
    assert_int_equal(symlinkat("big", dir, "link"), 0);
    assert_int_equal(fd_read_file_at(dir, "link", 100000, &text, &len, &err), -1);
    assert_int_equal(err.errnum, ELOOP);
    assert_int_equal(fd_write_file_at(dir, "link", "1", &err), -1);
    assert_int_equal(fd_write_file_at(dir, "../big", "1", &err), -1);
    assert_int_equal(err.errnum, EINVAL);
    assert_int_equal(fd_write_file_at(dir, "none", "1", &err), -1);
    assert_int_equal(err.errnum, ENOENT);
    assert_int_equal(fd_replace_file_at(dir, "big", "small", 5, 0600, &err), 0);
    assert_int_equal(fd_read_file_at(dir, "big", 5, &text, NULL, &err), 0);
    assert_string_equal(text, "small");
    free(text);
    /* A directory cannot be replaced; no temporary file stays. */
    assert_int_equal(mkdirat(dir, "sub", 0755), 0);
    assert_int_equal(fd_replace_file_at(dir, "sub", "x", 1, 0600, &err), -1);
    fd = fd_memfd("m", big, 100000, &err);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(fd_read_all(fd, 100000, &text, &len, &err), 0);
    assert_int_equal(len, 100000);
    free(text);
    close(fd);
    free(big);
    umask(mask);
    assert_int_equal(count_fds(), before);
}

static void test_messages(void **state)
{
    struct err err = ERR_INIT;
    char buf[8], room[CMSG_SPACE(4 * sizeof(int))] __attribute__((aligned(8)));
    struct iovec iov = {buf, sizeof buf};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    int pair[2], before = count_fds();

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fd_send(pair[0], "abc", 3, (int[]){0, 1, dir}, 3, &err), 0);
    assert_int_equal(recvmsg(pair[1], &msg, MSG_CMSG_CLOEXEC), 3);
    assert_int_equal(CMSG_FIRSTHDR(&msg)->cmsg_len, CMSG_LEN(3 * sizeof(int)));
    for (size_t i = 0; i < 3; i++) {
        int fd;

        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)) + i * sizeof fd, sizeof fd);
        assert_int_equal(close(fd), 0);
    }
    close(pair[0]);
    assert_int_equal(fd_send(pair[1], "abc", 3, NULL, 0, &err), -1);
    assert_int_equal(err.errnum, EPIPE);
    close(pair[1]);
    assert_int_equal(count_fds(), before);
}

static void test_sockets(void **state)
{
    struct err err = ERR_INIT;
    char name[101] = "", path[512];
    int deep = dir, before = count_fds(), listening, sock, accepted;

    (void)state;
    memset(name, 'd', 100);
    for (int i = 0; i < 2; i++) {
        int next;

        assert_int_equal(mkdirat(deep, name, 0755), 0);
        next = openat(deep, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (deep != dir)
            close(deep);
        deep = next;
    }
    listening = fd_unix_listen_at(deep, "sock", SOCK_SEQPACKET, &err);
    assert_true(listening >= 0);
    sock = fd_unix_connect_at(deep, "sock", SOCK_SEQPACKET, &err);
    assert_true(sock >= 0);
    accepted = accept(listening, NULL, NULL);
    assert_true(accepted >= 0);
    close(accepted);
    close(sock);
    snprintf(path, sizeof path, "%s/%s/%s/sock", base, name, name);
    assert_true(strlen(path) > 108);
    sock = fd_unix_connect(path, SOCK_SEQPACKET, 0, &err);
    assert_true(sock >= 0);
    close(sock);
    close(listening);
    assert_int_equal(fd_unix_connect_at(deep, "sock", SOCK_SEQPACKET, &err), -1);
    assert_int_equal(err.errnum, ECONNREFUSED);
    assert_int_equal(fd_unix_connect_at(deep, "none", SOCK_SEQPACKET, &err), -1);
    assert_int_equal(err.errnum, ENOENT);
    assert_int_equal(fd_unix_connect("@test_base-none", SOCK_STREAM, 0, &err), -1);
    assert_int_equal(err.errnum, ECONNREFUSED);
    close(deep);
    assert_int_equal(count_fds(), before);
}

struct range_check {
    int errnum; /* of close_range, 0: it works */
    int procfs;
};

static int check_ranges(void *data)
{
    const struct range_check *c = data;
    int far = fcntl(0, F_DUPFD, 700);

    if (far < 0 || (c->errnum && deny(SYS_close_range, c->errnum) < 0))
        return 1;
    if (fd_cloexec_from(3, c->procfs) < 0 || !(fcntl(far, F_GETFD) & FD_CLOEXEC))
        return 2;
    if (fcntl(2, F_GETFD) & FD_CLOEXEC)
        return 3;
    for (int fd = 3; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0 && !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
            return 4;
    return 0;
}

static void test_ranges(void **state)
{
    struct err err;
    int procfs = proc_open(&err);

    (void)state;
    assert_true(procfs >= 0);
    assert_int_equal(in_child(check_ranges, &(struct range_check){0, -1}), 0);
    assert_int_equal(in_child(check_ranges, &(struct range_check){ENOSYS, -1}), 0);
    assert_int_equal(in_child(check_ranges, &(struct range_check){EPERM, procfs}), 0);
    /* Not a procfs: the numbers are tried one by one. */
    assert_int_equal(in_child(check_ranges, &(struct range_check){ENOSYS, dir}), 0);
    close(procfs);
}

/* ---- proc ----------------------------------------------------------------------------------- */

static int check_start_time(void *data)
{
    uint64_t start = proc_start_time(getpid());

    (void)data;
    /* A name that looks like the end of field 2. */
    prctl(PR_SET_NAME, "a) R 1 1 (b) 9");
    return start == 0 || proc_start_time(getpid()) != start || !proc_alive(getpid(), start) ||
           proc_alive(getpid(), start + 1);
}

static void test_identity(void **state)
{
    struct err err = ERR_INIT;
    char text[256];
    uint64_t start;
    int pidfd;
    pid_t pid;

    (void)state;
    assert_int_equal(in_child(check_start_time, NULL), 0);
    prctl(PR_SET_NAME, "test_base");
    assert_int_equal(proc_start_time(0), 0);
    assert_int_equal(proc_start_time(-5), 0);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pause();
        _exit(0);
    }
    start = proc_start_time(pid);
    assert_int_equal(proc_pidfd(pid, start + 1), -1);
    assert_int_equal(errno, ESRCH);
    pidfd = proc_pidfd(pid, start);
    assert_true(pidfd >= 0);
    assert_true(proc_alive(pid, start));
    assert_int_equal(proc_wait_pidfd(pidfd, 10, &err), -1);
    assert_int_equal(err.errnum, ETIMEDOUT);
    proc_describe(pid, text, sizeof text);
    assert_non_null(strstr(text, "(test_base), state "));
    assert_int_equal(proc_send_signal(pidfd, pid, start, SIGKILL, &err), 0);
    assert_int_equal(proc_wait_pidfd(pidfd, 10000, &err), 0);
    assert_false(proc_alive(pid, start)); /* a zombie */
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(proc_send_signal(pidfd, pid, start, SIGKILL, &err), -1);
    assert_int_equal(err.errnum, ESRCH);
    assert_non_null(strstr(err.text, "send SIGKILL to pid "));
    assert_int_equal(proc_pidfd(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    close(pidfd);
}

static int check_signal_fallback(void *data)
{
    int pidfd = proc_pidfd(getpid(), 0), errnum = *(int *)data;
    uint64_t start = proc_start_time(getpid());
    struct err err = ERR_INIT;

    if (pidfd < 0 || deny(SYS_pidfd_send_signal, errnum) < 0)
        return 1;
    if (proc_send_signal(pidfd, getpid(), start, 0, &err) < 0)
        return 2;
    if (proc_send_signal(pidfd, getpid(), 0, 0, &err) == 0 || err.errnum != errnum)
        return 3;
    if (proc_send_signal(pidfd, getpid(), start + 1, 0, &err) == 0 || err.errnum != ESRCH)
        return 4;
    return proc_send_signal(-1, getpid(), start, 0, &err) < 0;
}

static void test_signal_fallback(void **state)
{
    (void)state;
    assert_int_equal(in_child(check_signal_fallback, &(int){ENOSYS}), 0);
    assert_int_equal(in_child(check_signal_fallback, &(int){EPERM}), 0);
}

static void test_signal_names(void **state)
{
    static const char *const bad[] = {"",         "SIG",    "65",          "9x",
                                      "-1",       "KILLER", "SIG9",        "RTMIN+31",
                                      "RTMAX-99", "RTMIN+", "999999999999"};
    char buf[24];

    (void)state;
    assert_int_equal(proc_signal_number("9"), SIGKILL);
    assert_int_equal(proc_signal_number("KILL"), SIGKILL);
    assert_int_equal(proc_signal_number("SIGKILL"), SIGKILL);
    assert_int_equal(proc_signal_number("sigterm"), SIGTERM);
    assert_int_equal(proc_signal_number("RTMIN+3"), SIGRTMIN + 3);
    assert_int_equal(proc_signal_number("SIGRTMAX-1"), SIGRTMAX - 1);
    assert_int_equal(proc_signal_number("CLD"), SIGCHLD);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(proc_signal_number(bad[i]), -1);
    for (int sig = 1; sig <= SIGRTMAX; sig++)
        if (sig < 32 || sig >= SIGRTMIN)
            assert_int_equal(proc_signal_number(proc_signal_name(sig, buf)), sig);
    assert_string_equal(proc_signal_name(99, buf), "signal 99");
}

static void test_procfs(void **state)
{
    struct err err = ERR_INIT;
    int before = count_fds(), procfs = proc_open(&err), private = proc_private(&err);
    char name[16] = "";

    (void)state;
    assert_true(procfs >= 0);
    assert_int_equal(proc_write(procfs, "self/comm", "written", &err), 0);
    prctl(PR_GET_NAME, name);
    assert_string_equal(name, "written");
    assert_int_equal(proc_write(procfs, "self/nothing", "x", &err), -1);
    assert_string_equal(err.text, "/proc/self/nothing: open nothing: No such file or directory");
    assert_int_equal(proc_write(procfs, "self/exe", "x", &err), -1);
    assert_int_equal(err.errnum, ELOOP);
    assert_int_equal(proc_write(procfs, "self/oom_score_adj", "junk\n", &err), -1);
    assert_string_equal(err.text, "write \"junk\" to /proc/self/oom_score_adj: Invalid argument");
    if (private >= 0) {
        assert_int_equal(proc_write(private, "self/comm", "test_base", &err), 0);
        close(private);
    }
    close(procfs);
    assert_int_equal(count_fds(), before);
    assert_false(proc_in_user_namespace());
}

static int check_openat2(void *data)
{
    struct err err = ERR_INIT;
    int fd;

    if (deny(SYS_openat2, *(int *)data) < 0)
        return 1;
    fd = path_open_in_root(dir, "/../.././.", O_PATH, &err);
    if (fd < 0)
        return 2;
    if (path_open_in_root(dir, "/none", O_PATH, &err) >= 0 || err.errnum != ENOENT)
        return 3;
    return proc_write(proc_open(&err), "self/comm", "x", &err) < 0;
}

static void test_no_openat2(void **state)
{
    (void)state;
    assert_int_equal(in_child(check_openat2, &(int){ENOSYS}), 0);
    assert_int_equal(in_child(check_openat2, &(int){EPERM}), 0);
}

/* A file of the same procfs mounted over another one: only the mount's id tells. */
static int check_overmount(void *data)
{
    struct err err = ERR_INIT;
    int procfs, fd;

    if (unshare(CLONE_NEWNS) < 0 || sys_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        sys_mount("/proc/version", "/proc/sys/kernel/ostype", NULL, MS_BIND, NULL) < 0)
        return 77;
    procfs = proc_open(&err);
    if (*(int *)data && deny(SYS_openat2, *(int *)data) < 0)
        return 1;
    fd = path_open_beneath(procfs, "sys/kernel/ostype", O_RDONLY, &err);
    if (fd >= 0 || err.errnum != EXDEV)
        return 2;
    if (proc_write(procfs, "sys/kernel/ostype", "x", &err) == 0 || err.errnum != EXDEV)
        return 3;
    if (path_open_beneath(procfs, "self/status", O_RDONLY, &err) >= 0 || err.errnum != ELOOP)
        return 4;
    return path_open_beneath(procfs, "sys/kernel/osrelease", O_RDONLY, &err) < 0;
}

static void test_overmount(void **state)
{
    static int errnums[] = {0, ENOSYS, EPERM};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(errnums); i++) {
        int status = in_child(check_overmount, &errnums[i]);

        if (status == 77)
            skip(); /* needs CAP_SYS_ADMIN */
        assert_int_equal(status, 0);
    }
}

/* ---- stage, trace --------------------------------------------------------------------------- */

static char steps[64];

static void step(const char *name)
{
    strncat(steps, name, sizeof steps - strlen(steps) - 1);
}
static int run_one(void *subject, struct err *err)
{
    (void)subject;
    (void)err;
    step("1");
    return 0;
}
static void undo_one(void *subject)
{
    (void)subject;
    step("-1");
}
static int run_two(void *subject, struct err *err)
{
    step("2");
    return subject ? err_set(err, EIO, "second") : 0;
}
static void undo_two(void *subject)
{
    (void)subject;
    step("-2");
}

static const struct stage table[] = {
    {"zero", NULL, undo_one, ""},
    {"one", run_one, NULL, ""},
    {"two", run_two, undo_two, ""},
    {"three", run_one, undo_one, ""},
};

static void test_stages(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    steps[0] = '\0';
    assert_int_equal(stages_run("t", table, ARRAY_SIZE(table), NULL, &err), 0);
    assert_string_equal(steps, "121");
    stages_undo("t", table, ARRAY_SIZE(table), NULL);
    assert_string_equal(steps, "121-1-2-1");
    steps[0] = '\0';
    assert_int_equal(stages_run("t", table, ARRAY_SIZE(table), steps, &err), -1);
    assert_string_equal(steps, "12-2-1");
    assert_string_equal(err.stage, "two");
    assert_string_equal(err.text, "second: Input/output error");
}

#ifdef OCIRUN_FAULT_INJECTION
static int check_injection(void *data)
{
    struct err err = ERR_INIT;

    steps[0] = '\0';
    setenv(data, "t:three", 1);
    if (stages_run("t", table, ARRAY_SIZE(table), NULL, &err) == 0)
        return 1;
    return strcmp(err.stage, "three") != 0 || strcmp(steps, "12-1-2-1") != 0;
}

static void test_injection(void **state)
{
    (void)state;
    assert_int_equal(in_child(check_injection, "OCIRUN_FAIL"), 0);
    assert_int_equal(in_child(check_injection, "OCIRUN_KILL"), 128 + SIGKILL);
    assert_int_equal(in_child(check_injection, "OTHER"), 1);
}
#endif

static char *read_text(const char *name)
{
    struct err err = ERR_INIT;
    char *text = NULL;

    if (fd_read_file_at(dir, name, 1 << 20, &text, NULL, &err) < 0)
        fail_msg("%s", err.text);
    return text;
}

/* Whether @text is one JSON document, by the parser of somebody else. */
static bool is_json(const char *text)
{
    FILE *python = popen("python3 -c 'import json, sys; json.load(sys.stdin)'", "w");

    assert_non_null(python);
    fputs(text, python);
    return pclose(python) == 0;
}

static int check_trace(void *data)
{
    struct err err = ERR_INIT;
    char path[128];

    (void)data;
    if (trace_begin() != 0)
        return 1;
    setenv("TRACEPARENT", "00-0123-4567-01\"", 1);
    snprintf(path, sizeof path, "%s/trace", base);
    if (trace_open(path, "host", &err) < 0 || trace_fd() < 0)
        return 2;
    return stages_run("t", table, ARRAY_SIZE(table), NULL, &err) < 0;
}

static void test_trace(void **state)
{
    char *text;

    (void)state;
    assert_int_equal(in_child(check_trace, NULL), 0);
    assert_int_equal(in_child(check_trace, NULL), 0);
    text = read_text("trace");
    assert_memory_equal(text, "[\n{", 3);
    assert_null(strstr(text + 1, "["));
    assert_non_null(strstr(text, "\"t/two\",\"ph\":\"X\""));
    assert_non_null(strstr(text, "00-0123-4567-01\""));
    text[strlen(text) - 2] = ']'; /* as readers of the format do */
    assert_true(is_json(text));
    free(text);
}

/* ---- log ------------------------------------------------------------------------------------ */

struct log_check {
    const char *path;
    enum log_format format;
    enum log_level level;
    bool given, fails;
};

/* Logs a warning, debug text and perhaps an error; stderr goes to the file "stderr". */
static int check_log(void *data)
{
    const struct log_check *c = data;
    char path[256];
    struct err err = ERR_INIT;
    int fd = openat(dir, "stderr", O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (dup2(fd, 2) < 0)
        return 1;
    snprintf(path, sizeof path, "%s/%s", base, c->path ? c->path : "");
    if (log_setup(c->path ? path : NULL, c->format, c->level, c->given, &err) < 0)
        return 2;
    log_command("create");
    log_warning("a \"warning\" %d", 1);
    log_debug("details");
    if (!c->fails)
        return 0;
    err_set(&err, ENOENT, "bind source /a\"\\\x1b[0m\xff\xc3\xa9\nx");
    err_context(&err, "mounts[3] /data");
    err_object(&err, "mounts[3]");
    err_hint(&err, "create it");
    snprintf(err.stage, sizeof err.stage, "mounts");
    log_error(&err);
    return 0;
}

static void check_texts(const struct log_check *c, const char *log, const char *stderr_text)
{
    char *text;

    unlinkat(dir, "log", 0);
    assert_int_equal(in_child(check_log, (void *)c), 0);
    text = read_text("stderr");
    assert_string_equal(text, stderr_text);
    free(text);
    if (!c->path)
        return;
    text = read_text("log");
    if (log)
        assert_non_null(strstr(text, log));
    else
        assert_string_equal(text, "");
    if (c->format == LOG_FORMAT_JSON && c->fails && !c->given)
        assert_true(is_json(text));
    free(text);
}

#define SENTENCE "mounts[3] /data: bind source /a"
#define REST "\\x1b[0m\xef\xbf\xbd\xc3\xa9; x: No such file or directory; create it"

static void test_log(void **state)
{
    const char *line = "ocirun: create: " SENTENCE "\"\\" REST "\n";

    (void)state;
    /* The default: the error and nothing else. */
    check_texts(&(struct log_check){NULL, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR, false, true}, NULL,
                line);
    check_texts(&(struct log_check){"log", LOG_FORMAT_JSON, LOG_LEVEL_ERROR, false, true},
                "{\"msg\":\"" SENTENCE "\\\"\\\\\\" REST "\",\"level\":\"error\",\"time\":\"2",
                line);
    check_texts(&(struct log_check){"log", LOG_FORMAT_JSON, LOG_LEVEL_ERROR, false, true},
                "Z\",\"stage\":\"mounts\",\"object\":\"mounts[3]\",\"errno\":\"ENOENT\","
                "\"hint\":\"create it\"}\n",
                line);
    check_texts(&(struct log_check){"log", LOG_FORMAT_TEXT, LOG_LEVEL_ERROR, false, true},
                "Z\" level=error msg=\"" SENTENCE "\\\"\\\\\\" REST "\"\n", line);
    /* Success: an empty log, an empty stderr. */
    check_texts(&(struct log_check){"log", LOG_FORMAT_JSON, LOG_LEVEL_ERROR, false, false}, NULL,
                "");
    check_texts(&(struct log_check){NULL, LOG_FORMAT_JSON, LOG_LEVEL_ERROR, false, false}, NULL,
                "");
    /* Asked for: to the log if there is one, otherwise to stderr. */
    check_texts(&(struct log_check){"log", LOG_FORMAT_JSON, LOG_LEVEL_WARNING, true, false},
                "{\"msg\":\"a \\\"warning\\\" 1\",\"level\":\"warning\",", "");
    check_texts(&(struct log_check){NULL, LOG_FORMAT_TEXT, LOG_LEVEL_DEBUG, true, false}, NULL,
                "ocirun: create: warning: a \"warning\" 1\nocirun: create: debug: details\n");
}

static int check_log_setup(void *data)
{
    struct err err = ERR_INIT;

    return log_setup(data, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR, false, &err) < 0;
}

static void test_log_setup(void **state)
{
    char path[128];

    (void)state;
    snprintf(path, sizeof path, "file:%s/a:b", base);
    assert_int_equal(in_child(check_log_setup, path), 0);
    assert_int_equal(faccessat(dir, "a:b", F_OK, 0), 0);
    assert_int_equal(in_child(check_log_setup, path + 5), 0);
    assert_int_equal(in_child(check_log_setup, "journald:x"), 0);
    assert_int_equal(in_child(check_log_setup, "syslog:x"), 0);
    assert_int_equal(in_child(check_log_setup, ""), 0);
    assert_int_equal(in_child(check_log_setup, "telegraph:x"), 1);
    assert_int_equal(in_child(check_log_setup, "/nothing/here/log"), 1);
}

/* ---- hooks ---------------------------------------------------------------------------------- */

static const char *shell_args[8][4];
static struct oci_hook hooks[8];

static struct oci_hook *shell(size_t i, const char *script)
{
    shell_args[i][0] = "sh";
    shell_args[i][1] = "-c";
    shell_args[i][2] = script;
    shell_args[i][3] = NULL;
    hooks[i] = (struct oci_hook){.path = "/bin/sh", .args = shell_args[i], .args_n = 3};
    return &hooks[i];
}

static struct hook_run new_run(void)
{
    return (struct hook_run){.kind = "createRuntime",
                             .state = "{\"id\":\"x\"}",
                             .state_len = 10,
                             .cwd = dir,
                             .out = -1,
                             .err_out = -1};
}

static uint64_t milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void hook_ok(size_t n, const struct hook_run *run)
{
    struct err err = ERR_INIT;
    int before = count_fds();

    if (hook_run_all(hooks, n, run, NULL, NULL, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(count_fds(), before);
}

static void hook_fails(size_t n, const struct hook_run *run, const char *start, const char *end)
{
    struct err err = ERR_INIT;
    int before = count_fds();

    assert_int_equal(hook_run_all(hooks, n, run, NULL, NULL, &err), -1);
    if (strncmp(err.text, start, strlen(start)) != 0 || strlen(err.text) < strlen(end) ||
        strcmp(err.text + strlen(err.text) - strlen(end), end) != 0)
        fail_msg("\"%s\"", err.text);
    assert_int_equal(count_fds(), before);
}

static void test_hook_order(void **state)
{
    struct hook_run run = new_run();
    char *text;

    (void)state;
    shell(0, "cat > in; echo one >> order");
    shell(1, "echo two >> order");
    shell(2, "echo three >> order; exit 3");
    shell(3, "echo never >> order");
    hook_ok(2, &run);
    text = read_text("in");
    assert_string_equal(text, run.state);
    free(text);
    hook_fails(4, &run, "createRuntime hook 2 (/bin/sh): exit status 3 after ", " ms");
    text = read_text("order");
    assert_string_equal(text, "one\ntwo\none\ntwo\nthree\n");
    free(text);
}

static void test_hook_big_state(void **state)
{
    struct hook_run run = new_run();
    char *big = calloc(1, (1 << 20) + 1), *text;

    (void)state;
    memset(big, 'x', 1 << 20);
    run.state = big;
    run.state_len = 1 << 20;
    shell(0, "exec true");
    shell(1, "head -c 10 > /dev/null");
    shell(2, "exec 0<&-; exit 0");
    shell(3, "cat > in");
    hook_ok(4, &run);
    text = read_text("in");
    assert_string_equal(text, big);
    free(text);
    free(big);
}

static void test_hook_failures(void **state)
{
    struct hook_run run = new_run();
    uint64_t begin;

    (void)state;
    shell(0, "echo out; echo one >&2; echo two >&2; exit 4");
    hook_fails(1, &run, "createRuntime hook 0 (/bin/sh): exit status 4 after ", " ms: one; two");
    shell(0, "echo out; exit 4");
    hook_fails(1, &run, "createRuntime hook 0 (/bin/sh): exit status 4 after ", " ms: out");
    shell(0, "kill -KILL $$");
    hook_fails(1, &run, "createRuntime hook 0 (/bin/sh): killed by SIGKILL after ", " ms");
    hooks[0] = (struct oci_hook){.path = "/nothing/here"};
    hook_fails(1, &run, "createRuntime hook 0 (/nothing/here): cannot be executed: ",
               "No such file or directory");
    hooks[0] = (struct oci_hook){.path = "/etc"};
    hook_fails(1, &run, "createRuntime hook 0 (/etc): cannot be executed: ", "Permission denied");

    /* The whole group is killed, and the rest of the output is in the message. */
    shell(0, "echo waiting >&2; (trap '' TERM; sleep 20; echo never > late) & sleep 20");
    hooks[0].timeout.set = true;
    hooks[0].timeout.value = 1;
    begin = milliseconds();
    hook_fails(1, &run, "createRuntime hook 0 (/bin/sh): timed out after 1 s: waiting", "");
    assert_true(milliseconds() - begin < 5000);
    /* A hook that never stops writing has a deadline as well. */
    shell(0, "while :; do echo yes; done");
    run.timeout_default = 1;
    begin = milliseconds();
    hook_fails(1, &run, "createRuntime hook 0 (/bin/sh): timed out after 1 s: ...", "yes");
    assert_true(milliseconds() - begin < 5000);
}

static void test_hook_tail(void **state)
{
    struct hook_run run = new_run();
    struct err err = ERR_INIT;

    (void)state;
    shell(0, "i=0; while [ $i -lt 20000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1");
    assert_int_equal(hook_run_all(hooks, 1, &run, NULL, NULL, &err), -1);
    assert_non_null(strstr(err.text, " ms: ..."));
    assert_non_null(strstr(err.text, "line 19998; line 19999"));
    assert_null(strstr(err.text, "line 19000"));
    assert_string_equal(err.object, "hooks.createRuntime[0]");
}

/* A process that the hook leaves behind with its stderr must not be waited for. */
static void test_hook_background(void **state)
{
    struct hook_run run = new_run();
    uint64_t begin = milliseconds();
    char *text;

    (void)state;
    shell(0, "sleep 8 & echo $! > pid; echo left >&2; exit 5");
    hook_fails(1, &run, "createRuntime hook 0 (/bin/sh): exit status 5 after ", " ms: left");
    assert_true(milliseconds() - begin < 4000);
    text = read_text("pid");
    kill(atoi(text), SIGKILL);
    free(text);
}

static void test_hook_surroundings(void **state)
{
    const char *env[] = {"A=b", NULL};
    const char *const defaults[] = {"D=e", NULL};
    struct hook_run run = new_run();
    int leaked = fcntl(dir, F_DUPFD, 100), out = openat(dir, "out", O_CREAT | O_RDWR, 0600);
    char *text;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    run.out = out;
    run.err_out = out;
    hooks[0] = (struct oci_hook){.path = "/usr/bin/env"};
    run.default_env = defaults;
    hook_ok(1, &run);
    setenv("TRACEPARENT", "00-1-2-03", 1);
    hooks[0].env = env;
    hooks[0].env_n = 1;
    hook_ok(1, &run);
    unsetenv("TRACEPARENT");
    shell(0, "grep -E '^Sig(Blk|Ign)' /proc/self/status; ls -l /proc/self/fd | wc -l");
    hooks[0].env = env;
    hook_ok(1, &run);
    sigprocmask(SIG_SETMASK, &old, NULL);
    signal(SIGPIPE, SIG_DFL);
    close(out);
    close(leaked);
    text = read_text("out");
    /* 0, 1, 2, the directory itself, "total" */
    assert_string_equal(text, "D=e\nA=b\nTRACEPARENT=00-1-2-03\nSigBlk:\t0000000000000000\n"
                              "SigIgn:\t0000000000000000\n5\n");
    free(text);
}

static unsigned warnings;

static void count_warning(void *data, const struct err *err)
{
    assert_ptr_equal(data, hooks);
    assert_true(err_is_set(err));
    warnings++;
}

static int kill_born(void *data, pid_t pid, struct err *err)
{
    siginfo_t info;

    (void)data;
    (void)err;
    assert_int_equal(kill(pid, SIGKILL), 0);
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
}

static int keep_pid(void *data, pid_t pid, struct err *err)
{
    (void)err;
    *(pid_t *)data = pid;
    return 0;
}

static int refuse(void *data, struct err *err)
{
    (void)data;
    return err_set(err, 0, "enough");
}

/* What whoever runs it has no more use for does not run on. */
static void test_hook_ends_with_a_failed_wake(void **state)
{
    struct hook_run run = new_run();
    int ends[2];
    pid_t pid = 0;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    close(ends[1]);
    run.born = keep_pid;
    run.wake = refuse;
    run.wake_fd = ends[0];
    run.data = &pid;
    shell(0, "sleep 1000");
    hook_fails(1, &run, "createRuntime hook 0 (/bin/sh): enough", "");
    assert_true(pid > 0);
    assert_int_equal(kill(-pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    close(ends[0]);
}

/* By somebody else, before it is let through the gate: the hook's failure, not our end (SIGPIPE).
 */
static void test_hook_killed_at_the_gate(void **state)
{
    struct hook_run run = new_run();

    (void)state;
    run.born = kill_born;
    shell(0, "true");
    hook_fails(1, &run, "createRuntime hook 0 (/bin/sh): killed by SIGKILL after ", " ms");
}

static void test_hook_keep_going(void **state)
{
    struct hook_run run = new_run();
    struct err err = ERR_INIT;

    (void)state;
    warnings = 0;
    shell(0, "exit 1");
    hooks[1] = (struct oci_hook){.path = "/nothing/here"};
    shell(2, "echo reached > reached");
    assert_int_equal(hook_run_all(hooks, 3, &run, count_warning, hooks, &err), 0);
    assert_int_equal(warnings, 2);
    assert_int_equal(faccessat(dir, "reached", F_OK, 0), 0);
    assert_false(err_is_set(&err));
}

static int check_hook_filtered(void *data)
{
    struct hook_run run = new_run();
    struct err err = ERR_INIT;

    (void)data;
    if (deny(SYS_pidfd_open, ENOSYS) < 0 || deny(SYS_close_range, EPERM) < 0 ||
        deny(SYS_clone3, ENOSYS) < 0)
        return 1;
    /* and with stdin, stdout and stderr closed */
    for (int fd = 0; fd < 1024; fd++)
        close(fd);
    dir = run.cwd = open(base, O_RDONLY | O_DIRECTORY);
    shell(0, "cat > filtered; echo x >&2; exit 7");
    if (hook_run_all(hooks, 1, &run, NULL, NULL, &err) == 0)
        return 2;
    return strstr(err.text, "exit status 7") && strstr(err.text, " ms: x") ? 0 : 3;
}

static void test_hook_filtered(void **state)
{
    char *text;

    (void)state;
    assert_int_equal(in_child(check_hook_filtered, NULL), 0);
    text = read_text("filtered");
    assert_string_equal(text, "{\"id\":\"x\"}");
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_base, remove_base)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_err),
        TEST(test_err_long),
        TEST(test_files),
        TEST(test_messages),
        TEST(test_sockets),
        TEST(test_ranges),
        TEST(test_identity),
        TEST(test_signal_fallback),
        TEST(test_signal_names),
        TEST(test_procfs),
        TEST(test_no_openat2),
        TEST(test_overmount),
        TEST(test_stages),
#ifdef OCIRUN_FAULT_INJECTION
        TEST(test_injection),
#endif
        TEST(test_trace),
        TEST(test_log),
        TEST(test_log_setup),
        TEST(test_hook_order),
        TEST(test_hook_big_state),
        TEST(test_hook_failures),
        TEST(test_hook_tail),
        TEST(test_hook_background),
        TEST(test_hook_surroundings),
        TEST(test_hook_ends_with_a_failed_wake),
        TEST(test_hook_killed_at_the_gate),
        TEST(test_hook_keep_going),
        TEST(test_hook_filtered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
