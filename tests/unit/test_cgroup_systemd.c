/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pure parts of the systemd driver: linux.cgroupsPath as a unit, linux.resources as properties
 * for v1 and v2 and for managers of several versions, what systemd makes of a quota over the whole
 * range of it, the device list of v1, and annotations as typed values.
 */
#include "base/util.h"
#include "cgroup/systemd.h"
#include "tests/unit/fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096

/* ---- units ---- */

static void unit(const char *path, const char *id, bool user, const char *want)
{
    struct systemd_unit u;
    char text[1024];

    assert_int_equal(systemd_unit_parse(path, id, user, arena, &u, &e), 0);
    snprintf(text, sizeof text, "%s %s %s%s", u.slice, u.name, u.cgroup,
             u.is_slice ? " slice" : "");
    assert_string_equal(text, want);
}

static void no_unit(const char *path, const char *id, const char *want)
{
    struct systemd_unit u;

    e = (struct err)ERR_INIT;
    assert_int_equal(systemd_unit_parse(path, id, false, arena, &u, &e), -1);
    assert_string_equal(e.text, want);
    assert_string_equal(e.object, "linux.cgroupsPath");
}

static void test_units(void **state)
{
    (void)state;
    unit(NULL, "c1", false, "system.slice ocirun-c1.scope /system.slice/ocirun-c1.scope");
    unit("", "c1", true, "user.slice ocirun-c1.scope /user.slice/ocirun-c1.scope");
    unit("::", "c1", false, "system.slice c1.scope /system.slice/c1.scope");
    unit(":runc:c2", "c1", false, "system.slice runc-c2.scope /system.slice/runc-c2.scope");
    unit("machine.slice:libpod:abc", "c1", false,
         "machine.slice libpod-abc.scope /machine.slice/libpod-abc.scope");
    unit("a-b-c.slice:cri-containerd:x", "c1", false,
         "a-b-c.slice cri-containerd-x.scope "
         "/a.slice/a-b.slice/a-b-c.slice/cri-containerd-x.scope");
    unit("-.slice:p:x", "c1", false, "-.slice p-x.scope /p-x.scope");
    unit("-:p:x", "c1", false, "-.slice p-x.scope /p-x.scope");
    unit("a.slice:p:", "c1", false, "a.slice p-c1.scope /a.slice/p-c1.scope");
    unit("a.slice:p:x.scope", "c1", false, "a.slice p-x.scope /a.slice/p-x.scope");
    unit("a.slice:p:pods-one.slice", "c1", false,
         "a.slice pods-one.slice /pods.slice/pods-one.slice slice");
    unit(NULL, "a+b", false,
         "system.slice ocirun-a\\x2bb.scope /system.slice/ocirun-a\\x2bb.scope");
    unit("::_x", "c1", false, "system.slice _x.scope /system.slice/__x.scope");
}

static void test_wrong_units(void **state)
{
    char *longest = oci_alloc(arena, 600);

    (void)state;
    no_unit("/foo/bar", "c1", "linux.cgroupsPath: \"/foo/bar\" is not SLICE:PREFIX:NAME");
    assert_non_null(strstr(e.hint, "--cgroup-manager cgroupfs"));
    no_unit("foo", "c1", "linux.cgroupsPath: \"foo\" is not SLICE:PREFIX:NAME");
    no_unit("a:b", "c1", "linux.cgroupsPath: \"a:b\" is not SLICE:PREFIX:NAME");
    no_unit("a:b:c:d", "c1", "linux.cgroupsPath: \"a:b:c:d\" is not SLICE:PREFIX:NAME");
    no_unit("a.slice:b:c/d", "c1", "linux.cgroupsPath: \"a.slice:b:c/d\" is not SLICE:PREFIX:NAME");
    no_unit("machine:b:c", "c1", "linux.cgroupsPath: \"machine\" is not the name of a slice");
    assert_string_equal(e.hint, "did you mean machine.slice?");
    no_unit("a--b.slice:p:c", "c1", "linux.cgroupsPath: \"a--b.slice\" is not the name of a slice");
    no_unit("-a.slice:p:c", "c1", "linux.cgroupsPath: \"-a.slice\" is not the name of a slice");
    no_unit("a-.slice:p:c", "c1", "linux.cgroupsPath: \"a-.slice\" is not the name of a slice");
    no_unit(".slice:p:c", "c1", "linux.cgroupsPath: \".slice\" is not the name of a slice");
    no_unit("a.slice:p:-.slice", "c1",
            "linux.cgroupsPath: \"a.slice:p:-.slice\" names a slice that cannot be made");
    memcpy(longest, "::", 2);
    memset(longest + 2, 'x', 250);
    e = (struct err)ERR_INIT;
    assert_int_equal(systemd_unit_parse(longest, "c1", false, arena, &(struct systemd_unit){0}, &e),
                     -1);
    longest[251] = '\0';
    assert_int_equal(systemd_unit_parse(longest, "c1", false, arena, &(struct systemd_unit){0}, &e),
                     0);
}

