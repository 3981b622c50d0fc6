/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The commands, one file each: parse the options, call host/, print. Nothing here decides anything.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "base/err.h"
#include "cmd/options.h"
#include "host/container.h"

/* A row of the table in main.c. */
struct command {
    const char *name;
    /**
     * run - carry out the command
     * @argv:   argv[0] is the command's name; may be reordered
     * @status: exit status of ocirun when the command succeeds; 0 at first
     * Returns 0 (or 1: help was printed), or -1 with @err filled.
     */
    int (*run)(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);
    const char *help; /* one line; NULL: not listed */
};

int cmd_create(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);
int cmd_delete(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);
int cmd_events(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);
int cmd_exec(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);
int cmd_features(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);
int cmd_kill(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);
int cmd_list(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);
int cmd_ps(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);
int cmd_run(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);
int cmd_spec(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);
int cmd_pause(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);
int cmd_resume(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);
int cmd_start(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);
int cmd_update(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);
int cmd_state(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);

/** cmd_unsupported - commands of other runtimes that this one does not have yet */
int cmd_unsupported(const struct runtime *rt, int argc, char **argv, int *status, struct err *err);

/**
 * cmd_each_matching - carry out @one for each container below the root whose id matches
 * @pattern: a POSIX extended regular expression, not anchored
 * @data: for @one
 *
 * All are tried; returns -1 when one failed (the last of them in @err, the others are reported), or
 * when @pattern is none.
 */
typedef int cmd_one(const struct runtime *rt, const char *id, const void *data, struct err *err);
int cmd_each_matching(const struct runtime *rt, const char *pattern, cmd_one *one, const void *data,
                      struct err *err);

/** cmd_print - write @text to standard output; a full disk or a closed pipe is an error. 0 or -1.
 */
int cmd_print(const char *text, size_t len, struct err *err);

/* The options that create and run share. */
#define CREATE_OPTION_ROWS                                                                         \
    OPT_TEXT(struct create_options, bundle, "bundle", 'b', "DIR",                                  \
             "directory that holds config.json (default: .)"),                                     \
        OPT_TEXT(struct create_options, config, "config", 'f', "FILE",                             \
                 "read FILE of the bundle instead of config.json"),                                \
        OPT_TEXT(struct create_options, console_socket, "console-socket", 0, "SOCKET",             \
                 "send the terminal's master there"),                                              \
        OPT_TEXT(struct create_options, pidfd_socket, "pidfd-socket", 0, "SOCKET",                 \
                 "send a pidfd of the process there"),                                             \
        OPT_TEXT(struct create_options, pid_file, "pid-file", 0, "FILE",                           \
                 "write the process's pid to FILE"),                                               \
        OPT_FLAG(struct create_options, no_pivot, "no-pivot", 0,                                   \
                 "move the root and chroot: for an initramfs"),                                    \
        OPT_FLAG(struct create_options, no_new_keyring, "no-new-keyring", 0,                       \
                 "keep the caller's session keyring"),                                             \
        OPT_U32(struct create_options, preserve_fds, "preserve-fds", "N",                          \
                "pass N more file descriptors, from 3 on"),                                        \
        OPT_IGNORED("no-subreaper")

#endif
