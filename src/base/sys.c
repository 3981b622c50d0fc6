/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * One line a system call. Calls that some libc wraps are made here all the same, under our own
 * names, so that the program is the same on every libc and a wrapper's extra work (setgroups and
 * setuid in all threads, emulations) never comes in between.
 */
#include "base/sys.h"

#include <sys/syscall.h>
#include <unistd.h>

int sys_openat2(int dir, const char *path, const struct open_how *how, size_t size)
{
    return (int)syscall(SYS_openat2, dir, path, how, size);
}

int sys_open_tree(int dir, const char *path, unsigned flags)
{
    return (int)syscall(SYS_open_tree, dir, path, flags);
}

int sys_move_mount(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return (int)syscall(SYS_move_mount, from_dir, from, to_dir, to, flags);
}

int sys_fspick(int dir, const char *path, unsigned flags)
{
    return (int)syscall(SYS_fspick, dir, path, flags);
}

int sys_fsopen(const char *type, unsigned flags)
{
    return (int)syscall(SYS_fsopen, type, flags);
}

int sys_fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux)
{
    return (int)syscall(SYS_fsconfig, fd, cmd, key, value, aux);
}

int sys_fsmount(int fd, unsigned flags, unsigned attr)
{
    return (int)syscall(SYS_fsmount, fd, flags, attr);
}

int sys_mount_setattr(int dir, const char *path, unsigned flags, struct mount_attr *attr,
                      size_t size)
{
    return (int)syscall(SYS_mount_setattr, dir, path, flags, attr, size);
}

int sys_pivot_root(const char *new_root, const char *put_old)
{
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}

int sys_mount(const char *source, const char *target, const char *type, unsigned long flags,
              const void *data)
{
    return (int)syscall(SYS_mount, source, target, type, flags, data);
}

int sys_umount2(const char *target, int flags)
{
    return (int)syscall(SYS_umount2, target, flags);
}

pid_t sys_clone3(struct clone_args *args, size_t size)
{
    return (pid_t)syscall(SYS_clone3, args, size);
}

int sys_execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
    return (int)syscall(SYS_execveat, dir, path, argv, envp, flags);
}

int sys_close_range(unsigned first, unsigned last, unsigned flags)
{
    return (int)syscall(SYS_close_range, first, last, flags);
}

int sys_pidfd_open(pid_t pid, unsigned flags)
{
    return (int)syscall(SYS_pidfd_open, pid, flags);
}

int sys_pidfd_send_signal(int pidfd, int sig, void *info, unsigned flags)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, info, flags);
}

int sys_faccessat2(int dir, const char *path, int mode, int flags)
{
    return (int)syscall(SYS_faccessat2, dir, path, mode, flags);
}

long sys_keyctl(int cmd, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    return syscall(SYS_keyctl, cmd, a, b, c, d);
}

int sys_seccomp(unsigned op, unsigned flags, void *args)
{
    return (int)syscall(SYS_seccomp, op, flags, args);
}

int sys_capset(void *header, void *data)
{
    return (int)syscall(SYS_capset, header, data);
}

int sys_capget(void *header, void *data)
{
    return (int)syscall(SYS_capget, header, data);
}

int sys_getgroups(size_t n, gid_t *groups)
{
    return (int)syscall(SYS_getgroups, n, groups);
}

int sys_setgroups(size_t n, const gid_t *groups)
{
    return (int)syscall(SYS_setgroups, n, groups);
}

int sys_sched_setattr(pid_t pid, void *attr, unsigned flags)
{
    return (int)syscall(SYS_sched_setattr, pid, attr, flags);
}

int sys_ioprio_set(int which, int who, int value)
{
    return (int)syscall(SYS_ioprio_set, which, who, value);
}

int sys_bpf(int cmd, void *attr, unsigned size)
{
    return (int)syscall(SYS_bpf, cmd, attr, size);
}
