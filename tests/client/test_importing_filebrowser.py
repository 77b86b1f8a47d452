"""Imports from a File Browser: what is asked of it, what is verified, and what neither side can do to the other."""

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from transfer_service_client import Import, TransferClient
from transfer_service_client.errors import SignInNeeded, TransferError
from transfer_service_client.importers.filebrowser import FileBrowserOrigin
from transfer_service_client.importers.filebrowser_site import FileBrowserSite

from tests.client.account_service import KEY, AccountService
from tests.client.commands import Command
from tests.client.filebrowser_double import FileBrowserDouble
from tests.client.origin_server import Answer, Request, serving
from tests.client.test_importing import told

ODD = "50% off? #1 + caf\u00e9 & more"
FILM = random.Random(2).randbytes(300_000)
Bring = Callable[..., Import]


@pytest.fixture
def there() -> FileBrowserDouble:
    return FileBrowserDouble({"film": FILM, f"a/{ODD}": b"odd", "a/b/c": b"c"}, folders={"a/empty"})


@pytest.fixture
def url(there: FileBrowserDouble) -> Iterator[str]:
    with serving(there.answer) as address:
        yield address


@pytest.fixture
def bring(service: AccountService, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bring]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(folder: str = "", password: str = "open sesame", at: str = url, name: str = "bob") -> Import:
        with closing(FileBrowserSite(at, name, password, patience_seconds=2, verify=False)) as site:
            return client.import_from(FileBrowserOrigin(site, folder), "fb")

    with TransferClient(service.url, key=KEY, verify=False) as client:
        yield run


def test_all_that_the_account_sees_arrives(bring: Bring, service: AccountService) -> None:
    report = bring()
    assert (report.outcome.done, report.verified, report.outcome.errors) == (3, 3, [])
    assert service.files == {"fb/film": FILM, f"fb/a/{ODD}": b"odd", "fb/a/b/c": b"c"}
    assert "fb/a/empty" in service.folders


def test_one_folder_of_it(bring: Bring, service: AccountService) -> None:
    bring("a/b")
    assert service.files == {"fb/c": b"c"}


def test_the_token_stands_in_its_field_and_nowhere_else(bring: Bring, there: FileBrowserDouble) -> None:
    bring()
    assert {each.method for each in there.requests if each.path != "/api/login"} == {"GET"}
    assert not any("bob1" in each.target or "Authorization" in each.headers for each in there.requests)


def test_what_is_there_is_neither_sent_nor_fetched_again(bring: Bring, there: FileBrowserDouble) -> None:
    bring()
    there.requests.clear()
    report = bring()
    assert (report.outcome.same, report.verified) == (3, 3)
    assert there.raw_ranges() == []


def test_a_broken_line_goes_on_where_it_broke(bring: Bring, service: AccountService, there: FileBrowserDouble) -> None:
    there.cuts = [100_000, 50_000]
    assert bring("").outcome.errors == []
    assert service.files["fb/film"] == FILM
    later = [int(each.removeprefix("bytes=").rstrip("-")) for each in there.raw_ranges() if each != "bytes=0-"]
    assert later and all(0 < each < len(FILM) for each in later)


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_has_ended_is_renewed(
    bring: Bring, service: AccountService, there: FileBrowserDouble, status: int
) -> None:
    there.ended = status

    serve = there.answer

    def end_once(request: Request) -> Answer:
        there.tokens.discard("head.bob1.sign")
        return serve(request)

    there.cuts = [1000]
    with serving(end_once) as address:
        assert bring(at=address).verified == 3
    assert 2 <= there.sign_ins <= 3
    assert service.files["fb/film"] == FILM


