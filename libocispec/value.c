/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Scalars of a document become members of a struct: checked against the row, converted, stored by
 * offset. The walker has already seen to it that the JSON type is the one that the row wants.
 * Members are written with memcpy(), because a table cannot tell the compiler their types.
 */
#include "decode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static char *at(void *object, size_t offset)
{
    return (char *)object + offset;
}

/* ---- text ---------------------------------------------------------------------------------------
 */

static unsigned hex4(const char *text)
{
    unsigned value = 0;

    for (int i = 0; i < 4; i++) {
        char c = text[i];

        value = value << 4 | (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* Whether each \uD8xx in a string as written is followed by its other half. */
static bool surrogates_paired(const char *text, size_t len)
{
    bool first = false; /* the first half was just read */

    for (size_t i = 0; i < len; i++) {
        unsigned code = 0;

        if (text[i] == '\\' && ++i < len && text[i] == 'u' && len - i > 4) {
            code = hex4(text + i + 1);
            i += 4;
        }
        if (first != (code >= 0xdc00 && code <= 0xdfff))
            return false;
        first = code >= 0xd800 && code <= 0xdbff;
    }
    return !first;
}

int value_check_text(struct decoder *d, const struct json_event *event)
{
    const char *what = event->type == JSON_KEY ? "the member name" : "the string";

    if (event->escaped &&
        !surrogates_paired(d->text + event->start + 1, event->end - event->start - 2))
        return decode_fail(d, event->start, "%s has half of a surrogate pair", what);
    if (!oci_is_utf8(event->text, event->len))
        return decode_fail(d, event->start, "%s is not valid UTF-8", what);
    /* Only an escape can bring one in: as it is, the parser refuses it. */
    if (event->escaped && memchr(event->text, '\0', event->len))
        return decode_fail(d, event->start, "%s has a NUL character", what);
    return 0;
}

char *value_string(struct decoder *d, const char *text, size_t len)
{
    char *copy = oci_strndup(d->arena, text, len);

    if (!copy)
        decode_oom(d);
    return copy;
}

static const char *digits(const char *s)
{
    return s + strspn(s, "0123456789");
}

/* Dot-separated identifiers up to one of @ends; numbers without leading zeros if @strict. */
static const char *identifiers(const char *s, const char *ends, bool strict)
{
    for (;;) {
        const char *end = s + strspn(s, "0123456789abcdefghijklmnopqrstuvwxyz"
                                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");

        if (end == s || (strict && s[0] == '0' && end - s > 1 && digits(s) == end))
            return NULL;
        if (*end != '.')
            return strchr(ends, *end) ? end : NULL;
        s = end + 1;
    }
}

/* semver.org, 2.0.0: MAJOR.MINOR.PATCH[-PRERELEASE][+BUILD] */
static bool is_semver(const char *s)
{
    for (int i = 0; i < 3; i++) {
        const char *end = digits(s);

        if (end == s || (s[0] == '0' && end - s > 1) || (i < 2 && *end != '.'))
            return false;
        s = i < 2 ? end + 1 : end;
    }
    if (*s == '-')
        s = identifiers(s + 1, "+", true);
    if (s && *s == '+')
        s = identifiers(s + 1, "", false);
    return s && *s == '\0';
}

static bool lacks_value(const char *text)
{
    const char *equals = strchr(text, '=');

    return !equals || equals == text;
}

/* The checks of a row's flags; for arrays of strings, of each element. */
static int check_string(struct decoder *d, const struct oci_row *row, const char *text,
                        size_t offset)
{
    bool whole = row->kind == OCI_KIND_STRING;
    char quoted[QUOTE_SIZE];

    if (whole && (row->flags & OCI_NOT_EMPTY) && !text[0])
        return decode_fail(d, offset, "the string must not be empty");
    if ((row->flags & (whole ? OCI_ABSOLUTE : OCI_ABSOLUTE_EACH)) && text[0] != '/')
        return decode_fail(d, offset, "%s is not an absolute path", decode_quote(quoted, text));
    if ((row->flags & OCI_ENV_ENTRY) && lacks_value(text))
        return decode_fail(d, offset, "%s is not of the form NAME=VALUE",
                           decode_quote(quoted, text));
    if ((row->flags & OCI_NO_NEWLINE) && strchr(text, '\n'))
        return decode_fail(d, offset, "%s must not have a line feed", decode_quote(quoted, text));
    if (row->prefix && strncmp(text, row->prefix, strlen(row->prefix)) != 0)
        return decode_fail(d, offset, "%s does not begin with \"%s\"", decode_quote(quoted, text),
                           row->prefix);
    if (row->flags & OCI_SEMVER) {
        if (!is_semver(text))
            return decode_fail(d, offset, "%s is not a version (SemVer 2.0.0)",
                               decode_quote(quoted, text));
        if (strncmp(text, "1.", 2) != 0)
            return decode_fail(d, offset, "version %s is not supported (1.x is)",
                               decode_quote(quoted, text));
    }
    return 0;
}

static char *checked_string(struct decoder *d, const struct oci_row *row,
                            const struct json_event *event)
{
    char *text = value_string(d, event->text, event->len);

    if (text && check_string(d, row, text, event->start) < 0)
        return NULL;
    return text;
}

/* The value of a name, or -1 with @message telling what is wrong. */
static int name_to_value(struct decoder *d, const struct oci_names *names,
                         const struct json_event *event, bool warn)
{
    char message[400];
    char *name;

    for (const struct oci_name *n = names->list; n->name; n++)
        if (strncmp(n->name, event->text, event->len) == 0 && !n->name[event->len])
            return n->value;

    name = value_string(d, event->text, event->len);
    if (!name)
        return -1;
    decode_not_a_name(message, sizeof(message), names, name);
    if (warn)
        decode_warn(d, event->start, "%s", message);
    else
        decode_fail(d, event->start, "%s", message);
    return -1;
}

/* The letters of "rwm" as bits. */
static int access_to_bits(struct decoder *d, const struct json_event *event, uint32_t *bits)
{
    static const char letters[] = "rwm";

    *bits = 0;
    for (size_t i = 0; i < event->len; i++) {
        const char *letter = memchr(letters, event->text[i], strlen(letters));

        if (!letter)
            *bits = 0;
        if (!letter)
            break;
        *bits |= 1u << (letter - letters);
    }
    if (!*bits) {
        char quoted[QUOTE_SIZE];
        char *text = value_string(d, event->text, event->len);

        if (!text)
            return -1;
        return decode_fail(d, event->start, "%s is not a device access (letters of \"rwm\")",
                           decode_quote(quoted, text));
    }
    return 0;
}

/* ---- numbers
 * -------------------------------------------------------------------------------------- */

static void number_range(const struct oci_row *row, int64_t *min, uint64_t *max)
{
    *min = row->min;
    *max = row->max;
    if (row->min || row->max)
        return;
    switch (row->kind) {
    case OCI_KIND_I32:
        *min = INT32_MIN;
        *max = INT32_MAX;
        break;
    case OCI_KIND_U32:
    case OCI_KIND_U32S:
        *max = UINT32_MAX;
        break;
    case OCI_KIND_I64:
    case OCI_KIND_OPT_I64:
        *min = INT64_MIN;
        *max = INT64_MAX;
        break;
    default:
        *max = UINT64_MAX;
    }
}

/* The number in two's complement: of an int64_t or a uint64_t, whichever the row wants. */
static int number_value(struct decoder *d, const struct oci_row *row,
                        const struct json_event *event, uint64_t *value)
{
    bool negative = event->text[0] == '-', in_range = true;
    uint64_t magnitude = 0, max;
    int64_t min;

    for (size_t i = negative; i < event->len; i++) {
        unsigned digit = (unsigned)(event->text[i] - '0');

        if (digit > 9)
            return decode_fail(d, event->start, "%.*s is not an integer",
                               (int)(event->len < 64 ? event->len : 64), event->text);
        if (__builtin_mul_overflow(magnitude, 10, &magnitude) ||
            __builtin_add_overflow(magnitude, digit, &magnitude))
            in_range = false;
    }
    number_range(row, &min, &max);
    if (negative && magnitude > 0)
        in_range = in_range && min < 0 && magnitude <= -(uint64_t)min;
    else
        in_range = in_range && magnitude <= max && (min <= 0 || magnitude >= (uint64_t)min);
    if (!in_range)
        return decode_fail(d, event->start, "%.*s is out of range (%" PRId64 " to %" PRIu64 ")",
                           (int)(event->len < 64 ? event->len : 64), event->text, min, max);
    *value = negative ? -magnitude : magnitude;
    return 0;
}

static void store_number(const struct oci_row *row, void *object, uint64_t value)
{
    struct oci_opt_i64 opt_i64 = {.set = true, .value = (int64_t)value};
    struct oci_opt_u64 opt_u64 = {.set = true, .value = value};
    uint32_t value32 = (uint32_t)value;

    switch (row->kind) {
    case OCI_KIND_I32:
    case OCI_KIND_U32:
        memcpy(at(object, row->offset), &value32, sizeof(value32));
        break;
    case OCI_KIND_I64:
    case OCI_KIND_U64:
        memcpy(at(object, row->offset), &value, sizeof(value));
        break;
    case OCI_KIND_OPT_I64:
        memcpy(at(object, row->offset), &opt_i64, sizeof(opt_i64));
        break;
    default:
        memcpy(at(object, row->offset), &opt_u64, sizeof(opt_u64));
    }
}

#define UINT64_MAX_TEXT "18446744073709551615"

/* ---- members, elements
 * ------------------------------------------------------------------------------ */

static int store_string(struct decoder *d, const struct oci_row *row, void *object,
                        const struct json_event *event)
{
    uint32_t bits;
    char *text;
    int value;

    switch (row->kind) {
    case OCI_KIND_ENUM:
        value = name_to_value(d, row->names, event, false);
        if (value < 0)
            return -1;
        memcpy(at(object, row->offset), &value, sizeof(value));
        return 0;
    case OCI_KIND_ACCESS:
        if (access_to_bits(d, event, &bits) < 0)
            return -1;
        memcpy(at(object, row->offset), &bits, sizeof(bits));
        return 0;
    default:
        text = checked_string(d, row, event);
        if (!text)
            return -1;
        memcpy(at(object, row->offset), &text, sizeof(text));
        return 0;
    }
}

int value_store(struct decoder *d, const struct oci_row *row, void *object,
                const struct json_event *event)
{
    struct oci_opt_bool opt_bool = {.set = true, .value = event->boolean};
    uint64_t number;

    switch (event->type) {
    case JSON_BOOL:
        if (row->kind == OCI_KIND_BOOL)
            memcpy(at(object, row->offset), &event->boolean, sizeof(event->boolean));
        else
            memcpy(at(object, row->offset), &opt_bool, sizeof(opt_bool));
        return 0;
    case JSON_NUMBER:
        if ((row->flags & OCI_MAX_ABSENT) && event->len == strlen(UINT64_MAX_TEXT) &&
            memcmp(event->text, UINT64_MAX_TEXT, event->len) == 0)
            return 0;
        if (number_value(d, row, event, &number) < 0)
            return -1;
        store_number(row, object, number);
        return 0;
    default:
        return store_string(d, row, object, event);
    }
}

void *value_grow(struct decoder *d, struct frame *frame, size_t size)
{
    char *array, *slot = at(frame->object, frame->row->offset);
    size_t n;

    memcpy(&array, slot, sizeof(array));
    memcpy(&n, at(frame->object, frame->row->count_offset), sizeof(n));
    if (n + 1 >= frame->capacity) { /* one zero element always stays behind the last */
        size_t capacity = frame->capacity ? frame->capacity * 2 : 4;
        char *bigger = capacity > SIZE_MAX / size ? NULL : oci_alloc(d->arena, capacity * size);

        if (!bigger) {
            decode_oom(d);
            return NULL;
        }
        if (n)
            memcpy(bigger, array, n * size);
        array = bigger;
        memcpy(slot, &array, sizeof(array));
        frame->capacity = capacity;
    }
    return array + n * size;
}

static void count_up(struct frame *frame)
{
    char *slot = at(frame->object, frame->row->count_offset);
    size_t n;

    memcpy(&n, slot, sizeof(n));
    n++;
    memcpy(slot, &n, sizeof(n));
}

static int add_to_set(struct decoder *d, struct frame *frame, const struct json_event *event)
{
    bool warn = frame->row->flags & OCI_UNKNOWN_WARNS;
    int value = name_to_value(d, frame->row->names, event, warn);
    struct oci_set set;

    if (value < 0)
        return warn ? 0 : -1;
    memcpy(&set, at(frame->object, frame->row->offset), sizeof(set));
    set.bits |= UINT64_C(1) << value;
    memcpy(at(frame->object, frame->row->offset), &set, sizeof(set));
    return 0;
}

static int append_number(struct decoder *d, struct frame *frame, const struct json_event *event)
{
    uint64_t number = 0;
    uint32_t value;
    void *slot;
    int named;

    if (frame->row->kind == OCI_KIND_U32S) {
        if (number_value(d, frame->row, event, &number) < 0)
            return -1;
        value = (uint32_t)number;
    } else {
        named = name_to_value(d, frame->row->names, event, false);
        if (named < 0)
            return -1;
        value = (uint32_t)named;
    }
    slot = value_grow(d, frame, sizeof(value));
    if (!slot)
        return -1;
    memcpy(slot, &value, sizeof(value));
    count_up(frame);
    return 0;
}

int value_append(struct decoder *d, struct frame *frame, const struct json_event *event)
{
    char *text;
    void *slot;

    if (frame->row->flags & OCI_EMPTY)
        return decode_fail(d, event->start, "the array must be empty, no value is defined");
    if (frame->row->kind == OCI_KIND_SET)
        return add_to_set(d, frame, event);
    if (frame->row->kind != OCI_KIND_STRINGS)
        return append_number(d, frame, event);

    text = checked_string(d, frame->row, event);
    if (!text)
        return -1;
    slot = value_grow(d, frame, sizeof(text));
    if (!slot)
        return -1;
    memcpy(slot, &text, sizeof(text));
    count_up(frame);
    return 0;
}

int value_append_pair(struct decoder *d, struct frame *frame, const struct json_event *event)
{
    struct oci_pair pair;
    void *slot;

    pair.key = value_string(d, frame->name, frame->name_len);
    if (!pair.key)
        return -1;
    pair.value = value_string(d, event->text, event->len);
    if (!pair.value)
        return -1;
    slot = value_grow(d, frame, sizeof(pair));
    if (!slot)
        return -1;
    memcpy(slot, &pair, sizeof(pair));
    count_up(frame);
    return 0;
}
