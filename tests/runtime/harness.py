# SPDX-License-Identifier: LGPL-2.1-or-later
"""Black-box harness for OCI runtimes.

Theory of operation.  The pytest process is the caller of the runtime, as an engine would be: it is a
child subreaper, so that each process a runtime leaves behind becomes its child and can be seen, waited
for and counted.  It runs in a private mount namespace, so that mounts that appear in it come from the
runtime under test and from nobody else.  Output is collected in memfds, never in pipes: a container
that keeps its stdout cannot make a test hang, and what it writes later can still be read.

Nothing here sleeps for a fixed time: `until` polls a condition with a deadline, processes are awaited
through pidfds.
"""

import contextlib
import copy
import ctypes
import itertools
import json
import os
import re
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT = float(os.environ.get("RUNTIME_TIMEOUT", "20"))
SLOWNESS = TIMEOUT / 20         # of this machine: every other deadline grows with it
TOKEN = "ort%d" % os.getpid()

libc = ctypes.CDLL(None, use_errno=True)
PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE, MS_SHARED, MS_BIND, MS_SLAVE = 16384, 1 << 18, 1 << 20, 4096, 1 << 19


def check(ret, what):
    if ret < 0:
        err = ctypes.get_errno()
        raise OSError(err, "%s: %s" % (what, os.strerror(err)))
    return ret


def mount(source, target, fstype=None, flags=0, data=None):
    enc = lambda s: s.encode() if s is not None else None
    check(libc.mount(enc(source), enc(target), enc(fstype), ctypes.c_ulong(flags), enc(data)),
          "mount " + target)


def umount(target, flags=2):
    check(libc.umount2(target.encode(), flags), "umount " + target)


# --- the runtime under test ------------------------------------------------------------------------

def find_runtime():
    """The command to test, as an argument list."""
    given = os.environ.get("RUNTIME") or os.environ.get("OCIRUN")
    if given:
        words = shlex.split(given)
        path = shutil.which(words[0]) or words[0]
        return [os.path.abspath(path)] + words[1:]
    top = os.path.dirname(os.path.dirname(HERE))
    for candidate in ("ocirun", "build/ocirun"):
        path = os.path.join(top, candidate)
        if os.access(path, os.X_OK):
            return [path]
    raise SystemExit("no runtime: set RUNTIME=, or build ocirun first")


def separate_init(runtime):
    """Where a built ocirun has its ocirun-init; there is none in some builds."""
    return os.path.join(os.path.dirname(runtime), "ocirun-init")


def runtime_name(command):
    name = os.environ.get("RUNTIME_NAME")
    if name:
        return name
    text = subprocess.run(command + ["--version"], capture_output=True, text=True, timeout=TIMEOUT,
                          check=False).stdout
    words = text.split()
    return words[0] if words else os.path.basename(command[0])


def cgroup_layout():
    """v1, hybrid or v2, by what is mounted."""
    kinds = {line.split(" - ")[1].split()[0] for line in read("/proc/self/mountinfo").splitlines()
             if " /sys/fs/cgroup" in line}
    if "cgroup" in kinds:
        return "hybrid" if "cgroup2" in kinds else "v1"
    return "v2"


def lsms_on():
    """The security modules that are switched on here, of those that a configuration can ask for."""
    found = set()
    with contextlib.suppress(OSError):
        if read("/sys/module/apparmor/parameters/enabled").strip() == "Y":
            found.add("apparmor")
    with contextlib.suppress(OSError):
        # without a policy every process has the label "kernel"
        if os.path.exists("/sys/fs/selinux/enforce") and ":" in read("/proc/self/attr/current"):
            found.add("selinux")
    return found


def isolate(name):
    """Make this process the subreaper, in a mount namespace of its own (which takes root)."""
    check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "PR_SET_CHILD_SUBREAPER")
    if os.geteuid() != 0:
        return
    check(libc.unshare(CLONE_NEWNS), "unshare")
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    if name == "crun" and os.path.ismount("/sys/fs/cgroup/unified"):
        umount("/sys/fs/cgroup/unified")      # crun refuses the hybrid layout


