/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * pause and resume are the cgroup's freezer; the status is read back from it, nothing is recorded.
 *
 * What the v1 freezer holds does not die of SIGKILL. delete thaws after the signal, and pause holds
 * the container's lock, so that it does not freeze again what delete waits for. kill takes no lock:
 * it thaws after the signal, and pause looks for the signal after it has frozen, whichever of them
 * is last. A hook that freezes its own cgroup goes without the lock, for nobody could delete what is
 * locked by somebody frozen.
 */
#include "base/proc.h"
#include "base/wording.h"
#include "host/inside.h"
#include "host/store.h"

static int find_in_status(const struct runtime *rt, const char *id, bool paused, struct found *f,
                          struct err *err)
{
    enum oci_status status;

    if (store_find(rt, id, f, err) < 0)
        return -1;
    if (f->record.cgroup.places_n == 0)
        return err_set(err, 0, "the container has no cgroup that could be frozen");
    if (!paused && !inside_foreign(&f->record) && !inside_cgroup(&f->record) &&
        store_lock(f->dir, rt->timeout, err) < 0)
        return -1;
    status = store_status(f);
    if (status == OCI_STATUS_STOPPED || status == OCI_STATUS_CREATING)
        return err_set(err, 0, WORDING_NOT_RUNNING);
    if (paused && status != OCI_STATUS_PAUSED)
        return err_set(err, 0, "container not paused");
    if (!paused && status == OCI_STATUS_PAUSED)
        return err_set(err, 0, "container is paused already");
    return 0;
}

int container_pause(const struct runtime *rt, const char *id, struct err *err)
{
    _cleanup_found_ struct found f = FOUND_INIT;
    const struct record_process *init = &f.record.init;

    if (find_in_status(rt, id, false, &f, err) < 0 ||
        cgroup_freeze(&f.record.cgroup, true, err) < 0)
        return -1;
    if (!proc_kill_pending((pid_t)init->pid, init->start_time))
        return 0;
    if (cgroup_freeze(&f.record.cgroup, false, err) < 0)
        return -1;
    return err_set(err, 0, WORDING_NOT_RUNNING);
}

int container_resume(const struct runtime *rt, const char *id, struct err *err)
{
    _cleanup_found_ struct found f = FOUND_INIT;

    if (find_in_status(rt, id, true, &f, err) < 0)
        return -1;
    return cgroup_freeze(&f.record.cgroup, false, err);
}
