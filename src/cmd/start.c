/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ocirun start: the program of a created container. */
#include "cmd/cmd.h"

static const struct option_row rows[] = {
    OPT_END,
};

static const struct options_syntax syntax = {
    .command = "start",
    .arguments = "ID",
    .summary = "Execute the program of a container that was created. Returns when it runs.",
    .rows = rows,
    .min = 1,
    .max = 1,
};

int cmd_start(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    struct arguments args;
    int r = options_parse(&syntax, NULL, argc, argv, &args, err);

    (void)status;
    return r != 0 ? r : container_start(rt, args.list[0], err);
}
