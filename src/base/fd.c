/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Whole files in and out, and file descriptors over unix sockets. Everything opened here is
 * close-on-exec; names are relative to a directory fd wherever the caller has one.
 *
 * close_range(2) has one fallback, for filters of an outer container that do not know it: the list
 * in /proc/self/fd, and where there is no procfs to be trusted, every number up to the limit.
 */
#include "base/fd.h"

#include "base/sys.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

#define FIRST_READ 4096
#define VALUE_SHOWN 128    /* bytes of a written value that go into an error */
#define LAST_FD (1U << 20) /* the kernel's default fs.nr_open */

int fd_close(int fd)
{
    int saved = errno;

    if (fd >= 0)
        close(fd);
    errno = saved;
    return -1;
}

/* ---- whole files ---------------------------------------------------------------------------- */

/* A regular file is read with one read and one more that finds the end; the size is only a guess.
 */
static size_t fd_size_guess(int fd, size_t max)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < FIRST_READ)
        return FIRST_READ;
    return (uintmax_t)st.st_size > max ? FIRST_READ : (size_t)st.st_size + 1;
}

int fd_read_all(int fd, size_t max, char **text, size_t *len, struct err *err)
{
    size_t size = fd_size_guess(fd, max), n = 0;
    _cleanup_free_ char *buf = malloc(size + 1);

    if (!buf)
        return err_errno(err, "read");
    for (;;) {
        ssize_t got = read(fd, buf + n, size - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(err, "read");
        if (got == 0)
            break;
        n += (size_t)got;
        if (n > max)
            return err_set(err, EFBIG, "read (more than %zu bytes)", max);
        if (n == size) {
            char *bigger = realloc(buf, 2 * size + 1);

            if (!bigger)
                return err_errno(err, "read");
            buf = bigger;
            size *= 2;
        }
    }
    buf[n] = '\0';
    if (len)
        *len = n;
    *text = util_take_ptr(buf);
    return 0;
}

int fd_read_file_at(int dir, const char *name, size_t max, char **text, size_t *len,
                    struct err *err)
{
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return err_errno(err, "open %s", name);
    if (fd_read_all(fd, max, text, len, err) < 0)
        return err_context(err, "%s", name);
    return 0;
}

int fd_write_all(int fd, const void *data, size_t len, struct err *err)
{
    const char *p = data;

    while (len) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EAGAIN) {
            struct pollfd pfd = {.fd = fd, .events = POLLOUT};

            if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
                return err_errno(err, "write");
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, "write");
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int fd_write_file_at(int dir, const char *name, const char *value, struct err *err)
{
    size_t len = strlen(value), shown = strcspn(value, "\n");
    ssize_t n;

    if (strchr(name, '/') || !name[0])
        return err_set(err, EINVAL, "write to %s", name);

    _cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return err_errno(err, "open %s", name);
    /* cgroupfs answers EINTR when a signal comes while it waits for the threadgroup lock. */
    do
        n = write(fd, value, len);
    while (n < 0 && errno == EINTR);
    if (n >= 0 && (size_t)n < len)
        errno = EIO;
    if (n < 0 || (size_t)n < len)
        return err_errno(err, "write \"%.*s\" to %s",
                         (int)(shown < VALUE_SHOWN ? shown : VALUE_SHOWN), value, name);
    return 0;
}

/* A new file under a name that nobody else has; the random part keeps apart writers of different
 * pid namespaces and what a killed one left. */
static int fd_create_temporary(int dir, const char *name, char *temporary, size_t size)
{
    for (int attempt = 0; attempt < 16; attempt++) {
        uint32_t salt;
        int fd;

        if (getrandom(&salt, sizeof salt, 0) != (ssize_t)sizeof salt)
            return -1;
        if (snprintf(temporary, size, ".%s.%08x", name, salt) >= (int)size) {
            errno = ENAMETOOLONG;
            return -1;
        }
        fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

int fd_stage_file_at(int dir, const char *name, const void *data, size_t len, mode_t mode,
                     char temporary[static NAME_MAX + 1], struct err *err)
{
    if (strchr(name, '/') || !name[0])
        return err_set(err, EINVAL, "write to %s", name);

    _cleanup_close_ int fd = fd_create_temporary(dir, name, temporary, NAME_MAX + 1);

    if (fd < 0)
        return err_errno(err, "create a temporary file for %s", name);
    /* The umask has no say in the mode of a record. */
    if (fd_write_all(fd, data, len, err) < 0)
        goto fail;
    if (fchmod(fd, mode) == 0)
        return 0;
    err_errno(err, "set the mode");
fail:
    unlinkat(dir, temporary, 0);
    return err_context(err, "%s", name);
}

int fd_replace_file_at(int dir, const char *name, const void *data, size_t len, mode_t mode,
                       struct err *err)
{
    char temporary[NAME_MAX + 1];

    if (fd_stage_file_at(dir, name, data, len, mode, temporary, err) < 0)
        return -1;
    if (renameat(dir, temporary, dir, name) == 0)
        return 0;
    err_errno(err, "replace");
    unlinkat(dir, temporary, 0);
    return err_context(err, "%s", name);
}

int fd_memfd(const char *name, const void *data, size_t len, struct err *err)
{
    _cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

    /* Before 6.3 the kernel does not know MFD_NOEXEC_SEAL; since then vm.memfd_noexec may insist.
     */
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_errno(err, "memfd %s", name);
    if (fd_write_all(fd, data, len, err) < 0)
        return err_context(err, "memfd %s", name);
    if (lseek(fd, 0, SEEK_SET) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return err_errno(err, "seal memfd %s", name);
    return util_take_fd(fd);
}

/* ---- close_range ---------------------------------------------------------------------------- */

static int fd_cloexec(int fd)
{
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 && errno != EBADF ? -1 : 0;
}

struct fd_dirent { /* getdents64(2) */
    uint64_t ino;
    int64_t off;
    uint16_t len;
    uint8_t type;
    char name[];
};

/* One pass over the fd directory @list. readdir() is not used because the caller may be a child
 * between fork and exec. */
static int fd_walk_list(int list, unsigned first)
{
    char buf[2048] __attribute__((aligned(8)));
    long n;

    while ((n = syscall(SYS_getdents64, list, buf, sizeof buf)) > 0)
        for (long at = 0; at < n;) {
            const struct fd_dirent *entry = (const void *)(buf + at);
            char *end;
            unsigned long fd = strtoul(entry->name, &end, 10);

            at += entry->len;
            if (end == entry->name || *end || fd < first || fd > INT_MAX || (int)fd == list)
                continue;
            if (fd_cloexec((int)fd) < 0)
                return -1;
        }
    return n < 0 ? -1 : 0;
}

static int fd_open_list(int procfs)
{
    struct statfs fs;
    _cleanup_close_ int list = openat(procfs, procfs < 0 ? "/proc/self/fd" : "self/fd",
                                      O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    /* In a container the directory may be anything: only a procfs tells the truth. */
    if (list < 0 || fstatfs(list, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
        return -1;
    return util_take_fd(list);
}

int fd_cloexec_from(unsigned first, int procfs)
{
    struct rlimit limit = {.rlim_max = LAST_FD};
    unsigned last = LAST_FD;
    int list, ret;

    if (sys_close_range(first, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        return 0;
    /* EINVAL: close_range of 5.9 and 5.10 does not know the flag (it came with 5.11). */
    if (errno != ENOSYS && errno != EPERM && errno != EINVAL)
        return -1;

    list = fd_open_list(procfs);
    if (list >= 0) {
        ret = fd_walk_list(list, first);
        fd_close(list);
        if (ret == 0)
            return 0;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < last)
        last = (unsigned)limit.rlim_max;
    for (unsigned fd = first; fd < last; fd++)
        if (fd_cloexec((int)fd) < 0)
            return -1;
    return 0;
}
