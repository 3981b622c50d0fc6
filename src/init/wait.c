/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A created container is init in accept(2) on the socket that it inherited: `start` connects, says
 * GO, and the connection takes the place of the one to the runtime that created the container. A
 * connection that ends without GO was a start that died early, and one that ends before we have
 * taken its GO a start that gave up, as it does while we are frozen; we go on waiting. `state` only
 * looks whether the socket is still there, which does not wake us.
 *
 * The first process of a pid namespace is not killed by signals that it has no handler for, and
 * until the program runs there is nobody to handle any: so the waiting init takes signals by
 * signalfd and does what their default action would have done. Signals that come while hooks run
 * stay pending: they end the container that waits for start, or reach the program.
 *
 * Without noNewPrivileges the filter is in force by then. After READY there is nobody left to tell
 * what it denies: the signalfd is made before it, and the calls of the wait are tried before READY.
 */
#include "init/wait.h"

#include "base/fd.h"
#include "base/hook.h"
#include "base/sys.h"
#include "base/util.h"
#include "init/enter.h"

#include <errno.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define RELEASE_STACK ((uintptr_t)512 << 10)

int init_report_mounted(void *init, struct err *err)
{
    struct init *in = init;
    const struct protocol_mounted mounted = {.no_notify = in->notify_failed};
    struct protocol_message m;

    if (protocol_send(in->sock, PROTOCOL_MOUNTED, &mounted, sizeof mounted, NULL, 0, err) < 0)
        return -1;
    return protocol_expect(in->sock, PROTOCOL_PROCEED, &m, err);
}

/* What the host side is told in the place of a hook's failure; it undoes the rest. */
static int deleted(struct err *err)
{
    return err_set(err, ECANCELED, "the container was deleted by it");
}

/* A hook that runs in here cannot reach the runtime's processes, nor kill us: it asks (see
 * host/inside.h). The connection stays open, so that it ends when we do. */
static int take_request(void *init, struct err *err)
{
    struct init *in = init;
    enum protocol_type type;
    int sock = accept4(in->listen, NULL, NULL, SOCK_CLOEXEC);
    struct err ignored;
    int sig;

    if (sock < 0)
        return 0;
    if (protocol_receive_bare(sock, &type) != 1) {
        fd_close(sock);
        return 0;
    }
    /* A start while another one runs the hooks: it waits until execve, or our end, closes it. */
    if (type == PROTOCOL_GO)
        return 0;
    if (type == PROTOCOL_DELETE)
        return deleted(err);
    if (type == PROTOCOL_DISCARD)
        protocol_send(sock, PROTOCOL_GO, NULL, 0, NULL, 0, &ignored);
    sig = type > PROTOCOL_SIGNAL ? (int)(type - PROTOCOL_SIGNAL) : 0;
    if (sig == SIGKILL)
        _exit(128 + SIGKILL);
    if (sig)
        kill(getpid(), sig);
    fd_close(sock);
    return 0;
}

/* The state as a hook inside the container sees it: our pid is the one of our own namespace. */
static int run_hooks(struct init *in, const char *kind, const struct oci_hook *hooks, size_t n,
                     int cwd, const char *const *default_env, struct err *err)
{
    struct oci_state state = {
        .oci_version = "1.3.0",
        .id = in->setup.id,
        .pid = {true, getpid()},
        .status = OCI_STATUS_CREATED,
        .bundle = in->setup.bundle,
        .root = in->setup.rootfs,
        .annotations = in->config.annotations,
        .annotations_n = in->config.annotations_n,
    };
    struct hook_run run = {
        .kind = kind,
        .default_env = default_env,
        .cwd = cwd,
        .out = in->fd[SETUP_FD_HOOKS_OUT],
        .err_out = in->fd[SETUP_FD_HOOKS_ERR],
        .wake = take_request,
        .wake_fd = in->listen,
        .data = in,
        .die_with_parent = true,
    };
    char *text;
    int result;

    if (n == 0)
        return 0;
    text = oci_encode(&oci_state_table, &state, OCI_STYLE_COMPACT, &run.state_len);
    if (!text)
        return err_set(err, ENOMEM, "state for hooks");
    run.state = text;
    result = hook_run_all(hooks, n, &run, NULL, NULL, err);
    free(text);
    return result;
}

int init_hooks_create(void *init, struct err *err)
{
    struct init *in = init;
    sigset_t all;

    /* Unblocked they would be lost on the first process of a pid namespace. They stay blocked until
     * wait_for_start() looks at them. */
    sigfillset(&all);
    if (in->hooks.create_container_n && sigprocmask(SIG_SETMASK, &all, NULL) < 0)
        return err_errno(err, "block signals");
    return run_hooks(in, "createContainer", in->hooks.create_container,
                     in->hooks.create_container_n, in->rootfs, NULL, err);
}

