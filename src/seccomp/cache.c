/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compiled programs, kept in the runtime's private directory.
 *
 * The key is everything that a program depends on, written out with lengths so that no two
 * profiles have the same key. The first of it is the generator itself: a digest of the sources of
 * this room and of libocispec (seccomp_id.h), so that an upgrade compiles anew. The file's name is
 * only a hash of it, and the whole key stands in the entry and is compared. An entry also names the
 * libseccomp that it was made with (path, inode, size, mtime): a hit costs one statx of that
 * instead of loading it.
 *
 * Entries appear by rename, so readers and writers need no lock; two that make the same entry
 * write the same bytes. Whatever is wrong with the directory or an entry only means: compile.
 */
#include "seccomp/internal.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/util.h"
#include "seccomp_id.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRY_MAGIC "ocirun seccomp 1"
#define ENTRY_PREFIX "seccomp-"

enum {
    ENTRIES_MAX = 64,
    KEY_MAX = 1 << 20,
    NAME_SIZE = sizeof ENTRY_PREFIX + 32,
};

struct key {
    uint8_t *bytes;
    size_t n, size;
    bool failed;
};

/* Which file libseccomp was, all zero when it is linked in. */
struct library_id {
    uint64_t device, inode, size;
    int64_t seconds, nanoseconds;
};

struct header {
    char magic[sizeof ENTRY_MAGIC];
    uint32_t key_n, path_n, program_n; /* bytes, bytes, instructions; they follow in this order */
    struct library_id library;
    uint64_t check; /* hash of what follows */
};

/* ---- key ------------------------------------------------------------------------------------- */

static void key_bytes(struct key *key, const void *data, size_t n)
{
    if (key->failed || n > KEY_MAX - key->n) {
        key->failed = true;
        return;
    }
    if (key->n + n > key->size) {
        size_t size = key->size ? key->size * 2 : 8192;
        uint8_t *more;

        while (size < key->n + n)
            size *= 2;
        more = realloc(key->bytes, size);
        if (!more) {
            key->failed = true;
            return;
        }
        key->bytes = more;
        key->size = size;
    }
    if (n)
        memcpy(key->bytes + key->n, data, n);
    key->n += n;
}

static void key_number(struct key *key, uint64_t value)
{
    key_bytes(key, &value, sizeof value);
}

static void key_optional(struct key *key, struct oci_opt_u64 value)
{
    key_number(key, value.set);
    key_number(key, value.set ? value.value : 0);
}

static void key_string(struct key *key, const char *text)
{
    key_number(key, strlen(text));
    key_bytes(key, text, strlen(text));
}

static void key_rule(struct key *key, const struct oci_seccomp_rule *rule)
{
    key_number(key, rule->action);
    key_optional(key, rule->errno_ret);
    key_number(key, rule->names_n);
    for (size_t i = 0; i < rule->names_n; i++)
        key_string(key, rule->names[i]);
    key_number(key, rule->args_n);
    for (size_t i = 0; i < rule->args_n; i++) {
        key_number(key, rule->args[i].index);
        key_number(key, rule->args[i].op);
        key_number(key, rule->args[i].value);
        key_number(key, rule->args[i].value_two);
    }
}

/* The flags for seccomp(2) are left out: they are not part of the program. */
static int key_make(struct key *key, const struct oci_seccomp *profile, bool fail_unknown)
{
    key_string(key, SECCOMP_ID);
    key_number(key, seccomp_native_arch()->id);
#ifdef STATIC_BUILD
    key_string(key, seccomp_library_version()); /* no file to look at */
#endif
    key_number(key, fail_unknown);
    key_number(key, profile->default_action);
    key_optional(key, profile->default_errno_ret);
    key_number(key, profile->architectures_n);
    for (size_t i = 0; i < profile->architectures_n; i++)
        key_number(key, profile->architectures[i]);
    key_number(key, profile->syscalls_n);
    for (size_t i = 0; i < profile->syscalls_n; i++)
        key_rule(key, &profile->syscalls[i]);
    return key->failed ? -1 : 0;
}

