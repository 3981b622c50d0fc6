# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hooks: requirements 12, 13, 22-34, 111-124."""

import json
import os
import shlex

import pytest

from harness import read, until, write

KINDS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
CREATE = KINDS[:3]
RUNTIME = ["prestart", "createRuntime", "poststart", "poststop"]


def log_of(rt):
    return rt.path("log")


def with_log(rt, bundle):
    """Make the log of hooks writable from inside the container as well, under the same name."""
    write(log_of(rt), "", 0o666)
    bundle.add_mount(log_of(rt), log_of(rt), "bind", ["bind"])
    return bundle


@pytest.mark.quick
def test_r022_r028_r116_r119_r121_r122_order(rt, bundle):
    with_log(rt, bundle)
    for kind in reversed(KINDS):
        for n in (1, 2):
            bundle.hook(kind, "echo %s%d >> %s" % (kind, n, log_of(rt)))
    bundle.sh("echo program >> " + log_of(rt))
    c = rt.create(bundle)
    created = [k + n for k in CREATE for n in "12"]
    assert read(log_of(rt)).split() == created
    c.start().ok()
    c.wait()
    seen = read(log_of(rt)).split()
    assert seen[:8] == created + ["startContainer1", "startContainer2"]
    assert sorted(seen[8:]) == ["poststart1", "poststart2", "program"]
    assert seen.index("poststart1") < seen.index("poststart2")
    assert "poststop1" not in seen
    c.delete().ok()
    assert read(log_of(rt)).split()[11:] == ["poststop1", "poststop2"]


def test_r123_poststart_sees_the_program(rt, bundle):
    bundle.hook("poststart", "p=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/' | tr -cd 0-9); "
                "readlink /proc/$p/exe > " + rt.path("exe")).hold()
    c = rt.create(bundle)
    assert not os.path.exists(rt.path("exe"))
    c.start().ok()
    assert "busybox" in read(rt.path("exe"))
    c.wait_out("ready").stop()


@pytest.mark.quick
@pytest.mark.parametrize("kind", KINDS)
def test_r012_r013_r117_state_on_stdin(rt, bundle, kind):
    with_log(rt, bundle)
    bundle.config["annotations"] = {"org.example.a": "b"}
    bundle.hook(kind, "cat > " + log_of(rt)).hold()
    c = rt.start(bundle)
    pid = c.pid
    c.wait_out("ready").stop()
    state = json.loads(read(log_of(rt)))
    assert state["id"] == c.id
    assert state["bundle"] == os.path.realpath(bundle.dir)
    assert state["ociVersion"].startswith("1.")
    assert state["annotations"]["org.example.a"] == "b"
    if kind in ("prestart", "createRuntime", "poststart"):
        assert state["pid"] == pid
    if kind in ("createContainer", "startContainer"):
        assert state["pid"] == 1
    if kind == "poststop":
        assert state.get("pid", 0) == 0
    expected = {"poststart": "running", "poststop": "stopped", "startContainer": "created"}.get(kind)
    if expected:
        assert state["status"] == expected
    elif rt.is_ocirun:
        assert state["status"] == "created"
    else:
        assert state["status"] in ("created", "creating")


@pytest.mark.parametrize("kind", CREATE)
def test_r013_pid_without_pid_namespace(rt, bundle, kind):
    with_log(rt, bundle)
    bundle.drop_namespace("pid")
    bundle.hook(kind, "cat > " + log_of(rt)).args("/bin/true")
    c = rt.create(bundle)
    assert json.loads(read(log_of(rt)))["pid"] == c.pid


@pytest.mark.parametrize("kind", RUNTIME)
def test_r113_runtime_namespaces(rt, bundle, kind):
    bundle.hook(kind, "for n in mnt pid net uts ipc; do readlink /proc/self/ns/$n; done > " + log_of(rt)).hold()
    rt.hold(bundle).stop()
    assert read(log_of(rt)).split() == [os.readlink("/proc/self/ns/" + n) for n in ("mnt", "pid", "net", "uts", "ipc")]


@pytest.mark.parametrize("kind", ["createContainer", "startContainer"])
def test_r114_r115_container_namespaces(rt, bundle, kind):
    with_log(rt, bundle)
    script = "for n in mnt net uts ipc; do readlink /proc/self/ns/$n; done > " + log_of(rt)
    c = rt.hold(bundle.hook(kind, script).hold())
    assert read(log_of(rt)).split() == [os.readlink("/proc/%d/ns/%s" % (c.pid, n)) for n in ("mnt", "net", "uts", "ipc")]
    c.stop()


def test_r114_createcontainer_path_in_runtime_namespace(rt, bundle):
    with_log(rt, bundle)
    script = write(rt.path("host-only"), "#!/bin/sh\necho host-only >> %s\n" % log_of(rt), 0o755)
    bundle.config["hooks"] = {"createContainer": [{"path": script}]}
    rt.create(bundle)
    assert read(log_of(rt)) == "host-only\n"


