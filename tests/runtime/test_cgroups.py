# SPDX-License-Identifier: LGPL-2.1-or-later
"""Control groups: requirements 159-165, 173-179."""

import json
import os

import pytest

from harness import TOKEN, cgroup_mounts, cgroup_of, read, until, write


def value(c, controller, v1, v2=None):
    """The content of a control file of a container's cgroup, v1's name or v2's."""
    groups = cgroup_of(c.pid)
    if controller in groups:
        return read(os.path.join(groups[controller], v1)).strip()
    return read(os.path.join(groups[""], v2 or v1)).strip()


def is_v1(controller):
    return any(controller in names for _, names in cgroup_mounts())


def places(path):
    return [top + path for top, names in cgroup_mounts()]


@pytest.mark.quick
def test_r160_absolute_path(rt, bundle):
    path = "/%s-p/sub" % TOKEN
    bundle.linux["cgroupsPath"] = path
    c = rt.create(bundle)
    for name, directory in cgroup_of(c.pid).items():
        if name in ("pids", "memory", "cpu", "devices", "freezer"):
            assert directory == os.path.dirname(os.path.dirname(directory[:-len(path)] + "/x/y")) + path
            assert directory.endswith(name + path)
    c.delete("-f").ok()
    for directory in places(os.path.dirname(path)):
        # the parent was made on the way; whoever made it may leave it
        if os.path.isdir(directory):
            os.rmdir(directory)


def test_r161_relative_path(rt, bundle):
    name = rt.new_id() + "-rel"
    bundle.linux["cgroupsPath"] = name
    c = rt.create(bundle)
    assert cgroup_of(c.pid)["pids" if is_v1("pids") else ""].endswith("/" + name)


def test_r162_same_value_same_place(rt, bundle):
    bundle.linux["cgroupsPath"] = "/" + rt.new_id() + "-same"
    seen = []
    for _ in range(2):
        c = rt.create(bundle)
        seen.append(cgroup_of(c.pid))
        c.delete("-f").ok()
    assert seen[0] == seen[1]


def test_r163_default_path(rt, bundle):
    bundle.linux.pop("cgroupsPath", None)
    c = rt.create(bundle)
    assert c.id in cgroup_of(c.pid)["pids" if is_v1("pids") else ""]


@pytest.mark.quick
@pytest.mark.parametrize("path,number,controller,v1,v2,want", [
    ("memory.limit", 64 << 20, "memory", "memory.limit_in_bytes", "memory.max", None),
    ("memory.reservation", 32 << 20, "memory", "memory.soft_limit_in_bytes", "memory.low", None),
    ("pids.limit", 17, "pids", "pids.max", "pids.max", None),
    ("pids.limit", -1, "pids", "pids.max", "pids.max", "max"),
    ("cpu.shares", 512, "cpu", "cpu.shares", None, None),
    ("cpu.quota", 50000, "cpu", "cpu.cfs_quota_us", None, None),
    ("cpu.cpus", "0", "cpuset", "cpuset.cpus", "cpuset.cpus", None),
    ("cpu.mems", "0", "cpuset", "cpuset.mems", "cpuset.mems", None),
], ids=lambda v: str(v) if isinstance(v, (str, int)) else "")
def test_r018_limits(rt, bundle, path, number, controller, v1, v2, want):
    if not is_v1(controller) and v2 is None:
        pytest.skip("v1 only")
    group, name = path.split(".")
    bundle.linux["resources"] = {group: {name: number}}
    if name == "quota":
        bundle.linux["resources"]["cpu"]["period"] = 100000
    c = rt.create(bundle)
    assert value(c, controller, v1, v2) == str(want or number)


@pytest.mark.ocirun_only
@pytest.mark.parametrize("resources,controller,v1,want", [
    ({"cpu": {"idle": 1}}, "cpu", "cpu.idle", "1"),
    ({"cpu": {"quota": 50000, "period": 100000, "burst": 10000}}, "cpu", "cpu.cfs_burst_us", "10000"),
    ({"memory": {"swappiness": 7}}, "memory", "memory.swappiness", "7"),
    ({"memory": {"limit": 1 << 26, "kernelTCP": 1 << 24}}, "memory", "memory.kmem.tcp.limit_in_bytes", str(1 << 24)),
    ({"pids": {"limit": 5}}, "pids", "pids.max", "5"),
    ({"memory": {"disableOOMKiller": True}}, "memory", "memory.oom_control", None),
], ids=["idle", "burst", "swappiness", "tcp", "pids", "oom"])
def test_r018_limits_v1(rt, bundle, resources, controller, v1, want):
    if not is_v1(controller):
        pytest.skip("v1 only")
    bundle.linux["resources"] = resources
    c = rt.create(bundle)
    text = value(c, controller, v1)
    assert text == want if want else "oom_kill_disable 1" in text


