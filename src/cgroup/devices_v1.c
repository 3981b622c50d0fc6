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
 * The kernel takes away only what is there in the same words (devices_list.c); a device out of a
 * wildcard, or a whole major of which one device is there, it passes over in silence. So a rule
 * that takes away becomes lines for what is there of it, and one that would need a hole in a
 * wildcard is an error: what has been denied to a container, stays closed.
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

static int number_text(struct oci_opt_i64 number, char buf[static 16], const char *member,
                       const char *which, struct err *err)
{
    if (any_number(number)) {
        memcpy(buf, "*", 2);
        return 0;
    }
    /* The highest one is the kernel's own word for any. */
    if (number.value < 0 || number.value >= UINT32_MAX) {
        err_set(err, 0, "linux.resources.%s.%s: %" PRId64 " is not a device number", member, which,
                number.value);
        return err_object(err, "linux.resources.%s.%s", member, which);
    }
    snprintf(buf, 16, "%" PRId64, number.value);
    return 0;
}

/* The devices of a rule of @type, c or b, which the rule speaks of. */
static int rule_device(const struct oci_device_rule *rule, char type, const char *member,
                       struct cgroup_device *out, struct err *err)
{
    *out = (struct cgroup_device){.type = type, .access = rule_access(rule), .member = member};
    if (number_text(rule->major, out->major, member, "major", err) < 0)
        return -1;
    return number_text(rule->minor, out->minor, member, "minor", err);
}

/* ---- lines ---- */

/* A list under way. */
struct making {
    struct cgroup_conversion *c;
    struct cgroup_device_list list; /* what the kernel has after the lines so far, as far as it */
    bool known;                     /* shows it */
    size_t first;                   /* row */
};

/* @d: NULL: everything. @hole: see struct cgroup_write. */
static int add_line(const struct making *m, const char *member, bool allow,
                    const struct cgroup_device *d, unsigned flags, const char *hole)
{
    struct cgroup_write row = {.member = member,
                               .controller = "devices",
                               .file = allow ? "devices.allow" : "devices.deny",
                               .value = "a",
                               .phase = CGROUP_EARLY,
                               .flags = flags,
                               .hole = hole};
    char letters[4];

    if (d)
        row.value = oci_printf(m->c->arena, "%c %s:%s %s", d->type, d->major, d->minor,
                               cgroup_device_access(d->access, letters));
    return cgroup_writes_add(m->c->out, m->c->arena, &row, m->c->err);
}

static bool is_within(const char *number, const char *other)
{
    return strcmp(other, "*") == 0 || strcmp(number, other) == 0;
}

static bool overlap(const char *number, const char *other)
{
    return is_within(number, other) || is_within(other, number);
}

/* What every list gets in the end: to take it away from a wildcard is in vain, and no error. */
static uint32_t added_access(const struct cgroup_device *d)
{
    struct err ignored = ERR_INIT;

    for (size_t i = 0; i < cgroup_added_rules_n; i++) {
        const struct oci_device_rule *rule = &cgroup_added_rules[i];
        struct cgroup_device added;

        if ((rule->type == OCI_RULE_CHAR) == (d->type == 'c') &&
            rule_device(rule, d->type, "devices", &added, &ignored) == 0 &&
            strcmp(added.major, d->major) == 0 && strcmp(added.minor, d->minor) == 0)
            return added.access;
    }
    return 0;
}

static int add_hole(const struct making *m, const struct cgroup_device *x,
                    const struct cgroup_device *wide)
{
    const char *hole = wide->member ? oci_printf(m->c->arena, "\"%c %s:%s\" of linux.resources.%s",
                                                 wide->type, wide->major, wide->minor, wide->member)
                                    : oci_printf(m->c->arena, "\"%c %s:%s\" that the cgroup has",
                                                 wide->type, wide->major, wide->minor);

    if (!hole)
        return err_set(m->c->err, ENOMEM, "linux.resources.devices");
    return add_line(m, x->member, m->list.open, x, 0, hole);
}

