/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Device rules for the v1 devices controller: each becomes a line written to devices.allow or
 * devices.deny, in the order of the list (config-linux.md#allowed-device-list). To the kernel a
 * line of type "a" means everything, whatever stands behind it: it resets the list and its default.
 * So only a rule for all devices and all access becomes "a"; one of type a with numbers or with
 * less access becomes a line for character and one for block devices.
 *
 * After the list come the entries that every container has: making any node (mknod is not use), the
 * default devices, terminals and tun. A list that ends up allowing everything gets none.
 */
#include "base/util.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ACCESS_ALL (OCI_ACCESS_READ | OCI_ACCESS_WRITE | OCI_ACCESS_MKNOD)

#define ANY                                                                                        \
    {                                                                                              \
        .set = false                                                                               \
    }
#define NUMBER(n)                                                                                  \
    {                                                                                              \
        .set = true, .value = (n)                                                                  \
    }
#define CHAR_DEVICE(major, minor)                                                                  \
    {                                                                                              \
        true, OCI_RULE_CHAR, major, minor, ACCESS_ALL                                              \
    }

const struct oci_device_rule cgroup_added_rules[] = {
    {true, OCI_RULE_CHAR, ANY, ANY, OCI_ACCESS_MKNOD},
    {true, OCI_RULE_BLOCK, ANY, ANY, OCI_ACCESS_MKNOD},
    CHAR_DEVICE(NUMBER(1), NUMBER(3)),    /* null */
    CHAR_DEVICE(NUMBER(1), NUMBER(5)),    /* zero */
    CHAR_DEVICE(NUMBER(1), NUMBER(7)),    /* full */
    CHAR_DEVICE(NUMBER(1), NUMBER(8)),    /* random */
    CHAR_DEVICE(NUMBER(1), NUMBER(9)),    /* urandom */
    CHAR_DEVICE(NUMBER(5), NUMBER(0)),    /* tty */
    CHAR_DEVICE(NUMBER(5), NUMBER(2)),    /* ptmx */
    CHAR_DEVICE(NUMBER(136), ANY),        /* pts */
    CHAR_DEVICE(NUMBER(10), NUMBER(200)), /* net/tun */
};
const size_t cgroup_added_rules_n = ARRAY_SIZE(cgroup_added_rules);

static uint32_t rule_access(const struct oci_device_rule *rule)
{
    return rule->access & ACCESS_ALL ? rule->access & ACCESS_ALL : ACCESS_ALL;
}

static bool any_number(struct oci_opt_i64 number)
{
    return !number.set || number.value == -1;
}

static bool rule_is_everything(const struct oci_device_rule *rule)
{
    return rule->type == OCI_RULE_ALL && any_number(rule->major) && any_number(rule->minor) &&
           rule_access(rule) == ACCESS_ALL;
}

static int number_text(struct oci_opt_i64 number, char buf[static 24], const char *member,
                       const char *which, struct err *err)
{
    if (any_number(number)) {
        memcpy(buf, "*", 2);
        return 0;
    }
    if (number.value < 0 || number.value > UINT32_MAX) {
        err_set(err, 0, "linux.resources.%s.%s: %" PRId64 " is not a device number", member, which,
                number.value);
        return err_object(err, "linux.resources.%s.%s", member, which);
    }
    snprintf(buf, 24, "%" PRId64, number.value);
    return 0;
}

static int add_line(struct cgroup_writes *out, struct oci_arena *arena, const char *member,
                    bool allow, const char *line, unsigned flags, struct err *err)
{
    struct cgroup_write row = {
        .member = member,
        .controller = "devices",
        .file = allow ? "devices.allow" : "devices.deny",
        .value = line,
        .phase = CGROUP_EARLY,
        .flags = flags,
    };

    return cgroup_writes_add(out, arena, &row, err);
}

static const char *rule_line(struct oci_arena *arena, char type, const char *major,
                             const char *minor, uint32_t access)
{
    return oci_printf(arena, "%c %s:%s %s%s%s", type, major, minor,
                      access & OCI_ACCESS_READ ? "r" : "", access & OCI_ACCESS_WRITE ? "w" : "",
                      access & OCI_ACCESS_MKNOD ? "m" : "");
}

static int add_rule(struct cgroup_writes *out, struct oci_arena *arena, size_t index,
                    const struct oci_device_rule *rule, struct err *err)
{
    const char *member = oci_printf(arena, "devices[%zu]", index);
    uint32_t access = rule_access(rule);
    char major[24], minor[24];

    if (!member)
        return err_set(err, ENOMEM, "linux.resources.devices");
    if (rule_is_everything(rule))
        return add_line(out, arena, member, rule->allow, "a", 0, err);
    if (number_text(rule->major, major, member, "major", err) < 0 ||
        number_text(rule->minor, minor, member, "minor", err) < 0)
        return -1;
    for (const char *type = "cb"; *type; type++) {
        const char *line;

        if (rule->type == (*type == 'c' ? OCI_RULE_BLOCK : OCI_RULE_CHAR))
            continue;
        line = rule_line(arena, *type, major, minor, access);
        if (add_line(out, arena, member, rule->allow, line, 0, err) < 0)
            return -1;
    }
    return 0;
}

/* Whether the list ends with everything allowed: nothing is denied after the last "allow all". */
bool cgroup_rules_end_open(const struct oci_device_rule *rules, size_t n)
{
    while (n-- > 0) {
        if (!rules[n].allow)
            return false;
        if (rule_is_everything(&rules[n]))
            return true;
    }
    return false;
}

/* Whether the user's own list allows the line already, after the last line that denies anything. */
static bool allowed_already(const struct cgroup_writes *out, size_t first, const char *line)
{
    for (size_t i = out->n; i-- > first;) {
        if (strcmp(out->list[i].file, "devices.allow") != 0)
            return false;
        if (strcmp(out->list[i].value, line) == 0)
            return true;
    }
    return false;
}

int cgroup_convert_devices_v1(const struct oci_resources *r, struct oci_arena *arena,
                              struct cgroup_writes *out, struct err *err)
{
    size_t first = out->n;

    for (size_t i = 0; i < r->devices_n; i++) {
        if (add_rule(out, arena, i, &r->devices[i], err) < 0)
            return -1;
    }
    if (r->devices_n == 0 || cgroup_rules_end_open(r->devices, r->devices_n))
        return 0;
    for (size_t i = 0; i < cgroup_added_rules_n; i++) {
        const struct oci_device_rule *rule = &cgroup_added_rules[i];
        char major[24], minor[24];
        const char *line;

        if (number_text(rule->major, major, "devices", "major", err) < 0 ||
            number_text(rule->minor, minor, "devices", "minor", err) < 0)
            return -1;
        line =
            rule_line(arena, rule->type == OCI_RULE_CHAR ? 'c' : 'b', major, minor, rule->access);
        if (!line)
            return err_set(err, ENOMEM, "linux.resources.devices");
        if (!allowed_already(out, first, line) &&
            add_line(out, arena, "devices", true, line, CGROUP_ADDED, err) < 0)
            return -1;
    }
    return 0;
}
