# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lifecycle and the five operations: requirements 1-3, 9, 18-21, 27, 30, 33-59."""

import json
import os
import re
import resource
import shutil
import signal

import pytest

from harness import SLOWNESS, Guard, cgroup_of, read, until, waits_in, write


@pytest.mark.quick
def test_r018_r020_r027_r041_r043_r049_create_builds_start_runs(rt, bundle):
    bundle.sh("echo ran > /data/mark; echo hello")
    c = rt.create(bundle)
    assert c.state()["status"] == "created"
    assert not os.path.exists(bundle.rootfs + "/data/mark")
    assert os.readlink("/proc/%d/ns/pid" % c.pid) != os.readlink("/proc/self/ns/pid")
    c.start().ok()
    assert c.wait() == 0
    assert c.out == "hello\n"
    assert read(bundle.rootfs + "/data/mark") == "ran\n"
    assert c.status() == "stopped"
    c.delete().ok()
    rt.cmd("state", c.id).fails()


@pytest.mark.quick
def test_r001_r035_every_operation(rt, bundle):
    """The five operations, by the one who created; none of them says anything but state."""
    c = rt.create(bundle.sh("trap 'echo told; exit 9' USR1; echo ready; while :; do sleep 1000 & wait; done"))
    assert c.status() == "created"
    pid = c.pid
    results = [c.result, c.start()]
    c.wait_out("ready")
    assert c.state()["pid"] == pid and c.status() == "running"
    results.append(c.kill("USR1"))
    assert c.wait() == 9
    assert c.status() == "stopped"
    results.append(c.delete())
    assert [(r.rc, r.err) for r in results] == [(0, "")] * 4
    assert c.out == "ready\ntold\n" and not results[1].out and not results[3].out
    rt.cmd("state", c.id).fails()


def test_r002_config_missing(rt, bundle):
    os.rename(bundle.save(), bundle.dir + "/Config.json")
    rt.failing_create(bundle, save=False, match=r"config\.json")


def test_r003_rootfs_missing(rt, bundle):
    shutil.rmtree(bundle.rootfs)
    rt.failing_create(bundle, match="No such file or directory")


def test_r003_rootfs_is_a_file(rt, bundle):
    shutil.rmtree(bundle.rootfs)
    write(bundle.rootfs, "")
    rt.failing_create(bundle)


def test_r021_config_edit_after_create(rt, bundle):
    c = rt.create(bundle.sh("echo first"))
    bundle.sh("echo second").save()
    c.start().ok()
    c.wait()
    assert c.out == "first\n"


@pytest.mark.ocirun_only
def test_waiting_init_holds_no_device(rt, bundle):
    """The null device was there for the masks."""
    c = rt.create(bundle.args("/bin/true"))
    fds = [int(fd) for fd in os.listdir("/proc/%d/fd" % c.pid)]
    assert [os.readlink("/proc/%d/fd/%d" % (c.pid, fd)) for fd in fds if fd > 2].count("/dev/null") == 0
    c.delete("--force").ok()


def test_r021_config_removed_after_create(rt, bundle):
    c = rt.create(bundle.sh("echo first"))
    os.unlink(bundle.dir + "/config.json")
    c.start().ok()
    c.wait()
    assert c.out == "first\n"
    c.delete().ok()


@pytest.mark.quick
def test_r030_r056_delete_removes_everything(rt, bundle):
    c = rt.hold(bundle)
    pid = c.pid
    groups = cgroup_of(pid)
    mine = [d for d in groups.values() if c.id in d]
    assert mine
    c.stop()
    for directory in mine:
        assert not os.path.exists(directory)
    assert rt.states() == []


@pytest.mark.parametrize("command", ["state", "start", "kill", "delete", "create", "run", "exec", "pause",
                                     "resume", "ps"])
def test_r036_r039_r047_r051_r054_no_id(rt, command):
    rt.cmd(command).fails()


@pytest.mark.parametrize("command", ["state", "start", "kill", "delete", "pause", "resume", "ps"])
def test_r037_unknown_id(rt, command):
    result = rt.cmd(command, "no-such-container").fails()
    assert "does not exist" in result.err


