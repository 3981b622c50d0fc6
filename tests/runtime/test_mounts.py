# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mounts and their options: requirements 69-84 and part 4."""

import os
import resource
import subprocess

import pytest

from harness import MS_BIND, MS_SHARED, mount, read, umount, write


class Mount:
    """A line of mountinfo."""

    def __init__(self, line):
        left, right = line.split(" - ")
        fields = left.split()
        self.point, self.options, self.tags = fields[4], set(fields[5].split(",")), fields[6:]
        self.fstype, self.source = right.split()[0:2]
        self.super = set(right.split()[2].split(","))

    def tag(self, name):
        return any(t.split(":")[0] == name for t in self.tags)


def mounts_of(text):
    result = {}
    for line in text.splitlines():
        entry = Mount(line)
        result[entry.point] = entry        # the last one is on top
    return result


def inside(rt, bundle, script="cat /proc/self/mountinfo"):
    return mounts_of(rt.sh(bundle, script))


TMPFS_OPTIONS = [
    (["ro"], {"ro"}, {"rw"}), (["rw"], {"rw"}, {"ro"}), ([], {"rw"}, {"ro", "nosuid"}),
    (["nosuid"], {"nosuid"}, set()), (["nosuid", "suid"], set(), {"nosuid"}),
    (["nodev"], {"nodev"}, set()), (["nodev", "dev"], set(), {"nodev"}),
    (["noexec"], {"noexec"}, set()), (["noexec", "exec"], set(), {"noexec"}),
    (["noatime"], {"noatime"}, {"relatime"}), (["noatime", "atime"], set(), {"noatime"}),
    (["relatime"], {"relatime"}, {"noatime"}), (["strictatime"], set(), {"relatime", "noatime"}),
    (["nodiratime"], {"nodiratime"}, set()), (["nodiratime", "diratime"], set(), {"nodiratime"}),
    (["ro", "rw"], {"rw"}, {"ro"}), (["rw", "ro"], {"ro"}, {"rw"}), (["defaults"], {"rw"}, {"nosuid", "nodev"}),
    (["nosuid", "nodev", "noexec", "ro"], {"nosuid", "nodev", "noexec", "ro"}, set()),
    (["loud"], {"rw"}, set()), (["silent"], {"rw"}, set()),
]
ONLY_NEW = [
    (["nosymfollow"], {"nosymfollow"}, set()), (["nosymfollow", "symfollow"], set(), {"nosymfollow"}),
    (["noatime", "strictatime"], set(), {"noatime", "relatime"}),
    (["strictatime", "nostrictatime"], {"relatime"}, set()),
    (["strictatime", "relatime"], {"relatime"}, set()),
    (["norelatime"], set(), {"noatime"}),
    (["iversion"], {"rw"}, set()), (["noiversion"], {"rw"}, set()), (["nolazytime"], {"rw"}, set()),
    (["acl"], {"rw"}, set()), (["noacl"], {"rw"}, set()), (["mand"], {"rw"}, set()), (["nomand"], {"rw"}, set()),
]
name = lambda case: ",".join(case[0]) or "none"


@pytest.mark.parametrize("case", TMPFS_OPTIONS, ids=name)
def test_r074_tmpfs_options(rt, bundle, case):
    options, present, absent = case
    m = inside(rt, bundle.add_mount("/mnt", "tmpfs", "tmpfs", options))["/mnt"]
    assert m.fstype == "tmpfs" and present <= m.options and not absent & m.options


@pytest.mark.ocirun_only
@pytest.mark.parametrize("case", ONLY_NEW, ids=name)
def test_r074_tmpfs_options_rest(rt, bundle, case):
    test_r074_tmpfs_options(rt, bundle, case)


@pytest.mark.parametrize("option,seen,there", [("sync", "sync", True), ("async", "sync", False),
                                               ("dirsync", "dirsync", True)])
def test_r074_superblock_options(rt, bundle, option, seen, there):
    m = inside(rt, bundle.add_mount("/mnt", "tmpfs", "tmpfs", [option]))["/mnt"]
    assert (seen in m.super) is there


@pytest.mark.ocirun_only
def test_r074_lazytime(rt, bundle):
    assert "lazytime" in inside(rt, bundle.add_mount("/mnt", "tmpfs", "tmpfs", ["lazytime"]))["/mnt"].super


