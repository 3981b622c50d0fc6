# SPDX-License-Identifier: LGPL-2.1-or-later
"""exec: all options, exit codes, diagnoses; requirement 105."""

import json
import os
import re
import shutil
import signal

import pytest

from harness import TIMEOUT, cap_mask, cgroup_of, pid_wait, read, reap, until, waits_in, write
from test_cgroup_life import strace
from test_process import BAD_PROGRAMS, bad_program, caps_of


@pytest.fixture
def c(rt, bundle):
    bundle.process["env"] = ["PATH=/bin", "BASE=1"]
    os.mkdir(bundle.rootfs + "/data/dir")
    bundle.hold()
    return rt.hold(bundle)


@pytest.mark.quick
@pytest.mark.parametrize("script,status", [("exit 0", 0), ("exit 5", 5), ("exit 255", 255), ("kill -9 $$", 137),
                                           ("kill -TERM $$", 143)])
def test_exit_status(rt, c, script, status):
    result = c.exec("/bin/sh", "-c", script)
    assert (result.rc, result.out, result.err) == (status, "", "")


@pytest.mark.quick
def test_streams(rt, c):
    result = c.exec("/bin/sh", "-c", "cat; echo err >&2", input="in\n")
    assert (result.rc, result.out, result.err) == (0, "in\n", "err\n")


@pytest.mark.quick
def test_personality(rt, bundle):
    if os.uname().machine != "x86_64" or rt.name == "runc":
        return
    bundle.linux["personality"] = {"domain": "LINUX32"}
    c = rt.hold(bundle)
    assert c.sh("uname -m") == "i686\n"
    document = {"cwd": "/", "args": ["/bin/uname", "-m"], "user": {"uid": 1, "gid": 1}}
    assert c.exec(options=["--process", write(rt.path("p.json"), json.dumps(document))]).ok().out == "i686\n"


@pytest.mark.ocirun_only
def test_memory_policy(rt, bundle):
    bundle.linux["memoryPolicy"] = {"mode": "MPOL_INTERLEAVE", "nodes": "0"}
    assert rt.hold(bundle).exec("/bin/helper", "mempolicy").ok().out.strip() == "3 1"


def test_same_namespaces_and_cgroup(rt, c):
    out = c.sh("for n in mnt pid net uts ipc; do readlink /proc/self/ns/$n; done").split()
    assert out == [os.readlink("/proc/%d/ns/%s" % (c.pid, n)) for n in ("mnt", "pid", "net", "uts", "ipc")]
    proc = rt.popen("exec", c.id, "sleep", "1000")
    until(lambda: len(json.loads(rt.cmd("ps", "-f", "json", c.id).ok().out)) >= 3, "the process in the cgroup")
    c.exec("/bin/sh", "-c", "kill -9 $(grep -l 'sleep.1000' /proc/[0-9]*/cmdline | cut -d/ -f3) 2>/dev/null; true")
    c.delete("-f").ok()
    rt.finish(proc)


def test_options_end_at_the_id(rt, c):
    assert c.exec("echo", "--tty", "-e", "-d").ok().out == "--tty -e -d\n"
    assert c.exec("/bin/sh", "-c", 'echo "$0 $1"', "--cwd", "-t").ok().out == "--cwd -t\n"


@pytest.mark.parametrize("options", [["--cwd", "/data/dir"], ["--cwd=/data/dir"]])
def test_cwd(rt, c, options):
    assert c.sh("pwd", options).strip() == "/data/dir"


@pytest.mark.quick
def test_env(rt, c):
    assert c.sh("echo $A,$B,$BASE", ["--env", "A=1", "--env", "B=2", "--env=BASE=9"]) == "1,2,9\n"
    assert c.sh("echo $BASE,$HOME") == "1,/root\n"


@pytest.mark.quick
@pytest.mark.parametrize("user,want", [("1000", "1000 0"), ("1000:1001", "1000 1001"), ("0:5", "0 5")])
def test_user(rt, c, user, want):
    assert c.sh("id -u; id -g", ["--user", user]).split() == want.split()
    assert c.sh("id -u", ["-u", user]).split() == want.split()[:1]


@pytest.mark.ocirun_only
@pytest.mark.parametrize("user", ["1000:x", "0x0", "1000junk", "", "4294967295", "-1", "root", "1000:", ":5", "99999999999"])
def test_bad_user(rt, c, user):
    result = c.exec("id", "-u", options=["--user", user]).fails()
    assert result.out == ""


