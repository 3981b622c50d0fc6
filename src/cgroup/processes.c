/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Who is in the container's cgroup, and signals to all of them.
 *
 * All hierarchies hold the same processes, so one is asked: v2 where there is one. SIGKILL there is
 * one write to cgroup.kill (5.14). Otherwise the cgroup is frozen, so that nobody forks away
 * between the listing and the signal, and thawed afterwards: what v1 has frozen does not die
 * before.
 *
 * A pid from a listing may be somebody else's by the time it is used. So each gets a pidfd first,
 * and only those that a second listing still shows are signalled. Where there is no pidfd, whatever
 * the reason, kill(2) has to do.
 */
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PROCS_MAX (64u << 20) /* bytes of cgroup.procs: more than PID_MAX_LIMIT lines */
#define BATCH 256             /* pidfds open at once, if a quarter of RLIMIT_NOFILE is more */

#define GONE (-2) /* instead of a pidfd: there is no such process */

struct pids {
    pid_t *list;
    size_t n, room;
};

static int pids_add(struct pids *pids, pid_t pid)
{
    if (pids->n == pids->room) {
        size_t room = pids->room ? 2 * pids->room : 16;
        pid_t *list = reallocarray(pids->list, room, sizeof *list);

        if (!list)
            return -1;
        pids->list = list;
        pids->room = room;
    }
    pids->list[pids->n++] = pid;
    return 0;
}

/* The processes of one cgroup. 0 stands for one that the caller's pid namespace does not show. */
static int pids_read(struct pids *pids, int dir, struct err *err)
{
    _cleanup_close_ int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    _cleanup_free_ char *text = NULL;
    char *end;

    if (fd < 0)
        return errno == ENOENT || errno == ENODEV ? 0 : err_errno(err, "cgroup.procs");
    if (fd_read_all(fd, PROCS_MAX, &text, NULL, err) < 0) {
        /* Gone, or threaded: then its processes are listed in the domain above it. */
        return err->errnum == ENODEV || err->errnum == EOPNOTSUPP ? 0 : -1;
    }
    for (char *p = text; *p; p = end + (*end == '\n')) {
        long pid = strtol(p, &end, 10);

        if (end == p)
            break;
        if (pid > 0 && pids_add(pids, (pid_t)pid) < 0)
            return err_set(err, ENOMEM, "cgroup.procs");
    }
    return 0;
}

static int compare_pids(const void *a, const void *b)
{
    pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

    return (x > y) - (x < y);
}

static bool pids_hold(const pid_t *pids, size_t n, pid_t pid)
{
    return n > 0 && bsearch(&pid, pids, n, sizeof *pids, compare_pids);
}

static void pids_sort(struct pids *pids)
{
    size_t kept = 0;

    if (pids->n == 0)
        return;
    qsort(pids->list, pids->n, sizeof *pids->list, compare_pids);
    for (size_t i = 0; i < pids->n; i++) {
        if (i == 0 || pids->list[i] != pids->list[kept - 1])
            pids->list[kept++] = pids->list[i];
    }
    pids->n = kept;
}

static int pids_read_tree(struct pids *pids, int dir, const struct cgroup_tree *tree,
                          struct err *err)
{
    for (size_t i = 0; i < tree->n; i++) {
        int fd = i ? cgroup_open_below(dir, tree->paths[i]) : dir;
        int failed;

        if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == EXDEV))
            continue;
        if (fd < 0)
            return err_errno(err, "%s", tree->paths[i]);
        failed = pids_read(pids, fd, err);
        if (i)
            fd_close(fd);
        if (failed)
            return err_context(err, "%s", tree->paths[i]);
    }
    return 0;
}

int cgroup_place_processes(struct cgroup_place *place, pid_t **out, size_t *n, struct err *err)
{
    struct pids pids = {.list = NULL};
    struct cgroup_tree tree;
    int dir = cgroup_place_dir(place, err), failed;

    *out = NULL;
    *n = 0;
    if (dir < 0)
        return err->errnum == ENOENT || err->errnum == ENODEV ? 0 : -1;
    if (cgroup_tree_read(dir, &tree) < 0)
        return err_errno(err, "cgroup %s%s", place->mount, place->path);
    failed = pids_read_tree(&pids, dir, &tree, err);
    cgroup_tree_clear(&tree);
    if (failed) {
        free(pids.list);
        return err_context(err, "cgroup %s%s", place->mount, place->path);
    }
    pids_sort(&pids);
    *out = pids.list;
    *n = pids.n;
    return 0;
}

struct cgroup_place *cgroup_process_place(const struct cgroup_record *record, bool made)
{
    static const char *const order[] = {"", "freezer", "pids", "memory", "devices"};

    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        struct cgroup_place *p = cgroup_place_of(record, order[i]);

        if (p && (p->created || !made))
            return p;
    }
    for (size_t i = 0; i < record->places_n; i++) {
        if (record->places[i].created || !made)
            return &record->places[i];
    }
    return NULL;
}

/* Which place knows, or the error that says why none does. */
static struct cgroup_place *place_or_error(const struct cgroup_record *record, struct err *err)
{
    struct cgroup_place *place = cgroup_process_place(record, false);

    if (record->driver == CGROUP_DISABLED)
        err_set(err, 0, "cgroups are disabled for this container: its processes are not known");
    else if (!place)
        err_set(err, 0, "the container has no cgroup: its processes are not known");
    return place;
}

