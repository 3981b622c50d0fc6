# SPDX-License-Identifier: LGPL-2.1-or-later
"""podman's pods: namespaces shared with an infrastructure container."""

import os

import engine
import harness
from engine import IMAGE, PARENT
from test_podman import inspect, pid_of


def make(podman, *options):
    pod = podman.site.new_name("pod")
    podman("pod", "create", "--name", pod, "--cgroup-parent", PARENT, "--infra-image", IMAGE,
           "--infra-command", "sleep 1000", *options).ok()
    return pod


def add(podman, pod, *options):
    name = podman.site.new_name()
    podman("run", "-d", "--pod", pod, "--name", name, *options, IMAGE, "sh", "-c",
           "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done").ok()
    return name


def test_pod(podman):
    pod = make(podman)
    one, two = add(podman, pod), add(podman, pod)
    first, second = pid_of(podman, one), pid_of(podman, two)
    for kind, shared in (("ipc", True), ("uts", True), ("net", True), ("mnt", False), ("pid", False)):
        same = os.readlink("/proc/%d/ns/%s" % (first, kind)) == os.readlink("/proc/%d/ns/%s" % (second, kind))
        assert same == shared or kind == "net", kind
    assert podman("exec", one, "hostname").ok().out == pod + "\n"
    podman("exec", one, "sh", "-c", "exit 4").status(4)
    assert podman("pod", "top", pod, "pid", "comm").ok().lines
    podman("pod", "stop", "--time", "1", pod).ok()
    assert inspect(podman, one, ".State.Status") == "exited"
    podman("pod", "start", pod).ok()
    podman("exec", two, "true").ok()
    podman("pod", "rm", "--force", "--time", "0", pod).ok()


def test_run_in_pod(podman):
    pod = make(podman)
    assert podman("run", "--rm", "--pod", pod, IMAGE, "hostname").ok().out == pod + "\n"
    podman("run", "--rm", "--pod", pod, IMAGE, "sh", "-c", "exit 3").status(3)


def test_shared_pid(podman):
    pod = make(podman, "--share", "ipc,pid,uts")
    name = add(podman, pod)
    assert "sleep" in podman("exec", name, "cat", "/proc/1/comm").ok().out
    pid = pid_of(podman, name)
    podman("rm", "--force", "--time", "0", name).ok()
    assert not harness.alive(pid)
    podman("pod", "rm", "--force", "--time", "0", pod).ok()


def test_user_namespace(podman):
    pod = make(podman, "--uidmap", "0:100000:5000")
    name = add(podman, pod)
    assert podman("exec", name, "cat", "/proc/self/uid_map").ok().out.split() == ["0", "100000", "5000"]


def test_init_container(podman):
    pod = make(podman)
    first = podman.site.new_name("first")
    podman("create", "--init-ctr", "always", "--pod", pod, "--name", first, IMAGE, "true").ok()
    name = podman.site.new_name()
    podman("create", "--pod", pod, "--name", name, IMAGE, "sleep", "1000").ok()
    podman("pod", "start", pod).ok()
    assert inspect(podman, first, ".State.ExitCode") == "0"
    assert inspect(podman, name, ".State.Status") == "running"


def test_pause(podman):
    import pytest
    if "pause" not in engine.commands():
        pytest.skip("no pause")
    pod = make(podman)
    name = add(podman, pod)
    podman("pod", "pause", pod).ok()
    assert inspect(podman, name, ".State.Status") == "paused"
    podman("pod", "unpause", pod).ok()
    podman("exec", name, "true").ok()
