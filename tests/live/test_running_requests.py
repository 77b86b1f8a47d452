"""Requests that run while an administrator cancels their transfer, or ends their account, at another instance."""

import io
import threading
import time
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import websocket
from sqlalchemy import func, select

from tests.conftest import PASSWORD
from tests.live.bare_socket import BareClient
from tests.live.server import LiveServer, started, wait_until
from tests.remote_jobs import Jobs
from transfer_service.bootstrap import Services
from transfer_service.models.exports import Export
from transfer_service.models.files import File, FileState
from transfer_service.wire.chunk_frames import LONG_FRAME, SHORT_FRAME

SIZE = 8 * 1024 * 1024
END_SECONDS = 20.0
"""A stalled client is given up after a minute, and one that sends little goes on for an hour."""
TIMEOUT = 30
ESTABLISHED = "01"
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


@pytest.fixture
def afterwards() -> Iterator[ExitStack]:
    """What is done whether the test has passed or not: others go on with the same instances."""
    with ExitStack() as stack:
        yield stack


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
        wait_until(lambda: services.accounts.get("alice").used_bytes == 0)
        wait_until(lambda: not any(services.store.batches()))


BIG = 24 * 1024 * 1024
AT_ONCE_SECONDS = 10.0
"""With the answer, on a machine that does much else."""


@contextmanager
def account(pair: Pair, name: str) -> Iterator[requests.Session]:
    """A new account, signed in at the first instance."""
    with pair.first.services() as services:
        services.accounts.create(name, PASSWORD)
    yield pair.first.sign_in(name)


def reading_slowly(pair: Pair, session: requests.Session | None, path: str) -> BareClient:
    """A download that has begun, and of which nobody reads on."""
    client = BareClient(pair.first, session, receive_buffer=4096)
    client.send_head("GET", path)
    status, headers = client.receive_head()
    assert (status, int(headers["content-length"]) >= BIG) == (200, True)
    return client


@contextmanager
def chatting(pair: Pair, session: requests.Session) -> Iterator[websocket.WebSocket]:
    """A socket of Socket.IO that was let in."""
    url = f"ws://127.0.0.1:{pair.first.port}/socket.io/?EIO=4&transport=websocket"
    sock = websocket.create_connection(
        url, timeout=TIMEOUT, header={"Authorization": str(session.headers["Authorization"])}
    )
    try:
        assert str(sock.recv()).startswith("0")
        sock.send("40{}")
        assert str(sock.recv()).startswith("40")
        yield sock
    finally:
        sock.close()


def seconds_until_gone(sock: websocket.WebSocket, *, since: float) -> float:
    with suppress(websocket.WebSocketException, OSError):
        while sock.recv() not in {"", "1"}:  # a close, or the end of the transport
            pass
    return time.monotonic() - since


def test_all_that_runs_for_an_account_ends_with_the_answer(pair: Pair, root: requests.Session) -> None:
    with account(pair, "carol") as carol, ExitStack() as stack:
        file_id = carol.put(f"{pair.first.url}/api/files/big.bin", data=bytes(BIG), timeout=60).json()["file_id"]
        link = carol.post(f"{pair.first.url}/api/links", json={"file_ids": [file_id]}, timeout=TIMEOUT).json()["url"]
        signed = carol.post(f"{pair.first.url}/api/files/{file_id}/url", timeout=TIMEOUT).json()["url"]
        with pair.first.services() as services:
            game_id = Jobs(services.database).add_job()[0]
        clients = [
            reading_slowly(pair, carol, "/download/big.bin"),
            reading_slowly(pair, None, f"/s/{link.rpartition('/')[2]}/files/{file_id}"),
            reading_slowly(pair, None, signed.removeprefix(pair.first.url)),
            reading_slowly(pair, carol, "/api/account/export"),
            begin("whole", pair, carol),
            begin("tus", pair, carol),
            begin("long-chunk", pair, carol),
            BareClient(pair.first, carol),
        ]
        for client in clients:
            stack.enter_context(client)
        clients[-1].send_head("GET", f"/api/downloads/{game_id}/download/progress")
        assert clients[-1].receive_head()[0] == 200
        sock = stack.enter_context(chatting(pair, carol))
        wait_until(lambda: {"whole", "tus", "long-chunk"} <= transfers(pair, root).keys())
        answer = root.delete(f"{pair.second.url}/api/admin/accounts/carol", timeout=TIMEOUT)
        assert answer.status_code == 204, answer.text
        since = time.monotonic()
        assert seconds_until_gone(sock, since=since) < AT_ONCE_SECONDS
        for client in clients:
            assert seconds_until_closed(client, since=since) < AT_ONCE_SECONDS
        assert carol.get(f"{pair.first.url}/auth/me", timeout=TIMEOUT).status_code == 401
    with pair.first.services() as services:
        wait_until(lambda: not any(services.store.batches()))
        assert [each.name for each in services.accounts.list_accounts()] == ["alice", "bob", "root"]


