/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ocirun spec: a config.json to begin with.
 *
 * An existing file is never touched, and a new one appears complete or not at all: the text is
 * written to a file without a name, which link(2) then gives one, if nothing has it.
 */
#include "cmd/cmd.h"

#include "base/fd.h"
#include "base/proc.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct spec_options {
    const char *bundle, *file;
    bool rootless, schema;
};

static const struct option_row rows[] = {
    OPT_TEXT(struct spec_options, bundle, "bundle", 'b', "DIR", "write it there (default: .)"),
    OPT_TEXT(struct spec_options, file, "config", 'f', "FILE", "its name (default: config.json)"),
    OPT_TEXT(struct spec_options, file, "file", 0, "FILE", "the same as --config"),
    OPT_FLAG(struct spec_options, rootless, "rootless", 0,
             "for an ordinary user: with a user namespace"),
    OPT_FLAG(struct spec_options, schema, "schema", 0,
             "print the JSON Schema of config.json instead"),
    OPT_END,
};

static const struct options_syntax syntax = {
    .command = "spec",
    .arguments = "",
    .summary = "Write a config.json that runs a shell in the directory rootfs.",
    .rows = rows,
};

static int print_schema(struct err *err)
{
    _cleanup_free_ char *text = oci_schema(&oci_config_table);

    if (!text)
        return err_set(err, ENOMEM, "print the schema");
    fputs(text, stdout);
    return cmd_print("", 0, err);
}

static int exists_error(const char *name, struct err *err)
{
    err_set(err, 0, "%s exists: remove it first", name);
    return err_object(err, "%s", name);
}

/* For file systems without O_TMPFILE. */
static int write_named(int dir, const char *name, const char *text, size_t len, struct err *err)
{
    _cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

    if (fd < 0)
        return errno == EEXIST ? exists_error(name, err) : err_errno(err, "create %s", name);
    if (fd_write_all(fd, text, len, err) < 0) {
        unlinkat(dir, name, 0);
        return err_context(err, "%s", name);
    }
    return 0;
}

static int write_new(int dir, const char *name, const char *text, size_t len, struct err *err)
{
    _cleanup_close_ int fd = openat(dir, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
    char self[32];

    if (fd < 0)
        return write_named(dir, name, text, len, err);
    if (fd_write_all(fd, text, len, err) < 0)
        return err_context(err, "%s", name);
    /* AT_EMPTY_PATH would need CAP_DAC_READ_SEARCH: open(2), O_TMPFILE. */
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, self, dir, name, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    return errno == EEXIST ? exists_error(name, err) : write_named(dir, name, text, len, err);
}

/* A terminal's group is 5 (tty). In a user namespace that has no such group, no mount may name it.
 */
static void drop_unmapped_group(struct oci_config *config)
{
    if (proc_map_id("gid_map", 5, NULL))
        return;
    for (size_t i = 0; i < config->mounts_n; i++) {
        struct oci_mount *m = &config->mounts[i];

        if (m->options_n && strcmp(m->options[m->options_n - 1], "gid=5") == 0)
            m->options_n--;
    }
}

static int write_config(const struct spec_options *o, struct oci_arena *arena, struct err *err)
{
    const char *name = o->file ? o->file : "config.json", *bundle = o->bundle ? o->bundle : ".";
    struct oci_config *config = oci_default_config(arena, o->rootless, geteuid(), getegid());
    _cleanup_free_ char *text = NULL;
    _cleanup_close_ int dir = -1;
    size_t len;

    if (config)
        drop_unmapped_group(config);
    if (config)
        text = oci_encode(&oci_config_table, config, OCI_STYLE_TABS, &len);
    if (!text)
        return err_set(err, ENOMEM, "write %s", name);
    dir = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return err_errno(err, "bundle %s", bundle);
    return write_new(dir, name, text, len, err);
}

int cmd_spec(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    struct spec_options o = {0};
    struct oci_arena *arena;
    struct arguments args;
    int r = options_parse(&syntax, &o, argc, argv, &args, err);

    (void)rt;
    (void)status;
    if (r != 0)
        return r;
    if (o.schema)
        return print_schema(err);
    arena = oci_arena_new();
    if (!arena)
        return err_set(err, ENOMEM, "write the configuration");
    r = write_config(&o, arena, err);
    oci_arena_free(arena);
    return r;
}
