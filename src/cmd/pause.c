/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ocirun pause, ocirun resume: stop all processes of a container where they are, and let them go
 * on. */
#include "cmd/cmd.h"

static const struct option_row rows[] = {
    OPT_END,
};

static const struct options_syntax pause_syntax = {
    .command = "pause",
    .arguments = "ID",
    .summary = "Freeze all processes of a running container.",
    .rows = rows,
    .min = 1,
    .max = 1,
};

static const struct options_syntax resume_syntax = {
    .command = "resume",
    .arguments = "ID",
    .summary = "Let the processes of a paused container go on.",
    .rows = rows,
    .min = 1,
    .max = 1,
};

int cmd_pause(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    struct arguments args;
    int r = options_parse(&pause_syntax, NULL, argc, argv, &args, err);

    (void)status;
    return r != 0 ? r : container_pause(rt, args.list[0], err);
}

int cmd_resume(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    struct arguments args;
    int r = options_parse(&resume_syntax, NULL, argc, argv, &args, err);

    (void)status;
    return r != 0 ? r : container_resume(rt, args.list[0], err);
}
