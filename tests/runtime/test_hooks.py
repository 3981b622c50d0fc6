# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hooks: requirements 12, 13, 22-34, 111-124."""

import json
import os
import shlex
import signal
import socket

import pytest

from harness import cgroup_of, pid_wait, read, until, waits_in, write

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
def test_r022_r028_r031_r116_r119_r121_r122_order(rt, bundle):
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


def test_r118_r120_before_pivot(rt, bundle):
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
    name = os.path.basename(rt.dir)
    bundle.linux["cgroupsPath"] = "/%s-%s" % (rt.new_id(), name)
    count = "cat /proc/[0-9]*/cgroup 2>/dev/null | grep -c '%s' >> %s; " % (name, log_of(rt))
    # others' cgroups may go away meanwhile, which find takes for an error
    find = "find /sys/fs/cgroup -name '*%s*' 2>/dev/null >> %s; exit 0" % (name, log_of(rt))
    # poststart shows what poststop must not find any more
    bundle.hook("poststart", count + find).hook("poststop", "echo poststop >> %s; " % log_of(rt) + count + find)
    rt.hold(bundle).stop()
    before, after = read(log_of(rt)).split("poststop\n")
    assert len(before.split()) > 1 and before.split()[0] != "0", before
    assert after.split() == ["0"]


@pytest.mark.parametrize("kind", RUNTIME)
def test_hook_calls_state(rt, bundle, kind):
    bundle.config["hooks"] = {}
    ident = rt.new_id()
    command = shlex.join(rt.argv("state", ident))
    bundle.hook(kind, "%s > %s 2>&1; echo $? > %s; exit 0" % (command, log_of(rt), rt.path("rc"))).hold()
    rt.hold(bundle, ident=ident).stop()
    assert read(rt.path("rc")).strip() in "01"


# ---- hooks of every kind call the runtime for their own container

def with_runtime(rt, bundle):
    """Make the runtime, what it is linked with, and the state directory reachable inside."""
    with_log(rt, bundle)
    write(rt.path("rc"), "", 0o666)
    os.makedirs(rt.root, exist_ok=True)
    places = {rt.path("rc"), rt.root, "/lib", "/lib64", "/usr/lib"}
    places |= {os.path.dirname(word) for word in rt.command if word.startswith("/")}
    for place in sorted(filter(os.path.exists, places)):
        bundle.add_mount(place, place, "bind", ["rbind"])
    return bundle


def calling(rt, bundle, kind, ident, *argv):
    """The hook writes what the command said, and its status if it lives to see it."""
    script = "%s > %s 2>&1; echo $? > %s; exit 0" % (shlex.join(rt.argv(*argv, ident)), log_of(rt), rt.path("rc"))
    with_runtime(rt, bundle).hook(kind, script)


def bring_up(rt, bundle, command, ident):
    """Results of the commands up to the first that fails."""
    bundle.save()
    if command == "run":
        return [rt.cmd("run", "--bundle", bundle.dir, ident)]
    results = [rt.cmd("create", "--bundle", bundle.dir, "--pid-file", rt.path("pid"), ident)]
    if results[0].rc == 0:
        results.append(rt.cmd("start", ident))
    return results


def shared_pids(bundle, pids):
    if pids == "shared":
        bundle.drop_namespace("pid")


CALLS = [pytest.mark.ocirun_only, pytest.mark.parametrize("pids", ["own", "shared"]),
         pytest.mark.parametrize("command", ["create", "run"]), pytest.mark.parametrize("kind", KINDS)]


def each_call(function):
    for mark in CALLS:
        function = mark(function)
    return function


@each_call
def test_hook_asks_for_its_state(rt, bundle, kind, command, pids):
    ident = rt.new_id()
    shared_pids(bundle, pids)
    calling(rt, bundle.sh("exit 7"), kind, ident, "state")
    results = bring_up(rt, bundle, command, ident)
    if command == "run":
        assert results[0].rc == 7, results
    else:
        results[-1].ok()
        pid_wait(int(read(rt.path("pid"))))
        rt.cmd("delete", ident).ok()
    if kind == "poststop":
        assert read(rt.path("rc")) == "1\n" and "does not exist" in read(log_of(rt))
        return
    assert read(rt.path("rc")) == "0\n", read(log_of(rt))
    state = json.loads(read(log_of(rt)))
    assert state["id"] == ident
    if kind == "poststart":
        assert state["status"] in ("running", "stopped")
    else:
        assert state["status"] == "created"


