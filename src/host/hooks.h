/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hooks that run in the runtime's namespaces: prestart, createRuntime, poststart, poststop. */
#ifndef HOST_HOOKS_H
#define HOST_HOOKS_H

#include "base/err.h"
#include "base/hook.h"
#include "host/record.h"

/**
 * hooks_run - run one list
 * @kind:   "poststop"; its failures are warnings and the rest still runs
 * @status: what the state on stdin says; @pid: 0 leaves it out
 * @born:   NULL, or: told of each hook before it is executed (see struct hook_run), with @data
 */
int hooks_run(const struct record *record, const char *kind, const struct oci_hook *hooks, size_t n,
              enum oci_status status, pid_t pid, hook_born *born, void *data, struct err *err);

/** hooks_output - fds for the output of hooks (annotations run.oci.hooks.stdout, .stderr), or -1 */
int hooks_output(const struct record *record, int *out, int *err_out, struct err *err);

#endif
