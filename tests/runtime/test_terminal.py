# SPDX-License-Identifier: LGPL-2.1-or-later
"""Terminals: requirements 86-88, 150; the foreground relay."""

import contextlib
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import termios
import time

import pytest

from harness import SLOWNESS, pid_wait, receive_fd, set_winsize, until


def read_until(fd, text, deadline=10.0):
    """Read a terminal until text appears; the end of it is reached when the other side is closed."""
    data, end = b"", time.monotonic() + deadline * SLOWNESS
    while text is None or text.encode() not in data:
        left = end - time.monotonic()
        assert left > 0, "timed out; got %r" % data[-500:]
        if select.select([fd], [], [], left)[0]:
            try:
                more = os.read(fd, 65536)
            except OSError:
                more = b""
            if not more:
                assert text is None, "ended; got %r" % data[-500:]
                break
            data += more
    return data.decode("utf8", "replace")


@pytest.fixture
def console(rt, bundle):
    """create with a console socket; gives (container, master)."""
    opened = []

    def create(path=None, make=None, options=()):
        path = path or rt.path("console.sock")
        bundle.process["terminal"] = True
        with rt.listener(path) as sock:
            if make:
                result = make(path)
            else:
                result = rt.create(bundle, "--console-socket", path, *options)
            conn, _ = sock.accept()
            with conn:
                data, fds = receive_fd(conn)
        assert data and len(fds) == 1
        opened.extend(fds)
        return result, fds[0]

    rt.cleanups.append(lambda: [os.close(fd) for fd in opened])
    return create


@pytest.mark.quick
def test_r086_console_socket(rt, bundle, console):
    bundle.sh("tty; test -t 0 && test -t 1 && test -t 2 && echo all; readlink /proc/self/fd/0; exit 4")
    c, master = console()
    c.start().ok()
    out = read_until(master, None)
    assert c.wait() == 4
    assert "/dev/pts/0" in out and "all" in out


@pytest.mark.quick
def test_r150_dev_console(rt, bundle, console):
    bundle.sh("stat -L -c %t:%T /dev/console; echo through > /dev/console; echo done")
    c, master = console()
    c.start().ok()
    out = read_until(master, None)
    c.wait()
    assert "88:0" in out and "through" in out


@pytest.mark.ocirun_only
def test_multiplexer_of_the_image(rt, bundle):
    """A node that only looks like one is not opened to find out; there is no driver that would answer."""
    for name in ("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"):
        bundle.drop_mount(name)
    os.mkdir(bundle.rootfs + "/dev/pts")
    os.mknod(bundle.rootfs + "/dev/pts/ptmx", stat.S_IFBLK | 0o666, os.makedev(240, 0))
    bundle.process["terminal"] = True
    rt.failing_create(bundle, "--console-socket", rt.path("console.sock"), match="what is there is another file system")


@pytest.mark.parametrize("path_len", [107, 108, 200])
def test_console_socket_long_path(rt, bundle, console, path_len):
    directory = rt.path("d" * (path_len - len(rt.dir) - 1 - 5))
    os.mkdir(directory)
    path = directory + "/sock"
    assert len(path) == path_len
    c, master = console(path)
    c.delete("-f").ok()


def test_console_size(rt, bundle, console):
    bundle.process["consoleSize"] = {"height": 33, "width": 111}
    bundle.sh("stty size")
    c, master = console()
    c.start().ok()
    assert "33 111" in read_until(master, None)
    c.wait()


def test_r087_console_size_without_terminal(rt, bundle):
    bundle.process["consoleSize"] = {"height": 33, "width": 111}
    assert rt.sh(bundle, "echo ok") == "ok\n"


@pytest.mark.parametrize("member", ["height", "width"])
def test_r088_half_a_console_size(rt, bundle, member):
    bundle.process["consoleSize"] = {member: 33}
    bundle.process["terminal"] = True
    with rt.listener(rt.path("console.sock")):
        rt.failing_create(bundle, "--console-socket", rt.path("console.sock"), match=r"process\.consoleSize")


def test_controlling_terminal(rt, bundle, console):
    bundle.sh("trap 'echo INTR; exit 3' INT; echo ready; while :; do sleep 1000 & wait; done")
    c, master = console()
    c.start().ok()
    read_until(master, "ready")
    os.write(master, b"\x03")
    read_until(master, "INTR")
    assert c.wait() == 3


def test_owner_is_the_user(rt, bundle, console):
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    bundle.sh("stat -L -c 'uid=%u' /proc/self/fd/0; echo ok > /dev/tty")
    c, master = console()
    c.start().ok()
    out = read_until(master, None)
    c.wait()
    assert "uid=1000" in out and "ok" in out


def test_terminal_without_socket(rt, bundle):
    bundle.process["terminal"] = True
    rt.failing_create(bundle, match="terminal|console")


def test_socket_without_terminal(rt, bundle):
    with rt.listener(rt.path("s")) as _:
        if rt.name != "crun":
            rt.failing_create(bundle, "--console-socket", rt.path("s"), match="terminal|console")


