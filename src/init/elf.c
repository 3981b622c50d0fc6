/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The file is hostile: nothing is taken from it before the bounds are checked, and structs are
 * copied out, as offsets need not be aligned. The program headers are only read for the native
 * class and byte order; for any other machine its name is all that is told.
 */
#include "init/elf.h"

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#define NATIVE_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define NATIVE_MACHINE EM_AARCH64
#elif defined(__riscv)
#define NATIVE_MACHINE EM_RISCV
#elif defined(__i386__)
#define NATIVE_MACHINE EM_386
#elif defined(__arm__)
#define NATIVE_MACHINE EM_ARM
#elif defined(__powerpc64__)
#define NATIVE_MACHINE EM_PPC64
#elif defined(__s390x__)
#define NATIVE_MACHINE EM_S390
#else
#define NATIVE_MACHINE EM_NONE
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE_ORDER ELFDATA2LSB
#else
#define NATIVE_ORDER ELFDATA2MSB
#endif

#define NATIVE_CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

static const struct {
    unsigned machine;
    const char *name;
} elf_machines[] = {
    {EM_386, "i386"},    {EM_X86_64, "x86_64"},   {EM_ARM, "arm"},     {EM_AARCH64, "aarch64"},
    {EM_RISCV, "riscv"}, {EM_PPC, "powerpc"},     {EM_PPC64, "ppc64"}, {EM_S390, "s390x"},
    {EM_MIPS, "mips"},   {EM_SPARCV9, "sparc64"}, {258, "loongarch"},
};

static void machine_name(unsigned machine, char *buf, size_t size)
{
    for (size_t i = 0; i < sizeof elf_machines / sizeof *elf_machines; i++)
        if (elf_machines[i].machine == machine) {
            snprintf(buf, size, "%s", elf_machines[i].name);
            return;
        }
    snprintf(buf, size, "machine %u", machine);
}

const char *elf_native_machine(void)
{
    static char name[32];

    machine_name(NATIVE_MACHINE, name, sizeof name);
    return name;
}

static void find_loader(const char *head, size_t len, struct elf_facts *facts)
{
    ElfW(Ehdr) ehdr;
    ElfW(Phdr) phdr;

    if (len < sizeof ehdr)
        return;
    memcpy(&ehdr, head, sizeof ehdr);
    for (unsigned i = 0; i < ehdr.e_phnum && ehdr.e_phentsize == sizeof phdr; i++) {
        if (ehdr.e_phoff > len || len - ehdr.e_phoff < (i + 1UL) * sizeof phdr)
            return;
        memcpy(&phdr, head + ehdr.e_phoff + i * sizeof phdr, sizeof phdr);
        if (phdr.p_type != PT_INTERP)
            continue;
        if (phdr.p_offset > len || phdr.p_filesz > len - phdr.p_offset ||
            phdr.p_filesz > sizeof facts->loader || phdr.p_filesz == 0)
            return;
        memcpy(facts->loader, head + phdr.p_offset, phdr.p_filesz);
        facts->loader[phdr.p_filesz - 1] = '\0';
        return;
    }
}

bool elf_look(const char *head, size_t len, struct elf_facts *facts)
{
    const unsigned char *ident = (const unsigned char *)head;
    unsigned machine;

    memset(facts, 0, sizeof *facts);
    if (len < EI_NIDENT + 4 || memcmp(head, ELFMAG, SELFMAG) != 0)
        return false;
    /* e_machine stands at offset 18 in both classes. */
    machine = ident[EI_DATA] == ELFDATA2MSB ? (unsigned)ident[18] << 8 | ident[19]
                                            : (unsigned)ident[19] << 8 | ident[18];
    machine_name(machine, facts->machine, sizeof facts->machine);
    facts->native = machine == NATIVE_MACHINE && ident[EI_CLASS] == NATIVE_CLASS &&
                    ident[EI_DATA] == NATIVE_ORDER;
    if (facts->native)
        find_loader(head, len, facts);
    return true;
}
