# SPDX-License-Identifier: LGPL-2.1-or-later
"""System call filters: requirements 200-208."""

import errno
import fcntl
import json
import os
import struct
import threading

import pytest

from harness import receive_fd, write

X86 = {"mkdirat": 258, "getppid": 110, "personality": 135, "sched_yield": 24, "getcwd": 79, "chroot": 161}
ARM = {"mkdirat": 34, "getppid": 173, "personality": 92, "sched_yield": 124, "getcwd": 17, "chroot": 51}
NR = X86 if os.uname().machine == "x86_64" else ARM


def profile(bundle, default="SCMP_ACT_ALLOW", *rules, **more):
    bundle.linux["seccomp"] = {"defaultAction": default, "syscalls": list(rules), **more}


def rule(action, *names, **more):
    return {"names": list(names), "action": action, **more}


def call(rt, bundle, name, *args):
    return rt.run(bundle.args("/bin/helper", "syscall", str(NR[name]), *map(str, args)))


@pytest.mark.quick
@pytest.mark.parametrize("nnp", [True, False])
def test_r200_errno_default_is_eperm(rt, bundle, nnp):
    bundle.process["noNewPrivileges"] = nnp
    profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "getppid"))
    assert call(rt, bundle, "getppid").ok().out.strip() == "errno %d" % errno.EPERM
    assert rt.sh(bundle, "grep Seccomp: /proc/self/status").split()[1] == "2"


@pytest.mark.parametrize("number", [1, 38, 5, 0])
def test_r202_errno_ret(rt, bundle, number):
    profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "getppid", errnoRet=number))
    out = call(rt, bundle, "getppid").ok().out.strip()
    assert out == ("errno %d" % number if number else "0")


def test_r202_default_errno_ret(rt, bundle):
    # everything that a shell needs is allowed, by denying only what is tested
    profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "getppid", errnoRet=11),
            rule("SCMP_ACT_ERRNO", "personality", errnoRet=12))
    assert call(rt, bundle, "getppid").ok().out.strip() == "errno 11"
    assert call(rt, bundle, "personality", "0xffffffff").ok().out.strip() == "errno 12"


@pytest.mark.parametrize("action", ["SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD"])
def test_kill_actions(rt, bundle, action):
    profile(bundle, "SCMP_ACT_ALLOW", rule(action, "getppid"))
    assert call(rt, bundle, "getppid").rc == 128 + 31


@pytest.mark.parametrize("action", ["SCMP_ACT_LOG", "SCMP_ACT_ALLOW"])
def test_harmless_actions(rt, bundle, action):
    profile(bundle, "SCMP_ACT_ALLOW", rule(action, "getppid"))
    assert call(rt, bundle, "getppid").ok().out.strip() == "0"


@pytest.mark.untraced("a traced program survives this signal")
def test_trap(rt, bundle):
    profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_TRAP", "getppid"))
    assert call(rt, bundle, "getppid").rc == 128 + 31


@pytest.mark.parametrize("op,value,two,denied,allowed", [
    ("SCMP_CMP_EQ", 5, 0, [5], [4, 6]), ("SCMP_CMP_NE", 5, 0, [4, 6], [5]), ("SCMP_CMP_LT", 5, 0, [4], [5, 6]),
    ("SCMP_CMP_LE", 5, 0, [4, 5], [6]), ("SCMP_CMP_GT", 5, 0, [6], [4, 5]), ("SCMP_CMP_GE", 5, 0, [5, 6], [4]),
    ("SCMP_CMP_MASKED_EQ", 0xf0, 0x50, [0x50, 0x5f, 0x150], [0x40, 0x60]),
    ("SCMP_CMP_EQ", 0x500000001, 0, [0x500000001], [1, 0x500000000]),
    ("SCMP_CMP_GT", 0x500000001, 0, [0x500000002, 0x600000000], [0x500000001, 0x4ffffffff, 2])],
    ids=["eq", "ne", "lt", "le", "gt", "ge", "masked", "eq64", "gt64"])
