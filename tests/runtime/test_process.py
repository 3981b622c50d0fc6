# SPDX-License-Identifier: LGPL-2.1-or-later
"""The process: requirements 85-110, 213, 198."""

import os
import re
import resource
import signal
import struct

import pytest

from harness import cap_mask, read, until, write


@pytest.mark.quick
def test_r089_cwd(rt, bundle):
    os.makedirs(bundle.rootfs + "/data/work")
    bundle.process["cwd"] = "/data/work"
    assert rt.sh(bundle, "pwd; readlink /proc/self/cwd").split() == ["/data/work"] * 2


@pytest.mark.parametrize("cwd", ["", "a", "./x"])
def test_r089_cwd_not_absolute(rt, bundle, cwd):
    bundle.process["cwd"] = cwd
    rt.failing_create(bundle, match="cwd")


def test_r089_cwd_absent(rt, bundle):
    del bundle.process["cwd"]
    rt.failing_create(bundle, match="cwd")


def test_cwd_created(rt, bundle):
    bundle.process["cwd"] = "/data/new/dir"
    assert rt.sh(bundle, "pwd").strip() == "/data/new/dir"


def test_cwd_through_link(rt, bundle):
    os.mkdir(bundle.rootfs + "/data/dir")
    os.symlink("/data/dir", bundle.rootfs + "/link")
    bundle.process["cwd"] = "/link"
    assert rt.sh(bundle, "readlink /proc/self/cwd").strip() == "/data/dir"


def test_cwd_is_a_file(rt, bundle):
    bundle.process["cwd"] = "/etc/passwd"
    rt.failing_create(bundle, match="cwd|/etc/passwd")


def test_cwd_private_to_the_user(rt, bundle):
    os.mkdir(bundle.rootfs + "/data/own", 0o700)
    os.chown(bundle.rootfs + "/data/own", 1000, 1000)
    bundle.process["cwd"] = "/data/own"
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    bundle.process["capabilities"] = {}
    assert rt.sh(bundle, "pwd").strip() == "/data/own"


@pytest.mark.ocirun_only
def test_r090_env_order_and_duplicates(rt, bundle):
    bundle.process["env"] = ["PATH=/bin", "Z=1", "A=2", "EMPTY=", "Z=3", "EQ=a=b", "HOME=/x"]
    bundle.args("/bin/cat", "/proc/self/environ")
    names = rt.sh(bundle).rstrip("\0").split("\0")
    assert names == bundle.process["env"] or names == ["PATH=/bin", "A=2", "EMPTY=", "Z=3", "EQ=a=b", "HOME=/x"] \
        or names == ["PATH=/bin", "Z=3", "A=2", "EMPTY=", "EQ=a=b", "HOME=/x"]


@pytest.mark.quick
def test_r090_env(rt, bundle):
    bundle.process["env"] = ["PATH=/bin", "A=2", "EMPTY=", "EQ=a=b", "SPACE=a b"]
    out = rt.sh(bundle, "echo $A,$EMPTY,$EQ,$SPACE,$HOSTENV", env={"HOSTENV": "leaked", "PATH": os.environ["PATH"]})
    assert out == "2,,a=b,a b,\n"


@pytest.mark.parametrize("user,home", [({"uid": 0, "gid": 0}, "/root"), ({"uid": 1000, "gid": 1000}, "/home"),
                                       ({"uid": 4321, "gid": 0}, "/")])
def test_home(rt, bundle, user, home):
    bundle.process["user"] = user
    bundle.process["env"] = ["PATH=/bin"]
    assert rt.sh(bundle, "echo $HOME").strip() == home


def test_home_given(rt, bundle):
    bundle.process["env"] = ["PATH=/bin", "HOME=/given"]
    assert rt.sh(bundle, "echo $HOME").strip() == "/given"


def test_home_without_passwd(rt, bundle):
    os.unlink(bundle.rootfs + "/etc/passwd")
    bundle.process["env"] = ["PATH=/bin"]
    assert rt.sh(bundle, "echo $HOME").strip() in ("/", "/root")


