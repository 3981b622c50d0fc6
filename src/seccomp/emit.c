/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ranges to classic BPF.
 *
 *     load arch; for each section: if it is the section's, load nr and walk a balanced tree of
 *     "nr >= first" over its ranges; a leaf returns, or compares arguments and returns
 *
 * BPF jumps forward only, and a conditional jump reaches 255 instructions. So the program is
 * written from its end to its beginning: whatever an instruction jumps to exists already, and a
 * label is a distance from the end. A target that is too far gets a stepping stone (a return of its
 * own, or an unconditional jump, which reaches anywhere) right behind the instruction.
 *
 * The kernel emulates a filter for every number when it is loaded and keeps a bitmap of those that
 * are allowed whatever the arguments; it understands the instructions used here outside of leaves.
 */
#include "seccomp/internal.h"

#include "base/util.h"

#include <errno.h>
#include <linux/bpf_common.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { REACH = 255 };

/* Labels count from the end of the program. */
struct writer {
    struct sock_filter *code; /* code[0] is the last instruction */
    int n, size;
    bool failed;    /* too long */
    int returns[8]; /* nearest return of several actions, for sharing */
    int returns_n;
};

/* Where a jump goes: to an instruction that exists, or to a return that may have to be written. */
struct target {
    bool is_return;
    uint32_t action;
    int label;
};

static struct target to_return(uint32_t action)
{
    return (struct target){.is_return = true, .action = action};
}

static struct target to_label(int label)
{
    return (struct target){.label = label};
}

/* Writes one instruction in front of the program; returns its label. */
static int put(struct writer *w, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
    if (w->n == w->size) {
        w->failed = true;
        return 0;
    }
    w->code[w->n] = (struct sock_filter){.code = code, .jt = jt, .jf = jf, .k = k};
    return w->n++;
}

static bool in_reach(const struct writer *w, int label)
{
    /* The other target of the same instruction may need a stepping stone in between. */
    return w->n + 1 - label - 1 <= REACH;
}

static int put_return(struct writer *w, uint32_t action)
{
    int label = put(w, BPF_RET | BPF_K, action, 0, 0);

    for (int i = 0; i < w->returns_n; i++) {
        if (w->code[w->returns[i]].k == action) {
            w->returns[i] = label;
            return label;
        }
    }
    if (w->returns_n < (int)ARRAY_SIZE(w->returns))
        w->returns[w->returns_n++] = label;
    return label;
}

static int put_jump(struct writer *w, int label)
{
    return put(w, BPF_JMP | BPF_JA, (uint32_t)(w->n - label - 1), 0, 0);
}

/* A label for @target that a conditional jump written next can reach. */
static int reachable(struct writer *w, struct target target)
{
    if (!target.is_return)
        return in_reach(w, target.label) ? target.label : put_jump(w, target.label);
    for (int i = 0; i < w->returns_n; i++) {
        if (w->code[w->returns[i]].k == target.action && in_reach(w, w->returns[i]))
            return w->returns[i];
    }
    return put_return(w, target.action);
}

/* A label for @target that falls right behind the instruction written next. */
static int right_here(struct writer *w, struct target target)
{
    if (target.is_return)
        return put_return(w, target.action);
    return target.label == w->n - 1 ? target.label : put_jump(w, target.label);
}

static struct target put_branch(struct writer *w, uint16_t op, uint32_t k, struct target yes,
                                struct target no)
{
    int jt = reachable(w, yes);
    int jf = reachable(w, no);

    if (w->failed)
        return to_label(0);
    return to_label(
        put(w, BPF_JMP | BPF_K | op, k, (uint8_t)(w->n - jt - 1), (uint8_t)(w->n - jf - 1)));
}

static struct target put_load(struct writer *w, size_t offset, struct target then)
{
    right_here(w, then);
    return to_label(put(w, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0));
}

/* ---- arguments ------------------------------------------------------------------------------- */

static size_t low_half(uint32_t index)
{
    size_t offset = offsetof(struct seccomp_data, args) + index * sizeof(uint64_t);

    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? offset : offset + sizeof(uint32_t);
}

static size_t high_half(uint32_t index)
{
    size_t offset = offsetof(struct seccomp_data, args) + index * sizeof(uint64_t);

    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? offset + sizeof(uint32_t) : offset;
}

static struct target put_masked_half(struct writer *w, size_t offset, uint32_t mask, uint32_t value,
                                     struct target yes, struct target no)
{
    struct target equal;

    if (mask == 0)
        return yes;
    equal = put_branch(w, BPF_JEQ, value, yes, no);
    if (mask != UINT32_MAX) {
        right_here(w, equal);
        equal = to_label(put(w, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0));
    }
    return put_load(w, offset, equal);
}

