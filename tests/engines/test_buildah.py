# SPDX-License-Identifier: LGPL-2.1-or-later
"""buildah with --isolation oci: it polls state, and reaps the container by itself."""

import os

import pytest

import engine
from engine import IMAGE, PARENT

RUN = ("--runtime", engine.RUNTIME, "--network", "none")


@pytest.fixture
def container(buildah):
    # what podman takes for a parent, buildah takes for the container's own
    return buildah("from", "--cgroup-parent", "%s-buildah" % PARENT, IMAGE).ok().out.strip()


def test_run(buildah, container):
    result = buildah("run", *RUN, "--isolation", "oci", container, "--", "sh", "-c", "echo out; echo err >&2").ok()
    assert (result.out, result.err) == ("out\n", "err\n")
    buildah("run", *RUN, "--isolation", "oci", container, "--", "sh", "-c", "exit 3").status(3)


def test_run_options(buildah, container, site):
    directory = site.path("buildah-volume")
    os.makedirs(directory, exist_ok=True)
    engine.write(directory + "/file", "volume\n")
    out = buildah("run", *RUN, "--isolation", "oci", "--user", "test", "-v", directory + ":/data:ro",
                  "--env", "A=b", container, "--", "sh", "-c", "id -u; cat /data/file; echo $A").ok()
    assert out.lines == ["1000", "volume", "b"]


def test_run_terminal(buildah, container):
    with buildah.terminal("run", *RUN, "--isolation", "oci", "-t", container, "--", "sh") as term:
        term.expect("# ")
        term.type("test -t 0 && exit 5\r")
        assert term.wait() == 5


def test_run_rootless_isolation(buildah, container):
    assert "uid=0" in buildah("run", *RUN, "--isolation", "rootless", container, "--", "id").ok().out


def test_run_not_found(buildah, container):
    result = buildah("run", *RUN, "--isolation", "oci", container, "--", "/nonexistent")
    assert result.rc != 0 and "executable file `/nonexistent` not found" in result.err


def test_bud(buildah, site):
    context = site.path("context")
    os.makedirs(context, exist_ok=True)
    engine.write(context + "/Containerfile", "FROM %s\nRUN echo built > /made && chmod 600 /made\n"
                 "RUN test \"$(cat /made)\" = built\nUSER test\nRUN test $(id -u) = 1000\n" % IMAGE)
    options = ("--isolation", "oci", "--cgroup-parent", "%s-bud" % PARENT, "--layers=false")
    buildah("bud", *RUN, *options, "-t", "localhost/built:1", context).ok()
    engine.write(context + "/Containerfile", "FROM %s\nRUN exit 6\n" % IMAGE)
    buildah("bud", *RUN, *options, "-t", "localhost/broken:1", context).status(6)
    buildah("rmi", "localhost/built:1").ok()
