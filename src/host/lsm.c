/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libselinux is looked for when a container asks for a label, here on the host side only: init
 * writes the attribute through its procfs handle and loads nothing.
 */
#include "host/lsm.h"

#include "base/fd.h"
#include "base/library.h"
#include "base/log.h"
#include "base/mount.h"
#include "base/protocol.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#ifndef DISABLE_SELINUX
#include <selinux/selinux.h>
#endif

#ifndef SELINUX_MAGIC
#define SELINUX_MAGIC 0xf97cff8c
#endif

bool lsm_apparmor_enabled(void)
{
    char answer = 'N';
    int fd = open("/sys/module/apparmor/parameters/enabled", O_RDONLY | O_CLOEXEC);
    bool on = fd >= 0 && read(fd, &answer, 1) == 1 && answer == 'Y';

    fd_close(fd);
    return on;
}

#ifndef DISABLE_SELINUX
/* A kernel that has SELinux, on a system that has not: then the module is on, takes every label and
 * keeps none. What runs has the name "kernel" for a label, not "user:role:type". */
static bool selinux_has_policy(void)
{
    char label[256];
    int fd = open("/proc/thread-self/attr/current", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, label, sizeof label) : -1;

    fd_close(fd);
    return len > 0 && memchr(label, ':', (size_t)len) != NULL;
}
#endif

bool lsm_selinux_enabled(void)
{
#ifdef DISABLE_SELINUX
    return false;
#else
    int fd = open("/sys/fs/selinux", O_PATH | O_CLOEXEC);
    bool on = fd >= 0 && mount_statfs_magic(fd) == SELINUX_MAGIC && selinux_has_policy();

    fd_close(fd);
    return on;
#endif
}

#ifndef DISABLE_SELINUX
#ifndef STATIC_BUILD
LIBRARY_NOTE("libselinux.so.1", "selinux", "SELinux labels", "recommended");
#endif

/* Whether the policy knows the label. Without the library the kernel's answer at execve has to do.
 */
static bool selinux_label_is_valid(const char *label)
{
#ifdef STATIC_BUILD
    return security_check_context(label) == 0;
#else
    struct {
        int (*check)(const char *);
    } library = {NULL};
    const struct library_symbol symbol = {0, "security_check_context"};
    struct err ignored = ERR_INIT;

    return library_open("libselinux.so.1", "", &symbol, 1, &library, NULL, &ignored) < 0 ||
           library.check(label) == 0;
#endif
}
#endif

/* Whether SELinux is on; @member of the configuration asks for @label, which may be NULL. */
static bool selinux_wanted(const char *member, const char *label)
{
    if (!label || !*label)
        return false;
    if (!lsm_selinux_enabled()) {
        log_warning("%s %s: SELinux is off, going on without", member, label);
        return false;
    }
#ifndef DISABLE_SELINUX
    if (!selinux_label_is_valid(label))
        log_warning("%s %s: the policy does not know this label", member, label);
#endif
    return true;
}

uint32_t lsm_flags(const struct oci_process *p, const struct oci_linux *linux_config)
{
    uint32_t flags = 0;

    if (p && p->apparmor_profile && *p->apparmor_profile) {
        if (lsm_apparmor_enabled())
            flags |= SETUP_APPARMOR;
        else
            log_warning("process.apparmorProfile %s: AppArmor is off, going on without",
                        p->apparmor_profile);
    }
    if (p && selinux_wanted("process.selinuxLabel", p->selinux_label))
        flags |= SETUP_SELINUX;
    if (linux_config && selinux_wanted("linux.mountLabel", linux_config->mount_label))
        flags |= SETUP_SELINUX;
    return flags;
}
