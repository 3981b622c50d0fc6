/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Every mount option that does not depend on a filesystem is a row: a name and what it does to
 * struct mount_options. The rows serve the parser and `features`; anything without a row is the
 * filesystem's own and is kept, in order, in .data.
 *
 * Options are applied from left to right, so a later one overrides an earlier opposite: a row that
 * sets bits takes them out of the cleared ones and the other way round. A bit in neither set was
 * not mentioned, which for a bind mount means "as the source has it".
 *
 * The access time is not a bit but a field of three values (MOUNT_ATTR__ATIME, mount_setattr(2)):
 * any option of that group clears the whole field, and sets at most one value. The negative names
 * only undo their own positive one; what remains is the kernel's default, relatime, whose value is
 * zero.
 */
#include "base/mount.h"
#include "base/sys.h"
#include "base/util.h"
#include "libocispec/ocispec.h"

#include <errno.h>
#include <string.h>

enum option_kind {
    ATTR_SET,
    ATTR_CLEAR,
    ATIME_SET,  /* arg: the value of the field */
    ATIME_UNDO, /* arg: the value that is undone */
    SB_SET,
    SB_CLEAR,
    REC_SET,
    REC_CLEAR,
    REC_ATIME_SET,
    REC_ATIME_UNDO,
    PROPAGATION, /* arg: enum oci_propagation */
    FLAG,        /* arg: offset of a bool */
    NOTHING,
};

struct option_row {
    const char *name;
    enum option_kind kind;
    uint64_t arg;
    unsigned long sb; /* ATTR_*: the superblock's flag with the same meaning */
};

#define MEMBER(m) offsetof(struct mount_options, m)

