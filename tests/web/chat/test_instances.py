"""Events over several instances of one installation: through Redis, and through the database alone."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from flask import Flask

from tests.conftest import Device
from tests.redis_server import RedisServer, running_redis
from tests.web.chat.socket_client import connect
from tests.web.conftest import MakeApp, SignIn
from transfer_service.bootstrap import Services
from transfer_service.services.uploads.progress import UploadProgress
from transfer_service.web.chat import turns
from transfer_service.web.chat.emitters import ProgressEvents
from transfer_service.web.context import EXTENSION

PATIENCE_SECONDS = 10.0
LONG = "long " * 5_000
"""Longer than a notice, and than two."""


class Member(NamedTuple):
    """An account at one instance, by HTTP and by a socket."""

    device: Device
    socket: Any

    def call(self, event: str, conversation: str) -> None:
        """An event that must succeed."""
        assert self.socket.emit(event, {"conversation_id": conversation}, callback=True) == {"success": True}


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(tmp_path) as server:
        yield server


@pytest.fixture(params=["redis", "postgresql"])
def instances(request: pytest.FixtureRequest, make_app: MakeApp) -> list[Flask]:
    """Two of one installation."""
    if request.param == "redis":
        redis_url = request.getfixturevalue("redis_server").url
        return [make_app(redis_url=redis_url) for _ in range(2)]
    return _on_postgresql(make_app, request.getfixturevalue("postgres_url"))


def _on_postgresql(make_app: MakeApp, url: str) -> list[Flask]:
    apps = [make_app(database_url=url, joins=joins) for joins in (False, True)]
    for app in apps:
        services: Services = app.extensions[EXTENSION]
        services.database.notices.begin()
    return apps


@pytest.fixture
def members(instances: list[Flask], sign_in: SignIn) -> tuple[Member, Member]:
    """Alice at one, Bob at the other, when each hears the other's instance."""
    return _members(instances, sign_in)


def _members(instances: list[Flask], sign_in: SignIn) -> tuple[Member, Member]:
    alice, bob = (
        Member(device, connect(app, device.headers))
        for app, device in ((app, sign_in(app, name)) for app, name in zip(instances, ["alice", "bob"], strict=True))
    )
    conversation = _conversation(alice)
    _until(lambda: _is_heard(alice, bob, conversation))
    _until(lambda: _is_heard(bob, alice, conversation))
    return alice, bob


def _is_heard(speaker: Member, listener: Member, conversation: str) -> bool:
    """Whether an instance hears what is said at the other one by now."""
    speaker.call("typing", conversation)
    time.sleep(0.1)  # it may come later than that: then the next one is heard
    return bool(listener.socket.get_received())


def _conversation(member: Member) -> str:
    return str(member.device.post("/conversations/create", json={"email": "bob"}).get_json()["conversation_id"])


def _post(member: Member, conversation: str, content: str) -> dict[str, Any]:
    response = member.device.post("/messages", json={"conversation_id": conversation, "content": content})
    assert response.status_code == 200, response.text
    message: dict[str, Any] = response.get_json()["message"]
    return message


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def _heard(member: Member, name: str, number: int) -> list[Any]:
    """So many events of a name, and what else of it comes at once behind them."""
    events: list[Any] = []

    def are_there() -> bool:
        events.extend(each["args"][0] for each in member.socket.get_received() if each["name"] == name)
        return len(events) >= number

    _until(are_there)
    time.sleep(0.3)  # for one too many
    are_there()
    return events


def test_messages_are_heard_at_every_instance_once_and_in_their_order(members: tuple[Member, Member]) -> None:
    alice, bob = members
    conversation = _conversation(alice)
    posted = [_post(alice, conversation, content) for content in [*"abc", LONG + "1", "d", LONG + "2", *"efg"]]
    assert _heard(bob, "new_message", len(posted)) == posted
    assert _heard(alice, "new_message", len(posted)) == posted


def test_whatever_happens_in_a_conversation_is_heard_at_every_instance(members: tuple[Member, Member]) -> None:
    alice, bob = members
    conversation = _conversation(alice)
    message = _post(alice, conversation, "hello")
    bob.device.post(f"/conversations/{conversation}/read")
    edited = alice.device.request("PATCH", f"/messages/{message['_id']}", json={"content": "bye"}).get_json()["message"]
    bob.call("typing", conversation)
    bob.call("stop_typing", conversation)
    assert [each["reader"] for each in _heard(alice, "messages_read", 1)] == ["bob"]
    assert _heard(bob, "message_edited", 1) == [edited]
    bob.call("typing", conversation)
    assert _heard(alice, "typing", 1) == [{"conversation_id": conversation, "sender": "bob"}]


