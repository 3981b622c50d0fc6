/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Profile to program.
 *
 * For each architecture every name of every rule becomes one or more *entries* (number,
 * comparisons, action). Sorted by number they are grouped into leaves, and the leaves laid out as
 * ranges that cover all 2^32 numbers; neighbours with the same leaf are merged. emit.c makes a tree
 * of them.
 *
 * Which rule wins is libseccomp's and runc's answer, which profiles are written for:
 * - a rule whose action is the default one is left out, also where a wider rule would match;
 * - a rule without args beats every rule with args for that call, whatever their order;
 * - args on distinct indexes must all hold; when an index occurs twice each of them is a rule of
 * its own (so it is enough that one holds);
 * - several rules with args: the first that holds in libseccomp's order, see is_asked_before().
 *
 * The native architecture always belongs to the filter, other ones only when listed; calls through
 * an architecture outside of the filter kill the thread.
 *
 * ENOSYS: a call newer than the newest that the profile names (for that architecture) was not
 * known to its author, and programs expect ENOSYS to fall back; EPERM breaks them. So it gives
 * ENOSYS where the default action refuses (ERRNO, TRAP, KILL*). ALLOW, LOG and TRACE let the kernel
 * or the tracer answer. Without any name for an architecture nothing is newer.
 */
#include "seccomp/internal.h"

#include "base/log.h"
#include "base/util.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

int seccomp_no_memory(struct err *err)
{
    return err_set(err, ENOMEM, "compile the seccomp profile");
}

/* ---- rules to entries ------------------------------------------------------------------------ */

static int entry_add(struct seccomp_table *table, const struct seccomp_target *target,
                     const struct seccomp_alternative *what, struct err *err)
{
    if (table->entries_n == table->entries_size) {
        size_t size = table->entries_size ? table->entries_size * 2 : 512;
        struct seccomp_entry *more = reallocarray(table->entries, size, sizeof *more);

        if (!more)
            return seccomp_no_memory(err);
        table->entries = more;
        table->entries_size = size;
    }

    struct seccomp_entry *entry = &table->entries[table->entries_n];

    *entry = (struct seccomp_entry){.number = target->number, .order = table->entries_n};
    entry->what.action = what->action;
    /* The multiplexer's first argument is the sub-call. What the profile says of the call's own
     * first argument cannot be checked: it is behind a pointer (libseccomp drops it, too). */
    if (target->multiplexed)
        entry->what.compares[entry->what.compares_n++] =
            (struct seccomp_compare){0, OCI_CMP_EQ, target->call, UINT64_MAX};
    for (uint32_t i = 0; i < what->compares_n; i++) {
        if (!target->multiplexed || what->compares[i].index != 0)
            entry->what.compares[entry->what.compares_n++] = what->compares[i];
    }
    table->entries_n++;
    return 0;
}

static struct seccomp_compare compare_from(const struct oci_seccomp_arg *arg, bool narrow)
{
    struct seccomp_compare compare = {arg->index, arg->op, arg->value, UINT64_MAX};

    if (arg->op == OCI_CMP_MASKED_EQ) {
        compare.mask = arg->value;
        compare.value = arg->value_two & arg->value;
    }
    if (narrow) {
        compare.value &= UINT32_MAX;
        compare.mask &= UINT32_MAX;
    }
    return compare;
}

static bool index_occurs_twice(const struct oci_seccomp_rule *rule)
{
    unsigned seen = 0;

    for (size_t i = 0; i < rule->args_n; i++) {
        if (seen & 1U << rule->args[i].index)
            return true;
        seen |= 1U << rule->args[i].index;
    }
    return false;
}

static int compare_by_index(const void *left, const void *right)
{
    const struct seccomp_compare *a = left, *b = right;

    return a->index < b->index ? -1 : a->index > b->index;
}

