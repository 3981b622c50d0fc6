/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * New filesystems: fsopen, one fsconfig for each option, fsmount. What these calls cannot carry,
 * and where they are missing, is written down in the object for mount(2), which makes and attaches
 * in one.
 */
#include "base/fd.h"
#include "base/mount_call.h"
#include "base/sys.h"
#include "base/util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct sb_row {
    unsigned long flag;
    const char *set, *clear;
    bool
        optional; /* only some filesystems know the word; the others have always ignored the flag */
} sb_rows[] = {
    {MS_RDONLY, "ro", "rw", false},
    {MS_SYNCHRONOUS, "sync", "async", false},
    {MS_DIRSYNC, "dirsync", NULL, false},
    {MS_MANDLOCK, "mand", "nomand", false},
    {MS_LAZYTIME, "lazytime", "nolazytime", false},
    {MS_I_VERSION, "iversion", "noiversion", true},
    {MS_POSIXACL, "acl", "noacl", true},
};

/* The kernel's own words about a failure, "e MESSAGE" a line, before they are lost with the fd. */
static void read_fscontext_log(int fs, char *buf, size_t size)
{
    size_t used = 0;
    char line[512];
    ssize_t len;

    buf[0] = '\0';
    for (int i = 0; i < 8 && (len = read(fs, line, sizeof line - 1)) > 0; i++) {
        line[len] = '\0';
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != 'e' || len < 3 || used + strlen(line) + 4 > size)
            continue;
        used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? "; " : "", line + 2);
    }
}

static int fs_error(int fs, int errnum, const char *type, const char *what, struct err *err)
{
    char log[1024];

    read_fscontext_log(fs, log, sizeof log);
    if (log[0] != '\0')
        return err_set(err, errnum, "%s: %s%s(%s)", type, what, what[0] ? " " : "", log);
    if (what[0] != '\0')
        return err_set(err, errnum, "%s: %s", type, what);
    return err_set(err, errnum, "mount %s", type);
}

/*
 * The next of the comma-separated parts of @text, which is cut there; NULL at the end. Quotes keep
 * a comma (SELinux: context="a:b:c,d"), and so does a backslash (overlay's lowerdir).
 */
static char *next_part(char **text)
{
    char *start = *text;
    bool quoted = false;
    char *p;

    if (start == NULL)
        return NULL;
    for (p = start; *p != '\0' && (quoted || *p != ','); p++) {
        if (*p == '"')
            quoted = !quoted;
        else if (*p == '\\' && p[1] != '\0')
            p++;
    }
    *text = *p == ',' ? p + 1 : NULL;
    *p = '\0';
    return start;
}

/* Drop the quotes around a value: mount(2)'s parser did so, fsconfig(2) takes values as they are.
 */
static char *unquote(char *value)
{
    size_t len = strlen(value);

    if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
        value[len - 1] = '\0';
        return value + 1;
    }
    return value;
}

static int configure_data(int fs, const char *type, const char *option, struct err *err)
{
    _cleanup_free_ char *copy = strdup(option);
    char *rest = copy, *key;

    if (copy == NULL)
        return err_set(err, ENOMEM, "%s", option);
    while ((key = next_part(&rest)) != NULL) {
        char *value = strchr(key, '=');
        int result;

        if (key[0] == '\0')
            continue;
        if (value != NULL) {
            *value++ = '\0';
            result = sys_fsconfig(fs, FSCONFIG_SET_STRING, key, unquote(value), 0);
        } else {
            result = sys_fsconfig(fs, FSCONFIG_SET_FLAG, key, NULL, 0);
        }
        if (result < 0)
            return fs_error(fs, errno, type, option, err);
    }
    return 0;
}

static int configure_superblock(int fs, const char *type, const struct mount_options *o,
                                struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(sb_rows); i++) {
        const struct sb_row *row = &sb_rows[i];
        const char *word = o->sb_set & row->flag     ? row->set
                           : o->sb_clear & row->flag ? row->clear
                                                     : NULL;

        if (word == NULL || (row->flag == MS_RDONLY && word == row->clear))
            continue;
        if (sys_fsconfig(fs, FSCONFIG_SET_FLAG, word, NULL, 0) < 0 && !row->optional)
            return fs_error(fs, errno, type, word, err);
    }
    return 0;
}

/* fsconfig(2) takes at most 255 bytes of a string. */
static bool fits_fsconfig(const char *source, const struct mount_options *o)
{
    if (source != NULL && strlen(source) > 255)
        return false;
    for (size_t i = 0; i < o->data_n; i++)
        if (strlen(o->data[i]) > 255)
            return false;
    return true;
}

