/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Paths in hostile trees: links in every position, loops, magic links, and trees that change while
 * they are looked at. Everything is asked of both resolvers, openat2 and the walk; the races have a
 * control that shows that a naive lookup does get out.
 */
#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fds.h"

#define RACE_ROUNDS 2000

typedef int (*resolver)(int root, const char *path, int flags, struct err *err);
static const resolver resolvers[] = {path_open_in_root, path_walk_in_root};

static char base[64]; /* holds root/ and outside/ */
static int base_fd, root, outside;

static void make_file(int dir, const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void make_link(const char *target, const char *name)
{
    assert_int_equal(symlinkat(target, root, name), 0);
}

static bool same_file(int fd, int dir, const char *name)
{
    struct stat a, b;

    assert_int_equal(fstat(fd, &a), 0);
    return fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static int make_tree(void **state)
{
    static const char *const dirs[] = {"etc", "a", "a/b", "a/b/c", "x", "y", "d", "d/e"};
    char name[32], target[128];

    (void)state;
    snprintf(base, sizeof base, "/tmp/test_path.XXXXXX");
    assert_non_null(mkdtemp(base));
    base_fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(base_fd, "root", 0755), 0);
    assert_int_equal(mkdirat(base_fd, "outside", 0755), 0);
    root = openat(base_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    outside = openat(base_fd, "outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    make_file(base_fd, "canary", "outside");
    make_file(outside, "f", "outside");
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        assert_int_equal(mkdirat(root, dirs[i], 0755), 0);
    make_file(root, "etc/passwd", "inside");
    make_file(root, "canary", "inside");
    make_file(root, "a/b/c/file", "file");
    make_file(root, "x/f", "inside");
    make_link("/etc", "abs");
    make_link("/etc/passwd", "absfile");
    make_link("../../../../../etc/passwd", "up");
    make_link("../../../../../../../../..", "uponly");
    make_link("/", "slash");
    make_link("loop2", "loop1");
    make_link("loop1", "loop2");
    make_link("nowhere/deep/x", "dangling");
    make_link("/new/./dir/../dir/target", "dangling_abs");
    make_link("a/b/", "trailing");
    make_link("absfile/", "trailing_file");
    make_link("../a/./b", "a/rel");
    snprintf(target, sizeof target, "%s/outside", base);
    make_link(target, "out");
    make_link(target, "link_out");
    make_link("../outside", "link_up");
    make_link("../canary", "canary_up");
    make_link("a/b/c/file", "chain0");
    for (int i = 1; i <= 40; i++) {
        snprintf(name, sizeof name, "chain%d", i);
        snprintf(target, sizeof target, "chain%d", i - 1);
        make_link(target, name);
    }
    return 0;
}

static int remove_tree(void **state)
{
    char command[128];

    (void)state;
    close(root);
    close(outside);
    close(base_fd);
    snprintf(command, sizeof command, "rm -rf '%s'", base);
    return system(command);
}

/* What is expected: a file below root, or an errno. */
static const struct {
    const char *path;
    int flags;
    const char *file;
    int errnum;
} lookups[] = {
    {"/", O_PATH, ".", 0},
    {".", O_PATH, ".", 0},
    {"..", O_PATH, ".", 0},
    {"/../../..", O_PATH, ".", 0},
    {"", O_PATH, NULL, ENOENT},
    {"etc/passwd", O_RDONLY, "etc/passwd", 0},
    {"//etc///passwd", O_RDONLY, "etc/passwd", 0},
    {"/etc/./passwd", O_PATH, "etc/passwd", 0},
    {"/etc/passwd/", O_PATH, NULL, ENOTDIR},
    {"/etc/passwd/.", O_PATH, NULL, ENOTDIR},
    {"/etc/passwd/..", O_PATH, NULL, ENOTDIR},
    {"/etc/passwd", O_RDONLY | O_DIRECTORY, NULL, ENOTDIR},
    {"/etc/passwd", O_PATH | O_DIRECTORY, NULL, ENOTDIR},
    {"/etc/", O_RDONLY | O_DIRECTORY, "etc", 0},
    {"/etc/", O_RDONLY | O_NOFOLLOW, "etc", 0},
    {"/nothing", O_RDONLY, NULL, ENOENT},
    {"/nothing/..", O_RDONLY, NULL, ENOENT},
    {"/a/b/c/../../../etc/passwd", O_RDONLY, "etc/passwd", 0},
    {"/a/b/c/../../../../../../../canary", O_RDONLY, "canary", 0},
    {"../canary", O_RDONLY, "canary", 0},
    {"abs/passwd", O_RDONLY, "etc/passwd", 0},
    {"/abs", O_PATH | O_NOFOLLOW, "abs", 0},
    {"/abs", O_RDONLY | O_NOFOLLOW, NULL, ELOOP},
    {"/abs", O_PATH | O_NOFOLLOW | O_DIRECTORY, NULL, ENOTDIR},
    {"/abs", O_RDONLY | O_NOFOLLOW | O_DIRECTORY, NULL, ENOTDIR},
    {"/abs/", O_PATH | O_NOFOLLOW, "etc", 0},
    {"/abs/.", O_PATH | O_NOFOLLOW, "etc", 0},
    {"/absfile", O_RDONLY, "etc/passwd", 0},
    {"/up", O_RDONLY, "etc/passwd", 0},
    {"/uponly/canary", O_RDONLY, "canary", 0},
    {"/slash/slash/slash/etc/../absfile", O_RDONLY, "etc/passwd", 0},
    {"/a/rel/c/file", O_RDONLY, "a/b/c/file", 0},
    {"/a/rel/../../etc/passwd", O_RDONLY, "etc/passwd", 0},
    {"/loop1", O_PATH, NULL, ELOOP},
    {"/loop1/x", O_PATH, NULL, ELOOP},
    {"/loop1", O_PATH | O_NOFOLLOW, "loop1", 0},
    {"/chain39", O_RDONLY, "a/b/c/file", 0},
    {"/chain40", O_RDONLY, NULL, ELOOP},
    {"/dangling", O_PATH, NULL, ENOENT},
    {"/dangling_abs", O_PATH, NULL, ENOENT},
    {"/trailing", O_PATH | O_NOFOLLOW, "trailing", 0},
    {"/trailing", O_PATH, "a/b", 0},
    {"/trailing_file", O_PATH, NULL, ENOTDIR},
    {"/out/f", O_RDONLY, NULL, ENOENT},
    {"/link_up/f", O_RDONLY, NULL, ENOENT},
    {"/canary_up", O_RDONLY, "canary", 0},
};

static void test_lookups(void **state)
{
    (void)state;
    for (size_t r = 0; r < ARRAY_SIZE(resolvers); r++)
        for (size_t i = 0; i < ARRAY_SIZE(lookups); i++) {
            struct err err = ERR_INIT;
            int before = count_fds();
            int fd = resolvers[r](root, lookups[i].path, lookups[i].flags, &err);

            if ((fd >= 0) != (lookups[i].file != NULL) ||
                (fd < 0 && err.errnum != lookups[i].errnum))
                fail_msg("resolver %zu, %s: fd %d, %s", r, lookups[i].path, fd, err.text);
            if (fd >= 0) {
                if (!same_file(fd, root, lookups[i].file))
                    fail_msg("resolver %zu, %s: not %s", r, lookups[i].path, lookups[i].file);
                assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
                close(fd);
            }
            assert_int_equal(count_fds(), before);
        }
}

static void test_long_names(void **state)
{
    char name[NAME_MAX + 2], *path = malloc(2 * PATH_MAX);

    (void)state;
    assert_non_null(path);
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    memset(path, '/', 2 * PATH_MAX);
    path[PATH_MAX] = '\0';
    for (size_t r = 0; r < ARRAY_SIZE(resolvers); r++) {
        struct err err = ERR_INIT;

        assert_int_equal(resolvers[r](root, name, O_PATH, &err), -1);
        assert_int_equal(err.errnum, ENAMETOOLONG);
        assert_int_equal(resolvers[r](root, path, O_PATH, &err), -1);
        assert_int_equal(err.errnum, ENAMETOOLONG);
        assert_int_equal(resolvers[r](root, "new", O_CREAT | O_RDWR, &err), -1);
        assert_int_equal(err.errnum, EINVAL);
    }
    free(path);
}

/* The machine's own root has a procfs: its magic links must not be followed, its plain ones may. */
static void test_magic_links(void **state)
{
    static const char *const refused[] = {"/proc/self/root", "/proc/self/root/etc",
                                          "/proc/self/exe",  "/proc/self/cwd/x",
                                          "/proc/self/fd/0", "/proc/thread-self/root/etc"};
    int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    (void)state;
    for (size_t r = 0; r < ARRAY_SIZE(resolvers); r++) {
        struct err err = ERR_INIT;
        int before = count_fds(), fd;

        for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
            assert_int_equal(resolvers[r](slash, refused[i], O_PATH, &err), -1);
            assert_int_equal(err.errnum, ELOOP);
        }
        fd = resolvers[r](slash, "/proc/self/status", O_RDONLY, &err);
        assert_true(fd >= 0);
        close(fd);
        fd = resolvers[r](slash, "/proc/self/exe", O_PATH | O_NOFOLLOW, &err);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(count_fds(), before);
    }
    close(slash);
}

static void test_beneath(void **state)
{
    static const struct {
        const char *path;
        int flags, errnum;
    } cases[] = {
        {"self", O_PATH, ELOOP},        {"self/status", O_RDONLY, ELOOP},
        {"/sys/kernel", O_PATH, EXDEV}, {"sys/../version", O_RDONLY, EXDEV},
        {"version", O_RDONLY, 0},       {"sys/kernel/ostype", O_RDONLY, 0},
        {"sys/kernel/", O_PATH, 0},     {"version/x", O_RDONLY, ENOTDIR},
        {"nothing", O_RDONLY, ENOENT},  {"version", O_RDONLY | O_CREAT, EINVAL},
    };
    struct err err = ERR_INIT;
    int procfs = proc_open(&err), before = count_fds(), fd;

    (void)state;
    assert_true(procfs >= 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        fd = path_open_beneath(procfs, cases[i].path, cases[i].flags, &err);
        if ((fd >= 0) != !cases[i].errnum || (fd < 0 && err.errnum != cases[i].errnum))
            fail_msg("%s: fd %d, %s", cases[i].path, fd, err.text);
        fd_close(fd);
    }
    assert_int_equal(count_fds(), before);
    close(procfs);
}

static void check_made(const char *path, enum path_kind kind, const char *file, bool made)
{
    struct err err = ERR_INIT;
    int before = count_fds();
    bool was_made = !made;
    struct stat st;
    int fd = path_make_in_root(root, path, kind, 0640, &was_made, &err);

    if (fd < 0)
        fail_msg("%s: %s", path, err.text);
    assert_true(same_file(fd, root, file));
    assert_int_equal(was_made, made);
    assert_int_equal(fstat(fd, &st), 0);
    if (made) {
        assert_int_equal(st.st_mode & 07777, 0640);
        assert_int_equal(S_ISDIR(st.st_mode), kind == PATH_DIR);
    }
    close(fd);
    assert_int_equal(count_fds(), before);
}

static void check_not_made(const char *path, enum path_kind kind, int errnum)
{
    struct err err = ERR_INIT;
    int before = count_fds();

    assert_int_equal(path_make_in_root(root, path, kind, 0755, NULL, &err), -1);
    assert_int_equal(err.errnum, errnum);
    assert_int_equal(count_fds(), before);
}

static bool is_empty_outside(void)
{
    DIR *dir = fdopendir(openat(base_fd, "outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    bool empty = true;

    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.' && strcmp(e->d_name, "f") != 0)
            empty = false;
    closedir(dir);
    return empty;
}

static void test_make(void **state)
{
    mode_t mask = umask(077);
    char inside[128];
    struct stat st;

    (void)state;
    check_made("/etc", PATH_DIR, "etc", false);
    check_made("/etc/passwd", PATH_DIR, "etc/passwd", false);
    check_made("/m1/m2/m3", PATH_DIR, "m1/m2/m3", true);
    assert_int_equal(fstatat(root, "m1/m2", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    check_made("m1/m2/m3/", PATH_DIR, "m1/m2/m3", false);
    check_made("m1/file", PATH_FILE, "m1/file", true);
    check_made("m1/file/", PATH_FILE, "m1/file", false);
    check_made("m1/other///", PATH_FILE, "m1/other", true);
    check_made("/abs/new", PATH_FILE, "etc/new", true);
    check_made("/a/../../../../m4/../m5", PATH_DIR, "m5", true);
    check_made("/dangling", PATH_FILE, "nowhere/deep/x", true);
    check_made("/dangling_abs", PATH_DIR, "new/dir/target", true);
    check_made("/dangling_abs", PATH_DIR, "new/dir/target", false);
    /* A link to the outside is a path inside: it is made there. */
    snprintf(inside, sizeof inside, "%s/outside/sub/x", base + 1);
    check_made("/out/sub/x", PATH_DIR, inside, true);
    assert_true(is_empty_outside());
    umask(mask);
}

static void test_make_refused(void **state)
{
    (void)state;
    check_not_made("/loop1/x", PATH_DIR, ELOOP);
    check_not_made("/loop1", PATH_FILE, ELOOP);
    check_not_made("/etc/passwd/x", PATH_DIR, ENOTDIR);
    check_not_made("", PATH_DIR, ENOENT);
}

static void test_make_parent(void **state)
{
    static const char *const refused[] = {"", "/", "a/", "..", "/a/.", "a/b/.."};
    struct err err = ERR_INIT;
    int before = count_fds(), fd;
    const char *name;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        assert_int_equal(path_make_parent_in_root(root, refused[i], &name, &err), -1);
        assert_int_equal(err.errnum, EINVAL);
    }
    fd = path_make_parent_in_root(root, "/abs/p1/p2/node", &name, &err);
    assert_true(fd >= 0);
    assert_string_equal(name, "node");
    assert_true(same_file(fd, root, "etc/p1/p2"));
    assert_int_equal(mkdirat(fd, name, 0755), 0);
    close(fd);
    fd = path_make_parent_in_root(root, "node", &name, &err);
    assert_true(same_file(fd, root, "."));
    close(fd);
    assert_int_equal(path_make_parent_in_root(root, "/etc/passwd/node", &name, &err), -1);
    assert_int_equal(err.errnum, ENOTDIR);
    assert_int_equal(count_fds(), before);
}

/* ---- races ---------------------------------------------------------------------------------- */

static atomic_bool stop;
static atomic_uint swaps;

/* On a busy machine the two threads may not run together for a while: a race is run for so many
 * rounds and until the tree has changed so often. */
#define RACE_SWAPS 1000
#define RACE_LIMIT (1000 * RACE_ROUNDS)

/* x (a directory) and a link to the outside change places. */
static void *exchange(void *link)
{
    while (!atomic_load(&stop)) {
        renameat2(root, "x", root, link, RENAME_EXCHANGE);
        atomic_fetch_add(&swaps, 1);
    }
    return NULL;
}

/* d/e leaves the root and comes back. */
static void *move_out(void *unused)
{
    while (!atomic_load(&stop)) {
        renameat(root, "d/e", outside, "e");
        renameat(outside, "e", root, "d/e");
        atomic_fetch_add(&swaps, 1);
    }
    return unused;
}

static pthread_t start_thread(void *(*run)(void *), const char *argument)
{
    pthread_t thread;

    atomic_store(&stop, false);
    assert_int_equal(pthread_create(&thread, NULL, run, (void *)argument), 0);
    return thread;
}

static void stop_thread(pthread_t thread)
{
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
}

static unsigned naive_hits(const char *path, int dir, const char *canary)
{
    unsigned hits = 0;

    for (int i = 0; i < RACE_LIMIT && (i < RACE_ROUNDS || !hits); i++) {
        int fd = openat(root, path, O_PATH | O_CLOEXEC);

        if (fd >= 0 && same_file(fd, dir, canary))
            hits++;
        fd_close(fd);
    }
    return hits;
}

static void race(resolver resolve, const char *path, int flags, int dir, const char *canary)
{
    unsigned before = atomic_load(&swaps);
    int found = 0;

    for (int i = 0;
         i < RACE_LIMIT && (i < RACE_ROUNDS || !found || atomic_load(&swaps) - before < RACE_SWAPS);
         i++) {
        struct err err = ERR_INIT;
        int fd = resolve(root, path, flags, &err);

        if (fd < 0)
            continue;
        found++;
        if (same_file(fd, dir, canary)) {
            atomic_store(&stop, true);
            fail_msg("%s led outside", path);
        }
        close(fd);
    }
    assert_true(found > 0);
}

static void test_race_link(void **state)
{
    static const char *const links[] = {"link_out", "link_up"};
    int before = count_fds();
    char c;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
        pthread_t thread = start_thread(exchange, links[i]);
        unsigned hits = naive_hits("x/f", outside, "f");

        for (size_t r = 0; r < ARRAY_SIZE(resolvers); r++) {
            race(resolvers[r], "x/f", O_PATH, outside, "f");
            race(resolvers[r], "/x/f", O_RDONLY, outside, "f");
        }
        stop_thread(thread);
        /* For the next link x has to be the directory again. */
        if (readlinkat(root, "x", &c, 1) == 1)
            assert_int_equal(renameat2(root, "x", root, links[i], RENAME_EXCHANGE), 0);
        print_message("control: %u naive lookups got out\n", hits);
        assert_true(hits > 0);
    }
    assert_int_equal(count_fds(), before);
}

static void test_race_dotdot(void **state)
{
    int before = count_fds();
    char path[3 * 1024] = "d/e/";
    pthread_t thread;
    unsigned hits;

    (void)state;
    /* Something to do between entering e and leaving it. */
    for (int i = 0; i < 1200; i++)
        memcpy(path + 4 + 2 * i, "./", 3);
    memcpy(path + strlen(path), "../../canary", sizeof "../../canary");
    thread = start_thread(move_out, NULL);
    for (size_t r = 0; r < ARRAY_SIZE(resolvers); r++) {
        race(resolvers[r], path, O_PATH, base_fd, "canary");
        race(resolvers[r], "d/e/../../../canary", O_RDONLY, base_fd, "canary");
    }
    hits = naive_hits(path, base_fd, "canary");
    stop_thread(thread);
    print_message("control: %u naive lookups got out\n", hits);
    assert_true(hits > 0);
    assert_int_equal(count_fds(), before);
}

static void test_race_make(void **state)
{
    int before = count_fds(), found = 0;
    pthread_t thread = start_thread(exchange, "link_out");
    unsigned first = atomic_load(&swaps);

    (void)state;
    for (int i = 0;
         i < RACE_ROUNDS / 4 || (i < RACE_ROUNDS && atomic_load(&swaps) - first < RACE_SWAPS);
         i++) {
        struct err err = ERR_INIT;
        char path[64];
        int fd;

        snprintf(path, sizeof path, "x/n%d/%s", i, i % 2 ? "file" : "dir");
        fd = path_make_in_root(root, path, i % 2 ? PATH_FILE : PATH_DIR, 0755, NULL, &err);
        found += fd >= 0;
        fd_close(fd);
    }
    stop_thread(thread);
    assert_true(found > 0);
    assert_true(is_empty_outside());
    assert_int_equal(count_fds(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lookups, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_long_names, make_tree, remove_tree),
        cmocka_unit_test(test_magic_links),
        cmocka_unit_test_setup_teardown(test_beneath, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_make, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_make_refused, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_make_parent, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_race_link, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_race_dotdot, make_tree, remove_tree),
        cmocka_unit_test_setup_teardown(test_race_make, make_tree, remove_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
