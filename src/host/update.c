/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * The limits that hold are those of the configuration, until the first update: from then on
 * resources.json in the state directory has them, so that a later partial update knows what it is
 * part of. It is replaced before the cgroup files are written, and put back when they are not: the
 * cgroup part restores what it had written itself.
 */
#include "host/update.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/util.h"
#include "base/wording.h"
#include "host/store.h"

#include <errno.h>
#include <unistd.h>

#define RESOURCES_MAX (16 << 20)

int resources_decode(const char *text, size_t len, const char *file, struct oci_arena *arena,
                     struct oci_resources *out, struct err *err)
{
    struct oci_diag diag;
    char place[1024];

    if (oci_decode(&oci_resources_table, out, text, len, arena, NULL, NULL, &diag) == 0)
        return 0;
    oci_diag_format(&diag, file, place, sizeof place);
    return err_set(err, 0, "%s", place);
}

/* What holds now. @text: of resources.json, NULL when there is none yet. */
static int read_present(const struct found *f, struct oci_resources *out, char **text, size_t *len,
                        struct err *err)
{
    struct oci_config config;

    *out = (struct oci_resources){.devices = NULL};
    if (fd_read_file_at(f->dir, STORE_RESOURCES, RESOURCES_MAX, text, len, err) == 0)
        return resources_decode(*text, *len, STORE_RESOURCES, f->arena, out, err);
    if (err->errnum != ENOENT)
        return -1;
    *text = NULL;
    if (store_config(f->dir, f->arena, &config, err) < 0)
        return -1;
    if (config.linux_ && config.linux_->resources)
        *out = *config.linux_->resources;
    return 0;
}

static int write_present(const struct found *f, const struct oci_resources *resources,
                         struct err *err)
{
    size_t len;
    _cleanup_free_ char *text =
        oci_encode(&oci_resources_table, resources, OCI_STYLE_COMPACT, &len);

    if (!text)
        return err_set(err, ENOMEM, "record the limits");
    if (fd_replace_file_at(f->dir, STORE_RESOURCES, text, len, 0600, err) < 0)
        return err_context(err, "record the limits");
    return 0;
}

static void put_back(const struct found *f, const char *text, size_t len)
{
    struct err ignored = ERR_INIT;

    if (!text)
        unlinkat(f->dir, STORE_RESOURCES, 0);
    else if (fd_replace_file_at(f->dir, STORE_RESOURCES, text, len, 0600, &ignored) < 0)
        log_warning("%s", ignored.text);
}

static int update(const struct found *f, const struct oci_resources *changes, struct err *err)
{
    _cleanup_free_ char *old_text = NULL;
    struct oci_resources present, before, writes;
    size_t old_len = 0;

    if (read_present(f, &present, &old_text, &old_len, err) < 0)
        return -1;
    before = present;
    if (update_merge(&present, changes, &writes, f->arena) < 0)
        return err_set(err, ENOMEM, "linux.resources");
    if (cgroup_check(&writes, f->record.cgroup.driver, err) < 0 ||
        write_present(f, &present, err) < 0)
        return -1;
    if (cgroup_update(&f->record.cgroup, &writes, &before, err) == 0)
        return 0;
    put_back(f, old_text, old_len);
    return -1;
}

int container_update(const struct runtime *rt, const char *id, const struct oci_resources *changes,
                     struct err *err)
{
    _cleanup_found_ struct found f = FOUND_INIT;
    enum oci_status status;

    if (store_find(rt, id, &f, err) < 0)
        return -1;
    status = store_status(&f);
    if (status == OCI_STATUS_STOPPED || status == OCI_STATUS_CREATING)
        return err_set(err, 0, WORDING_NOT_RUNNING);
    /* Two updates at a time would each write back what the other one changes. */
    if (store_lock(f.dir, rt->timeout, err) < 0)
        return -1;
    return update(&f, changes, err);
}
