/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Which hierarchies there are stands in two files: /proc/self/mountinfo tells where each is mounted
 * and which of its cgroups is at the top of that mount, /proc/self/cgroup names the controllers of
 * each and where the caller is. The two are matched by controllers: every word of a line
 * "4:cpu,cpuacct:/path" is one of the mount's superblock options. Both are read once a process.
 *
 * Directories are not looked at: engines leave ordinary directories under /sys/fs/cgroup for
 * controllers that are not mounted.
 */
#include "base/fd.h"
#include "base/mountinfo.h"
#include "base/util.h"
#include "cgroup/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool cgroup_has_controller(const char *controllers, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = controllers; p && *p;) {
        size_t n = strcspn(p, ",");

        if (n == len && memcmp(p, word, n) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

static bool is_v2(const struct mountinfo *m)
{
    return strcmp(m->type, "cgroup2") == 0;
}

static bool is_cgroup(const struct mountinfo *m)
{
    return is_v2(m) || strcmp(m->type, "cgroup") == 0;
}

/* "4:cpu,cpuacct:/path": cut in place. The path may hold colons, the controllers "name=a:b" cannot.
 */
static bool parse_own_line(char *line, char **controllers, char **path)
{
    char *first = strchr(line, ':');
    char *second = first ? strchr(first + 1, ':') : NULL;

    if (!second || second[1] != '/')
        return false;
    *second = '\0';
    *controllers = first + 1;
    *path = second + 1;
    return true;
}

/* Whether a mount with these superblock options is the hierarchy with these controllers. */
static bool options_match(const char *options, const char *controllers)
{
    char word[64];

    for (const char *p = controllers; *p;) {
        size_t n = strcspn(p, ",");

        if (n >= sizeof word)
            return false;
        memcpy(word, p, n);
        word[n] = '\0';
        if (!cgroup_has_controller(options, word))
            return false;
        p += n + (p[n] == ',');
    }
    return true;
}

/*
 * The caller's cgroup as a path below the mount. A mount made in a container or by a bind shows
 * only a part of the hierarchy; a caller outside of that part has no name there: the top has to do.
 */
const char *cgroup_own_below(const char *own, const char *root)
{
    size_t len = strlen(root);

    if (strcmp(root, "/") == 0)
        return own;
    if (strncmp(own, root, len) == 0 && (own[len] == '/' || own[len] == '\0'))
        return own[len] ? own + len : "/";
    return "/";
}

/* Find the line of /proc/self/cgroup that belongs to the mount. */
static bool find_own(const struct mountinfo *m, char *const *lines, size_t n,
                     const char **controllers, const char **path)
{
    for (size_t i = 0; i < n; i++) {
        const char *words = lines[2 * i];

        if (is_v2(m) ? *words == '\0' : *words != '\0' && options_match(m->options, words)) {
            *controllers = words;
            *path = lines[2 * i + 1];
            return true;
        }
    }
    return false;
}

static bool is_standard(const char *mount)
{
    return strncmp(mount, "/sys/fs/cgroup", 14) == 0 && (mount[14] == '/' || mount[14] == '\0');
}

/* Take the mount in, or leave it when its hierarchy is there already from as good a place. */
static int machine_add(struct cgroup_machine *out, size_t room, const struct mountinfo *m,
                       const char *controllers, const char *own)
{
    struct cgroup_hierarchy h = {
        .controllers = controllers, .mount = m->point, .root = m->root, .v2 = is_v2(m)};

    h.own = cgroup_own_below(own, m->root);
    for (size_t i = 0; i < out->n; i++) {
        struct cgroup_hierarchy *old = &out->list[i];

        if (old->v2 == h.v2 && strcmp(old->controllers, controllers) == 0) {
            /* Of two on one mount point the later one is seen. */
            if ((!is_standard(old->mount) && is_standard(m->point)) ||
                strcmp(old->mount, m->point) == 0)
                *old = h;
            return 0;
        }
    }
    if (out->n == room)
        return -1;
    out->list[out->n++] = h;
    return 0;
}

static size_t count_lines(const char *text)
{
    size_t n = 1;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

int cgroup_machine_parse(const char *mountinfo, const char *cgroup, struct oci_arena *arena,
                         struct cgroup_machine *out, struct err *err)
{
    char *own_text = oci_strdup(arena, cgroup), *save = NULL;
    size_t room = count_lines(cgroup), n = 0;
    char **lines = oci_alloc(arena, room * 2 * sizeof *lines);

    *out = (struct cgroup_machine){.list = oci_alloc(arena, room * sizeof *out->list)};
    if (!own_text || !lines || !out->list)
        return err_set(err, ENOMEM, "cgroup hierarchies");
    for (char *l = strtok_r(own_text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
        if (parse_own_line(l, &lines[2 * n], &lines[2 * n + 1]))
            n++;
    }
    for (const char *p = mountinfo; *p;) {
        size_t len = strcspn(p, "\n");
        const char *controllers, *own;
        struct mountinfo m;

        /* Most lines of a busy machine are overlays and tmpfs: look before copying. */
        if (memmem(p, len, " - cgroup", 9)) {
            char *line = oci_strndup(arena, p, len);

            if (!line)
                return err_set(err, ENOMEM, "cgroup hierarchies");
            if (mountinfo_parse(line, &m) && is_cgroup(&m) &&
                find_own(&m, lines, n, &controllers, &own) &&
                machine_add(out, room, &m, controllers, own) < 0)
                return err_set(err, EOVERFLOW, "cgroup hierarchies");
        }
        p += len + (p[len] == '\n');
    }
    return 0;
}

static char *read_file(const char *path, struct err *err)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    char *text = NULL;

    if (fd < 0) {
        err_errno(err, "%s", path);
        return NULL;
    }
    if (fd_read_all(fd, MOUNTINFO_MAX, &text, NULL, err) < 0) {
        err_context(err, "%s", path);
        return NULL;
    }
    return text;
}

const struct cgroup_machine *cgroup_machine_get(struct err *err)
{
    static struct cgroup_machine machine;
    static struct oci_arena *arena;
    _cleanup_free_ char *mountinfo = NULL;
    _cleanup_free_ char *cgroup = NULL;

    if (arena)
        return &machine;
    if (!(mountinfo = read_file("/proc/self/mountinfo", err)))
        return NULL;
    /* A kernel without cgroups has no such file: no hierarchy. */
    if (access("/proc/self/cgroup", F_OK) == 0 && !(cgroup = read_file("/proc/self/cgroup", err)))
        return NULL;
    arena = oci_arena_new();
    if (!arena) {
        err_set(err, ENOMEM, "cgroup hierarchies");
        return NULL;
    }
    if (cgroup_machine_parse(mountinfo, cgroup ? cgroup : "", arena, &machine, err) < 0) {
        oci_arena_free(arena);
        arena = NULL;
        return NULL;
    }
    return &machine;
}

int cgroup_layout(struct err *err)
{
    const struct cgroup_machine *machine = cgroup_machine_get(err);
    int bits = 0;

    if (!machine)
        return -1;
    for (size_t i = 0; i < machine->n; i++)
        bits |= machine->list[i].v2 ? CGROUP_HAS_V2 : CGROUP_HAS_V1;
    return bits;
}
