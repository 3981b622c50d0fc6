/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroups: the pure parts against golden texts: hierarchies, places, conversions, checks. What
 * needs the machine's hierarchies is in test_cgroup_live.c.
 */
#include "base/util.h"
#include "cgroup/internal.h"
#include "tests/unit/fixture.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- hierarchies ---- */

static const char hybrid_mounts[] =
    "23 1 254:0 / / rw,relatime - ext4 /dev/root rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";
static const char hybrid_own[] = "9:name=systemd:/user.slice\n4:memory:/api/x:y\n1:cpu:/\n0::/\n";

static const char v1_mounts[] =
    "1 0 0:1 / / rw - ext4 /dev/root rw\n"
    "2 1 0:2 / /mnt/other rw - cgroup cgroup rw,cpu,cpuacct\n"
    "3 1 0:2 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "4 1 0:3 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset,clone_children\n"
    "5 1 0:4 / /sys/fs/cgroup/odd\\040name\\134x rw - cgroup  rw,pids\n"
    "6 1 0:5 / /sys/fs/cgroup/perf rw - cgroup cgroup rw,perf_event\n";
static const char v1_own[] = "4:pids:/\n3:cpuset:/\n2:cpu,cpuacct:/a/b\n";

static const char v2_mounts[] = "1 0 0:1 / / rw - ext4 /dev/root rw\n"
                                "2 1 0:2 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n";

static const char container_mounts[] =
    "5 1 0:9 /docker/abc /sys/fs/cgroup/memory ro master:3 - cgroup cgroup rw,memory\n"
    "6 1 0:8 /docker/abc /sys/fs/cgroup/pids ro master:3 - cgroup cgroup rw,pids\n"
    "7 1 0:7 /docker/a /sys/fs/cgroup/freezer ro master:3 - cgroup cgroup rw,freezer\n";
static const char container_own[] =
    "3:memory:/docker/abc\n2:pids:/docker/abc/below\n1:freezer:/docker/abc\n0::/x\n";

static struct cgroup_machine machine_of(const char *mounts, const char *own)
{
    struct cgroup_machine m;

    assert_int_equal(cgroup_machine_parse(mounts, own, arena, &m, &e), 0);
    return m;
}

static void check_machine(const char *mounts, const char *own, const char *golden)
{
    struct cgroup_machine m = machine_of(mounts, own);
    char text[4096] = "";
    size_t len = 0;

    for (size_t i = 0; i < m.n; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s|%s|%s|%s|%d\n",
                                m.list[i].controllers, m.list[i].mount, m.list[i].root,
                                m.list[i].own, m.list[i].v2);
    assert_string_equal(text, golden);
}

static void test_machine(void **state)
{
    (void)state;
    check_machine(hybrid_mounts, hybrid_own,
                  "cpu|/sys/fs/cgroup/cpu|/|/|0\n"
                  "memory|/sys/fs/cgroup/memory|/|/api/x:y|0\n"
                  "name=systemd|/sys/fs/cgroup/systemd|/|/user.slice|0\n"
                  "|/sys/fs/cgroup/unified|/|/|1\n");
    /* Co-mounted, twice mounted, escaped, without a source, without a line in /proc/self/cgroup. */
    check_machine(v1_mounts, v1_own,
                  "cpu,cpuacct|/sys/fs/cgroup/cpu,cpuacct|/|/a/b|0\n"
                  "cpuset|/sys/fs/cgroup/cpuset|/|/|0\n"
                  "pids|/sys/fs/cgroup/odd name\\x|/|/|0\n");
    check_machine(v2_mounts, "0::/user.slice/x.scope\n",
                  "|/sys/fs/cgroup|/|/user.slice/x.scope|1\n");
    /* The mount shows a part of the hierarchy: own is below it, is it, is outside of it. */
    check_machine(container_mounts, container_own,
                  "memory|/sys/fs/cgroup/memory|/docker/abc|/|0\n"
                  "pids|/sys/fs/cgroup/pids|/docker/abc|/below|0\n"
                  "freezer|/sys/fs/cgroup/freezer|/docker/a|/|0\n");
    /* A part mounted over the whole hides it; one beside it does not. */
    check_machine("30 20 0:9 / /sys/fs/cgroup rw - cgroup2 none rw\n"
                  "31 30 0:9 /limited /sys/fs/cgroup rw - cgroup2 none rw\n"
                  "32 30 0:9 /other /sys/fs/cgroup/other rw - cgroup2 none rw\n",
                  "0::/limited/me\n", "|/sys/fs/cgroup|/limited|/me|1\n");
    check_machine("", "", "");
    check_machine("garbage - cgroup\n\n1 2 3 - cgroup x", "::\nx\n1:cpu\n", "");
}

