/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making the process that becomes init: clone, protected re-execution, set-up message. */
#ifndef HOST_SPAWN_H
#define HOST_SPAWN_H

#include "base/err.h"
#include "base/protocol.h"
#include "host/plan.h"

#include <stdbool.h>
#include <sys/types.h>

struct spawn {
    struct plan plan;
    struct protocol_setup *setup; /* all but .fds, .plan, .version, .parent is the caller's */
    int fds[SETUP_FD_COUNT];      /* fds for the set-up message, -1 where absent; the caller's */
    int into_cgroup;              /* fd for CLONE_INTO_CGROUP, or -1 */
    const struct oci_linux *maps; /* id maps to write when a user namespace is new */
    int timeout;                  /* milliseconds that the child may be silent; 0: for ever */

    /* results */
    int sock;       /* our end */
    pid_t pid;      /* of init; our child */
    int pidfd;      /* -1 where the kernel has none */
    bool in_cgroup; /* CLONE_INTO_CGROUP worked, or spawn_enter_before_ids() */
    int self;       /* the protected copy of the runtime's file, see spawn_forget_self() */
};
#define SPAWN_INIT                                                                                 \
    {                                                                                              \
        .into_cgroup = -1, .sock = -1, .pid = -1, .pidfd = -1, .self = -1                          \
    }

struct cgroup_record;

/** spawn_clone - make the process, which then waits for spawn_init(); on failure, here and there,
 * spawn_kill() cleans up */
int spawn_clone(struct spawn *s, struct err *err);

/** spawn_enter_before_ids - between the two, where cgroup_before_ids() says so, instead of
 * SETUP_CGROUPS: have it in its cgroups while it has the caller's uid */
int spawn_enter_before_ids(struct spawn *s, const struct cgroup_record *cgroup, struct err *err);

/** spawn_init - map its ids, have it execute init, send that its set-up */
int spawn_init(struct spawn *s, struct err *err);

/** spawn_forget_self - close our fd of the protected copy: before anything of the container can
 * look at init, at the latest before hooks run. spawn_init() does it for one that joins namespaces.
 */
void spawn_forget_self(struct spawn *s);

/**
 * spawn_enter_cgroup - have init in its cgroups
 * @go_on: let it go on from there as well (PROCEED); otherwise that is the caller's to say
 * SETUP_CGROUPS in the set-up: init enters those of v1 itself, which is cheaper.
 */
int spawn_enter_cgroup(struct spawn *s, const struct cgroup_record *cgroup, bool go_on,
                       struct err *err);

/** spawn_deadline - from now on the child may be silent for @timeout milliseconds; 0: for ever */
void spawn_deadline(const struct spawn *s, int timeout);

/** spawn_kill - kill and reap; safe when nothing runs. What does not end within @timeout
 * milliseconds (it is frozen by the freezer of v1) is left to die later. */
void spawn_kill(struct spawn *s, int timeout);

/** spawn_has_ended - whether the child is a zombie, or becomes one within @timeout milliseconds; it
 * is not reaped */
bool spawn_has_ended(const struct spawn *s, int timeout);

/** spawn_died - what to say when init ended without a word: signal or status, and whether the
 * kernel's OOM killer was it. Reaps. Returns -1 with @err filled. */
int spawn_died(struct spawn *s, const struct cgroup_record *cgroup, struct err *err);

/** spawn_privileged - CAP_SYS_ADMIN in our own user namespace */
bool spawn_privileged(void);

#endif
