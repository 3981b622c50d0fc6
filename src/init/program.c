/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The last steps: working directory, program, filter, descriptors, execve.
 *
 * Working directory. It is made while the root can still be written (init_cwd_make()) and entered
 * as root of the container before the ids change (init_cwd_prepare(), called by
 * init_credentials()); where root may not go, on a network file system or FUSE, the user tries
 * again (init_cwd()). Then the kernel is asked where we are: a directory outside of the root shows
 * as "(unreachable)" (CVE-2024-21626).
 *
 * Filter. Loading one needs either no_new_privs or CAP_SYS_ADMIN, so there are two places for it.
 * The late one is the last thing before execve; everything that can be done before has been done,
 * and these calls remain:
 *
 *     close_range (failure is bridged)   execve   and, when it fails: sendmsg or writev, exit_group
 *
 * The early one is before the change of credentials, because that gives up CAP_SYS_ADMIN. After it
 * come
 *
 *     capget capset prctl setgroups setresgid setresuid umask openat2 or openat, fstat, fstatfs,
 *     readlinkat, faccessat2, read, pread64, mkdirat, fchdir, getcwd, mmap, munmap, brk, close,
 *     sendmsg or writev, recvmsg, fcntl, dup3, getpid, getppid, rt_sigaction, rt_sigprocmask,
 *     execve, exit_group; to wait for start accept4 and poll (where there is none: ppoll); with
 *     startContainer hooks also clone, pipe2, wait4 and theirs. The failure of close_range,
 *     madvise and setsockopt is bridged.
 *
 * A profile that denies one of them fails the step, and the hint names the call. What is needed
 * after the container is created is tried before (wait.c).
 *
 * Descriptors. Preserved ones were parked at PROTOCOL_PRESERVE_BASE by the host side; they go to 3
 * and up, with their gaps. Everything else is closed, not only marked: /proc/self/fd/N as args[0]
 * is looked up while marked descriptors are still open. Only the socket stays, marked, to carry the
 * error.
 */
#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/trace.h"
#include "base/wording.h"
#include "init/init.h"
#include "init/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- working directory ---- */

static const char *cwd_of(const struct init *in)
{
    const char *cwd = in->process->cwd;

    return cwd && *cwd ? cwd : "/";
}

static int cwd_enter(struct init *in, bool make, struct err *err)
{
    const char *cwd = cwd_of(in);
    _cleanup_close_ int fd = make ? path_make_in_root(in->rootfs, cwd, PATH_DIR, 0755, NULL, err)
                                  : path_open_in_root(in->rootfs, cwd, O_PATH | O_DIRECTORY, err);

    if (fd >= 0 && fchdir(fd) == 0) {
        in->cwd_entered = true;
        return 0;
    }
    if (fd >= 0)
        err_errno(err, "chdir");
    err_context(err, "process.cwd %s", cwd);
    return err_object(err, "process.cwd");
}

int init_cwd_make(void *init, struct err *err)
{
    struct init *in = init;

    if (!in->process || in->setup.flags & SETUP_EXEC)
        return 0;
    fd_close(path_make_in_root(in->rootfs, cwd_of(in), PATH_DIR, 0755, NULL, err));
    *err = (struct err)ERR_INIT;
    return 0;
}

/* EACCES is not the last word: the user may have the right that root lacks. */
int init_cwd_prepare(struct init *in, struct err *err)
{
    if (cwd_enter(in, !(in->setup.flags & SETUP_EXEC), err) == 0)
        return 0;
    if (err->errnum == EACCES || err->errnum == EPERM)
        return 0;
    return init_seccomp_hint(in, "openat2, mkdirat or fchdir", err);
}

int init_cwd(void *init, struct err *err)
{
    struct init *in = init;
    char path[PATH_MAX];
    long len;

    if (!in->process)
        return 0;
    if (!in->cwd_entered && cwd_enter(in, false, err) < 0)
        return init_seccomp_hint(in, "openat2 or fchdir", err);
    /* libc's getcwd(3) would replace "(unreachable)" by ENOENT and, worse, search by itself. */
    len = syscall(SYS_getcwd, path, sizeof path);
    if (len < 0) {
        err_errno(err, "process.cwd %s: getcwd", cwd_of(in));
        return init_seccomp_hint(in, "getcwd", err);
    }
    if (len == 0 || path[0] != '/') {
        err_set(err, 0, "process.cwd %s: " WORDING_CWD_OUTSIDE, cwd_of(in));
        return err_object(err, "process.cwd");
    }
    return 0;
}

