# SPDX-License-Identifier: LGPL-2.1-or-later
"""The misconfigurations of docs/diagnostics.md, and what ocirun says to each.

A case is a mistake, how to make it, and ocirun's words on each layout that has it: "hybrid", "bare" (the view of
cgroup v2 with the few controllers that v1 does not hold) and "v2" (with all controllers). test_diagnostics.py
holds ocirun to these words and the page to this list. Run as a program it prints the page's tables for the machine
it is on, with what other runtimes say:

    python3 tests/runtime/diagnostics.py RUNTIME...
"""

import collections
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

import harness
from harness import TOKEN, V2_VIEW, cgroup_layout, read, v2_top, write

Case = collections.namedtuple("Case", "mistake make says")
CASES = []
MIB = 1 << 20


def case(mistake, **says):
    def add(make):
        CASES.append(Case(mistake, make, says))
        return make
    return add


def config(mistake, resources, **says):
    """A mistake in linux.resources, seen by create."""
    def make(rt, bundle):
        bundle.linux["resources"] = resources
        return create(rt, bundle)
    CASES.append(Case(mistake, make, says))


def create(rt, bundle):
    bundle.save()
    return rt.cmd("create", "--bundle", bundle.dir, rt.new_id())


def update(rt, bundle, *options, **kw):
    c = rt.hold(bundle)
    result = rt.cmd("update", *options, c.id, **kw)
    c.stop()
    return result


@contextlib.contextmanager
def cgroup(name, v1=None):
    """An empty cgroup in v1's hierarchy of a controller, or on v2."""
    tops = [top for top, names in harness.cgroup_mounts() if v1 in names] or [v2_top()]
    path = "%s/%s" % (tops[0], name)
    os.mkdir(path)
    try:
        yield path
    finally:
        for below, _, _ in sorted(os.walk(path), reverse=True):
            os.rmdir(below)


NO_MEMORY = "there is no memory controller: not mounted as v1, not in /sys/fs/cgroup/cgroup.controllers; it is in " \
    "use as a cgroup v1 hierarchy that is not mounted here: mount it, or unmount it everywhere"
NOT_GIVEN = "the kernel has it not, or the cgroup that is mounted there was not given it"
HELD_BACK = "the cgroup that is mounted there was not given it: it has to be in cgroup.subtree_control of the one " \
    "above, or in Delegate= of the unit"
TIMES = "a period is 1000 to 1000000, a quota at least 1000 and not above the parent's, a burst not above the quota " \
    "(microseconds)"
COVERED = "; something was mounted over it: unmount that, or run without cgroups (--cgroup-manager disabled)"
RESOURCES = "config.json:L:C: linux.resources."
CONVERTED = "cannot be converted to cgroup v2"


config("memory.swap below memory.limit", {"memory": {"limit": 64 * MIB, "swap": 32 * MIB}},
       hybrid=RESOURCES + "memory.swap: 33554432 is less than memory.limit 67108864 (it is memory plus swap)",
       v2=RESOURCES + "memory.swap: 33554432 is less than memory.limit 67108864 (it is memory plus swap)")
config("memory.swap without memory.limit", {"memory": {"swap": 32 * MIB}},
       v2=RESOURCES + "memory.swap: needs memory.limit on cgroup v2: it is memory plus swap")
config("memory.limit without the controller", {"memory": {"limit": 64 * MIB}},
       bare=RESOURCES + "memory.limit: " + NO_MEMORY)
config("memory.swappiness", {"memory": {"swappiness": 10}},
       bare=RESOURCES + "memory.swappiness: " + CONVERTED + "; vm.swappiness is the machine's there, memory.swap limits the swap", v2=RESOURCES + "memory.swappiness: " + CONVERTED + "; vm.swappiness is the machine's there, memory.swap limits the swap")
config("memory.kernel", {"memory": {"kernel": 64 * MIB}}, v2=RESOURCES + "memory.kernel: " + CONVERTED + "; memory.limit counts kernel memory there")
config("memory.kernelTCP", {"memory": {"kernelTCP": 64 * MIB}},
       bare=RESOURCES + "memory.kernelTCP: " + CONVERTED + "; memory.limit counts network buffers there", v2=RESOURCES + "memory.kernelTCP: " + CONVERTED + "; memory.limit counts network buffers there")
