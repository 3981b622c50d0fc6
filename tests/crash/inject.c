/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inject - run a command and spoil one system call of it
 *
 *     inject [-p PROCESS] [-c NUMBER] [-w WHEN] [-l FILE] [-m FILE] [-a PID] DO COMMAND
 * [ARGUMENT...]
 *
 * PROCESS 0 (the default) is the command itself, 1 the first process that it makes, and so on in
 * the order in which they appear; with -a it is the process PID, which is there already. DO is
 *
 *     kill    SIGKILL when the process enters the call
 *     ERRNO   (a number) the call is not carried out and returns this error
 *     list    nothing; the calls are only listed
 *
 * for the WHENth call of the process, or the WHENth with this NUMBER. -l writes one line for each
 * call, "PROCESS NUMBER"; -m makes a file when the call has been spoiled: a process that waits for
 * others does not always make the same number of calls. The exit status is that of the command, 128
 * + N when signal N ended it.
 *
 * strace's own injection counts each kind of call by itself and for all processes alike, so "the
 * Nth call of init" cannot be said to it; and this does only what is needed, in a third of the
 * time.
 *
 * The program that init executes at last is nothing of ours: a followed process is let go at its
 * second execve (the first one makes it init), the command at none.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

#define MAX_PROCESSES 64

struct process {
    pid_t pid;
    unsigned execs;
    unsigned long calls; /* that match */
    int result;          /* error to return at the exit of this call */
};

static struct process processes[MAX_PROCESSES];
static unsigned n_processes;
static unsigned target;
static long number = -1;
static unsigned long when;
static int error; /* 0: kill; -1: list */
static FILE *list;
static const char *mark;

static void die(const char *what)
{
    perror(what);
    exit(126);
}

static struct process *find(pid_t pid)
{
    for (unsigned i = 0; i < n_processes; i++) {
        if (processes[i].pid == pid)
            return &processes[i];
    }
    if (n_processes == MAX_PROCESSES)
        return NULL;
    processes[n_processes].pid = pid;
    return &processes[n_processes++];
}

/* Replace the number of the call that is being entered by one that does not exist. */
static void skip_call(pid_t pid)
{
#if defined __x86_64__
    struct user_regs_struct regs;

    if (ptrace(PTRACE_GETREGS, pid, 0, &regs) < 0)
        die("registers");
    regs.orig_rax = (unsigned long long)-1;
    if (ptrace(PTRACE_SETREGS, pid, 0, &regs) < 0)
        die("registers");
#elif defined __aarch64__
    int none = -1;
    struct iovec iov = {&none, sizeof none};

    if (ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &iov) < 0)
        die("registers");
#else
#error "this machine's registers"
#endif
}

static void set_result(pid_t pid, int result)
{
#if defined __x86_64__
    struct user_regs_struct regs;

    if (ptrace(PTRACE_GETREGS, pid, 0, &regs) < 0)
        return;
    regs.rax = (unsigned long long)(long long)result;
    ptrace(PTRACE_SETREGS, pid, 0, &regs);
#elif defined __aarch64__
    struct user_regs_struct regs;
    struct iovec iov = {&regs, sizeof regs};

    if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov) < 0)
        return;
    regs.regs[0] = (unsigned long long)(long long)result;
    ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &iov);
#endif
}

static void at_call(struct process *p)
{
    struct ptrace_syscall_info info;
    unsigned index = (unsigned)(p - processes);

    if (ptrace(PTRACE_GET_SYSCALL_INFO, p->pid, sizeof info, &info) < 0)
        return;
    if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
        if (p->result)
            set_result(p->pid, p->result);
        p->result = 0;
        return;
    }
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
        return;
    if (list)
        fprintf(list, "%u %lu\n", index, (unsigned long)info.entry.nr);
    if (index != target || error < 0 || (number >= 0 && (long)info.entry.nr != number) ||
        ++p->calls != when)
        return;
    if (mark)
        close(creat(mark, 0600));
    if (error == 0) {
        kill(p->pid, SIGKILL);
    } else {
        p->result = -error;
        skip_call(p->pid);
    }
}

