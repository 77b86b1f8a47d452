"""Two processes and one upload: the newest request wins, whether the append before it is silent or receiving."""

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import numpy as np
import pytest
import requests

from tests.growing.installations import engines
from tests.live.appends import (
    DATA,
    DEAD_HOLDER_SECONDS,
    KIB,
    MIB,
    Append,
    Door,
    Pair,
    Protocol,
    is_held,
    running_pair,
    stored_end,
    tell,
)
from tests.live.server import killed, wait_until

pytestmark = pytest.mark.measured

STALLED, RACES = 50, 50
WHOLE = DATA[:MIB]
LIMIT_SECONDS = 6.0  # a silent client is waited for for half a minute
WATCHED_SECONDS = 3.0 if engines() is None else 20.0
"""Within these three offsets come to count: after a second each, with an object store after 8 MiB, or five seconds."""
protocols = pytest.mark.parametrize("protocol", list(Protocol), ids=lambda protocol: protocol.value)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running_pair(tmp_path_factory.mktemp("pair") / "data") as pair:
        yield pair


class Stall:
    """An append at the first process that has sent `size` bytes and then nothing."""

    def __init__(self, pair: Pair, stack: ExitStack, protocol: Protocol, size: int) -> None:
        first, self.other = pair.doors(protocol)
        self.size, self.path = size, first.create(len(WHOLE))
        self.append = stack.enter_context(first.appending(self.path, 0, length=len(WHOLE)))
        self.append.send(WHOLE[:size])
        self.append.wait_until_received()
        self.since = time.monotonic()

    def wait_for_its_second(self) -> None:
        """Return when it counts as stalled."""
        time.sleep(max(0.0, self.since + 1 - time.monotonic()))  # the silence is what is tested


def stall(pair: Pair, stack: ExitStack, *, seed: int) -> list[Stall]:
    """Fifty, half of them in each protocol, with as many bytes as it happens."""
    sizes = np.random.default_rng(seed).integers(1, 700 * KIB, STALLED)
    return [
        Stall(pair, stack, list(Protocol)[number % 2], int(size)) for number, size in enumerate(sizes)
    ]  # fmt: skip


def timed(stalls: Sequence[Stall], method: str) -> tuple[list[requests.Response], float]:
    """The answers to one request about each, five at a time, and the longest time that one took."""

    def ask(stalled: Stall) -> tuple[requests.Response, float]:
        stalled.wait_for_its_second()
        started_at = time.monotonic()
        if method == "PATCH":
            answer = stalled.other.patch(stalled.path, stalled.size, WHOLE[stalled.size :], is_last=True)
        else:
            answer = stalled.other.request(method, stalled.path, stalled.other.protocol.headers)
        return answer, time.monotonic() - started_at

    with ThreadPoolExecutor(5) as pool:
        answers, seconds = zip(*pool.map(ask, stalls), strict=True)
    tell(f"{method}: longest {max(seconds):.3f} s, median {statistics.median(seconds):.3f} s")
    return list(answers), max(seconds)


def test_a_look_from_another_process_ends_what_is_stalled_and_counts_all_it_brought(pair: Pair) -> None:
    with ExitStack() as stack:
        stalls = stall(pair, stack, seed=1)
        answers, longest = timed(stalls, "HEAD")
        assert longest < LIMIT_SECONDS
        assert [int(answer.headers["Upload-Offset"]) for answer in answers] == [each.size for each in stalls]
        wait_until(lambda: all(each.append.has_ended() for each in stalls))
    assert all(each.other.finish(each.path, WHOLE) == WHOLE for each in stalls)


def test_an_append_from_another_process_takes_over_what_is_stalled(pair: Pair) -> None:
    with ExitStack() as stack:
        stalls = stall(pair, stack, seed=2)
        answers, longest = timed(stalls, "PATCH")
        assert longest < LIMIT_SECONDS
        assert [each.status_code for each in answers] == [each.other.protocol.last_status for each in stalls]
        wait_until(lambda: all(each.append.has_ended() for each in stalls))
    assert all(each.other.download(each.path) == WHOLE for each in stalls)


def test_a_cancelled_upload_ends_what_is_stalled_and_frees_its_bytes(pair: Pair) -> None:
    with ExitStack() as stack:
        stalls = stall(pair, stack, seed=3)
        answers, longest = timed(stalls, "DELETE")
        assert longest < LIMIT_SECONDS
        assert {answer.status_code for answer in answers} == {204}
        wait_until(lambda: all(each.append.has_ended() for each in stalls), seconds=LIMIT_SECONDS)
    assert not any(stored_end(pair.first, each.path) for each in stalls)
    assert {each.other.look(each.path).status_code for each in stalls} == {404, 410}  # tus, and the draft


