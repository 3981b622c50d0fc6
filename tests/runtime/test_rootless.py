# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ordinary users: containers without privilege, and as root of a user namespace.

Every command of the runtime is run as the user of ordinary.py. When that is who runs pytest, what needs
root to be set up (cgroups of one's own) is skipped and stands in skips.txt.
"""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess

import pytest

import harness
import ordinary
from harness import TOKEN, cgroup_of, pid_wait, read, receive_fd, until, write

pytestmark = pytest.mark.ocirun_only


@pytest.fixture(scope="module")
def user(request):
    # of this session: what is in /tmp for a user is found by others, and the range has no accounts
    ordinary.UID = 10 ** 7 + os.getpid()
    who = ordinary.User(request.config.base.dir, harness.find_runtime())
    yield who
    who.close()


class AsUser(harness.Runtime):
    """The runtime as that user runs it: without --root, with a session's directory."""

    def __init__(self, base, who):
        super().__init__(base, who.command, "ocirun")
        self.user = who
        self.session = self.path("session")
        os.mkdir(self.session, 0o700)
        self.own(self.dir, self.session)
        self.root = self.session + "/ocirun"
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.dir, "XDG_RUNTIME_DIR": self.session,
                    **{name: os.environ[name] for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}}
        self.prefix = []

    def own(self, *paths):
        if self.user.is_root_test:
            for path in paths:
                os.chown(path, self.user.uid, self.user.gid, follow_symlinks=False)

    def identity(self):
        if not self.user.is_root_test:
            return {}
        return {"user": self.user.uid, "group": self.user.gid, "extra_groups": []}

    def argv(self, *args, globals=()):
        return self.prefix + self.command + [*globals, *args]

    def popen(self, *args, **kw):
        kw.setdefault("env", self.env)
        if not kw.pop("as_root", False):
            kw.update(self.identity())
        return super().popen(*args, **kw)

    def bundle(self, script=None):
        bundle = super().bundle(script)
        for path, dirs, files in os.walk(bundle.dir):
            self.own(path, *(os.path.join(path, n) for n in dirs + files
                             if os.lstat(os.path.join(path, n)).st_nlink < 2 or n in dirs))
        return bundle

    def without(self, *names, **more):
        return {**{k: v for k, v in self.env.items() if k not in names}, **more}

    def refuses(self, bundle, match, *options, **kw):
        """create fails for that reason and leaves nothing."""
        return self.failing_create(bundle, *options, match=match, **kw)

    def one_map(self, bundle, container_id=0):
        for kind, ident in (("uid", self.user.uid), ("gid", self.user.gid)):
            bundle.linux[kind + "Mappings"] = [{"containerID": container_id, "hostID": ident, "size": 1}]
        return bundle

    def granted(self, bundle, size=1000):
        """No process of the container is the user."""
        for kind in "uid", "gid":
            bundle.linux[kind + "Mappings"] = [{"containerID": 0, "hostID": self.user.first, "size": size}]
        return bundle

    def ranges(self, bundle, size=None):
        self.one_map(bundle)
        for kind in "uid", "gid":
            bundle.linux[kind + "Mappings"].append(
                {"containerID": 1, "hostID": self.user.first, "size": size or self.user.count})
        return bundle


@pytest.fixture
def rt(request, user):
    base = request.config.base
    before = harness.Guard.take()
    shared, runtime = base.spec, AsUser(base, user)
    runtime.before = before
    directory = runtime.path("spec")
    os.mkdir(directory)
    runtime.own(directory)
    runtime.cmd("spec", "--rootless", cwd=directory).ok()
    base.spec = json.loads(read(directory + "/config.json"))
    yield runtime
    base.spec = shared
    runtime.close()


@pytest.fixture(params=["one", "ranges"])
def mapped(request, rt):
    """A bundle with the caller's own id alone, and with the ranges of /etc/subuid."""
    bundle = rt.bundle()
    return rt.one_map(bundle) if request.param == "one" else rt.ranges(bundle)


def id_map(text):
    return [[int(word) for word in line.split()] for line in text.strip().splitlines()]


# --- the way of most users -----------------------------------------------------------------------------

@pytest.mark.quick
def test_spec_and_run(rt, user):
    """ocirun spec --rootless && ocirun run box, with nothing changed but the program."""
    bundle = rt.bundle("id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map")
    bundle.config["root"]["readonly"] = True
    out = rt.run(bundle).ok()
    assert out.out.split()[:2] == ["0", "0"]
    assert id_map("\n".join(out.out.splitlines()[2:])) == [[0, user.uid, 1], [0, user.gid, 1]]
    assert out.err == ""


@pytest.mark.quick
def test_lifecycle(rt, mapped):
    c = rt.create(mapped.hold())
    assert c.status() == "created"
    c.start().ok()
    c.wait_out("ready")
    assert c.status() == "running"
    assert c.sh("id -u") == "0\n"
    assert c.exec("/bin/sh", "-c", "exit 7").rc == 7
    assert c.id in rt.cmd("list").ok().out
    assert str(c.pid) in rt.cmd("ps", c.id).ok().out
    c.kill("TERM").ok()
    assert c.wait() == 0
    assert c.status() == "stopped"
    c.delete().ok()


def test_delete_force(rt, mapped):
    c = rt.hold(mapped)
    c.delete("--force").ok()
    c.wait()


def test_range_is_mapped(rt, user):
    bundle = rt.ranges(rt.bundle())
    bundle.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5, 1234]}
    out = rt.sh(bundle, "id; cat /proc/self/uid_map")
    assert "uid=1000(test) gid=1000(test) groups=" in out and "5(extra)" in out and "1234" in out
    assert id_map(out.split("\n", 1)[1]) == [[0, user.uid, 1], [1, user.first, user.count]]


def test_range_exec_as_other_user(rt):
    c = rt.hold(rt.ranges(rt.bundle()))
    assert c.sh("id -u", options=("--user", "5")) == "5\n"
    c.stop()


