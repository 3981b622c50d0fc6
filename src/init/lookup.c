/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * args[0] is looked up as execvp(3) does it: a name with a slash is a path, anything else is tried
 * in each directory of the PATH that the program will have. Lookups stay inside the container's
 * root and refuse magic links (/proc/self/exe and /proc/self/fd/N lead to files of the machine);
 * rights are those of the user that the program will run as, because init has become it already.
 *
 * The result is checked when the container is created, so that a wrong command fails early. What
 * cannot be known before execve(2) (binary formats that the kernel has handlers for) is diagnosed
 * after it: errno alone says "No such file" for a missing interpreter as well as for a missing
 * program. The same function serves both; the wording is in base/wording.h.
 */
#include "base/fd.h"
#include "base/path.h"
#include "base/sys.h"
#include "base/util.h"
#include "base/wording.h"
#include "init/elf.h"
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define HEAD_SIZE 4096 /* enough for a #! line and any ELF program headers seen in practice */

/* @path as seen from the root: relative ones start at the working directory. */
static int open_as_process(int root, const char *path, int flags, struct err *err)
{
    char full[2 * PATH_MAX];
    long len;

    if (path[0] == '/')
        return path_open_in_root(root, path, flags, err);
    len = syscall(SYS_getcwd, full, (unsigned long)PATH_MAX);
    if (len <= 0 || full[0] != '/')
        return err_set(err, ENOENT, "working directory");
    if (snprintf(full + len - 1, PATH_MAX, "/%s", path) >= PATH_MAX)
        return err_set(err, ENAMETOOLONG, "%.64s…", path);
    return path_open_in_root(root, full, flags, err);
}

/* ---- why a file cannot be executed ---- */

/* faccessat2 on an fd needs no path; where it is missing (before 5.8, old filters) the mode bits
 * are what there is, without access lists. */
static bool may_execute(int fd, const struct stat *st)
{
    bool missing;

    if (sys_faccessat2(fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS) == 0)
        return true;
    missing = errno == ENOSYS || errno == EPERM || errno == EINVAL;
    return missing && (st->st_mode & 0111) != 0;
}

static int deny(const char *path, int fd, const struct stat *st, struct err *err)
{
    char why[128];
    struct statvfs fs;

    if (fstatvfs(fd, &fs) == 0 && fs.f_flag & ST_NOEXEC)
        snprintf(why, sizeof why, "its mount has the option noexec");
    else if (!(st->st_mode & 0111))
        snprintf(why, sizeof why, "mode %04o has no execute bit", st->st_mode & 07777);
    else
        snprintf(why, sizeof why, "mode %04o, owner %u:%u, for uid %u gid %u", st->st_mode & 07777,
                 st->st_uid, st->st_gid, geteuid(), getegid());
    err_set(err, 0, WORDING_DENIED, path, why);
    err->errnum = EACCES;
    return -1;
}

static bool exists(int root, const char *path)
{
    struct err ignored = ERR_INIT;
    _cleanup_close_ int fd = open_as_process(root, path, O_PATH, &ignored);

    /* Anything but "not there" is for the kernel to judge. */
    return fd >= 0 || (ignored.errnum != ENOENT && ignored.errnum != ENOTDIR);
}

/* The #! line: blanks, path, up to a blank or the end of the line (binfmt_script.c). */
static int check_script(int root, const char *path, const char *head, size_t len, struct err *err)
{
    char interpreter[256];
    size_t n;
    bool crlf;

    head += 2;
    len -= 2;
    head += strspn(head, " \t");
    n = strcspn(head, " \t\n");
    if (n == 0 || n >= sizeof interpreter || n >= len)
        return 0;
    memcpy(interpreter, head, n);
    interpreter[n] = '\0';
    crlf = interpreter[n - 1] == '\r';
    if (exists(root, interpreter))
        return 0;
    if (!crlf)
        return err_set(err, ENOENT, WORDING_NO_INTERPRETER, path, interpreter);
    interpreter[n - 1] = '\0';
    return err_set(err, ENOENT, WORDING_CRLF, path, interpreter);
}

static int check_elf(int root, const char *path, const struct elf_facts *elf, int errnum,
                     struct err *err)
{
    char why[128];

    if (!elf->native) {
        /* Not ours to judge before the kernel has: binfmt_misc may have an emulator. */
        if (errnum != ENOEXEC && errnum != EINVAL)
            return 0;
        snprintf(why, sizeof why, "it is for another machine: %s, this one is %s", elf->machine,
                 elf_native_machine());
        err_set(err, 0, WORDING_FORMAT, path, why);
        err->errnum = ENOEXEC;
        return -1;
    }
    if (elf->loader[0] && !exists(root, elf->loader))
        return err_set(err, ENOENT, WORDING_NO_LOADER, path, elf->loader);
    return 0;
}

