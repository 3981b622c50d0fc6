/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Every class of error with its exact place, path and sentence. In a text, @ marks the place that
 * the error must name; it is taken out before the text is decoded.
 */
#include "libocispec/ocispec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct refused {
    const char *text, *path, *message;
};

union any {
    struct oci_config config;
    struct oci_process process;
    struct oci_resources resources;
    struct oci_state state;
};

static struct oci_diag warning;
static unsigned warnings_n;

static void on_warning(void *data, const struct oci_diag *diag)
{
    assert_ptr_equal(data, &warning);
    warning = *diag;
    warnings_n++;
}

/* Takes the @ out and tells its line and column. Returns the length. */
static size_t unmark(const char *text, size_t len, char *out, unsigned *line, unsigned *column)
{
    const char *mark = memchr(text, '@', len);
    size_t before = mark ? (size_t)(mark - text) : len;

    *line = *column = 1;
    memcpy(out, text, before);
    for (size_t i = 0; i < before; i++) {
        if (text[i] == '\n')
            *column = 0;
        *line += text[i] == '\n';
        *column += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    if (mark)
        memcpy(out + before, mark + 1, len - before - 1);
    return mark ? len - 1 : len;
}

static void refuse(const struct oci_table *table, const char *text, size_t len, const char *path,
                   const char *message)
{
    struct oci_arena *arena = oci_arena_new();
    unsigned line, column;
    struct oci_diag diag;
    char *plain = malloc(len + 1);
    union any out;

    len = unmark(text, len, plain, &line, &column);
    if (oci_decode(table, &out, plain, len, arena, on_warning, &warning, &diag) == 0)
        fail_msg("accepted: %s", text);
    if (strcmp(diag.message, message) || strcmp(diag.path, path) || diag.line != line ||
        diag.column != column)
        fail_msg("%s\nis:     %u:%u: %s: %s\nshould: %u:%u: %s: %s", text, diag.line, diag.column,
                 diag.path, diag.message, line, column, path, message);
    free(plain);
    oci_arena_free(arena);
}

static void refuse_all(const struct oci_table *table, const struct refused *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        refuse(table, list[i].text, strlen(list[i].text), list[i].path, list[i].message);
}
#define REFUSE_ALL(table, list) refuse_all(&(table), list, sizeof(list) / sizeof((list)[0]))

static void accept(const struct oci_table *table, const char *text)
{
    struct oci_arena *arena = oci_arena_new();
    struct oci_diag diag;
    union any out;

    if (oci_decode(table, &out, text, strlen(text), arena, on_warning, &warning, &diag) < 0)
        fail_msg("%s: %u:%u: %s: %s", text, diag.line, diag.column, diag.path, diag.message);
    oci_arena_free(arena);
}

#define HEAD "{\"ociVersion\": \"1.0.2\",\n \"root\": {\"path\": \"r\"},\n"
#define LINUX(text) HEAD " \"linux\": {" text "}}"
#define P(text) "{\"cwd\": \"/\",\n\t" text "}"

static void test_syntax(void **state)
{
    static const struct refused list[] = {
        {"@", "", "the text ends where a value is expected"},
        {" \n@", "", "the text ends where a value is expected"},
        {"@\xef\xbb\xbf{}", "", "a value is expected"},
        {"{\"a\" @1}", "", "\":\" is expected"},
        {"{\"a\": @}", "", "a value is expected"},
        {"{\"a\": 1\n @\"b\": 2}", "", "\",\" or \"}\" is expected"},
        {"{\"a\": [1 @2]}", "", "\",\" or \"]\" is expected"},
        {"{\"a\": 1,\n@}", "", "a member name in double quotes is expected"},
        {"{@a: 1}", "", "a member name in double quotes is expected"},
        {"{\"a\": @tru}", "", "a value is expected"},
        {"{\"a\": @'x'}", "", "a value is expected"},
        {"{\"a\": -@}", "", "a digit is expected"},
        {"{\"a\": 1.@}", "", "a digit is expected"},
        {"{\"a\": 1e@}", "", "a digit is expected"},
        {"{\"a\": 0@1}", "", "a number has no leading zero"},
        {"{\"a\": @+1}", "", "a value is expected"},
        {"{\"a\": @NaN}", "", "a value is expected"},
        {"{\"a\": \"\xc3\xa9\xf0\x9f\x98\x80@\n\"}", "", "a control character in a string"},
        {"{\"a\": \"\\@x\"}", "", "not an escape sequence"},
        {"{\"a\": \"\\u00@g0\"}", "", "four hexadecimal digits are expected after \\u"},
        {"{\"a\": \"b@", "", "the text ends inside a string"},
        {"{\"a\": 1 @/* c */}", "", "\",\" or \"}\" is expected"},
    };

    (void)state;
    REFUSE_ALL(oci_resources_table, list);
    refuse(&oci_resources_table, "{}\n @{}", 6, "", "text after the document");
    refuse(&oci_resources_table, "{\"a\": @\0}", 9, "", "a value is expected");
    refuse(&oci_resources_table, "{\"a\": \"@\0\"}", 11, "", "a control character in a string");
    accept(&oci_resources_table, " \r\n\t{\n}\n ");
}

static void test_text(void **state)
{
    static const struct refused list[] = {
        {P("\"env\": [@\"A=\\u0000\"]"), "env[0]", "the string has a NUL character"},
        {P("\"args\": [\"a\",\n @\"\xff\"]"), "args[1]", "the string is not valid UTF-8"},
        {P("\"args\": [@\"\xc0\x80\"]"), "args[0]", "the string is not valid UTF-8"},
        {P("\"args\": [@\"\xed\xa0\x80\"]"), "args[0]", "the string is not valid UTF-8"},
        {P("\"args\": [@\"\xf4\x90\x80\x80\"]"), "args[0]", "the string is not valid UTF-8"},
        {P("\"args\": [@\"1234567\xc3\"]"), "args[0]", "the string is not valid UTF-8"},
        {P("\"args\": [@\"\\ud800\"]"), "args[0]", "the string has half of a surrogate pair"},
        {P("\"args\": [@\"\\udc00\"]"), "args[0]", "the string has half of a surrogate pair"},
        {P("\"args\": [@\"\\ud800\\u0041\"]"), "args[0]",
         "the string has half of a surrogate pair"},
        {P("\"x\": {\"y\": [1, @\"\xff\"]}"), "x.y[1]", "the string is not valid UTF-8"},
        {P("\"x\": {\"y\": [1, @\"\\u0000\"]}"), "x.y[1]", "the string has a NUL character"},
        {P("\"x\": {\"y\": [1, {@\"\xff\": 1}]}"), "x.y[1]", "the member name is not valid UTF-8"},
        {P("\"x\": {@\"\\u0000\": 1}"), "x", "the member name has a NUL character"},
    };

    (void)state;
    REFUSE_ALL(oci_process_table, list);
    accept(&oci_process_table,
           P("\"args\": [\"\\\\ud800\", \"\\ud83d\\ude00\", \"\xf0\x9f\x98\x80\"]"));
}

static void test_duplicates(void **state)
{
    static const struct refused list[] = {
        {HEAD " @\"root\": {}}", "root", "member appears twice"},
        {HEAD " @\"ro\\u006ft\": {}}", "root", "member appears twice"},
        {HEAD " \"x\": 1,\n @\"x\": 2}", "x", "member appears twice"},
        {HEAD " \"x\": [{\"y\": {\"z\": 1, \"a\": {\"z\": 2}, @\"z\": 2}}]}", "x[0].y.z",
         "member appears twice"},
        {HEAD " \"annotations\": {\"a.b\": \"1\",\n  @\"a.b\": \"2\"}}", "annotations[\"a.b\"]",
         "member appears twice"},
        {HEAD " \"annotations\": {\"a\\n\": \"1\",\n  @\"a\\u000a\": \"2\"}}",
         "annotations[\"a\n\"]", "member appears twice"},
        {LINUX("\"netDevices\": {\"e\": {},\n @\"e\": {}}"), "linux.netDevices.e",
         "member appears twice"},
    };
    char many[8192] = "{", text[8300];
    size_t used = 1;

    (void)state;
    REFUSE_ALL(oci_config_table, list);
    accept(&oci_config_table, HEAD " \"x\": {\"y\": {\"x\": {\"y\": 1}}, \"z\": {\"x\": 1}}}");
    for (int i = 0; i < 500; i++)
        used += (size_t)snprintf(many + used, sizeof(many) - used, "\"k%d\": 0, ", i);
    snprintf(text, sizeof(text), "%s\"z\": 0}", many);
    accept(&oci_resources_table, text);
    snprintf(text, sizeof(text), "%s@\"k77\": 0}", many);
    refuse(&oci_resources_table, text, strlen(text), "k77", "member appears twice");
}

static void test_depth(void **state)
{
    char text[300] = "{\"a\":";

    (void)state;
    memset(text + 5, '[', 63);
    memset(text + 5 + 63, ']', 63);
    snprintf(text + 5 + 126, 2, "}");
    accept(&oci_resources_table, text);

    memset(text + 5, '[', 63);
    text[5 + 63] = '@';
    memset(text + 5 + 64, '[', 64);
    text[5 + 128] = '\0';
    {
        char path[256] = "a";

        for (int i = 0; i < 63; i++)
            snprintf(path + strlen(path), sizeof(path) - strlen(path), "[0]");
        refuse(&oci_resources_table, text, strlen(text), path, "nested more than 64 levels deep");
    }
}

static void test_missing(void **state)
{
    static const struct refused config[] = {
        {"\n @{}", "", "member \"ociVersion\" is missing"},
        {"@{\"ociVersion\": \"1.0.0\"}", "", "member \"root\" is missing"},
        {"@{\"ociVersion\": null}", "", "member \"ociVersion\" is missing"},
        {HEAD " \"process\":\n @{}}", "process", "member \"cwd\" is missing"},
        {HEAD " \"mounts\": [{\"destination\": \"/a\"},\n @{\"type\": \"t\"}]}", "mounts[1]",
         "member \"destination\" is missing"},
        {LINUX("\"resources\": {\"devices\": [@{}]}"), "linux.resources.devices[0]",
         "member \"allow\" is missing"},
        {LINUX("\"seccomp\": @{}"), "linux.seccomp", "member \"defaultAction\" is missing"},
        {LINUX("\"devices\": [@{\"path\": \"/a\"}]"), "linux.devices[0]",
         "member \"type\" is missing"},
        {LINUX("\"memoryPolicy\": @{}"), "linux.memoryPolicy", "member \"mode\" is missing"},
    };
    static const struct refused process[] = {
        {P("\"scheduler\": @{}"), "scheduler", "member \"policy\" is missing"},
        {P("\"ioPriority\": @{\"class\": \"IOPRIO_CLASS_RT\"}"), "ioPriority",
         "member \"priority\" is missing"},
        {P("\"consoleSize\": @{\"width\": 1}"), "consoleSize", "member \"height\" is missing"},
    };

    (void)state;
    REFUSE_ALL(oci_config_table, config);
    REFUSE_ALL(oci_process_table, process);
}

static void test_types(void **state)
{
    static const struct refused list[] = {
        {"@null", "", "an object is expected, found null"},
        {"@[]", "", "an object is expected, found an array"},
        {" @12", "", "an object is expected, found a number"},
        {" @\"a\\n\" ", "", "an object is expected, found a string"},
        {P("\"args\": [@null]"), "args[0]", "a string is expected, found null"},
        {P("\"args\": [\"a\", @7]"), "args[1]", "a string is expected, found a number"},
        {P("\"args\": @\"a\\\"\\\\\""), "args", "an array is expected, found a string"},
        {P("\"terminal\": @\"true\""), "terminal", "a boolean is expected, found a string"},
        {P("\"rlimits\": [@[]]"), "rlimits[0]", "an object is expected, found an array"},
        {P("\"user\": {\"additionalGids\": [0, @\"1\"]}"), "user.additionalGids[1]",
         "a number is expected, found a string"},
        {P("\"user\": {\"uid\": @-1}"), "user.uid", "-1 is out of range (0 to 4294967294)"},
    };

    (void)state;
    REFUSE_ALL(oci_process_table, list);
    refuse(&oci_config_table, HEAD "\"annotations\": {\"a\": @1}}",
           strlen(HEAD "\"annotations\": {\"a\": @1}}"), "annotations.a",
           "a string is expected, found a number");
}

static void test_numbers(void **state)
{
    static const struct refused process[] = {
        {P("\"oomScoreAdj\": @-1001"), "oomScoreAdj", "-1001 is out of range (-1000 to 1000)"},
        {P("\"oomScoreAdj\": @1001"), "oomScoreAdj", "1001 is out of range (-1000 to 1000)"},
        {P("\"oomScoreAdj\": @1.0"), "oomScoreAdj", "1.0 is not an integer"},
        {P("\"oomScoreAdj\": @1e3"), "oomScoreAdj", "1e3 is not an integer"},
        {P("\"user\": {\"umask\": @512}"), "user.umask", "512 is out of range (0 to 511)"},
        {P("\"user\": {\"gid\": @4294967296}"), "user.gid",
         "4294967296 is out of range (0 to 4294967294)"},
        {P("\"user\": {\"uid\": @4294967295}"), "user.uid",
         "4294967295 is out of range (0 to 4294967294)"},
        {P("\"user\": {\"additionalGids\": [@4294967296]}"), "user.additionalGids[0]",
         "4294967296 is out of range (0 to 4294967295)"},
        {P("\"ioPriority\": {\"class\": \"IOPRIO_CLASS_RT\", \"priority\": @8}"),
         "ioPriority.priority", "8 is out of range (0 to 7)"},
        {P("\"scheduler\": {\"policy\": \"SCHED_RR\", \"nice\": @2147483648}"), "scheduler.nice",
         "2147483648 is out of range (-2147483648 to 2147483647)"},
        {P("\"scheduler\": {\"policy\": \"SCHED_RR\", \"period\": @18446744073709551616}"),
         "scheduler.period", "18446744073709551616 is out of range (0 to 18446744073709551615)"},
        {P("\"scheduler\": {\"policy\": \"SCHED_RR\", \"period\": @99999999999999999999999999}"),
         "scheduler.period",
         "99999999999999999999999999 is out of range (0 to 18446744073709551615)"},
    };
    static const struct refused resources[] = {
        {"{\"memory\": {\"limit\": @9223372036854775808}}", "memory.limit",
         "9223372036854775808 is out of range (-9223372036854775808 to 9223372036854775807)"},
        {"{\"memory\": {\"limit\": @-9223372036854775809}}", "memory.limit",
         "-9223372036854775809 is out of range (-9223372036854775808 to 9223372036854775807)"},
        {"{\"memory\": {\"swappiness\": @101}}", "memory.swappiness",
         "101 is out of range (0 to 100)"},
        {"{\"memory\": {\"swappiness\": @18446744073709551614}}", "memory.swappiness",
         "18446744073709551614 is out of range (0 to 100)"},
        {"{\"cpu\": {\"idle\": @2}}", "cpu.idle", "2 is out of range (0 to 1)"},
        {"{\"cpu\": {\"shares\": @-1}}", "cpu.shares",
         "-1 is out of range (0 to 18446744073709551615)"},
        {"{\"blockIO\": {\"weight\": @65536}}", "blockIO.weight",
         "65536 is out of range (0 to 65535)"},
    };
    static const struct refused config[] = {
        {HEAD "\"hooks\": {\"poststop\": [{\"path\": \"/a\", \"timeout\": @0}]}}",
         "hooks.poststop[0].timeout", "0 is out of range (1 to 9223372036854775807)"},
        {LINUX("\"uidMappings\": [{\"containerID\": 0, \"hostID\": 0, \"size\": @0}]"),
         "linux.uidMappings[0].size", "0 is out of range (1 to 4294967295)"},
        {LINUX("\"seccomp\": {\"defaultAction\": \"SCMP_ACT_LOG\", \"syscalls\": [{\"names\":"
               " [\"a\"], \"action\": \"SCMP_ACT_LOG\", \"args\": [{\"index\": @6}]}]}"),
         "linux.seccomp.syscalls[0].args[0].index", "6 is out of range (0 to 5)"},
    };

    (void)state;
    REFUSE_ALL(oci_process_table, process);
    REFUSE_ALL(oci_resources_table, resources);
    REFUSE_ALL(oci_config_table, config);
    accept(&oci_resources_table, "{\"memory\": {\"limit\": -9223372036854775808, \"swap\": -0}}");
    accept(&oci_process_table, P("\"user\": {\"uid\": 4294967294, \"umask\": 0}"));
}

static void test_names(void **state)
{
    static const struct refused list[] = {
        {LINUX("\"namespaces\": [{\"type\": \"pid\"},\n {\"type\": @\"netwrok\"}]"),
         "linux.namespaces[1].type",
         "\"netwrok\" is not a namespace type (did you mean \"network\"?)"},
        {LINUX("\"namespaces\": [{\"type\": @\"x\\u0007\"}]"), "linux.namespaces[0].type",
         "\"x\\x07\" is not a namespace type (allowed: pid, network, mount, ipc, uts, user, "
         "cgroup, time)"},
        {LINUX("\"rootfsPropagation\": @\"\""), "linux.rootfsPropagation",
         "\"\" is not a propagation (allowed: private, rprivate, shared, rshared, slave, rslave, "
         "unbindable, runbindable)"},
        {LINUX("\"seccomp\": {\"defaultAction\": @\"SCMP_ACT_KILLER\"}"),
         "linux.seccomp.defaultAction",
         "\"SCMP_ACT_KILLER\" is not a seccomp action (did you mean \"SCMP_ACT_KILL\"?)"},
        {LINUX("\"seccomp\": {\"defaultAction\": \"SCMP_ACT_KILL\", \"architectures\":"
               " [\"SCMP_ARCH_X86\", @\"VAX\"]}"),
         "linux.seccomp.architectures[1]", "\"VAX\" is not a seccomp architecture"},
        {LINUX("\"seccomp\": {\"defaultAction\": \"SCMP_ACT_KILL\", \"flags\": [@\"F\"]}"),
         "linux.seccomp.flags[0]",
         "\"F\" is not a seccomp flag (allowed: SECCOMP_FILTER_FLAG_TSYNC, "
         "SECCOMP_FILTER_FLAG_LOG, SECCOMP_FILTER_FLAG_SPEC_ALLOW, "
         "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)"},
        {LINUX("\"timeOffsets\": {\"monotonic\": {},\n @\"realtime\": {}}"),
         "linux.timeOffsets.realtime",
         "\"realtime\" is not a member of linux.timeOffsets (allowed: monotonic, boottime)"},
        {LINUX("\"timeOffsets\": {@\"bootime\": {}}"), "linux.timeOffsets.bootime",
         "\"bootime\" is not a member of linux.timeOffsets (did you mean \"boottime\"?)"},
        {LINUX("\"devices\": [{\"path\": \"/a\", \"type\": @\"x\"}]"), "linux.devices[0].type",
         "\"x\" is not a device type (allowed: c, b, u, p)"},
        {LINUX("\"resources\": {\"devices\": [{\"allow\": true, \"access\": @\"rx\"}]}"),
         "linux.resources.devices[0].access", "\"rx\" is not a device access (letters of \"rwm\")"},
        {LINUX("\"resources\": {\"devices\": [{\"allow\": true, \"access\": @\"\"}]}"),
         "linux.resources.devices[0].access", "\"\" is not a device access (letters of \"rwm\")"},
        {HEAD "\"process\": {\"ioPriority\": {\"class\": @\"X\"}}}", "process.ioPriority.class",
         "\"X\" is not an I/O priority class (allowed: IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, "
         "IOPRIO_CLASS_IDLE)"},
        {HEAD "\"process\": {\"rlimits\": [{\"type\": @\"RLIMIT_TEST\"}]}}",
         "process.rlimits[0].type",
         "\"RLIMIT_TEST\" is not a resource limit (did you mean \"RLIMIT_RSS\"?)"},
    };

    (void)state;
    REFUSE_ALL(oci_config_table, list);
}

static void test_strings(void **state)
{
    static const struct refused config[] = {
        {"{\"ociVersion\": @\"1.0\"}", "ociVersion", "\"1.0\" is not a version (SemVer 2.0.0)"},
        {"{\"ociVersion\": @\"\"}", "ociVersion", "\"\" is not a version (SemVer 2.0.0)"},
        {"{\"ociVersion\": @\"01.0.0\"}", "ociVersion",
         "\"01.0.0\" is not a version (SemVer 2.0.0)"},
        {"{\"ociVersion\": @\"1.0.0-\"}", "ociVersion",
         "\"1.0.0-\" is not a version (SemVer 2.0.0)"},
        {"{\"ociVersion\": @\"1.0.0-01\"}", "ociVersion",
         "\"1.0.0-01\" is not a version (SemVer 2.0.0)"},
        {"{\"ociVersion\": @\"1.0.0+a_b\"}", "ociVersion",
         "\"1.0.0+a_b\" is not a version (SemVer 2.0.0)"},
        {"{\"ociVersion\": @\"2.0.0\"}", "ociVersion",
         "version \"2.0.0\" is not supported (1.x is)"},
        {HEAD "\"mounts\": [{\"destination\": @\"\"}]}", "mounts[0].destination",
         "the string must not be empty"},
        {HEAD "\"hooks\": {\"prestart\": [{\"path\": @\"a\"}]}}", "hooks.prestart[0].path",
         "\"a\" is not an absolute path"},
        {HEAD "\"annotations\": {@\"\": \"x\"}}", "annotations[\"\"]",
         "the member name must not be empty"},
        {LINUX("\"namespaces\": [{\"type\": \"pid\", \"path\": @\"a\"}]"),
         "linux.namespaces[0].path", "\"a\" is not an absolute path"},
        {LINUX("\"namespaces\": [{\"type\": \"pid\"},\n {\"path\": \"/a\", \"type\": @\"pid\"}]"),
         "linux.namespaces[1].type", "\"pid\" appears twice"},
        {LINUX("\"maskedPaths\": [\"/a\", @\"b\"]"), "linux.maskedPaths[1]",
         "\"b\" is not an absolute path"},
        {LINUX("\"readonlyPaths\": [@\"\"]"), "linux.readonlyPaths[0]",
         "\"\" is not an absolute path"},
        {LINUX("\"seccomp\": {\"syscalls\": [{\"names\": @[]}]}"),
         "linux.seccomp.syscalls[0].names", "the array must not be empty"},
        {LINUX("\"intelRdt\": {\"memBwSchema\": @\"L3:1\"}"), "linux.intelRdt.memBwSchema",
         "\"L3:1\" does not begin with \"MB:\""},
        {LINUX("\"intelRdt\": {\"memBwSchema\": @\"MB:1\\n\"}"), "linux.intelRdt.memBwSchema",
         "\"MB:1\\x0a\" must not have a line feed"},
        {LINUX("\"intelRdt\": {\"schemata\": [@\"a\\nb\"]}"), "linux.intelRdt.schemata[0]",
         "\"a\\x0ab\" must not have a line feed"},
        {LINUX("\"personality\": {\"domain\": \"LINUX\", \"flags\": [@\"A\"]}"),
         "linux.personality.flags[0]", "the array must be empty, no value is defined"},
    };
    static const struct refused process[] = {
        {P("\"args\": @[]"), "args", "the array must not be empty"},
        {P("\"env\": [\"A=\", @\"B\"]"), "env[1]", "\"B\" is not of the form NAME=VALUE"},
        {P("\"env\": [@\"=B\"]"), "env[0]", "\"=B\" is not of the form NAME=VALUE"},
        {"{\"cwd\": @\"a/b\"}", "cwd", "\"a/b\" is not an absolute path"},
        {"{\"cwd\": @\"\"}", "cwd", "\"\" is not an absolute path"},
        {P("\"rlimits\": [{\"type\": \"RLIMIT_CPU\", \"hard\": 1, \"soft\": 1},\n"
           " {\"type\": @\"RLIMIT_CPU\", \"hard\": 1, \"soft\": 1}]"),
         "rlimits[1].type", "\"RLIMIT_CPU\" appears twice"},
    };
    static const char *const versions[] = {"1.0.0",     "1.99.0",    "1.0.2-dev",
                                           "1.0.0-rc5", "1.3.0+dev", "1.0.0-a.1.x-y+01.b"};
    char text[200];

    (void)state;
    REFUSE_ALL(oci_config_table, config);
    REFUSE_ALL(oci_process_table, process);
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        snprintf(text, sizeof(text), "{\"ociVersion\": \"%s\", \"root\": {\"path\": \"r\"}}",
                 versions[i]);
        accept(&oci_config_table, text);
    }
}