def test_root_is_not_mapped(rt, user):
    bundle = rt.one_map(rt.bundle(), 1000)
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    assert rt.sh(bundle, "id -u; cat /proc/self/uid_map").split() == ["1000", "1000", str(user.uid), "1"]


def test_terminal(rt, mapped):
    mapped.sh("tty; ls -l /dev/console; stty size")
    mapped.process["terminal"] = True
    mapped.process["consoleSize"] = {"height": 33, "width": 77}
    path = rt.path("console.sock")
    with rt.listener(path) as sock:
        rt.own(path)
        c = rt.create(mapped, "--console-socket", path)
        conn, _ = sock.accept()
        with conn:
            _, fds = receive_fd(conn)
    c.start().ok()
    text = b""
    with contextlib.suppress(OSError):
        while more := os.read(fds[0], 4096):
            text += more
    os.close(fds[0])
    assert b"/dev/pts/0" in text and b"/dev/console" in text and b"33 77" in text
    c.wait()
    c.delete().ok()


def test_hooks_and_seccomp(rt, mapped, user):
    log = rt.path("log")
    for kind in ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"):
        mapped.hook(kind, "echo %s >&2" % kind if kind == "startContainer" else "echo %s $(id -u) >> %s" % (kind, log))
    mapped.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7}]}
    result = rt.run(mapped.sh("mkdir /tmp/x || echo refused"))
    assert result.ok().out == "refused\n"
    seen = [line.split() for line in read(log).splitlines()]
    assert [line[0] for line in seen] == ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]
    # in the runtime's namespaces they are the caller, in the container's its root
    assert {line[0]: line[1] for line in seen} == {
        "prestart": str(user.uid), "createRuntime": str(user.uid), "createContainer": "0",
        "poststart": str(user.uid), "poststop": str(user.uid)}


def test_relative_bind_source(rt, mapped):
    os.makedirs(mapped.dir + "/src/sub")
    write(mapped.dir + "/src/file", "content\n")
    mapped.add_mount("/mnt", "src", "bind", ["rbind"]).add_mount("/data/file", "./src/sub/../file", "none", ["bind"])
    assert rt.sh(mapped, "cat /mnt/file /data/file", cwd="/") == "content\ncontent\n"


def test_more_mounts_than_open_files(rt, mapped):
    write(mapped.dir + "/src", "")
    for i in range(300):
        mapped.add_mount("/mnt/%d" % i, "src", "bind", ["bind"])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    mapped.process.pop("rlimits", None)
    result = rt.run(mapped.sh("grep -c ' /mnt/' /proc/self/mountinfo; ulimit -Sn; ulimit -Hn"),
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))).ok()
    assert result.out.split() == ["300", "256", str(hard)]


def notify_socket(rt):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(rt.path("notify.sock"))
    rt.own(rt.path("notify.sock"))
    sock.settimeout(10 * harness.SLOWNESS)
    rt.cleanups.append(sock.close)
    return sock, dict(rt.env, NOTIFY_SOCKET=rt.path("notify.sock"))


@pytest.mark.quick
def test_notify(rt, mapped):
    sock, env = notify_socket(rt)
    c = rt.create(mapped.sh("echo $NOTIFY_SOCKET; helper notify READY=1 >/dev/null; exec sleep 1000"), env=env)
    # start comes back when the container is ready
    rt.cmd("start", c.id, env=env).ok()
    assert c.out == "/run/notify/notify.sock\n"
    assert "MAINPID=%d" % c.pid in sock.recv(4096).decode()
    c.stop()


def test_notify_out_of_reach(rt):
    """The state directory is closed to everybody whom the container knows: it is not told of a socket."""
    _, env = notify_socket(rt)
    bundle = rt.granted(rt.bundle("echo ${NOTIFY_SOCKET-none}; ls /run; exec sleep 1000"))
    c = rt.create(bundle, env=env)
    rt.cmd("start", c.id, env=env).ok()
    c.wait_out("none\n")
    assert c.out == "none\n"
    c.stop()
    bundle.args("/bin/true").save()
    result = rt.cmd("--log-level", "warning", "run", "--bundle", bundle.dir, rt.new_id(), env=env).ok()
    assert "sd_notify directory" in result.err


# --- state ------------------------------------------------------------------------------------------------

def rundir(rt, env):
    out = rt.cmd("--version", env=env).ok().out
    return re.search(r"^rundir: (.*)$", out, re.M).group(1)


def without_session(rt, user):
    """Where state is without XDG_RUNTIME_DIR."""
    session = "/run/user/%d" % user.uid
    with contextlib.suppress(FileNotFoundError):
        if os.lstat(session).st_uid == user.uid:
            return session + "/ocirun"
    return "/tmp/ocirun-%d" % user.uid


def test_state_directory(rt, user):
    assert rundir(rt, rt.env) == rt.session + "/ocirun"
    expected = without_session(rt, user)
    for env in (rt.without("XDG_RUNTIME_DIR"), rt.without(XDG_RUNTIME_DIR=""), rt.without(XDG_RUNTIME_DIR="relative")):
        assert rundir(rt, env) == expected


def test_state_without_session(rt, user, request):
    place = without_session(rt, user)
    there = os.path.exists(place)
    env = rt.without("XDG_RUNTIME_DIR")
    if not there:
        request.addfinalizer(lambda: shutil.rmtree(place, ignore_errors=True))
    rt.run(rt.bundle("exit 3").args("/bin/true"), env=env).ok()
    st = os.stat(place)
    assert st.st_uid == user.uid and stat.S_IMODE(st.st_mode) == 0o700


@pytest.mark.parametrize("mode", ["open", "foreign", "link"])
def test_shared_directory_of_somebody_else(rt, user, request, mode):
    place = "/tmp/ocirun-%d" % user.uid
    if not user.is_root_test and (mode == "foreign" or without_session(rt, user) != place):
        pytest.skip("needs root to make the directory of somebody else")
    if os.path.lexists(place):
        pytest.skip("%s is there already" % place)
    if mode == "link":
        os.symlink(rt.session, place)
        request.addfinalizer(lambda: os.unlink(place))
    else:
        os.mkdir(place, 0o700)
        os.chmod(place, 0o777 if mode == "open" else 0o700)
        request.addfinalizer(lambda: os.rmdir(place))
        if mode == "open":
            rt.own(place)
    bundle = rt.bundle("true")
    bundle.save()
    result = rt.cmd("run", "--bundle", bundle.dir, rt.new_id(), env=rt.without("XDG_RUNTIME_DIR")).fails()
    assert "state directory " + place in result.err
    assert os.listdir(rt.session) == []


