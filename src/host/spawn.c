/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The child executes a file of its own (host/image.c), so that nothing of the host side's memory
 * comes along into the container, through a detached, read-only clone of the file's mount. As long
 * as an fd of it is open, a process with CAP_SYS_ADMIN could make the clone writable again through
 * /proc/PID/exe; so the child's is closed by close-on-exec, and ours by spawn_forget_self() before
 * anybody of the container can see the child. The last close waits for a grace period of RCU: with
 * ours being the last one the host side waits, which has the time, and not the child in its execve.
 *
 * Between clone and execveat the child does four things: it moves the preserved fds and the socket
 * to their places, marks all others close-on-exec, asks to die with its parent, and, in a new user
 * namespace, waits for its id maps: without them execve would take away all capabilities.
 */
#include "host/spawn.h"

#include "base/fd.h"
#include "base/interrupt.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"
#include "cgroup/cgroup.h"
#include "host/ids.h"
#include "host/image.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>

bool spawn_privileged(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];

    return sys_capget(&header, data) == 0 && (data[0].effective & (1u << CAP_SYS_ADMIN));
}

/* ---- the child, between clone and execveat: no allocation, no stdio
 * ------------------------------- */

/* Report without struct err: its errno is all there is to say. */
__attribute__((noreturn)) static void child_fail(int sock, const char *what)
{
    static struct err err; /* too large for the stack of a child; it is a copy anyway */

    err_errno(&err, "%s", what);
    memcpy(err.stage, "spawn", sizeof "spawn");
    protocol_send_err(sock, &err);
    _exit(1);
}

/* Whether the caller passed this fd: what the runtime opened itself, in a gap of the range that the
 * caller announced, is close-on-exec. */
static bool is_callers(int fd)
{
    int flags = fcntl(fd, F_GETFD);

    return flags >= 0 && !(flags & FD_CLOEXEC);
}

static void move_preserved(uint32_t n, int sock)
{
    for (uint32_t i = 0; i < n; i++) {
        /* A gap stays one: what the caller has open up there was not announced. */
        if (!is_callers((int)(3 + i)))
            close((int)(PROTOCOL_PRESERVE_BASE + i));
        else if (dup3((int)(3 + i), (int)(PROTOCOL_PRESERVE_BASE + i), 0) < 0)
            child_fail(sock, "--preserve-fds");
    }
}

static void wait_for_maps(int sock)
{
    uint32_t head[64];

    if (recv(sock, head, sizeof head, 0) <= 0)
        _exit(1);
    if (syscall(SYS_setresgid, 0, 0, 0) == 0 && syscall(SYS_setresuid, 0, 0, 0) == 0)
        return;
    /* Id 0 is not mapped: execve would drop the capabilities unless they are ambient. */
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];

    if (sys_capget(&header, data) < 0)
        child_fail(sock, "capabilities");
    data[0].inheritable = data[0].permitted;
    data[1].inheritable = data[1].permitted;
    if (sys_capset(&header, data) < 0)
        child_fail(sock, "capabilities");
    for (unsigned long cap = 0; cap < 64; cap++)
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
}

__attribute__((noreturn)) static void child(const struct spawn *s, int self, int sock, pid_t parent)
{
    static char *const argv[] = {(char *)"ocirun-init", NULL};
    static char *const none[] = {NULL};
    uint32_t preserve = s->setup->preserve_fds;
    int low = preserve ? (int)(PROTOCOL_PRESERVE_BASE + preserve) : PROTOCOL_FD + 1;
    int given = sock;

    /* Or the other end would never be seen to close, should the host side end here. */
    close(s->sock);
    /* The socket and the file out of the way of both ranges. */
    sock = fcntl(sock, F_DUPFD_CLOEXEC, low);
    self = fcntl(self, F_DUPFD_CLOEXEC, low);
    if (sock < 0 || self < 0)
        child_fail(given, "move file descriptors (RLIMIT_NOFILE too low?)");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != 0 && getppid() != parent)
        _exit(1);
    if (s->plan.maps_before_exec)
        wait_for_maps(sock);
    move_preserved(preserve, sock);
    if (dup3(sock, PROTOCOL_FD, 0) < 0)
        child_fail(sock, "dup");
    if (fd_cloexec_from(PROTOCOL_FD + 1, -1) < 0)
        child_fail(sock, "close_range");
    for (uint32_t i = 0; i < preserve; i++) {
        int fd = (int)(PROTOCOL_PRESERVE_BASE + i);

        if (fcntl(fd, F_GETFD) >= 0)
            fcntl(fd, F_SETFD, 0);
    }
