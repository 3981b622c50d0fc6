# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill: requirements 51-53."""

import json
import os
import re
import signal

import pytest

from harness import alive, read, until, write
from test_namespaces import Holder


def trapping(rt, bundle, name):
    bundle.sh("trap 'echo got-%s; exit 9' %s; echo ready; while :; do sleep 1000 & wait; done" % (name, name))
    return rt.start(bundle).wait_out("ready")


@pytest.mark.quick
@pytest.mark.parametrize("word,name", [("15", "TERM"), ("TERM", "TERM"), ("SIGTERM", "TERM"), ("term", "TERM"),
                                       ("sigusr1", "USR1"), ("USR2", "USR2"), ("1", "HUP"), ("INT", "INT"), (None, "TERM")])
def test_r053_signal_forms(rt, bundle, word, name):
    c = trapping(rt, bundle, name)
    result = c.kill(*([word] if word else [])).ok()
    assert (result.out, result.err) == ("", "")
    assert c.wait() == 9
    assert "got-" + name in c.out


@pytest.mark.ocirun_only
@pytest.mark.parametrize("word,number", [("RTMIN+3", signal.SIGRTMIN + 3), ("SIGRTMIN+1", signal.SIGRTMIN + 1),
                                         ("RTMAX-1", signal.SIGRTMAX - 1), ("rtmin", signal.SIGRTMIN)])
def test_r053_realtime_names(rt, bundle, word, number):
    c = trapping(rt, bundle, str(int(number)))
    c.kill(word).ok()
    assert c.wait() == 9


def test_r053_realtime_number(rt, bundle):
    c = trapping(rt, bundle, "40")
    c.kill(40).ok()
    assert c.wait() == 9


@pytest.mark.parametrize("word", ["BADSIG", "", "-1", "65", "999", "9x", "RTMIN+99", "SIG", " 9"])
def test_bad_signal(rt, bundle, word):
    c = rt.hold(bundle)
    c.kill(word).fails()
    assert c.status() == "running"
    c.stop()


def test_signal_zero(rt, bundle):
    if not rt.is_ocirun:
        return
    c = rt.hold(bundle)
    c.kill("0").ok()
    assert c.status() == "running"
    pid = c.pid
    os.kill(pid, 9)
    c.wait()
    assert "container not running" in c.kill("0").fails().err


@pytest.mark.quick
def test_kill_all(rt, bundle):
    bundle.drop_namespace("pid")
    bundle.sh("sleep 1001 & sleep 1002 & echo ready; wait")
    c = rt.start(bundle).wait_out("ready")
    pids = [int(p) for p in open("/proc/%d/task/%d/children" % (c.pid, c.pid), encoding="utf8").read().split()]
    assert len(pids) == 2
    c.kill  # all processes of the container, also without a pid namespace
    rt.cmd("kill", "--all", c.id, "KILL").ok()
    assert c.wait() == 137
    for pid in pids:
        until(lambda p=pid: not alive(p), "process %d gone" % pid)
    c.delete().ok()


@pytest.mark.parametrize("position", ["before", "after-a"])
def test_kill_all_spelling(rt, bundle, position):
    c = rt.hold(bundle)
    words = {"before": ["--all", c.id, "KILL"], "after-a": ["-a", c.id, "9"]}[position]
    rt.cmd("kill", *words).ok()
    assert c.wait() == 137


@pytest.mark.ocirun_only
@pytest.mark.ocirun_only
def test_regex(rt, bundle):
    """kill and delete of all whose id matches, as crun has it; one that fails does not keep the others."""
    bundle.hold().save()
    names = ["%s-%s" % (rt.new_id(), end) for end in ("one", "two", "other")]
    for name in names:
        rt.cmd("run", "-d", "--bundle", bundle.dir, name).ok()
    both = "(one|two)$"
    failed = rt.cmd("delete", "--regex", both).fails().err.splitlines()
    assert sorted(re.search(r"-(one|two): .*cannot delete container", line).group(1) for line in failed) == ["one", "two"]
    rt.cmd("kill", "-r", both, "KILL").ok()
    until(lambda: [json.loads(rt.cmd("state", n).ok().out)["status"] for n in names] == ["stopped", "stopped", "running"])
    rt.cmd("delete", "-r", both).ok()
    assert rt.cmd("list", "-q").ok().out.split() == names[2:]
    assert "--regex" in rt.cmd("delete", "--regex", "(").fails().err
    rt.cmd("delete", "-r", "-f", "other$").ok()


