/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The host side decided (host/plan.c); here its list is carried out: setns for each namespace that
 * is joined, one unshare for all that are new, ids mapped by the host side in between, and, where
 * the kernel makes a namespace count for children only, one more fork. The second process takes
 * over the socket and the first one goes.
 */
#include "init/enter.h"

#include "base/fd.h"
#include "base/open_files.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The user namespace first: without privilege, privilege comes with it. */
static const struct {
    uint64_t flag;
    int fd;
    const char *name;
} namespaces[] = {
    {CLONE_NEWUSER, SETUP_FD_NS_USER, "user"},      {CLONE_NEWPID, SETUP_FD_NS_PID, "pid"},
    {CLONE_NEWNET, SETUP_FD_NS_NETWORK, "network"}, {CLONE_NEWIPC, SETUP_FD_NS_IPC, "ipc"},
    {CLONE_NEWUTS, SETUP_FD_NS_UTS, "uts"},         {CLONE_NEWCGROUP, SETUP_FD_NS_CGROUP, "cgroup"},
    {CLONE_NEWTIME, SETUP_FD_NS_TIME, "time"},      {CLONE_NEWNS, SETUP_FD_NS_MOUNT, "mount"},
};

int init_arm_death_signal(struct init *in, struct err *err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return err_errno(err, "ask to end with the runtime");
    /* The host side may have died before the call. In another pid namespace its pid reads 0; then
     * the end of file on the socket tells at the next meeting point. */
    if (in->setup.parent && getppid() != 0 && getppid() != in->setup.parent)
        _exit(1);
    return 0;
}

static int join_fd(struct init *in, size_t i, struct err *err)
{
    if (setns(in->fd[namespaces[i].fd], (int)namespaces[i].flag) == 0)
        return 0;
    err_errno(err, "join the %s namespace", namespaces[i].name);
    if (err->errnum == EPERM && (geteuid() != 0 || proc_in_user_namespace()))
        err_hint(err, "without privilege it has to belong to a user namespace that is joined too");
    return -1;
}

/* One entry of the plan: one flag, or, in exec, several that the pidfd joins in one call. */
static int join_one(struct init *in, uint64_t flags, struct err *err)
{
    if (in->fd[SETUP_FD_TARGET] >= 0) {
        if (setns(in->fd[SETUP_FD_TARGET], (int)flags) < 0)
            return err_errno(err, "join the container's namespaces");
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
        if ((flags & namespaces[i].flag) && join_fd(in, i, err) < 0)
            return -1;
    }
    return 0;
}

static int proceed(struct init *in, struct err *err)
{
    struct protocol_message m;

    return protocol_expect(in->sock, PROTOCOL_PROCEED, &m, err);
}

/* Become what root is in the user namespace. Where id 0 is not mapped the capabilities that came
 * with the namespace are enough, so a refusal is none. */
static int become_root(struct init *in, struct err *err)
{
    if ((syscall(SYS_setresgid, 0, 0, 0) < 0 && errno != EINVAL) ||
        (syscall(SYS_setresuid, 0, 0, 0) < 0 && errno != EINVAL))
        return err_errno(err, "become root in the user namespace");
    /* Other credentials set it to fs.suid_dumpable. */
    if ((in->setup.flags & SETUP_NOT_DUMPABLE) && prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_errno(err, "become non-dumpable");
    return 0;
}

static int write_time_offsets(struct init *in, struct err *err)
{
    const struct oci_time_offsets *t = in->linux_.time_offsets;
    char text[128] = "";
    size_t len = 0;

    if (!t)
        return 0;
    if (t->monotonic)
        len += (size_t)snprintf(text + len, sizeof text - len, "monotonic %lld %u\n",
                                (long long)t->monotonic->secs, t->monotonic->nanosecs);
    if (t->boottime)
        len += (size_t)snprintf(text + len, sizeof text - len, "boottime %lld %u\n",
                                (long long)t->boottime->secs, t->boottime->nanosecs);
    if (len && proc_write(in->host_proc, "self/timens_offsets", text, err) < 0)
        return err_context(err, "linux.timeOffsets");
    return 0;
}

/* In a new network namespace even the loopback is down. Nobody configures one without a network of
 * its own (--network none), and programs count on 127.0.0.1. */
static void loopback_up(struct init *in)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    /* Any socket takes these requests (netdevice(7)); this kind is on every kernel. */
    _cleanup_close_ int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (sock < 0 || ioctl(sock, SIOCSIFFLAGS, &lo) < 0)
        init_warn(in, "network: the loopback interface stays down: %s", strerror(errno));
}

