# SPDX-License-Identifier: Apache-2.0
"""The few bytes of ttrpc and protobuf that a test needs to speak Task to a pod, as an engine does."""

import socket
import struct

TASK = b"containerd.task.v2.Task"


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def message(*fields):
    """Of (number, value) pairs: text, bytes, or a whole number; None is left out."""
    out = b""
    for number, value in fields:
        if value is None:
            continue
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
            continue
        data = value.encode() if isinstance(value, str) else value
        out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def read(data):
    """{number: value} of a packed message; of repeated ones the last."""
    found, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            found[key >> 3] = number()
        else:
            length = number()
            found[key >> 3] = data[at:at + length]
            at += length
    return found


class Refused(Exception):
    """code, text: as the server says them."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


class Client:
    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.stream = -1

    def send(self, method, *fields):
        """Returns the number that receive() wants."""
        self.stream += 2
        call = message((1, TASK), (2, method), (3, message(*fields)))
        self.socket.sendall(struct.pack(">IIBB", len(call), self.stream, 1, 0) + call)
        return self.stream

    def _take(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def receive(self, stream):
        """The answer as read() has it; those of other calls are dropped."""
        while True:
            length, number, _, _ = struct.unpack(">IIBB", self._take(10))
            answer = read(self._take(length))
            if number != stream:
                continue
            if 1 in answer:
                status = read(answer[1])
                raise Refused(status.get(1, 0), status.get(2, b"").decode())
            return read(answer.get(2, b""))

    def call(self, method, *fields):
        return self.receive(self.send(method, *fields))
