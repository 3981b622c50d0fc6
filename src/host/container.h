/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The operations on containers, as the commands call them. One call is one operation of the
 * specification (runtime.md#operations) or of the command line around it; everything that the user
 * chose arrives in an options struct, everything that went wrong in a struct err. Nothing here
 * prints, but for log_warning() and log_debug().
 */
#ifndef HOST_CONTAINER_H
#define HOST_CONTAINER_H

#include "base/err.h"
#include "cgroup/cgroup.h"
#include "libocispec/ocispec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Settings that hold for the whole invocation: global options. */
struct runtime {
    const char *root;          /* --root, or NULL: default_root */
    enum cgroup_driver driver; /* --cgroup-manager, --systemd-cgroup; UNSET: cgroupfs */
    int timeout;               /* milliseconds that any wait may take (OCIRUN_TIMEOUT, 30 s) */
};

/**
 * runtime_default_root - the state directory without --root, as malloc'ed text
 * /run/ocirun for root; for others, and root of a user namespace who may not write to /run, the
 * first of $XDG_RUNTIME_DIR/ocirun, /run/user/UID/ocirun, /tmp/ocirun-UID. An empty or relative
 * XDG_RUNTIME_DIR counts as unset.
 */
char *runtime_default_root(void);

/** container_id_check - [A-Za-z0-9_+.-], 1 to 255 bytes, not "." or ".." */
int container_id_check(const char *id, struct err *err);

struct create_options {
    const char *id;
    const char *bundle;   /* NULL: current directory */
    const char *config;   /* -f: NULL: config.json; relative to the bundle */
    const char *pid_file; /* relative to the caller's directory */
    const char *console_socket;
    const char *pidfd_socket;
    uint32_t preserve_fds;
    bool no_pivot, no_new_keyring;
    bool detach, keep; /* run only */
};

/** container_create - create: a container that waits for start. 0 or -1. */
int container_create(const struct runtime *rt, const struct create_options *o, struct err *err);

/**
 * container_run - create, start and, unless detached, wait and delete (unless kept)
 * @status: the process's exit status (0 when detached)
 * Returns 0, or -1 when the runtime itself failed.
 */
int container_run(const struct runtime *rt, const struct create_options *o, int *status,
                  struct err *err);

/** container_start - start a created container */
int container_start(const struct runtime *rt, const char *id, struct err *err);

/** container_kill - @all: every process of the cgroup */
int container_kill(const struct runtime *rt, const char *id, int sig, bool all, struct err *err);

/** container_pause, container_resume - freeze and thaw every process of the cgroup */
int container_pause(const struct runtime *rt, const char *id, struct err *err);
int container_resume(const struct runtime *rt, const char *id, struct err *err);

/**
 * container_update - change limits of a container that has not stopped
 * @changes: what is absent stays as it is
 * When a limit cannot be written, those that were are restored.
 */
int container_update(const struct runtime *rt, const char *id, const struct oci_resources *changes,
                     struct err *err);

/** resources_decode - decode a linux.resources document; @file: its name, for errors */
int resources_decode(const char *text, size_t len, const char *file, struct oci_arena *arena,
                     struct oci_resources *out, struct err *err);

/** event_fn - print one event; a failure ends container_events() */
typedef int event_fn(const char *text, size_t len, struct err *err);

/**
 * container_events - statistics and OOM kills of a container, until it stops
 * @interval: milliseconds between statistics; 0: print them once and return
 */
int container_events(const struct runtime *rt, const char *id, int interval, event_fn *print,
                     struct err *err);

/** container_delete - @force: kill first; a container that does not exist is then no error */
int container_delete(const struct runtime *rt, const char *id, bool force, struct err *err);

/**
 * container_state - the state object of one container
 * @state: filled, strings in @arena
 */
int container_state(const struct runtime *rt, const char *id, struct oci_arena *arena,
                    struct oci_state *state, struct err *err);

/**
 * container_list - all containers below the root; entries that cannot be read are skipped
 * @states: array in @arena; a root that does not exist is an empty list
 */
int container_list(const struct runtime *rt, struct oci_arena *arena, struct oci_state **states,
                   size_t *n, struct err *err);

/** container_processes - pids as the caller sees them (ps); malloc'ed */
int container_processes(const struct runtime *rt, const char *id, pid_t **pids, size_t *n,
                        struct err *err);

struct exec_options {
    const char *id;
    const char *process_file; /* -p: NULL: from the container's configuration and what follows */
    const char **args;        /* CMD ARG…, NULL-terminated, or NULL with process_file */
    size_t args_n;
    const char *cwd;  /* NULL: the container's */
    const char **env; /* appended to the container's */
    size_t env_n;
    bool user_given;
    uint32_t uid, gid; /* gid: the container's unless given, as runc */
    bool gid_given;
    uint32_t *additional_gids;
    size_t additional_gids_n;
    uint64_t caps; /* bits added to bounding, effective, permitted (ambient if inheritable) */
    const char *apparmor, *selinux; /* --apparmor, --process-label */
    bool no_new_privs;
    int tty; /* 1, 0; -1: as the process document says */
    bool detach;
    bool ignore_paused;
    const char **cgroups; /* sub-cgroups: "P" or runc's "CTRL[,CTRL]:P" */
    size_t cgroups_n;
    const char *pid_file, *console_socket, *pidfd_socket;
    uint32_t preserve_fds;
};

/**
 * container_exec - run a process in a running container
 * @status: its exit status when it was waited for
 * Returns 0, or -1 when the runtime itself failed (err.status is 255 then).
 */
int container_exec(const struct runtime *rt, const struct exec_options *o, int *status,
                   struct err *err);

/** features_fill - the features document (features.c), independent of the machine */
int features_fill(struct oci_arena *arena, struct oci_features *out, struct err *err);

#endif
