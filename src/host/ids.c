/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The maps are written by the host side while the process waits; the kernel takes each file once,
 * in one write of at most a page (340 lines since 4.15).
 *
 * newuidmap and newgidmap are other people's programs: they look the user up, and may wait for a
 * directory service. They are waited for through a pidfd while their stderr is read, and killed at
 * the deadline, which their real uid, the caller's, allows (kill(2)).
 */
#include "host/ids.h"

#include "base/fd.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"
#include "host/subid.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>

#define MAP_TEXT 16384
#define KILL_WAIT 10000 /* milliseconds that a killed helper gets to be gone */

static int map_text(const struct oci_id_mapping *maps, size_t n, char *buf, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        int more = snprintf(buf + len, size - len, "%u %u %u\n", maps[i].container_id,
                            maps[i].host_id, maps[i].size);

        if (more < 0 || (size_t)more >= size - len)
            return -1;
        len += (size_t)more;
    }
    return 0;
}

static bool have_setid_caps(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    const uint32_t want = 1u << CAP_SETUID | 1u << CAP_SETGID;

    return sys_capget(&header, data) == 0 && (data[0].effective & want) == want;
}

static bool own_id_only(const struct oci_id_mapping *maps, size_t n, uint32_t id)
{
    return n == 1 && maps[0].size == 1 && maps[0].host_id == id;
}

/* What differs between uids and gids. */
struct kind {
    const char *map, *member, *helper, *file;
};

static const struct kind uids = {"uid_map", "linux.uidMappings", "newuidmap", "/etc/subuid"};
static const struct kind gids = {"gid_map", "linux.gidMappings", "newgidmap", "/etc/subgid"};

/* newuidmap PID CONTAINER HOST SIZE …; NULL when memory is short. Numbers lie behind the array. */
static char **helper_argv(const char *helper, pid_t pid, const struct oci_id_mapping *maps,
                          size_t n)
{
    size_t words = 3 * n + 1;
    char **argv = malloc((words + 2) * sizeof *argv + words * 24);
    char *numbers = argv ? (char *)(argv + words + 2) : NULL;

    for (size_t i = 0; argv && i < words; i++) {
        const struct oci_id_mapping *m = &maps[i ? (i - 1) / 3 : 0];
        uint32_t value = i == 0             ? (uint32_t)pid
                         : (i - 1) % 3 == 0 ? m->container_id
                         : (i - 1) % 3 == 1 ? m->host_id
                                            : m->size;

        argv[1 + i] = numbers + i * 24;
        snprintf(argv[1 + i], 24, "%u", value);
    }
    if (argv) {
        argv[0] = (char *)helper;
        argv[words + 1] = NULL;
    }
    return argv;
}

static int helper_failed(const struct kind *kind, const char *said,
                         const struct oci_id_mapping *maps, size_t n, uint32_t own, struct err *err)
{
    if (subid_explain(kind->file, kind->member, maps, n, own, err))
        return -1;
    err_set(err, 0, "%s: %s refused the mappings%s%s", kind->member, kind->helper,
            *said ? ": " : "", said);
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        err_hint(err, "the caller has no_new_privs set, with which %s gains no privilege",
                 kind->helper);
    else
        err_hint(err,
                 "they must lie within the caller's ranges in %s, and %s has to be setuid "
                 "root or to have file capabilities",
                 kind->file, kind->helper);
    return err_object(err, "%s", kind->member);
}

struct words {
    int fd; /* our end of stderr, not blocking */
    size_t len;
    char text[256]; /* the beginning; the rest is read and dropped, so that nobody waits for us */
};

/* Returns whether there may be more. */
static bool read_words(struct words *w)
{
    char buf[256];
    size_t room = sizeof w->text - 1 - w->len;
    ssize_t n = read(w->fd, buf, sizeof buf);

    if (n < 0 && errno == EINTR)
        return true;
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        w->fd = fd_close(w->fd);
        return false;
    }
    if ((size_t)n < room)
        room = (size_t)n;
    memcpy(w->text + w->len, buf, room);
    w->len += room;
    return true;
}

/* Until the helper has ended, whoever still holds its stderr. */
static int hear_helper(const struct kind *kind, pid_t child, int pidfd, struct words *w,
                       int timeout, struct err *err)
{
    int64_t end = proc_now() + timeout;
    struct err late = ERR_INIT;
    int failed = 0;

    while (!failed) {
        struct pollfd p[] = {{pidfd, POLLIN, 0}, {w->fd, POLLIN, 0}};
        int64_t left = end - proc_now();
        int ready = poll(p, ARRAY_SIZE(p), !timeout ? -1 : left > 0 ? (int)left : 0);

        if (ready < 0 && errno != EINTR)
            failed = err_errno(err, "%s: wait for %s", kind->member, kind->helper);
        else if (timeout && left <= 0 && !(ready > 0 && p[0].revents))
            failed = err_set(err, ETIMEDOUT, "%s: %s did not end within %d s", kind->member,
                             kind->helper, timeout / 1000);
        if (!failed && ready > 0 && p[1].revents)
            read_words(w);
        if (!failed && ready > 0 && p[0].revents) {
            /* A process that it left behind may go on writing. */
            while (w->fd >= 0 && w->len < sizeof w->text - 1 && read_words(w))
                ;
            return 0;
        }
    }
    kill(child, SIGKILL);
    if (proc_wait_pidfd(pidfd, KILL_WAIT, &late) == 0)
        waitpid(child, NULL, 0);
    return -1;
}