@protocols
def test_a_look_or_an_append_at_once_after_the_last_byte_waits_until_it_counts(pair: Pair, protocol: Protocol) -> None:
    with ExitStack() as stack:
        stalled = Stall(pair, stack, protocol, 1000)
        wait_until(lambda: is_held(pair.first, stalled.path))
        answer = stalled.other.patch(stalled.path, 0, WHOLE, is_last=True)
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (409, "1000")
        assert stalled.other.offset(stalled.path) == 1000
    assert stalled.other.finish(stalled.path, WHOLE) == WHOLE


@protocols
def test_what_a_displaced_client_sends_later_counts_for_nothing(pair: Pair, protocol: Protocol) -> None:
    with ExitStack() as stack:
        stalled = Stall(pair, stack, protocol, 1000)
        stalled.wait_for_its_second()
        assert stalled.other.offset(stalled.path) == 1000
        stalled.append.send(b"\0" * 1000 + b"DELETE " + stalled.path.encode() + b" HTTP/1.1\r\nHost: test\r\n\r\n")
        answer = stalled.append.client.receive()
        assert (answer.status, answer.headers["connection"]) == (protocol.busy_status, "close")
        wait_until(stalled.append.has_ended)
    assert stalled.other.offset(stalled.path) == 1000
    assert stalled.other.finish(stalled.path, WHOLE) == WHOLE


class Flow:
    """An append that goes on receiving, 64 KiB every 20 ms, until the `with` block ends."""

    def __init__(self, append: Append) -> None:
        self._append, self._done = append, threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> "Flow":
        self._thread.start()
        return self

    def __exit__(self, *_args: object) -> None:
        self._done.set()
        self._thread.join()

    def _send(self) -> None:
        with suppress(ConnectionError):  # the answer tells why
            while not self._done.wait(0.02):
                sent = self._append.sent
                self._append.send(BIG[sent : sent + 64 * KIB])


BIG = DATA * 8


@protocols
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_look_ends_an_append_that_is_receiving_and_what_it_is_told_is_true(
    pair: Pair, protocol: Protocol, method: str
) -> None:
    first, second = pair.doors(protocol)
    path = first.create(len(BIG))
    with first.appending(path, 0, length=len(BIG)) as append, Flow(append):
        wait_until(lambda: append.sent > MIB)
        since = time.monotonic()
        looked = second.request(method, path, second.protocol.headers | second.protocol.named)
        seconds = time.monotonic() - since
        answer = append.client.receive()
    offset = int(looked.headers["Upload-Offset"])
    tell(f"{method} beside a running append: {seconds:.3f} s")
    assert (answer.status, answer.headers["connection"]) == (protocol.busy_status, "close")
    assert (seconds < LIMIT_SECONDS, 0 < offset <= append.sent) == (True, True)
    assert second.finish(path, BIG, offset=offset) == BIG


@protocols
def test_who_only_watches_disturbs_nobody(pair: Pair, protocol: Protocol) -> None:
    first, second = pair.doors(protocol)
    path, seen = first.create(len(BIG)), [0]
    with first.appending(path, 0, length=len(BIG)) as append:
        with Flow(append):
            wait_until(lambda: is_held(pair.first, path))
            until = time.monotonic() + WATCHED_SECONDS
            while len(set(seen)) < 3 and time.monotonic() < until:
                watched = second.request("GET", path, {})
                assert "Upload-Offset" not in watched.headers  # it would be no promise
                seen.append(watched.json()["offset"])
                time.sleep(0.1)
        append.send(BIG[append.sent :])
        assert append.client.receive().status == protocol.last_status
    assert seen == sorted(seen)
    assert (len(set(seen)) >= 3, second.download(path) == BIG) == (True, True)


@protocols
def test_an_append_ends_one_that_is_receiving_and_is_told_where_to_go_on(pair: Pair, protocol: Protocol) -> None:
    first, second = pair.doors(protocol)
    path = first.create(len(BIG))
    with first.appending(path, 0, length=len(BIG)) as append, Flow(append):
        wait_until(lambda: append.sent > MIB)
        since = time.monotonic()
        refused = second.patch(path, 1, BIG[1:], is_last=True)
        seconds = time.monotonic() - since
        answer = append.client.receive()
    assert (refused.status_code, answer.status, seconds < LIMIT_SECONDS) == (409, protocol.busy_status, True)
    assert second.finish(path, BIG, offset=int(refused.headers["Upload-Offset"])) == BIG


@protocols
def test_of_an_append_with_a_checksum_that_is_ended_nothing_counts(pair: Pair, protocol: Protocol) -> None:
    first, second = pair.doors(protocol)
    path = first.create(len(BIG))
    with first.appending(path, 0, protocol.promise(BIG), length=len(BIG)) as append, Flow(append):
        wait_until(lambda: append.sent > MIB)
        offset = second.offset(path)
        assert append.client.receive().status == protocol.busy_status
    assert offset == 0
    assert second.finish(path, BIG, offset=0) == BIG


