/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * blockIO of linux.resources for v1 and v2. Weights have two homes on each: that of CFQ (gone with
 * Linux 5.0) or of io.cost, and that of the BFQ scheduler, of which a kernel has one, both or none;
 * whichever file exists is written, BFQ's first on v2, where io.weight without a configured io.cost
 * has no effect. Limits of devices are one write each: "MAJOR:MINOR VALUE".
 */
#include "base/util.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static bool on_v2(const struct cgroup_conversion *c)
{
    return c->v2 & CGROUP_IO;
}

static int add(struct cgroup_conversion *c, const char *member, const char *file, const char *value,
               unsigned flags)
{
    const struct cgroup_write row = {.member = member,
                                     .controller = on_v2(c) ? "io" : "blkio",
                                     .file = file,
                                     .value = value,
                                     .phase = CGROUP_EARLY,
                                     .flags = flags,
                                     .v2 = on_v2(c)};

    return cgroup_writes_add(c->out, c->arena, &row, c->err);
}

unsigned cgroup_io_weight(uint64_t weight)
{
    if (weight <= 10)
        return 1;
    if (weight >= 1000)
        return 10000;
    return (unsigned)(1 + (weight - 10) * 9999 / 990);
}

static int bad_weight(struct cgroup_conversion *c, const char *member, uint64_t weight)
{
    return cgroup_refuse(c->err, member, "%" PRIu64 " is not a weight from 10 to 1000", weight);
}

/* @device: "" or "8:0 " */
static int add_weight(struct cgroup_conversion *c, const char *member, const char *device,
                      uint64_t weight)
{
    const char *plain = oci_printf(c->arena, "%s%" PRIu64, device, weight);

    if (weight < 10 || weight > 1000)
        return bad_weight(c, member, weight);
    if (!on_v2(c)) {
        if (add(c, member, *device ? "blkio.weight_device" : "blkio.weight", plain,
                CGROUP_OR_NEXT) < 0)
            return -1;
        return add(c, member, *device ? "blkio.bfq.weight_device" : "blkio.bfq.weight", plain, 0);
    }
    if (add(c, member, "io.bfq.weight", plain, CGROUP_OR_NEXT) < 0)
        return -1;
    return add(c, member, "io.weight",
               oci_printf(c->arena, "%s%u", device, cgroup_io_weight(weight)), 0);
}

static int add_leaf_weight(struct cgroup_conversion *c, const char *member, const char *device,
                           uint64_t weight)
{
    if (on_v2(c))
        return cgroup_inconvertible(c, member);
    if (weight < 10 || weight > 1000)
        return bad_weight(c, member, weight);
    return add(c, member, *device ? "blkio.leaf_weight_device" : "blkio.leaf_weight",
               oci_printf(c->arena, "%s%" PRIu64, device, weight), 0);
}

static int check_device(struct cgroup_conversion *c, const char *member, int64_t major,
                        int64_t minor)
{
    if (!member)
        return err_set(c->err, ENOMEM, "linux.resources");
    if (major < 0 || major > UINT32_MAX || minor < 0 || minor > UINT32_MAX)
        return cgroup_refuse(c->err, member, "%" PRId64 ":%" PRId64 " is not a device", major,
                             minor);
    return 0;
}

static int convert_weight_devices(struct cgroup_conversion *c, const struct oci_block_io *b)
{
    for (size_t i = 0; i < b->weight_device_n; i++) {
        const struct oci_weight_device *w = &b->weight_device[i];
        const char *member = oci_printf(c->arena, "blockIO.weightDevice[%zu]", i);
        const char *device = oci_printf(c->arena, "%" PRId64 ":%" PRId64 " ", w->major, w->minor);

        if (check_device(c, member, w->major, w->minor) < 0)
            return -1;
        if (!device)
            return err_set(c->err, ENOMEM, "linux.resources");
        if (!w->weight.set && !w->leaf_weight.set)
            return cgroup_refuse(c->err, member, "has neither weight nor leafWeight");
        if (w->weight.value && add_weight(c, member, device, w->weight.value) < 0)
            return -1;
        if (w->leaf_weight.value && add_leaf_weight(c, member, device, w->leaf_weight.value) < 0)
            return -1;
    }
    return 0;
}

/* One of the four lists of limits. Rate 0 takes a limit away. */
struct throttle {
    const char *member, *v1, *v2;
    const struct oci_throttle_device *list;
    size_t n;
};

static int convert_throttle(struct cgroup_conversion *c, const struct throttle *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct oci_throttle_device *d = &t->list[i];
        const char *member = oci_printf(c->arena, "blockIO.%s[%zu]", t->member, i);
        const char *value;

        if (check_device(c, member, d->major, d->minor) < 0)
            return -1;
        if (!on_v2(c))
            value = oci_printf(c->arena, "%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor,
                               d->rate);
        else if (d->rate == 0)
            value =
                oci_printf(c->arena, "%" PRId64 ":%" PRId64 " %s=max", d->major, d->minor, t->v2);
        else
            value = oci_printf(c->arena, "%" PRId64 ":%" PRId64 " %s=%" PRIu64, d->major, d->minor,
                               t->v2, d->rate);
        if (add(c, member, on_v2(c) ? "io.max" : t->v1, value, 0) < 0)
            return -1;
    }
    return 0;
}

int cgroup_convert_io(struct cgroup_conversion *c)
{
    const struct oci_block_io *b = c->r->block_io;
    const struct throttle throttles[] = {
        {"throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps",
         b->throttle_read_bps_device, b->throttle_read_bps_device_n},
        {"throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps",
         b->throttle_write_bps_device, b->throttle_write_bps_device_n},
        {"throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops",
         b->throttle_read_iops_device, b->throttle_read_iops_device_n},
        {"throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops",
         b->throttle_write_iops_device, b->throttle_write_iops_device_n},
    };

    if (b->weight.value && add_weight(c, "blockIO.weight", "", b->weight.value) < 0)
        return -1;
    if (b->leaf_weight.value &&
        add_leaf_weight(c, "blockIO.leafWeight", "", b->leaf_weight.value) < 0)
        return -1;
    if (convert_weight_devices(c, b) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(throttles); i++) {
        if (convert_throttle(c, &throttles[i]) < 0)
            return -1;
    }
    return 0;
}
