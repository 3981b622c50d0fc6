/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Conversions to cgroup v2 against golden texts and over the whole range of values, the members
 * that v1 and v2 share, device rules as BPF programs by an interpreter of the few instructions that
 * they use, and what update writes to take something back.
 */
#include "base/util.h"
#include "cgroup/internal.h"
#include "tests/unit/fixture.h"

#include <inttypes.h>
#include <linux/bpf.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *rows_text(const struct cgroup_writes *w)
{
    static char text[16384];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < w->n; i++) {
        const struct cgroup_write *row = &w->list[i];

        len += (size_t)snprintf(text + len, sizeof text - len, "%s %s %s/%s=%s%s%s%s%s%s\n",
                                row->v2 ? "v2" : "v1", row->member, row->controller, row->file,
                                row->value, row->phase == CGROUP_LATE ? " late" : "",
                                row->flags & CGROUP_AGAIN ? " again" : "",
                                row->flags & CGROUP_OPTIONAL ? " optional" : "",
                                row->flags & CGROUP_OR_NEXT ? " or-next" : "",
                                row->flags & CGROUP_CHECK_USAGE ? " check" : "");
    }
    return text;
}

static void golden(const struct oci_resources *r, unsigned v2, const char *want)
{
    struct cgroup_writes w;

    assert_int_equal(cgroup_convert(r, v2, arena, &w, &e), 0);
    assert_string_equal(rows_text(&w), want);
}

static void refused(const struct oci_resources *r, unsigned v2, const char *want)
{
    struct cgroup_writes w;

    assert_int_equal(cgroup_convert(r, v2, arena, &w, &e), -1);
    assert_string_equal(e.text, want);
}

/* ---- cpu ---- */

/* The formula as runc has it, with the machine's own functions. */
static unsigned weight_by_libm(uint64_t shares)
{
    double l;

    if (shares <= 2)
        return 1;
    if (shares >= 262144)
        return 10000;
    l = log2((double)shares);
    return (unsigned)ceil(pow(10, (l * l + 125 * l) / 612.0 - 7.0 / 34.0));
}

static void test_weight(void **state)
{
    unsigned last = 0;

    (void)state;
    for (uint64_t shares = 0; shares < 262200; shares++) {
        unsigned weight = cgroup_weight_of_shares(shares);

        assert_int_equal(weight, weight_by_libm(shares));
        assert_true(weight >= last && weight >= 1 && weight <= 10000);
        last = weight;
    }
    assert_int_equal(cgroup_weight_of_shares(2), 1);
    assert_int_equal(cgroup_weight_of_shares(1024), 100);
    assert_int_equal(cgroup_weight_of_shares(262144), 10000);
    assert_int_equal(cgroup_weight_of_shares(UINT64_MAX), 10000);
}

static void test_cpu(void **state)
{
    struct oci_cpu c = {.shares = U64(1024), .idle = I64(1), .cpus = "0-1", .mems = "0"};
    const struct oci_resources r = {.cpu = &c};

    (void)state;
    golden(&r, CGROUP_ALL_V2,
           "v2 cpu.shares cpu/cpu.weight=100\n"
           "v2 cpu.idle cpu/cpu.idle=1\n"
           "v2 cpu.cpus cpuset/cpuset.cpus=0-1\n"
           "v2 cpu.mems cpuset/cpuset.mems=0\n");
    /* Each controller where it is: a hybrid with cpuset on v1. */
    c.idle = I64(0);
    golden(&r, CGROUP_CPU,
           "v2 cpu.idle cpu/cpu.idle=0 optional\n"
           "v2 cpu.shares cpu/cpu.weight=100\n"
           "v1 cpu.cpus cpuset/cpuset.cpus=0-1\n"
           "v1 cpu.mems cpuset/cpuset.mems=0\n");
    c = (struct oci_cpu){.shares = U64(0), .quota = I64(0), .period = U64(0)};
    golden(&r, CGROUP_ALL_V2, "");
    c = (struct oci_cpu){.realtime_runtime = I64(5)};
    refused(&r, CGROUP_ALL_V2,
            "linux.resources.cpu.realtimeRuntime: cannot be converted to cgroup v2");
    c = (struct oci_cpu){.realtime_period = U64(5)};
    refused(&r, CGROUP_ALL_V2,
            "linux.resources.cpu.realtimePeriod: cannot be converted to cgroup v2");
}

