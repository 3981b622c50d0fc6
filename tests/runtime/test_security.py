# SPDX-License-Identifier: LGPL-2.1-or-later
"""Known escapes of container runtimes, by their number (docs: security).

Each test has a canary outside the rootfs.  Both answers pass unless noted: a clean refusal, and a start that
is safe.  Races run a bounded number of times and print how often the attacker turned the tree.
"""

import hashlib
import os
import stat
import subprocess

import pytest

from harness import SLOWNESS, pid_wait, read, write
from test_process import caps_of

ROUNDS = int(os.environ.get("RACE_ROUNDS", "60"))


@pytest.fixture
def canary(rt):
    path = rt.path("canary")
    os.makedirs(path + "/d")
    write(path + "/file", "secret\n")
    return path


def contents(path):
    return sorted(os.path.relpath(os.path.join(d, n), path) for d, ds, fs in os.walk(path) for n in ds + fs)


UNTOUCHED = ["d", "file"]


def safe(rt, result):
    """Either a clean failure or success; never a crash."""
    assert not result.died and result.rc != 2 or result.rc == 0, result
    return result


@pytest.mark.ocirun_only
@pytest.mark.quick
def test_cve_2019_16884_bind_over_proc(rt, bundle):
    os.makedirs(rt.path("vol/self/attr"))
    bundle.add_mount("/proc", rt.path("vol"), "bind", ["bind"])
    rt.failing_create(bundle, match="/proc")


@pytest.mark.ocirun_only
@pytest.mark.parametrize("where", ["/proc/self/attr", "/proc/sys", "/proc/1", "/proc/self/exe", "/proc/sysrq-trigger"])
def test_cve_2019_16884_mount_inside_proc(rt, bundle, where):
    bundle.add_mount(where, "tmpfs", "tmpfs", [])
    rt.failing_create(bundle, match="/proc")


@pytest.mark.quick
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("pid_namespace", [True, False])
def test_another_procfs_is_not_the_containers(rt, bundle, first, pid_namespace):
    """-v /:/host -v /proc:/host/proc, which monitoring asks for: only /proc itself is watched over."""
    own = [m for m in bundle.config["mounts"] if m["destination"] == "/proc"]
    if not pid_namespace:
        bundle.drop_namespace("pid")
        own = [{"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind"]}]
    bundle.drop_mount("/proc")
    mounts, bundle.config["mounts"] = bundle.config["mounts"], []
    bundle.add_mount("/mnt", "/", "bind", ["rbind", "rslave"])
    bundle.add_mount("/mnt/proc", "/proc", "bind", ["rbind", "rslave", "ro"])
    bundle.config["mounts"] = mounts + (bundle.config["mounts"] + own if first else own + bundle.config["mounts"])
    out = rt.sh(bundle, "cat /mnt/proc/%d/comm; readlink /proc/self/ns/pid" % os.getpid()).splitlines()
    assert out[0] == read("/proc/self/comm").strip()
    assert (out[1] == os.readlink("/proc/self/ns/pid")) is not pid_namespace


@pytest.mark.ocirun_only
def test_own_procfs_under_another_name(rt, bundle):
    """/proc of the container, reached by a link: there it is watched over too."""
    os.symlink("/proc", bundle.rootfs + "/data/link")
    write(rt.path("vol"), "")
    bundle.add_mount("/data/link/self/attr/exec", rt.path("vol"), "bind", ["bind"])
    rt.failing_create(bundle, match="leads into /proc")
    bundle.config["mounts"].pop()
    os.mkdir(rt.path("dir"))
    bundle.add_mount("/data/link", rt.path("dir"), "bind", ["bind"])
    rt.failing_create(bundle, match="leads into /proc")


@pytest.mark.parametrize("name", ["cpuinfo", "meminfo", "uptime", "stat"])
def test_lxcfs_files_are_allowed(rt, bundle, name):
    write(rt.path(name), "mine\n")
    bundle.add_mount("/proc/" + name, rt.path(name), "bind", ["bind", "ro"])
    assert rt.sh(bundle, "cat /proc/" + name) == "mine\n"


@pytest.mark.quick
def test_cve_2015_3627_link_out_of_the_rootfs(rt, bundle, canary):
    os.symlink("../../../../../../../.." + canary, bundle.rootfs + "/esc")
    os.mkdir(rt.path("vol"))
    write(rt.path("vol/marker"), "")
    bundle.add_mount("/esc", rt.path("vol"), "bind", ["bind"])
    safe(rt, rt.run(bundle.sh("ls /esc")))
    assert contents(canary) == UNTOUCHED


