"""Blocking work off the event loop."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from gevent import get_hub
from gevent.monkey import is_module_patched

T = TypeVar("T")


class Offload(Protocol):
    """Runs `work` so that it holds up nobody else, and gives its result or its exception back."""

    def __call__(self, work: Callable[[], T], /) -> T:
        """Run `work`."""


def offload(work: Callable[[], T], /) -> T:
    """Run `work` in gevent's thread pool where gevent serves, and inline elsewhere (commands, tests).

    A hop costs about 50 microseconds: worth it for a mebibyte of hashing or writing, for fsync and for argon2.
    """
    if not is_module_patched("threading"):
        return work()
    result, failure = get_hub().threadpool.apply(_caught, (work,))
    if failure is not None:
        raise failure
    return result  # type: ignore[no-any-return]


def _caught(work: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    # gevent prints the traceback of an exception that leaves a pool thread, so none leaves it.
    try:
        return work(), None
    except BaseException as failure:
        return None, failure