@pytest.mark.quick
@pytest.mark.parametrize("case", [c for c in TMPFS_OPTIONS if c[0] and c[0] != ["defaults"]], ids=name)
def test_r074_bind_options(rt, bundle, case):
    options, present, absent = case
    os.mkdir(rt.path("src"))
    m = inside(rt, bundle.add_mount("/mnt", rt.path("src"), "bind", ["bind"] + options))["/mnt"]
    assert present <= m.options and not absent & m.options


@pytest.mark.ocirun_only
@pytest.mark.parametrize("case", ONLY_NEW[:6], ids=name)
def test_r074_bind_options_rest(rt, bundle, case):
    test_r074_bind_options(rt, bundle, case)


def test_r074_bind_readonly_is_not_the_hosts(rt, bundle):
    os.mkdir(rt.path("src"))
    bundle.add_mount("/mnt", rt.path("src"), "bind", ["bind", "ro"])
    assert rt.run(bundle.sh("touch /mnt/x")).rc != 0
    write(rt.path("src/y"), "")


LIKE_MOUNT8 = """ro rw nosuid suid nodev dev noexec exec noatime atime relatime norelatime strictatime nostrictatime
    nodiratime diratime sync async dirsync mand nomand iversion noiversion silent loud ro,rw rw,ro nosuid,suid,nodev
    noatime,strictatime noatime,atime nodiratime,noatime noatime,nostrictatime sync,async size=64k,ro
    mode=700,nosuid,huge=never defaults defaults,nosuid,nodev,noexec nosymfollow symfollow lazytime nolazytime""".split()


