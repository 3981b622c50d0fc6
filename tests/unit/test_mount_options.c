/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mount options: every name that the specification knows, what later ones do to earlier ones, the
 * access-time group, data, propagation.
 */
#include "base/mount.h"
#include "base/sys.h"
#include "base/util.h"
#include "libocispec/ocispec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct oci_arena *arena;
static struct mount_options o;

/* Parse "a,b,c"; each part is one option string. */
static int try_parse(const char *list, struct err *err)
{
    const char *options[80];
    size_t n = 0;
    char *copy = oci_strdup(arena, list), *part;

    while ((part = strsep(&copy, ",")) != NULL)
        options[n++] = part;
    return mount_options_parse(options, n, arena, &o, err);
}

static void parse(const char *list)
{
    struct err err = ERR_INIT;

    if (try_parse(list, &err) < 0)
        fail_msg("%s: %s", list, err.text);
}

/* What each name does on its own. */
static const struct expected {
    const char *name;
    uint64_t set, clear, rec_set, rec_clear;
    unsigned long sb_set, sb_clear;
    uint32_t propagation;
} table[] = {
    {.name = "async", .sb_clear = MS_SYNCHRONOUS},
    {.name = "atime", .clear = MOUNT_ATTR__ATIME},
    {.name = "defaults"},
    {.name = "dev", .clear = MOUNT_ATTR_NODEV},
    {.name = "diratime", .clear = MOUNT_ATTR_NODIRATIME},
    {.name = "dirsync", .sb_set = MS_DIRSYNC},
    {.name = "exec", .clear = MOUNT_ATTR_NOEXEC},
    {.name = "iversion", .sb_set = MS_I_VERSION},
    {.name = "lazytime", .sb_set = MS_LAZYTIME},
    {.name = "loud", .sb_clear = MS_SILENT},
    {.name = "mand", .sb_set = MS_MANDLOCK},
    {.name = "noatime", .set = MOUNT_ATTR_NOATIME, .clear = MOUNT_ATTR__ATIME},
    {.name = "nodev", .set = MOUNT_ATTR_NODEV},
    {.name = "nodiratime", .set = MOUNT_ATTR_NODIRATIME},
    {.name = "noexec", .set = MOUNT_ATTR_NOEXEC},
    {.name = "noiversion", .sb_clear = MS_I_VERSION},
    {.name = "nolazytime", .sb_clear = MS_LAZYTIME},
    {.name = "nomand", .sb_clear = MS_MANDLOCK},
    {.name = "norelatime", .clear = MOUNT_ATTR__ATIME},
    {.name = "nostrictatime", .clear = MOUNT_ATTR__ATIME},
    {.name = "nosuid", .set = MOUNT_ATTR_NOSUID},
    {.name = "nosymfollow", .set = MOUNT_ATTR_NOSYMFOLLOW},
    {.name = "relatime", .clear = MOUNT_ATTR__ATIME},
    {.name = "ro", .set = MOUNT_ATTR_RDONLY, .sb_set = MS_RDONLY},
    {.name = "rw", .clear = MOUNT_ATTR_RDONLY, .sb_clear = MS_RDONLY},
    {.name = "silent", .sb_set = MS_SILENT},
    {.name = "strictatime", .set = MOUNT_ATTR_STRICTATIME, .clear = MOUNT_ATTR__ATIME},
    {.name = "suid", .clear = MOUNT_ATTR_NOSUID},
    {.name = "symfollow", .clear = MOUNT_ATTR_NOSYMFOLLOW},
    {.name = "sync", .sb_set = MS_SYNCHRONOUS},
    {.name = "acl", .sb_set = MS_POSIXACL},
    {.name = "noacl", .sb_clear = MS_POSIXACL},
    {.name = "private", .propagation = OCI_PROPAGATION_PRIVATE},
    {.name = "rprivate", .propagation = OCI_PROPAGATION_RPRIVATE},
    {.name = "shared", .propagation = OCI_PROPAGATION_SHARED},
    {.name = "rshared", .propagation = OCI_PROPAGATION_RSHARED},
    {.name = "slave", .propagation = OCI_PROPAGATION_SLAVE},
    {.name = "rslave", .propagation = OCI_PROPAGATION_RSLAVE},
    {.name = "unbindable", .propagation = OCI_PROPAGATION_UNBINDABLE},
    {.name = "runbindable", .propagation = OCI_PROPAGATION_RUNBINDABLE},
    {.name = "ratime", .rec_clear = MOUNT_ATTR__ATIME},
    {.name = "rnoatime", .rec_set = MOUNT_ATTR_NOATIME, .rec_clear = MOUNT_ATTR__ATIME},
    {.name = "rdiratime", .rec_clear = MOUNT_ATTR_NODIRATIME},
    {.name = "rnodiratime", .rec_set = MOUNT_ATTR_NODIRATIME},
    {.name = "rdev", .rec_clear = MOUNT_ATTR_NODEV},
    {.name = "rnodev", .rec_set = MOUNT_ATTR_NODEV},
    {.name = "rexec", .rec_clear = MOUNT_ATTR_NOEXEC},
    {.name = "rnoexec", .rec_set = MOUNT_ATTR_NOEXEC},
    {.name = "rrelatime", .rec_clear = MOUNT_ATTR__ATIME},
    {.name = "rnorelatime", .rec_clear = MOUNT_ATTR__ATIME},
    {.name = "rro", .rec_set = MOUNT_ATTR_RDONLY},
    {.name = "rrw", .rec_clear = MOUNT_ATTR_RDONLY},
    {.name = "rstrictatime", .rec_set = MOUNT_ATTR_STRICTATIME, .rec_clear = MOUNT_ATTR__ATIME},
    {.name = "rnostrictatime", .rec_clear = MOUNT_ATTR__ATIME},
    {.name = "rsuid", .rec_clear = MOUNT_ATTR_NOSUID},
    {.name = "rnosuid", .rec_set = MOUNT_ATTR_NOSUID},
    {.name = "rsymfollow", .rec_clear = MOUNT_ATTR_NOSYMFOLLOW},
    {.name = "rnosymfollow", .rec_set = MOUNT_ATTR_NOSYMFOLLOW},
};