# --- small helpers -----------------------------------------------------------------------------------

def open_files(pid):
    """What a process that opens and closes has open."""
    names = []
    for fd in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(FileNotFoundError):
            names.append(os.readlink("/proc/%d/fd/%s" % (pid, fd)))
    return names


def until(condition, what="condition", deadline=10.0):
    """Poll condition() until it is true, and return its value."""
    end = time.monotonic() + deadline * SLOWNESS
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "timed out waiting for " + what
        time.sleep(0.002)


def read(path):
    with open(path, encoding="utf8", errors="surrogateescape") as f:
        return f.read()


def write(path, text, mode=None):
    with open(path, "w", encoding="utf8", errors="surrogateescape") as f:
        f.write(text)
    if mode is not None:
        os.chmod(path, mode)
    return path


def alive(pid):
    """True while pid runs; a zombie does not."""
    try:
        return read("/proc/%d/stat" % pid).rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


CALL_NUMBERS = {"connect": 42, "flock": 73, "openat": 257, "poll": 7, "ppoll": 271, "recvfrom": 45, "recvmsg": 47, "wait4": 61}
if os.uname().machine != "x86_64":
    CALL_NUMBERS = {"connect": 203, "flock": 32, "openat": 56, "ppoll": 73, "recvfrom": 207, "recvmsg": 212, "wait4": 260}


def waits_in(pid, *calls):
    """Whether a process sleeps in one of these system calls."""
    number = read("/proc/%d/syscall" % pid).split()[0]
    return number in (str(CALL_NUMBERS.get(call)) for call in calls)


def descendants():
    """pid -> 'comm state' of all processes below this one."""
    parent, info = {}, {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):
            head, _, tail = read("/proc/%s/stat" % entry).rpartition(")")
            fields = tail.split()
            parent[int(entry)] = int(fields[1])
            info[int(entry)] = (head.split("(", 1)[1], fields[0])
    found, wave = {}, [os.getpid()]
    while wave:
        wave = [pid for pid, ppid in parent.items() if ppid in wave and pid not in found]
        found.update((pid, info[pid]) for pid in wave)
    return found


def cgroup_mounts():
    """[(mount point, set of controllers; {''} for v2)]"""
    result = []
    for line in read("/proc/self/mountinfo").splitlines():
        left, right = line.split(" - ")
        fstype, _, options = right.split(maxsplit=2)
        if fstype in ("cgroup", "cgroup2"):
            names = {""} if fstype == "cgroup2" else {o for o in options.strip().split(",") if o != "rw"}
            result.append((left.split()[4], names))
    return result


def cgroup_dirs():
    """All cgroups of this machine."""
    found = set()
    for top, _ in cgroup_mounts():
        for path, dirs, _ in os.walk(top):
            found.update(os.path.join(path, d) for d in dirs)
    return found


def cgroup_of(pid):
    """controller name (or '' for v2, 'name=x') -> directory, for a process"""
    tops = cgroup_mounts()
    result = {}
    for line in read("/proc/%d/cgroup" % pid).splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            for top, controllers in tops:
                if name in controllers:
                    result[name] = os.path.normpath(top + path)
    return result


def disk_name():
    disks = [d for d in os.listdir("/sys/block") if not d.startswith(("loop", "ram", "zram"))]
    if not disks:
        pytest.skip("no disk")
    return sorted(disks)[0]


@contextlib.contextmanager
def scheduled_by(scheduler):
    """disk_name() with another I/O scheduler."""
    path = "/sys/block/%s/queue/scheduler" % disk_name()
    before = re.search(r"\[(\S+)\]", read(path)).group(1)
    write(path, scheduler)
    try:
        yield
    finally:
        write(path, before)


def v2_top():
    """Where cgroup v2 is mounted, or None."""
    return next((top for top, names in cgroup_mounts() if "" in names), None)


