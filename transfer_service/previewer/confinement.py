"""What a process gives up before it looks at a file that somebody has sent.

It may not open anything any more, by any means (no descriptor is left to be had, RLIMIT_NOFILE), reach a network, run a
program, begin a process, or touch another one: what is left of the kernel is what a decoder needs, by a
filter of system calls (seccomp(2)) on the machines whose numbers are known here. Memory, time of the processor and of
the clock are limited by the kernel.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
from contextlib import suppress

from transfer_service.previewer.protocol import CPU_SECONDS, MEMORY_BYTES, SECONDS

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _PR_SET_DUMPABLE = 1, 22, 38, 4
_SECCOMP_MODE_FILTER = 2
_ALLOW, _REFUSE, _UNKNOWN, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_OTHER_ABI = 0x40000000
_CLONE, _CLONE3, _CLONE_THREAD = (56, 220), 435, 0x10000
NICENESS = 19
"""Of a preview that nobody waits for."""

_ABIS = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""By machine: its number among ABIs, as audit(7) has it."""
_CALLS = {
    "brk": (12, 214), "clock_gettime": (228, 113), "clock_nanosleep": (230, 115), "close": (3, 57), "exit": (60, 93),
    "exit_group": (231, 94), "fcntl": (72, 25), "fstat": (5, 80), "futex": (202, 98), "getcwd": (79, 17),
    "getpid": (39, 172), "getrandom": (318, 278), "getrusage": (98, 165), "gettid": (186, 178),
    "gettimeofday": (96, 169), "lseek": (8, 62), "madvise": (28, 233), "membarrier": (324, 283), "mmap": (9, 222),
    "mprotect": (10, 226), "mremap": (25, 216), "munmap": (11, 215), "nanosleep": (35, 101), "newfstatat": (262, 79),
    "pread64": (17, 67), "read": (0, 63), "readv": (19, 65), "rseq": (334, 293), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sched_getaffinity": (204, 123), "sched_yield": (24, 124),
    "set_robust_list": (273, 99), "sigaltstack": (131, 132), "write": (1, 64), "writev": (20, 66),
}  # fmt: skip
"""What is left, with its numbers on those machines. None of it opens anything, or names another process."""


_MACHINE = platform.machine()


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def die_with_parent(parent: int) -> None:
    """End when the parent does, however it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended before this was said
        os._exit(1)


def confine(*, is_urgent: bool) -> None:
    """Give up everything but memory, time and the descriptors that are open. There is no way back."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)  # whose signal ends a process that does not ask for it
    if not is_urgent:
        with suppress(OSError):  # a matter of manners, no limit
            os.nice(NICENESS)
    for what, limit in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    _filter_calls()


def _filter_calls() -> None:
    """Leave the calls of `_CALLS`: all others fail with EPERM, those of another ABI end the process."""
    abi = _ABIS.get(_MACHINE)
    if abi is None:
        return
    place = list(_ABIS).index(_MACHINE)
    clone, calls = _CLONE[place], [numbers[place] for numbers in _CALLS.values()]
    lines = [
        (_LOAD, 0, 0, 4),  # seccomp_data.arch
        (_EQUAL, 1, 0, abi),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),  # seccomp_data.nr
        (_AT_LEAST, 0, 1, _OTHER_ABI),
        (_RETURN, 0, 0, _KILL),
        (_EQUAL, 0, 1, _CLONE3),  # whose flags cannot be seen: glibc does it by clone then
        (_RETURN, 0, 0, _UNKNOWN),
        (_EQUAL, 0, 4, clone),
        (_LOAD, 0, 0, 16),  # seccomp_data.args[0]
        (_HAS_BITS, 0, 1, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
        *((_EQUAL, len(calls) - index, 0, call) for index, call in enumerate(calls)),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(_Program(len(lines), code)))


def _prctl(option: int, *values: object) -> None:
    given = [*values, *[0] * (4 - len(values))]
    arguments = [each if not isinstance(each, int) else ctypes.c_ulong(each) for each in given]
    if _libc.prctl(option, *arguments):
        raise OSError(ctypes.get_errno(), "prctl")


_libc = ctypes.CDLL(None, use_errno=True)
