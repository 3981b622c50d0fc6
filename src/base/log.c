/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A message is made clean once (one line, no control bytes: paths of an image end up in it, and
 * terminals and journals read it) and then goes to one or two places: stderr, as "ocirun: COMMAND:
 * SENTENCE", and the log, as a record in the format asked for. Each is one write(2), so that
 * records of processes that share a file do not mix.
 *
 * Engines read the log as a single JSON document and merge stderr into their own output, so nothing
 * but the one failure is written unless the user asked for more.
 *
 * The text of a record is built in a static buffer: it is used when memory may be short.
 */
#include "base/log.h"

#include "base/fd.h"
#include "libocispec/ocispec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define SYSLOG_SOCKET "/dev/log"
#define SYSLOG_USER (1 << 3) /* facility */
#define MESSAGE_MAX 8192

enum log_kind { LOG_NONE, LOG_FILE, LOG_JOURNAL, LOG_SYSLOG };

static struct {
    enum log_kind kind;
    int fd;
    enum log_format format;
    enum log_level level;
    bool level_given;
    char id[64]; /* of journald: and syslog: */
    const char *command;
    void (*sink)(void *data, enum log_level level, const char *text);
    void *sink_data;
} logger = {.fd = -1, .level = LOG_LEVEL_ERROR};

static const char *const level_names[] = {"error", "warning", "debug"};
static const int level_priorities[] = {3, 4, 7}; /* syslog(3) */

/* ---- where records go ----------------------------------------------------------------------- */

int log_setup(const char *path, enum log_format format, enum log_level level, bool level_given,
              struct err *err)
{
    const char *colon;

    logger.format = format;
    logger.level = level;
    logger.level_given = level_given;
    logger.kind = LOG_NONE;
    if (!path || !*path)
        return 0;
    if (strncmp(path, "journald:", 9) == 0 || strncmp(path, "syslog:", 7) == 0) {
        logger.kind = path[0] == 'j' ? LOG_JOURNAL : LOG_SYSLOG;
        colon = strchr(path, ':');
        snprintf(logger.id, sizeof logger.id, "%s", colon[1] ? colon + 1 : "ocirun");
        /* A machine without a journal still runs containers; stderr has the error in any case. */
        logger.fd = fd_unix_connect(logger.kind == LOG_JOURNAL ? JOURNAL_SOCKET : SYSLOG_SOCKET,
                                    SOCK_DGRAM, 0, NULL);
        return 0;
    }
    if (strncmp(path, "file:", 5) == 0)
        path += 5;
    else if (path[strcspn(path, ":/")] == ':')
        return err_set(err, 0,
                       "log destination \"%s\" is not a path, file:, journald: or syslog:", path);
    logger.kind = LOG_FILE;
    logger.fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
    return logger.fd < 0 ? err_errno(err, "log file %s", path) : 0;
}

void log_command(const char *name)
{
    logger.command = name;
}

void log_sink(void (*sink)(void *data, enum log_level level, const char *text), void *data)
{
    logger.sink = sink;
    logger.sink_data = data;
}

bool log_wants(enum log_level level)
{
    if (level == LOG_LEVEL_ERROR || logger.sink)
        return true;
    if (logger.level_given)
        return level <= logger.level;
    return level == LOG_LEVEL_WARNING && logger.kind == LOG_NONE && isatty(STDERR_FILENO);
}

/* ---- text ----------------------------------------------------------------------------------- */

/* Room for the longest message with all of its bytes quoted, and the other members. */
static struct {
    size_t len;
    char data[64 * 1024];
} record;

static void put(const char *text)
{
    size_t len = strlen(text);

    if (len >= sizeof record.data - record.len)
        return;
    memcpy(record.data + record.len, text, len + 1);
    record.len += len;
}

/* One line without control bytes; newlines become "; ", what is not UTF-8 U+FFFD. */
static void log_clean(char *out, size_t size, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t n = 0;

    while (*s && n + 5 < size) {
        size_t len = oci_utf8_length((const char *)s, strnlen((const char *)s, 4));

        if (*s == '\n') {
            if (s[1])
                n += (size_t)snprintf(out + n, size - n, "; ");
        } else if (*s == '\t') {
            out[n++] = ' ';
        } else if (len == 1 && (*s < ' ' || *s == 0x7f)) {
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", *s);
        } else if (len == 2 && s[0] == 0xc2 && s[1] < 0xa0) { /* C1: escapes in one byte */
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", s[1]);
        } else if (len) {
            memcpy(out + n, s, len);
            n += len;
        } else {
            n += (size_t)snprintf(out + n, size - n, "\xef\xbf\xbd");
        }
        s += len ? len : 1;
    }
    out[n] = '\0';
}

/* A quoted string, for JSON and the text format alike; @text is clean. */
static void put_quoted(const char *text)
{
    char c[3] = "";

    put("\"");
    for (; *text; text++) {
        c[0] = *text == '"' || *text == '\\' ? '\\' : *text;
        c[1] = c[0] == '\\' ? *text : '\0';
        put(c);
    }
    put("\"");
}