static void test_controllers(void **state)
{
    (void)state;
    assert_true(cgroup_has_controller("cpu,cpuacct", "cpuacct"));
    assert_true(cgroup_has_controller("cpu", "cpu"));
    assert_false(cgroup_has_controller("cpuset", "cpu"));
    assert_false(cgroup_has_controller("cpu", "cpuset"));
    assert_false(cgroup_has_controller("", "cpu"));
    assert_false(cgroup_has_controller(NULL, "cpu"));
}

/* ---- places ---- */

static void check_plan(const char *mounts, const char *own, const char *path, const char *golden)
{
    struct cgroup_machine m = machine_of(mounts, own);
    struct cgroup_record r = {.driver = CGROUP_CGROUPFS};
    char text[4096] = "";
    size_t len = 0;

    if (cgroup_plan_on(&m, path, "ID", arena, &r, &e) < 0) {
        assert_string_equal(e.text, golden);
        return;
    }
    for (size_t i = 0; i < r.places_n; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s\n", r.places[i].mount,
                                r.places[i].path);
    assert_string_equal(text, golden);
}

static void test_plan(void **state)
{
    char name[NAME_MAX + 2];

    (void)state;
    check_plan(hybrid_mounts, hybrid_own, NULL,
               "/sys/fs/cgroup/cpu/ID\n/sys/fs/cgroup/memory/ID\n"
               "/sys/fs/cgroup/systemd/ID\n/sys/fs/cgroup/unified/ID\n");
    check_plan(v2_mounts, "0::/own\n", "", "/sys/fs/cgroup/ID\n");
    check_plan(v2_mounts, "0::/own\n", "//a/./b//", "/sys/fs/cgroup/a/b\n");
    check_plan(v2_mounts, "0::/own\n", "a/b", "/sys/fs/cgroup/own/a/b\n");
    check_plan(container_mounts, container_own, "x",
               "/sys/fs/cgroup/memory/x\n/sys/fs/cgroup/pids/below/x\n/sys/fs/cgroup/freezer/x\n");
    check_plan(v2_mounts, "0::/\n", "/a/../b", "linux.cgroupsPath: \"/a/../b\" holds \"..\"");
    check_plan(v2_mounts, "0::/\n", "..", "linux.cgroupsPath: \"..\" holds \"..\"");
    check_plan(v2_mounts, "0::/\n", "/", "linux.cgroupsPath: \"/\" is the root cgroup");
    check_plan(v2_mounts, "0::/own\n", "./", "linux.cgroupsPath: \"./\" is the root cgroup");
    check_plan(v2_mounts, "0::/\n", "/a..b/...", "/sys/fs/cgroup/a..b/...\n");
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_null(cgroup_path_normalise(name, arena, &e));
    name[NAME_MAX] = '\0';
    assert_non_null(cgroup_path_normalise(name, arena, &e));
    assert_null(cgroup_path_normalise("a\nb", arena, &e));
}

static void test_drivers(void **state)
{
    struct cgroup_record r;

    (void)state;
    assert_int_equal(cgroup_plan("/x", "ID", CGROUP_DISABLED, arena, &r, &e), 0);
    assert_int_equal(r.places_n, 0);
    assert_int_equal(cgroup_prepare(&r, &e), 0);
    assert_int_equal(cgroup_enter(&r, 1, CGROUP_ALL, &e), 0);
    assert_int_equal(cgroup_v2_fd(&r), -1);
    assert_int_equal(cgroup_frozen(&r), -1);
    assert_int_equal(cgroup_oom_killed(&r, NULL, 0), -1);
    assert_int_equal(cgroup_remove(&r, true, &e), 0);
    assert_int_equal(cgroup_signal_all(&r, SIGKILL, &e), -1);
    assert_non_null(strstr(e.text, "cgroups are disabled"));
    assert_int_equal(cgroup_freeze(&r, true, &e), -1);
}

