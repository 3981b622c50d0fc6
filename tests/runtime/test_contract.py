# SPDX-License-Identifier: LGPL-2.1-or-later
"""What engines rely on without saying so: files, descriptors, processes, environments and moments.

The numbers (c04) are those of docs/engines. Command lines, wording and exit statuses have their tests beside
the commands.
"""

import json
import os
import re
import select
import socket
import struct
import subprocess

import pytest

from harness import (SLOWNESS, alive, cgroup_dirs, cgroup_of, check, descendants, libc, pid_wait, read, reap, receive_fd, until,
                     write)

# What podman gives to the runtime for kill, pause, resume and delete: one variable, and nothing in it.
BARE = {"env": {"XDG_RUNTIME_DIR": ""}, "cwd": "/"}


def exec_detached(c, *argv, options=()):
    """exec --detach; gives the pid of the process."""
    pid_file = c.rt.path("exec.pid")
    c.exec(*argv, options=["--detach", "--pid-file", pid_file, *options]).ok()
    return int(read(pid_file))


def end(pid):
    os.kill(pid, 9)
    assert pid_wait(pid) == 137


# ---- the pid file ----

IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE = 2, 8, 0x80, 0x100


class Watched:
    """A directory whose entries are watched, as BuildKit watches for the pid file."""

    def __init__(self, path):
        self.fd = check(libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK), "inotify_init1")
        check(libc.inotify_add_watch(self.fd, path.encode(), IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE),
              "inotify_add_watch")

    def events(self, name):
        """What happened to `name` until now, in order."""
        found = []
        while select.select([self.fd], [], [], 0)[0]:
            data = os.read(self.fd, 65536)
            while data:
                _, mask, _, length = struct.unpack_from("iIII", data)
                if data[16:16 + length].rstrip(b"\0").decode() == name:
                    found.append(mask)
                data = data[16 + length:]
        return found

    def close(self):
        os.close(self.fd)


@pytest.mark.parametrize("command", ["create", "exec"])
@pytest.mark.parametrize("there", [False, True], ids=["new", "empty file there"])
def test_c04_pid_file_appears_whole(rt, bundle, command, there):
    """It is digits and nothing else (go-runc reads all of it as a number), and whoever sees it can read it."""
    os.mkdir(rt.path("pids"))
    path = rt.path("pids/pid")
    c = rt.hold(bundle) if command == "exec" else None
    if there:
        write(path, "")
    watched = Watched(rt.path("pids"))
    if c:
        c.exec("sleep", "1000", options=["-d", "--pid-file", path]).ok()
        pid = int(read(path))
    else:
        pid = rt.create(bundle, "--pid-file", path).pid
    events = watched.events("pid")
    watched.close()
    assert read(path) == str(pid)
    # by rename, or a link to a file that had no name until then
    assert events in ([IN_MOVED_TO], [IN_CREATE]), events
    if c:
        end(pid)
        c.stop()


@pytest.mark.ocirun_only
def test_c04_no_pid_file_before_the_hooks(rt, bundle):
    """A set-up that can still fail has no pid file yet: conmon takes it for success."""
    path = rt.path("pid")
    bundle.hook("createRuntime", "test ! -e %s" % path)
    bundle.hook("createContainer", "exit 1")
    rt.failing_create(bundle, "--pid-file", path, match="createContainer")
    assert not os.path.exists(path)


def test_c04_pid_is_in_its_place(rt, bundle):
    """Engines look up namespaces and cgroups by the pid as soon as create has returned."""
    c = rt.create(bundle.hold())
    groups = [d for d in cgroup_of(c.pid).values() if c.id in d]
    assert groups and all(str(c.pid) in read(d + "/cgroup.procs").split() for d in groups)
    for name in ("pid", "mnt", "net", "ipc", "uts"):
        assert os.readlink("/proc/%d/ns/%s" % (c.pid, name)) != os.readlink("/proc/self/ns/" + name)
    c.start().ok()
    assert [d for d in cgroup_of(c.pid).values() if c.id in d] == groups
    c.stop()


