# SPDX-License-Identifier: LGPL-2.1-or-later
"""The systemd cgroup driver for an ordinary user, with a manager of its own. The tests are root's, and become that
user."""

import os
import subprocess

import pytest

from harness import check, libc, read
from units import V2, gone, needs_systemd, number, show, systemctl, unit_of, where

pytestmark = [pytest.mark.ocirun_only, needs_systemd]

USER = 1000
SYS_OPEN_TREE, SYS_MOVE_MOUNT = 428, 429        # on every architecture
OPEN_TREE_CLONE, MOVE_MOUNT_F_EMPTY_PATH = 1, 4


def bring(path):
    """A mount of the machine's own mount namespace, where systemd made it, into this one."""
    pid = os.fork()
    if pid == 0:
        ok = False
        try:
            own, its = os.open("/proc/self/ns/mnt", os.O_RDONLY), os.open("/proc/1/ns/mnt", os.O_RDONLY)
            check(libc.setns(its, 0), "setns")
            tree = check(libc.syscall(SYS_OPEN_TREE, -1, path.encode(), OPEN_TREE_CLONE), "open_tree")
            check(libc.setns(own, 0), "setns")
            check(libc.syscall(SYS_MOVE_MOUNT, tree, b"", -1, path.encode(), MOVE_MOUNT_F_EMPTY_PATH), "move_mount")
            ok = True
        finally:
            os._exit(not ok)
    assert os.waitpid(pid, 0)[1] == 0, "no %s" % path


@pytest.fixture(scope="module")
def manager():
    """The user has a manager, whose runtime directory is a mount."""
    subprocess.run(["loginctl", "enable-linger", str(USER)], check=True)
    systemctl("start", "user@%d.service" % USER)
    if not os.path.ismount("/run/user/%d" % USER):
        bring("/run/user/%d" % USER)


@pytest.fixture
def user(manager, sd):
    """sd for an ordinary user with a manager of its own."""
    os.makedirs(sd.root)
    os.chown(sd.root, USER, USER)
    popen = sd.popen
    env = {"XDG_RUNTIME_DIR": "/run/user/%d" % USER, "PATH": os.environ["PATH"]}
    sd.popen = lambda *a, **kw: popen(*a, **dict({"user": USER, "group": USER, "extra_groups": [], "env": env}, **kw))
    os.chown(sd.dir, USER, USER)
    yield sd


def user_bundle(bundle):
    bundle.userns(base=USER, size=1)
    bundle.config["process"]["user"] = {"uid": 0, "gid": 0}
    bundle.linux["resources"] = {}
    for m in bundle.config["mounts"]:       # no group 5
        m["options"] = [o for o in m.get("options", []) if not o.startswith("gid=")]
    return bundle


@pytest.mark.quick
def test_user_manager(user, bundle):
    if not V2:
        pytest.skip("v1 delegates nothing")
    user_bundle(bundle).linux["resources"] = {"memory": {"limit": 1 << 26}, "pids": {"limit": 99}}
    c = user.hold(bundle)
    unit = unit_of(c)
    assert "/user@%d.service/user.slice/%s" % (USER, unit) in where(c)
    assert show(unit, "MemoryMax", "TasksMax", "ActiveState", user=USER) == {
        "MemoryMax": str(1 << 26), "TasksMax": "99", "ActiveState": "active"}
    assert number(where(c), "memory.max") == 1 << 26
    user.cmd("update", "--memory", str(1 << 27), c.id, env={"XDG_RUNTIME_DIR": ""}).ok()
    assert show(unit, "MemoryMax", user=USER)["MemoryMax"] == str(1 << 27)
    user.cmd("pause", c.id).ok()
    user.cmd("resume", c.id).ok()
    user.cmd("delete", "--force", c.id, env={"XDG_RUNTIME_DIR": ""}).ok()
    gone(unit, USER)


def test_user_without_a_manager(sd, bundle):
    user_bundle(bundle)
    os.makedirs(sd.root)
    os.chown(sd.root, 65534, 65534)
    env = {"XDG_RUNTIME_DIR": "/run/user/65534", "PATH": os.environ["PATH"]}
    sd.failing_create(bundle, match="no bus: user 65534 has no manager: .*loginctl enable-linger 65534",
                      user=65534, group=65534, extra_groups=[], env=env)


def test_user_controller_not_delegated(user, bundle):
    if not V2:
        pytest.skip("v1 delegates nothing")
    top = "/sys/fs/cgroup/user.slice/user-%d.slice/user@%d.service" % (USER, USER)
    missing = set(read("/sys/fs/cgroup/cgroup.controllers").split()) & {"hugetlb", "rdma", "misc"}
    missing -= set(read(top + "/cgroup.controllers").split())
    assert missing, "everything is delegated here"
    if "hugetlb" in missing:
        user_bundle(bundle).linux["resources"] = {"unified": {"hugetlb.2MB.max": "0"}}
        user.failing_create(bundle, match=r"linux.resources.unified.hugetlb.2MB.max: hugetlb is not delegated to "
                                          r"user@%d.service" % USER)
