/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls that Debian 12's libc does not wrap, and constants that its headers lack. Nothing
 * but the call itself: errno as the kernel leaves it. Fallbacks live with the modules that need
 * them.
 */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/mount.h> /* MOUNT_ATTR_*, FSCONFIG_*, struct mount_attr; clashes with sys/mount.h in */
#include <linux/openat2.h> /* old libcs: sys.h declares mount(2) and friends itself */
#include <linux/sched.h>

int sys_openat2(int dir, const char *path, const struct open_how *how, size_t size);
int sys_open_tree(int dir, const char *path, unsigned flags);
int sys_move_mount(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int sys_fspick(int dir, const char *path, unsigned flags);
int sys_fsopen(const char *type, unsigned flags);
int sys_fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux);
int sys_fsmount(int fd, unsigned flags, unsigned attr);
int sys_mount_setattr(int dir, const char *path, unsigned flags, struct mount_attr *attr,
                      size_t size);
int sys_pivot_root(const char *new_root, const char *put_old);
int sys_mount(const char *source, const char *target, const char *type, unsigned long flags,
              const void *data);
int sys_umount2(const char *target, int flags);
pid_t sys_clone3(struct clone_args *args, size_t size);
int sys_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags);
int sys_close_range(unsigned first, unsigned last, unsigned flags);
int sys_pidfd_open(pid_t pid, unsigned flags);
int sys_pidfd_send_signal(int pidfd, int sig, void *info, unsigned flags);
int sys_faccessat2(int dir, const char *path, int mode, int flags);
long sys_keyctl(int cmd, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int sys_seccomp(unsigned op, unsigned flags, void *args);
int sys_capset(void *header, void *data);
int sys_capget(void *header, void *data);
int sys_getgroups(size_t n, gid_t *groups);
int sys_setgroups(size_t n, const gid_t *groups);
int sys_sched_setattr(pid_t pid, void *attr, unsigned flags);
int sys_ioprio_set(int which, int who, int value);
int sys_bpf(int cmd, void *attr, unsigned size);

/* Bits of mount(2) and umount2(2) (linux/mount.h has them under the same names on new headers
 * only). */
#ifndef MS_RDONLY
#define MS_RDONLY 1
#endif
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif
#ifndef UMOUNT_NOFOLLOW
#define UMOUNT_NOFOLLOW 8
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP (1U << 2) /* 6.9 */
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x00000004
#define MOVE_MOUNT_T_EMPTY_PATH 0x00000040
#endif
#ifndef MOVE_MOUNT_SET_GROUP
#define MOVE_MOUNT_SET_GROUP 0x00000100 /* 5.15 */
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef PROC_SUPER_MAGIC
#define PROC_SUPER_MAGIC 0x9fa0
#endif
#ifndef CGROUP_SUPER_MAGIC
#define CGROUP_SUPER_MAGIC 0x27e0eb
#endif
#ifndef CGROUP2_SUPER_MAGIC
#define CGROUP2_SUPER_MAGIC 0x63677270
#endif
#ifndef SYSFS_MAGIC
#define SYSFS_MAGIC 0x62656572
#endif
#ifndef DEVPTS_SUPER_MAGIC
#define DEVPTS_SUPER_MAGIC 0x1cd1
#endif
#ifndef MQUEUE_SUPER_MAGIC
#define MQUEUE_SUPER_MAGIC 0x19800202 /* MQUEUE_MAGIC of ipc/mqueue.c */
#endif
#ifndef TMPFS_MAGIC
#define TMPFS_MAGIC 0x01021994
#endif

#endif
