/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests need inside a container and busybox does not have.  Statically linked; one word
 * selects the function.  Prints a line; numbers are decimal; a failing call prints "errno N".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static int report(long value)
{
    if (value < 0)
        printf("errno %d\n", errno);
    else
        printf("%ld\n", value);
    return 0;
}

struct attr {
    unsigned size, policy;
    unsigned long long flags;
    int nice;
    unsigned priority;
    unsigned long long runtime, deadline, period;
};

static int do_sched(void)
{
    struct attr a = {.size = sizeof a};

    if (syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) < 0)
        return report(-1);
    printf("%u %d %u %llu %llu %llu %llu\n", a.policy, a.nice, a.priority, a.flags, a.runtime,
           a.deadline, a.period);
    return 0;
}

/* Exchange two names as fast as possible until told to stop (stdin closes); prints how often. */
static int do_swap(const char *a, const char *b)
{
    unsigned long n = 0;
    char c;

    fcntl(0, F_SETFL, O_NONBLOCK);
    puts("ready");
    fflush(stdout);
    for (;;) {
        for (int i = 0; i < 64; i++)
            if (syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2) == 0)
                n++;
        if (read(0, &c, 1) == 0)
            break;
    }
    printf("%lu\n", n);
    return 0;
}

/* Watch for processes that appear and try to look into them. */
static _Noreturn void do_spy(bool attach)
{
    static char seen[70000];
    char path[64], line[256];

    puts("ready");
    fflush(stdout);
    for (;;) {
        for (int pid = 2; pid < 3000; pid++) {
            int fd;

            if (seen[pid] || pid == getpid() || kill(pid, 0) < 0)
                continue;
            snprintf(path, sizeof path, "/proc/%d/exe", pid);
            ssize_t len = readlink(path, line, sizeof line - 1);
            if (len > 0) {
                line[len] = 0;
                if (!strstr(line, "busybox") && !strstr(line, "helper")) {
                    printf("HIT exe %s\n", line);
                    fflush(stdout);
                    fd = open(path, O_RDONLY);
                    if (fd >= 0) {
                        char self[64];
                        snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
                        /* it may have executed its program between the two looks */
                        len = readlink(self, line, sizeof line - 1);
                        line[len > 0 ? len : 0] = 0;
                        for (int i = 0; i < 1000 && !strstr(line, "busybox"); i++) {
                            int w = open(self, O_WRONLY);
                            if (w >= 0) {
                                puts("WRITABLE");
                                fflush(stdout);
                                close(w);
                                break;
                            }
                            if (errno != ETXTBSY)
                                break;
                        }
                        close(fd);
                    }
                    if (attach && ptrace(PTRACE_ATTACH, pid, 0, 0) == 0) {
                        len = readlink(path, line, sizeof line - 1);
                        line[len > 0 ? len : 0] = 0;
                        /* without a file it is a process that ends, and has no memory left */
                        if (len > 0 && !strstr(line, "busybox"))
                            printf("ATTACHED %s\n", line);
                        fflush(stdout);
                        waitpid(pid, NULL, __WALL);
                        ptrace(PTRACE_DETACH, pid, 0, 0);
                    }
                    seen[pid] = 1;
                }
            }
        }
        for (int pid = 2; pid < 3000; pid++)
            if (seen[pid] && kill(pid, 0) < 0)
                seen[pid] = 0;
    }
}

static volatile sig_atomic_t told_to_end;

static void on_term(int sig)
{
    (void)sig;
    told_to_end = 1;
}

/* Try two doors as fast as possible until told to end: how often the one that is always open was
 * found shut, and the one that is always shut, open. */