def test_memory_swap(rt, bundle):
    bundle.linux["resources"] = {"memory": {"limit": 32 << 20, "swap": 64 << 20}}
    c = rt.create(bundle)
    if os.path.exists(cgroup_of(c.pid).get("memory", "/") + "/memory.memsw.limit_in_bytes"):
        assert value(c, "memory", "memory.memsw.limit_in_bytes") == str(64 << 20)


@pytest.mark.ocirun_only
def test_r179_pids_zero(rt, bundle):
    bundle.linux["resources"] = {"pids": {"limit": 0}}
    c = rt.create(bundle.sh("true & wait; echo done"))
    assert value(c, "pids", "pids.max") == "0"
    c.start().ok()
    c.wait()
    assert "done" not in c.out


def test_pids_limit_works(rt, bundle):
    bundle.linux["resources"] = {"pids": {"limit": 20}}
    out = rt.run(bundle.sh("i=0; while [ $i -lt 40 ]; do sleep 30 & i=$((i+1)); done 2>&1; echo end"))
    assert "fork" in out.out + out.err or out.rc != 0


def test_memory_limit_works(rt, bundle):
    bundle.linux["resources"] = {"memory": {"limit": 20 << 20, "swap": 20 << 20}}
    bundle.args("/bin/helper", "eat", "200")
    assert rt.run(bundle).rc == 137


@pytest.mark.ocirun_only
def test_memory_limit_too_low_for_init(rt, bundle):
    bundle.linux["resources"] = {"memory": {"limit": 4096, "swap": 4096}}
    result = rt.run(bundle.args("/bin/true"))
    assert result.rc != 0


@pytest.mark.parametrize("resources", [{"cpu": {"cpus": "9999"}}, {"cpu": {"cpus": "abc"}},
                                       {"memory": {"limit": 1 << 26, "swap": 1 << 25}}], ids=["cpus", "text", "swap"])
def test_r164_invalid(rt, bundle, resources):
    bundle.linux["resources"] = resources
    rt.failing_create(bundle)


def test_r165_v1_hierarchies_all_joined(rt, bundle):
    c = rt.create(bundle)
    groups = cgroup_of(c.pid)
    for top, names in cgroup_mounts():
        for name in names & {"cpu", "memory", "pids", "devices", "freezer", "cpuset", "blkio"}:
            assert c.id in groups[name], name


@pytest.mark.quick
def test_r030_removed_with_children(rt, bundle):
    # cgroups made below it (by a nested manager) go too
    c = rt.hold(bundle)
    groups = {d for n, d in cgroup_of(c.pid).items() if c.id in d}
    for directory in groups:
        os.makedirs(directory + "/child/grandchild")
    c.stop()
    assert not [d for d in groups if os.path.exists(d)]


def test_r057_foreign_cgroups_survive(rt, bundle):
    parent = "/%s-foreign" % TOKEN
    tops = [top for top, names in cgroup_mounts()]
    for top in tops:
        os.makedirs(top + parent + "/other", exist_ok=True)
    try:
        bundle.linux["cgroupsPath"] = parent + "/mine"
        rt.hold(bundle).stop()
        for top in tops:
            assert os.path.isdir(top + parent + "/other")
            assert not os.path.exists(top + parent + "/mine")
    finally:
        for top in tops:
            os.rmdir(top + parent + "/other")
            os.rmdir(top + parent)


def test_r057_init_moved_elsewhere(rt, bundle):
    if not is_v1("pids"):
        pytest.skip("pids is no v1 hierarchy")
    top = next(t for t, names in cgroup_mounts() if "pids" in names)
    foreign = top + "/%s-moved" % TOKEN
    os.mkdir(foreign)
    try:
        c = rt.hold(bundle)
        write(foreign + "/cgroup.procs", str(c.pid))
        c.delete("-f").ok()
        assert os.path.isdir(foreign)
    finally:
        until(lambda: not read(foreign + "/cgroup.procs"))
        os.rmdir(foreign)


