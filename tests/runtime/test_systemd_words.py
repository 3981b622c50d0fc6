# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ocirun says to the mistakes with the systemd cgroup driver, word for word; test_diagnostics.py sees that
docs/diagnostics.md says so too. What is said before a manager is asked is looked at without one."""

import os
import re
import subprocess

import pytest

import diagnostics
from harness import until
from units import V2, gone, hidden, needs_systemd, state_of

pytestmark = [pytest.mark.ocirun_only, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

UNIT = "p-d.scope"
PROPERTY = "org.systemd.property."

BEFORE = {      # mistake -> (cgroupsPath, annotations, words)
    "a slice without its suffix": ("machine:p:d", {}, "linux.cgroupsPath: \"machine\" is not the name of a slice; did "
                                   "you mean machine.slice?"),
    "a slice with an empty level": ("a--b.slice:p:d", {}, "linux.cgroupsPath: \"a--b.slice\" is not the name of a slice; "
                                    "dashes are levels: \"a-b.slice\" is below \"a.slice\", \"-.slice\" is the root"),
    "a path instead of SLICE:PREFIX:NAME": (
        "/a/b", {}, "linux.cgroupsPath: \"/a/b\" is not SLICE:PREFIX:NAME; the systemd driver takes SLICE:PREFIX:NAME, for "
        "instance system.slice:ocirun:NAME; --cgroup-manager cgroupfs takes paths"),
    "a name of 260 bytes": ("::" + "x" * 260, {}, "linux.cgroupsPath: \"::xxx…\" is too long; the unit "
                            "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\" may have 255 bytes, and has 266"),
    "a property that is no GVariant": (
        "system.slice:p:d", {"CollectMode": "inactive"}, "annotations.org.systemd.property.CollectMode: \"inactive\" is "
        "not a value; GVariant's notation: true, 7, uint64 7, 'text', ['a', 'b']"),
}
ASKED = {       # mistake -> (cgroupsPath, annotations, words)
    "a property of the wrong type": (
        "system.slice:p:d", {"TimeoutStopUSec": "7"}, "annotations.org.systemd.property.TimeoutStopUSec: has the D-Bus "
        "type \"i\", systemd's TimeoutStopUSec has \"t\"; write it as \"uint64 NUMBER\""),
    "a property that there is not": (
        "system.slice:p:d", {"NoSuchThing": "7"}, "annotations.org.systemd.property.NoSuchThing: systemd 257 has no such "
        "property for p-d.scope, or it cannot be set; org.freedesktop.systemd1(5) lists them"),
    "a value that systemd refuses": (
        "system.slice:p:d", {"KillSignal": "1000"}, "annotations.org.systemd.property.KillSignal: systemd: start "
        "p-d.scope: Invalid KillSignal setting: 1000"),
    "cpus that do not exist": (
        "system.slice:p:d", {}, "linux.resources.cpu.cpus: write 900 to cpuset.cpus of cgroup /system.slice/p-d.scope: "
        "Numerical result out of range; the cgroups above leave it cpus 0-N"),
}
NO_BUS = "systemd cgroup driver: no bus: neither /run/systemd/private nor /run/dbus/system_bus_socket is a socket; " \
    "without systemd on this machine, use --cgroup-manager cgroupfs"
EXISTS = "systemd: unit p-d.scope exists, it is active: File exists; another container or service has that name: choose " \
    "another id, or another linux.cgroupsPath"


def page():
    """All of them, as the page has to have them."""
    return {**{mistake: words for mistake, (_, _, words) in {**BEFORE, **ASKED}.items()},
            "no bus": NO_BUS, "the unit exists": EXISTS}


def said(sd, bundle, path="system.slice:p:d", annotations={}):
    bundle.linux["cgroupsPath"] = path
    bundle.config["annotations"] = {PROPERTY + name: value for name, value in annotations.items()}
    text = diagnostics.text_of(sd.failing_create(bundle))
    return re.sub(r"systemd \d+ ", "systemd 257 ", re.sub("\"::x{126}\"", "\"::xxx…\"", text))


def test_no_bus(sd, bundle):
    hidden(sd, "")
    assert said(sd, bundle) == NO_BUS


@pytest.mark.parametrize("mistake", list(BEFORE))
def test_words_before_anybody_is_asked(fake, sd, bundle, mistake):
    it = fake()
    path, annotations, words = BEFORE[mistake]
    assert said(sd, bundle, path, annotations) == words
    assert not it.calls


@pytest.mark.machine
@needs_systemd
@pytest.mark.skipif(not V2, reason="the page's are of cgroup v2")
@pytest.mark.parametrize("mistake", list(ASKED))
def test_words(sd, bundle, mistake):
    path, annotations, words = ASKED[mistake]
    if "cpus" in mistake:
        bundle.linux["resources"] = {"cpu": {"cpus": "900"}}
    assert said(sd, bundle, path, annotations) == words
    gone(UNIT)


@pytest.mark.machine
@needs_systemd
def test_unit_exists(sd, bundle):
    holder = subprocess.Popen(["systemd-run", "--quiet", "--scope", "--unit=" + UNIT, "sleep", "1000"])
    try:
        until(lambda: state_of(UNIT)["ActiveState"] == "active")
        assert said(sd, bundle) == EXISTS
    finally:
        holder.kill()
        holder.wait()
    gone(UNIT)
