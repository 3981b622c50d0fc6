/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * From root of the container to the process that the configuration describes. The order follows
 * from what each call needs:
 *
 *   session keyring  its quota is counted per uid, and root's is the largest: before the ids change
 *   bounding set     dropping needs CAP_SETPCAP
 *   groups, ids      need CAP_SETGID, CAP_SETUID; PR_SET_KEEPCAPS lets the permitted set survive
 *   capset           to exactly what was asked for; then the ambient set, which must lie in it
 *   no_new_privs     last, so that nothing above depends on it
 *
 * A capability that was asked for and that we do not have ourselves is a warning and left out
 * (config.md#linux-process); one that is there and was not asked for is always dropped, and failing
 * to do so is an error. No capabilities object means: none.
 *
 * A change of ids or capabilities makes the kernel forget "dumpable" and the parent-death signal
 * (commit_creds()); both are set again.
 */
#include "base/fd.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEYRING_USER_SEARCH 0x00080000UL /* KEY_USR_SEARCH of the kernel's linux/key.h */

struct caps {
    uint64_t bounding, effective, permitted, inheritable, ambient;
};

/* ---- keyring, personality ---- */

/* The description is "type;uid;gid;perm;name", perm in hexadecimal. */
static void keyring_let_search(long ring)
{
    char text[256] = "";
    char *perm = text;
    long len =
        sys_keyctl(KEYCTL_DESCRIBE, (unsigned long)ring, (unsigned long)text, sizeof text - 1, 0);

    if (len < 0)
        return;
    for (int field = 0; field < 3 && perm; field++)
        perm = (perm = strchr(perm, ';')) ? perm + 1 : NULL;
    if (perm)
        sys_keyctl(KEYCTL_SETPERM, (unsigned long)ring,
                   strtoul(perm, NULL, 16) | KEYRING_USER_SEARCH, 0, 0);
}

/*
 * A session keyring of the container's own: without it the program would share the caller's, keys
 * and all. It has a name so that exec joins the same one; for that the user needs the search
 * permission.
 */
int init_keyring(void *init, struct err *err)
{
    struct init *in = init;
    char name[sizeof in->setup.id + 8];
    const char *label = in->process ? in->process->selinux_label : NULL;
    long ring;

    if (in->setup.flags & SETUP_NO_KEYRING)
        return 0;
    if (label && *label && in->setup.flags & SETUP_SELINUX &&
        proc_write(in->proc >= 0 ? in->proc : in->host_proc, "self/attr/keycreate", label, err) < 0)
        return err_context(err, "session keyring: label %s", label);
    snprintf(name, sizeof name, "_ses.%s", in->setup.id);
    ring = sys_keyctl(KEYCTL_JOIN_SESSION_KEYRING, (unsigned long)name, 0, 0, 0);
    if (ring >= 0) {
        keyring_let_search(ring);
        return 0;
    }
    /* A kernel without keys, or a filter of an outer container that denies keyctl altogether. */
    if (errno == ENOSYS || errno == EPERM)
        return 0;
    err_errno(err, "session keyring %s", name);
    if (err->errnum == EDQUOT)
        err_hint(err, "the quota of keys is used up: raise the sysctls kernel.keys.maxkeys and "
                      "kernel.keys.maxbytes (for root root_maxkeys, root_maxbytes), or use "
                      "--no-new-keyring");
    return -1;
}

int init_personality(void *init, struct err *err)
{
    struct init *in = init;
    const struct oci_personality *p = in->linux_.personality;

    if (!p || p->domain == OCI_PERSONALITY_UNSET)
        return 0;
    if (personality(p->domain == OCI_PERSONALITY_LINUX32 ? PER_LINUX32 : PER_LINUX) < 0)
        return err_errno(err, "personality");
    return 0;
}

/* ---- capabilities ---- */

static void caps_warn(struct init *in, const char *set, uint64_t missing)
{
    for (int n = 0; n < 64; n++) {
        const char *name = missing & 1ULL << n ? oci_name_of(&oci_capability_names, n) : NULL;

        if (name)
            init_warn(in, "process.capabilities.%s: %s cannot be granted", set, name);
        else if (missing & 1ULL << n)
            init_warn(in, "process.capabilities.%s: capability %d cannot be granted", set, n);
    }
}

static uint64_t caps_limit(struct init *in, const char *set, uint64_t wanted, uint64_t allowed)
{
    caps_warn(in, set, wanted & ~allowed);
    return wanted & allowed;
}

static void caps_wanted(const struct oci_process *p, struct caps *c)
{
    const struct oci_capabilities *o = p->capabilities;

    memset(c, 0, sizeof *c);
    if (!o)
        return;
    c->bounding = o->bounding.bits;
    c->effective = o->effective.bits;
    c->permitted = o->permitted.bits;
    c->inheritable = o->inheritable.bits;
    c->ambient = o->ambient.bits;
}

static int caps_get(struct caps *c, struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};

    if (sys_capget(&header, data) < 0)
        return err_errno(err, "capget");
    c->effective = data[0].effective | (uint64_t)data[1].effective << 32;
    c->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    c->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
    return 0;
}