static void test_slices(void **state)
{
    (void)state;
    assert_string_equal(systemd_slice_path("a.slice", arena), "/a.slice");
    assert_string_equal(systemd_slice_path("-.slice", arena), "");
    assert_string_equal(systemd_slice_path("a-b-c-d.slice", arena),
                        "/a.slice/a-b.slice/a-b-c.slice/a-b-c-d.slice");
    assert_null(systemd_slice_path("a", arena));
    assert_null(systemd_slice_path("a b.slice", arena));
    assert_null(systemd_slice_path("a@b.slice", arena));
    assert_null(systemd_slice_path("a/b.slice", arena));
}

/* ---- values as text ---- */

static size_t value_text(char *buf, size_t size, const struct systemd_value *v)
{
    switch (v->type) {
    case 's':
    case 'o':
    case 'g':
        return (size_t)snprintf(buf, size, "%s", v->v.s);
    case 'n':
    case 'i':
    case 'x':
        return (size_t)snprintf(buf, size, "%" PRId64, v->v.i);
    case 'd':
        return (size_t)snprintf(buf, size, "%g", v->v.d);
    default:
        return v->v.u == UINT64_MAX ? (size_t)snprintf(buf, size, "max")
                                    : (size_t)snprintf(buf, size, "%" PRIu64, v->v.u);
    }
}

static const char *properties_text(const struct systemd_properties *list, unsigned version)
{
    static char text[16384];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < list->n; i++) {
        const struct systemd_property *p = &list->list[i];

        if (!systemd_known(p, version))
            continue;
        len += (size_t)snprintf(text + len, sizeof text - len, "%s %s", p->name, p->signature);
        for (size_t k = 0; k < p->values_n; k++) {
            text[len++] = ' ';
            len += value_text(text + len, sizeof text - len, &p->values[k]);
        }
        len += (size_t)snprintf(text + len, sizeof text - len, "%s\n",
                                p->phase == CGROUP_LATE ? " late" : "");
    }
    return text;
}

/* ---- resources ---- */

#define V1 0u

static void golden_version(const struct oci_resources *r, unsigned v2, unsigned version,
                           const char *want)
{
    struct systemd_properties list = {.list = NULL};
    struct cgroup_writes w;

    assert_int_equal(cgroup_convert(r, v2, arena, &w, &e), 0);
    assert_int_equal(systemd_convert(&w, v2 == CGROUP_ALL_V2, PAGE, arena, &list, &e), 0);
    assert_string_equal(properties_text(&list, version), want);
}

static void golden(const struct oci_resources *r, unsigned v2, const char *want)
{
    golden_version(r, v2, 0, want);
}

/* A row of @file says @want after rounding. */
static void rounded(const struct oci_resources *r, unsigned v2, const char *file, const char *want)
{
    struct systemd_properties list = {.list = NULL};
    struct cgroup_writes w;

    assert_int_equal(cgroup_convert(r, v2, arena, &w, &e), 0);
    assert_int_equal(systemd_convert(&w, v2 == CGROUP_ALL_V2, PAGE, arena, &list, &e), 0);
    for (size_t i = 0; i < w.n; i++) {
        if (strcmp(w.list[i].file, file) == 0 && strcmp(w.list[i].value, want) == 0)
            return;
    }
    fail_msg("no row of %s says %s", file, want);
}

static void test_nothing(void **state)
{
    struct oci_resources r = {.memory = NULL};

    (void)state;
    golden(&r, CGROUP_ALL_V2, "");
    golden(&r, V1, "");
    golden(NULL, V1, "");
}

static void test_memory(void **state)
{
    struct oci_memory m = {
        .limit = I64(100000000), .reservation = I64(4096), .swap = I64(150000000)};
    struct oci_resources r = {.memory = &m};

    (void)state;
    golden(&r, CGROUP_ALL_V2,
           "MemoryLow t 4096 late\nMemoryMax t 99999744 late\nMemorySwapMax t 49999872 late\n");
    golden(&r, V1, "MemoryLimit t 99999744 late\n");
    golden_version(&r, V1, 257, "MemoryLimit t 99999744 late\n");
    golden_version(&r, V1, 258, "");
    m = (struct oci_memory){.limit = I64(-1)};
    golden(&r, CGROUP_ALL_V2, "MemoryMax t max late\nMemorySwapMax t max late\n");
    golden(&r, V1, "MemoryLimit t max late\n");
}

