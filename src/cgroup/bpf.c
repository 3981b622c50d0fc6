/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Loading a device program and putting it in force: bpf(2), without a library. The program is
 * attached with BPF_F_ALLOW_MULTI, so that the programs of the cgroups above stay in force and
 * others can have theirs beside it: a device is reachable if all of them say so.
 *
 * Which of several is ours tells its name. An update replaces that one in one step (BPF_F_REPLACE,
 * 5.6): every open(2) meets either the old list or the new one. Others are left alone: systemd
 * attaches its own to a unit with DeviceAllow=, again at each reload. Should there be more of ours
 * than one, the surplus goes when the new one is in force, never before.
 */
#include "base/fd.h"
#include "base/util.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOG_SIZE (64u << 10)
#define PROGRAMS_MAX 64 /* the kernel's limit for one cgroup */

static const char program_name[BPF_OBJ_NAME_LEN] = "ocirun_device";

static int bpf(int command, union bpf_attr *attr)
{
    return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

static int load(const struct bpf_insn *insns, size_t n, char *log, uint32_t log_size)
{
    union bpf_attr attr = {
        .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
        .expected_attach_type = BPF_CGROUP_DEVICE,
        .insns = (uintptr_t)insns,
        .insn_cnt = (uint32_t)n,
        .license = (uintptr_t) "LGPL",
        .log_buf = (uintptr_t)log,
        .log_size = log_size,
        .log_level = log ? 1 : 0,
    };
    int fd;

    memcpy(attr.prog_name, program_name, sizeof attr.prog_name);
    /* EAGAIN: the verifier was interrupted by a signal. */
    do {
        fd = bpf(BPF_PROG_LOAD, &attr);
    } while (fd < 0 && (errno == EAGAIN || errno == EINTR));
    return fd;
}

/* Before 5.11 programs counted against RLIMIT_MEMLOCK. */
static int load_unlimited(const struct bpf_insn *insns, size_t n)
{
    const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    struct rlimit old;
    int fd, saved;

    if (getrlimit(RLIMIT_MEMLOCK, &old) < 0 || setrlimit(RLIMIT_MEMLOCK, &unlimited) < 0) {
        errno = EPERM;
        return -1;
    }
    fd = load(insns, n, NULL, 0);
    saved = errno;
    setrlimit(RLIMIT_MEMLOCK, &old);
    errno = saved;
    return fd;
}

static int load_failed(const struct bpf_insn *insns, size_t n, int errnum, struct err *err)
{
    _cleanup_free_ char *log = errnum == EINVAL || errnum == EACCES ? calloc(1, LOG_SIZE) : NULL;

    if (log) {
        int fd = load(insns, n, log, LOG_SIZE);

        fd_close(fd);
        log[LOG_SIZE - 1] = '\0';
    }
    err_set(err, errnum, "linux.resources.devices: load the device program");
    if (errnum == ENOSYS || (errnum == EINVAL && log && !*log))
        err_hint(err, "the kernel needs CONFIG_CGROUP_BPF for device rules on cgroup v2");
    else if (log && *log)
        err_hint(err, "the verifier says: %.200s", log);
    else if (errnum == EPERM)
        err_hint(err, "CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN, of the machine are needed");
    return err_object(err, "linux.resources.devices");
}

static int attach(int dir, int program, int replaced)
{
    union bpf_attr attr = {
        .target_fd = (uint32_t)dir,
        .attach_bpf_fd = (uint32_t)program,
        .attach_type = BPF_CGROUP_DEVICE,
        .attach_flags = BPF_F_ALLOW_MULTI | (replaced >= 0 ? BPF_F_REPLACE : 0),
        .replace_bpf_fd = replaced >= 0 ? (uint32_t)replaced : 0,
    };

    return bpf(BPF_PROG_ATTACH, &attr);
}

static void detach(int dir, int program)
{
    union bpf_attr attr = {
        .target_fd = (uint32_t)dir,
        .attach_bpf_fd = (uint32_t)program,
        .attach_type = BPF_CGROUP_DEVICE,
    };

    bpf(BPF_PROG_DETACH, &attr);
}

static bool is_ours(int program)
{
    struct bpf_prog_info info = {0};
    union bpf_attr attr = {.info = {
                               .bpf_fd = (uint32_t)program,
                               .info_len = sizeof info,
                               .info = (uintptr_t)&info,
                           }};

    return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0 &&
           strncmp(info.name, program_name, sizeof program_name) == 0;
}

/* Our programs that are attached here; descriptors in @fds. */
static size_t attached(int dir, int fds[static PROGRAMS_MAX])
{
    uint32_t ids[PROGRAMS_MAX] = {0};
    union bpf_attr attr = {.query = {
                               .target_fd = (uint32_t)dir,
                               .attach_type = BPF_CGROUP_DEVICE,
                               .prog_ids = (uintptr_t)ids,
                               .prog_cnt = PROGRAMS_MAX,
                           }};
    size_t n = 0;

    if (bpf(BPF_PROG_QUERY, &attr) < 0)
        return 0;
    for (uint32_t i = 0; i < attr.query.prog_cnt && i < PROGRAMS_MAX; i++) {
        union bpf_attr by_id = {.prog_id = ids[i]};
        int fd = bpf(BPF_PROG_GET_FD_BY_ID, &by_id);

        if (fd >= 0 && is_ours(fd))
            fds[n++] = fd;
        else
            fd_close(fd);
    }
    return n;
}

static void attach_failed(int errnum, struct err *err)
{
    err_set(err, errnum, "linux.resources.devices: attach the device program");
    if (errnum == EPERM)
        err_hint(err, "a cgroup above has a program that lets no others beside it, or "
                      "CAP_NET_ADMIN of the machine is missing");
    else if (errnum == E2BIG)
        err_hint(err, "the cgroup has %d programs already", PROGRAMS_MAX);
    err_object(err, "linux.resources.devices");
}

int cgroup_devices_attach(int dir, const struct bpf_insn *insns, size_t n, struct err *err)
{
    _cleanup_close_ int program = load(insns, n, NULL, 0);
    int old[PROGRAMS_MAX], failed;
    bool replaced = false;
    size_t old_n;

    if (program < 0 && errno == EPERM)
        program = load_unlimited(insns, n);
    if (program < 0)
        return load_failed(insns, n, errno, err);
    old_n = attached(dir, old);
    for (size_t i = 0; i < old_n && !replaced; i++) {
        replaced = attach(dir, program, old[i]) == 0;
        if (replaced)
            old[i] = fd_close(old[i]);
    }
    failed = replaced ? 0 : attach(dir, program, -1);
    if (failed < 0)
        attach_failed(errno, err);
    for (size_t i = 0; i < old_n; i++) {
        if (failed == 0 && old[i] >= 0)
            detach(dir, old[i]);
        fd_close(old[i]);
    }
    return failed < 0 ? -1 : 0;
}
