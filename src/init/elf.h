/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* As much of ELF as explains why a program cannot be executed. */
#ifndef INIT_ELF_H
#define INIT_ELF_H

#include <stdbool.h>
#include <stddef.h>

struct elf_facts {
    bool native;      /* same machine, class and byte order as this program */
    char machine[32]; /* "AArch64", or "machine 243" */
    char loader[256]; /* PT_INTERP, "" if there is none or it lies beyond what was read */
};

/**
 * elf_look - read the header of a file
 * @head: its first @len bytes, hostile
 * Returns whether it is an ELF file, with @facts filled. Source: elf(5).
 */
bool elf_look(const char *head, size_t len, struct elf_facts *facts);

/** elf_native_machine - name of the machine that this program was built for */
const char *elf_native_machine(void);

#endif
