/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * libFuzzer target: any bytes are decoded by each table; what is accepted must survive encoding and
 * decoding, and where a diagnosis is given, it must be text that can go into a log.
 *
 *   clang -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_config.c libocispec.a -lyajl
 */
#include "libocispec/ocispec.h"
#include "libocispec/scan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct oci_table *const tables[] = {
    &oci_config_table, &oci_process_table,  &oci_resources_table,
    &oci_state_table,  &oci_features_table,
};

union any {
    struct oci_config config;
    struct oci_process process;
    struct oci_resources resources;
    struct oci_state state;
    struct oci_features features;
};

static void check_again(const struct oci_table *table, const void *object, struct oci_arena *arena)
{
    size_t len, again_len;
    char *text = oci_encode(table, object, OCI_STYLE_SPACES, &len), *again;
    struct oci_diag diag;
    union any out;

    if (!text || oci_decode(table, &out, text, len, arena, NULL, NULL, &diag) < 0)
        abort();
    again = oci_encode(table, &out, OCI_STYLE_SPACES, &again_len);
    if (!again || again_len != len || memcmp(text, again, len) != 0)
        abort();
    free(text);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        struct oci_arena *arena = oci_arena_new();
        struct oci_diag diag;
        unsigned line, column;
        union any out;

        if (oci_decode(tables[i], &out, text, size, arena, NULL, NULL, &diag) == 0) {
            check_again(tables[i], &out, arena);
        } else {
            if (!diag.message[0] || !diag.line || !diag.column ||
                !oci_is_utf8(diag.message, strlen(diag.message)) ||
                !oci_is_utf8(diag.path, strlen(diag.path)))
                abort();
            oci_locate(text, size, diag.path, &line, &column);
        }
        oci_arena_free(arena);
    }
    return 0;
}
