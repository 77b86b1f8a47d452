"""`kill -9` of the service and its workers while files come, change and go: what is a webhook told of all that?

Afterwards the audit log says which facts there are: each must have arrived, nothing else, with one id and one body
however often, and of each file in order. The receiver takes some events without saying so, and refuses some.
"""

import random
import socket
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import func, select
from standardwebhooks import Webhook

from benchmarks.postgres import postgresql
from tests.conftest import SECRET
from tests.live.download_worker import Zygote, environment_of, zygote_in
from tests.live.receiver import OK, Receiver
from tests.live.server import LiveServer
from transfer_service.models.events import Activity
from transfer_service.models.webhooks import WebhookDelivery
from transfer_service.services.events.webhooks import WebhookDraft
from transfer_service.wire.webhooks import Event

CLIENTS = 3
WORKERS = 2
LONGEST_LIFE_SECONDS = 1.5
PATIENCE_SECONDS = 180.0
PATH = "/hook"
COMPLETED, DELETED = Event.FILE_COMPLETED.value, Event.FILE_DELETED.value
Fact = tuple[str, str]
"""An event, and the id of its file."""


@dataclass
class Clients:
    """They store files, replace some and delete some, and note what they were told."""

    server: LiveServer
    chance: random.Random
    told: list[Fact] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._token = self.server.sign_in("alice").headers["Authorization"]
        seeds = [self.chance.random() for _ in range(CLIENTS)]
        self._threads = [threading.Thread(target=self._live, args=(number, seed)) for number, seed in enumerate(seeds)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self.ended.set()
        for thread in self._threads:
            thread.join()

    def _live(self, number: int, seed: float) -> None:
        chance = random.Random(seed)
        session = requests.Session()
        session.trust_env, session.headers["Authorization"] = False, str(self._token)
        for turn in range(10**9):
            if self.ended.is_set():
                return
            try:
                self._store_one(session, f"{number}/{turn}.bin", chance)
            except requests.RequestException:  # it was killed
                time.sleep(0.05)

    def _store_one(self, session: requests.Session, name: str, chance: random.Random) -> None:
        url = f"{self.server.url}/api/files"
        stored = self._fields(session.post(url, params={"filename": name}, data=chance.randbytes(200), timeout=30))
        if stored is None:
            return
        self.told.append((COMPLETED, stored["file_id"]))
        if chance.random() < 0.3:
            replaced = self._fields(session.put(f"{url}/{name}", data=chance.randbytes(300), timeout=30))
            if replaced is None:
                return
            self.told += [(DELETED, stored["file_id"]), (COMPLETED, replaced["file_id"])]
            stored = replaced
        if chance.random() < 0.5 and session.delete(f"{url}/{name}", timeout=30).status_code == 200:
            self.told.append((DELETED, stored["file_id"]))

    @staticmethod
    def _fields(answer: requests.Response) -> dict[str, Any] | None:
        fields: dict[str, Any] | None = answer.json() if answer.status_code in (200, 201) else None
        return fields


@dataclass
class Site:
    """A service, its workers and a receiver."""

    server: LiveServer
    workers: Zygote
    receiver: Receiver
    secret: str
    chance: random.Random
    running: list[int] = field(default_factory=list)

    def begin(self) -> None:
        self.server.start()
        self.running = [self.workers.fork() for _ in range(WORKERS)]

    def end(self) -> None:
        """Leave no worker behind."""
        for worker in self.running:
            with suppress(ProcessLookupError):
                self.workers.kill(worker)

    def kill_something(self) -> None:
        """One worker, all of them, the service, or everything; and start it again."""
        victims = self.chance.choice(["worker", "workers", "service", "everything"])
        count = {"worker": 1, "workers": WORKERS, "service": 0, "everything": WORKERS}[victims]
        for _ in range(count):
            self.workers.kill(self.running.pop(0))
        if victims in {"service", "everything"}:
            self.server.kill()
            self.server.start()
        self.running += [self.workers.fork() for _ in range(count)]

    def waiting(self) -> int:
        with self.server.services() as services, services.database.read() as session:
            waiting = select(func.count()).select_from(WebhookDelivery).where(WebhookDelivery.failed_at.is_(None))
            return session.scalars(waiting).one()

    def facts(self) -> set[Fact]:
        """What has happened, by the audit log."""
        facts = set()
        with self.server.services() as services, services.database.read() as session:
            for row in session.scalars(select(Activity).where(Activity.resource == "files")):
                event = {"file.uploaded": COMPLETED, "file.deleted": DELETED}[row.action]
                facts.add((event, row.resource_id))
                if "replaced" in row.details:
                    facts.add((DELETED, row.details["replaced"]))
        return facts


def judge(site: Site, told: Sequence[Fact]) -> list[str]:
    """What is wrong with what has arrived."""
    facts, verifier = site.facts(), Webhook(site.secret)
    came: dict[Fact, set[tuple[str, bytes]]] = defaultdict(set)
    order: dict[str, list[str]] = defaultdict(list)
    faults = []
    for request in site.receiver.to(PATH):
        fact = (request.json["type"], request.json["data"]["file_id"])
        came[fact].add((request.id, request.body))
        order[fact[1]].append(fact[0])
        try:
            verifier.verify(request.body.decode(), request.headers)
        except Exception as error:  # noqa: BLE001 - whatever it has against it
            faults.append(f"{fact}: {error!r}")
    faults += [f"told and not there: {fact}" for fact in set(told) - facts]
    faults += [f"never arrived: {fact}" for fact in facts - came.keys()]
    faults += [f"arrived, and has not happened: {fact}" for fact in came.keys() - facts]
    faults += [f"several ids or bodies: {fact}" for fact, messages in came.items() if len(messages) > 1]
    faults += [f"out of order: {file_id} {events}" for file_id, events in order.items() if events != sorted(events)]
    return faults


def _answers(chance: random.Random) -> Callable[[socket.socket], None]:
    """Mostly good ones; some take an event and say nothing, or refuse it, or take their time."""
    lock = threading.Lock()

    def answer(connection: socket.socket) -> None:
        with lock:
            luck = chance.random()
        if luck < 0.02:
            return
        if 0.04 < luck < 0.06:
            time.sleep(0.3)
        connection.sendall(b"HTTP/1.1 500 No\r\n\r\n" if luck < 0.03 else OK)

    return answer


def torture(kills: int, seed: int, say: Callable[[str], None], *, database_url: str | None = None) -> list[str]:
    """All that was found wrong in so many kills; without a URL, on SQLite."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="transfer-webhooks-")))
        environment = {"SECRET_KEY": SECRET, "TRANSFER_ALLOW_PRIVATE_SOURCES": "true"}
        if database_url is not None:
            environment["TRANSFER_DATABASE_URL"] = database_url
        server = LiveServer(folder / "data", environment)
        server.prepare("alice")
        stack.callback(server.stop)
        chance = random.Random(seed)
        receiver = stack.enter_context(Receiver())
        receiver.answer(PATH, _answers(random.Random(seed)))
        with server.services(allow_private_sources=True) as services:
            events = (Event.FILE_COMPLETED, Event.FILE_DELETED)
            secret = services.webhooks.add(WebhookDraft(receiver.url_of(PATH), events, None))[1]
        own = environment_of(server.data_dir, **environment)
        workers = stack.enter_context(zygote_in(folder, own))
        site = Site(server, workers, receiver, secret, chance)
        stack.callback(site.end)
        site.begin()
        return _run(site, kills, say)


def _run(site: Site, kills: int, say: Callable[[str], None]) -> list[str]:
    clients = Clients(site.server, site.chance)
    try:
        for _ in range(kills):
            time.sleep(site.chance.uniform(0.02, LONGEST_LIFE_SECONDS))
            site.kill_something()
    finally:
        clients.end()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while site.waiting() and time.monotonic() < deadline:
        time.sleep(0.3)
    faults = judge(site, clients.told)
    arrived = len(site.receiver.to(PATH))
    say(f"{kills} kills, {len(clients.told)} facts told, {arrived} requests arrived, {len(faults)} faults")
    for fault in faults[:20]:
        say(f"  {fault}")
    return faults


def torture_both(kills: int, seed: int, say: Callable[[str], None]) -> list[str]:
    """Half of the kills on each database."""
    faults = torture(kills - kills // 2, seed, say)
    with postgresql() as engine:
        return faults + torture(kills // 2, seed + 1, say, database_url=engine.create("tortured"))