@pytest.mark.quick
def test_r091_path_lookup(rt, bundle):
    os.makedirs(bundle.rootfs + "/opt/bin")
    write(bundle.rootfs + "/opt/bin/tool", "#!/bin/sh\necho found $0\n", 0o755)
    bundle.process["env"] = ["PATH=/nowhere:/opt/bin:/bin"]
    bundle.args("tool")
    assert rt.sh(bundle).startswith("found")


def test_r091_relative_to_cwd(rt, bundle):
    write(bundle.rootfs + "/data/tool", "#!/bin/sh\necho found\n", 0o755)
    bundle.process["cwd"] = "/data"
    bundle.args("./tool")
    assert rt.sh(bundle) == "found\n"


def test_r091_path_skips_what_cannot_run(rt, bundle):
    os.makedirs(bundle.rootfs + "/opt/tool")
    os.makedirs(bundle.rootfs + "/opt2")
    write(bundle.rootfs + "/opt2/tool", "#!/bin/sh\n", 0o644)
    write(bundle.rootfs + "/bin/tool", "#!/bin/sh\necho found\n", 0o755)
    bundle.process["env"] = ["PATH=/opt:/opt2:/bin"]
    bundle.args("tool")
    assert rt.sh(bundle) == "found\n"


def test_r091_arguments_exact(rt, bundle):
    words = ["", "a b", "*", "$HOME", "\\n", "é", "-x"]
    bundle.args("/bin/sh", "-c", 'for a; do echo "[$a]"; done', "zero", *words)
    assert rt.sh(bundle).splitlines() == ["[%s]" % w for w in words]


