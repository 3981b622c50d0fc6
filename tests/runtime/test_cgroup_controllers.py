# SPDX-License-Identifier: LGPL-2.1-or-later
"""Controllers that only some machines have: memory, cpu, cpuset, io and rdma of cgroup v2; net_cls, net_prio, hugetlb
and rdma of v1; and the members of `events` against those that runc prints."""

import json
import os
import re

import pytest

from harness import cgroup_mounts, cgroup_of, disk_name, open_files, read, scheduled_by, until, v2_top, write

pytestmark = [pytest.mark.ocirun_only, pytest.mark.machine,
              pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


def v1(controller):
    """The directory of a v1 hierarchy."""
    for top, names in cgroup_mounts():
        if controller in names:
            return top
    pytest.skip("%s is no v1 hierarchy" % controller)


def v2_has(*controllers):
    have = read(v2_top() + "/cgroup.controllers").split() if v2_top() else []
    for name in controllers:
        if name not in have:
            pytest.skip("%s is not on v2" % name)


def file_of(c, controller, name):
    groups = cgroup_of(c.pid)
    return read(groups.get(controller, groups.get("")) + "/" + name).strip()


def update(rt, c, document):
    return rt.cmd("update", "--resources", "-", c.id, input=json.dumps(document))


# ---- v2 ----

@pytest.mark.parametrize("resources,file,want", [
    ({"memory": {"limit": 64 << 20, "swap": 96 << 20}}, "memory.swap.max", str(32 << 20)),
    ({"memory": {"limit": 64 << 20, "swap": 64 << 20}}, "memory.swap.max", "0"),
    ({"memory": {"limit": 64 << 20, "swap": -1}}, "memory.swap.max", "max"),
    ({"memory": {"limit": 64 << 20, "swap": 96 << 20}}, "memory.max", str(64 << 20)),
    ({"memory": {"limit": -1}}, "memory.max", "max"),
    ({"memory": {"reservation": 32 << 20}}, "memory.low", str(32 << 20)),
    ({"cpu": {"shares": 1024}}, "cpu.weight", "100"),
    ({"cpu": {"shares": 2}}, "cpu.weight", "1"),
    ({"cpu": {"shares": 262144}}, "cpu.weight", "10000"),
    ({"cpu": {"shares": 512, "idle": 1}}, "cpu.idle", "1"),
    ({"cpu": {"quota": 50000, "period": 200000}}, "cpu.max", "50000 200000"),
    ({"cpu": {"period": 200000}}, "cpu.max", "max 200000"),
    ({"cpu": {"quota": -1}}, "cpu.max", "max 100000"),
    ({"cpu": {"quota": 50000, "burst": 20000}}, "cpu.max.burst", "20000"),
    ({"cpu": {"cpus": "0", "mems": "0"}}, "cpuset.cpus", "0"),
    ({"cpu": {"cpus": "0", "mems": "0"}}, "cpuset.mems", "0"),
    ({"pids": {"limit": 0}}, "pids.max", "0"),
    ({"pids": {"limit": -1}}, "pids.max", "max"),
    ({"unified": {"memory.high": "50000000", "memory.oom.group": "1"}}, "memory.oom.group", "1"),
    ({"unified": {"memory.min": "4096"}}, "memory.min", "4096"),
], ids=lambda v: str(v).replace(" ", ""))
def test_r184_values_on_v2(rt, bundle, resources, file, want):
    v2_has(file.split(".")[0])
    bundle.linux["resources"] = resources
    c = rt.create(bundle)
    assert file_of(c, "", file) == want
    c.delete("-f").ok()


def test_update_memory_up_and_down_on_v2(rt, bundle):
    v2_has("memory")
    bundle.linux["resources"] = {"memory": {"limit": 64 << 20, "swap": 64 << 20}}
    c = rt.hold(bundle)
    for limit, swap in ((64, 128), (256, 256), (48, 64), (40, 40), (512, 1024)):
        rt.cmd("update", "--memory", "%dm" % limit, "--memory-swap", "%dm" % swap, c.id).ok()
        assert file_of(c, "", "memory.max") == str(limit << 20)
        assert file_of(c, "", "memory.swap.max") == str((swap - limit) << 20)
    # the limit alone: swap stays what memory plus swap leaves of it
    rt.cmd("update", "--memory", "768m", c.id).ok()
    assert file_of(c, "", "memory.swap.max") == str(256 << 20)
    rt.cmd("update", "--memory", "-1", "--memory-swap", "-1", c.id).ok()
    assert "negative" in rt.cmd("update", "--memory", "-1k", c.id).fails().err
    assert file_of(c, "", "memory.max") == file_of(c, "", "memory.swap.max") == "max"
    c.stop()


def test_r175_check_before_update_on_v2(rt, bundle):
    """Without the member the kernel takes the limit and reclaims or kills; with it nothing is touched."""
    v2_has("memory")
    bundle.linux["resources"] = {"memory": {"limit": 64 << 20, "checkBeforeUpdate": True}}
    c = rt.start(bundle.sh("x=$(head -c 3000000 /dev/zero | tr '\\0' x); echo ready; sleep 1000"))
    c.wait_out("ready")
    assert "< usage" in rt.cmd("update", "--memory", "64k", c.id).fails().err
    assert file_of(c, "", "memory.max") == str(64 << 20) and c.status() == "running"
    assert "< usage" in update(rt, c, {"pids": {"limit": 9}, "memory": {"limit": 65536}}).fails().err
    if "pids" in read(v2_top() + "/cgroup.controllers").split():
        assert file_of(c, "", "pids.max") == "max"
    c.stop()


def test_r176_burst_and_quota(rt, bundle):
    """A burst is no more than a positive quota: also than the one of before, whichever of the two changes."""
    on_v1 = any("cpu" in names for _, names in cgroup_mounts())
    if not on_v1:
        v2_has("cpu")
    quota_file, burst_file = ("cpu.cfs_quota_us", "cpu.cfs_burst_us") if on_v1 else ("cpu.max", "cpu.max.burst")
    bundle.linux["resources"] = {"cpu": {"quota": 50000, "period": 100000, "burst": 50000}}
    c = rt.hold(bundle)

    def now():
        return file_of(c, "cpu", quota_file).split()[0], file_of(c, "cpu", burst_file)

    assert now() == ("50000", "50000")
    for cpu in ({"burst": 50001}, {"quota": 49999}, {"quota": 10000, "burst": 10001}):
        assert "linux.resources.cpu.burst: " in update(rt, c, {"cpu": cpu}).fails().err
        assert now() == ("50000", "50000")
    update(rt, c, {"cpu": {"quota": 10000, "burst": 10000}}).ok()
    assert now() == ("10000", "10000")
    update(rt, c, {"cpu": {"quota": -1, "burst": 60000}}).ok()
    assert now() == ("-1" if on_v1 else "max", "60000")
    c.stop()


def test_cpuset_partition_on_v2(rt, bundle):
    """The kernel takes any word, and says in the file whether it has become one."""
    v2_has("cpuset")
    bundle.linux["resources"] = {"cpu": {"cpus": "1"}, "unified": {"cpuset.cpus.partition": "root"}}
    c = rt.hold(bundle)
    assert file_of(c, "", "cpuset.cpus.partition") == "root"
    # an update that would break it is refused, and taken back
    result = rt.cmd("update", "--cpuset-cpus", "0-1", c.id).fails()
    assert "invalid" in result.err and "cpuset.cpus.partition" in result.err
    assert file_of(c, "", "cpuset.cpus") == "1" and file_of(c, "", "cpuset.cpus.partition") == "root"
    other = rt.bundle("true")
    other.linux["resources"] = {"cpu": {"cpus": "1"}, "unified": {"cpuset.cpus.partition": "root"}}
    rt.failing_create(other, match=r'cpuset.cpus.partition of cgroup .*: it reads "root invalid \(')
    update(rt, c, {"unified": {"cpuset.cpus.partition": "member"}}).ok()
    rt.cmd("update", "--cpuset-cpus", "0-1", c.id).ok()
    assert file_of(c, "", "cpuset.cpus") == "0-1"
    c.stop()


def test_no_op_values_need_no_file(v2, bundle):
    """Engines write what they do not mean to limit: no file, no error."""
    bundle.linux["resources"] = {"memory": {"limit": -1, "swap": -1, "kernelTCP": -1}, "pids": {"limit": -1},
                                 "cpu": {"quota": -1, "burst": 0, "idle": 0}}
    c = v2.create(bundle)
    c.delete("-f").ok()


def test_enabled_only_where_missing_on_v2(rt, bundle):
    """With a parent that was given less on purpose, what is there already is not written again."""
    v2_has("memory", "pids")
    top = v2_top()
    parent = top + "/ocirun-enable-%d" % os.getpid()
    write(top + "/cgroup.subtree_control", "+memory +pids")
    os.mkdir(parent)
    try:
        write(parent + "/cgroup.subtree_control", "+memory")
        bundle.linux["cgroupsPath"] = "/%s/x" % os.path.basename(parent)
        bundle.linux["resources"] = {"pids": {"limit": 8}}
        c = rt.create(bundle)
        assert {"memory", "pids"} <= set(read(parent + "/cgroup.subtree_control").split())
        assert file_of(c, "", "pids.max") == "8" and file_of(c, "", "cgroup.subtree_control") == ""
        c.delete("-f").ok()
    finally:
        os.rmdir(parent)


# ---- v1 ----

def test_network_on_v1(rt, bundle):
    v1("net_cls")
    v1("net_prio")
    bundle.linux["resources"] = {"network": {"classID": 0x100001, "priorities": [{"name": "lo", "priority": 5}]}}
    c = rt.hold(bundle)
    assert file_of(c, "net_cls", "net_cls.classid") == str(0x100001)
    assert "lo 5" in file_of(c, "net_prio", "net_prio.ifpriomap").splitlines()
    update(rt, c, {"network": {"classID": 7, "priorities": [{"name": "lo", "priority": 6}]}}).ok()
    assert file_of(c, "net_cls", "net_cls.classid") == "7"
    assert "lo 6" in file_of(c, "net_prio", "net_prio.ifpriomap").splitlines()
    # taken back when another one fails
    wrong = {"network": {"classID": 9, "priorities": [{"name": "no-such", "priority": 6}]}}
    assert "no such network interface" in update(rt, c, wrong).fails().err
    assert file_of(c, "net_cls", "net_cls.classid") == "7"
    c.stop()


def test_realtime_on_v1(rt, bundle):
    """A share of the parent's budget; period and runtime are only valid together, in whichever direction they change."""
    top, parent = v1("cpu"), "/%s-parent" % rt.new_id()
    if not os.path.exists(top + "/cpu.rt_runtime_us"):
        pytest.skip("the kernel has no RT_GROUP_SCHED")
    bundle.linux["cgroupsPath"] = parent + "/c"
    bundle.linux["resources"] = {"cpu": {"realtimeRuntime": 200000, "realtimePeriod": 800000}}
    bundle.process["scheduler"] = {"policy": "SCHED_FIFO", "priority": 10}
    for hierarchy, _ in cgroup_mounts():
        os.mkdir(hierarchy + parent)
    try:
        rt.failing_create(bundle, match="linux.resources.cpu.realtimeRuntime: .*; the parent cgroup's cpu.rt_runtime_us")
        # enough for two: what has been removed counts until the kernel has let go of it
        write(top + parent + "/cpu.rt_runtime_us", "900000")
        assert rt.sh(bundle.args("/bin/helper", "sched")).startswith("1 0 10 ")
        c = rt.hold(bundle)

        def now():
            return [int(file_of(c, "cpu", "cpu.rt_%s_us" % name)) for name in ("runtime", "period")]

        assert now() == [200000, 800000]
        for runtime, period in ((20000, 60000), (300000, 900000), (40000, 100000)):
            rt.cmd("update", "--cpu-rt-runtime", runtime, "--cpu-rt-period", period, c.id).ok()
            assert now() == [runtime, period]
        wrong = update(rt, c, {"cpu": {"realtimeRuntime": 95000}}).fails().err
        assert "linux.resources.cpu.realtimeRuntime: " in wrong and "the parent cgroup's cpu.rt_runtime_us" in wrong
        assert now() == [40000, 100000]
        c.stop()
        # the program needs the budget that the configuration does not have
        bundle.linux["resources"] = {}
        assert "process.scheduler" in rt.run(bundle.args("/bin/true")).fails().err
    finally:
        for hierarchy, _ in cgroup_mounts():
            os.rmdir(hierarchy + parent)


def test_hugepages_on_v1(rt, bundle):
    v1("hugetlb")
    bundle.linux["resources"] = {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}]}
    c = rt.create(bundle)
    assert file_of(c, "hugetlb", "hugetlb.2MB.limit_in_bytes") == str(4 << 20)
    assert file_of(c, "hugetlb", "hugetlb.2MB.rsvd.limit_in_bytes") == str(4 << 20)
    c.delete("-f").ok()
    bundle.linux["resources"] = {"hugepageLimits": [{"pageSize": "3MB", "limit": 4 << 20}]}
    rt.failing_create(bundle, match="no huge pages of that size")


