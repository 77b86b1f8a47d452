"""The index of archives: what is in it, how it is replaced, and that no archive makes it fail."""

import io
import time
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from tests.games import add_archive, add_game, make_zip, unhindered
from tests.services.conftest import Bench
from tests.storage.zips import DEFLATED, Part, make
from transfer_service.db.database import Executor
from transfer_service.errors import BlobMissing, MemberUnreadable, NotFound, TransferError
from transfer_service.models.games import ArchiveMember
from transfer_service.services.games.archives import GameArchives, Member
from transfer_service.services.games.leases import LeaseLost
from transfer_service.wire.ranges import Span


def content_of(archives: GameArchives, member: Member) -> bytes:
    """The bytes of a member."""
    body = archives.open(member)
    with closing(body):
        return b"".join(body.blocks(Span(0, member.length)))


def rows_of(bench: Bench, game_data_id: int = 1) -> int:
    """How many members of an archive are in the index."""
    with bench.services.database.read() as session:
        members = select(func.count()).where(ArchiveMember.game_data_id == game_data_id)
        return session.scalars(members).one()


@pytest.fixture
def games(tmp_path: Path) -> Path:
    """The folder of archives."""
    folder = tmp_path / "data" / "games"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


MANY = {f"folder/{number}.txt": b"%d" % number for number in range(5001)}


def test_an_archive_is_indexed_in_several_transactions(any_bench: Bench, games: Path) -> None:
    archives = any_bench.services.game_archives
    game_id = add_archive(any_bench.services, games.parent, make_zip(MANY))
    assert rows_of(any_bench) == len(MANY)
    for name in ("folder/0.txt", "folder/5000.txt"):
        assert content_of(archives, archives.get_member(game_id, name)) == MANY[name]


def test_a_second_time_replaces_the_first(any_bench: Bench, games: Path) -> None:
    archives = any_bench.services.game_archives
    game_id = add_archive(any_bench.services, games.parent, make_zip(MANY))
    assert archives.index(1, hold=unhindered) == len(MANY)
    (games / "1.zip").write_bytes(make_zip({"new": b"x"}))
    assert (archives.index(1, hold=unhindered), rows_of(any_bench)) == (1, 1)
    with pytest.raises(NotFound):
        archives.get_member(game_id, "folder/0.txt")


def test_an_archive_that_is_no_zip_has_no_rows(bench: Bench, games: Path) -> None:
    archives = bench.services.game_archives
    game_id = add_archive(bench.services, games.parent, make_zip({"x": b"x"}))
    (games / "1.zip").write_bytes(b"no zip")
    assert (archives.index(1, hold=unhindered), rows_of(bench)) == (None, 0)
    with pytest.raises(NotFound):
        archives.get_member(game_id, "x")


def test_only_the_archive_that_is_indexed_is_changed(any_bench: Bench, games: Path) -> None:
    archives = any_bench.services.game_archives
    add_archive(any_bench.services, games.parent, make_zip(MANY))
    add_archive(any_bench.services, games.parent, make_zip({"x": b"x"}), game_data_id=2)
    (games / "1.zip").write_bytes(b"no zip")
    archives.index(1, hold=unhindered)
    assert (rows_of(any_bench, 1), rows_of(any_bench, 2)) == (0, 1)


def test_who_has_no_right_to_it_any_more_changes_nothing(any_bench: Bench, games: Path) -> None:
    def refuse(_rows: Executor) -> None:
        raise LeaseLost

    add_archive(any_bench.services, games.parent, make_zip(MANY))
    with pytest.raises(LeaseLost):
        any_bench.services.game_archives.index(1, hold=refuse)
    assert rows_of(any_bench, 1) == len(MANY)


def test_a_missing_archive_keeps_its_rows(bench: Bench, games: Path) -> None:
    add_archive(bench.services, games.parent, make_zip({"x": b"x"}))
    (games / "1.zip").unlink()
    with pytest.raises(BlobMissing):
        bench.services.game_archives.index(1, hold=unhindered)
    assert rows_of(bench) == 1


def test_by_url_on_each_database(any_bench: Bench, games: Path) -> None:
    archives = any_bench.services.game_archives
    add_archive(any_bench.services, games.parent, make_zip({"htdocs/a.com/x": b"second", "a.com/x": b"third"}))
    member = archives.find_by_url("A.com/x")
    assert (member.name, content_of(archives, member)) == ("htdocs/a.com/x", b"second")