# ---- processes and descriptors that stay ----

class Pipe:
    """stdout and stderr of a command, as go-runc and conmon give them: read until the end of file."""

    def __init__(self):
        self.r, self.w = os.pipe()
        self.name = os.readlink("/proc/self/fd/%d" % self.w)

    def holders(self):
        """pid -> descriptors of it, of everybody else."""
        os.close(self.w)
        found = {}
        for pid in (p for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()):
            try:
                for fd in os.listdir("/proc/%s/fd" % pid):
                    if os.readlink("/proc/%s/fd/%s" % (pid, fd)) == self.name:
                        found.setdefault(int(pid), set()).add(int(fd))
            except OSError:
                continue
        os.close(self.r)
        return found


def piped(rt, *args, **kw):
    """Run a command whose output goes to a pipe; gives who holds the pipe when it has returned."""
    pipe = Pipe()
    rt.cmd(*args, stdout=pipe.w, stderr=pipe.w, **kw).ok()
    return pipe.holders()


@pytest.mark.quick
@pytest.mark.untraced("strace holds the output")
def test_c05_only_the_program_holds_the_output(rt, bundle):
    ident, pid_file = rt.new_id(), rt.path("pid")
    bundle.hold().save()
    before = set(descendants())
    held = piped(rt, "create", "--bundle", bundle.dir, "--pid-file", pid_file, ident)
    init = int(read(pid_file))
    reap()
    assert set(descendants()) - before == {init}
    assert held == {init: {1, 2}}
    for args in (["start", ident], ["state", ident], ["pause", ident], ["resume", ident], ["exec", ident, "true"],
                 ["kill", ident, "USR2"], ["update", "--pids-limit", "100", ident], ["ps", "-f", "json", ident], ["list"]):
        assert piped(rt, *args) == {}, args
    assert {int(fd) for fd in os.listdir("/proc/%d/fd" % init)} >= {0, 1, 2}
    held = piped(rt, "exec", "-d", "--pid-file", pid_file, ident, "sleep", "1000")
    assert held == {int(read(pid_file)): {1, 2}}
    end(int(read(pid_file)))
    assert piped(rt, "delete", "--force", ident) == {}
    reap()
    assert set(descendants()) - before == set()


@pytest.mark.parametrize("command", ["create", "exec"])
@pytest.mark.untraced("strace holds the output")
def test_c05_nobody_holds_the_output_with_a_terminal(rt, bundle, command):
    """conmon reads the runtime's stderr to its end although the program writes to the terminal."""
    ident, pid_file, path = rt.new_id(), rt.path("pid"), rt.path("sock")
    if command == "exec":
        c = rt.hold(bundle)
        args = ["exec", "-d", "-t", "--pid-file", pid_file, "--console-socket", path, c.id, "sleep", "1000"]
    else:
        bundle.process["terminal"] = True
        bundle.args("sleep", "1000").save()
        args = ["create", "--bundle", bundle.dir, "--pid-file", pid_file, "--console-socket", path, ident]
    with rt.listener(path) as sock:
        held = piped(rt, *args)
        conn, _ = sock.accept()
        with conn:
            _, fds = receive_fd(conn)
    assert held == {}
    pid = int(read(pid_file))
    standard = {os.readlink("/proc/%d/fd/%d" % (pid, fd)) for fd in range(3)}
    assert len(standard) == 1 and standard.pop().startswith("/dev/pts/")
    os.close(fds[0])
    os.kill(pid, 9)
    pid_wait(pid)
    if command == "exec":
        c.stop()


def test_conmon_the_program_leads_its_group(rt, bundle):
    """A monitor whose time is over kills the process group of the pid; the runtime's own must not be it."""
    c = rt.hold(bundle)
    pid = exec_detached(c, "sleep", "1000")
    for leader in (c.pid, pid):
        assert os.getpgid(leader) == os.getsid(leader) == leader
    os.killpg(pid, 9)
    assert pid_wait(pid) == 137
    c.stop()