def test_rdma_on_v1(rt, bundle):
    v1("rdma")
    bundle.linux["resources"] = {"rdma": {"mlx5_9": {"hcaHandles": 3, "hcaObjects": 10}}}
    rt.failing_create(bundle, match=r"linux.resources.rdma.mlx5_9: .*rdma.max")


def a_disk():
    return map(int, read("/sys/block/%s/dev" % disk_name()).split(":"))


def weight_file(c, controller, *names):
    """Which of the files is there: that of BFQ comes with its module."""
    groups = cgroup_of(c.pid)
    there = os.listdir(groups.get(controller, groups.get("")))
    return next((name for name in names if name in there), None)


def test_block_io_weight_on_v2(rt, bundle):
    v2_has("io")
    bundle.linux["resources"] = {"blockIO": {"weight": 500}}
    c = rt.hold(bundle)
    file = weight_file(c, "", "io.bfq.weight", "io.weight")
    scale = {10: 1, 500: 4950, 1000: 10000} if file == "io.weight" else {10: 10, 500: 500, 1000: 1000}
    assert file_of(c, "", file) == "default %d" % scale[500]
    for weight in (1000, 10):
        rt.cmd("update", "--blkio-weight", weight, c.id).ok()
        assert file_of(c, "", file) == "default %d" % scale[weight]
    assert "is not a weight" in update(rt, c, {"blockIO": {"weight": 1001}}).fails().err
    assert file_of(c, "", file) == "default %d" % scale[10]
    c.stop()