def elf(machine=None, loader=None):
    """A minimal ELF file: for another machine, or with a loader that is missing."""
    import sys
    ident = b"\x7fELF" + bytes([2, 1 if sys.byteorder == "little" else 2, 1]) + b"\0" * 9
    own = {"x86_64": 62, "aarch64": 183, "riscv64": 243}[os.uname().machine]
    text = (loader or "").encode() + b"\0"
    header = ident + struct.pack("HHIQQQIHHHHHH", 3, machine or own, 1, 0x1000, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    interp = struct.pack("IIQQQQQQ", 3, 4, 64 + 112, 64 + 112, 64 + 112, len(text), len(text), 1)
    load = struct.pack("IIQQQQQQ", 1, 5, 0, 0, 0, 64 + 112 + len(text), 64 + 112 + len(text), 4096)
    return header + interp + load + text


def bad_program(bundle, kind):
    """Make a program that cannot be executed; returns args[0] and what the error should and should not say."""
    path = bundle.rootfs + "/data/prog"
    denied = "permission denied|operation not permitted"
    if kind == "bare":
        return "no-such-program", r"executable file `?no-such-program`? not found in \$PATH", denied
    if kind == "absolute":
        return "/no/such/program", r"no such file or directory", denied
    if kind == "directory":
        os.mkdir(path)
        return "/data/prog", r"not a regular file|is a directory", None
    if kind == "mode":
        write(path, "#!/bin/sh\n", 0o644)
        return "/data/prog", r"permission denied", "no such file"
    if kind == "noexec":
        bundle.add_mount("/mnt", bundle.rootfs + "/bin", "bind", ["bind", "noexec"])
        return "/mnt/busybox", r"permission denied", "no such file"
    if kind == "interpreter":
        write(path, "#!/no/such/interpreter\n", 0o755)
        return "/data/prog", r"/no/such/interpreter.*no such file or directory", denied
    if kind == "crlf":
        write(path, "#!/bin/sh\r\necho\r\n", 0o755)
        return "/data/prog", r"CRLF|carriage return|\\r|line end", denied
    if kind == "loader":
        with open(path, "wb") as f:
            f.write(elf(loader="/lib/ld-none.so.9"))
        os.chmod(path, 0o755)
        return "/data/prog", r"/lib/ld-none\.so\.9", denied
    if kind == "machine":
        with open(path, "wb") as f:
            f.write(elf(machine=2))
        os.chmod(path, 0o755)
        return "/data/prog", r"exec format error", denied
    if kind == "text":
        write(path, "just text\n", 0o755)
        return "/data/prog", r"exec format error", denied
    if kind == "empty-name":
        return "", r"not found in \$PATH|cannot find", denied
    write(path, "")
    return "/data/prog/x", r"not a directory", denied


BAD_PROGRAMS = ["bare", "absolute", "directory", "mode", "noexec", "interpreter", "crlf", "loader", "machine", "text",
                "empty-name", "file-as-directory"]


@pytest.mark.quick
@pytest.mark.parametrize("kind", BAD_PROGRAMS)
def test_r091_exec_diagnosis(rt, bundle, kind):
    program, text, never = bad_program(bundle, kind)
    result = rt.run(bundle.args(program)).fails()
    if rt.is_ocirun:
        assert re.search(text, result.err, re.I), result.err
        assert never is None or not re.search(never, result.err, re.I), result.err
        assert result.err.count("\n") == 1


@pytest.mark.ocirun_only
@pytest.mark.parametrize("kind", ["bare", "absolute", "directory", "mode", "noexec"])
def test_c10_create_finds_the_bad_program(rt, bundle, kind):
    program, text, _ = bad_program(bundle, kind)
    rt.failing_create(bundle.args(program), match="(?i)" + text)


@pytest.mark.ocirun_only
def test_magic_link_as_program(rt, bundle):
    rt.failing_create(bundle.args("/proc/self/exe"), match="/proc/self/exe: .*are not followed")


@pytest.mark.quick
@pytest.mark.parametrize("kind,soft,hard", [("NOFILE", 100, 200), ("NPROC", 300, 400), ("CORE", 0, 4096),
                                            ("STACK", 1 << 20, 1 << 22), ("FSIZE", 1 << 30, 1 << 30),
                                            ("CPU", 100, 200), ("AS", 1 << 30, 1 << 30), ("DATA", 1 << 29, 1 << 30),
                                            ("MEMLOCK", 4096, 4096), ("NICE", 0, 0), ("RTPRIO", 0, 0),
                                            ("SIGPENDING", 10, 20), ("MSGQUEUE", 1000, 2000), ("LOCKS", 5, 6),
                                            ("RSS", 1 << 20, 1 << 21), ("RTTIME", 100, 200)])
def test_r093_rlimits(rt, bundle, kind, soft, hard):
    names = {"NOFILE": "Max open files", "NPROC": "Max processes", "CORE": "Max core file size", "STACK": "Max stack size",
             "FSIZE": "Max file size", "CPU": "Max cpu time", "AS": "Max address space", "DATA": "Max data size",
             "MEMLOCK": "Max locked memory", "NICE": "Max nice priority", "RTPRIO": "Max realtime priority",
             "SIGPENDING": "Max pending signals", "MSGQUEUE": "Max msgqueue size", "LOCKS": "Max file locks",
             "RSS": "Max resident set", "RTTIME": "Max realtime timeout"}
    bundle.process["rlimits"] = [{"type": "RLIMIT_" + kind, "soft": soft, "hard": hard}]
    out = rt.sh(bundle, "cat /proc/self/limits")
    line = next(l for l in out.splitlines() if l.startswith(names[kind]))
    assert line[len(names[kind]):].split()[:2] == [str(soft), str(hard)]


def test_r093_rlimits_unchanged_when_absent(rt, bundle):
    bundle.process.pop("rlimits", None)
    out = rt.sh(bundle, "cat /proc/self/limits")
    line = next(l for l in out.splitlines() if l.startswith("Max open files"))
    assert line.split()[3:5] == [str(v) for v in resource.getrlimit(resource.RLIMIT_NOFILE)]


@pytest.mark.parametrize("limits", [[("RLIMIT_TEST", 1, 1)], [("RLIMIT_NOFILE", 2, 1)],
                                    [("RLIMIT_NOFILE", 1, 1), ("RLIMIT_NOFILE", 2, 2)], [("nofile", 1, 1)]],
                         ids=["unknown", "soft-above-hard", "duplicate", "name"])
def test_r092_r094_bad_rlimits(rt, bundle, limits):
    bundle.process["rlimits"] = [{"type": t, "soft": s, "hard": h} for t, s, h in limits]
    if limits[0][1] > limits[0][2] and not rt.is_ocirun:
        rt.run(bundle.args("/bin/true")).fails()       # the kernel refuses it, at create or at start
    else:
        rt.failing_create(bundle, match="rlimits")


SETS = {"inheritable": "CapInh", "permitted": "CapPrm", "effective": "CapEff", "bounding": "CapBnd", "ambient": "CapAmb"}


def caps_of(text):
    return {name: int(re.search(r"%s:\s*(\w+)" % key, text).group(1), 16) for name, key in SETS.items()}


@pytest.mark.quick
@pytest.mark.parametrize("sets", [
    {}, {"bounding": ["CAP_KILL"]},
    {"bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL", "CAP_CHOWN"], "effective": ["CAP_KILL"]},
    {s: ["CAP_KILL", "CAP_NET_BIND_SERVICE"] for s in SETS},
    {"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"], "inheritable": ["CAP_KILL"]},
], ids=["none", "bounding", "partial", "all-five", "inheritable"])
@pytest.mark.parametrize("uid", [0, 1000])
def test_r097_capability_sets(rt, bundle, sets, uid):
    bundle.process["capabilities"] = sets
    bundle.process["user"] = {"uid": uid, "gid": uid}
    bundle.process["noNewPrivileges"] = True
    seen = caps_of(rt.sh(bundle, "cat /proc/self/status"))
    want = {name: cap_mask(*sets.get(name, [])) for name in SETS}
    if uid == 0:
        # execve by root raises effective to permitted; noNewPrivileges keeps permitted from growing
        want["effective"] = want["permitted"] = want["permitted"] & (want["bounding"] | want["inheritable"])
    else:
        want["permitted"] = want["effective"] = want["ambient"]
    assert seen == want


