"""One of the processes that race for the same names: `python -m tests.torture.folder_clients DATA_DIR DATABASE_URL`.

For each line of its input, an account and a seed, it says what its calls have brought about.
"""

import json
import random
import sys
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Thread

from pydantic import SecretStr

from config import Durability, Settings
from tests.conftest import SECRET
from tests.services.conftest import Body
from tests.services.files.folder_races import EXPECTED
from tests.services.uploads.bench import Append
from transfer_service.bootstrap import Services, build_services
from transfer_service.models.uploads import UploadProtocol
from transfer_service.services.uploads.appends import Piece
from transfer_service.services.uploads.incoming import Place
from transfer_service.services.uploads.resumable import UploadDraft
from transfer_service.services.uploads.whole_files import Draft
from transfer_service.wire.ranges import Span

THREADS, CALLS = 2, 6
NAMES = ("a", "a/b", "a/b/c", "b", "b/x", "c/a/b", "m")


@dataclass
class Told:
    """What some calls were told: files that were whole once, those that are gone for good, and errors.

    Nobody is told which files were in a trash that was emptied.
    """

    whole: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    has_emptied: bool = False
    faults: list[str] = field(default_factory=list)


@dataclass
class Client:
    """Somebody who gives, moves, frees and takes names at random."""

    services: Services
    account_id: uuid.UUID
    chance: random.Random
    told: Told

    def live(self) -> None:
        calls = [
            self.store, self.store, self.chunk, self.upload, self.rename, self.delete, self.delete_for_good,
            self.restore, self.restore, self.purge, self.empty,
            self.make_folder, self.move_folder, self.move_folder, self.delete_folder,
        ]  # fmt: skip
        for _ in range(CALLS):
            call = self.chance.choice(calls)
            try:
                call(self.chance.choice(NAMES))
            except EXPECTED:
                pass
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                self.told.faults.append(f"{call.__name__}: {error!r}")

    def store(self, name: str) -> None:
        data = self.chance.randbytes(self.chance.randrange(9))
        draft = Draft(name, "text/plain", len(data), overwrite=self.chance.random() < 0.5)
        body = Body([data], is_slow=self.chance.random() < 0.3)
        self.told.whole.append(str(self.services.whole_files.receive(self.account_id, draft, body).file.id))

    def chunk(self, name: str) -> None:
        body = Body([b"hi"], total=self.chance.choice([2, 4]))
        file = self.services.uploads.append(Place(self.account_id, name), span=Span(0, 2), incoming=body)
        self.told.whole += [str(file.id)] if file.is_complete else []

    def upload(self, name: str) -> None:
        overwrite = self.chance.random() < 0.5
        draft = UploadDraft(UploadProtocol.TUS, name, None, length=3, overwrite=overwrite)
        uploads = self.services.resumable_uploads
        upload = uploads.begin(self.account_id, draft)
        if self.chance.random() < 0.3:
            uploads.cancel(self.account_id, upload.id)
            return
        for offset in range(self.chance.randint(0, 3)):
            upload = uploads.append(self.account_id, upload.id, Piece(offset=offset), Append([b"x"], announced=1))
        self.told.whole += [str(upload.id)] if upload.is_finished else []

    def rename(self, name: str) -> None:
        if found := self.services.files.find(self.account_id, name):
            self.services.renaming.rename(self.account_id, found.id, self.chance.choice(NAMES))

    def delete(self, name: str) -> None:
        self.services.files.delete(self.account_id, name)

    def delete_for_good(self, name: str) -> None:
        if found := self.services.files.find(self.account_id, name):
            self.services.files.delete(self.account_id, str(found.id), is_permanent=True)
            self.told.gone.append(str(found.id))

    def _trash(self) -> list[uuid.UUID]:
        return [each.id for each in self.services.trash.list_files(self.account_id, limit=100)]

    def restore(self, name: str) -> None:
        if trash := self._trash():
            wanted = name if self.chance.random() < 0.5 else None
            self.services.trash.restore(self.account_id, self.chance.choice(trash), wanted)

    def purge(self, _name: str) -> None:
        if trash := self._trash():
            file_id = self.chance.choice(trash)
            self.services.trash.remove(self.account_id, file_id)
            self.told.gone.append(str(file_id))

    def empty(self, _name: str) -> None:
        if self.chance.random() < 0.05:
            self.told.has_emptied = True
            self.services.trash.empty(self.account_id)

    def make_folder(self, name: str) -> None:
        self.services.folders.create(self.account_id, name)

    def move_folder(self, name: str) -> None:
        self.services.folders.move(self.account_id, name, self.chance.choice([*NAMES, "m/n", "d"]))

    def delete_folder(self, name: str) -> None:
        self.services.folders.delete(self.account_id, name, is_recursive=self.chance.random() < 0.7)


def serve(data_dir: str, url: str) -> None:
    """Be one of the processes."""
    services = build_services(settings_of(Path(data_dir), url))
    for line in sys.stdin:
        account_id, seed = line.split()
        told = Told()
        clients = [
            Client(services, uuid.UUID(account_id), random.Random(f"{seed}.{number}"), told)
            for number in range(THREADS)
        ]
        threads = [Thread(target=client.live) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sys.stdout.write(json.dumps(asdict(told)) + "\n")
        sys.stdout.flush()


def settings_of(data_dir: Path, url: str, *, trash_days: float = 1) -> Settings:
    return Settings(
        _env_file=None,  # type: ignore[call-arg] # nothing of a developer's
        data_dir=data_dir,
        database_url=url,
        secret_key=SecretStr(SECRET),
        durability=Durability.PROCESS,
        trash_days=trash_days,
    )


if __name__ == "__main__":
    serve(*sys.argv[1:])
