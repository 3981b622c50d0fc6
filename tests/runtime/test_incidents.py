# SPDX-License-Identifier: LGPL-2.1-or-later
"""What users of other runtimes lost overnight, mostly to a hardening or a speed-up: each is a test here.

The name in front of a number is the project that the report was made to.
"""

import os
import subprocess

import pytest

from harness import MS_BIND, MS_SHARED, mount, read, umount, write


def stat_of(rt, bundle, *paths):
    """Modes inside, in octal."""
    return rt.sh(bundle, "stat -c %%a %s" % " ".join(paths)).split()


# ---- modes of mounts (runc 4971, crun 2176: /tmp and /dev/shm were nobody's) ----

@pytest.mark.quick
@pytest.mark.parametrize("before", [0o1777, 0o755, 0o700])
def test_runc_4971_tmpfs_takes_the_mode_of_its_directory(rt, bundle, before):
    os.chmod(bundle.rootfs + "/tmp", before)
    bundle.add_mount("/tmp", "tmpfs", "tmpfs", ["nosuid", "nodev"])
    bundle.add_mount("/var", "tmpfs", "tmpfs", ["mode=1777"])
    assert stat_of(rt, bundle, "/tmp", "/var") == ["%o" % before, "1777"]


@pytest.mark.ocirun_only
def test_runc_4971_new_directories(rt, bundle):
    """Of the image there is nothing: everybody may write to the tmpfs, and the way to it is open to all."""
    bundle.add_mount("/deep/er/tmp", "tmpfs", "tmpfs", [])
    bundle.add_mount("/deep/er/tmp/again", "tmpfs", "tmpfs", [])
    old = os.umask(0o077)
    try:
        assert stat_of(rt, bundle, "/deep", "/deep/er", "/deep/er/tmp", "/deep/er/tmp/again") == ["755", "755", "1777", "1777"]
    finally:
        os.umask(old)


@pytest.mark.quick
@pytest.mark.parametrize("options", [None, ["nosuid", "noexec", "nodev", "size=64k"]], ids=["spec", "no mode"])
def test_crun_2176_dev_shm_is_everybodys(rt, bundle, options):
    if options:
        if not rt.is_ocirun:
            return
        bundle.drop_mount("/dev/shm")
        bundle.add_mount("/dev/shm", "shm", "tmpfs", options)
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    assert rt.sh(bundle, "stat -c %a /dev/shm; echo x > /dev/shm/mine && cat /dev/shm/mine").split() == ["1777", "x"]


@pytest.mark.parametrize("mode", [0o555, 0o700, 0])
@pytest.mark.parametrize("readonly", [False, True])
def test_proc_and_sys_of_distributions(rt, bundle, mode, readonly):
    """Their images ship /proc and /sys with mode 555; others take all from them."""
    for name in ("proc", "sys", "dev"):
        os.chmod(bundle.rootfs + "/" + name, mode)
    bundle.config["root"]["readonly"] = readonly
    out = stat_of(rt, bundle, "/proc", "/sys", "/dev")
    assert out[:2] == ["555", "555"]
    assert out[2] == "755"
    for name in ("proc", "sys", "dev"):
        assert os.stat(bundle.rootfs + "/" + name).st_mode & 0o777 == mode


# ---- devices (runc 3468, 4555: tun went out of the list of what is allowed, and came back) ----