# ---- the surroundings of the runtime ----

@pytest.mark.quick
def test_c07_later_commands_need_no_environment(rt, bundle):
    c = rt.create(bundle.hold())
    assert rt.cmd("start", c.id, **BARE).ok()
    c.wait_out("ready")
    for args in (["state", c.id], ["pause", c.id], ["resume", c.id], ["exec", c.id, "/bin/true"], ["kill", c.id, "0"],
                 ["ps", "--format", "json", c.id], ["update", "--pids-limit", "99", c.id], ["list"], ["kill", c.id, "KILL"]):
        if args[0] == "kill" and args[2] == "0" and not rt.is_ocirun:
            continue
        rt.cmd(*args, **BARE).ok()
    c.wait()
    rt.cmd("delete", "--force", c.id, **BARE).ok()


def test_c36_the_directory_of_root(rt, bundle):
    """An empty XDG_RUNTIME_DIR is none: /run/NAME, where engines look for what was left."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    bundle.hold().save()
    ident, root = rt.new_id(), "/run/" + rt.name
    script = ('mount -t tmpfs -o mode=755 none /run && "$@" create --bundle %s %s && stat -c "%%a %%u" %s && ls %s && '
              '"$@" delete --force %s && ls -A %s' % (bundle.dir, ident, root, root, ident, root))
    out, err = rt.memfd(), rt.memfd()
    done = subprocess.run(["unshare", "-m", "sh", "-ec", script, "sh", *rt.command], stdout=out.fd, stderr=err.fd,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, XDG_RUNTIME_DIR=""), timeout=30 * SLOWNESS, check=False)
    assert done.returncode == 0 and err.text() == "", err.text()
    mode, owner, *names = out.text().split()
    assert int(mode, 8) & 0o066 == 0 and owner == "0"
    assert names == [ident]


def test_c38_nothing_of_the_bundle_is_needed_again(rt, bundle):
    """buildah and the tests of engines take the bundle away, or write another document, while it runs."""
    bundle.process["env"] = ["PATH=/bin", "MARK=first"]
    c = rt.hold(bundle)
    os.unlink(bundle.dir + "/config.json")
    os.rename(bundle.dir, bundle.dir + ".moved")
    assert c.sh("echo $MARK") == "first\n"
    assert c.status() == "running"
    rt.cmd("pause", c.id).ok()
    rt.cmd("resume", c.id).ok()
    c.stop()
    os.rename(bundle.dir + ".moved", bundle.dir)


# ---- moments ----

@pytest.mark.quick
def test_c34_start_returns_when_the_program_runs(rt, bundle):
    for _ in range(10):
        c = rt.create(bundle.args("/bin/busybox", "sleep", "1000"))
        c.start().ok()
        assert read("/proc/%d/cmdline" % c.pid).split("\0")[:2] == ["/bin/busybox", "sleep"]
        assert c.status() == "running"
        pid = exec_detached(c, "/bin/busybox", "sleep", "1001")
        assert read("/proc/%d/cmdline" % pid).split("\0")[:3] == ["/bin/busybox", "sleep", "1001"]
        end(pid)
        c.stop()


def test_c34_program_that_went_between_create_and_start(rt, bundle):
    os.link(bundle.rootfs + "/bin/busybox", bundle.rootfs + "/data/busybox")
    c = rt.create(bundle.args("/data/busybox", "true"))
    os.unlink(bundle.rootfs + "/data/busybox")
    result = c.start().fails()
    assert re.search("no such file or directory", result.err, re.I)
    if rt.is_ocirun:
        assert result.err.count("\n") == 1 and c.status() == "stopped"
    c.delete("--force").ok()


@pytest.mark.ocirun_only
@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "poststart"])
def test_c39_signal_before_the_program(rt, bundle, kind):
    """BuildKit cancels early: a signal that comes during the set-up ends run, and nothing stays."""
    bundle.drop_namespace("pid")
    bundle.hook(kind, "kill -TERM $PPID")
    result = rt.run(bundle.args("/bin/sleep", "1000"))
    assert result.rc != 0 and not result.died, result
    assert rt.states() == []


@pytest.mark.ocirun_only
@pytest.mark.untraced("the signal is for strace as well")
def test_c39_signal_at_any_moment(rt, bundle):
    bundle.drop_namespace("pid")
    bundle.args("/bin/sleep", "1000").save()
    for turns in range(0, 30):
        ident = rt.new_id()
        proc = rt.popen("run", "--bundle", bundle.dir, ident)
        for _ in range(turns * 200):
            os.path.exists(rt.root)
        proc.terminate()
        result = rt.finish(proc)
        assert result.rc != 0, result
        assert rt.states() == []


@pytest.mark.ocirun_only
def test_c09_commands_at_the_same_time(rt):
    """Each ends well, or with one line that says why; afterwards the container can be deleted."""
    for _ in range(4):
        c = rt.hold(rt.bundle())
        procs = [rt.popen(*args) for args in (
            ["state", c.id], ["exec", c.id, "true"], ["pause", c.id], ["ps", c.id], ["resume", c.id], ["exec", c.id, "true"],
            ["kill", c.id, "KILL"], ["list"], ["update", "--pids-limit", "50", c.id], ["delete", "--force", c.id],
            ["delete", "--force", c.id], ["start", c.id], ["exec", c.id, "true"], ["state", c.id])]
        for proc in procs:
            result = rt.finish(proc)
            assert not result.died, result
            # the status of an exec that was killed is no error
            assert result.err.count("\n") == (1 if result.rc not in (0, 137) else 0), result
        rt.cmd("delete", "--force", c.id).ok()
        assert rt.states() == []
        reap()


# ---- cgroups that engines look at ----

def of_container(ident):
    return sorted(d for d in cgroup_dirs() if os.path.basename(d) == ident)


def test_c08_run_keep_leaves_the_cgroup(rt, bundle):
    """BuildKit reads the statistics of a step after its end."""
    ident = rt.new_id()
    bundle.linux["cgroupsPath"] = "/" + ident
    assert rt.run(bundle.args("/bin/true"), "--keep", ident=ident).rc == 0
    assert of_container(ident)
    rt.cmd("delete", ident).ok()
    assert of_container(ident) == []


def test_c22_cgroup_is_there_until_delete(rt, bundle):
    """The monitor asks whether there was an OOM kill after the end of the program."""
    ident = rt.new_id()
    bundle.linux["cgroupsPath"] = "/" + ident
    c = rt.hold(bundle, ident=ident)
    groups = sorted({d for d in cgroup_of(c.pid).values() if ident in d})
    assert groups and set(groups) <= set(of_container(ident))
    c.kill("KILL").ok()
    c.wait()
    assert c.status() == "stopped"
    assert set(groups) <= set(of_container(ident))
    c.delete().ok()
    assert of_container(ident) == []


@pytest.mark.ocirun_only
def test_c12_kill_all_without_cgroups(rt, bundle):
    """The container is in the cgroup of the caller: its init gets the signal, and nobody else."""
    bundle.linux["resources"] = {}
    bundle.drop_namespace("pid")
    bystander = subprocess.Popen(["sleep", "1000"])
    rt.procs.append(bystander)
    c = rt.start(bundle.args("sleep", "1000"), globals=("--cgroup-manager", "disabled"))
    result = rt.cmd("kill", "--all", c.id, "KILL")
    assert not result.died and result.rc == 0, result
    assert c.wait() == 137
    assert bystander.poll() is None
    assert "container not running" in rt.cmd("kill", "--all", c.id, "KILL").fails().err
    assert bystander.poll() is None
    c.delete("--force").ok()


# ---- small things that each engine has one of ----

@pytest.mark.parametrize("keep", [False, True])
def test_c29_groups_of_the_caller(rt, bundle, keep):
    """podman run --group-add keep-groups"""
    if rt.name == "runc" and keep:
        return
    if keep:
        bundle.config.setdefault("annotations", {})["run.oci.keep_original_groups"] = "1"
    groups = "grep ^Groups: /proc/self/status"
    c = rt.hold(bundle, preexec_fn=lambda: os.setgroups([0, 4711]))
    first = rt.sh(bundle, groups, preexec_fn=lambda: os.setgroups([0, 4711])).split()
    assert ("4711" in first) is keep
    assert ("4711" in c.sh(groups, preexec_fn=lambda: os.setgroups([0, 4711])).split()) is keep
    c.stop()


def test_c15_c16_joined_user_namespace_with_a_mapping(rt, bundle):
    """podman writes a dummy mapping beside the path, because runc asks for one."""
    first = rt.hold(rt.bundle().userns())
    bundle.userns()
    bundle.namespace("user", "/proc/%d/ns/user" % first.pid)
    for kind, name in (("network", "net"), ("ipc", "ipc"), ("uts", "uts")):
        bundle.namespace(kind, "/proc/%d/ns/%s" % (first.pid, name))
    bundle.config.pop("hostname", None)
    for key in ("uidMappings", "gidMappings"):
        bundle.linux[key] = [{"containerID": 0, "hostID": 0, "size": 1}]
    second = rt.hold(bundle)
    for name in ("user", "net", "ipc", "uts"):
        assert os.readlink("/proc/%d/ns/%s" % (second.pid, name)) == os.readlink("/proc/%d/ns/%s" % (first.pid, name))
    assert second.sh("cat /proc/self/uid_map").split() == ["0", "100000", "65536"]
    second.stop()
    first.stop()


@pytest.mark.ocirun_only
def test_c30_hooks_get_the_root(rt, bundle):
    """podman's own tests look for it, and hooks of vendors use it."""
    log = write(rt.path("log"), "", 0o666)
    bundle.hook("createRuntime", "cat > " + log)
    c = rt.create(bundle)
    state = json.loads(read(log))
    assert state["root"] == os.path.realpath(bundle.rootfs)
    c.delete("--force").ok()


