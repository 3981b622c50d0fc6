/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * On v2 a cgroup has the files of a controller only if its parent says so in
 * cgroup.subtree_control, which it can only for controllers that it has itself: enabling one goes
 * from the top down (cgroup-v2.rst, "Controlling Controllers"). It is written only where it is
 * missing. A new cgroup gets what its parents have, for statistics and for the next update; a limit
 * that needs a controller which is still missing then says where the chain breaks.
 */
#include "base/fd.h"
#include "base/util.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX 512

bool cgroup_has_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = words; p && *p;) {
        size_t n = strcspn(p, " \n");

        if (n == len && memcmp(p, word, n) == 0)
            return true;
        p += n + (p[n] != '\0');
    }
    return false;
}

/* The cgroups above the place, from the mount down: fd of the next, "" when there is none left. */
static int step(int dir, const char **path)
{
    char name[NAME_MAX + 1];
    size_t len = strcspn(*path, "/");

    if (len > NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(name, *path, len);
    name[len] = '\0';
    *path += len + ((*path)[len] == '/');
    return cgroup_open_below(dir, name);
}

/*
 * Whether a cgroup has processes itself. The kernel then refuses it to give controllers to its
 * children, but for the threaded ones (cpu, cpuset, pids): with these it becomes the head of a
 * threaded tree instead, in which nobody can run a container, and stays it. Not so the root, which
 * has no cgroup.type.
 */
static bool has_processes(int dir)
{
    char text[32];

    if (cgroup_read_at(dir, "cgroup.type", text, sizeof text) < 0)
        return false;
    return cgroup_read_at(dir, "cgroup.procs", text, sizeof text) > 0;
}

/* Enable at one level what it has and its children lack. */
void cgroup_enable_all(int dir)
{
    static const char *const wanted[] = {"cpuset", "cpu",  "io",   "memory",
                                         "pids",   "rdma", "misc", "hugetlb"};
    char have[WORDS_MAX], enabled[WORDS_MAX], text[WORDS_MAX] = "";

    if (cgroup_read_at(dir, "cgroup.controllers", have, sizeof have) <= 0 ||
        cgroup_read_at(dir, "cgroup.subtree_control", enabled, sizeof enabled) < 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        size_t len = strlen(text);

        if (cgroup_has_word(have, wanted[i]) && !cgroup_has_word(enabled, wanted[i]))
            snprintf(text + len, sizeof text - len, "%s+%s", len ? " " : "", wanted[i]);
    }
    if (!*text || has_processes(dir) || cgroup_write_at(dir, "cgroup.subtree_control", text) == 0)
        return;
    /* All or nothing is how the kernel takes a line: one by one then. */
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        if (cgroup_has_word(have, wanted[i]) && !cgroup_has_word(enabled, wanted[i])) {
            snprintf(text, sizeof text, "+%s", wanted[i]);
            cgroup_write_at(dir, "cgroup.subtree_control", text);
        }
    }
}

void cgroup_enable_some(struct cgroup_place *place, int mount)
{
    const char *path = place->path + 1;
    int dir = cgroup_open_below(mount, "");

    while (dir >= 0) {
        int next;

        cgroup_enable_all(dir);
        /* The last one is the container's own: what it gives to its children is its affair. */
        next = strchr(path, '/') ? step(dir, &path) : -1;
        fd_close(dir);
        dir = next;
    }
}

/* The next cgroup on the way down from the one that @rest begins in: all of the path up to it. */
static int child_len(const struct cgroup_place *place, const char *rest)
{
    return (int)(rest - place->path) + (int)strcspn(rest, "/");
}

/* A cgroup of somebody else does not hand the controller down: whose it is decides the remedy. */
static void not_delegated(const struct cgroup_place *place, const char *rest, int len,
                          const char *controller, const char *member, struct err *err)
{
    static const char *const known[] = {"cpu", "cpuset", "io", "memory", "pids"};
    char buf[64];
    const char *unit = cgroup_user_unit(place->path, buf, sizeof buf);
    bool by_systemd = false;

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        by_systemd = by_systemd || strcmp(controller, known[i]) == 0;
    if (unit)
        err_set(err, 0, "linux.resources.%s: %s is not delegated to %s: ", member, controller,
                unit);
    else
        err_set(err, 0, "linux.resources.%s: %s is not delegated to cgroup %s%.*s: ", member,
                controller, place->mount, child_len(place, rest), place->path);
    len = len > 1 ? len : 0;
    snprintf(err->text + strlen(err->text), sizeof err->text - strlen(err->text),
             "it is missing in cgroup.subtree_control of %s%.*s, which is not this user's",
             place->mount, len, place->path);
    if (unit && by_systemd)
        err_hint(err, "as root: systemctl edit user@.service, with [Service] and "
                      "Delegate=cpu cpuset io memory pids; then log in again");
    else
        err_hint(err, "as root: echo +%s > %s%.*s/cgroup.subtree_control", controller, place->mount,
                 len, place->path);
}

static int cannot(const struct cgroup_place *place, const char *rest, const char *controller,
                  const char *member, int errnum, struct err *err)
{
    int len = (int)(rest - place->path) - (rest > place->path + 1);

    if (errnum == EACCES || errnum == EPERM || errnum == EROFS) {
        not_delegated(place, rest, len, controller, member, err);
    } else if (errnum == 0) {
        err_set(err, 0, "linux.resources.%s: %s is not delegated to cgroup %s%.*s", member,
                controller, place->mount, len > 1 ? len : 0, place->path);
        err_hint(err, "add it to cgroup.subtree_control above, or to Delegate= of the unit");
    } else {
        err_set(err, errnum,
                "linux.resources.%s: enable the %s controller in cgroup.subtree_control of %s%.*s",
                member, controller, place->mount, len > 1 ? len : 0, place->path);
        if (errnum == EBUSY)
            err_hint(err, "there are processes in that cgroup itself; they have to be moved into "
                          "one below it");
        else if (errnum == EOPNOTSUPP)
            err_hint(err, "a cgroup above or that one is threaded");
        else if (errnum == ENOENT)
            err_hint(err, "the controller is in use by cgroup v1, or held by a parent");
    }
    return err_object(err, "linux.resources.%s", member);
}

int cgroup_enable(struct cgroup_place *place, const char *controller, const char *member,
                  struct err *err)
{
    _cleanup_close_ int dir = cgroup_mount_open(place, err);
    const char *path = place->path + 1;
    char words[WORDS_MAX], text[64];

    if (dir < 0)
        return -1;
    snprintf(text, sizeof text, "+%s", controller);
    for (;;) {
        int next;

        if (cgroup_read_at(dir, "cgroup.controllers", words, sizeof words) < 0)
            return cannot(place, path, controller, member, errno, err);
        if (!cgroup_has_word(words, controller))
            return cannot(place, path, controller, member, 0, err);
        if (cgroup_read_at(dir, "cgroup.subtree_control", words, sizeof words) < 0)
            return cannot(place, path, controller, member, errno, err);
        if (!cgroup_has_word(words, controller)) {
            if (has_processes(dir))
                return cannot(place, path, controller, member, EBUSY, err);
            if (cgroup_write_at(dir, "cgroup.subtree_control", text) < 0)
                return cannot(place, path, controller, member, errno, err);
        }
        if (!strchr(path, '/'))
            return 0;
        next = step(dir, &path);
        if (next < 0)
            return err_errno(err, "cgroup %s%s", place->mount, place->path);
        fd_close(dir);
        dir = next;
    }
}