def test_a_socket_that_has_muted_a_conversation_hears_nothing_from_elsewhere(members: tuple[Member, Member]) -> None:
    alice, bob = members
    conversation = _conversation(alice)
    group = {"group_name": "others", "participants": ["bob"]}
    other = alice.device.post("/conversations/create/group", json=group).get_json()["conversation_id"]
    bob.call("leave_conversation", conversation)
    _post(alice, conversation, "unheard")
    last = _post(alice, other, "heard")
    assert _heard(bob, "new_message", 1) == [last]


def test_the_progress_of_an_upload_is_heard_by_its_account_at_every_instance(
    instances: list[Flask], members: tuple[Member, Member], services_of_bob: Services
) -> None:
    """At the pace of one: the last is heard always, another soon after it is not, nor what comes late."""
    bob = services_of_bob.accounts.get("bob").account_id
    tell = [ProgressEvents(app.extensions["socketio"]) for app in instances]

    def progress(offset: int) -> UploadProgress:
        return UploadProgress(account_id=bob, upload_id=bob, filename="a", offset=offset, length=9)

    tell[0](progress(6))
    expected = {"upload_id": str(bob), "filename": "a", "length": 9}
    assert _heard(members[1], "upload_progress", 1) == [{**expected, "offset": 6}]
    tell[1](progress(7))
    tell[1](progress(9))
    assert _heard(members[1], "upload_progress", 1) == [{**expected, "offset": 9}]
    tell[0](progress(8))
    tell[0](progress(9))
    assert _heard(members[1], "upload_progress", 1) == [{**expected, "offset": 9}]
    assert not members[0].socket.get_received()


@pytest.fixture
def services_of_bob(instances: list[Flask]) -> Services:
    services: Services = instances[1].extensions[EXTENSION]
    return services


@pytest.mark.alone
def test_nobody_waits_for_a_redis_that_is_away_and_all_is_heard_when_it_is_back(
    make_app: MakeApp, sign_in: SignIn, redis_server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    alice, bob = _members([make_app(redis_url=redis_server.url) for _ in range(2)], sign_in)
    conversation = _conversation(alice)
    redis_server.stop()
    began = time.monotonic()
    own = [_post(alice, conversation, "alone") for _ in range(20)]
    assert time.monotonic() - began < 2
    assert _heard(alice, "new_message", 20) == own
    told: list[str] = []

    def all_tell(event: str) -> bool:
        told.extend(re.findall(r"redis_away|redis_back", capsys.readouterr().out))
        return told.count(event) >= 3

    _until(lambda: all_tell("redis_away"))
    redis_server.start()
    alice.socket.get_received()
    _until(lambda: _is_heard(alice, bob, conversation))
    _until(lambda: all_tell("redis_back"))
    assert sorted(told) == ["redis_away"] * 3 + ["redis_back"] * 3  # of one who sends and two who listen


def test_after_its_connection_was_lost_an_instance_hears_what_is_new_and_nothing_twice(
    make_app: MakeApp, sign_in: SignIn, postgres_url: str
) -> None:
    alice, bob = _members(_on_postgresql(make_app, postgres_url), sign_in)
    conversation = _conversation(alice)
    before = _post(alice, conversation, LONG)
    assert _heard(bob, "new_message", 1) == [before]
    ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'transfer notices'"
    with psycopg.connect(postgres_url.replace("postgresql+psycopg:", "postgresql:"), autocommit=True) as connection:
        assert len(connection.execute(ending).fetchall()) >= 2
    _until(lambda: _is_heard(alice, bob, conversation))
    after = _post(alice, conversation, "after")
    assert _heard(bob, "new_message", 1) == [after]


def test_what_is_said_at_two_instances_by_turns_is_heard_in_its_order_at_both(
    instances: list[Flask], members: tuple[Member, Member], sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "GAP_SECONDS", PATIENCE_SECONDS)  # a busy machine may need more than a second
    alice, bob = members
    conversation = _conversation(alice)
    elsewhere = Member(sign_in(instances[1], "alice"), None)
    first = _post(alice, conversation, "first")
    assert _heard(alice, "new_message", 1) == _heard(bob, "new_message", 1) == [first]
    posted = [_post((alice, elsewhere)[number % 2], conversation, f"{number}") for number in range(40)]
    assert _heard(bob, "new_message", 40) == posted
    assert _heard(alice, "new_message", 40) == posted
