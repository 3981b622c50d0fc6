# SPDX-License-Identifier: LGPL-2.1-or-later
"""The systemd cgroup driver and a manager that is not there, or not well: no systemd is needed, manager.py plays it.

The runtime runs in a mount namespace whose /run has nothing but what a test puts there."""

import json
import os
import socket
import subprocess

import pytest

from harness import SLOWNESS, alive, cgroup_of, read, until, write
from manager import Close, Error, Job
from test_cgroup_devices import update
from units import PRIVATE, SYSTEM_BUS, bound, hidden, number, unit_of, where

pytestmark = [pytest.mark.ocirun_only, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

# seconds: enough for all that does not wait for ever
LIMIT = max(1, int(SLOWNESS / 2))


def short():
    return dict(os.environ, OCIRUN_TIMEOUT=str(LIMIT))


# ---- nobody ----

@pytest.mark.quick
def test_no_bus(sd, bundle):
    hidden(sd, "")
    sd.failing_create(bundle, match="systemd cgroup driver: no bus: neither /run/systemd/private nor .*; "
                                    "without systemd on this machine, use --cgroup-manager cgroupfs")


@pytest.mark.parametrize("listens", [False, True], ids=["nobody listens", "nobody answers"])
def test_a_bus_that_is_none(sd, bundle, listens):
    path = sd.path("private")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(path)
        if listens:
            sock.listen()
        bound(sd, path, PRIVATE)
        text = "no bus: nobody answers on unix:path=%s within LIMIT s; systemd is stuck, or something else has taken its " \
            "place" if listens else "no bus: connect to unix:path=%s: Connection refused; systemd does not run, or " \
            "is not reachable from here"
        sd.failing_create(bundle, match=text.replace("LIMIT", str(LIMIT)) % PRIVATE, env=short())


# ---- somebody ----

@pytest.mark.quick
@pytest.mark.parametrize("at", [PRIVATE, SYSTEM_BUS])
@pytest.mark.parametrize("start", [
    Job("done"),
    Job("done", early=True),
    Job("done", first=[(5, "another.scope", "failed"), (7, "another.scope", "failed"), (6, None, "canceled")]),
], ids=["in order", "the signal first", "other jobs first"])
def test_good(fake, sd, bundle, at, start):
    """What this manager does well, create takes: the other tests fail for what they say, and not for its D-Bus."""
    it = fake(at, start=start)
    c = sd.create(bundle.hold())
    assert it.asked("StartTransientUnit")[0][:2] == [unit_of(c), "replace"]
    assert bool(it.asked("Hello")) == bool(it.asked("Subscribe")) == (at == SYSTEM_BUS)
    c.start().ok()
    c.wait_out("ready")
    c.delete("--force").ok()
    assert it.asked("StopUnit") == [[unit_of(c), "replace"]]


UNREACHABLE = "systemd cgroup driver: no bus: connect to unix:path=%s: Connection reset by peer; systemd does not " \
    "run, or is not reachable from here" % PRIVATE


@pytest.mark.quick
@pytest.mark.parametrize("start,text", [
    (Job(None), "systemd: start UNIT: job /org/freedesktop/systemd1/job/7 has not ended within LIMIT s on unix:path=%s: "
                "Connection timed out; systemctl list-jobs tells what it waits for" % PRIVATE),
    (Job(None, first=[(5, "another.scope", "done"), (6, None, "done")]),
     "systemd: start UNIT: job /org/freedesktop/systemd1/job/7 has not ended within LIMIT s on unix:path=%s: "
     "Connection timed out; systemctl list-jobs tells what it waits for" % PRIVATE),
    (None, "systemd: start UNIT: no reply on unix:path=%s within LIMIT s: Connection timed out" % PRIVATE),
    (Job("failed"), "systemd: start UNIT: the job's result is \"failed\"; systemctl status UNIT tells more"),
    (Job("timeout"), "systemd: start UNIT: the job's result is \"timeout\"; systemctl status UNIT tells more"),
    (Job("canceled", early=True), "systemd: start UNIT: the job's result is \"canceled\"; systemctl status UNIT tells "
                                  "more"),
    (Error("org.freedesktop.DBus.Error.AccessDenied", "No, thank you"),
     "systemd: start UNIT: No, thank you; the manager at unix:path=%s does not let this user make units" % PRIVATE),
    (Error("org.freedesktop.DBus.Error.Failed", "Out of units"), "systemd: start UNIT: Out of units"),
    (Close(after=True), "systemd: start UNIT: the connection to unix:path=%s ended: Connection reset by peer; the "
                        "manager was executed again, or has ended" % PRIVATE),
    (Close(), UNREACHABLE),
], ids=["no end", "the end of others", "no reply", "failed", "timeout", "the signal first", "not allowed", "error",
        "ends with a job", "ends without"])
def test_start_that_fails(fake, sd, bundle, start, text):
    """One line that says what was waited for; init is gone, and the manager was asked to forget the unit where it may
    have one."""
    it = fake(start=start)
    result = sd.failing_create(bundle, env=short())
    unit = "ocirun-%s.scope" % sd.ids[-1]
    assert result.err == "ocirun: create: " + text.replace("UNIT", unit).replace("LIMIT", str(LIMIT)) + "\n"
    pid = dict(it.asked("StartTransientUnit")[0][2])["PIDs"][0]
    assert not alive(pid)
    # a job that has ended, or was refused, has left no unit
    told = [["StopUnit", [unit, "replace"]]] if start is None or start in (Close(), Close(after=True)) or \
        isinstance(start, Job) and start.result is None else []
    assert [list(call) for call in it.calls if call[0] == "StopUnit"] == told


@pytest.mark.parametrize("stop,text", [
    (Job(None), "job /org/freedesktop/systemd1/job/8 has not ended within LIMIT s on unix:path=%s" % PRIVATE),
    (None, "no reply on unix:path=%s within LIMIT s" % PRIVATE),
    (Job("failed"), "the job's result is \"failed\""),
    (Error("org.freedesktop.DBus.Error.Failed", "Out of jobs"), "Out of jobs"),
    (Close(after=True), "the connection to unix:path=%s ended" % PRIVATE),
    (Error("org.freedesktop.systemd1.NoSuchUnit", "No such unit"), None),
    (Job("done", early=True), None),
], ids=["no end", "no reply", "failed", "error", "ends", "no unit", "the signal first"])
def test_stop_that_fails(fake, sd, bundle, stop, text):
    """The cgroup is gone, and with it the unit: the container is deleted, and the rest is a warning."""
    it = fake(stop=stop)
    c = sd.hold(bundle)
    pid = c.pid
    result = sd.cmd("delete", "--force", c.id, globals=("--log-level", "warning"), env=short()).ok()
    assert it.asked("StopUnit") == [[unit_of(c), "replace"]]
    if text:
        assert "systemd: stop %s: %s" % (unit_of(c), text.replace("LIMIT", str(LIMIT))) in result.err
    else:
        assert "systemd" not in result.err
    assert not alive(pid) and not sd.states()


@pytest.mark.quick
def test_death_in_the_middle(fake, sd, bundle):
    """create is killed while it waits for the job: delete --force ends what there is, and has the unit forgotten."""
    it = fake(start=Job(None))
    bundle.save()
    ident = sd.new_id()
    proc = sd.popen("create", "--bundle", bundle.dir, ident)
    until(lambda: it.asked("StartTransientUnit"), "the call")
    pid = dict(it.asked("StartTransientUnit")[0][2])["PIDs"][0]
    proc.kill()
    proc.wait()
    sd.procs.remove(proc)
    sd.cmd("delete", "--force", ident).ok()
    assert it.asked("StopUnit") == [["ocirun-%s.scope" % ident, "replace"]]
    until(lambda: not alive(pid), "the end of init")


EXISTS = Error("org.freedesktop.systemd1.UnitExists", "Unit was already loaded or has a fragment file.")


@pytest.mark.quick
def test_unit_exists(fake, sd, bundle):
    it = fake(start=EXISTS, state="active")
    result = sd.failing_create(bundle)
    assert result.err == "ocirun: create: systemd: unit ocirun-%s.scope exists, it is active: File exists; another " \
        "container or service has that name: choose another id, or another linux.cgroupsPath\n" % sd.ids[-1]
    assert not it.asked("StopUnit") and not it.asked("ResetFailedUnit")


@pytest.mark.parametrize("state", ["failed", "inactive"])
def test_old_unit_is_reset(fake, sd, bundle, state):
    it = fake(start=[EXISTS, Job("done")], state=state)
    c = sd.create(bundle)
    assert it.asked("ResetFailedUnit") == [[unit_of(c)]] and len(it.asked("StartTransientUnit")) == 2
    c.delete("--force").ok()


def test_property_that_the_manager_does_not_know(fake, sd, bundle):
    """What the driver says of its own accord is left out; version 230 has no CollectMode, and is not asked."""
    it = fake(version="230", start=[
        Error("org.freedesktop.DBus.Error.UnknownProperty", "Unknown property TasksAccounting."), Job("done")])
    c = sd.create(bundle)
    first, second = [dict(values[2]) for values in it.asked("StartTransientUnit")]
    assert set(first) - set(second) == {"TasksAccounting"} and "CollectMode" not in first
    c.delete("--force").ok()


DISK = {"allow": True, "type": "b", "major": 8, "access": "r"}


@pytest.mark.quick
def test_devices_that_the_list_has(fake, sd, bundle):
    """Whatever a unit is told, systemd writes its device list of v1 again: so it is told what the list says now, also
    what somebody else has let in. v2 has no list, and its unit hears nothing."""
    it = fake(version="257")
    bundle.linux["resources"] = {"pids": {"limit": 50}, "devices": [{"allow": False}]}
    c = sd.hold(bundle)
    place = cgroup_of(c.pid).get("devices")
    if place:
        write(place + "/devices.allow", "c 1:11 r")
    sd.cmd("update", "--pids-limit", "60", c.id).ok()
    update(sd, c, {"devices": [{"allow": False}, {"allow": True, "type": "b", "major": 8, "access": "rw"}]}).ok()
    update(sd, c, {"devices": [{"allow": True}]}).ok()
    c.stop()
    told = []
    for unit, runtime, properties in it.asked("SetUnitProperties"):
        assert unit == unit_of(c) and runtime == 1
        named = [value for name, value in properties if name == "DeviceAllow"]
        told.append((dict(properties).get("TasksMax"), dict(properties).get("DevicePolicy"),
                     sorted(" ".join(device) for device in named[-1]) if named else None))
        # a list is added to: it is emptied first
        assert len(named) == 1 + bool(named and named[-1]) if named else not place
    names = ["block-* m", "char-* m", "char-136 rwm"]
    names += ["/dev/char/%s rwm" % n for n in ("10:200", "1:3", "1:5", "1:7", "1:8", "1:9", "5:0", "5:2")]
    assert told == ([(50, "strict", sorted(names)), (60, "strict", sorted(names + ["/dev/char/1:11 r"])),
                     (None, "strict", sorted(names + ["block-8 rw"])), (None, "auto", [])]
                    if place else [(50, None, None), (60, None, None)])


@pytest.mark.quick
def test_devices_that_are_written_after_the_answer(fake, sd, bundle):
    """Of v1 systemd writes the list when it has answered already: until it answers once more, the processes are frozen."""
    it = fake(version="257")
    bundle.linux["resources"] = {"devices": [{"allow": False}]}
    c = sd.hold(bundle)
    places = cgroup_of(c.pid)
    if not {"devices", "freezer"} <= set(places):
        pytest.skip("v1 only")
    seen = []
    it.after_set = lambda asked: seen.append((asked, read(places["freezer"] + "/freezer.state")))
    update(sd, c, {"devices": [{"allow": False}, DISK]}).ok()
    assert seen == [(True, "FROZEN\n")]
    assert c.status() == "running"
    c.stop()


def devices_of(c):
    place = cgroup_of(c.pid).get("devices")
    return sorted(read(place + "/devices.list").splitlines()) if place else None


@pytest.mark.quick
@pytest.mark.parametrize("document", [{"pids": {"limit": 60}}, {"pids": {"limit": 60}, "devices": [{"allow": False}, DISK]}],
                         ids=["pids", "devices"])
def test_update_while_nobody_answers(fake, sd, bundle, document):
    """The processes are frozen for the moment in which their device list is not whole, and not for a manager that is
    stuck."""
    it = fake(version="257")
    bundle.linux["resources"] = {"pids": {"limit": 50}, "devices": [{"allow": False}]}
    c = sd.hold(bundle)
    before = devices_of(c)
    it.deaf = True
    asked = len(it.calls)
    argv = sd.argv("update", "--resources", write(sd.path("update.json"), json.dumps(document)), c.id)
    with subprocess.Popen(argv, env=short(), stderr=subprocess.PIPE, text=True) as p:
        until(lambda: len(it.calls) > asked, "the manager to be asked")
        assert c.status() == "running" and devices_of(c) == before
        assert p.communicate()[1] == "ocirun: update: systemd: ask about %s: no reply on unix:path=%s within %d s: " \
            "Connection timed out\n" % (unit_of(c), PRIVATE, LIMIT)
        assert p.returncode == 1
    assert c.status() == "running" and devices_of(c) == before
    assert number(where(c, "pids"), "pids.max") == 50
    it.deaf = "SetUnitProperties"
    result = sd.cmd("update", "--pids-limit", "60", c.id, env=short()).fails()
    assert result.err == "ocirun: update: systemd: set properties of %s: no reply on unix:path=%s within %d s: Connection " \
        "timed out; it may still be done\n" % (unit_of(c), PRIVATE, LIMIT)
    assert c.status() == "running" and devices_of(c) == before and number(where(c, "pids"), "pids.max") == 50
    it.deaf = None
    update(sd, c, document).ok()
    c.stop()


@pytest.mark.quick
@pytest.mark.parametrize("listed", [[{"allow": False}], [], [DISK]], ids=["closed", "none", "open"])
def test_update_that_the_manager_refuses(fake, sd, bundle, listed):
    """It is asked last, when the files are written: they are brought back, also a list of which the configuration knows
    a part."""
    it = fake(version="257")
    bundle.linux["resources"] = {"pids": {"limit": 50}, "devices": listed}
    c = sd.hold(bundle)
    place = cgroup_of(c.pid).get("devices")
    if place and listed == [{"allow": False}]:
        write(place + "/devices.allow", "c 1:11 r")
    before = devices_of(c)
    it.set_answer = Error("org.freedesktop.DBus.Error.Failed", "not today")
    document = {"pids": {"limit": 60}, "devices": [{"allow": False}, dict(DISK, access="rw")]}
    result = update(sd, c, document).fails()
    assert result.err == "ocirun: update: systemd: set properties of %s: not today\n" % unit_of(c)
    assert devices_of(c) == before and c.status() == "running"
    assert number(where(c, "pids"), "pids.max") == 50
    c.stop()


@pytest.mark.quick
def test_manager_of_another_pid_namespace(fake, sd, bundle):
    """The number of init there is not its number here: another process would get into the unit."""
    it = fake()
    argv = sd.argv
    sd.argv = lambda *a, **kw: ["unshare", "--pid", "--fork", "--mount-proc"] + argv(*a, **kw)
    result = sd.failing_create(bundle)
    assert result.err == "ocirun: create: systemd cgroup driver: the manager on unix:path=%s is in another pid " \
        "namespace; run ocirun in that one (engines: --pid host), or use --cgroup-manager cgroupfs\n" % PRIVATE
    assert not it.asked("StartTransientUnit")