/* Look into the file, as far as we may read it. */
static int check_content(int root, const char *path, int errnum, struct err *err)
{
    char head[HEAD_SIZE + 1];
    struct err ignored = ERR_INIT;
    struct elf_facts elf;
    ssize_t len;
    _cleanup_close_ int fd =
        open_as_process(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, &ignored);

    if (fd < 0)
        return 0;
    len = pread(fd, head, HEAD_SIZE, 0);
    if (len < 0)
        return 0;
    head[len] = '\0';
    if (len > 2 && head[0] == '#' && head[1] == '!')
        return check_script(root, path, head, (size_t)len, err);
    if (elf_look(head, (size_t)len, &elf))
        return check_elf(root, path, &elf, errnum, err);
    if (errnum != ENOEXEC)
        return 0;
    err_set(err, 0, WORDING_FORMAT, path,
            len == 0 ? "the file is empty" : "neither a #! line nor an ELF header");
    err->errnum = ENOEXEC;
    return -1;
}

static int open_failed(const char *path, struct err *err)
{
    int errnum = err->errnum;

    if (errnum == ENOENT || errnum == ENOTDIR)
        return err_set(err, errnum, WORDING_NOT_FOUND, path);
    if (errnum == EACCES) {
        err_set(err, 0, WORDING_DENIED, path, "a directory on the way may not be searched");
        err->errnum = EACCES;
        return -1;
    }
    err_set(err, errnum, "exec %s", path);
    if (errnum == ELOOP)
        err_hint(err, "links such as /proc/self/exe lead to files of the machine and are not "
                      "followed");
    return -1;
}

/* What there is to say when nothing was found, or may be looked for. */
static int say_errno(const char *path, int errnum, struct err *err)
{
    if (errnum != ENOEXEC)
        return errnum ? err_set(err, errnum, "exec %s", path) : 0;
    err_set(err, 0, WORDING_FORMAT, path, "the kernel has no handler for it");
    err->errnum = ENOEXEC;
    return -1;
}

int lookup_diagnose(int root, const char *path, int errnum, struct err *err)
{
    _cleanup_close_ int fd = -1;
    struct stat st;

    if (root < 0)
        return say_errno(path, errnum, err);
    fd = open_as_process(root, path, O_PATH, err);
    if (fd < 0 || fstat(fd, &st) < 0)
        return fd < 0 ? open_failed(path, err) : err_errno(err, "exec %s", path);
    if (S_ISDIR(st.st_mode))
        return err_set(err, EPERM, WORDING_IS_DIRECTORY, path, path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, EPERM, WORDING_NOT_REGULAR, path, path);
    if (!may_execute(fd, &st))
        return deny(path, fd, &st, err);
    if (check_content(root, path, errnum, err) < 0)
        return -1;
    if (errnum == EACCES)
        return deny(path, fd, &st, err);
    return say_errno(path, errnum, err);
}

/* ---- PATH ---- */

static const char *search_path(const struct init *in)
{
    for (char **e = in->envp; *e; e++)
        if (strncmp(*e, "PATH=", 5) == 0)
            return *e + 5;
    return DEFAULT_PATH;
}

/* Whether @path is worth executing; @denied is set when it is there but may not be. */
static bool candidate(struct init *in, const char *path, bool *denied)
{
    struct err ignored = ERR_INIT;
    struct stat st;
    _cleanup_close_ int fd = open_as_process(in->rootfs, path, O_PATH, &ignored);

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    if (may_execute(fd, &st))
        return true;
    *denied = true;
    return false;
}

/* The first executable file called @name; otherwise the first that is there but may not be
 * executed; otherwise NULL. */
static char *search(struct init *in, const char *name)
{
    const char *dir = search_path(in);
    char *refused = NULL;

    for (;;) {
        size_t len = strcspn(dir, ":");
        bool denied = false;
        /* An empty entry is the working directory. */
        char *path = len ? oci_printf(in->arena, "%.*s/%s", (int)len, dir, name)
                         : oci_printf(in->arena, "./%s", name);

        if (path && candidate(in, path, &denied))
            return path;
        if (denied && !refused)
            refused = path;
        if (!dir[len])
            return refused;
        dir += len + 1;
    }
}

/* A startContainer hook may still install what an interpreter line or a loader asks for. */
static int check_program(struct init *in, struct err *err)
{
    int result = lookup_diagnose(in->rootfs, in->program, 0, err);

    if (result < 0 && err->errnum == ENOENT && in->hooks.start_container_n > 0 &&
        exists(in->rootfs, in->program))
        return 0;
    return result;
}

int lookup_program(struct init *in, struct err *err)
{
    const char *name = in->process->args[0];

    if (!*name)
        return err_set(err, ENOENT, WORDING_EMPTY_NAME);
    in->program = strchr(name, '/') ? oci_strdup(in->arena, name) : search(in, name);
    if (!in->program)
        return err_set(err, ENOENT, WORDING_NOT_IN_PATH, name);
    return check_program(in, err);
}
