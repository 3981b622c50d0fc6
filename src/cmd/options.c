/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * getopt_long(3) does not know "-name" with one dash, which callers written for Go's flag package
 * use, and cannot say "stop at the first argument" for one command and "go on" for the next without
 * global state. The grammar is small, so it is written out here: find the row, find the value,
 * store it.
 *
 * The wording of a missing value is read by engines that probe for features: it holds both
 * "requires an argument" and "flag needs an argument: --NAME".
 */
#include "cmd/options.h"

#include "base/util.h"
#include "libocispec/ocispec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the parser is: words[next] is looked at next. */
struct parser {
    const struct options_syntax *syntax;
    void *options;
    char **words;
    unsigned n, next;
};

static const struct option_row *row_by_name(const struct option_row *rows, const char *name,
                                            size_t len)
{
    for (const struct option_row *row = rows; row->kind != OPTION_END; row++)
        if (strlen(row->name) == len && strncmp(row->name, name, len) == 0)
            return row;
    return NULL;
}

static const struct option_row *row_by_letter(const struct option_row *rows, char letter)
{
    for (const struct option_row *row = rows; row->kind != OPTION_END; row++)
        if (row->letter == letter)
            return row;
    return NULL;
}

static bool takes_value(const struct option_row *row)
{
    return row->kind == OPTION_TEXT || row->kind == OPTION_U32 || row->kind == OPTION_STRINGS ||
           row->kind == OPTION_CALL || row->kind == OPTION_IGNORED_VALUE;
}

/* See "ocirun create --help". */
static void hint_help(const struct parser *p, struct err *err)
{
    err_hint(err, "see \"ocirun %s%s--help\"", p->syntax->command ? p->syntax->command : "",
             p->syntax->command ? " " : "");
}

static int unknown_option(const struct parser *p, const char *word, struct err *err)
{
    struct oci_name list[64] = {0};
    struct oci_names names = {.what = "option", .list = list};
    const char *name = word + strspn(word, "-"), *nearest;
    char text[64];
    size_t n = 0;

    for (const struct option_row *row = p->syntax->rows; row->kind != OPTION_END; row++)
        if (row->help && n + 1 < ARRAY_SIZE(list))
            list[n++].name = row->name;
    snprintf(text, sizeof text, "%.*s", (int)strcspn(name, "="), name);
    nearest = oci_name_nearest(&names, text);

    err_set(err, 0, "unknown option %.*s", (int)strcspn(word, "="), word);
    if (nearest)
        return err_hint(err, "did you mean --%s?", nearest);
    hint_help(p, err);
    return -1;
}

int options_u32(const char *text, uint32_t *value)
{
    uint64_t number = 0;

    if (!*text)
        return -1;
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9')
            return -1;
        number = number * 10 + (uint64_t)(*c - '0');
        if (number >= UINT32_MAX)
            return -1;
    }
    *value = (uint32_t)number;
    return 0;
}

static const struct oci_names truth_names = {
    .list =
        (const struct oci_name[]){
            {"true", 1},
            {"yes", 1},
            {"1", 1},
            {"t", 1},
            {"True", 1},
            {"TRUE", 1},
            {"false", 0},
            {"no", 0},
            {"0", 0},
            {"f", 0},
            {"False", 0},
            {"FALSE", 0},
            {NULL, 0},
        },
};

/* The spellings that Go's flag package takes, and crun's yes and no. Returns 1, 0 or -1. */
static int truth(const char *text)
{
    return oci_name_value(&truth_names, text);
}

static int store_flag(const struct option_row *row, void *field, const char *value, struct err *err)
{
    int yes = value ? truth(value) : 1;

    if (yes < 0)
        return err_set(err, 0, "--%s: \"%s\" is neither true nor false", row->name, value);
    if (row->kind == OPTION_FLAG)
        *(bool *)field = yes;
    else if (row->kind == OPTION_TRISTATE)
        *(int *)field = yes;
    return 0;
}

static int store_auto(const struct option_row *row, int *field, const char *value, struct err *err)
{
    int yes = value ? truth(value) : 1;

    if (yes < 0 && strcmp(value, "auto") != 0)
        return err_set(err, 0, "--%s: \"%s\" is not one of true, false and auto", row->name, value);
    *field = yes;
    return 0;
}

static int store_strings(struct parser *p, const struct option_row *row, const char *value,
                         struct err *err)
{
    const char ***list = (const char ***)((char *)p->options + row->offset);
    size_t *n = (size_t *)((char *)p->options + row->count_offset);

    /* No option can be given more often than there are words. */
    if (!*list)
        *list = calloc(p->n + 1, sizeof **list);
    if (!*list)
        return err_set(err, ENOMEM, "--%s", row->name);
    (*list)[(*n)++] = value;
    return 0;
}

