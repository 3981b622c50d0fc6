/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * delete takes apart what create made, in reverse, by what the record says, and runs the poststop
 * hooks when everything is gone. It starts over where an earlier one was killed: each step is
 * content when there is nothing left to do. With --force it also ends what still runs: a create
 * that has not committed (its creator is in the record, and init ends with it), the hook that it
 * was running, init, and whatever is in the cgroup; a record that is missing or damaged is replaced
 * by what the id alone tells.
 */
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/stage.h"
#include "base/util.h"
#include "base/wording.h"
#include "host/hooks.h"
#include "host/inside.h"
#include "host/namespaces.h"
#include "host/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct deletion {
    const struct runtime *rt;
    const char *id;
    const struct found *held; /* this container and no later one of the id; NULL: whichever */
    bool force;
    bool damaged; /* no usable record */
    bool foreign; /* the pids of the record are not of our pid namespace */
    struct found found;
};

static int end_process(const struct deletion *d, const struct record_process *p, const char *what,
                       struct err *err)
{
    _cleanup_close_ int pidfd = -1;
    char who[256];

    if (d->foreign || p->pid <= 0 || p->pid == getpid() ||
        !proc_alive((pid_t)p->pid, p->start_time))
        return 0;
    pidfd = proc_pidfd((pid_t)p->pid, p->start_time);
    if (pidfd < 0 && errno == ESRCH)
        return 0;
    if (proc_send_signal(pidfd, (pid_t)p->pid, p->start_time, SIGKILL, err) < 0)
        return err->errnum == ESRCH ? 0 : err_context(err, "%s", what);
    if (cgroup_let_die(&d->found.record.cgroup, err) < 0)
        return -1;
    if (pidfd >= 0 && proc_wait_pidfd(pidfd, d->rt->timeout, err) < 0) {
        proc_describe((pid_t)p->pid, who, sizeof who);
        return err_set(err, ETIMEDOUT, "%s does not end: %s", what, who);
    }
    return 0;
}

/* A container that waits for start is asked of its init, so that either start has it or we: what
 * one has looked at first, the other one may have changed by the time that one acts. */
static int check_status(void *subject, struct err *err)
{
    struct deletion *d = subject;
    enum oci_status status;
    const char *what;

    if (d->force || d->damaged)
        return 0;
    status = store_status(&d->found);
    if (status == OCI_STATUS_CREATED && d->found.record.committed) {
        int asked = inside_ask(d->rt, &d->found, PROTOCOL_DISCARD, err);

        if (asked != 0)
            return asked < 0 ? -1 : 0;
        status = store_status(&d->found);
    }
    if (status == OCI_STATUS_STOPPED)
        return 0;
    what = oci_name_of(&oci_status_names, (int)status);
    if (status == OCI_STATUS_CREATED)
        what = d->found.record.committed ? "it is being started" : "it is being created";
    return err_set(err, 0, "cannot delete container %s that is not stopped: %s", d->id, what);
}

/* The hook that the creator was running does not end with it. All of its process group is killed,
 * unless it is the one that called us. */
static int end_hook(const struct deletion *d, struct err *err)
{
    const struct record_process *p = &d->found.record.hook;
    _cleanup_close_ int pidfd = -1;

    if (d->foreign || p->pid <= 0 || p->pid == getpgrp() ||
        !proc_alive((pid_t)p->pid, p->start_time))
        return 0;
    pidfd = proc_pidfd((pid_t)p->pid, p->start_time);
    proc_kill_group(pidfd, (pid_t)p->pid);
    return end_process(d, p, "a hook of the runtime that created it", err);
}

static int end_creator(void *subject, struct err *err)
{
    struct deletion *d = subject;

    if (d->found.record.committed)
        return 0;
    if (end_process(d, &d->found.record.creator, "the runtime that creates it", err) < 0)
        return -1;
    /* What it wrote before it ended: init, or that it was done. It may have cleaned up as well. */
    if (!d->damaged && store_read(d->found.dir, d->found.arena, &d->found.record, err) < 0 &&
        err->errnum != ENOENT)
        return -1;
    return end_hook(d, err);
}

/* Everything in the pid namespace ends with init, before init itself does. */
static int end_init(void *subject, struct err *err)
{
    struct deletion *d = subject;

    return end_process(d, &d->found.record.init, "init", err);
}

static int remove_cgroup(void *subject, struct err *err)
{
    struct deletion *d = subject;

    if (d->found.record.committed && cgroup_clear(&d->found.record.cgroup, err) < 0)
        return -1;
    return cgroup_remove(&d->found.record.cgroup, true, err);
}

static int remove_mounts(void *subject, struct err *err)
{
    struct deletion *d = subject;

    if (!d->found.record.chroot || !d->found.record.rootfs)
        return 0;
    return namespaces_unmount(&d->found.record, err);
}

static int remove_store(void *subject, struct err *err)
{
    struct deletion *d = subject;

    return store_remove(d->found.root, d->id, err);
}

/* 13: their failures are warnings. */
static int poststop(void *subject, struct err *err)
{
    struct deletion *d = subject;
    const struct oci_hooks *hooks = d->found.record.hooks;
    struct err why = ERR_INIT;

    (void)err;
    if (hooks && hooks_run(&d->found.record, "poststop", hooks->poststop, hooks->poststop_n,
                           OCI_STATUS_STOPPED, 0, NULL, NULL, &why) < 0)
        log_warning("%s", why.text);
    return 0;
}

