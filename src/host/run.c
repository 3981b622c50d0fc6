/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run is create, start, and, in the foreground, everything until the end: the relay, the exit
 * status, delete. Signals are blocked and collected from before the process exists, so that none is
 * lost. Until the program runs one that asks us to end interrupts what we wait for, and everything
 * is undone; afterwards it is the program's.
 */
#include "base/fd.h"
#include "base/interrupt.h"
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

/* What start and delete would find; all of it stays the creation's. */
static struct found found_of(const struct creation *c)
{
    return (struct found){
        .root = c->root, .dir = c->dir, .arena = c->bundle.arena, .record = c->record};
}

/* The id may be another container's meanwhile: somebody has deleted ours and made one. */
static int delete_own(const struct runtime *rt, const struct creation *c, struct err *err)
{
    const struct found f = found_of(c);

    return container_delete_held(rt, &f, err);
}

/* A container that could not be started is of no use to anybody. */
static void discard(const struct runtime *rt, const struct creation *c)
{
    struct err err = ERR_INIT;

    if (delete_own(rt, c, &err) < 0)
        log_warning("%s", err.text);
}

static int start_created(const struct runtime *rt, struct creation *c, bool detach, struct err *err)
{
    struct found f = found_of(c);
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
    if (result == 0) {
        interrupt_ignore();
        result = follow(c, signals, status, err);
    }
    relay_terminal_end();
    if (result < 0) {
        discard(rt, c);
        return -1;
    }
    /* It has ended, but processes of a shared pid namespace may be left in its cgroup. */
    return c->o->keep ? 0 : delete_own(rt, c, err);
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
        result = signals < 0 ? -1 : interrupt_watch(err);
    }
    if (result == 0)
        result = creation_make(&c, err);
    if (result == 0 && o->detach) {
        result = start_created(rt, &c, true, err);
        if (result < 0)
            discard(rt, &c);
    } else if (result == 0) {
        result = run_foreground(rt, &c, signals, status, err);
    }
    interrupt_ignore();
    creation_close(&c);
    return result;
}