config("memory.disableOOMKiller", {"memory": {"disableOOMKiller": True}},
       v2=RESOURCES + "memory.disableOOMKiller: " + CONVERTED + "; unified memory.high holds processes back instead of killing them")
config("cpu.cpus that do not exist", {"cpu": {"cpus": "900"}},
       hybrid="linux.resources.cpu.cpus: write 900 to cpuset.cpus of cgroup /c1: Numerical result out of range; the "
              "cgroups above leave it cpus 0-N",
       v2="linux.resources.cpu.cpus: write 900 to cpuset.cpus of cgroup /c1: Numerical result out of range; the "
          "cgroups above leave it cpus 0-N")
config("cpu.burst above cpu.quota", {"cpu": {"quota": 10000, "period": 100000, "burst": 20000}},
       hybrid=RESOURCES + "cpu.burst: 20000 is more than cpu.quota 10000",
       v2=RESOURCES + "cpu.burst: 20000 is more than cpu.quota 10000")
config("cpu.period out of range", {"cpu": {"quota": 1000, "period": 10}},
       hybrid="linux.resources.cpu.period: write 10 to cpu.cfs_period_us of cgroup /c1: Invalid argument; " + TIMES,
       v2="linux.resources.cpu.quota: write 1000 10 to cpu.max of cgroup /c1: Invalid argument; " + TIMES)
config("cpu.realtimeRuntime", {"cpu": {"realtimeRuntime": 1000}}, v2=RESOURCES + "cpu.realtimeRuntime: " + CONVERTED + "; it has no budget for realtime, leave it out")
config("hugepageLimits of a size that there is not", {"hugepageLimits": [{"pageSize": "3MB", "limit": 3 * MIB}]},
       hybrid="linux.resources.hugepageLimits[0]: write 3145728 to hugetlb.3MB.max of cgroup /c1: No such file or "
              "directory; this machine has no huge pages of that size",
       v2="linux.resources.hugepageLimits[0]: write 3145728 to hugetlb.3MB.max of cgroup /c1: No such file or "
          "directory; this machine has no huge pages of that size")
config("rdma without the controller", {"rdma": {"mlx5_0": {"hcaHandles": 1}}},
       hybrid=RESOURCES + "rdma.mlx5_0: there is no rdma controller: not mounted as v1, not in "
                          "/sys/fs/cgroup/unified/cgroup.controllers; " + NOT_GIVEN)
config("network.classID without net_cls", {"network": {"classID": 7}},
       hybrid=RESOURCES + "network.classID: " + CONVERTED + "; mount the v1 hierarchy of net_cls, or match the cgroup itself (nft socket cgroupv2)", bare=RESOURCES + "network.classID: " + CONVERTED + "; mount the v1 hierarchy of net_cls, or match the cgroup itself (nft socket cgroupv2)",
       v2=RESOURCES + "network.classID: " + CONVERTED + "; mount the v1 hierarchy of net_cls, or match the cgroup itself (nft socket cgroupv2)")
config("one device taken out of a wildcard",
       {"devices": [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 10, "access": "rwm"},
                    {"allow": False, "type": "c", "major": 10, "minor": 229, "access": "rw"}]},
       hybrid="config.json:L:C: linux.resources.devices[2]: the devices controller of cgroup v1 cannot take \"c 10:229 rw\" "
              "out of the \"c 10:*\" of linux.resources.devices[1]; list the devices there one by one")
config("throttle of a block device that does not exist",
       {"blockIO": {"throttleReadBpsDevice": [{"major": 4000, "minor": 7, "rate": MIB}]}},
       hybrid="linux.resources.blockIO.throttleReadBpsDevice[0]: write 4000:7 1048576 to "
              "blkio.throttle.read_bps_device of cgroup /c1: No such device; there is no such block device; partitions "
              "have no limits of their own",
       v2="linux.resources.blockIO.throttleReadBpsDevice[0]: write 4000:7 rbps=1048576 to io.max of cgroup /c1: No "
          "such device; there is no such block device; partitions have no limits of their own")
config("blockIO.weight out of range", {"blockIO": {"weight": 5}},
       hybrid=RESOURCES + "blockIO.weight: 5 is not a weight from 10 to 1000",
       v2=RESOURCES + "blockIO.weight: 5 is not a weight from 10 to 1000")
