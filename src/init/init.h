/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * init: the part that runs inside the container's namespaces, from the first setns until the
 * program is executed. It is the runtime's binary executed again as "ocirun-init" (main.c hands
 * over to init_main()), from a read-only clone, and it trusts nothing that it finds inside the
 * container.
 *
 * The order is the table in init.c. Each step is a function of one of the files here.
 */
#ifndef INIT_INIT_H
#define INIT_INIT_H

#include "base/err.h"
#include "base/mount.h"
#include "base/protocol.h"
#include "libocispec/ocispec.h"

struct init {
    int sock;                    /* to the host side (create, exec) */
    int listen;                  /* for start; -1 in exec */
    int signals;                 /* signalfd while it waits for start, or -1 */
    struct protocol_setup setup; /* as received */
    int fd[SETUP_FD_COUNT];      /* the fds of setup, -1 where absent */

    struct oci_arena *arena;
    struct oci_config config;    /* create: the snapshot; exec: what host/exec.c puts together */
    struct oci_process *process; /* NULL: none (start will fail) */
    struct oci_hooks hooks;      /* zeroed when there are none */
    struct oci_linux linux_;     /* zeroed when there is none */

    int host_proc; /* verified /proc of the machine (from the host side) */
    int proc;      /* procfs handle of our pid namespace; host_proc when the kernel refuses one */
    int rootfs;    /* root directory of the container's tree, O_PATH; after pivot_root still "/" */
    int *sources;  /* detached bind source per mounts[], -1 where none */
    bool *source_is_dir;
    int *device_sources; /* per linux.devices[], -1 */
    int default_device_sources[6];
    bool shared_mounts; /* an entry of mounts[] is shared: see init_mounts_attach() */
    int notify_source;
    bool notify_failed; /* SETUP_NOTIFY was taken back: the directory cannot be reached */
    int dev_null;       /* verified /dev/null of the container (char 1:3), O_PATH, or -1 */
    int console;        /* pts slave, or -1 */
    int seccomp_fd;     /* memfd with the program, or -1 */
    struct protocol_seccomp seccomp;
    char *program; /* args[0] as looked up; what is executed */
    char **argv, **envp;

    mode_t umask;     /* the caller's, for a process without user.umask; init itself runs with 0 */
    bool cwd_entered; /* the working directory was made and entered before the ids changed */
    bool seccomp_loaded;   /* the filter is in force: failing calls may be its doing */
    bool descriptors_done; /* init_descriptors() has run */
    bool settled;          /* signals and PDEATHSIG are as the program gets them */
};

/** init_main - everything; never returns. @argc, @argv: as main's ("ocirun-init") */
void init_main(int argc, char **argv) __attribute__((noreturn));

/** init_warn - a warning for the host side's log (dropped if nobody wants it) */
void init_warn(struct init *in, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Steps, in the order of the table in init.c. Each returns 0, or -1 with @err filled. */

/* rootfs.c */
int init_rootfs_attach(void *init, struct err *err); /* make / slave, attach the clone */
int init_rootfs_pivot(void *init, struct err *err);  /* pivot_root, MS_MOVE + chroot, or chroot */
int init_rootfs_finish(void *init, struct err *err); /* propagation, read-only root */

/* mounts.c */
int init_mounts(void *init, struct err *err); /* mounts[] in order; fills in->proc */

/* devices.c */
int init_devices(void *init, struct err *err); /* default and configured nodes, links */

/* masks.c */
int init_readonly_paths(void *init, struct err *err);
int init_masked_paths(void *init, struct err *err);

/* sysctl.c */
int init_hostname(void *init, struct err *err); /* hostname, domainname */
int init_sysctl(void *init, struct err *err);

/* terminal.c */
int init_console_open(
    void *init,
    struct err *err); /* pty from the container's devpts; master to the host; /dev/console */
int init_console_use(void *init,
                     struct err *err); /* new session, controlling terminal, fds 0-2, owner */

/* credentials.c */
int init_keyring(void *init, struct err *err); /* session keyring, its label first */
int init_personality(void *init, struct err *err);
int init_credentials(
    void *init,
    struct err *err); /* bounding set, groups, ids, capabilities, ambient, umask, no_new_privs */

/* lsm.c */
int init_lsm(void *init, struct err *err); /* AppArmor and SELinux exec attribute */

/** init_lsm_hint - add to the refusal of execve (EACCES, EPERM) the label that may be the reason */
void init_lsm_hint(struct init *in, struct err *err);

/**
 * init_label_option - linux.mountLabel as an option of a new file system of @type
 * @option: set to "context=\"LABEL\"" (the key by run.oci.mount_context_type), from the arena; NULL
 *          where there is no label, SELinux is off or the type takes none
 */
int init_label_option(struct init *in, const char *type, const char **option, struct err *err);

/**
 * init_label_file - linux.mountLabel for the file of @fd, which is not O_PATH;
 * init_label_directory() also takes one. Nothing happens where SELinux is off, and where the file
 * system takes no labels of files (EOPNOTSUPP).
 */
int init_label_file(struct init *in, int fd, struct err *err);
int init_label_directory(struct init *in, int fd, struct err *err);

/* program.c */
int init_cwd(void *init, struct err *err);            /* cwd made and entered; getcwd check */
int init_program_lookup(void *init, struct err *err); /* environment, args[0] found and checked */
int init_seccomp_early(void *init, struct err *err); /* without no_new_privs: needs CAP_SYS_ADMIN */
int init_seccomp_late(void *init, struct err *err);
int init_program_exec(void *init, struct err *err); /* close fds, execve; returns only on failure */

/*
 * Preserved fds to their final numbers, 3 and up, and our own ones out of their way (.sock,
 * .seccomp_fd and the trace change; all other fds of init may be gone afterwards). Belongs before
 * the limits: RLIMIT_NOFILE would refuse the moves. init_seccomp_late() and init_program_exec() do
 * it if it has not been done.
 */
int init_descriptors(void *init, struct err *err);

/* Make a missing working directory. Belongs after the mounts and before the root becomes read-only;
 * whatever goes wrong is reported by the steps that enter it. */
int init_cwd_make(void *init, struct err *err);

/* mempolicy.c */
int init_memory_policy(void *init, struct err *err); /* linux.memoryPolicy */

/*
 * Shared by the files above, not steps: cwd as root (called by init_credentials() first of all); a
 * hint that names @syscall when the filter is in force and @err may be its doing (returns -1).
 */
int init_cwd_prepare(struct init *in, struct err *err);
int init_seccomp_hint(const struct init *in, const char *syscall, struct err *err);

/* lookup.c */

/** lookup_environment - .envp for the program: process.env (last one wins), HOME, TERM,
 * NOTIFY_SOCKET, LISTEN_* */
int lookup_environment(struct init *in, struct err *err);

/** lookup_program - find args[0] as execvp(3) does, check that it can be executed; sets .program */
int lookup_program(struct init *in, struct err *err);

/**
 * lookup_diagnose - say why @path cannot be executed
 * @root:   directory fd of the tree that the process sees as "/"; -1: no file may be looked at
 * @errnum: what execve(2) gave, or 0 to look for what would make it fail
 * Returns 0 when nothing is wrong and @errnum is 0; otherwise -1 with @err filled.
 */
int lookup_diagnose(int root, const char *path, int errnum, struct err *err);

/** lookup_home - home directory of @uid in the text of a passwd file, or NULL; *len its length */
const char *lookup_home(const char *text, size_t size, uid_t uid, size_t *len);

#endif
