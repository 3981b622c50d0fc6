# SPDX-License-Identifier: LGPL-2.1-or-later
"""The document: requirements 4-6, 63-66, 68, 125-131, and what ocirun says about errors in it."""

import json
import os

import pytest


def set_at(config, path, value):
    """Set config at a path like 'linux.namespaces.0.type'."""
    *parents, last = path.split(".")
    for name in parents:
        config = config[int(name)] if isinstance(config, list) else config.setdefault(name, {})
    config[int(last) if isinstance(config, list) else last] = value


def test_r004_invalid_utf8(rt, bundle):
    bundle.config["hostname"] = "HOST"
    bundle.raw = json.dumps(bundle.config).encode().replace(b"HOST", b"a\xff\xfeb")
    rt.failing_create(bundle, match="UTF-8")


@pytest.mark.ocirun_only
@pytest.mark.parametrize("level", ["top", "nested"])
def test_r005_duplicate_names(rt, bundle, level):
    text = json.dumps(bundle.config)
    if level == "top":
        bundle.raw = '{"hostname":"other",' + text[1:]
    else:
        bundle.raw = text.replace('"cwd"', '"cwd":"/","cwd"', 1)
    rt.failing_create(bundle, match="hostname|cwd")


@pytest.mark.quick
def test_r006_order_is_meaningless(rt, bundle):
    bundle.sh("echo ok")

    def turned(value):
        if isinstance(value, dict):
            return {k: turned(value[k]) for k in reversed(list(value))}
        return value

    bundle.config = turned(bundle.config)
    assert rt.sh(bundle) == "ok\n"


@pytest.mark.quick
@pytest.mark.parametrize("version", ["", "invalid", "1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.0-", "2.0.0",
                                     "0.9.0", "-1.0.0"])
def test_r063_bad_oci_version(rt, bundle, version):
    bundle.config["ociVersion"] = version
    rt.failing_create(bundle, match="ociVersion")


def test_r063_oci_version_absent(rt, bundle):
    del bundle.config["ociVersion"]
    rt.failing_create(bundle, match="ociVersion")


@pytest.mark.parametrize("version", ["1.0.0", "1.0.0-rc5", "1.0.2-dev", "1.1.0", "1.2.1", "1.3.0", "1.3.0+dev", "1.9.0"])
def test_r063_r064_good_oci_version(rt, bundle, version):
    bundle.config["ociVersion"] = version
    result = rt.run(bundle.sh("echo ok")).ok()
    assert result.out == "ok\n" and result.err == ""


def test_r065_root_absent(rt, bundle):
    del bundle.config["root"]
    rt.failing_create(bundle, match="root")


@pytest.mark.parametrize("form", ["absolute", "relative", "dot", "dotdot"])
def test_r066_root_path(rt, bundle, form):
    bundle.config["root"]["path"] = {"absolute": bundle.rootfs, "relative": "rootfs", "dot": "./rootfs/",
                                     "dotdot": "../%s/rootfs" % os.path.basename(bundle.dir)}[form]
    assert rt.sh(bundle, "echo ok") == "ok\n"


def test_r066_root_path_empty(rt, bundle):
    bundle.config["root"]["path"] = ""
    rt.failing_create(bundle)


@pytest.mark.quick
def test_r068_readonly(rt, bundle):
    bundle.config["root"]["readonly"] = True
    assert rt.run(bundle.sh("touch /x")).rc != 0
    assert not os.path.exists(bundle.rootfs + "/x")


def test_r068_writable_by_default(rt, bundle):
    del bundle.config["root"]["readonly"]
    rt.sh(bundle, "touch /x")
    assert os.path.exists(bundle.rootfs + "/x")


def test_r125_annotation_not_a_string(rt, bundle):
    bundle.config["annotations"] = {"a": 1}
    rt.failing_create(bundle, match="annotations")


def test_r125_annotation_empty_value(rt, bundle):
    bundle.config["annotations"] = {"org.example.key": ""}
    c = rt.create(bundle)
    assert c.state()["annotations"]["org.example.key"] == ""


def test_r126_annotation_empty_key(rt, bundle):
    bundle.config["annotations"] = {"": "x"}
    rt.failing_create(bundle, match="annotations")


def test_r129_unknown_annotation(rt, bundle):
    bundle.config["annotations"] = {"com.example.unknown": "x", "org.opencontainers.image.os": "linux"}
    assert rt.sh(bundle, "echo ok") == "ok\n"


IMAGE_KEYS = ["os", "os.version", "os.features", "architecture", "variant", "author", "created", "stopSignal"]


def test_r127_r128_reserved_annotations(rt, bundle):
    """The eight keys of images and others of that name space mean nothing to the runtime, nor do keys without dots."""
    annotations = {"org.opencontainers.image." + key: "x-" + key for key in IMAGE_KEYS}
    annotations.update({"org.opencontainers.image.no-such-key": "y", "org.opencontainers": "", "plain": "z"})
    bundle.config["annotations"] = annotations
    c = rt.hold(bundle)
    assert c.state()["annotations"] == annotations
    c.stop()


