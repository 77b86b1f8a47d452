"""Making links, and what they give out as files and folders change."""

import uuid
from typing import Any

import pytest
from sqlalchemy import func, select, update

from tests.conftest import PASSWORD
from tests.services.conftest import Bench, plan_of
from tests.services.sharing.bench import Links
from transfer_service.errors import InvalidRequest, LinkGone, NotComplete, NotFound
from transfer_service.models.accounts import Account
from transfer_service.models.links import Link, LinkFile, LinkFolder, LinkTransfer
from transfer_service.services.sharing.link_downloads import Subject
from transfer_service.services.sharing.link_rows import page_statement
from transfer_service.services.sharing.link_tokens import LinkTokens
from transfer_service.wire.links import MAX_LISTED

NOBODYS = uuid.UUID(int=7)


def test_a_link_gives_out_its_files_in_their_order(any_bench: Bench) -> None:
    links = Links(any_bench)
    files = [any_bench.store(name.encode(), name) for name in ("b.txt", "deep/er/a.txt", "c.txt")]
    link = links.to(*(file.id for file in files), name="three")
    assert links.names(link) == ["b.txt", "a.txt", "c.txt"]
    assert links.again(link) == link == links.service.get(any_bench.account_id, link.id)


def test_a_link_to_folders_follows_them(any_bench: Bench) -> None:
    links, folders = Links(any_bench), any_bench.services.folders
    single = any_bench.store(b"one", "outside/one.txt")
    any_bench.store(b"two", "year/june/b.txt")
    any_bench.store(b"three", "year/june/day/a.txt")
    any_bench.store(b"four", "year/june2/not.txt")
    link = links.to(single.id, folders=("year/june",))
    assert links.names(link) == ["one.txt", "june/b.txt", "june/day/a.txt"]
    any_bench.store(b"five", "year/june/new.txt")
    folders.move(any_bench.account_id, "year/june", "summer")
    assert links.names(link) == ["one.txt", "summer/b.txt", "summer/new.txt", "summer/day/a.txt"]
    folders.delete(any_bench.account_id, "summer", is_recursive=True)
    assert links.names(link) == ["one.txt"]
    any_bench.services.files.delete(any_bench.account_id, "outside/one.txt")
    with pytest.raises(LinkGone):
        links.again(link)


def test_only_what_is_in_a_link_can_be_had_by_it(bench: Bench) -> None:
    links = Links(bench)
    own, other = bench.store(b"own", "own.txt"), bench.store(b"other", "folders/other.txt")
    inside = bench.store(b"inside", "folder/a/inside.txt")
    bench.append(0, b"half", "folder/half.txt", total=100)
    half = bench.find("folder/half.txt")
    link = links.to(own.id, folders=("folder",))
    assert links.service.get_file(link, own.id).name == "own.txt"
    assert links.service.get_file(link, inside.id).name == "folder/a/inside.txt"
    assert half is not None
    for file_id in (other.id, half.id, NOBODYS):
        with pytest.raises(LinkGone):
            links.service.get_file(link, file_id)


def test_a_restored_file_is_back_in_its_links(make_bench: Any) -> None:
    bench = make_bench(trash_days=30)
    links, file = Links(bench), bench.store(b"bytes", "a.txt")
    link = links.to(file.id)
    bench.services.files.delete(bench.account_id, "a.txt")
    with pytest.raises(LinkGone):
        links.again(link)
    bench.services.trash.restore(bench.account_id, file.id)
    assert links.names(link) == ["a.txt"]
    bench.store(b"other bytes", "a.txt", overwrite=True)
    with pytest.raises(LinkGone):
        links.again(link)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        pytest.param({"file_ids": (NOBODYS,)}, NotFound, id="unknown-file"),
        pytest.param({"folders": ("nowhere",)}, NotFound, id="unknown-folder"),
        pytest.param({"folders": ("a.txt",)}, NotFound, id="file-as-folder"),
        pytest.param({"folders": ("day",), "password": "short"}, InvalidRequest, id="short-password"),
    ],
)
def test_what_cannot_be_shared_leaves_nothing(bench: Bench, fields: dict[str, Any], error: type[Exception]) -> None:
    links = Links(bench)
    bench.store(b"bytes", "a.txt")
    bench.store(b"bytes", "day/b.txt")
    with pytest.raises(error):
        links.to(*fields.pop("file_ids", ()), **fields)
    assert _rows(bench, Link) == 0


def test_neither_unfinished_nor_foreign_files_can_be_shared(bench: Bench) -> None:
    bench.append(0, b"half", total=100)
    half, foreign = bench.find(), bench.another_account().store(b"foreign")
    assert half is not None
    with pytest.raises(NotComplete):
        Links(bench).to(half.id)
    with pytest.raises(NotFound):
        Links(bench).to(foreign.id)


def test_a_link_ends_when_it_expires(bench: Bench) -> None:
    links = Links(bench)
    link = links.to(bench.store(b"bytes").id, expires_in=60)
    bench.clock.advance(seconds=58)
    assert links.again(link)
    bench.clock.advance(seconds=3)
    with pytest.raises(LinkGone):
        links.again(link)


def test_a_link_that_is_taken_back_ends_with_all_that_hangs_on_it(any_bench: Bench) -> None:
    links, file = Links(any_bench), any_bench.store(b"bytes", "day/a.txt")
    link, kept = links.to(file.id, folders=("day",)), links.to(file.id)
    links.downloads.begin(Subject(link, "somebody", file.id, 5), 5, is_range=False)
    with pytest.raises(LinkGone):
        links.service.revoke(any_bench.another_account().account_id, link.id)
    links.service.revoke(any_bench.account_id, link.id)
    assert [_rows(any_bench, each) for each in (Link, LinkFile, LinkFolder, LinkTransfer)] == [1, 1, 0, 0]
    assert links.names(kept) == ["a.txt"]
    with pytest.raises(LinkGone):
        links.again(link)


