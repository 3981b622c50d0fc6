/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ocirun: global options, then one command out of a table.
 *
 * The container's side of the runtime is this same file, executed again under the name
 * "ocirun-init": it is handed over to init_main() before anything else happens.
 */
#include "config.h"

#include "base/log.h"
#include "base/trace.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "commit.h"
#include "init/init.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TIMEOUT_SECONDS = 30 };

static int cmd_help(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);

static const struct command commands[] = {
    {"create", cmd_create, "make a container from a bundle"},
    {"start", cmd_start, "execute the program of a created container"},
    {"run", cmd_run, "create, start, wait and delete"},
    {"state", cmd_state, "print the state of a container as JSON"},
    {"kill", cmd_kill, "send a signal to a container"},
    {"delete", cmd_delete, "remove a container"},
    {"exec", cmd_exec, "run one more process in a container"},
    {"pause", cmd_pause, "freeze the processes of a container"},
    {"resume", cmd_resume, "let a paused container go on"},
    {"update", cmd_update, "change the limits of a container"},
    {"events", cmd_events, "print statistics and OOM kills of a container"},
    {"ps", cmd_ps, "show the processes of a container"},
    {"list", cmd_list, "list the containers"},
    {"spec", cmd_spec, "write a config.json to begin with"},
    {"features", cmd_features, "print what ocirun can do as JSON"},
    {"help", cmd_help, "print this text, or the help of a command"},
    /* of other runtimes, not here yet: engines probe for them by their exit status */
    {"checkpoint", cmd_unsupported, NULL},
    {"restore", cmd_unsupported, NULL},
};

struct global_options {
    const char *root, *log, *log_format, *log_level, *cgroup_manager, *trace;
    bool debug, systemd_cgroup, version;
    int rootless;
};

static const struct option_row global_rows[] = {
    OPT_TEXT(struct global_options, root, "root", 0, "DIR",
             "where the state of the containers is kept"),
    OPT_TEXT(struct global_options, log, "log", 0, "FILE", "append messages to FILE"),
    OPT_TEXT(struct global_options, log_format, "log-format", 0, "FORMAT",
             "text (default) or json"),
    OPT_TEXT(struct global_options, log_level, "log-level", 0, "LEVEL",
             "error (default), warning or debug"),
    OPT_FLAG(struct global_options, debug, "debug", 0, "the same as --log-level debug"),
    OPT_TEXT(struct global_options, cgroup_manager, "cgroup-manager", 0, "DRIVER",
             "cgroupfs (default), systemd or disabled"),
    OPT_FLAG(struct global_options, systemd_cgroup, "systemd-cgroup", 0,
             "the same as --cgroup-manager systemd"),
    OPT_AUTO(struct global_options, rootless, "rootless", "VALUE",
             "true, false or auto (default): bear with cgroups out of reach"),
    OPT_TEXT(struct global_options, trace, "trace", 0, "FILE",
             "write the steps and their times to FILE, for Perfetto"),
    OPT_FLAG(struct global_options, version, "version", 'v',
             "print the version and what is built in"),
    OPT_FLAG(struct global_options, version, "version", 'V', NULL),
    OPT_IGNORED_VALUE("criu"),
    OPT_END,
};

static const struct options_syntax global_syntax = {
    .arguments = "COMMAND",
    .rows = global_rows,
    .max = UINT32_MAX,
    .options_end_at_id = true,
};

static void print_help(void)
{
    printf("usage: ocirun [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]\n\n"
           "Run containers as the Open Container Initiative's runtime specification has it.\n\n"
           "commands:\n");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (commands[i].help)
            printf("  %-12s %s\n", commands[i].name, commands[i].help);
    printf("\nglobal options:\n");
    options_help_rows(global_rows);
    printf(
        "\n\"ocirun COMMAND --help\" tells more about a command, the manual page ocirun(1) all.\n");
}

/* The word "version" stands in the first line only: engines search for it. */
static int print_version(const char *root, struct err *err)
{
    _cleanup_free_ char *by_default = root ? NULL : runtime_default_root();

    printf("ocirun version " PACKAGE_VERSION "\n"
           "commit: " OCIRUN_COMMIT "\n"
           "spec: 1.3.0\n"
           "rundir: %s\n"
#ifndef DISABLE_SECCOMP
           "+SECCOMP "
#endif
#ifndef DISABLE_SELINUX
           "+SELINUX "
#endif
#ifndef DISABLE_SYSTEMD
           "+SYSTEMD "
#endif
           "+APPARMOR +CAP +YAJL\n",
           root         ? root
           : by_default ? by_default
                        : "");
    return cmd_print("", 0, err);
}

static const struct command *command_find(const char *name, struct err *err)
{
    struct oci_name list[ARRAY_SIZE(commands) + 1] = {0};
    const struct oci_names names = {.what = "command", .list = list};
    const char *nearest;

    for (size_t i = 0, n = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
        if (commands[i].help)
            list[n++].name = commands[i].name;
    }
    err_set(err, 0, "unknown command \"%s\"", name);
    nearest = oci_name_nearest(&names, name);
    if (nearest)
        err_hint(err, "did you mean \"%s\"?", nearest);
    else
        err_hint(err, "\"ocirun help\" lists the commands");
    return NULL;
}

