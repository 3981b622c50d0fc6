# SPDX-License-Identifier: LGPL-2.1-or-later
"""Masked and read-only paths, rootfs propagation: requirements 209-211."""

import os
import stat
import subprocess

import pytest

from harness import MS_BIND, MS_SHARED, mount, read, receive_fd, umount, write


@pytest.mark.quick
def test_r210_masked(rt, bundle):
    write(bundle.rootfs + "/data/secret", "secret\n")
    os.mkdir(bundle.rootfs + "/data/dir")
    write(bundle.rootfs + "/data/dir/file", "secret\n")
    bundle.linux["maskedPaths"] = ["/data/secret", "/data/dir", "/data/missing", "/data/missing/too"]
    out = rt.sh(bundle, "cat /data/secret; ls -A /data/dir; touch /data/dir/x 2>/dev/null || echo ro; "
                "test -e /data/missing || echo none; echo y > /data/secret")
    assert out.split() == ["ro", "none"]
    assert read(bundle.rootfs + "/data/secret") == "secret\n"


def test_r210_masked_kinds(rt, bundle):
    os.mkfifo(bundle.rootfs + "/data/fifo")
    write(bundle.rootfs + "/data/target", "x\n")
    os.symlink("/data/target", bundle.rootfs + "/data/link")
    bundle.linux["maskedPaths"] = ["/data/fifo", "/data/link"]
    out = rt.sh(bundle, "test -p /data/fifo || echo masked; cat /data/target")
    assert out.split()[0] == "masked"


def test_r210_default_list(rt, bundle):
    assert "/proc/kcore" in bundle.linux["maskedPaths"]
    assert rt.sh(bundle, "head -c 16 /proc/kcore | wc -c").strip() == "0"


def test_r210_many(rt, bundle):
    for i in range(40):
        os.mkdir(bundle.rootfs + "/data/%d" % i)
        write(bundle.rootfs + "/data/%d/f" % i, "")
    bundle.linux["maskedPaths"] = ["/data/%d" % i for i in range(40)]
    assert rt.sh(bundle, "ls /data/*/* 2>/dev/null; true") == ""


@pytest.mark.parametrize("path", ["relative", "./x"])
@pytest.mark.parametrize("key", ["maskedPaths", "readonlyPaths"])
def test_r210_r211_relative(rt, bundle, key, path):
    write(bundle.rootfs + "/relative", "")
    write(bundle.rootfs + "/x", "")
    bundle.linux[key] = [path]
    rt.failing_create(bundle, match=key)


@pytest.mark.quick
def test_r211_readonly(rt, bundle):
    write(bundle.rootfs + "/data/file", "x\n")
    os.mkdir(bundle.rootfs + "/data/dir")
    bundle.linux["readonlyPaths"] = ["/data/file", "/data/dir", "/data/missing"]
    out = rt.sh(bundle, "cat /data/file; echo y 2>/dev/null > /data/file || echo ro; touch /data/dir/x 2>/dev/null || echo ro; "
                "touch /data/other && echo rw")
    assert out.split() == ["x", "ro", "ro", "rw"]


def test_r211_keeps_flags(rt, bundle):
    bundle.add_mount("/mnt", "tmpfs", "tmpfs", ["nosuid", "nodev", "noexec"])
    bundle.linux["readonlyPaths"] = ["/mnt"]
    line = [l for l in rt.sh(bundle, "cat /proc/self/mountinfo").splitlines() if l.split()[4] == "/mnt"][-1]
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(line.split()[5].split(","))


def test_r211_default_list(rt, bundle):
    bundle.all_caps()
    out = rt.sh(bundle, "for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq/default_smp_affinity; do "
                "test -e $f || continue; ( : >> $f ) 2>/dev/null && echo $f; done; echo end")
    assert out == "end\n"


@pytest.mark.parametrize("path", ["/", "//", "/data/.."], ids=["slash", "slashes", "dotdot"])
def test_r211_root(rt, bundle, path):
    """As root.readonly: what is mounted below stays as it is."""
    bundle.linux["readonlyPaths"] = [path]
    bundle.add_mount("/mnt", "tmpfs", "tmpfs", [])
    out = rt.sh(bundle, "echo x 2>/dev/null >/x || echo ro; echo x >/mnt/x && echo rw")
    assert out.split() == ["ro", "rw"]


@pytest.mark.ocirun_only
def test_r211_rootfs_bound_in_itself(rt, bundle):
    """The root's other place is not the root."""
    bundle.add_mount("/mnt", bundle.rootfs, "bind", ["bind"])
    bundle.linux["readonlyPaths"] = ["/mnt"]
    assert rt.sh(bundle, "touch /x && touch /mnt/x 2>/dev/null || echo ro").split() == ["ro"]


@pytest.mark.ocirun_only
@pytest.mark.parametrize("path", ["/", "///", "/data/.."], ids=["slash", "slashes", "dotdot"])
def test_r210_root(rt, bundle, path):
    bundle.linux["maskedPaths"] = [path]
    rt.failing_create(bundle, match=r"linux\.maskedPaths\[0\].*the root cannot be masked")


