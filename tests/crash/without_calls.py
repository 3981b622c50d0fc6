# SPDX-License-Identifier: LGPL-2.1-or-later
"""A pytest plugin: tests/runtime on a kernel that lacks system calls.

    PYTHONPATH=tests/crash RUNTIME=build/ocirun python3 -m pytest -p without_calls \\
        --without mount_setattr,clone3 [--without-errno EPERM] -m quick tests/runtime

The runtime is put behind `without` (without.c) before the harness looks for it.  What cannot work
without a call stands in without.txt, by call and error; such a test has to fail, or the entry is out
of date.
"""

import fnmatch
import os
import re
import shlex
import subprocess
import tempfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))


def pytest_addoption(parser):
    group = parser.getgroup("without")
    group.addoption("--without", default="", help="system calls that are not there, with commas in between")
    group.addoption("--without-errno", default="ENOSYS", choices=["ENOSYS", "EPERM"])


def numbers(names):
    text = subprocess.run(["gcc", "-dM", "-E", "-include", "sys/syscall.h", "-x", "c", "/dev/null"],
                          capture_output=True, text=True, check=True).stdout
    known = dict(re.findall(r"#define __NR_(\w+) (\d+)$", text, re.M))
    return ",".join(known[name] for name in names)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config):
    options = early_config.known_args_namespace
    if not options.without:
        return
    directory = early_config.without_directory = tempfile.TemporaryDirectory(prefix="without")
    helper = os.path.join(directory.name, "without")
    subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", "-o", helper, os.path.join(HERE, "without.c")], check=True)
    runtime = os.path.abspath(os.environ.get("RUNTIME") or os.environ["OCIRUN"])
    os.environ["RUNTIME"] = shlex.join([helper, options.without_errno, numbers(options.without.split(",")), runtime])


def known_failures(calls, error):
    """[(pattern, reason)] of the sections '[ERRNO call]' that apply."""
    entries, applies = [], False
    with open(os.path.join(HERE, "without.txt"), encoding="utf8") as f:
        for line in map(str.strip, f):
            header = re.fullmatch(r"\[(\w+) ([\w,]+)\]", line)
            if header:
                applies = header.group(1) in (error, "any") and set(header.group(2).split(",")) & set(calls)
            elif applies and line and not line.startswith("#"):
                pattern, _, reason = line.partition("|")
                entries.append((pattern.strip(), reason.strip()))
    return entries


def pytest_collection_modifyitems(config, items):
    calls = [c for c in config.option.without.split(",") if c]
    known = known_failures(calls, config.option.without_errno)
    for item in items:
        for pattern, reason in known:
            if fnmatch.fnmatch(os.path.basename(item.nodeid), pattern.replace("[", "[[]")):
                item.add_marker(pytest.mark.xfail(
                    reason=reason, strict=not reason.startswith("sometimes")))