static int cmd_help(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    static char option[] = "--help";
    const struct command *command;

    if (argc < 2 || argv[1][0] == '-') {
        print_help();
        return cmd_print("", 0, err);
    }
    command = command_find(argv[1], err);
    if (!command)
        return -1;
    if (command->run == cmd_help)
        return cmd_help(rt, 1, argv, status, err);
    return command->run(rt, 2, (char *[]){argv[1], option, NULL}, status, err);
}

/* runc's and crun's names. What a caller might ask for beyond the three rounds to the nearest. */
static const struct oci_names level_names = {
    .what = "log level",
    .list = (const struct oci_name[]){{"error", LOG_LEVEL_ERROR},
                                      {"warning", LOG_LEVEL_WARNING},
                                      {"debug", LOG_LEVEL_DEBUG},
                                      {"warn", LOG_LEVEL_WARNING},
                                      {"info", LOG_LEVEL_WARNING},
                                      {"trace", LOG_LEVEL_DEBUG},
                                      {"fatal", LOG_LEVEL_ERROR},
                                      {"panic", LOG_LEVEL_ERROR},
                                      {NULL, 0}},
};

static int set_up_log(const struct global_options *o, struct err *err)
{
    enum log_format format = LOG_FORMAT_TEXT;
    int level = o->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR;

    if (o->log_format && strcmp(o->log_format, "json") == 0)
        format = LOG_FORMAT_JSON;
    else if (o->log_format && strcmp(o->log_format, "text") != 0)
        return err_set(err, 0, "--log-format: \"%s\" is neither text nor json", o->log_format);
    if (o->log_level && !o->debug)
        level = oci_name_value(&level_names, o->log_level);
    if (level < 0)
        return err_set(err, 0, "--log-level: \"%s\" is not one of error, warning and debug",
                       o->log_level);
    return log_setup(o->log, format, (enum log_level)level, o->debug || o->log_level, err);
}

static int set_up_driver(const struct global_options *o, struct runtime *rt, struct err *err)
{
    int driver = o->systemd_cgroup ? CGROUP_SYSTEMD : CGROUP_UNSET;

    if (o->cgroup_manager)
        driver = oci_name_value(&cgroup_driver_names, o->cgroup_manager);
    if (driver < 0)
        return err_set(err, 0,
                       "--cgroup-manager: \"%s\" is not one of cgroupfs, systemd and disabled",
                       o->cgroup_manager);
    rt->driver = (enum cgroup_driver)driver;
    return 0;
}

/* OCIRUN_TIMEOUT: seconds that any wait may take. */
static int set_up_timeout(struct runtime *rt, struct err *err)
{
    const char *text = getenv("OCIRUN_TIMEOUT");
    uint32_t seconds = TIMEOUT_SECONDS;

    if (text && *text && (options_u32(text, &seconds) < 0 || seconds == 0 || seconds > 86400))
        return err_set(err, 0, "OCIRUN_TIMEOUT: \"%s\" is not a number of seconds from 1 to 86400",
                       text);
    rt->timeout = (int)seconds * 1000;
    cgroup_set_timeout(rt->timeout);
    return 0;
}

static int set_up(const struct global_options *o, struct runtime *rt, struct err *err)
{
    rt->root = o->root;
    cgroup_set_rootless(o->rootless);
    if (set_up_log(o, err) < 0 || set_up_driver(o, rt, err) < 0 || set_up_timeout(rt, err) < 0)
        return -1;
    if (o->root && !*o->root)
        return err_set(err, 0, "--root is empty");
    return o->trace ? trace_open(o->trace, "host", err) : 0;
}

/*
 * A caller may have closed the standard descriptors. The next open(2) would then become the
 * standard input or output of whatever is executed later.
 */
static void fill_standard_fds(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) != fd)
            _exit(1);
}

static int run(int argc, char **argv, int *status, struct err *err)
{
    struct global_options o = {.rootless = -1};
    const struct command *command;
    struct runtime rt = {0};
    struct arguments args;
    int r = options_parse(&global_syntax, &o, argc, argv, &args, err);

    if (r < 0) {
        /* What was said about the log before the mistake still holds. */
        struct err ignored = ERR_INIT;

        set_up_log(&o, &ignored);
        return -1;
    }
    if (r > 0)
        return cmd_help(NULL, 0, NULL, status, err);
    if (o.version)
        return print_version(o.root, err);
    if (set_up(&o, &rt, err) < 0)
        return -1;
    if (args.n == 0) {
        err_set(err, 0, "no command given");
        return err_hint(err, "\"ocirun help\" lists the commands");
    }
    command = command_find(args.list[0], err);
    if (!command)
        return -1;
    log_command(command->name);
    return command->run(&rt, (int)args.n, args.list, status, err);
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    int status = 0;

    fill_standard_fds();
    /* Ignored by a caller, it would have the kernel reap our children before we see their status.
     */
    signal(SIGCHLD, SIG_DFL);
    if (argc > 0 && strcmp(argv[0], "ocirun-init") == 0)
        init_main(argc, argv);
    if (run(argc, argv, &status, &err) < 0) {
        log_error(&err);
        return err.status ? err.status : EXIT_FAILURE;
    }
    return status;
}
