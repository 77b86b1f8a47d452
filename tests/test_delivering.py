"""The worker's loop over webhooks: how many tries at once, what a dead receiver costs, and names that resolve slowly.

What is asked of the database is faked where its state is not the point.
"""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import gevent
import pytest
from gevent.event import Event
from structlog.testing import capture_logs

from transfer_service import delivering
from transfer_service.delivering import DEAD_AFTER, MOST_BEYOND, MOST_FOR_ONE, Delivering, Resolver
from transfer_service.errors import StoreUnavailable
from transfer_service.remote.posting import NotAnswered
from transfer_service.services.events.deliveries import EXPIRED, Message, Tried, WebhookLost
from transfer_service.services.events.delivery_rows import Due, Receiver

PATIENCE_SECONDS = 20.0


@dataclass
class FakeDeliveries:
    """What is due for each webhook, by its URL. What has been tried is gone from it."""

    due: dict[str, list[Due]]
    lease: timedelta = timedelta(seconds=60)
    tried: list[tuple[str, Tried]] = field(default_factory=list)
    failures: int = 0
    is_lost: bool = False
    released: list[uuid.UUID] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ids = {url: uuid.uuid4() for url in self.due}
        self._urls = {webhook_id: url for url, webhook_id in self.ids.items()}

    def find_free(self) -> list[uuid.UUID]:
        return [self.ids[url] for url, due in self.due.items() if due]

    def claim(self, webhook_id: uuid.UUID) -> Receiver | None:
        return Receiver(webhook_id, self._urls[webhook_id], "")

    def prolong(self, webhook_ids: list[uuid.UUID]) -> set[uuid.UUID]:
        return set() if self.is_lost else set(webhook_ids)

    def release(self, webhook_id: uuid.UUID) -> None:
        self.released.append(webhook_id)

    def tidy(self) -> None:
        """Nothing is left over."""

    def find_due(self, webhook_id: uuid.UUID) -> list[Due]:
        return self.due[self._urls[webhook_id]][:200]

    def seconds_until_due(self, webhook_id: uuid.UUID) -> float | None:
        return 0.0 if self.due[self._urls[webhook_id]] else None

    def compose(self, _receiver: Receiver, due: Due) -> Message:
        return Message({}, str(due.id).encode())

    def record(self, webhook_id: uuid.UUID, tried: list[Tried]) -> None:
        if self.is_lost:
            raise WebhookLost
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable
        url = self._urls[webhook_id]
        self.tried += [(url, each) for each in tried]
        gone = {each.due.id for each in tried}
        self.due[url] = [each for each in self.due[url] if each.id not in gone]

    def results(self, url: str) -> list[int | str]:
        return [each.result for tried_url, each in self.tried if tried_url == url]


def events(count: int, *, is_overdue: bool = False) -> list[Due]:
    """Events of as many subjects."""
    return [Due(number, uuid.uuid4(), f"file {number}", 0, False, is_overdue) for number in range(count)]


@dataclass
class FakeNetwork:
    """How receivers answer, and how many are being asked. `hold` lets go of the ones that are `slow`."""

    slow: frozenset[str] = frozenset()
    dead: frozenset[str] = frozenset()
    hold: Event = field(default_factory=Event)
    asked: dict[str, int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)
    calls: int = 0

    def post(self, url: str, _body: bytes, _headers: dict[str, str]) -> int:
        self.calls += 1
        self.asked[url] = self.asked.get(url, 0) + 1
        self.most[url] = max(self.most.get(url, 0), self.asked[url])
        try:
            if url in self.dead:
                raise NotAnswered("unreachable")
            if url in self.slow:
                self.hold.wait()
            else:
                gevent.sleep(0.001)
            return 204
        finally:
            self.asked[url] -= 1


@contextmanager
def working(deliveries: FakeDeliveries, network: FakeNetwork, *, try_seconds: float = 60) -> Iterator[None]:
    loop = Delivering(deliveries, network.post, look_seconds=0.01, try_seconds=try_seconds)  # type: ignore[arg-type]
    running = gevent.spawn(loop.run)
    try:
        yield
    finally:
        running.kill()


def wait_until(condition: object) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        gevent.sleep(0.005)


def test_of_one_webhook_some_are_sent_at_once() -> None:
    deliveries, network = FakeDeliveries({"a": events(40)}), FakeNetwork(slow=frozenset("a"))
    with working(deliveries, network):
        wait_until(lambda: network.asked.get("a") == MOST_FOR_ONE)
        gevent.sleep(0.05)
        assert network.asked["a"] == MOST_FOR_ONE
        network.hold.set()
        wait_until(lambda: len(deliveries.tried) == 40)
    assert network.most["a"] == MOST_FOR_ONE
    assert deliveries.results("a") == [204] * 40


def test_however_many_are_slow_each_further_one_has_a_try() -> None:
    slow = [f"slow {number}" for number in range(20)]
    deliveries = FakeDeliveries({**{url: events(20) for url in slow}, "good": events(30)})
    network = FakeNetwork(slow=frozenset(slow))
    with working(deliveries, network):
        wait_until(lambda: len(deliveries.results("good")) == 30)
        assert sum(network.asked.get(url, 0) for url in slow) <= len(slow) + MOST_BEYOND
        assert min(network.asked.get(url, 0) for url in slow) >= 1


