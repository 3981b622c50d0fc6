/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The OCI documents as C: what config.json, the state and the features document look like after
 * decoding. One struct a JSON object, members in the order of the specification (runtime-spec 1.3).
 *
 * Conventions
 * - A string or a pointer to a struct that is absent (or null) is NULL.
 * - A scalar whose absence means something is an oci_opt_*: .set tells presence.
 * - An enum has UNSET as its zero; a bit set holds bits of the named enum.
 * - An array is a pointer and a count with the suffix _n. Arrays of strings are also terminated by
 *   NULL, so that they serve as argv and environ.
 * - Everything lives in the arena that was given to the decoder.
 */
#ifndef OCISPEC_TYPES_H
#define OCISPEC_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oci_opt_bool {
    bool set, value;
};
struct oci_opt_i64 {
    bool set;
    int64_t value;
};
struct oci_opt_u64 {
    bool set;
    uint64_t value;
};

/* A map of string to string, in the order of the document. */
struct oci_pair {
    const char *key;
    const char *value;
};

/* A map of string to number; only written. */
struct oci_count {
    const char *key;
    uint64_t value;
};

/* A bit set that can be absent; bit N stands for the enum value N. */
struct oci_set {
    bool set;
    uint64_t bits;
};

/* ---- process: config.md#process ------------------------------------------------------------ */

struct oci_box {
    uint64_t height, width;
};

/* Ids of users and groups: to setresuid(2) and chown(2) the number above, -1, means "as it is". */
#define OCI_ID_MAX (UINT32_MAX - 1)

struct oci_user {
    uint32_t uid, gid;
    struct oci_opt_u64 umask;
    uint32_t *additional_gids;
    size_t additional_gids_n;
    const char *username;
};

/* Capability N is the kernel's number N (linux/capability.h); names: oci_capability_names. Unknown
 * names are warnings, not errors (config.md#linux-process). */
struct oci_capabilities {
    struct oci_set bounding, effective, inheritable, permitted, ambient;
};

/* The value is the kernel's RLIMIT_* number plus one, so that UNSET is zero. */
enum oci_rlimit_type {
    OCI_RLIMIT_UNSET,
    OCI_RLIMIT_CPU,
    OCI_RLIMIT_FSIZE,
    OCI_RLIMIT_DATA,
    OCI_RLIMIT_STACK,
    OCI_RLIMIT_CORE,
    OCI_RLIMIT_RSS,
    OCI_RLIMIT_NPROC,
    OCI_RLIMIT_NOFILE,
    OCI_RLIMIT_MEMLOCK,
    OCI_RLIMIT_AS,
    OCI_RLIMIT_LOCKS,
    OCI_RLIMIT_SIGPENDING,
    OCI_RLIMIT_MSGQUEUE,
    OCI_RLIMIT_NICE,
    OCI_RLIMIT_RTPRIO,
    OCI_RLIMIT_RTTIME,
};

struct oci_rlimit {
    enum oci_rlimit_type type;
    uint64_t soft, hard;
};

enum oci_sched_policy {
    OCI_SCHED_UNSET,
    OCI_SCHED_OTHER,
    OCI_SCHED_FIFO,
    OCI_SCHED_RR,
    OCI_SCHED_BATCH,
    OCI_SCHED_ISO,
    OCI_SCHED_IDLE,
    OCI_SCHED_DEADLINE,
};

/* Bit N is the kernel's SCHED_FLAG_* value 1 << N. */
enum oci_sched_flag {
    OCI_SCHED_FLAG_RESET_ON_FORK,
    OCI_SCHED_FLAG_RECLAIM,
    OCI_SCHED_FLAG_DL_OVERRUN,
    OCI_SCHED_FLAG_KEEP_POLICY,
    OCI_SCHED_FLAG_KEEP_PARAMS,
    OCI_SCHED_FLAG_UTIL_CLAMP_MIN,
    OCI_SCHED_FLAG_UTIL_CLAMP_MAX,
};