@pytest.mark.parametrize("mode", ["open", "group", "foreign"])
def test_session_shared_with_somebody_else(rt, user, mode):
    """XDG_RUNTIME_DIR=/tmp: others may have made the directory, and would name the hooks in it."""
    if not user.is_root_test and mode == "foreign":
        pytest.skip("needs root to make the directory of somebody else")
    shared = rt.path("shared")
    place = shared + "/ocirun"
    os.mkdir(shared)
    os.chmod(shared, 0o1777)
    os.mkdir(place)
    os.chmod(place, {"open": 0o777, "group": 0o770, "foreign": 0o755}[mode])
    if mode == "foreign":
        os.chown(place, user.uid + 1, user.gid)
    else:
        rt.own(place)
    env = rt.without(XDG_RUNTIME_DIR=shared)
    bundle = rt.bundle("true")
    bundle.save()
    for words in ["run", "--bundle", bundle.dir, rt.new_id()], ["list"], ["state", "x"]:
        result = rt.cmd(*words, env=env).fails()
        assert "state directory %s is not this user's alone" % place in result.err, result.err
    assert os.listdir(place) == []
    # closed to others it will do, also in a directory of everybody's
    os.rmdir(place)
    rt.run(rt.bundle("true"), env=env).ok()
    assert stat.S_IMODE(os.stat(place).st_mode) == 0o700


def test_session_of_somebody_else(rt, user):
    """su and sudo may leave the variable of the user before."""
    result = rt.cmd("list", env=rt.without(XDG_RUNTIME_DIR="/proc/1/root/session")).fails()
    assert "/proc/1/root/session/ocirun" in result.err and "XDG_RUNTIME_DIR has to be" in result.err


# --- what an ordinary user may not ---------------------------------------------------------------------

def test_no_user_namespace(rt):
    bundle = rt.bundle("true")
    bundle.drop_namespace("user")
    del bundle.linux["uidMappings"], bundle.linux["gidMappings"]
    rt.refuses(bundle, r"config\.json:\d+:\d+: linux\.namespaces: an ordinary user needs a user namespace.*spec --rootless")


@pytest.mark.parametrize("kind", ["uid", "gid"])
def test_range_not_granted(rt, user, kind):
    bundle = rt.ranges(rt.bundle("true"))
    bundle.linux[kind + "Mappings"][1]["hostID"] = 3000000000
    rt.refuses(bundle, r"linux\.%sMappings\[1\]: /etc/sub%s has no range for user %s that covers 3000000000:%d; "
               r".*--add-sub%ss 3000000000-" % (kind, kind, user.name, user.count, kind))


def test_range_too_long(rt, user):
    bundle = rt.ranges(rt.bundle("true"), user.count + 1)
    rt.refuses(bundle, r"/etc/subgid has no range .* covers %d:%d; what it grants ends before %d" % (
        user.first, user.count + 1, user.first + user.count))


def test_id_of_the_machine(rt, user):
    bundle = rt.one_map(rt.bundle("true"))
    bundle.linux["uidMappings"][0]["hostID"] = 0
    rt.refuses(bundle, r"linux\.uidMappings\[0\]: .*covers 0:1; .*the own one is %d" % user.uid)


def test_no_helper(rt):
    bundle = rt.ranges(rt.bundle("true"))
    rt.refuses(bundle, r"linux\.gidMappings: run newgidmap: No such file.*uidmap", env=rt.without(PATH="/nowhere"))


def test_helper_without_privilege(rt):
    """no_new_privs in the caller takes the setuid bit's effect."""
    bundle = rt.ranges(rt.bundle("true"))
    rt.prefix = ["setpriv", "--no-new-privs"]
    rt.refuses(bundle, r"linux\.gidMappings: newgidmap refused the mappings.*no_new_privs")


@pytest.mark.parametrize("member", ["uid", "gid"])
def test_id_without_mapping(rt, member):
    bundle = rt.bundle("true")
    bundle.process["user"][member] = 5
    rt.refuses(bundle, r"process\.user\.%s: 5 is not mapped by linux\.%sMappings" % (member, member))


def test_group_without_mapping(rt):
    bundle = rt.bundle("true")
    bundle.process["user"]["additionalGids"] = [0, 7]
    rt.refuses(bundle, r"process\.user\.additionalGids\[1\]: 7 is not mapped by linux\.gidMappings")


def test_group_that_is_held(rt):
    """setgroups is denied with the own gid alone; podman lists the primary group of root."""
    bundle = rt.bundle()
    bundle.process["user"]["additionalGids"] = [0]
    assert rt.sh(bundle, "cat /proc/self/setgroups; id -g").split() == ["deny", "0"]


def helpers(rt, script, **env):
    """An environment where newuidmap and newgidmap are that script."""
    bin = rt.path("helpers")
    os.mkdir(bin, 0o755)
    for name in "newuidmap", "newgidmap":
        os.chmod(write(os.path.join(bin, name), "#!/bin/sh\n" + script), 0o755)
    return rt.without(PATH=bin + ":" + rt.env["PATH"], **env)


@pytest.mark.parametrize("script", ["exec sleep 1000", "exec sleep 1000 2>&-", "while :; do echo more >&2; done"])
def test_mapping_helper_that_does_not_end(rt, script):
    rt.refuses(rt.ranges(rt.bundle("true")), r"linux\.gidMappings: newgidmap did not end within 1 s",
               env=helpers(rt, script, OCIRUN_TIMEOUT="1"))


