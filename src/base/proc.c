/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A pid is only a number: the process it named may be gone and another may have it. A process is
 * therefore known by its pid and its start time, and acted on through a pidfd that is opened first
 * and checked afterwards: once the fd is there the number cannot be given away to somebody else
 * unnoticed.
 *
 * procfs is reached through a handle whose file system was checked, and below it by
 * path_open_beneath(), so that nothing mounted or linked over a file is written to.
 */
#include "base/proc.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/sys.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define PROC_ROOT_INO 1     /* of the kernel's proc_fs.h */
#define START_TIME_FIELD 22 /* proc_pid_stat(5) */
#define PENDING_FIELD 31    /* signals below 32 */
#define STATE_FIELD 3
#define VALUE_SHOWN 128

/* ---- procfs handles ------------------------------------------------------------------------- */

bool proc_is_root(int fd)
{
    struct statfs fs;
    struct stat st;

    return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC && fstat(fd, &st) == 0 &&
           st.st_ino == PROC_ROOT_INO;
}

int proc_open(struct err *err)
{
    _cleanup_close_ int fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return err_errno(err, "open /proc");
    if (!proc_is_root(fd))
        return err_set(err, 0, "/proc is not the root of a procfs");
    return util_take_fd(fd);
}

int proc_private(struct err *err)
{
    _cleanup_close_ int fs = sys_fsopen("proc", FSOPEN_CLOEXEC);
    int fd;

    if (fs < 0)
        return err_errno(err, "fsopen proc");
    if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return err_errno(err, "create a procfs");
    fd = sys_fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    return fd < 0 ? err_errno(err, "fsmount a procfs") : fd;
}

/* Read a small file of procfs into @buf, terminated. Returns its length or -1. */
static ssize_t proc_read(const char *path, char *buf, size_t size)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return -1;
    do
        n = read(fd, buf, size - 1);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -1;
    buf[n] = '\0';
    return n;
}

int proc_open_self(int procfs, const char *path, int flags, struct err *err)
{
    char name[64];
    ssize_t n = readlinkat(procfs, "self", name, sizeof name - 1);
    int fd;

    if (n <= 0)
        return err_errno(err, "read link self of procfs");
    name[n] = '\0';
    if (strspn(name, "0123456789") != (size_t)n)
        return err_set(err, EXDEV, "link self of procfs");
    if (snprintf(name + n, sizeof name - (size_t)n, "/%s", path) >= (int)(sizeof name - (size_t)n))
        return err_set(err, ENAMETOOLONG, "/proc/self/%s", path);
    fd = path_open_beneath(procfs, name, flags, err);
    return fd < 0 ? err_set(err, err->errnum, "open %s", path) : fd;
}

int proc_reopen(int procfs, int fd, int flags, struct err *err)
{
    _cleanup_close_ int list = proc_open_self(procfs, "fd", O_PATH | O_DIRECTORY, err);
    _cleanup_close_ int again = -1;
    struct stat before, after;
    char name[16];

    if (list < 0)
        return -1;
    snprintf(name, sizeof name, "%d", fd);
    again = openat(list, name, flags | O_CLOEXEC | O_NOCTTY);
    /* Something mounted on the link itself would show here. */
    if (again < 0 || fstat(fd, &before) < 0 || fstat(again, &after) < 0)
        return err_errno(err, "reopen a file");
    if (before.st_dev != after.st_dev || before.st_ino != after.st_ino)
        return err_set(err, ESTALE, "reopen a file");
    return util_take_fd(again);
}

char *proc_read_self(int procfs, const char *path, size_t max, struct err *err)
{
    _cleanup_close_ int fd = proc_open_self(procfs, path, O_RDONLY, err);
    char *text = NULL;

    return fd >= 0 && fd_read_all(fd, max, &text, NULL, err) == 0 ? text : NULL;
}

int proc_write(int procfs, const char *path, const char *value, struct err *err)
{
    size_t len = strlen(value), shown = strcspn(value, "\n");
    bool own = strncmp(path, "self/", 5) == 0;
    _cleanup_close_ int fd = own ? proc_open_self(procfs, path + 5, O_WRONLY, err)
                                 : path_open_beneath(procfs, path, O_WRONLY, err);
    ssize_t n;

    if (fd < 0)
        return err_context(err, "/proc/%s", path);
    do
        n = write(fd, value, len);
    while (n < 0 && errno == EINTR);
    if (n >= 0 && (size_t)n < len)
        errno = EIO;
    if (n < 0 || (size_t)n < len)
        return err_errno(err, "write \"%.*s\" to /proc/%s",
                         (int)(shown < VALUE_SHOWN ? shown : VALUE_SHOWN), value, path);
    return 0;
}

static bool read_in_user_namespace(void)
{
    char map[256], *p = map;
    unsigned long inside, outside, count;

    if (proc_read("/proc/self/uid_map", map, sizeof map) <= 0)
        return false;
    inside = strtoul(p, &p, 10);
    outside = strtoul(p, &p, 10);
    count = strtoul(p, &p, 10);
    return inside != 0 || outside != 0 || count != 4294967295UL;
}

