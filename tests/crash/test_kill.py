# SPDX-License-Identifier: LGPL-2.1-or-later
"""SIGKILL at every system call of a command, and of the process that it makes."""

import os

import pytest

import bundles
from harness import pid_wait, read

pytestmark = pytest.mark.quick


def pid_file_is_whole(path):
    if os.path.exists(path):
        assert read(path).isdigit(), "half a pid file: %r" % read(path)
        os.unlink(path)


def sweep(crash, calls, body):
    """body(n) for each n; the command must have died of nearly all of them: the last few calls may not
    be reached when hooks or the program are faster than they were."""
    numbers = crash.tools.thin(list(range(1, len(calls) + 1)))
    killed = sum(bool(body(n)) for n in numbers)
    if not crash.problems:
        assert killed >= len(numbers) * 0.9, "only %d of %d were killed" % (killed, len(numbers))
    crash.report(len(numbers))


@pytest.mark.parametrize("config", bundles.ALL)
@pytest.mark.parametrize("command", ["create", "run"])
def test_host(crash, rt, command, config):
    """The runtime dies while it creates or runs: nothing is left that delete --force cannot remove."""
    bundle = crash.warm(bundles.ALL[config](rt).args("/bin/true"))
    pid_file = crash.work + "/pid"
    before = crash.take()
    args = (command, "--bundle", bundle.dir, "--pid-file", pid_file)
    ident = rt.new_id()
    calls = crash.list(*args, ident)[0]
    os.unlink(pid_file)
    crash.delete(ident, before)

    def body(n):
        with crash.point("call %d %s" % (n, calls[n - 1]), before):
            result = crash.inject(["-w", n], "kill", *args, ident)
            crash.legible(ident)
            pid_file_is_whole(pid_file)
            crash.delete(ident, before)
            return crash.hit

    sweep(crash, calls, body)


def last_word(calls):
    return max(i for i, name in enumerate(calls) if name in ("recvmsg", "sendmsg"))


INITS = [("plain", 1), ("full", 1), ("userns", 1), ("userns", 2)]


@pytest.mark.parametrize("config,process", INITS)
@pytest.mark.parametrize("command", ["create", "run"])
def test_init(crash, rt, command, config, process):
    """init, or the first of two, dies: the runtime says so and undoes what it did, without delete."""
    bundle = crash.warm(bundles.ALL[config](rt).args("/bin/true"))
    before = crash.take()
    args = (command, "--bundle", bundle.dir)
    ident = rt.new_id()
    calls = crash.list(*args, ident)[process]
    crash.delete(ident, before)

    def body(n):
        with crash.point("call %d %s" % (n, calls[n - 1]), before):
            result = crash.inject(["-p", process, "-w", n], "kill", *args, ident)
            # Once it has the host's last word, init might as well be the program.
            if result.rc == 137 and command == "run" and n - 1 >= last_word(calls):
                assert not result.err, result.err
            elif result.rc != 0:
                crash.one_line(result)
            # Past its commit, create has not failed; the container is one whose init has died.
            if result.rc == 0 and command == "create":
                crash.delete(ident, before)
            assert result.rc or command == "create" or calls[n - 1] == "exit_group" or not crash.hit, "success"
            crash.gone(before)
            return crash.hit

    if command == "create" and calls[-1] != "exit_group":
        # what comes after the commit belongs to start
        calls = calls[:last_word(calls) + 1]
    sweep(crash, calls, body)


@pytest.mark.parametrize("config", ["plain", "full"])
def test_start(crash, rt, config):
    """start dies: the container is created, running or stopped, and can be deleted."""
    bundle = bundles.ALL[config](rt).hold()
    before = crash.take()
    ident = rt.new_id()
    bundle.save()

    def create():
        rt.cmd("create", "--bundle", bundle.dir, ident).ok()

    create()
    calls = crash.list("start", ident)[0]
    crash.delete(ident, before)

    def body(n):
        with crash.point("call %d %s" % (n, calls[n - 1]), before):
            create()
            result = crash.inject(["-w", n], "kill", "start", ident)
            crash.legible(ident)
            if crash.status(ident) == "created":
                rt.cmd("start", ident).ok()
                assert crash.status(ident) == "running"
            crash.delete(ident, before)
            return crash.hit

    sweep(crash, calls, body)


@pytest.mark.parametrize("options", [(), ("--detach",)], ids=["foreground", "detach"])
def test_exec(crash, rt, options):
    """exec dies: its process too, unless it runs already, and the container does not notice."""
    container = rt.hold(bundles.full(rt))
    before = crash.take()
    args = ("exec", *options, container.id, "/bin/true")
    calls = crash.list(*args)[0]
    crash.gone(before)

    def body(n):
        with crash.point("call %d %s" % (n, calls[n - 1]), before):
            result = crash.inject(["-w", n], "kill", *args)
            crash.gone(before)
            assert container.status() == "running"
            return crash.hit

    sweep(crash, calls, body)
    container.exec("/bin/true").ok()


@pytest.mark.parametrize("process", [1, 2])
def test_exec_process(crash, rt, process):
    """The process that exec makes dies before it is the program: exec says so."""
    container = rt.hold(bundles.full(rt))
    before = crash.take()
    args = ("exec", container.id, "/bin/true")
    calls = crash.list(*args)[process]
    crash.gone(before)

    def body(n):
        with crash.point("call %d %s" % (n, calls[n - 1]), before):
            result = crash.inject(["-p", process, "-w", n], "kill", *args)
            if (result.rc != 137 or n - 1 < last_word(calls)) and calls[n - 1] != "exit_group" and crash.hit:
                assert result.rc == 255, "status %d" % result.rc
                assert result.err.count("\n") == 1, repr(result.err)
            crash.gone(before)
            return crash.hit

    sweep(crash, calls, body)
    assert container.status() == "running"


@pytest.mark.parametrize("state", ["created", "running", "stopped"])
def test_delete(crash, rt, state):
    """delete dies: another one finishes its work."""
    bundle = bundles.full(rt).hold()
    bundle.save()
    before = crash.take()
    ident = rt.new_id()

    def prepare():
        rt.cmd("create", "--bundle", bundle.dir, ident).ok()
        if state != "created":
            rt.cmd("start", ident).ok()
        if state == "stopped":
            pid = rt.state(ident)["pid"]
            rt.cmd("kill", ident, "KILL").ok()
            pid_wait(pid)

    prepare()
    calls = crash.list("delete", "--force", ident)[0]
    crash.gone(before)

    def body(n):
        with crash.point("call %d %s" % (n, calls[n - 1]), before):
            prepare()
            result = crash.inject(["-w", n], "kill", "delete", "--force", ident)
            crash.legible(ident)
            crash.delete(ident, before)
            return crash.hit

    sweep(crash, calls, body)
