/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * exec makes a process that enters a running container. The process document is put together here
 * (from --process, or from the container's own process and the options) and handed to init by fd,
 * as the configuration is at create, with what else of the container's configuration concerns a
 * process. The namespaces are joined by init, only those that the container does not share with us:
 * it has executed the protected copy before it enters any, and forks once more for the pid
 * namespace (docs/architecture.md).
 */
#include "base/fd.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/stage.h"
#include "base/trace.h"
#include "base/util.h"
#include "base/wording.h"
#include "host/exec_process.h"
#include "host/handoff.h"
#include "host/limits.h"
#include "host/lsm.h"
#include "host/namespaces.h"
#include "host/relay.h"
#include "host/schedule.h"
#include "host/spawn.h"
#include "host/store.h"
#include "seccomp/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct execution {
    const struct runtime *rt;
    const struct exec_options *o;
    struct found found;
    struct oci_config config;   /* the container's snapshot */
    struct oci_process process; /* what is to run */
    struct protocol_setup setup;
    struct spawn spawn;
    struct cgroup_record cgroup; /* the container's, or the sub-cgroup asked for */
    struct protocol_seccomp filter;
    int target, proc, console, seccomp, v2;
    int signals; /* for the relay, or -1 */
};

static int explain(struct execution *x, struct err *err)
{
    if (err->stage[0]) /* the process's own words, whatever their errno */
        return -1;
    if (err->errnum == EPIPE || err->errnum == ECONNRESET)
        return protocol_last_words(x->spawn.sock, err) ? -1 : spawn_died(&x->spawn, NULL, err);
    if (err->errnum == EAGAIN && x->spawn.pid > 0) {
        char who[256];

        proc_describe(x->spawn.pid, who, sizeof who);
        return err_set(err, ETIMEDOUT, "the process did not answer within %d s: %s",
                       x->rt->timeout / 1000, who);
    }
    return -1;
}

static int expect(struct execution *x, enum protocol_type type, struct protocol_message *m,
                  struct err *err)
{
    return protocol_expect(x->spawn.sock, type, m, err) < 0 ? explain(x, err) : 0;
}

static int tell(struct execution *x, enum protocol_type type, const void *data, size_t len,
                const int *fds, size_t n, struct err *err)
{
    return protocol_send(x->spawn.sock, type, data, len, fds, n, err) < 0 ? explain(x, err) : 0;
}

static int find_target(void *subject, struct err *err)
{
    struct execution *x = subject;
    const struct record *r = &x->found.record;
    enum oci_status status;

    if (store_find(x->rt, x->o->id, &x->found, err) < 0)
        return -1;
    /* Before pivot_root the root of its mount namespace is the machine's. */
    if (!r->committed)
        return err_set(err, 0, "cannot exec in a container that is still being created");
    status = store_status(&x->found);
    if (status == OCI_STATUS_PAUSED && !x->o->ignore_paused)
        return err_set(err, 0, WORDING_PAUSED);
    if (status != OCI_STATUS_RUNNING && status != OCI_STATUS_PAUSED && status != OCI_STATUS_CREATED)
        return err_set(err, 0, WORDING_NOT_RUNNING);
    /* In a paused container the process stands still until resume. */
    x->spawn.timeout = status == OCI_STATUS_PAUSED ? 0 : x->rt->timeout;
    x->target = proc_pidfd((pid_t)r->init.pid, r->init.start_time);
    if (x->target < 0 && errno == ESRCH)
        return err_set(err, 0, WORDING_NOT_RUNNING);
    /* No pidfds here (a filter of an outer container): the namespaces one by one. */
    if (x->target < 0 && namespaces_open(r, &x->spawn.fds[SETUP_FD_NS_PID], err) < 0)
        return -1;
    x->proc = proc_open(err);
    return x->proc < 0 ? -1 : 0;
}

