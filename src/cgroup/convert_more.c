/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The smaller members of linux.resources: hugepageLimits, network, rdma, and unified, which is
 * files of v2 by their names. A file of unified belongs to the controller before its first dot; the
 * names are checked, because they come from the configuration, and a controller that is mounted as
 * v1 has no files on v2.
 */
#include "base/util.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

static int add(struct cgroup_conversion *c, const struct cgroup_write *row)
{
    return cgroup_writes_add(c->out, c->arena, row, c->err);
}

/* [1-9][0-9]*[KMG]B: it becomes a part of a file's name. */
static bool is_page_size(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    return digits > 0 && digits < 16 && text[0] != '0' && text[digits] &&
           strchr("KMG", text[digits]) && strcmp(text + digits + 1, "B") == 0;
}

int cgroup_convert_hugetlb(struct cgroup_conversion *c)
{
    bool v2 = c->v2 & CGROUP_HUGETLB;

    for (size_t i = 0; i < c->r->hugepage_limits_n; i++) {
        const struct oci_hugepage_limit *h = &c->r->hugepage_limits[i];
        struct cgroup_write row = {.controller = "hugetlb", .phase = CGROUP_LATE, .v2 = v2};

        row.member = oci_printf(c->arena, "hugepageLimits[%zu]", i);
        row.value = oci_printf(c->arena, "%" PRIu64, h->limit);
        if (!row.member || !row.value)
            return err_set(c->err, ENOMEM, "linux.resources");
        if (!is_page_size(h->page_size))
            return cgroup_refuse(c->err, row.member,
                                 "pageSize \"%.32s\" is not a size like 2MB or 1GB", h->page_size);
        /* Reservations are counted apart, and on kernels before 5.7 not at all. */
        row.flags = CGROUP_OPTIONAL;
        row.file =
            oci_printf(c->arena, "hugetlb.%s.rsvd.%s", h->page_size, v2 ? "max" : "limit_in_bytes");
        if (add(c, &row) < 0)
            return -1;
        row.flags = 0;
        row.file =
            oci_printf(c->arena, "hugetlb.%s.%s", h->page_size, v2 ? "max" : "limit_in_bytes");
        if (add(c, &row) < 0)
            return -1;
    }
    return 0;
}

int cgroup_convert_network(struct cgroup_conversion *c)
{
    const struct oci_network *n = c->r->network;
    struct cgroup_write row = {.phase = CGROUP_EARLY};

    if (n->class_id.value) {
        if (c->v2 & CGROUP_NET_CLS)
            return cgroup_inconvertible(c, "network.classID");
        row.member = "network.classID";
        row.controller = "net_cls";
        row.file = "net_cls.classid";
        row.value = oci_printf(c->arena, "%" PRIu64, n->class_id.value);
        if (add(c, &row) < 0)
            return -1;
    }
    if (n->priorities_n && (c->v2 & CGROUP_NET_PRIO))
        return cgroup_inconvertible(c, "network.priorities");
    for (size_t i = 0; i < n->priorities_n; i++) {
        row.member = oci_printf(c->arena, "network.priorities[%zu]", i);
        row.controller = "net_prio";
        row.file = "net_prio.ifpriomap";
        row.value =
            oci_printf(c->arena, "%s %" PRIu32, n->priorities[i].name, n->priorities[i].priority);
        if (row.member && strpbrk(n->priorities[i].name, " \t\n"))
            return cgroup_refuse(c->err, row.member, "the name of an interface holds no blanks");
        if (add(c, &row) < 0)
            return -1;
    }
    return 0;
}

int cgroup_convert_rdma(struct cgroup_conversion *c)
{
    for (size_t i = 0; i < c->r->rdma_n; i++) {
        const struct oci_rdma *r = &c->r->rdma[i];
        struct cgroup_write row = {.controller = "rdma",
                                   .file = "rdma.max",
                                   .phase = CGROUP_EARLY,
                                   .v2 = c->v2 & CGROUP_RDMA};

        row.member = oci_printf(c->arena, "rdma.%s", r->device);
        if (!row.member)
            return err_set(c->err, ENOMEM, "linux.resources");
        if (strpbrk(r->device, " \t\n"))
            return cgroup_refuse(c->err, row.member, "the name of a device holds no blanks");
        if (r->hca_handles.set && r->hca_objects.set)
            row.value = oci_printf(c->arena, "%s hca_handle=%" PRIu64 " hca_object=%" PRIu64,
                                   r->device, r->hca_handles.value, r->hca_objects.value);
        else if (r->hca_handles.set)
            row.value =
                oci_printf(c->arena, "%s hca_handle=%" PRIu64, r->device, r->hca_handles.value);
        else if (r->hca_objects.set)
            row.value =
                oci_printf(c->arena, "%s hca_object=%" PRIu64, r->device, r->hca_objects.value);
        else
            return cgroup_refuse(c->err, row.member, "has neither hcaHandles nor hcaObjects");
        if (add(c, &row) < 0)
            return -1;
    }
    return 0;
}

/* A kernel interface takes one line a write. */
static int add_lines(struct cgroup_conversion *c, struct cgroup_write *row, const char *value)
{
    if (!*value) {
        row->value = "\n"; /* an empty write is none */
        return add(c, row);
    }
    for (const char *p = value; *p;) {
        size_t len = strcspn(p, "\n");

        if (len > 0) {
            row->value = oci_strndup(c->arena, p, len);
            if (add(c, row) < 0)
                return -1;
        }
        p += len + (p[len] == '\n');
    }
    return 0;
}

int cgroup_convert_unified(struct cgroup_conversion *c)
{
    for (size_t i = 0; i < c->r->unified_n; i++) {
        const char *name = c->r->unified[i].key, *dot = strchr(name, '.');
        struct cgroup_write row = {.file = name, .phase = CGROUP_LATE, .v2 = true};
        unsigned family;

        row.member = oci_printf(c->arena, "unified.%s", name);
        row.controller = oci_strndup(c->arena, name, dot ? (size_t)(dot - name) : 0);
        if (!row.member || !row.controller)
            return err_set(c->err, ENOMEM, "linux.resources");
        if (!(c->v2 & CGROUP_UNIFIED))
            return cgroup_refuse(c->err, row.member, "no cgroup v2 hierarchy is mounted");
        if (!dot || dot == name || strchr(name, '/') || strlen(name) > NAME_MAX)
            return cgroup_refuse(c->err, row.member,
                                 "is not the name of a cgroup v2 file (CONTROLLER.NAME)");
        family = cgroup_family_of(row.controller);
        if (family && !(c->v2 & family))
            return cgroup_refuse(c->err, row.member,
                                 "the %s controller is mounted as cgroup v1 on this machine",
                                 row.controller);
        if (strcmp(row.controller, "cgroup") == 0)
            row.controller = "";
        if (add_lines(c, &row, c->r->unified[i].value) < 0)
            return -1;
    }
    return 0;
}
