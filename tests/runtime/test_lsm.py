# SPDX-License-Identifier: LGPL-2.1-or-later
"""Labels of security modules: process.apparmorProfile, process.selinuxLabel, linux.mountLabel.

What needs a module is collected only where that is on: tests/vm has a machine for each, and says with
RUNTIME_LSM that it is.  The AppArmor tests load profiles of their own.  The SELinux tests are written
for the policy tests/vm/selinux.cil: host_t may do everything, container_t may not touch secret_t,
nobody may become forbidden_t, and a file's categories have to be the writer's."""

import json
import os
import subprocess
import sys

import pytest

from harness import TIMEOUT, pid_wait, read, receive_fd, write

apparmor = pytest.mark.lsm("apparmor")
selinux = pytest.mark.lsm("selinux")

CURRENT = "echo $(tr -d '\\0' </proc/self/attr/current)"

# --- where the module is off ------------------------------------------------------------------------------

LABELS = {
    "process.apparmorProfile": ("apparmor", "AppArmor"),
    "process.selinuxLabel": ("selinux", "SELinux"),
    "linux.mountLabel": ("selinux", "SELinux"),
}


def set_label(bundle, member, label):
    parent, name = member.split(".")
    bundle.config[parent][name] = label


@pytest.mark.ocirun_only
@pytest.mark.parametrize("member", [pytest.param(m, marks=pytest.mark.no_lsm(LABELS[m][0])) for m in LABELS])
def test_r212_label_where_the_module_is_off(rt, bundle, member):
    """A warning, once, and on: one configuration serves machines with and without the module."""
    set_label(bundle, member, "system_u:object_r:some_t:s0")
    result = rt.run(bundle.args("/bin/echo", "fine")).ok()
    assert (result.out, result.err) == ("fine\n", "")
    log = rt.path("log")
    rt.run(bundle, globals=("--log", log, "--log-level", "warning")).ok()
    assert read(log).count("%s is off" % LABELS[member][1]) == 1, read(log)
    assert member in read(log)


@pytest.mark.ocirun_only
@pytest.mark.parametrize("option,module", [
    pytest.param("--apparmor", "AppArmor", marks=pytest.mark.no_lsm("apparmor")),
    pytest.param("--process-label", "SELinux", marks=pytest.mark.no_lsm("selinux"))])
def test_exec_label_where_the_module_is_off(rt, option, module):
    c = rt.hold()
    result = c.exec("/bin/echo", "fine", options=(option, "some_t")).ok()
    assert (result.out, result.err) == ("fine\n", "")
    log = rt.path("log")
    rt.cmd("exec", option, "some_t", c.id, "/bin/true", globals=("--log", log, "--log-level", "warning")).ok()
    assert read(log).count("%s is off" % module) == 1, read(log)
    c.stop()


# --- AppArmor ------------------------------------------------------------------------------------------------

PROFILE = """
profile %s flags=(attach_disconnected,mediate_deleted) {
  file,
  capability,
  network,
  signal,
  ptrace,
  mount,
  deny /data/%s rw,
}
"""


@pytest.fixture(scope="module")
def profiles(tmp_path_factory):
    """Two profiles in the kernel: the first keeps /data/secret, the second /data/other."""
    path = str(tmp_path_factory.mktemp("apparmor") / "profiles")
    write(path, PROFILE % ("ocirun-test", "secret") + PROFILE % ("ocirun-other", "other"))
    parser = ["apparmor_parser", "--skip-cache", "--quiet"]
    subprocess.run(parser + ["--replace", path], check=True, timeout=TIMEOUT)
    yield "ocirun-test", "ocirun-other"
    subprocess.run(parser + ["--remove", path], check=True, timeout=TIMEOUT)


@pytest.fixture
def confined(bundle, profiles):
    """A bundle under the first profile, with files to be denied."""
    for name in "secret", "other":
        write(bundle.rootfs + "/data/" + name, name + "\n")
    bundle.process["apparmorProfile"] = profiles[0]
    return bundle


READ_BOTH = CURRENT + "; cat /data/secret /data/other"


@apparmor
def test_apparmor_none(rt, confined):
    """The control: without a profile both files can be read."""
    del confined.process["apparmorProfile"]
    assert rt.sh(confined, READ_BOTH).split("\n") == ["unconfined", "secret", "other", ""]


