# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kernel parameters: requirement 199."""

import pytest

from harness import read


@pytest.mark.quick
@pytest.mark.parametrize("key,value", [("net.ipv4.ip_forward", "1"), ("kernel.shm_rmid_forced", "1"),
                                       ("fs.mqueue.msg_max", "11"), ("kernel.msgmax", "9000"),
                                       ("net.ipv4.ip_unprivileged_port_start", "80"),
                                       ("kernel.domainname", "some.domain")])
def test_r199_written_inside(rt, bundle, key, value):
    path = "/proc/sys/" + key.replace(".", "/")
    before = read(path)
    bundle.linux["sysctl"] = {key: value}
    assert rt.sh(bundle, "cat " + path).strip() == value
    assert read(path) == before


def test_r199_slash_separator(rt, bundle):
    bundle.linux["sysctl"] = {"net/ipv4/ip_forward": "1"}
    assert rt.sh(bundle, "cat /proc/sys/net/ipv4/ip_forward").strip() == "1"


def test_r199_interface_with_a_dot(rt, bundle):
    bundle.linux["sysctl"] = {"net/ipv4/conf/lo/forwarding": "1"}
    assert rt.sh(bundle, "cat /proc/sys/net/ipv4/conf/lo/forwarding").strip() == "1"


@pytest.mark.parametrize("key", ["kernel.sysrq", "vm.swappiness", "kernel.core_pattern", "fs.file-max", "abi.vsyscall32",
                                 "kernel.pid_max", "", "."])
def test_r199_not_namespaced(rt, bundle, key):
    bundle.linux["sysctl"] = {key: "1"}
    rt.failing_create(bundle, match="sysctl")


@pytest.mark.parametrize("key,kind", [("net.ipv4.ip_forward", "network"), ("kernel.msgmax", "ipc"),
                                      ("fs.mqueue.msg_max", "ipc"), ("kernel.domainname", "uts")])
def test_r199_without_the_namespace(rt, bundle, key, kind):
    bundle.drop_namespace(kind)
    bundle.drop_mount("/dev/mqueue")
    if kind == "network":
        bundle.drop_mount("/sys")
        bundle.drop_mount("/sys/fs/cgroup")
    bundle.linux["sysctl"] = {key: "1"}
    rt.failing_create(bundle, match="sysctl")


@pytest.mark.parametrize("key,kind,name", [("net.ipv4.ip_forward", "network", "net"), ("kernel.msgmax", "ipc", "ipc")])
def test_r199_hosts_namespace_by_path(rt, bundle, key, kind, name):
    before = read("/proc/sys/" + key.replace(".", "/"))
    bundle.namespace(kind, "/proc/self/ns/" + name)
    bundle.linux["sysctl"] = {key: "%d" % (1 - int(before) if before.strip() in "01" else 9000)}
    try:
        rt.failing_create(bundle, match="sysctl")
    finally:
        with open("/proc/sys/" + key.replace(".", "/"), "w", encoding="utf8") as f:
            f.write(before)


def test_r199_missing(rt, bundle):
    bundle.linux["sysctl"] = {"net.no.such.thing": "1"}
    rt.failing_create(bundle, match=r"net\.no\.such\.thing|net/no/such/thing")


def test_r199_bad_value(rt, bundle):
    bundle.linux["sysctl"] = {"net.ipv4.ip_forward": "many"}
    rt.failing_create(bundle, match="ip_forward")


@pytest.mark.parametrize("key", ["net/../kernel/domainname", "net.ipv4......sysrq-trigger", "net.ipv4/../../kernel/sysrq"])
def test_r199_traversal(rt, bundle, key):
    before = read("/proc/sys/kernel/domainname")
    bundle.linux["sysctl"] = {key: "0"}
    rt.failing_create(bundle)
    assert read("/proc/sys/kernel/domainname") == before