static void test_cpu(void **state)
{
    struct oci_cpu c = {.shares = U64(1024), .quota = I64(12345), .period = U64(100000)};
    struct oci_resources r = {.cpu = &c};

    (void)state;
    golden(&r, CGROUP_ALL_V2,
           "CPUQuotaPerSecUSec t 130000\nCPUQuotaPeriodUSec t 100000\nCPUWeight t 100\n");
    golden_version(&r, CGROUP_ALL_V2, 241, "CPUQuotaPerSecUSec t 130000\nCPUWeight t 100\n");
    golden(&r, V1, "CPUQuotaPerSecUSec t 130000\nCPUQuotaPeriodUSec t 100000\nCPUShares t 1024\n");
    rounded(&r, CGROUP_ALL_V2, "cpu.max", "13000 100000");
    rounded(&r, V1, "cpu.cfs_quota_us", "13000");
    rounded(&r, V1, "cpu.cfs_period_us", "100000");
    c = (struct oci_cpu){.quota = I64(50000)};
    golden(&r, CGROUP_ALL_V2, "CPUQuotaPerSecUSec t 500000\n");
    rounded(&r, CGROUP_ALL_V2, "cpu.max", "50000");
    c = (struct oci_cpu){.quota = I64(-1), .period = U64(50000)};
    golden(&r, CGROUP_ALL_V2, "CPUQuotaPerSecUSec t max\nCPUQuotaPeriodUSec t 50000\n");
    rounded(&r, CGROUP_ALL_V2, "cpu.max", "max 50000");
    golden(&r, V1, "CPUQuotaPerSecUSec t max\nCPUQuotaPeriodUSec t 50000\n");
    c = (struct oci_cpu){.period = U64(50000)};
    golden(&r, V1, "CPUQuotaPeriodUSec t 50000\n");
    /* 1 ms of a second: systemd stretches the period until the kernel takes the quota */
    c = (struct oci_cpu){.quota = I64(1000), .period = U64(1000000)};
    golden(&r, CGROUP_ALL_V2, "CPUQuotaPerSecUSec t 10000\nCPUQuotaPeriodUSec t 1000000\n");
    rounded(&r, CGROUP_ALL_V2, "cpu.max", "10000 1000000");
    /* what the kernel refuses is left as it is: its answer counts */
    c = (struct oci_cpu){.quota = I64(10), .period = U64(100000)};
    golden(&r, CGROUP_ALL_V2, "");
    rounded(&r, CGROUP_ALL_V2, "cpu.max", "10 100000");
    c = (struct oci_cpu){.quota = I64(5000), .period = U64(10)};
    golden(&r, V1, "");
    rounded(&r, V1, "cpu.cfs_quota_us", "5000");
}

static void test_idle(void **state)
{
    struct oci_cpu c = {.idle = I64(1), .shares = U64(512)};
    struct oci_resources r = {.cpu = &c};

    (void)state;
    golden(&r, CGROUP_ALL_V2, "CPUWeight t 0\n");
    golden_version(&r, CGROUP_ALL_V2, 252, "CPUWeight t 0\n");
    golden_version(&r, CGROUP_ALL_V2, 251, "");
    c.idle = I64(0);
    golden_version(&r, CGROUP_ALL_V2, 251, "CPUWeight t 59\n");
    c.shares = (struct oci_opt_u64){.set = false};
    golden(&r, CGROUP_ALL_V2, "CPUWeight t 100\n");
}

static void test_sets(void **state)
{
    struct oci_cpu c = {.cpus = "0-3,9", .mems = "0"};
    struct oci_resources r = {.cpu = &c};

    (void)state;
    golden(&r, CGROUP_ALL_V2, "AllowedCPUs ay 15 2\nAllowedMemoryNodes ay 1\n");
    golden_version(&r, CGROUP_ALL_V2, 243, "");
    golden(&r, V1, "");
    c = (struct oci_cpu){.cpus = "8"};
    golden(&r, CGROUP_ALL_V2, "AllowedCPUs ay 0 1\n");
    c = (struct oci_cpu){.cpus = " 1 , 3-4\n"};
    golden(&r, CGROUP_ALL_V2, "AllowedCPUs ay 26\n");
    /* not understood, or impossible: the kernel will say */
    for (size_t i = 0; i < 6; i++) {
        static const char *const bad[] = {"x", "3-1", "1-", "0-99999", "0-7:2/4", "-1"};

        c.cpus = bad[i];
        golden(&r, CGROUP_ALL_V2, "");
    }
}

static void test_pids(void **state)
{
    struct oci_pids p = {.limit = I64(32)};
    struct oci_resources r = {.pids = &p};

    (void)state;
    golden(&r, CGROUP_ALL_V2, "TasksMax t 32 late\n");
    golden(&r, V1, "TasksMax t 32 late\n");
    p.limit = I64(-1);
    golden(&r, CGROUP_ALL_V2, "TasksMax t max late\n");
    golden(&r, V1, "TasksMax t max late\n");
}

