# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happens to a container's cgroups and to the processes in them, on each layout: removing trees, listing
processes, the truth after the end, and that nothing waits for a fixed time."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess

import pytest

from harness import alive, cgroup_mounts, cgroup_of, read, reap, until, v2_top, write

pytestmark = [pytest.mark.ocirun_only, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


def v2_directory(c):
    return cgroup_of(c.pid)[""]


def controllers():
    return read(v2_top() + "/cgroup.controllers").split()


def process_in(directory, *files):
    """A process of the container's cgroup moved to one below it."""
    pids = [p for p in read(os.path.dirname(directory) + "/cgroup.procs").split() if p != "0"]
    for file in files or ("cgroup.procs",):
        write(directory + "/" + file, pids[-1])
    return int(pids[-1])


# ---- removing trees ----

def test_delete_with_threaded_cgroups(v2, bundle):
    """cgroup.kill and cgroup.procs of a threaded cgroup say EOPNOTSUPP: its domain has to do."""
    c = v2.hold(bundle)
    where = v2_directory(c)
    for name in ("/t", "/t/below"):
        os.mkdir(where + name)
        write(where + name + "/cgroup.type", "threaded")
    write(where + "/t/cgroup.threads", read(where + "/cgroup.threads").split()[-1])
    assert read(where + "/cgroup.type").strip() == "domain threaded"
    assert len(json.loads(v2.cmd("ps", "--format", "json", c.id).ok().out)) == 2
    c.delete("--force").ok()
    assert not os.path.exists(where)


@pytest.mark.parametrize("how", ["delete", "kill", "kill --all"])
def test_frozen_cgroups_below_on_v2(v2, bundle, how):
    c = v2.hold(bundle)
    where = v2_directory(c)
    os.makedirs(where + "/a/b")
    process_in(where + "/a", "cgroup.procs")
    write(where + "/a/cgroup.freeze", "1")
    until(lambda: "frozen 1" in read(where + "/a/cgroup.events"))
    if how != "delete":
        v2.cmd(*how.split(), c.id, "KILL").ok()
        until(lambda: c.status() == "stopped")
    c.delete("--force").ok()
    assert not os.path.exists(where)


@pytest.mark.parametrize("how", ["delete", "kill", "kill --all"])
def test_frozen_cgroups_below_on_v1(rt, bundle, how):
    c = rt.hold(bundle)
    where = cgroup_of(c.pid).get("freezer")
    if where is None:
        pytest.skip("freezer is no v1 hierarchy")
    os.makedirs(where + "/a/b")
    process_in(where + "/a", "cgroup.procs")
    write(where + "/a/freezer.state", "FROZEN")
    until(lambda: read(where + "/a/freezer.state").strip() == "FROZEN")
    if how != "delete":
        rt.cmd(*how.split(), c.id, "KILL").ok()
        until(lambda: c.status() == "stopped")
    c.delete("--force").ok()
    assert not os.path.exists(where)


# ---- a freezer in the way of what ends: the v1 one holds back SIGKILL ----

@pytest.fixture
def frozen_below(rt, bundle):
    """A container, and a cgroup below its own that is frozen until the test is over."""
    c = rt.hold(bundle)
    where = cgroup_of(c.pid).get("freezer")
    if where is None:
        pytest.skip("freezer is no v1 hierarchy")
    state = where + "/held/freezer.state"
    os.mkdir(where + "/held")
    rt.cleanups.append(lambda: os.path.exists(state) and write(state, "THAWED"))
    return c, state


def test_exec_that_is_frozen_meanwhile_on_v1(rt, frozen_below):
    """It gives up, although its process cannot be killed now."""
    c, state = frozen_below
    write(state, "FROZEN")
    result = c.exec("true", options=["--cgroup", "freezer:/held"], env=dict(os.environ, OCIRUN_TIMEOUT="1"))
    assert result.fails().rc == 255
    assert re.search(r"did not answer within 1 s: pid \d+ ", result.err)
    write(state, "THAWED")
    until(lambda: read(os.path.dirname(state) + "/cgroup.procs") == "", "the end of the process")
    reap()      # ours by adoption; init waits for that
    c.stop()


def test_pause_of_what_is_killed_on_v1(rt, frozen_below):
    """kill thaws after its signal; a pause that comes later would hold init for good."""
    c, state = frozen_below
    pid = c.pid
    write(os.path.dirname(state) + "/cgroup.procs", str(pid))
    write(state, "FROZEN")
    until(lambda: read(state).strip() == "FROZEN")
    os.kill(pid, 9)
    assert "container not running" in rt.cmd("pause", c.id).fails().err
    write(state, "THAWED")
    assert c.wait() == 137
    c.delete().ok()


def test_delete_kills_in_all_cgroups_below(rt, bundle):
    """Without a pid namespace of its own, with init dead, and what is left somewhere below."""
    bundle.drop_namespace("pid")
    c = rt.start(bundle.sh("sleep 1001 & sleep 1002 & echo ready; wait")).wait_out("ready")
    groups = {d for d in cgroup_of(c.pid).values() if c.id in d}
    for where in groups:
        os.makedirs(where + "/x/y")
        for file in ("cpuset.cpus", "cpuset.mems"):
            if "/cpuset/" in where:
                for level in ("/x", "/x/y"):
                    write(where + level + "/" + file, read(where + "/" + file))
    pids = [p for p in read(sorted(groups)[0] + "/cgroup.procs").split() if int(p) != c.pid]
    for where in groups:
        write(where + "/x/y/cgroup.procs", pids[0])
    rt.cmd("kill", c.id, "KILL")
    c.wait()
    c.delete("--force").ok()
    assert not [where for where in groups if os.path.exists(where)]


def test_delete_kills_in_a_cgroup_that_was_there(rt, bundle):
    """An engine that makes the cgroup itself, and removes it: what is left in it is the container's all the same."""
    path = "/" + rt.new_id() + "-made"
    tops = [top for top, _ in cgroup_mounts()]
    for top in tops:
        os.mkdir(top + path)
    rt.cleanups.append(lambda: [os.rmdir(top + path) for top in tops])
    bundle.linux["cgroupsPath"] = path
    bundle.drop_namespace("pid")
    c = rt.start(bundle.sh("sleep 1001 & echo ready; wait")).wait_out("ready")
    (child,) = map(int, read("/proc/%d/task/%d/children" % (c.pid, c.pid)).split())
    c.delete("--force").ok()
    assert not alive(child)
    assert all(os.path.isdir(top + path) for top in tops)


@pytest.mark.parametrize("seen", ["nothing", "something else"])
def test_delete_where_a_hierarchy_is_mounted_no_longer(rt, bundle, seen):
    """A state directory that has outlived the layout it was written under; or a view without it."""
    c, command = rt.hold(bundle), rt.command
    left = set(cgroup_of(c.pid).values())
    rt.cleanups.append(lambda: [os.rmdir(d) for d in left if os.path.exists(d)])
    view = {"nothing": "umount -R /sys/fs/cgroup && mount -t tmpfs none /sys/fs/cgroup",
            "something else": " && ".join("mount -t tmpfs none " + top for top, _ in cgroup_mounts())}[seen]
    rt.command = ["unshare", "-m", "sh", "-c", view + " && exec \"$@\"", "view"] + command
    result = c.delete("--force")
    rt.command = command
    assert result.rc == 0, result.err
    assert not alive(c.pid) and rt.states() == []


# ---- listing ----

def test_ps_options_are_those_of_ps(rt, bundle):
    c = rt.hold(bundle)
    title, *rows = rt.cmd("ps", c.id, "-o", "pid,comm", "-A").ok().out.splitlines()
    assert title.split() == ["PID", "COMMAND"]
    assert {row.split()[1] for row in rows} == {"sh", "sleep"} and str(c.pid) in [row.split()[0] for row in rows]
    title, *rows = rt.cmd("ps", "--format", "table", c.id, "-eo", "comm,pid,ppid").ok().out.splitlines()
    assert title.split() == ["COMMAND", "PID", "PPID"] and len(rows) == 2
    assert "PID" in rt.cmd("ps", c.id, "-o", "comm", "-A").fails().err
    rt.cmd("ps", c.id, "--no-such-option").fails()
    c.stop()


def test_ps_lists_cgroups_below(v2, bundle):
    c = v2.hold(bundle)
    where = v2_directory(c)
    os.makedirs(where + "/a/b")
    moved = process_in(where + "/a", "cgroup.procs")
    pids = json.loads(v2.cmd("ps", "--format", "json", c.id).ok().out)
    assert moved in pids and c.pid in pids and len(pids) == 2
    c.stop()


@pytest.mark.parametrize("refused", ["pidfd_open", "pidfd_send_signal"])
def test_signals_where_a_filter_refuses_pidfds(rt, bundle, refused):
    if not shutil.which("strace"):
        pytest.skip("no strace")
    c = rt.start(bundle.sh("trap 'echo got' USR1; echo ready; while :; do sleep 1000 & wait; done")).wait_out("ready")
    command = rt.command
    rt.command = strace("-e", "trace=pidfd_open," + refused, "-e", "inject=%s:error=EPERM" % refused,
                        "-o", rt.path("strace")) + command
    result = rt.cmd("kill", "--all", c.id, "USR1")
    rt.command = command
    assert result.rc == 0, result.err
    calls, opened = read(rt.path("strace")), r"pidfd_open\(%d, 0\) += " % c.pid
    if refused == "pidfd_send_signal":
        fds = re.findall(opened + r"(\d+)$", calls, re.M)
        assert re.search(r"pidfd_send_signal\((%s), SIGUSR1, .* \(INJECTED\)$" % "|".join(fds), calls, re.M) and fds, calls
    else:
        assert re.search(opened + r"-1 .* \(INJECTED\)$", calls, re.M), calls
    c.wait_out("got").stop()


def test_signals_to_more_processes_than_descriptors(rt, bundle):
    c = rt.start(bundle.sh("i=0; while test $i -lt 300; do sleep 1001 & i=$((i + 1)); done; trap 'echo got' USR1; echo ready; "
                           "while :; do sleep 1002 & wait; done")).wait_out("ready")
    rt.cmd("kill", "--all", c.id, "USR1", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))).ok()
    c.wait_out("got").stop()


