/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A signal goes to init by pidfd, so it cannot reach a process that happens to have the same pid.
 * With --all it goes to everything in the cgroup, also when init has ended already: engines do that
 * for containers that share their pid namespace.
 */
#include "host/inside.h"
#include "host/store.h"

#include "base/fd.h"
#include "base/proc.h"
#include "base/wording.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static int signal_init(const struct record *r, int sig, struct err *err)
{
    _cleanup_close_ int pidfd = proc_pidfd((pid_t)r->init.pid, r->init.start_time);

    if (pidfd < 0 && errno == ESRCH)
        return err_set(err, 0, WORDING_NOT_RUNNING);
    if (proc_send_signal(pidfd, (pid_t)r->init.pid, r->init.start_time, sig, err) == 0)
        return 0;
    return err->errnum == ESRCH ? err_set(err, 0, WORDING_NOT_RUNNING) : -1;
}

int container_kill(const struct runtime *rt, const char *id, int sig, bool all, struct err *err)
{
    _cleanup_found_ struct found f = FOUND_INIT;
    const struct record *r = &f.record;
    bool alive, own_pids, foreign;
    int asked;

    if (store_find(rt, id, &f, err) < 0)
        return -1;
    /* From inside: without the program there are only init and the hook that called us. */
    foreign = inside_foreign(r);
    if (foreign && sig == 0 && store_status(&f) != OCI_STATUS_STOPPED)
        return 0; /* only whether it is there */
    if (foreign && sig != 0) {
        asked = inside_ask(rt, &f, PROTOCOL_SIGNAL + (enum protocol_type)sig, err);
        if (asked != 0)
            return asked < 0 ? -1 : 0;
    }
    alive = !foreign && r->init.pid > 0 && proc_alive((pid_t)r->init.pid, r->init.start_time);
    if (all) {
        if (r->cgroup.driver == CGROUP_DISABLED || r->cgroup.places_n == 0)
            return alive ? signal_init(r, sig, err) : err_set(err, 0, WORDING_NOT_RUNNING);
        return cgroup_signal_all(&r->cgroup, sig, err);
    }
    if (!alive)
        return err_set(err, 0, WORDING_NOT_RUNNING);
    if (signal_init(r, sig, err) < 0)
        return -1;
    own_pids = (r->namespaces.bits & (1ULL << OCI_NS_PID)) && !r->pid_joined;
    if (sig != SIGKILL)
        return 0;
    /* With init's end the kernel ends everything in its pid namespace, but it is init of its own
     * alone. */
    if (!own_pids && r->cgroup.places_n)
        return cgroup_signal_all(&r->cgroup, sig, err);
    /* A process frozen by the v1 freezer does not even die. */
    return cgroup_let_die(&r->cgroup, err);
}