@pytest.mark.parametrize(
    ("part", "detail"),
    [
        pytest.param(Part(b"x", b"data", flags=1), "is encrypted", id="encrypted"),
        pytest.param(Part(b"x", b"data", method=14), "by an unsupported method", id="unsupported"),
        pytest.param(Part(b"x", b"data", local={"name": b"y"}), "is damaged", id="damaged"),
        pytest.param(Part(b"x", b"data", DEFLATED, local={"crc32": 1}, central={"crc32": 1}), "is not what", id="lie"),
    ],
)
def test_a_flaw_has_a_sentence_of_its_own(bench: Bench, games: Path, part: Part, detail: str) -> None:
    game_id = add_archive(bench.services, games.parent, make([part]))
    with pytest.raises(MemberUnreadable, match=detail):
        bench.services.game_archives.get_member(game_id, "x")
    assert rows_of(bench) == 1


def test_a_member_is_looked_at_once(bench: Bench, games: Path) -> None:
    work = 0

    def count(job: Callable[[], Any], /) -> Any:
        nonlocal work
        work += 1
        return job()

    archives = GameArchives(replace(bench.services.core, offload=count))
    game_id = add_archive(bench.services, games.parent, make_zip({"x": bytes(3_000_000)}))
    archives.get_member(game_id, "x")
    first = work
    for _ in range(10):
        archives.get_member(game_id, "x")
    assert (first > 5, work) == (True, first)


@pytest.mark.alone
def test_a_member_of_a_hundred_thousand_costs_what_one_of_a_hundred_does(bench: Bench, games: Path) -> None:
    names = [f"content/example.com/{number:06}/file.txt" for number in range(100_000)]
    archives, costs = bench.services.game_archives, []
    for number, some in enumerate((names[::1000], names), start=1):
        content = make([Part(name.encode(), b"x") for name in some])
        game_id = add_archive(bench.services, games.parent, content, game_data_id=number)
        archives.get_member(game_id, names[0])
        began = time.process_time()
        for name in names[::1000]:
            archives.open(archives.get_member(game_id, name)).close()
        costs.append(time.process_time() - began)
    assert rows_of(bench, 2) == len(names)
    assert costs[1] < 5 * costs[0]  # whoever looks at all of them costs a thousand times as much


SAMPLE = {"a.txt": b"hello " * 40, "b/c.bin": bytes(range(256)), "empty": b""}
ORIGINAL = make_zip(SAMPLE)
DIRECTORY_AT = ORIGINAL.index(b"PK\x01\x02")
positions = st.one_of(
    st.integers(0, len(ORIGINAL) - 1), st.integers(DIRECTORY_AT, len(ORIGINAL) - 1), st.integers(0, 34)
)
mutations = st.lists(st.tuples(positions, st.integers(0, 255)), min_size=1, max_size=4)


def by_zipfile(content: bytes, name: str) -> bytes | None:
    """What Python makes of a member, None where it can make nothing of it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(name)
    except Exception:  # noqa: BLE001 - it raises whatever it runs into
        return None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=mutations, cut=st.one_of(st.just(0), st.integers(0, len(ORIGINAL))))
def test_whatever_is_served_is_what_another_reader_finds(
    shelf: tuple[Bench, Path, Any], changes: list[tuple[int, int]], cut: int
) -> None:
    bench, path, game_id = shelf
    mutated = bytearray(ORIGINAL)
    for position, value in changes:
        mutated[position] = value
    content = bytes(mutated[: len(mutated) - cut] + bytes(cut))  # of the same size, as a damaged disk leaves it
    path.write_bytes(content)
    archives = GameArchives(replace(bench.services.core, offload=lambda work: work()))
    archives.index(1, hold=unhindered)
    for name in SAMPLE:
        try:
            served = content_of(archives, archives.get_member(game_id, name))
        except TransferError:
            continue
        assert served == by_zipfile(content, name)


@pytest.fixture
def shelf(bench: Bench, games: Path) -> tuple[Bench, Path, Any]:
    """A game whose archive may be overwritten."""
    game_id = add_archive(bench.services, games.parent, ORIGINAL)
    return bench, games / "1.zip", game_id


def test_unknown_games_and_games_without_a_download_have_no_members(bench: Bench, games: Path) -> None:
    game_id = add_game(bench.services, 1)
    (games / "1.zip").write_bytes(ORIGINAL)
    bench.services.game_archives.index(1, hold=unhindered)
    with pytest.raises(NotFound):
        bench.services.game_archives.get_member(game_id, "a.txt")
    with pytest.raises(NotFound):
        bench.services.game_archives.find_by_url("a.txt")