# ---- entering ----

def test_a_stranger_that_enters_at_the_same_time(v2, bundle):
    """After the look whether the cgroup is empty: two runtimes that look at once would both go on."""
    if not shutil.which("strace"):
        pytest.skip("no strace")
    path = "/" + v2.new_id() + "-raced"
    bundle.linux["cgroupsPath"] = path
    bundle.args("/bin/true").save()
    command = v2.command
    at = command.index("v2") + 1 if command[0] == "unshare" else 0
    v2.command = command[:at] + strace("-e", "trace=clone3", "-e", "inject=clone3:signal=SIGSTOP:when=1", "-o", v2.path("strace")) \
        + command[at:]
    proc = v2.popen("create", "--bundle", bundle.dir, v2.new_id())
    v2.command = command
    log = v2.path("strace")
    other = subprocess.Popen(["sleep", "1000"])
    try:
        # not by its state: it is "tracing stop" at each call too
        until(lambda: proc.poll() is not None or os.path.exists(log) and "--- stopped by SIGSTOP ---" in read(log),
              "the runtime to stand still")
        assert proc.poll() is None, proc.result_err.text()
        write(v2_top() + path + "/cgroup.procs", str(other.pid))
        traced, = read("/proc/%d/task/%d/children" % (proc.pid, proc.pid)).split()
        os.kill(int(traced), signal.SIGCONT)
        result = v2.finish(proc)
        unharmed = other.poll() is None
        assert "is not empty: 1 process" in result.fails().err and unharmed
    finally:
        other.kill()
        other.wait()
        os.rmdir(v2_top() + path)


