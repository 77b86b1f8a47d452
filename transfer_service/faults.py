"""Faults of the machine in the words of the rules: the one place that tells a full disk from a broken machine."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from transfer_service.errors import FlushFailed, ReadFailed, StorageFull, StoreUnavailable, TransferError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR})
"""What passes when others have ended: nothing is wrong with the bytes."""
_OURS = frozenset({errno.EBADF, errno.EINVAL, errno.EFAULT, errno.ESPIPE, errno.EEXIST, errno.ENAMETOOLONG})
"""What only a wrong call gives."""
_NO_THREAD = "can't start new thread"  # CPython's words; it is a bare RuntimeError


def fault_of(error: BaseException) -> TransferError | None:
    """The error of ours that a fault of the machine amounts to; None for what is a fault of the program or the client.

    A connection that breaks is no fault of the machine's.
    """
    if isinstance(error, OSError) and not isinstance(error, (ConnectionError, TimeoutError)):
        if error.errno in _FULL:
            return StorageFull()
        return None if error.errno is None or error.errno in _OURS else StoreUnavailable()
    is_thread_lacking = isinstance(error, RuntimeError) and str(error) == _NO_THREAD
    if is_thread_lacking or isinstance(error, MemoryError) or _is_redis_away(error):
        return StoreUnavailable()
    return None


def _is_redis_away(error: BaseException) -> bool:
    """By names: the package is there only where a Redis is configured, and loaded only then."""
    kinds = {(kind.__module__, kind.__name__) for kind in type(error).__mro__}
    return not kinds.isdisjoint({("redis.exceptions", "ConnectionError"), ("redis.exceptions", "TimeoutError")})


@contextmanager
def faults_named() -> Iterator[None]:
    """Raises StorageFull where the disk has no room for what is done within, StoreUnavailable where it is broken."""
    try:
        yield
    except OSError as error:
        fault = fault_of(error)
        if fault is None:
            raise
        raise fault from error


@contextmanager
def flush_faults_named() -> Iterator[None]:
    """Raises FlushFailed where the disk does not take what was written, StorageFull, StoreUnavailable."""
    with faults_named():
        try:
            yield
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise FlushFailed from error


@contextmanager
def read_faults_named() -> Iterator[None]:
    """Raises ReadFailed where stored bytes cannot be read, StoreUnavailable where only descriptors or memory lack."""
    try:
        yield
    except OSError as error:
        raise read_fault_of(error) from error


def read_fault_of(error: OSError) -> TransferError:
    """ReadFailed, or StoreUnavailable where only descriptors or memory lack."""
    return StoreUnavailable() if error.errno in _EXHAUSTED else ReadFailed()


def errno_name(error: BaseException | None) -> str | None:
    """What the operating system calls it, as in errno(3), for the log; None where it did not say anything."""
    number = error.errno if isinstance(error, OSError) else None
    return errno.errorcode.get(number) if number is not None else None
