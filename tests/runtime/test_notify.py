# SPDX-License-Identifier: LGPL-2.1-or-later
"""sd_notify and descriptor passing."""

import os
import re
import shutil
import socket
import subprocess

import pytest

from harness import SLOWNESS, TIMEOUT, read, until, write
from test_cgroup_life import strace


@pytest.fixture
def notify(rt):
    """A datagram socket as systemd would hold it."""
    made = []

    def make(address=None):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        made.append(sock)
        sock.bind(address or rt.path("notify.sock"))
        sock.settimeout(10 * SLOWNESS)
        return sock

    rt.cleanups.append(lambda: [s.close() for s in made])
    return make


def receive(sock, text, deadline=10):
    """Messages until one has text in it."""
    seen = ""
    sock.settimeout(deadline * SLOWNESS)
    while text not in seen:
        seen += sock.recv(4096).decode() + "\n"
    return seen


@pytest.mark.ocirun_only
@pytest.mark.quick
def test_ready_with_main_pid(rt, bundle, notify):
    sock = notify()
    bundle.sh("helper notify READY=1; echo sent; trap 'exit 0' TERM; while :; do sleep 1000 & wait; done").save()
    ident = rt.new_id()
    proc = rt.popen("run", "--bundle", bundle.dir, ident, env=dict(os.environ, NOTIFY_SOCKET=rt.path("notify.sock")))
    seen = receive(sock, "READY=1")
    pid = rt.state(ident)["pid"]
    if "MAINPID" not in seen:
        seen += receive(sock, "MAINPID")
    assert "MAINPID=%d" % pid in seen
    rt.cmd("kill", ident, "KILL").ok()
    rt.finish(proc)


@pytest.mark.ocirun_only
def test_status_is_forwarded(rt, bundle, notify):
    sock = notify()
    bundle.sh("helper notify READY=1; helper notify STATUS=busy; exec sleep 1000").save()
    ident = rt.new_id()
    proc = rt.popen("run", "--bundle", bundle.dir, ident, env=dict(os.environ, NOTIFY_SOCKET=rt.path("notify.sock")))
    receive(sock, "STATUS=busy")
    rt.cmd("kill", ident, "KILL").ok()
    rt.finish(proc)


@pytest.mark.ocirun_only
def test_abstract_socket(rt, bundle, notify):
    address = "\0" + rt.new_id()
    sock = notify(address)
    bundle.sh("helper notify READY=1; exec sleep 1000").save()
    ident = rt.new_id()
    proc = rt.popen("run", "--bundle", bundle.dir, ident, env=dict(os.environ, NOTIFY_SOCKET="@" + address[1:]))
    receive(sock, "READY=1")
    rt.cmd("kill", ident, "KILL").ok()
    rt.finish(proc)


@pytest.mark.quick
def test_create_never_blocks(rt, bundle, notify):
    notify()
    env = dict(os.environ, NOTIFY_SOCKET=rt.path("notify.sock"))
    c = rt.create(bundle.args("/bin/true"), env=env)
    assert c.status() == "created"


def test_socket_missing_is_no_error(rt, bundle):
    env = dict(os.environ, NOTIFY_SOCKET=rt.path("nobody.sock"))
    result = rt.run(bundle.sh("echo ok"), env=env)
    if rt.is_ocirun:
        assert (result.rc, result.out) == (0, "ok\n"), result.err


@pytest.mark.ocirun_only
def test_socket_directory_is_read_only(rt, bundle, notify):
    """It is the host's: the container sends to the socket, and that is all."""
    sock = notify()
    bundle.sh("cd /run/notify && for what in 'mkdir deep' 'touch file' 'rm notify.sock' 'chmod 0 .'; do "
              "$what 2>/dev/null && echo $what; done; helper notify STATUS=sent >/dev/null; grep ' /run/notify ' /proc/self/mountinfo")
    result = rt.run(bundle, env=dict(os.environ, NOTIFY_SOCKET=rt.path("notify.sock"))).ok()
    assert result.out.count("\n") == 1, result.out
    line = result.out
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(line.split()[5].split(",")), line
    receive(sock, "STATUS=sent")


