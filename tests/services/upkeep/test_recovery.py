"""Starting after a power loss."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Never
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import update

from tests.conftest import Device, frame
from tests.stores import path_of
from transfer_service.app import begin_serving, end_serving
from transfer_service.bootstrap import Services
from transfer_service.errors import ServerAway, StoreUnavailable
from transfer_service.models.files import File, FileState
from transfer_service.services.upkeep.recovery import Recovery
from transfer_service.web.context import EXTENSION

BOOT, NEXT_BOOT = "boot-1", "boot-2"
Start = Callable[..., Device]


@pytest.fixture
def start(make_app: Callable[..., Flask], sign_in: Callable[[Flask, str], Device]) -> Start:
    """A device of an instance that starts in the given boot."""

    def start(boot: str, **settings: str) -> Device:
        app = make_app(boot=boot, **settings)
        begin_serving(app)
        return sign_in(app, "alice")

    return start


def send_half(device: Device) -> None:
    """An unfinished upload and a finished file."""
    device.send(frame(0, b"hello"), query={"total_size": 10})
    device.store(b"whole", filename="whole.bin")


def services_of(device: Device) -> Services:
    bound: Services = device.client.application.extensions[EXTENSION]
    return bound


def recovery_of(device: Device) -> Recovery:
    return services_of(device).recovery


def spoil(device: Device, name: str, data: bytes) -> None:
    """Put other bytes where a power loss has taken the right ones."""
    path_of(services_of(device).store, file_id_of(device, name)).write_bytes(data)


def file_id_of(device: Device, name: str) -> UUID:
    return UUID(str(device.status(name)["file_id"]))


def tus_offset(device: Device, url: str) -> str | int:
    answer = device.request("HEAD", url, headers={"Tus-Resumable": "1.0.0"})
    return answer.headers.get("Upload-Offset", answer.status_code)


def begin_tus(device: Device, length: int) -> str:
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(length)}
    return device.post("/api/uploads", headers=headers).headers["Location"]


def append_tus(device: Device, url: str, offset: int, data: bytes) -> int:
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": str(offset),
        "Content-Type": "application/offset+octet-stream",
    }
    return device.request("PATCH", url, data=data, headers=headers).status_code


def test_after_a_power_loss_unfinished_uploads_start_again(start: Start) -> None:
    send_half(start(BOOT))
    device = start(NEXT_BOOT)
    assert device.status()["status"] == "pending"
    assert device.get("/download/whole.bin").data == b"whole"


def test_what_started_again_completes_with_the_same_total(start: Start) -> None:
    send_half(start(BOOT))
    device = start(NEXT_BOOT)
    device.send(frame(5, b"world"), query={"total_size": 10})
    assert device.send(frame(0, b"HELLO"), query={"total_size": 10}).get_json()["status"] == "complete"
    assert device.get("/download/log.bin").data == b"HELLOworld"


def test_a_resumable_upload_starts_again_from_its_beginning(start: Start) -> None:
    device = start(BOOT)
    url = begin_tus(device, 10)
    append_tus(device, url, 0, b"hello")
    device = start(NEXT_BOOT)
    assert tus_offset(device, url) == "0"
    assert append_tus(device, url, 0, b"HELLOworld") == 204
    assert tus_offset(device, url) == "10"


def test_an_upload_of_which_every_byte_came_is_not_finished_from_bytes_that_may_be_gone(start: Start) -> None:
    device = start(BOOT)
    send_half(device)
    with services_of(device).database.write() as session:  # killed before the last step
        session.execute(update(File).where(File.name == "log.bin").values(length=5))
    device = start(NEXT_BOOT)
    assert device.status()["status"] == "pending"
    assert device.names() == ["whole.bin"]


def test_after_a_kill_in_the_same_boot_nothing_is_forgotten(start: Start) -> None:
    send_half(start(BOOT))
    assert start(BOOT).status()["bytes_received"] == 5


def test_after_a_stop_in_order_nothing_is_forgotten(start: Start) -> None:
    device = start(BOOT)
    send_half(device)
    end_serving(device.client.application)
    assert start(NEXT_BOOT).status()["bytes_received"] == 5


def test_a_stop_while_the_database_is_away_is_one_in_order_too(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    device = start(BOOT)
    send_half(device)

    def refuse() -> Never:
        raise ServerAway

    monkeypatch.setattr(recovery_of(device), "note_flushed", refuse)
    end_serving(device.client.application)
    assert start(BOOT).status()["bytes_received"] == 5


def test_what_comes_while_an_instance_stops_is_not_taken_for_flushed(start: Start) -> None:
    device, other = start(BOOT), start(BOOT)
    device.send(frame(0, b"hello"), query={"total_size": 10})
    recovery = recovery_of(device)
    recovery._flush = lambda: other.send(frame(5, b"wor"), query={"total_size": 10})  # type: ignore[assignment]
    recovery.note_flushed()
    assert start(NEXT_BOOT).status()["bytes_received"] == 0


@pytest.mark.parametrize("level", ["complete", "ack"])
def test_what_is_asked_for_now_does_not_count_for_bytes_of_before(start: Start, level: str) -> None:
    send_half(start(BOOT))
    assert start(NEXT_BOOT, durability=level).status()["bytes_received"] == 0


def test_chunks_that_were_flushed_are_not_forgotten(start: Start) -> None:
    send_half(start(BOOT, durability="ack"))
    device = start(NEXT_BOOT)
    assert device.status()["bytes_received"] == 5
    assert device.send(frame(5, b"world"), query={"total_size": 10}).get_json()["status"] == "complete"


def test_one_chunk_that_was_not_flushed_puts_the_others_in_doubt(start: Start) -> None:
    start(BOOT, durability="ack").send(frame(0, b"hel"), query={"total_size": 10})
    start(BOOT).send(frame(3, b"lo"), query={"total_size": 10})
    assert start(NEXT_BOOT).status()["bytes_received"] == 0


def test_a_second_instance_that_starts_forgets_nothing_of_what_the_first_one_receives(start: Start) -> None:
    send_half(start(BOOT))
    first = start(NEXT_BOOT)
    first.send(frame(0, b"hello"), query={"total_size": 10})
    assert start(NEXT_BOOT).status()["bytes_received"] == 5


def test_bytes_of_another_boot_are_refused_where_nobody_has_sorted_them_out(start: Start) -> None:
    device = start(NEXT_BOOT)
    device.send(frame(0, b"hello"), query={"total_size": 10})
    with services_of(device).database.write() as session:
        session.execute(update(File).values(unflushed_boot=BOOT))
    assert device.send(frame(5, b"world"), query={"total_size": 10}).status_code == 503
    assert device.status()["status"] == "partial"


def test_a_start_without_a_database_sorts_out_before_the_first_answer(
    start: Start, make_app: Callable[..., Flask], sign_in: Callable[[Flask, str], Device]
) -> None:
    send_half(start(BOOT))
    assert sign_in(make_app(boot=NEXT_BOOT), "alice").status()["status"] == "pending"


def test_a_finished_file_that_goes_on_stays_finished_as_far_as_it_was(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = start(BOOT)
    device.send(frame(0, b"hello"))
    completion = services_of(device).uploads._completion
    monkeypatch.setattr(completion, "finish", lambda _file_id: None)  # killed before the last step
    device.send(frame(5, b"world"))
    assert start(NEXT_BOOT).get("/download/log.bin").data == b"helloworld"


def test_a_finished_file_that_goes_on_with_gaps_keeps_what_was_finished(start: Start) -> None:
    device = start(BOOT)
    device.send(frame(0, b"hello"))
    device.send(frame(12, b"!"))
    device.send(frame(7, b"orl"))
    missing = start(NEXT_BOOT).status()["missing"]
    assert missing == [{"start": 5, "end": 6}, {"start": 10, "end": 11}]


class TestFinishedFilesThatWereNotFlushed:
    def test_those_with_their_bytes_are_files_again(self, start: Start) -> None:
        start(BOOT, durability="process").store(b"whole", filename="whole.bin")
        device = start(NEXT_BOOT, durability="process")
        assert device.get("/download/whole.bin").data == b"whole"
        assert start("boot-3").status("whole.bin")["status"] == "complete"

    @pytest.mark.parametrize("left", [b"\0\0\0\0\0", b"wh", b""], ids=["zeros", "short", "empty"])
    def test_those_without_are_gone(self, start: Start, left: bytes) -> None:
        device = start(BOOT, durability="process")
        device.store(b"whole", filename="whole.bin")
        spoil(device, "whole.bin", left)
        device = start(NEXT_BOOT, durability="process")
        assert device.get("/download/whole.bin").status_code == 404
        assert (device.names(), device.get("/auth/me").get_json().get("used_bytes", 0)) == ([], 0)
        assert device.store(b"again", filename="whole.bin")["filename"] == "whole.bin"

    def test_a_chunk_finds_the_file_gone_and_begins_it_anew(self, start: Start) -> None:
        device = start(BOOT, durability="process")
        device.send(frame(0, b"hello"), query={"total_size": 5})
        spoil(device, "log.bin", b"")
        device = start(NEXT_BOOT, durability="process")
        assert device.send(frame(0, b"HELLO"), query={"total_size": 5}).get_json()["status"] == "complete"
        assert device.get("/download/log.bin").data == b"HELLO"

    def test_a_resumable_upload_is_finished_or_gone(self, start: Start) -> None:
        device = start(BOOT, durability="process")
        whole, lost = begin_tus(device, 5), begin_tus(device, 5)
        for url in (whole, lost):
            append_tus(device, url, 0, b"hello")
        spoil(device, lost.rpartition("/")[2], b"\0\0\0\0\0")
        device = start(NEXT_BOOT, durability="process")
        assert tus_offset(device, whole) == "5"
        assert tus_offset(device, lost) in {404, 410}
        assert device.request("DELETE", whole, headers={"Tus-Resumable": "1.0.0"}).status_code == 204
        assert device.names() == [whole.rpartition("/")[2]]

    def test_a_stop_in_order_leaves_no_doubt(self, start: Start) -> None:
        device = start(BOOT, durability="process")
        device.store(b"whole", filename="whole.bin")
        end_serving(device.client.application)
        device = start(NEXT_BOOT)
        with services_of(device).database.read() as session:
            assert session.query(File.state).all() == [(FileState.COMPLETE,)]


class TestMarksOfEarlierVersions:
    @pytest.fixture(autouse=True)
    def installation(self, start: Start) -> None:
        """Of before files knew their boot."""
        device = start(BOOT)
        send_half(device)
        with services_of(device).database.write() as session:
            session.execute(update(File).where(File.name == "log.bin").values(unflushed_boot="before"))

    @pytest.mark.parametrize(
        ("marks", "received"),
        [
            pytest.param([], 5, id="stopped-in-order"),
            pytest.param([f"machine {NEXT_BOOT}"], 5, id="killed-in-this-boot"),
            pytest.param([f"machine {BOOT}"], 0, id="power-loss"),
            pytest.param([""], 0, id="mark-lost-its-bytes"),
            pytest.param([f"machine {NEXT_BOOT}", f"other {BOOT}"], 0, id="another-machine"),
        ],
    )
    def test_they_tell_whether_a_power_loss_was(
        self, start: Start, tmp_path: Path, marks: list[str], received: int
    ) -> None:
        folder = tmp_path / "data" / "running"
        folder.mkdir(parents=True)
        for number, text in enumerate(marks):
            (folder / str(number)).write_text(text)
        assert start(NEXT_BOOT).status()["bytes_received"] == received
        assert not folder.exists()

    def test_those_of_this_boot_count_in_the_next_one(self, start: Start, tmp_path: Path) -> None:
        folder = tmp_path / "data" / "running"
        folder.mkdir(parents=True)
        (folder / "1").write_text(f"machine {NEXT_BOOT}")
        start(NEXT_BOOT)
        assert start("boot-3").status()["bytes_received"] == 0


def test_recovery_without_a_database_is_unavailable(start: Start) -> None:
    device = start(BOOT)
    core = services_of(device).core
    recovery = Recovery(replace(core, durability=replace(core.durability, boot=NEXT_BOOT)))
    with services_of(device).database.write() as session:
        session.connection().exec_driver_sql("DROP TABLE received_ranges")
        session.connection().exec_driver_sql("DROP TABLE files")
    with pytest.raises(StoreUnavailable):
        recovery.ensure()
