"""Exports while what is in them changes, or their account goes."""

import io
import threading
import zipfile
from typing import Any

import pytest

from tests.services.conftest import Bench
from transfer_service.errors import AccountGone, NotFound, ReadFailed
from transfer_service.services.exports import exports
from transfer_service.services.exports.contents import Contents
from transfer_service.services.exports.rows import ExportRecord
from transfer_service.wire.ranges import Span


def made(bench: Bench) -> ExportRecord:
    return bench.services.sharing.exports.create(bench.account_id, "alice")


def content(bench: Bench, export: ExportRecord, span: Span | None = None) -> bytes:
    body = bench.services.sharing.exports.open(export)
    return b"".join(body.blocks(span or Span(0, export.size)))


@pytest.mark.parametrize("change", ["delete", "replace", "remove"])
def test_what_goes_while_it_is_sent_ends_it_and_nothing_is_mixed(any_bench: Bench, change: str) -> None:
    for number in range(5):
        any_bench.store(bytes([number]) * 300_000, f"{number}.bin")
        any_bench.clock.advance(seconds=1)  # their order in the archive
    export = made(any_bench)
    whole = content(any_bench, export)
    body, got = any_bench.services.sharing.exports.open(export), b""
    with pytest.raises(ReadFailed):
        for block in body.blocks(Span(0, export.size)):
            if not got:
                if change == "delete":
                    any_bench.services.files.delete(any_bench.account_id, "3.bin")
                elif change == "replace":
                    any_bench.store(b"y" * 300_000, "3.bin", overwrite=True)
                else:
                    any_bench.services.account_removal.remove("alice")
            got += block
    assert whole.startswith(got)
    assert 0 < len(got) < len(whole)
    assert any_bench.services.sharing.exports.find(any_bench.account_id, export.id) is None


def test_exports_while_files_are_replaced_are_whole_or_end_early(any_bench: Bench) -> None:
    """Each archive that comes to its end is one: every file in it is one version, wholly."""
    is_over = threading.Event()

    def replace() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            any_bench.store(bytes([number % 256]) * (1000 + number), f"{number % 3}.bin", overwrite=True)

    replacing = threading.Thread(target=replace)
    replacing.start()
    outcomes = []
    try:
        for _ in range(15):
            export = made(any_bench)
            try:
                data = content(any_bench, export)
            except ReadFailed:
                outcomes.append("ended")
                continue
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                assert archive.testzip() is None
                assert all(len(set(archive.read(name))) == 1 for name in archive.namelist() if name.endswith(".bin"))
            outcomes.append("whole")
    finally:
        is_over.set()
        replacing.join()
    assert len(outcomes) == 15


def test_an_account_that_goes_meanwhile_gets_none(any_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    any_bench.store(b"hello")
    contents = any_bench.services.sharing.exports._contents
    write_trash = contents._write_trash

    def remove_first(*given: object) -> None:
        any_bench.services.account_removal.remove("alice")
        write_trash(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(contents, "_write_trash", remove_first)
    with pytest.raises((AccountGone, NotFound)):
        made(any_bench)
    with any_bench.services.database.read_rows() as rows:
        for table in ("exports", "export_sections", "export_texts"):
            assert rows.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 0


def test_an_account_that_is_gone_gets_none(any_bench: Bench) -> None:
    any_bench.services.account_removal.remove("alice")
    with pytest.raises((AccountGone, NotFound)):
        made(any_bench)


def test_one_that_is_being_made_is_not_too_old_however_many_others_are_made(
    any_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    any_bench.store(b"x" * 1000, "x.bin")
    monkeypatch.setattr(exports, "KEPT", 2)
    write, others = Contents.write, list[ExportRecord]()

    def write_slowly(*arguments: Any) -> None:
        write(*arguments)
        monkeypatch.setattr(Contents, "write", write)
        for _ in range(4):
            any_bench.clock.advance(seconds=1)
            others.append(made(any_bench))

    monkeypatch.setattr(Contents, "write", write_slowly)
    export = made(any_bench)
    with zipfile.ZipFile(io.BytesIO(content(any_bench, export))) as archive:
        assert archive.testzip() is None
    find = any_bench.services.sharing.exports.find
    assert [find(any_bench.account_id, each.id) is not None for each in others] == [False, False, True, True]