/* Asked for every row of a device list; and who changes its user namespace (init) asks afterwards.
 */
bool proc_in_user_namespace(void)
{
    static int answer = -1;

    if (answer < 0)
        answer = read_in_user_namespace();
    return answer;
}

bool proc_map_id(const char *file, uint32_t id, uint32_t *outside)
{
    char path[64], map[16384], *p = map, *end;

    snprintf(path, sizeof path, "/proc/self/%s", file);
    if (proc_read(path, map, sizeof map) <= 0)
        return false;
    for (;; p = end) {
        unsigned long from = strtoul(p, &end, 10), to, count;

        if (end == p)
            return false;
        to = strtoul(end, &end, 10);
        count = strtoul(end, &end, 10);
        if (id < from || id - from >= count)
            continue;
        if (outside)
            *outside = (uint32_t)(to + (id - from));
        return true;
    }
}

/* ---- identity ------------------------------------------------------------------------------- */

/* A process's state, and one of the numbers that follow it; false if there is no such process. */
static bool proc_stat_field(pid_t pid, int field, char *state, uint64_t *value)
{
    char path[40], buf[1024], *p;

    if (pid <= 0)
        return false;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (proc_read(path, buf, sizeof buf) <= 0)
        return false;
    /* The name in field 2 may hold anything, ") R 1" too: count from the last parenthesis. */
    p = strrchr(buf, ')');
    if (!p || p[1] != ' ')
        return false;
    p += 2;
    *state = *p;
    for (int i = STATE_FIELD; i < field; i++) {
        p = strchr(p, ' ');
        if (!p)
            return false;
        p++;
    }
    *value = strtoull(p, NULL, 10);
    return true;
}

/* State and start time of a process; false if there is none. */
static bool proc_stat(pid_t pid, char *state, uint64_t *start)
{
    return proc_stat_field(pid, START_TIME_FIELD, state, start) && *start != 0;
}

uint64_t proc_start_time(pid_t pid)
{
    uint64_t start;
    char state;

    return proc_stat(pid, &state, &start) ? start : 0;
}

int proc_exit_status(pid_t pid, uint64_t start)
{
    char path[40], buf[1024], *p;
    int code;

    if (pid <= 0 || proc_start_time(pid) != start)
        return -1;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (proc_read(path, buf, sizeof buf) <= 0)
        return -1;
    p = strrchr(buf, ')');
    if (!p || p[1] != ' ' || p[2] != 'Z')
        return -1;
    /* The last field (52), shown to those who may trace the process. */
    p = strrchr(buf, ' ');
    code = (int)strtol(p, NULL, 10);
    return WIFSIGNALED(code) ? 128 + WTERMSIG(code) : WEXITSTATUS(code);
}

bool proc_alive(pid_t pid, uint64_t start)
{
    uint64_t now;
    char state;

    if (!proc_stat(pid, &state, &now) || state == 'Z' || state == 'X')
        return false;
    return start == 0 || now == start;
}

bool proc_kill_pending(pid_t pid, uint64_t start)
{
    uint64_t signals;
    char state;

    return proc_alive(pid, start) && proc_stat_field(pid, PENDING_FIELD, &state, &signals) &&
           (signals & 1ULL << (SIGKILL - 1)) != 0;
}

int proc_pidfd(pid_t pid, uint64_t start)
{
    int fd;

    if (pid <= 0) {
        errno = ESRCH;
        return -1;
    }
    fd = sys_pidfd_open(pid, 0);
    if (fd < 0)
        return -1;
    if (start && proc_start_time(pid) != start) {
        errno = ESRCH;
        return fd_close(fd);
    }
    return fd;
}

/* ---- waiting -------------------------------------------------------------------------------- */

int64_t proc_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int proc_wait_pidfd(int pidfd, int timeout, struct err *err)
{
    struct pollfd pfd = {.fd = pidfd, .events = POLLIN};
    int64_t end = timeout < 0 ? 0 : proc_now() + timeout;
    int left = timeout;

    for (;;) {
        int n = poll(&pfd, 1, left);

        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return err_errno(err, "wait for a process");
        if (timeout >= 0) {
            int64_t rest = end - proc_now();

            if (n == 0 || rest <= 0)
                return err_set(err, ETIMEDOUT, "wait for a process (%d ms)", timeout);
            left = (int)rest;
        }
    }
}

void proc_describe(pid_t pid, char *buf, size_t size)
{
    char path[40], comm[32] = "", wchan[64] = "", state = '?';
    uint64_t start;

    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    if (!proc_stat(pid, &state, &start) || proc_read(path, comm, sizeof comm) < 0) {
        snprintf(buf, size, "pid %d, gone", (int)pid);
        return;
    }
    comm[strcspn(comm, "\n")] = '\0';
    snprintf(path, sizeof path, "/proc/%d/wchan", (int)pid);
    if (proc_read(path, wchan, sizeof wchan) <= 0 || strcmp(wchan, "0") == 0)
        snprintf(buf, size, "pid %d (%s), state %c", (int)pid, comm, state);
    else
        snprintf(buf, size, "pid %d (%s), state %c, wchan %s", (int)pid, comm, state, wchan);
}