@pytest.mark.parametrize("knows_digests", [True, False], ids=["digests", "no-digests"])
def test_a_file_that_changes_while_it_is_read_is_given_up(
    bring: Bring, service: AccountService, there: FileBrowserDouble, knows_digests: bool
) -> None:
    def change(request: Request) -> Answer:
        answer = there.answer(request)
        if request.path == "/api/raw/film":
            there.changed.add("film")
        return answer

    there.knows_digests = knows_digests
    there.cuts = [100_000] * 3 if knows_digests else []
    with serving(change) as address:
        report = bring(at=address)
    assert told(report.outcome.errors) == {"fb/film": "film was changed or removed while it was imported"}
    assert "fb/film" not in service.files


def test_bytes_with_another_digest_than_it_says_have_failed(bring: Bring, there: FileBrowserDouble) -> None:
    there.lies = True
    report = bring("a/b")  # the real service refuses to store them (tests/live/client/test_importing.py)
    assert (report.outcome.failed, report.verified) == (1, 0)


def test_without_digests_of_its_own_files_arrive_all_the_same(
    bring: Bring, service: AccountService, there: FileBrowserDouble
) -> None:
    there.knows_digests = False
    assert bring().verified == 3
    assert service.files["fb/film"] == FILM
    there.requests.clear()
    assert (bring().outcome.same, there.raw_ranges()) == (3, [])


def test_bytes_that_a_proxy_has_compressed_are_not_taken_for_the_file(
    bring: Bring, service: AccountService, there: FileBrowserDouble
) -> None:
    def compress(request: Request) -> Answer:
        answer = there.answer(request)
        if request.path.startswith("/api/raw/"):
            answer.headers["Content-Encoding"] = "gzip"
        return answer

    there.knows_digests = False  # or the service would see it
    with serving(compress) as address:
        report = bring("a/b", at=address)
    assert set(told(report.outcome.errors)) == {"fb/c"}
    assert service.files == {}


def test_what_the_account_may_not_see_is_told_without_another_sign_in(bring: Bring, there: FileBrowserDouble) -> None:
    there.forbidden = {"a/b"}
    assert told(bring().outcome.errors) == {"fb/a/b": "File Browser refused it: HTTP 403"}
    assert there.sign_ins == 1


def test_files_of_two_accounts_are_not_taken_for_each_other(
    bring: Bring, service: AccountService, there: FileBrowserDouble
) -> None:
    there.knows_digests = False
    there.files = {"notes": b"those of bob"}
    bring()
    there.files = {"notes": b"those of eve"}  # at the same path of her own folder, of the same size and time
    bring(name="eve")
    assert service.files == {"fb/notes": b"those of eve"}


def test_an_account_that_may_not_download_is_told(bring: Bring, there: FileBrowserDouble) -> None:
    there.may_download = False
    assert set(told(bring().outcome.errors).values()) == {"This account of File Browser may not download"}


def test_a_redirect_is_followed_nowhere(bring: Bring, there: FileBrowserDouble) -> None:
    elsewhere = FileBrowserDouble()
    with serving(elsewhere.answer) as other:

        def lead(request: Request) -> Answer:
            is_login = request.path == "/api/login"
            return there.answer(request) if is_login else Answer(302, headers={"Location": f"{other}/x"})

        with serving(lead) as address, pytest.raises(TransferError, match="leads elsewhere"):
            bring(at=address)
    assert elsewhere.requests == []


def test_what_is_no_file_is_passed_over_and_what_can_be_no_name_is_told(bring: Bring, there: FileBrowserDouble) -> None:
    def odd(name: str, **fields: object) -> dict[str, object]:
        return {"name": name, "size": 1, "modified": "x", "mode": 420, "isDir": False, "isSymlink": False, **fields}

    there.files = {"good": b"good"}
    there.folders = set()
    there.odd = [
        odd("loop", isDir=True, isSymlink=True),
        odd("pipe", mode=420 | 1 << 25),
        odd("dangling", type="invalid_link", isSymlink=True),
        odd("..", isDir=True),
        odd("../../etc"),
        odd("x" * 100_000, isDir=True),
    ]
    report = bring()
    assert [name for name, _ in report.outcome.skips] == ["fb/loop", "fb/pipe"]
    assert told(report.outcome.errors).keys() == {"fb/dangling", "fb/..", "fb/../../etc", f"fb/{'x' * 100_000}"}
    assert not any(".." in each.path for each in there.requests)