static void test_record(void **state)
{
    struct cgroup_place places[] = {
        {.controllers = "cpu,cpuacct", .mount = "/m", .path = "/p", .created = true, .dir = 7},
        {.controllers = "", .mount = "/u", .path = "/q", .v2 = true},
    };
    struct cgroup_record r = {.driver = CGROUP_CGROUPFS, .places = places, .places_n = 2}, back;
    struct oci_diag diag;
    size_t len;
    char *text = oci_encode(&cgroup_record_table, &r, OCI_STYLE_COMPACT, &len);

    (void)state;
    assert_non_null(text);
    assert_int_equal(oci_decode(&cgroup_record_table, &back, text, len, arena, NULL, NULL, &diag),
                     0);
    free(text);
    assert_int_equal(back.driver, CGROUP_CGROUPFS);
    assert_int_equal(back.places_n, 2);
    assert_string_equal(back.places[0].controllers, "cpu,cpuacct");
    assert_true(back.places[0].created && !back.places[0].v2);
    assert_int_equal(back.places[0].dir, 0);
    assert_true(back.places[1].v2 && !back.places[1].created);
    assert_ptr_equal(cgroup_place_of(&back, ""), &back.places[1]);
    assert_ptr_equal(cgroup_place_of(&back, "cpu"), &back.places[0]);
}

/* ---- conversions ---- */

static char *writes_text(const struct cgroup_writes *w)
{
    static char text[16384];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < w->n; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s %s/%s=%s%s\n", w->list[i].member,
                                w->list[i].controller, w->list[i].file, w->list[i].value,
                                w->list[i].phase == CGROUP_LATE ? " late" : "");
    return text;
}

static char *convert_text(const struct oci_resources *r)
{
    struct cgroup_writes w;

    assert_int_equal(cgroup_convert(r, 0, arena, &w, &e), 0);
    return writes_text(&w);
}

static void test_convert_all(void **state)
{
    struct oci_memory m = {
        .limit = I64(1 << 20),
        .reservation = I64(4096),
        .swap = I64(2 << 20),
        .kernel = I64(8192),
        .kernel_tcp = I64(-1),
        .swappiness = U64(0),
        .disable_oom_killer = BOOL(true),
        .use_hierarchy = BOOL(true),
        .check_before_update = BOOL(true),
    };
    struct oci_cpu c = {
        .shares = U64(1024),
        .quota = I64(50000),
        .burst = U64(0),
        .period = U64(100000),
        .realtime_runtime = I64(1000),
        .realtime_period = U64(2000),
        .cpus = "0-1",
        .mems = "0",
        .idle = I64(1),
    };
    struct oci_pids p = {.limit = I64(0)};
    struct oci_resources r = {.memory = &m, .cpu = &c, .pids = &p};

    (void)state;
    assert_string_equal(convert_text(&r),
                        "cpu.shares cpu/cpu.shares=1024\n"
                        "cpu.idle cpu/cpu.idle=1\n"
                        "cpu.period cpu/cpu.cfs_period_us=100000\n"
                        "cpu.quota cpu/cpu.cfs_quota_us=50000\n"
                        "cpu.burst cpu/cpu.cfs_burst_us=0\n"
                        "cpu.realtimePeriod cpu/cpu.rt_period_us=2000\n"
                        "cpu.realtimeRuntime cpu/cpu.rt_runtime_us=1000\n"
                        "cpu.cpus cpuset/cpuset.cpus=0-1\n"
                        "cpu.mems cpuset/cpuset.mems=0\n"
                        "memory.useHierarchy memory/memory.use_hierarchy=1\n"
                        "memory.swappiness memory/memory.swappiness=0\n"
                        "memory.kernel memory/memory.kmem.limit_in_bytes=8192\n"
                        "memory.kernelTCP memory/memory.kmem.tcp.limit_in_bytes=-1\n"
                        "memory.disableOOMKiller memory/memory.oom_control=1 late\n"
                        "memory.limit memory/memory.limit_in_bytes=1048576 late\n"
                        "memory.swap memory/memory.memsw.limit_in_bytes=2097152 late\n"
                        "memory.reservation memory/memory.soft_limit_in_bytes=4096 late\n"
                        "pids.limit pids/pids.max=0 late\n");
    c.idle = I64(0);
    r.memory = NULL;
    r.pids = NULL;
    assert_non_null(strstr(convert_text(&r), "cpu.idle cpu/cpu.idle=0\ncpu.shares"));
}

