/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entries to ranges: sorted by number and grouped into leaves, which cover all numbers; neighbours
 * with the same leaf are one range. See compile.c for what wins when several rules meet.
 */
#include "seccomp/internal.h"

#include "base/util.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

/* By number; a rule without args first; then as in the profile. */
static int entry_order(const void *left, const void *right)
{
    const struct seccomp_entry *a = left, *b = right;

    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    if ((a->what.compares_n == 0) != (b->what.compares_n == 0))
        return a->what.compares_n == 0 ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

/* 0: tests for one value, 1: for small ones, 2: for large ones. */
static int compare_class(const struct seccomp_compare *compare)
{
    switch (compare->op) {
    case OCI_CMP_LT:
    case OCI_CMP_LE:
        return 1;
    case OCI_CMP_GE:
    case OCI_CMP_GT:
        return 2;
    default:
        return 0;
    }
}

/*
 * Whether @a is asked before @b though it comes later in the profile. This is the order of the tree
 * of libseccomp 2.5, as observed: the highest argument first, then the narrower test. It matters
 * only to rules that overlap and have different actions.
 */
static bool is_asked_before(const struct seccomp_alternative *a,
                            const struct seccomp_alternative *b)
{
    const struct seccomp_compare *x = &a->compares[a->compares_n - 1];
    const struct seccomp_compare *y = &b->compares[b->compares_n - 1];

    if (x->index != y->index)
        return x->index > y->index;
    if (compare_class(x) != compare_class(y))
        return compare_class(x) < compare_class(y);
    if (compare_class(x) == 1)
        return x->value < y->value;
    if (x->op == OCI_CMP_MASKED_EQ || y->op == OCI_CMP_MASKED_EQ)
        return false;
    return x->value > y->value;
}

static bool same_alternative(const struct seccomp_alternative *a,
                             const struct seccomp_alternative *b)
{
    if (a->action != b->action || a->compares_n != b->compares_n)
        return false;
    for (uint32_t i = 0; i < a->compares_n; i++) {
        const struct seccomp_compare *x = &a->compares[i], *y = &b->compares[i];

        if (x->index != y->index || x->op != y->op || x->value != y->value || x->mask != y->mask)
            return false;
    }
    return true;
}

static bool same_leaf(const struct seccomp_leaf *a, const struct seccomp_leaf *b)
{
    if (a->action != b->action || a->alternatives_n != b->alternatives_n || a->narrow != b->narrow)
        return false;
    for (size_t i = 0; i < a->alternatives_n; i++) {
        if (!same_alternative(&a->alternatives[i], &b->alternatives[i]))
            return false;
    }
    return true;
}

int seccomp_range_add(struct seccomp_table *table, uint32_t first, const struct seccomp_leaf *leaf,
                      struct err *err)
{
    struct seccomp_range *last = table->ranges_n ? &table->ranges[table->ranges_n - 1] : NULL;
    struct seccomp_leaf *known = NULL;

    for (size_t i = table->ranges_n; i-- > 0 && !known;) {
        if (same_leaf(table->ranges[i].leaf, leaf))
            known = table->ranges[i].leaf;
    }
    if (last && last->first == first)
        table->ranges_n--; /* an empty range */
    if (table->ranges_n && known == table->ranges[table->ranges_n - 1].leaf)
        return 0;
    if (table->ranges_n == table->ranges_size) {
        size_t size = table->ranges_size ? table->ranges_size * 2 : 128;
        struct seccomp_range *more = reallocarray(table->ranges, size, sizeof *more);

        if (!more)
            return seccomp_no_memory(err);
        table->ranges = more;
        table->ranges_size = size;
    }
    if (!known) {
        known = oci_alloc(table->arena, sizeof *known);
        if (!known)
            return seccomp_no_memory(err);
        *known = *leaf;
        known->label = -1;
    }
    table->ranges[table->ranges_n++] = (struct seccomp_range){first, known};
    return 0;
}

/* The leaf of the entries [@from, @to), which have one number. */
static int group_leaf(struct seccomp_table *table, size_t from, size_t to,
                      struct seccomp_leaf *leaf, struct err *err)
{
    const struct seccomp_entry *entries = table->entries;

    *leaf = (struct seccomp_leaf){.action = table->default_action};
    if (entries[from].what.compares_n == 0) {
        leaf->action = entries[from].what.action;
        return 0;
    }
    leaf->narrow = table->arch->narrow;
    leaf->alternatives = oci_alloc(table->arena, (to - from) * sizeof *leaf->alternatives);
    if (!leaf->alternatives)
        return seccomp_no_memory(err);
    for (size_t i = from; i < to; i++) {
        bool again = false;
        size_t at;

        for (size_t k = 0; k < leaf->alternatives_n && !again; k++)
            again = same_alternative(&leaf->alternatives[k], &entries[i].what);
        if (again)
            continue;
        at = leaf->alternatives_n++;
        for (; at > 0 && is_asked_before(&entries[i].what, &leaf->alternatives[at - 1]); at--)
            leaf->alternatives[at] = leaf->alternatives[at - 1];
        leaf->alternatives[at] = entries[i].what;
    }
    return 0;
}

/* Where the numbers of an architecture end: x32's lie above x86_64's under one token. */
static int range_newer(struct seccomp_table *table, struct err *err)
{
    bool refuses = table->default_action != SECCOMP_RET_ALLOW &&
                   table->default_action != SECCOMP_RET_LOG &&
                   (table->default_action & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_TRACE;
    struct seccomp_leaf newer = {.action = SECCOMP_RET_ERRNO | ENOSYS};

    if (!refuses || !table->any_named || table->newest == UINT32_MAX)
        return 0;
    return seccomp_range_add(table, table->newest + 1, &newer, err);
}

int seccomp_ranges(struct seccomp_table *table, uint32_t start, struct err *err)
{
    const struct seccomp_leaf rest = {.action = table->default_action};
    bool newer_done = false;

    if (table->entries_n)
        qsort(table->entries, table->entries_n, sizeof *table->entries, entry_order);
    if (seccomp_range_add(table, start, &rest, err) < 0)
        return -1;
    for (size_t i = 0, next; i < table->entries_n; i = next) {
        const struct seccomp_entry *entry = &table->entries[i];
        struct seccomp_leaf leaf;

        for (next = i + 1; next < table->entries_n; next++) {
            if (table->entries[next].number != entry->number)
                break;
        }
        if (!newer_done && seccomp_is_private(table->arch, entry->number)) {
            struct seccomp_leaf private = {.action = table->default_action};

            newer_done = true;
            if (range_newer(table, err) < 0 ||
                seccomp_range_add(table, SECCOMP_ARM_PRIVATE, &private, err) < 0)
                return -1;
        }
        if (group_leaf(table, i, next, &leaf, err) < 0 ||
            seccomp_range_add(table, entry->number, &leaf, err) < 0 ||
            seccomp_range_add(table, entry->number + 1, &rest, err) < 0)
            return -1;
    }
    return newer_done ? 0 : range_newer(table, err);
}
