# SPDX-License-Identifier: LGPL-2.1-or-later
"""Namespaces and user mappings: requirements 109, 110, 133-143."""

import os
import subprocess

import pytest

from harness import read, until

FILES = {"pid": "pid", "network": "net", "mount": "mnt", "ipc": "ipc", "uts": "uts", "user": "user",
         "cgroup": "cgroup", "time": "time"}
SIMPLE = ["network", "ipc", "uts", "cgroup"]


def ns(kind, pid="self"):
    return os.readlink("/proc/%s/ns/%s" % (pid, FILES[kind]))


class Holder:
    """A process in new namespaces of the given kinds."""

    FLAGS = {"network": "-n", "mount": "-m", "ipc": "-i", "uts": "-u", "pid": "-p", "user": "-U", "cgroup": "-C",
             "time": "-T"}

    def __init__(self, rt, *kinds):
        flags = [self.FLAGS[k] for k in kinds]
        if "pid" in kinds or "time" in kinds:
            flags.append("--fork")
        if "user" in kinds:
            flags.append("--map-root-user")
        ready = rt.path("holder-ready")
        self.proc = subprocess.Popen(["unshare", *flags, "--kill-child", "sh", "-c", "echo > %s; exec sleep 1000" % ready]
                                     if "--fork" in flags else
                                     ["unshare", *flags, "sh", "-c", "echo > %s; exec sleep 1000" % ready])
        rt.procs.append(self.proc)
        until(lambda: os.path.exists(ready), "the holder")
        self.pid = self.proc.pid
        if "--fork" in flags:
            self.pid = int(read("/proc/%d/task/%d/children" % (self.pid, self.pid)).split()[0])

    def path(self, kind):
        return "/proc/%d/ns/%s" % (self.pid, FILES[kind])


def test_r133_default_spec(rt, bundle):
    mounts = {m["destination"]: m["type"] for m in bundle.config["mounts"]}
    assert mounts["/proc"] == "proc" and mounts["/sys"] == "sysfs"
    assert mounts["/dev/pts"] == "devpts" and mounts["/dev/shm"] == "tmpfs"


@pytest.mark.quick
@pytest.mark.parametrize("kind", ["pid", "network", "mount", "ipc", "uts", "cgroup", "user", "time"])
def test_r134_r138_new(rt, bundle, kind):
    if kind == "user":
        bundle.userns()
    else:
        bundle.namespace(kind)
    c = rt.hold(bundle)
    assert ns(kind, c.pid) != ns(kind)
    assert c.exec("readlink", "/proc/self/ns/" + FILES[kind]).ok().out.strip() == ns(kind, c.pid)
    c.stop()


def test_loopback(rt, bundle):
    """Up in a new network namespace; a joined one is left as it is."""
    assert "inet 127.0.0.1/8" in rt.sh(bundle, "ip addr show lo")
    holder = Holder(rt, "network")
    bundle.namespace("network", holder.path("network"))
    assert "inet" not in rt.sh(bundle, "ip addr show lo")


@pytest.mark.parametrize("kind", ["pid", "network", "ipc", "uts", "cgroup", "user", "time"])
def test_r139_not_listed_is_inherited(rt, bundle, kind):
    bundle.drop_namespace(kind)
    c = rt.create(bundle.args("/bin/true"))
    assert ns(kind, c.pid) == ns(kind)


def no_mount_namespace(bundle):
    bundle.drop_namespace("mount")
    bundle.linux.pop("maskedPaths", None)
    bundle.linux.pop("readonlyPaths", None)
    bundle.linux.pop("rootfsPropagation", None)
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] == "/proc"]


@pytest.mark.ocirun_only
def test_r139_no_mount_namespace(rt, bundle):
    no_mount_namespace(bundle)
    c = rt.hold(bundle)
    assert ns("mount", c.pid) == ns("mount")
    assert c.sh("ls /bin/helper /data; readlink /proc/1/ns/mnt").splitlines()[-1] == ns("mount")
    c.stop()


@pytest.mark.ocirun_only
def test_r139_no_mount_namespace_failing(rt, bundle):
    no_mount_namespace(bundle)
    bundle.add_mount("/mnt", "none", "no-such-fs")
    rt.failing_create(bundle)


@pytest.mark.quick
@pytest.mark.parametrize("kind", SIMPLE)
def test_r136_joined(rt, bundle, kind):
    holder = Holder(rt, kind)
    bundle.namespace(kind, holder.path(kind))
    if kind == "uts":
        bundle.config.pop("hostname", None)
    c = rt.hold(bundle)
    assert ns(kind, c.pid) == ns(kind, holder.pid) != ns(kind)
    assert c.exec("readlink", "/proc/self/ns/" + FILES[kind]).ok().out.strip() == ns(kind, holder.pid)
    c.stop()


def test_r136_joined_pid(rt, bundle):
    holder = Holder(rt, "pid")
    bundle.namespace("pid", holder.path("pid"))
    c = rt.hold(bundle)
    assert ns("pid", c.pid) == ns("pid", holder.pid) != ns("pid")
    assert c.sh("echo $$").strip() not in ("1", "")
    c.stop()