struct oci_scheduler {
    enum oci_sched_policy policy;
    int32_t nice, priority;
    struct oci_set flags;
    uint64_t runtime, deadline, period;
};

enum oci_ioprio_class { OCI_IOPRIO_UNSET, OCI_IOPRIO_RT, OCI_IOPRIO_BE, OCI_IOPRIO_IDLE };

struct oci_io_priority {
    enum oci_ioprio_class class;
    int32_t priority;
};

struct oci_exec_cpu_affinity {
    const char *initial, *final;
};

struct oci_process {
    bool terminal;
    struct oci_box *console_size;
    const char *cwd;
    const char **env;
    size_t env_n;
    const char **args;
    size_t args_n;
    struct oci_user user;
    struct oci_capabilities *capabilities;
    struct oci_rlimit *rlimits;
    size_t rlimits_n;
    bool no_new_privileges;
    const char *apparmor_profile;
    const char *selinux_label;
    struct oci_opt_i64 oom_score_adj;
    struct oci_scheduler *scheduler;
    struct oci_io_priority *io_priority;
    struct oci_exec_cpu_affinity *exec_cpu_affinity;
};

/* ---- root, mounts, hooks -------------------------------------------------------------------- */

struct oci_root {
    const char *path;
    bool readonly;
};

struct oci_id_mapping {
    uint32_t container_id, host_id, size;
};

struct oci_mount {
    const char *destination;
    const char *source;
    const char *type;
    const char **options;
    size_t options_n;
    struct oci_id_mapping *uid_mappings;
    size_t uid_mappings_n;
    struct oci_id_mapping *gid_mappings;
    size_t gid_mappings_n;
};

struct oci_hook {
    const char *path;
    const char **args;
    size_t args_n;
    const char **env;
    size_t env_n;
    struct oci_opt_i64 timeout; /* seconds, > 0 */
};

struct oci_hooks {
    struct oci_hook *prestart;
    size_t prestart_n;
    struct oci_hook *create_runtime;
    size_t create_runtime_n;
    struct oci_hook *create_container;
    size_t create_container_n;
    struct oci_hook *start_container;
    size_t start_container_n;
    struct oci_hook *poststart;
    size_t poststart_n;
    struct oci_hook *poststop;
    size_t poststop_n;
};

/* ---- linux: config-linux.md ------------------------------------------------------------------ */

enum oci_namespace_type {
    OCI_NS_UNSET,
    OCI_NS_PID,
    OCI_NS_NETWORK,
    OCI_NS_MOUNT,
    OCI_NS_IPC,
    OCI_NS_UTS,
    OCI_NS_USER,
    OCI_NS_CGROUP,
    OCI_NS_TIME,
    OCI_NS_COUNT,
};

struct oci_namespace {
    enum oci_namespace_type type;
    const char *path; /* join this one; NULL: make a new one */
};

struct oci_time_offset {
    int64_t secs;
    uint32_t nanosecs;
};

struct oci_time_offsets {
    struct oci_time_offset *monotonic, *boottime;
};

/* s is an old spelling nobody uses; u means the same as c (mknod(1)). */
enum oci_device_type {
    OCI_DEVICE_UNSET,
    OCI_DEVICE_CHAR,
    OCI_DEVICE_BLOCK,
    OCI_DEVICE_UNBUFFERED,
    OCI_DEVICE_FIFO,
};

struct oci_device {
    enum oci_device_type type;
    const char *path;
    struct oci_opt_i64 major, minor;
    struct oci_opt_u64 file_mode; /* only 07777 counts */
    struct oci_opt_u64 uid, gid;
};

/* linux.netDevices: one member a host interface */
struct oci_net_device {
    const char *host_name;
    const char *name;
};

enum oci_propagation {
    OCI_PROPAGATION_UNSET,
    OCI_PROPAGATION_PRIVATE,
    OCI_PROPAGATION_RPRIVATE,
    OCI_PROPAGATION_SHARED,
    OCI_PROPAGATION_RSHARED,
    OCI_PROPAGATION_SLAVE,
    OCI_PROPAGATION_RSLAVE,
    OCI_PROPAGATION_UNBINDABLE,
    OCI_PROPAGATION_RUNBINDABLE,
};

