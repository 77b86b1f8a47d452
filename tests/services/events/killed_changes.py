"""A program that changes things of an account and is killed at a step: the steps are the calls of our own functions.

It reads lines of JSON and forks for each, before anything is open, so that each run begins as a new process does.
"""

import sys
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from tests.services.chat.killed_posts import Steps, answer_orders
from tests.services.conftest import Body
from transfer_service.bootstrap import Services, build_services
from transfer_service.config import Settings
from transfer_service.models.keys import Scope
from transfer_service.services.accounts.keys import KeyDraft
from transfer_service.services.events.actors import Actor, as_actor
from transfer_service.services.files.small_files import SMALL_BYTES
from transfer_service.services.sharing.link_downloads import Subject
from transfer_service.services.uploads.incoming import Place
from transfer_service.services.uploads.whole_files import Draft
from transfer_service.wire.links import LinkDraft
from transfer_service.wire.ranges import Span


def changes(services: Services, account_id: uuid.UUID) -> list[Callable[[], object]]:
    """One after the other, each with something of its own."""
    name = uuid.uuid4().hex
    data = b"bytes"

    def receive(body: bytes, *, overwrite: bool = True) -> uuid.UUID:
        draft = Draft(name=f"{name}/a.bin", media_type="text/plain", length=None, overwrite=overwrite)
        return services.whole_files.receive(account_id, draft, Body([body])).file.id

    def send_chunks() -> None:
        for start, part in ((0, data[:2]), (2, data[2:])):
            span = Span(start, start + len(part))
            services.uploads.append(Place(account_id, f"{name}/c.bin"), span=span, incoming=Body([part], total=5))

    def share() -> None:
        draft = LinkDraft(is_upload=False, file_ids=(receive(data),))
        link = services.sharing.links.create(account_id, draft)
        for sent in (5, 0):
            granted = services.sharing.downloads.begin(Subject(link, "guest", link.id, 5), 5, is_range=False)
            services.sharing.downloads.end(granted, sent)
        services.sharing.links.revoke(account_id, services.sharing.links.create(account_id, draft).id)

    def move() -> None:
        services.renaming.rename(account_id, receive(data), f"{name}/b.bin")
        services.folders.move(account_id, name, f"{name} moved")
        services.folders.create(account_id, name)

    def throw_away() -> None:
        file_id = receive(data)
        services.files.delete(account_id, str(file_id))
        services.trash.restore(account_id, file_id)
        services.folders.delete(account_id, name, is_recursive=True)
        services.trash.remove(account_id, file_id)

    def give_keys() -> None:
        key, _ = services.keys.create(account_id, KeyDraft("camera", frozenset({Scope.UPLOAD}), None, 1000))
        services.keys.revoke(account_id, key.id)

    def talk() -> None:
        services.conversations.create_group(account_id, "group", ["bob"])

    small, large = (partial(receive, each) for each in (data, data * SMALL_BYTES))
    return [small, large, send_chunks, share, move, throw_away, give_keys, talk]


def run(order: dict[str, Any]) -> int:
    """Make one kind of change. How many steps that took."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg] # nothing of a developer's
        data_dir=Path(order["data_dir"]),
        database_url=order["database_url"],
        secret_key=SecretStr("s" * 32),
        trash_days=30,
    )
    services, account_id = build_services(settings), uuid.UUID(order["account_id"])
    steps = Steps(order["last"])
    with as_actor(Actor(account_id, "alice", "192.0.2.1")):
        change = changes(services, account_id)[order["kind"]]
        sys.setprofile(steps)
        change()
        sys.setprofile(None)
    services.database.dispose()
    return steps.count


if __name__ == "__main__":
    answer_orders(run)
