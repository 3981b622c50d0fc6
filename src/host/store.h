/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store: one directory a container below the root, with state.json (the record), config.json
 * (the snapshot), start.sock while the container waits, and notify/. Readers never lock: the record
 * is replaced atomically. delete holds a lock on the directory while it takes things apart, update
 * and pause for what they write; nobody holds one while a hook or a foreground process runs.
 */
#ifndef HOST_STORE_H
#define HOST_STORE_H

#include "base/err.h"
#include "host/container.h"
#include "host/record.h"

#include <limits.h>

#define STORE_RECORD "state.json"
#define STORE_CONFIG "config.json"
#define STORE_RESOURCES "resources.json" /* the limits, from the first update on */
#define STORE_SOCKET "start.sock"

/* The state directory of users who have no other; their uid follows. See rundir.c. */
#define RUNDIR_TMP "/tmp/ocirun-"

/** store_root - open the root directory; @create: make it (0700) and what is missing above it.
 * Returns the fd, or -1 (errnum ENOENT when it does not exist). */
int store_root(const struct runtime *rt, bool create, struct err *err);

/** store_make - make the directory of a new container. "container with given ID already exists" */
int store_make(int root, const char *id, struct err *err);

/** store_open - open the directory of a container. "container does not exist" with errnum ENOENT */
int store_open(int root, const char *id, struct err *err);

/** store_remove_own - the same, if the id still leads to @dir: after a delete --force in between it
 * may be another container's */
int store_remove_own(int root, const char *id, int dir, struct err *err);

/** store_remove - remove a container's directory with everything in it, by fd, never following
 * links. What is gone already is no error. */
int store_remove(int root, const char *id, struct err *err);

/** store_stage - write the record beside the one in force, which store_publish() replaces: what is
 * known early costs no time later. One that is never published goes with the directory. */
struct store_staged {
    char name[NAME_MAX + 1];
};
int store_stage(int dir, const struct record *record, struct store_staged *staged, struct err *err);

/** store_publish - replace the record by the staged one, atomically */
int store_publish(int dir, const struct store_staged *staged, struct err *err);

/** store_write - replace the record */
int store_write(int dir, const struct record *record, struct err *err);

/** store_read - read the record into @arena. errnum ENOENT: there is none (yet) */
int store_read(int dir, struct oci_arena *arena, struct record *record, struct err *err);

/** store_config - decode the snapshot of config.json into @arena */
int store_config(int dir, struct oci_arena *arena, struct oci_config *config, struct err *err);

/** store_cache - the private cache directory below the root, for compiled filters; -1 if there can
 * be none */
int store_cache(int root);

/**
 * store_lock - lock the container's directory for changing or removing it; waits at most @timeout
 * milliseconds. Returns 0; -1 with errnum ENOENT when it was removed meanwhile, ETIMEDOUT. The lock
 * goes with
 * @dir.
 */
int store_lock(int dir, int timeout, struct err *err);

/** A container that was found by its id. */
struct found {
    int root, dir; /* owned */
    struct oci_arena *arena;
    struct record record;
};

/** store_enter - the first half of store_find: open, and make the arena, but do not read */
int store_enter(const struct runtime *rt, const char *id, struct found *f, struct err *err);

/** store_find - open and read; what every command but create begins with. @f is FOUND_INIT, or has
 * an arena for the strings of the record; found_close() in any case. */
int store_find(const struct runtime *rt, const char *id, struct found *f, struct err *err);
void found_close(struct found *f);
#define FOUND_INIT                                                                                 \
    {                                                                                              \
        .root = -1, .dir = -1                                                                      \
    }
#define _cleanup_found_ __attribute__((cleanup(found_close)))

/**
 * container_delete_held - container_delete() with force for the container that @held has open
 * When that is gone, and when the id has become another container's, there is nothing left to do.
 */
int container_delete_held(const struct runtime *rt, const struct found *held, struct err *err);

/**
 * store_status - what the container is doing, from the kernel's own evidence: the init process, and
 * whether it still listens for start
 */
enum oci_status store_status(const struct found *f);

#endif
