# SPDX-License-Identifier: LGPL-2.1-or-later
"""The systemd cgroup driver: limits, which are in the cgroup's files and in the unit, properties from annotations, and
the cgroups inside the unit's."""

import json
import os
import re

import pytest

from harness import cgroup_layout, cgroup_of, disk_name, read, scheduled_by
from test_cgroup_devices import doors, end, rules, update
from units import V2, gone, needs_systemd, number, show, systemctl, unit_of, version, where

pytestmark = [pytest.mark.ocirun_only, needs_systemd]


# ---- limits ----

# update's words, what the unit says, (v1 controller, file) and what it says: for v1 and for v2
LIMITS = [
    (["--memory", "100000000", "--memory-swap", "200000000"],
     ("MemoryLimit", "99999744", "memory", "memory.limit_in_bytes", "99999744"),
     ("MemoryMax", "99999744", "memory", "memory.max", "99999744")),
    (["--pids-limit", "77"], ("TasksMax", "77", "pids", "pids.max", "77"),
     ("TasksMax", "77", "pids", "pids.max", "77")),
    (["--cpu-share", "512"], ("CPUShares", "512", "cpu", "cpu.shares", "512"),
     ("CPUWeight", "59", "cpu", "cpu.weight", "59")),
    (["--cpu-quota", "12345", "--cpu-period", "50000"],
     ("CPUQuotaPerSecUSec", "250ms", "cpu", "cpu.cfs_quota_us", "12500"),
     ("CPUQuotaPerSecUSec", "250ms", "cpu", "cpu.max", "12500 50000")),
    (["--cpu-quota", "33333", "--cpu-period", "100000"],
     ("CPUQuotaPerSecUSec", "340ms", "cpu", "cpu.cfs_quota_us", "34000"),
     ("CPUQuotaPerSecUSec", "340ms", "cpu", "cpu.max", "34000 100000")),
    (["--cpu-quota", "-1"], ("CPUQuotaPerSecUSec", "infinity", "cpu", "cpu.cfs_quota_us", "-1"),
     ("CPUQuotaPerSecUSec", "infinity", "cpu", "cpu.max", "max 100000")),
    # BFQ's scale is not systemd's, which converts
    (["--blkio-weight", "500"], ("BlockIOWeight", "500", "blkio", "blkio.bfq.weight", "136"),
     ("IOWeight", "4950", "io", "io.bfq.weight", "default 540")),
    # no property on v1
    (["--memory-reservation", "40960000"], ("", "", "memory", "memory.soft_limit_in_bytes", "40960000"),
     ("MemoryLow", "40960000", "memory", "memory.low", "40960000")),
    (["--cpuset-cpus", "0"], ("", "", "cpuset", "cpuset.cpus", "0"),
     ("AllowedCPUs", "0", "cpuset", "cpuset.cpus", "0")),
    (["--cpuset-mems", "0"], ("", "", "cpuset", "cpuset.mems", "0"),
     ("AllowedMemoryNodes", "0", "cpuset", "cpuset.mems", "0")),
]


def agrees(c, row, unit):
    name, value, controller, file, content = row
    assert read(where(c, controller) + "/" + file).strip() == content
    if unit and name:
        assert show(unit, name)[name] == value
    if unit:
        assert show(unit, "NeedDaemonReload")["NeedDaemonReload"] == "no"


@pytest.mark.machine
@pytest.mark.parametrize("driver", ["systemd", "cgroupfs"])
def test_update_matrix(sd, rt, bundle, driver):
    """Every limit by update, one after the other and in no order of names: unit and file agree, also
    after the manager has read all units again. The other driver is the control: no rounding there."""
    if driver == "cgroupfs":
        rt.argv = lambda *args, globals=(): rt.command + ["--root", rt.root, *globals, *args]
    c = rt.hold(bundle)
    unit = unit_of(c) if driver == "systemd" else None
    last = {}
    for words, v1, v2 in LIMITS:
        rt.cmd("update", *words, c.id).ok()
        row = v2 if V2 else v1
        if not unit and row[0] == "CPUQuotaPerSecUSec" and words[1] != "-1":
            assert read(where(c, "cpu") + "/" + row[3]).split()[0] == words[1]
            continue
        if not unit and row[3].endswith("bfq.weight"):
            assert read(where(c, row[2]) + "/" + row[3]).split()[-1] == words[1]
            continue
        agrees(c, row, unit)
        last[row[0], row[3]] = row
    if unit:
        systemctl("daemon-reload")
        for row in last.values():
            agrees(c, row, unit)
    c.stop()


