/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Statistics of a container: each controller is read where it is, v1 or v2. v2 counts some things
 * in other units and swap without the memory; the document is v1's, so they are converted, as runc
 * does. A file that is missing leaves a zero: what is counted differs from kernel to kernel, and a
 * monitor wants the rest.
 */
#include "cgroup/stats.h"

#include "base/fd.h"
#include "base/util.h"
#include "cgroup/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (4u << 20)

struct reader {
    const struct cgroup_record *record;
    struct oci_arena *arena;
    struct cgroup_stats *out;
    bool no_memory; /* an allocation failed */
};

/* The directory that has the controller; *v2 tells where. -1: nobody has it. */
static int dir_of(struct reader *r, const char *v1, bool *v2)
{
    struct cgroup_place *place = cgroup_place_of(r->record, v1);
    struct err ignored = ERR_INIT;

    if (!place)
        place = cgroup_place_of(r->record, "");
    if (!place)
        return -1;
    *v2 = place->v2;
    return cgroup_place_dir(place, &ignored);
}

static uint64_t number(int dir, const char *file, const char *key)
{
    int64_t value = cgroup_read_number_at(dir, file, key);

    return value < 0 ? 0 : (uint64_t)value;
}

/* A limit: "max" is the largest number, as v1's absence of a limit nearly is. */
static uint64_t limit(int dir, const char *file)
{
    char text[64];

    if (cgroup_read_at(dir, file, text, sizeof text) <= 0)
        return 0;
    return strcmp(text, "max") == 0 ? UINT64_MAX : strtoull(text, NULL, 10);
}

/* A file of any length; NULL when it cannot be read. */
static char *text_of(int dir, const char *file)
{
    struct err ignored = ERR_INIT;
    char *text = NULL;

    return fd_read_file_at(dir, file, FILE_MAX, &text, NULL, &ignored) < 0 ? NULL : text;
}

static struct cgroup_pressure *pressure(struct reader *r, const char *file)
{
    struct cgroup_place *place = cgroup_place_of(r->record, "");
    struct err ignored = ERR_INIT;
    struct cgroup_pressure p, *out;
    char text[512];

    /* v2 has it for every cgroup, with or without the controller; a kernel may be told psi=0. */
    if (!place || cgroup_place_dir(place, &ignored) < 0 ||
        cgroup_read_at(place->dir - 1, file, text, sizeof text) <= 0 ||
        cgroup_parse_pressure(text, &p) < 0)
        return NULL;
    out = oci_alloc(r->arena, sizeof *out);
    if (out)
        *out = p;
    else
        r->no_memory = true;
    return out;
}

/* cpuacct.usage_all: a title, then "CPU USER SYSTEM", which count in ticks; cpuacct.usage_percpu
 * has the exact sums in one line. */
static void percpu(struct reader *r, int dir, struct cgroup_cpu_usage *u)
{
    _cleanup_free_ char *text = text_of(dir, "cpuacct.usage_all");
    _cleanup_free_ char *sums = text_of(dir, "cpuacct.usage_percpu");
    const char *sum = sums;
    size_t room = 0;

    if (!text)
        return;
    for (const char *p = text; *p; p++)
        room += *p == '\n';
    u->percpu = oci_alloc(r->arena, (room + 1) * sizeof *u->percpu);
    u->percpu_user = oci_alloc(r->arena, (room + 1) * sizeof *u->percpu_user);
    u->percpu_kernel = oci_alloc(r->arena, (room + 1) * sizeof *u->percpu_kernel);
    if (!u->percpu || !u->percpu_user || !u->percpu_kernel) {
        r->no_memory = true;
        return;
    }
    for (char *p = text, *end; *p; p = end + strcspn(end, "\n"), p += *p == '\n') {
        size_t i = u->percpu_n;

        strtoull(p, &end, 10);
        if (end == p)
            continue;
        u->percpu_user[i] = strtoull(end, &end, 10);
        u->percpu_kernel[i] = strtoull(end, &end, 10);
        u->percpu[i] = u->percpu_user[i] + u->percpu_kernel[i];
        if (sum && *(sum += strspn(sum, " ")) >= '0' && *sum <= '9') {
            u->percpu[i] = strtoull(sum, NULL, 10);
            sum += strcspn(sum, " ");
        }
        u->percpu_n = u->percpu_user_n = u->percpu_kernel_n = i + 1;
    }
}