static const struct option_row rows[] = {
    {"acl", SB_SET, MS_POSIXACL, 0},
    {"async", SB_CLEAR, MS_SYNCHRONOUS, 0},
    {"atime", ATIME_UNDO, MOUNT_ATTR_NOATIME, 0},
    {"bind", FLAG, MEMBER(bind), 0},
    {"copy-symlink", FLAG, MEMBER(copy_symlink), 0},
    {"defaults", NOTHING, 0, 0},
    {"dest-nofollow", FLAG, MEMBER(dest_nofollow), 0},
    {"dev", ATTR_CLEAR, MOUNT_ATTR_NODEV, 0},
    {"diratime", ATTR_CLEAR, MOUNT_ATTR_NODIRATIME, 0},
    {"dirsync", SB_SET, MS_DIRSYNC, 0},
    {"exec", ATTR_CLEAR, MOUNT_ATTR_NOEXEC, 0},
    {"idmap", FLAG, MEMBER(idmap), 0},
    {"iversion", SB_SET, MS_I_VERSION, 0},
    {"lazytime", SB_SET, MS_LAZYTIME, 0},
    {"loud", SB_CLEAR, MS_SILENT, 0},
    {"mand", SB_SET, MS_MANDLOCK, 0},
    {"noacl", SB_CLEAR, MS_POSIXACL, 0},
    {"noatime", ATIME_SET, MOUNT_ATTR_NOATIME, 0},
    {"nodev", ATTR_SET, MOUNT_ATTR_NODEV, 0},
    {"nodiratime", ATTR_SET, MOUNT_ATTR_NODIRATIME, 0},
    {"noexec", ATTR_SET, MOUNT_ATTR_NOEXEC, 0},
    {"noiversion", SB_CLEAR, MS_I_VERSION, 0},
    {"nolazytime", SB_CLEAR, MS_LAZYTIME, 0},
    {"nomand", SB_CLEAR, MS_MANDLOCK, 0},
    {"norelatime", ATIME_UNDO, MOUNT_ATTR_RELATIME, 0},
    {"nostrictatime", ATIME_UNDO, MOUNT_ATTR_STRICTATIME, 0},
    {"nosuid", ATTR_SET, MOUNT_ATTR_NOSUID, 0},
    {"nosymfollow", ATTR_SET, MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"private", PROPAGATION, OCI_PROPAGATION_PRIVATE, 0},
    {"ratime", REC_ATIME_UNDO, MOUNT_ATTR_NOATIME, 0},
    {"rbind", FLAG, MEMBER(recursive), 0},
    {"rdev", REC_CLEAR, MOUNT_ATTR_NODEV, 0},
    {"rdiratime", REC_CLEAR, MOUNT_ATTR_NODIRATIME, 0},
    {"relatime", ATIME_SET, MOUNT_ATTR_RELATIME, 0},
    {"remount", FLAG, MEMBER(remount), 0},
    {"rexec", REC_CLEAR, MOUNT_ATTR_NOEXEC, 0},
    {"ridmap", FLAG, MEMBER(ridmap), 0},
    {"rnoatime", REC_ATIME_SET, MOUNT_ATTR_NOATIME, 0},
    {"rnodev", REC_SET, MOUNT_ATTR_NODEV, 0},
    {"rnodiratime", REC_SET, MOUNT_ATTR_NODIRATIME, 0},
    {"rnoexec", REC_SET, MOUNT_ATTR_NOEXEC, 0},
    {"rnorelatime", REC_ATIME_UNDO, MOUNT_ATTR_RELATIME, 0},
    {"rnostrictatime", REC_ATIME_UNDO, MOUNT_ATTR_STRICTATIME, 0},
    {"rnosuid", REC_SET, MOUNT_ATTR_NOSUID, 0},
    {"rnosymfollow", REC_SET, MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"ro", ATTR_SET, MOUNT_ATTR_RDONLY, MS_RDONLY},
    {"rprivate", PROPAGATION, OCI_PROPAGATION_RPRIVATE, 0},
    {"rrelatime", REC_ATIME_SET, MOUNT_ATTR_RELATIME, 0},
    {"rro", REC_SET, MOUNT_ATTR_RDONLY, 0},
    {"rrw", REC_CLEAR, MOUNT_ATTR_RDONLY, 0},
    {"rshared", PROPAGATION, OCI_PROPAGATION_RSHARED, 0},
    {"rslave", PROPAGATION, OCI_PROPAGATION_RSLAVE, 0},
    {"rstrictatime", REC_ATIME_SET, MOUNT_ATTR_STRICTATIME, 0},
    {"rsuid", REC_CLEAR, MOUNT_ATTR_NOSUID, 0},
    {"rsymfollow", REC_CLEAR, MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"runbindable", PROPAGATION, OCI_PROPAGATION_RUNBINDABLE, 0},
    {"rw", ATTR_CLEAR, MOUNT_ATTR_RDONLY, MS_RDONLY},
    {"shared", PROPAGATION, OCI_PROPAGATION_SHARED, 0},
    {"silent", SB_SET, MS_SILENT, 0},
    {"slave", PROPAGATION, OCI_PROPAGATION_SLAVE, 0},
    {"src-nofollow", FLAG, MEMBER(src_nofollow), 0},
    {"strictatime", ATIME_SET, MOUNT_ATTR_STRICTATIME, 0},
    {"suid", ATTR_CLEAR, MOUNT_ATTR_NOSUID, 0},
    {"symfollow", ATTR_CLEAR, MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"sync", SB_SET, MS_SYNCHRONOUS, 0},
    {"tmpcopyup", FLAG, MEMBER(tmpcopyup), 0},
    {"unbindable", PROPAGATION, OCI_PROPAGATION_UNBINDABLE, 0},
};

