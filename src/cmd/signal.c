/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Theory of operation
 *
 * Names of signals, as kill(1) takes them. RTMIN and RTMAX are the C library's: it keeps the
 * kernel's first two for itself, and every program in the container that asks for SIGRTMIN+3 means
 * these.
 */
#include "cmd/cmd.h"

#include <signal.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    int number;
} signals[] = {
    {"HUP", SIGHUP},       {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ILL", SIGILL},
    {"TRAP", SIGTRAP},     {"ABRT", SIGABRT}, {"IOT", SIGABRT},  {"BUS", SIGBUS},
    {"FPE", SIGFPE},       {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"SEGV", SIGSEGV},
    {"USR2", SIGUSR2},     {"PIPE", SIGPIPE}, {"ALRM", SIGALRM}, {"TERM", SIGTERM},
#ifdef SIGSTKFLT
    {"STKFLT", SIGSTKFLT},
#endif
    {"CHLD", SIGCHLD},     {"CLD", SIGCHLD},  {"CONT", SIGCONT}, {"STOP", SIGSTOP},
    {"TSTP", SIGTSTP},     {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU}, {"URG", SIGURG},
    {"XCPU", SIGXCPU},     {"XFSZ", SIGXFSZ}, {"PROF", SIGPROF}, {"VTALRM", SIGVTALRM},
    {"WINCH", SIGWINCH},   {"IO", SIGIO},     {"POLL", SIGIO},   {"PWR", SIGPWR},
    {"SYS", SIGSYS},
};

/* "" or "+3" after RTMIN, "" or "-3" after RTMAX. */
static int real_time(const char *rest, char sign, int base)
{
    uint32_t n = 0;

    if (*rest && (*rest != sign || options_u32(rest + 1, &n) < 0))
        return -1;
    if (n > (uint32_t)(SIGRTMAX - SIGRTMIN))
        return -1;
    return sign == '+' ? base + (int)n : base - (int)n;
}

int cmd_signal(const char *name)
{
    uint32_t number;

    if (options_u32(name, &number) == 0)
        return number < _NSIG ? (int)number : -1;
    if (strncasecmp(name, "SIG", 3) == 0)
        name += 3;
    if (strncasecmp(name, "RTMIN", 5) == 0)
        return real_time(name + 5, '+', SIGRTMIN);
    if (strncasecmp(name, "RTMAX", 5) == 0)
        return real_time(name + 5, '-', SIGRTMAX);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (strcasecmp(name, signals[i].name) == 0)
            return signals[i].number;
    return -1;
}
