# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line: the union of the two grammars, output and logs."""

import json
import os
import re
import resource
import shutil
import subprocess

import jsonschema
import pytest

from harness import CAPABILITIES, TIMEOUT, read, write


def raw(rt, *args, **kw):
    """Run the runtime without --root."""
    return subprocess.run(rt.command + list(args), capture_output=True, text=True, timeout=TIMEOUT, check=False, **kw)


@pytest.mark.quick
@pytest.mark.parametrize("option", ["--version", "-v", pytest.param("-V", marks=pytest.mark.ocirun_only)])
def test_version(rt, option):
    result = raw(rt, option)
    lines = result.stdout.splitlines()
    assert result.returncode == 0 and result.stderr == ""
    assert re.match(r"^%s version \S+$" % rt.name, lines[0])
    assert any(l.startswith("commit: ") for l in lines) and any(l.startswith("spec: ") for l in lines)
    assert not any("version" in l for l in lines[1:])


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["create", "--help"], ["run", "--help"], ["exec", "--help"], ["kill", "--help"],
                                  ["delete", "--help"], ["state", "--help"], ["start", "--help"], ["list", "--help"], ["ps", "--help"],
                                  ["pause", "--help"], ["resume", "--help"], ["update", "--help"], ["spec", "--help"],
                                  pytest.param(["--usage"], marks=pytest.mark.ocirun_only),
                                  pytest.param(["update", "--usage"], marks=pytest.mark.ocirun_only)], ids=" ".join)
def test_help(rt, args):
    result = raw(rt, *args)
    if rt.name == "crun" and args == ["-h"]:
        return
    assert result.returncode == 0 and result.stdout.strip() and result.stderr == ""


@pytest.mark.ocirun_only
@pytest.mark.parametrize("command", ["checkpoint", "restore", "events", "features"])
def test_help_rest(rt, command):
    test_help(rt, [command, "--help"])


@pytest.mark.quick
@pytest.mark.parametrize("args", [["--invalidflag", "list"], ["run", "--invalidflag", "x"], ["state", "--invalidflag", "x"]], ids=" ".join)
def test_unknown_flag(rt, args):
    result = raw(rt, *args)
    assert result.returncode != 0 and "invalidflag" in result.stderr + result.stdout
    if rt.is_ocirun:
        assert "invalidflag" in result.stderr


@pytest.mark.parametrize("args", [[], ["no-such-command"]], ids=["none", "unknown"])
def test_no_command(rt, args):
    result = raw(rt, *args)
    if rt.is_ocirun:
        assert result.returncode != 0 and result.stderr.strip()


@pytest.mark.ocirun_only
@pytest.mark.parametrize("command", ["create", "state", "start", "kill", "delete", "pause", "resume"])
def test_too_many_arguments(rt, bundle, command):
    c = rt.create(bundle)
    extra = ["KILL", "x"] if command == "kill" else ["x"]
    rt.cmd(command, c.id, *extra).fails()
    assert c.status() == "created"


@pytest.mark.quick
@pytest.mark.parametrize("form", ["--root R state ID", "--root=R state ID", "--root /nowhere --root R state ID",
                                  "--log L --log-format json --root R state ID", "--log=L --log-format=text --root=R state ID",
                                  "--debug --log L --root R state ID", "--root R --systemd-cgroup state ID"])
def test_global_options(rt, bundle, form):
    if rt.name == "crun" and "nowhere" in form:
        pass
    c = rt.create(bundle)
    words = [{"R": rt.root, "ID": c.id, "L": rt.path("log")}.get(w, w).replace("=R", "=" + rt.root).replace("=L", "=" + rt.path("log"))
             for w in form.split()]
    result = raw(rt, *words)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["id"] == c.id


@pytest.mark.ocirun_only
@pytest.mark.parametrize("words", ["--rootless=auto", "--rootless true", "--cgroup-manager=cgroupfs", "--cgroup-manager cgroupfs",
                                   "--log-level warning", "--log-level=debug --log L", "--criu /x", "--systemd-cgroup --systemd-cgroup",
                                   "--log-format json --log-format text"])
