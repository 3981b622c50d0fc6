/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Documents that have every member go through the tables. What must hold for every member (null is
 * absence, a wrong type is refused at its place, a second one is refused) is tested on every
 * member: the tables themselves are walked, and the text is changed at the place where oci_locate()
 * says the member stands.
 */
#include "libocispec/ocispec.h"
#include "test_ocispec_full.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>

#include <cmocka.h>

struct document {
    const struct oci_table *table;
    const char *text;
};

static char full_config[16384];

static struct document documents[] = {
    {&oci_config_table, full_config},       {&oci_process_table, full_process},
    {&oci_resources_table, full_resources}, {&oci_state_table, full_state},
    {&oci_features_table, full_features},
};
enum { DOCUMENTS = sizeof(documents) / sizeof(documents[0]) };

static int set_up(void **state)
{
    (void)state;
    snprintf(full_config, sizeof(full_config),
             "%s \"process\": %s,\n \"linux\": {\"resources\": %s,\n%s}", full_head, full_process,
             full_resources, full_linux_rest);
    return 0;
}

union any {
    struct oci_config config;
    struct oci_process process;
    struct oci_resources resources;
    struct oci_state state;
    struct oci_features features;
};

/* The text decoded and encoded again, or NULL with @diag. free() it. */
static char *again(const struct oci_table *table, const char *text, enum oci_style style,
                   struct oci_diag *diag)
{
    struct oci_arena *arena = oci_arena_new();
    char *result = NULL;
    union any out;

    assert_non_null(arena);
    assert_true(table->size <= sizeof(out));
    if (oci_decode(table, &out, text, strlen(text), arena, NULL, NULL, diag) == 0) {
        result = oci_encode(table, &out, style, NULL);
        assert_non_null(result);
    }
    oci_arena_free(arena);
    return result;
}

static char *must_again(const struct oci_table *table, const char *text, enum oci_style style)
{
    struct oci_diag diag;
    char *result = again(table, text, style, &diag);
    char message[800];

    if (!result) {
        oci_diag_format(&diag, "text", message, sizeof(message));
        fail_msg("%s", message);
    }
    return result;
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < DOCUMENTS; i++) {
        for (enum oci_style style = OCI_STYLE_COMPACT; style <= OCI_STYLE_TABS; style++) {
            char *once = must_again(documents[i].table, documents[i].text, style);
            char *twice = must_again(documents[i].table, once, style);

            assert_string_equal(once, twice);
            free(once);
            free(twice);
        }
    }
}

/* ---- every member
 * --------------------------------------------------------------------------------- */

typedef void member_fn(const struct document *doc, const struct oci_row *row, const char *path);

static void each_member(const struct document *doc, const struct oci_table *table, const char *path,
                        member_fn *fn)
{
    for (const struct oci_row *row = table->rows; row->kind != OCI_KIND_END; row++) {
        char member[256], below[512];
        const char *element = "";

        snprintf(member, sizeof(member), "%s%s%s", path, path[0] ? "." : "", row->name);
        fn(doc, row, member);
        if (!row->table)
            continue;
        if (row->kind == OCI_KIND_ARRAY)
            element = "[0]";
        else if (row->kind == OCI_KIND_OBJECTS)
            element = strcmp(row->name, "rdma") == 0 ? ".mlx5_0" : ".eth0";
        snprintf(below, sizeof(below), "%s%s", member, element);
        each_member(doc, row->table, below, fn);
    }
}

static unsigned members_n;

/* Compact documents in ASCII: the column is the offset. */
static void each_member_of_all(member_fn *fn)
{
    members_n = 0;
    for (int i = 0; i < DOCUMENTS; i++) {
        char *text = must_again(documents[i].table, documents[i].text, OCI_STYLE_COMPACT);
        struct document doc = {documents[i].table, text};

        for (char *c = text; *c; c++)
            if ((unsigned char)*c >= 0x80)
                *c = 'x';
        each_member(&doc, doc.table, "", fn);
        free(text);
    }
    assert_true(members_n > 200);
}

struct place {
    size_t name, value, end; /* offsets: the name's quote, the value, behind the value */
};

static struct place place_of(const char *text, const struct oci_row *row, const char *path)
{
    unsigned line, column;
    struct place place;
    char name[80];
    int depth = 0;
    bool in_string = false;

