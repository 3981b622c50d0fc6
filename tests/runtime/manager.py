# SPDX-License-Identifier: LGPL-2.1-or-later
"""A service manager that is none: enough of D-Bus to be called by the systemd cgroup driver, and to do what a real
systemd cannot be made to do. It is a thread behind a unix socket, with one connection after the other; what was asked
of it is in .calls.

.start and .stop say how it answers StartTransientUnit and StopUnit:

    Job(result)             the job's path, then JobRemoved with that result ("done": init is moved as well)
    Job(result, first=...)  before that, JobRemoved of other jobs; with early=True all of it before the reply
    Job(None)               the job's path, and nothing more
    Error(name, text)       an error
    Close(after=True)       the connection ends, after or without the job's path
    None                    nothing at all
    [A, B]                  A the first time, then B
"""

import contextlib
import os
import socket
import struct
import threading
from collections import namedtuple

from harness import cgroup_mounts, write

PATH = "/org/freedesktop/systemd1"
JOB = PATH + "/job/%d"
CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
FIXED = {"y": "B", "n": "h", "q": "H", "i": "i", "u": "I", "b": "I", "x": "q", "t": "Q", "d": "d"}
STRINGS = {"s": "I", "o": "I", "g": "B"}

Job = namedtuple("Job", "result first early", defaults=((), False))
Error = namedtuple("Error", "name text")
Close = namedtuple("Close", "after", defaults=(False,))


# ---- values as bytes: the D-Bus specification, "Marshaling" ----

def alignment(kind):
    if kind in "({xtd":
        return 8
    return 1 if kind in "ygv" else 2 if kind in "nq" else 4


def first_type(signature):
    """The first complete type of a signature."""
    if signature[0] == "a":
        return "a" + first_type(signature[1:])
    depth = 0
    for i, c in enumerate(signature):
        depth += (c in "({") - (c in ")}")
        if depth == 0:
            return signature[:i + 1]
    raise ValueError(signature)


def unpack(data, at, signature):
    """The values of a signature, and where they end."""
    values = []
    while signature:
        kind = first_type(signature)
        signature = signature[len(kind):]
        at += -at % alignment(kind[0])
        if kind in FIXED:
            values.append(struct.unpack_from("<" + FIXED[kind], data, at)[0])
            at += struct.calcsize(FIXED[kind])
        elif kind in STRINGS:
            size = struct.unpack_from("<" + STRINGS[kind], data, at)[0]
            at += struct.calcsize(STRINGS[kind])
            values.append(data[at:at + size].decode())
            at += size + 1
        elif kind == "v":
            (inner,), at = unpack(data, at, "g")
            (value,), at = unpack(data, at, inner)
            values.append(value)
        elif kind[0] == "a":
            size = struct.unpack_from("<I", data, at)[0]
            at += 4
            at += -at % alignment(kind[1])
            end, value = at + size, []
            while at < end:
                (one,), at = unpack(data, at, kind[1:])
                value.append(one)
            values.append(value)
        else:
            value, at = unpack(data, at, kind[1:-1])
            values.append(value)
    return values, at


def pack(signature, values):
    """Basic values; "v" is a variant with a string."""
    data = b""
    for kind, value in zip(signature, values):
        data += b"\0" * (-len(data) % alignment(kind))
        if kind == "v":
            data += b"\1s\0"
            data += b"\0" * (-len(data) % 4)
            kind = "s"
        if kind in STRINGS:
            text = value.encode()
            data += struct.pack("<" + STRINGS[kind], len(text)) + text + b"\0"
        else:
            data += struct.pack("<" + FIXED[kind], value)
    return data


def message(kind, serial, signature, values, **fields):
    """@fields: code of a header field -> (type, value)"""
    body, header = pack(signature, values), b""
    if signature:
        fields["signature"] = (8, "g", signature)
    for code, one, value in fields.values():
        header += b"\0" * (-len(header) % 8) + pack("yg", [code, one])
        header += b"\0" * (-len(header) % alignment(one)) + pack(one, [value])
    head = struct.pack("<cBBBIII", b"l", kind, 1, 1, len(body), serial, len(header)) + header
    return head + b"\0" * (-len(head) % 8) + body


# ---- the manager ----

