"""Starting after a power loss."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import Device, frame
from transfer_service.services.recovery import Recovery
from transfer_service.web.services import EXTENSION, Services

BOOT, NEXT_BOOT = ("machine", "boot-1"), ("machine", "boot-2")


@pytest.fixture
def instance(services: Services, tmp_path: Path) -> Callable[[tuple[str, str]], Recovery]:
    """An instance that starts in the given boot."""

    def instance(boot: tuple[str, str]) -> Recovery:
        return Recovery(database=services.database, folder=tmp_path / "running", boot=boot)

    return instance


@pytest.fixture
def half_sent(device: Device) -> Device:
    """A device with an unfinished upload and a finished file."""
    device.send(frame(0, b"hello"), query={"total_size": 10})
    device.store(b"whole", filename="whole.bin")
    return device


Instance = Callable[[tuple[str, str]], Recovery]


def test_after_a_power_loss_unfinished_uploads_start_again(half_sent: Device, instance: Instance) -> None:
    instance(BOOT).begin()
    assert instance(NEXT_BOOT).begin() == 1
    assert half_sent.status()["status"] == "pending"
    assert half_sent.get("/download/whole.bin").data == b"whole"


def test_what_started_again_completes_with_the_same_total(half_sent: Device, instance: Instance) -> None:
    instance(BOOT).begin()
    instance(NEXT_BOOT).begin()
    half_sent.send(frame(5, b"world"), query={"total_size": 10})
    assert half_sent.send(frame(0, b"HELLO"), query={"total_size": 10}).get_json()["status"] == "complete"
    assert half_sent.get("/download/log.bin").data == b"HELLOworld"


def test_after_a_kill_in_the_same_boot_nothing_is_forgotten(half_sent: Device, instance: Instance) -> None:
    instance(BOOT).begin()
    assert instance(BOOT).begin() == 0
    assert half_sent.status()["bytes_received"] == 5


def test_after_a_stop_in_order_nothing_is_forgotten(half_sent: Device, instance: Instance) -> None:
    first = instance(BOOT)
    first.begin()
    first.end()
    assert instance(NEXT_BOOT).begin() == 0
    assert half_sent.status()["bytes_received"] == 5


def test_the_mark_of_a_killed_instance_still_counts(half_sent: Device, instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "running").mkdir()
    dead = tmp_path / "running" / f"{2**22 + 1}-dead"  # past any process id
    dead.write_text(" ".join(BOOT))
    second = instance(BOOT)
    second.begin()
    assert not dead.exists()
    assert instance(NEXT_BOOT).begin() == 1
    assert half_sent.status()["bytes_received"] == 0


def test_another_machine_on_the_same_folder_forgets_nothing(half_sent: Device, instance: Instance) -> None:
    instance(BOOT).begin()
    assert instance(("other", "boot-9")).begin() == 0
    assert half_sent.status()["bytes_received"] == 5


def test_chunks_that_are_flushed_need_no_recovery(make_app: Callable[..., Flask]) -> None:
    assert make_app(durability="ack").extensions[EXTENSION].recovery is None
