# SPDX-License-Identifier: LGPL-2.1-or-later
"""The systemd cgroup driver, on v1, hybrid and v2: the unit, its name, and every operation on the container. Where
systemd is the init: what is skipped elsewhere stands in skips.txt."""

import json
import os
import re
import shutil
import signal
import subprocess

import pytest

from harness import TOKEN, alive, cgroup_mounts, cgroup_of, read, until
from units import (SYSTEMD, V2, gone, needs_systemd, number, show, state_of, systemctl, unit_of, where)

pytestmark = [pytest.mark.ocirun_only, needs_systemd]

# a static build, with its helper beside it: tests/vm/run brings one if there is one
STATIC = os.environ.get("RUNTIME_STATIC")
# what systemd manages on v1
MANAGED = {"cpu", "cpuacct", "blkio", "memory", "devices", "pids", "name=systemd", ""}


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


@pytest.mark.quick
def test_v1_other_hierarchies(sd, bundle):
    """Hierarchies that systemd leaves alone have the same path, and nothing is left in them."""
    if V2:
        pytest.skip("v1 only")
    name = sd.new_id()      # of a unit: the machine's, whatever slice it is in
    bundle.linux["cgroupsPath"] = "%sv-a.slice:p:%s" % (TOKEN, name)
    bundle.linux["resources"] = {"network": {"classID": 5}, "cpu": {"cpus": "0"}}
    c = sd.hold(bundle)
    below = "/%sv.slice/%sv-a.slice/p-%s.scope" % (TOKEN, TOKEN, name)
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


@pytest.mark.parametrize("kind,sig", [("createRuntime", signal.SIGKILL), ("prestart", signal.SIGTERM)],
                         ids=["createRuntime", "prestart"])
def test_creator_killed(sd, bundle, kind, sig):
    """A create that is killed half-way leaves a unit that delete --force finds."""
    bundle.hook(kind, "echo > %s; sleep 1000" % sd.path("mark"))
    bundle.save()
    ident = sd.new_id()
    proc = sd.popen("create", "--bundle", bundle.dir, ident)
    until(lambda: os.path.exists(sd.path("mark")), "the hook")
    assert state_of("ocirun-%s.scope" % ident)["ActiveState"] == "active"
    proc.send_signal(sig)
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


needs_static = pytest.mark.skipif(not STATIC, reason="no static build")


@pytest.mark.quick
@needs_static
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


@needs_static
def test_static_without_its_helper(sd, bundle):
    alone = sd.path("ocirun")
    shutil.copy(STATIC, alone)
    sd.argv = static_argv(sd, alone)
    sd.failing_create(bundle, match="the systemd cgroup driver needs ocirun-systemd, which is not in .*install")
