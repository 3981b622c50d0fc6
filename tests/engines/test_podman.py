# SPDX-License-Identifier: LGPL-2.1-or-later
"""podman with conmon: single containers."""

import concurrent.futures
import contextlib
import os
import re
import shutil
import signal
import stat

import pytest

import engine
import harness
from engine import IMAGE, PARENT, until

HOLD = "trap 'exit 0' TERM; echo ready; while :; do sleep 1000 & wait; done"


def run(podman, *args, **kw):
    """podman run --rm OPTIONS… -- COMMAND…, in our cgroup"""
    return podman("run", "--rm", "--cgroup-parent", PARENT, *args, **kw)


def hold(podman, *options, script=HOLD):
    """A container that runs until it is told to end; its name."""
    name = podman.site.new_name()
    podman("run", "-d", "--name", name, "--cgroup-parent", PARENT, *options, IMAGE, "sh", "-c",
           script).ok()
    until(lambda: "ready" in podman("logs", name).out, "ready")
    return name


def inspect(podman, name, path):
    return podman("inspect", "--format", "{{%s}}" % path, name).ok().out.strip()


def pid_of(podman, name):
    return int(inspect(podman, name, ".State.Pid"))


# --- run ---------------------------------------------------------------------------------------------

def test_uses_the_runtime(podman):
    info = podman("info", "--format", "{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}").ok()
    assert info.out.split() == [engine.NAME, engine.RUNTIME]


def test_run(podman):
    result = run(podman, IMAGE, "sh", "-c", "echo out; echo err >&2").ok()
    assert (result.out, result.err) == ("out\n", "err\n")


@pytest.mark.parametrize("script,status", [("exit 0", 0), ("exit 42", 42), ("kill -9 $$; :", 137),
                                           ("kill -TERM $$; sleep 1", 143)])
def test_exit_status(podman, script, status):
    # a process 1 ignores its own signals: one more shell
    run(podman, IMAGE, "sh", "-c", "sh -c '%s'; exit $?" % script.replace("$$", '"$$"')
        if "kill" in script else script).status(status)


def test_stdin(podman):
    assert run(podman, "-i", IMAGE, "cat", input="line\n").ok().out == "line\n"


# Engines make exit statuses out of the words (wording.h).
NOT_EXECUTABLE = [
    ("nonexistent", 127, r"executable file `nonexistent` not found in \$PATH: No such file or directory"),
    ("/no/such/command", 127, r"Error:.*/no/such/command.*[Nn]o such file or directory"),
    ("/etc", 126, r"(open executable|the path ./etc. is not a regular file): Operation not permitted: "
                  r"OCI permission denied"),
    ("/etc/passwd", 126, r"exec.* permission denied \(mode 0644 has no execute bit\)"),
    ("noexec", 126, r"exec.* permission denied"),
    ("/bin/script", 127, r"interpreter `/no/interpreter` was not found: No such file or directory"),
]


@pytest.mark.parametrize("program,status,text", NOT_EXECUTABLE)
def test_run_not_executable(podman, program, status, text):
    result = run(podman, IMAGE, program).status(status, text)
    assert "seccomp" not in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("program,status,text", NOT_EXECUTABLE)
def test_exec_not_executable(podman, program, status, text):
    name = hold(podman)
    podman("exec", name, program).status(status, text)
    podman("exec", name, "true").ok()


def test_run_exec_format(podman):
    run(podman, IMAGE, "/bin/garbage").status(126, "exec format error")


def test_run_noexec_volume(podman, site):
    volume = site.path("noexec")
    os.makedirs(volume, exist_ok=True)
    engine.write(volume + "/program", "#!/bin/sh\n", 0o755)
    run(podman, "-v", volume + ":/data:noexec", IMAGE, "/data/program").status(126, "exec.* permission denied")


def test_run_unknown_workdir_of_exec(podman):
    name = hold(podman)
    result = podman("exec", "--workdir", "/nowhere", name, "true")
    assert result.rc in (126, 127) and "/nowhere" in result.err


