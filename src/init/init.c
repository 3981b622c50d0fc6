/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * init is executed by the child that the host side cloned, and talks to it over PROTOCOL_FD. What
 * it does is one list, below; DESIGN's "order in init" is this table, and a test prints it and
 * compares. A step that fails sends its error and init exits: the host side undoes the rest. While
 * the container is not committed, the end of the host side (end of file on the socket) ends init
 * too.
 *
 * Two tables follow the first one: what happens after start came, and the shorter list of a process
 * that enters a running container (exec).
 */
#include "init/init.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/stage.h"
#include "base/sys.h"
#include "base/trace.h"
#include "base/util.h"
#include "init/enter.h"
#include "init/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The container, up to the point where it waits for start. */
static const struct stage create_steps[] = {
    /* name               do                           undo  specification (runtime.md#lifecycle) */
    {"namespaces", init_enter_namespaces, NULL, "2: joined, unshared; ids mapped"},
    {"config", init_read_config, NULL, "2: from the snapshot, while the cgroup is being made"},
    {"cgroup", init_enter_cgroup, NULL, "2: in the cgroup, then its namespace"},
    {"hostname", init_hostname, NULL, "2"},
    {"sources", init_take_sources, NULL, "2: bind sources opened by the host side"},
    {"rootfs", init_rootfs_attach, NULL, "2: / made slave, rootfs attached"},
    {"mounts", init_mounts, NULL, "2: in listed order"},
    {"devices", init_devices, NULL, "2: nodes and links"},
    {"console", init_console_open, NULL, "2: pty, /dev/console"},
    {"cwd-make", init_cwd_make, NULL, "2: a missing cwd, before the root may become read-only"},
    {"mounted", init_report_mounted, NULL, "3, 4: the host side runs prestart, createRuntime"},
    {"hooks", init_hooks_create, NULL, "5: createContainer"},
    {"pivot-root", init_rootfs_pivot, NULL, "5b"},
    {"sysctl", init_sysctl, NULL, "5b"},
    {"readonly-paths", init_readonly_paths, NULL, "5b"},
    {"masked-paths", init_masked_paths, NULL, "5b"},
    {"rootfs-finish", init_rootfs_finish, NULL, "5b: propagation, read-only root"},
    {"keyring", init_keyring, NULL, "5b: label first"},
    {"memory-policy", init_memory_policy, NULL, "5b"},
    {"personality", init_personality, NULL, "5b"},
    {"lsm", init_lsm, NULL, "5b: exec attribute"},
    {"terminal", init_console_use, NULL, "5b: session, controlling terminal"},
    {"seccomp-filter", init_take_seccomp, NULL, "5b"},
    {"seccomp", init_seccomp_early, NULL, "5b: without no_new_privs, while CAP_SYS_ADMIN is there"},
    {"credentials", init_credentials, NULL, "5b"},
    {"cwd", init_cwd, NULL, "5b: entered, and inside the root"},
    {"program", init_program_lookup, NULL, "5b: args[0] found"},
    {"forget", init_forget_host, NULL, "5b: nothing of the machine stays open"},
    {"created", init_report_ready, NULL, "5c: waits"},
};

/* After start. */
static const struct stage start_steps[] = {
    {"hooks", init_hooks_start, NULL, "7: startContainer"},
    {"descriptors", init_descriptors, NULL, "8: preserved fds in place, before RLIMIT_NOFILE"},
    {"limits", init_ask_limits, NULL, "8: rlimits, set by the host side"},
    {"seccomp", init_seccomp_late, NULL, "8: with no_new_privs"},
    {"exec", init_program_exec, NULL, "8"},
};

/* A process for a running container. */
static const struct stage exec_steps[] = {
    {"config", init_read_config, NULL, ""},
    {"namespaces", init_enter_namespaces, NULL, ""},
    {"cgroup", init_enter_cgroup, NULL, "the process that runs the program is known"},
    {"root", init_enter_root, NULL, ""},
    {"console", init_console_open, NULL, ""},
    {"keyring", init_keyring, NULL, ""},
    {"memory-policy", init_memory_policy, NULL, ""},
    {"personality", init_personality, NULL, ""},
    {"lsm", init_lsm, NULL, ""},
    {"terminal", init_console_use, NULL, ""},
    {"seccomp-filter", init_take_seccomp, NULL, ""},
    {"seccomp", init_seccomp_early, NULL, ""},
    {"credentials", init_credentials, NULL, ""},
    {"cwd", init_cwd, NULL, ""},
    {"program", init_program_lookup, NULL, ""},
    {"forget", init_forget_host, NULL, ""},
    {"descriptors", init_descriptors, NULL, ""},
    {"ready", init_report_ready, NULL, ""},
    {"seccomp", init_seccomp_late, NULL, ""},
    {"exec", init_program_exec, NULL, ""},
};