static void test_cpu_max(void **state)
{
    static const int64_t quotas[] = {INT64_MIN, -2, -1, 0, 1, 1000, 50000, INT64_MAX};
    static const uint64_t periods[] = {0, 1, 1000, 100000, 1000000, UINT64_MAX};
    struct oci_cpu c = {.quota = {.set = false}};
    const struct oci_resources r = {.cpu = &c};
    char want[160], quota[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(quotas); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(periods); j++) {
            c = (struct oci_cpu){.quota = I64(quotas[i]), .period = U64(periods[j])};
            snprintf(quota, sizeof quota, "%" PRId64, quotas[i]);
            if (quotas[i] <= 0)
                snprintf(quota, sizeof quota, "max");
            if (quotas[i] == 0 && periods[j] == 0)
                want[0] = '\0';
            else if (periods[j] == 0)
                snprintf(want, sizeof want, "v2 cpu.quota cpu/cpu.max=%s again%s\n", quota,
                         quotas[i] < 0 ? " optional" : "");
            else
                snprintf(want, sizeof want, "v2 cpu.%s cpu/cpu.max=%s %" PRIu64 " again\n",
                         quotas[i] ? "quota" : "period", quota, periods[j]);
            golden(&r, CGROUP_ALL_V2, want);
        }
    }
    c = (struct oci_cpu){.quota = I64(5000), .burst = U64(0)};
    golden(
        &r, CGROUP_ALL_V2,
        "v2 cpu.quota cpu/cpu.max=5000 again\nv2 cpu.burst cpu/cpu.max.burst=0 again optional\n");
}

/* ---- memory, pids ---- */

static void test_memory(void **state)
{
    struct oci_memory m = {.limit = I64(1 << 20), .reservation = I64(4096), .swap = I64(3 << 20)};
    const struct oci_resources r = {.memory = &m};

    (void)state;
    golden(&r, CGROUP_ALL_V2,
           "v2 memory.swap memory/memory.swap.max=2097152 late\n"
           "v2 memory.limit memory/memory.max=1048576 late\n"
           "v2 memory.reservation memory/memory.low=4096 late\n");
    m = (struct oci_memory){.limit = I64(-1), .reservation = I64(-1)};
    golden(&r, CGROUP_ALL_V2,
           "v2 memory.swap memory/memory.swap.max=max late optional\n"
           "v2 memory.limit memory/memory.max=max late optional\n"
           "v2 memory.reservation memory/memory.low=max late\n");
    m = (struct oci_memory){.limit = I64(4096), .swap = I64(4096)};
    golden(&r, CGROUP_ALL_V2,
           "v2 memory.swap memory/memory.swap.max=0 late optional\n"
           "v2 memory.limit memory/memory.max=4096 late\n");
    m = (struct oci_memory){.limit = I64(4096), .swap = I64(-1), .check_before_update = BOOL(true)};
    golden(&r, CGROUP_ALL_V2,
           "v2 memory.swap memory/memory.swap.max=max late optional\n"
           "v2 memory.limit memory/memory.max=4096 late check\n");
    m = (struct oci_memory){.limit = I64(INT64_MAX), .swap = I64(INT64_MAX)};
    golden(&r, CGROUP_ALL_V2,
           "v2 memory.swap memory/memory.swap.max=0 late optional\n"
           "v2 memory.limit memory/memory.max=9223372036854775807 late\n");
    /* What engines write although they want nothing. */
    m = (struct oci_memory){.limit = I64(0),
                            .swap = I64(0),
                            .reservation = I64(0),
                            .kernel = I64(0),
                            .kernel_tcp = I64(-1),
                            .disable_oom_killer = BOOL(false),
                            .use_hierarchy = BOOL(true)};
    golden(&r, CGROUP_ALL_V2, "");
}