def test_r097_capabilities_absent(rt, bundle):
    del bundle.process["capabilities"]
    seen = caps_of(rt.sh(bundle, "cat /proc/self/status"))
    assert seen["effective"] == seen["ambient"] == seen["inheritable"] == 0


@pytest.mark.ocirun_only
@pytest.mark.parametrize("name", ["CAP_TEST", "CAP_SYS_RESOURCE", "cap_kill_not", "CAP_63"])
def test_r095_r096_ungrantable_is_a_warning(rt, bundle, name):
    if name == "CAP_SYS_RESOURCE":
        # a capability of this kernel that the caller has not got
        rt.command = ["setpriv", "--bounding-set", "-sys_resource"] + rt.command
    bundle.caps("CAP_KILL", name, sets=tuple(SETS))
    result = rt.run(bundle.sh("cat /proc/self/status")).ok()
    assert result.err == "" and caps_of(result.out)["bounding"] == cap_mask("CAP_KILL")
    log = rt.path("log")
    rt.run(bundle, globals=("--log", log, "--log-level", "warning")).ok()
    assert name in read(log)


@pytest.mark.quick
@pytest.mark.parametrize("value", [True, False, None])
def test_r098_no_new_privileges(rt, bundle, value):
    bundle.process.pop("noNewPrivileges", None)
    if value is not None:
        bundle.process["noNewPrivileges"] = value
    assert rt.sh(bundle, "grep NoNewPrivs /proc/self/status").split()[1] == ("1" if value else "0")


@pytest.mark.parametrize("value", [0, 1, 500, 1000])
def test_r099_oom_score_adj(rt, bundle, value):
    bundle.process["oomScoreAdj"] = value
    assert rt.sh(bundle, "cat /proc/self/oom_score_adj").strip() == str(value)


def test_r100_oom_score_adj_inherited(rt, bundle):
    bundle.process.pop("oomScoreAdj", None)
    bundle.sh("cat /proc/self/oom_score_adj").save()
    import subprocess
    out = rt.path("out")
    argv = rt.argv("run", "--bundle", bundle.dir, rt.new_id())
    subprocess.run(["sh", "-c", 'echo 321 > /proc/self/oom_score_adj; exec "$@" > ' + out, "sh", *argv], check=True)
    assert read(out).strip() == "321"