def test_r115_startcontainer_path_in_container(rt, bundle):
    write(bundle.rootfs + "/bin/inside", "#!/bin/sh\necho inside > /data/mark\n", 0o755)
    bundle.config["hooks"] = {"startContainer": [{"path": "/bin/inside"}]}
    c = rt.create(bundle.args("/bin/true"))
    assert not os.path.exists(bundle.rootfs + "/data/mark")
    c.start().ok()
    assert read(bundle.rootfs + "/data/mark") == "inside\n"


def test_r115_startcontainer_does_not_see_the_host(rt, bundle):
    script = write(rt.path("host-only"), "#!/bin/sh\n", 0o755)
    bundle.config["hooks"] = {"startContainer": [{"path": script}]}
    c = rt.create(bundle.args("/bin/true"))
    c.start().fails()


def test_r118_prestart_before_pivot(rt, bundle):
    bundle.config["hooks"] = {}
    for kind in ("prestart", "createRuntime"):
        # the init's root is still the host's, and its mounts are done
        bundle.hook(kind, "p=$(tr -d '\\n' | sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/'); "
                    "test -e /proc/$p/root/%s && grep -c %s/proc /proc/$p/mountinfo >> %s"
                    % (shlex.quote(rt.dir), bundle.rootfs, log_of(rt)))
    rt.create(bundle.args("/bin/true"))
    assert read(log_of(rt)).split()[0] != "0" and len(read(log_of(rt)).split()) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_hook_args_env_cwd(rt, bundle, kind):
    with_log(rt, bundle)
    shell = "/bin/sh"
    bundle.config["hooks"] = {kind: [{"path": shell, "args": ["sh", "-c",
                                      "echo $0 $1 > %s; env | grep -v -e ^PWD -e ^SHLVL -e ^_= >> %s; exit 0"
                                      % (log_of(rt), log_of(rt)), "name", "one"],
                                      "env": ["ONE=1", "TWO=a b"]}]}
    rt.hold(bundle.hold()).stop()
    lines = read(log_of(rt)).splitlines()
    assert lines[0] == "name one"
    # a shell may add OLDPWD or PATH of its own accord
    assert {"ONE=1", "TWO=a b"} <= set(lines[1:])
    assert not [l for l in lines[1:] if l.split("=")[0] not in ("ONE", "TWO", "OLDPWD", "PATH", "HOME")]


@pytest.mark.parametrize("kind", KINDS)
def test_r111_relative_path(rt, bundle, kind):
    bundle.config["hooks"] = {kind: [{"path": "bin/true"}]}
    rt.failing_create(bundle, match="path")


@pytest.mark.parametrize("timeout", [0, -1])
@pytest.mark.parametrize("kind", ["createRuntime", "poststop"])
def test_r112_timeout_positive(rt, bundle, kind, timeout):
    bundle.config["hooks"] = {kind: [{"path": "/bin/true", "timeout": timeout}]}
    rt.failing_create(bundle, match="timeout")


@pytest.mark.quick
@pytest.mark.parametrize("kind", CREATE)
def test_r023_r024_r025_create_hook_failure(rt, bundle, kind):
    bundle.hook(kind, "echo reason for it >&2; exit 3")
    bundle.hook("poststop", "echo poststop > " + log_of(rt))
    result = rt.failing_create(bundle, match=kind)
    if rt.is_ocirun:
        assert read(log_of(rt)) == "poststop\n"
        assert "3" in result.err and "reason for it" in result.err and "/bin/sh" in result.err


def test_r023_later_hooks_do_not_run(rt, bundle):
    bundle.hook("createRuntime", "exit 1").hook("createRuntime", "echo second > " + log_of(rt))
    bundle.hook("createContainer", "echo third > " + log_of(rt))
    rt.failing_create(bundle)
    assert not os.path.exists(log_of(rt))


@pytest.mark.parametrize("kind", CREATE)
def test_r023_hook_not_executable(rt, bundle, kind):
    bundle.config["hooks"] = {kind: [{"path": "/no/such/hook"}]}
    rt.failing_create(bundle, match="/no/such/hook.*No such file")


@pytest.mark.parametrize("kind", CREATE)
def test_r023_hook_killed_by_signal(rt, bundle, kind):
    bundle.hook(kind, "kill -9 $$")
    result = rt.failing_create(bundle, match=kind)
    if rt.is_ocirun:
        assert "signal 9" in result.err or "KILL" in result.err or "Killed" in result.err


@pytest.mark.parametrize("kind", ["prestart", "createContainer"])
def test_r112_hook_timeout_kills(rt, bundle, kind):
    bundle.hook(kind, "sleep 1000", timeout=1)
    rt.failing_create(bundle, match=kind)


def test_r026_startcontainer_failure(rt, bundle):
    bundle.hook("poststop", "echo poststop > " + log_of(rt))
    bundle.hook("startContainer", "exit 1").sh("echo ran")
    c = rt.create(bundle)
    c.start().fails()
    assert c.out == ""
    if rt.is_ocirun:
        rt.cmd("state", c.id).fails()
        assert read(log_of(rt)) == "poststop\n"


