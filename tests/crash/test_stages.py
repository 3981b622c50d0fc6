# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each stage of each table fails, or is where the process dies: needs --enable-fault-injection.

The tables are read from the sources, so a new stage is tested from the day it is there.
"""

import os
import re
import subprocess

import pytest

import bundles
import crash as crash_module
from harness import read

SRC = os.path.join(os.path.dirname(os.path.dirname(crash_module.HERE)), "src")


def tables():
    """[(side, table, stage)] in order, from `stages_run("table", array` and the arrays."""
    found = []
    for side, name in (("host", "create"), ("host", "exec"), ("host", "delete"), ("init", "init")):
        text = read("%s/%s/%s.c" % (SRC, side, name))
        arrays = {array: re.findall(r'\{"([\w-]+)",', body) for array, body in
                  re.findall(r"struct stage (\w+)\[\] = \{(.*?)\n\};", text, re.S)}
        for table, array in re.findall(r'(?:stages_run|\brun)\("(\w[\w-]*)", (\w+),', text):
            found += [(side, table, stage) for stage in dict.fromkeys(arrays[array])]
    return found


TABLES = tables()


def can_inject(rt):
    binary = rt.command[0]
    return b"OCIRUN_FAIL" in subprocess.run(["strings", "-a", binary], capture_output=True, check=True).stdout


@pytest.fixture(autouse=True)
def injectable(rt):
    assert can_inject(rt), "built without --enable-fault-injection"


def test_tables_are_found():
    names = {(side, table) for side, table, _ in TABLES}
    assert {("host", "create"), ("host", "exec"), ("host", "delete"), ("init", "init"), ("init", "start"),
            ("init", "enter")} <= names
    assert len(TABLES) > 60


@pytest.mark.parametrize("how", [pytest.param("FAIL", marks=pytest.mark.quick), "KILL"])
@pytest.mark.parametrize("side,table,stage", TABLES, ids=["%s-%s-%s" % t for t in TABLES])
def test_stage(crash, rt, side, table, stage, how):
    env = {**os.environ, "OCIRUN_" + how: "%s:%s" % (table, stage)}
    before = crash.take()
    ident = rt.new_id()
    bundle = bundles.full(rt)

    if table in ("exec", "enter"):
        rt.hold(bundle, ident=ident)
        inside = crash.take()
        result = rt.cmd("exec", ident, "/bin/true", env=env)
        found = crash.left(inside)
        status = crash.status(ident)
        crash.delete(ident, before)
        assert not found, found
        assert status == "running"
        judge(crash, result, how, stage)
    elif table == "delete":
        bundle.hold().save()
        rt.start(bundle, ident=ident)
        result = rt.cmd("delete", "--force", ident, env=env)
        crash.legible(ident)
        crash.delete(ident, before)
        judge(crash, result, how, stage)
    else:
        bundle.args("/bin/true").save()
        result = rt.cmd("run", "--bundle", bundle.dir, ident, env=env)
        if how == "KILL" and side == "host":
            crash.legible(ident)
            crash.delete(ident, before)
        else:
            crash.gone(before)
        judge(crash, result, how, stage)


def judge(crash, result, how, stage):
    if how == "FAIL":
        crash.one_line(result)
        assert "injected failure" in result.err, result.err
    else:
        assert result.rc, "stage %s was not reached" % stage
