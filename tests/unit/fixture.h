/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the programs of tests/unit that need an arena share: each test has a new one, and an empty
 * struct err. For one include, after those of the code under test. */
#ifndef TESTS_UNIT_FIXTURE_H
#define TESTS_UNIT_FIXTURE_H

#include "base/err.h"
#include "libocispec/ocispec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define I64(v) ((struct oci_opt_i64){.set = true, .value = (v)})
#define U64(v) ((struct oci_opt_u64){.set = true, .value = (v)})
#define BOOL(v) ((struct oci_opt_bool){.set = true, .value = (v)})

static struct err e;
static struct oci_arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = oci_arena_new();
    e = (struct err)ERR_INIT;
    return arena ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    oci_arena_free(arena);
    arena = NULL;
    return 0;
}

#endif
