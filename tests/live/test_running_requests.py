"""Requests that run while an administrator cancels their transfer, or ends their account, at another instance."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import pytest
import requests

from tests.live.bare_socket import BareClient
from tests.live.server import LiveServer, started, wait_until
from transfer_service.wire.chunk_frames import LONG_FRAME, SHORT_FRAME

SIZE = 8 * 1024 * 1024
END_SECONDS = 5.0
TIMEOUT = 30
TUS = ("Tus-Resumable: 1.0.0",)


@dataclass(frozen=True)
class Pair:
    """Two instances on one data folder."""

    first: LiveServer
    second: LiveServer


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair") / "data"
    with ExitStack() as stack:
        first, second = LiveServer(folder), LiveServer(folder)
        first.prepare("alice", "bob", "root")
        yield Pair(stack.enter_context(started(first)), stack.enter_context(started(second)))


@pytest.fixture(scope="module")
def root(pair: Pair) -> requests.Session:
    """The administrator, at the second instance."""
    return pair.second.sign_in("root")


@pytest.fixture(scope="module")
def alice(pair: Pair) -> requests.Session:
    return pair.first.sign_in("alice")


def _link(pair: Pair, alice: requests.Session) -> str:
    made = alice.post(f"{pair.first.url}/api/links", json={"upload": True}, timeout=TIMEOUT).json()
    return f"/s/{made['url'].rpartition('/')[2]}/uploads"


def _tus_upload(pair: Pair, alice: requests.Session) -> str:
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(SIZE), "Upload-Metadata": "filename dHVz"}
    answer = alice.post(f"{pair.first.url}/api/uploads", headers=headers, timeout=TIMEOUT)
    return "/api/uploads/" + answer.headers["Location"].rpartition("/")[2]


def begin(door: str, pair: Pair, alice: requests.Session) -> BareClient:
    """A request that has sent a part of its body."""
    client = BareClient(pair.first, alice)
    size = f"Content-Length: {SIZE}"
    if door == "whole":
        client.send_head("PUT", "/api/files/whole", size)
    elif door == "long-chunk":
        head = LONG_FRAME.format(0, bytes(SIZE))[:17]
        client.send_head(
            "POST", f"/api/files/upload?filename=long-chunk&total_size={SIZE}", f"Content-Length: {SIZE + 17}"
        )
        client.send(head)
    elif door == "short-chunk":
        head = SHORT_FRAME.format(0, bytes(SIZE))[:12]
        client.send_head(
            "POST", "/upload/short-chunk", f"Content-Length: {SIZE + 12}", f"Content-Range: bytes 0-{SIZE - 1}/{SIZE}"
        )
        client.send(head)
    elif door == "tus":
        path = _tus_upload(pair, alice)
        client.send_head("PATCH", path, size, *TUS, "Upload-Offset: 0", "Content-Type: application/offset+octet-stream")
    elif door == "ietf":
        client.send_head("POST", "/api/uploads", size, "Upload-Complete: ?1", 'Content-Disposition: x; filename="ietf"')
    else:
        path = _link(pair, alice)
        client.send_head("POST", path, size, "Upload-Complete: ?1", 'Content-Disposition: x; filename="link"')
    client.send(bytes(2 * 1024 * 1024))
    return client


@contextmanager
def flowing(client: BareClient) -> Iterator[None]:
    """While the client sends a little again and again."""
    is_over = threading.Event()

    def send() -> None:
        with suppress(OSError):
            while not is_over.wait(0.05):
                client.send(bytes(100))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        is_over.set()
        sender.join()


def transfers(pair: Pair, root: requests.Session) -> dict[str, str]:
    """The ids of what is under way, by name."""
    listed = root.get(f"{pair.second.url}/api/admin/transfers", timeout=TIMEOUT).json()["transfers"]
    return {each["filename"]: each["id"] for each in listed}


def seconds_until_closed(client: BareClient, *, since: float) -> float:
    with suppress(ConnectionError):
        client.read_to_the_end()
    return time.monotonic() - since


@pytest.mark.parametrize("flows", [True, False], ids=["flowing", "idle"])
@pytest.mark.parametrize("door", ["whole", "long-chunk", "short-chunk", "tus", "ietf", "link"])
def test_a_cancelled_upload_ends_at_another_instance(
    pair: Pair, root: requests.Session, alice: requests.Session, door: str, flows: bool
) -> None:
    with ExitStack() as stack:
        client = stack.enter_context(begin(door, pair, alice))
        wait_until(lambda: door in transfers(pair, root))
        if flows:
            stack.enter_context(flowing(client))
        since = time.monotonic()
        answer = root.delete(f"{pair.second.url}/api/admin/transfers/{transfers(pair, root)[door]}", timeout=TIMEOUT)
        assert answer.status_code == 204, answer.text
        assert seconds_until_closed(client, since=since) < END_SECONDS
    wait_until(lambda: door not in transfers(pair, root))
    with pair.first.services() as services:
        assert services.accounts.get("alice").used_bytes == 0
        assert not any(services.store.batches())
