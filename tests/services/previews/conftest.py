"""A maker of previews for all tests, and what works with it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.services.conftest import Bench
from tests.stores import content, listed
from transfer_service.services.previews import rows as preview_rows
from transfer_service.services.previews.maker import Maker
from transfer_service.services.previews.making import PreviewMaking
from transfer_service.services.previews.removal import PreviewRemoval
from transfer_service.services.previews.rows import PreviewRecord


@pytest.fixture(scope="session")
def maker() -> Iterator[Maker]:
    maker = Maker()
    yield maker
    maker.stop()


@dataclass
class Previews:
    """Services, and a worker that does what it is told."""

    bench: Bench
    making: PreviewMaking

    def send(self, data: bytes, name: str = "a.jpg") -> str:
        """A file; the subject of its preview."""
        return self.bench.store(data, name).id.hex

    def work(self) -> int:
        """Make everything that waits. How many that were."""
        count = len(list(PreviewRemoval(self.bench.services.core).remove_gone(dry_run=False)))
        while subjects := self.making.choose(5):
            count += sum(self.making.make(subject) for subject in subjects)
        return count

    def find(self, subject: str) -> PreviewRecord | None:
        with self.bench.services.database.read_rows() as rows:
            return preview_rows.find(rows, subject)

    def made(self, data: bytes, name: str = "a.jpg") -> PreviewRecord:
        """The preview of such a file, made."""
        subject = self.send(data, name)
        self.work()
        found = self.find(subject)
        assert found is not None
        return found

    def stored(self) -> set[str]:
        """What is in the room."""
        return {each.key for each in listed(self.bench.services.core.previews)}

    def shown(self, preview: PreviewRecord, size: int) -> bytes:
        start, length = preview.span_of(size)
        return content(self.bench.services.core.previews, preview.subject)[start : start + length]


@pytest.fixture
def previews(bench: Bench, maker: Maker) -> Previews:
    """On SQLite."""
    return Previews(bench, PreviewMaking(bench.services.core, maker))


@pytest.fixture
def any_previews(any_bench: Bench, maker: Maker) -> Previews:
    """On each of both databases."""
    return Previews(any_bench, PreviewMaking(any_bench.services.core, maker))