# --- terminal ----------------------------------------------------------------------------------------

def test_run_terminal(podman, site):
    with podman.terminal("run", "--rm", "-it", "--cgroup-parent", PARENT, IMAGE, "sh", rows=31, cols=91) as term:
        term.expect("# ")
        term.type("tty; stty size\r")
        term.expect("/dev/(pts/0|console)\r")
        term.expect("31 91")
        term.resize(22, 77)
        until_size(term, "22 77")
        term.type("echo be''gins; sleep 1000\r")
        term.expect("begins")
        term.interrupt("# ")
        term.type("exit 7\r")
        assert term.wait() == 7


def until_size(term, size):
    """The new size arrives a moment after the signal."""
    term.type("while [ \"$(stty size)\" != '%s' ]; do :; done; echo resi''zed\r" % size)
    term.expect("resized")


def test_exec_terminal(podman):
    name = hold(podman)
    with podman.terminal("exec", "-it", name, "sh", rows=33, cols=93) as term:
        term.expect("# ")
        until_size(term, "33 93")
        term.type("test -t 0 && exit 5\r")
        assert term.wait() == 5


def test_run_terminal_not_found(podman):
    with podman.terminal("run", "--rm", "-t", "--cgroup-parent", PARENT, IMAGE, "nonexistent") as term:
        assert term.wait() == 127
        assert "executable file `nonexistent` not found in $PATH" in term.seen


# --- a container that stays --------------------------------------------------------------------------

def test_exec(podman):
    name = hold(podman)
    assert podman("exec", name, "echo", "hello").ok().out == "hello\n"
    podman("exec", name, "sh", "-c", "exit 9").status(9)
    assert podman("exec", "-i", name, "cat", input="in\n").ok().out == "in\n"
    result = podman("exec", "--user", "test", "--workdir", "/home", "--env", "A=b", name, "sh", "-c",
                    "id -u; pwd; echo $A").ok()
    assert result.lines == ["1000", "/home", "b"]


def test_exec_detached(podman):
    name = hold(podman)
    podman("exec", "-d", name, "sh", "-c", "echo > /tmp/done; sleep 1000").ok()
    until(lambda: podman("exec", name, "test", "-e", "/tmp/done").rc == 0, "the file")


def test_exec_privileged(podman):
    name = hold(podman)
    caps = "grep CapEff /proc/self/status"
    plain = podman("exec", name, "sh", "-c", caps).ok().out.split()[1]
    assert int(podman("exec", "--privileged", name, "sh", "-c", caps).ok().out.split()[1], 16) > int(plain, 16)


def test_exec_preserve_fds(podman, site):
    name = hold(podman)
    data = engine.write(site.path("data"), "from outside\n")
    shell = ("bash", "-c", "exec 3<%s; exec \"$@\"" % data, "-")
    assert podman("exec", "--preserve-fds", "1", name, "sh", "-c", "cat <&3", prefix=shell).ok().out \
        == "from outside\n"


def test_exec_many(podman):
    """Probes come at the same time."""
    name = hold(podman)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda n: podman("exec", name, "sh", "-c", "exit %d" % n).rc, range(8)))
    assert results == list(range(8))


def test_stop(podman):
    name = hold(podman)
    podman("stop", "--time", "20", name).ok()
    assert inspect(podman, name, ".State.Status") == "exited"
    assert inspect(podman, name, ".State.ExitCode") == "0"
    podman("rm", name).ok()


def test_stop_has_to_kill(podman):
    name = hold(podman, script="trap '' TERM; echo ready; while :; do sleep 1000; done")
    podman("stop", "--time", "1", name).ok()
    assert inspect(podman, name, ".State.ExitCode") == "137"


def test_start_again(podman):
    name = hold(podman)
    podman("stop", "--time", "20", name).ok()
    podman("start", name).ok()
    podman("exec", name, "true").ok()
    podman("restart", "--time", "20", name).ok()
    podman("exec", name, "true").ok()


