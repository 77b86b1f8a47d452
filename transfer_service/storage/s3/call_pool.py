"""Threads of the system for calls to an object store: a bounded number, begun at first use.

Sockets of gevent belong to the thread that opened them, so each thread keeps its connections for itself, and whoever
wants something of the store, on the event loop, in gevent's pool or without gevent, hands it over and waits in its own
way. Calls on the loop would cost less CPU (0.8 against 1.3 ms), but with eight bodies of 8 MiB on their way the loop
then stands still for up to 50 ms, against 15.
"""

from __future__ import annotations

import os
from _queue import SimpleQueue  # of the system: gevent replaces the name in `queue`
from collections.abc import Callable
from typing import Any, TypeVar

from gevent import get_hub
from gevent.event import Event
from gevent.monkey import get_original, is_module_patched
from gevent.resolver.blocking import Resolver

from transfer_service.errors import StoreUnavailable
from transfer_service.faults import fault_of
from transfer_service.threads import Outcome, is_on_loop

T = TypeVar("T")

_allocate_lock: Callable[[], Any] = get_original("_thread", "allocate_lock")
_local: Callable[[], Any] = get_original("threading", "local")
_start_thread: Callable[[Callable[[], None], tuple[()]], int] = get_original("_thread", "start_new_thread")


class CallPool:
    """Runs calls in at most `most` threads. What is forked from the process that made it begins its own."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._begin_anew()

    def begin(self, work: Callable[[], T]) -> Callable[[], T]:
        """Begin `work`; the function that comes back waits for its end, and must be called.

        A greenlet that is killed while it waits ends when the work has: that may still read what the greenlet owns.
        In a thread of the pool itself it is done at once, so that nobody in it waits for others. Raises
        StoreUnavailable where there is no thread for it.
        """
        if self._process != os.getpid():
            self._begin_anew()
        if getattr(self._own, "is_here", False):
            return Outcome(work).unwrap
        outcomes: list[Outcome[T]] = []
        tell, wait = _on_loop() if is_on_loop() else _elsewhere()

        def run() -> None:
            outcomes.append(Outcome(work))
            tell()

        with self._lock:
            self._waiting += 1
            lacks_thread = self._waiting > self._idle and self._threads < self._most
            self._threads += lacks_thread
        if lacks_thread:
            self._start()
        self._calls.put(run)

        def end() -> T:
            wait()
            return outcomes[0].unwrap()

        return end

    def _begin_anew(self) -> None:
        self._process = os.getpid()
        self._lock, self._own = _allocate_lock(), _local()
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._threads = self._idle = self._waiting = 0

    def _start(self) -> None:
        try:
            _start_thread(self._serve, ())
        except RuntimeError as error:
            with self._lock:
                self._threads -= 1
                are_others = self._threads > 0
                self._waiting -= not are_others
            if not are_others:
                raise fault_of(error) or StoreUnavailable() from error

    def _serve(self) -> None:
        calls, self._own.is_here = self._calls, True
        if is_module_patched("socket"):
            hub: Any = get_hub()  # this thread's own
            hub.resolver = Resolver(hub)  # looks names up right here, instead of in threads of this thread's
        while True:
            with self._lock:
                self._idle += 1
            run = calls.get()
            with self._lock:
                self._idle -= 1
                self._waiting -= 1
            run()
            del run  # or it would keep the bytes of the last call


def _on_loop() -> tuple[Callable[[], None], Callable[[], None]]:
    """How a thread tells the loop that it has ended, and how a greenlet waits for that."""
    watcher, ended = get_hub().loop.async_(), Event()

    def note() -> None:
        watcher.stop()
        watcher.close()
        ended.set()

    watcher.start(note)

    def wait() -> None:
        interruption: BaseException | None = None
        while not ended.is_set():
            try:
                ended.wait()
            except BaseException as thrown:  # noqa: BLE001 - into this greenlet, by another one; raised below
                interruption = interruption or thrown
        if interruption is not None:
            raise interruption

    return watcher.send, wait


def _elsewhere() -> tuple[Callable[[], None], Callable[[], None]]:
    ended = _allocate_lock()
    ended.acquire()
    return ended.release, ended.acquire