static int caps_set(const struct caps *c, struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];

    for (int i = 0; i < 2; i++) {
        data[i].effective = (uint32_t)(c->effective >> 32 * i);
        data[i].permitted = (uint32_t)(c->permitted >> 32 * i);
        data[i].inheritable = (uint32_t)(c->inheritable >> 32 * i);
    }
    if (sys_capset(&header, data) < 0)
        return err_errno(err, "process.capabilities: capset");
    return 0;
}

/* Drop from the bounding set what is not wanted; *left is what remains. What is not in it can be
 * dropped as well, so that it is looked at only where dropping is refused. PR_CAPBSET_READ refuses
 * the first number that the kernel does not know with EINVAL; any other refusal (a filter's) must
 * not pass for the end of the list. */
static int bounding_drop(uint64_t wanted, uint64_t *left, struct err *err)
{
    *left = 0;
    for (unsigned long n = 0; n < 64; n++) {
        bool want = wanted & 1ULL << n;
        int have, errnum;

        if (!want && prctl(PR_CAPBSET_DROP, n, 0, 0, 0) == 0)
            continue;
        errnum = errno;
        have = prctl(PR_CAPBSET_READ, n, 0, 0, 0);
        if (have < 0 && (errno != EINVAL || n == 0))
            return err_errno(err, "read the capability bounding set");
        if (have < 0)
            break;
        if (have && !want)
            return err_set(err, errnum, "drop capability %lu from the bounding set", n);
        if (have)
            *left |= 1ULL << n;
    }
    return 0;
}

/* Reduce @c to what capset(2) will accept from a process that holds @have: see cap_capset() in the
 * kernel. After setresuid() the effective set is empty, so that inheritable is also bounded by
 * permitted. */
static void caps_grantable(struct init *in, struct caps *c, const struct caps *have)
{
    c->bounding = caps_limit(in, "bounding", c->bounding, have->bounding);
    c->permitted = caps_limit(in, "permitted", c->permitted, have->permitted);
    c->effective = caps_limit(in, "effective", c->effective, c->permitted);
    c->inheritable = caps_limit(in, "inheritable", c->inheritable,
                                have->inheritable | (have->permitted & have->bounding));
}

static int ambient_set(struct init *in, uint64_t wanted, struct err *err)
{
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return err_errno(err, "clear the ambient capabilities");
    for (unsigned long n = 0; n < 64; n++)
        if (wanted & 1ULL << n && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, n, 0, 0) < 0)
            caps_warn(in, "ambient", 1ULL << n);
    return 0;
}

/* ---- groups and ids ---- */

/* Whether /proc/self/setgroups says "deny" (user_namespaces(7)): a joined or outer user namespace
 * may have it set without the host side's doing. */
static bool setgroups_denied(struct init *in)
{
    struct err ignored = ERR_INIT;
    char text[8] = "";
    int dir = in->proc >= 0 ? in->proc : in->host_proc;
    _cleanup_close_ int fd = proc_open_self(dir, "setgroups", O_RDONLY, &ignored);

    return fd >= 0 && read(fd, text, sizeof text - 1) >= 4 && strncmp(text, "deny", 4) == 0;
}

/* Where setgroups(2) is denied, a group that the process has already is as good as set: engines
 * list the primary one too. */
static bool groups_are_held(const struct oci_user *user)
{
    gid_t held[64];
    int n = sys_getgroups(ARRAY_SIZE(held), held);

    for (size_t i = 0; i < user->additional_gids_n; i++) {
        bool found = user->additional_gids[i] == user->gid;

        for (int j = 0; j < n && !found; j++)
            found = held[j] == user->additional_gids[i];
        if (!found)
            return false;
    }
    return true;
}

static int groups_set(struct init *in, struct err *err)
{
    const struct oci_user *user = &in->process->user;
    size_t n = user->additional_gids_n;
    bool denied = in->setup.flags & SETUP_DENY_SETGROUPS;

    _Static_assert(sizeof(gid_t) == sizeof *user->additional_gids, "groups are passed as they are");
    if (in->setup.flags & SETUP_KEEP_GROUPS || (denied && groups_are_held(user)))
        return 0;
    if (!denied && sys_setgroups(n, (const gid_t *)user->additional_gids) == 0)
        return 0;

    int errnum = denied ? EPERM : errno;

    denied = denied || (errnum == EPERM && setgroups_denied(in));
    if (denied && groups_are_held(user))
        return 0;
    err_set(err, errnum, "process.user.additionalGids: setgroups%s",
            denied ? " is denied in this user namespace" : "");
    if (errnum == EINVAL)
        err_hint(err, "each group needs a mapping in the user namespace");
    else if (denied)
        err_hint(err, "other groups need a range of /etc/subgid in linux.gidMappings, which "
                      "newgidmap(1) maps");
    err_object(err, "process.user.additionalGids");
    return init_seccomp_hint(in, "setgroups", err);
}