@pytest.mark.ocirun_only
@pytest.mark.parametrize("sched,want", [
    ({"policy": "SCHED_OTHER", "nice": 5}, "0 5 0 0"), ({"policy": "SCHED_BATCH", "nice": 3}, "3 3 0 0"),
    ({"policy": "SCHED_IDLE"}, "5 0 0 0"),
    ({"policy": "SCHED_OTHER", "nice": 1, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}, "0 1 0 1")],
    ids=["other", "batch", "idle", "flag"])
def test_r101_r102_scheduler(rt, bundle, sched, want):
    bundle.process["scheduler"] = sched
    assert rt.sh(bundle.args("/bin/helper", "sched")).startswith(want)


@pytest.mark.ocirun_only
@pytest.mark.parametrize("cls,number", [("IOPRIO_CLASS_BE", 2), ("IOPRIO_CLASS_IDLE", 3), ("IOPRIO_CLASS_RT", 1)])
def test_r103_io_priority(rt, bundle, cls, number):
    bundle.process["ioPriority"] = {"class": cls, "priority": 4}
    assert int(rt.sh(bundle.args("/bin/helper", "ioprio"))) == number << 13 | 4


@pytest.mark.ocirun_only
def test_r104_affinity_only_for_exec(rt, bundle):
    bundle.process["execCPUAffinity"] = {"initial": "0", "final": "0"}
    bundle.hold()
    c = rt.hold(bundle)
    assert len(read("/proc/%d/status" % c.pid).split("Cpus_allowed_list:")[1].split()[0]) > 1 or os.cpu_count() == 1
    assert c.exec("helper", "affinity").ok().out.split() == ["0"]
    c.stop()


@pytest.mark.quick
def test_r106_user_and_groups(rt, bundle):
    bundle.process["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [5, 6]}
    out = rt.sh(bundle, "grep -e ^Uid -e ^Gid -e ^Groups /proc/self/status")
    assert [l.split()[1:] for l in out.splitlines()] == [["1000"] * 4, ["1001"] * 4, ["5", "6"]]


def test_r106_no_groups(rt, bundle):
    bundle.process["user"] = {"uid": 0, "gid": 0}
    old = os.getgroups()
    os.setgroups([7, 8])
    try:
        assert rt.sh(bundle, "grep ^Groups /proc/self/status").split()[1:] in ([], ["0"])
    finally:
        os.setgroups(old)


def test_r107_umask(rt, bundle):
    bundle.process["user"]["umask"] = 0o027
    assert rt.sh(bundle, "umask").strip() == "0027"


@pytest.mark.ocirun_only
def test_r107_umask_of_the_caller(rt, bundle):
    bundle.process["user"].pop("umask", None)
    old = os.umask(0o037)
    try:
        assert rt.sh(bundle, "umask").strip() == "0037"
    finally:
        os.umask(old)


def test_r108_numeric_user_is_never_looked_up(rt, bundle):
    write(bundle.rootfs + "/etc/passwd", "1000:x:0:0::/evil:/bin/sh\nu:x:1000:1000::/good:/bin/sh\n")
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    bundle.process["env"] = ["PATH=/bin"]
    assert rt.sh(bundle, "id -u; echo $HOME").split() == ["1000", "/good"]


@pytest.mark.parametrize("domain,machine", [("LINUX32", "i686"), ("LINUX", None)])
def test_r213_personality(rt, bundle, domain, machine):
    if os.uname().machine != "x86_64":
        machine = None
    bundle.linux["personality"] = {"domain": domain}
    out = rt.sh(bundle, "uname -m").strip()
    if rt.name != "runc":
        assert out == (machine or os.uname().machine)


@pytest.mark.ocirun_only
@pytest.mark.parametrize("mode,want", [("MPOL_BIND", "2 1"), ("MPOL_INTERLEAVE", "3 1"), ("MPOL_PREFERRED", "1 1")])
def test_r198_memory_policy(rt, bundle, mode, want):
    bundle.linux["memoryPolicy"] = {"mode": mode, "nodes": "0"}
    assert rt.sh(bundle.args("/bin/helper", "mempolicy")).strip() == want


@pytest.mark.ocirun_only
def test_r198_memory_policy_local(rt, bundle):
    bundle.linux["memoryPolicy"] = {"mode": "MPOL_LOCAL"}
    assert rt.sh(bundle.args("/bin/helper", "mempolicy")).split()[0] == "4"


@pytest.mark.parametrize("member", ["uid", "gid"])
def test_id_minus_one(rt, bundle, member):
    """To setresuid(2) it means "as it is", and the program would run as root."""
    bundle.process["user"] = {"uid": 1000, "gid": 1000, member: 0xffffffff}
    rt.failing_create(bundle, match=member)
    bundle.process["user"] = {"uid": 0, "gid": 0, member: 0xfffffffe}
    assert str(0xfffffffe) in rt.sh(bundle, "id")


@pytest.mark.ocirun_only
@pytest.mark.parametrize("user", ["4294967295", "0:4294967295"])
def test_exec_id_minus_one(rt, user):
    c = rt.hold()
    c.exec("/bin/id", options=("--user", user)).fails()
    document = rt.path("process.json")
    write(document, '{"args": ["/bin/id"], "cwd": "/", "user": {"uid": 4294967295, "gid": 0}}')
    rt.cmd("exec", "--process", document, c.id).fails()


def spoiled_signals(how):
    """What nohup, a background job of a shell, or a careless caller hand down."""
    if how != "blocked":
        for sig in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGTERM,
                    signal.SIGALRM, signal.SIGUSR1, signal.SIGTSTP):
            signal.signal(sig, signal.SIG_IGN)
    if how != "ignored":
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