def test_init_start_wait(podman):
    """create and start are two commands."""
    name = podman.site.new_name()
    podman("create", "--name", name, "--cgroup-parent", PARENT, IMAGE, "sh", "-c", "exit 6").ok()
    podman("init", name).ok()
    assert inspect(podman, name, ".State.Status") in ("created", "initialized")
    podman("start", name).ok()
    assert podman("wait", name).ok().out.strip() == "6"


def test_rm_force(podman):
    name = hold(podman)
    pid = pid_of(podman, name)
    podman("rm", "--force", "--time", "0", name).ok()
    assert not harness.alive(pid)


def test_rm_force_created(podman):
    name = podman.site.new_name()
    podman("create", "--name", name, "--cgroup-parent", PARENT, IMAGE, "sleep", "1000").ok()
    podman("init", name).ok()
    podman("rm", "--force", "--time", "0", name).ok()


def test_kill(podman):
    name = hold(podman, script="trap 'echo usr1' USR1; echo ready; while :; do sleep 1000 & wait; done")
    podman("kill", "--signal", "USR1", name).ok()
    until(lambda: "usr1" in podman("logs", name).out, "the signal")
    podman("kill", name).ok()
    assert podman("wait", name).ok().out.strip() == "137"
    podman("kill", name).status(125)


def test_monitor_dies(podman):
    """conmon is killed: the container can still be removed."""
    name = hold(podman)
    pid = pid_of(podman, name)
    monitor = int(engine.read("/proc/%d/stat" % pid).rpartition(")")[2].split()[1])
    assert "conmon" in engine.read("/proc/%d/comm" % monitor)
    os.kill(monitor, signal.SIGKILL)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        removal = pool.submit(podman, "rm", "--force", "--time", "0", name)
        assert harness.pid_wait(pid) == 137          # it is our child now
        # podman waits for a file that only conmon writes, and complains that it did not come
        removal.result()
    podman("rm", "--force", "--time", "0", "--ignore", name).ok()


def test_pause(podman):
    if "pause" not in engine.commands():
        pytest.skip("no pause")
    name = hold(podman)
    podman("pause", name).ok()
    assert inspect(podman, name, ".State.Status") == "paused"
    podman("exec", name, "true").status(255)
    podman("unpause", name).ok()
    podman("exec", name, "true").ok()
    podman("pause", name).ok()
    podman("rm", "--force", "--time", "0", name).ok()


def test_update(podman):
    if "update" not in engine.commands():
        pytest.skip("no update")
    name = hold(podman, "--cpu-shares", "512")
    podman("update", "--cpu-shares", "256", name).ok()
    shares = engine.cgroup_value(pid_of(podman, name), "cpu", "cpu.shares", "cpu.weight")
    assert shares in ("256", "10")


# --- what podman reads by itself ---------------------------------------------------------------------

def test_logs_top_inspect_stats(podman):
    name = hold(podman)
    assert podman("logs", name).ok().out == "ready\n"
    top = podman("top", name, "pid", "user", "comm").ok().lines
    assert top[1].split()[:2] == ["1", "root"]
    assert inspect(podman, name, ".State.Status") == "running"
    assert inspect(podman, name, ".OCIRuntime") in (engine.NAME, engine.RUNTIME)
    assert engine.states("/run/" + engine.NAME) == [inspect(podman, name, ".Id")]
    assert name[:10] in podman("stats", "--no-stream", "--format", "{{.Name}}", name).ok().out


def test_cp_diff(podman, site):
    name = hold(podman)
    podman("cp", engine.write(site.path("to"), "copied\n"), name + ":/tmp/there").ok()
    assert podman("exec", name, "cat", "/tmp/there").ok().out == "copied\n"
    podman("cp", name + ":/etc/passwd", site.path("from")).ok()
    assert engine.read(site.path("from")).startswith("root:")
    assert "A /tmp/there" in podman("diff", name).ok().out


