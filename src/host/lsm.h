/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Linux security modules as the host side sees them: which is on, and whether a label is one. */
#ifndef HOST_LSM_H
#define HOST_LSM_H

#include "base/err.h"
#include "libocispec/types.h"

#include <stdbool.h>
#include <stdint.h>

/** lsm_flags - SETUP_APPARMOR, SETUP_SELINUX for the labels that the process asks for; a label
 * whose LSM is off gives a warning and no flag. @p may be NULL. */
uint32_t lsm_flags(const struct oci_process *p);

/** lsm_check_mount_label - warn when linux.mountLabel will have no effect; @label may be NULL */
void lsm_check_mount_label(const char *label);

/** lsm_apparmor_enabled, lsm_selinux_enabled - whether the running kernel enforces it */
bool lsm_apparmor_enabled(void);
bool lsm_selinux_enabled(void);

#endif
