# SPDX-License-Identifier: LGPL-2.1-or-later
"""A system call that fails: EIO, ENOMEM, and EINTR where a call can be interrupted.

The command succeeds all the same, because the call was not needed or there is another way, or it fails
with one line and leaves nothing behind. Of each kind of call the first three and the last are tried;
OCIRUN_CRASH_ALL=1 tries them all.
"""

import errno
import os

import pytest

import bundles
from crash import fault_points
from harness import pid_wait

pytestmark = pytest.mark.quick
ALL_CALLS = bool(os.environ.get("OCIRUN_CRASH_ALL"))


def sweep(crash, calls, process, args, before, judge, prepare=None):
    points = fault_points(calls, process, crash.tools, ALL_CALLS)
    reached = 0
    for index, name, occurrence, error in points:
        label = "call %d %s (%d) %s" % (index + 1, name, occurrence, errno.errorcode[error])
        with crash.point(label, before):
            if prepare:
                prepare()
            number = crash.tools.numbers[name]
            result = crash.inject(["-p", process, "-c", number, "-w", occurrence], error, *args)
            reached += crash.hit
            judge(result, index)
    # The last of a kind may not be reached where hooks or the program are faster than they were.
    if not crash.problems:
        assert reached >= len(points) * 0.75, "only %d of %d calls were reached" % (reached, len(points))
    crash.report(max(1, len(points)))


@pytest.mark.parametrize("config,process", [("plain", 0), ("full", 0), ("userns", 0), ("plain", 1), ("full", 1),
                                            ("userns", 1), ("userns", 2)])
def test_create(crash, rt, config, process):
    create(crash, rt, crash.warm(bundles.ALL[config](rt).args("/bin/true")), process)


def test_create_compiles_the_filter(crash, rt):
    """As before, but that there is no cache of filters."""
    bundle = rt.bundle().args("/bin/true")
    bundle.linux["seccomp"] = bundles.SECCOMP
    create(crash, rt, bundle, 0, crash.cool)


def create(crash, rt, bundle, process, prepare=None):
    bundle.save()
    before = crash.take()
    ident = rt.new_id()
    args = ("create", "--bundle", bundle.dir, "--pid-file", crash.work + "/pid", ident)
    calls = crash.list(*args)[process]
    os.unlink(crash.work + "/pid")
    crash.delete(ident, before)

    def judge(result, _):
        if result.rc == 0:
            assert result.err == "", "succeeds, but says " + result.err
            # init may have met the error right after it was committed
            assert crash.status(ident) in ("created", "stopped")
            os.unlink(crash.work + "/pid")
            crash.delete(ident, before)
        else:
            crash.one_line(result)
            crash.gone(before)

    sweep(crash, calls, process, args, before, judge, prepare)


@pytest.mark.parametrize("process", [0, 1])
def test_run(crash, rt, process):
    bundle = crash.warm(bundles.full(rt).args("/bin/true"))
    before = crash.take()
    ident = rt.new_id()
    args = ("run", "--bundle", bundle.dir, ident)
    calls = crash.list(*args)[process]
    # the program has ended where the last unlinkat calls are
    removing = max(i for i, name in enumerate(calls) if name == "recvmsg")

    def judge(result, index):
        if result.rc:
            crash.one_line(result)
        else:
            assert result.err == "", "succeeds, but says " + result.err
        # After the program's end run has one thing left to do, remove; where that fails, and it says so,
        # it is delete's to finish.
        if process == 0 and index > removing and result.rc:
            crash.delete(ident, before)
        crash.gone(before)

    sweep(crash, calls, process, args, before, judge)


def test_start(crash, rt):
    bundle = bundles.full(rt).hold()
    bundle.save()
    before = crash.take()
    ident = rt.new_id()

    def create():
        rt.cmd("create", "--bundle", bundle.dir, ident).ok()

    def judge(result, _):
        if result.rc:
            crash.one_line(result)
        else:
            assert result.err == "", "succeeds, but says " + result.err
            assert crash.status(ident) == "running"
        crash.legible(ident)
        crash.delete(ident, before)

    create()
    calls = crash.list("start", ident)[0]
    crash.delete(ident, before)
    sweep(crash, calls, 0, ("start", ident), before, judge, create)


@pytest.mark.parametrize("process", [0, 1, 2])
def test_exec(crash, rt, process):
    """The container does not notice."""
    container = rt.hold(bundles.full(rt))
    before = crash.take()
    args = ("exec", container.id, "/bin/true")
    calls = crash.list(*args)[process]

    def judge(result, _):
        if result.rc:
            assert result.rc == 255, "status %d" % result.rc
            assert result.err.count("\n") == 1, "not one line: %r" % result.err
        else:
            assert result.err == "", "succeeds, but says " + result.err
        crash.gone(before)
        assert container.status() == "running"

    sweep(crash, calls, process, args, before, judge)
    container.exec("/bin/true").ok()


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_delete(crash, rt, state):
    """A delete that fails says why, and can be repeated."""
    bundle = bundles.full(rt).hold()
    bundle.save()
    before = crash.take()
    ident = rt.new_id()

    def prepare():
        rt.cmd("create", "--bundle", bundle.dir, ident).ok()
        rt.cmd("start", ident).ok()
        if state == "stopped":
            pid = rt.state(ident)["pid"]
            rt.cmd("kill", ident, "KILL").ok()
            pid_wait(pid)

    def judge(result, _):
        if result.rc:
            crash.one_line(result)
            crash.delete(ident, before)
        else:
            assert result.err == "", "succeeds, but says " + result.err
            crash.gone(before)

    prepare()
    calls = crash.list("delete", "--force", ident)[0]
    crash.gone(before)
    sweep(crash, calls, 0, ("delete", "--force", ident), before, judge, prepare)