enum oci_seccomp_action {
    OCI_ACT_UNSET,
    OCI_ACT_KILL, /* the old name of KILL_THREAD */
    OCI_ACT_KILL_PROCESS,
    OCI_ACT_KILL_THREAD,
    OCI_ACT_TRAP,
    OCI_ACT_ERRNO,
    OCI_ACT_TRACE,
    OCI_ACT_ALLOW,
    OCI_ACT_LOG,
    OCI_ACT_NOTIFY,
};

enum oci_seccomp_op {
    OCI_CMP_UNSET,
    OCI_CMP_NE,
    OCI_CMP_LT,
    OCI_CMP_LE,
    OCI_CMP_EQ,
    OCI_CMP_GE,
    OCI_CMP_GT,
    OCI_CMP_MASKED_EQ,
};

/* linux.seccomp.architectures; names: oci_seccomp_arch_names */
enum oci_seccomp_arch {
    OCI_ARCH_UNSET,
    OCI_ARCH_X86,
    OCI_ARCH_X86_64,
    OCI_ARCH_X32,
    OCI_ARCH_ARM,
    OCI_ARCH_AARCH64,
    OCI_ARCH_MIPS,
    OCI_ARCH_MIPS64,
    OCI_ARCH_MIPS64N32,
    OCI_ARCH_MIPSEL,
    OCI_ARCH_MIPSEL64,
    OCI_ARCH_MIPSEL64N32,
    OCI_ARCH_PPC,
    OCI_ARCH_PPC64,
    OCI_ARCH_PPC64LE,
    OCI_ARCH_S390,
    OCI_ARCH_S390X,
    OCI_ARCH_PARISC,
    OCI_ARCH_PARISC64,
    OCI_ARCH_RISCV64,
    OCI_ARCH_LOONGARCH64,
    OCI_ARCH_M68K,
    OCI_ARCH_SH,
    OCI_ARCH_SHEB,
};

/* Bit N is the kernel's SECCOMP_FILTER_FLAG_* value 1 << N (linux/seccomp.h), so that the set can
 * be handed to seccomp(2). Bit 3 (NEW_LISTENER) has no name in the specification. */
enum oci_seccomp_flag {
    OCI_SECCOMP_TSYNC = 0,
    OCI_SECCOMP_LOG = 1,
    OCI_SECCOMP_SPEC_ALLOW = 2,
    OCI_SECCOMP_WAIT_KILLABLE_RECV = 5,
};

struct oci_seccomp_arg {
    uint32_t index; /* 0..5 */
    uint64_t value, value_two;
    enum oci_seccomp_op op;
};

struct oci_seccomp_rule {
    const char **names;
    size_t names_n;
    enum oci_seccomp_action action;
    struct oci_opt_u64 errno_ret;
    struct oci_seccomp_arg *args;
    size_t args_n;
};

struct oci_seccomp {
    enum oci_seccomp_action default_action;
    struct oci_opt_u64 default_errno_ret;
    uint32_t *architectures; /* enum oci_seccomp_arch */
    size_t architectures_n;
    struct oci_set flags; /* enum oci_seccomp_flag */
    const char *listener_path, *listener_metadata;
    struct oci_seccomp_rule *syscalls;
    size_t syscalls_n;
};

struct oci_intel_rdt {
    const char *clos_id, *l3_cache_schema, *mem_bw_schema;
    const char **schemata;
    size_t schemata_n;
    bool enable_monitoring;
};

enum oci_mpol_mode {
    OCI_MPOL_UNSET,
    OCI_MPOL_DEFAULT,
    OCI_MPOL_BIND,
    OCI_MPOL_INTERLEAVE,
    OCI_MPOL_WEIGHTED_INTERLEAVE,
    OCI_MPOL_PREFERRED,
    OCI_MPOL_PREFERRED_MANY,
    OCI_MPOL_LOCAL,
};
enum oci_mpol_flag {
    OCI_MPOL_F_NUMA_BALANCING,
    OCI_MPOL_F_RELATIVE_NODES,
    OCI_MPOL_F_STATIC_NODES
};

