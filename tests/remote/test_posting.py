"""Posting a message to a receiver that may be slow, broken, lying, or not where it should be."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.receiver import OK, Answer, Receiver
from tests.remote.test_rebinding import ChangingResolver
from transfer_service.remote.connections import Guard
from transfer_service.remote.posting import MOST_HEAD_BYTES, NotAnswered, Poster
from transfer_service.remote.url_guard import Resolve

PATH = "/hook"
BODY = b'{"type":"file.completed"}'
TRY_SECONDS = 1.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def post(
    url: str, *, allow_private: bool = True, resolve: Resolve = socket.getaddrinfo, body: bytes = BODY
) -> int | str:
    """The status, or the word for why there is none."""
    guard = Guard(allow_private=allow_private, resolve=resolve)
    try:
        return Poster(guard, now=time.monotonic, try_seconds=TRY_SECONDS).post(url, body, {"webhook-id": "1"})
    except NotAnswered as failure:
        return failure.word


def test_a_message_arrives_as_it_is(receiver: Receiver) -> None:
    assert post(receiver.url_of(f"{PATH}?key=1")) == 204
    (request,) = receiver.requests
    assert (request.path, request.body) == (f"{PATH}?key=1", BODY)
    told = {name: request.headers[name] for name in ("content-type", "webhook-id", "connection", "host")}
    assert told == {
        "content-type": "application/json", "webhook-id": "1", "connection": "close",
        "host": f"127.0.0.1:{receiver.port}",
    }  # fmt: skip


LATE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, id="whole"),
        pytest.param(b"HTTP/1.0 200\r\n\r\n", 200, id="old-and-short"),
        pytest.param(b"HTTP/1.1 200 OK\n\n", 200, id="bare-line-feeds"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort", 200, id="length-too-great"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nlonger", 200, id="length-too-small"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 200, id="length-impossible"),
        pytest.param(LATE * 3 + OK, 204, id="interim"),
        pytest.param(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", 302, id="redirect"),
        pytest.param(b"HTTP/1.1 410 Gone\r\n\r\n", 410, id="gone"),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101, id="switching"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", "closed", id="head-cut-off"),
        pytest.param(b"HTTP/1.1 2", "closed", id="status-cut-off"),
        pytest.param(b"", "closed", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", "not_http", id="another-protocol"),
        pytest.param(b"HTTP/1.1 2000 OK\r\n\r\n", "not_http", id="no-status"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: " + b"a" * 2 * MOST_HEAD_BYTES, "not_http", id="long-head"),
        pytest.param(LATE * MOST_HEAD_BYTES, "not_http", id="interim-flood"),
    ],
)
def test_what_an_answer_means(receiver: Receiver, answer: bytes, result: int | str) -> None:
    receiver.answer(PATH, answer)
    assert post(receiver.url_of(PATH)) == result
    assert receiver.connections == 1


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        pytest.param(lambda receiver: receiver.stay_silent, "timeout", id="silent"),
        pytest.param(lambda receiver: receiver.drip(b"A: b\r\n", first=b"HTTP/1.1 200 OK\r\n"), "timeout", id="head"),
        pytest.param(lambda receiver: receiver.drip(LATE), "timeout", id="interim"),
        pytest.param(lambda receiver: receiver.drip(b"a", first=b"HTTP/1.1 200 OK\r\n\r\n"), 200, id="body"),
        pytest.param(
            lambda receiver: receiver.drip(b"a" * 65536, first=b"HTTP/1.1 200 OK\r\n\r\n", pause_seconds=0),
            200, id="endless-body",
        ),
    ],
)  # fmt: skip
def test_a_try_ends_whatever_a_receiver_does(
    receiver: Receiver, answer: Callable[[Receiver], Answer], result: int | str
) -> None:
    receiver.answer(PATH, answer(receiver))
    began = time.monotonic()
    assert post(receiver.url_of(PATH)) == result
    assert time.monotonic() - began < 5 * TRY_SECONDS


def test_a_receiver_that_reads_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        began = time.monotonic()
        assert post(f"http://127.0.0.1:{deaf.getsockname()[1]}/", body=b"a" * 50_000_000) == "timeout"
        assert time.monotonic() - began < 5 * TRY_SECONDS


@pytest.mark.parametrize(
    ("url", "word"),
    [
        pytest.param("http://127.0.0.1:1/", "unreachable", id="nobody-listens"),
        pytest.param("http://nothing.invalid/", "unreachable", id="no-such-name"),
        pytest.param("ftp://127.0.0.1/", "url", id="another-scheme"),
    ],
)
def test_who_cannot_be_reached(url: str, word: str) -> None:
    def resolve(host: str, *arguments: object, **options: object) -> list[tuple[object, ...]]:
        if host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return socket.getaddrinfo(host, *arguments, **options)  # type: ignore[arg-type, return-value]

    assert post(url, resolve=resolve) == word


def test_an_inner_address_gets_no_connection(receiver: Receiver) -> None:
    assert post(receiver.url_of(PATH), allow_private=False) == "forbidden"
    assert post(receiver.url_of(PATH, host="inner.example"), allow_private=False, resolve=resolver()) == "forbidden"
    assert receiver.connections == 0


def resolver(*answers: str) -> ChangingResolver:
    return ChangingResolver(list(answers) or ["127.0.0.1"])


def test_the_address_that_was_checked_is_the_one_connected_to(receiver: Receiver) -> None:
    """A name that leads elsewhere when it is asked again."""
    changing = resolver("127.0.0.1", "224.0.0.1")
    assert post(receiver.url_of(PATH, host="hook.example"), resolve=changing) == 204
    assert (changing.asked, receiver.connections) == (["hook.example"], 1)
    assert post(receiver.url_of(PATH, host="hook.example"), resolve=changing) == "forbidden"
    assert receiver.connections == 1


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.answer(PATH, f"HTTP/1.1 307 Go\r\nLocation: {receiver.url_of('/other')}\r\n\r\n".encode())
    assert post(receiver.url_of(PATH)) == 307
    assert [request.path for request in receiver.requests] == [PATH]


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_ignored(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert post(receiver.url_of(PATH)) == 204


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def test_a_certificate_is_verified_by_the_name(
    tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver(tls=tls) as receiver:
        assert post(receiver.url_of(PATH, host="localhost")) == "certificate"  # of an authority that nobody knows
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert post(receiver.url_of(PATH, host="localhost")) == 204
        assert post(receiver.url_of(PATH, host="other.example"), resolve=resolver()) == "certificate"
        assert len(receiver.requests) == 1


def test_who_does_not_speak_tls(receiver: Receiver) -> None:
    assert post(receiver.url_of(PATH).replace("http:", "https:")) in {"tls", "closed", "timeout"}
    assert receiver.requests == []
