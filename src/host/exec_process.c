/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Without --process the base is the container's own process (runc's rule): same environment,
 * directory, user and capabilities, without a terminal unless asked for; each option changes one
 * member.
 */
#include "host/exec_process.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/util.h"
#include "host/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DOCUMENT_MAX (16 << 20)

static void warn(void *data, const struct oci_diag *diag)
{
    char text[1024];

    oci_diag_format(diag, data, text, sizeof text);
    log_warning("%s", text);
}

static int decode(const struct oci_table *table, void *out, const char *text, size_t len,
                  struct oci_arena *arena, const char *name, struct err *err)
{
    struct oci_diag diag;
    char place[1024];

    if (oci_decode(table, out, text, len, arena, warn, (void *)name, &diag) == 0)
        return 0;
    oci_diag_format(&diag, name, place, sizeof place);
    err_set(err, 0, "%s", place);
    return err_object(err, "%s", diag.path);
}

static int read_document(const char *path, struct oci_arena *arena, struct oci_process *out,
                         struct err *err)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    _cleanup_free_ char *text = NULL;
    size_t len;

    if (fd < 0)
        return err_errno(err, "open the process document %s", path);
    if (fd_read_all(fd, DOCUMENT_MAX, &text, &len, err) < 0)
        return err_context(err, "process document %s", path);
    return decode(&oci_process_table, out, text, len, arena, path, err);
}

static int append_groups(struct oci_user *user, const uint32_t *more, size_t n,
                         struct oci_arena *arena, struct err *err)
{
    size_t had = user->additional_gids_n;
    uint32_t *all = oci_alloc(arena, (had + n) * sizeof *all);

    if (!all)
        return err_set(err, ENOMEM, "groups");
    if (had)
        memcpy(all, user->additional_gids, had * sizeof *all);
    memcpy(all + had, more, n * sizeof *all);
    user->additional_gids = all;
    user->additional_gids_n = had + n;
    return 0;
}

static int append_env(struct oci_process *p, const char **more, size_t n, struct oci_arena *arena,
                      struct err *err)
{
    const char **env = oci_alloc(arena, (p->env_n + n + 1) * sizeof *env);

    if (!env)
        return err_set(err, ENOMEM, "environment");
    if (p->env_n)
        memcpy(env, p->env, p->env_n * sizeof *env);
    for (size_t i = 0; i < n; i++) {
        if (!strchr(more[i], '=') || more[i][0] == '=')
            return err_set(err, 0, "--env \"%s\" is not NAME=VALUE", more[i]);
        env[p->env_n + i] = more[i];
    }
    p->env = env;
    p->env_n += n;
    return 0;
}

/* Never inheritable (CVE-2022-29162); ambient only what the container lets be inherited. */
static int add_caps(struct oci_process *p, uint64_t caps, struct oci_arena *arena, struct err *err)
{
    struct oci_capabilities *c = oci_alloc(arena, sizeof *c);

    if (!c)
        return err_set(err, ENOMEM, "capabilities");
    if (p->capabilities)
        *c = *p->capabilities;
    c->bounding = (struct oci_set){true, c->bounding.bits | caps};
    c->effective = (struct oci_set){true, c->effective.bits | caps};
    c->permitted = (struct oci_set){true, c->permitted.bits | caps};
    if (caps & c->inheritable.bits)
        c->ambient = (struct oci_set){true, c->ambient.bits | (caps & c->inheritable.bits)};
    p->capabilities = c;
    return 0;
}

static int apply_options(struct oci_process *p, const struct exec_options *o,
                         struct oci_arena *arena, struct err *err)
{
    if (o->tty >= 0)
        p->terminal = o->tty;
    if (o->cwd) {
        if (o->cwd[0] != '/')
            return err_set(err, 0, "--cwd \"%s\" is not an absolute path", o->cwd);
        p->cwd = o->cwd;
    }
    if (o->env_n && append_env(p, o->env, o->env_n, arena, err) < 0)
        return -1;
    if (o->user_given) {
        p->user.uid = o->uid;
        if (o->gid_given)
            p->user.gid = o->gid;
    }
    if (o->additional_gids_n &&
        append_groups(&p->user, o->additional_gids, o->additional_gids_n, arena, err) < 0)
        return -1;
    if (o->caps && add_caps(p, o->caps, arena, err) < 0)
        return -1;
    if (o->apparmor)
        p->apparmor_profile = o->apparmor;
    if (o->selinux)
        p->selinux_label = o->selinux;
    if (o->no_new_privs)
        p->no_new_privileges = true;
    return 0;
}

static int base_process(const struct exec_options *o, const struct oci_config *config,
                        struct oci_process *out, struct err *err)
{
    if (!o->args_n)
        return err_set(err, 0, "nothing to execute: give a command or --process");
    if (config->process)
        *out = *config->process;
    else
        *out = (struct oci_process){.cwd = "/"};
    out->terminal = false;
    out->console_size = NULL;
    out->args = o->args;
    out->args_n = o->args_n;
    return 0;
}

int exec_process_make(int dir, struct oci_arena *arena, const struct exec_options *o,
                      struct oci_config *config, struct oci_process *out, struct err *err)
{
    if (store_config(dir, arena, config, err) < 0)
        return -1;
    if ((o->process_file ? read_document(o->process_file, arena, out, err)
                         : base_process(o, config, out, err)) < 0)
        return -1;
    if (apply_options(out, o, arena, err) < 0)
        return -1;
    if (!out->args_n)
        return err_set(err, 0, "args: the process document names no program");
    return 0;
}
