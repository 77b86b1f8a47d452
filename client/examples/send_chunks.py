"""Send a file to Transfer Service in chunks, and go on where it stopped. For MicroPython; runs in Python as well.

    micropython send_chunks.py http://HOST:PORT KEY_FILE FILE [NAME] [17|12]

On a board: `import send_chunks; send_chunks.send("http://HOST:PORT", "key.header", "log.bin", "gate/log.bin")`.

KEY_FILE holds one line, "Authorization: Bearer tsk_...", as docs/devices.md makes it. 17 and 12 are the two kinds of
frames of docs/device-chunks.md; both store the same file. It speaks HTTP without TLS, so the key goes over the wire as
it is: use it where nobody else is on that wire. It ends with SendError where trying again does not help.
"""

import binascii
import hashlib
import json
import os
import socket
import struct
import sys
import time

CHUNK_BYTES = 16 * 1024  # one is held in memory twice; a chunk counts whole or not at all
TRIES = 12
LONGEST_WAIT = 3600  # seconds, where the service says how long
SILENCE_SECONDS = 90
PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
PASSING = (408, 429, 500, 502, 503, 504, 507)  # these may do better later


class SendError(Exception):
    """The file is not there, and trying again does not help."""


def frame_17(start, data):
    """u64 start, u64 inclusive end, u8 sum of the bytes modulo 256, then the data; big-endian."""
    return struct.pack(">QQB", start, start + len(data) - 1, sum(data) % 256) + data


def frame_12(start, data):
    """u32 start, u32 inclusive end, u32 sum of the bytes modulo 256, then the data: up to 4 GiB."""
    return struct.pack(">III", start, start + len(data) - 1, sum(data) % 256) + data


def quoted(name):
    """A name as it stands in an address, with `/` encoded too."""
    return "".join(chr(byte) if byte in PLAIN else "%%%02X" % byte for byte in name.encode())


class Line:
    """A connection that is opened when it is needed, and again when it has broken."""

    def __init__(self, server, key_file):
        """Where to speak, and with which key."""
        scheme, _, address = server.partition("://")
        self.address = address.rstrip("/")
        host, colon, port = self.address.rpartition(":")
        if not colon or port.endswith("]"):  # no port, or the last colon is one of IPv6
            host, port = self.address, 80
        self.host, self.port = host.strip("[]"), int(port)
        if scheme != "http":
            raise SendError("the address must begin with http://")
        with open(key_file) as file:
            self.authorization = file.readline().strip()
        self.socket = None
        self.came = b""

    def ask(self, method, path, body=b"", fields=""):
        """The JSON of a good answer. A chunk that is sent twice counts once, so whatever fails is asked again."""
        for attempt in range(TRIES):
            pause = min(60, 2**attempt)
            was_open = self.socket is not None
            try:
                status, retry_after, answer = self.exchange(method, path, body, fields)
                if status == 200:
                    return json.loads(answer)
                self.hang_up()  # a refusal may leave the rest of a body unread
                if status not in PASSING and b"ended early" not in answer:
                    raise SendError("%d: %s" % (status, answer.decode()))
                pause = max(pause, retry_after)
            except (OSError, ValueError, IndexError):  # also of what is no HTTP
                self.hang_up()
                pause = 0 if was_open else pause  # it may have been closed while it rested
            print("no success, trying again in", pause, "s", file=sys.stderr)
            time.sleep(pause)
        raise SendError("gave up; run it again to go on")

    def exchange(self, method, path, body, fields):
        """One request and its answer: status, seconds of Retry-After or 0, body."""
        if self.socket is None:
            self.dial()
        head = "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n%s" % (method, path, self.address, self.authorization, fields)
        self.send(("%sContent-Length: %d\r\n\r\n" % (head, len(body))).encode())
        self.send(body)
        status = 100
        while status < 200:  # 1xx: something to know beforehand, and then the answer
            version, status = self.line().split()[:2]
            status = int(status)
            told = self.head()
        answer = self.read(int(told.get("content-length", "none")))
        if "close" in told.get("connection", "close" if version == "HTTP/1.0" else ""):
            self.hang_up()
        asked = told.get("retry-after", "")  # or a date, which needs a clock
        return status, min(int(asked), LONGEST_WAIT) if asked.isdigit() else 0, answer

    def head(self):
        """The fields of an answer, by their names in lower case."""
        found = {}
        while True:
            line = self.line()
            if not line:
                return found
            field, _, value = line.partition(":")
            found[field.lower()] = value.strip()

    def dial(self):
        """Connect."""
        found = socket.getaddrinfo(self.host, self.port, 0, socket.SOCK_STREAM)[0]
        self.socket = socket.socket(found[0], socket.SOCK_STREAM)
        self.socket.settimeout(SILENCE_SECONDS)
        self.socket.connect(found[-1])

    def hang_up(self):
        """Close, and forget what has come."""
        if self.socket is not None:
            self.socket.close()
        self.socket, self.came = None, b""

    def send(self, data):
        """All of it."""
        left = memoryview(data)
        while len(left):
            left = left[self.socket.send(left) :]

    def more(self):
        """Wait for some bytes."""
        block = self.socket.recv(1024)
        if not block:
            raise OSError("the connection has ended")
        self.came += block

    def line(self):
        """The next line, without its end."""
        while b"\n" not in self.came:
            self.more()
        end = self.came.find(b"\n")
        line, self.came = self.came[:end], self.came[end + 1 :]
        return line.decode().rstrip("\r")

    def read(self, size):
        """The next bytes."""
        while len(self.came) < size:
            self.more()
        data, self.came = self.came[:size], self.came[size:]
        return data


