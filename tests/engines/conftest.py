# SPDX-License-Identifier: LGPL-2.1-or-later
"""The engines as fixtures, the leak guard around each test, and the list of expected skips."""

import fnmatch
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import engine  # noqa: E402
import harness  # noqa: E402

unexpected_skips = []


def pytest_configure(config):
    # being told to end is no reason to leave containers behind
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not config.option.collectonly:
        if os.geteuid() != 0:
            raise pytest.UsageError("these tests need root")
        config.before = set(harness.descendants())
        config.site = engine.Site()


def pytest_unconfigure(config):
    if hasattr(config, "site"):
        for pid in set(harness.descendants()) - config.before:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        harness.reap()
        config.site.close()


def pytest_report_header(config):
    return "runtime: %s" % engine.RUNTIME


# --- engines -----------------------------------------------------------------------------------------

def need(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip("no " + program)


@pytest.fixture(scope="session")
def site(request):
    return request.config.site


def storage(site):
    return ["--root", site.path("storage"), "--runroot", site.path("runroot"), "--storage-driver", "overlay"]


@pytest.fixture(scope="session")
def podman_engine(site):
    """podman with an image; the first run makes what stays: mounts, the cgroup of the monitors."""
    need("podman", "conmon")
    # Each podman mounts this on itself if it is not mounted yet, and unmounts it when nothing else is
    # mounted below; two at a time (one of them the monitor's, that cleans up) may leave it either way.
    harness.Guard.OTHERS.add(site.path("storage/overlay"))
    call = engine.Engine(site, ["podman"] + storage(site) + ["--tmpdir", site.path("libpod")])
    call("import", "--change", 'CMD ["/bin/sh"]', "--change", "ENV PATH=/bin", site.image(),
         engine.IMAGE).ok()
    call("run", "--rm", "--cgroup-parent", engine.PARENT, engine.IMAGE, "true").ok()
    return call


@pytest.fixture(scope="session")
def containerd(site, podman_engine):
    """A containerd with a socket of its own; gives ctr(1) for it."""
    need("containerd", "ctr", "containerd-shim-runc-v2")
    base = site.path("containerd")
    os.mkdir(base)
    config = engine.write(site.path("containerd.toml"), """version = 2
root = "%s/root"
state = "%s/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "%s/sock"
[ttrpc]
  address = "%s/sock.ttrpc"
""" % (base, base, base, base))
    with open(base + "/log", "w", encoding="utf8") as log:
        daemon = subprocess.Popen(["containerd", "-c", config], stdin=subprocess.DEVNULL, stdout=log,
                                  stderr=log, env=site.env, start_new_session=True)
    try:
        call = engine.Engine(site, ["ctr", "--address", base + "/sock"])
        engine.until(lambda: call("version").rc == 0, "containerd", 30)
        archive = site.path("bb.tar")
        podman_engine("save", "--format", "oci-archive", "-o", archive, engine.IMAGE).ok()
        call("image", "import", "--base-name", "localhost/bb", archive).ok()
        call.daemon, call.root = daemon, site.path("runc-root")
        yield call
    finally:
        daemon.terminate()
        try:
            daemon.wait(timeout=20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


# --- what a test gets: the engine, and nothing left behind afterwards ------------------------------------

def run_guarded(request, forget, value):
    """Give @value to the test; then remove what it left, and complain if something remains."""
    before = harness.Guard.take()
    names = engine.states("/run/" + engine.NAME)
    failed = request.session.testsfailed
    yield value
    try:
        forget()
        harness.Guard.compare(before, 10)
        assert engine.states("/run/" + engine.NAME) == names
    except AssertionError:
        harness.Guard.clean(before)
        for name in set(engine.states("/run/" + engine.NAME)) - set(names):
            subprocess.run([engine.RUNTIME, "delete", "--force", name], timeout=20, check=False)
        # A failure of the test itself is reason enough to find something.
        if request.session.testsfailed == failed:
            raise


@pytest.fixture
def podman(request, podman_engine):
    def forget():
        podman_engine("pod", "rm", "--all", "--force", "--time", "1").ok()
        # podman's own clean-up of a container that has ended goes on beside it (EBUSY): the second has to succeed
        if podman_engine("rm", "--all", "--force", "--time", "1").rc != 0:
            podman_engine("rm", "--all", "--force", "--time", "1").ok()
        podman_engine("volume", "rm", "--all", "--force").ok()
        # podman forgets the cgroup of a pod where it sets no limits
        for path in harness.cgroup_dirs():
            if re.search(engine.PARENT + "/[0-9a-f]{64}$", path):
                os.rmdir(path)

    yield from run_guarded(request, forget, podman_engine)


@pytest.fixture
def buildah(request, site, podman_engine):
    need("buildah")
    call = engine.Engine(site, ["buildah"] + storage(site))
    yield from run_guarded(request, lambda: call("rm", "--all").ok(), call)


@pytest.fixture
def ctr(request, containerd):
    def forget():
        for line in containerd("task", "ls").ok().lines[1:]:
            containerd("task", "kill", "--signal", "SIGKILL", "--all", line.split()[0])
            containerd("task", "rm", "--force", line.split()[0])
        for name in containerd("container", "ls", "-q").ok().lines:
            containerd("container", "rm", name).ok()

    yield from run_guarded(request, forget, containerd)


@pytest.fixture
def guard(request):
    yield from run_guarded(request, lambda: None, None)


# --- skips ------------------------------------------------------------------------------------------------

def expected_skips():
    with open(os.path.join(engine.HERE, "skips.txt"), encoding="utf8") as f:
        lines = [line.partition("|")[0].strip() for line in f]
    return [line for line in lines if line and not line.startswith("#")]


def pytest_runtest_logreport(report):
    if report.skipped and not any(fnmatch.fnmatch(os.path.basename(report.nodeid), p)
                                  for p in expected_skips()):
        unexpected_skips.append((report.nodeid, report.longrepr[2] if report.longrepr else ""))


def pytest_sessionfinish(session):
    if unexpected_skips and session.exitstatus == 0:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    for nodeid, reason in unexpected_skips:
        terminalreporter.write_line("unexpected skip: %s: %s" % (nodeid, reason), red=True)
