# SPDX-License-Identifier: LGPL-2.1-or-later
"""containerd's shim for runc, by way of ctr(1)."""

import os
import signal

import pytest

import engine
import harness
from engine import IMAGE, PARENT, until

HOLD = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done")


def options(ctr, name):
    return ("--runc-binary", engine.RUNTIME, "--runc-root", ctr.root, "--cgroup", PARENT + "/" + name)


def run(ctr, *args):
    """ctr run --rm OPTIONS… COMMAND…; the options end at '--'"""
    name = ctr.site.new_name()
    mark = args.index("--") if "--" in args else 0
    return ctr("run", "--rm", *options(ctr, name), *args[:mark], IMAGE, name, *args[mark + 1:] if mark or args[:1]
               == ("--",) else args)


def hold(ctr, *more):
    name = ctr.site.new_name()
    ctr("run", "-d", *options(ctr, name), *more, IMAGE, name, *HOLD).ok()
    return name


def task(ctr, name):
    """(pid, status)"""
    for line in ctr("task", "ls").ok().lines:
        words = line.split()
        if words[0] == name:
            return int(words[1]), words[2]
    return 0, "GONE"


def test_run(ctr):
    assert run(ctr, "echo", "hi").ok().out == "hi\n"
    run(ctr, "sh", "-c", "exit 4").status(4)
    assert engine.states(ctr.root + "/default") == []


def test_uses_the_runtime(ctr):
    name = hold(ctr)
    assert engine.states(ctr.root + "/default") == [name]


@pytest.mark.parametrize("program,text", [
    ("nonexistent", r"executable file `nonexistent` not found in \$PATH: No such file or directory"),
    ("/etc", "is a directory"), ("/etc/passwd", "permission denied")])
def test_run_not_executable(ctr, program, text):
    result = run(ctr, program).status(1, "OCI runtime create failed: .*" + text)
    assert "unable to retrieve OCI runtime error" not in result.err


def test_exec(ctr):
    name = hold(ctr)
    assert ctr("task", "exec", "--exec-id", "e1", name, "echo", "in").ok().out == "in\n"
    ctr("task", "exec", "--exec-id", "e2", name, "sh", "-c", "exit 5").status(5)
    assert ctr("task", "exec", "--exec-id", "e3", "--user", "1000", "--cwd", "/home", name, "sh", "-c",
               "id -u; pwd").ok().lines == ["1000", "/home"]
    ctr("task", "exec", "--exec-id", "e4", name, "nonexistent").status(1, "OCI runtime exec failed: .*not found")
    ctr("task", "exec", "--exec-id", "e5", name, "/etc").status(1, "OCI runtime exec failed: .*is a directory")


def test_exec_terminal(ctr):
    name = hold(ctr)
    with ctr.terminal("task", "exec", "-t", "--exec-id", "e1", name, "sh", rows=31, cols=91) as term:
        term.expect("# ")
        term.type("while [ \"$(stty size)\" != '31 91' ]; do :; done; exit 5\r")
        assert term.wait() == 5


def test_run_terminal(ctr):
    name = ctr.site.new_name()
    with ctr.terminal("run", "--rm", "-t", *options(ctr, name), IMAGE, name, "sh", rows=31, cols=91) as term:
        term.expect("# ")
        term.type("while [ \"$(stty size)\" != '31 91' ]; do :; done; echo be''gins; sleep 1000\r")
        term.expect("begins")
        term.interrupt("# ")
        term.type("exit 7\r")
        assert term.wait() == 7


def test_kill_rm(ctr):
    name = hold(ctr)
    pid, status = task(ctr, name)
    assert status == "RUNNING"
    assert str(pid) in [line.split()[0] for line in ctr("task", "ps", name).ok().lines]
    ctr("task", "kill", "--signal", "SIGTERM", name).ok()
    until(lambda: task(ctr, name)[1] == "STOPPED", "the end of the task")
    result = ctr("task", "kill", "--signal", "SIGTERM", name)
    assert result.rc == 1 and "process already finished" in result.err + result.out
    ctr("task", "rm", name).ok()
    ctr("container", "rm", name).ok()
    assert not harness.alive(pid)
    assert engine.states(ctr.root + "/default") == []


def test_kill_all(ctr):
    name = hold(ctr)
    ctr("task", "kill", "--all", "--signal", "SIGKILL", name).ok()
    until(lambda: task(ctr, name)[1] == "STOPPED", "the end of the task")
    ctr("task", "rm", name)


def test_rm_force(ctr):
    name = hold(ctr)
    pid = task(ctr, name)[0]
    ctr("task", "rm", "--force", name)
    assert not harness.alive(pid)


def test_shared_pid_namespace(ctr):
    """The shim kills the rest when the first process has ended and the pid namespace is another's."""
    name = ctr.site.new_name()
    ctr("run", "-d", *options(ctr, name), "--with-ns", "pid:/proc/%d/ns/pid" % os.getpid(), IMAGE, name, "sh",
        "-c", "sleep 1000 & wait").ok()
    pid = task(ctr, name)[0]
    children = until(lambda: engine.read("/proc/%d/task/%d/children" % (pid, pid)).split(), "the child")
    os.kill(pid, signal.SIGKILL)
    until(lambda: not any(harness.alive(int(child)) for child in children), "the end of the children")


def test_read_only(ctr):
    run(ctr, "--read-only", "--", "touch", "/x").status(1, "Read-only file system")


def test_limits(ctr):
    name = hold(ctr, "--memory-limit", str(64 << 20), "--cpus", "0.5")
    pid = task(ctr, name)[0]
    assert engine.cgroup_value(pid, "memory", "memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert engine.cgroup_value(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
    assert str(64 << 20) in ctr("task", "metrics", name).ok().out


def test_seccomp(ctr):
    assert run(ctr, "--seccomp", "--", "grep", "Seccomp:", "/proc/self/status").ok().out.split()[1] == "2"


def test_mount_env(ctr, site):
    directory = site.path("ctr-volume")
    os.makedirs(directory, exist_ok=True)
    engine.write(directory + "/file", "volume\n")
    out = run(ctr, "--mount", "type=bind,src=%s,dst=/data,options=rbind:ro" % directory, "--env", "A=b", "--",
              "sh", "-c", "cat /data/file; echo $A").ok()
    assert out.lines == ["volume", "b"]


def test_privileged(ctr):
    run(ctr, "--privileged", "--", "sh", "-c", "mount -t tmpfs t /mnt").ok()


def test_pause(ctr):
    if "pause" not in engine.commands():
        pytest.skip("no pause")
    name = hold(ctr)
    ctr("task", "pause", name).ok()
    assert task(ctr, name)[1] == "PAUSED"
    ctr("task", "resume", name).ok()
    assert task(ctr, name)[1] == "RUNNING"
    ctr("task", "exec", "--exec-id", "e1", name, "true").ok()


def test_shim_dies(ctr):
    """containerd calls delete --force; nothing of the container remains."""
    name = hold(ctr)
    pid = task(ctr, name)[0]
    shim = int(engine.read("/proc/%d/stat" % pid).rpartition(")")[2].split()[1])
    assert "containerd-shim" in engine.read("/proc/%d/comm" % shim)
    os.kill(shim, signal.SIGKILL)
    until(lambda: not harness.alive(pid), "the end of the container")
    until(lambda: engine.states(ctr.root + "/default") == [], "the removal of the state")
    assert not [d for d in harness.cgroup_dirs() if d.endswith("/" + name)]