def test_program_that_never_notifies(rt, bundle, notify):
    notify()
    env = dict(os.environ, NOTIFY_SOCKET=rt.path("notify.sock"))
    assert rt.run(bundle.sh("exit 3"), env=env).rc == 3


class Announcer:
    """A created container whose program says READY=1 when it is told to."""

    def __init__(self, rt, bundle, env):
        self.go = bundle.rootfs + "/tmp/go"
        os.mkfifo(self.go)
        self.env = env
        self.c = rt.create(bundle.sh("echo up; read x < /tmp/go; helper notify READY=1; echo said; exec sleep 1000"), env=env)
        self.start = rt.popen("start", self.c.id, env=env)
        self.c.wait_out("up")

    def announce(self):
        write(self.go, "now\n")
        self.c.wait_out("said")


@pytest.fixture
def announcer(rt, bundle):
    return lambda: Announcer(rt, bundle, dict(os.environ, NOTIFY_SOCKET=rt.path("notify.sock")))


@pytest.mark.ocirun_only
def test_a_second_start_leaves_the_socket_to_the_first(rt, notify, announcer):
    sock, a = notify(), announcer()
    assert "already" in rt.cmd("start", a.c.id, env=a.env).fails().err
    a.announce()
    rt.finish(a.start).ok()
    receive(sock, "READY=1")
    a.c.stop()


@pytest.mark.ocirun_only
def test_start_without_the_service_manager(rt, bundle, notify):
    """As at create: nobody listens, and that is no reason not to run."""
    sock, env = notify(), dict(os.environ, NOTIFY_SOCKET=rt.path("notify.sock"))
    c = rt.create(bundle.hold(), env=env)
    sock.close()
    rt.cmd("start", c.id, env=env).ok()
    assert c.status() == "running"
    c.stop()


@pytest.mark.ocirun_only
def test_service_manager_that_goes_away(rt, bundle, notify, announcer):
    bundle.hook("poststart", "echo > " + rt.path("poststart"))
    sock, a = notify(), announcer()
    sock.close()
    a.announce()
    rt.finish(a.start).ok()
    assert os.path.exists(rt.path("poststart")) and a.c.status() == "running"
    a.c.stop()


@pytest.mark.ocirun_only
def test_service_manager_that_is_busy(rt, notify, announcer):
    """READY=1 is said once: it waits for room in the queue."""
    sock, a, senders = notify(), announcer(), []
    try:
        while True:
            senders.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
            senders[-1].sendto(b"other", rt.path("notify.sock"))
    except BlockingIOError:
        pass
    for sender in senders:
        sender.close()
    a.announce()
    receive(sock, "READY=1")
    rt.finish(a.start).ok()
    a.c.stop()


@pytest.mark.ocirun_only
def test_program_that_never_notifies_and_no_pidfd(rt, bundle, notify):
    if not shutil.which("strace"):
        pytest.skip("no strace")
    notify()
    env, command = dict(os.environ, NOTIFY_SOCKET=rt.path("notify.sock")), rt.command
    c = rt.create(bundle.sh("exit 3"), env=env)
    rt.command = strace("-e", "trace=pidfd_open", "-e", "inject=pidfd_open:error=EPERM", "-o", rt.path("strace")) + command
    result = rt.cmd("start", c.id, env=env)
    rt.command = command
    assert result.rc == 0, result.err
    calls = read(rt.path("strace"))
    assert re.search(r"pidfd_open\(%d, 0\) .* \(INJECTED\)$" % c.pid, calls, re.M), calls
    assert c.wait() == 3