static void test_memory_refused(void **state)
{
    struct oci_memory m = {.swap = I64(4096)};
    const struct oci_resources r = {.memory = &m};

    (void)state;
    refused(&r, CGROUP_ALL_V2,
            "linux.resources.memory.swap: needs memory.limit on cgroup v2: it is memory plus swap");
    m = (struct oci_memory){.swap = I64(4096), .limit = I64(-1)};
    refused(&r, CGROUP_ALL_V2,
            "linux.resources.memory.swap: cannot be limited on cgroup v2 while memory.limit is "
            "not");
    m = (struct oci_memory){.swap = I64(4095), .limit = I64(4096)};
    refused(&r, CGROUP_ALL_V2,
            "linux.resources.memory.swap: 4095 is less than memory.limit 4096 (it is memory plus "
            "swap)");
    m = (struct oci_memory){.kernel_tcp = I64(1)};
    refused(&r, CGROUP_ALL_V2,
            "linux.resources.memory.kernelTCP: cannot be converted to cgroup v2");
    m = (struct oci_memory){.kernel = I64(1)};
    refused(&r, CGROUP_ALL_V2, "linux.resources.memory.kernel: cannot be converted to cgroup v2");
    m = (struct oci_memory){.use_hierarchy = BOOL(false)};
    refused(&r, CGROUP_ALL_V2,
            "linux.resources.memory.useHierarchy: cannot be converted to cgroup v2");
    m = (struct oci_memory){.swappiness = U64(0)};
    refused(&r, CGROUP_ALL_V2,
            "linux.resources.memory.swappiness: cannot be converted to cgroup v2");
    m = (struct oci_memory){.disable_oom_killer = BOOL(true)};
    refused(&r, CGROUP_ALL_V2,
            "linux.resources.memory.disableOOMKiller: cannot be converted to cgroup v2");
}

static void test_pids(void **state)
{
    struct oci_pids p = {.limit = {.set = false}};
    const struct oci_resources r = {.pids = &p};
    char want[96];

    (void)state;
    golden(&r, CGROUP_ALL_V2, "");
    for (int64_t v = -300; v < 5000; v++) {
        p.limit = I64(v);
        snprintf(want, sizeof want, "v2 pids.limit pids/pids.max=%" PRId64 " late\n", v);
        golden(&r, CGROUP_ALL_V2, v < 0 ? "v2 pids.limit pids/pids.max=max late optional\n" : want);
    }
}

/* ---- blockIO ---- */

static void test_io_weight(void **state)
{
    unsigned last = 0;

    (void)state;
    for (uint64_t w = 0; w < 1100; w++) {
        unsigned weight = cgroup_io_weight(w);

        assert_true(weight >= last && weight >= 1 && weight <= 10000);
        last = weight;
    }
    assert_int_equal(cgroup_io_weight(10), 1);
    assert_int_equal(cgroup_io_weight(500), 4950);
    assert_int_equal(cgroup_io_weight(1000), 10000);
}

