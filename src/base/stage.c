/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A table is run from the top; when a row fails, the undo functions run from that row back to the
 * first. Undo functions are told nothing about how far their row came: they look at the subject,
 * which is why the failing row's own undo runs too.
 *
 * In builds with --enable-fault-injection OCIRUN_FAIL=TABLE:STAGE makes a row fail instead of
 * running, and OCIRUN_KILL=TABLE:STAGE kills the process right before it.
 */
#include "base/stage.h"

#include "base/trace.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef OCIRUN_FAULT_INJECTION
static int stage_matches(const char *variable, const char *table, const char *name)
{
    const char *wanted = getenv(variable);
    size_t len = strlen(table);

    return wanted && strncmp(wanted, table, len) == 0 && wanted[len] == ':' &&
           strcmp(wanted + len + 1, name) == 0;
}

static int stage_inject(const char *table, const char *name, struct err *err)
{
    if (stage_matches("OCIRUN_KILL", table, name)) {
        raise(SIGKILL);
        _exit(128 + SIGKILL); /* pid 1 of a namespace does not die of its own signals */
    }
    if (stage_matches("OCIRUN_FAIL", table, name))
        return err_set(err, EIO, "injected failure");
    return 0;
}
#else
static int stage_inject(const char *table, const char *name, struct err *err)
{
    (void)table;
    (void)name;
    (void)err;
    return 0;
}
#endif

static void stage_trace(const char *table, const char *name, const char *what, uint64_t begin)
{
    char span[96];

    if (!begin)
        return;
    snprintf(span, sizeof span, "%s/%s%s", table, name, what);
    trace_end(span, begin);
}

int stages_run(const char *table, const struct stage *stages, size_t n, void *subject,
               struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t begin = trace_begin();
        int ret = stage_inject(table, stages[i].name, err);

        if (ret == 0 && stages[i].run)
            ret = stages[i].run(subject, err);
        if (stages[i].run)
            stage_trace(table, stages[i].name, ret < 0 ? " (failed)" : "", begin);
        if (ret >= 0)
            continue;
        if (err && !err->stage[0])
            snprintf(err->stage, sizeof err->stage, "%s", stages[i].name);
        stages_undo(table, stages, i + 1, subject);
        return -1;
    }
    return 0;
}

void stages_undo(const char *table, const struct stage *stages, size_t n, void *subject)
{
    while (n--) {
        uint64_t begin;

        if (!stages[n].undo)
            continue;
        begin = trace_begin();
        stages[n].undo(subject);
        stage_trace(table, stages[n].name, " (undo)", begin);
    }
}
