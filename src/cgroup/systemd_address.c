/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Which service manager is ours. Root in the initial user namespace has the system's, everybody
 * else their own user's: a user who is root in a user namespace, as podman makes it, is to the
 * manager still the user outside.
 *
 * A manager listens on a socket of its own, which needs no bus between and is there before one
 * runs; only the manager's own user may use it. It comes first, then the bus: of the session, where
 * the environment names it, and the one in the runtime directory. Nothing is asked here: the
 * address goes into the record before anything is done, so that later commands, which are called
 * with hardly any environment, find the same manager.
 */
#include "cgroup/systemd.h"

#include "base/proc.h"
#include "base/util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_socket(const char *path)
{
    struct stat st;

    return path && stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static const char *unix_address(const char *directory, const char *name, struct oci_arena *arena)
{
    const char *path = oci_printf(arena, "%s%s", directory, name);

    /* What an address would have to escape is in no runtime directory. */
    if (!is_socket(path) || strpbrk(path, ",;%"))
        return NULL;
    return oci_printf(arena, "unix:path=%s", path);
}

static const char *choose_system(struct oci_arena *arena, struct err *err)
{
    const char *address = unix_address("/run/systemd", "/private", arena);

    if (!address)
        address = unix_address("/run/dbus", "/system_bus_socket", arena);
    if (!address) {
        err_set(err, 0,
                "systemd cgroup driver: no bus: neither /run/systemd/private nor "
                "/run/dbus/system_bus_socket is a socket");
        err_hint(err, "without systemd on this machine, use --cgroup-manager cgroupfs");
    }
    return address;
}

static const char *choose_user(struct oci_arena *arena, uid_t uid, struct err *err)
{
    const char *session = getenv("DBUS_SESSION_BUS_ADDRESS"), *own = getenv("XDG_RUNTIME_DIR");
    const char *common = oci_printf(arena, "/run/user/%u", (unsigned)uid), *address = NULL;
    const char *const directories[] = {own && *own == '/' ? own : common, common};

    for (size_t i = 0; common && !address && i < ARRAY_SIZE(directories); i++)
        address = unix_address(directories[i], "/systemd/private", arena);
    if (!address && session && *session)
        return oci_strdup(arena, session);
    for (size_t i = 0; common && !address && i < ARRAY_SIZE(directories); i++)
        address = unix_address(directories[i], "/bus", arena);
    if (!address) {
        err_set(err, 0,
                "systemd cgroup driver: no bus: user %u has no manager: neither systemd/private "
                "nor bus is a socket in %s, and DBUS_SESSION_BUS_ADDRESS is not set",
                (unsigned)uid, directories[0]);
        err_hint(err,
                 "log in as that user, or run \"loginctl enable-linger %u\"; or use "
                 "--cgroup-manager cgroupfs",
                 (unsigned)uid);
    }
    return address;
}

const char *systemd_bus_choose(struct oci_arena *arena, bool *user, uid_t *uid, struct err *err)
{
    uint32_t outer;

    *uid = geteuid();
    *user = *uid != 0 || proc_in_user_namespace();
    if (!*user)
        return choose_system(arena, err);
    if (proc_map_id("uid_map", *uid, &outer))
        *uid = outer;
    return choose_user(arena, *uid, err);
}
