/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the machine has its cgroup hierarchies, as init needs it to show them to the container. */
#ifndef INIT_CGROUP_LAYOUT_H
#define INIT_CGROUP_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#define HIERARCHIES_MAX 32

struct hierarchy {
    bool v2;
    char *root, *point; /* as in mountinfo */
    char *controllers;  /* v1: "cpu,cpuacct", "name=systemd" */
    char *options;      /* v2: "nsdelegate,memory_recursiveprot" */
};

struct layout {
    char *mountinfo, *cgroups; /* texts that the others point into: /proc/self/… */
    struct hierarchy list[HIERARCHIES_MAX];
    size_t n;
    bool has_v1;
};

/** cgroup_layout_parse - fill the rest of @l from .mountinfo, which is cut in place */
void cgroup_layout_parse(struct layout *l);

/**
 * cgroup_layout_own - the directory of our own cgroup in @h, from .cgroups
 * Returns false when it has no name below the mount, or is longer than @size.
 */
bool cgroup_layout_own(const struct layout *l, const struct hierarchy *h, char *buf, size_t size);

#endif
