"""Sending attachments into a conversation and getting them out: real server, real nginx, broken connections."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from sqlalchemy import update

from tests.live.bare_socket import BareClient
from tests.live.nginx import NginxSite, running_site
from tests.live.server import LiveServer, running, wait_until
from transfer_service.models.upkeep import DiscardedBytes

DATA = os.urandom(300_000)
NAMES = ["film.mp4", "Übung 100% & mehr.png", "文件.bin", "a'b\"c.webm"]
HEADERS: list[dict[str, str]] = [
    {},
    {"Range": "bytes=5-1000"},
    {"Range": "bytes=-7"},
    {"If-None-Match": "*"},
    {"If-Match": '"no"'},
]
MEBIBYTE = 1024 * 1024
BOUNDARY = "a-boundary"


class Talk(NamedTuple):
    """A conversation of `alice` and `bob`."""

    site: NginxSite
    alice: requests.Session
    bob: requests.Session
    conversation_id: str

    def upload(self, url: str, name: str, data: bytes = DATA) -> str:
        """Post an attachment; the path of it."""
        answer = self.alice.post(
            f"{url}/messages/upload",
            data={"conversation_id": self.conversation_id},
            files={"file": (name, data)},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["message"]["media_url"])


def begin(server: LiveServer) -> tuple[requests.Session, requests.Session, str]:
    alice, bob = server.sign_in("alice"), server.sign_in("bob")
    answer = alice.post(f"{server.url}/conversations/create", json={"email": "bob"}, timeout=30)
    return alice, bob, answer.json()["conversation_id"]


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with running_site(tmp_path_factory.mktemp("talk") / "data", "alice", "bob", "carol") as site:
        yield Talk(site, *begin(site.direct))


def shown(answer: requests.Response) -> tuple[int, bytes, dict[str, str]]:
    """What must not depend on who sends the bytes."""
    own = (
        {"Server", "Date", "X-Request-Id", "Content-Type"}
        if answer.status_code == 304
        else {"Server", "Date", "X-Request-Id"}
    )
    return answer.status_code, answer.content, {k: v for k, v in answer.headers.items() if k not in own}


@pytest.mark.parametrize("name", NAMES)
def test_an_attachment_is_the_same_directly_and_behind_nginx(talk: Talk, name: str) -> None:
    path = talk.upload(talk.site.front.url, name)
    for headers in HEADERS:
        direct, fronted = (
            talk.bob.get(url + path, headers=headers, timeout=30) for url in (talk.site.direct.url, talk.site.front.url)
        )
        assert shown(direct) == shown(fronted)
        assert direct.status_code != 200 or direct.content == DATA


@pytest.mark.parametrize("keep", [False, True])
def test_a_file_that_was_posted_is_the_same_directly_and_behind_nginx(talk: Talk, keep: bool) -> None:
    alice, url = talk.alice, talk.site.front.url
    data = os.urandom(20 * MEBIBYTE)
    file = alice.put(f"{url}/api/files/films/film{keep}.mp4", data=data, timeout=60).json()
    path = f"{url}/api/files/{file['file_id']}/download"
    with alice.get(path, stream=True, timeout=60) as reading:
        begun = next(reading.iter_content(1000))
        fields = {"conversation_id": talk.conversation_id, "file_id": file["file_id"], "keep": keep}
        message = alice.post(f"{url}/messages", json=fields, timeout=60).json()["message"]
        assert begun + b"".join(reading.iter_content(MEBIBYTE)) == data
    for headers in HEADERS:
        direct, fronted = (
            talk.bob.get(each.url + message["media_url"], headers=headers, timeout=60)
            for each in (talk.site.direct, talk.site.front)
        )
        assert shown(direct) == shown(fronted)
    assert talk.bob.get(url + message["media_url"], timeout=60).content == data
    assert alice.get(path, timeout=60).status_code == (200 if keep else 404)


@pytest.mark.one_machine("nginx sends what lies on a disk")
def test_nginx_sends_attachments_by_itself(talk: Talk) -> None:
    path = talk.upload(talk.site.front.url, NAMES[1])
    asked = talk.bob.get(talk.site.backend.url + path, timeout=30)
    assert asked.headers["X-Accel-Redirect"].startswith("/_transfer/whole/chats/")
    assert asked.content == b""


@pytest.mark.one_machine("nginx sends what lies on a disk")
@pytest.mark.parametrize("place", ["file", "folder"])
def test_nothing_follows_a_link_in_the_place_of_an_attachment(talk: Talk, tmp_path: Path, place: str) -> None:
    path = talk.upload(talk.site.front.url, "photo.png")
    stored = talk.site.direct.data_dir / path.removeprefix("/")
    (tmp_path / stored.name).write_bytes(DATA)
    stored.unlink()
    if place == "file":
        stored.symlink_to(tmp_path / stored.name)
    else:
        stored.parent.rmdir()
        stored.parent.symlink_to(tmp_path)
    answers = [talk.bob.get(site.url + path, timeout=30) for site in (talk.site.direct, talk.site.front)]
    assert [answer.status_code for answer in answers] == [404, 404]


def test_who_left_gets_nothing_through_nginx_either(talk: Talk) -> None:
    group = talk.alice.post(
        f"{talk.site.front.url}/conversations/create/group",
        json={"group_name": "g", "participants": ["bob"]},
        timeout=30,
    ).json()["conversation_id"]
    path = talk._replace(conversation_id=group).upload(talk.site.front.url, "photo.png")
    assert talk.bob.get(talk.site.front.url + path, timeout=30).content == DATA
    talk.bob.delete(f"{talk.site.front.url}/conversations/{group}/participants/bob", timeout=30)
    assert talk.bob.get(talk.site.front.url + path, timeout=30).status_code == 403


def parts(conversation_id: str) -> tuple[bytes, bytes]:
    """What stands before and behind the file in a form."""
    disposition = "Content-Disposition: form-data; name="
    head = (
        f'--{BOUNDARY}\r\n{disposition}"conversation_id"\r\n\r\n{conversation_id}\r\n'
        f'--{BOUNDARY}\r\n{disposition}"file"; filename="film.mp4"\r\n\r\n'
    )
    return head.encode(), f"\r\n--{BOUNDARY}--\r\n".encode()


def begin_upload(client: BareClient, conversation_id: str, size: int) -> None:
    """Announce a file of `size` bytes, and send half of it."""
    before, behind = parts(conversation_id)
    length = len(before) + size + len(behind)
    media_type = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    client.send_head("POST", "/messages/upload", media_type, f"Content-Length: {length}")
    client.send(before + bytes(size // 2))


def stored(server: LiveServer) -> list[Path]:
    """Everything that lies there for messages."""
    return [path for path in (server.data_dir / "uploads/chats").iterdir() if path.name != ".installation"]


@pytest.mark.one_machine("it looks into the folder of attachments")
def test_an_upload_that_breaks_off_leaves_no_message_and_no_file(data_dir: Path) -> None:
    with running(data_dir, "alice", "bob") as server:
        alice, _, conversation_id = begin(server)
        with BareClient(server, alice) as client:
            begin_upload(client, conversation_id, 8 * MEBIBYTE)
            wait_until(lambda: len(stored(server)) == 1)
        wait_until(lambda: not stored(server))
        query = {"conversation_id": conversation_id}
        assert alice.get(f"{server.url}/messages/get", params=query, timeout=30).json()["count"] == 0


@pytest.mark.one_machine("it looks into the folder of attachments")
def test_what_a_killed_service_was_receiving_is_no_message_and_cleanup_removes_it(data_dir: Path) -> None:
    with running(data_dir, "alice", "bob") as server:
        alice, _, conversation_id = begin(server)
        with BareClient(server, alice) as client:
            begin_upload(client, conversation_id, 8 * MEBIBYTE)
            wait_until(lambda: len(stored(server)) == 1)
            server.kill()
        server.start()
        query = {"conversation_id": conversation_id}
        assert alice.get(f"{server.url}/messages/get", params=query, timeout=30).json()["count"] == 0
        (left,) = stored(server)
        os.utime(left, (0, 0))
        with server.services() as services, services.database.write() as session:  # as if it had been long ago
            session.execute(update(DiscardedBytes).values(discarded_at=datetime(2020, 1, 1, tzinfo=UTC)))
        server.command("cleanup")
        assert stored(server) == []


@pytest.mark.one_machine("it measures one process")
@pytest.mark.alone
def test_a_large_video_does_not_move_memory(data_dir: Path) -> None:
    with running(data_dir, "alice", "bob") as server:
        alice, bob, conversation_id = begin(server)
        before, behind = parts(conversation_id)
        size, block = 512 * MEBIBYTE, bytes(MEBIBYTE)
        with BareClient(server, alice) as client:
            resident = server.worker().memory_info().rss
            media_type = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
            client.send_head(
                "POST", "/messages/upload", media_type, f"Content-Length: {len(before) + size + len(behind)}"
            )
            client.send(before)
            for _ in range(size // len(block)):
                client.send(block)
            grown = server.worker().memory_info().rss - resident
            client.send(behind)
            path = client.receive().json["message"]["media_url"]
        assert grown < 32 * MEBIBYTE
        assert bob.head(server.url + path, timeout=30).headers["Content-Length"] == str(size)
