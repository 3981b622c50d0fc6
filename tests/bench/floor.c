/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * floor [-p] ROOTFS HIERARCHIES PROGRAM [ARGUMENT…]
 *
 * The physical floor of `run`: the work that `ocirun spec`'s configuration asks of the kernel, and
 * nothing else: no JSON, no state, no checks, no library. Names are hard-coded, errors end it.
 *
 *   -p           protected: the child first executes a read-only detached clone of this file, as a
 *                runtime has to (CVE-2019-5736)
 *   HIERARCHIES  where cgroup hierarchies are mounted, separated by commas. v1: each gets a cgroup
 *                "floor", which is joined. "v2:DIR": the only one is cgroup2; its cgroup is entered
 *                by CLONE_INTO_CGROUP. "-": no cgroups.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* <sys/mount.h> and <linux/mount.h> clash in older headers. */
int mount(const char *, const char *, const char *, unsigned long, const void *);
int umount2(const char *, int);
#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define HIERARCHIES_MAX 32
#define NOSUID_NODEV_NOEXEC (MS_NOSUID | MS_NODEV | MS_NOEXEC)

struct cgroups {
    bool v2;
    size_t n;
    char *dir[HIERARCHIES_MAX];
};

__attribute__((noreturn)) static void die(const char *what)
{
    perror(what);
    _exit(1);
}

static void must(int result, const char *what)
{
    if (result < 0)
        die(what);
}

static void put(const char *dir, const char *name, const char *text)
{
    char path[512];
    int fd;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        die(path);
    close(fd);
}

/* ---- the child ------------------------------------------------------------------------------ */

static void make_mounts(const char *root)
{
    static const struct {
        const char *source, *target, *type, *data;
        unsigned long flags;
    } mounts[] = {
        {"proc", "proc", "proc", NULL, 0},
        {"tmpfs", "dev", "tmpfs", "mode=755,size=65536k", MS_NOSUID | MS_STRICTATIME},
        {"devpts", "dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5",
         MS_NOSUID | MS_NOEXEC},
        {"shm", "dev/shm", "tmpfs", "mode=1777,size=65536k", NOSUID_NODEV_NOEXEC},
        {"mqueue", "dev/mqueue", "mqueue", NULL, NOSUID_NODEV_NOEXEC},
        {"sysfs", "sys", "sysfs", NULL, NOSUID_NODEV_NOEXEC | MS_RDONLY},
    };

    must(mount("", "/", NULL, MS_REC | MS_SLAVE, NULL), "make / a slave");
    must(mount(root, root, NULL, MS_BIND | MS_REC, NULL), root);
    must(chdir(root), root);
    for (size_t i = 0; i < COUNT(mounts); i++) {
        if (i > 1 && strncmp(mounts[i].target, "dev/", 4) == 0)
            must(mkdir(mounts[i].target, 0755), mounts[i].target);
        must(mount(mounts[i].source, mounts[i].target, mounts[i].type, mounts[i].flags,
                   mounts[i].data),
             mounts[i].target);
    }
}

static void make_cgroup_mount(const struct cgroups *c)
{
    const unsigned long flags = NOSUID_NODEV_NOEXEC | MS_RDONLY;
    const char *top = "sys/fs/cgroup";
    char path[512], option[64];

    if (c->v2) {
        must(mount("cgroup", top, "cgroup2", flags, NULL), top);
        return;
    }
    if (c->n == 0)
        return;
    must(mount("cgroup", top, "tmpfs", NOSUID_NODEV_NOEXEC, "mode=755"), top);
    for (size_t i = 0; i < c->n; i++) {
        const char *name = strrchr(c->dir[i], '/') + 1;
        bool named = strcmp(name, "systemd") == 0;

        snprintf(path, sizeof path, "%s/%s", top, name);
        snprintf(option, sizeof option, "%s%s", named ? "none,name=" : "", name);
        must(mkdir(path, 0755), path);
        must(mount("cgroup", path, "cgroup", flags, option), path);
    }
    must(mount(NULL, top, NULL, MS_REMOUNT | MS_BIND | flags, NULL), top);
}

static void make_devices(void)
{
    static const struct {
        const char *name;
        unsigned major, minor;
    } dev[] = {{"dev/null", 1, 3}, {"dev/zero", 1, 5},   {"dev/full", 1, 7},
               {"dev/tty", 5, 0},  {"dev/random", 1, 8}, {"dev/urandom", 1, 9}};
    static const char *const link[][2] = {{"/proc/self/fd", "dev/fd"},
                                          {"/proc/self/fd/0", "dev/stdin"},
                                          {"/proc/self/fd/1", "dev/stdout"},
                                          {"/proc/self/fd/2", "dev/stderr"},
                                          {"pts/ptmx", "dev/ptmx"}};

    umask(0);
    for (size_t i = 0; i < COUNT(dev); i++)
        must(mknod(dev[i].name, S_IFCHR | 0666, makedev(dev[i].major, dev[i].minor)), dev[i].name);
    for (size_t i = 0; i < COUNT(link); i++)
        must(symlink(link[i][0], link[i][1]), link[i][1]);
}

