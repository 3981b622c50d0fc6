/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * mkdir(2) of the container's directory is what makes an id unique. From then on the directory is
 * reached by its fd. The status is never written down: a container is stopped when its init does
 * not run (pid and start time, so a reused pid does not count), it waits for start while init holds
 * the socket start.sock, and it runs when init has let go of that socket, which execve does.
 * So a runtime that is killed between two steps cannot leave a wrong status behind.
 */
#include "host/store.h"

#include "base/fd.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"
#include "base/wording.h"
#include "host/inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define RECORD_MAX (16 << 20)

int container_id_check(const char *id, struct err *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-";
    size_t len = strlen(id);

    if (len == 0 || len > 255 || strspn(id, allowed) != len || !strcmp(id, ".") ||
        !strcmp(id, "..") || !strcmp(id, ".cache"))
        return err_set(err, 0, "invalid container ID format: \"%.64s\"%s", id,
                       len > 255 ? " is longer than 255 characters"
                                 : " (letters, digits, _ + . - are allowed)");
    return 0;
}

/* mkdir -p with private modes for what we make ourselves; errno on -1. */
static int make_path(const char *path)
{
    _cleanup_free_ char *copy = strdup(path);

    if (!copy)
        return -1;
    for (char *p = copy + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(copy, 0755) < 0 && errno != EEXIST)
            return -1;
        *p = '/';
    }
    return mkdir(copy, 0700) < 0 && errno != EEXIST ? -1 : 0;
}

/* Records name hooks, so whoever can change one has our rights. In /tmp (@shared), or where
 * XDG_RUNTIME_DIR is a directory of everybody's, anybody could have made it before us. */
static int check_private(int fd, const char *path, bool shared, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_errno(err, "look at the state directory %s", path);
    if ((st.st_uid == geteuid() || (st.st_uid == 0 && !shared)) &&
        (st.st_mode & (shared ? 077 : 022)) == 0)
        return 0;
    err_set(err, 0, "the state directory %s is not this user's alone: owner %u, mode %04o", path,
            st.st_uid, st.st_mode & 07777);
    return err_hint(err, "set XDG_RUNTIME_DIR to a private directory, or --root");
}

static int no_root(const char *what, const char *path, bool by_default, struct err *err)
{
    const char *session = getenv("XDG_RUNTIME_DIR");

    err_errno(err, "%s the state directory %s", what, path);
    if (by_default && session && *session && strncmp(path, session, strlen(session)) == 0)
        err_hint(err, "XDG_RUNTIME_DIR has to be a directory of this user");
    return -1;
}

int store_root(const struct runtime *rt, bool create, struct err *err)
{
    _cleanup_free_ char *fallback = rt->root ? NULL : runtime_default_root();
    const char *path = rt->root ? rt->root : fallback;
    int fd, flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    bool shared;

    if (!path)
        return err_set(err, ENOMEM, "state directory");
    if (!*path || !strcmp(path, "/"))
        return err_set(err, 0, "--root \"%s\" cannot be the state directory", path);
    shared = !rt->root && strncmp(path, RUNDIR_TMP, strlen(RUNDIR_TMP)) == 0;
    if (shared)
        flags |= O_NOFOLLOW;
    fd = open(path, flags);
    if (fd < 0 && errno == ENOENT && create) {
        if (make_path(path) < 0)
            return no_root("create", path, !rt->root, err);
        fd = open(path, flags);
    }
    if (fd < 0)
        return no_root("open", path, !rt->root, err);
    if (!rt->root && check_private(fd, path, shared, err) < 0)
        return fd_close(fd);
    return fd;
}

int store_make(int root, const char *id, struct err *err)
{
    int fd;

    if (mkdirat(root, id, 0700) < 0) {
        if (errno == EEXIST)
            return err_set(err, 0, WORDING_EXISTS ": %s", id);
        return err_errno(err, "create the state directory of %s", id);
    }
    fd = openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        err_errno(err, "open the state directory of %s", id);
        unlinkat(root, id, AT_REMOVEDIR);
        return -1;
    }
    return fd;
}

int store_open(int root, const char *id, struct err *err)
{
    int fd = openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) {
        err_set(err, 0, WORDING_NO_CONTAINER ": %s", id);
        err->errnum = ENOENT;
        return -1;
    }
    if (fd < 0)
        return err_errno(err, "open the state directory of %s", id);
    return fd;
}

/* The state directory may be nested deeper than there are descriptors: what is in a directory that
 * is not empty is moved to the top and removed from there, one level at a time. */
static int move_up(int from, const char *name, int top, struct err *err)
{
    static unsigned serial;
    char free_name[32];

    do {
        snprintf(free_name, sizeof free_name, ".removed-%u", serial++);
        if (renameat(from, name, top, free_name) == 0 || errno == ENOENT)
            return 0;
    } while (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR);
    return err_errno(err, "remove %s", name);
}

static DIR *open_directory(int at, const char *name, struct err *err)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (!d) {
        err_errno(err, "read %s of the state directory", name);
        fd_close(fd);
    }
    return d;
}

