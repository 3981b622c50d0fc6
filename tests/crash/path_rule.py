# SPDX-License-Identifier: LGPL-2.1-or-later
"""init trusts no path: once the root file system is attached, it opens nothing by a path of more than
one component, no shared object and no configuration, whatever the container looks like.

What strace has seen is judged here, for test_paths.py (a few configurations, always) and paths_calls.py
(all of tests/runtime).  path-exceptions.txt lists what is allowed all the same, and why.
"""

import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
EXCEPTIONS = os.path.join(HERE, "path-exceptions.txt")

# What strace has to show.
CALLS = "%file,recvmsg,execveat,move_mount,clone,clone3,openat2,mkdirat,open_tree"

# A line of strace -f -y: pid, call, arguments.
CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. clone3? resumed>.* = (\d+)$", re.M)
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
# These take strings that are no paths (keys and values), or paths only as names of mounts.
NO_PATHS = {"fsconfig", "fsopen", "sethostname", "setdomainname", "write", "execve_argument", "memfd_create", "getcwd"}


def exceptions():
    """[(call pattern, string pattern, reason)]"""
    found = []
    for line in open(EXCEPTIONS, encoding="utf8").read().splitlines():
        if line.strip() and not line.startswith("#"):
            call, string, reason = (part.strip() for part in line.split("|", 2))
            assert reason, "an exception needs a reason: " + line
            found.append((re.compile(call), re.compile(string)))
    return found


def init_calls(text):
    """[(call, arguments)] of init from its first message to the execve of the program: of the process that
    executes itself, and of the one that it forks for some namespaces."""
    resumed = dict(RESUMED.findall(text))
    lines = [CALL.match(line) for line in text.splitlines()]
    lines = [m.groups() for m in lines if m]
    inits, calls, over = {}, [], set()          # pid -> whether the loader is done with it
    for pid, call, rest in lines:
        if call == "execveat" and "AT_EMPTY_PATH" in rest:
            inits[pid] = False
        elif pid in inits and call in ("clone3", "clone") and "CLONE_PARENT" in rest:
            child = re.search(r"= (\d+)", rest)
            child = child.group(1) if child else resumed.get(pid)
            if child:
                inits[child] = True
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