@pytest.mark.parametrize("scheduler", ["bfq", "none"])
def test_block_io_weight_of_a_disk_on_v2(rt, bundle, scheduler):
    """BFQ takes the weight of a disk that it schedules; otherwise it is for io.weight."""
    v2_has("io")
    major, minor = a_disk()
    bundle.linux["resources"] = {"blockIO": {"weight": 200, "weightDevice": [
        {"major": major, "minor": minor, "weight": 500}]}}
    with scheduled_by(scheduler):
        if scheduler == "none":
            rt.failing_create(bundle, match=r"linux\.resources\.blockIO\.weightDevice\[0\]: .*io\.weight.* not supported")
            write(v2_top() + "/io.cost.qos", "%d:%d enable=1" % (major, minor))
            rt.cleanups.append(lambda: write(v2_top() + "/io.cost.qos", "%d:%d enable=0" % (major, minor)))
        c = rt.hold(bundle)
        file, value = ("io.bfq.weight", 500) if scheduler == "bfq" else ("io.weight", 4950)
        assert "%d:%d %d" % (major, minor, value) in file_of(c, "", file).splitlines()
        c.stop()


def test_block_io_weight_on_v1(rt, bundle):
    v1("blkio")
    file = weight_file(rt.hold(rt.bundle()), "blkio", "blkio.weight", "blkio.bfq.weight")
    bundle.linux["resources"] = {"blockIO": {"weight": 500}}
    if not file:
        rt.failing_create(bundle, match=r"linux\.resources\.blockIO\.weight: .*blkio\.bfq\.weight")
        return
    c = rt.hold(bundle)
    assert file_of(c, "blkio", file) == "500"
    rt.cmd("update", "--blkio-weight", 1000, c.id).ok()
    assert file_of(c, "blkio", file) == "1000"
    c.stop()


