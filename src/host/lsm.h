/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Linux security modules as the host side sees them: which is on, and whether a label is one. */
#ifndef HOST_LSM_H
#define HOST_LSM_H

#include "base/err.h"
#include "libocispec/types.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * lsm_flags - SETUP_APPARMOR, SETUP_SELINUX for the labels that are asked for
 * @p, @linux_config: of the configuration; either may be NULL
 * A label whose LSM is off gives a warning and no flag.
 */
uint32_t lsm_flags(const struct oci_process *p, const struct oci_linux *linux_config);

/** lsm_apparmor_enabled, lsm_selinux_enabled - whether the running kernel has it switched on;
 * SELinux without a policy is off: its labels mean nothing */
bool lsm_apparmor_enabled(void);
bool lsm_selinux_enabled(void);

#endif
