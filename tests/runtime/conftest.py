# SPDX-License-Identifier: LGPL-2.1-or-later
"""pytest's side of the harness: fixtures, the leak guard around each test, lists of skips and of
failures known of other runtimes, and a summary line."""

import fnmatch
import os
import re
import signal
import sys
import time
import zlib

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import manager  # noqa: E402
import units  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
COMMAND = harness.find_runtime()
NAME = harness.runtime_name(COMMAND)
counts = {"passed": 0, "failed": 0, "skipped": 0, "xfailed": 0}
unexpected_skips = []
DAY = int(os.environ.get("RUNTIME_DAY", time.time() // 86400))


def pytest_configure(config):
    config.addinivalue_line("markers", "quick: a representative subset")
    config.addinivalue_line("markers", "machine: what virtual machines are for; tests/vm/check runs these too")
    config.addinivalue_line("markers", "untraced(why): not the same under strace; tests/crash/paths_calls.py"
                            " leaves it out")
    config.addinivalue_line("markers", "ocirun_only: policy of ocirun, not asked of other runtimes")
    config.addinivalue_line("markers", "separate_init: of a build with ocirun-init, as root; not"
                            " collected otherwise")
    config.addinivalue_line("markers", "lsm(name): needs this security module; not collected without")
    config.addinivalue_line("markers", "no_lsm(name): needs it to be off; not collected otherwise")
    wanted = set(os.environ.get("RUNTIME_LSM", "").split()) - harness.lsms_on()
    if wanted:
        raise pytest.UsageError("RUNTIME_LSM: %s is not on here" % " ".join(sorted(wanted)))
    # what is ignored here (nohup, a shell's background) the runtimes would ignore too; a handler they do not inherit
    for sig in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(sig) is signal.SIG_IGN:
            signal.signal(sig, lambda *_: None)
    # being told to end is no reason to leave containers behind
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not config.option.collectonly and not hasattr(config, "workerinput"):
        harness.isolate(NAME)
        config.base = harness.Base()
        config.base.layout = harness.cgroup_layout()


def pytest_unconfigure(config):
    if hasattr(config, "base"):
        config.base.close()


def environment(config):
    """The names of what this machine is, from the general to the special."""
    who = "root" if os.geteuid() == 0 else "rootless"
    layout = config.base.layout if hasattr(config, "base") else "none"
    return [who, "%s-%s" % (who, layout), "systemd" if os.path.isdir("/run/systemd/system") else "no-systemd"]


def read_list(name, sections=None):
    """[(pattern, reason)] of a list file; lines '[name]' begin a section."""
    entries, current = [], None
    path = os.path.join(HERE, name)
    if not os.path.exists(path):
        return entries
    for line in open(path, encoding="utf8"):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        header = re.fullmatch(r"\[([\w-]+)\]", line)
        if header:
            current = header.group(1)
        elif sections is None or current in sections:
            pattern, _, reason = line.partition("|")
            entries.append((pattern.strip(), reason.strip()))
    return entries


def matches(nodeid, pattern):
    # '[' has no special meaning: parameters are written as pytest prints them
    file, _, name = nodeid.partition("::")
    return fnmatch.fnmatch(os.path.basename(file) + "::" + name, pattern.replace("[", "[[]"))


def is_for_here(item):
    """Whether the test is for this runtime and build, and for this machine's security modules."""
    if item.get_closest_marker("ocirun_only") and NAME != "ocirun":
        return False
    if item.get_closest_marker("separate_init") and not (
            os.geteuid() == 0 and os.path.exists(harness.separate_init(COMMAND[0]))):
        return False
    on = harness.lsms_on()
    return (all(mark.args[0] in on for mark in item.iter_markers("lsm"))
            and not any(mark.args[0] in on for mark in item.iter_markers("no_lsm")))


def expected(config, items):
    """Of $RUNTIME_EXPECTED, a list of what cannot work on this machine: it is run, and has to fail. An entry without
    a test is an error, where all tests of the file are there."""
    path = os.environ.get("RUNTIME_EXPECTED")
    if path and not os.path.exists(path):
        raise pytest.UsageError("RUNTIME_EXPECTED: there is no %s" % path)
    entries = read_list(path) if path else []
    files = {os.path.basename(item.nodeid.partition("::")[0]) for item in items}
    for pattern, _ in entries:
        if (pattern.partition("::")[0] in files and not any("::" in word for word in config.args)
                and not any(matches(item.nodeid, pattern) for item in items)):
            raise pytest.UsageError("%s: there is no test %s" % (path, pattern))
    return [(pattern, "not here: " + reason) for pattern, reason in entries]


def is_of_today(item, variable):
    """Whether the test is of those that this day has, where $variable says that each Nth will do."""
    step = int(os.environ.get(variable, "1"))
    return (zlib.crc32(item.nodeid.encode()) + DAY) % step == 0


def pytest_collection_modifyitems(config, items):
    known = read_list("known_%s.txt" % NAME) + expected(config, items)
    keep, drop = [], []
    for item in items:
        if not is_for_here(item) or not is_of_today(item, "RUNTIME_STRIDE"):
            drop.append(item)
            continue
        keep.append(item)
        for pattern, reason in known:
            if matches(item.nodeid, pattern):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=not reason.startswith("sometimes"),
                                                  run=not reason.startswith("hangs")))
    items[:] = keep
    if drop:
        config.hook.pytest_deselected(items=drop)