static void test_convert_unset(void **state)
{
    struct oci_memory m = {
        .limit = I64(0), .reservation = I64(0), .swap = I64(0), .kernel = I64(0)};
    struct oci_cpu c = {
        .shares = U64(0), .quota = I64(0), .period = U64(0), .cpus = "", .mems = ""};
    struct oci_pids p = {.limit = {.set = false}};
    struct oci_resources r = {.memory = &m, .cpu = &c, .pids = &p};

    (void)state;
    assert_string_equal(convert_text(&r), "");
    assert_string_equal(convert_text(NULL), "");
    m.limit = I64(-1);
    assert_string_equal(convert_text(&r),
                        "memory.limit memory/memory.limit_in_bytes=-1 late\n"
                        "memory.swap memory/memory.memsw.limit_in_bytes=-1 late\n");
}

static void test_convert_ranges(void **state)
{
    static const int64_t values[] = {
        INT64_MIN, -2, -1, 1, 2, 1023, 1024, 262144, 262145, INT32_MAX, (int64_t)UINT32_MAX + 1,
        INT64_MAX};
    struct oci_memory m = {.limit = {.set = false}};
    struct oci_cpu c = {.shares = {.set = false}};
    struct oci_pids p = {.limit = {.set = false}};
    struct oci_resources r = {.memory = &m, .cpu = &c, .pids = &p};
    char want[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        int64_t v = values[i];

        m = (struct oci_memory){.swap = I64(v), .reservation = I64(v)};
        c = (struct oci_cpu){.quota = I64(v), .shares = U64((uint64_t)v)};
        snprintf(want, sizeof want,
                 "cpu.shares cpu/cpu.shares=%" PRIu64 "\n"
                 "cpu.quota cpu/cpu.cfs_quota_us=%" PRId64 "\n"
                 "memory.swap memory/memory.memsw.limit_in_bytes=%" PRId64 " late\n"
                 "memory.reservation memory/memory.soft_limit_in_bytes=%" PRId64 " late\n",
                 (uint64_t)v, v, v, v);
        assert_string_equal(convert_text(&r), want);
    }
    r = (struct oci_resources){.pids = &p};
    for (int64_t v = -300; v < 5000; v++) {
        p.limit = I64(v);
        snprintf(want, sizeof want, "pids.limit pids/pids.max=%" PRId64 " late\n", v);
        assert_string_equal(convert_text(&r), v < 0 ? "pids.limit pids/pids.max=max late\n" : want);
    }
}

/* ---- device rules ---- */

#define ADDED_BUT_NULL                                                                             \
    "devices devices/devices.allow=c 1:5 rwm\ndevices devices/devices.allow=c 1:7 rwm\n"           \
    "devices devices/devices.allow=c 1:8 rwm\ndevices devices/devices.allow=c 1:9 rwm\n"           \
    "devices devices/devices.allow=c 5:0 rwm\ndevices devices/devices.allow=c 5:2 rwm\n"           \
    "devices devices/devices.allow=c 136:* rwm\ndevices devices/devices.allow=c 10:200 rwm\n"
#define MKNOD "devices devices/devices.allow=c *:* m\ndevices devices/devices.allow=b *:* m\n"
#define ADDED MKNOD "devices devices/devices.allow=c 1:3 rwm\n" ADDED_BUT_NULL

static char *devices_text(const struct oci_device_rule *rules, size_t n)
{
    struct oci_resources r = {.devices = (struct oci_device_rule *)rules, .devices_n = n};

    return convert_text(&r);
}