/* A file or an empty directory. */
static bool remove_simple(int dir, const char *name)
{
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return true;
    return (errno == EISDIR || errno == EPERM) &&
           (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT);
}

static bool is_dots(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..");
}

static int remove_directory(int top, const char *name, bool *moved, struct err *err)
{
    DIR *d = open_directory(top, name, err);
    const struct dirent *e;
    int result = 0;

    if (!d)
        return -1;
    while (result == 0 && (e = readdir(d))) {
        if (is_dots(e->d_name) || remove_simple(dirfd(d), e->d_name))
            continue;
        if (errno != ENOTEMPTY && errno != EEXIST) {
            result = err_errno(err, "remove %s", e->d_name);
        } else {
            result = move_up(dirfd(d), e->d_name, top, err);
            *moved = true;
        }
    }
    closedir(d);
    if (result == 0 && unlinkat(top, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        result = err_errno(err, "remove %s", name);
    return result;
}

/* @keep: a name that stays, or NULL */
static int remove_entries(int dir, const char *keep, struct err *err)
{
    bool moved = true;
    int result = 0;

    while (result == 0 && moved) {
        DIR *d = open_directory(dir, ".", err);
        const struct dirent *e;

        if (!d)
            return -1;
        moved = false;
        while (result == 0 && (e = readdir(d))) {
            if (is_dots(e->d_name) || (keep && !strcmp(e->d_name, keep)) ||
                remove_simple(dir, e->d_name))
                continue;
            result = errno == ENOTEMPTY || errno == EEXIST
                         ? remove_directory(dir, e->d_name, &moved, err)
                         : err_errno(err, "remove %s", e->d_name);
        }
        closedir(d);
    }
    return result;
}

int store_remove(int root, const char *id, struct err *err)
{
    _cleanup_close_ int dir = openat(root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (dir < 0 && errno == ENOENT)
        return 0;
    if (dir < 0)
        return err_errno(err, "open the state directory of %s", id);
    /* The record goes last: it is what a delete that starts over needs. */
    if (remove_entries(dir, STORE_RECORD, err) < 0)
        return err_context(err, "state directory of %s", id);
    unlinkat(dir, STORE_RECORD, 0);
    if (unlinkat(root, id, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno != ENOTEMPTY)
        return err_errno(err, "remove the state directory of %s", id);
    /* A record that is no file, or what came while we were reading. */
    if (remove_entries(dir, NULL, err) < 0)
        return err_context(err, "state directory of %s", id);
    if (unlinkat(root, id, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return err_errno(err, "remove the state directory of %s", id);
    return 0;
}

int store_remove_own(int root, const char *id, int dir, struct err *err)
{
    struct stat own, there;

    if (fstat(dir, &own) < 0 || fstatat(root, id, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
        own.st_dev != there.st_dev || own.st_ino != there.st_ino)
        return 0;
    return store_remove(root, id, err);
}

int store_stage(int dir, const struct record *record, struct store_staged *staged, struct err *err)
{
    size_t len;
    _cleanup_free_ char *text = oci_encode(&record_table, record, OCI_STYLE_COMPACT, &len);

    if (!text)
        return err_set(err, ENOMEM, "write the record");
    /* What would not be read again: the machine's own names, such as those of its cgroups. */
    if (!oci_is_utf8(text, len))
        return err_set(err, 0, "write the record: a path in it is not valid UTF-8");
    if (fd_stage_file_at(dir, STORE_RECORD, text, len, 0600, staged->name, err) < 0)
        return err_context(err, "write the record");
    return 0;
}

int store_publish(int dir, const struct store_staged *staged, struct err *err)
{
    if (renameat(dir, staged->name, dir, STORE_RECORD) == 0)
        return 0;
    err_errno(err, "write the record");
    unlinkat(dir, staged->name, 0);
    return -1;
}

int store_write(int dir, const struct record *record, struct err *err)
{
    struct store_staged staged;

    return store_stage(dir, record, &staged, err) < 0 ? -1 : store_publish(dir, &staged, err);
}

/* A document of the store. A damaged one is reported with @what before its place. */
static int read_document(int dir, const char *name, const struct oci_table *table, void *document,
                         struct oci_arena *arena, const char *what, struct err *err)
{
    _cleanup_free_ char *text = NULL;
    struct oci_diag diag;
    char place[1024];
    size_t len;

    if (fd_read_file_at(dir, name, RECORD_MAX, &text, &len, err) < 0)
        return err_context(err, "read %s", what);
    if (oci_decode(table, document, text, len, arena, NULL, NULL, &diag) == 0)
        return 0;
    oci_diag_format(&diag, name, place, sizeof place);
    err_set(err, 0, "%s is damaged: %s", what, place);
    return err_hint(err, "delete --force removes the container");
}

int store_read(int dir, struct oci_arena *arena, struct record *record, struct err *err)
{
    if (read_document(dir, STORE_RECORD, &record_table, record, arena, "the record", err) < 0)
        return -1;
    if (record->version != RECORD_VERSION)
        return err_set(err, 0, "the record has version %u, this runtime knows %u", record->version,
                       RECORD_VERSION);
    return 0;
}

int store_config(int dir, struct oci_arena *arena, struct oci_config *config, struct err *err)
{
    return read_document(dir, STORE_CONFIG, &oci_config_table, config, arena,
                         "the snapshot of the configuration", err);
}

int store_cache(int root)
{
    int fd = openat(root, ".cache", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT && (mkdirat(root, ".cache", 0700) == 0 || errno == EEXIST))
        fd = openat(root, ".cache", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd;
}

static void on_alarm(int sig)
{
    (void)sig;
}

/* flock(2) has no timeout; a timer that interrupts it gives it one. */
static int lock_with_timer(int dir, int timeout)
{
    struct sigaction action = {.sa_handler = on_alarm}, old;
    struct itimerval timer = {.it_value = {timeout / 1000, timeout % 1000 * 1000},
                              .it_interval = {0, 10000}};
    const struct itimerval off = {0};
    sigset_t alarm, mask;
    int result, errnum;

    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &alarm, &mask);
    sigaction(SIGALRM, &action, &old);
    setitimer(ITIMER_REAL, &timer, NULL);
    result = flock(dir, LOCK_EX);
    errnum = errno;
    setitimer(ITIMER_REAL, &off, NULL);
    sigaction(SIGALRM, &old, NULL);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    errno = errnum;
    return result;
}

int store_lock(int dir, int timeout, struct err *err)
{
    struct stat st;

    if (flock(dir, LOCK_EX | LOCK_NB) < 0 && lock_with_timer(dir, timeout) < 0) {
        if (errno == EINTR)
            return err_set(err, ETIMEDOUT, "another command holds the container");
        return err_errno(err, "lock the container");
    }
    /* Whoever held it may have removed the directory. */
    if (fstat(dir, &st) == 0 && st.st_nlink == 0) {
        err_set(err, 0, WORDING_NO_CONTAINER);
        err->errnum = ENOENT;
        return -1;
    }
    return 0;
}

int store_enter(const struct runtime *rt, const char *id, struct found *f, struct err *err)
{
    if (container_id_check(id, err) < 0)
        return -1;
    f->root = store_root(rt, false, err);
    if (f->root < 0) {
        if (err->errnum == ENOENT) {
            err_set(err, 0, WORDING_NO_CONTAINER ": %s", id);
            err->errnum = ENOENT;
        }
        return -1;
    }
    f->dir = store_open(f->root, id, err);
    if (f->dir < 0)
        return -1;
    if (!f->arena)
        f->arena = oci_arena_new();
    if (!f->arena)
        return err_set(err, ENOMEM, "container %s", id);
    return 0;
}

int store_find(const struct runtime *rt, const char *id, struct found *f, struct err *err)
{
    if (store_enter(rt, id, f, err) < 0)
        return -1;
    if (store_read(f->dir, f->arena, &f->record, err) == 0)
        return 0;
    if (err->errnum != ENOENT)
        return err_context(err, "container %s", id);
    /* Its directory is there: a create that has only begun, or a delete that is almost done. */
    err_set(err, 0, WORDING_NO_CONTAINER ": %s", id);
    err->errnum = ENOENT;
    return -1;
}

void found_close(struct found *f)
{
    fd_close(f->root);
    fd_close(f->dir);
    oci_arena_free(f->arena);
    *f = (struct found)FOUND_INIT;
}

/* Whether init still holds the socket that start connects to. One of another type is refused for
 * its type while the socket is there, and for nobody being there afterwards (unix(7), EPROTOTYPE,
 * ECONNREFUSED): init is not woken for the question. */
static bool waits_for_start(int dir)
{
    struct err why = ERR_INIT;

    fd_close(fd_unix_connect_at(dir, STORE_SOCKET, SOCK_STREAM, &why));
    return why.errnum == EPROTOTYPE;
}

enum oci_status store_status(const struct found *f)
{
    const struct record *r = &f->record;

    if (!r->committed && !proc_alive((pid_t)r->creator.pid, r->creator.start_time))
        return OCI_STATUS_STOPPED;
    /* Once hooks run, init is recorded and the status is the one that they find on their stdin. */
    if (!r->committed && r->init.pid == 0)
        return OCI_STATUS_CREATING;
    /* In another pid namespace init is not to be seen, but answers (host/inside.h). */
    if (!proc_alive((pid_t)r->init.pid, r->init.start_time))
        return r->committed && inside_foreign(r) && waits_for_start(f->dir) ? OCI_STATUS_CREATED
                                                                            : OCI_STATUS_STOPPED;
    if (!r->committed)
        return OCI_STATUS_CREATED;
    if (cgroup_frozen(&r->cgroup) == 1)
        return OCI_STATUS_PAUSED;
    return waits_for_start(f->dir) ? OCI_STATUS_CREATED : OCI_STATUS_RUNNING;
}
