# SPDX-License-Identifier: LGPL-2.1-or-later
"""More known escapes: what an image, a shared volume or a caller's directory puts in the way of the set-up.

The rules are those of test_security.py: a canary outside the rootfs, and both answers pass, a clean refusal and a
start that is safe. A race counts how often the attacker turned the tree, and in how many rounds the runtime had
its way: without both it has shown nothing.
"""

import os
import subprocess

import pytest

from harness import TOKEN, alive, cgroup_dirs, cgroup_of, read, write
from test_security import ROUNDS, UNTOUCHED, canary, contents, safe, swapper  # noqa: F401

DEVICES = ["null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"]
LINKS = ["fd", "stdin", "stdout", "stderr", "core"]


def without_dev(bundle):
    for name in ("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"):
        bundle.drop_mount(name)
    return bundle


@pytest.mark.quick
@pytest.mark.parametrize("name", DEVICES + LINKS)
@pytest.mark.parametrize("there", [False, True], ids=["dangling", "there"])
def test_cve_2026_88264_88265_default_device_at_a_link(rt, bundle, canary, name, there):
    """Nothing is mounted on /dev, and one of its entries leads to the host: nothing is made, changed or written there."""
    if there:
        write(canary + "/file", "secret\n", 0o600)
    target = canary + ("/file" if there else "/new")
    before = os.stat(canary + "/file")
    os.symlink(target, bundle.rootfs + "/dev/" + name)
    without_dev(bundle).process["user"] = {"uid": 1000, "gid": 1000}
    safe(rt, rt.run(bundle.sh("echo x > /dev/%s; true" % name)))
    assert contents(canary) == UNTOUCHED and read(canary + "/file") == "secret\n"
    after = os.stat(canary + "/file")
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)


@pytest.mark.parametrize("name", ["null", "ptmx", "fd"])
def test_default_device_at_a_link_inside(rt, bundle, name):
    """A link that stays inside is no way to give a file of the image away, or to take it."""
    write(bundle.rootfs + "/data/file", "kept\n", 0o600)
    os.symlink("/data/file", bundle.rootfs + "/dev/" + name)
    without_dev(bundle).process["user"] = {"uid": 1000, "gid": 1000}
    safe(rt, rt.run(bundle.args("/bin/true")))
    st = os.stat(bundle.rootfs + "/data/file")
    assert read(bundle.rootfs + "/data/file") == "kept\n"
    assert (st.st_uid, st.st_gid, st.st_mode & 0o777) == (0, 0, 0o600)


def covered(pid):
    """What is mounted in the container's procfs, whatever its mount point is called at the moment."""
    points = [line.split()[4].split("/", 2) for line in read("/proc/%d/mountinfo" % pid).splitlines()]
    return sorted(p[2] for p in points if p[1] in ("proc", "link") and len(p) == 3)


