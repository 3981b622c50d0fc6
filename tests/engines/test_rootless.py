# SPDX-License-Identifier: LGPL-2.1-or-later
"""podman and buildah of an ordinary user: the runtime is uid 0 of the user namespace that the engine
made, with the ids of /etc/subuid, and has no cgroup, or one that was handed over."""

import contextlib
import os
import subprocess

import pytest

import engine
import harness
import ordinary
from conftest import need
from engine import IMAGE, TOKEN, read, until, write

HOLD = "trap 'exit 5' TERM; echo ready; while :; do sleep 1000 & wait; done"


class Account:
    """An ordinary user with a home, a session's directory and the engine's configuration."""

    def __init__(self, site):
        self.site = site
        self.who = ordinary.User(site.dir, [engine.RUNTIME])
        self.dir = os.path.join(self.who.dir, "home")
        self.session = os.path.join(self.who.dir, "session")
        for path in (self.dir, self.session):
            os.mkdir(path, 0o700)
            os.chown(path, self.who.uid, self.who.gid)
        text = read(site.env["CONTAINERS_CONF"]).replace(engine.RUNTIME, self.who.command[0])
        self.conf = write(os.path.join(self.who.dir, "containers.conf"), text, 0o644)
        self.env = {"HOME": self.dir, "XDG_RUNTIME_DIR": self.session, "CONTAINERS_CONF": self.conf, "USER": "ort-user",
                    "TMPDIR": self.dir}
        self.become = ["setpriv", "--reuid", str(self.who.uid), "--regid", str(self.who.gid), "--clear-groups"]

    def call(self, program, *options):
        """A command of that user's."""
        return AsUser(self, [program, "--root", self.dir + "/storage", "--runroot", self.session + "/runroot",
                             "--storage-driver", "vfs", *options])


class AsUser(engine.Engine):
    def __init__(self, account, argv):
        super().__init__(account.site, argv)
        self.account = account

    def __call__(self, *args, prefix=None, **kw):
        return super().__call__(*args, prefix=self.account.become if prefix is None else prefix,
                                **{**self.account.env, **kw})


@pytest.fixture(scope="module")
def account(site):
    need("podman", "conmon", "newuidmap")
    before = set(harness.descendants())
    one = Account(site)
    podman = one.call("podman", "--tmpdir", one.session + "/libpod")
    # its owner is the user's root, as in any image
    archive = os.path.join(one.who.dir, "image.tar")
    subprocess.run(["tar", "-C", site.rootfs(), "--owner=0", "--group=0", "-cf", archive, "."], check=True)
    podman("import", "--change", 'CMD ["/bin/sh"]', "--change", "ENV PATH=/bin", archive, IMAGE).ok()
    podman("run", "--rm", IMAGE, "true").ok()     # leaves the process that keeps the namespaces
    one.podman = podman
    yield one
    with contextlib.suppress(AssertionError):
        podman("system", "migrate")
    for pid in set(harness.descendants()) - before:
        with contextlib.suppress(OSError):
            os.kill(pid, 9)
    harness.reap()
    one.who.close()


@pytest.fixture
def podman(account):
    before = harness.Guard.take()
    yield account.podman
    account.podman("pod", "rm", "--all", "--force", "--time", "1").ok()
    account.podman("rm", "--all", "--force", "--time", "1").ok()
    harness.Guard.compare(before, 10)
    assert engine.states(account.session + "/" + engine.NAME) == []


def run(podman, *args, **kw):
    return podman("run", "--rm", *args, **kw)


def hold(podman, *options, **kw):
    name = podman.site.new_name()
    podman("run", "-d", "--name", name, *options, IMAGE, "sh", "-c", HOLD, **kw).ok()
    until(lambda: "ready" in podman("logs", name).out, "ready")
    return name


def test_run(podman, account):
    result = run(podman, IMAGE, "sh", "-c", "id -u; cat /proc/self/uid_map; exit 3").status(3)
    who = account.who
    assert result.out.split() == ["0", "0", str(who.uid), "1", "1", str(who.first), str(who.count)]


@pytest.mark.parametrize("options", [["--network", "none"], ["--network", "host"], ["--cgroups=disabled"],
                                     ["--pid", "host"], ["--ipc", "private"], ["--read-only"], ["--privileged"],
                                     ["--cap-drop", "all"], ["--security-opt", "no-new-privileges"],
                                     ["--group-add", "keep-groups"], ["--oom-score-adj", "-10"]])
def test_options(podman, options):
    assert run(podman, *options, IMAGE, "echo", "hi").ok().out == "hi\n"


def test_loopback(podman):
    assert "inet 127.0.0.1/8" in run(podman, "--network", "none", IMAGE, "ip", "addr", "show", "lo").ok().out


def test_exec_and_stop(podman):
    name = hold(podman)
    assert podman("exec", name, "id", "-u").ok().out == "0\n"
    podman("exec", name, "sh", "-c", "exit 7").status(7)
    assert podman("exec", "--user", "1000", name, "id", "-u").ok().out == "1000\n"
    assert "sleep" in podman("top", name).ok().out
    podman("stop", "--time", "10", name).ok()
    assert podman("inspect", "--format", "{{.State.ExitCode}} {{.State.Status}}", name).ok().out == "5 exited\n"
    podman("start", name).ok()
    podman("kill", "--signal", "KILL", name).ok()
    assert podman("wait", name).ok().out == "137\n"
    podman("rm", name).ok()


def test_user_of_the_image(podman):
    assert run(podman, "--user", "1000:1000", IMAGE, "id", "-u").ok().out == "1000\n"


