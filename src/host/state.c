/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* state, list and ps: read the record, ask the kernel, load nothing. */
#include "base/fd.h"
#include "base/proc.h"
#include "base/util.h"
#include "base/wording.h"
#include "host/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void fill(const struct found *f, struct oci_state *state)
{
    const struct record *r = &f->record;

    *state = (struct oci_state){
        .oci_version = "1.3.0",
        .id = r->id,
        .status = store_status(f),
        .bundle = r->bundle,
        .rootfs = r->rootfs,
        .created = r->created,
        .annotations = r->annotations,
        .annotations_n = r->annotations_n,
        .owner = "",
    };
    state->pid.set = true;
    if (state->status != OCI_STATUS_STOPPED)
        state->pid.value = r->init.pid;
    if (state->status == OCI_STATUS_STOPPED) {
        int status = proc_exit_status((pid_t)r->init.pid, r->init.start_time);

        state->exit_status = (struct oci_opt_i64){status >= 0, status};
    }
    if (state->status == OCI_STATUS_STOPPED && cgroup_oom_killed(&r->cgroup, NULL, 0) == 1) {
        state->oom_killed.set = true;
        state->oom_killed.value = true;
    }
}

int container_state(const struct runtime *rt, const char *id, struct oci_arena *arena,
                    struct oci_state *state, struct err *err)
{
    struct found f = {.root = -1, .dir = -1, .arena = arena};
    int result = store_find(rt, id, &f, err);

    if (result == 0)
        fill(&f, state);
    f.arena = NULL; /* the caller's */
    found_close(&f);
    return result;
}

/* One entry of the root directory; what cannot be read is skipped: a damaged container must not
 * hide the others. */
static bool read_one(int root, const char *id, struct oci_arena *arena, struct oci_state *state)
{
    struct found f = {.root = root, .dir = -1, .arena = arena};
    struct err ignored;
    bool ok;

    if (container_id_check(id, &ignored) < 0)
        return false;
    f.dir = store_open(root, id, &ignored);
    ok = f.dir >= 0 && store_read(f.dir, arena, &f.record, &ignored) == 0;
    if (ok) {
        fill(&f, state);
        state->owner = oci_printf(arena, "%u", f.record.owner);
        /* A thousand containers are more than a process may have open. */
        cgroup_release(&f.record.cgroup);
    }
    fd_close(f.dir);
    return ok;
}

int container_list(const struct runtime *rt, struct oci_arena *arena, struct oci_state **states,
                   size_t *n, struct err *err)
{
    int root = store_root(rt, false, err);
    struct oci_state *list = NULL, *grown;
    const struct dirent *e;
    size_t room = 0;
    DIR *d;

    *states = NULL;
    *n = 0;
    if (root < 0)
        return err->errnum == ENOENT ? 0 : -1;
    d = fdopendir(root);
    if (!d) {
        fd_close(root);
        return err_errno(err, "read the state directory");
    }
    cgroup_keep_mounts(true);
    while ((e = readdir(d))) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !strcmp(e->d_name, ".cache"))
            continue;
        if (*n == room) {
            room = room ? room * 2 : 16;
            grown = oci_alloc(arena, room * sizeof *list);
            if (!grown) {
                cgroup_keep_mounts(false);
                closedir(d);
                return err_set(err, ENOMEM, "list");
            }
            if (*n)
                memcpy(grown, list, *n * sizeof *list);
            list = grown;
        }
        if (read_one(dirfd(d), e->d_name, arena, &list[*n]))
            (*n)++;
    }
    cgroup_keep_mounts(false);
    closedir(d);
    *states = list;
    return 0;
}

int container_processes(const struct runtime *rt, const char *id, pid_t **pids, size_t *n,
                        struct err *err)
{
    _cleanup_found_ struct found f = FOUND_INIT;

    if (store_find(rt, id, &f, err) < 0)
        return -1;
    if (f.record.cgroup.places_n)
        return cgroup_processes(&f.record.cgroup, pids, n, err);
    /* No cgroup to ask: init is all we know. */
    *pids = malloc(sizeof **pids);
    if (!*pids)
        return err_set(err, ENOMEM, "processes");
    *n = store_status(&f) == OCI_STATUS_STOPPED ? 0 : 1;
    (*pids)[0] = (pid_t)f.record.init.pid;
    return 0;
}
