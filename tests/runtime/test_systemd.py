# SPDX-License-Identifier: LGPL-2.1-or-later
"""The systemd cgroup driver, on v1, hybrid and v2, as the system's root and as a user with a manager of
its own. Collected only where systemd is the init (conftest.py)."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from harness import (SLOWNESS, TOKEN, alive, cgroup_layout, cgroup_mounts, cgroup_of, check, libc, read, until)

pytestmark = [pytest.mark.ocirun_only]

V2 = cgroup_layout() == "v2"
SYSTEMD = ["--cgroup-manager", "systemd"]
# a static build, with its helper beside it: tests/vm/run brings one if there is one
STATIC = os.environ.get("RUNTIME_STATIC")
# what systemd manages on v1
MANAGED = {"cpu", "cpuacct", "blkio", "memory", "devices", "pids", "name=systemd", ""}


def systemctl(*words, check=True, user=None):
    command = ["systemctl", *words]
    if user is not None:
        command = ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", "env",
                   "XDG_RUNTIME_DIR=/run/user/%d" % user, "systemctl", "--user", *words]
    return subprocess.run(command, capture_output=True, text=True, check=check, timeout=60 * SLOWNESS).stdout


def show(unit, *names, user=None):
    out = systemctl("show", unit, *["--property=" + n for n in names], user=user)
    return dict(line.split("=", 1) for line in out.splitlines())


def state_of(unit, user=None):
    return show(unit, "LoadState", "ActiveState", user=user)


def gone(unit, user=None):
    """The unit is not known any more; systemd takes a moment to forget it. To systemd there is a slice of
    every name."""
    load = "loaded" if unit.endswith(".slice") else "not-found"
    until(lambda: state_of(unit, user) == {"LoadState": load, "ActiveState": "inactive"},
          "%s to be forgotten: %s" % (unit, state_of(unit, user)), 3)


@pytest.fixture
def sd(rt):
    """rt with the driver on create and run only, as engines call."""
    command = rt.command

    def argv(*args, globals=()):
        more = SYSTEMD if args and args[0] in ("create", "run") else []
        return command + ["--root", rt.root, *more, *globals, *args]

    rt.argv = argv
    yield rt


def unit_of(c):
    return "ocirun-%s.scope" % c.id


def where(c, controller=""):
    """The container's directory in the hierarchy of the controller."""
    places = cgroup_of(c.pid)
    return places["" if V2 else controller]


def version():
    """Of systemd, which is another from release to release."""
    return int(re.match(r"systemd (\d+)", systemctl("--version")).group(1))


def number(path, name):
    text = read(os.path.join(path, name)).split()[0]
    return -1 if text == "max" else int(text)


# ---- the unit ----

@pytest.mark.quick
def test_scope(sd, bundle):
    c = sd.create(bundle.hold())
    unit = unit_of(c)
    assert show(unit, "ActiveState", "Slice", "Delegate", "CollectMode", "DefaultDependencies", "Description",
                "Transient", "NeedDaemonReload") == {
        "ActiveState": "active", "Slice": "system.slice", "Delegate": "yes", "CollectMode": "inactive-or-failed",
        "DefaultDependencies": "no", "Description": "container " + c.id, "Transient": "yes",
        "NeedDaemonReload": "no"}
    for controller, path in cgroup_of(c.pid).items():
        assert path.endswith("/system.slice/" + unit), (controller, path)
    record = json.loads(read(sd.root + "/" + c.id + "/state.json"))["cgroup"]
    assert record["driver"] == "systemd" and record["unit"] == unit
    assert record["bus"].startswith("unix:path=/run/systemd/private")
    assert all(p["path"] == "/system.slice/" + unit and p["created"] for p in record["places"])
    c.start().ok()
    c.wait_out("ready")
    for line in c.exec("cat", "/proc/self/cgroup").ok().out.splitlines():
        assert line.endswith("/") or unit in line
    assert c.pid in json.loads(sd.cmd("ps", "-f", "json", c.id).ok().out)
    paths = set(cgroup_of(c.pid).values())
    c.stop()
    gone(unit)
    assert not [p for p in paths if os.path.exists(p)]


