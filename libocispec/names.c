/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The names that the specification gives to values, as lists that are searched from the start: the
 * longest has 41 entries and is searched some dozens of times a document. A name that is not found
 * is compared with all of them by edits, so that the error can propose the one that was meant.
 */
#include "ocispec.h"
#include "tables.h"

#include <ctype.h>
#include <string.h>

#define NAMES(variable, what_, ...)                                                                \
    const struct oci_names variable = {.what = (what_),                                            \
                                       .list = (const struct oci_name[]){__VA_ARGS__, {NULL, 0}}}

/* clang-format off */
NAMES(oci_namespace_names, "namespace type",
    { "pid", OCI_NS_PID },
    { "network", OCI_NS_NETWORK },
    { "mount", OCI_NS_MOUNT },
    { "ipc", OCI_NS_IPC },
    { "uts", OCI_NS_UTS },
    { "user", OCI_NS_USER },
    { "cgroup", OCI_NS_CGROUP },
    { "time", OCI_NS_TIME });

/* linux/capability.h, in the kernel's order */
NAMES(oci_capability_names, "capability",
    { "CAP_CHOWN", 0 },
    { "CAP_DAC_OVERRIDE", 1 },
    { "CAP_DAC_READ_SEARCH", 2 },
    { "CAP_FOWNER", 3 },
    { "CAP_FSETID", 4 },
    { "CAP_KILL", 5 },
    { "CAP_SETGID", 6 },
    { "CAP_SETUID", 7 },
    { "CAP_SETPCAP", 8 },
    { "CAP_LINUX_IMMUTABLE", 9 },
    { "CAP_NET_BIND_SERVICE", 10 },
    { "CAP_NET_BROADCAST", 11 },
    { "CAP_NET_ADMIN", 12 },
    { "CAP_NET_RAW", 13 },
    { "CAP_IPC_LOCK", 14 },
    { "CAP_IPC_OWNER", 15 },
    { "CAP_SYS_MODULE", 16 },
    { "CAP_SYS_RAWIO", 17 },
    { "CAP_SYS_CHROOT", 18 },
    { "CAP_SYS_PTRACE", 19 },
    { "CAP_SYS_PACCT", 20 },
    { "CAP_SYS_ADMIN", 21 },
    { "CAP_SYS_BOOT", 22 },
    { "CAP_SYS_NICE", 23 },
    { "CAP_SYS_RESOURCE", 24 },
    { "CAP_SYS_TIME", 25 },
    { "CAP_SYS_TTY_CONFIG", 26 },
    { "CAP_MKNOD", 27 },
    { "CAP_LEASE", 28 },
    { "CAP_AUDIT_WRITE", 29 },
    { "CAP_AUDIT_CONTROL", 30 },
    { "CAP_SETFCAP", 31 },
    { "CAP_MAC_OVERRIDE", 32 },
    { "CAP_MAC_ADMIN", 33 },
    { "CAP_SYSLOG", 34 },
    { "CAP_WAKE_ALARM", 35 },
    { "CAP_BLOCK_SUSPEND", 36 },
    { "CAP_AUDIT_READ", 37 },
    { "CAP_PERFMON", 38 },
    { "CAP_BPF", 39 },
    { "CAP_CHECKPOINT_RESTORE", 40 });

NAMES(oci_rlimit_names, "resource limit",
    { "RLIMIT_CPU", OCI_RLIMIT_CPU },
    { "RLIMIT_FSIZE", OCI_RLIMIT_FSIZE },
    { "RLIMIT_DATA", OCI_RLIMIT_DATA },
    { "RLIMIT_STACK", OCI_RLIMIT_STACK },
    { "RLIMIT_CORE", OCI_RLIMIT_CORE },
    { "RLIMIT_RSS", OCI_RLIMIT_RSS },
    { "RLIMIT_NPROC", OCI_RLIMIT_NPROC },
    { "RLIMIT_NOFILE", OCI_RLIMIT_NOFILE },
    { "RLIMIT_MEMLOCK", OCI_RLIMIT_MEMLOCK },
    { "RLIMIT_AS", OCI_RLIMIT_AS },
    { "RLIMIT_LOCKS", OCI_RLIMIT_LOCKS },
    { "RLIMIT_SIGPENDING", OCI_RLIMIT_SIGPENDING },
    { "RLIMIT_MSGQUEUE", OCI_RLIMIT_MSGQUEUE },
    { "RLIMIT_NICE", OCI_RLIMIT_NICE },
    { "RLIMIT_RTPRIO", OCI_RLIMIT_RTPRIO },
    { "RLIMIT_RTTIME", OCI_RLIMIT_RTTIME });

NAMES(oci_status_names, "container status",
    { "creating", OCI_STATUS_CREATING },
    { "created", OCI_STATUS_CREATED },
    { "running", OCI_STATUS_RUNNING },
    { "paused", OCI_STATUS_PAUSED },
    { "stopped", OCI_STATUS_STOPPED });