static void test_devices(void **state)
{
    enum { R = OCI_ACCESS_READ, W = OCI_ACCESS_WRITE, M = OCI_ACCESS_MKNOD };
    const struct oci_device_rule deny_all = {.allow = false, .access = R | W | M};
    const struct oci_device_rule allow_all = {.allow = true};
    const struct oci_device_rule null = {.allow = true,
                                         .type = OCI_RULE_CHAR,
                                         .major = I64(1),
                                         .minor = I64(3),
                                         .access = R | W | M};
    const struct oci_device_rule disk = {
        .allow = true, .type = OCI_RULE_BLOCK, .major = I64(8), .minor = I64(-1), .access = R};
    const struct oci_device_rule both = {.allow = false, .major = I64(0), .access = W};
    const struct oci_device_rule bad = {
        .allow = true, .type = OCI_RULE_CHAR, .major = I64(-2), .access = R};
    const struct oci_device_rule wide = {
        .allow = true, .type = OCI_RULE_CHAR, .major = I64(UINT32_MAX - 1), .minor = I64(1)};

    (void)state;
    assert_string_equal(devices_text(NULL, 0), "");
    assert_string_equal(devices_text(&deny_all, 1), "devices[0] devices/devices.deny=a\n" ADDED);
    assert_string_equal(devices_text(&allow_all, 1), "devices[0] devices/devices.allow=a\n");
    assert_string_equal(devices_text((struct oci_device_rule[]){deny_all, disk, null}, 3),
                        "devices[0] devices/devices.deny=a\n"
                        "devices[1] devices/devices.allow=b 8:* r\n"
                        "devices[2] devices/devices.allow=c 1:3 rwm\n" MKNOD ADDED_BUT_NULL);
    /* A deny after it takes the user's own entry away again. */
    assert_string_equal(devices_text((struct oci_device_rule[]){null, deny_all}, 2),
                        "devices[0] devices/devices.allow=c 1:3 rwm\n"
                        "devices[1] devices/devices.deny=a\n" ADDED);
    assert_string_equal(devices_text((struct oci_device_rule[]){deny_all, allow_all, null}, 3),
                        "devices[0] devices/devices.deny=a\ndevices[1] devices/devices.allow=a\n"
                        "devices[2] devices/devices.allow=c 1:3 rwm\n");
    /* Type a with a number is not "a" to the kernel. */
    assert_string_equal(devices_text((struct oci_device_rule[]){allow_all, both}, 2),
                        "devices[0] devices/devices.allow=a\n"
                        "devices[1] devices/devices.deny=c 0:* w\n"
                        "devices[1] devices/devices.deny=b 0:* w\n" ADDED);
    assert_non_null(strstr(devices_text(&wide, 1), "c 4294967294:1 rwm"));

    struct oci_resources r = {.devices = (struct oci_device_rule *)&bad, .devices_n = 1};
    struct cgroup_writes w;

    assert_int_equal(cgroup_convert(&r, 0, arena, &w, &e), -1);
    assert_string_equal(e.text, "linux.resources.devices[0].major: -2 is not a device number");
    /* to the kernel that one is any */
    r.devices = (struct oci_device_rule[]){{.allow = true, .minor = I64(UINT32_MAX)}};
    assert_int_equal(cgroup_convert(&r, 0, arena, &w, &e), -1);
    assert_string_equal(e.text,
                        "linux.resources.devices[0].minor: 4294967295 is not a device number");
}

/* What the kernel would pass over in silence: a line that takes away what is not there in the same
 * words. */
