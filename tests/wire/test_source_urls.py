"""Where a source keeps an archive."""

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.wire.game_catalogue import Source

GAME = uuid.UUID("0b8bd5ab-2f5c-4b3c-a3d5-2f2fd2c6d1f0")
SHA256 = "ab" * 32
SECOND = datetime(2024, 5, 1, 12, tzinfo=UTC)  # 1714564800 in unix seconds


def url(base_url: str, added_at: datetime = SECOND) -> str:
    source = Source(name="mirror", base_url=base_url)
    return source.url_of(game_id=GAME, game_data_id=12345, added_at=added_at, sha256=SHA256)


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        pytest.param("https://h/", f"https://h/{GAME}-1714564800000.zip", id="folder"),
        pytest.param("http://h:81/a/b-", f"http://h:81/a/b-{GAME}-1714564800000.zip", id="prefix"),
        pytest.param("https://h/get?f=", f"https://h/get?f={GAME}-1714564800000.zip", id="query"),
        pytest.param("https://h/{gameId}", f"https://h/{GAME}", id="game"),
        pytest.param("https://h/{gameDataId}.zip", "https://h/12345.zip", id="archive"),
        pytest.param("https://h/?sum={sha256}", f"https://h/?sum={SHA256}", id="digest"),
        pytest.param(
            "https://h/{gameId}/{gameDataId}/{sha256}", f"https://h/{GAME}/12345/{SHA256}", id="all-placeholders"
        ),
        pytest.param("https://h/{gameId}/{gameId}.zip", f"https://h/{GAME}/{GAME}.zip", id="one-placeholder-twice"),
    ],
)
def test_the_address_of_an_archive(base_url: str, expected: str) -> None:
    assert url(base_url) == expected


@pytest.mark.parametrize(
    ("added_at", "milliseconds"),
    [
        pytest.param(datetime(1970, 1, 1, tzinfo=UTC), 0, id="the-epoch"),
        pytest.param(SECOND, 1714564800000, id="whole-second"),
        pytest.param(SECOND.replace(microsecond=123000), 1714564800123, id="milliseconds"),
        pytest.param(SECOND.replace(microsecond=123999), 1714564800123, id="microseconds-are-cut-off"),
        pytest.param(SECOND.replace(microsecond=999), 1714564800000, id="less-than-a-millisecond"),
        pytest.param(SECOND.astimezone(timezone(timedelta(hours=-5))), 1714564800000, id="another-zone"),
        pytest.param(datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), 253402300799999, id="the-last"),
    ],
)
def test_the_name_has_the_milliseconds_of_its_date(added_at: datetime, milliseconds: int) -> None:
    assert url("https://h/", added_at) == f"https://h/{GAME}-{milliseconds}.zip"


@given(milliseconds=st.integers(0, 253402300799999), rest=st.integers(0, 999))
def test_milliseconds_are_exact(milliseconds: int, rest: int) -> None:
    added_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds, microseconds=rest)
    assert url("https://h/", added_at).endswith(f"-{milliseconds}.zip")
