/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* create, as the commands create and run share it. */
#ifndef HOST_CREATE_H
#define HOST_CREATE_H

#include "host/bundle.h"
#include "host/container.h"
#include "host/notify.h"
#include "host/record.h"
#include "host/spawn.h"
#include "host/store.h"

struct creation {
    const struct runtime *rt;
    const struct create_options *o;
    struct bundle bundle;
    struct record record;
    struct protocol_setup setup;
    struct spawn spawn;
    struct notify notify;
    int root, dir;  /* the store's directories */
    int listen;     /* socket on which init waits for start */
    int proc;       /* verified /proc */
    int console;    /* pty master when there is no console socket, or -1 */
    int notify_dir; /* directory for the sd_notify mount, or -1 */
    int seccomp;    /* compiled filter, or -1 */
    struct protocol_seccomp filter;
    struct store_staged committed; /* the record of a created container, not in force yet */
    bool privileged, has_notify;
    bool made;           /* the container's directory is ours */
    bool born_in_cgroup; /* v2 is all there is: CLONE_INTO_CGROUP */
    bool cgroup_made;
    bool hooks_started, pid_file_written;
};

/** creation_begin - read and check; nothing is touched yet */
int creation_begin(struct creation *c, const struct runtime *rt, const struct create_options *o,
                   bool detach, struct err *err);

/** creation_linux - the member linux of the configuration; an empty one if there is none */
const struct oci_linux *creation_linux(const struct creation *c);

/** creation_make - carry out; on failure everything is undone. Afterwards the container is created
 * and init (c->spawn.pid, our child) waits for start. */
int creation_make(struct creation *c, struct err *err);

/** creation_give_up - close what only going on needs, before things are undone: undoing opens files
 * too, and too many open ones may be why. Any number of times. */
void creation_give_up(struct creation *c);

/** creation_close - release what the process holds; the container stays */
void creation_close(struct creation *c);

#endif
