/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG…] - TYPE SOURCE SUPEROPTIONS
 *
 * Fields are parted by one space each: a space in a name is written \040, like other white space
 * and the backslash, and an empty source is an empty field.
 */
#include "base/mountinfo.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static bool is_octal(char c, char most)
{
    return c >= '0' && c <= most;
}

static void unescape(char *text)
{
    char *to = text;

    for (const char *p = text; *p; to++) {
        if (p[0] == '\\' && is_octal(p[1], '3') && is_octal(p[2], '7') && is_octal(p[3], '7')) {
            *to = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
            p += 4;
        } else {
            *to = *p++;
        }
    }
    *to = '\0';
}

bool mountinfo_parse(char *line, struct mountinfo *out)
{
    char *dash = strstr(line, " - "), *tail, *tag;

    if (!dash)
        return false;
    *dash = '\0';
    tail = dash + 3;
    out->id = (int)strtol(line, NULL, 10);
    for (int i = 0; i < 3; i++)
        strsep(&line, " ");
    out->root = strsep(&line, " ");
    out->point = strsep(&line, " ");
    if (!out->root || !out->point || !strsep(&line, " "))
        return false;
    out->shared = false;
    while ((tag = strsep(&line, " ")))
        out->shared = out->shared || strncmp(tag, "shared:", 7) == 0;
    out->type = strsep(&tail, " ");
    out->source = strsep(&tail, " ");
    out->options = tail;
    if (!out->source || !out->options)
        return false;
    unescape(out->root);
    unescape(out->point);
    return true;
}

bool mountinfo_next(char **text, struct mountinfo *out)
{
    char *line;

    while ((line = strsep(text, "\n")))
        if (mountinfo_parse(line, out))
            return true;
    return false;
}
