/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Getting inside: namespaces, cgroup, configuration. Steps of init.c's tables. */
#ifndef INIT_ENTER_H
#define INIT_ENTER_H

#include "init/init.h"

int init_enter_namespaces(void *init, struct err *err); /* join, unshare, maps, fork */
int init_enter_cgroup(void *init, struct err *err);     /* wait for it, then CLONE_NEWCGROUP */
int init_enter_root(void *init, struct err *err);       /* exec: the container's root and procfs */
int init_read_config(void *init, struct err *err);      /* decode the snapshot */
int init_take_sources(void *init, struct err *err);     /* mount sources from the host side */
int init_take_seccomp(void *init, struct err *err);     /* the compiled filter from the host side */

int init_forget_host(void *init, struct err *err); /* close what leads out of the container */

/** init_arm_death_signal - die with the host side: PR_SET_PDEATHSIG, and a look whether it is gone
 * already. To be repeated after execve and after a change of credentials, which clear it. */
int init_arm_death_signal(struct init *in, struct err *err);

#endif