static const struct stage delete_stages[] = {
    {"status", check_status, NULL, "11"},
    {"creator", end_creator, NULL, "12: a create that has not ended"},
    {"init", end_init, NULL, "12"},
    {"cgroup", remove_cgroup, NULL, "12"},
    {"mounts", remove_mounts, NULL, "12: those outside a mount namespace"},
    {"store", remove_store, NULL, "12: the id is free"},
    {"poststop", poststop, NULL, "13"},
};

/* Engines name the driver at create only. SLICE:PREFIX:NAME is the systemd driver's. */
static enum cgroup_driver guess_driver(const struct deletion *d, const char *path)
{
    const char *colon = path ? strchr(path, ':') : NULL;
    bool unit = colon && strchr(colon + 1, ':') && !strchr(path, '/');

    return d->rt->driver == CGROUP_UNSET && unit ? CGROUP_SYSTEMD : d->rt->driver;
}

/* What the id alone tells, for a container without a usable record: where its cgroup would be. */
static int reconstruct(struct deletion *d, struct err *err)
{
    _cleanup_free_ char *text = NULL;
    struct oci_config config = {0};
    struct record *r = &d->found.record;
    struct oci_diag diag;
    struct err ignored;
    const char *path;
    size_t len;

    *r = (struct record){.version = RECORD_VERSION, .id = d->id, .bundle = "/"};
    if (fd_read_file_at(d->found.dir, STORE_CONFIG, 16 << 20, &text, &len, &ignored) == 0) {
        if (oci_decode(&oci_config_table, &config, text, len, d->found.arena, NULL, NULL, &diag) <
            0)
            config = (struct oci_config){0};
    } else if (faccessat(d->found.dir, STORE_RECORD, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
               errno == ENOENT) {
        /* The record comes before any cgroup: one by that name is somebody else's. */
        return 0;
    }
    path = config.linux_ ? config.linux_->cgroups_path : NULL;
    if (cgroup_plan(path, d->id, guess_driver(d, path), d->found.arena, &r->cgroup, err) < 0)
        return -1;
    for (size_t i = 0; i < r->cgroup.places_n; i++)
        r->cgroup.places[i].created = true;
    r->hooks = config.hooks;
    r->annotations = config.annotations;
    r->annotations_n = config.annotations_n;
    return 0;
}

/* Called inside the container: what cannot be done from here is done by those who wait for init.
 * Returns 1 when that is all. */
static int ask_first(struct deletion *d, struct err *err)
{
    struct err ignored;
    bool inside;
    int asked;

    if (!d->force || faccessat(d->found.dir, STORE_SOCKET, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ||
        store_read(d->found.dir, d->found.arena, &d->found.record, &ignored) < 0)
        return 0;
    d->foreign = inside_foreign(&d->found.record);
    inside = !d->foreign && inside_cgroup(&d->found.record);
    if (!d->foreign && !inside)
        return 0;
    asked = inside_ask(d->rt, &d->found, PROTOCOL_DELETE, err);
    /* In a pid namespace of our own, and still here: it was no hook of the container that asked. */
    return asked == 1 && d->foreign ? 0 : asked;
}

/* In another pid namespace only its cgroups show whether a container still runs: they cannot be
 * removed then. */
static int can_tell(struct deletion *d, struct err *err)
{
    d->foreign = inside_foreign(&d->found.record);
    if (d->force || !d->foreign || d->found.record.cgroup.places_n > 0)
        return 0;
    err_set(err, 0,
            "container %s has no cgroup, and its processes cannot be seen from this pid "
            "namespace",
            d->id);
    return err_hint(err, "delete it where it was created, or with --force");
}

/* By the directory that the caller has open: the id may be another container's by now. */
static int enter_held(struct deletion *d, struct err *err)
{
    d->found.root = fcntl(d->held->root, F_DUPFD_CLOEXEC, 0);
    d->found.dir = openat(d->held->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->found.root < 0 || d->found.dir < 0)
        return err_errno(err, "open the state directory of %s", d->id);
    d->found.arena = oci_arena_new();
    return d->found.arena ? 0 : err_set(err, ENOMEM, "container %s", d->id);
}

/* The record is read under the lock: it may have been committed while we waited. */
static int find(struct deletion *d, struct err *err)
{
    int asked;

    if ((d->held ? enter_held(d, err) : store_enter(d->rt, d->id, &d->found, err)) < 0)
        return -1;
    asked = ask_first(d, err);
    if (asked != 0)
        return asked;
    if (store_lock(d->found.dir, d->rt->timeout, err) < 0)
        return -1;
    if (store_read(d->found.dir, d->found.arena, &d->found.record, err) == 0)
        return can_tell(d, err);
    err_context(err, "container %s", d->id);
    if (!d->force)
        return -1;
    log_warning("%s", err->text);
    d->damaged = true;
    return reconstruct(d, err);
}

static int carry_out(struct deletion *d, struct err *err)
{
    int result = find(d, err);
    bool gone = result < 0 && err->errnum == ENOENT;

    if (result == 0)
        result = stages_run("delete", delete_stages, ARRAY_SIZE(delete_stages), d, err);
    found_close(&d->found);
    if (gone && d->force) {
        *err = (struct err)ERR_INIT;
        return 0;
    }
    return result < 0 ? -1 : 0;
}

int container_delete(const struct runtime *rt, const char *id, bool force, struct err *err)
{
    struct deletion d = {.rt = rt, .id = id, .force = force, .found = FOUND_INIT};

    return carry_out(&d, err);
}

int container_delete_held(const struct runtime *rt, const struct found *held, struct err *err)
{
    struct deletion d = {
        .rt = rt, .id = held->record.id, .held = held, .force = true, .found = FOUND_INIT};

    return carry_out(&d, err);
}
