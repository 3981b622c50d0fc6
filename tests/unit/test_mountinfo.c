/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lines of mountinfo, and the cgroup hierarchies that init reads out of them. */
#include "base/mountinfo.h"
#include "init/cgroup_layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static bool parse(const char *text, char *line, struct mountinfo *m)
{
    strcpy(line, text);
    return mountinfo_parse(line, m);
}

static void test_fields(void **state)
{
    struct mountinfo m;
    char line[256];

    (void)state;
    assert_true(
        parse("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
              line, &m));
    assert_int_equal(m.id, 36);
    assert_string_equal(m.root, "/mnt1");
    assert_string_equal(m.point, "/mnt2");
    assert_false(m.shared);
    assert_string_equal(m.type, "ext3");
    assert_string_equal(m.source, "/dev/root");
    assert_string_equal(m.options, "rw,errors=continue");

    assert_true(parse("1 2 0:1 / /a rw - tmpfs none rw", line, &m));
    assert_false(m.shared);
    assert_true(parse("1 2 0:1 / /a rw shared:7 - tmpfs none rw", line, &m));
    assert_true(m.shared);
    assert_true(
        parse("1 2 0:1 / /a rw master:3 shared:7 propagate_from:2 - tmpfs none rw", line, &m));
    assert_true(m.shared);
    /* an empty source is an empty field; options may hold spaces */
    assert_true(parse("1 2 0:1 / /a rw - tmpfs  rw,x=a b", line, &m));
    assert_string_equal(m.source, "");
    assert_string_equal(m.options, "rw,x=a b");
}

static void test_escapes(void **state)
{
    struct mountinfo m;
    char line[256];

    (void)state;
    assert_true(parse(
        "1 2 0:1 /dev-disk-by\\134x2dlabel /a\\040b\\011\\012\\134040 rw - cgroup x rw", line, &m));
    assert_string_equal(m.root, "/dev-disk-by\\x2dlabel");
    assert_string_equal(m.point, "/a b\t\n\\040");
    /* what is no escape stays */
    assert_true(parse("1 2 0:1 / /a\\08\\4\\400 rw - x y rw", line, &m));
    assert_string_equal(m.point, "/a\\08\\4\\400");
}

static void test_no_line(void **state)
{
    static const char *const lines[] = {"",
                                        " - ",
                                        "1 2 0:1 / /a rw",
                                        "1 2 0:1 / - x y z",
                                        "1 2 0:1 / /a - x y z",
                                        "1 2 0:1 / /a rw - x y"};
    struct mountinfo m;
    char line[256];

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_false(parse(lines[i], line, &m));
}

static void test_next(void **state)
{
    char text[] = "1 2 0:1 / /a rw - x y rw\nnonsense\n\n3 2 0:1 / /b rw - x y rw";
    char *rest = text;
    struct mountinfo m;

    (void)state;
    assert_true(mountinfo_next(&rest, &m));
    assert_string_equal(m.point, "/a");
    assert_true(mountinfo_next(&rest, &m));
    assert_int_equal(m.id, 3);
    assert_string_equal(m.point, "/b");
    assert_false(mountinfo_next(&rest, &m));
}

/* ---- hierarchies ---- */

static char mountinfo_text[1024], cgroups_text[512];

static struct layout read_layout(const char *mountinfo, const char *cgroups)
{
    struct layout l = {.mountinfo = strcpy(mountinfo_text, mountinfo),
                       .cgroups = strcpy(cgroups_text, cgroups)};

    cgroup_layout_parse(&l);
    return l;
}

static void own_is(const struct layout *l, size_t i, const char *wanted)
{
    char path[256];
    bool found = cgroup_layout_own(l, &l->list[i], path, sizeof path);

    assert_int_equal(found, wanted != NULL);
    if (wanted)
        assert_string_equal(path, wanted);
}

static void test_layout_hybrid(void **state)
{
    struct layout l = read_layout(
        "20 1 0:1 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
        "21 20 0:2 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate,favordynmods\n"
        "22 20 0:3 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct,favordynmods\n"
        "23 20 0:4 / /sys/fs/cgroup/systemd rw - cgroup x rw,xattr,release_agent=/x,name=systemd\n"
        "24 20 0:3 / /sys/fs/cgroup/again rw - cgroup cgroup rw,cpu,cpuacct\n"
        "25 20 0:5 / /elsewhere rw - cgroup cgroup rw,memory\n",
        "3:cpu,cpuacct:/a/b\n2:name=systemd:/s\n0::/u\n");

    (void)state;
    assert_int_equal(l.n, 3);
    assert_true(l.has_v1);
    assert_true(l.list[0].v2);
    /* it is how a new mount of v2 has to behave, and no part of the name of one of v1 */
    assert_string_equal(l.list[0].options, "nsdelegate,favordynmods");
    assert_string_equal(l.list[1].controllers, "cpu,cpuacct");
    assert_string_equal(l.list[2].controllers, "name=systemd");
    own_is(&l, 0, "/sys/fs/cgroup/unified/u");
    own_is(&l, 1, "/sys/fs/cgroup/cpu,cpuacct/a/b");
    own_is(&l, 2, "/sys/fs/cgroup/systemd/s");
}

static void test_layout_places(void **state)
{
    struct layout l = read_layout("1 1 0:1 / /sys/fs/cgroup2 rw - cgroup2 cgroup2 rw\n"
                                  "2 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
                                  "0::/u\n");

    (void)state;
    assert_int_equal(l.n, 1);
    assert_false(l.has_v1);
    assert_string_equal(l.list[0].point, "/sys/fs/cgroup");
}

static void test_layout_own(void **state)
{
    static const struct {
        const char *root, *own, *wanted;
    } cases[] = {
        {"/", "/", "/sys/fs/cgroup/"},
        {"/a", "/a", "/sys/fs/cgroup"},
        {"/a", "/a/b", "/sys/fs/cgroup/b"},
        {"/a", "/ab", NULL},
        {"/a", "/", NULL},
        {"/..", "/", NULL},
        {"/x\\134x2dy.slice", "/x\\x2dy.slice/s", "/sys/fs/cgroup/s"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char mountinfo[256] = "1 1 0:1 ", cgroups[256] = "0::";
        struct layout l;

        strcat(strcat(mountinfo, cases[i].root), " /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        l = read_layout(mountinfo, strcat(strcat(cgroups, cases[i].own), "\n"));
        assert_int_equal(l.n, 1);
        own_is(&l, 0, cases[i].wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_no_line),       cmocka_unit_test(test_next),
        cmocka_unit_test(test_layout_hybrid), cmocka_unit_test(test_layout_places),
        cmocka_unit_test(test_layout_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
