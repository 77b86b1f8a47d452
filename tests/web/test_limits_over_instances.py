"""What must be exact over instances: quotas, names, and with Redis the rates of requests."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Device, frame
from tests.redis_server import running_redis
from tests.web.conftest import MakeApp, SignIn

KIB = 1024
QUOTA = 1024 * KIB
SIZES = (30 * KIB, 90 * KIB, 250 * KIB)
CALLERS, CALLS = 9, 12
TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture
def instances(make_app: MakeApp, postgres_url: str) -> list[Flask]:
    """Three on one PostgreSQL."""
    return [make_app(database_url=postgres_url, joins=bool(number), quota_bytes=QUOTA) for number in range(3)]


@pytest.fixture
def devices(instances: list[Flask], sign_in: SignIn) -> list[Device]:
    """Alice at each of them."""
    return [sign_in(app, "alice") for app in instances]


def _used(device: Device) -> int:
    return int(device.get("/auth/me").get_json()["used_bytes"])


class Caller:
    """A client that sends at any instance by any door, and takes back some of it."""

    def __init__(self, devices: list[Device], seed: int) -> None:
        self._devices = devices
        self._random = random.Random(seed)
        self._seed = seed
        self.statuses: list[int] = []
        self.stays: dict[str, int] = {}
        """The addresses of what was accepted and is there, and what it counts."""

    def run(self) -> None:
        """CALLS uploads, after each of which something may be deleted or cancelled."""
        for number in range(CALLS):
            size = self._random.choice(SIZES)
            door = self._random.choice([self._send_whole, self._send_chunk, self._begin])
            address, status = door(f"{self._seed}-{number}", size)
            self.statuses.append(status)
            if status < 300:
                self.stays[address] = size
            if self.stays and self._random.random() < 0.5:
                self.take_back(self._random.choice(list(self.stays)))

    def _at_any(self) -> Device:
        return self._random.choice(self._devices)

    def _send_whole(self, name: str, size: int) -> tuple[str, int]:
        answer = self._at_any().post("/api/files", data=bytes(size), query_string={"filename": name})
        return f"/api/files/{name}", answer.status_code

    def _send_chunk(self, name: str, size: int) -> tuple[str, int]:
        """Of a file that stays unfinished: all of its length is reserved."""
        answer = self._at_any().send(frame(0, bytes(10)), filename=name, query={"total_size": size})
        return f"/api/files/{name}", answer.status_code

    def _begin(self, _name: str, size: int) -> tuple[str, int]:
        answer = self._at_any().post("/api/uploads", headers={**TUS, "Upload-Length": str(size)})
        return f"/api/uploads/{answer.headers.get('Location', '').rpartition('/')[2]}", answer.status_code

    def take_back(self, address: str) -> None:
        """Delete or cancel something."""
        headers = TUS if address.startswith("/api/uploads") else {}
        status = self._at_any().delete(address, headers=headers).status_code
        assert status in {200, 204}, (address, status)
        del self.stays[address]


def test_a_storm_at_three_instances_never_passes_the_quota_and_leaves_no_byte_reserved(devices: list[Device]) -> None:
    callers = [Caller(devices, seed) for seed in range(CALLERS)]
    seen: list[int] = []
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(0.005):
            seen.append(_used(devices[0]))

    with ThreadPoolExecutor(CALLERS + 1) as pool:
        looking = pool.submit(look)
        try:
            for run in [pool.submit(caller.run) for caller in callers]:
                run.result()
        finally:
            is_over.set()
        looking.result()
    statuses = [status for caller in callers for status in caller.statuses]
    assert {413} < set(statuses) <= {200, 201, 413}
    assert (len(seen) > 10, max(seen) <= QUOTA) == (True, True)
    assert _used(devices[1]) == sum(size for caller in callers for size in caller.stays.values())
    for caller in callers:
        for address in [*caller.stays]:
            caller.take_back(address)
    assert _used(devices[2]) == 0
    assert devices[2].store(bytes(QUOTA), "all of it")["bytes_received"] == QUOTA


def test_names_are_given_once_over_all_instances(devices: list[Device]) -> None:
    barrier = threading.Barrier(CALLERS)

    def send(number: int) -> str:
        barrier.wait()
        device, name = devices[number % 3], "folder/photo.jpg"
        if number < 6:
            return str(device.store(b"x", name)["filename"])
        answer = device.post("/api/folders", json={"path": "folder/photo.jpg"})
        return "" if answer.status_code == 409 else str(answer.get_json()["path"])

    with ThreadPoolExecutor(CALLERS) as pool:
        names = [name for name in pool.map(send, range(CALLERS)) if name]
    files, folders = names[:6], set(names[6:])
    assert len({*files, *folders}) == 6 + len(folders)
    assert sorted(devices[0].names()) == sorted(files)


@pytest.mark.parametrize("has_redis", [True, False], ids=["with Redis", "without"])
def test_a_rate_is_exact_over_instances_with_redis_and_one_for_each_without(
    make_app: MakeApp, sign_in: SignIn, tmp_path: Path, has_redis: bool
) -> None:
    with running_redis(tmp_path) as redis:
        settings: dict[str, Any] = {"rate_limits": "40/hour", "redis_url": redis.url if has_redis else None}
        devices = [sign_in(make_app(**settings), "alice") for _ in range(3)]
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda number: devices[number % 3].get("/auth/me").status_code, range(180)))
    assert (answers.count(200), answers.count(429)) == ((40, 140) if has_redis else (120, 60))


def test_wrong_passwords_are_counted_exactly_over_instances_that_are_asked_at_once(
    make_app: MakeApp, tmp_path: Path
) -> None:
    with running_redis(tmp_path) as redis:
        clients = [make_app(redis_url=redis.url).test_client() for _ in range(3)]

        def guess(number: int) -> int:
            body = {"username": "alice", "password": "wrong"}
            return clients[number % 3].post("/auth/token", json=body).status_code

        with ThreadPoolExecutor(24) as pool:
            answers = list(pool.map(guess, range(48)))
    assert (answers.count(401), answers.count(429)) == (10, 38)