static int rule_for_target(struct seccomp_table *table, const struct oci_seccomp_rule *rule,
                           uint32_t action, const struct seccomp_target *target, struct err *err)
{
    struct seccomp_alternative what = {.action = action};
    bool split = index_occurs_twice(rule);

    for (size_t i = 0; i < rule->args_n; i++) {
        if (split)
            what.compares_n = 0;
        what.compares[what.compares_n++] = compare_from(&rule->args[i], table->arch->narrow);
        if (split && entry_add(table, target, &what, err) < 0)
            return -1;
    }
    if (split)
        return 0;
    qsort(what.compares, what.compares_n, sizeof *what.compares, compare_by_index);
    return entry_add(table, target, &what, err);
}

/* Numbers of ARM's private calls (cacheflush, set_tls) say nothing of a profile's age. */
bool seccomp_is_private(const struct seccomp_arch *arch, uint32_t number)
{
    return arch->id == OCI_ARCH_ARM && number >= SECCOMP_ARM_PRIVATE;
}

static void note_newest(struct seccomp_table *table, const struct seccomp_target *target)
{
    if (target->multiplexed || seccomp_is_private(table->arch, target->number))
        return;
    if (!table->any_named || target->number > table->newest)
        table->newest = target->number;
    table->any_named = true;
}

static int rules_to_entries(struct seccomp_table *table, struct err *err)
{
    const struct oci_seccomp *profile = table->profile;

    for (size_t i = 0; i < profile->syscalls_n; i++) {
        const struct oci_seccomp_rule *rule = &profile->syscalls[i];
        uint32_t action = seccomp_action(rule->action, rule->errno_ret);

        for (size_t k = 0; k < rule->names_n; k++) {
            struct seccomp_target targets[SECCOMP_TARGETS];
            int n =
                seccomp_resolve(table->library, table->arch, &table->mux, rule->names[k], targets);

            for (int t = 0; t < n; t++) {
                note_newest(table, &targets[t]);
                if (action == table->default_action)
                    continue;
                if (rule_for_target(table, rule, action, &targets[t], err) < 0)
                    return -1;
            }
        }
    }
    return 0;
}

/* ---- architectures --------------------------------------------------------------------------- */

static bool is_listed(const struct oci_seccomp *profile, enum oci_seccomp_arch id)
{
    if (seccomp_native_arch()->id == id)
        return true;
    for (size_t i = 0; i < profile->architectures_n; i++) {
        if (profile->architectures[i] == (uint32_t)id)
            return true;
    }
    return false;
}

static void table_start(struct seccomp_table *table, const struct seccomp_arch *arch)
{
    table->arch = arch;
    table->mux = (struct seccomp_multiplexers){.known = false};
    table->entries_n = 0;
    table->any_named = false;
}

/* What x86_64's numbers with the x32 bit mean. -1 is what a tracer leaves behind to skip a call: it
 * is no x32 number. */
static int x32_ranges(struct seccomp_table *table, struct err *err)
{
    const struct seccomp_arch *x32 = seccomp_find_arch(OCI_ARCH_X32);
    struct seccomp_leaf kill = {.action = SECCOMP_RET_KILL_THREAD};
    struct seccomp_leaf last = *table->ranges[table->ranges_n - 1].leaf;

    if (x32 && is_listed(table->profile, OCI_ARCH_X32)) {
        table_start(table, x32);
        return rules_to_entries(table, err) < 0 ? -1 : seccomp_ranges(table, SECCOMP_X32_BIT, err);
    }
    if (seccomp_range_add(table, SECCOMP_X32_BIT, &kill, err) < 0)
        return -1;
    return seccomp_range_add(table, UINT32_MAX, &last, err);
}

static int section_build(struct seccomp_table *table, const struct seccomp_arch *arch,
                         struct seccomp_section *section, struct err *err)
{
    table_start(table, arch);
    table->ranges_n = 0;
    if (rules_to_entries(table, err) < 0 || seccomp_ranges(table, 0, err) < 0)
        return -1;
    if (arch->id == OCI_ARCH_X86_64 && x32_ranges(table, err) < 0)
        return -1;
    section->audit = arch->audit;
    section->ranges_n = table->ranges_n;
    section->ranges = oci_alloc(table->arena, table->ranges_n * sizeof *section->ranges);
    if (!section->ranges)
        return seccomp_no_memory(err);
    memcpy(section->ranges, table->ranges, table->ranges_n * sizeof *section->ranges);
    return 0;
}