def test_every_accounting(sd, bundle):
    c = sd.create(bundle)
    names = ["CPUAccounting", "MemoryAccounting", "TasksAccounting", "IOAccounting" if V2 else "BlockIOAccounting"]
    assert show(unit_of(c), *names) == {n: "yes" for n in names}
    c.delete("--force").ok()


def test_later_commands_need_no_environment(sd, bundle):
    """Engines call with one variable, and without the option."""
    bundle.linux["resources"] = {"memory": {"limit": 1 << 26}}
    c = sd.hold(bundle)
    sd.cmd("update", "--memory", str(1 << 27), c.id, env={"XDG_RUNTIME_DIR": ""}).ok()
    assert show(unit_of(c), "MemoryMax" if V2 else "MemoryLimit").popitem()[1] == str(1 << 27)
    sd.cmd("kill", c.id, "KILL", env={"XDG_RUNTIME_DIR": ""}).ok()
    until(lambda: c.status() == "stopped")
    sd.cmd("delete", c.id, env={"XDG_RUNTIME_DIR": ""}).ok()
    gone(unit_of(c))


@pytest.mark.parametrize("path,unit,below", [
    ("", "ocirun-ID.scope", "/system.slice/"),
    (":runc:ID", "runc-ID.scope", "/system.slice/"),
    ("T.slice:pre:ID", "pre-ID.scope", "/T.slice/"),
    ("T-b-c.slice:pre:ID", "pre-ID.scope", "/T.slice/T-b.slice/T-b-c.slice/"),
    ("-.slice:pre:ID", "pre-ID.scope", "/"),
    ("-:pre:ID.scope", "pre-ID.scope", "/"),
    ("T.slice::ID", "ID.scope", "/T.slice/"),
], ids=range(7))
def test_cgroups_path(sd, bundle, path, unit, below):
    ident = sd.new_id()
    token = TOKEN + "x"
    bundle.linux["cgroupsPath"] = path.replace("ID", ident).replace("T", token)
    unit, below = unit.replace("ID", ident), below.replace("T", token)
    c = sd.create(bundle, ident=ident)
    for place in cgroup_of(c.pid).values():
        assert place.endswith(below + unit)
    assert show(unit, "Slice")["Slice"] == (below.strip("/").split("/")[-1] or "-.slice")
    c.delete("--force").ok()
    gone(unit)
    systemctl("stop", token + ".slice")


@pytest.mark.quick
def test_slice(sd, bundle):
    """A name that ends with .slice is a slice; the container's process lives in it."""
    unit = TOKEN + "s.slice"
    bundle.linux["cgroupsPath"] = "system.slice:x:" + unit
    bundle.linux["resources"] = {"pids": {"limit": 50}}
    c = sd.hold(bundle)
    assert show(unit, "ActiveState", "TasksMax") == {"ActiveState": "active", "TasksMax": "50"}
    assert where(c, "pids").endswith("/" + unit) and number(where(c, "pids"), "pids.max") == 50
    c.exec("true").ok()
    c.delete("--force").ok()
    gone(unit)


@pytest.mark.parametrize("path,text", [
    ("/a/b", r"linux.cgroupsPath: \"/a/b\" is not SLICE:PREFIX:NAME; .*--cgroup-manager cgroupfs"),
    ("a:b", r"linux.cgroupsPath: \"a:b\" is not SLICE:PREFIX:NAME"),
    ("machine:b:c", r"\"machine\" is not the name of a slice; did you mean machine.slice\?"),
    ("a--b.slice:b:c", r"\"a--b.slice\" is not the name of a slice; dashes are levels"),
    ("::" + "x" * 260, r"is too long"),
], ids=range(5))
def test_wrong_cgroups_path(sd, bundle, path, text):
    bundle.linux["cgroupsPath"] = path
    sd.failing_create(bundle, match=text)


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
    (["--memory-reservation", "40960000"], None, ("MemoryLow", "40960000", "memory", "memory.low", "40960000")),
    (["--cpuset-cpus", "0"], ("", "", "cpuset", "cpuset.cpus", "0"),
     ("AllowedCPUs", "0", "cpuset", "cpuset.cpus", "0")),
    (["--cpuset-mems", "0"], ("", "", "cpuset", "cpuset.mems", "0"),
     ("AllowedMemoryNodes", "0", "cpuset", "cpuset.mems", "0")),
]