void init_warn(struct init *in, const char *format, ...)
{
    struct err ignored;
    char text[1024];
    va_list args;

    if (in->setup.log_level < LOG_LEVEL_WARNING)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    protocol_send(in->sock, PROTOCOL_WARNING, text, strlen(text) + 1, NULL, 0, &ignored);
}

/* base/ reports through the same channel. */
static void sink(void *data, enum log_level level, const char *text)
{
    if (level == LOG_LEVEL_WARNING)
        init_warn(data, "%s", text);
}

/* Not inlined, as receive_setup(): their buffers would stay on the stack while the container waits.
 */
__attribute__((noinline)) static void run(const char *table, const struct stage *steps, size_t n,
                                          struct init *in)
{
    struct err err = ERR_INIT;

    if (stages_run(table, steps, n, in, &err) == 0)
        return;
    /* The kernel's word for an owner that it cannot write down. */
    if (err.errnum == EOVERFLOW && in->setup.flags & SETUP_USER_NAMESPACE &&
        (geteuid() != 0 || getegid() != 0))
        err_hint(&err, "files are made as id 0: it needs a mapping in the user namespace");
    protocol_send_err(in->sock, &err);
    _exit(1);
}

__attribute__((noinline)) static int receive_setup(struct init *in, struct err *err)
{
    struct protocol_message m;
    size_t next = 0;

    if (protocol_expect(in->sock, PROTOCOL_SETUP, &m, err) < 0)
        return -1;
    if (m.len != sizeof m.u.setup || m.u.setup.version != PROTOCOL_VERSION) {
        protocol_message_clear(&m);
        return err_set(err, EPROTO, "set-up message");
    }
    in->setup = m.u.setup;
    for (int i = 0; i < SETUP_FD_COUNT; i++) {
        in->fd[i] = -1;
        if ((m.u.setup.fds & (1u << i)) && next < m.n_fds)
            in->fd[i] = m.fds[next++];
    }
    in->listen = in->fd[SETUP_FD_LISTEN];
    in->host_proc = in->fd[SETUP_FD_PROC];
    return 0;
}

static void prepare(struct init *in)
{
    in->sock = PROTOCOL_FD;
    in->arena = NULL;
    in->proc = in->rootfs = in->notify_source = in->dev_null = in->console = in->seccomp_fd =
        in->signals = -1;
    for (size_t i = 0; i < ARRAY_SIZE(in->default_device_sources); i++)
        in->default_device_sources[i] = -1;
    log_sink(sink, in);
}

void init_main(int argc, char **argv)
{
    static struct init in;
    struct err err = ERR_INIT;

    (void)argc;
    (void)argv;
    prepare(&in);
    /* It came through execve, but is not for hooks or the program. */
    fcntl(PROTOCOL_FD, F_SETFD, FD_CLOEXEC);
    /* Somebody who runs the binary under this name by hand has no socket there. */
    if (receive_setup(&in, &err) < 0) {
        protocol_send_err(in.sock, &err);
        _exit(1);
    }
    trace_adopt(in.fd[SETUP_FD_TRACE], "init");
    /* Modes in the container are what the configuration says; the program gets the caller's mask.
     */
    in.umask = umask(0);
    if (init_arm_death_signal(&in, &err) < 0) {
        protocol_send_err(in.sock, &err);
        _exit(1);
    }
    if (in.setup.flags & SETUP_EXEC) {
        run("enter", exec_steps, ARRAY_SIZE(exec_steps), &in);
    } else {
        run("init", create_steps, ARRAY_SIZE(create_steps), &in);
        run("start", start_steps, ARRAY_SIZE(start_steps), &in);
    }
    _exit(1);
}