/* Long texts are cut in messages and paths, at the border of a character. */
static void test_long(void **state)
{
    char text[2000] = "{\"cwd\": @\"", name[400];
    char message[200] = "\"";

    (void)state;
    for (int i = 0; i < 300; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "é");
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "\"}");
    for (int i = 0; i < 43; i++)
        snprintf(message + strlen(message), sizeof(message) - strlen(message), "é");
    snprintf(message + strlen(message), sizeof(message) - strlen(message),
             "…\" is not an absolute path");
    refuse(&oci_process_table, text, strlen(text), "cwd", message);

    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    snprintf(text, sizeof(text), "{\"unified\": {\"%s\": @1}}", name);
    memcpy(name, "unified.", 8);
    name[255] = '\0';
    refuse(&oci_resources_table, text, strlen(text), name, "a string is expected, found a number");
}

static void test_warnings(void **state)
{
    (void)state;
    warnings_n = 0;
    accept(&oci_process_table,
           P("\"capabilities\": {\"bounding\": [\"CAP_KILL\",\n \"CAP_SYSADMIN\"]}"));
    assert_int_equal(warnings_n, 1);
    assert_string_equal(warning.path, "capabilities.bounding[1]");
    assert_string_equal(warning.message,
                        "\"CAP_SYSADMIN\" is not a capability (did you mean \"CAP_SYS_ADMIN\"?)");
    assert_int_equal(warning.line, 3);
    assert_int_equal(warning.column, 2);
}