def test_kill_all_after_init_died(rt, bundle):
    bundle.drop_namespace("pid")
    c = rt.start(bundle.sh("sleep 1001 & echo $! ready")).wait_out("ready")
    c.wait()
    other = int(c.out.split()[0])
    assert alive(other)
    rt.cmd("kill", "--all", c.id, "KILL").ok()
    until(lambda: not alive(other), "the end of the other process")
    c.delete().ok()


def test_delete_kills_the_rest_without_pid_namespace(rt, bundle):
    bundle.drop_namespace("pid")
    c = rt.start(bundle.sh("sleep 1001 & echo $! ready")).wait_out("ready")
    c.wait()
    other = int(c.out.split()[0])
    assert alive(other)
    c.delete("--force").ok()
    until(lambda: not alive(other), "the end of the other process")


@pytest.mark.ocirun_only
@pytest.mark.parametrize("shared", ["the machine's", "joined"])
def test_kill_without_a_pid_namespace_of_its_own(rt, bundle, shared):
    """SIGKILL ends the container, not its first process alone: nothing else would end the rest."""
    bundle.drop_namespace("pid")
    if shared == "joined":
        bundle.namespace("pid", Holder(rt, "pid").path("pid"))
    c = rt.start(bundle.sh("sleep 1001 & echo ready; wait")).wait_out("ready")
    (child,) = map(int, read("/proc/%d/task/%d/children" % (c.pid, c.pid)).split())
    c.kill("KILL").ok()
    assert c.wait() == 137
    until(lambda: not alive(child), "end of the process that it left")
    c.delete().ok()


def test_kill_paused(rt, bundle):
    c = rt.hold(bundle)
    rt.cmd("pause", c.id).ok()
    c.kill("KILL").ok()
    if not rt.is_ocirun:
        rt.cmd("resume", c.id)
    assert c.wait() == 137
    c.delete().ok()


def child_with(pid):
    """A child that waits and has this number; None where others on the machine were faster."""
    for _ in range(20):
        write("/proc/sys/kernel/ns_last_pid", str(pid - 1))
        child = os.fork()
        if child == 0:
            signal.pause()
            os._exit(0)
        if child == pid:
            return child
        os.kill(child, 9)
        os.waitpid(child, 0)
        if os.path.exists("/proc/%d" % pid):
            break
    return None


@pytest.mark.ocirun_only
def test_kill_does_not_hit_a_reused_pid(rt, bundle):
    for _ in range(10):
        c = rt.start(bundle.args("/bin/true"))
        c.wait()
        other = child_with(c.pid)
        if other:
            break
        c.delete().ok()
    else:
        pytest.skip("others on this machine take each number first")
    try:
        assert "not running" in c.kill("KILL").fails().err
        assert alive(other)
    finally:
        os.kill(other, 9)
        os.waitpid(other, 0)


# ---- from another pid namespace, where the pids of the record mean nothing ----

ELSEWHERE = ["unshare", "--pid", "--fork", "--mount-proc"]


@pytest.mark.ocirun_only
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_signal_0_from_elsewhere_is_a_question(rt, bundle):
    c, command = rt.create(bundle.args("/bin/sleep", "1000")), rt.command
    rt.command = ELSEWHERE + command
    c.kill("0").ok()
    rt.command = command
    assert c.status() == "created"
    c.start().ok()
    c.stop()


@pytest.mark.ocirun_only
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_delete_from_elsewhere_forgets_nothing_that_runs(rt, bundle):
    command = rt.command
    rt.command = command + ["--cgroup-manager", "disabled"]
    c = rt.start(bundle.args("/bin/sleep", "1000"))
    rt.command = ELSEWHERE + command
    result = c.delete()
    rt.command = command
    assert result.rc != 0 and "cannot be seen from this pid namespace; delete it where" in result.err
    assert c.status() == "running"
    c.stop()