@pytest.mark.ocirun_only
def test_r029_poststart_failure(rt, bundle):
    bundle.hook("poststart", "echo reason >&2; exit 4").hook("poststop", "echo poststop > " + log_of(rt)).hold()
    c = rt.create(bundle)
    result = c.start().fails()
    assert "poststart" in result.err and "reason" in result.err
    rt.cmd("state", c.id).fails()
    assert read(log_of(rt)) == "poststop\n"


@pytest.mark.ocirun_only
def test_r032_r034_poststop_failure_is_a_warning(rt, bundle):
    bundle.hook("poststop", "exit 1").hook("poststop", "echo second > " + log_of(rt)).args("/bin/true")
    c = rt.start(bundle)
    c.wait()
    result = c.delete()
    assert (result.rc, result.out, result.err) == (0, "", "")
    assert read(log_of(rt)) == "second\n"
    assert rt.states() == []


def test_r124_poststop_after_destruction(rt, bundle):
    bundle.hook("poststop", "cat /proc/[0-9]*/cgroup 2>/dev/null | grep -c '%s' > %s; "
                "find /sys/fs/cgroup -name '*%s*' >> %s"
                % (bundle.dir, log_of(rt), os.path.basename(rt.dir), log_of(rt)))
    path = "/%s-%s" % (rt.new_id(), os.path.basename(rt.dir))
    bundle.linux["cgroupsPath"] = path
    c = rt.hold(bundle.hold())
    c.stop()
    assert read(log_of(rt)).split() == ["0"]


@pytest.mark.parametrize("kind", RUNTIME)
def test_hook_calls_state(rt, bundle, kind):
    bundle.config["hooks"] = {}
    ident = rt.new_id()
    command = shlex.join(rt.argv("state", ident))
    bundle.hook(kind, "%s > %s 2>&1; echo $? > %s; exit 0" % (command, log_of(rt), rt.path("rc"))).hold()
    rt.hold(bundle, ident=ident).stop()
    assert read(rt.path("rc")).strip() in "01"
    if rt.is_ocirun:
        if kind == "poststop":
            return
        expected = "running" if kind == "poststart" else "created"
        assert json.loads(read(log_of(rt)))["status"] == expected


@pytest.mark.ocirun_only
@pytest.mark.parametrize("kind", ["prestart", "createRuntime"])
def test_hook_calls_kill(rt, bundle, kind):
    ident = rt.new_id()
    bundle.hook(kind, "%s; exit 0" % shlex.join(rt.argv("kill", ident, "KILL"))).args("/bin/true").save()
    rt.cmd("create", "--bundle", bundle.dir, ident).fails()
    assert rt.states() == []


@pytest.mark.ocirun_only
def test_poststart_hook_calls_kill(rt, bundle):
    ident = rt.new_id()
    bundle.hook("poststart", shlex.join(rt.argv("kill", ident, "KILL"))).hold()
    c = rt.create(bundle, ident=ident)
    c.start()
    assert c.wait() == 137


@pytest.mark.ocirun_only
@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "poststart", "poststop"])
def test_hook_calls_delete_force(rt, bundle, kind):
    ident = rt.new_id()
    bundle.hook(kind, "%s; exit 0" % shlex.join(rt.argv("delete", "--force", ident))).hold().save()
    rt.cmd("run", "-d", "--bundle", bundle.dir, ident)
    rt.cmd("delete", "--force", ident)
    rt.cmd("state", ident).fails()
    assert rt.states() == []


def test_hook_may_leave_nothing_open(rt, bundle):
    bundle.config["hooks"] = {}
    bundle.hook("createRuntime", "ls /proc/self/fd | wc -l > " + log_of(rt))
    rt.create(bundle.args("/bin/true"))
    assert int(read(log_of(rt))) <= 4


def test_hook_big_output(rt, bundle):
    bundle.hook("createRuntime", "i=0; while [ $i -lt 5000 ]; do echo 'a line of output from the hook'; "
                "echo 'and one of stderr' >&2; i=$((i+1)); done")
    c = rt.create(bundle.sh("echo ok"))
    c.start().ok()
    c.wait()
    assert "ok" in c.out


def test_hook_ignores_stdin(rt, bundle):
    bundle.config["annotations"] = {"org.example.big": "x" * 200000}
    bundle.config["hooks"] = {"createRuntime": [{"path": "/bin/true"}], "poststop": [{"path": "/bin/true"}]}
    assert rt.sh(bundle, "echo ok") == "ok\n"


def test_hook_background_child_does_not_block(rt, bundle):
    bundle.hook("createRuntime", "sleep 1000 </dev/null >/dev/null 2>&1 & echo $! > " + log_of(rt))
    rt.create(bundle.args("/bin/true"))
    pid = int(read(log_of(rt)))
    assert read("/proc/%d/comm" % pid) == "sleep\n"
    os.kill(pid, 9)
