"""Answers before the answer: `100 Continue` for appends that are welcome, and `104` of the draft for creations."""

import time
from collections.abc import Iterator

import pytest
import requests

from tests.live.appends import UPLOADS, Door, Protocol
from tests.live.bare_socket import BareClient, Listening
from tests.live.nginx import NginxFront, behind_nginx
from tests.live.server import LiveServer, wait_until

pytestmark = [pytest.mark.measured, pytest.mark.one_machine("nginx passes on no interim answers")]

protocols = pytest.mark.parametrize("protocol", list(Protocol), ids=lambda protocol: protocol.value)


@pytest.fixture(scope="module")
def front(server: LiveServer) -> Iterator[NginxFront]:
    with behind_nginx(server) as front:
        yield front


@protocols
def test_a_welcome_append_is_asked_for(server: LiveServer, alice: requests.Session, protocol: Protocol) -> None:
    door = Door(server, alice, protocol)
    path = door.create(5)
    with door.appending(path, 0, "Expect: 100-continue", length=5) as append:
        interim, _ = append.client.receive_head()
        append.send(b"hello")
        assert (interim, append.client.receive().status) == (100, protocol.last_status)
    assert door.download(path) == b"hello"


@pytest.mark.parametrize(
    ("refusal", "tus_status", "draft_status"),
    [
        pytest.param("offset", 409, 409, id="wrong-offset"),
        pytest.param("unknown", 404, 404, id="unknown"),
        pytest.param("gone", 410, 410, id="gone"),
        pytest.param("long", 413, 413, id="past-the-length"),
        pytest.param("finished", 413, 400, id="finished"),
        pytest.param("type", 415, 415, id="media-type"),
    ],
)
@protocols
def test_an_append_that_will_be_refused_is_never_asked_for(
    server: LiveServer, alice: requests.Session, protocol: Protocol, refusal: str, tus_status: int, draft_status: int
) -> None:
    door = Door(server, alice, protocol)
    path = f"{UPLOADS}/4b5bb2cb-5e25-4d0c-8f4e-0d3b1c000000" if refusal == "unknown" else door.create(10)
    if refusal == "gone":
        door.delete(path)
    if refusal == "finished":
        door.finish(path, bytes(10))
    offset = {"offset": 5, "finished": 10}.get(refusal, 0)
    head = door.append_head(
        path, offset, "Expect: 100-continue", length={"long": 11}.get(refusal, 10 - offset or 1), is_last=False
    )
    if refusal == "type":
        head = head.replace(b"Content-Type: ", b"Content-Type: x-")
    with BareClient(server) as client:
        client.send(head)
        status, headers = client.receive_head()
        assert (status, headers["connection"]) == (tus_status if protocol is Protocol.TUS else draft_status, "close")


@protocols
def test_an_append_that_ends_another_one_is_asked_for(
    server: LiveServer, alice: requests.Session, protocol: Protocol
) -> None:
    door = Door(server, alice, protocol)
    path = door.create(10)
    with door.appending(path, 0, length=10) as ended:
        ended.send(b"hello")
        wait_until(lambda: door.watched(path) == 5)
        with door.appending(path, 5, "Expect: 100-continue", length=5) as append:
            interim, _ = append.client.receive_head()
            append.send(b"world")
            assert (interim, append.client.receive().status) == (100, protocol.last_status)
        assert ended.client.receive().status == protocol.busy_status
    assert door.download(path) == b"helloworld"


def begin_draft(listening: Listening, session: requests.Session, *headers: str, version: str = "1.1") -> bytes:
    """The whole answer to a creation with five bytes, on a connection that closes."""
    fields = ["Host: test", f"Authorization: {session.headers['Authorization']!s}", "Content-Length: 5", *headers]
    with BareClient(listening) as client:
        lines = [f"POST {UPLOADS} HTTP/{version}", *fields, "Connection: close", "", "hello"]
        client.send("\r\n".join(lines).encode())
        return client.read_to_the_end()


@pytest.mark.parametrize("version", ["3", "5", "6", "8"])
def test_who_names_a_version_is_told_the_way_before_the_body(
    server: LiveServer, alice: requests.Session, version: str
) -> None:
    with BareClient(server, alice) as client:
        client.send_head("POST", UPLOADS, "Content-Length: 5", f"Upload-Draft-Interop-Version: {version}")
        status, interim = client.receive_head()
        client.send(b"hello")
        final = client.receive()
    assert (status, interim["upload-draft-interop-version"], final.status) == (104, version, 201)
    assert interim["location"] == final.headers["location"]
    assert Door(server, alice).download(interim["location"]) == b"hello"


@pytest.mark.parametrize(
    ("headers", "version", "way"),
    [
        pytest.param([], "1.1", "direct", id="no-version-named"),
        pytest.param(["Upload-Draft-Interop-Version: 8"], "1.0", "direct", id="http-1.0"),
        pytest.param(["Upload-Draft-Interop-Version: 8", "X-Forwarded-For: ::1"], "1.1", "direct", id="proxy"),
        pytest.param(["Upload-Draft-Interop-Version: 8", "Via: 1.1 x"], "1.1", "direct", id="other-proxy"),
        pytest.param(["Upload-Draft-Interop-Version: 8"], "1.1", "nginx", id="nginx"),
        pytest.param(["Upload-Draft-Interop-Version: 3"], "1.1", "nginx", id="nginx-3"),
    ],
)
def test_no_interim_answer_where_it_could_do_harm(
    server: LiveServer, front: NginxFront, alice: requests.Session, headers: list[str], version: str, way: str
) -> None:
    listening: Listening = server if way == "direct" else front
    answer = begin_draft(listening, alice, *headers, version=version)
    assert answer.startswith(b"HTTP/" + version.encode() + b" 201 ")
    assert b" 104 " not in answer


@pytest.mark.parametrize(("version", "is_told"), [("3", False), ("5", True), ("6", True), ("8", True)])
def test_who_names_a_version_hears_how_far_it_got(
    server: LiveServer, alice: requests.Session, version: str, is_told: bool
) -> None:
    """Once a second, and without the address, which is told at the creation."""
    door = Door(server, alice, Protocol.DRAFT)
    path, whole = door.create(30), bytes(30)
    complete = "Upload-Incomplete: ?0" if version == "3" else "Upload-Complete: ?1"
    named = (f"Upload-Draft-Interop-Version: {version}", complete)
    with BareClient(server, alice) as client:
        types = ("Content-Type: application/partial-upload", "Upload-Offset: 0", "Content-Length: 30")
        client.send_head("PATCH", path, *types, *named)
        for start in range(0, 30, 5):
            client.send(whole[start : start + 5])
            time.sleep(0.4)  # the pace is what is tested
        told = []
        while (head := client.receive_head())[0] == 104:
            told.append(head[1])
    assert head[0] == 200 if version != "3" else head[0] in {200, 201}
    offsets = [int(each["upload-offset"]) for each in told]
    assert (bool(told), offsets, len(offsets) <= 3) == (is_told, sorted(set(offsets)), True)
    assert all(0 < offset <= 30 for offset in offsets)
    assert all(each.keys() == {"upload-offset", "upload-draft-interop-version"} for each in told)
