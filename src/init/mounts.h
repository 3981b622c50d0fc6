/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of init that mount share with each other: rootfs, mounts, tmpcopyup, cgroup_mount.
 */
#ifndef INIT_MOUNTS_H
#define INIT_MOUNTS_H

#include "init/init.h"

/**
 * init_mounts_open_sources - make the bind sources that the host side could not make
 * Called before the rootfs is attached, while host paths still mean what the user meant. Fills
 * in->sources and in->source_is_dir.
 */
int init_mounts_open_sources(struct init *in, struct err *err);

/** init_mounts_sources_are_plain - open_tree is refused here: sources are O_PATH fds, not clones */
bool init_mounts_sources_are_plain(void);

/** init_devices_open_sources - the same as init_mounts_open_sources() for devices that are bound */
int init_devices_open_sources(struct init *in, struct err *err);

/** init_mounts_late_readonly - make read-only what others still had to write to (tmpfs, /dev) */
int init_mounts_late_readonly(struct init *in, struct err *err);

/** init_mounts_procfs - the procfs handle for fallbacks of base/mount: our own, or the machine's */
int init_mounts_procfs(const struct init *in);

/**
 * init_masks_mounted - tell masks.c of a mount of mounts[]; it keeps a handle of /proc and of /sys
 * @place: where in the container, cleaned
 * @fd:    root of the attached mount; stays the caller's
 */
int init_masks_mounted(const char *place, int fd, struct err *err);

/**
 * init_mounts_attach - mount_attach() of what the machine is not to see, whatever it is put on
 * A bind that is shared (the configuration says so) has peers in the machine's mount namespace: see
 * mount_attach_alone(). @object's fd stays open in any case.
 *
 * init_mounts_attach_entry - the same for an entry of mounts[]; where the kernel cannot do it, the
 * machine sees the mount: two entries, one shared and one on it, are what was asked for
 */
int init_mounts_attach(struct init *in, struct mount_object *object, int target, struct err *err);
int init_mounts_attach_entry(struct init *in, struct mount_object *object, int target,
                             struct err *err);

/**
 * init_mounts_host_clone - a detached clone of a directory of the host's tree
 * @path: absolute, without the container's doing in it ("/sys"); only before pivot_root
 * @out:  filled; .plain when the kernel refuses open_tree
 * Resolved below an fd of the namespace's first root.
 */
int init_mounts_host_clone(const char *path, bool recursive, struct mount_object *out,
                           struct err *err);

/**
 * init_mounts_open_source - a clone of a host path, or where open_tree is refused an O_PATH fd of
 * it (from then on init_mounts_sources_are_plain()). Returns the fd, or -1.
 */
int init_mounts_open_source(const char *path, bool recursive, bool nofollow, struct err *err);

/**
 * init_cgroup_mount - a mount of type cgroup or cgroup2
 * @target: O_PATH fd of the directory
 * @o:      its options; data is ignored
 */
int init_cgroup_mount(struct init *in, const char *type, int target, const struct mount_options *o,
                      struct err *err);

/**
 * init_tmpcopyup - copy what a directory holds into another, by fds
 * @from: directory fd (O_PATH serves); nothing is followed out of it
 * @to:   directory fd, empty
 * @procfs: verified procfs fd
 * Modes, owners, times, extended attributes (those that @to can hold), links and nodes are kept.
 */
int init_tmpcopyup(int from, int to, int procfs, struct err *err);

#endif
