/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The program's environment: process.env with each name once, the last one winning and keeping its
 * place, and what the runtime adds. HOME comes from the container's /etc/passwd, by uid: a file of
 * the image, so it is opened inside the rootfs, must be a regular file (a FIFO would block us for
 * ever), is read up to a bound, and its names are never looked at (a user called "1000" is not uid
 * 1000, CVE-2016-3697). No NSS: it would load the image's libraries.
 */
#include "base/fd.h"
#include "base/path.h"
#include "base/util.h"
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASSWD_MAX (1024 * 1024)
#define NOTIFY_SOCKET_INSIDE "/run/notify/notify.sock" /* as in host/notify.h */
#define ENVIRONMENT_OURS 5 /* HOME TERM NOTIFY_SOCKET LISTEN_FDS LISTEN_PID */

struct environment {
    char **entry;
    size_t n;
};

/* Length of the name: up to '=', or everything. */
static size_t name_len(const char *entry)
{
    return strcspn(entry, "=");
}

static bool same_name(const char *a, const char *b)
{
    size_t len = name_len(a);

    return name_len(b) == len && memcmp(a, b, len) == 0;
}

static void environment_remove(struct environment *e, const char *entry)
{
    for (size_t i = 0; i < e->n; i++) {
        if (!same_name(e->entry[i], entry))
            continue;
        memmove(&e->entry[i], &e->entry[i + 1], (e->n - i - 1) * sizeof *e->entry);
        e->n--;
        return;
    }
}

static void environment_put(struct environment *e, char *entry)
{
    environment_remove(e, entry);
    e->entry[e->n++] = entry;
}

static uint32_t hash_name(const char *entry)
{
    uint32_t hash = 2166136261; /* FNV-1a */

    for (size_t i = name_len(entry); i > 0; i--)
        hash = (hash ^ (unsigned char)*entry++) * 16777619;
    return hash;
}

/* Of entries with the same name only the last one stays. From the end, so that it is met first;
 * what was met is in a table of at least twice the size. */
static int environment_unique(struct environment *e, struct err *err)
{
    size_t size = 8, kept = 0;

    while (size < 2 * e->n)
        size *= 2;

    _cleanup_free_ const char **table = calloc(size, sizeof *table);

    if (!table)
        return err_set(err, ENOMEM, "process.env");
    for (size_t i = e->n; i-- > 0;) {
        size_t at = hash_name(e->entry[i]) & (size - 1);

        while (table[at] && !same_name(table[at], e->entry[i]))
            at = (at + 1) & (size - 1);
        if (table[at])
            e->entry[i] = NULL;
        else
            table[at] = e->entry[i];
    }
    for (size_t i = 0; i < e->n; i++)
        if (e->entry[i])
            e->entry[kept++] = e->entry[i];
    e->n = kept;
    return 0;
}

/* The value of @name, or NULL. */
static const char *environment_get(const struct environment *e, const char *name)
{
    for (size_t i = 0; i < e->n; i++)
        if (same_name(e->entry[i], name) && e->entry[i][strlen(name)] == '=')
            return e->entry[i] + strlen(name) + 1;
    return NULL;
}

/* Field @n (from 0) of a line of colons, or NULL. */
static const char *passwd_field(const char *line, size_t size, int n, size_t *len)
{
    const char *end = line + size, *colon;

    while (n-- > 0) {
        colon = memchr(line, ':', (size_t)(end - line));
        if (!colon)
            return NULL;
        line = colon + 1;
    }
    colon = memchr(line, ':', (size_t)(end - line));
    *len = (size_t)((colon ? colon : end) - line);
    return line;
}

static bool field_is_id(const char *text, size_t len, uid_t id)
{
    uint64_t value = 0;

    if (len == 0 || len > 10)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    return value == id;
}

const char *lookup_home(const char *text, size_t size, uid_t uid, size_t *len)
{
    const char *end = text + size;

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t line = (size_t)((newline ? newline : end) - text), field_len;
        const char *field = passwd_field(text, line, 2, &field_len);

        if (field && field_is_id(field, field_len, uid)) {
            field = passwd_field(text, line, 5, len);
            if (field && *len > 0 && !memchr(field, '\0', *len))
                return field;
        }
        text += line + 1;
    }
    return NULL;
}

/* "HOME=…"; NULL only when memory is exhausted. Whatever is wrong with the file means "/". */
static char *home_entry(struct init *in)
{
    struct err ignored = ERR_INIT;
    _cleanup_free_ char *text = NULL;
    const char *home = NULL;
    size_t size = 0, len = 0;
    struct stat st;
    _cleanup_close_ int fd =
        path_open_in_root(in->rootfs, "etc/passwd", O_RDONLY | O_NONBLOCK, &ignored);

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        fd_read_all(fd, PASSWD_MAX, &text, &size, &ignored) == 0)
        home = lookup_home(text, size, in->process->user.uid, &len);
    return home ? oci_printf(in->arena, "HOME=%.*s", (int)len, home)
                : oci_strdup(in->arena, "HOME=/");
}

static bool environment_add(struct environment *e, char *entry)
{
    if (entry)
        environment_put(e, entry);
    return entry != NULL;
}

int lookup_environment(struct init *in, struct err *err)
{
    const struct oci_process *p = in->process;
    struct environment e = {0};
    const char *home;
    bool ok = true;

    e.entry = oci_alloc(in->arena, (p->env_n + ENVIRONMENT_OURS + 1) * sizeof *e.entry);
    if (!e.entry)
        return err_set(err, ENOMEM, "process.env");
    if (p->env_n > 0)
        memcpy(e.entry, p->env, p->env_n * sizeof *e.entry);
    e.n = p->env_n;
    if (environment_unique(&e, err) < 0)
        return -1;
    home = environment_get(&e, "HOME");
    if (!home || !*home)
        ok = ok && environment_add(&e, home_entry(in));
    if (p->terminal && !environment_get(&e, "TERM"))
        ok = ok && environment_add(&e, oci_strdup(in->arena, "TERM=xterm"));
    if (in->setup.flags & SETUP_NOTIFY)
        ok =
            ok && environment_add(&e, oci_strdup(in->arena, "NOTIFY_SOCKET=" NOTIFY_SOCKET_INSIDE));
    if (in->setup.listen_fds > 0) {
        ok =
            ok && environment_add(&e, oci_printf(in->arena, "LISTEN_FDS=%u", in->setup.listen_fds));
        ok = ok && environment_add(&e, oci_printf(in->arena, "LISTEN_PID=%d", (int)getpid()));
    }
    if (!ok)
        return err_set(err, ENOMEM, "process.env");
    e.entry[e.n] = NULL;
    in->envp = e.entry;
    return 0;
}
