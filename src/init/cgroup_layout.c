/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pure functions over the texts of /proc/self/mountinfo and /proc/self/cgroup. Directories are not
 * looked at: those below /sys/fs/cgroup need not be cgroups.
 */
#include "init/cgroup_layout.h"

#include "base/mountinfo.h"
#include "base/util.h"

#include <stdio.h>
#include <string.h>

/* Keep of a superblock's options what says which hierarchy it is (v1: the controllers) or how it
 * behaves (v2): the rest is known and short. */
static void keep_own_options(char *options, bool v2)
{
    static const char *const others[] = {
        "rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "seclabel", "none"};
    char *to = options, *rest = options, *word;

    while ((word = strsep(&rest, ",")) != NULL) {
        /* Behaviour on v2; on v1 every hierarchy may have it (Linux 6.0). */
        bool skip =
            strncmp(word, "release_agent=", 14) == 0 || (!v2 && strcmp(word, "favordynmods") == 0);
        size_t len = strlen(word);

        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
            skip = skip || strcmp(word, others[i]) == 0;
        if (skip || len == 0)
            continue;
        if (to != options)
            *to++ = ',';
        memmove(to, word, len);
        to += len;
    }
    *to = '\0';
}

/* Others may have mounted a hierarchy elsewhere too (containers): the usual place counts. */
static bool is_standard(const char *point)
{
    return strncmp(point, "/sys/fs/cgroup", 14) == 0 && (point[14] == '/' || point[14] == '\0');
}

static bool take(const struct mountinfo *m, struct hierarchy *h)
{
    bool v2 = strcmp(m->type, "cgroup2") == 0;

    if ((!v2 && strcmp(m->type, "cgroup") != 0) || !is_standard(m->point) || !m->options)
        return false;
    keep_own_options(m->options, v2);
    *h = (struct hierarchy){.v2 = v2, .root = m->root, .point = m->point};
    if (v2)
        h->options = m->options;
    else
        h->controllers = m->options;
    return v2 || m->options[0] != '\0';
}

static bool is_known(const struct layout *l, const struct hierarchy *h)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->list[i].v2 == h->v2 &&
            (h->v2 || strcmp(l->list[i].controllers, h->controllers) == 0))
            return true;
    return false;
}

void cgroup_layout_parse(struct layout *l)
{
    char *rest = l->mountinfo;
    struct mountinfo m;

    while (l->n < HIERARCHIES_MAX && mountinfo_next(&rest, &m)) {
        struct hierarchy h;

        if (!take(&m, &h) || is_known(l, &h))
            continue;
        l->has_v1 = l->has_v1 || !h.v2;
        l->list[l->n++] = h;
    }
}

/* Path of our cgroup in @h, from lines ID:CONTROLLERS:PATH (the v2 line has no controllers). */
static bool own_path(const struct layout *l, const struct hierarchy *h, char *buf, size_t size)
{
    const char *wanted = h->v2 ? "" : h->controllers;
    size_t len = strlen(wanted);

    for (const char *line = l->cgroups; line != NULL && *line != '\0';) {
        const char *names = strchr(line, ':');
        const char *path = names == NULL ? NULL : strchr(names + 1, ':');
        const char *end = strchr(line, '\n');

        if (path == NULL)
            return false;
        names++;
        if ((size_t)(path - names) == len && memcmp(names, wanted, len) == 0) {
            int n = (int)(end == NULL ? strlen(path + 1) : (size_t)(end - path - 1));
            return (size_t)snprintf(buf, size, "%.*s", n, path + 1) < size;
        }
        line = end == NULL ? NULL : end + 1;
    }
    return false;
}

bool cgroup_layout_own(const struct layout *l, const struct hierarchy *h, char *buf, size_t size)
{
    size_t root = strcmp(h->root, "/") == 0 ? 0 : strlen(h->root);
    char path[4096];

    /* The mount may show only a part of the hierarchy; in a cgroup namespace both are relative to
     * its root, and a root above it shows as "/..": its name is not to be had. */
    if (strncmp(h->root, "/..", 3) == 0 || !own_path(l, h, path, sizeof path) ||
        strncmp(path, h->root, root) != 0 || (root > 0 && path[root] != '/' && path[root] != '\0'))
        return false;
    return (size_t)snprintf(buf, size, "%s%s", h->point, path + root) < size;
}
