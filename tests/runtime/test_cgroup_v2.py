# SPDX-License-Identifier: LGPL-2.1-or-later
"""cgroup v2 alone: requirements 167-173, 181-184. On a machine with v1 the runtime is run in a mount
namespace in which /sys/fs/cgroup is a cgroup2 and nothing else, which shows it a pure v2 machine with
the controllers that v1 does not hold."""

import json
import os
import subprocess

import pytest

from harness import MS_BIND, TOKEN, cgroup_mounts, cgroup_of, mount, read, umount, until, v2_top, write

pytestmark = [pytest.mark.ocirun_only, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

def directory(c):
    return cgroup_of(c.pid)[""]


def controllers():
    return read(v2_top() + "/cgroup.controllers").split()


def test_create_exec_pause_kill_delete(v2, bundle):
    c = v2.hold(bundle)
    where = directory(c)
    assert where.endswith("/" + c.id)
    c.exec("true").ok()
    v2.cmd("pause", c.id).ok()
    assert c.status() == "paused" and read(where + "/cgroup.freeze").strip() == "1"
    v2.cmd("resume", c.id).ok()
    v2.cmd("kill", "--all", c.id, "KILL").ok()
    until(lambda: c.status() == "stopped")
    c.delete().ok()
    assert not os.path.exists(where)


def test_exec_goes_where_init_went(v2, bundle):
    """A cgroup that gives controllers to its children takes no processes: as systemd leaves it."""
    if "hugetlb" not in controllers() and "pids" not in controllers():
        pytest.skip("no controller to give")
    controller = "pids" if "pids" in controllers() else "hugetlb"
    c = v2.hold(bundle)
    where = directory(c)
    c.exec("true").ok()
    os.mkdir(where + "/inner")
    for pid in read(where + "/cgroup.procs").split():
        with open(where + "/inner/cgroup.procs", "w") as f:
            f.write(pid)
    with open(where + "/cgroup.subtree_control", "w") as f:
        f.write("+" + controller)
    out = c.exec("cat", "/proc/self/cgroup").ok().out
    assert "/inner" in [line for line in out.split("\n") if line.startswith("0::")][0]
    c.delete("--force").ok()
    assert not os.path.exists(where)


@pytest.mark.parametrize("rules,reads,writes", [
    ([], True, True),
    ([{"allow": False}], False, False),
    ([{"allow": False}, {"allow": True, "type": "c", "major": 10, "minor": 237, "access": "r"}], True, False),
    ([{"allow": False}, {"allow": True, "type": "c", "major": 10, "access": "rw"}], True, True),
    ([{"allow": False}, {"allow": True, "type": "c", "major": 10, "minor": 237, "access": "r"},
      {"allow": True, "type": "c", "major": 10, "minor": 237, "access": "w"}], True, True),
    ([{"allow": False}, {"allow": True, "type": "b", "major": 10, "minor": 237}], False, False),
    ([{"allow": False}, {"allow": True}], True, True),
    ([{"allow": True}, {"allow": False, "type": "c", "major": 10, "minor": 237, "access": "w"}], True, False),
    ([{"allow": False, "type": "c", "major": 10, "minor": 237, "access": "w"}, {"allow": True}], True, True),
], ids=range(9))
def test_r173_device_rules(v2, bundle, rules, reads, writes):
    bundle.all_caps()
    bundle.linux["resources"] = {"devices": rules}
    c = v2.hold(bundle)
    c.exec("sh", "-c", "mknod /dev/node c 10 237").ok()
    assert (c.exec("sh", "-c", ": </dev/node").rc == 0) == reads
    assert (c.exec("sh", "-c", ": >>/dev/node").rc == 0) == writes
    c.exec("sh", "-c", ": <>/dev/null && : </dev/zero").ok()
    c.stop()


def test_update_replaces_the_device_program(v2, bundle):
    bundle.all_caps()
    bundle.linux["resources"] = {"devices": [{"allow": False}]}
    c = v2.hold(bundle)
    c.exec("sh", "-c", "mknod /dev/node c 10 237").ok()
    rule = {"allow": True, "type": "c", "major": 10, "minor": 237, "access": "rwm"}
    for allowed in (True, False, True, False):
        rules = [{"allow": False}] + ([rule] if allowed else [])
        v2.cmd("update", "-r", "-", c.id, input=json.dumps({"devices": rules})).ok()
        assert (c.exec("sh", "-c", ": </dev/node").rc == 0) == allowed
    # one that fails in another member leaves the list as it was
    document = {"devices": [{"allow": False}, rule], "unified": {"cgroup.max.depth": "many"}}
    v2.cmd("update", "-r", "-", c.id, input=json.dumps(document)).fails()
    assert c.exec("sh", "-c", ": </dev/node").rc != 0
    c.stop()


def test_r181_unified_enables_controllers_along_the_path(v2, bundle):
    if "hugetlb" not in controllers():
        pytest.skip("hugetlb is not on v2")
    bundle.linux["cgroupsPath"] = "/%s-enable/a/b" % TOKEN
    bundle.linux["resources"] = {"unified": {"hugetlb.2MB.max": "2097152"}}
    c = v2.create(bundle)
    where = directory(c)
    assert read(where + "/hugetlb.2MB.max").strip() == "2097152"
    assert "hugetlb" in read(os.path.dirname(where) + "/cgroup.subtree_control").split()
    # what the container gives to its own children is its affair
    assert read(where + "/cgroup.subtree_control").strip() == ""
    c.delete("-f").ok()
    os.rmdir(os.path.dirname(where))
    os.rmdir(os.path.dirname(os.path.dirname(where)))


def test_r181_a_parent_with_processes_stays_as_it_is(v2, bundle):
    """Enabling cpu, cpuset or pids in it works, and makes it the head of a threaded tree."""
    if not {"pids", "hugetlb"} & set(controllers()):
        pytest.skip("no controller that v1 has not")
    parent = "%s/%s-busy" % (v2_top(), TOKEN)
    os.mkdir(parent)
    other = subprocess.Popen(["sleep", "1000"])
    try:
        with open(parent + "/cgroup.procs", "w") as f:
            f.write(str(other.pid))
        bundle.linux["cgroupsPath"] = "/%s-busy/x" % TOKEN
        limits = {"unified": {"hugetlb.2MB.max": "0"}} if "pids" not in controllers() else {"pids": {"limit": 9}}
        bundle.linux["resources"] = limits
        v2.failing_create(bundle, match="there are processes in that cgroup itself")
        bundle.linux["resources"] = {}
        c = v2.hold(bundle)
        assert read(parent + "/cgroup.type").strip() == "domain"
        assert read(parent + "/cgroup.subtree_control").strip() == ""
        c.stop()
    finally:
        other.kill()
        other.wait()
        until(lambda: not read(parent + "/cgroup.procs"))
        os.rmdir(parent)


def test_update_takes_back(v2, bundle):
    bundle.linux["resources"] = {"unified": {"cgroup.max.depth": "9"}}
    c = v2.hold(bundle)
    where = directory(c)
    document = {"unified": {"cgroup.max.depth": "3", "cgroup.max.descendants": "many"}}
    v2.cmd("update", "-r", "-", c.id, input=json.dumps(document)).fails()
    assert read(where + "/cgroup.max.depth").strip() == "9"
    v2.cmd("update", "-r", "-", c.id, input=json.dumps({"unified": {"cgroup.max.depth": "3"}})).ok()
    assert read(where + "/cgroup.max.depth").strip() == "3"
    c.stop()


@pytest.mark.parametrize("resources,member", [
    ({"memory": {"kernelTCP": 4096}}, "memory.kernelTCP"),
    ({"memory": {"kernel": 4096}}, "memory.kernel"),
    ({"memory": {"swappiness": 0}}, "memory.swappiness"),
    ({"memory": {"useHierarchy": False}}, "memory.useHierarchy"),
    ({"memory": {"disableOOMKiller": True}}, "memory.disableOOMKiller"),
    ({"cpu": {"realtimeRuntime": 5}}, "cpu.realtimeRuntime"),
    ({"cpu": {"realtimePeriod": 5}}, "cpu.realtimePeriod"),
    ({"blockIO": {"leafWeight": 100}}, "blockIO.leafWeight"),
    ({"network": {"classID": 5}}, "network.classID"),
    ({"network": {"priorities": [{"name": "lo", "priority": 1}]}}, "network.priorities"),
], ids=lambda v: v if isinstance(v, str) else "")
def test_r184_cannot_be_converted(v2, bundle, resources, member):
    bundle.linux["resources"] = resources
    v2.failing_create(bundle, match="linux.resources.%s: cannot be converted to cgroup v2" % member)


def test_r183_no_such_controller(v2, bundle):
    if "memory" in controllers():
        pytest.skip("memory is on v2")
    bundle.linux["resources"] = {"memory": {"limit": 1 << 26}}
    v2.failing_create(bundle, match="linux.resources.memory.limit: there is no memory controller")


# ---- the mount in the container ----

@pytest.mark.parametrize("fstype", ["cgroup", "cgroup2"])
@pytest.mark.parametrize("options", [["ro"], ["rw"]], ids=["ro", "rw"])
def test_mount_with_a_namespace_shows_the_own_cgroup(v2, bundle, fstype, options):
    bundle.namespace("cgroup")
    bundle.drop_mount("/sys/fs/cgroup")
    bundle.add_mount("/sys/fs/cgroup", fstype, "cgroup", options + ["nosuid", "noexec", "nodev"])
    out = v2.sh(bundle, """grep ' - cgroup2 ' /proc/self/mountinfo
        cat /sys/fs/cgroup/cgroup.procs
        mkdir /sys/fs/cgroup/below 2>/dev/null && echo made; true""").splitlines()
    root, point, flags = out[0].split()[3:6]
    assert (root, point) == ("/", "/sys/fs/cgroup") and out[0].count(" - cgroup2 ") == 1
    assert {options[0], "nosuid", "nodev", "noexec"} <= set(flags.split(","))
    assert "1" in out and ("made" in out) == (options == ["rw"])


def test_mount_without_a_namespace_shows_the_tree(v2, bundle):
    bundle.drop_namespace("cgroup")
    bundle.drop_mount("/sys/fs/cgroup")
    bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", ["ro"])
    out = v2.sh(bundle, "own=$(grep ^0:: /proc/self/cgroup | cut -d: -f3); cat /sys/fs/cgroup$own/cgroup.procs")
    assert "1" in out.split()


# ---- ownership ----

def owners(where):
    return {name: os.stat(where + "/" + name).st_uid for name in os.listdir(where)}


@pytest.mark.parametrize("uid", [0, 1000])
def test_r169_r172_handed_over(v2, bundle, uid):
    bundle.namespace("cgroup")
    bundle.drop_mount("/sys/fs/cgroup")
    bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "nodev", "noexec"])
    bundle.userns()
    bundle.config["process"]["user"] = {"uid": uid, "gid": 0}
    c = v2.hold(bundle)
    where = directory(c)
    owner = 100000 + uid
    assert os.stat(where).st_uid == owner and os.stat(where).st_gid == 0
    delegated = set(read("/sys/kernel/cgroup/delegate").split())
    for name, who in owners(where).items():
        assert who == (owner if name in delegated else 0), name
    c.stop()