@each_call
def test_hook_kills_its_container(rt, bundle, kind, command, pids):
    """Before the program runs create, run and start fail; nothing hangs and nothing is left."""
    ident = rt.new_id()
    shared_pids(bundle, pids)
    calling(rt, bundle.args("/bin/true") if kind == "poststop" else bundle.hold(), kind, ident, "kill")
    hook = bundle.config["hooks"][kind][0]
    hook["args"][2] = hook["args"][2].replace(ident + " >", ident + " KILL >")
    results = bring_up(rt, bundle, command, ident)
    if kind in CREATE:
        results[-1].fails()
        assert len(results) == 1
    elif kind == "startContainer":
        results[-1].fails()
        if command == "create":
            pid_wait(int(read(rt.path("pid"))))
            assert rt.state(ident)["status"] == "stopped"
            rt.cmd("delete", ident).ok()
    elif kind == "poststart":
        assert read(rt.path("rc")) == "0\n", read(log_of(rt))
        if command == "run":
            assert results[0].rc == 137
        else:
            assert pid_wait(int(read(rt.path("pid")))) == 137
            rt.cmd("delete", ident).ok()
    else:
        results[-1].ok()
        if command == "create":
            pid_wait(int(read(rt.path("pid"))))
            rt.cmd("delete", ident).ok()
        assert "does not exist" in read(log_of(rt))
    assert rt.states() == []


@each_call
def test_hook_deletes_its_container(rt, bundle, kind, command, pids):
    ident = rt.new_id()
    shared_pids(bundle, pids)
    calling(rt, bundle.args("/bin/true") if kind == "poststop" else bundle.hold(), kind, ident, "delete", "--force")
    bundle.hook("poststop", "echo poststop >> " + rt.path("poststop"))
    results = bring_up(rt, bundle, command, ident)
    if kind in CREATE + ["startContainer"]:
        # the creator is killed, or told that its container is gone
        assert results[-1].rc != 0, results
    elif kind == "poststart" and command == "run":
        assert results[0].rc == 137
    if kind == "poststop" and command == "create":
        pid_wait(int(read(rt.path("pid"))))
        rt.cmd("delete", ident).ok()
    if kind in RUNTIME:
        until(lambda: read(rt.path("rc")) == "0\n", "the end of the hook: " + read(log_of(rt)))
    rt.cmd("state", ident).fails()
    assert rt.states() == []
    assert read(rt.path("poststop")) == "poststop\n"


@pytest.mark.ocirun_only
@pytest.mark.parametrize("kind", ["createContainer", "startContainer"])
@pytest.mark.parametrize("pids,status", [("own", 7), ("shared", 143)])
def test_hook_inside_signals_the_program(rt, bundle, kind, pids, status):
    """What a hook sends is pending when the program begins, which process 1 ignores."""
    ident = rt.new_id()
    shared_pids(bundle, pids)
    calling(rt, bundle.sh("exit 7"), kind, ident, "kill")
    assert bring_up(rt, bundle, "run", ident)[0].rc == status, read(log_of(rt))
    assert read(rt.path("rc")) == "0\n", read(log_of(rt))


@pytest.mark.ocirun_only
@pytest.mark.parametrize("pids", ["own", "shared"])
def test_hook_inside_signals_what_waits(rt, bundle, pids):
    """What a createContainer hook sends is not lost where nothing runs before start: the container ends."""
    ident = rt.new_id()
    shared_pids(bundle, pids)
    calling(rt, bundle.sh("exit 7"), "createContainer", ident, "kill")
    bundle.save()
    rt.cmd("create", "--bundle", bundle.dir, "--pid-file", rt.path("pid"), ident).ok()
    assert read(rt.path("rc")) == "0\n", read(log_of(rt))
    assert pid_wait(int(read(rt.path("pid")))) == 143
    rt.cmd("delete", ident).ok()


@pytest.mark.ocirun_only
def test_hook_pauses_itself(rt, bundle):
    """Frozen as it is, it holds nothing that others need."""
    ident = rt.new_id()
    shared_pids(bundle, "shared")
    # from within its own cgroup namespace nobody may write here where v2 is mounted with nsdelegate
    bundle.drop_namespace("cgroup")
    calling(rt, bundle.hold(), "createContainer", ident, "pause")
    bundle.save()
    create = rt.popen("create", "--bundle", bundle.dir, ident)
    until(lambda: rt.cmd("state", ident).rc == 0 and rt.state(ident)["status"] == "created", "init")
    groups = cgroup_of(rt.state(ident)["pid"])
    if "freezer" in groups:
        until(lambda: read(groups["freezer"] + "/freezer.state") == "FROZEN\n", "the hook")
    else:
        until(lambda: "frozen 1" in read(groups[""] + "/cgroup.events"), "the hook")
    rt.cmd("delete", "--force", ident).ok()
    rt.finish(create)


