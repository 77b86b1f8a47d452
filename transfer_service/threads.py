"""Blocking work off the event loop."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any, Generic, Protocol, TypeVar

from gevent import get_hub, spawn
from gevent.monkey import is_module_patched

from transfer_service.faults import fault_of

T = TypeVar("T")
_loops: list[Any] = []
"""The event loop of this process, once it has given work to the pool: how that finds the way back."""


class Offload(Protocol):
    """Runs `work` so that it holds up nobody else, and gives its result or its exception back."""

    def __call__(self, work: Callable[[], T], /) -> T:
        """Run `work`."""


class BeginOffload(Protocol):
    """Begins `work`; the function that comes back waits for its end, and must be called."""

    def __call__(self, work: Callable[[], T], /) -> Callable[[], T]:
        """Begin `work`."""


def is_on_loop() -> bool:
    """Whether gevent serves, and this is the thread of its event loop, where nothing may block."""
    return is_module_patched("threading") and threading.get_native_id() == os.getpid()  # only that thread has this id


def offload(work: Callable[[], T], /) -> T:
    """Run `work` in gevent's thread pool where gevent serves, and inline elsewhere (commands, tests, the pool itself).

    A hop costs about 50 microseconds: worth it for a mebibyte of hashing or writing, for fsync and for argon2. A
    greenlet that is killed meanwhile ends when the work has: or it would close the files that the work still uses.
    """
    return begin_offload(work)()


def begin_offload(work: Callable[[], T], /) -> Callable[[], T]:
    """Like `offload`, in two steps, with time for something else between them."""
    if not is_on_loop():
        return Outcome(work).unwrap
    result = _spawn(work)

    def wait() -> T:
        interruption: BaseException | None = None
        while True:
            try:
                outcome: Outcome[T] = result.get()
                break
            except BaseException as thrown:  # noqa: BLE001 - into this greenlet, by another one; raised below
                interruption = interruption or thrown
        if interruption is not None:
            raise interruption
        return outcome.unwrap()

    return wait


def run_beside(work: Callable[[], None]) -> None:
    """Run `work`, which waits for this and that, beside everything else until it ends: as a thread, or a greenlet.

    Under gevent it is one of the loop, wherever this is called. It shares no patience with the caller.
    """
    if not is_module_patched("threading"):
        threading.Thread(target=work, daemon=True).start()
    elif is_on_loop():
        spawn(Context().run, work)
    else:
        _loops[-1].run_callback_threadsafe(spawn, Context().run, work)


def fill_thread_pool() -> None:
    """Start every thread of the pool now, so that none lacks when threads or memory do."""
    pool = get_hub().threadpool
    with suppress(RuntimeError):  # there are as many as the system gives
        pool.size = pool.maxsize


def _spawn(work: Callable[[], T]) -> Any:
    """Begin `work` in the thread pool. Raises StoreUnavailable where there is no thread for it."""
    is_wanted, context = [True], copy_context()  # who works is who has begun it, in that thread too
    hub = get_hub()
    _loops[:] = [hub.loop]
    try:
        return get_hub().threadpool.spawn(lambda: context.run(Outcome, work) if is_wanted else None)
    except RuntimeError as error:
        fault = fault_of(error)
        if fault is None:
            raise
        is_wanted.clear()  # it stays in the queue of the pool, and may come to its turn when nobody waits for it
        raise fault from error


class Outcome(Generic[T]):
    """What `work` gave or raised: what leaves a thread is printed there as a traceback, so nothing leaves it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._results: list[T] = []
        self._failure: BaseException | None = None
        try:
            self._results.append(work())
        except BaseException as failure:  # noqa: BLE001 - raised again in `unwrap`
            self._failure = failure

    def unwrap(self) -> T:
        """Give the result, or raise."""
        if self._failure is not None:
            raise self._failure
        return self._results[0]
