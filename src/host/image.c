/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Two files can serve as init. The runtime's own always does: executed under the name
 * "ocirun-init" it goes straight to init_main(). But it is linked for the host side, and what that
 * needs (libc by ld.so, the relocations of the host's tables) init would pay for a second time, and
 * keep in memory while the container waits. So the build makes ocirun-init, a static executable of
 * init, base and libocispec alone. It is taken where it is found (base/companion.h; somebody who
 * copies the runtime alone just does without) and carries the identity of this build (init_id.h: a
 * digest of the archives that it is made of, in an ELF note), for both sides speak one protocol in
 * plain structs. Everything is asked of one open descriptor, and that is what gets executed.
 *
 * In neither case is it executed through a handle that somebody inside the container could write to
 * (CVE-2019-5736), but from a detached, read-only clone of the file's mount. Where there is no such
 * clone (no privilege, old kernel) a sealed copy in memory serves.
 */
#include "host/image.h"

#include "base/companion.h"
#include "base/fd.h"
#include "base/sys.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef SEPARATE_INIT
#include "init_id.h"
#endif

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

#define INIT_NAME "ocirun-init"

#ifdef SEPARATE_INIT

/* Notes come first in the file (the linker places them right behind the program headers). */
#define NOTES_MAX 4096

static bool of_this_build(int fd)
{
    char head[NOTES_MAX];
    ssize_t n = pread(fd, head, sizeof head, 0);

    return n > 0 && memmem(head, (size_t)n, INIT_ID, sizeof INIT_ID - 1);
}

static int open_separate(void)
{
    return companion_open(INIT_NAME, of_this_build);
}

#else

static int open_separate(void)
{
    return -1;
}

#endif

/* Where vm.memfd_noexec is set, a memfd is executable only if asked for; kernels before 6.3 do not
 * know the flag. */
static int executable_memfd(void)
{
    int fd = memfd_create(INIT_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

    return fd < 0 && errno == EINVAL ? memfd_create(INIT_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING)
                                     : fd;
}

/* The kernel waits for whoever holds pages of the copy for a moment, which includes its own lists
 * of pages, and then says EBUSY (mm/memfd.c; seen on 5.10): so it is asked again. */
static int seal(int copy)
{
    const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int result, tries = 5;

    do
        result = fcntl(copy, F_ADD_SEALS, seals);
    while (result < 0 && errno == EBUSY && --tries > 0);
    return result;
}

static int sealed_copy(int exe, struct err *err)
{
    _cleanup_close_ int copy = executable_memfd();
    char path[64];
    char buf[65536];
    ssize_t n = 0;
    int fd;

    if (copy < 0)
        return err_errno(err, "copy of the runtime's file");
    while ((n = read(exe, buf, sizeof buf)) > 0) {
        if (fd_write_all(copy, buf, (size_t)n, err) < 0)
            return -1;
    }
    /* For all: in a user namespace the child is another user. */
    if (n < 0 || fchmod(copy, 0555) < 0 || seal(copy) < 0)
        return err_errno(err, "copy of the runtime's file");
    /* A file that is open for writing cannot be executed (ETXTBSY). */
    snprintf(path, sizeof path, "/proc/self/fd/%d", copy);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "copy of the runtime's file");
    return fd;
}

static int read_only_clone(int fd, const char *path)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    int clone = sys_open_tree(fd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

    if (clone >= 0 && sys_mount_setattr(clone, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0)
        return clone;
    return fd_close(clone);
}

int image_open(struct err *err)
{
    _cleanup_close_ int file = open_separate();
    int fd = file >= 0 ? read_only_clone(file, "") : read_only_clone(AT_FDCWD, "/proc/self/exe");

    if (fd >= 0)
        return fd;
    if (file < 0)
        file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    return file < 0 ? err_errno(err, "copy of the runtime's file") : sealed_copy(file, err);
}
