/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * timeit ROUNDS < SCRIPT
 *
 * Carries out the lines of SCRIPT one after the other, ROUNDS times, so that whatever else happens
 * on the machine hits all contestants alike. A line is a key and a command, separated by tabs:
 *
 *   ocirun run<TAB>ocirun<TAB>run<TAB>--bundle<TAB>/tmp/b<TAB>id     timed under that key
 *   -<TAB>…                                                          not timed, has to succeed
 *
 * An empty line ends a group of lines. Each round begins a group one line further on than the round
 * before: what one command leaves to the kernel (grace periods of RCU, above all) is paid for by
 * the next one, and that must not always be the same.
 *
 * Standard input and output of the commands are /dev/null. Prints a line a key: key, minimum,
 * median and 90th percentile in microseconds, the largest resident set in KiB (of the command or a
 * child it waited for), and how often the command failed; separated by tabs.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINES_MAX 256
#define ARGS_MAX 32
#define WARM_UP 2 /* rounds that do not count */

extern char **environ;

struct line {
    char *key;
    char *argv[ARGS_MAX];
    double *time;
    long rss;
    int failed;
    size_t group; /* index of the first line of the next group */
};

static struct line lines[LINES_MAX];
static size_t lines_n;

static void end_group(size_t *first)
{
    for (size_t i = *first; i < lines_n; i++)
        lines[i].group = lines_n;
    *first = lines_n;
}

static void read_script(int rounds)
{
    char *text = NULL;
    size_t size = 0, first = 0;
    ssize_t len;

    while (lines_n < LINES_MAX && (len = getline(&text, &size, stdin)) > 0) {
        if (len == 1) {
            end_group(&first);
            continue;
        }

        struct line *l = &lines[lines_n++];
        size_t n = 0;
        char *copy;

        text[len - 1] = '\0';
        copy = strdup(text);
        l->key = strsep(&copy, "\t");
        while (copy && n < ARGS_MAX - 1)
            l->argv[n++] = strsep(&copy, "\t");
        l->time = calloc((size_t)rounds, sizeof *l->time);
    }
    end_group(&first);
    free(text);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int run_line(struct line *l, int round, posix_spawn_file_actions_t *actions)
{
    struct rusage usage;
    double begin = now(), end;
    int status;
    pid_t pid;

    if (posix_spawnp(&pid, l->argv[0], actions, NULL, l->argv, environ) != 0 ||
        wait4(pid, &status, 0, &usage) < 0)
        return -1;
    end = now();
    if (strcmp(l->key, "-") == 0)
        return status ? -1 : 0;
    if (round < 0)
        return 0;
    l->time[round] = end - begin;
    l->failed += status != 0;
    if (usage.ru_maxrss > l->rss)
        l->rss = usage.ru_maxrss;
    return 0;
}

static int run_group(size_t first, size_t n, int round, posix_spawn_file_actions_t *actions)
{
    for (size_t i = 0; i < n; i++) {
        struct line *l = &lines[first + (i + (size_t)(round + WARM_UP)) % n];

        if (run_line(l, round, actions) == 0)
            continue;
        fprintf(stderr, "round %d: %s %s failed\n", round, l->argv[0], l->argv[1]);
        return -1;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    int rounds = argc == 2 ? atoi(argv[1]) : 0;
    posix_spawn_file_actions_t actions;

    if (rounds < 1) {
        fprintf(stderr, "usage: timeit ROUNDS < SCRIPT\n");
        return 2;
    }
    read_script(rounds);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    for (int round = -WARM_UP; round < rounds; round++)
        for (size_t i = 0; i < lines_n; i = lines[i].group)
            if (run_group(i, lines[i].group - i, round, &actions) < 0)
                return 1;
    for (size_t i = 0; i < lines_n; i++) {
        struct line *l = &lines[i];

        if (strcmp(l->key, "-") == 0)
            continue;
        qsort(l->time, (size_t)rounds, sizeof *l->time, compare);
        printf("%s\t%.0f\t%.0f\t%.0f\t%ld\t%d\n", l->key, l->time[0], l->time[rounds / 2],
               l->time[rounds * 9 / 10], l->rss, l->failed);
    }
    return 0;
}
