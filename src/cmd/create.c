/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ocirun create: a container that waits for start. */
#include "cmd/cmd.h"

static const struct option_row rows[] = {
    CREATE_OPTION_ROWS,
    OPT_END,
};

static const struct options_syntax syntax = {
    .command = "create",
    .arguments = "ID",
    .summary =
        "Make a container from a bundle. Everything is set up but the program, which \"ocirun\n"
        "start\" executes.",
    .rows = rows,
    .min = 1,
    .max = 1,
};

int cmd_create(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    struct create_options o = {0};
    struct arguments args;
    int r = options_parse(&syntax, &o, argc, argv, &args, err);

    (void)status;
    if (r != 0)
        return r;
    o.id = args.list[0];
    return container_create(rt, &o, err);
}
