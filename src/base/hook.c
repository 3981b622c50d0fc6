/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A hook is a stranger's program that the life of a container waits for, so nothing it does or
 * leaves undone may hold us up longer than its timeout:
 *
 * - The state is handed over in a memfd: it is complete before the hook starts, reading it ends at
 * its end, and not reading it blocks nobody.
 * - The hook is waited for through a pidfd, which clone(2) gives together with the process: no pid
 * is looked up, no signal handler is needed, and filters that lack pidfd_open do not matter.
 * - stdout and stderr are pipes that are emptied while the hook runs; only their end is kept. When
 * the hook has exited what is in the pipes is read and they are closed, whoever else still holds
 * them.
 * - Whether execve worked is told by one more pipe, closed by it: errno comes through, or nothing.
 * - The hook has its own process group; a timeout kills all of it. Whoever has to find the group
 * later, should we die, is told of it while the child still waits for a byte in a pipe (the gate).
 *
 * Nothing here is looked up by name but the hook itself: init uses it after the root has changed.
 */
#include "base/hook.h"

#include "base/fd.h"
#include "base/open_files.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/trace.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAIL_MAX 4096
#define KILL_WAIT 10000               /* milliseconds that a killed hook gets to be gone */
#define TIMEOUT_MAX INT64_C(31536000) /* seconds: a year */

enum { HOOK_STDOUT, HOOK_STDERR, HOOK_EXEC, HOOK_PIDFD, HOOK_FDS };

struct tail {
    size_t len;
    bool cut;
    char data[TAIL_MAX];
};

struct hook_child {
    const struct oci_hook *hook;
    const struct hook_run *run;
    char *const *argv;
    char **envp;
    pid_t pid;
    int in;               /* the state */
    int fds[HOOK_FDS];    /* our ends */
    int ends[HOOK_PIDFD]; /* the hook's ends of the first three */
    int gate[2];          /* the hook goes on when it reads a byte; -1 if it need not wait */
    int exec_errno;
    bool timed_out;
    uint64_t begin, took; /* milliseconds */
    struct tail tails[2];
};

/* ---- the child ------------------------------------------------------------------------------ */

static int hook_stdio(const struct hook_child *c)
{
    int fds[3] = {c->in, c->ends[HOOK_STDOUT], c->ends[HOOK_STDERR]};

    /* Any of them may have a number below 3, where the next dup2 would overwrite it. */
    for (int i = 0; i < 3; i++) {
        fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        if (fds[i] < 0)
            return -1;
    }
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            return -1;
    return 0;
}

/* Between clone and execve: system calls only. */
static _Noreturn void hook_child(const struct hook_child *c)
{
    int report = fcntl(c->ends[HOOK_EXEC], F_DUPFD_CLOEXEC, 3);
    int saved;
    char go;

    setpgid(0, 0);
    if (c->run->die_with_parent)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    proc_default_signals();
    if (c->gate[0] >= 0) {
        close(c->gate[1]);
        if (read(c->gate[0], &go, 1) != 1)
            _exit(125);
    }
    /* The directory first: its fd may be one of 0 to 2. */
    if ((c->run->cwd < 0 || fchdir(c->run->cwd) == 0) && hook_stdio(c) == 0 &&
        fd_cloexec_from(3, -1) == 0) {
        open_files_restore();
        execve(c->hook->path, c->argv, c->envp);
    }
    saved = errno;
    if (write(report, &saved, sizeof saved) < 0)
        _exit(126);
    _exit(127);
}

/* ---- the parent ----------------------------------------------------------------------------- */

static int hook_pipe(struct hook_child *c, int which, int given, struct err *err)
{
    int ends[2];

    if (given >= 0) {
        c->ends[which] = fcntl(given, F_DUPFD_CLOEXEC, 3);
        return c->ends[which] < 0 ? err_errno(err, "duplicate a file descriptor") : 0;
    }
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    c->fds[which] = ends[0];
    c->ends[which] = ends[1];
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
        return err_errno(err, "pipe");
    return 0;
}

