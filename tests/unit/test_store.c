/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store: which ids it takes, the record written and read, damaged and missing, removal that
 * follows nothing, the lock, and the status, which comes from the kernel's evidence alone.
 */
#include "base/fd.h"
#include "base/proc.h"
#include "base/util.h"
#include "base/wording.h"
#include "host/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char base[64], root_path[80];
static struct runtime rt;
static struct oci_arena *arena;
static int root, dir;
static struct err err;

static int set_up(void **state)
{
    (void)state;
    err = (struct err)ERR_INIT;
    strcpy(base, "/tmp/test_store.XXXXXX");
    if (!mkdtemp(base))
        return -1;
    snprintf(root_path, sizeof root_path, "%s/a/root", base);
    rt = (struct runtime){.root = root_path, .timeout = 1000};
    arena = oci_arena_new();
    root = store_root(&rt, true, &err);
    dir = root < 0 ? -1 : store_make(root, "c1", &err);
    return arena && dir >= 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    int top = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct err ignored;

    (void)state;
    fd_close(dir);
    fd_close(root);
    oci_arena_free(arena);
    store_remove(top, base + strlen("/tmp/"), &ignored);
    fd_close(top);
    return access(base, F_OK) == 0 ? -1 : 0;
}

static struct record sample(void)
{
    return (struct record){
        .version = RECORD_VERSION,
        .id = "c1",
        .bundle = "/some/bundle",
        .rootfs = "/some/bundle/rootfs",
        .created = record_now(arena),
        .owner = 0,
        .committed = true,
        .creator = {getpid(), proc_start_time(getpid())},
        .init = {getpid(), proc_start_time(getpid())},
        .namespaces = {true, 1u << OCI_NS_PID | 1u << OCI_NS_MOUNT},
        .has_process = true,
    };
}

static void write_text(const char *name, const char *text)
{
    assert_int_equal(fd_replace_file_at(dir, name, text, strlen(text), 0600, &err), 0);
}

/* ---- ids ---- */

