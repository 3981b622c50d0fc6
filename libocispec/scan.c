/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * A small strict reader of JSON that builds nothing: it tells where a text breaks off, and where
 * the value stands that a path names. Decoding does not need it; the place of an error is looked up
 * only when there is one.
 */
#include "scan.h"

#include "ocispec.h"

#include <stdint.h>
#include <string.h>

struct scan {
    const char *text;
    size_t len, at;
    const char *fault; /* what was expected at @at */
};

static bool fault(struct scan *s, const char *expected)
{
    s->fault = expected;
    return false;
}

static int peek(const struct scan *s)
{
    return s->at < s->len ? (unsigned char)s->text[s->at] : -1;
}

static void skip_space(struct scan *s)
{
    while (s->at < s->len && memchr(" \t\r\n", s->text[s->at], 4))
        s->at++;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(int c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool scan_escape(struct scan *s)
{
    s->at++;
    if (peek(s) < 0)
        return fault(s, "the text ends inside a string");
    if (!memchr("\"\\/bfnrtu", peek(s), 9))
        return fault(s, "not an escape sequence");
    if (s->text[s->at++] != 'u')
        return true;
    for (int i = 0; i < 4; i++, s->at++)
        if (!is_hex(peek(s)))
            return fault(s, "four hexadecimal digits are expected after \\u");
    return true;
}

static bool scan_string(struct scan *s)
{
    s->at++;
    for (;;) {
        int c = peek(s);

        if (c < 0)
            return fault(s, "the text ends inside a string");
        if (c < 0x20)
            return fault(s, "a control character in a string");
        if (c == '\\') {
            if (!scan_escape(s))
                return false;
            continue;
        }
        s->at++;
        if (c == '"')
            return true;
    }
}

static bool scan_digits(struct scan *s)
{
    if (!is_digit(peek(s)))
        return fault(s, "a digit is expected");
    while (is_digit(peek(s)))
        s->at++;
    return true;
}

static bool scan_number(struct scan *s)
{
    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0') {
        s->at++;
        if (is_digit(peek(s)))
            return fault(s, "a number has no leading zero");
    } else if (!scan_digits(s)) {
        return false;
    }
    if (peek(s) == '.') {
        s->at++;
        if (!scan_digits(s))
            return false;
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        return scan_digits(s);
    }
    return true;
}

static bool scan_word(struct scan *s, const char *word)
{
    size_t len = strlen(word);

    if (s->len - s->at < len || memcmp(s->text + s->at, word, len) != 0)
        return fault(s, "a value is expected");
    s->at += len;
    return true;
}

static bool scan_value(struct scan *s, unsigned depth);

/* Behind an element: ',' goes on, @close ends. */
static bool scan_next(struct scan *s, int close, bool *more)
{
    skip_space(s);
    *more = peek(s) == ',';
    if (!*more && peek(s) != close)
        return fault(s, close == '}' ? "\",\" or \"}\" is expected" : "\",\" or \"]\" is expected");
    s->at++;
    return true;
}

/* The name of a member with its colon; @name and @name_len exclude the quotes. */
static bool scan_name(struct scan *s, size_t *name, size_t *name_len)
{
    skip_space(s);
    if (peek(s) != '"')
        return fault(s, "a member name in double quotes is expected");
    *name = s->at + 1;
    if (!scan_string(s))
        return false;
    *name_len = s->at - 1 - *name;
    skip_space(s);
    if (peek(s) != ':')
        return fault(s, "\":\" is expected");
    s->at++;
    skip_space(s);
    return true;
}

static bool scan_object(struct scan *s, unsigned depth)
{
    bool more = true;
    size_t name, name_len;

    s->at++;
    skip_space(s);
    if (peek(s) == '}') {
        s->at++;
        return true;
    }
    while (more)
        if (!scan_name(s, &name, &name_len) || !scan_value(s, depth) || !scan_next(s, '}', &more))
            return false;
    return true;
}

static bool scan_array(struct scan *s, unsigned depth)
{
    bool more = true;

    s->at++;
    skip_space(s);
    if (peek(s) == ']') {
        s->at++;
        return true;
    }
    while (more)
        if (!scan_value(s, depth) || !scan_next(s, ']', &more))
            return false;
    return true;
}

static bool scan_value(struct scan *s, unsigned depth)
{
    skip_space(s);
    switch (peek(s)) {
    case '{':
    case '[':
        if (depth >= JSON_DEPTH_MAX)
            return fault(s, "nested too deeply");
        return peek(s) == '{' ? scan_object(s, depth + 1) : scan_array(s, depth + 1);
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    case -1:
        return fault(s, "the text ends where a value is expected");
    default:
        if (peek(s) == '-' || is_digit(peek(s)))
            return scan_number(s);
        return fault(s, "a value is expected");
    }
}

bool scan_fault(const char *text, size_t len, size_t *offset, const char **message)
{
    struct scan s = {.text = text, .len = len};

    if (scan_value(&s, 0)) {
        skip_space(&s);
        if (s.at == len)
            return false;
        fault(&s, "text after the document");
    }
    *offset = s.at;
    *message = s.fault;
    return true;
}

void scan_position(const char *text, size_t len, size_t offset, unsigned *line, unsigned *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < offset && i < len; i++) {
        if (text[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            ++*column;
        }
    }
}

size_t oci_utf8_length(const char *text, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)text;
    size_t size = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    uint32_t code;

    if (size == 1)
        return 1;
    if (size == 0 || size > len || s[0] > 0xf4)
        return 0;
    code = s[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return size;
}

bool oci_is_utf8(const char *text, size_t len)
{
    size_t i = 0;

    while (i < len) {
        uint64_t eight;
        size_t size;

        if (len - i >= sizeof(eight)) {
            memcpy(&eight, text + i, sizeof(eight));
            if (!(eight & UINT64_C(0x8080808080808080))) {
                i += sizeof(eight);
                continue;
            }
        }
        size = oci_utf8_length(text + i, len - i);
        if (!size)
            return false;
        i += size;
    }
    return true;
}

bool scan_is_plain(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_digit(name[i]) && !((name[i] | 0x20) >= 'a' && (name[i] | 0x20) <= 'z') &&
            name[i] != '_' && name[i] != '-')
            return false;
    return len > 0;
}

