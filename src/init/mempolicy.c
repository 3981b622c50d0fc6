/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * linux.memoryPolicy is the NUMA policy of the process and, inherited, of the program: one
 * set_mempolicy(2). The list of nodes becomes a bit mask; which combinations of mode, flags and
 * nodes make sense is the kernel's to say.
 */
#include "base/util.h"
#include "init/init.h"

#include <errno.h>
#include <limits.h>
#include <linux/mempolicy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MPOL_F_NUMA_BALANCING
#define MPOL_F_NUMA_BALANCING (1 << 13)
#endif

#define MEMPOLICY_NODES 1024 /* the largest CONFIG_NODES_SHIFT is 10 */
#define BITS_PER_LONG (sizeof(unsigned long) * CHAR_BIT)

static const int mempolicy_mode[] = {
    [OCI_MPOL_DEFAULT] = 0,
    [OCI_MPOL_PREFERRED] = 1,
    [OCI_MPOL_BIND] = 2,
    [OCI_MPOL_INTERLEAVE] = 3,
    [OCI_MPOL_LOCAL] = 4,
    [OCI_MPOL_PREFERRED_MANY] = 5,
    [OCI_MPOL_WEIGHTED_INTERLEAVE] = 6,
};

static const int mempolicy_flag[] = {
    [OCI_MPOL_F_NUMA_BALANCING] = MPOL_F_NUMA_BALANCING,
    [OCI_MPOL_F_RELATIVE_NODES] = MPOL_F_RELATIVE_NODES,
    [OCI_MPOL_F_STATIC_NODES] = MPOL_F_STATIC_NODES,
};

static int node_number(const char **text)
{
    char *end;
    unsigned long n;

    if (**text < '0' || **text > '9')
        return -1;
    n = strtoul(*text, &end, 10);
    *text = end;
    return n < MEMPOLICY_NODES ? (int)n : -1;
}

/* "0-3,7" as a bit mask. */
static int nodes_parse(const char *text, unsigned long *mask, struct err *err)
{
    const char *p = text;

    while (*p) {
        int first = node_number(&p), last = first;

        if (first >= 0 && *p == '-') {
            p++;
            last = node_number(&p);
        }
        if (first < 0 || last < first || (*p && *p != ',') || (*p == ',' && !p[1]))
            return err_set(err, 0, "memoryPolicy.nodes: \"%s\" is not a list of nodes like 0-3,7",
                           text);
        for (int n = first; n <= last; n++)
            mask[(size_t)n / BITS_PER_LONG] |= 1UL << ((size_t)n % BITS_PER_LONG);
        if (*p == ',')
            p++;
    }
    return 0;
}

int init_memory_policy(void *init, struct err *err)
{
    struct init *in = init;
    const struct oci_memory_policy *policy = in->linux_.memory_policy;
    unsigned long mask[MEMPOLICY_NODES / BITS_PER_LONG] = {0};
    bool any_node;
    int mode;

    if (!policy || policy->mode == OCI_MPOL_UNSET)
        return 0;
    mode = mempolicy_mode[policy->mode];
    for (size_t i = 0; i < ARRAY_SIZE(mempolicy_flag); i++)
        if (policy->flags.bits & 1ULL << i)
            mode |= mempolicy_flag[i];
    if (policy->nodes && nodes_parse(policy->nodes, mask, err) < 0)
        return err_object(err, "linux.memoryPolicy.nodes");
    any_node = policy->nodes && *policy->nodes;
    if (syscall(SYS_set_mempolicy, mode, any_node ? mask : NULL,
                any_node ? (unsigned long)MEMPOLICY_NODES + 1 : 0UL) < 0) {
        err_errno(err, "memoryPolicy: set_mempolicy");
        return err_object(err, "linux.memoryPolicy");
    }
    return 0;
}