static void test_io(void **state)
{
    struct oci_weight_device w = {.major = 8, .minor = 0, .weight = {.set = true, .value = 500}};
    struct oci_throttle_device rate[] = {{.major = 8, .minor = 0, .rate = 1000},
                                         {.major = 8, .minor = 16, .rate = 0}};
    struct oci_block_io b = {.weight = {.set = true, .value = 500},
                             .weight_device = &w,
                             .weight_device_n = 1,
                             .throttle_read_bps_device = rate,
                             .throttle_read_bps_device_n = 2,
                             .throttle_write_iops_device = rate,
                             .throttle_write_iops_device_n = 1};
    struct oci_resources r = {.block_io = &b};

    (void)state;
    golden(&r, CGROUP_ALL_V2,
           "IODeviceWeight a(st) /dev/block/8:0 4950\n"
           "IOReadBandwidthMax a(st) /dev/block/8:0 1000 /dev/block/8:16 max\n"
           "IOWeight t 4950\n"
           "IOWriteIOPSMax a(st) /dev/block/8:0 1000\n");
    rounded(&r, CGROUP_ALL_V2, "io.bfq.weight", "540");
    rounded(&r, CGROUP_ALL_V2, "io.bfq.weight", "8:0 540");
    rounded(&r, V1, "blkio.bfq.weight", "136");
    rounded(&r, V1, "blkio.bfq.weight_device", "8:0 500");
    golden(&r, V1,
           "BlockIODeviceWeight a(st) /dev/block/8:0 500\n"
           "BlockIOReadBandwidth a(st) /dev/block/8:0 1000 /dev/block/8:16 max\n"
           "BlockIOWeight t 500\n");
    golden_version(&r, V1, 258, "");
}

static void test_unified(void **state)
{
    struct oci_pair list[] = {
        {"memory.high", "8192"},
        {"memory.min", "max"},
        {"memory.zswap.max", "4096"},
        {"memory.zswap.writeback", "0"},
        {"memory.oom.group", "1"},
        {"cpu.max", "30000 50000"},
        {"cpu.weight", "77"},
        {"io.max", "8:0 rbps=1 wiops=max\n8:16 wbps=5"},
        {"io.latency", "8:0 target=75"},
        {"io.weight", "default 33"},
        {"pids.max", "7"},
        {"hugetlb.2MB.max", "0"},
        {"misc.max", "x 1"},
        {"memory.max", "not a number"},
    };
    struct oci_resources r = {.unified = list, .unified_n = ARRAY_SIZE(list)};

    (void)state;
    golden(&r, CGROUP_ALL_V2,
           "CPUQuotaPerSecUSec t 600000 late\n"
           "CPUQuotaPeriodUSec t 50000 late\n"
           "CPUWeight t 77 late\n"
           "IODeviceLatencyTargetUSec a(st) /dev/block/8:0 75 late\n"
           "IOReadBandwidthMax a(st) /dev/block/8:0 1 late\n"
           "IOWeight t 33 late\n"
           "IOWriteBandwidthMax a(st) /dev/block/8:16 5 late\n"
           "IOWriteIOPSMax a(st) /dev/block/8:0 max late\n"
           "MemoryHigh t 8192 late\n"
           "MemoryMin t max late\n"
           "MemoryZSwapMax t 4096 late\n"
           "MemoryZSwapWriteback b 0 late\n"
           "OOMPolicy s kill\n"
           "TasksMax t 7 late\n");
    r.unified_n = 5;
    golden_version(&r, CGROUP_ALL_V2, 252, "MemoryHigh t 8192 late\nMemoryMin t max late\n");
    golden_version(&r, CGROUP_ALL_V2, 253,
                   "MemoryHigh t 8192 late\nMemoryMin t max late\nMemoryZSwapMax t 4096 late\n"
                   "OOMPolicy s kill\n");
    golden_version(&r, CGROUP_ALL_V2, 239, "MemoryHigh t 8192 late\n");
}

/* The member that comes last is the one that holds, in the file and in the unit. */
static void test_unified_wins(void **state)
{
    struct oci_memory m = {.limit = I64(8192)};
    struct oci_pair list[] = {{"memory.max", "16384"}};
    struct oci_resources r = {.memory = &m, .unified = list, .unified_n = 1};

    (void)state;
    golden(&r, CGROUP_ALL_V2, "MemoryMax t 16384 late\n");
    /* On a hybrid machine systemd's controllers are v1: rows of v2 are not its own. */
    list[0] = (struct oci_pair){"hugetlb.2MB.max", "0"};
    golden(&r, CGROUP_UNIFIED | CGROUP_HUGETLB, "MemoryLimit t 8192 late\n");
}

#define OPEN "DeviceAllow a(ss)\nDevicePolicy s auto\n"
#define BUT_ONE                                                                                    \
    "denies single devices where all are allowed: systemd cannot keep such a list on cgroup v1"
#define DEFAULTS                                                                                   \
    " /dev/char/1:3 rwm /dev/char/1:5 rwm /dev/char/1:7 rwm /dev/char/1:8 rwm /dev/char/1:9 rwm "  \
    "/dev/char/5:0 rwm /dev/char/5:2 rwm char-136 rwm /dev/char/10:200 rwm"