def test_cve_2015_3630_proc_is_readonly(rt, bundle):
    bundle.all_caps()
    paths = ["/proc/asound", "/proc/timer_stats", "/proc/latency_stats", "/proc/sysrq-trigger", "/proc/fs", "/proc/irq",
             "/proc/bus", "/proc/sys/kernel/core_pattern"]
    # A write succeeds into what is masked by the null device, and nowhere else; a directory is on a mount that is
    # read-only, and empty if it is masked.
    out = rt.sh(bundle, "for f in %s; do test -e $f || continue; echo seen; test -d $f && touch -c $f 2>/dev/null && echo $f; "
                "test -f $f && ( : >> $f ) 2>/dev/null && echo $f; done; echo end" % " ".join(paths))
    assert set(out.split()) == {"seen", "end"}
    flags = {l.split()[4]: l.split()[5].split(",") for l in rt.sh(rt.bundle(), "cat /proc/self/mountinfo").splitlines()}
    for path in paths:
        if os.path.exists(path):
            assert [p for p in flags if path == p or path.startswith(p + "/") and p != "/proc" and "ro" in flags[p]], path


def test_cve_2016_8867_ambient(rt, bundle):
    bundle.caps("CAP_NET_ADMIN")
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    seen = caps_of(rt.sh(bundle, "cat /proc/self/status"))
    assert seen["effective"] == seen["permitted"] == seen["ambient"] == 0


@pytest.mark.quick
def test_cve_2022_24769_inheritable(rt, bundle):
    assert caps_of(rt.sh(bundle, "cat /proc/self/status"))["inheritable"] == 0


def test_cve_2022_29162_exec_cap_inheritable(rt, bundle):
    c = rt.hold(bundle)
    assert caps_of(c.sh("cat /proc/self/status", ["--cap", "CAP_KILL"]))["inheritable"] == 0
    c.stop()


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


@pytest.mark.quick
@pytest.mark.parametrize("caps,attach", [("all", False), ("default", True), ("default", False)])
def test_cve_2016_9962_and_2019_5736_spy(rt, bundle, caps, attach):
    """Container root watches /proc for the runtime while it enters, and tries to open, write, trace it.

    With all capabilities, CAP_SYS_PTRACE of the initial user namespace among them, nothing can keep it from
    tracing what it sees in its pid namespace; the runtime's file must stay out of its reach all the same."""
    before = digest(rt.command[0])
    if caps == "all":
        bundle.all_caps()
    bundle.args("/bin/helper", "spy", *(["attach"] if attach else []))
    write(bundle.rootfs + "/bin/self", "#!/proc/self/exe\n", 0o755)
    c = rt.start(bundle).wait_out("ready")
    for _ in range(ROUNDS):
        c.exec("/bin/true").ok()
    assert "ATTACHED" not in c.out
    # A static init runs here, as a program of the container like any other: it may be traced, and then stays stopped.
    for _ in range(0 if attach else ROUNDS):
        c.exec("/bin/self")
    out = c.out
    c.stop()
    print("spy saw the runtime %d times" % out.count("HIT"))
    assert "WRITABLE" not in out
    assert digest(rt.command[0]) == before


def test_cve_2019_5736_entry_is_proc_self_exe(rt, bundle):
    before = digest(rt.command[0])
    result = rt.run(bundle.args("/proc/self/exe", "--version"))
    assert digest(rt.command[0]) == before
    if rt.is_ocirun:
        assert "version" not in result.out or result.rc != 0


def test_cve_2019_5736_created_init(rt, bundle):
    """The file behind /proc/PID/exe of a created init is not the binary, or cannot be written."""
    c = rt.create(bundle)
    link = "/proc/%d/exe" % c.pid
    fd = os.open(link, os.O_RDONLY)
    try:
        with pytest.raises(OSError):
            os.close(os.open("/proc/self/fd/%d" % fd, os.O_WRONLY))
    finally:
        os.close(fd)