def test_mapping_helper_says_it_in_pieces(rt):
    """All of the line counts, and that something left behind still holds stderr does not."""
    gate, bundle = rt.path("gate"), rt.ranges(rt.bundle("true"))
    os.mkfifo(gate)
    rt.own(gate)
    env = helpers(rt, "(read line < %s) > /dev/null &\nprintf 'not ' >&2; /bin/true; "
                      "printf 'today\\nnor ever\\n' >&2; exit 1\n" % gate)
    bundle.save()
    result = rt.cmd("create", "--bundle", bundle.dir, rt.new_id(), env=env).fails()
    os.close(os.open(gate, os.O_WRONLY))
    assert re.search(r"newgidmap refused the mappings: not today\b", result.err), result.err


def test_groups_denied(rt, user):
    """uids by newuidmap, the gid alone by the caller: no other group can be had."""
    bundle = rt.ranges(rt.bundle("true"))
    bundle.linux["gidMappings"] = [{"containerID": 0, "hostID": user.gid, "size": 1}]
    bundle.process["user"]["additionalGids"] = [3]
    rt.refuses(bundle, r"additionalGids\[0\]: 3 is not mapped")


def test_mount_option_gid(rt):
    bundle = rt.bundle("true")
    next(m for m in bundle.config["mounts"] if m["destination"] == "/dev/pts")["options"].append("gid=5")
    rt.refuses(bundle, r"mounts\[\d+\] /dev/pts: .*; uid= and gid= need a mapping")


def test_mount_option_gid_mapped(rt):
    bundle = rt.ranges(rt.bundle())
    next(m for m in bundle.config["mounts"] if m["destination"] == "/dev/pts")["options"].append("gid=5")
    assert rt.sh(bundle, "stat -c %g /dev/pts/ptmx; grep -c devpts /proc/mounts").split()[1] == "1"


def test_rlimit_cannot_be_raised(rt):
    bundle = rt.bundle("ulimit -Hl")
    hard = 64 << 10     # some machines have none
    for asked in hard, hard + 1024:
        bundle.process["rlimits"] = [{"type": "RLIMIT_MEMLOCK", "soft": asked, "hard": asked}]
        result = rt.run(bundle, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard)))
        if asked > hard:
            result.fails()
            assert "process.rlimits[0]: set RLIMIT_MEMLOCK" in result.err and "CAP_SYS_RESOURCE" in result.err
        else:
            assert result.ok().out == "64\n"


def test_oom_score(rt):
    """Raising it is anybody's right; where lowering is refused it stays, as engines count on."""
    bundle = rt.bundle("cat /proc/self/oom_score_adj")
    bundle.process["oomScoreAdj"] = 500
    assert rt.sh(bundle) == "500\n"
    bundle.process["oomScoreAdj"] = -500
    result = rt.run(bundle).ok()
    assert result.out == "%d\n" % int(read("/proc/self/oom_score_adj")) and result.err == ""


def test_closed_directory(rt):
    """id 0 of the container is somebody else on the machine, who may not pass."""
    bundle = rt.granted(rt.bundle("true"))
    rt.run(bundle).ok()
    os.chmod(bundle.dir, 0o700)
    rt.refuses(bundle, r"rootfs .*Permission denied; a directory above it is closed")


# --- devices, mounts ---------------------------------------------------------------------------------------

def test_devices_are_bound(rt, mapped):
    out = rt.sh(mapped, """
        for d in null zero full random urandom tty; do test -c /dev/$d || echo missing $d; done
        echo x > /dev/null && head -c 2 /dev/zero | od -An -tx1; head -c 4 /dev/urandom | wc -c
        echo x 2>/dev/null > /dev/full || echo full; mknod /tmp/n c 1 3 2>/dev/null || echo nomknod
        grep -c ' /dev/null ' /proc/mounts""")
    assert out.split() == ["00", "00", "4", "full", "nomknod", "1"]


def test_configured_device(rt, mapped):
    source = next(p for p in ("/dev/kmsg", "/dev/ptmx", "/dev/null") if os.path.exists(p))
    number = os.stat(source).st_rdev
    mapped.linux["devices"] = [{"type": "c", "path": source, "major": os.major(number), "minor": os.minor(number)},
                               {"type": "p", "path": "/dev/pipe", "fileMode": 0o640}]
    out = rt.sh(mapped, "stat -c '%%t:%%T' %s; stat -c '%%F %%a' /dev/pipe" % source)
    assert out.splitlines() == ["%x:%x" % (os.major(number), os.minor(number)), "fifo 640"]


def test_device_that_the_machine_lacks(rt):
    bundle = rt.bundle("true")
    bundle.linux["devices"] = [{"type": "c", "path": "/dev/ort-none", "major": 10, "minor": 231}]
    rt.refuses(bundle, r"linux\.devices\[0\] /dev/ort-none: .*; in a user namespace devices are bound")


def test_device_with_another_number(rt):
    bundle = rt.bundle("true")
    bundle.linux["devices"] = [{"type": "c", "path": "/dev/null", "major": 1, "minor": 5}]
    rt.refuses(bundle, r"linux\.devices\[0\] /dev/null: the host has another device")


def sysfs(bundle):
    entry = next(m for m in bundle.config["mounts"] if m["destination"] == "/sys")
    entry.update(type="sysfs", source="sysfs", options=["nosuid", "noexec", "nodev", "ro"])
    return bundle


def test_sysfs_of_the_machine(rt, mapped):
    """A new sysfs is refused without a network namespace of one's own: the machine's is bound, read-only."""
    out = rt.sh(sysfs(mapped), "grep ' /sys ' /proc/mounts; ls /sys/class/net; touch /sys/kernel/x 2>&1 || true")
    assert re.match(r"\S+ /sys sysfs ro,nosuid,nodev,noexec", out)
    assert out.endswith("Read-only file system\n")
    assert set(os.listdir("/sys/class/net")) <= set(out.split())


def test_sysfs_of_its_own(rt, mapped):
    out = rt.sh(sysfs(mapped.namespace("network")), "grep ' /sys ' /proc/mounts; ls /sys/class/net")
    assert re.match(r"\S+ /sys sysfs ro,nosuid,nodev,noexec", out)
    assert out.split()[-1] == "lo" and "eth0" not in out


