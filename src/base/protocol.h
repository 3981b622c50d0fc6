/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one protocol between the host side and init: typed messages over a SOCK_SEQPACKET socket, one
 * message a packet, file descriptors attached. Both ends are the same binary, so structs travel as
 * they are; PROTOCOL_VERSION guards against an init of another build. Only the conversation with
 * start has none: the runtime may be a newer one by then, so what it and a waiting init say to each
 * other has to stay as it is.
 *
 *   create, exec (socketpair, inherited as PROTOCOL_FD)      start (init listens, start connects)
 *     host -> init  SETUP          what to do, with fds         start -> init  GO
 *     init -> host  PID            after a second fork          init -> start  LIMITS
 *     init -> host  NAMESPACES     waiting for maps             start -> init  LIMITS_DONE
 *     host -> init  CGROUPS        files of v1 cgroups          init -> start  WARNING, ERROR
 *     init -> host  ENTERED        how many of them took it
 *     host -> init  PROCEED        go on (once more after moving one that was refused)
 *     host -> init  SOURCES        batches of mount fds         end of file    the program runs
 *     init -> host  CONSOLE        pty master
 *     init -> host  MOUNTED        everything is mounted
 *     host -> init  PROCEED        prestart, createRuntime done
 *     host -> init  SECCOMP        compiled filter (memfd)
 *     init -> host  LIMITS, WARNING, ERROR, READY
 *     host -> init  COMMITTED      (create) from here on end of file means nothing
 *     init -> host  COMMITTED      (create) and init does not end with the runtime any more
 *
 *   kill, delete from inside (host/inside.h; they connect as start does)
 *     any -> init   SIGNAL + N     as if N had been sent
 *     any -> init   DELETE         the container is deleted
 *
 *   delete without --force (host/delete.c; it connects as start does)
 *     delete -> init  DISCARD      the same, if nobody has started it
 *     init -> delete  GO           somebody has; otherwise init ends
 */
#ifndef BASE_PROTOCOL_H
#define BASE_PROTOCOL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROTOCOL_VERSION 3
#define PROTOCOL_FD 3                    /* the socket in a fresh init */
#define PROTOCOL_INIT_NAME "ocirun-init" /* of the process, until it executes the program */
#define PROTOCOL_MAX_FDS 32
#define PROTOCOL_MAX_PAYLOAD 16384

enum protocol_type {
    PROTOCOL_SETUP = 1, /* struct protocol_setup; fds: see enum protocol_setup_fd */
    PROTOCOL_PID,       /* struct protocol_pid */
    PROTOCOL_NAMESPACES,
    PROTOCOL_CGROUPS, /* fds: the file tasks of each v1 cgroup, open for writing; may be none */
    PROTOCOL_ENTERED, /* struct protocol_entered */
    PROTOCOL_PROCEED,
    PROTOCOL_SOURCES, /* struct protocol_sources; fds in order of index */
    PROTOCOL_CONSOLE, /* payload: the pts' name; fd: the master */
    PROTOCOL_MOUNTED, /* struct protocol_mounted */
    PROTOCOL_SECCOMP, /* struct protocol_seccomp; fd: memfd with the BPF program, or none */
    PROTOCOL_LIMITS,
    PROTOCOL_LIMITS_DONE,
    PROTOCOL_READY,
    PROTOCOL_COMMITTED,
    PROTOCOL_GO,
    PROTOCOL_DELETE,
    PROTOCOL_WARNING, /* text */
    PROTOCOL_ERROR,   /* struct err, without the unused tail of its strings */
    PROTOCOL_DISCARD,
    PROTOCOL_SIGNAL = 0x100, /* and the 127 after it: the number is part of the type */
};

/* Which fds come with SETUP, in this order; absent ones are left out of .fds. */
enum protocol_setup_fd {
    SETUP_FD_CONFIG, /* snapshot of config.json (create), one with what concerns a process (exec) */
    SETUP_FD_LISTEN, /* listening socket for start (create) */
    SETUP_FD_PROC,   /* the machine's verified /proc */
    SETUP_FD_ROOTFS, /* detached clone of the rootfs (create) */
    SETUP_FD_TARGET, /* pidfd of the container's init (exec) */
    SETUP_FD_ROOT,   /* exec without mount namespace: the container's root directory */
    SETUP_FD_TRACE,
    SETUP_FD_HOOKS_OUT,
    SETUP_FD_HOOKS_ERR,
    SETUP_FD_NS_PID, /* namespaces to join, by enum oci_namespace_type - 1 */
    SETUP_FD_NS_NETWORK,
    SETUP_FD_NS_MOUNT,
    SETUP_FD_NS_IPC,
    SETUP_FD_NS_UTS,
    SETUP_FD_NS_USER,
    SETUP_FD_NS_CGROUP,
    SETUP_FD_NS_TIME,
    SETUP_FD_COUNT,
};