@pytest.mark.machine
def test_limits_at_create(sd, bundle):
    bundle.linux["resources"] = {
        "memory": {"limit": 100000000, "reservation": 40960000, "swap": 200000000},
        "cpu": {"shares": 512, "quota": 12345, "period": 50000, "cpus": "0", "mems": "0"},
        "pids": {"limit": 77}}
    c = sd.create(bundle)
    for words, v1, v2 in (LIMITS[0], LIMITS[1], LIMITS[2], LIMITS[3], LIMITS[7], LIMITS[8]):
        agrees(c, v2 if V2 else v1, unit_of(c))
    assert show(unit_of(c), "CPUQuotaPeriodUSec")["CPUQuotaPeriodUSec"] == "50ms"
    systemctl("daemon-reload")
    for words, v1, v2 in (LIMITS[0], LIMITS[1], LIMITS[2], LIMITS[3], LIMITS[7], LIMITS[8]):
        agrees(c, v2 if V2 else v1, unit_of(c))
    c.start().ok()
    c.delete("--force").ok()


def test_weight_of_a_disk(sd, bundle):
    major, minor = map(int, read("/sys/block/%s/dev" % disk_name()).split(":"))
    bundle.linux["resources"] = {"blockIO": {"weightDevice": [{"major": major, "minor": minor, "weight": 500}]}}
    with scheduled_by("bfq"):
        c = sd.hold(bundle)
        file, value = ("io.bfq.weight", 540) if V2 else ("blkio.bfq.weight_device", 500)
        line = "%d:%d %d" % (major, minor, value)
        assert line in read(where(c, "io" if V2 else "blkio") + "/" + file).splitlines()
        assert show(unit_of(c), "NeedDaemonReload")["NeedDaemonReload"] == "no"
        systemctl("daemon-reload")
        # On v1 the weight of all, which systemd writes then, resets those of the disks.
        assert not V2 or line in read(where(c) + "/" + file).splitlines()
        c.stop()


def test_unified(sd, bundle):
    if not V2:
        bundle.linux["resources"] = {"unified": {"memory.high": "8192000"}}
        sd.failing_create(bundle, match="linux.resources.unified.memory.high: ")
        return
    bundle.linux["resources"] = {"unified": {
        "memory.high": "81920000", "memory.min": "0", "cpu.weight": "77", "pids.max": "33",
        "memory.oom.group": "1", "cpu.max": "12345 50000"}}
    c = sd.create(bundle.hold())
    assert show(unit_of(c), "MemoryHigh", "CPUWeight", "TasksMax", "CPUQuotaPerSecUSec") == {
        "MemoryHigh": "81920000", "CPUWeight": "77", "TasksMax": "33", "CPUQuotaPerSecUSec": "250ms"}
    place = where(c)
    assert [read(place + "/" + f).strip() for f in ("memory.high", "cpu.weight", "pids.max", "memory.oom.group",
                                                    "cpu.max")] == \
        ["81920000", "77", "33", "1", "12500 50000"]
    c.start().ok()
    document = {"unified": {"memory.high": "163840000"}}
    sd.cmd("update", "-r", "-", c.id, input=json.dumps(document)).ok()
    assert [read(place + "/" + f).strip() for f in ("memory.high", "memory.oom.group")] == ["163840000", "1"]
    if version() >= 253:
        document = {"unified": {"memory.oom.group": "0"}}
        err = sd.cmd("update", "-r", "-", c.id, input=json.dumps(document)).fails().err
        assert "linux.resources.unified.memory.oom.group: systemd has OOMPolicy of" in err
        assert read(place + "/memory.oom.group").strip() == "1"
    c.delete("--force").ok()


def test_cpu_idle(sd, bundle):
    if not V2:
        pytest.skip("v2 only")
    bundle.linux["resources"] = {"cpu": {"idle": 1}}
    c = sd.hold(bundle)
    assert read(where(c) + "/cpu.idle").strip() == "1"
    sd.cmd("update", "-r", "-", c.id, input=json.dumps({"cpu": {"idle": 0, "shares": 1024}})).ok()
    assert read(where(c) + "/cpu.idle").strip() == "0"
    assert show(unit_of(c), "CPUWeight")["CPUWeight"] == "100"
    c.stop()


