/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ocirun delete: remove what create made. */
#include "cmd/cmd.h"

struct delete_options {
    bool force, regex;
};

static const struct option_row rows[] = {
    OPT_FLAG(struct delete_options, force, "force", 'f',
             "kill it first; no error if it does not exist"),
    OPT_FLAG(struct delete_options, regex, "regex", 'r',
             "ID is a regular expression: all that match"),
    OPT_END,
};

static const struct options_syntax syntax = {
    .command = "delete",
    .arguments = "ID",
    .summary = "Remove a container that has stopped, or one that was created and never started.",
    .rows = rows,
    .min = 1,
    .max = 1,
};

static int delete_one(const struct runtime *rt, const char *id, const void *data, struct err *err)
{
    const struct delete_options *o = data;

    return container_delete(rt, id, o->force, err);
}

int cmd_delete(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    struct delete_options o = {0};
    struct arguments args;
    int r = options_parse(&syntax, &o, argc, argv, &args, err);

    (void)status;
    if (r != 0)
        return r;
    return o.regex ? cmd_each_matching(rt, args.list[0], delete_one, &o, err)
                   : delete_one(rt, args.list[0], &o, err);
}