def test_block_io_on_v1(rt, bundle):
    v1("blkio")
    major, minor = a_disk()
    limit = [{"major": major, "minor": minor, "rate": 1 << 20}]
    bundle.linux["resources"] = {"blockIO": {"throttleReadBpsDevice": limit, "throttleWriteIOPSDevice": limit}}
    c = rt.hold(bundle)
    line = "%d:%d %d" % (major, minor, 1 << 20)
    assert file_of(c, "blkio", "blkio.throttle.read_bps_device") == line
    assert file_of(c, "blkio", "blkio.throttle.write_iops_device") == line
    update(rt, c, {"blockIO": {"throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": 0}]}}).ok()
    assert file_of(c, "blkio", "blkio.throttle.read_bps_device") == ""
    c.stop()


def test_block_io_on_v2(rt, bundle):
    v2_has("io")
    major, minor = a_disk()
    limit = [{"major": major, "minor": minor, "rate": 1 << 20}]
    bundle.linux["resources"] = {"blockIO": {"throttleReadBpsDevice": limit, "throttleWriteIOPSDevice": limit}}
    c = rt.hold(bundle)
    words = file_of(c, "", "io.max").split()
    assert words == ["%d:%d" % (major, minor), "rbps=1048576", "wbps=max", "riops=max", "wiops=1048576"]
    wrong = {"blockIO": {"throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": 4096}],
                         "throttleWriteBpsDevice": [{"major": 4000, "minor": 7, "rate": 4096}]}}
    update(rt, c, wrong).fails()
    assert file_of(c, "", "io.max").split() == words
    update(rt, c, {"blockIO": {"throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": 0}]}}).ok()
    assert "rbps=max" in file_of(c, "", "io.max")
    c.stop()