/* FNV-1a over words; against accidents only, see above. */
static uint64_t hash(uint64_t start, const void *data, size_t n)
{
    const uint8_t *bytes = data;
    uint64_t value = start;

    for (size_t i = 0; i < n; i++)
        value = (value ^ bytes[i]) * 0x100000001b3U;
    return value;
}

static void entry_name(const struct key *key, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, ENTRY_PREFIX "%016llx%016llx",
             (unsigned long long)hash(0xcbf29ce484222325U, key->bytes, key->n),
             (unsigned long long)hash(0x9ae16a3b2f90404fU, key->bytes, key->n));
}

/* ---- entries --------------------------------------------------------------------------------- */

static bool directory_is_private(int cache)
{
    struct stat st;

    return cache >= 0 && fstat(cache, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & 07777) == 0700;
}

static bool library_identify(const char *path, struct library_id *id)
{
    struct stat st;

    memset(id, 0, sizeof *id);
    if (path[0] == '\0')
        return true;
    if (stat(path, &st) < 0)
        return false;
    id->device = st.st_dev;
    id->inode = st.st_ino;
    id->size = (uint64_t)st.st_size;
    id->seconds = st.st_mtim.tv_sec;
    id->nanoseconds = st.st_mtim.tv_nsec;
    return true;
}

/* The program in an entry of @n bytes, or NULL if it is not exactly what @key stands for. */
static const char *entry_program(const char *text, size_t n, const struct key *key,
                                 uint32_t *program_n)
{
    struct library_id now;
    struct header header;
    const char *body = text + sizeof header, *path;
    size_t body_n;

    if (n < sizeof header)
        return NULL;
    memcpy(&header, text, sizeof header);
    if (memcmp(header.magic, ENTRY_MAGIC, sizeof header.magic) != 0)
        return NULL;
    body_n = (size_t)header.key_n + header.path_n + header.program_n * sizeof(struct sock_filter);
    if (header.program_n == 0 || header.program_n > BPF_MAXINSNS || header.path_n == 0 ||
        header.key_n != key->n || n != sizeof header + body_n)
        return NULL;
    if (memcmp(body, key->bytes, key->n) != 0 ||
        hash(header.program_n, body, body_n) != header.check)
        return NULL;
    path = body + header.key_n;
    if (path[header.path_n - 1] != '\0' || !library_identify(path, &now) ||
        memcmp(&now, &header.library, sizeof now) != 0)
        return NULL;
    *program_n = header.program_n;
    return path + header.path_n;
}