@pytest.mark.parametrize("change", ["read-only", "no namespace", "no mount"])
def test_r168_r169_not_handed_over(v2, bundle, change):
    bundle.drop_namespace("cgroup")
    bundle.drop_mount("/sys/fs/cgroup")
    if change != "no namespace":
        bundle.namespace("cgroup")
    if change != "no mount":
        bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", ["ro"] if change == "read-only" else [])
    bundle.userns()
    c = v2.hold(bundle)
    where = directory(c)
    assert os.stat(where).st_uid == 0 and set(owners(where).values()) == {0}
    c.stop()


def handed_over(rt, bundle):
    """A container that is to get its cgroup."""
    bundle.namespace("cgroup")
    bundle.drop_mount("/sys/fs/cgroup")
    bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "nodev", "noexec"])
    return rt.hold(bundle.userns())


@pytest.fixture
def kernel_list(rt):
    """Give the kernel's list of what is delegated another content, or take it away: for this mount namespace."""
    def change(content=None):
        target, source = "/sys/kernel/cgroup", rt.path("delegate")
        if content is None:
            os.mkdir(source)
        else:
            target, source = target + "/delegate", write(source, content)
        mount(source, target, None, MS_BIND)
        rt.cleanups.append(lambda: umount(target))
    return change


def test_r170_what_the_kernel_lists(v2, bundle, kernel_list):
    """What is listed and does not exist is no failure; what would be somewhere else is not looked for."""
    kernel_list("cgroup.procs\nno.such.file\n../cgroup.max.depth\ncgroup.max.depth\n")
    c = handed_over(v2, bundle)
    where = directory(c)
    assert os.stat(where).st_uid == 100000
    assert {n for n, owner in owners(where).items() if owner == 100000} == {"cgroup.procs", "cgroup.max.depth"}
    assert os.stat(os.path.dirname(where) + "/cgroup.procs").st_uid == 0
    c.stop()


def test_r171_kernels_without_the_list(v2, bundle, kernel_list):
    kernel_list()
    c = handed_over(v2, bundle)
    where = directory(c)
    assert os.stat(where).st_uid == 100000
    assert {n for n, owner in owners(where).items() if owner == 100000} == {
        "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"}
    c.stop()


def test_r167_v1_is_never_handed_over(rt, bundle):
    """Where there is v1, also nothing of v2: who may write there could get around what v1 limits."""
    tops = [top for top, names in cgroup_mounts() if "" not in names]
    if not tops:
        pytest.skip("v1 only")
    c = handed_over(rt, bundle)
    places = {place for place in cgroup_of(c.pid).values() if c.id in place}
    assert any(place.startswith(top + "/") for place in places for top in tops)
    for place in places:
        assert os.stat(place).st_uid == 0 and set(owners(place).values()) == {0}, place
    c.stop()


def test_events(v2, bundle):
    c = v2.hold(bundle)
    data = json.loads(v2.cmd("events", "--stats", c.id).ok().out)["data"]
    assert data["cpu"]["usage"]["total"] > 0
    c.stop()