# ---- events ----

# What runc 1.1 prints for the same container, without the names of memory.stat; N is an index or a page size.
# More than that is ours (psi).
RUNC = {
    "v1": """cpu.throttling.periods cpu.usage.kernel cpu.usage.percpu.N cpu.usage.percpu_kernel.N
        cpu.usage.percpu_user.N cpu.usage.total cpu.usage.user cpuset.cpu_exclusive cpuset.cpus.N cpuset.mem_exclusive
        cpuset.mem_hardwall cpuset.memory_migrate cpuset.memory_pressure cpuset.memory_spread_page
        cpuset.memory_spread_slab cpuset.mems.N cpuset.sched_load_balance cpuset.sched_relax_domain_level
        memory.kernel.failcnt memory.kernel.limit memory.kernel.max memory.kernel.usage memory.kernelTCP.failcnt
        memory.kernelTCP.limit memory.swap.failcnt memory.swap.limit memory.swap.max memory.swap.usage
        memory.usage.failcnt memory.usage.limit memory.usage.max memory.usage.usage pids.current pids.limit""",
    "v2": """cpu.usage.kernel cpu.usage.total cpu.usage.user cpuset.cpu_exclusive cpuset.mem_exclusive
        cpuset.mem_hardwall cpuset.memory_migrate cpuset.memory_pressure cpuset.memory_spread_page
        cpuset.memory_spread_slab cpuset.sched_load_balance cpuset.sched_relax_domain_level hugetlb.N.failcnt
        memory.kernel.failcnt memory.kernel.limit memory.kernelTCP.failcnt memory.kernelTCP.limit memory.swap.failcnt
        memory.swap.limit memory.swap.usage memory.usage.failcnt memory.usage.limit memory.usage.usage pids.current
        pids.limit""",
}


