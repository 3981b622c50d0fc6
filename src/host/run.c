/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run is create, start, and, in the foreground, everything until the end: the relay, the exit
 * status, delete. Signals are blocked and collected from before the process exists, so that none is
 * lost.
 */
#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/util.h"
#include "base/wording.h"
#include "host/create.h"
#include "host/notify.h"
#include "host/relay.h"
#include "host/start.h"
#include "host/store.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* A container that could not be started is of no use to anybody. */
static void discard(const struct runtime *rt, const char *id)
{
    struct err err = ERR_INIT;

    if (container_delete(rt, id, true, &err) < 0)
        log_warning("%s", err.text);
}

static int start_created(const struct runtime *rt, struct creation *c, bool detach, struct err *err)
{
    /* What start would find; all of it stays ours. */
    struct found f = {
        .root = c->root, .dir = c->dir, .arena = c->bundle.arena, .record = c->record};
    struct notify *notify = c->has_notify && detach ? &c->notify : NULL;

    if (start_container(rt, &f, c->spawn.sock, c->spawn.pidfd, notify, err) == 0)
        return 0;
    /* Of our own child we know why it has stopped. */
    return strcmp(err->text, WORDING_START_STOPPED) == 0
               ? spawn_died(&c->spawn, &c->record.cgroup, err)
               : -1;
}

static int follow(struct creation *c, int signals, int *status, struct err *err)
{
    struct relay relay = {
        .pidfd = c->spawn.pidfd,
        .pid = c->spawn.pid,
        .console = c->console,
        .notify = c->has_notify ? &c->notify : NULL,
        .signals = signals,
    };

    *status = relay_run(&relay, err);
    return *status < 0 ? -1 : 0;
}

static int run_foreground(const struct runtime *rt, struct creation *c, int signals, int *status,
                          struct err *err)
{
    int result = 0;

    if (c->console >= 0)
        result = relay_terminal_begin(c->console, err);
    if (result == 0)
        result = start_created(rt, c, false, err);
    if (result == 0)
        result = follow(c, signals, status, err);
    relay_terminal_end();
    if (result < 0) {
        discard(rt, c->o->id);
        return -1;
    }
    /* It has ended, but processes of a shared pid namespace may be left in its cgroup. */
    return c->o->keep ? 0 : container_delete(rt, c->o->id, true, err);
}

int container_run(const struct runtime *rt, const struct create_options *o, int *status,
                  struct err *err)
{
    _cleanup_close_ int signals = -1;
    struct creation c;
    int result = creation_begin(&c, rt, o, o->detach, err);

    *status = 0;
    c.setup.flags |= SETUP_RUN;
    if (result == 0 && !o->detach) {
        signals = relay_signals_open(err);
        result = signals < 0 ? -1 : 0;
    }
    if (result == 0)
        result = creation_make(&c, err);
    if (result == 0 && o->detach) {
        result = start_created(rt, &c, true, err);
        if (result < 0)
            discard(rt, o->id);
    } else if (result == 0) {
        result = run_foreground(rt, &c, signals, status, err);
    }
    creation_close(&c);
    return result;
}