/* What is not there on this machine is left out, as in a runtime. */
static void hide_paths(void)
{
    static const char *const mask[] = {
        "/proc/acpi",          "/proc/asound",     "/proc/kcore",       "/proc/keys",
        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
        "/proc/scsi",          "/sys/firmware"};
    static const char *const ro[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                     "/proc/sysrq-trigger"};

    for (size_t i = 0; i < COUNT(ro); i++) {
        if (mount(ro[i], ro[i], NULL, MS_BIND | MS_REC, NULL) == 0)
            must(mount(NULL, ro[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), ro[i]);
    }
    for (size_t i = 0; i < COUNT(mask); i++) {
        if (mount("/dev/null", mask[i], NULL, MS_BIND, NULL) < 0 && errno == ENOTDIR)
            must(mount("tmpfs", mask[i], "tmpfs", MS_RDONLY, "nr_blocks=1,nr_inodes=2"), mask[i]);
    }
    must(mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), "read-only /");
}

/* Everything from "I am in my namespaces" to the program. */
__attribute__((noreturn)) static void init(const char *root, const struct cgroups *c, int go,
                                           char **argv)
{
    char byte;

    /* The parent has put us into the v1 cgroups. */
    if (read(go, &byte, 1) != 1)
        _exit(1);
    if (!c->v2 && c->n > 0)
        must(unshare(CLONE_NEWCGROUP), "cgroup namespace");
    must(sethostname("floor", 5), "sethostname");
    make_mounts(root);
    make_cgroup_mount(c);
    make_devices();
    must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
    must(umount2(".", MNT_DETACH), "detach the old root");
    must(chdir("/"), "/");
    hide_paths();
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
    execv(argv[0], argv);
    die(argv[0]);
}

/* ---- the parent ----------------------------------------------------------------------------- */

static void parse_cgroups(char *text, struct cgroups *c)
{
    if (strcmp(text, "-") == 0)
        return;
    c->v2 = strncmp(text, "v2:", 3) == 0;
    for (char *dir = strtok(c->v2 ? text + 3 : text, ","); dir && c->n < HIERARCHIES_MAX;
         dir = strtok(NULL, ","))
        c->dir[c->n++] = dir;
}

static void floor_path(const char *dir, char *path, size_t size)
{
    if (snprintf(path, size, "%s/floor", dir) >= (int)size)
        _exit(1);
}

/* A cpuset starts empty, and nothing can enter it. */
static void join_v1(const struct cgroups *c, pid_t pid)
{
    char path[256], text[16];

    snprintf(text, sizeof text, "%d", (int)pid);
    for (size_t i = 0; i < c->n; i++) {
        floor_path(c->dir[i], path, sizeof path);
        must(mkdir(path, 0755), path);
        if (strcmp(strrchr(c->dir[i], '/'), "/cpuset") == 0) {
            put(path, "cpuset.cpus", "0");
            put(path, "cpuset.mems", "0");
        }
        put(path, "cgroup.procs", text);
    }
}

static int protected_self(void)
{
    struct mount_attr ro = {.attr_set = MOUNT_ATTR_RDONLY};
    int fd = (int)syscall(SYS_open_tree, AT_FDCWD, "/proc/self/exe",
                          OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

    if (fd < 0 || syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &ro, sizeof ro) < 0)
        die("read-only clone");
    return fd;
}

static pid_t clone_child(const struct cgroups *c)
{
    struct clone_args args = {.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC |
                                       CLONE_NEWUTS,
                              .exit_signal = SIGCHLD};
    char path[256];
    long pid;
    int fd = -1;

    if (c->v2) {
        floor_path(c->dir[0], path, sizeof path);
        must(mkdir(path, 0755), path);
        must(fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), path);
        args.flags |= CLONE_INTO_CGROUP | CLONE_NEWCGROUP;
        args.cgroup = (uint64_t)fd;
    }
    pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0)
        die("clone3");
    if (fd >= 0)
        close(fd);
    return (pid_t)pid;
}

int main(int argc, char **argv)
{
    bool protect = argc > 1 && strcmp(argv[1], "-p") == 0;
    char **arg = argv + 1 + protect, path[256], text[32], *given;
    struct cgroups c = {.n = 0};
    int sync[2], self = -1, status;
    pid_t pid;

    if (argc < 4 + protect) {
        fprintf(stderr, "usage: floor [-p] ROOTFS HIERARCHIES PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    given = strdup(arg[1]);
    parse_cgroups(arg[1], &c);
    if (getenv("FLOOR_GO"))
        init(arg[0], &c, atoi(getenv("FLOOR_GO")), arg + 2);
    must(pipe(sync), "pipe");
    if (protect)
        self = protected_self();
    pid = clone_child(&c);
    if (pid == 0) {
        close(sync[1]);
        if (!protect)
            init(arg[0], &c, sync[0], arg + 2);
        snprintf(text, sizeof text, "FLOOR_GO=%d", sync[0]);
        arg[1] = given;
        syscall(SYS_execveat, self, "", argv, (char *[]){text, NULL}, AT_EMPTY_PATH);
        die("execveat");
    }
    close(sync[0]);
    if (protect)
        close(self);
    if (!c.v2)
        join_v1(&c, pid);
    must((int)write(sync[1], "x", 1), "sync");
    waitpid(pid, &status, 0);
    for (size_t i = 0; i < c.n; i++) {
        floor_path(c.dir[i], path, sizeof path);
        must(rmdir(path), path);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