def test_what_was_borrowed_comes_back() -> None:
    """Rounds of tries, broken off or not, leave as many as before."""
    deliveries, network = FakeDeliveries({"a": events(40)}), FakeNetwork(slow=frozenset("a"))
    loop = Delivering(deliveries, network.post, look_seconds=0.01)  # type: ignore[arg-type]
    running = gevent.spawn(loop.run)
    wait_until(lambda: network.asked.get("a") == MOST_FOR_ONE)
    assert loop._line.beyond == MOST_BEYOND - MOST_FOR_ONE + 1
    running.kill()
    assert (loop._line.beyond, deliveries.released) == (MOST_BEYOND, [deliveries.ids["a"]])


def test_a_dead_receiver_is_asked_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "PACE_SECONDS", 0.3)
    deliveries, network = FakeDeliveries({"a": events(500)}), FakeNetwork(dead=frozenset("a"))
    with working(deliveries, network):
        wait_until(lambda: network.calls >= DEAD_AFTER)
        before, began = network.calls, time.monotonic()
        gevent.sleep(1)
        assert network.calls - before <= MOST_FOR_ONE + 2 + (time.monotonic() - began) / 0.3
        network.dead = frozenset()
        wait_until(lambda: len(deliveries.tried) == 500)
    assert deliveries.results("a").count("unreachable") == len(deliveries.tried) - deliveries.results("a").count(204)


def test_what_a_dead_receiver_has_kept_waiting_too_long_fails_without_a_try() -> None:
    due = [*events(DEAD_AFTER), *[Due(1000 + each.id, each.message_id, f"old {each.id}", 0, False, True)
                                  for each in events(50)]]  # fmt: skip
    deliveries, network = FakeDeliveries({"a": due}), FakeNetwork(dead=frozenset("a"))
    with working(deliveries, network):
        wait_until(lambda: deliveries.results("a").count(EXPIRED) >= 20)
    assert network.calls < 60


def test_a_receiver_that_is_asked_again_after_a_rest_gets_what_is_old_too() -> None:
    deliveries, network = FakeDeliveries({"a": events(30, is_overdue=True)}), FakeNetwork()
    with working(deliveries, network):
        wait_until(lambda: len(deliveries.tried) == 30)
    assert deliveries.results("a") == [204] * 30


def test_a_try_ends_in_its_time() -> None:
    deliveries, network = FakeDeliveries({"a": events(1)}), FakeNetwork(slow=frozenset("a"))
    with working(deliveries, network, try_seconds=0.1):
        wait_until(lambda: deliveries.results("a") == ["timeout"])


def test_what_was_sent_is_recorded_when_the_database_is_back() -> None:
    deliveries, network = FakeDeliveries({"a": events(3)}, failures=2), FakeNetwork()
    with capture_logs(), working(deliveries, network):
        wait_until(lambda: len(deliveries.tried) == 3)
    assert (network.calls, deliveries.results("a")) == (3, [204] * 3)  # and nothing was sent twice meanwhile


def test_who_has_lost_a_webhook_sends_nothing_more() -> None:
    deliveries = FakeDeliveries({"a": events(40)}, lease=timedelta(seconds=0.5))
    network = FakeNetwork(slow=frozenset("a"))
    with working(deliveries, network):
        wait_until(lambda: network.asked.get("a") == MOST_FOR_ONE)
        deliveries.is_lost = True
        deliveries.due["a"] = []
        wait_until(lambda: deliveries.released)
        assert (network.asked["a"], deliveries.tried) == (0, [])


def test_a_fault_of_ours_is_logged_and_tried_again() -> None:
    def fail(*_arguments: object) -> int:
        raise RuntimeError("a secret")

    deliveries = FakeDeliveries({"a": events(1)})
    network = FakeNetwork()
    network.post = fail  # type: ignore[method-assign, assignment]
    with capture_logs() as log, working(deliveries, network):
        wait_until(lambda: deliveries.results("a") == ["fault"])
    assert "RuntimeError" in {line.get("error") for line in log}
    assert "secret" not in str(log)


def test_a_name_is_looked_up_once_for_all_who_ask() -> None:
    going, asked = threading.Event(), []

    def lookup(host: str, port: int, **_options: object) -> list[tuple[object, ...]]:
        asked.append(host)
        going.wait(PATIENCE_SECONDS)
        return [(2, 1, 6, "", ("192.0.2.1", port))]

    resolve = Resolver(lookup)
    asking = [gevent.spawn(resolve, "slow.example", port) for port in (80, 443, 80)]
    gevent.sleep(0.05)
    going.set()
    gevent.joinall(asking, timeout=PATIENCE_SECONDS, raise_error=True)
    assert asked == ["slow.example"]
    assert [found.get()[0][4] for found in asking] == [("192.0.2.1", 80), ("192.0.2.1", 443), ("192.0.2.1", 80)]


def test_a_slow_name_server_delays_no_other_name_and_ends_with_the_try() -> None:
    going = threading.Event()

    def lookup(host: str, port: int, **_options: object) -> list[tuple[object, ...]]:
        if host == "slow.example":
            going.wait(PATIENCE_SECONDS)
        return [(2, 1, 6, "", ("192.0.2.1", port))]

    resolve = Resolver(lookup)
    for _ in range(40):
        gevent.spawn(resolve, "slow.example", 80)
    began = time.monotonic()
    assert resolve("quick.example", 80)[0][4] == ("192.0.2.1", 80)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.1):
        resolve("slow.example", 80)
    assert time.monotonic() - began < 5
    going.set()


def test_a_name_that_is_not_there_is_an_error_each_time() -> None:
    def lookup(_host: str, _port: int, **_options: object) -> list[tuple[object, ...]]:
        raise OSError("no such name")

    resolve = Resolver(lookup)
    for _ in range(2):
        with pytest.raises(OSError, match="no such name"):
            resolve("none.example", 80)
