/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ocirun-systemd: makes one call to a service manager for an ocirun that is linked statically. Not
 * for anybody else: a request comes in on descriptor 3, the answer goes out on it
 * (cgroup/systemd_helper.c).
 */
#include "base/fd.h"
#include "base/util.h"
#include "cgroup/systemd.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define SOCKET_FD 3
#define REQUEST_MAX (16u << 20)

int main(void)
{
    _cleanup_free_ char *data = NULL;
    struct oci_arena *arena = oci_arena_new();
    struct systemd_request request;
    struct err err = ERR_INIT, ignored = ERR_INIT;
    struct stat st;
    size_t len;

    if (fstat(SOCKET_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        fprintf(stderr, "ocirun-systemd: is called by ocirun, and not by hand\n");
        return 2;
    }
    if (!arena)
        err_set(&err, ENOMEM, "systemd helper");
    else if (fd_read_all(SOCKET_FD, REQUEST_MAX, &data, &len, &err) == 0 &&
             systemd_wire_decode(data, len, arena, &request, &err) == 0)
        systemd_call(&request, &err);
    oci_arena_free(arena);
    return fd_send(SOCKET_FD, &err, sizeof err, NULL, 0, &ignored) < 0;
}
