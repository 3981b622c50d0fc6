# SPDX-License-Identifier: LGPL-2.1-or-later
"""Device rules while they change: an update is never without a filter nor with a wrong one, leaves one program
on cgroup v2 however often it is done, and leaves the programs of others where they are."""

import ctypes
import json
import os
import re
import struct

import pytest

from harness import TOKEN, cgroup_layout, cgroup_mounts, cgroup_of, libc, read, until, write

pytestmark = [pytest.mark.ocirun_only, pytest.mark.machine,
              pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

SYS_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280}[os.uname().machine]
PROG_LOAD, PROG_ATTACH, PROG_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD, PROG_QUERY = 5, 8, 13, 15, 16
CGROUP_DEVICE, CGROUP_DEVICE_TYPE, ALLOW_MULTI = 6, 15, 2
ALLOW_ALL = struct.pack("<BBhi", 0xb7, 0, 0, 1) + struct.pack("<BBhi", 0x95, 0, 0, 0)   # r0 = 1; exit


def bpf(command, attr):
    buf = ctypes.create_string_buffer(attr, 128)
    result = libc.syscall(SYS_BPF, command, buf, 128)
    if result < 0:
        err = ctypes.get_errno()
        raise OSError(err, "bpf(%d): %s" % (command, os.strerror(err)))
    return result, buf.raw


def pointer(buf):
    return ctypes.cast(buf, ctypes.c_void_p).value


def load(name):
    """A program of somebody else, which allows everything."""
    insns, text = ctypes.create_string_buffer(ALLOW_ALL), ctypes.create_string_buffer(b"GPL")
    attr = struct.pack("<IIQQIIQII16sII", CGROUP_DEVICE_TYPE, 2, pointer(insns), pointer(text), 0, 0, 0, 0, 0, name, 0,
                       CGROUP_DEVICE)
    return bpf(PROG_LOAD, attr)[0]


def attach(directory, name):
    top, program = os.open(directory, os.O_RDONLY | os.O_DIRECTORY), load(name)
    bpf(PROG_ATTACH, struct.pack("<IIII", top, program, CGROUP_DEVICE, ALLOW_MULTI))
    os.close(top)
    os.close(program)


def programs(directory):
    """[(id, name)] of the device programs that are attached to a cgroup."""
    top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    ids = (ctypes.c_uint32 * 64)()
    _, raw = bpf(PROG_QUERY, struct.pack("<IIIIQI", top, CGROUP_DEVICE, 0, 0, pointer(ids), 64))
    os.close(top)
    result = []
    for i in ids[:struct.unpack_from("<I", raw, 24)[0]]:
        fd = bpf(PROG_GET_FD_BY_ID, struct.pack("<I", i))[0]
        info = ctypes.create_string_buffer(232)
        bpf(OBJ_GET_INFO_BY_FD, struct.pack("<IIQ", fd, 232, pointer(info)))
        os.close(fd)
        result.append((i, info.raw[64:80].split(b"\0")[0].decode()))
    return result


