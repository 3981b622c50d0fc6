# SPDX-License-Identifier: LGPL-2.1-or-later
"""init trusts no path: once the root file system is attached, it opens nothing by a path of more than
one component, no shared object and no configuration, whatever the container looks like.

Seen with strace.  path-exceptions.txt lists what is allowed all the same, and why.
"""

import os
import re
import subprocess

import pytest

import bundles
import crash as crash_module
from harness import read

pytestmark = pytest.mark.quick
EXCEPTIONS = os.path.join(crash_module.HERE, "path-exceptions.txt")

# A line of strace -f -y: pid, call, arguments.
CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
# These take strings that are no paths (keys and values), or paths only as names of mounts.
NO_PATHS = {"fsconfig", "fsopen", "sethostname", "setdomainname", "write", "execve_argument", "memfd_create", "getcwd"}


def exceptions():
    """[(call pattern, string pattern, reason)]"""
    found = []
    for line in read(EXCEPTIONS).splitlines():
        if line.strip() and not line.startswith("#"):
            call, string, reason = (part.strip() for part in line.split("|", 2))
            assert reason, "an exception needs a reason: " + line
            found.append((re.compile(call), re.compile(string)))
    return found


def init_calls(trace):
    """[(call, arguments)] of init from its first message to the execve of the program: of the process that
    executes itself, and of the one that it forks for some namespaces."""
    lines = [CALL.match(line) for line in read(trace).splitlines()]
    lines = [m.groups() for m in lines if m]
    inits, calls, over = {}, [], set()          # pid -> whether the loader is done with it
    for pid, call, rest in lines:
        if call == "execveat" and "AT_EMPTY_PATH" in rest:
            inits[pid] = False
        elif pid in inits and call in ("clone3", "clone") and "CLONE_PARENT" in rest:
            child = re.search(r"= (\d+)", rest)
            if child:
                inits[child.group(1)] = True
        elif pid in inits and pid not in over:
            if call == "execve":
                over.add(pid)
            # Before its first message it is the loader that runs, in the machine's own tree.
            inits[pid] = inits[pid] or call == "recvmsg"
            if inits[pid]:
                calls.append((call, rest))
    return calls


def violations(calls):
    allowed, found = exceptions(), []
    attached = False
    for call, rest in calls:
        attached = attached or call == "move_mount" or (call == "mount" and "MS_BIND" in rest)
        strings = STRING.findall(rest) if call not in NO_PATHS | {"recvmsg"} else []
        if call in ("execve", "symlinkat", "mount", "readlinkat"):
            strings = strings[:1] if call != "symlinkat" else strings[-1:]
        for string in strings:
            bad = string.startswith("/") or "/" in string.strip("/")
            bad = bad or re.search(r"\.so(\.|$)", string)
            if not bad or (not attached and not re.search(r"\.so(\.|$)|^/etc/", string)):
                continue
            if not any(c.fullmatch(call) and s.fullmatch(string) for c, s in allowed):
                found.append("%s(%s" % (call, rest[:120]))
    return found


def trace_of(rt, *argv):
    path = rt.path("strace")
    saved, rt.command = rt.command, ["strace", "-f", "-o", path, "-s", "4096", "-e",
                                     "trace=%file,recvmsg,execveat,move_mount,clone,clone3,openat2,mkdirat,open_tree"] + rt.command
    try:
        rt.cmd(*argv).ok()
    finally:
        rt.command = saved
    return path


@pytest.mark.parametrize("config", bundles.ALL)
def test_init(rt, config):
    bundle = bundles.ALL[config](rt).args("/bin/true")
    bundle.save()
    calls = init_calls(trace_of(rt, "run", "--bundle", bundle.dir, rt.new_id()))
    assert len(calls) > 50
    assert any(call == "execve" for call, _ in calls), "the program was not executed"
    found = violations(calls)
    assert not found, "\n".join(found)


def test_exec(rt):
    container = rt.hold(bundles.full(rt))
    calls = init_calls(trace_of(rt, "exec", container.id, "/bin/true"))
    assert any(call == "execve" for call, _ in calls), "the program was not executed"
    found = violations([("move_mount", "")] + calls)
    assert not found, "\n".join(found)


def test_the_test():
    """The control: what must be found is found."""
    attached = [("move_mount", "")]
    for call in [("openat", 'AT_FDCWD, "/etc/passwd", O_RDONLY) = 3'),
                 ("openat", '5, "a/b", O_RDONLY) = 3'), ("mkdirat", '5, "a/b", 0755) = 0'),
                 ("openat", 'AT_FDCWD, "/lib/libnss_files.so.2", O_RDONLY) = 3')]:
        assert violations(attached + [call]), call
    assert not violations(attached + [("openat", '5, "name", O_PATH) = 3')])