def test_healthcheck(podman):
    name = hold(podman, "--health-cmd", "test -e /tmp/healthy", "--health-interval", "disable")
    podman("healthcheck", "run", name).status(1)
    podman("exec", name, "touch", "/tmp/healthy").ok()
    podman("healthcheck", "run", name).ok()


# --- options that are the runtime's work --------------------------------------------------------------

def test_read_only(podman):
    run(podman, "--read-only", IMAGE, "touch", "/file").status(1, "Read-only file system")
    run(podman, "--read-only", IMAGE, "touch", "/tmp/file", "/run/file", "/dev/shm/file").ok()


def test_tmpfs(podman):
    out = run(podman, "--tmpfs", "/data:size=1m,mode=700", IMAGE, "grep", " /data ", "/proc/mounts").ok().out
    assert "size=1024k" in out and "mode=700" in out


def test_tmpfs_copies_up(podman):
    result = run(podman, "--mount", "type=tmpfs,destination=/etc,tmpcopyup", IMAGE, "cat", "/etc/passwd")
    assert result.ok().out.startswith("root:")


def test_volumes(podman, site):
    directory = site.path("volume")
    os.makedirs(directory, exist_ok=True)
    engine.write(directory + "/file", "volume\n")
    assert run(podman, "-v", directory + ":/data:ro", IMAGE, "cat", "/data/file").ok().out == "volume\n"
    run(podman, "-v", directory + ":/data:ro", IMAGE, "touch", "/data/x").status(1, "Read-only")
    run(podman, "-v", directory + ":/data", IMAGE, "touch", "/data/made").ok()
    assert os.path.exists(directory + "/made")
    run(podman, "-v", directory + "/file:/etc/hostname2", IMAGE, "grep", "volume", "/etc/hostname2").ok()
    run(podman, "-v", "named:/data", IMAGE, "touch", "/data/x").ok()
    run(podman, "-v", directory + "/missing:/data", IMAGE, "true").status(125)


def test_capabilities(podman):
    def effective(*options):
        return int(run(podman, *options, IMAGE, "grep", "CapEff", "/proc/self/status").ok().out.split()[1], 16)

    default = effective()
    assert effective("--cap-drop", "all") == 0
    assert effective("--cap-drop", "chown") == default & ~1
    assert effective("--cap-add", "sys_time") == default | 1 << 25
    run(podman, "--cap-drop", "chown", IMAGE, "chown", "test", "/etc/passwd").status(1, "not permitted")


def test_privileged(podman):
    out = run(podman, "--privileged", IMAGE, "sh", "-c", "ls /dev; grep Seccomp: /proc/self/status").ok().out
    assert "Seccomp:\t0" in out and "kmsg" in out


def test_seccomp(podman):
    def mode(*options):
        return run(podman, *options, IMAGE, "grep", "Seccomp:", "/proc/self/status").ok().out.split()[1]

    assert mode() == "2"
    assert mode("--security-opt", "seccomp=unconfined") == "0"
    run(podman, "--cap-add", "sys_admin", "--security-opt", "seccomp=unconfined", IMAGE, "unshare", "-U",
        "true").ok()


def test_no_new_privileges(podman):
    out = run(podman, "--security-opt", "no-new-privileges", IMAGE, "grep", "NoNewPrivs", "/proc/self/status")
    assert out.ok().out.split()[1] == "1"


def test_user(podman):
    out = run(podman, "--user", "test:10", "--group-add", "20", IMAGE, "id").ok().out
    assert re.search(r"uid=1000\(test\) gid=10\b.*groups=.*20", out)


def test_ulimit(podman):
    out = run(podman, "--ulimit", "nofile=100:200", "--ulimit", "nproc=300:300", IMAGE, "sh", "-c",
              "ulimit -Sn; ulimit -Hn").ok()
    assert out.lines == ["100", "200"]


def test_hostname(podman):
    assert run(podman, "--hostname", "its-name", IMAGE, "hostname").ok().out == "its-name\n"


