/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A parameter is first brought into one form, the path below /proc/sys, with no component that
 * could lead anywhere else; only that form is compared. A table says which namespace a parameter or
 * a whole directory of them belongs to; what is not in the table belongs to the machine and is
 * refused.
 */
#include "base/sysctl.h"

#include "base/util.h"
#include "libocispec/types.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct sysctl_rule {
    const char *path; /* ends in '/': everything below it */
    enum oci_namespace_type ns;
};

static const struct sysctl_rule sysctl_rules[] = {
    {"kernel/msgmax", OCI_NS_IPC},     {"kernel/msgmnb", OCI_NS_IPC},
    {"kernel/msgmni", OCI_NS_IPC},     {"kernel/sem", OCI_NS_IPC},
    {"kernel/shmall", OCI_NS_IPC},     {"kernel/shmmax", OCI_NS_IPC},
    {"kernel/shmmni", OCI_NS_IPC},     {"kernel/shm_rmid_forced", OCI_NS_IPC},
    {"fs/mqueue/", OCI_NS_IPC},        {"net/", OCI_NS_NETWORK},
    {"kernel/domainname", OCI_NS_UTS}, {"user/", OCI_NS_USER},
};

static const char *const sysctl_ns_name[OCI_NS_COUNT] = {
    [OCI_NS_IPC] = "ipc",
    [OCI_NS_NETWORK] = "network",
    [OCI_NS_UTS] = "uts",
    [OCI_NS_USER] = "user",
};

static bool component_is_bad(const char *start, size_t len)
{
    return len == 0 || (len == 1 && start[0] == '.') ||
           (len == 2 && start[0] == '.' && start[1] == '.');
}

int sysctl_path(const char *key, char *path, size_t size, struct err *err)
{
    size_t len = strlen(key), start = 0;
    size_t first = strcspn(key, "./");
    bool dots = key[first] == '.';

    if (len >= size)
        return err_set(err, EINVAL, "sysctl %.64s…", key);
    for (size_t i = 0; i <= len; i++) {
        path[i] = key[i];
        if (dots && key[i] == '.')
            path[i] = '/';
        else if (dots && key[i] == '/')
            path[i] = '.';
        if (path[i] != '/' && path[i] != '\0')
            continue;
        if (component_is_bad(path + start, i - start))
            return err_set(err, EINVAL, "sysctl %s: empty, \".\" and \"..\" components are refused",
                           key);
        start = i + 1;
    }
    return 0;
}

static bool rule_matches(const struct sysctl_rule *rule, const char *path)
{
    size_t len = strlen(rule->path);

    if (rule->path[len - 1] == '/')
        return strncmp(path, rule->path, len) == 0;
    return strcmp(path, rule->path) == 0;
}

int sysctl_check(const char *key, uint32_t namespaces, struct err *err)
{
    char path[512];

    if (sysctl_path(key, path, sizeof path, err) < 0)
        return -1;
    if (strcmp(path, "kernel/hostname") == 0)
        return err_set(err, 0, "sysctl %s: set hostname in the configuration instead", key);
    for (size_t i = 0; i < ARRAY_SIZE(sysctl_rules); i++) {
        const struct sysctl_rule *rule = &sysctl_rules[i];

        if (!rule_matches(rule, path))
            continue;
        if (namespaces & 1U << rule->ns)
            return 0;
        return err_set(err, 0, "sysctl %s: the container has no %s namespace of its own", key,
                       sysctl_ns_name[rule->ns]);
    }
    return err_set(err, 0, "sysctl %s: belongs to no namespace, it would change the whole machine",
                   key);
}
