# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd as the container's first process, on cgroup v2: it needs a cgroup namespace and a cgroup mount that it may
write to, makes a tree of its own in it and gives controllers down, after which no process may be in its root."""

import json
import os

import pytest

from harness import SLOWNESS, cgroup_mounts, cgroup_of, mount, read, umount, until, MS_BIND

SYSTEMD = "/usr/lib/systemd/systemd"
MOUNTS = [("/proc", "proc", []), ("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755"]),
          ("/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
          ("/dev/shm", "tmpfs", ["nosuid", "nodev", "mode=1777"]), ("/sys", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
          ("/run", "tmpfs", ["nosuid", "nodev", "mode=755"]), ("/tmp", "tmpfs", ["mode=1777"]),
          ("/var", "tmpfs", ["mode=755"])]

pytestmark = [pytest.mark.ocirun_only, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


def machine(rt, bundle):
    """A container that runs the systemd of this machine on the machine's own root."""
    mount("/", bundle.rootfs, None, MS_BIND)
    bundle.config["mounts"] = []
    for destination, kind, options in MOUNTS:
        bundle.add_mount(destination, kind, kind, options)
    bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", ["rw", "nosuid", "noexec", "nodev"])
    bundle.namespace("cgroup").namespace("network").all_caps()
    # it is to change nothing of the machine
    bundle.config["root"]["readonly"] = True
    bundle.linux["readonlyPaths"] = ["/proc/sys"]
    bundle.linux["resources"] = {"pids": {"limit": 500}, "devices": [{"allow": False}]}
    bundle.process["env"] = ["container=oci", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    bundle.process.pop("rlimits", None)
    return rt.start(bundle.args(SYSTEMD, "--unit=basic.target", "--show-status=no"))


@pytest.mark.machine
def test_systemd_inside(rt, bundle):
    if len(cgroup_mounts()) != 1 or not os.path.exists(SYSTEMD):
        pytest.skip("cgroup v2 alone, and a systemd to run")
    try:
        check(rt, machine(rt, bundle))
    finally:
        umount(bundle.rootfs)


def check(rt, c):
    where = cgroup_of(c.pid)[""]
    if where.endswith("/init.scope"):
        where = os.path.dirname(where)
    # Before the first exec: a process of ours in this cgroup at the wrong moment, and systemd is refused the
    # controllers (EBUSY) and tries again only when it has another reason to.
    until(lambda: "pids" in read(where + "/cgroup.subtree_control").split(), "systemd to enable pids", 60)
    c.exec("systemctl", "is-system-running", "--wait", timeout=60 * SLOWNESS)
    assert c.exec("systemctl", "is-active", "basic.target").ok().out.strip() == "active"
    assert cgroup_of(c.pid)[""] == where + "/init.scope"
    assert read(where + "/cgroup.procs") == "" and os.path.isdir(where + "/system.slice")
    # exec cannot live in the container's own cgroup any more: beside init, then
    assert c.exec("cat", "/proc/self/cgroup").ok().out.strip() == "0::/init.scope"
    c.exec("systemd-run", "--wait", "-p", "TasksMax=7", "true").ok()
    assert c.pid in json.loads(rt.cmd("ps", "--format", "json", c.id).ok().out)
    rt.cmd("update", "--pids-limit", "400", c.id).ok()
    assert read(where + "/pids.max").strip() == "400"
    rt.cmd("pause", c.id).ok()
    assert c.status() == "paused"
    rt.cmd("resume", c.id).ok()
    c.delete("--force").ok()
    assert not os.path.exists(where)