def test_init(podman):
    if not shutil.which("catatonit"):
        pytest.skip("no catatonit")
    assert run(podman, "--init", IMAGE, "cat", "/proc/1/comm").ok().out == "podman-init\n"
    run(podman, "--init", IMAGE, "sh", "-c", "exit 8").status(8)


def test_sysctl(podman):
    assert run(podman, "--sysctl", "kernel.msgmax=4096", IMAGE, "cat", "/proc/sys/kernel/msgmax").ok().out \
        == "4096\n"


NO_DRIVER = os.makedev(60, 1)       # for experiments, says the kernel's list


def test_device(podman):
    out = run(podman, "--device", "/dev/null:/dev/x", IMAGE, "sh", "-c",
              "test -c /dev/x && echo gone > /dev/x && stat -c %t:%T /dev/x").ok().out
    assert out == "1:3\n"


@pytest.mark.parametrize("access,refused", [("r", ["write"]), ("w", ["read"]), ("rw", [])])
def test_device_access(podman, site, access, refused):
    """Of a number that has no driver, and that containers may not use by default: who is let through finds nothing."""
    path = site.path("device-" + access)
    os.mknod(path, stat.S_IFCHR | 0o666, NO_DRIVER)
    out = run(podman, "--device", "%s:/dev/x:%s" % (path, access), IMAGE, "sh", "-c",
              "for what in 'read </dev/x' 'write >/dev/x'; do (eval : ${what#* }) 2>&1 | sed \"s/^/${what% *} /\"; done").ok()
    assert len(out.lines) == 2, out.out
    for line in out.lines:
        text = "Operation not permitted" if line.split()[0] in refused else "No such device or address"
        assert line.endswith(": " + text), out.out


def test_device_that_is_not_allowed(podman):
    """mknod(1) can make it, and that is all; the other is one that containers may use."""
    out = run(podman, "--cap-add", "mknod", IMAGE, "sh", "-c", "cd /dev && mknod y c %d %d && mknod z c 1 5 && "
              "head -c 1 z | wc -c && head -c 1 y 2>&1" % (os.major(NO_DRIVER), os.minor(NO_DRIVER)))
    assert out.rc == 1 and out.lines[0] == "1" and out.lines[1].endswith(": Operation not permitted"), (out.rc, out.out, out.err)


def test_hooks(podman, site):
    """podman's hooks.d: the state comes on stdin."""
    hooks = site.path("hooks")
    os.makedirs(hooks, exist_ok=True)
    program = engine.write(site.path("hook"), "#!/bin/sh\ncat > %s\n" % site.path("hook-state"), 0o755)
    engine.write(hooks + "/a.json", '{"version": "1.0.0", "hook": {"path": "%s"}, "when": {"always": true}, '
                 '"stages": ["createRuntime"]}' % program)
    run(podman, "--hooks-dir", hooks, IMAGE, "true").ok()
    state = engine.load(engine.read(site.path("hook-state")))
    assert state["status"] in ("creating", "created") and state["pid"] > 0 and state["bundle"]
    assert state["annotations"]["io.container.manager"] == "libpod"
    engine.write(program, "#!/bin/sh\necho its words >&2\nexit 3\n", 0o755)
    result = run(podman, "--hooks-dir", hooks, IMAGE, "true")
    assert result.rc in (125, 126, 127) and "its words" in result.err


# --- cgroups -------------------------------------------------------------------------------------------

def test_memory(podman):
    name = hold(podman, "--memory", "64m")
    assert engine.cgroup_value(pid_of(podman, name), "memory", "memory.limit_in_bytes", "memory.max") \
        == str(64 << 20)


def test_pids_limit(podman):
    name = hold(podman, "--pids-limit", "33")
    assert engine.cgroup_value(pid_of(podman, name), "pids", "pids.max", "pids.max") == "33"


def test_cpus(podman):
    name = hold(podman, "--cpus", "0.5")
    pid = pid_of(podman, name)
    v1 = "cpu" in harness.cgroup_of(pid)
    assert engine.cgroup_value(pid, "cpu", "cpu.cfs_quota_us", "cpu.max") == ("50000" if v1 else "50000 100000")