@protocols
def test_two_clients_that_end_each_other_for_ever_get_on(pair: Pair, protocol: Protocol) -> None:
    """Each resumes as soon as it was ended, so it ends the other; every append brings something all the same."""
    path, tries = pair.doors(protocol)[0].create(len(BIG)), list[int]()

    def slowly(offset: int) -> Iterator[bytes]:
        for start in range(offset, len(BIG), 256 * KIB):
            time.sleep(0.01)
            yield BIG[start : start + 256 * KIB]

    def insist(door: Door) -> None:
        while True:
            looked = door.look(path)
            if "X-File-Id" in looked.headers:
                return
            if "Upload-Offset" in looked.headers:
                offset = int(looked.headers["Upload-Offset"])
                tries.append(offset)
                with suppress(requests.ConnectionError):
                    door.request("PATCH", path, door.protocol.append(offset, is_last=True), slowly(offset))

    with ThreadPoolExecutor(2) as pool:
        for insisting in [pool.submit(insist, door) for door in pair.doors(protocol)]:
            insisting.result(90)
    tell(f"two clients that end each other: {len(tries)} appends")
    assert len(tries) > 2
    assert pair.doors(protocol)[1].download(path) == BIG


@protocols
def test_an_upload_that_is_cancelled_while_it_receives_ends_soon(pair: Pair, protocol: Protocol) -> None:
    first, second = pair.doors(protocol)
    path = first.create(len(BIG))
    with first.appending(path, 0, length=len(BIG)) as append, Flow(append):
        wait_until(lambda: append.sent > MIB)
        cancelled, since = second.delete(path), time.monotonic()
        answer = append.client.receive()
        seconds = time.monotonic() - since
    assert (cancelled.status_code, answer.status) == (204, protocol.busy_status)
    assert seconds < LIMIT_SECONDS
    assert (second.look(path).status_code, stored_end(pair.first, path)) == (protocol.gone_status, 0)


@protocols
def test_two_appends_at_one_offset_never_mix(pair: Pair, protocol: Protocol) -> None:
    """The later one ends the other, of which a part may count; then that is where both are told to go on."""
    doors, size = pair.doors(protocol), 300 * KIB
    path, offset = doors[0].create(RACES * size), 0
    pieces: list[bytes] = []
    with ThreadPoolExecutor(2) as pool:
        for number in range(RACES):
            rivals = [bytes([2 * number]) * size, bytes([2 * number + 1]) * size]
            answers = list(pool.map(lambda door, data: door.patch(path, offset, data), doors, rivals))  # noqa: B023
            statuses = sorted(answer.status_code for answer in answers)
            assert statuses in ([204, 409], sorted([204, protocol.busy_status]), sorted([409, protocol.busy_status]))
            before, offset = offset, doors[number % 2].offset(path)
            pieces.append(b"" if offset == before else f"{before} {offset}".encode())
    rest = RACES * size - offset
    assert doors[0].patch(path, offset, bytes([255]) * rest, is_last=True).status_code == protocol.last_status
    content = doors[0].download(path)
    for piece in filter(None, pieces):
        start, stop = map(int, piece.split())
        assert (stop - start <= size, len(set(content[start:stop]))) == (True, 1)


@pytest.mark.one_machine("over machines a frozen holder is done without after five seconds: test_lease_times")
def test_where_the_process_that_holds_is_frozen_nothing_is_told_until_it_goes_on(pair: Pair) -> None:
    with ExitStack() as stack:
        stalls = [Stall(pair, stack, protocol, 1000) for protocol in Protocol]
        for each in stalls:
            wait_until(lambda: each.other.watched(each.path) == 1000)  # noqa: B023
        pair.first.worker().suspend()
        try:
            started_at = time.monotonic()
            answers = [each.other.look(each.path) for each in stalls]
            seconds = time.monotonic() - started_at
        finally:
            pair.first.worker().resume()
        assert [answer.status_code for answer in answers] == [each.other.protocol.busy_status for each in stalls]
        assert not any("Upload-Offset" in answer.headers for answer in answers)
        assert seconds < len(stalls) * LIMIT_SECONDS
        assert [each.other.offset(each.path) for each in stalls] == [1000, 1000]
    assert all(each.other.finish(each.path, WHOLE) == WHOLE for each in stalls)


def test_what_a_killed_process_held_is_free_soon(pair: Pair) -> None:
    durable = MIB // 3
    with ExitStack() as stack:
        stalls = [Stall(pair, stack, protocol, durable) for protocol in Protocol]
        for each in stalls:
            wait_until(lambda: each.other.watched(each.path) == durable)  # noqa: B023
            each.append.send(WHOLE[durable : 2 * durable])
        with killed(pair.first):
            started_at = time.monotonic()
            offsets = [each.other.offset_after_a_kill(each.path) for each in stalls]
            seconds = time.monotonic() - started_at
            wholes = [
                each.other.finish(each.path, WHOLE, offset=offset) for each, offset in zip(stalls, offsets, strict=True)
            ]
    tell(f"HEAD of two uploads after kill -9 of their holder: {seconds:.3f} s")
    assert (seconds < DEAD_HOLDER_SECONDS, min(offsets) >= durable) == (True, True)
    assert wholes == [WHOLE, WHOLE]