static int read_process(void *subject, struct err *err)
{
    struct execution *x = subject;

    if (exec_process_make(x->found.dir, x->found.arena, x->o, &x->config, &x->process, err) < 0)
        return -1;
    if (x->process.terminal && x->o->detach && !x->o->console_socket)
        return err_set(err, 0,
                       "cannot allocate tty if ocirun will detach without setting console socket "
                       "(--console-socket)");
    if (!x->process.terminal && x->o->console_socket)
        return err_set(err, 0,
                       "cannot use console socket if ocirun will not detach or allocate tty");
    return 0;
}

static int prepare_cgroup(void *subject, struct err *err)
{
    struct execution *x = subject;

    x->cgroup = x->found.record.cgroup;
    if (x->o->cgroups_n == 0 &&
        cgroup_with_init(&x->found.record.cgroup, x->proc, (pid_t)x->found.record.init.pid,
                         x->found.arena, &x->cgroup, err) < 0)
        return -1;
    for (size_t i = 0; i < x->o->cgroups_n; i++) {
        const struct cgroup_record before = x->cgroup;

        if (cgroup_sub(&before, x->o->cgroups[i], x->found.arena, &x->cgroup, err) < 0)
            return -1;
    }
    x->v2 = cgroup_v2_fd(&x->cgroup);
    x->spawn.into_cgroup = x->v2;
    return 0;
}

/* CLONE_NEW* of the namespaces that the container does not share with us. */
static uint64_t namespace_mask(const struct record *r)
{
    uint64_t mask = 0;

    for (int type = OCI_NS_UNSET + 1; type < OCI_NS_COUNT; type++) {
        if (r->namespaces.bits & (1ULL << type))
            mask |= plan_flag((enum oci_namespace_type)type);
    }
    return mask;
}

/* A container without a mount namespace of its own: its root is a directory that only its init
 * tells. */
static int open_root(struct execution *x, struct err *err)
{
    char path[64];

    if (!x->found.record.chroot)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/root", (int)x->found.record.init.pid);
    x->spawn.fds[SETUP_FD_ROOT] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (x->spawn.fds[SETUP_FD_ROOT] < 0)
        return err_errno(err, "open the container's root");
    /* The pid was init's if init still lives now. */
    if (!proc_alive((pid_t)x->found.record.init.pid, x->found.record.init.start_time))
        return err_set(err, 0, WORDING_NOT_RUNNING);
    return 0;
}

static int fill_setup(struct execution *x, struct err *err)
{
    struct protocol_setup *s = &x->setup;
    size_t len = strlen(x->o->id);

    /* linux.mountLabel is the label of the terminal. */
    s->flags = SETUP_EXEC | SETUP_NOT_DUMPABLE |
               lsm_flags(&x->process, x->process.terminal ? x->config.linux_ : NULL);
    if (oci_annotation(&x->config, "run.oci.keep_original_groups"))
        s->flags |= SETUP_KEEP_GROUPS;
    s->listen_fds = handoff_listen_fds();
    s->preserve_fds = x->o->preserve_fds + s->listen_fds;
    if (x->o->preserve_fds > 256 || s->preserve_fds > 256)
        return err_set(err, EINVAL, "--preserve-fds %u: at most 256", x->o->preserve_fds);
    s->namespaces = (uint32_t)x->found.record.namespaces.bits;
    s->log_level = log_wants(LOG_LEVEL_DEBUG)     ? LOG_LEVEL_DEBUG
                   : log_wants(LOG_LEVEL_WARNING) ? LOG_LEVEL_WARNING
                                                  : LOG_LEVEL_ERROR;
    memcpy(s->id, x->o->id, len + 1);
    return open_root(x, err);
}