def send_chunk(line, name, total, start, data, kind):
    """Send one chunk and give the first byte that is still missing."""
    if kind == 17:
        path = "/api/files/upload?filename=%s&total_size=%d" % (quoted(name), total)
        return line.ask("POST", path, frame_17(start, data))["next_expected_byte"]
    fields = "Content-Range: bytes %d-%d/%d\r\n" % (start, start + len(data) - 1, total)
    return line.ask("POST", "/upload/" + quoted(name), frame_12(start, data), fields)["next_byte"]


def sha256_of(path):
    """The SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            block = file.read(CHUNK_BYTES)
            if not block:
                return binascii.hexlify(digest.digest()).decode()
            digest.update(block)


def send(server, key_file, path, name=None, kind=17):
    """Send a file, or what is missing of it, and give its SHA-256, which is the same here and there."""
    name = name or path.split("/")[-1]
    total = os.stat(path)[6]
    if total == 0:
        raise SendError("an empty file has no chunks, send it whole")
    if kind == 12 and total > 2**32:
        raise SendError("frames of 12 bytes are for files of up to 4 GiB")
    line = Line(server, key_file)
    try:
        status = line.ask("GET", "/api/files/status/" + quoted(name))
        with open(path, "rb") as file:
            while status["status"] != "complete":
                start = status["next_expected_byte"]
                if start >= total and (status["total_bytes"] != total or status["total_inferred"]):
                    start = max(0, total - CHUNK_BYTES)  # sent again, it tells the length, or is refused
                elif start >= total:
                    time.sleep(1)  # all is there, and the service still reads it back
                while start < total:
                    file.seek(start)
                    data = file.read(CHUNK_BYTES)
                    if not data:
                        raise SendError("the file has become shorter")
                    start = send_chunk(line, name, total, start, data, kind)
                status = line.ask("GET", "/api/files/status/" + quoted(name))
    finally:
        line.hang_up()
    if sha256_of(path) != status["sha256"]:
        raise SendError("the service has another file of this name, or this one changed meanwhile")
    return status["sha256"]


def main(arguments):
    """Run it from a shell; gives the exit status."""
    kind = int(arguments.pop()) if arguments[-1:] in (["17"], ["12"]) and len(arguments) > 3 else 17
    if len(arguments) not in (3, 4):
        print("usage: send_chunks.py http://HOST:PORT KEY_FILE FILE [NAME] [17|12]", file=sys.stderr)
        return 2
    try:
        print("stored, sha256", send(*arguments, kind=kind))
    except (OSError, SendError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
