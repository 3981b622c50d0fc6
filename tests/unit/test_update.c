/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* update: what a partial document leaves as it is, what it replaces, and what is written for it. */
#include "base/util.h"
#include "host/update.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/* base + changes = after; written: what goes to the kernel. All as JSON. */
static const struct {
    const char *base, *changes, *after, *written;
} cases[] = {
    {"{}", "{}", "{}", "{}"},
    {"{\"pids\":{\"limit\":5}}", "{}", "{\"pids\":{\"limit\":5}}", "{}"},
    {"{\"pids\":{\"limit\":5}}", "{\"pids\":null,\"cpu\":{}}",
     "{\"cpu\":{},\"pids\":{\"limit\":5}}", "{\"cpu\":{}}"},
    {"{\"pids\":{\"limit\":5}}", "{\"pids\":{\"limit\":0}}", "{\"pids\":{\"limit\":0}}",
     "{\"pids\":{\"limit\":0}}"},
    /* The kernel, or the conversion to v2, wants both. */
    {"{\"memory\":{\"limit\":10,\"reservation\":3,\"swap\":20}}", "{\"memory\":{\"limit\":15}}",
     "{\"memory\":{\"limit\":15,\"reservation\":3,\"swap\":20}}",
     "{\"memory\":{\"limit\":15,\"swap\":20}}"},
    {"{\"memory\":{\"limit\":10,\"swap\":20}}", "{\"memory\":{\"limit\":-1}}",
     "{\"memory\":{\"limit\":-1,\"swap\":-1}}", "{\"memory\":{\"limit\":-1,\"swap\":-1}}"},
    {"{\"memory\":{\"limit\":10,\"swap\":20,\"checkBeforeUpdate\":true}}",
     "{\"memory\":{\"limit\":0,\"reservation\":4}}",
     "{\"memory\":{\"limit\":10,\"reservation\":4,\"swap\":20,\"checkBeforeUpdate\":true}}",
     "{\"memory\":{\"limit\":0,\"reservation\":4,\"checkBeforeUpdate\":true}}"},
    {"{\"cpu\":{\"shares\":7,\"quota\":5,\"period\":10}}", "{\"cpu\":{\"period\":20}}",
     "{\"cpu\":{\"shares\":7,\"quota\":5,\"period\":20}}", "{\"cpu\":{\"quota\":5,\"period\":20}}"},
    {"{\"cpu\":{\"cpus\":\"0\",\"mems\":\"0\"}}", "{\"cpu\":{\"cpus\":\"1\",\"mems\":\"\"}}",
     "{\"cpu\":{\"cpus\":\"1\",\"mems\":\"0\"}}", "{\"cpu\":{\"cpus\":\"1\",\"mems\":\"\"}}"},
    /* The same devices again are no change: v1 would deny all for a moment. */
    {"{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}",
     "{\"devices\":[{\"allow\":false,\"major\":-1,\"access\":\"rwm\"}]}",
     "{\"devices\":[{\"allow\":false,\"major\":-1,\"access\":\"rwm\"}]}", "{\"devices\":[]}"},
    {"{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}",
     "{\"devices\":[{\"allow\":true,\"access\":\"rwm\"}]}",
     "{\"devices\":[{\"allow\":true,\"access\":\"rwm\"}]}",
     "{\"devices\":[{\"allow\":true,\"access\":\"rwm\"}]}"},
    {"{\"unified\":{\"a.b\":\"1\",\"c.d\":\"2\"}}", "{\"unified\":{\"c.d\":\"3\",\"e.f\":\"4\"}}",
     "{\"unified\":{\"a.b\":\"1\",\"c.d\":\"3\",\"e.f\":\"4\"}}",
     "{\"unified\":{\"c.d\":\"3\",\"e.f\":\"4\"}}"},
    /* Other cpus ask for the partition again, so that the kernel's verdict is read. */
    {"{\"cpu\":{\"cpus\":\"1\"},\"unified\":{\"a.b\":\"1\",\"cpuset.cpus.partition\":\"root\"}}",
     "{\"cpu\":{\"cpus\":\"2\"}}",
     "{\"cpu\":{\"cpus\":\"2\"},\"unified\":{\"a.b\":\"1\",\"cpuset.cpus.partition\":\"root\"}}",
     "{\"cpu\":{\"cpus\":\"2\"},\"unified\":{\"cpuset.cpus.partition\":\"root\"}}"},
    {"{\"unified\":{\"cpuset.cpus.partition\":\"root\"}}",
     "{\"cpu\":{\"cpus\":\"2\"},\"unified\":{\"cpuset.cpus.partition\":\"member\"}}",
     "{\"cpu\":{\"cpus\":\"2\"},\"unified\":{\"cpuset.cpus.partition\":\"member\"}}",
     "{\"cpu\":{\"cpus\":\"2\"},\"unified\":{\"cpuset.cpus.partition\":\"member\"}}"},
    {"{\"blockIO\":{\"weight\":50}}",
     "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":5}]}}",
     "{\"blockIO\":{\"weight\":50,\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":5}]}"
     "}",
     "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":5}]}}"},
};

static struct oci_resources decode(struct oci_arena *arena, const char *text)
{
    struct oci_resources r;
    struct oci_diag diag;

    assert_int_equal(
        oci_decode(&oci_resources_table, &r, text, strlen(text), arena, NULL, NULL, &diag), 0);
    return r;
}

static void check(const struct oci_resources *r, const char *want)
{
    char *text = oci_encode(&oci_resources_table, r, OCI_STYLE_COMPACT, NULL);

    assert_non_null(text);
    assert_string_equal(text, want);
    free(text);
}

static void test_merge(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct oci_arena *arena = oci_arena_new();
        struct oci_resources base = decode(arena, cases[i].base), before = base, written;
        struct oci_resources changes = decode(arena, cases[i].changes);

        assert_int_equal(update_merge(&base, &changes, &written, arena), 0);
        check(&base, cases[i].after);
        check(&written, cases[i].written);
        check(&before, cases[i].base);
        oci_arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_merge)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