/* The native architecture comes first: it is the one that most calls use. */
static int sections_build(struct seccomp_table *table, struct seccomp_section *sections, size_t *n,
                          struct err *err)
{
    const struct seccomp_arch *native = seccomp_native_arch();
    const struct oci_seccomp *profile = table->profile;

    *n = 0;
    if (section_build(table, native, &sections[(*n)++], err) < 0)
        return -1;
    for (size_t i = 0; i < profile->architectures_n; i++) {
        const struct seccomp_arch *arch = seccomp_find_arch(profile->architectures[i]);
        bool have = false;

        /* Foreign byte orders never reach this kernel's filters; x32 belongs to x86_64. */
        if (!arch || arch->id == OCI_ARCH_X32)
            continue;
        for (size_t k = 0; k < *n; k++)
            have |= sections[k].audit == arch->audit;
        if (have)
            continue;
        if (table->library->resolve_name(arch->token, "read") == -1) {
            log_debug("linux.seccomp.architectures[%zu]: libseccomp does not know it", i);
            continue;
        }
        if (section_build(table, arch, &sections[(*n)++], err) < 0)
            return -1;
    }
    return 0;
}

static int check_names(const struct seccomp_table *table, bool fail_unknown, struct err *err)
{
    const struct oci_seccomp *profile = table->profile;
    const struct seccomp_arch *native = seccomp_native_arch();

    if (table->library->resolve_name(native->token, "execve") < 0)
        return err_set(err, 0, "libseccomp %s does not know this machine's system calls",
                       seccomp_library_version());
    if (!fail_unknown && !log_wants(LOG_LEVEL_DEBUG))
        return 0;
    for (size_t i = 0; i < profile->syscalls_n; i++) {
        for (size_t k = 0; k < profile->syscalls[i].names_n; k++) {
            const char *name = profile->syscalls[i].names[k];

            if (table->library->resolve_name(native->token, name) != -1)
                continue;
            log_debug("linux.seccomp.syscalls[%zu].names[%zu]: unknown system call %s skipped", i,
                      k, name);
            if (!fail_unknown)
                continue;
            err_set(err, 0, "linux.seccomp.syscalls[%zu].names[%zu]: unknown system call \"%s\"", i,
                    k, name);
            return err_object(err, "linux.seccomp.syscalls[%zu].names[%zu]", i, k);
        }
    }
    return 0;
}

static int compile(struct seccomp_table *table, bool fail_unknown, struct seccomp_program *out,
                   struct err *err)
{
    struct seccomp_section *sections;
    size_t n;

    if (check_names(table, fail_unknown, err) < 0)
        return -1;
    sections = oci_alloc(table->arena, (table->profile->architectures_n + 1) * sizeof *sections);
    if (!sections)
        return seccomp_no_memory(err);
    if (sections_build(table, sections, &n, err) < 0)
        return -1;
    return seccomp_emit(sections, n, out, err);
}

int seccomp_compile(const struct oci_seccomp *profile, bool fail_unknown,
                    struct seccomp_program *out, struct err *err)
{
    struct seccomp_table table = {.profile = profile, .library = seccomp_library(err)};
    int result;

    *out = (struct seccomp_program){.flags = 0};
    if (!table.library || seccomp_check(profile, err) < 0)
        return -1;
    table.default_action = seccomp_action(profile->default_action, profile->default_errno_ret);
    table.arena = oci_arena_new();
    if (!table.arena)
        return seccomp_no_memory(err);
    result = compile(&table, fail_unknown, out, err);
    out->flags = seccomp_profile_flags(profile);
    free(table.entries);
    free(table.ranges);
    oci_arena_free(table.arena);
    return result;
}

void seccomp_program_clear(struct seccomp_program *program)
{
    free(program->filter);
    *program = (struct seccomp_program){.flags = 0};
}