int init_hooks_start(void *init, struct err *err)
{
    struct init *in = init;

    return run_hooks(in, "startContainer", in->hooks.start_container, in->hooks.start_container_n,
                     -1, (const char *const *)in->envp, err);
}

/* What a signal does by default: ends the process unless it is one of these (signal(7)). */
static bool ends_process(int sig)
{
    switch (sig) {
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
        return false;
    default:
        return true;
    }
}

static void handle_signal(int signals)
{
    struct signalfd_siginfo info;

    if (read(signals, &info, sizeof info) == sizeof info && ends_process((int)info.ssi_signo))
        _exit(128 + (int)info.ssi_signo);
}

static bool has_hung_up(int sock)
{
    struct pollfd p = {.fd = sock};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLHUP);
}

/* Returns 1 when start has said GO; 0: it was nothing. */
static int take_connection(struct init *in, struct err *err)
{
    const struct timeval forever = {0};
    enum protocol_type type;
    int sock = accept4(in->listen, NULL, NULL, SOCK_CLOEXEC);

    if (sock < 0) {
        if (errno == EINTR || errno == EAGAIN || errno == ECONNABORTED)
            return 0;
        return err_errno(err, "wait for start");
    }
    if (protocol_receive_bare(sock, &type) != 1)
        type = PROTOCOL_READY;
    /* From another pid namespace; the connection ends when we have. */
    if (type == PROTOCOL_DELETE)
        _exit(128 + SIGKILL);
    if (type > PROTOCOL_SIGNAL && ends_process((int)(type - PROTOCOL_SIGNAL)))
        _exit(128 + (int)(type - PROTOCOL_SIGNAL));
    /* Whoever has given up meanwhile has said that it failed. */
    if ((type != PROTOCOL_GO && type != PROTOCOL_DISCARD) || has_hung_up(sock)) {
        fd_close(sock);
        return 0;
    }
    if (type == PROTOCOL_DISCARD)
        _exit(128 + SIGKILL);
    /* Refused by a filter: then the one in protocol_receive_bare() has been too. */
    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof forever);
    in->sock = sock;
    return 1;
}

/* The runtime that made the container may start it too (run). Should it end before it does, the
 * container is a created one like any other. */
static bool take_go(struct init *in)
{
    struct protocol_message m;
    struct err ignored;

    if ((in->setup.flags & SETUP_RUN) && protocol_receive(in->sock, &m, &ignored) == 1 &&
        m.type == PROTOCOL_GO)
        return true;
    /* What ends us now, a signal that was waiting for example, is nothing that create failed at. */
    if (!(in->setup.flags & SETUP_RUN))
        protocol_send(in->sock, PROTOCOL_COMMITTED, NULL, 0, NULL, 0, &ignored);
    in->sock = fd_close(in->sock);
    return false;
}

/* ---- while it waits ----
 *
 * What init touched on its way here would be charged to the container for as long as it waits, for
 * nothing: the stack below the margin, where only returned functions were, and the pages of the
 * executable that are only read, which are found again in the page cache.
 */

struct segments {
    struct {
        uintptr_t begin, end;
    } list[8];
    size_t n;
};

static int find_segments(struct dl_phdr_info *info, size_t size, void *data)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    struct segments *found = data;

    (void)size;
    for (size_t i = 0; i < info->dlpi_phnum && found->n < ARRAY_SIZE(found->list); i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + p->p_vaddr;

        if (p->p_type != PT_LOAD || (p->p_flags & PF_W))
            continue;
        found->list[found->n].begin = begin & ~(page - 1);
        found->list[found->n++].end = begin + p->p_memsz;
    }
    return 1; /* the executable comes first; libraries are shared with others */
}

/* The kernel answers a fault with up to 16 pages around it that are in the page cache, but not
 * beyond the mapping. Another advice makes the pages of this function a mapping of their own. */
static void isolate(uintptr_t function, uintptr_t page)
{
    madvise((void *)(function & ~(page - 1)), 2 * page, MADV_RANDOM);
}

/* @waiting: the function that goes to sleep next */
__attribute__((noinline)) static void release_pages(uintptr_t waiting)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t here = (uintptr_t)__builtin_frame_address(0) & ~(page - 1);
    static struct segments s;

    /* Reaches beyond the end of the stack, which is only said (ENOMEM), not harmful. */
    madvise((void *)(here - RELEASE_STACK), RELEASE_STACK - 2 * page, MADV_DONTNEED);
    /* Once: a start that died early wakes us too. */
    if (s.n == 0) {
        dl_iterate_phdr(find_segments, &s);
        isolate(waiting, page);
        isolate((uintptr_t)poll, page);
        isolate((uintptr_t)madvise, page);
    }
    for (size_t i = 0; i < s.n; i++)
        madvise((void *)s.list[i].begin, s.list[i].end - s.list[i].begin, MADV_DONTNEED);
}

