# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the documents know and this version does not carry out: intelRdt (requirements 185-197), netDevices (153-158),
idmapped mounts (78, 82), seccomp's notify (132), checkpoints. Each is refused by its name with nothing left behind, and
`features` promises none of it: to ignore it would run another container than the one that was asked for."""

import json
import os
import shutil

import pytest

from harness import cgroup_of, read
from test_cgroup_life import strace

pytestmark = pytest.mark.ocirun_only


def not_yet(rt, bundle, member, **kw):
    """create is refused for that member, before any hook: there is nothing yet that one could be told about."""
    bundle.hook("prestart", "echo prestart > " + rt.path("hooks")).hook("poststop", "echo poststop > " + rt.path("hooks"))
    result = rt.failing_create(bundle, match=r"not supported yet: %s: config\.json:\d+:\d+: " % member, **kw)
    assert not os.path.exists(rt.path("hooks"))
    return result


def features(rt):
    return json.loads(rt.cmd("features").ok().out)["linux"]


# ---- linux.intelRdt ----

RDT = [{}, {"closID": "/"}, {"closID": "group"}, {"closID": "group", "l3CacheSchema": "L3:0=f"},
       {"l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=20", "schemata": ["L3:0=f", "MB:0=20"]},
       {"schemata": ["L2:0=f"]}, {"enableMonitoring": True}]


@pytest.mark.parametrize("rdt", RDT, ids=lambda v: ",".join(v) or "empty")
def test_r185_r187_r191_r192_r193_r194_r195_r196_r197_intel_rdt(rt, bundle, rdt):
    bundle.linux["intelRdt"] = rdt
    not_yet(rt, bundle, r"linux\.intelRdt")
    assert not os.path.exists("/sys/fs/resctrl/group")


@pytest.mark.parametrize("rdt,why", [
    ({"l3CacheSchema": "L3:0=f\nMB:0=20"}, "l3CacheSchema"), ({"memBwSchema": "MB:0=20\n"}, "memBwSchema"),
    ({"memBwSchema": "L3:0=f"}, "memBwSchema"), ({"schemata": ["L3:0=f", "MB:0=20\nL3:0=1"]}, r"schemata\[1\]"),
    ({"closID": ""}, "closID")], ids=["l3", "mb", "prefix", "schemata", "closID"])
def test_r188_r189_r190_intel_rdt_bad_values(rt, bundle, rdt, why):
    """What is wrong by itself is said first."""
    bundle.linux["intelRdt"] = rdt
    rt.failing_create(bundle, match=r"config\.json:\d+:\d+: linux\.intelRdt\.%s: " % why)


def test_r186_intel_rdt_is_left_alone(rt, bundle):
    """Without the member nothing looks at resctrl, in no command; init is followed where it ends with the command."""
    if not shutil.which("strace"):
        pytest.skip("no strace")
    log, command, ident = rt.path("strace"), rt.command, rt.new_id()
    bundle.args("/bin/sleep", "1000").save()
    other = rt.bundle("true")
    other.save()
    try:
        for words in (["run", "--bundle", other.dir, rt.new_id()], ["create", "--bundle", bundle.dir, ident],
                      ["start", ident], ["exec", ident, "/bin/true"], ["update", "--pids-limit", "50", ident],
                      ["delete", "--force", ident]):
            follow = ["-f"] if words[0] in ("run", "exec") else []
            rt.command = strace(*follow, "-y", "-e", "trace=%file,%desc", "-o", log) + command
            rt.cmd(*words).ok()
            calls = read(log)
            assert "state.json" in calls and "resctrl" not in calls, words
    finally:
        rt.command = command


def test_intel_rdt_of_update(rt, bundle):
    c = rt.hold(bundle)
    for option in ("--l3-cache-schema", "--mem-bw-schema"):
        result = rt.cmd("update", option, "L3:0=f", c.id).fails()
        assert "not supported yet: linux.intelRdt" in result.err
    c.stop()


# ---- linux.netDevices ----

@pytest.mark.parametrize("device", [{}, {"name": "eth0"}, {"name": "eth%d"}], ids=["own", "renamed", "template"])
def test_r153_r154_r155_r156_r157_r158_net_devices(rt, bundle, device):
    """The device stays where it is, as it is."""
    bundle.linux["netDevices"] = {"ort0": device}
    out = rt.path("links")
    command = rt.command
    rt.command = ["unshare", "-n", "sh", "-c",
                  'ip link add ort0 type veth peer name ort1 && ip addr add 192.0.2.7/24 dev ort0 && ip link set ort0 up'
                  ' && "$@"; rc=$?; ip -o addr show dev ort0 > %s; ip -o link show dev ort0 >> %s; exit $rc' % (out, out),
                  "sh"] + command
    try:
        not_yet(rt, bundle, r"linux\.netDevices")
    finally:
        rt.command = command
    assert "192.0.2.7/24" in read(out) and ",UP" in read(out)


# ---- idmapped mounts ----

MAP = [{"containerID": 0, "hostID": 50000, "size": 1000}]


@pytest.mark.parametrize("fstype,options", [("tmpfs", ["idmap"]), ("tmpfs", ["ridmap"]), ("tmpfs", ["idmap=uids=0-1-2"]),
                                            ("none", ["bind", "idmap"]), ("none", ["rbind", "ridmap=gids=0-1-2"])],
                         ids=lambda v: v if isinstance(v, str) else ",".join(v))
def test_r078_r082_idmap_options(rt, bundle, fstype, options):
    """They are understood, and not left for the filesystem to complain about."""
    os.mkdir(rt.path("src"))
    bundle.add_mount("/mnt", rt.path("src"), fstype, options)
    result = not_yet(rt, bundle, r"mounts\[%d\]\.options" % (len(bundle.config["mounts"]) - 1))
    assert "Invalid argument" not in result.err
    assert result.err.endswith("carry out %s\n" % ("ridmap" if "ridmap" in " ".join(options) else "idmap"))
    assert result.err.count("].options") == 1


def test_r082_idmapped_by_members(rt, bundle):
    os.mkdir(rt.path("src"))
    bundle.add_mount("/mnt", rt.path("src"), "none", ["bind"], uidMappings=MAP, gidMappings=MAP)
    not_yet(rt, bundle, r"mounts\[%d\]\.uidMappings" % (len(bundle.config["mounts"]) - 1))


# ---- seccomp ----

NOTIFY = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/no-such-agent",
          "syscalls": [{"names": ["chroot"], "action": "SCMP_ACT_NOTIFY"}]}


@pytest.mark.parametrize("profile", [NOTIFY, {"defaultAction": "SCMP_ACT_NOTIFY"}], ids=["rule", "default"])
def test_r132_valid_but_not_carried_out(rt, bundle, profile):
    bundle.linux["seccomp"] = profile
    rt.failing_create(bundle, match="not supported yet: .*SCMP_ACT_NOTIFY")


# ---- commands ----

@pytest.mark.parametrize("command", ["checkpoint", "restore"])
def test_checkpoints(rt, bundle, command):
    c = rt.hold(bundle)
    before = cgroup_of(c.pid)
    result = rt.cmd(command, c.id).fails()
    assert "%s is not supported yet" % command in result.err
    assert c.status() == "running" and cgroup_of(c.pid) == before
    c.stop()


# ---- what is promised ----

def test_r221_features_promise_what_is_carried_out(rt):
    """Each switch of `features` against what create says to the member that it stands for."""
    known = features(rt)
    os.mkdir(rt.path("src"))
    members = {
        "intelRdt": (known["intelRdt"]["enabled"], lambda b: b.linux.update(intelRdt={})),
        "netDevices": (known["netDevices"]["enabled"], lambda b: b.linux.update(netDevices={"ort0": {}})),
        "idmap": (known["mountExtensions"]["idmap"]["enabled"], lambda b: b.add_mount(
            "/mnt", rt.path("src"), "none", ["bind"], uidMappings=MAP, gidMappings=MAP)),
        "SCMP_ACT_NOTIFY": ("SCMP_ACT_NOTIFY" in known["seccomp"]["actions"],
                            lambda b: b.linux.update(seccomp=NOTIFY)),
    }
    for name, (promised, change) in members.items():
        bundle = rt.bundle()
        change(bundle)
        bundle.save()
        ident = rt.new_id()
        refused = "not supported yet" in rt.cmd("create", "--bundle", bundle.dir, ident).err
        rt.cmd("delete", "--force", ident).ok()
        assert promised is (not refused), name