    snprintf(name, sizeof(name), "\"%s\":", row->name);
    assert_int_equal(oci_locate(text, strlen(text), path, &line, &column), 0);
    assert_int_equal(line, 1);
    place.value = column - 1;
    place.name = place.value - strlen(name);
    if (column <= strlen(name) || strncmp(text + place.name, name, strlen(name)) != 0)
        fail_msg("the full document lacks %s", path);
    for (place.end = place.value;; place.end++) {
        char c = text[place.end];

        if (c == '"' && text[place.end - 1] != '\\')
            in_string = !in_string;
        if (in_string)
            continue;
        if (depth == 0 && strchr(",}]", c))
            break;
        depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
    }
    return place;
}

/* @text with the bytes from @from to @to replaced. */
static char *replaced(const char *text, size_t from, size_t to, const char *with)
{
    size_t size = strlen(text) + strlen(with) + 1;
    char *copy = malloc(size);

    assert_non_null(copy);
    snprintf(copy, size, "%.*s%s%s", (int)from, text, with, text + to);
    return copy;
}

static void null_is_absence(const struct document *doc, const struct oci_row *row, const char *path)
{
    struct place place = place_of(doc->text, row, path);
    char *null = replaced(doc->text, place.value, place.end, "null");
    /* A comma belongs to the member; which one depends on whether it is the first. */
    size_t from = doc->text[place.name - 1] == ',' ? place.name - 1 : place.name;
    size_t to = from == place.name && doc->text[place.end] == ',' ? place.end + 1 : place.end;
    char *absent = replaced(doc->text, from, to, "");
    struct oci_diag null_diag, absent_diag;
    char *a = again(doc->table, null, OCI_STYLE_COMPACT, &null_diag);
    char *b = again(doc->table, absent, OCI_STYLE_COMPACT, &absent_diag);

    members_n++;
    if (row->flags & OCI_REQUIRED) {
        char message[100];

        snprintf(message, sizeof(message), "member \"%s\" is missing", row->name);
        assert_null(a);
        assert_null(b);
        assert_string_equal(null_diag.message, message);
        assert_string_equal(absent_diag.message, message);
        assert_string_equal(null_diag.path, absent_diag.path);
        assert_int_equal(null_diag.column, absent_diag.column);
        assert_int_equal(doc->text[null_diag.column - 1], '{');
    } else {
        if (!a || !b)
            fail_msg("%s: %s %s", path, null_diag.message, absent_diag.message);
        assert_string_equal(a, b);
    }
    free(null);
    free(absent);
    free(a);
    free(b);
}

static void test_null_is_absence(void **state)
{
    (void)state;
    each_member_of_all(null_is_absence);
}

/* Go's uint64(-1), where engines write it. */
static void test_max_is_absence(void **state)
{
    const char *text = "{\"memory\": {\"limit\": 5, \"swappiness\": 18446744073709551615}}";
    struct oci_arena *arena = oci_arena_new();
    struct oci_resources r;
    struct oci_diag diag;

    (void)state;
    assert_int_equal(
        oci_decode(&oci_resources_table, &r, text, strlen(text), arena, NULL, NULL, &diag), 0);
    assert_true(r.memory->limit.set);
    assert_false(r.memory->swappiness.set);
    oci_arena_free(arena);
}

static void expect(const struct document *doc, char *text, const char *path, size_t offset,
                   const char *message)
{
    struct oci_diag diag;

    assert_null(again(doc->table, text, OCI_STYLE_COMPACT, &diag));
    assert_string_equal(diag.message, message);
    assert_string_equal(diag.path, path);
    assert_int_equal(diag.line, 1);
    assert_int_equal(diag.column, offset + 1);
    free(text);
}

static void wrong_type(const struct document *doc, const struct oci_row *row, const char *path)
{
    static const struct {
        const char *text, *name;
    } types[] = {
        {"true", "a boolean"}, {"7", "a number"},  {"\"x\"", "a string"},
        {"{}", "an object"},   {"[]", "an array"},
    };
    struct place place = place_of(doc->text, row, path);
    const char *wanted = "an object";
    char message[100];
    size_t first =
        strspn(&doc->text[place.value], "-") ? '7' : (unsigned char)doc->text[place.value];

    if (first == 't' || first == 'f')
        wanted = "a boolean";
    else if (first >= '0' && first <= '9')
        wanted = "a number";
    else if (first == '"')
        wanted = "a string";
    else if (first == '[')
        wanted = "an array";
    members_n++;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].name, wanted) == 0)
            continue;
        snprintf(message, sizeof(message), "%s is expected, found %s", wanted, types[i].name);
        expect(doc, replaced(doc->text, place.value, place.end, types[i].text), path, place.value,
               message);
    }
}