/* Only the target needs to stop at each call; when that is past, nobody does. */
static int wants_calls(const struct process *p)
{
    unsigned index = (unsigned)(p - processes);

    return list || (index == target && (p->calls < when || p->result));
}

static void resume(struct process *p, int sig)
{
    ptrace(wants_calls(p) ? PTRACE_SYSCALL : PTRACE_CONT, p->pid, 0, (void *)(long)sig);
}

static void stopped(pid_t pid, int status)
{
    int sig = WSTOPSIG(status), event = status >> 16;
    struct process *p = find(pid);

    if (!p) {
        ptrace(PTRACE_DETACH, pid, 0, 0);
        return;
    }
    if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK) {
        unsigned long child;

        /* Numbered here: the child's own first stop may come later than its siblings'. */
        if (ptrace(PTRACE_GETEVENTMSG, pid, 0, &child) == 0) {
            struct process *c = find((pid_t)child);

            if (c && p != processes)
                c->execs = p->execs; /* init forks once more for some namespaces */
        }
        resume(p, 0);
    } else if (event == PTRACE_EVENT_EXEC) {
        if (p != processes && ++p->execs >= 2)
            ptrace(PTRACE_DETACH, pid, 0, 0);
        else
            resume(p, 0);
    } else if (event) {
        resume(p, 0); /* a new process, or a seized one */
    } else if (sig == (SIGTRAP | 0x80)) {
        at_call(p);
        resume(p, 0);
    } else {
        resume(p, sig);
    }
}

/* Seized, not PTRACE_TRACEME: its children would begin with a SIGSTOP, which stops them for good if
 * we end first. */
static pid_t start(char **argv, unsigned long options)
{
    int gate[2], status;
    char byte = 0;
    pid_t pid;

    if (pipe2(gate, O_CLOEXEC) < 0 || (pid = fork()) < 0)
        die("fork");
    if (pid == 0) {
        if (read(gate[0], &byte, 1) != 1)
            _exit(126);
        execvp(argv[0], argv);
        die(argv[0]);
    }
    if (ptrace(PTRACE_SEIZE, pid, 0, (void *)options) < 0 || write(gate[1], &byte, 1) != 1)
        die("ptrace");
    close(gate[0]);
    close(gate[1]);
    /* Up to its execve, so that its first call is the first one of the new image. */
    if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status) || status >> 16 != PTRACE_EVENT_EXEC)
        exit(126);
    return pid;
}

int main(int argc, char **argv)
{
    pid_t attach = 0, command, pid;
    unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC;
    int status, c;

    while ((c = getopt(argc, argv, "+p:c:w:l:m:a:")) >= 0) {
        switch (c) {
        case 'p':
            target = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'c':
            number = strtol(optarg, NULL, 10);
            break;
        case 'w':
            when = strtoul(optarg, NULL, 10);
            break;
        case 'l':
            list = fopen(optarg, "we");
            break;
        case 'm':
            mark = optarg;
            break;
        case 'a':
            attach = (pid_t)strtol(optarg, NULL, 10);
            break;
        default:
            return 126;
        }
    }
    if (argc - optind < 2)
        return 126;
    error = !strcmp(argv[optind], "kill")   ? 0
            : !strcmp(argv[optind], "list") ? -1
                                            : (int)strtol(argv[optind], NULL, 10);
    if (target || list || attach)
        options |= PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
    command = start(argv + optind + 1, options);
    find(command);
    if (attach) {
        struct process *p = find(attach);

        target = (unsigned)(p - processes);
        p->execs = 1;
        if (ptrace(PTRACE_SEIZE, attach, 0, (void *)options) < 0 ||
            ptrace(PTRACE_INTERRUPT, attach, 0, 0) < 0)
            die("attach");
    }
    resume(&processes[0], 0);
    while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
        if (pid < 0)
            continue;
        if (WIFSTOPPED(status))
            stopped(pid, status);
        else if (pid == command)
            break;
    }
    if (list)
        fclose(list);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
