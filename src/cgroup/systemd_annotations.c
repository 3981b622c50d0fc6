/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Annotations "org.systemd.property.NAME": "VALUE" are further properties of the unit. Values are
 * in GVariant's text notation, as runc and crun have it:
 *
 *     true            b                 'text', "text"      s
 *     7, -7           i                 uint64 7, byte 7, …  the type that is named
 *     1.5             d                 ['a', 'b']           as
 *     @as []          as                [('/dev/null', 'r')] a(ss)
 *
 * NAMESec is a convenience: seconds, which become NAMEUSec, microseconds as uint64, which is what
 * the manager has (TimeoutStopSec -> TimeoutStopUSec).
 */
#include "cgroup/systemd.h"

#include "base/util.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX 256
#define SECOND 1000000

struct parser {
    const char *text; /* what is left */
    struct oci_arena *arena;
    struct systemd_value values[VALUES_MAX];
    size_t n;
    struct err *err;
};

static const struct {
    const char *name;
    char type;
} types[] = {
    {"boolean", 'b'}, {"byte", 'y'},   {"int16", 'n'},      {"uint16", 'q'},
    {"int32", 'i'},   {"uint32", 'u'}, {"int64", 'x'},      {"uint64", 't'},
    {"double", 'd'},  {"string", 's'}, {"objectpath", 'o'}, {"signature", 'g'},
};

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void skip_blanks(struct parser *p)
{
    p->text += strspn(p->text, " \t\n");
}

static bool take(struct parser *p, char c)
{
    skip_blanks(p);
    if (*p->text != c)
        return false;
    p->text++;
    return true;
}

static int fail_at(struct parser *p)
{
    if (!*p->text)
        return err_set(p->err, 0, "ends too early");
    err_set(p->err, 0, "\"%.40s\" is not a value", p->text);
    return err_hint(p->err, "GVariant's notation: true, 7, uint64 7, 'text', ['a', 'b']");
}

static int add(struct parser *p, struct systemd_value value)
{
    if (p->n == VALUES_MAX)
        return err_set(p->err, 0, "has more than %d values", VALUES_MAX);
    p->values[p->n++] = value;
    return 0;
}

/* 'text' or "text", with backslash escapes. */
static int parse_string(struct parser *p, char type)
{
    char quote = *p->text++;
    char *out = oci_alloc(p->arena, strlen(p->text) + 1), *to = out;

    if (!out)
        return err_set(p->err, ENOMEM, "annotation");
    for (; *p->text && *p->text != quote; p->text++) {
        char c = *p->text;

        if (c == '\\' && p->text[1]) {
            c = *++p->text;
            c = (char)(c == 'n' ? '\n' : c == 't' ? '\t' : c);
        }
        *to++ = c;
    }
    if (*p->text != quote)
        return err_set(p->err, 0, "a string does not end");
    p->text++;
    return add(p, (struct systemd_value){.type = type ? type : 's', .v.s = out});
}

static int out_of_range(struct parser *p, const char *text, size_t len, char type)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (types[i].type == type)
            return err_set(p->err, 0, "%.*s is out of the range of %s", (int)len, text,
                           types[i].name);
    }
    return fail_at(p);
}

static int not_whole(struct parser *p, const char *text)
{
    p->text = text;
    return fail_at(p);
}

/* @end: where the conversion stopped */
static int add_number(struct parser *p, struct systemd_value v, const char *text, size_t len,
                      const char *end, bool fits)
{
    if (end != text + len)
        return not_whole(p, text);
    return fits ? add(p, v) : out_of_range(p, text, len, v.type);
}

static int add_unsigned(struct parser *p, const char *text, size_t len, char type, uint64_t max)
{
    struct systemd_value v = {.type = type};
    char *end;

    errno = 0;
    v.v.u = strtoull(text, &end, 0);
    return add_number(p, v, text, len, end, *text != '-' && !errno && v.v.u <= max);
}

static int add_signed(struct parser *p, const char *text, size_t len, char type, int64_t max)
{
    struct systemd_value v = {.type = type};
    char *end;

    errno = 0;
    v.v.i = strtoll(text, &end, 0);
    return add_number(p, v, text, len, end, !errno && v.v.i <= max && v.v.i >= -max - 1);
}