def test_global_options_union(rt, bundle, words):
    c = rt.create(bundle)
    rt.cmd("state", c.id, globals=[w.replace("L", rt.path("L")) if w == "L" else w for w in words.split()]).ok()


@pytest.mark.ocirun_only
@pytest.mark.parametrize("words", ["--log-format xml", "--cgroup-manager magic", "--log-level loud", "--rootless maybe"])
def test_global_options_bad_values(rt, words):
    result = rt.cmd("list", globals=words.split()).fails()
    assert words.split()[1] in result.err


@pytest.mark.quick
@pytest.mark.parametrize("form", [["--bundle", "B"], ["--bundle=B"], ["-b", "B"], ["--bundle", "/nowhere", "--bundle", "B"]], ids=" ".join)
def test_bundle_forms(rt, bundle, form):
    bundle.sh("echo ok").save()
    words = [w.replace("B", bundle.dir) if w in ("B", "--bundle=B") else w for w in form]
    assert rt.cmd("run", *words, rt.new_id()).ok().out == "ok\n"


@pytest.mark.ocirun_only
@pytest.mark.parametrize("words", [["--no-new-keyring"], ["--no-subreaper"], ["--preserve-fds", "0"], ["--preserve-fds=0"], ["--no-pivot"],
                                   ["-no-subreaper"]], ids=" ".join)
def test_run_options_union(rt, bundle, words):
    assert rt.sh(bundle, "echo ok", *words) == "ok\n"


@pytest.mark.ocirun_only
@pytest.mark.parametrize("order", ["delete -f ID", "delete --force ID", "delete ID --force", "kill --all ID 9", "kill ID --all 9", "kill -a ID"])
def test_option_positions(rt, bundle, order):
    c = rt.hold(bundle)
    rt.cmd(*[c.id if w == "ID" else w for w in order.split()]).ok()
    if "delete" in order:
        rt.cmd("state", c.id).fails()


@pytest.mark.ocirun_only
@pytest.mark.untraced("executes the runtime by other names")
def test_works_under_other_names(rt, bundle):
    for name in ("runc", "crun"):
        link = rt.path(name)
        os.symlink(rt.command[0], link)
        b = rt.bundle("echo ok")
        b.save()
        result = subprocess.run([link, "--root", rt.root, "run", "--bundle", b.dir, rt.new_id()], capture_output=True, text=True,
                                timeout=TIMEOUT, check=True)
        assert result.stdout == "ok\n"


def test_works_with_an_empty_environment(rt, bundle):
    assert rt.sh(bundle, "echo ok", env={}) == "ok\n"


def test_empty_xdg_runtime_dir(rt, bundle):
    assert rt.sh(bundle, "echo ok", env={"XDG_RUNTIME_DIR": ""}) == "ok\n"


