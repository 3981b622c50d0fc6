/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The terminal of a container comes from the container's own devpts, so that ttyname(3) works
 * inside. That file system may be one that an image or a volume has replaced, therefore each step
 * is an fd that is checked, and no name is used twice: ptmx is found in the rootfs and must be the
 * multiplexer of a devpts before it is opened; the other end is asked of the kernel (TIOCGPTPEER),
 * not opened by its name; /dev/console becomes a bind of that very fd (CVE-2025-52565).
 *
 * The size is set before the master leaves init, so that the program's first look at it is right.
 */
#include "base/fd.h"
#include "base/mount.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"
#include "init/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

#define PTMX_MAJOR 5 /* Documentation/admin-guide/devices.txt */
#define PTMX_MINOR 2
#define PTS_MAJOR 136 /* to 143: UNIX98 slaves */
#define PTS_MAJOR_LAST 143

static int ptmx_open(struct init *in, struct err *err)
{
    _cleanup_close_ int fd =
        path_open_in_root(in->rootfs, "dev/pts/ptmx", O_PATH | O_NOFOLLOW, err);
    struct stat st;
    int master;

    if (fd < 0 && (err->errnum == ENOENT || err->errnum == ENOTDIR))
        return err_set(err, 0, "process.terminal needs a devpts mount at /dev/pts");
    if (fd < 0)
        return err_context(err, "process.terminal");
    if (fstat(fd, &st) < 0)
        return err_errno(err, "process.terminal: stat of /dev/pts/ptmx");
    if (mount_statfs_magic(fd) != DEVPTS_SUPER_MAGIC || !S_ISCHR(st.st_mode) ||
        st.st_rdev != makedev(PTMX_MAJOR, PTMX_MINOR))
        return err_set(err, 0,
                       "process.terminal needs a devpts mount at /dev/pts: "
                       "what is there is another file system");
    master = proc_reopen(in->proc >= 0 ? in->proc : in->host_proc, fd, O_RDWR, err);
    return master >= 0 ? master : err_context(err, "process.terminal: open /dev/pts/ptmx");
}

/* The slave of @master, unlocked; its number in @number. */
static int pts_open(int master, int *number, struct err *err)
{
    int unlock = 0;
    struct stat st;

    if (ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCGPTN, number) < 0)
        return err_errno(err, "process.terminal: unlock the pty");

    _cleanup_close_ int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (slave < 0)
        return err_errno(err, "process.terminal: open the pty's other end");
    if (fstat(slave, &st) < 0)
        return err_errno(err, "process.terminal: stat of the pty");
    if (!S_ISCHR(st.st_mode) || major(st.st_rdev) < PTS_MAJOR || major(st.st_rdev) > PTS_MAJOR_LAST)
        return err_set(err, 0, "process.terminal: the pty's other end is not a terminal");
    return util_take_fd(slave);
}

static int console_set_size(struct init *in, int master, struct err *err)
{
    const struct oci_box *box = in->process->console_size;
    struct winsize size = {0};

    if (!box)
        return 0;
    size.ws_row = box->height > USHRT_MAX ? USHRT_MAX : (unsigned short)box->height;
    size.ws_col = box->width > USHRT_MAX ? USHRT_MAX : (unsigned short)box->width;
    if (ioctl(master, TIOCSWINSZ, &size) < 0)
        return err_errno(err, "process.consoleSize");
    return 0;
}

/* Give @fd to the container's user. The group stays: devpts' gid= option or the pipe's maker chose
 * it. EINVAL and EPERM: the id or the file's owner has no mapping in our user namespace; EROFS: a
 * tty of a read-only devpts. The program then works with what the fd is already open for. */
static int give_to_user(struct init *in, int fd, struct err *err)
{
    if (fchown(fd, in->process->user.uid, (gid_t)-1) == 0)
        return 0;
    if (errno == EINVAL || errno == EPERM || errno == EROFS)
        return 0;
    return err_errno(err, "chown of the terminal or pipe to uid %u", in->process->user.uid);
}

/* O_PATH fd of /dev/console, a file that is made if it is missing. A link there is not followed: it
 * is the image's, and would choose what gets covered. */
