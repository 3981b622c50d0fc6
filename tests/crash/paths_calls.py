# SPDX-License-Identifier: LGPL-2.1-or-later
"""A pytest plugin: the rule of path_rule.py over tests/runtime.

    PYTHONPATH=tests/crash RUNTIME=build/ocirun python3 -m pytest -p paths_calls --paths 1500 tests/runtime

The runtime is put behind strace before the harness looks for it.  A test in which init uses a path ends
with an error.  N of --paths is how often init has to be seen until it executes its program: strace that sees
nothing finds nothing.
"""

import glob
import os
import shlex
import shutil
import tempfile

import pytest

import path_rule

# A hook that calls the runtime is traced already, with the runtime that runs it; inside a container there
# may be no strace.
SHELL = """#!/bin/sh
[ -x %s ] || exec "$@"
while read -r key value; do [ "$key" != TracerPid: ] || [ "$value" = 0 ] || exec "$@"; done </proc/self/status
exec %s -D -f -qq -s 4096 -e signal=none -e trace=%s -o %s/$$.trace "$@"
"""


class Paths:
    def __init__(self, least):
        self.least, self.seen, self.calls = least, 0, 0
        self.directory = tempfile.TemporaryDirectory(prefix="paths")
        self.wrapper = os.path.join(self.directory.name, "strace")
        strace = shutil.which("strace")
        with open(self.wrapper, "w", encoding="utf8") as f:
            f.write(SHELL % (strace, strace, path_rule.CALLS, self.directory.name))
        os.chmod(self.wrapper, 0o755)

    def judge(self):
        """What the commands since the last time did wrong."""
        found = []
        for name in glob.glob(self.directory.name + "/*.trace"):
            with open(name, encoding="utf8", errors="surrogateescape") as f:
                text = f.read()
            os.unlink(name)
            enters = "ocirun-init" in text and " move_mount(" not in text
            calls = path_rule.init_calls(text)
            self.calls += len(calls)
            self.seen += any(call == "execve" for call, _ in calls)
            found += path_rule.violations([("move_mount", "")] * enters + calls)
        return found

    def pytest_collection_modifyitems(self, config, items):
        """Leave out what cannot be the same under strace."""
        left_out = [item for item in items if item.get_closest_marker("untraced")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_teardown(self):
        outcome = yield
        outcome.get_result()
        found = self.judge()
        assert not found, "init uses paths:\n  " + "\n  ".join(found[:20])

    def pytest_sessionfinish(self, session):
        if self.seen < self.least and session.exitstatus == 0:
            session.exitstatus = 1

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.write_line("init was seen %d times, with %d calls; at least %d times were expected"
                                    % (self.seen, self.calls, self.least), red=self.seen < self.least)


def pytest_addoption(parser):
    parser.getgroup("paths").addoption("--paths", type=int, metavar="N", help="judge init's paths, N times at least")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config):
    least = early_config.known_args_namespace.paths
    if least is None:
        return
    paths = Paths(least)
    early_config.pluginmanager.register(paths)
    runtime = os.path.abspath(os.environ.get("RUNTIME") or os.environ["OCIRUN"])
    os.environ["RUNTIME"] = shlex.join([paths.wrapper, runtime])