# In a mount namespace: /sys/fs/cgroup is a cgroup2 and nothing else, as on a machine of pure v2 with the controllers
# that v1 does not hold. A mount without the options that v2 has would take them from the machine.
V2_ALONE = r"""o=$(sed -n 's/.* - cgroup2 [^ ]* [^ ,]*,\{0,1\}//p' /proc/self/mountinfo | head -n 1)
            umount -R /sys/fs/cgroup && mount -t cgroup2 ${o:+-o "$o"} none /sys/fs/cgroup"""
V2_VIEW = ["unshare", "-m", "sh", "-c", V2_ALONE + ' && exec "$@"', "v2"]


class Memfd:
    """A file in memory that a child writes to and the test reads."""

    def __init__(self):
        self.fd = os.memfd_create("output", os.MFD_CLOEXEC)

    def text(self):
        if self.fd < 0:
            return self.last
        size = os.fstat(self.fd).st_size
        return os.pread(self.fd, size, 0).decode("utf8", "surrogateescape")

    def close(self):
        if self.fd >= 0:
            self.last = self.text()
            os.close(self.fd)
            self.fd = -1


class Result:
    def __init__(self, rc, out, err, argv):
        self.died = rc < 0              # the runtime itself, by a signal
        self.rc = rc if rc >= 0 else 128 - rc
        self._out, self._err, self.argv = out, err, argv

    @property
    def out(self):
        return self._out.text()

    @property
    def err(self):
        return self._err.text()

    def ok(self):
        assert self.rc == 0, "%s: status %d\n%s%s" % (shlex.join(self.argv), self.rc, self.out, self.err)
        return self

    def fails(self):
        assert self.rc > 0, "%s: status %d, expected a failure\n%s%s" % (
            shlex.join(self.argv), self.rc, self.out, self.err)
        assert not self.died, "%s: died (%d)\n%s" % (shlex.join(self.argv), self.rc, self.err)
        assert self.err.strip(), "%s failed silently" % shlex.join(self.argv)
        return self

    def __repr__(self):
        return "Result(%d, %r, %r)" % (self.rc, self.out, self.err)