static int ids_set(struct init *in, struct err *err)
{
    const struct oci_user *user = &in->process->user;
    bool gid_done;

    /* -1 changes nothing, successfully: the program would run as root. The tables refuse it. */
    if (user->uid > OCI_ID_MAX || user->gid > OCI_ID_MAX)
        return err_set(err, EINVAL, "process.user: -1 is no id");
    gid_done = setresgid(user->gid, user->gid, user->gid) == 0;
    if (gid_done && setresuid(user->uid, user->uid, user->uid) == 0)
        return 0;
    err_errno(err, "process.user: set %s %u", gid_done ? "uid" : "gid",
              gid_done ? user->uid : user->gid);
    err_object(err, "process.user.%s", gid_done ? "uid" : "gid");
    if (err->errnum == EINVAL)
        err_hint(err, "the id needs a mapping in the user namespace");
    return init_seccomp_hint(in, gid_done ? "setresuid" : "setresgid", err);
}

/* ---- the step ---- */

/*
 * The kernel has made us non-dumpable and deaf to the parent's death if any id changed.
 *
 * Dumpable again only in a user namespace that is ours alone: rootless network tools open
 * /proc/PID/ns/net of a created container. Elsewhere a process with the same uid, inside or on the
 * machine, could trace us.
 */
static int process_flags_restore(struct init *in, int pdeathsig, struct err *err)
{
    bool dumpable = !(in->setup.flags & SETUP_NOT_DUMPABLE) &&
                    in->setup.namespaces & 1U << OCI_NS_USER && !(in->setup.flags & SETUP_EXEC);

    if (prctl(PR_SET_DUMPABLE, dumpable ? 1UL : 0UL, 0, 0, 0) < 0)
        return err_errno(err, "set dumpable");
    if (pdeathsig == 0)
        return 0;
    if (prctl(PR_SET_PDEATHSIG, (unsigned long)pdeathsig, 0, 0, 0) < 0)
        return err_errno(err, "set the parent-death signal");
    if (in->setup.parent > 0 && getppid() != 0 && getppid() != (pid_t)in->setup.parent)
        return err_set(err, ESRCH, "the runtime has ended meanwhile");
    return 0;
}

static int ids_and_caps(struct init *in, struct caps *want, const struct caps *have,
                        struct err *err)
{
    if (groups_set(in, err) < 0)
        return -1;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) {
        err_errno(err, "keep capabilities over the change of ids");
        return init_seccomp_hint(in, "prctl", err);
    }
    if (ids_set(in, err) < 0)
        return -1;
    caps_grantable(in, want, have);
    if (caps_set(want, err) < 0)
        return init_seccomp_hint(in, "capset", err);
    prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0); /* execve clears it too */
    if (ambient_set(in, want->ambient, err) < 0)
        return init_seccomp_hint(in, "prctl", err);
    return 0;
}

int init_credentials(void *init, struct err *err)
{
    struct init *in = init;
    const struct oci_process *p = in->process;
    struct caps want, have = {0};
    int pdeathsig = 0;

    if (!p)
        return 0;
    if (init_cwd_prepare(in, err) < 0)
        return -1;
    if (prctl(PR_GET_PDEATHSIG, (unsigned long)&pdeathsig, 0, 0, 0) < 0) {
        err_errno(err, "get the parent-death signal");
        return init_seccomp_hint(in, "prctl", err);
    }
    caps_wanted(p, &want);
    if (caps_get(&have, err) < 0)
        return init_seccomp_hint(in, "capget", err);
    if (bounding_drop(want.bounding, &have.bounding, err) < 0)
        return init_seccomp_hint(in, "prctl", err);
    if (ids_and_caps(in, &want, &have, err) < 0)
        return -1;
    if (process_flags_restore(in, pdeathsig, err) < 0)
        return init_seccomp_hint(in, "prctl", err);
    /* umask(2) never fails, unless a filter makes it; libc's wrapper then leaves errno alone. */
    if (syscall(SYS_umask, p->user.umask.set ? (mode_t)p->user.umask.value & 0777 : in->umask) <
        0) {
        err_errno(err, "process.user.umask");
        return init_seccomp_hint(in, "umask", err);
    }
    if (p->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_errno(err, "process.noNewPrivileges");
    return 0;
}