def test_r037_unknown_id_exec(rt):
    result = rt.cmd("exec", "no-such-container", "true").fails()
    assert "does not exist" in result.err


def test_r039_bundle_defaults_to_cwd(rt, bundle):
    bundle.sh("echo here").save()
    assert rt.cmd("run", rt.new_id(), cwd=bundle.dir).ok().out == "here\n"


@pytest.mark.ocirun_only
@pytest.mark.parametrize("what", ["bundle", "rootfs"])
def test_r039_path_not_utf8(rt, bundle, what):
    """The record and the state are JSON: a path that they cannot have is refused before anything is made."""
    if what == "bundle":
        bundle.dir = shutil.move(bundle.dir, bundle.dir + "\udcff")
        rt.failing_create(bundle, match="bundle .*: is not valid UTF-8")
    else:
        os.rename(bundle.rootfs, bundle.rootfs + "\udcff")
        os.symlink(bundle.rootfs + "\udcff", bundle.rootfs)
        rt.failing_create(bundle, match=r"config\.json:\d+:\d+: root\.path: .*: is not valid UTF-8")


def test_r039_bundle_missing(rt):
    rt.cmd("create", "--bundle", rt.path("nothing"), rt.new_id()).fails()


BAD_IDS = ["a/b", "..", ".", "", "../x", "x" * 5000, "a b", "a\nb", "/abs", "a:b", "é"]


@pytest.mark.parametrize("ident", BAD_IDS, ids=[repr(i[:12]) for i in BAD_IDS])
def test_r040_invalid_id(rt, bundle, ident):
    bundle.args("/bin/true").save()
    rt.cmd("create", "--bundle", bundle.dir, ident).fails()
    assert rt.states() == []


@pytest.mark.parametrize("ident", ["a", "A.b_c-d+e", "0", "x" * 64])
def test_r040_valid_id(rt, bundle, ident):
    bundle.linux["cgroupsPath"] = "/" + rt.new_id()
    assert rt.sh(bundle, "echo ok", ident=ident) == "ok\n"


@pytest.mark.quick
def test_r009_r040_id_in_use(rt, bundle):
    c = rt.hold(bundle)
    before = c.state()
    result = rt.cmd("create", "--bundle", bundle.dir, c.id).fails()
    assert "exist" in result.err
    assert c.state() == before
    c.stop()


def test_r040_id_in_use_by_created(rt, bundle):
    c = rt.create(bundle.args("/bin/true"))
    rt.cmd("create", "--bundle", bundle.dir, c.id).fails()
    rt.cmd("run", "--bundle", bundle.dir, c.id).fails()
    assert c.status() == "created"
    c.start().ok()
    assert c.wait() == 0


def test_r042_properties_applied_at_create(rt, bundle):
    bundle.config["hostname"] = "applied"
    bundle.add_mount("/mnt", "tmpfs", "tmpfs", ["size=64k"])
    c = rt.create(bundle.args("/bin/true"))
    assert " /mnt " in read("/proc/%d/mountinfo" % c.pid)
    assert os.readlink("/proc/%d/ns/net" % c.pid) != os.readlink("/proc/self/ns/net")


def test_r019_r045_impossible_property(rt, bundle):
    bundle.add_mount("/mnt", "none", "no-such-filesystem")
    rt.failing_create(bundle.args("/bin/true"), match=r"mounts\[\d+\] /mnt.*: ")