@pytest.mark.ocirun_only
def test_r159_not_empty(rt, bundle):
    bundle.linux["cgroupsPath"] = "/" + rt.new_id() + "-used"
    first = rt.hold(bundle)
    second = rt.bundle("echo x")
    second.linux["cgroupsPath"] = bundle.linux["cgroupsPath"]
    rt.failing_create(second, match="not empty")
    assert first.exec("true").rc == 0
    first.stop()


@pytest.mark.ocirun_only
def test_r159_frozen(rt, bundle):
    if not is_v1("freezer"):
        pytest.skip("freezer is no v1 hierarchy")
    top = next(t for t, names in cgroup_mounts() if "freezer" in names)
    path = "/" + rt.new_id() + "-frozen"
    os.mkdir(top + path)
    try:
        write(top + path + "/freezer.state", "FROZEN")
        bundle.linux["cgroupsPath"] = path
        rt.failing_create(bundle, match="frozen")
    finally:
        write(top + path + "/freezer.state", "THAWED")
        os.rmdir(top + path)


def test_delete_force_paused(rt, bundle):
    c = rt.hold(bundle)
    rt.cmd("pause", c.id).ok()
    c.delete("--force").ok()


@pytest.mark.quick
def test_pause_resume(rt, bundle):
    c = rt.hold(bundle)
    rt.cmd("pause", c.id).ok()
    assert c.status() == "paused"
    rt.cmd("exec", c.id, "true").fails()
    rt.cmd("resume", c.id).ok()
    assert c.exec("true").rc == 0
    rt.cmd("resume", c.id).fails()
    c.stop()


def test_pause_stopped(rt, bundle):
    c = rt.start(bundle.args("/bin/true"))
    c.wait()
    rt.cmd("pause", c.id).fails()
    rt.cmd("resume", c.id).fails()


@pytest.mark.quick
def test_update_options(rt, bundle):
    c = rt.hold(bundle)
    rt.cmd("update", "--memory", str(48 << 20), "--pids-limit", "33", c.id).ok()
    assert value(c, "memory", "memory.limit_in_bytes", "memory.max") == str(48 << 20)
    assert value(c, "pids", "pids.max") == "33"
    c.stop()


def test_update_resources(rt, bundle):
    bundle.linux["resources"]["pids"] = {"limit": 40}
    c = rt.hold(bundle)
    text = json.dumps({"memory": {"limit": 40 << 20}, "cpu": None})
    rt.cmd("update", "--resources", "-", c.id, input=text).ok()
    assert value(c, "memory", "memory.limit_in_bytes", "memory.max") == str(40 << 20)
    assert value(c, "pids", "pids.max") == "40"
    write(rt.path("res.json"), json.dumps({"pids": {"limit": 50}}))
    rt.cmd("update", "--resources=" + rt.path("res.json"), c.id).ok()
    assert value(c, "pids", "pids.max") == "50"
    assert value(c, "memory", "memory.limit_in_bytes", "memory.max") == str(40 << 20)
    c.stop()


@pytest.mark.ocirun_only
def test_update_suffixes(rt, bundle):
    c = rt.hold(bundle)
    rt.cmd("update", "--memory", "48m", c.id).ok()
    assert value(c, "memory", "memory.limit_in_bytes", "memory.max") == str(48 << 20)
    c.stop()


def test_update_stopped(rt, bundle):
    c = rt.start(bundle.args("/bin/true"))
    c.wait()
    rt.cmd("update", "--pids-limit", "5", c.id).fails()


def test_ps(rt, bundle):
    c = rt.hold(bundle)
    assert c.pid in json.loads(rt.cmd("ps", "--format", "json", c.id).ok().out)
    assert c.pid in json.loads(rt.cmd("ps", "--format=json", c.id).ok().out)
    assert str(c.pid) in rt.cmd("ps", c.id).ok().out
    c.stop()


@pytest.mark.ocirun_only
def test_cgroup_namespace_root(rt, bundle):
    bundle.namespace("cgroup")
    out = rt.sh(bundle, "cat /proc/self/cgroup")
    for line in out.splitlines():
        assert line.split(":", 2)[2] == "/", out


@pytest.mark.ocirun_only
def test_events_stats(rt, bundle):
    c = rt.hold(bundle)
    data = json.loads(rt.cmd("events", "--stats", c.id).ok().out)
    assert data["type"] == "stats" and data["id"] == c.id
    assert data["data"]["pids"]["current"] >= 1 and data["data"]["memory"]["usage"]["usage"] > 0
    c.stop()