/* ---- from a path to a place
 * ------------------------------------------------------------------------ */

/*
 * How many bytes of @path name the member @name: "name", ".name", "[name]" or "[\"name\"]", with
 * the end of the path, '.' or '[' behind. Names may hold dots ("net.ipv4.ip_forward"). 0: none of
 * them.
 */
static size_t path_match(const char *path, const char *name, size_t len)
{
    size_t open = 0, close = 0;

    if (path[0] == '.')
        open = 1;
    else if (path[0] == '[')
        open = close = path[1] == '"' ? 2 : 1;
    if (strncmp(path + open, name, len) != 0)
        return 0;
    path += open + len;
    if (close && strncmp(path, close == 2 ? "\"]" : "]", close) != 0)
        return 0;
    return memchr(".[", path[close], 3) ? open + len + close : 0;
}

/* Goes to the value of the member whose name takes least of @path, because only names without a dot
 * stand in a path unquoted when it comes from the decoder. Returns what it takes, 0: none. */
static size_t enter_member(struct scan *s, const char *path, unsigned depth)
{
    size_t best = 0, place = s->at, name, name_len;
    bool more = true;

    s->at++;
    skip_space(s);
    if (peek(s) == '}')
        more = false;
    while (more) {
        size_t match;

        if (!scan_name(s, &name, &name_len))
            break;
        match = path_match(path, s->text + name, name_len);
        if (match && (!best || match < best)) {
            best = match;
            place = s->at;
        }
        if (!scan_value(s, depth) || !scan_next(s, '}', &more))
            break;
    }
    s->at = place;
    return best;
}

/* The same for an array and "[3]". */
static size_t enter_element(struct scan *s, const char *path, unsigned depth)
{
    size_t index = 0, used = 1, place = s->at;
    bool more = true;

    if (path[0] != '[' || !is_digit(path[1]))
        return 0;
    while (used < 10 && is_digit(path[used]))
        index = index * 10 + (size_t)(path[used++] - '0');
    if (path[used] != ']')
        return 0;
    s->at++;
    skip_space(s);
    if (peek(s) == ']')
        more = false;
    for (; more && index > 0; index--)
        if (!scan_value(s, depth) || !scan_next(s, ']', &more))
            break;
    skip_space(s);
    if (more && index == 0 && peek(s) >= 0)
        return used + 1;
    s->at = place;
    return 0;
}

int oci_locate(const char *text, size_t len, const char *path, unsigned *line, unsigned *column)
{
    struct scan s = {.text = text, .len = len};

    skip_space(&s);
    if (s.at == len)
        return -1;
    for (unsigned depth = 1; *path && depth <= JSON_DEPTH_MAX; depth++) {
        size_t used = 0;

        if (peek(&s) == '{')
            used = enter_member(&s, path, depth);
        else if (peek(&s) == '[')
            used = enter_element(&s, path, depth);
        if (!used)
            break;
        path += used;
    }
    scan_position(text, len, s.at, line, column);
    return 0;
}