static const struct option_row *find_row(const char *name)
{
    size_t low = 0, high = ARRAY_SIZE(rows);

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, rows[middle].name);

        if (order == 0)
            return &rows[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static void bits_on(uint64_t *set, uint64_t *clear, uint64_t bits)
{
    *set |= bits;
    *clear &= ~bits;
}

static void atime_set(uint64_t *set, uint64_t *clear, uint64_t value)
{
    *set = (*set & ~(uint64_t)MOUNT_ATTR__ATIME) | value;
    *clear |= MOUNT_ATTR__ATIME;
}

static void atime_undo(uint64_t *set, uint64_t *clear, uint64_t value)
{
    if ((*set & MOUNT_ATTR__ATIME) == value)
        *set &= ~(uint64_t)MOUNT_ATTR__ATIME;
    *clear |= MOUNT_ATTR__ATIME;
}

static void sb_on(unsigned long *set, unsigned long *clear, unsigned long bits)
{
    *set |= bits;
    *clear &= ~bits;
}

static int add_propagation(struct mount_options *out, enum oci_propagation p, struct err *err)
{
    if (out->propagation_n > 0 && out->propagation[out->propagation_n - 1] == p)
        return 0;
    if (out->propagation_n == ARRAY_SIZE(out->propagation))
        return err_set(err, EINVAL, "more than %zu propagation options",
                       ARRAY_SIZE(out->propagation));
    out->propagation[out->propagation_n++] = p;
    return 0;
}

static int apply_row(const struct option_row *row, struct mount_options *out, struct err *err)
{
    switch (row->kind) {
    case ATTR_SET:
        bits_on(&out->set, &out->clear, row->arg);
        sb_on(&out->sb_set, &out->sb_clear, row->sb);
        break;
    case ATTR_CLEAR:
        bits_on(&out->clear, &out->set, row->arg);
        sb_on(&out->sb_clear, &out->sb_set, row->sb);
        break;
    case ATIME_SET:
        atime_set(&out->set, &out->clear, row->arg);
        break;
    case ATIME_UNDO:
        atime_undo(&out->set, &out->clear, row->arg);
        break;
    case SB_SET:
        sb_on(&out->sb_set, &out->sb_clear, row->arg);
        break;
    case SB_CLEAR:
        sb_on(&out->sb_clear, &out->sb_set, row->arg);
        break;
    case REC_SET:
        bits_on(&out->rec_set, &out->rec_clear, row->arg);
        break;
    case REC_CLEAR:
        bits_on(&out->rec_clear, &out->rec_set, row->arg);
        break;
    case REC_ATIME_SET:
        atime_set(&out->rec_set, &out->rec_clear, row->arg);
        break;
    case REC_ATIME_UNDO:
        atime_undo(&out->rec_set, &out->rec_clear, row->arg);
        break;
    case PROPAGATION:
        return add_propagation(out, (enum oci_propagation)row->arg, err);
    case FLAG:
        *(bool *)((char *)out + row->arg) = true;
        break;
    case NOTHING:
        break;
    }
    return 0;
}

/* "idmap=VALUE" and "ridmap=VALUE" never reach the filesystem (config.md#mounts). */
static bool take_idmap(const char *option, struct mount_options *out)
{
    if (strncmp(option, "idmap=", 6) == 0) {
        out->idmap = true;
        out->idmap_value = option + 6;
        return true;
    }
    if (strncmp(option, "ridmap=", 7) == 0) {
        out->ridmap = true;
        out->idmap_value = option + 7;
        return true;
    }
    return false;
}

int mount_options_parse(const char *const *options, size_t n, struct oci_arena *arena,
                        struct mount_options *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    out->data = oci_alloc(arena, (n + 1) * sizeof *out->data);
    if (out->data == NULL)
        return err_set(err, ENOMEM, "mount options");

    for (size_t i = 0; i < n; i++) {
        const struct option_row *row = find_row(options[i]);

        if (row != NULL) {
            if (apply_row(row, out, err) < 0)
                return -1;
        } else if (options[i][0] != '\0' && !take_idmap(options[i], out)) {
            out->data[out->data_n++] = options[i];
        }
    }
    if (out->recursive)
        out->bind = true;
    return 0;
}

const char *const *mount_option_names(void)
{
    static const char *names[ARRAY_SIZE(rows) + 1];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        names[i] = rows[i].name;
    return names;
}