static void test_wrong_type(void **state)
{
    (void)state;
    each_member_of_all(wrong_type);
}

static void twice(const struct document *doc, const struct oci_row *row, const char *path)
{
    struct place place = place_of(doc->text, row, path);
    char first[100];

    members_n++;
    snprintf(first, sizeof(first), "\"%s\":null,", row->name);
    expect(doc, replaced(doc->text, place.name, place.name, first), path,
           place.name + strlen(first), "member appears twice");
}

static void test_twice(void **state)
{
    (void)state;
    each_member_of_all(twice);
}

static void in_schema(const struct document *doc, const struct oci_row *row, const char *path)
{
    char *schema = oci_schema(doc->table), in[1024] = "";
    unsigned line, column, parent_line, parent_column;

    /* a.b[0].c is properties.a.properties.b.items.properties.c; member names as keys have no list
     */
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, ".["), used = strlen(in);
        bool any = strncmp(p, "mlx5_0", 6) == 0 || strncmp(p, "eth0", 4) == 0;

        snprintf(in + used, sizeof(in) - used, any ? "%sadditionalProperties" : "%sproperties.%.*s",
                 used ? "." : "", (int)len, p);
        p += len;
        used = strlen(in);
        if (*p == '[') {
            snprintf(in + used, sizeof(in) - used, ".items");
            p += 3;
        }
        p += *p == '.';
    }
    members_n++;
    assert_non_null(schema);
    assert_int_equal(oci_locate(schema, strlen(schema), in, &line, &column), 0);
    *strrchr(in, '.') = '\0';
    oci_locate(schema, strlen(schema), in, &parent_line, &parent_column);
    if (line == parent_line)
        fail_msg("%s (%s) is not in the schema", in, row->name);
    free(schema);
}

/* Any JSON can be decoded as a document without requirements whose members are all unknown. */
static void assert_is_json(const char *text)
{
    static const struct oci_row no_rows[] = { OCI_END };
    static const struct oci_table no_table = {.name = "", .size = 1, .rows = no_rows};
    struct oci_arena *arena = oci_arena_new();
    struct oci_diag diag;
    char out;

    assert_int_equal(oci_decode(&no_table, &out, text, strlen(text), arena, NULL, NULL, &diag), 0);
    oci_arena_free(arena);
}

static void test_schema(void **state)
{
    (void)state;
    for (int i = 0; i < DOCUMENTS; i++) {
        char *schema = oci_schema(documents[i].table);

        assert_is_json(schema);
        free(schema);
    }
    each_member_of_all(in_schema);
}

/* ---- names, defaults, encoder
 * ---------------------------------------------------------------------- */

static void test_capabilities_as_libcap(void **state)
{
    int n = 0;

    (void)state;
    for (const struct oci_name *name = oci_capability_names.list; name->name; name++, n++) {
        char *theirs = cap_to_name((cap_value_t)name->value), lower[64] = "";

        assert_int_equal(name->value, n);
        for (size_t i = 0; name->name[i]; i++)
            lower[i] = (char)(name->name[i] == '_' ? '_' : name->name[i] | 0x20);
        assert_string_equal(lower, theirs);
        cap_free(theirs);
    }
    assert_int_equal(n, 41);
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(oci_name_value(&oci_namespace_names, "uts"), OCI_NS_UTS);
    assert_int_equal(oci_name_value(&oci_namespace_names, "ut"), -1);
    assert_int_equal(oci_name_value(&oci_namespace_names, "utsx"), -1);
    assert_int_equal(oci_name_value(&oci_hook_kind_names, "prestart"), 0);
    assert_string_equal(oci_name_of(&oci_seccomp_arch_names, OCI_ARCH_M68K), "SCMP_ARCH_M68K");
    assert_null(oci_name_of(&oci_namespace_names, OCI_NS_COUNT));
    assert_string_equal(oci_name_nearest(&oci_namespace_names, "netwrok"), "network");
    assert_string_equal(oci_name_nearest(&oci_namespace_names, "Mount"), "mount");
    assert_string_equal(oci_name_nearest(&oci_capability_names, "CAP_SYSADMIN"), "CAP_SYS_ADMIN");
    assert_string_equal(oci_name_nearest(&oci_namespace_names, "usr"), "user");
    assert_null(oci_name_nearest(&oci_namespace_names, "container"));
    assert_null(oci_name_nearest(&oci_namespace_names, ""));
}