@pytest.mark.ocirun_only
def test_r044_process_at_create(rt, bundle):
    """Whoever the program will be, what waits for start is already; its limits come with the program."""
    bundle.process.update(user={"uid": 1000, "gid": 1001, "additionalGids": [5, 6], "umask": 0o27}, cwd="/tmp",
                          noNewPrivileges=True, oomScoreAdj=123,
                          rlimits=[{"type": "RLIMIT_CORE", "soft": 3, "hard": 7}])
    bundle.caps("CAP_KILL", sets=("bounding",)).args("/bin/cat", "/proc/self/limits")
    c = rt.create(bundle)
    status = dict(line.split(":\t", 1) for line in read("/proc/%d/status" % c.pid).splitlines() if ":\t" in line)
    assert status["Uid"].split() == ["1000"] * 4 and status["Gid"].split() == ["1001"] * 4
    assert status["Groups"].split() == ["5", "6"] and status["Umask"] == "0027"
    assert int(status["CapBnd"], 16) == 1 << 5 and int(status["CapEff"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert read("/proc/%d/oom_score_adj" % c.pid).strip() == "123"
    assert os.readlink("/proc/%d/cwd" % c.pid) == "/tmp"
    limit = r"Max core file size +3 +7 "
    assert not re.search(limit, read("/proc/%d/limits" % c.pid))
    c.start().ok()
    assert c.wait() == 0
    assert re.search(limit, c.out)


@pytest.mark.ocirun_only
@pytest.mark.parametrize("member,value", [("args", []), ("cwd", "tmp"), ("oomScoreAdj", 2000), ("env", ["x"]),
                                          ("execCPUAffinity", {"final": "x"}), ("rlimits", [{"type": "RLIMIT_CORE"}])],
                         ids=lambda v: v if isinstance(v, str) else "")
def test_r046_validated_up_front(rt, bundle, member, value):
    """What is needed at start or by exec only is looked at by create, before anything is done."""
    mark = rt.path("hook")
    bundle.hook("prestart", "echo ran > " + mark).hook("poststop", "echo ran > " + mark)
    bundle.process[member] = value
    rt.failing_create(bundle, match=r"config\.json:\d+:\d+: process\." + member)
    assert not os.path.exists(mark)


@pytest.mark.quick
def test_r048_start_twice(rt, bundle):
    c = rt.hold(bundle)
    c.start().fails()
    assert c.status() == "running"
    assert c.out == "ready\n"
    c.stop()


def test_r048_start_stopped(rt, bundle):
    c = rt.start(bundle.sh("echo x"))
    c.wait()
    c.start().fails()
    assert c.out == "x\n" and c.status() == "stopped"


@pytest.mark.ocirun_only
def test_r050_r085_no_process(rt, bundle):
    del bundle.config["process"]
    c = rt.create(bundle)
    assert c.status() == "created"
    result = c.start().fails()
    assert "process" in result.err
    assert c.status() == "created"
    c.delete().ok()


@pytest.mark.quick
def test_r052_kill_stopped(rt, bundle):
    c = rt.start(bundle.args("/bin/true"))
    c.wait()
    before = c.state()
    result = c.kill("KILL").fails()
    assert "not running" in result.err
    assert c.state() == before


def test_r053_kill_created(rt, bundle):
    c = rt.create(bundle.args("/bin/true"))
    pid = c.pid
    c.kill("KILL").ok()
    until(lambda: c.status() == "stopped", "stopped")
    c._pid = pid
    assert c.wait() == 137
    c.delete().ok()


def test_r055_delete_running_refused(rt, bundle):
    c = rt.hold(bundle)
    result = c.delete().fails()
    assert c.id in result.err
    assert c.status() == "running"
    assert c.exec("/bin/true").rc == 0
    c.stop()


def test_r055_delete_created_kills(rt, bundle):
    c = rt.create(bundle.args("/bin/true"))
    pid = c.pid
    c.delete().ok()
    rt.cmd("state", c.id).fails()
    until(lambda: not os.path.exists("/proc/%d" % pid) or "Z" in read("/proc/%d/stat" % pid), "init gone")


@pytest.mark.quick
def test_delete_force_running(rt, bundle):
    c = rt.hold(bundle)
    c.delete("--force").ok()
    rt.cmd("state", c.id).fails()


def test_delete_force_unknown_is_success(rt):
    result = rt.cmd("delete", "--force", "no-such-container")
    assert (result.rc, result.out, result.err) == (0, "", "")


def test_delete_force_created(rt, bundle):
    rt.create(bundle.args("/bin/true")).delete("-f").ok()


def test_r057_joined_namespace_survives_delete(rt, bundle):
    import subprocess
    holder = subprocess.Popen(["unshare", "-n", "sleep", "1000"])
    rt.procs.append(holder)
    path = "/proc/%d/ns/net" % holder.pid
    until(lambda: os.readlink(path) != os.readlink("/proc/self/ns/net"), "the new namespace")
    bundle.namespace("network", path)
    inode = os.readlink(path)
    assert rt.sh(bundle, "readlink /proc/self/ns/net").strip() == inode
    assert holder.poll() is None and os.readlink(path) == inode


def test_r058_id_reusable(rt, bundle):
    ident = rt.new_id()
    for word in ("one", "two"):
        assert rt.sh(bundle, "echo " + word, ident=ident) == word + "\n"


def test_r059_only_three_descriptors(rt, bundle):
    fds = [os.open("/etc", os.O_RDONLY) for _ in range(3)]
    try:
        bundle.args("/bin/helper", "fds")
        assert rt.run(bundle, pass_fds=fds).ok().out.split() == ["0", "1", "2"]
    finally:
        for fd in fds:
            os.close(fd)


def test_r061_stdio_is_the_callers(rt, bundle):
    out, err = rt.memfd(), rt.memfd()
    bundle.sh("read line; echo out-$line; echo err-$line >&2")
    rt.run(bundle, input="x\n", stdout=out.fd, stderr=err.fd).ok()
    assert out.text() == "out-x\n" and err.text() == "err-x\n"


@pytest.mark.quick
def test_r062_default_symlinks(rt, bundle):
    script = "for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done"
    assert rt.sh(bundle, script).split() == ["/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1",
                                             "/proc/self/fd/2", "pts/ptmx"]


@pytest.mark.quick
@pytest.mark.parametrize("script,status", [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137),
                                           ("exit 255", 255)])
def test_exit_status(rt, bundle, script, status):
    # pid 1 of a namespace cannot kill itself: use a child's status for the signal
    if "kill" in script:
        bundle.drop_namespace("pid")
    result = rt.run(bundle.sh(script))
    assert result.rc == status and result.err == ""


def test_run_detach(rt, bundle):
    ident = rt.new_id()
    bundle.hold().save()
    result = rt.cmd("run", "-d", "--bundle", bundle.dir, "--pid-file", rt.path("pid"), ident).ok()
    state = rt.state(ident)
    assert state["status"] == "running"
    assert int(read(rt.path("pid"))) == state["pid"]
    until(lambda: result.out == "ready\n", "ready")
    rt.cmd("delete", "-f", ident).ok()


def test_run_keep(rt, bundle):
    ident = rt.new_id()
    assert rt.run(bundle.sh("exit 3"), "--keep", ident=ident).rc == 3
    assert rt.state(ident)["status"] == "stopped"
    rt.cmd("delete", ident).ok()


def test_run_forwards_signals(rt, bundle):
    bundle.sh("trap 'echo got; exit 7' TERM; echo ready; while :; do sleep 1000 & wait; done").save()
    proc = rt.popen("run", "--bundle", bundle.dir, rt.new_id())
    until(lambda: "ready" in proc.result_out.text(), "ready")
    proc.terminate()
    result = rt.finish(proc)
    assert result.rc == 7 and "got" in result.out


def test_pid_file_relative_to_caller(rt, bundle):
    bundle.args("/bin/true").save()
    ident = rt.new_id()
    os.mkdir(rt.path("cwd"))
    rt.cmd("create", "--bundle", bundle.dir, "--pid-file", "p", ident, cwd=rt.path("cwd")).ok()
    assert int(read(rt.path("cwd/p"))) == rt.state(ident)["pid"]


def test_pid_file_overwrites(rt, bundle):
    write(rt.path("pid"), "something long that was here before")
    c = rt.create(bundle.args("/bin/true"), "--pid-file", rt.path("pid"))
    assert read(rt.path("pid")).strip() == str(c.pid)


def test_r033_no_trace_of_a_failed_run(rt, bundle):
    ident = rt.new_id()
    rt.run(bundle.args("/no/such/program"), ident=ident).fails()
    rt.cmd("state", ident).fails()
    assert rt.states() == []


def test_r033_pid_file_unwritable(rt, bundle):
    bundle.args("/bin/true").save()
    rt.cmd("create", "--bundle", bundle.dir, "--pid-file", rt.path("no/such/dir"), rt.new_id()).fails()
    assert rt.states() == []


def test_concurrent_creates(rt):
    procs = []
    for i in range(6):
        bundle = rt.bundle("echo %d" % i)
        bundle.save()
        procs.append(rt.popen("run", "--bundle", bundle.dir, rt.new_id()))
    assert [rt.finish(p).ok().out for p in procs] == ["%d\n" % i for i in range(6)]


def test_r009_concurrent_creates_of_one_id(rt, bundle):
    bundle.args("/bin/true").save()
    ident = rt.new_id()
    procs = [rt.popen("create", "--bundle", bundle.dir, ident) for _ in range(5)]
    codes = sorted(rt.finish(p).rc for p in procs)
    assert codes[0] == 0 and 0 not in codes[1:]
    assert rt.state(ident)["status"] == "created"
    rt.cmd("delete", "-f", ident).ok()


@pytest.mark.ocirun_only
def test_delete_force_with_broken_record(rt, bundle):
    for text in ("", "{", "null", json.dumps({"id": 1})):
        c = rt.hold(rt.bundle())
        pid = c.pid
        with open(os.path.join(rt.root, c.id, "state.json"), "w", encoding="utf8") as f:
            f.write(text)
        rt.cmd("delete", "--force", c.id).ok()
        assert rt.states() == []
        until(lambda: not os.path.exists("/proc/%d" % pid) or "Z" in read("/proc/%d/stat" % pid), "end")


@pytest.mark.ocirun_only
def test_too_few_descriptors_leave_nothing_behind(rt, bundle):
    """Whatever step it is that fails for want of one: undoing it takes some too."""
    bundle.args("/bin/true").save()
    failed = set()
    for limit in range(7, 32):
        before = Guard.take()
        result = rt.cmd("run", "--bundle", bundle.dir, rt.new_id(),
                        preexec_fn=lambda n=limit: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n)))
        if result.rc:
            failed.add(result.err.split(":")[-1].strip())
        assert rt.states() == [], "%d: %s" % (limit, result.err)
        Guard.compare(before)
    assert "Too many open files" in failed