def test_socket_missing(rt, bundle):
    bundle.process["terminal"] = True
    rt.failing_create(bundle, "--console-socket", rt.path("nobody"), match="nobody")


@pytest.mark.ocirun_only
@pytest.mark.parametrize("option", ["--console-socket", "--pidfd-socket"])
def test_nobody_takes_what_is_sent(rt, bundle, option):
    """A listener with a full backlog: connecting has a deadline too, and nothing is left behind."""
    bundle.process["terminal"] = option == "--console-socket"
    bundle.args("/bin/true")
    with rt.listener(rt.path("s")) as sock, contextlib.ExitStack() as waiting:
        sock.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                caller = waiting.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
                caller.connect(rt.path("s"))
        rt.failing_create(bundle, option, rt.path("s"), match="%s socket .*timed out" % option[2:].split("-", 1)[0],
                          env=dict(os.environ, OCIRUN_TIMEOUT="1"))


@pytest.mark.quick
def test_exec_console_socket(rt, bundle, console):
    c = rt.hold(bundle)
    pid_file = rt.path("pid")
    _, master = console(make=lambda path: rt.cmd("exec", "--tty", "-d", "--pid-file", pid_file, "--console-socket", path, c.id,
                                                 "/bin/sh", "-c", "tty; echo hi").ok())
    out = read_until(master, None)
    assert "hi" in out and "/dev/pts/" in out
    pid_wait(int(open(pid_file, encoding="utf8").read()))
    c.stop()


class Foreground:
    """The runtime in the foreground of a terminal of ours."""

    def __init__(self, rt, *args):
        self.rt = rt
        self.master, self.slave = os.openpty()
        set_winsize(self.slave, 24, 80)
        self.before = termios.tcgetattr(self.slave)
        slave = self.slave

        def leader():
            os.setsid()
            import fcntl
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.proc = rt.popen(*args, stdin=slave, stdout=slave, stderr=slave, preexec_fn=leader)
        rt.cleanups.append(lambda: (os.close(self.master), os.close(self.slave)))

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, text):
        return read_until(self.master, text)


@pytest.fixture
def foreground(rt, bundle):
    def run(script):
        bundle.process["terminal"] = True
        bundle.sh(script).save()
        return Foreground(rt, "run", "--bundle", bundle.dir, rt.new_id())

    return run


@pytest.mark.quick
def test_foreground_type_and_status(rt, foreground):
    f = foreground("echo ready; read x; echo got-$x-; exit 7")
    f.read("ready")
    f.type("word\n")
    f.read("got-word-")
    assert rt.finish(f.proc).rc == 7
    # the terminal is as before
    assert termios.tcgetattr(f.slave)[:4] == f.before[:4]


def test_foreground_raw_while_running(rt, foreground):
    f = foreground("echo ready; read x")
    f.read("ready")
    assert not termios.tcgetattr(f.slave)[3] & termios.ICANON
    f.type("\n")
    rt.finish(f.proc)
    assert termios.tcgetattr(f.slave)[3] & termios.ICANON


def test_foreground_size(rt, foreground):
    f = foreground("stty size; trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 1000 & wait; done")
    first = f.read("ready")
    assert "24 80" in first or not rt.is_ocirun
    set_winsize(f.slave, 50, 132)
    f.proc.send_signal(signal.SIGWINCH)
    f.read("50 132")
    assert rt.finish(f.proc).rc == 0


def test_foreground_ctrl_c(rt, foreground):
    f = foreground("trap 'echo INTR; exit 3' INT; echo ready; while :; do sleep 1000 & wait; done")
    f.read("ready")
    f.type("\x03")
    f.read("INTR")
    assert rt.finish(f.proc).rc == 3


def test_foreground_term_restores(rt, foreground):
    f = foreground("trap 'exit 5' TERM; echo ready; while :; do sleep 1000 & wait; done")
    f.read("ready")
    f.proc.terminate()
    assert rt.finish(f.proc).rc == 5
    assert termios.tcgetattr(f.slave)[:4] == f.before[:4]


def test_foreground_slow_reader_gets_everything(rt, foreground):
    f = foreground("i=0; while [ $i -lt 1024 ]; do i=$((i+1)); printf '%01023d\\n' $i; done; echo the-end")
    data = b""
    while b"the-end" not in data:
        assert select.select([f.master], [], [], 20 * SLOWNESS)[0], len(data)
        data += os.read(f.master, 3000)
    assert rt.finish(f.proc).rc == 0
    lines = [int(l) for l in data.replace(b"\r", b"").split(b"\n") if l.isdigit()]
    assert lines == list(range(1, 1025))


def test_foreground_last_output_is_not_lost(rt, foreground):
    for _ in range(5):
        f = foreground("seq 1 2000; echo last-word")
        f.read("last-word")
        assert rt.finish(f.proc).rc == 0


def test_foreground_background_holder_does_not_block(rt, foreground):
    f = foreground("setsid sleep 1000 & echo done; exit 2")
    f.read("done")
    assert rt.finish(f.proc).rc == 2


