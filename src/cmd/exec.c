/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ocirun exec: one more process in a running container.
 *
 * Options end at the ID: what follows is the command with its own options. Numbers are digits and
 * nothing else: "-u 1000x" or "-u 0x3e8" that ends up as some other user is an escalation
 * (CVE-2026-30892).
 */
#include "cmd/cmd.h"

#include "base/log.h"
#include "base/util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int parse_id(const char *text, uint32_t *id)
{
    return options_u32(text, id) < 0 || *id > OCI_ID_MAX ? -1 : 0;
}

/* "UID" or "UID:GID" */
static int parse_user(void *options, const char *value, struct err *err)
{
    struct exec_options *o = options;
    const char *colon = strchr(value, ':');
    char uid[16];
    size_t len = colon ? (size_t)(colon - value) : strlen(value);

    o->user_given = true;
    o->gid = 0;
    o->gid_given = colon != NULL;
    if (len >= sizeof uid)
        return err_set(err, 0, "\"%s\" is not UID or UID:GID in decimal digits", value);
    memcpy(uid, value, len);
    uid[len] = '\0';
    if (parse_id(uid, &o->uid) < 0 || (colon && parse_id(colon + 1, &o->gid) < 0))
        return err_set(err, 0, "\"%s\" is not UID or UID:GID in decimal digits", value);
    return 0;
}

/* Call @add for each part of a list with commas. */
static int each_part(struct exec_options *o, const char *value,
                     int (*add)(struct exec_options *o, const char *part, struct err *err),
                     struct err *err)
{
    _cleanup_free_ char *copy = strdup(value);
    char *rest = copy, *part;

    if (!copy)
        return err_set(err, ENOMEM, "parse \"%s\"", value);
    while ((part = strsep(&rest, ",")))
        if (add(o, part, err) < 0)
            return -1;
    return 0;
}

static int add_gid(struct exec_options *o, const char *part, struct err *err)
{
    uint32_t *list, gid;

    if (parse_id(part, &gid) < 0)
        return err_set(err, 0, "\"%s\" is not a group id in decimal digits", part);
    list = realloc(o->additional_gids, (o->additional_gids_n + 1) * sizeof *list);
    if (!list)
        return err_set(err, ENOMEM, "group %s", part);
    list[o->additional_gids_n++] = gid;
    o->additional_gids = list;
    return 0;
}

static int parse_gids(void *options, const char *value, struct err *err)
{
    return each_part(options, value, add_gid, err);
}

/* With or without CAP_, in any case. A name that nobody knows is a warning, as in config.json. */
static int add_capability(struct exec_options *o, const char *part, struct err *err)
{
    bool prefixed = strncasecmp(part, "CAP_", 4) == 0;

    (void)err;
    for (const struct oci_name *n = oci_capability_names.list; n->name; n++) {
        if (strcasecmp(n->name + (prefixed ? 0 : 4), part) == 0) {
            o->caps |= UINT64_C(1) << n->value;
            return 0;
        }
    }
    log_warning("--cap: \"%s\" is not a capability, it is left out", part);
    return 0;
}

static int parse_caps(void *options, const char *value, struct err *err)
{
    if (!*value)
        return err_set(err, 0, "--cap: the name of a capability is missing");
    return each_part(options, value, add_capability, err);
}

static const struct option_row rows[] = {
    OPT_TEXT(struct exec_options, process_file, "process", 'p', "FILE",
             "a process document (config.md#process) instead of CMD"),
    OPT_FLAG(struct exec_options, detach, "detach", 'd', "return when the command runs"),
    OPT_TRISTATE(struct exec_options, tty, "tty", 't', "give the command a terminal"),
    OPT_CALL(parse_user, "user", 'u', "UID[:GID]", "run as this user, in numbers"),
    OPT_CALL(parse_gids, "additional-gids", 'g', "GID",
             "one more group, beside the container's; may be repeated"),
    OPT_STRINGS(struct exec_options, env, "env", 'e', "NAME=VALUE",
                "add to the environment; may be repeated"),
    OPT_TEXT(struct exec_options, cwd, "cwd", 0, "DIR", "working directory"),
    OPT_CALL(parse_caps, "cap", 'c', "NAME", "one more capability; may be repeated"),
    OPT_FLAG(struct exec_options, no_new_privs, "no-new-privs", 0, "no privileges by execve(2)"),
    OPT_TEXT(struct exec_options, apparmor, "apparmor", 0, "PROFILE", "AppArmor profile"),
    OPT_TEXT(struct exec_options, selinux, "process-label", 0, "LABEL", "SELinux label"),
    OPT_STRINGS(struct exec_options, cgroups, "cgroup", 0, "[CTRL:]PATH",
                "run in this cgroup below the container's; may be repeated, by controller"),
    OPT_FLAG(struct exec_options, ignore_paused, "ignore-paused", 0,
             "also into a paused container: runs when it is resumed"),
    OPT_TEXT(struct exec_options, console_socket, "console-socket", 0, "SOCKET",
             "send the terminal's master there"),
    OPT_TEXT(struct exec_options, pidfd_socket, "pidfd-socket", 0, "SOCKET",
             "send a pidfd of the process there"),
    OPT_TEXT(struct exec_options, pid_file, "pid-file", 0, "FILE",
             "write the process's pid to FILE"),
    OPT_U32(struct exec_options, preserve_fds, "preserve-fds", "N",
            "pass N more file descriptors, from 3 on"),
    OPT_IGNORED("no-subreaper"),
    OPT_END,
};

static const struct options_syntax syntax = {
    .command = "exec",
    .arguments = "ID [CMD [ARG...]]",
    .summary =
        "Run a command in a running container. Options end at the ID. The exit status is the\n"
        "command's, or 128 and the number of the signal that ended it, or 255 when ocirun\n"
        "itself failed.",
    .rows = rows,
    .min = 1,
    .max = UINT32_MAX,
    .options_end_at_id = true,
};

static int check(const struct exec_options *o, struct err *err)
{
    for (size_t i = 0; i < o->env_n; i++)
        if (!strchr(o->env[i], '=') || o->env[i][0] == '=')
            return err_set(err, 0, "--env: \"%s\" is not NAME=VALUE", o->env[i]);
    if (!o->process_file && o->args_n == 0) {
        err_set(err, 0, "no command given");
        return err_hint(err, "name it after the container's id, or a document with --process");
    }
    return 0;
}

int cmd_exec(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    struct exec_options o = {.tty = -1};
    struct arguments args;
    int r = options_parse(&syntax, &o, argc, argv, &args, err);

    if (r == 0) {
        o.id = args.list[0];
        if (!o.process_file) {
            /* "exec ID -- CMD" is what people write who know getopt. */
            unsigned first = args.n > 1 && strcmp(args.list[1], "--") == 0 ? 2 : 1;

            o.args = (const char **)args.list + first;
            o.args_n = args.n - first;
        }
        r = check(&o, err);
        if (r == 0)
            r = container_exec(rt, &o, status, err);
    }
    free(o.env);
    free(o.cgroups);
    free(o.additional_gids);
    return r;
}
