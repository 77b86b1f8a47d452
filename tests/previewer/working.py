"""A worker that makes previews beside a test, in a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from transfer_service.services.core import Core
from transfer_service.services.previews.maker import Maker
from transfer_service.services.previews.making import PreviewMaking
from transfer_service.services.previews.removal import PreviewRemoval


@contextmanager
def working(core: Core, maker: Maker) -> Iterator[None]:
    """Until the block ends."""
    ended, making, removal = threading.Event(), PreviewMaking(core, maker), PreviewRemoval(core)

    def work() -> None:
        while not ended.wait(0.02):
            list(removal.remove_gone(dry_run=False))
            for subject in making.choose(2):
                making.make(subject)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
