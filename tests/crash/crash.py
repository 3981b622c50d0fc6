# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sweeps over the system calls of a command.

Theory of operation.  A command is first run under `inject list`, which writes down the calls of the
runtime and of the processes that it makes.  Then it is run once for each point to be tried, with one
call spoiled, and after each the world is compared with what it was: processes below this one (it is a
subreaper), mounts, cgroups that bear the container's name, the state directory, the directory of the
pid file.  What a point left behind is removed before the next one, so that one defect is one line of
the report.

OCIRUN_CRASH_STRIDE=N tries each Nth point only, beginning at another one each day; it is printed.
`-m quick` does the same with a wide stride.
"""

import contextlib
import errno
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import time

import harness
from harness import read

HERE = os.path.dirname(os.path.abspath(__file__))
QUICK_STRIDE = 41
DELETE_DEADLINE = 5.0

# Calls that have no error that a program could meet: spoiling them would test a machine that cannot be.
INFALLIBLE = set("""arch_prctl brk clock_gettime close exit exit_group getegid geteuid getgid getpgrp getpid
getppid getrandom gettid getuid mprotect munmap rseq rt_sigaction rt_sigprocmask rt_sigreturn sched_yield
setitimer set_robust_list set_tid_address umask wait4 uname getresuid getresgid""".split())

# What the sanitizers' own allocator takes badly.
SANITIZER = {"mmap", "munmap", "madvise", "sigaltstack"}

# Calls that wait, or that the kernel may interrupt.
INTERRUPTIBLE = set("""read recvmsg recvfrom sendmsg sendto write accept4 poll ppoll flock connect openat
openat2 fallocate epoll_pwait clone3 fsconfig""".split())


def stride(config):
    if config.option.markexpr == "quick":
        return QUICK_STRIDE
    return max(1, int(os.environ.get("OCIRUN_CRASH_STRIDE", "1")))


def describe_stride(config):
    step = stride(config)
    return "stride %d, first point %d of each sweep" % (step, first_point(step))


def first_point(step):
    return int(os.environ.get("OCIRUN_CRASH_FIRST", time.time() // 86400)) % step


def call_names():
    text = subprocess.run(["gcc", "-dM", "-E", "-include", "sys/syscall.h", "-x", "c", "/dev/null"],
                          capture_output=True, text=True, check=True).stdout
    return {int(number): name for name, number in re.findall(r"#define __NR_(\w+) (\d+)$", text, re.M)}


def is_sanitized():
    """Whether the runtime is built with AddressSanitizer."""
    symbols = subprocess.run(["nm", "-D", harness.find_runtime()[0]], capture_output=True, check=False).stdout
    return b"__asan_init" in symbols


class Tools:
    def __init__(self, config):
        self.config = config
        self.stride = stride(config)
        self.inject = self.compile("inject")
        self.sanitized = is_sanitized()
        self.names = call_names()
        self.numbers = {name: number for number, name in self.names.items()}

    def compile(self, name):
        path = os.path.join(self.config.base.dir, name)
        subprocess.run(["gcc", "-std=gnu17", "-O1", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-o", path,
                        os.path.join(HERE, name + ".c")], check=True)
        return path

    def thin(self, points):
        # of a sweep that is shorter than the stride, one
        return (points[first_point(self.stride)::self.stride] or points[:1]) if self.stride > 1 else points


class Calls(list):
    """The calls of one process, in order: names."""

    def main(self, begin=0):
        """Where the program's own part begins: it checks the three standard descriptors first."""
        for i in range(begin, len(self) - 2):
            if self[i:i + 3] == ["fcntl"] * 3:
                return i
        return begin

    def own(self, process):
        """Indices of calls of ours, without those of the dynamic loader."""
        if process == 0:
            return range(self.main() + 3, len(self))
        # one that init has made does not execute init again
        if "execveat" not in self:
            return range(len(self))
        at = self.index("execveat")
        return [*range(0, at + 1), *range(self.main(at) + 3, len(self))]


