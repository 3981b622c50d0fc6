# SPDX-License-Identifier: LGPL-2.1-or-later
"""Representative configurations, by name."""

import os

SECCOMP = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["keyctl", "add_key", "request_key"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
}


def plain(rt):
    """What `ocirun spec` prints."""
    return rt.bundle()


def full(rt):
    """Something of everything that does not need a user namespace."""
    bundle = rt.bundle()
    os.mkdir(bundle.dir + "/source")
    bundle.add_mount("/mnt/bind", bundle.dir + "/source", "bind", ["rbind", "ro", "nosuid"])
    bundle.add_mount("/mnt/tmp", "tmpfs", "tmpfs", ["size=64k", "mode=0700"])
    bundle.linux["resources"] = {"pids": {"limit": 100}, "memory": {"limit": 256 << 20},
                                 "devices": [{"allow": False, "access": "rwm"}]}
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.domainname": "example"}
    bundle.linux["devices"] = [{"path": "/dev/other", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}]
    bundle.linux["seccomp"] = SECCOMP
    bundle.linux["maskedPaths"] = ["/proc/keys", "/proc/sys/kernel/hotplug", "/sys/firmware", "/tmp"]
    bundle.linux["readonlyPaths"] = ["/proc/sys", "/proc/bus"]
    bundle.linux["personality"] = {"domain": "LINUX"}
    bundle.linux["rootfsPropagation"] = "slave"
    bundle.config["hostname"] = "inside"
    bundle.config["domainname"] = "example"
    bundle.config["root"]["readonly"] = True
    bundle.process["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5], "umask": 0o27}
    bundle.process["cwd"] = "/home"
    bundle.process["oomScoreAdj"] = 100
    bundle.process["noNewPrivileges"] = True
    for kind in ("prestart", "createRuntime", "poststart", "poststop"):
        bundle.hook(kind, "exit 0")
    bundle.hook("createContainer", "exit 0")
    bundle.hook("startContainer", "exit 0")
    return bundle


def userns(rt):
    """A user namespace, and a time namespace, which makes init fork."""
    bundle = rt.bundle().userns()
    bundle.namespace("time")
    bundle.linux["timeOffsets"] = {"monotonic": {"secs": 100, "nanosecs": 0}}
    return bundle


ALL = {"plain": plain, "full": full, "userns": userns}