@apparmor
@pytest.mark.quick
def test_apparmor_profile(rt, confined):
    result = rt.run(confined.sh(READ_BOTH))
    assert result.out.split("\n") == ["ocirun-test (enforce)", "other", ""]
    assert "/data/secret" in result.err and "denied" in result.err


@apparmor
@pytest.mark.parametrize("change", ["user", "no_new_privs", "user namespace", "seccomp", "chroot"])
def test_apparmor_profile_with(rt, confined, change):
    if change == "user":
        confined.process["user"] = {"uid": 1000, "gid": 1000}
    elif change == "no_new_privs":
        confined.process["noNewPrivileges"] = True
    elif change == "user namespace":
        confined.userns()
    elif change == "seccomp":
        confined.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    else:
        confined.drop_namespace("mount")
        confined.config["mounts"] = []
        for name in "maskedPaths", "readonlyPaths":
            confined.linux.pop(name, None)
        # no /proc inside, and the paths that the profile sees are the machine's
        c = rt.hold(confined)
        assert read("/proc/%d/attr/current" % c.pid).strip() == "ocirun-test (enforce)"
        c.stop()
        return
    result = rt.run(confined.sh(READ_BOTH))
    assert result.out.split("\n") == ["ocirun-test (enforce)", "other", ""]


@apparmor
@pytest.mark.quick
def test_apparmor_exec(rt, confined, profiles):
    c = rt.hold(confined)
    assert read("/proc/%d/attr/current" % c.pid).strip() == "ocirun-test (enforce)"
    assert c.sh(CURRENT).strip() == "ocirun-test (enforce)"
    result = c.exec("/bin/sh", "-c", READ_BOTH, options=("--apparmor", profiles[1]))
    assert result.out.split("\n") == ["ocirun-other (enforce)", "secret", ""]
    process = rt.path("process.json")
    write(process, json.dumps(dict(c.bundle.process, args=["/bin/sh", "-c", READ_BOTH],
                                   apparmorProfile=profiles[1])))
    result = rt.cmd("exec", "--process", process, c.id)
    assert result.out.split("\n") == ["ocirun-other (enforce)", "secret", ""]
    c.stop()


@apparmor
def test_apparmor_unconfined(rt, confined):
    confined.process["apparmorProfile"] = "unconfined"
    assert rt.sh(confined, READ_BOTH).split("\n") == ["unconfined", "secret", "other", ""]


@apparmor
@pytest.mark.quick
def test_apparmor_missing_profile(rt, confined):
    confined.process["apparmorProfile"] = "ocirun-missing"
    result = rt.failing_create(confined, match="apparmorProfile ocirun-missing: .*the profile is not loaded")
    # podman and CRI-O look for this
    assert "/proc/self/attr/" in result.err or "/proc/thread-self/attr/" in result.err
    assert "No such file or directory" in result.err


@apparmor
def test_apparmor_exec_missing_profile(rt, confined):
    c = rt.hold(confined)
    result = c.exec("/bin/echo", "ran", options=("--apparmor", "ocirun-missing")).fails()
    assert result.rc == 255 and "ran" not in result.out
    assert "apparmorProfile ocirun-missing" in result.err and "the profile is not loaded" in result.err
    assert c.sh(CURRENT).strip() == "ocirun-test (enforce)"
    c.stop()


# What LXC gives to a machine in which containers run. Its rule is about /sys, but a procfs that is mounted nowhere
# shows /proc/sys/net as /sys/net: that broke other runtimes there (runc 4972, moby 51405).
OUTER = """
profile ocirun-outer flags=(attach_disconnected,mediate_deleted) {
  file, capability, network, signal, ptrace, unix, mount, umount, pivot_root, userns,
  deny /sys/[^fdck]*{,/**} wklx,
}
"""
DETACHED = """
import ctypes, os, sys
call = ctypes.CDLL(None, use_errno=True).syscall
fs = call(430, b"proc", 0)                      # fsopen, fsconfig, fsmount: the same everywhere
assert call(431, fs, 6, None, None, 0) == 0
try:
    os.close(os.open("sys/net/ipv4/ip_unprivileged_port_start", os.O_WRONLY, dir_fd=call(432, fs, 0, 0)))
except PermissionError:
    print("denied")
"""


