"""A fetch as the worker runs it, in a process of its own: `python -m tests.remote.patched_fetch URL SIZE`.

SIGTERM kills the fetch. Prints `done` or the exception that ended it, and stays until its standard input is closed.
"""

from gevent import monkey

monkey.patch_all()

import signal  # noqa: E402 - patching comes before every other import
import sys  # noqa: E402
import time  # noqa: E402

import gevent  # noqa: E402

from tests.remote.memory_sink import MemorySink  # noqa: E402
from transfer_service.remote.fetcher import Fetcher  # noqa: E402


def main(url: str, size: int) -> None:
    sink = MemorySink()
    fetcher = Fetcher(allow_private=True)
    deadline = time.monotonic() + 60
    running = gevent.spawn(
        fetcher.fetch, url, sink, size=size, validator=None, deadline=deadline, remember_validator=lambda _: None
    )
    gevent.signal_handler(signal.SIGTERM, running.kill)
    running.join()
    print("done" if sink.length == size else type(running.value).__name__, flush=True)  # noqa: T201
    gevent.get_hub().threadpool.apply(sys.stdin.read)


main(sys.argv[1], int(sys.argv[2]))
