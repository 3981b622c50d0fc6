/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ocirun-init: init as an executable of its own, static and without the host side (host/image.c
 * tells when it is used). The note tells the runtime that both are of one build.
 */
#include "init/init.h"
#include "init_id.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>

#define NOTE_OWNER "ocirun"
#define NOTE_TYPE 1

/* An ELF note is three words, the owner padded to four bytes, and the text padded likewise. */
static const struct {
    uint32_t owner_size, text_size, type;
    char owner[(sizeof NOTE_OWNER + 3) / 4 * 4];
    char text[(sizeof INIT_ID + 3) / 4 * 4];
} id_note __attribute__((used, section(".note.ocirun"), aligned(4))) = {
    sizeof NOTE_OWNER, sizeof INIT_ID, NOTE_TYPE, NOTE_OWNER, INIT_ID,
};

int main(int argc, char **argv)
{
    if (fcntl(PROTOCOL_FD, F_GETFD) < 0 && errno == EBADF) {
        fputs("ocirun-init is executed by ocirun, not by hand\n", stderr);
        return 1;
    }
    init_main(argc, argv);
}
