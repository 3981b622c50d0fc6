/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ocirun features: what this build can do, features.md. */
#include "base/util.h"
#include "cmd/cmd.h"

#include <errno.h>

static const struct option_row rows[] = {
    OPT_END,
};

static const struct options_syntax syntax = {
    .command = "features",
    .arguments = "",
    .summary = "Print what ocirun can do as JSON, whatever the machine.",
    .rows = rows,
};

static int print_features(const struct oci_features *features, struct err *err)
{
    size_t len;
    _cleanup_free_ char *text = oci_encode(&oci_features_table, features, OCI_STYLE_SPACES, &len);

    return text ? cmd_print(text, len, err) : err_set(err, ENOMEM, "print the features");
}

int cmd_features(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    struct oci_features features = {0};
    struct oci_arena *arena;
    struct arguments args;
    int r = options_parse(&syntax, NULL, argc, argv, &args, err);

    (void)rt;
    (void)status;
    if (r != 0)
        return r;
    arena = oci_arena_new();
    if (!arena)
        return err_set(err, ENOMEM, "collect the features");
    r = features_fill(arena, &features, err);
    if (r == 0)
        r = print_features(&features, err);
    oci_arena_free(arena);
    return r;
}
