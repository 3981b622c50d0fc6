/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The file is a JSON array of trace events. Each event is one write(2) to a descriptor with
 * O_APPEND, so host and init write to it without knowing of each other, and each ends in a comma:
 * readers of the format accept an array that is not closed, which is also what a killed runtime
 * leaves. A file that is there already is continued, so that create and start can share one.
 *
 * Time is CLOCK_MONOTONIC, the same for all processes of the machine (a container's time namespace
 * is entered only by the program).
 */
#include "base/trace.h"

#include "base/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define EVENT_MAX 512

static int trace_file = -1;

/* Names come from tables and hooks' kinds; what would need escaping in JSON is left out. */
static void trace_clean(char *out, size_t size, const char *text)
{
    size_t n = 0;

    for (; *text && n + 1 < size; text++)
        if (*text >= ' ' && *text < 0x7f && *text != '"' && *text != '\\')
            out[n++] = *text;
    out[n] = '\0';
}

/* A trace that cannot be written is not worth failing for. */
static void trace_write(const char *event, int len)
{
    if (len > 0 && len < EVENT_MAX && write(trace_file, event, (size_t)len) < 0)
        return;
}

static void trace_metadata(const char *kind, const char *key, const char *value)
{
    char text[160], event[EVENT_MAX];
    int pid = (int)getpid();

    trace_clean(text, sizeof text, value);
    trace_write(event, snprintf(event, sizeof event,
                                "{\"name\":\"%s\",\"ph\":\"M\",\"pid\":%d,\"tid\":%d,"
                                "\"args\":{\"%s\":\"%s\"}},\n",
                                kind, pid, pid, key, text));
}

int trace_open(const char *path, const char *track, struct err *err)
{
    const char *parent = getenv("TRACEPARENT");
    struct stat st;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);

    if (fd < 0)
        return err_errno(err, "trace file %s", path);
    if (fstat(fd, &st) == 0 && st.st_size == 0 && write(fd, "[\n", 2) < 0) {
        err_errno(err, "trace file %s", path);
        return fd_close(fd);
    }
    trace_adopt(fd, track);
    if (parent && *parent)
        trace_metadata("process_labels", "labels", parent);
    return 0;
}

void trace_adopt(int fd, const char *track)
{
    trace_file = fd;
    if (fd >= 0)
        trace_metadata("process_name", "name", track);
}

int trace_fd(void)
{
    return trace_file;
}

static uint64_t trace_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t trace_begin(void)
{
    return trace_file < 0 ? 0 : trace_now();
}

void trace_end(const char *name, uint64_t begin)
{
    char text[160], event[EVENT_MAX];
    int pid;

    if (trace_file < 0 || !begin)
        return;
    pid = (int)getpid();
    trace_clean(text, sizeof text, name);
    trace_write(event, snprintf(event, sizeof event,
                                "{\"name\":\"%s\",\"ph\":\"X\",\"ts\":%llu,\"dur\":%llu,"
                                "\"pid\":%d,\"tid\":%d},\n",
                                text, (unsigned long long)begin,
                                (unsigned long long)(trace_now() - begin), pid, pid));
}