static void test_io(void **state)
{
    struct oci_weight_device w = {8, 0, U64(200), {.set = false}};
    struct oci_throttle_device t[] = {{8, 16, 1048576}, {259, 0, 0}};
    struct oci_block_io b = {.weight = U64(1000),
                             .leaf_weight = U64(0),
                             .weight_device = &w,
                             .weight_device_n = 1,
                             .throttle_read_bps_device = t,
                             .throttle_read_bps_device_n = 2,
                             .throttle_write_bps_device = t,
                             .throttle_write_bps_device_n = 1,
                             .throttle_read_iops_device = t,
                             .throttle_read_iops_device_n = 1,
                             .throttle_write_iops_device = t,
                             .throttle_write_iops_device_n = 1};
    const struct oci_resources r = {.block_io = &b};

    (void)state;
    golden(&r, 0,
           "v1 blockIO.weight blkio/blkio.weight=1000 or-next\n"
           "v1 blockIO.weight blkio/blkio.bfq.weight=1000\n"
           "v1 blockIO.weightDevice[0] blkio/blkio.weight_device=8:0 200 or-next\n"
           "v1 blockIO.weightDevice[0] blkio/blkio.bfq.weight_device=8:0 200\n"
           "v1 blockIO.throttleReadBpsDevice[0] blkio/blkio.throttle.read_bps_device=8:16 1048576\n"
           "v1 blockIO.throttleReadBpsDevice[1] blkio/blkio.throttle.read_bps_device=259:0 0\n"
           "v1 blockIO.throttleWriteBpsDevice[0] blkio/blkio.throttle.write_bps_device=8:16 "
           "1048576\n"
           "v1 blockIO.throttleReadIOPSDevice[0] blkio/blkio.throttle.read_iops_device=8:16 "
           "1048576\n"
           "v1 blockIO.throttleWriteIOPSDevice[0] blkio/blkio.throttle.write_iops_device=8:16 "
           "1048576\n");
    golden(&r, CGROUP_ALL_V2,
           "v2 blockIO.weight io/io.bfq.weight=1000 or-next\n"
           "v2 blockIO.weight io/io.weight=10000\n"
           "v2 blockIO.weightDevice[0] io/io.bfq.weight=8:0 200 or-next\n"
           "v2 blockIO.weightDevice[0] io/io.weight=8:0 1920\n"
           "v2 blockIO.throttleReadBpsDevice[0] io/io.max=8:16 rbps=1048576\n"
           "v2 blockIO.throttleReadBpsDevice[1] io/io.max=259:0 rbps=max\n"
           "v2 blockIO.throttleWriteBpsDevice[0] io/io.max=8:16 wbps=1048576\n"
           "v2 blockIO.throttleReadIOPSDevice[0] io/io.max=8:16 riops=1048576\n"
           "v2 blockIO.throttleWriteIOPSDevice[0] io/io.max=8:16 wiops=1048576\n");
    b = (struct oci_block_io){.leaf_weight = U64(300)};
    golden(&r, 0, "v1 blockIO.leafWeight blkio/blkio.leaf_weight=300\n");
    refused(&r, CGROUP_ALL_V2,
            "linux.resources.blockIO.leafWeight: cannot be converted to cgroup v2");
    b = (struct oci_block_io){.weight = U64(9)};
    refused(&r, 0, "linux.resources.blockIO.weight: 9 is not a weight from 10 to 1000");
    b = (struct oci_block_io){.weight_device = &w, .weight_device_n = 1};
    w.weight.set = false;
    refused(&r, 0, "linux.resources.blockIO.weightDevice[0]: has neither weight nor leafWeight");
    w.major = -1;
    refused(&r, 0, "linux.resources.blockIO.weightDevice[0]: -1:0 is not a device");
}

/* ---- hugepages, network, rdma, unified ---- */

static void test_hugetlb(void **state)
{
    struct oci_hugepage_limit h[] = {{"2MB", 0}, {"1GB", UINT64_MAX}};
    const struct oci_resources r = {.hugepage_limits = h, .hugepage_limits_n = 2};
    static const char *const bad[] = {
        "",    "2mb",        "02MB", "2M",   "MB",   "2MBx", "../x",
        "2TB", "1/../../MB", " 2MB", "2MB ", "-2MB", "+2MB", "99999999999999999MB"};

    (void)state;
    golden(&r, CGROUP_ALL_V2,
           "v2 hugepageLimits[0] hugetlb/hugetlb.2MB.rsvd.max=0 late optional\n"
           "v2 hugepageLimits[0] hugetlb/hugetlb.2MB.max=0 late\n"
           "v2 hugepageLimits[1] hugetlb/hugetlb.1GB.rsvd.max=18446744073709551615 late optional\n"
           "v2 hugepageLimits[1] hugetlb/hugetlb.1GB.max=18446744073709551615 late\n");
    golden(&(struct oci_resources){.hugepage_limits = h, .hugepage_limits_n = 1}, 0,
           "v1 hugepageLimits[0] hugetlb/hugetlb.2MB.rsvd.limit_in_bytes=0 late optional\n"
           "v1 hugepageLimits[0] hugetlb/hugetlb.2MB.limit_in_bytes=0 late\n");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct cgroup_writes w;

        h[0].page_size = bad[i];
        assert_int_equal(cgroup_convert(&r, CGROUP_ALL_V2, arena, &w, &e), -1);
        assert_non_null(strstr(e.text, "is not a size like 2MB or 1GB"));
    }
}

