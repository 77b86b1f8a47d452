"""Links: what is asked for, and that no secret of them is shown by accident."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import typer
from transfer_service_client import TransferClient
from transfer_service_client.cli.sharing import duration_of
from transfer_service_client.errors import NotFound, TransferError, Unavailable

from tests.client.account_service import AccountService
from tests.client.commands import Command

AT = "2024-05-06T07:08:09Z"
URL = "https://files.example.com/s/secret-token"


def link_json(**fields: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("max_downloads", "max_files", "max_bytes"))
    return {
        "id": "l1",
        "url": URL,
        "kind": "download",
        "name": None,
        "files": [],
        "folders": [],
        "expires_at": AT,
        "created_at": AT,
        "has_password": False,
        "downloads": 0,
        "received_files": 0,
        "received_bytes": 0,
        **counts,
        **fields,
    }


class LinkService:
    """Has one file and one folder, and keeps what links were asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.loses_answers = False
        self.link = link_json()

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/api/files/status/film.mp4":
            facts = {"content_type": "video/mp4", "total_bytes": 1, "sha256": "0", "status": "complete"}
            times = {"created_at": AT, "updated_at": AT}
            return httpx.Response(200, json={"file_id": "f1", "filename": "film.mp4", **facts, **times})
        if path.startswith("/api/files/status/"):
            return httpx.Response(200, json={})
        if path == "/api/folders/Photos":
            return httpx.Response(200, json={"path": "Photos"})
        if path == "/api/links" and request.method == "GET":
            return httpx.Response(200, json={"links": [self.link], "next_cursor": None})
        if path == "/api/links":
            self.asked.append(json.loads(request.read()))
            if self.loses_answers:
                raise httpx.ReadError("lost")
            return httpx.Response(201, json=self.link)
        if request.method == "DELETE" and path == "/api/links/l1":
            return httpx.Response(204)
        return httpx.Response(404, json={"detail": "Not found"})


@pytest.fixture
def service() -> LinkService:
    return LinkService()


@pytest.fixture
def client(service: LinkService) -> Iterator[TransferClient]:
    with TransferClient("http://service.example", key="tsk_x", patience_seconds=5) as made:
        made.session._http = httpx.Client(
            base_url="http://service.example", transport=httpx.MockTransport(service.answer)
        )
        yield made


def test_files_and_folders_with_limits(service: LinkService, client: TransferClient) -> None:
    link = client.share(
        "film.mp4", "Photos/", "Photos", expires_in=timedelta(hours=12), password="s3cret!", max_downloads=3
    )
    assert link.url == URL
    wanted = {"file_ids": ["f1"], "folders": ["Photos", "Photos"], "expires_in": 43200}
    assert service.asked == [{**wanted, "password": "s3cret!", "max_downloads": 3}]
    assert "secret-token" not in repr(link)


def test_what_is_not_there_makes_no_link(service: LinkService, client: TransferClient) -> None:
    with pytest.raises(NotFound, match="no file and no folder 'none'"):
        client.share("film.mp4", "none")
    assert service.asked == []


def test_a_link_whose_answer_is_lost_is_not_made_twice(service: LinkService, client: TransferClient) -> None:
    service.loses_answers = True
    with pytest.raises(Unavailable):
        client.share("film.mp4")
    assert len(service.asked) == 1


def test_a_damaged_answer_is_told(service: LinkService, client: TransferClient) -> None:
    service.link = {"id": "l1"}
    with pytest.raises(TransferError, match="its answer was damaged"):
        client.share("film.mp4")
    with pytest.raises(TransferError, match="its answer was damaged"):
        list(client.links())


def test_links_for_uploads_are_listed_and_ended(service: LinkService, client: TransferClient) -> None:
    client.share_for_uploads("Photos", max_files=5)
    assert service.asked == [{"upload": True, "folder": "Photos", "max_files": 5}]
    assert [each.link_id for each in client.links()] == ["l1"]
    client.revoke_link("l1")
    with pytest.raises(NotFound):
        client.revoke_link("l2")


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("12h", 43200), ("7d", 604800), ("2W", 1209600), ("90s", 90)]
)
def test_times(text: str, seconds: int) -> None:
    assert duration_of(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "0d", "1.5d", "7 d", "٣d", "99999999999d", "999999999w"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        duration_of(text)


class TestCommand:
    """`transfer share` against an account in memory."""

    @pytest.fixture
    def service(self) -> Iterator[AccountService]:
        from tests.client.account_service import serving_account

        with serving_account(AccountService(files={"film.mp4": b"x"})) as account:
            account.answers["POST", "/api/links"] = 201, link_json()
            yield account

    def test_the_address_alone_is_printed(self, transfer: Command) -> None:
        result = transfer("share", "film.mp4", "--quiet")
        assert (result.code, result.out, result.err) == (0, f"{URL}\n", "")

    def test_programs_get_all(self, transfer: Command) -> None:
        result = transfer("--json", "share", "film.mp4")
        assert result.objects[0]["url"] == URL

    def test_a_password_is_read_from_standard_input(self, transfer: Command) -> None:
        assert transfer("share", "film.mp4", "--password", stdin="long enough\n").code == 0
        nothing = transfer("share", "film.mp4", "--password", stdin="")
        assert (nothing.code, nothing.out) == (2, "")

    @pytest.mark.parametrize(
        "arguments", [["/"], ["film.mp4", "--expires", "soon"], ["film.mp4", "--max-downloads", "0"]]
    )
    def test_what_makes_no_sense_makes_no_link(self, transfer: Command, arguments: list[str]) -> None:
        result = transfer("share", *arguments)
        assert result.code in {1, 2}
        assert ("POST", "/api/links") not in transfer.service.requests

    def test_somebody_unknown_is_told(self, transfer: Command, tmp_path: Any) -> None:
        transfer.service.answers["GET", "/conversations"] = 200, {"conversations": [], "next_cursor": None}
        transfer.service.answers["POST", "/conversations/create"] = 404, {"detail": "User not found"}
        (tmp_path / "a").write_bytes(b"x")
        result = transfer("send", "nobody", str(tmp_path / "a"))
        assert (result.code, result.err) == (1, "transfer: There is no account and no group 'nobody'\n")