/* The list that there is, as devices.list shows it (NULL: a new cgroup), and the rules of create or
 * update. */
static void golden_devices(const char *now, const struct oci_device_rule *rules, size_t n,
                           const char *want)
{
    struct oci_resources r = {.devices = (struct oci_device_rule *)rules, .devices_n = n};
    struct systemd_properties properties = {.list = NULL};
    struct cgroup_device_list list;
    struct cgroup_writes w;

    assert_int_equal(cgroup_convert_from(&r, V1, now, arena, &w, &e), 0);
    assert_int_equal(systemd_devices_after(now, &w, 1u << CGROUP_EARLY, arena, &list, &e), 0);
    if (systemd_devices(&list, arena, &properties, &e) < 0) {
        assert_string_equal(e.text, want);
        e = (struct err)ERR_INIT;
        return;
    }
    assert_string_equal(properties_text(&properties, 0), want);
}

static void test_devices(void **state)
{
    struct oci_device_rule rules[] = {
        {.allow = false},
        {true, OCI_RULE_CHAR, I64(10), I64(237), OCI_ACCESS_READ},
        {true, OCI_RULE_BLOCK, I64(8), {.set = false}, 0},
        {true, OCI_RULE_ALL, I64(7), I64(7), OCI_ACCESS_WRITE},
    };
    struct oci_resources r = {.devices = rules, .devices_n = 4};

    (void)state;
    golden(&r, CGROUP_ALL_V2, "");
    golden(&r, V1, "");
    golden_devices(NULL, NULL, 0, OPEN);
    golden_devices(
        NULL, rules, 4,
        "DeviceAllow a(ss) /dev/char/10:237 r block-8 rwm /dev/char/7:7 w /dev/block/7:7 w "
        "char-* m block-* m /dev/char/1:3 rwm /dev/char/1:5 rwm /dev/char/1:7 rwm "
        "/dev/char/1:8 rwm /dev/char/1:9 rwm /dev/char/5:0 rwm /dev/char/5:2 rwm char-136 rwm "
        "/dev/char/10:200 rwm\nDevicePolicy s strict\n");
    /* all; and all but one, which no unit can keep */
    rules[0].allow = true;
    golden_devices(NULL, rules, 1, OPEN);
    rules[1].allow = false;
    golden_devices(NULL, rules, 2, "linux.resources.devices[1]: " BUT_ONE);
    golden_devices(NULL, rules + 1, 1, "linux.resources.devices[0]: " BUT_ONE);
    /* but it is allowed again: all */
    rules[2] = rules[1];
    rules[2].allow = true;
    golden_devices(NULL, rules, 3, OPEN);
    rules[2].access = OCI_ACCESS_WRITE;
    golden_devices(NULL, rules, 3, "linux.resources.devices[1]: " BUT_ONE);
    /* any major with one minor has no name */
    rules[0].allow = false;
    rules[1] = (struct oci_device_rule){true, OCI_RULE_CHAR, I64(-1), I64(5), OCI_ACCESS_READ};
    golden_devices(NULL, rules, 2,
                   "linux.resources.devices[1]: systemd has no name for \"c *:5 r\" on cgroup v1");
}

/* systemd takes the last of two that are about the same device; to the kernel they are one. */
static void test_devices_said_twice(void **state)
{
    struct oci_device_rule rules[] = {
        {.allow = false},
        {true, OCI_RULE_CHAR, {.set = false}, {.set = false}, OCI_ACCESS_READ | OCI_ACCESS_WRITE},
        {true, OCI_RULE_BLOCK, I64(8), I64(0), OCI_ACCESS_READ},
        {true, OCI_RULE_BLOCK, I64(8), I64(0), OCI_ACCESS_WRITE},
        {false, OCI_RULE_BLOCK, I64(8), I64(-1), OCI_ACCESS_READ},
    };

    (void)state;
    golden_devices(NULL, rules, 4,
                   "DeviceAllow a(ss) char-* rwm /dev/block/8:0 rw block-* m" DEFAULTS
                   "\nDevicePolicy s strict\n");
    golden_devices(NULL, rules, 5,
                   "DeviceAllow a(ss) char-* rwm /dev/block/8:0 w block-* m" DEFAULTS
                   "\nDevicePolicy s strict\n");
    rules[0].allow = true;
    golden_devices("c *:* m\nc 10:200 r", rules, 1, OPEN);
    golden_devices("c *:* m\nb 8:0 r", rules + 1, 1,
                   "DeviceAllow a(ss) char-* rwm /dev/block/8:0 r block-* m" DEFAULTS
                   "\nDevicePolicy s strict\n");
}

