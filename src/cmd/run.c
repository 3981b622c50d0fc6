/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ocirun run: create, start, wait, delete. */
#include "cmd/cmd.h"

static const struct option_row rows[] = {
    OPT_FLAG(struct create_options, detach, "detach", 'd', "return when the program runs"),
    OPT_FLAG(struct create_options, keep, "keep", 0,
             "do not delete the container when the program ends"),
    CREATE_OPTION_ROWS,
    OPT_END,
};

static const struct options_syntax syntax = {
    .command = "run",
    .arguments = "ID",
    .summary =
        "Make a container from a bundle, start it, wait for its end and delete it. The exit\n"
        "status is the program's, or 128 and the number of the signal that ended it.",
    .rows = rows,
    .min = 1,
    .max = 1,
};

int cmd_run(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    struct create_options o = {0};
    struct arguments args;
    int r = options_parse(&syntax, &o, argc, argv, &args, err);

    if (r != 0)
        return r;
    o.id = args.list[0];
    return container_run(rt, &o, status, err);
}