/* A configuration like create's, for one process: everything else has been done. */
static int document_fd(struct execution *x, struct err *err)
{
    const struct oci_linux *container = x->config.linux_;
    struct oci_linux of_process = {0};
    const struct oci_config document = {
        .oci_version = x->config.oci_version,
        .root = x->config.root,
        .process = &x->process,
        .linux_ = &of_process,
    };
    _cleanup_free_ char *text = NULL;
    size_t len;

    if (container) {
        of_process.personality = container->personality;
        of_process.memory_policy = container->memory_policy;
        of_process.mount_label = container->mount_label;
    }
    text = oci_encode(&oci_config_table, &document, OCI_STYLE_COMPACT, &len);

    if (!text)
        return err_set(err, ENOMEM, "process document");
    return fd_memfd("process", text, len, err);
}

static int spawn_process(void *subject, struct err *err)
{
    struct execution *x = subject;
    const struct oci_exec_cpu_affinity *a = x->process.exec_cpu_affinity;

    plan_exec(namespace_mask(&x->found.record), spawn_privileged(), &x->spawn.plan);
    x->spawn.plan.child.wait_cgroup = true;
    if (fill_setup(x, err) < 0)
        return -1;
    if (cgroup_on_v1(&x->cgroup))
        x->setup.flags |= SETUP_CGROUPS;
    x->spawn.fds[SETUP_FD_CONFIG] = document_fd(x, err);
    if (x->spawn.fds[SETUP_FD_CONFIG] < 0)
        return -1;
    x->spawn.fds[SETUP_FD_TARGET] = x->target;
    x->spawn.fds[SETUP_FD_PROC] = x->proc;
    x->spawn.fds[SETUP_FD_TRACE] = trace_fd();
    /* The process inherits it; nothing else of this command minds where it runs. */
    if (a && schedule_affinity(0, a->initial, "process.execCPUAffinity.initial", err) < 0)
        return -1;
    /* Until here a signal has ended us, and there was nothing to undo. */
    if (!x->o->detach) {
        x->signals = relay_signals_open(err);
        if (x->signals < 0 || interrupt_watch(err) < 0)
            return -1;
    }
    if (spawn_clone(&x->spawn, err) < 0 || spawn_init(&x->spawn, err) < 0)
        return explain(x, err);
    if (limits_oom_score(x->spawn.pid, &x->process, err) < 0)
        return -1;
    if (spawn_enter_cgroup(&x->spawn, &x->cgroup, false, err) < 0)
        return explain(x, err);
    if (a && schedule_affinity(x->spawn.pid, a->final, "process.execCPUAffinity.final", err) < 0)
        return -1;
    return tell(x, PROTOCOL_PROCEED, NULL, 0, NULL, 0, err);
}

static void kill_process(void *subject)
{
    struct execution *x = subject;
    bool dies = !cgroup_on_v1(&x->cgroup) || cgroup_frozen(&x->cgroup) != 1;

    /* In a container that v1 has frozen, when it is resumed. */
    spawn_kill(&x->spawn, dies ? x->rt->timeout : 0);
}

static int send_filter(void *subject, struct err *err)
{
    struct execution *x = subject;
    const struct oci_seccomp *profile = x->config.linux_ ? x->config.linux_->seccomp : NULL;
    _cleanup_close_ int cache = -1;

    if (profile) {
        cache = store_cache(x->found.root);
        x->seccomp = seccomp_load_cached(
            profile, oci_annotation(&x->config, "run.oci.seccomp_fail_unknown_syscall") != NULL,
            cache, &x->filter.instructions, &x->filter.flags, err);
        if (x->seccomp < 0)
            return err_context(err, "linux.seccomp");
    }
    return tell(x, PROTOCOL_SECCOMP, &x->filter, sizeof x->filter, &x->seccomp, x->seccomp >= 0,
                err);
}