def test_cwd_removed(rt, bundle):
    bundle.sh("echo ok").save()
    gone = rt.path("gone")
    argv = rt.argv("run", "--bundle", bundle.dir, rt.new_id())
    os.mkdir(gone)
    result = subprocess.run(["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', gone, *argv], capture_output=True, text=True,
                            timeout=TIMEOUT, check=False)
    if rt.is_ocirun:
        assert result.stdout == "ok\n", result.stderr


@pytest.mark.quick
def test_silent_on_success(rt, bundle):
    ident = rt.new_id()
    bundle.hold().save()
    log = rt.path("log")
    for args in (["create", "--bundle", bundle.dir, ident], ["start", ident], ["pause", ident], ["resume", ident], ["exec", ident, "true"],
                 ["update", "--pids-limit", "99", ident], ["kill", ident, "KILL"], ["delete", "--force", ident], ["delete", "--force", ident]):
        result = rt.cmd(*args, globals=("--log", log)).ok()
        out = result.out.replace("ready\n", "")
        assert (out, result.err) == ("", ""), args
    if rt.is_ocirun:
        assert read(log) == ""


@pytest.mark.quick
@pytest.mark.parametrize("args", [["state", "nope"], ["create", "nope"], ["exec", "nope", "true"], ["kill", "nope"], ["run", "nope"]],
                         ids=" ".join)
def test_json_log_is_one_object(rt, args):
    log = rt.path("log")
    result = rt.cmd(*args, globals=("--log", log, "--log-format", "json"), cwd=rt.dir).fails()
    text = read(log)
    record = json.loads(text.strip().splitlines()[-1])
    assert record["level"] == "error" and record["msg"]
    assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$", record["time"])
    if rt.is_ocirun:
        assert text.count("\n") == 1
        assert record["msg"] in result.err and result.err.count("\n") == 1


def test_json_log_appends(rt):
    log = write(rt.path("log"), '{"earlier": 1}\n')
    rt.cmd("state", "nope", globals=("--log", log, "--log-format=json")).fails()
    lines = read(log).splitlines()
    assert lines[0] == '{"earlier": 1}' and json.loads(lines[1])["level"] == "error"


@pytest.mark.ocirun_only
def test_error_form(rt):
    result = rt.cmd("state", "nope").fails()
    assert re.match(r"^ocirun: state: .*does not exist", result.err) and not result.err.rstrip().endswith(".")


@pytest.mark.ocirun_only
def test_output_to_a_full_device(rt, bundle):
    c = rt.create(bundle)
    with open("/dev/full", "w", encoding="utf8") as full:
        for args in (["state", c.id], ["list"], ["features"], ["ps", c.id]):
            rt.cmd(*args, stdout=full).fails()


@pytest.mark.quick
def test_list(rt, bundle):
    assert rt.cmd("list", "-q").ok().out == ""
    c = rt.create(bundle)
    assert rt.cmd("list", "-q").ok().out.split() == [c.id] == rt.cmd("list", "--quiet").ok().out.split()
    for form in (["--format", "json"], ["--format=json"], ["-f", "json"]):
        entries = json.loads(rt.cmd("list", *form).ok().out)
        assert [(e["id"], e["status"], e["pid"]) for e in entries] == [(c.id, "created", c.pid)]
        assert entries[0]["bundle"] == os.path.realpath(bundle.dir)
    table = rt.cmd("list").ok().out.splitlines()
    assert re.match(r"^(ID|NAME)\s+PID\s+STATUS\s+BUNDLE", table[0])
    assert table[1].split()[:4] == [c.id, str(c.pid), "created", os.path.realpath(bundle.dir)]


def test_list_of_more_than_may_be_open(rt, bundle):
    """The status of a paused container is asked of its cgroup, of each one as of the first."""
    made = [rt.create(bundle) for _ in range(12)]
    for c in made:
        rt.cmd("pause", c.id).ok()
    few = rt.cmd("list", "--format", "json",
                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))).ok()
    assert sorted((e["id"], e["status"]) for e in json.loads(few.out)) == sorted((c.id, "paused") for c in made)
    for c in made:
        rt.cmd("resume", c.id).ok()


def test_list_empty_json(rt):
    assert json.loads(rt.cmd("list", "--format", "json").ok().out) in ([], None)


@pytest.mark.ocirun_only
def test_list_skips_broken_entries(rt, bundle):
    c = rt.create(bundle)
    # the second is what a lost power supply leaves
    for name, text in (("broken", "{"), ("zeros", "\0" * 4096), ("empty", "")):
        os.makedirs(rt.root + "/" + name)
        write(rt.root + "/" + name + "/state.json", text)
    for args in (["list", "-f", "json"], ["list"], ["list", "-q"]):
        result = rt.cmd(*args).ok()
        assert c.id in result.out and result.err == ""
    assert [e["id"] for e in json.loads(rt.cmd("list", "-f", "json").out) if e.get("id") == c.id] == [c.id]
    for name in ("broken", "zeros", "empty"):
        shutil.rmtree(rt.root + "/" + name)


def test_bad_formats(rt, bundle):
    if rt.is_ocirun:
        rt.cmd("list", "--format", "xml").fails()
        c = rt.create(bundle)
        rt.cmd("ps", "--format", "xml", c.id).fails()