#ifdef OCIRUN_FAULT_INJECTION
    sys_execveat(self, "", argv, environ, AT_EMPTY_PATH);
#endif
    sys_execveat(self, "", argv, none, AT_EMPTY_PATH);
    child_fail(sock, "execute init");
}

/* ---- the host side
 * ---------------------------------------------------------------------------------- */

/* A cgroup namespace begins where its maker is: who is not born there makes it after moving. */
static void not_born_in_cgroup(struct plan *plan)
{
    plan->child.unshare_late |= plan->clone & CLONE_NEWCGROUP;
    plan->clone &= ~(uint64_t)CLONE_NEWCGROUP;
}

/* Whether a sysctl is there and 0; some distributions switch user namespaces off for users. */
static bool is_off(const char *path)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[2] = "";

    return fd >= 0 && read(fd, text, 1) == 1 && text[0] == '0';
}

static void hint_namespaces(uint64_t flags, struct err *err)
{
    if (err->errnum == ENOSPC)
        err_hint(err, "a limit on namespaces is reached: one of the sysctls user.max_*_namespaces, "
                      "or 32 nested user namespaces");
    else if (err->errnum != EPERM || !(flags & CLONE_NEWUSER) || spawn_privileged())
        return;
    else if (is_off("/proc/sys/kernel/unprivileged_userns_clone"))
        err_hint(err, "ordinary users may make no user namespaces here: "
                      "sysctl kernel.unprivileged_userns_clone=1");
    else
        err_hint(err, "ordinary users may make no user namespaces here (a seccomp filter, a "
                      "security module or a chroot)");
}

static pid_t clone_child(struct spawn *s, struct err *err)
{
    struct clone_args args = {
        .pidfd = (uint64_t)(uintptr_t)&s->pidfd,
        .exit_signal = SIGCHLD,
    };
    pid_t pid;

    if (s->into_cgroup >= 0) {
        args.flags = s->plan.clone | CLONE_PIDFD | CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)s->into_cgroup;
        pid = sys_clone3(&args, sizeof args);
        if (pid >= 0) {
            s->in_cgroup = true;
            return pid;
        }
        /* Refused (a threaded or busy cgroup, a filter): the cgroup is entered by writing. */
        args.cgroup = 0;
    }
    not_born_in_cgroup(&s->plan);
    args.flags = s->plan.clone | CLONE_PIDFD;
    pid = sys_clone3(&args, sizeof args);
    /* A filter of an outer container may refuse clone3 with EPERM as well as ENOSYS; whether it was
     * the namespaces that are not permitted shows the old call. */
    if (pid < 0 && (errno == ENOSYS || errno == EPERM)) {
        s->pidfd = -1;
        pid = (pid_t)syscall(SYS_clone, (s->plan.clone & ~(uint64_t)CLONE_PIDFD) | SIGCHLD, 0, 0, 0,
                             0);
        if (pid > 0)
            s->pidfd = sys_pidfd_open(pid, 0);
    }
    if (pid < 0) {
        err_errno(err, "make the container's process");
        hint_namespaces(s->plan.clone, err);
    }
    return pid;
}

static int proceed(const struct spawn *s, struct err *err)
{
    return protocol_send(s->sock, PROTOCOL_PROCEED, NULL, 0, NULL, 0, err);
}

/* A process that has ended cannot be moved; why it has, it has said on the socket. */
static int not_there(struct err *err)
{
    if (err->errnum == ESRCH)
        err->errnum = EPIPE;
    return -1;
}

/* Init answers how many of the files took it. It does not go on by itself after one that did not.
 */
static int enter_itself(struct spawn *s, const int *fds, size_t n, bool go_on, uint32_t *entered,
                        struct err *err)
{
    struct protocol_message m;

