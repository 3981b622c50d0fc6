/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes and procfs: identity that survives pid reuse, the verified procfs handle, signals. */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * proc_open - the machine's /proc, checked to be the root of a procfs (statfs magic, inode 1)
 * Returns an O_PATH|O_DIRECTORY fd, or -1.
 */
int proc_open(struct err *err);

/** proc_is_root - whether @fd is the root of a procfs, of whatever pid namespace */
bool proc_is_root(int fd);

/**
 * proc_private - a procfs of the caller's own pid namespace that nothing can be mounted over:
 * fsopen("proc"). Refused by the kernel in some user namespaces: the caller falls back to
 * proc_open(). Returns the fd, or -1 (without logging).
 */
int proc_private(struct err *err);

/** proc_start_time - field 22 of /proc/PID/stat (clock ticks since boot), or 0 if there is none */
uint64_t proc_start_time(pid_t pid);

/** proc_exit_status - exit status (128 + signal) of a process that has ended and was not waited for
 * by its parent yet; -1: not known */
int proc_exit_status(pid_t pid, uint64_t start);

/** proc_pidfd - pidfd of @pid if its start time is still @start (0: any); -1 with errno ESRCH
 * otherwise, and with ENOSYS or EPERM where pidfd_open is missing or filtered: the caller decides
 */
int proc_pidfd(pid_t pid, uint64_t start);

/** proc_alive - whether @pid with @start runs (a zombie does not) */
bool proc_alive(pid_t pid, uint64_t start);

/** proc_now - CLOCK_MONOTONIC in milliseconds: for deadlines */
int64_t proc_now(void);

/** proc_kill_pending - whether a SIGKILL waits for the process: it is frozen, or about to end */
bool proc_kill_pending(pid_t pid, uint64_t start);

/**
 * proc_wait_pidfd - wait until the process of @pidfd ends
 * @timeout: milliseconds, -1 without limit
 * Returns 0, or -1 with errnum ETIMEDOUT.
 */
int proc_wait_pidfd(int pidfd, int timeout, struct err *err);

/**
 * proc_send_signal - send @sig to the process of @pidfd
 * @pid, @start: the same process by number; for the fallback where a filter refuses
 *               pidfd_send_signal: kill(2) after its start time was compared. @start 0: no
 * fallback.
 * @pidfd: may be -1 where proc_pidfd() cannot work; then only the fallback is tried.
 * Returns 0, or -1 with errnum ESRCH when the process is gone.
 */
int proc_send_signal(int pidfd, pid_t pid, uint64_t start, int sig, struct err *err);

/** proc_kill_group - SIGKILL for the process group that the process of @pidfd leads
 * @pid: the same process by number, for kernels before 6.9; @pidfd may be -1 */
void proc_kill_group(int pidfd, pid_t pid);

/** proc_describe - "pid 12 (sh), state D, wchan …" for messages about who is stuck */
void proc_describe(pid_t pid, char *buf, size_t size);

/** proc_signal_number - 9, KILL, SIGKILL, kill, RTMIN+3, SIGRTMAX-1 -> number, or -1 */
int proc_signal_number(const char *text);

/** proc_signal_name - "SIGKILL" for 9, "SIGRTMIN+3"; "signal 99" if unknown; static or in @buf */
const char *proc_signal_name(int sig, char buf[static 24]);

/**
 * proc_open_self - open self/@path below the handle, as path_open_beneath() does
 * "self" is a link, which that refuses: its text is read, and has to be a number.
 * Returns an fd, or -1.
 */
int proc_open_self(int procfs, const char *path, int flags, struct err *err);

/**
 * proc_reopen - open what an O_PATH fd of ours stands for with other flags, through @procfs
 * Returns a new fd, or -1.
 */
int proc_reopen(int procfs, int fd, int flags, struct err *err);

/** proc_read_self - the whole text of self/@path, up to @max bytes; free() it. NULL with @err
 * filled
 */
char *proc_read_self(int procfs, const char *path, size_t max, struct err *err);

/** proc_write - write to a file of procfs through the handle: RESOLVE_BENEATH, NO_MAGICLINKS,
 * NO_XDEV
 * @procfs: handle; @path: "self/attr/exec", "sys/net/ipv4/ip_forward"
 */
int proc_write(int procfs, const char *path, const char *value, struct err *err);

/** proc_in_user_namespace - whether this process is in a user namespace other than the initial one
 * (/proc/self/uid_map is not the full identity map) */
bool proc_in_user_namespace(void);

/**
 * proc_map_id - what an id of our user namespace is in the one above it
 * @file:    "uid_map" or "gid_map"
 * @outside: set if it is mapped, untouched otherwise; may be NULL
 * Returns whether @id is mapped. Source: user_namespaces(7).
 */
bool proc_map_id(const char *file, uint32_t id, uint32_t *outside);

/** proc_default_signals - signals as a fresh process has them, for a program that is about to be
 * executed: execve(2) resets handlers but keeps what is ignored and blocked; here all is reset.
 * Usable between fork and execve. */
void proc_default_signals(void);

#endif
