/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The helpers decide by themselves what they allow; this is only read when they said no, because
 * they name neither the file nor the line that is missing. Where the ranges come from another
 * source than the files, nothing is said.
 */
#include "host/subid.h"

#include "base/fd.h"
#include "base/util.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (1u << 20)

/* Below are the machine's own users, whom nobody else should be (login.defs(5), UID_MIN). */
#define SYSTEM_IDS 1000

/* One line, as far as it belongs to the user. */
static bool parse_line(const char *line, size_t len, const char *name, const char *number,
                       uint64_t *first, uint64_t *count)
{
    const char *colon = memchr(line, ':', len);
    size_t owner = colon ? (size_t)(colon - line) : 0;
    char *end;

    if (!colon || !((name && strlen(name) == owner && memcmp(line, name, owner) == 0) ||
                    (strlen(number) == owner && memcmp(line, number, owner) == 0)))
        return false;
    *first = strtoull(colon + 1, &end, 10);
    if (*end != ':')
        return false;
    *count = strtoull(end + 1, &end, 10);
    return *end == '\n' || *end == '\0';
}

uint32_t subid_missing(const char *text, const char *name, uint32_t uid, uint32_t *first,
                       uint32_t count)
{
    char number[16];

    snprintf(number, sizeof number, "%u", uid);
    for (const char *p = text; *p && count;) {
        size_t len = strcspn(p, "\n");
        uint64_t from, size;

        if (!parse_line(p, len, name, number, &from, &size) || *first < from ||
            *first - from >= size) {
            p += len + (p[len] == '\n');
            continue;
        }
        size -= *first - from;
        if (size >= count)
            return 0;
        *first += (uint32_t)size;
        count -= (uint32_t)size;
        p = text; /* the next line may stand before this one */
    }
    return count;
}

/* fgetpwent(3) and not getpwuid(3), which would load what nsswitch.conf(5) names. */
static char *login_name(uint32_t uid)
{
    FILE *file = fopen("/etc/passwd", "re");
    const struct passwd *entry;
    char *name = NULL;

    while (file && !name && (entry = fgetpwent(file))) {
        if (entry->pw_uid == uid)
            name = strdup(entry->pw_name);
    }
    if (file)
        fclose(file);
    return name;
}

static char *read_text(const char *path)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct err ignored = ERR_INIT;
    char *text = NULL;

    return fd < 0 || fd_read_all(fd, FILE_MAX, &text, NULL, &ignored) < 0 ? NULL : text;
}

static bool from_files(void)
{
    _cleanup_free_ char *text = read_text("/etc/nsswitch.conf");

    return !text || (strncmp(text, "subid:", 6) != 0 && !strstr(text, "\nsubid:"));
}

bool subid_explain(const char *file, const char *member, const struct oci_id_mapping *maps,
                   size_t n, uint32_t own, struct err *err)
{
    _cleanup_free_ char *text = read_text(file), *name = login_name(getuid());

    if (!from_files())
        return false;
    for (size_t i = 0; i < n; i++) {
        uint32_t first = maps[i].host_id;

        if ((maps[i].size == 1 && first == own) ||
            !subid_missing(text ? text : "", name, getuid(), &first, maps[i].size))
            continue;
        if (name)
            err_set(err, 0, "%s[%zu]: %s has no range for user %s that covers %u:%u", member, i,
                    file, name, maps[i].host_id, maps[i].size);
        else
            err_set(err, 0, "%s[%zu]: %s has no range for uid %u that covers %u:%u", member, i,
                    file, getuid(), maps[i].host_id, maps[i].size);
        if (!text)
            err_hint(err, "there is no such file");
        else if (first != maps[i].host_id)
            err_hint(err, "what it grants ends before %u", first);
        else if (first < SYSTEM_IDS)
            err_hint(err, "ids of the machine itself are not for users: the own one is %u", own);
        else
            err_hint(err, "root can add one: usermod --add-%ss %u-%u %s", strrchr(file, '/') + 1,
                     maps[i].host_id, maps[i].host_id + maps[i].size - 1, name ? name : "NAME");
        err_object(err, "%s[%zu]", member, i);
        return true;
    }
    return false;
}