def test_keep_id(podman, account):
    who = account.who
    out = run(podman, "--userns=keep-id", IMAGE, "sh", "-c", "id -u; id -g").ok().out
    assert out.split() == [str(who.uid), str(who.gid)]


def test_own_mapping(podman):
    out = run(podman, "--uidmap", "0:1:2000", "--gidmap", "0:1:2000", IMAGE, "sh", "-c", "id -u; cat /proc/self/uid_map")
    assert out.ok().out.split() == ["0", "0", "1", "2000"]


def test_volume(podman, account):
    """What the container's root makes belongs to the user."""
    directory = os.path.join(account.dir, "volume")
    os.mkdir(directory)
    os.chown(directory, account.who.uid, account.who.gid)
    run(podman, "--volume", directory + ":/data", IMAGE, "touch", "/data/file").ok()
    assert os.stat(directory + "/file").st_uid == account.who.uid


def test_device(podman):
    out = run(podman, "--device", "/dev/kmsg:/dev/other", IMAGE, "stat", "-c", "%F %t:%T", "/dev/other").ok().out
    assert out == "character special file 1:b\n"


def test_sysctl(podman):
    assert run(podman, "--sysctl", "net.ipv4.ip_forward=1", IMAGE, "cat", "/proc/sys/net/ipv4/ip_forward").ok().out == "1\n"


def test_no_such_program(podman):
    run(podman, IMAGE, "nosuch").status(127, "not found")


def test_terminal(podman):
    term = engine.Pty(podman.account.become + podman.argv + ["run", "--rm", "-it", IMAGE, "tty"],
                      {**podman.site.env, **podman.account.env}, podman.site.path("tmp"))
    with contextlib.closing(term):
        term.expect("/dev/pts/0")
        assert term.wait() == 0


def test_pod(podman):
    pod = podman.site.new_name("p")
    podman("pod", "create", "--name", pod, "--infra-image", IMAGE, "--infra-command", "/bin/sleep 1000").ok()
    first = podman("run", "--pod", pod, IMAGE, "readlink", "/proc/self/ns/user").ok().out
    assert podman("run", "--pod", pod, IMAGE, "readlink", "/proc/self/ns/user").ok().out == first
    podman("pod", "rm", "--force", "--time", "1", pod).ok()


def test_unshare(podman, account):
    """The runtime by hand in podman's namespaces."""
    out = podman("unshare", account.who.command[0], "--version").ok().out
    assert "rundir: %s/%s" % (account.session, engine.NAME) in out


def test_delegated_cgroup(podman, account, request):
    """On v2, below a cgroup that is the user's: the container has one of its own, and can be paused."""
    top = next((path for path, names in harness.cgroup_mounts() if names == {""}), None)
    if top is None:
        pytest.skip("needs cgroup v2")
    own = TOKEN + "u"           # not below what root's containers share
    given = os.path.join(top, own, "given")
    os.makedirs(given + "/shell")
    request.addfinalizer(lambda: subprocess.run(["find", os.path.join(top, own), "-depth", "-type", "d", "-exec",
                                                 "rmdir", "{}", ";"], check=False, stderr=subprocess.DEVNULL))
    for path in (given, given + "/shell"):
        for name in ("", "/cgroup.procs", "/cgroup.threads", "/cgroup.subtree_control"):
            os.chown(path + name, account.who.uid, account.who.gid)
    # The namespaces that podman keeps have another view of /sys/fs/cgroup: new ones, in another session.
    script = "echo $$ > %s/shell/cgroup.procs; %s exec \"$@\"" % (
        given, "" if top == "/sys/fs/cgroup" else harness.V2_ALONE + ";")
    prefix = ["unshare", "-m", "sh", "-c", script, "sh"] + account.become
    session = account.session + "/v2"
    os.mkdir(session, 0o700)
    os.chown(session, account.who.uid, account.who.gid)
    other = AsUser(account, ["podman", "--root", account.dir + "/storage2", "--runroot", session + "/runroot",
                             "--storage-driver", "vfs", "--tmpdir", session + "/libpod"])

    def call(*args):
        return other(*args, prefix=prefix, XDG_RUNTIME_DIR=session)

    before = set(harness.descendants())
    call("import", "--change", 'CMD ["/bin/sh"]', "--change", "ENV PATH=/bin",
         os.path.join(account.who.dir, "image.tar"), IMAGE).ok()
    try:
        call("run", "-d", "--name", "one", IMAGE, "sh", "-c", HOLD).ok()
        pid = call("inspect", "--format", "{{.State.Pid}}", "one").ok().out.strip()
        assert "0::/%s/given/" % own in read("/proc/%s/cgroup" % pid)
        call("pause", "one").ok()
        assert call("inspect", "--format", "{{.State.Status}}", "one").ok().out == "paused\n"
        call("unpause", "one").ok()
        assert call("exec", "one", "echo", "in").ok().out == "in\n"
        call("rm", "--force", "--time", "1", "one").ok()
    finally:
        call("rm", "--all", "--force", "--time", "1")
        for left in set(harness.descendants()) - before:
            with contextlib.suppress(OSError):
                os.kill(left, 9)
        until(lambda: harness.reap() or not set(harness.descendants()) - before, "the end of podman's processes")


def test_buildah(account, podman):
    need("buildah")
    buildah = account.call("buildah")
    name = buildah("from", IMAGE).ok().out.strip()
    for isolation in "rootless", "oci":
        result = buildah("run", "--runtime", account.who.command[0], "--isolation", isolation, "--network", "none", name,
                         "--", "sh", "-c", "id -u; exit 3")
        assert result.status(3).out == "0\n"
    buildah("rm", name).ok()
