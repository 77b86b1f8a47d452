"""Digests that are remembered: a help, never a reason to fail, to wait, or to believe what is not so."""

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from transfer_service_client.folders.digests import DigestCache


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"one")
    return tmp_path / "file"


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as written long ago."""
    monkeypatch.setattr("transfer_service_client.folders.digests._SETTLED_SECONDS", -1.0)


def test_the_cache_counts_only_for_the_file_it_saw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, database = tmp_path / "file", tmp_path / "digests"
    path.write_bytes(b"one")
    with DigestCache(database) as cache:
        assert cache.sha256_of(path) == _sha(b"one")
        found = path.stat()
        path.write_bytes(b"two")  # within one tick of a coarse clock, as far as the time tells
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
        assert cache.sha256_of(path) == _sha(b"two")
    monkeypatch.setattr("transfer_service_client.folders.digests._SETTLED_SECONDS", -1.0)
    with DigestCache(database) as cache:
        assert cache.sha256_of(path) == _sha(b"two")
    monkeypatch.setattr("transfer_service_client.folders.digests.sha256_of", lambda _path: "read again")
    with DigestCache(database) as cache:
        assert cache.sha256_of(path) == _sha(b"two")
        path.write_bytes(b"three")
        assert cache.sha256_of(path) == "read again"


def test_a_broken_cache_is_none(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    (tmp_path / "digests").write_bytes(b"no database " * 100)
    for place in (tmp_path / "digests", path / "below a file"):
        with DigestCache(place) as cache:
            assert cache.sha256_of(path) == _sha(b"one")


def test_a_young_file_is_read_again(tmp_path: Path, path: Path) -> None:
    """A change within one tick of the disk's clock would leave its times as they are."""
    with DigestCache(tmp_path / "digests") as cache:
        cache.sha256_of(path)
    with closing(sqlite3.connect(tmp_path / "digests")) as other:
        assert other.execute("SELECT count(*) FROM digests").fetchone() == (0,)


@pytest.mark.usefixtures("settled")
def test_a_file_that_changes_while_it_is_read_has_no_digest(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(read: Path) -> str:
        read.write_bytes(b"two or more")
        return _sha(b"one")

    monkeypatch.setattr("transfer_service_client.folders.digests.sha256_of", late)
    with DigestCache(tmp_path / "digests") as cache, pytest.raises(OSError, match="changed while it was read"):
        cache.sha256_of(path)


@pytest.mark.usefixtures("settled")
def test_a_folder_in_the_place_of_the_cache_stops_nothing(tmp_path: Path, path: Path) -> None:
    (tmp_path / "digests").mkdir()
    with DigestCache(tmp_path / "digests") as cache:
        assert cache.sha256_of(path) == _sha(b"one")


@pytest.mark.usefixtures("settled")
def test_a_table_of_another_form_is_made_anew(tmp_path: Path, path: Path) -> None:
    database = tmp_path / "digests"
    with closing(sqlite3.connect(database)) as other:
        other.execute("CREATE TABLE digests (path TEXT, sha256 TEXT)")
    for _ in range(2):
        with DigestCache(database) as cache:
            assert cache.sha256_of(path) == _sha(b"one")
    with closing(sqlite3.connect(database)) as other:
        assert other.execute("SELECT sha256 FROM digests").fetchall() == [(_sha(b"one"),)]


@pytest.mark.usefixtures("settled")
def test_a_process_that_hashes_for_long_keeps_no_other_from_writing(tmp_path: Path, path: Path) -> None:
    with DigestCache(tmp_path / "digests") as cache:
        cache.sha256_of(path)
        with closing(sqlite3.connect(tmp_path / "digests", timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")


@pytest.mark.usefixtures("settled")
def test_a_cache_that_another_process_holds_is_left_to_it(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "digests"
    monkeypatch.setattr("transfer_service_client.folders.digests._BUSY_SECONDS", 0.0)
    with DigestCache(database) as cache:
        cache.sha256_of(path)
    with closing(sqlite3.connect(database)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with DigestCache(database) as cache:
            assert cache.sha256_of(path) == _sha(b"one")
    monkeypatch.setattr("transfer_service_client.folders.digests.sha256_of", lambda _path: "read again")
    with DigestCache(database) as cache:
        assert cache.sha256_of(path) == _sha(b"one")
