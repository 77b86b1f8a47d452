"""Downloads from a service that refuses for now, or tells when to come again."""

import random
import time
from pathlib import Path

import pytest
from transfer_service_client.connection.session import _ANSWER_SECONDS, SILENCE_SECONDS
from transfer_service_client.downloads import downloads
from transfer_service_client.downloads.downloads import download
from transfer_service_client.errors import NotFound

from tests.client.small_service import SmallService, serving

DATA = random.Random(19).randbytes(3 << 20)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_PARALLEL_BYTES", 1 << 20)
    monkeypatch.setattr(downloads, "_PIECE_BYTES", 300_000)
    monkeypatch.setattr(downloads, "_NEAR_SECONDS", 0)


@pytest.mark.usefixtures("small_pieces")
def test_a_refusal_of_the_first_request_passes_and_pieces_come_as_ever(tmp_path: Path) -> None:
    service = SmallService(DATA)
    service.statuses = [503, 429]
    with serving(service) as session:
        download(session, service.file(), tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == DATA
    assert len(service.ranges) == 2 + 1 + -(-len(DATA) // 300_000)


@pytest.mark.usefixtures("small_pieces")
def test_a_refusal_of_the_first_request_that_stays_is_told(tmp_path: Path) -> None:
    service = SmallService(DATA)
    service.statuses = [404]
    with serving(service) as session, pytest.raises(NotFound):
        download(session, service.file(), tmp_path / "film.mp4")
    assert service.ranges == ["bytes=0-0"]


def test_the_time_that_a_refusal_asks_for_is_waited_for(tmp_path: Path) -> None:
    service = SmallService(DATA[:10])
    service.statuses, service.retry_after = [429], "1"
    with serving(service) as session:
        began_at = time.monotonic()
        download(session, service.file(), tmp_path / "film.mp4")
    assert time.monotonic() - began_at >= 1


@pytest.mark.parametrize("still_after", [0, 1_000_000], ids=["from-the-start", "in-its-middle"])
def test_a_line_that_stands_still_is_left_for_another_one(tmp_path: Path, still_after: int) -> None:
    """The connection stays open, so nothing but time tells."""
    service = SmallService(DATA)
    service.still_after = [still_after]
    with serving(service) as session:
        session.silence_seconds = 2.0
        began_at = time.monotonic()
        download(session, service.file(), tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == DATA
    assert service.ranges[:1] + service.ranges[-1:] == [
        None,
        f"bytes={still_after}-{len(DATA) - 1}" if still_after else None,
    ]
    assert time.monotonic() - began_at < 60  # an answer to other requests is waited for by 90


def test_the_page_says_how_long_a_silent_line_is_waited_for() -> None:
    page = (Path(__file__).parents[2] / "docs/client.md").read_text()
    assert f"gets no byte for {SILENCE_SECONDS:.0f} seconds" in page
    assert f"may take {_ANSWER_SECONDS:.0f}, " in page


def test_the_rest_of_a_file_is_asked_for_of_the_same_version_only(tmp_path: Path) -> None:
    service = SmallService(DATA)
    service.body = lambda _start, data: data[:700_000]
    with serving(service) as session:
        download(session, service.file(), tmp_path / "film.mp4")
    assert service.versions == [None, *['"one"'] * (len(service.ranges) - 1)]
    assert len(service.ranges) > 2