/* ---- program ---- */

/* A missing x bit is EACCES as well: only if not even the root can be opened is it the filter. */
static bool lookups_are_filtered(const struct init *in)
{
    struct err ignored = ERR_INIT;
    _cleanup_close_ int fd = path_open_in_root(in->rootfs, "/", O_PATH | O_DIRECTORY, &ignored);

    return fd < 0;
}

int init_program_lookup(void *init, struct err *err)
{
    struct init *in = init;

    if (!in->process || in->process->args_n == 0)
        return 0;
    in->argv = (char **)in->process->args;
    if (lookup_environment(in, err) < 0)
        return -1;
    if (lookup_program(in, err) < 0) {
        err_object(err, "process.args[0]");
        return lookups_are_filtered(in) ? init_seccomp_hint(in, "openat2", err) : -1;
    }
    return 0;
}

/* ---- seccomp ---- */

int init_seccomp_hint(const struct init *in, const char *syscall_name, struct err *err)
{
    if (in->seccomp_loaded &&
        (err->errnum == EPERM || err->errnum == ENOSYS || err->errnum == EACCES))
        err_hint(err,
                 "the seccomp profile is in force already, as noNewPrivileges is false: "
                 "does it allow %s?",
                 syscall_name);
    return -1;
}

static int seccomp_load(struct init *in, struct err *err)
{
    size_t size = (size_t)in->seccomp.instructions * sizeof(struct sock_filter);
    struct sock_filter *filter;
    struct sock_fprog program = {.len = (unsigned short)in->seccomp.instructions};
    int result = 0;

    if (in->seccomp.instructions > BPF_MAXINSNS)
        return err_set(err, E2BIG, "seccomp filter of %u instructions", in->seccomp.instructions);
    filter = malloc(size);
    if (!filter)
        return err_set(err, ENOMEM, "seccomp filter");
    program.filter = filter;
    if (pread(in->seccomp_fd, filter, size, 0) != (ssize_t)size)
        result = err_set(err, EIO, "read the seccomp filter");
    else if (sys_seccomp(SECCOMP_SET_MODE_FILTER, in->seccomp.flags, &program) < 0)
        result = err_errno(err, "load the seccomp filter");
    free(filter);
    if (result == 0) {
        in->seccomp_loaded = true;
        in->seccomp_fd = fd_close(in->seccomp_fd);
    }
    return result;
}

static bool seccomp_wanted(const struct init *in, bool late)
{
    return in->process && in->seccomp_fd >= 0 && in->seccomp.instructions > 0 &&
           !in->seccomp_loaded && in->process->no_new_privileges == late;
}

int init_seccomp_early(void *init, struct err *err)
{
    struct init *in = init;

    if (!seccomp_wanted(in, false))
        return 0;
    if (!(in->setup.flags & SETUP_EXEC) && init_signals_open(in, err) < 0)
        return -1;
    return seccomp_load(in, err);
}

/* ---- descriptors ---- */

static unsigned preserve_end(const struct init *in)
{
    return 3 + in->setup.preserve_fds;
}

static bool preserve_was_open(const struct init *in, unsigned i)
{
    if (i < 64 && !(in->setup.preserve_open & 1ULL << i))
        return false;
    return fcntl(PROTOCOL_PRESERVE_BASE + (int)i, F_GETFD) >= 0;
}

/* Move one of our own fds out of the way of the program's. */
static int fd_lift(struct init *in, int *fd, struct err *err)
{
    unsigned floor = PROTOCOL_PRESERVE_BASE + in->setup.preserve_fds;
    int high;

    if (*fd < 0 || (unsigned)*fd >= preserve_end(in))
        return 0;
    if (floor < preserve_end(in))
        floor = preserve_end(in);
    high = fcntl(*fd, F_DUPFD_CLOEXEC, (int)floor);
    if (high < 0) {
        err_errno(err, "move fd %d above the preserved ones", *fd);
        return init_seccomp_hint(in, "fcntl", err);
    }
    fd_close(*fd);
    *fd = high;
    return 0;
}