static void test_devices_taken_away(void **state)
{
    enum { R = OCI_ACCESS_READ, W = OCI_ACCESS_WRITE, M = OCI_ACCESS_MKNOD };
    const struct oci_device_rule deny_all = {.allow = false}, allow_all = {.allow = true};
    struct oci_device_rule one = {true, OCI_RULE_CHAR, I64(10), I64(229), R | W};
    struct oci_device_rule major = {false, OCI_RULE_CHAR, I64(10), I64(-1), W};
    struct oci_device_rule every = {false, OCI_RULE_ALL, I64(-1), I64(-1), R | W};
    struct cgroup_writes w;
    struct oci_resources r;

    (void)state;
    /* of a whole major, and of all majors: what is there of it */
    assert_string_equal(devices_text((struct oci_device_rule[]){deny_all, one, major}, 3),
                        "devices[0] devices/devices.deny=a\n"
                        "devices[1] devices/devices.allow=c 10:229 rw\n"
                        "devices[2] devices/devices.deny=c 10:229 w\n" ADDED);
    assert_string_equal(devices_text((struct oci_device_rule[]){deny_all, one, major, every}, 4),
                        "devices[0] devices/devices.deny=a\n"
                        "devices[1] devices/devices.allow=c 10:229 rw\n"
                        "devices[2] devices/devices.deny=c 10:229 w\n"
                        "devices[3] devices/devices.deny=c 10:229 r\n"
                        "devices[3] devices/devices.deny=b *:* rw\n" ADDED);
    /* the other way round */
    one.allow = false;
    major.allow = true;
    assert_string_equal(devices_text((struct oci_device_rule[]){allow_all, one, major}, 3),
                        "devices[0] devices/devices.allow=a\n"
                        "devices[1] devices/devices.deny=c 10:229 rw\n"
                        "devices[2] devices/devices.allow=c 10:229 w\n" ADDED);
    /* another type, and an access that is not there */
    one = (struct oci_device_rule){true, OCI_RULE_BLOCK, I64(10), I64(-1), R};
    major = (struct oci_device_rule){false, OCI_RULE_CHAR, I64(10), I64(3), R};
    every = (struct oci_device_rule){false, OCI_RULE_BLOCK, I64(10), I64(3), W | M};
    assert_string_equal(devices_text((struct oci_device_rule[]){deny_all, one, major, every}, 4),
                        "devices[0] devices/devices.deny=a\n"
                        "devices[1] devices/devices.allow=b 10:* r\n"
                        "devices[2] devices/devices.deny=c 10:3 r\n"
                        "devices[3] devices/devices.deny=b 10:3 wm\n" ADDED);
    /* a hole in a wildcard, one way and the other */
    every.access = R;
    for (int open = 0; open < 2; open++) {
        struct oci_device_rule rules[] = {open ? allow_all : deny_all, one, every};

        rules[1].allow = !open;
        rules[2].allow = open;
        r = (struct oci_resources){.devices = rules, .devices_n = 3};
        assert_int_equal(cgroup_convert(&r, 0, arena, &w, &e), 0);
        assert_int_equal(cgroup_check_holes(&w, &e), -1);
        assert_string_equal(
            e.text, "linux.resources.devices[2]: the devices controller of cgroup v1 cannot "
                    "take \"b 10:3 r\" out of the \"b 10:*\" of linux.resources.devices[1]");
        assert_string_equal(e.object, "linux.resources.devices[2]");
        e = (struct err)ERR_INIT;
        /* once nothing of it is left, it does not matter */
        r.devices = (struct oci_device_rule[]){rules[0], rules[1], rules[2], deny_all};
        r.devices_n = 4;
        assert_int_equal(cgroup_convert(&r, 0, arena, &w, &e), 0);
        assert_int_equal(cgroup_check_holes(&w, &e), 0);
        r.devices_n = 3;
        /* v2 has no such trouble */
        assert_int_equal(cgroup_convert(&r, CGROUP_ALL_V2, arena, &w, &e), 0);
        assert_int_equal(cgroup_check_holes(&w, &e), 0);
    }
}

/* What an update, or a list that does not begin with everything, takes from what is there. */
static void test_devices_go_on(void **state)
{
    struct oci_device_rule major = {false, OCI_RULE_CHAR, I64(1), I64(-1),
                                    OCI_ACCESS_READ | OCI_ACCESS_WRITE};
    struct oci_device_rule one = {false, OCI_RULE_CHAR, I64(1), I64(11), OCI_ACCESS_READ};
    struct oci_resources r = {.devices = &major, .devices_n = 1};
    struct cgroup_writes w;

    (void)state;
    assert_int_equal(cgroup_convert_from(&r, 0, "c 1:11 rwm\nb 1:2 rwm\nc 1:4 r", arena, &w, &e),
                     0);
    assert_int_equal(cgroup_check_holes(&w, &e), 0);
    assert_string_equal(writes_text(&w), "devices[0] devices/devices.deny=c 1:11 rw\n"
                                         "devices[0] devices/devices.deny=c 1:4 r\n" ADDED);
    /* everything is allowed: it is taken from that; and so it is when nobody knows */
    for (int known = 0; known < 2; known++) {
        assert_int_equal(cgroup_convert_from(&r, 0, known ? "a *:* rwm" : NULL, arena, &w, &e), 0);
        assert_string_equal(writes_text(&w), "devices[0] devices/devices.deny=c 1:* rw\n" ADDED);
    }
    r.devices = &one;
    assert_int_equal(cgroup_convert_from(&r, 0, "b *:* m\nc *:* rwm", arena, &w, &e), 0);
    assert_int_equal(cgroup_check_holes(&w, &e), -1);
    assert_string_equal(e.text,
                        "linux.resources.devices[0]: the devices controller of cgroup v1 cannot "
                        "take \"c 1:11 r\" out of the \"c *:*\" that the cgroup has");
    e = (struct err)ERR_INIT;
    /* Making nodes, and terminals, are in every list: nothing is taken from these. */
    one = (struct oci_device_rule){false, OCI_RULE_CHAR, I64(1), I64(11), 0};
    assert_int_equal(cgroup_convert_from(&r, 0, "c *:* m\nc 1:11 r\nb *:* m", arena, &w, &e), 0);
    assert_int_equal(cgroup_check_holes(&w, &e), 0);
    assert_string_equal(writes_text(&w), "devices[0] devices/devices.deny=c 1:11 r\n" ADDED);
    one.major = I64(136);
    assert_int_equal(cgroup_convert_from(&r, 0, "c 136:* rwm", arena, &w, &e), 0);
    assert_int_equal(cgroup_check_holes(&w, &e), 0);
    assert_string_equal(writes_text(&w), "devices[0] devices/devices.deny=c 136:11 rwm\n" ADDED);
}

