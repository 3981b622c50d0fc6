/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/PID/mountinfo, cut into fields (proc_pid_mountinfo(5)). */
#ifndef BASE_MOUNTINFO_H
#define BASE_MOUNTINFO_H

#include <stdbool.h>

/* A bound against a procfs gone mad: room for a hundred thousand mounts. */
#define MOUNTINFO_MAX (64U << 20)

struct mountinfo {
    int id;
    char *root, *point; /* without the octal escapes; as the reader's root directory sees it */
    bool shared;        /* member of a peer group */
    char *type, *source;
    char *options; /* of the superblock, escapes kept */
};

/**
 * mountinfo_parse - one line, without its line feed
 * @line: is cut in place; @out points into it
 * Returns false for what is no such line.
 */
bool mountinfo_parse(char *line, struct mountinfo *out);

/**
 * mountinfo_next - the next line of a whole text that can be parsed
 * @text: moved on behind it; the text is cut in place
 * Returns false at the end.
 */
bool mountinfo_next(char **text, struct mountinfo *out);

#endif
