# SPDX-License-Identifier: LGPL-2.1-or-later
"""Control groups: requirements 159-165, 173-179."""

import fcntl
import json
import os

import pytest

from harness import TOKEN, cgroup_layout, cgroup_mounts, cgroup_of, open_files, read, until, waits_in, write


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
    groups = {n: d for n, d in cgroup_of(c.pid).items() if n in ("", "pids", "memory", "cpu", "devices", "freezer")}
    assert groups
    for directory in groups.values():
        assert directory.endswith(path) and os.path.ismount(directory[:-len(path)])
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
    """memory.swap is memory plus swap. A kernel may count no swap (swapaccount=0): then it is refused."""
    file = "memory.memsw.limit_in_bytes" if is_v1("memory") else "memory.swap.max"
    bundle.linux["resources"] = {"memory": {"limit": 32 << 20}}
    c = rt.create(bundle)
    groups = cgroup_of(c.pid)
    is_counted = os.path.exists(os.path.join(groups.get("memory") or groups[""], file))
    c.delete("--force").ok()
    bundle.linux["resources"]["memory"]["swap"] = 80 << 20
    if is_counted:
        c = rt.create(bundle)
        assert value(c, "memory", file) == str((80 if is_v1("memory") else 48) << 20)
    elif rt.is_ocirun:
        rt.failing_create(bundle, match="linux.resources.memory.swap: .*%s.*No such file or directory" % file)
    else:
        pytest.skip("no swap is counted here")


@pytest.mark.ocirun_only
def test_r179_pids_zero(rt, bundle):
    bundle.linux["resources"] = {"pids": {"limit": 0}}
    c = rt.create(bundle.sh("true & wait; echo done"))
    assert value(c, "pids", "pids.max") == "0"
    c.start().ok()
    c.wait()
    assert "done" not in c.out


def test_pids_limit_works(rt, bundle):
    """The shell itself and 19 more, and the kernel's word for the next one: it has ended, or the shell has."""
    bundle.linux["resources"] = {"pids": {"limit": 20}}
    bundle.sh("i=1; while [ $i -lt 40 ]; do sleep 1000 & i=$((i+1)); echo $i; done; echo all")
    out = rt.run(bundle)
    assert out.out.split() == [str(i) for i in range(2, 21)]
    assert "fork" in out.err and out.rc == 2


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


def test_r165_r166_v1_hierarchies_all_joined(rt, bundle):
    wanted = [n for n in ("cpu", "memory", "pids", "devices", "freezer", "cpuset", "blkio") if is_v1(n)]
    if not wanted:
        pytest.skip("v1 only")
    c = rt.create(bundle)
    groups = cgroup_of(c.pid)
    for name in wanted:
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