static int join_data(const struct mount_options *o, char *buf, size_t size, struct err *err)
{
    size_t used = 0;

    buf[0] = '\0';
    for (size_t i = 0; i < o->data_n; i++) {
        size_t len = strlen(o->data[i]);

        if (used + len + 2 > size)
            return err_set(err, E2BIG, "mount options");
        if (used > 0)
            buf[used++] = ',';
        memcpy(buf + used, o->data[i], len + 1);
        used += len;
    }
    return 0;
}

static int record_for_mount(const char *type, const char *source, const struct mount_options *o,
                            struct mount_object *out, struct err *err)
{
    out->type = type;
    out->source = source != NULL ? source : type;
    out->flags = mount_attr_to_ms(o->set | o->rec_set) | o->sb_set;
    return join_data(o, out->data, sizeof out->data, err);
}

int mount_new(const char *type, const char *source, const struct mount_options *o,
              struct mount_object *out, struct err *err)
{
    uint64_t attr = (o->set & ~o->rec_clear) | o->rec_set;

    *out = (struct mount_object){.fd = -1};
    if (o->rec_clear & MOUNT_ATTR__ATIME)
        attr = (attr & ~(uint64_t)MOUNT_ATTR__ATIME) | (o->rec_set & MOUNT_ATTR__ATIME);
    if (!fits_fsconfig(source, o) || mount_move_is_missing())
        return record_for_mount(type, source, o, out, err);

    _cleanup_close_ int fs = sys_fsopen(type, FSOPEN_CLOEXEC);
    if (fs < 0) {
        if (mount_call_is_missing(errno))
            return record_for_mount(type, source, o, out, err);
        if (errno == ENODEV)
            return err_set(err, ENODEV, "filesystem type %s is not known to the kernel", type);
        return err_errno(err, "mount %s", type);
    }
    if (source != NULL && sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
        return fs_error(fs, errno, type, source, err);
    if (configure_superblock(fs, type, o, err) < 0)
        return -1;
    for (size_t i = 0; i < o->data_n; i++)
        if (configure_data(fs, type, o->data[i], err) < 0)
            return -1;
    if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return fs_error(fs, errno, type, "", err);
    out->fd = sys_fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attr);
    /* Linux 5.10 has nosymfollow for mount(2), and from 5.14 on for this call. */
    if (out->fd < 0 && errno == EINVAL && (attr & MOUNT_ATTR_NOSYMFOLLOW))
        return record_for_mount(type, source, o, out, err);
    if (out->fd < 0)
        return fs_error(fs, errno, type, "", err);
    return 0;
}

/* mount(2) sets the flags of the file system and those of the mount together, so that "ro" of the
 * one would become the other's. */
static int reconfigure_by_mount(int fd, const struct mount_options *o, int procfs, struct err *err)
{
    unsigned long flags = o->sb_set & ~(unsigned long)MS_RDONLY;
    char data[4096];
    uint64_t now;

    if (join_data(o, data, sizeof data, err) < 0)
        return -1;
    if (mount_current_attr(fd, &now) < 0)
        return err_errno(err, "flags of a mount");
    if (now & MOUNT_ATTR_RDONLY)
        return err_set(err, ENOSYS, "remount of what is read-only, without fspick(2)");
    if (mount_on_fd(procfs, -1, NULL, fd, NULL, MS_REMOUNT | mount_attr_to_ms(now) | flags, data) <
        0)
        return err_errno(err, "remount");
    return 0;
}

static int reconfigure_picked(int fs, const struct mount_options *o, struct err *err)
{
    struct mount_options without = *o;

    without.sb_set &= ~(unsigned long)MS_RDONLY;
    if (configure_superblock(fs, "remount", &without, err) < 0)
        return -1;
    for (size_t i = 0; i < o->data_n; i++)
        if (configure_data(fs, "remount", o->data[i], err) < 0)
            return -1;
    return sys_fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0
               ? fs_error(fs, errno, "remount", "", err)
               : 0;
}

int mount_reconfigure(int fd, const struct mount_options *o, int procfs, struct err *err)
{
    _cleanup_close_ int fs = sys_fspick(fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);

    if (fs < 0 && !mount_call_is_missing(errno))
        return err_errno(err, "remount");
    if ((fs >= 0 ? reconfigure_picked(fs, o, err) : reconfigure_by_mount(fd, o, procfs, err)) < 0)
        return -1;
    return mount_set_attr(fd, false, o->set, o->clear, procfs, err);
}