@pytest.mark.ocirun_only
def test_delete_whatever_is_in_the_state_directory(rt, bundle):
    """Deeper than a path is long and than descriptors go, and with names that removal itself uses."""
    c = rt.hold(bundle)
    top = os.path.join(rt.root, c.id)
    os.makedirs(top + "/.removed-0/full")
    os.mkdir(top + "/.removed-1")
    write(top + "/.removed-2", "")
    for branch in ("a", "b"):
        at = os.open(top, os.O_PATH)
        for _ in range(100):
            os.mkdir(branch * 60, dir_fd=at)
            write("/proc/self/fd/%d/file" % at, "")
            below = os.open(branch * 60, os.O_PATH, dir_fd=at)
            os.close(at)
            at = below
        os.close(at)
    c.kill("KILL").ok()
    c.wait()
    rt.cmd("delete", c.id, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))).ok()
    assert rt.states() == []


@pytest.mark.ocirun_only
def test_pidfd_socket(rt, bundle):
    """--pidfd-socket: one pidfd, with the kind of process as data (go-runc's contract)."""
    import array
    import socket

    def received(path, action):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            listener.listen()
            listener.settimeout(10 * SLOWNESS)
            action()
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(10 * SLOWNESS)
                data, ancillary, _, _ = connection.recvmsg(64, socket.CMSG_SPACE(4))
        fds = array.array("i", ancillary[0][2])
        info = read("/proc/self/fdinfo/%d" % fds[0])
        os.close(fds[0])
        return data, int(info.split("Pid:")[1].split()[0])

    ident = rt.new_id()
    bundle.hold().save()
    kind, pid = received(rt.path("p1"), lambda: rt.cmd(
        "create", "--bundle", bundle.dir, "--pidfd-socket", rt.path("p1"), ident).ok())
    assert kind == b"standard" and pid == json.loads(rt.cmd("state", ident).out)["pid"]
    rt.cmd("start", ident).ok()
    kind, pid = received(rt.path("p2"), lambda: rt.cmd(
        "exec", "-d", "--pid-file", rt.path("pid"), "--pidfd-socket", rt.path("p2"), ident, "sleep", "100").ok())
    assert kind == b"setns" and pid == int(read(rt.path("pid")))
    os.kill(pid, 9)
    os.waitpid(pid, 0)  # ours: we are the subreaper, and init does not end before its zombies are gone
    rt.cmd("delete", "--force", ident).ok()