def test_user_home(rt, c):
    assert c.sh("echo $HOME", ["--user", "1000", "-e", "HOME="]).strip() in ("/home", "")


@pytest.mark.parametrize("options,user,groups", [
    ([], ["0", "7"], ["10", "11"]), (["--user", "1000"], ["1000", "7"], ["10", "11"]),
    (["--user", "1000:8"], ["1000", "8"], ["10", "11"]),
    (["-g", "5", "-g", "6"], ["0", "7"], ["5", "6", "10", "11"])])
def test_groups_of_the_container_stay(rt, bundle, options, user, groups):
    bundle.process["user"] = {"uid": 0, "gid": 7, "additionalGids": [10, 11]}
    c = rt.hold(bundle)
    assert c.sh("id -u; id -g", options).split() == user
    assert sorted(c.sh("grep ^Groups /proc/self/status", options).split()[1:], key=int) == groups
    c.stop()


@pytest.mark.quick
def test_cap(rt, c):
    seen = caps_of(c.sh("cat /proc/self/status", ["--cap", "CAP_CHOWN"]))
    assert seen["inheritable"] == 0
    assert seen["effective"] & cap_mask("CAP_CHOWN") and seen["bounding"] & cap_mask("CAP_CHOWN")
    if rt.is_ocirun:
        assert seen["effective"] == cap_mask("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_CHOWN")


def test_caps_as_the_container(rt, c):
    seen = caps_of(c.sh("cat /proc/self/status"))
    assert seen["bounding"] == cap_mask("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")


def test_no_new_privs(rt, bundle):
    bundle.process["noNewPrivileges"] = False
    c = rt.hold(bundle)
    assert c.sh("grep NoNewPrivs /proc/self/status").split()[1] == "0"
    assert c.sh("grep NoNewPrivs /proc/self/status", ["--no-new-privs"]).split()[1] == "1"
    c.stop()


