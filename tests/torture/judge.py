"""Whether an installation has kept its promises, by what it tells itself and what its clients know."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import func, select

from config import Settings
from tests.conftest import SECRET, signed_in
from tests.torture.callers import Caller, InnerCaller, Unexpected
from tests.torture.other_stories import Fetched
from tests.torture.stories import Story
from transfer_service.app import begin_serving, create_app
from transfer_service.bootstrap import Services
from transfer_service.errors import TransferError
from transfer_service.models.accounts import Account
from transfer_service.models.chat import Message
from transfer_service.models.files import File, TrashedFile
from transfer_service.web.context import EXTENSION

AFTER = "after the power loss"
"""The boot that no machine has."""


def judge_folder(
    data_dir: Path, stories: Sequence[Story], *, position: int, level: str, settled: int | None = None, **place: Any
) -> list[str]:
    """What is wrong in a data folder after a power loss at that moment.

    All that was acknowledged before `settled`, if that came before it, is flushed. `place` are settings.
    """
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg] # nothing of a developer's
        data_dir=data_dir,
        secret_key=SecretStr(SECRET),
        durability=level,  # type: ignore[arg-type] # one of its words
        trash_days=30,
        **place,
    )
    app = create_app(settings, boot=AFTER)
    services: Services = app.extensions[EXTENSION]
    try:
        begin_serving(app)
        call = InnerCaller(signed_in(app, "alice"))
        if (answer := call("GET", "/readyz")).status != 200:
            return [f"not ready: {answer.status}: {answer.body!r}"]
        return judge(call, stories, position=position, level=level, settled=settled, services=services)
    except TransferError as error:
        return [f"does not start: {error!r}"]
    finally:
        services.database.dispose()


def judge(
    call: Caller,
    stories: Sequence[Story],
    *,
    position: int,
    level: str,
    settled: int | None = None,
    services: Services,
) -> list[str]:
    """The same on a service that runs."""
    faults = _listing_faults(call)
    games = services.core.settings.data_dir / "games"
    for story in stories:
        is_settled = settled is not None and settled <= position and _all_before(story, settled)
        try:
            if isinstance(story, Fetched):
                faults += story.judge_archive(call, position, games)
            else:
                faults += story.judge(call, position, "ack" if is_settled else level)
        except Unexpected as fault:
            faults.append(f"{story.name}: {fault}")
    return faults + _listing_faults(call) + _quota_faults(services)


def _all_before(story: Story, settled: int) -> bool:
    return all(step.ended is not None and step.ended <= settled for step in story.steps)


def _listing_faults(call: Caller) -> list[str]:
    """Finished files whose bytes are not those of their SHA-256."""
    faults = []
    for file in call("GET", "/api/files", query={"limit": "1000"}).must_be(200).fields["files"]:
        if file["status"] != "complete":
            continue
        answer = call("GET", f"/api/files/{file['file_id']}/download")
        if answer.status != 200 or hashlib.sha256(answer.body).hexdigest() != file["sha256"]:
            faults.append(f"{file['filename']}: listed as complete, {answer.status} with {len(answer.body)} bytes")
    return faults


def _quota_faults(services: Services) -> list[str]:
    """Accounts that pay for what they do not have."""
    with services.database.read() as session:
        used = session.scalars(select(func.sum(Account.used_bytes))).one()
        reserved = session.scalars(select(func.coalesce(func.sum(File.reserved_bytes), 0))).one()
        trashed = session.scalars(select(func.coalesce(func.sum(TrashedFile.reserved_bytes), 0))).one()
        sent = session.scalars(select(func.coalesce(func.sum(Message.length), 0))).one()
    there = reserved + trashed + (sent or 0)
    return (
        []
        if used == there
        else [f"{used} bytes are used, {reserved}, {trashed} in the trash and {sent} sent are there"]
    )
