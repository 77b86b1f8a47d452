"""What is sent again, when, and what is told in the end."""

import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from transfer_service_client import TransferClient
from transfer_service_client.connection.patience import pauses
from transfer_service_client.connection.session import Session
from transfer_service_client.errors import ApiError, NotFound, TransferError, Unavailable

URL = "http://service.example"
Answer = httpx.Response | Exception
TOKENS = {"access_token": "a", "refresh_token": "r", "expires_in": 900}


class Broken(httpx.SyncByteStream):
    """A body that ends too early."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"Too "
        raise httpx.ReadError("cut")


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Session]]:
    """A session that is given these answers in turn."""
    monkeypatch.setattr("transfer_service_client.connection.patience._FIRST_PAUSE_SECONDS", 0.001)
    opened: list[Session] = []

    def make(*answers: Answer) -> Session:
        left = list(answers)

        def answer(_: httpx.Request) -> httpx.Response:
            told = left.pop(0)
            if isinstance(told, Exception):
                raise told
            return told

        session = Session(URL, patience_seconds=30)
        session._http = httpx.Client(base_url=URL, transport=httpx.MockTransport(answer))
        opened.append(session)
        return session

    yield make
    for each in opened:
        each.close()


GOOD = httpx.Response(200, json={"good": True})


@pytest.mark.parametrize("unsent", [httpx.ConnectError("refused"), httpx.ConnectTimeout("silent")], ids=repr)
def test_what_was_never_sent_is_sent_again_though_it_may_not_be_done_twice(
    asking: Callable[..., Session], unsent: Exception
) -> None:
    assert asking(unsent, GOOD).request("POST", "/x").json() == {"good": True}


def test_what_was_never_sent_has_deleted_nothing(asking: Callable[..., Session]) -> None:
    session = asking(httpx.ConnectError("refused"), httpx.Response(404, json={"detail": "File not found"}))
    with pytest.raises(NotFound):
        session.request("DELETE", "/x")


def test_an_answer_that_was_damaged_in_its_encoding_is_asked_for_again(asking: Callable[..., Session]) -> None:
    damaged = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip"))
    assert asking(damaged, GOOD).get_json("/x") == {"good": True}


def test_an_error_whose_words_break_off_is_told_by_its_number(asking: Callable[..., Session]) -> None:
    session = asking(httpx.Response(400, headers={"Content-Type": "text/plain"}, stream=Broken()))
    with pytest.raises(ApiError, match="HTTP 400"), session.stream("GET", "/x"):
        pass


@pytest.mark.parametrize("trouble", [httpx.ReadError("lost"), httpx.Response(503)], ids=["lost", "busy"])
def test_a_sign_in_is_tried_again(asking: Callable[..., Session], trouble: Answer) -> None:
    assert asking(trouble, httpx.Response(200, json=TOKENS)).sign_in("alice", "secret").access == "a"


def test_a_sign_in_that_finds_nobody_is_told_as_every_request() -> None:
    with (
        TransferClient("http://127.0.0.1:1", patience_seconds=0) as client,
        pytest.raises(Unavailable, match="refused"),
    ):
        client.sign_in("alice", "secret")


@pytest.mark.parametrize("url", ["", "files.example.com", "ftp://files.example.com", "http://", "https:///x"])
def test_what_is_no_address_is_told_at_once(url: str) -> None:
    with pytest.raises(TransferError, match="is no address"):
        TransferClient(url)


def test_nobody_is_asked_again_at_once_though_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    problem = ApiError(503, "busy")
    for asked in (0.0, 7.0):
        problem.retry_after_seconds = asked
        assert next(pauses(30))(problem)
    assert 0 < slept[0] < 1
    assert 7 < slept[1] < 8