@pytest.mark.quick
def test_r067_spec(rt):
    os.mkdir(rt.path("new"))
    rt.cmd("spec", cwd=rt.path("new")).ok()
    config = json.loads(read(rt.path("new/config.json")))
    assert config["process"]["terminal"] is True and config["root"]["path"] == "rootfs"
    assert not config["process"]["capabilities"].get("inheritable")
    assert {n["type"] for n in config["linux"]["namespaces"]} >= {"pid", "network", "ipc", "uts", "mount"}


def test_spec_bundle(rt):
    os.mkdir(rt.path("new"))
    rt.cmd("spec", "--bundle", rt.path("new")).ok()
    assert json.loads(read(rt.path("new/config.json")))["ociVersion"]


def test_spec_never_overwrites(rt):
    os.mkdir(rt.path("new"))
    write(rt.path("new/config.json"), "mine")
    result = rt.cmd("spec", cwd=rt.path("new")).fails()
    assert "config.json" in result.err and read(rt.path("new/config.json")) == "mine"


def test_spec_rootless(rt):
    os.mkdir(rt.path("new"))
    rt.cmd("spec", "--rootless", cwd=rt.path("new")).ok()
    config = json.loads(read(rt.path("new/config.json")))
    assert "user" in [n["type"] for n in config["linux"]["namespaces"]] and config["linux"]["uidMappings"]


def put(path, value):
    """A change of a document: `value` at a path like 'linux.namespaces.0.type'; None takes it away."""
    def change(config):
        *parents, last = path.split(".")
        for name in parents:
            config = config[int(name)] if isinstance(config, list) else config.setdefault(name, {})
        if value is None:
            del config[last]
        else:
            config[int(last) if isinstance(config, list) else last] = value
    return pytest.param(change, id=path)


WRONG = [
    put("ociVersion", None), put("root", 3), put("process.args", "x"), put("process.args", []),
    put("linux.namespaces.0.type", "netwrok"), put("linux.namespaces.0", {}), put("process.cwd", "x"),
    put("process.user.uid", -1), put("process.user.gid", 4294967295), put("process.user.umask", 512),
    put("hooks.prestart", [{"path": "x"}]), put("hooks.prestart", [{"path": "/x", "timeout": 0}]),
    put("process.env", ["A"]), put("mounts.0", {"type": "tmpfs"}), put("process.oomScoreAdj", 1001),
    put("linux.devices", [{"path": "/dev/x", "type": "z"}]), put("process.terminal", "true"),
    put("process.rlimits", [{"type": "NOFILE", "soft": 1, "hard": 1}]),
    put("linux.seccomp", {"defaultAction": "ALLOW"}), put("linux.maskedPaths", ["x"]),
    put("linux.resources.memory.swappiness", 101), put("linux.rootfsPropagation", "sharedd"),
    put("linux.uidMappings", [{"containerID": 0, "hostID": 0, "size": 0}]),
    put("process.consoleSize", {"height": 1}), put("annotations", {"a": 1}),
]


def schema_errors(rt, document):
    schema = json.loads(rt.cmd("spec", "--schema").ok().out)
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return [e.message for e in kind(schema).iter_errors(document)]


@pytest.mark.ocirun_only
@pytest.mark.parametrize("options", [(), ("--rootless",)], ids=["", "rootless"])
def test_spec_schema(rt, options):
    """What spec writes is valid by what spec --schema prints."""
    rt.cmd("spec", *options, cwd=rt.dir).ok()
    assert not schema_errors(rt, json.loads(read(rt.path("config.json"))))


@pytest.mark.ocirun_only
@pytest.mark.parametrize("change", WRONG)
def test_schema_and_create_refuse_the_same(rt, bundle, change):
    change(bundle.config)
    assert schema_errors(rt, bundle.config)
    rt.failing_create(bundle, match=r"^ocirun: create: config\.json:\d+:\d+: ")


@pytest.mark.ocirun_only
def test_features_of_engines(rt):
    """What containerd and CRI-O look for before they offer user namespaces and network devices."""
    linux = json.loads(rt.cmd("features").ok().out)["linux"]
    assert linux["mountExtensions"]["idmap"]["enabled"] is True
    assert linux["netDevices"]["enabled"] is True


