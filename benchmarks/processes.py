"""Clients in processes of their own, so that they wait neither for each other nor for the one who measures."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import RawArray
from multiprocessing.synchronize import Barrier
from typing import Any, TypeVar

LOWER_PRIORITY = 10

Result = TypeVar("Result")
Start = Callable[[], object]
Count = Callable[[int], None]

_processes = multiprocessing.get_context("fork")  # children share what is mapped


def together(works: Sequence[Callable[[Start], Result]]) -> list[Result]:
    """Run each of `works` in its process, and return what they return.

    Each gets ready, and calls its argument to wait for the others. Raises RuntimeError where one fails.
    """
    barrier = _processes.Barrier(len(works))
    members: list[tuple[BaseProcess, Pipe]] = []
    try:
        for work in works:
            results, sender_end = _processes.Pipe(duplex=False)
            process = _processes.Process(target=_member, args=(work, barrier, sender_end))
            process.start()
            sender_end.close()
            members.append((process, results))
        return [results.recv() for _, results in members]
    except EOFError as error:
        raise RuntimeError("A client has failed, see above") from error
    finally:
        _end([process for process, _ in members])


def _member(work: Callable[[Start], object], barrier: Barrier, results: Pipe) -> None:
    try:
        results.send(work(barrier.wait))
    except BaseException:
        barrier.abort()  # nobody may wait for this one
        raise


@contextmanager
def background(works: Sequence[Callable[[Count], None]]) -> Iterator[Callable[[], list[int]]]:
    """Run each of `works`, which are endless, in a process of lower priority.

    Each reports bytes to its argument; yielded is what tells the sums so far. Raises RuntimeError where one has ended.
    """
    totals = RawArray("Q", len(works))
    members = [_processes.Process(target=_endless, args=(work, totals, index)) for index, work in enumerate(works)]
    try:
        for process in members:
            process.start()
        yield lambda: list(totals)
        if not all(process.is_alive() for process in members):
            raise RuntimeError("A client has failed, see above")
    finally:
        _end(members)


def _endless(work: Callable[[Count], None], totals: Any, index: int) -> None:
    def count(size: int) -> None:
        totals[index] += size

    os.nice(LOWER_PRIORITY)
    work(count)


def _end(members: Sequence[BaseProcess]) -> None:
    for process in members:
        if process.pid is not None:
            process.terminate()
            process.join()