config("blockIO.leafWeight", {"blockIO": {"leafWeight": 100}}, v2=RESOURCES + "blockIO.leafWeight: " + CONVERTED + "; give the weight to a cgroup below")
config("unified file of a controller that v1 holds", {"unified": {"memory.high": "1000000"}},
       hybrid=RESOURCES + "unified.memory.high: the memory controller is mounted as cgroup v1 on this machine")
config("unified file of no controller", {"unified": {"nothing.max": "1"}},
       bare=RESOURCES + "unified.nothing.max: there is no nothing controller: not mounted as v1, not in "
                        "/sys/fs/cgroup/cgroup.controllers; " + NOT_GIVEN,
       v2=RESOURCES + "unified.nothing.max: there is no nothing controller: not mounted as v1, not in "
                      "/sys/fs/cgroup/cgroup.controllers; " + NOT_GIVEN)
config("unified file that the controller has not", {"unified": {"memory.nothing": "1"}},
       v2="linux.resources.unified.memory.nothing: write 1 to memory.nothing of cgroup /c1: No such file or "
          "directory; this kernel has no memory.nothing")
config("unified file with a slash", {"unified": {"../cgroup.procs": "1"}},
       bare=RESOURCES + "unified.../cgroup.procs: is not the name of a cgroup v2 file (CONTROLLER.NAME)",
       v2=RESOURCES + "unified.../cgroup.procs: is not the name of a cgroup v2 file (CONTROLLER.NAME)")
config("a value that the kernel refuses", {"unified": {"cgroup.max.depth": "many"}},
       bare="linux.resources.unified.cgroup.max.depth: write many to cgroup.max.depth of cgroup /c1: Invalid argument",
       v2="linux.resources.unified.cgroup.max.depth: write many to cgroup.max.depth of cgroup /c1: Invalid argument")
config("a cpuset partition that cannot be one", {"unified": {"cpuset.cpus.partition": "root"}},
       v2="linux.resources.unified.cpuset.cpus.partition: write root to cpuset.cpus.partition of cgroup /c1: it reads "
          "\"root invalid (…)\"; a partition needs a parent that is one and cpus "
          "that no sibling has (cpuset.cpus, cpuset.cpus.exclusive)")


def other(rt, like):
    bundle = rt.bundle()
    bundle.linux["cgroupsPath"] = like.linux["cgroupsPath"]
    return bundle


@case("a cgroup that is in use",
      hybrid="cgroup /c1 is not empty: N processes; pid N (sh), state S, wchan W is in it",
      v2="cgroup /c1 is not empty: N processes; pid N (sh), state S, wchan W is in it")
def in_use(rt, bundle):
    bundle.linux["cgroupsPath"] = "/%s-used" % TOKEN
    first = rt.hold(other(rt, bundle))
    result = create(rt, bundle)
    first.stop()
    return result


@case("a cgroup that is frozen",
      hybrid="cgroup /c1 is frozen; it or a cgroup above it was paused in /sys/fs/cgroup/freezer",
      bare="cgroup /c1 is frozen; it or a cgroup above it was paused in /sys/fs/cgroup",
      v2="cgroup /c1 is frozen; it or a cgroup above it was paused in /sys/fs/cgroup")
def frozen(rt, bundle):
    name = "%s-frozen" % TOKEN
    layout = cgroup_layout()
    v1 = "freezer" if layout == "hybrid" and rt.command[0] != "unshare" or rt.name == "crun" else None
    with cgroup(name, v1) as path:
        file, value = ("/freezer.state", "FROZEN") if os.path.exists(path + "/freezer.state") else \
            ("/cgroup.freeze", "1")
        write(path + file, value)
        bundle.linux["cgroupsPath"] = "/" + name
        bundle.linux["resources"] = {}
        bundle.save()
        proc = rt.popen("create", "--bundle", bundle.dir, rt.new_id())
        with contextlib.suppress(subprocess.TimeoutExpired):      # crun waits for ever
            proc.wait(5 * harness.SLOWNESS)
        hung = proc.poll() is None
        write(path + file, "THAWED" if "freezer" in file else "0")
        result = rt.finish(proc)
        if hung:
            result = harness.Result(1, Text(""), Text("(waits without end)"), result.argv)
        rt.cmd("delete", "--force", rt.ids[-1])
        return result


