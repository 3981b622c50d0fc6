/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * without - run a command on a kernel that lacks some system calls
 *
 *     without ENOSYS|EPERM NUMBER[,NUMBER...] COMMAND [ARGUMENT...]
 *
 * ENOSYS is an old kernel; EPERM is an outer container whose filter does not know the calls. The
 * filter is loaded without no_new_privs, which the tests would see: it needs CAP_SYS_ADMIN.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#define MAX_CALLS 64

int main(int argc, char **argv)
{
    struct sock_filter code[2 * MAX_CALLS + 2] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    struct sock_fprog program = {.filter = code};
    unsigned short n = 1;
    unsigned error;

    if (argc < 4)
        return 126;
    error = !strcmp(argv[1], "EPERM") ? EPERM : ENOSYS;
    for (char *word = strtok(argv[2], ","); word && n < 2 * MAX_CALLS; word = strtok(NULL, ",")) {
        unsigned number = (unsigned)strtoul(word, NULL, 10);

        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program.len = n;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
        perror("seccomp");
        return 126;
    }
    execvp(argv[3], argv + 3);
    perror(argv[3]);
    return 126;
}
