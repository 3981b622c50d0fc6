/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What several commands use. */
#include "cmd/cmd.h"

#include <stdio.h>

int cmd_print(const char *text, size_t len, struct err *err)
{
    if (fwrite(text, 1, len, stdout) != len || fflush(stdout) != 0)
        return err_errno(err, "write to standard output");
    return 0;
}

int cmd_unsupported(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    (void)rt;
    (void)argc;
    (void)status;
    return err_set(err, 0, "%s is not supported yet", argv[0]);
}