static void read_cpu(struct reader *r)
{
    struct cgroup_cpu_stats *c = &r->out->cpu;
    bool v2;
    int dir = dir_of(r, "cpu", &v2);

    if (dir >= 0) {
        c->throttling.periods = number(dir, "cpu.stat", "nr_periods");
        c->throttling.throttled_periods = number(dir, "cpu.stat", "nr_throttled");
        c->throttling.throttled_time = v2 ? number(dir, "cpu.stat", "throttled_usec") * 1000
                                          : number(dir, "cpu.stat", "throttled_time");
    }
    c->psi = pressure(r, "cpu.pressure");
    dir = dir_of(r, "cpuacct", &v2);
    if (dir < 0)
        return;
    if (v2) {
        c->usage.total = number(dir, "cpu.stat", "usage_usec") * 1000;
        c->usage.user = number(dir, "cpu.stat", "user_usec") * 1000;
        c->usage.kernel = number(dir, "cpu.stat", "system_usec") * 1000;
        return;
    }
    c->usage.total = number(dir, "cpuacct.usage", NULL);
    c->usage.user = number(dir, "cpuacct.usage_user", NULL);
    c->usage.kernel = number(dir, "cpuacct.usage_sys", NULL);
    percpu(r, dir, &c->usage);
}

static void read_list(struct reader *r, int dir, const char *file, uint32_t **list, size_t *n)
{
    char text[4096];

    if (cgroup_read_at(dir, file, text, sizeof text) > 0 &&
        cgroup_parse_list(text, r->arena, list, n) < 0)
        r->no_memory = true;
}

static void read_cpuset(struct reader *r)
{
    struct cgroup_cpuset_stats *c = &r->out->cpuset;
    bool v2;
    int dir = dir_of(r, "cpuset", &v2);

    if (dir < 0)
        return;
    read_list(r, dir, v2 ? "cpuset.cpus.effective" : "cpuset.cpus", &c->cpus, &c->cpus_n);
    read_list(r, dir, v2 ? "cpuset.mems.effective" : "cpuset.mems", &c->mems, &c->mems_n);
    if (v2)
        return;
    c->cpu_exclusive = number(dir, "cpuset.cpu_exclusive", NULL);
    c->mem_hardwall = number(dir, "cpuset.mem_hardwall", NULL);
    c->mem_exclusive = number(dir, "cpuset.mem_exclusive", NULL);
    c->memory_migrate = number(dir, "cpuset.memory_migrate", NULL);
    c->memory_spread_page = number(dir, "cpuset.memory_spread_page", NULL);
    c->memory_spread_slab = number(dir, "cpuset.memory_spread_slab", NULL);
    c->memory_pressure = number(dir, "cpuset.memory_pressure", NULL);
    c->sched_load_balance = number(dir, "cpuset.sched_load_balance", NULL);
    c->sched_relax_domain_level =
        cgroup_read_number_at(dir, "cpuset.sched_relax_domain_level", NULL);
}

static void memory_v1(int dir, const char *prefix, struct cgroup_memory_entry *e)
{
    char file[64];

    snprintf(file, sizeof file, "%s.limit_in_bytes", prefix);
    e->limit = number(dir, file, NULL);
    snprintf(file, sizeof file, "%s.usage_in_bytes", prefix);
    e->usage = number(dir, file, NULL);
    snprintf(file, sizeof file, "%s.max_usage_in_bytes", prefix);
    e->max = number(dir, file, NULL);
    snprintf(file, sizeof file, "%s.failcnt", prefix);
    e->failcnt = number(dir, file, NULL);
}

static void memory_v2(int dir, struct cgroup_memory_stats *m)
{
    m->usage.limit = limit(dir, "memory.max");
    m->usage.usage = number(dir, "memory.current", NULL);
    m->usage.max = number(dir, "memory.peak", NULL);
    m->usage.failcnt = number(dir, "memory.events", "max");
    m->swap.limit = limit(dir, "memory.swap.max");
    if (__builtin_add_overflow(m->swap.limit, m->usage.limit, &m->swap.limit))
        m->swap.limit = UINT64_MAX;
    m->swap.usage = number(dir, "memory.swap.current", NULL) + m->usage.usage;
}

static void read_memory(struct reader *r)
{
    struct cgroup_memory_stats *m = &r->out->memory;
    bool v2;
    int dir = dir_of(r, "memory", &v2);
    _cleanup_free_ char *text = dir < 0 ? NULL : text_of(dir, "memory.stat");

    m->psi = pressure(r, "memory.pressure");
    if (dir < 0)
        return;
    if (text && cgroup_parse_flat(text, r->arena, &m->raw, &m->raw_n) < 0)
        r->no_memory = true;
    m->cache = number(dir, "memory.stat", v2 ? "file" : "cache");
    if (v2) {
        memory_v2(dir, m);
        return;
    }
    memory_v1(dir, "memory", &m->usage);
    memory_v1(dir, "memory.memsw", &m->swap);
    memory_v1(dir, "memory.kmem", &m->kernel);
    memory_v1(dir, "memory.kmem.tcp", &m->kernel_tcp);
}

