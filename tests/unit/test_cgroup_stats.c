/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Statistics: the kernel's formats, and the shape of the document. */
#include "base/util.h"
#include "cgroup/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static struct oci_arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = oci_arena_new();
    return arena ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    oci_arena_free(arena);
    return 0;
}

static void test_pressure(void **state)
{
    struct cgroup_pressure p;

    (void)state;
    assert_int_equal(cgroup_parse_pressure("some avg10=1.50 avg60=0.07 avg300=100.00 total=12345\n"
                                           "full avg10=0.00 avg60=12.3 avg300=4 total=9\n",
                                           &p),
                     0);
    assert_int_equal(p.some.avg10, 150);
    assert_int_equal(p.some.avg60, 7);
    assert_int_equal(p.some.avg300, 10000);
    assert_int_equal(p.some.total, 12345);
    assert_int_equal(p.full.avg60, 1230);
    assert_int_equal(p.full.avg300, 400);
    assert_int_equal(p.full.total, 9);
    assert_int_equal(cgroup_parse_pressure("", &p), -1);
    assert_int_equal(cgroup_parse_pressure("garbage", &p), -1);
    assert_int_equal(cgroup_parse_pressure("some", &p), -1);
}

static void test_flat(void **state)
{
    struct oci_count *list;
    size_t n;

    (void)state;
    assert_int_equal(
        cgroup_parse_flat("cache 5\n\nbad\nrss 18446744073709551615\nx y\n", arena, &list, &n), 0);
    assert_int_equal(n, 2);
    assert_string_equal(list[0].key, "cache");
    assert_int_equal(list[0].value, 5);
    assert_true(list[1].value == UINT64_MAX);
    assert_int_equal(cgroup_parse_flat("", arena, &list, &n), 0);
    assert_int_equal(n, 0);
}

static void test_list(void **state)
{
    uint32_t *list;
    size_t n;

    (void)state;
    assert_int_equal(cgroup_parse_list("0-2,5,7-8", arena, &list, &n), 0);
    assert_int_equal(n, 6);
    assert_int_equal(list[2], 2);
    assert_int_equal(list[3], 5);
    assert_int_equal(list[5], 8);
    assert_int_equal(cgroup_parse_list("", arena, &list, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(cgroup_parse_list("0-4294967295", arena, &list, &n), 0);
    assert_int_equal(n, 8192);
}

static void test_io(void **state)
{
    static const char *const keys[] = {" rbytes=", "Read", " wbytes=", "Write", NULL};
    struct cgroup_io_entry *list;
    size_t n;

    (void)state;
    assert_int_equal(cgroup_parse_io("8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n"
                                     "garbage\n\n\n253:7 rios=1 rbytes=9\n8:\n8:16 \n",
                                     keys, arena, &list, &n),
                     0);
    assert_int_equal(n, 3);
    assert_int_equal(list[1].value, 2);
    assert_string_equal(list[1].op, "Write");
    assert_int_equal(list[2].major, 253);
    assert_int_equal(list[2].minor, 7);
    assert_int_equal(list[2].value, 9);
    assert_int_equal(cgroup_parse_blkio("8:0 Read 5\n8:0 Write 6\nTotal 11\n", arena, &list, &n),
                     0);
    assert_int_equal(n, 2);
    assert_string_equal(list[0].op, "Read");
    assert_int_equal(list[1].value, 6);
}

static void test_document(void **state)
{
    uint64_t percpu[] = {1, 2};
    uint32_t cpus[] = {0, 1};
    struct oci_count raw[] = {{"cache", 4}};
    struct cgroup_pressure psi = {.some = {1, 120, 10000, 7}};
    struct cgroup_io_entry io = {8, 0, "Read", 4096};
    struct cgroup_hugetlb_stats huge = {"2MB", 1, 2, 0};
    struct cgroup_stats s = {
        .cpu = {.usage = {.total = 3, .percpu = percpu, .percpu_n = 2}, .psi = &psi},
        .cpuset = {.cpus = cpus, .cpus_n = 2, .sched_relax_domain_level = -1},
        .memory = {.cache = 4, .usage = {.limit = 8, .usage = 5}, .raw = raw, .raw_n = 1},
        .pids = {.current = 2},
        .blkio = {.bytes = &io, .bytes_n = 1},
        .hugetlb = &huge,
        .hugetlb_n = 1,
    };
    struct cgroup_event event = {.type = "stats", .id = "c", .data = &s};
    char *text = oci_encode(&cgroup_event_table, &event, OCI_STYLE_COMPACT, NULL);

    (void)state;
    assert_string_equal(
        text,
        "{\"type\":\"stats\",\"id\":\"c\",\"data\":{\"cpu\":{\"usage\":{\"total\":3,\"percpu\":[1,"
        "2],"
        "\"kernel\":0,\"user\":0},\"throttling\":{},\"psi\":{\"some\":{\"avg10\":0.01,\"avg60\":1."
        "20,"
        "\"avg300\":100.00,\"total\":7},\"full\":{\"avg10\":0.00,\"avg60\":0.00,\"avg300\":0.00,"
        "\"total\":0}}},\"cpuset\":{\"cpus\":[0,1],\"cpu_exclusive\":0,\"mem_hardwall\":0,"
        "\"mem_exclusive\":0,\"memory_migrate\":0,\"memory_spread_page\":0,\"memory_spread_slab\":"
        "0,"
        "\"memory_pressure\":0,\"sched_load_balance\":0,\"sched_relax_domain_level\":-1},"
        "\"memory\":{\"cache\":4,\"usage\":{\"limit\":8,\"usage\":5,\"failcnt\":0},"
        "\"swap\":{\"limit\":0,\"failcnt\":0},\"kernel\":{\"limit\":0,\"failcnt\":0},"
        "\"kernelTCP\":{\"limit\":0,\"failcnt\":0},\"raw\":{\"cache\":4}},"
        "\"pids\":{\"current\":2},\"blkio\":{\"ioServiceBytesRecursive\":[{\"major\":8,\"op\":"
        "\"Read\",\"value\":4096}]},\"hugetlb\":{\"2MB\":{\"usage\":1,\"max\":2,\"failcnt\":0}}}}");
    free(text);
    event = (struct cgroup_event){.type = "oom", .id = "c"};
    text = oci_encode(&cgroup_event_table, &event, OCI_STYLE_COMPACT, NULL);
    assert_string_equal(text, "{\"type\":\"oom\",\"id\":\"c\"}");
    free(text);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_pressure), TEST(test_flat), TEST(test_list), TEST(test_io), TEST(test_document),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