@pytest.mark.ocirun_only
def test_pause_while_another_command_holds_the_container(rt, bundle):
    """delete, for instance: what it kills would not end when it is frozen by v1."""
    c = rt.hold(bundle)
    held = os.open(os.path.join(rt.root, c.id), os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "holds" in rt.cmd("pause", c.id, env=dict(os.environ, OCIRUN_TIMEOUT="1")).fails().err
        assert c.status() == "running"
        proc = rt.popen("pause", c.id)
        until(lambda: waits_in(proc.pid, "flock"), "pause to wait")
    finally:
        os.close(held)
    rt.finish(proc).ok()
    assert c.status() == "paused"
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


@pytest.mark.ocirun_only
def test_update_stopped_says_so(rt, bundle):
    c = rt.start(bundle.args("/bin/true"))
    c.wait()
    assert "container not running" in rt.cmd("update", "--pids-limit", "5", c.id).fails().err


@pytest.mark.ocirun_only
@pytest.mark.parametrize("text,number", [("4k", 4 << 10), ("8192K", 8 << 20), ("64M", 64 << 20), ("64mb", 64 << 20),
                                         ("1g", 1 << 30), ("2G", 2 << 30), ("67108864", 64 << 20), ("4096b", 4096)])
def test_update_sizes(rt, bundle, text, number):
    c = rt.hold(bundle)
    rt.cmd("update", "--memory-reservation=" + text, c.id).ok()
    assert value(c, "memory", "memory.soft_limit_in_bytes", "memory.low") == str(number)
    c.stop()


@pytest.mark.ocirun_only
@pytest.mark.parametrize("options", [["--memory", "1x"], ["--memory", ""], ["--memory", "k"], ["--memory", "-2"],
                                     ["--memory", "99999999999g"], ["--pids-limit", "many"], ["--cpu-idle", "2"],
                                     ["--cpu-shares", "-5"], ["--l3-cache-schema", "L3:0=f"]], ids=" ".join)
def test_update_bad_options(rt, bundle, options):
    c = rt.hold(bundle)
    assert options[0] in rt.cmd("update", *options, c.id).fails().err
    c.stop()


@pytest.mark.ocirun_only
@pytest.mark.parametrize("text,match", [
    ('{"memory": {"limit": "x"}}', "standard input:1:22: memory.limit"),
    ("{", "standard input"),
    ('{"pids": 3}', "pids"),
    ('{"hugepageLimits": [{"pageSize": "3XB", "limit": 1}]}', "pageSize"),
    ('{"unified": {"a/b": "1"}}', "unified"),
])
def test_update_bad_documents(rt, bundle, text, match):
    c = rt.hold(bundle)
    assert match in rt.cmd("update", "--resources", "-", c.id, input=text).fails().err
    c.stop()


def cpu_max(c):
    if is_v1("cpu"):
        return value(c, "cpu", "cpu.cfs_quota_us") + " " + value(c, "cpu", "cpu.cfs_period_us")
    return value(c, "cpu", "cpu.max")


def has_burst(c):
    """Linux 5.14."""
    directory = cgroup_of(c.pid)["cpu" if is_v1("cpu") else ""]
    return any(os.path.exists(os.path.join(directory, name)) for name in ("cpu.cfs_burst_us", "cpu.max.burst"))


@pytest.mark.ocirun_only
def test_update_quota_and_period_keep_each_other(rt, bundle):
    bundle.linux["resources"]["cpu"] = {"quota": 50000, "period": 100000}
    c = rt.hold(bundle)
    rt.cmd("update", "--cpu-quota", "70000", c.id).ok()
    assert cpu_max(c) == "70000 100000"
    rt.cmd("update", "--cpu-period", "200000", c.id).ok()
    assert cpu_max(c) == "70000 200000"
    if not has_burst(c):
        result = rt.cmd("update", "--cpu-burst", "1000", c.id).fails()
        assert "cpu.burst" in result.err and "this kernel has no" in result.err
        c.stop()
        return
    rt.cmd("update", "--cpu-burst", "1000", c.id).ok()
    rt.cmd("update", "--cpu-quota", "500", c.id).fails()
    assert cpu_max(c) == "70000 200000"
    # both at once, where either alone would not fit with the old value of the other
    rt.cmd("update", "--cpu-quota", "2000", "--cpu-burst", "2000", c.id).ok()
    rt.cmd("update", "--cpu-quota", "900000", "--cpu-burst", "800000", c.id).ok()
    assert cpu_max(c) == "900000 200000"
    c.stop()


@pytest.mark.ocirun_only
def test_update_memory_and_swap_up_and_down(rt, bundle):
    if not is_v1("memory"):
        pytest.skip("v1 only")
    bundle.linux["resources"]["memory"] = {"limit": 32 << 20, "swap": 32 << 20}
    c = rt.hold(bundle)
    for limit, swap in ((64, 128), (256, 256), (48, 64), (40, 40), (512, 1024)):
        rt.cmd("update", "--memory", "%dm" % limit, "--memory-swap", "%dm" % swap, c.id).ok()
        assert value(c, "memory", "memory.limit_in_bytes") == str(limit << 20)
        assert value(c, "memory", "memory.memsw.limit_in_bytes") == str(swap << 20)
    assert "less than memory.limit" in rt.cmd("update", "--memory", "2g", c.id).fails().err
    rt.cmd("update", "--memory", "-1", "--memory-swap", "-1", c.id).ok()
    assert int(value(c, "memory", "memory.limit_in_bytes")) > 1 << 60
    c.stop()


@pytest.mark.ocirun_only
def test_update_takes_everything_back(rt, bundle):
    bundle.linux["resources"].update({"pids": {"limit": 40}, "memory": {"limit": 80 << 20}, "cpu": {"shares": 512}})
    c = rt.hold(bundle)
    keys = [("memory", "memory.limit_in_bytes", "memory.max"), ("cpu", "cpu.shares", "cpu.weight"),
            ("cpu", "cpu.cfs_quota_us", "cpu.max"), ("memory", "memory.soft_limit_in_bytes", "memory.low")]
    before = [value(c, *k) for k in keys]
    document = {"cpu": {"shares": 256, "quota": 30000}, "memory": {"limit": 90 << 20, "reservation": 1 << 20},
                "hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}
    rt.cmd("update", "--resources", "-", c.id, input=json.dumps(document)).fails()
    assert [value(c, *k) for k in keys] == before
    # nor does a later update find what was refused
    rt.cmd("update", "--cpu-period", "50000", c.id).ok()
    assert cpu_max(c) in ("-1 50000", "max 50000")
    c.stop()


@pytest.mark.ocirun_only
def test_update_devices(rt, bundle):
    bundle.linux["resources"]["devices"] = [{"allow": False, "access": "rwm"}]
    bundle.all_caps()
    c = rt.hold(bundle)
    c.exec("sh", "-c", "mknod /dev/node c 10 237").ok()
    assert c.exec("sh", "-c", ": </dev/node").rc != 0
    rules = [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 10, "minor": 237, "access": "r"}]
    rt.cmd("update", "-r", "-", c.id, input=json.dumps({"devices": rules})).ok()
    c.exec("sh", "-c", ": </dev/node").ok()
    assert c.exec("sh", "-c", ": <>/dev/node").rc != 0
    # an update of something else leaves the list alone
    rt.cmd("update", "--pids-limit", "100", c.id).ok()
    c.exec("sh", "-c", ": </dev/node").ok()
    c.stop()


@pytest.mark.ocirun_only
def test_update_options_are_ignored_beside_a_document(rt, bundle):
    bundle.linux["resources"]["pids"] = {"limit": 40}
    c = rt.hold(bundle)
    rt.cmd("update", "--resources", "-", "--pids-limit", "7", c.id, input="{}").ok()
    assert value(c, "pids", "pids.max") == "40"
    c.stop()


@pytest.mark.ocirun_only
def test_update_paused_and_created(rt, bundle):
    c = rt.create(bundle.hold())
    rt.cmd("update", "--pids-limit", "44", c.id).ok()
    c.start().ok()
    rt.cmd("pause", c.id).ok()
    rt.cmd("update", "--pids-limit", "45", c.id).ok()
    assert value(c, "pids", "pids.max") == "45"
    rt.cmd("resume", c.id).ok()
    c.stop()


# ---- what v1 and v2 do not hold, and the v2 half of a hybrid ----

def v2_has(controller):
    for top, names in cgroup_mounts():
        if os.path.exists(top + "/cgroup.controllers"):
            return controller in read(top + "/cgroup.controllers").split()
    return False


@pytest.mark.ocirun_only
def test_r178_hugepages(rt, bundle):
    if not v2_has("hugetlb"):
        pytest.skip("hugetlb is not on v2")
    bundle.linux["resources"]["hugepageLimits"] = [{"pageSize": "2MB", "limit": 4 << 20}]
    c = rt.create(bundle)
    assert value(c, "", "hugetlb.2MB.max") == str(4 << 20)
    assert value(c, "", "hugetlb.2MB.rsvd.max") == str(4 << 20)
    rt.cmd("update", "-r", "-", c.id, input='{"hugepageLimits": [{"pageSize": "2MB", "limit": 2097152}]}').ok()
    assert value(c, "", "hugetlb.2MB.max") == str(2 << 20)


@pytest.mark.ocirun_only
@pytest.mark.parametrize("deep", [False, True])
def test_r181_r182_unified(rt, bundle, deep):
    if not v2_has("hugetlb"):
        pytest.skip("hugetlb is not on v2")
    bundle.linux["resources"]["unified"] = {"hugetlb.2MB.max": "6291456", "cgroup.max.depth": "9"}
    if deep:
        bundle.linux["cgroupsPath"] = "/%s-deep/a/b" % TOKEN
    c = rt.create(bundle)
    assert value(c, "", "hugetlb.2MB.max") == "6291456"
    assert value(c, "", "cgroup.max.depth") == "9"
    c.delete("-f").ok()
    for directory in places("/%s-deep" % TOKEN):
        for below in ("/a", ""):
            if os.path.isdir(directory + below):
                os.rmdir(directory + below)


@pytest.mark.ocirun_only
@pytest.mark.parametrize("resources,match", [
    ({"unified": {"memory": "1"}}, "not the name of a cgroup v2 file"),
    ({"unified": {"../x.y": "1"}}, "not the name of a cgroup v2 file"),
    ({"unified": {"cgroup.nothing": "1"}}, "cgroup.nothing"),
    ({"unified": {"nothing.max": "1"}}, "there is no nothing controller"),
    ({"unified": {"cgroup.max.depth": "many"}}, "cgroup.max.depth"),
    ({"hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}, "no huge pages of that size"),
    ({"hugepageLimits": [{"pageSize": "../x", "limit": 1}]}, "is not a size"),
    ({"blockIO": {"weight": 5}}, "is not a weight"),
    ({"blockIO": {"throttleReadBpsDevice": [{"major": 4094, "minor": 9, "rate": 1}]}}, "no such block device"),
    ({"blockIO": {"weightDevice": [{"major": 8, "minor": 9}]}}, "weight"),
    ({"rdma": {"mlx5": {"hcaHandles": 1}}}, "rdma"),
    ({"network": {"classID": 7}}, "network.classID"),
    ({"network": {"priorities": [{"name": "eth0", "priority": 7}]}}, "network.priorities"),
    ({"cpu": {"cpus": "4000"}}, "cpu.cpus"),
    ({"memory": {"limit": 1 << 26, "swap": 1 << 25}}, "less than memory.limit"),
    ({"cpu": {"quota": 1000, "burst": 2000}}, "more than cpu.quota"),
], ids=str)
def test_r176_r177_r180_r183_refused_by_name(rt, bundle, resources, match):
    bundle.linux["resources"].update(resources)
    if match == "network.classID" and is_v1("net_cls"):
        c = rt.create(bundle)
        assert value(c, "net_cls", "net_cls.classid") == "7"
        c.stop()
        return
    if "unified" in resources and cgroup_layout() == "v1":
        match = "linux.resources.unified.*: no cgroup v2 hierarchy is mounted"
    rt.failing_create(bundle, match=match)


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


RUNC_DATA = {
    "cpu": {"usage", "throttling"}, "cpuset": {"cpu_exclusive", "mems", "cpus", "sched_load_balance"},
    "memory": {"usage", "swap", "kernel", "kernelTCP", "raw"}, "pids": {"current"}, "blkio": set(),
}


@pytest.mark.ocirun_only
def test_events_stats_has_the_members_of_runc(rt, bundle):
    bundle.linux["resources"].update({"pids": {"limit": 33}, "memory": {"limit": 64 << 20}})
    c = rt.hold(bundle)
    result = rt.cmd("events", "--stats", c.id).ok()
    assert result.out.endswith("}\n") and result.out.count("\n") == 1
    data = json.loads(result.out)["data"]
    for member, inner in RUNC_DATA.items():
        assert inner <= set(data[member]), member
    assert data["pids"]["limit"] == 33
    assert data["memory"]["usage"]["limit"] == 64 << 20
    assert data["cpu"]["usage"]["total"] > 0
    if is_v1("memory"):
        assert data["memory"]["raw"]["hierarchical_memory_limit"] == 64 << 20
        usage = data["cpu"]["usage"]
        assert len(usage["percpu"]) == len(usage["percpu_user"]) == len(usage["percpu_kernel"]) >= 1
        # exact, not in ticks; read one after the other
        assert abs(sum(usage["percpu"]) - usage["total"]) < 50000000 and sum(usage["percpu"]) > 0
    if v2_has("hugetlb"):
        assert data["hugetlb"]["2MB"]["failcnt"] == 0
    c.stop()


@pytest.mark.ocirun_only
def test_events_until_it_stops(rt, bundle):
    c = rt.hold(bundle)
    proc = rt.popen("events", "--interval", "0.05s", c.id)
    until(lambda: len(proc.result_out.text().splitlines()) >= 3)
    c.kill("KILL")
    result = rt.finish(proc)
    assert result.rc == 0, result
    for line in result.out.splitlines():
        assert json.loads(line)["type"] == "stats"
    rt.cmd("events", c.id).fails()


@pytest.mark.ocirun_only
def test_events_oom(rt, bundle):
    if not is_v1("memory") and not v2_has("memory"):
        pytest.skip("nobody counts memory")
    bundle.linux["resources"]["memory"] = {"limit": 20 << 20, "swap": 20 << 20}
    c = rt.create(bundle.args("/bin/helper", "eat", "200"))
    proc = rt.popen("events", "--interval", "1h", c.id)
    watching(proc.pid)
    c.start().ok()
    result = rt.finish(proc)
    assert result.rc == 0, result
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert {"type": "oom", "id": c.id} in lines, result


@pytest.mark.ocirun_only
def test_events_removal_is_no_oom(rt, bundle):
    """v1 signals the removal of a cgroup as it does an OOM kill."""
    if not is_v1("memory"):
        pytest.skip("cgroup v1 only")
    c = rt.hold(bundle)
    proc = rt.popen("events", "--interval", "1h", c.id)
    watching(proc.pid)
    where = cgroup_of(c.pid)["memory"]
    for pid in read(where + "/cgroup.procs").split():
        write(where[:-len(c.id)] + "cgroup.procs", pid)
    os.rmdir(where)
    until(lambda: "anon_inode:[eventfd]" not in open_files(proc.pid))
    c.kill("KILL")
    result = rt.finish(proc)
    assert result.rc == 0 and result.out == "", result


@pytest.mark.ocirun_only
def test_hybrid_mount_without_namespace_shows_own_cgroup(rt, bundle):
    """In the tree of v1 hierarchies the v2 one is bound like the others."""
    if len(cgroup_mounts()) == 1 or not any(os.path.exists(top + "/cgroup.controllers") for top, _ in cgroup_mounts()):
        pytest.skip("hybrid layout only")
    bundle.linux["namespaces"] = [n for n in bundle.linux["namespaces"] if n["type"] != "cgroup"]
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] != "/sys/fs/cgroup"]
    bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "nodev", "noexec", "ro"])
    out = rt.sh(bundle, "grep ' - cgroup2 ' /proc/self/mountinfo; cat /proc/self/cgroup")
    own = [line[3:] for line in out.splitlines() if line.startswith("0::")][0]
    assert [line.split()[3] for line in out.splitlines() if " - cgroup2 " in line] == [own]


