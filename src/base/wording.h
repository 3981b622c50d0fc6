/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sentences that engines match on. They are part of the interface: podman, CRI-O, conmon,
 * containerd's shim and dockerd turn them into exit statuses (126, 127) and into "not found", by
 * searching the text with and without regard to case. docs/engines lists who matches what.
 *
 * Two rules that are easy to break: a text about something missing must contain neither "permission
 * denied" nor "operation not permitted" (podman tests for those first), and the sentence ends with
 * the quoted system error where one stands at the end here, because podman appends its own words to
 * it.
 */
#ifndef BASE_WORDING_H
#define BASE_WORDING_H

/* Containers. */
#define WORDING_NOT_RUNNING "container not running"
#define WORDING_NO_CONTAINER "container does not exist"
#define WORDING_EXISTS "container with given ID already exists"
#define WORDING_NO_PROCESS "no such process"
#define WORDING_NOT_STOPPED "cannot delete container that is not stopped"
#define WORDING_PAUSED "cannot exec in a paused container (use --ignore-paused to override)"
#define WORDING_START_RUNNING "cannot start an already running container"
#define WORDING_START_STOPPED "cannot start a container that has stopped"

/*
 * The program. %s is args[0], or the file that was tried. The comment tells what is appended: ERRNO
 * is
 * ": " and the text of that error number.
 */
#define WORDING_NO_ARGS "process.args: nothing to execute: executable path is empty"
#define WORDING_NOT_IN_PATH "executable file `%s` not found in $PATH" /* ENOENT */
#define WORDING_EMPTY_NAME                                                                         \
    "executable file not found in $PATH: cannot find `` in $PATH" /* ENOENT */
#define WORDING_NOT_FOUND "executable file `%s` not found"        /* ENOENT, ENOTDIR */
#define WORDING_IS_DIRECTORY                                                                       \
    "exec %s: is a directory: the path `%s` is not a regular file" /* EPERM */
#define WORDING_NOT_REGULAR                                                                        \
    "exec %s: permission denied: the path `%s` is not a regular file" /* EPERM */
#define WORDING_DENIED "exec %s: permission denied (%s)"
#define WORDING_FORMAT "exec %s: exec format error (%s)"
#define WORDING_NO_INTERPRETER "exec %s: its #! interpreter `%s` was not found" /* ENOENT */
#define WORDING_CRLF                                                                               \
    "exec %s: its #! line ends in CRLF, so that the interpreter `%s\\r` was not found" /* ENOENT   \
                                                                                        */
#define WORDING_NO_LOADER "exec %s: its ELF loader `%s` was not found"                 /* ENOENT */
#define WORDING_EXEC_FILTERED "exec %s: the seccomp profile denies execve" /* EPERM, ENOSYS */

/* Security attributes; podman looks for the back-quoted path. */
#define WORDING_ATTR_EXEC "write to `/proc/self/attr/exec`"
#define WORDING_ATTR_APPARMOR "write to `/proc/self/attr/apparmor/exec`"

/* The working directory. */
#define WORDING_CWD_OUTSIDE                                                                        \
    "current working directory is outside of the container's root: possible breakout"

#endif
