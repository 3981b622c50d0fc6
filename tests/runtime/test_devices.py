# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices: requirements 144-152."""

import os
import stat

import pytest

from harness import mount, umount, write


@pytest.mark.quick
def test_r149_default_devices(rt, bundle):
    out = rt.sh(bundle, "for d in null zero full random urandom tty; do stat -c '%F %t:%T %a' /dev/$d; done")
    assert out.splitlines() == ["character special file %s 666" % n for n in ("1:3", "1:5", "1:7", "1:8", "1:9", "5:0")]


def test_r149_default_devices_work(rt, bundle):
    out = rt.sh(bundle, "echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; "
                "echo x > /dev/full 2>/dev/null || echo full")
    assert out.split() == ["3", "3", "full"]


def test_r149_without_dev_mount(rt, bundle):
    for name in ("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"):
        bundle.drop_mount(name)
    assert rt.sh(bundle, "stat -c %t:%T /dev/null /dev/zero").split() == ["1:3", "1:5"]


@pytest.mark.quick
@pytest.mark.parametrize("kind,kindname", [("c", "character special file"), ("b", "block special file"), ("p", "fifo")])
def test_r144_listed(rt, bundle, kind, kindname):
    device = {"type": kind, "path": "/dev/mine", "fileMode": 0o640, "uid": 3, "gid": 4}
    if kind != "p":
        device.update(major=10, minor=229)
    bundle.linux["devices"] = [device]
    out = rt.sh(bundle, "stat -c '%F|%a|%u|%g|%t:%T' /dev/mine").strip().split("|")
    assert out[:4] == [kindname, "640", "3", "4"]
    if kind != "p":
        assert out[4] == "a:e5"


def test_r144_u_is_c(rt, bundle):
    bundle.linux["devices"] = [{"type": "u", "path": "/dev/mine", "major": 10, "minor": 229}]
    assert rt.sh(bundle, "stat -c %F /dev/mine").strip() == "character special file"


def test_r144_mode_is_not_cut_by_umask(rt, bundle):
    bundle.linux["devices"] = [{"type": "c", "path": "/dev/mine", "major": 1, "minor": 3, "fileMode": 0o777}]
    old = os.umask(0o077)
    try:
        assert rt.sh(bundle, "stat -c %a /dev/mine").strip() == "777"
    finally:
        os.umask(old)


@pytest.mark.ocirun_only
def test_r144_mode_with_file_type(rt, bundle):
    bundle.linux["devices"] = [{"type": "c", "path": "/dev/mine", "major": 1, "minor": 3, "fileMode": stat.S_IFCHR | 0o600}]
    assert rt.sh(bundle, "stat -c %a /dev/mine").strip() == "600"


def test_r144_default_mode(rt, bundle):
    bundle.linux["devices"] = [{"type": "c", "path": "/dev/mine", "major": 1, "minor": 3}]
    assert rt.sh(bundle, "stat -c %a /dev/mine").strip() == "666" or not rt.is_ocirun


@pytest.mark.ocirun_only
@pytest.mark.parametrize("what", ["file", "directory", "other-device"])
def test_r145_something_else_is_there(rt, bundle, what):
    path = bundle.rootfs + "/mydev"
    if what == "file":
        write(path, "")
    elif what == "directory":
        os.mkdir(path)
    else:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    bundle.linux["devices"] = [{"type": "c", "path": "/mydev", "major": 1, "minor": 3}]
    rt.failing_create(bundle, match="/mydev")


