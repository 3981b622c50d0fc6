/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * createContainer and startContainer hooks run in the container's namespaces and in its cgroup, and
 * they may call the runtime as the others do, if they reach its file and the state directory. But
 * in there the pids of the record mean nothing, the first process of a pid namespace takes no
 * SIGKILL from inside, and to remove the cgroup is to kill oneself. Init does not run hooks
 * blindly: it looks at its socket meanwhile, the one that start connects to. So kill and delete
 * --force ask it there. It ends, saying why, and the runtime outside that waits for it (create,
 * run, start) undoes or destroys the container, as after any hook that failed.
 *
 * The socket tells as well whether there is anything to ask: it exists from create to the moment
 * when the program runs.
 */
#include "host/inside.h"

#include "base/fd.h"
#include "base/proc.h"
#include "base/protocol.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define CGROUP_FILE_MAX (64u << 10)

uint64_t inside_pid_namespace(void)
{
    struct stat st;

    return stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

bool inside_foreign(const struct record *record)
{
    uint64_t own;

    if (record->pid_namespace == 0)
        return false;
    own = inside_pid_namespace();
    return own != 0 && own != record->pid_namespace;
}

bool inside_cgroup(const struct record *record)
{
    _cleanup_free_ char *own = NULL, *theirs = NULL;
    struct err ignored;
    char path[40];
    size_t len;

    if (record->init.pid <= 0 || record->cgroup.places_n == 0 ||
        !proc_alive((pid_t)record->init.pid, record->init.start_time))
        return false;
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)record->init.pid);
    return fd_read_file_at(AT_FDCWD, "/proc/self/cgroup", CGROUP_FILE_MAX, &own, &len, &ignored) ==
               0 &&
           fd_read_file_at(AT_FDCWD, path, CGROUP_FILE_MAX, &theirs, &len, &ignored) == 0 &&
           strcmp(own, theirs) == 0;
}

int inside_ask(const struct runtime *rt, const struct found *f, enum protocol_type what,
               struct err *err)
{
    const struct timeval deadline = {rt->timeout / 1000, rt->timeout % 1000 * 1000};
    _cleanup_close_ int sock = fd_unix_connect_at(f->dir, STORE_SOCKET, SOCK_SEQPACKET, err);
    ssize_t got;
    char end;

    if (sock < 0 && (err->errnum == ENOENT || err->errnum == ECONNREFUSED)) {
        *err = (struct err)ERR_INIT;
        return 0;
    }
    if (sock < 0)
        return -1;
    if (protocol_send(sock, what, NULL, 0, NULL, 0, err) < 0) {
        if (err->errnum != EPIPE && err->errnum != ECONNRESET)
            return -1;
        *err = (struct err)ERR_INIT;
        return 0;
    }
    if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline) < 0)
        return err_errno(err, "ask init");
    do
        got = recv(sock, &end, 1, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN)
        return err_set(err, ETIMEDOUT, "init did not answer within %d s", rt->timeout / 1000);
    /* The program came first: execve has closed the queue with us in it. Or start did: init answers
     * that instead of ending. */
    return got == 0;
}
