"""What hostile accounts, archives and clients try against remote downloads, and what must not come of it."""

import io
import struct
import tempfile
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.live.bad_source import HONEST
from tests.live.download_worker import working
from tests.live.remote import GameEntry, Site, game_bytes, remote_site
from tests.stores import reader_of
from transfer_service.storage.zip_directory import Directory

BOMB_BYTES = 192 * 1024 * 1024
STEP = 1_000_000
MANY_ENTRIES = 20_000
ROUNDS = 15


def bomb() -> bytes:
    """A zip with one member that inflates to BOMB_BYTES of zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("bomb.bin", bytes(BOMB_BYTES))
    return buffer.getvalue()


def one_header_for_all(count: int) -> bytes:
    """A zip whose entries all name one local header, with the longest extra field of the smallest pieces."""
    extra = bytes(65532)
    unknown = 0xFFFFFFFF
    header = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, unknown, unknown, 1, len(extra)) + b"a" + extra
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(entry) * count, len(header), 0)
    return header + entry * count + end


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data_dir = tmp_path_factory.mktemp("attacks") / "data"
    with remote_site(data_dir, bomb()) as site, working(data_dir, **site.server.environment):
        yield site


@pytest.fixture(scope="module")
def game(site: Site) -> GameEntry:
    """The bomb, downloaded, and its member checked."""
    game = site.next_game(HONEST)
    site.start(game)
    site.wait_for(game, "completed")
    assert site.carol.head(member_url(site, game), timeout=60).headers["Content-Length"] == str(BOMB_BYTES)
    return game


def member_url(site: Site, game: GameEntry) -> str:
    return f"{site.server.url}/game-zip/{game.game_id}/bomb.bin"


def cpu_seconds(site: Site, game: GameEntry, ranges: str) -> float:
    """What the service works for one request of ranges."""
    process = site.server.worker()
    before = process.cpu_times()
    answer = site.carol.get(member_url(site, game), headers={"Range": f"bytes={ranges}"}, timeout=120, stream=True)
    assert answer.status_code in {200, 206}
    next(answer.iter_content(1))
    if answer.status_code == 206:
        assert len(answer.content) < STEP
    answer.close()
    after = process.cpu_times()
    return after.user + after.system - before.user - before.system


def test_ranges_in_descending_order_cost_about_as_much_as_one(site: Site, game: GameEntry) -> None:
    last = BOMB_BYTES - 1
    one = cpu_seconds(site, game, f"{last}-{last}")

    many = cpu_seconds(site, game, ",".join(f"{last - part * STEP}-{last - part * STEP}" for part in range(16)))

    assert many < 4 * one + 0.2


def test_entries_that_share_one_header_are_judged_in_no_time() -> None:
    with tempfile.NamedTemporaryFile() as file, closing(reader_of(Path(file.name))) as archive:
        file.write(one_header_for_all(MANY_ENTRIES))
        file.flush()
        began = time.process_time()

        directory = Directory(archive, max_member_bytes=1024)

        assert time.process_time() - began < 5
        assert [member.flaw for batch in directory.batches(10) for member in batch] == ["damaged"]


def test_starts_at_the_same_moment_are_all_answered(data_dir: Path) -> None:
    with remote_site(data_dir, *(game_bytes(1000 + number) for number in range(3))) as site:
        games = [site.next_game(HONEST) for _ in range(3)]
        headers = dict(site.carol.headers)

        def start(game: GameEntry) -> int:
            """On a connection of its own, so that all come at once."""
            body = {"gameDataId": game.data_id}
            return requests.post(site.url_of(game), json=body, headers=headers, timeout=30).status_code

        with ThreadPoolExecutor(len(games)) as pool:
            for _ in range(ROUNDS):
                try:
                    statuses = list(pool.map(start, games))
                except requests.Timeout:
                    site.server.kill()  # it would wait for the ones that hang
                    pytest.fail("a start was not answered")
                assert statuses == [202] * 3
                assert [site.cancel(game).status_code for game in games] == [200] * 3
