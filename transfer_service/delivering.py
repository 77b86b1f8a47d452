"""The webhooks of the worker: it looks for those that something is due for, and sends to each in a greenlet of its own.

Nothing here waits for two receivers: each has tries of its own, of which one is always allowed, and addresses are
looked up in threads of which one waits for a name.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import gevent
import structlog
from gevent.event import Event
from gevent.monkey import get_original
from gevent.threadpool import ThreadPool

from transfer_service.errors import TransferError
from transfer_service.logs import failures_logged, log_error
from transfer_service.remote.connections import Guard
from transfer_service.remote.posting import TIMEOUT, TRY_SECONDS, NotAnswered, Poster
from transfer_service.services.events.deliveries import EXPIRED, Deliveries, Tried, WebhookLost
from transfer_service.telemetry import meters, traces
from transfer_service.threads import Outcome

if TYPE_CHECKING:
    from transfer_service.services.events.delivery_rows import Due, Receiver

LOOK_SECONDS, BEAT_SECONDS, TIDY_SECONDS = 0.5, 2.0, 60.0
MOST_FOR_ONE, MOST_BEYOND = 8, 56
"""How many tries there are at once: for one webhook, and for all together beyond the first of each."""
NAMES_AT_ONCE = 32
DEAD_AFTER, PACE_SECONDS = 20, 0.5
"""After so many failures in a row a receiver gets one try at a time, and with pauses, until one succeeds: what has
piled up for a receiver that is down must not cost the machine."""
LINGER_SECONDS, SHORTEST_SECONDS = 1.0, 0.01
FAULT = "fault"


class Delivering:
    """Sends to webhooks until it is killed. `post` sends one message and gives the status, or raises NotAnswered."""

    def __init__(
        self,
        deliveries: Deliveries,
        post: Callable[..., int],
        *,
        look_seconds: float = LOOK_SECONDS,
        try_seconds: float = TRY_SECONDS,
    ) -> None:
        self._deliveries = deliveries
        self._look_seconds = look_seconds
        self._line = _Line(deliveries, post, try_seconds)
        self._couriers: dict[uuid.UUID, _Courier] = {}
        self._tidied_at = time.monotonic()

    def run(self) -> None:
        """Look and send, for ever."""
        beating = gevent.spawn(self._beat)
        try:
            while True:
                with failures_logged():
                    self._look()
                gevent.sleep(self._look_seconds)
        finally:
            gevent.killall([beating, *(each.greenlet for each in self._couriers.values())])

    def _look(self) -> None:
        for webhook_id in self._deliveries.find_free():
            if webhook_id not in self._couriers:
                claimed_at = time.monotonic()
                receiver = self._deliveries.claim(webhook_id)
                if receiver is not None:
                    self._begin(_Courier(receiver, self._line, claimed_at))
        if time.monotonic() >= self._tidied_at + TIDY_SECONDS:
            self._tidied_at = time.monotonic()
            self._deliveries.tidy()

    def _begin(self, courier: "_Courier") -> None:
        webhook_id = courier.receiver.webhook_id
        self._couriers[webhook_id] = courier
        courier.greenlet = gevent.spawn(self._supervise, courier)

    def _supervise(self, courier: "_Courier") -> None:
        webhook_id = courier.receiver.webhook_id
        try:
            courier.run()
        except WebhookLost:
            structlog.get_logger().info("webhook_lost", webhook=str(webhook_id))
        except Exception as error:  # noqa: BLE001 - it is begun again
            log_error(error)
        finally:
            courier.stop()
            with failures_logged():
                self._deliveries.release(webhook_id)
            del self._couriers[webhook_id]

    def _beat(self) -> None:
        """Keep the leases of all; who has lost his sends nothing more."""
        while True:
            gevent.sleep(min(BEAT_SECONDS, self._deliveries.lease.total_seconds() / 5))
            held = list(self._couriers)
            if not held:
                continue
            began = time.monotonic()
            with failures_logged():
                kept = self._deliveries.prolong(held)
                for webhook_id in held:
                    courier = self._couriers.get(webhook_id)
                    if courier is not None and webhook_id in kept:
                        courier.held_at = began
                    elif courier is not None:
                        courier.greenlet.kill(block=False)


@dataclass
class _Line:
    """What all couriers share."""

    deliveries: Deliveries
    post: Callable[..., int]
    try_seconds: float
    beyond: int = MOST_BEYOND
    failures: dict[uuid.UUID, int] = field(default_factory=dict)
    """Of each webhook, how many tries in a row have failed."""


class _Courier:
    """Sends what is due for one webhook, some of it at once, as long as the lease is held."""

    def __init__(self, receiver: "Receiver", line: _Line, held_at: float) -> None:
        self.receiver = receiver
        self.held_at = held_at
        self.greenlet: Any = None
        self._line = line
        self._sending: dict[str, Any] = {}
        """By subject: of each one event at a time."""
        self._tried: list[Tried] = []
        self._news = Event()
        self._paced_until = 0.0

    def run(self) -> None:
        """Send until nothing is due for a while. Raises WebhookLost."""
        while self._is_held():
            self._news.clear()
            seconds: float | None = 0.0
            try:
                self._record()
                self._begin()
                seconds = self._line.deliveries.seconds_until_due(self.receiver.webhook_id)
            except TransferError as error:  # the database is away: what was sent is known here, while the lease lasts
                log_error(error)
            if not self._sending and not self._tried and (seconds is None or seconds > LINGER_SECONDS):
                return
            self._news.wait(self._rest_seconds(seconds or 0.0))

    def stop(self) -> None:
        """Break off what is being sent, and keep what has been."""
        gevent.killall(list(self._sending.values()))
        with failures_logged():
            if self._tried:
                self._line.deliveries.record(self.receiver.webhook_id, self._tried)
        self._line.beyond += max(len(self._sending) - 1, 0)

    def _is_held(self) -> bool:
        return time.monotonic() < self.held_at + self._line.deliveries.lease.total_seconds()

    def _rest_seconds(self, seconds_until_due: float) -> float:
        """How long to wait for news, and new events."""
        if self._sending or self._tried:
            return LOOK_SECONDS
        pause = self._paced_until - time.monotonic()
        return min(max(seconds_until_due, pause, SHORTEST_SECONDS), LOOK_SECONDS)

    def _record(self) -> None:
        """Write down what has become of tries; until that succeeds, nothing else of their subjects is sent."""
        tried = self._tried[:]
        if not tried:
            return
        self._line.deliveries.record(self.receiver.webhook_id, tried)
        del self._tried[: len(tried)]
        for each in tried:
            if self._sending.pop(each.due.subject, None) is not None:
                self._count(each)

    def _count(self, tried: Tried) -> None:
        """One try less is under way."""
        if self._sending:
            self._line.beyond += 1
        webhook_id = self.receiver.webhook_id
        self._line.failures[webhook_id] = 0 if tried.has_arrived else self._line.failures.get(webhook_id, 0) + 1
        if self._is_dead():
            self._paced_until = time.monotonic() + PACE_SECONDS

    def _is_dead(self) -> bool:
        return self._line.failures.get(self.receiver.webhook_id, 0) >= DEAD_AFTER

    def _free(self) -> int:
        """How many more tries may begin."""
        used = len(self._sending)
        if self._is_dead():
            return int(used == 0 and time.monotonic() >= self._paced_until)
        return min(MOST_FOR_ONE - used, self._line.beyond + int(used == 0))

    def _begin(self) -> None:
        """Begin as many tries as may be; what a receiver that is down has kept waiting for too long has failed."""
        if self._free() <= 0:
            return
        for due in self._line.deliveries.find_due(self.receiver.webhook_id):
            if due.subject in self._sending:
                continue
            if due.is_overdue and self._is_dead():
                self._tried.append(Tried(due, EXPIRED))
                self._news.set()
            elif self._free() > 0:
                if self._sending:
                    self._line.beyond -= 1
                self._sending[due.subject] = gevent.spawn(self._send, due)

    def _send(self, due: "Due") -> None:
        result: int | str = FAULT
        try:
            result = self._try(due)
        except NotAnswered as failure:
            result = failure.word
        except Exception as error:  # noqa: BLE001 - one of ours, and the event must not be lost for it
            log_error(error)
        tried = Tried(due, result)
        meters.count(meters.WEBHOOK_TRIES, "ok" if tried.has_arrived else "failed")
        self._tried.append(tried)
        self._news.set()

    def _try(self, due: "Due") -> int | str:
        message = self._line.deliveries.compose(self.receiver, due)
        if message is None or isinstance(message, str):
            return message or FAULT
        with (
            traces.Traced("webhook try", kind="CLIENT", parent=message.headers.get(traces.TRACEPARENT, "")),
            gevent.Timeout(self._line.try_seconds, NotAnswered(TIMEOUT)),
        ):
            present = traces.present_trace()
            headers = {**message.headers, **({traces.TRACEPARENT: present} if present else {})}
            return self._line.post(self.receiver.url, message.body, headers)


class Resolver:
    """`socket.getaddrinfo` in threads that wait for nothing else: of each name one, however many ask for it."""

    def __init__(self, lookup: Callable[..., Any] | None = None) -> None:
        self._lookup = lookup or get_original("socket", "getaddrinfo")
        self._pool: Any = None
        self._asked: dict[str, Any] = {}

    def __call__(self, host: str, port: int, **options: Any) -> list[tuple[Any, ...]]:
        """As `socket.getaddrinfo`."""
        if self._pool is None:
            self._pool = ThreadPool(NAMES_AT_ONCE)
        asked = self._asked.get(host)
        if asked is None:
            asked = self._asked[host] = self._pool.spawn(Outcome, partial(self._lookup, host, port, **options))
            asked.rawlink(lambda _result: self._asked.pop(host, None))
        outcome: Outcome[list[tuple[Any, ...]]] = asked.get()
        return [_with_port(each, port) for each in outcome.unwrap()]


def _with_port(found: tuple[Any, ...], port: int) -> tuple[Any, ...]:
    """Another one may have asked for the same name, and another port."""
    *head, address = found
    return (*head, (address[0], port, *address[2:]))


def build_delivering(deliveries: Deliveries, *, allow_private: bool, look_seconds: float = LOOK_SECONDS) -> Delivering:
    """The loop, with a way out that is guarded."""
    guard = Guard(allow_private=allow_private, resolve=Resolver())
    return Delivering(deliveries, Poster(guard, now=time.monotonic).post, look_seconds=look_seconds)