static int store(struct parser *p, const struct option_row *row, const char *value, struct err *err)
{
    void *field = (char *)p->options + row->offset;

    switch (row->kind) {
    case OPTION_FLAG:
    case OPTION_TRISTATE:
    case OPTION_IGNORED:
        return store_flag(row, field, value, err);
    case OPTION_AUTO:
        return store_auto(row, field, value, err);
    case OPTION_TEXT:
        *(const char **)field = value;
        return 0;
    case OPTION_U32:
        if (options_u32(value, field) < 0)
            return err_set(err, 0, "--%s: \"%s\" is not a number", row->name, value);
        return 0;
    case OPTION_STRINGS:
        return store_strings(p, row, value, err);
    case OPTION_CALL:
        if (row->parse(p->options, value, err) < 0)
            return err_context(err, "--%s", row->name);
        return 0;
    case OPTION_IGNORED_VALUE:
    case OPTION_END:
        break;
    }
    return 0;
}

/* Store @row with the value @value, or with the next word if it needs one and @value is NULL. */
static int take(struct parser *p, const struct option_row *row, const char *value, struct err *err)
{
    if (!value && takes_value(row)) {
        if (p->next == p->n) {
            err_set(err, 0, "option --%s requires an argument (flag needs an argument: --%s)",
                    row->name, row->name);
            hint_help(p, err);
            return -1;
        }
        value = p->words[p->next++];
    }
    if (!value && row->kind == OPTION_AUTO && p->next < p->n &&
        (strcmp(p->words[p->next], "auto") == 0 || truth(p->words[p->next]) >= 0))
        value = p->words[p->next++];
    return store(p, row, value, err);
}

/* "-dt", "-u1000", "-b DIR"; @word begins after the dash. */
static int take_letters(struct parser *p, const char *word, struct err *err)
{
    for (const char *c = word; *c; c++) {
        const struct option_row *row = row_by_letter(p->syntax->rows, *c);

        if (!row && (*c == 'h' || *c == '?'))
            return 1;
        if (!row)
            return unknown_option(p, word - 1, err);
        if (takes_value(row) || c[1] == '=')
            return take(p, row, c[1] ? c + 1 + (c[1] == '=') : NULL, err);
        if (take(p, row, NULL, err) < 0)
            return -1;
    }
    return 0;
}

static int take_word(struct parser *p, const char *word, struct err *err)
{
    bool two_dashes = word[1] == '-';
    const char *name = word + 1 + two_dashes, *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const struct option_row *row =
        len > 1 || two_dashes ? row_by_name(p->syntax->rows, name, len) : NULL;

    if (row)
        return take(p, row, equals ? equals + 1 : NULL, err);
    if ((len == 4 && strncmp(name, "help", len) == 0) || strcmp(word, "--usage") == 0)
        return 1;
    if (two_dashes)
        return unknown_option(p, word, err);
    return take_letters(p, name, err);
}

static int check_count(const struct parser *p, unsigned n, struct err *err)
{
    const struct options_syntax *s = p->syntax;

    if (n >= s->min && n <= s->max)
        return 0;
    if (s->max == 0)
        err_set(err, 0, "takes no arguments, but %u %s given", n, n == 1 ? "is" : "are");
    else
        err_set(err, 0, "requires %s %u argument%s (%s), but %u %s given",
                s->min == s->max ? "exactly"
                : n < s->min     ? "at least"
                                 : "at most",
                n < s->min ? s->min : s->max, (n < s->min ? s->min : s->max) == 1 ? "" : "s",
                s->arguments, n, n == 1 ? "is" : "are");
    hint_help(p, err);
    return -1;
}

int options_parse(const struct options_syntax *syntax, void *options, int argc, char **argv,
                  struct arguments *args, struct err *err)
{
    struct parser p = {
        .syntax = syntax,
        .options = options,
        .words = argv + 1,
        .n = argc > 0 ? (unsigned)argc - 1 : 0,
    };

    *args = (struct arguments){.list = p.words};
    while (p.next < p.n) {
        char *word = p.words[p.next++];
        int r;

        if (word[0] != '-' || !word[1]) {
            /* Before p.next, so nothing that is still to be read is overwritten. */
            args->list[args->n++] = word;
            if (syntax->options_end_at_id)
                break;
            continue;
        }
        if (strcmp(word, "--") == 0)
            break;
        r = take_word(&p, word, err);
        if (r > 0 && syntax->command)
            options_help(syntax);
        if (r != 0)
            return r;
    }
    while (p.next < p.n)
        args->list[args->n++] = p.words[p.next++];
    args->list[args->n] = NULL;
    return check_count(&p, args->n, err);
}

static void help_row(const struct option_row *row)
{
    char left[64];

    if (!row->help)
        return;
    snprintf(left, sizeof left, "%c%c%c --%s%s%s", row->letter ? '-' : ' ',
             row->letter ? row->letter : ' ', row->letter ? ',' : ' ', row->name,
             row->value ? " " : "", row->value ? row->value : "");
    printf("  %-32s %s\n", left, row->help);
}

void options_help_rows(const struct option_row *rows)
{
    static const struct option_row help = {
        .name = "help", .letter = 'h', .help = "print this text"};

    for (const struct option_row *row = rows; row->kind != OPTION_END; row++)
        help_row(row);
    help_row(&help);
}

void options_help(const struct options_syntax *syntax)
{
    printf("usage: ocirun [GLOBAL OPTIONS] %s [OPTIONS] %s\n\n%s\n\noptions:\n", syntax->command,
           syntax->arguments, syntax->summary);
    options_help_rows(syntax->rows);
}
