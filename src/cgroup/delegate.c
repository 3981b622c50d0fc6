/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Handing a v2 cgroup over to a user (config-linux.md#cgroup-ownership): the directory, so that
 * cgroups can be made in it, and the files that the kernel itself says are for that,
 * /sys/kernel/cgroup/delegate. Nothing else: memory.max and its like are the limits that the owner
 * is to be kept to. v1 cannot be delegated safely and is never handed over.
 */
#include "base/fd.h"
#include "base/log.h"
#include "base/util.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* What kernels without the list delegate. */
static const char fallback[] = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";

static int give(int dir, const char *name, uid_t uid, const char *path, struct err *err)
{
    if (fchownat(dir, name, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) == 0 ||
        errno == ENOENT)
        return 0;
    err_errno(err, "give %s of cgroup %s to user %u", *name ? name : "the directory", path, uid);
    /* Who has no privilege has got the cgroup from somebody, or can give it to nobody. */
    if (!cgroup_unprivileged())
        return -1;
    log_debug("%s", err->text);
    return 0;
}

int cgroup_delegate(const struct cgroup_record *record, uid_t uid, struct err *err)
{
    struct cgroup_place *place = cgroup_place_of(record, "");
    struct err ignored = ERR_INIT;
    _cleanup_close_ int list = -1;
    _cleanup_free_ char *text = NULL;
    char *rest, *name;
    _cleanup_close_ int dir = -1;

    if (!place || record->places_n != 1)
        return 0;
    dir = cgroup_inner_dir(record, place, err);
    if (dir < 0 || give(dir, "", uid, place->path, err) < 0)
        return -1;
    list = open("/sys/kernel/cgroup/delegate", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (list < 0 || fd_read_all(list, 65536, &text, NULL, &ignored) < 0) {
        free(text);
        text = strdup(fallback);
    }
    if (!text)
        return err_set(err, ENOMEM, "delegate cgroup %s", place->path);
    rest = text;
    while ((name = strsep(&rest, "\n"))) {
        if (*name && !strchr(name, '/') && give(dir, name, uid, place->path, err) < 0)
            return -1;
    }
    return 0;
}
