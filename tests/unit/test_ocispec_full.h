/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A configuration that has every member of every table, each array's first element complete. */
#ifndef TEST_OCISPEC_FULL_H
#define TEST_OCISPEC_FULL_H

#define HOOK(name)                                                                                 \
    "\"" name "\": [{\"path\": \"/hook/" name "\", \"args\": [\"a\", \"\"], \"env\": [\"A=1\"],"   \
    " \"timeout\": 5}, {\"path\": \"/b\"}]"
#define MAPPING "[{\"containerID\": 0, \"hostID\": 1000, \"size\": 4294967295}]"
#define THROTTLE "[{\"major\": 8, \"minor\": -1, \"rate\": 18446744073709551615}]"

static const char full_process[] =
    "{\"terminal\": true, \"consoleSize\": {\"height\": 24, \"width\": 80},\n"
    " \"user\": {\"uid\": 1, \"gid\": 2, \"umask\": 511, \"additionalGids\": [4294967295, 0],"
    " \"username\": \"u\"},\n"
    " \"args\": [\"sh\", \"-c\", \"\\u00e9\\ud83d\\ude00 \\\"\\\\\\n\"],"
    " \"env\": [\"PATH=/bin\", \"E=\"], \"cwd\": \"/\",\n"
    " \"capabilities\": {\"bounding\": [\"CAP_CHOWN\", \"CAP_CHECKPOINT_RESTORE\"],"
    " \"effective\": [\"CAP_KILL\"], \"inheritable\": [], \"permitted\": [\"CAP_KILL\"],"
    " \"ambient\": [\"CAP_BPF\"]},\n"
    " \"rlimits\": [{\"type\": \"RLIMIT_NOFILE\", \"hard\": 18446744073709551615, \"soft\": 0},"
    " {\"type\": \"RLIMIT_CPU\", \"hard\": 2, \"soft\": 1}],\n"
    " \"noNewPrivileges\": true, \"apparmorProfile\": \"p\", \"selinuxLabel\": \"l\","
    " \"oomScoreAdj\": -1000,\n"
    " \"scheduler\": {\"policy\": \"SCHED_DEADLINE\", \"nice\": -20, \"priority\": 1,"
    " \"flags\": [\"SCHED_FLAG_RESET_ON_FORK\", \"SCHED_FLAG_UTIL_CLAMP_MAX\"], \"runtime\": 1,"
    " \"deadline\": 2, \"period\": 3},\n"
    " \"ioPriority\": {\"class\": \"IOPRIO_CLASS_BE\", \"priority\": 7},\n"
    " \"execCPUAffinity\": {\"initial\": \"0-1\", \"final\": \"1\"}}";

static const char full_resources[] =
    "{\"devices\": [{\"allow\": true, \"type\": \"c\", \"major\": 1, \"minor\": -1,"
    " \"access\": \"rm\"}, {\"allow\": false}],\n"
    " \"memory\": {\"limit\": -1, \"reservation\": 9223372036854775807, \"swap\": 3, \"kernel\": 4,"
    " \"kernelTCP\": 5, \"swappiness\": 100, \"disableOOMKiller\": false, \"useHierarchy\": true,"
    " \"checkBeforeUpdate\": true},\n"
    " \"cpu\": {\"shares\": 1024, \"quota\": -1, \"burst\": 1, \"period\": 2,"
    " \"realtimeRuntime\": 3, \"realtimePeriod\": 4, \"cpus\": \"0-3\", \"mems\": \"0\","
    " \"idle\": 1},\n"
    " \"pids\": {\"limit\": 0},\n"
    " \"blockIO\": {\"weight\": 10, \"leafWeight\": 65535, \"weightDevice\": [{\"major\": 8,"
    " \"minor\": 0, \"weight\": 500, \"leafWeight\": 300}],\n"
    " \"throttleReadBpsDevice\": " THROTTLE ", \"throttleWriteBpsDevice\": " THROTTLE ",\n"
    " \"throttleReadIOPSDevice\": " THROTTLE ", \"throttleWriteIOPSDevice\": " THROTTLE "},\n"
    " \"hugepageLimits\": [{\"pageSize\": \"2MB\", \"limit\": 0}],\n"
    " \"network\": {\"classID\": 4294967295, \"priorities\": [{\"name\": \"eth0\","
    " \"priority\": 5}]},\n"
    " \"rdma\": {\"mlx5_0\": {\"hcaHandles\": 1, \"hcaObjects\": 2}, \"mlx5_1\":"
    " {\"hcaHandles\": 3}},\n"
    " \"unified\": {\"memory.high\": \"1\", \"misc.max\": \"\"}}";

