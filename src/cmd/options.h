/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Command line options as tables. One row an option; the parser, the help text and the "did you
 * mean" of error messages read the same rows.
 */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_kind {
    OPTION_END,
    OPTION_FLAG,     /* bool; --name, --name=true, --name=false */
    OPTION_TRISTATE, /* int, preset by the caller; as OPTION_FLAG sets 1 or 0 */
    OPTION_AUTO,     /* int; true, false or auto (1, 0, -1), also as the next argument; alone: 1 */
    OPTION_TEXT,     /* const char * into argv; the last one wins */
    OPTION_U32,      /* uint32_t, decimal */
    OPTION_STRINGS,  /* const char **, size_t: every one of them; the caller frees the array */
    OPTION_CALL,     /* a value for .parse */
    OPTION_IGNORED,  /* accepted for other runtimes' sake: a flag */
    OPTION_IGNORED_VALUE, /* the same with a value */
};

struct option_row {
    const char *name; /* long name */
    char letter;      /* short name, or 0 */
    enum option_kind kind;
    size_t offset;       /* in the struct given to options_parse() */
    size_t count_offset; /* OPTION_STRINGS */
    const char *value;   /* what the help calls the value: "DIR"; NULL: takes none */
    const char *help;    /* NULL: accepted, but not shown */
    int (*parse)(void *options, const char *value, struct err *err);
};

/* Rows: struct, member, long name, short name or 0, what the value is called, help. */
/* clang-format off */
#define OPTION_ROW_(s, m, k, n, l, h)                                                              \
    .name = (n), .letter = (l), .kind = (k), .offset = offsetof(s, m), .help = (h)
#define OPT_FLAG(s, m, n, l, h) { OPTION_ROW_(s, m, OPTION_FLAG, n, l, h) }
#define OPT_TRISTATE(s, m, n, l, h) { OPTION_ROW_(s, m, OPTION_TRISTATE, n, l, h) }
#define OPT_AUTO(s, m, n, v, h) { OPTION_ROW_(s, m, OPTION_AUTO, n, 0, h), .value = (v) }
#define OPT_TEXT(s, m, n, l, v, h) { OPTION_ROW_(s, m, OPTION_TEXT, n, l, h), .value = (v) }
#define OPT_U32(s, m, n, v, h) { OPTION_ROW_(s, m, OPTION_U32, n, 0, h), .value = (v) }
#define OPT_STRINGS(s, m, n, l, v, h)                                                              \
    { OPTION_ROW_(s, m, OPTION_STRINGS, n, l, h), .count_offset = offsetof(s, m##_n), .value = (v) }
#define OPT_CALL(f, n, l, v, h)                                                                    \
    { .name = (n), .letter = (l), .kind = OPTION_CALL, .value = (v), .help = (h), .parse = (f) }
#define OPT_IGNORED(n) { .name = (n), .kind = OPTION_IGNORED }
#define OPT_IGNORED_VALUE(n) { .name = (n), .kind = OPTION_IGNORED_VALUE }
#define OPT_END { .kind = OPTION_END }
/* clang-format on */

struct options_syntax {
    const char *command;   /* "create"; NULL: global options */
    const char *arguments; /* "ID [SIGNAL]" */
    const char *summary;   /* a sentence or two for the help */
    const struct option_row *rows;
    unsigned min, max;      /* how many arguments that are no options */
    bool options_end_at_id; /* what follows the first argument belongs to somebody else (exec) */
};

struct arguments {
    char **list; /* in argv, terminated by NULL */
    unsigned n;
};

/**
 * options_parse - parse the options of a command
 * @syntax:  its table
 * @options: the struct that the rows point into
 * @argc, @argv: argv[0] is the command's name; reordered
 * @args:    the arguments that are no options
 *
 * Both families of grammar are accepted: --name VALUE, --name=VALUE, -name VALUE, -name=VALUE, -n
 * VALUE, -nVALUE, flags run together (-dt), "--" for the end of the options; an option that is
 * repeated counts as given last.
 *
 * Returns 0, 1 when --help was given (printed, but for global options), or -1.
 */
int options_parse(const struct options_syntax *syntax, void *options, int argc, char **argv,
                  struct arguments *args, struct err *err);

/** options_help - print the help of a command on standard output */
void options_help(const struct options_syntax *syntax);

/** options_help_rows - only the lines about the options */
void options_help_rows(const struct option_row *rows);

/**
 * options_u32 - a number in decimal digits and nothing else, up to 4294967294: (uid_t)-1 is no id
 * Returns 0 or -1; no text is set.
 */
int options_u32(const char *text, uint32_t *value);

#endif
