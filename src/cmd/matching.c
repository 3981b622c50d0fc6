/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* delete --regex and kill --regex, as crun has them: one command for each id that matches. */
#include "base/log.h"
#include "cmd/cmd.h"

#include <errno.h>
#include <regex.h>

static int compile(regex_t *regex, const char *pattern, struct err *err)
{
    char why[256];
    int code = regcomp(regex, pattern, REG_EXTENDED | REG_NOSUB);

    if (code == 0)
        return 0;
    regerror(code, regex, why, sizeof why);
    return err_set(err, 0, "--regex \"%s\": %s", pattern, why);
}

int cmd_each_matching(const struct runtime *rt, const char *pattern, cmd_one *one, const void *data,
                      struct err *err)
{
    struct oci_arena *arena = oci_arena_new();
    struct oci_state *states = NULL;
    size_t n = 0;
    struct err why;
    regex_t regex;
    int result;

    if (!arena)
        return err_set(err, ENOMEM, "list the containers");
    result = container_list(rt, arena, &states, &n, err);
    if (result == 0)
        result = compile(&regex, pattern, err);
    if (result == 0) {
        for (size_t i = 0; i < n; i++) {
            if (regexec(&regex, states[i].id, 0, NULL, 0) != 0)
                continue;
            why = (struct err)ERR_INIT;
            if (one(rt, states[i].id, data, &why) == 0)
                continue;
            /* One that fails does not keep the others from being tried; main reports the last. */
            if (result < 0)
                log_error(err);
            err_context(&why, "%s", states[i].id);
            *err = why;
            result = -1;
        }
        regfree(&regex);
    }
    oci_arena_free(arena);
    return result;
}
