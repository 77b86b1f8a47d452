"""What a fork of the maker cannot do any more, tried by one that wants to."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PROGRAM = """
import ctypes, json, os, signal, socket, subprocess, sys, threading, time
from transfer_service.previewer import confinement
answer, victim, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")
confinement.confine(is_urgent=False)
def attempt():
{attempt}
try:
    told = repr(attempt())
except BaseException as error:
    told = type(error).__name__
os.write(answer, json.dumps(told).encode())
os._exit(0)
"""
X86_64 = os.uname().machine == "x86_64"


def tried(tmp_path: Path, attempt: str, *, victim: int = 0) -> tuple[str | None, int]:
    """What became of it, and how the process ended."""
    reading, writing = os.pipe()
    program = PROGRAM.format(attempt=textwrap.indent(attempt, "    "))
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(writing), str(victim), str(tmp_path)],
        cwd=REPOSITORY, pass_fds=[writing], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        told = answer.read()
    return json.loads(told) if told else None, child.wait()


REFUSED = {
    "a file": "return open('/etc/hostname')",
    "its own environment": "return open('/proc/self/environ')",
    "a new file": "return open(folder + '/new', 'w')",
    "a folder": "return os.listdir('/')",
    "a socket": "return socket.socket()",
    "a descriptor more": "return os.dup(answer)",
    "memory that is a file": "return os.memfd_create('x')",
    "a pipe": "return os.pipe()",
    "a process": "return os.fork()",
    "a program": "return os.execv('/bin/true', ['/bin/true'])",
    "a program as a child": "return subprocess.run(['/bin/true'])",
    "a kill": "return os.kill(victim, signal.SIGKILL)",
    "a removal": "return os.remove(folder + '/kept')",
    "a new name": "return os.rename(folder + '/kept', folder + '/lost')",
    "a link": "return os.symlink('/etc', folder + '/link')",
    "a mode": "return os.chmod(folder + '/kept', 0)",
    "a cut": "return os.truncate(folder + '/kept', 0)",
    "more descriptors": "import resource; return resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10))",
}


@pytest.mark.parametrize("what", REFUSED)
def test_nothing_else_can_be_done(tmp_path: Path, what: str) -> None:
    (tmp_path / "kept").write_text("kept")
    victim = subprocess.Popen(["sleep", "60"])
    try:
        told, _ = tried(tmp_path, REFUSED[what], victim=victim.pid)
        assert told in {"PermissionError", "OSError", "ValueError"}
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()
    assert [(each.name, each.read_text(), each.stat().st_mode & 0o600) for each in tmp_path.iterdir()] == [
        ("kept", "kept", 0o600)
    ]


@pytest.mark.skipif(not X86_64, reason="numbers of calls are those of x86_64")
@pytest.mark.parametrize(
    "number", [101, 310, 311, 62, 200, 234, 57, 58, 59, 321, 272, 165, 425, 438], ids=lambda number: f"call-{number}"
)
def test_calls_that_touch_other_processes_or_the_kernel_are_refused(tmp_path: Path, number: int) -> None:
    assert tried(tmp_path, f"return call({number}, 0, 0, 0, 0, 0, 0)")[0] == "PermissionError"


@pytest.mark.skipif(not X86_64, reason="another ABI of x86_64")
def test_another_abi_is_the_end(tmp_path: Path) -> None:
    told, status = tried(tmp_path, "return call(0x40000000 + 39)")
    assert (told, status < 0) == (None, True)


def test_what_a_decoder_needs_is_left(tmp_path: Path) -> None:
    works = """
    told = []
    thread = threading.Thread(target=told.append, args=['thread'])
    thread.start(); thread.join()
    told.append(len(bytearray(100 * 1024 * 1024)))
    time.sleep(0.001)
    return told, os.urandom(1) != b''
    """
    assert tried(tmp_path, textwrap.dedent(works))[0] == "(['thread', 104857600], True)"


def test_memory_has_an_end(tmp_path: Path) -> None:
    assert tried(tmp_path, "return len(bytearray(2 * 1024 ** 3))")[0] == "MemoryError"


@pytest.mark.parametrize(
    ("limit", "endless"),
    [("CPU_SECONDS = 1", "while True: pass"), ("SECONDS = 1", "while True: time.sleep(0.01)")],
    ids=["processor", "clock"],
)
def test_time_has_an_end(tmp_path: Path, limit: str, endless: str) -> None:
    program = PROGRAM.replace("confinement.confine", f"confinement.{limit}\nconfinement.confine", 1)
    reading, writing = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-c", program.format(attempt=f"    {endless}"), str(writing), "0", str(tmp_path)],
        cwd=REPOSITORY, pass_fds=[writing], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writing)
    os.close(reading)
    assert child.wait(60) < 0