def test_start_of_a_paused_container_is_refused(rt, bundle):
    """It stays created, and nothing of the attempt is left for the time after resume."""
    c = rt.create(bundle.sh("echo ran"))
    rt.cmd("pause", c.id).ok()
    assert "paused" in c.start().fails().err
    assert c.status() == "paused"
    rt.cmd("resume", c.id).ok()
    assert c.status() == "created"
    c.start().ok()
    assert c.wait() == 0 and c.out == "ran\n"


def test_delete_during_start_is_refused(rt, bundle):
    """While startContainer hooks run the status is created, but the container is somebody's."""
    os.mkfifo(bundle.rootfs + "/data/gate")
    bundle.hook("startContainer", "echo > /data/in; read x < /data/gate").hold()
    c = rt.create(bundle)
    start = rt.popen("start", c.id)
    until(lambda: os.path.exists(bundle.rootfs + "/data/in"), "the hook")
    assert c.id in c.delete().fails().err
    assert start.poll() is None
    write(bundle.rootfs + "/data/gate", "go\n")
    rt.finish(start).ok()
    c.wait_out("ready")
    assert c.status() == "running"
    c.stop()


@pytest.mark.ocirun_only
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("order", [("start", "delete"), ("delete", "start")], ids="-then-".join)
def test_start_and_delete_at_a_time(rt, bundle, order):
    """One of them has the container, the other one fails."""
    c = rt.create(bundle.hold())
    os.kill(c.pid, signal.SIGSTOP)
    procs = []
    for command in order:
        procs.append(rt.popen(command, c.id))
        until(lambda: procs[-1].poll() is not None or waits_in(procs[-1].pid, "recvfrom", "recvmsg"), command)
    os.kill(c.pid, signal.SIGCONT)
    first, second = [rt.finish(p) for p in procs]
    first.ok()
    second.fails()
    if order[0] == "start":
        c.wait_out("ready").stop()
    else:
        assert rt.states() == []