NAMES(oci_sched_policy_names, "scheduling policy",
    { "SCHED_OTHER", OCI_SCHED_OTHER },
    { "SCHED_FIFO", OCI_SCHED_FIFO },
    { "SCHED_RR", OCI_SCHED_RR },
    { "SCHED_BATCH", OCI_SCHED_BATCH },
    { "SCHED_ISO", OCI_SCHED_ISO },
    { "SCHED_IDLE", OCI_SCHED_IDLE },
    { "SCHED_DEADLINE", OCI_SCHED_DEADLINE });

NAMES(oci_sched_flag_names, "scheduling flag",
    { "SCHED_FLAG_RESET_ON_FORK", OCI_SCHED_FLAG_RESET_ON_FORK },
    { "SCHED_FLAG_RECLAIM", OCI_SCHED_FLAG_RECLAIM },
    { "SCHED_FLAG_DL_OVERRUN", OCI_SCHED_FLAG_DL_OVERRUN },
    { "SCHED_FLAG_KEEP_POLICY", OCI_SCHED_FLAG_KEEP_POLICY },
    { "SCHED_FLAG_KEEP_PARAMS", OCI_SCHED_FLAG_KEEP_PARAMS },
    { "SCHED_FLAG_UTIL_CLAMP_MIN", OCI_SCHED_FLAG_UTIL_CLAMP_MIN },
    { "SCHED_FLAG_UTIL_CLAMP_MAX", OCI_SCHED_FLAG_UTIL_CLAMP_MAX });

NAMES(oci_ioprio_class_names, "I/O priority class",
    { "IOPRIO_CLASS_RT", OCI_IOPRIO_RT },
    { "IOPRIO_CLASS_BE", OCI_IOPRIO_BE },
    { "IOPRIO_CLASS_IDLE", OCI_IOPRIO_IDLE });

NAMES(oci_device_type_names, "device type",
    { "c", OCI_DEVICE_CHAR },
    { "b", OCI_DEVICE_BLOCK },
    { "u", OCI_DEVICE_UNBUFFERED },
    { "p", OCI_DEVICE_FIFO });

NAMES(oci_rule_type_names, "device rule type",
    { "a", OCI_RULE_ALL },
    { "c", OCI_RULE_CHAR },
    { "b", OCI_RULE_BLOCK });

NAMES(oci_propagation_names, "propagation",
    { "private", OCI_PROPAGATION_PRIVATE },
    { "rprivate", OCI_PROPAGATION_RPRIVATE },
    { "shared", OCI_PROPAGATION_SHARED },
    { "rshared", OCI_PROPAGATION_RSHARED },
    { "slave", OCI_PROPAGATION_SLAVE },
    { "rslave", OCI_PROPAGATION_RSLAVE },
    { "unbindable", OCI_PROPAGATION_UNBINDABLE },
    { "runbindable", OCI_PROPAGATION_RUNBINDABLE });

NAMES(oci_personality_names, "personality",
    { "LINUX", OCI_PERSONALITY_LINUX },
    { "LINUX32", OCI_PERSONALITY_LINUX32 });

NAMES(oci_seccomp_action_names, "seccomp action",
    { "SCMP_ACT_KILL", OCI_ACT_KILL },
    { "SCMP_ACT_KILL_PROCESS", OCI_ACT_KILL_PROCESS },
    { "SCMP_ACT_KILL_THREAD", OCI_ACT_KILL_THREAD },
    { "SCMP_ACT_TRAP", OCI_ACT_TRAP },
    { "SCMP_ACT_ERRNO", OCI_ACT_ERRNO },
    { "SCMP_ACT_TRACE", OCI_ACT_TRACE },
    { "SCMP_ACT_ALLOW", OCI_ACT_ALLOW },
    { "SCMP_ACT_LOG", OCI_ACT_LOG },
    { "SCMP_ACT_NOTIFY", OCI_ACT_NOTIFY });

NAMES(oci_seccomp_op_names, "seccomp operator",
    { "SCMP_CMP_NE", OCI_CMP_NE },
    { "SCMP_CMP_LT", OCI_CMP_LT },
    { "SCMP_CMP_LE", OCI_CMP_LE },
    { "SCMP_CMP_EQ", OCI_CMP_EQ },
    { "SCMP_CMP_GE", OCI_CMP_GE },
    { "SCMP_CMP_GT", OCI_CMP_GT },
    { "SCMP_CMP_MASKED_EQ", OCI_CMP_MASKED_EQ });