/* As in base/hook.c: the raw call, because fork() gives no pidfd. */
static pid_t fork_pidfd(int *pidfd)
{
    return (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, pidfd, 0, 0);
}

/* Setuid helpers that check /etc/subuid and /etc/subgid. */
static int run_helper(const struct kind *kind, pid_t pid, const struct oci_id_mapping *maps,
                      size_t n, uint32_t own, int timeout, struct err *err)
{
    _cleanup_free_ char **argv = helper_argv(kind->helper, pid, maps, n);
    _cleanup_close_ int pidfd = -1;
    struct words words = {.fd = -1};
    int status, failed, pipe[2];
    pid_t child;

    if (!argv)
        return err_set(err, ENOMEM, "%s", kind->helper);
    if (pipe2(pipe, O_CLOEXEC) < 0)
        return err_errno(err, "run %s", kind->helper);
    words.fd = pipe[0];
    child = fcntl(pipe[0], F_SETFL, O_NONBLOCK) < 0 ? -1 : fork_pidfd(&pidfd);
    if (child == 0) {
        dup2(pipe[1], STDERR_FILENO); /* what it says goes into our one line */
        proc_default_signals();       /* a foreground run has blocked them all */
        execvp(kind->helper, argv);
        _exit(127);
    }
    failed = child < 0 ? err_errno(err, "run %s", kind->helper) : 0;
    fd_close(pipe[1]);
    if (!failed)
        failed = hear_helper(kind, child, pidfd, &words, timeout, err);
    fd_close(words.fd);
    if (failed)
        return -1;
    words.text[strcspn(words.text, "\n")] = '\0';
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        err_set(err, ENOENT, "%s: run %s", kind->member, kind->helper);
        return err_hint(err, "install the package uidmap (shadow-utils), or map only the own id: "
                             "one entry of size 1");
    }
    return helper_failed(kind, words.text, maps, n, own, err);
}

/* The first id that our own user namespace does not have, and so cannot hand on. */
static bool find_unmapped(const char *map, const struct oci_id_mapping *maps, size_t n,
                          uint32_t *id)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t ends[] = {maps[i].host_id, maps[i].host_id + maps[i].size - 1};

        for (size_t j = 0; j < ARRAY_SIZE(ends); j++) {
            *id = ends[j];
            if (maps[i].size && !proc_map_id(map, *id, NULL))
                return true;
        }
    }
    return false;
}

static int write_map(int proc_pid, const struct kind *kind, const struct oci_id_mapping *maps,
                     size_t n, struct err *err)
{
    char text[MAP_TEXT];
    uint32_t id;

    if (map_text(maps, n, text, sizeof text) < 0)
        return err_set(err, E2BIG, "%s: %s", kind->member, kind->map);
    if (fd_write_file_at(proc_pid, kind->map, text, err) == 0)
        return 0;
    err_context(err, "%s", kind->member);
    if (err->errnum == EPERM && find_unmapped(kind->map, maps, n, &id))
        err_hint(err, "hostID %u: the user namespace that this runs in has no such id", id);
    return err_object(err, "%s", kind->member);
}

int ids_write(pid_t pid, const struct oci_linux *config, int timeout, bool *denied, struct err *err)
{
    char path[64];
    _cleanup_close_ int dir = -1;
    bool privileged = have_setid_caps();

    *denied = false;
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return err_errno(err, "open %s", path);
    if (!privileged && !own_id_only(config->gid_mappings, config->gid_mappings_n, getegid())) {
        if (run_helper(&gids, pid, config->gid_mappings, config->gid_mappings_n, getegid(), timeout,
                       err) < 0)
            return -1;
    } else {
        if (!privileged) {
            if (fd_write_file_at(dir, "setgroups", "deny", err) < 0)
                return -1;
            *denied = true;
        }
        if (write_map(dir, &gids, config->gid_mappings, config->gid_mappings_n, err) < 0)
            return -1;
    }
    if (!privileged && !own_id_only(config->uid_mappings, config->uid_mappings_n, geteuid()))
        return run_helper(&uids, pid, config->uid_mappings, config->uid_mappings_n, geteuid(),
                          timeout, err);
    return write_map(dir, &uids, config->uid_mappings, config->uid_mappings_n, err);
}