    if (protocol_send(s->sock, PROTOCOL_CGROUPS, NULL, 0, fds, n, err) < 0 ||
        (go_on && proceed(s, err) < 0) || protocol_expect(s->sock, PROTOCOL_ENTERED, &m, err) < 0)
        return -1;
    *entered = m.u.entered.n;
    return 0;
}

int spawn_enter_cgroup(struct spawn *s, const struct cgroup_record *cgroup, bool go_on,
                       struct err *err)
{
    bool asked = s->setup->flags & SETUP_CGROUPS;
    enum cgroup_which left = !asked ? CGROUP_ALL : CGROUP_V2;
    int fds[PROTOCOL_MAX_FDS], failed;
    uint32_t entered = 0;
    size_t n;

    if (!s->in_cgroup && cgroup_enter(cgroup, s->pid, left, err) < 0)
        return not_there(err);
    if (!asked)
        return go_on ? proceed(s, err) : 0;
    n = cgroup_tasks_fds(cgroup, fds, ARRAY_SIZE(fds));
    failed = enter_itself(s, fds, n, go_on && n > 0, &entered, err);
    for (size_t i = 0; i < n; i++)
        fd_close(fds[i]);
    if (failed || (n > 0 && entered == n))
        return failed;
    if (cgroup_enter(cgroup, s->pid, CGROUP_V1, err) < 0)
        return not_there(err);
    return n > 0 || go_on ? proceed(s, err) : 0;
}

int spawn_enter_before_ids(struct spawn *s, const struct cgroup_record *cgroup, struct err *err)
{
    if (cgroup_enter(cgroup, s->pid, s->in_cgroup ? CGROUP_V1 : CGROUP_ALL, err) < 0)
        return not_there(err);
    s->in_cgroup = true;
    return 0;
}