@pytest.mark.ocirun_only
def test_created_init_holds_no_host_directory(rt, bundle):
    c = rt.create(bundle)
    mine = {line.split()[0] for line in read("/proc/self/mountinfo").splitlines()}
    for fd in os.listdir("/proc/%d/fd" % c.pid):
        path = "/proc/%d/fd/%s" % (c.pid, fd)
        mount_id = read("/proc/%d/fdinfo/%s" % (c.pid, fd)).split("mnt_id:")[1].split()[0]
        assert mount_id not in mine or not stat.S_ISDIR(os.stat(path).st_mode), (fd, os.readlink(path))


@pytest.mark.quick
@pytest.mark.parametrize("name,fstype", [("proc", "proc"), ("sys", "sysfs")])
def test_cve_2019_19921_2023_27561_link_at(rt, bundle, name, fstype):
    os.rmdir(bundle.rootfs + "/" + name)
    os.makedirs(bundle.rootfs + "/bad")
    os.symlink("/bad", bundle.rootfs + "/" + name)
    rt.failing_create(bundle, match=name)


def test_cve_2024_45310_static(rt, bundle, canary):
    os.symlink(canary, bundle.rootfs + "/foo")
    write(rt.path("src"), "")
    bundle.add_mount("/foo/a/b", "tmpfs", "tmpfs", []).add_mount("/foo/file2", rt.path("src"), "bind", ["bind"])
    safe(rt, rt.run(bundle.args("/bin/true")))
    assert contents(canary) == UNTOUCHED


