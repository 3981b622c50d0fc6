/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroups on this machine: each test makes /ocirun-test-PID in every hierarchy, uses it, removes
 * it, and the teardown looks that nothing is left. Skipped without root or without a v1 hierarchy.
 */
#include "base/fd.h"
#include "base/util.h"
#include "cgroup/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fds.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define I64(v) ((struct oci_opt_i64){.set = true, .value = (v)})
#define U64(v) ((struct oci_opt_u64){.set = true, .value = (v)})
#define BOOL(v) ((struct oci_opt_bool){.set = true, .value = (v)})

#define MIB (1 << 20)

static struct err e;
static struct oci_arena *arena;
static struct cgroup_record record;
static char base[64]; /* "/ocirun-test-PID" */

/* Every call that has to succeed: the error's text is the message. */
#define ok(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0) {                                                                          \
            print_error("%s\n", e.text);                                                           \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

static int setup(void **state)
{
    (void)state;
    arena = oci_arena_new();
    e = (struct err)ERR_INIT;
    record = (struct cgroup_record){.driver = CGROUP_CGROUPFS};
    snprintf(base, sizeof base, "/ocirun-test-%d", (int)getpid());
    return arena ? 0 : -1;
}

static bool exists(const struct cgroup_place *p, const char *below)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s%s%s", p->mount, p->path, below);
    return access(path, F_OK) == 0;
}

static int teardown(void **state)
{
    struct cgroup_record all;
    int left = 0;

    (void)state;
    cgroup_remove(&record, true, &e);
    cgroup_release(&record);
    /* Nothing but what the tests asked for may be there; a parent that a test made is its own. */
    if (cgroup_plan(base, "ID", CGROUP_CGROUPFS, arena, &all, &e) == 0) {
        for (size_t i = 0; i < all.places_n; i++) {
            if (exists(&all.places[i], "")) {
                print_error("left over: %s%s\n", all.places[i].mount, all.places[i].path);
                left = -1;
            }
        }
    }
    oci_arena_free(arena);
    return left;
}

static void plan(const char *below)
{
    char path[256];

    snprintf(path, sizeof path, "%s%s", base, below);
    ok(cgroup_plan(path, "ID", CGROUP_CGROUPFS, arena, &record, &e));
}

static void prepare(const char *below)
{
    plan(below);
    ok(cgroup_prepare(&record, &e));
}

/* Keep only the v1 or only the v2 places of the plan. */
static void keep(bool v2)
{
    size_t n = 0;

    for (size_t i = 0; i < record.places_n; i++) {
        if (record.places[i].v2 == v2)
            record.places[n++] = record.places[i];
    }
    record.places_n = n;
}