def test_c13_size_of_exec(rt, bundle):
    """process.consoleSize holds before the first instruction, and podman sends it for exec too."""
    c = rt.hold(bundle)
    process = dict(bundle.process, terminal=True, args=["/bin/sh", "-c", "stty size"], consoleSize={"height": 21, "width": 77})
    path = write(rt.path("process.json"), json.dumps(process))
    with rt.listener(rt.path("sock")) as sock:
        rt.cmd("exec", "--process", path, "-d", "--pid-file", rt.path("pid"), "--console-socket", rt.path("sock"), c.id).ok()
        conn, _ = sock.accept()
        with conn:
            _, fds = receive_fd(conn)
    pid_wait(int(read(rt.path("pid"))))
    os.set_blocking(fds[0], False)
    assert os.read(fds[0], 100) == b"21 77\r\n"
    os.close(fds[0])
    c.stop()


def test_c13_console_socket_that_nobody_listens_to(rt, bundle):
    bundle.process["terminal"] = True
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(rt.path("deaf"))
        rt.failing_create(bundle, "--console-socket", rt.path("deaf"), match="deaf")


def test_c32_notify_socket_is_none_of_the_programs(rt, bundle):
    """An empty NOTIFY_SOCKET is none; what the program gets is never the caller's path."""
    out = rt.sh(bundle, "env; echo end", env=dict(os.environ, NOTIFY_SOCKET=""))
    assert "NOTIFY_SOCKET" not in out and out.endswith("end\n")


def test_c12_a_stopped_one_is_told_apart(rt, bundle):
    """containerd and CRI-O search for this text, in what kill prints."""
    c = rt.start(bundle.args("/bin/true"))
    pid = c.pid
    c.wait()
    assert not alive(pid)
    until(lambda: c.status() == "stopped", "stopped")
    result = c.kill("TERM").fails()
    assert "container not running" in result.err
