"""What an append brings counts, however it ends; and what must not count, does not."""

import base64
import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest
import requests

from tests.growing.installations import engines
from tests.live.appends import DATA, KIB, MIB, Append, Door, Protocol, is_held, stored_end, tell
from tests.live.nginx import NginxSite, running_site
from tests.live.server import killed, wait_until

READ_TIMEOUT_SECONDS = 4.0 if engines() is None else 7.0
"""Over an object store longer than until idle bytes count, or who is silent would be sent away before they do."""
COMMIT_BYTES, SLACK_BYTES = 8 * MIB, 2 * MIB
DURABLE_SECONDS = 3.5 if engines() is None else 6.5
"""After at most a second, with an object store five, something is made to count; and the server waits up to half a
second for a full block."""
_SENDER = """
import socket, sys, time
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.sendall(sys.stdin.buffer.read())
print("sent", flush=True)
time.sleep(60)
"""
codings = pytest.mark.parametrize("length", [len(DATA), None], ids=["length", "chunked"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxSite]:
    settings = {"TRANSFER_READ_TIMEOUT_SECONDS": str(READ_TIMEOUT_SECONDS)}
    with running_site(tmp_path_factory.mktemp("bytes") / "data", "alice", **settings) as site:
        yield site


@pytest.fixture(scope="module")
def alice(site: NginxSite) -> requests.Session:
    return site.direct.sign_in("alice")


@pytest.fixture(params=list(Protocol), ids=lambda protocol: protocol.value)
def door(site: NginxSite, alice: requests.Session, request: pytest.FixtureRequest) -> Door:
    """At the service itself, by tus and by the draft."""
    return Door(site.direct, alice, request.param)


@pytest.fixture
def tus(site: NginxSite, alice: requests.Session) -> Door:
    """At the service itself, by tus only."""
    return Door(site.direct, alice)


def elsewhere(site: NginxSite, door: Door) -> Door:
    """The same at the other process, the one behind nginx."""
    return door.at(site.front)


def cut_positions(*seed: object) -> list[int]:
    """Seven numbers of bytes, some of them within the first few, for a test of those parameters."""
    digest = hashlib.sha256(repr(seed).encode()).digest()
    random = np.random.default_rng(int.from_bytes(digest[:4], "big"))
    few, many = random.integers(1, 100, 2), random.integers(100, len(DATA) - 1, 5)
    return [int(position) for position in (*few, *many)]


def send_in_pieces(append: Append, stop: int, *, seed: int) -> None:
    """Send DATA up to `stop`, in pieces of any size."""
    random = np.random.default_rng(seed)
    while append.sent < stop:
        size = min(int(random.integers(1, 400 * KIB)), stop - append.sent)
        append.send(DATA[append.sent : append.sent + size])


@pytest.mark.parametrize("ending", ["fin", "rst"])
@codings
def test_a_body_that_breaks_off_counts_to_the_byte(
    site: NginxSite, door: Door, length: int | None, ending: str
) -> None:
    """A RST takes away what the client's kernel has not delivered yet, but nothing that was confirmed."""
    for position in cut_positions(door.protocol, length, ending):
        path = door.create(len(DATA))
        with door.appending(path, 0, length=length) as append:
            send_in_pieces(append, position, seed=position)
            if ending == "rst":
                append.wait_until_received()
                append.client.reset()
            else:
                append.shut()
                assert append.client.receive().status == 400
        wait_until(lambda: not is_held(site.direct, path) and door.offset(path) == position)  # noqa: B023
        assert elsewhere(site, door).finish(path, DATA) == DATA


@pytest.mark.parametrize("piece", [b"4\r\n", b"4\r\nab", b"4\r\nabcd\r", b"4\r\nabcd\r\n", b"4\r\nabcd\r\n0\r\n"])
def test_a_chunk_counts_as_far_as_it_came(site: NginxSite, tus: Door, piece: bytes) -> None:
    path = tus.create(10)
    with tus.appending(path, 0) as append:
        for byte in piece:
            append.client.send(bytes([byte]))
            append.wait_until_received()
        append.shut()
        answer = append.client.receive()
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert elsewhere(site, tus).offset(path) == len(piece.partition(b"\r\n")[2].partition(b"\r")[0])


def test_a_chunk_whose_size_comes_alone_is_not_the_end(site: NginxSite, tus: Door) -> None:
    path = tus.create(4)
    with tus.appending(path, 0) as append:
        wait_until(lambda: is_held(site.direct, path))
        append.client.send(b"4\r\n")
        time.sleep(0.3)  # or both would be read at once
        append.client.send(b"abcd\r\n")
        append.end_chunks()
        assert append.client.receive().status == 204
    assert tus.download(path) == b"abcd"


@pytest.mark.parametrize("way", ["direct", "nginx"])
@codings
def test_a_killed_client_loses_nothing_that_was_sent(
    site: NginxSite, alice: requests.Session, length: int | None, way: str
) -> None:
    door, direct = Door(site.direct if way == "direct" else site.front, alice), Door(site.direct, alice)
    path, position = door.create(len(DATA)), cut_positions(length, way)[-1]
    body = DATA[:position] if length else f"{len(DATA):x}\r\n".encode() + DATA[:position]
    command = [sys.executable, "-c", _SENDER, str(door.listening.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdin is not None and client.stdout is not None
        client.stdin.write(door.append_head(path, 0, length=length) + body)
        client.stdin.close()
        assert client.stdout.readline() == b"sent\n"
        if way == "nginx":  # it forgets what it has not passed on when its client goes
            wait_until(lambda: direct.watched(path) == position, seconds=DURABLE_SECONDS)
        client.kill()
    wait_until(lambda: direct.watched(path) == position and not is_held(site.direct, path))
    assert door.finish(path, DATA) == DATA


@pytest.mark.parametrize("ending", ["fin", "rst"])
@codings
def test_behind_nginx_all_that_counted_before_the_cut_stays(
    site: NginxSite, door: Door, length: int | None, ending: str
) -> None:
    durable, position = sorted(cut_positions(door.protocol, length, ending, "nginx")[-2:])
    path = door.create(len(DATA))
    with elsewhere(site, door).appending(path, 0, length=length) as append:
        send_in_pieces(append, durable, seed=1)
        wait_until(lambda: door.watched(path) == durable, seconds=DURABLE_SECONDS)
        send_in_pieces(append, position, seed=2)
        if ending == "rst":
            append.client.reset()
        else:
            append.shut()
            append.client.read_to_the_end()
    wait_until(lambda: not is_held(site.direct, path))
    assert durable <= door.offset(path) <= position
    assert elsewhere(site, door).finish(path, DATA) == DATA


def test_behind_nginx_what_is_stalled_gives_way(site: NginxSite, door: Door) -> None:
    path = door.create(len(DATA))
    with elsewhere(site, door).appending(path, 0, length=len(DATA)) as append:
        append.send(DATA[:12345])
        wait_until(lambda: door.watched(path) == 12345, seconds=DURABLE_SECONDS)
        answer = door.patch(path, 12345, DATA[12345:], is_last=True)
        assert append.client.receive().status == door.protocol.busy_status
    assert answer.status_code == door.protocol.last_status
    assert door.download(path) == DATA


def test_a_trickle_is_durable_soon_and_survives_a_kill(site: NginxSite, tus: Door) -> None:
    path, sent, late = tus.create(len(DATA)), [(time.monotonic(), 0)], [0.0]
    with tus.appending(path, 0, length=len(DATA)) as append:
        began_at = time.monotonic()
        while time.monotonic() < began_at + 2 * DURABLE_SECONDS:
            append.send(DATA[append.sent : append.sent + 7])
            sent.append((time.monotonic(), append.sent))
            time.sleep(0.1)  # the pace is what is tested
            late.append(_age_of(sent, elsewhere(site, tus).watched(path), at=time.monotonic()))
        with killed(site.direct):
            killed_at = time.monotonic()
            late.append(_age_of(sent, elsewhere(site, tus).offset_after_a_kill(path), at=killed_at))
    tell(f"a byte of a trickle counts after at most {max(late):.2f} s")
    assert max(late) < DURABLE_SECONDS
    assert tus.finish(path, DATA) == DATA


def _age_of(sent: list[tuple[float, int]], offset: int, *, at: float) -> float:
    """How long ago the first byte was sent that does not count yet."""
    return next((at - sent_at for sent_at, position in sent if position > offset), 0.0)


def test_a_fast_append_is_durable_every_eight_mebibytes(site: NginxSite, tus: Door) -> None:
    path, data = tus.create(len(DATA) * 16), DATA * 16
    with tus.appending(path, 0, length=len(data)) as append:
        while stored_end(site.direct, path) < 25 * MIB:
            append.send(data[append.sent : append.sent + MIB])
        with killed(site.direct):
            offset, written = elsewhere(site, tus).offset_after_a_kill(path), stored_end(site.direct, path)
    tell(f"{written} bytes written, {written - offset} of them do not count")
    assert written - offset <= COMMIT_BYTES + SLACK_BYTES
    assert elsewhere(site, tus).finish(path, data) == data


@pytest.mark.parametrize(
    ("protocol", "length"), [(Protocol.TUS, len(DATA)), (Protocol.DRAFT, None)], ids=["tus-length", "draft-chunked"]
)
def test_silence_beyond_the_limit_is_408_and_keeps_what_came(
    site: NginxSite, alice: requests.Session, protocol: Protocol, length: int | None
) -> None:
    door = Door(site.direct, alice, protocol)
    path = door.create(len(DATA))
    with door.appending(path, 0, length=length) as append:
        append.send(DATA[:12345])
        started_at = time.monotonic()
        answer = append.client.receive()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert READ_TIMEOUT_SECONDS - 0.1 < time.monotonic() - started_at < READ_TIMEOUT_SECONDS + 15
    assert elsewhere(site, door).offset(path) == 12345


@pytest.mark.parametrize("ending", ["fin", "rst", "last-byte"])
@codings
def test_a_promised_body_that_breaks_off_counts_nothing(
    site: NginxSite, door: Door, length: int | None, ending: str
) -> None:
    path, before = door.create(len(DATA)), 100_000
    assert door.patch(path, 0, DATA[:before]).ok
    rest = DATA[before:]
    with door.appending(path, before, door.protocol.promise(rest), length=length and len(rest)) as append:
        append.send(rest[:-1])
        append.wait_until_received()
        if ending == "rst":
            append.client.reset()
        elif ending == "last-byte":
            append.send(bytes([rest[-1] ^ 1]))
            if append.is_chunked:
                append.end_chunks()
            assert append.client.receive().status == (460 if door.protocol is Protocol.TUS else 400)
        elif ending == "fin":
            append.shut()
            assert append.client.receive().status == 400
    wait_until(lambda: not is_held(site.direct, path))
    assert (door.offset(path), stored_end(site.direct, path)) == (before, before)
    assert elsewhere(site, door).finish(path, DATA) == DATA


def test_a_promised_body_counts_nothing_when_its_process_is_killed(site: NginxSite, door: Door) -> None:
    path = door.create(len(DATA))
    with door.appending(path, 0, door.protocol.promise(DATA), length=len(DATA)) as append:
        append.send(DATA[:-1])
        wait_until(lambda: is_held(site.direct, path))
        with killed(site.direct):
            assert elsewhere(site, door).offset_after_a_kill(path) == 0
    assert elsewhere(site, door).finish(path, DATA[::-1]) == DATA[::-1]


@pytest.mark.parametrize(
    ("algorithm", "trailer", "status"),
    [
        pytest.param("sha1", None, 204, id="sha1"),
        pytest.param("sha256", None, 204, id="sha256"),
        pytest.param("sha256", "Upload-Checksum: sha1 " + base64.b64encode(bytes(20)).decode(), 460, id="wrong"),
        pytest.param("sha256", "Upload-Checksum: md5 AAAA", 400, id="unknown"),
        pytest.param("sha256", "X-Other: 1", 400, id="missing"),
    ],
)
def test_a_checksum_behind_the_body_decides(tus: Door, algorithm: str, trailer: str | None, status: int) -> None:
    path, data = tus.create(len(DATA)), DATA[:1_000_000]
    digest = base64.b64encode(hashlib.new(algorithm, data, usedforsecurity=False).digest()).decode()
    with tus.appending(path, 0, "Trailer: Upload-Checksum") as append:
        send_in_pieces(append, len(data), seed=3)
        append.end_chunks(trailer or f"Upload-Checksum: {algorithm} {digest}")
        assert append.client.receive().status == status
    assert tus.offset(path) == (len(data) if status == 204 else 0)
    assert tus.finish(path, DATA) == DATA


@codings
def test_nothing_past_the_length_is_stored(site: NginxSite, door: Door, length: int | None) -> None:
    path, total = door.create(500_000), 500_000
    with door.appending(path, 0, length=length, is_last=False) as append:
        if length is None:
            send_in_pieces(append, len(DATA), seed=4)
            append.end_chunks()
        assert append.client.receive().status == 413
    assert door.offset(path) <= total
    assert stored_end(site.direct, path) <= total
    assert door.finish(path, DATA[:total]) == DATA[:total]