/* ---- signals -------------------------------------------------------------------------------- */

int proc_send_signal(int pidfd, pid_t pid, uint64_t start, int sig, struct err *err)
{
    char name[24];

    if (pidfd >= 0) {
        if (sys_pidfd_send_signal(pidfd, sig, NULL, 0) == 0)
            return 0;
        /* EPERM is a filter's answer or the truth; in the second case kill() says so again. */
        if ((errno != ENOSYS && errno != EPERM) || !start)
            goto fail;
    }
    if (pid <= 0 || !start || !proc_alive(pid, start)) {
        errno = ESRCH;
        goto fail;
    }
    if (kill(pid, sig) == 0)
        return 0;
fail:
    return err_errno(err, "send %s to pid %d", proc_signal_name(sig, name), (int)pid);
}

void proc_kill_group(int pidfd, pid_t pid)
{
    if (pidfd < 0 || sys_pidfd_send_signal(pidfd, SIGKILL, NULL, PIDFD_SIGNAL_PROCESS_GROUP) < 0)
        kill(-pid, SIGKILL);
}

static const struct {
    const char *name; /* after "SIG" */
    int number;
} signals[] = {
    {"HUP", SIGHUP},
    {"INT", SIGINT},
    {"QUIT", SIGQUIT},
    {"ILL", SIGILL},
    {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT},
    {"BUS", SIGBUS},
    {"FPE", SIGFPE},
    {"KILL", SIGKILL},
    {"USR1", SIGUSR1},
    {"SEGV", SIGSEGV},
    {"USR2", SIGUSR2},
    {"PIPE", SIGPIPE},
    {"ALRM", SIGALRM},
    {"TERM", SIGTERM},
    {"STKFLT", SIGSTKFLT},
    {"CHLD", SIGCHLD},
    {"CONT", SIGCONT},
    {"STOP", SIGSTOP},
    {"TSTP", SIGTSTP},
    {"TTIN", SIGTTIN},
    {"TTOU", SIGTTOU},
    {"URG", SIGURG},
    {"XCPU", SIGXCPU},
    {"XFSZ", SIGXFSZ},
    {"VTALRM", SIGVTALRM},
    {"PROF", SIGPROF},
    {"WINCH", SIGWINCH},
    {"IO", SIGIO},
    {"PWR", SIGPWR},
    {"SYS", SIGSYS},
    /* other names of the same signals; looked up by name only */
    {"IOT", SIGABRT},
    {"CLD", SIGCHLD},
    {"POLL", SIGPOLL},
};

/* Digits only, nothing after them; -1 otherwise. */
static int proc_small_number(const char *text, int max)
{
    int n = 0;

    if (!*text)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        n = n * 10 + (*text - '0');
        if (n > max)
            return -1;
    }
    return n;
}

int proc_signal_number(const char *text)
{
    int n;

    if (*text >= '0' && *text <= '9')
        return proc_small_number(text, SIGRTMAX);
    if (strncasecmp(text, "SIG", 3) == 0)
        text += 3;
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        if (strcasecmp(text, signals[i].name) == 0)
            return signals[i].number;
    if (strcasecmp(text, "RTMIN") == 0)
        return SIGRTMIN;
    if (strcasecmp(text, "RTMAX") == 0)
        return SIGRTMAX;
    if (strncasecmp(text, "RTMIN+", 6) == 0) {
        n = proc_small_number(text + 6, SIGRTMAX - SIGRTMIN);
        return n < 0 ? -1 : SIGRTMIN + n;
    }
    if (strncasecmp(text, "RTMAX-", 6) == 0) {
        n = proc_small_number(text + 6, SIGRTMAX - SIGRTMIN);
        return n < 0 ? -1 : SIGRTMAX - n;
    }
    return -1;
}

const char *proc_signal_name(int sig, char buf[static 24])
{
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        if (signals[i].number == sig) {
            snprintf(buf, 24, "SIG%s", signals[i].name);
            return buf;
        }
    if (sig == SIGRTMIN)
        snprintf(buf, 24, "SIGRTMIN");
    else if (sig > SIGRTMIN && sig <= SIGRTMAX)
        snprintf(buf, 24, "SIGRTMIN+%d", sig - SIGRTMIN);
    else
        snprintf(buf, 24, "signal %d", sig);
    return buf;
}

/* The raw call, because libc hides two real-time signals of its own, and a parent may have ignored
 * them all the same; of the kernel's struct only the handler, its first member here, is looked at,
 * and all zeroes is the default. */
void proc_default_signals(void)
{
    unsigned long none[16] = {0}, old[16];

    for (int sig = 1; sig <= 64; sig++) {
        memset(old, 0, sizeof old);
        if (syscall(SYS_rt_sigaction, sig, NULL, old, 8UL) == 0 && old[0] != (unsigned long)SIG_DFL)
            syscall(SYS_rt_sigaction, sig, none, NULL, 8UL);
    }
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL, 8UL);
}
