"""The worker tells webhooks: all of it, in order, and whoever does not listen delays nobody."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select
from standardwebhooks import Webhook

from tests.conftest import SECRET
from tests.live.download_worker import Zygote, zygote
from tests.live.receiver import OK, Receiver
from tests.live.server import wait_until
from tests.ports import free_port
from tests.prepared import migrate
from transfer_service.bootstrap import Services, build_services
from transfer_service.config import Settings
from transfer_service.models.webhooks import WebhookDelivery
from transfer_service.services.events.outbox import publish
from transfer_service.services.events.webhooks import WebhookDraft
from transfer_service.wire.webhooks import Event

PATIENCE_SECONDS = 60.0

pytestmark = pytest.mark.one_machine("its workers are on a folder of their own")


@dataclass
class Site:
    """An installation with workers and a receiver."""

    services: Services
    workers: Zygote
    receiver: Receiver
    secrets: dict[str, str]
    running: list[int] = field(default_factory=list)

    def work(self) -> None:
        """One worker more."""
        self.running.append(self.workers.fork())

    def add(self, path: str, *, url: str | None = None) -> None:
        draft = WebhookDraft(url or self.receiver.url_of(path), tuple(Event), None)
        self.secrets[path] = self.services.webhooks.add(draft)[1]

    def publish(self, subject: str, number: int) -> None:
        at = self.services.core.now()
        with self.services.database.write_rows() as rows:
            data = {"subject": subject, "number": number}
            publish(rows, Event.FILE_COMPLETED, account_id=None, subject=subject, data=data, at=at)

    def waiting(self) -> int:
        with self.services.database.read() as session:
            return session.scalars(select(func.count()).select_from(WebhookDelivery)).one()

    def numbers(self, path: str, subject: str) -> list[int]:
        """What has come of a subject, in its order; of what came again at once, as it may, the first only."""
        told = [request.json["data"] for request in self.receiver.to(path)]
        found = [each["number"] for each in told if each["subject"] == subject]
        return [number for place, number in enumerate(found) if found[:place][-1:] != [number]]


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[Site]:
    data_dir = tmp_path / "data"
    settings = Settings(
        data_dir=data_dir, secret_key=SecretStr(SECRET), database_url=database_url, allow_private_sources=True
    )
    services = build_services(settings)
    migrate(database_url)
    environment = {
        "SECRET_KEY": SECRET,
        "TRANSFER_DATABASE_URL": database_url,
        "TRANSFER_ALLOW_PRIVATE_SOURCES": "true",
    }
    with Receiver() as receiver, zygote(data_dir, **environment) as workers:
        made = Site(services, workers, receiver, {})
        yield made
        for worker in made.running:
            workers.kill(worker)
    services.database.dispose()


def is_done(site: Site, path: str, count: int) -> Callable[[], bool]:
    return lambda: len(site.receiver.to(path)) >= count


def test_every_event_comes_once_signed_and_in_order(site: Site) -> None:
    site.add("/hook")
    for number in range(20):
        for subject in ("a", "b", "c"):
            site.publish(subject, number)
    site.work()
    site.work()
    wait_until(lambda: site.waiting() == 0, seconds=PATIENCE_SECONDS)
    while site.running:
        assert site.workers.stop(site.running.pop()) == 0
    assert {subject: site.numbers("/hook", subject) for subject in "abc"} == {each: list(range(20)) for each in "abc"}
    verifier = Webhook(site.secrets["/hook"])
    for request in site.receiver.requests:
        assert verifier.verify(request.body.decode(), request.headers) == request.json
    assert len({request.id for request in site.receiver.requests}) == 60


def test_a_failed_try_comes_again_the_same_and_those_behind_it_wait(site: Site) -> None:
    site.add("/hook")
    site.receiver.answer("/hook", b"HTTP/1.1 503 No\r\n\r\n", OK)
    for number in range(3):
        site.publish("a", number)
    began = time.monotonic()
    site.work()
    wait_until(lambda: site.waiting() == 0, seconds=PATIENCE_SECONDS)
    first, again, *_ = site.receiver.requests
    assert site.numbers("/hook", "a") == [0, 1, 2]
    assert again.at - began >= 4.9
    assert (first.id, first.body) == (again.id, again.body)
    assert first.headers["webhook-timestamp"] != again.headers["webhook-timestamp"]


def test_who_is_silent_slow_or_dead_delays_nobody(site: Site) -> None:
    for number in range(12):
        site.add(f"/silent/{number}")
        site.receiver.answer(f"/silent/{number}", site.receiver.stay_silent)
    site.add("/drip")
    site.receiver.answer("/drip", site.receiver.drip(b"A: b\r\n", first=b"HTTP/1.1 200 OK\r\n"))
    site.add("/dead", url="http://127.0.0.1:1/")
    site.add("/flood")
    site.receiver.answer("/flood", b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000)
    site.add("/good")
    for number in range(30):
        site.publish(f"file {number}", number)
    site.work()
    # If these had to wait for the tries of those, it would be minutes: 360 silent ones of 15 s, some 60 at once.
    wait_until(is_done(site, "/good", 30), seconds=PATIENCE_SECONDS)
    wait_until(is_done(site, "/silent/11", 1), seconds=PATIENCE_SECONDS)
    assert all(site.numbers("/good", f"file {number}") == [number] for number in range(30))


def test_a_receiver_that_was_down_gets_everything_when_it_is_back(site: Site) -> None:
    port = free_port()
    site.add("/hook", url=f"http://127.0.0.1:{port}/hook")
    for number in range(60):
        site.publish(f"file {number}", number)
    site.work()
    time.sleep(2)
    with Receiver(port=port) as up:
        wait_until(lambda: len({request.id for request in up.requests}) == 60, seconds=PATIENCE_SECONDS)
        wait_until(lambda: site.waiting() == 0, seconds=PATIENCE_SECONDS)