def test_a_link_back_of_a_version_that_does_not_tell_links_is_followed_once(
    bring: Bring, service: AccountService, there: FileBrowserDouble
) -> None:
    def answer(request: Request) -> Answer:
        request.target = request.target.replace("/loop", "")
        answer = there.answer(request)
        answer.body = answer.body.replace(b', "isSymlink": false', b"")
        return answer

    there.odd = [{"name": "loop", "size": 1, "modified": "x", "mode": 420, "isDir": True}]
    with serving(answer) as address:
        report = bring(at=address)
    assert report.outcome.skips == [("fb/loop", "A link to a folder is not followed")]
    assert service.files.keys() == {"fb/film", f"fb/a/{ODD}", "fb/a/b/c"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 100_000, id="nested"),
        pytest.param(b'{"items": [{"name": "x", "size": -1, "isDir": false, "mode": 420}]}', id="size"),
        pytest.param(b'{"items": [{"name": "x", "size": 1, "isDir": false, "mode": {}}]}', id="mode"),
        pytest.param(b'{"items": {"name": "x"}}', id="no-list"),
        pytest.param(b"\xff\xfe", id="no-text"),
    ],
)
def test_a_listing_that_is_none_is_told(bring: Bring, there: FileBrowserDouble, body: bytes) -> None:
    def answer(request: Request) -> Answer:
        return there.answer(request) if request.path == "/api/login" else Answer(200, body)

    with serving(answer) as address, pytest.raises(TransferError, match="File Browser"):
        bring(at=address)


def test_a_wrong_password_is_told_at_once(bring: Bring, there: FileBrowserDouble) -> None:
    with pytest.raises(SignInNeeded, match="refused the name or the password"):
        bring(password="wrong")
    assert len(there.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [Answer(404, b"Not Found"), Answer(200, b"<html>An app</html>"), Answer(200, "\u00e9.b.c".encode())],
    ids=["404", "app", "no-token"],
)
def test_another_program_is_told(bring: Bring, answer: Answer) -> None:
    with serving(lambda _: answer) as address, pytest.raises(TransferError, match="transfer import folder"):
        bring(at=address)


def test_the_command_asks_for_a_password_by_standard_input_and_never_shows_it(transfer: Command, url: str) -> None:
    arguments = ("import", "filebrowser", f"{url}?folder=a/b", "--name", "bob", "--password-stdin", "--debug")
    result = transfer(*arguments, stdin="open sesame\n")
    assert (result.code, transfer.service.files) == (0, {"c": b"c"})
    refused = transfer(*arguments, stdin="wrong one\n")
    assert (refused.code, "refused the name or the password" in refused.err) == (3, True)
    assert not {"open sesame", "wrong one", "bob1"} & {*result.out.split("\n"), *refused.err.split("\n")}


@pytest.mark.parametrize(
    ("address", "words"),
    [
        pytest.param("http://fb.example.com", "use https://", id="plain-http"),
        pytest.param("https://fb.example.com?token=x", "folder=NAME", id="option"),
        pytest.param("https://fb.example.com?folder=a/../..", "The folder cannot be one", id="folder-above"),
        pytest.param("https://fb.example.com?folder=a\udcff", "The folder cannot be one", id="folder-of-no-text"),
        pytest.param("https://bob:secret@fb.example.com", "is no address", id="secret-in-it"),
    ],
)
def test_addresses_that_are_refused(transfer: Command, address: str, words: str) -> None:
    result = transfer("import", "filebrowser", address, "--name", "bob", "--password-stdin", stdin="x\n")
    assert result.code == 2
    assert words in result.err
