/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is said to ordinary users: ranges of /etc/subuid, the common ancestor of two cgroups, the
 * unit of systemd that a cgroup belongs to.
 */
#include "base/util.h"
#include "cgroup/internal.h"
#include "host/subid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char ranges[] = "# a comment\n"
                             "alice:100000:65536\n"
                             "bob:300000:10\n"
                             "alice:165546:10\n" /* before the line that it continues */
                             "alice:165536:10\n"
                             "1000:500000:100\n"
                             "alice:broken\n"
                             "alice:700000:ten\n"
                             "alicia:900000:5\n"
                             "alice:4294967290:6";

static void missing(const char *name, uint32_t uid, uint32_t first, uint32_t count,
                    uint32_t expected_left, uint32_t expected_first)
{
    uint32_t left = subid_missing(ranges, name, uid, &first, count);

    assert_int_equal(left, expected_left);
    if (left)
        assert_int_equal(first, expected_first);
}

static void test_subid(void **state)
{
    (void)state;
    missing("alice", 7, 100000, 65536, 0, 0);
    missing("alice", 7, 165535, 1, 0, 0);
    missing("alice", 7, 100001, 65536, 0, 0);
    missing("alice", 7, 100000, 65556, 0, 0);
    missing("alice", 7, 100000, 65557, 1, 165556);
    missing("alice", 7, 99999, 2, 2, 99999);
    missing("alice", 7, 300000, 1, 1, 300000);
    missing("bob", 7, 300000, 11, 1, 300010);
    missing("alic", 7, 100000, 1, 1, 100000);
    missing("alice", 7, 700000, 1, 1, 700000);
    missing("alice", 7, 900000, 1, 1, 900000);
    missing("alice", 7, 4294967290u, 6, 0, 0);
    missing(NULL, 1000, 500000, 100, 0, 0);
    missing("carol", 1000, 500099, 1, 0, 0);
    missing(NULL, 1, 500000, 1, 1, 500000);
    missing("alice", 7, 100000, 0, 0, 0);
}

static void test_common(void **state)
{
    static const struct {
        const char *a, *b;
        int len;
    } rows[] = {
        {"/", "/a", 0},       {"/a", "/b", 0},       {"/a/b", "/a/c", 2},
        {"/a/b", "/a/bc", 2}, {"/a/b", "/a/b/c", 4}, {"/a/b/c", "/a/b", 4},
        {"/a/b", "/a/b", 4},  {"/ab/c", "/a/c", 0},  {"/", "/", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(cgroup_common(rows[i].a, rows[i].b), rows[i].len);
}

static void test_user_unit(void **state)
{
    char buf[64], small[8];

    (void)state;
    assert_string_equal(
        cgroup_user_unit("/user.slice/user-1000.slice/user@1000.service/app.slice/x", buf,
                         sizeof buf),
        "user@1000.service");
    assert_string_equal(cgroup_user_unit("/user@5.service", buf, sizeof buf), "user@5.service");
    assert_null(cgroup_user_unit("/user.slice/session-3.scope", buf, sizeof buf));
    assert_null(cgroup_user_unit("/user@1000.services/x", buf, sizeof buf));
    assert_null(cgroup_user_unit("/a-user@1000.service", buf, sizeof buf));
    assert_null(cgroup_user_unit("/user@x.service", buf, sizeof buf));
    assert_null(cgroup_user_unit("/user@1000.service", small, sizeof small));
    assert_null(cgroup_user_unit("/", buf, sizeof buf));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subid),
        cmocka_unit_test(test_common),
        cmocka_unit_test(test_user_unit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
