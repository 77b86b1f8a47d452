"""Answers that are broken or hostile: each is a TransferError, soon, and takes no more memory than there is."""

import gzip
import json
from typing import Any

import httpx
import pytest
from transfer_service_client.client import TransferClient
from transfer_service_client.connection.answers import error_of, retry_after_of
from transfer_service_client.connection.quick_requests import QuickRequests
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import ApiError, TransferError
from transfer_service_client.models import File, parse_instant
from transfer_service_client.uploads.tus import position_of

from tests.client.raw_service import answering, response

_ENDLESS_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
_ENDLESS_ERROR = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
_BLOCK = b" " * (1 << 20)


def test_an_answer_without_end_is_given_up() -> None:
    with answering(_ENDLESS_HEAD, endless=_BLOCK) as url, Session(url) as session:
        with pytest.raises(TransferError, match="does not end"):
            session.get_json("/x")
        with pytest.raises(TransferError, match="does not end"):
            session.try_once("PATCH", "/x", content=b"1")
        quick = QuickRequests(session)
        with pytest.raises(TransferError, match="does not end"):
            quick.put("/x", b"1", {})


def test_an_error_without_end_is_its_status() -> None:
    with answering(_ENDLESS_ERROR, endless=_BLOCK) as url, Session(url) as session:
        with pytest.raises(TransferError):
            session.get_json("/x")
        with pytest.raises(ApiError, match=r"^HTTP 400$"), session.stream("GET", "/x"):
            pass


def test_a_long_error_is_cut() -> None:
    error = error_of(httpx.Response(400, json={"detail": "x" * 50_000}))
    assert error.detail == "x" * 1000


def test_what_was_compressed_is_bounded_by_what_it_becomes() -> None:
    bomb = gzip.compress(bytes(100 << 20))
    with (
        answering(response(bomb, "Content-Encoding: gzip")) as url,
        Session(url) as session,
        pytest.raises(TransferError, match="does not end"),
    ):
        session.get_json("/x")


def test_what_was_compressed_twice_is_not_unpacked() -> None:
    bomb = gzip.compress(gzip.compress(b"{}"))
    with answering(response(bomb, "Content-Encoding: gzip, gzip")) as url, Session(url) as session:
        with pytest.raises(TransferError, match="more than once"):
            session.get_json("/x")
        with pytest.raises(TransferError, match="more than once"), session.stream("GET", "/x"):
            pass


def test_what_was_compressed_once_is_read() -> None:
    whole = gzip.compress(b'{"a": 1}')
    with answering(response(whole, "Content-Encoding: gzip")) as url, Session(url) as session:
        assert session.get_json("/x") == {"a": 1}


DEEP = b"[" * 200_000


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request"])
def test_json_of_any_depth_is_no_answer(status: str) -> None:
    with answering(response(DEEP, status=status)) as url, Session(url) as session, pytest.raises(TransferError):
        session.get_json("/x")


def test_a_list_that_goes_round_ends() -> None:
    page = json.dumps({"files": [], "folders": [], "next_cursor": "c"}).encode()
    with answering(response(page)) as url, TransferClient(url, key="tsk_x") as client, pytest.raises(TransferError):
        list(client.files())


_FILE = {
    "file_id": "1",
    "filename": "x",
    "status": "complete",
    "total_bytes": 3,
    "sha256": "ab",
    "content_type": "text/plain",
    "created_at": "2024-01-01T00:00:00Z",
    "updated_at": "2024-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("total_bytes", -1),
        ("total_bytes", 2**63),
        ("total_bytes", 1.5),
        ("total_bytes", float("inf")),
        ("total_bytes", "3"),
        ("total_bytes", True),
        ("filename", None),
        ("filename", 7),
        ("file_id", ["1"]),
        ("sha256", 5),
        ("content_type", {}),
        ("updated_at", "0001-01-01T00:00:00Z"),
        ("updated_at", "9999-12-31T23:59:59Z"),
        ("updated_at", "2024-01-01T00:00:00"),
        ("updated_at", 1.0),
    ],
)
def test_a_file_of_other_values_is_none(field: str, value: Any) -> None:
    assert File.from_json(_FILE).size == 3
    with pytest.raises(TransferError):
        File.from_json({**_FILE, field: value})


@pytest.mark.parametrize("offset", ["", "-1", "1.5", "\u00b2", "9" * 20, "9" * 5000])
def test_a_position_that_is_none(offset: str) -> None:
    fields = [(b"Upload-Offset", offset.encode())]
    with pytest.raises(TransferError, match="how far"):
        position_of(httpx.Response(204, headers=fields))


@pytest.mark.parametrize("text", ["Mon, 01 Jan 99999999999 00:00:00 GMT", "Mon, 01 Jan 2024 00:00:00 +99999999999999"])
def test_a_time_to_come_again_that_is_none(text: str) -> None:
    assert retry_after_of(httpx.Response(503, headers={"Retry-After": text})) is None


def test_an_instant_has_a_zone() -> None:
    assert parse_instant("2024-01-01T00:00:00Z").utcoffset() is not None
