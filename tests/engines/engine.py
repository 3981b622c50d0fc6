# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the engines share.

Theory of operation.  The machine's engines are used, its containers, images and daemons are not: the
session runs in a private mount namespace with an empty /run of its own, storage and sockets are in one
temporary directory, and cgroups below one that bears the session's name.  pytest is the subreaper, so
that whatever an engine leaves behind is seen, and is a failure of the test that left it.
"""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "runtime"))
import harness  # noqa: E402
from harness import TOKEN, until, read, write  # noqa: E402,F401

RUNTIME = harness.find_runtime()[0]
NAME = os.path.basename(RUNTIME)
TIMEOUT = 60.0
IMAGE = "localhost/bb:1"
PARENT = "/" + TOKEN            # of all cgroups


class Result:
    def __init__(self, argv, rc, out, err):
        self.argv, self.rc, self.out, self.err = argv, rc, out, err

    def ok(self):
        return self.status(0)

    def status(self, rc, text=None):
        """Demand an exit status, and a pattern in the error text."""
        assert self.rc == rc, "%s: status %d instead of %d\n%s%s" % (
            shlex.join(self.argv), self.rc, rc, self.out, self.err)
        if text is not None:
            assert re.search(text, self.err), "%s: %r does not match %r" % (
                shlex.join(self.argv), self.err, text)
        return self

    @property
    def lines(self):
        return self.out.splitlines()


def session_leader():
    """The terminal on stdin becomes the controlling one."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Pty:
    """A command on a terminal: what a person sees and types."""

    def __init__(self, argv, env=None, cwd=None, rows=24, cols=80):
        self.argv, self.seen = argv, ""
        self.fd, slave = pty.openpty()
        self.resize(rows, cols)
        try:
            self.proc = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=env,
                                         cwd=cwd, preexec_fn=session_leader)
        finally:
            os.close(slave)

    def resize(self, rows, cols):
        harness.set_winsize(self.fd, rows, cols)

    def type(self, text):
        os.write(self.fd, text.encode())

    def _read(self, deadline):
        """Some more output; None at the end of it."""
        left = deadline - time.monotonic()
        assert left > 0 and select.select([self.fd], [], [], left)[0], "%s: timed out after %r" % (
            shlex.join(self.argv), self.seen)
        try:
            return os.read(self.fd, 65536).decode("utf8", "replace")
        except OSError:             # EIO: the last user of the slave has gone
            return None

    def expect(self, pattern, timeout=20):
        """Wait until @pattern has been shown; what was shown up to it is not looked at again."""
        deadline = time.monotonic() + timeout
        while True:
            match = re.search(pattern, self.seen)
            if match:
                self.seen = self.seen[match.end():]
                return match
            more = self._read(deadline)
            assert more is not None, "%s: ended after %r, without %r" % (
                shlex.join(self.argv), self.seen, pattern)
            self.seen += more

    def interrupt(self, pattern):
        """Ctrl-C until @pattern is shown: a shell may be between two programs."""
        for _ in range(20):
            self.type("\x03")
            with contextlib.suppress(AssertionError):
                return self.expect(pattern, 1)
        return self.expect(pattern, 1)

    def wait(self, timeout=20):
        """The exit status, after all output was read."""
        deadline = time.monotonic() + timeout
        while True:
            more = self._read(deadline)
            if more is None:
                break
            self.seen += more
        return self.proc.wait(timeout=timeout)

    def close(self):
        if self.proc.poll() is None:
            self.proc.kill()
            self.proc.wait()
        os.close(self.fd)


