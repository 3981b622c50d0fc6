/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules over several members of linux.seccomp, and the translation of its enums to the kernel's
 * values. Nothing here needs libseccomp.
 */
#include "seccomp/internal.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

enum { DATA_MAX = SECCOMP_RET_DATA };

/* A filter at NULL cannot be read: EFAULT says that the flags were fine, EINVAL that they were not.
 * WAIT_KILLABLE_RECV is refused without NEW_LISTENER. */
static bool kernel_takes(uint32_t flags)
{
#ifdef DISABLE_SECCOMP
    return flags == UINT32_MAX; /* none */
#endif
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL) < 0 && errno == EFAULT;
}

uint32_t seccomp_kernel_flags(void)
{
    static const uint32_t flags[] = {
        SECCOMP_FILTER_FLAG_TSYNC,       SECCOMP_FILTER_FLAG_LOG,
        SECCOMP_FILTER_FLAG_SPEC_ALLOW,  SECCOMP_FILTER_FLAG_NEW_LISTENER,
        SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
    };
    uint32_t taken = 0;

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (kernel_takes(flags[i]))
            taken |= flags[i];
    }
    if (kernel_takes(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_NEW_LISTENER))
        taken |= SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    return taken;
}

uint32_t seccomp_action(enum oci_seccomp_action action, struct oci_opt_u64 errno_ret)
{
    uint32_t data = errno_ret.set ? (uint32_t)errno_ret.value & SECCOMP_RET_DATA : EPERM;

    switch (action) {
    case OCI_ACT_KILL_PROCESS:
        return SECCOMP_RET_KILL_PROCESS;
    case OCI_ACT_TRAP:
        return SECCOMP_RET_TRAP;
    case OCI_ACT_ERRNO:
        return SECCOMP_RET_ERRNO | data;
    case OCI_ACT_TRACE:
        return SECCOMP_RET_TRACE | data;
    case OCI_ACT_ALLOW:
        return SECCOMP_RET_ALLOW;
    case OCI_ACT_LOG:
        return SECCOMP_RET_LOG;
    case OCI_ACT_NOTIFY:
    case OCI_ACT_UNSET:
    case OCI_ACT_KILL:
    case OCI_ACT_KILL_THREAD:
        break;
    }
    return SECCOMP_RET_KILL_THREAD;
}

uint32_t seccomp_profile_flags(const struct oci_seccomp *profile)
{
    /* Without a list a filter does not turn speculation mitigations on (they cost more than the
     * filter itself); an empty list is a choice. */
    if (!profile->flags.set)
        return kernel_takes(SECCOMP_FILTER_FLAG_SPEC_ALLOW) ? SECCOMP_FILTER_FLAG_SPEC_ALLOW : 0;
    /* The kernel refuses WAIT_KILLABLE_RECV on a filter without a listener, where it has no effect.
     */
    return (uint32_t)profile->flags.bits & ~(uint32_t)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
}

static int check_action(const char *object, const char *errno_name, enum oci_seccomp_action action,
                        struct oci_opt_u64 errno_ret, const char *action_name, struct err *err)
{
    if (action == OCI_ACT_NOTIFY) {
        err_set(err, 0, "not supported yet: %s%s SCMP_ACT_NOTIFY", object, action_name);
        return err_object(err, "%s%s", object, action_name);
    }
    if (!errno_ret.set)
        return 0;
    if (action != OCI_ACT_ERRNO && action != OCI_ACT_TRACE)
        err_set(err, 0, "%s%s: %s takes no errno", object, errno_name,
                oci_name_of(&oci_seccomp_action_names, (int)action));
    else if (errno_ret.value > DATA_MAX)
        err_set(err, 0, "%s%s: %llu is more than the kernel can return (%d)", object, errno_name,
                (unsigned long long)errno_ret.value, DATA_MAX);
    else
        return 0;
    return err_object(err, "%s%s", object, errno_name);
}

static int check_rule(const struct oci_seccomp_rule *rule, size_t i, struct err *err)
{
    char object[64];

    snprintf(object, sizeof object, "linux.seccomp.syscalls[%zu]", i);
    if (check_action(object, ".errnoRet", rule->action, rule->errno_ret, ".action", err) < 0)
        return -1;
    for (size_t k = 0; k < rule->args_n; k++) {
        if (rule->args[k].index < SECCOMP_ARGS)
            continue;
        err_set(err, 0, "%s.args[%zu].index: a system call has arguments 0 to 5", object, k);
        return err_object(err, "%s.args[%zu].index", object, k);
    }
    return 0;
}

int seccomp_check(const struct oci_seccomp *profile, struct err *err)
{
    uint64_t missing;

#ifdef DISABLE_SECCOMP
    err_set(err, 0, "linux.seccomp: this program was built without seccomp");
    return err_object(err, "linux.seccomp");
#endif
    if (check_action("linux.seccomp", ".defaultErrnoRet", profile->default_action,
                     profile->default_errno_ret, ".defaultAction", err) < 0)
        return -1;
    for (size_t i = 0; i < profile->syscalls_n; i++) {
        if (check_rule(&profile->syscalls[i], i, err) < 0)
            return -1;
    }
    if (profile->listener_metadata && !profile->listener_path) {
        err_set(err, 0, "linux.seccomp.listenerMetadata: there is no listenerPath to send it to");
        return err_object(err, "linux.seccomp.listenerMetadata");
    }
    if (!profile->flags.set || profile->flags.bits == 0)
        return 0;
    missing = profile->flags.bits & ~(uint64_t)seccomp_kernel_flags();
    if (missing == 0)
        return 0;
    err_set(err, 0, "linux.seccomp.flags: the kernel does not know %s",
            oci_name_of(&oci_seccomp_flag_names, __builtin_ctzll(missing)));
    return err_object(err, "linux.seccomp.flags");
}
