/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/companion.h"

#include "base/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PATH_SIZE 4096

/* Who may write to a directory of the path could put a file there, but not one of root's. */
static bool trustworthy(int fd)
{
    struct stat st, own;
    struct statvfs fs;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
        (st.st_mode & (S_ISUID | S_ISGID | S_IWGRP | S_IWOTH)))
        return false;
    /* One that cannot be executed is as good as none. */
    if (!(st.st_mode & S_IXUSR) || fstatvfs(fd, &fs) < 0 || (fs.f_flag & ST_NOEXEC))
        return false;
    return st.st_uid == 0 || (stat("/proc/self/exe", &own) == 0 && own.st_uid == st.st_uid);
}

static int open_one(const char *path, bool (*ours)(int fd))
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0 || (trustworthy(fd) && (!ours || ours(fd))))
        return fd;
    return fd_close(fd);
}

int companion_open(const char *name, bool (*ours)(int fd))
{
    char path[PATH_SIZE];
    ssize_t len;
    char *slash;
    int fd;

    snprintf(path, sizeof path, "%s/%s", LIBEXECDIR, name);
    fd = open_one(path, ours);
    if (fd >= 0)
        return fd;
    len = readlink("/proc/self/exe", path, sizeof path - 1);
    if (len <= 0)
        return -1;
    path[len] = '\0';
    slash = strrchr(path, '/');
    if (!slash || strlen(name) >= sizeof path - (size_t)(slash + 1 - path))
        return -1;
    memcpy(slash + 1, name, strlen(name) + 1);
    return open_one(path, ours);
}
