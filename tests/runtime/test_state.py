# SPDX-License-Identifier: LGPL-2.1-or-later
"""The state document: requirements 8, 10, 11, 14-17, 38."""

import json
import os
import re

import pytest

from harness import until


def valid(state):
    """state-schema.json, by hand."""
    assert isinstance(state["ociVersion"], str) and re.match(r"^\d+\.\d+\.\d+", state["ociVersion"])
    assert isinstance(state["id"], str) and state["id"]
    assert state["status"] in ("creating", "created", "running", "paused", "stopped")
    assert os.path.isabs(state["bundle"])
    assert isinstance(state.get("pid", 0), int) and state.get("pid", 0) >= 0
    for key, value in state.get("annotations", {}).items():
        assert isinstance(key, str) and isinstance(value, str)
    return state


@pytest.mark.quick
def test_r008_r017_r038_all_statuses(rt, bundle):
    bundle.config["annotations"] = {"org.example.a": "b"}
    c = rt.create(bundle.hold())
    seen = {}
    for status in ("created", "running", "stopped"):
        if status == "running":
            c.start().ok()
        if status == "stopped":
            pid = c.pid
            c.kill("KILL").ok()
            c._pid = pid
            c.wait()
        state = seen[status] = valid(c.state())
        assert state["status"] == status
        assert state["id"] == c.id
        assert state["bundle"] == os.path.realpath(bundle.dir)
        assert state["annotations"]["org.example.a"] == "b"
    assert seen["created"]["pid"] == seen["running"]["pid"] == c.pid > 0
    assert seen["stopped"].get("pid", 0) == 0


def test_r011_pid_exists(rt, bundle):
    c = rt.create(bundle.args("/bin/true"))
    assert os.path.exists("/proc/%d" % c.state()["pid"])


def test_r014_bundle_absolute(rt, bundle):
    bundle.args("/bin/true").save()
    ident = rt.new_id()
    rt.cmd("create", "--bundle", ".", ident, cwd=bundle.dir).ok()
    assert rt.state(ident)["bundle"] == os.path.realpath(bundle.dir)
    rt.cmd("delete", "-f", ident).ok()


def test_r015_no_annotations(rt, bundle):
    bundle.config.pop("annotations", None)
    assert rt.create(bundle).state().get("annotations", {}) == {}


def test_annotations_unicode(rt, bundle):
    values = {"k.é\"\\\n\t": "v\u0001 \U0001f40b", "z": "<>&"}
    bundle.config["annotations"] = values
    assert rt.create(bundle).state()["annotations"] == values


def test_r010_paused(rt, bundle):
    c = rt.hold(bundle)
    rt.cmd("pause", c.id).ok()
    assert valid(c.state())["status"] == "paused"
    rt.cmd("resume", c.id).ok()
    assert c.status() == "running"
    c.stop()


def test_r016_engine_members(rt, bundle):
    state = rt.create(bundle).state()
    assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$", state["created"])
    assert state["rootfs"]


def test_stopped_by_zombie(rt, bundle):
    # we do not wait for the process: a zombie is stopped
    c = rt.start(bundle.args("/bin/true"))
    until(lambda: c.status() == "stopped", "status stopped")
    c.delete().ok()


@pytest.mark.ocirun_only
def test_exit_status_of_stopped(rt, bundle):
    c = rt.start(bundle.sh("exit 7"))
    until(lambda: c.status() == "stopped", "status stopped")
    state = c.state()
    assert 7 in [v for v in state.values() if isinstance(v, int)], state


def test_state_is_one_document_and_quiet(rt, bundle):
    c = rt.create(bundle)
    result = rt.cmd("state", c.id).ok()
    json.loads(result.out)
    assert result.err == ""


def test_concurrent_readers(rt, bundle):
    c = rt.hold(bundle)
    procs = [rt.popen("state", c.id) for _ in range(8)]
    for p in procs:
        assert json.loads(rt.finish(p).ok().out)["status"] == "running"
    c.stop()
