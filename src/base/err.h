/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors. A function that can fail takes a struct err as its last argument and returns -1 with it
 * filled. The text is made once, where errno is fresh; callers add context on the way up:
 *
 *     create: mounts[3] /data: bind source /srv/data: No such file or directory
 *     ^stage  ^context added by the caller         ^err_errno() at the bottom
 *
 * The struct is plain data, so that init sends it to the host side as it is.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

struct err {
    int errnum;       /* errno of the cause, 0 if it is not a system call's */
    int status;       /* exit status asked for; 0: the command's usual one */
    char stage[32];   /* what was being done: "mounts", "pivot-root"; "" outside a table */
    char object[192]; /* JSON path or file concerned; "" unknown */
    char text[5120];  /* the whole sentence, without the stage */
    char hint[512];   /* what to do about it; "" none */
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        .errnum = 0                                                                                \
    }

/**
 * err_set - start an error: "TEXT" or, when @errnum is not 0, "TEXT: strerror(errnum)"
 * Every later content of @err is replaced. Returns -1.
 */
int err_set(struct err *err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** err_errno - err_set() with the errno of the call that just failed. Returns -1. */
int err_errno(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** err_context - put "TEXT: " before the sentence. Returns -1. */
int err_context(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** err_hint - set what the user can do about it; an earlier hint stays. Returns -1. */
int err_hint(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** err_object - name the JSON path or file; an earlier (deeper) one stays. Returns -1. */
int err_object(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** err_is_set - whether @err holds an error */
bool err_is_set(const struct err *err);

#endif