/* What a unit is told of a list that is there already. */
static void test_devices_now(void **state)
{
    static const char some[] = "c 1:3 rwm\nb 8:* r\nc *:5 r\nc 10:200 rw";
    struct oci_device_rule disk = {false, OCI_RULE_BLOCK, I64(8), I64(1), OCI_ACCESS_WRITE};
    struct oci_device_rule disks = {false, OCI_RULE_BLOCK, {.set = false}, {.set = false}, 0};
    struct oci_device_rule fuse = {true, OCI_RULE_CHAR, I64(10), I64(229), OCI_ACCESS_READ};
    struct oci_device_rule all = {.allow = true};

    (void)state;
    golden_devices("a *:* rwm", NULL, 0, OPEN);
    golden_devices("", NULL, 0, "DeviceAllow a(ss)\nDevicePolicy s strict\n");
    golden_devices(some, NULL, 0,
                   "DeviceAllow a(ss) /dev/char/1:3 rwm block-8 r /dev/char/10:200 rw\n"
                   "DevicePolicy s strict\n");
    golden_devices(some, &all, 1, OPEN);
    /* An update without a first rule for everything goes on from there. */
    golden_devices("b 8:1 rw\nb 8:2 w", &disk, 1,
                   "DeviceAllow a(ss) /dev/block/8:1 r /dev/block/8:2 w char-* m block-* m" DEFAULTS
                   "\nDevicePolicy s strict\n");
    golden_devices("b 8:1 rw\nb 8:2 w\nb 9:* r", &disks, 1,
                   "DeviceAllow a(ss) char-* m block-* m" DEFAULTS "\nDevicePolicy s strict\n");
    golden_devices("b 8:* r", &fuse, 1,
                   "DeviceAllow a(ss) block-8 r /dev/char/10:229 r char-* m block-* m" DEFAULTS
                   "\nDevicePolicy s strict\n");
    golden_devices("a *:* rwm", &disk, 1, "linux.resources.devices[0]: " BUT_ONE);
    golden_devices("a *:* rwm", &fuse, 1, OPEN);
}

/*
 * Over the whole range: what systemd makes of a quota is not less than what was asked for, less
 * than a step more, and stable: rounding it again changes nothing.
 */
static void test_quotas(void **state)
{
    (void)state;
    assert_true(systemd_quota(-1, 100000) == UINT64_MAX);
    assert_true(systemd_quota(INT64_MAX, 100000) == UINT64_MAX);
    for (uint64_t period = 1000; period <= 1000000; period += period < 20000 ? 333 : 49999) {
        for (int64_t quota = 1000; quota <= 100000000; quota += 1 + quota / 7) {
            uint64_t per_second = systemd_quota(quota, period), q, p = period, again;

            assert_true(per_second % 10000 == 0);
            assert_true(per_second * period >= (uint64_t)quota * 1000000);
            assert_true((per_second - 10000) * period < (uint64_t)quota * 1000000);
            systemd_cfs(per_second, &q, &p);
            assert_true(q >= 1000 && p >= 1000 && p <= 1000000);
            again = systemd_quota((int64_t)q, p);
            if (p == period && q > 1000 && per_second * period % 1000000 == 0)
                assert_true(again == per_second);
        }
    }
}

/* What is wanted, among all that could be, in the order of the names. */
static void kept(const struct systemd_properties *wanted, bool v2, const char *want)
{
    struct systemd_properties out = {.list = NULL};
    char text[4096] = "";
    size_t len = 0;

    assert_int_equal(systemd_with_kept(wanted, v2, arena, &out, &e), 0);
    for (size_t i = 0; i < out.n; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s%s", i ? " " : "",
                                out.list[i].name, out.list[i].keep ? "" : "!");
    assert_string_equal(text, want);
}

static void test_kept(void **state)
{
    struct systemd_value value = {.type = 't', .v.u = 1};
    struct systemd_property list[] = {
        {.name = "DeviceAllow", .signature = "a(ss)"},
        {.name = "TasksMax", .signature = "t", .values = &value, .values_n = 1}};
    struct systemd_properties one = {.list = list + 1, .n = 1}, two = {.list = list, .n = 2};

    (void)state;
    kept(&one, true,
         "AllowedCPUs AllowedMemoryNodes CPUQuotaPerSecUSec CPUQuotaPeriodUSec CPUWeight "
         "IODeviceLatencyTargetUSec IODeviceWeight IOReadBandwidthMax IOReadIOPSMax IOWeight "
         "IOWriteBandwidthMax IOWriteIOPSMax MemoryHigh MemoryLow MemoryMax MemoryMin "
         "MemorySwapMax MemoryZSwapMax MemoryZSwapWriteback TasksMax!");
    kept(&two, false,
         "BlockIODeviceWeight BlockIOReadBandwidth BlockIOWeight BlockIOWriteBandwidth "
         "CPUQuotaPerSecUSec CPUQuotaPeriodUSec CPUShares DeviceAllow! MemoryLimit TasksMax!");
}