# ---- the truth afterwards ----

def test_state_tells_the_exit_status(rt, bundle):
    """As far as the kernel knows: while the caller, whose child it is, has not taken it."""
    c = rt.start(bundle.sh("exit 42"))
    until(lambda: c.status() == "stopped")
    assert c.state()["exitStatus"] == 42 and "oomKilled" not in c.state()
    c.wait()
    assert "exitStatus" not in c.state()
    c.delete().ok()
    c = rt.hold()
    c.kill("KILL").ok()
    until(lambda: c.status() == "stopped")
    assert c.state()["exitStatus"] == 137
    c.wait()
    c.delete().ok()


@pytest.mark.parametrize("init", [True, False], ids=["init", "other"])
def test_state_tells_an_oom_kill(rt, bundle, init):
    if not any("memory" in names for _, names in cgroup_mounts()) and "memory" not in controllers():
        pytest.skip("nobody counts memory")
    bundle.linux["resources"]["memory"] = {"limit": 20 << 20, "swap": 20 << 20}
    c = rt.start(bundle.args("/bin/helper", "eat", "200") if init else bundle.sh("/bin/helper eat 200; exit 3"))
    until(lambda: c.status() == "stopped")
    state = c.state()
    assert state["oomKilled"] is True and state["exitStatus"] == (137 if init else 3)
    c.wait()
    # also when nobody knows the status any more
    assert c.state()["oomKilled"] is True
    c.delete().ok()