@pytest.mark.quick
def test_update_takes_back(sd, bundle):
    """The kernel refuses the second value: the first is as before, in the file and in the unit."""
    bundle.linux["resources"] = {"pids": {"limit": 50}, "cpu": {"quota": 50000, "period": 100000}}
    c = sd.hold(bundle)
    name = "cpu.max" if V2 else "cpu.cfs_quota_us"
    before = read(where(c, "cpu") + "/" + name)
    document = {"cpu": {"quota": 20000, "cpus": "900"}, "pids": {"limit": 40}}
    err = sd.cmd("update", "-r", "-", c.id, input=json.dumps(document)).fails().err
    assert "linux.resources.cpu.cpus" in err
    assert read(where(c, "cpu") + "/" + name) == before
    assert show(unit_of(c), "CPUQuotaPerSecUSec", "TasksMax", "NeedDaemonReload") == {
        "CPUQuotaPerSecUSec": "500ms", "TasksMax": "50", "NeedDaemonReload": "no"}
    c.stop()


@pytest.mark.machine
def test_devices_survive_a_reload(sd, bundle):
    """What the list allows, and nothing else, also after systemd has applied its settings again."""
    bundle.all_caps()
    bundle.add_mount("/tmp", "tmpfs", "tmpfs", ["mode=1777"])    # the bundle may be on a nodev one
    rule = {"allow": True, "type": "c", "major": 10, "minor": 237, "access": "rwm"}
    bundle.linux["resources"] = {"devices": [{"allow": False}, rule]}
    c = sd.hold(bundle)
    c.exec("sh", "-c", "mknod /dev/node c 10 237 && mknod /dev/log-of-kernel c 1 11").ok()

    def check(loop):
        assert (c.exec("sh", "-c", ": </dev/node").rc == 0) == loop
        assert c.exec("sh", "-c", ": </dev/log-of-kernel").rc != 0
        c.exec("sh", "-c", ": <>/dev/null && : </dev/zero").ok()

    check(True)
    systemctl("daemon-reload")
    check(True)
    sd.cmd("update", "--pids-limit", "100", c.id).ok()
    check(True)
    sd.cmd("update", "-r", "-", c.id, input=json.dumps({"devices": [{"allow": False}]})).ok()
    check(False)
    systemctl("daemon-reload")
    check(False)
    assert show(unit_of(c), "NeedDaemonReload")["NeedDaemonReload"] == "no"
    c.stop()


@pytest.mark.machine
def test_updates_of_devices_need_no_reload(sd, bundle):
    bundle.linux["resources"] = {"pids": {"limit": 50}, "devices": [{"allow": False}]}
    c = sd.hold(bundle)
    for i in range(3):
        sd.cmd("update", "--pids-limit", str(60 + i), c.id).ok()
        assert show(unit_of(c), "NeedDaemonReload")["NeedDaemonReload"] == "no"
        update(sd, c, {"devices": rules(i)}).ok()
        assert show(unit_of(c), "NeedDaemonReload")["NeedDaemonReload"] == "no"
    c.stop()


@pytest.mark.machine
def test_no_update_shuts_an_open_door(sd, bundle):
    """systemd writes a device list of v1 again whatever it is told: nobody inside sees it half written."""
    c = doors(sd, bundle, [{"allow": False}, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}])
    for i in range(20):
        sd.cmd("update", "--pids-limit", str(60 + i), c.id).ok()
        update(sd, c, {"devices": rules(i)}).ok()
    found = end(c)
    assert found["tries"] > 40 and found["refused"] == found["entered"] == 0, found


@pytest.mark.machine
@pytest.mark.parametrize("kind", ["prestart", "createRuntime"])
def test_device_of_a_hook(sd, bundle, kind):
    """Let in by a file, past the unit: it stays through the limits that come after, an update, and a reload."""
    if V2:
        pytest.skip("there is no list that a hook could add to")
    bundle.linux["resources"] = {"pids": {"limit": 50}, "devices": [{"allow": False}]}
    bundle.hook(kind, "p=$(grep -o '\"pid\": *[0-9]*' | grep -o '[0-9]*$') && "
                      "echo c 1:11 rwm > /sys/fs/cgroup/devices$(sed -n s/.*:devices://p /proc/$p/cgroup)/devices.allow")
    c = sd.hold(bundle)
    sd.cmd("update", "--pids-limit", "60", c.id).ok()
    systemctl("daemon-reload")
    devices = read(where(c, "devices") + "/devices.list").splitlines()
    assert "c 1:11 rwm" in devices and "a *:* rwm" not in devices
    update(sd, c, {"devices": rules(1)}).ok()
    assert "c 1:11 rwm" not in read(where(c, "devices") + "/devices.list").splitlines()
    c.stop()