int cgroup_processes(const struct cgroup_record *record, pid_t **pids, size_t *n, struct err *err)
{
    struct cgroup_place *place = place_or_error(record, err);

    *pids = NULL;
    *n = 0;
    return place ? cgroup_place_processes(place, pids, n, err) : -1;
}

int cgroup_not_empty(const struct cgroup_place *place, const pid_t *pids, size_t n, struct err *err)
{
    char who[256] = "";

    err_set(err, 0, "cgroup %s is not empty: %zu process%s", place->path, n, n == 1 ? "" : "es");
    err->errnum = EBUSY;
    if (n > 0)
        proc_describe(pids[0], who, sizeof who);
    return n > 0 ? err_hint(err, "%s is in it", who) : -1;
}

static int signal_failed(pid_t pid, int sig, struct err *err)
{
    char name[24];

    return errno == ESRCH ? 0
                          : err_errno(err, "send %s to process %d of the container",
                                      proc_signal_name(sig, name), (int)pid);
}

static int send_signal(int pidfd, pid_t pid, int sig)
{
    if (pidfd >= 0 && (sys_pidfd_send_signal(pidfd, sig, NULL, 0) == 0 || errno == ESRCH))
        return 0;
    return kill(pid, sig);
}

/* Signal up to BATCH processes, those only that are still in the cgroup once their pidfd is open.
 */
static int signal_batch(struct cgroup_place *place, const pid_t *pids, size_t n, int sig,
                        struct err *err)
{
    _cleanup_free_ pid_t *still = NULL;
    int fds[BATCH], failed = 0;
    size_t still_n;

    for (size_t i = 0; i < n; i++) {
        fds[i] = sys_pidfd_open(pids[i], 0);
        if (fds[i] < 0 && errno == ESRCH)
            fds[i] = GONE;
    }
    failed = cgroup_place_processes(place, &still, &still_n, err);
    for (size_t i = 0; i < n; i++) {
        bool inside =
            !failed && pids_hold(still, still_n, pids[i]) && pids[i] != getpid() && pids[i] != 1;

        if (inside && fds[i] != GONE && send_signal(fds[i], pids[i], sig) < 0)
            failed = signal_failed(pids[i], sig, err);
        fd_close(fds[i] < 0 ? -1 : fds[i]);
    }
    return failed;
}

static int signal_list(struct cgroup_place *place, const pid_t *pids, size_t n, int sig,
                       struct err *err)
{
    struct rlimit files;
    size_t batch = BATCH, left;
    int failed = 0;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / 4 < BATCH)
        batch = files.rlim_cur / 4 + 1;
    for (size_t i = 0; i < n && !failed; i += batch) {
        left = n - i;
        failed = signal_batch(place, pids + i, left < batch ? left : batch, sig, err);
    }
    return failed;
}

/* Freeze, list again, signal, thaw. Frozen or not, the signals are sent. */
static int kill_frozen(const struct cgroup_record *record, struct cgroup_place *place,
                       struct err *err)
{
    struct cgroup_place *freezer = cgroup_place_of(record, "freezer");
    _cleanup_free_ pid_t *pids = NULL;
    struct err ignored = ERR_INIT;
    size_t n;
    int failed;

    if (cgroup_freeze(record, true, &ignored) < 0)
        log_debug("cgroup %s: killed without freezing: %s", place->path, ignored.text);
    failed = cgroup_place_processes(place, &pids, &n, err);
    if (!failed)
        failed = signal_list(place, pids, n, SIGKILL, err);
    if (cgroup_freeze(record, false, &ignored) < 0)
        log_debug("cgroup %s: %s", place->path, ignored.text);
    if (freezer)
        cgroup_v1_thaw_all(freezer);
    return failed;
}

/* 1: done, 0: there is no such thing here, -1: failed. */
static int kill_by_v2(const struct cgroup_record *record, struct cgroup_place *place,
                      struct err *err)
{
    struct cgroup_place *freezer = cgroup_place_of(record, "freezer");
    int dir = cgroup_place_dir(place, err);

    if (dir < 0)
        return -1;
    if (cgroup_write_at(dir, "cgroup.kill", "1") < 0) {
        if (errno == ENODEV)
            return 1;
        return errno == ENOENT || errno == EOPNOTSUPP
                   ? 0
                   : err_errno(err, "cgroup.kill of cgroup %s", place->path);
    }
    /* The v1 half of a hybrid may be frozen: the signal waits for the thaw. */
    if (freezer)
        cgroup_v1_thaw_all(freezer);
    return 1;
}

int cgroup_signal_place(const struct cgroup_record *record, struct cgroup_place *place, int sig,
                        struct err *err)
{
    _cleanup_free_ pid_t *pids = NULL;
    bool safe;
    size_t n;
    int done;

    if (cgroup_place_processes(place, &pids, &n, err) < 0)
        return -1;
    if (n == 0)
        return 0;
    /* What acts on the cgroup as a whole would act on the caller too. */
    safe = !pids_hold(pids, n, getpid()) && !pids_hold(pids, n, 1);
    if (sig == SIGKILL && safe) {
        done = place->v2 ? kill_by_v2(record, place, err) : 0;
        return done != 0 ? (done < 0 ? -1 : 0) : kill_frozen(record, place, err);
    }
    return signal_list(place, pids, n, sig, err);
}

int cgroup_signal_all(const struct cgroup_record *record, int sig, struct err *err)
{
    struct cgroup_place *place = place_or_error(record, err);

    return place ? cgroup_signal_place(record, place, sig, err) : -1;
}
