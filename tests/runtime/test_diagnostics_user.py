# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ocirun says to the mistakes of an ordinary user, word for word, and that docs/diagnostics.md says so too."""

import os
import re
import stat

import pytest

import diagnostics
import test_rootless
from harness import TOKEN, cgroup_layout, read
from test_rootless import delegation, rt, user  # noqa: F401, fixtures

pytestmark = [pytest.mark.ocirun_only, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

CASES = []      # (mistake, make(rt, user, bundle), says)
ON_V1 = []      # those where v1 has the controllers
DELEGATED = []  # those where v2 is as Delegation makes it, and v1 has the other controllers


def case(mistake, says, cases=None):
    def add(make):
        (CASES if cases is None else cases).append((mistake, make, says))
        return make
    return add


def create(rt, bundle, **kw):
    bundle.save()
    return rt.cmd("create", "--bundle", bundle.dir, rt.new_id(), **kw)


def words(user, bundle, result):
    """As text_of, for user alice of the page."""
    text = diagnostics.text_of(result)
    for own, its in ((bundle.dir.replace(TOKEN + "-", ""), "/home/alice/b"), ("user %s " % user.name, "user alice "),
                     ("usermod --add-subuids 300000-365535 %s" % user.name,
                      "usermod --add-subuids 300000-365535 alice"),
                     ("user@%d." % user.uid, "user@1001."), ("ocirun-%d" % user.uid, "ocirun-1001")):
        text = text.replace(own, its)
    if tuple(int(n) for n in re.match(r"(\d+)\.(\d+)", os.uname().release).groups()) < (6, 18):
        # the devpts of older kernels (6.12's, not 6.18's) does not say what it minds
        text = text.replace("mount devpts: Invalid", "devpts: gid=5 (devpts: Invalid gid '5'): Invalid")
    return text


@case("no user namespace", "config.json:L:C: linux.namespaces: an ordinary user needs a user namespace among them, with "
      "uidMappings and gidMappings; \"ocirun spec --rootless\" writes such a configuration")
def no_user_namespace(rt, user, bundle):
    bundle.drop_namespace("user")
    del bundle.linux["uidMappings"], bundle.linux["gidMappings"]
    return create(rt, bundle)


@case("a range that is not in /etc/subuid", "linux.uidMappings[1]: /etc/subuid has no range for user alice that covers "
      "300000:65536; root can add one: usermod --add-subuids 300000-365535 alice")
def not_granted(rt, user, bundle):
    rt.ranges(bundle, 65536).linux["uidMappings"][1]["hostID"] = 300000
    return create(rt, bundle)


@case("newuidmap is not installed", "linux.gidMappings: run newgidmap: No such file or directory; install the package "
      "uidmap (shadow-utils), or map only the own id: one entry of size 1")
def no_helper(rt, user, bundle):
    return create(rt, rt.ranges(bundle), env=rt.without(PATH="/nowhere"))


@case("process.user.uid without mapping", "config.json:L:C: process.user.uid: 5 is not mapped by linux.uidMappings")
def unmapped_uid(rt, user, bundle):
    bundle.process["user"]["uid"] = 5
    return create(rt, bundle)


@case("an additional group without mapping",
      "config.json:L:C: process.user.additionalGids[0]: 7 is not mapped by linux.gidMappings")
def unmapped_group(rt, user, bundle):
    bundle.process["user"]["additionalGids"] = [7]
    return create(rt, bundle)


@case("devpts with gid=5, which is not mapped", "mounts[2] /dev/pts: devpts: gid=5 (devpts: Invalid gid '5'): Invalid "
      "argument; uid= and gid= need a mapping in the user namespace: map the id or leave the option out")
def devpts(rt, user, bundle):
    next(m for m in bundle.config["mounts"] if m["destination"] == "/dev/pts")["options"].append("gid=5")
    return create(rt, bundle)


@case("a device that the machine has not", "linux.devices[0] /dev/nothere: create device: Operation not permitted; in a "
      "user namespace devices are bound from the machine, which has none at this path")
def device(rt, user, bundle):
    bundle.linux["devices"] = [{"type": "c", "path": "/dev/nothere", "major": 10, "minor": 231}]
    return create(rt, bundle)


@case("suid on a bind of a nosuid mount", "mounts[7] /mnt: change mount flags: Operation not permitted; a flag that the "
      "machine has set on it cannot be cleared in a user namespace: leave out suid, dev, exec and the like")
def locked_flag(rt, user, bundle):
    path, _ = test_rootless.locked_mount(rt, user)
    return create(rt, bundle.add_mount("/mnt", path, "none", ["bind", "suid"]))


@case("oomScoreAdj below the caller's", "runs, and leaves it as it is (a warning at --log-level warning)")
def oom_score(rt, user, bundle):
    bundle.process["oomScoreAdj"] = -500
    quiet = rt.run(bundle.sh("cat /proc/self/oom_score_adj")).ok()
    assert quiet.err == "" and quiet.out == read("/proc/self/oom_score_adj")
    warned = rt.run(bundle, globals=("--log-level", "warning")).ok()
    assert "oomScoreAdj" in warned.err and warned.out == quiet.out
    return "runs, and leaves it as it is (a warning at --log-level warning)"


@case("id 0 is mapped to 100000, the home directory is closed", "rootfs /home/alice/b/rootfs: clone mount "
      "/home/alice/b/rootfs: Permission denied; a directory above it is closed to the user that id 0 of the container is "
      "on the machine: map 0 to the own id, or open it (chmod o+x)")
def closed(rt, user, bundle):
    for kind in "uid", "gid":
        bundle.linux[kind + "Mappings"] = [{"containerID": 0, "hostID": user.first, "size": 1000}]
    os.chmod(bundle.dir, 0o700)
    return create(rt, bundle)


@case("no XDG_RUNTIME_DIR, no session", "runs: state is in /tmp/ocirun-1001")
def no_session(rt, user, bundle):
    place = test_rootless.without_session(rt, user)
    there = os.path.exists(place)
    rt.run(bundle.sh("true"), env=rt.without("XDG_RUNTIME_DIR")).ok()
    assert stat.S_IMODE(os.stat(place).st_mode) == 0o700 and os.stat(place).st_uid == user.uid
    if not there:
        os.rmdir(place)
    return "runs: state is in " + place


@case("pids.limit without a cgroup", "linux.resources.pids.limit: pids needs the cgroup /sys/fs/cgroup/pids/c1, which "
      "cannot be made: Permission denied; cgroup v1 is not handed to ordinary users: root can make "
      "/sys/fs/cgroup/pids/c1 and give it to this user, or leave the limit out", ON_V1)
def limit(rt, user, bundle):
    bundle.linux["resources"] = {"pids": {"limit": 100}}
    return create(rt, bundle)


@case("v2: a limit in a cgroup that is not the user's", "linux.resources.hugepageLimits[0]: hugetlb needs the cgroup "
      "/sys/fs/cgroup/top/plain/c1, which cannot be made: Permission denied; no cgroup there belongs to this user: leave "
      "linux.cgroupsPath and limits out, or start below a unit with Delegate=yes (systemd-run --user --scope -p "
      "Delegate=yes)", DELEGATED)
def not_the_users(rt, user, bundle, d):
    d.enter(d.make(TOKEN + "-top/plain"))
    d.limit(bundle)
    return create(rt, bundle)


@case("v2: the controller is not delegated", "linux.resources.hugepageLimits[0]: hugetlb is not delegated to "
      "user@1001.service: it is missing in cgroup.subtree_control of /sys/fs/cgroup/user.slice, which is not this user's; "
      "as root: echo +hugetlb > /sys/fs/cgroup/user.slice/cgroup.subtree_control", DELEGATED)
def not_delegated(rt, user, bundle, d):
    top = d.make("%s-user.slice/user@%d.service" % (TOKEN, user.uid), delegated=True)
    d.enter(d.make(top + "/shell", delegated=True))
    d.limit(bundle)
    return create(rt, bundle)


def holds(rt, user, cases, mistake, *more):
    _, make, says = next(c for c in cases if c[0] == mistake)
    bundle = rt.bundle("true")
    result = make(rt, user, bundle, *more)
    if not isinstance(result, str):
        assert result.rc != 0 and result.err.count("\n") == 1
        assert words(user, bundle, result) == says
    else:
        assert result.replace("ocirun-%d" % user.uid, "ocirun-1001") == says


@pytest.mark.parametrize("mistake", [c[0] for c in CASES])
def test_words(rt, user, mistake):      # noqa: F811
    holds(rt, user, CASES, mistake)


if cgroup_layout() == "hybrid":         # as on the page: v1, and v2 with what it left
    @pytest.mark.parametrize("mistake", [c[0] for c in ON_V1])
    def test_words_on_v1(rt, user, mistake):      # noqa: F811
        holds(rt, user, ON_V1, mistake)

    @pytest.mark.parametrize("mistake", [c[0] for c in DELEGATED])
    def test_words_on_v2(rt, user, delegation, mistake):      # noqa: F811
        holds(rt, user, DELEGATED, mistake, delegation)


def test_the_page_has_them():
    assert {c[0]: c[2] for c in CASES + ON_V1 + DELEGATED} == diagnostics.page("## Ordinary users")