@pytest.fixture
def volume(rt):
    """A shared tmpfs of the host with something to cover, and a directory that is mounted on."""
    path = rt.shared_tmpfs("volume")
    for name in ("dir", "late", "dev"):
        os.mkdir(path + "/" + name)
    write(path + "/file", "secret\n")
    write(path + "/dir/file", "secret\n")
    return path


def points():
    return sorted(line.split()[4] for line in read("/proc/self/mountinfo").splitlines())


@pytest.mark.ocirun_only
@pytest.mark.parametrize("root", [None, "rshared"])
@pytest.mark.parametrize("key", ["maskedPaths", "readonlyPaths"])
def test_r210_r211_below_a_shared_mount(rt, bundle, volume, key, root):
    """The covers are the container's own, also while it runs; what its program mounts is shared as ever."""
    before = points()
    bundle.add_mount("/mnt", volume, "bind", ["rbind", "rshared"]).all_caps()
    bundle.linux[key] = ["/mnt/dir", "/mnt/file"]
    if root:
        bundle.linux["rootfsPropagation"] = root
    c = rt.hold(bundle)
    assert points() == before
    assert read(volume + "/dir/file") == read(volume + "/file") == "secret\n"
    write(volume + "/file", "other\n")
    if key == "maskedPaths":
        assert c.sh("cat /mnt/file; ls -A /mnt/dir") == ""
    else:
        assert c.sh("cat /mnt/file; touch /mnt/dir/x 2>/dev/null || echo ro").split() == ["other", "ro"]
    c.sh("mount -t tmpfs x /mnt/late")
    assert points() == sorted(before + [volume + "/late"])
    mount("tmpfs", volume + "/dev", "tmpfs")
    assert "/mnt/dev" in c.sh("cut -d' ' -f5 /proc/self/mountinfo").split()
    umount(volume + "/dev")
    c.sh("umount /mnt/late")
    c.stop()
    assert points() == before


@pytest.mark.ocirun_only
def test_r210_a_shared_mount_itself(rt, bundle, volume):
    before = points()
    bundle.add_mount("/mnt", volume, "bind", ["rbind", "rshared"])
    bundle.linux["maskedPaths"] = ["/mnt"]
    c = rt.create(bundle.sh("ls -A /mnt"))
    assert points() == before
    c.start().ok()
    c.wait()
    assert c.out == ""
    c.delete().ok()
    assert points() == before


@pytest.mark.ocirun_only
def test_console_and_mounts_on_a_shared_mount(rt, bundle, volume):
    """So is what the runtime itself mounts there."""
    before = points()
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if not m["destination"].startswith("/dev")]
    for name in ("pts", "sub"):
        os.mkdir(volume + "/dev/" + name)
    bundle.add_mount("/dev", volume + "/dev", "bind", ["rbind", "rshared"])
    bundle.add_mount("/dev/pts", "devpts", "devpts", ["newinstance", "ptmxmode=0666", "mode=0620"])
    bundle.add_mount("/dev/sub", "tmpfs", "tmpfs", [])
    os.symlink("pts/ptmx", volume + "/dev/ptmx")
    os.mknod(volume + "/dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    bundle.process["terminal"] = True
    bundle.sh("cut -d' ' -f5 /proc/self/mountinfo >/data/out").save()
    sock = rt.path("console")
    with rt.listener(sock) as listener:
        c = rt.create(bundle, "--console-socket", sock, save=False)
        conn, _ = listener.accept()
        with conn:
            _, fds = receive_fd(conn)
        assert points() == before
        c.start().ok()
        c.wait()
        for fd in fds:
            os.close(fd)
    assert {"/dev/console", "/dev/pts", "/dev/sub"} <= set(read(bundle.rootfs + "/data/out").split())
    c.delete().ok()
    assert points() == before


def propagation(rt, bundle, value):
    if value is not None:
        bundle.linux["rootfsPropagation"] = value
    line = [l for l in rt.sh(bundle, "cat /proc/self/mountinfo").splitlines() if l.split()[4] == "/"][-1]
    return {t.split(":")[0] for t in line.split(" - ")[0].split()[6:]}


@pytest.mark.parametrize("value,tags", [("shared", {"shared"}), ("rshared", {"shared"}), ("private", set()),
                                        ("rprivate", set()), ("unbindable", {"unbindable"}),
                                        ("runbindable", {"unbindable"})])
def test_r209_root_propagation(rt, bundle, value, tags):
    assert propagation(rt, bundle, value) == tags


@pytest.mark.parametrize("value,flows", [("rslave", True), ("private", False), ("rprivate", False)])
def test_r209_flow_from_the_host(rt, bundle, value, flows):
    mount(bundle.rootfs, bundle.rootfs, None, MS_BIND)
    mount(None, bundle.rootfs, None, MS_SHARED)
    rt.cleanups.append(lambda: subprocess.run(["umount", "-R", "-l", bundle.rootfs], check=False))
    bundle.linux["rootfsPropagation"] = value
    c = rt.hold(bundle)
    mount("tmpfs", bundle.rootfs + "/mnt", "tmpfs")
    seen = [l for l in read("/proc/%d/mountinfo" % c.pid).splitlines() if l.split()[4] == "/mnt"]
    assert bool(seen) is flows
    umount(bundle.rootfs + "/mnt")
    c.stop()