static void test_network(void **state)
{
    struct oci_interface_priority p[] = {{"eth0", 5}, {"lo", 0}};
    struct oci_network n = {.class_id = U64(0x100001), .priorities = p, .priorities_n = 2};
    const struct oci_resources r = {.network = &n};

    (void)state;
    golden(&r, 0,
           "v1 network.classID net_cls/net_cls.classid=1048577\n"
           "v1 network.priorities[0] net_prio/net_prio.ifpriomap=eth0 5\n"
           "v1 network.priorities[1] net_prio/net_prio.ifpriomap=lo 0\n");
    refused(&r, CGROUP_ALL_V2, "linux.resources.network.classID: cannot be converted to cgroup v2");
    n.class_id = U64(0);
    refused(&r, CGROUP_ALL_V2,
            "linux.resources.network.priorities: cannot be converted to cgroup v2");
    p[0].name = "a b";
    refused(&r, 0,
            "linux.resources.network.priorities[0]: the name of an interface holds no blanks");
}

static void test_rdma(void **state)
{
    struct oci_rdma d[] = {{"mlx5_0", U64(3), U64(0)}, {"hfi1", {.set = false}, U64(7)}};
    const struct oci_resources r = {.rdma = d, .rdma_n = 2};

    (void)state;
    golden(&r, CGROUP_ALL_V2,
           "v2 rdma.mlx5_0 rdma/rdma.max=mlx5_0 hca_handle=3 hca_object=0\n"
           "v2 rdma.hfi1 rdma/rdma.max=hfi1 hca_object=7\n");
    d[1].hca_objects.set = false;
    refused(&r, 0, "linux.resources.rdma.hfi1: has neither hcaHandles nor hcaObjects");
}

static void test_unified(void **state)
{
    struct oci_pair u[] = {{"memory.high", "4096"},
                           {"io.max", "8:0 rbps=1\n\n8:16 rbps=2\n"},
                           {"cgroup.max.depth", "3"},
                           {"cpuset.cpus", ""}};
    const struct oci_resources r = {.unified = u, .unified_n = 4};
    static const char *const bad[] = {"",      "memory", "../cgroup.procs", "a/b.c",
                                      ".high", "/",      "memory.high/x"};

    (void)state;
    golden(&r, CGROUP_ALL_V2,
           "v2 unified.memory.high memory/memory.high=4096 late\n"
           "v2 unified.io.max io/io.max=8:0 rbps=1 late\n"
           "v2 unified.io.max io/io.max=8:16 rbps=2 late\n"
           "v2 unified.cgroup.max.depth /cgroup.max.depth=3 late\n"
           "v2 unified.cpuset.cpus cpuset/cpuset.cpus=\n late\n");
    refused(&r, 0, "linux.resources.unified.memory.high: no cgroup v2 hierarchy is mounted");
    refused(&r, CGROUP_UNIFIED | CGROUP_HUGETLB,
            "linux.resources.unified.memory.high: the memory controller is mounted as cgroup v1 on "
            "this machine");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct cgroup_writes w;

        u[0].key = bad[i];
        assert_int_equal(cgroup_convert(&r, CGROUP_ALL_V2, arena, &w, &e), -1);
        assert_non_null(strstr(e.text, "is not the name of a cgroup v2 file"));
    }
}

/* ---- device programs ---- */