def test_r136_joined_by_bind_mounted_file(rt, bundle):
    holder = Holder(rt, "network")
    path = rt.path("netns")
    open(path, "w", encoding="utf8").close()
    import harness
    harness.mount(holder.path("network"), path, None, harness.MS_BIND)
    rt.cleanups.append(lambda: harness.umount(path))
    bundle.namespace("network", path)
    c = rt.create(bundle.args("/bin/true"))
    assert ns("network", c.pid) == ns("network", holder.pid)


@pytest.mark.ocirun_only
def test_r136_joined_mount(rt, bundle):
    holder = Holder(rt, "mount")
    bundle.namespace("mount", holder.path("mount"))
    c = rt.hold(bundle)
    assert ns("mount", c.pid) == ns("mount", holder.pid)
    c.stop()


@pytest.mark.ocirun_only
def test_r136_joined_time(rt, bundle):
    holder = Holder(rt, "time")
    bundle.namespace("time", "/proc/%d/ns/time" % holder.pid)
    c = rt.create(bundle.args("/bin/true"))
    assert ns("time", c.pid) == ns("time", holder.pid) != ns("time")


@pytest.mark.ocirun_only
def test_r136_joined_user_and_its_network(rt, bundle):
    holder = Holder(rt, "user", "network")
    for m in bundle.config["mounts"]:         # only root is mapped in it
        m["options"] = [o for o in m.get("options", []) if o != "gid=5"]
    bundle.namespace("user", holder.path("user"))
    bundle.namespace("network", holder.path("network"))
    c = rt.hold(bundle)
    assert ns("user", c.pid) == ns("user", holder.pid)
    assert ns("network", c.pid) == ns("network", holder.pid)
    c.stop()


def test_r136_joined_all_of_a_container(rt, bundle):
    first = rt.hold(rt.bundle())
    for kind in ("network", "ipc", "uts"):
        bundle.namespace(kind, "/proc/%d/ns/%s" % (first.pid, FILES[kind]))
    bundle.config.pop("hostname", None)
    second = rt.hold(bundle)
    for kind in ("network", "ipc", "uts"):
        assert ns(kind, second.pid) == ns(kind, first.pid)
    second.stop()
    first.stop()


@pytest.mark.parametrize("kind", ["network", "ipc", "uts", "pid", "cgroup"])
def test_r135_relative_path(rt, bundle, kind):
    bundle.namespace(kind, "proc/self/ns/" + FILES[kind])
    rt.failing_create(bundle, match="path")


@pytest.mark.parametrize("kind,other", [("network", "ipc"), ("ipc", "uts"), ("uts", "network"), ("pid", "network"),
                                        ("cgroup", "uts"), ("mount", "network"), ("user", "uts")])
def test_r137_wrong_type(rt, bundle, kind, other):
    bundle.namespace(kind, "/proc/self/ns/" + FILES[other])
    rt.failing_create(bundle, match=kind)


def test_r137_not_a_namespace(rt, bundle):
    bundle.namespace("network", "/etc/passwd")
    rt.failing_create(bundle, match="network")


def test_r136_missing_path(rt, bundle):
    bundle.namespace("network", "/no/such/ns")
    rt.failing_create(bundle, match="/no/such/ns: No such file")


@pytest.mark.parametrize("kind", ["network", "uts", "mount"])
def test_r140_duplicate(rt, bundle, kind):
    bundle.linux["namespaces"].append({"type": kind})
    rt.failing_create(bundle, match=kind)


@pytest.mark.quick
def test_user_maps(rt, bundle):
    bundle.userns(base=200000, size=1000)
    out = rt.sh(bundle, "cat /proc/self/uid_map; cat /proc/self/gid_map; id -u; id -g; touch /data/mine")
    lines = out.split("\n")
    assert lines[0].split() == ["0", "200000", "1000"] and lines[1].split() == ["0", "200000", "1000"]
    assert lines[2:4] == ["0", "0"]
    st = os.stat(bundle.rootfs + "/data/mine")
    assert (st.st_uid, st.st_gid) == (200000, 200000)


def test_user_maps_several(rt, bundle):
    bundle.userns(base=200000, size=1000)
    for key in ("uidMappings", "gidMappings"):
        bundle.linux[key].append({"containerID": 5000, "hostID": 300000, "size": 1})
    bundle.process["user"] = {"uid": 5000, "gid": 5000}
    out = rt.sh(bundle, "cat /proc/self/uid_map; id -u")
    assert out.split() == ["0", "200000", "1000", "5000", "300000", "1", "5000"]


def test_user_ns_devices_exist(rt, bundle):
    bundle.userns()
    out = rt.sh(bundle, "for d in null zero full random urandom tty; do stat -c %t:%T /dev/$d; done; echo x > /dev/null")
    assert out.split() == ["1:3", "1:5", "1:7", "1:8", "1:9", "5:0"]


def test_user_ns_exec(rt, bundle):
    bundle.userns()
    c = rt.hold(bundle)
    assert c.sh("id -u; cat /proc/self/uid_map").split() == ["0", "0", "100000", "65536"]
    c.stop()


