/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ocirun ps: the processes of a container.
 *
 * The table is the machine's own ps(1), run with the arguments that follow the ID, of which the
 * lines are kept whose PID is one of the container's.
 */
#include "cmd/cmd.h"

#include "base/fd.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct ps_options {
    const char *format;
};

static const struct option_row rows[] = {
    OPT_TEXT(struct ps_options, format, "format", 'f', "FORMAT", "table (default) or json"),
    OPT_END,
};

static const struct options_syntax syntax = {
    .command = "ps",
    .arguments = "ID [PS OPTIONS]",
    .summary =
        "Show the processes of a container. Options after the ID are for ps(1); the default\n"
        "is -ef.",
    .rows = rows,
    .min = 1,
    .max = UINT32_MAX,
    .options_end_at_id = true,
};

enum { PS_OUTPUT_MAX = 64 << 20 };

static int print_json(const pid_t *pids, size_t n, struct err *err)
{
    putchar('[');
    for (size_t i = 0; i < n; i++)
        printf("%s%d", i ? "," : "", (int)pids[i]);
    return cmd_print("]\n", 2, err);
}

/* Run ps(1) and read all of its output. */
static int run_ps(char *const *argv, char **output, struct err *err)
{
    posix_spawn_file_actions_t actions;
    int ends[2], r, status;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    r = posix_spawnp(&pid, "ps", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    fd_close(ends[1]);
    if (r != 0) {
        fd_close(ends[0]);
        return err_set(err, r, "execute ps(1)");
    }
    r = fd_read_all(ends[0], PS_OUTPUT_MAX, output, NULL, err);
    fd_close(ends[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r == 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        free(util_take_ptr(*output));
        return err_set(err, 0, "ps(1) failed with status %d",
                       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
    return r;
}

/* The word number @index of @line, or NULL; @len is set to its length. */
static const char *word_at(const char *line, int index, size_t *len)
{
    for (;; index--) {
        line += strspn(line, " \t");
        *len = strcspn(line, " \t");
        if (*len == 0)
            return NULL;
        if (index == 0)
            return line;
        line += *len;
    }
}

static int pid_column(const char *title)
{
    const char *word;
    size_t len;

    for (int i = 0; (word = word_at(title, i, &len)); i++)
        if (len == 3 && strncmp(word, "PID", 3) == 0)
            return i;
    return -1;
}

static bool is_ours(const char *line, int column, const pid_t *pids, size_t n)
{
    size_t len;
    const char *word = word_at(line, column, &len);
    long pid = word ? strtol(word, NULL, 10) : -1;

    for (size_t i = 0; i < n; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

static int print_table(char **argv, const pid_t *pids, size_t n, struct err *err)
{
    _cleanup_free_ char *output = NULL;
    char *rest, *line;
    int column;

    if (run_ps(argv, &output, err) < 0)
        return -1;
    rest = output;
    line = strsep(&rest, "\n");
    column = line ? pid_column(line) : -1;
    if (column < 0)
        return err_set(err, 0, "the output of ps(1) has no PID column");
    puts(line);
    while ((line = strsep(&rest, "\n")))
        if (is_ours(line, column, pids, n))
            puts(line);
    return cmd_print("", 0, err);
}

int cmd_ps(const struct runtime *rt, int argc, char **argv, int *status, struct err *err)
{
    static char name[] = "ps", all[] = "-ef";
    char *by_default[] = {name, all, NULL};
    struct ps_options o = {.format = "table"};
    _cleanup_free_ pid_t *pids = NULL;
    struct arguments args;
    const char *id;
    size_t n = 0;
    int r = options_parse(&syntax, &o, argc, argv, &args, err);

    (void)status;
    if (r != 0)
        return r;
    if (strcmp(o.format, "table") != 0 && strcmp(o.format, "json") != 0)
        return err_set(err, 0, "--format: \"%s\" is neither table nor json", o.format);
    id = args.list[0];
    if (container_processes(rt, id, &pids, &n, err) < 0)
        return -1;
    if (strcmp(o.format, "json") == 0)
        return print_json(pids, n, err);
    args.list[0] = name;
    return print_table(args.n > 1 ? args.list : by_default, pids, n, err);
}