@pytest.mark.ocirun_only
@pytest.mark.parametrize("kind", ["createContainer", "startContainer"])
def test_hook_without_the_state_directory(rt, bundle, kind):
    """Where the state directory cannot be reached, the container is one that does not exist."""
    ident = rt.new_id()
    calling(rt, bundle.sh("exit 7"), kind, ident, "delete", "--force")
    hook = bundle.config["hooks"][kind][0]
    hook["args"][2] = hook["args"][2].replace(rt.root, "/no/such/root").replace("delete --force", "kill")
    assert bring_up(rt, bundle, "run", ident)[0].rc == 7
    assert read(rt.path("rc")) == "1\n"
    assert "does not exist" in read(log_of(rt))


@pytest.mark.ocirun_only
@pytest.mark.parametrize("how", ["delete", "kill the creator, then delete"])
@pytest.mark.parametrize("pids", ["own", "shared"])
@pytest.mark.parametrize("kind", CREATE)
def test_hook_ends_with_its_container(rt, bundle, kind, pids, how):
    """delete --force ends the hooks of a create that it kills, with the processes that they started."""
    ident = rt.new_id()
    shared_pids(bundle, pids)
    with_log(rt, bundle).hook(kind, "sleep 1000 & echo up > %s; sleep 1001; exit 0" % log_of(rt))
    bundle.args("/bin/true").save()
    creator = rt.popen("create", "--bundle", bundle.dir, ident)
    until(lambda: read(log_of(rt)), "the hook")
    if how != "delete":
        creator.kill()
        creator.wait()
    rt.cmd("delete", "--force", ident).ok()
    assert rt.finish(creator).rc != 0
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
    until(lambda: read("/proc/%d/comm" % pid) == "sleep\n", "the program of the hook's child")
    os.kill(pid, 9)


@pytest.mark.ocirun_only
@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda s: s.name)
@pytest.mark.parametrize("kind", KINDS[:-1])
def test_run_is_interrupted_while_a_hook_runs(rt, bundle, kind, sig):
    """Whoever does not want to wait for it any more finds everything undone, the hook ended."""
    where = bundle.rootfs if kind == "startContainer" else ""
    gate, entered = "/data/gate" if where else rt.path("gate"), "/data/in" if where else rt.path("in")
    os.mkfifo(where + gate)
    if kind == "createContainer":
        bundle.add_mount(rt.dir, rt.dir, "bind", ["bind"])
    bundle.hook(kind, "echo > %s; read x < %s" % (entered, gate)).hook("poststop", "echo ran > " + rt.path("poststop"))
    bundle.hold().save()
    proc = rt.popen("run", "--bundle", bundle.dir, rt.new_id())
    until(lambda: os.path.exists(where + entered), "the hook")
    proc.send_signal(sig)
    result = rt.finish(proc)
    assert result.rc == 128 + sig and not result.died
    assert "interrupted by " + sig.name in result.err
    assert rt.states() == [] and read(rt.path("poststop")) == "ran\n"


@pytest.mark.ocirun_only
def test_nohup_run_is_not_interrupted(rt, bundle):
    os.mkfifo(rt.path("gate"))
    bundle.hook("createRuntime", "echo > %s; read x < %s" % (rt.path("in"), rt.path("gate")))
    bundle.sh("trap '' HUP; echo ran").save()
    rt.command = ["nohup"] + rt.command
    proc = rt.popen("run", "--bundle", bundle.dir, rt.new_id())
    until(lambda: os.path.exists(rt.path("in")), "the hook")
    proc.send_signal(signal.SIGHUP)
    write(rt.path("gate"), "go\n")
    result = rt.finish(proc).ok()
    assert result.out == "ran\n" and "interrupted" not in result.err


@pytest.mark.ocirun_only
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_deadline_after_createcontainer(rt, bundle):
    """Such a hook takes what time it takes; init, once it is ready, does not."""
    bundle.hook("createContainer", "exit 0").args("/bin/true").save()
    path, ident = rt.path("pidfd"), rt.new_id()
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)                  # there is room for one: create waits to hand over the pidfd
        create = rt.popen("create", "--bundle", bundle.dir, "--pidfd-socket", path, ident,
                          env=dict(os.environ, OCIRUN_TIMEOUT="3"))
        until(lambda: waits_in(create.pid, "connect"), "create to connect")
        os.kill(rt.state(ident)["pid"], signal.SIGSTOP)
        listener.accept()[0].close()
        assert "did not answer within 3 s" in rt.finish(create).fails().err
    assert rt.states() == []