@pytest.mark.ocirun_only
@pytest.mark.quick
def test_r214_r216_features(rt):
    result = rt.cmd("features").ok()
    features = json.loads(result.out)
    assert result.err == ""
    assert features["ociVersionMin"] == "1.0.0" and features["ociVersionMax"] == "1.3.0"
    assert set(features["hooks"]) == {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}
    linux = features["linux"]
    assert set(linux["namespaces"]) == {"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"}
    assert "rro" in features["mountOptions"]
    assert len(linux["capabilities"]) == 41
    assert set(linux["seccomp"]["supportedFlags"]) <= set(linux["seccomp"]["knownFlags"])
    assert linux["memoryPolicy"]["modes"]
    assert features["potentiallyUnsafeConfigAnnotations"]


@pytest.mark.ocirun_only
def test_r215_features_are_fixed(rt):
    first = rt.cmd("features").ok().out
    assert rt.cmd("features", cwd="/", env={}).ok().out == first


@pytest.mark.ocirun_only
def test_r218_features_mount_options_are_known(rt):
    """Each listed option is recognised: as a bind option, or for a new tmpfs."""
    options = json.loads(rt.cmd("features").ok().out)["mountOptions"]
    assert len(options) >= 60
    skip = {"idmap", "ridmap", "remount", "bind", "rbind", "copy-symlink", "src-nofollow", "dest-nofollow", "tmpcopyup"}
    b = rt.bundle()
    for i, option in enumerate(o for o in options if o not in skip):
        b.add_mount("/mnt/%d" % i, "tmpfs", "tmpfs", [option])
    assert rt.sh(b, "echo ok") == "ok\n"


@pytest.mark.ocirun_only
def test_r218_features_capabilities_are_known(rt, bundle):
    names = json.loads(rt.cmd("features").ok().out)["linux"]["capabilities"]
    mine = int(re.search(r"CapBnd:\s*(\w+)", read("/proc/self/status")).group(1), 16)
    lacking = {n for i, n in enumerate(CAPABILITIES) if not mine >> i & 1}
    bundle.caps(*[n for n in names if n not in lacking])
    log = rt.path("log")
    rt.run(bundle.args("/bin/true"), globals=("--log", log, "--log-level", "warning")).ok()
    # neither "is not a capability" nor "cannot be granted"
    assert "capabilit" not in read(log)


@pytest.mark.ocirun_only
def test_r218_features_seccomp_is_known(rt, bundle):
    seccomp = json.loads(rt.cmd("features").ok().out)["linux"]["seccomp"]
    rules = [{"names": ["chroot"], "action": a} for a in seccomp["actions"] if "NOTIFY" not in a]
    for rule in ([r] for r in rules):
        check_seccomp(rt, rt.bundle(), seccomp, rule)


def check_seccomp(rt, bundle, seccomp, rule):
    bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": seccomp["archs"], "syscalls": rule + [
        {"names": ["personality"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1, "op": op}]} for op in seccomp["operators"]]}
    assert rt.sh(bundle, "echo ok") == "ok\n"


# The features document of 1.3, without the parts of other systems; None is a value.
FEATURES = {"ociVersionMin": None, "ociVersionMax": None, "hooks": None, "mountOptions": None, "annotations": None,
            "potentiallyUnsafeConfigAnnotations": None, "linux": {
                "namespaces": None, "capabilities": None,
                "cgroup": dict.fromkeys(["v1", "v2", "systemd", "systemdUser", "rdma"]),
                "seccomp": dict.fromkeys(["enabled", "actions", "operators", "archs", "knownFlags", "supportedFlags"]),
                "apparmor": {"enabled": None}, "selinux": {"enabled": None},
                "intelRdt": dict.fromkeys(["enabled", "schemata", "monitoring"]),
                "memoryPolicy": dict.fromkeys(["modes", "flags"]),
                "mountExtensions": {"idmap": {"enabled": None}}, "netDevices": {"enabled": None}}}