/* The names that set a member of their own. */
static const struct flag {
    const char *name;
    size_t offset;
} flags[] = {
    {"bind", offsetof(struct mount_options, bind)},
    {"rbind", offsetof(struct mount_options, recursive)},
    {"remount", offsetof(struct mount_options, remount)},
    {"tmpcopyup", offsetof(struct mount_options, tmpcopyup)},
    {"copy-symlink", offsetof(struct mount_options, copy_symlink)},
    {"src-nofollow", offsetof(struct mount_options, src_nofollow)},
    {"dest-nofollow", offsetof(struct mount_options, dest_nofollow)},
    {"idmap", offsetof(struct mount_options, idmap)},
    {"ridmap", offsetof(struct mount_options, ridmap)},
};

static void each_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        const struct expected *e = &table[i];

        parse(e->name);
        if (o.set != e->set || o.clear != e->clear || o.rec_set != e->rec_set ||
            o.rec_clear != e->rec_clear || o.sb_set != e->sb_set || o.sb_clear != e->sb_clear ||
            o.propagation_n != (e->propagation != 0) || o.propagation[0] != e->propagation ||
            o.data_n != 0 || o.bind || o.remount)
            fail_msg("%s", e->name);
    }
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        parse(flags[i].name);
        if (!*(bool *)((char *)&o + flags[i].offset) || o.data_n != 0)
            fail_msg("%s", flags[i].name);
    }
    parse("rbind");
    assert_true(o.bind);
}

/* The list for `features` is what the parser knows: sorted, without doubles, nothing missing. */
static void names_are_complete(void **state)
{
    const char *const *names = mount_option_names();
    size_t n = 0;

    (void)state;
    for (; names[n] != NULL; n++) {
        parse(names[n]);
        assert_int_equal(o.data_n, 0);
        if (n > 0)
            assert_true(strcmp(names[n - 1], names[n]) < 0);
    }
    assert_int_equal(n, ARRAY_SIZE(table) + ARRAY_SIZE(flags));
}

static void later_overrides_earlier(void **state)
{
    static const struct {
        const char *name, *opposite;
        uint64_t attr;
        bool recursive;
    } pairs[] = {
        {"ro", "rw", MOUNT_ATTR_RDONLY, false},
        {"nosuid", "suid", MOUNT_ATTR_NOSUID, false},
        {"nodev", "dev", MOUNT_ATTR_NODEV, false},
        {"noexec", "exec", MOUNT_ATTR_NOEXEC, false},
        {"nodiratime", "diratime", MOUNT_ATTR_NODIRATIME, false},
        {"nosymfollow", "symfollow", MOUNT_ATTR_NOSYMFOLLOW, false},
        {"rro", "rrw", MOUNT_ATTR_RDONLY, true},
        {"rnosuid", "rsuid", MOUNT_ATTR_NOSUID, true},
        {"rnodev", "rdev", MOUNT_ATTR_NODEV, true},
        {"rnoexec", "rexec", MOUNT_ATTR_NOEXEC, true},
        {"rnodiratime", "rdiratime", MOUNT_ATTR_NODIRATIME, true},
        {"rnosymfollow", "rsymfollow", MOUNT_ATTR_NOSYMFOLLOW, true},
    };
    char list[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        snprintf(list, sizeof list, "%s,%s", pairs[i].name, pairs[i].opposite);
        parse(list);
        assert_int_equal(pairs[i].recursive ? o.rec_set : o.set, 0);
        assert_int_equal(pairs[i].recursive ? o.rec_clear : o.clear, pairs[i].attr);
        snprintf(list, sizeof list, "%s,%s", pairs[i].opposite, pairs[i].name);
        parse(list);
        assert_int_equal(pairs[i].recursive ? o.rec_set : o.set, pairs[i].attr);
        assert_int_equal(pairs[i].recursive ? o.rec_clear : o.clear, 0);
    }
    parse("sync,async,mand,nomand,ro,rw,rw,ro");
    assert_int_equal(o.sb_set, MS_RDONLY);
    assert_int_equal(o.sb_clear, MS_SYNCHRONOUS | MS_MANDLOCK);
    parse("ro,rrw");
    assert_int_equal(o.set, MOUNT_ATTR_RDONLY);
    assert_int_equal(o.rec_clear, MOUNT_ATTR_RDONLY);
}