def test_r130_unknown_members_everywhere(rt, bundle):
    def spread(value):
        if isinstance(value, list):
            return [spread(v) for v in value]
        if isinstance(value, dict):
            new = {k: spread(v) for k, v in value.items()}
            new["xUnknown"] = {"deep": [1, None, "x"]}
            return new
        return value

    bundle.config = spread(bundle.config)
    bundle.config["process"]["args"] = ["/bin/echo", "ok"]
    result = rt.run(bundle).ok()
    assert result.out == "ok\n" and result.err == ""


@pytest.mark.ocirun_only
def test_null_equals_absent(rt, bundle):
    for path in ("hostname", "annotations", "hooks", "process.rlimits", "linux.sysctl", "linux.seccomp",
                 "process.noNewPrivileges", "linux.maskedPaths", "linux.resources.memory", "process.oomScoreAdj",
                 "process.user.umask", "mounts.0.options", "linux.rootfsPropagation", "solaris", "windows"):
        set_at(bundle.config, path, None)
    assert rt.sh(bundle, "echo ok") == "ok\n"


BAD_VALUES = [
    ("linux.namespaces.0.type", "netwrok"),
    ("linux.namespaces.0.type", ""),
    ("linux.rootfsPropagation", "sharred"),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_MAYBE"}),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_Z80"]}),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_X"]}),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO",
         "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_ISH"}]}]}),
    ("process.rlimits", [{"type": "RLIMIT_TEST", "soft": 1, "hard": 1}]),
    ("process.cwd", "relative"),
    ("process.args", []),
    ("linux.devices", [{"type": "x", "path": "/dev/x", "major": 1, "minor": 3}]),
    ("linux.personality", {"domain": "WINDOWS"}),
    ("linux.resources.devices", [{"allow": True, "type": "q", "access": "r"}]),
    ("linux.resources.devices", [{"allow": True, "type": "c", "access": "rwz"}]),
]


@pytest.mark.parametrize("path,value", BAD_VALUES, ids=["%s-%d" % (p, i) for i, (p, _) in enumerate(BAD_VALUES)])
def test_r131_invalid_values(rt, bundle, path, value):
    set_at(bundle.config, path, value)
    rt.failing_create(bundle)