def test_links_of_a_disabled_account_rest(bench: Bench) -> None:
    links = Links(bench)
    link = links.to(bench.store(b"bytes").id)
    with bench.services.database.write() as session:
        session.execute(update(Account).values(disabled_at=bench.clock()))
    with pytest.raises(LinkGone):
        links.again(link)
    bench.services.accounts.enable("alice")
    assert links.again(link) == link


def test_pages_of_links_leave_none_out(any_bench: Bench) -> None:
    links, file = Links(any_bench), any_bench.store(b"bytes")
    made = [links.to(file.id).id for _ in range(7)]  # all in the same instant
    found: list[uuid.UUID] = []
    place = None
    while page := links.service.list_links(any_bench.account_id, limit=3, after=place):
        found += [link.id for link in page]
        place = (page[-1].created_at, page[-1].id)
    assert sorted(found) == sorted(made)
    assert links.service.list_links(any_bench.another_account().account_id, limit=3) == []


def test_a_page_is_found_by_an_index(any_bench: Bench) -> None:
    statement = page_statement(any_bench.account_id, limit=50, after=(any_bench.clock(), NOBODYS))
    plan = plan_of(any_bench.services.database, statement)
    assert "ix_links_account_id_created_at_id" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


def test_an_upload_link_makes_its_folder_follows_it_and_ends_with_it(any_bench: Bench) -> None:
    links = Links(any_bench)
    link = links.for_uploads(folder="in/box")
    assert links.service.folder_of(link) == "in/box"
    any_bench.services.folders.move(any_bench.account_id, "in/box", "elsewhere")
    assert links.service.folder_of(links.again(link)) == "elsewhere"
    any_bench.services.folders.delete(any_bench.account_id, "elsewhere", is_recursive=False)
    with pytest.raises(LinkGone):
        links.again(link)
    assert links.service.folder_of(links.again(links.for_uploads())) == ""


def test_a_folder_with_more_than_a_link_can_show_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer_service.services.sharing.links.MAX_LISTED", 3)
    links = Links(bench)
    for number in range(3):
        bench.store(b"bytes", f"day/{number}.txt")
    link = links.to(folders=("day",))
    bench.store(b"bytes", "day/3.txt")
    with pytest.raises(InvalidRequest):
        links.to(folders=("day",))
    assert len(links.names(link)) == 3
    assert MAX_LISTED == 10_000


def test_addresses_can_be_printed_again_and_by_nobody_without_the_key(bench: Bench) -> None:
    links = Links(bench)
    link, other = links.to(bench.store(b"bytes").id), links.to(bench.store(b"bytes", "b.txt").id)
    token = links.service.token_of(link)
    assert token is not None
    assert len(token) == 32
    assert LinkTokens([b"a new secret" * 4]).open(link.id, link.sealed_token, link.token_hash) is None
    later = LinkTokens([b"a new secret" * 4, b"a secret of links, long enough for anybody"])
    assert later.open(link.id, link.sealed_token, link.token_hash) == token
    assert LinkTokens([b"x" * 32]).open(other.id, link.sealed_token, link.token_hash) is None


@pytest.mark.parametrize("token", ["", "x", "a" * 32, "a" * 31 + "é", "a" * 10_000, "a" * 31 + "\n"])
def test_tokens_that_are_none(bench: Bench, token: str) -> None:
    with pytest.raises(LinkGone):
        Links(bench).service.find(token)


def test_cookies_are_good_for_one_link_and_one_password() -> None:
    tokens, link_id = LinkTokens([b"k" * 32]), uuid.uuid4()
    cookie = tokens.make_cookie(link_id, PASSWORD)
    client = tokens.read_cookie(link_id, PASSWORD, cookie)
    assert client == cookie[:32]
    assert LinkTokens([b"n" * 32, b"k" * 32]).read_cookie(link_id, PASSWORD, cookie) == client
    forged = f"{'0' * 32}.{cookie[33:]}"
    for link, password, value in (
        (uuid.uuid4(), PASSWORD, cookie),
        (link_id, "another", cookie),
        (link_id, None, cookie),
        (link_id, PASSWORD, forged),
        (link_id, PASSWORD, cookie[:-1]),
        (link_id, PASSWORD, ""),
    ):
        assert tokens.read_cookie(link, password, value) is None
    assert LinkTokens([b"n" * 32]).read_cookie(link_id, PASSWORD, cookie) is None


def test_cleanup_removes_links_that_expired_long_ago(any_bench: Bench) -> None:
    links, file = Links(any_bench), any_bench.store(b"bytes")
    limited, free = links.to(file.id, max_downloads=5, expires_in=40 * 86400), links.to(file.id, expires_in=40 * 86400)
    for link in (limited, free, links.to(file.id)):
        links.downloads.begin(Subject(link, "somebody", file.id, 5), 5, is_range=False)
    assert clean(any_bench, days=36) == 0
    assert (_rows(any_bench, Link), _rows(any_bench, LinkTransfer)) == (3, 1)  # of the one with a limit
    assert clean(any_bench, days=2) == 1
    left = links.service.list_links(any_bench.account_id, limit=9)
    assert {each.id for each in left} == {limited.id, free.id}


def clean(bench: Bench, *, days: int) -> int:
    """How many links a cleanup removes so many days later."""
    bench.clock.advance(days=days)
    return bench.services.cleanup.run().removed.ended_links.count


def _rows(bench: Bench, table: type[Any]) -> int:
    with bench.services.database.read() as session:
        return session.scalars(select(func.count()).select_from(table)).one()