static void test_ids(void **state)
{
    static const char *const good[] = {"a", "A-b_c+d.e", "0", "..a", "-x", "_"};
    static const char *const bad[] = {"",    ".",   "..", "a/b",  "/",  "a b",
                                      "a\n", "a:b", "ä",  "a\\b", "a*", ".cache"};
    char text[300];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_int_equal(container_id_check(good[i], &err), 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(container_id_check(bad[i], &err), -1);
    memset(text, 'x', sizeof text);
    text[255] = '\0';
    assert_int_equal(container_id_check(text, &err), 0);
    text[255] = 'x';
    text[256] = '\0';
    assert_int_equal(container_id_check(text, &err), -1);
}

static void test_an_id_is_unique(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(store_make(root, "c1", &err), -1);
    assert_non_null(strstr(err.text, WORDING_EXISTS));
    assert_int_equal(fstat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(store_open(root, "c2", &err), -1);
    assert_int_equal(err.errnum, ENOENT);
    /* A file or a link is no container, whatever it points to. */
    assert_int_equal(symlinkat("c1", root, "link"), 0);
    assert_int_equal(store_open(root, "link", &err), -1);
    assert_int_equal(err.errnum, ENOENT);
}

static void test_root(void **state)
{
    struct runtime other = {.root = ""};
    struct stat st;

    (void)state;
    assert_int_equal(stat(root_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(store_root(&other, true, &err), -1);
    other.root = "/";
    assert_int_equal(store_root(&other, true, &err), -1);
    other.root = "/tmp/test_store.not-there";
    assert_int_equal(store_root(&other, false, &err), -1);
    assert_int_equal(err.errnum, ENOENT);
    assert_int_equal(access(other.root, F_OK), -1);
}

/* ---- the record ---- */

static void test_round_trip(void **state)
{
    struct oci_pair pairs[] = {{"key", "value \xc3\xa4 \"\n"}, {"k2", ""}};
    struct oci_rlimit limits[] = {{OCI_RLIMIT_NOFILE, 0, UINT64_MAX}};
    struct record w = sample();
    struct found f = FOUND_INIT;

    (void)state;
    w.annotations = pairs;
    w.annotations_n = ARRAY_SIZE(pairs);
    w.rlimits = limits;
    w.rlimits_n = ARRAY_SIZE(limits);
    w.chroot = w.notify = true;
    assert_int_equal(store_write(dir, &w, &err), 0);
    assert_int_equal(store_find(&rt, "c1", &f, &err), 0);
    assert_string_equal(f.record.id, w.id);
    assert_string_equal(f.record.bundle, w.bundle);
    assert_string_equal(f.record.rootfs, w.rootfs);
    assert_string_equal(f.record.created, w.created);
    assert_true(f.record.committed && f.record.chroot && f.record.notify && f.record.has_process);
    assert_true(f.record.init.pid == w.init.pid && f.record.init.start_time == w.init.start_time);
    assert_true(f.record.creator.pid == w.creator.pid);
    assert_true(f.record.namespaces.bits == w.namespaces.bits);
    assert_int_equal(f.record.annotations_n, 2);
    assert_string_equal(f.record.annotations[0].value, pairs[0].value);
    assert_string_equal(f.record.annotations[1].value, "");
    assert_int_equal(f.record.rlimits_n, 1);
    assert_true(f.record.rlimits[0].type == OCI_RLIMIT_NOFILE && f.record.rlimits[0].soft == 0 &&
                f.record.rlimits[0].hard == UINT64_MAX);
    /* A record is read again into the same struct: nothing of the earlier one stays. */
    w.annotations_n = w.rlimits_n = 0;
    w.committed = false;
    assert_int_equal(store_write(dir, &w, &err), 0);
    assert_int_equal(store_read(f.dir, f.arena, &f.record, &err), 0);
    assert_true(f.record.annotations_n == 0 && f.record.rlimits_n == 0 && !f.record.committed);
    found_close(&f);
    assert_int_equal(f.dir, -1);
}

/* gmtime(3) is the oracle, over leap days, centuries and ends of years. */
static void test_time(void **state)
{
    static const int64_t some[] = {0,          86399,      951782399,  951782400,  951868799,
                                   951868800,  1709164800, 1735689599, 1735689600, 2147483647,
                                   4102444799, 4107542400, 4107628800, 13569465600};

    (void)state;
    for (int64_t t = 0; t < 20000 + (int64_t)ARRAY_SIZE(some); t++) {
        time_t seconds = t < 20000 ? t * 86400 * 7 + t % 86400 : some[t - 20000];
        char expected[64];
        struct tm tm;

        gmtime_r(&seconds, &tm);
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.000000007Z", &tm);
        assert_string_equal(record_time(arena, seconds, 7), expected);
    }
}

/* What was staged is not in force before it is published, and then is. */
static void test_staged(void **state)
{
    struct record w = sample(), r;
    struct store_staged staged;
    int made = store_make(root, "staged", &err);

    (void)state;
    assert_true(made >= 0);
    w.committed = false;
    assert_int_equal(store_write(made, &w, &err), 0);
    w.committed = true;
    assert_int_equal(store_stage(made, &w, &staged, &err), 0);
    memset(&r, 0, sizeof r);
    assert_int_equal(store_read(made, arena, &r, &err), 0);
    assert_false(r.committed);
    assert_int_equal(store_publish(made, &staged, &err), 0);
    assert_int_equal(store_read(made, arena, &r, &err), 0);
    assert_true(r.committed);
    assert_int_equal(store_publish(made, &staged, &err), -1); /* only once */
    /* One that was never published goes with the directory. */
    assert_int_equal(store_stage(made, &w, &staged, &err), 0);
    assert_int_equal(store_remove(root, "staged", &err), 0);
    assert_int_equal(faccessat(root, "staged", F_OK, 0), -1);
    close(made);
}

static void test_missing_record(void **state)
{
    struct found f = FOUND_INIT;

    (void)state;
    assert_int_equal(store_find(&rt, "c1", &f, &err), -1);
    assert_int_equal(err.errnum, ENOENT);
    assert_true(f.dir >= 0); /* delete --force goes on from here */
    found_close(&f);
    assert_int_equal(store_find(&rt, "other", &f, &err), -1);
    assert_int_equal(err.errnum, ENOENT);
    assert_non_null(strstr(err.text, WORDING_NO_CONTAINER));
    assert_int_equal(f.dir, -1);
    found_close(&f);
}

static void test_damaged_record(void **state)
{
    static const char *const damaged[] = {
        "",
        "{",
        "null",
        "[]",
        "{}",
        "{\"version\":1}",
        "{\"version\":\"1\"}",
        "{\"version\":1,\"id\":\"c1\",\"bundle\":\"/\",\"created\":\"x\"",
        "\xff\xfe",
    };
    struct record r = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
        write_text(STORE_RECORD, damaged[i]);
        assert_int_equal(store_read(dir, arena, &r, &err), -1);
        assert_int_not_equal(err.errnum, ENOENT);
        assert_true(err_is_set(&err));
    }
    write_text(STORE_RECORD, "{\"version\":2,\"id\":\"c1\",\"bundle\":\"/\",\"created\":\"2026\"}");
    assert_int_equal(store_read(dir, arena, &r, &err), -1);
    assert_non_null(strstr(err.text, "version 2"));
    /* What a later release adds is no damage. */
    write_text(STORE_RECORD, "{\"version\":1,\"id\":\"c1\",\"bundle\":\"/\",\"created\":\"2026\","
                             "\"addedLater\":{\"a\":[1]}}");
    assert_int_equal(store_read(dir, arena, &r, &err), 0);
    assert_int_equal(r.init.pid, 0);
}

/* It is not read through a link. */
static void test_record_is_no_link(void **state)
{
    struct record r = {0};

    (void)state;
    write_text("elsewhere", "{\"version\":1,\"id\":\"c1\",\"bundle\":\"/\",\"created\":\"x\"}");
    assert_int_equal(symlinkat("elsewhere", dir, STORE_RECORD), 0);
    assert_int_equal(store_read(dir, arena, &r, &err), -1);
}

/* ---- removal ---- */

static void test_remove(void **state)
{
    char outside[96], link[96];
    struct record r = sample();

    (void)state;
    snprintf(outside, sizeof outside, "%s/outside", base);
    snprintf(link, sizeof link, "%s/outside/file", base);
    assert_int_equal(mkdir(outside, 0700), 0);
    assert_int_equal(mknod(link, S_IFREG | 0600, 0), 0);
    assert_int_equal(store_write(dir, &r, &err), 0);
    write_text(STORE_CONFIG, "{}");
    assert_int_equal(mkdirat(dir, "notify", 0755), 0);
    assert_int_equal(mkdirat(dir, "notify/deep", 0755), 0);
    assert_int_equal(mknodat(dir, "notify/deep/fifo", S_IFIFO | 0600, 0), 0);
    /* Links go, what they point to stays. */
    assert_int_equal(symlinkat(outside, dir, "to-directory"), 0);
    assert_int_equal(symlinkat(link, dir, "notify/to-file"), 0);
    assert_int_equal(symlinkat("/not/there", dir, "dangling"), 0);
    assert_int_equal(store_remove(root, "c1", &err), 0);
    assert_int_equal(faccessat(root, "c1", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(access(link, F_OK), 0);
    /* Again, and what never was. */
    assert_int_equal(store_remove(root, "c1", &err), 0);
    assert_int_equal(store_remove(root, "c2", &err), 0);
}

/* What a container could write to may be as deep as it likes. */
static void test_remove_of_a_deep_tree(void **state)
{
    static const char deep[] = "notify/2/3/4/5/6/7/8/9/10/11/12/13/14";
    struct record r = sample();
    char path[sizeof deep];

    (void)state;
    assert_int_equal(store_write(dir, &r, &err), 0);
    write_text(STORE_CONFIG, "{}");
    for (size_t i = 0; i < sizeof deep; i++) {
        if (deep[i] && deep[i] != '/')
            continue;
        snprintf(path, sizeof path, "%.*s", (int)i, deep);
        assert_int_equal(mkdirat(dir, path, 0700), 0);
    }
    assert_int_equal(store_remove(root, "c1", &err), 0);
    assert_int_equal(faccessat(root, "c1", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void test_remove_follows_no_link(void **state)
{
    (void)state;
    write_text("kept", "");
    assert_int_equal(symlinkat("c1", root, "link"), 0);
    assert_int_equal(store_remove(root, "link", &err), -1);
    assert_int_equal(faccessat(dir, "kept", F_OK, 0), 0);
}

/* ---- the lock ---- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* A child that holds the lock, does @action when a byte comes, and lets go by ending. */
static pid_t holder(int *tell, void (*action)(void))
{
    int ready[2], go[2];
    char byte = 0;
    pid_t pid;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        int own = openat(root, "c1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        fd_close(go[1]);
        if (store_lock(own, 1000, &err) < 0 || write(ready[1], &byte, 1) != 1)
            _exit(1);
        if (read(go[0], &byte, 1) == 1 && action)
            action();
        _exit(0);
    }
    assert_true(pid > 0);
    fd_close(ready[1]);
    fd_close(go[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    fd_close(ready[0]);
    *tell = go[1];
    return pid;
}

static void reap(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_lock_times_out(void **state)
{
    struct sigaction before = {.sa_handler = SIG_IGN}, after;
    sigset_t mask, blocked;
    int64_t begin;
    pid_t pid;
    int tell;

    (void)state;
    sigaction(SIGALRM, &before, NULL);
    /* A foreground runtime has its signals blocked. */
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGALRM);
    sigprocmask(SIG_BLOCK, &blocked, &mask);
    pid = holder(&tell, NULL);
    begin = now_ms();
    assert_int_equal(store_lock(dir, 100, &err), -1);
    assert_int_equal(err.errnum, ETIMEDOUT);
    assert_true(now_ms() - begin >= 90);
    /* Nothing of the timer is left. */
    sigaction(SIGALRM, NULL, &after);
    assert_ptr_equal(after.sa_handler, SIG_IGN);
    sigprocmask(SIG_SETMASK, &mask, &blocked);
    assert_true(sigismember(&blocked, SIGALRM));
    fd_close(tell);
    reap(pid);
    assert_int_equal(store_lock(dir, 1000, &err), 0);
    assert_int_equal(flock(dir, LOCK_UN), 0);
}

static void test_lock_waits(void **state)
{
    int tell;
    pid_t pid = holder(&tell, NULL), closer;

    (void)state;
    closer = fork();
    if (closer == 0)
        _exit(write(tell, "x", 1) == 1 ? 0 : 1);
    fd_close(tell);
    assert_int_equal(store_lock(dir, 5000, &err), 0);
    reap(closer);
    reap(pid);
}

static void remove_container(void)
{
    struct err ignored;

    store_remove(root, "c1", &ignored);
}

/* Two deletes: the second one finds, when it gets the lock, that there is nothing left. */
static void test_lock_of_what_was_removed(void **state)
{
    int tell;
    pid_t pid = holder(&tell, remove_container);

    (void)state;
    assert_int_equal(write(tell, "x", 1), 1);
    assert_int_equal(store_lock(dir, 5000, &err), -1);
    assert_int_equal(err.errnum, ENOENT);
    fd_close(tell);
    reap(pid);
}

/* ---- the status ---- */

static enum oci_status status_of(const struct record *r)
{
    struct found f = {.root = root, .dir = dir, .record = *r};

    return store_status(&f);
}

static void test_status_while_created(void **state)
{
    struct record r = sample();

    (void)state;
    r.committed = false;
    r.init = (struct record_process){0, 0};
    assert_int_equal(status_of(&r), OCI_STATUS_CREATING);
    r.init = r.creator; /* hooks run */
    assert_int_equal(status_of(&r), OCI_STATUS_CREATED);
    r.init.start_time++; /* init has ended meanwhile, its pid is somebody else's */
    assert_int_equal(status_of(&r), OCI_STATUS_STOPPED);
    r.init = r.creator;
    r.creator.start_time++; /* the creator was killed */
    assert_int_equal(status_of(&r), OCI_STATUS_STOPPED);
}

static void test_status_by_socket(void **state)
{
    struct record r = sample();
    struct pollfd waiting = {.events = POLLIN};
    int sock;

    (void)state;
    assert_int_equal(status_of(&r), OCI_STATUS_RUNNING);
    sock = fd_unix_listen_at(dir, STORE_SOCKET, SOCK_SEQPACKET, &err);
    assert_true(sock >= 0);
    assert_int_equal(status_of(&r), OCI_STATUS_CREATED);
    /* However often it is asked: whoever waits is not woken, and no queue fills. */
    for (int i = 0; i < 40; i++)
        assert_int_equal(status_of(&r), OCI_STATUS_CREATED);
    waiting.fd = sock;
    assert_int_equal(poll(&waiting, 1, 0), 0);
    fd_close(sock); /* by execve; start was killed before it removed the socket */
    assert_int_equal(status_of(&r), OCI_STATUS_RUNNING);
}

static void test_status_of_the_dead(void **state)
{
    struct record r = sample();
    siginfo_t info;
    pid_t pid;
    int sock = fd_unix_listen_at(dir, STORE_SOCKET, SOCK_SEQPACKET, &err);

    (void)state;
    pid = fork();
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    r.init = (struct record_process){pid, proc_start_time(pid)};
    assert_true(r.init.start_time != 0);
    /* A zombie is stopped, also if the socket is still held by somebody (us). */
    assert_int_equal(status_of(&r), OCI_STATUS_STOPPED);
    reap(pid);
    assert_int_equal(status_of(&r), OCI_STATUS_STOPPED);
    /* But from inside, where pids are others, the socket is what tells. */
    r.pid_namespace = 1;
    assert_int_equal(status_of(&r), OCI_STATUS_CREATED);
    r.pid_namespace = 0;
    r.init = (struct record_process){getpid(), proc_start_time(getpid()) - 1};
    assert_int_equal(status_of(&r), OCI_STATUS_STOPPED);
    r.init = (struct record_process){0, 0};
    assert_int_equal(status_of(&r), OCI_STATUS_STOPPED);
    fd_close(sock);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ids),
        TEST(test_an_id_is_unique),
        TEST(test_root),
        TEST(test_round_trip),
        TEST(test_time),
        TEST(test_staged),
        TEST(test_missing_record),
        TEST(test_damaged_record),
        TEST(test_record_is_no_link),
        TEST(test_remove),
        TEST(test_remove_of_a_deep_tree),
        TEST(test_remove_follows_no_link),
        TEST(test_lock_times_out),
        TEST(test_lock_waits),
        TEST(test_lock_of_what_was_removed),
        TEST(test_status_while_created),
        TEST(test_status_by_socket),
        TEST(test_status_of_the_dead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