@pytest.mark.machine
def test_all_devices_but_one(sd, bundle):
    """v1 can hold it, but no unit can: it would be forgotten at the next update."""
    one = {"allow": False, "type": "c", "major": 1, "minor": 11, "access": "rwm"}
    text = "linux.resources.devices[%d]: denies single devices where all are allowed: systemd cannot keep such a list " \
        "on cgroup v1; deny everything first and allow devices one by one, or use --cgroup-manager cgroupfs"
    for number, listed in enumerate([[one], [{"allow": True}, one]]):
        bundle.linux["resources"] = {"devices": listed}
        if not V2:
            sd.failing_create(bundle, match=re.escape(text % number))
    if not V2:
        bundle.linux["resources"] = {"devices": [{"allow": True}]}
    bundle.all_caps()
    bundle.add_mount("/tmp", "tmpfs", "tmpfs", ["mode=1777"])    # the bundle may be on a nodev one
    c = sd.hold(bundle)
    c.exec("mknod", "/dev/node", "c", "1", "11").ok()
    if V2:
        c.exec("sh", "-c", ": </dev/node").fails()
    else:
        before = read(where(c, "devices") + "/devices.list")
        for number, listed in enumerate([[one], [{"allow": True}, one]]):
            result = update(sd, c, {"devices": listed, "pids": {"limit": 3}}).fails()
            assert result.err == "ocirun: update: " + text % number + "\n"
        assert read(where(c, "devices") + "/devices.list") == before
        assert read(where(c, "pids") + "/pids.max").strip() != "3"
        c.exec("sh", "-c", ": </dev/node").ok()
    c.stop()


def test_oom(sd, bundle):
    bundle.linux["resources"] = {"memory": {"limit": 20 << 20, "swap": 20 << 20}}
    bundle.sh("dd if=/dev/zero of=/dev/null bs=64M count=1; echo $?; while :; do sleep 1; done")
    c = sd.start(bundle)
    c.wait_out("137")
    place = where(c, "memory")
    assert "oom_kill 0" not in read(place + ("/memory.events" if V2 else "/memory.oom_control")).splitlines()
    assert show(unit_of(c), "ActiveState")["ActiveState"] == "active"
    c.delete("--force").ok()
    gone(unit_of(c))


# ---- annotations ----

@pytest.mark.quick
def test_properties(sd, bundle):
    bundle.config["annotations"] = {
        "org.systemd.property.KillSignal": "15",
        "org.systemd.property.TimeoutStopUSec": "uint64 7000000",
        "org.systemd.property.CollectMode": "'inactive'",
        "org.systemd.property.After": "['basic.target', 'local-fs.target']",
        "org.systemd.property.DefaultDependencies": "true",
        "org.systemd.property.RuntimeMaxSec": "3000",
        "org.systemd.property.Description": "\"my unit\""}
    c = sd.create(bundle)
    properties = show(unit_of(c), "KillSignal", "TimeoutStopUSec", "CollectMode", "After", "DefaultDependencies",
                      "Description", "RuntimeMaxUSec")
    assert set(properties.pop("After").split()) >= {"basic.target", "local-fs.target"}
    assert properties == {"KillSignal": "15", "TimeoutStopUSec": "7s", "CollectMode": "inactive",
                          "DefaultDependencies": "yes", "Description": "my unit", "RuntimeMaxUSec": "50min"}
    c.delete("--force").ok()
    gone(unit_of(c))