static void hook_close_ends(struct hook_child *c)
{
    c->in = fd_close(c->in);
    for (size_t i = 0; i < ARRAY_SIZE(c->ends); i++)
        c->ends[i] = fd_close(c->ends[i]);
}

static void hook_close(struct hook_child *c)
{
    hook_close_ends(c);
    for (size_t i = 0; i < HOOK_FDS; i++)
        c->fds[i] = fd_close(c->fds[i]);
    c->gate[0] = fd_close(c->gate[0]);
    c->gate[1] = fd_close(c->gate[1]);
    free(c->envp);
}

/* The hook's environment, and TRACEPARENT of ours unless the list has one. */
static char **hook_environment(const struct oci_hook *hook, const struct hook_run *run)
{
    const char *const *given = hook->env ? (const char *const *)hook->env : run->default_env;
    const char *value = getenv("TRACEPARENT");
    /* getenv() returns a part of "TRACEPARENT=value": that string itself goes into the list. */
    const char *parent = value ? value - strlen("TRACEPARENT=") : NULL;
    size_t n = 0;
    char **envp;

    while (given && given[n])
        n++;
    envp = calloc(n + 2, sizeof *envp);
    if (!envp)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        envp[i] = (char *)given[i];
        if (strncmp(given[i], "TRACEPARENT=", 12) == 0)
            parent = NULL;
    }
    envp[n] = (char *)parent;
    return envp;
}

/* The raw call, because neither fork() nor posix_spawn() gives a pidfd. Without CLONE_VM it is a
 * fork; x86_64, aarch64 and riscv64 agree about the first three arguments. */
static pid_t hook_clone(int *pidfd)
{
    return (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, pidfd, 0, 0);
}

/* Let the child execute the hook, or, when its birth could not be told, not. Our own end for
 * reading is still open: the child may have been killed, and a write that nobody can read is a
 * SIGPIPE. */
static int hook_open_gate(struct hook_child *c, struct err *err)
{
    int told = c->run->born(c->run->data, c->pid, err);

    if (told == 0 && write(c->gate[1], "", 1) != 1)
        told = err_errno(err, "start");
    c->gate[0] = fd_close(c->gate[0]);
    c->gate[1] = fd_close(c->gate[1]);
    if (told < 0)
        while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    return told;
}