class Text:
    def __init__(self, value):
        self.value = value

    def text(self):
        return self.value


@case("cgroupsPath with ..",
      hybrid="linux.cgroupsPath: \"/a/../../b\" holds \"..\"", v2="linux.cgroupsPath: \"/a/../../b\" holds \"..\"")
def dotdot(rt, bundle):
    bundle.linux["cgroupsPath"] = "/a/../../b"
    result = create(rt, bundle)
    rt.cmd("delete", "--force", rt.ids[-1])
    return result


BUSY = "enable the %s controller in cgroup.subtree_control of /sys/fs/cgroup/busy: Device or resource busy; there are " \
    "processes in that cgroup itself; they have to be moved into one below it"


@case("the parent has processes of its own",
      bare="linux.resources.hugepageLimits[0]: " + BUSY % "hugetlb",
      v2="linux.resources.pids.limit: " + BUSY % "pids")
def busy_parent(rt, bundle):
    name = "%s-busy" % TOKEN
    with cgroup(name) as path:
        child = os.fork()
        if child == 0:
            os.execvp("sleep", ["sleep", "1000"])
        write(path + "/cgroup.procs", str(child))
        bundle.linux["cgroupsPath"] = "/%s/x" % name
        bundle.linux["resources"] = {"pids": {"limit": 9}} if "pids" in v2_controllers() else \
            {"hugepageLimits": [{"pageSize": "2MB", "limit": 1}]}
        result = create(rt, bundle)
        os.kill(child, 9)
        os.waitpid(child, 0)
        rt.cmd("delete", "--force", rt.ids[-1])
        return result


@case("the parent is threaded",
      bare="move process N into cgroup /sys/fs/cgroup/threaded/x: Operation not supported; its cgroup.type is \"domain "
           "invalid\": a threaded cgroup above it takes no containers, choose another linux.cgroupsPath",
      v2="move process N into cgroup /sys/fs/cgroup/threaded/x: Operation not supported; its cgroup.type is \"domain "
         "invalid\": a threaded cgroup above it takes no containers, choose another linux.cgroupsPath")
def threaded_parent(rt, bundle):
    name = "%s-threaded" % TOKEN
    with cgroup(name) as path:
        write(path + "/cgroup.type", "threaded")
        bundle.linux["resources"] = {}
        bundle.linux["cgroupsPath"] = "/%s/x" % name
        result = create(rt, bundle)
        rt.cmd("delete", "--force", rt.ids[-1])
        return result


@case("cgroup.max.descendants of the parent is reached",
      bare="make cgroup /sys/fs/cgroup/full/x: Resource temporarily unavailable; cgroup.max.descendants or "
           "cgroup.max.depth of a parent is reached",
      v2="make cgroup /sys/fs/cgroup/full/x: Resource temporarily unavailable; cgroup.max.descendants or "
         "cgroup.max.depth of a parent is reached")
def full_parent(rt, bundle):
    name = "%s-full" % TOKEN
    with cgroup(name) as path:
        write(path + "/cgroup.max.descendants", "0")
        bundle.linux["cgroupsPath"] = "/%s/x" % name
        return create(rt, bundle)


@contextlib.contextmanager
def view(rt, script, alone=False):
    """The runtime in a mount namespace of its own, after @script; @alone: instead of what it has already."""
    command = rt.command
    own = command[command.index("v2") + 1:] if alone and command[0] == "unshare" else command
    rt.command = ["unshare", "-m", "sh", "-c", script + " && exec \"$@\"", "v2"] + own
    if not alone and command[0] == "unshare":
        rt.command[4] = command[4].replace("exec", script + " && exec")
        rt.command[6:] = command[6:]
    yield
    rt.command = command


@case("a tree that was not given the controller",
      bare=RESOURCES + "hugepageLimits[0]: there is no hugetlb controller: not mounted as v1, not in "
           "/sys/fs/cgroup/cgroup.controllers; " + HELD_BACK,
      v2=RESOURCES + "pids.limit: there is no pids controller: not mounted as v1, not in "
         "/sys/fs/cgroup/cgroup.controllers; " + HELD_BACK)