class Engine:
    """One command line program with the options that every call gets."""

    def __init__(self, site, argv):
        self.site, self.argv = site, argv

    def __call__(self, *args, input=None, timeout=TIMEOUT, prefix=(), **env):
        argv = list(prefix) + self.argv + list(args)
        out, err = harness.Memfd(), harness.Memfd()
        stdin = subprocess.PIPE if input is not None else subprocess.DEVNULL
        proc = subprocess.Popen(argv, stdin=stdin, stdout=out.fd, stderr=err.fd,
                                env={**self.site.env, **env}, cwd=self.site.path("tmp"),
                                start_new_session=True)
        try:
            proc.communicate(input.encode() if input is not None else None, timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(proc.pid, signal.SIGKILL)
            proc.wait()
            raise AssertionError("%s: no end in %d s\n%s%s" % (
                shlex.join(argv), timeout, out.text(), err.text())) from None
        finally:
            out.close()
            err.close()
        return Result(argv, harness.Result(proc.returncode, out, err, argv).rc, out.text(), err.text())

    @contextlib.contextmanager
    def terminal(self, *args, **size):
        """The command on a terminal."""
        term = Pty(self.argv + list(args), self.site.env, self.site.path("tmp"), **size)
        try:
            yield term
        finally:
            term.close()


class Site:
    """The temporary directory of the session, and what lives in it."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix=TOKEN + "-", dir=os.environ.get("TMPDIR", "/tmp"))
        os.chmod(self.dir, 0o755)
        self.outside = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        harness.isolate(NAME)
        harness.mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
        self.env = {k: v for k, v in os.environ.items()
                    if k in ("PATH", "HOME", "LANG", "LC_ALL", "ASAN_OPTIONS", "UBSAN_OPTIONS")}
        os.mkdir(self.path("tmp"))
        self.env.update(TMPDIR=self.path("tmp"), TERM="xterm", CONTAINERS_CONF=self.containers_conf())
        self.serial = 0

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def new_name(self, word="c"):
        self.serial += 1
        return "%s-%s%d" % (TOKEN, word, self.serial)

    def containers_conf(self):
        """The drop-in of docs/engines, with what a test needs besides."""
        text = read(os.path.join(TOP, "docs", "engines", "ocirun.conf"))
        text = text.replace("ocirun", NAME)
        text = re.sub(r'(?m)^%s = \[.*\]$' % re.escape(NAME), '%s = ["%s"]' % (NAME, RUNTIME), text)
        text = text.replace("[engine]\n", '[engine]\nevents_logger = "file"\nlock_type = "file"\n')
        # A machine may lack CAP_SYS_RESOURCE: no limit above its own.
        import resource
        files = min(20000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        text += ('\n[containers]\nnetns = "none"\npids_limit = 0\nlog_driver = "k8s-file"\n'
                 'default_ulimits = ["nofile=%d:%d", "nproc=20000:20000"]\n' % (files, files))
        if shutil.which("catatonit"):
            text += 'init_path = "%s"\n' % shutil.which("catatonit")
        return write(self.path("containers.conf"), text)

    def rootfs(self):
        """A tree made of busybox alone."""
        root = self.path("rootfs")
        if os.path.exists(root):
            return root
        for name in harness.DIRECTORIES:
            os.makedirs(os.path.join(root, name))
        os.chmod(root + "/tmp", 0o1777)
        shutil.copy2("/bin/busybox", root + "/bin/busybox")
        applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True)
        for applet in set(applets.stdout.split()) - {"busybox"}:
            os.symlink("busybox", root + "/bin/" + applet)
        write(root + "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\ntest:x:1000:1000:t:/home:/bin/sh\n")
        write(root + "/etc/group", "root:x:0:\ntest:x:1000:\n")
        write(root + "/bin/script", "#!/no/interpreter\n", 0o755)
        write(root + "/bin/noexec", "#!/bin/sh\n", 0o644)
        write(root + "/bin/garbage", "neither nor\n", 0o755)
        return root

    def image(self):
        """The same tree as an archive."""
        archive = self.path("busybox.tar")
        if not os.path.exists(archive):
            subprocess.run(["tar", "-C", self.rootfs(), "-cf", archive, "."], check=True, timeout=TIMEOUT)
        return archive

    def debian(self):
        """A Debian tree; made with the network, outside of our namespace, if it is not there yet."""
        root = self.path("debian")
        if not os.path.exists(root):
            made = subprocess.run(["nsenter", "--mount=/proc/%d/fd/%d" % (os.getpid(), self.outside),
                                   os.path.join(HERE, "debian-tree")],
                                  capture_output=True, text=True, timeout=600, check=False)
            assert made.returncode == 0, made.stderr
            os.mkdir(root)
            subprocess.run(["tar", "-C", root, "-xf", made.stdout.strip(), "--exclude=./dev/*"],
                           check=True, timeout=TIMEOUT)
        return root

    def close(self):
        os.close(self.outside)
        for line in reversed(read("/proc/self/mountinfo").splitlines()):
            place = line.split()[4].encode().decode("unicode_escape")
            if place.startswith(self.dir + "/") or place == "/run":
                with contextlib.suppress(OSError):
                    harness.umount(place)
        shutil.rmtree(self.dir, ignore_errors=True)
        for path in sorted(harness.cgroup_dirs(), reverse=True):
            if TOKEN in path:
                with contextlib.suppress(OSError):
                    os.rmdir(path)


# --- what tests look at ---------------------------------------------------------------------------------

def commands():
    """The commands that the runtime has."""
    text = subprocess.run([RUNTIME, "--help"], capture_output=True, text=True, timeout=TIMEOUT,
                          check=False).stdout
    return set(re.findall(r"(?m)^ +([a-z]+)\b", text))


def cgroup_value(pid, controller, v1, v2):
    """A file in the cgroup of a process, by its name in either version."""
    where = harness.cgroup_of(pid)
    if controller in where:
        return read(os.path.join(where[controller], v1)).strip()
    return read(os.path.join(where[""], v2)).strip()


def states(directory):
    """The containers in a state directory of the runtime."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(n for n in os.listdir(directory) if not n.startswith("."))
    return []


def load(text):
    return json.loads(text)