struct oci_memory_policy {
    enum oci_mpol_mode mode;
    const char *nodes;
    struct oci_set flags;
};

enum oci_personality_domain {
    OCI_PERSONALITY_UNSET,
    OCI_PERSONALITY_LINUX,
    OCI_PERSONALITY_LINUX32
};

struct oci_personality {
    enum oci_personality_domain domain;
    const char **flags; /* none is defined: any is an error */
    size_t flags_n;
};

/* ---- linux.resources: config-linux.md#configLinuxResources --------------------------------------
 */

enum oci_rule_type { OCI_RULE_ALL, OCI_RULE_CHAR, OCI_RULE_BLOCK };
enum oci_access { OCI_ACCESS_READ = 1, OCI_ACCESS_WRITE = 2, OCI_ACCESS_MKNOD = 4 };

struct oci_device_rule {
    bool allow;
    enum oci_rule_type type;
    struct oci_opt_i64 major, minor; /* absent or -1: any */
    uint32_t access;                 /* enum oci_access; absent: all three */
};

struct oci_memory {
    struct oci_opt_i64 limit, reservation, swap, kernel, kernel_tcp;
    struct oci_opt_u64 swappiness;
    struct oci_opt_bool disable_oom_killer, use_hierarchy, check_before_update;
};

struct oci_cpu {
    struct oci_opt_u64 shares;
    struct oci_opt_i64 quota;
    struct oci_opt_u64 burst, period;
    struct oci_opt_i64 realtime_runtime;
    struct oci_opt_u64 realtime_period;
    const char *cpus, *mems;
    struct oci_opt_i64 idle;
};

struct oci_pids {
    struct oci_opt_i64 limit;
};

struct oci_weight_device {
    int64_t major, minor;
    struct oci_opt_u64 weight, leaf_weight;
};

struct oci_throttle_device {
    int64_t major, minor;
    uint64_t rate;
};

struct oci_block_io {
    struct oci_opt_u64 weight, leaf_weight;
    struct oci_weight_device *weight_device;
    size_t weight_device_n;
    struct oci_throttle_device *throttle_read_bps_device;
    size_t throttle_read_bps_device_n;
    struct oci_throttle_device *throttle_write_bps_device;
    size_t throttle_write_bps_device_n;
    struct oci_throttle_device *throttle_read_iops_device;
    size_t throttle_read_iops_device_n;
    struct oci_throttle_device *throttle_write_iops_device;
    size_t throttle_write_iops_device_n;
};

struct oci_hugepage_limit {
    const char *page_size;
    uint64_t limit;
};

struct oci_interface_priority {
    const char *name;
    uint32_t priority;
};

struct oci_network {
    struct oci_opt_u64 class_id;
    struct oci_interface_priority *priorities;
    size_t priorities_n;
};

/* linux.resources.rdma: one member a device */
struct oci_rdma {
    const char *device;
    struct oci_opt_u64 hca_handles, hca_objects;
};

struct oci_resources {
    struct oci_device_rule *devices;
    size_t devices_n;
    struct oci_memory *memory;
    struct oci_cpu *cpu;
    struct oci_pids *pids;
    struct oci_block_io *block_io;
    struct oci_hugepage_limit *hugepage_limits;
    size_t hugepage_limits_n;
    struct oci_network *network;
    struct oci_rdma *rdma;
    size_t rdma_n;
    struct oci_pair *unified;
    size_t unified_n;
};