static void test_versions(void **state)
{
    (void)state;
    assert_int_equal(systemd_version("252.39-1~deb12u1"), 252);
    assert_int_equal(systemd_version("v257.7"), 257);
    assert_int_equal(systemd_version("systemd 257"), 0);
    assert_int_equal(systemd_version(""), 0);
}

/* ---- annotations ---- */

static void value(const char *text, const char *want)
{
    struct systemd_property p = {.name = "X"};
    const struct systemd_properties list = {.list = &p, .n = 1};
    char line[512];

    assert_int_equal(systemd_parse_value(text, arena, &p, &e), 0);
    snprintf(line, sizeof line, "X %s\n", want);
    assert_string_equal(properties_text(&list, 0), line);
}

static void no_value(const char *text, const char *want)
{
    struct systemd_property p = {.name = "X"};

    e = (struct err)ERR_INIT;
    assert_int_equal(systemd_parse_value(text, arena, &p, &e), -1);
    assert_string_equal(e.text, want);
}

static void test_values(void **state)
{
    (void)state;
    value("true", "b 1");
    value(" false ", "b 0");
    value("boolean true", "b 1");
    value("15", "i 15");
    value("-7", "i -7");
    value("0x1f", "i 31");
    value("byte 255", "y 255");
    value("int16 -32768", "n -32768");
    value("uint16 65535", "q 65535");
    value("uint32 4294967295", "u 4294967295");
    value("int64 -9223372036854775808", "x -9223372036854775808");
    value("uint64 18446744073709551614", "t 18446744073709551614");
    value("uint64\t5", "t 5");
    value("1.5", "d 1.5");
    value("'text'", "s text");
    value("\"it's\"", "s it's");
    value("'a\\'b'", "s a'b");
    value("objectpath '/a'", "o /a");
    value("['a', 'b']", "as a b");
    value("[1,2, 3]", "ai 1 2 3");
    value("[uint64 1, 2]", "at 1 2");
    value("[uint64 1, 18446744073709551614]", "at 1 18446744073709551614");
    value("[uint32 1, 2, uint32 3]", "au 1 2 3");
    value("[int16 1, -2]", "an 1 -2");
    value("[1.5, 2]", "ad 1.5 2");
    value("[objectpath '/a', '/b']", "ao /a /b");
    value("@as []", "as");
    value("[('/dev/null', 'rw'), ('/dev/zero', 'r')]", "a(ss) /dev/null rw /dev/zero r");
    value("[('/dev/sda', uint64 5)]", "a(st) /dev/sda 5");
    value("[('/dev/sda', uint64 5), ('/dev/sdb', 6)]", "a(st) /dev/sda 5 /dev/sdb 6");
    value("@a(st) []", "a(st)");
}

static void test_wrong_values(void **state)
{
    (void)state;
    no_value("", "ends too early");
    no_value("inactive-or-failed", "\"inactive-or-failed\" is not a value");
    assert_string_equal(e.hint, "GVariant's notation: true, 7, uint64 7, 'text', ['a', 'b']");
    no_value("15 16", "\"16\" is not a value");
    no_value("'open", "a string does not end");
    no_value("uint64 -1", "-1 is out of the range of uint64");
    no_value("byte 256", "256 is out of the range of byte");
    no_value("2147483648", "2147483648 is out of the range of int32");
    no_value("uint64 true", "\"true\" is not a value");
    no_value("uint64 1.5", "\"1.5\" is not a value");
    no_value("uint64", "ends too early");
    no_value("boolean 1", "\"1\" is not a value");
    no_value("string 5", "\"5\" is not a value");
    no_value("[]", "an empty array has no type");
    no_value("['a', 1]", "the elements of an array are of one type");
    no_value("[byte 1, 300]", "300 is out of the range of byte");
    no_value("[uint32 1, -2]", "-2 is out of the range of uint32");
    no_value("[uint64 1, uint32 2]", "the elements of an array are of one type");
    no_value("['a', ('b', 'c')]", "the elements of an array are of one type");
    no_value("uint64 7abc", "\"7abc\" is not a value");
    no_value("7e", "\"7e\" is not a value");
    no_value("byte 08", "\"08\" is not a value");
    no_value("@a() []", "\"a() []\" is not a value");
    no_value("@a(s []", "\"a(s []\" is not a value");
    no_value("@a []", "\"a []\" is not a value");
    no_value("@ass []", "\"ass []\" is not a value");
    no_value("['a' 'b']", "\"'b']\" is not a value");
    no_value("['a'", "ends too early");
    no_value("('a', 1)", "no property is a tuple");
    no_value("@as ['x']", "\"'x']\" is not a value");
    no_value("5seconds", "\"5seconds\" is not a value");
    no_value("--5", "\"--5\" is not a value");
}

