/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whom a cgroup is handed to: requirements 168, 169. */
#include "host/delegation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static void test_map(void **state)
{
    const char *map = "         0     100000       1000\n      1000       1000          1\n"
                      "      1001     101000      64535\n";

    (void)state;
    assert_int_equal(delegation_map(map, 0), 100000);
    assert_int_equal(delegation_map(map, 999), 100999);
    assert_int_equal(delegation_map(map, 1000), 1000);
    assert_int_equal(delegation_map(map, 1001), 101000);
    assert_int_equal(delegation_map(map, 65536), -1);
    assert_int_equal(delegation_map("0 0 4294967295\n", 1000), 1000);
    assert_int_equal(delegation_map("", 0), -1);
}

static bool wanted(const char *text)
{
    struct oci_arena *arena = oci_arena_new();
    struct oci_config config;
    struct oci_diag diag;
    bool result;

    if (oci_decode(&oci_config_table, &config, text, strlen(text), arena, NULL, NULL, &diag) < 0)
        fail_msg("%s: %s", diag.path, diag.message);
    result = delegation_wanted(&config);
    oci_arena_free(arena);
    return result;
}

#define ROOT "\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"}"
#define CONFIG(mounts, spaces)                                                                     \
    "{" ROOT ",\"mounts\":[" mounts "],\"linux\":{\"namespaces\":[" spaces "]}}"
#define MOUNT(options)                                                                             \
    "{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\","               \
    "\"options\":[" options "]}"
#define NEW "{\"type\":\"cgroup\"}"

static void test_wanted(void **state)
{
    (void)state;
    assert_true(wanted(CONFIG(MOUNT(""), NEW)));
    assert_true(wanted(CONFIG(MOUNT("\"rw\",\"nosuid\""), NEW)));
    assert_true(wanted(CONFIG(MOUNT("\"ro\",\"rw\""), NEW)));
    assert_false(wanted(CONFIG(MOUNT("\"rw\",\"ro\""), NEW)));
    assert_false(wanted(CONFIG(MOUNT("\"ro\"") "," MOUNT("\"ro\""), NEW)));
    assert_true(wanted(CONFIG(MOUNT("\"ro\"") "," MOUNT(""), NEW)));
    assert_false(wanted(CONFIG(MOUNT(""), "{\"type\":\"cgroup\",\"path\":\"/proc/1/ns/cgroup\"}")));
    assert_false(wanted(CONFIG(MOUNT(""), "{\"type\":\"pid\"}")));
    assert_false(wanted(CONFIG("", NEW)));
    assert_false(wanted("{" ROOT "}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_map), cmocka_unit_test(test_wanted)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