/* @type: as named before it, 0: int32, or double when it has a point. */
static int parse_number(struct parser *p, char type)
{
    const char *text = p->text;
    size_t digits = strspn(text, "+-") > 1 ? 0 : strspn(text, "+-"), len;

    len = digits + strspn(text + digits, "0123456789abcdefxABCDEFX.");
    if (text[digits] < '0' || text[digits] > '9' || is_word_byte(text[len]))
        return fail_at(p);
    p->text += len;
    if (type == 'd' || memchr(text, '.', len)) {
        struct systemd_value v = {.type = 'd'};
        char *end;

        v.v.d = strtod(text, &end);
        if ((type && type != 'd') || end != text + len)
            return not_whole(p, text);
        return add(p, v);
    }
    switch (type ? type : 'i') {
    case 'y':
        return add_unsigned(p, text, len, 'y', UINT8_MAX);
    case 'q':
        return add_unsigned(p, text, len, 'q', UINT16_MAX);
    case 'u':
        return add_unsigned(p, text, len, 'u', UINT32_MAX);
    case 't':
        return add_unsigned(p, text, len, 't', UINT64_MAX);
    case 'n':
        return add_signed(p, text, len, 'n', INT16_MAX);
    case 'i':
        return add_signed(p, text, len, 'i', INT32_MAX);
    case 'x':
        return add_signed(p, text, len, 'x', INT64_MAX);
    default:
        return not_whole(p, text);
    }
}

/* A basic value; @type: what it has to be, 0: what it looks like. */
static int parse_basic(struct parser *p, char type)
{
    size_t len;

    skip_blanks(p);
    if (*p->text == '\'' || *p->text == '"')
        return !type || strchr("sog", type) ? parse_string(p, type) : fail_at(p);
    len = 0;
    while (is_word_byte(p->text[len]))
        len++;
    for (int value = 0; value < 2; value++) {
        const char *word = value ? "true" : "false";

        if (len == strlen(word) && strncmp(p->text, word, len) == 0) {
            if (type && type != 'b')
                return fail_at(p);
            p->text += len;
            return add(p, (struct systemd_value){.type = 'b', .v.u = (uint64_t)value});
        }
    }
    for (size_t i = 0; !type && i < ARRAY_SIZE(types); i++) {
        if (len == strlen(types[i].name) && strncmp(p->text, types[i].name, len) == 0) {
            p->text += len;
            skip_blanks(p);
            return *p->text ? parse_basic(p, types[i].type) : fail_at(p);
        }
    }
    if (type == 'b' || (type && strchr("sog", type)))
        return fail_at(p);
    return parse_number(p, type);
}

/* The type is named before the first one only: [uint64 1, 2]. @type: of that one; 0: this is it.
 * Returns the type that what comes next has to be of, 0: what it looks like. */
static char type_of_next(struct parser *p, char type)
{
    const char *fits = "";

    skip_blanks(p);
    if (*p->text == '\'' || *p->text == '"')
        fits = "sog";
    else if (*p->text && strchr("+-0123456789", *p->text))
        fits = "ynqiuxtd";
    return type && strchr(fits, type) ? type : '\0';
}

/* "(a, b)", or one value. @like: the signature of the element before it, or "". Sets @signature to
 * what it is. */
static int parse_element(struct parser *p, const char *like, char *signature, size_t size)
{
    size_t first = p->n, len = 0;
    bool tuple = take(p, '(');

    if (tuple)
        signature[len++] = '(';
    do {
        if (parse_basic(p, type_of_next(p, len < strlen(like) ? like[len] : '\0')) < 0)
            return -1;
        if (len + 3 > size)
            return err_set(p->err, 0, "a tuple has too many members");
        signature[len++] = p->values[p->n - 1].type;
    } while (tuple && take(p, ','));
    if (tuple) {
        if (!take(p, ')'))
            return fail_at(p);
        signature[len++] = ')';
    }
    signature[len] = '\0';
    return p->n > first ? 0 : fail_at(p);
}

static int parse_array(struct parser *p, char *signature, size_t size)
{
    bool any = false;

    signature[0] = 'a';
    signature[1] = '\0';
    while (!take(p, ']')) {
        char one[16] = "";

        if (any && !take(p, ','))
            return fail_at(p);
        if (parse_element(p, signature + 1, one, sizeof one) < 0)
            return -1;
        if (any && strcmp(one, signature + 1) != 0)
            return err_set(p->err, 0, "the elements of an array are of one type");
        if (!any && strlen(one) + 2 > size)
            return fail_at(p);
        if (!any)
            memcpy(signature + 1, one, strlen(one) + 1);
        any = true;
    }
    if (!any) {
        err_set(p->err, 0, "an empty array has no type");
        return err_hint(p->err, "name it: @as []");
    }
    return 0;
}

