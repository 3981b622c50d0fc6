/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bind mounts, and what they share with the other entries of mounts[]. */
#ifndef INIT_BIND_H
#define INIT_BIND_H

#include "init/init.h"

/** init_bind - carry out the bind mount mounts[@i]; @o is its options, and may be changed */
int init_bind(struct init *in, size_t i, struct mount_options *o, struct err *err);

/** init_bind_readonly_later - keep @fd, which becomes read-only when everything inside is made
 * (init_mounts_late_readonly()) */
int init_bind_readonly_later(struct init *in, int fd, struct err *err);

/** init_bind_propagation - set the propagation that the options ask for on the attached @fd */
int init_bind_propagation(struct init *in, const struct mount_options *o, int fd, struct err *err);

#endif
