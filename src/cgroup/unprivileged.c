/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A caller who is not the machine's root may write to cgroups that were delegated to it, and to no
 * others. Three questions come from that:
 *
 * Where does a container go whose configuration names no cgroup? "/ID" is out of reach. On v2 a
 * process is moved only by who may write to cgroup.procs of the cgroup above both its old and its
 * new place (cgroup-v2.rst, "Delegation Containment"), and a cgroup with processes in it hands no
 * controllers down. So the best place is beside the caller's own cgroup, the second best below it,
 * where the container runs but cannot be limited. On v1 it is below the caller's own.
 *
 * May a process be moved there? Asked before the cgroup is made.
 *
 * Who did not delegate? systemd's unit of the user is what can be told to.
 */
#include "base/proc.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DELEGATE "start below a unit with Delegate=yes (systemd-run --user --scope -p Delegate=yes)"

/* --rootless: 1 and 0 as the user says, -1 as it looks. */
static int rootless = -1;

void cgroup_set_rootless(int value)
{
    rootless = value;
}

bool cgroup_unprivileged(void)
{
    static int in_namespace = -1; /* asked for each hierarchy */

    if (rootless >= 0)
        return rootless;
    if (geteuid() != 0)
        return true;
    if (in_namespace < 0)
        in_namespace = proc_in_user_namespace();
    return in_namespace;
}

static bool may_write(const char *mount, const char *path, int len, const char *file)
{
    char full[PATH_MAX];

    return snprintf(full, sizeof full, "%s%.*s%s", mount, len, path, file) < (int)sizeof full &&
           access(full, W_OK) == 0;
}

/* Whether cgroups can be made there and processes moved between them. */
static bool is_ours(const struct cgroup_hierarchy *h, const char *path, int len)
{
    return may_write(h->mount, path, len, "") &&
           (!h->v2 || may_write(h->mount, path, len, "/cgroup.procs"));
}

int cgroup_default_parent(const struct cgroup_hierarchy *h)
{
    int own = strcmp(h->own, "/") == 0 ? 0 : (int)strlen(h->own);
    int parent = own ? (int)(strrchr(h->own, '/') - h->own) : 0;

    if (own == 0 || !cgroup_unprivileged() || is_ours(h, h->own, 0))
        return 0;
    if (h->v2 && parent > 0 && is_ours(h, h->own, parent))
        return parent;
    return h->v2 || is_ours(h, h->own, own) ? own : 0;
}

int cgroup_common(const char *a, const char *b)
{
    int common = 0;

    if (strcmp(a, "/") == 0 || strcmp(b, "/") == 0)
        return 0;
    for (int i = 0;; i++) {
        bool end_a = a[i] == '/' || a[i] == '\0', end_b = b[i] == '/' || b[i] == '\0';

        if (end_a && end_b)
            common = i;
        if (a[i] != b[i] || a[i] == '\0')
            return common;
    }
}

bool cgroup_may_enter(const struct cgroup_place *place, int *above)
{
    struct err ignored = ERR_INIT;
    const struct cgroup_machine *machine = place->v2 ? cgroup_machine_get(&ignored) : NULL;

    for (size_t i = 0; machine && i < machine->n; i++) {
        const struct cgroup_hierarchy *h = &machine->list[i];

        if (!h->v2 || strcmp(h->mount, place->mount) != 0)
            continue;
        *above = cgroup_common(h->own, place->path);
        return may_write(h->mount, place->path, *above, "/cgroup.procs");
    }
    return true;
}

bool cgroup_before_ids(const struct cgroup_record *record)
{
    return cgroup_on_v1(record) && cgroup_unprivileged();
}

const char *cgroup_user_unit(const char *path, char *buf, size_t size)
{
    for (const char *p = path; p && *p; p = strchr(p, '/')) {
        static const char head[] = "user@", tail[] = ".service";
        size_t len, digits;

        p += *p == '/';
        len = strcspn(p, "/");
        if (len >= size || strncmp(p, head, sizeof head - 1) != 0)
            continue;
        digits = strspn(p + sizeof head - 1, "0123456789");
        if (digits == 0 || len != sizeof head - 1 + digits + sizeof tail - 1 ||
            strncmp(p + len - (sizeof tail - 1), tail, sizeof tail - 1) != 0)
            continue;
        memcpy(buf, p, len);
        buf[len] = '\0';
        return buf;
    }
    return NULL;
}

int cgroup_refused(const struct cgroup_place *place, const char *member, const char *controller,
                   struct err *err)
{
    int above, parent = (int)(strrchr(place->path, '/') - place->path);

    err_set(err, place->refused,
            "linux.resources.%s: %s%sneeds the cgroup %s%s, which cannot be made", member,
            controller, *controller ? " " : "", place->mount, place->path);
    if (!place->v2)
        err_hint(err,
                 "cgroup v1 is not handed to ordinary users: root can make %s%s and give it to "
                 "this user, or leave the limit out",
                 place->mount, place->path);
    else if (!cgroup_may_enter(place, &above) && above != parent)
        err_hint(err,
                 "only who may write to cgroup.procs of %s%.*s, above it and the caller's own "
                 "cgroup, may move processes there: leave linux.cgroupsPath out, or " DELEGATE,
                 place->mount, above, place->path);
    else
        err_hint(err, "no cgroup there belongs to this user: leave linux.cgroupsPath and limits "
                      "out, or " DELEGATE);
    return err_object(err, "linux.resources.%s", member);
}