def pytest_runtest_setup(item):
    """Looking for leaks is two thirds of the time of a command under the sanitizers."""
    if "RUNTIME_LEAKS_STRIDE" in os.environ:
        leaks = "detect_leaks=%d" % is_of_today(item, "RUNTIME_LEAKS_STRIDE")
        others = [o for o in os.environ.get("ASAN_OPTIONS", "").split(":") if o and "detect_leaks" not in o]
        os.environ["ASAN_OPTIONS"] = ":".join(others + [leaks])


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run the test; whatever it leaves is removed, and is a failure of the test."""
    funcargs = {a: pyfuncitem.funcargs[a] for a in pyfuncitem._fixtureinfo.argnames}
    # also where the test has it by way of another fixture
    rt = pyfuncitem.funcargs.get("rt")
    if rt is None:
        pyfuncitem.obj(**funcargs)
        return True
    try:
        pyfuncitem.obj(**funcargs)
        rt.cleanup()
        assert not rt.states(), "state left behind: %s" % rt.states()
        harness.Guard.compare(rt.before)
    except BaseException:
        try:
            rt.cleanup()
        finally:
            harness.Guard.clean(rt.before)
        raise
    return True


@pytest.fixture
def rt(request):
    before = harness.Guard.take()
    base = request.config.base
    runtime = harness.Runtime(base, COMMAND, NAME)
    runtime.before = before
    if base.spec is None:
        base.spec = make_spec(runtime)
    yield runtime
    runtime.close()


@pytest.fixture
def bundle(rt):
    return rt.bundle()


def make_spec(runtime):
    import json
    directory = runtime.path("spec")
    os.mkdir(directory)
    runtime.cmd("spec", cwd=directory).ok()
    runtime.cleanup()
    return json.loads(harness.read(directory + "/config.json"))


def pytest_report_header(config):
    return "runtime: %s (%s), environment %s" % (" ".join(COMMAND), NAME, ", ".join(environment(config)))


def pytest_runtest_logreport(report):
    if report.skipped and not hasattr(report, "wasxfail"):
        counts["skipped"] += 1
        unexpected_skips.append((report.nodeid, report.longrepr[2] if report.longrepr else ""))
    elif report.skipped:
        counts["xfailed"] += 1
    elif report.failed:
        counts["failed"] += 1
    elif report.when == "call":
        counts["passed"] += 1


def pytest_sessionfinish(session):
    allowed = read_list("skips.txt", environment(session.config))
    unexpected_skips[:] = [s for s in unexpected_skips
                           if not any(matches(s[0], pattern) for pattern, _ in allowed)]
    if unexpected_skips and session.exitstatus == 0:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    for nodeid, reason in unexpected_skips:
        terminalreporter.write_line("unexpected skip: %s: %s" % (nodeid, reason), red=True)
    for name in {"RUNTIME_STRIDE", "RUNTIME_LEAKS_STRIDE"} & set(os.environ):
        terminalreporter.write_line("a part of all: %s=%s RUNTIME_DAY=%d" % (name, os.environ[name], DAY))
    terminalreporter.write_line("%(passed)d passed, %(failed)d failed, %(skipped)d skipped" % counts
                                + (", %d known of %s" % (counts["xfailed"], NAME) if counts["xfailed"] else ""))


@pytest.fixture
def v2(rt):
    """The runtime on a machine of cgroup v2 alone, or in the view of one."""
    if harness.v2_top() is None:
        pytest.skip("no cgroup v2")
    command = rt.command
    if len(harness.cgroup_mounts()) > 1:
        rt.command = harness.V2_VIEW + command
    yield rt
    rt.command = command


@pytest.fixture
def sd(rt):
    """rt with the driver on create and run only, as engines call."""
    command = rt.command

    def argv(*args, globals=()):
        more = units.SYSTEMD if args and args[0] in ("create", "run") else []
        return command + ["--root", rt.root, *more, *globals, *args]

    rt.argv = argv
    yield rt


@pytest.fixture
def fake(sd):
    """A function that puts a service manager of manager.py where the runtime looks for one."""
    def make(at=units.PRIVATE, **behaviour):
        path = sd.path("socket")
        it = manager.Manager(path, **behaviour)
        sd.cleanups.append(it.close)
        units.bound(sd, path, at)
        return it
    yield make