@pytest.mark.quick
@pytest.mark.parametrize("option", ["--process", "-p"])
def test_process_file(rt, c, option):
    process = {"terminal": False, "user": {"uid": 1000, "gid": 1000, "additionalGids": [5]}, "cwd": "/data/dir",
               "args": ["/bin/sh", "-c", "id -u; id -G; pwd; echo $X; grep CapBnd /proc/self/status; ulimit -n"],
               "env": ["PATH=/bin", "X=y"], "capabilities": {"bounding": ["CAP_CHOWN"]},
               "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}]}
    path = write(rt.path("process.json"), json.dumps(process))
    out = rt.cmd("exec", option, path, c.id).ok().out.splitlines()
    assert out[:4] == ["1000", "1000 5", "/data/dir", "y"]
    assert int(out[4].split()[1], 16) == cap_mask("CAP_CHOWN") and out[5] == "77"


@pytest.mark.ocirun_only
@pytest.mark.parametrize("text", ["", "{", "[]", '{"args": ["true"], "cwd": 5}', '{"args": [], "cwd": "/"}',
                                  '{"args": ["true"], "cwd": "rel"}'])
def test_bad_process_file(rt, c, text):
    path = write(rt.path("process.json"), text)
    result = rt.cmd("exec", "--process", path, c.id).fails()
    assert result.rc == 255 and "process.json" in result.err


@pytest.mark.quick
def test_detach_and_pid_file(rt, c):
    result = c.exec("/bin/sh", "-c", "echo started; exec sleep 1000", options=["--detach", "--pid-file", rt.path("pid")]).ok()
    pid = int(read(rt.path("pid")))
    assert os.readlink("/proc/%d/ns/pid" % pid) == os.readlink("/proc/%d/ns/pid" % c.pid)
    until(lambda: result.out == "started\n", "output")
    os.kill(pid, 9)
    assert pid_wait(pid) == 137


def test_detached_exit_status_is_the_callers(rt, c):
    c.exec("/bin/sh", "-c", "exit 6", options=["-d", "--pid-file=" + rt.path("pid")]).ok()
    assert pid_wait(int(read(rt.path("pid")))) == 6


def test_preserve_fds(rt, c):
    fds = [os.memfd_create("x") for _ in range(2)]
    os.write(fds[0], b"passed\n")
    os.lseek(fds[0], 0, 0)
    argv = rt.argv("exec", "--preserve-fds", "1", c.id, "/bin/sh", "-c", "cat <&3; ls /proc/self/fd | wc -l")
    import subprocess
    script = 'exec 3<&%d 4<&%d %d<&- %d<&-; exec "$@"' % (fds[0], fds[1], fds[0], fds[1])
    try:
        out = subprocess.run(["bash", "-c", script, "x", *argv], pass_fds=fds, capture_output=True, text=True,
                             timeout=TIMEOUT, check=True).stdout
    finally:
        for fd in fds:
            os.close(fd)
    # 0, 1, 2, 3 and the directory that ls reads
    assert out.split() == ["passed", "5"]


@pytest.mark.quick
@pytest.mark.parametrize("kind", BAD_PROGRAMS)
def test_exec_diagnosis(rt, bundle, kind):
    program, text, never = bad_program(bundle, kind)
    c = rt.hold(bundle)
    result = c.exec(program).fails()
    if rt.is_ocirun:
        assert result.rc == 255
        assert re.search(text, result.err, re.I), result.err
        assert never is None or not re.search(never, result.err, re.I), result.err
        assert result.err.count("\n") == 1
    c.stop()


@pytest.mark.ocirun_only
def test_failing_exec_leaves_no_pid_file(rt, c):
    c.exec("/no/such", options=["-d", "--pid-file", rt.path("pid")]).fails()
    assert not os.path.exists(rt.path("pid"))


@pytest.mark.ocirun_only
def test_failing_exec_leaves_no_zombie(rt, c):
    before = json.loads(rt.cmd("ps", "-f", "json", c.id).ok().out)
    c.exec("/no/such").fails()
    assert json.loads(rt.cmd("ps", "-f", "json", c.id).ok().out) == before
    assert " Z" not in c.sh("cat /proc/[0-9]*/stat | cut -d')' -f2")


@pytest.mark.quick
@pytest.mark.parametrize("status", ["stopped", "paused"])
def test_refused(rt, c, status):
    if status == "paused":
        rt.cmd("pause", c.id).ok()
    else:
        c.kill("KILL").ok()
        c.wait()
    result = c.exec("true").fails()
    if rt.is_ocirun:
        assert result.rc == 255
        assert ("paused" if status == "paused" else "container not running") in result.err
    c.delete("-f").ok()


@pytest.mark.ocirun_only
def test_ignore_paused(rt, c):
    groups = cgroup_of(c.pid)
    procs = groups["freezer" if "freezer" in groups else ""] + "/cgroup.procs"
    rt.cmd("pause", c.id).ok()
    before = read(procs)
    proc = rt.popen("exec", "--ignore-paused", c.id, "echo", "ok")
    until(lambda: read(procs) != before, "its process among those that are frozen")
    until(lambda: waits_in(proc.pid, "poll", "ppoll", "recvmsg"), "exec to wait")
    assert not proc.result_out.text()
    rt.cmd("resume", c.id).ok()
    assert rt.finish(proc).ok().out == "ok\n"


def test_in_created(rt, bundle):
    c = rt.create(bundle.hold())
    result = c.exec("echo", "hi")
    assert result.rc == 0 and result.out == "hi\n"
    assert c.status() == "created"


@pytest.mark.parametrize("options", [["--cwd", "relative"], ["--cwd", ""], ["--cap", ""], ["--preserve-fds", "x"], ["--no-such-flag"]])
def test_bad_options(rt, c, options):
    if not rt.is_ocirun and options[1:] == [""]:
        return
    c.exec("true", options=options).fails()


def test_no_command(rt, c):
    rt.cmd("exec", c.id).fails()


@pytest.mark.ocirun_only
@pytest.mark.parametrize("form", ["--cgroup=/sub", "--cgroup=memory:/sub"])
def test_cgroup(rt, c, form):
    groups = cgroup_of(c.pid)
    if "memory" in form and "memory" not in groups:
        # nobody has such a hierarchy here; /sub in the one that there is would be another wish
        assert "no such hierarchy" in c.exec("true", options=[form]).fails().err
        return
    name = "memory" if "memory" in groups else ""
    for directory in {groups[name]} if "memory" in form else {d for d in groups.values() if c.id in d}:
        os.makedirs(directory + "/sub", exist_ok=True)
        for name_of in ("cpuset.mems", "cpuset.cpus"):       # empty in a new v1 cpuset
            if os.path.exists(directory + "/" + name_of) and "cpuset" in directory:
                write(directory + "/sub/" + name_of, read(directory + "/" + name_of))
    out = c.sh("cat /proc/self/cgroup", [form])
    assert [l for l in out.splitlines() if name in l.split(":")[1].split(",") and l.endswith("/sub")], out


@pytest.mark.ocirun_only
@pytest.mark.parametrize("path", ["/../..", "../x", "/no-such"])
def test_cgroup_outside(rt, c, path):
    assert c.exec("true", options=["--cgroup", path]).fails().rc == 255


def test_many_at_once(rt, c):
    procs = [rt.popen("exec", c.id, "/bin/sh", "-c", "echo %d" % i) for i in range(8)]
    assert [rt.finish(p).ok().out for p in procs] == ["%d\n" % i for i in range(8)]


def test_init_dies_during_exec(rt, c):
    proc = rt.popen("exec", c.id, "/bin/sh", "-c", "echo in; exec sleep 1000")
    until(lambda: proc.result_out.text() == "in\n", "exec running")
    c.kill("KILL").ok()
    assert rt.finish(proc).rc == 137


def test_only_three_descriptors(rt, c):
    assert c.exec("helper", "fds").ok().out.split() == ["0", "1", "2"]


@pytest.mark.ocirun_only
@pytest.mark.parametrize("affinity,calls", [({"initial": "0", "final": "0"}, 2), ({"initial": "0", "final": ""}, 1),
                                            ({"initial": "0"}, 1), ({"final": "0"}, 1),
                                            ({"initial": "", "final": ""}, 0), ({}, 0)],
                         ids=["both", "final-empty", "final-absent", "initial-absent", "empty", "none"])
def test_r105_affinity_that_is_not_asked_for(rt, bundle, affinity, calls):
    """An empty list leaves what the kernel made of it when the process entered the cgroup."""
    if not shutil.which("strace"):
        pytest.skip("no strace")
    bundle.process["execCPUAffinity"] = affinity
    c, log, command = rt.hold(bundle), rt.path("strace"), rt.command
    try:
        rt.command = strace("-f", "-e", "trace=sched_setaffinity,execve", "-o", log) + command
        c.exec("helper", "affinity").ok()
    finally:
        rt.command = command
    assert "execve(" in read(log) and read(log).count("sched_setaffinity(") == calls
    c.stop()


def left_alone(rt, c):
    """Whose exec has not waited for its end has a process that is ours to reap; then there are shell and sleep."""
    until(lambda: reap() or len(json.loads(rt.cmd("ps", "-f", "json", c.id).ok().out)) == 2, "its end")


@pytest.mark.ocirun_only
@pytest.mark.parametrize("what", ["paused", "document"])
def test_interrupted_before_the_program(rt, c, what):
    """While the process cannot be made there is nobody to pass a signal on to."""
    os.mkfifo(rt.path("fifo"))
    if what == "paused":
        rt.cmd("pause", c.id).ok()
    words = ["--ignore-paused", c.id, "true"] if what == "paused" else ["-p", rt.path("fifo"), c.id]
    proc = rt.popen("exec", *words)
    calls = ["openat"] if what == "document" else ["poll", "ppoll", "recvmsg"]
    until(lambda: waits_in(proc.pid, *calls), "exec to wait")
    proc.terminate()
    assert rt.finish(proc).rc == 128 + signal.SIGTERM
    if what == "paused":
        rt.cmd("resume", c.id).ok()
    assert c.sh("echo still") == "still\n"
    left_alone(rt, c)
    c.stop()


def pause_while_it_begins(rt, c):
    """An exec that has found the container running, and makes its process when that is paused."""
    fifo = rt.path("fifo")
    os.mkfifo(fifo)
    proc = rt.popen("exec", "-p", fifo, c.id, env=dict(os.environ, OCIRUN_TIMEOUT="1"))
    with open(fifo, "w", encoding="utf8") as f:          # opens when exec has opened it
        rt.cmd("pause", c.id).ok()
        json.dump(dict(c.bundle.process, args=["true"]), f)
    return rt.finish(proc)


@pytest.mark.ocirun_only
def test_paused_meanwhile(rt, bundle):
    """Nothing of the attempt runs after resume, and nobody waits for it until then."""
    c = rt.hold(bundle)
    result = pause_while_it_begins(rt, c)
    assert result.rc == 255 and "did not answer" in result.err
    assert c.status() == "paused"
    rt.cmd("resume", c.id).ok()
    assert c.sh("echo still") == "still\n"
    left_alone(rt, c)
    c.stop()


@pytest.mark.ocirun_only
def test_paused_meanwhile_v2(v2, bundle):
    test_paused_meanwhile(v2, bundle)