/* A memfd with the cached program, or -1. */
static int entry_load(int cache, const char *name, const struct key *key, uint32_t *n)
{
    _cleanup_free_ char *text = NULL;
    struct err ignored = ERR_INIT;
    const char *program;
    size_t len;

    if (faccessat(cache, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ||
        fd_read_file_at(cache, name, 2 * KEY_MAX, &text, &len, &ignored) < 0)
        return -1;
    program = entry_program(text, len, key, n);
    if (!program) {
        log_debug("seccomp cache: %s is stale or damaged", name);
        return -1;
    }
    utimensat(cache, name, NULL, AT_SYMLINK_NOFOLLOW); /* lives longer */
    return fd_memfd("seccomp", program, *n * sizeof(struct sock_filter), &ignored);
}

static bool is_older(const struct stat *a, const struct stat *b)
{
    if (a->st_mtim.tv_sec != b->st_mtim.tv_sec)
        return a->st_mtim.tv_sec < b->st_mtim.tv_sec;
    return a->st_mtim.tv_nsec < b->st_mtim.tv_nsec;
}

/* Counts the entries and finds the oldest. */
static int entries_count(DIR *directory, char *oldest, size_t size)
{
    const struct dirent *entry;
    struct stat oldest_stat;
    int count = 0;

    rewinddir(directory);
    while ((entry = readdir(directory))) {
        struct stat st;

        if (strncmp(entry->d_name, ENTRY_PREFIX, strlen(ENTRY_PREFIX)) != 0 ||
            fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (count++ > 0 && !is_older(&st, &oldest_stat))
            continue;
        oldest_stat = st;
        snprintf(oldest, size, "%s", entry->d_name);
    }
    return count;
}

/* Removes the oldest entries (and what a killed writer left) beyond ENTRIES_MAX. */
static void entries_prune(int cache)
{
    int fd = openat(cache, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    char oldest[256];

    if (!directory) {
        fd_close(fd);
        return;
    }
    while (entries_count(directory, oldest, sizeof oldest) > ENTRIES_MAX) {
        if (unlinkat(cache, oldest, 0) < 0 && errno != ENOENT)
            break;
    }
    closedir(directory);
}

static int entry_write(int cache, const char *name, const void *data, size_t n, struct err *err)
{
    char temporary[NAME_SIZE + 32];
    uint64_t random;
    int result;

    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return err_errno(err, "getrandom");
    snprintf(temporary, sizeof temporary, "%s.%016llx", name, (unsigned long long)random);

    _cleanup_close_ int fd =
        openat(cache, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_errno(err, "create %s", temporary);
    result = fd_write_all(fd, data, n, err);
    if (result == 0 && renameat(cache, temporary, cache, name) < 0)
        result = err_errno(err, "rename %s", temporary);
    if (result < 0)
        unlinkat(cache, temporary, 0);
    return result;
}

static void entry_store(int cache, const char *name, const struct key *key,
                        const struct seccomp_program *program)
{
    const char *path = seccomp_library_path();
    size_t program_n = program->n * sizeof *program->filter;
    struct header header = {
        .magic = ENTRY_MAGIC,
        .key_n = (uint32_t)key->n,
        .path_n = (uint32_t)strlen(path) + 1,
        .program_n = (uint32_t)program->n,
    };
    size_t body_n = key->n + header.path_n + program_n;
    _cleanup_free_ char *data = malloc(sizeof header + body_n);
    char *body;
    struct err err = ERR_INIT;

    if (!data || !library_identify(path, &header.library))
        return;
    body = data + sizeof header;
    memcpy(body, key->bytes, key->n);
    memcpy(body + key->n, path, header.path_n);
    memcpy(body + key->n + header.path_n, program->filter, program_n);
    header.check = hash(header.program_n, body, body_n);
    memcpy(data, &header, sizeof header);
    if (entry_write(cache, name, data, sizeof header + body_n, &err) < 0)
        log_debug("seccomp cache: %s", err.text);
    entries_prune(cache);
}

/* ---- the way in ------------------------------------------------------------------------------ */

static int compile_and_store(const struct oci_seccomp *profile, bool fail_unknown, int cache,
                             const char *name, const struct key *key, uint32_t *n, struct err *err)
{
    struct seccomp_program program;
    int fd;

    if (seccomp_compile(profile, fail_unknown, &program, err) < 0)
        return -1;
    *n = (uint32_t)program.n;
    fd = fd_memfd("seccomp", program.filter, program.n * sizeof *program.filter, err);
    if (fd >= 0 && cache >= 0)
        entry_store(cache, name, key, &program);
    seccomp_program_clear(&program);
    return fd;
}

int seccomp_load_cached(const struct oci_seccomp *profile, bool fail_unknown, int cache,
                        uint32_t *n, uint32_t *flags, struct err *err)
{
    char name[NAME_SIZE] = "";
    struct key key = {.n = 0};
    int fd = -1;

    if (seccomp_check(profile, err) < 0)
        return -1;
    *flags = seccomp_profile_flags(profile);
    if (!directory_is_private(cache) || key_make(&key, profile, fail_unknown) < 0)
        cache = -1;
    if (cache >= 0) {
        entry_name(&key, name);
        fd = entry_load(cache, name, &key, n);
    }
    if (fd < 0)
        fd = compile_and_store(profile, fail_unknown, cache, name, &key, n, err);
    free(key.bytes);
    return fd;
}