static void default_round_trip(bool rootless, size_t namespaces_n, const char *sys_type)
{
    struct oci_arena *arena = oci_arena_new();
    struct oci_config *config = oci_default_config(arena, rootless, 1000, 1001);
    char *text = oci_encode(&oci_config_table, config, OCI_STYLE_TABS, NULL);
    char *text2 = must_again(&oci_config_table, text, OCI_STYLE_TABS);

    assert_string_equal(text, text2);
    assert_string_equal(config->oci_version, "1.3.0");
    assert_string_equal(config->process->args[0], "sh");
    assert_null(config->process->args[1]);
    assert_true(config->process->terminal && config->root->readonly);
    assert_int_equal(config->mounts_n, 7);
    assert_string_equal(config->mounts[5].type, sys_type);
    assert_int_equal(config->mounts[2].options_n, rootless ? 5 : 6);
    assert_int_equal(config->linux_->namespaces_n, namespaces_n);
    assert_int_equal(config->linux_->resources != NULL, !rootless);
    assert_int_equal(config->linux_->uid_mappings_n, rootless);
    if (rootless) {
        assert_int_equal(config->linux_->uid_mappings[0].host_id, 1000);
        assert_int_equal(config->linux_->gid_mappings[0].host_id, 1001);
    }
    assert_int_equal(text[strlen(text) - 1], '\n');
    free(text);
    free(text2);
    oci_arena_free(arena);
}

static void test_default_config(void **state)
{
    (void)state;
    default_round_trip(false, 6, "sysfs");
    default_round_trip(true, 6, "none");
}

static void test_encoder(void **state)
{
    struct oci_opt_i64 pid = {.set = true};
    struct oci_state states[2] = {
        {"1.3.0", "a", pid, OCI_STATUS_STOPPED, "/b", .owner = "root"},
        {"1.3.0", "\x01\"é/", .status = OCI_STATUS_RUNNING, .bundle = "/b"},
    };
    struct oci_features features = {"1", "2", .hooks = (const char *[]){NULL}};
    size_t len;
    char *text;

    (void)state;
    text = oci_encode_array(&oci_state_table, states, 2, OCI_STYLE_COMPACT, &len);
    assert_string_equal(text, "[{\"ociVersion\":\"1.3.0\",\"id\":\"a\",\"pid\":0,\"status\":"
                              "\"stopped\",\"bundle\":\"/b\",\"owner\":\"root\"},"
                              "{\"ociVersion\":\"1.3.0\",\"id\":\"\\u0001\\\"é/\",\"status\":"
                              "\"running\",\"bundle\":\"/b\"}]");
    assert_int_equal(len, strlen(text));
    free(text);
    text = oci_encode_array(&oci_state_table, states, 0, OCI_STYLE_COMPACT, &len);
    assert_string_equal(text, "[]");
    free(text);
    text = oci_encode(&oci_features_table, &features, OCI_STYLE_SPACES, &len);
    assert_string_equal(text, "{\n  \"ociVersionMin\": \"1\",\n  \"ociVersionMax\": \"2\",\n"
                              "  \"hooks\": []\n}\n");
    free(text);
}

static void test_annotation(void **state)
{
    struct oci_pair pairs[] = {{"a", "1"}, {"b", ""}};
    struct oci_config config = {.annotations = pairs, .annotations_n = 2};

    (void)state;
    assert_string_equal(oci_annotation(&config, "b"), "");
    assert_null(oci_annotation(&config, "c"));
}

