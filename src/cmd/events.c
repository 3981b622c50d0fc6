/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ocirun events: statistics and OOM kills of a container, a JSON object a line. */
#include "cmd/cmd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct events_options {
    int interval; /* milliseconds */
    bool stats;
};

/* As Go writes durations: 5s, 1.5s, 500ms, 1m30s; a number alone is seconds. */
static int parse_interval(void *options, const char *value, struct err *err)
{
    static const struct {
        const char *name;
        int milliseconds;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    struct events_options *o = options;
    double sum = 0;

    for (const char *p = value; *p || p == value;) {
        char *end;
        /* Not what strtod(3) takes as well: signs, hexadecimal digits, "inf". */
        size_t digits = strspn(p, "0123456789.");
        double n = strtod(p, &end);
        int unit = *end ? 0 : 1000;
        size_t len = strspn(end, "hms");

        for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
            if (len == strlen(units[i].name) && strncmp(end, units[i].name, len) == 0)
                unit = units[i].milliseconds;
        }
        if (digits == 0 || end != p + digits || unit == 0)
            return err_set(err, 0, "\"%s\" is not a time like 5s or 500ms", value);
        sum += n * unit;
        p = end + len;
    }
    if (sum < 1 || sum > INT_MAX)
        return err_set(err, 0, "\"%s\" is not a time like 5s or 500ms", value);
    o->interval = (int)sum;
    return 0;
}

static const struct option_row rows[] = {
    OPT_CALL(parse_interval, "interval", 0, "TIME", "time between statistics (default: 5s)"),
    OPT_FLAG(struct events_options, stats, "stats", 0, "print statistics once, and end"),
    OPT_END,
};

static const struct options_syntax syntax = {
    .command = "events",
    .arguments = "ID",
    .summary = "Print statistics and OOM kills of a container, a JSON object a line, until it "
               "stops.",
    .rows = rows,
    .min = 1,
    .max = 1,
};

/* Each line at once: somebody waits for it. */
static int print_line(const char *text, size_t len, struct err *err)
{
    fwrite(text, 1, len, stdout);
    return cmd_print("\n", 1, err);
}

int cmd_events(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    struct events_options o = {.interval = 5000};
    struct arguments args;
    int r = options_parse(&syntax, &o, argc, argv, &args, err);

    (void)status;
    if (r != 0)
        return r;
    return container_events(rt, args.list[0], o.stats ? 0 : o.interval, print_line, err);
}