static void read_pids(struct reader *r)
{
    bool v2;
    int dir = dir_of(r, "pids", &v2);

    if (dir < 0)
        return;
    r->out->pids.current = number(dir, "pids.current", NULL);
    r->out->pids.limit = number(dir, "pids.max", NULL);
}

static void read_io_v1(struct reader *r, int dir, const char *bfq, const char *throttle,
                       struct cgroup_io_entry **list, size_t *n)
{
    _cleanup_free_ char *text = text_of(dir, bfq);
    int failed = text ? cgroup_parse_blkio(text, r->arena, list, n) : 0;

    /* BFQ counts only while it is the scheduler. */
    if (*n == 0) {
        free(text);
        text = text_of(dir, throttle);
        failed |= text ? cgroup_parse_blkio(text, r->arena, list, n) : 0;
    }
    r->no_memory = r->no_memory || failed;
}

static void read_io(struct reader *r)
{
    static const char *const bytes[] = {" rbytes=", "Read",    " wbytes=", "Write",
                                        " dbytes=", "Discard", NULL};
    static const char *const operations[] = {" rios=", "Read",    " wios=", "Write",
                                             " dios=", "Discard", NULL};
    struct cgroup_io_stats *io = &r->out->blkio;
    _cleanup_free_ char *text = NULL;
    bool v2;
    int dir = dir_of(r, "blkio", &v2);

    io->psi = pressure(r, "io.pressure");
    if (dir < 0)
        return;
    if (!v2) {
        read_io_v1(r, dir, "blkio.bfq.io_service_bytes_recursive",
                   "blkio.throttle.io_service_bytes_recursive", &io->bytes, &io->bytes_n);
        read_io_v1(r, dir, "blkio.bfq.io_serviced_recursive",
                   "blkio.throttle.io_serviced_recursive", &io->operations, &io->operations_n);
        return;
    }
    text = text_of(dir, "io.stat");
    if (text &&
        (cgroup_parse_io(text, bytes, r->arena, &io->bytes, &io->bytes_n) < 0 ||
         cgroup_parse_io(text, operations, r->arena, &io->operations, &io->operations_n) < 0))
        r->no_memory = true;
}

/* The page sizes are those of the files that the cgroup has: hugetlb.2MB.current. */
static void add_page_size(struct reader *r, int dir, const char *name, bool v2)
{
    const char *suffix = v2 ? ".current" : ".usage_in_bytes", *end = strstr(name, suffix);
    struct cgroup_hugetlb_stats *h = &r->out->hugetlb[r->out->hugetlb_n];
    char file[128];

    if (strncmp(name, "hugetlb.", 8) != 0 || !end || end[strlen(suffix)] || strstr(name, ".rsvd") ||
        r->out->hugetlb_n == 16)
        return;
    h->size = oci_strndup(r->arena, name + 8, (size_t)(end - name) - 8);
    if (!h->size) {
        r->no_memory = true;
        return;
    }
    h->usage = number(dir, name, NULL);
    snprintf(file, sizeof file, "hugetlb.%s.%s", h->size, v2 ? "events" : "failcnt");
    h->failcnt = number(dir, file, v2 ? "max" : NULL);
    if (!v2) {
        snprintf(file, sizeof file, "hugetlb.%s.max_usage_in_bytes", h->size);
        h->max = number(dir, file, NULL);
    }
    r->out->hugetlb_n++;
}

static void read_hugetlb(struct reader *r)
{
    const struct dirent *e;
    bool v2;
    int dir = dir_of(r, "hugetlb", &v2);
    int copy = dir < 0 ? -1 : openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);

    r->out->hugetlb = oci_alloc(r->arena, 17 * sizeof *r->out->hugetlb);
    if (!r->out->hugetlb)
        r->no_memory = true;
    while (d && r->out->hugetlb && (e = readdir(d)))
        add_page_size(r, dir, e->d_name, v2);
    if (d)
        closedir(d);
    else
        fd_close(copy);
}

int cgroup_stats_read(const struct cgroup_record *record, struct oci_arena *arena,
                      struct cgroup_stats *out, struct err *err)
{
    struct reader r = {.record = record, .arena = arena, .out = out};

    *out = (struct cgroup_stats){.hugetlb_n = 0};
    read_cpu(&r);
    read_cpuset(&r);
    read_memory(&r);
    read_pids(&r);
    read_io(&r);
    read_hugetlb(&r);
    return r.no_memory ? err_set(err, ENOMEM, "statistics") : 0;
}