/* The kernel's answer, by the instructions that the generator uses; anything else fails. */
static int interpret(const struct bpf_insn *p, size_t n, const struct bpf_cgroup_dev_ctx *ctx)
{
    uint64_t r[11] = {0};

    for (size_t pc = 0; pc < n; pc++) {
        const struct bpf_insn *i = &p[pc];
        uint64_t imm = (uint64_t)(int64_t)i->imm;

        switch (i->code) {
        case BPF_LDX | BPF_MEM | BPF_W: {
            uint32_t word;

            assert_int_equal(i->src_reg, BPF_REG_1);
            assert_true(i->off >= 0 && (size_t)i->off + 4 <= sizeof *ctx);
            memcpy(&word, (const char *)ctx + i->off, 4);
            r[i->dst_reg] = word;
            break;
        }
        case BPF_ALU64 | BPF_MOV | BPF_X:
            r[i->dst_reg] = r[i->src_reg];
            break;
        case BPF_ALU64 | BPF_MOV | BPF_K:
            r[i->dst_reg] = imm;
            break;
        case BPF_ALU64 | BPF_RSH | BPF_K:
            r[i->dst_reg] >>= imm;
            break;
        case BPF_ALU64 | BPF_AND | BPF_K:
            r[i->dst_reg] &= imm;
            break;
        case BPF_JMP32 | BPF_JNE | BPF_K:
            pc += (uint32_t)r[i->dst_reg] != (uint32_t)i->imm ? (size_t)i->off : 0;
            break;
        case BPF_JMP | BPF_JNE | BPF_K:
            pc += r[i->dst_reg] != imm ? (size_t)i->off : 0;
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            pc += r[i->dst_reg] == imm ? (size_t)i->off : 0;
            break;
        case BPF_JMP | BPF_EXIT:
            return (int)r[0];
        default:
            fail_msg("instruction %#x", i->code);
        }
    }
    fail_msg("the program does not end");
    return -1;
}

static bool matches(const struct oci_device_rule *rule, bool block, uint32_t major, uint32_t minor)
{
    if (rule->type != OCI_RULE_ALL && (rule->type == OCI_RULE_BLOCK) != block)
        return false;
    if (rule->major.set && rule->major.value != -1 && rule->major.value != major)
        return false;
    return !rule->minor.set || rule->minor.value == -1 || rule->minor.value == minor;
}

/* What the specification says, one access at a time: the last rule that speaks of it decides. */
static bool expected(const struct oci_device_rule *rules, size_t n, bool block, uint32_t major,
                     uint32_t minor, uint32_t access)
{
    for (uint32_t bit = 1; bit < 8; bit <<= 1) {
        bool allow = true;

        if (!(access & bit))
            continue;
        for (size_t i = 0; i < n; i++) {
            uint32_t of = rules[i].access ? rules[i].access : 7;

            if ((of & bit) && matches(&rules[i], block, major, minor))
                allow = rules[i].allow;
        }
        if (!allow)
            return false;
    }
    return true;
}

