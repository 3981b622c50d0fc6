# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ordinary user of the tests.

When pytest runs as root, that is a user who exists in this mount namespace only: /etc/passwd,
/etc/group, /etc/subuid and /etc/subgid have files bound over them, so that nothing of the machine's
/etc changes.
When pytest runs as an ordinary user, it is that one, who needs a range in /etc/subuid and /etc/subgid.
"""

import itertools
import os
import shutil

import harness
from harness import read, write

UID = 54321
FIRST, COUNT = 200000, 65536


class User:
    """Who the runtime runs as; .first and .count are the range of ids that was granted.

    @above: a directory that everybody may enter; @command: the runtime
    """

    def __init__(self, above, command):
        self.uid = os.geteuid() or UID
        self.gid = os.getegid() or UID
        self.is_root_test = os.geteuid() == 0
        self.mounts = []
        # short: podman has no patience with long paths
        self.dir = next(path for path in ("%s/u%d" % (above, n) for n in itertools.count()) if not os.path.exists(path))
        os.mkdir(self.dir)
        self.command = command
        if self.is_root_test:
            # the tree that it was built in may be closed to others
            self.command = [os.path.join(self.dir, os.path.basename(command[0]))] + command[1:]
            shutil.copy2(command[0], self.command[0])
            self.bind("/etc/passwd", "ort-user:x:%d:%d::%s:/bin/sh\n" % (UID, UID, self.dir))
            self.bind("/etc/group", "ort-user:x:%d:\n" % UID)
            self.bind("/etc/subuid", "ort-user:%d:%d\n" % (FIRST, COUNT))
            self.bind("/etc/subgid", "ort-user:%d:%d\n" % (FIRST, COUNT))
        self.name, self.first, self.count = self.granted()

    def bind(self, path, text):
        source = write(os.path.join(self.dir, os.path.basename(path)), read(path) + text, 0o644)
        harness.mount(source, path, None, harness.MS_BIND)
        self.mounts.append(path)

    def granted(self):
        name = next(line.split(":")[0] for line in read("/etc/passwd").splitlines()
                    if line.split(":")[2] == str(self.uid))
        for line in read("/etc/subuid").splitlines():
            owner, first, count = line.split(":")
            if owner in (name, str(self.uid)):
                return name, int(first), int(count)
        raise AssertionError("%s has no range in /etc/subuid" % name)

    def close(self):
        for path in self.mounts:
            harness.umount(path)