/* The second process has the same parent as this one, so the host side can wait for it. */
static int fork_again(struct init *in, struct err *err)
{
    struct clone_args args = {.flags = CLONE_PARENT, .exit_signal = 0};
    struct protocol_pid pid;

    pid.pid = sys_clone3(&args, sizeof args);
    if (pid.pid < 0 && (errno == ENOSYS || errno == EPERM))
        pid.pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    if (pid.pid < 0)
        return err_errno(err, "fork into the new namespaces");
    if (pid.pid == 0)
        return init_arm_death_signal(in, err);
    if (protocol_send(in->sock, PROTOCOL_PID, &pid, sizeof pid, NULL, 0, err) < 0)
        return -1;
    _exit(0);
}

int init_enter_namespaces(void *init, struct err *err)
{
    struct init *in = init;
    const struct protocol_plan *plan = &in->setup.plan;

    /* From the first setns on, processes of the container could look at us. */
    if ((in->setup.flags & SETUP_NOT_DUMPABLE) && prctl(PR_SET_DUMPABLE, 0) < 0)
        return err_errno(err, "become non-dumpable");
    for (size_t i = 0; i < ARRAY_SIZE(plan->join) && plan->join[i]; i++) {
        if (join_one(in, plan->join[i], err) < 0)
            return -1;
    }
    /* They have served; a created container holds on to nothing of others. */
    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
        in->fd[namespaces[i].fd] = fd_close(in->fd[namespaces[i].fd]);
    if (plan->unshare & CLONE_NEWUSER) {
        if (unshare((int)plan->unshare & ~CLONE_NEWTIME) < 0)
            return err_errno(err, "make the user namespace");
        if (protocol_send(in->sock, PROTOCOL_NAMESPACES, NULL, 0, NULL, 0, err) < 0 ||
            proceed(in, err) < 0)
            return -1;
    }
    if (plan->become_root && become_root(in, err) < 0)
        return -1;
    if (!(plan->unshare & CLONE_NEWUSER) && (plan->unshare & ~(uint64_t)CLONE_NEWTIME) &&
        unshare((int)plan->unshare & ~CLONE_NEWTIME) < 0)
        return err_errno(err, "make namespaces");
    if ((plan->unshare & CLONE_NEWTIME) && unshare(CLONE_NEWTIME) < 0)
        return err_errno(err, "make the time namespace");
    if (in->setup.flags & SETUP_LOOPBACK)
        loopback_up(in);
    if (plan->time_offsets && (init_read_config(in, err) < 0 || write_time_offsets(in, err) < 0))
        return -1;
    if (plan->fork && fork_again(in, err) < 0)
        return -1;
    return init_arm_death_signal(in, err);
}

/*
 * To move a process by its pid, the kernel stops every fork and exec on the machine, and waits for
 * a grace period of RCU to be able to: some 10 ms. A thread that moves itself alone ("0" to the
 * file tasks, cgroups v1) needs neither. What does not take us is left to the host side, which can
 * tell why; it says so when it has done it.
 */
static int enter_cgroups(struct init *in, struct err *err)
{
    struct protocol_entered entered = {0};
    struct protocol_message m;
    size_t n;

    if (protocol_expect(in->sock, PROTOCOL_CGROUPS, &m, err) < 0)
        return -1;
    n = m.n_fds;
    while (entered.n < n && write(m.fds[entered.n], "0", 1) == 1)
        entered.n++;
    protocol_message_clear(&m);
    if (protocol_send(in->sock, PROTOCOL_ENTERED, &entered, sizeof entered, NULL, 0, err) < 0)
        return -1;
    return entered.n == n ? 0 : proceed(in, err);
}

/* Other credentials take the death signal away. */
static int enter_late(struct init *in, struct err *err)
{
    if (!in->setup.plan.become_root_late)
        return 0;
    return become_root(in, err) < 0 ? -1 : init_arm_death_signal(in, err);
}

int init_enter_cgroup(void *init, struct err *err)
{
    struct init *in = init;

    if (!in->setup.plan.wait_cgroup)
        return enter_late(in, err);
    if ((in->setup.flags & SETUP_CGROUPS) && enter_cgroups(in, err) < 0)
        return -1;
    if (proceed(in, err) < 0)
        return -1;
    if (in->setup.plan.unshare_late && unshare((int)in->setup.plan.unshare_late) < 0)
        return err_errno(err, "make the cgroup namespace");
    return enter_late(in, err);
}

int init_enter_root(void *init, struct err *err)
{
    struct init *in = init;

    /* A container without a mount namespace of its own: its root directory is only known to it. */
    if (in->fd[SETUP_FD_ROOT] >= 0) {
        if (fchdir(in->fd[SETUP_FD_ROOT]) < 0 || chroot(".") < 0)
            return err_errno(err, "enter the container's root");
    }
    in->rootfs = path_own_root();
    if (in->rootfs < 0)
        return err_errno(err, "open the container's root");
    in->proc = in->host_proc;
    return 0;
}

static int decode_failed(const struct oci_diag *diag, struct err *err)
{
    char text[1024];

    oci_diag_format(diag, "config.json", text, sizeof text);
    return err_set(err, 0, "%s", text);
}