def rules(i):
    """A list that is another one for each i, always with 1:11 and never with 1:1."""
    toggled = [{"allow": True, "type": "c", "major": 10, "minor": 200 + i % 50, "access": "rwm"}] * (i % 2)
    return [{"allow": False}] + toggled + [{"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}]


def update(rt, c, document):
    return rt.cmd("update", "--resources", "-", c.id, input=json.dumps(document))


DOORS = "mknod /dev/open c 1 11 && mknod /dev/shut c 1 1 && exec /bin/helper doors /dev/open /dev/shut"


def doors(rt, bundle, listed):
    bundle.all_caps()
    bundle.linux["resources"] = {"devices": listed}
    return rt.start(bundle.sh(DOORS)).wait_out("ready")


def end(c):
    c.kill("TERM").ok()
    c.wait()
    words = c.out.split()
    return {words[i]: int(words[i + 1]) for i in (1, 3, 5)}


def check_doors(rt, bundle, n):
    c = doors(rt, bundle, rules(0))
    for i in range(1, n + 1):
        update(rt, c, {"devices": rules(i)}).ok()
        # one that fails elsewhere has not been in force for a moment either
        if i % 10 == 0:
            wrong = {"devices": [{"allow": True}], "hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}
            update(rt, c, wrong).fails()
    found = end(c)
    assert found["tries"] > n and found["refused"] == found["entered"] == 0, found


def test_doors_are_told_apart(rt, bundle):
    """The control: both doors are open without a list, and shut with a list without either."""
    found = end(doors(rt, bundle, []))
    assert found["refused"] == 0 and found["entered"] == found["tries"] > 0, found
    found = end(doors(rt, rt.bundle(), [{"allow": False}]))
    assert found["refused"] == found["tries"] > 0 and found["entered"] == 0, found


def test_an_update_is_never_without_its_filter(rt, bundle):
    check_doors(rt, bundle, 40)


def test_an_update_is_never_without_its_filter_on_v2(v2, bundle):
    check_doors(v2, bundle, 100)


WIDE = [{"allow": False}, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rwm"},
        {"allow": False, "type": "c", "major": 1, "access": "r"}]


def test_a_wide_rule_takes_a_single_device_away(rt, bundle):
    """v1's kernel takes away what is there in the same words, and nothing else, without a word."""
    found = end(doors(rt, bundle, WIDE))
    assert found["refused"] == found["tries"] > 0 and found["entered"] == 0, found


def test_a_wide_rule_takes_a_single_device_away_on_v2(v2, bundle):
    found = end(doors(v2, bundle, WIDE))
    assert found["refused"] == found["tries"] > 0 and found["entered"] == 0, found


HOLE = [{"allow": False}, {"allow": True, "type": "c", "major": 1, "access": "rwm"},
        {"allow": False, "type": "c", "major": 1, "minor": 11, "access": "r"}]
NO_HOLE = "linux.resources.devices[2]: the devices controller of cgroup v1 cannot take \"c 1:11 r\" out of the " \
    "\"c 1:*\" of linux.resources.devices[1]; list the devices there one by one"


def test_a_hole_in_a_wildcard(rt, bundle):
    """Where the kernel would leave the device open, it is refused; elsewhere it is shut."""
    if cgroup_layout() == "v2":
        found = end(doors(rt, bundle, HOLE))
        assert found["refused"] == found["tries"] > 0, found
        return
    bundle.linux["resources"] = {"devices": HOLE}
    rt.failing_create(bundle, match=re.escape(NO_HOLE))
    bundle.linux["resources"] = {"devices": rules(0)}
    c = rt.hold(bundle)
    before = read(cgroup_of(c.pid)["devices"] + "/devices.list")
    assert update(rt, c, {"devices": HOLE}).fails().err == "ocirun: update: " + NO_HOLE + "\n"
    assert read(cgroup_of(c.pid)["devices"] + "/devices.list") == before
    c.stop()
    # nobody is to hold it
    other = rt.bundle()
    other.linux["resources"] = {"devices": HOLE}
    rt.run(other.args("/bin/true"), globals=("--cgroup-manager", "disabled")).ok()


def listed(c):
    return read(cgroup_of(c.pid)["devices"] + "/devices.list").splitlines()


def test_an_update_that_goes_on_from_the_list(rt, bundle):
    """Without a first rule for everything: what it takes away is what is there, whoever put it there."""
    if cgroup_layout() == "v2":
        pytest.skip("v2 replaces the list")
    wide = {"allow": True, "type": "b", "major": 8, "access": "r"}
    bundle.linux["resources"] = {"devices": rules(0) + [wide]}
    c = rt.hold(bundle)
    write(cgroup_of(c.pid)["devices"] + "/devices.allow", "c 10:237 rw")
    before = listed(c)
    assert {"c 1:11 r", "c 10:237 rw", "b 8:* r"} <= set(before)
    update(rt, c, {"devices": [{"allow": False, "type": "c", "major": 10, "access": "w"},
                               {"allow": False, "type": "c", "major": 1, "minor": 11, "access": "rwm"}]}).ok()
    assert sorted(listed(c)) == sorted(set(before) - {"c 1:11 r", "c 10:237 rw"} | {"c 10:237 r"})
    before = listed(c)
    hole = {"allow": False, "type": "b", "major": 8, "minor": 1, "access": "r"}
    assert update(rt, c, {"devices": [hole]}).fails().err == "ocirun: update: linux.resources.devices[0]: the devices " \
        "controller of cgroup v1 cannot take \"b 8:1 r\" out of the \"b 8:*\" that the cgroup has; list the devices " \
        "there one by one\n"
    assert listed(c) == before
    c.stop()


def test_an_update_that_fails_brings_the_list_back(rt, bundle):
    """As it was, and not as the configuration has it."""
    if cgroup_layout() == "v2":
        pytest.skip("there is no list that anybody could add to")
    parents = ["%s/%s-shut" % (top, TOKEN) for top, _ in cgroup_mounts()]
    for parent in parents:
        os.mkdir(parent)
        if os.path.exists(parent + "/devices.deny"):
            write(parent + "/devices.deny", "c 240:* rwm")
    try:
        bundle.linux["resources"] = {"devices": rules(0)}
        bundle.linux["cgroupsPath"] = "/%s-shut/x" % TOKEN
        c = rt.hold(bundle)
        write(cgroup_of(c.pid)["devices"] + "/devices.allow", "c 10:237 rw")
        before = listed(c)
        refused = {"allow": True, "type": "c", "major": 240, "minor": 1, "access": "r"}
        assert "linux.resources.devices[1]: write c 240:1 r to devices.allow" in \
            update(rt, c, {"devices": [{"allow": False}, refused]}).fails().err
        assert sorted(listed(c)) == sorted(before)
        c.stop()
    finally:
        for parent in parents:
            os.rmdir(parent)


def test_a_hole_in_a_wildcard_on_v2(v2, bundle):
    found = end(doors(v2, bundle, HOLE))
    assert found["refused"] == found["tries"] > 0, found


def test_a_hundred_updates_leave_one_program(v2, bundle):
    bundle.linux["resources"] = {"devices": rules(0)}
    c = v2.hold(bundle)
    where = cgroup_of(c.pid)[""]
    before = programs(where)
    assert [name for _, name in before] == ["ocirun_device"]
    for i in range(1, 101):
        update(v2, c, {"devices": rules(i)}).ok()
    after = programs(where)
    assert [name for _, name in after] == ["ocirun_device"] and after != before
    # the same list again changes nothing, nor does an update of something else
    update(v2, c, {"devices": rules(100)}).ok()
    update(v2, c, {"unified": {"cgroup.max.depth": "7"}}).ok()
    assert programs(where) == after
    c.stop()


def test_programs_of_others_stay(v2, bundle):
    """systemd attaches one of its own to a unit with a DeviceAllow=, anew after each reload."""
    bundle.linux["resources"] = {"devices": rules(0)}
    c = v2.hold(bundle)
    where = cgroup_of(c.pid)[""]
    attach(where, b"sd_devices")
    others = [p for p in programs(where) if p[1] == "sd_devices"]
    assert len(others) == 1
    for i in range(1, 6):
        update(v2, c, {"devices": rules(i)}).ok()
        found = programs(where)
        assert [p for p in found if p[1] == "sd_devices"] == others
        assert [p[1] for p in found].count("ocirun_device") == 1 and len(found) == 2
    c.stop()


def test_programs_end_with_the_container(v2, bundle):
    """The kernel keeps programs of a removed cgroup until it lets go of it, which is soon."""
    bundle.linux["resources"] = {"devices": rules(0)}
    c = v2.hold(bundle)
    number = programs(cgroup_of(c.pid)[""])[0][0]
    c.stop()

    def gone():
        try:
            os.close(bpf(PROG_GET_FD_BY_ID, struct.pack("<I", number))[0])
        except FileNotFoundError:
            return True
        return False
    until(gone, "program %d to be gone" % number)


@pytest.mark.untraced("strace itself")
def test_an_update_that_is_ended_leaves_nothing_paused(rt, bundle):
    """SIGTERM at the write that freezes: on v1 the processes are held while the list changes."""
    bundle.linux["resources"] = {"devices": rules(0)}
    c = rt.hold(bundle)
    freezer = cgroup_of(c.pid).get("freezer")
    if not freezer:
        c.stop()
        pytest.skip("no freezer of v1")
    log, command = rt.path("strace"), rt.command
    rt.command = ["strace", "-o", log, "-P", freezer + "/freezer.state", "-e", "trace=write",
                  "-e", "inject=write:signal=TERM:when=1"] + command
    try:
        result = update(rt, c, {"devices": rules(1)})
    finally:
        rt.command = command
    text = read(log)
    assert "FROZEN" in text and "SIGTERM" in text and result.rc != 0, text
    assert c.status() == "running"
    c.stop()


def test_a_paused_container_stays_paused(rt, bundle):
    bundle.linux["resources"] = {"devices": rules(0)}
    c = rt.hold(bundle)
    rt.cmd("pause", c.id).ok()
    update(rt, c, {"devices": rules(1)}).ok()
    assert c.status() == "paused"
    rt.cmd("resume", c.id).ok()
    update(rt, c, {"devices": rules(2)}).ok()
    assert c.status() == "running"
    c.stop()
