"""The part of the worker that has previews made, in this process."""

from typing import Any

import gevent
import pytest

from tests.previewer.samples import picture
from tests.services.conftest import Bench
from transfer_service.models.previews import PreviewState
from transfer_service.previewing import Previewing


def test_the_worker_makes_what_waits_and_ends_its_maker(bench: Bench) -> None:
    """It runs here, where others see it: another greenlet ends it when there is nothing left to make."""

    class Done(BaseException):
        pass

    core = bench.services.core
    subjects = [bench.store(picture(), f"{number}.jpg").id.hex for number in range(3)]
    worker: Any = Previewing(core)
    runs = gevent.getcurrent()

    def states() -> list[PreviewState | None]:
        return [found.state if found else None for found in map(bench.services.previews.find, subjects)]

    def end_it() -> None:
        try:
            with gevent.Timeout(60):
                while states() != [PreviewState.READY] * 3:
                    gevent.sleep(0.05)
        finally:
            gevent.kill(runs, Done)

    other = gevent.spawn(end_it)
    with pytest.raises(Done):
        worker.run()
    other.get()
    assert states() == [PreviewState.READY] * 3
    assert worker._maker.process_id is None