/* "as", "a(st)" */
static bool is_array_type(const char *text)
{
    static const char basic[] = "bynqiuxtdsog";
    size_t n;

    if (text[0] != 'a')
        return false;
    if (text[1] != '(')
        return strspn(text + 1, basic) == 1 && !text[2];
    n = strspn(text + 2, basic);
    return n > 0 && strcmp(text + 2 + n, ")") == 0;
}

/* "@as []": the type, then a value that has to be of it; here only for what has no other way. */
static int parse_annotated(struct parser *p, char *signature, size_t size)
{
    size_t len = strcspn(p->text, " \t\n[");

    if (len >= size)
        return fail_at(p);
    memcpy(signature, p->text, len);
    signature[len] = '\0';
    if (!is_array_type(signature))
        return fail_at(p);
    p->text += len;
    if (!take(p, '[') || !take(p, ']'))
        return fail_at(p);
    return 0;
}

int systemd_parse_value(const char *text, struct oci_arena *arena, struct systemd_property *out,
                        struct err *err)
{
    struct parser p = {.text = text, .arena = arena, .err = err};
    char signature[24] = "";
    int failed;

    if (take(&p, '['))
        failed = parse_array(&p, signature, sizeof signature);
    else if (take(&p, '@'))
        failed = parse_annotated(&p, signature, sizeof signature);
    else
        failed = parse_element(&p, "", signature, sizeof signature);
    if (failed)
        return -1;
    skip_blanks(&p);
    if (*p.text)
        return fail_at(&p);
    if (signature[0] == '(')
        return err_set(err, 0, "no property is a tuple");
    out->signature = oci_strdup(arena, signature);
    out->values = oci_alloc(arena, (p.n + 1) * sizeof *out->values);
    if (!out->signature || !out->values)
        return err_set(err, ENOMEM, "annotation");
    memcpy(out->values, p.values, p.n * sizeof *out->values);
    out->values_n = p.n;
    return 0;
}

/* Seconds of any type of number to microseconds. */
static int to_microseconds(struct systemd_property *p, struct oci_arena *arena, struct err *err)
{
    struct systemd_value *v = p->values;
    size_t len = strlen(p->name);
    double seconds = 0;
    char *name;

    if (p->values_n == 1 && p->signature[0] == 'd')
        seconds = v->v.d;
    else if (p->values_n == 1 && strchr("nix", p->signature[0]))
        seconds = (double)v->v.i;
    else if (p->values_n == 1 && strchr("yqut", p->signature[0]))
        seconds = (double)v->v.u;
    else
        return err_set(err, 0, "is not a number of seconds");
    if (seconds < 0 || seconds > 9e12)
        return err_set(err, 0, "is out of range");
    /* Whole seconds without the detour. */
    v->v.u = p->signature[0] == 'd' ? (uint64_t)(seconds * SECOND) : v->v.u * SECOND;
    v->type = 't';
    p->signature = "t";
    name = oci_printf(arena, "%.*sUSec", (int)(len - 3), p->name);
    if (!name)
        return err_set(err, ENOMEM, "annotation");
    p->name = name;
    return 0;
}

static bool is_seconds(const char *name)
{
    size_t len = strlen(name);

    return len > 3 && strcmp(name + len - 3, "Sec") == 0 && name[len - 4] >= 'a' &&
           name[len - 4] <= 'z';
}

static int check_name(const char *name, struct err *err)
{
    static const char *const own[] = {"PIDs", "Slice", "Delegate"};
    size_t len = 0;

    while (is_word_byte(name[len]) && name[len] != '_')
        len++;
    if (len == 0 || name[len])
        return err_set(err, 0, "is not the name of a property");
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        if (strcmp(own[i], name) == 0)
            return err_set(err, 0, "is set by the runtime itself");
    }
    return 0;
}

int systemd_annotations(const struct oci_pair *list, size_t n, struct oci_arena *arena,
                        struct systemd_properties *out, struct err *err)
{
    size_t prefix = strlen(SYSTEMD_ANNOTATION);

    for (size_t i = 0; i < n; i++) {
        const char *name = list[i].key + prefix;
        struct systemd_property p = {.name = name, .required = true};

        if (strncmp(list[i].key, SYSTEMD_ANNOTATION, prefix) != 0)
            continue;
        p.member = oci_printf(arena, "annotations.%s", list[i].key);
        if (!p.member)
            return err_set(err, ENOMEM, "annotation");
        if (check_name(name, err) < 0 || systemd_parse_value(list[i].value, arena, &p, err) < 0 ||
            (is_seconds(name) && to_microseconds(&p, arena, err) < 0)) {
            err_context(err, "%s", p.member);
            return err_object(err, "%s", p.member);
        }
        if (systemd_add(out, arena, &p, err) < 0)
            return -1;
    }
    return 0;
}