BAD_VALUES_13 = [
    ("process.scheduler", {"policy": "SCHED_FAST"}),
    ("process.scheduler", {"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_X"]}),
    ("process.ioPriority", {"class": "IOPRIO_CLASS_X", "priority": 1}),
    ("process.ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 8}),
    ("process.ioPriority", {"class": "IOPRIO_CLASS_BE"}),
    ("process.oomScoreAdj", 1001),
    ("process.oomScoreAdj", -1001),
    ("process.user.umask", 0o1000),
    ("process.env", ["NOEQUALS"]),
    ("process.env", ["A=b\0c"]),
    ("linux.personality", {"domain": "LINUX", "flags": ["X"]}),
    ("linux.memoryPolicy", {"mode": "MPOL_X"}),
    ("linux.memoryPolicy", {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_X"]}),
    ("linux.memoryPolicy", {"mode": "MPOL_BIND", "nodes": "0-"}),
    ("linux.resources.memory", {"limit": "1g"}),
    ("linux.resources.memory", {"limit": 1.5}),
    ("linux.resources.memory", {"limit": 99999999999999999999}),
    ("linux.resources.memory", {"swappiness": 101}),
    ("linux.resources.hugepageLimits", [{"pageSize": "../../x", "limit": 1}]),
    ("linux.resources.hugepageLimits", [{"pageSize": "3MB", "limit": 1}]),
    ("linux.resources.unified", {"../x": "1"}),
    ("linux.resources.unified", {"no/slash": "1"}),
    ("linux.resources.cpu", {"idle": 2}),
    ("linux.resources.blockIO", {"weightDevice": [{"major": 8, "minor": 0}]}),
    ("linux.resources.rdma", {"mlx": {}}),
    ("linux.resources.cpu", {"cpus": "0\n1"}),
    ("linux.cgroupsPath", "/a/../../b"),
    ("linux.netDevices", {"eth0": {"name": "a/b"}}),
    ("linux.netDevices", {"eth0": {"name": "0123456789abcdef"}}),
    ("linux.intelRdt", {"closID": "x", "memBwSchema": "MB:0=1\nx"}),
    ("linux.timeOffsets", {"monotonic": {"secs": 1}}),
    ("linux.uidMappings", [{"containerID": 0, "hostID": 0, "size": 1}]),
    ("process.user.uid", -1),
    ("process.user.uid", 4294967296),
    ("process.terminal", "yes"),
    ("process", []),
    ("mounts.0.destination", ""),
    ("mounts.0.options", "ro"),
    ("mounts.0.destination", "/pr\0oc"),
    ("linux.maskedPaths", ["relative"]),
    ("linux.readonlyPaths", ["relative"]),
    ("hostname", "x" * 65),
    ("hostname", 5),
    ("linux.devices", [{"type": "c", "path": "/data/x", "major": 1, "minor": -1}]),
    ("linux.devices", [{"type": "c", "path": "/data/x", "major": 4294967297, "minor": 3}]),
]


@pytest.mark.ocirun_only
@pytest.mark.parametrize("path,value", BAD_VALUES_13,
                         ids=["%s-%d" % (p, i) for i, (p, _) in enumerate(BAD_VALUES_13)])
def test_r131_invalid_values_named(rt, bundle, path, value):
    set_at(bundle.config, path, value)
    member = path.split(".")[-1]
    if member.isdigit():
        member = path.split(".")[-2]
    rt.failing_create(bundle, match=member)


@pytest.mark.ocirun_only
@pytest.mark.parametrize("path,value,text", [
    ("hostname", "x" * 65, r": hostname: has 65 bytes, 64 are the most"),
    ("domainname", "\xe9" * 33, r": domainname: has 66 bytes, 64 are the most"),
    ("linux.devices", [{"type": "c", "path": "/dev/", "major": 1, "minor": 3}],
     r": linux\.devices\[0\]\.path: /dev/ does not end in the name of a file"),
    ("linux.devices", [{"type": "c", "path": "/dev/..", "major": 1, "minor": 3}],
     r": linux\.devices\[0\]\.path: /dev/\.\. does not end in the name of a file"),
    ("linux.devices", [{"type": "c", "path": "/dev/x", "major": 4096, "minor": 3}],
     r": linux\.devices\[0\]\.major: 4096 is out of range \(0 to 4095\)"),
    ("linux.devices", [{"type": "c", "path": "/dev/x", "major": 1, "minor": -1}],
     r": linux\.devices\[0\]\.minor: -1 is out of range \(0 to 1048575\)"),
], ids=["hostname", "domainname", "directory", "dotdot", "major", "minor"])
def test_r131_invalid_values_explained(rt, bundle, path, value, text):
    set_at(bundle.config, path, value)
    rt.failing_create(bundle, match=r"config\.json:\d+:\d+" + text)


MALFORMED = ["", "{", "[]", "null", "1", "{} {}", "{'a':1}", '{"ociVersion":"1.0.0",}', "[" * 10000, '{"a":' * 10000,
             '{"ociVersion": 1e999}', "\ufeff{}", '{"process": {"args": ["a"}}']


@pytest.mark.parametrize("text", MALFORMED, ids=[repr(t[:12]) for t in MALFORMED])
def test_malformed(rt, bundle, text):
    bundle.raw = text
    rt.failing_create(bundle, match=r"config\.json")


@pytest.mark.ocirun_only
def test_error_names_place_and_alternative(rt, bundle):
    bundle.config["linux"]["namespaces"] = [{"type": "pid"}, {"type": "mount"}, {"type": "netwrok"}]
    text = json.dumps(bundle.config, indent=1)
    bundle.raw = text
    line = 1 + text[:text.index("netwrok")].count("\n")
    column = text[:text.index('"netwrok')].rpartition("\n")[2].__len__() + 1
    result = rt.failing_create(bundle, match=r"config\.json:%d:\d+: linux\.namespaces\[2\]\.type: \"netwrok\"" % line)
    assert 'did you mean "network"' in result.err
    found = int(result.err.split("config.json:%d:" % line)[1].split(":")[0])
    assert column <= found <= column + len('"netwrok"')


@pytest.mark.ocirun_only
@pytest.mark.parametrize("path,value,words", [
    ("process.cwd", 5, [r"process\.cwd", "string"]),
    ("process.user.uid", "root", [r"process\.user\.uid"]),
    ("mounts.1.options.0", 7, [r"mounts\[1\]\.options\[0\]", "string"]),
    ("linux.devices", {}, [r"linux\.devices", "array"]),
    ("root", "rootfs", ["root", "object"]),
], ids=["cwd", "uid", "option", "devices", "root"])
def test_error_names_json_path_and_type(rt, bundle, path, value, words):
    set_at(bundle.config, path, value)
    result = rt.failing_create(bundle, match=r"config\.json:\d+:\d+: ")
    import re
    for word in words:
        assert re.search(word, result.err), result.err


@pytest.mark.ocirun_only
@pytest.mark.parametrize("member", ["process.cwd", "root.path", "mounts.0.destination"])
def test_error_missing_member(rt, bundle, member):
    config = bundle.config
    *parents, last = member.split(".")
    for name in parents:
        config = config[int(name)] if name.isdigit() else config[name]
    del config[last]
    rt.failing_create(bundle, match=r"config\.json:\d+:\d+: .*%s" % last)
