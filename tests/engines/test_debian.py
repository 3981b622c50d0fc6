# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a person does by hand: ocirun spec && ocirun run, on a terminal, with a real Debian and with
busybox."""

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess

import pytest

import engine
from engine import until


class Tmux:
    """A terminal emulator without a screen."""

    def __init__(self, site, cols, rows):
        self.socket = site.path("tmux")
        self.env = {**site.env, "LC_ALL": "C.UTF-8"}
        self.call("-f", "/dev/null", "new-session", "-d", "-x", str(cols), "-y", str(rows),
                  "env PS1='outside: ' bash --norc --noprofile", ";", "set", "-g", "status", "off")

    def call(self, *args):
        done = subprocess.run(["tmux", "-S", self.socket] + list(args), env=self.env, capture_output=True,
                              text=True, timeout=20, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def type(self, *keys):
        self.call("send-keys", *keys)

    def enter(self, line):
        self.call("send-keys", "-l", line)
        self.call("send-keys", "Enter")

    def screen(self):
        return self.call("capture-pane", "-p", "-J")

    def until(self, pattern):
        """The last match of @pattern on the screen."""
        try:
            return until(lambda: list(re.finditer(pattern, self.screen(), re.M)), pattern, 20)[-1]
        except AssertionError as e:
            raise AssertionError("%s; the screen:\n%s" % (e, self.screen())) from None

    def until_after(self, key, pattern):
        """The key until @pattern is shown: a shell may be between two programs."""
        def shown():
            self.type(key)
            with contextlib.suppress(AssertionError):
                return until(lambda: re.search(pattern, self.screen().rstrip("\n"), re.M), pattern, 1)
            return None

        until(shown, pattern, 20)

    def close(self):
        self.call("kill-server")


@pytest.fixture(params=["debian", "busybox"])
def bundle(request, site, guard):
    """A directory as ocirun spec makes it, but for the shell."""
    if not shutil.which("mmdebstrap") and request.param == "debian":
        pytest.skip("no mmdebstrap")
    directory = site.path("bundle-" + request.param)
    shutil.rmtree(directory, ignore_errors=True)
    os.mkdir(directory)
    subprocess.run([engine.RUNTIME, "spec"], cwd=directory, check=True, timeout=20)
    with open(directory + "/config.json", encoding="utf8") as f:
        config = json.load(f)
    config["root"]["path"] = site.debian() if request.param == "debian" else site.rootfs()
    config["process"]["args"] = ["bash", "--norc"] if request.param == "debian" else ["sh"]
    config["process"]["env"].append("PS1=inside: ")
    config["linux"]["cgroupsPath"] = "%s/%s" % (engine.PARENT, request.param)
    engine.write(directory + "/config.json", json.dumps(config))
    yield directory


@pytest.fixture
def tmux(site, bundle):
    if not shutil.which("tmux"):
        pytest.skip("no tmux")
    screen = Tmux(site, 90, 25)
    yield screen
    screen.close()


def command(site, *args):
    return shlex.join([engine.RUNTIME, "--root", site.path("state"), *args])


def test_by_hand(site, bundle, tmux):
    tmux.until("^outside: $")
    tmux.enter("stty -a | md5sum; cd " + bundle)
    before = tmux.until("^([0-9a-f]{32})  -$").group(1)
    tmux.enter("clear; " + command(site, "run", engine.TOKEN + "-hand"))
    tmux.until("^inside: $")
    tmux.enter("stty size; cat /proc/1/comm; tty")
    tmux.until("^25 90$")
    tmux.until("^(bash|sh)$")
    tmux.until("^/dev/(pts/0|console)$")
    # the size follows the window
    tmux.call("resize-window", "-x", "71", "-y", "20")
    tmux.enter("clear; while [ \"$(stty size)\" != '20 71' ]; do :; done; echo resi''zed")
    tmux.until("^resized$")
    # Ctrl-C ends the command, not the shell
    tmux.enter("clear; echo be''gins; sleep 1000; echo in''terrupted $?")
    tmux.until("^begins$")
    tmux.until_after("C-c", r"\^C\n+inside: $")
    tmux.enter("echo still $((40 + 2))")
    tmux.until("^still 42$")
    # Ctrl-Z and job control
    tmux.enter("clear; echo be''gins; sleep 1000")
    tmux.until("^begins$")
    tmux.until_after("C-z", "Stopped")
    tmux.enter("kill -9 %1; clear")
    tmux.until("^inside: $")
    tmux.enter("exit 7")
    tmux.until("^outside: $")
    tmux.enter("echo status $?")
    tmux.until("^status 7$")
    tmux.call("resize-window", "-x", "90", "-y", "25")
    tmux.enter("clear; until [ \"$(stty size)\" = '25 90' ]; do :; done; stty -a | md5sum")
    assert tmux.until("^([0-9a-f]{32})  -$").group(1) == before
    assert engine.states(site.path("state")) == []


def test_exec_by_hand(site, bundle, tmux):
    name = engine.TOKEN + "-hand"
    tmux.enter("cd " + bundle)
    tmux.enter("clear; " + command(site, "run", name))
    tmux.until("^inside: $")
    call = engine.Engine(site, [engine.RUNTIME, "--root", site.path("state")])
    assert call("exec", name, "echo", "hello").ok().out == "hello\n"
    call("exec", name, "sh", "-c", "exit 9").status(9)
    with call.terminal("exec", "--tty", name, "sh", rows=33, cols=93) as term:
        term.expect("inside: |# ")
        term.type("while [ \"$(stty size)\" != '33 93' ]; do :; done; exit 5\r")
        assert term.wait() == 5
    assert engine.load(call("state", name).ok().out)["status"] == "running"
    tmux.type("C-d")
    tmux.until("outside: $")


def test_killed_from_outside(site, bundle, tmux):
    """The terminal is as it was also when the container does not end by itself."""
    name = engine.TOKEN + "-hand"
    tmux.enter("stty -a | md5sum; cd " + bundle)
    before = tmux.until("^([0-9a-f]{32})  -$").group(1)
    tmux.enter("clear; " + command(site, "run", name))
    tmux.until("^inside: $")
    call = engine.Engine(site, [engine.RUNTIME, "--root", site.path("state")])
    call("kill", name, "KILL").ok()
    tmux.until("outside: $")
    tmux.enter("echo status $?; clear; stty -a | md5sum")
    assert tmux.until("^([0-9a-f]{32})  -$").group(1) == before


def test_programs(site, bundle):
    """A pipe instead of a terminal, and programs that look at the machine."""
    with open(bundle + "/config.json", encoding="utf8") as f:
        config = json.load(f)
    config["process"]["terminal"] = False
    config["process"]["args"] = ["sh", "-c", "cat; ls -l / | wc -l; ps -e 2>/dev/null | wc -l; df / >/dev/null; "
                                 "mount >/dev/null 2>&1; id -un"]
    engine.write(bundle + "/config.json", json.dumps(config))
    call = engine.Engine(site, [engine.RUNTIME, "--root", site.path("state")])
    result = call("run", "--bundle", bundle, engine.TOKEN + "-pipe", input="through a pipe\n").ok()
    assert result.lines[0] == "through a pipe" and result.lines[-1] == "root"