# ---- what was never made ----

def test_an_empty_entry_claims_no_cgroup(rt):
    """A create that was killed before it wrote anything: a cgroup of that name is somebody else's."""
    name = rt.new_id()
    where = ["%s/%s" % (top, name) for top, names in cgroup_mounts() if names & {"", "pids"}]
    other = subprocess.Popen(["sleep", "1000"])
    os.makedirs(rt.root + "/" + name)
    try:
        for directory in where:
            os.mkdir(directory)
            write(directory + "/cgroup.procs", str(other.pid))
        for words in (["state"], ["kill"], ["start"], ["pause"]):
            assert "container does not exist: " + name in rt.cmd(*words, name).fails().err
        rt.cmd("delete", "--force", name).ok()
        assert other.poll() is None and all(os.path.isdir(directory) for directory in where)
        assert not os.path.exists(rt.root + "/" + name)
    finally:
        other.kill()
        other.wait()
        for directory in where:
            until(lambda d=directory: not read(d + "/cgroup.procs"))
            os.rmdir(directory)


# ---- what the machine has ----

def test_hugetlb_is_on_one_side():
    """The tests of hugetlb on v1 and of that on v2 skip where the other has it (skips.txt): never both."""
    known = os.path.exists("/sys/kernel/mm/hugepages") and re.search(r"^hugetlb\s.*\b1$", read("/proc/cgroups"), re.M)
    sides = [any("hugetlb" in names for _, names in cgroup_mounts()), v2_top() is not None and "hugetlb" in controllers()]
    # without v2 a hierarchy that is not mounted is nowhere
    assert not known or v2_top() is None or sum(sides) == 1, sides


# ---- no fixed waits ----

def strace(*options):
    """A program that is traced cannot be searched for leaks."""
    return ["strace", "-E", "ASAN_OPTIONS=%s:detect_leaks=0" % os.environ.get("ASAN_OPTIONS", ""), *options]


LOOK = r", 0\) += 0 \(Timeout\)"         # not a wait
WAITS = "nanosleep,clock_nanosleep,poll,ppoll,select,pselect6,epoll_wait,epoll_pwait"


def waits(text, program=None):
    """The lines of strace -f about waiting: of the command itself, and of its children up to their execve of program,
    after which they are the container's."""
    own, children, first, gone = [], [], text.split(" ", 1)[0], set()
    for line in text.splitlines():
        pid, call = line.split(maxsplit=1)
        if program and 'execve("%s"' % program in call and call.endswith("= 0"):
            gone.add(pid)
        elif re.search(LOOK, call):
            pass
        elif pid not in gone and re.match(r"(<\.\.\. )?(%s)\b" % WAITS.replace(",", "|"), call):
            (own if pid == first else children).append(call)
    return own, children


ASKED = r'unlinkat\(.*AT_REMOVEDIR|rmdir\(|read\(\d+, "(FREEZING|FROZEN|THAWED)'