static void check_locate(const char *path, const char *expected)
{
    static const char text[] = "\n{\"a\": {\"b\": [1,\n  {\"c\": 2}], \"d\": []},\n"
                               " \"n.v\": {\"x.y\": 3, \"x\": {\"y\": 4}}, \"a.b\": 5}";
    unsigned line = 0, column = 0;
    char place[32];

    assert_int_equal(oci_locate(text, sizeof(text) - 1, path, &line, &column), 0);
    snprintf(place, sizeof(place), "%u:%u", line, column);
    assert_string_equal(place, expected);
}

static void test_locate(void **state)
{
    unsigned line, column;

    (void)state;
    check_locate("", "2:1");
    check_locate("a", "2:7");
    check_locate("a.b[0]", "2:14");
    check_locate("a.b[1].c", "3:9");
    check_locate("a.b[2]", "2:13");
    check_locate("a.b[1].x.y", "3:3");
    check_locate("a.d[0]", "3:19");
    check_locate("z", "2:1");
    check_locate("n.v.x.y", "4:31");
    check_locate("n.v[\"x.y\"]", "4:17");
    check_locate("n.v.x.y.z", "4:31");
    check_locate("[\"n.v\"][x.y]", "4:17");
    check_locate("n.v[\"x\"].y", "4:31");
    check_locate("[\"a.b\"]", "4:43");
    assert_int_equal(oci_locate(" ", 1, "a", &line, &column), -1);
    assert_int_equal(oci_locate("{\"a\":", 5, "a.b", &line, &column), 0);
}