def test_arguments(rt, bundle, op, value, two, denied, allowed):
    arg = {"index": 2, "value": value, "op": op}
    if two:
        arg["valueTwo"] = two
    profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "getppid", errnoRet=77, args=[arg]))
    script = "; ".join("helper syscall %d 0 0 %d" % (NR["getppid"], v) for v in denied + allowed)
    out = rt.sh(bundle, script).splitlines()
    assert [l == "errno 77" for l in out] == [True] * len(denied) + [False] * len(allowed)


def test_arguments_are_joined_by_and(rt, bundle):
    args = [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 2, "op": "SCMP_CMP_EQ"}]
    profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "getppid", errnoRet=77, args=args))
    script = "; ".join("helper syscall %d %s" % (NR["getppid"], a) for a in ("1 2", "1 0", "0 2"))
    assert [l == "errno 77" for l in rt.sh(bundle, script).splitlines()] == [True, False, False]


def test_unknown_names_are_skipped(rt, bundle):
    profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "no_such_syscall", "getppid"))
    result = call(rt, bundle, "getppid").ok()
    assert result.out.strip() == "errno 1" and result.err == ""


@pytest.mark.ocirun_only
@pytest.mark.parametrize("what", ["default", "rule"])
def test_r201_errno_ret_with_other_action(rt, bundle, what):
    if what == "default":
        profile(bundle, "SCMP_ACT_ALLOW", defaultErrnoRet=5)
    else:
        profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_KILL", "getppid", errnoRet=5))
    rt.failing_create(bundle, match="rrnoRet")


@pytest.mark.ocirun_only
def test_r207_empty_names(rt, bundle):
    profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO"))
    rt.failing_create(bundle, match="names")


@pytest.mark.ocirun_only
def test_r206_metadata_without_path(rt, bundle):
    profile(bundle, listenerMetadata="x")
    rt.failing_create(bundle, match="listenerMetadata")


@pytest.mark.parametrize("index", [6, -1])
def test_bad_argument_index(rt, bundle, index):
    profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "getppid", args=[{"index": index, "value": 0, "op": "SCMP_CMP_EQ"}]))
    rt.failing_create(bundle, match="index")


@pytest.mark.parametrize("flags", [[], ["SECCOMP_FILTER_FLAG_LOG"], ["SECCOMP_FILTER_FLAG_TSYNC"],
                                   ["SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_LOG"]], ids=str)
def test_flags(rt, bundle, flags):
    profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "getppid"), flags=flags)
    assert call(rt, bundle, "getppid").ok().out.strip() == "errno 1"


@pytest.mark.ocirun_only
def test_getcwd_denied(rt, bundle):
    # the cwd check precedes the filter
    profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "getcwd"))
    assert call(rt, bundle, "getcwd").ok().out.strip() == "errno 1"


@pytest.mark.ocirun_only
@pytest.mark.parametrize("action", ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"])
def test_failing_program_is_not_looked_at(rt, bundle, action):
    """Why the kernel refused it is said under any filter: of no_new_privs, it comes last of all."""
    more = {"errnoRet": errno.EACCES} if action == "SCMP_ACT_ERRNO" else {}
    profile(bundle, "SCMP_ACT_ALLOW", rule(action, "open", "openat", "openat2", "readlinkat", "newfstatat", **more))
    bundle.process["noNewPrivileges"] = True
    write(bundle.rootfs + "/data/prog", "just text\n", 0o755)
    result = rt.run(bundle.args("/data/prog")).fails()
    assert "exec /data/prog: exec format error" in result.err


def test_exec_gets_the_filter(rt, bundle):
    profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "getppid", errnoRet=77))
    c = rt.hold(bundle)
    assert c.exec("helper", "syscall", NR["getppid"]).ok().out.strip() == "errno 77"
    c.stop()