@pytest.mark.ocirun_only
@pytest.mark.parametrize("user", [{"uid": 70000, "gid": 0}, {"uid": 0, "gid": 70000},
                                  {"uid": 0, "gid": 0, "additionalGids": [70000]}])
def test_user_unmapped(rt, bundle, user):
    bundle.userns()
    bundle.process["user"] = user
    rt.failing_create(bundle)


def test_user_ns_without_maps(rt, bundle):
    bundle.namespace("user")
    rt.failing_create(bundle)


@pytest.mark.ocirun_only
def test_r142_340_map_lines(rt, bundle):
    # the kernel takes no more than a page of text
    bundle.userns(base=2000, size=1)
    for m in bundle.config["mounts"]:
        m["options"] = [o for o in m.get("options", []) if o != "gid=5"]
    for key in ("uidMappings", "gidMappings"):
        bundle.linux[key] += [{"containerID": i, "hostID": 2000 + i * 2, "size": 1} for i in range(1, 340)]
    assert rt.sh(bundle, "wc -l < /proc/self/uid_map").strip() == "340"


@pytest.mark.ocirun_only
def test_r142_id_0_is_not_mapped(rt, bundle):
    """Directories for mounts are made as id 0: what the kernel says to that is explained."""
    bundle.userns()
    for key in ("uidMappings", "gidMappings"):
        bundle.linux[key] = [{"containerID": 1000, "hostID": 100000, "size": 1000}]
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    bundle.add_mount("/new/directory", "tmpfs", "tmpfs", [])
    rt.failing_create(bundle, match="it needs a mapping in the user namespace")


def test_r141_ownership_unchanged(rt, bundle):
    before = os.stat(bundle.rootfs + "/etc/passwd").st_uid
    bundle.namespace("user")
    for key in ("uidMappings", "gidMappings"):
        bundle.linux[key] = [{"containerID": 0, "hostID": 100000, "size": 10}]
    os.chmod(bundle.rootfs, 0o755)
    for name in ("proc", "sys", "dev"):
        os.chown(os.path.join(bundle.rootfs, name), 100000, 100000)
    rt.run(bundle.args("/bin/true"))
    assert os.stat(bundle.rootfs + "/etc/passwd").st_uid == before


@pytest.mark.ocirun_only
@pytest.mark.quick
def test_r143_time_offsets(rt, bundle):
    bundle.namespace("time")
    bundle.linux["timeOffsets"] = {"monotonic": {"secs": 86400, "nanosecs": 5}, "boottime": {"secs": 172800}}
    import time
    before = time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)
    c = rt.hold(bundle)
    for out in (c.exec("helper", "clock", "1").ok().out, ):
        assert before[0] + 86400 <= float(out) < before[0] + 86400 + 60
    out = c.exec("helper", "clock", "7").ok().out
    assert before[1] + 172800 <= float(out) < before[1] + 172800 + 60
    c.stop()


@pytest.mark.ocirun_only
@pytest.mark.parametrize("case", ["no-namespace", "joined", "clock"])
def test_r143_time_offsets_refused(rt, bundle, case):
    bundle.linux["timeOffsets"] = {"monotonic": {"secs": 1}}
    if case == "joined":
        bundle.namespace("time", "/proc/self/ns/time")
    if case == "clock":
        bundle.namespace("time")
        bundle.linux["timeOffsets"] = {"realtime": {"secs": 1}}
    rt.failing_create(bundle, match="timeOffsets")


@pytest.mark.quick
def test_r109_hostname(rt, bundle):
    bundle.config["hostname"] = "some-name"
    assert rt.sh(bundle, "hostname").strip() == "some-name"
    assert os.uname().nodename != "some-name"


def test_r109_hostname_without_uts(rt, bundle):
    bundle.drop_namespace("uts")
    bundle.config["hostname"] = "some-name"
    rt.failing_create(bundle, match="hostname")


@pytest.mark.ocirun_only
def test_r110_domainname(rt, bundle):
    bundle.config["domainname"] = "some.domain"
    assert rt.sh(bundle, "cat /proc/sys/kernel/domainname").strip() == "some.domain"


@pytest.mark.ocirun_only
def test_r110_domainname_without_uts(rt, bundle):
    bundle.drop_namespace("uts")
    bundle.config["domainname"] = "some.domain"
    rt.failing_create(bundle, match="domainname")


def test_no_namespaces_but_mount(rt, bundle):
    bundle.linux["namespaces"] = [{"type": "mount"}]
    bundle.config.pop("hostname")
    bundle.drop_mount("/dev/mqueue")
    bundle.drop_mount("/sys")
    bundle.drop_mount("/sys/fs/cgroup")
    c = rt.hold(bundle)
    for kind in FILES:
        assert (ns(kind, c.pid) == ns(kind)) is (kind != "mount")
    c.stop()


def test_loopback_is_up(rt, bundle):
    c = rt.hold(bundle)
    # runc and crun bring it up when they make the namespace
    assert "LOOPBACK,UP" in c.sh("ip link show lo")
    c.stop()