@pytest.fixture
def outer(tmp_path):
    """preexec_fn for what is to run as in LXC."""
    path = str(tmp_path / "outer")
    write(path, OUTER)
    parser = ["apparmor_parser", "--skip-cache", "--quiet"]
    subprocess.run(parser + ["--replace", path], check=True, timeout=TIMEOUT)
    yield lambda: write("/proc/self/attr/exec", "exec ocirun-outer")
    subprocess.run(parser + ["--remove", path], check=True, timeout=TIMEOUT)


@apparmor
@pytest.mark.quick
@pytest.mark.parametrize("user", [False, True], ids=["", "userns"])
def test_runc_4972_a_profile_around_the_runtime(rt, bundle, outer, user):
    control = subprocess.run(["unshare", "--net", sys.executable, "-c", DETACHED], preexec_fn=outer, capture_output=True,
                             text=True, timeout=TIMEOUT, check=True)
    assert control.stdout == "denied\n", "no control: %s" % control
    if user:
        bundle.userns()
    bundle.linux["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "80"}
    result = rt.run(bundle.sh(CURRENT + "; cat /proc/sys/net/ipv4/ip_unprivileged_port_start"), preexec_fn=outer).ok()
    assert result.out.splitlines() == ["ocirun-outer (enforce)", "80"]


@apparmor
def test_cve_2019_16884_apparmor(rt, confined):
    """A directory with the right names in the place of /proc must not swallow the profile."""
    fake = rt.path("fake")
    for directory in "self/attr/apparmor", "thread-self/attr/apparmor", "1/attr/apparmor":
        os.makedirs(os.path.join(fake, directory))
        for name in "exec", "apparmor/exec":
            write(os.path.join(fake, os.path.dirname(directory), name), "")
    for place in "volume", "image":
        bundle = rt.bundle().sh("cat /data/secret && echo unconfined")
        bundle.process["apparmorProfile"] = "ocirun-test"
        write(bundle.rootfs + "/data/secret", "secret\n")
        bundle.drop_mount("/proc")
        if place == "volume":
            bundle.add_mount("/proc", fake, "bind", ["rbind", "rw"])
        else:
            os.rmdir(bundle.rootfs + "/proc")
            subprocess.run(["cp", "-r", fake, bundle.rootfs + "/proc"], check=True)
        result = rt.run(bundle)
        assert result.rc != 0 and "unconfined" not in result.out and "secret\n" not in result.out, place


# --- SELinux ------------------------------------------------------------------------------------------------

HOST = "system_u:system_r:host_t:s0-s0:c0.c3"
PROCESS = "system_u:system_r:container_t:s0:c1,c2"
FILE = "system_u:object_r:container_file_t:s0:c1,c2"
HOST_FILE = "system_u:object_r:host_file_t:s0"
SECRET = "system_u:object_r:secret_t:s0"


def enforcing():
    return read("/sys/fs/selinux/enforce").strip() == "1"


def label_file(path, label):
    os.setxattr(path, "security.selinux", label.encode() + b"\0")
    return path


@pytest.fixture
def labelled(bundle):
    bundle.process["selinuxLabel"] = PROCESS
    bundle.linux["mountLabel"] = FILE
    return bundle


@selinux
def test_selinux_none(rt, bundle):
    """The control: without labels all is the machine's."""
    out = rt.sh(bundle, CURRENT + "; helper keylabel; helper label /dev /dev/shm /dev/mqueue /dev/null")
    assert out.split("\n") == [HOST, HOST] + [HOST_FILE] * 4 + [""]


@selinux
@pytest.mark.quick
def test_selinux_process_label(rt, labelled):
    """The program, and its session keyring, whose label is set first."""
    assert rt.sh(labelled, CURRENT + "; helper keylabel").split("\n") == [PROCESS, PROCESS, ""]


@selinux
@pytest.mark.parametrize("change", ["user", "no_new_privs", "user namespace", "seccomp"])
def test_selinux_process_label_with(rt, labelled, change):
    if change == "user":
        labelled.process["user"] = {"uid": 1000, "gid": 1000}
    elif change == "no_new_privs":
        labelled.process["noNewPrivileges"] = True
    elif change == "user namespace":
        labelled.userns()
    else:
        labelled.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    out = rt.sh(labelled, CURRENT + "; helper keylabel; helper label /dev /dev/shm")
    assert out.split("\n") == [PROCESS, PROCESS, FILE, FILE, ""]


@selinux
@pytest.mark.quick
def test_selinux_exec(rt, labelled):
    c = rt.hold(labelled)
    assert read("/proc/%d/attr/current" % c.pid).rstrip("\0\n") == PROCESS
    assert c.sh(CURRENT + "; helper keylabel").split("\n") == [PROCESS, PROCESS, ""]
    other = PROCESS.replace("c1,c2", "c3")
    assert c.sh(CURRENT, options=("--process-label", other)).strip() == other
    process = rt.path("process.json")
    write(process, json.dumps(dict(c.bundle.process, args=["/bin/sh", "-c", CURRENT], selinuxLabel=other)))
    assert rt.cmd("exec", "--process", process, c.id).ok().out.strip() == other
    c.stop()


@selinux
@pytest.mark.quick
def test_r212_mount_label(rt, labelled):
    """Each file system that is made for the container, by option or, where it is older than the
    mount (mqueue), by the attribute of its root; not those that the policy labels."""
    labelled.add_mount("/mnt", "tmpfs", "tmpfs", ["size=1m"])
    out = rt.sh(labelled, "touch /mnt/new /dev/shm/new; helper label /dev /dev/null /dev/pts/ptmx /dev/shm "
                          "/dev/shm/new /dev/mqueue /mnt /mnt/new /proc/kcore /sys/firmware; helper label /proc /sys /;"
                          "cat /proc/self/mountinfo")
    lines = out.split("\n")
    # masked paths: a file is covered by the container's /dev/null, a directory by a tmpfs
    assert lines[:10] == [FILE] * 10
    assert lines[10:13] == [HOST_FILE] * 3
    for line in lines[13:]:
        point, fstype = (line.split()[4], line.split(" - ")[1].split()[0]) if line else ("", "")
        if fstype in ("tmpfs", "devpts") and point.startswith(("/dev", "/mnt")):
            assert 'context="%s"' % FILE in line or "context=" + FILE in line, line
    # the machine's own message queues are as they were
    assert os.getxattr("/dev/mqueue", "security.selinux").rstrip(b"\0").decode() == HOST_FILE


@selinux
def test_mount_label_host_ipc(rt, labelled):
    """With the machine's ipc namespace the queues are the machine's, and keep its label."""
    labelled.drop_namespace("ipc")
    assert rt.sh(labelled, "helper label /dev/mqueue") == HOST_FILE + "\n"
    assert os.getxattr("/dev/mqueue", "security.selinux").rstrip(b"\0").decode() == HOST_FILE


@selinux
def test_mount_label_of_the_entry(rt, labelled):
    """An entry that says its context keeps it."""
    own = FILE.replace("c1,c2", "c2")
    labelled.add_mount("/mnt", "tmpfs", "tmpfs", ['context="%s"' % own])
    labelled.add_mount("/data", "tmpfs", "tmpfs", ['rootcontext="%s"' % own])
    assert rt.sh(labelled, "helper label /mnt /data /dev/shm").split("\n") == [own, own, FILE, ""]


@selinux
def test_mount_label_context_type(rt, labelled):
    """run.oci.mount_context_type: with rootcontext only the root has the label, and files can get others."""
    labelled.config["annotations"] = {"run.oci.mount_context_type": "rootcontext"}
    labelled.add_mount("/mnt", "tmpfs", "tmpfs", ["size=1m"])
    c = rt.hold(labelled)
    inside = "/proc/%d/root/mnt" % c.pid
    assert c.sh("helper label /mnt").strip() == FILE
    label_file(write(inside + "/file", ""), SECRET)
    assert c.sh("helper label /mnt/file", options=("--process-label", HOST)).strip() == SECRET
    c.stop()


@selinux
def test_mount_label_alone(rt, bundle):
    bundle.linux["mountLabel"] = FILE
    assert rt.sh(bundle, CURRENT + "; helper label /dev/shm").split("\n") == [HOST, FILE, ""]


@selinux
def test_selinux_terminal(rt, labelled):
    """The terminal, which is /dev/console too, and the one of exec."""
    labelled.process["terminal"] = True
    labelled.sh("helper label $(tty) /dev/console; read x")
    path = rt.path("console.sock")
    with rt.listener(path) as sock:
        c = rt.create(labelled, "--console-socket", path)
        conn, _ = sock.accept()
        with conn:
            _, fds = receive_fd(conn)
    rt.cleanups.append(lambda: os.close(fds[0]))
    c.start().ok()
    seen = b""
    while seen.count(b"\n") < 2:
        seen += os.read(fds[0], 4096)
    assert seen.decode().split() == [FILE, FILE]
    os.write(fds[0], b"\n")
    assert pid_wait(c.pid) == 0
    c.delete().ok()


@selinux
@pytest.mark.quick
def test_selinux_denial(rt, labelled):
    """In enforcing mode what the policy denies is denied; in permissive mode it is not."""
    secret = label_file(write(rt.path("secret"), "secret\n", 0o644), SECRET)
    labelled.add_mount("/data/secret", secret, "bind", ["bind", "ro"])
    result = rt.run(labelled.sh("cat /data/secret"))
    if enforcing():
        assert result.rc == 1 and result.out == "" and "Permission denied" in result.err
    else:
        assert result.ok().out == "secret\n"
    # the control: the machine's own label may
    labelled.process["selinuxLabel"] = HOST
    assert rt.run(labelled).ok().out == "secret\n"


@selinux
def test_selinux_categories(rt, labelled):
    """Two containers of one type are kept apart by their categories."""
    shared = rt.path("shared")
    label_file(write(shared, ""), FILE)
    labelled.add_mount("/data/shared", shared, "bind", ["bind", "rw"])
    rt.run(labelled.sh("echo one >>/data/shared")).ok()
    labelled.process["selinuxLabel"] = PROCESS.replace("c1,c2", "c3")
    result = rt.run(labelled)
    assert (result.rc != 0) == enforcing()
    assert read(shared) == ("one\n" if enforcing() else "one\none\n")


@selinux
@pytest.mark.quick
def test_selinux_forbidden_domain(rt, labelled):
    """A domain that may not be entered: the program does not run, and the error says why."""
    labelled.process["selinuxLabel"] = PROCESS.replace("container_t", "forbidden_t")
    labelled.process["noNewPrivileges"] = False     # whose own check comes first, and says EPERM
    result = rt.run(labelled.sh("echo ran"))
    if enforcing():
        result.fails()
        assert "ran" not in result.out and "permission denied" in result.err.lower()
        if rt.is_ocirun:
            assert "process.selinuxLabel " + labelled.process["selinuxLabel"] in result.err
    else:
        assert result.ok().out == "ran\n"


@selinux
@pytest.mark.quick
def test_selinux_invalid_label(rt, labelled):
    labelled.process["selinuxLabel"] = "system_u:system_r:no_such_t:s0"
    result = rt.failing_create(labelled, match="no_such_t.*Invalid argument")
    assert "/proc/self/attr/" in result.err or "/proc/thread-self/attr/" in result.err
    log = rt.path("log")
    rt.cmd("create", "--bundle", labelled.dir, rt.new_id(), globals=("--log", log, "--log-level", "warning")).fails()
    assert "the policy does not know this label" in read(log)


@selinux
def test_selinux_invalid_mount_label(rt, labelled):
    labelled.linux["mountLabel"] = "system_u:object_r:no_such_t:s0"
    rt.failing_create(labelled, match=r"mounts\[\d+\].*no_such_t")


@selinux
def test_selinux_exec_invalid_label(rt, labelled):
    c = rt.hold(labelled)
    result = c.exec("/bin/echo", "ran", options=("--process-label", "nonsense")).fails()
    assert result.rc == 255 and "ran" not in result.out and "nonsense" in result.err
    assert c.sh(CURRENT).strip() == PROCESS
    c.stop()


@selinux
def test_cve_2019_16884_selinux(rt, labelled):
    """A directory with the right names in the place of /proc must not swallow the label."""
    secret = label_file(write(rt.path("secret"), "secret\n"), SECRET)
    fake = rt.path("fake")
    for who in "self", "thread-self", "1":
        os.makedirs(os.path.join(fake, who, "attr"))
        for name in "exec", "keycreate":
            write(os.path.join(fake, who, "attr", name), "")
    labelled.drop_mount("/proc")
    labelled.add_mount("/proc", fake, "bind", ["rbind", "rw"])
    labelled.add_mount("/data/secret", secret, "bind", ["bind"])
    result = rt.run(labelled.sh("cat /data/secret"))
    # refused; and if it were not, the label would have to be in force
    assert result.rc != 0 or not enforcing()
    assert not read(os.path.join(fake, "self/attr/exec")) and not read(os.path.join(fake, "1/attr/exec"))
