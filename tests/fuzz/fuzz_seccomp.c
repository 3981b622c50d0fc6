/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whatever config.json decodes, its profile compiles or is refused, and a program that comes out is
 * one that the kernel's rules for jumps allow.
 */
#include "libocispec/ocispec.h"
#include "seccomp/seccomp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct seccomp_program *program)
{
    for (size_t i = 0; i < program->n; i++) {
        const struct sock_filter *in = &program->filter[i];
        size_t left = program->n - i - 1;

        if (BPF_CLASS(in->code) == BPF_RET)
            continue;
        if (left == 0)
            abort();
        if (in->code == (BPF_JMP | BPF_JA)
                ? in->k >= left
                : BPF_CLASS(in->code) == BPF_JMP && (in->jt >= left || in->jf >= left))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct oci_arena *arena = oci_arena_new();
    struct oci_config config;
    struct oci_diag diag;

    if (oci_decode(&oci_config_table, &config, (const char *)data, size, arena, NULL, NULL,
                   &diag) == 0 &&
        config.linux_ && config.linux_->seccomp) {
        struct seccomp_program program;
        struct err err = ERR_INIT;

        if (seccomp_compile(config.linux_->seccomp, false, &program, &err) == 0)
            check(&program);
        seccomp_program_clear(&program);
    }
    oci_arena_free(arena);
    return 0;
}