def test_r145_same_is_there(rt, bundle):
    os.mknod(bundle.rootfs + "/mydev", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    bundle.linux["devices"] = [{"type": "c", "path": "/mydev", "major": 1, "minor": 3}]
    assert rt.sh(bundle, "stat -c %t:%T /mydev").strip() == "1:3"


def test_link_to_a_device(rt, bundle):
    """udev's names; in a user namespace the device that it leads to is bound."""
    os.symlink("/dev/null", rt.path("byname"))
    bundle.userns()
    bundle.linux["devices"] = [{"type": "c", "path": rt.path("byname"), "major": 1, "minor": 3}]
    assert rt.sh(bundle, "stat -c %t:%T " + rt.path("byname")).strip() == "1:3"


@pytest.mark.ocirun_only
@pytest.mark.parametrize("what", ["block", "socket", "fifo", "link"])
def test_image_with_something_else_for_a_device(rt, bundle, what):
    """Nobody opens it to find out: a driver would answer (there is none), a socket refuse, a fifo block."""
    for name in ("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"):
        bundle.drop_mount(name)
    path = bundle.rootfs + "/dev/null"
    if what == "link":
        os.symlink("zero", path)
    else:
        kind = {"block": stat.S_IFBLK, "socket": stat.S_IFSOCK, "fifo": stat.S_IFIFO}[what]
        os.mknod(path, kind | 0o666, os.makedev(240, 0) if what == "block" else 0)
    bundle.userns()
    rt.failing_create(bundle.sh("true"), match="/dev/null: something else is at its path")


@pytest.mark.ocirun_only
@pytest.mark.parametrize("option", ["ro", "rro"])
def test_devices_in_a_readonly_bind(rt, bundle, option):
    for name in ("/dev/pts", "/dev/shm", "/dev/mqueue"):
        bundle.drop_mount(name)
    os.makedirs(rt.path("dev/sub"))
    os.mknod(rt.path("dev/null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
    mount("tmpfs", rt.path("dev/sub"), "tmpfs")
    rt.cleanups.append(lambda: umount(rt.path("dev/sub")))
    entry = next(m for m in bundle.config["mounts"] if m["destination"] == "/dev")
    entry.update(type="bind", source=rt.path("dev"), options=["rbind", option])
    bundle.linux["devices"] = [{"type": "c", "path": "/dev/mine", "major": 1, "minor": 3}]
    out = rt.sh(bundle, "stat -c %t:%T /dev/mine; touch /dev/x 2>&1; touch /dev/sub/x && echo written; true")
    assert out.splitlines()[0] == "1:3" and "Read-only" in out.splitlines()[1]
    assert ("written" in out) is (option == "ro")


def test_r146_outside_dev(rt, bundle):
    bundle.linux["devices"] = [{"type": "c", "path": "/a/b/dev", "major": 1, "minor": 3}]
    assert rt.sh(bundle, "stat -c %t:%T /a/b/dev").strip() == "1:3"


@pytest.mark.ocirun_only
@pytest.mark.parametrize("missing", ["major", "minor"])
def test_r147_number_missing(rt, bundle, missing):
    device = {"type": "c", "path": "/dev/mine", "major": 1, "minor": 3}
    del device[missing]
    bundle.linux["devices"] = [device]
    rt.failing_create(bundle, match=missing)


def test_r147_fifo_with_numbers(rt, bundle):
    bundle.linux["devices"] = [{"type": "p", "path": "/dev/mine", "major": 5, "minor": 6}]
    assert rt.sh(bundle, "stat -c %F /dev/mine").strip() == "fifo"


def test_r148_repeated(rt, bundle):
    bundle.linux["devices"] = [{"type": "c", "path": "/dev/a", "major": 1, "minor": 3},
                               {"type": "c", "path": "/dev/b", "major": 1, "minor": 3}]
    assert rt.sh(bundle, "stat -c %t:%T /dev/a /dev/b").split() == ["1:3", "1:3"]


def test_r151_ptmx(rt, bundle):
    assert rt.sh(bundle, "readlink /dev/ptmx").strip() == "pts/ptmx"


def test_r152_others_are_denied(rt, bundle):
    # opening a permitted number without a driver says "No such device"
    bundle.caps("CAP_MKNOD")
    out = rt.sh(bundle, "mknod /data/other c 10 222; cat /data/other 2>&1; mknod /data/null c 1 3; "
                "echo x > /data/null && echo ok")
    assert "ermitted" in out and out.endswith("ok\n")


def opened(rt, bundle, *rules):
    bundle.caps("CAP_MKNOD")
    bundle.linux["resources"] = {"devices": list(rules)}
    return "ermitted" not in rt.sh(bundle, "exec 2>&1; mknod /data/other c 10 222; cat /data/other; true")


ALL = {"access": "rwm"}
ONE = {"type": "c", "major": 10, "minor": 222, "access": "rwm"}


@pytest.mark.quick
@pytest.mark.parametrize("rules,allowed", [
    ([dict(ALL, allow=False), dict(ONE, allow=True)], True),
    ([dict(ALL, allow=False)], False),
    ([dict(ALL, allow=True)], True),
    ([dict(ALL, allow=True), dict(ONE, allow=False)], False),
    ([dict(ALL, allow=False), dict(ONE, allow=True), dict(ONE, allow=False)], False),
    ([dict(ALL, allow=False), {"allow": True, "type": "c", "major": 10, "access": "rw"}], True),
    ([dict(ALL, allow=False), {"allow": True, "type": "b", "major": 10, "access": "rw"}], False),
    ([dict(ALL, allow=False), {"allow": True, "type": "c", "major": 10, "minor": 222, "access": "w"}], False),
], ids=["allow-one", "deny-all", "allow-all", "deny-one", "allow-deny", "wildcard-minor", "other-type", "write-only"])
def test_r173_r174_rules_in_order(rt, bundle, rules, allowed):
    assert opened(rt, bundle, *rules) is allowed