enum protocol_setup_flags {
    SETUP_EXEC = 1 << 0,       /* a process for a running container, not a container */
    SETUP_NO_PIVOT = 1 << 1,   /* --no-pivot: MS_MOVE and chroot */
    SETUP_NO_KEYRING = 1 << 2, /* --no-new-keyring */
    SETUP_PRIVILEGED = 1 << 3, /* the host side made all mount sources; otherwise init opens them */
    SETUP_CHROOT = 1 << 4,     /* no mount namespace of our own: attach at the path, chroot */
    SETUP_KEEP_GROUPS = 1 << 5,  /* annotation run.oci.keep_original_groups */
    SETUP_NOT_DUMPABLE = 1 << 6, /* joins something: before the first setns */
    SETUP_NOTIFY = 1 << 8, /* bind the sd_notify directory (a SOURCES entry beyond the config's) */
    SETUP_DENY_SETGROUPS = 1 << 10, /* setgroups is denied in the user namespace */
    /* Init will be in a user namespace that is not the initial one, ours or the container's: mknod
     * makes nodes that nobody may open, so devices come as SOURCES; ids may have no mapping. */
    SETUP_USER_NAMESPACE = 1 << 11,
    SETUP_APPARMOR = 1 << 12, /* the machine has AppArmor switched on */
    SETUP_SELINUX = 1 << 13,  /* the machine has SELinux switched on */
    SETUP_RUN = 1 << 14, /* start follows on the same socket instead of over the listening one */
    SETUP_LOOPBACK = 1 << 15, /* the network namespace is new */
    SETUP_CGROUPS = 1 << 16,  /* CGROUPS comes before the PROCEED that wait_cgroup waits for */
};

/* What init has to do before everything else: the child part of the namespace plan (host/plan.h).
 */
struct protocol_plan {
    uint64_t join[9];  /* CLONE_NEW* flags in the order of setns(2), 0 ends the list; the fds are
                          SETUP_FD_NS_*; exec: one entry with all flags, by SETUP_FD_TARGET */
    uint64_t unshare;  /* CLONE_NEW* to unshare after joining */
    bool become_root;  /* setresuid(0) in the user namespace before going on */
    bool wait_maps;    /* a new user namespace: report NAMESPACES and wait for PROCEED */
    bool time_offsets; /* write /proc/self/timens_offsets before the fork */
    bool fork;         /* fork again (CLONE_PARENT): the child is init */
    bool wait_cgroup;  /* wait for the PROCEED that says that we are in the cgroup */
    uint64_t unshare_late; /* after that: CLONE_NEWCGROUP */
    /* setresuid(0) after that: until then we have the uid of the host side, which may not be able
     * to move others (cgroup_before_ids()) */
    bool become_root_late;
};

struct protocol_setup {
    uint32_t version; /* PROTOCOL_VERSION */
    uint32_t flags;
    uint32_t fds; /* bit N: enum protocol_setup_fd N is attached */
    struct protocol_plan plan;
    uint32_t preserve_fds; /* fds 3 … 3+N-1 of the program; init holds them at PRESERVE_BASE + i */
    uint32_t listen_fds;   /* first so many of them are announced by LISTEN_FDS */
    uint64_t preserve_open; /* bit i: preserved fd i was open at the caller (first 64) */
    int64_t
        parent; /* pid of the host side, for the check after PR_SET_PDEATHSIG; 0: other pid ns */
    uint32_t log_level; /* enum log_level: warnings below it are not sent */
    uint32_t
        namespaces; /* bit enum oci_namespace_type: the container has its own or a joined one */
    char id[256];
    char rootfs[4096]; /* absolute host path of the rootfs, resolved */
    char bundle[4096]; /* absolute path of the bundle, for the state that hooks get */
};