def with_fds(rt, numbers, argv, env=None):
    """Run argv with a file open at each of the numbers, and nothing else above 2."""
    files = []
    for n in numbers:
        path = rt.path("fd%d" % n)
        with open(path, "w", encoding="utf8") as f:
            f.write("fd-%d\n" % n)
        files.append("%d<%s" % (n, path))
    script = "exec %s; " % " ".join(files) if files else ""
    if env and "LISTEN_FDS" in env:
        script += "export LISTEN_PID=$$; "        # as sd_listen_fds(3) asks for
    script += 'exec "$@"'
    return subprocess.run(["bash", "-c", script, "x", *argv], capture_output=True, text=True, timeout=TIMEOUT, check=False,
                          env=dict(os.environ, **(env or {})))


@pytest.mark.quick
def test_r060_preserve_fds(rt, bundle):
    bundle.sh("cat <&3; cat <&4; helper fds").save()
    result = with_fds(rt, [3, 4, 5], rt.argv("run", "--preserve-fds", "2", "--bundle", bundle.dir, rt.new_id()))
    assert result.stdout.splitlines() == ["fd-3", "fd-4", "0 1 2 3 4 "], result.stderr


@pytest.mark.ocirun_only
def test_c31_preserve_fds_with_gaps(rt, bundle):
    bundle.sh("cat <&5; test -e /proc/self/fd/4 || echo gap").save()
    result = with_fds(rt, [3, 5], rt.argv("run", "--preserve-fds", "3", "--bundle", bundle.dir, rt.new_id()))
    assert result.stdout.splitlines() == ["fd-5", "gap"], result.stderr


@pytest.mark.quick
def test_r060_listen_fds(rt, bundle):
    bundle.sh("echo $LISTEN_FDS $LISTEN_PID; cat <&3; cat <&4; helper fds").save()
    result = with_fds(rt, [3, 4, 5], rt.argv("run", "--bundle", bundle.dir, rt.new_id()), {"LISTEN_FDS": "2"})
    lines = result.stdout.splitlines()
    assert lines[0] == "2 1" and lines[1:3] == ["fd-3", "fd-4"] and lines[3].split() == ["0", "1", "2", "3", "4"], result.stderr


def test_r060_listen_fds_and_preserve_fds(rt, bundle):
    bundle.sh("echo $LISTEN_FDS; cat <&3; cat <&4").save()
    result = with_fds(rt, [3, 4], rt.argv("run", "--preserve-fds", "1", "--bundle", bundle.dir, rt.new_id()), {"LISTEN_FDS": "1"})
    assert result.stdout.splitlines() == ["1", "fd-3", "fd-4"], result.stderr


@pytest.mark.ocirun_only
@pytest.mark.parametrize("value", ["x", "-1", "", "0", "9999999999"])
def test_bad_listen_fds(rt, bundle, value):
    bundle.sh("echo ok").save()
    result = with_fds(rt, [], rt.argv("run", "--bundle", bundle.dir, rt.new_id()), {"LISTEN_FDS": value})
    assert result.stdout == "ok\n" or (result.returncode != 0 and "LISTEN_FDS" in result.stderr)


@pytest.mark.parametrize("value", ["-1", "x"])
def test_bad_preserve_fds(rt, bundle, value):
    bundle.args("/bin/true").save()
    result = rt.cmd("run", "--preserve-fds", value, "--bundle", bundle.dir, rt.new_id())
    if rt.is_ocirun:
        result.fails()


@pytest.mark.untraced("strace holds the pipe")
def test_detached_holds_only_stdio(rt, bundle):
    """The caller sees the end of its own pipe when the command returns."""
    bundle.hold().save()
    r, w = os.pipe()
    ident = rt.new_id()
    rt.cmd("run", "-d", "--bundle", bundle.dir, ident, pass_fds=[w]).ok()
    os.close(w)
    os.set_blocking(r, False)
    until(lambda: os.read(r, 1) == b"", "end of file")
    os.close(r)
    rt.cmd("delete", "-f", ident).ok()