class Manager(threading.Thread):
    def __init__(self, path, start=Job("done"), stop=Job("done"), version="252", state="inactive"):
        super().__init__(daemon=True)
        self.start_answer, self.stop_answer, self.version, self.state = start, stop, version, state
        self.calls, self.failure, self.conn, self.serial = [], None, None, 0
        self.places, self.deaf, self.set_answer = [], None, None     # deaf: True, or to a method
        self.after_set = None
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(path)
        self.socket.listen()
        self.start()

    def asked(self, method):
        return [values for name, values in self.calls if name == method]

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        conn = self.conn
        if conn:
            with contextlib.suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)
        self.join()
        self.socket.close()
        for place in self.places:
            with contextlib.suppress(OSError):
                os.rmdir(place)
        assert self.failure is None, self.failure

    def run(self):
        while True:
            try:
                self.conn, _ = self.socket.accept()
            except OSError:
                return
            with self.conn:
                try:
                    self.serve(self.conn.makefile("rb"))
                except (EOFError, ConnectionError, BrokenPipeError):
                    pass
                except Exception as e:          # of this file's own
                    self.failure = e

    def serve(self, stream):
        self.stream = stream
        with stream:
            if stream.read(1) != b"\0":
                raise EOFError
            self.authenticate(stream)
            while True:
                self.one_call(stream)

    def authenticate(self, stream):
        for line in stream:
            words = line.split()
            if words[0] == b"BEGIN":
                return
            if words == [b"AUTH", b"EXTERNAL"]:
                answer = b"DATA"
            elif words[0] in (b"AUTH", b"DATA"):
                answer = b"OK " + b"0" * 31 + b"1"
            else:
                answer = b"AGREE_UNIX_FD"
            self.conn.sendall(answer + b"\r\n")
        raise EOFError

    def one_call(self, stream):
        head = stream.read(16)
        if len(head) < 16:
            raise EOFError
        size, serial, fields_size = struct.unpack_from("<III", head, 4)
        rest = stream.read(fields_size + -fields_size % 8 + size)
        data = head + rest
        fields = dict(unpack(data, 12, "a(yv)")[0][0])
        begin = 16 + fields_size + -fields_size % 8
        values = unpack(data[begin:], 0, fields.get(8, ""))[0]
        self.calls.append((fields[3], values))
        if self.deaf is True or self.deaf == fields[3]:
            return
        handler = getattr(self, "on_" + fields[3], None)
        if handler:
            handler(serial, values)
        else:
            self.reply(serial)

    # ---- what it says ----

    def send(self, *args, **fields):
        self.serial += 1
        self.conn.sendall(message(args[0], self.serial, *args[1:], **fields))

    def reply(self, serial, signature="", *values):
        self.send(RETURN, signature, values, reply=(5, "u", serial))

    def refuse(self, serial, error):
        self.send(ERROR, "s", [error.text], name=(4, "s", error.name), reply=(5, "u", serial))

    def removed(self, number, unit, result):
        self.send(SIGNAL, "uoss", [number, JOB % number, unit, result], path=(1, "o", PATH),
                  interface=(2, "s", "org.freedesktop.systemd1.Manager"), member=(3, "s", "JobRemoved"))

    # ---- what it is asked ----

    def on_Hello(self, serial, _):
        self.reply(serial, "s", ":1.7")

    def on_Get(self, serial, values):
        self.reply(serial, "v", {"Version": self.version, "ActiveState": self.state}[values[1]])

    def on_GetUnit(self, serial, _):
        self.reply(serial, "o", PATH + "/unit/some_2escope")

    def on_Introspect(self, serial, _):
        self.reply(serial, "s", "<node/>")

    def on_StartTransientUnit(self, serial, values):
        unit, properties, answer = values[0], dict(values[2]), self.start_answer
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, Job) and answer.result == "done":
            self.move(unit, properties["PIDs"])
        self.job(serial, 7, unit, answer)

    def on_SetUnitProperties(self, serial, _):
        if self.set_answer:
            self.refuse(serial, self.set_answer)
            return
        self.reply(serial)
        if self.after_set:
            self.after_set(self.stream.peek(1) != b"")

    def on_StopUnit(self, serial, values):
        self.job(serial, 8, values[0], self.stop_answer)

    def job(self, serial, number, unit, answer):
        if answer is None:
            return
        if isinstance(answer, Error):
            self.refuse(serial, answer)
            return
        if isinstance(answer, Close):
            if answer.after:
                self.reply(serial, "o", JOB % number)
            self.conn.shutdown(socket.SHUT_RDWR)
            raise EOFError
        if not answer.early:
            self.reply(serial, "o", JOB % number)
        for other, its_unit, result in answer.first:
            self.removed(other, its_unit or unit, result)
        if answer.result is not None:
            self.removed(number, unit, answer.result)
        if answer.early:
            self.removed(9, unit, "canceled")
            self.reply(serial, "o", JOB % number)

    def move(self, unit, pids):
        """In one hierarchy, as if it were the only one that this manager has."""
        tops = {name: top for top, names in cgroup_mounts() for name in names}
        place = "%s/%s" % (tops.get("name=systemd") or tops[""], unit)
        os.mkdir(place)
        self.places.append(place)
        for pid in pids:
            write(place + "/cgroup.procs", str(pid))