int init_signals_open(struct init *in, struct err *err)
{
    sigset_t all;

    if (in->signals >= 0)
        return 0;
    sigfillset(&all);
    in->signals = signalfd(-1, &all, SFD_CLOEXEC);
    return in->signals < 0 ? err_errno(err, "signalfd") : 0;
}

/* A call that the filter lets through says EBADF to fd -1. */
static int tried(const struct init *in, long result, const char *syscall_name, struct err *err)
{
    if (result >= 0 || errno == EBADF)
        return 0;
    err_errno(err, "wait for start: %s", syscall_name);
    return init_seccomp_hint(in, syscall_name, err);
}

/* Whether the filter that is in force lets us wait, and take start's word. */
static int try_wait(const struct init *in, struct err *err)
{
    struct msghdr nothing = {0};

    if (!in->seccomp_loaded)
        return 0;
    if (tried(in, recvmsg(-1, &nothing, 0), "recvmsg", err) < 0)
        return -1;
    if (in->setup.flags & (SETUP_EXEC | SETUP_RUN))
        return 0;
    if (tried(in, poll(NULL, 0, 0), "poll", err) < 0)
        return -1;
    return tried(in, accept4(-1, NULL, NULL, SOCK_CLOEXEC), "accept4", err);
}

static int block_signals(const struct init *in, struct err *err)
{
    sigset_t all;

    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) == 0)
        return 0;
    err_errno(err, "block signals");
    return init_seccomp_hint(in, "rt_sigprocmask", err);
}

static int wait_for_start(struct init *in, struct err *err)
{
    int go = take_go(in);

    if (!go && init_signals_open(in, err) < 0)
        return -1;
    while (go == 0) {
        struct pollfd p[2] = {{in->listen, POLLIN, 0}, {in->signals, POLLIN, 0}};

        release_pages((uintptr_t)wait_for_start);
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            go = err_errno(err, "wait for start");
        else if (p[1].revents)
            handle_signal(in->signals);
        else if (p[0].revents)
            go = take_connection(in, err);
    }
    in->signals = fd_close(in->signals);
    /* The signals stay blocked: whatever comes now is for the program, which gets an empty mask.
     * in->listen stays open until execve closes it: so long the status is "created", for the
     * startContainer hooks too, and another start waits in its queue. */
    if (go > 0 && !in->process)
        return err_set(err, 0, "process: the configuration has none, so there is nothing to start");
    return go < 0 ? -1 : 0;
}

/* Limits that the host side was refused: lowering is ours to do. */
static int set_limits(const struct protocol_limits *limits, struct err *err)
{
    for (uint32_t i = 0; i < limits->n && i < ARRAY_SIZE(limits->limit); i++) {
        const struct rlimit limit = {limits->limit[i].soft, limits->limit[i].hard};

        if (setrlimit((enum __rlimit_resource)limits->limit[i].resource, &limit) == 0)
            continue;
        err_errno(err, "process.rlimits[%u]: set %s to %llu (hard %llu)", limits->limit[i].index,
                  oci_name_of(&oci_rlimit_names, (int)limits->limit[i].resource + 1),
                  (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
        if (err->errnum == EPERM)
            err_hint(err, "raising a hard limit needs CAP_SYS_RESOURCE");
        return err_object(err, "process.rlimits[%u]", limits->limit[i].index);
    }
    return 0;
}

/* READY, COMMITTED. Not inlined: the message would stay on the stack while the container waits. */
__attribute__((noinline)) static int commit(struct init *in, struct err *err)
{
    struct protocol_message m;

    /* A change of credentials has cleared it. */
    if (init_arm_death_signal(in, err) < 0)
        return init_seccomp_hint(in, "prctl", err);
    if (protocol_send(in->sock, PROTOCOL_READY, NULL, 0, NULL, 0, err) < 0 ||
        protocol_expect(in->sock, PROTOCOL_COMMITTED, &m, err) < 0)
        return -1;
    /* From here on the container does not depend on the runtime that made it. */
    if (prctl(PR_SET_PDEATHSIG, 0) < 0)
        return err_errno(err, "outlive the runtime");
    return in->setup.flags & SETUP_EXEC ? set_limits(&m.u.limits, err) : 0;
}

int init_report_ready(void *init, struct err *err)
{
    struct init *in = init;

    if (try_wait(in, err) < 0)
        return -1;
    if (!(in->setup.flags & SETUP_EXEC) && block_signals(in, err) < 0)
        return -1;
    if (commit(in, err) < 0)
        return -1;
    return in->setup.flags & SETUP_EXEC ? 0 : wait_for_start(in, err);
}

int init_ask_limits(void *init, struct err *err)
{
    struct init *in = init;
    struct protocol_message m;

    if (protocol_send(in->sock, PROTOCOL_LIMITS, NULL, 0, NULL, 0, err) < 0)
        return -1;
    if (protocol_expect(in->sock, PROTOCOL_LIMITS_DONE, &m, err) < 0)
        return -1;
    return set_limits(&m.u.limits, err);
}