/* Preserved fds are moved up here by the child before anything else uses low numbers. */
#define PROTOCOL_PRESERVE_BASE 512

struct protocol_pid {
    int64_t pid; /* as seen by the sender, which is still in the runtime's pid namespace */
};

struct protocol_entered {
    uint32_t n; /* files before the first one that was refused */
};

/* One batch of mount sources. Entry i of the batch has .kind and .index; fds in the same order. */
enum protocol_source_kind {
    SOURCE_MOUNT,          /* mounts[index] of the configuration: a detached bind source */
    SOURCE_DEVICE,         /* linux.devices[index], to be bound */
    SOURCE_DEFAULT_DEVICE, /* default device index (null zero full random urandom tty), to be bound
                            */
    SOURCE_NOTIFY,         /* directory with the sd_notify socket, for /run/notify; without
                              SETUP_PRIVILEGED an O_PATH fd that init has to clone by its path */
    SOURCE_END,            /* no fd: the list is complete */
};
struct protocol_sources {
    uint32_t n;
    struct {
        uint32_t kind, index;
        uint32_t is_dir; /* type of the source, for creating its target */
    } entry[PROTOCOL_MAX_FDS];
};

struct protocol_mounted {
    uint32_t no_notify; /* SETUP_NOTIFY, but the directory cannot be reached from inside */
};

struct protocol_seccomp {
    uint32_t instructions; /* 0: no filter */
    uint32_t flags;        /* SECCOMP_FILTER_FLAG_* */
};

/* With LIMITS_DONE and, in exec, COMMITTED: the rlimits that the host side may not set, because
 * init's ids differ and there is no CAP_SYS_RESOURCE; init sets them itself. */
struct protocol_limits {
    uint32_t n;
    struct {
        uint32_t index;    /* in process.rlimits */
        uint32_t resource; /* RLIMIT_* */
        uint64_t soft, hard;
    } limit[16];
};

struct protocol_message {
    enum protocol_type type;
    size_t len;
    int fds[PROTOCOL_MAX_FDS];
    size_t n_fds;
    union {
        struct protocol_setup setup;
        struct protocol_pid pid;
        struct protocol_entered entered;
        struct protocol_sources sources;
        struct protocol_mounted mounted;
        struct protocol_seccomp seccomp;
        struct protocol_limits limits;
        struct err err;
        char text[PROTOCOL_MAX_PAYLOAD];
    } u;
};

/** protocol_send - one message; @data may be NULL with @len 0 */
int protocol_send(int sock, enum protocol_type type, const void *data, size_t len, const int *fds,
                  size_t n, struct err *err);

/**
 * protocol_receive - the next message
 * Returns 1; 0 at end of file (the other side is gone); -1 on failure, errnum EAGAIN after the
 * socket's SO_RCVTIMEO, ECANCELED for a signal (base/interrupt.h). Fds in the message are owned
 * by the caller (protocol_message_clear()).
 */
int protocol_receive(int sock, struct protocol_message *m, struct err *err);

/**
 * protocol_receive_bare - the type of the next message, which carries nothing (GO)
 * For init while it waits: it needs no buffer. Whatever comes along is dropped.
 * Returns 1, or 0 at end of file, on failure, and when nothing comes for a second: who connects
 * speaks at once or is stuck.
 */
int protocol_receive_bare(int sock, enum protocol_type *type);

/** protocol_message_clear - close the fds that are still in the message */
void protocol_message_clear(struct protocol_message *m);

/**
 * protocol_expect - receive until a message of @type comes
 * WARNING messages on the way go to log_warning(); ERROR fills @err; end of file and any other type
 * are errors ("init ended unexpectedly" with errnum EPIPE).
 */
int protocol_expect(int sock, enum protocol_type type, struct protocol_message *m, struct err *err);

/**
 * protocol_last_words - what the other side said before it ended
 * Reads what is still queued, of any type, until an ERROR or the end. For a send or a receive that
 * failed because the other side is gone: its reason may lie behind messages that nobody waits for.
 * Does not wait itself.
 * Returns true with @err filled, or false with @err as it was.
 */
bool protocol_last_words(int sock, struct err *err);

/** protocol_send_err - send an error (its strings shortened to what is used). Uses sendmsg(2) or
 * writev(2) only. */
int protocol_send_err(int sock, const struct err *e);

#endif