def test_what_runs_for_others_goes_on(pair: Pair, root: requests.Session, alice: requests.Session) -> None:
    with account(pair, "dora"), begin("whole", pair, alice) as client:
        assert root.delete(f"{pair.second.url}/api/admin/accounts/dora", timeout=TIMEOUT).status_code == 204
        client.send(bytes(SIZE - 2 * 1024 * 1024))
        assert client.receive().status == 201
    assert alice.delete(f"{pair.first.url}/api/files/whole", timeout=TIMEOUT).status_code == 200


def is_ended(pair: Pair, client: BareClient) -> bool:
    """Whether the service has shut its side of the connection down: the client sees that only behind what is queued."""
    ends = [f":{port:04X}" for port in (pair.first.port, client.socket.getsockname()[1])]
    connections = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]  # proc(5)
    states = [state for local, remote, state in connections if local.endswith(ends[0]) and remote.endswith(ends[1])]
    return ESTABLISHED not in states


def test_a_disabled_account_is_ended_too(pair: Pair) -> None:
    with account(pair, "erna") as erna:
        erna.put(f"{pair.first.url}/api/files/big.bin", data=bytes(BIG), timeout=60)
        with reading_slowly(pair, erna, "/download/big.bin") as client, pair.first.services() as services:
            services.accounts.disable("erna")
            since = time.monotonic()
            wait_until(lambda: is_ended(pair, client))  # whoever reads on before that may have all of it
            assert time.monotonic() - since < END_SECONDS
            assert seconds_until_closed(client, since=time.monotonic()) < END_SECONDS
            services.account_removal.remove("erna")


def test_an_administrator_who_deletes_himself_hears_of_it(pair: Pair) -> None:
    with pair.first.services() as services:
        services.accounts.create("second", PASSWORD, is_admin=True)
    second = pair.second.sign_in("second")
    assert second.delete(f"{pair.second.url}/api/admin/accounts/second", timeout=TIMEOUT).status_code == 204


def test_a_deletion_that_is_killed_goes_on_at_another_instance(
    pair: Pair, root: requests.Session, afterwards: ExitStack
) -> None:
    files = 600
    with account(pair, "frieda") as frieda:
        for number in range(files):
            path = f"{pair.first.url}/api/files/{number % 7}/{number}.bin"
            assert frieda.put(path, data=b"x" * 10, timeout=TIMEOUT).status_code == 201
        address = "api/admin/accounts/frieda"
        token = {"Authorization": str(root.headers["Authorization"])}
        outcomes: list[int] = []

        def delete() -> None:
            with suppress(requests.RequestException):
                outcomes.append(requests.delete(f"{pair.first.url}/{address}", headers=token, timeout=60).status_code)

        deleting = threading.Thread(target=delete)
        with pair.second.services() as services:
            account_id = services.accounts.get("frieda").account_id
            deleting.start()
            while _left(services, account_id) > files - 100:  # without a pause: the rest takes no time
                assert outcomes == []
            pair.first.kill()
            afterwards.callback(pair.first.start)
            deleting.join()
            assert outcomes == []
            assert _left(services, account_id) > 0
            assert services.accounts.get("frieda").disabled
            assert root.delete(f"{pair.second.url}/{address}", timeout=60).status_code == 204
            assert _left(services, account_id) == 0
            services.cleanup.run()
            assert not any(services.store.batches())


def _left(services: Services, account_id: uuid.UUID) -> int:
    with services.database.read() as session:
        whole = select(func.count()).where(File.account_id == account_id, File.state == FileState.COMPLETE)
        return session.scalars(whole).one()


def test_an_export_goes_on_at_another_instance_when_its_own_is_killed(pair: Pair, afterwards: ExitStack) -> None:
    with account(pair, "gerda") as gerda:
        gerda.put(f"{pair.first.url}/api/files/big.bin", data=bytes(BIG), timeout=60)
        with reading_slowly(pair, gerda, "/api/account/export") as client:
            begun = client.take(100_000)
            whole = gerda.head(f"{pair.second.url}/api/account/export", timeout=TIMEOUT)
            pair.first.kill()
            afterwards.callback(pair.first.start)
        assert int(whole.headers["Content-Length"]) > BIG
        with pair.second.services() as services:
            etag = _latest_export(services)
        rest = gerda.get(
            f"{pair.second.url}/api/account/export",
            headers={"If-Range": f'"{etag}"', "Range": "bytes=100000-"},
            timeout=60,
        )
        assert rest.status_code == 206
        with zipfile.ZipFile(io.BytesIO(begun + rest.content)) as archive:
            assert archive.testzip() is None
            assert archive.read("files/big.bin") == bytes(BIG)


def _latest_export(services: Services) -> str:
    """The first one that was made: a `HEAD` has made another since."""
    with services.database.read() as session:
        return session.scalars(select(Export.id).order_by(Export.created_at).limit(1)).one().hex