NAMES(oci_seccomp_arch_names, "seccomp architecture",
    { "SCMP_ARCH_X86", OCI_ARCH_X86 },
    { "SCMP_ARCH_X86_64", OCI_ARCH_X86_64 },
    { "SCMP_ARCH_X32", OCI_ARCH_X32 },
    { "SCMP_ARCH_ARM", OCI_ARCH_ARM },
    { "SCMP_ARCH_AARCH64", OCI_ARCH_AARCH64 },
    { "SCMP_ARCH_MIPS", OCI_ARCH_MIPS },
    { "SCMP_ARCH_MIPS64", OCI_ARCH_MIPS64 },
    { "SCMP_ARCH_MIPS64N32", OCI_ARCH_MIPS64N32 },
    { "SCMP_ARCH_MIPSEL", OCI_ARCH_MIPSEL },
    { "SCMP_ARCH_MIPSEL64", OCI_ARCH_MIPSEL64 },
    { "SCMP_ARCH_MIPSEL64N32", OCI_ARCH_MIPSEL64N32 },
    { "SCMP_ARCH_PPC", OCI_ARCH_PPC },
    { "SCMP_ARCH_PPC64", OCI_ARCH_PPC64 },
    { "SCMP_ARCH_PPC64LE", OCI_ARCH_PPC64LE },
    { "SCMP_ARCH_S390", OCI_ARCH_S390 },
    { "SCMP_ARCH_S390X", OCI_ARCH_S390X },
    { "SCMP_ARCH_PARISC", OCI_ARCH_PARISC },
    { "SCMP_ARCH_PARISC64", OCI_ARCH_PARISC64 },
    { "SCMP_ARCH_RISCV64", OCI_ARCH_RISCV64 },
    { "SCMP_ARCH_LOONGARCH64", OCI_ARCH_LOONGARCH64 },
    { "SCMP_ARCH_M68K", OCI_ARCH_M68K },
    { "SCMP_ARCH_SH", OCI_ARCH_SH },
    { "SCMP_ARCH_SHEB", OCI_ARCH_SHEB });

NAMES(oci_seccomp_flag_names, "seccomp flag",
    { "SECCOMP_FILTER_FLAG_TSYNC", OCI_SECCOMP_TSYNC },
    { "SECCOMP_FILTER_FLAG_LOG", OCI_SECCOMP_LOG },
    { "SECCOMP_FILTER_FLAG_SPEC_ALLOW", OCI_SECCOMP_SPEC_ALLOW },
    { "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", OCI_SECCOMP_WAIT_KILLABLE_RECV });

NAMES(oci_mpol_mode_names, "memory policy mode",
    { "MPOL_DEFAULT", OCI_MPOL_DEFAULT },
    { "MPOL_BIND", OCI_MPOL_BIND },
    { "MPOL_INTERLEAVE", OCI_MPOL_INTERLEAVE },
    { "MPOL_WEIGHTED_INTERLEAVE", OCI_MPOL_WEIGHTED_INTERLEAVE },
    { "MPOL_PREFERRED", OCI_MPOL_PREFERRED },
    { "MPOL_PREFERRED_MANY", OCI_MPOL_PREFERRED_MANY },
    { "MPOL_LOCAL", OCI_MPOL_LOCAL });

NAMES(oci_mpol_flag_names, "memory policy flag",
    { "MPOL_F_NUMA_BALANCING", OCI_MPOL_F_NUMA_BALANCING },
    { "MPOL_F_RELATIVE_NODES", OCI_MPOL_F_RELATIVE_NODES },
    { "MPOL_F_STATIC_NODES", OCI_MPOL_F_STATIC_NODES });

NAMES(oci_hook_kind_names, "hook kind",
    { "prestart", 0 },
    { "createRuntime", 1 },
    { "createContainer", 2 },
    { "startContainer", 3 },
    { "poststart", 4 },
    { "poststop", 5 });
/* clang-format on */

int oci_name_value(const struct oci_names *names, const char *name)
{
    for (const struct oci_name *n = names->list; n->name; n++)
        if (strcmp(n->name, name) == 0)
            return n->value;
    return -1;
}

const char *oci_name_of(const struct oci_names *names, int value)
{
    for (const struct oci_name *n = names->list; n->name; n++)
        if (n->value == value)
            return n->name;
    return NULL;
}

enum { NEAREST_MAX = 64 };

static bool same_letter(char a, char b)
{
    return toupper((unsigned char)a) == toupper((unsigned char)b);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, substitutions and swaps of neighbours; upper and lower case are equal. */
static unsigned edits(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned rows[3][NEAREST_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b_len; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *spare = before;

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = last[j - 1] + !same_letter(a[i - 1], b[j - 1]);
            row[j] = least(row[j], least(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
                same_letter(a[i - 2], b[j - 1]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
        before = last;
        last = row;
        row = spare;
    }
    return last[b_len];
}

const char *oci_name_nearest(const struct oci_names *names, const char *name)
{
    size_t len = strlen(name);
    /* A third of the letters may differ: more is not a slip of the finger but another word. */
    unsigned best = (unsigned)(len / 3) + 1;
    const char *nearest = NULL;

    if (len < 2 || len > NEAREST_MAX)
        return NULL;
    for (const struct oci_name *n = names->list; n->name; n++) {
        size_t n_len = strlen(n->name);
        unsigned distance;

        if (n_len > NEAREST_MAX)
            continue;
        distance = edits(name, len, n->name, n_len);
        if (distance < best) {
            best = distance;
            nearest = n->name;
        }
    }
    return nearest;
}
