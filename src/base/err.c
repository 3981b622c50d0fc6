/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * An error is made where errno is fresh and travels up through the callers, each of which may put
 * its own words in front. Everything is cut to the size of its field: an error about an error helps
 * nobody. A NULL err is allowed, for callers that only want to know whether something worked.
 *
 * strerrordesc_np() is used where it exists because it never looks at the locale: init makes errors
 * after the root has changed, and nothing may be opened by name there.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *err_description(int errnum)
{
#ifdef __GLIBC__
    const char *text = strerrordesc_np(errnum);

    return text ? text : "Unknown error";
#else
    return strerror(errnum);
#endif
}

__attribute__((format(printf, 3, 0))) static void err_start(struct err *err, int errnum,
                                                            const char *format, va_list ap)
{
    size_t len;

    /* The strings are emptied rather than the whole struct zeroed: it has 6 KiB. */
    err->errnum = errnum;
    err->status = 0;
    err->stage[0] = err->object[0] = err->hint[0] = '\0';
    vsnprintf(err->text, sizeof err->text, format, ap);
    len = strlen(err->text);
    if (errnum)
        snprintf(err->text + len, sizeof err->text - len, ": %s", err_description(errnum));
}

int err_set(struct err *err, int errnum, const char *format, ...)
{
    int saved = errno;
    va_list ap;

    if (err) {
        va_start(ap, format);
        err_start(err, errnum, format, ap);
        va_end(ap);
    }
    errno = errnum ? errnum : saved;
    return -1;
}

int err_errno(struct err *err, const char *format, ...)
{
    int saved = errno;
    va_list ap;

    if (err) {
        va_start(ap, format);
        err_start(err, saved, format, ap);
        va_end(ap);
    }
    errno = saved;
    return -1;
}

int err_context(struct err *err, const char *format, ...)
{
    int saved = errno;
    char context[sizeof err->text - 2];
    size_t len, rest;
    va_list ap;

    if (!err)
        return -1;
    va_start(ap, format);
    vsnprintf(context, sizeof context, format, ap);
    va_end(ap);
    len = strlen(context);
    rest = strnlen(err->text, sizeof err->text - 1 - len - 2);
    memmove(err->text + len + 2, err->text, rest);
    memcpy(err->text, context, len);
    memcpy(err->text + len, ": ", 2);
    err->text[len + 2 + rest] = '\0';
    errno = saved;
    return -1;
}

int err_hint(struct err *err, const char *format, ...)
{
    int saved = errno;
    va_list ap;

    if (err && !err->hint[0]) {
        va_start(ap, format);
        vsnprintf(err->hint, sizeof err->hint, format, ap);
        va_end(ap);
    }
    errno = saved;
    return -1;
}

int err_object(struct err *err, const char *format, ...)
{
    int saved = errno;
    va_list ap;

    if (err && !err->object[0]) {
        va_start(ap, format);
        vsnprintf(err->object, sizeof err->object, format, ap);
        va_end(ap);
    }
    errno = saved;
    return -1;
}

bool err_is_set(const struct err *err)
{
    return err->errnum != 0 || err->text[0] != '\0';
}