def agrees(c, row, unit):
    if row is None:
        return
    name, value, controller, file, content = row
    assert read(where(c, controller) + "/" + file).strip() == content
    if unit and name:
        assert show(unit, name)[name] == value
    if unit:
        assert show(unit, "NeedDaemonReload")["NeedDaemonReload"] == "no"


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
        if row and not unit and row[0] == "CPUQuotaPerSecUSec" and words[1] != "-1":
            assert read(where(c, "cpu") + "/" + row[3]).split()[0] == words[1]
            continue
        agrees(c, row, unit)
        if row:
            last[row[0], row[3]] = row
    if unit:
        systemctl("daemon-reload")
        for row in last.values():
            agrees(c, row, unit)
    c.stop()


def test_limits_at_create(sd, bundle):
    bundle.linux["resources"] = {
        "memory": {"limit": 100000000, "reservation": 4096000, "swap": 200000000},
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


def test_devices_survive_a_reload(sd, bundle):
    """What the list allows, and nothing else, also after systemd has applied its settings again."""
    bundle.all_caps()
    bundle.add_mount("/tmp", "tmpfs", "tmpfs", ["mode=1777"])    # the bundle may be on a nodev one
    rule = {"allow": True, "type": "c", "major": 10, "minor": 237, "access": "rwm"}
    bundle.linux["resources"] = {"devices": [{"allow": False}, rule]}
    c = sd.hold(bundle)
    c.exec("sh", "-c", "mknod /tmp/loop c 10 237 && mknod /tmp/kmsg c 1 11").ok()

    def check(loop):
        assert (c.exec("sh", "-c", ": </tmp/loop").rc == 0) == loop
        assert c.exec("sh", "-c", ": </tmp/kmsg").rc != 0
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


@pytest.mark.quick
def test_v1_other_hierarchies(sd, bundle):
    """Hierarchies that systemd leaves alone have the same path, and nothing is left in them."""
    if V2:
        pytest.skip("v1 only")
    bundle.linux["cgroupsPath"] = "%sv-a.slice:p:n" % TOKEN
    bundle.linux["resources"] = {"network": {"classID": 5}, "cpu": {"cpus": "0"}}
    c = sd.hold(bundle)
    below = "/%sv.slice/%sv-a.slice/p-n.scope" % (TOKEN, TOKEN)
    places = cgroup_of(c.pid)
    assert all(p.endswith(below) for p in places.values()), places
    assert set(places) - MANAGED
    assert number(places["net_cls"], "net_cls.classid") == 5
    sd.cmd("pause", c.id).ok()
    assert c.status() == "paused"
    sd.cmd("resume", c.id).ok()
    c.delete("--force").ok()
    systemctl("stop", "%sv.slice" % TOKEN)
    for top, _ in cgroup_mounts():
        until(lambda: not os.path.exists(top + "/%sv.slice" % TOKEN), top)


# ---- the other operations ----

@pytest.mark.quick
def test_pause_kill_all_delete(sd, bundle):
    c = sd.hold(bundle)
    sd.cmd("pause", c.id).ok()
    assert c.status() == "paused"
    sd.cmd("resume", c.id).ok()
    data = json.loads(sd.cmd("events", "--stats", c.id).ok().out)["data"]
    assert data["cpu"]["usage"]["total"] > 0
    sd.cmd("kill", "--all", c.id, "KILL").ok()
    until(lambda: c.status() == "stopped")
    sd.cmd("kill", "--all", c.id, "KILL").ok()
    c.delete().ok()
    gone(unit_of(c))


def test_delete_force_of_a_paused_one(sd, bundle):
    c = sd.hold(bundle)
    sd.cmd("pause", c.id).ok()
    c.delete("--force").ok()
    gone(unit_of(c))


def test_delete_when_the_unit_is_gone(sd, bundle):
    c = sd.hold(bundle)
    systemctl("kill", "--signal=KILL", unit_of(c))
    until(lambda: c.status() == "stopped")
    gone(unit_of(c))
    c.delete().ok()


def test_processes_that_outlive_init_end_with_delete(sd, bundle):
    bundle.drop_namespace("pid")
    bundle.sh("sleep 1000 & echo ready; exec sleep 1000")
    c = sd.start(bundle).wait_out("ready")
    c.kill("KILL").ok()
    c.wait()
    c.delete().ok()
    gone(unit_of(c))


def test_run(sd, bundle):
    result = sd.run(bundle.sh("cat /proc/self/cgroup; exit 7"))
    assert result.rc == 7
    gone("ocirun-%s.scope" % sd.ids[-1])


@pytest.mark.quick
@pytest.mark.parametrize("break_it", ["program", "hook", "limit", "property"])
def test_failed_create_leaves_no_unit(sd, bundle, break_it):
    if break_it == "program":
        bundle.process["args"] = ["/no/such"]
    elif break_it == "hook":
        bundle.hook("createRuntime", "exit 3")
    elif break_it == "limit":
        bundle.linux["resources"] = {"cpu": {"cpus": "900"}}
    else:
        bundle.config["annotations"] = {"org.systemd.property.NoSuchThing": "5"}
    sd.failing_create(bundle)
    gone("ocirun-%s.scope" % sd.ids[-1])


def test_creator_killed(sd, bundle):
    """A create that is killed half-way leaves a unit that delete --force finds."""
    bundle.hook("createRuntime", "echo > %s; sleep 1000" % sd.path("mark"))
    bundle.save()
    ident = sd.new_id()
    proc = sd.popen("create", "--bundle", bundle.dir, ident)
    until(lambda: os.path.exists(sd.path("mark")), "the hook")
    assert state_of("ocirun-%s.scope" % ident)["ActiveState"] == "active"
    proc.kill()
    proc.wait()
    sd.procs.remove(proc)
    sd.cmd("delete", "--force", ident).ok()
    gone("ocirun-%s.scope" % ident)


def test_record_lost(sd, bundle):
    """A damaged record: delete --force knows the unit by linux.cgroupsPath."""
    ident = sd.new_id()
    bundle.linux["cgroupsPath"] = "system.slice:lost:" + ident
    c = sd.hold(bundle, ident=ident)
    with open(sd.root + "/" + ident + "/state.json", "w") as f:
        f.write("{")
    pid = c.pid
    sd.cmd("delete", "--force", ident).ok()
    gone("lost-%s.scope" % ident)
    assert not alive(pid)


@pytest.mark.quick
def test_unit_exists(sd, bundle):
    ident = sd.new_id()
    unit = "ocirun-%s.scope" % ident
    holder = subprocess.Popen(["systemd-run", "--quiet", "--scope", "--unit=" + unit, "sleep", "1000"])
    try:
        until(lambda: state_of(unit)["ActiveState"] == "active")
        bundle.save()
        err = sd.cmd("create", "--bundle", bundle.dir, ident).fails().err
        assert re.search(r"systemd: unit %s exists, it is active: File exists; .*choose another id" % unit, err), err
        assert holder.poll() is None and state_of(unit)["ActiveState"] == "active"
    finally:
        holder.kill()
        holder.wait()
    gone(unit)


def test_failed_unit_is_reset(sd, bundle):
    """systemd remembers the failure of a unit of that name: it is forgotten, and the name used."""
    ident = sd.new_id()
    unit = "ocirun-%s.scope" % ident
    subprocess.run(["systemd-run", "--quiet", "--scope", "--unit=" + unit, "-p", "RuntimeMaxSec=1", "sleep", "1000"],
                   check=False)
    until(lambda: state_of(unit)["ActiveState"] == "failed", "failed", 20)
    c = sd.create(bundle, ident=ident)
    assert state_of(unit)["ActiveState"] == "active"
    c.delete("--force").ok()
    gone(unit)


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
    if cgroup_layout() == "v1":
        if driver == "systemd" and inner:
            sd.failing_create(bundle, match="annotations.run.oci.*: needs cgroup v2")
        return
    if driver == "cgroupfs":
        sd.argv = lambda *args, globals=(): sd.command + ["--root", sd.root, *globals, *args]
        inner = inner.replace("/inner", "")
    bundle.namespace("cgroup")
    if V2:
        bundle.linux["resources"] = {"memory": {"limit": 30 << 20, "swap": 30 << 20}}
    c = sd.hold(bundle)
    own = cgroup_of(c.pid)[""]
    top = own[:len(own) - len(inner)]
    assert own.endswith((unit_of(c) if driver == "systemd" else c.id) + inner)
    assert c.exec("cat", "/proc/self/cgroup").ok().out.splitlines()[-1] == "0::/"
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


# ---- no manager ----

def hidden(rt, script):
    """The runtime in a mount namespace whose /run is prepared by a script."""
    argv = rt.argv
    rt.argv = lambda *a, **kw: ["unshare", "-m", "sh", "-c",
                                "mount -t tmpfs run /run && " + script + " exec \"$@\"", "x"] + argv(*a, **kw)


@pytest.mark.quick
def test_no_bus(sd, bundle):
    hidden(sd, "")
    sd.failing_create(bundle, match="systemd cgroup driver: no bus: neither /run/systemd/private nor .*; "
                                    "without systemd on this machine, use --cgroup-manager cgroupfs")


@pytest.mark.parametrize("listens", [False, True], ids=["nobody listens", "nobody answers"])
def test_a_bus_that_is_none(sd, bundle, listens, tmp_path):
    path = sd.path("private")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(path)
        if listens:
            sock.listen()
        hidden(sd, "mkdir /run/systemd && : >/run/systemd/private && mount --bind %s /run/systemd/private &&" % path)
        text = r"within 2 s" if listens else r"no bus: connect to unix:path=/run/systemd/private: Connection refused"
        sd.failing_create(bundle, match=text, env=dict(os.environ, OCIRUN_TIMEOUT="2"))


@pytest.mark.quick
def test_manager_of_another_pid_namespace(sd, bundle):
    """The number of init there is not its number here: another process would get into the unit."""
    argv = sd.argv
    sd.argv = lambda *a, **kw: ["unshare", "--pid", "--fork", "--mount-proc"] + argv(*a, **kw)
    sd.failing_create(bundle, match="the manager on .* is in another pid namespace; run ocirun in that one .*, "
                                    "or use --cgroup-manager cgroupfs")


# ---- a static executable ----

def static_argv(sd, program):
    return lambda *args, globals=(): [program, "--root", sd.root, *(SYSTEMD if args[0] in ("create", "run") else []),
                                      *globals, *args]


if STATIC:
    @pytest.mark.quick
    def test_static(sd, bundle):
        """It cannot open libsystemd: ocirun-systemd talks to the manager, and its errors arrive."""
        with open(STATIC, "rb") as f:
            assert b"/ld-linux" not in f.read()
        sd.argv = static_argv(sd, STATIC)
        bundle.linux["resources"] = {"memory": {"limit": 1 << 26}, "pids": {"limit": 50}}
        c = sd.hold(bundle)
        unit, names = unit_of(c), ["MemoryMax" if V2 else "MemoryLimit", "TasksMax"]
        assert show(unit, "ActiveState", *names) == {
            "ActiveState": "active", names[0]: str(1 << 26), "TasksMax": "50"}
        sd.cmd("update", "--memory", str(1 << 27), "--pids-limit", "60", c.id).ok()
        assert show(unit, *names) == {names[0]: str(1 << 27), "TasksMax": "60"}
        assert number(where(c, "pids"), "pids.max") == 60
        c.delete("--force").ok()
        gone(unit)
        assert sd.run(bundle.sh("exit 7")).rc == 7
        bundle.config["annotations"] = {"org.systemd.property.NoSuchThing": "5"}
        sd.failing_create(bundle, match=r"annotations.org.systemd.property.NoSuchThing: systemd \d+ has no such")

    def test_static_without_its_helper(sd, bundle):
        alone = sd.path("ocirun")
        shutil.copy(STATIC, alone)
        sd.argv = static_argv(sd, alone)
        sd.failing_create(bundle, match="the systemd cgroup driver needs ocirun-systemd, which is not in .*install")


# ---- the manager of a user ----

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


def test_signal_while_waiting_leaves_nothing(sd, bundle):
    """SIGTERM at create's caller: the creator dies, delete --force removes what there is."""
    bundle.hook("prestart", "echo > %s; sleep 1000" % sd.path("mark"))
    bundle.save()
    ident = sd.new_id()
    proc = sd.popen("create", "--bundle", bundle.dir, ident)
    until(lambda: os.path.exists(sd.path("mark")), "the hook")
    proc.send_signal(signal.SIGTERM)
    proc.wait()
    sd.procs.remove(proc)
    sd.cmd("delete", "--force", ident).ok()
    gone("ocirun-%s.scope" % ident)
