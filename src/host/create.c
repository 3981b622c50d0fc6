/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * create turns a validated configuration into a container that waits for start. The stages below
 * are the specification's steps 2 to 5 (runtime.md#lifecycle), in order; each leaves a record in
 * the store before its side effect, so that a runtime killed at any point leaves nothing that
 * delete --force cannot find. When a stage fails, the undo functions of the stages before it run in
 * reverse.
 *
 * The child does its own list (init/init.c) at the same time; the stages `cgroup-enter`, `mounted`
 * and `ready` are the points where the two meet.
 */
#include "host/create.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/open_files.h"
#include "base/proc.h"
#include "base/stage.h"
#include "base/trace.h"
#include "base/util.h"
#include "host/delegation.h"
#include "host/handoff.h"
#include "host/hooks.h"
#include "host/limits.h"
#include "host/namespaces.h"
#include "host/sources.h"
#include "host/store.h"
#include "seccomp/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOMENT 1000 /* milliseconds between the end of a process's files and its own end */

/* ---- meeting init ---- */

/* init ended or is stuck: say which, instead of how that showed on the socket. */
static int explain(struct creation *c, struct err *err)
{
    char who[256];

    if (err->stage[0]) /* init's own words, whatever their errno */
        return -1;
    if (err->errnum == EPIPE || err->errnum == ECONNRESET)
        return protocol_last_words(c->spawn.sock, err)
                   ? -1
                   : spawn_died(&c->spawn, &c->record.cgroup, err);
    if (err->errnum == EAGAIN && c->spawn.pid > 0) {
        proc_describe(c->spawn.pid, who, sizeof who);
        return err_set(err, ETIMEDOUT, "init did not answer within %d s: %s", c->rt->timeout / 1000,
                       who);
    }
    return -1;
}

static int expect(struct creation *c, enum protocol_type type, struct protocol_message *m,
                  struct err *err)
{
    return protocol_expect(c->spawn.sock, type, m, err) < 0 ? explain(c, err) : 0;
}

/* A message that cannot be sent means that init has ended: what it said last is the reason. */
static int tell(struct creation *c, enum protocol_type type, const void *data, size_t len,
                const int *fds, size_t n, struct err *err)
{
    return protocol_send(c->spawn.sock, type, data, len, fds, n, err) < 0 ? explain(c, err) : 0;
}

/* ---- stages ---- */

static void run_poststop_hooks(void *subject)
{
    struct creation *c = subject;
    const struct oci_hooks *hooks = c->bundle.config.hooks;
    struct err err = ERR_INIT;

    if (hooks && c->hooks_started &&
        hooks_run(&c->record, "poststop", hooks->poststop, hooks->poststop_n, OCI_STATUS_STOPPED, 0,
                  NULL, NULL, &err) < 0)
        log_warning("%s", err.text);
}

static int store_reserve(void *subject, struct err *err)
{
    struct creation *c = subject;

    c->root = store_root(c->rt, true, err);
    if (c->root < 0)
        return -1;
    c->dir = store_make(c->root, c->o->id, err);
    if (c->dir < 0)
        return -1;
    c->made = true;
    if (store_write(c->dir, &c->record, err) < 0 ||
        fd_replace_file_at(c->dir, STORE_CONFIG, c->bundle.text, c->bundle.len, 0600, err) < 0)
        return -1;
    c->listen = fd_unix_listen_at(c->dir, STORE_SOCKET, SOCK_SEQPACKET, err);
    return c->listen < 0 ? err_context(err, "socket for start") : 0;
}

static void store_release(void *subject)
{
    struct creation *c = subject;
    struct err err = ERR_INIT;

    creation_give_up(c);
    if (c->made && c->dir >= 0 && store_remove_own(c->root, c->o->id, c->dir, &err) < 0)
        log_warning("%s", err.text);
    c->made = false;
}

static int cgroup_make(struct creation *c, struct err *err)
{
    c->cgroup_made = true;
    if (c->record.cgroup.driver != CGROUP_SYSTEMD) {
        if (cgroup_prepare(&c->record.cgroup, err) < 0)
            return -1;
    } else if (cgroup_start_unit(&c->record.cgroup, c->spawn.pid, creation_linux(c)->resources,
                                 c->bundle.arena, err) < 0 ||
               store_write(c->dir, &c->record, err) < 0) {
        return -1;
    }
    /* What cannot get in the way of the set-up is in force before the process is in there. */
    return cgroup_apply(&c->record.cgroup, creation_linux(c)->resources, CGROUP_EARLY, err);
}

/* Up to a dozen v1 hierarchies cost as much as the start of init, so they are made meanwhile.
 * Beside them init is born in the one of v2: to be moved there would cost more (init/enter.c). */