def test_cve_2019_19921_race(rt, bundle, swapper):
    """/proc of the image is a directory and a link to another one, by turns: create fails, or covers all that it has to
    in the procfs that it mounted."""
    c = rt.create(bundle)
    usual = covered(c.pid)
    assert "sys" in usual and "keys" in usual
    c.delete("--force").ok()
    os.makedirs(bundle.rootfs + "/bad")
    os.symlink("/bad", bundle.rootfs + "/link")
    proc = swapper(bundle.rootfs + "/proc", bundle.rootfs + "/link")
    pid_file, made = rt.path("pid"), 0
    for _ in range(ROUNDS // 2):
        ident = rt.new_id()
        if safe(rt, rt.cmd("create", "--bundle", bundle.dir, "--pid-file", pid_file, ident)).rc == 0:
            pid = int(read(pid_file))
            assert covered(pid) == usual
            assert not [line for line in read("/proc/%d/mountinfo" % pid).splitlines() if line.split()[4].startswith("/bad")]
            made += 1
        rt.cmd("delete", "--force", ident)
    swapper.finish(proc)
    print("%d of %d containers were made" % (made, ROUNDS // 2))
    assert 0 < made


@pytest.mark.parametrize("key,place", [("kernel.domainname", "/proc/sys/kernel"), ("net.ipv4.ip_forward", "/proc/sys/net/ipv4")],
                         ids=["domainname", "ip_forward"])
def test_cve_2025_52881_race(rt, bundle, canary, swapper, key, place):
    """A mount that by turns lands in a volume and on the very file of /proc that a setting is then written to."""
    name = key.rpartition(".")[2]
    os.makedirs(bundle.rootfs + "/vol/a")
    write(bundle.rootfs + "/vol/a/" + name, "")
    os.symlink(place, bundle.rootfs + "/vol/b")
    bundle.add_mount("/vol/a/" + name, canary + "/file", "bind", ["bind"])
    bundle.linux["sysctl"] = {key: "1"}
    before = read("/proc/sys/" + key.replace(".", "/"))
    bundle.sh("cat %s/%s" % (place, name)).save()
    proc = swapper(bundle.rootfs + "/vol/a", bundle.rootfs + "/vol/b")
    runs = 0
    for _ in range(ROUNDS // 2):
        result = safe(rt, rt.run(bundle, save=False))
        assert read(canary + "/file") == "secret\n"
        if result.rc == 0:
            assert result.out == "1\n"
            runs += 1
    swapper.finish(proc)
    print("%d of %d runs succeeded" % (runs, ROUNDS // 2))
    assert runs > 0
    assert read("/proc/sys/" + key.replace(".", "/")) == before


@pytest.mark.ocirun_only
@pytest.mark.parametrize("program", ["/proc/self/cwd/%s", "/proc/self/root/../../../../..%s", "/proc/1/root/../../..%s"])
def test_no_program_of_the_host_by_a_magic_link(rt, bundle, program):
    """What create looks at, and what exec executes, is the container's, whatever way the path takes."""
    where = rt.path("host-program")
    write(where, "#!/bin/sh\necho ESCAPED\n", 0o755)
    result = rt.run(bundle.args(program % where)).fails()
    assert "ESCAPED" not in result.out
    c = rt.hold(rt.bundle())
    result = c.exec(program % where).fails()
    assert "ESCAPED" not in result.out
    c.stop()


@pytest.mark.ocirun_only
@pytest.mark.parametrize("place", ["/../../../x", "..", "../x", "/x/../../..", "/.."])
def test_cgroups_path_leads_out(rt, bundle, place):
    name = TOKEN + "-out"       # others make cgroups at the same time
    bundle.linux["cgroupsPath"] = place.replace("x", name)
    rt.failing_create(bundle, match=r"linux\.cgroupsPath")
    assert not [d for d in cgroup_dirs() if os.path.basename(d) == name]


@pytest.mark.ocirun_only
@pytest.mark.parametrize("kind", ["link", "directory"])
def test_delete_where_the_cgroup_is_something_else(rt, bundle, canary, kind):
    """Neither emptied nor removed: it is no cgroup. One that cannot be reached does not keep the rest from going."""
    c = rt.hold(bundle)
    groups = sorted({d for d in cgroup_of(c.pid).values() if c.id in d})
    lines = ["mount -t tmpfs none /sys/fs/cgroup"]
    for group in groups:
        lines.append("mkdir -p %s" % os.path.dirname(group))
        lines.append("ln -s %s %s" % (canary, group) if kind == "link" else "mkdir -p %s/d; cp %s/file %s" % (group, canary, group))
    lines.append('"$@" || exit 9; cat %s/file; ls -d %s/d' % (groups[0], groups[0]))
    out = subprocess.run(["unshare", "-m", "sh", "-c", "\n".join(lines), "sh", *rt.argv("delete", "--force", c.id)],
                         capture_output=True, text=True, timeout=60, check=True)
    assert out.stdout == "secret\n%s/d\n" % groups[0]
    assert contents(canary) == UNTOUCHED
    assert not alive(c.pid) and not os.path.exists(rt.root + "/" + c.id)
    for group in groups:
        os.rmdir(group)


@pytest.mark.ocirun_only
def test_pid_file_at_a_dangling_link(rt, bundle, canary):
    """A name that somebody else could have made in a shared directory beforehand."""
    os.symlink(canary + "/new", rt.path("link"))
    rt.create(bundle, "--pid-file", rt.path("link")).delete("-f").ok()
    assert contents(canary) == UNTOUCHED


@pytest.mark.quick
@pytest.mark.parametrize("kind", ["mqueue", "shm", "pts"])
def test_link_below_dev_at_a_mount(rt, bundle, canary, kind):
    """/dev itself is the image's, and a mount point in it is a link to the host."""
    bundle.drop_mount("/dev")
    os.symlink(canary + "/d", bundle.rootfs + "/dev/" + kind)
    safe(rt, rt.run(bundle.sh("ls -A /dev/%s >/dev/null; true" % kind)))
    assert contents(canary) == UNTOUCHED


@pytest.mark.ocirun_only
def test_name_of_the_init_shows_nothing_of_the_host(rt, bundle):
    """What waits in `created` can be looked at from a container that shares its pid namespace."""
    c = rt.create(bundle)
    command = read("/proc/%d/cmdline" % c.pid) + read("/proc/%d/environ" % c.pid)
    assert rt.dir not in command and "/" not in read("/proc/%d/comm" % c.pid)
    assert os.readlink("/proc/%d/cwd" % c.pid) == "/"
    c.delete("-f").ok()


def test_cve_2016_3697_exec(rt, bundle):
    """A number is a number, in exec too, and HOME is that of the number."""
    write(bundle.rootfs + "/etc/passwd", "1000:x:0:0::/evil:/bin/sh\nu:x:1000:1000::/good:/bin/sh\n")
    bundle.process["env"] = ["PATH=/bin"]
    c = rt.hold(bundle)
    out = c.sh("id -u; echo $HOME", ["--user", "1000", "--env", "X=1"])
    assert out.split()[0] == "1000" and "/evil" not in out
    c.stop()