@pytest.mark.parametrize("name,value,text", [
    ("KillSignal", "fifteen", r"annotations.org.systemd.property.KillSignal: \"fifteen\" is not a value; GVariant"),
    ("TimeoutStopUSec", "7", r"annotations.org.systemd.property.TimeoutStopUSec: .*\"i\".*\"t\".*uint64"),
    ("KillSignal", "1000", r"annotations.org.systemd.property.KillSignal: .*1000"),
    ("NoSuchThing", "7", r"annotations.org.systemd.property.NoSuchThing: systemd \d+ has no such property"),
    ("CollectMode", "'sometimes'", r"annotations.org.systemd.property.CollectMode: systemd: .*sometimes"),
    ("PIDs", "[uint32 1]", r"annotations.org.systemd.property.PIDs: is set by the runtime itself"),
], ids=range(6))
def test_wrong_properties(sd, bundle, name, value, text):
    bundle.config["annotations"] = {"org.systemd.property." + name: value}
    sd.failing_create(bundle, match=text)


@pytest.mark.parametrize("driver", ["systemd", "cgroupfs"])
@pytest.mark.parametrize("annotations,inner", [
    ({"run.oci.systemd.subgroup": "inner"}, "/inner"),
    ({"run.oci.systemd.subgroup": ""}, ""),
    ({"run.oci.delegate-cgroup": "mine"}, "/mine"),
    ({"run.oci.systemd.subgroup": "inner", "run.oci.delegate-cgroup": "mine/too"}, "/inner/mine/too"),
], ids=range(4))
def test_inner_cgroups(sd, bundle, driver, annotations, inner):
    """The process lives below, the limits stay above, and are counted where the process is."""
    bundle.config["annotations"] = annotations
    layout = cgroup_layout()
    if driver == "cgroupfs":
        sd.argv = lambda *args, globals=(): sd.command + ["--root", sd.root, *globals, *args]
        inner = inner.replace("/inner", "")
    bundle.namespace("cgroup")
    if layout == "v1" and inner:
        sd.failing_create(bundle, match="annotations.run.oci.*: needs cgroup v2, which this machine has not mounted")
        return
    if V2:
        bundle.linux["resources"] = {"memory": {"limit": 30 << 20, "swap": 30 << 20}}
    c = sd.hold(bundle)
    own = cgroup_of(c.pid)["pids" if layout == "v1" else ""]
    top = own[:len(own) - len(inner)]
    assert own.endswith((unit_of(c) if driver == "systemd" else c.id) + inner)
    seen = c.exec("cat", "/proc/self/cgroup").ok().out.splitlines()
    if layout == "v1":
        assert seen and all(line.endswith(":/") for line in seen), seen
    else:
        assert seen[-1] == "0::/"
    if V2:
        assert number(top, "memory.max") == 30 << 20
        assert os.path.exists(own + "/memory.events")
        assert c.exec("sh", "-c", "dd if=/dev/zero of=/dev/null bs=64M count=1").rc == 137
        assert "oom_kill 1" in read(own + "/memory.events").splitlines()
    sd.cmd("pause", c.id).ok()
    sd.cmd("resume", c.id).ok()
    c.delete("--force").ok()
    assert not os.path.exists(top)


def test_delegated_inner_cgroup(sd, bundle):
    if not V2:
        pytest.skip("v1 delegates nothing")
    bundle.config["annotations"] = {"run.oci.delegate-cgroup": "mine"}
    bundle.userns()
    c = sd.hold(bundle)
    own = cgroup_of(c.pid)[""]
    assert os.stat(own).st_uid == os.stat(own + "/cgroup.procs").st_uid == 100000
    assert os.stat(own + "/memory.max").st_uid == os.stat(os.path.dirname(own)).st_uid == 0
    c.stop()


@pytest.mark.parametrize("name", ["../x", "a/../../b", "/abs", "a//b"])
def test_wrong_inner_cgroups(sd, bundle, name):
    bundle.config["annotations"] = {"run.oci.delegate-cgroup": name}
    sd.failing_create(bundle, match="annotations.run.oci.delegate-cgroup: ")


def test_delegation_of_the_scope(sd, bundle):
    """A writable cgroup mount in a cgroup namespace: the scope is the container's."""
    if not V2:
        pytest.skip("v1 delegates nothing")
    bundle.namespace("cgroup")
    bundle.drop_mount("/sys/fs/cgroup")
    bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "nodev", "noexec"])
    bundle.userns()
    c = sd.hold(bundle)
    assert os.stat(where(c)).st_uid == 100000
    assert c.sh("cat /proc/self/cgroup") == "0::/\n"
    c.sh("mkdir /sys/fs/cgroup/sub && echo $$ > /sys/fs/cgroup/sub/cgroup.procs")
    c.stop()
    gone(unit_of(c))
