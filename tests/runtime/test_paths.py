# SPDX-License-Identifier: LGPL-2.1-or-later
"""Masked and read-only paths, rootfs propagation: requirements 209-211."""

import os
import subprocess

import pytest

from harness import MS_BIND, MS_SHARED, mount, read, umount, write


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