static const char full_linux_rest[] =
    " \"uidMappings\": " MAPPING ", \"gidMappings\": " MAPPING ",\n"
    " \"sysctl\": {\"net.ipv4.ip_forward\": \"1\", \"kernel.domainname\": \"d\"},\n"
    " \"cgroupsPath\": \"/c\",\n"
    " \"namespaces\": [{\"type\": \"network\", \"path\": \"/proc/1/ns/net\"},"
    " {\"type\": \"pid\"}, {\"type\": \"time\"}],\n"
    " \"devices\": [{\"path\": \"/dev/fuse\", \"type\": \"c\", \"major\": 10, \"minor\": 229,"
    " \"fileMode\": 438, \"uid\": 0, \"gid\": 4294967294}, {\"path\": \"/dev/f\", \"type\": "
    "\"p\"}],\n"
    " \"netDevices\": {\"eth0\": {\"name\": \"net0\"}, \"eth1\": {}},\n"
    " \"seccomp\": {\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 38,"
    " \"architectures\": [\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_SHEB\"],"
    " \"flags\": [\"SECCOMP_FILTER_FLAG_LOG\", \"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"],"
    " \"listenerPath\": \"/l\", \"listenerMetadata\": \"m\", \"syscalls\": [{\"names\": [\"read\"],"
    " \"action\": \"SCMP_ACT_ALLOW\", \"errnoRet\": 1, \"args\": [{\"index\": 5,"
    " \"value\": 18446744073709551615, \"valueTwo\": 2, \"op\": \"SCMP_CMP_MASKED_EQ\"}]}]},\n"
    " \"rootfsPropagation\": \"rslave\", \"maskedPaths\": [\"/m\"], \"readonlyPaths\": [\"/r\"],\n"
    " \"mountLabel\": \"ml\", \"intelRdt\": {\"closID\": \"/\", \"l3CacheSchema\": \"L3:0=f\","
    " \"memBwSchema\": \"MB:0=20\", \"schemata\": [\"L2:0=1\"], \"enableMonitoring\": true},\n"
    " \"memoryPolicy\": {\"mode\": \"MPOL_BIND\", \"nodes\": \"0\","
    " \"flags\": [\"MPOL_F_STATIC_NODES\"]},\n"
    " \"personality\": {\"domain\": \"LINUX32\", \"flags\": []},\n"
    " \"timeOffsets\": {\"monotonic\": {\"secs\": -9223372036854775808, \"nanosecs\": 1},"
    " \"boottime\": {\"secs\": 2, \"nanosecs\": 4294967295}}}";

static const char full_head[] =
    "{\"ociVersion\": \"1.3.0+dev\", \"root\": {\"path\": \"rootfs\", \"readonly\": "
    "true},\n"
    " \"hostname\": \"h\", \"domainname\": \"d\",\n"
    " \"mounts\": [{\"destination\": \"/data\", \"type\": \"bind\", \"source\": \"/srv\","
    " \"options\": [\"rbind\", \"ro\"], \"uidMappings\": " MAPPING ", \"gidMappings\": " MAPPING
    "}, {\"destination\": \"/proc\", \"type\": \"proc\"}],\n"
    " \"hooks\": {" HOOK("prestart") ", " HOOK("createRuntime") ", " HOOK(
        "createContaine"
        "r") ",\n" HOOK("startContainer") ", " HOOK("poststart") ", " HOOK("poststop") "},\n"
                                                                                       " \"annotati"
                                                                                       "ons\": "
                                                                                       "{\"org."
                                                                                       "example."
                                                                                       "key\": "
                                                                                       "\"value\", "
                                                                                       "\"empty\": "
                                                                                       "\"\"},\n"
                                                                                       " \"unknown"
                                                                                       "\": "
                                                                                       "{\"a\": "
                                                                                       "[1, "
                                                                                       "{\"b\": "
                                                                                       "null}, "
                                                                                       "\"c\"], "
                                                                                       "\"d\": "
                                                                                       "1e400},\n";

static const char full_state[] =
    "{\"ociVersion\": \"1.3.0\", \"id\": \"c\", \"pid\": 7, \"status\": \"paused\","
    " \"bundle\": \"/b\", \"rootfs\": \"/b/r\", \"root\": \"/b/r\", \"created\": \"now\","
    " \"annotations\": {\"a\": \"b\"}, \"owner\": \"root\", \"exitStatus\": 0,"
    " \"oomKilled\": false}";

static const char full_features[] =
    "{\"ociVersionMin\": \"1.0.0\", \"ociVersionMax\": \"1.3.0\", \"hooks\": [\"prestart\"],"
    " \"mountOptions\": [\"ro\"], \"linux\": {\"namespaces\": [], \"capabilities\": [\"CAP_KILL\"],"
    " \"cgroup\": {\"v1\": true, \"v2\": false, \"systemd\": true, \"systemdUser\": true,"
    " \"rdma\": true}, \"seccomp\": {\"enabled\": true, \"actions\": [\"a\"], \"operators\": [],"
    " \"archs\": [\"x\"], \"knownFlags\": [\"k\"], \"supportedFlags\": []},"
    " \"apparmor\": {\"enabled\": true}, \"selinux\": {\"enabled\": false},"
    " \"intelRdt\": {\"enabled\": true, \"schemata\": true, \"monitoring\": false},"
    " \"memoryPolicy\": {\"modes\": [\"m\"], \"flags\": [\"f\"]},"
    " \"mountExtensions\": {\"idmap\": {\"enabled\": true}}, \"netDevices\": {\"enabled\": true}},"
    " \"annotations\": {\"x.y\": \"z\"}, \"potentiallyUnsafeConfigAnnotations\": [\"run.\"]}";

#endif
