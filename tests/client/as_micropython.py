"""Run a program with only what MicroPython has too, in builtins, modules and methods: `as_micropython.py FILE …`."""

import binascii
import builtins
import hashlib
import json
import socket
import struct
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

BUILTINS = {
    "__build_class__", "abs", "all", "any", "bin", "bool", "bytearray", "bytes", "callable", "chr", "dict", "divmod",
    "enumerate", "filter", "float", "getattr", "hasattr", "hash", "hex", "id", "int", "isinstance", "iter", "len",
    "list", "map", "max", "memoryview", "min", "next", "object", "oct", "open", "ord", "pow", "print", "range",
    "repr", "reversed", "round", "set", "setattr", "sorted", "str", "sum", "super", "tuple", "type", "zip", "True",
    "False", "None", "AssertionError", "AttributeError", "EOFError", "Exception", "ImportError", "IndexError",
    "KeyError", "KeyboardInterrupt", "MemoryError", "NameError", "NotImplementedError", "OSError", "OverflowError",
    "RuntimeError", "StopIteration", "SyntaxError", "SystemExit", "TypeError", "UnicodeError", "ValueError",
    "ZeroDivisionError",
}  # fmt: skip


class Digest:
    """A hash without names and hexadecimal."""

    def __init__(self, data: bytes = b"") -> None:
        hasher = hashlib.sha256(data)
        self.update, self.digest = hasher.update, hasher.digest


class Socket:
    """A socket with the methods of the port for Unix: no `sendall`, no `makefile` that has to be flushed."""

    def __init__(self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> None:
        real = socket.socket(family, kind)
        self.connect, self.send, self.recv = real.connect, real.send, real.recv
        self.settimeout, self.close = real.settimeout, real.close


MODULES = {
    "binascii": SimpleNamespace(hexlify=binascii.hexlify, unhexlify=binascii.unhexlify),
    "hashlib": SimpleNamespace(sha256=Digest),
    "json": SimpleNamespace(loads=json.loads, dumps=json.dumps),
    "os": SimpleNamespace(stat=lambda path: tuple(Path(path).stat())),
    "socket": SimpleNamespace(
        socket=Socket, getaddrinfo=socket.getaddrinfo, AF_INET=socket.AF_INET, SOCK_STREAM=socket.SOCK_STREAM
    ),
    "struct": SimpleNamespace(pack=struct.pack, unpack=struct.unpack, calcsize=struct.calcsize),
    "sys": SimpleNamespace(argv=sys.argv[1:], exit=sys.exit, stderr=sys.stderr, stdout=sys.stdout),
    "time": SimpleNamespace(sleep=time.sleep, time=time.time),
}


def imported(name: str, *_scope: Any) -> SimpleNamespace:
    """What `import` gives."""
    if name not in MODULES:
        raise ImportError(f"not in MicroPython: {name}")
    return MODULES[name]


if __name__ == "__main__":
    path = Path(sys.argv[1])
    known = {name: getattr(builtins, name) for name in BUILTINS}
    scope = {"__builtins__": {**known, "__import__": imported}, "__name__": "__main__"}
    exec(compile(path.read_text(), str(path), "exec"), scope)
