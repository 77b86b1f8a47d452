"""Imports from the data folder of a Pingvin Share, with tables as its own migrations make them."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from transfer_service_client import Import, TransferClient
from transfer_service_client.errors import TransferError
from transfer_service_client.importers.pingvin import PingvinOrigin

from tests.client.account_service import KEY, AccountService
from tests.client.commands import Command
from tests.client.test_importing import told

TABLES = """
CREATE TABLE "Share" (
    "id" TEXT NOT NULL PRIMARY KEY, "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, "name" TEXT,
    "uploadLocked" BOOLEAN NOT NULL DEFAULT false, "isZipReady" BOOLEAN NOT NULL DEFAULT false,
    "views" INTEGER NOT NULL DEFAULT 0, "expiration" DATETIME NOT NULL, "description" TEXT, "removedReason" TEXT,
    "creatorId" TEXT, "reverseShareId" TEXT, "storageProvider" TEXT NOT NULL DEFAULT 'LOCAL'
);
CREATE TABLE "File" (
    "id" TEXT NOT NULL PRIMARY KEY, "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, "name" TEXT NOT NULL,
    "size" TEXT NOT NULL, "shareId" TEXT NOT NULL,
    CONSTRAINT "File_shareId_fkey" FOREIGN KEY ("shareId") REFERENCES "Share" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
"""
Bring = Callable[[], Import]


class Pingvin:
    """A data folder, and who writes to it."""

    def __init__(self, folder: Path, tables: str = TABLES) -> None:
        self.folder = folder
        (folder / "uploads/shares").mkdir(parents=True)
        self.execute(*tables.split(";"))

    def execute(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.folder / "pingvin-share.db")) as database, database:
            for statement in statements:
                database.execute(statement)

    def share(self, share_id: str, name: str | None = None, *, storage: str = "LOCAL") -> None:
        with closing(sqlite3.connect(self.folder / "pingvin-share.db")) as database, database:
            row = (share_id, name, 1767225600000, storage)
            database.execute('INSERT INTO "Share" (id, name, expiration, storageProvider) VALUES (?, ?, ?, ?)', row)
        (self.folder / "uploads/shares" / share_id).mkdir()

    def file(self, share_id: str, file_id: str, name: str, data: bytes, *, size: int | None = None) -> None:
        with closing(sqlite3.connect(self.folder / "pingvin-share.db")) as database, database:
            row = (file_id, name, str(len(data) if size is None else size), share_id)
            database.execute('INSERT INTO "File" (id, name, size, shareId) VALUES (?, ?, ?, ?)', row)
        (self.folder / "uploads/shares" / share_id / file_id).write_bytes(data)

    def everything(self) -> dict[str, tuple[bytes, int]]:
        """What lies there, to the byte and the time."""
        found = (each for each in self.folder.rglob("*") if each.is_file())
        return {str(each): (each.read_bytes(), each.stat().st_mtime_ns) for each in found}


@pytest.fixture
def pingvin(tmp_path: Path) -> Pingvin:
    return Pingvin(tmp_path / "pingvin/data")


@pytest.fixture
def bring(
    service: AccountService, pingvin: Pingvin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Bring]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with TransferClient(service.url, key=KEY, verify=False) as client:
        yield lambda: client.import_from(PingvinOrigin(pingvin.folder), "p")


def test_each_share_is_a_folder_by_its_name_or_else_its_id(
    bring: Bring, service: AccountService, pingvin: Pingvin
) -> None:
    pingvin.share("abc", "Holiday")
    pingvin.share("def")
    pingvin.file("abc", "f1", "lake.jpg", b"lake")
    pingvin.file("def", "f2", "notes", b"notes")
    (pingvin.folder / "uploads/shares/abc/archive.zip").write_bytes(b"made for downloads")
    (pingvin.folder / "uploads/shares/def/f3.tmp-chunk").write_bytes(b"half")
    report = bring()
    assert service.files == {"p/Holiday/lake.jpg": b"lake", "p/def/notes": b"notes"}
    assert (report.verified, report.outcome.failed) == (2, 0)


def test_shares_and_files_of_the_same_name_stay_apart(bring: Bring, service: AccountService, pingvin: Pingvin) -> None:
    for share_id in ("s1", "s2"):
        pingvin.share(share_id, "Holiday")
        pingvin.file(share_id, f"{share_id}-1", "lake.tar.gz", b"first of " + share_id.encode())
        pingvin.file(share_id, f"{share_id}-2", "lake.tar.gz", b"second of " + share_id.encode())
    assert bring().verified == 4
    assert service.files == {
        "p/Holiday/lake.tar.gz": b"first of s1",
        "p/Holiday/lake.tar (s1-2).gz": b"second of s1",
        "p/Holiday (s2)/lake.tar.gz": b"first of s2",
        "p/Holiday (s2)/lake.tar (s2-2).gz": b"second of s2",
    }
    assert bring().outcome.same == 4


def test_the_origin_stays_as_it_is(bring: Bring, pingvin: Pingvin) -> None:
    pingvin.share("abc")
    pingvin.file("abc", "f1", "lake.jpg", b"lake")
    before = pingvin.everything()
    bring()
    assert pingvin.everything() == before


def test_a_database_with_a_log_is_read_with_it_and_both_stay(
    bring: Bring, service: AccountService, pingvin: Pingvin
) -> None:
    pingvin.execute("PRAGMA journal_mode=WAL")
    with closing(sqlite3.connect(pingvin.folder / "pingvin-share.db")) as running:  # keeps the log
        running.execute("SELECT count(*) FROM File").fetchall()
        pingvin.share("abc")
        pingvin.file("abc", "f1", "lake.jpg", b"lake")
        before = pingvin.everything()
        assert (pingvin.folder / "pingvin-share.db-wal").stat().st_size
        bring()
        assert pingvin.everything() == before
    assert service.files == {"p/abc/lake.jpg": b"lake"}


def test_databases_of_old_have_neither_names_nor_buckets(
    service: AccountService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    old = TABLES.replace('"name" TEXT,\n', "\n", 1).replace(""", "storageProvider" TEXT NOT NULL DEFAULT 'LOCAL'""", "")
    pingvin = Pingvin(tmp_path / "old/backend/data", old)
    pingvin.execute("INSERT INTO Share (id, expiration) VALUES ('abc', 0)")
    (pingvin.folder / "uploads/shares/abc").mkdir()
    pingvin.file("abc", "f1", "lake.jpg", b"lake")
    with TransferClient(service.url, key=KEY, verify=False) as client:
        assert client.import_from(PingvinOrigin(tmp_path / "old")).verified == 1
    assert service.files == {"abc/lake.jpg": b"lake"}


def test_shares_that_lie_in_a_bucket_are_passed_over(bring: Bring, service: AccountService, pingvin: Pingvin) -> None:
    pingvin.share("abc", storage="S3")
    pingvin.file("abc", "f1", "lake.jpg", b"not these bytes")
    report = bring()
    assert report.outcome.skips == [
        ("p/abc/lake.jpg", "It lies in a bucket, where `transfer import s3` fetches it from")
    ]
    assert service.files == {}


def test_what_is_not_whole_or_has_no_name_is_told_and_the_others_go_on(
    bring: Bring, service: AccountService, pingvin: Pingvin
) -> None:
    pingvin.share("abc", "../../etc")
    pingvin.file("abc", "f1", "cut", b"half", size=8)
    pingvin.file("abc", "f2", "gone", b"")
    (pingvin.folder / "uploads/shares/abc/f2").unlink()
    pingvin.file("abc", "f3", "../up", b"up")
    pingvin.file("abc", "f4", "..", b"up")
    pingvin.file("abc", "f5", "good", b"good")
    pingvin.execute(
        "INSERT INTO File (id, name, size, shareId) VALUES ('../../../pingvin-share.db', 'theft', 0, 'abc')"
    )
    (pingvin.folder / "secret").write_bytes(b"secret")
    pingvin.file("abc", "f6", "link", b"secret", size=len(str(pingvin.folder / "secret")))
    (pingvin.folder / "uploads/shares/abc/f6").unlink()
    (pingvin.folder / "uploads/shares/abc/f6").symlink_to(pingvin.folder / "secret")
    report = bring()
    assert service.files == {"p/abc/good": b"good"}
    failed = {"cut", "gone", "../up", "..", "theft", "link"}
    assert told(report.outcome.errors).keys() == {f"p/abc/{name}" for name in failed}


def test_a_share_that_is_a_link_leads_nowhere(bring: Bring, service: AccountService, pingvin: Pingvin) -> None:
    elsewhere = pingvin.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "f1").write_bytes(b"secret")
    pingvin.share("abc")
    pingvin.file("abc", "f1", "link", b"secret")
    (pingvin.folder / "uploads/shares/abc/f1").unlink()
    (pingvin.folder / "uploads/shares/abc").rmdir()
    (pingvin.folder / "uploads/shares/abc").symlink_to(elsewhere)
    assert told(bring().outcome.errors) == {"p/abc/link": "What lies there is a link, or no file"}
    assert service.files == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(None, "name the data folder of Pingvin Share", id="nothing"),
        pytest.param(b"no database at all", "cannot be read", id="another-file"),
        pytest.param(b"", "cannot be read: no such table", id="empty"),
    ],
)
def test_what_is_no_pingvin_share(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "pingvin-share.db").write_bytes(content)
    with pytest.raises(TransferError, match=words):
        list(PingvinOrigin(tmp_path).found())


def test_the_command(transfer: Command, pingvin: Pingvin) -> None:
    pingvin.share("abc", "Holiday")
    pingvin.file("abc", "f1", "lake.jpg", b"lake")
    result = transfer("import", "pingvin", str(pingvin.folder.parent), "--to", "Pingvin")
    assert (result.code, transfer.service.files) == (0, {"Pingvin/Holiday/lake.jpg": b"lake"})
    wrong = transfer("import", "pingvin", str(pingvin.folder), "--name", "bob")
    assert (wrong.code, "are for filebrowser" in wrong.err) == (2, True)