@pytest.mark.parametrize("options", LIKE_MOUNT8)
def test_r074_r075_as_by_mount8(rt, bundle, options):
    """A new tmpfs, by what the kernel shows: the flags of the mount and the options of its superblock, which alone
    stays writable for the mounts that are to come below."""
    os.mkdir(rt.path("mine"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", rt.path("mine")], check=True)
    want = mounts_of(read("/proc/self/mountinfo"))[rt.path("mine")]
    umount(rt.path("mine"))
    got = inside(rt, bundle.add_mount("/mnt/new", "none", "tmpfs", options.split(",")))["/mnt/new"]
    assert (got.options, got.super - {"ro", "rw", "mode=755"}) == (want.options, want.super - {"ro", "rw"})


@pytest.mark.ocirun_only
def test_r074_remount(rt, bundle):
    bundle.add_mount("/mnt", "tmpfs", "tmpfs", []).add_mount("/mnt", "tmpfs", "tmpfs", ["remount", "ro"])
    assert "ro" in inside(rt, bundle)["/mnt"].options


@pytest.mark.parametrize("first,options,flag,wanted", [
    (["sync"], ["async"], "sync", False), ([], ["sync"], "sync", True), (["dirsync"], ["noexec"], "dirsync", True)],
    ids=["async", "sync", "other"])
def test_r074_remount_of_the_superblock(rt, bundle, first, options, flag, wanted):
    """Not only of the mount, as bind,remount is."""
    bundle.add_mount("/mnt", "tmpfs", "tmpfs", first).add_mount("/mnt", "tmpfs", "tmpfs", ["remount"] + options)
    assert (flag in inside(rt, bundle)["/mnt"].super) is wanted


@pytest.mark.parametrize("first,options", [([], ["ro"]), (["ro"], ["ro", "noatime"]), (["ro"], ["ro", "sync"])])
def test_r074_remount_of_a_bind_is_not_the_hosts(rt, bundle, shared, first, options):
    """A filesystem that is not the container's stays writable for the others."""
    bundle.add_mount("/mnt", shared, "bind", ["rbind"] + first).add_mount("/mnt", "none", "none", ["remount"] + options)
    assert rt.sh(bundle, "touch /mnt/x 2>/dev/null || echo ro") == "ro\n"
    write(shared + "/x", "")


@pytest.mark.quick
def test_r069_order_and_nesting(rt, bundle):
    os.mkdir(rt.path("src"))
    write(rt.path("src/file"), "host\n")
    bundle.add_mount("/mnt", "tmpfs", "tmpfs", [])
    bundle.add_mount("/mnt/a", rt.path("src"), "bind", ["bind"])
    bundle.add_mount("/mnt/a/b", "tmpfs", "tmpfs", ["size=64k"])
    out = rt.sh(bundle, "cat /mnt/a/file; mountpoint -q /mnt/a/b && echo nested; ls /mnt")
    assert out.split() == ["host", "nested", "a"]
    assert sorted(os.listdir(rt.path("src"))) == ["b", "file"]


def test_r069_later_covers_earlier(rt, bundle):
    bundle.add_mount("/mnt/a", "tmpfs", "tmpfs", []).add_mount("/mnt", "tmpfs", "tmpfs", [])
    assert rt.sh(bundle, "ls /mnt") == ""


def test_r070_r071_relative_destination(rt, bundle):
    bundle.add_mount("mnt/x", "tmpfs", "tmpfs", [])
    result = rt.run(bundle.sh("mountpoint -q /mnt/x && echo yes")).ok()
    assert result.out == "yes\n"
    if rt.is_ocirun:
        assert result.err == ""


@pytest.mark.parametrize("kind", [None, "none", "bind", "dummy"])
@pytest.mark.parametrize("option", ["bind", "rbind"])
def test_r072_bind_by_option(rt, bundle, kind, option):
    write(rt.path("file"), "content\n")
    bundle.add_mount("/data/file", rt.path("file"), kind, [option])
    assert rt.sh(bundle, "cat /data/file") == "content\n"


def test_r073_relative_source(rt, bundle):
    os.mkdir(bundle.dir + "/src")
    write(bundle.dir + "/src/file", "content\n")
    bundle.add_mount("/mnt", "src", "bind", ["bind"])
    assert rt.sh(bundle, "cat /mnt/file") == "content\n"


@pytest.mark.quick
def test_bind_source_missing(rt, bundle):
    bundle.add_mount("/mnt", "/srv/no/such/data", "bind", ["bind"])
    rt.failing_create(bundle, match=r"mounts\[\d+\] /mnt: bind source /srv/no/such/data: No such file or directory")


def test_bind_file_on_directory(rt, bundle):
    write(rt.path("file"), "")
    bundle.add_mount("/mnt", rt.path("file"), "bind", ["bind"])
    rt.failing_create(bundle, match="/mnt.*[Nn]ot a directory")


def test_bind_directory_on_file(rt, bundle):
    os.mkdir(rt.path("src"))
    bundle.add_mount("/etc/passwd", rt.path("src"), "bind", ["bind"])
    rt.failing_create(bundle, match="/etc/passwd.*[Nn]ot a directory")


def test_destination_created(rt, bundle):
    write(rt.path("file"), "content\n")
    os.mkdir(rt.path("src"))
    bundle.add_mount("/new/dir", rt.path("src"), "bind", ["bind"])
    bundle.add_mount("/new/file/here", rt.path("file"), "bind", ["bind"])
    assert rt.sh(bundle, "mountpoint -q /new/dir && cat /new/file/here") == "content\n"
    assert os.path.isdir(bundle.rootfs + "/new/dir") and os.path.isfile(bundle.rootfs + "/new/file/here")


def test_destination_through_links(rt, bundle):
    # a link in the rootfs is resolved as the container sees it
    os.makedirs(bundle.rootfs + "/real/dir")
    os.symlink("/real", bundle.rootfs + "/link")
    os.symlink("../../../../../../real/dir", bundle.rootfs + "/up")
    bundle.add_mount("/link/dir", "tmpfs", "tmpfs", ["size=64k"])
    bundle.add_mount("/up", "tmpfs", "tmpfs", ["size=128k"])
    points = inside(rt, bundle)
    assert "size=128k" in points["/real/dir"].super


def test_destination_dangling_link(rt, bundle):
    os.symlink("/missing/dir", bundle.rootfs + "/dangling")
    bundle.add_mount("/dangling", "tmpfs", "tmpfs", [])
    assert "/missing/dir" in inside(rt, bundle)
    assert not os.path.exists("/missing")


def test_r076_data_options(rt, bundle):
    bundle.add_mount("/mnt", "tmpfs", "tmpfs", ["size=64k", "nr_inodes=10", "nosuid"])
    m = inside(rt, bundle)["/mnt"]
    assert {"size=64k", "nr_inodes=10"} <= m.super and "nosuid" in m.options


def test_r076_bad_data(rt, bundle):
    bundle.add_mount("/mnt", "tmpfs", "tmpfs", ["nosuchoption=1"])
    rt.failing_create(bundle, match="/mnt")


@pytest.mark.ocirun_only
@pytest.mark.parametrize("fstype", ["tmpfs", "mqueue", "cgroup"])
def test_new_filesystem_on_a_file(rt, bundle, fstype):
    write(bundle.rootfs + "/data/file", "")
    bundle.add_mount("/data/file", fstype, fstype, [])
    rt.failing_create(bundle, match=r"mounts\[\d+\] /data/file: mount %s on a file: Not a directory" % fstype)


def test_bind_with_filesystem_options(rt, bundle):
    os.mkdir(rt.path("src"))
    bundle.add_mount("/mnt", rt.path("src"), "bind", ["bind", "mode=755", "size=1k"])
    result = rt.run(bundle.sh("mountpoint -q /mnt")).ok()
    assert result.err == ""


PROPAGATION = [("private", set()), ("rprivate", set()), ("shared", {"shared"}), ("rshared", {"shared"}),
               ("unbindable", {"unbindable"}), ("runbindable", {"unbindable"})]


@pytest.mark.parametrize("option,tags", PROPAGATION)
@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_propagation_option(rt, bundle, kind, option, tags):
    if kind == "tmpfs":
        bundle.add_mount("/mnt", "tmpfs", "tmpfs", [option])
    else:
        os.mkdir(rt.path("src"))
        bundle.add_mount("/mnt", rt.path("src"), "bind", ["bind", option])
    m = inside(rt, bundle)["/mnt"]
    assert {t.split(":")[0] for t in m.tags} - {"master", "propagate_from"} == tags


@pytest.fixture
def shared(rt):
    """A shared tmpfs of the host."""
    path = rt.shared_tmpfs("shared")
    os.mkdir(path + "/sub")
    return path


@pytest.mark.parametrize("option,flows_in", [("rslave", True), ("slave", True), ("rshared", True), ("rprivate", False),
                                             ("private", False)])
def test_propagation_from_the_host(rt, bundle, shared, option, flows_in):
    bundle.add_mount("/mnt", shared, "bind", ["rbind", option])
    bundle.linux["rootfsPropagation"] = "rslave"
    c = rt.hold(bundle)
    mount("tmpfs", shared + "/sub", "tmpfs")
    assert ("/mnt/sub" in mounts_of(read("/proc/%d/mountinfo" % c.pid))) is flows_in
    umount(shared + "/sub")
    c.stop()


@pytest.mark.parametrize("option,flows_out", [("rslave", False), ("rshared", True), ("rprivate", False)])
def test_propagation_to_the_host(rt, bundle, shared, option, flows_out):
    bundle.add_mount("/mnt", shared, "bind", ["rbind", option]).all_caps()
    if flows_out:
        bundle.linux["rootfsPropagation"] = "rshared"      # as engines do for it
    c = rt.hold(bundle)
    c.sh("mount -t tmpfs x /mnt/sub")
    assert (shared + "/sub" in mounts_of(read("/proc/self/mountinfo"))) is flows_out
    c.stop()


@pytest.mark.ocirun_only
def test_propagation_default_does_not_flow_out(rt, bundle, shared):
    # a clone of a mount stays in the host's peer group unless something is done about it
    bundle.add_mount("/mnt", shared, "bind", ["rbind"]).add_mount("/mnt/sub", "tmpfs", "tmpfs", [])
    rt.create(bundle)
    assert shared + "/sub" not in mounts_of(read("/proc/self/mountinfo"))


@pytest.fixture
def tree(rt):
    """A directory with a mount below it."""
    path = rt.path("tree")
    os.makedirs(path + "/sub")
    mount(path, path, None, MS_BIND)
    mount("tmpfs", path + "/sub", "tmpfs")
    rt.cleanups.append(lambda: subprocess.run(["umount", "-R", "-l", path], check=False))
    return path


@pytest.mark.parametrize("options,top,sub", [(["rbind"], True, True), (["bind"], True, False)])
def test_rbind_and_bind(rt, bundle, tree, options, top, sub):
    points = inside(rt, bundle.add_mount("/mnt", tree, "bind", options))
    assert ("/mnt" in points, "/mnt/sub" in points) == (top, sub)


@pytest.mark.quick
@pytest.mark.parametrize("option,flag", [("rro", "ro"), ("rnosuid", "nosuid"), ("rnodev", "nodev"), ("rnoexec", "noexec"),
                                         ("rnoatime", "noatime"), ("rnodiratime", "nodiratime"),
                                         ("rrelatime", "relatime")])
def test_recursive_attributes(rt, bundle, tree, option, flag):
    points = inside(rt, bundle.add_mount("/mnt", tree, "bind", ["rbind", option]))
    assert flag in points["/mnt"].options and flag in points["/mnt/sub"].options
    assert flag == "relatime" or flag not in mounts_of(read("/proc/self/mountinfo"))[tree + "/sub"].options


@pytest.mark.ocirun_only
@pytest.mark.parametrize("option,flag", [("rnosymfollow", "nosymfollow")])
def test_recursive_attributes_rest(rt, bundle, tree, option, flag):
    test_recursive_attributes(rt, bundle, tree, option, flag)


@pytest.mark.parametrize("flags,option,gone", [("ro", "rrw", "ro"), ("nosuid", "rsuid", "nosuid"), ("nodev", "rdev", "nodev"),
                                               ("noexec", "rexec", "noexec"), ("noatime", "rstrictatime", "noatime"),
                                               ("nodiratime", "rdiratime", "nodiratime")])
def test_recursive_clearing(rt, bundle, tree, flags, option, gone):
    for path in (tree, tree + "/sub"):
        subprocess.run(["mount", "-o", "remount,bind," + flags, path], check=True)
    points = inside(rt, bundle.add_mount("/mnt", tree, "bind", ["rbind", option]))
    assert gone not in points["/mnt"].options and gone not in points["/mnt/sub"].options


def test_ro_is_not_recursive(rt, bundle, tree):
    points = inside(rt, bundle.add_mount("/mnt", tree, "bind", ["rbind", "ro"]))
    assert "ro" in points["/mnt"].options and "rw" in points["/mnt/sub"].options


def test_bind_keeps_source_flags(rt, bundle, tree):
    subprocess.run(["mount", "-o", "remount,bind,nosuid,noexec", tree], check=True)
    m = inside(rt, bundle.add_mount("/mnt", tree, "bind", ["bind"]))["/mnt"]
    assert {"nosuid", "noexec"} <= m.options


@pytest.mark.quick
def test_tmpcopyup(rt, bundle):
    os.makedirs(bundle.rootfs + "/data/dir")
    write(bundle.rootfs + "/data/dir/file", "below\n", 0o644)
    os.chown(bundle.rootfs + "/data/dir/file", 12, 34)
    os.symlink("dir/file", bundle.rootfs + "/data/link")
    os.chmod(bundle.rootfs + "/data", 0o711)
    bundle.add_mount("/data", "tmpfs", "tmpfs", ["tmpcopyup"])
    out = rt.sh(bundle, "cat /data/dir/file; stat -c '%a %u %g' /data/dir/file; readlink /data/link; touch /data/new; "
                "mountpoint -q /data && stat -c %a /data")
    assert out.split("\n")[:4] == ["below", "644 12 34", "dir/file", "711"]
    assert not os.path.exists(bundle.rootfs + "/data/new")


def test_tmpfs_mode_option(rt, bundle):
    bundle.add_mount("/mnt", "tmpfs", "tmpfs", ["mode=750", "uid=5", "gid=6"])
    assert rt.sh(bundle, "stat -c '%a %u %g' /mnt").split() == ["750", "5", "6"]


def test_tmpfs_inherits_mode(rt, bundle):
    os.chmod(bundle.rootfs + "/mnt", 0o710)
    bundle.add_mount("/mnt", "tmpfs", "tmpfs", [])
    assert rt.sh(bundle, "stat -c %a /mnt").strip() == "710"


@pytest.mark.ocirun_only
def test_tmpfs_mode_of_new_directory(rt, bundle):
    bundle.add_mount("/brand/new", "tmpfs", "tmpfs", [])
    assert rt.sh(bundle, "stat -c %a /brand/new").strip() == "1777"


def test_tmpfs_readonly_with_content(rt, bundle):
    # read-only takes effect after the mounts below it were made
    bundle.add_mount("/mnt", "tmpfs", "tmpfs", ["ro", "tmpcopyup"]).config["mounts"][-1]["destination"] = "/data"
    write(bundle.rootfs + "/data/file", "x\n")
    assert rt.sh(bundle, "cat /data/file; touch /data/y 2>/dev/null || echo ro") == "x\nro\n"


def test_default_mounts(rt, bundle):
    points = inside(rt, bundle)
    assert points["/proc"].fstype == "proc" and points["/dev"].fstype == "tmpfs"
    assert points["/dev/pts"].fstype == "devpts" and points["/dev/mqueue"].fstype == "mqueue"
    assert points["/sys"].fstype == "sysfs" and "ro" in points["/sys"].options
    assert {"nosuid", "noexec"} <= points["/dev/pts"].options
    assert {"mode=620", "ptmxmode=666"} <= points["/dev/pts"].super


def test_cgroup_mount(rt, bundle):
    # no file can be made in a cgroup2 that is writable; a directory can
    out = rt.sh(bundle, "ls /sys/fs/cgroup; for d in /sys/fs/cgroup /sys/fs/cgroup/*/; do test -d $d || continue; "
                "mkdir $d/x 2>/dev/null && rmdir $d/x && echo MADE $d; echo tried $d; done").splitlines()
    assert "tried /sys/fs/cgroup" in out and not [l for l in out if l.startswith("MADE")], out
    if os.path.ismount("/sys/fs/cgroup/pids"):
        assert {"pids", "memory", "cpu", "tried /sys/fs/cgroup/pids/"} <= set(out)


def test_cgroup_mount_shows_own(rt, bundle):
    if not os.path.ismount("/sys/fs/cgroup/pids"):
        pytest.skip("pids is no v1 hierarchy")
    assert int(rt.sh(bundle, "cat /sys/fs/cgroup/pids/cgroup.procs | grep -c .")) >= 1


def test_nothing_of_the_host_is_visible(rt, bundle):
    points = inside(rt, bundle)
    for m in points.values():
        assert rt.dir not in m.point
    assert rt.sh(rt.bundle(), "ls -d /usr /home/* /etc/debian_version 2>/dev/null; ls /").split() == sorted(
        os.listdir(bundle.rootfs))


def test_mounts_do_not_reach_the_host(rt, bundle):
    before = read("/proc/self/mountinfo")
    c = rt.create(bundle.add_mount("/mnt", "tmpfs", "tmpfs", []))
    assert read("/proc/self/mountinfo") == before
    c.delete("-f").ok()


def test_rootfs_on_a_mount(rt, bundle):
    mount("tmpfs", bundle.dir, "tmpfs")
    rt.cleanups.append(lambda: umount(bundle.dir))
    os.makedirs(bundle.rootfs + "/bin")
    subprocess.run(["cp", rt.base.busybox, bundle.rootfs + "/bin/busybox"], check=True)
    os.symlink("busybox", bundle.rootfs + "/bin/sh")
    assert rt.sh(bundle, "echo ok") == "ok\n"


def test_rootfs_is_a_shared_mount(rt, bundle):
    mount(bundle.rootfs, bundle.rootfs, None, MS_BIND)
    mount(None, bundle.rootfs, None, MS_SHARED)
    rt.cleanups.append(lambda: umount(bundle.rootfs))
    bundle.add_mount("/mnt", "tmpfs", "tmpfs", [])
    c = rt.create(bundle)
    assert bundle.rootfs + "/mnt" not in mounts_of(read("/proc/self/mountinfo"))
    c.delete("-f").ok()


@pytest.mark.quick
def test_no_pivot(rt, bundle):
    assert rt.sh(bundle, "ls -d /usr 2>/dev/null; echo ok", "--no-pivot") == "ok\n"


def mapping(base, size=1000):
    return {"uidMappings": [{"containerID": 0, "hostID": base, "size": size}],
            "gidMappings": [{"containerID": 0, "hostID": base, "size": size}]}


@pytest.mark.ocirun_only
@pytest.mark.parametrize("options", [["bind"], ["bind", "idmap"], ["rbind", "ridmap"]], ids=",".join)
def test_r077_r079_r084_idmapped(rt, bundle, options):
    os.mkdir(rt.path("src"))
    write(rt.path("src/file"), "")
    os.chown(rt.path("src/file"), 7, 8)
    bundle.add_mount("/mnt", rt.path("src"), "bind", options, **mapping(50000))
    assert rt.sh(bundle, "stat -c '%u %g' /mnt/file").split() == ["50007", "50008"]


@pytest.mark.ocirun_only
def test_r080_idmap_of_the_user_namespace(rt, bundle):
    os.mkdir(rt.path("src"))
    write(rt.path("src/file"), "")
    os.chown(rt.path("src/file"), 7, 8)
    bundle.userns().add_mount("/mnt", rt.path("src"), "bind", ["bind", "idmap"])
    assert rt.sh(bundle, "stat -c '%u %g' /mnt/file").split() == ["7", "8"]


@pytest.mark.ocirun_only
def test_r081_idmap_without_mappings(rt, bundle):
    os.mkdir(rt.path("src"))
    bundle.add_mount("/mnt", rt.path("src"), "bind", ["bind", "idmap"])
    rt.failing_create(bundle, match="/mnt")


@pytest.mark.ocirun_only
@pytest.mark.parametrize("key", ["uidMappings", "gidMappings"])
def test_r083_one_mapping_only(rt, bundle, key):
    os.mkdir(rt.path("src"))
    bundle.add_mount("/mnt", rt.path("src"), "bind", ["bind"], **{key: mapping(1)[key]})
    rt.failing_create(bundle, match="Mappings")


def test_many_mounts(rt, bundle):
    # more than fit in one message with descriptors (253)
    os.mkdir(rt.path("src"))
    for i in range(300):
        bundle.add_mount("/mnt/%d" % i, rt.path("src"), "bind", ["bind", "ro"])
    assert rt.sh(bundle, "grep -c ' /mnt/' /proc/self/mountinfo").strip() == "300"


def files_limit(soft):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return limit


@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
@pytest.mark.parametrize("userns", [False, True])
def test_more_mounts_than_open_files(rt, bundle, kind, userns):
    """The soft limit of the caller is the program's and the hooks', and does not count mounts."""
    write(rt.path("src"), "")
    bundle.process.pop("rlimits", None)
    for i in range(300):
        if kind == "bind":
            bundle.add_mount("/mnt/%d" % i, rt.path("src"), "bind", ["bind"])
        else:
            bundle.add_mount("/mnt/%d" % i, "tmpfs", "tmpfs", ["ro", "size=4k"])
    if userns:
        bundle.userns()
    for hook in "createRuntime", "createContainer":
        bundle.hook(hook, "ulimit -Sn >> " + rt.path("limits"))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    os.close(os.open(rt.path("limits"), os.O_CREAT, 0o666))
    os.chmod(rt.path("limits"), 0o666)
    result = rt.run(bundle.sh("grep -c ' /mnt/' /proc/self/mountinfo; ulimit -Sn; ulimit -Hn"), preexec_fn=files_limit(256)).ok()
    assert result.out.split()[0] == "300"
    if rt.is_ocirun:
        assert result.out.split()[1:] == ["256", str(hard)]
        assert read(rt.path("limits")).split() == ["256", "256"]


@pytest.mark.ocirun_only
def test_more_mounts_than_the_hard_limit(rt, bundle):
    write(rt.path("src"), "")
    for i in range(300):
        bundle.add_mount("/mnt/%d" % i, rt.path("src"), "bind", ["bind"])
    rt.failing_create(bundle.sh("true"), match="Too many open files.*limit of open files",
                      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)))


def test_names_with_spaces(rt, bundle):
    os.mkdir(rt.path("a b\tc"))
    write(rt.path("a b\tc/f"), "ok\n")
    bundle.add_mount("/mnt/x y\\z", rt.path("a b\tc"), "bind", ["bind"])
    assert rt.sh(bundle, "cat '/mnt/x y\\z/f'") == "ok\n"