@pytest.fixture
def swapper(rt):
    """Exchange two names of the host's view in a tight loop while the test runs."""
    procs = []

    def start(a, b):
        proc = subprocess.Popen([rt.base.helper, "swap", a, b], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        rt.procs.append(proc)
        assert proc.stdout.readline() == "ready\n"
        procs.append(proc)
        return proc

    def finish(proc):
        out, _ = proc.communicate(timeout=10 * SLOWNESS)
        turns = int(out)
        print("the attacker turned %d times" % turns)
        assert turns > 100, "no race: the control did not run"
        return turns

    start.finish = finish
    return start


def test_cve_2021_30465_race(rt, bundle, canary, swapper):
    os.makedirs(bundle.rootfs + "/vol/a")
    os.symlink(canary, bundle.rootfs + "/vol/b")
    write(rt.path("src"), "")
    bundle.add_mount("/vol/a/x/y", "tmpfs", "tmpfs", []).add_mount("/vol/a/file2", rt.path("src"), "bind", ["bind"])
    bundle.args("/bin/true").save()
    proc = swapper(bundle.rootfs + "/vol/a", bundle.rootfs + "/vol/b")
    ok = 0
    for _ in range(ROUNDS):
        ok += rt.run(bundle, save=False).rc == 0
        assert contents(canary) == UNTOUCHED
    swapper.finish(proc)
    print("%d of %d runs succeeded" % (ok, ROUNDS))
    assert ok > 0


def test_cve_2025_31133_masked_race(rt, bundle, swapper):
    os.mkdir(bundle.rootfs + "/voldev")
    os.mknod(bundle.rootfs + "/voldev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    write(bundle.rootfs + "/voldev/other", "not the null device\n")
    write(bundle.rootfs + "/data/secret", "secret\n")
    for name in ("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"):
        bundle.drop_mount(name)
    bundle.add_mount("/dev", bundle.rootfs + "/voldev", "bind", ["bind"])
    bundle.linux["maskedPaths"] = ["/data/secret"]
    bundle.sh("cat /data/secret").save()
    proc = swapper(bundle.rootfs + "/voldev/null", bundle.rootfs + "/voldev/other")
    ok = rounds = 0
    # most runs are refused, sometimes many in a row
    while rounds < ROUNDS // 2 or not ok and rounds < 10 * ROUNDS:
        result = rt.run(bundle, save=False)
        rounds += 1
        ok += result.rc == 0
        assert result.out == ""
    swapper.finish(proc)
    print("%d of %d runs succeeded" % (ok, rounds))
    assert ok > 0


@pytest.mark.parametrize("kind", ["link", "file"])
def test_cve_2025_31133_static(rt, bundle, kind):
    os.mkdir(rt.path("dev"))
    if kind == "link":
        os.symlink("/proc/sys/kernel/hostname", rt.path("dev/null"))
    else:
        write(rt.path("dev/null"), "text\n")
    for name in ("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"):
        bundle.drop_mount(name)
    bundle.add_mount("/dev", rt.path("dev"), "bind", ["bind"])
    write(bundle.rootfs + "/secretfile", "secret\n")
    bundle.linux["maskedPaths"] = ["/secretfile"]
    result = rt.run(bundle.sh("cat /secretfile"))
    assert result.rc != 0 or result.out == "", result


def test_cve_2025_31133_core_pattern(rt, bundle):
    before = read("/proc/sys/kernel/core_pattern")
    os.mkdir(rt.path("dev"))
    os.symlink("/proc/sys/kernel/core_pattern", rt.path("dev/null"))
    for name in ("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"):
        bundle.drop_mount(name)
    bundle.add_mount("/dev", rt.path("dev"), "bind", ["bind"])
    bundle.linux["maskedPaths"] = ["/proc/kcore"]
    rt.run(bundle.sh("echo x > /proc/kcore"))
    assert read("/proc/sys/kernel/core_pattern") == before


def test_cve_2025_52565_console(rt, bundle, canary):
    import socket
    os.makedirs(rt.path("pts"))
    for i in range(10):
        os.symlink("/proc/sys/kernel/core_pattern", rt.path("pts/%d" % i))
    bundle.drop_mount("/dev/pts")
    bundle.add_mount("/dev/pts", rt.path("pts"), "bind", ["bind"])
    bundle.process["terminal"] = True
    bundle.sh("echo x > /dev/console").save()
    before = read("/proc/sys/kernel/core_pattern")
    with rt.listener(rt.path("sock")) as sock:
        ident = rt.new_id()
        result = rt.cmd("create", "--bundle", bundle.dir, "--console-socket", rt.path("sock"), "--pid-file", rt.path("pid"), ident)
        if result.rc == 0:
            if rt.cmd("start", ident).rc == 0:
                pid_wait(int(read(rt.path("pid"))))
            rt.cmd("delete", "--force", ident)
        else:
            result.fails()
        if rt.is_ocirun:
            assert "needs a devpts mount" in result.err
        sock.settimeout(0.1)
        try:
            conn, _ = sock.accept()
            fds = socket.recv_fds(conn, 1000, 4)[1]
            for fd in fds:
                os.close(fd)
            conn.close()
        except OSError:
            pass
    assert read("/proc/sys/kernel/core_pattern") == before


def test_cve_2025_52565_console_link(rt, bundle, canary):
    """/dev/console in the image is a link to a host file."""
    import socket
    for name in ("/dev", "/dev/shm", "/dev/mqueue"):
        bundle.drop_mount(name)
    os.symlink(canary + "/console", bundle.rootfs + "/dev/console")
    bundle.process["terminal"] = True
    bundle.args("/bin/true").save()
    with rt.listener(rt.path("sock")) as sock:
        ident = rt.new_id()
        rt.cmd("create", "--bundle", bundle.dir, "--console-socket", rt.path("sock"), ident)
        rt.cmd("delete", "--force", ident)
        sock.settimeout(0.1)
        try:
            conn, _ = sock.accept()
            for fd in socket.recv_fds(conn, 1000, 4)[1]:
                os.close(fd)
            conn.close()
        except OSError:
            pass
    assert contents(canary) == UNTOUCHED


@pytest.mark.ocirun_only
def test_cve_2025_52881_mount_through_link_to_proc(rt, bundle):
    os.symlink("/proc/self", bundle.rootfs + "/x")
    bundle.add_mount("/x/attr", "tmpfs", "tmpfs", [])
    rt.failing_create(bundle)


@pytest.mark.ocirun_only
def test_cve_2025_52881_sysctl_covered(rt, bundle):
    bundle.add_mount("/proc/sys/kernel/hostname", "/proc/version", "bind", ["bind"])
    bundle.linux["sysctl"] = {"kernel.domainname": "x"}
    rt.failing_create(bundle)


@pytest.mark.quick
@pytest.mark.parametrize("mounted", [False, True])
def test_cve_2026_41579_dev_is_a_link(rt, bundle, canary, mounted):
    os.rmdir(bundle.rootfs + "/dev")
    os.symlink(canary, bundle.rootfs + "/dev")
    write(canary + "/ptmx", "keep")
    if not mounted:
        for name in ("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"):
            bundle.drop_mount(name)
    safe(rt, rt.run(bundle.args("/bin/true")))
    assert contents(canary) == ["d", "file", "ptmx"] and read(canary + "/ptmx") == "keep"


def test_device_at_a_link(rt, bundle, canary):
    os.symlink(canary + "/newnode", bundle.rootfs + "/data/mynode")
    bundle.linux["devices"] = [{"type": "c", "path": "/data/mynode", "major": 1, "minor": 3}]
    safe(rt, rt.run(bundle.args("/bin/true")))
    assert contents(canary) == UNTOUCHED


@pytest.mark.parametrize("key", ["maskedPaths", "readonlyPaths"])
def test_mask_at_a_link(rt, bundle, canary, key):
    """The link leads out of the rootfs on the host; inside, it is that path below the container's root."""
    os.makedirs(bundle.rootfs + canary + "/d")
    write(bundle.rootfs + canary + "/d/inside", "x")
    os.symlink("../../../../../../../.." + canary + "/d", bundle.rootfs + "/m")
    bundle.linux[key] = ["/m"]
    c = rt.hold(bundle)
    write(canary + "/d/g", "x")
    assert read(canary + "/d/g") == "x"
    points = [l.split()[4] for l in read("/proc/%d/mountinfo" % c.pid).splitlines()]
    assert canary + "/d" in points
    assert c.sh("ls /m; touch /m/new 2>/dev/null || echo ro").split() == (["ro"] if key == "maskedPaths" else ["inside", "ro"])
    c.stop()
    assert contents(canary) == ["d", "d/g", "file"]


@pytest.mark.quick
@pytest.mark.parametrize("number", [3, 5, 7, 8, 9, 12])
def test_cve_2024_21626_cwd(rt, bundle, number):
    bundle.process["cwd"] = "/proc/self/fd/%d" % number
    result = rt.run(bundle.sh("pwd; ls ../../../../etc/debian_version; ls /proc/self/cwd/../../../../etc/debian_version"))
    assert "debian_version\n" not in result.out


@pytest.mark.parametrize("number", [3, 5, 7, 8, 9])
def test_cve_2024_21626_exec_cwd(rt, bundle, number):
    c = rt.hold(bundle)
    result = c.exec("/bin/sh", "-c", "ls ../../../../etc/debian_version", options=["--cwd", "/proc/self/fd/%d" % number])
    assert result.rc != 0 and "debian_version\n" not in result.out
    c.stop()


@pytest.mark.parametrize("program", ["/proc/self/fd/%d", "/proc/self/fd/%d/../../../../bin/busybox", "/proc/self/fd/%d/../../../bin/sh"])
def test_cve_2024_21626_program(rt, bundle, program):
    for number in (3, 6, 7, 9):
        result = rt.run(bundle.args(program % number, "true"))
        assert result.rc != 0 and not result.died


@pytest.mark.parametrize("kind", ["createContainer", "startContainer"])
def test_cve_2024_21626_hooks_see_no_descriptors(rt, bundle, kind):
    log = write(rt.path("log"), "", 0o666)
    bundle.add_mount(log, log, "bind", ["bind"])
    bundle.hook(kind, "ls -l /proc/self/fd | sed 's/.* -> //' > " + log)
    rt.run(bundle.args("/bin/true")).ok()
    assert "pipe:" in read(log)         # the stdout of ls itself
    for line in read(log).split():
        assert not line.startswith("/sys") and not os.path.isdir(line) or line.startswith("/proc"), read(log)


def test_cwd_link_to_a_descriptor(rt, bundle):
    os.symlink("/proc/self/fd/7", bundle.rootfs + "/wd")
    bundle.process["cwd"] = "/wd"
    result = rt.run(bundle.sh("ls ../../../../etc/debian_version"))
    assert result.rc != 0


@pytest.mark.parametrize("field,value", [("hugepageLimits", [{"pageSize": "../../../../../../tmp/x/", "limit": 1}])])
def test_traversal_in_cgroup_file_names(rt, bundle, field, value):
    bundle.linux["resources"][field] = value
    result = rt.run(bundle.args("/bin/true"))
    if rt.is_ocirun:
        result.fails()


def test_cve_2021_43784_long_namespace_path(rt, bundle):
    bundle.namespace("network", "/" + "x" * 70000)
    rt.failing_create(bundle)


@pytest.mark.parametrize("lines", [341, 4000])
def test_cve_2021_43784_many_mappings(rt, bundle, lines):
    bundle.namespace("user")
    for key in ("uidMappings", "gidMappings"):
        bundle.linux[key] = [{"containerID": i * 2, "hostID": 100000 + i * 3, "size": 1} for i in range(lines)]
    rt.failing_create(bundle)


@pytest.mark.quick
@pytest.mark.parametrize("command", ["run", "exec"])
def test_dev_null_of_the_host_keeps_its_owner(rt, bundle, command):
    bundle.process["user"] = {"uid": 1000, "gid": 1000}
    before = os.stat("/dev/null")
    if command == "run":
        rt.run(bundle.args("/bin/true"))
    else:
        c = rt.hold(bundle)
        with open("/dev/null", "r+b") as null:
            rt.cmd("exec", "--user", "1000", c.id, "true", stdout=null, stderr=null)
        c.stop()
    after = os.stat("/dev/null")
    os.chown("/dev/null", before.st_uid, before.st_gid)
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)


def test_pid_file_at_a_link(rt, bundle, canary):
    os.symlink(canary + "/file", rt.path("pidlink"))
    c = rt.create(bundle, "--pid-file", rt.path("pidlink"))
    if rt.is_ocirun:
        assert read(canary + "/file") == "secret\n"
    c.delete("-f").ok()


def test_console_socket_that_closes(rt, bundle):
    bundle.process["terminal"] = True
    bundle.args("/bin/true").save()
    ident = rt.new_id()
    with rt.listener(rt.path("sock")) as sock:
        proc = rt.popen("create", "--bundle", bundle.dir, "--console-socket", rt.path("sock"), ident)
        conn, _ = sock.accept()
        conn.close()
        rt.finish(proc)
    rt.cmd("delete", "--force", ident)
    assert rt.states() == []


@pytest.mark.parametrize("ident", ["../x", ".", "..", "a/b", "x" * 5000])
@pytest.mark.parametrize("command", ["state", "start", "kill", "exec", "pause"])
def test_bad_ids(rt, bundle, ident, command):
    rt.cmd(command, ident, *(["true"] if command == "exec" else [])).fails()


@pytest.mark.ocirun_only
@pytest.mark.parametrize("ident", ["../victim", "..", "."])
def test_delete_of_bad_ids_removes_nothing(rt, ident):
    os.makedirs(rt.path("victim"))
    os.makedirs(rt.root + "/inner", exist_ok=True)
    rt.cmd("delete", "--force", ident)
    assert os.path.isdir(rt.path("victim")) and os.path.isdir(rt.root + "/inner")
    os.rmdir(rt.root + "/inner")


@pytest.mark.ocirun_only
@pytest.mark.parametrize("text", ["", "\0" * 4096, "garbage", "{", '{"cgroups":{"pids":"/"}}', '{"pid":1}'])
def test_delete_with_garbage_record(rt, bundle, text, canary):
    c = rt.create(bundle)
    write(os.path.join(rt.root, c.id, "state.json"), text)
    rt.cmd("delete", "--force", c.id).ok()
    assert contents(canary) == UNTOUCHED and os.path.exists("/proc/1")


def test_rootless_cgroup_is_readonly(rt, bundle):
    """CVE-2023-25809, with the means of this environment: a user namespace and the host's cgroup namespace."""
    bundle.userns()
    bundle.drop_namespace("cgroup")
    if rt.is_ocirun:                    # it is, whether the configuration asks for it or not
        next(m for m in bundle.config["mounts"] if m["destination"] == "/sys/fs/cgroup")["options"].remove("ro")
    out = rt.sh(bundle, "find /sys/fs/cgroup -maxdepth 2 -name cgroup.procs | while read f; do "
                "( : > $f ) 2>&1; mkdir ${f%/*}/x 2>&1; echo found; done")
    # who owns a cgroup is not asked: this root owns none here, and would be refused where nothing is read-only too
    assert out.count("found\n") > 0 and out.count("Read-only file system\n") == 2 * out.count("found\n"), out


def test_exec_user_with_passwd_trick(rt, bundle):
    write(bundle.rootfs + "/etc/passwd", "1000:x:0:0::/evil:/bin/sh\n")
    c = rt.hold(bundle)
    assert c.sh("id -u", ["--user", "1000"]).strip() == "1000"
    c.stop()


def test_deep_json(rt, bundle):
    bundle.raw = '{"ociVersion":"1.0.0","x":' + '{"a":' * 10000 + "1" + "}" * 10001
    result = rt.cmd("create", "--bundle", (bundle.save(), bundle.dir)[1], rt.new_id())
    assert not result.died and result.rc != 0
    assert rt.states() == []