@pytest.mark.ocirun_only
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_run_deletes_its_own_container_only(rt, bundle):
    """Not the one that has the id by the time it finds its own gone."""
    ident = rt.new_id()
    bundle.hold().save()
    proc = rt.popen("run", "--bundle", bundle.dir, ident)
    until(lambda: "ready" in proc.result_out.text(), "ready")
    os.kill(proc.pid, signal.SIGSTOP)
    rt.cmd("delete", "--force", ident).ok()
    rt.cmd("run", "-d", "--bundle", bundle.dir, ident).ok()
    os.kill(proc.pid, signal.SIGCONT)
    assert rt.finish(proc).rc == 137
    assert rt.state(ident)["status"] == "running"
    rt.cmd("delete", "--force", ident).ok()


@pytest.mark.ocirun_only
def test_start_destroys_its_own_container_only(rt, bundle):
    """The same of a start whose poststart hook fails."""
    os.mkfifo(rt.path("gate"))
    bundle.hook("poststart", "echo > %s; read x < %s; exit 1" % (rt.path("in"), rt.path("gate"))).hold()
    c = rt.create(bundle)
    start = rt.popen("start", c.id)
    until(lambda: os.path.exists(rt.path("in")), "the hook")
    c.delete("--force").ok()
    del bundle.config["hooks"]
    other = rt.hold(bundle, ident=c.id)
    write(rt.path("gate"), "go\n")
    rt.finish(start).fails()
    assert other.status() == "running"
    other.stop()
