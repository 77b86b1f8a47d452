"""Seeded races for the same names in two processes, and histories of folders against the model of them."""

import json
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from sqlalchemy import func, insert, select

from benchmarks.postgres import postgresql
from benchmarks.servers import NotInstalled
from tests.conftest import Clock
from tests.prepared import migrate
from tests.services.files import folder_engine
from tests.services.uploads.bench import Uploads
from tests.stores import listed
from tests.torture.disk import REPOSITORY
from tests.torture.folder_clients import Told, settings_of
from transfer_service.bootstrap import Services, build_services
from transfer_service.models.accounts import Account
from transfer_service.models.files import File, FileState, Folder, TrashedFile
from transfer_service.services.core import utc_now

PROCESSES = 2
STEPS_WITHOUT_TRASH = 3
"""Of so many steps of histories one has no trash."""


def race(data_dir: Path, url: str, *, histories: int, seed: int) -> list[str]:
    """What so many races have left that must not be, on an installation that is migrated."""
    services = build_services(settings_of(data_dir, url))
    command = [sys.executable, "-m", "tests.torture.folder_clients", str(data_dir), url]
    faults: list[str] = []
    with ExitStack() as stack:
        stack.callback(services.database.dispose)
        racers = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
            )
            for _ in range(PROCESSES)
        ]
        for number in range(histories):
            account_id = _account(services)
            for position, racer in enumerate(racers):
                _say_to(racer.stdin, f"{account_id} {seed}.{number}.{position}")
            told = [Told(**json.loads(_answer(racer.stdout))) for racer in racers]
            faults += [f"race {number}: {fault}" for fault in _faults(services, account_id, told)]
        for racer in racers:
            _say_to(racer.stdin, None)
        faults += _blob_faults(services)
    return faults


def _say_to(pipe: IO[str] | None, line: str | None) -> None:
    assert pipe is not None
    if line is None:
        pipe.close()
        return
    pipe.write(f"{line}\n")
    pipe.flush()


def _answer(pipe: IO[str] | None) -> str:
    assert pipe is not None
    return pipe.readline()


def _account(services: Services) -> uuid.UUID:
    account_id = uuid.uuid4()
    row = {"id": account_id, "name": str(account_id), "password_hash": "!", "created_at": utc_now()}
    with services.database.write_rows() as rows:
        rows.execute(insert(Account), row)
    return account_id


def _faults(services: Services, account_id: uuid.UUID, told: Sequence[Told]) -> Iterator[str]:
    with services.database.read() as session:
        files = session.scalars(select(File).where(File.account_id == account_id)).all()
        paths = dict(session.execute(select(Folder.id, Folder.path).where(Folder.account_id == account_id)).all())
        trash = set(session.scalars(select(TrashedFile.id).where(TrashedFile.account_id == account_id)))
        used = session.scalars(select(Account.used_bytes).where(Account.id == account_id)).one()
        of_trash = select(func.coalesce(func.sum(TrashedFile.reserved_bytes), 0))
        reserved = session.scalars(of_trash.where(TrashedFile.account_id == account_id)).one()
    yield from (fault for each in told for fault in each.faults)
    folders = {file.id for file in files if file.state is FileState.FOLDER}
    names = [
        (paths.get(file.folder_id, "?") if file.folder_id else "") + file.name for file in files if file.holds_name
    ]
    if folders != set(paths) or any(file.folder_id not in {None, *folders} for file in files):
        yield "something lies in what is no folder"
    if len(names) != len(set(names)):
        yield f"a name is held twice: {sorted(names)}"
    if any(
        paths[file.id] != (paths[file.folder_id] if file.folder_id else "") + f"{file.name}/"
        for file in files
        if file.id in paths
    ):
        yield "a folder has another path than its place"
    if used != reserved + sum(file.reserved_bytes for file in files):
        yield f"{used} bytes are used"
    here = {file.id for file in files} - folders
    whole = {uuid.UUID(each) for one in told for each in one.whole}
    gone = {uuid.UUID(each) for one in told for each in one.gone}
    if here & trash:
        yield "a file is in both places"
    lost = whole - here - trash - gone
    if lost and not any(one.has_emptied for one in told):
        yield f"lost: {lost}"
    if back := gone & (here | trash):
        yield f"back: {back}"
    complete = {file.id for file in files if file.state is FileState.COMPLETE} | trash
    if missing := [each for each in complete if services.store.stored_bytes(each) is None]:
        yield f"without bytes: {missing}"


def _blob_faults(services: Services) -> list[str]:
    with services.database.read() as session:
        ids = {*session.scalars(select(File.id)), *session.scalars(select(TrashedFile.id))}
    left = {uuid.UUID(hex=blob.key) for blob in listed(services.store)} - ids
    return [f"bytes of nobody: {left}"] if left else []


def torture(histories: int, steps: int, seed: int, say: Callable[[str], None]) -> list[str]:
    """What was wrong after so many races and so many steps against the model, on each database there is."""
    faults: list[str] = []
    for kind in (_sqlite, _postgresql):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="transfer-folders-")))
            try:
                url = stack.enter_context(kind(folder))
            except NotInstalled as error:
                say(str(error))
                continue
            migrate(url)
            found = race(folder / "data", url, histories=histories, seed=seed)
            say(f"{kind.__name__[1:]}: {histories} races, {len(found)} faults")
            faults += found
            for fault in found:
                say(f"  {fault}")
            if url.startswith("sqlite"):
                _compare(folder / "data", url, steps, seed, say)
    return faults


@contextmanager
def _sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder / 'database'}"


@contextmanager
def _postgresql(_folder: Path) -> Iterator[str]:
    with postgresql() as server:
        yield server.create("folders")


def _compare(data_dir: Path, url: str, steps: int, seed: int, say: Callable[[str], None]) -> None:
    """Raises AssertionError with the history that does not agree with the model."""
    clock, own = Clock(), data_dir / "model"
    for trash_days, share in ((0.01, steps - steps // STEPS_WITHOUT_TRASH), (0, steps // STEPS_WITHOUT_TRASH)):
        own_url = url + f"-{trash_days}"
        settings = settings_of(own, own_url, trash_days=trash_days)
        services = build_services(settings, now=clock)
        migrate(own_url)
        bench = Uploads(services, clock, uuid.uuid4(), settings, [], [services])
        if share:
            say(f"model, trash for {trash_days} days: {folder_engine.run(bench, steps=share, number=seed)} steps agree")
        services.database.dispose()
