/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names to numbers, for each architecture.
 *
 * libseccomp knows the tables. A call that an architecture does not have gets a "pseudo number"
 * below -1 from it; two families of those mean something: -101…-120 are reached through
 * socketcall(2) and -201…-224 through ipc(2), with the remainder as first argument. Most
 * architectures with a multiplexer gained direct calls later (i386: Linux 4.3, 5.1), so such a name
 * stands for two targets. Its direct number is not in libseccomp's answer, but the reverse table
 * has it.
 */
#include "seccomp/internal.h"

#include "base/util.h"

#include <elf.h>
#include <linux/audit.h>
#include <stdlib.h>
#include <string.h>

#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif
#define LE __AUDIT_ARCH_LE
#define WIDE __AUDIT_ARCH_64BIT
#define N32 0x20000000

#define ARCH(i, m, n)                                                                              \
    {                                                                                              \
        OCI_ARCH_##i, (m), (m), (n)                                                                \
    }

static const struct seccomp_arch archs[] = {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    ARCH(X86, EM_386 | LE, true),
    ARCH(X86_64, EM_X86_64 | WIDE | LE, false),
    /* The kernel has no token for x32: it is x86_64 with a bit in the number. */
    {OCI_ARCH_X32, EM_X86_64 | LE, EM_X86_64 | WIDE | LE, true},
    ARCH(ARM, EM_ARM | LE, true),
    ARCH(AARCH64, EM_AARCH64 | WIDE | LE, false),
    ARCH(MIPSEL, EM_MIPS | LE, true),
    ARCH(MIPSEL64, EM_MIPS | WIDE | LE, false),
    ARCH(MIPSEL64N32, EM_MIPS | WIDE | LE | N32, true),
    ARCH(PPC64LE, EM_PPC64 | WIDE | LE, false),
    ARCH(RISCV64, EM_RISCV | WIDE | LE, false),
    ARCH(LOONGARCH64, EM_LOONGARCH | WIDE | LE, false),
    ARCH(SH, EM_SH | LE, true),
#else
    ARCH(MIPS, EM_MIPS, true),
    ARCH(MIPS64, EM_MIPS | WIDE, false),
    ARCH(MIPS64N32, EM_MIPS | WIDE | N32, true),
    ARCH(PPC, EM_PPC, true),
    ARCH(PPC64, EM_PPC64 | WIDE, false),
    ARCH(S390, EM_S390, true),
    ARCH(S390X, EM_S390 | WIDE, false),
    ARCH(PARISC, EM_PARISC, true),
    ARCH(PARISC64, EM_PARISC | WIDE, false),
    ARCH(M68K, EM_68K, true),
    ARCH(SHEB, EM_SH, true),
#endif
};

#if defined __x86_64__ && !defined __ILP32__
enum { NATIVE = OCI_ARCH_X86_64 };
#elif defined __i386__
enum { NATIVE = OCI_ARCH_X86 };
#elif defined __aarch64__
enum { NATIVE = OCI_ARCH_AARCH64 };
#elif defined __arm__
enum { NATIVE = OCI_ARCH_ARM };
#elif defined __riscv && __riscv_xlen == 64
enum { NATIVE = OCI_ARCH_RISCV64 };
#elif defined __loongarch64
enum { NATIVE = OCI_ARCH_LOONGARCH64 };
#elif defined __powerpc64__ && defined __LITTLE_ENDIAN__
enum { NATIVE = OCI_ARCH_PPC64LE };
#elif defined __powerpc64__
enum { NATIVE = OCI_ARCH_PPC64 };
#elif defined __s390x__
enum { NATIVE = OCI_ARCH_S390X };
#else
#error "add this machine to seccomp/resolve.c"
#endif

const struct seccomp_arch *seccomp_find_arch(uint32_t id)
{
    for (size_t i = 0; i < ARRAY_SIZE(archs); i++) {
        if (archs[i].id == id)
            return &archs[i];
    }
    return NULL;
}

const struct seccomp_arch *seccomp_native_arch(void)
{
    return seccomp_find_arch(NATIVE);
}

/* The direct calls all lie in these stretches; MIPS o32 counts from 4000. */
static const struct {
    int first, last;
} direct_calls[] = {{160, 190}, {320, 410}};

static void find_direct(const struct seccomp_library *library, uint32_t token, int number,
                        struct seccomp_multiplexers *mux)
{
    _cleanup_free_ char *name = library->resolve_number(token, number);
    int pseudo = name ? library->resolve_name(token, name) : 0;

    if (pseudo < -100 && pseudo > -132)
        mux->sockets[-pseudo - 100] = number;
    else if (pseudo < -200 && pseudo > -232)
        mux->ipcs[-pseudo - 200] = number;
}

static void multiplexers_find(const struct seccomp_library *library, uint32_t token,
                              struct seccomp_multiplexers *mux)
{
    int base = library->resolve_name(token, "read") >= 4000 ? 4000 : 0;

    mux->known = true;
    mux->socketcall = library->resolve_name(token, "socketcall");
    mux->ipc = library->resolve_name(token, "ipc");
    memset(mux->sockets, 0xff, sizeof mux->sockets);
    memset(mux->ipcs, 0xff, sizeof mux->ipcs);
    if (mux->socketcall < 0 && mux->ipc < 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(direct_calls); i++) {
        for (int n = direct_calls[i].first; n <= direct_calls[i].last; n++)
            find_direct(library, token, base + n, mux);
    }
}

static int resolve_multiplexed(int multiplexer, int direct, uint32_t call,
                               struct seccomp_target *targets)
{
    int n = 0;

    if (multiplexer >= 0)
        targets[n++] = (struct seccomp_target){
            .number = (uint32_t)multiplexer, .multiplexed = true, .call = call};
    if (direct >= 0)
        targets[n++] = (struct seccomp_target){.number = (uint32_t)direct};
    return n;
}

int seccomp_resolve(const struct seccomp_library *library, const struct seccomp_arch *arch,
                    struct seccomp_multiplexers *mux, const char *name,
                    struct seccomp_target targets[SECCOMP_TARGETS])
{
    int number = library->resolve_name(arch->token, name);

    if (number == -1)
        return -1;
    if (number >= 0) {
        targets[0] = (struct seccomp_target){.number = (uint32_t)number};
        return 1;
    }
    if (!mux->known)
        multiplexers_find(library, arch->token, mux);
    if (number < -100 && number > -132)
        return resolve_multiplexed(mux->socketcall, mux->sockets[-number - 100],
                                   (uint32_t)-number - 100, targets);
    if (number < -200 && number > -232)
        return resolve_multiplexed(mux->ipc, mux->ipcs[-number - 200], (uint32_t)-number - 200,
                                   targets);
    return 0;
}
