/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands that are called inside the container that they are about. */
#ifndef HOST_INSIDE_H
#define HOST_INSIDE_H

#include "base/err.h"
#include "base/protocol.h"
#include "host/store.h"

/** inside_pid_namespace - identity of the caller's pid namespace for the record; 0: not known */
uint64_t inside_pid_namespace(void);

/** inside_foreign - whether the pids of the record mean nothing to the caller, who is in another
 * pid namespace than the runtime that wrote it */
bool inside_foreign(const struct record *record);

/** inside_cgroup - whether the caller is in the cgroup of the container, as its hooks are: what is
 * done to the cgroup is done to the caller */
bool inside_cgroup(const struct record *record);

/**
 * inside_ask - have init do what cannot be done from here
 * @what: PROTOCOL_SIGNAL + a signal, which init takes as if it had been sent; PROTOCOL_DELETE;
 * PROTOCOL_DISCARD, from anywhere: init ends unless a start has come first
 * A hook's process may end with init, before this returns.
 * Returns 1 when it was asked (and has ended, if it had to); 0 when it takes no requests because
 * the program runs, or nothing does, and when it has refused; -1 on failure.
 */
int inside_ask(const struct runtime *rt, const struct found *f, enum protocol_type what,
               struct err *err);

#endif
