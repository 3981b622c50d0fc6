/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ocirun list: the containers below the root, as a table for people or as JSON.
 *
 * The owner's name is looked up in /etc/passwd itself, not by getpwuid(3): that would load what
 * nsswitch.conf names into a privileged process, for the sake of one column.
 */
#include "base/util.h"
#include "cmd/cmd.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

struct list_options {
    const char *format;
    bool quiet;
};

static const struct option_row rows[] = {
    OPT_TEXT(struct list_options, format, "format", 'f', "FORMAT", "table (default) or json"),
    OPT_FLAG(struct list_options, quiet, "quiet", 'q', "ids only"),
    OPT_END,
};

static const struct options_syntax syntax = {
    .command = "list",
    .arguments = "",
    .summary = "List the containers below the root directory.",
    .rows = rows,
};

enum { COLUMNS = 6 };

/* The name of the user in /etc/passwd, or @uid as it is. */
static const char *name_of(const char *uid, struct oci_arena *arena)
{
    const char *name = NULL;
    struct passwd *entry;
    uint32_t number;
    FILE *file;

    if (options_u32(uid, &number) < 0)
        return uid;
    file = fopen("/etc/passwd", "re");
    if (!file)
        return uid;
    while (!name && (entry = fgetpwent(file))) {
        if (entry->pw_uid == number)
            name = oci_strdup(arena, entry->pw_name);
    }
    fclose(file);
    return name ? name : uid;
}

/* Mostly they are all of one user: the file is read once for that. */
static void name_owners(struct oci_state *states, size_t n, struct oci_arena *arena)
{
    const char *uid = NULL, *name = NULL;

    for (size_t i = 0; i < n; i++) {
        if (!states[i].owner)
            continue;
        if (!uid || strcmp(uid, states[i].owner) != 0) {
            uid = states[i].owner;
            name = name_of(uid, arena);
        }
        states[i].owner = name;
    }
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static void row_of(const struct oci_state *state, char *pid, size_t size, const char *row[COLUMNS])
{
    const char *status = oci_name_of(&oci_status_names, state->status);

    snprintf(pid, size, "%lld", (long long)(state->pid.set ? state->pid.value : 0));
    row[0] = state->id;
    row[1] = pid;
    row[2] = or_empty(status);
    row[3] = or_empty(state->bundle);
    row[4] = or_empty(state->created);
    row[5] = or_empty(state->owner);
}

/* Columns as wide as their longest entry and three, at least twelve: as scripts that cut them
 * expect. */
static int print_table(const struct oci_state *states, size_t n, struct err *err)
{
    const char *row[COLUMNS] = {"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"};
    int width[COLUMNS] = {12, 12, 12, 12, 12, 0};
    char pid[24];

    for (size_t i = 0; i < n; i++) {
        const char *cells[COLUMNS];

        row_of(&states[i], pid, sizeof pid, cells);
        for (size_t c = 0; c + 1 < COLUMNS; c++)
            if ((int)strlen(cells[c]) + 3 > width[c])
                width[c] = (int)strlen(cells[c]) + 3;
    }
    for (size_t i = 0; i <= n; i++) {
        for (size_t c = 0; c < COLUMNS; c++)
            printf("%-*s", width[c], row[c]);
        putchar('\n');
        if (i < n)
            row_of(&states[i], pid, sizeof pid, row);
    }
    return cmd_print("", 0, err);
}

static int print_json(const struct oci_state *states, size_t n, struct err *err)
{
    size_t len;
    _cleanup_free_ char *text =
        oci_encode_array(&oci_state_table, states, n, OCI_STYLE_COMPACT, &len);

    if (!text)
        return err_set(err, ENOMEM, "print the list");
    fwrite(text, 1, len, stdout);
    return cmd_print("\n", 1, err);
}

static int list(const struct runtime *rt, const struct list_options *o, struct oci_arena *arena,
                struct err *err)
{
    struct oci_state *states = NULL;
    size_t n = 0;

    if (container_list(rt, arena, &states, &n, err) < 0)
        return -1;
    if (o->quiet) {
        for (size_t i = 0; i < n; i++)
            puts(states[i].id);
        return cmd_print("", 0, err);
    }
    name_owners(states, n, arena);
    return strcmp(o->format, "json") == 0 ? print_json(states, n, err)
                                          : print_table(states, n, err);
}

int cmd_list(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    struct list_options o = {.format = "table"};
    struct oci_arena *arena;
    struct arguments args;
    int r = options_parse(&syntax, &o, argc, argv, &args, err);

    (void)status;
    if (r != 0)
        return r;
    if (strcmp(o.format, "table") != 0 && strcmp(o.format, "json") != 0)
        return err_set(err, 0, "--format: \"%s\" is neither table nor json", o.format);
    arena = oci_arena_new();
    if (!arena)
        return err_set(err, ENOMEM, "list the containers");
    r = list(rt, &o, arena, err);
    oci_arena_free(arena);
    return r;
}