@pytest.mark.quick
@pytest.mark.parametrize("name", ["signalfd4", "recvfrom", "sendmsg", "setsockopt", "madvise", "close_range"])
def test_calls_that_waiting_does_without(rt, bundle, name):
    # without noNewPrivileges the filter is in force while init waits for start
    bundle.process["noNewPrivileges"] = False
    profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", name))
    c = rt.create(bundle.sh("echo ran"))
    assert c.status() == "created"
    c.start().ok()
    assert c.wait() == 0 and c.out == "ran\n"
    c.delete().ok()
    c = rt.create(bundle)
    if rt.is_ocirun:
        c.kill("TERM").ok()
        assert c.wait() == 128 + 15
    c.delete("--force").ok()


@pytest.mark.quick
@pytest.mark.ocirun_only
@pytest.mark.parametrize("name", ["poll", "accept4", "recvmsg", "rt_sigprocmask", "prctl"])
def test_calls_that_waiting_needs(rt, bundle, name):
    bundle.process["noNewPrivileges"] = False
    names = [name, "ppoll"] if name == "poll" else [name]
    profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", *names))
    rt.failing_create(bundle.sh("echo ran"), match="profile is in force already.* does it allow .*" + name)
    if name in ("poll", "accept4"):
        assert rt.sh(bundle) == "ran\n"      # run does not wait for start


@pytest.mark.ocirun_only
def test_newer_than_the_profile_is_enosys(rt, bundle):
    names = """read write close openat execve exit exit_group mmap mprotect munmap brk rt_sigaction rt_sigprocmask
    newfstatat fstat statx getrandom set_tid_address set_robust_list rseq prlimit64 arch_prctl readlinkat readlink ioctl lseek
    writev futex uname getpid access faccessat fcntl dup dup2 dup3 getuid geteuid getgid getegid close_range""".split()
    profile(bundle, "SCMP_ACT_ERRNO", rule("SCMP_ACT_ALLOW", *names))
    out = rt.run(bundle.args("/bin/helper", "syscall", "5000")).ok().out
    assert out.strip() == "errno %d" % errno.ENOSYS
    assert call(rt, bundle, "chroot").ok().out.strip() == "errno %d" % errno.EPERM


class Agent(threading.Thread):
    """A seccomp agent: takes one connection, answers each notification with an error number."""

    def __init__(self, sock, answer=99, close=False):
        super().__init__(daemon=True)
        self.sock, self.answer, self.close_it = sock, answer, close
        self.data, self.fds, self.more, self.count = b"", [], None, 0
        self.stop_r, self.stop_w = os.pipe()
        self.start()

    def run(self):
        import select
        try:
            conn, _ = self.sock.accept()
        except OSError:
            return                        # nobody has come until the test closed it
        with conn:
            self.data, self.fds = receive_fd(conn)
            if self.close_it:
                return
            conn.settimeout(0.5)
            try:
                self.more = conn.recv(100)
            except TimeoutError:
                pass                      # the runtime keeps the connection open
        fd = self.fds[0]
        while True:
            ready = select.select([fd, self.stop_r], [], [])[0]
            if self.stop_r in ready:
                return
            req = bytearray(80)
            try:
                fcntl.ioctl(fd, 0xc0502100, req, True)
            except OSError:
                return
            self.count += 1
            resp = struct.pack("QqiI", struct.unpack_from("Q", req)[0], 0, -self.answer, 0)
            try:
                fcntl.ioctl(fd, 0xc0182101, resp)
            except OSError:
                return

    def finish(self):
        os.write(self.stop_w, b"x")
        self.join(5)
        for fd in self.fds + [self.stop_r, self.stop_w]:
            os.close(fd)