/* A process in the cgroup that does @work and then waits to be killed. */
static pid_t child(void (*work)(void))
{
    int go[2], done[2];
    char byte = 0;
    pid_t pid;

    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    assert_int_equal(pipe2(done, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(go[1]);
        if (read(go[0], &byte, 1) != 1)
            _exit(99);
        if (work)
            work();
        if (write(done[1], &byte, 1) != 1)
            _exit(98);
        for (;;)
            pause();
    }
    close(done[1]);
    ok(cgroup_enter(&record, pid, CGROUP_ALL, &e));
    assert_int_equal(write(go[1], &byte, 1), 1);
    if (read(done[0], &byte, 1) < 0)
        fail();
    close(go[0]);
    close(go[1]);
    close(done[0]);
    return pid;
}

static int status_of(pid_t pid)
{
    int status = -1;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static bool killed(pid_t pid, int sig)
{
    int status = status_of(pid);

    return WIFSIGNALED(status) && WTERMSIG(status) == sig;
}

static char *value_of(const char *controller, const char *file)
{
    static char buf[4096];
    struct cgroup_place *p = cgroup_place_of(&record, controller);

    assert_non_null(p);
    ok(cgroup_place_dir(p, &e));
    if (cgroup_read_at(p->dir - 1, file, buf, sizeof buf) < 0)
        fail_msg("%s: %s", file, strerror(errno));
    return buf;
}

static int64_t number_of(const char *controller, const char *file)
{
    return strtoll(value_of(controller, file), NULL, 10);
}

/* ---- life of a cgroup ---- */

static void test_lifecycle(void **state)
{
    char proc[64], text[8192], line[256];
    struct oci_resources none = {.devices = NULL};
    pid_t pid, *pids;
    size_t n;
    int fd;

    (void)state;
    plan("");
    for (size_t i = 0; i < record.places_n; i++) {
        assert_true(record.places[i].created);
        assert_false(exists(&record.places[i], ""));
    }
    ok(cgroup_prepare(&record, &e));
    for (size_t i = 0; i < record.places_n; i++) {
        assert_true(record.places[i].created);
        assert_true(exists(&record.places[i], "/cgroup.procs"));
    }
    fd = cgroup_v2_fd(&record);
    assert_int_equal(fd >= 0, (cgroup_layout(&e) & CGROUP_HAS_V2) != 0);
    fd_close(fd);
    ok(cgroup_apply(&record, &none, CGROUP_EARLY, &e));
    pid = child(NULL);
    snprintf(proc, sizeof proc, "/proc/%d/cgroup", (int)pid);
    fd = open(proc, O_RDONLY | O_CLOEXEC);
    text[read(fd, text, sizeof text - 1)] = '\0';
    close(fd);
    for (size_t i = 0; i < record.places_n; i++) {
        snprintf(line, sizeof line, ":%s:%s\n", record.places[i].controllers, base);
        assert_non_null(strstr(text, line));
    }
    ok(cgroup_processes(&record, &pids, &n, &e));
    assert_int_equal(n, 1);
    assert_int_equal(pids[0], pid);
    free(pids);
    assert_int_equal(cgroup_oom_killed(&record, text, sizeof text), 0);
    ok(cgroup_remove(&record, true, &e));
    assert_true(killed(pid, SIGKILL));
    for (size_t i = 0; i < record.places_n; i++)
        assert_false(exists(&record.places[i], ""));
    /* Again: gone is no error. */
    ok(cgroup_remove(&record, true, &e));
    ok(cgroup_signal_all(&record, SIGKILL, &e));
    ok(cgroup_processes(&record, &pids, &n, &e));
    assert_int_equal(n, 0);
    assert_int_equal(cgroup_oom_killed(&record, NULL, 0), -1);
}

static void test_not_empty(void **state)
{
    struct cgroup_record second;
    char text[256];
    pid_t pid;

    (void)state;
    prepare("");
    pid = child(NULL);
    ok(cgroup_plan(base, "ID", CGROUP_CGROUPFS, arena, &second, &e));
    assert_false(second.places[0].created);
    assert_int_equal(cgroup_prepare(&second, &e), -1);
    snprintf(text, sizeof text, "cgroup %s is not empty: 1 process", base);
    assert_string_equal(e.text, text);
    /* What the refused one undoes must not touch the first one's. */
    ok(cgroup_remove(&second, true, &e));
    assert_int_equal(kill(pid, 0), 0);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    assert_int_equal(cgroup_remove(&record, false, &e), -1);
    assert_string_equal(e.text, text);
    kill(pid, SIGKILL);
    assert_true(killed(pid, SIGKILL));
    /* Empty now: used, but not removed by the second one. */
    ok(cgroup_prepare(&second, &e));
    ok(cgroup_remove(&second, true, &e));
    assert_true(exists(&record.places[0], ""));
    ok(cgroup_remove(&record, false, &e));
}

static void remove_parent(void)
{
    for (size_t i = 0; i < record.places_n; i++) {
        char path[PATH_MAX];

        snprintf(path, sizeof path, "%s%s", record.places[i].mount, base);
        rmdir(path);
    }
}

static void test_parents(void **state)
{
    (void)state;
    prepare("/a/b");
    assert_true(number_of("cpuset", "cpuset.mems") >= 0);
    assert_string_not_equal(value_of("cpuset", "cpuset.cpus"), "");
    assert_true(killed(({
                           pid_t pid = child(NULL);
                           ok(cgroup_signal_all(&record, SIGKILL, &e));
                           pid;
                       }),
                       SIGKILL));
    ok(cgroup_remove(&record, false, &e));
    /* The parents stay. */
    for (size_t i = 0; i < record.places_n; i++) {
        char path[PATH_MAX];

        assert_false(exists(&record.places[i], ""));
        snprintf(path, sizeof path, "%s%s/a", record.places[i].mount, base);
        assert_int_equal(rmdir(path), 0);
    }
    remove_parent();
}

static void test_frozen_parent(void **state)
{
    struct cgroup_record parent;

    (void)state;
    ok(cgroup_plan(base, "ID", CGROUP_CGROUPFS, arena, &parent, &e));
    ok(cgroup_prepare(&parent, &e));
    for (int v2 = 0; v2 < 2; v2++) {
        struct cgroup_place *p = cgroup_place_of(&parent, v2 ? "" : "freezer");

        if (!p)
            continue;
        ok(cgroup_place_dir(p, &e));
        assert_int_equal(cgroup_write_at(p->dir - 1, v2 ? "cgroup.freeze" : "freezer.state",
                                         v2 ? "1" : "FROZEN"),
                         0);
        assert_int_equal(cgroup_frozen(&parent), 1);
        plan("/c");
        assert_int_equal(cgroup_prepare(&record, &e), -1);
        assert_non_null(strstr(e.text, "/c is frozen"));
        for (size_t i = 0; i < record.places_n; i++)
            assert_false(record.places[i].created || exists(&record.places[i], ""));
        assert_int_equal(cgroup_write_at(p->dir - 1, v2 ? "cgroup.freeze" : "freezer.state",
                                         v2 ? "0" : "THAWED"),
                         0);
    }
    ok(cgroup_remove(&parent, false, &e));
}

static void test_plain_directory(void **state)
{
    char dir[] = "/tmp/ocirun-test-XXXXXX", path[64];
    struct cgroup_place place = {.controllers = "pids", .path = "/x", .mount = dir};
    struct cgroup_record r = {.driver = CGROUP_CGROUPFS, .places = &place, .places_n = 1};

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(cgroup_prepare(&r, &e), -1);
    assert_non_null(strstr(e.text, "not a cgroup filesystem"));
    snprintf(path, sizeof path, "%s/x", dir);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(cgroup_enter(&r, getpid(), CGROUP_ALL, &e), -1);
    assert_non_null(strstr(e.text, "not a cgroup filesystem"));
    /* A hierarchy that is mounted no longer holds nothing to remove; the directory is not ours. */
    place.created = true;
    assert_int_equal(cgroup_remove(&r, true, &e), 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

/* ---- limits ---- */

static void test_limits(void **state)
{
    struct oci_memory m = {.limit = I64(64 * MIB),
                           .reservation = I64(32 * MIB),
                           .swap = I64(128 * MIB),
                           .kernel = I64(16 * MIB),
                           .swappiness = U64(7),
                           .kernel_tcp = I64(8 * MIB),
                           .disable_oom_killer = BOOL(true),
                           .use_hierarchy = BOOL(true)};
    struct oci_cpu c = {.shares = U64(512),
                        .quota = I64(20000),
                        .period = U64(50000),
                        .burst = U64(10000),
                        .cpus = "0",
                        .mems = "0"};
    struct oci_pids p = {.limit = I64(17)};
    struct oci_resources r = {.memory = &m, .cpu = &c, .pids = &p};

    (void)state;
    prepare("");
    ok(cgroup_check(&r, CGROUP_CGROUPFS, &e));
    ok(cgroup_apply(&record, &r, CGROUP_EARLY, &e));
    assert_true(number_of("memory", "memory.limit_in_bytes") > 64 * MIB);
    assert_string_equal(value_of("pids", "pids.max"), "max");
    ok(cgroup_apply(&record, &r, CGROUP_LATE, &e));
    assert_int_equal(number_of("memory", "memory.limit_in_bytes"), 64 * MIB);
    assert_int_equal(number_of("memory", "memory.memsw.limit_in_bytes"), 128 * MIB);
    assert_int_equal(number_of("memory", "memory.soft_limit_in_bytes"), 32 * MIB);
    assert_int_equal(number_of("memory", "memory.kmem.tcp.limit_in_bytes"), 8 * MIB);
    assert_int_equal(number_of("memory", "memory.swappiness"), 7);
    assert_non_null(strstr(value_of("memory", "memory.oom_control"), "oom_kill_disable 1"));
    assert_int_equal(number_of("cpu", "cpu.shares"), 512);
    assert_int_equal(number_of("cpu", "cpu.cfs_quota_us"), 20000);
    assert_int_equal(number_of("cpu", "cpu.cfs_period_us"), 50000);
    assert_int_equal(number_of("cpu", "cpu.cfs_burst_us"), 10000);
    assert_string_equal(value_of("cpuset", "cpuset.cpus"), "0");
    assert_int_equal(number_of("pids", "pids.max"), 17);
    c = (struct oci_cpu){.idle = I64(1)};
    r = (struct oci_resources){.cpu = &c};
    ok(cgroup_apply(&record, &r, CGROUP_EARLY, &e));
    assert_int_equal(number_of("cpu", "cpu.idle"), 1);
    c = (struct oci_cpu){.idle = I64(0), .shares = U64(300)};
    ok(cgroup_apply(&record, &r, CGROUP_EARLY, &e));
    assert_int_equal(number_of("cpu", "cpu.shares"), 300);
}

static void apply_both(const struct oci_resources *r)
{
    ok(cgroup_apply(&record, r, CGROUP_EARLY, &e));
    ok(cgroup_apply(&record, r, CGROUP_LATE, &e));
}

/* Values that bound each other, up and down: the order of the writes must not matter to the user.
 */
static void test_update_order(void **state)
{
    static const int steps[][2] = {{64, 128},  {256, 512}, {32, 32},
                                   {512, 512}, {16, 600},  {600, 601}};
    static const int cpu_steps[][3] = {/* quota, period, burst */
                                       {50000, 100000, 50000},
                                       {5000, 10000, 1000},
                                       {200000, 1000000, 200000},
                                       {1000, 1000, 0}};
    struct oci_memory m = {.limit = {.set = false}};
    struct oci_cpu c = {.shares = {.set = false}};
    struct oci_resources r = {.memory = &m, .cpu = &c};

    (void)state;
    prepare("");
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        m = (struct oci_memory){.limit = I64((int64_t)steps[i][0] * MIB),
                                .swap = I64((int64_t)steps[i][1] * MIB)};
        apply_both(&r);
        assert_int_equal(number_of("memory", "memory.limit_in_bytes"), m.limit.value);
        assert_int_equal(number_of("memory", "memory.memsw.limit_in_bytes"), m.swap.value);
    }
    m = (struct oci_memory){.limit = I64(-1)};
    apply_both(&r);
    assert_true(number_of("memory", "memory.memsw.limit_in_bytes") > (int64_t)1 << 60);
    m = (struct oci_memory){.limit = {.set = false}};
    for (size_t i = 0; i < ARRAY_SIZE(cpu_steps); i++) {
        c = (struct oci_cpu){.quota = I64(cpu_steps[i][0]),
                             .period = U64((uint64_t)cpu_steps[i][1]),
                             .burst = U64((uint64_t)cpu_steps[i][2])};
        apply_both(&r);
        assert_int_equal(number_of("cpu", "cpu.cfs_quota_us"), cpu_steps[i][0]);
        assert_int_equal(number_of("cpu", "cpu.cfs_period_us"), cpu_steps[i][1]);
        assert_int_equal(number_of("cpu", "cpu.cfs_burst_us"), cpu_steps[i][2]);
    }
    /* A value that the kernel refuses whatever the order. */
    c = (struct oci_cpu){.quota = I64(5)};
    assert_int_equal(cgroup_apply(&record, &r, CGROUP_EARLY, &e), -1);
    assert_non_null(
        strstr(e.text, "linux.resources.cpu.quota: write 5 to cpu.cfs_quota_us of cgroup "));
    assert_int_equal(e.errnum, EINVAL);
    assert_string_equal(e.object, "linux.resources.cpu.quota");
}

static void use_memory(void)
{
    char *p = mmap(NULL, 24 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED || mlock(p, 24 * MIB) < 0)
        _exit(97);
    memset(p, 1, 24 * MIB);
}

static void test_memory_busy(void **state)
{
    struct oci_memory m = {.limit = I64(4 * MIB)};
    struct oci_resources r = {.memory = &m};

    (void)state;
    prepare("");
    child(use_memory);
    assert_int_equal(cgroup_apply(&record, &r, CGROUP_LATE, &e), -1);
    assert_non_null(strstr(e.text, "linux.resources.memory.limit: unable to set memory limit to "
                                   "4194304 (current usage: "));
    assert_non_null(strstr(e.text, ", peak usage: "));
    assert_int_equal(e.errnum, EBUSY);
    ok(cgroup_remove(&record, true, &e));
    while (waitpid(-1, NULL, 0) > 0)
        continue;
}

static void eat_memory(void)
{
    for (;;) {
        char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
            _exit(97);
        memset(p, 1, MIB);
    }
}

static void test_oom(void **state)
{
    struct oci_memory m = {.limit = I64(12 * MIB), .swap = I64(12 * MIB)};
    struct oci_resources r = {.memory = &m};
    char text[128];
    pid_t pid;

    (void)state;
    prepare("");
    ok(cgroup_apply(&record, &r, CGROUP_LATE, &e));
    pid = child(eat_memory);
    assert_true(killed(pid, SIGKILL));
    assert_int_equal(cgroup_oom_killed(&record, text, sizeof text), 1);
    assert_string_equal(text, "limit 12 MiB, usage 12 MiB");
    ok(cgroup_remove(&record, false, &e));
}

static void fork_once(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    _exit(pid < 0 && errno == EAGAIN ? 42 : 0);
}

static void test_pids_zero(void **state)
{
    struct oci_pids p = {.limit = I64(0)};
    struct oci_resources r = {.pids = &p};
    int status;

    (void)state;
    prepare("");
    ok(cgroup_apply(&record, &r, CGROUP_LATE, &e));
    status = status_of(child(fork_once));
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

/* 10: all as it should be; otherwise the step that was not. */
static void try_devices(void)
{
    char dir[] = "/dev/ocirun-test-XXXXXX", path[64];
    int step = 10;

    if (!mkdtemp(dir))
        _exit(1);
    snprintf(path, sizeof path, "%s/d", dir);
    if (mknod(path, S_IFCHR | 0600, makedev(1, 3)) < 0 || open(path, O_RDWR) < 0 ||
        unlink(path) < 0)
        step = 2;
    else if (mknod(path, S_IFCHR | 0600, makedev(1, 11)) < 0)
        step = 3;
    else if (open(path, O_RDONLY) >= 0 || errno != EPERM)
        step = 4;
    unlink(path);
    rmdir(dir);
    _exit(step);
}

static void test_device_list(void **state)
{
    struct oci_device_rule rules[] = {
        {.allow = false},
        {.allow = true, .type = OCI_RULE_CHAR, .major = I64(1), .minor = I64(11), .access = 7},
        {.allow = false, .type = OCI_RULE_CHAR, .major = I64(1), .minor = I64(11), .access = 3}};
    struct oci_resources r = {.devices = rules, .devices_n = 3};
    int status;

    (void)state;
    prepare("");
    ok(cgroup_apply(&record, &r, CGROUP_EARLY, &e));
    assert_non_null(strstr(value_of("devices", "devices.list"), "c 136:* rwm"));
    status = status_of(child(try_devices));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 10);
}

/* ---- freezing and signals ---- */

/* As list asks: below mounts that stay open, without the directories of the record. */
static int frozen_below_mounts(void)
{
    struct cgroup_record other = record;
    int fds, first, second;

    cgroup_release(&record);
    other = record;
    fds = count_fds();
    cgroup_keep_mounts(true);
    first = cgroup_frozen(&record);
    assert_true(count_fds() > fds);
    second = cgroup_frozen(&other);
    assert_int_equal(cgroup_oom_killed(&record, NULL, 0) > 0, 0);
    cgroup_keep_mounts(false);
    assert_int_equal(count_fds(), fds);
    assert_int_equal(first, second);
    for (size_t i = 0; i < record.places_n; i++)
        assert_int_equal(record.places[i].dir, 0);
    return first;
}

static void freeze_and_kill(void)
{
    pid_t pid = child(NULL);

    assert_int_equal(cgroup_frozen(&record), 0);
    ok(cgroup_freeze(&record, true, &e));
    assert_int_equal(cgroup_frozen(&record), 1);
    assert_int_equal(frozen_below_mounts(), 1);
    ok(cgroup_freeze(&record, false, &e));
    assert_int_equal(cgroup_frozen(&record), 0);
    assert_int_equal(frozen_below_mounts(), 0);
    ok(cgroup_signal_all(&record, SIGUSR1, &e));
    assert_true(killed(pid, SIGUSR1));
    /* A paused one dies of SIGKILL. */
    pid = child(NULL);
    ok(cgroup_freeze(&record, true, &e));
    ok(cgroup_signal_all(&record, SIGKILL, &e));
    assert_true(killed(pid, SIGKILL));
    ok(cgroup_remove(&record, false, &e));
}

static void test_freeze_hybrid(void **state)
{
    (void)state;
    prepare("");
    freeze_and_kill();
}

static void test_freeze_v1(void **state)
{
    (void)state;
    plan("");
    keep(false);
    ok(cgroup_prepare(&record, &e));
    freeze_and_kill();
}

static void test_freeze_v2(void **state)
{
    (void)state;
    plan("");
    keep(true);
    if (record.places_n == 0)
        skip();
    ok(cgroup_prepare(&record, &e));
    freeze_and_kill();
}

static void breed(void)
{
    if (fork() == 0) {
        for (;;) {
            if (fork() > 0)
                _exit(0);
        }
    }
}

/* A process that forks away all the time has no chance, on either version. */
static void kill_breeder(bool v2)
{
    struct oci_pids p = {.limit = I64(50)};
    struct oci_resources r = {.pids = &p};
    pid_t *pids;
    size_t n;

    plan("");
    keep(v2);
    ok(cgroup_prepare(&record, &e));
    if (!v2)
        ok(cgroup_apply(&record, &r, CGROUP_LATE, &e));
    child(breed);
    ok(cgroup_signal_all(&record, SIGKILL, &e));
    ok(cgroup_remove(&record, true, &e));
    ok(cgroup_processes(&record, &pids, &n, &e));
    assert_int_equal(n, 0);
    while (waitpid(-1, NULL, 0) > 0)
        continue;
}

static void test_breeder_v1(void **state)
{
    (void)state;
    kill_breeder(false);
}

static void test_breeder_v2(void **state)
{
    (void)state;
    if (!(cgroup_layout(&e) & CGROUP_HAS_V2))
        skip();
    kill_breeder(true);
}

/* Who asks is not hit, even from inside. */
static void test_caller_inside(void **state)
{
    pid_t other, caller;
    int status;

    (void)state;
    prepare("");
    other = child(NULL);
    caller = fork();
    if (caller == 0) {
        struct err ce = ERR_INIT;

        if (cgroup_enter(&record, getpid(), CGROUP_ALL, &ce) < 0)
            _exit(1);
        _exit(cgroup_signal_all(&record, SIGKILL, &ce) < 0 ? 2 : 42);
    }
    status = status_of(caller);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    assert_true(killed(other, SIGKILL));
}

/* ---- sub-cgroups ---- */

static void nest(struct cgroup_place *p, int depth, pid_t pid)
{
    int fd = openat(AT_FDCWD, "/", O_PATH | O_CLOEXEC);
    char text[16];

    ok(cgroup_place_dir(p, &e));
    fd_close(fd);
    fd = dup(p->dir - 1);
    for (int i = 0; i < depth; i++) {
        int below;

        assert_int_equal(mkdirat(fd, "nested", 0755), 0);
        below = openat(fd, "nested", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(below >= 0);
        close(fd);
        fd = below;
    }
    snprintf(text, sizeof text, "%d", (int)pid);
    assert_int_equal(cgroup_write_at(fd, "cgroup.procs", text), 0);
    close(fd);
}

static void test_sub_cgroups(void **state)
{
    struct cgroup_place *freezer;
    pid_t pid, second, *pids;
    size_t n;

    (void)state;
    prepare("");
    pid = child(NULL);
    second = child(NULL);
    for (size_t i = 0; i < record.places_n; i++) {
        if (!cgroup_has_controller(record.places[i].controllers, "cpuset"))
            nest(&record.places[i], 3, pid);
    }
    ok(cgroup_processes(&record, &pids, &n, &e));
    assert_int_equal(n, 2);
    assert_true(pids[0] < pids[1]);
    free(pids);
    /* A frozen sub-cgroup does not keep its processes from dying. */
    freezer = cgroup_place_of(&record, "freezer");
    if (freezer) {
        int fd = cgroup_open_below(freezer->dir - 1, "nested/nested");

        assert_int_equal(cgroup_write_at(fd, "freezer.state", "FROZEN"), 0);
        close(fd);
    }
    ok(cgroup_remove(&record, true, &e));
    assert_true(killed(pid, SIGKILL));
    assert_true(killed(second, SIGKILL));
}

/* Deeper than PATH_MAX and than the number of descriptors. */
static void test_deep(void **state)
{
    struct cgroup_place *p;
    pid_t pid;

    (void)state;
    prepare("");
    p = cgroup_place_of(&record, "name=systemd");
    if (!p)
        skip();
    pid = child(NULL);
    nest(p, 1200, pid);
    ok(cgroup_remove(&record, true, &e));
    assert_true(killed(pid, SIGKILL));
}

/* ---- without privilege ---- */

static void test_unprivileged(void **state)
{
    struct oci_pids p = {.limit = I64(5)};
    struct oci_device_rule deny = {.allow = false};
    struct oci_resources limits = {.pids = &p}, devices = {.devices = &deny, .devices_n = 1};
    pid_t pid;
    int status;

    (void)state;
    plan("");
    pid = fork();
    if (pid == 0) {
        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(1);
        if (cgroup_prepare(&record, &e) < 0 || record.places_n != 0)
            _exit(2);
        if (cgroup_apply(&record, &devices, CGROUP_EARLY, &e) < 0)
            _exit(3);
        if (cgroup_apply(&record, &limits, CGROUP_LATE, &e) == 0 ||
            !strstr(e.text, "linux.resources.pids.limit: pids needs the cgroup ") ||
            !strstr(e.text, "which cannot be made: Permission denied"))
            _exit(4);
        _exit(cgroup_signal_all(&record, SIGKILL, &e) == 0 ? 5 : 42);
    }
    status = status_of(pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_lifecycle),     TEST(test_not_empty),       TEST(test_parents),
        TEST(test_frozen_parent), TEST(test_plain_directory), TEST(test_limits),
        TEST(test_update_order),  TEST(test_memory_busy),     TEST(test_oom),
        TEST(test_pids_zero),     TEST(test_device_list),     TEST(test_freeze_hybrid),
        TEST(test_freeze_v1),     TEST(test_freeze_v2),       TEST(test_breeder_v1),
        TEST(test_breeder_v2),    TEST(test_caller_inside),   TEST(test_sub_cgroups),
        TEST(test_deep),          TEST(test_unprivileged),
    };

    if (geteuid() != 0 || !(cgroup_layout(&e) & CGROUP_HAS_V1)) {
        printf("cgroup live tests: skipped, they need root and a v1 hierarchy\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