/* A rule for the default. */
static int take_away(struct making *m, const struct cgroup_device *x)
{
    bool any = false;

    for (size_t i = 0; i < m->list.n; i++) {
        struct cgroup_device *d = &m->list.list[i], line = *d;

        line.access &= x->access;
        if (d->type != x->type || !line.access || !overlap(d->major, x->major) ||
            !overlap(d->minor, x->minor))
            continue;
        if (!is_within(d->major, x->major) || !is_within(d->minor, x->minor)) {
            if (m->list.open || line.access & ~added_access(d))
                return add_hole(m, x, d);
            continue;
        }
        if (add_line(m, x->member, m->list.open, &line, 0, NULL) < 0)
            return -1;
        d->access &= ~line.access;
        any = true;
    }
    return any ? 0 : add_line(m, x->member, m->list.open, x, 0, NULL);
}

/* Whatever there was, is not any more. */
static int add_everything(struct making *m, const char *member, bool allow)
{
    for (size_t i = m->first; i < m->c->out->n; i++)
        m->c->out->list[i].hole = NULL;
    m->list.open = allow;
    m->list.n = 0;
    m->known = true;
    return add_line(m, member, allow, NULL, 0, NULL);
}

static int add_rule(struct making *m, size_t index, const struct oci_device_rule *rule)
{
    const char *member = oci_printf(m->c->arena, "devices[%zu]", index);

    if (!member)
        return err_set(m->c->err, ENOMEM, "linux.resources.devices");
    if (rule_is_everything(rule))
        return add_everything(m, member, rule->allow);
    for (const char *type = "cb"; *type; type++) {
        struct cgroup_device x;
        int failed;

        if (rule->type == (*type == 'c' ? OCI_RULE_BLOCK : OCI_RULE_CHAR))
            continue;
        if (rule_device(rule, *type, member, &x, m->c->err) < 0)
            return -1;
        if (m->known && rule->allow == m->list.open) {
            failed = take_away(m, &x);
        } else {
            if (m->known)
                cgroup_device_list_add(&m->list, &x);
            failed = add_line(m, member, rule->allow, &x, 0, NULL);
        }
        if (failed)
            return -1;
    }
    return 0;
}

bool cgroup_devices_partial(const struct oci_resources *resources)
{
    return resources->devices_n && !rule_is_everything(&resources->devices[0]);
}

bool cgroup_is_device_row(const struct cgroup_write *row)
{
    return !row->v2 && strcmp(row->controller, "devices") == 0;
}

int cgroup_check_device_numbers(const struct oci_resources *r, struct err *err)
{
    for (size_t i = 0; i < r->devices_n; i++) {
        struct cgroup_device ignored;
        char member[32];

        snprintf(member, sizeof member, "devices[%zu]", i);
        if (rule_device(&r->devices[i], 'c', member, &ignored, err) < 0)
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

/* Whether the user's own list allows the device already, after the last line that denies anything.
 */
static bool allowed_already(const struct making *m, const struct cgroup_device *device)
{
    for (size_t i = m->c->out->n; i-- > m->first;) {
        const struct cgroup_write *row = &m->c->out->list[i];
        struct cgroup_device d;

        if (strcmp(row->file, "devices.allow") != 0)
            return false;
        if (cgroup_device_parse(row->value, &d) && cgroup_device_same(&d, device) &&
            !(device->access & ~d.access))
            return true;
    }
    return false;
}

int cgroup_convert_devices_v1(struct cgroup_conversion *c)
{
    const struct oci_resources *r = c->r;
    struct making m = {.c = c, .known = c->devices_list != NULL, .first = c->out->n};

    if (r->devices_n == 0)
        return 0;
    if (cgroup_device_list_read(c->devices_list, 2 * r->devices_n, c->arena, &m.list, c->err) < 0)
        return -1;
    for (size_t i = 0; i < r->devices_n; i++) {
        if (add_rule(&m, i, &r->devices[i]) < 0)
            return -1;
    }
    if (cgroup_rules_end_open(r->devices, r->devices_n))
        return 0;
    for (size_t i = 0; i < cgroup_added_rules_n; i++) {
        const struct oci_device_rule *rule = &cgroup_added_rules[i];
        struct cgroup_device d;

        if (rule_device(rule, rule->type == OCI_RULE_CHAR ? 'c' : 'b', "devices", &d, c->err) < 0)
            return -1;
        if (!allowed_already(&m, &d) && add_line(&m, "devices", true, &d, CGROUP_ADDED, NULL) < 0)
            return -1;
    }
    return 0;
}
