/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lifecycles as tables. A stage has a do and an undo; when one fails, the undo functions of the
 * stages before it run in reverse. The table gives errors their stage, --trace its spans, and the
 * tests their injection points (OCIRUN_FAIL=TABLE:STAGE in builds with --enable-fault-injection).
 */
#ifndef BASE_STAGE_H
#define BASE_STAGE_H

#include "base/err.h"

#include <stddef.h>

struct stage {
    const char *name;
    int (*run)(void *subject, struct err *err); /* NULL: only an undo */
    void (*undo)(void *subject);                /* NULL: nothing to undo; must not fail */
    const char *spec; /* the step of runtime.md#lifecycle that it fulfils */
};

/**
 * stages_run - carry out @n stages in order on @subject
 * On failure err->stage is set to the failing row's name (unless deeper code did) and the earlier
 * rows are undone in reverse; the failing row's own undo runs too: a stage may have done half.
 * Returns 0 or -1.
 */
int stages_run(const char *table, const struct stage *stages, size_t n, void *subject,
               struct err *err);

/** stages_undo - run all undo functions in reverse (a later table failed) */
void stages_undo(const char *table, const struct stage *stages, size_t n, void *subject);

#endif
