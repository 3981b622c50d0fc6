/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ocirun kill: a signal for a container's process, or for all of them. */
#include "base/proc.h"
#include "cmd/cmd.h"

#include <signal.h>

struct kill_options {
    bool all, regex;
    int signal;
};

static const struct option_row rows[] = {
    OPT_FLAG(struct kill_options, all, "all", 'a', "every process of the container"),
    OPT_FLAG(struct kill_options, regex, "regex", 'r',
             "ID is a regular expression: all that match"),
    OPT_END,
};

static const struct options_syntax syntax = {
    .command = "kill",
    .arguments = "ID [SIGNAL]",
    .summary =
        "Send a signal to a container's first process. SIGNAL is a number or a name, with or\n"
        "without SIG: 9, KILL, SIGKILL, RTMIN+3. The default is TERM.",
    .rows = rows,
    .min = 1,
    .max = 2,
};

static int kill_one(const struct runtime *rt, const char *id, const void *data, struct err *err)
{
    const struct kill_options *o = data;

    return container_kill(rt, id, o->signal, o->all, err);
}

int cmd_kill(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    struct kill_options o = {.signal = SIGTERM};
    struct arguments args;
    int r = options_parse(&syntax, &o, argc, argv, &args, err);

    (void)status;
    if (r != 0)
        return r;
    if (args.n > 1 && (o.signal = proc_signal_number(args.list[1])) < 0)
        return err_set(err, 0, "unknown signal \"%s\"", args.list[1]);
    return o.regex ? cmd_each_matching(rt, args.list[0], kill_one, &o, err)
                   : kill_one(rt, args.list[0], &o, err);
}
