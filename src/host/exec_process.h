/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process document of exec. */
#ifndef HOST_EXEC_PROCESS_H
#define HOST_EXEC_PROCESS_H

#include "base/err.h"
#include "host/container.h"

/**
 * exec_process_make - what exec is to run
 * @dir:    the container's state directory: its snapshot is read for .config
 * @config: filled from the snapshot
 * @out:    the --process file, or the container's process changed by the options
 */
int exec_process_make(int dir, struct oci_arena *arena, const struct exec_options *o,
                      struct oci_config *config, struct oci_process *out, struct err *err);

#endif