static void test_values(void **state)
{
    struct oci_arena *arena = oci_arena_new();
    struct oci_resources resources;
    struct oci_config config;
    struct oci_diag diag;

    (void)state;
    assert_int_equal(oci_decode(&oci_config_table, &config, full_config, strlen(full_config), arena,
                                NULL, NULL, &diag),
                     0);
    assert_string_equal(config.process->args[2], "\u00e9\U0001f600 \"\\\n");
    assert_null(config.process->args[3]);
    assert_int_equal(config.process->capabilities->bounding.bits, UINT64_C(1) << 40 | 1);
    assert_true(config.process->capabilities->inheritable.set);
    assert_int_equal(config.process->capabilities->inheritable.bits, 0);
    assert_true(config.process->rlimits[0].hard == UINT64_MAX);
    assert_int_equal(config.process->oom_score_adj.value, -1000);
    assert_int_equal(config.process->scheduler->nice, -20);
    assert_int_equal(config.process->scheduler->flags.bits, 0x41);
    assert_true(config.linux_->time_offsets->monotonic->secs == INT64_MIN);
    assert_int_equal(config.linux_->seccomp->flags.bits, 0x22);
    assert_int_equal(config.linux_->seccomp->architectures[1], OCI_ARCH_SHEB);
    assert_string_equal(config.linux_->net_devices[1].host_name, "eth1");
    assert_string_equal(config.linux_->sysctl[0].key, "net.ipv4.ip_forward");
    assert_string_equal(config.linux_->resources->rdma[1].device, "mlx5_1");
    assert_true(config.linux_->resources->memory->limit.value == -1);
    assert_true(config.linux_->resources->memory->disable_oom_killer.set);
    assert_int_equal(config.linux_->resources->devices[0].access,
                     OCI_ACCESS_READ | OCI_ACCESS_MKNOD);
    assert_int_equal(config.linux_->resources->devices[1].access, 7);
    assert_int_equal(config.linux_->resources->devices[1].type, OCI_RULE_ALL);
    assert_false(config.linux_->resources->devices[1].major.set);

    assert_int_equal(
        oci_decode(&oci_resources_table, &resources, "{}", 2, arena, NULL, NULL, &diag), 0);
    assert_null(resources.memory);
    oci_arena_free(arena);
}

/* ---- damage
 * ----------------------------------------------------------------------------------------- */

/* A copy of exact size, so that the sanitizer sees a read beyond the end. */
static int decode_exact(const struct document *doc, const char *text, size_t len,
                        struct oci_diag *diag)
{
    struct oci_arena *arena = oci_arena_new();
    char *copy = malloc(len ? len : 1);
    union any out;
    int result;

    memcpy(copy, text, len);
    result = oci_decode(doc->table, &out, copy, len, arena, NULL, NULL, diag);
    oci_arena_free(arena);
    free(copy);
    return result;
}

static void test_truncated(void **state)
{
    struct oci_diag diag;

    (void)state;
    for (int i = 0; i < DOCUMENTS; i++) {
        const char *text = documents[i].text;
        size_t len = strlen(text);

        for (size_t n = 0; n < len; n++) {
            unsigned line = 1, column = 1;

            assert_int_equal(decode_exact(&documents[i], text, n, &diag), -1);
            for (size_t j = 0; j < n; j++) {
                column = text[j] == '\n' ? 1 : column + 1;
                line += text[j] == '\n';
            }
            /* A word or a number that was cut may be the place; else it is the end. */
            assert_int_equal(diag.line, line);
            assert_true(diag.column <= column && diag.column + 5 > column);
            assert_non_null(diag.message);
        }
        assert_int_equal(decode_exact(&documents[i], text, len, &diag), 0);
    }
}

static void test_changed_bytes(void **state)
{
    static const char bytes[] = {'"', '\\', '{', '}', '[', ']', ',', ':', '0', '-', '\0', '\x80'};
    size_t len = strlen(full_config);
    struct oci_diag diag;

    (void)state;
    for (size_t i = 0; i < len; i += 3) {
        char before = full_config[i];

        full_config[i] = bytes[i / 3 % sizeof(bytes)];
        decode_exact(&documents[0], full_config, len, &diag);
        full_config[i] = before;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_null_is_absence),
        cmocka_unit_test(test_max_is_absence),
        cmocka_unit_test(test_wrong_type),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_capabilities_as_libcap),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_default_config),
        cmocka_unit_test(test_encoder),
        cmocka_unit_test(test_annotation),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_changed_bytes),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