static struct target put_equal(struct writer *w, const struct seccomp_compare *c, bool narrow,
                               struct target yes, struct target no)
{
    struct target low =
        put_masked_half(w, low_half(c->index), (uint32_t)c->mask, (uint32_t)c->value, yes, no);

    return narrow ? low
                  : put_masked_half(w, high_half(c->index), (uint32_t)(c->mask >> 32),
                                    (uint32_t)(c->value >> 32), low, no);
}

/* @op: BPF_JGT or BPF_JGE. The high half decides unless it is equal. */
static struct target put_greater(struct writer *w, uint16_t op, const struct seccomp_compare *c,
                                 bool narrow, struct target yes, struct target no)
{
    uint32_t high = (uint32_t)(c->value >> 32);
    struct target next = put_branch(w, op, (uint32_t)c->value, yes, no);

    next = put_load(w, low_half(c->index), next);
    if (narrow)
        return next;
    next = put_branch(w, BPF_JEQ, high, next, no);
    next = put_branch(w, BPF_JGT, high, yes, next);
    return put_load(w, high_half(c->index), next);
}

static struct target put_compare(struct writer *w, const struct seccomp_compare *c, bool narrow,
                                 struct target yes, struct target no)
{
    switch (c->op) {
    case OCI_CMP_NE:
        return put_equal(w, c, narrow, no, yes);
    case OCI_CMP_LT:
        return put_greater(w, BPF_JGE, c, narrow, no, yes);
    case OCI_CMP_LE:
        return put_greater(w, BPF_JGT, c, narrow, no, yes);
    case OCI_CMP_GE:
        return put_greater(w, BPF_JGE, c, narrow, yes, no);
    case OCI_CMP_GT:
        return put_greater(w, BPF_JGT, c, narrow, yes, no);
    case OCI_CMP_EQ:
    case OCI_CMP_MASKED_EQ:
    case OCI_CMP_UNSET:
        break;
    }
    return put_equal(w, c, narrow, yes, no);
}

static struct target put_leaf(struct writer *w, struct seccomp_leaf *leaf)
{
    struct target next = to_return(leaf->action);

    if (leaf->alternatives_n == 0)
        return next;
    if (leaf->label >= 0)
        return to_label(leaf->label);
    for (size_t i = leaf->alternatives_n; i-- > 0;) {
        const struct seccomp_alternative *alternative = &leaf->alternatives[i];
        struct target yes = to_return(alternative->action);

        for (uint32_t k = alternative->compares_n; k-- > 0;)
            yes = put_compare(w, &alternative->compares[k], leaf->narrow, yes, next);
        next = yes;
    }
    /* Every comparison may have been void (a mask of 0): then this is a plain return. */
    if (!next.is_return)
        leaf->label = next.label;
    return next;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static struct target put_tree(struct writer *w, const struct seccomp_range *ranges, size_t n)
{
    size_t half = n / 2;
    struct target low, high;

    if (n == 1)
        return put_leaf(w, ranges[0].leaf);
    high = put_tree(w, ranges + half, n - half);
    low = put_tree(w, ranges, half);
    return put_branch(w, BPF_JGE, ranges[half].first, high, low);
}

static struct target put_section(struct writer *w, const struct seccomp_section *section)
{
    struct target tree = put_tree(w, section->ranges, section->ranges_n);

    if (tree.is_return)
        return tree;
    return put_load(w, offsetof(struct seccomp_data, nr), tree);
}

static void put_program(struct writer *w, const struct seccomp_section *sections, size_t n)
{
    struct target other = to_return(SECCOMP_RET_KILL_THREAD);

    for (size_t i = n; i-- > 0;)
        other = put_branch(w, BPF_JEQ, sections[i].audit, put_section(w, &sections[i]), other);
    put_load(w, offsetof(struct seccomp_data, arch), other);
}

int seccomp_emit(const struct seccomp_section *sections, size_t n, struct seccomp_program *out,
                 struct err *err)
{
    struct sock_filter *code = calloc(BPF_MAXINSNS, sizeof *code);
    struct writer w = {.code = code, .size = BPF_MAXINSNS};

    if (!code)
        return err_set(err, ENOMEM, "compile the seccomp profile");
    put_program(&w, sections, n);
    if (w.failed) {
        free(code);
        err_set(err, E2BIG, "linux.seccomp: the filter is longer than the kernel's %d instructions",
                BPF_MAXINSNS);
        return err_object(err, "linux.seccomp");
    }
    for (int i = 0; i < w.n / 2; i++) {
        struct sock_filter swap = code[i];

        code[i] = code[w.n - 1 - i];
        code[w.n - 1 - i] = swap;
    }
    out->filter = code;
    out->n = (size_t)w.n;
    return 0;
}
