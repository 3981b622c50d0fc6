/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Where state lives when no --root is given. The machine's root has /run/ocirun. Everybody else has
 * the directory that the session manager made for them, XDG_RUNTIME_DIR (XDG Base Directory
 * Specification): private, in memory, gone after the last logout. A shell without a session (su,
 * cron, a container) has none. Then the usual place of that directory is tried, /run/user/UID, so
 * that both kinds of shell see the same containers, and in the end a private directory in /tmp.
 * store_root() checks owner and mode of whichever it is: anybody may have made it first.
 *
 * Root of a user namespace is the machine's root in a container, where /run can be written to, and
 * an ordinary user under podman or unshare(1), where it cannot.
 */
#include "base/proc.h"
#include "base/util.h"
#include "host/container.h"
#include "host/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *below(const char *dir)
{
    char *text;

    return asprintf(&text, "%s/ocirun", dir) < 0 ? NULL : text;
}

static bool is_private(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & 022) == 0;
}

char *runtime_default_root(void)
{
    const char *session = getenv("XDG_RUNTIME_DIR");
    bool root = geteuid() == 0;
    uint32_t uid = geteuid();
    char path[64];
    char *text;

    /* Neither empty (engines) nor relative (the specification of it) counts as set. */
    if (session && session[0] != '/')
        session = NULL;
    if (root && (session ? !proc_in_user_namespace() : access("/run", W_OK) == 0))
        return strdup("/run/ocirun");
    if (session)
        return below(session);
    /* The uid that the rest of the machine knows: every user is 0 in a namespace of their own. */
    proc_map_id("uid_map", uid, &uid);
    snprintf(path, sizeof path, "/run/user/%u", uid);
    if (is_private(path))
        return below(path);
    return asprintf(&text, RUNDIR_TMP "%u", uid) < 0 ? NULL : text;
}