static void check_program(const struct oci_device_rule *rules, size_t n)
{
    static const uint32_t numbers[] = {0, 1, 3, 5, 8, 10, 136, 200, 0x7fffffff, UINT32_MAX};
    struct oci_device_rule all[32];
    size_t all_n = n, insns_n;
    struct bpf_insn *insns;

    if (n)
        memcpy(all, rules, n * sizeof *rules);
    if (!cgroup_rules_end_open(rules, n)) {
        memcpy(all + n, cgroup_added_rules, cgroup_added_rules_n * sizeof *all);
        all_n += cgroup_added_rules_n;
    }
    assert_int_equal(cgroup_device_program(rules, n, &insns, &insns_n, &e), 0);
    for (size_t a = 0; a < ARRAY_SIZE(numbers); a++) {
        for (size_t b = 0; b < ARRAY_SIZE(numbers); b++) {
            for (uint32_t q = 0; q < 14; q++) {
                bool block = q & 1;
                uint32_t access = q / 2 + 1;
                uint32_t kernel = (access & OCI_ACCESS_READ ? BPF_DEVCG_ACC_READ : 0) |
                                  (access & OCI_ACCESS_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
                                  (access & OCI_ACCESS_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0);
                const struct bpf_cgroup_dev_ctx ctx = {
                    .access_type =
                        kernel << 16 | (block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
                    .major = numbers[a],
                    .minor = numbers[b],
                };

                assert_int_equal(interpret(insns, insns_n, &ctx),
                                 expected(all, all_n, block, numbers[a], numbers[b], access));
            }
        }
    }
    free(insns);
}

/* Every shape of a rule, alone, after "deny all", and before and after each other shape. */
static void test_programs(void **state)
{
    static const struct oci_opt_i64 numbers[] = {
        {.set = false}, {true, -1}, {true, 0}, {true, 8}, {true, UINT32_MAX}};
    const struct oci_device_rule deny_all = {.allow = false};
    struct oci_device_rule shapes[512];
    size_t n = 0;

    (void)state;
    for (uint32_t allow = 0; allow < 2; allow++)
        for (uint32_t type = 0; type < 3; type++)
            for (size_t major = 0; major < ARRAY_SIZE(numbers); major++)
                for (uint32_t access = 0; access < 8; access++)
                    shapes[n++] = (struct oci_device_rule){.allow = allow,
                                                           .type = (enum oci_rule_type)type,
                                                           .major = numbers[major],
                                                           .minor = numbers[(major + access) % 5],
                                                           .access = access};
    check_program(NULL, 0);
    check_program(&deny_all, 1);
    for (size_t i = 0; i < n; i++) {
        const struct oci_device_rule list[] = {deny_all, shapes[i], shapes[(i * 7 + 3) % n],
                                               shapes[(i * 31 + 11) % n]};

        check_program(&shapes[i], 1);
        check_program(list, 2);
        check_program(list, 3);
        check_program(list + 1, 3);
    }
}

static void test_program_size(void **state)
{
    const struct oci_device_rule list[] = {
        {.allow = true, .type = OCI_RULE_CHAR, .major = {true, 4}, .minor = {true, 5}},
        {.allow = false},
        {.allow = true},
    };
    struct bpf_insn *insns;
    size_t n;

    (void)state;
    /* Nothing before a rule for everything is looked at. */
    assert_int_equal(cgroup_device_program(list, 3, &insns, &n, &e), 0);
    assert_int_equal(n, 8);
    free(insns);
}

/* ---- undo ---- */

static void check_undo(const char *file, const char *content, const char *written, const char *want)
{
    char *value = cgroup_undo_value(file, content, written);

    assert_non_null(value);
    assert_string_equal(value, want);
    free(value);
}

static void test_undo(void **state)
{
    (void)state;
    check_undo("memory.max", "max", "4096", "max");
    check_undo("cpu.max", "max 100000", "5000 100000", "max 100000");
    check_undo("cpuset.cpus", "", "0", "\n");
    check_undo("cpuset.cpus.partition", "member", "root", "member");
    check_undo("cpuset.cpus.partition", "isolated invalid (Cpu list not exclusive)", "root",
               "isolated");
    check_undo("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0", "1", "0");
    check_undo("io.max", "8:16 rbps=2 wbps=max riops=max wiops=max\n8:0 rbps=1 wbps=3",
               "8:0 wbps=5", "8:0 rbps=1 wbps=3");
    check_undo("io.max", "", "8:0 wbps=5", "8:0 rbps=max wbps=max riops=max wiops=max");
    check_undo("io.max", "18:0 rbps=1", "8:0 wbps=5", "8:0 rbps=max wbps=max riops=max wiops=max");
    check_undo("blkio.throttle.read_bps_device", "8:0 77", "8:0 5", "8:0 77");
    check_undo("blkio.throttle.write_iops_device", "", "8:0 5", "8:0 0");
    check_undo("io.weight", "default 100\n8:0 200", "500", "default 100");
    check_undo("io.weight", "default 100\n8:0 200", "8:0 500", "8:0 200");
    check_undo("io.weight", "default 100", "8:0 500", "8:0 default");
    check_undo("blkio.bfq.weight", "100", "500", "100");
    check_undo("net_prio.ifpriomap", "lo 0\neth0 4", "eth0 5", "eth0 4");
    check_undo("misc.max", "res_a max\nres_b 10", "res_b 5", "res_b 10");
    check_undo("rdma.max", "a hca_handle=2 hca_object=max", "b hca_object=3",
               "b hca_handle=max hca_object=max");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_weight),         TEST(test_cpu),
        TEST(test_cpu_max),        TEST(test_memory),
        TEST(test_memory_refused), TEST(test_pids),
        TEST(test_io_weight),      TEST(test_io),
        TEST(test_hugetlb),        TEST(test_network),
        TEST(test_rdma),           TEST(test_unified),
        TEST(test_programs),       TEST(test_program_size),
        TEST(test_undo),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