static int take_console(void *subject, struct err *err)
{
    struct execution *x = subject;
    struct protocol_message m;
    int result = 0;

    if (!x->process.terminal)
        return 0;
    if (expect(x, PROTOCOL_CONSOLE, &m, err) < 0)
        return -1;
    if (m.n_fds != 1) {
        protocol_message_clear(&m);
        return err_set(err, EPROTO, "terminal of the process");
    }
    if (!x->o->console_socket) {
        x->console = m.fds[0];
        return relay_terminal_begin(x->console, err);
    }
    result = handoff_console(x->o->console_socket, m.fds[0], m.u.text, x->rt->timeout, err);
    fd_close(m.fds[0]);
    return result;
}

/* The last word to init; then its end of the socket closes when the program is executed. */
static int let_go(void *subject, struct err *err)
{
    struct execution *x = subject;
    struct protocol_limits left;
    struct protocol_message m;

    if (expect(x, PROTOCOL_READY, &m, err) < 0 ||
        schedule_apply(x->spawn.pid, &x->process, err) < 0 ||
        limits_rlimits(x->spawn.pid, x->process.rlimits, x->process.rlimits_n, &left, err) < 0)
        return -1;
    if (x->o->pidfd_socket &&
        handoff_pidfd(x->o->pidfd_socket, x->spawn.pidfd, "setns", x->rt->timeout, err) < 0)
        return -1;
    if (tell(x, PROTOCOL_COMMITTED, &left, sizeof left, NULL, 0, err) < 0)
        return -1;
    if (protocol_expect(x->spawn.sock, PROTOCOL_READY, &m, err) < 0 &&
        (err->errnum != EPIPE || err->stage[0]))
        return explain(x, err);
    if (!x->o->pid_file)
        return 0;
    if (handoff_pid_file(x->o->pid_file, x->spawn.pid, err) < 0)
        return -1;
    return 0;
}

static const struct stage exec_stages[] = {
    {"find", find_target, NULL, ""},      {"process", read_process, NULL, ""},
    {"cgroup", prepare_cgroup, NULL, ""}, {"spawn", spawn_process, kill_process, ""},
    {"seccomp", send_filter, NULL, ""},   {"terminal", take_console, NULL, ""},
    {"exec", let_go, NULL, ""},
};

static void close_execution(struct execution *x)
{
    relay_terminal_end();
    fd_close(x->spawn.fds[SETUP_FD_CONFIG]);
    fd_close(x->spawn.fds[SETUP_FD_ROOT]);
    for (int i = SETUP_FD_NS_PID; i <= SETUP_FD_NS_TIME; i++)
        fd_close(x->spawn.fds[i]);
    fd_close(x->spawn.sock);
    fd_close(x->spawn.pidfd);
    fd_close(x->target);
    fd_close(x->proc);
    fd_close(x->console);
    fd_close(x->seccomp);
    fd_close(x->v2);
    fd_close(x->signals);
    found_close(&x->found);
}

static int follow(struct execution *x, int *status, struct err *err)
{
    struct relay relay = {
        .pidfd = x->spawn.pidfd,
        .pid = x->spawn.pid,
        .console = x->console,
        .signals = x->signals,
    };

    *status = relay_run(&relay, err);
    return *status < 0 ? -1 : 0;
}

int container_exec(const struct runtime *rt, const struct exec_options *o, int *status,
                   struct err *err)
{
    struct execution x = {
        .rt = rt,
        .o = o,
        .found = FOUND_INIT,
        .spawn = SPAWN_INIT,
        .target = -1,
        .proc = -1,
        .console = -1,
        .seccomp = -1,
        .v2 = -1,
        .signals = -1,
    };
    int result;

    *status = 0;
    x.spawn.setup = &x.setup;
    for (int i = 0; i < SETUP_FD_COUNT; i++)
        x.spawn.fds[i] = -1;
    result = stages_run("exec", exec_stages, ARRAY_SIZE(exec_stages), &x, err);
    interrupt_ignore();
    if (result == 0 && !o->detach)
        result = follow(&x, status, err);
    close_execution(&x);
    if (result < 0 && err->status == 0)
        err->status = 255;
    return result;
}