static void atime_is_one_field(void **state)
{
    static const struct {
        const char *list;
        uint64_t set;
    } cases[] = {
        {"noatime,strictatime", MOUNT_ATTR_STRICTATIME},
        {"strictatime,noatime", MOUNT_ATTR_NOATIME},
        {"noatime,relatime", 0},
        {"noatime,atime", 0},
        {"strictatime,atime", MOUNT_ATTR_STRICTATIME},
        {"strictatime,nostrictatime", 0},
        {"noatime,norelatime", MOUNT_ATTR_NOATIME},
        {"noatime,nostrictatime", MOUNT_ATTR_NOATIME},
        {"noatime,nodiratime", MOUNT_ATTR_NOATIME | MOUNT_ATTR_NODIRATIME},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        parse(cases[i].list);
        if (o.set != cases[i].set || o.clear != MOUNT_ATTR__ATIME)
            fail_msg("%s: %jx %jx", cases[i].list, (uintmax_t)o.set, (uintmax_t)o.clear);
    }
    parse("rnoatime,rstrictatime");
    assert_int_equal(o.rec_set, MOUNT_ATTR_STRICTATIME);
    assert_int_equal(o.rec_clear, MOUNT_ATTR__ATIME);
    assert_int_equal(o.set | o.clear, 0);
}

static void the_rest_is_data(void **state)
{
    (void)state;
    parse("size=64k,nosuid,mode=0755,,huge,RO,ro=1,rnosuidx");
    assert_int_equal(o.data_n, 6);
    assert_string_equal(o.data[0], "size=64k");
    assert_string_equal(o.data[1], "mode=0755");
    assert_string_equal(o.data[2], "huge");
    assert_string_equal(o.data[3], "RO");
    assert_string_equal(o.data[4], "ro=1");
    assert_string_equal(o.data[5], "rnosuidx");
    assert_null(o.data[6]);
    assert_int_equal(o.set, MOUNT_ATTR_NOSUID);

    struct err err = ERR_INIT;
    assert_int_equal(mount_options_parse(NULL, 0, arena, &o, &err), 0);
    assert_int_equal(o.data_n, 0);
    assert_null(o.data[0]);
}

static void idmap_never_is_data(void **state)
{
    (void)state;
    parse("idmap");
    assert_true(o.idmap && !o.ridmap && o.idmap_value == NULL);
    parse("idmap=uids=0-1-10");
    assert_true(o.idmap && o.data_n == 0);
    assert_string_equal(o.idmap_value, "uids=0-1-10");
    parse("ridmap=x");
    assert_true(o.ridmap && !o.idmap && o.data_n == 0);
    assert_string_equal(o.idmap_value, "x");
}

static void propagation_keeps_its_order(void **state)
{
    struct err err = ERR_INIT;
    bool recursive = true;

    (void)state;
    parse("rslave,shared,rbind,rprivate");
    assert_int_equal(o.propagation_n, 3);
    assert_int_equal(o.propagation[0], OCI_PROPAGATION_RSLAVE);
    assert_int_equal(o.propagation[1], OCI_PROPAGATION_SHARED);
    assert_int_equal(o.propagation[2], OCI_PROPAGATION_RPRIVATE);
    parse("private,private,private,private,private");
    assert_int_equal(o.propagation_n, 1);
    assert_int_equal(try_parse("private,shared,slave,rslave,rshared", &err), -1);
    assert_non_null(strstr(err.text, "propagation"));

    assert_int_equal(mount_propagation_flags(OCI_PROPAGATION_SLAVE, &recursive), MS_SLAVE);
    assert_false(recursive);
    assert_int_equal(mount_propagation_flags(OCI_PROPAGATION_RSHARED, &recursive), MS_SHARED);
    assert_true(recursive);
    assert_int_equal(mount_propagation_flags(OCI_PROPAGATION_UNSET, &recursive), 0);
}

static int setup(void **state)
{
    (void)state;
    arena = oci_arena_new();
    return arena == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    oci_arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name),
        cmocka_unit_test(names_are_complete),
        cmocka_unit_test(later_overrides_earlier),
        cmocka_unit_test(atime_is_one_field),
        cmocka_unit_test(the_rest_is_data),
        cmocka_unit_test(idmap_never_is_data),
        cmocka_unit_test(propagation_keeps_its_order),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
