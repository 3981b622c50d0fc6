/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mounts by file descriptor, with one fallback for kernels and filters without a call. The unit is
 * struct mount_object: a mount that is not attached yet, or, where the kernel cannot do that, what
 * is needed to make it at the moment of attaching.
 */
#ifndef BASE_MOUNT_H
#define BASE_MOUNT_H

#include "base/err.h"
#include "libocispec/types.h"

#include <stdbool.h>
#include <stdint.h>

/* What the options of one mount mean; filled by mount_options_parse(). */
struct mount_options {
    bool bind, recursive; /* bind, rbind */
    bool remount;
    uint64_t set, clear;         /* MOUNT_ATTR_* of the mount itself; explicit ones only */
    uint64_t rec_set, rec_clear; /* the r… options: AT_RECURSIVE */
    unsigned long sb_set,
        sb_clear; /* MS_* of the superblock: sync dirsync mand lazytime iversion silent ro */
    uint32_t propagation[4]; /* enum oci_propagation in order; propagation_n of them */
    unsigned propagation_n;
    bool tmpcopyup;
    bool copy_symlink, src_nofollow, dest_nofollow; /* crun's extensions */
    bool idmap, ridmap;
    const char *idmap_value; /* text after "idmap=" or "ridmap=", NULL if none */
    const char *
        *data; /* filesystem's own options, NULL-terminated, in order; points into the input */
    size_t data_n;
};

/**
 * mount_options_parse - give the option strings of mounts[] their meaning (config.md#mounts)
 * @options: @n strings
 * @arena:   for .data
 * Later options override earlier opposites. What is not known goes to .data.
 * Returns 0, or -1 (too many propagation options, memory).
 */
struct oci_arena;
int mount_options_parse(const char *const *options, size_t n, struct oci_arena *arena,
                        struct mount_options *out, struct err *err);

/** mount_option_names - the names that are filesystem-independent, for `features`, NULL-terminated
 */
const char *const *mount_option_names(void);

/* A mount that is not attached yet. */
struct mount_object {
    int fd;         /* detached mount; -1: mount_attach() makes it with mount(2) */
    bool plain;     /* .fd is an O_PATH fd of the bind source, not a clone of it (the kernel
                       refused open_tree); mount_attach() binds it with mount(2) */
    bool recursive; /* .plain: with everything mounted below */
    const char *type, *source; /* fallback: arguments of mount(2) */
    unsigned long flags;
    char data[4096];
};

/**
 * mount_new - a new filesystem, not attached: fsopen, fsconfig, fsmount
 * @type:   filesystem
 * @source: NULL or the source
 * @o:      flags and data; its recursive attributes count too (one mount is the whole tree)
 * When the kernel refuses fsopen (ENOSYS, EPERM of a filter), or a value is longer than fsconfig(2)
 * takes (255 bytes), @out records everything and mount_attach() uses mount(2).
 * Returns 0 with @out filled, or -1 with the kernel's own message (fscontext log) in the text.
 */
int mount_new(const char *type, const char *source, const struct mount_options *o,
              struct mount_object *out, struct err *err);

/**
 * mount_clone - a detached clone of what is at an fd or path: open_tree(OPEN_TREE_CLONE)
 * @dir, @path: as openat(2); path "" with AT_EMPTY_PATH semantics clones @dir itself
 * @recursive: with everything mounted below it (AT_RECURSIVE)
 * @nofollow:  do not follow a link in the last component
 * Returns the fd, or -1.
 */
int mount_clone(int dir, const char *path, bool recursive, bool nofollow, struct err *err);

/**
 * mount_set_attr - set and clear MOUNT_ATTR_* of a detached or attached mount given by fd
 * @recursive: of the whole tree
 * @procfs:    for the fallback, or -1 while the mount is detached
 * A read-only that the kernel has locked (EPERM in a user namespace: mount_namespaces(7)) stays.
 * When mount_setattr is missing: for an attached mount a bind remount through @procfs that keeps
 * the flags that are there; recursive changes are refused by name (ENOSYS).
 */
int mount_set_attr(int fd, bool recursive, uint64_t set, uint64_t clear, int procfs,
                   struct err *err);

/** mount_set_propagation - MS_PRIVATE, MS_SHARED, … (enum oci_propagation) of the mount at @fd; the
 * same fallback. */
int mount_set_propagation(int fd, enum oci_propagation propagation, int procfs, struct err *err);

/** mount_propagation_flags - MS_SHARED, …; @recursive is set for the r… kinds. 0 for UNSET. */
unsigned long mount_propagation_flags(enum oci_propagation propagation, bool *recursive);

/**
 * mount_reconfigure - flags and data of the superblock mounted at @fd, and the mount's own flags
 * @procfs: verified procfs fd
 * "ro" and "rw" are the mount's alone: the file system may have other users. Where fspick(2) is not
 * to be had, a mount that is read-only is refused (ENOSYS).
 */
int mount_reconfigure(int fd, const struct mount_options *o, int procfs, struct err *err);

/**
 * mount_attach - put a detached mount on @target: move_mount(2)
 * @object: from mount_new() or with .fd from mount_clone(); consumed: its fd stays open and is then
 * the root of the attached mount (callers keep it, or close it)
 * @target: O_PATH fd
 * @procfs: verified procfs fd for the fallback through mount(2) on self/fd/N, or -1
 * After the fallback object->fd is an O_PATH fd of the new mount's root.
 */
int mount_attach(struct mount_object *object, int target, int procfs, struct err *err);

/**
 * mount_attach_alone - mount_attach() in this mount namespace and no other: when @target lies on a
 * shared mount, its peers do not get the new one
 * @procfs: verified procfs fd, also to look up the mount; its path has to be right for our "/"
 * The mount of @target is in its peer group again afterwards. errnum EOPNOTSUPP, and nothing
 * attached, where the kernel cannot do that (before 5.15).
 */
int mount_attach_alone(struct mount_object *object, int target, int procfs, struct err *err);

/** mount_statfs_magic - f_type of the filesystem at @fd, or -1 */
long mount_statfs_magic(int fd);

#endif