def check_pauses(text, on_v1):
    """v1 sends no events. What says that it takes longer is asked again, 1, 2, 4, ... 50 ms later (cgroup_backoff_wait);
    nothing else is a reason to pause."""
    first, busy, pause = text.split(" ", 1)[0], False, 1
    for call in [line.split(maxsplit=1)[1] for line in text.splitlines() if line.startswith(first + " ")]:
        if re.match(ASKED, call):
            busy = "EBUSY" in call or "FREEZING" in call
            pause = pause if busy else 1
        elif "= 0 (Timeout)" in call and not re.search(LOOK, call):
            assert on_v1 and busy and re.match(r"poll\(NULL, 0, %d\) " % pause, call), text
            busy, pause = False, min(2 * pause, 50)


def check_no_wait(rt, bundle, on_v1):
    if not shutil.which("strace"):
        pytest.skip("no strace")
    bundle.args("/bin/sleep", "1000").save()
    ident, command = rt.new_id(), rt.command
    pid_file = rt.path("pid")
    rt.command = list(command)
    at = rt.command.index("v2") + 1 if command[0] == "unshare" else 0
    log = rt.path("strace")
    rt.command[at:at] = strace("-f", "-e", "trace=execve,read,unlinkat,?rmdir," + WAITS, "-o", log)
    own, children = [], []
    try:
        # strace goes on with init
        create = rt.popen("create", "--bundle", bundle.dir, "--pid-file", pid_file, ident)
        until(lambda: os.path.exists(pid_file) or create.poll() is not None, "create")
        if create.poll() is not None and "ptrace" in create.result_err.text():
            pytest.skip("strace may not trace here")
        assert create.poll() is None, create.result_err.text()
        rt.command[at:] = strace("-f", "-e", "trace=execve,read,unlinkat,?rmdir," + WAITS, "-o", log + "2") + command[at:]
        for words in (["start", ident], ["delete", "--force", ident]):
            rt.cmd(*words).ok()
            more, others = waits(read(log + "2"))
            check_pauses(read(log + "2"), on_v1)
            own += more
            assert not others, others
        assert rt.finish(create).rc == 0
    finally:
        rt.command = command
    more, children = waits(read(log), "/bin/sleep")
    check_pauses(read(log), on_v1)
    own += more
    # what init waits for is start, or the end of who would call it
    assert len([call for call in children if "resumed" not in call]) == 1, children
    assert re.match(r"poll\(\[\{fd=\d+, events=POLLIN\}, \{fd=\d+, events=POLLIN\}\], 2, -1( <unfinished \.\.\.>|\) = 1 )",
                    children[0]), children
    slept = [call for call in own if "sleep" in call]
    timeouts = [call for call in children if "= 0 (Timeout)" in call]
    assert any(call.startswith("poll(") for call in own) and not slept and not timeouts, own + children


def test_nothing_sleeps(rt, bundle):
    """create, start and delete --force of a running sleep: no wait but for events, and what v1 has instead of them."""
    check_no_wait(rt, bundle, any("pids" in names for _, names in cgroup_mounts()))


def test_nothing_sleeps_on_v2(v2, bundle):
    check_no_wait(v2, bundle, False)


@pytest.mark.ocirun_only
def test_nobody_is_moved_by_pid(rt, bundle):
    """To write a pid to cgroup.procs stops each fork of the machine for a while: create and exec go without."""
    if not shutil.which("strace"):
        pytest.skip("no strace")
    log, command = rt.path("strace"), rt.command
    c = rt.start(bundle.args("/bin/sleep", "1000"))
    texts = []
    try:
        rt.command = strace("-f", "-y", "-e", "trace=write", "-o", log) + command
        c.exec("/bin/true").ok()
        texts.append(read(log))
        rt.run(rt.bundle("/bin/true")).ok()
        texts.append(read(log))
    finally:
        rt.command = command
    for text in texts:
        assert not re.search(r"cgroup\.procs>", text), text
        if any("pids" in names for _, names in cgroup_mounts()):
            assert re.search(r'/pids/[^ ]*/tasks>, "0", 1\) += 1', text), text
    c.stop()