@pytest.mark.ocirun_only
def test_r217_r220_features_are_those_of_the_version(rt):
    """No member that the version does not have; each that it has is known: false, an empty list, never null."""
    def compare(found, want, path):
        assert set(found) == set(want), path
        for key, value in found.items():
            if isinstance(want[key], dict):
                compare(value, want[key], path + "." + key)
            else:
                assert isinstance(value, (bool, list, str)) or key == "annotations", path + "." + key

    features = json.loads(rt.cmd("features").ok().out)
    assert features["ociVersionMax"].startswith("1.3.")
    if not features["linux"]["seccomp"]["enabled"]:
        assert features["linux"].pop("seccomp") == {"enabled": False}
        features["linux"]["seccomp"] = FEATURES["linux"]["seccomp"]
    compare(features, FEATURES, "features")


# Of the table of filesystem-independent options (config.md#linux-mount-options), and what runtimes have beyond it.
MOUNT_OPTIONS = """async atime bind defaults dev diratime dirsync exec idmap iversion lazytime loud mand noatime nodev
    nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev
    rdiratime relatime remount rexec ridmap rnoatime rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow
    ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave
    strictatime suid symfollow sync tmpcopyup unbindable""".split()
MORE_OPTIONS = "rnodev acl noacl copy-symlink src-nofollow dest-nofollow".split()


@pytest.mark.ocirun_only
def test_r219_features_no_option_of_a_filesystem(rt):
    features = json.loads(rt.cmd("features").ok().out)
    options = features["mountOptions"]
    idmap = features["linux"]["mountExtensions"]["idmap"]["enabled"]
    assert len(options) == len(set(options))
    assert set(options) <= set(MOUNT_OPTIONS + MORE_OPTIONS)
    assert set(MOUNT_OPTIONS) - set(options) == (set() if idmap else {"idmap", "ridmap"})


@pytest.mark.ocirun_only
def test_r222_features_annotations(rt):
    """As those of a configuration; of the reserved keys only the one that podman asks runc for."""
    annotations = json.loads(rt.cmd("features").ok().out)["annotations"]
    for key, value in annotations.items():
        assert isinstance(value, str) and re.fullmatch(r"[a-z][\w-]*(\.[\w-]+)+", key), key
    assert [k for k in annotations if k.startswith("org.opencontainers")] == ["org.opencontainers.runc.checkpoint.enabled"]
    supported = rt.cmd("checkpoint", "--help").rc == 0
    assert annotations["org.opencontainers.runc.checkpoint.enabled"] == ("true" if supported else "false")


CARRIED_OUT = ["run.oci.delegate-cgroup", "run.oci.keep_original_groups", "run.oci.mount_context_type",
               "run.oci.seccomp_fail_unknown_syscall", "run.oci.systemd.subgroup"]


@pytest.mark.ocirun_only
def test_r223_features_unsafe_annotations(rt, bundle):
    """What changes a container is in the list, by its name or by a prefix with a dot at its end; what does not is not."""
    features = json.loads(rt.cmd("features").ok().out)
    unsafe = features["potentiallyUnsafeConfigAnnotations"]
    listed = lambda name: any(name == u or u.endswith(".") and name.startswith(u) for u in unsafe)
    names = CARRIED_OUT + ["org.systemd.property.TimeoutStopUSec"] * features["linux"]["cgroup"]["systemd"]
    assert [n for n in names if not listed(n)] == []
    assert not listed("org.opencontainers.image.os") and not listed("com.example.run.oci.x")
    # it does change something
    bundle.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["no_such_call"], "action": "SCMP_ACT_ERRNO"}]}
    assert rt.sh(bundle, "echo ok") == "ok\n"
    bundle.config["annotations"] = {"run.oci.seccomp_fail_unknown_syscall": "1"}
    rt.failing_create(bundle, match="no_such_call")


def test_state_root_modes(rt, bundle):
    rt.create(bundle)
    assert os.stat(rt.root).st_mode & 0o022 == 0
    assert not [f for d, _, fs in os.walk(rt.root) for f in fs
                if f.endswith(".json") and os.stat(os.path.join(d, f)).st_mode & 0o022]