class Crash:
    def __init__(self, rt, tools):
        self.rt, self.tools = rt, tools
        self.work = rt.path("work")
        os.mkdir(self.work)
        # made by the first command otherwise, whose calls would not be those of the later ones
        os.makedirs(rt.root + "/.cache", 0o700)
        self.problems, self.tried, self.hit = [], 0, False

    # ---- running a command with one call spoiled

    def inject(self, options, do, *argv, globals=(), **kw):
        mark = self.rt.path("mark")
        words = [self.tools.inject, "-m", mark, *map(str, options), str(do)]
        rt = self.rt
        if self.tools.sanitized:        # LeakSanitizer is a tracer too, and there can be one only
            kw.setdefault("env", {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"})
        saved, rt.command = rt.command, words + rt.command
        try:
            result = rt.cmd(*argv, globals=globals, **kw)
        finally:
            rt.command = saved
        self.hit = os.path.exists(mark)         # whether the call was reached at all
        if self.hit:
            os.unlink(mark)
        return result

    def list(self, *argv, ok=True, **kw):
        """process -> Calls"""
        path = os.path.join(self.work, "calls")
        result = self.inject(["-l", path], "list", *argv, **kw)
        if ok:
            result.ok()
        calls = {}
        for line in read(path).splitlines():
            process, number = map(int, line.split())
            calls.setdefault(process, Calls()).append(self.tools.names.get(number, str(number)))
        os.unlink(path)
        return calls

    def cool(self):
        """What the runtime keeps between commands is gone."""
        for name in os.listdir(self.rt.root + "/.cache"):
            os.unlink(os.path.join(self.rt.root, ".cache", name))

    def warm(self, bundle):
        """Run it once: the next commands find the compiled filter, and make the same calls as each other."""
        self.rt.run(bundle).ok()
        return bundle

    # ---- what is there

    def take(self):
        return (set(harness.descendants()), set(read("/proc/self/mountinfo").splitlines()), self.cgroups(), self.rt.states(),
                sorted(os.listdir(self.work)))

    @staticmethod
    def cgroups():
        return {path for top, _ in harness.cgroup_mounts() for path in glob.glob(top + "/*%s*" % harness.TOKEN)}

    def left(self, before, deadline=1.0):
        """What is there that was not: []; ending processes and cgroups take the kernel a moment."""
        end = time.monotonic() + deadline
        while True:
            harness.reap()
            now = self.take()
            found = ["process %d %s" % (p, harness.descendants().get(p)) for p in now[0] - before[0]]
            found += ["mount " + m for m in now[1] - before[1]]
            found += ["cgroup " + c for c in now[2] - before[2]]
            found += ["state " + s for s in now[3] if s not in before[3]]
            found += ["file " + f for f in now[4] if f not in before[4]]
            if not found or time.monotonic() > end:
                return found
            time.sleep(0.002)

    def wipe(self, before):
        for name in self.rt.states():
            if name not in before[3]:
                with contextlib.suppress(AssertionError):
                    self.rt.cmd("delete", "--force", name)
        for pid in set(harness.descendants()) - before[0]:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self.left((before[0], before[1], set(self.cgroups()), self.rt.states(), os.listdir(self.work)))
        for top in sorted(self.cgroups() - before[2]):
            for path, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(path)
        for name in self.rt.states():
            if name not in before[3]:
                shutil.rmtree(os.path.join(self.rt.root, name), ignore_errors=True)
        for name in os.listdir(self.work):
            if name not in before[4]:
                os.unlink(os.path.join(self.work, name))

    # ---- reports

    @contextlib.contextmanager
    def point(self, label, before):
        """One point of a sweep: an assertion becomes a line of the report."""
        self.tried += 1
        try:
            yield
        except AssertionError as e:
            self.problems.append("%s: %s" % (label, str(e).strip().split("\nassert ")[0]))
            self.wipe(before)
        finally:
            for memfd in self.rt.files:
                memfd.close()
            self.rt.files.clear()

    def report(self, least=1):
        print("%d points" % self.tried)
        assert self.tried >= least, "only %d points were tried" % self.tried
        assert not self.problems, "%d of %d points:\n  %s" % (
            len(self.problems), self.tried, "\n  ".join(self.problems[:60]))

    # ---- statements about a result

    def gone(self, before):
        found = self.left(before)
        assert not found, "left behind: " + ", ".join(found)

    def delete(self, ident, before):
        """delete --force removes all that a killed command left."""
        begin = time.monotonic()
        result = self.rt.cmd("delete", "--force", ident)
        took = time.monotonic() - begin
        assert result.rc == 0, "delete --force: %d %s" % (result.rc, result.err)
        assert took < DELETE_DEADLINE, "delete --force took %.1f s" % took
        self.gone(before)

    @staticmethod
    def one_line(result):
        assert not result.died and (result.rc < 128 or result.rc == 255), "died: %d %s" % (result.rc, result.err)
        assert result.err.count("\n") == 1 and result.err.endswith("\n"), "not one line: %r" % result.err
        assert result.err.startswith("ocirun: "), result.err

    def legible(self, ident):
        """state and list work on what a killed command left."""
        result = self.rt.cmd("state", ident)
        if result.rc == 0:
            status = json.loads(result.out)["status"]
            assert status in ("creating", "created", "running", "stopped"), status
        else:
            self.one_line(result)
        assert self.rt.cmd("list").rc == 0, "list fails"

    def status(self, ident):
        return self.rt.state(ident)["status"]


# ---- faults: which calls to spoil, and with what

def fault_points(calls, process, tools, all_of_them):
    """[(index, name, occurrence, errno)]: of each kind of call the first three occurrences and the
    last one, or all."""
    seen, points = {}, []
    total = {}
    for name in calls:
        total[name] = total.get(name, 0) + 1
    own = set(calls.own(process))
    first = {}
    for index, name in enumerate(calls):
        seen[name] = seen.get(name, 0) + 1
        if index not in own or name in INFALLIBLE or tools.sanitized and name in SANITIZER:
            continue
        first.setdefault(name, seen[name])
        if not all_of_them and seen[name] - first[name] >= 3 and seen[name] != total[name]:
            continue
        for error in (errno.EIO, errno.ENOMEM) + ((errno.EINTR,) if name in INTERRUPTIBLE else ()):
            points.append((index, name, seen[name], error))
    return tools.thin(points)
