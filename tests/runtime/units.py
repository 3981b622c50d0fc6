# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the systemd cgroup driver share (test_systemd*.py): the questions to a real manager, and the place
for one that is none."""

import os
import re
import subprocess

import pytest

from harness import SLOWNESS, cgroup_layout, cgroup_of, read, until

V2 = cgroup_layout() == "v2"
SYSTEMD = ["--cgroup-manager", "systemd"]
PRIVATE, SYSTEM_BUS = "/run/systemd/private", "/run/dbus/system_bus_socket"
# These tests ask for units of root, and become an ordinary user themselves: sd_booted(3).
needs_systemd = pytest.mark.skipif(not os.path.isdir("/run/systemd/system") or os.geteuid() != 0,
                                   reason="needs systemd as init, and root")


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


def hidden(rt, script):
    """The runtime in a mount namespace whose /run is prepared by a script."""
    argv = rt.argv
    rt.argv = lambda *a, **kw: ["unshare", "-m", "sh", "-c",
                                "mount -t tmpfs run /run && " + script + " exec \"$@\"", "x"] + argv(*a, **kw)


def bound(rt, path, at):
    hidden(rt, "mkdir %s && : >%s && mount --bind %s %s &&" % (os.path.dirname(at), at, path, at))