static void annotations(const char *key, const char *text, const char *want)
{
    const struct oci_pair list[] = {{"io.x", "y"}, {key, text}};
    struct systemd_properties out = {.list = NULL};

    e = (struct err)ERR_INIT;
    if (systemd_annotations(list, 2, arena, &out, &e) < 0) {
        assert_string_equal(e.text, want);
        assert_string_equal(e.object, oci_printf(arena, "annotations.%s", key));
        return;
    }
    assert_string_equal(properties_text(&out, 1), want);
}

static void test_annotations(void **state)
{
    (void)state;
    annotations("org.systemd.property.KillSignal", "15", "KillSignal i 15\n");
    annotations("org.systemd.property.TimeoutStopUSec", "uint64 90000000",
                "TimeoutStopUSec t 90000000\n");
    annotations("org.systemd.property.TimeoutStopSec", "90", "TimeoutStopUSec t 90000000\n");
    annotations("org.systemd.property.TimeoutStopSec", "uint32 2", "TimeoutStopUSec t 2000000\n");
    annotations("org.systemd.property.TimeoutStopSec", "0.25", "TimeoutStopUSec t 250000\n");
    annotations("org.systemd.property.CollectMode", "'inactive-or-failed'",
                "CollectMode s inactive-or-failed\n");
    annotations("org.systemd.property.After", "['crio.service']", "After as crio.service\n");
    annotations("org.systemd.propertyX", "1", "");
    annotations("org.systemd.property.TimeoutStopSec", "'5'",
                "annotations.org.systemd.property.TimeoutStopSec: is not a number of seconds");
    annotations("org.systemd.property.TimeoutStopSec", "-5",
                "annotations.org.systemd.property.TimeoutStopSec: is out of range");
    annotations("org.systemd.property.", "5",
                "annotations.org.systemd.property.: is not the name of a property");
    annotations("org.systemd.property.A.B", "5",
                "annotations.org.systemd.property.A.B: is not the name of a property");
    annotations("org.systemd.property.PIDs", "[uint32 1]",
                "annotations.org.systemd.property.PIDs: is set by the runtime itself");
    annotations("org.systemd.property.CollectMode", "inactive",
                "annotations.org.systemd.property.CollectMode: \"inactive\" is not a value");
}

/* ---- the way to the helper ---- */

static void test_wire(void **state)
{
    const struct oci_pair list[] = {
        {"org.systemd.property.A", "[('x', uint64 18446744073709551615), ('', uint64 0)]"},
        {"org.systemd.property.B", "-5"},
        {"org.systemd.property.C", "0.1"},
        {"org.systemd.property.D", "@as []"},
        {"org.systemd.property.E", "true"},
    };
    struct systemd_properties out = {.list = NULL}, back;
    struct systemd_request request = {.op = SYSTEMD_SET, .bus = "unix:path=/x", .unit = "u.scope"};
    struct systemd_request decoded;
    char before[1024];
    char *data;
    size_t len;

    (void)state;
    assert_int_equal(systemd_annotations(list, ARRAY_SIZE(list), arena, &out, &e), 0);
    out.list[1].since = 244;
    out.list[1].until = 258;
    out.list[1].required = false;
    out.list[1].member = NULL;
    out.list[2].at_start = true;
    out.list[3].keep = true;
    snprintf(before, sizeof before, "%s", properties_text(&out, 0));
    request.properties = out.list;
    request.properties_n = out.n;
    request.timeout = 30000;
    data = systemd_wire_encode(&request, &len);
    assert_non_null(data);
    assert_int_equal(systemd_wire_decode(data, len, arena, &decoded, &e), 0);
    assert_int_equal(decoded.op, SYSTEMD_SET);
    assert_int_equal(decoded.timeout, 30000);
    assert_string_equal(decoded.bus, "unix:path=/x");
    assert_string_equal(decoded.unit, "u.scope");
    back = (struct systemd_properties){.list = (struct systemd_property *)decoded.properties,
                                       .n = decoded.properties_n};
    assert_string_equal(properties_text(&back, 0), before);
    assert_int_equal(back.list[1].since, 244);
    assert_int_equal(back.list[1].until, 258);
    assert_false(back.list[1].required);
    assert_null(back.list[1].member);
    assert_true(back.list[2].at_start && !back.list[1].at_start);
    assert_true(back.list[3].keep && !back.list[2].keep);
    assert_true(back.list[0].required);
    assert_string_equal(back.list[0].member, "annotations.org.systemd.property.A");
    /* cut anywhere, it is an error */
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(systemd_wire_decode(data, cut, arena, &decoded, &e), -1);
    data[0] = '9';
    assert_int_equal(systemd_wire_decode(data, len, arena, &decoded, &e), -1);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_units, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_units, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cpu, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idle, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_io, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unified, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unified_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_devices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_devices_now, setup, teardown),
        cmocka_unit_test_setup_teardown(test_devices_said_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quotas, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_versions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_annotations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wire, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