CLEAN = "grep -E 'Sig(Blk|Ign)' /proc/self/status; exit 3"


@pytest.mark.ocirun_only
@pytest.mark.parametrize("how", ["ignored", "blocked", "both"])
def test_signals_of_the_caller(rt, bundle, how):
    """The program and the hooks begin with default signals, whatever the caller has; run, create, start,
    exec and delete work, and signals are forwarded."""
    before = lambda: spoiled_signals(how)   # noqa: E731
    log = rt.path("log")
    zeros = ["0" * 16] * 2
    for kind in ("createRuntime", "poststop"):
        bundle.hook(kind, "grep -E 'Sig(Blk|Ign)' /proc/self/status >> %s; exit 0" % log)
    result = rt.run(bundle.sh(CLEAN), preexec_fn=before)
    assert result.rc == 3 and not result.err, result
    assert result.out.split()[1::2] == zeros
    assert read(log).split()[1::2] == zeros * 2
    c = rt.hold(bundle, preexec_fn=before)
    result = c.exec("/bin/sh", "-c", CLEAN, preexec_fn=before)
    assert result.rc == 3 and not result.err, result
    assert result.out.split()[1::2] == zeros
    c.stop()
    bundle.sh("for s in INT QUIT HUP USR1; do trap \"echo got $s\" $s; done; trap 'exit 5' TERM; echo ready; "
              "while :; do sleep 1000 & wait; done").save()
    proc = rt.popen("run", "--bundle", bundle.dir, rt.new_id(), preexec_fn=before)
    until(lambda: "ready" in proc.result_out.text(), "the program")
    for name in ("INT", "QUIT", "HUP", "USR1"):
        proc.send_signal(getattr(signal, "SIG" + name))
        until(lambda: "got " + name in proc.result_out.text(), name)  # noqa: B023
    proc.send_signal(signal.SIGTERM)
    assert rt.finish(proc).rc == 5


def test_signal_state_is_clean(rt, bundle):
    bundle.args("/bin/helper", "sigs").save()
    proc = rt.popen("run", "--bundle", bundle.dir, rt.new_id(), restore_signals=True)
    assert rt.finish(proc).ok().out.strip() == ""
    assert signal.getsignal(signal.SIGPIPE)


@pytest.mark.ocirun_only
def test_session_keyring(rt, bundle):
    ident = rt.new_id()
    assert ident in rt.run(bundle.args("/bin/helper", "keyring"), ident=ident).ok().out


def test_no_new_keyring(rt, bundle):
    own = rt.run(bundle.args("/bin/helper", "keyring"), "--no-new-keyring").ok().out
    assert rt.dir not in own and "ort" not in own


def test_session_leader_without_terminal(rt, bundle):
    assert rt.sh(bundle, "cut -d' ' -f7 /proc/self/stat").strip() == "0"
