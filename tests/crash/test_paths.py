# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rule of path_rule.py, and that it finds what it has to."""

import pytest

import bundles
from harness import read
from path_rule import CALLS, init_calls, violations

pytestmark = pytest.mark.quick


def trace_of(rt, *argv):
    path = rt.path("strace")
    saved, rt.command = rt.command, ["strace", "-f", "-o", path, "-s", "4096", "-e", "trace=" + CALLS] + rt.command
    try:
        rt.cmd(*argv).ok()
    finally:
        rt.command = saved
    return read(path)


@pytest.mark.parametrize("config", bundles.ALL)
def test_init(rt, config):
    bundle = bundles.ALL[config](rt).args("/bin/true")
    bundle.save()
    calls = init_calls(trace_of(rt, "run", "--bundle", bundle.dir, rt.new_id()))
    assert len(calls) > 50
    assert any(call == "execve" for call, _ in calls), "the program was not executed"
    found = violations(calls)
    assert not found, "\n".join(found)


def test_exec(rt):
    container = rt.hold(bundles.full(rt))
    calls = init_calls(trace_of(rt, "exec", container.id, "/bin/true"))
    assert any(call == "execve" for call, _ in calls), "the program was not executed"
    found = violations([("move_mount", "")] + calls)
    assert not found, "\n".join(found)


def test_the_test():
    """The control: what must be found is found."""
    attached = [("move_mount", "")]
    for call in [("openat", 'AT_FDCWD, "/etc/passwd", O_RDONLY) = 3'),
                 ("openat", '5, "a/b", O_RDONLY) = 3'), ("mkdirat", '5, "a/b", 0755) = 0'),
                 ("openat", 'AT_FDCWD, "/lib/libnss_files.so.2", O_RDONLY) = 3')]:
        assert violations(attached + [call]), call
    assert not violations(attached + [("openat", '5, "name", O_PATH) = 3')])