def members(value, path=""):
    if isinstance(value, dict):
        items = [(re.sub(r"^\d+[KMG]B$", "N", k), v) for k, v in value.items()]
    elif isinstance(value, list):
        items = [("N", v) for v in value]
    else:
        return {path}
    return set().union(*[members(v, path + "." * bool(path) + k) for k, v in items])


def test_events_has_all_that_runc_prints(rt, bundle):
    layout = "v1" if any("memory" in names for _, names in cgroup_mounts()) else "v2"
    if layout == "v2":
        v2_has("memory", "cpu", "pids")
    # a quota, work and some memory, so that nothing is zero and left out
    bundle.linux["resources"] = {"memory": {"limit": 64 << 20, "swap": 128 << 20}, "pids": {"limit": 50},
                                 "cpu": {"quota": 10000, "period": 100000}}
    c = rt.start(bundle.sh("while :; do :; done"))
    stat = cgroup_of(c.pid)
    stat = stat.get("cpu", stat.get("")) + "/cpu.stat"
    until(lambda: re.search(r"^nr_throttled [1-9]", read(stat), re.M))
    data = json.loads(rt.cmd("events", "--stats", c.id).ok().out)["data"]
    missing = set(RUNC[layout].split()) - members(data)
    # what the machine itself does not count
    if not any("hugetlb" in names for _, names in cgroup_mounts()) and "hugetlb" not in data:
        missing -= {"hugetlb.N.failcnt"}
    assert not missing
    assert data["memory"]["usage"]["limit"] == 64 << 20 and data["memory"]["swap"]["limit"] == 128 << 20
    assert data["memory"]["raw"] and data["pids"]["limit"] == 50
    c.stop()


def test_events_pressure(rt, bundle):
    c = rt.hold(bundle)
    where = cgroup_of(c.pid).get("")
    if where is None or not os.path.exists(where + "/cpu.pressure"):
        pytest.skip("no pressure files")
    data = json.loads(rt.cmd("events", "--stats", c.id).ok().out)["data"]
    for member in ("cpu", "memory", "blkio"):
        for line in ("some", "full"):
            psi = data[member]["psi"][line]
            assert set(psi) == {"avg10", "avg60", "avg300", "total"} and psi["total"] >= 0
    c.stop()


def test_events_tell_each_oom_kill_on_v2(rt, bundle):
    """Of a process that is not init, as it happens."""
    v2_has("memory")
    bundle.linux["resources"] = {"memory": {"limit": 20 << 20, "swap": 20 << 20}}
    c = rt.hold(bundle)
    proc = rt.popen("events", "--interval", "1h", c.id)
    until(lambda: any(name.endswith("memory.events") for name in open_files(proc.pid)))
    for n in (1, 2):
        assert c.exec("/bin/helper", "eat", "200").rc == 137
        until(lambda: proc.result_out.text().count('"oom"') >= n)
    c.kill("KILL").ok()
    result = rt.finish(proc)
    assert [json.loads(line)["type"] for line in result.out.splitlines()] == ["oom", "oom"]