void spawn_deadline(const struct spawn *s, int timeout)
{
    const struct timeval deadline = {timeout / 1000, timeout % 1000 * 1000};

    setsockopt(s->sock, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
}

int spawn_clone(struct spawn *s, struct err *err)
{
    _cleanup_close_ int theirs = -1;
    int pair[2];
    pid_t parent = getpid();

    s->self = image_open(err);
    if (s->self < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_errno(err, "socket to init");
    s->sock = pair[0];
    theirs = pair[1];
    spawn_deadline(s, s->timeout);
    s->pid = clone_child(s, err);
    if (s->pid == 0)
        child(s, s->self, theirs, parent);
    return s->pid < 0 ? -1 : 0;
}

static int write_maps(struct spawn *s, struct err *err)
{
    bool denied;

    if (ids_write(s->pid, s->maps, s->timeout, &denied, err) < 0)
        return -1;
    if (denied)
        s->setup->flags |= SETUP_DENY_SETGROUPS;
    return protocol_send(s->sock, PROTOCOL_PROCEED, NULL, 0, NULL, 0, err);
}

static int send_setup(struct spawn *s, struct err *err)
{
    int fds[SETUP_FD_COUNT];
    size_t n = 0;

    s->setup->version = PROTOCOL_VERSION;
    s->setup->plan = s->plan.child;
    /* In another pid namespace our pid means nothing to the child. */
    s->setup->parent = s->plan.clone & CLONE_NEWPID ? 0 : getpid();
    s->setup->preserve_open = 0;
    for (uint32_t i = 0; i < s->setup->preserve_fds && i < 64; i++) {
        if (is_callers((int)(3 + i)))
            s->setup->preserve_open |= 1ULL << i;
    }
    s->setup->fds = 0;
    for (int i = 0; i < SETUP_FD_COUNT; i++) {
        if (s->fds[i] < 0)
            continue;
        s->setup->fds |= 1u << i;
        fds[n++] = s->fds[i];
    }
    return protocol_send(s->sock, PROTOCOL_SETUP, s->setup, sizeof *s->setup, fds, n, err);
}

/* The second process holds the socket too, so a first one that is killed before it says who the
 * second is shows only on its pidfd. */
static int wait_for_second(const struct spawn *s, struct err *err)
{
    struct pollfd p[3] = {{s->sock, POLLIN, 0}, {s->pidfd, POLLIN, 0}};

    if (interrupt_poll(p, 3, s->timeout, err) < 0)
        return -1;
    return p[0].revents || poll(p, 1, 0) > 0 ? 0
                                             : err_set(err, EPIPE, "fork into the new namespaces");
}

/* It has nothing left to do but to end, if it is not frozen meanwhile. */
static int reap_first(struct spawn *s, pid_t first, struct err *err)
{
    struct pollfd p[2] = {{s->pidfd, POLLIN, 0}};

    if (s->pidfd >= 0 && interrupt_poll(p, 2, s->timeout, err) < 0)
        return -1;
    while (waitpid(first, NULL, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

/* init forked once more: the first process is reaped, the second one is our child too. */
static int take_second(struct spawn *s, struct err *err)
{
    struct protocol_message m;
    pid_t first = s->pid;
    int reaped;

    if (wait_for_second(s, err) < 0 || protocol_expect(s->sock, PROTOCOL_PID, &m, err) < 0)
        return -1;
    s->pid = (pid_t)m.u.pid.pid;
    reaped = reap_first(s, first, err);
    s->pidfd = fd_close(s->pidfd);
    s->pidfd = sys_pidfd_open(s->pid, 0); /* may fail: everybody can do without */
    return reaped;
}

void spawn_forget_self(struct spawn *s)
{
    s->self = fd_close(s->self);
}

int spawn_init(struct spawn *s, struct err *err)
{
    struct protocol_message m;

    /* Into namespaces that exist it goes as soon as it has its set-up. */
    if (s->plan.child.join[0])
        spawn_forget_self(s);
    if (s->plan.maps_before_exec && write_maps(s, err) < 0)
        return -1;
    if (send_setup(s, err) < 0)
        return -1;
    if (s->plan.child.wait_maps &&
        (protocol_expect(s->sock, PROTOCOL_NAMESPACES, &m, err) < 0 || write_maps(s, err) < 0))
        return -1;
    if (s->plan.child.fork && take_second(s, err) < 0)
        return -1;
    return 0;
}

/* Without a pidfd its end of the socket tells, which nobody else has. */
static bool ends_within(const struct spawn *s, int timeout)
{
    struct pollfd p = {s->pidfd >= 0 ? s->pidfd : s->sock, s->pidfd >= 0 ? POLLIN : 0, 0};
    int n;

    do
        n = poll(&p, 1, timeout);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

void spawn_kill(struct spawn *s, int timeout)
{
    spawn_forget_self(s);
    if (s->pid > 0) {
        kill(s->pid, SIGKILL); /* our child, not reaped yet: the pid cannot be anybody else's */
        if (ends_within(s, timeout))
            while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
                ;
    }
    s->sock = fd_close(s->sock);
    s->pid = -1;
    s->pidfd = fd_close(s->pidfd);
}

bool spawn_has_ended(const struct spawn *s, int timeout)
{
    siginfo_t info = {0};
    struct err ignored = ERR_INIT;

    if (s->pidfd >= 0)
        proc_wait_pidfd(s->pidfd, timeout, &ignored);
    /* Asked of the kernel's table of our children: /proc may fail for other reasons. */
    return s->pid > 0 &&
           waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 &&
           info.si_pid != 0;
}

int spawn_died(struct spawn *s, const struct cgroup_record *cgroup, struct err *err)
{
    char oom[256] = "", name[24];
    int status = 0;

    if (s->pid <= 0 || waitpid(s->pid, &status, 0) < 0)
        return err_set(err, 0, "init ended unexpectedly");
    s->pid = -1;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && cgroup &&
        cgroup_oom_killed(cgroup, oom, sizeof oom) == 1) {
        err_set(err, 0, "container init was OOM-killed (memory limit too low?)%s%s",
                *oom ? ": " : "", oom);
        return err_object(err, "linux.resources.memory.limit");
    }
    if (WIFSIGNALED(status))
        return err_set(err, 0, "init was killed by %s", proc_signal_name(WTERMSIG(status), name));
    return err_set(err, 0, "init ended unexpectedly with status %d", WEXITSTATUS(status));
}