def test_out_of_memory(podman):
    run(podman, "--memory", "16m", "--memory-swap", "16m", IMAGE, "tail", "/dev/zero").status(137)


def test_cgroup_of_container(podman):
    name = hold(podman)
    where = harness.cgroup_of(pid_of(podman, name))
    assert any(d.endswith("%s/libpod-%s" % (PARENT, inspect(podman, name, ".Id"))) for d in where.values())


def test_cgroups_disabled(podman):
    podman("run", "--rm", "--cgroups", "disabled", IMAGE, "true").ok()


# --- namespaces ----------------------------------------------------------------------------------------

def test_uidmap(podman):
    out = run(podman, "--uidmap", "0:100000:5000", "--gidmap", "0:200000:5000", IMAGE, "sh", "-c",
              "cat /proc/self/uid_map /proc/self/gid_map; id -u").ok()
    assert [line.split() for line in out.lines] == [["0", "100000", "5000"], ["0", "200000", "5000"], ["0"]]


def test_uidmap_exec(podman):
    name = hold(podman, "--uidmap", "0:100000:5000", "--read-only", "--device", "/dev/kmsg")
    assert podman("exec", name, "sh", "-c", "test -c /dev/kmsg && echo > /dev/null && id -u").ok().out == "0\n"
    assert podman("exec", "--user", "test", name, "id", "-u").ok().out == "1000\n"


@pytest.mark.parametrize("option,kind", [("--pid", "pid"), ("--ipc", "ipc"), ("--uts", "uts"),
                                         ("--cgroupns", "cgroup"), ("--network", "net")])
def test_host_namespace(podman, option, kind):
    link = os.readlink("/proc/self/ns/" + kind)
    assert run(podman, option + "=host", IMAGE, "readlink", "/proc/self/ns/" + kind).ok().out.strip() == link


def test_pid_host_rm(podman):
    """Without a pid namespace the children do not die with the first process: kill --all."""
    name = hold(podman, "--pid=host", script="sleep 1000 & echo ready; wait")
    pid = pid_of(podman, name)
    children = engine.read("/proc/%d/task/%d/children" % (pid, pid)).split()
    assert children
    podman("rm", "--force", "--time", "0", name).ok()
    assert not any(harness.alive(int(child)) for child in children)


def test_userns_of_other(podman):
    name = hold(podman, "--uidmap", "0:100000:5000")
    out = run(podman, "--userns", "container:" + name, IMAGE, "cat", "/proc/self/uid_map").ok().out
    assert out.split() == ["0", "100000", "5000"]


def test_pid_of_other(podman):
    name = hold(podman)
    assert "while" in run(podman, "--pid", "container:" + name, "--ipc", "container:" + name, IMAGE, "cat",
                          "/proc/1/cmdline").ok().out


def test_preserve_fds(podman, site):
    data = engine.write(site.path("data"), "from outside\n")
    shell = ("bash", "-c", "exec 3<%s; exec \"$@\"" % data, "-")
    assert run(podman, "--preserve-fds", "1", IMAGE, "sh", "-c", "cat <&3", prefix=shell).ok().out \
        == "from outside\n"


def test_no_descriptor_is_left_open(podman):
    name = hold(podman)
    podman("exec", "-d", name, "sleep", "1000").ok()
    until(lambda: podman("top", name, "comm").out.split().count("sleep") == 2, "the program")
    inside, found = os.readlink("/proc/%d/ns/pid" % pid_of(podman, name)), {}
    for pid in harness.descendants():
        with contextlib.suppress(OSError):      # podman's own come and go
            if os.readlink("/proc/%d/ns/pid" % pid) == inside:
                found[pid] = sorted(os.listdir("/proc/%d/fd" % pid))
    found = {pid: fds for pid, fds in found.items() if harness.alive(pid)}
    assert len(found) >= 3 and all(fds == ["0", "1", "2"] for fds in found.values()), found