static int console_target(struct init *in, struct err *err)
{
    const char *name;
    struct stat st;
    _cleanup_close_ int dev = path_make_parent_in_root(in->rootfs, "dev/console", &name, err);

    if (dev < 0)
        return err_context(err, "/dev/console");

    _cleanup_close_ int made =
        openat(dev, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0620);

    if (made < 0 && errno != EEXIST)
        return err_errno(err, "/dev/console");

    _cleanup_close_ int target = openat(dev, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (target < 0 || fstat(target, &st) < 0)
        return err_errno(err, "/dev/console");
    if (S_ISLNK(st.st_mode) || S_ISDIR(st.st_mode))
        return err_set(err, 0,
                       "/dev/console: is a %s in the rootfs, the terminal cannot be put there",
                       S_ISLNK(st.st_mode) ? "symbolic link" : "directory");
    return util_take_fd(target);
}

static int console_bind(struct init *in, int slave, struct err *err)
{
    struct mount_object object = {.fd = -1};
    _cleanup_close_ int target = console_target(in, err);

    if (target < 0)
        return -1;
    object.fd = mount_clone(slave, "", false, false, err);
    if (object.fd < 0 && (err->errnum == ENOSYS || err->errnum == EPERM)) {
        object.plain = true;
        object.fd = fcntl(slave, F_DUPFD_CLOEXEC, 0);
    }
    if (object.fd < 0)
        return err_context(err, "/dev/console");

    int result = init_mounts_attach(in, &object, target, err);

    fd_close(object.fd);
    return result < 0 ? err_context(err, "/dev/console") : 0;
}

int init_console_open(void *init, struct err *err)
{
    struct init *in = init;
    char name[32];
    int number = -1;

    if (!in->process || !in->process->terminal)
        return 0;

    _cleanup_close_ int master = ptmx_open(in, err);

    if (master < 0)
        return -1;

    _cleanup_close_ int slave = pts_open(master, &number, err);

    if (slave < 0 || console_set_size(in, master, err) < 0 || give_to_user(in, slave, err) < 0 ||
        init_label_file(in, slave, err) < 0)
        return -1;
    /* Without a mount namespace of our own the bind would appear on the machine. */
    if (!(in->setup.flags & (SETUP_EXEC | SETUP_CHROOT)) && console_bind(in, slave, err) < 0)
        return -1;
    snprintf(name, sizeof name, "/dev/pts/%d", number);
    if (protocol_send(in->sock, PROTOCOL_CONSOLE, name, strlen(name) + 1, &master, 1, err) < 0)
        return err_context(err, "process.terminal: hand over the pty");
    in->console = util_take_fd(slave);
    return 0;
}

/* conmon kills the process group of init, so it leads a session with and without a terminal. */
static int session_new(struct err *err)
{
    if (setsid() < 0 && (errno != EPERM || getsid(0) != getpid()))
        return err_errno(err, "setsid");
    return 0;
}

/* The program reopens /dev/stdout as its own user, so pipes and terminals become that user's. Never
 * anything with a name that others share: chown of /dev/null or of a log file is damage on the
 * machine. A terminal stays as it is for root, who needs no help and would take it from the person
 * at it. */
static int stdio_give_to_user(struct init *in, struct err *err)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        struct stat st;
        uid_t uid = in->process ? in->process->user.uid : 0;

        if (!in->process || fstat(fd, &st) < 0 || st.st_uid == uid)
            continue;
        if (S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && uid != 0 && isatty(fd)))
            if (give_to_user(in, fd, err) < 0)
                return -1;
    }
    return 0;
}

int init_console_use(void *init, struct err *err)
{
    struct init *in = init;

    if (session_new(err) < 0)
        return -1;
    if (in->console < 0)
        return stdio_give_to_user(in, err);
    if (ioctl(in->console, TIOCSCTTY, 0) < 0)
        return err_errno(err, "process.terminal: make it the controlling terminal");
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (in->console != fd && dup3(in->console, fd, 0) < 0)
            return err_errno(err, "process.terminal: put it on fd %d", fd);
    /* When we were started without standard streams, the slave itself is one of 0 to 2. */
    if (in->console > STDERR_FILENO)
        in->console = fd_close(in->console);
    else if (fcntl(in->console, F_SETFD, 0) < 0)
        return err_errno(err, "process.terminal: keep fd %d", in->console);
    return 0;
}
