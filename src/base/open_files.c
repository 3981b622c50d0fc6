/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each bind source is a descriptor until its turn comes, and a mount that becomes read-only at the
 * end is one until then. How many there may be is for the configuration to say, not for the soft
 * limit that the caller happens to have: that one is for the programs, which get it back.
 */
#include "base/open_files.h"

#include <stdbool.h>
#include <sys/resource.h>

#define ANYWAY 512 /* our own descriptors, the deepest tree of tmpcopyup */

static struct rlimit before;
static bool raised;

void open_files_allow(size_t n)
{
    struct rlimit limit;

    if (raised || getrlimit(RLIMIT_NOFILE, &before) < 0 || before.rlim_cur >= n + ANYWAY)
        return;
    limit = (struct rlimit){before.rlim_max, before.rlim_max};
    raised = setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

void open_files_restore(void)
{
    if (raised)
        setrlimit(RLIMIT_NOFILE, &before);
}