struct oci_linux {
    struct oci_namespace *namespaces;
    size_t namespaces_n;
    struct oci_id_mapping *uid_mappings;
    size_t uid_mappings_n;
    struct oci_id_mapping *gid_mappings;
    size_t gid_mappings_n;
    struct oci_time_offsets *time_offsets;
    struct oci_device *devices;
    size_t devices_n;
    struct oci_net_device *net_devices;
    size_t net_devices_n;
    const char *cgroups_path;
    struct oci_resources *resources;
    enum oci_propagation rootfs_propagation;
    struct oci_seccomp *seccomp;
    struct oci_pair *sysctl;
    size_t sysctl_n;
    const char **masked_paths;
    size_t masked_paths_n;
    const char **readonly_paths;
    size_t readonly_paths_n;
    const char *mount_label;
    struct oci_intel_rdt *intel_rdt;
    struct oci_memory_policy *memory_policy;
    struct oci_personality *personality;
};

/* ---- the whole configuration: config.md ---------------------------------------------------------
 */

struct oci_config {
    const char *oci_version;
    struct oci_root *root;
    struct oci_mount *mounts;
    size_t mounts_n;
    struct oci_process *process;
    const char *hostname, *domainname;
    struct oci_hooks *hooks;
    struct oci_pair *annotations;
    size_t annotations_n;
    struct oci_linux *linux_; /* "linux" is a predefined macro of GCC in gnu modes */
};

/* ---- state: runtime.md#state
 * ---------------------------------------------------------------------- */

enum oci_status {
    OCI_STATUS_UNSET,
    OCI_STATUS_CREATING,
    OCI_STATUS_CREATED,
    OCI_STATUS_RUNNING,
    OCI_STATUS_PAUSED,
    OCI_STATUS_STOPPED,
};

/* The state object plus what runc and crun add and engines read (rootfs, created, owner). */
struct oci_state {
    const char *oci_version;
    const char *id;
    struct oci_opt_i64 pid; /* 0 when stopped; absent in poststop */
    enum oci_status status;
    const char *bundle;
    const char *rootfs;
    const char
        *root; /* hooks only: the rootfs again, under the name that hooks of podman look for */
    const char *created;
    struct oci_pair *annotations;
    size_t annotations_n;
    const char *owner;
    struct oci_opt_i64 exit_status; /* stopped, as far as the kernel still knows */
    struct oci_opt_bool oom_killed;
};

/* ---- features: features.md, features-linux.md
 * -------------------------------------------------------- */

struct oci_features_cgroup {
    struct oci_opt_bool v1, v2, systemd, systemd_user, rdma;
};
struct oci_features_seccomp {
    struct oci_opt_bool enabled;
    const char **actions;
    size_t actions_n;
    const char **operators;
    size_t operators_n;
    const char **archs;
    size_t archs_n;
    const char **known_flags;
    size_t known_flags_n;
    const char **supported_flags;
    size_t supported_flags_n;
};
struct oci_features_flag {
    struct oci_opt_bool enabled;
};
struct oci_features_rdt {
    struct oci_opt_bool enabled, schemata, monitoring;
};
struct oci_features_memory_policy {
    const char **modes;
    size_t modes_n;
    const char **flags;
    size_t flags_n;
};
struct oci_features_mount_extensions {
    struct oci_features_flag *idmap;
};
struct oci_features_linux {
    const char **namespaces;
    size_t namespaces_n;
    const char **capabilities;
    size_t capabilities_n;
    struct oci_features_cgroup *cgroup;
    struct oci_features_seccomp *seccomp;
    struct oci_features_flag *apparmor;
    struct oci_features_flag *selinux;
    struct oci_features_rdt *intel_rdt;
    struct oci_features_memory_policy *memory_policy;
    struct oci_features_mount_extensions *mount_extensions;
    struct oci_features_flag *net_devices;
};
struct oci_features {
    const char *oci_version_min, *oci_version_max;
    const char **hooks;
    size_t hooks_n;
    const char **mount_options;
    size_t mount_options_n;
    struct oci_pair *annotations;
    size_t annotations_n;
    const char **potentially_unsafe_config_annotations;
    size_t potentially_unsafe_config_annotations_n;
    struct oci_features_linux *linux_;
};

#endif
