/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The maps are written by the host side while the process waits; the kernel takes each file once,
 * in one write of at most a page (340 lines since 4.15).
 */
#include "host/ids.h"

#include "base/fd.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>

#define MAP_TEXT 16384

static int map_text(const struct oci_id_mapping *maps, size_t n, char *buf, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        int more = snprintf(buf + len, size - len, "%u %u %u\n", maps[i].container_id,
                            maps[i].host_id, maps[i].size);

        if (more < 0 || (size_t)more >= size - len)
            return -1;
        len += (size_t)more;
    }
    return 0;
}

static bool have_setid_caps(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    const uint32_t want = 1u << CAP_SETUID | 1u << CAP_SETGID;

    return sys_capget(&header, data) == 0 && (data[0].effective & want) == want;
}

static bool own_id_only(const struct oci_id_mapping *maps, size_t n, uint32_t id)
{
    return n == 1 && maps[0].size == 1 && maps[0].host_id == id;
}

/* newuidmap PID CONTAINER HOST SIZE …: setuid helpers that check /etc/subuid. */
static int run_helper(const char *helper, pid_t pid, const struct oci_id_mapping *maps, size_t n,
                      struct err *err)
{
    _cleanup_free_ char **argv = calloc(3 + 3 * n, sizeof *argv);
    _cleanup_free_ char *numbers = malloc((3 * n + 1) * 24);
    _cleanup_close_ int words = -1;
    char said[256] = "";
    int status, pipe[2];
    ssize_t n_said;
    pid_t child;

    if (!argv || !numbers)
        return err_set(err, ENOMEM, "%s", helper);
    argv[0] = (char *)helper;
    for (size_t i = 0; i < 3 * n + 1; i++) {
        char *slot = numbers + i * 24;
        const struct oci_id_mapping *m = &maps[i ? (i - 1) / 3 : 0];
        uint32_t value = i == 0             ? (uint32_t)pid
                         : (i - 1) % 3 == 0 ? m->container_id
                         : (i - 1) % 3 == 1 ? m->host_id
                                            : m->size;

        snprintf(slot, 24, "%u", value);
        argv[1 + i] = slot;
    }
    if (pipe2(pipe, O_CLOEXEC) < 0)
        return err_errno(err, "run %s", helper);
    words = pipe[0];
    child = fork();
    if (child == 0) {
        dup2(pipe[1], STDERR_FILENO); /* what it says goes into our one line */
        proc_default_signals();       /* a foreground run has blocked them all */
        execvp(helper, argv);
        _exit(127);
    }
    fd_close(pipe[1]);
    if (child < 0)
        return err_errno(err, "run %s", helper);
    n_said = read(words, said, sizeof said - 1);
    said[n_said > 0 ? n_said : 0] = '\0';
    said[strcspn(said, "\n")] = '\0';
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        err_set(err, ENOENT, "run %s", helper);
        return err_hint(err, "install the package uidmap");
    }
    err_set(err, 0, "%s refused the mappings%s%s", helper, *said ? ": " : "", said);
    return err_hint(err, "they must lie within the caller's ranges in %s",
                    !strcmp(helper, "newuidmap") ? "/etc/subuid" : "/etc/subgid");
}

static int write_map(int proc_pid, const char *file, const struct oci_id_mapping *maps, size_t n,
                     struct err *err)
{
    char text[MAP_TEXT];

    if (map_text(maps, n, text, sizeof text) < 0)
        return err_set(err, E2BIG, "%s", file);
    return fd_write_file_at(proc_pid, file, text, err);
}

int ids_write(pid_t pid, const struct oci_linux *config, bool *denied, struct err *err)
{
    char path[64];
    _cleanup_close_ int dir = -1;
    bool privileged = have_setid_caps();

    *denied = false;
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return err_errno(err, "open %s", path);
    if (!privileged && !own_id_only(config->gid_mappings, config->gid_mappings_n, getegid())) {
        if (run_helper("newgidmap", pid, config->gid_mappings, config->gid_mappings_n, err) < 0)
            return err_context(err, "linux.gidMappings");
    } else {
        if (!privileged) {
            if (fd_write_file_at(dir, "setgroups", "deny", err) < 0)
                return -1;
            *denied = true;
        }
        if (write_map(dir, "gid_map", config->gid_mappings, config->gid_mappings_n, err) < 0)
            return err_context(err, "linux.gidMappings");
    }
    if (!privileged && !own_id_only(config->uid_mappings, config->uid_mappings_n, geteuid())) {
        if (run_helper("newuidmap", pid, config->uid_mappings, config->uid_mappings_n, err) < 0)
            return err_context(err, "linux.uidMappings");
    } else if (write_map(dir, "uid_map", config->uid_mappings, config->uid_mappings_n, err) < 0) {
        return err_context(err, "linux.uidMappings");
    }
    return 0;
}