@pytest.mark.parametrize("rules", ["spec", "all denied"])
def test_runc_4555_tun_is_allowed(rt, bundle, rules):
    if rules == "all denied":
        bundle.linux["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    bundle.all_caps()
    # the control is a number that nobody has, so that it differs from tun in the rules alone
    out = rt.sh(bundle, "mknod /data/tun c 10 200; mknod /data/other c 10 254; for n in tun other; do "
                "(: < /data/$n) 2>&1 | grep -q 'not permitted' && echo $n denied; done; echo end")
    assert out.split("\n") == ["other denied", "end", ""]


@pytest.mark.ocirun_only
def test_runc_4555_tun_is_allowed_on_v2(v2, bundle):
    test_runc_4555_tun_is_allowed(v2, bundle, "all denied")


# ---- binds (runc 4575, 1523, buildkit 1523: a read-only or nosuid source in a user namespace) ----

@pytest.fixture
def source(rt):
    path = rt.path("source")
    os.mkdir(path)
    mount("tmpfs", path, "tmpfs")
    rt.cleanups.append(lambda: umount(path))
    write(path + "/file", "x\n")
    return path


@pytest.mark.parametrize("flags", ["ro", "nosuid", "nodev", "noexec", "ro,nosuid,nodev,noexec", "noatime"])
@pytest.mark.parametrize("options", [["bind"], ["bind", "ro"], ["rbind", "ro", "nosuid"]], ids="-".join)
def test_runc_4575_flags_of_the_source_stay(rt, bundle, source, flags, options):
    subprocess.run(["mount", "-o", "remount,bind," + flags, source], check=True)
    bundle.userns()
    bundle.add_mount("/mnt", source, "bind", options)
    line = [l for l in rt.sh(bundle, "cat /proc/self/mountinfo").splitlines() if l.split()[4] == "/mnt"][-1]
    seen = set(line.split()[5].split(","))
    assert set(flags.split(",")) | (set(options) & {"ro", "nosuid"}) <= seen, line


# ---- the whole machine inside (crun 2224: distrobox and toolbox) ----

@pytest.mark.parametrize("user", [False, True], ids=["", "userns"])
def test_crun_2224_the_host_below_a_directory(rt, bundle, user):
    """distrobox: the host's root, /dev and /sys are bound with all below, and most namespaces are the host's."""
    for kind in ("pid", "network", "ipc"):
        bundle.drop_namespace(kind)
    if user:
        bundle.userns()
    for name in ("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"):
        bundle.drop_mount(name)
    if user:
        bundle.drop_mount("/proc")
        bundle.add_mount("/proc", "/proc", "bind", ["rbind", "rslave"])
    for name in ("/dev", "/sys"):
        bundle.add_mount(name, name, "bind", ["rbind", "rslave"])
    bundle.add_mount("/run/host", "/", "bind", ["rbind", "rslave"])
    for key in ("maskedPaths", "readonlyPaths"):
        bundle.linux.pop(key, None)
    before = read("/proc/self/mountinfo")
    marker = write(rt.path("marker"), "of the host\n", 0o644)
    out = rt.sh(bundle, "cat /run/host%s; echo x > /dev/null && echo null; test -d /sys/class && echo sys; ls /proc/%d/status" % (
        marker, os.getpid()))
    assert out.splitlines() == ["of the host", "null", "sys", "/proc/%d/status" % os.getpid()]
    assert read("/proc/self/mountinfo") == before


# ---- limits that are small (runc 1914, 1980, 4021) ----

def test_runc_1914_a_single_process(rt, bundle):
    """pids.limit 1: the program is the one."""
    bundle.linux["resources"] = {"pids": {"limit": 1}}
    assert rt.sh(bundle, "echo one; exec true") == "one\n"


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer"])
def test_a_single_process_and_hooks(rt, bundle, kind):
    """A hook of the set-up is no process of the container's limit."""
    if not rt.is_ocirun:
        return
    bundle.linux["resources"] = {"pids": {"limit": 1}}
    bundle.hook(kind, "true; true | true")
    assert rt.sh(bundle, "echo one") == "one\n"


# ---- links, and what is mounted through them ----

@pytest.mark.ocirun_only
@pytest.mark.parametrize("option", ["copy-symlink", "src-nofollow", None], ids=str)
def test_source_is_a_link(rt, bundle, option):
    """podman volumes of links: copied as they are, mounted as they are, or followed."""
    write(rt.path("target"), "followed\n")
    os.symlink(rt.path("target"), rt.path("link"))
    bundle.add_mount("/mnt/link", rt.path("link"), "bind", ["bind"] + ([option] if option else []))
    out = rt.run(bundle.sh("readlink /mnt/link; cat /mnt/link 2>/dev/null; true"))
    if option == "copy-symlink":
        assert out.ok().out == rt.path("target") + "\n"
        assert os.readlink(bundle.rootfs + "/mnt/link") == rt.path("target")
    elif option:
        # the link covers the file, and is followed in the container, where there is nothing
        assert out.ok().out == rt.path("target") + "\n"
        assert os.path.isfile(bundle.rootfs + "/mnt/link") and not os.path.islink(bundle.rootfs + "/mnt/link")
    else:
        assert out.ok().out == "followed\n"


@pytest.mark.ocirun_only
@pytest.mark.parametrize("there", ["same", "other", "file"])
def test_copied_link_where_something_is(rt, bundle, there):
    os.symlink("/data/x", rt.path("link"))
    if there == "file":
        write(bundle.rootfs + "/mnt/link", "kept\n")
    else:
        os.symlink("/data/x" if there == "same" else "/data/y", bundle.rootfs + "/mnt/link")
    bundle.add_mount("/mnt/link", rt.path("link"), "bind", ["bind", "copy-symlink"])
    if there == "same":
        assert rt.sh(bundle, "readlink /mnt/link") == "/data/x\n"
    else:
        rt.failing_create(bundle, match=r"mounts\[\d+\] /mnt/link: .*File exists")
        assert os.path.islink(bundle.rootfs + "/mnt/link") == (there == "other")


@pytest.mark.ocirun_only
def test_destination_is_a_link_and_stays_one(rt, bundle):
    """dest-nofollow: the link itself is covered."""
    write(rt.path("source"), "mine\n")
    write(bundle.rootfs + "/data/file", "behind\n")
    os.symlink("/data/file", bundle.rootfs + "/mnt/link")
    bundle.add_mount("/mnt/link", rt.path("source"), "bind", ["bind", "dest-nofollow"])
    assert rt.sh(bundle, "cat /mnt/link /data/file") == "mine\nbehind\n"


# ---- mounts that leak (runc 4767, moby 33846) ----

@pytest.mark.parametrize("options", [["rbind"], ["rbind", "rslave"], ["rbind", "rprivate"]], ids="-".join)
def test_runc_4767_a_shared_source_keeps_nothing(rt, bundle, source, options):
    """The source is shared with the machine: a mount inside stays inside, and a deleted container holds nothing."""
    mount(None, source, None, MS_SHARED)
    os.mkdir(source + "/below")
    bundle.add_mount("/mnt", source, "bind", options)
    bundle.add_mount("/mnt/below", "tmpfs", "tmpfs", [])
    c = rt.hold(bundle)
    assert " /mnt/below " in read("/proc/%d/mountinfo" % c.pid)
    assert source + "/below" not in read("/proc/self/mountinfo")
    mount(rt.path("source"), source + "/below", None, MS_BIND)
    umount(source + "/below", 0)
    c.stop()
    os.rmdir(source + "/below")
