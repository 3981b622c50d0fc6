/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ocirun state: the state object of one container, runtime.md#query-state. */
#include "base/util.h"
#include "cmd/cmd.h"

#include <errno.h>

static const struct option_row rows[] = {
    OPT_END,
};

static const struct options_syntax syntax = {
    .command = "state",
    .arguments = "ID",
    .summary = "Print the state of a container as JSON.",
    .rows = rows,
    .min = 1,
    .max = 1,
};

static int print_state(const struct oci_state *state, struct err *err)
{
    size_t len;
    _cleanup_free_ char *text = oci_encode(&oci_state_table, state, OCI_STYLE_SPACES, &len);

    return text ? cmd_print(text, len, err) : err_set(err, ENOMEM, "print the state");
}

int cmd_state(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    struct oci_state state = {0};
    struct oci_arena *arena;
    struct arguments args;
    int r = options_parse(&syntax, NULL, argc, argv, &args, err);

    (void)status;
    if (r != 0)
        return r;
    arena = oci_arena_new();
    if (!arena)
        return err_set(err, ENOMEM, "read the state");
    r = container_state(rt, args.list[0], arena, &state, err);
    if (r == 0)
        r = print_state(&state, err);
    oci_arena_free(arena);
    return r;
}