int init_descriptors(void *init, struct err *err)
{
    struct init *in = init;
    int trace = trace_fd();

    if (in->descriptors_done || in->setup.preserve_fds == 0)
        return 0;
    if (fd_lift(in, &in->sock, err) < 0 || fd_lift(in, &in->seccomp_fd, err) < 0 ||
        fd_lift(in, &trace, err) < 0)
        return -1;
    if (trace != trace_fd())
        trace_adopt(trace, "init");
    for (unsigned i = 0; i < in->setup.preserve_fds; i++) {
        int from = PROTOCOL_PRESERVE_BASE + (int)i, to = 3 + (int)i;

        /* A gap stays a gap: whatever of ours has this number is of no use any more. */
        if (!preserve_was_open(in, i)) {
            close(to);
            continue;
        }
        if (dup3(from, to, 0) < 0) {
            err_errno(err, "preserved fd %d", to);
            return init_seccomp_hint(in, "dup3", err);
        }
        close(from);
    }
    in->descriptors_done = true;
    return 0;
}

/* Without close_range (kernel, or a filter): every fd of ours is close-on-exec anyway, so this only
 * makes sure of fds that came from elsewhere; the count of open files bounds it. */
static void close_from_slowly(unsigned first, unsigned last)
{
    struct rlimit limit = {.rlim_cur = 4096};

    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < PROTOCOL_PRESERVE_BASE * 4)
        limit.rlim_cur = PROTOCOL_PRESERVE_BASE * 4;
    if (limit.rlim_cur > 65536)
        limit.rlim_cur = 65536;
    if (last >= limit.rlim_cur)
        last = (unsigned)limit.rlim_cur - 1;
    for (unsigned fd = first; fd <= last; fd++)
        close((int)fd);
}

static void close_between(unsigned first, unsigned last)
{
    if (first <= last && sys_close_range(first, last, 0) < 0)
        close_from_slowly(first, last);
}

static void close_all_but_program(struct init *in)
{
    unsigned first = preserve_end(in), sock = (unsigned)in->sock;

    if (in->sock < 0 || sock < first) {
        close_between(first, UINT_MAX);
        return;
    }
    if (sock > first)
        close_between(first, sock - 1);
    close_between(sock + 1, UINT_MAX);
}

/* ---- execve ---- */

/* Everything that does not have to wait for execve itself: see the list of calls at the top. */
static int program_settle(struct init *in, struct err *err)
{
    if (in->settled)
        return 0;
    if (init_descriptors(in, err) < 0)
        return -1;
    if (prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) < 0) {
        err_errno(err, "clear the parent-death signal");
        return init_seccomp_hint(in, "prctl", err);
    }
    proc_default_signals();
    in->settled = true;
    return 0;
}

int init_seccomp_late(void *init, struct err *err)
{
    if (!seccomp_wanted(init, true))
        return 0;
    if (program_settle(init, err) < 0)
        return -1;
    return seccomp_load(init, err);
}

int init_program_exec(void *init, struct err *err)
{
    struct init *in = init;
    int errnum;

    if (!in->process || !in->program || !in->argv || !in->argv[0])
        return err_set(err, 0, WORDING_NO_ARGS);
    if (program_settle(in, err) < 0)
        return -1;
    close_all_but_program(in);
    execve(in->program, in->argv, in->envp);
    errnum = errno;
    if (in->seccomp_loaded && (errnum == EPERM || errnum == ENOSYS))
        return err_set(err, errnum, WORDING_EXEC_FILTERED, in->program);

    /* The late filter was not asked before whether files may be looked at; it may kill for it. */
    bool blind = in->seccomp_loaded && in->process->no_new_privileges;
    _cleanup_close_ int root = blind ? -1 : path_own_root();

    lookup_diagnose(root, in->program, errnum, err);
    if (errnum == EACCES || errnum == EPERM)
        init_lsm_hint(in, err);
    return -1;
}