static int do_doors(const char *open_one, const char *shut_one)
{
    unsigned long tries = 0, refused = 0, entered = 0;

    signal(SIGTERM, on_term);
    puts("ready");
    fflush(stdout);
    for (; !told_to_end; tries++) {
        int a = open(open_one, O_RDONLY | O_NONBLOCK);

        refused += a < 0 && errno == EPERM;
        int b = open(shut_one, O_RDONLY | O_NONBLOCK);

        entered += b >= 0 || errno != EPERM;
        close(a);
        close(b);
    }
    printf("tries %lu refused %lu entered %lu\n", tries, refused, entered);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (!strcmp(what, "sched"))
        return do_sched();
    if (!strcmp(what, "swap") && argc == 4)
        return do_swap(argv[2], argv[3]);
    if (!strcmp(what, "doors") && argc == 4)
        return do_doors(argv[2], argv[3]);
    if (!strcmp(what, "spy"))
        do_spy(argc > 2);
    if (!strcmp(what, "ioprio"))
        return report(syscall(SYS_ioprio_get, 1, 0));
    if (!strcmp(what, "mempolicy")) {
        int mode = -1;
        unsigned long mask = 0;

        if (syscall(SYS_get_mempolicy, &mode, &mask, 64UL, 0UL, 0UL) < 0)
            return report(-1);
        printf("%d %lu\n", mode, mask);
        return 0;
    }
    if (!strcmp(what, "clock") && argc == 3) {
        struct timespec ts;

        clock_gettime(atoi(argv[2]), &ts);
        printf("%lld.%09ld\n", (long long)ts.tv_sec, ts.tv_nsec);
        return 0;
    }
    if (!strcmp(what, "personality"))
        return report(syscall(SYS_personality, 0xffffffffUL));
    if (!strcmp(what, "affinity")) {
        cpu_set_t set;

        CPU_ZERO(&set);
        sched_getaffinity(0, sizeof set, &set);
        for (int i = 0; i < 64; i++)
            if (CPU_ISSET(i, &set))
                printf("%d ", i);
        puts("");
        return 0;
    }
    if (!strcmp(what, "syscall") && argc > 2) {
        unsigned long a[6] = {0};

        for (int i = 3; i < argc && i < 9; i++)
            a[i - 3] = strtoul(argv[i], NULL, 0);
        return report(syscall(atol(argv[2]), a[0], a[1], a[2], a[3], a[4], a[5]));
    }
    if (!strcmp(what, "fstype") && argc == 3) {
        struct statfs fs;

        if (statfs(argv[2], &fs) < 0)
            return report(-1);
        printf("%lx\n", (unsigned long)fs.f_type);
        return 0;
    }
    if (!strcmp(what, "fds")) {
        for (int fd = 0; fd < 1024; fd++) {
            struct stat st;

            if (fstat(fd, &st) == 0)
                printf("%d ", fd);
        }
        puts("");
        return 0;
    }
    if (!strcmp(what, "keyring")) {
        char text[256] = "";

        if (syscall(SYS_keyctl, 6, -3, text, sizeof text - 1, 0) < 0)
            return report(-1);
        puts(text);
        return 0;
    }
    if (!strcmp(what, "keylabel")) {
        char text[256] = "";

        if (syscall(SYS_keyctl, 17, -3, text, sizeof text - 1, 0) < 0)
            return report(-1);
        puts(text);
        return 0;
    }
    if (!strcmp(what, "label") && argc > 2) {
        for (int i = 2; i < argc; i++) {
            char text[256] = "";

            if (getxattr(argv[i], "security.selinux", text, sizeof text - 1) < 0)
                report(-1);
            else
                puts(text);
        }
        return 0;
    }
    if (!strcmp(what, "eat") && argc == 3) {
        size_t size = strtoul(argv[2], NULL, 0) << 20;
        char *p = malloc(size);

        for (size_t i = 0; p && i < size; i += 4096)
            p[i] = 1;
        puts("ate");
        return 0;
    }
    if (!strcmp(what, "notify") && argc == 3) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        const char *path = getenv("NOTIFY_SOCKET");
        int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

        if (!path) {
            puts("no NOTIFY_SOCKET");
            return 1;
        }
        snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
        if (path[0] == '@')
            sa.sun_path[0] = 0;
        return report(sendto(fd, argv[2], strlen(argv[2]), 0, (struct sockaddr *)&sa,
                             offsetof(struct sockaddr_un, sun_path) + strlen(path)));
    }
    if (!strcmp(what, "sigs")) {
        sigset_t mask;

        sigprocmask(SIG_SETMASK, NULL, &mask);
        for (int i = 1; i < 64; i++)
            if (sigismember(&mask, i) > 0)
                printf("blocked %d ", i);
        for (int i = 1; i < 64; i++) {
            struct sigaction sa;

            if (sigaction(i, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
                printf("ignored %d ", i);
        }
        puts("");
        return 0;
    }
    fprintf(stderr, "helper: what?\n");
    return 2;
}
