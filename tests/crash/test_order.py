# SPDX-License-Identifier: LGPL-2.1-or-later
"""What init does, and in which order: the fixed list of the design, compared with what --trace shows."""

import json
import re

import pytest

import bundles
from harness import read

pytestmark = pytest.mark.quick

# The configuration is read where it costs no time, so `config` is not in the first list. The order of security matters: a label before the key ring that
# bears it, sysctl before /proc/sys is read-only, a filter before the capability goes that loads it.
ORDER = """
namespaces cgroup hostname sources rootfs mounts devices console cwd-make mounted hooks pivot-root
sysctl readonly-paths masked-paths rootfs-finish keyring memory-policy personality lsm terminal
seccomp-filter seccomp credentials cwd program forget created
""".split()
AFTER_START = "hooks descriptors limits seccomp exec".split()
EXEC = """config namespaces root console keyring memory-policy personality lsm terminal seccomp-filter
seccomp credentials cwd program forget descriptors""".split()
HOST = "store cgroup init cgroup-enter mount-sources seccomp mounted hooks-create ready limits commit".split()
DELETE = "status creator init cgroup mounts store poststop".split()


def spans(path):
    """[(table, stage)] in the order in which they began"""
    text = read(path).rstrip().rstrip(",")
    events = json.loads(text + ("" if text.endswith("]") else "]"))
    spans_ = [(e["ts"], e["name"]) for e in events if e["ph"] == "X" and "/" in e["name"]]
    return [tuple(name.split("/", 1)) for _, name in sorted(spans_, key=lambda s: s[0])]


def stages(path, table, of):
    """Only stages that the list names: others may come in between."""
    return [stage for t, stage in spans(path) if t == table and stage in of]


@pytest.mark.parametrize("config", ["full", "userns", "plain"])
def test_create_and_start(rt, config):
    bundle = bundles.ALL[config](rt).hold()
    trace = rt.path("trace")
    container = rt.create(bundle, globals=("--trace", trace))
    assert stages(trace, "init", ORDER) == ORDER[:-1]           # `created` lasts until start
    assert stages(trace, "create", HOST) == HOST
    container.start().ok()
    # exec never returns, so it has no span
    assert stages(trace, "init", ORDER) == ORDER
    assert stages(trace, "start", AFTER_START) == AFTER_START[:-1]
    rt.cmd("delete", "--force", container.id, globals=("--trace", trace)).ok()
    assert stages(trace, "delete", DELETE) == DELETE


def test_exec(rt):
    container = rt.hold(bundles.full(rt))
    trace = rt.path("trace")
    rt.cmd("exec", container.id, "/bin/true", globals=("--trace", trace)).ok()
    mine = stages(trace, "enter", EXEC)
    for stage in EXEC:
        assert stage in mine, "%s is not there: %s" % (stage, mine)
    # both sides write to one file, and some names are the same: init's are those from its `config` on
    mine = mine[mine.index("config"):]
    seen = [s for s in EXEC if s in mine and s not in ("cgroup", "seccomp", "terminal")]
    assert sorted(seen, key=mine.index) == seen


def test_meeting_points(rt):
    """Hooks of the host run between `mounted` and init's own, as the design has it."""
    bundle = bundles.full(rt).args("/bin/true")
    trace = rt.path("trace")
    rt.run(bundle, globals=("--trace", trace)).ok()
    order = spans(trace)

    def at(table, stage):
        return order.index((table, stage))

    assert at("init", "mounts") < at("create", "hooks-create") < at("init", "hooks") < at("init", "pivot-root")
    assert at("create", "cgroup") < at("create", "init") < at("init", "namespaces") < at("init", "hostname")
    assert at("create", "limits") < at("start", "hooks")
    assert not re.search("failed", read(trace))