static void test_format(void **state)
{
    struct oci_diag diag = {41, 17, "linux.x", "is wrong"};
    char text[100], small[10];

    (void)state;
    oci_diag_format(&diag, "config.json", text, sizeof(text));
    assert_string_equal(text, "config.json:41:17: linux.x: is wrong");
    oci_diag_format(&diag, NULL, text, sizeof(text));
    assert_string_equal(text, "linux.x: is wrong");
    oci_diag_format(&diag, "config.json", small, sizeof(small));
    assert_string_equal(small, "config.js");
    diag.line = 0;
    diag.path[0] = '\0';
    oci_diag_format(&diag, "f", text, sizeof(text));
    assert_string_equal(text, "f: is wrong");
}

static void test_arena(void **state)
{
    struct oci_arena *arena = oci_arena_new();
    char *big;

    (void)state;
    for (size_t size = 0; size < 40000; size += 997) {
        unsigned char *bytes = oci_alloc(arena, size);

        assert_non_null(bytes);
        assert_int_equal((uintptr_t)bytes % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(bytes[i], 0);
        memset(bytes, 0xff, size);
    }
    assert_null(oci_alloc(arena, SIZE_MAX - 3));
    assert_string_equal(oci_printf(arena, "%d-%s", 7, "x"), "7-x");
    big = oci_strndup(arena, "abcdef", 3);
    assert_string_equal(big, "abc");
    oci_arena_free(arena);
    oci_arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syntax),     cmocka_unit_test(test_text),
        cmocka_unit_test(test_duplicates), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_missing),    cmocka_unit_test(test_types),
        cmocka_unit_test(test_numbers),    cmocka_unit_test(test_names),
        cmocka_unit_test(test_strings),    cmocka_unit_test(test_long),
        cmocka_unit_test(test_warnings),   cmocka_unit_test(test_locate),
        cmocka_unit_test(test_format),     cmocka_unit_test(test_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
