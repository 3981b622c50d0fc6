/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a creation begins with and what it holds: the bundle read and checked, the record that the
 * store will keep, the set-up that init is given. Nothing here has an effect outside the process;
 * the stages in host/create.c have.
 */
#include "host/create.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "host/handoff.h"
#include "host/inside.h"
#include "host/lsm.h"
#include "host/namespaces.h"
#include "host/validate.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

const struct oci_linux *creation_linux(const struct creation *c)
{
    static const struct oci_linux none;

    return c->bundle.config.linux_ ? c->bundle.config.linux_ : &none;
}

static int fill_record(struct creation *c, struct err *err)
{
    struct record *r = &c->record;
    struct bundle *b = &c->bundle;
    struct oci_hooks *hooks;

    r->version = RECORD_VERSION;
    r->id = c->o->id;
    r->bundle = b->path;
    r->rootfs = b->rootfs;
    r->created = record_now(b->arena);
    r->owner = geteuid();
    r->creator.pid = getpid();
    r->creator.start_time = proc_start_time(getpid());
    r->pid_namespace = inside_pid_namespace();
    r->namespaces.set = true;
    r->namespaces.bits = validate_namespaces(&b->config);
    r->has_process = b->config.process != NULL;
    r->start_hooks = b->config.hooks && b->config.hooks->start_container_n;
    r->annotations = b->config.annotations;
    r->annotations_n = b->config.annotations_n;
    if (b->config.process) {
        r->scheduling = b->config.process->scheduler || b->config.process->io_priority;
        r->rlimits = b->config.process->rlimits;
        r->rlimits_n = b->config.process->rlimits_n;
    }
    if (b->config.hooks && (b->config.hooks->poststart_n || b->config.hooks->poststop_n)) {
        hooks = oci_alloc(b->arena, sizeof *hooks);
        if (!hooks)
            return err_set(err, ENOMEM, "record");
        hooks->poststart = b->config.hooks->poststart;
        hooks->poststart_n = b->config.hooks->poststart_n;
        hooks->poststop = b->config.hooks->poststop;
        hooks->poststop_n = b->config.hooks->poststop_n;
        r->hooks = hooks;
    }
    return 0;
}

static int fill_setup(struct creation *c, struct err *err)
{
    struct protocol_setup *s = &c->setup;
    const char *rootfs = c->bundle.rootfs, *bundle = c->bundle.path;

    if (strlen(rootfs) >= sizeof s->rootfs || strlen(bundle) >= sizeof s->bundle)
        return err_set(err, ENAMETOOLONG, "rootfs %s", rootfs);
    memcpy(s->rootfs, rootfs, strlen(rootfs) + 1);
    memcpy(s->bundle, bundle, strlen(bundle) + 1);
    memcpy(s->id, c->o->id, strlen(c->o->id) + 1);
    s->namespaces = (uint32_t)c->record.namespaces.bits;
    s->log_level = log_wants(LOG_LEVEL_DEBUG)     ? LOG_LEVEL_DEBUG
                   : log_wants(LOG_LEVEL_WARNING) ? LOG_LEVEL_WARNING
                                                  : LOG_LEVEL_ERROR;
    s->listen_fds = handoff_listen_fds();
    s->preserve_fds = c->o->preserve_fds + s->listen_fds;
    if (c->o->preserve_fds > 256 || s->preserve_fds > 256)
        return err_set(err, EINVAL, "--preserve-fds %u: at most 256", c->o->preserve_fds);
    if (c->o->no_pivot)
        s->flags |= SETUP_NO_PIVOT;
    if (c->o->no_new_keyring)
        s->flags |= SETUP_NO_KEYRING;
    if (oci_annotation(&c->bundle.config, "run.oci.keep_original_groups"))
        s->flags |= SETUP_KEEP_GROUPS;
    if (c->record.chroot)
        s->flags |= SETUP_CHROOT;
    s->flags |= lsm_flags(c->bundle.config.process, creation_linux(c));
    return 0;
}

int creation_begin(struct creation *c, const struct runtime *rt, const struct create_options *o,
                   bool detach, struct err *err)
{
    *c = (struct creation){
        .rt = rt,
        .o = o,
        .bundle = BUNDLE_INIT,
        .spawn = SPAWN_INIT,
        .root = -1,
        .dir = -1,
        .listen = -1,
        .proc = -1,
        .console = -1,
        .notify_dir = -1,
        .seccomp = -1,
        .notify = {.sock = -1, .upstream = -1},
    };
    c->spawn.setup = &c->setup;
    c->spawn.timeout = rt->timeout;
    for (int i = 0; i < SETUP_FD_COUNT; i++)
        c->spawn.fds[i] = -1;
    if (container_id_check(o->id, err) < 0 ||
        bundle_open(o->bundle, o->config, &c->bundle, err) < 0 ||
        validate_config(rt, &c->bundle, o, detach, err) < 0 || bundle_rootfs(&c->bundle, err) < 0)
        return -1;
    c->proc = proc_open(err);
    if (c->proc < 0 || fill_record(c, err) < 0 ||
        cgroup_plan(creation_linux(c)->cgroups_path, o->id, rt->driver, c->bundle.arena,
                    &c->record.cgroup, err) < 0 ||
        cgroup_plan_annotations(&c->record.cgroup, &c->bundle.config, c->bundle.arena, err) < 0 ||
        namespaces_plan(c, err) < 0)
        return -1;
    return fill_setup(c, err);
}

void creation_give_up(struct creation *c)
{
    for (int i = 0; i < SETUP_FD_COUNT; i++) {
        if (i != SETUP_FD_LISTEN && i != SETUP_FD_PROC && i != SETUP_FD_TRACE)
            fd_close(c->spawn.fds[i]);
        c->spawn.fds[i] = -1;
    }
    c->spawn.into_cgroup = fd_close(c->spawn.into_cgroup);
    c->listen = fd_close(c->listen);
    c->proc = fd_close(c->proc);
    c->bundle.dir = fd_close(c->bundle.dir);
    c->bundle.rootfs_fd = fd_close(c->bundle.rootfs_fd);
    c->console = fd_close(c->console);
    c->notify_dir = fd_close(c->notify_dir);
    c->seccomp = fd_close(c->seccomp);
    notify_close(&c->notify);
}

void creation_close(struct creation *c)
{
    creation_give_up(c);
    fd_close(c->spawn.sock);
    fd_close(c->spawn.pidfd);
    fd_close(c->root);
    fd_close(c->dir);
    bundle_close(&c->bundle);
}

int container_create(const struct runtime *rt, const struct create_options *o, struct err *err)
{
    struct creation c;
    int result = creation_begin(&c, rt, o, true, err);

    if (result == 0)
        result = creation_make(&c, err);
    creation_close(&c);
    return result;
}
