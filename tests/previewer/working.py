"""A worker that makes previews beside a test, in a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from transfer_service.services.core import Core
from transfer_service.services.previews.maker import Maker
from transfer_service.services.previews.making import PreviewMaking


@contextmanager
def working(core: Core, maker: Maker) -> Iterator[None]:
    """Until the block ends."""
    ended, making = threading.Event(), PreviewMaking(core, maker)

    def work() -> None:
        while not ended.wait(0.02):
            making.tidy()
            for subject in making.choose(2):
                making.make(subject)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
