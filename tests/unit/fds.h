/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many descriptors are open, for the tests that none is left. After cmocka.h. */
#ifndef TESTS_UNIT_FDS_H
#define TESTS_UNIT_FDS_H

#include <dirent.h>

static int count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

#endif