/* 2026-01-31T23:59:59.123456Z, by arithmetic: the calendar functions of libc look for time zones.
 */
static void log_time(char *out, size_t size)
{
    struct timespec now;
    int64_t days, year, month, day, era, of_era, of_year, seconds;

    clock_gettime(CLOCK_REALTIME, &now);
    days = now.tv_sec / 86400;
    seconds = now.tv_sec % 86400;
    /* Years that begin in March have their leap day last; an era is 400 of them, 146097 days. */
    days += 719468;
    era = days / 146097;
    of_era = days % 146097;
    year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    of_year = of_era - (365 * year + year / 4 - year / 100);
    month = (5 * of_year + 2) / 153;
    day = of_year - (153 * month + 2) / 5 + 1;
    month += month < 10 ? 3 : -9;
    year += era * 400 + (month <= 2);
    snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ", (int)year, (int)month, (int)day,
             (int)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60),
             (long)now.tv_nsec / 1000);
}

/* ---- records -------------------------------------------------------------------------------- */

static void put_member(const char *key, const char *value)
{
    char clean[1024];

    if (!*value)
        return;
    log_clean(clean, sizeof clean, value);
    put(",\"");
    put(key);
    put("\":");
    put_quoted(clean);
}

static void put_json(enum log_level level, const char *text, const char *time,
                     const struct err *err)
{
    put("{\"msg\":");
    put_quoted(text);
    put(",\"level\":\"");
    put(level_names[level]);
    put("\",\"time\":\"");
    put(time);
    put("\"");
    if (err) {
        put_member("stage", err->stage);
        put_member("object", err->object);
#ifdef __GLIBC__
        if (err->errnum && strerrorname_np(err->errnum))
            put_member("errno", strerrorname_np(err->errnum));
#endif
        put_member("hint", err->hint);
    }
    put("}\n");
}

static void log_record(enum log_level level, const char *text, const struct err *err)
{
    char head[128], time[64];

    if (logger.fd < 0)
        return;
    record.len = 0;
    switch (logger.kind) {
    case LOG_JOURNAL: /* systemd's native protocol: NAME=VALUE lines */
        snprintf(head, sizeof head,
                 "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nMESSAGE=", level_priorities[level], logger.id);
        put(head);
        put(text);
        put("\n");
        break;
    case LOG_SYSLOG:
        snprintf(head, sizeof head, "<%d>%s: ", SYSLOG_USER | level_priorities[level], logger.id);
        put(head);
        put(text);
        break;
    default:
        log_time(time, sizeof time);
        if (logger.format == LOG_FORMAT_JSON) {
            put_json(level, text, time, err);
            break;
        }
        snprintf(head, sizeof head, "time=\"%s\" level=%s msg=", time, level_names[level]);
        put(head);
        put_quoted(text);
        put("\n");
    }
    if (logger.kind == LOG_FILE)
        fd_write_all(logger.fd, record.data, record.len, NULL);
    else
        send(logger.fd, record.data, record.len, MSG_NOSIGNAL);
}

static void log_stderr(const char *prefix, const char *text)
{
    record.len = 0;
    put("ocirun: ");
    if (logger.command) {
        put(logger.command);
        put(": ");
    }
    put(prefix);
    put(text);
    put("\n");
    fd_write_all(STDERR_FILENO, record.data, record.len, NULL);
}

void log_error(const struct err *err)
{
    char raw[sizeof err->text + sizeof err->hint + 4], text[2 * MESSAGE_MAX];

    snprintf(raw, sizeof raw, "%s%s%s", err->text, err->hint[0] ? "; " : "", err->hint);
    log_clean(text, sizeof text, raw);
    log_record(LOG_LEVEL_ERROR, text, err);
    log_stderr("", text);
}

static void log_message(enum log_level level, const char *raw)
{
    char text[2 * MESSAGE_MAX];

    log_clean(text, sizeof text, raw);
    if (logger.sink)
        logger.sink(logger.sink_data, level, text);
    else if (logger.kind != LOG_NONE)
        log_record(level, text, NULL);
    else
        log_stderr(level == LOG_LEVEL_WARNING ? "warning: " : "debug: ", text);
}

void log_warning(const char *format, ...)
{
    char raw[MESSAGE_MAX];
    int saved = errno;
    va_list ap;

    if (!log_wants(LOG_LEVEL_WARNING))
        return;
    va_start(ap, format);
    vsnprintf(raw, sizeof raw, format, ap);
    va_end(ap);
    log_message(LOG_LEVEL_WARNING, raw);
    errno = saved;
}

void log_debug(const char *format, ...)
{
    char raw[MESSAGE_MAX];
    int saved = errno;
    va_list ap;

    if (!log_wants(LOG_LEVEL_DEBUG))
        return;
    va_start(ap, format);
    vsnprintf(raw, sizeof raw, format, ap);
    va_end(ap);
    log_message(LOG_LEVEL_DEBUG, raw);
    errno = saved;
}