static void test_devices_access(void **state)
{
    static const char *const want[] = {"rwm", "r", "w", "rw", "m", "rm", "wm", "rwm"};

    (void)state;
    for (uint32_t access = 0; access < ARRAY_SIZE(want); access++) {
        struct oci_device_rule rule = {
            .type = OCI_RULE_CHAR, .major = I64(4), .minor = I64(64), .access = access};
        char line[128];

        snprintf(line, sizeof line, "devices[0] devices/devices.deny=c 4:64 %s\n", want[access]);
        assert_memory_equal(devices_text(&rule, 1), line, strlen(line));
    }
}

/* ---- checks ---- */

static void check_refused(const char *mounts, const char *own, const struct oci_resources *r,
                          enum cgroup_driver driver, const char *golden)
{
    struct cgroup_machine m = machine_of(mounts, own);
    int failed = cgroup_check_on(&m, r, driver, &e);

    assert_int_equal(failed, golden ? -1 : 0);
    if (golden)
        assert_string_equal(e.text, golden);
}

static const char v2_own[] = "0::/\n";

static void test_check(void **state)
{
    struct oci_memory m = {.limit = I64(4096)};
    struct oci_pids p = {.limit = I64(5)};
    struct oci_device_rule deny = {.allow = false};
    struct oci_block_io io = {.weight = U64(0)};
    struct oci_network net = {.class_id = U64(3)};
    struct oci_pair unified = {.key = "x.y", .value = "1"};
    struct oci_hugepage_limit huge = {.page_size = "2MB"};
    struct oci_rdma rdma = {.device = "mlx5", .hca_handles = U64(3)};
    struct oci_resources r = {.memory = &m};

    (void)state;
    check_refused(hybrid_mounts, hybrid_own, NULL, CGROUP_CGROUPFS, NULL);
    check_refused(hybrid_mounts, hybrid_own, &r, CGROUP_CGROUPFS, NULL);
    check_refused(hybrid_mounts, hybrid_own, &r, CGROUP_SYSTEMD, NULL);
    check_refused(hybrid_mounts, hybrid_own, &r, CGROUP_DISABLED,
                  "linux.resources.memory.limit: cgroups are disabled");
    check_refused("", "", &r, CGROUP_CGROUPFS,
                  "linux.resources.memory.limit: no memory cgroup hierarchy is mounted");
    r = (struct oci_resources){.pids = &p};
    check_refused(container_mounts, "2:pids:/docker/abc/below\n", &r, CGROUP_CGROUPFS, NULL);
    check_refused(v1_mounts, v1_own, &r, CGROUP_CGROUPFS, NULL);
    r = (struct oci_resources){.devices = &deny, .devices_n = 1};
    check_refused(hybrid_mounts, hybrid_own, &r, CGROUP_DISABLED, NULL);
    check_refused(v2_mounts, v2_own, &r, CGROUP_CGROUPFS, NULL);
    r = (struct oci_resources){.block_io = &io};
    check_refused(v2_mounts, v2_own, &r, CGROUP_CGROUPFS, NULL);
    io.weight = U64(10);
    check_refused(v1_mounts, v1_own, &r, CGROUP_CGROUPFS,
                  "linux.resources.blockIO.weight: no blkio cgroup hierarchy is mounted");
    check_refused(v1_mounts, v1_own, &r, CGROUP_DISABLED,
                  "linux.resources.blockIO.weight: cgroups are disabled");
    r = (struct oci_resources){.network = &net};
    check_refused(v1_mounts, v1_own, &r, CGROUP_UNSET,
                  "linux.resources.network.classID: no net_cls cgroup hierarchy is mounted");
    check_refused(v2_mounts, v2_own, &r, CGROUP_UNSET,
                  "linux.resources.network.classID: cannot be converted to cgroup v2");
    r = (struct oci_resources){.unified = &unified, .unified_n = 1};
    check_refused(v1_mounts, v1_own, &r, CGROUP_UNSET,
                  "linux.resources.unified.x.y: no cgroup v2 hierarchy is mounted");
    check_refused(v1_mounts, v1_own, &r, CGROUP_DISABLED,
                  "linux.resources.unified.x.y: cgroups are disabled");
    unified.key = "memory.max";
    check_refused(hybrid_mounts, hybrid_own, &r, CGROUP_UNSET,
                  "linux.resources.unified.memory.max: the memory controller is mounted as cgroup "
                  "v1 on this machine");
    r = (struct oci_resources){.hugepage_limits = &huge, .hugepage_limits_n = 1};
    check_refused(v1_mounts, v1_own, &r, CGROUP_UNSET,
                  "linux.resources.hugepageLimits[0]: no hugetlb cgroup hierarchy is mounted");
    r = (struct oci_resources){.rdma = &rdma, .rdma_n = 1};
    check_refused(v1_mounts, v1_own, &r, CGROUP_UNSET,
                  "linux.resources.rdma.mlx5: no rdma cgroup hierarchy is mounted");
}

