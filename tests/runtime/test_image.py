# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which file init is executed from: the small one of the same build, if nobody else can write to it."""

import os
import re
import shutil

import pytest

import harness
from harness import read

# root: of an ordinary user's init nobody may see what it executes
pytestmark = [pytest.mark.ocirun_only, pytest.mark.separate_init]

RUNTIME = harness.find_runtime()[0]
INIT = harness.separate_init(RUNTIME)


def executed(rt, bundle, runtime, expected):
    """A waiting init of @runtime was executed from @expected."""
    rt.command = [runtime]
    c = rt.create(bundle)
    try:
        assert os.path.samefile("/proc/%d/exe" % c.pid, expected)
        assert os.statvfs("/proc/%d/exe" % c.pid).f_flag & os.ST_RDONLY
    finally:
        c.delete("--force").ok()


@pytest.fixture
def copies(rt):
    """Copies of both files in a directory of their own."""
    os.mkdir(rt.path("bin"))
    os.chmod(rt.path("bin"), 0o755)
    return [shutil.copy(f, rt.path("bin")) for f in (RUNTIME, INIT)]


def test_init_of_this_build(rt, bundle):
    executed(rt, bundle, RUNTIME, INIT)


def test_beside_a_copy(rt, bundle, copies):
    executed(rt, bundle, copies[0], copies[1])


def test_runtime_copied_alone(rt, bundle, copies):
    os.unlink(copies[1])
    executed(rt, bundle, copies[0], copies[0])
    assert rt.sh(rt.bundle("echo alone")) == "alone\n"


def test_of_another_build(rt, bundle, copies):
    with open(copies[1], "r+b") as f:
        head = f.read(4096)
        place = re.search(rb"[0-9a-f]{64}\0", head).start()
        f.seek(place)
        f.write(b"f" if head[place:place + 1] != b"f" else b"0")
    executed(rt, bundle, copies[0], copies[0])


def test_something_else_of_that_name(rt, bundle, copies):
    shutil.copy("/bin/true", copies[1])
    executed(rt, bundle, copies[0], copies[0])
    os.unlink(copies[1])
    os.mkfifo(copies[1])
    executed(rt, rt.bundle(), copies[0], copies[0])


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o4755])
def test_that_others_may_write(rt, bundle, copies, mode):
    os.chmod(copies[1], mode)
    executed(rt, bundle, copies[0], copies[0])


def test_of_somebody_else(rt, bundle, copies):
    os.chown(copies[1], 12345, 12345)
    executed(rt, bundle, copies[0], copies[0])
    # who owns the runtime itself is believed
    os.chown(copies[0], 12345, 12345)
    os.chmod(copies[0], 0o755)
    executed(rt, rt.bundle(), copies[0], copies[1])


def test_exec_too(rt, bundle, copies):
    rt.command = [copies[0]]
    c = rt.hold(bundle)
    assert c.sh("echo inside") == "inside\n"
    c.stop()


def test_waits_with_little_memory(rt, bundle):
    """Below 200 kB of its own, also after somebody asked for the state."""
    c = rt.create(bundle)
    assert c.status() == "created"
    c.status()
    rollup = read("/proc/%d/smaps_rollup" % c.pid)
    private = sum(int(n) for n in re.findall(r"^Private_(?:Clean|Dirty): +(\d+)", rollup, re.M))
    assert 0 < private < 200
    c.start().ok()
    c.wait()