static int cgroup_make_early(void *subject, struct err *err)
{
    struct creation *c = subject;
    int made = 1;

    if (c->record.cgroup.driver != CGROUP_CGROUPFS)
        return 0;
    if (!c->born_in_cgroup)
        made = cgroup_prepare_v2(&c->record.cgroup, err);
    else if (cgroup_make(c, err) < 0)
        return -1;
    if (made > 0)
        c->spawn.into_cgroup = cgroup_v2_fd(&c->record.cgroup);
    return made < 0 ? -1 : 0;
}

static void cgroup_unmake(void *subject)
{
    struct creation *c = subject;
    struct err err = ERR_INIT;

    creation_give_up(c);
    if (!c->cgroup_made && !cgroup_unprepare(&c->record.cgroup))
        return;
    cgroup_release(&c->record.cgroup);
    if (cgroup_remove(&c->record.cgroup, true, &err) < 0)
        log_warning("%s", err.text);
}

static void unmount_outside(void *subject)
{
    struct creation *c = subject;
    struct err err = ERR_INIT;

    if (c->record.chroot && namespaces_unmount(&c->record, &err) < 0)
        log_warning("%s", err.text);
}

static int notify_prepare(struct creation *c, struct err *err)
{
    const char *upstream = getenv("NOTIFY_SOCKET");

    if (!upstream || !*upstream)
        return 0;
    if (notify_open(c->dir, upstream, &c->notify, err) < 0) {
        /* Nobody listens: no reason not to run. */
        log_warning("%s", err->text);
        return 0;
    }
    c->has_notify = true;
    c->notify_dir = openat(c->dir, "notify", O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (c->notify_dir < 0)
        return err_errno(err, "sd_notify directory");
    c->setup.flags |= SETUP_NOTIFY;
    c->record.notify = true;
    return 0;
}

static int rootfs_prepare(struct creation *c, struct err *err)
{
    enum oci_propagation p = creation_linux(c)->rootfs_propagation;
    bool shared = p == OCI_PROPAGATION_SHARED || p == OCI_PROPAGATION_RSHARED;
    int fd = sources_rootfs(&c->bundle, shared, err);

    c->privileged = fd >= 0;
    c->spawn.fds[SETUP_FD_ROOTFS] = fd;
    if (fd < 0 && err->errnum != EPERM && err->errnum != ENOSYS)
        return -1;
    if (!c->privileged)
        return 0;
    c->setup.flags |= SETUP_PRIVILEGED;
    if (!c->record.chroot)
        return 0;
    /* delete takes away this mount and no other: engines have their own on the same directory. */
    c->record.rootfs_mount = namespaces_mount_id(fd);
    return store_write(c->dir, &c->record, err);
}

static int init_spawn(void *subject, struct err *err)
{
    struct creation *c = subject;

    if (rootfs_prepare(c, err) < 0 || notify_prepare(c, err) < 0 ||
        hooks_output(&c->record, &c->spawn.fds[SETUP_FD_HOOKS_OUT],
                     &c->spawn.fds[SETUP_FD_HOOKS_ERR], err) < 0)
        return -1;
    /* By name once more through our own directory fd: init reads the snapshot, not the bundle. */
    c->spawn.fds[SETUP_FD_CONFIG] = openat(c->dir, STORE_CONFIG, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (c->spawn.fds[SETUP_FD_CONFIG] < 0)
        return err_errno(err, "open the snapshot of the configuration");
    c->spawn.fds[SETUP_FD_LISTEN] = c->listen;
    c->spawn.fds[SETUP_FD_PROC] = c->proc;
    c->spawn.fds[SETUP_FD_TRACE] = trace_fd();
    if (spawn_clone(&c->spawn, err) < 0)
        return -1;
    /* Into v1 nobody of the container's could be moved by an ordinary user, once there are maps. */
    if (cgroup_before_ids(&c->record.cgroup)) {
        if (cgroup_make(c, err) < 0)
            return -1;
        if (spawn_enter_before_ids(&c->spawn, &c->record.cgroup, err) < 0)
            return explain(c, err);
    }
    if (spawn_init(&c->spawn, err) < 0)
        return explain(c, err);
    return limits_oom_score(c->spawn.pid, c->bundle.config.process, err);
}

static void init_kill(void *subject)
{
    struct creation *c = subject;

    spawn_kill(&c->spawn, c->rt->timeout);
    creation_give_up(c);
}

static int cgroup_join(void *subject, struct err *err)
{
    struct creation *c = subject;

    if (!c->cgroup_made && cgroup_make(c, err) < 0)
        return -1;
    if (spawn_enter_cgroup(&c->spawn, &c->record.cgroup, c->spawn.plan.child.wait_cgroup, err) < 0)
        return explain(c, err);
    return cgroup_alone(&c->record.cgroup, c->spawn.pid, err);
}

static int send_mount_sources(void *subject, struct err *err)
{
    struct creation *c = subject;
    struct protocol_message m;
    int result;

    /* The kernel counts what is under way as well, of a user who is not root (unix(7)). */
    open_files_allow(c->bundle.config.mounts_n + creation_linux(c)->devices_n);
    result = sources_send(c->spawn.sock, &c->bundle, c->privileged,
                          (c->setup.flags & SETUP_USER_NAMESPACE) != 0, c->notify_dir, err);
    open_files_restore();
    /* It takes its time, and init has enough to do; before hooks run it has to be. */
    spawn_forget_self(&c->spawn);
    if (result == 0)
        return 0;
    if (err->errnum == EPIPE || err->errnum == ECONNRESET)
        return expect(c, PROTOCOL_READY, &m, err);
    return -1;
}

static bool has_create_hooks(const struct creation *c)
{
    const struct oci_hooks *h = c->bundle.config.hooks;

    return h && (h->prestart_n || h->create_runtime_n || h->create_container_n);
}

static int let_go_on(struct creation *c, struct err *err)
{
    if (tell(c, PROTOCOL_PROCEED, NULL, 0, NULL, 0, err) < 0)
        return -1;
    return tell(c, PROTOCOL_SECCOMP, &c->filter, sizeof c->filter, &c->seccomp, c->seccomp >= 0,
                err);
}

static int load_filter(struct creation *c, struct err *err)
{
    const struct oci_seccomp *profile = creation_linux(c)->seccomp;
    _cleanup_close_ int cache = -1;

    if (!profile)
        return 0;
    cache = store_cache(c->root);
    c->seccomp = seccomp_load_cached(
        profile, oci_annotation(&c->bundle.config, "run.oci.seccomp_fail_unknown_syscall") != NULL,
        cache, &c->filter.instructions, &c->filter.flags, err);
    return c->seccomp < 0 ? err_context(err, "linux.seccomp") : 0;
}

/* While init mounts. Without hooks nobody has to look at the mounts before init goes on: it finds
 * the word already there, and is not put to sleep for it. */
static int seccomp_prepare(void *subject, struct err *err)
{
    struct creation *c = subject;

    if (load_filter(c, err) < 0)
        return -1;
    return has_create_hooks(c) ? 0 : let_go_on(c, err);
}

static int take_console(struct creation *c, struct err *err)
{
    struct protocol_message m;
    int master;

    if (expect(c, PROTOCOL_CONSOLE, &m, err) < 0)
        return -1;
    if (m.n_fds != 1) {
        protocol_message_clear(&m);
        return err_set(err, EPROTO, "terminal of the container");
    }
    master = m.fds[0];
    if (!c->o->console_socket) {
        c->console = master;
        return 0;
    }
    if (handoff_console(c->o->console_socket, master, m.u.text, c->rt->timeout, err) < 0) {
        fd_close(master);
        return -1;
    }
    fd_close(master);
    return 0;
}

static int wait_mounted(void *subject, struct err *err)
{
    struct creation *c = subject;
    struct protocol_message m;

    if (c->bundle.config.process && c->bundle.config.process->terminal && take_console(c, err) < 0)
        return -1;
    if (expect(c, PROTOCOL_MOUNTED, &m, err) < 0)
        return -1;
    /* The program does not know of the socket: start would wait for its READY=1 in vain. */
    if (m.u.mounted.no_notify)
        c->has_notify = c->record.notify = false;
    return 0;
}

/* A hook that outlives us is not forgotten: delete --force ends it, with its process group. */
static int hook_is_born(void *creation, pid_t pid, struct err *err)
{
    struct creation *c = creation;

    c->record.hook.pid = pid;
    c->record.hook.start_time = proc_start_time(pid);
    return store_write(c->dir, &c->record, err);
}

static int run_create_hooks(void *subject, struct err *err)
{
    struct creation *c = subject;
    const struct oci_hooks *h = c->bundle.config.hooks;

    if (!has_create_hooks(c))
        return 0;
    /* Hooks may ask for the state, and kill or delete the container: init has to be known. */
    c->hooks_started = true;
    c->record.init.pid = c->spawn.pid;
    c->record.init.start_time = proc_start_time(c->spawn.pid);
    if (store_write(c->dir, &c->record, err) < 0)
        return -1;
    if (hooks_run(&c->record, "prestart", h->prestart, h->prestart_n, OCI_STATUS_CREATED,
                  c->spawn.pid, hook_is_born, c, err) < 0 ||
        hooks_run(&c->record, "createRuntime", h->create_runtime, h->create_runtime_n,
                  OCI_STATUS_CREATED, c->spawn.pid, hook_is_born, c, err) < 0)
        return -1;
    /* createContainer hooks take what time they take. */
    if (h->create_container_n)
        spawn_deadline(&c->spawn, 0);
    return let_go_on(c, err);
}

/* The record that commit puts in force is written while init is still busy. */
static int wait_ready(void *subject, struct err *err)
{
    struct creation *c = subject;
    struct protocol_message m;

    c->record.init.pid = c->spawn.pid;
    c->record.init.start_time = proc_start_time(c->spawn.pid);
    c->record.committed = true;
    c->record.hook = (struct record_process){0};
    if (store_stage(c->dir, &c->record, &c->committed, err) < 0)
        return -1;
    if (expect(c, PROTOCOL_READY, &m, err) < 0)
        return -1;
    if (c->bundle.config.hooks && c->bundle.config.hooks->create_container_n)
        spawn_deadline(&c->spawn, c->rt->timeout);
    return 0;
}

static int cgroup_apply_limits(void *subject, struct err *err)
{
    struct creation *c = subject;

    if (cgroup_apply(&c->record.cgroup, creation_linux(c)->resources, CGROUP_LATE, err) < 0)
        return -1;
    return delegation_apply(&c->record.cgroup, &c->bundle.config, c->proc, c->spawn.pid, err);
}

static int store_commit(void *subject, struct err *err)
{
    struct creation *c = subject;
    bool stays = false;

    if (store_publish(c->dir, &c->committed, err) < 0)
        return -1;
    if (c->o->pid_file) {
        if (handoff_pid_file(c->o->pid_file, c->spawn.pid, err) < 0)
            return -1;
        c->pid_file_written = true;
    }
    if (c->o->pidfd_socket &&
        handoff_pidfd(c->o->pidfd_socket, c->spawn.pidfd, "standard", c->rt->timeout, err) < 0)
        return -1;
    if (tell(c, PROTOCOL_COMMITTED, NULL, 0, NULL, 0, err) < 0)
        return -1;
    if (c->setup.flags & SETUP_RUN) {
        c->listen = fd_close(c->listen);
        return 0;
    }
    /* Once it no longer dies with us, init says so and lets go of the socket. */
    while (!stays) {
        struct protocol_message m;
        int got = protocol_receive(c->spawn.sock, &m, err);

        if (got < 0)
            return explain(c, err);
        /* Without the word it has ended before, unless it could not be said. */
        if (got == 0 && spawn_has_ended(&c->spawn, MOMENT))
            return spawn_died(&c->spawn, &c->record.cgroup, err);
        if (got == 0)
            break;
        stays = m.type == PROTOCOL_COMMITTED;
        protocol_message_clear(&m);
    }
    /* init's alone from now on: with ours open, run's own start would reach a socket that nobody
     * serves once init has died. */
    c->listen = fd_close(c->listen);
    return 0;
}

static void pid_file_remove(void *subject)
{
    struct creation *c = subject;

    if (c->pid_file_written)
        unlink(c->o->pid_file);
}

static const struct stage create_stages[] = {
    /* name           do                   undo                specification */
    {"hooks-destroy", NULL, run_poststop_hooks, "12, 13: last of all"},
    {"store", store_reserve, store_release, "2: the id is ours from here"},
    {"cgroup", cgroup_make_early, cgroup_unmake, "2: v2 before clone, for CLONE_INTO_CGROUP"},
    {"unmount", NULL, unmount_outside, "12: mounts outside a mount namespace"},
    {"init", init_spawn, init_kill, "2: namespaces exist, ids are mapped"},
    {"cgroup-enter", cgroup_join, NULL, "2: v1 is made, entered, unless by init"},
    {"mount-sources", send_mount_sources, NULL, "2: opened in the runtime's view"},
    {"seccomp", seccomp_prepare, NULL, "2: compiled while init mounts"},
    {"mounted", wait_mounted, NULL, "2: everything is mounted"},
    {"hooks-create", run_create_hooks, NULL, "3, 4: prestart, createRuntime"},
    {"ready", wait_ready, NULL, "5: createContainer has run, init is ready"},
    {"limits", cgroup_apply_limits, NULL, "2: after all that forks"},
    {"commit", store_commit, pid_file_remove, "5c: status is created"},
};

int creation_make(struct creation *c, struct err *err)
{
    return stages_run("create", create_stages, ARRAY_SIZE(create_stages), c, err);
}