/* A v2 hierarchy that has these controllers at its top. */
static void check_v2(const char *available, const struct oci_resources *r, const char *golden)
{
    struct cgroup_machine m = machine_of(v2_mounts, v2_own);
    int failed;

    m.list[0].available = available;
    failed = cgroup_check_on(&m, r, CGROUP_CGROUPFS, &e);
    assert_int_equal(failed, golden ? -1 : 0);
    if (golden)
        assert_string_equal(e.text, golden);
}

static void test_check_v2(void **state)
{
    struct oci_memory m = {.limit = I64(4096)};
    struct oci_pair unified = {.key = "cgroup.max.depth", .value = "1"};
    struct oci_resources r = {.memory = &m};

    (void)state;
    check_v2("cpu memory pids", &r, NULL);
    check_v2("cpu pids", &r,
             "linux.resources.memory.limit: there is no memory controller: not mounted as v1, not "
             "in /sys/fs/cgroup/cgroup.controllers");
    r = (struct oci_resources){.unified = &unified, .unified_n = 1};
    check_v2("", &r, NULL);
    unified.key = "misc.max";
    check_v2("cpu misc", &r, NULL);
    check_v2("cpu", &r,
             "linux.resources.unified.misc.max: there is no misc controller: not mounted as v1, "
             "not in /sys/fs/cgroup/cgroup.controllers");
}

static void test_check_values(void **state)
{
    struct oci_memory m = {.limit = I64(20), .swap = I64(10)};
    struct oci_cpu c = {.quota = I64(1000), .burst = U64(1001)};
    struct oci_resources r = {.memory = &m};

    (void)state;
    check_refused(hybrid_mounts, hybrid_own, &r, CGROUP_CGROUPFS,
                  "linux.resources.memory.swap: 10 is less than memory.limit 20 (it is memory plus "
                  "swap)");
    m.swap = I64(-1);
    check_refused(hybrid_mounts, hybrid_own, &r, CGROUP_CGROUPFS, NULL);
    r = (struct oci_resources){.cpu = &c};
    check_refused(hybrid_mounts, hybrid_own, &r, CGROUP_CGROUPFS,
                  "linux.resources.cpu.burst: 1001 is more than cpu.quota 1000");
    c.burst = U64(1000);
    check_refused(hybrid_mounts, hybrid_own, &r, CGROUP_CGROUPFS, NULL);
    c = (struct oci_cpu){.quota = I64(-1), .burst = U64(5)};
    check_refused(hybrid_mounts, hybrid_own, &r, CGROUP_CGROUPFS, NULL);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_machine),       TEST(test_controllers),
        TEST(test_plan),          TEST(test_drivers),
        TEST(test_record),        TEST(test_convert_all),
        TEST(test_convert_unset), TEST(test_convert_ranges),
        TEST(test_devices),       TEST(test_devices_taken_away),
        TEST(test_devices_go_on), TEST(test_devices_access),
        TEST(test_check),         TEST(test_check_v2),
        TEST(test_check_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