def wait_status(status):
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def ends(pid, timeout):
    """Whether a child ends within so many seconds. At once: Popen.wait(timeout) looks every 50 ms in the end."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:      # ended, and waited for
        return True
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))
    finally:
        os.close(fd)


def pid_wait(pid, deadline=10.0):
    """Wait for a child (adopted or not) and return its status the way a shell shows it."""
    assert ends(pid, deadline * SLOWNESS), "pid %d does not end" % pid
    return wait_status(os.waitpid(pid, 0)[1])


# --- root file system and bundles ----------------------------------------------------------------------

APPLETS = """[ ash awk basename cat chgrp chmod chown cp cut date dd df dirname dmesg echo ed egrep env expr
false find grep groups head hexdump hostname id ip ionice kill ln ls mkdir mkfifo mknod mktemp mount mv nproc od ping printf ps pwd readlink realpath renice rm rmdir sed seq setsid sh sleep sort stat stty sync
tail tar taskset tee test timeout touch tr true truncate tty umount uname uniq unshare usleep wc whoami
xargs yes nc setpriv dnsdomainname ulimit""".split()
DIRECTORIES = ("bin", "etc", "proc", "sys", "dev", "tmp", "run", "var", "root", "home", "mnt", "data")


class Base:
    """What all bundles of the session share."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix=TOKEN + "-", dir=os.environ.get("TMPDIR", "/tmp"))
        os.chmod(self.dir, 0o755)
        self.busybox = os.path.join(self.dir, "busybox")
        shutil.copy2("/bin/busybox", self.busybox)
        known = set(subprocess.run([self.busybox, "--list"], capture_output=True, text=True,
                                   check=True).stdout.split())
        self.applets = [a for a in APPLETS if a in known]
        self.helper = os.path.join(self.dir, "helper")
        subprocess.run(["gcc", "-static", "-O1", "-w", "-D_GNU_SOURCE", "-o", self.helper, os.path.join(HERE, "helper.c")],
                       check=True)
        self.spec = None

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def make_rootfs(self, path):
        os.makedirs(path)
        for name in DIRECTORIES:
            os.mkdir(os.path.join(path, name))
        os.chmod(path + "/tmp", 0o1777)
        os.link(self.busybox, path + "/bin/busybox")
        os.link(self.helper, path + "/bin/helper")
        for applet in self.applets:
            os.symlink("busybox", path + "/bin/" + applet)
        write(path + "/bin/mountpoint", "#!/bin/sh\n# mountpoint -q PATH: busybox may lack it\n"
              "cut -d' ' -f5 /proc/self/mountinfo | grep -qxF \"$2\"\n", 0o755)
        write(path + "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\ntest:x:1000:1000:t:/home:/bin/sh\n")
        write(path + "/etc/group", "root:x:0:\ntest:x:1000:\nextra:x:5:test\n")


class Bundle:
    """A bundle directory with a config that can be changed until it is used."""

    def __init__(self, env, directory):
        self.env, self.dir = env, directory
        os.makedirs(directory)
        self.rootfs = os.path.join(directory, "rootfs")
        env.base.make_rootfs(self.rootfs)
        self.config = copy.deepcopy(env.base.spec)
        self.process = self.config["process"]
        self.process["terminal"] = False
        self.config["root"]["readonly"] = False
        self.linux = self.config["linux"]
        self.raw = None

    def args(self, *argv):
        self.process["args"] = list(argv)
        return self

    def sh(self, script):
        return self.args("/bin/sh", "-c", script)

    def hold(self):
        """A program that says 'ready', with all its processes, and runs until it is told to end."""
        return self.sh("trap 'exit 0' TERM; sleep 1000 & echo ready; while :; do wait; sleep 1000 & done")

    def add_mount(self, destination, source=None, fstype=None, options=(), **more):
        entry = {"destination": destination}
        if fstype is not None:
            entry["type"] = fstype
        if source is not None:
            entry["source"] = source
        entry["options"] = list(options)
        entry.update(more)
        self.config["mounts"].append(entry)
        return self

    def drop_mount(self, destination):
        self.config["mounts"] = [m for m in self.config["mounts"] if m["destination"] != destination]

    def namespace(self, kind, path=None):
        self.drop_namespace(kind)
        entry = {"type": kind}
        if path:
            entry["path"] = path
        self.linux["namespaces"].append(entry)
        return self

    def drop_namespace(self, kind):
        self.linux["namespaces"] = [n for n in self.linux["namespaces"] if n["type"] != kind]
        if kind == "uts":
            self.config.pop("hostname", None)
        return self

    def caps(self, *names, sets=("bounding", "effective", "permitted")):
        self.process["capabilities"] = {s: list(names) for s in sets}
        return self

    def all_caps(self):
        """All capabilities that the caller itself can give."""
        mine = int(re.search(r"CapBnd:\s*(\w+)", read("/proc/self/status")).group(1), 16)
        return self.caps(*[n for i, n in enumerate(CAPABILITIES) if mine >> i & 1])

    def userns(self, base=100000, size=65536):
        self.namespace("user")
        self.linux["uidMappings"] = [{"containerID": 0, "hostID": base, "size": size}]
        self.linux["gidMappings"] = [{"containerID": 0, "hostID": base, "size": size}]
        for path, dirs, files in os.walk(self.rootfs):
            for name in ["."] + dirs + files:
                full = os.path.join(path, name)
                if os.stat(full, follow_symlinks=False).st_nlink < 2 or os.path.isdir(full):
                    os.chown(full, base, base, follow_symlinks=False)
        return self

    def hook(self, kind, script, shell="/bin/sh", **more):
        entry = {"path": shell, "args": ["sh", "-c", script]}
        entry.setdefault("env", ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
        entry.update(more)
        self.config.setdefault("hooks", {}).setdefault(kind, []).append(entry)
        return self

    def save(self):
        path = os.path.join(self.dir, "config.json")
        if self.raw is not None:
            with open(path, "wb") as f:
                f.write(self.raw if isinstance(self.raw, bytes) else self.raw.encode())
        else:
            with open(path, "w", encoding="utf8") as f:
                json.dump(self.config, f, indent=1)
        return path


CAPABILITIES = """CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID
CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW
CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT
CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE
CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM
CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE""".split()


def cap_mask(*names):
    return sum(1 << CAPABILITIES.index(n) for n in names)


# --- containers ------------------------------------------------------------------------------------------

class Container:
    def __init__(self, rt, ident, bundle, result=None):
        self.rt, self.id, self.bundle, self.result = rt, ident, bundle, result
        self._pid = None

    @property
    def pid(self):
        if not self._pid:
            self._pid = self.state()["pid"]
        return self._pid

    @property
    def out(self):
        return self.result.out

    @property
    def err(self):
        return self.result.err

    def state(self):
        return self.rt.state(self.id)

    def status(self):
        return self.state()["status"]

    def start(self):
        return self.rt.cmd("start", self.id)

    def kill(self, *sig):
        return self.rt.cmd("kill", self.id, *map(str, sig))

    def delete(self, *options):
        return self.rt.cmd("delete", *options, self.id)

    def exec(self, *argv, options=(), **kw):
        return self.rt.cmd("exec", *options, self.id, *argv, **kw)

    def sh(self, script, options=(), **kw):
        """Run a shell script by exec and return what it prints."""
        return self.exec("/bin/sh", "-c", script, options=options, **kw).ok().out

    def wait(self, deadline=10.0):
        """Wait for the end of the container's process, which is our child by adoption."""
        return pid_wait(self.pid, deadline)

    def wait_out(self, text, deadline=10.0):
        until(lambda: text in self.out, "%r in the output %r" % (text, self.out), deadline)
        return self

    def stop(self):
        """Kill, wait and delete."""
        pid = self.pid
        self.kill("KILL").ok()
        pid_wait(pid)
        self.delete().ok()


class Runtime:
    """Runs the runtime under test; each test has its own --root."""

    _ids = itertools.count(1)

    def __init__(self, base, command, name):
        self.base, self.command, self.name = base, command, name
        self.dir = tempfile.mkdtemp(prefix="t", dir=base.dir)
        os.chmod(self.dir, 0o755)
        self.root = os.path.join(self.dir, "state")
        self.ids, self.files, self.procs, self.cleanups = [], [], [], []
        self.count = itertools.count()

    is_ocirun = property(lambda self: self.name == "ocirun")

    def new_id(self):
        ident = "%s-%d" % (TOKEN, next(self._ids))
        self.ids.append(ident)
        return ident

    def path(self, name):
        return os.path.join(self.dir, name)

    def bundle(self, script=None):
        bundle = Bundle(self, os.path.join(self.dir, "b%d" % next(self.count)))
        return bundle.sh(script) if script is not None else bundle

    def argv(self, *args, globals=()):
        return self.command + ["--root", self.root, *globals, *args]

    def shared_tmpfs(self, name):
        """A mount of the machine whose propagation is shared, until the test's end."""
        path = self.path(name)
        os.mkdir(path)
        mount("tmpfs", path, "tmpfs")
        mount(None, path, None, MS_SHARED)
        self.cleanups.append(lambda: subprocess.run(["umount", "-R", "-l", path], check=False))
        return path

    def memfd(self):
        memfd = Memfd()
        self.files.append(memfd)
        return memfd

    def popen(self, *args, globals=(), stdin=subprocess.DEVNULL, **kw):
        """Start the runtime without waiting; .out and .err are memfds."""
        argv = self.argv(*args, globals=globals)
        out, err = self.memfd(), self.memfd()
        proc = subprocess.Popen(argv, stdin=stdin, stdout=kw.pop("stdout", out.fd),
                                stderr=kw.pop("stderr", err.fd), **kw)
        proc.result_out, proc.result_err = out, err
        self.procs.append(proc)
        return proc

    def finish(self, proc, timeout=TIMEOUT):
        if not ends(proc.pid, timeout):
            wchan = ""
            with contextlib.suppress(OSError):
                wchan = read("/proc/%d/stack" % proc.pid)
            proc.kill()
            proc.wait()
            raise AssertionError("%s: no end after %g s\n%s%s%s" % (
                shlex.join(proc.args), timeout, proc.result_out.text(), proc.result_err.text(),
                wchan))
        self.procs.remove(proc)
        return Result(proc.wait(), proc.result_out, proc.result_err, proc.args)

    def cmd(self, *args, timeout=TIMEOUT, input=None, **kw):
        if input is not None:
            memfd = self.memfd()
            os.write(memfd.fd, input.encode())
            os.lseek(memfd.fd, 0, 0)
            kw["stdin"] = memfd.fd
        return self.finish(self.popen(*map(str, args), **kw), timeout)

    def run(self, bundle, *options, ident=None, save=True, **kw):
        """run in the foreground: the result of the program, with what the runtime said on stderr."""
        if save:
            bundle.save()
        return self.cmd("run", "--bundle", bundle.dir, *options, ident or self.new_id(), **kw)

    def sh(self, bundle, script=None, *options, **kw):
        """run a shell script in a new container; it must succeed; returns its output."""
        if script is not None:
            bundle.sh(script)
        return self.run(bundle, *options, **kw).ok().out

    def create(self, bundle, *options, ident=None, save=True, **kw):
        if save:
            bundle.save()
        ident = ident or self.new_id()
        pid_file = self.path(ident + ".pid")
        if "--pid-file" in options:
            pid_file = options[options.index("--pid-file") + 1]
        else:
            options += ("--pid-file", pid_file)
        result = self.cmd("create", "--bundle", bundle.dir, *options, ident, **kw).ok()
        container = Container(self, ident, bundle, result)
        container._pid = int(read(pid_file))
        return container

    def start(self, bundle, *options, **kw):
        """create and start"""
        container = self.create(bundle, *options, **kw)
        container.start().ok()
        return container

    def hold(self, bundle=None, *options, **kw):
        """A container that runs until it is stopped; it has said ready."""
        container = self.start((bundle or self.bundle()).hold(), *options, **kw)
        return container.wait_out("ready")

    def state(self, ident):
        return json.loads(self.cmd("state", ident).ok().out)

    def failing_create(self, bundle, *options, match=None, save=True, **kw):
        """create must fail, say why in one line, and leave nothing behind."""
        if save:
            bundle.save()
        ident = self.new_id()
        pid_file = self.path("failing.pid")
        before = Guard.take()
        states = self.states()
        result = self.cmd("create", "--bundle", bundle.dir, "--pid-file", pid_file, *options, ident, **kw)
        result.fails()
        if self.is_ocirun:
            assert result.err.count("\n") == 1, "not one line on stderr: %r" % result.err
            assert not result.out
            if match:
                assert re.search(match, result.err), "%r does not match %r" % (result.err, match)
        assert not os.path.exists(pid_file), "pid file left behind"
        assert self.states() == states, "state left behind: %s" % self.states()
        reap()
        Guard.compare(before)
        return result

    def states(self):
        try:
            return sorted(e for e in os.listdir(self.root) if not e.startswith("."))
        except FileNotFoundError:
            return []

    # a listening unix socket that takes one connection with file descriptors
    @contextlib.contextmanager
    def listener(self, path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            fd = os.open(os.path.dirname(path), os.O_PATH | os.O_CLOEXEC)
            try:
                sock.bind("/proc/self/fd/%d/%s" % (fd, os.path.basename(path)))
            finally:
                os.close(fd)
            sock.listen()
            sock.settimeout(10 * SLOWNESS)
            yield sock

    def cleanup(self):
        """End and remove whatever the test left: on purpose, or by failing."""
        for proc in list(self.procs):
            if proc.poll() is None:
                proc.kill()
            proc.wait()
        self.procs.clear()
        for name in self.states():
            with contextlib.suppress(AssertionError):
                self.cmd("delete", "--force", name)
        for memfd in self.files:
            memfd.close()
        failed = None
        while self.cleanups:
            try:
                self.cleanups.pop()()
            except Exception as e:
                failed = failed or e
        if failed:
            raise failed

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


# --- the leak guard ----------------------------------------------------------------------------------------

def reap():
    """Collect the zombies that were given to us."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


class Guard:
    """What a test must leave as it found it."""

    ALONE = bool(os.environ.get("RUNTIME_ALONE"))
    # mount points that come and go without the runtime's doing
    OTHERS = set()

    @classmethod
    def take(cls):
        mounts = sorted(line.split(" ", 2)[2] for line in read("/proc/self/mountinfo").splitlines()
                        if line.split()[4] not in cls.OTHERS)
        cgroups = {d for d in cgroup_dirs() if cls.ALONE or TOKEN in d}
        fds = {}
        for fd in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                fds[fd] = os.readlink("/proc/self/fd/" + fd)
        fds = {k: v for k, v in fds.items() if not v.endswith("/fd")}
        return set(descendants()), mounts, cgroups, fds

    @classmethod
    def difference(cls, before):
        reap()
        procs, mounts, cgroups, fds = cls.take()
        info = descendants()
        found = ["process %d %s" % (p, info.get(p, "")) for p in procs - before[0]
                 if p in info]
        found += ["mount " + m for m in mounts if m not in before[1]]
        # a directory that somebody removes takes the mounts on it along in every mount namespace
        found += ["lost mount " + m for m in before[1]
                  if m not in mounts and os.path.exists(m.split()[2])]
        found += ["cgroup " + c for c in sorted(cgroups - before[2])]
        found += ["lost cgroup " + c for c in sorted(before[2] - cgroups)]
        found += ["fd %s %s" % f for f in fds.items() if before[3].get(f[0]) != f[1]
                  and not f[1].startswith("/memfd:output")]
        return found

    @classmethod
    def compare(cls, before, deadline=1.0):
        """Ending processes and removing cgroups take the kernel a moment."""
        end = time.monotonic() + deadline * SLOWNESS
        while True:
            found = cls.difference(before)
            if not found:
                return
            if time.monotonic() > end:
                raise AssertionError("left behind:\n  " + "\n  ".join(found))
            time.sleep(0.002)

    @classmethod
    def clean(cls, before):
        """Remove what a failed test left, so that the next one starts clean."""
        for pid in set(descendants()) - before[0]:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 2 * SLOWNESS
        while set(descendants()) - before[0] and time.monotonic() < end:
            reap()
            time.sleep(0.002)
        # a mount whose options were changed is not one to be taken away
        kept = {tuple(m.split()[:3]) for m in before[1]}
        for line in reversed(read("/proc/self/mountinfo").splitlines()):
            if line.split(" ", 2)[2] not in before[1] and tuple(line.split()[2:5]) not in kept \
                    and line.split()[4] not in cls.OTHERS:
                with contextlib.suppress(OSError):
                    umount(line.split()[4].encode().decode("unicode_escape"))
        for path in sorted(cgroup_dirs() - before[2], reverse=True):
            if TOKEN in path:
                with contextlib.suppress(OSError):
                    os.rmdir(path)


# --- sockets ---------------------------------------------------------------------------------------------------

def receive_fd(conn, size=65536):
    """One message with its descriptors."""
    data, fds, _, _ = socket.recv_fds(conn, size, 8)
    return data, fds


def set_winsize(fd, rows, cols):
    import fcntl
    import termios
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