/* May run twice: the time offsets are needed before the fork. */
int init_read_config(void *init, struct err *err)
{
    struct init *in = init;
    _cleanup_free_ char *text = NULL;
    struct oci_diag diag;
    size_t len;

    if (in->arena)
        return 0;
    if (fd_read_all(in->fd[SETUP_FD_CONFIG], 16 << 20, &text, &len, err) < 0)
        return err_context(err, "read the configuration");
    in->arena = oci_arena_new();
    if (!in->arena)
        return err_set(err, ENOMEM, "decode the configuration");
    if (oci_decode(&oci_config_inside_table, &in->config, text, len, in->arena, NULL, NULL, &diag) <
        0)
        return decode_failed(&diag, err);
    in->process = in->config.process;
    if (in->config.hooks)
        in->hooks = *in->config.hooks;
    if (in->config.linux_)
        in->linux_ = *in->config.linux_;
    in->fd[SETUP_FD_CONFIG] = fd_close(in->fd[SETUP_FD_CONFIG]);
    return 0;
}

static int alloc_sources(struct init *in, struct err *err)
{
    in->sources = oci_alloc(in->arena, (in->config.mounts_n + 1) * sizeof *in->sources);
    in->source_is_dir = oci_alloc(in->arena, in->config.mounts_n + 1);
    in->device_sources = oci_alloc(in->arena, (in->linux_.devices_n + 1) * sizeof(int));
    if (!in->sources || !in->source_is_dir || !in->device_sources)
        return err_set(err, ENOMEM, "mount sources");
    for (size_t i = 0; i < in->config.mounts_n; i++)
        in->sources[i] = -1;
    for (size_t i = 0; i < in->linux_.devices_n; i++)
        in->device_sources[i] = -1;
    return 0;
}

/* Put one source where its step looks for it. */
static int place_source(struct init *in, uint32_t kind, uint32_t index, bool is_dir, int fd)
{
    switch (kind) {
    case SOURCE_MOUNT:
        if (index >= in->config.mounts_n)
            return -1;
        in->sources[index] = fd;
        in->source_is_dir[index] = is_dir;
        return 0;
    case SOURCE_DEVICE:
        if (index >= in->linux_.devices_n)
            return -1;
        in->device_sources[index] = fd;
        return 0;
    case SOURCE_DEFAULT_DEVICE:
        if (index >= ARRAY_SIZE(in->default_device_sources))
            return -1;
        in->default_device_sources[index] = fd;
        return 0;
    case SOURCE_NOTIFY:
        in->notify_source = fd;
        return 0;
    default:
        return -1;
    }
}

int init_take_sources(void *init, struct err *err)
{
    struct init *in = init;
    struct protocol_message m;

    if (alloc_sources(in, err) < 0)
        return -1;
    open_files_allow(in->config.mounts_n + in->linux_.devices_n);
    for (;;) {
        size_t next = 0;

        if (protocol_expect(in->sock, PROTOCOL_SOURCES, &m, err) < 0)
            return -1;
        for (uint32_t i = 0; i < m.u.sources.n && i < PROTOCOL_MAX_FDS; i++) {
            if (m.u.sources.entry[i].kind == SOURCE_END)
                return 0;
            if (next >= m.n_fds ||
                place_source(in, m.u.sources.entry[i].kind, m.u.sources.entry[i].index,
                             m.u.sources.entry[i].is_dir, m.fds[next++]) < 0)
                return err_set(err, EPROTO, "mount source");
        }
    }
}

int init_take_seccomp(void *init, struct err *err)
{
    struct init *in = init;
    struct protocol_message m;

    if (protocol_expect(in->sock, PROTOCOL_SECCOMP, &m, err) < 0)
        return -1;
    in->seccomp = m.u.seccomp;
    if (m.n_fds)
        in->seccomp_fd = m.fds[0];
    return 0;
}

/* A process of the container may get to look at us (exec), and hooks and the program come next: no
 * fd on a directory, namespace or process of the machine is left when the container waits
 * (CVE-2024-21626). Trace and hook output stay, they are files that the caller named. */
int init_forget_host(void *init, struct err *err)
{
    struct init *in = init;

    (void)err;
    for (int i = 0; i < SETUP_FD_COUNT; i++) {
        if (i == SETUP_FD_LISTEN || i == SETUP_FD_TRACE || i == SETUP_FD_HOOKS_OUT ||
            i == SETUP_FD_HOOKS_ERR || i == SETUP_FD_ROOTFS)
            continue;
        in->fd[i] = fd_close(in->fd[i]);
    }
    in->dev_null = fd_close(in->dev_null);
    if (in->proc != in->host_proc)
        fd_close(in->proc);
    in->proc = in->host_proc = -1; /* closed above as SETUP_FD_PROC */
    return 0;
}