def test_proc_of_the_machine(rt, mapped):
    """A new proc is refused without a pid namespace of one's own."""
    mapped.drop_namespace("pid")
    out = rt.sh(mapped, "grep -c '^proc /proc proc' /proc/mounts; cat /proc/%d/comm; grep -o '/proc/sys proc ro' /proc/mounts" % os.getpid())
    assert out.splitlines() == ["1", read("/proc/self/comm").strip(), "/proc/sys proc ro"]


def test_masked_proc(rt):
    """In a container whose /proc has masks, a new proc would show what is under them."""
    bundle = rt.bundle("true")
    masked = next(p for p in ("/proc/kcore", "/proc/keys", "/proc/timer_list") if os.path.exists(p))
    rt.prefix = ["unshare", "-Urm", "sh", "-c", 'mount --bind /dev/null %s && exec "$@"' % masked, "sh"]
    for kind in "uid", "gid":
        bundle.linux[kind + "Mappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]
    rt.refuses(bundle, r"mounts\[0\] /proc: .*Operation not permitted; .*without masks")
    bundle.drop_namespace("pid")        # the machine's proc is bound, with its masks
    assert rt.sh(bundle, "stat -c '%%F %%t:%%T' %s" % masked) == "character special file 1:3\n"


def test_loopback(rt, mapped):
    assert "inet 127.0.0.1/8" in rt.sh(mapped.namespace("network"), "ip addr show lo")


def locked_mount(rt, user):
    """A directory on a mount whose flags an ordinary user cannot clear; (path, flags)."""
    if user.is_root_test:
        path = rt.path("locked")
        os.mkdir(path)
        harness.mount("none", path, "tmpfs", 1 | 2 | 4 | 8, None)       # ro, nosuid, nodev, noexec
        rt.cleanups.append(lambda: harness.umount(path))
        return path, {"ro", "nosuid", "nodev", "noexec"}
    mounts = [line.split() for line in read("/proc/self/mountinfo").splitlines()]
    above = {fields[1] for fields in mounts}        # with mounts below it a plain bind is refused
    for fields in mounts:
        flags = set(fields[5].split(","))
        if "nosuid" in flags and fields[0] not in above and os.access(fields[4], os.R_OK | os.X_OK) \
                and os.path.isdir(fields[4]):
            return fields[4], flags & {"ro", "nosuid", "nodev", "noexec"}
    raise AssertionError("no mount with nosuid")


@pytest.mark.parametrize("options", [["bind"], ["bind", "ro"], ["rbind", "ro", "rprivate"], ["bind", "rw"]])
def test_locked_flags_stay(rt, user, options):
    path, flags = locked_mount(rt, user)
    bundle = rt.bundle().add_mount("/mnt", path, "none", options)
    now = set(rt.sh(bundle, "grep ' /mnt ' /proc/mounts").split()[3].split(","))
    assert flags <= now
    if "ro" in options:
        assert "ro" in now


def test_locked_flag_cleared(rt, user):
    path, _ = locked_mount(rt, user)
    bundle = rt.bundle("true").add_mount("/mnt", path, "none", ["bind", "suid"])
    rt.refuses(bundle, r"mounts\[\d+\] /mnt: change mount flags: Operation not permitted; .*cannot be cleared")


def test_sysctl(rt, mapped):
    mapped.namespace("network")
    mapped.linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.shmmax": "65536"}
    assert rt.sh(mapped, "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax").split() == ["1", "65536"]


def test_sysctl_of_the_machines_root(rt, mapped):
    mapped.linux["sysctl"] = {"kernel.domainname": "example"}
    rt.refuses(mapped, r"sysctl kernel\.domainname: .*Permission denied; the kernel leaves it to the root")


# --- namespaces that exist -----------------------------------------------------------------------------

def test_joined_namespaces(rt, user):
    """What podman does for a pod: the user namespace and others of its first container."""
    first = rt.hold(rt.bundle().namespace("network"))
    bundle = rt.bundle("id -u; for n in net user ipc; do readlink /proc/self/ns/$n; done")
    for kind in "user", "network", "ipc", "uts":
        bundle.namespace(kind, "/proc/%d/ns/%s" % (first.pid, "net" if kind == "network" else kind))
    links = json.loads(subprocess.run(
        ["python3", "-c", "import os,json,sys;print(json.dumps([os.readlink('/proc/'+sys.argv[1]+'/ns/'+n) "
         "for n in ('net','user','ipc')]))", str(first.pid)], capture_output=True, check=True, **rt.identity()).stdout)
    assert rt.sh(bundle).split() == ["0"] + links
    first.stop()


def test_namespace_of_the_machine(rt):
    """A network namespace that belongs to somebody else cannot be joined, whoever may read its path."""
    bundle = rt.bundle("true").namespace("network", "/proc/self/ns/net")
    rt.refuses(bundle, r"join the network namespace: Operation not permitted; without privilege it has to belong to a")


def test_no_more_namespaces(rt):
    bundle = rt.bundle("true")
    for kind in "uid", "gid":
        bundle.linux[kind + "Mappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]
    rt.prefix = ["unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh"]
    rt.refuses(bundle, r"make the container's process: No space left on device; .*user\.max_")


# --- root of a user namespace --------------------------------------------------------------------------

NESTED = {
    "one": ["unshare", "-Ur"],
    "twice": ["unshare", "-Ur", "unshare", "-Ur"],
    "mounts": ["unshare", "-Urm"],
}


@pytest.fixture(params=sorted(NESTED))
def nested(request, rt):
    """The runtime as uid 0 in a user namespace, as podman runs it."""
    rt.prefix = NESTED[request.param]
    yield rt
    rt.prefix = []


@pytest.fixture
def plain_spec(rt):
    """A bundle of the configuration that root gets there: without a user namespace of its own."""
    directory = rt.path("plain")
    os.mkdir(directory)
    rt.own(directory)
    prefix, rt.prefix = rt.prefix, NESTED["one"]
    rt.cmd("spec", cwd=directory).ok()
    rt.prefix = prefix
    bundle = rt.bundle()
    config = json.loads(read(directory + "/config.json"))
    config["process"]["terminal"] = False
    config["root"]["readonly"] = False
    bundle.config, bundle.process, bundle.linux = config, config["process"], config["linux"]
    return bundle


def test_inside_default_spec(nested, plain_spec):
    plain_spec.process["oomScoreAdj"] = -100
    result = nested.run(plain_spec.sh("id -u; echo x > /dev/null; ls /sys/class/net; grep -c ' /dev/null ' /proc/mounts"))
    assert result.ok().out.split() == ["0", "lo", "1"] and result.err == ""


def test_inside_another_user_namespace(nested):
    bundle = nested.bundle("id -u")
    for kind in "uid", "gid":
        bundle.linux[kind + "Mappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]
    assert nested.sh(bundle) == "0\n"


def test_inside_id_that_is_not_there(rt):
    bundle = rt.bundle("true")
    rt.prefix = NESTED["one"]
    for kind in "uid", "gid":
        bundle.linux[kind + "Mappings"] = [{"containerID": 0, "hostID": 5, "size": 1}]
    rt.refuses(bundle, r"linux\.gidMappings: .*; hostID 5: the user namespace that this runs in has no such id")


def test_inside_state_directory(nested, user):
    assert rundir(nested, nested.env) == nested.session + "/ocirun"
    if not os.access("/run", os.W_OK) or user.is_root_test:
        outer = user.uid if nested.prefix.count("unshare") == 1 else 0
        expected = without_session(nested, user) if outer else "/tmp/ocirun-0"
        assert rundir(nested, nested.without("XDG_RUNTIME_DIR")) == expected


def test_inside_lifecycle(rt, plain_spec):
    """All commands from one namespace, which is how podman keeps it."""
    plain_spec.hold().save()
    ident = rt.new_id()
    script = """set -e; r=$1; b=$2; i=$3
        $r create --bundle $b $i </dev/null >/dev/null 2>&1; $r start $i; $r state $i | grep -o running
        $r exec $i id -u; $r kill $i KILL
        until $r state $i | grep -q stopped; do :; done; $r delete $i; $r list -q"""
    rt.prefix = ["unshare", "-Ur", "--fork", "sh", "-c", script, "sh"]
    assert rt.cmd(plain_spec.dir, ident).ok().out.split() == ["running", "0"]


def test_inside_ranges(rt, user, plain_spec):
    """As under `podman unshare`: 0 is the user, the rest comes from /etc/subuid."""
    rt.prefix = ["unshare", "--map-auto", "--map-root-user", "-m"]
    plain_spec.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5]}
    result = rt.run(plain_spec.sh("id -u; cat /proc/self/uid_map"))
    assert result.ok().out.split()[:4] == ["1000", "0", str(user.uid), "1"]


# --- cgroups ------------------------------------------------------------------------------------------------

def test_no_limits_no_cgroup(rt):
    """A cgroup that cannot be made is borne with as long as nothing depends on it."""
    bundle = rt.bundle("true")
    bundle.linux["cgroupsPath"] = "/" + TOKEN
    result = rt.run(bundle).ok()
    assert result.err == ""
    result = rt.run(bundle, globals=("--rootless=false",)).fails()
    assert "make cgroup" in result.err and "Permission denied" in result.err
    rt.run(bundle, globals=("--rootless=true",)).ok()


def test_limit_without_cgroup(rt):
    bundle = rt.bundle("true")
    bundle.linux["cgroupsPath"] = "/" + TOKEN
    bundle.linux["resources"] = {"pids": {"limit": 100}}
    rt.refuses(bundle, r"linux\.resources\.pids\.limit: pids needs the cgroup \S+/%s, which cannot be made: "
               r"Permission denied; .*leave " % TOKEN)


def test_commands_without_cgroup(rt):
    bundle = rt.bundle()
    bundle.linux["cgroupsPath"] = "/" + TOKEN
    c = rt.hold(bundle)
    assert "no cgroup" in rt.cmd("pause", c.id).fails().err
    assert "no cgroup" in rt.cmd("events", "--stats", c.id).fails().err
    assert re.search(r"pids\.limit: the container has no cgroup below /", rt.cmd("update", "--pids-limit", "5", c.id).fails().err)
    assert str(c.pid) in rt.cmd("ps", "--format", "json", c.id).ok().out
    c.stop()


@pytest.mark.parametrize("more", [[], [{"allow": True, "type": "c", "major": 1, "access": "rwm"},
                                       {"allow": False, "type": "c", "major": 1, "minor": 11, "access": "r"}]], ids=len)
def test_device_list_is_dispensable(rt, more):
    """Also one that the kernel could not hold."""
    bundle = rt.bundle("true")
    bundle.linux["cgroupsPath"] = "/" + TOKEN
    bundle.linux["resources"] = {"devices": [{"allow": False, "access": "rwm"}] + more}
    rt.run(bundle).ok()


class Delegation:
    """cgroup v2 by itself, in a mount namespace of its own, and cgroups that root hands to the user."""

    FILES = ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads")

    def __init__(self, rt):
        self.rt = rt
        self.top = next(path for path, names in harness.cgroup_mounts() if names == {""})
        available = read(self.top + "/cgroup.controllers").split()
        self.controller = next(c for c in ("pids", "hugetlb") if c in available)
        self.alone = self.top == "/sys/fs/cgroup"
        self.made = []
        self.control("")    # for good: switched off, it would take its files from all cgroups of the machine

    def path(self, name):
        return os.path.join(self.top, name) if name else self.top

    def control(self, name):
        write(self.path(name) + "/cgroup.subtree_control", "+" + self.controller)

    def make(self, name, delegated=False):
        path = self.top
        for part in name.split("/"):
            path = os.path.join(path, part)
            if not os.path.isdir(path):
                os.mkdir(path)
                self.made.append(path)
        if delegated:
            self.rt.own(path, *(path + "/" + f for f in self.FILES))
        return name

    def enter(self, name):
        """The runtime begins in that cgroup, as that user."""
        script = """set -e; echo $$ > %s/cgroup.procs
            %s
            exec setpriv --reuid %d --regid %d --clear-groups "$@" """ % (
                self.path(name),
                "" if self.alone else harness.V2_ALONE,
                self.rt.user.uid, self.rt.user.gid)
        self.rt.prefix = ["unshare", "-m", "sh", "-c", script, "sh"]

    def limit(self, bundle):
        if self.controller == "pids":
            bundle.linux["resources"] = {"pids": {"limit": 64}}
            return "pids.max", "64"
        bundle.linux["resources"] = {"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}
        return "hugetlb.2MB.max", "4194304"

    def close(self):
        for path in reversed(self.made):
            until(lambda: remove(path), "the end of " + path)


def remove(path):
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


@pytest.fixture
def delegation(rt, user):
    if not user.is_root_test:
        pytest.skip("needs root to delegate a cgroup")
    top = next((path for path, names in harness.cgroup_mounts() if names == {""}), None)
    if not top:
        pytest.skip("needs cgroup v2")
    if not {"pids", "hugetlb"} & set(read(top + "/cgroup.controllers").split()):
        pytest.skip("no controller to give")
    d = Delegation(rt)
    popen = rt.popen
    rt.popen = lambda *args, **kw: popen(*args, as_root=True, **kw)
    rt.cleanups.append(d.close)
    yield d


def own_v2(pid):
    return next(line.split(":", 2)[2] for line in read("/proc/%d/cgroup" % pid).splitlines() if line.startswith("0::"))


def test_delegated_limits(rt, delegation):
    """Beside the caller's own cgroup, below the one that was handed over: limits and all commands."""
    d = delegation
    d.make(TOKEN)
    d.control(TOKEN)
    d.make(TOKEN + "/given", delegated=True)
    d.enter(d.make(TOKEN + "/given/shell", delegated=True))
    bundle = rt.bundle()
    file, value = d.limit(bundle)
    c = rt.hold(bundle)
    assert own_v2(c.pid) == "/%s/given/%s" % (TOKEN, c.id)
    assert read(d.path("%s/given/%s/%s" % (TOKEN, c.id, file))).strip() == value
    rt.cmd("pause", c.id).ok()
    assert c.status() == "paused"
    rt.cmd("resume", c.id).ok()
    rt.cmd("events", "--stats", c.id).ok()
    assert c.sh("echo in") == "in\n"
    if d.controller == "pids":
        rt.cmd("update", "--pids-limit", "32", c.id).ok()
        assert read(d.path("%s/given/%s/pids.max" % (TOKEN, c.id))).strip() == "32"
    rt.cmd("kill", "--all", c.id, "KILL").ok()
    c.wait()
    c.delete().ok()
    assert not os.path.exists(d.path("%s/given/%s" % (TOKEN, c.id)))


def test_delegated_below_the_own(rt, delegation):
    """Only the caller's own cgroup is theirs: the container runs below it, but cannot be limited."""
    d = delegation
    d.make(TOKEN)
    d.control(TOKEN)
    d.enter(d.make(TOKEN + "/own", delegated=True))
    c = rt.hold(rt.bundle())
    assert own_v2(c.pid) == "/%s/own/%s" % (TOKEN, c.id)
    c.stop()
    bundle = rt.bundle("true")
    d.limit(bundle)
    rt.refuses(bundle, r"enable the %s controller in cgroup.subtree_control of \S+/own: Device or resource busy; "
               r"there are processes" % d.controller)


def test_not_delegated(rt, delegation):
    """The caller's cgroup is root's: without limits it runs there; a limit says whose it is."""
    d = delegation
    d.enter(d.make(TOKEN + "/plain"))
    c = rt.hold(rt.bundle())
    assert own_v2(c.pid) == "/%s/plain" % TOKEN
    c.stop()
    bundle = rt.bundle("true")
    d.limit(bundle)
    rt.refuses(bundle, r"linux\.resources\.\S+: %s needs the cgroup \S+/plain/\S+, which cannot be made: Permission "
               r"denied; no cgroup there belongs to this user.*Delegate=yes" % d.controller)


@pytest.mark.parametrize("unit", [True, False])
def test_controller_not_delegated(rt, delegation, unit):
    """Handed over without the controller: the error names the unit, the cgroup and the remedy."""
    d = delegation
    top = d.make(TOKEN + ("/user@%d.service" % rt.user.uid if unit else "/given"), delegated=True)
    d.enter(d.make(top + "/shell", delegated=True))
    bundle = rt.bundle("true")
    d.limit(bundle)
    whom = "user@%d.service" % rt.user.uid if unit else r"cgroup \S+/%s/given" % TOKEN
    remedy = "Delegate=cpu cpuset io memory pids" if unit and d.controller == "pids" else r"echo \+" + d.controller
    rt.refuses(bundle, r"linux\.resources\.\S+: %s is not delegated to %s: it is missing in cgroup.subtree_control of "
               r"\S+/%s, .*%s" % (d.controller, whom, TOKEN, remedy))
    rt.run(rt.bundle("true")).ok()


def test_delegated_elsewhere(rt, delegation):
    """A cgroup of one's own that no process of one's own may be moved to."""
    d = delegation
    d.make(TOKEN + "/given", delegated=True)
    d.enter(d.make(TOKEN + "/plain"))
    bundle = rt.bundle()
    bundle.linux["cgroupsPath"] = "/%s/given/c" % TOKEN
    c = rt.hold(bundle)
    assert own_v2(c.pid) == "/%s/plain" % TOKEN
    assert not os.path.exists(d.path(TOKEN + "/given/c"))
    c.stop()
    d.limit(bundle.sh("true"))
    rt.refuses(bundle, r"only who may write to cgroup.procs of \S+/%s, above it and the caller's own" % TOKEN)


def test_delegated_relative_path(rt, delegation):
    d = delegation
    d.make(TOKEN)
    d.enter(d.make(TOKEN + "/own", delegated=True))
    bundle = rt.bundle()
    bundle.linux["cgroupsPath"] = "sub/c"
    c = rt.hold(bundle)
    assert own_v2(c.pid) == "/%s/own/sub/c" % TOKEN
    c.stop()
    os.rmdir(d.path(TOKEN + "/own/sub"))
    d.enter(d.make(TOKEN + "/own/shell", delegated=True))       # beside it there can be limits
    d.control(TOKEN)
    file, value = d.limit(bundle)
    c = rt.hold(bundle)
    assert read(d.path("%s/own/sub/c/%s" % (TOKEN, file))).strip() == value
    c.stop()
    os.rmdir(d.path(TOKEN + "/own/sub"))


@pytest.fixture
def given_v1(rt, user):
    """A cgroup that root hands to the user in some hierarchies of v1 and in v2, where there is one beside it; the
    runtime begins there.  What a container's path in one of them is."""
    if not user.is_root_test:
        pytest.skip("needs root to delegate a cgroup")
    tops = {name: path for path, names in harness.cgroup_mounts()
            for name in names & {"pids", "freezer", "name=systemd", ""}}
    if "pids" not in tops:
        pytest.skip("needs the pids controller on cgroup v1")
    own = {name: os.path.join(top, TOKEN + "-given") for name, top in tops.items()}
    for path in dict.fromkeys(own.values()):
        os.mkdir(path)
        rt.cleanups.append(lambda path=path: until(lambda: remove(path), "the end of " + path))
        rt.own(path, *(path + "/" + f for f in ("cgroup.procs", "tasks", "cgroup.threads", "cgroup.subtree_control")
                       if os.path.exists(path + "/" + f)))
    rt.prefix = ["sh", "-c", "set -e; %s; exec setpriv --reuid %d --regid %d --clear-groups \"$@\""
                 % ("; ".join("echo $$ > %s/cgroup.procs" % path for path in own.values()), user.uid, user.gid), "sh"]
    popen = rt.popen
    rt.popen = lambda *args, **kw: popen(*args, as_root=True, **kw)
    return lambda c, name: "%s/%s" % (own[name], c.id) if name in own else None


IDS = {"own": AsUser.one_map, "own and granted": AsUser.ranges, "granted": AsUser.granted}


@pytest.mark.quick
@pytest.mark.machine
@pytest.mark.parametrize("ids", list(IDS))
def test_given_cgroup_of_v1(rt, given_v1, ids):
    """Whoever the container's processes are on the machine, they are moved into it."""
    bundle = IDS[ids](rt, rt.bundle())
    bundle.linux["resources"] = {"pids": {"limit": 64}}
    c = rt.hold(bundle)
    paths = list(filter(None, (given_v1(c, name) for name in ("pids", "freezer", "name=systemd", ""))))
    inside = lambda path: {int(pid) for pid in read(path + "/cgroup.procs").split()}
    before = inside(paths[0])
    assert c.pid in before and read(paths[0] + "/pids.max") == "64\n"
    # as many as there are: who comes from outside is not counted
    rt.cmd("update", "--pids-limit", str(len(before)), c.id).ok()
    assert read(paths[0] + "/pids.max") == "%d\n" % len(before)
    pid_file = rt.path("pid")
    rt.cmd("exec", "--detach", "--pid-file", pid_file, c.id, "/bin/sleep", "1000").ok()
    pid = int(read(pid_file))
    for path in paths:
        assert inside(path) - before == {pid}
    assert rt.cmd("exec", c.id, "/bin/id", "-u").ok().out == "0\n"
    if given_v1(c, "freezer"):
        rt.cmd("pause", c.id).ok()
        assert c.status() == "paused"
        rt.cmd("resume", c.id).ok()
    os.kill(pid, signal.SIGKILL)
    pid_wait(pid)       # the container's init ends only after that
    c.stop()
    assert not any(map(os.path.exists, paths))
    rt.refuses(bundle.args("/nonexistent"), "/nonexistent")


def test_maps_refused_in_a_given_cgroup_of_v1(rt, user, given_v1):
    bundle = rt.granted(rt.bundle("true"))
    bundle.linux["uidMappings"][0]["hostID"] = user.first + user.count
    rt.refuses(bundle, "has no range for user")


@pytest.mark.machine
@pytest.mark.parametrize("ids", list(IDS))
def test_unit_of_the_own_manager(rt, user, ids):
    session = "/run/user/%d" % user.uid
    if not os.path.exists(session + "/systemd/private"):
        pytest.skip("needs a manager of the user")
    rt.root, rt.env = session + "/ocirun", rt.without(XDG_RUNTIME_DIR=session)
    systemd = ("--cgroup-manager", "systemd")
    bundle = IDS[ids](rt, rt.bundle())
    c = rt.hold(bundle, globals=systemd)
    scope = next(path for path in cgroup_of(c.pid).values() if "/ocirun-%s.scope" % c.id in path)
    assert c.sh("echo in") == "in\n"
    rt.cmd("delete", "--force", c.id).ok()
    assert not os.path.exists(scope)
    rt.refuses(bundle.args("/nonexistent"), "/nonexistent", globals=systemd)


@pytest.mark.machine
def test_own_cgroup_of_the_session(rt, user):
    """Whatever the machine gives an ordinary user: with limits it works, or says why not. In a delegated unit it
    has to work (tests/vm/run sets RUNTIME_DELEGATED)."""
    bundle = rt.bundle("true")
    bundle.linux["resources"] = {"pids": {"limit": 64}}
    if os.environ.get("RUNTIME_DELEGATED"):
        c = rt.hold(bundle)
        assert read(cgroup_of(c.pid)[""] + "/pids.max").strip() == "64"
        c.stop()
        return
    result = rt.run(bundle)
    if result.rc != 0:
        assert re.search(r"linux\.resources\.pids\.limit: .*; ", result.err)
    bundle = rt.bundle("true")
    rt.run(bundle).ok()