def watching(pid):
    """Until the process waits in poll(2) with the cgroup's notification among its descriptors."""
    until(lambda: any(f == "anon_inode:[eventfd]" or f.endswith("memory.events") for f in open_files(pid)))
    until(lambda: read("/proc/%d/stat" % pid).rsplit(")", 1)[1].split()[0] == "S")


@pytest.mark.ocirun_only
@pytest.mark.parametrize("options", [["--interval", "0"], ["--interval", "0x5s"], ["--interval", "inf"], ["--interval", "0.1ms"], ["--interval", "5x"], ["--interval", "-1s"], ["--interval", ""]])
def test_events_bad_interval(rt, bundle, options):
    assert "--interval" in rt.cmd("events", *options, "nothing").fails().err


@pytest.mark.ocirun_only
@pytest.mark.parametrize("rules", [[], [{"allow": False}]], ids=["open", "closed"])
def test_update_takes_devices_back(rt, bundle, rules):
    bundle.all_caps()
    bundle.linux["resources"] = {"devices": rules}
    c = rt.hold(bundle)
    c.exec("sh", "-c", "mknod /dev/node c 10 237").ok()
    assert (c.exec("sh", "-c", ": </dev/node").rc == 0) == (not rules)
    other = [{"allow": False}, {"allow": bool(rules), "type": "c", "major": 10, "minor": 237, "access": "rwm"}]
    document = {"devices": other, "hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}
    rt.cmd("update", "-r", "-", c.id, input=json.dumps(document)).fails()
    assert (c.exec("sh", "-c", ": </dev/node").rc == 0) == (not rules)
    c.stop()