def not_given(rt, bundle):
    with cgroup("%s-tree" % TOKEN), cgroup("%s-tree/top" % TOKEN) as top:
        bundle.linux["resources"] = {"pids": {"limit": 9}} if "pids" in v2_controllers() else \
            {"hugepageLimits": [{"pageSize": "2MB", "limit": 1}]}
        with view(rt, "mount --bind %s /mnt && umount -R /sys/fs/cgroup && mount --move /mnt /sys/fs/cgroup" % top,
                  alone=True):
            result = create(rt, bundle)
            rt.cmd("delete", "--force", rt.ids[-1])
        return result


@case("a directory where a cgroup was mounted",
      hybrid="cgroup mount /sys/fs/cgroup/unified: not a cgroup2 filesystem" + COVERED,
      v2="cgroup mount /sys/fs/cgroup: not a cgroup2 filesystem" + COVERED)
def directory(rt, bundle):
    script = "mount -t tmpfs none /sys/fs/cgroup && cd /sys/fs/cgroup && mkdir cpu memory pids unified"
    with view(rt, script):
        result = create(rt, bundle)
        rt.cmd("delete", "--force", rt.ids[-1])
    return result


@case("a read-only cgroup mount",
      hybrid="make cgroup /sys/fs/cgroup/unified/c1: Read-only file system; --cgroup-manager disabled runs without cgroups",
      v2="make cgroup /sys/fs/cgroup/c1: Read-only file system; --cgroup-manager disabled runs without cgroups")
def read_only(rt, bundle):
    script = "for m in /sys/fs/cgroup /sys/fs/cgroup/*; do mountpoint -q $m && mount -o remount,bind,ro $m; done; true"
    with view(rt, script):
        result = create(rt, bundle)
        rt.cmd("delete", "--force", rt.ids[-1])
    return result


@case("update: memory below usage",
      hybrid="linux.resources.memory.limit: unable to set memory limit to 65536 (current usage: N, peak usage: N); the "
             "processes in cgroup /c1 use more than that, and it cannot be reclaimed",
      v2="linux.resources.memory.limit: rejecting memory limit 65536 < usage N; leave checkBeforeUpdate out "
         "to have cgroup /c1 reclaimed, and its processes killed")
def below_usage(rt, bundle):
    c = rt.start(bundle.sh("x=$(head -c 3000000 /dev/zero | tr '\\0' x); echo ready; read y < /tmp; sleep 1000"))
    c.wait_out("ready")
    document = {"memory": {"limit": 65536, "checkBeforeUpdate": True}}
    result = rt.cmd("update", "--resources", write(rt.path("document"), json.dumps(document)), c.id)
    # on v2 others have the kernel kill it
    c.delete("--force").ok()
    return result


@case("update of a stopped container", hybrid="container not running", v2="container not running")
def stopped(rt, bundle):
    c = rt.start(bundle.args("/bin/true"))
    c.wait()
    return rt.cmd("update", "--pids-limit", "5", c.id)


@case("update --memory 1x", hybrid="--memory: \"1x\" is not a size like 512k, 64m or 1g, nor -1",
      v2="--memory: \"1x\" is not a size like 512k, 64m or 1g, nor -1")
def bad_size(rt, bundle):
    return update(rt, bundle, "--memory", "1x")


@case("pause without cgroups", hybrid="the container has no cgroup that could be frozen",
      v2="the container has no cgroup that could be frozen")
def pause_disabled(rt, bundle):
    if rt.name == "runc":
        return harness.Result(1, Text(""), Text("(cannot go without)"), [])
    bundle.linux["resources"] = {}
    c = rt.hold(bundle, globals=("--cgroup-manager", "disabled"))
    result = rt.cmd("pause", c.id)
    rt.cmd("resume", c.id)
    c.stop()
    return result


def v2_controllers():
    return read(v2_top() + "/cgroup.controllers").split()


def page(heading):
    """ocirun's column below a heading of docs/diagnostics.md: mistake -> words. Other machines have no page."""
    path = os.path.join(harness.HERE, "../../docs/diagnostics.md")
    if not os.path.exists(path):
        pytest.skip("the page is not there")
    lines = read(path).splitlines()
    rows = {}
    for line in lines[lines.index(heading) + 1:]:
        if line.startswith("## "):
            break
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("|"):
            assert len(cells) == 4, line
            rows[cells[0]] = cells[3].replace("\\|", "|")
    return {mistake: says for mistake, says in rows.items() if mistake not in ("mistake", "---")}