@pytest.mark.quick
def test_r203_r208_notify(rt, bundle):
    path = rt.path("agent.sock")
    with rt.listener(path) as sock:
        agent = Agent(sock)
        profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_NOTIFY", "getppid"), listenerPath=path, listenerMetadata="meta")
        ident = rt.new_id()
        bundle.args("/bin/helper", "syscall", str(NR["getppid"]))
        out = rt.run(bundle, ident=ident).ok().out
        agent.finish()
    assert out.strip() == "errno 99" and agent.count == 1
    state = json.loads(agent.data)
    assert state["fds"] == ["seccompFd"] and len(agent.fds) == 1
    assert state["metadata"] == "meta" and state["ociVersion"] and state["pid"] > 0
    assert state["state"]["id"] == ident and not agent.more
    if rt.is_ocirun:
        assert agent.more == b"", "connection not closed"
        assert state["state"]["status"] == "creating" and state["state"]["pid"] == state["pid"]


@pytest.mark.parametrize("nnp", [True, False])
def test_r203_notify_both_orders(rt, bundle, nnp):
    path = rt.path("agent.sock")
    bundle.process["noNewPrivileges"] = nnp
    with rt.listener(path) as sock:
        agent = Agent(sock, answer=5)
        profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_NOTIFY", "getppid"), listenerPath=path)
        out = call(rt, bundle, "getppid").ok().out
        agent.finish()
    assert out.strip() == "errno 5"


def test_r204_no_listener(rt, bundle):
    profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_NOTIFY", "getppid"), listenerPath=rt.path("nobody.sock"))
    rt.failing_create(bundle, match="listenerPath|nobody.sock")


def test_r205_listener_ignored_without_notify(rt, bundle):
    profile(bundle, "SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "getppid"), listenerPath=rt.path("nobody.sock"))
    assert call(rt, bundle, "getppid").ok().out.strip() == "errno 1"


def test_profile_that_denies_most(rt, bundle):
    # a list of what is allowed, as engines write it, without what only the set-up needs
    names = """read write close openat open execve exit exit_group mmap mprotect munmap brk rt_sigaction rt_sigprocmask
    newfstatat fstat stat lstat statx getrandom set_tid_address set_robust_list rseq prlimit64 arch_prctl readlinkat readlink
    ioctl lseek writev futex uname getpid getppid access faccessat fcntl dup dup2 dup3 getuid geteuid getgid getegid
    fork vfork clone clone3 wait4 getcwd chdir rt_sigreturn getdents64 sendfile pipe pipe2 poll prctl capset capget
    setuid setgid setresuid setresgid setgroups close_range fchdir sigaltstack epoll_ctl epoll_pwait epoll_create1 gettid tgkill
    nanosleep madvise sched_yield sched_getaffinity mincore fstatfs statfs faccessat2 openat2 keyctl fchown getpgrp
    setsid umask connect socket sendmsg recvmsg sendto recvfrom""".split()
    profile(bundle, "SCMP_ACT_ERRNO", rule("SCMP_ACT_ALLOW", *names), architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"])
    assert rt.sh(bundle, "echo ok; mkdir /data/x 2>/dev/null || echo denied") == "ok\ndenied\n"


@pytest.mark.ocirun_only
@pytest.mark.parametrize("command", ["start", "run", "run-d"])
@pytest.mark.parametrize("late", [False, True])
def test_killed_before_the_program(rt, bundle, command, late):
    """A filter that kills at execve: the program has never run, and start says so."""
    bundle.process["noNewPrivileges"] = late
    profile(bundle.args("/bin/true"), "SCMP_ACT_ALLOW", rule("SCMP_ACT_KILL_PROCESS", "execve"))
    if command == "start":
        c = rt.create(bundle)
        assert "before the program ran" in c.start().fails().err
        assert c.wait() == 128 + 31 and c.status() == "stopped"
        c.delete().ok()
        return
    result = rt.run(bundle, *["-d"] * (command == "run-d")).fails()
    assert "before the program ran" in result.err
    assert rt.states() == []