static int hook_spawn(struct hook_child *c, struct err *err)
{
    c->envp = hook_environment(c->hook, c->run);
    if (!c->envp)
        return err_errno(err, "start");
    c->in = fd_memfd("ocirun-state", c->run->state, c->run->state_len, err);
    if (c->in < 0 || hook_pipe(c, HOOK_STDOUT, c->run->out, err) < 0 ||
        hook_pipe(c, HOOK_STDERR, c->run->err_out, err) < 0 || hook_pipe(c, HOOK_EXEC, -1, err) < 0)
        return -1;
    if (c->run->born && pipe2(c->gate, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    c->begin = (uint64_t)proc_now();
    c->pid = hook_clone(&c->fds[HOOK_PIDFD]);
    if (c->pid == 0)
        hook_child(c);
    if (c->pid < 0)
        return err_errno(err, "start");
    /* The child does so as well; whoever is first, the group exists before it can be killed. */
    setpgid(c->pid, c->pid);
    hook_close_ends(c);
    return c->run->born ? hook_open_gate(c, err) : 0;
}

static void tail_add(struct tail *t, const char *data, size_t len)
{
    size_t keep;

    if (len > TAIL_MAX) {
        data += len - TAIL_MAX;
        len = TAIL_MAX;
        t->cut = true;
    }
    keep = t->len < TAIL_MAX - len ? t->len : TAIL_MAX - len;
    if (keep < t->len) {
        memmove(t->data, t->data + t->len - keep, keep);
        t->cut = true;
    }
    memcpy(t->data + keep, data, len);
    t->len = keep + len;
}

/* Read once from one of the pipes. Returns false when there is nothing more now. */
static bool hook_read(struct hook_child *c, int which)
{
    char buf[4096];
    ssize_t n;

    if (c->fds[which] < 0)
        return false;
    do
        n = read(c->fds[which], buf, sizeof buf);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        c->fds[which] = fd_close(c->fds[which]);
        return false;
    }
    if (which == HOOK_EXEC)
        memcpy(&c->exec_errno, buf, sizeof c->exec_errno);
    else
        tail_add(&c->tails[which], buf, (size_t)n);
    return true;
}

/* What the hook left in the pipes. A process it started may go on writing, so not for ever: one
 * pipe buffer is all that can have been written before. */
static void hook_drain(struct hook_child *c, int which)
{
    int size = c->fds[which] < 0 ? 0 : fcntl(c->fds[which], F_GETPIPE_SZ);

    for (int n = 0; n <= size / 4096 + 1; n++)
        if (!hook_read(c, which))
            break;
}

/* Wait until the hook is gone, reading what it writes. Returns -1 when it has outlived a kill, and
 * when it cannot be waited for or need not be (run->wake has failed). */
static int hook_wait(struct hook_child *c, uint64_t timeout, struct err *err)
{
    uint64_t end = timeout ? c->begin + timeout : 0;

    for (;;) {
        uint64_t now = (uint64_t)proc_now();
        struct pollfd pfds[HOOK_FDS + 1];
        int left = !end ? -1 : end <= now ? 0 : end - now > INT_MAX ? INT_MAX : (int)(end - now);
        int n;

        for (int i = 0; i < HOOK_FDS; i++)
            pfds[i] = (struct pollfd){.fd = c->fds[i], .events = POLLIN};
        pfds[HOOK_FDS] = (struct pollfd){c->run->wake ? c->run->wake_fd : -1, POLLIN, 0};
        n = poll(pfds, HOOK_FDS + 1, left);
        if (n < 0 && errno != EINTR)
            return err_errno(err, "wait");
        if (n > 0 && pfds[HOOK_PIDFD].revents)
            break;
        for (int i = 0; n > 0 && i < HOOK_PIDFD; i++)
            if (pfds[i].revents)
                hook_read(c, i);
        if (n > 0 && pfds[HOOK_FDS].revents && c->run->wake(c->run->data, err) < 0)
            return -1;
        /* Looked at on every turn: a hook that writes without pause has a deadline too. */
        if (!end || (uint64_t)proc_now() < end)
            continue;
        if (c->timed_out) {
            char who[128];

            proc_describe(c->pid, who, sizeof who);
            return err_set(err, ETIMEDOUT, "killed, but it does not end: %s", who);
        }
        c->timed_out = true;
        kill(-c->pid, SIGKILL);
        kill(c->pid, SIGKILL);
        end = (uint64_t)proc_now() + KILL_WAIT;
    }
    c->took = (uint64_t)proc_now() - c->begin;
    for (int i = 0; i < HOOK_PIDFD; i++)
        hook_drain(c, i);
    return 0;
}

/* The last lines of stderr, or of stdout if there are none: newlines as "; ", nothing unprintable,
 * at most TAIL_MAX bytes. Returns a place in @out, with @separator set to what goes before it. */
static const char *hook_tail_text(const struct hook_child *c, char out[static 2 * TAIL_MAX + 1],
                                  const char **separator)
{
    const struct tail *t = &c->tails[c->tails[HOOK_STDERR].len ? HOOK_STDERR : HOOK_STDOUT];
    size_t end = t->len, n = 0, first;

    while (end && (unsigned char)t->data[end - 1] <= ' ')
        end--;
    for (size_t i = 0; i < end; i++) {
        unsigned char ch = (unsigned char)t->data[i];

        if (ch == '\n') {
            out[n++] = ';';
            out[n++] = ' ';
        } else if (ch != '\r') {
            out[n++] = ch < ' ' || ch == 0x7f ? ' ' : (char)ch;
        }
    }
    out[n] = '\0';
    first = n > TAIL_MAX ? n - TAIL_MAX : 0;
    *separator = !n ? "" : first || t->cut ? ": ..." : ": ";
    /* What was cut may begin in the middle of a character. */
    while ((first || t->cut) && first < n && ((unsigned char)out[first] & 0xc0) == 0x80)
        first++;
    return out + first;
}

static int hook_report(const struct hook_child *c, uint64_t timeout, int status, struct err *err)
{
    char buf[2 * TAIL_MAX + 1], name[24];
    const char *text, *separator;

    if (c->exec_errno)
        return err_set(err, c->exec_errno, "cannot be executed");
    if (!c->timed_out && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    text = hook_tail_text(c, buf, &separator);
    if (c->timed_out)
        return err_set(err, 0, "timed out after %llu s%s%s", (unsigned long long)timeout / 1000,
                       separator, text);
    if (WIFSIGNALED(status))
        return err_set(err, 0, "killed by %s after %llu ms%s%s",
                       proc_signal_name(WTERMSIG(status), name), (unsigned long long)c->took,
                       separator, text);
    return err_set(err, 0, "exit status %d after %llu ms%s%s", WEXITSTATUS(status),
                   (unsigned long long)c->took, separator, text);
}

/* A hook that was not waited for to its end: it must not go on beside whatever is undone now. In
 * init it ends with us, and what called us from it gets its answer. */
static void hook_end(const struct hook_child *c)
{
    struct err ignored = ERR_INIT;

    if (c->run->die_with_parent)
        return;
    kill(-c->pid, SIGKILL);
    kill(c->pid, SIGKILL);
    if (c->timed_out || proc_wait_pidfd(c->fds[HOOK_PIDFD], KILL_WAIT, &ignored) == 0)
        waitpid(c->pid, NULL, WNOHANG);
}

static int hook_run(struct hook_child *c, struct err *err)
{
    int64_t seconds =
        c->hook->timeout.set ? c->hook->timeout.value : (int64_t)c->run->timeout_default;
    uint64_t timeout;
    int status = 0;
    pid_t pid;

    if (seconds < 0)
        seconds = 0;
    timeout = (uint64_t)(seconds > TIMEOUT_MAX ? TIMEOUT_MAX : seconds) * 1000;
    if (hook_spawn(c, err) < 0)
        return -1;
    if (hook_wait(c, timeout, err) < 0) {
        hook_end(c);
        return -1;
    }
    do
        pid = waitpid(c->pid, &status, 0);
    while (pid < 0 && errno == EINTR);
    if (pid < 0)
        return err_errno(err, "get the exit status");
    return hook_report(c, timeout, status, err);
}

static int hook_run_one(const struct oci_hook *hook, size_t index, const struct hook_run *run,
                        struct err *err)
{
    char *only_path[] = {(char *)hook->path, NULL};
    struct hook_child *c = calloc(1, sizeof *c);
    uint64_t begin = trace_begin();
    char span[64];
    int ret;

    if (!c)
        return err_errno(err, "%s hook %zu (%s)", run->kind, index, hook->path);
    c->hook = hook;
    c->run = run;
    c->argv = hook->args_n ? (char *const *)hook->args : only_path;
    c->in = -1;
    for (size_t i = 0; i < HOOK_FDS; i++)
        c->fds[i] = -1;
    for (size_t i = 0; i < ARRAY_SIZE(c->ends); i++)
        c->ends[i] = -1;
    c->gate[0] = c->gate[1] = -1;
    ret = hook_run(c, err);
    hook_close(c);
    free(c);
    if (begin) {
        snprintf(span, sizeof span, "hook %s %zu", run->kind, index);
        trace_end(span, begin);
    }
    if (ret < 0) {
        err_context(err, "%s hook %zu (%.768s)", run->kind, index, hook->path);
        err_object(err, "hooks.%s[%zu]", run->kind, index);
    }
    return ret;
}

int hook_run_all(const struct oci_hook *hooks, size_t n, const struct hook_run *run,
                 void (*warn)(void *data, const struct err *err), void *data, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct err failure = ERR_INIT;

        if (hook_run_one(&hooks[i], i, run, warn ? &failure : err) == 0)
            continue;
        if (!warn)
            return -1;
        warn(data, &failure);
    }
    return 0;
}