def layout_here(rt):
    """Which words hold: of the machine, or of the view that the runtime is given."""
    if rt.command[0] == "unshare":
        return "bare"
    return cgroup_layout()


def text_of(result):
    """The message, without what differs from run to run."""
    if result.rc == 0:
        return "accepts it"
    lines = [line for line in result.err.splitlines() if len(line) > 2 and line[0] != " "]
    text = lines[-1] if lines else "(says nothing)"
    text = re.sub(r'^time="[^"]*" level=\w+ msg="(.*)"$', lambda m: m.group(1).replace('\\"', '"'), text)
    text = re.sub(r"^ocirun: \w+: |^\d{4}-\S+: |^[0-9T:.-]+Z?: ", "", text)
    for own in {line.split(":", 2)[2] for line in read("/proc/self/cgroup").splitlines()} - {"/"}:
        text = text.replace(own, "")        # where we began, which is the machine's business
    text = re.sub(r"(config\.json):\d+:\d+", r"\1:L:C", text)
    text = re.sub(r"%s-(\d+|used|frozen)\b" % TOKEN, "c1", text)
    text = text.replace(TOKEN + "-", "")
    text = re.sub(r"\b(pid|process) \d+\b", r"\1 N", text)
    text = re.sub(r"\b\d+ process(es)?\b", r"N process\1", text)
    text = re.sub(r"(usage:?) \d+", r"\1 N", text)
    text = re.sub(r"root invalid \([^)]*\)", "root invalid (…)", text)
    text = re.sub(r"cpus 0-\d+$", "cpus 0-N", text)
    return re.sub(r"state \w, wchan [\w.]+", "state S, wchan W", text)


def short(text):
    """Without runc's prefixes in front of what it has to say."""
    text = text.replace("error during container init: error setting cgroup config for procHooks process: ", "")
    text = re.sub(r"^.*(unable to start container process|procHooks?: .*?|init: |procHooks process: |runc create failed): ", "… ", text)
    return text.replace("|", "\\|")


def table(runtimes, layout):
    print("| mistake | %s |" % " | ".join(rt.name for rt in runtimes))
    print("| --- |%s" % (" --- |" * len(runtimes)))
    for c in CASES:
        if layout not in c.says:
            continue
        cells = []
        for rt in runtimes:
            try:
                cells.append(short(text_of(c.make(rt, rt.bundle()))))
            except (AssertionError, OSError, KeyError) as e:
                cells.append("(%s)" % str(e).splitlines()[0][:80])
            rt.cleanup()
            harness.reap()
        print("| %s | %s |" % (c.mistake, " | ".join(cells)), flush=True)


def main():
    harness.isolate("")
    base = harness.Base()
    runtimes = []
    for path in map(shutil.which, sys.argv[1:]):
        name = harness.runtime_name([path])
        runtimes.append(harness.Runtime(base, [os.path.abspath(path)], name))
    spec = next(rt for rt in runtimes if rt.is_ocirun)
    os.mkdir(base.dir + "/spec")
    spec.cmd("spec", "--bundle", base.dir + "/spec").ok()
    base.spec = json.loads(read(base.dir + "/spec/config.json"))
    base.spec["ociVersion"] = "1.0.2"      # all of them know it
    layouts = [cgroup_layout()] + ["bare"] * (cgroup_layout() == "hybrid")
    for layout in layouts:
        print("\n## cgroups: %s\n" % layout)
        for rt in runtimes:
            own = rt.command[rt.command.index("v2") + 1:] if rt.command[0] == "unshare" else rt.command
            rt.command = V2_VIEW + own if layout == "bare" else own
            # crun refuses a hybrid: what it says on v1 is more use
            if layout == "hybrid" and rt.name == "crun":
                rt.command = ["unshare", "-m", "sh", "-c", "umount /sys/fs/cgroup/unified && exec \"$@\"", "v2"] + own
        table(runtimes, layout)
    base.close()


if __name__ == "__main__":
    main()