def test_exec_background_holder_does_not_block(rt, bundle):
    c = rt.hold(bundle)
    f = Foreground(rt, "exec", "--tty", c.id, "/bin/sh", "-c", "setsid sleep 1000 & echo done; exit 2")
    f.read("done")
    assert rt.finish(f.proc).rc == 2
    c.stop()


def test_exec_tty(rt, bundle):
    c = rt.hold(bundle)
    f = Foreground(rt, "exec", "-t", c.id, "/bin/sh", "-c", "tty; read x; echo got-$x; exit 8")
    assert "/dev/pts/" in f.read("\n")
    f.type("abc\n")
    f.read("got-abc")
    assert rt.finish(f.proc).rc == 8
    assert termios.tcgetattr(f.slave)[:4] == f.before[:4]
    c.stop()


@pytest.mark.ocirun_only
def test_terminal_with_stdin_no_terminal(rt, bundle):
    bundle.process["terminal"] = True
    result = rt.run(bundle.sh("tty; cat; exit 6"), input="piped\n")
    assert result.rc == 6 and "/dev/pts/0" in result.out and "piped" in result.out


def test_two_terminals_have_different_pts(rt, bundle):
    c = rt.hold(bundle)
    first = Foreground(rt, "exec", "-t", c.id, "/bin/sh", "-c", "tty; read x")
    one = first.read("\n")
    second = Foreground(rt, "exec", "-t", c.id, "/bin/sh", "-c", "tty")
    two = second.read("\n")
    assert one.split()[0] != two.split()[0]
    rt.finish(second.proc)
    first.type("\n")
    rt.finish(first.proc)
    c.stop()
    until(lambda: True)


# ---- a job of a shell ----

SHELL = """
import fcntl, os, signal, sys, termios
commands, report = int(sys.argv[1]), int(sys.argv[2])
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.set_inheritable(commands, False), os.set_inheritable(report, False)
    os.execvp(sys.argv[3], sys.argv[3:])
while True:
    command = os.read(commands, 1)
    if command == b"f":
        os.tcsetpgrp(0, job)
        os.killpg(job, signal.SIGCONT)
        os.write(report, b".")
    elif command == b"b":
        os.tcsetpgrp(0, os.getpgrp())
        os.write(report, b".")
    elif command == b"w":
        status = os.waitpid(job, os.WUNTRACED)[1]
        os.write(report, b"S%d" % os.WSTOPSIG(status) if os.WIFSTOPPED(status) else b"X%d" % os.waitstatus_to_exitcode(status))
    else:
        break
"""


class Job:
    """A runtime in a process group of its own, with a shell that begins it in the background of a terminal."""

    def __init__(self, rt, argv):
        self.master, self.slave = os.openpty()
        theirs, self.commands = os.pipe()
        self.report, report = os.pipe()
        self.shell = subprocess.Popen([sys.executable, "-c", SHELL, str(theirs), str(report), *argv], stdin=self.slave,
                                      stdout=self.slave, stderr=self.slave, pass_fds=[theirs, report], start_new_session=True)
        rt.procs.append(self.shell)
        os.close(theirs)
        os.close(report)
        rt.cleanups.append(self.close)

    def tell(self, command):
        os.write(self.commands, command)
        assert select.select([self.report], [], [], 10 * SLOWNESS)[0], "the job neither stops nor ends"
        return os.read(self.report, 100).decode()

    def foreground(self):
        self.tell(b"f")

    def background(self):
        self.tell(b"b")

    def wait(self):
        return self.tell(b"w")

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def close(self):
        for fd in (self.commands, self.report, self.master, self.slave):
            os.close(fd)


@pytest.fixture
def job(rt, bundle):
    """run -t of a program, begun in the background."""
    bundle.process["terminal"] = True

    def make(script):
        bundle.sh(script).save()
        ident = rt.new_id()
        made = Job(rt, rt.argv("run", "--bundle", bundle.dir, ident))
        made.id = ident
        return made

    return make


@pytest.mark.ocirun_only
def test_job_in_the_background(job):
    """It is stopped before it makes the shell's terminal raw, and when there is input that is not for it."""
    j = job("echo up; read x; echo got-$x; exit 7")
    assert j.wait() == "S%d" % signal.SIGTTOU
    assert not j.is_raw()
    j.foreground()
    read_until(j.master, "up")
    assert j.is_raw()
    j.background()
    os.write(j.master, b"hello\r")
    assert j.wait() == "S%d" % signal.SIGTTIN
    j.foreground()
    read_until(j.master, "got-hello")
    assert j.wait() == "X7"
    assert not j.is_raw()


@pytest.mark.ocirun_only
def test_job_that_ends_in_the_background(rt, job):
    """What the terminal is like then is the affair of the job in the foreground."""
    j = job("echo up; exec sleep 1000")
    assert j.wait() == "S%d" % signal.SIGTTOU
    j.foreground()
    read_until(j.master, "up")
    j.background()
    assert j.is_raw()
    rt.cmd("kill", j.id, "KILL").ok()
    assert j.wait() == "X137"
    assert j.is_raw()
